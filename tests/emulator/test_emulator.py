"""The emulator answers as recorded, and refuses what the real service refuses. It is asked here by plain HTTP."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import google_crc32c
import httpx
import numpy as np
import pyarrow as pa
import pytest

from compliance_frames.emulator import Emulator, Fates, Fault, Faults
from compliance_frames.emulator.faults import KINDS
from compliance_frames.errors import ComplianceFramesError, IdError
from compliance_frames.ids import snowflake

IDS = np.unique(np.random.default_rng(2).integers(1_400_000_000_000_000_000, 1_500_000_000_000_000_000, 2000))
BODY = "".join(f"{i}\n" for i in IDS).encode()
UNIT = 262_144
TEXT = {"content-type": "text/plain"}


class Client:
    """The API and its storage, without any code of the package."""

    def __init__(self, service: Emulator) -> None:
        self.service = service
        self.http = httpx.Client(trust_env=False)
        self.auth = {"authorization": f"Bearer {service.bearer_token}"}

    def api(self, method: str, path: str = "", **options: Any) -> httpx.Response:
        return self.http.request(
            method, f"{self.service.base_url}/2/compliance/jobs{path}", headers=self.auth, **options
        )

    def create(self, type: str = "tweets", **body: Any) -> dict[str, Any]:
        answer = self.api("POST", json={"type": type, **body})
        assert answer.status_code == 200, answer.text
        return dict(answer.json()["data"])

    def get(self, job: dict[str, Any]) -> dict[str, Any]:
        return dict(self.api("GET", f"/{job['id']}").json()["data"])

    def put(self, job: dict[str, Any], body: bytes = BODY) -> httpx.Response:
        return self.http.put(job["upload_url"], content=body, headers=TEXT)

    def finished(self, job: dict[str, Any]) -> dict[str, Any]:
        for _ in range(2000):
            job = self.get(job)
            if job["status"] not in ("created", "in_progress"):
                return job
        raise AssertionError("the job does not end")

    def results(self, type: str = "tweets", body: bytes = BODY) -> bytes:
        job = self.create(type)
        assert self.put(job, body).status_code == 200
        return self.http.get(self.finished(job)["download_url"]).content


@pytest.fixture
def serve() -> Iterator[Any]:
    started: list[Client] = []

    def start(*faults: Fault, **settings: Any) -> Client:
        service = Emulator(faults=Faults(faults), **({"rate_limit": 100_000} | settings))
        service.start()
        started.append(Client(service))
        return started[-1]

    yield start
    for client in started:
        client.http.close()
        client.service.stop()


def code(answer: httpx.Response) -> tuple[int, str]:
    found = re.search("<Code>(.*)</Code>", answer.text)
    return answer.status_code, found.group(1) if found else ""


# As recorded.


def recorded(shared: Path, name: str) -> dict[str, Any]:
    return dict(json.loads((shared / "recorded" / name).read_text()))


def test_a_job_looks_like_a_recorded_one(serve: Any, shared: Path) -> None:
    """The same keys, URLs of the same form with the same query parameters, times of the same spelling and spans."""
    real = recorded(shared, "create_job_tweets_73470d.json")["body"]["data"]
    client = serve()
    made = client.create()
    assert set(made) == set(real)
    for key in ("upload_url", "download_url"):
        assert set(httpx.URL(made[key]).params) == set(httpx.URL(real[key]).params)
        for name in ("X-Goog-Expires", "X-Goog-SignedHeaders"):
            assert httpx.URL(made[key]).params[name] == httpx.URL(real[key]).params[name]
    spelling = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z")
    times = {
        key: datetime.fromisoformat(made[key]) for key in made if key.endswith("_at") and spelling.fullmatch(made[key])
    }
    assert times["upload_expires_at"] - times["created_at"] == timedelta(minutes=15)
    assert times["download_expires_at"] - times["created_at"] == timedelta(days=7)
    assert re.fullmatch("[0-9]{1,19}", made["id"])


def headers_of(exchange: dict[str, Any]) -> set[str]:
    return {name for name, _ in exchange["headers"]}


def test_answers_have_the_recorded_headers(serve: Any, shared: Path) -> None:
    """Rate limits on every answer of the API; hashes, lengths and generations on those of the storage."""
    client = serve()
    answer = client.api("POST", json={"type": "tweets"})
    told = {"x-rate-limit-limit", "x-rate-limit-remaining", "x-rate-limit-reset", "date", "content-type"}
    assert told <= headers_of(recorded(shared, "create_job_tweets_73470d.json")) & set(answer.headers)
    job = answer.json()["data"]
    upload = client.put(job)
    told = {"etag", "x-goog-generation", "x-goog-hash", "x-goog-stored-content-length", "content-length", "date"}
    assert told <= headers_of(recorded(shared, "upload_tweets.json")) & set(upload.headers)
    assert len(upload.headers.get_list("x-goog-hash")) == 2
    assert upload.content == b""
    download = client.http.get(client.finished(job)["download_url"])
    told |= {"accept-ranges", "x-goog-component-count", "x-goog-stored-content-encoding", "x-goog-metageneration"}
    assert told <= headers_of(recorded(shared, "download_tweets.json")) & set(download.headers)
    assert download.headers["content-type"] == "application/octet-stream"
    digest = base64.b64encode(google_crc32c.value(download.content).to_bytes(4, "big")).decode()
    assert download.headers["x-goog-hash"] == f"crc32c={digest}"


@pytest.mark.parametrize(("type", "time"), [("tweets", r"\.\d{3}Z"), ("users", r"\+00:00")])
def test_results_are_spelt_as_recorded(serve: Any, type: str, time: str) -> None:
    """Milliseconds and Z for tweets, neither for users; blank lines inside; another order than the upload's."""
    text = serve().results(type).decode()
    lines = text.splitlines()
    rows = [json.loads(line) for line in lines if line]
    assert "" in lines[1:-1]
    assert text.endswith("\n")
    assert [row["id"] for row in rows] != sorted(row["id"] for row in rows)
    truth = Fates(0).of(IDS, type).to_pylist()  # type: ignore[arg-type]
    expected = {str(i): reason for i, reason in zip(IDS, truth, strict=True) if reason}
    assert {row["id"]: row["reason"] for row in rows} == expected
    for row in rows:
        assert set(row) - {"redacted_at"} == {"id", "action", "created_at", "reason"}
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d" + time, row["created_at"])
        made = snowflake.time(int(row["id"]))
        assert made is not None
        assert abs(datetime.fromisoformat(row["created_at"]) - made) < timedelta(seconds=1)
    assert not [row for row in rows if row["reason"] == "suspended" and "redacted_at" in row]
    assert [row for row in rows if "redacted_at" in row]


