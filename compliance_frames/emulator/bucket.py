"""The storage behind the signed URLs: plain and resumable uploads, downloads whole or in part."""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import TypeGuard
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from compliance_frames.emulator.answers import FileAnswer, Lost, Reset, storage_headers, storage_refusal
from compliance_frames.emulator.clock import Clock
from compliance_frames.emulator.faults import HEADER, Fault, Faults, Place
from compliance_frames.emulator.jobs import Job, Jobs
from compliance_frames.emulator.signing import StorageProblem, check, sign
from compliance_frames.emulator.work import COMPONENTS
from compliance_frames.emulator.worker import StoredObject, Worker

#: Every part of a resumable upload but the last is a multiple of this.
UNIT = 262_144

_SESSION_LIFE = timedelta(days=7)
_OBJECT_LIFE = timedelta(days=14)
_BUCKETS = {"tweets": "twttr-tweet-compliance", "users": "twttr-user-compliance"}
_PLAIN = {"content-type": "text/plain"}
_RESUMABLE = {"content-type": "text/plain", "content-length": "0", "x-goog-resumable": "start"}
_PATH = "/storage/{bucket}/{job:int}"
_CONTENT_RANGE = re.compile(r"bytes (?:([0-9]{1,18})-([0-9]{1,18})|\*)/([0-9]{1,18}|\*)")
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
_WRONG_CRC32C = "AAAAAA=="

_REFUSALS = {
    "server_error": StorageProblem(500, "InternalError", "We encountered an internal error. Please try again."),
    "unavailable": StorageProblem(503, "ServiceUnavailable", "The service is unavailable. Please try again."),
    "expired": StorageProblem(400, "ExpiredToken", "Invalid argument.", "The provided token has expired."),
    "rate_limited": StorageProblem(429, "SlowDown", "Please reduce your request rate."),
    "gone": StorageProblem(410, "NoSuchUpload", "The requested upload was not found."),
    "not_found": StorageProblem(404, "NoSuchUpload", "The requested upload was not found."),
}


@dataclass
class Session:
    """One resumable upload under way.

    Attributes:
        job: the job's ID.
        path: where the bytes kept lie.
        url_path: the path that its URI has.
        ends: when it is forgotten.
        kept: how many bytes are kept.
        whole: the object, when all is there.
    """

    job: int
    path: Path
    url_path: str
    ends: datetime
    kept: int = 0
    whole: StoredObject | None = None


@dataclass(frozen=True)
class Part:
    """What a ``Content-Range`` says: bytes ``start`` to ``end`` (exclusive) of ``total``; a query has no start."""

    start: int | None
    end: int
    total: int | None

    @property
    def is_last(self) -> bool:
        """Whether nothing comes after it."""
        return self.total is not None and self.end >= self.total


class PlainRefusal(Exception):
    """A refusal that the storage words as plain text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


class Cut(Exception):
    """The connection is to break while a body is under way, after a time in which nothing moves."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.kind)
        self.after = fault.lasting if fault.kind == "stall" else timedelta(0)


