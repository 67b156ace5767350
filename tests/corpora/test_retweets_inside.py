"""A tweet inside of a row may itself repeat one that goes: it has the words of that one, and goes with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import compliance_frames as cf
from compliance_frames.errors import IdError
from tests.corpora.test_references import GONE, OWN, STAYS, accused, corpus, flagged

WORDS = "the very words that somebody wished to have forgotten"
ORIGINAL = {"id": str(GONE), "text": WORDS}
#: How a tweet says that it repeats the one that goes; and how one says other things in the same fields.
SAYS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a list": ({"referenced_tweets": [{"type": "retweeted", "id": str(GONE)}]},
               {"referenced_tweets": [{"type": "quoted", "id": str(GONE)}]}),
    "a list in capitals": ({"referencedTweets": [{"type": "RETWEETED", "id": GONE}]},
                           {"referencedTweets": [{"type": "QUOTED", "id": GONE}]}),
    "keyed structs": ({"referenced_tweets": {"retweeted": {"id": GONE}, "quoted": {"id": 5}}},
                      {"referenced_tweets": {"retweeted": {"id": 5}, "quoted": {"id": GONE}}}),
    "a struct": ({"retweeted_status": ORIGINAL}, {"retweeted_status": {"id": "5", "text": "words"}}),
    "a struct that does so in its turn": (
        {"retweeted_status": {"id": "6", "text": WORDS, "retweeted_status_id": GONE}},
        {"retweeted_status": {"id": "6", "text": "words", "retweeted_status_id": 5}}),
    "an activity": ({"verb": "share", "object": {"objectType": "activity", **ORIGINAL}},
                    {"verb": "post", "object": {"objectType": "note", "id": str(STAYS), "text": "words"}}),
    "a flat ID": ({"retweeted_id": str(GONE)}, {"retweeted_id": "5"}),
    "a flat ID as a number": ({"retweeted_status_id": GONE}, {"retweeted_status_id": None}),
    "a flat ID in camel case": ({"retweetedStatusId": GONE}, {"retweetedStatusId": 5}),
    "a pair": ({"referenced_tweet_id": GONE, "referenced_tweet_type": "retweeted"},
               {"referenced_tweet_id": GONE, "referenced_tweet_type": "replied_to"}),
    "a known pair": ({"sourcetweet_id": str(GONE), "sourcetweet_type": "retweeted"},
                     {"sourcetweet_id": str(GONE), "sourcetweet_type": "quoted"}),
    "its look": ({"referenced_tweets": [{"id": str(GONE)}], "full_text": "RT @a: words"},
                 {"referenced_tweets": [{"id": str(GONE)}], "full_text": "words"}),
    "a list as JSON": ({"referenced_tweets": json.dumps([{"type": "retweeted", "id": GONE}])},
                       {"referenced_tweets": json.dumps([{"type": "quoted", "id": GONE}])}),
    "a struct as JSON": ({"retweeted_status": json.dumps(ORIGINAL)}, {"retweeted_status": json.dumps({"id": 5})}),
}  # fmt: skip


#: The columns where tweets stand inside of rows, and a value with some of them.
PLACES: dict[str, Any] = {
    "quoted_status": lambda *tweets: next(iter(tweets), None),
    "includes": lambda *tweets: {"tweets": list(tweets)},
    "thread": lambda *tweets: [{"replies": {"tweets": list(tweets)}}],
}


def left(folder: Path, **columns: Any) -> tuple[list[dict[str, Any]], cf.Proof]:
    """What cleaning leaves of a corpus, and the proof of it."""
    source = corpus(folder, text=["words"] * len(next(iter(columns.values()))), **columns)
    cf.clean(cf.plan(source, flagged(GONE)), folder / "clean")
    rows = pq.ParquetFile(folder / "clean" / "part-0.parquet").read().to_pylist()
    return rows, cf.verify(folder / "clean", flagged(GONE), source=source)


@pytest.mark.parametrize("says", SAYS)
def test_a_retweet_inside_of_a_row_goes_with_its_original(tmp_path: Path, says: str) -> None:
    """However it says so, wherever it stands; one that says other things stays. The proof, written apart, agrees."""
    repeats, other = ({"id": str(id), "text": WORDS, **more} for id, more in zip((STAYS, 9), SAYS[says], strict=True))
    kinds = {column: pa.array([put(repeats), put(other)]).type for column, put in PLACES.items()}
    before, after = (
        {column: pa.array([put(*some), put(other), None], kinds[column]) for column, put in PLACES.items()}
        for some in ([repeats], [])
    )
    rows, proof = left(tmp_path, **before)
    assert [{column: row[column] for column in PLACES} for row in rows] == pa.table(after).to_pylist()
    assert proof.verified
    problems = [each for each in accused(tmp_path) if "1 row that holds" in each or "1 text of JSON" in each]
    assert all(any(f"'{column}." in each for each in problems) for column in PLACES)


def test_a_row_goes_with_what_it_repeats_also_where_that_repeats_another(tmp_path: Path) -> None:
    """Words that were passed on twice are the same words."""
    repeats = {"id": str(STAYS), "text": WORDS, "retweeted_id": GONE}
    rows, proof = left(tmp_path, retweeted_status=[repeats, {**repeats, "retweeted_id": 5}])
    assert [row["id"] for row in rows] == [str(OWN + 1)]
    assert proof.verified


def test_a_retweet_inside_goes_with_the_author_of_its_original(tmp_path: Path) -> None:
    """Who wrote the original shows in the row of that one alone, or in a field beside its ID."""
    quotes = [{"id": "5", "text": WORDS, "retweeted_id": str(id), "retweeted_user_id": whose}
              for id, whose in ((GONE, None), (STAYS, "7"), (STAYS, "8"))]  # fmt: skip
    table = {"id": [GONE, OWN, OWN + 1, OWN + 2], "author_id": ["7", "1", "1", "1"], "quoted_status": [None, *quotes]}
    (tmp_path / "corpus").mkdir()
    pq.write_table(pa.table(table), tmp_path / "corpus" / "part-0.parquet")
    users = flagged(7).set_column(0, "type", pa.array(["users"]).cast(flagged(7)["type"].type))
    cf.clean(cf.plan(tmp_path / "corpus", users), tmp_path / "clean")
    rows = pq.ParquetFile(tmp_path / "clean" / "part-0.parquet").read().to_pylist()
    assert [row["quoted_status"] for row in rows] == [None, None, quotes[2]]
    assert cf.verify(tmp_path / "clean", users, source=tmp_path / "corpus").verified


def test_a_tweet_goes_whose_own_json_beside_it_says_that_it_repeats_what_goes(tmp_path: Path) -> None:
    """Tools keep what they were given; JSON of another tweet than the one beside which it stands goes by itself."""
    repeats, other = {"id": STAYS, "text": WORDS}, {"id": 9, "text": "words"}
    raw = json.dumps({**repeats, "retweeted_status": ORIGINAL})
    rows, proof = left(tmp_path, includes=[{"tweets": [{**repeats, "raw": raw}, {**other, "raw": raw}, other]}])
    assert [row["includes"]["tweets"] for row in rows] == [[{**other, "raw": None}, {**other, "raw": None}]]
    assert proof.verified


def test_the_outer_tweet_is_looked_at_before_the_inner_one_is_taken_out() -> None:
    """In whichever order the columns were told: without its original a retweet looks like any other tweet."""
    frame = pa.table({"id": [OWN], "quoted_status": [{"id": STAYS, "text": WORDS, "retweeted_status": ORIGINAL}]})
    told = cf.Columns("id", embedded=("quoted_status.retweeted_status", "quoted_status"))
    assert cf.apply(frame, flagged(GONE), columns=told)["quoted_status"].to_pylist() == [None]


def test_what_is_no_id_is_told_by_the_way_to_it(tmp_path: Path) -> None:
    """Nobody could say whether that tweet goes."""
    source = corpus(tmp_path, quoted_status=[{"id": "5", "text": WORDS, "retweeted_id": "nobody's"}])
    with pytest.raises(IdError, match=r"quoted_status\.retweeted_id"):
        cf.plan(source, flagged(GONE))


HELD: dict[str, Any] = {
    "a struct": {"id": str(GONE), "author_id": "9", "text": WORDS},
    "JSON": json.dumps({"id": GONE, "user": {"id": 9}, "text": WORDS}),
}


@pytest.mark.parametrize("held", HELD)
@pytest.mark.parametrize("how", ["a dataset", "a frame"])
def test_a_retweet_goes_with_an_author_whom_only_a_quote_elsewhere_tells(tmp_path: Path, held: str, how: str) -> None:
    """Whose the original is shows in the copy that another row holds of it."""
    source = corpus(
        tmp_path, text=["words", f"RT @a: {WORDS}", "words"], quoted_status=[HELD[held], None, None],
        retweeted_status_id=[None, str(GONE), "5"],
    )  # fmt: skip
    author = flagged(9).set_column(0, "type", pa.array(["users"]).cast(flagged(9).schema.field("type").type))
    if how == "a frame":
        rows = cf.apply(pq.ParquetFile(source / "part-0.parquet").read(), author).to_pylist()
    else:
        cf.clean(cf.plan(source, author), tmp_path / "clean")
        rows = pq.ParquetFile(tmp_path / "clean" / "part-0.parquet").read().to_pylist()
        assert cf.verify(tmp_path / "clean", author, source=source).verified
    assert [int(row["id"]) - OWN for row in rows] == [0, 2]
    assert rows[0]["quoted_status"] is None
