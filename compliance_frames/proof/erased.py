"""The IDs that must not be found, from results and the policy that a manifest names: not from what cleaning used."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from compliance_frames.errors import VerificationError
from compliance_frames.schemas import Treatment

IdArray = NDArray[np.int64]
_WHOSE: Final = {"tweets": "tweet", "users": "author"}
#: Results whose words are in memory at once.
_ROWS: Final = 1 << 20
_PAIRS: Final = pa.schema([("id", pa.int64()), ("up_to", pa.int64())])


def _none() -> IdArray:
    return np.empty(0, np.int64)


def _set(*arrays: IdArray) -> IdArray:
    """The distinct values of some arrays, sorted; not by hashes, which take far more room.

    >>> _set(np.array([3, 1]), np.array([1])).tolist()
    [1, 3]
    """
    values = np.concatenate([*arrays, _none()])
    values.sort()
    if len(values) < 2:
        return values
    distinct: IdArray = values[np.append(True, values[1:] != values[:-1])]
    return distinct


def _less(values: IdArray, others: IdArray) -> IdArray:
    return np.setdiff1d(values, others, assume_unique=True)


@dataclass(frozen=True, eq=False)
class Answers:
    """What the service said, and what it had been asked.

    Attributes:
        flagged: how many IDs were flagged, each counted once, whatever it was flagged for.
        ids: the IDs of these, by their type and reason: arrays of int64 in any order.
        asked: for ``tweets`` and ``users``, the IDs asked about; empty where no ledger told.
        job_ids: the jobs that the answers came from, sorted.
        span: when the first and the last of the answers came, or None where nothing was flagged.
        last: users of whom no more than the tweets up to one are concerned, not among ``ids``: by their reason,
            tables of these users (``id``) and tweets (``up_to``).
    """

    flagged: int
    ids: Mapping[tuple[str, str], IdArray] = field(repr=False)
    asked: Mapping[str, IdArray] = field(repr=False)
    job_ids: tuple[int, ...]
    span: tuple[datetime, datetime] | None
    last: Mapping[str, pa.Table] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, eq=False)
class Erased:
    """What must be gone: sorted, unique int64 arrays.

    Attributes:
        drop_tweets: tweets that no row may be, repeat or hold.
        drop_authors: users of whom no row may be.
        scrub_tweets: tweets that must have no place; none of them is in ``drop_tweets``.
        scrub_authors: users whose tweets must have no place; none of them is in ``drop_authors``.
    """

    drop_tweets: IdArray = field(default_factory=_none, repr=False)
    drop_authors: IdArray = field(default_factory=_none, repr=False)
    scrub_tweets: IdArray = field(default_factory=_none, repr=False)
    scrub_authors: IdArray = field(default_factory=_none, repr=False)

    def __len__(self) -> int:
        return sum(map(len, (self.drop_tweets, self.drop_authors, self.scrub_tweets, self.scrub_authors)))

    def table(self) -> pa.Table:
        """One row for each ID: whose it is, what had to happen, and the ID."""
        parts = [
            pa.table(
                {"author": np.full(len(ids), whose == "author"), "treatment": pa.repeat(done, len(ids)), "id": ids}
            )
            for whose, done, ids in (
                ("tweet", "drop", self.drop_tweets),
                ("author", "drop", self.drop_authors),
                ("tweet", "scrub_geo", self.scrub_tweets),
                ("author", "scrub_geo", self.scrub_authors),
            )
        ]
        return pa.concat_tables(parts)

    def with_dropped(self, tweets: IdArray) -> Erased:
        """The same, and more tweets that must be gone."""
        drop = _set(self.drop_tweets, tweets)
        return Erased(drop, self.drop_authors, _less(self.scrub_tweets, drop), self.scrub_authors)

    def with_scrubbed(self, tweets: IdArray) -> Erased:
        """The same, and more tweets that must have no place."""
        scrub = _less(_set(self.scrub_tweets, tweets), self.drop_tweets)
        return Erased(self.drop_tweets, self.drop_authors, scrub, self.scrub_authors)


def read_answers(results: tuple[Any, ...], ledger: Any) -> Answers:
    """What results or a ledger say.

    Args:
        results: tables of results, or whatever exports an Arrow stream.
        ledger: a ledger or the path of one; its results count, and those that are given beside it.

    Raises:
        VerificationError: there is nothing to verify against, or a table is not one of results.
    """
    if ledger is None:
        if not results:
            raise VerificationError(
                "nothing to verify against: give results, as check(…) returns them, or ledger=… (or both)"
            )
        return _answers(results, {}, ())
    if isinstance(ledger, str | os.PathLike):
        from compliance_frames.jobs.ledger import Ledger

        with closing(Ledger.read(ledger)) as opened:
            return read_answers(results, opened)
    asked = {kind: _set(np.asarray(ledger.asked(kind), dtype=np.int64)) for kind in _WHOSE}
    return _answers(chain(results, ledger.result_batches()), asked, _distinct(ledger.jobs(), "job_id"))


def erased_by(answers: Answers, policy: Mapping[str, Treatment]) -> Erased:
    """What must be gone, by a policy; of two answers about one ID the strictest counts.

    Raises:
        VerificationError: a reason has no treatment in the policy.

    >>> flagged = pa.table({"type": ["tweets"], "id": [7], "reason": ["deleted"]})
    >>> erased_by(read_answers((flagged,), None), {"deleted": "drop"}).drop_tweets
    array([7])
    """
    found: dict[tuple[str, Treatment], list[IdArray]] = {}
    for (kind, reason), ids in answers.ids.items():
        found.setdefault((kind, treatment_of(policy, reason)), []).append(ids)
    sets = {key: _set(*parts) for key, parts in found.items()}
    tweets, users = (sets.get((kind, "drop"), _none()) for kind in _WHOSE)
    places, homes = (sets.get((kind, "scrub_geo"), _none()) for kind in _WHOSE)
    return Erased(tweets, users, _less(places, tweets), _less(homes, users))


def treatment_of(policy: Mapping[str, Treatment], reason: str) -> Treatment:
    """What a policy does with a reason.

    Raises:
        VerificationError: it does not settle it.
    """
    if reason not in policy:
        raise VerificationError(
            f"the results name a reason that the manifest's policy does not settle: {reason!r}; "
            "plan and clean again, with a treatment for it"
        )
    return policy[reason]


def _answers(results: Iterable[Any], asked: Mapping[str, IdArray], jobs: tuple[int, ...]) -> Answers:
    """Take tables one after the other: of all of them only the IDs are held in memory."""
    told, times = set(jobs), list[datetime]()
    found: dict[tuple[str, str], list[IdArray]] = {}
    last: dict[str, list[pa.Table]] = {}
    for table in map(_table, results):
        told |= set(_distinct(table, "job_id"))
        times = [*times, *_distinct(table, "checked_at")]
        times = [min(times), max(times)] if times else []
        whole, bounded = _apart(table)
        for batch in whole.select(["type", "reason", "id"]).to_batches(max_chunksize=_ROWS):
            for key, ids in _by_reason(batch):
                found.setdefault(key, []).append(ids)
        for reason in _distinct(bounded, "reason"):
            same = pc.equal(bounded.column("reason"), reason)
            last.setdefault(reason, []).append(bounded.filter(same).select(["id", "up_to"]).cast(_PAIRS))
    held = {key: np.concatenate(parts) for key, parts in found.items()}
    tables = {reason: pa.concat_tables(parts) for reason, parts in last.items()}
    span = (times[0], times[-1]) if times else None
    return Answers(_counted(held, tables), held, asked, tuple(sorted(told)), span, tables)


def _counted(found: Mapping[tuple[str, str], IdArray], last: Mapping[str, pa.Table]) -> int:
    """How many IDs were flagged: one may have been for several reasons, and by several tables."""
    parts = {kind: [ids for (of, _), ids in found.items() if of == kind] for kind in _WHOSE}
    parts["users"] += [np.asarray(table.column("id")) for table in last.values()]
    return sum(len(_set(*ids)) for ids in parts.values())


def _apart(table: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The results that concern all of what they name, and those that concern tweets up to one."""
    if "up_to" not in table.column_names:
        return table, table.slice(0, 0)
    bounded = table.filter(table.column("up_to").is_valid())
    if set(_distinct(bounded, "type")) - {"users"}:
        raise VerificationError("results name a last tweet (up_to) beside a tweet; it is for users")
    return table.filter(table.column("up_to").is_null()), bounded


