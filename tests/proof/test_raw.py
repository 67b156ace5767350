"""Whatever is left in, or done to, a cleaned raw file is found; what policy keeps accuses nobody."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import compliance_frames as cf
from compliance_frames.corpus.manifest import Manifest, manifest_path
from compliance_frames.errors import VerificationError
from compliance_frames.schemas import RESULTS

FIRST = 1212161512043446272
GONE, AUTHOR_GONE, BARE, EARLY = FIRST + 77, FIRST + 88, FIRST + 99, 12
Change = Callable[[list[str]], list[str]]


def flagged(reason: str, ids: list[int], type: str = "tweets") -> pa.Table:
    when = datetime(2024, 5, 9, 12, tzinfo=UTC)
    told = {"type": type, "action": "delete", "reason": reason, "job_id": 7, "checked_at": when}
    return pa.Table.from_pylist([{**told, "id": id} for id in ids], schema=RESULTS)


ANSWERS = (
    flagged("deleted", [GONE]),
    flagged("scrub_geo", [BARE]),
    flagged("suspended", [AUTHOR_GONE, EARLY], "users"),
)


def tweet(id: int, author: int = FIRST + 5, **more: Any) -> dict[str, Any]:
    return {"id": str(id), "author_id": str(author), "text": f"words of {id % 1000}", **more}


SOURCE = [
    tweet(FIRST + 1),
    tweet(GONE),
    tweet(FIRST + 2, in_reply_to_status_id=str(GONE), in_reply_to_user_id=str(AUTHOR_GONE)),
    tweet(FIRST + 3, AUTHOR_GONE),
    tweet(BARE, geo={"place_id": "x"}),
    tweet(FIRST + 4, EARLY),
    tweet(FIRST + 5, quoted_status=tweet(GONE)),
    tweet(FIRST + 6, referenced_tweets=[{"type": "quoted", "id": str(GONE)}]),
    {"data": [tweet(FIRST + 7), tweet(GONE)], "includes": {"users": [{"id": str(AUTHOR_GONE), "username": "x"}]}},
]


def lines(values: list[Any]) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


class Cleaned:
    """A cleaned raw file that may be tampered with; its manifest vouches for what is done to it."""

    def __init__(self, folder: Path, name: str, content: bytes) -> None:
        self.source, self.path, self.name = folder / "raw", folder / "clean", name
        self.source.mkdir()
        (self.source / name).write_bytes(content)
        cf.clean(cf.plan(self.source, *ANSWERS), self.path)

    @property
    def lines(self) -> list[str]:
        return (self.path / self.name).read_text().splitlines(keepends=True)

    def change(self, to: Change, rows: int = 0) -> None:
        data = "".join(to(self.lines)).encode()
        (self.path / self.name).write_bytes(data)
        path = manifest_path(self.path)
        manifest = Manifest.read(path)
        record = manifest.files[0]
        kept = (record.rows_kept or 0) + rows
        found = replace(
            record,
            bytes=len(data),
            sha256=sha256(data).hexdigest(),
            rows_kept=kept,
            rows_dropped=(record.rows_in or 0) - kept,
        )
        replace(manifest, files=(found,)).write(path)

    def verify(self, *, source: bool = False) -> cf.Proof:
        return cf.verify(self.path, *ANSWERS, source=self.source if source else None)


def put(value: Any) -> Change:
    """Write another line in the place of one that has nothing to hide."""
    text = value if isinstance(value, str) else json.dumps(value)
    return lambda lines: [f"{text}\n", *lines[1:]]


NEW = FIRST + 1
PLANTS: dict[str, tuple[Change, str]] = {
    "tweet": (put(tweet(GONE)), r"1 row that had to go \(column 'id'"),
    "number": (put({"id": GONE, "text": ""}), "1 row that had to go"),
    "escape": (put(json.dumps(tweet(GONE)).replace(str(GONE), rf"\u0031{str(GONE)[1:]}")), "1 row that had to go"),
    "zeros": (put(json.dumps(tweet(GONE)).replace(str(GONE), f"{'0' * 60}{GONE}")), "1 row that had to go"),
    "only IDs": (put({"id": str(GONE)}), "1 row that had to go"),
    "wrapped": (put({"data": tweet(GONE)}), "1 row that had to go"),
    "in a page": (put({"data": [tweet(GONE)]}), "1 row that had to go"),
    "author": (put(tweet(NEW, AUTHOR_GONE)), "1 row by an author who had to go"),
    "author of v1": (put({"id": NEW, "text": "", "user": {"id": AUTHOR_GONE}}), "by an author who had to go"),
    "author of few digits": (put(tweet(NEW, EARLY)), "by an author who had to go"),
    "retweet": (
        put(tweet(NEW, referenced_tweets=[{"type": "retweeted", "id": str(GONE)}])),
        "1 row that repeats a tweet that had to go",
    ),
    "flat retweet": (put(tweet(NEW, retweeted_id=str(GONE))), "repeats a tweet that had to go"),
    "flat quote": (put(tweet(NEW, quoted_id=str(GONE), quoted_text="x")), "holds a tweet that had to go"),
    "retweeted whole": (put(tweet(NEW, retweeted_status=tweet(GONE))), "holds a tweet that had to go"),
    "quoted": (put(tweet(NEW, quoted_status=tweet(GONE))), "holds a tweet that had to go"),
    "quoted author": (put(tweet(NEW, quoted_status=tweet(7, AUTHOR_GONE))), "holds a tweet of an author"),
    "deep": (put(tweet(NEW, quoted_status=tweet(7, retweeted_status=tweet(GONE)))), "holds a tweet that had to go"),
    "flattened": (
        put(tweet(NEW, referenced_tweets=[{"type": "quoted", **tweet(GONE)}])),
        "holds a tweet that had to go",
    ),
    "includes": (put({"data": [tweet(NEW)], "includes": {"tweets": [tweet(GONE)]}}), "holds a tweet that had to go"),
    "user": (
        put({"data": [tweet(NEW)], "includes": {"users": [{"id": str(AUTHOR_GONE), "username": "x"}]}}),
        "holds a tweet of an author",
    ),
    "place": (put(tweet(BARE, geo={"place_id": "x"})), r"whose place had to go has one in 'geo'"),
    "place of a quote": (put(tweet(NEW, quoted_status=tweet(BARE, place={"id": "x"}))), "whose place had to go"),
    "JSON in text": (put(tweet(NEW, raw=json.dumps(tweet(GONE)))), "a text of JSON in 'raw' seems to hold a tweet"),
    "unreadable": (put(f'{{"id": {GONE}, '), "stands in a line that cannot be read"),
}


@pytest.mark.parametrize("name", PLANTS)
def test_what_had_to_go_is_found_in_raw_lines(tmp_path: Path, name: str) -> None:
    """A line is planted, and the manifest vouches for it: the proof finds it all the same."""
    cleaned = Cleaned(tmp_path, "tweets.jsonl", lines(SOURCE))
    change, told = PLANTS[name]
    cleaned.change(change, rows=-1 if name == "unreadable" else 0)
    with pytest.raises(VerificationError, match=told):
        cleaned.verify()


TAMPERED: dict[str, tuple[Change, int, str]] = {
    "swapped": (lambda lines: [lines[1], lines[0], *lines[2:]], 0, "is not one of the source's, in their order"),
    "changed": (lambda lines: [lines[0].replace("words", "swords"), *lines[1:]], 0, "was changed"),
    "nulled": (lambda lines: [lines[0].replace('"words of 273"', "null"), *lines[1:]], 0, "was changed"),
    "spaced": (lambda lines: [lines[0].replace(", ", ","), *lines[1:]], 0, "was changed"),
    "line end": (lambda lines: [lines[0].replace("\n", "\r\n"), *lines[1:]], 0, "was changed"),
    "edited more": (lambda lines: [*lines[:2], lines[2].replace("words", "w"), *lines[3:]], 0, "was changed"),
    "twice": (lambda lines: [lines[0], *lines], 1, "not one of the source's"),
    "missing": (lambda lines: lines[1:], 0, "records, and 6 by the manifest"),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_lines_that_stay_are_the_source_s(tmp_path: Path, name: str) -> None:
    """Swapped, changed, doubled or missing lines are seen against the source, or by their number."""
    cleaned = Cleaned(tmp_path, "tweets.jsonl", lines(SOURCE))
    change, rows, told = TAMPERED[name]
    cleaned.change(change, rows)
    with pytest.raises(VerificationError, match=told):
        cleaned.verify(source=True)


def test_what_policy_keeps_accuses_nobody(tmp_path: Path) -> None:
    """A reply to a tweet that went names it, and a quote whose content went: both are counted as mentions."""
    cleaned = Cleaned(tmp_path, "tweets.jsonl", lines(SOURCE))
    proof = cleaned.verify(source=True)
    checks = {check.name: check for check in proof.checks}
    assert "3 of them name what had to go" in checks["mentions"].what
    assert checks["kept rows"].counted == 6
    assert (proof.rows, proof.files) == (6, 1)


TABLE = (
    "id,author_id,text,retweeted_id,quoted_id,quoted_text,lat\r\n"
    f"{FIRST + 1},5,one,,,,\r\n"
    f"{GONE},5,two,,,,\r\n"
    f'{FIRST + 2},5,"three, and\nmore",,{GONE},"their ""words""",1.5\r\n'
    f"{BARE},5,four,,,,2.5\r\n"
)
TABLE_PLANTS: dict[str, tuple[Change, str]] = {
    "tweet": (lambda lines: [*lines, f"{GONE},5,x,,,,\r\n"], "1 row that had to go"),
    "author": (lambda lines: [*lines, f"7,{AUTHOR_GONE},x,,,,\r\n"], "by an author who had to go"),
    "retweet": (lambda lines: [*lines, f"7,5,x,{GONE},,,\r\n"], "repeats a tweet that had to go"),
    "quote": (lambda lines: [*lines, f"7,5,x,,{GONE},words,\r\n"], "holds a tweet that had to go"),
    "place": (lambda lines: [*lines, f"{BARE},5,x,,,,1.5\r\n"], "whose place had to go"),
    "JSON": (
        lambda lines: [*lines, f'7,5,"{json.dumps(tweet(GONE)).replace(chr(34), chr(34) * 2)}",,,,\r\n'],
        "a text of JSON in 'text' seems to hold",
    ),
}