def test_nothing_flagged_is_an_empty_file(serve: Any) -> None:
    """An all-clear job has a result file without a byte."""
    assert serve(fates=Fates(shares={})).results() == b""


# The API's rules.


@pytest.mark.parametrize(
    ("method", "path", "options", "words"),
    [
        ("POST", "", {"json": {}}, "type"),
        ("POST", "", {"json": {"type": "likes"}}, "type"),
        ("POST", "", {"json": {"type": "tweets", "extra": 1}}, "extra"),
        ("POST", "", {"json": {"type": "tweets", "name": "x" * 65}}, "name"),
        ("POST", "", {"json": {"type": "tweets", "resumable": "yes"}}, "resumable"),
        ("POST", "", {"content": b"{"}, ""),
        ("GET", "", {}, "`type` query parameter can not be empty"),
        ("GET", "", {"params": {"type": "tweets", "status": "expired"}}, "status"),
        ("GET", "/12x", {}, "id"),
    ],
)
def test_bad_requests_are_problems(serve: Any, method: str, path: str, options: dict[str, Any], words: str) -> None:
    """400 with the recorded shape, naming what is wrong."""
    answer = serve().api(method, path, **options)
    assert answer.status_code == 400
    problem = answer.json()
    assert problem["type"].endswith("/problems/invalid-request")
    assert problem["title"] == "Invalid Request"
    assert words in answer.text


