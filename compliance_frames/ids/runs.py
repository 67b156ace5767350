"""Sorted unique IDs of any number in little memory: sorted runs on the disk, merged a piece at a time.

What lies on the disk has no name there, and is gone with the process, however that ends.
"""

from __future__ import annotations

import errno
import os
import tempfile
import weakref
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from compliance_frames.errors import IdError
from compliance_frames.ids.sets import IdArray, is_in, sorted_unique

#: So many IDs are in memory at a time: 128 MB of them, and as much again while pieces become one array.
HELD = 1 << 24
#: So many are read at a time where some are looked up.
_NEAR = 1 << 20


class Run(Protocol):
    """Sorted unique IDs that can be read from any place."""

    def read(self, start: int, size: int) -> IdArray:
        """Some of them, from a position on."""


class SortedIds(Run, Protocol):
    """Sorted unique IDs, wherever they are."""

    def __len__(self) -> int:
        """How many there are."""

    def slices(self, size: int) -> Iterator[pa.Int64Array]:
        """All of them in order, so many at a time."""


class InMemory:
    """Sorted unique IDs as an array.

    >>> [len(part) for part in InMemory(np.arange(5)).slices(2)]
    [2, 2, 1]
    """

    def __init__(self, values: IdArray) -> None:
        self._values = pa.array(values)

    def __len__(self) -> int:
        return len(self._values)

    def slices(self, size: int) -> Iterator[pa.Int64Array]:
        """All of them in order, so many at a time; nothing is copied."""
        return (self._values.slice(start, size) for start in range(0, len(self), size))

    def read(self, start: int, size: int) -> IdArray:
        """Some of them, from a position on."""
        return np.asarray(self._values.slice(start, size).to_numpy())


