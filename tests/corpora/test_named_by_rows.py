"""Whoever is named by a row is asked about, too: whatever the tool calls the columns, whatever frame they are in."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import compliance_frames as cf
from compliance_frames.corpus.referenced import referenced
from compliance_frames.corpus.told import Told
from compliance_frames.emulator import Emulator, Fates
from compliance_frames.ids import intake
from compliance_frames.ids.intake import joined, read_ids
from tests.corpora.ecosystems import ECOSYSTEMS, Ecosystem
from tests.corpora.tweets import Tweet, made

#: Tweets most of whose originals lie elsewhere.
TWEETS = made(200, seed=5)[150:]
#: What a tool writes down of none of its rows, or of some only.
NOT_TOLD = {
    "v2": {("users", "retweeted"), ("users", "quoted")},
    "v2 wrapped and flattened": {("users", "retweeted"), ("users", "quoted")},
    "Gnip": {("tweets", "replied_to"), ("users", "replied_to")},
    "snscrape": {("users", "replied_to")},
    "twscrape": {("users", "replied_to")},
    "twarc 1 csv": {("tweets", "quoted"), ("users", "quoted")},
    "academictwitteR": {("tweets", "replied_to")},
    "DMI-TCAT": {(type, kind) for type in ("tweets", "users") for kind in ("retweeted", "quoted", "replied_to")}
    - {("tweets", "quoted"), ("tweets", "replied_to")},
    "X information operations": {("users", "quoted"), ("users", "retweeted")},  # some of these are hashes
}
TYPES: Any = ("tweets", "users")


def named_in(source: Any, told: Told | None = None) -> dict[tuple[str, str], set[int]]:
    found = defaultdict(set)
    for type, kind, ids in referenced(source, told or Told(), TYPES):
        found[type, kind] |= set(ids.tolist())
    return dict(found)


def expected(tweets: list[Tweet]) -> dict[tuple[str, str], set[int]]:
    """The same from the tweets themselves, one by one."""
    found = defaultdict(set)
    for tweet in tweets:
        if tweet.other is not None:
            found["tweets", tweet.kind].add(tweet.other.id)
            found["users", tweet.kind].add(tweet.other.author)
    return dict(found)


@pytest.mark.parametrize("ecosystem", ECOSYSTEMS, ids=lambda each: each.name)
def test_every_tool_s_references_are_found(tmp_path: Path, ecosystem: Ecosystem) -> None:
    """What is retweeted, quoted and replied to, and whose it is, as far as the tool tells; and nothing else."""
    raw = ecosystem.write_raw(tmp_path / f"raw.{ecosystem.form}", TWEETS)
    ecosystem.write_parquet(raw, tmp_path / "corpus" / "a.parquet")
    found, whole = named_in(tmp_path / "corpus"), expected(TWEETS)
    for key, ids in whole.items():
        if key not in NOT_TOLD.get(ecosystem.name, set()):
            assert found.pop(key) == ids, key
    for key, ids in found.items():
        assert ids < whole[key], key


V2 = pa.table(
    {
        "id": ["100", "101", "102"],
        "author_id": ["1", "2", "3"],
        "in_reply_to_user_id": [None, "7", None],
        "referenced_tweets": [
            [{"type": "retweeted", "id": "50"}],
            [{"type": "replied_to", "id": "51"}, {"type": "quoted", "id": "100"}],
            None,
        ],
    }
)
NAMED = {
    ("tweets", "retweeted"): {50},
    ("tweets", "replied_to"): {51},
    ("tweets", "quoted"): {100},
    ("users", "replied_to"): {7},
}
FRAMES: dict[str, Callable[[pa.Table], Any]] = {
    "pyarrow": lambda table: table,
    "record batch": lambda table: table.combine_chunks().to_batches()[0],
    "polars": pl.from_arrow,
    "lazy": lambda table: pl.from_arrow(table).lazy(),  # type: ignore[union-attr]
    "pandas": lambda table: table.to_pandas(),
    "pandas of Arrow types": lambda table: table.to_pandas(types_mapper=pd.ArrowDtype),
    "DuckDB": lambda table: duckdb.connect().from_arrow(table),
    "narwhals": lambda table: __import__("narwhals").from_native(pl.from_arrow(table)),
    "pyarrow dataset": lambda table: __import__("pyarrow.dataset").dataset.dataset(table),
}


@pytest.mark.parametrize("frame", FRAMES)
def test_every_frame_s_references_are_found(frame: str) -> None:
    """A frame is looked into as a file is."""
    assert named_in(FRAMES[frame](V2)) == NAMED


def test_tweets_in_text_below_lists_are_named(tmp_path: Path) -> None:
    """As JSON in the elements of lists, in maps, in other tweets: whoever cleans such text has asked about it."""
    quoted = [{"id": str(id), "author_id": "9", "text": "…"} for id in range(50, 53)]
    table = {
        "id": ["100"],
        "raws": [["words", json.dumps(quoted[0])]],
        "more": pa.array([[("a", json.dumps(quoted[1]))]], pa.map_(pa.string(), pa.string())),
        "quoted_status": [{"id": "60", "text": "…", "raw": json.dumps(quoted[2])}],
    }
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    assert named_in(tmp_path) == {
        ("tweets", "embedded"): {50, 51, 52},
        ("tweets", "quoted"): {60},
        ("users", "embedded"): {9},
    }


def test_what_tweets_inside_of_rows_repeat_is_named(tmp_path: Path) -> None:
    """They go with it; what they quote or answer makes no difference to them."""
    named = [{"type": type, "id": str(id)} for id, type in enumerate(("retweeted", "quoted", "replied_to"), start=50)]
    held = {"id": "60", "text": "…", "referenced_tweets": named, "sourcetweet_id": "70", "sourcetweet_type": "quoted"}
    table = {
        "id": ["100"],
        "includes": [{"tweets": [held, {**held, "id": "61", "sourcetweet_type": "retweeted"}]}],
        "quoted_status": [{"id": "62", "text": "…", "retweeted_id": 71, "retweeted_user_id": 9}],
    }
    expected = {
        ("tweets", "embedded"): {50, 60, 61, 70, 71},
        ("tweets", "quoted"): {62},
        ("users", "embedded"): {9},
    }
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    assert named_in(tmp_path) == expected
    assert named_in(pl.DataFrame(table)) == expected


def test_what_is_read_once_or_is_no_table_of_tweets_names_nobody() -> None:
    """A stream is left whole for its own IDs; a list, a column, or a table of users has no references."""
    stream = V2.to_reader()
    assert named_in(stream) == {}
    assert stream.read_all().num_rows == 3
    for source in ([1, 2], V2["id"], pl.Series([1]), pa.table({"username": ["a"]}), "nowhere.csv"):
        assert named_in(source) == {}


def test_words_and_rounded_numbers_in_columns_of_others_stop_nothing() -> None:
    """Where no ID is, tools write words; what went through floating point is nobody's ID. The rest is asked."""
    table = pa.table(
        {
            "id": [100, 101, 102, 103],
            "in_reply_to_status_id": ["NA", "", "51", "x52"],
            "in_reply_to_user_id": [-1, 0, 7, None],
            "quoted_status_id": [1.2e18, None, None, None],
        }
    )
    assert named_in(table) == {("tweets", "replied_to"): {51, 52}, ("users", "replied_to"): {7}}


