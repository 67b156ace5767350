"""What the other side of the network may do to us: nothing but answer, briefly, from where it was asked."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from ipaddress import IPv4Address
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from compliance_frames.errors import ComplianceFramesError, ServiceError, TransferError
from compliance_frames.service.addresses import base_url_from, is_storage, origin_of
from compliance_frames.service.api import ComplianceApi
from compliance_frames.service.retry import Budget
from compliance_frames.service.secret import SignedUrl
from compliance_frames.service.storage import Storage

REAL = "https://storage.googleapis.com/b/o?X-Goog-Signature=00"
TOKEN = "canary-token"
ONCE = Budget(tries=0, limits=0)

ELSEWHERE = [
    "http://storage.googleapis.com/o",
    "https://u:p@storage.googleapis.com/o",
    "https://:p@storage.googleapis.com/o",
    "https://@storage.googleapis.com/o",
    "https://storage.googleapis.com@evil.example/o",
    "https://storage.googleapis.com\\@evil.example/o",
    "https://evil.example\\.storage.googleapis.com/o",
    "https://storage.googleapis.com:444/o",
    "https://storage.googleapis.com:0/o",
    "https://storage.googleapis.com./o",
    "https://storage.googleapis.com.evil.example/o",
    "https://ſtorage.googleapis.com/o",
    "https://storage。googleapis.com/o",
    "https://storage.googleаpis.com/o",
    "https://xn--storage.googlepis.com/o",
    "https://storage%2egoogleapis.com/o",
    "https://storage.googleapis.com\t/o",
    "https://storage.googleapis.com/o\r\nX-Injected: 1",
    " https://storage.googleapis.com/o",
    "https:storage.googleapis.com/o",
    "https:///storage.googleapis.com/o",
    "//storage.googleapis.com/o",
    "/o?upload_id=1",
    "https://storage.googleapis.com#@evil.example/",
    "https://evil.example/#storage.googleapis.com",
    "https://127.0.0.1/o",
    "https://2130706433/o",
    "https://0x7f000001/o",
    "https://0177.0.0.1/o",
    "https://127.1/o",
    "https://[::1]/o",
    "https://[::ffff:127.0.0.1]/o",
    "https://[fe80::1%25eth0]/o",
    "https://169.254.169.254/latest/meta-data",
    "https://metadata.google.internal/o",
    "https://10.0.0.1/o",
    "file:///etc/passwd",
    "",
    "https://storage.googleapis.com/" + "o" * 20_000,
]


@pytest.mark.parametrize("url", ELSEWHERE)
def test_a_storage_url_that_leads_elsewhere_is_refused(url: str, tmp_path: Path) -> None:
    """For uploads, downloads and sessions alike: nothing at all is sent there."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(201, headers=[(b"location", url.encode("utf-8", "replace"))])

    with Storage(base_url="https://api.x.com", transport=httpx.MockTransport(answer), budget=ONCE) as storage:
        for resumable in (True, False):
            with pytest.raises(TransferError, match="nothing is sent there"):
                storage.upload(SignedUrl(url), b"1\n", resumable=resumable)
        with pytest.raises(TransferError, match="nothing is sent there"):
            storage.download(SignedUrl(url), tmp_path / "a")
        assert asked == []
        with pytest.raises(TransferError, match="nothing is sent there" if url else "failed"):
            storage.upload(SignedUrl(REAL), b"1\n", resumable=True)  # which names such a session
        assert [request.method for request in asked] == ["POST"]


PIECES = st.sampled_from(
    ["https://", "http://", "storage.googleapis.com", "evil.example", "@", ":", "443", "/", "\\", "#", "?", ".", "%40",
     "\t", "[", "]", "u", "//", "ſ", "\u3002", ";", "\n", "&", "'", ","]
)  # fmt: skip


@given(st.lists(PIECES, max_size=9).map("".join).map(lambda rest: f"https://storage.googleapis.com{rest}"))
def test_every_library_reads_an_accepted_url_alike(url: str) -> None:
    """What passes leads to the storage, for whoever takes it apart; there is no user in it and no other port."""
    if not is_storage(url, None):
        return
    for parts in (urlsplit(url), httpx.URL(url)):
        host = parts.hostname if hasattr(parts, "hostname") else parts.host
        assert host == "storage.googleapis.com"
        assert parts.port in (None, 443)
        assert "@" not in (parts.netloc if isinstance(parts.netloc, str) else parts.netloc.decode())
    assert httpx.Request("GET", url).headers["host"] == "storage.googleapis.com"


def test_an_emulator_is_the_only_storage_of_its_own_api() -> None:
    """On loopback: that host, that port, no user; the real storage is none then, and loopback is none for the real."""
    ours = origin_of("http://127.0.0.1:5")
    assert is_storage("http://127.0.0.1:5/storage/o?upload_id=1", ours)
    for url in ("http://u@127.0.0.1:5/o", "http://127.0.0.1:6/o", "http://127.0.0.2:5/o", "http://localhost:5/o", REAL):
        assert not is_storage(url, ours)
    assert not is_storage("http://127.0.0.1:5/o", None)
    assert not is_storage("", None)


