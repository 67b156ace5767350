"""Every error of this package is one of these, so that one ``except`` can hold them all.

::

    ComplianceFramesError
    ├ IdError (ValueError)        .column .row .value
    ├ ApiError                    .status .detail
    │ ├ AuthError
    │ ├ RateLimitError            .reset_at
    │ ├ ConflictError
    │ └ ServiceError
    ├ TransferError
    │ ├ UploadExpiredError
    │ ├ DownloadExpiredError
    │ └ ChecksumError
    ├ JobError                    .job
    │ ├ JobFailedError
    │ ├ JobExpiredError
    │ └ JobTimeoutError
    ├ ResultsError                .line
    ├ LedgerError
    │ └ LedgerLockedError
    ├ PlanError
    │ ├ UncheckedIdsError
    │ ├ StaleDatasetError
    │ ├ PolicyError
    │ └ FooterError
    ├ RawFileError                .path .line
    ├ DestinationError
    └ VerificationError           .problems

A message says what happened, to which chunk, file or row, and what to do next. No message holds a
token, a signed URL or a tweet's text.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from compliance_frames.names import shown


class ComplianceFramesError(Exception):
    """The root of the tree: catches everything that this package raises on purpose."""

    def __str__(self) -> str:
        return shown(super().__str__())  # a file's name in it must not keep it from being printed


class IdError(ComplianceFramesError, ValueError):
    """A value is not a Tweet or user ID, or a column does not hold any.

    Attributes:
        column: the column's name, or None where the source has no names (a list, an array).
        row: the first bad row, counted from 0, or None where the whole column is at fault.
        value: the value found there, as text, or None.
    """

    def __init__(
        self, message: str, *, column: str | None = None, row: int | None = None, value: str | None = None
    ) -> None:
        super().__init__(message)
        self.column = column
        self.row = row
        self.value = value


class ApiError(ComplianceFramesError):
    """The service answered with a problem.

    Attributes:
        status: the HTTP status, or None where no answer came.
        detail: the service's own words.
    """

    def __init__(self, message: str, *, status: int | None = None, detail: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.detail = detail


class AuthError(ApiError):
    """There is no bearer token, or the service does not accept it (401, 403)."""


class RateLimitError(ApiError):
    """The rate limit did not clear within the patience given.

    Attributes:
        reset_at: when the service will answer again (UTC), or None where it did not say.
    """

    def __init__(
        self, message: str, *, status: int | None = 429, detail: str = "", reset_at: datetime | None = None
    ) -> None:
        super().__init__(message, status=status, detail=detail)
        self.reset_at = reset_at


class ConflictError(ApiError):
    """Another job of the same type holds the one job slot."""


class ServiceError(ApiError):
    """The service failed (5xx), gave no answer, or gave one that makes no sense."""


class TransferError(ComplianceFramesError):
    """An upload or a download failed for good."""


class UploadExpiredError(TransferError):
    """The upload URL ran out before the upload began; the chunk needs a new job."""


class DownloadExpiredError(TransferError):
    """The download URL ran out (7 days after the job was made); the chunk must be asked again."""


class ChecksumError(TransferError):
    """What was stored is not what was sent, or what came is not what was stored."""


class JobError(ComplianceFramesError):
    """A compliance job did not end well.

    Attributes:
        job: the job's ID, or None where the service never gave one.
    """

    def __init__(self, message: str, *, job: int | None = None) -> None:
        super().__init__(message)
        self.job = job


class JobFailedError(JobError):
    """The service ended the job as ``failed``."""


class JobExpiredError(JobError):
    """The service ended the job as ``expired``: its upload never came."""


class JobTimeoutError(JobError):
    """The job was still running when the caller's patience ended; collecting again goes on."""


class ResultsError(ComplianceFramesError):
    """A result file is not what the service writes; nothing of it is used.

    Attributes:
        line: the first bad line, counted from 1, or None where the whole file is at fault.
    """

    def __init__(self, message: str, *, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


class LedgerError(ComplianceFramesError):
    """A ledger directory cannot be used: foreign, damaged, or of a newer version."""


class LedgerLockedError(LedgerError):
    """Another process is working with the ledger or the destination."""


class PlanError(ComplianceFramesError):
    """A dataset cannot be planned or cleaned as asked."""


class UncheckedIdsError(PlanError):
    """The dataset holds rows whose IDs were never asked."""


class StaleDatasetError(PlanError):
    """The dataset changed since the plan was made; plan again."""


class PolicyError(PlanError):
    """A reason has no treatment, or a treatment makes no sense."""


class FooterError(PlanError):
    """A Parquet footer, index or page header makes no sense, or has what cannot be edited; such a file is rewritten."""


class RawFileError(ComplianceFramesError):
    """A file of raw JSON or CSV cannot be read, or is not what it must be.

    Attributes:
        path: of the file, or None where several are at fault, or none was found.
        line: the line in it, counted from 1, or None where the whole file is at fault.
    """

    def __init__(self, message: str, *, path: Path | None = None, line: int | None = None) -> None:
        super().__init__(message)
        self.path = path
        self.line = line


class DestinationError(ComplianceFramesError):
    """The destination cannot be written: it exists, lies inside the source, or is not permitted."""


class VerificationError(ComplianceFramesError):
    """A cleaned dataset does not hold what was promised of it.

    Attributes:
        problems: one sentence per thing found.
    """

    def __init__(self, message: str, *, problems: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


#: The exit code of ``compliance-frames`` for each error; what stands in no row ends with 1.
EXIT_CODES: dict[type[ComplianceFramesError], int] = {
    DestinationError: 2,
    VerificationError: 3,
    ServiceError: 1,
    ApiError: 4,
    IdError: 5,
    PlanError: 5,
    RawFileError: 5,
}


def exit_code(error: BaseException) -> int:
    """The exit code that tells a shell script what kind of error this was.

    >>> exit_code(PolicyError("no treatment")), exit_code(LedgerLockedError("busy"))
    (5, 1)
    """
    for ancestor in type(error).__mro__:
        if ancestor in EXIT_CODES:
            return EXIT_CODES[ancestor]
    return 1
