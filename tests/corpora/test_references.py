"""Rows name other tweets in many shapes: a retweet of what goes is found in each, by the cleaning and by the proof."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import compliance_frames as cf
from compliance_frames.errors import PlanError, VerificationError
from compliance_frames.schemas import RESULTS

OWN, GONE, STAYS = 1300000000000000001, 1212161512043446272, 1212161512043446273
#: How a row stands to the other tweet; the first two repeat it.
KINDS = ("retweeted", "quoted", "replied_to")


def flagged(*ids: int) -> pa.Table:
    told = {"type": "tweets", "action": "delete", "reason": "deleted", "job_id": 7}
    when = pa.scalar(1714550400000, pa.timestamp("ms", "UTC")).as_py()
    return pa.Table.from_pylist([{**told, "id": id, "checked_at": when} for id in ids], schema=RESULTS)


def texts(*beginnings: str) -> list[str]:
    return [f"{beginning}words of row {at}" for at, beginning in enumerate(beginnings)]


def corpus(folder: Path, **columns: Any) -> Path:
    (folder / "corpus").mkdir()
    rows = len(next(iter(columns.values())))
    own = {"id": [str(OWN + at) for at in range(rows)], "author_id": ["1"] * rows}
    pq.write_table(pa.table({**own, **columns}), folder / "corpus" / "part-0.parquet")
    return folder / "corpus"


def left(folder: Path) -> tuple[list[int], cf.Proof]:
    """The rows that cleaning leaves, by their numbers, and the proof of it."""
    cf.clean(cf.plan(folder / "corpus", flagged(GONE)), folder / "clean")
    ids = pq.ParquetFile(folder / "clean" / "part-0.parquet").read()["id"].to_pylist()
    return [int(id) - OWN for id in ids], cf.verify(folder / "clean", flagged(GONE), source=folder / "corpus")


def accused(folder: Path) -> tuple[str, ...]:
    """What the proof finds in a copy from which nothing was taken, though it had to."""
    cf.clean(cf.plan(folder / "corpus", flagged(5)), folder / "not clean")
    with pytest.raises(VerificationError) as caught:
        cf.verify(folder / "not clean", flagged(GONE))
    return caught.value.problems


def listed(**fields: list[Any]) -> list[list[dict[str, Any]]]:
    names, values = list(fields), zip(*fields.values(), strict=True)
    return [[dict(zip(names, each, strict=True))] for each in values]


def keyed(inner: Any, kind: Any) -> pa.Array[Any]:
    """A struct with a child for each kind, of which each row has another."""
    rows = [{key: inner if key == each else None for key in KINDS} for each in KINDS]
    return pa.array(rows, pa.struct([(key, kind) for key in KINDS]))


_ID = pa.struct([("id", pa.string())])
_THREE = [str(GONE)] * 3

#: Of three rows the first repeats what goes, the others quote it and answer it.
SHAPES: dict[str, dict[str, Any]] = {
    "lists": {"referenced_tweets": listed(type=list(KINDS), id=_THREE)},
    "capitals": {"referenced_tweets": listed(type=["Retweeted", "Quoted", "Replied_To"], id=_THREE)},
    "other words": {"referenced_tweets": listed(type=["RETWEET", "QUOTE", "REPLY"], id=_THREE)},
    "one struct": {"referenced_tweet": [{"type": kind, "id": GONE} for kind in KINDS]},
    "wrong case": {"referencedTweets": listed(type=list(KINDS), id=_THREE)},
    "lists beside lists": {"referenced_tweets": [{"type": [kind], "id": [str(GONE)]} for kind in KINDS]},
    "keyed structs": {"referenced_tweets": keyed({"id": str(GONE)}, _ID)},
    "keyed IDs": {"referenced_tweets": keyed(GONE, pa.int64())},
    "keyed lists": {"referenced_tweets": keyed([{"id": str(GONE)}], pa.list_(_ID))},
    "a map": {"referenced_tweets": pa.array([[(k, {"id": str(GONE)})] for k in KINDS], pa.map_(pa.string(), _ID))},
    "a map of IDs": {"referenced_tweets": pa.array([[(k, GONE)] for k in KINDS], pa.map_(pa.string(), pa.int64()))},
    "a pair": {"referenced_tweet_id": _THREE, "referenced_tweet_type": ["RETWEETED", "quoted", "replied_to"]},
    "pairs": {
        "referenced_tweet_ids": [["5", id] for id in _THREE],
        "referenced_tweet_types": [["quoted", k] for k in KINDS],
    },
    "a flattened pair": {"referenced_tweets.id": [GONE] * 3, "referenced_tweets.type": list(KINDS)},
    "flattened keys": {"referenced_tweets.retweeted": [GONE, None, None], "referenced_tweets.quoted": [None, GONE, 5]},
    "flattened otherwise": {"referenced_tweets_retweeted_id": [GONE, None, None]},
    "a known pair": {"sourcetweet_id": _THREE, "sourcetweet_type": ["Retweeted", "Quoted", "Quoted"]},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_retweet_goes_whatever_the_shape_it_is_named_in(tmp_path: Path, shape: str) -> None:
    """What says that it repeats a tweet goes with it; a quote and a reply stay. The proof, written apart, agrees."""
    corpus(tmp_path, text=texts("", "", ""), **SHAPES[shape])
    kept, proof = left(tmp_path)
    assert kept == [1, 2]
    assert not any("how the row stands" in sentence for sentence in proof.not_checked)
    assert any("1 row that repeats a tweet that had to go" in problem for problem in accused(tmp_path))


def test_lists_side_by_side_are_read_row_by_row(tmp_path: Path) -> None:
    """Where a row has more words than tweets, any of them may be of any; rows beside it are read as they are."""
    ids = [[str(GONE)], [str(GONE), "5"], [str(GONE)], None, [str(GONE)]]
    types = [["quoted", "retweeted"], ["quoted", "retweeted"], ["replied_to", "quoted"], ["retweeted"], None]
    corpus(tmp_path, text=texts(*"abcde"), referenced_tweet_ids=ids, referenced_tweet_types=types)
    kept, proof = left(tmp_path)
    assert kept == [1, 2, 3, 4]
    assert any(each.startswith("whether 1 row") or "whether 2 rows" in each for each in proof.not_checked)
    assert any("1 row that repeats a tweet" in problem for problem in accused(tmp_path))


UNTYPED: dict[str, dict[str, Any]] = {
    "lists": {"referenced_tweets": [[{"id": id}] for id in _THREE]},
    "lists of IDs": {"referenced_tweets": [[GONE]] * 3},
    "a flat list": {"referenced_tweet_ids": [[str(STAYS), id] for id in _THREE]},
    "a flat ID": {"referenced_tweet_id": _THREE},
    "one struct": {"referenced_tweet": [{"id": GONE}] * 3},
}


@pytest.mark.parametrize("shape", UNTYPED)
def test_where_nothing_says_how_a_row_stands_to_another_its_text_does(tmp_path: Path, shape: str) -> None:
    """A text that begins as retweets do is one; of others nobody can know, and the proof counts what it let stay."""
    corpus(tmp_path, text=texts("RT @somebody: ", "", "well, RT @somebody: "), **UNTYPED[shape])
    kept, proof = left(tmp_path)
    assert kept == [1, 2]
    (said,) = [sentence for sentence in proof.not_checked if "how the row stands" in sentence]
    assert said.startswith("whether 2 rows repeat a tweet that had to go")
    assert "1 row that repeats a tweet that had to go" in accused(tmp_path)[0]


def test_a_column_that_says_which_rows_are_retweets_is_believed(tmp_path: Path) -> None:
    """Some tools say it by itself, and cut off how the text begins."""
    corpus(tmp_path, text=texts("", "", "RT @b: "), is_retweet=[True, False, False], **UNTYPED["lists"])
    assert left(tmp_path)[0] == [1]


def test_a_word_that_nobody_knows_is_not_taken_for_anything(tmp_path: Path) -> None:
    """A row stays whose list says something else of it, and the proof says that this is not known."""
    corpus(tmp_path, text=texts("RT @a: ", ""), referenced_tweets=listed(type=["boosted", None], id=_THREE[:2]))
    kept, proof = left(tmp_path)
    assert kept == [0, 1]
    assert any(each.startswith("whether 2 rows repeat a tweet") for each in proof.not_checked)


def test_what_cannot_be_told_apart_is_shown_beforehand(tmp_path: Path) -> None:
    """``cf.columns`` says by what it goes where a list does not say how a row stands to another tweet."""
    shown = str(cf.columns(corpus(tmp_path, text=texts("", "", ""), **UNTYPED["lists"])))
    assert "referenced_tweets  likely" in shown
    assert "RT @" in shown


@pytest.mark.parametrize("shape", [*SHAPES, *UNTYPED])
def test_a_frame_is_cleaned_as_a_dataset_is(shape: str) -> None:
    """``apply`` looks at the columns that planning looks at."""
    columns = (SHAPES | UNTYPED)[shape] if shape not in UNTYPED else UNTYPED[shape]
    words = texts("RT @somebody: " if shape in UNTYPED else "", "", "")
    frame = pa.table({"id": [OWN, OWN + 1, OWN + 2], "text": words, **columns})
    assert cf.apply(frame, flagged(GONE))["id"].to_pylist() == [OWN + 1, OWN + 2]


def test_wrapped_tweets_are_no_exception(tmp_path: Path) -> None:
    """The struct that holds the tweet holds what it names, too."""
    rows = [{"id": str(OWN + at), "text": "RT @a: b" if at < 2 else "c"} for at in range(4)]
    for row, kind in zip(rows, ("Retweeted", "quoted", None, None), strict=True):
        row["referenced_tweet_id"], row["referenced_tweet_type"] = str(GONE), kind  # type: ignore[assignment]
    (tmp_path / "corpus").mkdir()
    pq.write_table(pa.table({"data": rows}), tmp_path / "corpus" / "part-0.parquet")
    cf.clean(cf.plan(tmp_path / "corpus", flagged(GONE)), tmp_path / "clean")
    kept = pq.ParquetFile(tmp_path / "clean" / "part-0.parquet").read()["data"].to_pylist()
    assert [row["id"] for row in kept] == [row["id"] for row in rows[1:]]
    assert cf.verify(tmp_path / "clean", flagged(GONE)).verified
    assert len(accused(tmp_path)) == 1


@pytest.mark.parametrize(
    "references", [[[{"type": "retweeted", "id": 1.5e18}]], [{"retweeted": {"id": 1.5e18}}], [[1.5e18]]]
)
def test_rounded_ids_in_references_are_an_error(tmp_path: Path, references: list[Any]) -> None:
    """Retweets of what goes could not be found by them, and would stay."""
    corpus(tmp_path, text=["RT @a: b"], referenced_tweets=references)
    with pytest.raises(PlanError, match=r"'referenced_tweets' holds floating-point numbers.*references=\[\]"):
        cf.plan(tmp_path / "corpus", flagged(GONE))