@pytest.mark.parametrize(
    "url",
    [
        "https://10.0.0.1",
        "https://192.168.1.1/x",
        "https://169.254.169.254",
        "https://[fd00::1]",
        "https://[::ffff:10.0.0.1]",
        "https://[64:ff9b::a00:1]",
        "https://[2002:a00:1::]",
        "https://[fe80::1]",
        "https://[fd00:ec2::254]",
        "https://[64:ff9b::a9fe:a9fe]",
        "https://[::a00:1]",
        "https://[2002:a9fe:a9fe::1]",
        "https://100.100.100.200",
        "https://224.0.0.1",
        "https://0x0a.0.0.1",
        "https://167772161",
        "https://0.0.0.0",
        "https://api.x.com\\@evil.example",
        "https://аpi.x.com",
        "https://api.x.com/\r\nHost: evil.example",
        "https://:canary@api.x.com",
    ],
)
def test_the_token_goes_to_no_private_and_to_no_ambiguous_address(url: str) -> None:
    """Nor does the refusal repeat what stands where a password stands."""
    with pytest.raises(ComplianceFramesError, match=r"refused|not the address") as caught:
        base_url_from(url)
    assert "canary" not in str(caught.value)


def test_the_storage_client_has_no_credentials_of_any_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No token from the environment, no password from ~/.netrc, no cookie that an earlier answer set."""
    monkeypatch.setenv("X_BEARER_TOKEN", TOKEN)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".netrc").write_text("default login canary password canary\n")
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(503, headers={"set-cookie": "canary=1; Path=/"})

    with (
        Storage(
            base_url="https://api.x.com",
            transport=httpx.MockTransport(answer),
            budget=Budget(tries=2),
            sleep=lambda _: None,
        ) as storage,
        pytest.raises(TransferError),
    ):
        storage.upload(SignedUrl(REAL), b"1\n", resumable=False)
    assert len(asked) == 3
    assert all("canary" not in str(request.headers.raw) and "cookie" not in request.headers for request in asked)


@contextmanager
def server(speak: Callable[[socket.socket], None], *, greeted: bool = True) -> Iterator[str]:
    """A server on loopback that says what it likes to each who connects, greeted first or not, until they hang up."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    with connection, suppress(OSError):
                        if greeted:
                            connection.recv(65_536)
                        speak(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
    thread.join(timeout=10)
    assert not thread.is_alive()


def endless(head: bytes, line: bytes) -> Callable[[socket.socket], None]:
    """Begins well, and then says the same for ever; gives up after a gigabyte, which nobody should have read."""

    def speak(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 " + head)
        for _ in range(2**30 // (len(line) * 1000)):
            connection.sendall(line * 1000)
        raise AssertionError("all of it was read")

    return speak


ENDLESS = {
    "headers": endless(b"200 OK\r\n", b"X-More: and more\r\n"),
    "one header": endless(b"200 OK\r\nX-Long: ", b"and more and more"),
    "content": endless(b"500 Error\r\n\r\n", b"and more and more"),
    "content of a success": endless(b"200 OK\r\n\r\n", b"and more and more"),
    "chunks": endless(
        b"500 Error\r\nTransfer-Encoding: chunked\r\n\r\n", b"400\r\n" + b"0123456789abcdef" * 64 + b"\r\n"
    ),
    "one chunk": endless(b"500 Error\r\nTransfer-Encoding: chunked\r\n\r\nffffffffff\r\n", b"0123456789abcdef"),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_an_endless_answer_ends(kind: str, tmp_path: Path) -> None:
    """Headers, content or chunks that never end are an error; of them no more is read than an answer can have."""
    with server(ENDLESS[kind]) as url, small_memory(100_000_000):
        with ComplianceApi(TOKEN, base_url=url, budget=ONCE) as api, pytest.raises(ComplianceFramesError) as caught:
            api.jobs("tweets")
        assert TOKEN not in str(caught.value)
        with Storage(base_url=url, budget=ONCE) as storage:
            with pytest.raises(ComplianceFramesError):
                storage.upload(SignedUrl(f"{url}/o"), b"1\n", resumable=False)
            with pytest.raises(TransferError):
                storage.download(SignedUrl(f"{url}/o"), tmp_path / "a", at_most=1_000_000)
    assert not (tmp_path / "a").exists()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) == 0


@contextmanager
def small_memory(most: int) -> Iterator[None]:
    """What runs here has no more memory than that at any moment, as far as Python hands it out."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


class Blocks(httpx.SyncByteStream):
    """Content that comes in blocks."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self.blocks = blocks

    def __iter__(self) -> Iterator[bytes]:
        yield from self.blocks


@pytest.mark.parametrize("packing", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "x"])
def test_an_answer_that_unpacks_beyond_measure_is_no_answer(packing: str) -> None:
    """A bomb in the answer of the API: by no method of packing does it become memory."""
    bomb = gzip.compress(b"[" * 60_000_000)

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-encoding": packing}, stream=Blocks([bomb]))

    api = ComplianceApi(TOKEN, transport=httpx.MockTransport(answer), budget=ONCE)
    with small_memory(50_000_000), api, pytest.raises(ServiceError, match="makes no sense"):
        api.jobs("tweets")


def test_an_answer_packed_by_gzip_is_read() -> None:
    """Honest packing is understood."""
    packed = gzip.compress(b'{"data": [], "meta": {"result_count": 0}}')

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["accept-encoding"] == "gzip"
        return httpx.Response(200, headers={"content-encoding": "gzip"}, stream=Blocks([packed]))

    with ComplianceApi(TOKEN, transport=httpx.MockTransport(answer), budget=ONCE) as api:
        assert api.jobs("tweets") == []


@pytest.mark.parametrize("more", [{"content-length": "1000000"}, {}], ids=["told", "not told"])
def test_a_download_of_more_than_its_ids_can_make_is_refused(more: dict[str, str], tmp_path: Path) -> None:
    """Whether its length is told or not, and nothing of it stays on the disk."""

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers=more, stream=Blocks([b"0" * 1000] * 1000))

    storage = Storage(base_url="https://api.x.com", transport=httpx.MockTransport(answer), budget=ONCE)
    with storage, pytest.raises(TransferError, match="longer than it may be"):
        storage.download(SignedUrl(REAL), tmp_path / "a", at_most=10_000)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("etag", b'"\xff\xe9"'),
        ("etag", b'"a" X'),
        ("content-length", b"\xb2"),
        ("x-goog-stored-content-length", b"9" * 5000),
        ("content-range", b"bytes 5-\xb2/\xb2"),
        ("content-range", b"bytes 5-9/" + b"9" * 5000),
        ("x-goog-hash", b"crc32c=\xff, , ==,md5"),
        ("retry-after", b"9" * 5000),
        ("date", b"\xff"),
        ("x-rate-limit-reset", b"9" * 5000),
    ],
)
@pytest.mark.parametrize("status", [200, 206, 308, 429, 503])
def test_odd_headers_are_no_more_than_a_failed_try(name: str, value: bytes, status: int, tmp_path: Path) -> None:
    """Digits that are none, numbers beyond any length, letters beyond ASCII: an error of ours, never a crash."""

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, headers=[(name.encode(), value)], stream=Blocks([b"12345"]))

    options = {"transport": httpx.MockTransport(answer), "budget": Budget(tries=2, limits=1), "sleep": lambda _: None}
    with Storage(base_url="https://api.x.com", **options) as storage:
        (tmp_path / "a.part").write_bytes(b"12345")
        (tmp_path / "a.etag").write_text('"1"')
        for act in (
            lambda: storage.download(SignedUrl(REAL), tmp_path / "a"),
            lambda: storage.upload(SignedUrl(REAL), b"1\n", resumable=True),
            lambda: storage.upload(SignedUrl(REAL), b"1\n", resumable=False),
        ):
            with pytest.raises(ComplianceFramesError):
                act()
    with ComplianceApi(TOKEN, **options) as api, pytest.raises(ComplianceFramesError):
        api.jobs("tweets")


