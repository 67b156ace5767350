"""Uploads to and verified downloads from signed URLs, by a client that never sees the bearer token."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import google_crc32c
import httpx

from compliance_frames.errors import ChecksumError, DownloadExpiredError, TransferError, UploadExpiredError
from compliance_frames.service.addresses import is_loopback, is_storage, origin_of
from compliance_frames.service.bounded import content_of
from compliance_frames.service.connections import Connections, no_cookies, unseen
from compliance_frames.service.retry import Budget, Tries, Wait
from compliance_frames.service.secret import SignedUrl, hide_in_logs

#: Told of bytes done, and of bytes in all where they are known.
BytesProgress = Callable[[int, int | None], None]

_TIMEOUT = httpx.Timeout(60.0, connect=15.0)
_CODE = re.compile(rb"<Code>([A-Za-z]{1,64})</Code>")
_BLOCK = 1 << 20
#: No result file is longer: a chunk of 5,000,000 IDs, every one of them flagged, makes 1 GB.
LARGEST_DOWNLOAD: Final = 1 << 36
_TEXT = {"Content-Type": "text/plain"}


@dataclass(frozen=True, slots=True)
class Download:
    """What was downloaded and verified.

    Attributes:
        bytes: the length of the file written.
        crc32c: the CRC32C of the stored object, in base64, as the storage writes it.
    """

    bytes: int
    crc32c: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back from the storage, or that nothing did (status None)."""

    status: int | None
    headers: Mapping[str, str]
    hashes: Mapping[str, str]
    code: str

    @property
    def is_expired(self) -> bool:
        """Whether the signed URL is out of date."""
        return self.code == "ExpiredToken"