class OnDisk:
    """Sorted unique IDs in a file without a name.

    Args:
        folder: on whose disk; nothing is seen there.

    Attributes:
        last: the largest of them, or -1.

    Raises:
        IdError: there is no room, or no permission.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self.last = -1
        try:
            with tempfile.TemporaryFile(dir=folder) as file:
                self._handle = os.dup(file.fileno())
        except OSError as error:
            raise self._trouble(error) from error
        weakref.finalize(self, os.close, self._handle)

    def __len__(self) -> int:
        return self._count

    def append(self, values: IdArray) -> None:
        """Put IDs after the last one."""
        left = np.ascontiguousarray(values).view(np.uint8).data
        try:
            while left:
                left = left[os.pwrite(self._handle, left, 8 * self._count + values.nbytes - len(left)) :]
        except OSError as error:
            raise self._trouble(error) from error
        self._count += len(values)
        self.last = int(values[-1]) if len(values) else self.last

    def slices(self, size: int) -> Iterator[pa.Int64Array]:
        """All of them in order, so many at a time; each is read when it is its turn."""
        return (pa.array(self.read(start, size)) for start in range(0, self._count, size))

    def read(self, start: int, size: int) -> IdArray:
        """Some of them, from a position on."""
        values = np.empty(min(size, self._count - start), np.int64)
        self.read_into(values, start)
        return values

    def read_into(self, room: IdArray, start: int) -> None:
        """Fill an array with those from a position on; any number of threads may do so at a time."""
        try:
            read_exactly(self._handle, room, 8 * start)
        except OSError as error:
            told = f"The IDs that were put down in {str(self._folder)!r} cannot be read any more: {error.strerror}."
            raise IdError(told) from error

    def _trouble(self, error: OSError) -> IdError:
        return IdError(
            f"The IDs are more than are held in memory, and cannot be put down in {str(self._folder)!r}: "
            f"{error.strerror or error}. Make room there or give permission, and run again."
        )


def read_exactly(handle: int, room: IdArray, start: int) -> None:
    """Fill an array with the bytes of a file from one of them on.

    Raises:
        OSError: they cannot be read, or the file ends before.
    """
    left = room.view(np.uint8).data
    while left:
        done = os.preadv(handle, [left], start + room.nbytes - len(left))
        if not done:
            raise OSError(errno.EIO, "it ends too early")
        left = left[done:]


class Collector:
    """Takes IDs in any order, and gives them sorted, each once.

    Args:
        folder: on whose disk they go when they are more than ``held``; None keeps all in memory.
        held: how many are in memory at a time.

    >>> ids = Collector(None)
    >>> ids.add(np.array([3, 1, 3]))
    >>> [part.to_pylist() for part in ids.sorted().slices(10)], ids.count
    ([[1, 3]], 3)
    """

    def __init__(self, folder: Path | None, *, held: int = HELD) -> None:
        self._folder, self._most = folder, held
        self._parts: deque[IdArray] = deque()
        self._held = 0
        self._runs: list[OnDisk] = []
        self.count = 0

    def add(self, values: IdArray) -> None:
        """Take some IDs."""
        self._parts.append(values)
        self._held += len(values)
        self.count += len(values)
        if self._folder is not None and self._held >= self._most:
            self._put_down(self._folder)

    def sorted(self) -> SortedIds:
        """All that were taken. Nothing can be added any more."""
        if self._folder is None or not self._runs:
            return InMemory(self._taken())
        if self._held:
            self._put_down(self._folder)
        if len(self._runs) == 1:
            return self._runs.pop()
        whole = OnDisk(self._folder)
        for values in merged(self._runs, self._most // (2 * len(self._runs)) or 1):
            whole.append(values)
        self._runs.clear()
        return whole

    def _put_down(self, folder: Path) -> None:
        """Begin a run, or go on with the last one: IDs that come in their order need no merging."""
        values = self._taken()
        if not self._runs or self._runs[-1].last >= values[0]:
            self._runs.append(OnDisk(folder))
        self._runs[-1].append(values)

    def _taken(self) -> IdArray:
        values, at = np.empty(self._held, np.int64), 0
        while self._parts:  # each is given up as soon as it is copied
            part = self._parts.popleft()
            values[at : at + len(part)] = part
            at += len(part)
        self._held = 0
        return sorted_unique(values)


class _Head:
    """The next IDs of a run."""

    def __init__(self, run: Run) -> None:
        self._run, self._at = run, 0
        self.ids = np.empty(0, np.int64)

    def fill(self, size: int) -> bool:
        """Read on where nothing is left; whether there is anything."""
        if not len(self.ids):
            self.ids = self._run.read(self._at, size)
            self._at += len(self.ids)
        return len(self.ids) > 0

    def take_up_to(self, last: int) -> IdArray:
        """The IDs at hand that are not larger than one."""
        cut = int(np.searchsorted(self.ids, last, side="right"))
        taken, self.ids = self.ids[:cut], self.ids[cut:]
        return taken


def is_among(values: IdArray, ids: SortedIds) -> NDArray[np.bool_]:
    """Which of some sorted values are among IDs, of which only those near the values are read.

    >>> is_among(np.array([1, 4]), InMemory(np.arange(2, 9))).tolist()
    [False, True]
    """
    found = np.zeros(len(values), bool)
    if not len(values):
        return found
    start = bisect_left(range(len(ids)), int(values[0]), key=lambda at: int(ids.read(at, 1)[0]))
    while len(part := ids.read(start, _NEAR)) and part[0] <= values[-1]:
        found |= is_in(values, part)
        start += len(part)
    return found


def merged(runs: Iterable[Run], size: int) -> Iterator[IdArray]:
    """Sorted runs as one, so many IDs of each being in memory at a time."""
    return (sorted_unique(np.concatenate(parts)) for parts in aligned(runs, size))


def aligned(runs: Iterable[Run], size: int) -> Iterator[list[IdArray]]:
    """Sorted runs side by side: in each step of every run what lies in the same range, so many IDs at most.

    >>> runs = [InMemory(np.array([1, 4])), InMemory(np.array([4]))]
    >>> [[part.tolist() for part in parts] for parts in aligned(runs, 9)]
    [[[1, 4], [4]]]
    """
    heads = [_Head(run) for run in runs]
    while ends := [int(head.ids[-1]) for head in heads if head.fill(size)]:
        last = min(ends)  # up to here, all IDs of all runs are at hand
        yield [head.take_up_to(last) for head in heads]
