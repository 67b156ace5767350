"""Read the dictionary page of a column chunk from its bytes, which no library offers to show as it lies there.

A page is a header in Thrift's compact protocol and a body, perhaps compressed. The bytes are not trusted: every
length is held against what is there, nesting is bounded, and whatever does not fit is a :class:`PageError`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

import numpy as np
import pyarrow as pa

#: A header is some dozens of bytes; with statistics of long texts it may be more.
_HEADER_BYTES: Final = 4096
_LARGEST_HEADER: Final = 1 << 24
_LARGEST_PAGE: Final = 1 << 31
_DEEPEST: Final = 24

_DICTIONARY_PAGE: Final = 2
_PLAIN_ENCODINGS: Final = (0, 2)  # PLAIN, and PLAIN_DICTIONARY, which version 1 calls it
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
        values: entries of a dictionary; None for other pages.
        encoding: of a dictionary's entries; None for other pages.
        length: of the header itself, in bytes.
    """

    kind: int
    bytes: int
    plain_bytes: int
    values: int | None
    encoding: int | None
    length: int


def page_header(data: bytes) -> PageHeader:
    """Read the header that bytes begin with.

    Raises:
        PageError: they do not begin with one, or end within it.

    >>> page_header(bytes([0x15, 0x04, 0x15, 0x10, 0x15, 0x10, 0x4C, 0x15, 0x02, 0x15, 0x00, 0x00, 0x00]))
    PageHeader(kind=2, bytes=8, plain_bytes=8, values=1, encoding=0, length=13)
    """
    reader = _Compact(data)
    told = reader.struct()
    kind, plain, stored = (told.get(field) for field in (1, 2, 3))
    if not (isinstance(kind, int) and isinstance(plain, int) and isinstance(stored, int)):
        raise PageError("a page header lacks its kind or its sizes")
    if not (0 <= plain < _LARGEST_PAGE and 0 <= stored < _LARGEST_PAGE):
        raise PageError(f"a page cannot have {stored} bytes for {plain}")
    about = told.get(7)
    about = about if isinstance(about, dict) else {}
    return PageHeader(kind, stored, plain, _whole(about.get(1)), _whole(about.get(2)), reader.at)


def dictionary_page(
    file: BinaryIO, start: int, limit: int, *, codec: str, physical: str, width: int = 0
) -> pa.Array[Any] | None:
    """The entries of a column chunk's dictionary, or None where its first page is no dictionary.

    Args:
        file: an open Parquet file.
        start: where the chunk's first page begins.
        limit: how many bytes the chunk has.
        codec: the chunk's compression, as its metadata name it (``"SNAPPY"``).
        physical: the column's physical type (``"BYTE_ARRAY"``).
        width: bytes of each value of a ``FIXED_LEN_BYTE_ARRAY``.

    Returns:
        ``int32``, ``int64``, ``float32`` or ``float64``, else ``large_binary`` (also for text, whose bytes they are).

    Raises:
        PageError: the bytes there are no page, or are compressed or encoded as nobody knows.
    """
    header = _header_at(file, start, limit)
    if header.kind != _DICTIONARY_PAGE:
        return None
    if header.values is None or header.values < 0 or header.encoding not in _PLAIN_ENCODINGS:
        raise PageError("a dictionary page does not say how many values it has, or in which encoding")
    if header.length + header.bytes > limit:
        raise PageError("a dictionary page is longer than its column chunk")
    file.seek(start + header.length)
    body = file.read(header.bytes)
    if len(body) < header.bytes:
        raise PageError("the file ends within a dictionary page")
    return plain_values(_decompressed(body, header.plain_bytes, codec), header.values, physical, width)


def plain_values(data: bytes, count: int, physical: str, width: int = 0) -> pa.Array[Any]:
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


def _byte_arrays(data: bytes, count: int) -> pa.Array[Any]:
    """Values with their lengths before them: each tells where the next begins, so they are read in turn."""
    _must_have(data, 4 * count)
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


