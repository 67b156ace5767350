"""The IDs that results and a policy turn into erasures: what workers read, and nothing else of the results."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, reduce
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from compliance_frames.corpus.arrays import words
from compliance_frames.corpus.policy import Policy
from compliance_frames.errors import PlanError
from compliance_frames.ids.parse import parse_ids
from compliance_frames.ids.sets import unique, without
from compliance_frames.schemas import JobType, Treatment, Unchecked

IdArray = NDArray[np.int64]
_SETS = ("drop_tweets", "scrub_tweets", "drop_authors", "scrub_authors")

#: How sorted numbers are written best: by their differences.
_SORTED: Any = {"compression": "zstd", "use_dictionary": False, "column_encoding": "DELTA_BINARY_PACKED"}


def _no_ids() -> IdArray:
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Erasures:
    """The IDs that a policy turned into erasures: sorted, unique int64 arrays.

    Attributes:
        drop_tweets: tweets whose rows go.
        scrub_tweets: tweets whose places go; none of them is in ``drop_tweets``.
        drop_authors: users all of whose rows go.
        scrub_authors: users all of whose places go; none of them is in ``drop_authors``.
        asked_tweets: the tweets that the service was asked about, or None where nobody knows (no ledger).
        unchecked: what happens to rows of tweets that were not asked.
    """

    drop_tweets: IdArray = field(default_factory=_no_ids, repr=False)
    scrub_tweets: IdArray = field(default_factory=_no_ids, repr=False)
    drop_authors: IdArray = field(default_factory=_no_ids, repr=False)
    scrub_authors: IdArray = field(default_factory=_no_ids, repr=False)
    asked_tweets: IdArray | None = field(default=None, repr=False)
    unchecked: Unchecked = "keep"

    def __post_init__(self) -> None:
        if self.unchecked not in get_args(Unchecked):
            raise PlanError(f"unchecked={self.unchecked!r}: choose one of {', '.join(get_args(Unchecked))}")

    @classmethod
    def from_results(
        cls,
        results: Sequence[pa.Table],
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
        found: dict[tuple[str, str], list[IdArray]] = {}
        for table in results:
            for each in by_reason(table, policy or Policy.default()):
                found.setdefault((each.treatment, each.type), []).append(each.ids)
        sets = {f"{verb}_{whose}": unique(*found.get(key, ())) for (verb, whose), key in _KEYS.items()}
        for whose in ("tweets", "authors"):
            sets[f"scrub_{whose}"] = without(sets[f"scrub_{whose}"], sets[f"drop_{whose}"])
        known = None if asked is None else unique(np.asarray(asked, dtype=np.int64))
        return cls(**sets, asked_tweets=known, unchecked=unchecked)

    def with_dropped(self, tweets: IdArray) -> Erasures:
        """The same erasures, and more tweets to drop.

        >>> Erasures().with_dropped(np.array([8, 7])).drop_tweets
        array([7, 8])
        """
        drop = unique(self.drop_tweets, tweets)
        scrub = without(self.scrub_tweets, drop)
        return dataclasses.replace(self, drop_tweets=drop, scrub_tweets=scrub)

    @property
    def erase_anything(self) -> bool:
        """Whether any row, anywhere, could lose something.

        >>> Erasures().erase_anything, Erasures(drop_tweets=np.array([7])).erase_anything
        (False, True)
        """
        return self.unchecked == "drop" or any(len(getattr(self, name)) for name in _SETS)

    def write(self, directory: Path) -> None:
        """Write the IDs as Parquet files into a directory (made when missing), for workers to read."""
        directory.mkdir(parents=True, exist_ok=True)
        for name in (*_SETS, "asked_tweets"):
            ids = getattr(self, name)
            if ids is not None:
                pq.write_table(pa.table({"id": ids}), directory / f"{name}.parquet", **_SORTED)
        (directory / "erasures.json").write_text(
            json.dumps({"unchecked": self.unchecked, "asked": self.asked_tweets is not None, "digest": self.digest})
        )

    @classmethod
    def read(cls, directory: Path) -> Erasures:
        """Read what :meth:`write` wrote.

        Raises:
            PlanError: the files do not hold what was written.
        """
        told = json.loads((directory / "erasures.json").read_text())
        names = (*_SETS, "asked_tweets") if told["asked"] else _SETS
        sets = {name: _read_ids(directory / f"{name}.parquet") for name in names}
        found = cls(**sets, unchecked=told["unchecked"])
        if found.digest != told["digest"]:
            raise PlanError(f"the erasures in {directory} are not those that were written there; plan again")
        return found

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything that these erasures say, the same in every process."""
        told = hashlib.sha256(self.unchecked.encode())
        for name in (*_SETS, "asked_tweets"):
            ids = getattr(self, name)
            told.update(f"{name}:{None if ids is None else len(ids)};".encode())
            told.update(b"" if ids is None else ids.astype("<i8").tobytes())
        return told.hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Erasures) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)


@dataclass(frozen=True, eq=False)
class Reason:
    """The IDs that a table of results holds for one type, action and reason, and their treatment."""

    type: JobType
    action: str
    reason: str
    treatment: Treatment
    ids: IdArray


def by_reason(table: pa.Table, policy: Policy) -> Iterator[Reason]:
    """The IDs of a table of results, for each type, action and reason that stand in it.

    Raises:
        PolicyError: a reason has no treatment.
        PlanError: the table is not one of results.

    >>> results = pa.table({"type": ["tweets"], "id": [7], "action": ["delete"], "reason": ["scrub_geo"]})
    >>> [(each.treatment, each.ids.tolist()) for each in by_reason(results, Policy.default())]
    [('scrub_geo', [7])]
    """
    missing = [name for name in ("type", "id", "action", "reason") if name not in table.schema.names]
    if missing:
        raise PlanError(f"this is not a table of results: it has no column {', '.join(missing)}")
    told = {name: words(table.column(name)) for name in ("type", "action", "reason")}
    ids = parse_ids(table.column("id"), column="id").to_numpy(zero_copy_only=False)
    for row in (
        pa.table(list(told.values()), names=list(told))
        .group_by(["type", "action", "reason"], use_threads=False)
        .aggregate([])
        .to_pylist()
    ):
        if row["type"] not in get_args(JobType):
            raise PlanError(f"this is not a table of results: type {row['type']!r} is neither tweets nor users")
        treatment = policy.treatment(row["type"], row["action"], row["reason"])
        same = [pc.equal(column, pa.scalar(row[name])) for name, column in told.items()]
        yield Reason(**row, treatment=treatment, ids=ids[reduce(pc.and_, same).to_numpy()])


_KEYS = {
    ("drop", "tweets"): ("drop", "tweets"),
    ("scrub", "tweets"): ("scrub_geo", "tweets"),
    ("drop", "authors"): ("drop", "users"),
    ("scrub", "authors"): ("scrub_geo", "users"),
}


def _read_ids(path: Path) -> IdArray:
    ids: IdArray = pq.ParquetFile(pa.OSFile(str(path), "rb")).read(columns=["id"]).column("id").to_numpy()
    return ids
