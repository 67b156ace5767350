"""One way to look into frames of different libraries and to give the same kind back.

No library of frames but Arrow's is imported: a frame is known by the name of its class, and asked for what it can do
itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import pyarrow as pa

from compliance_frames.corpus.arrays import Mask, kept
from compliance_frames.corpus.enums import without_enums
from compliance_frames.errors import PlanError

#: A column's new values, and the rows in which they differ from the old ones.
Change = tuple[Any, Mask]


class Mount(Protocol):
    """A frame, held so that it can be looked into and changed."""

    def columns(self, told: Sequence[str]) -> pa.Table:
        """The columns that compliance could have to do with, the told paths among them, as Arrow."""

    def with_columns(self, added: pa.Table) -> Any:
        """The frame with these columns, of as many rows, added or replaced."""

    def erased(self, changes: Mapping[str, Change], keep: Mask) -> Any:
        """The frame with some columns changed, and then only the rows where ``keep`` is true."""


def mounted(frame: Any) -> Mount:
    """Hold a frame of any known library.

    Raises:
        PlanError: this is no frame.

    >>> mounted(pa.table({"id": [1]})).columns([]).num_rows
    1
    """
    if _is(frame, "pandas", "DataFrame"):
        from compliance_frames.corpus.pandas_frames import PandasFrame

        return PandasFrame(frame)
    if _is(frame, "polars", "DataFrame"):
        from compliance_frames.corpus.polars_frames import PolarsFrame

        return PolarsFrame(frame)
    if _is(frame, "duckdb", "DuckDBPyRelation") or _is(frame, "_duckdb", "DuckDBPyRelation"):
        from compliance_frames.corpus.duckdb_relations import Relation

        return Relation(frame)
    if isinstance(frame, pa.RecordBatch):
        return ArrowTable(pa.Table.from_batches([frame]), _one_batch)
    if isinstance(frame, pa.RecordBatchReader):
        return ArrowTable(frame.read_all(), pa.Table.to_reader)
    series = _is(frame, "polars", "Series") or _is(frame, "pandas", "Series") or isinstance(frame, pa.ChunkedArray)
    if hasattr(frame, "__arrow_c_stream__") and not series:
        return ArrowTable(frame if isinstance(frame, pa.Table) else pa.table(frame))
    raise PlanError(
        "a frame is wanted (pandas, polars, pyarrow, a DuckDB relation or anything with an Arrow stream), "
        f"not {type(frame).__name__}"
    )


def is_lazy(frame: Any) -> bool:
    """Whether a frame is a polars ``LazyFrame``, whose rows are not there yet."""
    return _is(frame, "polars", "LazyFrame")


def unwrapped(frame: Any) -> tuple[Any, Callable[[Any], Any]]:
    """The frame that one of narwhals holds, and what wraps another one alike; any other frame as it is.

    >>> frame, wrap = unwrapped(pa.table({"id": [1]}))
    >>> wrap(frame) is frame
    True
    """
    for name in ("DataFrame", "LazyFrame"):
        if _is(frame, "narwhals", name):
            version = type(frame).__module__.removesuffix(".dataframe")
            return frame.to_native(), sys.modules[version].from_native
    return frame, lambda native: native


def _is(frame: Any, library: str, name: str) -> bool:
    kinds = type(frame).__mro__
    return any(kind.__name__ == name and kind.__module__.partition(".")[0] == library for kind in kinds)


class ArrowTable:
    """A table of Arrow's, and what makes the frame of it that it came from."""

    def __init__(self, table: pa.Table, back: Callable[[pa.Table], Any] = lambda table: table) -> None:
        self.table, self._back = table, back

    def columns(self, told: Sequence[str]) -> pa.Table:  # noqa: ARG002
        """All of them."""
        return self.table

    def with_columns(self, added: pa.Table) -> Any:
        """The table with these columns at its end."""
        return self._back(self.widened(added))

    def widened(self, added: pa.Table) -> pa.Table:
        """The same, as a table."""
        stay = [at for at, name in enumerate(self.table.schema.names) if name not in added.schema.names]
        table = self.table.select(stay)
        for field, column in zip(added.schema, added.columns, strict=True):
            table = table.append_column(field, column)
        return table

    def erased(self, changes: Mapping[str, Change], keep: Mask) -> Any:
        """The rows that stay, in buffers that hold nothing of the others."""
        return self._back(self.shrunk(changes, keep))

    def shrunk(self, changes: Mapping[str, Change], keep: Mask) -> pa.Table:
        """The same, as a table."""
        if not changes and keep.all():
            return self.table
        schema, _ = without_enums(self.table.schema)
        named = zip(schema.names, self.table.columns, strict=True)
        columns = [changes[name][0] if name in changes else column for name, column in named]
        if not keep.all():
            columns = [kept(column, keep) for column in columns]
        return pa.Table.from_arrays(
            [column.cast(kind) for column, kind in zip(columns, schema.types, strict=True)], schema=schema
        )


def _one_batch(table: pa.Table) -> pa.RecordBatch:
    whole = table.combine_chunks().to_batches()
    return (
        whole[0]
        if len(whole) == 1
        else pa.RecordBatch.from_arrays(
            [
                pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
                for column in table.columns
            ],
            schema=table.schema,
        )
    )