def _must_have(data: bytes, size: int) -> None:
    if len(data) < size:
        raise PageError(f"a dictionary page of {len(data)} bytes cannot hold {size} bytes of values")


def _header_at(file: BinaryIO, start: int, limit: int) -> PageHeader:
    """The header at a place in a file; more is read only where it is a long one."""
    size = min(_HEADER_BYTES, limit)
    while True:
        file.seek(start)
        data = file.read(size)
        try:
            return page_header(data)
        except _CutShort:
            if size >= min(limit, _LARGEST_HEADER) or len(data) < size:
                raise
            size = min(16 * size, limit, _LARGEST_HEADER)


def _decompressed(body: bytes, size: int, codec: str) -> bytes:
    """The body as it was before it was compressed, of exactly the size that the header says."""
    try:
        plain = body if codec == "UNCOMPRESSED" else _decompress(body, size, codec)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise PageError(f"a dictionary page cannot be decompressed ({codec})") from error
    if len(plain) != size:
        raise PageError(f"a dictionary page has {len(plain)} bytes once it is decompressed, and says {size}")
    return plain


def _decompress(body: bytes, size: int, codec: str) -> bytes:
    if codec.startswith("LZ4"):
        try:
            return _codec_bytes("lz4_raw", body, size)
        except (pa.ArrowException, OSError):
            return _hadoop_lz4(body, size)
    return _codec_bytes(codec.lower(), body, size)


def _codec_bytes(name: str, body: bytes, size: int) -> bytes:
    plain: bytes = pa.Codec(name).decompress(body, decompressed_size=size, asbytes=True)
    return plain


def _hadoop_lz4(body: bytes, size: int) -> bytes:
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
    return plain


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


class _CutShort(PageError):
    """The bytes end too early: with more of them it may be a header."""


class _Compact:
    """A reader of Thrift's compact protocol: structs become dictionaries by field number."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def struct(self, depth: int = 0) -> dict[int, Any]:
        found: dict[int, Any] = {}
        field = 0
        while head := self._byte():
            step, kind = head >> 4, head & 15
            field = field + step if step else self._zigzag()
            found[field] = kind == 1 if kind in (1, 2) else self._value(kind, depth)
        return found

    def _value(self, kind: int, depth: int) -> Any:
        if depth > _DEEPEST:
            raise PageError("a page header is nested too deeply")
        if kind in (1, 2, 3):  # within a list, a boolean is a byte
            return self._byte()
        if kind in (4, 5, 6):
            return self._zigzag()
        if kind == 7:
            return self._take(8)
        if kind == 8:
            return self._take(self._varint())
        if kind in (9, 10):
            return self._list(depth)
        if kind == 11:
            return self._map(depth)
        if kind == 12:
            return self.struct(depth + 1)
        raise PageError(f"a page header has a field of the unknown type {kind}")

    def _list(self, depth: int) -> list[Any]:
        head = self._byte()
        size = self._varint() if head >> 4 == 15 else head >> 4
        return [self._value(head & 15, depth + 1) for _ in range(self._counted(size))]

    def _map(self, depth: int) -> list[Any]:
        size = self._counted(self._varint())
        kinds = self._byte() if size else 0
        return [(self._value(kinds >> 4, depth + 1), self._value(kinds & 15, depth + 1)) for _ in range(size)]

    def _counted(self, size: int) -> int:
        """A number of elements, each of which takes a byte at least."""
        if size > len(self._data) - self.at:
            raise _CutShort("a list in a page header is longer than the header")
        return size

    def _byte(self) -> int:
        return self._take(1)[0]

    def _take(self, size: int) -> bytes:
        end = self.at + size
        if end > len(self._data):
            raise _CutShort("the bytes end within a page header")
        taken = self._data[self.at : end]
        self.at = end
        return taken

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise PageError("a number in a page header has no end")

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
