"""Whatever holds IDs becomes sorted, unique int64, with a count of what was left out.

Frames come through the Arrow PyCapsule interface, files are read here; of either only the ID column is touched,
in pieces where the source can be streamed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from compliance_frames.errors import IdError
from compliance_frames.ids.files import batches_of_path
from compliance_frames.ids.naming import id_column_of, take
from compliance_frames.ids.parse import looks_damaged, parse_ids, parse_values

__all__ = ["Ids", "id_column_of", "parse_ids", "read_ids"]


@dataclass(frozen=True, slots=True)
class Ids:
    """The IDs of a source.

    Attributes:
        values: int64, sorted, unique, without nulls.
        rows: how many rows the source has.
        nulls: how many of them have no ID.
        duplicates: how many repeat an ID of another row.
        column: the name of the column that was read, or None where the source has none.
    """

    values: pa.Int64Array = field(repr=False)
    rows: int
    nulls: int
    duplicates: int
    column: str | None

    def __len__(self) -> int:
        return len(self.values)


def read_ids(source: Any, *, id_column: str | None = None, allow_damaged: bool = False) -> Ids:
    """Read the IDs of a frame, a list, a file or a dataset.

    Args:
        source: a polars DataFrame, LazyFrame or Series; a pandas DataFrame or Series; a pyarrow Table,
            RecordBatch, RecordBatchReader, Array or ChunkedArray; a DuckDB relation; anything else that
            exports an Arrow stream; a NumPy array; a list, set, range or iterator of integers or digit
            strings; a path to Parquet, CSV, JSON lines or text (one ID a line; ``.gz``, ``.bz2`` and
            ``.zst`` are unpacked); or a directory of Parquet files.
        id_column: the column's name, ``user.id_str`` for a nested one. Left out, the only column is taken,
            or the one called ``id``, ``id_str``, ``tweet_id``, …
        allow_damaged: take IDs that look as if they had gone through floating point.

    Raises:
        IdError: with column, row and value, where a value is no ID; where the column is missing or holds
            floats; where its IDs look damaged; where there is nothing to ask.

    >>> ids = read_ids(pl.DataFrame({"id": ["21", "20", None, "21"]}))
    >>> ids.values.to_pylist(), ids.nulls, ids.duplicates
    ([20, 21], 1, 1)
    """
    parts: list[np.ndarray[Any, np.dtype[np.int64]]] = []
    rows, column = 0, id_column
    for column, values in _columns(source, id_column):
        parse = parse_values if isinstance(values, list) else parse_ids
        ids = parse(values, column=column, first_row=rows)
        rows += len(ids)
        parts.append(ids.drop_null().to_numpy())
    values = np.concatenate(parts) if parts else np.empty(0, np.int64)
    del parts
    present = len(values)
    if present == 0:
        what = "has no rows" if rows == 0 else f"has no ID in any of its {rows:,} rows"
        raise IdError(f"There is nothing to ask: {_named(source, column)} {what}.", column=column)
    values = _sorted_unique(values)
    if not allow_damaged and looks_damaged(values):
        raise IdError(_DAMAGED.format(what=_named(source, column)), column=column)
    return Ids(pa.array(values), rows, rows - present, present - len(values), column)


_DAMAGED = (
    "The IDs of {what} look damaged: nearly all are round numbers, as they become when they pass through floating "
    "point or a spreadsheet. Such IDs belong to other tweets or to none. Read the source again with this column as "
    "strings; if the IDs are right all the same, say allow_damaged=True."
)


def _columns(source: Any, told: str | None) -> Iterator[tuple[str | None, Any]]:
    """The ID column of a source in pieces, each with the column's name."""
    if isinstance(source, str | Path):
        return batches_of_path(Path(source), told)
    if isinstance(source, pa.Array | pa.ChunkedArray):
        return iter([(told, source)])
    if isinstance(source, pl.Series):
        return iter([(source.name or told, _arrow(source.to_frame()).column(0))])
    if isinstance(source, pl.LazyFrame):
        return iter([_of_lazy(source, told)])
    if hasattr(source, "to_native"):  # narwhals
        return _columns(source.to_native(), told)
    if hasattr(source, "scanner"):  # a pyarrow dataset
        name, top = id_column_of(source.schema.names, told)
        return _of_reader(source.scanner(columns=[top]).to_reader(), name)
    if type(source).__module__.partition(".")[0] == "pandas":
        return iter([_of_pandas(source, told)])
    if hasattr(source, "project") and hasattr(source, "__arrow_c_stream__"):  # a DuckDB relation
        name, top = id_column_of(source.columns, told)
        return _of_reader(pa.RecordBatchReader.from_stream(source.project(_quoted(top))), name)
    if isinstance(source, pa.RecordBatch | pa.Table):
        name, _ = id_column_of(source.schema.names, told)
        return iter([(name, take(source, name))])
    if hasattr(source, "__arrow_c_stream__"):
        return _of_stream(source, told)
    if hasattr(source, "__arrow_c_array__"):
        return iter([(told, pa.array(source))])
    return iter([(told, _of_values(source))])