def test_a_token_is_needed_and_checked(serve: Any) -> None:
    """401 in the recorded words; no other path opens anything."""
    client = serve()
    url = f"{client.service.base_url}/2/compliance/jobs?type=tweets"
    for auth in ({}, {"authorization": "Bearer wrong"}):
        answer = httpx.get(url, headers=auth, trust_env=False)
        assert (answer.status_code, answer.json()["title"]) == (401, "Unauthorized")
    answer = httpx.get(url, headers={"authorization": "OAuth oauth_token=x"}, trust_env=False)
    assert answer.status_code == 403
    assert answer.json()["type"].endswith("/problems/unsupported-authentication")


def test_one_job_of_a_type_at_a_time(serve: Any) -> None:
    """The second is a conflict in the known sentence; the other type has a slot of its own."""
    client = serve()
    client.create("tweets")
    answer = client.api("POST", json={"type": "tweets"})
    assert answer.status_code == 409
    assert answer.json()["type"].endswith("/problems/conflict")
    assert "You cannot create a new job if one is already in progress." in answer.text
    client.create("users")
    client.service.advance(timedelta(minutes=16))
    assert client.create("tweets")
    assert client.service.most_live == {"tweets": 1, "users": 1}


def test_jobs_are_listed_newest_first_and_by_status(serve: Any) -> None:
    """An upload that never came leaves an expired job in the list."""
    client = serve()
    first = client.create(name="a")
    client.service.advance(timedelta(minutes=16))
    second = client.create(name="b")
    listed = client.api("GET", params={"type": "tweets"}).json()
    assert [(job["id"], job["name"], job["status"]) for job in listed["data"]] == [
        (second["id"], "b", "created"),
        (first["id"], "a", "expired"),
    ]
    assert [j["id"] for j in client.api("GET", params={"type": "tweets", "status": "created"}).json()["data"]] == [
        second["id"]
    ]
    assert not client.api("GET", params={"type": "users"}).json().get("data")


def test_an_unknown_job_comes_as_200_with_errors(serve: Any) -> None:
    """As the service is known to do."""
    answer = serve().api("GET", "/5")
    assert answer.status_code == 200
    assert "data" not in answer.json()
    assert answer.json()["errors"]


def test_the_rate_limit_counts_down_and_resets(serve: Any) -> None:
    """Per endpoint; 429 with headers; the window ends by the server's clock."""
    client = serve(rate_limit=3)
    left = [client.api("GET", params={"type": "tweets"}).headers["x-rate-limit-remaining"] for _ in range(3)]
    assert left == ["2", "1", "0"]
    answer = client.api("GET", params={"type": "tweets"})
    assert (answer.status_code, answer.json()["title"]) == (429, "Too Many Requests")
    assert int(answer.headers["x-rate-limit-reset"]) > datetime.now(UTC).timestamp()
    assert client.api("GET", "/5").status_code == 200
    client.service.advance(timedelta(minutes=15))
    assert client.api("GET", params={"type": "tweets"}).status_code == 200


def test_a_job_with_a_bad_line_fails_with_words(serve: Any) -> None:
    """What is no ID ends the job, and the slot is free again."""
    client = serve()
    job = client.create()
    client.put(job, b"20\nabc\n")
    ended = client.finished(job)
    assert ended["status"] == "failed"
    assert ended["error"]
    assert client.create()


# Signed URLs.


def changed(url: str, **change: str) -> str:
    return str(httpx.URL(url).copy_merge_params({name.replace("_", "-"): value for name, value in change.items()}))


