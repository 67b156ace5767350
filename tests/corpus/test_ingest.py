"""Raw files become one dataset in which every value is the one that was written, or nothing at all."""

from __future__ import annotations

import bz2
import csv
import gzip
import json
import os
import re
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import compliance_frames as cf
from compliance_frames.errors import ComplianceFramesError, DestinationError, LedgerLockedError, RawFileError
from compliance_frames.raw import partitions, reading
from tests.corpora.test_ingest import bare, rows_of

ID = 1_212_161_512_043_446_272  # the first of 2020


@pytest.fixture
def raw(tmp_path: Path) -> Callable[..., Path]:
    """``raw(**{"a.jsonl": content})``: a directory of such files; objects are written one a line."""

    def make(files: dict[str, Any]) -> Path:
        folder = tmp_path / "raw"
        folder.mkdir(exist_ok=True)
        for name, content in files.items():
            if isinstance(content, str):
                content = content.encode()
            if not isinstance(content, bytes):
                content = b"".join(json.dumps(each).encode() + b"\n" for each in content)
            (folder / name).write_bytes(content)
        return folder

    return make


def ingested(folder: Path, **told: Any) -> list[dict[str, Any]]:
    """The rows of a dataset made of a directory, after looking that every record is accounted for."""
    report = cf.ingest(folder, folder.parent / "corpus", **told)
    for file in report.files:
        assert file.records - file.pages + file.paged == file.rows + file.rejected + file.blank
    schemas = [pq.read_schema(path) for path in (folder.parent / "corpus").rglob("*.parquet")]
    assert all(schema.equals(schemas[0], check_metadata=True) for schema in schemas)
    rows = rows_of(folder.parent / "corpus")
    assert len(rows) == report.rows == sum(file.rows for file in report.files)
    assert len(rejected(folder)) == sum(file.rejected for file in report.files)
    return rows


def rejected(folder: Path) -> list[dict[str, Any]]:
    side = folder.parent / "corpus.rejected.jsonl"
    return [json.loads(line) for line in side.read_text().splitlines()] if side.exists() else []


def beside(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.parent.iterdir())


def tweet(number: int, **more: Any) -> dict[str, Any]:
    return {"id": str(ID + number), "author_id": "12", "text": f"t{number}", **more}


# -- one schema --------------------------------------------------------------------------------------------------------


def test_files_that_disagree_get_one_schema(raw: Callable[..., Path]) -> None:
    """``{}`` where a list belongs, numbers and text for one ID, nulls here and structs there, fields that come late."""
    files = {
        "a.jsonl": [tweet(1, geo=None, tags={}, score=1, n=ID), tweet(2, tags=["x"], empty={}, score=2)],
        "b.jsonl": [{**tweet(3, geo={"place_id": "p"}, tags=[], score=0.5, n="7"), "id": ID + 3}],
        "c.jsonl": [tweet(4, geo={}, tags=["y"], later={"deep": [{"er": True}]}, score=None)],
    }
    folder = raw(files)
    rows = ingested(folder)
    assert [row["id"] for row in rows] == [str(ID + number) for number in (1, 2, 3, 4)]
    assert [row["tags"] for row in rows] == [[], ["x"], [], ["y"]]
    assert [row["geo"] for row in rows] == [None, None, {"place_id": "p"}, {"place_id": None}]
    assert [row["score"] for row in rows] == [1.0, 2.0, 0.5, None]
    assert [row["n"] for row in rows] == [str(ID), None, "7", None]
    assert [row["empty"] for row in rows] == [None, "{}", None, None]
    assert rows[3]["later"] == {"deep": [{"er": True}]}


def test_what_cannot_be_reconciled_is_text_as_it_stood(raw: Callable[..., Path]) -> None:
    """Nothing becomes null because another line holds something else; the report says which column it was."""
    values: list[Any] = [1, "1", True, 1.5, {"a": [None]}, ["b"], None, 2**70, -(2**63)]
    folder = raw({f"{at}.jsonl": [tweet(at, odd=value)] for at, value in enumerate(values)})
    rows = ingested(folder)
    assert [row["odd"] for row in rows] == [
        *("1", "1", "true", "1.5", '{"a":[null]}', '["b"]', None, str(2**70), str(-(2**63)))
    ]