def _of_lazy(frame: pl.LazyFrame, told: str | None) -> tuple[str, Any]:
    name, top = id_column_of(frame.collect_schema().names(), told)
    return name, take(_arrow(frame.select(pl.col(top)).collect(engine="streaming")), name)


def _arrow(frame: pl.DataFrame) -> pa.Table:
    """A polars frame in Arrow, which has no integers of 128 bits: those go as text."""
    return frame.with_columns(pl.col(pl.Int128, pl.UInt128).cast(pl.String)).to_arrow()


def _of_stream(source: Any, told: str | None) -> Iterator[tuple[str | None, Any]]:
    if isinstance(source, pl.DataFrame):
        name, top = id_column_of(source.columns, told)
        return iter([(name, take(_arrow(source.select(pl.col(top))), name))])
    try:
        return _of_reader(pa.RecordBatchReader.from_stream(source), told)
    except (pa.ArrowInvalid, pa.ArrowTypeError, ValueError):  # a stream of plain values: a column, not a frame
        return iter([(told, pa.chunked_array(source))])


def _of_reader(reader: pa.RecordBatchReader, told: str | None) -> Iterator[tuple[str | None, Any]]:
    name, _ = id_column_of(reader.schema.names, told)
    return ((name, take(batch, name)) for batch in reader)


def _of_pandas(source: Any, told: str | None) -> tuple[str | None, Any]:
    """A pandas column; mixed objects go value by value, so that none is coerced."""
    name = told
    if hasattr(source, "columns"):
        labels = {str(label): label for label in source.columns}
        name, top = id_column_of([str(label) for label in source.columns], told)
        source = source[labels[top]]
    elif getattr(source, "name", None) is not None:
        name = str(source.name)
    try:
        values = pa.array(source, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return name, list(source)
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if pa.types.is_struct(values.type) and name is not None:
        return name, take(pa.table({name.partition(".")[0]: values}), name)
    return name, values


def _of_values(source: Any) -> Any:
    if isinstance(source, np.ndarray):
        if source.ndim != 1:
            raise IdError(f"An array of IDs has one dimension; this one has {source.ndim}.")
        return list(source) if source.dtype.kind in "OUS" else pa.array(source)
    if isinstance(source, dict) or not isinstance(source, Iterable):
        raise IdError(
            f"A {type(source).__name__} holds no IDs that can be read: pass a frame, a list, an array or a path."
        )
    return list(source)


def _sorted_unique(values: np.ndarray[Any, np.dtype[np.int64]]) -> np.ndarray[Any, np.dtype[np.int64]]:
    values.sort()
    keep = np.empty(len(values), bool)
    keep[0] = True
    np.not_equal(values[1:], values[:-1], out=keep[1:])
    return values if keep.all() else values[keep]


def _named(source: Any, column: str | None) -> str:
    where = f"{source}" if isinstance(source, str | Path) else f"the {type(source).__name__}"
    return f"column {column!r} of {where}" if column is not None else where


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
