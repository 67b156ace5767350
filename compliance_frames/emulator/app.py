"""The API: the three compliance endpoints with their limits and problems, worded as recorded and documented."""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from compliance_frames.emulator.answers import Lost, Reset, api_answer
from compliance_frames.emulator.clock import Clock
from compliance_frames.emulator.faults import HEADER, Fault, Faults, Place
from compliance_frames.emulator.jobs import Job, Jobs, SlotTaken

_PROBLEMS = "https://api.twitter.com/2/problems"
_TYPES = ("tweets", "users")
_STATUSES = ("created", "in_progress", "failed", "complete")
_FIELDS = "compliance_job.fields"
_FIELD_NAMES = (
    *("created_at", "download_expires_at", "download_url", "error", "id", "name"),
    *("resumable", "status", "type", "upload_expires_at", "upload_url"),
)
_LARGEST_BODY = 1 << 16
_BEHIND = timedelta(hours=1)
_STRANGE: Final[dict[str, dict[str, Any]]] = {
    "unknown_status": {"status": "reticulating"},
    "unknown_fields": {"estimated_completion": None, "splines": [{"reticulated": True}]},
}

#: The documents of faults and refusals that name nothing of the request.
UNAUTHORIZED: Final = {"title": "Unauthorized", "type": "about:blank", "status": 401, "detail": "Unauthorized"}
FORBIDDEN: Final = {
    "title": "Client Forbidden",
    "reason": "client-not-enrolled",
    "required_enrollment": "Appropriate Level of API Access",
    "detail": "When authenticating requests to the Twitter API v2 endpoints, you must use keys and tokens from a "
    "Twitter developer App that is attached to a Project. You can create a project via the developer portal.",
    "registration_url": "https://developer.twitter.com/en/docs/projects/overview",
    "client_id": "0",
    "type": f"{_PROBLEMS}/client-forbidden",
}
UNSUPPORTED: Final = {
    "title": "Unsupported Authentication",
    "detail": "Authenticating with OAuth 1.0a User Context is forbidden for this endpoint.  "
    "Supported authentication types are [OAuth 2.0 Application-Only].",
    "type": f"{_PROBLEMS}/unsupported-authentication",
    "status": 403,
}
CONFLICT: Final = {
    "title": "Conflict",
    "detail": "You cannot create a new job if one is already in progress.",
    "type": f"{_PROBLEMS}/conflict",
    "status": 409,
}
TOO_MANY: Final = {"title": "Too Many Requests", "detail": "Too Many Requests", "type": "about:blank", "status": 429}
TOO_MANY_OLDER: Final = {"errors": [{"code": 88, "message": "Rate limit exceeded"}]}
UNAVAILABLE: Final = {
    "title": "Service Unavailable",
    "detail": "Service Unavailable",
    "type": "about:blank",
    "status": 503,
}
SERVER_ERROR: Final = {
    "title": "Internal Server Error",
    "detail": "Internal Server Error",
    "type": "about:blank",
    "status": 500,
}
_FAULTY: Final[dict[str, tuple[int, Any]]] = {
    "rate_limited": (429, TOO_MANY),
    "rate_limited_bare": (429, TOO_MANY_OLDER),
    "server_error": (500, SERVER_ERROR),
    "unavailable": (503, UNAVAILABLE),
    "unauthorized": (401, UNAUTHORIZED),
    "forbidden": (403, FORBIDDEN),
}

Answer = tuple[int, Any]
UrlsOf = Callable[[Job], dict[str, str]]