class Storage:
    """A client of the storage behind the signed URLs; it knows the storage's hosts and no other.

    Args:
        base_url: the address of the API that gives the URLs: where that is an emulator on loopback, its own
            host and port are the storage, and the real one is not.
        transport: an httpx transport to use in place of the network.
        sleep: how to wait, given seconds.
        on_wait: told of every wait before it begins.
        budget: how many failures in a row are borne; it begins anew whenever bytes advance.
    """

    def __init__(
        self,
        *,
        base_url: str,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        on_wait: Callable[[Wait], None] | None = None,
        budget: Budget | None = None,
    ) -> None:
        hide_in_logs()
        self._emulator = origin_of(base_url) if is_loopback(base_url) else None
        self._client = httpx.Client(
            transport=transport,
            timeout=_TIMEOUT,
            follow_redirects=False,
            headers={"Accept-Encoding": "identity"},
            cookies=no_cookies(),
            trust_env=transport is None and self._emulator is None,
        )
        self._sleep, self._on_wait, self._budget = sleep, on_wait, budget or Budget()
        self._connections = Connections()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def wake(self) -> None:
        """End every transfer that is under way in another thread, for good."""
        self._connections.wake()

    def upload(
        self,
        url: SignedUrl,
        body: bytes,
        *,
        resumable: bool,
        session_file: Path | None = None,
        progress: BytesProgress | None = None,
    ) -> None:
        """Upload a body whole, and check that the storage holds exactly these bytes.

        Args:
            url: the job's upload URL.
            body: the bytes.
            resumable: whether the job was created so; the URL is signed for one way only.
            session_file: where a resumable upload keeps its session (0600, erased at the end), so that a
                later process goes on with it.
            progress: told of bytes uploaded.

        Raises:
            UploadExpiredError: the URL ran out; make a new job.
            ChecksumError: the storage holds something else.
            TransferError: it failed for good.
        """
        from compliance_frames.service.resumable import ResumableUpload

        if not body:
            raise TransferError("Nothing was uploaded: the body is empty, and an empty job is refused.")
        self.check_host(url)
        if resumable:
            ResumableUpload(self, url, body, session_file, progress or _silent).run()
        else:
            self._upload_plain(url, body, progress or _silent)

    def download(
        self, url: SignedUrl, path: Path, *, at_most: int = LARGEST_DOWNLOAD, progress: BytesProgress | None = None
    ) -> Download:
        """Download an object to a file, verified by length and CRC32C; the file is there whole or not at all.

        Args:
            url: the job's download URL.
            path: the file to write (mode 0600), in an existing directory.
            at_most: how many bytes the object may have, as it is stored and unpacked.
            progress: told of bytes downloaded.

        Raises:
            DownloadExpiredError: the URL ran out, 7 days after the job was made.
            ChecksumError: what came is not what is stored, time and again.
            TransferError: it failed for good, or there is more of it than ``at_most``.
        """
        from compliance_frames.service.downloading import VerifiedDownload

        self.check_host(url)
        return VerifiedDownload(self, url, path, at_most, progress or _silent).run()

    # What the two kinds of transfer are made of.

    def check_host(self, url: SignedUrl) -> None:
        """Refuse a URL that points anywhere but at the storage."""
        if not is_storage(url.reveal(), self._emulator):
            named = f" ({url.host})" if url.host else ""
            raise TransferError(
                f"The service named a storage address that is not the storage's{named}; nothing is sent there."
            )

    def send(
        self, method: str, url: SignedUrl, headers: Mapping[str, str], content: bytes | Iterator[bytes] = b""
    ) -> Answer:
        """One request, never repeated here; status None where no answer came."""
        return self._exchange(method, url, headers, content)[0]

    def begin(self, url: SignedUrl, headers: Mapping[str, str]) -> tuple[Answer, SignedUrl]:
        """Open a resumable session: the answer, and the session's URI, which is a credential."""
        return self._exchange("POST", url, headers, b"")

    @contextmanager
    def stream(self, url: SignedUrl, headers: Mapping[str, str]) -> Iterator[tuple[Answer, Iterator[bytes]]]:
        """A GET whose body is read in blocks as it was stored; reading ends early where the connection breaks."""
        try:
            response = self._begun("GET", url, headers)
        except httpx.TransportError:
            yield Answer(None, {}, {}, ""), iter(())
            return
        try:
            good = response.status_code in (200, 206)
            yield _answer(response, b"" if good else _head(response)), _blocks(response) if good else iter(())
        finally:
            response.close()

    def _exchange(
        self, method: str, url: SignedUrl, headers: Mapping[str, str], content: bytes | Iterator[bytes]
    ) -> tuple[Answer, SignedUrl]:
        """A request whose answer is short, and where it says to go on; more of it than is of use is not read."""
        try:
            response = self._begun(method, url, headers, content)
        except httpx.RequestError:
            return Answer(None, {}, {}, ""), SignedUrl("")
        try:
            return _answer(response, _head(response)), SignedUrl(response.headers.get("location", ""))
        finally:
            response.close()

    def _begun(
        self, method: str, url: SignedUrl, headers: Mapping[str, str], content: bytes | Iterator[bytes] | None = None
    ) -> httpx.Response:
        """The answer to a request, its body not read yet."""

        def send() -> httpx.Response:
            request = self._client.build_request(
                method, url.reveal(), headers=dict(headers), content=content, extensions=self._connections.extensions
            )
            return self._client.send(request, stream=True)

        return unseen(send)

    def tries(self) -> Tries:
        """A fresh count of tries that brought nothing."""
        return Tries(self._budget)

    def pause(self, tries: Tries, answer: Answer, what: str) -> None:
        """Count a failure, and wait before the next try.

        Raises:
            TransferError: there have been too many in a row that brought nothing, or this answer is final.
        """
        wait = tries.failed(answer.status, answer.headers)
        if wait is None:
            said = "no whole answer" if answer.status is None else f"HTTP {answer.status}"
            said += f" {answer.code}" if answer.code else ""
            count = tries.failures + tries.limits
            raise TransferError(f"The {what} failed ({said}, try {count}). Run again: it goes on where it stopped.")
        if self._on_wait:
            self._on_wait(wait)
        self._sleep(wait.pause.total_seconds())

    def _upload_plain(self, url: SignedUrl, body: bytes, progress: BytesProgress) -> None:
        tries = self.tries()
        while True:
            answer = self.send("PUT", url, _TEXT | {"Content-Length": str(len(body))}, _parts(body, progress))
            if answer.status in (200, 201):
                return must_hold(answer, body)
            raise_if_expired(answer)
            if answer.code == "BadDigest":  # it was not stored
                answer = Answer(503, answer.headers, {}, answer.code)
            self.pause(tries, answer, "upload")


