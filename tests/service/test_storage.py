"""Signed storage: nothing is believed to be stored or fetched before its length and checksum say so."""

from __future__ import annotations

import base64
import gzip
import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import google_crc32c
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compliance_frames.errors import ChecksumError, DownloadExpiredError, TransferError, UploadExpiredError
from compliance_frames.service.bounded import inflated
from compliance_frames.service.resumable import UNIT
from compliance_frames.service.retry import Budget
from compliance_frames.service.secret import SignedUrl
from compliance_frames.service.storage import Storage

URL = "https://storage.googleapis.com/bucket/object?X-Goog-Algorithm=a&X-Goog-Signature=00ff"
SESSION = URL + "&upload_id=AB12"
BODY = b"".join(b"%d\n" % number for number in range(10**18, 10**18 + 40_000))  # 800 kB: four units, the last one short
assert 3 * UNIT < len(BODY) < 4 * UNIT


def crc(data: bytes) -> str:
    return "crc32c=" + base64.b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode()


def md5(data: bytes) -> str:
    return "md5=" + base64.b64encode(hashlib.md5(data).digest()).decode()


def stored(data: bytes) -> list[tuple[str, str]]:
    """What the storage says of an object that it holds."""
    return [
        ("x-goog-hash", crc(data)),
        ("x-goog-hash", md5(data)),
        ("x-goog-stored-content-length", str(len(data))),
        ("x-goog-stored-content-encoding", "identity"),
    ]


class _Cut(httpx.SyncByteStream):
    def __init__(self, body: bytes, at: int | None) -> None:
        self.body, self.at = body, at

    def __iter__(self) -> Any:
        yield self.body if self.at is None else self.body[: self.at]
        if self.at is not None:
            raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")


def xml(status: int, code: str) -> httpx.Response:
    text = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>m</Message></Error>"
    return httpx.Response(status, stream=_Cut(text.encode(), None))


