"""The service's jobs: one live job per type, each going its way as time passes."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from compliance_frames.emulator.clock import Clock
from compliance_frames.ids.snowflake import first_id
from compliance_frames.schemas import JobType

LIVE = ("created", "in_progress")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the work on an upload came to.

    Attributes:
        ids: how many IDs were asked.
        error: why the job failed, or None.
        is_lost: whether the job ends as expired, whatever came of the work.
    """

    ids: int
    error: str | None = None
    is_lost: bool = False


@dataclass
class Job:
    """One job as the service keeps it; its URLs are made when they are asked for.

    Attributes:
        id: the job's ID, a Snowflake of its creation.
        type: what its IDs are.
        name: the name it was given, or None.
        resumable: whether its upload is to be resumable.
        created_at: when it was made (UTC, whole seconds, as the service has it).
        upload_expires_at: when its upload must have begun.
        download_expires_at: until when its results can be fetched.
        status: ``created``, ``in_progress``, ``complete``, ``failed`` or ``expired``.
        error: why it failed.
        held_until: how long it waits for a resumable session that was opened in time.
        uploaded_at: when its upload was whole.
        uploads: how many uploads it has had; the work on an older one is void.
        outcome: what the work came to, known before the job is said to be over.
        over_at: when the job is over, where that does not follow from its upload.
    """

    id: int
    type: JobType
    name: str | None
    resumable: bool
    created_at: datetime
    upload_expires_at: datetime
    download_expires_at: datetime
    status: str = "created"
    error: str | None = None
    held_until: datetime | None = None
    uploaded_at: datetime | None = None
    uploads: int = 0
    outcome: Outcome | None = None
    over_at: datetime | None = None


class SlotTaken(Exception):
    """A live job of the same type is in the way."""


class Jobs:
    """All jobs of one account.

    Args:
        clock: the time.
        processing: how long the service works on a job, given the number of its IDs.
        upload_window: how long an upload may wait to begin.
        download_window: how long results can be fetched.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        processing: Callable[[int], timedelta],
        upload_window: timedelta,
        download_window: timedelta,
    ) -> None:
        self._clock, self._processing = clock, processing
        self._upload_window, self._download_window = upload_window, download_window
        self._jobs: dict[int, Job] = {}
        self._lock = threading.RLock()
        self.most_live: dict[JobType, int] = {"tweets": 0, "users": 0}

    def create(self, type: JobType, *, name: str | None, resumable: bool, age: timedelta = timedelta(0)) -> Job:
        """Make a job.

        Raises:
            SlotTaken: another one of its type is live.
        """
        with self._lock:
            live = [job for job in self.all() if job.type == type and job.status in LIVE]
            if live:
                raise SlotTaken
            made = (self._clock.now() - age).replace(microsecond=0)
            job = Job(
                id=self._new_id(),
                type=type,
                name=name,
                resumable=resumable,
                created_at=made,
                upload_expires_at=made + self._upload_window,
                download_expires_at=made + self._download_window,
            )
            self._jobs[job.id] = job
            self.most_live[type] = max(self.most_live[type], len(live) + 1)
            return copy.copy(job)

    def occupy(self, type: JobType, *, name: str | None, age: timedelta, lasting: timedelta | None) -> Job:
        """A job of somebody else: never uploaded to, or under way for a time and then complete.

        Raises:
            SlotTaken: another one of its type is live.
        """
        with self._lock:
            job = self._jobs[self.create(type, name=name, resumable=False, age=age).id]
            if lasting is not None:
                job.status, job.outcome, job.over_at = "in_progress", Outcome(0), self._clock.now() + lasting
            return copy.copy(job)

    def all(self) -> list[Job]:
        """Copies of all jobs as of now, oldest first."""
        with self._lock:
            return [copy.copy(self._moved(job)) for job in self._jobs.values()]

    def get(self, id: int) -> Job | None:
        """A copy of one job as of now."""
        with self._lock:
            return copy.copy(self._moved(self._jobs[id])) if id in self._jobs else None

    def hold(self, id: int, until: datetime | None) -> None:
        """A resumable session was opened: the job waits for it; or none is left to wait for."""
        with self._lock:
            self._jobs[id].held_until = until

    def expire(self, id: int) -> None:
        """A job's upload window is over."""
        with self._lock:
            job = self._jobs.get(id)
            if job is not None and job.status == "created":
                job.status = "expired"

    def begin(self, id: int) -> int | None:
        """An upload is whole: work begins. Returns which upload it is, or None where the job is over already."""
        with self._lock:
            job = self._moved(self._jobs[id])
            if job.status not in LIVE:
                return None
            job.status, job.uploaded_at, job.outcome = "in_progress", self._clock.now(), None
            job.uploads += 1
            return job.uploads

    def finish(self, id: int, upload: int, outcome: Outcome) -> None:
        """The work on an upload is done; the job is over when its time is."""
        with self._lock:
            job = self._jobs[id]
            if job.uploads == upload:
                job.outcome = outcome

    def is_due(self, id: int) -> bool:
        """Whether a job would be over, if only its work were done: it is worth waiting a moment for it."""
        with self._lock:
            job = self._jobs[id]
            is_waited_for = job.status == "in_progress" and job.outcome is None
            return is_waited_for and self._clock.now() >= self._over_at(job, 0)

    def _moved(self, job: Job) -> Job:
        """The job, after whatever the passing of time has done to it."""
        now = self._clock.now()
        if job.status == "created" and now >= (job.held_until or job.upload_expires_at):
            job.status = "expired"
        if job.status == "in_progress" and job.outcome and now >= self._over_at(job, job.outcome.ids):
            job.error = job.outcome.error
            job.status = "expired" if job.outcome.is_lost else "failed" if job.error else "complete"
        return job

    def _over_at(self, job: Job, ids: int) -> datetime:
        return job.over_at or (job.uploaded_at or job.created_at) + self._processing(ids)

    def _new_id(self) -> int:
        newest = max(self._jobs, default=0)
        return max(first_id(self._clock.now()), newest + 1)
