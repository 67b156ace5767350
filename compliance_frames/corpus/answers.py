"""What results say under a policy, taken in a table at a time: the IDs of each treatment, and how many there are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from numpy.typing import NDArray

from compliance_frames.corpus.arrays import Mask, words
from compliance_frames.corpus.policy import Policy
from compliance_frames.corpus.until import Until
from compliance_frames.errors import PlanError
from compliance_frames.ids.parse import parse_ids
from compliance_frames.ids.runs import Collector
from compliance_frames.ids.sets import IdArray, unique
from compliance_frames.ids.slices import IdSet, Spill
from compliance_frames.schemas import JobType, Treatment

#: What a result says of its ID.
_SAID: Final = ("type", "action", "reason")
#: Results that are looked at together.
_PIECE: Final = 1 << 16
_KEYS = {
    ("drop", "tweets"): ("drop", "tweets"),
    ("scrub", "tweets"): ("scrub_geo", "tweets"),
    ("drop", "authors"): ("drop", "users"),
    ("scrub", "authors"): ("scrub_geo", "users"),
}


@dataclass(frozen=True)
class Flagged:
    """How many IDs the service flagged for one reason, and what the policy makes of it."""

    type: str
    reason: str
    treatment: Treatment
    ids: int


class Answers:
    """Results that are taken in a table at a time, so that they need not be in memory all at once.

    Args:
        policy: the treatments.
        spill: where IDs go that are more than the memory is to hold.
        once: whether no ID comes twice for its type, as in what a ledger tells: then they need only be counted.

    Attributes:
        job_ids: the jobs that the results came from.

    >>> answers = Answers(Policy.default())
    >>> answers.take(pa.table({"type": ["tweets"], "id": [7], "action": ["delete"], "reason": ["deleted"]}))
    >>> answers.sets()["drop_tweets"], answers.flagged()
    (array([7]), (Flagged(type='tweets', reason='deleted', treatment='drop', ids=1),))
    """

    def __init__(self, policy: Policy, spill: Spill | None = None, *, once: bool = False) -> None:
        self._policy, self._spill, self._once = policy, spill or Spill(), once
        self._found: dict[tuple[str, str], Collector] = {key: self._spill.collector() for key in _KEYS.values()}
        self._counts: dict[tuple[str, str, Treatment], int] = {}
        self._ids: dict[tuple[str, str, Treatment], list[IdArray]] = {}
        self._until: dict[Treatment, list[tuple[IdArray, IdArray]]] = {}
        self.job_ids: set[int] = set()
        self._times: list[datetime] = []

    def take(self, table: pa.Table) -> None:
        """Take in a table in the results schema (``schemas.RESULTS``).

        Raises:
            PolicyError: a reason has no treatment.
            PlanError: the table is not one of results.
        """
        found: dict[tuple[str, str], list[IdArray]] = {}
        for each in by_reason(table, self._policy):
            found.setdefault((each.treatment, each.type), []).append(each.ids)
            key = (each.type, each.reason, each.treatment)
            self._counts[key] = self._counts.get(key, 0) + len(each.ids) + len(each.until)
            if not self._once:
                self._ids.setdefault(key, []).extend((each.ids, each.until.authors))
            if len(each.until):
                self._until.setdefault(each.treatment, []).append((each.until.authors, each.until.tweets))
        for wanted, parts in found.items():
            if wanted in self._found:
                self._found[wanted].add(unique(*parts))
        self.job_ids.update(_values(table, "job_id"))
        self._times = _ends(self._times + _values(table, "checked_at"))

    def sets(self) -> dict[str, IdSet]:
        """The IDs of each treatment, each ID in the strictest of its own. Nothing can be taken in any more."""
        sets = {f"{verb}_{whose}": self._spill.kept(self._found[key].sorted()) for (verb, whose), key in _KEYS.items()}
        for whose in ("tweets", "authors"):
            sets[f"scrub_{whose}"] = self._spill.without(sets[f"scrub_{whose}"], sets[f"drop_{whose}"])
        return sets

    def until(self, treatment: Treatment) -> Until:
        """The users of whom a treatment is for the tweets up to one of them; no set of :meth:`sets` holds these."""
        return Until.of(self._until.get(treatment, []))

    def flagged(self) -> tuple[Flagged, ...]:
        """How many IDs each type and reason has, each ID counted once."""
        counts = self._counts | {key: len(unique(*parts)) for key, parts in self._ids.items()}
        return tuple(Flagged(*key, count) for key, count in sorted(counts.items()))

    @property
    def checked_at(self) -> tuple[datetime, datetime] | None:
        """When the first and the last of the results were fetched, where they say so."""
        return (self._times[0], self._times[-1]) if self._times else None


@dataclass(frozen=True, eq=False)
class Reason:
    """The IDs that a table of results holds for one type, action and reason, and their treatment.

    Users of whom no more than the tweets up to one of them are concerned are not among ``ids``, but in ``until``.
    """

    type: JobType
    action: str
    reason: str
    treatment: Treatment
    ids: IdArray
    until: Until


def by_reason(table: pa.Table, policy: Policy) -> Iterator[Reason]:
    """The IDs of a table of results, for each type, action and reason that stand in it.

    Raises:
        PolicyError: a reason has no treatment.
        PlanError: the table is not one of results.

    >>> results = pa.table({"type": ["tweets"], "id": [7], "action": ["delete"], "reason": ["scrub_geo"]})
    >>> [(each.treatment, each.ids.tolist()) for each in by_reason(results, Policy.default())]
    [('scrub_geo', [7])]
    """
    missing = [name for name in ("id", *_SAID) if name not in table.schema.names]
    if missing:
        raise PlanError(f"this is not a table of results: it has no column {', '.join(missing)}")
    for start in range(0, len(table), _PIECE):
        yield from _by_reason(table.slice(start, _PIECE), policy, start)


def _by_reason(table: pa.Table, policy: Policy, first_row: int) -> Iterator[Reason]:
    ids = parse_ids(table.column("id"), column="id", first_row=first_row).to_numpy(zero_copy_only=False)
    last, is_bounded = _bounds(table, first_row)
    said, group = [], np.zeros(len(ids), np.int64)
    for name in _SAID:
        places, values = _coded(table.column(name))
        said.append(values)
        group *= len(values)
        group += places
    for number in np.unique(group):
        at = np.unravel_index(number, [len(values) for values in said])
        row: dict[str, Any] = {name: values[place] for name, values, place in zip(_SAID, said, at, strict=True)}
        if row["type"] not in get_args(JobType):
            raise PlanError(f"this is not a table of results: type {row['type']!r} is neither tweets nor users")
        treatment = policy.treatment(row["type"], row["action"], row["reason"])
        here = group == number
        until = Until.of([(ids[here & is_bounded], last[here & is_bounded])])
        if len(until) and row["type"] != "users":
            raise PlanError("this is not a table of results: up_to is for users, and stands beside a tweet")
        yield Reason(**row, treatment=treatment, ids=ids[here & ~is_bounded], until=until)


def _bounds(table: pa.Table, first_row: int) -> tuple[IdArray, Mask]:
    """The last tweet that each row is about, and which rows have one; a table of results may know of none."""
    if "up_to" not in table.schema.names:
        return np.zeros(len(table), np.int64), np.zeros(len(table), bool)
    told = parse_ids(table.column("up_to"), column="up_to", first_row=first_row)
    return told.fill_null(0).to_numpy(), told.is_valid().to_numpy(zero_copy_only=False)


def _coded(column: pa.ChunkedArray[Any]) -> tuple[NDArray[np.int32], list[str | None]]:
    """Where each text stands in a list of them, null among them: results are many, and what they say is little."""
    coded: Any = column if _is_coded(column.type) else words(column).dictionary_encode()
    coded = (coded.unify_dictionaries() if coded.num_chunks > 1 else coded).combine_chunks()
    used = coded.indices.unique().drop_null()
    values = words(coded.dictionary).take(used).to_pylist()
    return pc.index_in(coded.indices, value_set=used).fill_null(len(values)).to_numpy(), [*values, None]


def _is_coded(kind: Any) -> bool:
    """Whether a type has dictionaries, of plain text: those of views cannot be joined."""
    return bool(pt.is_dictionary(kind) and not pt.is_string_view(kind.value_type))


def _values(table: pa.Table, name: str) -> list[Any]:
    """The distinct values of a column that a table of results may lack."""
    found: list[Any] = pc.unique(table.column(name)).drop_null().to_pylist() if name in table.schema.names else []
    return found


def _ends(times: list[datetime]) -> list[datetime]:
    return sorted({min(times), max(times)}) if times else []
