"""Whatever a result file holds, it is read, or refused by the number of its first bad line."""

from __future__ import annotations

import contextlib
import json
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance_frames.errors import ResultsError
from compliance_frames.service import blocks
from compliance_frames.service.results import parse

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
GOOD = [
    f'{{"id":"{10**18 + n}","action":"delete","created_at":"2022-03-05T08:12:39.022Z","reason":"deleted"}}'.encode()
    for n in range(20)
]


def read(source: bytes | Path) -> list[int]:
    ids: list[int] = parse(source, type="tweets", job_id=7, checked_at=NOW).column("id").to_pylist()
    return ids


def with_field(text: str) -> bytes:
    """A sound result with one more field, of whatever value."""
    return GOOD[0][:-1] + f',"more":{text}}}'.encode("utf-8", "surrogatepass")


def with_id(text: str) -> bytes:
    return b'{"id":%s,"action":"delete","reason":"deleted"}' % text.encode("utf-8", "surrogatepass")


TRUNCATED = st.integers(1, len(GOOD[0]) - 1).map(lambda stop: GOOD[0][:stop])
DEEP = st.tuples(st.sampled_from(['{"a":', "[", '[{"id":']), st.integers(900, 12_000)).map(
    lambda deep: with_field(deep[0] * deep[1])
)
CLOSED_DEEP = st.integers(30_000, 40_000).map(lambda depth: with_field("[" * depth + "]" * depth))
HUGE_NUMBERS = st.one_of(
    st.integers(20, 60_000).map(lambda digits: with_id("9" * digits)),
    st.integers(1, 400).map(lambda exponent: with_id(f"1e{exponent}")),
    st.integers(4301, 60_000).map(lambda digits: with_field("7" * digits)),
    st.integers(2**63, 2**70).map(lambda id: with_id(f'"{id}"')),
)
SURROGATES = st.one_of(
    st.integers(0xD800, 0xDFFF).map(lambda point: with_field(f'"{chr(point)}"')),  # as bytes: no UTF-8
    st.integers(0xD800, 0xDFFF).map(lambda point: with_id(f'"\\u{point:04x}"')),  # as an escape: no digit
    st.integers(0xD800, 0xDFFF).map(lambda point: with_field(f'{{"\\u{point:04x}":1,"\\u{point:04x}":2}}')),
)
NULS = st.integers(0, len(GOOD[0])).map(lambda at: GOOD[0][:at] + b"\0" + GOOD[0][at:])
LONG = st.integers(70_000, 200_000).map(lambda length: with_field('"' + "x" * length + '"'))
MARKED = st.sampled_from([b"\xef\xbb\xbf", b"\xff\xfe", b"\x1f\x8b"]).map(lambda mark: mark + GOOD[0])
OTHERWISE = (
    st.binary(min_size=1, max_size=200)
    .filter(lambda data: b"\n" not in data and b"\r" not in data)
    .map(lambda data: b"!" + data)
)


@given(
    st.one_of(TRUNCATED, DEEP, CLOSED_DEEP, HUGE_NUMBERS, SURROGATES, NULS, LONG, MARKED, OTHERWISE),
    st.integers(0, len(GOOD)),
    st.sampled_from([b"\n", b"\r\n", b"\n\n"]),
)
def test_a_line_of_any_nonsense_is_refused_by_its_number(bad: bytes, at: int, end: bytes) -> None:
    """Cut off, deep, huge, long, no text: the line is named, in few words, and nothing that it holds is repeated."""
    with pytest.raises(ResultsError) as caught:
        read(end.join([*GOOD[:at], bad, *GOOD[at:]]))
    assert caught.value.line == 1 + at * end.count(b"\n")
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "text", ["1e999999", "-0.0e-5", "[" * 400 + "]" * 400, '"\\ud800"', '"\\ud83d\\ude00"', "9" * 4000, '"\u2028\x7f"']
)
def test_strange_values_of_unknown_fields_do_no_harm(text: str) -> None:
    """What is JSON and says nothing that is known here is borne, among many lines as in one."""
    assert read(b"\n".join([*GOOD[1:], with_field(text)])) == [10**18 + n for n in range(20)]


def test_a_byte_order_mark_is_no_json() -> None:
    """The service writes none: a file that has one went through something that changed it."""
    with pytest.raises(ResultsError, match="Line 1 "):
        read(b"\xef\xbb\xbf" + b"\n".join(GOOD))


def test_line_ends_of_windows_lose_nothing() -> None:
    """Lines that end in CRLF are read, all of them or some."""
    assert read(b"\r\n".join(GOOD)) == read(b"\n".join(GOOD))
    assert read(b"\r\n".join(GOOD[:10]) + b"\n" + b"\n".join(GOOD[10:])) == read(b"\n".join(GOOD))


@pytest.mark.parametrize("filling", [b"\n", b" \n", b"[\n", GOOD[0] + b"\n", b" "])
def test_memory_is_bounded_whatever_the_lines_are(
    filling: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing but lines of no length, or a line without end, take no more memory in a larger file."""
    monkeypatch.setattr(blocks, "_BLOCK", 1 << 14)
    peaks = []
    for size in (1 << 16, 1 << 19):
        (tmp_path / "results.jsonl").write_bytes(filling * (size // len(filling)))
        peaks.append(peak_of(tmp_path / "results.jsonl"))
    # A row that is kept takes 28 bytes, a few times over; there are up to 5,000 of them.
    assert peaks[1] < peaks[0] + 5_000 * 28 * 4 + (1 << 16)


def peak_of(path: Path) -> int:
    tracemalloc.start()
    with contextlib.suppress(ResultsError):
        read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_there_may_be_as_many_reasons_as_lines() -> None:
    """Each line keeps the reason that is its own."""
    many = 3000
    lines = [b'{"id":"%d","action":"delete","reason":"w%d"}' % (n + 1, n) for n in range(many)]
    table: Any = parse(b"\n".join(lines), type="tweets", job_id=7, checked_at=NOW)
    assert table.column("reason").to_pylist() == [json.loads(line)["reason"] for line in lines]
