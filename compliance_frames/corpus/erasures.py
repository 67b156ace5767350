"""The IDs that results and a policy turn into erasures: what workers read, and nothing else of the results."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow as pa

from compliance_frames.corpus.answers import Answers
from compliance_frames.corpus.policy import Policy
from compliance_frames.durable import make_private_directory, write_private
from compliance_frames.errors import PlanError
from compliance_frames.ids.sets import IdArray, unique
from compliance_frames.ids.slice_files import open_slices, write_slices
from compliance_frames.ids.slices import HELD, SLICE, IdSet, SlicedIds, Spill, digest
from compliance_frames.schemas import Unchecked

_SETS = ("drop_tweets", "scrub_tweets", "drop_authors", "scrub_authors")


def _no_ids() -> IdArray:
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Erasures:
    """The IDs that a policy turned into erasures: sorted, unique int64 arrays, or on the disk where they are too many.

    Attributes:
        drop_tweets: tweets whose rows go.
        scrub_tweets: tweets whose places go; none of them is in ``drop_tweets``.
        drop_authors: users all of whose rows go.
        scrub_authors: users all of whose places go; none of them is in ``drop_authors``.
        asked_tweets: the tweets that the service was asked about, or None where nobody knows (no ledger).
        unchecked: what happens to rows of tweets that were not asked.
    """

    drop_tweets: IdSet = field(default_factory=_no_ids, repr=False)
    scrub_tweets: IdSet = field(default_factory=_no_ids, repr=False)
    drop_authors: IdSet = field(default_factory=_no_ids, repr=False)
    scrub_authors: IdSet = field(default_factory=_no_ids, repr=False)
    asked_tweets: IdSet | None = field(default=None, repr=False)
    unchecked: Unchecked = "keep"

    def __post_init__(self) -> None:
        if self.unchecked not in get_args(Unchecked):
            raise PlanError(f"unchecked={self.unchecked!r}: choose one of {', '.join(get_args(Unchecked))}")

    @classmethod
    def from_results(
        cls,
        results: Iterable[pa.Table],
        policy: Policy | None = None,
        asked: Any = None,
        unchecked: Unchecked = "keep",
    ) -> Erasures:
        """What results ask for under a policy; of two results for one ID the strictest counts.

        Args:
            results: tables in the results schema (``schemas.RESULTS``), in any number and order.
            policy: the treatments; the default policy when None.
            asked: the tweet IDs that were asked, when that is known; any int64 array.
            unchecked: what happens to rows of tweets that were not asked.

        Raises:
            PolicyError: a reason has no treatment.
            PlanError: a table is not one of results.

        >>> results = pa.table({"type": ["tweets"], "id": [7], "action": ["delete"], "reason": ["deleted"]})
        >>> Erasures.from_results([results]).drop_tweets
        array([7])
        """
        answers = Answers(policy or Policy.default())
        for table in results:
            answers.take(table)
        return cls.of(answers, asked, unchecked)

    @classmethod
    def of(cls, answers: Answers, asked: Any = None, unchecked: Unchecked = "keep") -> Erasures:
        """What answers ask for, but for what they say of tweets up to one (:meth:`Answers.until`)."""
        known = None if asked is None else unique(np.asarray(asked, dtype=np.int64))
        return cls(**answers.sets(), asked_tweets=known, unchecked=unchecked)

    def with_dropped(self, tweets: Iterable[IdArray], spill: Spill | None = None) -> Erasures:
        """The same erasures, and more tweets to drop, which may come in parts.

        >>> Erasures().with_dropped([np.array([8, 7])]).drop_tweets
        array([7, 8])
        """
        room = spill or Spill()
        more = room.keep(tweets)
        if not len(more):
            return self
        drop = room.union(self.drop_tweets, more)
        return dataclasses.replace(self, drop_tweets=drop, scrub_tweets=room.without(self.scrub_tweets, drop))

    def with_scrubbed(self, tweets: Iterable[IdArray], spill: Spill | None = None) -> Erasures:
        """The same erasures, and more tweets whose places go, which may come in parts.

        >>> Erasures(drop_tweets=np.array([8])).with_scrubbed([np.array([8, 7])]).scrub_tweets
        array([7])
        """
        room = spill or Spill()
        more = room.without(room.keep(tweets), self.drop_tweets)
        return dataclasses.replace(self, scrub_tweets=room.union(self.scrub_tweets, more)) if len(more) else self

    def with_authors(self, *, drop: IdArray, scrub: IdArray, spill: Spill | None = None) -> Erasures:
        """The same erasures, and more authors: what could be reached, before it is known what is.

        >>> Erasures().with_authors(drop=np.array([7]), scrub=np.array([8])).scrub_authors
        array([8])
        """
        room = spill or Spill()
        return dataclasses.replace(
            self,
            drop_authors=room.union(self.drop_authors, drop),
            scrub_authors=room.union(self.scrub_authors, scrub),
        )

    @property
    def erase_anything(self) -> bool:
        """Whether any row, anywhere, could lose something.

        >>> Erasures().erase_anything, Erasures(drop_tweets=np.array([7])).erase_anything
        (False, True)
        """
        return self.unchecked == "drop" or any(len(getattr(self, name)) for name in _SETS)

    def write(self, directory: Path, *, size: int = SLICE) -> None:
        """Write the IDs as sorted Parquet files into a directory (made when missing), for workers to read.

        Each row group is a slice of so many IDs; what they are is told in a file beside them.
        """
        directory.parent.mkdir(parents=True, exist_ok=True)
        make_private_directory(directory)
        told = {
            name: write_slices(ids, _file(directory, name), size) | {"whole": _is_small(ids)}
            for name, ids in self._sets().items()
            if ids is not None
        }
        whole = {"unchecked": self.unchecked, "digest": self.digest, "sets": told}
        write_private(directory / "erasures.json", json.dumps(whole).encode())

    @classmethod
    def read(cls, directory: Path) -> Erasures:
        """Read what :meth:`write` wrote: small sets at once, of large ones what each lookup wants.

        Raises:
            PlanError: the files do not hold what was written.
        """
        told = json.loads((directory / "erasures.json").read_text())
        sets: dict[str, Any] = {
            name: open_slices(_file(directory, name), about, whole=about["whole"])
            for name, about in told["sets"].items()
        }
        found = cls(**sets, unchecked=told["unchecked"])
        if found.digest != told["digest"]:
            raise PlanError(f"the erasures in {directory} are not those that were written there; plan again")
        return found

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything that these erasures say, the same in every process."""
        told = hashlib.sha256(self.unchecked.encode())
        for name, ids in self._sets().items():
            told.update(f"{name}:{'' if ids is None else f'{len(ids)}:{digest(ids)}'};".encode())
        return told.hexdigest()

    def _sets(self) -> dict[str, IdSet | None]:
        return {name: getattr(self, name) for name in (*_SETS, "asked_tweets")}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Erasures) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)


def _file(directory: Path, name: str) -> Path:
    return directory / f"{name}.parquet"


def _is_small(ids: IdSet) -> bool:
    return not isinstance(ids, SlicedIds) and len(ids) <= HELD
