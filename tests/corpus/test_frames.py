"""Results in memory: the same kind of frame comes back, with each row's result, or without what was flagged."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from compliance_frames.corpus.columns import Columns
from compliance_frames.corpus.frames import apply, match
from compliance_frames.corpus.policy import Policy
from compliance_frames.errors import IdError, PlanError, PolicyError

Flag = Callable[..., pa.Table]

TABLE = pa.table(
    {
        "id": ["3", "1", "2", "3"],
        "author_id": [30, 10, 20, 30],
        "text": ["c", "a", "b", "c"],
        "geo": [
            {"place_id": "x", "at": [1.0, 2.0]},
            {"place_id": "y", "at": None},
            None,
            {"place_id": "z", "at": None},
        ],
    }
)
SCRUBBED = [{"place_id": "x", "at": [1.0, 2.0]}, None, {"place_id": "z", "at": None}]

KINDS: dict[str, Callable[[pa.Table], Any]] = {
    "pyarrow": lambda table: table,
    "polars": pl.from_arrow,
    "lazy": lambda table: pl.from_arrow(table).lazy(),
    "pandas": lambda table: table.to_pandas(),
    "pandas of arrow": lambda table: table.to_pandas(types_mapper=pd.ArrowDtype),
}


def rows(frame: Any) -> list[dict[str, Any]]:
    """A frame's rows as Python values, whatever library it belongs to."""
    if isinstance(frame, pl.LazyFrame):
        frame = frame.collect()
    table = pa.Table.from_pandas(frame, preserve_index=False) if isinstance(frame, pd.DataFrame) else pa.table(frame)
    return table.to_pylist()


@pytest.mark.parametrize("kind", KINDS)
def test_match_gives_each_row_its_result(flag: Flag, kind: str) -> None:
    """A left join: rows keep their number and order, unflagged ones get nulls, the frame stays what it was."""
    frame = KINDS[kind](TABLE)
    made = match(frame, flag("deleted", [3, 99]), flag("scrub_geo", [1]))
    assert type(made) is type(frame)
    found = rows(made)
    assert [row["id"] for row in found] == ["3", "1", "2", "3"]
    assert [row["compliance_reason"] for row in found] == ["deleted", "scrub_geo", None, "deleted"]
    assert [row["compliance_type"] for row in found] == ["tweets", "tweets", None, "tweets"]
    assert [row["compliance_action"] for row in found] == ["delete", "delete", None, "delete"]
    assert "compliance_redacted_at" in found[0]


@pytest.mark.parametrize("kind", KINDS)
def test_apply_drops_rows_and_nulls_places(flag: Flag, kind: str) -> None:
    """The in-memory clean: same kind of frame, same order, nothing else changed."""
    frame = KINDS[kind](TABLE)
    made = apply(frame, flag("scrub_geo", [1]), flag("suspended", [20], "users"))
    assert type(made) is type(frame)
    found = rows(made)
    assert [row["id"] for row in found] == ["3", "1", "3"]
    assert [row["text"] for row in found] == ["c", "a", "c"]
    assert [row["geo"] for row in found] == SCRUBBED


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("verb", [match, apply])
def test_the_frame_given_is_not_changed(flag: Flag, kind: str, verb: Callable[..., Any]) -> None:
    """The caller's frame holds after the call what it held before."""
    frame = KINDS[kind](TABLE)
    before = rows(frame)
    verb(frame, flag("deleted", [3]), flag("scrub_geo", [1]))
    assert rows(frame) == before


def test_the_strictest_of_two_results_is_shown(flag: Flag) -> None:
    """A row's tweet and its author can both be flagged: what asks for more is shown, the tweet's own first."""
    table = pa.table({"id": [1, 2, 3, 4], "author_id": [10, 20, 30, 40]})
    made = match(
        table,
        flag("scrub_geo", [1, 2, 4]),
        flag("deleted", [2, 3]),
        flag("protected", [10, 30], "users"),
        flag("scrub_geo", [20, 40], "users"),
    )
    assert made.column("compliance_reason").to_pylist() == ["protected", "deleted", "deleted", "scrub_geo"]
    assert made.column("compliance_type").to_pylist() == ["users", "tweets", "tweets", "tweets"]


def test_match_twice_shows_the_second_answer(flag: Flag) -> None:
    """A cell run again replaces its columns; it neither fails nor piles them up."""
    for kind in ("pyarrow", "polars", "pandas"):
        once = match(KINDS[kind](TABLE), flag("deleted", [3]))
        twice = match(once, flag("bounced", [3]))
        assert list(rows(once)[0]) == list(rows(twice)[0])
        assert rows(twice)[0]["compliance_reason"] == "bounced"


def test_match_without_hits_or_rows_still_has_the_columns(flag: Flag) -> None:
    """The shape of the answer does not depend on what the service said."""
    nobody = flag("deleted", [])
    assert match(TABLE, nobody).column("compliance_reason").null_count == 4
    assert match(TABLE).schema == match(TABLE.slice(0, 0), flag("deleted", [3])).schema


