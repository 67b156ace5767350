"""The three endpoints: every answer the service is known to give, and what is made of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance_frames.errors import (
    ApiError,
    AuthError,
    ComplianceFramesError,
    ConflictError,
    RateLimitError,
    ServiceError,
)
from compliance_frames.service.addresses import base_url_from
from compliance_frames.service.api import ComplianceApi
from compliance_frames.service.retry import Budget, Wait, decide, until_reset
from compliance_frames.service.secret import Secret, SignedUrl
from compliance_frames.service.tokens import token_from

JOB = {
    "id": "1234567890123456789",
    "type": "tweets",
    "name": "mine",
    "status": "created",
    "resumable": False,
    "created_at": "2024-05-01T12:00:00.000Z",
    "upload_url": "https://storage.googleapis.com/b/up?X-Goog-Signature=00",
    "upload_expires_at": "2024-05-01T12:15:00.000Z",
    "download_url": "https://storage.googleapis.com/b/down?X-Goog-Signature=00",
    "download_expires_at": "2024-05-08T12:00:00.000Z",
}
RATE_LIMITED = {"title": "Too Many Requests", "detail": "Too Many Requests", "type": "about:blank", "status": 429}


class Service:
    """Answers in the order in which they were laid out; the last one stays."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.waits: list[Wait] = []
        self.slept: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        if callable(answer):
            return answer(request)
        status, document, *headers = answer
        return httpx.Response(status, json=document, headers=headers[0] if headers else {})

    def api(self, **options: Any) -> ComplianceApi:
        return ComplianceApi(
            "token", base_url="https://api.x.com", transport=httpx.MockTransport(self), sleep=self.slept.append,
            on_wait=self.waits.append, **options,
        )  # fmt: skip


def one(job: dict[str, Any] = JOB) -> tuple[int, dict[str, Any]]:
    return 200, {"data": job}


def test_a_job_is_created_as_the_service_wants_it() -> None:
    """The body holds type, name and resumable, and nothing else; all fields are asked for."""
    service = Service(one())
    job = service.api().create("tweets", name="mine", resumable=False)
    request = service.requests[0]
    assert (request.method, request.url.path) == ("POST", "/2/compliance/jobs")
    assert json.loads(request.content) == {"type": "tweets", "name": "mine", "resumable": False}
    assert request.headers["authorization"] == "Bearer token"
    assert set(request.url.params["compliance_job.fields"].split(",")) == set(JOB)
    assert (job.id, job.name, job.status) == (1234567890123456789, "mine", "created")
    assert job.created_at == datetime(2024, 5, 1, 12, tzinfo=UTC)
    assert job.upload_url == SignedUrl(JOB["upload_url"])  # type: ignore[arg-type]


def test_an_answer_that_lacks_its_urls_is_read_again() -> None:
    """A creation whose answer holds only an ID is completed by reading the job."""
    service = Service((200, {"data": {"id": JOB["id"]}}), one())
    assert service.api().create("tweets", name="mine", resumable=False).download_url is not None
    assert [request.method for request in service.requests] == ["POST", "GET"]


def test_unknown_fields_and_statuses_are_borne() -> None:
    """A newer service may say more; a job without optional fields is a job."""
    job = Service(one({**JOB, "status": "paused", "estimated_completion": "soon", "new": [1]})).api().get(5)
    assert job.status == "paused"
    few = {name: JOB[name] for name in ("id", "type", "status", "created_at")}
    bare = Service(one(few)).api().get(5)
    assert [bare.name, bare.upload_url, bare.upload_expires_at, bare.error] == [None] * 4


@pytest.mark.parametrize("document", [{}, {"meta": {"result_count": 0}}, {"data": []}, {"data": [], "meta": {}}])
def test_no_jobs_are_an_empty_list(document: dict[str, Any]) -> None:
    """``data`` is absent or empty where there are none; ``meta`` may be missing."""
    assert Service((200, document)).api().jobs("tweets") == []