@pytest.mark.parametrize(
    "values",
    [
        pa.array([2**63, 2**64 - 1, 50, 0], pa.uint64()),
        pa.array([-1, 0, 50, None], pa.int64()).dictionary_encode(),
        pa.array([2**63, None, 50, 0], pa.uint64()).dictionary_encode(),
        pa.array([-1, 10**20, 50, 0], pa.decimal128(21, 0)),
        pa.array(["-1", "NA", "50", str(2**63)], pa.string()).dictionary_encode(),
        pa.array([None, "", "50", "9" * 19], pa.string_view()),
    ],
    ids=lambda each: str(each.type),
)
def test_numbers_that_are_no_id_stop_nothing(values: Any) -> None:
    """Whatever the column's type, what no ID can be is passed over and the rest is asked about."""
    table = pa.table({"id": [100, 101, 102, 103], "quoted_status_id": values})
    assert named_in(table) == {("tweets", "quoted"): {50}}


def test_tweets_in_text_are_named() -> None:
    """JSON in a column that by its name holds tweets names them and their authors; what is no object is passed over."""
    quoted = json.dumps({"id_str": "50", "user": {"id": 7}, "text": "…", "quoted_status": {"id": 2**70, "text": "…"}})
    table = pa.table({"id": [100, 101, 102], "quoted_status": [quoted, "hello", None]})
    assert named_in(table) == {("tweets", "quoted"): {50}, ("users", "quoted"): {7}}


def test_text_whose_name_says_nothing_is_found_by_its_values(tmp_path: Path) -> None:
    """In a dataset, as planning finds it: a sample of each file tells; what was told is not looked for again."""
    raw = json.dumps({"id": 100, "text": "…", "quoted_status": {"id": 50, "user": {"id": 7}, "text": "…"}})
    pq.write_table(pa.table({"id": [100, 101], "raw": [raw, None]}), tmp_path / "a.parquet")
    found = named_in(tmp_path / "a.parquet")
    assert (found["tweets", "quoted"], found["users", "quoted"]) == ({50}, {7})
    assert named_in(tmp_path / "a.parquet", Told(columns=cf.Columns("id", embedded=[]))) == {}


