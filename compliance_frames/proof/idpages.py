"""Read IDs that are stored as text out of pages that were unpacked to be searched.

A library would unpack the pages once more, and hash each text. Whatever is not known here, or not exactly as it must
be, is left to the library.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from compliance_frames.proof.erased import IdArray
from compliance_frames.proof.hybrid import hybrid
from compliance_frames.proof.pages import Page
from compliance_frames.proof.search import FEWEST_DIGITS, MOST_DIGITS, eight_digits

_PLAIN: Final = 0
_RLE: Final = 3
_INDEXED: Final = (2, 8)
_DICTIONARY: Final = 2
_DATA: Final = 0
_LARGEST: Final = np.uint64(2**63 - 1)
_NONE: Final = -1
#: Rows of a chunk that are held in memory at once. Few bytes can say that they are any number.
_MOST_ROWS: Final = 1 << 22
_Words = NDArray[np.uint64]


class IdPages:
    """The IDs of a column chunk, as long as each of its pages holds nothing but IDs of one length.

    Such IDs have 11 to 19 digits, of which the first is no zero: each number stands for one text.

    Args:
        optional: whether rows may have none.

    Attributes:
        entries: of the dictionary.
        whole: whether each page so far was understood.
    """

    def __init__(self, *, optional: bool) -> None:
        self._optional = optional
        self._parts: list[IdArray] = []
        self._used = np.empty(0, np.bool_)
        self._count = 0
        self.entries: IdArray = np.empty(0, np.int64)
        self.whole = True

    def take(self, page: Page) -> tuple[IdArray, memoryview] | None:
        """The IDs whose digits stand in a page, and what else of it there is; None where it is not understood.

        Args:
            page: the next one.
        """
        taken = None
        if self.whole:
            taken = self._entries(page) if page.header.kind == _DICTIONARY else self._rows(page)
        self.whole = taken is not None
        return taken

    def rows(self) -> IdArray:
        """The ID of each row; -1 where it has none."""
        if len(self._parts) != 1:
            self._parts = [np.concatenate([np.empty(0, np.int64), *self._parts])]
        return self._parts[0]

    def column(self, start: int, count: int) -> pa.Array[Any]:
        """The IDs of some rows as Arrow has them."""
        numbers = self.rows()[start : start + count]
        return pa.array(numbers, mask=numbers == _NONE)

    def unused(self) -> int:
        """How many entries of the dictionary no row has."""
        left = self.entries[~self._used]
        return len(np.setdiff1d(left, self.rows())) if len(left) else 0

    def _entries(self, page: Page) -> tuple[IdArray, memoryview] | None:
        count = page.header.values
        numbers = None if count is None or page.header.encoding not in (_PLAIN, 2) else numbers_in(page.data, count)
        if numbers is None or len(self.entries):
            return None
        self.entries, self._used = numbers, np.zeros(len(numbers), np.bool_)
        return numbers, page.data[:0]

    def _rows(self, page: Page) -> tuple[IdArray, memoryview] | None:
        self._count += abs(page.header.values or 0)
        if self._count > _MOST_ROWS:
            return None
        split = _split(page, optional=self._optional)
        if split is None:
            return None
        there, at, count = split
        body, indexed = page.data[at:], page.header.encoding in _INDEXED
        numbers = self._looked_up(body, count) if indexed else None
        if page.header.encoding == _PLAIN:
            numbers = numbers_in(body, count)
        if numbers is None:
            return None
        self._parts.append(numbers if there is None else _spread(numbers, there))
        return (numbers[:0], page.data) if indexed else (numbers, page.data[:at])

    def _looked_up(self, body: memoryview, count: int) -> IdArray | None:
        """The entries of the dictionary that a page names; all of these have been looked at."""
        at = hybrid(body[1:], body[0], count) if len(body) else None
        if at is None or (len(at) and int(at.max()) >= len(self.entries)):
            return None
        self._used[at] = True
        return self.entries[at]


def _split(page: Page, *, optional: bool) -> tuple[NDArray[np.bool_] | None, int, int] | None:
    """Which rows have a value (None: all), where the values begin, and how many they are."""
    header, data = page.header, page.data
    count = header.values or 0
    if not optional:
        return None if header.levels else (None, 0, count)
    if header.level_encoding != _RLE:
        return None
    start, at = 0, header.levels
    if header.kind == _DATA:
        start, at = 4, 4 + int.from_bytes(data[:4], "little")
    told = hybrid(data[start:at], 1, count) if start <= at <= len(data) else None
    if told is None:
        return None
    there = told != 0
    having = int(np.count_nonzero(there))
    return (None if having == count else there), at, having


def _spread(numbers: IdArray, there: NDArray[np.bool_]) -> IdArray:
    spread = np.full(len(there), _NONE, np.int64)
    spread[there] = numbers
    return spread


def numbers_in(data: memoryview, count: int) -> IdArray | None:
    """The numbers that texts in the PLAIN encoding are; None unless all are IDs of one length.

    Args:
        data: the texts, each with its length before it, and nothing else.
        count: how many there are.

    >>> numbers_in(memoryview(b"\\x0b\\0\\0\\x0012345678901\\x0b\\0\\0\\x0012345678902"), 2).tolist()
    [12345678901, 12345678902]
    """
    if not count:
        return None if len(data) else np.empty(0, np.int64)
    digits = data[0] if len(data) else 0
    step = 4 + digits
    if not FEWEST_DIGITS <= digits <= MOST_DIGITS or len(data) != count * step:
        return None
    if (np.ndarray(count, "<u4", data, strides=(step,)) != digits).any():
        return None
    value = np.zeros(count, np.uint64)
    first = digits % 8 or 8
    for at in range(first - 8, digits, 8):  # eight digits each, but of the first ones only those that the others leave
        words = np.ascontiguousarray(np.ndarray(count, "<u8", data, 4 + max(at, 0), strides=(step,)))
        if not _are_digits(words):
            return None
        value *= np.uint64(10**8)
        value += eight_digits(words << np.uint64(8 * max(-at, 0)))
    if (value < np.uint64(10 ** (digits - 1))).any() or (value > _LARGEST).any():
        return None
    return value.view(np.int64)


def _are_digits(words: _Words) -> bool:
    """Whether eight bytes each are eight digits: their upper halves are three, also when six is added."""
    upper = np.uint64(0xF0F0F0F0F0F0F0F0)
    three = np.uint64(0x3030303030303030)
    more = words + np.uint64(0x0606060606060606)
    return bool((((words & upper) == three) & ((more & upper) == three)).all())
