"""Read raw files as the proof does: unpacked by Python's own modules, cut into what each of their records is."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from compliance_frames.corpus.manifest import FileRecord

_GZIP: Final = b"\x1f\x8b"
_BZ2: Final = b"BZh"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_BOM: Final = b"\xef\xbb\xbf"
_READ: Final = 1 << 20
#: Pieces that are held in memory at once, and characters of them.
_MANY: Final = 2048
_MUCH: Final = 1 << 22
#: Deeper values are looked into by nobody.
_DEEPEST: Final = 249
#: No value is longer.
_LONGEST: Final = 1 << 27


@dataclass(slots=True)
class Piece:
    """A line, an element of a list, or a record of a table.

    Attributes:
        text: of it, to the byte.
        value: what it holds, or None where that cannot be read.
        odd: whether a number in it may be spelled otherwise than in digits: with an exponent, or in escapes.
    """

    text: str
    value: Any
    odd: bool = False


def pieces(path: Path, record: FileRecord) -> Iterator[Piece]:
    """Every piece of a raw file that is not blank.

    Args:
        path: of the file.
        record: what a manifest says of it.

    Raises:
        ValueError: it cannot be read as what the manifest says that it is.
    """
    with _text(path) as text:
        if record.raw == "csv":
            yield from _records(text, record.delimiter or ",")
        elif record.raw == "json":
            yield from _values(text)
        else:
            reader = _Json()
            yield from (reader.piece(line) for line in text if not line.isspace())


def is_ambiguous(piece: Piece, record: FileRecord) -> bool:
    r"""Whether readers differ in what a piece holds: a key stands twice, quotes make no sense, or it goes too deep.

    >>> record = FileRecord("a.jsonl", "copy", 0, 0, "", 0, "", 1, 1, raw="json lines")
    >>> is_ambiguous(Piece('{"id": 7, "id": 8}', {"id": 8}), record)
    True
    """
    try:
        if record.raw == "csv":
            lines = io.StringIO(piece.text, newline="\n")
            return (
                '"' in piece.text and len(list(csv.reader(lines, delimiter=record.delimiter or ",", strict=True))) > 1
            )
        twice = [depth_of(piece.value) > _DEEPEST]
        json.loads(piece.text, object_pairs_hook=lambda pairs: twice.append(len(dict(pairs)) < len(pairs)))
        return any(twice)
    except (ValueError, RecursionError, csv.Error):
        return True


def depth_of(value: Any) -> int:
    """How many lists and objects the innermost value lies in.

    >>> depth_of(7), depth_of({"a": [[7]], "b": []})
    (0, 3)
    """
    depth, waiting = 0, [value]
    while waiting := [
        inner
        for each in waiting
        if isinstance(each, dict | list)
        for inner in (each.values() if isinstance(each, dict) else each)
    ]:
        depth += 1
    return depth


def batches(found: Iterator[Piece]) -> Iterator[list[Piece]]:
    """Pieces in lists of some thousands, or of some megabytes.

    >>> [len(batch) for batch in batches(Piece("7", 7) for _ in range(3000))]
    [2048, 952]
    """
    batch, held = list[Piece](), 0
    for piece in found:
        batch.append(piece)
        held += len(piece.text)
        if len(batch) >= _MANY or held >= _MUCH:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def _text(path: Path) -> io.TextIOWrapper:
    """The text of a file; bytes that are no UTF-8 can be told from each other, and line ends stay."""
    with path.open("rb") as file:
        head = file.read(4)
    stream: Any
    if head.startswith(_GZIP):
        stream = gzip.GzipFile(path)
    elif head.startswith(_BZ2):
        stream = bz2.BZ2File(path)
    elif head.startswith(_ZSTD) or (head[1:] == b"\x2a\x4d\x18" and 0x50 <= head[0] <= 0x5F):
        stream = io.BufferedReader(_Unpacked(pa.CompressedInputStream(pa.OSFile(bytes(path), "rb"), "zstd")))
    else:
        stream = path.open("rb")
    if stream.peek(3)[:3] == _BOM:
        stream.read(3)
    return io.TextIOWrapper(stream, "utf-8", errors="surrogateescape", newline="\n")


class _Unpacked(io.RawIOBase):
    """What Arrow unpacks, as Python reads it."""

    def __init__(self, stream: Any) -> None:
        self._stream, self._at, self._held = stream, 0, b""

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer."""
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class _Json:
    """Reads values of JSON, and sees which numbers have an exponent."""

    def __init__(self) -> None:
        self._exponents = 0
        # what is no number of JSON, as NaN, stays a word: it would equal nothing, not even itself
        self.decoder = json.JSONDecoder(parse_float=self._float, parse_constant=str)

    def _float(self, spelled: str) -> float:
        self._exponents += "e" in spelled or "E" in spelled
        return float(spelled)

    def piece(self, text: str) -> Piece:
        """A text as a piece."""
        self._exponents = 0
        try:
            value = self.decoder.decode(text)
        except (ValueError, RecursionError):
            return Piece(text, None, odd=True)
        return Piece(text, value, self._exponents > 0 or "\\u003" in text)


def _records(text: io.TextIOWrapper, delimiter: str) -> Iterator[Piece]:
    read: list[str] = []
    cut_off: list[bool] = []

    def lines() -> Iterator[str]:
        for line in text:
            read.append(line)
            yield line
        cut_off.append(bool(read))  # within quotes

    reader = csv.reader(lines(), delimiter=delimiter)
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error:
            fields = [""]
        if fields:
            yield Piece("".join(read), None if fields == [""] or any(cut_off) else fields)
        read.clear()


def _values(text: io.TextIOWrapper) -> Iterator[Piece]:
    """Objects one after the other, and the elements of lists of them."""
    reader, held, at, ended = _Json(), "", 0, False
    while True:
        while at < len(held) and held[at] in " \t\r\n,[]":
            at += 1
        if at < len(held):
            try:
                _, end = reader.decoder.raw_decode(held, at)
                if end < len(held) or ended:
                    yield reader.piece(held[at:end])
                    at = end
                    continue
            except ValueError:
                if ended or len(held) - at > _LONGEST:
                    raise
        elif ended:
            return
        fresh = text.read(max(_READ, len(held) - at))
        held, at, ended = held[at:] + fresh, 0, not fresh
