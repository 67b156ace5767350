"""Dictionary pages are read as they lie in a file, and bytes that are none do no harm."""

from __future__ import annotations

import io
import random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compliance_frames.proof.footer import Chunk, FooterError, read_footer
from compliance_frames.proof.pages import (
    Page,
    PageError,
    PageHeader,
    dictionary_values,
    page_header,
    pages,
    plain_values,
)
from compliance_frames.proof.values import bound_texts, unused_entries

CODECS = ["none", "snappy", "gzip", "brotli", "zstd", "lz4"]


def written(values: pa.Array[Any], **options: Any) -> io.BytesIO:
    file = io.BytesIO()
    pq.write_table(pa.table({"values": values}), file, **options)
    return file


def chunk_of(file: io.BytesIO) -> Chunk:
    return read_footer(file).groups[0].chunks[0]


def entries(file: io.BytesIO) -> pa.Array[Any] | None:
    chunk = chunk_of(file)
    first, *_ = pages(file, chunk)
    return dictionary_values(first, chunk) if first.header.kind == 2 else None


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(
    ("values", "stored"),
    [
        (pa.array(["b", "a", "b", None, ""]), [b"b", b"a", b""]),
        (pa.array([3, 1, 3]), [3, 1]),
        (pa.array([3, 1, 3], pa.int16()), [3, 1]),
        (pa.array([0.5, 0.5], pa.float32()), [0.5]),
        (pa.array([0.5, 1.5]), [0.5, 1.5]),
        (pa.array([b"abc", b"def"], pa.binary(3)), [b"abc", b"def"]),
    ],
)
def test_a_dictionary_is_read_as_it_was_written(codec: str, values: pa.Array[Any], stored: list[Any]) -> None:
    """Values of every physical type come out of every compression."""
    found = entries(written(values, compression=codec))
    assert found is not None
    assert found.to_pylist() == stored


def test_a_long_dictionary_is_read_whole() -> None:
    """A dictionary of a hundred thousand texts has all of them."""
    found = entries(written(pa.array([f"{number:05}" for number in range(100_000)])))
    assert found is not None
    assert len(found) == 100_000


def test_a_column_without_a_dictionary_has_none() -> None:
    """Plain columns are told from others by their first page."""
    assert entries(written(pa.array(["a"]), use_dictionary=False)) is None


def test_a_page_holds_what_its_bytes_hold() -> None:
    """Whatever is looked for, a page answers as its bytes would: with zeros, at its ends, and where it is empty."""
    rng = random.Random(0)
    for _ in range(2000):
        data = bytes(rng.choices(b"\0\0ab\xff", k=rng.randrange(12)))
        value = bytes(rng.choices(b"\0ab\xff", k=rng.randrange(4)))
        page = Page(PageHeader(0, len(data), len(data), 1, 0, 13), b"", 4, memoryview(data))
        assert page.holds(value) == (value in data), (data, value)


def test_what_a_full_dictionary_does_not_hold_is_not_missed() -> None:
    """Where a writer gave up its dictionary halfway, all entries are still values of rows."""
    values = pa.array([f"word {number}" for number in range(5000)])
    file = written(values, dictionary_pagesize_limit=4096, data_page_size=1024, write_batch_size=64)
    found = entries(file)
    assert found is not None
    assert 0 < len(found) < 5000
    assert unused_entries(found, values) == 0


@pytest.mark.parametrize(
    ("values", "unused"),
    [
        (pa.array([5, None], pa.uint32()), 0),
        (pa.array([2**32 - 1], pa.uint32()), 0),
        (pa.array([2**64 - 1], pa.uint64()), 0),
        (pa.array([-1], pa.int8()), 0),
        (pa.array([float("nan"), -0.0]), 0),
        (pa.array(["x"], pa.string_view()), 0),
    ],
)
def test_values_are_compared_as_they_are_stored(values: pa.Array[Any], unused: int) -> None:
    """Signs, widths and numbers that are none make no difference between an entry and its rows."""
    found = entries(written(values))
    assert found is not None
    assert unused_entries(found, values) == unused
    assert unused_entries(found, values.slice(0, 0)) == len(found)


def test_cut_or_changed_bytes_are_refused_and_never_loop() -> None:
    """Whatever is done to a file's bytes, a dictionary is read or refused, quickly and with a sentence."""
    file = written(pa.array([f"word {number % 50}" for number in range(500)]), compression="snappy")
    chunk = chunk_of(file)
    data, chance = file.getvalue(), random.Random(5)
    refused = 0
    for _ in range(1500):
        hurt = bytearray(data[: chance.choice([len(data), chance.randrange(chunk.span.start + 1, chunk.span.end)])])
        for _ in range(chance.randrange(1, 4)):
            at = min(chunk.span.start + chance.randrange(60), len(hurt) - 1)
            hurt[at] = chance.randrange(256)
        try:
            for page in pages(io.BytesIO(bytes(hurt)), chunk):
                if page.header.kind == 2:
                    dictionary_values(page, chunk)
        except PageError as error:
            refused += bool(str(error))
    assert refused > 300


def test_cut_or_changed_footers_are_refused_and_never_loop() -> None:
    """Whatever is done to a footer's bytes, it is read or refused, quickly and with a sentence."""
    file = written(pa.array([f"word {number % 50}" for number in range(500)]), compression="snappy")
    span, data, chance = read_footer(file).span, file.getvalue(), random.Random(6)
    refused = 0
    for _ in range(1500):
        hurt = bytearray(data)
        for _ in range(chance.randrange(1, 4)):
            hurt[chance.randrange(span.start, len(hurt))] = chance.randrange(256)
        try:
            read_footer(io.BytesIO(bytes(hurt)))
        except FooterError as error:
            refused += bool(str(error))
    assert refused > 300


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "end within"),
        (b"\x00", "lacks"),
        (b"\x15\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "no end"),
        (b"\x1c" * 99, "too deeply"),
        (b"\x19" + b"\x19" * 99 + bytes(99), "too deeply"),
        (b"\x1d", "unknown type"),
        (b"\x19\xf5\xff\xff\xff\xff\x0f", "longer"),
        (b"\x15\x04\x15\x01\x15\x10\x00", "cannot have"),
    ],
    ids=["empty", "no fields", "endless number", "structs", "lists", "type", "long list", "negative size"],
)
def test_a_header_that_is_none_is_refused(data: bytes, said: str) -> None:
    """Numbers without an end, endless nesting and lists longer than the bytes are told for what they are."""
    with pytest.raises(PageError, match=said):
        page_header(data)


@pytest.mark.parametrize("count", [2, 2**40])
def test_more_values_than_bytes_are_refused(count: int) -> None:
    """The number of values in a header is not believed."""
    for physical in ("BYTE_ARRAY", "INT64", "INT96"):
        with pytest.raises(PageError):
            plain_values(b"\1\0\0\0x", count, physical)


def test_the_bounds_of_text_and_numbers_are_text() -> None:
    """Statistics come as text, whatever the column is; none where there are none."""
    for values in (pa.array(["7", "9"]), pa.array([7, 9]), pa.array([7, 9], pa.int8())):
        chunk = chunk_of(written(values))
        assert bound_texts(list(chunk.bounds), chunk.physical).to_pylist() == ["7", "9"]
    assert chunk_of(written(pa.array([7]), write_statistics=False)).bounds == ()