@pytest.mark.parametrize("name", TABLE_PLANTS)
def test_what_had_to_go_is_found_in_tables(tmp_path: Path, name: str) -> None:
    """The same for records of CSV."""
    cleaned = Cleaned(tmp_path, "tweets.csv", TABLE.encode())
    assert cleaned.verify(source=True).verified
    change, told = TABLE_PLANTS[name]
    cleaned.change(change, rows=1)
    with pytest.raises(VerificationError, match=told):
        cleaned.verify()


@pytest.mark.parametrize(("was", "now"), [("three", "tree"), ("\r\n", "\n"), (f"{FIRST + 1},5", f"{FIRST + 1},6")])
def test_records_that_stay_are_the_source_s(tmp_path: Path, was: str, now: str) -> None:
    """Changed fields, and changed line ends, are seen."""
    cleaned = Cleaned(tmp_path, "tweets.csv", TABLE.encode())
    text = (cleaned.path / "tweets.csv").read_bytes().decode()
    cleaned.change(lambda _: [text.replace(was, now, 1)])
    with pytest.raises(VerificationError, match=r"not one of the source's|was changed"):
        cleaned.verify(source=True)


def test_the_first_line_of_a_table_is_nobody_s(tmp_path: Path) -> None:
    """A tweet in the place of the header is seen by the columns that are not there."""
    cleaned = Cleaned(tmp_path, "tweets.csv", TABLE.encode())
    cleaned.change(lambda lines: [f"{GONE},5,x,,,,\r\n", *lines[1:]])
    with pytest.raises(VerificationError, match="by the manifest"):
        cleaned.verify()


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_places_that_were_told_to_be_none_are_named_as_not_checked(tmp_path: Path, name: str) -> None:
    """Who says that there are no places keeps them; the proof does not pass over that in silence."""
    (tmp_path / "raw").mkdir()
    table = f"id,author_id,text,geo\n{BARE},{FIRST},x,Oslo\n".encode()
    content = table if name == "a.csv" else lines([tweet(BARE, geo={"place_id": "x"})])
    (tmp_path / "raw" / name).write_bytes(content)
    cf.clean(cf.plan(tmp_path / "raw", *ANSWERS, geo=[]), tmp_path / "clean")
    proof = cf.verify(tmp_path / "clean", *ANSWERS)
    assert "columns that look like places, where it was told that there are none: 'geo'" in proof.not_checked


