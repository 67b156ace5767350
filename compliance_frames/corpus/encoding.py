"""How a Parquet file was written, in the words of a writer that is to write another one like it."""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from compliance_frames.corpus.bounds import without_bounds
from compliance_frames.corpus.columns import Columns
from compliance_frames.corpus.enums import without_enums
from compliance_frames.corpus.footer import Footer, OnDisk, must_have_known_codecs, read_footer
from compliance_frames.corpus.levels import zstd_level
from compliance_frames.corpus.stored import stored_schema
from compliance_frames.errors import FooterError

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

#: Where Arrow keeps its own schema among a file's key-value metadata; the writer makes it anew.
_ARROW_SCHEMA: Final = b"ARROW:schema"
_WITH_LEVELS: Final = {"GZIP", "BROTLI"}
_CODECS: Final = {"UNCOMPRESSED": "NONE", "LZ4": "LZ4_RAW"}
#: Encodings that a writer can be asked for, column by column, where there is no dictionary.
_ENCODINGS: Final = ("DELTA_BINARY_PACKED", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY", "BYTE_STREAM_SPLIT")
_BLOOM_ERRORS: Final = 0.01
#: Bytes of a dictionary at which a writer gives it up, and goes on without one.
_TOO_LARGE: Final = 1 << 20
_BOUNDS: Final = "GeoParquet's bounds of places are left out: they may be those of an erased one"


@dataclass(frozen=True)
class Encoding:
    """How a file was written.

    Attributes:
        schema: of the tables to write.
        options: of the writer.
        key_values: key-value metadata of the footer that the schema does not hold.
        notes: one sentence for each thing that cannot be kept.
        int96: the unit to read INT96 timestamps in.
    """

    schema: pa.Schema
    options: Mapping[str, Any]
    key_values: Mapping[bytes, bytes]
    notes: tuple[str, ...]
    int96: str = "ns"

    def writer(self, sink: Any) -> pq.ParquetWriter:
        """A writer that writes like the source was written."""
        writer = pq.ParquetWriter(sink, self.schema, **self.options)
        if self.key_values:
            said: Any = dict(self.key_values)  # bytes are taken too
            writer.add_key_value_metadata(said)
        return writer


def encoding_of(
    path: Path,
    columns: Columns,
    *,
    level: int | None = None,
    only: Collection[str] | None = None,
    footer: Footer | None = None,
) -> Encoding:
    """How a Parquet file was written.

    Args:
        path: of the file.
        columns: those of places and of embedded tweets may be nulled, which a sort order does not survive.
        level: the zstd level to use; the one that the file was written at, as far as that can be told, when None.
        only: Parquet paths of the leaf columns to write, where it is not the whole file that is written again: then
            options and notes are of these alone, and no sort order is claimed.
        footer: of the file, where it has been read already.

    Raises:
        FooterError: its footer says of its column chunks what cannot be.

    >>> import tempfile
    >>> source = Path(tempfile.mkdtemp(), "tweets.parquet")
    >>> pq.write_table(pa.table({"id": [1, 2]}), source, compression="gzip", write_page_index=True)
    >>> encoding = encoding_of(source, Columns("id"))
    >>> encoding.options["compression"], encoding.options["write_page_index"]
    ({'id': 'GZIP'}, True)
    """
    with path.open("rb") as stream:
        file = pq.ParquetFile(stream)
        int96, rounded = _int96_unit(path, file)
        if int96 != "ns":
            file = pq.ParquetFile(stream, coerce_int96_timestamp_unit=int96)
        metadata = file.metadata
        every = _leaves(metadata)
        _must_be_sound(OnDisk(stream, path), every, footer)
        leaves = [leaf for leaf in every if only is None or leaf.path in only]
        schema, left_out = without_enums(file.schema_arrow)
        told: Mapping[bytes, bytes] = metadata.metadata or {}
        said = without_bounds(told)
        if said is not told:
            plain: Any = without_bounds(schema.metadata or {})
            schema, left_out = schema.with_metadata(plain or None), [*left_out, _BOUNDS]
        kind, strange = _schema_options(file, schema, int96)
        order, unordered = _sorting(metadata, columns) if only is None else ((), [])
        levels, unlike = _levels(leaves, stream, level, metadata.created_by)
        options = {
            **kind,
            **_column_options(leaves, stream),
            **levels,
            **_page_options(leaves, stream),
            **({"sorting_columns": order} if order else {}),
            **_bloom_filters(leaves, _most_rows(metadata)),
        }
    of_all = (*left_out, *strange, *rounded) if only is None else ()
    notes = (*of_all, *_codec_notes(leaves), *unlike, *unordered)
    key_values = _key_values(said, schema)
    if options["use_deprecated_int96_timestamps"] and options["store_schema"] and not left_out:
        # Arrow reads these as another type than it says, and would say that; others go by what it said.
        options["store_schema"] = False
        key_values = dict(said)
    return Encoding(schema, options, key_values, notes, int96)


@dataclass
class _Leaf:
    """What all row groups say about one leaf column."""

    path: str
    kind: str
    chunks: list[Any]

    @property
    def codec(self) -> str:
        return str(self.chunks[0].compression)

    @property
    def dictionary(self) -> bool:
        return any(chunk.has_dictionary_page for chunk in self.chunks)

    @property
    def encoding(self) -> str | None:
        """The encoding to ask for where there is no dictionary, or None for the plain one."""
        if self.dictionary:
            return None
        used = {encoding for chunk in self.chunks for encoding in chunk.encodings}
        return next((each for each in _ENCODINGS if each in used), None)


def _leaves(metadata: pq.FileMetaData) -> list[_Leaf]:
    found: dict[str, _Leaf] = {}
    schema = stored_schema(metadata)
    for group in range(metadata.num_row_groups):
        facts = metadata.row_group(group)
        for at in range(facts.num_columns):
            column = schema.column(at)
            found.setdefault(column.path, _Leaf(column.path, column.physical_type, [])).chunks.append(facts.column(at))
    return list(found.values())


def _must_be_sound(origin: OnDisk, leaves: Iterable[_Leaf], footer: Footer | None) -> None:
    """Refuse a footer whose answers would end the process, or lead out of the file."""
    with suppress(FooterError):  # too large to be looked into, perhaps: Arrow may well read it
        footer = footer or read_footer(origin, schema=False)
    if footer is not None:
        must_have_known_codecs(footer)
    for leaf in leaves:
        for chunk in leaf.chunks:
            if chunk.physical_type != leaf.kind:
                raise FooterError(f"its column chunks of {leaf.path!r} are {chunk.physical_type}, not {leaf.kind}")
            places = [chunk.data_page_offset, *([chunk.dictionary_page_offset] if chunk.has_dictionary_page else [])]
            inside = all(0 <= place < origin.size for place in (*places, chunk.total_compressed_size))
            if chunk.num_values and not inside:
                raise FooterError(f"its column chunks of {leaf.path!r} lie outside of the file")


def _column_options(leaves: Sequence[_Leaf], stream: BinaryIO) -> dict[str, Any]:
    """Codec, dictionary, encoding and statistics of each column; the writer's defaults where there are none.

    A dictionary that was given up half way, as those of IDs and texts are, is not begun again: it only takes time.
    """
    if not leaves:
        return {}
    counted = [leaf.path for leaf in leaves if any(chunk.is_stats_set for chunk in leaf.chunks)]
    return {
        "compression": {leaf.path: _CODECS.get(leaf.codec, leaf.codec) for leaf in leaves},
        "use_dictionary": [leaf.path for leaf in leaves if leaf.dictionary and not _given_up(leaf, stream)] or False,
        "column_encoding": {leaf.path: leaf.encoding for leaf in leaves if leaf.encoding} or None,
        "write_statistics": True if len(counted) == len(leaves) else counted or False,
    }


def _given_up(leaf: _Leaf, stream: BinaryIO) -> bool:
    """Whether a column's first dictionary was too large to go on with, by the size that its page's header says."""
    chunk = next(chunk for chunk in leaf.chunks if chunk.has_dictionary_page)
    stream.seek(chunk.dictionary_page_offset)
    _, size = _integers(stream.read(16), 2)
    return size >= _TOO_LARGE


def _levels(
    leaves: Sequence[_Leaf], stream: BinaryIO, told: int | None, writer: str
) -> tuple[dict[str, Any], list[str]]:
    """The zstd level to write at, and what is to be said where it may not be the source's."""
    packed = [leaf for leaf in leaves if leaf.codec == "ZSTD"]
    first = (next((chunk for chunk in leaf.chunks if chunk.num_values), None) for leaf in packed)
    chunks = [chunk for chunk in first if chunk is not None]
    if not chunks:
        return {}, []
    found = zstd_level(stream, chunks, expected=_last_level.get(writer))
    if found is not None:
        _remember(_last_level, writer, found)
    level = found if told is None else told
    if level is None:
        return {}, ["ZSTD is used at its default level: that of the source cannot be told"]
    options = {"compression_level": {leaf.path: level for leaf in packed}}
    if level == found:
        return options, []
    return options, [f"ZSTD is used at level {level}, as told; the source's is {found or 'not known'}"]


def _page_options(leaves: Sequence[_Leaf], stream: BinaryIO) -> dict[str, Any]:
    """What pages look like. The first page of the first chunk speaks for all of them: a file has one writer."""
    chunks = [chunk for leaf in leaves for chunk in leaf.chunks if chunk.num_values]
    if not chunks:
        return {}
    stream.seek(chunks[0].data_page_offset)
    try:
        version, checked = _page_header(stream.read(64))
    except IndexError:
        raise FooterError("its first page is not where its footer says") from None
    return {
        "data_page_version": version,
        "write_page_checksum": checked,
        "write_page_index": any(chunk.has_offset_index or chunk.has_column_index for chunk in chunks),
    }


def _page_header(head: bytes) -> tuple[str, bool]:
    """The version of a data page, and whether it has a checksum, from its header's first bytes.

    The header is a Thrift struct in the compact protocol: the integers ``type``, ``uncompressed_page_size``,
    ``compressed_page_size`` and, perhaps, ``crc``, each after a byte that says how far its number is from the
    last one's and that it is a 32-bit integer; then a struct.

    >>> _page_header(bytes([0x15, 0, 0x15, 8, 0x15, 8, 0x2C])), _page_header(bytes([0x15, 6, 0x15, 8, 0x15, 8, 0x15]))
    (('1.0', False), ('2.0', True))
    """
    integer, data_page_v2 = 0x15, 6  # page type 3, zigzag-encoded
    at = 2
    for _ in range(2):
        at += 1
        while head[at] & 0x80:
            at += 1
        at += 1
    return "2.0" if head[1] == data_page_v2 else "1.0", head[at] == integer


def _integers(head: bytes, count: int) -> list[int]:
    """The first integers of a page's header: each has a byte before it, and is zigzag-encoded in sevenths.

    >>> _integers(bytes([0x15, 4, 0x15, 0x80, 0x01, 0x15, 0]), 2)
    [2, 64]
    """
    found, at = [], 0
    for _ in range(count):
        number = shift = 0
        at += 1
        while head[at] & 0x80:
            number |= (head[at] & 0x7F) << shift
            at, shift = at + 1, shift + 7
        number |= head[at] << shift
        at += 1
        found.append(number >> 1)
    return found


def _schema_options(file: pq.ParquetFile, schema: pa.Schema, int96: str) -> tuple[dict[str, Any], list[str]]:
    """The options by which a writer gives this schema the same Parquet types, found by trying them on no rows."""
    metadata = file.metadata
    stored = _ARROW_SCHEMA in (metadata.metadata or {})
    types: set[str] = {column.physical_type for column in stored_schema(metadata)}
    options: dict[str, Any] = {"store_schema": stored, "use_deprecated_int96_timestamps": "INT96" in types}
    wanted, bare = _drawn(file), schema.remove_metadata()
    seen = (wanted, bare.serialize().to_pybytes(), metadata.format_version, int96, stored)
    found = _seen_to_give.get(seen) or _most_alike(bare, wanted, options, metadata.format_version, int96)
    _remember(_seen_to_give, seen, found)
    best, exact = found
    return {**options, **best}, [] if exact else [_strange(types)]


#: Which options gave a schema its types: a file of a dataset is one of many, and trying takes as long as opening it.
_seen_to_give: dict[tuple[object, ...], tuple[dict[str, Any], bool]] = {}
#: The zstd level of the last file of each writer.
_last_level: dict[str, int] = {}
_REMEMBERED: Final = 64


def _remember(known: dict[_Key, _Value], key: _Key, value: _Value) -> None:
    if len(known) >= _REMEMBERED:
        known.clear()
    known[key] = value


def _most_alike(
    schema: pa.Schema, wanted: str, options: dict[str, Any], version: str, int96: str
) -> tuple[dict[str, Any], bool]:
    """Options that give a schema the wanted types, or come near to that; and whether they give exactly these."""
    best: dict[str, Any] = {}
    least = 0
    for tried in _choices(version):
        found = _tried(schema, {**options, **tried}, int96)
        alike = 0 if found is None else 1 + found.schema_arrow.equals(schema) + 2 * (_drawn(found) == wanted)
        if alike > least:
            best, least = tried, alike
        if alike == 4:
            return tried, True
    return best, False


def _int96_unit(path: Path, exact: pq.ParquetFile) -> tuple[str, list[str]]:
    """The unit that holds all of a file's INT96 timestamps: a year like 9999 does not fit into nanoseconds."""
    columns = list(stored_schema(exact.metadata))
    old = [column.path for column in columns if column.physical_type == "INT96"]
    if not old:
        return "ns", []
    with path.open("rb") as coarse:
        wide = pq.ParquetFile(coarse, coerce_int96_timestamp_unit="us")
        for group in range(exact.num_row_groups):
            known = wide.read_row_group(group, columns=old, use_threads=False)
            found = exact.read_row_group(group, columns=old, use_threads=False)
            if not found.cast(known.schema, safe=False).equals(known):
                return "us", [
                    "INT96 timestamps are kept to the microsecond: some are outside of the years 1678 to 2261"
                ]
    return "ns", []


def _choices(version: str) -> Iterator[dict[str, Any]]:
    """Ways to write, the most likely first. Versions differ in the types they know, and round what they do not."""
    versions = sorted(("2.6", "2.4", "1.0"), key=lambda known: known != version)
    for known, nested, decimals, times in itertools.product(versions, (True, False), (False, True), (False, True)):
        yield {
            "version": known,
            "use_compliant_nested_type": nested,
            "store_decimal_as_integer": decimals,
            "write_time_adjusted_to_utc": times,
        }


def _tried(schema: pa.Schema, options: dict[str, Any], int96: str) -> pq.ParquetFile | None:
    sink = io.BytesIO()
    try:
        pq.ParquetWriter(sink, schema, **options).close()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    return pq.ParquetFile(sink, coerce_int96_timestamp_unit=int96)


def _drawn(file: pq.ParquetFile) -> str:
    """A file's Parquet types as text, without what means nothing: the root's name, integers said to be integers."""
    return re.sub(
        r" \(Int\(bitWidth=(32|64), isSigned=true\)\)", "", str(stored_schema(file.metadata)).split("\n", 2)[2]
    )


def _strange(types: set[str]) -> str:
    if "INT96" in types:
        return "timestamps are written as INT64, or all of them as INT96: the source has both kinds"
    return "some columns are stored as another Parquet type that holds the same values"


def _sorting(metadata: pq.FileMetaData, columns: Columns) -> tuple[tuple[pq.SortingColumn, ...], list[str]]:
    """The sort order that all row groups claim, unless cleaning breaks it: dropping rows does not, nulling may."""
    claims = {tuple(metadata.row_group(group).sorting_columns) for group in range(metadata.num_row_groups)}
    order = claims.pop() if len(claims) == 1 else ()
    if claims:
        return (), ["no sort order is claimed: the source's row groups claim different ones"]
    nulled = (*(columns.geo or ()), *columns.embedded)
    for each in order:
        path = stored_schema(metadata).column(each.column_index).path
        if any(path == at or path.startswith(f"{at}.") for at in nulled):
            return (), [f"no sort order is claimed: {path!r} is among the columns that lose values"]
    return order, []


def _bloom_filters(leaves: Iterable[_Leaf], rows: int) -> dict[str, Any]:
    """Bloom filters for the columns that have some. They are made anew, from the rows that stay."""
    filtered = [leaf.path for leaf in leaves if any(_has_bloom_filter(chunk) for chunk in leaf.chunks)]
    wanted = {path: {"ndv": max(rows, 1), "fpp": _BLOOM_ERRORS} for path in filtered}
    return {"bloom_filter_options": wanted} if wanted else {}


def _has_bloom_filter(chunk: Any) -> bool:
    return getattr(chunk, "bloom_filter_offset", None) is not None  # pyarrow 24 does not tell


def _most_rows(metadata: pq.FileMetaData) -> int:
    return max((metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)), default=0)


def _codec_notes(leaves: Sequence[_Leaf]) -> Iterator[str]:
    codecs = {leaf.codec for leaf in leaves}
    for codec in sorted(codecs & _WITH_LEVELS):
        yield f"{codec} is used at its default level: a file does not say at which it was written"
    if "LZ4" in codecs:
        yield "LZ4 is written as LZ4_RAW, be it that the source has its forerunner, which is named alike"
    if any(len({chunk.compression for chunk in leaf.chunks}) > 1 for leaf in leaves):
        yield "each column has one codec: the source changes it between row groups"


def _key_values(said: Mapping[bytes, bytes], schema: pa.Schema) -> dict[bytes, bytes]:
    """What the footer holds beyond the schema's own metadata, which the writer writes where it stores the schema."""
    stored = schema.metadata or {} if _ARROW_SCHEMA in said else {}
    return {key: value for key, value in said.items() if key != _ARROW_SCHEMA and stored.get(key) != value}