class Limit:
    """One endpoint's requests of the current window."""

    def __init__(self, clock: Clock, most: int, window: timedelta) -> None:
        self._clock, self._most, self._window = clock, most, window
        self._reset = datetime.fromtimestamp(0, UTC)
        self._used = 0

    def take(self) -> bool:
        """Count a request; False where it is one too many."""
        now = self._clock.now()
        if now >= self._reset:
            self._reset, self._used = now + self._window, 0
        self._used += 1
        return self._used <= self._most

    def headers(self, *, spent: bool = False, behind: timedelta = timedelta(0)) -> dict[str, str]:
        """What the answer says of it; the reset in Unix seconds, by a clock that may be behind."""
        remaining = 0 if spent else max(self._most - self._used, 0)
        return {
            "x-rate-limit-limit": str(self._most),
            "x-rate-limit-reset": str(-int(-(self._reset - behind).timestamp() // 1)),
            "x-rate-limit-remaining": str(remaining),
        }


class Api:
    """The three endpoints over the account's jobs.

    Args:
        jobs: the jobs.
        clock: the time.
        token: the bearer token that is accepted.
        faults: what goes wrong.
        urls_of: makes a job's signed URLs.
        settled: waits a moment for work that is as good as done.
        rate_limit: requests for each endpoint in a window.
        rate_window: how long a window lasts.
    """

    def __init__(
        self,
        jobs: Jobs,
        *,
        clock: Clock,
        token: str,
        faults: Faults,
        urls_of: UrlsOf,
        settled: Callable[[], Awaitable[None]],
        rate_limit: int,
        rate_window: timedelta,
    ) -> None:
        self._jobs, self._clock, self._token, self._faults = jobs, clock, token, faults
        self._urls_of, self._settled = urls_of, settled
        self._limits = {place: Limit(clock, rate_limit, rate_window) for place in ("create", "get", "list")}
        self._answered = 0

    def routes(self) -> list[Route]:
        """The endpoints."""
        return [
            Route("/2/compliance/jobs", self._endpoint("create", self._create), methods=["POST"]),
            Route("/2/compliance/jobs", self._endpoint("list", self._list), methods=["GET"]),
            Route("/2/compliance/jobs/{id}", self._endpoint("get", self._get), methods=["GET"]),
        ]

    def _endpoint(
        self, place: Place, work: Callable[[Request], Awaitable[Answer]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            limit = self._limits[place]
            is_granted, refusal = limit.take(), self._refusal(request)
            if refusal:
                return api_answer(request, *refusal, self._clock.now(), limit.headers())
            if not is_granted:
                return api_answer(request, 429, TOO_MANY, self._clock.now(), limit.headers())
            fault = self._faults.next(place, "api", told=request.headers.get(HEADER))
            return await self._meet(request, work, limit, fault)

        return endpoint

    async def _meet(
        self, request: Request, work: Callable[[Request], Awaitable[Answer]], limit: Limit, fault: Fault | None
    ) -> Response:
        """What the request comes to, whatever goes wrong with it."""
        kind = fault.kind if fault else ""
        if kind in _FAULTY:
            headers = {} if kind == "rate_limited_bare" else limit.headers(spent=kind == "rate_limited")
            return api_answer(request, *_FAULTY[kind], self._clock.now(), headers)
        if fault and kind in ("reset", "stall"):
            return Reset(fault.lasting if kind == "stall" else timedelta(0))
        if fault and kind == "foreign_job":
            await self._occupy(request, fault.lasting)
        await self._settled()
        status, document = await work(request)
        if kind == "lost_answer":
            return Lost()
        if kind in _STRANGE:
            _make_strange(document, _STRANGE[kind])
        behind = _BEHIND if kind == "slow_clock" else timedelta(0)
        return api_answer(request, status, document, self._clock.now() - behind, limit.headers(behind=behind))

    async def _occupy(self, request: Request, lasting: timedelta) -> None:
        """Somebody else's job comes first, where the slot is free."""
        body = await _json(request)
        if not _wrong_body(body):
            with suppress(SlotTaken):
                self._jobs.occupy(body["type"], name="somebody-else", age=timedelta(0), lasting=lasting)

    def _refusal(self, request: Request) -> Answer | None:
        given = request.headers.get("authorization", "")
        scheme, _, value = given.partition(" ")
        if scheme.lower() == "bearer":
            good = hmac.compare_digest(value.strip().encode(), self._token.encode())
            return None if good else (401, UNAUTHORIZED)
        return (403, UNSUPPORTED) if given else (401, UNAUTHORIZED)

    async def _create(self, request: Request) -> Answer:
        body = await _json(request)
        wrong = _wrong_query(request, (_FIELDS,)) or _wrong_body(body)
        if wrong:
            return 400, wrong
        try:
            job = self._jobs.create(body["type"], name=body.get("name"), resumable=body.get("resumable", False))
        except SlotTaken:
            return 409, CONFLICT
        return 200, {"data": self._document(job)}

    async def _get(self, request: Request) -> Answer:
        id = request.path_params["id"]
        wrong = _wrong_query(request, (_FIELDS,))
        if not re.fullmatch("[0-9]{1,19}", id):
            wrong = _invalid("id", id, f"The `id` query parameter value [{id}] does not match ^[0-9]{{1,19}}$")
        if wrong:
            return 400, wrong
        job = self._jobs.get(int(id))
        return 200, {"data": self._document(job)} if job else {"errors": [_unknown_job(id)]}

    async def _list(self, request: Request) -> Answer:
        wrong = _wrong_query(request, (_FIELDS, "status", "type")) or _wrong_list(request)
        if wrong:
            return 400, wrong
        type, status = request.query_params["type"], request.query_params.get("status")
        jobs = [job for job in self._jobs.all() if job.type == type and status in (None, job.status)]
        return 200, {"data": [self._document(job) for job in reversed(jobs)]}

    def _document(self, job: Job) -> dict[str, Any]:
        """A job as it is answered: all fields, asked for or not; the order of the keys means nothing, and shifts."""
        fields = {
            "id": str(job.id),
            "type": job.type,
            "status": job.status,
            "resumable": job.resumable,
            "created_at": _time(job.created_at),
            "upload_expires_at": _time(job.upload_expires_at),
            "download_expires_at": _time(job.download_expires_at),
            **self._urls_of(job),
            **({} if job.name is None else {"name": job.name}),
            **({} if job.error is None else {"error": job.error}),
        }
        self._answered += 1
        items = list(fields.items())
        shift = self._answered % len(items)
        return dict(items[shift:] + items[:shift])


def _time(when: datetime) -> str:
    return f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond // 1000:03d}Z"


def _make_strange(document: dict[str, Any], fields: dict[str, Any]) -> None:
    data = document.get("data", [])
    for job in data if isinstance(data, list) else [data]:
        job |= fields


async def _json(request: Request) -> Any:
    """The document that a request carries, None where it is none; it can be asked for again."""
    if not hasattr(request.state, "document"):
        body = b""
        async for block in request.stream():
            body += block[: _LARGEST_BODY + 1 - len(body)]
        try:
            request.state.document = json.loads(body) if len(body) <= _LARGEST_BODY else None
        except (ValueError, RecursionError):
            request.state.document = None
    return request.state.document


def _wrong_query(request: Request, known: tuple[str, ...]) -> dict[str, Any] | None:
    for name, value in request.query_params.multi_items():
        if name not in known:
            said = f"The query parameter [{name}] is not one of [{','.join(known)}]"
            return _invalid(name, value, said)
        if name == _FIELDS:
            for field in value.split(","):
                if field not in _FIELD_NAMES:
                    said = f"The `{name}` query parameter value [{field}] is not one of [{','.join(_FIELD_NAMES)}]"
                    return _invalid(name, field, said)
    return None


def _wrong_list(request: Request) -> dict[str, Any] | None:
    type, status = request.query_params.get("type", ""), request.query_params.get("status")
    if not type:
        return _invalid("type", None, "The `type` query parameter can not be empty")
    if type not in _TYPES:
        said = f"The `type` query parameter value [{type}] is not one of [{','.join(_TYPES)}]"
        return _invalid("type", type, said)
    if status is not None and status not in _STATUSES:
        said = f"The `status` query parameter value [{status}] is not one of [{','.join(_STATUSES)}]"
        return _invalid("status", status, said)
    return None


def _wrong_body(body: Any) -> dict[str, Any] | None:
    if not isinstance(body, dict):
        return _invalid("body", None, "The request body is not a JSON object")
    type, name = body.get("type"), body.get("name")
    for field in body:
        if field not in ("type", "name", "resumable"):
            return _invalid(field, None, f"$.{field}: is not defined in the schema and the schema does not allow it")
    if type is None:
        return _invalid("type", None, "$.type: is missing but it is required")
    if type not in _TYPES:
        return _invalid("type", str(type), "$.type: does not have a value in the enumeration [tweets, users]")
    if name is not None and not isinstance(name, str):
        return _invalid("name", None, "$.name: string is expected")
    if name is not None and len(name) > 64:
        return _invalid("name", name, "$.name: may only be 64 characters long")
    if not isinstance(body.get("resumable", False), bool):
        return _invalid("resumable", None, "$.resumable: boolean is expected")
    return None


def _invalid(parameter: str, value: str | None, message: str) -> dict[str, Any]:
    return {
        "errors": [{"parameters": {parameter: [] if value is None else [value]}, "message": message}],
        "title": "Invalid Request",
        "detail": "One or more parameters to your request was invalid.",
        "type": f"{_PROBLEMS}/invalid-request",
    }


def _unknown_job(id: str) -> dict[str, str]:
    return {
        "value": id,
        "detail": f"Could not find compliance_job with id: [{id}].",
        "title": "Not Found Error",
        "resource_type": "compliance_job",
        "parameter": "id",
        "resource_id": id,
        "type": f"{_PROBLEMS}/resource-not-found",
    }