@pytest.mark.parametrize(
    "change",
    [
        {"id": 1.2e18},
        {"id": True},
        {"id": "٣"},
        {"id": "1" * 20},
        {"id": -1},
        {"upload_url": 5},
        {"upload_url": {"a": 1}},
        {"download_url": ["https://storage.googleapis.com/"]},
        {"created_at": "9999-12-31T23:59:59-14:00"},
    ],
)
def test_a_job_that_is_described_in_an_odd_way_is_no_job(change: dict[str, object]) -> None:
    """An ID that went through a float, a URL that is no text, a time beyond time."""
    job = {
        "id": "1", "type": "tweets", "status": "created", "created_at": "2024-05-01T12:00:00Z",
        "upload_url": REAL, "download_url": REAL,
    }  # fmt: skip
    document = {"data": job | change}
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json=document))
    with ComplianceApi(TOKEN, transport=transport) as api, pytest.raises(ServiceError, match="makes no sense"):
        api.get(1)


def test_who_shows_no_certificate_of_the_name_learns_nothing(tmp_path: Path) -> None:
    """As where a name server leads to a machine of a private network: it hears of no token and no request."""
    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "api.x.com")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(datetime(2024, 1, 1)).not_valid_after(datetime(2124, 1, 1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
    own = tmp_path / "own.pem"
    own.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + made.sign(key, None).public_bytes(Encoding.PEM)
    )
    context, heard = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), list[bytes]()
    context.load_cert_chain(own)

    def speak(connection: socket.socket) -> None:
        heard.append(b"")
        with context.wrap_socket(connection, server_side=True) as speaking:
            heard.append(speaking.recv(65_536))

    with server(speak, greeted=False) as url:
        secure = url.replace("http:", "https:")
        with ComplianceApi(TOKEN, base_url=secure, budget=ONCE) as api, pytest.raises(ServiceError, match="reached"):
            api.jobs("tweets")
    assert heard == [b""]
