"""The life of chunks of one type, one job at a time: each step writes down what it will do, then does it.

Every step can be the last one of a process. The next process finds the state that was written, and takes the same
step again or sees at the service that it was taken.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

from compliance_frames.errors import (
    ChecksumError,
    ConflictError,
    JobExpiredError,
    LedgerError,
    ServiceError,
    UploadExpiredError,
)
from compliance_frames.ids.chunks import body
from compliance_frames.jobs.answers import Answers
from compliance_frames.jobs.beside import Beside
from compliance_frames.jobs.chunk import ChunkRow
from compliance_frames.jobs.files import trouble_told
from compliance_frames.jobs.ledger import Ledger
from compliance_frames.jobs.lookup import Lookup
from compliance_frames.jobs.patience import Patience, Stopped, Streak
from compliance_frames.jobs.states import FINAL, State
from compliance_frames.progress import Progress, ProgressCallback
from compliance_frames.schemas import JobType
from compliance_frames.service.api import ComplianceApi, Job
from compliance_frames.service.storage import BytesProgress, Storage

#: Bodies from this size on are uploaded in parts that survive an interruption.
RESUMABLE_FROM = 8 * 2**20
#: The states in which the service's part is under way, and nothing is left for us but to wait.
WITH_THE_SERVICE: frozenset[State] = frozenset({"uploaded", "processing", "downloading"})

#: So many times in a row, each after minutes of tries, a job may not be told of while the service works on it.
_OUTAGES_AT_MOST = 30
#: So many times in a row an attempt to create a job may be lost, over some minutes.
_LOST_AT_MOST = 12
_LIVE_NOT = frozenset({"complete", "failed", "expired"})


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
        self._streak = Streak()
        self._lookup = Lookup(api, patience, self._say)
        self._answers = Answers(ledger, self._lookup, storage, lambda chunk: self._bytes_of("download", chunk))
        self._expected: float | None = None  # seconds that a job takes
        self._created_here: set[str] = set()
        self._steps: dict[State, Callable[[ChunkRow], ChunkRow]] = {
            "planned": self._intend,
            "creating": self._create,
            "created": lambda chunk: self._ledger.advance(chunk, "uploading"),
            "uploading": self._upload,
            "uploaded": lambda chunk: self._ledger.advance(chunk, "processing"),
            "processing": self._wait,
            "downloading": self._answers.fetch,
        }

    def run(self, *, until: frozenset[State] = FINAL) -> None:
        """Work until every chunk has an answer, or, for one that is not done so soon, until a state is reached.

        Raises:
            JobFailedError, JobExpiredError: six jobs in a row came to nothing.
            JobTimeoutError, ApiError, TransferError, ResultsError: what no further try here can mend.
        """
        with Beside(fetch=self._fetch_beside, prepare=self._body) as self._beside:
            try:
                while chunk := self._next():
                    chunk = self._as_far_as_possible(chunk, until)
                    if chunk.state not in FINAL and not self._beside.is_fetching(chunk.id):
                        return
            except BaseException:
                self._patience.end()  # or else what is done beside would be waited for
                raise

    def _next(self) -> ChunkRow | None:
        """The chunk to go on with: not the one whose answer is being fetched, unless it comes back without."""
        unfinished = self._ledger.unfinished(self._type)
        for chunk in unfinished:
            if not self._beside.is_fetching(chunk.id):
                return chunk
        return self._next() if self._beside.settle() else None

    def _as_far_as_possible(self, chunk: ChunkRow, until: frozenset[State]) -> ChunkRow:
        """Take a chunk's steps; the answer is fetched beside them where the next chunk can have the slot meanwhile."""
        while chunk.state not in until | FINAL:
            if self._patience.stop.is_set():
                raise Stopped
            with trouble_told(self._ledger.path):
                if chunk.state == "downloading" and len(self._ledger.unfinished(self._type)) > 1:
                    self._beside.fetch(chunk)
                    return chunk
                chunk = self._steps[chunk.state](chunk)
        return chunk

    def _fetch_beside(self, chunk: ChunkRow) -> None:
        with trouble_told(self._ledger.path):
            self._answers.fetch(chunk)

    def _prepare_next(self) -> None:
        """Make the body of the chunk that is next to be uploaded, while the service works."""
        planned = (chunk for chunk in self._ledger.unfinished(self._type) if chunk.state == "planned")
        if following := next(planned, None):
            self._beside.prepare(following)

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
                jobs = self._api.jobs(self._type)
                job = _of_name(name, jobs) or self._left_behind(chunk, jobs)
                if job is None:
                    self._await_slot(conflict, jobs, pauses())
            except ServiceError:
                job = self._named(name)
                lost += 1
                if job is None and lost > _LOST_AT_MOST:
                    raise
                if job is None:
                    self._say(chunk, "the service did not create a job; it is asked again")
                    self._patience.sleep(pauses())
        return self._ledger.advance(chunk, "created", job_id=job.id)

    def _upload(self, chunk: ChunkRow) -> ChunkRow:
        job = self._lookup.known(chunk)
        if job is None or job.status in ("failed", "expired"):
            return self._lost(chunk, job)
        if job.status == "created":
            try:
                self._put(chunk, job)
            except UploadExpiredError:
                job = self._lookup.job(chunk)
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
        self._storage.upload(
            job.upload_url,
            self._beside.prepared(chunk.id) or self._body(chunk),
            resumable=self._is_resumable(chunk) if job.resumable is None else job.resumable,
            session_file=self._ledger.session_file(chunk),
            progress=self._bytes_of("upload", chunk),
        )

    def _body(self, chunk: ChunkRow) -> bytes:
        content = body(self._ledger.ids_of(chunk))
        if hashlib.sha256(content).hexdigest() != chunk.sha256:
            raise LedgerError(f"The IDs of chunk {chunk.id} are not those that were planned: the ledger is damaged.")
        return content

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
        self._prepare_next()
        pauses = self._patience.pauses()
        began = time.monotonic() - max((datetime.now(UTC) - chunk.changed_at).total_seconds(), 0)
        outages, looked = 0, 0.0
        while True:
            self._beside.look()
            waited = time.monotonic() - began
            try:
                job = self._lookup.job(chunk)
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
                self._streak.ended()
                self._expected = (looked + waited) / 2 if looked else self._expected
                return self._ledger.advance(chunk, "downloading")
            looked = waited
            self._say(chunk, f"job {job.id} {job.status}, {self._age(job)} old")
            self._patience.sleep(self._patience.until_next_look(waited, self._expected))

    # What goes wrong.

    def _lost(self, chunk: ChunkRow, job: Job | None, words: str = "") -> ChunkRow:
        """The job is gone, spoiled or out of time: the chunk gets a new one."""
        if job is not None and job.status == "failed":
            return self._failed(chunk, job)
        chunk = self._ledger.advance(chunk, "planned", job_id=None)
        words = words or "its upload URL ran out, or the service lost the job"
        self._streak.goes_on(chunk.id, words, kind=JobExpiredError)
        return chunk

    def _failed(self, chunk: ChunkRow, job: Job) -> ChunkRow:
        """Once more, then in halves, so that one bad ID costs one ID."""
        words = job.error or "the service did not say why"
        if chunk.failures == 0:
            chunk = self._ledger.advance(chunk, "planned", failures=1, error=words)
        elif chunk.ids == 1:
            chunk = self._ledger.advance(chunk, "failed", failures=chunk.failures + 1, error=words)
            self._say(chunk, "the service cannot answer for 1 ID; the others are used")
        else:
            self._ledger.halve(chunk, words)
            chunk = self._ledger.chunk(chunk.id)
        self._streak.goes_on(chunk.id, words, job=job.id)
        return chunk

    # The service's side.

    def _stem(self, chunk: ChunkRow) -> str:
        """How the names of a chunk's jobs begin: of this ledger, and of these very IDs.

        A copy of a ledger has the name of the original, and other IDs under the same numbers in time.
        """
        return f"{self._ours}{chunk.id}-{chunk.sha256[:12]}-"

    @property
    def _ours(self) -> str:
        """How the names of all jobs of this ledger begin."""
        return f"cf-{self._ledger.name}-"

    def _named(self, name: str) -> Job | None:
        return _of_name(name, self._api.jobs(self._type))

    def _left_behind(self, chunk: ChunkRow, jobs: list[Job]) -> Job | None:
        """A job of an earlier try for the same IDs that still waits for its upload."""
        now = self._api.now()
        for job in jobs:
            is_ours = (job.name or "").startswith(self._stem(chunk)) and job.status == "created"
            if is_ours and job.upload_expires_at is not None and job.upload_expires_at > now:
                return job
        return None

    def _await_slot(self, conflict: ConflictError, jobs: list[Job], pause: float) -> None:
        """Another job holds the slot: say whose, and until when, and wait."""
        live = [job for job in jobs if job.status not in _LIVE_NOT]
        note = "the slot is taken: " + (conflict.detail or "another job is under way")
        if live:
            note = self._said_of(live[0])
        self._progress(Progress("wait", f"{self._type} slot", 0, None, "jobs", note))
        self._patience.sleep(pause)

    def _said_of(self, job: Job) -> str:
        """Whose job holds the slot, and until when."""
        whose = job.name or "without a name"
        whose += ", given up by this ledger" if whose.startswith(self._ours) else ""
        note = f"the slot is held by job {job.id} ({whose}, {self._age(job)} old)"
        if job.status == "created" and job.upload_expires_at:
            is_over = job.upload_expires_at <= self._api.now()
            until = (
                f"{'the service was to end it' if is_over else 'it expires'} at {job.upload_expires_at:%H:%M:%S} UTC"
            )
            note += f"; nobody uploaded to it yet, {until}"
        return note

    def _age(self, job: Job) -> str:
        seconds = max(int((self._api.now() - job.created_at).total_seconds()), 0)
        return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"

    def _say(self, chunk: ChunkRow, note: str) -> None:
        chunks = [other for other in self._ledger.chunks(self._type) if other.batch == chunk.batch]
        done = sum(other.state in FINAL for other in chunks)
        self._progress(Progress("wait", f"{chunk.type} chunk {chunk.id}", done, len(chunks), "jobs", note))


def _of_name(name: str, jobs: list[Job]) -> Job | None:
    return next((job for job in jobs if job.name == name), None)
