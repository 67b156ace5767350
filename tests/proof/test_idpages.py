"""IDs are read out of pages as a library reads them, or not at all."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compliance_frames.proof.footer import read_footer
from compliance_frames.proof.hybrid import hybrid
from compliance_frames.proof.idpages import IdPages, numbers_in
from compliance_frames.proof.pages import pages

FIRST = 1212161512043446272

#: What columns of IDs hold, by how it is told.
VALUES = {
    "IDs": st.integers(10**18, 2**63 - 1).map(str),
    "few IDs": st.sampled_from([str(FIRST + number) for number in range(3)]),
    "short IDs": st.integers(10**10, 10**11 - 1).map(str),
    "IDs of any length": st.integers(0, 2**63 - 1).map(str),
    "numbers too large": st.integers(10**18, 10**19 - 1).map(str),
    "leading zeros": st.integers(0, 10**12).map("{:019}".format),
    "other signs": st.integers(10**18, 2**63 - 1).map(lambda id: str(id).replace("7", "/").replace("8", ":")),
    "words": st.text(max_size=19),
}
ARE_IDS = ("IDs", "few IDs", "short IDs")


def read(file: io.BytesIO, *, optional: bool) -> tuple[IdPages, int]:
    """The pages of a file's only column, as far as they are understood, and how many bytes were left to be searched."""
    ids, left = IdPages(optional=optional), 0
    for page in pages(file, read_footer(file).groups[0].chunks[0]):
        taken = ids.take(page)
        left += len(page.data) if taken is None else len(taken[1])
    return ids, left


def written(values: list[str | None], *, optional: bool = True, kind: Any = None, **options: Any) -> io.BytesIO:
    """A file of one column and one row group."""
    file = io.BytesIO()
    schema = pa.schema([pa.field("id", kind or pa.string(), nullable=optional)])
    pq.write_table(pa.table([pa.array(values, schema.field(0).type)], schema=schema), file, **options)
    return file


@settings(max_examples=80, deadline=None)
@given(
    data=st.data(),
    name=st.sampled_from(sorted(VALUES)),
    nulls=st.sampled_from([0, 1, 9]),
    count=st.sampled_from([1, 7, 8, 9, 600]),
    version=st.sampled_from(["1.0", "2.0"]),
    dictionary=st.booleans(),
    limit=st.sampled_from([60, 1 << 20]),
    page_rows=st.sampled_from([3, 64, 20_000]),
)
def test_ids_are_read_as_a_library_reads_them(
    data: st.DataObject,
    name: str,
    nulls: int,
    count: int,
    version: str,
    dictionary: bool,
    limit: int,
    page_rows: int,
) -> None:
    """Whatever a column holds and however it is written, its IDs are those that pyarrow finds, or it is left alone."""
    some = data.draw(st.lists(VALUES[name], min_size=1, max_size=20))
    chance = data.draw(st.randoms(use_true_random=False))
    values = [None if chance.randrange(10) < nulls else chance.choice(some) for _ in range(count)]
    optional = None in values or data.draw(st.booleans())
    file = written(
        values,
        optional=optional,
        data_page_version=version,
        use_dictionary=dictionary,
        dictionary_pagesize_limit=limit,
        max_rows_per_page=page_rows,
        write_batch_size=50,
    )
    ids, _ = read(file, optional=optional)
    if ids.whole:
        assert pq.read_table(file).column("id").to_pylist() == [
            None if id < 0 else str(id) for id in ids.rows().tolist()
        ]
        assert ids.column(1, 5).to_pylist() == [None if value is None else int(value) for value in values[1:6]]
        assert ids.unused() == 0
    assert ids.whole or name not in ARE_IDS or nulls or page_rows == 3


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("dictionary", [True, False])
def test_columns_of_ids_are_understood_and_nothing_of_them_is_left_but_levels(version: str, dictionary: bool) -> None:
    """A usual column of IDs needs no library, and its digits no other look."""
    values = [str(FIRST + number) for number in range(3000)]
    file = written([*values, None], data_page_version=version, use_dictionary=dictionary, compression="zstd")
    ids, left = read(file, optional=True)
    assert ids.whole
    assert ids.rows().tolist() == [*range(FIRST, FIRST + 3000), -1]
    assert left < (6000 if dictionary else 100)


