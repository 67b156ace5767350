"""Why rows go, and what goes of rows that stay: sums by kind, for reports."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.types as pt
from numpy.typing import NDArray

from compliance_frames.corpus.accounts import is_account
from compliance_frames.corpus.arrays import Mask
from compliance_frames.corpus.ecosystems import QUOTES
from compliance_frames.corpus.flat import beside_content
from compliance_frames.corpus.within import bare_type, lists_on_the_way

#: What an embedded column holds of other tweets.
CellKind = Literal["quotes", "accounts", "embedded", "places"]


@dataclass(frozen=True)
class Kinds:
    """How many of each kind; sums add up with ``+``.

    Attributes:
        dropped_by_author: rows that go because their author was flagged.
        dropped_own: rows that go because their tweet was flagged, and not their author.
        dropped_retweets: other rows that go because they repeat a tweet that goes.
        dropped_unchecked: other rows that go because nobody asked about them, as told. All four are the rows that go.
        quotes_nulled: quoted tweets, or columns of such, that are taken out of rows that stay.
        accounts_nulled: accounts of others that are taken out of rows that stay.
        embedded_nulled: other tweets that are taken out of rows that stay.
        embedded_places_nulled: places of other tweets that are. All four are the cells that are nulled.

    >>> Kinds(dropped_own=1) + Kinds(dropped_own=2, quotes_nulled=1)
    Kinds(dropped_own=3, quotes_nulled=1)
    """

    dropped_by_author: int = 0
    dropped_own: int = 0
    dropped_retweets: int = 0
    dropped_unchecked: int = 0
    quotes_nulled: int = 0
    accounts_nulled: int = 0
    embedded_nulled: int = 0
    embedded_places_nulled: int = 0

    def __add__(self, other: Kinds) -> Kinds:
        theirs = vars(other)
        return Kinds(**{name: number + theirs[name] for name, number in vars(self).items()})

    @classmethod
    def of(cls, cells: Mapping[CellKind, int], dropped: Mapping[str, int] | None = None) -> Kinds:
        """Those of cells that are nulled, by what they hold, and of rows that go.

        >>> Kinds.of({"quotes": 2}, {"dropped_own": 1})
        Kinds(dropped_own=1, quotes_nulled=2)
        """
        return cls(
            **(dropped or {}),
            quotes_nulled=cells.get("quotes", 0),
            accounts_nulled=cells.get("accounts", 0),
            embedded_nulled=cells.get("embedded", 0),
            embedded_places_nulled=cells.get("places", 0),
        )

    def told(self, rows_dropped: int) -> dict[str, int]:
        """All of them by name; nothing where rows went that nobody counted by kind.

        >>> Kinds(dropped_own=1).told(1)["dropped_own"], Kinds().told(1)
        (1, {})
        """
        counts = dict(vars(self))
        counted = sum(number for name, number in counts.items() if name.startswith("dropped_"))
        return counts if counted == rows_dropped else {}

    def __repr__(self) -> str:
        told = ", ".join(f"{name}={number}" for name, number in vars(self).items() if number)
        return f"Kinds({told})"


@dataclass(frozen=True, eq=False)
class Cells:
    """What goes of one embedded column, in each row.

    Attributes:
        kind: what it holds.
        gone: how many tweets, or columns, are taken out.
        bare: how many tweets stay and lose their place.
        listed: whether a row can hold several of them.
    """

    kind: CellKind
    gone: NDArray[np.int64]
    bare: NDArray[np.int64]
    listed: bool

    def some(self, row: int) -> bool:
        """Whether anything of a row goes."""
        return bool(self.gone[row] or self.bare[row])

    @classmethod
    def of(cls, schema: pa.Schema, path: str, gone: NDArray[np.int64], bare: NDArray[np.int64]) -> Cells:
        """Those of the column at a path."""
        return cls(cell_kind(schema, path), gone, bare, bool(lists_on_the_way(schema, path)))


def cell_kind(schema: pa.Schema, path: str) -> CellKind:
    """What an embedded column holds, by its name.

    >>> schema = pa.schema({"quoted_id": pa.string(), "quoted_text": pa.string(), "tweet": pa.string()})
    >>> cell_kind(schema, "quoted_text"), cell_kind(schema, "tweet")
    ('quotes', 'embedded')
    """
    other = beside_content(schema, path)
    if other is not None:
        return "places" if path in other.places else "quotes"
    name = path.rpartition(".")[2]
    kind = bare_type(schema, path)
    accounts = pt.is_struct(kind) and is_account(name, kind)
    return "quotes" if name in QUOTES else "accounts" if accounts else "embedded"


def kinds_of(dropped: Mapping[str, int], drop: Mask, cells: Mapping[str, Cells]) -> Kinds:
    """The sums of some rows; of rows that go no cells are counted."""
    counts: dict[CellKind, int] = dict.fromkeys(get_args(CellKind), 0)
    for each in cells.values():
        counts[each.kind] += int(each.gone[~drop].sum())
        counts["places"] += int(each.bare[~drop].sum())
    return Kinds.of(counts, dropped)


def digest_of(drop: Mask, scrub: Mask, cells: Mapping[str, Cells]) -> bytes | None:
    """A digest of what goes of some rows, equal where the same goes of them; it tells nothing of what they hold.

    None where that cannot be said: of several tweets in one cell, another than before may go.
    """
    told = hashlib.sha256()

    def tell(name: str, numbers: Any) -> None:
        rows = np.flatnonzero(numbers)
        told.update(f"{name}:{len(rows)};".encode())
        told.update(np.ascontiguousarray([rows, numbers[rows]], "<i8").tobytes())

    tell("drop", drop)
    tell("scrub", scrub)
    for path, each in sorted(cells.items()):
        gone, bare = np.where(drop, 0, each.gone), np.where(drop, 0, each.bare)
        if each.listed and (gone.any() or bare.any()):
            return None
        tell(f"{path} gone", gone)
        tell(f"{path} bare", bare)
    return told.digest()


class Erased:
    """The digest of what goes of a file, a row group at a time.

    >>> erased = Erased()
    >>> erased.digest
    ''
    >>> erased.take(0, None)
    >>> erased.digest is None
    True
    """

    def __init__(self) -> None:
        self._told = hashlib.sha256()
        self._any, self._known = False, True

    def take(self, group: int, digest: bytes | None) -> None:
        """Take in what goes of one row group that loses something."""
        self._any, self._known = True, self._known and digest is not None
        self._told.update(f"{group}:".encode() + (digest or b""))

    @property
    def digest(self) -> str | None:
        """Of all of them; empty where nothing goes, None where it cannot be said what."""
        if not self._known:
            return None
        return self._told.hexdigest() if self._any else ""
