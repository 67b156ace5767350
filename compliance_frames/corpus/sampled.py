"""Text that holds tweets though no name says so: found by a look at some of its values."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from compliance_frames.corpus.columns import Columns, column_at
from compliance_frames.corpus.paths import paths_of, type_at
from compliance_frames.corpus.stored import stored_schema
from compliance_frames.corpus.texts import holds_text, tell_of_tweets

#: Rows that are looked at in one file.
_ROWS: Final = 256
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
    schema = file.schema_arrow
    roles = (columns.id, columns.author_id, columns.created_at, *(columns.geo or ()))
    known = tuple(path for path in (*roles, *columns.references, *columns.embedded) if path)
    inside = tuple(f"{path}." for path in known)
    paths = [path for path in paths_of(schema) if path not in known and not path.startswith(inside)]
    paths = [path for path in paths if path.rpartition(".")[2] not in _WORDS and paths.count(path) == 1]
    texts = [path for path in paths if holds_text(type_at(schema, path)) and not _begins_with_digits(file, path)]
    try:
        for batch in file.iter_batches(batch_size=_ROWS, columns=texts, use_threads=False) if texts else ():
            rows = pa.table(batch)
            return tuple(path for path in texts if tell_of_tweets(column_at(rows, path)))
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        return ()
    return ()


def _begins_with_digits(file: pq.ParquetFile, path: str) -> bool:
    """Whether statistics say that all values which would be looked at do, as IDs: no object does, in any writing."""
    stored = [column.path for column in stored_schema(file.metadata)]
    if stored.count(path) != 1:
        return False
    rows = 0
    for number in range(file.num_row_groups):
        group = file.metadata.row_group(number)
        bounds = _bounds(group.column(stored.index(path))) if group.num_rows else ()
        if not all(b"0" <= bound[:1] <= b"9" for bound in bounds):
            return False
        rows += group.num_rows
        if rows >= _ROWS:
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
