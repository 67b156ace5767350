"""Lines of one shape, read by the thousand: each step of the arithmetic is done for all lines at once.

A byte of a line minus the one its shape expects there is a digit's value, or zero. So eight bytes anywhere in a line
are a word of digits and zeros, whatever stands around the digits; and the words of lines of different shapes can stand
in one row and be made into numbers together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from compliance_frames.service.shapes import Bytes, Shape, width_of

Integers = np.ndarray[Any, np.dtype[np.int64]]
Codes = np.ndarray[Any, np.dtype[np.int32]]
Booleans = np.ndarray[Any, np.dtype[np.bool_]]
Words = np.ndarray[Any, np.dtype[np.uint64]]

#: A time that is not there, as NumPy has it.
NEVER = int(np.datetime64("NaT", "ms").astype(np.int64))

_EIGHT, _TEN, _SIXTEEN, _24, _32, _40, _48 = (np.uint64(bits) for bits in (8, 10, 16, 24, 32, 40, 48))
_BYTE, _TWO_BYTES = np.uint64(0xFF), np.uint64(0xFFFF)
_HOURS_A_DAY, _MINUTES_A_DAY = 24, np.uint64(24 * 60)


@dataclass(frozen=True, slots=True)
class Columns:
    """What lines say: integers by column, times in milliseconds since 1970 or ``NEVER``.

    Attributes:
        codes: which of the ``words`` are a line's action and reason.
        words: actions and reasons.
    """

    ids: Integers
    created_at: Integers
    redacted_at: Integers
    codes: Codes
    words: list[tuple[str, str]]


def fitting(shape: Shape, raw: Bytes, starts: Integers) -> tuple[Bytes, Booleans | None]:
    """The digits of the lines that have a shape, a row for each, and which lines these are; None says that all are.

    Args:
        shape: the shape.
        raw: where the lines are; whole words must be there for the last of them.
        starts: where they begin; all are as long as the shape is.
    """
    width = width_of(shape.length)
    windows = np.ndarray((len(raw) - width + 1,), f"V{width}", raw, strides=(1,))
    digits = windows[starts].view(np.uint8).reshape(len(starts), width)
    digits -= shape.expected
    wrong = digits > shape.limits
    if shape.is_bare and shape.id.stop - shape.id.start > 1:  # JSON has no number that begins with a zero
        wrong[:, shape.id.start] |= digits[:, shape.id.start] == 0
    if not wrong.any():
        return digits, None
    fits: Booleans = np.equal(wrong.view(np.uint64).max(axis=1), 0)
    return digits[fits], fits


class Digits:
    """Digits of lines of many shapes, laid side by side until they are read all at once.

    Args:
        most: so many lines can come.
    """

    def __init__(self, most: int) -> None:
        self._ids = np.empty((3, most), np.uint64)
        self._times = np.empty((3, 2 * most), np.uint64)
        self._shapes: list[tuple[Shape, int]] = []
        self._numbers = [np.empty(0, np.int64)]
        self._lines = self._moments = 0

    def add(self, shape: Shape, digits: Bytes, numbers: Integers) -> None:
        """Take the digits of lines of a shape; the lines are known by their numbers."""
        lines = slice(self._lines, self._lines + len(digits))
        for word, stop in enumerate(range(shape.id.stop - 16, shape.id.stop + 1, 8)):
            _copy_end(digits, shape.id.start, stop, self._ids[word, lines])
        for place in (shape.created_at, shape.redacted_at):
            if place is not None:
                moments = slice(self._moments, self._moments + len(digits))
                for word, offset in enumerate(range(place.start, place.start + 24, 8)):
                    known = min(place.stop - offset, 8)  # what follows the time, or the line, is none of its digits
                    mask = np.uint64((1 << 8 * known) - 1)
                    np.bitwise_and(_word(digits, offset), mask, out=self._times[word, moments])
                self._moments += len(digits)
        self._shapes.append((shape, len(digits)))
        self._numbers.append(numbers)
        self._lines += len(digits)

    def read(self) -> tuple[Columns, Integers]:
        """What the lines say, in the order in which they came, and the numbers of lines that are not good after all.

        A line is not good where its ID is above the largest, or a time does not exist.
        """
        ids = _ids(self._ids[:, : self._lines])
        moments, is_moment = _milliseconds(self._times[:, : self._moments])
        created, redacted = np.full((2, self._lines), NEVER)
        good = ids >= 0
        line = moment = 0
        for shape, count in self._shapes:
            for place, column in ((shape.created_at, created), (shape.redacted_at, redacted)):
                if place is not None:
                    column[line : line + count] = moments[moment : moment + count]
                    good[line : line + count] &= is_moment[moment : moment + count]
                    moment += count
            line += count
        columns = Columns(ids, created, redacted, *self._words())
        if good.all():
            return columns, self._numbers[0]
        columns = Columns(ids[good], created[good], redacted[good], columns.codes[good], columns.words)
        return columns, np.concatenate(self._numbers)[~good]

    def _words(self) -> tuple[Codes, list[tuple[str, str]]]:
        said = [(shape.action, shape.reason) for shape, _ in self._shapes]
        words = {pair: code for code, pair in enumerate(dict.fromkeys(said))}
        each = np.array([words[pair] for pair in said], np.int32)
        return np.repeat(each, [count for _, count in self._shapes]), list(words)


def _word(digits: Bytes, offset: int) -> Words:
    """The eight bytes from an offset on, of every line."""
    return np.ndarray((len(digits),), np.uint64, digits, offset, (digits.strides[0],))


def _copy_end(digits: Bytes, start: int, stop: int, words: Words) -> None:
    """The last bytes up to a place, behind zeros: what stands before the start may be digits of a time."""
    if stop <= start:
        words[:] = 0
    elif stop - start >= 8:
        np.copyto(words, _word(digits, stop - 8))
    else:
        np.left_shift(_word(digits, start), np.uint64(8 * (8 - stop + start)), out=words)


def _pairs(word: Words) -> Words:
    """In each byte the number that it and the next one make as two digits."""
    pairs = word * _TEN
    pairs += word >> _EIGHT
    return pairs


def _number(word: Words) -> Words:
    """The number that a word's bytes are the decimal digits of: pairs, of them fours, of them eights."""
    pairs = _pairs(word)
    others = pairs >> _SIXTEEN
    mask = np.uint64(0x000000FF000000FF)
    pairs &= mask
    others &= mask
    pairs *= np.uint64(100 + (1_000_000 << 32))
    others *= np.uint64(1 + (10_000 << 32))
    pairs += others
    pairs >>= _32
    return pairs


