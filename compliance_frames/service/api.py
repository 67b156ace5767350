"""The three endpoints of the batch compliance service; the only place that holds the bearer token."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

import httpx

from compliance_frames.errors import ServiceError
from compliance_frames.schemas import JobType
from compliance_frames.service.addresses import base_url_from, is_loopback
from compliance_frames.service.bounded import content_of
from compliance_frames.service.connections import Connections, no_cookies, unseen
from compliance_frames.service.problems import error_of
from compliance_frames.service.retry import Budget, Tries, Wait, date_of
from compliance_frames.service.secret import Secret, SignedUrl, hide_in_logs, redacted
from compliance_frames.service.tokens import token_from

_JOBS = "/2/compliance/jobs"
_FIELDS = (
    "created_at,download_expires_at,download_url,id,name,resumable,status,type,upload_expires_at,upload_url"  # all
)
_TIMEOUT = httpx.Timeout(30.0)
_LARGEST_ANSWER = 16 * 2**20
_LONGEST_WORD = 500
_ID = re.compile(r"[0-9]{1,19}")
_URLS = ("upload_url", "download_url")
#: The request cannot have reached the service: it is safe to send it again, whatever it was.
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


@dataclass(frozen=True, slots=True)
class Job:
    """A compliance job as the service describes it.

    Attributes:
        id: the job's ID.
        type: what its IDs are.
        status: ``created``, ``in_progress``, ``complete``, ``failed``, ``expired``, or a word not known yet.
        name: the name it was created with, if any.
        resumable: whether its upload is resumable; None where the service did not say.
        created_at: when it was created (UTC).
        upload_url: where the IDs go; a credential.
        upload_expires_at: until when the upload may begin: 15 minutes after creation.
        download_url: where the results will be; a credential.
        download_expires_at: until when they will be there: 7 days after creation.
        error: the service's words on a failed job.
    """

    id: int
    type: JobType
    status: str
    name: str | None
    resumable: bool | None
    created_at: datetime
    upload_url: SignedUrl | None
    upload_expires_at: datetime | None
    download_url: SignedUrl | None
    download_expires_at: datetime | None
    error: str | None


class ComplianceApi:
    """A client of the batch compliance endpoints, which retries what is safe to retry.

    Args:
        bearer_token: the app-only token; left out, it comes from ``X_BEARER_TOKEN`` or the system's keyring.
        base_url: the service's address; left out, from ``COMPLIANCE_FRAMES_BASE_URL``, else the real one.
        transport: an httpx transport to use in place of the network.
        sleep: how to wait, given seconds.
        on_wait: told of every wait before it begins.
        budget: how many failures in a row are borne.

    Raises:
        AuthError: there is no token.
    """

    def __init__(
        self,
        bearer_token: str | Secret | None = None,
        *,
        base_url: str | None = None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        on_wait: Callable[[Wait], None] | None = None,
        budget: Budget | None = None,
    ) -> None:
        bearer_token = token_from(bearer_token)  # from here on no frame holds it in the open
        hide_in_logs()
        self.base_url = base_url_from(base_url)
        self._client = httpx.Client(
            base_url=self.base_url,
            auth=_Bearer(bearer_token),
            transport=transport,
            timeout=_TIMEOUT,
            follow_redirects=False,
            headers={"Accept-Encoding": "gzip"},
            cookies=no_cookies(),
            trust_env=transport is None and not is_loopback(self.base_url),  # no proxy stands before this computer
        )
        self._sleep, self._on_wait, self._budget = sleep, on_wait, budget or Budget()
        self._connections = Connections()
        self._answered: tuple[datetime, float] | None = None

    def __repr__(self) -> str:
        return f"ComplianceApi(base_url={self.base_url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def wake(self) -> None:
        """End every request that is under way in another thread, for good."""
        self._connections.wake()

    def now(self) -> datetime:
        """The time by the service's clock, going by its last answer: this machine's may be hours off."""
        if self._answered is None:
            return datetime.now(UTC)
        then, at = self._answered
        return then + timedelta(seconds=time.monotonic() - at)

    def create(self, type: JobType, *, name: str, resumable: bool) -> Job:
        """Create a job. Not repeated once the request may have arrived, as that could make a second job.

        Args:
            type: what the IDs are.
            name: a unique name, at most 64 characters, by which the job is found if the answer is lost.
            resumable: whether the upload is to be resumable.

        Raises:
            ConflictError: another job of this type is under way.
            ServiceError: the answer was lost or was a 5xx: look for the job by its name before trying again.
            AuthError, RateLimitError, ApiError: the service refused.
        """
        body = {"type": type, "name": name, "resumable": resumable}
        answer = self._call("POST", _JOBS, "creating a job", body=body, repeatable=False)
        data = answer["data"]
        return _job(data) if _is_whole(data) else self.get(_id(data))

    def get(self, job_id: int) -> Job:
        """Read a job anew, with fresh URLs.

        Raises:
            ApiError: the service knows no such job, or refuses.
        """
        return _job(self._call("GET", f"{_JOBS}/{int(job_id)}", f"reading job {job_id}")["data"])

    def jobs(self, type: JobType, *, status: str | None = None) -> list[Job]:
        """The jobs of a type, newest first; empty where there are none. What cannot be read as a job is left out.

        Args:
            type: ``tweets`` or ``users``.
            status: only those that are ``created``, ``in_progress``, ``failed`` or ``complete``.
        """
        params = {"type": type} | ({"status": status} if status else {})
        answer = self._call("GET", _JOBS, f"listing the {type} jobs", params=params, may_be_empty=True)
        return [job for data in _listed(answer.get("data")) if (job := _readable(data)) is not None]

    def _call(
        self,
        method: str,
        path: str,
        doing: str,
        *,
        body: Any = None,
        params: dict[str, str] | None = None,
        repeatable: bool = True,
        may_be_empty: bool = False,
    ) -> dict[str, Any]:
        """Send a request until it is answered for good; the answer's JSON."""
        params = {"compliance_job.fields": _FIELDS, **(params or {})}
        tries = Tries(self._budget)
        while True:
            status, document, headers, sent = self._try(method, path, params, body)
            if status == 200 and _is_answer(document, may_be_empty):
                return dict(document)
            safe = repeatable or not sent or status == 429
            wait = tries.failed(status, headers) if safe else None
            if wait is None:
                raise _failure(status, document, headers, doing, lost=sent)
            if self._on_wait:
                self._on_wait(wait)
            self._sleep(wait.pause.total_seconds())

    def _try(
        self, method: str, path: str, params: dict[str, str], body: Any
    ) -> tuple[int | None, Any, dict[str, str], bool]:
        """One try: status, document, headers, and whether the request may have arrived."""
        try:
            document, response = unseen(lambda: self._read(method, path, params, body))
        except _NEVER_SENT:
            return None, None, {}, False
        except httpx.RequestError:  # no answer, or one that cannot be decoded
            return None, None, {}, True
        headers = {name.lower(): value for name, value in response.headers.items()}
        date = date_of(headers)
        if date is not None:
            self._answered = date, time.monotonic()
        return response.status_code, document, headers, True

    def _read(self, method: str, path: str, params: dict[str, str], body: Any) -> tuple[Any, httpx.Response]:
        with self._client.stream(
            method, path, params=params, json=body, extensions=self._connections.extensions
        ) as response:
            return _document(response), response