def test_signatures_are_truly_checked(serve: Any) -> None:
    """Another path, expiry, signature, method or a missing header is refused, each in the storage's words."""
    client = serve()
    job = client.create()
    up, http = job["upload_url"], client.http
    assert code(http.put(changed(up, X_Goog_Signature="00" * 32), content=b"1\n", headers=TEXT)) == (
        403,
        "SignatureDoesNotMatch",
    )
    assert code(http.put(changed(up, X_Goog_Expires="9000"), content=b"1\n", headers=TEXT)) == (
        403,
        "SignatureDoesNotMatch",
    )
    assert code(http.put(up.replace("submission/", "submission/x"), content=b"1\n", headers=TEXT))[0] in (403, 404)
    assert code(http.get(up)) in ((403, "SignatureDoesNotMatch"), (400, "MalformedSecurityHeader"))
    assert code(http.put(up, content=b"1\n", headers={"content-type": "text/csv"})) == (403, "SignatureDoesNotMatch")
    assert code(http.put(up, content=b"1\n")) == (400, "MalformedSecurityHeader")
    assert code(http.put(job["download_url"], content=b"1\n", headers=TEXT)) == (403, "SignatureDoesNotMatch")
    assert client.put(job).status_code == 200


def test_urls_run_out(serve: Any) -> None:
    """Uploads after 15 minutes, downloads after 7 days: 400 ExpiredToken."""
    client = serve()
    job = client.create()
    assert code(client.http.get(job["download_url"])) == (404, "NoSuchKey")
    client.put(job)
    client.finished(job)
    client.service.advance(timedelta(minutes=16))
    assert code(client.put(job)) == (400, "ExpiredToken")
    assert client.http.get(job["download_url"]).status_code == 200
    client.service.advance(timedelta(days=7))
    assert code(client.http.get(job["download_url"])) == (400, "ExpiredToken")


def test_downloads_go_on_where_they_broke_off(serve: Any) -> None:
    """Range with the right If-Match gives 206 and the rest; with another, 412; beyond the end, 416."""
    client = serve()
    job = client.create()
    client.put(job)
    url = client.finished(job)["download_url"]
    whole = client.http.get(url)
    rest = client.http.get(url, headers={"range": "bytes=100-", "if-match": whole.headers["etag"]})
    assert (rest.status_code, rest.content) == (206, whole.content[100:])
    assert rest.headers["content-range"] == f"bytes 100-{len(whole.content) - 1}/{len(whole.content)}"
    assert client.http.get(url, headers={"range": "bytes=100-", "if-match": '"x"'}).status_code == 412
    assert code(client.http.get(url, headers={"range": "bytes=99999999-"})) == (416, "InvalidRange")


# Resumable uploads.


def opened(client: Client) -> tuple[dict[str, Any], str]:
    job = client.create(resumable=True)
    assert job["resumable"] is True
    answer = client.http.post(job["upload_url"], headers={**TEXT, "x-goog-resumable": "start", "content-length": "0"})
    assert answer.status_code == 201
    return job, answer.headers["location"]


def part(client: Client, session: str, content: bytes, span: str) -> httpx.Response:
    return client.http.put(session, content=content, headers={"content-range": f"bytes {span}"})


def test_a_resumable_upload_in_parts(serve: Any) -> None:
    """308 with what is kept, none without Range, a status query at any time, 200 at the end with hashes."""
    client = serve()
    body = BODY * 30
    job, session = opened(client)
    total = len(body)
    asked = part(client, session, b"", f"*/{total}")
    assert asked.status_code == 308
    assert "range" not in asked.headers
    kept = part(client, session, body[: 2 * UNIT], f"0-{2 * UNIT - 1}/{total}")
    assert (kept.status_code, kept.headers["range"]) == (308, f"bytes=0-{2 * UNIT - 1}")
    ahead = part(client, session, body[3 * UNIT :], f"{3 * UNIT}-{total - 1}/{total}")
    assert ahead.status_code == 503
    assert "Content-Range" in ahead.text
    done = part(client, session, body[2 * UNIT :], f"{2 * UNIT}-{total - 1}/{total}")
    assert done.status_code == 200
    assert done.headers["x-goog-stored-content-length"] == str(total)
    assert part(client, session, b"", f"*/{total}").status_code == 200
    assert client.service.uploads[int(job["id"])].read_bytes() == body


