"""What is found in a corpus can be looked at, told otherwise, and is an error where nobody could know."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import compliance_frames as cf
from compliance_frames.cli.asking import Question, question_of
from compliance_frames.errors import IdError, PlanError, VerificationError
from compliance_frames.ids.sources import author_column_of
from compliance_frames.schemas import RESULTS
from tests.corpora.ecosystems import ECOSYSTEMS, Ecosystem
from tests.corpora.flat import hashed
from tests.corpora.tweets import made

TWEETS = made(60, seed=3)
NAMES = {
    "v1.1 flattened": "X API v1.1",
    "v2": "X API v2",
    "v2 wrapped and flattened": "X API v2",
    "twarc2 flatten": "X API v2",
    "v1.1": "X API v1.1",
    "Gnip": "Gnip activities",
}
NAMES |= {"twarc 1 csv": "twarc 1 CSV"}


def flagged(ids: list[int], *, type: str = "tweets", reason: str = "deleted") -> pa.Table:
    """Results about some IDs."""
    row = {
        "type": type,
        "action": "delete",
        "reason": reason,
        "job_id": 1,
        "checked_at": datetime(2024, 5, 1, tzinfo=UTC),
    }
    return pa.Table.from_pylist([{**row, "id": id} for id in ids], schema=RESULTS)


@pytest.fixture
def corpus(tmp_path: Path) -> Callable[..., Path]:
    """``corpus(a=table, b=table)``: a dataset of these files."""

    def make(**files: Any) -> Path:
        folder = tmp_path / "corpus"
        folder.mkdir(exist_ok=True)
        for name, table in files.items():
            pq.write_table(pa.table(table), folder / f"{name}.parquet")
        return folder

    return make


def rows(folder: Path, name: str = "a") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.ParquetFile(folder / f"{name}.parquet").read().to_pylist()
    return found


@pytest.mark.parametrize("ecosystem", ECOSYSTEMS, ids=lambda each: each.name)
def test_each_ecosystem_is_known_by_its_columns(tmp_path: Path, ecosystem: Ecosystem) -> None:
    """The tool is named, its tweet IDs are certain, and its places are those that it writes."""
    raw = ecosystem.write_raw(tmp_path / f"raw.{ecosystem.form}", TWEETS)
    found = cf.columns(ecosystem.write_parquet(raw, tmp_path / "a.parquet"))
    (layout,) = found.layouts
    assert layout.ecosystem == NAMES.get(ecosystem.name, ecosystem.name)
    assert {each.sure for each in layout.findings if each.role == "id"} == {"certain"}
    assert set(found.columns.geo or ()) == {
        name for name in pq.read_schema(tmp_path / "a.parquet").names if ecosystem.says_where(name)
    }
    assert (found.columns.author_id is not None) is ecosystem.knows_authors


def test_what_was_found_shows_itself_and_is_a_table(corpus: Callable[..., Path]) -> None:
    """Text on a terminal, escaped HTML in a notebook, Arrow for anybody else; files that differ are told apart."""
    folder = corpus(
        a={"tweet_id": ["1"], "author_id_hash": ["ab"], "place<b>": ["x"]},
        b={"tweet_id": ["1"], "author_id": ["2"], "location": ["home"]},
    )
    found = cf.columns(folder)
    assert "author_id_hash" in str(found)
    assert "service knows original IDs only" in repr(found)
    assert "<b>" not in found._repr_html_().replace("<p><b>", "")
    told = {(row["column"], row["sure"]) for row in found.to_arrow().to_pylist()}
    assert {("tweet_id", "certain"), ("author_id_hash", "not used"), ("location", "not used")} <= told
    with pytest.raises(PlanError, match="different columns"):
        _ = found.columns


def test_a_frame_can_be_looked_at_too() -> None:
    """Columns of a frame in memory are found by the same names."""
    frame = pl.DataFrame({"Tweet ID": [1], "userId": [2], "Latitude": [1.0]})
    assert cf.columns(frame).columns == cf.Columns("Tweet ID", "userId", geo=("Latitude",))
    assert cf.columns(frame.to_pandas()).columns.id == "Tweet ID"


def test_columns_that_were_told_are_taken_and_the_others_found(corpus: Callable[..., Path], tmp_path: Path) -> None:
    """Names that nobody would guess, a nested path among them; what is not told is found as ever."""
    told = cf.Columns(id="no", author_id="who", geo=["geo.at"], references=["again"])  # type: ignore[arg-type]
    geo = [{"at": "here", "id": "p"}] * 4
    folder = corpus(
        a={"no": [1, 2, 3, 4], "who": [9, 9, 9, 8], "again": [None, 1, 4, None], "geo": geo, "lang": ["en"] * 4}
    )
    made = cf.plan(folder, flagged([1]), flagged([3], reason="scrub_geo"), columns=told)
    assert made.files[0].columns == cf.Columns("no", "who", geo=("geo.at",), references=("again",))
    cf.clean(made, tmp_path / "clean")
    assert [(row["no"], row["geo"]) for row in rows(tmp_path / "clean")] == [(3, {"at": None, "id": "p"}), (4, geo[0])]


def test_told_columns_and_the_shorter_arguments_exclude_each_other(corpus: Callable[..., Path]) -> None:
    """The same cannot be said twice."""
    folder = corpus(a={"id": [1]})
    with pytest.raises(PlanError, match="leave out id_column="):
        cf.plan(folder, flagged([1]), columns=cf.Columns("id"), id_column="id")
    with pytest.raises(PlanError, match=r"columns= takes cf\.Columns"):
        cf.plan(folder, flagged([1]), columns="id")  # type: ignore[arg-type]
    with pytest.raises(PlanError, match=r"references=\['x'\]"):
        cf.Columns("id", references="x")  # type: ignore[arg-type]
    with pytest.raises(PlanError, match=r"no file has the column 'x' \(told by references"):
        cf.plan(folder, flagged([1]), columns=cf.Columns("id", references=("x",)))


def test_two_columns_that_could_be_the_tweets_are_an_error(corpus: Callable[..., Path]) -> None:
    """``id`` beside ``tweet_id`` may be a row number: both are named, and so is the way out."""
    folder = corpus(a={"id": [1, 2], "tweet_id": ["20", "21"]})
    for asked in (lambda: cf.columns(folder), lambda: cf.plan(folder, flagged([20]))):
        with pytest.raises(PlanError, match=r"'id' and 'tweet_id'.*id_column='tweet_id'"):
            asked()
    with pytest.raises(IdError, match=r"'id' and 'tweet_id'.*id_column='tweet_id'"):
        cf.check(pl.read_parquet(folder / "a.parquet"), ledger=folder.parent / "ledger", bearer_token="x")
    assert cf.plan(folder, flagged([20]), id_column="tweet_id").rows_dropped == 1


def test_authors_that_are_floats_are_said_to_be_so(corpus: Callable[..., Path]) -> None:
    """Where users were flagged, "there is no such column" would be wrong: there is one, and its digits are lost."""
    folder = corpus(a={"id": ["1", "2"], "author_id": [1.0, 2.0]})
    told = {(found.column, found.sure) for found in cf.columns(folder).layouts[0].findings}
    assert ("author_id", "not used") in told
    with pytest.raises(
        PlanError, match=r"users were flagged, and column 'author_id' holds floating-point numbers.*as strings"
    ):
        cf.plan(folder, flagged([7], type="users", reason="suspended"))
    assert cf.plan(folder, flagged([1])).rows_dropped == 1


def test_hashed_authors_are_said_to_be_no_use(corpus: Callable[..., Path]) -> None:
    """Tweets are asked and erased as ever; users cannot be, and the sentence says why."""
    folder = corpus(a={"id": ["1", "2"], "author_id": [hashed(1), hashed(2)]})
    assert cf.plan(folder, flagged([1])).rows_dropped == 1
    assert question_of(folder, None, None, None) == Question("tweets", "id")
    for asked in (
        lambda: cf.plan(folder, flagged([7], type="users", reason="suspended")),
        lambda: question_of(folder, "users", None, None),
    ):
        with pytest.raises(PlanError, match="column 'author_id' holds hashes of author IDs"):
            asked()


def test_rounded_ids_of_retweeted_tweets_are_an_error(corpus: Callable[..., Path]) -> None:
    """pandas makes floats of IDs where some are missing: retweets of what goes would stay. All missing is no harm."""
    lost = pd.DataFrame({"id": [1, 2], "retweeted_id": [None, 1212161512043446272]})
    folder = corpus(a=pa.Table.from_pandas(lost))
    with pytest.raises(PlanError, match=r"a\.parquet: column 'retweeted_id' holds floating-point.*references=\[\]"):
        cf.plan(folder, flagged([1]))
    assert cf.plan(folder, flagged([1], reason="scrub_geo"), geo=[]).rows_dropped == 0
    assert cf.plan(folder, flagged([1]), columns=cf.Columns("id", references=())).rows_dropped == 1
    none = pd.DataFrame({"id": [1, 2], "retweeted_id": pd.Series([None, None], dtype=float)})
    assert cf.plan(corpus(a=pa.Table.from_pandas(none)), flagged([1])).rows_dropped == 1


def test_ids_may_be_of_different_types_in_different_files(corpus: Callable[..., Path], tmp_path: Path) -> None:
    """Numbers in one file and text in another are the same IDs; floats are refused by the name of their file."""
    folder = corpus(a={"id": [1, 2]}, b={"id": ["1", "3"]}, c={"id": ["tag:search.twitter.com,2005:1", None]})
    results = flagged([1])
    cf.clean(cf.plan(folder, results), tmp_path / "clean")
    assert [rows(tmp_path / "clean", name) for name in "abc"] == [[{"id": 2}], [{"id": "3"}], [{"id": None}]]
    assert cf.verify(tmp_path / "clean", results, source=folder).verified
    with pytest.raises(IdError, match=r"d\.parquet: .*floating-point.*as strings"):
        cf.plan(corpus(d={"id": [1.0]}), results)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("1.23457E+18", "rounded number: a spreadsheet.*import this column as text"),
        (hashed(7), "is a hash, not an ID.*originals only"),
        ("3f2504e0-4f89-11d3-9a0c-0305e82c3301", "is a hash"),
    ],
)
def test_ids_that_are_none_are_named_with_file_and_row(corpus: Callable[..., Path], value: str, said: str) -> None:
    """What a spreadsheet or a hash function left cannot be cleaned: file, column, row, value and the way out."""
    with pytest.raises(IdError, match=rf"a\.parquet: Column 'id', row 1: .*{said}") as error:
        cf.plan(corpus(a={"id": ["20", value]}), flagged([20]))
    assert (error.value.column, error.value.row) == ("id", 1)


def test_columns_computed_from_places_go_with_them(corpus: Callable[..., Path], tmp_path: Path) -> None:
    """A cell of a grid says where as the place itself does; ``geo=`` settles what is one."""
    table = {"id": [1], "lat": [59.9], "geohash": ["u4x"], "h3_8": ["88"], "country": ["NO"], "user_country": ["SE"]}
    folder = corpus(a=table)
    results = flagged([1], reason="scrub_geo")
    cf.clean(cf.plan(folder, results), tmp_path / "clean")
    gone = dict.fromkeys(("lat", "geohash", "h3_8", "country"))
    assert rows(tmp_path / "clean") == [{"id": 1, **gone, "user_country": "SE"}]
    assert cf.verify(tmp_path / "clean", results).verified
    cf.clean(cf.plan(folder, results, geo=["lat"]), tmp_path / "told")
    assert rows(tmp_path / "told") == [{name: cell for name, (cell,) in table.items()} | {"lat": None}]
    assert cf.verify(tmp_path / "told", results).verified


@pytest.mark.parametrize(
    ("id", "author"),
    [
        ("retweet_status_id", "retweet_user_id"),
        ("referenced_tweets.retweeted.id", "retweeted_user_id"),
        ("retweeted_id", "retweeted_user_id"),
        ("retweet_tweetid", "retweet_userid"),
        ("retweeted_status.id_str", "retweeted_status.user.id_str"),
    ],
)
def test_a_retweet_goes_with_its_author_whom_only_another_column_names(
    corpus: Callable[..., Path], tmp_path: Path, id: str, author: str
) -> None:
    """The original is in no file: its author beside its ID is enough, for cleaning and, by itself, for the proof."""
    folder = corpus(a={"id": ["5", "6"], "user_id": ["50", "60"], id: ["1", None], author: ["10", None]})
    users = flagged([10], type="users", reason="suspended")
    cf.clean(cf.plan(folder, flagged([9])), tmp_path / "clean")
    with pytest.raises(VerificationError, match=re.escape(author)):
        cf.verify(tmp_path / "clean", users)
    cf.clean(cf.plan(folder, users), tmp_path / "again")
    assert [row["id"] for row in rows(tmp_path / "again")] == ["6"]
    assert cf.verify(tmp_path / "again", users).verified


@pytest.mark.parametrize(("kind", "left"), [("retweeted", []), ("quoted", [{"sourcetweet_text": None}])])
def test_a_flat_source_tweet_is_repeated_or_quoted_as_another_column_says(
    corpus: Callable[..., Path], tmp_path: Path, kind: str, left: list[dict[str, Any]]
) -> None:
    """A retweet goes, a quote keeps its row; and the proof notices either where it stayed."""
    table = {"tweet_id": ["5"], "sourcetweet_type": [kind], "sourcetweet_id": ["1"], "sourcetweet_text": ["said"]}
    folder = corpus(a=table)
    cf.clean(cf.plan(folder, flagged([9])), tmp_path / "stayed")
    with pytest.raises(VerificationError, match="sourcetweet_id"):
        cf.verify(tmp_path / "stayed", flagged([1]))
    report = cf.clean(cf.plan(folder, flagged([1])), tmp_path / "clean")
    assert [{"sourcetweet_text": row["sourcetweet_text"]} for row in rows(tmp_path / "clean")] == left
    assert report.rows_dropped == (kind == "retweeted")
    assert cf.verify(tmp_path / "clean", flagged([1])).verified


@pytest.mark.parametrize("begins", ["quoted_status_", "quoted_tweet_"])
def test_what_a_flat_quote_says_goes_by_whatever_its_columns_begin_with(
    corpus: Callable[..., Path], tmp_path: Path, begins: str
) -> None:
    """Words and places of a quoted tweet are nulled, its bare ID stays; and the proof notices where they stayed."""
    table = {
        "id": ["5", "6"],
        f"{begins}id": ["1", "2"],
        f"{begins}text": ["said", "kept"],
        f"{begins}place": ["x", "y"],
    }
    folder = corpus(a=table)
    cf.clean(cf.plan(folder, flagged([9])), tmp_path / "stayed")
    with pytest.raises(VerificationError, match=f"{begins}id"):
        cf.verify(tmp_path / "stayed", flagged([1]))
    cf.clean(cf.plan(folder, flagged([1])), tmp_path / "clean")
    gone = {f"{begins}text": None, f"{begins}place": None}
    first, second = pq.read_table(folder / "a.parquet").to_pylist()
    assert pq.ParquetFile(tmp_path / "clean" / "a.parquet").read().to_pylist() == [first | gone, second]
    assert cf.verify(tmp_path / "clean", flagged([1])).verified


def test_nothing_is_left_to_erase_in_what_was_cleaned(corpus: Callable[..., Path], tmp_path: Path) -> None:
    """A quote's bare ID stays, and is no reason to write the file again next week."""
    folder = corpus(a={"id": ["5"], "quoted_status_id": ["1"], "quoted_text": ["said"], "quoted_favorite_count": [3]})
    cf.clean(cf.plan(folder, flagged([1])), tmp_path / "clean")
    assert cf.plan(folder, flagged([1])).cells_nulled == 2
    assert [file.decision for file in cf.plan(tmp_path / "clean", flagged([1])).files] == ["copy"]