def test_a_number_too_large_for_a_float_is_never_rounded(raw: Callable[..., Path]) -> None:
    """A column of fractions in which an ID stands becomes text, also in files that were written before."""
    files = {"a.jsonl": [tweet(1, n=0.5)] * 200, "b.jsonl": [tweet(2, n=ID + 1)], "c.jsonl": [tweet(3, n=0.25)] * 200}
    rows = ingested(raw(files))
    assert {row["n"] for row in rows} == {"0.5", str(ID + 1), "0.25"}


def test_whatever_the_reader_takes_at_once_is_what_a_plain_loop_reads(
    raw: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Odd lines among hundreds of plain ones: each row is the line's own, each other line is in the side file."""
    odd: list[bytes] = [
        b'{"id": 1212161512043446272, "text": "number"}',
        b'{"id": "21", "text": "a", "text": "b"}',
        b'{"id": "22", "text": "\\ud83d"}',
        b'{"id": "23", "text": "\xff"}',
        b'{"id": "24", "text": "new", "deep": {"er": [1, 2.5]}}',
        b'{"id": "25", "deep": {"er": {}}}',
        b'{"id": "26", "text": "emoji \\ud83d\\ude00 \\u0000"}',
        b"null",
        b"[]",
        b"",
        b"  \r",
        b'{"limit": {"track": 5}}',
        b'{"id": null}',
        b'{"id": "b94d27b9934d3e08a52e52d7da7dabfa"}',
        b'{"id": -1}',
        b'{"id": "27", "text": "two"} {"id": "28"}',
        b'{"id": "29"',
        b'{"id": "30"}\r',
        b'{"id": "31", "n": 9007199254740993}',
        b'{"id": "32", "n": 1e400}',
    ]
    lines: list[bytes] = []
    for at, line in enumerate(odd):
        lines += [json.dumps(tweet(1_000 + at * 40 + number, n=0.5)).encode() for number in range(40)]
        lines.append(line)
    monkeypatch.setattr(reading, "_BLOCK", 1 << 14)
    folder = raw({"a.jsonl": b"\xef\xbb\xbf" + b"\n".join(lines)})
    rows = {row["id"]: bare(row) for row in ingested(folder)}
    told = {each["line"]: each["reason"] for each in rejected(folder)}

    expected, numbers = {}, set()
    for number, line in enumerate(lines, start=1):
        value = by_loop(line)
        if value is None:
            numbers.add(number)
        elif value:
            expected[str(value["id"])] = value
    assert set(told) == numbers
    assert rows.keys() == expected.keys()
    for id, value in expected.items():
        n = value.pop("n", None)
        assert rows[id].pop("n", None) == (None if n is None else str(n).replace("inf", "Infinity"))
        value["id"] = id
        assert rows[id] == bare({**value, **({"deep": rows[id]["deep"]} if "deep" in value else {})})
    assert "stands in it twice" in told[2 * 41]
    assert "surrogate" in told[3 * 41]
    assert "no UTF-8" in told[4 * 41]
    assert "hash" in told[14 * 41]


def by_loop(line: bytes) -> dict[str, Any] | None:
    """A line as a plain loop takes it: ``{}`` where it is blank, None where it is no tweet."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    if not line.strip():
        return {}
    try:
        value = json.loads(line, object_pairs_hook=once)
        assert re.fullmatch("[0-9]{1,19}", str(value["id"]))
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, AssertionError, KeyError, TypeError):
        return None
    return value


@pytest.mark.parametrize("depth", [300, 500, 980, 5_000])
def test_what_is_nested_deeply_is_a_row_or_a_line_that_is_told_of(raw: Callable[..., Path], depth: int) -> None:
    """Lists and objects, in lines and in a list: nothing ends in a traceback."""
    deep = ["[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth]
    lines = [f'{{"id":"{ID + at}","text":"x","deep":{each}}}' for at, each in enumerate(deep)]
    folder = raw({"a.jsonl": "\n".join([f'{{"id":"{ID + 9}","text":"x"}}', *lines])})
    assert len(ingested(folder)) == (3 if depth < 400 else 1)
    if depth > 400:
        assert {each["reason"] for each in rejected(folder)} == {"it is nested too deeply"}


def test_a_line_that_is_too_long_is_told_and_not_held(
    raw: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its number and its size are in the side file, its content is not; the lines around it are rows."""
    monkeypatch.setattr(reading, "LONGEST", 5_000)
    folder = raw({"a.jsonl": [tweet(1), tweet(2, text="x" * 9_000), tweet(3)]})
    assert [row["id"] for row in ingested(folder)] == [str(ID + 1), str(ID + 3)]
    (told,) = rejected(folder)
    assert (told["line"], "content" in told) == (2, False)
    assert "no tweet is so long" in told["reason"]


# -- where a row goes --------------------------------------------------------------------------------------------------


def test_rows_go_to_the_utc_day_of_their_time_or_of_their_id(raw: Callable[..., Path]) -> None:
    """What a row says counts, in any form and zone; where it says nothing its ID does; else nobody knows."""
    times = {
        "2021-03-01T23:59:59.000Z": "2021-03-01",
        "2021-03-01T23:30:00-05:00": "2021-03-02",
        "Mon Mar 01 23:25:04 +0000 2021": "2021-03-01",
        "2021-03-01 10:00:00": "2021-03-01",
        "2021-03-01 10:00": "2021-03-01",
        "3/1/2021 10:00": "2021-03-01",
        "1614600000": "2021-03-01",
        "": "2020-01-01",
        "yesterday": "2020-01-01",
    }
    files = [tweet(at, created_at=time) for at, time in enumerate(times)]
    folder = raw({"a.jsonl": [*files, {"id": "20", "text": "old"}], "b.jsonl": [tweet(50, created_at=1614600000000)]})
    ingested(folder)
    found = {
        row["id"]: path.parent.name.removeprefix("date=")
        for path in (folder.parent / "corpus").rglob("*.parquet")
        for row in pq.ParquetFile(path).read().to_pylist()
    }
    expected = {str(ID + at): day for at, day in enumerate(times.values())}
    assert found == expected | {"20": "__HIVE_DEFAULT_PARTITION__", str(ID + 50): "2021-03-01"}
    flagged = pa.table({"type": ["tweets"], "id": [20], "action": ["delete"], "reason": ["deleted"]})
    assert cf.plan(folder.parent / "corpus", flagged).rows_dropped == 1


def test_many_days_in_any_order_need_little_memory_and_few_row_groups(
    raw: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With room for a fraction of the rows, each of hundreds of days has one file and one row group, in order."""
    day = 86_400_000 << 22
    rows = [tweet(at * day + number, n=number) for number in range(12) for at in range(0, 700, 7)]
    rows += [tweet(700 * day + number, text="x" * 500) for number in range(900)]
    monkeypatch.setattr(reading, "_BLOCK", 1 << 13)
    monkeypatch.setattr(partitions, "BUDGET", 1 << 15)
    monkeypatch.setattr(partitions, "ENOUGH", 1 << 13)
    monkeypatch.setattr(partitions, "_AHEAD", 1 << 11)
    monkeypatch.setattr(partitions, "_OPEN", 2)
    folder = raw({"a.jsonl": rows[:600], "b.jsonl": [{**row, "later": True} for row in rows[600:]]})
    found = ingested(folder)
    assert {row["id"]: bare(row) for row in found} == {
        row["id"]: row if at < 600 else {**row, "later": True} for at, row in enumerate(rows)
    }
    files = [pq.ParquetFile(path) for path in (folder.parent / "corpus").rglob("*.parquet")]
    small = [file for file in files if file.metadata.num_rows == 12]
    assert len(small) == 100
    assert {file.metadata.num_row_groups for file in small} == {1}
    assert all([row["n"] for row in file.read(["n"]).to_pylist()] == list(range(12)) for file in small)


def test_a_day_that_was_begun_is_gone_on_with_when_columns_come(
    raw: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that were written before a column came, or before one became text, are brought to the one schema."""
    monkeypatch.setattr(reading, "_BLOCK", 1 << 12)
    monkeypatch.setattr(partitions, "BUDGET", 1 << 13)
    monkeypatch.setattr(partitions, "ENOUGH", 1 << 10)
    rows = [tweet(n, n=n / 2) for n in range(200)]
    rows += [tweet(n, later={"n": n}) for n in range(200, 400)]
    rows += [tweet(n, n=ID + n, later={"n": str(n)}) for n in range(400, 600)]
    found = ingested(raw({"a.jsonl": rows}))
    told = {str(row["id"]): (row.get("n"), row.get("later")) for row in rows}
    assert {row["id"]: (row["n"], row["later"]) for row in found} == {
        id: (None if n is None else str(n), None if later is None else {"n": str(later["n"])})
        for id, (n, later) in told.items()
    }


def test_the_usual_tools_read_the_dataset_by_its_days(raw: Callable[..., Path]) -> None:
    """The day is a partition that Hive's readers know, and hides no column of the tweets'."""
    folder = raw({"a.jsonl": [tweet(1, date="Friday"), tweet(2, date="Friday")]})
    ingested(folder)
    pattern = f"{folder.parent}/corpus/*/*.parquet"
    counted = duckdb.sql(
        f"SELECT date, utc_date, count(*) FROM read_parquet('{pattern}', hive_partitioning=true) GROUP BY ALL"
    )
    assert [(row[0], str(row[1]), row[2]) for row in counted.fetchall()] == [("Friday", "2020-01-01", 2)]
    assert pl.read_parquet(pattern, hive_partitioning=True).height == 2


# -- forms -------------------------------------------------------------------------------------------------------------

USERS = [{"id": "12", "username": "one"}, {"id": "13", "username": "two"}, {"id": "14", "username": "mentioned"}]
PAGE = {
    "data": [
        tweet(1, author_id="12", referenced_tweets=[{"type": "quoted", "id": str(ID - 1)}], geo={"place_id": "p"}),
        tweet(2, author_id="13", attachments={"media_keys": ["3_1"]}),
    ],
    "includes": {
        "users": USERS,
        "tweets": [tweet(-1, author_id="13"), tweet(-2, author_id="13")],
        "places": [{"id": "p", "full_name": "Here"}],
        "media": [{"media_key": "3_1", "type": "photo"}],
    },
    "meta": {"result_count": 2},
}


def is_flattened(rows: Iterable[dict[str, Any]]) -> None:
    """Whether the page's tweets are rows with all that was included, and the one that none refers to is a row too."""
    by_id = {int(row["id"]) - ID: bare(row) for row in rows}
    assert by_id.keys() == {1, 2, -2}
    assert by_id[1]["author"] == USERS[0]
    assert by_id[1]["referenced_tweets"][0]["text"] == "t-1"
    assert by_id[1]["referenced_tweets"][0]["author"] == USERS[1]
    assert by_id[1]["geo"] == {"place_id": "p", "id": "p", "full_name": "Here"}
    assert by_id[2]["attachments"]["media"] == [{"media_key": "3_1", "type": "photo"}]
    assert by_id[-2]["author"] == USERS[1]
    assert "mentioned" not in str(by_id)


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(PAGE),
        json.dumps(PAGE, indent=2),
        json.dumps([PAGE]),
        json.dumps({"meta": {"result_count": 0}}) + "\n" + json.dumps(PAGE) + "\n",
        json.dumps({"meta": {"result_count": 0}}, indent=1) + json.dumps(PAGE, indent=1),
    ],
    ids=["one line", "printed", "in a list", "lines", "side by side"],
)
def test_answers_of_the_service_are_flattened(raw: Callable[..., Path], content: str) -> None:
    """However an answer stands in a file, its tweets are rows with what it included for them."""
    is_flattened(ingested(raw({"a.json": content})))


