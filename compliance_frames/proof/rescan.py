"""Hold every ID of a dataset against those that must be gone: one anti-join in DuckDB, fed batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from numpy.typing import NDArray

from compliance_frames.proof.erased import Erased
from compliance_frames.proof.roles import Whose

#: One row for each ID that is looked at.
CELLS: Final = pa.schema(
    [
        pa.field("spot", pa.int32(), nullable=False),
        pa.field("author", pa.bool_(), nullable=False),
        pa.field("row", pa.int64(), nullable=False),
        pa.field("places", pa.int64(), nullable=False),
        pa.field("id", pa.int64()),
    ]
)

#: Nothing outside of memory can be reached: no file, no extension, no setting.
LOCKED_DOWN: Final[dict[str, str | bool | int | float | list[str]]] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "lock_configuration": "true",
}

_JOIN: Final = """
SELECT
    c.spot,
    e.treatment,
    count(*) AS looked_at,
    min(c.row) AS first_row,
    count(*) FILTER (WHERE c.places <> 0) AS placed,
    min(c.row) FILTER (WHERE c.places <> 0) AS first_placed,
    bit_or(c.places) AS places
FROM cells AS c JOIN erased AS e ON e.author = c.author AND e.id = c.id
GROUP BY ALL
ORDER BY ALL
"""

#: Text is an ID when it is digits and nothing else, but for spaces around them and what Gnip or rtweet write before.
_WRITTEN: Final = (
    r"^[\s\pZ]*(?:(?:tag|object):search\.(?:twitter|x)\.com,2005:|id:(?:twitter|x)\.com:|x)?([0-9]+)[\s\pZ]*$"
)

#: Tweets and their authors, as they are stored.
PAIRS: Final = pa.schema([pa.field("tweet", pa.int64()), pa.field("author", pa.int64())])

_AUTHORED: Final = """
SELECT DISTINCT tweet AS id FROM pairs SEMI JOIN authors ON authors.id = pairs.author
WHERE tweet IS NOT NULL ORDER BY id
"""

_BOUNDED: Final = """
SELECT DISTINCT tweet AS id FROM pairs JOIN authors ON authors.id = pairs.author AND pairs.tweet <= authors.up_to
ORDER BY id
"""


@dataclass(frozen=True)
class Found:
    """How many IDs of one spot met one treatment.

    Attributes:
        spot: the number that :func:`cells` was given.
        treatment: what had to happen to these IDs.
        looked_at: how many they are.
        first_row: the first row they stand in.
        placed: how many have a place beside them.
        first_placed: the first row of those, or None.
        places: the bits of the columns of those places.
    """

    spot: int
    treatment: str
    looked_at: int
    first_row: int
    placed: int
    first_placed: int | None
    places: int


def rescan(batches: Iterator[pa.RecordBatch], erased: Erased) -> list[Found]:
    """Join a stream of IDs with those that must be gone.

    The batches pass once and are not kept; only the IDs to look for lie in memory.

    Args:
        batches: of the schema ``CELLS``.
        erased: what to look for.

    >>> batch = cells(0, "tweet", ids_of(pa.array(["7", " 8 ", "x"])))
    >>> found = rescan(iter([batch]), Erased(np.array([8])))
    >>> [(each.treatment, each.looked_at) for each in found]
    [('drop', 1)]
    """
    first = tuple(islice(batches, 1))  # whoever looks for them has begun, and goes on while DuckDB starts
    with duckdb.connect(":memory:", config=LOCKED_DOWN) as connection:
        _fill(connection, "erased", erased.table())
        connection.register("cells", pa.RecordBatchReader.from_batches(CELLS, chain(first, batches)))
        return [Found(*row) for row in connection.execute(_JOIN).fetchall()]


def authored(batches: Iterator[pa.RecordBatch], authors: NDArray[np.int64]) -> NDArray[np.int64]:
    """The tweets of some authors, sorted.

    Args:
        batches: of the schema ``PAIRS``.
        authors: whose tweets are wanted.

    >>> authored(iter([pairs(pa.array([1, 2]), pa.array(["8", "9"]))]), np.array([9]))
    array([2])
    """
    with duckdb.connect(":memory:", config=LOCKED_DOWN) as connection:
        _fill(connection, "authors", pa.table({"id": pa.array(authors, pa.int64())}))
        connection.register("pairs", pa.RecordBatchReader.from_batches(PAIRS, batches))
        return np.asarray(connection.execute(_AUTHORED).fetchnumpy()["id"], dtype=np.int64)


def bounded(batches: Iterator[pa.RecordBatch], authors: pa.Table) -> NDArray[np.int64]:
    """The tweets of some authors up to the last one of each that is concerned, sorted.

    Args:
        batches: of the schema ``PAIRS``.
        authors: an ``id`` and an ``up_to`` for each.

    >>> tweets = pairs(pa.array([1, 2]), pa.array(["9", "9"]))
    >>> bounded(iter([tweets]), pa.table({"id": [9], "up_to": [1]}))
    array([1])
    """
    with duckdb.connect(":memory:", config=LOCKED_DOWN) as connection:
        _fill(connection, "authors", authors)
        connection.register("pairs", pa.RecordBatchReader.from_batches(PAIRS, batches))
        return np.asarray(connection.execute(_BOUNDED).fetchnumpy()["id"], dtype=np.int64)


def pairs(tweets: Any, authors: Any) -> pa.RecordBatch:
    """Tweets and their authors as :func:`authored` wants them."""
    return pa.record_batch([ids_of(tweets), ids_of(authors)], schema=PAIRS)


def cells(
    spot: int,
    whose: Whose,
    ids: pa.Array[Any],
    *,
    rows: NDArray[np.int64] | None = None,
    places: NDArray[np.int64] | None = None,
) -> pa.RecordBatch:
    """IDs as :func:`rescan` wants them.

    Args:
        spot: a number that stands for the place where they were found.
        whose: whom they name.
        ids: as :func:`ids_of` gives them.
        rows: the row of each; 0 where there is none.
        places: bits of places beside each.
    """
    count = len(ids)
    zeros = np.zeros(count, np.int64)
    columns: list[Any] = [
        np.full(count, spot, np.int32),
        np.full(count, whose == "author"),
        zeros if rows is None else rows,
        zeros if places is None else places,
    ]
    return pa.record_batch([*map(pa.array, columns), ids], schema=CELLS)


def ids_of(values: Any) -> pa.Array[Any]:
    """IDs as numbers: text is one when it is digits and nothing else, but for spaces around them.

    Args:
        values: an array of integers, of text or of bytes of text, plain or in a dictionary.

    >>> ids_of(pa.array([" 08 ", "x", None, "1" * 20])).to_pylist()
    [8, None, None, None]
    """
    if pt.is_dictionary(values.type):
        return ids_of(values.dictionary).take(values.indices)
    kind = values.type
    if pt.is_uint64(kind):
        values = pc.if_else(pc.less_equal(values, pa.scalar(2**63 - 1, kind)), values, pa.scalar(None, kind))
    if pt.is_integer(kind):
        return values.cast(pa.int64())
    text = values.cast(options=pc.CastOptions(pa.large_string(), allow_invalid_utf8=True))
    try:
        return text.cast(pa.int64())
    except pa.ArrowInvalid:  # some of it is no number
        return _spelled(text)


def _spelled(text: Any) -> pa.Array[Any]:
    """The numbers among texts of every kind."""
    bare = pc.ascii_ltrim(pc.replace_substring_regex(text, _WRITTEN, r"\1"), "0")
    fits = pc.or_(
        pc.match_substring_regex(bare, "^[0-9]{1,18}$"),
        pc.and_(pc.match_substring_regex(bare, "^[0-9]{19}$"), pc.less_equal(bare, str(2**63 - 1))),
    )
    return pc.if_else(fits, bare, pa.scalar(None, bare.type)).cast(pa.int64())


def _fill(connection: duckdb.DuckDBPyConnection, name: str, table: pa.Table) -> None:
    """A table of a fixed name from an Arrow one."""
    connection.register("given", table)
    connection.execute(f"CREATE TABLE {name} AS FROM given")
    connection.unregister("given")
