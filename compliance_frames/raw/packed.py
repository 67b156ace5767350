"""Raw files as streams of bytes, whatever they are packed with, and their lines to the byte.

What a file is packed with is told by its first bytes, and not by its name alone: people rename files, and browsers
unpack them. Arrow unpacks all of a file's members, frames or streams, checks their checksums, and lets other threads
run meanwhile.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Literal

import numpy as np
import pyarrow as pa

from compliance_frames.durable import open_private
from compliance_frames.errors import RawFileError

Packing = Literal["gzip", "zstd", "bz2"]

#: Names that say what a file is packed with.
SUFFIXES: Final[dict[str, Packing]] = {".gz": "gzip", ".gzip": "gzip", ".zst": "zstd", ".zstd": "zstd", ".bz2": "bz2"}
#: A line of more bytes is no tweet: the longest that services and tools write hold a page of 500, some megabytes.
LONGEST: Final = 1 << 26
#: What UTF-8 files of Windows begin with. It belongs to the first line's bytes, and to no value.
BOM: Final = b"\xef\xbb\xbf"

_BLOCK: Final = 1 << 22
_MAGIC: Final[tuple[tuple[bytes, Packing], ...]] = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bz2"),
)
_SKIPPABLE: Final = b"\x2a\x4d\x18"  # after a byte from 50 to 5F: a frame of zstd that holds no content
_CHECK: Final[dict[Packing, str]] = {"gzip": "gzip -t", "zstd": "zstd -t", "bz2": "bzip2 -t"}
_WIDE: Final = (b"\xff\xfe", b"\xfe\xff")
_FOREIGN: Final[dict[bytes, tuple[str, str]]] = {
    b"PK\x03\x04": ("a zip archive, or a spreadsheet", "unpack it, or save it as CSV, and name what comes out of it"),
    b"PAR1": ("Parquet already", "plan and clean take it as it is"),
    b"SQLite format 3\0": ("a database", "export its table of tweets as CSV or JSON"),
    b"\xfd7zXZ\0": ("packed with xz", "unpack it with `unxz`, and name what comes out of it"),
    b"7z\xbc\xaf": ("a 7z archive", "unpack it, and name what comes out of it"),
}
#: Times the packed size beyond the first gibibyte: JSON shrinks 5 to 20 times, a bomb 1,000 times and more.
_MOST_UNPACKED: Final = 500
_FREE: Final = 1 << 30


class Unpacked:
    """A file's content as a stream of bytes, unpacked as it is read; made by :func:`opened`.

    Attributes:
        path: of the file.
        packing: what it is packed with, or None.
        offset: bytes of content read so far.
        line: the number of the line, from 1, that the next byte belongs to.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.offset, self.line = path, 0, 1
        self._file = _file(path)
        try:
            self.packing = _packing(path, self._file.read(4))
            self._file.seek(0)
            self._stream: Any = (
                self._file if self.packing is None else pa.CompressedInputStream(self._file, self.packing)
            )
            self._head = self._next(_BLOCK)
            _must_be_text(path, self._head)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Unpacked:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    @property
    def packed_offset(self) -> int:
        """How many bytes of the file itself were read: of the file's size, this tells how far the reading is."""
        return int(self._file.tell())

    def peek(self) -> bytes:
        """How the content begins: some megabytes of it, of what was not read yet."""
        return self._head

    def read(self, size: int) -> bytes:
        """The next bytes, at most so many; none only at the end.

        Raises:
            RawFileError: the packed data is cut off or damaged, or unpacks to more than any tweets would.
        """
        if self._head:
            content, self._head = self._head[:size], self._head[size:]
        else:
            content = self._next(size)
        self.offset += len(content)
        self.line += _newlines(content)
        return content

    def _next(self, size: int) -> bytes:
        try:
            content: bytes = self._stream.read(size)
        except (OSError, pa.ArrowException) as error:
            raise self._broken(error) from error
        if self.offset + len(content) > _FREE + _MOST_UNPACKED * self.packed_offset:
            raise RawFileError(
                f"{self.path} unpacks to more than {_MOST_UNPACKED} times its size, as no file of tweets does: "
                "it is left alone. Unpack it yourself if you trust it.",
                path=self.path,
                line=self.line,
            )
        return content

    def _broken(self, error: Exception) -> RawFileError:
        if self.packing is None:
            return RawFileError(f"{self.path} cannot be read: {error}", path=self.path, line=self.line)
        cut = "is cut off" if "runcated" in str(error) else "is damaged"
        return RawFileError(
            f"{self.path}: its {self.packing} data {cut} after {self.offset:,} bytes of content, in line "
            f"{self.line:,}. Fetch or copy the file again (`{_CHECK[self.packing]}` tells whether it is whole).",
            path=self.path,
            line=self.line,
        )


