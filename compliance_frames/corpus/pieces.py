"""A frame of any library as Arrow has it, a piece and some columns at a time, as often as it is asked for.

No library of frames is imported for it but polars and Arrow: the others are asked for what they can do themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
import polars.selectors as cs
import pyarrow as pa

from compliance_frames.corpus.columns import top_level
from compliance_frames.ids.queries import running
from compliance_frames.ids.sources import polars_to_arrow

#: Rows of a piece.
ROWS: Final = 1 << 16
#: By so many of its first values the type of a column is told, of which nothing is known.
_FEW: Final = 256


@dataclass(frozen=True)
class Pieces:
    """A frame that can be read more than once.

    Attributes:
        schema: of its columns, or of those that matter here where a frame's types are only known by its values.
        read: given names of columns, and how many rows at most, the rows; in pieces of whatever size.
    """

    schema: pa.Schema
    read: Callable[[list[str], int | None], Iterator[pa.Table]]

    @classmethod
    def of(cls, source: Any, told: Sequence[str]) -> Pieces | None:
        """The frame that something is, or None where it is none, or can be read once only.

        Args:
            source: anything.
            told: paths of columns that matter, beside those that matter by their names.

        >>> Pieces.of(pa.table({"id": [1]}), []).schema.names, Pieces.of([1], [])
        (['id'], None)
        """
        if hasattr(source, "to_native"):  # narwhals
            return cls.of(source.to_native(), told)
        if isinstance(source, pl.DataFrame | pl.LazyFrame):
            return cls._of_polars(source.lazy())
        if isinstance(source, pa.Table | pa.RecordBatch):
            whole = source if isinstance(source, pa.Table) else pa.Table.from_batches([source])
            return cls(whole.schema, lambda names, most: iter([whole.select(names).slice(0, most)]))
        if hasattr(source, "scanner"):  # a pyarrow dataset
            return cls(source.schema, lambda names, most: _scanned(source, names, most))
        if type(source).__module__.partition(".")[0] == "pandas" and type(source).__name__ == "DataFrame":
            return _of_pandas(source, told)
        if hasattr(source, "project") and hasattr(source, "limit"):  # a DuckDB relation
            with running(source):
                schema = pa.RecordBatchReader.from_stream(source.limit(0)).schema
            return cls(schema, lambda names, most: _projected(source, names, most))
        return None

    @classmethod
    def _of_polars(cls, frame: pl.LazyFrame) -> Pieces:
        with running(frame):
            schema = {name: kind for name, kind in frame.collect_schema().items() if kind != pl.Object}
            empty = polars_to_arrow(pl.DataFrame(schema=schema))
        return cls(empty.schema, lambda names, most: _collected(frame, names, most))

    def tables(self, names: Sequence[str]) -> Iterator[pa.Table]:
        """All rows of some columns, in pieces of at most :data:`ROWS`."""
        for table in self.read(list(names), None):
            yield from (table.slice(start, ROWS) for start in range(0, table.num_rows, ROWS))

    def first(self, names: Sequence[str], rows: int) -> pa.Table:
        """The first rows of some columns.

        >>> Pieces.of(pl.DataFrame({"id": [1, 2, 3]}), []).first(["id"], 2)["id"].to_pylist()
        [1, 2]
        """
        empty = pa.Table.from_batches([], pa.schema([self.schema.field(name) for name in names]))
        some = list(self.read(list(names), rows))
        return pa.concat_tables(some).slice(0, rows) if some else empty


def _of_pandas(frame: Any, told: Sequence[str]) -> Pieces:
    """Columns that matter by their names; and text, for which the first values have to speak until more is wanted."""
    names = [name for name in frame.columns[~frame.columns.duplicated(keep=False)] if isinstance(name, str)]
    known = {name: _of_series(frame[name]) for name in top_level(names, told)}
    texts = [name for name in names if name not in known and _may_hold_text(frame[name].dtype)]
    begun = {name: _of_series(frame[name].head(_FEW)) for name in texts}
    schema = pa.schema([(name, column.type) for name, column in (known | begun).items()])

    def read(names: list[str], most: int | None) -> Iterator[pa.Table]:
        whole = {name: known[name] if name in known else _of_series(frame[name].head(most)) for name in names}
        yield pa.table({name: column.slice(0, most) for name, column in whole.items()})

    return Pieces(schema, read)


def _may_hold_text(kind: Any) -> bool:
    return kind.kind == "O" or hasattr(kind, "pyarrow_dtype")


def _of_series(values: Any) -> Any:
    """A column of pandas; of objects that no one type can hold, the text and the numbers among them."""
    try:
        return pa.array(values, from_pandas=True)
    except (pa.ArrowException, OverflowError, UnicodeError):
        return pa.array([_text_of(each) for each in values], pa.large_string())


def _text_of(value: Any) -> str | None:
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return str(value)
    return value.encode(errors="replace").decode() if isinstance(value, str) else None


def _scanned(dataset: Any, names: list[str], most: int | None) -> Iterator[pa.Table]:
    with running(dataset):
        if most is not None:
            yield dataset.head(most, columns=names)
            return
        for batch in dataset.scanner(columns=names).to_reader():
            yield pa.Table.from_batches([batch])


def _collected(frame: pl.LazyFrame, names: list[str], most: int | None) -> Iterator[pa.Table]:
    chosen = frame.select(cs.by_name(*names))
    with running(frame):
        if most is None:
            yield from map(polars_to_arrow, chosen.collect_batches(maintain_order=False))
        else:
            yield polars_to_arrow(chosen.head(most).collect())


def _projected(relation: Any, names: list[str], most: int | None) -> Iterator[pa.Table]:
    chosen = relation.project(", ".join('"' + name.replace('"', '""') + '"' for name in names))
    with running(relation):
        for batch in pa.RecordBatchReader.from_stream(chosen if most is None else chosen.limit(most)):
            yield pa.Table.from_batches([batch])