def raise_if_expired(answer: Answer) -> None:
    """Raise where an upload's signed URL ran out."""
    if answer.is_expired:
        raise UploadExpiredError(
            "The upload URL ran out (15 minutes after the job was made). The chunk needs a new job."
        )


def raise_if_download_expired(answer: Answer) -> None:
    """Raise where a download's signed URL ran out."""
    if answer.is_expired:
        raise DownloadExpiredError(
            "The download URL ran out (7 days after the job was made). The chunk has to be asked again."
        )


def must_hold(answer: Answer, body: bytes) -> None:
    """Refuse an upload of which something else is stored: the service may be at work on it already.

    Raises:
        ChecksumError: the answer says so, or says nothing of what is stored.
    """
    wrong = mismatch(answer, body)
    if wrong:
        raise ChecksumError(f"The storage does not hold what was uploaded: {wrong}. The chunk needs a new job.")


def mismatch(answer: Answer, body: bytes) -> str:
    """How what is stored differs from what was sent, in words; empty where it does not.

    An answer that says nothing of what was stored counts as a difference: an unchecked upload is not one.
    """
    stored = answer.headers.get("x-goog-stored-content-length")
    if stored is not None and stored != str(len(body)):
        return f"{stored} bytes are stored, {len(body)} were sent"
    if "crc32c" in answer.hashes:
        same = answer.hashes["crc32c"] == crc32c_of(google_crc32c.value(body))
        return "" if same else "its CRC32C differs"
    if "md5" in answer.hashes:
        same = answer.hashes["md5"] == base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        return "" if same else "its MD5 differs"
    return "" if stored is not None else "the storage did not say what it stored"


def crc32c_of(value: int) -> str:
    """A CRC32C as the storage writes it: big-endian, base64.

    >>> crc32c_of(google_crc32c.value(b"123456789"))
    '4waSgw=='
    """
    return base64.b64encode(value.to_bytes(4, "big")).decode()


def _answer(response: httpx.Response, content: bytes) -> Answer:
    pairs = [value.partition("=") for value in _split(response.headers.get_list("x-goog-hash"))]
    code = _CODE.search(content) if response.status_code >= 400 else None
    return Answer(
        response.status_code,
        {name.lower(): value for name, value in response.headers.items() if name.lower() != "location"},
        {name: value for name, _, value in pairs},
        code.group(1).decode() if code else "",
    )


def _split(values: list[str]) -> Iterator[str]:
    return (part.strip() for value in values for part in value.split(","))


def _head(response: httpx.Response) -> bytes:
    """The content of an answer that tells of an error; of one that goes on and on there is nothing to learn."""
    return content_of(response, _BLOCK) or b""


def _blocks(response: httpx.Response) -> Iterator[bytes]:
    try:
        yield from response.iter_raw()  # as they come: a block that waits to be full is lost with the connection
    except httpx.TransportError:
        return


def _parts(body: bytes, progress: BytesProgress) -> Iterator[bytes]:
    view = memoryview(body)
    for start in range(0, len(body), _BLOCK):
        yield bytes(view[start : start + _BLOCK])
        progress(min(start + _BLOCK, len(body)), len(body))


def _silent(done: int, total: int | None) -> None:
    pass
