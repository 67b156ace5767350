"""Find erased IDs of few digits in text, where a key says that they are IDs, as in ``{"id": 12}``.

Elsewhere in text such numbers are sizes and dates far more often.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from numpy.typing import NDArray

from compliance_frames.proof.erased import IdArray
from compliance_frames.proof.search import FEWEST_DIGITS
from compliance_frames.proof.texts import is_text, joined

_TOO_LONG: Final = 10 ** (FEWEST_DIGITS - 1)
#: Bytes that are looked at in one go, those that follow them because an ID may lie there, and nothing around them all.
_BLOCK: Final = 1 << 20
_OVERLAP: Final = 64
_NOTHING: Final = np.zeros(128, np.uint8)
#: What may stand between a key, its colon and a number, and how much of it; zeros may stand before a number as well.
_MOST: Final = 16
_SPACES: Final = b" \t\r\n"
_QUOTES: Final = b"\"'"
_ESCAPE: Final = b"\\"
_BEFORE_NUMBERS: Final = _SPACES + _QUOTES + _ESCAPE + b"["
#: What Gnip's addresses end with before the number: ``tag:search.twitter.com,2005:20``, ``id:twitter.com:12``.
_ADDRESSES: Final = (b"2005", b".com")

_Bytes = NDArray[np.uint8]
_Places = NDArray[np.int64]


class ShortIds:
    """IDs of too few digits to be told from other numbers by themselves.

    Args:
        ids: any of them; those of more digits are left out.

    >>> short = ShortIds(np.array([12, 1212161512043446272]))
    >>> len(short), short.named_in(b'{"user": {"id_str": "12"}}'), short.named_in(b'{"count": 12}')
    (1, True, False)
    """

    def __init__(self, *ids: IdArray) -> None:
        several = np.unique(np.concatenate(ids))
        self._ids = several[(several > 0) & (several < _TOO_LONG)]

    def __len__(self) -> int:
        return len(self._ids)

    def named_in(self, data: Any) -> bool:
        """Whether one of them stands under a key somewhere in bytes."""
        return any(len(each) for each in self._named(np.frombuffer(data, np.uint8)))

    def where(self, values: Any) -> _Places:
        """The values of text in which one of them stands under a key; each once, in order.

        >>> ShortIds(np.array([12])).where(pa.array(["12", None, '{"id": 12}'])).tolist()
        [2]
        """
        if pt.is_dictionary(values.type):
            entries = self.where(values.dictionary)
            return np.flatnonzero(np.asarray(pc.is_in(values.indices, pa.array(entries, values.indices.type))))
        if not len(self._ids) or not is_text(values.type) or not len(values):
            return np.empty(0, np.int64)
        text, ends = joined(values)
        found = [np.empty(0, np.int64), *self._named(np.frombuffer(text, np.uint8))]
        return np.unique(np.searchsorted(ends, np.concatenate(found), side="right"))

    def _named(self, whole: _Bytes) -> Iterator[_Places]:
        """Where they stand, block by block."""
        for start in range(0, len(whole), _BLOCK) if len(self._ids) and (whole == ord("{")).any() else ():
            block = np.concatenate([_NOTHING, whole[start : start + _BLOCK + _OVERLAP], _NOTHING])
            numbers, at = _under_keys(block)
            near = np.minimum(np.searchsorted(self._ids, numbers), len(self._ids) - 1)
            yield at[self._ids[near] == numbers] + (start - len(_NOTHING))


def _under_keys(block: _Bytes) -> tuple[IdArray, _Places]:
    """The numbers of few digits that follow the keys of IDs, and where each begins."""
    colons = (block == ord(":")).nonzero()[0]
    at = np.concatenate([colons[_ends_key(block, colons)], *(colons[_ends(block, colons, a)] for a in _ADDRESSES)]) + 1
    at = _beyond(block, at, _BEFORE_NUMBERS)
    numbers, ends = np.zeros(len(at), np.int64), at.copy()
    for _ in range(_MOST):
        digits = block[ends] - np.uint8(48)
        more = (digits < 10) & (numbers < _TOO_LONG)
        if not more.any():
            break
        numbers = np.where(more, numbers * 10 + digits, numbers)
        ends += more
    short = numbers < _TOO_LONG
    return numbers[short], at[short]


def _ends_key(block: _Bytes, colons: _Places) -> NDArray[np.bool_]:
    """Before which colons a key stands in quotes whose name ends as those of IDs do: ``id``, ``userId``, ``id_str``."""
    at = _beyond(block, colons - 1, _SPACES, -1)
    quoted = _are(block, at, _QUOTES)
    found, at = np.zeros(len(colons), np.bool_), _beyond(block, at[quoted] - 1, _ESCAPE, -1) + 1
    text = _ends(block, at, b"str")
    at = np.where(text, at - 3, at)
    at -= text & _are(block, at - 1, b"_- ")
    found[quoted] = _ends(block, at, b"id")
    return found


def _ends(block: _Bytes, at: _Places, word: bytes) -> NDArray[np.bool_]:
    """Before which places a word ends, in letters of any size."""
    found = np.ones(len(at), np.bool_)
    for back, letter in enumerate(reversed(word), start=1):
        found &= (block[at - back] | 0x20) == letter | 0x20
    return found


def _beyond(block: _Bytes, at: _Places, signs: bytes, step: int = 1) -> _Places:
    """The places from which no sign of some stands there any more, or too many did."""
    for _ in range(_MOST):
        going = _are(block, at, signs)
        if not going.any():
            break
        at = at + going * step
    return at


def _are(block: _Bytes, at: _Places, signs: bytes) -> NDArray[np.bool_]:
    """At which places one of some signs stands."""
    told = np.zeros(256, np.bool_)
    told[list(signs)] = True
    found: NDArray[np.bool_] = told[block[at]]
    return found
