"""Hold every ID of a dataset against those that must be gone: one anti-join in DuckDB, fed batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.types as pt
from numpy.typing import NDArray

from compliance_frames.proof.erased import Erased
from compliance_frames.proof.roles import Whose

#: One row for each ID that is looked at. ``number`` or ``text`` holds it, as it was stored.
CELLS: Final = pa.schema(
    [
        pa.field("spot", pa.int64(), nullable=False),
        pa.field("whose", pa.string(), nullable=False),
        pa.field("own", pa.bool_(), nullable=False),
        pa.field("row", pa.int64(), nullable=False),
        pa.field("places", pa.int64(), nullable=False),
        pa.field("number", pa.int64()),
        pa.field("text", pa.large_string()),
    ]
)

#: Nothing outside of memory can be reached: no file, no extension, no setting.
_LOCKED_DOWN: Final[dict[str, str | bool | int | float | list[str]]] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "lock_configuration": "true",
}

#: Text is an ID when it is digits and nothing else, but for spaces around them and what Gnip or rtweet write before.
_WRITTEN: Final = (
    r"'^[\s\pZ]*(?:(?:tag|object):search\.(?:twitter|x)\.com,2005:|id:(?:twitter|x)\.com:|x)?([0-9]+)[\s\pZ]*$'"
)
_JOIN: Final = r"""
WITH ids AS (
    SELECT *, coalesce(number, try_cast(regexp_extract(text, $WRITTEN, 1) AS BIGINT)) AS id
    FROM cells
)
SELECT
    c.spot,
    e.treatment,
    count(*) AS looked_at,
    min(c.row) AS first_row,
    count(*) FILTER (WHERE c.places <> 0) AS placed,
    min(c.row) FILTER (WHERE c.places <> 0) AS first_placed,
    bit_or(c.places) AS places,
    count(*) FILTER (WHERE c.own AND a.id IS NULL) AS unasked