@dataclass
class Bucket:
    """The objects of all jobs, and who may touch them.

    Args:
        origin: scheme, host and port under which it is served.
        jobs: the jobs.
        worker: who works on what was uploaded.
        clock: the time.
        faults: what goes wrong.
        folder: where uploads are kept.
        persist_less: the most bytes of a part of a resumable upload that are kept; None for all.
    """

    origin: str
    jobs: Jobs
    worker: Worker
    clock: Clock
    faults: Faults
    folder: Path
    persist_less: int | None = None
    uploads: dict[int, StoredObject] = field(default_factory=dict)
    _sessions: dict[str, Session] = field(default_factory=dict)
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    _app: str = field(default_factory=lambda: str(secrets.randbelow(10**18) + 10**18))

    def routes(self) -> list[Route]:
        """The two places of a job: where IDs are submitted, and where results are delivered."""
        return [
            Route(f"{_PATH}/submission/{{name}}", self._endpoint(self._submission), methods=["PUT", "POST", "GET"]),
            Route(f"{_PATH}/delivery/{{name}}", self._endpoint(self._delivery), methods=["GET", "PUT", "POST"]),
        ]

    def urls_of(self, job: Job) -> dict[str, str]:
        """A job's signed URLs. Asked for again, they are the same."""
        folder = f"/storage/{_BUCKETS[job.type]}/{job.id}"
        name = f"{self._app}_{job.id}"
        made, until = job.created_at, job.upload_expires_at - job.created_at
        method, headers = ("POST", _RESUMABLE) if job.resumable else ("PUT", _PLAIN)
        lasting = job.download_expires_at - made
        return {
            "upload_url": sign(self._key, self.origin, method, f"{folder}/submission/{name}", headers, made, until),
            "download_url": sign(self._key, self.origin, "GET", f"{folder}/delivery/{name}", {}, made, lasting),
        }

    def _endpoint(
        self, work: Callable[[Request, int], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                return await work(request, request.path_params["job"])
            except ClientDisconnect:
                return Lost()
            except Cut as cut:
                return Reset(cut.after)
            except StorageProblem as problem:
                await _drain(request)
                return storage_refusal(problem, self.clock.now())
            except PlainRefusal as refusal:
                await _drain(request)
                return self._answer(refusal.status, {"content-type": "text/plain; charset=utf-8"}, refusal.text)

        return endpoint

    def _check(self, request: Request) -> None:
        query = parse_qsl(request.url.query, keep_blank_values=True)
        headers = {name.lower(): value for name, value in request.headers.items()}
        check(self._key, request.method, request.url.path, query, headers, self.clock.now())

    async def _submission(self, request: Request, job: int) -> Response:
        if "upload_id" in request.query_params:
            return await self._part(request, job)
        self._check(request)
        if request.method == "POST":
            return await self._open(request, job)
        return await self._put(request, job)

    async def _put(self, request: Request, job: int) -> Response:
        """A plain upload: all of it in one request."""
        fault = self._fault(request, "upload")
        self._refuse(fault, job)
        path = self._new_file(job)
        try:
            await _receive(_stream(request, fault), path)
        except (ClientDisconnect, Cut):
            path.unlink()
            raise
        whole = await self._keep(job, path, request)
        return Lost() if _is(fault, "lost_answer") else self._acknowledged(whole, fault)

    async def _keep(self, job: int, path: Path, request: Request) -> StoredObject:
        """Store a whole upload, and let the work begin."""
        whole = await self.worker.stored(path)
        told = request.headers.get("content-md5")
        if told is not None and told != base64.b64encode(whole.md5).decode():
            path.unlink()
            raise StorageProblem(400, "BadDigest", "The Content-MD5 you specified did not match what we received.")
        self.uploads[job] = whole
        self.worker.begin(job, whole)
        return whole

    async def _open(self, request: Request, job: int) -> Response:
        """Open a resumable session."""
        fault = self._fault(request, "session")
        self._refuse(fault, job)
        if _is(fault, "reset", "stall"):
            raise Cut(fault)
        await _drain(request)
        upload_id = secrets.token_urlsafe(48)
        path = self._new_file(job)
        path.touch()
        session = Session(job, path, request.url.path, self.clock.now() + _SESSION_LIFE)
        self._sessions[upload_id] = session
        self.jobs.hold(job, session.ends)
        if _is(fault, "lost_answer"):
            return Lost()
        location = f"{self.origin}{request.url.path}?{request.url.query}&upload_id={upload_id}"
        return self._answer(201, {"location": location, "content-type": "text/html; charset=UTF-8"})

    async def _part(self, request: Request, job: int) -> Response:
        """A part of a resumable upload, or a query of what is kept."""
        fault = self._fault(request, "part")
        if _is(fault, "gone", "not_found"):
            self._lose(request.query_params["upload_id"])
        self._refuse(fault, job)
        session = self._session(request)
        if _is(fault, "no_range") and session.whole is None:
            session.kept = 0
            await _drain(request)
            return self._answer(308, {})
        if session.whole is None:
            part = _part_of(request, session.kept)
            await self._append(request, session, part, fault)
            if session.kept == part.total:
                session.whole = await self._keep(job, session.path, request)
        elif _is(fault, "reset", "stall"):
            raise Cut(fault)
        else:
            await _drain(request)
        if _is(fault, "lost_answer"):
            return Lost()
        if session.whole is not None:
            return self._acknowledged(session.whole, fault)
        return self._answer(308, {"range": f"bytes=0-{session.kept - 1}"} if session.kept else {})

    def _lose(self, upload_id: str) -> None:
        """Know a session no more; the job waits for those that are left."""
        lost = self._sessions.pop(upload_id, None)
        if lost is not None:
            ends = [session.ends for session in self._sessions.values() if session.job == lost.job]
            self.jobs.hold(lost.job, max(ends, default=None))

    def _session(self, request: Request) -> Session:
        session = self._sessions.get(request.query_params["upload_id"])
        if session is None or session.url_path != request.url.path or request.method != "PUT":
            raise StorageProblem(404, "NoSuchUpload", "The requested upload was not found.")
        if self.clock.now() >= session.ends:
            raise _REFUSALS["gone"]
        return session

    async def _append(self, request: Request, session: Session, part: Part, fault: Fault | None) -> None:
        """Keep as much of a part as is to be kept; what comes before the bytes kept already is passed over."""
        if part.start is None:
            async for _ in _stream(request, fault):
                pass
            return
        room = max(part.end - session.kept, 0)
        if _is(fault, "persist_less"):
            room = room // 2 // UNIT * UNIT
        if self.persist_less is not None:
            room = min(room, self.persist_less)
        before = session.kept
        try:
            await _receive(_stream(request, fault), session.path, before, skip=before - part.start, most=room)
        except (ClientDisconnect, Cut):
            session.kept = before + (session.path.stat().st_size - before) // UNIT * UNIT
            raise
        session.kept = session.path.stat().st_size

    async def _delivery(self, request: Request, job_id: int) -> Response:
        self._check(request)
        fault = self._fault(request, "download")
        self._refuse(fault)
        await self.worker.settled()
        job, results = self.jobs.get(job_id), self.worker.results.get(job_id)
        if job is None or job.status != "complete" or results is None:
            raise StorageProblem(
                404, "NoSuchKey", "The specified key does not exist.", f"No such object: {request.url.path[9:]}"
            )
        if _is(fault, "lost_answer"):
            return Lost()
        if _is(fault, "gzip"):
            results = await self.worker.pack(job_id)
        return self._delivered(request, results, fault)

    def _delivered(self, request: Request, results: StoredObject, fault: Fault | None) -> Response:
        headers = self._delivery_headers(results, fault)
        if request.headers.get("if-match", headers["etag"]) not in (headers["etag"], "*"):
            raise StorageProblem(412, "PreconditionFailed", "At least one of the pre-conditions did not hold.")
        stretch = _stretch(request.headers.get("range"), results.size)
        start, end = stretch or (0, results.size)
        if stretch:
            headers["content-range"] = f"bytes {start}-{end - 1}/{results.size}"
        length = end - start
        sent, broken_end = _broken_off(length, fault)
        status = 206 if stretch else 200
        return FileAnswer(results.path, start, length, status=status, headers=headers, sent=sent, broken_end=broken_end)

    def _delivery_headers(self, results: StoredObject, fault: Fault | None) -> dict[str, str]:
        now = self.clock.now()
        stamp = base64.b64encode(int(results.generation).to_bytes(8, "little") + b"\x10\x01").decode()
        return {
            **storage_headers(now),
            "expires": format_datetime(now, usegmt=True),
            "cache-control": "private, max-age=0",
            "last-modified": format_datetime(results.made, usegmt=True),
            "etag": f'"-{stamp}"',
            "x-goog-generation": results.generation,
            "x-goog-metageneration": "1",
            "x-goog-stored-content-encoding": results.encoding,
            **({} if results.encoding == "identity" else {"content-encoding": results.encoding}),
            "x-goog-stored-content-length": str(results.size),
            "content-type": "application/octet-stream",
            "x-goog-hash": f"crc32c={_WRONG_CRC32C if _is(fault, 'wrong_crc32c') else results.crc32c}",
            "x-goog-component-count": str(COMPONENTS),
            "x-goog-expiration": format_datetime(results.made + _OBJECT_LIFE, usegmt=True),
            "x-goog-storage-class": "STANDARD",
            "accept-ranges": "bytes",
        }

    def _acknowledged(self, whole: StoredObject, fault: Fault | None) -> Response:
        """The answer to an upload that is whole: what is stored, for the client to compare."""
        answer = self._answer(
            200,
            {
                "etag": f'"{whole.md5.hex()}"',
                "x-goog-generation": whole.generation,
                "x-goog-metageneration": "1",
                "x-goog-stored-content-length": str(whole.size),
                "x-goog-stored-content-encoding": "identity",
                "vary": "Origin",
                "content-type": "text/html; charset=UTF-8",
            },
        )
        crc32c = _WRONG_CRC32C if _is(fault, "wrong_crc32c") else whole.crc32c
        answer.headers.append("x-goog-hash", f"crc32c={crc32c}")
        answer.headers.append("x-goog-hash", f"md5={base64.b64encode(whole.md5).decode()}")
        return answer

    def _fault(self, request: Request, place: Place) -> Fault | None:
        return self.faults.next(place, told=request.headers.get(HEADER))

    def _refuse(self, fault: Fault | None, uploading: int | None = None) -> None:
        if fault is not None and fault.kind in _REFUSALS:
            if fault.kind == "expired" and uploading is not None:
                self.jobs.expire(uploading)  # the job's time ends with its URL's
            raise _REFUSALS[fault.kind]

    def _answer(self, status: int, headers: dict[str, str], text: str = "") -> Response:
        return Response(text, status, {**storage_headers(self.clock.now()), **headers})

    def _new_file(self, job: int) -> Path:
        return self.folder / f"{job}.{secrets.token_hex(4)}.upload"


def _is(fault: Fault | None, *kinds: str) -> TypeGuard[Fault]:
    return fault is not None and fault.kind in kinds


def _broken_off(length: int, fault: Fault | None) -> tuple[int, Response]:
    """How much of a body comes, and how it ends where that is not all of it."""
    if _is(fault, "truncated"):
        return length // 2, Lost()
    if _is(fault, "reset", "stall"):
        return min(fault.bytes, max(length - 1, 0)), Reset(Cut(fault).after)
    return length, Lost()


async def _stream(request: Request, fault: Fault | None) -> AsyncIterator[bytes]:
    """A request's body, up to where the connection is to break.

    Raises:
        Cut: it is to break.
    """
    if not _is(fault, "reset", "stall"):
        async for block in request.stream():
            yield block
        return
    left = fault.bytes
    async for block in request.stream():
        yield block[:left]
        left -= len(block)
        if left <= 0:
            break
    raise Cut(fault)


async def _drain(request: Request) -> None:
    """Take what the client still sends: one that is cut off while it sends may never read the answer."""
    try:
        async for _ in request.stream():
            pass
    except (ClientDisconnect, RuntimeError):  # RuntimeError: it was read already
        pass


async def _receive(
    blocks: AsyncIterator[bytes], path: Path, offset: int = 0, *, skip: int = 0, most: int | None = None
) -> None:
    """Write a body into a file at an offset, without its first ``skip`` bytes, and not more than ``most``."""
    with path.open("r+b" if path.exists() else "wb") as file:
        file.truncate(offset)
        file.seek(offset)
        async for block in blocks:
            passed = min(skip, len(block))
            skip -= passed
            piece = block[passed:] if most is None else block[passed : passed + most]
            most = None if most is None else most - len(piece)
            file.write(piece)


def _part_of(request: Request, kept: int) -> Part:
    """What a request on a session carries.

    Raises:
        PlainRefusal: it does not fit to what is kept, or is no multiple of the unit.
    """
    length = int(request.headers.get("content-length", "0"))
    told = request.headers.get("content-range")
    if told is None:
        return Part(0, length, length)
    match = _CONTENT_RANGE.fullmatch(told)
    if match is None:
        raise PlainRefusal(400, "Invalid request. The Content-Range header is malformed.")
    first, last, total = match.groups()
    whole = None if total == "*" else int(total)
    if first is None:
        return Part(None, 0, whole)
    part = Part(int(first), int(last) + 1, whole)
    if part.end - int(first) != length or (whole is not None and part.end > whole):
        raise PlainRefusal(400, "Invalid request. The Content-Range header does not fit the bytes sent.")
    if int(first) > kept:
        raise PlainRefusal(
            503,
            f"Invalid request. According to the Content-Range header, the upload offset is {first} byte(s), which "
            f"exceeds already uploaded size of {kept} byte(s).",
        )
    if not part.is_last and length % UNIT:
        raise PlainRefusal(
            400,
            f"Invalid request. The number of bytes uploaded is required to be a multiple of {UNIT}, except for the "
            f"final request. The received request contained {length} bytes.",
        )
    return part


def _stretch(told: str | None, size: int) -> tuple[int, int] | None:
    """The bytes that a ``Range`` header asks for, end exclusive; None for all of them.

    Raises:
        StorageProblem: none of them exist.

    >>> _stretch("bytes=2-", 10), _stretch("bytes=2-3", 10), _stretch("bytes=-3", 10), _stretch("lines=1-", 10)
    ((2, 10), (2, 4), (7, 10), None)
    """
    match = _RANGE.fullmatch(told or "")
    if match is None or not any(match.groups()):
        return None
    first, last = match.groups()
    start = int(first) if first else max(size - int(last), 0)
    end = min(int(last) + 1, size) if first and last else size
    if start >= end:
        raise StorageProblem(416, "InvalidRange", "The requested range cannot be satisfied.")
    return start, end