_HELD = st.fixed_dictionaries(
    {"id": st.integers(1, 99)},
    optional={
        "text": st.just("words"),
        "user": st.fixed_dictionaries({"id": st.integers(1, 9)}),
        "quoted_status": st.fixed_dictionaries({"id_str": st.integers(50, 60).map(str), "text": st.just("…")}),
        "referenced_tweets": st.lists(st.fixed_dictionaries({"type": st.just("quoted"), "id": st.just("70")})),
    },
).map(json.dumps)
_TEXT = st.one_of(_HELD, st.none(), st.sampled_from(["words", "", "[1]", '{"id": 7']))


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(_TEXT, _TEXT, _TEXT), min_size=1, max_size=4),
    st.sampled_from([0, 0, 255, 256]),
    st.sampled_from([pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string()), pa.binary()]),
)
def test_a_frame_is_asked_about_as_a_dataset_of_its_rows_is(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[Any, Any, Any]], before: int, kind: Any
) -> None:
    """Text of whatever type, also inside structs, is looked into whether its name says something or not."""
    whole = [(None, None, None)] * before + rows
    raw, inner, quoted = map(list, zip(*whole, strict=True))
    table = pa.table(
        {
            "id": pa.array(range(100, 100 + len(whole))),
            "raw": pa.array(raw, pa.string()).cast(kind),
            "meta": pa.array([{"payload": each, "n": 1} for each in inner]),
            "quoted_status": pa.array(quoted, pa.string()),
            "words": pa.array(["words"] * len(whole)),
        }
    )
    path = tmp_path_factory.mktemp("dataset") / "a.parquet"
    pq.write_table(table, path)
    expected = named_in(path)
    for name, frame_of in {**FRAMES, "scanned": lambda _: pl.scan_parquet(path)}.items():
        assert named_in(frame_of(table)) == expected, name


def test_what_one_file_shows_is_looked_for_in_those_before_it(tmp_path: Path) -> None:
    """Whose first rows say nothing; a plan erases there, too."""
    for name, id, before in (("a", 50, 300), ("b", 51, 0), ("c", 52, 300)):
        raw = [None] * before + [json.dumps({"id": id, "text": "…"})]
        pq.write_table(pa.table({"id": range(100, 101 + before), "raw": raw}), tmp_path / f"{name}.parquet")
    assert named_in(tmp_path) == {("tweets", "embedded"): {50, 51, 52}}


def test_mixed_objects_of_pandas_hide_no_tweet() -> None:
    """Where no one type can hold what stands in a column, the text in it is looked into all the same."""
    raw = json.dumps({"id": 100, "text": "…", "quoted_status": {"id": 50, "text": "…"}})
    frame = pd.DataFrame({"id": [100, 101, 102], "raw": pd.Series([raw, 7, {"a": 1}], dtype=object)})
    assert named_in(frame)["tweets", "quoted"] == {50}
    mixed = pd.DataFrame({"id": [100, 101, 102], "quoted_id": pd.Series([50, "51", True], dtype=object)})
    assert named_in(mixed) == {("tweets", "quoted"): {50, 51}}


def test_told_columns_are_looked_into() -> None:
    """Names that nobody would guess work when told; that there are none is believed."""
    table = pa.table({"no": [100], "of": [50], "quoted_id": [51]})
    assert named_in(table, Told(columns=cf.Columns("no", references=["of"])))["tweets", "retweeted"] == {50}
    assert named_in(table, Told(columns=cf.Columns("no", references=[]))) == {}
    with pytest.raises(cf.ComplianceFramesError, match="no column 'off'"):
        named_in(table, Told(columns=cf.Columns("no", author_id="off")))


def test_a_dataset_that_cannot_be_listed_can_be_asked_about_row_by_row(tmp_path: Path) -> None:
    """What no plan takes is told at once, with the way to ask all the same."""
    (tmp_path / "corpus").mkdir()
    pq.write_table(V2, tmp_path / "a.parquet")
    (tmp_path / "corpus" / "a.parquet").symlink_to(tmp_path / "a.parquet")
    with pytest.raises(cf.ComplianceFramesError, match=r"symbolic link.*references=False"):
        named_in(tmp_path / "corpus")


