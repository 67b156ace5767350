"""At which zstd level a file was written: no file says so, but a page of it, compressed again, gives it away."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

import pyarrow as pa

#: The levels that nearly all files have: pyarrow's default, and that of polars and DuckDB.
_USUAL: Final = (1, 3)
#: Levels by how likely they are.
_LIKELY: Final = (*_USUAL, 2, 4, 5, 6, 7, 8, 9)
_HIGHEST: Final = 22
_SLOW: Final = tuple(range(10, _HIGHEST + 1))

#: Another release of zstd makes pages of nearly the same size, and another level of quite another one.
_TOLERANCE: Final = 0.004

_MAGIC: Final = b"\x28\xb5\x2f\xfd"
#: Bytes of a page's header, which may hold the least and the greatest text of the page.
_HEADER: Final = 1 << 14
#: Compressed bytes of a page that tells enough. A larger one tells no more, and takes longer.
_ENOUGH: Final = 64 << 10
#: Pages that a level is told by.
_PAGES: Final = 3
#: Pages to look at for those: of many contents, like indices into a dictionary, every level makes the same.
_LOOKED_AT: Final = 24
#: Compressed bytes of column chunks that an expected level is held against, and how many of them: a short look.
_SHORT: Final = range(1 << 10, 64 << 10)
_LOOKS: Final = 6
#: Bytes of a page's content that are looked at: a damaged page of a few bytes may promise gigabytes.
_MOST: Final = 16 << 20


def zstd_level(stream: BinaryIO, chunks: Sequence[Any], *, expected: int | None = None) -> int | None:
    """The zstd level of some column chunks, or None where it cannot be told.

    Args:
        stream: the file.
        chunks: its footer's facts about the column chunks that are compressed with zstd.
        expected: the level that it has unless its pages say otherwise: that of another file of the same dataset.

    >>> import io
    >>> import pyarrow.parquet as pq
    >>> sink, words = io.BytesIO(), pa.array([f"{number**3:x}" for number in range(2000)])
    >>> pq.write_table(pa.table({"words": words}), sink, compression="zstd", compression_level=7)
    >>> zstd_level(sink, [pq.read_metadata(sink).row_group(0).column(0)])
    7
    """
    if expected is not None and _is_made_at(expected, stream, chunks):
        return expected
    frames = {frame for chunk in chunks for frame in _frames(stream, chunk)}
    likely = sorted(frames, key=lambda frame: (frame[1] > _ENOUGH, abs(frame[1] - _ENOUGH)))[:_LOOKED_AT]
    try:
        pages = _telling(stream, likely)
    except (OSError, pa.ArrowException):  # damage, which is not for this module to report
        return None
    return _level_of(pages) if pages else None


def _is_made_at(level: int, stream: BinaryIO, chunks: Iterable[Any]) -> bool:
    """Whether this level, and none of those beside it nor a usual one, makes the very page that the file has."""
    others = {level - 1, level + 1, *_USUAL} - {level, 0, _HIGHEST + 1}
    short = [chunk for chunk in chunks if chunk.total_compressed_size in _SHORT]
    for chunk in sorted(short, key=lambda chunk: int(chunk.total_compressed_size))[:_LOOKS]:
        for start, size in sorted(_frames(stream, chunk))[-1:]:
            try:
                page = _Page.at(stream, start, size)
            except (OSError, pa.ArrowException):
                return False
            if len(page.content) > _MOST or page.made_at(level) != page.compressed:
                return False
            if all(page.made_at(other) != page.compressed for other in others):
                return True
    return False


@dataclass(frozen=True)
class _Page:
    """A compressed page, and its content: one byte too many of it where it is too large."""

    compressed: bytes
    content: bytes
    _known: dict[int, bytes] = field(default_factory=dict, repr=False)

    @classmethod
    def at(cls, stream: BinaryIO, start: int, size: int) -> _Page:
        stream.seek(start)
        compressed = stream.read(size)
        return cls(compressed, pa.CompressedInputStream(pa.BufferReader(compressed), "zstd").read(_MOST + 1))

    def made_at(self, level: int) -> bytes:
        """What a level makes of the content."""
        if level not in self._known:
            self._known[level] = pa.Codec("zstd", level).compress(self.content, asbytes=True)
        return self._known[level]

    @property
    def tells(self) -> bool:
        """Whether the two levels that nearly all files have make something else of it."""
        return len({self.made_at(level) for level in _USUAL}) > 1


def _telling(stream: BinaryIO, frames: Iterable[tuple[int, int]]) -> list[_Page]:
    """The first pages that tell levels apart; where there is none, those that any level may have made."""
    telling: list[_Page] = []
    others: list[_Page] = []
    for frame in frames:
        page = _Page.at(stream, *frame)
        if len(page.content) > _MOST:
            continue
        chosen = telling if page.tells else others
        if len(chosen) < _PAGES:
            chosen.append(page)
        if len(telling) == _PAGES:
            break
    return telling or others


def _level_of(pages: Sequence[_Page]) -> int | None:
    """The level at which the contents become these very pages, or else pages of nearly the same size.

    Small pages are nearly as large at several levels: then it is one of the two that nearly all files have.
    """
    size = sum(len(page.compressed) for page in pages)
    for levels in (_LIKELY, _SLOW):
        near: dict[int, float] = {}
        for level in levels:
            made = [page.made_at(level) for page in pages]
            if made == [page.compressed for page in pages]:
                return level
            off = sum(map(len, made)) - size
            if abs(off) / size < _TOLERANCE:
                near[level] = abs(off)
        if near:
            return min([level for level in near if level in _USUAL] or near, key=near.__getitem__)
        if off < 0:  # higher levels make smaller pages
            break
    return None


def _frames(stream: BinaryIO, chunk: Any) -> Iterator[tuple[int, int]]:
    """Where the first pages of a column chunk lie, and how many bytes each takes."""
    first = chunk.dictionary_page_offset if chunk.has_dictionary_page else chunk.data_page_offset
    end = first + chunk.total_compressed_size
    for page in {first, chunk.data_page_offset}:
        if not 0 <= page < end:
            continue
        stream.seek(page)
        at = stream.read(min(_HEADER, end - page)).find(_MAGIC)
        size = _frame_size(stream, page + at, end) if at >= 0 else None
        if size is not None:
            yield page + at, size


def _frame_size(stream: BinaryIO, start: int, end: int) -> int | None:
    """How long a zstd frame is: a header, blocks that each say how long they are, and perhaps a checksum.

    >>> import io
    >>> frame = pa.Codec("zstd", 1).compress(b"abc" * 200_000, asbytes=True)
    >>> _frame_size(io.BytesIO(frame + b"more"), 0, len(frame) + 4) == len(frame)
    True
    """
    stream.seek(start + 4)
    told = int.from_bytes(stream.read(1), "little")
    whole = bool(told & 0x20)
    at = start + 5 + (not whole) + (0, 1, 2, 4)[told & 3] + ((1 if whole else 0), 2, 4, 8)[told >> 6]
    while at < end:
        stream.seek(at)
        block = int.from_bytes(stream.read(3), "little")
        repeated = (block >> 1) & 3 == 1
        at += 3 + (1 if repeated else block >> 3)
        if block & 1:
            at += 4 * bool(told & 4)
            return at - start if at <= end else None
    return None
