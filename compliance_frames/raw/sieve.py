"""Tell the lines in which IDs of some sets stand in digits from all the others, of many lines at once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from compliance_frames.ids.slices import IdSet, bounds, is_in

_MOST_DIGITS: Final = 19
_LARGEST: Final = np.uint64(2**63 - 1)
_ESCAPE: Final = re.compile(rb"\\u003[0-9]")
#: How what stands before an exponent ends, where it is a number of JSON; and how long that may be.
_NUMBER: Final = re.compile(rb"[:\[,][ \t\r\n]*-?[0-9][0-9.]*\Z")
_LONG: Final = 64


@dataclass(frozen=True, eq=False)
class Sifted:
    """What was found in some lines.

    Attributes:
        lines: the numbers of the lines in which something was found, sorted; from 0.
        odd: those of them in which numbers may be spelt otherwise than in digits: what they hold must be looked up.
        flagged: for each set, the IDs of it that were found.
    """

    lines: NDArray[np.int64]
    odd: frozenset[int]
    flagged: tuple[frozenset[int], ...]


def sift(content: bytes, sets: Sequence[IdSet]) -> Sifted:
    r"""Find the lines that hold an ID of some sets as a run of digits, and those of which digits do not tell.

    >>> found = sift(b'{"id": 7}\n{"id": "8"}\n{"id": "\\u0037"}', [np.array([8])])
    >>> found.lines.tolist(), found.odd, found.flagged
    ([1, 2], frozenset({2}), (frozenset({8}),))
    """
    wanted = [ids for ids in sets if len(ids)]
    if not wanted or not content:
        return Sifted(np.empty(0, np.int64), frozenset(), tuple(frozenset() for _ in sets))
    fewest = min(len(str(bounds(ids)[0])) for ids in wanted)
    block = np.frombuffer(content, np.uint8)
    digit = np.zeros(len(block) + 2, np.int8)
    np.less(block - 48, 10, out=digit[1:-1], casting="unsafe")
    edges: Any = np.flatnonzero(digit[1:] != digit[:-1])
    starts, lengths = edges[::2], edges[1::2] - edges[::2]
    values, at = _numbers(block, starts, lengths, fewest)
    places = [np.empty(0, np.int64)]
    flagged = []
    for ids in sets:
        hits = is_in(values, ids) if len(ids) and len(values) else np.zeros(len(values), bool)
        flagged.append(frozenset(np.unique(values[hits]).tolist()))
        places.append(at[hits])
    padded = starts[(lengths > _MOST_DIGITS) & (block[starts] == ord("0"))]
    odd = np.concatenate([padded, _exponents(content, block, digit), _escapes(content)])
    ends = np.flatnonzero(block == ord("\n"))
    lines = np.unique(np.searchsorted(ends, np.concatenate([*places, odd])))
    return Sifted(lines, frozenset(np.searchsorted(ends, odd).tolist()), tuple(flagged))


def _numbers(
    block: NDArray[np.uint8], starts: Any, lengths: Any, fewest: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The numbers of so many to 19 digits that runs of digits are, and where each begins."""
    values, places = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for length in range(fewest, _MOST_DIGITS + 1):
        at = starts[lengths == length]
        if len(at):
            number = np.zeros(len(at), np.uint64)
            for offset in range(length):
                number = number * np.uint64(10) + (block[at + offset] - 48)
            fits = number <= _LARGEST
            values.append(number[fits].astype(np.int64))
            places.append(at[fits])
    return np.concatenate(values), np.concatenate(places)


def _exponents(content: bytes, block: NDArray[np.uint8], digit: NDArray[np.int8]) -> NDArray[np.int64]:
    """Where numbers are written with an exponent: digits of hexadecimal in texts look like it, and are many."""
    after = np.append(block[1:], np.uint8(0))
    likely = ((block | 32) == ord("e")) & ((digit[:-2] == 1) | (np.roll(block, 1) == ord(".")))
    likely &= (digit[2:] == 1) | (after == ord("+"))
    places = np.flatnonzero(likely).tolist()
    return np.array([at for at in places if _NUMBER.search(content[max(0, at - _LONG) : at])], np.int64)


def _escapes(content: bytes) -> NDArray[np.int64]:
    some = _ESCAPE.finditer(content) if b"\\u003" in content else ()
    return np.array([found.start() for found in some], np.int64)