def test_files_of_academictwitter_are_read_together(raw: Callable[..., Path]) -> None:
    """``users_1.json`` holds what the answer included for the tweets of ``data_1.json``; it holds no tweets itself."""
    folder = raw({"data_1.json": json.dumps(PAGE["data"]), "users_1.json": json.dumps(PAGE["includes"])})
    is_flattened(ingested(folder))
    assert rejected(folder) == []


def test_embedded_tweets_of_answers_are_found_and_erased(raw: Callable[..., Path], tmp_path: Path) -> None:
    """What came out of ``includes`` goes where it must, with no option told."""
    folder = raw({"a.jsonl": [PAGE]})
    ingested(folder)
    flagged = pa.table(
        {"type": ["tweets"] * 2, "id": [ID - 1, ID - 2], "action": ["delete"] * 2, "reason": ["deleted"] * 2}
    )
    cf.clean(cf.plan(tmp_path / "corpus", flagged), tmp_path / "clean")
    assert cf.verify(tmp_path / "clean", flagged, source=tmp_path / "corpus").verified
    left = rows_of(tmp_path / "clean")
    assert {int(row["id"]) - ID for row in left} == {1, 2}
    assert "t-1" not in str(left)


def test_a_list_of_any_length_is_read_element_by_element(
    raw: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Printed over many lines, cut by blocks anywhere; an element that is no tweet is told by its own line."""
    from compliance_frames.raw import documents

    monkeypatch.setattr(documents, "_BLOCK", 37)
    rows = [tweet(number, deep=[{"a": 1.5}]) for number in range(100)]
    text = json.dumps(rows, indent=1, ensure_ascii=False)
    text = text[:-2] + ',\n {"id": "1", "id": "2"}, 7, "x"\n]\n'
    folder = raw({"a.json.gz": gzip.compress(text.encode())})
    assert [bare(row) for row in ingested(folder)] == rows
    line = text.count("\n") - 1
    assert [each["line"] for each in rejected(folder)] == [line] * 3


def test_csv_is_read_to_the_letter(raw: Callable[..., Path], tmp_path: Path) -> None:
    """Newlines, quotes and commas in text, in files with other columns; an empty value is null."""
    texts = ['a "quoted" word', "two\nlines", "comma, here", "", "NA", "CR\r\nLF", "\u2028 \U0001f600", " spaces "]
    with (tmp_path / "a.csv").open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "author_id", "text"])
        writer.writerows([str(ID + at), "NA", text] for at, text in enumerate(texts))
    more = f'id;text;lang\n{ID + 50};"x;y";en\n\n{ID + 51};too;many;values\n{ID + 52};few\n{ID + 53};5" wide;de\n'
    folder = raw({"a.csv": (tmp_path / "a.csv").read_bytes(), "b.csv.bz2": bz2.compress(more.encode())})
    rows = {int(row["id"]) - ID: row for row in ingested(folder)}
    assert {at: rows[at]["text"] for at in range(len(texts))} == {at: text or None for at, text in enumerate(texts)}
    assert (rows[0]["author_id"], rows[50]["text"], rows[50]["lang"]) == (None, "x;y", "en")
    assert {each["line"] for each in rejected(folder)} >= {4, 5}


# -- what is refused ---------------------------------------------------------------------------------------------------

CUT = gzip.compress(b"".join(json.dumps(tweet(n, text=str(os.urandom(50)))).encode() + b"\n" for n in range(100)))[
    :-900
]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"a.jsonl.gz": CUT}, r"a\.jsonl\.gz: its gzip data is cut off after .* in line [0-9]+\. Fetch"),
        ({"a.jsonl.gz": b"\x1f\x8b\x08\x00" + b"x" * 99}, r"a\.jsonl\.gz: its gzip data is damaged"),
        ({"a.jsonl": [{"id": "b94d27b9934d3e08a52e52d7da7dabfa"}]}, r"a\.jsonl, line 1: .* is a hash.*mend it"),
        ({"a.jsonl": [{"id": 1, "tweet_id": "20"}]}, r"a\.jsonl: 'id' and 'tweet_id'.*id_column='tweet_id'"),
        ({"a.csv": "id,text\n1.23457E+18,a\n"}, r"a\.csv, line 2: .*'1.23457E\+18' is a rounded number.*as text"),
        ({"a.csv": "id,text\n20,a\n1.23457E+18,b\n"}, r"a\.csv, line 3: .*rounded number"),
        ({"a.jsonl": [{"id": 1.5, "text": "a"}]}, r"a\.jsonl, line 1: .*floating-point"),
        (
            {"a.csv": "id,text\n" + "".join(f"{(ID + n * 10**9) // 10**5 * 10**5},a\n" for n in range(99))},
            r"a\.csv: .*round numbers.*keep its IDs as text",
        ),
        ({"a.jsonl": ""}, "there is no tweet in"),
        ({"a.jsonl": "\n \n"}, "there is no tweet in"),
        ({"a.jsonl": "<html>gone</html>"}, r"a\.jsonl is neither JSON nor CSV"),
        ({"a.json": '{"id": "20"'}, r"a\.json, line 1: not JSON: .*Leave it out, or mend it"),
        ({"a.json": '[{"id": "20"},\n{"id": "21"}'}, r"a\.json is not JSON from line 2 on: a list is not closed"),
        ({"a.csv": "text,lang\nx,en\n"}, r"a\.csv: no column of tweet IDs"),
        ({"a.csv": f"{ID},x\n{ID + 1},y\n"}, r"a\.csv: the first line is no header"),
        ({"a.csv": "id,text,text\n20,a,b\n"}, r"a\.csv: the header names 'text' twice"),
        ({"a.csv": 'id,text\n20,"a\n21,b\n'}, r"a\.csv: a quote in the record of line 2 is never closed"),
        ({"a.csv": "id,text\n20,a\n".encode("utf-16")}, r"a\.csv is UTF-16"),
        ({"a.csv": "id,text\n20,a\n", "b.csv": "tweet_id,text\n21,b\n"}, r"nobody could tell .*a dataset of its own"),
        ({"a.jsonl": [tweet(1)], "b.jsonl": [{"id": ID, "user": {"id": 3}}]}, r"b\.jsonl holds its authors"),
        ({"a.jsonl": [tweet(1), {"id": "5", "user": {"id": "3"}}]}, r"a\.jsonl, line 2: its author is in 'user.id'"),
        ({"a.jsonl": [{"id": "12", "username": "x", "name": "y"}]}, r"a\.jsonl holds users, not tweets"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_by_name_with_a_way_out(
    raw: Callable[..., Path], files: dict[str, Any], said: str
) -> None:
    """One sentence: which file, which line, what to do. Nothing is left behind."""
    folder = raw(files)
    with pytest.raises(RawFileError, match=said) as caught:
        cf.ingest(folder, folder.parent / "corpus")
    assert "\n" not in str(caught.value)
    assert beside(folder) == ["raw"]


@pytest.mark.parametrize("given", ["raw/*.jsonl", "raw/b.jsonl", "nowhere/*.jsonl", []])
def test_a_pattern_that_matches_nothing_is_an_error(raw: Callable[..., Path], given: Any) -> None:
    folder = raw({"a.csv": "id\n20\n"})
    told = str(folder.parent / given) if given else given
    with pytest.raises(RawFileError, match=r"no file matches|no raw files"):
        cf.ingest(told, folder.parent / "corpus")


def test_a_column_that_was_told_is_the_one(raw: Callable[..., Path]) -> None:
    """Where two could be it, the user says which."""
    rows = ingested(raw({"a.jsonl": [{"id": 1, "tweet_id": str(ID)}]}), id_column="tweet_id")
    assert rows == [{"id": 1, "tweet_id": str(ID)}]


# -- whole, or not at all ----------------------------------------------------------------------------------------------


def test_nothing_is_overwritten_and_nothing_is_written_into_the_raw_files(raw: Callable[..., Path]) -> None:
    """A destination that exists, a side file that exists, a directory within the raw files'."""
    folder = raw({"a.jsonl": [tweet(1)]})
    for name in ("corpus", "corpus.rejected.jsonl"):
        (folder.parent / name).mkdir()
        with pytest.raises(DestinationError, match="exists"):
            cf.ingest(folder, folder.parent / "corpus")
        (folder.parent / name).rmdir()
    with pytest.raises(DestinationError, match="lies inside"):
        cf.ingest(folder, folder / "corpus")
    assert beside(folder) == ["raw"]


def test_what_is_written_is_private(raw: Callable[..., Path]) -> None:
    """Directories are 0700, files 0600: the side file too."""
    folder = raw({"a.jsonl": [tweet(1), {"no": "id"}]})
    ingested(folder)
    side = folder.parent / "corpus.rejected.jsonl"
    every = [folder.parent / "corpus", *(folder.parent / "corpus").rglob("*"), side]
    assert {path.stat().st_mode & 0o777 for path in every if path.is_file()} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in every if path.is_dir()} == {0o700}
    assert rejected(folder) == [
        {"file": str(folder / "a.jsonl"), "line": 2, "reason": "it has no ID of a tweet", "content": '{"no": "id"}'}
    ]