def test_a_dictionary_entry_that_no_row_has_is_counted_once_and_others_are_not() -> None:
    """What stands in a dictionary and in no row is told, unless another entry or a plain page has the same ID."""
    again = (b"%d" % (FIRST + 2), b"%d" % FIRST)  # two entries become the same, and a third is named by no row
    file = written([str(FIRST + number) for number in (0, 1, 2, 0)], compression="none", data_page_version="1.0")
    data = file.getvalue().replace(*again, 1)
    page = read_footer(file).groups[0].chunks[0].span
    at = data.index(0b00_10_01_00, page.start, page.end)
    for indices, unused in ((0b00_10_01_00, 0), (0b00_00_01_00, 0), (0b00_00_00_00, 1)):
        ids, _ = read(io.BytesIO(data[:at] + bytes([indices]) + data[at + 1 :]), optional=True)
        assert ids.whole
        assert ids.unused() == unused


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_a_few_bytes_that_say_that_they_are_very_many_rows_are_left_to_a_library(version: str) -> None:
    """It gives out so many a piece at a time; here they would all be in memory at once."""
    file = written([None] * 3, data_page_version=version, use_dictionary=False)
    page = next(pages(file, read_footer(file).groups[0].chunks[0]))
    levels = b"\x80\x80\x80\x10\0"  # 2^24 times the level of a null
    length = b"" if version == "2.0" else len(levels).to_bytes(4, "little")
    header = replace(page.header, values=1 << 24, levels=len(levels) if version == "2.0" else 0)
    many = replace(page, header=header, data=memoryview(length + levels))
    ids = IdPages(optional=True)
    assert ids.take(many) is None
    assert not ids.whole


@pytest.mark.parametrize(
    ("data", "count"),
    [
        (b"\x13\0\0\0" + b"1" * 18, 1),
        (b"\x13\0\0\0" + b"1" * 19 + b"x", 1),
        (b"\x13\0\0\1" + b"1" * 19, 1),
        (b"\x13\0\0\0" + b"1" * 19 + b"\x12\0\0\0" + b"1" * 19, 2),
        (b"\x13\0\0\0" + b"1" * 19, 2),
        (b"\x13\0\0\0" + b"9" * 19, 1),
        (b"\x0a\0\0\0" + b"1" * 10, 1),
        (b"\x13\0\0\0" + b"1" * 19, 0),
        (b"", 1),
    ],
)
def test_bytes_that_are_not_ids_of_one_length_are_left_to_others(data: bytes, count: int) -> None:
    """Nothing is guessed about a page of another form."""
    assert numbers_in(memoryview(data), count) is None


@pytest.mark.parametrize("at", range(19))
@pytest.mark.parametrize("sign", b"\0/:;?A\xb1")
def test_one_sign_that_is_no_digit_is_seen_wherever_it_stands(at: int, sign: int) -> None:
    """Each of an ID's places is looked at."""
    digits = bytearray(b"1212161512043446272")
    digits[at] = sign
    assert numbers_in(memoryview(b"\x13\0\0\0" + digits), 1) is None


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=40), st.integers(-1, 40), st.integers(0, 200))
def test_any_bytes_are_runs_or_are_refused(data: bytes, width: int, count: int) -> None:
    """Bytes that are no hybrid of run lengths give nothing, or as many values of that width as were asked for."""
    found = hybrid(memoryview(data), width, count)
    if found is not None:
        assert len(found) == count
        assert not (found >> width).any()


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 20), st.integers(1, 12))
def test_runs_are_read_value_by_value(data: st.DataObject, width: int, runs: int) -> None:
    """Runs of one value, and of values packed one behind the other, give what was packed."""
    packed, values = bytearray(), list[int]()
    number = st.integers(0, 2**width - 1)
    for _ in range(runs):
        if data.draw(st.booleans()):
            count, value = data.draw(st.integers(1, 60)), data.draw(number)
            packed += bytes([count << 1]) + value.to_bytes((width + 7) // 8, "little")
            values += [value] * count
        else:
            eight = data.draw(st.lists(number, min_size=8, max_size=8))
            bits = sum(value << width * at for at, value in enumerate(eight))
            packed += bytes([1 << 1 | 1]) + bits.to_bytes(width, "little")
            values += eight
    found = hybrid(memoryview(packed), width, len(values))
    assert found is not None
    assert found.tolist() == values
