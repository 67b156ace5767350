"""Everything that can go wrong does so when a request asks for it; the emulator is asked here by plain HTTP."""

from __future__ import annotations

import base64
import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import google_crc32c
import httpx
import numpy as np
import pytest

from compliance_frames.emulator import Emulator, Fault, Faults
from compliance_frames.emulator.faults import HEADER, KINDS

IDS = np.unique(np.random.default_rng(2).integers(1_400_000_000_000_000_000, 1_500_000_000_000_000_000, 30_000))
BODY = "".join(f"{i}\n" for i in IDS).encode()
UNIT = 262_144
TEXT = {"content-type": "text/plain"}
STATUS = {
    "server_error": 500, "unavailable": 503, "rate_limited": 429, "rate_limited_bare": 429, "unauthorized": 401,
    "forbidden": 403, "expired": 400, "gone": 410, "not_found": 404, "no_range": 308, "persist_less": 308,
}  # fmt: skip
BROKEN = {"lost_answer", "reset", "stall"}
assert 2 * UNIT < len(BODY) < 3 * UNIT


class Client:
    """The API and its storage, without any code of the package; ``fault`` goes out in the header of one request."""

    def __init__(self, service: Emulator) -> None:
        self.service, self.http = service, httpx.Client(trust_env=False)

    def request(self, method: str, url: str, fault: str = "", **options: Any) -> httpx.Response:
        headers = options.pop("headers", {}) | ({HEADER: fault} if fault else {})
        return self.http.request(method, url, headers=headers, **options)

    def api(self, method: str, path: str = "", fault: str = "", **options: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.service.bearer_token}"}
        return self.request(
            method, f"{self.service.base_url}/2/compliance/jobs{path}", fault, headers=headers, **options
        )

    def create(self, fault: str = "", **body: Any) -> httpx.Response:
        return self.api("POST", fault=fault, json={"type": "tweets", **body})

    def job(self, **body: Any) -> dict[str, Any]:
        return dict(self.create(**body).json()["data"])

    def get(self, job: dict[str, Any], fault: str = "") -> httpx.Response:
        return self.api("GET", f"/{job['id']}", fault)

    def put(self, job: dict[str, Any], fault: str = "") -> httpx.Response:
        return self.request("PUT", job["upload_url"], fault, content=BODY, headers=TEXT)

    def open(self, job: dict[str, Any], fault: str = "") -> httpx.Response:
        headers = {**TEXT, "x-goog-resumable": "start"}
        return self.request("POST", job["upload_url"], fault, headers=headers)

    def part(self, session: str, start: int, end: int, fault: str = "") -> httpx.Response:
        headers = {"content-range": f"bytes {start}-{end - 1}/{len(BODY)}"}
        return self.request("PUT", session, fault, headers=headers, content=BODY[start:end])

    def kept(self, session: str) -> int:
        answer = self.request("PUT", session, headers={"content-range": f"bytes */{len(BODY)}"})
        assert answer.status_code == 308
        return int(answer.headers["range"].partition("-")[2]) + 1 if "range" in answer.headers else 0

    def take(self, url: str, fault: str, got: bytearray) -> None:
        with self.http.stream("GET", url, headers={HEADER: fault}) as answer:
            for block in answer.iter_raw():
                got += block

    def finished(self) -> dict[str, Any]:
        job = self.job()
        assert self.put(job).status_code == 200
        return self.ended(job)

    def ended(self, job: dict[str, Any]) -> dict[str, Any]:
        for _ in range(2000):
            found = dict(self.get(job).json()["data"])
            if found["status"] not in ("created", "in_progress"):
                return found
        raise AssertionError("the job does not end")


@pytest.fixture
def client() -> Iterator[Client]:
    with Emulator(rate_limit=100_000) as service:
        asking = Client(service)
        yield asking
        asking.http.close()


def crc(data: bytes) -> str:
    return base64.b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode()


def hashes(answer: httpx.Response) -> str:
    return ",".join(answer.headers.get_list("x-goog-hash"))