def test_times_come_along(flag: Flag) -> None:
    """When the service redacted a tweet stands beside its row."""
    when = datetime(2023, 4, 5, tzinfo=UTC)
    results = flag("deleted", [1])
    results = results.set_column(5, results.schema.field(5), pa.array([when], results.schema.field(5).type))
    assert match(TABLE, results).column("compliance_redacted_at").to_pylist() == [None, when, None, None]


def test_pandas_keeps_its_index_and_types(flag: Flag) -> None:
    """Labels, even repeated ones, and the types of untouched columns stay as they were."""
    frame = pd.DataFrame(
        {
            "id": [1, 2, 3],
            "n": np.array([1, 2, 3], dtype="uint8"),
            "when": pd.to_datetime(["2024-01-01"] * 3, utc=True),
            "maybe": pd.array([1, None, 3], dtype="Int64"),
            0: ["x", "y", "z"],
            "mixed": [{"a": 1}, "text", 3],
        },
        index=pd.Index(["p", "q", "p"], name="label"),
    )
    made = apply(frame, flag("deleted", [2]))
    pd.testing.assert_frame_equal(made, frame[np.array([True, False, True])])
    matched = match(frame, flag("deleted", [3]))
    pd.testing.assert_frame_equal(matched[list(frame.columns)], frame)
    assert matched["compliance_reason"].isna().tolist() == [True, True, False]


def test_pandas_columns_of_one_name_come_through(flag: Flag) -> None:
    """Columns whose name stands twice belong to nobody's IDs, and stay as they are, categories among them."""
    words = pd.Series(["secret", "open"], dtype="category")
    frame = pd.concat([pd.Series([1, 2], name="id"), words.rename("x"), words.rename("x")], axis=1)
    made = apply(frame, flag("deleted", [1]))
    assert made.columns.tolist() == ["id", "x", "x"]
    assert made.iloc[0].tolist() == [2, "open", "open"]
    assert [list(made.iloc[:, at].cat.categories) for at in (1, 2)] == [["open"], ["open"]]


def test_pandas_categories_forget_what_was_erased(flag: Flag) -> None:
    """A category that only dropped rows had is gone from the type; one that no row ever had stays."""
    words = pd.Categorical(["secret", "open", "open"], categories=["never", "secret", "open"], ordered=True)
    frame = pd.DataFrame({"id": [1, 2, 3], "word": words, "place": pd.Categorical(["here", "there", "there"])})
    made = apply(frame, flag("deleted", [1]))
    assert list(made["word"].cat.categories) == ["never", "open"]
    assert made["word"].cat.ordered
    scrubbed = apply(frame, flag("scrub_geo", [1]))
    assert list(scrubbed["place"].cat.categories) == ["there"]
    assert scrubbed["place"].isna().tolist() == [True, False, False]
    assert list(scrubbed["word"].cat.categories) == ["never", "secret", "open"]


@pytest.mark.parametrize("kind", KINDS)
def test_embedded_tweets_go_from_frames_too(flag: Flag, kind: str) -> None:
    """A quote of a dropped tweet is nulled; the row keeps its own words."""
    quotes = [{"id": 7, "text": "x"}, {"id": 8, "text": "y"}, None]
    table = pa.table({"id": [1, 2, 3], "quoted_status": quotes})
    made = apply(KINDS[kind](table), flag("deleted", [7]))
    assert [row["quoted_status"] for row in rows(made)] == [None, quotes[1], None]


def test_retweets_of_a_dropped_authors_tweet_go_from_the_frame(flag: Flag) -> None:
    """The original stands in the same frame, and is dropped for its author: so is its retweet."""
    references = [None, [{"type": "retweeted", "id": "1"}], [{"type": "quoted", "id": "1"}]]
    table = pa.table({"id": ["1", "2", "3"], "author_id": ["10", "20", "30"], "referenced_tweets": references})
    for kind in KINDS:
        made = apply(KINDS[kind](table), flag("suspended", [10], "users"))
        assert [row["id"] for row in rows(made)] == ["3"], kind


def test_polars_keeps_types_that_arrow_spells_otherwise(flag: Flag) -> None:
    """Categories and fixed arrays of a place come back as they were; an enum does without the word that went."""
    frame = pl.DataFrame(
        {
            "id": [1, 2],
            "place": pl.Series(["here", "there"], dtype=pl.Enum(["here", "there"])),
            "place_type": pl.Series(["city", "poi"], dtype=pl.Categorical),
            "coordinates": pl.Series([[1.0, 2.0], [3.0, 4.0]], dtype=pl.Array(pl.Float64, 2)),
        }
    )
    made = apply(frame, flag("scrub_geo", [1]))
    assert made.schema == {**frame.schema, "place": pl.Enum(["there"])}
    assert made.row(0) == (1, None, None, None)
    assert made.row(1) == frame.row(1)


