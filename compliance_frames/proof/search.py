"""Find erased IDs in bytes that nobody has decoded: as decimal digits, and as numbers of eight bytes."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from compliance_frames.proof.erased import Erased, IdArray

#: Shorter numbers are sizes and dates far more often than IDs. Tweets since 2010 have 11 digits.
FEWEST_DIGITS: Final = 11
MOST_DIGITS: Final = 19
#: Bytes that are looked at in one go. A thread waits for the others each time that NumPy comes back to Python, so that
#: few large blocks are better than many that fit into the processor's cache.
_BLOCK: Final = 1 << 19
_OVERLAP: Final = 40
#: Bytes of small pieces that are looked at together.
_TOGETHER: Final = 1 << 18
_MIX: Final = np.uint64(0x9E3779B97F4A7C15)
#: The last eight digits of a number tell it from most others.
_TAIL: Final = 10**8
#: The first four of eight bytes, and what they are where these are digits, or one of ``:;<=>?``.
_FOUR: Final = np.uint64(0xF0F0F0F0)
_DIGITS: Final = np.uint64(0x30303030)
#: Bytes before and after a place with four digits: no number is so long that it fills them.
_BEFORE: Final = 16
_AFTER: Final = 20
#: Of so many bytes, one place with digits can be looked at by itself before it is quicker to look at every byte.
_SPARSE: Final = 512
_Bytes = NDArray[np.uint8]


class _Room:
    """What NumPy makes of a block before anything is known of it: memory anew for each takes longer than the look."""

    def __init__(self, size: int) -> None:
        self.eights = np.empty(size // 8 + 1, np.uint64)
        self.bytes, self.told = self.eights.view(np.uint8), np.empty(size, np.bool_)


class _Rooms(threading.local):
    """The room of each thread."""

    def __init__(self) -> None:
        self._usual = _Room(_BLOCK + 3 * _OVERLAP)

    def of(self, size: int) -> _Room:
        """Room for so many bytes; what was in it is lost."""
        return self._usual if size <= len(self._usual.told) else _Room(size)


_ROOMS: Final = _Rooms()


class Likely:
    """Tells most numbers from some IDs at once: what it leaves out is none of them, what it takes may be one.

    >>> Likely(np.array([8])).mask(np.array([7, 8])).tolist()
    [False, True]
    """

    def __init__(self, ids: IdArray) -> None:
        bits = min(26, max(10, int(len(ids) * 16).bit_length()))
        self._shift = np.uint64(64 - bits)
        self._may_be = np.zeros(1 << bits, np.bool_)
        self._may_be[self._slots(ids)] = True

    @classmethod
    def of(cls, erased: Erased) -> Likely:
        """What must be gone, or must have no place."""
        parts = (erased.drop_tweets, erased.drop_authors, erased.scrub_tweets, erased.scrub_authors)
        return cls(np.concatenate(parts))

    def mask(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """For each value whether it may be one of the IDs."""
        return self._may_be[self._slots(values)]

    def _slots(self, values: NDArray[Any]) -> NDArray[np.uint64]:
        return (np.ascontiguousarray(values).view(np.uint64) * _MIX) >> self._shift


class Needles:
    """IDs, ready to be looked for.

    Args:
        ids: any of them; those of fewer than eleven digits are left out.

    >>> needles = Needles(np.array([1212161512043446272]))
    >>> needles.in_bytes(b'{"id": "1212161512043446272"}').tolist()
    [1212161512043446272]
    >>> needles.in_bytes((1212161512043446272).to_bytes(8, "little")).tolist()
    [1212161512043446272]
    """

    def __init__(self, ids: IdArray) -> None:
        self.ids = np.unique(ids[ids >= 10 ** (FEWEST_DIGITS - 1)])
        self._tails = Likely(_tails(self.ids))
        self.lengths = sorted({len(str(each)) for each in (self.ids[:1].tolist() + self.ids[-1:].tolist())})
        if len(self.lengths) == 2:
            self.lengths = list(range(self.lengths[0], self.lengths[1] + 1))

    @classmethod
    def of(cls, erased: Erased) -> Needles:
        """What must be nowhere: tweets and authors that had to go, not those that lost their places."""
        return cls(np.concatenate([erased.drop_tweets, erased.drop_authors]))

    def __len__(self) -> int:
        return len(self.ids)

    def among(self, values: NDArray[Any]) -> IdArray:
        """Which of some numbers are looked for; sorted, each once."""
        values = values.astype(np.int64, copy=False)
        if not len(values):
            return values
        likely = _once(values[self._tails.mask(_tails(values))])
        at = np.minimum(np.searchsorted(self.ids, likely), max(len(self.ids) - 1, 0))
        return likely[self.ids[at] == likely] if len(self.ids) else likely[:0]

    def in_bytes(self, data: Any, *, foreign: bool = False) -> IdArray:
        """Which IDs stand in bytes, in any way that can be seen; sorted, each once.

        Args:
            data: any buffer of bytes.
            foreign: of a format that is not known: numbers may begin with their highest byte.
        """
        if not len(self.ids):
            return self.ids
        whole = np.frombuffer(data, np.uint8)
        found = [
            each
            for block in _blocks(whole)
            for each in (
                self._digits(block),
                *(self._words(block, order) for order in ("<>" if foreign else "<")),
            )
        ]
        return _once(np.concatenate([self.ids[:0], *found]))

    def where(self, data: Any) -> tuple[IdArray, NDArray[np.int64]]:
        """Which IDs stand in bytes as digits, each as often as it does, and where each begins."""
        both = [(self.ids[:0], self.ids[:0]), *self._spelled(np.frombuffer(data, np.uint8))]
        values, starts = (np.concatenate(parts) for parts in zip(*both, strict=True))
        kept = np.isin(values, self.among(values))
        return values[kept], starts[kept]

    def _words(self, block: _Bytes, order: str) -> IdArray:
        """IDs among the numbers of eight bytes that begin at any byte: told by their highest byte first."""
        if len(block) < 8:
            return self.ids[:0]
        low, high = (np.uint8(int(each) >> 56) for each in (self.ids[0], self.ids[-1]))
        (likely,) = _between(block[7:] if order == "<" else block[:-7], low, high).nonzero()
        if not len(likely):
            return self.ids[:0]
        words = np.ndarray(len(block) - 7, f"{order}u8", block, strides=(1,))[likely].astype(np.int64)
        return self.among(words[(words >= self.ids[0]) & (words <= self.ids[-1])])

    def _digits(self, block: _Bytes) -> IdArray:
        return self.among(np.concatenate([self.ids[:0], *(values for values, _ in self._spelled(block))]))

    def _spelled(self, block: _Bytes) -> Iterator[tuple[IdArray, NDArray[np.int64]]]:
        """The numbers that digits spell, and where each begins; of those that end as no ID does, most are left out.

        Where there are more digits than any number has, those of one value follow those of another: every number of
        the length of an ID counts.
        """
        starts, ends = _runs(block)
        if not len(ends):
            return
        exact = ends - starts <= MOST_DIGITS
        yield self._likely(block, starts[exact], ends[exact])
        if not exact.all():
            for length in self.lengths:
                at = _within(starts[~exact] + length, ends[~exact])
                yield self._likely(block, at - length, at)

    def _likely(
        self, block: _Bytes, starts: NDArray[np.int64], ends: NDArray[np.int64]
    ) -> tuple[IdArray, NDArray[np.int64]]:
        """The numbers that runs of digits are, and where each begins, if they may be IDs."""
        if len(ends):
            kept = self._tails.mask(eight_digits(_eights(block)[ends - 8]))
            starts, ends = starts[kept], ends[kept]
        return _numbers(block, starts, ends), starts


class Search:
    """One search through pieces of many things, small ones together: each look costs the same, however little it sees.

    >>> search = Search(Needles(np.array([1212161512043446272])))
    >>> for piece in (b"12121615", b"1212161512043446272", b"x"):
    ...     search.add(piece)
    >>> search.add(b"12043446272", of=1)
    >>> search.found().tolist(), search.found(of=1).tolist()
    ([1212161512043446272], [])
    """

    def __init__(self, needles: Needles) -> None:
        self._needles = needles
        self._found: dict[int, list[IdArray]] = {}
        self._pieces: list[tuple[int, bytes | memoryview]] = []
        self._size = 0

    def add(self, piece: bytes | memoryview, *, of: int = 0) -> None:
        """Look into some more bytes of one thing, which follow none of the others."""
        if len(piece) >= _TOGETHER // 2:  # not worth a copy
            self._take(self._needles.in_bytes(piece), of)
            return
        self._pieces.append((of, piece))
        self._size += len(piece)
        if self._size >= _TOGETHER:
            self._look()

    def add_numbers(self, values: IdArray, *, of: int = 0) -> None:
        """Look among numbers that were decoded from bytes, which then need no other look."""
        self._take(self._needles.among(values), of)

    def found(self, *, of: int = 0) -> IdArray:
        """The IDs that stand in any piece of one thing; sorted, each once."""
        self._look()
        return _once(np.concatenate([self._needles.ids[:0], *self._found.get(of, [])]))

    def _take(self, found: IdArray, of: int) -> None:
        if len(found):
            self._found.setdefault(of, []).append(found)

    def _look(self) -> None:
        """Look into all small pieces at once; only where there is something, whose it is has to be found out."""
        if len(self._needles.in_bytes(_joined(piece for _, piece in self._pieces))):
            for each in {of for of, _ in self._pieces}:
                self._take(self._needles.in_bytes(_joined(piece for of, piece in self._pieces if of == each)), each)
        self._pieces, self._size = [], 0


def _joined(pieces: Iterable[bytes | memoryview]) -> bytes:
    return b"\n".join(pieces)


def _once(values: IdArray) -> IdArray:
    """The values sorted, each once; NumPy's ``unique`` takes thrice as long for a few, and thirty times for many."""
    if len(values) < 2:
        return values
    values = np.sort(values)
    once: IdArray = values[np.concatenate([[True], values[1:] != values[:-1]])]
    return once


