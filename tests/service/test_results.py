"""Result files: every line understood, or the whole file refused with the line's number."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import google_crc32c
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance_frames.errors import ResultsError
from compliance_frames.schemas import RESULTS
from compliance_frames.service.results import one_per_reason, parse

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
LINE = '{"id":"1500000000000000001","action":"delete","created_at":"2022-03-05T08:12:39.022Z","reason":"suspended"}'


def rows(*lines: str | bytes, type: Any = "tweets") -> pa.Table:
    data = b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines)
    return parse(data, type=type, job_id=7, checked_at=NOW)


def line(**change: Any) -> str:
    """A result with changes; None takes a key away."""
    value = {**json.loads(LINE), **change}
    return json.dumps({key: item for key, item in value.items() if item is not None})


@pytest.mark.parametrize("type", ["tweets", "users"])
def test_recorded_results_are_read_exactly(shared: Path, type: Any) -> None:
    """Real files give the rows that a plain JSON reader finds, and have the checksum that came with them."""
    recorded = shared / "recorded"
    data = (recorded / f"download_{type}.body").read_bytes()
    headers = dict(json.loads((recorded / f"download_{type}.json").read_text())["headers"])
    crc = base64.b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode()
    assert headers["x-goog-hash"] == f"crc32c={crc}"
    plain = sorted((json.loads(text) for text in data.splitlines() if text.strip()), key=lambda row: int(row["id"]))
    table = rows(data, type=type)
    assert table.column("id").to_pylist() == [int(row["id"]) for row in plain]
    for name in ("action", "reason"):
        assert table.column(name).to_pylist() == [row[name] for row in plain]
    for name in ("created_at", "redacted_at"):
        times = [datetime.fromisoformat(row[name]) if name in row else None for row in plain]
        assert table.column(name).to_pylist() == times
    assert set(table.column("type").to_pylist()) == {type}
    assert table.num_rows == 20


@pytest.mark.parametrize("data", [b"", b"\n", b"\n \n\t\n"])
def test_an_empty_file_is_all_clear(data: bytes) -> None:
    """No line is no flagged ID, with the schema all the same."""
    table = rows(data)
    assert table.num_rows == 0
    assert table.schema.equals(RESULTS)


def test_blank_lines_and_line_ends_of_every_kind_are_borne() -> None:
    """Empty lines stand inside of real files; CRLF and a missing last newline lose nothing."""
    assert rows("", LINE, "", "   ", line(id="5") + "\r", line(id="6")).column("id").to_pylist() == [
        5,
        6,
        int(json.loads(LINE)["id"]),
    ]


@pytest.mark.parametrize("value", ["5", 5, "0000000000000000005"])
def test_ids_are_numbers_or_strings(value: Any) -> None:
    """Both spellings are the same ID, also side by side in one file."""
    assert rows(LINE, line(id=value)).column("id").to_pylist() == [5, 1500000000000000001]
    large = 2**63 - 1
    assert rows(line(id=large)).column("id").to_pylist() == [large]
    assert rows(line(id=str(large))).column("id").to_pylist() == [large]


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2022-03-05T08:12:39.022Z", 1646467959022),
        ("2022-03-05T08:12:39+00:00", 1646467959000),
        ("2022-03-05T08:12:39Z", 1646467959000),
        ("2022-03-05T08:12:39.02Z", 1646467959020),
    ],
)
def test_both_spellings_of_time_are_one_time(text: str, ms: int) -> None:
    """Tweets have milliseconds and Z, users neither; ``redacted_at`` may be missing or null."""
    table = rows(line(created_at=text, redacted_at=text))
    assert table.column("created_at").cast(pa.int64()).to_pylist() == [ms]
    assert table.column("redacted_at").cast(pa.int64()).to_pylist() == [ms]
    assert rows(LINE).column("redacted_at").to_pylist() == [None]
    assert rows(LINE[:-1] + ',"redacted_at":null}').column("redacted_at").to_pylist() == [None]


def test_unknown_fields_and_reasons_are_kept_as_they_came() -> None:
    """What a newer service says is not lost: the policy has to settle it."""
    table = rows(line(reason="newly_invented", extra={"a": [1]}))
    assert table.column("reason").to_pylist() == ["newly_invented"]


BAD: dict[str, tuple[bytes, str]] = {
    "repeated key": (LINE.replace('"action"', '"id":"5","action"').encode(), "repeats the key 'id'"),
    "repeated key inside": (LINE.replace("}", ',"x":{"a":1,"a":2}}').encode(), "repeats the key 'a'"),
    "cut off": (LINE[:-20].encode(), "cut off"),
    "cut in the middle": (LINE[:40].encode(), "cut off"),
    "two on a line": ((LINE + LINE).encode(), "not JSON"),
    "no JSON": (b"<html>", "not JSON"),
    "a list": (b"[1]", "not a JSON object"),
    "a number": (b"5", "not a JSON object"),
    "NaN": (LINE.replace('"suspended"', "NaN").encode(), "not JSON"),
    "Infinity": (LINE.replace('"1500000000000000001"', "Infinity").encode(), "not JSON"),
    "NUL": (LINE.replace("suspended", "susp\0ended").encode(), "NUL"),
    "not UTF-8": (LINE.encode().replace(b"suspended", b"susp\xffended"), "not UTF-8"),
    "no ID": (line(id=None).encode(), "has no ID"),
    "float ID": (line(id=1.5e18).encode(), "has no ID"),
    "whole float ID": (LINE.replace('"1500000000000000001"', "1500000000000000001.0").encode(), "has no ID"),
    "exponent": (LINE.replace('"1500000000000000001"', "15e17").encode(), "has no ID"),
    "boolean ID": (line(id=True).encode(), "has no ID"),
    "negative ID": (line(id=-5).encode(), "1 to 19 digits"),
    "text ID": (line(id="5x").encode(), "1 to 19 digits"),
    "empty ID": (line(id="").encode(), "1 to 19 digits"),
    "20 digits": (line(id="1" * 20).encode(), "1 to 19 digits"),
    "too large": (line(id=2**63).encode(), "2^63-1"),
    "other digits": (line(id="١٢٣").encode(), "1 to 19 digits"),
    "no reason": (line(reason=None).encode(), "has no reason"),
    "odd reason": (line(reason="a b").encode(), "has no reason"),
    "long reason": (line(reason="a" * 65).encode(), "has no reason"),
    "no action": (line(action=None).encode(), "has no action"),
    "numeric action": (line(action=5).encode(), "has no action"),
    "no time": (line(created_at="yesterday").encode(), "created_at that is not a time"),
    "no such day": (line(created_at="2022-02-30T08:12:39.022Z").encode(), "created_at that is not a time"),
    "no such day, canonical": (LINE.replace("03-05", "02-30").encode(), "created_at that is not a time"),
    "numeric time": (line(redacted_at=5).encode(), "redacted_at that is not a time"),
    "other zone": (line(created_at="2022-03-05T08:12:39+02:00").encode(), "created_at that is not a time"),
    "deep": (b"[" * 100_000, "longer than any result"),
    "long": (line(text="x" * 100_000).encode(), "longer than any result"),
}


@pytest.mark.parametrize(("bad", "words"), BAD.values(), ids=BAD)
@pytest.mark.parametrize("before", [0, 3])
def test_a_bad_line_refuses_the_whole_file(bad: bytes, words: str, before: int) -> None:
    """The error names the line, and nothing of the file is used."""
    with pytest.raises(ResultsError, match=f"^Line {before + 1} .*{words.replace('^', '.')}") as caught:
        rows(*[LINE] * before, bad, line(id="9"))
    assert caught.value.line == before + 1
    assert "1500000000000000001" not in str(caught.value)


def test_a_line_is_counted_right_across_blocks() -> None:
    """Large files are read in blocks; a bad line far behind has its true number, and every row is there."""
    many = 330_000
    data = "\n".join(line_of(number) for number in range(many))
    assert len(data) > 1 << 25
    assert rows(data).num_rows == many
    with pytest.raises(ResultsError) as caught:
        rows(data, "{")
    assert caught.value.line == many + 1


def line_of(number: int) -> str:
    return LINE.replace("1500000000000000001", str(1_500_000_000_000_000_000 + number))


#: Lines that mean the same, in spellings that take different ways through the parser.
SPELLINGS = st.sampled_from(
    [
        lambda value: json.dumps(value, separators=(",", ":")),
        lambda value: json.dumps(value),
        lambda value: json.dumps(dict(reversed(value.items()))),
        lambda value: json.dumps({**value, "id": int(value["id"])}),
        lambda value: " " + json.dumps(value) + "\t\r",
        lambda value: json.dumps({**value, "more": None}),
    ]
)
MOMENTS = st.datetimes(datetime(2006, 3, 21), datetime(2040, 1, 1)).map(
    lambda when: when.replace(microsecond=when.microsecond // 1000 * 1000)
)


@given(
    st.lists(
        st.tuples(
            SPELLINGS,
            st.integers(0, 2**63 - 1),
            st.sampled_from(["deleted", "suspended", "scrub_geo", "other"]),
            MOMENTS,
            st.none() | MOMENTS,
        ),
        unique_by=lambda drawn: drawn[1],
        max_size=20,
    )
)
def test_every_way_of_writing_a_row_gives_that_row(drawn: list[Any]) -> None:
    """The quick way by columns and the strict way by lines agree, in any mixture."""
    lines = []
    for spell, id, reason, created, redacted in drawn:
        value = {
            "id": str(id),
            "action": "delete",
            "created_at": f"{created:%Y-%m-%dT%H:%M:%S}.{created.microsecond // 1000:03}Z",
        }
        value |= {} if redacted is None else {"redacted_at": f"{redacted:%Y-%m-%dT%H:%M:%S}+00:00"}
        lines.append(spell({**value, "reason": reason}))
    table = rows(*lines)
    expected = sorted(
        (id, reason, created.replace(tzinfo=UTC), redacted and redacted.replace(tzinfo=UTC, microsecond=0))
        for _, id, reason, created, redacted in drawn
    )
    found = table.select(["id", "reason", "created_at", "redacted_at"]).to_pylist()
    assert [tuple(row.values()) for row in found] == expected
    assert table.schema.equals(RESULTS)


@given(
    st.lists(st.tuples(st.integers(1, 5), st.sampled_from(["deleted", "suspended", "scrub_geo", "other"])), max_size=20)
)
def test_of_results_for_one_id_there_is_one_of_each_reason(pairs: list[tuple[int, str]]) -> None:
    """What becomes of a reason is for a policy to say: none is hidden, in whatever order and file its results come."""
    table = rows(*[line(id=str(id), reason=reason) for id, reason in pairs])
    found = list(zip(table.column("id").to_pylist(), table.column("reason").to_pylist(), strict=True))
    assert found == sorted(set(pairs))
    apart = one_per_reason([rows(line(id=str(id), reason=reason)) for id, reason in reversed(pairs)])
    assert apart.equals(table)


def test_tweets_and_users_of_one_id_are_two_rows() -> None:
    """What holds of a type says nothing of the other type."""
    both = one_per_reason([rows(LINE, type="users"), rows(LINE, type="tweets")])
    assert both.column("type").to_pylist() == ["tweets", "users"]
    assert both.schema.equals(RESULTS)


def test_arbitrary_bytes_are_rows_or_an_error() -> None:
    """Nothing but a clear error comes of a file that is something else."""

    @given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
    def check(data: bytes) -> None:
        try:
            table = rows(data)
        except ResultsError as error:
            assert error.line is not None  # noqa: PT017
        else:
            assert table.num_rows == 0

    check()
