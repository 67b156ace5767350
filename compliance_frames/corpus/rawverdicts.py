"""What is held against values of raw JSON, and what becomes of each: records that go, ways to what goes of others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from compliance_frames.corpus.erase import Counts
from compliance_frames.corpus.erasures import Erasures
from compliance_frames.corpus.kinds import CellKind, Kinds
from compliance_frames.corpus.rawnamed import Named
from compliance_frames.raw.records import Object, authors_of, numbers
from compliance_frames.raw.spans import Way

#: Why a record goes.
Why = Literal["dropped_by_author", "dropped_own", "dropped_retweets", "dropped_unchecked"]


@dataclass(frozen=True)
class Flagged:
    """The IDs of some values that were flagged, by what has to happen."""

    drop_tweets: frozenset[int] = frozenset()
    drop_authors: frozenset[int] = frozenset()
    scrub_tweets: frozenset[int] = frozenset()
    scrub_authors: frozenset[int] = frozenset()

    def gone(self, told: Object, ids: Collection[str]) -> bool:
        """Whether a tweet has to go, by its ID or its author's."""
        found = numbers(told, tuple(ids))
        return bool(found & self.drop_tweets or authors_of(told) & self.drop_authors)

    def repeated(self, named: Iterable[Named]) -> bool:
        """Whether one of some tweets that are named is repeated, and has to go."""
        return any(
            each.repeated and (each.tweets & self.drop_tweets or each.authors & self.drop_authors) for each in named
        )

    def bare(self, told: Object, ids: Collection[str]) -> bool:
        """Whether a tweet loses its places."""
        found = numbers(told, tuple(ids))
        return bool(found & self.scrub_tweets or authors_of(told) & self.scrub_authors)

    @property
    def erasures(self) -> Erasures:
        """The same as a column is held against."""
        sets: dict[str, Any] = {name: np.array(sorted(ids), np.int64) for name, ids in vars(self).items()}
        return Erasures(**sets)


@dataclass
class Row:
    """What becomes of one record.

    Attributes:
        way: to it.
        drop: it goes.
        unchecked: nobody asked about it, and no result drops it.
        scrub: it stays, and loses places that it has.
        why: it goes, as :class:`~compliance_frames.corpus.kinds.Kinds` calls it.
        cells: tweets of others in it that go, and those of which places go; how many of each kind.
    """

    way: Way
    drop: bool = False
    unchecked: bool = False
    scrub: bool = False
    why: Why | None = None
    cells: Counter[CellKind] = field(default_factory=Counter)


@dataclass
class Look:
    """What becomes of a value.

    Attributes:
        rows: its records.
        cells: tweets and users beside these that go, and tweets of which places go; how many of each kind.
        nulled: ways to what becomes null.
        removed: ways to elements of lists that are taken out.
    """

    rows: list[Row] = field(default_factory=list)
    cells: Counter[CellKind] = field(default_factory=Counter)
    nulled: list[Way] = field(default_factory=list)
    removed: list[Way] = field(default_factory=list)

    @property
    def counts(self) -> Counts:
        """The sums of it all."""
        gone = Counter(row.why for row in self.rows if row.drop)
        cells = sum((row.cells for row in self.rows), self.cells.copy())
        return Counts(
            rows_in=len(self.rows),
            rows_kept=len(self.rows) - gone.total(),
            rows_dropped=gone.total(),
            rows_scrubbed=sum(row.scrub for row in self.rows),
            rows_unchecked=sum(row.unchecked for row in self.rows),
            cells_nulled=cells.total(),
            kinds=Kinds.of(cells, {why: count for why, count in gone.items() if why}),
        )