FROM ids AS c
LEFT JOIN erased AS e ON e.whose = c.whose AND e.id = c.id
LEFT JOIN asked AS a ON c.own AND a.id = c.id
GROUP BY ALL
ORDER BY ALL
""".replace("$WRITTEN", _WRITTEN)

#: Tweets and their authors, as they are stored.
PAIRS: Final = pa.schema([pa.field("tweet", pa.large_string()), pa.field("author", pa.large_string())])

_AUTHORED: Final = r"""
WITH ids AS (
    SELECT
        try_cast(regexp_extract(tweet, $WRITTEN, 1) AS BIGINT) AS id,
        try_cast(regexp_extract(author, $WRITTEN, 1) AS BIGINT) AS author
    FROM pairs
)
SELECT DISTINCT ids.id FROM ids SEMI JOIN authors ON authors.id = ids.author WHERE ids.id IS NOT NULL ORDER BY ids.id
""".replace("$WRITTEN", _WRITTEN)


@dataclass(frozen=True)
class Found:
    """How many IDs of one spot met one treatment.

    Attributes:
        spot: the number that :func:`cells` was given.
        treatment: what had to happen to these IDs; None for those that nothing was to happen to.
        looked_at: how many they are.
        first_row: the first row they stand in.
        placed: how many have a place beside them.
        first_placed: the first row of those, or None.
        places: the bits of the columns of those places.
        unasked: how many were never asked about, of rows' own tweets.
    """

    spot: int
    treatment: str | None
    looked_at: int
    first_row: int
    placed: int
    first_placed: int | None
    places: int
    unasked: int


def rescan(batches: Iterator[pa.RecordBatch], erased: Erased, asked: NDArray[np.int64]) -> list[Found]:
    """Join a stream of IDs with those that must be gone.

    The batches pass once and are not kept; only the IDs to look for lie in memory.

    Args:
        batches: of the schema ``CELLS``.
        erased: what to look for.
        asked: the tweets that were asked about.

    >>> found = rescan(iter([cells(0, "tweet", pa.array(["7", " 8 ", "x"]))]), Erased(np.array([8])), np.array([7]))
    >>> [(each.treatment, each.looked_at) for each in found]
    [('drop', 1), (None, 2)]
    """
    with duckdb.connect(":memory:", config=_LOCKED_DOWN) as connection:
        _fill(connection, "erased", erased.table())
        _fill(connection, "asked", pa.table({"id": pa.array(asked, pa.int64())}))
        connection.register("cells", pa.RecordBatchReader.from_batches(CELLS, batches))
        return [Found(*row) for row in connection.execute(_JOIN).fetchall()]


def authored(batches: Iterator[pa.RecordBatch], authors: NDArray[np.int64]) -> NDArray[np.int64]:
    """The tweets of some authors, sorted.

    Args:
        batches: of the schema ``PAIRS``.
        authors: whose tweets are wanted.

    >>> authored(iter([pairs(pa.array([1, 2]), pa.array(["8", "9"]))]), np.array([9]))
    array([2])
    """
    with duckdb.connect(":memory:", config=_LOCKED_DOWN) as connection:
        _fill(connection, "authors", pa.table({"id": pa.array(authors, pa.int64())}))
        connection.register("pairs", pa.RecordBatchReader.from_batches(PAIRS, batches))
        return np.asarray(connection.execute(_AUTHORED).fetchnumpy()["id"], dtype=np.int64)


def pairs(tweets: Any, authors: Any) -> pa.RecordBatch:
    """Tweets and their authors as :func:`authored` wants them."""
    both = [_stored(values) for values in (tweets, authors)]
    return pa.record_batch(
        [(text if text is not None else number.cast(pa.large_string())) for number, text in both], schema=PAIRS
    )


def cells(
    spot: int,
    whose: Whose,
    values: Any,
    *,
    own: bool = False,
    rows: NDArray[np.int64] | None = None,
    places: NDArray[np.int64] | None = None,
) -> pa.RecordBatch:
    """IDs as :func:`rescan` wants them.

    Args:
        spot: a number that stands for the place where they were found.
        whose: whom they name.
        values: an array of integers, of text or of bytes of text, plain or in a dictionary.
        own: whether they are rows' own tweet IDs, which must have been asked about.
        rows: the row of each; 0 where there is none.
        places: bits of places beside each.
    """
    count = len(values)
    numbers, texts = _stored(values)
    zeros = np.zeros(count, np.int64)
    columns: list[Any] = [
        pa.array(np.full(count, spot, np.int64)),
        pa.repeat(whose, count),
        pa.repeat(pa.scalar(own), count),
        pa.array(zeros if rows is None else rows),
        pa.array(zeros if places is None else places),
        pa.nulls(count, pa.int64()) if numbers is None else numbers,
        pa.nulls(count, pa.large_string()) if texts is None else texts,
    ]
    return pa.record_batch(columns, schema=CELLS)


def _stored(values: Any) -> tuple[Any, Any]:
    """IDs as numbers or else as text."""
    if pt.is_dictionary(values.type):
        values = values.dictionary.take(values.indices)
    kind = values.type
    if pt.is_integer(kind) and not pt.is_uint64(kind):
        return values.cast(pa.int64()), None
    if pt.is_binary(kind) or pt.is_large_binary(kind) or pt.is_binary_view(kind):
        try:
            return None, values.cast(pa.large_string())
        except pa.ArrowInvalid:  # some of it is no text
            plain = [None if each is None else each.decode(errors="replace") for each in values.to_pylist()]
            return None, pa.array(plain, pa.large_string())
    return None, values.cast(pa.large_string())


def _fill(connection: duckdb.DuckDBPyConnection, name: str, table: pa.Table) -> None:
    """A table of a fixed name from an Arrow one."""
    connection.register("given", table)
    connection.execute(f"CREATE TABLE {name} AS FROM given")
    connection.unregister("given")
