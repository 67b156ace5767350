"""Read the pages of a column chunk from their bytes, which no library offers to show as they lie there.

A page is a header in Thrift's compact protocol and a body, perhaps compressed. The bytes are not trusted: every
length is held against what is there, nesting is bounded, and whatever does not fit is a :class:`PageError`.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

import numpy as np
import pyarrow as pa
from numpy import strings

from compliance_frames.proof.footer import Bounds, Chunk, bounds_of
from compliance_frames.proof.thrift import CutShort, ThriftError, parsed

#: A header is some dozens of bytes; with statistics of long texts it may be more.
_HEADER_BYTES: Final = 1024
_LARGEST_HEADER: Final = 1 << 24
_LARGEST_PAGE: Final = 1 << 31
#: A page beyond the first of these is refused where it says that it unpacks to more than the second times its bytes.
_LARGE_PAGE: Final = 1 << 27
_MOST_UNPACKED: Final = 100
#: What is read at once of a chunk whose pages are small.
_WINDOW: Final = 1 << 20
#: NumPy lets other threads go on while it looks into more than 500 texts, and not for one, however long.
_UNHELD: Final = 512

_DICTIONARY_PAGE: Final = 2
_PLAIN_ENCODINGS: Final = (0, 2)  # PLAIN, and PLAIN_DICTIONARY, which version 1 calls it
_RLE: Final = 3
_FIXED: Final = {"INT32": "<i4", "INT64": "<i8", "FLOAT": "<f4", "DOUBLE": "<f8"}
_INT96_BYTES: Final = 12


class PageError(ValueError):
    """Bytes that are no page, or no page that can be read here."""


@dataclass(frozen=True)
class PageHeader:
    """What stands before a page.

    Attributes:
        kind: 0 data, 1 index, 2 dictionary, 3 data of version 2.
        bytes: of the body in the file.
        plain_bytes: of the body once it is decompressed.
        values: of the page, or entries of a dictionary; None where it does not say.
        encoding: of the values; None where it does not say.
        length: of the header itself, in bytes.
        level_encoding: of definition levels, with no other levels before them; None where it does not say.
        levels: bytes of a body of version 2 that are never compressed.
        compressed: whether the rest of a body of version 2 is.
        checksum: CRC-32 of the body in the file, or None.
        bounds: statistics of a data page.
    """

    kind: int
    bytes: int
    plain_bytes: int
    values: int | None
    encoding: int | None
    length: int
    level_encoding: int | None = None
    levels: int = 0
    compressed: bool = True
    checksum: int | None = None
    bounds: tuple[Bounds, ...] = ()


@dataclass(frozen=True)
class Page:
    """A page, decompressed.

    Attributes:
        header: what stands before it.
        raw_header: the same, as bytes.
        start: where it begins in the file.
        data: its body, in memory that Arrow uses again for the next one.
    """

    header: PageHeader
    raw_header: bytes
    start: int
    data: memoryview

    def holds(self, value: bytes) -> bool:
        """Whether a value stands somewhere in it.

        >>> Page(PageHeader(0, 4, 4, 1, 0, 13), b"", 4, memoryview(b"\\1\\0\\0\\0x")).holds(b"x")
        True
        """
        if not value or not value[-1] or not len(self.data):  # NumPy takes zeros at the end for none
            return value in bytes(self.data)
        whole = np.frombuffer(self.data, f"S{len(self.data)}")  # Python finds nothing in memory that is not its own
        ends = np.zeros(_UNHELD, np.int64)
        ends[0] = len(self.data)  # in all but the first nothing is looked into
        return bool(strings.find(np.broadcast_to(whole, _UNHELD), value, 0, ends)[0] >= 0)


def page_header(data: bytes) -> PageHeader:
    """Read the header that bytes begin with.

    Raises:
        PageError: they do not begin with one, or end within it.

    >>> header = page_header(bytes([0x15, 4, 0x15, 16, 0x15, 16, 0x4C, 0x15, 2, 0x15, 0, 0, 0]))
    >>> header.kind, header.bytes, header.plain_bytes, header.values, header.encoding, header.length
    (2, 8, 8, 1, 0, 13)
    """
    try:
        told, end = parsed(data)
    except CutShort as error:
        raise _CutShort(f"a page header cannot be read: {error}") from error
    except ThriftError as error:
        raise PageError(f"a page header cannot be read: {error}") from error
    kind, plain, stored = (_whole(told.get(field)) for field in (1, 2, 3))
    if kind is None or plain is None or stored is None:
        raise PageError("a page header lacks its kind or its sizes")
    if not (0 <= plain < _LARGEST_PAGE and 0 <= stored < _LARGEST_PAGE):
        raise PageError(f"a page cannot have {stored} bytes for {plain}")
    about = told.get({0: 5, 2: 7, 3: 8}.get(kind, 0))
    about = about if isinstance(about, dict) else {}
    second = kind == 3
    levels = (_whole(about.get(5)) or 0) + (_whole(about.get(6)) or 0) if second else 0
    if not 0 <= levels <= min(stored, plain):
        raise PageError("a page's levels are longer than the page")
    return PageHeader(
        kind,
        stored,
        plain,
        _whole(about.get(1)),
        _whole(about.get(4 if second else 2)),
        end,
        _level_encoding(about, kind),
        levels,
        about.get(7) is not False if second else True,
        _whole(told.get(4)),
        bounds_of(about.get(8 if second else 5)) if kind in (0, 3) else (),
    )


def _level_encoding(about: dict[int, Any], kind: int) -> int | None:
    """How definition levels are packed: in pages of version 2 always as run lengths, behind repetition levels."""
    if kind == 3:
        return None if about.get(6) else _RLE
    return _whole(about.get(3)) if kind == 0 else None


def pages(file: BinaryIO, chunk: Chunk) -> Iterator[Page]:
    """Every page of a column chunk, in order.

    Raises:
        PageError: its bytes are no row of pages from its first to its last byte.
    """
    window = _Window(file, chunk.span.end)
    at = chunk.span.start
    while at < chunk.span.end:
        header, raw_header = _header_at(window, at)
        body = window.read(at + header.length, header.bytes)
        if len(body) < header.bytes:
            raise PageError("a page is longer than its column chunk")
        if header.checksum is not None and zlib.crc32(body) != header.checksum & 0xFFFFFFFF:
            raise PageError("a page's checksum is not that of its bytes")
        yield Page(header, raw_header, at, _body(body, header, chunk.codec))
        del body  # what was read of the file can go before more is read
        at += header.length + header.bytes


def dictionary_values(page: Page, chunk: Chunk) -> pa.Array[Any]:
    """The entries of a dictionary page.

    Returns:
        ``int32``, ``int64``, ``float32`` or ``float64``, else ``large_binary`` (also for text, whose bytes they are).

    Raises:
        PageError: they are encoded as nobody knows.
    """
    count = page.header.values
    if count is None or count < 0 or page.header.encoding not in _PLAIN_ENCODINGS:
        raise PageError("a dictionary page does not say how many values it has, or in which encoding")
    return plain_values(page.data, count, chunk.physical, chunk.width)


def plain_values(data: bytes | memoryview, count: int, physical: str, width: int = 0) -> pa.Array[Any]:
    """Decode values in the PLAIN encoding.

    Raises:
        PageError: the bytes are not that many values.

    >>> plain_values(b"\\2\\0\\0\\0en", 1, "BYTE_ARRAY").to_pylist()
    [b'en']
    """
    if physical == "BYTE_ARRAY":
        return _byte_arrays(data, count)
    if physical in _FIXED:
        dtype = np.dtype(_FIXED[physical])
        _must_have(data, count * dtype.itemsize)
        return pa.array(np.frombuffer(data, dtype, count))
    width = _INT96_BYTES if physical == "INT96" else width
    if width <= 0:
        raise PageError(f"a dictionary of {physical} values cannot be read")
    _must_have(data, count * width)
    offsets = np.arange(count + 1, dtype=np.int64) * width
    return _binaries(offsets, np.frombuffer(data, np.uint8, count * width))


def _byte_arrays(data: bytes | memoryview, count: int) -> pa.Array[Any]:
    """Values with their lengths before them: each tells where the next begins, so they are read in turn."""
    _must_have(data, 4 * count)
    data = bytes(data)
    read_length = struct.Struct("<I").unpack_from
    at, end, pieces = 0, len(data), []
    for _ in range(count):
        if at + 4 > end:
            raise PageError("a dictionary page ends before its last value")
        (length,) = read_length(data, at)
        at += 4 + length
        if at > end:
            raise PageError("a dictionary page ends within a value")
        pieces.append(data[at - length : at])
    return pa.array(pieces, pa.large_binary())


def _binaries(offsets: np.ndarray[Any, Any], data: np.ndarray[Any, Any]) -> pa.Array[Any]:
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.large_binary(), len(offsets) - 1, buffers)


def _must_have(data: bytes | memoryview, size: int) -> None:
    if len(data) < size:
        raise PageError(f"a dictionary page of {len(data)} bytes cannot hold {size} bytes of values")


class _Window:
    """Reads of a file that lie near to each other, of which most are answered from memory."""

    def __init__(self, file: BinaryIO, end: int) -> None:
        self._file, self._end = file, end
        self._at, self._data = 0, memoryview(b"")

    def read(self, at: int, size: int) -> memoryview:
        """Bytes at a place; fewer where the end is nearer."""
        size = max(0, min(size, self._end - at))
        if not self._at <= at <= at + size <= self._at + len(self._data):
            self._file.seek(at)
            self._at, self._data = at, memoryview(b"")
            self._data = memoryview(self._file.read(min(max(size, _WINDOW), self._end - at)))
        return self._data[at - self._at : at - self._at + size]


def _header_at(window: _Window, at: int) -> tuple[PageHeader, bytes]:
    """The header at a place in a file, and its bytes; more is read only where it is a long one."""
    size = _HEADER_BYTES
    while True:
        data = bytes(window.read(at, size))
        try:
            header = page_header(data)
        except _CutShort:
            if len(data) < size or size >= _LARGEST_HEADER:
                raise
            size *= 16
        else:
            return header, data[: header.length]


def _body(body: memoryview, header: PageHeader, codec: str) -> memoryview:
    """The body as it was before it was compressed, of exactly the size that the header says."""
    levels, rest, size = body[: header.levels], body[header.levels :], header.plain_bytes - header.levels
    if size > _LARGE_PAGE and size > _MOST_UNPACKED * len(rest):
        raise PageError(f"a page of {len(body):,} bytes says that it unpacks to {header.plain_bytes:,}")
    plain = codec == "UNCOMPRESSED" or not header.compressed or (header.kind == 3 and not size)
    try:
        data = _kept(rest, header) if plain else _decompress(rest, size, codec)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise PageError(f"a page cannot be decompressed ({codec})") from error
    if len(data) != size:
        raise PageError(f"a page has {len(data)} bytes once it is decompressed, and says {size}")
    return memoryview(b"".join((levels, data))) if len(levels) else data


def _kept(body: memoryview, header: PageHeader) -> memoryview:
    """A body that is not compressed; a dictionary is held for longer than what was read of the file with it."""
    return memoryview(bytes(body)) if header.kind == _DICTIONARY_PAGE else body


def _decompress(body: memoryview, size: int, codec: str) -> memoryview:
    if codec.startswith("LZ4"):
        try:
            return _codec_bytes("lz4_raw", body, size)
        except (pa.ArrowException, OSError):
            return _hadoop_lz4(body, size)
    return _codec_bytes(codec.lower(), body, size)


def _codec_bytes(name: str, body: memoryview, size: int) -> memoryview:
    return memoryview(pa.Codec(name).decompress(body, decompressed_size=size)).cast("B")  # of Arrow they are signed


def _hadoop_lz4(body: memoryview, size: int) -> memoryview:
    """Older writers frame LZ4 as Hadoop does: blocks, each with its two sizes before it."""
    at, plain = 0, b""
    while at < len(body):
        if at + 8 > len(body):
            raise PageError("a block of LZ4 has no sizes")
        whole, stored = struct.unpack_from(">II", body, at)
        if whole > size - len(plain) or at + 8 + stored > len(body):
            raise PageError("a block of LZ4 is larger than its page")
        plain += _codec_bytes("lz4_raw", body[at + 8 : at + 8 + stored], whole)
        at += 8 + stored
    return memoryview(plain)


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


class _CutShort(PageError):
    """The bytes end too early: with more of them it may be a header."""
