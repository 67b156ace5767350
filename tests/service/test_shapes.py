"""Reading by columns is reading by lines, only sooner: no line passes that a careful JSON reader would refuse."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance_frames.errors import ResultsError
from compliance_frames.service import blocks
from compliance_frames.service.blocks import PADDING, Block, Shapes
from compliance_frames.service.results import parse
from compliance_frames.service.shapes import learn

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?(Z|\+00:00)", re.ASCII)

Row = tuple[int, str, str, datetime | None, datetime | None]


def plainly(data: bytes) -> list[Row] | int:
    """The rows of a file by ``json.loads`` and nothing clever, or the number of the first line to be refused."""
    rows = []
    for number, line in enumerate(data.split(b"\n"), start=1):
        try:
            if line.decode().strip() or b"\0" in line:
                rows.append(plain_row(line.decode()))
        except (ValueError, TypeError, KeyError):
            return number
    return rows


def plain_row(line: str) -> Row:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise ValueError
        return dict(pairs)

    value = json.loads(line, object_pairs_hook=once, parse_constant=int, parse_float=lambda text: [text])
    id = str(value["id"]) if type(value["id"]) in (int, str) else ""
    words, times = [value["action"], value["reason"]], [value.get("created_at"), value.get("redacted_at")]
    if not re.fullmatch("[0-9]{1,19}", id) or int(id) >= 2**63:
        raise ValueError
    if not all(re.fullmatch("[A-Za-z][A-Za-z0-9_]{0,63}", word) for word in words):
        raise ValueError
    if not all(time is None or TIME.fullmatch(time) for time in times):
        raise ValueError
    created, redacted = (time and datetime.fromisoformat(time) for time in times)
    return int(id), *words, created, redacted


def rows_of(table: pa.Table) -> list[Row]:
    names = ["id", "action", "reason", "created_at", "redacted_at"]
    return [tuple(row.values()) for row in table.select(names).to_pylist()]  # type: ignore[misc]


def parsed(source: bytes | Path) -> list[Row] | int:
    try:
        return rows_of(parse(source, type="tweets", job_id=7, checked_at=NOW))
    except ResultsError as error:
        assert error.line is not None  # noqa: PT017
        return error.line


MOMENTS = st.datetimes(datetime(2006, 3, 21), datetime(2040, 1, 1))
TIMES = {
    "ms": lambda when: f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond // 1000:03}Z",
    "s": lambda when: f"{when:%Y-%m-%dT%H:%M:%S}+00:00",
    "z": lambda when: f"{when:%Y-%m-%dT%H:%M:%S}Z",
    "odd": lambda when: f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond // 10000:02}+00:00",
}
MS = "2022-03-05T08:12:39.022Z"
LAYOUTS = [
    '{"id":"%(id)s","action":"delete","created_at":"%(ms)s","reason":"suspended"}',
    '{"id":"%(id)s","action":"delete","created_at":"%(ms)s","redacted_at":"%(later)s","reason":"deleted"}',
    '{"id":"%(id)s","action":"delete","created_at":"%(ms)s","reason":"protected"}\r',
    '{"id":"%(id)s","action":"delete","created_at":"%(s)s","reason":"deactivated"}',
    '{"id":%(id)s,"action":"delete","created_at":"%(odd)s","reason":"scrub_geo"}',
    ' { "reason": "deleted", "id": "%(id)s", "redacted_at": null, "action": "delete", "more": {"id": "5"} }\t',
    '{"action":"delete","reason":"deleted","created_at":"%(ms)s","id":"%(id)s"}',
    '{"action":"delete","redacted_at":"%(s)s","id":"%(id)s","created_at":"%(odd)s","reason":"deleted"}',
    '{"id":"%(id)s","action":"delete","reason":"deleted","created_at":"%(z)s"}',
    '{"more":{"id":"%(id)s","created_at":"%(ms)s"},"id":"%(id)s","action":"delete","reason":"bounced"}',
    '{"x":"\\"id\\":\\"5\\"","id":"%(id)s","action":"delete","created_at":"%(ms)s","reason":"suspended"}',
    '{"id":"%(id)s","action":"delete","created_at":"2022-02-2%(last)s","reason":"suspended"}',
]


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """Many lines of few layouts, some of them damaged somewhere."""
    layouts = draw(st.lists(st.sampled_from(LAYOUTS), min_size=1, max_size=3))
    digits = draw(st.sampled_from([1, 2, 8, 9, 16, 17, 18, 19]))
    count = draw(st.integers(8, 60))
    first, step = draw(st.integers(0, 10**digits - 1)), draw(st.integers(1, 10**digits))
    moment, later = draw(MOMENTS), draw(MOMENTS)
    lines = []
    for number in range(count):
        when = moment.replace(minute=number)
        said = {name: spell(when) for name, spell in TIMES.items()}
        said |= {"later": TIMES["ms"](later.replace(second=number)), "last": f"{number % 8}T00:00:{number:02}Z"}
        id = (first + number * step) % (10**digits if digits < 19 else 2**63)
        lines.append(
            draw(st.sampled_from(layouts)) % {**said, "id": str(id) if '"id":%' in layouts[0] else f"{id:0{digits}}"}
        )
    data = [line.encode() for line in lines]
    for at in draw(st.lists(st.integers(0, count - 1), max_size=2)):
        data[at] = damaged(draw, data[at])
    return b"\n".join(data)


def damaged(draw: st.DrawFn, line: bytes) -> bytes:
    at = draw(st.integers(0, max(len(line) - 1, 0)))
    byte = draw(st.sampled_from(list(b'0129:;/ax"\\ .-+TZ,{}\0\xff')))
    ways = [
        line.replace(b":", b": ", 1),
        b"",
        line[:at] + bytes([byte]) + line[at + 1 :],
        line[:at] + bytes([byte]) + line[at:],
        line[:at] + line[at + 1 :],
        line[:at],
        line + b" " + line,
    ]
    return draw(st.sampled_from(ways))


@given(files(), st.sampled_from([1500, 4000, 1 << 24]))
def test_a_file_is_read_as_a_plain_reader_reads_it(data: bytes, block: int) -> None:
    """The same rows, or the same first line refused, whatever is wrong and wherever blocks end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "_BLOCK", block)
        found, expected = parsed(data), plainly(data)
    must_agree(found, expected)


