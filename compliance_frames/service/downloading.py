"""One verified download: whatever breaks off goes on at the next byte, and nothing is believed before its checksum."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Final

import google_crc32c

from compliance_frames.durable import open_private, publish, write_private
from compliance_frames.errors import ChecksumError, DownloadExpiredError, TransferError
from compliance_frames.service.bounded import BLOCK, MOST_UNPACKED, inflated
from compliance_frames.service.secret import SignedUrl
from compliance_frames.service.storage import (
    Answer,
    BytesProgress,
    Download,
    Storage,
    crc32c_of,
    raise_if_download_expired,
)

_WRONG_AT_MOST = 3
_SETBACKS_AT_MOST = 10
_SLACK: Final = 1 << 20
_LENGTH: Final = re.compile(r"[0-9]{1,15}")
#: What can be sent back as it came: a tag of plain letters, in quotes.
_ETAG: Final = re.compile(r'(?:W/)?"[\x21\x23-\x7e]{0,512}"')


class VerifiedDownload:
    """The download of one object into one file.

    Bytes grow in ``NAME.part``; ``NAME.etag`` says of which object they are, so that a later process goes on with
    them. It is written before the first of them, and taken away before they are.
    """

    def __init__(self, storage: Storage, url: SignedUrl, path: Path, at_most: int, progress: BytesProgress) -> None:
        self._storage, self._url, self._path, self._progress = storage, url, path, progress
        self._at_most = at_most
        self._part = path.with_name(path.name + ".part")
        self._mark = path.with_name(path.name + ".etag")
        self._etag = ""
        self._setbacks = 0
        self._tries = storage.tries()

    def run(self) -> Download:
        """Download until the whole object is there and its checksum holds."""
        wrong = 0
        while True:
            answer = self._fetch()
            problem = self._mismatch(answer)
            if not problem:
                break
            self._forget()
            wrong += 1
            if wrong == _WRONG_AT_MOST:
                raise ChecksumError(f"The download is not what is stored: {problem}. Run again later.")
        if answer.headers.get("content-encoding") == "gzip":
            self._unpack()
        else:
            self._mark.unlink(missing_ok=True)
            publish(self._part, self._path)
        return Download(self._path.stat().st_size, answer.hashes.get("crc32c", ""))

    def _unpack(self) -> None:
        """Put what the part file unpacks to in its place; what cannot be unpacked is not kept either."""
        plain = self._path.with_name(self._path.name + ".plain")
        most = min(self._at_most, self._part.stat().st_size * MOST_UNPACKED + _SLACK)
        try:
            with self._part.open("rb") as packed, open_private(plain) as file:
                file.writelines(inflated(iter(lambda: packed.read(BLOCK), b""), most=most))
                file.flush()
                os.fsync(file.fileno())
            publish(plain, self._path)
        finally:
            plain.unlink(missing_ok=True)
            self._forget()

    def _fetch(self) -> Answer:
        """Fill the part file with the object's stored bytes, over as many requests as it takes; the last answer."""
        with self._opened() as file:
            while True:
                before = file.tell()
                answer, whole = self._continue(file)
                if whole:
                    file.flush()
                    os.fsync(file.fileno())
                    return answer
                self._refuse_expired(answer)
                if file.tell() > before:
                    self._tries.advanced()
                # A body that broke off is a failure of the connection, whatever its status said; and an object that
                # was written a moment ago may not be there yet.
                cut = replace(answer, status=None) if answer.status in (200, 206, 404, 412, 416) else answer
                self._pause(answer, cut)

    def _pause(self, answer: Answer, cut: Answer) -> None:
        """Wait before the next request. What is not there after all these tries has been taken away for good."""
        try:
            self._storage.pause(self._tries, cut, "download")
        except TransferError:
            if answer.status != 404:
                raise
            self._forget()
            raise DownloadExpiredError(
                f"The storage has no results ({answer.code or 404}), though the job is complete. The chunk has to be "
                "asked again."
            ) from None

    def _opened(self) -> IO[bytes]:
        """The part file: where an earlier process left one of an object that it knew, at its end."""
        try:
            self._etag = self._mark.read_text()
            if not _ETAG.fullmatch(self._etag):
                raise OSError("somebody else wrote it")
            file = self._part.open("r+b")
        except (OSError, UnicodeDecodeError):
            self._forget()
            return open_private(self._part)
        file.seek(0, os.SEEK_END)
        return file

    def _continue(self, file: IO[bytes]) -> tuple[Answer, bool]:
        """One request from where the file ends; the answer, and whether the object is whole."""
        offset = file.tell() if self._etag else 0
        # gzip is accepted so that an object stored so comes as it is stored: the checksum is of those bytes.
        headers = {"Accept-Encoding": "gzip"}
        if offset:
            headers |= {"Range": f"bytes={offset}-", "If-Match": self._etag}
        with self._storage.stream(self._url, headers) as (answer, blocks):
            if answer.status not in (200, 206):
                if answer.status in (412, 416):  # another object, or a wrong offset: begin again
                    self._rewind(file)
                return answer, False
            if answer.status == 200 or not _goes_on(answer, offset):
                self._rewind(file)
            if answer.status == 206 and (file.tell() != offset or not offset):
                return answer, False
            if not offset or answer.status == 200:
                self._note(answer.headers.get("etag", ""))
            return answer, self._take(file, blocks, _total(answer, file.tell()))

    def _take(self, file: IO[bytes], blocks: Iterator[bytes], total: int | None) -> bool:
        """Write what comes; whether that is all of it."""
        if total is not None:
            self._refuse_beyond(self._at_most, total)
        for block in blocks:
            file.write(block)
            self._progress(file.tell(), total)
            self._refuse_beyond(self._at_most if total is None else total, file.tell())
        file.flush()
        return total is None or file.tell() == total

    def _refuse_beyond(self, most: int, length: int) -> None:
        if length > most:
            self._forget()
            raise TransferError(f"The download is longer than it may be ({most:,} bytes); it is refused.")

    def _note(self, etag: str) -> None:
        """Write down of which object the bytes are that come now."""
        self._etag = etag = etag if _ETAG.fullmatch(etag) else ""
        if etag:
            write_private(self._mark, etag.encode())

    def _rewind(self, file: IO[bytes]) -> None:
        """Begin anew, with what was there already lost; not for ever."""
        self._setbacks += file.tell() > 0
        if self._setbacks > _SETBACKS_AT_MOST:
            raise TransferError("The download has to begin anew, again and again. Run again later.")
        self._etag = ""
        self._mark.unlink(missing_ok=True)
        file.seek(0)
        file.truncate()

    def _forget(self) -> None:
        self._etag = ""
        self._mark.unlink(missing_ok=True)
        self._part.unlink(missing_ok=True)

    def _refuse_expired(self, answer: Answer) -> None:
        try:
            raise_if_download_expired(answer)
        except DownloadExpiredError:
            self._forget()
            raise

    def _mismatch(self, answer: Answer) -> str:
        if "crc32c" not in answer.hashes:
            return "it came without a checksum"
        length = self._part.stat().st_size
        stored = answer.headers.get("x-goog-stored-content-length")
        if stored is not None and stored != str(length):
            return f"{length} bytes came, {stored} are stored"
        digest = google_crc32c.Checksum()
        with self._part.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
        same = crc32c_of(int.from_bytes(digest.digest(), "big")) == answer.hashes["crc32c"]
        return "" if same else "its CRC32C differs"


def _goes_on(answer: Answer, offset: int) -> bool:
    return answer.headers.get("content-range", "").startswith(f"bytes {offset}-")


def _total(answer: Answer, offset: int) -> int | None:
    """The object's whole length, as far as the answer tells."""
    if answer.status == 206:
        return _number(answer.headers.get("content-range", "").rpartition("/")[2])
    length = answer.headers.get("content-length") or answer.headers.get("x-goog-stored-content-length", "")
    left = _number(length)
    return None if left is None else offset + left


def _number(text: str) -> int | None:
    return int(text) if _LENGTH.fullmatch(text) else None
