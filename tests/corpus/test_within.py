"""Tweets that lie below lists and maps, and inside of each other, are taken out, and nothing else is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import compliance_frames as cf
from compliance_frames.corpus.columns import Columns, find_columns
from compliance_frames.corpus.erase import Erasures, erase
from compliance_frames.errors import PlanError, VerificationError

Flag = Callable[..., pa.Table]
Write = Callable[..., Path]

OWN, GONE, STAYS, BARE = 1300000000000000001, 1212161512043446272, 1212161512043446273, 1212161512043446999


def tweet(id: int = STAYS, **more: Any) -> dict[str, Any]:
    return {"id": str(id), "text": f"words of {id % 1000}", "geo": "Oslo", **more}


#: A column, what lies in it in one row, and what is left of that.
DEEP: dict[str, tuple[str, Any, Any]] = {
    "in elements": (
        "items",
        [{"at": 1, "tweet": tweet(GONE)}, {"at": 2, "tweet": tweet()}],
        [{"at": 1, "tweet": None}, {"at": 2, "tweet": tweet()}],
    ),
    "in an element that stays": (
        "includes",
        {"tweets": [tweet(quoted_status=tweet(GONE)), tweet(quoted_status=tweet())]},
        {"tweets": [tweet(quoted_status=None), tweet(quoted_status=tweet())]},
    ),
    "in a tweet that stays": (
        "quoted_status",
        tweet(retweeted_status=tweet(quoted_status=tweet(GONE))),
        tweet(retweeted_status=tweet(quoted_status=None)),
    ),
    "an element within elements": (
        "threads",
        [{"tweets": [tweet(), tweet(GONE)]}, {"tweets": [tweet(GONE)]}, {"tweets": None}],
        [{"tweets": [tweet()]}, {"tweets": []}, {"tweets": None}],
    ),
    "a list of lists": ("pages", [[tweet(GONE)], [tweet(), tweet(GONE)]], [[], [tweet()]]),
    "with its place": ("items", [{"tweet": tweet(BARE)}], [{"tweet": tweet(BARE) | {"geo": None}}]),
}


@pytest.mark.parametrize("case", DEEP)
def test_a_tweet_at_any_depth_is_taken_out_and_proven_gone(write: Write, flag: Flag, case: str) -> None:
    """The innermost tweet that goes is nulled, or leaves its list; who stays around it keeps all else."""
    column, before, after = DEEP[case]
    root = write({"a.parquet": pa.table({"id": [OWN, OWN + 1], column: pa.array([before, None])})})
    results = flag("deleted", [GONE]), flag("scrub_geo", [BARE])
    report = cf.clean(cf.plan(root, *results), root.with_name("clean"))
    assert pq.ParquetFile(report.destination / "a.parquet").read()[column].to_pylist() == [after, None]
    assert cf.verify(report.destination, *results, source=root).verified
    uncleaned = cf.clean(cf.plan(root, flag("deleted", [5])), root.with_name("uncleaned"))
    with pytest.raises(
        VerificationError, match=r"1 row (that holds a tweet that had to go|whose place had to go)|2 rows"
    ):
        cf.verify(uncleaned.destination, *results)


def test_a_tweet_in_a_map_is_taken_out(write: Write, flag: Flag) -> None:
    """Of a map the values are looked into; its keys stay."""
    kind = pa.map_(pa.string(), pa.struct([("id", pa.string()), ("text", pa.string())]))
    held = [[("a", {"id": str(GONE), "text": "x"}), ("b", {"id": "5", "text": "y"})], None, []]
    root = write({"a.parquet": pa.table({"id": [OWN, OWN + 1, OWN + 2], "by_name": pa.array(held, kind)})})
    report = cf.clean(cf.plan(root, flag("deleted", [GONE])), root.with_name("clean"))
    left = pq.ParquetFile(report.destination / "a.parquet").read()["by_name"].to_pylist()
    assert left == [[("a", None), ("b", {"id": "5", "text": "y"})], None, []]
    assert cf.verify(report.destination, flag("deleted", [GONE]), source=root).verified


def test_what_lies_below_a_null_is_not_looked_at(flag: Flag) -> None:
    """Arrow fills it with empty texts, which are no IDs."""
    inner = [None, {"id": "5", "text": "…", "held": {"quoted_status": {"id": str(GONE), "text": "…"}}}]
    frame = pa.table({"id": [OWN, OWN + 1], "thread": pa.array(inner)})
    assert frame["thread"].chunk(0).field(2).field(0).field(0).to_pylist() == ["", str(GONE)]
    left = cf.apply(frame, flag("deleted", [GONE]))["thread"].to_pylist()
    assert left == [None, {"id": "5", "text": "…", "held": {"quoted_status": None}}]


#: Two texts, the first of which goes: the path to them, how they are stored, and what is left of that.
BELOW: dict[str, Any] = {
    "items": (lambda gone, stays: [gone, stays], lambda stays: [stays]),
    "items.raw": (lambda *texts: [{"raw": each} for each in texts], lambda stays: [{"raw": None}, {"raw": stays}]),
    "items.value": (
        lambda gone, stays: pa.scalar([("a", gone), ("b", stays)], pa.map_(pa.string(), pa.string())),
        lambda stays: [("a", None), ("b", stays)],
    ),
}


@pytest.mark.parametrize("path", BELOW)
def test_text_in_lists_is_looked_into(write: Write, flag: Flag, path: str) -> None:
    """By its values, or where it is told: what goes is nulled, or leaves its list; what stands beside it stays."""
    gone, stays = json.dumps(tweet(GONE)), json.dumps(tweet())
    stored, left = BELOW[path]
    root = write({"a.parquet": pa.table({"id": [OWN, OWN + 1], "items": pa.array([stored(gone, stays), None])})})
    results = flag("deleted", [GONE])
    for name, told in (("found", None), ("told", Columns("id", embedded=[path]))):
        report = cf.clean(cf.plan(root, results, columns=told), root.with_name(name))
        items = pq.ParquetFile(report.destination / "a.parquet").read()["items"].to_pylist()
        assert items == [left(stays), None]
        assert cf.verify(report.destination, results, source=root).verified
    report = cf.clean(cf.plan(root, results, columns=Columns("id", embedded=[])), root.with_name("left"))
    with pytest.raises(VerificationError, match=rf"JSON in column '{path}'.*embedded=\['{path}', …\]"):
        cf.verify(report.destination, results)


def test_a_large_file_is_spliced_around_them(write: Write, flag: Flag) -> None:
    """Where most of a file stays, the columns below lists are made anew, and others are copied."""
    rows = 3000
    noise = np.random.default_rng(1).bytes(rows * 400).hex()
    held = [{"at": at, "tweet": tweet(GONE if at == 7 else STAYS)} for at in range(rows)]
    table = pa.table(
        {
            "id": range(OWN, OWN + rows),
            "text": [noise[at * 800 : at * 800 + 800] for at in range(rows)],
            "items": pa.array([[each] for each in held]),
        }
    )
    root = write({"a.parquet": table})
    made = cf.plan(root, flag("deleted", [GONE]))
    assert (made.files[0].decision, made.cells_nulled) == ("splice", 1)
    report = cf.clean(made, root.with_name("clean"))
    assert cf.verify(report.destination, flag("deleted", [GONE]), source=root).verified
    held[7]["tweet"] = None
    expected = table.set_column(2, "items", pa.array([[each] for each in held]))
    assert pq.ParquetFile(report.destination / "a.parquet").read().equals(expected)


def test_what_cannot_be_taken_out_is_refused_with_its_path() -> None:
    """A field that must not be null, and lists of a fixed size, stop the plan by name."""
    inner = pa.struct([("id", pa.int64()), ("text", pa.string())])
    never = pa.list_(pa.struct([pa.field("tweet", inner, nullable=False)]))
    fixed = pa.list_(pa.struct([("tweet", inner)]), 1)
    for kind, said in (
        (never, r"'items.tweet' is declared as never null"),
        (fixed, r"'items.tweet' has lists of a fixed"),
    ):
        table = pa.table({"id": [1], "items": pa.array([[{"tweet": {"id": 7, "text": "x"}}]], kind)})
        with pytest.raises(PlanError, match=said):
            erase(table, find_columns(table.schema), Erasures(drop_tweets=np.array([7])))


def test_a_path_that_leads_nowhere_is_refused(write: Write, flag: Flag) -> None:
    """A told path is looked up below lists, and must be there."""
    root = write({"a.parquet": pa.table({"id": [OWN], "items": [[{"tweet": tweet()}]]})})
    with pytest.raises(PlanError, match=r"'items.nobody' \(told by embedded\)"):
        cf.plan(root, flag("deleted", [GONE]), columns=Columns("id", embedded=["items.nobody"]))


IDS = st.sampled_from([1, 2, 3])
INNER = st.none() | st.fixed_dictionaries({"id": IDS, "text": st.sampled_from(["a", "b"])})
MIDDLE = st.none() | st.fixed_dictionaries(
    {"id": IDS, "text": st.just("m"), "replies": st.none() | st.lists(INNER, max_size=3)}
)
HELD = st.none() | st.lists(st.none() | st.fixed_dictionaries({"at": IDS, "tweet": MIDDLE}), max_size=3)
KIND = pa.struct([("id", pa.int64()), ("text", pa.string())])


def cleaned(value: Any) -> Any:
    """What is left of a value where tweet 2 goes, by a loop."""
    if isinstance(value, list):
        gone = [isinstance(each, dict) and each.get("id") == 2 for each in value]
        return [cleaned(each) for each, goes in zip(value, gone, strict=True) if not goes]
    if isinstance(value, dict):
        return None if value.get("id") == 2 else {key: cleaned(each) for key, each in value.items()}
    return value


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(HELD, max_size=5), many=st.sampled_from([pa.list_, pa.large_list, pa.list_view]), cut=st.booleans()
)
def test_a_plain_loop_takes_out_the_same(rows: list[Any], many: Any, cut: bool) -> None:
    """Nulls anywhere, lists of any layout, slices: what is left is what a loop over dictionaries leaves."""
    middle = pa.struct([("id", pa.int64()), ("text", pa.string()), ("replies", many(KIND))])
    kind = many(pa.struct([("at", pa.int64()), ("tweet", middle)]))
    table = pa.table({"id": pa.array(range(10, 10 + len(rows)), pa.int64()), "items": pa.array(rows, kind)})
    table = table.slice(1) if cut else table
    made, counts = erase(table, find_columns(table.schema), Erasures(drop_tweets=np.array([2])))
    assert made["items"].to_pylist() == cleaned(table["items"].to_pylist())
    assert made.schema == table.schema
    made.validate(full=True)
    assert bool(counts.cells_nulled) == (made["items"].to_pylist() != table["items"].to_pylist())
