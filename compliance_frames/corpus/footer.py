"""What a Parquet file's footer says of where its bytes lie, and the same footer for bytes that lie elsewhere.

A file is ``PAR1``, column chunks (each a row of pages), perhaps Bloom filters and page indexes, the footer, its length
and ``PAR1``. All places in footer and indexes are counted from the beginning of the file. The footer is a Thrift struct
(:mod:`~compliance_frames.corpus.thrift`) of which only the fields that hold places and sizes are looked at.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, Protocol

from compliance_frames.corpus.thrift import DEEPEST, LIST, CutShort, Shape, Struct, parsed, text_list
from compliance_frames.errors import FooterError

MAGIC: Final = b"PAR1"
_TAIL: Final = 8  # the footer's length and the magic bytes
#: A footer that is larger is not edited in Python: that takes a second for each 10 MB.
LARGEST: Final = 16 << 20
_HEADER, _LARGEST_HEADER = 256, 1 << 20  # bytes that are read for a page header, first and at most
_MOST_PAGES: Final = 100_000  # of a column chunk, where they have to be counted
#: The number of the field that is kept free for extensions, such as the whole footer once more in another format.
_EXTENSION: Final = 32767
_FIXED_LENGTH: Final = 7  # the number of the type FIXED_LEN_BYTE_ARRAY
_CODECS: Final = range(8)  # from none to LZ4_RAW


class File:
    """Numbers of the fields of ``FileMetaData``."""

    VERSION, SCHEMA, ROWS, GROUPS, KEY_VALUES, CREATED_BY, ORDERS, ENCRYPTION, SIGNATURE = range(1, 10)


class Element:
    """Numbers of the fields of ``SchemaElement``."""

    TYPE, LENGTH, REPETITION, NAME, CHILDREN = range(1, 6)


class Group:
    """Numbers of the fields of ``RowGroup``."""

    CHUNKS, BYTES, ROWS, SORTING, OFFSET, STORED_BYTES, ORDINAL = range(1, 8)


class Chunk:
    """Numbers of the fields of ``ColumnChunk``."""

    FILE, OFFSET, META, OFFSET_INDEX, OFFSET_INDEX_BYTES, COLUMN_INDEX, COLUMN_INDEX_BYTES, KEY, ENCRYPTED = range(
        1, 10
    )


class Meta:
    """Numbers of the fields of ``ColumnMetaData``."""

    TYPE, ENCODINGS, PATH, CODEC, VALUES, BYTES, STORED_BYTES, KEY_VALUES, DATA, INDEX, DICTIONARY = range(1, 12)
    STATISTICS, BLOOM, BLOOM_BYTES = 12, 14, 15


_GROUPS: Final[Shape] = {File.GROUPS: {Group.CHUNKS: {Chunk.META: {}}}}
_FILE: Final[Shape] = {File.SCHEMA: {}, **_GROUPS}
_LOCATIONS, _LOCATION_OFFSET = 1, 1  # of OffsetIndex, and of PageLocation within
_PAGE_STORED_BYTES, _BLOOM_DATA_BYTES = 3, 1  # of PageHeader, and of BloomFilterHeader


class Origin(Protocol):
    """Bytes that a Parquet file has: on disk, or in memory."""

    @property
    def size(self) -> int:
        """How many."""

    def read(self, start: int, end: int) -> bytes:
        """Some of them, all that were asked for."""


class OnDisk:
    """An open file; of what it is told about it, errors name the path."""

    def __init__(self, stream: BinaryIO, path: Path) -> None:
        self.handle, self._path = stream.fileno(), path
        self.size = os.fstat(self.handle).st_size

    def read(self, start: int, end: int) -> bytes:
        """Bytes of the file, wherever else it is being read."""
        try:
            found = os.pread(self.handle, end - start, start) if 0 <= start <= end else b""
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._path)) from error
        if len(found) != end - start:
            raise FooterError(f"a Parquet file of {self.size:,} bytes has none from {start:,} to {end:,}")
        return found


class InMemory:
    """Bytes as they were just written."""

    def __init__(self, content: bytes | memoryview) -> None:
        self.content = memoryview(content)
        self.size = len(self.content)

    def read(self, start: int, end: int) -> bytes:
        """Bytes of it."""
        return bytes(self.content[start:end])


class Extent(NamedTuple):
    """Where something lies: from its first byte to the one after its last."""

    start: int
    end: int


@dataclass(frozen=True)
class Place:
    """Where the parts of a column chunk lie.

    Attributes:
        pages: all of them, the dictionary's first.
        bloom: its Bloom filter with the header.
        column_index: bounds of pages.
        offset_index: places of pages.
    """

    pages: Extent
    bloom: Extent | None
    column_index: Extent | None
    offset_index: Extent | None

    def extents(self) -> Iterator[Extent]:
        """All that there are."""
        return (each for each in (self.pages, self.bloom, self.column_index, self.offset_index) if each is not None)


@dataclass(frozen=True)
class Footer:
    """A file's footer.

    Attributes:
        origin: of the file's bytes.
        file: ``FileMetaData``.
        start: where it begins, and everything that it tells of ends.
    """

    origin: Origin
    file: Struct
    start: int

    @property
    def groups(self) -> Sequence[Struct]:
        """``RowGroup`` of each row group."""
        return self.file.structs(File.GROUPS)


def read_footer(origin: Origin, *, schema: bool = True) -> Footer:
    """Read the footer of a Parquet file.

    Args:
        origin: of the file's bytes.
        schema: whether to open the schema, which takes a third of the time. Of one that stays closed
            :func:`leaf_types` tells the same, and knows it again when another file has it.

    Raises:
        FooterError: there is none, it is larger than can be edited, or it makes no sense.

    >>> import pyarrow as pa, pyarrow.parquet as pq
    >>> sink = pa.BufferOutputStream()
    >>> pq.write_table(pa.table({"id": [1, 2]}), sink)
    >>> footer = read_footer(InMemory(sink.getvalue()))
    >>> footer.file.integer(File.ROWS), sealed(footer.file) == sink.getvalue()[footer.start :]
    (2, True)
    """
    if origin.size < _TAIL + len(MAGIC):
        raise FooterError(f"a Parquet file has more than {origin.size:,} bytes")
    length, magic = struct.unpack("<I4s", origin.read(origin.size - _TAIL, origin.size))
    start = origin.size - _TAIL - length
    if magic != MAGIC:
        raise FooterError(f"a Parquet file ends with {MAGIC.decode()}, not with {bytes(magic)!r}")
    if length > LARGEST or start < len(MAGIC):
        raise FooterError(f"its footer of {length:,} bytes is too large to be edited")
    return Footer(origin, parsed(origin.read(start, start + length), _FILE if schema else _GROUPS)[0], start)


def sealed(file: Struct) -> bytes:
    """The end of a Parquet file: the footer, its length, and the magic bytes.

    Raises:
        FooterError: the footer is larger than its length can say.
    """
    told = file.encoded()
    if len(told) >= 1 << 31:
        raise FooterError(f"a footer cannot have {len(told):,} bytes")
    return told + struct.pack("<I4s", len(told), MAGIC)


def places(footer: Footer) -> list[list[Place]]:
    """Where the column chunks of each row group lie; it is certain then that they can be copied byte by byte.

    Raises:
        FooterError: saying why they cannot: they are encrypted, lie in other files or over each other, or something
            that would have to be known about them is not said.
    """
    _must_be_known(footer)
    leaves = len(leaf_types(footer))
    found = []
    for group in footer.groups:
        chunks = group.structs(Group.CHUNKS)
        if len(chunks) != leaves:
            raise FooterError("its row groups do not have the columns of its schema")
        found.append([_place(footer.origin, chunk) for chunk in chunks])
    _must_lie_apart(footer, found)
    return found


def must_have_known_codecs(footer: Footer) -> None:
    """Refuse a file that is compressed in a way that nobody knows: Arrow ends the process when it is asked for it.

    Raises:
        FooterError: it is.
    """
    metas = (chunk.struct(Chunk.META) for group in footer.groups for chunk in group.structs(Group.CHUNKS))
    for codec in {meta.integer(Meta.CODEC) or 0 for meta in metas if meta is not None}:
        if codec not in _CODECS:
            raise FooterError(f"its column chunks are compressed with the unknown codec {codec}")


def moved(chunk: Struct, place: Place, start: int) -> Struct:
    """``ColumnChunk`` of the same pages, which begin somewhere else now; page indexes and a Bloom filter are to come.

    ``file_offset`` has been used for the first page and for a copy of the chunk's metadata beside it. A place within
    the pages moves with them; any other is given up, as the copy is, which says what is not true any more.
    """
    made, by = chunk.copied(), start - place.pages.start
    meta = _meta(chunk).copied()
    for number in (Meta.DATA, Meta.INDEX, Meta.DICTIONARY):
        at = meta.integer(number)
        if at:  # of a dictionary that is not there, some writers say that it lies at 0
            meta.put(number, at + by)
    offset = chunk.integer(Chunk.OFFSET) or 0
    made.put(Chunk.OFFSET, offset + by if place.pages.start <= offset < place.pages.end else 0)
    made.put(Chunk.META, meta)
    return made


def moved_offset_index(data: bytes, place: Place, start: int) -> bytes:
    """``OffsetIndex`` of the same pages, which begin somewhere else now.

    Raises:
        FooterError: it does not tell of these pages.
    """
    by = start - place.pages.start
    found, end = parsed(data, {_LOCATIONS: {}})
    if end != len(data):
        raise FooterError("its offset index is not as long as its footer says")
    for location in found.structs(_LOCATIONS):
        at = location.integer(_LOCATION_OFFSET) or 0
        if not place.pages.start <= at < place.pages.end:
            raise FooterError("its offset index tells of pages that are not those of the column chunk")
        location.put(_LOCATION_OFFSET, at + by)
    return found.encoded()


def leaf_types(footer: Footer) -> list[tuple[object, ...]]:
    """For each column that is stored, all that decides how its pages are read, but for its logical type.

    >>> import pyarrow as pa, pyarrow.parquet as pq
    >>> sink = pa.BufferOutputStream()
    >>> pq.write_table(pa.table({"id": [1]}), sink)
    >>> leaf_types(read_footer(InMemory(sink.getvalue())))
    [((b'id', 1), 2, None)]
    """
    closed = schema_of(footer)
    return list(_types_told(closed) if closed is not None else _types_in(footer.file.structs(File.SCHEMA)))


def schema_of(footer: Footer) -> bytes | None:
    """The bytes of a footer's schema; None where it is open, or none."""
    field = footer.file.fields.get(File.SCHEMA)
    return field.value if field is not None and field.kind == LIST and isinstance(field.value, bytes) else None