def test_words_in_the_place_of_ids_are_none(corpus: Callable[..., Path]) -> None:
    """Where most rows have no ID of another tweet, some tools write a word."""
    folder = corpus(a={"id": ["5", "6", "7", "8"], "retweeted_id": ["absent", "", "NA", "1"]})
    assert cf.plan(folder, flagged([1])).rows_dropped == 1


def test_statistics_of_prefixed_ids_rule_files_out(corpus: Callable[..., Path]) -> None:
    """A file of Gnip's IDs is not read where their bounds say enough."""
    before = "tag:search.twitter.com,2005:"
    folder = corpus(a={"id": [f"{before}{id}" for id in (200, 300)]}, b={"id": [f"{before}{id}" for id in (20, 400)]})
    made = cf.plan(folder, flagged([400]))
    assert [(file.rows_dropped, file.why) for file in made.files] == [
        (0, "its statistics rule out every flagged ID"),
        (1, "1 row dropped"),
    ]


@pytest.mark.parametrize("make", [pa.table, pl.DataFrame, pl.LazyFrame, pd.DataFrame], ids=lambda make: make.__name__)
def test_authors_of_a_source_of_tweets_are_found_by_their_name(make: Callable[..., Any]) -> None:
    """Asked about users, a table of tweets is read by its authors: ``id`` is a tweet's."""
    assert author_column_of(make({"id": ["1"], "author_id": ["2"]})) == "author_id"
    assert author_column_of(make({"id": ["1"], "text": ["x"]})) is None