class World:
    """A transport that answers by a function of its own state, and remembers what it was asked and slept."""

    def __init__(self, answer: Callable[[httpx.Request], httpx.Response], budget: Budget | None = None) -> None:
        self.answer = answer
        self.requests: list[httpx.Request] = []
        self.slept: list[float] = []
        self.storage = Storage(
            base_url="https://api.x.com", transport=httpx.MockTransport(self._handle), sleep=self.slept.append,
            budget=budget,
        )  # fmt: skip

    def _handle(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        return self.answer(request)

    def upload(self, body: bytes = BODY, **options: Any) -> None:
        self.storage.upload(SignedUrl(URL), body, **{"resumable": False, **options})


def in_turn(*answers: Any) -> Callable[[httpx.Request], httpx.Response]:
    """One answer after the other; the last one stays."""
    left = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        following = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(following, Exception):
            raise following
        return following(request) if callable(following) else following

    return answer


# Plain uploads.


def test_a_plain_upload_sends_what_was_signed_and_nothing_more() -> None:
    """PUT with the one signed content type, the exact length, no token and no other x-goog header."""
    world = World(in_turn(httpx.Response(200, headers=stored(BODY))))
    told: list[tuple[int, int | None]] = []
    world.upload(progress=lambda done, total: told.append((done, total)))
    (request,) = world.requests
    assert (request.method, str(request.url), request.content) == ("PUT", URL, BODY)
    assert request.headers["content-type"] == "text/plain"
    assert request.headers["content-length"] == str(len(BODY))
    assert "authorization" not in request.headers
    assert not [name for name in request.headers if name.startswith("x-goog")]
    assert told[-1] == (len(BODY), len(BODY))


@pytest.mark.parametrize(
    "said",
    [
        [("x-goog-hash", crc(b"other")), ("x-goog-stored-content-length", str(len(BODY)))],
        [("x-goog-hash", md5(b"other"))],
        [("x-goog-hash", crc(BODY)), ("x-goog-stored-content-length", "5")],
        [],
    ],
    ids=["crc32c", "md5", "length", "nothing said"],
)
def test_a_wrong_object_spoils_the_job(said: list[tuple[str, str]]) -> None:
    """What is stored is not what was sent, or nobody knows: the service may be at work on it, so no second try."""
    world = World(in_turn(httpx.Response(200, headers=said), httpx.Response(200, headers=stored(BODY))))
    with pytest.raises(ChecksumError, match="does not hold what was uploaded"):
        world.upload()
    assert len(world.requests) == 1


@pytest.mark.parametrize(
    "bad", [httpx.ReadError("x"), httpx.ReadTimeout("x"), httpx.Response(503), xml(400, "BadDigest")]
)
def test_a_plain_upload_is_repeated_as_it_has_one_outcome(bad: Any) -> None:
    """A lost answer, an overload or a digest that broke on the way: the same bytes go up again."""
    world = World(in_turn(bad, httpx.Response(200, headers=stored(BODY))))
    world.upload()
    assert len(world.requests) == 2


@pytest.mark.parametrize("resumable", [False, True])
def test_an_upload_url_that_ran_out_asks_for_a_new_job(resumable: bool) -> None:
    """ExpiredToken is told apart from every other 400."""
    world = World(in_turn(xml(400, "ExpiredToken")))
    with pytest.raises(UploadExpiredError, match="new job"):
        world.upload(resumable=resumable)
    assert len(world.requests) == 1


@pytest.mark.parametrize("code", ["SignatureDoesNotMatch", "AccessDenied", "MalformedSecurityHeader"])
@pytest.mark.parametrize("resumable", [False, True])
def test_a_refusal_is_final_and_named(code: str, resumable: bool) -> None:
    """No amount of trying mends a signature."""
    world = World(in_turn(xml(403, code)))
    with pytest.raises(TransferError, match=code) as caught:
        world.upload(resumable=resumable)
    assert len(world.requests) == 1
    assert "Signature=" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://storage.googleapis.com/o",
        "https://storage.googleapis.com.example/o",
        "https://api.x.com/o",
        "http://127.0.0.1:1/o",
        "https://u@storage.googleapis.com/o",
        "file:///etc/passwd",
        "https://storage.googleapis.com:99999/o",
        "https://storage.googleapis.com/\0",
        "https://[storage.googleapis.com/o",
    ],
)
def test_nothing_is_sent_to_any_other_host(url: str, tmp_path: Path) -> None:
    """A URL from an answer is not followed wherever it points."""
    world = World(in_turn(httpx.Response(200)))
    with pytest.raises(TransferError, match="nothing is sent there"):
        world.storage.upload(SignedUrl(url), b"1\n", resumable=False)
    with pytest.raises(TransferError, match="nothing is sent there"):
        world.storage.download(SignedUrl(url), tmp_path / "a")
    assert world.requests == []


def test_an_emulator_is_its_own_storage_and_only_that() -> None:
    """With the API on loopback, the storage is that very host and port."""
    storage = Storage(base_url="http://127.0.0.1:5", transport=httpx.MockTransport(lambda r: httpx.Response(200)))
    storage.check_host(SignedUrl("http://127.0.0.1:5/storage/o"))
    for other in ("http://127.0.0.1:6/o", "https://127.0.0.1:5/o", URL):
        with pytest.raises(TransferError):
            storage.check_host(SignedUrl(other))


def test_an_empty_body_is_refused() -> None:
    """A job of nothing is a mistake."""
    world = World(in_turn(httpx.Response(200)))
    with pytest.raises(TransferError, match="empty"):
        world.upload(b"")
    assert world.requests == []


# Resumable uploads.