@lru_cache(maxsize=32)
def _types_told(schema: bytes) -> tuple[tuple[object, ...], ...]:
    field = bytes([1 << 4 | LIST])  # the first one of a struct that holds nothing else
    return tuple(_types_in(parsed(field + schema + b"\0", {1: {}})[0].structs(1)))


def _types_in(schema: Iterable[Struct]) -> list[tuple[object, ...]]:
    elements = iter(schema)
    found: list[tuple[object, ...]] = []
    waiting: list[tuple[int, tuple[object, ...]]] = [(_children(next(elements, Struct())), ())]
    while waiting:  # for columns to come below each one, with the way to it
        left, above = waiting.pop()
        if not left:
            continue
        element = next(elements, None)
        if element is None or len(above) > DEEPEST:
            raise FooterError("its schema ends too early, or is nested too deeply")
        way = (*above, (element.binary(Element.NAME), element.integer(Element.REPETITION)))
        waiting.append((left - 1, above))
        if _children(element):
            waiting.append((_children(element), way))
        else:
            kind = element.integer(Element.TYPE)  # of the other types, some writers give a length as well
            found.append((*way, kind, element.integer(Element.LENGTH) if kind == _FIXED_LENGTH else None))
    return found


def path_of(chunk: Struct) -> tuple[bytes, ...]:
    """The names on the way to a column, from its ``ColumnChunk``."""
    path = _meta(chunk).raw(Meta.PATH)
    if path is None:
        raise FooterError("a column chunk does not say which column it is of")
    return text_list(path)


