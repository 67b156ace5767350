"""Lines of one shape, read by the hundred thousand: eight characters at a time, all lines at once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from compliance_frames.service.lines import LARGEST_ID
from compliance_frames.service.shapes import Shape, Words, width_of

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
Integers = np.ndarray[Any, np.dtype[np.int64]]
Booleans = np.ndarray[Any, np.dtype[np.bool_]]

#: A time that is not there, as NumPy has it.
NEVER = int(np.datetime64("NaT", "ms").astype(np.int64))

_ALL = np.uint64(2**64 - 1)
_NIBBLES = np.uint64(0x0F0F0F0F0F0F0F0F)
#: Pairs of digits become numbers, then pairs of pairs, then of fours.
_STEPS = [
    (np.uint64(10), np.uint64(8), np.uint64(0x00FF00FF00FF00FF)),
    (np.uint64(100), np.uint64(16), np.uint64(0x0000FFFF0000FFFF)),
    (np.uint64(10_000), np.uint64(32), np.uint64(0x00000000FFFFFFFF)),
]


@dataclass(frozen=True, slots=True)
class Columns:
    """What lines of one shape say: integers by column, times in milliseconds since 1970 or ``NEVER``."""

    ids: Integers
    created_at: Integers
    redacted_at: Integers
    action: str
    reason: str


def words_at(block: Bytes, starts: Integers, length: int) -> Words:
    """Lines of one length as rows of words; whole words must be there for the last of them."""
    width = width_of(length)
    windows = np.ndarray((len(block) - width + 1,), f"V{width}", block, strides=(1,))
    return windows[starts].view(np.uint64).reshape(len(starts), width // 8)


def take(shape: Shape, lines: Words) -> tuple[Booleans, Columns]:
    """Which lines have a shape, and what those say.

    Args:
        shape: the shape.
        lines: as ``words_at`` gives them.
    """
    fits = _fitting(shape, lines)
    if not fits.all():
        lines = lines[fits]
    if not len(lines):
        none = np.empty(0, np.int64)
        return fits, Columns(none, none, none, shape.action, shape.reason)
    ids, is_id = _ids(shape, lines)
    created, is_created = _milliseconds(shape.created_at, shape, lines)
    redacted, is_redacted = _milliseconds(shape.redacted_at, shape, lines)
    good = is_id & is_created & is_redacted
    if not good.all():  # an ID above the largest, a 30th of February
        ids, created, redacted = ids[good], created[good], redacted[good]
        fits[np.flatnonzero(fits)[~good]] = False
    return fits, Columns(ids, created, redacted, shape.action, shape.reason)


def _fitting(shape: Shape, lines: Words) -> Booleans:
    wrong = np.zeros(len(lines), np.uint64)
    for at in range(-(-shape.length // 8)):
        differing = lines[:, at] ^ shape.expected[at]
        if shape.slack[at]:
            differing |= differing + shape.slack[at]
        if shape.telling[at] != _ALL:
            differing &= shape.telling[at]
        wrong |= differing
    return np.asarray(wrong == 0)


def _word(lines: Words, offset: int) -> Words:
    """The eight bytes from an offset on, of every line."""
    return np.ndarray((len(lines),), np.uint64, lines, offset, (lines.strides[0],))


def _number(word: Words, digits: int) -> Words:
    """The number whose decimal digits are the last ones of a word."""
    value = word & (_NIBBLES & np.uint64((0xFFFFFFFFFFFFFFFF << 8 * (8 - digits)) & 0xFFFFFFFFFFFFFFFF))
    for factor, shift, mask in _STEPS:
        upper = value >> shift
        value *= factor
        value += upper
        value &= mask
    return value


def _ids(shape: Shape, lines: Words) -> tuple[Integers, Booleans]:
    digits = shape.id.stop - shape.id.start
    ids = np.zeros(len(lines), np.uint64)
    for before in range(0, digits, 8):
        word = _word(lines, shape.id.stop - before - 8)
        ids += _number(word, min(digits - before, 8)) * np.uint64(10**before)
    good = ids <= np.uint64(LARGEST_ID)
    if shape.is_bare and digits > 1:
        good &= ids >= np.uint64(10 ** (digits - 1))
    return ids.view(np.int64), good


def _milliseconds(place: slice | None, shape: Shape, lines: Words) -> tuple[Integers, Booleans]:
    """Times in milliseconds since 1970, and which of them exist; ``2019-08-10T12:22:39.022Z`` is three words."""
    if place is None:
        return np.full(len(lines), NEVER), np.ones(len(lines), bool)
    pairs = [_pairs(_word(lines, place.start + offset)) for offset in (0, 8, 16)]
    year = _pair(pairs[0], 0) * 100 + _pair(pairs[0], 2)
    month, day, hour = _pair(pairs[0], 5) - 1, _pair(pairs[1], 0) - 1, _pair(pairs[1], 3)
    minute, second = _pair(pairs[1], 6), _pair(pairs[2], 1)
    first_days, lengths = _months()
    months = year * 12 + month
    good = (year > 0) & (month >= 0) & (month < 12) & (day >= 0) & (day < lengths[months])
    good &= (hour < 24) & (minute < 60) & (second < 60)
    ms = ((((first_days[months] + day) * 24 + hour) * 60 + minute) * 60 + second) * 1000
    return ms + _fraction(shape, place, lines), good


def _fraction(shape: Shape, place: slice, lines: Words) -> Integers | int:
    text = shape.expected.view(np.uint8)[place].tobytes()
    digits = len(re.match(rb".{19}\.?(0*)(?=Z|\+)", text)[1])  # type: ignore[index]
    if not digits:
        return 0
    ms = _number(_word(lines, place.start + 20 + digits - 8), digits) * np.uint64(10 ** (3 - digits))
    return ms.view(np.int64)


def _pairs(word: Words) -> Words:
    """In each byte the number that it and the next one make as two digits."""
    nibbles = word & _NIBBLES
    return nibbles * np.uint64(10) + (nibbles >> np.uint64(8))


def _pair(pairs: Words, byte: int) -> Integers:
    return ((pairs >> np.uint64(8 * byte)) & np.uint64(0xFF)).view(np.int64)


@cache
def _months() -> tuple[Integers, Integers]:
    """For every month since the year 0: its first day, in days since 1970, and its length; 99 stand for no month."""
    first = np.arange("0000-01", "10000-02", dtype="datetime64[M]").astype("datetime64[D]").astype(np.int64)
    return np.pad(first[:-1], (0, 100)), np.pad(np.diff(first), (0, 100))
