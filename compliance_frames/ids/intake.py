"""Whatever holds IDs becomes sorted, unique int64, with a count of what was left out.

Only the ID column of a source is touched, a piece at a time; IDs that are too many for the memory go to the disk.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from compliance_frames.errors import IdError
from compliance_frames.ids.naming import id_column_of
from compliance_frames.ids.parse import Roundness, parse_ids, parse_values
from compliance_frames.ids.runs import HELD, Collector, SortedIds
from compliance_frames.ids.sources import pieces_of

__all__ = ["Ids", "id_column_of", "parse_ids", "read_ids"]

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Ids:
    """The IDs of a source.

    Attributes:
        sorted: int64, sorted, unique, without nulls: to be had in slices.
        rows: how many rows the source has.
        nulls: how many of them have no ID.
        duplicates: how many repeat an ID of another row.
        column: the name of the column that was read, or None where the source has none.
    """

    sorted: SortedIds = field(repr=False)
    rows: int
    nulls: int
    duplicates: int
    column: str | None

    def __len__(self) -> int:
        return len(self.sorted)

    @property
    def values(self) -> pa.Int64Array:
        """All IDs as one array, in memory."""
        return pa.concat_arrays(list(self.sorted.slices(max(len(self), 1))))


def read_ids(
    source: Any,
    *,
    id_column: str | None = None,
    allow_damaged: bool = False,
    spill: Path | None = None,
    held: int = HELD,
) -> Ids:
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
        spill: a directory on whose disk IDs go that are more than ``held``; nothing of them is left there, however the
            process ends. None keeps all in memory.
        held: how many IDs are in memory at a time where there is such a directory.

    Raises:
        IdError: with column, row and value, where a value is no ID; where the column is missing or holds
            floats; where its IDs look damaged; where there is nothing to ask; where the disk is full.

    >>> ids = read_ids(pa.table({"id": ["21", "20", None, "21"]}))
    >>> ids.values.to_pylist(), ids.nulls, ids.duplicates
    ([20, 21], 1, 1)
    """
    collected = Collector(spill, held=held)
    rows, column = 0, id_column
    for column, values in pieces_of(source, id_column):
        parse = parse_values if isinstance(values, list) else parse_ids
        ids = parse(values, column=column, first_row=rows)
        rows += len(ids)
        collected.add(ids.drop_null().to_numpy())
    if not collected.count:
        what = "has no rows" if rows == 0 else f"has no ID in any of its {rows:,} rows"
        raise IdError(f"There is nothing to ask: {_named(source, column)} {what}.", column=column)
    unique = collected.sorted()
    if not allow_damaged and _are_damaged(unique):
        raise IdError(_DAMAGED.format(what=_named(source, column)), column=column)
    return Ids(unique, rows, rows - collected.count, collected.count - len(unique), column)


def _are_damaged(ids: SortedIds) -> bool:
    roundness = Roundness()
    for part in ids.slices(_PIECE):
        roundness.look_at(part.to_numpy())
    return roundness.is_damage


_DAMAGED = (
    "The IDs of {what} look damaged: nearly all are round numbers, as they become when they pass through floating "
    "point or a spreadsheet. Such IDs belong to other tweets or to none. Read the source again with this column as "
    "strings; if the IDs are right all the same, say allow_damaged=True."
)


def _named(source: Any, column: str | None) -> str:
    where = f"{source}" if isinstance(source, str | Path) else f"the {type(source).__name__}"
    return f"column {column!r} of {where}" if column is not None else where
