"""CSV comes out as Python's reader has it, whatever the block, and each record by its line."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compliance_frames.errors import RawFileError
from compliance_frames.raw.delimited import Header, header_of, records, rows_of_records
from compliance_frames.raw.packed import lines

PATH = Path("a.csv")
VALUES = st.text(st.sampled_from('ab",;\n\r \té'), max_size=6)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=8),
    block=st.integers(1, 60),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_what_was_written_is_read(rows: list[tuple[str, str]], block: int, end: str) -> None:
    """Quotes, newlines and separators within values; empty ones are null; no record is lost between blocks."""
    text = io.StringIO()
    csv.writer(text, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(rows)
    header = Header(("x", "y"), ",")
    found, numbers, count = [], [], 0
    for some in records(lines(io.BytesIO(text.getvalue().encode()), block=block), PATH):
        taken = rows_of_records(some, header, PATH)
        assert not taken.rejected
        found += [(row["x"] or "", row["y"] or "") for row in taken.table.to_pylist()]
        numbers += [taken.line_of(at) for at in range(taken.table.num_rows)]
        count += taken.records
    assert found == rows
    assert count == len(rows)
    ends = [sum(value.count("\n") for value in row) + 1 for row in rows]
    assert numbers == [1 + sum(ends[:at]) for at in range(len(rows))]


def test_a_quote_within_a_value_is_a_quote() -> None:
    """Some tools quote nothing: a lone quote opens nothing there."""
    content = b'1,5" wide\n2,plain\n3,6" long\n4,7" deep\n'
    header = Header(("id", "text"), ",")
    every = [rows_of_records(some, header, PATH) for some in records(lines(io.BytesIO(content)), PATH)]
    assert [row["text"] for taken in every for row in taken.table.to_pylist()] == [
        '5" wide',
        "plain",
        '6" long',
        '7" deep',
    ]
    assert [taken.line_of(at) for taken in every for at in range(taken.table.num_rows)] == [1, 2, 3, 4]


def test_bytes_that_are_no_utf8_cost_their_record_alone() -> None:
    content = b"1,a\n2,\xff\n3,c\n"
    (some,) = records(lines(io.BytesIO(content)), PATH)
    taken = rows_of_records(some, Header(("id", "text"), ","), PATH)
    assert [row["id"] for row in taken.table.to_pylist()] == ["1", "3"]
    assert [(each.line, each.reason) for each in taken.rejected] == [(2, "byte 3 is no UTF-8")]


@pytest.mark.parametrize(
    ("first", "names", "delimiter"),
    [
        (b"\xef\xbb\xbfid,text\r\n", ("id", "text"), ","),
        (b"id\ttext, words\n", ("id", "text, words"), "\t"),
        (b'"","id"\n', ("column_1", "id"), ","),
        (b"id\n", ("id",), ","),
    ],
)
def test_a_header_says_how_records_are_written(first: bytes, names: tuple[str, ...], delimiter: str) -> None:
    assert header_of(PATH, first) == Header(names, delimiter)


def test_a_header_in_another_encoding_is_refused() -> None:
    with pytest.raises(RawFileError, match="save the file as UTF-8"):
        header_of(PATH, "id,größe".encode("latin-1"))
