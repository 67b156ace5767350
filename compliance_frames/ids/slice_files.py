"""Sets of IDs as Parquet files, of which a worker in another process reads no more than its own part.

Each row group is a slice; each slice is one page of plain values, not compressed, in a column without nulls. So the IDs
lie in the file as they lie in memory: a lookup reads the few kilobytes that it needs, and has nothing to decode. For
everybody else it is a sorted Parquet file like any other.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from compliance_frames.durable import open_private
from compliance_frames.errors import PlanError
from compliance_frames.ids.runs import read_exactly
from compliance_frames.ids.sets import IdArray
from compliance_frames.ids.slices import SLICE, IdSet, SlicedIds, bounds, digest, slices

_SCHEMA: Final = pa.schema([pa.field("id", pa.int64(), nullable=False)])
_PLAIN: Final[dict[str, Any]] = {"compression": "none", "use_dictionary": False, "column_encoding": {"id": "PLAIN"}}


def write_slices(ids: IdSet, path: Path, size: int = SLICE) -> dict[str, Any]:
    """Write a set as a Parquet file that only its owner can read; what :func:`open_slices` has to be told of it.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "ids.parquet"
    >>> told = write_slices(np.array([1, 5, 6]), path, size=2)
    >>> pq.read_metadata(path).num_row_groups, open_slices(path, told).is_in(np.array([5]))
    (2, array([ True]))
    """
    told = []
    pages = {"data_page_size": 8 * size + 1, "max_rows_per_page": size, "store_schema": False}
    with open_private(path) as file, pq.ParquetWriter(file, _SCHEMA, **_PLAIN, **pages) as writer:
        for part in _of_size(ids, size):
            writer.write_table(pa.table({"id": part}, schema=_SCHEMA), row_group_size=size)
            told.append([int(part[0]), digest(part)])
    return {
        "ids": len(ids),
        "last": bounds(ids)[1] if len(ids) else -1,
        "sha256": digest(ids),
        "size": size,
        "slices": told,
    }


def open_slices(path: Path, told: dict[str, Any], *, whole: bool = False) -> IdSet:
    """The set that was written to a file: whole as an array, or so that lookups read what they want of it.

    Args:
        path: of the file.
        told: what :func:`write_slices` gave back.
        whole: read it now.

    Raises:
        PlanError: the file does not hold what was written. Where it is not read whole, a lookup says so that comes to
            a slice that is damaged.
    """
    store = _PlainFile(path, told)

    def check(number: int, ids: IdArray) -> None:
        if digest(ids) != told["slices"][number][1]:
            raise _changed(path, f"slice {number + 1} of {len(told['slices'])} is another")

    first = np.array([first for first, _ in told["slices"]], np.int64)
    _must_begin_so(store, path, told, first)
    ids = SlicedIds(store, told["size"], first, told["last"], told["sha256"], check)
    return np.concatenate([np.empty(0, np.int64), *ids.slices()]) if whole else ids


def _must_begin_so(store: _PlainFile, path: Path, told: dict[str, Any], first: IdArray) -> None:
    """Hold the bounds that lookups go by against the file: by others, an ID would be looked for where it is not.

    Raises:
        PlanError: they are others.
    """
    if not len(first):
        return
    places = [number * int(told["size"]) for number in range(len(first))]
    found = np.empty(len(first) + 1, np.int64)
    for at, place in enumerate([*places, len(store) - 1]):
        store.read_into(found[at : at + 1], place)
    if not np.array_equal(found, [*first.tolist(), int(told["last"])]):
        raise _changed(path, "its slices begin or end with other IDs than was noted")


class _PlainFile:
    """The IDs of a Parquet file whose pages hold them as they are."""

    def __init__(self, path: Path, told: dict[str, Any]) -> None:
        self._path, self._count, self._size = path, int(told["ids"]), int(told["size"])
        try:
            self._handle = os.open(path, os.O_RDONLY)
            weakref.finalize(self, os.close, self._handle)
            with path.open("rb") as file:
                metadata = pq.read_metadata(file)
        except (OSError, pa.ArrowException) as error:
            raise _changed(path, f"it cannot be read: {error}") from error
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        if metadata.num_rows != self._count or len(groups) != len(told["slices"]):
            raise _changed(path, f"it has {metadata.num_rows:,} IDs, not {self._count:,}")
        self._starts = [_values_at(group) for group in groups]

    def __len__(self) -> int:
        return self._count

    def read_into(self, room: IdArray, start: int) -> None:
        """Fill an array with the IDs from a position on."""
        try:
            while len(room):
                number, within = divmod(start, self._size)
                part = room[: self._size - within]
                read_exactly(self._handle, part, self._starts[number] + 8 * within)
                room, start = room[len(part) :], start + len(part)
        except OSError as error:
            raise _changed(self._path, f"it cannot be read: {error.strerror}") from error


def _values_at(group: Any) -> int:
    """Where the values of a row group's only page begin, behind its header."""
    chunk = group.column(0)
    return int(chunk.data_page_offset + chunk.total_compressed_size - 8 * group.num_rows)


def _of_size(ids: IdSet, size: int) -> Iterator[IdArray]:
    """The IDs in slices of one size, whatever the size of those that the set has."""
    if isinstance(ids, SlicedIds):
        return (ids.read(start, size) for start in range(0, len(ids), size))
    return slices(ids, size)


def _changed(path: Path, why: str) -> PlanError:
    return PlanError(f"the IDs in {path} are not those that were written there: {why}; run the same again")