def test_jobs_are_listed_by_type_and_status() -> None:
    """The list comes as the service orders it, newest first."""
    service = Service((200, {"data": [JOB, {**JOB, "id": "7", "status": "expired"}]}))
    assert [job.id for job in service.api().jobs("users", status="complete")] == [1234567890123456789, 7]
    assert dict(service.requests[0].url.params)["type"] == "users"
    assert dict(service.requests[0].url.params)["status"] == "complete"


def test_recorded_answers_are_understood(shared: Path) -> None:
    """Real answers of the service are read whole."""
    for path in sorted((shared / "recorded").glob("*job*.json")):
        recorded = json.loads(path.read_text())
        service = Service((recorded["status"], recorded["body"]))
        data = recorded["body"]["data"]
        if isinstance(data, list):
            assert [str(job.id) for job in service.api().jobs("tweets")] == [job["id"] for job in data]
        else:
            job = service.api().get(int(data["id"]))
            assert (str(job.id), job.status, job.type) == (data["id"], data["status"], data["type"])
            assert job.upload_url is not None
            assert job.upload_url.reveal() == data["upload_url"]


HOST = "https://api.x.com/2/problems"
OLD_HOST = "https://api.twitter.com/2/problems"
INVALID = {
    "errors": [{"parameters": {"type": []}, "message": "The `type` query parameter can not be empty"}],
    "title": "Invalid Request",
    "detail": "One or more parameters to your request was invalid.",
    "type": f"{OLD_HOST}/invalid-request",
}
NOT_ENROLLED = {"title": "Client Forbidden", "reason": "client-not-enrolled", "type": f"{HOST}/client-forbidden"}
UNAUTHORIZED = {"title": "Unauthorized", "type": "about:blank", "status": 401, "detail": "Unauthorized"}
NOT_FOUND = {"errors": [{"title": "Not Found Error", "detail": "Could not find job"}]}
PROBLEMS: list[tuple[int, Any, type[ApiError], str]] = [
    (401, UNAUTHORIZED, AuthError, "X_BEARER"),
    (403, NOT_ENROLLED, AuthError, "403"),
    (400, INVALID, ApiError, "can not be empty"),
    (409, {"detail": "already in progress.", "type": f"{HOST}/conflict"}, ConflictError, "already in progress"),
    (400, {"detail": "already in progress.", "type": f"{OLD_HOST}/conflict"}, ConflictError, "slot"),
    (200, NOT_FOUND, ApiError, "Could not find job"),
    (404, None, ApiError, "404"),
    (418, {"detail": "x" * 5000}, ApiError, "418"),
]


@pytest.mark.parametrize(("status", "document", "kind", "words"), PROBLEMS)
def test_each_problem_is_an_error_of_its_own(status: int, document: Any, kind: type[ApiError], words: str) -> None:
    """Problems are told apart by the end of their type, as its host has moved; the service's words are passed on."""
    service = Service((status, document))
    with pytest.raises(kind, match=words) as caught:
        service.api().create("tweets", name="mine", resumable=False)
    assert type(caught.value) is kind
    assert caught.value.status == status
    assert len(str(caught.value)) < 1000
    assert len(service.requests) == 1


def test_a_200_with_errors_beside_its_data_is_an_answer() -> None:
    """Partial errors do not take the data away."""
    service = Service((200, {"data": JOB, "errors": [{"title": "odd"}]}))
    assert service.api().get(5).id == int(JOB["id"])  # type: ignore[call-overload]


@pytest.mark.parametrize("text", ["", "<html>", "[]", '"x"', "null"])
def test_a_200_that_is_no_object_makes_no_sense(text: str) -> None:
    """What a proxy puts in the way is not taken for an answer."""
    service = Service(lambda request: httpx.Response(200, text=text))
    with pytest.raises(ServiceError, match="makes no sense"):
        service.api().get(5)


@pytest.mark.parametrize("change", [{"id": "x"}, {"created_at": "yesterday"}, {"created_at": 5}])
def test_a_job_that_makes_no_sense_is_the_services_error(change: dict[str, Any]) -> None:
    """A broken job object is an error, never a half-read job."""
    with pytest.raises(ServiceError, match="makes no sense"):
        Service(one({**JOB, **change})).api().get(5)


