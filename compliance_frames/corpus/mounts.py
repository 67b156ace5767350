"""One way to look into frames of different libraries and to give the same kind back.

pandas is never imported: a frame is known by the name of its class, and asked for what it can do itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from compliance_frames.corpus.arrays import Mask, kept
from compliance_frames.corpus.columns import top_level
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
        return _Pandas(frame)
    if _is(frame, "polars", "DataFrame"):
        return _Polars(frame)
    if isinstance(frame, pa.Table | pa.RecordBatch):
        return _Arrow(frame if isinstance(frame, pa.Table) else pa.Table.from_batches([frame]))
    series = _is(frame, "polars", "Series") or _is(frame, "pandas", "Series") or isinstance(frame, pa.ChunkedArray)
    if hasattr(frame, "__arrow_c_stream__") and not series:
        return _Arrow(pa.table(frame))
    raise PlanError(
        "a frame is wanted (pandas, polars, pyarrow.Table or anything with an Arrow stream), "
        f"not {type(frame).__name__}"
    )


def is_lazy(frame: Any) -> bool:
    """Whether a frame is a polars ``LazyFrame``, whose rows are not there yet."""
    return _is(frame, "polars", "LazyFrame")


def _is(frame: Any, library: str, name: str) -> bool:
    kinds = type(frame).__mro__
    return any(kind.__name__ == name and kind.__module__.partition(".")[0] == library for kind in kinds)


class _Arrow:
    def __init__(self, table: pa.Table) -> None:
        self.frame = table

    def columns(self, told: Sequence[str]) -> pa.Table:  # noqa: ARG002
        return self.frame

    def with_columns(self, added: pa.Table) -> pa.Table:
        table = self.frame.drop_columns([name for name in added.schema.names if name in self.frame.schema.names])
        for field, column in zip(added.schema, added.columns, strict=True):
            table = table.append_column(field, column)
        return table

    def erased(self, changes: Mapping[str, Change], keep: Mask) -> pa.Table:
        if not changes and keep.all():
            return self.frame
        schema = self.frame.schema
        named = zip(schema.names, self.frame.columns, strict=True)
        columns = [changes[name][0] if name in changes else column for name, column in named]
        if not keep.all():
            columns = [kept(column, keep) for column in columns]
        return pa.Table.from_arrays(columns, schema=schema)


class _Polars:
    def __init__(self, frame: Any) -> None:
        self.frame = frame

    def columns(self, told: Sequence[str]) -> pa.Table:  # noqa: ARG002
        return pa.table(self.frame)

    def with_columns(self, added: pa.Table) -> Any:
        return self.frame.drop(added.schema.names, strict=False).hstack(_to_polars(added))

    def erased(self, changes: Mapping[str, Change], keep: Mask) -> Any:
        frame = self.frame
        for name, (column, _) in changes.items():
            changed = _to_polars(pa.Table.from_arrays([column], names=[name])).get_column(name)
            frame = frame.with_columns(changed.cast(frame.schema[name]))
        return frame if keep.all() else frame.filter(keep)


class _Pandas:
    def __init__(self, frame: Any) -> None:
        self.frame = frame

    def columns(self, told: Sequence[str]) -> pa.Table:
        """Columns of known names, and those of objects (where structs live) if Arrow can read them."""
        names = [
            name for name in self.frame.columns[~self.frame.columns.duplicated(keep=False)] if isinstance(name, str)
        ]
        known = set(top_level(names, told))
        found = {}
        for name in names:
            series = self.frame[name]
            if name in known or series.dtype.kind == "O" or hasattr(series.dtype, "pyarrow_dtype"):
                try:
                    found[name] = pa.array(series, from_pandas=True)
                except pa.ArrowException as error:
                    if name in known:
                        said = str(error).partition("\n")[0]
                        raise PlanError(f"column {name!r} mixes values that no one type can hold ({said})") from error
        return pa.table(found)

    def with_columns(self, added: pa.Table) -> Any:
        frame = self.frame.drop(columns=added.schema.names, errors="ignore")
        plain = added.to_pandas()
        return frame.assign(**{name: plain[name].array for name in added.schema.names})

    def erased(self, changes: Mapping[str, Change], keep: Mask) -> Any:
        if not changes and keep.all():
            return self.frame.copy(deep=False)
        frame = self.frame.copy(deep=False)
        for name, (column, where) in changes.items():
            frame[name] = _with_values(frame[name], column, where)
        frame = frame[keep].copy()
        for at, (_, before) in enumerate(self.frame.items()):
            if str(before.dtype) == "category":
                frame.isetitem(at, _without_lost_categories(frame.iloc[:, at], before))
        return frame


def _to_polars(table: pa.Table) -> Any:
    import polars as pl

    return pl.from_arrow(table)


def _with_values(series: Any, column: pa.ChunkedArray[Any], where: Mask) -> Any:
    """The series with the changed values in the changed rows alone, so that the others keep what they are."""
    if hasattr(series.dtype, "pyarrow_dtype"):
        return type(series)(type(series.array)(column.cast(series.dtype.pyarrow_dtype)), index=series.index)
    if str(series.dtype) != "object":
        return series.mask(where)  # flat values, which can only have become null
    values = series.to_numpy(dtype=object, copy=True)
    rows = np.flatnonzero(where)
    for row, value in zip(rows.tolist(), column.take(rows).to_pylist(), strict=True):
        values[row] = value
    return type(series)(values, index=series.index, dtype=object)


def _without_lost_categories(after: Any, before: Any) -> Any:
    """A category that no row has any more would still name what was erased; those never used stay."""
    used, still = (set(series.cat.remove_unused_categories().cat.categories) for series in (before, after))
    gone = used - still
    return after.cat.remove_categories(list(gone)) if gone else after
