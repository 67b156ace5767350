"""A footer says where bytes lie, and it is known when that is not enough to copy them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings

from compliance_frames.corpus.footer import (
    Chunk,
    Element,
    Extent,
    File,
    Footer,
    Group,
    InMemory,
    Meta,
    OnDisk,
    Place,
    leaf_types,
    moved,
    moved_offset_index,
    path_of,
    places,
    read_footer,
    sealed,
)
from compliance_frames.corpus.thrift import I32, I64, Struct
from compliance_frames.errors import FooterError

Edit = Callable[[Struct], None]
EditFooter = Callable[[Path, Edit], Path]


def a_table(rows: int = 6) -> pa.Table:
    tree = [{"a": [{"b": "x"}, {"b": None}], "c": row} for row in range(rows)]
    return pa.table({"id": range(rows), "text": ["one", "two"] * (rows // 2), "tree": tree})


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.parquet"
    blooms: Any = {"id": {"ndv": 9, "fpp": 0.1}}
    pq.write_table(a_table(), path, row_group_size=3, write_page_index=True, bloom_filter_options=blooms)
    return path


def footer_of(path: Path) -> Footer:
    return read_footer(InMemory(path.read_bytes()))


def chunk_of(file: Struct, group: int = 0, at: int = 0) -> Struct:
    return file.structs(File.GROUPS)[group].structs(Group.CHUNKS)[at]


def meta_of(file: Struct, group: int = 0, at: int = 0) -> Struct:
    meta = chunk_of(file, group, at).struct(Chunk.META)
    assert meta is not None
    return meta


def test_everything_between_the_magic_bytes_belongs_to_a_chunk(source: Path) -> None:
    """Pages, Bloom filters and indexes lie one after the other, up to the footer, and each is found."""
    footer = footer_of(source)
    extents = sorted(extent for group in places(footer) for place in group for extent in place.extents())
    ends = [4, *(extent.end for extent in extents)]
    assert ends == [*(extent.start for extent in extents), footer.start]
    metadata = pq.read_metadata(source)
    for at, group in enumerate(places(footer)):
        for leaf, place in enumerate(group):
            facts = metadata.row_group(at).column(leaf)
            assert place.pages.end - place.pages.start == facts.total_compressed_size
            assert (place.bloom is not None) == (leaf == 0)
            assert place.offset_index is not None
            assert place.column_index is not None
            assert (
                ".".join(name.decode() for name in path_of(footer.groups[at].structs(1)[leaf])) == facts.path_in_schema
            )


def test_a_file_on_disk_reads_like_one_in_memory(source: Path) -> None:
    """Where the bytes lie makes no difference; what lies outside of them is an error."""
    with source.open("rb") as stream:
        origin = OnDisk(stream, source)
        footer = read_footer(origin)
        assert places(footer) == places(footer_of(source))
        assert sealed(footer.file) == source.read_bytes()[footer.start :]
        for extent in ((0, origin.size + 1), (-1, 3), (5, 4)):
            with pytest.raises(FooterError, match="has none from"):
                origin.read(*extent)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_footer_does_no_harm(source: Path, data: st.DataObject) -> None:
    """A footer of which bytes were changed, cut out or put in is read, or a ``FooterError``, at once."""
    content = source.read_bytes()
    start = footer_of(source).start
    told = bytearray(content[start:-8])
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(told) - 1))
        told[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    damaged = content[:start] + bytes(told) + struct.pack("<I4s", len(told), b"PAR1")
    try:
        footer = read_footer(InMemory(damaged))
        for group in places(footer):
            assert all(4 <= extent.start <= extent.end <= footer.start for each in group for extent in each.extents())
    except FooterError:
        pass


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PAR1PAR1", "has more than 8 bytes"),
        (b"PAR1" + b"\0" * 20 + b"PARE", "not with b'PARE'"),
        (b"PAR1\0" + struct.pack("<I4s", 1 << 30, b"PAR1"), "too large to be edited"),
        (b"PAR1" + b"\x15\2" + struct.pack("<I4s", 2, b"PAR1"), "end too early"),
    ],
)
def test_what_is_no_parquet_file_is_refused(content: bytes, said: str) -> None:
    """A file without a footer that fits into it is an error."""
    with pytest.raises(FooterError, match=said):
        read_footer(InMemory(content))


def _shorter(file: Struct) -> None:
    """What writers said that forgot the dictionary page, and a gap behind it."""
    meta = meta_of(file)
    meta.put(Meta.STORED_BYTES, (meta.integer(Meta.STORED_BYTES) or 0) - 20)


def _over_each_other(file: Struct) -> None:
    meta_of(file, 1).put(Meta.DATA, meta_of(file, 0).integer(Meta.DATA) or 0)
    meta_of(file, 1).put(Meta.DICTIONARY, meta_of(file, 0).integer(Meta.DICTIONARY) or 0)


def _without_a_column(file: Struct) -> None:
    group = file.structs(File.GROUPS)[0]
    group.put(Group.CHUNKS, group.structs(Group.CHUNKS)[1:])


def _extended(where: Callable[[Struct], Struct]) -> Edit:
    return lambda file: where(file).put(32767, 1, I64)


REASONS: list[tuple[str, Edit]] = [
    ("encrypted, or signed", lambda file: file.put(File.ENCRYPTION, Struct())),
    ("encrypted, or signed", lambda file: file.put(File.SIGNATURE, 1, I64)),
    ("columns are encrypted", lambda file: chunk_of(file).put(Chunk.KEY, Struct())),
    ("columns are encrypted", lambda file: chunk_of(file).put(Chunk.ENCRYPTED, 1, I64)),
    ("lie in other files", lambda file: chunk_of(file).put(Chunk.FILE, 1, I64)),
    ("described elsewhere", lambda file: chunk_of(file).drop(Chunk.META)),
    ("where its column chunks lie, or how long", lambda file: meta_of(file).drop(Meta.STORED_BYTES)),
    ("where its column chunks lie, or how long", lambda file: meta_of(file).drop(Meta.DATA)),
    ("where its column chunks lie, or how long", lambda file: meta_of(file).drop(Meta.BYTES)),
    ("where its page indexes lie", lambda file: chunk_of(file).drop(Chunk.OFFSET_INDEX_BYTES)),
    ("where its page indexes lie", lambda file: chunk_of(file).drop(Chunk.COLUMN_INDEX)),
    ("has an extension", _extended(lambda file: file)),
    ("has an extension", _extended(lambda file: file.structs(File.GROUPS)[1])),
    ("has an extension", _extended(chunk_of)),
    ("has an extension", _extended(meta_of)),
    ("not as long as its footer says", _shorter),
    ("not as long as its footer says", lambda file: meta_of(file).put(Meta.INDEX, 10**6, I64)),
    ("not as long as its footer says", lambda file: meta_of(file).put(Meta.STORED_BYTES, -1)),
    ("over each other, or outside", _over_each_other),
    ("over each other, or outside", lambda file: meta_of(file).put(Meta.STORED_BYTES, 10**9)),
    ("over each other, or outside", lambda file: chunk_of(file).put(Chunk.COLUMN_INDEX, 0)),
    ("do not have the columns of its schema", _without_a_column),
    ("ends too early", lambda file: file.structs(File.SCHEMA)[0].put(Element.CHILDREN, 9, I32)),
]


@pytest.mark.parametrize(("said", "edit"), REASONS)
def test_what_cannot_be_copied_is_known(source: Path, edit_footer: EditFooter, said: str, edit: Edit) -> None:
    """Column chunks that are not whole, not plain or not here are refused with the reason."""
    with pytest.raises(FooterError, match=said):
        places(footer_of(edit_footer(source, edit)))


def test_bytes_that_no_chunk_claims_are_no_obstacle_where_pages_are_whole(tmp_path: Path) -> None:
    """Some writers leave gaps; then pages are counted, and a chunk that they fill is as good as any."""
    sink = pa.BufferOutputStream()
    pq.write_table(a_table(), sink)
    content = sink.getvalue().to_pybytes()
    footer = read_footer(InMemory(content))
    gap = content[: footer.start] + b"left over" + content[footer.start :]
    assert places(read_footer(InMemory(gap))) == places(footer)


def test_a_bloom_filter_of_unknown_length_is_measured(source: Path, edit_footer: EditFooter) -> None:
    """Older writers do not say how long a filter is; its header does."""
    before = places(footer_of(source))
    edit_footer(source, lambda file: [meta_of(file, group).drop(Meta.BLOOM_BYTES) for group in (0, 1)] and None)
    after = places(footer_of(source))
    assert [group[0].bloom for group in after] == [group[0].bloom for group in before]
    assert before[0][0].bloom is not None


def test_a_chunk_takes_its_places_along(source: Path) -> None:
    """All places within a chunk move as it does; one that points beside it is given up."""
    footer = footer_of(source)
    chunk, place = footer.groups[1].structs(Group.CHUNKS)[0], places(footer)[1][0]
    for before, after in ((place.pages.start, 1000), (0, 0), (place.pages.end, 0)):
        chunk.put(Chunk.OFFSET, before)
        made = moved(chunk, place, 1000)
        by, old, new = 1000 - place.pages.start, meta_of(footer.file, 1), made.struct(Chunk.META)
        assert made.integer(Chunk.OFFSET) == after
        assert new is not None
        for number in (Meta.DATA, Meta.DICTIONARY):
            assert new.integer(number) == (old.integer(number) or 0) + by
        assert new.fields.keys() == old.fields.keys()


def test_an_offset_index_that_tells_of_other_pages_is_refused(source: Path) -> None:
    """Its pages are those of the chunk, and it is as long as it is said to be."""
    footer = footer_of(source)
    place = places(footer)[0][0]
    assert place.offset_index is not None
    data = footer.origin.read(*place.offset_index)
    assert moved_offset_index(data, place, place.pages.start) == data
    away = Place(Extent(place.pages.start + 10_000, place.pages.end + 10_000), None, None, None)
    with pytest.raises(FooterError, match="tells of pages that are not those"):
        moved_offset_index(data, away, 4)
    with pytest.raises(FooterError, match="is not as long as"):
        moved_offset_index(data + b"\0", place, 4)


def test_the_levels_of_a_column_are_part_of_its_type(source: Path) -> None:
    """What may be null or repeated on the way to a column decides how its pages are read."""
    optional, repeated, byte_array = 1, 2, 6
    way = ((b"tree", optional), (b"a", optional), (b"list", repeated), (b"element", optional), (b"b", optional))
    assert leaf_types(footer_of(source))[2] == (*way, byte_array, None)
