"""What a Parquet file's footer says, read from its bytes, before a library is trusted with them.

Libraries that read statistics of damaged files may end the process. Here only sizes and places are believed, and only
once they were held against the size of the file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

from compliance_frames.proof.thrift import ThriftError, parsed

MAGIC: Final = b"PAR1"
_ENCRYPTED: Final = b"PARE"
_TAIL: Final = 8
TYPES: Final = ("BOOLEAN", "INT32", "INT64", "INT96", "FLOAT", "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")
CODECS: Final = ("UNCOMPRESSED", "SNAPPY", "GZIP", "LZO", "BROTLI", "LZ4", "ZSTD", "LZ4_RAW")


class FooterError(ValueError):
    """A file that is no Parquet, or whose footer says what cannot be."""


@dataclass(frozen=True)
class Span:
    """Bytes of a file.

    Attributes:
        start: where they begin.
        end: where they end.
    """

    start: int
    end: int


@dataclass(frozen=True)
class Bounds:
    """The smallest and the largest value, as statistics have them: bytes of the PLAIN encoding, without a length.

    Attributes:
        low: the smallest, or None.
        high: the largest, or None.
    """

    low: bytes | None = None
    high: bytes | None = None

    def __iter__(self) -> Iterator[bytes]:
        return (value for value in (self.low, self.high) if value is not None)


@dataclass(frozen=True)
class Chunk:
    """A column chunk.

    Attributes:
        path: names from the outermost on, with those that Parquet gives to lists.
        physical: type of its values (``"BYTE_ARRAY"``).
        width: bytes of each value of fixed length.
        codec: its compression (``"ZSTD"``).
        values: how many, nulls too.
        span: where its pages lie.
        bounds: its statistics.
        bloom: where its Bloom filter begins, and its length if that is told; None where it has none.
        column_index: where that lies, or None.
        offset_index: where that lies, or None.
    """

    path: tuple[str, ...]
    physical: str
    width: int
    codec: str
    values: int
    span: Span
    bounds: tuple[Bounds, ...] = ()
    bloom: tuple[int, int | None] | None = None
    column_index: Span | None = None
    offset_index: Span | None = None


@dataclass(frozen=True)
class Group:
    """A row group.

    Attributes:
        rows: how many.
        chunks: one for each column.
    """

    rows: int
    chunks: tuple[Chunk, ...]


@dataclass(frozen=True)
class Footer:
    """All that a footer says.

    Attributes:
        size: of the file.
        span: where the footer lies, without its length and the magic bytes.
        raw: its bytes.
        rows: of the file.
        groups: its row groups.
        key_values: the file's metadata.
    """

    size: int
    span: Span
    raw: bytes = field(repr=False)
    rows: int
    groups: tuple[Group, ...]
    key_values: tuple[tuple[bytes, bytes], ...]


def read_footer(file: BinaryIO) -> Footer:
    """Read the footer of an open file.

    Raises:
        FooterError: there is none, or one that cannot be.

    >>> import io, pyarrow as pa, pyarrow.parquet as pq
    >>> file = io.BytesIO()
    >>> pq.write_table(pa.table({"id": ["7"]}), file)
    >>> [(chunk.path, chunk.physical, list(chunk.bounds[0])) for chunk in read_footer(file).groups[0].chunks]
    [(('id',), 'BYTE_ARRAY', [b'7', b'7'])]
    """
    size = file.seek(0, os.SEEK_END)
    span = _footer_span(file, size)
    file.seek(span.start)
    raw = file.read(span.end - span.start)
    try:
        told, end = parsed(raw)
    except ThriftError as error:
        raise FooterError(f"its footer cannot be read ({error})") from error
    except RecursionError as error:  # pragma: no cover - nesting is bounded before
        raise FooterError("its footer is nested too deeply") from error
    if any(raw[end:]):
        raise FooterError(f"after its footer there are {len(raw) - end} bytes that are no part of it")
    try:
        return _Read(told, size, span, raw).footer()
    except (KeyError, TypeError, IndexError, AttributeError, UnicodeDecodeError) as error:
        raise FooterError(f"its footer lacks what every footer has ({type(error).__name__}: {error})") from error


def _footer_span(file: BinaryIO, size: int) -> Span:
    file.seek(0)
    head = file.read(4)
    if size < len(MAGIC) + _TAIL or head not in (MAGIC, _ENCRYPTED):
        raise FooterError("it does not begin as Parquet does")
    file.seek(size - _TAIL)
    tail = file.read(_TAIL)
    if _ENCRYPTED in (head, tail[4:]):
        raise FooterError("it is encrypted, and cannot be looked into")
    start = size - _TAIL - int.from_bytes(tail[:4], "little")
    if tail[4:] != MAGIC or start < len(MAGIC):
        raise FooterError("it does not end as Parquet does")
    return Span(start, size - _TAIL)


class _Read:
    """A footer's fields become values; each place is held against the file's size."""

    def __init__(self, told: dict[int, Any], size: int, span: Span, raw: bytes) -> None:
        self._told, self._size, self._span, self._raw = told, size, span, raw

    def footer(self) -> Footer:
        if self._told.get(8):
            raise FooterError("it is encrypted, and cannot be looked into")
        leaves = list(self._leaves())
        groups = tuple(self._group(told, leaves) for told in self._told[4])
        keys = tuple((_bytes(pair[1]), _bytes(pair.get(2, b""))) for pair in self._told.get(5, ()))
        rows = _count(self._told[3])
        if rows != sum(group.rows for group in groups):
            raise FooterError(f"its footer says {rows:,} rows, and its row groups {sum(g.rows for g in groups):,}")
        return Footer(self._size, self._span, self._raw, rows, groups, keys)

    def _leaves(self) -> Iterator[tuple[tuple[bytes, ...], int, int]]:
        """Path, type and width of each column, as the schema has them."""
        elements = self._told[2]
        open_: list[tuple[bytes, int]] = [(b"", _count(elements[0].get(5, 0)))]
        for element in elements[1:]:
            while open_ and open_[-1][1] == 0:
                open_.pop()
            if not open_:
                raise FooterError("its schema has more elements than it counts")
            open_[-1] = (open_[-1][0], open_[-1][1] - 1)
            path = (*(name for name, _ in open_[1:]), _bytes(element[4]))
            children = _count(element.get(5, 0))
            if len(open_) > 64:
                raise FooterError("its schema is nested too deeply")
            if children or 1 not in element:
                open_.append((element[4], children))
            else:
                yield path, element[1], _count(element.get(2, 0))
        if any(children for _, children in open_):
            raise FooterError("its schema has fewer elements than it counts")

    def _group(self, told: dict[int, Any], leaves: list[tuple[tuple[bytes, ...], int, int]]) -> Group:
        if len(told[1]) != len(leaves):
            raise FooterError(f"a row group has {len(told[1])} column chunks for {len(leaves)} columns")
        return Group(
            _count(told[3]), tuple(self._chunk(chunk, leaf) for chunk, leaf in zip(told[1], leaves, strict=True))
        )

    def _chunk(self, told: dict[int, Any], leaf: tuple[tuple[bytes, ...], int, int]) -> Chunk:
        path, kind, width = leaf
        if told.get(8) or told.get(9):
            raise FooterError(f"column {_dotted(path)!r} is encrypted, and cannot be looked into")
        if told.get(1):
            raise FooterError(f"column {_dotted(path)!r} lies in another file")
        meta = told[3]
        if meta[1] != kind or tuple(meta[3]) != path or not 0 <= kind < len(TYPES):
            raise FooterError(f"a column chunk of {_dotted(path)!r} is of another column, by its path or type")
        if not 0 <= meta[4] < len(CODECS) or CODECS[meta[4]] == "LZO":
            raise FooterError(f"column {_dotted(path)!r} is compressed by a codec that is not known ({meta[4]})")
        first = meta[9]
        if meta.get(11):  # some writers leave it out, and begin with the dictionary nevertheless
            first = min(first or meta[11], meta[11])  # Arrow gives 0 for the data pages of no rows
        if not first and not meta[7]:  # … also where there is no dictionary, and so no page at all
            first = len(MAGIC)
        bloom = None
        if meta.get(14) is not None:
            bloom = (self._span_of(meta[14], 0).start, _count(meta[15]) if 15 in meta else None)
        return Chunk(
            path=tuple(name.decode() for name in path),
            physical=TYPES[kind],
            width=width,
            codec=CODECS[meta[4]],
            values=_count(meta[5]),
            span=self._span_of(first, meta[7]),
            bounds=bounds_of(meta.get(12)),
            bloom=bloom,
            column_index=self._span_of(told[6], told[7]) if told.get(6) else None,
            offset_index=self._span_of(told[4], told[5]) if told.get(4) else None,
        )

    def _span_of(self, start: Any, length: Any) -> Span:
        if not (isinstance(start, int) and isinstance(length, int) and length >= 0):
            raise FooterError("a place in it is no number")
        if not len(MAGIC) <= start <= start + length <= self._span.start:
            raise FooterError(f"a place in it ({start:,}, {length:,} bytes) is outside of the file's pages")
        return Span(start, start + length)


def bounds_of(told: Any) -> tuple[Bounds, ...]:
    """The bounds in a ``Statistics`` struct: those of today's fields, and those of the deprecated ones.

    >>> bounds_of({1: b"z", 2: b"a"})
    (Bounds(low=b'a', high=b'z'),)
    """
    if not isinstance(told, dict):
        return ()
    both = [Bounds(_optional(told.get(low)), _optional(told.get(high))) for high, low in ((5, 6), (1, 2))]
    return tuple(dict.fromkeys(each for each in both if list(each)))


def _optional(value: Any) -> bytes | None:
    return value if isinstance(value, bytes) else None


def _bytes(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError("a text is none")
    return value


def _count(value: Any) -> int:
    if not isinstance(value, int) or value < 0:
        raise FooterError(f"a number in it cannot be ({value!r})")
    return value


def _dotted(path: tuple[bytes, ...]) -> str:
    return b".".join(path).decode(errors="replace")