@st.composite
def mutants(draw: st.DrawFn) -> bytes:
    """A sound file, then bytes flipped in it, lines doubled, cut or put elsewhere, fields put in another order."""
    layout = draw(st.sampled_from(LAYOUTS[:9]))
    moment = draw(MOMENTS)
    first, step = draw(st.integers(0, 2**62)), draw(st.integers(0, 2**55))
    said = {name: spell(moment) for name, spell in TIMES.items()}
    lines = [(layout % {**said, "later": said["ms"], "id": first + step * n}).encode() for n in range(30)]
    for at, way in draw(st.lists(st.tuples(st.integers(0, 29), st.sampled_from(WAYS)), max_size=5)):
        lines[at] = way(draw, lines[at])
    data = bytearray(b"\n".join(lines))
    for at, bits in draw(st.lists(st.tuples(st.integers(0, len(data) - 1), st.integers(1, 255)), max_size=2)):
        data[at] ^= bits
    return bytes(data)


def reordered(draw: st.DrawFn, line: bytes) -> bytes:
    fields = draw(st.permutations(line.strip(b"{}\r").split(b",")))
    return b"{" + b",".join(fields) + b"}"


WAYS = [
    reordered,
    lambda draw, line: line + b"\n" + line,
    lambda draw, line: line[: draw(st.integers(0, len(line)))],
    lambda draw, line: line[draw(st.integers(0, len(line))) :],
    lambda draw, line: line[:-1] + b"," + line[1:],
]


@given(mutants())
def test_reading_by_columns_lets_nothing_pass_that_reading_by_lines_refuses(data: bytes) -> None:
    """The same rows and the same refusal, word for word, where no shape may be learned."""
    quickly = answer(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "_WORTH_LEARNING", len(data))
        assert answer(data) == quickly


def answer(data: bytes) -> list[Row] | str:
    try:
        return rows_of(parse(data, type="tweets", job_id=7, checked_at=NOW))
    except ResultsError as error:
        return str(error)


def must_agree(found: list[Row] | int, expected: list[Row] | int) -> None:
    """The same line refused, or the same rows: sorted, and of those about one ID and reason any one."""
    if isinstance(expected, int) or isinstance(found, int):
        assert found == expected
    else:
        assert [(row[0], row[2]) for row in found] == sorted({(row[0], row[2]) for row in expected})
        assert set(found) <= set(expected)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_lines_of_one_layout_need_no_json_reader(layout: str) -> None:
    """What the service writes again and again is read by columns, in whatever layout it is; nested digits are not."""
    said = {name: spell(datetime(2022, 3, 5, 8, 12, 39, 22000)) for name, spell in TIMES.items()}
    lines = [layout % {**said, "id": 10**18 + n, "later": said["ms"], "last": f"{n % 8}T00:00:00Z"} for n in range(50)]
    text = "\n".join(lines).encode()
    columns, others = Shapes().by_columns(Block(bytearray(text + bytes(PADDING)), len(text)))
    is_nested = layout.startswith('{"more"')
    assert (len(columns.ids), len(others)) == ((0, 50) if is_nested else (50, 0))


@pytest.mark.parametrize(
    "line",
    [
        '{"more":{"id":"5"},"\\u0069d":"20","action":"delete","reason":"deleted"}',
        '{"a":"\\"id\\":\\"5\\"","id":5.0,"action":"delete","reason":"deleted"}',
        '{"id":"20","action":"delete","created_at":null,"x":{"created_at":"2022-03-05T08:12:39Z"},"reason":"deleted"}',
        '{"id":"20","action":"delete","created_at":"2022-03-05T08:12:39\\u005a","reason":"deleted"}',
        '{"id":"20","id":"21","action":"delete","reason":"deleted"}',
        '{"id":20}',
        "",
    ],
)
def test_no_shape_is_learned_where_digits_mean_something_else(line: str) -> None:
    """A place that only looks like the ID or the time is found out by the strict parser."""
    assert learn(line.encode()) is None