def test_a_part_that_is_no_multiple_is_refused_and_an_unknown_session_is_gone(serve: Any) -> None:
    """Every part but the last is a multiple of 256 KiB; a session ID that nobody gave out opens nothing."""
    client = serve()
    _, session = opened(client)
    total = len(BODY) * 30
    assert part(client, session, BODY[:1000], f"0-999/{total}").status_code == 400
    assert part(
        client, str(httpx.URL(session).copy_set_param("upload_id", "made-up")), b"", f"*/{total}"
    ).status_code in (404, 410)


def test_less_may_be_kept_than_was_sent(serve: Any) -> None:
    """With persist_less the storage keeps whole units up to a bound, and says so."""
    client = serve(persist_less=UNIT)
    _, session = opened(client)
    body = BODY * 30
    kept = part(client, session, body[: 2 * UNIT], f"0-{2 * UNIT - 1}/{len(body)}")
    assert kept.headers["range"] == f"bytes=0-{UNIT - 1}"


def test_only_the_way_that_was_signed_is_open(serve: Any) -> None:
    """A plain PUT to a resumable job's URL, and a session on a plain one, are refused."""
    client = serve()
    job = client.create(resumable=True)
    assert client.put(job).status_code in (400, 403)
    plain = client.create("users")
    start = client.http.post(plain["upload_url"], headers={**TEXT, "x-goog-resumable": "start"})
    assert start.status_code in (400, 403)


# Faults.


def test_every_kind_of_fault_is_explained_and_can_be_asked_for() -> None:
    """No place without kinds, no kind without words; what cannot go wrong is refused."""
    for place, kinds in KINDS.items():
        for kind, words in kinds.items():
            assert words
            assert Fault(place, kind).times == 1
    for bad in (("moon", "500"), ("create", "gone")):
        with pytest.raises(ComplianceFramesError):
            Fault(*bad)  # type: ignore[arg-type]
    with pytest.raises(ComplianceFramesError):
        Fault("create", "lost_answer", times=0)


def test_a_header_asks_for_a_fault(serve: Any) -> None:
    """Of its own request, or of the next upload that is worked on; what cannot be is told."""
    client = serve()
    told = {"authorization": f"Bearer {client.service.bearer_token}"}
    jobs = f"{client.service.base_url}/2/compliance/jobs"
    for header, status in (("unavailable", 503), ("gone", 400), ("job:moon", 400), ("job:failed", 200)):
        request = {**told, "x-compliance-frames-fault": header}
        assert client.http.post(jobs, json={"type": "tweets"}, headers=request).status_code == status, header
    (job,) = client.service.jobs
    document = client.http.get(f"{jobs}/{job.id}", headers=told).json()["data"]
    assert client.put(document).status_code == 200
    assert client.http.get(f"{jobs}/{job.id}", headers=told).json()["data"]["status"] == "failed"


def test_a_lost_answer_leaves_its_effect(serve: Any) -> None:
    """The connection closes, and the job is there all the same."""
    client = serve(Fault("create", "lost_answer"))
    with pytest.raises(httpx.RemoteProtocolError):
        client.create()
    assert len(client.service.jobs) == 1