def test_the_header_of_a_table_is_counted_among_no_rows(tmp_path: Path) -> None:
    """Rows that are the source's are as many as rows that were kept."""
    table = f"id,author_id,text\n{FIRST},5,x\n{GONE},5,y\n{FIRST + 1},5,z\n".encode()
    checks = {each.name: each for each in Cleaned(tmp_path, "a.csv", table).verify(source=True).checks}
    assert (checks["kept rows"].counted, checks["rows"].counted) == (2, 2)


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_a_certificate_of_raw_files_is_checked(tmp_path: Path, name: str) -> None:
    """What was certified is what lies there, until a byte of it is another."""
    content = lines(SOURCE)
    cleaned = Cleaned(tmp_path, name, gzip.compress(content) if name.endswith("gz") else content)
    cleaned.verify().certify(tmp_path / "c.json")
    assert cf.Certificate.read(tmp_path / "c.json").check(cleaned.path).destination == cleaned.path
    file = cleaned.path / name
    file.write_bytes(file.read_bytes().replace(b"words", b"Words") if name == "a.jsonl" else file.read_bytes()[:-1])
    with pytest.raises(VerificationError, match=f"{name} (was changed|has .* bytes)"):
        cf.Certificate.read(tmp_path / "c.json").check(cleaned.path)


