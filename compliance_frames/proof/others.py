"""Look into files that are not Parquet: their bytes, those that are packed in them, and the buffers of Arrow's own."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import pyarrow as pa

from compliance_frames.corpus.manifest import FileRecord
from compliance_frames.proof.cells import leaves
from compliance_frames.proof.erased import IdArray
from compliance_frames.proof.findings import Findings, number
from compliance_frames.proof.footer import MAGIC
from compliance_frames.proof.search import Needles

_PIECE: Final = 1 << 20
_OVERLAP: Final = 80
#: What is packed has one of these soon; a NUL alone a small file may lack.
_NEVER_IN_TEXT: Final = bytes({*range(32)} - {*b"\b\t\n\v\f\r\x1b"})
#: More than this is not unpacked: a small file can hold more zeros than there is patience.
_MOST_UNPACKED: Final = 1 << 32
_DEEPEST: Final = 3
_IPC: Final = b"ARROW1"
_ENCRYPTED: Final = (b"PARE", b"Salted__", b"-----BEGIN PGP")
_FAILURES: Final = (
    pa.ArrowException, OSError, EOFError, ValueError, LookupError, RuntimeError, MemoryError,
    lzma.LZMAError, struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def look_at_other(path: Path, record: FileRecord, needles: Needles) -> Findings:
    """Search a file that is not Parquet for what had to go, by whatever can be unpacked of it."""
    findings = Findings()
    findings.counted["others"] = 1
    with path.open("rb") as file:
        head = file.read(16)
        if head.startswith(MAGIC):
            findings.problems.append(
                f"{record.path}: it is Parquet, and was not looked into when the dataset was cleaned"
            )
            return findings
        file.seek(0)
        look = _Look(needles)
        try:
            look.into(file, record.path)
        except NotImplementedError:
            look.unlooked.add(f"{record.path!r}: it is packed as nobody here can unpack")
        except _FAILURES as error:
            look.unlooked.add(f"{record.path!r}: it could not be unpacked to its end ({type(error).__name__})")
    found = np.unique(np.concatenate([needles.ids[:0], *look.found]))
    if len(found):
        findings.problems.append(f"{record.path}: {number(len(found), 'ID')} of what had to go in its bytes")
    findings.unlooked = look.unlooked
    return findings


class _Look:
    """What was found in a file and in those packed in it."""

    def __init__(self, needles: Needles) -> None:
        self.needles = needles
        self.found: list[IdArray] = []
        self.unlooked: set[str] = set()
        self._unpacked = 0

    def into(self, file: IO[bytes], name: str, depth: int = 0) -> None:
        """Search a stream; where it is packed, what is in it too."""
        head, text = file.read(16), True
        piece = head
        while piece:
            self.found.append(self.needles.in_bytes(piece, foreign=True))
            if b"\0" in piece:  # digits of two or four bytes each, as spreadsheets write "Unicode text"
                self.found.append(self.needles.in_bytes(piece.replace(b"\0", b"")))
            text = text and len(piece.translate(None, _NEVER_IN_TEXT)) == len(piece)
            fresh = file.read(_PIECE)
            self._unpacked += len(fresh) * (depth > 0)
            if self._unpacked > _MOST_UNPACKED:
                raise ValueError("it unpacks to more than 4 GiB")
            piece = piece[-_OVERLAP:] + fresh if fresh else b""
        opened = _opener(head)
        if head.startswith(_ENCRYPTED):
            self.unlooked.add(f"{name!r}: it is encrypted")
        elif opened is not None and depth < _DEEPEST and file.seekable():
            file.seek(0)
            for inner in opened(file):
                self.into(inner, name, depth + 1)
        elif head.startswith(_IPC) or head.startswith(b"\xff\xff\xff\xff"):
            file.seek(0)
            self._buffers(file, head)
        elif opened is not None or not text:
            self.unlooked.add(f"{name!r}, which is no text: only its bytes, for IDs in digits and in eight bytes")

    def _buffers(self, file: IO[bytes], head: bytes) -> None:
        """Arrow's own format may be compressed, buffer by buffer."""
        source: Any = pa.PythonFile(file, "r")
        for batch in _batches(pa.ipc.open_file(source) if head.startswith(_IPC) else pa.ipc.open_stream(source)):
            batch.validate(full=True)  # an offset that leads out of its buffer would end the process
            for leaf in (leaf for column in batch.columns for leaf in leaves(column)):
                values = [leaf, leaf.dictionary] if pa.types.is_dictionary(leaf.type) else [leaf]
                for buffer in (buffer for each in values for buffer in each.buffers() if buffer is not None):
                    self.found.append(self.needles.in_bytes(buffer, foreign=True))


def _batches(reader: Any) -> Iterator[pa.RecordBatch]:
    if isinstance(reader, pa.ipc.RecordBatchFileReader):
        yield from (reader.get_batch(at) for at in range(reader.num_record_batches))
    else:
        yield from reader


def _opener(head: bytes) -> Callable[[IO[bytes]], Iterator[IO[bytes]]] | None:
    """How to unpack a file that begins so; None where it is not packed."""
    for magic, opened in _PACKED.items():
        if head.startswith(magic):
            return opened
    return None


def _zipped(file: IO[bytes]) -> Iterator[IO[bytes]]:
    with zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            with archive.open(name) as inner:
                yield inner


def _arrow(codec: str) -> Callable[[IO[bytes]], Iterator[IO[bytes]]]:
    def opened(file: IO[bytes]) -> Iterator[IO[bytes]]:
        with pa.CompressedInputStream(pa.PythonFile(file, "r"), codec) as stream:
            yield io.BufferedReader(_Reads(stream))

    return opened


class _Reads(io.RawIOBase):
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


_PACKED: Final[dict[bytes, Callable[[IO[bytes]], Iterator[IO[bytes]]]]] = {
    b"\x1f\x8b": lambda file: iter([gzip.GzipFile(fileobj=file, mode="rb")]),  # type: ignore[list-item]
    b"BZh": lambda file: iter([bz2.BZ2File(file)]),
    b"\xfd7zXZ\0": lambda file: iter([lzma.LZMAFile(file)]),  # noqa: SIM115 - it ends with the file below it
    b"PK\x03\x04": _zipped,
    b"\x28\xb5\x2f\xfd": _arrow("zstd"),
    b"\x04\x22\x4d\x18": _arrow("lz4"),
}