def _ids(words: Words) -> Integers:
    """IDs; one above the largest comes out negative."""
    ids = _number(words[0])
    for word in words[1:]:
        ids *= np.uint64(10**8)
        ids += _number(word)
    return ids.view(np.int64)


def _sum(pairs: Words, bytes: tuple[int, int, int], weights: tuple[int, int, int]) -> Words:
    """The weighted sum, below 2^16, of three bytes of a word; the other bytes are lost.

    One multiplication brings all three to the place of the last one; what else it makes lies below or above them.
    """
    last = bytes[2]
    pairs &= np.uint64(sum(0xFF << 8 * byte for byte in bytes))
    pairs *= np.uint64(sum(weight << 8 * (last - byte) for byte, weight in zip(bytes, weights, strict=True)))
    pairs >>= np.uint64(8 * last)
    if last < 6:
        pairs &= _TWO_BYTES
    return pairs


def _milliseconds(words: Words) -> tuple[Integers, Booleans]:
    """Times in milliseconds since 1970, and which of them exist; ``2019-08-10T12:22:39.022Z`` is three words."""
    month = _sum(_pairs(words[0]), (0, 2, 5), (2000, 20, 1)).view(np.int64)
    pairs = _pairs(words[1])
    exists = ((pairs >> _24) & _BYTE) < _HOURS_A_DAY
    minute = _sum(pairs, (0, 3, 6), (24 * 60, 60, 1))
    minute -= _MINUTES_A_DAY  # the first day is the day 1; that before it has very many minutes
    begins, minutes = _months()
    exists &= minute < minutes.take(month)
    minute *= np.uint64(60_000)
    minute += _sum(_pairs(words[2]), (1, 3, 5), (1000, 100, 1))
    moment = minute.view(np.int64)
    moment += begins.take(month)
    return moment, exists


@cache
def _months() -> tuple[Integers, Words]:
    """By 20 times the year and the month: when it begins, and how many minutes it has; 0 where there is none."""
    first = np.arange("0000-01", "3000-02", dtype="datetime64[M]").astype("datetime64[m]").astype(np.int64)
    begins, minutes = np.zeros((2, 3000, 20), np.int64)
    begins[:, 1:13] = 60_000 * first[:-1].reshape(3000, 12)
    minutes[1:, 1:13] = np.diff(first).reshape(3000, 12)[1:]  # there is no year 0
    return begins.ravel(), minutes.ravel().view(np.uint64)
