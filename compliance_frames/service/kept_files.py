"""Files that people kept, found by path, pattern or folder, and opened so that what they unpack to is bounded."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, cast

import pyarrow as pa

from compliance_frames.errors import ChecksumError, ResultsError, TransferError
from compliance_frames.names import shown
from compliance_frames.service.bounded import BLOCK, MOST_UNPACKED, inflated

#: What a file holds, by its first bytes.
Kind = Literal["parquet", "lines", "csv", "nothing"]

_PACKED: Final = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bz2"}
_SKIPPABLE: Final = b"\x2a\x4d\x18"  # after a byte from 50 to 5F: a frame of zstd that holds no content
_PARQUET: Final = b"PAR1"
_OTHERS: Final = {b"PK\x03\x04": "a ZIP archive", b"\xfd7zXZ": "xz"}
#: Even a file of some bytes may unpack to this.
_SLACK: Final = 1 << 20
#: So much of a file tells what it is.
_HEAD: Final = 1 << 16


def files_of(sources: Sequence[str | os.PathLike[str]]) -> list[Path]:
    """The files that paths, patterns and folders stand for, each once, in order.

    A text with ``*``, ``?`` or ``[`` that names no file is a pattern; ``**`` goes through folders. Of a folder it is
    every file right in it that is not hidden.

    Raises:
        ResultsError: there is no such file, or none at all.

    >>> files_of(["nowhere/*.jsonl"])
    Traceback (most recent call last):
    compliance_frames.errors.ResultsError: there is no file nowhere/*.jsonl
    """
    if not sources:
        raise ResultsError("no file was named: give a path, a pattern (results/*.jsonl) or a folder")
    return list(dict.fromkeys(path for source in sources for path in _files(source)))


def _files(source: str | os.PathLike[str]) -> list[Path]:
    if isinstance(source, list | tuple):
        raise ResultsError("several files are given one by one: read_results(*paths)")
    path = Path(source)
    if path.is_dir():
        found = sorted(each for each in path.iterdir() if not each.name.startswith(".") and each.is_file())
        if not found:
            raise ResultsError(f"there is no file in the folder {named(path)}")
        return found
    if not path.exists() and glob.has_magic(os.fspath(source)):
        found = [Path(each) for each in sorted(glob.glob(os.fspath(source), recursive=True))]  # noqa: PTH207 - absolute, too
        found = [each for each in found if each.is_file()]
        if found:
            return found
    if not path.is_file():
        raise ResultsError(f"there is no file {named(path)}")
    return [path]


def named(path: Path) -> str:
    """A path as an error tells it."""
    return shown(str(path))


def changed_at(path: Path) -> datetime:
    """When a file was written last, to the second."""
    return datetime.fromtimestamp(int(path.stat().st_mtime), UTC)


def in_utc(checked_at: datetime) -> datetime:
    """When somebody says that answers were given, in UTC.

    Raises:
        ResultsError: it has no zone, or its zone leads out of the calendar.

    >>> in_utc(datetime.fromisoformat("2026-01-31T01:00:00+01:00"))
    datetime.datetime(2026, 1, 31, 0, 0, tzinfo=datetime.timezone.utc)
    """
    if checked_at.tzinfo is None:
        raise ResultsError("checked_at has no time zone: give a time in UTC, as datetime(2026, 1, 31, tzinfo=UTC)")
    try:
        return checked_at.astimezone(UTC)
    except OverflowError:
        raise ResultsError(f"checked_at is no time in UTC from year 1 to 9999: {checked_at.isoformat()}") from None


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A file's content, unpacked where it is packed with gzip, zstd or bzip2; what goes wrong is told by its name.

    Raises:
        ResultsError: it cannot be read, is not whole, is packed otherwise, or unpacks to more than it should.
    """
    try:
        with path.open("rb") as file:
            head = file.read(8)
            other = next((name for magic, name in _OTHERS.items() if head.startswith(magic)), None)
            if other is not None:
                raise ResultsError(
                    f"{named(path)} is packed with {other}; unpack it, or pack it with gzip, zstd or bzip2"
                )
            file.seek(0)
            packing = _packing(head)
            if packing is None:
                yield file
                return
            blocks = _unpacked(file, packing, most=MOST_UNPACKED * path.stat().st_size + _SLACK)
            with BufferedReader(_Blocks(blocks), 1 << 20) as unpacked:
                yield unpacked
    except ChecksumError:
        raise ResultsError(
            f"{named(path)} is packed with {packing}, and is not whole: fetch or copy it again"
        ) from None
    except TransferError:
        raise ResultsError(
            f"{named(path)} unpacks to more than {MOST_UNPACKED} times its size; it is refused"
        ) from None
    except OSError as error:
        raise ResultsError(f"{named(path)} cannot be read: {error.strerror or error}") from error


def _packing(head: bytes) -> str | None:
    if head[1:4] == _SKIPPABLE and 0x50 <= head[0] <= 0x5F:
        return "zstd"
    return next((packing for magic, packing in _PACKED.items() if head.startswith(magic)), None)


def _unpacked(file: BinaryIO, packing: str, *, most: int) -> Iterator[bytes]:
    """What a packed file holds, a little at a time, and no more than so many bytes."""
    if packing == "gzip":
        yield from inflated(iter(lambda: file.read(BLOCK), b""), most=most)
        return
    stream, size = pa.CompressedInputStream(file, packing), 0
    try:
        while block := stream.read(BLOCK):
            size += len(block)
            if size > most:
                raise TransferError("The file unpacks to more than any result file would; it is refused.")
            yield block
    except (OSError, pa.ArrowException):
        raise ChecksumError(f"The file begins as {packing} does, and is not whole.") from None


def kind_of(path: Path) -> Kind:
    """What a file holds, packed or not; ``"nothing"`` where it is empty but for blanks.

    Raises:
        ResultsError: as :func:`opened`.
    """
    with opened(path) as stream:
        head = stream.read(_HEAD)
    if head.startswith(_PARQUET):
        return "parquet"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text and len(head) < _HEAD:
        return "nothing"
    first = text[:1]
    return "csv" if first.isalpha() or first in (b'"', b"_", b",", b";") else "lines"


class _Blocks(RawIOBase):
    """Bytes that come in blocks, as a file; no block is longer than a buffer that asks for one."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks, self._rest = blocks, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        room = memoryview(buffer).cast("B")
        while not self._rest:
            try:
                self._rest = next(self._blocks)
            except StopIteration:
                return 0
        some, self._rest = self._rest[: len(room)], self._rest[len(room) :]
        room[: len(some)] = some
        return len(some)


class Watched(RawIOBase):
    """A stream whose bytes are shown to somebody on their way.

    Args:
        stream: where they come from.
        look: is given some of them at a time, each with the last :data:`TAIL` of those before.
    """

    #: What is looked for is shorter than this.
    TAIL: Final = 256

    def __init__(self, stream: BinaryIO, look: Any) -> None:
        self._stream, self._look, self._tail = stream, look, b""

    def readable(self) -> bool:
        """It can be."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill as much of a buffer as there is."""
        room = memoryview(buffer).cast("B")
        size = cast("Any", self._stream).readinto(room)
        if size:
            seen = self._tail + bytes(room[:size])
            self._look(seen)
            self._tail = seen[-self.TAIL :]
        return int(size or 0)