@pytest.mark.parametrize(("layout", "bytes"), [(LAYOUTS[1], '0279":} x'), (LAYOUTS[3], "02"), (LAYOUTS[4], "02")])
def test_no_byte_goes_unlooked_at(layout: str, bytes: str) -> None:
    """Each byte of one line among many is changed in turn, and it is read, or refused, as it would be alone."""
    said = {name: spell(datetime(2022, 3, 5, 8, 12, 39, 22000)) for name, spell in TIMES.items()}
    many = [layout % {**said, "id": 10**18 + n, "later": MS} for n in range(20)]
    for at in range(len(many[10])):
        for byte in bytes:
            data = "\n".join([*many[:10], many[10][:at] + byte + many[10][at + 1 :], *many[11:]]).encode()
            must_agree(parsed(data), plainly(data))


def test_a_number_among_many_has_no_leading_zero() -> None:
    """JSON knows no such numbers, though each of its bytes is a digit."""
    many = [LAYOUTS[4] % {"id": 1000 + n, "odd": MS} for n in range(50)]
    assert len(parsed("\n".join(many).encode())) == 50  # type: ignore[arg-type]
    many[30] = LAYOUTS[4] % {"id": "0030", "odd": MS}
    assert parsed("\n".join(many).encode()) == 31


@pytest.mark.parametrize("digits", range(1, 20))
@pytest.mark.parametrize("layout", [LAYOUTS[0], LAYOUTS[4], *LAYOUTS[6:8]])
def test_an_id_of_any_length_is_read_wherever_it_stands(layout: str, digits: int) -> None:
    """Short IDs near a line's start, or right behind a time, whose digits are none of the ID's."""
    said = {name: spell(datetime(2022, 3, 5, 8, 12, 39, 22000)) for name, spell in TIMES.items()}
    least, most = 10 ** (digits - 1), min(10**digits, 2**63) - 1
    ids = sorted({least + n * (most - least) // 20 for n in range(21)})
    data = "\n".join(layout % {**said, "id": id} for id in ids).encode()
    assert [row[0] for row in parsed(data)] == ids  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("time", "exists"),
    [
        ("2024-02-29T23:59:59.999Z", True),
        ("2023-02-29T00:00:00.000Z", False),
        ("2023-04-31T00:00:00.000Z", False),
        ("2023-00-01T00:00:00.000Z", False),
        ("2023-13-01T00:00:00.000Z", False),
        ("2023-01-00T00:00:00.000Z", False),
        ("2023-01-01T24:00:00.001Z", False),
        ("2023-01-01T00:60:00.000Z", False),
        ("2023-01-01T00:00:60.000Z", False),
        ("0001-01-01T00:00:00.000Z", True),
        ("0000-01-01T00:00:00.000Z", False),
        ("9999-12-31T23:59:59.999Z", True),
    ],
)
def test_only_times_that_exist_are_read(time: str, exists: bool) -> None:
    """The calendar holds among a hundred lines as it does for one."""
    lines = [LAYOUTS[0] % {"id": n, "ms": MS} for n in range(100, 200)]
    lines[50] = LAYOUTS[0] % {"id": 150, "ms": time}
    found = parsed("\n".join(lines).encode())
    if exists:
        assert isinstance(found, list)
        assert found[50][3] == datetime.fromisoformat(time)
    else:
        assert found == 51


def test_the_largest_id_is_the_largest_among_many(tmp_path: Path) -> None:
    """2^63-1 is read by columns, 2^63 is refused; a file by its path is read like its bytes."""
    lines = [LAYOUTS[0] % {"id": 10**18 + n, "ms": MS} for n in range(20)]
    for largest, expected in ((2**63 - 1, 21), (2**63, 21)):
        data = "\n".join([*lines, LAYOUTS[0] % {"id": largest, "ms": MS}]).encode()
        (tmp_path / "results.jsonl").write_bytes(data)
        found = parsed(tmp_path / "results.jsonl")
        assert found == parsed(data)
        assert found == expected if largest == 2**63 else isinstance(found, list) and found[-1][0] == largest


def test_a_line_without_an_end_is_refused_and_bad_lines_before_it_first() -> None:
    """What is longer than a block is no result, though it be all spaces."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "_BLOCK", 1000)
        good = LAYOUTS[0] % {"id": 1, "ms": MS}
        assert parsed(f"{good}\n{' ' * 3000}\n{good}".encode()) == 2
        assert parsed(f"{good}\n{{\n{' ' * 3000}\n{good}".encode()) == 2
        assert isinstance(parsed(f"{good}\n{' ' * 800}\n{good}".encode()), list)