def test_one_run_at_a_time(raw: Callable[..., Path]) -> None:
    """A second run with the same destination is refused while the first is under way."""
    folder = raw({"a.jsonl": [tweet(1)]})
    refused: list[BaseException] = []

    def again(_: Any) -> None:
        try:
            cf.ingest(folder, folder.parent / "corpus")
        except ComplianceFramesError as error:
            refused.append(error)

    cf.ingest(folder, folder.parent / "corpus", progress=again)
    assert refused
    assert {type(error) for error in refused} == {LedgerLockedError}


def test_a_file_that_is_written_over_while_it_is_read_is_refused(raw: Callable[..., Path]) -> None:
    """Also in place, at the same size, with its date set back: what was read may be half of each."""
    folder = raw({"a.jsonl": [tweet(1)]})
    file = folder / "a.jsonl"

    def write(_: Any) -> None:
        state = file.stat()
        file.write_bytes(file.read_bytes().swapcase())
        os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))

    with pytest.raises(RawFileError, match=r"a\.jsonl was changed while it was read"):
        cf.ingest(folder, folder.parent / "corpus", progress=write)
    assert beside(folder) == ["raw"]


def test_a_run_that_was_stopped_leaves_nothing_and_can_be_made_again(raw: Callable[..., Path]) -> None:
    """No half of a dataset, no thread, no staged file."""
    folder = raw({"a.jsonl": [tweet(n) for n in range(3_000)]})

    def stop(_: Any) -> None:
        raise KeyboardInterrupt

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        cf.ingest(folder, folder.parent / "corpus", progress=stop)
    assert beside(folder) == ["raw"]
    assert threading.active_count() == before
    assert len(ingested(folder)) == 3_000