@pytest.mark.parametrize("name", ["h3_r7", "lat_long", "latlng", "latitude_longitude", "tweet_place", "tweet.geo.type"])
def test_what_people_call_a_place_goes_beside_the_tool_s_own(
    corpus: Callable[..., Path], tmp_path: Path, name: str
) -> None:
    """A column of places that is found hides none that is not."""
    folder = corpus(a={"id": [1, 2], "place": ["Oslo", "Rome"], name: ["x", "y"]})
    cf.clean(cf.plan(folder, flagged([1], reason="scrub_geo")), tmp_path / "clean")
    bare = [{"id": 1, "place": None, name: None}, {"id": 2, "place": "Rome", name: "y"}]
    assert pq.ParquetFile(tmp_path / "clean" / "a.parquet").read().to_pylist() == bare


def test_a_frame_is_cleaned_by_the_same_names() -> None:
    """Frames in memory know the columns of every ecosystem as well."""
    frame = pd.DataFrame({"tweetid": ["1", "2", "3"], "retweet_tweetid": [None, "1", None], "x": [1, 2, 3]})
    assert cf.apply(frame, flagged([1]))["tweetid"].tolist() == ["3"]
    told = cf.Columns("x", references=())
    assert cf.apply(frame, flagged([1]), columns=told)["tweetid"].tolist() == ["2", "3"]
