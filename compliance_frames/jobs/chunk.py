"""One chunk of a ledger, as a row of its database and as a value: times are milliseconds there."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from compliance_frames.jobs.states import State
from compliance_frames.schemas import JobType

_UNIX: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TIMES: Final = ("created_at", "changed_at", "checked_at")


@dataclass(frozen=True, slots=True)
class ChunkRow:
    """Where one chunk stands.

    Attributes:
        id: its number in the ledger.
        batch: the submission it came with; chunks of one batch share no ID.
        type: what its IDs are.
        state: where it stands.
        ids: how many IDs it has.
        first_id: the smallest.
        last_id: the largest.
        bytes: the length of its upload body.
        sha256: the body's digest.
        job_name: the unique name of its present job, written before the job is created.
        job_id: its present job.
        attempts: how many jobs it has had.
        failures: how many of them the service ended as failed; a half begins with the failure of the whole.
        flagged: how many of its IDs came back, once it is done.
        created_at: when it was planned.
        changed_at: when its state last changed.
        checked_at: as of when the answer holds: its job's creation, so that no claim is too fresh.
        error: the service's words on its last failure.
    """

    id: int
    batch: int
    type: JobType
    state: State
    ids: int
    first_id: int
    last_id: int
    bytes: int
    sha256: str
    job_name: str | None
    job_id: int | None
    attempts: int
    failures: int
    flagged: int | None
    created_at: datetime
    changed_at: datetime
    checked_at: datetime | None
    error: str | None


def chunk_of(row: sqlite3.Row) -> ChunkRow:
    """The chunk that a row of the database tells of."""
    values = dict(row)
    for name in _TIMES:
        values[name] = None if values[name] is None else _UNIX + timedelta(milliseconds=values[name])
    return ChunkRow(**values)


def stored(value: Any) -> Any:
    """A value as the database has it.

    >>> stored(datetime(1970, 1, 2, tzinfo=UTC)), stored("done"), stored(None)
    (86400000, 'done', None)
    """
    return (value - _UNIX) // timedelta(milliseconds=1) if isinstance(value, datetime) else value


def now() -> int:
    """The time, as the database has it."""
    return int(stored(datetime.now(UTC)))
