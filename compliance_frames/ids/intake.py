"""Whatever holds IDs becomes sorted, unique int64, with a count of what was left out.

Only the ID column of a source is touched, a piece at a time; IDs that are too many for the memory go to the disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from compliance_frames.errors import IdError
from compliance_frames.ids.naming import id_column_of
from compliance_frames.ids.parse import Roundness, parse_ids, parse_values
from compliance_frames.ids.runs import HELD, Collector, SortedIds, aligned
from compliance_frames.ids.sets import IdArray, unique, without
from compliance_frames.ids.sources import pieces_of
from compliance_frames.schemas import JobType

__all__ = ["Ids", "Kind", "id_column_of", "joined", "parse_ids", "read_ids"]

_PIECE = 1 << 20
#: Of each kind of IDs that rows name so many are in memory; there are several.
_HELD_OF_A_KIND = HELD >> 3


@dataclass(frozen=True, slots=True)
class Kind:
    """IDs of one kind that rows name beside their own.

    Attributes:
        found: how many there are, each counted once.
        more: how many of them are neither a row's own nor of a kind before this one.
    """

    found: int
    more: int


@dataclass(frozen=True, slots=True)
class Ids:
    """The IDs of a source.

    Attributes:
        sorted: int64, sorted, unique, without nulls: to be had in slices.
        rows: how many rows the source has.
        nulls: how many of them have no ID.
        duplicates: how many repeat an ID of another row.
        column: the name of the column that was read, or None where the source has none.
        kinds: of IDs that were added to the rows' own, how many there are of each kind.
    """

    sorted: SortedIds = field(repr=False)
    rows: int
    nulls: int
    duplicates: int
    column: str | None
    kinds: Mapping[str, Kind] = field(default_factory=dict)

    @property
    def own(self) -> int:
        """How many are the rows' own, and not only named by a row."""
        return len(self) - sum(kind.more for kind in self.kinds.values())

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


def joined(
    own: Mapping[JobType, Ids],
    others: Iterable[tuple[JobType, str, IdArray]],
    *,
    allow_damaged: bool = False,
    spill: Path | None = None,
) -> dict[JobType, Ids]:
    """The rows' own IDs and those that they name, each once, with how many there are of each kind.

    Args:
        own: as :func:`read_ids` read them, by type.
        others: IDs by their types and kinds, in parts, in any order; those of a type that ``own`` lacks are left out.
        allow_damaged, spill: as for :func:`read_ids`.

    Raises:
        IdError: the IDs of a kind look damaged.

    >>> import numpy as np
    >>> others = [("tweets", "quoted", np.array([21, 30])), ("tweets", "replied_to", np.array([30, 31, 31]))]
    >>> ids = joined({"tweets": read_ids([20, 21])}, others)["tweets"]
    >>> ids.values.to_pylist(), ids.own, ids.kinds
    ([20, 21, 30, 31], 2, {'quoted': Kind(found=2, more=1), 'replied_to': Kind(found=2, more=1)})
    """
    collected: dict[JobType, dict[str, Collector]] = {type: {} for type in own}
    for type, name, ids in others:
        if type in collected:
            collected[type].setdefault(name, Collector(spill, held=_HELD_OF_A_KIND)).add(ids)
    found = {type: {name: kinds[name].sorted() for name in sorted(kinds)} for type, kinds in collected.items()}
    for type, kinds in found.items():
        for name, kind in kinds.items():
            if not allow_damaged and _are_damaged(kind):
                what = f"{type} that rows name as {name}"
                raise IdError(f"{_DAMAGED.format(what=what)} Or ask without them: references=False.")
    return {type: _joined(ids, found[type], spill) if found[type] else ids for type, ids in own.items()}


def _joined(own: Ids, found: Mapping[str, SortedIds], spill: Path | None) -> Ids:
    whole, more = Collector(spill), dict.fromkeys(found, 0)
    for mine, *theirs in aligned([own.sorted, *found.values()], _PIECE):
        known = mine
        for name, part in zip(found, theirs, strict=True):
            fresh = without(part, known)
            more[name] += len(fresh)
            known = unique(known, fresh)
        whole.add(known)
    return replace(
        own, sorted=whole.sorted(), kinds={name: Kind(len(kind), more[name]) for name, kind in found.items()}
    )


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
