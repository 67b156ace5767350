"""The ID column of whatever holds IDs, a piece at a time.

Frames come through the Arrow PyCapsule interface, files are read in :mod:`compliance_frames.ids.files`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from compliance_frames.errors import IdError
from compliance_frames.ids.files import batches_of_path, parquet_schema
from compliance_frames.ids.naming import AUTHORS, TWEETS, WRAPPERS, id_column_of, plain, take
from compliance_frames.ids.queries import running

_PIECE = 1 << 20


def pieces_of(source: Any, told: str | None) -> Iterator[tuple[str | None, Any]]:
    """The ID column of a source in pieces of at most a million rows, each with the column's name.

    A piece is an Arrow array, or a list of plain values.

    >>> [(name, len(piece)) for name, piece in pieces_of(range(1_500_000), None)]
    [(None, 1048576), (None, 451424)]
    """
    chosen = told if told is not None else _wrapped_id_of(source)
    return ((name, piece) for name, values in _columns(source, chosen) for piece in _cut(values))


def author_column_of(source: Any) -> str | None:
    """The column of author IDs in a source of tweets, by the names that people use; None where none is to be seen.

    >>> author_column_of(pa.table({"id": ["1"], "user": [{"id_str": "2"}]}))
    'user.id_str'
    """
    spelt = {plain(path): path for path in reversed(list(_paths_in(source)))}
    wrapped = (f"{wrapper}.{name}" for wrapper in WRAPPERS[1:] for name in AUTHORS)
    return next((spelt[plain(name)] for name in (*AUTHORS, *wrapped) if plain(name) in spelt), None)


def _wrapped_id_of(source: Any) -> str | None:
    """The column of tweet IDs where tweets lie whole in another one, as the service wraps them, and none is outside."""
    spelt = {plain(path): path for path in reversed(list(_paths_in(source)))}
    if any(plain(name) in spelt for name in TWEETS):
        return None
    wrapped = (plain(f"{wrapper}.{name}") for wrapper in WRAPPERS[1:] for name in TWEETS)
    return next((spelt[path] for path in wrapped if path in spelt), None)


def _paths_in(source: Any) -> Iterator[str]:
    """The columns of a source that tells them without being read, and what lies in structs of theirs."""
    if isinstance(source, str | Path):
        source = parquet_schema(Path(source))
    elif isinstance(source, pl.LazyFrame):
        with running(source):
            source = source.collect_schema().to_frame()
    if isinstance(source, pl.DataFrame):
        source = polars_to_arrow(source.clear())
    schema = source if isinstance(source, pa.Schema) else getattr(source, "schema", None)
    if isinstance(schema, pa.Schema):
        for field in schema:
            yield from _paths_of(field, "", depth=2)
    elif hasattr(source, "columns"):
        yield from map(str, source.columns)


def _paths_of(field: pa.Field[Any], above: str, depth: int) -> Iterator[str]:
    yield f"{above}{field.name}"
    for child in field.type if depth and pa.types.is_struct(field.type) else ():
        yield from _paths_of(child, f"{above}{field.name}.", depth - 1)


def _cut(values: Any) -> Iterator[Any]:
    """A column in pieces, one at least: also a column without rows has a type that may be wrong."""
    if isinstance(values, pa.ChunkedArray):
        for chunk in values.chunks or [pa.nulls(0, values.type)]:
            yield from _cut(chunk)
    elif isinstance(values, Iterator):
        while piece := list(islice(values, _PIECE)):
            yield piece
    else:
        for start in range(0, max(len(values), 1), _PIECE):
            yield values[start : start + _PIECE]


def _columns(source: Any, told: str | None) -> Iterator[tuple[str | None, Any]]:
    """The ID column of a source: whole where it is in memory, else batch by batch."""
    if isinstance(source, str | Path):
        return batches_of_path(Path(source), told)
    if hasattr(source, "pieces"):  # something that reads its IDs itself
        return iter(source.pieces(told))
    if isinstance(source, pa.Array | pa.ChunkedArray):
        return iter([(told, source)])
    if isinstance(source, pl.Series):
        return _of_frames(_slices(source.to_frame()), source.name, source.name or told)
    if isinstance(source, pl.LazyFrame):
        return _of_lazy(source, told)
    if isinstance(source, pl.DataFrame):
        name, top = id_column_of(source.columns, told)
        return _of_frames(_slices(source.select(pl.col(top))), name, name)
    if hasattr(source, "to_native"):  # narwhals
        return _columns(source.to_native(), told)
    if hasattr(source, "scanner"):  # a pyarrow dataset
        return _of_dataset(source, told)
    if type(source).__module__.partition(".")[0] == "pandas":
        return iter([_of_pandas(source, told)])
    if hasattr(source, "project") and hasattr(source, "__arrow_c_stream__"):  # a DuckDB relation
        return _of_relation(source, told)
    if isinstance(source, pa.RecordBatch | pa.Table):
        name, _ = id_column_of(source.schema.names, told)
        return iter([(name, take(source, name))])
    if hasattr(source, "__arrow_c_stream__"):
        return _of_stream(source, told)
    if hasattr(source, "__arrow_c_array__"):
        return iter([(told, pa.array(source))])
    return iter([(told, _of_values(source))])


def _of_lazy(source: pl.LazyFrame, told: str | None) -> Iterator[tuple[str | None, Any]]:
    with running(source):
        name, top = id_column_of(source.collect_schema().names(), told)
        yield from _of_frames(source.select(pl.col(top)).collect_batches(maintain_order=True), name, name)


def _of_dataset(source: Any, told: str | None) -> Iterator[tuple[str | None, Any]]:
    with running(source):
        name, top = id_column_of(source.schema.names, told)
        yield from _of_reader(source.scanner(columns=[top]).to_reader(), name)


def _of_relation(source: Any, told: str | None) -> Iterator[tuple[str | None, Any]]:
    with running(source):
        name, top = id_column_of(source.columns, told)
        yield from _of_reader(pa.RecordBatchReader.from_stream(source.project(_quoted(top))), name)


def _of_frames(frames: Iterable[pl.DataFrame], path: str, name: str | None) -> Iterator[tuple[str | None, Any]]:
    return ((name, take(polars_to_arrow(frame), path)) for frame in frames)


def _slices(frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """A frame in slices, so that not all of its text is copied at the same time; one that is empty is one slice."""
    return frame.iter_slices(_PIECE) if frame.height else iter([frame])


def polars_to_arrow(frame: pl.DataFrame) -> pa.Table:
    """A polars frame in Arrow, which has no integers of 128 bits: those go as text.

    Raises:
        IdError: they lie in lists or structs; or decimals are wider than polars itself bears.

    >>> polars_to_arrow(pl.DataFrame({"id": [20]}, schema={"id": pl.Int128}))["id"].to_pylist()
    ['20']
    """
    wide = [name for name, kind in frame.schema.items() if isinstance(kind, pl.Decimal) and (kind.precision or 0) > 38]
    if wide:  # they come from Arrow, and whatever polars does with them ends in a panic
        raise IdError(f"Column {wide[0]!r} is of type {frame.schema[wide[0]]}, wider than 38 digits: write it as text.")
    with running(frame):
        return frame.with_columns(pl.col(pl.Int128, pl.UInt128).cast(pl.String)).to_arrow()


def _of_stream(source: Any, told: str | None) -> Iterator[tuple[str | None, Any]]:
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
    except (pa.ArrowException, OverflowError, UnicodeError):
        return name, list(source)
    if pa.types.is_struct(values.type) and name is not None:
        return name, take(pa.table({name.partition(".")[0]: values}), name)
    return name, values


def _of_values(source: Any) -> Any:
    if isinstance(source, np.ndarray):
        if source.ndim != 1:
            raise IdError(f"An array of IDs has one dimension; this one has {source.ndim}.")
        if source.dtype.kind in "OU":
            return source.tolist()
        if source.dtype.kind not in "iufb":
            return list(source)
        return pa.array(source)
    if isinstance(source, dict) or not isinstance(source, Iterable):
        raise IdError(
            f"A {type(source).__name__} holds no IDs that can be read: pass a frame, a list, an array or a path."
        )
    return source if isinstance(source, list) else iter(source)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
