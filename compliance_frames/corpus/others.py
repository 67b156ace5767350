"""Files that are not Parquet go over as they are: whether one names what has to go, and where, is seen beforehand."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from compliance_frames.errors import PlanError
from compliance_frames.ids.slices import IdSet, any_between, bounds, is_in

#: Shorter numbers are sizes and dates far more often than IDs, which have had eleven digits since 2010.
_FEWEST: Final = 10**10
#: Bytes that are read at once, and those that are looked at twice because an ID may lie across.
_PIECE: Final = 1 << 20
_OVERLAP: Final = 80
#: Of a file no more than this is looked into, unpacked: verifying looks into all of it.
_MOST: Final = 1 << 28
_DEEPEST: Final = 3
_DIGITS: Final = re.compile(rb"(?<![0-9])0*([1-9][0-9]{10,18})(?![0-9])")
_UNPACKING: Final = (pa.ArrowException, OSError, EOFError, ValueError, lzma.LZMAError, zipfile.BadZipFile, RuntimeError)


_Unpack = Callable[[Any], Iterator[Any]]


@dataclass(frozen=True)
class Named:
    """The first place in a file where something stands that has to go.

    Attributes:
        where: in words: a line of text, or how far into the bytes.
    """

    where: str


def first_named(path: Path, sets: Sequence[IdSet]) -> Named | None:
    """The first place where a file names an ID of these sets; None where it names none, as far as one looks.

    Packed files are unpacked, text is searched for digits, and other bytes for numbers of eight bytes as well.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "tweets.csv")
    >>> _ = path.write_text("id,text\\n1212161512043446272,hello\\n")
    >>> first_named(path, [np.array([1212161512043446272])])
    Named(where='line 2')
    """
    wanted = [ids for ids in sets if len(ids) and bounds(ids)[1] >= _FEWEST]
    if not wanted:
        return None
    try:
        with path.open("rb") as file:
            return _Look(wanted).into(file)
    except _UNPACKING:
        return None  # verifying says what it could not look into


def must_name_none(path: Path, name: str, sets: Sequence[IdSet]) -> None:
    """Refuse to copy a file that names what has to go: the copy of the dataset would not be clean.

    Raises:
        PlanError: it does; with the ways out.
    """
    found = first_named(path, sets)
    if found is not None:
        raise PlanError(
            f"{name} is not Parquet, would go over as it is, and names a tweet or an author that has to go "
            f"({found.where}): take it out of the dataset (it needs cleaning of its own, or make Parquet of it), or "
            'leave all files that are not Parquet out of the cleaned copy with others="leave" (command line: '
            "--others leave)"
        )


class _Look:
    """One look into a file and into what is packed in it, as far as there is patience."""

    def __init__(self, sets: Sequence[IdSet]) -> None:
        self._sets = sets
        self._low = max(_FEWEST, min(bounds(ids)[0] for ids in sets))
        self._high = max(bounds(ids)[1] for ids in sets)
        self._left = _MOST

    def into(self, file: io.BufferedReader, depth: int = 0) -> Named | None:
        """The first place in a stream, or in what is packed in it."""
        head = file.peek(_OVERLAP)
        unpack = next((unpack for magic, unpack in _PACKED.items() if head.startswith(magic)), None)
        if unpack is None or depth >= _DEEPEST:
            return self._plain(file)
        for inner in unpack(file):
            found = self.into(io.BufferedReader(inner), depth + 1)
            if found is not None:
                return Named(found.where if depth else f"{found.where}, unpacked")
        return None

    def _plain(self, file: io.BufferedReader) -> Named | None:
        piece, start, lines, text = b"", 0, 1, True
        while self._left > 0 and (fresh := file.read(_PIECE)):
            self._left -= len(fresh)
            piece += fresh
            text = text and b"\0" not in fresh
            at = self._digits(piece)
            if at is None and not text:
                at = self._words(piece)
            if at is None and not text and self._digits(piece.replace(b"\0", b"")) is not None:
                at = 0  # digits of two or four bytes each, as spreadsheets write "Unicode text"
            if at is not None:
                line = lines + piece.count(b"\n", 0, at)
                return Named(f"line {line:,}" if text else f"byte {start + at:,}")
            gone = max(len(piece) - _OVERLAP, 0)
            lines += piece.count(b"\n", 0, gone)
            start, piece = start + gone, piece[gone:]
        return None

    def _digits(self, piece: bytes) -> int | None:
        found = list(_DIGITS.finditer(piece))
        numbers = np.array([min(int(each[1]), 2**63 - 1) for each in found], np.int64)
        hits = np.flatnonzero(self._among(numbers))
        return found[hits[0]].start() if len(hits) else None

    def _words(self, piece: bytes) -> int | None:
        first = None
        for order in "<>":
            for shift in range(min(8, len(piece) - 7)):
                words = np.frombuffer(piece, f"{order}i8", (len(piece) - shift) // 8, shift)
                likely = np.flatnonzero((words >= self._low) & (words <= self._high))
                hits = likely[self._among(words[likely].astype(np.int64))]
                if len(hits) and (first is None or hits[0] * 8 + shift < first):
                    first = int(hits[0]) * 8 + shift
        return first

    def _among(self, numbers: Any) -> Any:
        found = np.zeros(len(numbers), bool)
        for ids in self._sets if len(numbers) else ():
            if any_between(ids, int(numbers.min()), int(numbers.max())):
                found |= is_in(numbers, ids)
        return found


class _Unpacked(io.RawIOBase):
    """What Arrow unpacks, as Python reads it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer."""
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _by_arrow(codec: str) -> _Unpack:
    def unpack(file: Any) -> Iterator[Any]:
        with pa.CompressedInputStream(pa.PythonFile(file, "r"), codec) as stream:
            yield _Unpacked(stream)

    return unpack


def _zipped(file: Any) -> Iterator[Any]:
    with zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            with archive.open(name) as inner:
                yield inner


#: How files begin that are packed, and what unpacks them.
_PACKED: Final[dict[bytes, _Unpack]] = {
    b"\x1f\x8b": lambda file: iter([gzip.GzipFile(fileobj=file, mode="rb")]),
    b"BZh": lambda file: iter([bz2.BZ2File(file)]),
    b"\xfd7zXZ\0": lambda file: iter([lzma.LZMAFile(file)]),  # noqa: SIM115 - it ends with the file below it
    b"PK\x03\x04": _zipped,
    b"\x28\xb5\x2f\xfd": _by_arrow("zstd"),
    b"\x04\x22\x4d\x18": _by_arrow("lz4"),
}
