"""The job of a chunk as the service has it now, looked for with some patience."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from compliance_frames.errors import ApiError, AuthError, RateLimitError, ServiceError
from compliance_frames.jobs.chunk import ChunkRow
from compliance_frames.jobs.patience import Patience
from compliance_frames.service.api import ComplianceApi, Job

#: So many times a job is looked up that the service does not know, before it counts as lost.
_LOOKS = 3
_STATUSES = frozenset({"created", "in_progress", "complete", "failed", "expired"})
_EVER = datetime.max.replace(tzinfo=UTC)


class Lookup:
    """Looks up jobs.

    Args:
        api: the service.
        patience: how long to wait between two looks.
        say: told of a chunk what it is waiting for.
    """

    def __init__(self, api: ComplianceApi, patience: Patience, say: Callable[[ChunkRow, str], None]) -> None:
        self._api, self._patience, self._say = api, patience, say

    def job(self, chunk: ChunkRow) -> Job | None:
        """The chunk's job, with fresh URLs; None where the service knows none, asked time and again.

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

    def known(self, chunk: ChunkRow) -> Job | None:
        """The chunk's job once its status says whether its upload is still to come, or cannot come any more."""
        pauses = self._patience.pauses()
        while True:
            job = self.job(chunk)
            if job is None or job.status in _STATUSES or (job.upload_expires_at or _EVER) < self._api.now():
                return job
            self._say(chunk, f"job {job.id} {job.status}")
            self._patience.sleep(pauses())

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