def test_more_ids_than_memory_holds_are_joined_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each kind, and all of them, are counted as sets would count them; nothing is left on the disk."""
    monkeypatch.setattr(intake, "_HELD_OF_A_KIND", 100)
    monkeypatch.setattr(intake, "_PIECE", 64)
    rng = np.random.default_rng(1)
    own = rng.integers(1, 4000, 2000)
    others = {kind: rng.integers(1, 8000, 1500) for kind in ("embedded", "quoted", "retweeted")}
    parts = [("tweets", kind, part) for kind, ids in others.items() for part in np.array_split(ids, 40)]
    mine = read_ids(own, spill=tmp_path, held=150)
    found = joined({"tweets": mine}, [*parts, ("users", "quoted", own)], spill=tmp_path)["tweets"]  # type: ignore[list-item]
    known = set(own.tolist())
    for kind, ids in others.items():
        assert found.kinds[kind].found == len(set(ids.tolist()))
        assert found.kinds[kind].more == len(set(ids.tolist()) - known)
        known |= set(ids.tolist())
    assert found.values.to_pylist() == sorted(known)
    assert found.own == len(mine) == len(set(own.tolist()))
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def service() -> Iterator[dict[str, Any]]:
    fates = Fates.from_table(pa.table({"id": [50, 7], "reason": ["deleted", "suspended"]}))
    with Emulator(processing=timedelta(0), fates=fates) as emulator:
        token, url = emulator.bearer_token, emulator.base_url
        yield {"bearer_token": token, "base_url": url, "poll": timedelta(milliseconds=20)}


def test_a_retweet_goes_though_its_original_lies_elsewhere(tmp_path: Path, service: dict[str, Any]) -> None:
    """The original is asked about, though no row is it; what became of it reaches the rows that repeat it."""
    (tmp_path / "corpus").mkdir()
    pq.write_table(V2, tmp_path / "corpus" / "a.parquet")
    told: list[cf.Submission] = []
    flagged = cf.check(tmp_path / "corpus", "both", ledger=tmp_path / "l", planned=told.append, **service)
    assert flagged.select(["type", "id"]).to_pylist() == [{"type": "tweets", "id": 50}, {"type": "users", "id": 7}]
    assert (told[0].ids, told[0].own) == ({"tweets": 5, "users": 4}, {"tweets": 3, "users": 3})
    assert told[0].referenced["tweets"] == {"quoted": 1, "replied_to": 1, "retweeted": 1}
    assert told[0].referenced_only["tweets"] == {"quoted": 0, "replied_to": 1, "retweeted": 1}
    plan = cf.plan(tmp_path / "corpus", ledger=tmp_path / "l")
    assert (plan.rows_unchecked, plan.rows_dropped) == (0, 1)
    assert cf.clean(plan, tmp_path / "clean").rows_dropped == 1
    assert pq.read_table(tmp_path / "clean" / "a.parquet")["id"].to_pylist() == ["101", "102"]
    assert cf.verify(tmp_path / "clean", ledger=tmp_path / "l", source=tmp_path / "corpus").verified


def test_rows_alone_are_asked_about_on_request(tmp_path: Path, service: dict[str, Any]) -> None:
    """``references=False`` asks what it asked before; no row is unchecked for want of an answer about another."""
    assert cf.check(V2, "tweets", ledger=tmp_path / "l", references=False, **service).num_rows == 0
    assert cf.Ledger.read(tmp_path / "l").asked("tweets").tolist() == [100, 101, 102]
    pq.write_table(V2, tmp_path / "a.parquet")
    assert cf.plan(tmp_path / "a.parquet", ledger=tmp_path / "l").rows_unchecked == 0
    submitted = cf.submit(V2, "tweets", ledger=tmp_path / "l", **service)
    assert (submitted.new["tweets"], submitted.answered["tweets"]) == (2, 3)


def test_text_of_a_frame_is_asked_about_as_that_of_its_dataset(tmp_path: Path, service: dict[str, Any]) -> None:
    """Tweets that lie as JSON in a column of any name: the ledgers remember the same IDs."""
    raw = json.dumps({"id": 100, "text": "…", "quoted_status": {"id": 50, "user": {"id": 7}, "text": "…"}})
    table = pa.table({"id": [100, 101], "author_id": [1, 2], "raw": [raw, None]})
    pq.write_table(table, tmp_path / "a.parquet")
    asked = []
    for name, source in (("file", tmp_path / "a.parquet"), ("frame", pl.from_arrow(table))):
        cf.check(source, "both", ledger=tmp_path / name, **service)
        book = cf.Ledger.read(tmp_path / name)
        asked.append((book.asked("tweets").tolist(), book.asked("users").tolist()))
    assert asked == [([50, 100, 101], [1, 2, 7])] * 2