@pytest.mark.parametrize(
    ("kind", "status", "limits"),
    [
        ("server_error", 500, True),
        ("unavailable", 503, True),
        ("rate_limited", 429, True),
        ("rate_limited_bare", 429, False),
        ("unauthorized", 401, True),
        ("forbidden", 403, True),
    ],
)
def test_faults_of_the_api_happen_as_often_as_told(serve: Any, kind: str, status: int, limits: bool) -> None:
    """After so many good answers, so many bad ones."""
    client = serve(Fault("list", kind, times=2, after=1))
    answers = [client.api("GET", params={"type": "tweets"}) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, status, status, 200]
    assert ("x-rate-limit-reset" in answers[1].headers) == limits


def test_a_truncated_download_breaks_off(serve: Any) -> None:
    """The length is announced, and half of it comes."""
    client = serve(Fault("download", "truncated"))
    job = client.create()
    client.put(job)
    url = client.finished(job)["download_url"]
    with pytest.raises(httpx.RemoteProtocolError):
        client.http.get(url)
    assert client.http.get(url).status_code == 200


# Fates.


def test_fates_are_the_same_every_time_and_have_the_shares_of_the_study() -> None:
    """A seed decides; of a million IDs each reason has its share, to a tenth of a per cent."""
    ids = np.arange(1_000_000) * 4_194_305 + 1_300_000_000_000_000_000
    reasons = Fates(3).of(ids, "tweets")
    assert reasons.equals(Fates(3).of(ids, "tweets"))
    assert not reasons.equals(Fates(4).of(ids, "tweets"))
    counts = reasons.drop_null().cast(pa.string()).value_counts().to_pylist()
    counted = {row["values"]: row["counts"] / len(ids) for row in counts}
    shares = {"suspended": 0.25, "deleted": 0.14, "protected": 0.03, "deactivated": 0.0005, "scrub_geo": 0.01}
    assert set(counted) == set(shares)
    assert all(abs(counted[reason] - share) < 0.001 for reason, share in shares.items())


def test_fates_from_a_table() -> None:
    """Only what the table names is flagged; bad tables are told."""
    fates = Fates.from_table(pa.table({"id": ["20", "21"], "reason": ["deleted", None], "type": ["tweets", None]}))
    assert fates.of([20, 21, 22], "tweets").to_pylist() == ["deleted", None, None]
    assert fates.of([20], "users").to_pylist() == [None]
    with pytest.raises(IdError):
        Fates.from_table(pa.table({"id": [1.5], "reason": ["deleted"]}))
    with pytest.raises(ComplianceFramesError):
        Fates.from_table(pa.table({"id": [1], "reason": ["not a word"]}))


# Its life.


def test_it_leaves_nothing_behind(tmp_path: Path) -> None:
    """No thread, no port, no file; it can be started again."""
    before = {thread.name for thread in threading.enumerate()}
    service = Emulator(data_dir=None)
    for _ in range(2):
        with service:
            base_url = service.base_url
            assert httpx.get(base_url, trust_env=False).status_code == 404
        with pytest.raises(httpx.ConnectError):
            httpx.get(base_url, trust_env=False)
    assert {thread.name for thread in threading.enumerate()} == before


def test_it_is_on_loopback_only_and_says_so_when_not_started() -> None:
    """127.0.0.1, and a taken port is told."""
    with pytest.raises(ComplianceFramesError, match="not started"):
        Emulator().base_url  # noqa: B018
    with Emulator() as service:
        port = int(service.base_url.rpartition(":")[2])
        assert service.base_url == f"http://127.0.0.1:{port}"
        with pytest.raises(ComplianceFramesError, match=f"Port {port}"):
            Emulator(port=port).start()
    assert service.bearer_token not in repr(service)


def test_large_jobs_are_quick_and_do_not_block_the_others(serve: Any) -> None:
    """While 300,000 IDs are worked on, the API answers; all of them are in the result."""
    client = serve()
    ids = np.arange(300_000) * 4_194_305 + 1_300_000_000_000_000_000
    flagged = client.results("tweets", "".join(f"{i}\n" for i in ids).encode()).count(b'"id"')
    assert flagged == len(ids) - Fates(0).of(ids, "tweets").null_count
