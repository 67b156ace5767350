"""Decode what Parquet packs as runs of one value and runs of few bits each: levels, and indices of dictionaries."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

#: Runs are read one by one: where they are shorter than so many values, a library is quicker.
_SHORT: Final = 32
_FEW_RUNS: Final = 16
_MOST_BITS: Final = 32


def hybrid(data: memoryview, width: int, count: int) -> NDArray[np.int64] | None:
    """The values in the hybrid of run lengths and bit packing; None where it is left to others.

    It is for bytes that end before or after the last value, and for runs that are short.

    Args:
        data: all of it, and nothing else.
        width: bits of each value.
        count: how many there are.

    >>> hybrid(memoryview(bytes([2 << 1, 5, 1 << 1 | 1, 0b10001000, 0b11000110, 0b11111010])), 3, 10).tolist()
    [5, 5, 0, 1, 2, 3, 4, 5, 6, 7]
    """
    if not 0 <= width <= _MOST_BITS:
        return None
    runs = _runs(data, width, count)
    if runs is None:
        return None
    bits, steps, counts = np.array(runs, np.int64).reshape(-1, 3).T
    before = np.cumsum(counts) - counts
    if len(runs) == 1 and not steps[0]:  # of levels the most frequent: one value for all
        start = int(bits[0]) >> 3
        return np.full(count, int.from_bytes(data[start:], "little"), np.int64)
    at = np.repeat(bits - before * steps, counts)
    at += np.arange(count) * (steps[0] if len(runs) == 1 else np.repeat(steps, counts))
    room = np.frombuffer(b"".join((data, bytes(8))), np.uint8)
    words: NDArray[Any] = np.ndarray(len(room) - 7, "<u8", room, strides=(1,))[at >> 3]
    words >>= (at & 7).astype(np.uint64)
    words &= np.uint64((1 << width) - 1)
    return words.view(np.int64)


def _runs(data: memoryview, width: int, count: int) -> list[tuple[int, int, int]] | None:
    """For each run where its first value is, how far it is from there to the next one, in bits, and how many it has."""
    at, left = 0, count
    runs: list[tuple[int, int, int]] = []
    while left > 0:
        told = _varint(data, at)
        if told is None or len(runs) > count // _SHORT + _FEW_RUNS:
            return None
        head, at = told
        packed = head & 1
        values = head >> 1 << 3 if packed else head >> 1
        runs.append((8 * at, width if packed else 0, min(values, left)))
        size = (head >> 1) * width if packed else (width + 7) >> 3
        if not values or at + size > len(data):
            return None
        if not packed and int.from_bytes(data[at : at + size], "little") >> width:
            return None
        at, left = at + size, left - values
    return runs if at == len(data) else None


def _varint(data: memoryview, at: int) -> tuple[int, int] | None:
    """A number of seven bits in each byte, and where it ends."""
    value = 0
    for shift in range(0, 35, 7):
        if at >= len(data):
            return None
        byte = data[at]
        at, value = at + 1, value | (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    return None
