"""Put a Parquet file together from column chunks of other files, byte by byte, without a gap between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from compliance_frames.corpus.copying import copy_bytes, write_all
from compliance_frames.corpus.footer import (
    MAGIC,
    Chunk,
    Extent,
    File,
    Group,
    Meta,
    Origin,
    Place,
    moved,
    moved_offset_index,
    sealed,
    sizes_of,
)
from compliance_frames.corpus.thrift import I64, Struct, Structs


@dataclass(frozen=True)
class Part:
    """A column chunk to take over.

    Attributes:
        origin: of its bytes.
        chunk: ``ColumnChunk`` as it stands in the footer there.
        place: where it lies there.
    """

    origin: Origin
    chunk: Struct
    place: Place


class Assembly:
    """A Parquet file that grows: row group by row group, then :meth:`finish`.

    Everything that is written belongs to some column chunk that was added: what lay between chunks in the files
    that they come from stays there.

    Args:
        handle: of an empty file that is open for writing.
        source: the file that this one is made from.

    Attributes:
        shared: bytes from the beginning on that are those of the source.
    """

    def __init__(self, handle: int, source: Origin) -> None:
        self._handle, self._source, self._end = handle, source, 0
        self.shared = len(MAGIC) if source.read(0, len(MAGIC)) == MAGIC else 0
        self._waiting: tuple[Origin, Extent] | None = None
        self._groups: list[Struct] = []
        self._indexes: list[tuple[Struct, Literal["column", "offset"], bytes]] = []
        write_all(self._handle, MAGIC)
        self._end = len(MAGIC)

    def add(self, group: Struct, parts: Sequence[Part]) -> None:
        """Add a row group of these chunks.

        Args:
            group: ``RowGroup`` that these chunks, or those that they replace, belonged to. What it says of places
                is set right, and of sizes where they changed.
            parts: the chunks, one for each column.

        Raises:
            FooterError: a file does not hold what its footer says.
            OSError: there is no room, or a file cannot be read.
        """
        made = group.copied()
        chunks = [self._chunk(part) for part in parts]
        for part, chunk in zip(parts, chunks, strict=True):
            self._beside(part, chunk)
        before, after = _sizes(group.structs(Group.CHUNKS)), _sizes(chunks)
        for at, number in enumerate((Group.BYTES, Group.STORED_BYTES)):
            said = made.integer(number)
            if said is not None:
                made.put(number, said + after[at] - before[at])
        made.put(Group.CHUNKS, Structs(chunks))
        if Group.OFFSET in made and chunks:
            made.put(Group.OFFSET, _first_page(chunks[0]))
        if Group.ORDINAL in made:
            made.put(Group.ORDINAL, len(self._groups))
        self._groups.append(made)

    def finish(self, file: Struct) -> None:
        """Write page indexes and the footer.

        Args:
            file: ``FileMetaData`` of the file that this one is to be like; rows and row groups are set.
        """
        for wanted in ("column", "offset"):
            for chunk, which, data in self._indexes:
                if which == wanted:
                    at = self._append_bytes(data)
                    offset, size = (
                        (Chunk.COLUMN_INDEX, Chunk.COLUMN_INDEX_BYTES)
                        if which == "column"
                        else (Chunk.OFFSET_INDEX, Chunk.OFFSET_INDEX_BYTES)
                    )
                    chunk.put(offset, at)
                    chunk.put(size, len(data))
        made = file.copied()
        made.put(File.GROUPS, Structs(self._groups))
        made.put(File.ROWS, sum(group.integer(Group.ROWS) or 0 for group in self._groups))
        self._append_bytes(sealed(made))

    def _chunk(self, part: Part) -> Struct:
        """The pages of a chunk, and ``ColumnChunk`` that says where they are now."""
        start = self._append(part.origin, part.place.pages)
        chunk, offsets = moved(part.chunk, part.place, start), part.place.offset_index
        if part.place.column_index is not None:
            self._indexes.append((chunk, "column", part.origin.read(*part.place.column_index)))
        if offsets is not None:
            index = moved_offset_index(part.origin.read(*offsets), part.place, start)
            self._indexes.append((chunk, "offset", index))
        return chunk

    def _beside(self, part: Part, chunk: Struct) -> None:
        """The Bloom filter of a chunk, after the pages of its row group."""
        if part.place.bloom is not None:
            meta = chunk.struct(Chunk.META)
            assert meta is not None
            meta.put(Meta.BLOOM, self._append(part.origin, part.place.bloom), I64)

    def _append(self, origin: Origin, extent: Extent) -> int:
        """Take over bytes; those that followed each other where they come from are copied in one go."""
        start, self._end = self._end, self._end + extent.end - extent.start
        if origin is self._source and self.shared == start == extent.start:
            self.shared = extent.end
        if self._waiting is not None:
            before, waiting = self._waiting
            if before is origin and waiting.end == extent.start:
                self._waiting = origin, Extent(waiting.start, extent.end)
                return start
            self._flush()
        self._waiting = origin, extent
        return start

    def _append_bytes(self, data: bytes) -> int:
        self._flush()
        start, self._end = self._end, self._end + len(data)
        write_all(self._handle, data)
        return start

    def _flush(self) -> None:
        if self._waiting is not None:
            (origin, extent), self._waiting = self._waiting, None
            copy_bytes(origin, extent, self._handle)


def _sizes(chunks: Sequence[Struct]) -> tuple[int, int]:
    sizes = [sizes_of(chunk) for chunk in chunks]
    return sum(plain for plain, _ in sizes), sum(stored for _, stored in sizes)


def _first_page(chunk: Struct) -> int:
    meta = chunk.struct(Chunk.META)
    assert meta is not None
    return min(at for at in (meta.integer(Meta.DATA), meta.integer(Meta.DICTIONARY)) if at)
