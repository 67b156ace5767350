"""The IDs that must not be found, from results and the policy that a manifest names: not from what cleaning used."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from compliance_frames.errors import VerificationError
from compliance_frames.schemas import Treatment

IdArray = NDArray[np.int64]
_WHOSE: Final = {"tweets": "tweet", "users": "author"}


def _none() -> IdArray:
    return np.empty(0, np.int64)


def _set(*arrays: IdArray) -> IdArray:
    """The distinct values of some arrays, sorted; not by NumPy's ``unique``, which takes a hundred times as long."""
    values = pa.chunked_array([*arrays, _none()], pa.int64())
    return np.sort(pc.unique(values).to_numpy())


def _less(values: IdArray, others: IdArray) -> IdArray:
    return np.setdiff1d(values, others, assume_unique=True)


@dataclass(frozen=True, eq=False)
class Answers:
    """What the service said, and what it had been asked.

    Attributes:
        results: tables of results.
        asked: for ``tweets`` and ``users``, the IDs asked about; empty where no ledger told.
        job_ids: the jobs that the answers came from, sorted.
        span: when the first and the last of the answers came, or None where nothing was flagged.
    """

    results: tuple[pa.Table, ...] = field(repr=False)
    asked: Mapping[str, IdArray] = field(repr=False)
    job_ids: tuple[int, ...]
    span: tuple[datetime, datetime] | None


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
    return _answers((*results, ledger.results()), asked, _distinct(ledger.jobs(), "job_id"))


def erased_by(answers: Answers, policy: Mapping[str, Treatment]) -> Erased:
    """What must be gone, by a policy; of two answers about one ID the strictest counts.

    Raises:
        VerificationError: a reason has no treatment in the policy.

    >>> flagged = pa.table({"type": ["tweets"], "id": [7], "reason": ["deleted"]})
    >>> erased_by(read_answers((flagged,), None), {"deleted": "drop"}).drop_tweets
    array([7])
    """
    found: dict[tuple[str, Treatment], list[IdArray]] = {}
    for table in answers.results:
        kinds = pa.table({name: _text(table.column(name)) for name in ("type", "reason")})
        if "up_to" in table.column_names:  # no more than some tweets of these are concerned
            whole = pc.is_null(table.column("up_to"))
            table, kinds = table.filter(whole), kinds.filter(whole)
        ids = np.asarray(pc.cast(table.column("id"), pa.int64()))
        for row in kinds.group_by(["type", "reason"]).aggregate([]).to_pylist():
            same = pc.and_(pc.equal(kinds["type"], row["type"]), pc.equal(kinds["reason"], row["reason"]))
            found.setdefault((row["type"], treatment_of(policy, row["reason"])), []).append(ids[same.to_numpy()])
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


def _answers(results: tuple[Any, ...], asked: Mapping[str, IdArray], jobs: tuple[int, ...]) -> Answers:
    tables = tuple(_table(result) for result in results)
    times = [when for table in tables for when in _distinct(table, "checked_at")]
    told = {job for table in tables for job in _distinct(table, "job_id")}
    return Answers(tables, asked, tuple(sorted({*jobs, *told})), (min(times), max(times)) if times else None)


def _table(result: Any) -> pa.Table:
    table = result if isinstance(result, pa.Table) else None
    if table is None and hasattr(result, "__arrow_c_stream__"):
        table = pa.table(result)
    if table is None or not {"type", "id", "reason"} <= set(table.column_names):
        raise VerificationError("results are tables with type, id and reason, as check(…) returns them")
    unknown = set(_distinct(table, "type")) - set(_WHOSE)
    if unknown or table.column("id").null_count:
        raise VerificationError(f"results are of tweets and users, each with an ID; not of {sorted(unknown) or 'null'}")
    return table


def _text(column: pa.ChunkedArray[Any]) -> Any:
    kind: Any = column.type
    decoded: Any = (
        pa.chunked_array([c.dictionary_decode() for c in column.chunks], kind.value_type)
        if (pa.types.is_dictionary(kind))
        else column
    )
    return decoded.cast(pa.string())


def _distinct(table: pa.Table, name: str) -> tuple[Any, ...]:
    if name not in table.column_names:
        return ()
    return tuple(pc.unique(table.column(name)).drop_null().to_pylist())
