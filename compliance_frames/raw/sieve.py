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
#: Where digits may stand that no digits spell: escapes of them, numbers with an exponent, and too many zeros before.
_ODD: Final = re.compile(rb"\\u003[0-9]|[:\[,][ \t]*-?[0-9][0-9.]*[eE]\+?[0-9]|0[0-9]{19}")


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
    values, starts = _numbers(np.frombuffer(content, np.uint8), fewest)
    places = [np.empty(0, np.int64)]
    flagged = []
    for ids in sets:
        hits = is_in(values, ids) if len(ids) and len(values) else np.zeros(len(values), bool)
        flagged.append(frozenset(np.unique(values[hits]).tolist()))
        places.append(starts[hits])
    odd = np.array([found.start() for found in _ODD.finditer(content)], np.int64)
    ends = np.flatnonzero(np.frombuffer(content, np.uint8) == ord("\n"))
    lines = np.unique(np.searchsorted(ends, np.concatenate([*places, odd])))
    return Sifted(lines, frozenset(np.searchsorted(ends, odd).tolist()), tuple(flagged))


def _numbers(block: NDArray[np.uint8], fewest: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The numbers of 1 to 19 digits that stand in a block, but for those of less digits than asked, and where."""
    digit = np.zeros(len(block) + 2, np.int8)
    np.less(block - 48, 10, out=digit[1:-1], casting="unsafe")
    edges: Any = np.flatnonzero(digit[1:] != digit[:-1])
    starts, lengths = edges[::2], edges[1::2] - edges[::2]
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