class _Bearer(httpx.Auth):
    """Writes the token into the request, and keeps it out of the client's own repr and headers."""

    def __init__(self, token: Secret) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Any:
        request.headers["Authorization"] = f"Bearer {self._token.reveal()}"
        yield request


def _document(response: httpx.Response) -> Any:
    """The JSON of an answer, its URLs wrapped; None where it is none, or is larger than any list of jobs."""
    content = content_of(response, _LARGEST_ANSWER)
    try:
        return None if content is None else json.loads(content, object_hook=_wrapped)
    except (ValueError, RecursionError):
        return None


def _wrapped(value: dict[str, Any]) -> dict[str, Any]:
    """A JSON object whose URLs are not in the open from its first moment on: no frame, no error can show them."""
    return {name: SignedUrl(each) if isinstance(each, str) and name in _URLS else each for name, each in value.items()}


def _is_answer(document: Any, may_be_empty: bool) -> bool:
    """A 200 can hold an ``errors`` array in place of ``data``; a list of jobs can lack both."""
    if not isinstance(document, dict):
        return False
    return bool(document.get("data")) or (may_be_empty and not document.get("errors"))


def _failure(status: int | None, document: Any, headers: dict[str, str], doing: str, *, lost: bool) -> Exception:
    if status is None:
        what = "gave no answer" if lost else "could not be reached"
        return ServiceError(f"The service {what}, while {doing}. Run again: it goes on where it stopped.")
    if status == 200 and not isinstance(document, dict):
        return ServiceError(f"The service's answer makes no sense (no JSON object), while {doing}.", status=status)
    return error_of(status, document, headers, doing)


def _listed(data: Any) -> list[Any]:
    return data if isinstance(data, list) else []


def _readable(data: Any) -> Job | None:
    """A job of a list; one that somebody else made in some odd way must not hide the others."""
    try:
        return _job(data)
    except ServiceError:
        return None


def _id(data: Any) -> int:
    """The ID in the answer to a creation, which may lack everything else."""
    try:
        return _number(data["id"])
    except (KeyError, ValueError, TypeError):
        raise ServiceError("The service did not say which job it created.") from None


def _is_whole(data: Any) -> bool:
    return isinstance(data, dict) and all(
        data.get(name) for name in ("type", "status", "created_at", "upload_url", "download_url")
    )


def _job(data: dict[str, Any]) -> Job:
    try:
        return Job(
            id=_number(data["id"]),
            type=data["type"],
            status=_word(data["status"]),
            name=None if data.get("name") is None else _word(data["name"]),
            resumable=None if data.get("resumable") is None else bool(data["resumable"]),
            created_at=_time(data["created_at"]),
            upload_url=_url(data.get("upload_url")),
            upload_expires_at=_time(data["upload_expires_at"]) if data.get("upload_expires_at") else None,
            download_url=_url(data.get("download_url")),
            download_expires_at=_time(data["download_expires_at"]) if data.get("download_expires_at") else None,
            error=redacted(str(data["error"]))[:_LONGEST_WORD] if data.get("error") else None,
        )
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise ServiceError(
            f"The service described a job in a way that makes no sense ({type(error).__name__})."
        ) from None


def _number(value: Any) -> int:
    """An ID, as digits or as a whole number; never by way of a float, which loses the last of them."""
    if isinstance(value, bool | float) or not _ID.fullmatch(str(value)):
        raise ValueError("no ID")
    return int(value)


def _word(value: Any) -> str:
    """A name or a status; what is longer than any of them is not taken along."""
    return str(value)[:_LONGEST_WORD]


def _url(value: Any) -> SignedUrl | None:
    if not value:
        return None
    if not isinstance(value, SignedUrl):
        raise TypeError("no URL")
    return value


def _time(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