WRAPPED: dict[str, Callable[[dict[str, Any]], str]] = {
    "in a string of JSON": lambda told: json.dumps(json.dumps(told)),
    "in a string in a string": lambda told: json.dumps(json.dumps(json.dumps(told))),
    "after a mark of byte order": lambda told: "\ufeff" + json.dumps(told),
    "as Python shows it": lambda told: f"Tweet(id={told['id']}, author_id={told['author_id']}, text='{told['text']}')",
}


@pytest.mark.parametrize("how", WRAPPED)
def test_tweets_in_texts_are_taken_out_however_they_begin(tmp_path: Path, how: str) -> None:
    """A text that is no JSON by its first letter holds tweets all the same; one that is left is found."""
    source = [tweet(FIRST + 1, raw=WRAPPED[how](tweet(GONE))), tweet(FIRST + 2, raw=WRAPPED[how](tweet(FIRST + 3)))]
    cleaned = Cleaned(tmp_path, "a.jsonl", lines(source))
    assert [json.loads(line)["raw"] for line in cleaned.lines] == [None, source[1]["raw"]]
    cleaned.verify(source=True)
    cleaned.change(lambda _: [json.dumps(each) + "\n" for each in source])
    with pytest.raises(VerificationError, match="a text of JSON in 'raw' seems to hold a tweet that had to go"):
        cleaned.verify()


def test_who_wrote_a_tweet_is_known_from_its_copies(tmp_path: Path) -> None:
    """A quoted tweet goes where one copy names its author, who left, and another does not: that accuses nobody."""
    quoted = tweet(FIRST + 9, AUTHOR_GONE)
    bare = {key: quoted[key] for key in ("id", "text")}
    source = [tweet(FIRST + 1, quoted_status=quoted), tweet(FIRST + 2, quoted_status=bare)]
    cleaned = Cleaned(tmp_path, "a.jsonl", lines(source))
    assert [json.loads(line)["quoted_status"] for line in cleaned.lines] == [None, None]
    assert cleaned.verify(source=True).rows == 2