def _blocks(whole: _Bytes) -> Iterator[_Bytes]:
    for at in range(0, max(len(whole), 1), _BLOCK):
        yield whole[max(0, at - _OVERLAP) : at + _BLOCK + _OVERLAP]


def _runs(block: _Bytes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where runs of at least eleven digits begin and end.

    Each of them has four digits that begin at a multiple of eight: in text that is no list of numbers, few places are
    left to be looked at.
    """
    whole = len(block) // 8 * 8
    (at,) = _four_digits(block[:whole].view("<u8")).nonzero()
    at *= 8
    if block[whole : whole + 4].tobytes().isdigit():
        at = np.append(at, whole)
    starts, ends = _around(block, at) if len(at) * _SPARSE < len(block) else _everywhere(block)
    enough = ends - starts >= FEWEST_DIGITS
    return starts[enough], ends[enough]


def _four_digits(words: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which of some eight bytes begin with four digits, or signs that stand beside them; valid until the next look."""
    size = len(words)
    room = _ROOMS.of(8 * size)
    return np.equal(np.bitwise_and(words, _FOUR, out=room.eights[:size]), _DIGITS, out=room.told[:size])


def _between(values: _Bytes, low: np.uint8, high: np.uint8) -> NDArray[np.bool_]:
    """Which bytes are from one number to another; valid until the next look."""
    size = len(values)
    room = _ROOMS.of(size)
    if low == high:
        return np.equal(values, low, out=room.told[:size])
    return np.less_equal(np.subtract(values, low, out=room.bytes[:size]), high - low, out=room.told[:size])


def _everywhere(block: _Bytes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where all runs of digits begin and end."""
    size = len(block) + 2  # with something before and after it that is none
    room = _ROOMS.of(size)
    signs = room.bytes[:size]
    signs[0] = signs[-1] = 10
    np.subtract(block, 48, out=signs[1:-1])
    digit = np.less(signs, 10, out=signs.view(np.bool_))
    (edges,) = np.not_equal(digit[1:], digit[:-1], out=room.told[: size - 1]).nonzero()
    return edges[::2], edges[1::2]


def _around(block: _Bytes, at: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the runs of digits around some places begin and end; each of them once."""
    if not len(at):
        return at, at
    wide, left = block, at - _BEFORE
    if left[0] < 0 or at[-1] + _AFTER > len(block):  # too near to an end to be seen from afar
        wide, left = np.concatenate([np.zeros(_BEFORE, np.uint8), block, np.zeros(_AFTER, np.uint8)]), at
    width = _BEFORE + _AFTER
    digit = np.ndarray((len(wide) - width + 1, width), np.uint8, wide, strides=(1, 1))[left] - 48 < 10
    digit, at = digit[digit[:, _BEFORE]], at[digit[:, _BEFORE]]
    before, after = digit[:, _BEFORE::-1], digit[:, _BEFORE:]
    if before.all(axis=1).any() or after.all(axis=1).any():  # longer than any number
        return _everywhere(block)
    starts, ends = at + 1 - before.argmin(axis=1), at + after.argmin(axis=1)
    first = np.append(True, starts[1:] != starts[:-1])[: len(starts)]
    return starts[first], ends[first]


def _within(firsts: NDArray[np.int64], lasts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Every place from each first to its last."""
    counts = np.maximum(lasts - firsts + 1, 0)
    offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    every: NDArray[np.int64] = np.repeat(firsts, counts) + offsets
    return every


def _numbers(block: _Bytes, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> IdArray:
    """The numbers that runs of up to nineteen digits are, eight digits at a time."""
    early = ends < 24
    if early.any():  # so near to the beginning that there are no 24 bytes to read
        block = np.concatenate([np.zeros(24, np.uint8), block])
        starts, ends = starts + 24, ends + 24
    if not len(ends):
        return np.empty(0, np.int64)
    words = _eights(block)
    value = np.zeros(len(ends), np.uint64)
    for back, unit in ((24, 10**16), (16, 10**8), (8, 1)):
        foreign = np.clip(starts - (ends - back), 0, 8).astype(np.uint64)
        if not (foreign < 8).any():
            continue
        kept = np.where(foreign < 8, np.uint64(2**64 - 1) << (foreign & np.uint64(7)) * np.uint64(8), np.uint64(0))
        value += eight_digits(words[ends - back] & kept) * np.uint64(unit)
    return value.astype(np.int64)


def _eights(block: _Bytes) -> NDArray[np.uint64]:
    """The eight bytes that begin at each byte, as numbers."""
    words: NDArray[np.uint64] = np.ndarray(len(block) - 7, "<u8", np.ascontiguousarray(block), strides=(1,))
    return words


def _tails(values: IdArray) -> IdArray:
    """The last eight digits of numbers: of negative ones, some other number."""
    return values - values // _TAIL * _TAIL


def eight_digits(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The numbers that eight digits spell: neighbours are joined to pairs, pairs to fours, fours to eights."""
    words = words & np.uint64(0x0F0F0F0F0F0F0F0F)
    words *= np.uint64(2561)
    words >>= np.uint64(8)
    words &= np.uint64(0x00FF00FF00FF00FF)
    words *= np.uint64(6553601)
    words >>= np.uint64(16)
    words &= np.uint64(0x0000FFFF0000FFFF)
    words *= np.uint64(42949672960001)
    words >>= np.uint64(32)
    return words
