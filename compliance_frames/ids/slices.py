"""Sets of IDs that may be far larger than the memory: a lookup reads the few kilobytes that its values fall in.

A set of up to two million IDs is a sorted array. A larger one lies on the disk, sorted, in slices of a million; of
each slice every 512th ID is in memory, which says where a value would be. What a lookup reads is not kept: the kernel
keeps it, for all threads and processes at once, and gives it up where memory is wanted for something else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np

from compliance_frames.ids import sets
from compliance_frames.ids.runs import Collector, InMemory, OnDisk, Run, SortedIds, merged
from compliance_frames.ids.sets import IdArray

#: IDs of a slice.
SLICE = 1 << 20

#: So many IDs of a set are held in memory, 16 MB of them.
HELD = 1 << 21

#: Of so many IDs one is in memory; those between two of them are read at once.
_BLOCK = 512

#: Blocks that nobody asked for are read all the same, where they are so few between two that somebody did.
_GAP = 4

Mask = np.ndarray[Any, np.dtype[np.bool_]]
Check = Callable[[int, IdArray], None]


class Store(Protocol):
    """Where sorted IDs lie, and can be read from any place."""

    def __len__(self) -> int:
        """How many there are."""

    def read_into(self, room: IdArray, start: int) -> None:
        """Fill an array with those from a position on."""


class SlicedIds:
    """Sorted unique IDs on the disk.

    Args:
        store: where they lie.
        size: IDs of each slice; the last one has what is left.
        first: the smallest ID of each slice.
        last: the largest of all.
        sha256: of all of them, see :func:`digest`.
        check: given the number of each slice and its IDs when it is read whole, as it is before anything of it counts.

    Attributes:
        sha256: of all IDs.
        last: the largest ID.
        looked_into: the numbers of the slices that lookups have read from, for whoever wants to know.

    >>> import tempfile
    >>> ids = Spill(Path(tempfile.gettempdir()), held=0).keep([np.arange(0, 3_000_000, 2)])
    >>> ids.is_in(np.array([7, 8])).tolist(), len(ids), ids.looked_into
    ([False, True], 1500000, {0})
    """

    def __init__(
        self, store: Store, size: int, first: IdArray, last: int, sha256: str, check: Check | None = None
    ) -> None:
        self._store, self._size, self._first, self._check = store, size, first, check
        self._marks: list[IdArray | None] = [None] * len(first)
        self.last, self.sha256 = last, sha256
        self.looked_into: set[int] = set()

    @classmethod
    def over(cls, store: Store, size: int = SLICE) -> SlicedIds:
        """What lies in a store, read once from end to end."""
        whole, first, marks, last = hashlib.sha256(), [], [], -1
        for start in range(0, len(store), size):
            ids = np.empty(min(size, len(store) - start), np.int64)
            store.read_into(ids, start)
            whole.update(_bytes(ids))
            first.append(ids[0])
            marks.append(ids[::_BLOCK].copy())
            last = int(ids[-1])
        made = cls(store, size, np.array(first, np.int64), last, whole.hexdigest())
        made._marks[:] = marks
        return made

    def __len__(self) -> int:
        return len(self._store)

    def __reduce__(self) -> Any:
        raise TypeError(
            "these IDs lie on the disk of one process, and go nowhere else with pickle; make the plan there"
        )

    @property
    def first(self) -> int:
        """The smallest ID."""
        return int(self._first[0])

    def is_in(self, values: IdArray) -> Mask:
        """Which values are among the IDs; the values may come in any order."""
        wanted = values if np.all(values[1:] >= values[:-1]) else np.sort(values)
        return sets.is_in(values, np.concatenate([np.empty(0, np.int64), *self._found(wanted)]))

    def any_between(self, low: int, high: int) -> bool:
        """Whether there is an ID from one number to another, both among them."""
        number = int(np.searchsorted(self._first, low, side="right")) - 1
        if number >= 0 and low <= high:
            marks = self._marks_of(number)
            block = int(np.searchsorted(marks, low, side="right")) - 1
            ids = self._blocks(number, [block], [block + 1])
            at = int(np.searchsorted(ids, low))
            if at < len(ids):
                return bool(ids[at] <= high)
            if block + 1 < len(marks):
                return bool(marks[block + 1] <= high)
        return number + 1 < len(self._first) and low <= high and bool(self._first[number + 1] <= high)

    def slices(self) -> Iterator[IdArray]:
        """All of them in order, a slice at a time."""
        return (self._slice(number) for number in range(len(self._first)))

    def read(self, start: int, size: int) -> IdArray:
        """Some of them, from a position on, as they lie there."""
        ids = np.empty(min(size, len(self) - start), np.int64)
        self._store.read_into(ids, start)
        return ids

    def _found(self, wanted: IdArray) -> Iterator[IdArray]:
        """Those of the sorted values that are among the IDs, slice by slice."""
        at = np.searchsorted(self._first, wanted, side="right") - 1
        edges = [0, *(np.flatnonzero(at[1:] != at[:-1]) + 1), len(at)] if len(at) else [0]
        for begin, end in pairwise(edges):
            if at[begin] >= 0:
                yield self._found_in(int(at[begin]), wanted[begin:end])

    def _found_in(self, number: int, wanted: IdArray) -> IdArray:
        touched = np.searchsorted(self._marks_of(number), wanted, side="right") - 1
        touched = touched[np.concatenate([[True], touched[1:] != touched[:-1]])]
        cuts = np.flatnonzero(np.diff(touched) > _GAP)
        ids = self._blocks(number, touched[[0, *(cuts + 1)]], touched[[*cuts, -1]] + 1)
        return np.asarray(wanted[sets.is_in(wanted, ids)])

    def _blocks(self, number: int, begins: Iterable[int], ends: Iterable[int]) -> IdArray:
        """The IDs of some blocks of a slice, from one up to another, in one array."""
        self.looked_into.add(number)
        size = min(self._size, len(self) - number * self._size)
        spans = [(begin * _BLOCK, min(end * _BLOCK, size)) for begin, end in zip(begins, ends, strict=True)]
        ids, at = np.empty(sum(end - begin for begin, end in spans), np.int64), 0
        for begin, end in spans:
            self._store.read_into(ids[at : at + end - begin], number * self._size + begin)
            at += end - begin
        return ids

    def _marks_of(self, number: int) -> IdArray:
        marks = self._marks[number]
        if marks is None:
            marks = self._marks[number] = self._slice(number)[::_BLOCK].copy()
        return marks

    def _slice(self, number: int) -> IdArray:
        ids = self.read(number * self._size, self._size)
        if self._check is not None:
            self._check(number, ids)
        return ids


#: A sorted array of unique IDs, or as many as one likes on the disk.
IdSet: TypeAlias = IdArray | SlicedIds


def is_in(values: IdArray, among: IdSet) -> Mask:
    """Which values a set holds.

    >>> is_in(np.array([3, 1]), np.array([1, 2])).tolist()
    [False, True]
    """
    return among.is_in(values) if isinstance(among, SlicedIds) else sets.is_in(values, among)


def any_between(ids: IdSet, low: int, high: int) -> bool:
    """Whether a set holds an ID from one number to another, both among them.

    >>> any_between(np.array([1, 5]), 2, 4), any_between(np.array([1, 5]), 2, 5)
    (False, True)
    """
    if isinstance(ids, SlicedIds):
        return ids.any_between(low, high)
    return bool(np.searchsorted(ids, low) < np.searchsorted(ids, high, side="right"))


def bounds(ids: IdSet) -> tuple[int, int]:
    """The smallest and the largest ID of a set that is not empty.

    >>> bounds(np.array([1, 5]))
    (1, 5)
    """
    return (ids.first, ids.last) if isinstance(ids, SlicedIds) else (int(ids[0]), int(ids[-1]))


def slices(ids: IdSet, size: int = SLICE) -> Iterator[IdArray]:
    """The IDs of a set in order, some of them at a time; of an array, so many.

    >>> [part.tolist() for part in slices(np.array([1, 5, 6]), 2)]
    [[1, 5], [6]]
    """
    if isinstance(ids, SlicedIds):
        return ids.slices()
    return (ids[start : start + size] for start in range(0, len(ids), size))


def digest(ids: IdSet) -> str:
    """SHA-256 of a set's IDs, as 64-bit integers with the lowest byte first: equal for equal sets, wherever they lie.

    >>> digest(np.array([1, 5]))[:8]
    'e716a168'
    """
    return ids.sha256 if isinstance(ids, SlicedIds) else hashlib.sha256(_bytes(ids)).hexdigest()


@dataclass(frozen=True)
class Spill:
    """Where sets of IDs go that are larger than what is to be held in memory.

    Attributes:
        folder: on whose disk they lie, in files without a name; None keeps all in memory.
        held: how many IDs of a set are in memory.

    >>> Spill().keep([np.array([3, 1]), np.array([2])]).tolist()
    [1, 2, 3]
    """

    folder: Path | None = None
    held: int = HELD

    def keep(self, parts: Iterable[IdArray]) -> IdSet:
        """The set of IDs that come in parts, in any order and any number of times."""
        collected = self.collector()
        for part in parts:
            collected.add(part)
        return self.kept(collected.sorted())

    def collector(self) -> Collector:
        """Something that takes IDs; give what it sorted to :meth:`kept`."""
        return Collector(self.folder, held=max(self.held, 1))

    def kept(self, ids: SortedIds) -> IdSet:
        """What a collector has sorted, as a set."""
        if isinstance(ids, OnDisk):
            return SlicedIds.over(ids)
        (whole,) = ids.slices(max(len(ids), 1)) if len(ids) else [np.empty(0, np.int64)]
        return np.asarray(whole)

    def union(self, ids: IdSet, more: IdSet) -> IdSet:
        """The IDs of two sets."""
        if not len(ids) or not len(more):
            return ids if len(ids) else more
        if isinstance(ids, SlicedIds) or isinstance(more, SlicedIds):
            assert self.folder is not None
            whole = OnDisk(self.folder)
            for part in merged([_run(each) for each in (ids, more)], SLICE):
                whole.append(part)
            return SlicedIds.over(whole)
        return sets.unique(ids, more)

    def without(self, ids: IdSet, others: IdSet) -> IdSet:
        """The IDs of one set that another does not hold."""
        if not len(ids) or not len(others):
            return ids
        return self.keep(part[~is_in(part, others)] for part in slices(ids))


def _run(ids: IdSet) -> Run:
    return ids if isinstance(ids, SlicedIds) else InMemory(ids)


def _bytes(ids: IdArray) -> Any:
    return np.ascontiguousarray(ids, "<i8").data
