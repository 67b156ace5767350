"""The answers' outer form: the headers that recorded answers carry, and answers that never arrive whole."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import socket
import struct
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from compliance_frames.emulator.signing import StorageProblem

#: Where the server leaves the connection, so that an answer can be lost.
TRANSPORT = "compliance_frames.transport"

_BLOCK = 1 << 20


class Lost(Response):
    """No answer: the connection closes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - the signature is ASGI's
        """Close the connection and wait until it is closed."""
        scope[TRANSPORT].close()
        while (await receive())["type"] != "http.disconnect":
            pass


class Reset(Response):
    """No answer: the connection is reset, after a time in which nothing moves."""

    def __init__(self, after: timedelta = timedelta(0)) -> None:
        super().__init__()
        self._after = after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - the signature is ASGI's
        """Wait, then reset the connection and wait until it is gone."""
        await asyncio.sleep(self._after.total_seconds())
        transport = scope[TRANSPORT]
        line = transport.get_extra_info("socket")
        if line is not None and line.fileno() >= 0:
            # To linger for no time at all: what is not sent yet is thrown away, and the other side is told so.
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
        while (await receive())["type"] != "http.disconnect":
            pass


class FileAnswer(StreamingResponse):
    """A stretch of a file, of which less may come than was announced: then its broken end comes instead."""

    def __init__(
        self,
        path: Path,
        start: int,
        length: int,
        *,
        status: int,
        headers: Mapping[str, str],
        sent: int,
        broken_end: Response,
    ) -> None:
        super().__init__(_read(path, start, sent), status, {**headers, "content-length": str(length)})
        self._is_whole, self._broken_end = sent == length, broken_end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stretch, or as much of it as is to come."""
        if self._is_whole:
            return await super().__call__(scope, receive, send)
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for block in self.body_iterator:
            await send({"type": "http.response.body", "body": block, "more_body": True})
        return await self._broken_end(scope, receive, send)


async def _read(path: Path, start: int, length: int) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        while length > 0 and (block := file.read(min(_BLOCK, length))):
            length -= len(block)
            yield block
            await asyncio.sleep(0)


def api_answer(request: Request, status: int, document: Any, now: datetime, limits: Mapping[str, str]) -> Response:
    """A JSON answer of the API with the headers of recorded ones; packed where the client takes gzip."""
    body = json.dumps(document, separators=(",", ":")).encode()
    headers = {
        "date": format_datetime(now, usegmt=True).replace("GMT", "UTC"),  # so does the real service
        "server": "tsa_o",
        "api-version": "2.30",
        "content-type": "application/json; charset=utf-8",
        "cache-control": "no-cache, no-store, max-age=0",
        "x-access-level": "read",
        "x-frame-options": "SAMEORIGIN",
        "x-xss-protection": "0",
        **limits,
        "content-disposition": "attachment; filename=json.json",
        "x-content-type-options": "nosniff",
        "strict-transport-security": "max-age=631138519",
        "x-response-time": "141",
        "x-connection-hash": os.urandom(32).hex(),
    }
    if "gzip" in request.headers.get("accept-encoding", ""):
        body, headers["content-encoding"] = gzip.compress(body, 1), "gzip"
    return Response(body, status, headers)


def storage_headers(now: datetime) -> dict[str, str]:
    """The headers that every answer of the storage carries."""
    return {
        "x-guploader-uploadid": "AD" + os.urandom(32).hex(),
        "date": format_datetime(now, usegmt=True),
        "server": "UploadServer",
        "alt-svc": 'h3=":443"; ma=2592000,h3-29=":443"; ma=2592000',
    }


def storage_refusal(problem: StorageProblem, now: datetime) -> Response:
    """A refusal of the storage, in its XML."""
    details = f"<Details>{escape(problem.details)}</Details>" if problem.details else ""
    text = (
        f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{problem.code}</Code>"
        f"<Message>{escape(problem.message)}</Message>{details}</Error>"
    )
    headers = {**storage_headers(now), "content-type": "application/xml; charset=UTF-8"}
    return Response(text, problem.status, headers)
