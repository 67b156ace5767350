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
from pathlib import Path
from typing import Literal

import pyarrow as pa

from compliance_frames.errors import (
    ApiError,
    AuthError,
    ChecksumError,
    ConflictError,
    DownloadExpiredError,
    JobError,
    JobExpiredError,
    JobFailedError,
    JobTimeoutError,
    LedgerError,
    RateLimitError,
    ResultsError,
    ServiceError,
    UploadExpiredError,
)
from compliance_frames.ids.chunks import body
from compliance_frames.ids.sets import is_in
from compliance_frames.jobs.files import trouble_told
from compliance_frames.jobs.ledger import ChunkRow, Ledger
from compliance_frames.jobs.states import FINAL, State
from compliance_frames.progress import Progress, ProgressCallback
from compliance_frames.schemas import JobType
from compliance_frames.service.api import ComplianceApi, Job
from compliance_frames.service.results import parse
from compliance_frames.service.storage import BytesProgress, Storage

#: Bodies from this size on are uploaded in parts that survive an interruption.
RESUMABLE_FROM = 8 * 2**20
#: So many failed jobs in a row, with no success between, are not the fault of the IDs.
_FAILURES_IN_A_ROW = 6
#: The states in which the service's part is under way, and nothing is left for us but to wait.
WITH_THE_SERVICE: frozenset[State] = frozenset({"uploaded", "processing", "downloading"})