@pytest.mark.parametrize("kind", KINDS["api"])
@pytest.mark.parametrize("place", ["create", "get", "list"])
def test_calls_of_the_api_go_wrong(client: Client, place: str, kind: str) -> None:
    """Each kind once, where the header asks for it; the next request is answered as ever."""
    job = client.job(name="before")
    if place == "create":
        client.service.advance(timedelta(hours=1))  # the slot is free again
    fault = f"{kind},lasting=0.01"

    def ask(fault: str) -> httpx.Response:
        if place == "create":
            return client.create(fault)
        return client.get(job, fault) if place == "get" else client.api("GET", fault=fault, params={"type": "tweets"})

    jobs = len(client.service.jobs)
    if kind not in KINDS[place]:  # type: ignore[index]
        assert ask(fault).status_code == 400, "what cannot go wrong there is refused"
        return
    if kind in BROKEN:
        with pytest.raises(httpx.TransportError):
            ask(fault)
    else:
        answer = ask(fault)
        assert answer.status_code == STATUS.get(kind, 200)
        if kind.startswith("rate_limited"):
            assert ("x-rate-limit-reset" in answer.headers) == (kind == "rate_limited")
        if kind in ("unknown_status", "unknown_fields"):
            assert "reticulat" in answer.text
        if kind == "slow_clock":
            date = parsedate_to_datetime(answer.headers["date"].replace("UTC", "GMT"))
            assert date < datetime.now(UTC) + timedelta(hours=1) - timedelta(minutes=59)
    is_done = place == "create" and kind in ("lost_answer", "slow_clock", "unknown_fields")
    assert len(client.service.jobs) == jobs + is_done
    if not is_done:
        assert ask("").status_code == 200


def test_somebody_else_comes_first(client: Client) -> None:
    """The slot is taken at the very moment when it is asked for, for as long as was told."""
    assert client.create("foreign_job,lasting=0.05").status_code == 409
    while (answer := client.create(name="mine")).status_code == 409:
        pass
    assert answer.status_code == 200
    assert [job.name for job in client.service.jobs] == ["somebody-else", "mine"]


@pytest.mark.parametrize("kind", KINDS["upload"])
def test_plain_uploads_go_wrong(client: Client, kind: str) -> None:
    """What is refused or broken off is not stored; what is stored without an answer, or with a wrong one, is."""
    job = client.job()
    fault = f"{kind},bytes=70000,lasting=0.01"
    if kind in BROKEN:
        with pytest.raises(httpx.TransportError):
            client.put(job, fault)
    else:
        answer = client.put(job, fault)
        assert answer.status_code == STATUS.get(kind, 200)
        if kind == "wrong_crc32c":
            assert crc(BODY) not in hashes(answer)
    stored = client.service.uploads
    assert bool(stored) == (kind in ("lost_answer", "wrong_crc32c"))
    if stored:
        assert stored[int(job["id"])].read_bytes() == BODY
    if kind == "expired":
        assert client.get(job).json()["data"]["status"] == "expired"
    elif not stored:
        answer = client.put(job)
        assert answer.status_code == 200
        assert crc(BODY) in hashes(answer)


@pytest.mark.parametrize("kind", KINDS["session"])
def test_sessions_fail_to_open(client: Client, kind: str) -> None:
    """No session comes of it; another try opens one, unless the URL ran out."""
    job = client.job(resumable=True)
    fault = f"{kind},lasting=0.01"
    if kind in BROKEN:
        with pytest.raises(httpx.TransportError):
            client.open(job, fault)
    else:
        answer = client.open(job, fault)
        assert answer.status_code == STATUS[kind]
        assert "location" not in answer.headers
    assert client.open(job).status_code == 201
    assert (client.get(job).json()["data"]["status"] == "expired") == (kind == "expired")