def sizes_of(chunk: Struct) -> tuple[int, int]:
    """The bytes of a column chunk, uncompressed and as they are stored."""
    meta = _meta(chunk)
    return meta.integer(Meta.BYTES) or 0, meta.integer(Meta.STORED_BYTES) or 0


def _children(element: Struct) -> int:
    return max(0, element.integer(Element.CHILDREN) or 0)


def _meta(chunk: Struct) -> Struct:
    meta = chunk.struct(Chunk.META)
    if meta is None:
        raise FooterError("its column chunks are described elsewhere")
    return meta


def _must_be_known(footer: Footer) -> None:
    """Nothing may say where something lies, or what was in it, that is not changed along with the rest."""
    file = footer.file
    if File.ENCRYPTION in file or File.SIGNATURE in file:
        raise FooterError("it is encrypted, or signed")
    chunks = [chunk for group in footer.groups for chunk in group.structs(Group.CHUNKS)]
    if any(_EXTENSION in each for each in (file, *footer.groups, *chunks, *map(_meta, chunks))):
        raise FooterError("its footer has an extension, which may say the same once more")


def _place(origin: Origin, chunk: Struct) -> Place:
    if Chunk.FILE in chunk:
        raise FooterError("its column chunks lie in other files")
    if Chunk.KEY in chunk or Chunk.ENCRYPTED in chunk:
        raise FooterError("its columns are encrypted")
    meta = _meta(chunk)
    data, size = meta.integer(Meta.DATA), meta.integer(Meta.STORED_BYTES)
    if data is None or size is None or meta.integer(Meta.BYTES) is None:
        raise FooterError("its footer does not say where its column chunks lie, or how long they are")
    inside = [at for at in (data, meta.integer(Meta.DICTIONARY), meta.integer(Meta.INDEX)) if at]
    pages = Extent(min(inside, default=0), min(inside, default=0) + size)
    if any(at > pages.end for at in inside) or size < 0:
        raise FooterError("its column chunks are not as long as its footer says")
    return Place(
        pages,
        _bloom(origin, meta),
        _extent(chunk, Chunk.COLUMN_INDEX, Chunk.COLUMN_INDEX_BYTES),
        _extent(chunk, Chunk.OFFSET_INDEX, Chunk.OFFSET_INDEX_BYTES),
    )