@pytest.mark.parametrize("bad", [503, 500, 502, 504, 408])
def test_reading_is_tried_again(bad: int) -> None:
    """A GET has no effect, so that it is repeated until the service recovers."""
    service = Service((bad, {}), (bad, {}), one())
    assert service.api().get(5).id
    assert service.slept == [0.5, 1.0]
    assert str(bad) in service.waits[0].why


@pytest.mark.parametrize(
    "bad", [httpx.ReadTimeout("x"), httpx.RemoteProtocolError("x"), httpx.ReadError("x"), (500, {})]
)
def test_creating_is_not_tried_again_where_it_may_have_happened(bad: Any) -> None:
    """A second POST could make a second job: the caller looks for the first one."""
    service = Service(bad, one())
    with pytest.raises(ServiceError):
        service.api().create("tweets", name="mine", resumable=False)
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    "bad", [httpx.ConnectError("x"), httpx.ConnectTimeout("x"), httpx.PoolTimeout("x"), (429, RATE_LIMITED)]
)
def test_creating_is_tried_again_where_it_cannot_have_happened(bad: Any) -> None:
    """A connection that never stood, and a 429, made no job."""
    service = Service(bad, one())
    assert service.api().create("tweets", name="mine", resumable=False).id
    assert len(service.requests) == 2


def test_a_service_that_stays_down_is_given_up() -> None:
    """The budget is finite, the pauses grow, and the sentence says what to do."""
    service = Service(httpx.ConnectError("https://api.x.com/?X-Goog-Signature=00"))
    with pytest.raises(ServiceError, match=r"could not be reached, while reading job 5\. Run again") as caught:
        service.api(budget=Budget(tries=3)).get(5)
    assert service.slept == [0.5, 1.0, 2.0]
    assert caught.value.status is None
    assert "Signature" not in repr(caught.value.__context__)
    with pytest.raises(ServiceError, match=r"HTTP 503.*Run again later"):
        Service((503, {"title": "Service Unavailable", "status": 503})).api(budget=Budget(tries=1)).get(5)


def test_a_rate_limit_is_waited_out_by_the_servers_clock() -> None:
    """The pause is the announced reset minus the answer's own date, whatever the local clock says."""
    headers = {"x-rate-limit-reset": "1714564900", "date": "Wed, 01 May 2024 12:00:00 GMT"}
    service = Service((429, RATE_LIMITED, headers), one())
    service.api().get(5)
    assert service.slept == [100.0]
    assert service.waits[0].why == "the rate limit"


def test_a_rate_limit_that_does_not_clear_says_when_it_will() -> None:
    """After a few resets it is given up, with the time to come back."""
    headers = {"x-rate-limit-reset": "1714564900", "date": "Wed, 01 May 2024 12:00:00 GMT"}
    service = Service((429, RATE_LIMITED, headers))
    with pytest.raises(RateLimitError, match=r"resets at 12:01:40 UTC\. Run again") as caught:
        service.api().get(5)
    assert caught.value.reset_at == datetime(2024, 5, 1, 12, 1, 40, tzinfo=UTC)
    assert len(service.requests) == Budget().limits + 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 60),
        ({"x-rate-limit-reset": "soon"}, 60),
        ({"x-rate-limit-reset": "9999999999999999999"}, 60),
        ({"x-rate-limit-reset": "1714564900", "date": "Wed, 01 May 2024 12:00:00 UTC"}, 100),
        ({"x-rate-limit-reset": "1714564000", "date": "Wed, 01 May 2024 12:00:00 GMT"}, 1),
        ({"x-rate-limit-reset": "1714569999", "date": "Wed, 01 May 2024 12:00:00 GMT"}, 901),
        ({"x-rate-limit-reset": "1714564900", "date": "no date"}, 40),
    ],
)
def test_the_wait_for_a_reset_is_bounded(headers: dict[str, str], seconds: float) -> None:
    """More than nothing and at most a window; a minute where nothing is announced."""
    now = datetime(2024, 5, 1, 12, 1, tzinfo=UTC)
    assert until_reset(headers, now) == timedelta(seconds=seconds)