@pytest.mark.parametrize("kind", KINDS["part"])
def test_parts_go_wrong(client: Client, kind: str) -> None:
    """The storage keeps all, some or nothing of a part, and says how much when it is asked."""
    session = client.open(client.job(resumable=True)).headers["location"]
    fault = f"{kind},bytes={UNIT + 70_000},lasting=0.01"
    if kind == "wrong_crc32c":
        answer = client.part(session, 0, len(BODY), fault)
        assert answer.status_code == 200
        assert crc(BODY) not in hashes(answer)
        return
    if kind in BROKEN:
        with pytest.raises(httpx.TransportError):
            client.part(session, 0, 2 * UNIT, fault)
    else:
        assert client.part(session, 0, 2 * UNIT, fault).status_code == STATUS[kind]
    if kind in ("gone", "not_found"):
        assert client.part(session, 0, 2 * UNIT).status_code == 404
        return
    kept = client.kept(session)
    if kind in ("reset", "stall"):  # what was under way when the connection broke may be lost too
        assert kept in (0, UNIT)
    else:
        assert kept == {"persist_less": UNIT, "lost_answer": 2 * UNIT}.get(kind, 0)
    answer = client.part(session, kept, len(BODY))
    assert answer.status_code == 200
    assert crc(BODY) in hashes(answer)


@pytest.mark.parametrize("kind", KINDS["download"])
def test_downloads_go_wrong(client: Client, kind: str) -> None:
    """What is announced and what comes differ; asked again, the storage sends what it has."""
    url = client.finished()["download_url"]
    whole = client.request("GET", url)
    assert crc(whole.content) in hashes(whole)
    fault = f"{kind},bytes=1000,lasting=0.01"
    if kind in BROKEN or kind == "truncated":
        got = bytearray()
        with pytest.raises(httpx.TransportError):
            client.take(url, fault, got)
        assert len(got) == {"truncated": len(whole.content) // 2}.get(kind, 0) or kind in ("reset", "stall")
        assert whole.content.startswith(got)
        assert len(got) < len(whole.content)
    elif kind == "gzip":
        with client.http.stream("GET", url, headers={HEADER: fault}) as answer:
            packed = b"".join(answer.iter_raw())
        assert answer.headers["content-encoding"] == "gzip"
        assert gzip.decompress(packed) == whole.content
        assert crc(packed) in hashes(answer), "the checksum is of what is stored"
    else:
        answer = client.request("GET", url, fault)
        assert answer.status_code == STATUS.get(kind, 200)
        assert kind != "wrong_crc32c" or crc(whole.content) not in hashes(answer)
    assert client.request("GET", url).content == whole.content


@pytest.mark.parametrize("kind", KINDS["job"])
def test_jobs_go_wrong(kind: str) -> None:
    """The job ends badly, or its result file is not what it should be."""
    with Emulator(rate_limit=100_000, faults=Faults([Fault("job", kind)])) as service:
        client = Client(service)
        job = client.finished()
        assert job["status"] == {"failed": "failed", "expired": "expired"}.get(kind, "complete")
        assert (job.get("error") is not None) == (kind == "failed")
        if job["status"] == "complete":
            lines = [line for line in client.request("GET", job["download_url"]).text.splitlines() if line]
            if kind == "repeated":
                assert len(lines) == 2 * len(set(lines))
            else:
                with pytest.raises(json.JSONDecodeError):
                    json.loads(lines[-1])
        client.http.close()


@pytest.mark.parametrize("told", ["nonsense", "gone", "reset,bytes=x", "lost_answer*0"])
def test_a_header_that_asks_for_what_cannot_be_is_refused(client: Client, told: str) -> None:
    """400 with words, and nothing is done."""
    answer = client.create(told)
    assert answer.status_code == 400
    assert "fault" in answer.text or "go wrong" in answer.text
    assert client.service.jobs == []


def test_the_faults_are_listed() -> None:
    """Each place and kind with its words."""
    done = subprocess.run(
        [sys.executable, "-m", "compliance_frames", "emulate", "--list-faults", "--json"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert json.loads(done.stdout)["faults"] == KINDS
