"""The life of chunks of one type, one job at a time: each step writes down what it will do, then does it.

Every step can be the last one of a process. The next process finds the state that was written, and takes the same
step again or sees at the service that it was taken.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from compliance_frames.errors import (
    ApiError,
    AuthError,
    ConflictError,
    DownloadExpiredError,
    JobFailedError,
    JobTimeoutError,
    LedgerError,
    RateLimitError,
    ServiceError,
    UploadExpiredError,
)
from compliance_frames.ids.chunks import body
from compliance_frames.jobs.ledger import ChunkRow, Ledger
from compliance_frames.jobs.states import FINAL, State
from compliance_frames.progress import Progress, ProgressCallback
from compliance_frames.schemas import JobType
from compliance_frames.service.api import ComplianceApi, Job
from compliance_frames.service.results import parse
from compliance_frames.service.storage import Storage

#: Bodies from this size on are uploaded in parts that survive an interruption.
RESUMABLE_FROM = 8 * 2**20
#: So many failed jobs in a row, with no success between, are not the fault of the IDs.
_FAILURES_IN_A_ROW = 6
#: The states in which the service's part is under way, and nothing is left for us but to wait.
WITH_THE_SERVICE: frozenset[State] = frozenset({"uploaded", "processing", "downloading"})

_LONGEST_PAUSE = timedelta(seconds=60)
_GROWTH = 1.5
_LIVE_NOT = frozenset({"complete", "failed", "expired"})


class Stopped(Exception):
    """The other lane failed, or the user interrupted: what stands in the ledger is where the next run goes on."""


@dataclass
class Patience:
    """How long to wait for the service, and what ends the waiting early.

    Attributes:
        poll: the first pause between two looks at a job; it grows to a minute.
        deadline: when to give up, by the monotonic clock; None waits for as long as it takes.
        stop: set from outside to end every wait.
    """

    poll: timedelta
    deadline: float | None = None
    stop: threading.Event = field(default_factory=threading.Event)

    def sleep(self, seconds: float) -> None:
        """Wait; a wait that would pass the deadline ends there.

        Raises:
            Stopped: the wait was ended from outside.
            JobTimeoutError: the deadline has come.
        """
        left = seconds if self.deadline is None else min(seconds, self.deadline - time.monotonic())
        if self.stop.wait(max(left, 0)):
            raise Stopped
        if self.deadline is not None and time.monotonic() >= self.deadline:
            raise JobTimeoutError("The time given is over, and the service is not done. Run again: it goes on.")

    def pauses(self) -> Callable[[], float]:
        """Pauses in seconds that grow from one call to the next: a minute at most, a fair share of the rate limit."""
        pause = self.poll

        def following() -> float:
            nonlocal pause
            now, pause = pause, min(pause * _GROWTH, max(_LONGEST_PAUSE, self.poll))
            return now.total_seconds()

        return following


class Lane:
    """All chunks of one type, worked on one after the other, as the service has one job slot per type."""

    def __init__(
        self,
        ledger: Ledger,
        type: JobType,
        api: ComplianceApi,
        storage: Storage,
        patience: Patience,
        progress: ProgressCallback,
    ) -> None:
        self._ledger, self._type, self._api, self._storage = ledger, type, api, storage
        self._patience, self._progress = patience, progress
        self._failures = 0
        self._created_here: set[str] = set()
        self._steps: dict[State, Callable[[ChunkRow], ChunkRow]] = {
            "planned": self._intend,
            "creating": self._create,
            "created": self._begin_upload,
            "uploading": self._upload,
            "uploaded": lambda chunk: self._ledger.advance(chunk, "processing"),
            "processing": self._wait,
            "downloading": self._download,
        }

    def run(self, *, until: frozenset[State] = FINAL) -> None:
        """Work until every chunk has an answer, or, for one that is not done so soon, until a state is reached.

        Raises:
            JobFailedError: six jobs in a row failed.
            JobTimeoutError, ApiError, TransferError, ResultsError: what no further try here can mend.
        """
        while chunks := self._ledger.unfinished(self._type):
            chunk = chunks[0]
            while chunk.state not in until | FINAL:
                if self._patience.stop.is_set():
                    raise Stopped
                chunk = self._steps[chunk.state](chunk)
            if chunk.state not in FINAL:
                return

    # The steps, in the order in which a chunk takes them.

    def _intend(self, chunk: ChunkRow) -> ChunkRow:
        """Write the new job's name down, before there is a job."""
        name = f"cf-{self._ledger.name}-{chunk.id}-{chunk.attempts + 1}"
        self._created_here.add(name)
        return self._ledger.advance(chunk, "creating", job_name=name, job_id=None, attempts=chunk.attempts + 1)

    def _create(self, chunk: ChunkRow) -> ChunkRow:
        """Create the job, or adopt the one that a lost answer left at the service."""
        name = chunk.job_name or ""
        job = None if name in self._created_here else self._named(name)
        self._created_here.discard(name)
        lost = 0
        pauses = self._patience.pauses()
        while job is None:
            try:
                job = self._api.create(self._type, name=name, resumable=chunk.bytes >= RESUMABLE_FROM)
            except ConflictError as conflict:
                job = self._named(name)
                if job is None:
                    self._await_slot(conflict, pauses())
            except ServiceError:
                job = self._named(name)
                lost += 1
                if job is None and lost > 3:
                    raise
                if job is None:
                    self._patience.sleep(pauses())
        return self._ledger.advance(chunk, "created", job_id=job.id)

    def _begin_upload(self, chunk: ChunkRow) -> ChunkRow:
        job = self._job(chunk)
        if job is None or job.status in ("failed", "expired"):
            return self._lost(chunk, job)
        if job.status != "created":  # its upload was whole when an earlier process ended
            return self._ledger.advance(chunk, "uploaded")
        return self._ledger.advance(chunk, "uploading")

    def _upload(self, chunk: ChunkRow) -> ChunkRow:
        job = self._job(chunk)
        if job is None or job.status in ("failed", "expired"):
            return self._lost(chunk, job)
        if job.status == "created":
            if job.upload_url is None:
                raise ServiceError(f"The service gave no upload URL for job {job.id}. Run again.")
            content = body(self._ledger.ids_of(chunk))
            if hashlib.sha256(content).hexdigest() != chunk.sha256:
                raise LedgerError(
                    f"The IDs of chunk {chunk.id} are not those that were planned: the ledger is damaged."
                )
            task = f"{chunk.type} chunk {chunk.id}"

            def tell(done: int, total: int | None) -> None:
                self._progress(Progress("upload", task, done, total, "bytes"))

            session = self._ledger.session_file(chunk)
            try:
                self._storage.upload(
                    job.upload_url, content, resumable=job.resumable, session_file=session, progress=tell
                )
            except UploadExpiredError:
                session.unlink(missing_ok=True)
                return self._lost(chunk, None)
        return self._ledger.advance(chunk, "uploaded")

    def _wait(self, chunk: ChunkRow) -> ChunkRow:
        """Look at the job until the service has finished with it."""
        pauses = self._patience.pauses()
        while True:
            job = self._job(chunk)
            if job is None or job.status == "expired":
                return self._lost(chunk, job)
            if job.status == "failed":
                return self._failed(chunk, job)
            self._say(chunk, f"job {job.id} {job.status}, {_age(job.created_at)} old")
            if job.status == "complete":
                return self._ledger.advance(chunk, "downloading")
            self._patience.sleep(pauses())

    def _download(self, chunk: ChunkRow) -> ChunkRow:
        job = self._job(chunk)
        if job is None or job.download_url is None:
            return self._lost(chunk, None)
        path = self._ledger.download_file(chunk)
        task = f"{chunk.type} chunk {chunk.id}"
        try:
            self._storage.download(
                job.download_url,
                path,
                progress=lambda done, total: self._progress(Progress("download", task, done, total, "bytes")),
            )
        except DownloadExpiredError:
            return self._lost(chunk, None)
        # As of the job's creation: an ID that was deleted while the job ran may not be in its answer.
        results = parse(path.read_bytes(), type=chunk.type, job_id=job.id, checked_at=job.created_at)
        self._failures = 0
        return self._ledger.finish(chunk, results, job.created_at)

    # What goes wrong.

    def _lost(self, chunk: ChunkRow, job: Job | None) -> ChunkRow:
        """The job is gone or out of time: the chunk gets a new one."""
        if job is not None and job.status == "failed":
            return self._failed(chunk, job)
        self._failures += 1
        chunk = self._ledger.advance(chunk, "planned", job_id=None)
        self._give_up_after_many(chunk, "the upload or the download URL ran out, or the service lost the job")
        return chunk

    def _failed(self, chunk: ChunkRow, job: Job) -> ChunkRow:
        """Once more, then in halves, so that one bad ID costs one ID."""
        self._failures += 1
        words = job.error or "the service did not say why"
        if chunk.failures == 0:
            chunk = self._ledger.advance(chunk, "planned", failures=1, error=words)
        elif chunk.ids == 1:
            chunk = self._ledger.advance(chunk, "failed", failures=chunk.failures + 1, error=words)
            self._say(chunk, "the service cannot answer for 1 ID; the others are used")
        else:
            self._ledger.halve(chunk, words)
            chunk = self._ledger.chunk(chunk.id)
        self._give_up_after_many(chunk, words, job.id)
        return chunk

    def _give_up_after_many(self, chunk: ChunkRow, words: str, job: int | None = None) -> None:
        if self._failures >= _FAILURES_IN_A_ROW:
            raise JobFailedError(
                f"{self._failures} jobs in a row came to nothing, so it is not the IDs. The last one of chunk "
                f"{chunk.id}: {words}. What was answered is kept; run again later and it goes on.",
                job=job,
            )

    # The service's side.

    def _job(self, chunk: ChunkRow) -> Job | None:
        """The chunk's job as the service has it now, with fresh URLs; None where it knows none."""
        if chunk.job_id is None:
            return None
        try:
            return self._api.get(chunk.job_id)
        except (AuthError, RateLimitError, ServiceError):
            raise
        except ApiError as error:
            if error.status in (200, 404):
                return None
            raise

    def _named(self, name: str) -> Job | None:
        return next((job for job in self._api.jobs(self._type) if job.name == name), None)

    def _await_slot(self, conflict: ConflictError, pause: float) -> None:
        """Somebody else's job holds the slot: say whose, and until when, and wait."""
        live = [job for job in self._api.jobs(self._type) if job.status not in _LIVE_NOT]
        note = "the slot is taken: " + (conflict.detail or "another job is under way")
        if live:
            job = live[0]
            note = f"the slot is held by job {job.id} ({job.name or 'without a name'}, {_age(job.created_at)} old)"
            if job.status == "created" and job.upload_expires_at:
                note += f"; nobody uploaded to it yet, it expires at {job.upload_expires_at:%H:%M:%S} UTC"
        self._progress(Progress("wait", f"{self._type} slot", 0, None, "jobs", note))
        self._patience.sleep(pause)

    def _say(self, chunk: ChunkRow, note: str) -> None:
        chunks = [other for other in self._ledger.chunks(self._type) if other.batch == chunk.batch]
        done = sum(other.state in FINAL for other in chunks)
        self._progress(Progress("wait", f"{chunk.type} chunk {chunk.id}", done, len(chunks), "jobs", note))


def _age(since: datetime) -> str:
    seconds = max(int((datetime.now(UTC) - since).total_seconds()), 0)
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