def test_a_rate_limit_that_names_no_reset_is_borne_for_a_window() -> None:
    """The tries of one budget outlast the quarter of an hour after which requests are granted again."""
    waits = [decide(failures, 429, {}, Budget()) for failures in range(1, Budget().limits + 1)]
    assert sum(wait.pause.total_seconds() for wait in waits if wait) >= 15 * 60


def test_time_is_told_by_the_services_clock() -> None:
    """Hours before or behind this machine's; where an answer says nothing, the last one that did holds."""
    noon = datetime(2024, 5, 1, 12, tzinfo=UTC)
    service = Service((*one(), {"date": "Wed, 01 May 2024 12:00:00 UTC"}), one())
    api = service.api()
    assert abs(api.now() - datetime.now(UTC)) < timedelta(minutes=1)
    api.get(5)
    api.get(5)
    assert noon <= api.now() < noon + timedelta(minutes=1)


@given(st.integers(1, 50), st.sampled_from([None, 408, 429, 500, 502, 503, 504, 400, 401, 403, 404, 409, 410, 412]))
def test_a_decision_is_a_bounded_wait_or_the_end(failures: int, status: int | None) -> None:
    """No wait is longer than a window, final answers are never repeated, and every budget ends."""
    wait = decide(failures, status, {}, Budget())
    if status in (400, 401, 403, 404, 409, 410, 412):
        assert wait is None
    if wait is not None:
        assert timedelta(0) < wait.pause <= timedelta(seconds=901)
        assert failures <= max(Budget().tries, Budget().limits)


def test_redirects_are_not_followed() -> None:
    """A token never goes where a redirect points."""
    service = Service(lambda request: httpx.Response(302, headers={"location": "https://elsewhere.example/"}))
    with pytest.raises(ApiError, match="302"):
        service.api().get(5)
    assert [request.url.host for request in service.requests] == ["api.x.com"]


def test_tokens_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Surrounding white space is cut; nothing, or what no token holds, is refused with the variable's name."""
    monkeypatch.setenv("X_BEARER_TOKEN", " AAAA%2B\n")
    assert token_from(None).reveal() == "AAAA%2B"
    for bad in ("", "  ", '"AAAA"', "AA AA", "AA\nAA", "ä"):
        with pytest.raises(AuthError, match="X_BEARER_TOKEN") as caught:
            token_from(bad)
        assert "AA" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://api.x.com", "https://example.org/base", "http://127.0.0.1:1", "http://[::1]:1"]
)
def test_addresses_that_keep_the_token_safe_are_taken(url: str) -> None:
    """https anywhere, plain http only on a literal loopback address."""
    assert base_url_from(url + "/") == url


@pytest.mark.parametrize(
    "url",
    [
        "http://api.x.com",
        "http://localhost:1",
        "ftp://x",
        "x",
        "https://u:p@x.com",
        "https://x.com/?a=1",
        "http://127.0.0.1.example",
    ],
)
def test_addresses_that_would_show_the_token_are_refused(url: str) -> None:
    """Anything else would send the token in the open, or somewhere else."""
    with pytest.raises(ComplianceFramesError):
        base_url_from(url)


@pytest.mark.parametrize("make", [Secret, SignedUrl])
def test_secrets_do_not_show(make: Callable[[str], Secret]) -> None:
    """No printing, formatting, pickling or copying shows a secret; equality still works."""
    import copy
    import pickle

    secret = make("https://storage.googleapis.com/b/o?X-Goog-Signature=canary")
    for text in (repr(secret), str(secret), f"{secret}", f"{secret!r:>40}", f"{[secret]}", "%s" % secret):  # noqa: UP031
        assert "canary" not in text
    assert not hasattr(secret, "__dict__")
    for act in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="not pickled"):
            act(secret)
    assert secret == make(secret.reveal())
    assert secret != make("x")
    assert {secret: 1}[make(secret.reveal())] == 1