_LONGEST_PAUSE = timedelta(seconds=60)
_GROWTH = 1.5
#: So many times in a row, each after minutes of tries, a job may not be told of while the service works on it.
_OUTAGES_AT_MOST = 30
#: So many times a job is looked up that the service does not know, before it counts as lost.
_LOOKS = 3
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

    def look(self) -> None:
        """End what is under way, if it is to end.

        Raises:
            Stopped: it was ended from outside.
            JobTimeoutError: the deadline has come.
        """
        if self.stop.is_set():
            raise Stopped
        if self.deadline is not None and time.monotonic() >= self.deadline:
            raise JobTimeoutError("The time given is over, and the service is not done. Run again: it goes on.")

    def sleep(self, seconds: float) -> None:
        """Wait; a wait that would pass the deadline ends there.

        Raises:
            Stopped: the wait was ended from outside.
            JobTimeoutError: the deadline has come.
        """
        left = seconds if self.deadline is None else min(seconds, self.deadline - time.monotonic())
        self.stop.wait(max(left, 0))
        self.look()

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
        self._asked_anew: set[int] = set()
        self._steps: dict[State, Callable[[ChunkRow], ChunkRow]] = {
            "planned": self._intend,
            "creating": self._create,
            "created": lambda chunk: self._ledger.advance(chunk, "uploading"),
            "uploading": self._upload,
            "uploaded": lambda chunk: self._ledger.advance(chunk, "processing"),
            "processing": self._wait,
            "downloading": self._download,
        }

    def run(self, *, until: frozenset[State] = FINAL) -> None:
        """Work until every chunk has an answer, or, for one that is not done so soon, until a state is reached.

        Raises:
            JobFailedError, JobExpiredError: six jobs in a row came to nothing.
            JobTimeoutError, ApiError, TransferError, ResultsError: what no further try here can mend.
        """
        while chunks := self._ledger.unfinished(self._type):
            chunk = chunks[0]
            while chunk.state not in until | FINAL:
                if self._patience.stop.is_set():
                    raise Stopped
                with trouble_told(self._ledger.path):
                    chunk = self._steps[chunk.state](chunk)
            if chunk.state not in FINAL:
                return

    # The steps, in the order in which a chunk takes them.

    def _intend(self, chunk: ChunkRow) -> ChunkRow:
        """Write the new job's name down, before there is a job."""
        name = f"{self._stem(chunk)}{chunk.attempts + 1}"
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
                job = self._api.create(self._type, name=name, resumable=self._is_resumable(chunk))
            except ConflictError as conflict:
                job = self._named(name) or self._left_behind(chunk)
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

    def _upload(self, chunk: ChunkRow) -> ChunkRow:
        job = self._job(chunk)
        if job is None or job.status in ("failed", "expired"):
            return self._lost(chunk, job)
        if job.status == "created":
            try:
                self._put(chunk, job)
            except UploadExpiredError:
                job = self._job(chunk)
                if job is None or job.status in ("created", "failed", "expired"):
                    return self._lost(chunk, job)
                # The upload was whole; only its answer was lost, and the URL ran out before it could be asked for.
            except ChecksumError as error:  # the service may be at work on what it has: nothing of that is used
                return self._lost(chunk, None, str(error))
        return self._ledger.advance(chunk, "uploaded")

    def _put(self, chunk: ChunkRow, job: Job) -> None:
        """Upload a chunk's IDs, or the rest of them."""
        if job.upload_url is None:
            raise ServiceError(f"The service gave no upload URL for job {job.id}. Run again.")
        content = body(self._ledger.ids_of(chunk))
        if hashlib.sha256(content).hexdigest() != chunk.sha256:
            raise LedgerError(f"The IDs of chunk {chunk.id} are not those that were planned: the ledger is damaged.")
        self._storage.upload(
            job.upload_url,
            content,
            resumable=self._is_resumable(chunk) if job.resumable is None else job.resumable,
            session_file=self._ledger.session_file(chunk),
            progress=self._bytes_of("upload", chunk),
        )

    def _is_resumable(self, chunk: ChunkRow) -> bool:
        return chunk.bytes >= RESUMABLE_FROM

    def _bytes_of(self, stage: Literal["upload", "download"], chunk: ChunkRow) -> BytesProgress:
        task = f"{chunk.type} chunk {chunk.id}"

        def tell(done: int, total: int | None) -> None:
            self._patience.look()
            self._progress(Progress(stage, task, done, total, "bytes"))

        return tell

    def _wait(self, chunk: ChunkRow) -> ChunkRow:
        """Look at the job until the service has finished with it."""
        pauses = self._patience.pauses()
        outages = 0
        while True:
            try:
                job = self._job(chunk)
            except ServiceError:  # the job goes on without us: hours without a network cost nothing but time
                outages += 1
                if outages > _OUTAGES_AT_MOST:
                    raise
                self._say(chunk, "the service does not answer; it is asked again")
                self._patience.sleep(pauses())
                continue
            outages = 0
            if job is None or job.status == "expired":
                return self._lost(chunk, job)
            if job.status == "failed":
                return self._failed(chunk, job)
            if job.status == "complete":
                return self._ledger.advance(chunk, "downloading")
            self._say(chunk, f"job {job.id} {job.status}, {_age(job.created_at)} old")
            self._patience.sleep(pauses())

    def _download(self, chunk: ChunkRow) -> ChunkRow:
        job = self._job(chunk)
        if job is None or job.status in ("failed", "expired"):
            return self._lost(chunk, job)
        if job.download_url is None:
            raise ServiceError(f"The service gave no download URL for job {job.id}. Run again.")
        path = self._ledger.download_file(chunk)
        try:
            self._storage.download(job.download_url, path, progress=self._bytes_of("download", chunk))
        except DownloadExpiredError:
            return self._lost(chunk, None)
        try:
            # As of the job's creation: an ID that was deleted while the job ran may not be in its answer.
            results = parse(path, type=chunk.type, job_id=job.id, checked_at=job.created_at)
            self._must_answer(chunk, job, results)
        except ResultsError as error:
            return self._unusable(chunk, path, error)
        self._failures = 0
        return self._ledger.finish(chunk, results, job.created_at)

    def _must_answer(self, chunk: ChunkRow, job: Job, results: pa.Table) -> None:
        """Refuse an answer to a question that was never put."""
        strange = ~is_in(results.column("id").to_numpy(), self._ledger.ids_of(chunk).to_numpy())
        if strange.any():
            raise ResultsError(
                f"Job {job.id} answers for {strange.sum():,} IDs that chunk {chunk.id} did not ask about; nothing of "
                "it is used. Run again: the chunk is asked anew."
            )

    # What goes wrong.

    def _lost(self, chunk: ChunkRow, job: Job | None, words: str = "") -> ChunkRow:
        """The job is gone, spoiled or out of time: the chunk gets a new one."""
        if job is not None and job.status == "failed":
            return self._failed(chunk, job)
        self._failures += 1
        chunk = self._ledger.advance(chunk, "planned", job_id=None)
        words = words or "the upload or the download URL ran out, or the service lost the job"
        self._give_up_after_many(chunk, words, kind=JobExpiredError)
        return chunk

    def _unusable(self, chunk: ChunkRow, path: Path, error: ResultsError) -> ChunkRow:
        """An answer that cannot be trusted stays what it is, however often it is fetched: the chunk is asked anew."""
        path.unlink(missing_ok=True)
        chunk = self._lost(chunk, None, str(error))
        if chunk.id in self._asked_anew:
            raise error
        self._asked_anew.add(chunk.id)
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

    def _give_up_after_many(
        self, chunk: ChunkRow, words: str, job: int | None = None, *, kind: type[JobError] = JobFailedError
    ) -> None:
        if self._failures >= _FAILURES_IN_A_ROW:
            raise kind(
                f"{self._failures} jobs in a row came to nothing, which points at the service, not at the IDs. The "
                f"last one of chunk {chunk.id}: {words.rstrip('.')}. What was answered is kept; run again later and it "
                "goes on.",
                job=job,
            )

    # The service's side.

    def _job(self, chunk: ChunkRow) -> Job | None:
        """The chunk's job as the service has it now, with fresh URLs; None where it knows none, asked time and again.

        A job that was made a moment ago may not be known everywhere yet, and an answer may lack fields.
        """
        pauses = self._patience.pauses()
        job = None
        for look in range(_LOOKS):
            if look:
                self._patience.sleep(pauses())
            job = self._looked_up(chunk) or job
            if job is not None and job.upload_url is not None and job.download_url is not None:
                break
        return job

    def _looked_up(self, chunk: ChunkRow) -> Job | None:
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

    def _stem(self, chunk: ChunkRow) -> str:
        """How the names of a chunk's jobs begin: of this ledger, and of these very IDs.

        A copy of a ledger has the name of the original, and other IDs under the same numbers in time.
        """
        return f"cf-{self._ledger.name}-{chunk.id}-{chunk.sha256[:12]}-"

    def _named(self, name: str) -> Job | None:
        return next((job for job in self._api.jobs(self._type) if job.name == name), None)

    def _left_behind(self, chunk: ChunkRow) -> Job | None:
        """A job of an earlier try for the same IDs that still waits for its upload."""
        now = datetime.now(UTC)
        for job in self._api.jobs(self._type):
            is_ours = (job.name or "").startswith(self._stem(chunk)) and job.status == "created"
            if is_ours and job.upload_expires_at is not None and job.upload_expires_at > now:
                return job
        return None

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
