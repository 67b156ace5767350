"""Text that holds tweets though no name says so: found by a look at some of its values."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pt

from compliance_frames.corpus.columns import Columns
from compliance_frames.corpus.stored import stored_schema
from compliance_frames.corpus.texts import holds_text, tell_of_tweets
from compliance_frames.corpus.within import bare_type, field_within, leaf_paths, values_within

#: Rows that are looked at in one file, or frame.
ROWS: Final = 256
_VALUES: Final = 1024  # of them, where lists have more
#: What people wrote, and what takes most of the time to read: hardly anybody keeps whole tweets under these names.
_WORDS: Final = ("text", "full_text")
#: Files of one schema that are looked at from the first on; after them fewer and fewer.
_FILES: Final = 4


class Samples:
    """What some files of each schema hold in text; what one of them holds, all may.

    >>> import io
    >>> sink = io.BytesIO()
    >>> pq.write_table(pa.table({"id": [1], "raw": ['{"id": 1, "text": "…"}']}), sink)
    >>> samples, columns = Samples(), Columns("id")
    >>> samples.look(pq.ParquetFile(sink), columns)
    >>> samples.beside(columns).embedded
    ('raw',)
    """

    def __init__(self) -> None:
        self._files: Counter[Columns] = Counter()
        self._found: dict[Columns, dict[str, None]] = {}
        self._whole: dict[Columns, Columns] = {}

    def wants(self, columns: Columns) -> bool:
        """Whether one more file with these columns is to be looked at."""
        self._files[columns] += 1
        number = self._files[columns]
        return number <= _FILES or number & (number - 1) == 0

    def look(self, file: pq.ParquetFile, columns: Columns) -> None:
        """Look at the first rows of a file."""
        self._found.setdefault(columns, {}).update(dict.fromkeys(texts_with_tweets(file, columns)))
        self._whole.pop(columns, None)

    def beside(self, columns: Columns) -> Columns:
        """The columns, and the text that was found to hold tweets."""
        if columns not in self._whole:
            more = self._found.get(columns, {})
            whole = dataclasses.replace(columns, embedded=(*columns.embedded, *more)) if more else columns
            self._whole[columns] = whole
        return self._whole[columns]


def texts_with_tweets(file: pq.ParquetFile, columns: Columns) -> tuple[str, ...]:
    """Columns of text, of which nothing is known yet, whose first values are objects with IDs in them.

    A page that cannot be read tells nothing: whoever needs it will say so.
    """
    paths = leaf_paths(file.schema_arrow)
    if len(paths) != file.metadata.num_columns:  # a schema in the footer that does not fit the columns
        return ()
    leaves = {path: leaf for leaf, path in enumerate(paths)}
    unknown, schema = unknown_texts(file.schema_arrow, columns), stored_schema(file.metadata)
    texts = [path for path in unknown if not _begin_with_digits(file, leaves[path])]
    stored = [schema.column(leaves[path]).path for path in texts]
    try:
        for batch in file.iter_batches(batch_size=ROWS, columns=stored, use_threads=False) if texts else ():
            return with_tweets(pa.table(batch), texts)
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        return ()
    return ()


def beside_texts(columns: Columns, rows: pa.Table) -> Columns:
    """The columns, and the text that by its first rows holds tweets.

    >>> beside_texts(Columns("id"), pa.table({"id": [1], "raw": ['{"id": 1, "text": "…"}']})).embedded
    ('raw',)
    """
    more = with_tweets(rows.slice(0, ROWS), unknown_texts(rows.schema, columns))
    return dataclasses.replace(columns, embedded=(*columns.embedded, *more)) if more else columns


def unknown_texts(schema: pa.Schema, columns: Columns) -> list[str]:
    """The columns of text of which nothing is known: tweets may lie in them, below lists and maps and in tweets, too.

    >>> unknown_texts(pa.schema({"id": pa.string(), "text": pa.string(), "raw": pa.list_(pa.string())}), Columns("id"))
    ['raw']
    """
    roles = (columns.id, columns.author_id, columns.created_at, *(columns.geo or ()), *columns.references)
    whole = tuple(f"{path}." for path in roles if path and path not in columns.embedded)
    known, times = {*roles, *columns.embedded}, Counter(leaf_paths(schema))
    paths = [path for path, count in times.items() if count == 1 and path not in known and not path.startswith(whole)]
    paths = [path for path in paths if path.rpartition(".")[2] not in _WORDS and not _is_key(schema, path)]
    return [path for path in paths if field_within(schema, path) and holds_text(bare_type(schema, path))]


def with_tweets(rows: pa.Table, texts: Sequence[str]) -> tuple[str, ...]:
    """Of some columns of text those that hold tweets in these rows.

    >>> with_tweets(pa.table({"a": ["words"], "b": ['{"id": 1, "text": "…"}']}), ["a", "b"])
    ('b',)
    """
    return tuple(path for path in texts if _tell_of_tweets(rows, path))


def _is_key(schema: pa.Schema, path: str) -> bool:
    """Whether a path leads to the keys of a map: nothing can be taken out of these."""
    above, _, name = path.rpartition(".")
    return name == "key" and field_within(schema, above) is not None and pt.is_map(bare_type(schema, above))


def _tell_of_tweets(rows: pa.Table, path: str) -> bool:
    return any(tell_of_tweets(values[:_VALUES]) for values, _ in values_within(rows, path))


def _begin_with_digits(file: pq.ParquetFile, leaf: int) -> bool:
    """Whether statistics say that all values which would be looked at do, as IDs: no object does, in any writing."""
    rows = 0
    for number in range(file.num_row_groups):
        group = file.metadata.row_group(number)
        bounds = _bounds(group.column(leaf)) if group.num_rows else ()
        if not all(b"0" <= bound[:1] <= b"9" for bound in bounds):
            return False
        rows += group.num_rows
        if rows >= ROWS:
            break
    return True


def _bounds(chunk: Any) -> tuple[bytes, ...]:
    """The smallest and the largest text of a column chunk; one that begins with no digit where that is not said."""
    # Of a chunk of another type than its column's, asking for statistics would end the process.
    statistics = chunk.statistics if chunk.physical_type == "BYTE_ARRAY" else None
    if statistics is None or not statistics.has_min_max:
        return (b"",)
    try:
        found = (statistics.min, statistics.max)
    except (UnicodeDecodeError, pa.ArrowException):
        return (b"",)
    return tuple(bound.encode(errors="replace") if isinstance(bound, str) else bytes(bound) for bound in found)
