"""The answer for a chunk: downloaded, verified, read, kept; what cannot be trusted is asked for anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pyarrow as pa

from compliance_frames.errors import DownloadExpiredError, JobExpiredError, ResultsError, ServiceError
from compliance_frames.ids.sets import is_in
from compliance_frames.jobs.chunk import ChunkRow
from compliance_frames.jobs.ledger import Ledger
from compliance_frames.jobs.lookup import Lookup
from compliance_frames.jobs.patience import Streak
from compliance_frames.service.api import Job
from compliance_frames.service.results import parse
from compliance_frames.service.storage import BytesProgress, Storage

#: A line has some 150 bytes, and an ID can have several.
_MOST_PER_ID: Final = 4096
_SLACK: Final = 1 << 20


class Answers:
    """Fetches answers, one after the other.

    Args:
        ledger: where they are kept.
        lookup: where their jobs are looked up.
        storage: where they come from.
        bytes_of: told of bytes downloaded for a chunk.
    """

    def __init__(
        self, ledger: Ledger, lookup: Lookup, storage: Storage, bytes_of: Callable[[ChunkRow], BytesProgress]
    ) -> None:
        self._ledger, self._lookup, self._storage, self._bytes_of = ledger, lookup, storage, bytes_of
        self._streak = Streak()
        self._asked_anew: set[int] = set()

    def fetch(self, chunk: ChunkRow) -> ChunkRow:
        """Fetch the answer for a chunk whose job is complete; the chunk as it stands then: done, or planned anew.

        Raises:
            ResultsError: the answer cannot be trusted, and neither could the one before.
            JobExpiredError: six answers in a row were gone.
            TransferError, ServiceError: what no further try here can mend.
        """
        job = self._lookup.job(chunk)
        if job is None or job.status in ("failed", "expired"):
            return self._gone(chunk, "the service lost the job")
        if job.download_url is None:
            raise ServiceError(f"The service gave no download URL for job {job.id}. Run again.")
        path = self._ledger.download_file(chunk)
        try:
            at_most = chunk.ids * _MOST_PER_ID + _SLACK
            self._storage.download(job.download_url, path, at_most=at_most, progress=self._bytes_of(chunk))
            results = self._read(chunk, job, path)
        except DownloadExpiredError:
            return self._gone(chunk, "the download URL ran out, or there is nothing behind it")
        except ResultsError as error:
            return self._unusable(chunk, path, error)
        self._streak.ended()
        return self._ledger.finish(chunk, results, job.created_at)

    def _read(self, chunk: ChunkRow, job: Job, path: Path) -> pa.Table:
        """The results in a file; refused where they answer a question that was never put."""
        # As of the job's creation: an ID that was deleted while the job ran may not be in its answer.
        results = parse(path, type=chunk.type, job_id=job.id, checked_at=job.created_at)
        strange = ~is_in(results.column("id").to_numpy(), self._ledger.ids_of(chunk).to_numpy())
        if strange.any():
            raise ResultsError(
                f"Job {job.id} answers for {strange.sum():,} IDs that chunk {chunk.id} did not ask about; nothing of "
                "it is used. Run again: the chunk is asked anew."
            )
        return results

    def _gone(self, chunk: ChunkRow, words: str) -> ChunkRow:
        """There is no answer any more: the chunk is asked again."""
        chunk = self._ledger.advance(chunk, "planned", job_id=None)
        self._streak.goes_on(chunk.id, words, kind=JobExpiredError)
        return chunk

    def _unusable(self, chunk: ChunkRow, path: Path, error: ResultsError) -> ChunkRow:
        """An answer that cannot be trusted stays what it is, however often it is fetched: the chunk is asked anew."""
        path.unlink(missing_ok=True)
        chunk = self._gone(chunk, str(error))
        if chunk.id in self._asked_anew:
            raise error
        self._asked_anew.add(chunk.id)
        return chunk
