"""One resumable upload: a session that outlives interruptions, and always goes on at the byte the storage has kept."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from compliance_frames.durable import write_private
from compliance_frames.errors import TransferError
from compliance_frames.service.retry import TRANSIENT
from compliance_frames.service.secret import SignedUrl
from compliance_frames.service.storage import (
    Answer,
    BytesProgress,
    Storage,
    must_hold,
    raise_if_expired,
)

#: Every part but the last is a multiple of this.
UNIT = 262_144
_PART = 32 * UNIT
_SETBACKS_AT_MOST = 10

_KEPT = re.compile(r"bytes=0-([0-9]{1,18})")
_GONE = (404, 410)
_DONE = (200, 201)
_NOWHERE = SignedUrl("")


class ResumableUpload:
    """The upload of one body. ``run`` it once; where it is interrupted, another one goes on from the session file.

    The loop has one rule: after anything but a clean acknowledgement, ask the storage how many bytes it has kept
    and go on from there. Sent bytes count for nothing; kept ones do.
    """

    def __init__(
        self, storage: Storage, url: SignedUrl, body: bytes, session_file: Path | None, progress: BytesProgress
    ) -> None:
        self._storage, self._url, self._body = storage, url, body
        self._file, self._progress = session_file, progress
        self._session: SignedUrl | None = None
        self._tries = storage.tries()
        self._kept = self._setbacks = 0

    def run(self) -> None:
        """Upload until the storage holds the whole body, checked."""
        self._session = self._remembered()
        offset = self._ask() if self._session else self._begin()
        while offset is not None:
            offset = self._put(offset)
        self._forget()

    def _begin(self) -> int:
        """Open a session; only this must happen while the signed URL lives."""
        while True:
            headers = {"Content-Type": "text/plain", "Content-Length": "0", "x-goog-resumable": "start"}
            answer, location = self._storage.begin(self._url, headers)
            if answer.status == 201 and location.reveal():
                self._storage.check_host(location)
                self._session = location
                self._remember(location)
                self._kept = 0
                return 0
            raise_if_expired(answer)
            self._fail(answer)

    def _put(self, offset: int) -> int | None:
        """Send one part; the offset to go on from, or None when all is stored."""
        total = len(self._body)
        part = self._body[offset : offset + _PART]
        end = offset + len(part)
        headers = {"Content-Range": f"bytes {offset}-{end - 1}/{total}", "Content-Length": str(len(part))}
        answer = self._storage.send("PUT", self._session or _NOWHERE, headers, self._blocks(offset, part))
        if answer.status in (308, *_DONE):
            return self._acknowledged(answer, sent=end, asked=False)
        return self._recover(answer, is_gone=answer.status in _GONE)

    def _blocks(self, offset: int, part: bytes) -> Iterator[bytes]:
        """A part in pieces, each told of: whoever listens can end an upload that hardly moves."""
        for start in range(0, len(part), UNIT):
            self._progress(offset + start, len(self._body))
            yield part[start : start + UNIT]

    def _ask(self) -> int | None:
        """Query what the storage has kept."""
        headers = {"Content-Range": f"bytes */{len(self._body)}", "Content-Length": "0"}
        answer = self._storage.send("PUT", self._session or _NOWHERE, headers)
        if answer.status in (308, *_DONE):
            return self._acknowledged(answer, sent=len(self._body), asked=True)
        # A session that may not even be asked after is of no more use than one that is gone.
        return self._recover(answer, is_gone=answer.status not in TRANSIENT)

    def _acknowledged(self, answer: Answer, sent: int, *, asked: bool) -> int | None:
        if answer.status in _DONE:
            self._forget()
            must_hold(answer, self._body)
            self._progress(len(self._body), len(self._body))
            return None
        match = _KEPT.fullmatch(answer.headers.get("range", ""))
        kept = int(match.group(1)) + 1 if match else 0  # no Range: nothing was kept
        if kept > sent:
            self._forget()
            raise TransferError(f"The storage acknowledges {kept} bytes where {sent} were sent; the upload is unsound.")
        self._weigh(kept, is_counted=asked and kept < len(self._body))
        self._progress(kept, len(self._body))
        if kept == len(self._body):  # all kept, not yet finished: the query finishes it
            return self._ask()
        return kept

    def _weigh(self, kept: int, *, is_counted: bool) -> None:
        """More kept than before is progress; anything else a failure, unless what led to it was counted as one."""
        if kept > self._kept:
            self._tries.advanced()
        elif not is_counted:
            self._fail(Answer(503, {}, {}, ""))
        self._setbacks += kept < self._kept
        if self._setbacks > _SETBACKS_AT_MOST:
            raise TransferError("The storage forgets what it has kept, again and again. Run again later: it goes on.")
        self._kept = kept

    def _recover(self, answer: Answer, *, is_gone: bool) -> int | None:
        """After a failure: a gone session is begun anew while the URL lives; anything else is asked about."""
        if is_gone:
            self._forget()
            self._fail(Answer(503, {}, {}, ""))
            return self._begin()
        # An offset ahead of the storage is a 503 too; the query that follows sets it right.
        self._fail(answer)
        return self._ask()

    def _fail(self, answer: Answer) -> None:
        self._storage.pause(self._tries, answer, "upload")

    def _remembered(self) -> SignedUrl | None:
        """The session of an earlier process, where it was for this very body and URL."""
        if self._file is None or not self._file.exists():
            return None
        session = _session_in(self._file, len(self._body), self._digest())
        if session is not None:
            self._storage.check_host(session)
        return session

    def _remember(self, session: SignedUrl) -> None:
        if self._file is not None:
            record = {"session": session.reveal(), "bytes": len(self._body), "crc32c": self._digest()}
            write_private(self._file, json.dumps(record).encode())

    def _forget(self) -> None:
        self._session = None
        if self._file is not None:
            self._file.unlink(missing_ok=True)

    def _digest(self) -> int:
        import google_crc32c

        return int(google_crc32c.value(self._body))


def _session_in(file: Path, size: int, crc32c: int) -> SignedUrl | None:
    """The session that a file tells of, where it is one for a body of this size and checksum."""
    try:
        record = json.loads(file.read_text(), object_hook=_wrapped)
        same = record["bytes"] == size and record["crc32c"] == crc32c
        return record["session"] if same and isinstance(record["session"], SignedUrl) else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _wrapped(record: dict[str, Any]) -> dict[str, Any]:
    return {name: SignedUrl(value) if isinstance(value, str) else value for name, value in record.items()}