def test_ids_may_be_categories(flag: Flag) -> None:
    """A library that keeps repeated text as categories keeps IDs so too."""
    for frame in (
        pl.DataFrame({"id": pl.Series(["1", "2"], dtype=pl.Categorical)}),
        pd.DataFrame({"id": pd.Categorical(["1", "2"])}),
    ):
        assert [row["id"] for row in rows(apply(frame, flag("deleted", [2])))] == ["1"]
        assert [row["compliance_reason"] for row in rows(match(frame, flag("deleted", [2])))] == [None, "deleted"]


def test_a_lazy_frame_stays_lazy_until_collected(flag: Flag) -> None:
    """Nothing is read when the verb is called; a later selection does not hide the columns it needs."""
    reads = []

    def read(frame: pl.DataFrame) -> pl.DataFrame:
        reads.append(len(frame))
        return frame

    lazy = apply(pl.from_arrow(TABLE).lazy().map_batches(read), flag("deleted", [3]))
    assert reads == []
    assert lazy.select("text").filter(pl.col("text") != "b").collect().to_dict(as_series=False) == {"text": ["a"]}
    assert reads == [4]


def test_a_lazy_frame_with_wrong_columns_is_refused_at_once(flag: Flag) -> None:
    """What is wrong with the columns is said where the call stands, not where the frame is collected."""
    with pytest.raises(PlanError, match="no column of tweet IDs"):
        apply(pl.LazyFrame({"name": ["a"]}), flag("deleted", [3]))


def test_the_policy_decides_what_happens(flag: Flag) -> None:
    """A policy that keeps keeps; a reason that nobody knows ends it."""
    assert apply(TABLE, flag("protected", [3]), policy=Policy.default().treat(protected="keep")) is TABLE
    with pytest.raises(PolicyError):
        apply(TABLE, flag("vanished", [3]))


def test_columns_may_be_told(flag: Flag) -> None:
    """Frames with names of their own are no trouble, in any library."""
    table = pa.table({"nr": [1, 2], "who": [10, 20], "loc": [{"at": "here"}, {"at": "there"}]})
    for kind in KINDS:
        made = apply(
            KINDS[kind](table),
            flag("scrub_geo", [1]),
            flag("deleted", [20], "users"),
            id_column="nr",
            author_column="who",
            geo=["loc.at"],
        )
        assert rows(made) == [{"nr": 1, "who": 10, "loc": {"at": None}}], kind
        assert (
            rows(match(KINDS[kind](table), flag("deleted", [2]), id_column="nr"))[1]["compliance_reason"] == "deleted"
        )


@pytest.mark.parametrize("verb", [match, apply])
def test_wrong_input_is_named(flag: Flag, verb: Callable[..., Any]) -> None:
    """No frame, no results, no authors, no IDs: each says what is wrong."""
    with pytest.raises(PlanError, match=r"a frame is wanted .* not list"):
        verb([1, 2], flag("deleted", [1]))
    with pytest.raises(PlanError, match="not Series"):
        verb(pl.Series([1, 2]), flag("deleted", [1]))
    with pytest.raises(PlanError, match="results are tables"):
        verb(TABLE, [1, 2])
    with pytest.raises(PlanError, match=r"not str; read files with read_results"):
        verb(TABLE, "results.jsonl")
    with pytest.raises(PlanError, match="not a table of results"):
        verb(TABLE, TABLE)
    with pytest.raises(PlanError, match="no column of author IDs"):
        verb(pa.table({"id": [1]}), flag("deleted", [1], "users"))
    with pytest.raises(IdError):
        verb(pd.DataFrame({"id": [1.0, None]}), flag("deleted", [1]))


def test_a_pandas_column_of_mixed_values_is_named(flag: Flag) -> None:
    """Where a place column holds structs and text, nobody can tell what to null."""
    frame = pd.DataFrame({"id": [1, 2], "geo": [{"place_id": "x"}, "text"]})
    with pytest.raises(PlanError, match="'geo' mixes values"):
        apply(frame, flag("scrub_geo", [1]))


@pytest.mark.parametrize("kind", KINDS)
def test_text_that_holds_a_tweet_loses_it_whatever_its_name(flag: Flag, kind: str) -> None:
    """As in a dataset: the first values tell; where somebody said that there is none, that is believed."""
    table = pa.table(
        {"id": ["1", "2"], "raw": ['{"id": 1, "text": "…", "quoted_status": {"id": 7, "text": "x"}}', None]}
    )
    assert rows(apply(KINDS[kind](table), flag("deleted", [7])))[0]["raw"] is None
    told = Columns("id", embedded=[])
    assert rows(apply(KINDS[kind](table), flag("deleted", [7]), columns=told)) == table.to_pylist()