def _extent(described: Struct, at: int, size: int) -> Extent | None:
    start, length = described.integer(at), described.integer(size)
    if start is None or length is None:
        if start is not None or length is not None:
            raise FooterError("its footer does not say where its page indexes lie, or how long they are")
        return None
    if length > LARGEST:
        raise FooterError(f"a page index of {length:,} bytes is too large to be edited")
    return Extent(start, start + length)


def _bloom(origin: Origin, meta: Struct) -> Extent | None:
    start = meta.integer(Meta.BLOOM)
    if not start:
        return None
    length = meta.integer(Meta.BLOOM_BYTES)
    if length is None:  # writers say it since 2023
        header, size = _header_at(origin, start, origin.size)
        length = size + (header.integer(_BLOOM_DATA_BYTES) or 0)
    return Extent(start, start + length)


def _must_lie_apart(footer: Footer, found: list[list[Place]]) -> None:
    """No part of the file may belong to two chunks; and where bytes follow that belong to none, pages are counted."""
    chunks = {place.pages for group in found for place in group}
    every = sorted(extent for group in found for place in group for extent in place.extents())
    for each, following in zip(every, [*every, Extent(footer.start, footer.start)][1:], strict=True):
        if not len(MAGIC) <= each.start <= each.end <= following.start:
            raise FooterError("its column chunks lie over each other, or outside of the file")
        if each.end < following.start and each in chunks:
            _must_be_pages(footer.origin, each)


def _must_be_pages(origin: Origin, pages: Extent) -> None:
    """Whole pages must fill a column chunk: some writers forgot the dictionary page when they wrote down its size."""
    at = pages.start
    for _ in range(_MOST_PAGES):
        if at >= pages.end:
            break
        try:
            header, size = _header_at(origin, at, pages.end)
        except CutShort:
            break
        at += size + max(0, header.integer(_PAGE_STORED_BYTES) or 0)
    if at != pages.end:
        raise FooterError("its column chunks are not as long as its footer says")


def _header_at(origin: Origin, start: int, end: int) -> tuple[Struct, int]:
    """The header at a place, and its length; more is read only where it is a long one."""
    size = _HEADER
    while True:
        try:
            return parsed(origin.read(start, min(start + size, end)))
        except CutShort:
            if size >= min(end - start, _LARGEST_HEADER):
                raise
            size *= 16
