"""Whoever is named by a raw record, or lies in it, is asked about, too: in lines, lists, answers and tables."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import compliance_frames as cf
from compliance_frames.corpus.rawreferenced import referenced_in_raw
from compliance_frames.corpus.referenced import referenced
from compliance_frames.corpus.told import Told
from compliance_frames.emulator import Emulator
from tests.corpora.ecosystems import ECOSYSTEMS, Ecosystem
from tests.corpora.retweets import REPEATING, TABLES
from tests.corpora.tweets import made

TYPES: Any = ("tweets", "users")
TWEETS = made(200, seed=5)[150:]
NAMED = 1212161512043446272


def named_in(source: Any, told: Told | None = None, find: Any = referenced_in_raw) -> dict[tuple[str, str], set[int]]:
    found = defaultdict(set)
    for type, kind, ids in find(source, told or Told(), TYPES):
        found[type, kind] |= set(ids.tolist())
    return dict(found)


@pytest.mark.parametrize("ecosystem", ECOSYSTEMS, ids=lambda each: each.name)
def test_the_same_is_named_in_raw_files_as_in_parquet_of_them(tmp_path: Path, ecosystem: Ecosystem) -> None:
    """Whatever the tool calls it; of a folder, and of one file."""
    (tmp_path / "raw").mkdir()
    raw = ecosystem.write_raw(tmp_path / "raw" / f"a.{ecosystem.form}", TWEETS)
    ecosystem.write_parquet(raw, tmp_path / "corpus" / "a.parquet")
    there, found = named_in(tmp_path / "corpus", find=referenced), named_in(tmp_path / "raw")
    assert named_in(str(raw)) == found
    assert {key: found.get(key) for key in there} == there
    assert set(found) - set(there) <= (
        {(type, "quoted") for type in TYPES} if ecosystem.name == "twarc 1 csv" else set()
    )


@pytest.mark.parametrize("shape", REPEATING)
def test_every_shape_of_a_retweet_names_its_original(tmp_path: Path, shape: str) -> None:
    """What a plan would drop a record for is asked about; also what a tweet inside of the record repeats."""
    tweet = {"id": "7", "text": "words", **REPEATING[shape](str(NAMED))}
    (tmp_path / "a.jsonl").write_text(json.dumps(tweet))
    (tmp_path / "b.json").write_text(json.dumps([{"id": "6", "text": "", "quoted_status": tweet}], indent=1))
    for name in ("a.jsonl", "b.json"):
        assert NAMED in {id for (type, _), ids in named_in(tmp_path / name).items() if type == "tweets" for id in ids}


@pytest.mark.parametrize("shape", TABLES)
def test_every_shape_of_a_retweet_in_a_table_names_its_original(tmp_path: Path, shape: str) -> None:
    """The same for records of CSV."""
    cells = {"id": "7", "text": "words", **TABLES[shape](str(NAMED))}
    lines = (";".join(f'"{text.replace(chr(34), chr(34) * 2)}"' for text in row) for row in (cells, cells.values()))
    (tmp_path / "a.csv").write_text("\n".join(lines))
    assert NAMED in {id for (type, _), ids in named_in(tmp_path / "a.csv").items() if type == "tweets" for id in ids}


PAGE = {
    "data": [{"id": "100", "author_id": "1", "text": "", "in_reply_to_user_id": "8"}],
    "includes": {
        "tweets": [{"id": "50", "author_id": "5", "text": "", "referenced_tweets": [{"type": "quoted", "id": "49"}]}],
        "users": [{"id": "6", "username": "somebody"}],
        "places": [{"id": "77", "name": "Oslo"}],
    },
    "errors": [{"resource_id": "78", "value": "78"}],
}


def test_answers_and_texts_are_looked_into(tmp_path: Path) -> None:
    """Included tweets and users, tweets as JSON in a text; no places, and not what included tweets quote."""
    held = {"id": "101", "text": '{"id": 9}', "raw": json.dumps({"id": "60", "user": {"id": 61}, "text": ""})}
    lines = [json.dumps(each) for each in (PAGE, held, {"limit": {"track": 7}})]
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress("\n".join([*lines, '{"id": 3, "tex']).encode()))
    assert named_in(tmp_path) == {
        ("users", "replied_to"): {8},
        ("tweets", "embedded"): {50, 60},
        ("users", "embedded"): {5, 6, 61},
    }


def test_what_was_told_is_what_is_asked_about(tmp_path: Path) -> None:
    """Keys of one's own, or none at all."""
    tweet = {"no": "7", "of": "50", "copy": {"id": "51", "text": ""}, "quoted_status": {"id": "52", "text": ""}}
    (tmp_path / "a.jsonl").write_text(json.dumps({**tweet, "retweeted_id": "53"}))
    told = Told(columns=cf.Columns("no", references=["of"], embedded=["copy"]))
    assert named_in(tmp_path, told) == {("tweets", "retweeted"): {50}, ("tweets", "embedded"): {51}}
    assert named_in(tmp_path, Told(columns=cf.Columns("no", references=[], embedded=[]))) == {}


def test_originals_that_have_no_record_are_asked_about(tmp_path: Path) -> None:
    """``check`` asks about them and their authors; ``references=False`` about the records alone."""
    original = {"id": 50, "text": "", "user": {"id": 5}}
    tweet = {"id": 100, "text": "", "user": {"id": 1}, "retweeted_status": original}
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.jsonl").write_text(json.dumps(tweet))
    with Emulator(processing=timedelta(0)) as service:
        options: dict[str, Any] = {"bearer_token": service.bearer_token, "base_url": service.base_url}
        options["poll"] = timedelta(milliseconds=20)
        cf.check(tmp_path / "raw", "both", ledger=tmp_path / "all", **options)
        cf.check(tmp_path / "raw", "both", references=False, ledger=tmp_path / "rows", **options)
    asked = {name: cf.Ledger.read(tmp_path / name) for name in ("all", "rows")}
    assert {name: book.asked("tweets").tolist() for name, book in asked.items()} == {"all": [50, 100], "rows": [100]}
    assert {name: book.asked("users").tolist() for name, book in asked.items()} == {"all": [1, 5], "rows": [1]}