class Bucket:
    """A storage that keeps what it likes of each part, and can misbehave once at each request."""

    def __init__(self, keep: Callable[[int], int] = lambda sent: sent, misbehave: dict[int, Any] | None = None) -> None:
        self.keep, self.misbehave = keep, misbehave or {}
        self.data = b""
        self.sessions = 0
        self.alive = False
        self.count = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.count += 1
        oddity = self.misbehave.get(self.count)
        if isinstance(oddity, Exception):
            raise oddity
        if isinstance(oddity, httpx.Response):
            return oddity
        answer = self._answer(request)
        if oddity == "lost":
            raise httpx.ReadError("the answer was lost")
        return answer

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            assert request.headers["x-goog-resumable"] == "start"
            assert request.headers["content-length"] == "0"
            assert request.headers["content-type"] == "text/plain"
            self.sessions, self.alive, self.data = self.sessions + 1, True, b""
            return httpx.Response(201, headers={"location": SESSION})
        if not self.alive:
            return httpx.Response(410)
        span, _, total = request.headers["content-range"].removeprefix("bytes ").partition("/")
        if span != "*":
            start, _, end = span.partition("-")
            if int(start) > len(self.data):
                return httpx.Response(503, text="Invalid request. According to the Content-Range header, …")
            content = request.content
            assert len(content) == int(end) - int(start) + 1
            assert len(content) % UNIT == 0 or int(end) + 1 == int(total)
            kept = self.keep(len(content))
            whole = int(end) + 1 == int(total) and kept >= len(content)
            self.data = self.data[: int(start)] + (content if whole else content[: kept // UNIT * UNIT])
        if len(self.data) == int(total):
            return httpx.Response(200, headers=stored(self.data))
        headers = {"range": f"bytes=0-{len(self.data) - 1}"} if self.data else {}
        return httpx.Response(308, headers=headers)


def test_a_resumable_upload_stores_the_whole_body(tmp_path: Path) -> None:
    """A session is opened, the parts go up, and its file is gone at the end."""
    bucket = Bucket()
    World(bucket).upload(resumable=True, session_file=tmp_path / "session")
    assert bucket.data == BODY
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=60, deadline=None)
@given(
    keeps=st.lists(st.integers(0, 5 * UNIT), max_size=6),
    faults=st.dictionaries(
        st.integers(1, 12),
        st.sampled_from([httpx.ReadError("x"), httpx.ConnectError("x"), "lost", *map(httpx.Response, (500, 503, 429))]),
        max_size=5,
    ),
)
def test_whatever_goes_wrong_the_body_arrives_or_an_error_does(keeps: list[int], faults: dict[int, Any]) -> None:
    """Lost answers, overloads and parts that are kept in part only: the stored bytes are the sent ones."""
    left = list(keeps)
    bucket = Bucket(lambda sent: min(left.pop(0), sent) if left else sent, faults)
    world = World(bucket)
    try:
        world.upload(resumable=True)
    except TransferError:
        return
    assert bucket.data == BODY


def test_no_range_means_that_nothing_was_kept() -> None:
    """A 308 without Range sends everything again, from the first byte."""
    first = True

    def keep(sent: int) -> int:
        nonlocal first
        kept, first = (0 if first else sent), False
        return kept

    bucket = Bucket(keep)
    world = World(bucket)
    world.upload(resumable=True)
    assert bucket.data == BODY
    ranges = [request.headers.get("content-range", "") for request in world.requests]
    assert sum(span.startswith("bytes 0-") for span in ranges) == 2


def test_a_lost_last_answer_is_asked_after() -> None:
    """The status query finds that all is stored; nothing is sent twice."""
    bucket = Bucket(misbehave={2: "lost"})
    world = World(bucket)
    world.upload(resumable=True)
    assert [request.headers.get("content-range", "")[:9] for request in world.requests][1:] == [
        "bytes 0-7",
        "bytes */8",
    ]


@pytest.mark.parametrize("status", [404, 410])
def test_a_session_that_is_gone_is_begun_anew(status: int) -> None:
    """While the signed URL lives, a new session takes the body from the start."""
    bucket = Bucket(misbehave={2: httpx.Response(status)})
    World(bucket).upload(resumable=True)
    assert (bucket.sessions, bucket.data) == (2, BODY)
    bucket = Bucket(misbehave={2: httpx.Response(status), 3: xml(400, "ExpiredToken")})
    with pytest.raises(UploadExpiredError):
        World(bucket).upload(resumable=True)


@pytest.mark.parametrize("status", [400, 403, 412])
def test_other_refusals_of_a_part_are_final(status: int) -> None:
    """412 and other 4xx end the upload."""
    world = World(Bucket(misbehave={2: httpx.Response(status)}))
    with pytest.raises(TransferError, match=str(status)):
        world.upload(resumable=True)
    assert len(world.requests) == 2


def test_an_acknowledgement_of_more_than_was_sent_is_data_loss() -> None:
    """It is told loudly, and the session is not used again."""
    small = BODY[: UNIT // 2]
    world = World(Bucket(misbehave={2: httpx.Response(308, headers={"range": f"bytes=0-{len(small) + 5}"})}))
    with pytest.raises(TransferError, match="unsound"):
        world.upload(small, resumable=True)


def test_a_wrong_final_size_is_data_loss(tmp_path: Path) -> None:
    """The last answer names another length than was sent: the upload failed, and its session is erased."""
    world = World(Bucket(misbehave={2: httpx.Response(200, headers=stored(BODY[:-1]))}))
    with pytest.raises(ChecksumError, match="does not hold"):
        world.upload(resumable=True, session_file=tmp_path / "session")
    assert list(tmp_path.iterdir()) == []


def test_a_session_on_another_host_is_refused() -> None:
    """The Location of a session is held to the same rule as every other URL."""
    evil = httpx.Response(201, headers={"location": "https://elsewhere.example/o?upload_id=1"})
    world = World(Bucket(misbehave={1: evil}))
    with pytest.raises(TransferError, match="nothing is sent there"):
        world.upload(resumable=True)
    assert len(world.requests) == 1


def test_another_process_goes_on_with_the_session(tmp_path: Path) -> None:
    """What is already stored is not sent again; the session's file is readable by its owner only."""
    file = tmp_path / "session"
    bucket = Bucket(lambda sent: 2 * UNIT, {3: httpx.Response(400)})
    before = os.umask(0)
    try:
        with pytest.raises(TransferError):
            World(bucket).upload(resumable=True, session_file=file)
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(bucket.data) == 2 * UNIT
    bucket.keep, bucket.misbehave = (lambda sent: sent), {}
    second = World(bucket)
    second.upload(resumable=True, session_file=file)
    assert bucket.data == BODY
    assert bucket.sessions == 1
    assert sum(len(request.content) for request in second.requests) == len(BODY) - 2 * UNIT
    assert not file.exists()


@pytest.mark.parametrize("status", [400, 403, 412])
def test_a_session_that_may_not_be_asked_after_is_begun_anew(status: int, tmp_path: Path) -> None:
    """A refusal that stays would end every run that comes, until the job has expired."""
    file = tmp_path / "session"
    bucket = Bucket(lambda sent: 2 * UNIT, {3: httpx.Response(status)})
    with pytest.raises(TransferError):
        World(bucket).upload(resumable=True, session_file=file)
    bucket.keep, bucket.misbehave = (lambda sent: sent), {4: httpx.Response(status)}
    World(bucket).upload(resumable=True, session_file=file)
    assert (bucket.sessions, bucket.data) == (2, BODY)
    assert not file.exists()


@pytest.mark.parametrize("content", ["", "{}", "garbage", '{"session": 5, "bytes": 1, "crc32c": 2}'])
def test_a_session_file_of_something_else_is_ignored(tmp_path: Path, content: str) -> None:
    """A torn or foreign session file costs a new session, not the upload."""
    (tmp_path / "session").write_text(content)
    bucket = Bucket()
    World(bucket).upload(resumable=True, session_file=tmp_path / "session")
    assert bucket.data == BODY


def test_patience_begins_anew_when_bytes_advance() -> None:
    """A flaky line that moves a little each time gets through; more failures in all than the budget has in a row."""
    faults: dict[int, Any] = {number: httpx.ReadError("x") for number in (2, 5, 8, 11)}
    bucket = Bucket(misbehave=faults)
    bucket.keep = lambda sent: UNIT if len(bucket.data) < 3 * UNIT else sent
    World(bucket, Budget(tries=1)).upload(resumable=True)
    assert bucket.data == BODY


# Downloads.


class Shelf:
    """One stored object, served whole or from a byte on, cut short or spoilt as told."""

    def __init__(self, data: bytes, **headers: str) -> None:
        self.data, self.headers, self.etag = data, headers, '"e1"'
        self.cuts: list[int] = []
        self.spoil = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert "authorization" not in request.headers
        start = 0
        if "range" in request.headers:
            if request.headers["if-match"] != self.etag:
                return httpx.Response(412, stream=_Cut(b"", None))
            start = int(request.headers["range"].removeprefix("bytes=").removesuffix("-"))
        body = self.data[start:]
        if self.spoil:
            self.spoil -= 1
            body = b"X" + body[1:]
        headers = [("etag", self.etag), ("x-goog-hash", crc(self.data)), ("accept-ranges", "bytes")]
        headers += [("x-goog-stored-content-length", str(len(self.data))), ("content-length", str(len(body)))]
        headers += [(name.replace("_", "-"), value) for name, value in self.headers.items()]
        if start:
            headers += [("content-range", f"bytes {start}-{len(self.data) - 1}/{len(self.data)}")]
        return httpx.Response(
            206 if start else 200, headers=headers, stream=_Cut(body, self.cuts.pop(0) if self.cuts else None)
        )


def fetch(world: World, path: Path, **options: Any) -> Any:
    return world.storage.download(SignedUrl(URL), path, **options)


def test_a_download_is_verified_and_private(tmp_path: Path) -> None:
    """The file has the object's bytes, mode 0600 whatever the umask, and nothing lies beside it."""
    before = os.umask(0)
    try:
        told = fetch(World(Shelf(BODY)), tmp_path / "a")
    finally:
        os.umask(before)
    assert (tmp_path / "a").read_bytes() == BODY
    assert (told.bytes, "crc32c=" + told.crc32c) == (len(BODY), crc(BODY))
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_an_empty_object_is_all_clear(tmp_path: Path) -> None:
    """A result file without a line is a file."""
    assert fetch(World(Shelf(b"")), tmp_path / "a").bytes == 0


def test_a_broken_download_goes_on_at_the_next_byte(tmp_path: Path) -> None:
    """The rest is asked for by Range, on the condition that the object is still the same."""
    shelf = Shelf(BODY)
    shelf.cuts = [1000, 5000]
    world = World(shelf)
    fetch(world, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == BODY
    assert [request.headers.get("range") for request in world.requests] == [None, "bytes=1000-", "bytes=6000-"]
    assert {request.headers.get("if-match") for request in world.requests[1:]} == {'"e1"'}


def test_an_object_that_changed_is_fetched_from_the_start(tmp_path: Path) -> None:
    """412: the first bytes belong to another object and are thrown away."""
    shelf = Shelf(b"old" * 1000)
    shelf.cuts = [100]

    def answer(request: httpx.Request) -> httpx.Response:
        response = shelf(request)
        shelf.data, shelf.etag = BODY, '"e2"'
        return response

    fetch(World(answer), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == BODY


def test_a_server_that_ignores_the_range_is_read_from_the_start(tmp_path: Path) -> None:
    """200 instead of 206: what there was is not put in front."""
    shelf = Shelf(BODY)
    shelf.cuts = [1000]

    def answer(request: httpx.Request) -> httpx.Response:
        request.headers.pop("range", None)
        return shelf(request)

    world = World(answer)
    fetch(world, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == BODY
    assert len(world.requests) == 2


def test_a_wrong_checksum_is_fetched_again_and_then_told(tmp_path: Path) -> None:
    """One spoilt download is repeated; three are an error, and nothing is left at the target."""
    shelf = Shelf(BODY)
    shelf.spoil = 2
    fetch(World(shelf), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == BODY
    (tmp_path / "a").unlink()
    shelf.spoil = 3
    with pytest.raises(ChecksumError, match="CRC32C differs"):
        fetch(World(shelf), tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_a_download_without_a_checksum_is_not_believed(tmp_path: Path) -> None:
    """Nothing says that it is whole."""
    world = World(lambda request: httpx.Response(200, stream=_Cut(BODY, None)))
    with pytest.raises(ChecksumError, match="without a checksum"):
        fetch(world, tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_an_object_stored_as_gzip_is_hashed_as_stored_and_handed_out_unpacked(tmp_path: Path) -> None:
    """The checksum is of the stored bytes; the file holds the lines."""
    packed = gzip.compress(BODY)
    shelf = Shelf(packed, content_encoding="gzip", x_goog_stored_content_encoding="gzip")
    assert fetch(World(shelf), tmp_path / "a").bytes == len(BODY)
    assert (tmp_path / "a").read_bytes() == BODY


def unpacked(*blocks: bytes, most: int = 10_000_000) -> bytes:
    return b"".join(inflated(blocks, most=most))


@pytest.mark.parametrize("size", [1, 7, 10**9])
def test_what_unpacks_beyond_measure_is_refused(size: int) -> None:
    """A bomb is not unpacked; neither is a stream that was cut, wherever the blocks end in which it comes."""

    def blocks(data: bytes) -> list[bytes]:
        return [data[at : at + size] for at in range(0, len(data), size)]

    with pytest.raises(TransferError, match="refused"):
        unpacked(*blocks(gzip.compress(b"0" * 20_000_000)))
    for cut in (1, 7, 8, 9, 20):
        with pytest.raises(ChecksumError, match="not whole"):
            unpacked(*blocks(gzip.compress(BODY)[:-cut]))
    for bad in (b"no gzip", gzip.compress(b"a") + b"rest", gzip.compress(BODY)[:-8] + b"\1" * 8):
        with pytest.raises(ChecksumError, match="not whole"):
            unpacked(*blocks(bad))
    assert unpacked(*blocks(gzip.compress(b"a") + gzip.compress(b"b") + b"\0\0")) == b"ab"
    assert unpacked(*blocks(gzip.compress(BODY * 9))) == BODY * 9
    with pytest.raises(TransferError, match="refused"):
        unpacked(gzip.compress(b"") * 20_000)


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (xml(400, "ExpiredToken"), DownloadExpiredError, "asked again"),
        (lambda _: xml(404, "NoSuchKey"), DownloadExpiredError, "NoSuchKey.*asked again"),
        (xml(403, "SignatureDoesNotMatch"), TransferError, "SignatureDoesNotMatch"),
        (
            httpx.Response(302, headers={"location": "https://elsewhere.example/"}, stream=_Cut(b"", None)),
            TransferError,
            "302",
        ),
    ],
)
def test_refused_downloads_are_named(tmp_path: Path, answer: Any, error: Any, words: str) -> None:
    """Each refusal is its own error, no redirect is followed, and no file is made."""
    world = World(in_turn(answer), Budget(tries=2))
    with pytest.raises(error, match=words):
        fetch(world, tmp_path / "a")
    assert len(world.requests) == (3 if "NoSuchKey" in words else 1), "what is not there yet may be in a moment"
    assert not (tmp_path / "a").exists()


def test_a_download_that_always_begins_anew_is_given_up(tmp_path: Path) -> None:
    """Another object at every look, on a line that breaks: bytes come and come, and never all of them."""
    shelf = Shelf(BODY)
    shelf.cuts = [5] * 1000

    def changing(request: httpx.Request) -> httpx.Response:
        shelf.etag = f'"{len(shelf.cuts)}"'
        return shelf(request)

    world = World(changing)
    with pytest.raises(TransferError, match="begin anew, again and again"):
        fetch(world, tmp_path / "a")
    assert len(world.requests) < 50


def test_a_storage_that_stays_down_is_given_up(tmp_path: Path) -> None:
    """The budget ends, with what to do next; the error shows no signature, nor does what caused it."""
    world = World(in_turn(httpx.ConnectError(URL)))
    with pytest.raises(TransferError, match="Run again") as caught:
        fetch(world, tmp_path / "a")
    assert len(world.slept) == Budget().tries
    assert "Signature" not in f"{caught.value!r}{caught.value.__context__!r}{caught.value.__cause__!r}"