def test_the_same_files_give_the_same_bytes(raw: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """However many threads read, and whichever is first."""
    monkeypatch.setattr(reading, "_BLOCK", 1 << 13)
    rows = [tweet(n, **({f"later_{n // 300}": n} if n % 300 == 299 else {})) for n in range(1_500)]
    folder = raw({"a.jsonl": rows})
    contents = []
    for workers in (1, 4):
        report = cf.ingest(folder, folder.parent / f"by-{workers}", workers=workers)
        contents.append([path.read_bytes() for path in sorted(report.destination.rglob("*.parquet"))])
    assert contents[0] == contents[1]


def test_the_report_shows_itself(raw: Callable[..., Path]) -> None:
    """Text on a terminal, an escaped table in a notebook, JSON for programs."""
    folder = raw({"a<b>.jsonl": [tweet(1), {"x": 1}], "b.jsonl": [{**tweet(2), "id": ID + 2}]})
    report = cf.ingest(folder, folder.parent / "corpus")
    assert "2 rows of 1 day in 1 file" in str(report)
    assert "'id' is text, as files disagree" in str(report)
    assert "<b>" not in report._repr_html_()
    assert json.loads(json.dumps(report.to_dict()))["files"][0]["rejected"] == 1


# -- real tweets -------------------------------------------------------------------------------------------------------


def test_real_tweets_agree_with_a_plain_loop(shared: Path, tmp_path: Path) -> None:
    """Lists that R wrote as ``{}``, repeats, foreign scripts: every row is the line's own."""
    for name in ("tweets", "included_tweets"):
        source = shared / "real_tweets" / f"{name}.jsonl.gz"
        report = cf.ingest(source, tmp_path / name)
        assert report.rejected is None
        plain = [json.loads(line) for line in gzip.decompress(source.read_bytes()).splitlines()]
        expected = sorted(json.dumps(without_nothing(row), sort_keys=True) for row in plain)
        found = sorted(json.dumps(without_nothing(row), sort_keys=True) for row in rows_of(tmp_path / name))
        assert found == expected
        days = {row["id"]: row["created_at"][:10] for row in plain}
        for path in (tmp_path / name).rglob("*.parquet"):
            assert {f"date={days[id]}" for id in pq.read_table(path, columns=["id"]).column(0).to_pylist()} == {
                path.parent.name
            }
        columns = cf.columns(tmp_path / name).columns
        assert (columns.id, columns.author_id, columns.geo) == ("id", "author_id", ("geo",))


def without_nothing(value: Any) -> Any:
    """A value without nulls, and without what is empty: ``{}`` and ``[]`` were one to whoever wrote these files."""
    if isinstance(value, dict):
        return {name: found for name, item in value.items() if (found := without_nothing(item)) not in (None, {}, [])}
    return [without_nothing(item) for item in value] if isinstance(value, list) else value
