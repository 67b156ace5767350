"""The worker behind the API: takes whole uploads, leaves result files, and never works on the event loop."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import shutil
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import google_crc32c

from compliance_frames.emulator.clock import Clock
from compliance_frames.emulator.fates import Fates
from compliance_frames.emulator.faults import Faults
from compliance_frames.emulator.jobs import Job, Jobs, Outcome
from compliance_frames.emulator.work import Action, BadUpload, cut_last_line, read_ids, write_results

_BLOCK = 1 << 20
_PATIENCE = 1.0
_TICK = 0.002


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object of the storage.

    Attributes:
        path: where its bytes lie.
        size: how many there are.
        crc32c: their CRC32C, base64.
        md5: their MD5, 16 bytes.
        made: when it was stored (UTC).
        encoding: how the bytes are packed: ``identity`` or ``gzip``.
    """

    path: Path
    size: int
    crc32c: str
    md5: bytes
    made: datetime
    encoding: str = "identity"

    @property
    def generation(self) -> str:
        """The object's version: microseconds since 1970."""
        return str(int(self.made.timestamp() * 1_000_000))


def stored(path: Path, made: datetime) -> StoredObject:
    """Describe a file that is whole."""
    crc32c, md5 = google_crc32c.Checksum(), hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            crc32c.update(block)
            md5.update(block)
    return StoredObject(path, path.stat().st_size, base64.b64encode(crc32c.digest()).decode(), md5.digest(), made)


class Worker:
    """Works on uploads in threads of its own; one job of each type can be under way.

    Args:
        jobs: the jobs.
        clock: the time.
        fates: what became of which ID.
        faults: what goes wrong.
        folder: where result files are written.
        scrub_action: the ``action`` of ``scrub_geo`` results.
    """

    def __init__(
        self, jobs: Jobs, *, clock: Clock, fates: Fates, faults: Faults, folder: Path, scrub_action: Action
    ) -> None:
        self._jobs, self._clock, self._fates, self._faults = jobs, clock, fates, faults
        self._folder, self._scrub_action = folder, scrub_action
        self._threads = ThreadPoolExecutor(2, "compliance-frames-emulator-work")
        self._pending: dict[int, Future[None]] = {}
        self.results: dict[int, StoredObject] = {}

    def close(self) -> None:
        """Finish what is begun, drop the rest."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def stored(self, path: Path) -> StoredObject:
        """Describe a file that is whole, off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, stored, path, self._clock.now())

    async def pack(self, job_id: int) -> StoredObject:
        """Store a job's results packed by gzip from now on."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._packed, job_id)

    def _packed(self, job_id: int) -> StoredObject:
        plain = self.results[job_id]
        if plain.encoding == "gzip":
            return plain
        path = plain.path.with_suffix(".gz")
        with plain.path.open("rb") as reading, gzip.open(path, "wb", compresslevel=1) as writing:
            shutil.copyfileobj(reading, writing, _BLOCK)
        packed = self.results[job_id] = replace(stored(path, self._clock.now()), encoding="gzip")
        return packed

    def begin(self, job_id: int, upload: StoredObject) -> None:
        """Work on an upload, unless the job is over."""
        number = self._jobs.begin(job_id)
        job = self._jobs.get(job_id)
        if number is not None and job is not None:
            self._pending[job_id] = self._threads.submit(self._run, job, number, upload.path)

    async def settled(self) -> None:
        """Wait a moment for jobs whose time is over and whose work is nearly done.

        So a small job that takes no time is complete at the first look, on a slow machine too.
        """
        ends = time.monotonic() + _PATIENCE
        while self._is_due() and time.monotonic() < ends:
            await asyncio.sleep(_TICK)

    def _is_due(self) -> bool:
        self._pending = {id: future for id, future in self._pending.items() if not future.done()}
        return any(self._jobs.is_due(id) for id in self._pending)

    def _run(self, job: Job, number: int, upload: Path) -> None:
        try:
            outcome = self._outcome(job, number, upload)
        except BadUpload as error:
            outcome = Outcome(0, str(error))
        except Exception as error:  # a defect must end the job, else it holds the slot for ever
            outcome = Outcome(0, f"Internal error: {type(error).__name__}: {error}")
        self._jobs.finish(job.id, number, outcome)

    def _outcome(self, job: Job, number: int, upload: Path) -> Outcome:
        fault = self._faults.next("job")
        kind = fault.kind if fault else ""
        ids = read_ids(upload)
        if kind == "failed":
            return Outcome(len(ids), "The job could not be processed.")
        if kind == "expired":
            return Outcome(len(ids), is_lost=True)
        path, now = self._folder / f"{job.id}.{number}.results", self._clock.now()
        write_results(
            ids,
            path,
            fates=self._fates,
            type=job.type,
            now=now,
            scrub_action=self._scrub_action,
            copies=2 if kind == "repeated" else 1,
        )
        if kind == "corrupt_line":
            cut_last_line(path)
        self.results[job.id] = stored(path, now)
        return Outcome(len(ids))
