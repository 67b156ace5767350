"""One verified download: broken connections go on at the next byte, and nothing is believed before its checksum."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

import google_crc32c

from compliance_frames.durable import open_private, publish, write_private
from compliance_frames.errors import ChecksumError, TransferError
from compliance_frames.service.secret import SignedUrl
from compliance_frames.service.storage import (
    Answer,
    BytesProgress,
    Download,
    Storage,
    crc32c_of,
    raise_if_download_expired,
    unpacked,
)

_WRONG_AT_MOST = 3


class VerifiedDownload:
    """The download of one object into one file."""

    def __init__(self, storage: Storage, url: SignedUrl, path: Path, progress: BytesProgress) -> None:
        self._storage, self._url, self._path, self._progress = storage, url, path, progress
        self._part = path.with_name(path.name + ".part")
        self._etag = ""
        self._failures = 0

    def run(self) -> Download:
        """Download until the whole object is there and its checksum holds."""
        wrong = 0
        while True:
            answer = self._fetch()
            problem = self._mismatch(answer)
            if not problem:
                break
            wrong += 1
            if wrong == _WRONG_AT_MOST:
                self._part.unlink(missing_ok=True)
                raise ChecksumError(f"The download is not what is stored: {problem}. Run again later.")
        publish(self._part, self._path)
        if answer.headers.get("content-encoding") == "gzip":
            write_private(self._path, unpacked(self._path.read_bytes()))
        return Download(self._path.stat().st_size, answer.hashes.get("crc32c", ""))

    def _fetch(self) -> Answer:
        """Fill the part file with the object's stored bytes, over as many requests as it takes."""
        with open_private(self._part) as file:
            self._etag = ""
            first: Answer | None = None
            while True:
                before = file.tell()
                answer, whole = self._continue(file, first)
                first = answer if answer.status == 200 else first
                if first is not None and whole:
                    file.flush()
                    os.fsync(file.fileno())
                    return first
                raise_if_download_expired(answer)
                self._failures = 1 if file.tell() > before else self._failures + 1
                # A body that broke off is a failure of the connection, whatever its status said.
                cut = Answer(None, {}, {}, "") if answer.status in (200, 206, 412, 416) else answer
                self._storage.pause(self._failures, cut, "download")

    def _continue(self, file: IO[bytes], first: Answer | None) -> tuple[Answer, bool]:
        """One request from where the file ends; the answer, and whether the object is whole."""
        offset = file.tell() if first is not None and self._etag else 0
        # gzip is accepted so that an object stored so comes as it is stored: the checksum is of those bytes.
        headers = {"Accept-Encoding": "gzip"}
        if offset:
            headers |= {"Range": f"bytes={offset}-", "If-Match": self._etag}
        with self._storage.stream(self._url.reveal(), headers) as (answer, blocks):
            if answer.status not in (200, 206):
                if answer.status in (412, 416):  # another object, or a wrong offset: begin again
                    self._rewind(file)
                return answer, False
            if answer.status == 200 or not _goes_on(answer, offset):
                self._rewind(file)
            if answer.status == 206 and file.tell() != offset:
                return answer, False
            total = _total(answer, file.tell())
            self._etag = answer.headers.get("etag", "")
            for block in blocks:
                file.write(block)
                self._progress(file.tell(), total)
                if total is not None and file.tell() > total:
                    raise TransferError("The download is longer than the storage says; it is refused.")
            return answer, total is None or file.tell() == total

    def _rewind(self, file: IO[bytes]) -> None:
        file.seek(0)
        file.truncate()

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
        last = answer.headers.get("content-range", "").rpartition("/")[2]
        return int(last) if last.isdigit() else None
    length = answer.headers.get("content-length", "")
    return offset + int(length) if length.isdigit() else None
