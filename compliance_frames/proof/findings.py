"""What was found in one part of a dataset: told by the thread that looked, put together by the one that judges."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from compliance_frames.proof.roles import Role, Whose


@dataclass(frozen=True)
class Spot:
    """A place where IDs were found.

    Attributes:
        file: the file's path.
        where: the place in it, in words; None for the rows themselves.
        column: the column, or an empty text.
        role: what the IDs stand for.
        places: the columns of places of the file, by the bits of a cell's places.
        own: whether these are rows' own tweet IDs.
        unsaid: whether it is not known if the rows repeat what these name.
    """

    file: str
    where: str | None
    column: str = ""
    role: Role = "tweet"
    places: tuple[str, ...] = ()
    own: bool = False
    unsaid: bool = False


@dataclass(frozen=True, eq=False)
class Cells:
    """IDs of one spot, to be looked up.

    Attributes:
        spot: where they are.
        whose: whom they name.
        ids: an int64 array.
        rows: the row of each, or None.
        places: bits of the places beside each, or None.
    """

    spot: Spot
    whose: Whose
    ids: Any
    rows: NDArray[Any] | None = None
    places: NDArray[Any] | None = None


@dataclass(eq=False)
class Findings:
    """What one look brought.

    Attributes:
        problems: a sentence for each.
        counted: how much of each kind was looked at.
        cells: IDs to look up.
        unplaced: columns that look like places, where it was told that there are none.
        mentioned: columns in whose texts and numbers something stands that had to go, kept by policy.
        unlooked: what could not be looked into, a sentence for each.
        unasked: for a file, how many rows were never asked about.
        unsaid: columns of text that name what had to go, and do not say whether the row repeats it.
        done: the path of a file that is done with this.
    """

    problems: list[str] = field(default_factory=list)
    counted: Counter[str] = field(default_factory=Counter)
    cells: list[Cells] = field(default_factory=list)
    unplaced: set[str] = field(default_factory=set)
    mentioned: set[str] = field(default_factory=set)
    unlooked: set[str] = field(default_factory=set)
    unsaid: set[str] = field(default_factory=set)
    unasked: Counter[str] = field(default_factory=Counter)
    done: str | None = None


def number(count: int, what: str, many: str = "") -> str:
    """A count and what it counts.

    >>> number(1, "row"), number(2000, "row")
    ('1 row', '2,000 rows')
    """
    return f"{count:,} {what if count == 1 else many or what + 's'}"