def opened(path: str | os.PathLike[str]) -> Unpacked:
    """Open a raw file and unpack it, by its first bytes, as it is read.

    Raises:
        RawFileError: it cannot be opened; its name says that it is packed and its content does not; it is UTF-16.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "tweets.jsonl.gz")
    >>> _ = path.write_bytes(gzip.compress(b'{"id": 20}'))
    >>> with opened(path) as stream:
    ...     stream.packing, stream.read(100)
    ('gzip', b'{"id": 20}')
    """
    return Unpacked(Path(path))


@dataclass(frozen=True, slots=True)
class Lines:
    r"""Some whole lines of a file, to the byte, with their ends: ``\n``, or ``\r\n``, or nothing at the file's end.

    Attributes:
        content: their bytes; of a line that is too long, none.
        first: the number of the first, from 1.
        offset: where it begins in the file's content.
        count: how many there are.
        too_long: bytes of the one line that this is, where it is too long to be held; else 0.
    """

    content: bytes
    first: int
    offset: int
    count: int
    too_long: int = 0


def lines(stream: Unpacked | IO[bytes], *, block: int = _BLOCK, longest: int = LONGEST) -> Iterator[Lines]:
    r"""A stream's lines, in pieces of about ``block`` bytes; a line of more than ``longest`` comes alone, unread.

    >>> import io
    >>> for piece in lines(io.BytesIO(b"one\r\ntwo\n\nfour"), block=10):
    ...     piece.first, piece.content
    (1, b'one\r\ntwo\n\n')
    (4, b'four')
    """
    first, offset = 1, 0
    begun: list[bytes] = []  # of a line whose end was not seen yet; nothing once it is too long
    held = 0  # bytes of that line
    while content := stream.read(min(block, longest)):
        head, tail = content.find(b"\n") + 1, content.rfind(b"\n") + 1
        if head and held + head > longest:
            yield (piece := Lines(b"", first, offset, 1, too_long=held + head))
            first, offset = first + 1, offset + piece.too_long
            begun, held, content, tail = [], 0, content[head:], tail - head
        if tail:
            yield (piece := _whole([*begun, content[:tail]], first, offset))
            first, offset = first + piece.count, offset + len(piece.content)
            begun, held, content = [], 0, content[tail:]
        held += len(content)
        begun = [*begun, content] if held <= longest else []
    if held:
        yield Lines(b"".join(begun), first, offset, 1, too_long=0 if begun else held)


def _newlines(content: bytes) -> int:
    """How many there are, counted several times as fast as bytes count themselves."""
    return int(np.count_nonzero(np.frombuffer(content, np.uint8) == ord("\n")))


def _whole(pieces: list[bytes], first: int, offset: int) -> Lines:
    content = b"".join(pieces)
    return Lines(content, first, offset, _newlines(content))


@contextmanager
def packed(path: Path, packing: Packing | None) -> Iterator[IO[bytes]]:
    """Write a private file, packed with what another was packed with; whoever calls this makes it durable.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "copy")
    >>> with packed(path, "zstd") as file:
    ...     _ = file.write(b"one line")
    >>> with opened(path) as stream:
    ...     stream.packing, stream.read(100)
    ('zstd', b'one line')
    """
    with open_private(path) as file, _packing_into(file, packing) as stream:
        yield stream


def _packing_into(file: IO[bytes], packing: Packing | None) -> Any:
    if packing == "gzip":  # Arrow's would take its time: it knows the highest level alone. No name and time go into it
        return gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0)
    if packing == "bz2":
        return bz2.BZ2File(file, "wb")
    return nullcontext(file) if packing is None else pa.CompressedOutputStream(file, packing)


def _file(path: Path) -> Any:
    try:
        if not path.is_file():
            raise FileNotFoundError(errno.ENOENT, "there is no such file")
        return pa.OSFile(os.fsencode(path), "rb")
    except OSError as error:
        raise RawFileError(f"{path} cannot be read: {error.strerror or error}", path=path) from error


def _packing(path: Path, begins: bytes) -> Packing | None:
    """What a file is packed with; its name must not say that it is packed where its content does not."""
    for magic, packing in _MAGIC:
        if begins.startswith(magic):
            return packing
    if begins[1:] == _SKIPPABLE and 0x50 <= begins[0] <= 0x5F:
        return "zstd"
    named = SUFFIXES.get(path.suffix.lower())
    if named is not None and begins:
        raise RawFileError(
            f"{path} is called {path.suffix}, and its content is not {named}: it is damaged, or somebody unpacked it "
            f"already. Fetch it again, or take {path.suffix} off its name.",
            path=path,
        )
    return None


def _must_be_text(path: Path, begins: bytes) -> None:
    """Refuse what has no lines of UTF-8, by how it begins."""
    if begins.startswith(_WIDE) or b"\0" in begins[:2]:
        raise RawFileError(
            f"{path} is UTF-16, or no text at all. Write it as UTF-8: `iconv -f UTF-16 -t UTF-8`.", path=path
        )
    for magic, (what, way_out) in _FOREIGN.items():
        if begins.startswith(magic):
            raise RawFileError(f"{path} is {what}: {way_out}.", path=path)