def _by_reason(batch: pa.RecordBatch) -> Iterator[tuple[tuple[str, str], IdArray]]:
    """The IDs of some results by their type and reason; without pyarrow's ``group_by``, whose library loads slowly."""
    kinds, reasons, ids = (_text(batch.column(0)), _text(batch.column(1)), pc.cast(batch.column(2), pa.int64()))
    for kind in pc.unique(kinds).to_pylist():
        of_kind = pc.equal(kinds, kind)
        for reason in pc.unique(reasons.filter(of_kind)).to_pylist():
            same = reasons.is_null() if reason is None else pc.equal(reasons, reason)
            yield (kind, reason), np.asarray(ids.filter(pc.and_(of_kind, same)))


def _table(result: Any) -> pa.Table:
    table = result if isinstance(result, pa.Table) else None
    if table is None and hasattr(result, "__arrow_c_stream__"):
        table = pa.table(result)
    if table is None or not {"type", "id", "reason"} <= set(table.column_names):
        raise VerificationError("results are tables with type, id and reason, as check(…) returns them")
    unknown = set(_distinct(table, "type")) - set(_WHOSE)
    if unknown or table.column("id").null_count or table.column("type").null_count:
        raise VerificationError(f"results are of tweets and users, each with an ID; not of {sorted(unknown) or 'null'}")
    return table


def _text(values: pa.Array[Any]) -> Any:
    return (values.dictionary_decode() if pa.types.is_dictionary(values.type) else values).cast(pa.string())


def _distinct(table: pa.Table, name: str) -> tuple[Any, ...]:
    if name not in table.column_names:
        return ()
    return tuple(pc.unique(table.column(name)).drop_null().to_pylist())
