"""What lies in text, as JSON or as Python shows it: the cleaning takes it out, and the proof, written apart, agrees."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import compliance_frames as cf
from compliance_frames.corpus.columns import Columns
from compliance_frames.corpus.erase import erase
from compliance_frames.corpus.erasures import Erasures
from compliance_frames.corpus.referenced import referenced
from compliance_frames.corpus.told import Told
from compliance_frames.errors import PlanError, VerificationError
from compliance_frames.proof.erased import Erased
from compliance_frames.proof.texts import held_in_json, placed_in_json

Flag = Callable[..., pa.Table]
Write = Callable[..., Path]

OWN, GONE, STAYS = 1300000000000000001, 1212161512043446272, 1212161512043446273
AUTHOR_GONE, AUTHOR_STAYS, BARE = 1212161512043440001, 1212161512043440002, 1212161512043446999
ERASURES = Erasures(drop_tweets=np.array([GONE]), drop_authors=np.array([AUTHOR_GONE]), scrub_tweets=np.array([BARE]))


def erased(text: str | bytes | None, column: str = "quoted_tweet", *, own: int = OWN, words: str = "words") -> str:
    """What becomes of a row with this text: it is dropped, its cell is nulled, or it is kept."""
    table = pa.table({"id": [own], "text": [words], column: pa.array([text])})
    found, counts = erase(table, Columns("id", embedded=(column,)), ERASURES)
    if not len(found):
        return "dropped"
    nulled = text is not None and found.column(column)[0].as_py() is None
    assert counts.cells_nulled == nulled
    return "nulled" if nulled else "kept"


def tweet(id: int = STAYS, author: int = AUTHOR_STAYS, **more: Any) -> dict[str, Any]:
    return {"id": id, "id_str": str(id), "text": "…", "user": {"id": author}, **more}


def on_page(id: int, **more: Any) -> dict[str, Any]:
    """A tweet as X's own pages are told of it."""
    return {"__typename": "Tweet", "rest_id": str(id), "legacy": {"full_text": "…", **more}}


NULLED = {
    "a tweet": tweet(GONE),
    "its ID as text": {"id_str": str(GONE)},
    "an author": tweet(author=AUTHOR_GONE),
    "an author's ID beside": {"id": STAYS, "author_id": str(AUTHOR_GONE)},
    "a quote inside": tweet(quoted_status=tweet(GONE)),
    "a retweet of another row's": tweet(retweeted_status=tweet(GONE)),
    "a list": [tweet(), tweet(GONE)],
    "an answer of the service": {"data": [{"id": str(STAYS)}], "includes": {"tweets": [{"id": str(GONE)}]}},
    "an activity": {"id": f"tag:search.twitter.com,2005:{GONE}", "body": "…"},
    "a reference of another row's": {"id": STAYS, "referenced_tweets": [{"type": "retweeted", "id": str(GONE)}]},
    "a reference that holds all of it": {"referenced_tweets": [{"type": "quoted", "id": str(GONE), "text": "…"}]},
    "a reference that holds all but its ID": {"referenced_tweets": [{"text": "…", "author_id": AUTHOR_GONE}]},
    "a place": tweet(BARE, place={"name": "Oslo"}),
    "JSON in JSON": tweet(raw=json.dumps(tweet(quoted=json.dumps(tweet(GONE))))),
    "JSON in a list": {"tweets": [json.dumps(tweet(GONE))]},
    "JSON in JSON that was cut off": tweet(raw=json.dumps(tweet(GONE))[:40]),
    "a key that is a number": {7: [tweet(GONE)], "text": "…"},
    "a user as JSON": {"id": STAYS, "text": "…", "user": json.dumps({"id": AUTHOR_GONE})},
    "keys in camel case": {"tweetId": STAYS, "fullText": "…", "userId": str(AUTHOR_GONE)},
    "a reference in capitals": {"id": STAYS, "referenced_tweets": [{"type": "RETWEETED", "id": GONE}]},
    "a reference by its key": {"id": STAYS, "referencedTweets": {"retweeted": str(GONE)}},
    "a reference by its look": {"id": STAYS, "text": "RT @a: b", "referenced_tweets": [str(GONE)]},
    "an ID of an original": {"id": STAYS, "retweeted_status_id_str": str(GONE)},
    "an account": {"id": STAYS, "includes": {"users": [{"id": str(AUTHOR_GONE), "username": "x"}]}},
    "an account of whom one answers": {"in_reply_to": {"id": AUTHOR_GONE, "screen_name": "x", "description": "…"}},
    "places beside": {"data": {"id": str(BARE)}, "includes": {"places": [{"id": "x"}]}},
}
KEPT = {
    "on a page": on_page(STAYS, in_reply_to_status_id_str=str(GONE), quoted_status_id_str=str(GONE)),
    "a place that is none, on a page": {"result": on_page(BARE, place=None)},
    "a reply": tweet(in_reply_to_status_id=GONE, conversation_id=str(GONE)),
    "a mention": tweet(entities={"user_mentions": [{"id": AUTHOR_GONE}]}),
    "a mention by name": tweet(entities={"mentions": [{"id": AUTHOR_GONE, "username": "x", "start": 3}]}),
    "words": tweet(text=f"see {GONE}") | {"full_text": f"https://x.com/i/status/{GONE}"},
    "a reference": {"id": STAYS, "referenced_tweets": [{"type": "replied_to", "id": str(GONE)}]},
    "a reference that says nothing": {"id": STAYS, "text": "…", "referenced_tweets": [str(GONE)]},
    "a reply by its key": {"id": STAYS, "referenced_tweets": {"replied_to": {"id": GONE}}},
    "a place that is none": tweet(BARE, place=None, geo={}, coordinates=[]),
    "a tweet that stays": tweet(quoted_status=tweet()),
}


@pytest.mark.parametrize("spelled", [json.dumps, repr], ids=["JSON", "Python"])
@pytest.mark.parametrize("case", NULLED)
def test_a_cell_that_holds_what_has_to_go_is_nulled(case: str, spelled: Callable[[Any], str]) -> None:
    """Tweets, authors and places at any depth, as JSON writes them or Python: the cell goes, the row stays."""
    assert erased(spelled(NULLED[case])) == "nulled"
    assert erased(spelled(NULLED[case]).encode()) == "nulled"


@pytest.mark.parametrize(
    "told",
    [
        {"quoted_status_result": {"result": on_page(GONE)}},
        {"result": on_page(STAYS, user_id_str=str(AUTHOR_GONE))},
        {"result": on_page(STAYS, retweeted_status_result={"result": on_page(GONE)})},
        {"result": {"rest_id": str(AUTHOR_GONE), "legacy": {"screen_name": "x", "description": "…"}}},
        {"result": on_page(BARE, place={"name": "Oslo"})},
    ],
    ids=["a quote", "an author", "a retweet", "an account", "a place"],
)
def test_what_pages_are_told_is_read_with_the_id_above_it(told: Any) -> None:
    """A tweet's fields stand one level below its ID there: by cleaning and proof they are taken for one object."""
    gone = Erased(drop_tweets=ERASURES.drop_tweets, drop_authors=ERASURES.drop_authors)
    for text in (json.dumps(told), repr(told), json.dumps({"id": 5, "text": "…", "raw": json.dumps(told)})):
        assert erased(text) == "nulled"
        assert held_in_json(text, gone) or placed_in_json(text, Erased(scrub_tweets=ERASURES.scrub_tweets))


@pytest.mark.parametrize("spelled", [json.dumps, repr], ids=["JSON", "Python"])
@pytest.mark.parametrize("case", KEPT)
def test_a_cell_that_only_names_it_stays(case: str, spelled: Callable[[Any], str]) -> None:
    """Bare IDs of others are kept by policy, in JSON as in columns of their own; and the proof says so too."""
    assert erased(spelled(KEPT[case])) == "kept"
    told = Erased(drop_tweets=ERASURES.drop_tweets, drop_authors=ERASURES.drop_authors)
    assert held_in_json(spelled(KEPT[case]), told) in (None, "unsaid")


@pytest.mark.parametrize(
    ("column", "told"),
    [
        ("retweeted_status", tweet(GONE)),
        ("retweetedTweet", tweet(author=AUTHOR_GONE)),
        ("referenced_tweets", [{"type": "quoted", "id": "5"}, {"type": "retweeted", "id": str(GONE)}]),
        ("raw", tweet(OWN, retweeted_status=tweet(GONE))),
        ("raw", {"data": {"id": str(OWN), "referenced_tweets": [{"type": "retweeted", "id": str(GONE)}]}}),
        ("referenced_tweets", [{"type": "Retweeted", "id": str(GONE)}]),
        ("referencedTweets", {"retweeted": {"id": GONE}}),
        ("referenced_tweets", {"quoted": 5, "retweeted": [GONE]}),
        ("raw", {"id": OWN, "text": "RT @a: b", "referenced_tweets": [{"id": GONE}]}),
        ("raw", {"id": OWN, "isRetweet": True, "referenced_tweets": [GONE]}),
        ("raw", {"id": OWN, "referenced_tweet_id": GONE, "referenced_tweet_type": "RETWEET"}),
        ("raw", {"id": OWN, "retweeted_id": GONE}),
    ],
)
def test_a_row_goes_whose_text_says_that_it_repeats_what_goes(column: str, told: Any) -> None:
    """A retweet's own words are the original's: the row goes with it, as where columns say so."""
    assert erased(json.dumps(told), column) == "dropped"
    assert erased(repr(told), column) == "dropped"


WRITTEN_OTHERWISE = {
    "after a mark of byte order": "\ufeff" + json.dumps(tweet(GONE)),
    "as a string of JSON": json.dumps(json.dumps(tweet(GONE))),
    "as lines": "\n".join(map(json.dumps, (tweet(), tweet(GONE)))),
    "as records": "\x1e" + "\n\x1e".join(map(json.dumps, (tweet(), tweet(GONE)))),
    "with its ID twice": f'{{"id": {GONE}, "id": {STAYS}, "text": "…"}}',
    "with its ID twice, otherwise": f'{{"id": {STAYS}, "id": {GONE}, "text": "…"}}',
    "with its author twice": f'{{"id": 5, "text": "…", "user": {{"id": {AUTHOR_GONE}}}, "user": {{"id": 6}}}}',
    "within another, twice": f'{{"quoted_status": {{"id": {GONE}, "text": ""}}, "quoted_status": null, "id": 5}}',
}


@pytest.mark.parametrize("case", WRITTEN_OTHERWISE)
def test_json_that_readers_disagree_about_hides_nothing(case: str) -> None:
    """Marks in front, strings in strings, several objects, keys that stand twice: cleaning and proof look at all."""
    told = Erased(drop_tweets=ERASURES.drop_tweets, drop_authors=ERASURES.drop_authors)
    assert erased(WRITTEN_OTHERWISE[case]) == "nulled"
    assert held_in_json(WRITTEN_OTHERWISE[case], told, "quoted_tweet") in ("embedded tweet", "embedded author")


def test_text_of_the_type_json_is_looked_into_as_other_text_is(tmp_path: Path, flag: Flag) -> None:
    """DuckDB says of such columns what they hold, and Arrow has a type of its own for them, in lists too."""
    (tmp_path / "corpus").mkdir()
    file, texts = tmp_path / "corpus" / "a.parquet", [json.dumps(tweet(GONE)), json.dumps(tweet(STAYS))]
    rows = duckdb.sql(f"SELECT unnest([{OWN}, {OWN + 1}]) AS id, unnest($texts)::JSON AS raw", params={"texts": texts})
    rows.project("*, [raw] AS raws").write_parquet(str(file))
    table = pq.ParquetFile(file).read()
    assert table.schema.field("raw").type == pa.json_()
    results = flag("deleted", [GONE])
    report = cf.clean(cf.plan(tmp_path / "corpus", results), tmp_path / "clean")
    cleaned = pq.ParquetFile(report.destination / "a.parquet").read()
    assert cleaned.schema == table.schema
    assert cleaned.select(["raw", "raws"]).to_pydict() == {"raw": [None, texts[1]], "raws": [[], [texts[1]]]}
    assert cf.apply(table, results).equals(cleaned)
    assert cf.verify(report.destination, results, source=tmp_path / "corpus").verified
    for source in (table, file):
        named = [ids.tolist() for type, _, ids in referenced(source, Told(), ["tweets"])]
        assert named == [[GONE, STAYS]] * 2


@pytest.mark.parametrize("author", [2244994945, 12])
def test_an_id_with_a_point_that_has_lost_no_digits_is_that_id(write: Write, flag: Flag, author: int) -> None:
    """Numbers beside missing ones get a point from many tools; those of short IDs still name their authors."""
    people = (float(author), 5.0, author + 0.5)
    told = [{"id": STAYS + 1000 + at, "text": "…", "user": {"id": each}} for at, each in enumerate(people)]
    texts = list(map(json.dumps, told))
    root = write({"a.parquet": pa.table({"id": [OWN, OWN + 1, OWN + 2], "user_id": [5, 5, 5], "raw": texts})})
    results = flag("suspended", [author], "users")
    report = cf.clean(cf.plan(root, results), root.with_name("clean"))
    assert pq.ParquetFile(report.destination / "a.parquet").read()["raw"].to_pylist() == [None, *texts[1:]]
    assert cf.verify(report.destination, results, source=root).verified
    kept = cf.clean(cf.plan(root, flag("suspended", [author + 1], "users")), root.with_name("kept"))
    with pytest.raises(VerificationError, match="1 text of JSON in column 'raw' hold a tweet of an author"):
        cf.verify(kept.destination, results)


def test_an_id_that_lost_digits_to_a_point_accuses_nobody() -> None:
    """Above 2^53 such a number is near to many IDs: it may be the one of somebody who stays."""
    text = json.dumps({"id": float(GONE), "text": "…"})
    assert erased(text) == "kept"
    assert held_in_json(text, Erased(drop_tweets=np.array([GONE]))) is None


PLACED = {
    "a place": tweet(BARE, place={"name": "Oslo"}),
    "a quote's place": tweet(quoted_status=tweet(BARE, geo={"place_id": "x"})),
    "JSON in JSON": tweet(raw=json.dumps(tweet(BARE, coordinates=[1, 2]))),
    "places beside": {"data": {"id": str(BARE)}, "includes": {"places": [{"id": "x"}]}},
    "a tweet that is named whole": {"referenced_tweets": [{"type": "quoted", **tweet(BARE, place="Oslo")}]},
}


@pytest.mark.parametrize("column", ["raw", "quoted_tweet"])
@pytest.mark.parametrize("case", PLACED)
def test_a_place_in_json_is_taken_out_and_looked_for(write: Write, flag: Flag, case: str, column: str) -> None:
    """Who lost their place has none in text either: cells with one are nulled, and the proof finds what is not."""
    texts = [json.dumps(PLACED[case]), json.dumps(tweet(BARE, place=None)), json.dumps(tweet(place="Oslo"))]
    root = write({"a.parquet": pa.table({"id": [OWN, OWN + 1, OWN + 2], column: texts})})
    results = flag("scrub_geo", [BARE])
    report = cf.clean(cf.plan(root, results), root.with_name("clean"))
    assert pq.ParquetFile(report.destination / "a.parquet").read()[column].to_pylist() == [None, *texts[1:]]
    assert cf.verify(report.destination, results, source=root).verified
    kept = cf.clean(cf.plan(root, flag("scrub_geo", [5])), root.with_name("kept"))
    with pytest.raises(VerificationError, match=rf"1 text of JSON in column '{column}' hold a place that had to go"):
        cf.verify(kept.destination, results)


def test_a_text_that_names_tweets_goes_by_the_look_of_its_row(write: Write, flag: Flag) -> None:
    """JSON that does not say how its row stands to another is judged as a list that does not, and counted so."""
    columns = {"text": ["RT @a: b", "c"], "referenced_tweets": [json.dumps([{"id": str(GONE)}])] * 2}
    root = write({"a.parquet": pa.table({"id": [OWN, OWN + 1], **columns})})
    report = cf.clean(cf.plan(root, flag("deleted", [GONE])), root.with_name("clean"))
    assert report.rows_dropped == 1
    proof = cf.verify(report.destination, flag("deleted", [GONE]))
    assert any(each.startswith("whether 1 row repeats a tweet that had to go") for each in proof.not_checked)
    uncleaned = cf.clean(cf.plan(root, flag("deleted", [5])), root.with_name("uncleaned"))
    with pytest.raises(VerificationError, match=r"1 text of JSON in column 'referenced_tweets' repeat"):
        cf.verify(uncleaned.destination, flag("deleted", [GONE]))


@pytest.mark.parametrize(
    "text",
    [
        f'{{"id": {GONE}, "text": "cut o',
        f"{{'date': datetime.datetime(2021, 1, 1), 'id': {GONE}}}",
        f"Tweet(url='…', id={GONE}, user=User(id=3))",
        f"[Tweet(id=3, user=User(username='x', id={AUTHOR_GONE}))]",
    ],
)
def test_what_cannot_be_parsed_goes_where_an_erased_id_is_called_an_id(text: str) -> None:
    """Half an object, or what Python shows of one: on the safe side, by cleaning and proof alike."""
    assert erased(text) == "nulled"
    told = Erased(drop_tweets=ERASURES.drop_tweets, drop_authors=ERASURES.drop_authors)
    assert held_in_json(text, told) is not None
    assert erased(text.replace("id", "in_reply_to_status_id")) == "kept"


def test_a_quoted_tweet_that_must_not_be_null_stops_the_plan(write: Write, flag: Flag) -> None:
    """The plan says which column it is, and what to do."""
    schema = pa.schema([("id", pa.int64()), pa.field("quoted_tweet", pa.string(), nullable=False)])
    root = write({"a.parquet": pa.table({"id": [OWN], "quoted_tweet": [json.dumps(tweet(GONE))]}, schema=schema)})
    with pytest.raises(PlanError, match=r"'quoted_tweet' is declared as never null.*nullable column first"):
        cf.plan(root, flag("deleted", [GONE]))


def test_text_with_tweets_is_found_by_its_values_in_any_file(write: Write, flag: Flag) -> None:
    """A column of any name, in a struct too, that holds objects in one file is looked into in all of them."""
    empty, full = pa.array([None], pa.string()), pa.array([json.dumps(tweet(GONE))])
    files = {
        name: pa.table({"id": [id], "raw": pa.StructArray.from_arrays([texts], ["json"]), "note": ["[7] hello"]})
        for name, id, texts in (("a.parquet", OWN, full), ("b.parquet", OWN + 1, empty), ("c.parquet", OWN + 2, full))
    }
    root = write(files)
    made = cf.plan(root, flag("deleted", [GONE]))
    assert {file.columns and file.columns.embedded for file in made.files} == {("raw.json",)}
    assert (made.cells_nulled, [file.decision for file in made.files]) == (2, ["rewrite", "copy", "rewrite"])
    report = cf.clean(made, root.with_name("clean"))
    assert cf.verify(report.destination, flag("deleted", [GONE]), source=root).verified


IDS = st.sampled_from([OWN, GONE, STAYS, AUTHOR_GONE, AUTHOR_STAYS, BARE, 7])
KEYS = st.sampled_from(
    [
        *("id", "id_str", "author_id", "user", "author", "text", "full_text", "quoted_status", "retweeted_status"),
        *("referenced_tweets", "retweeted", "referenced_tweet_ids", "retweeted_id", "tweetId", "userId"),
        *(
            "username",
            "geo",
            "place",
            "places",
            "description",
            "type",
            "data",
            "includes",
            "tweets",
            "users",
            "entities",
            "in_reply_to_status_id",
            "rest_id",
            "legacy",
        ),
    ]
)
PLAIN = st.one_of(
    st.none(), IDS, IDS.map(str), st.sampled_from(["Retweeted", "quoted", "…", "RT @a: b", f"see {GONE}"])
)


def more_than_a_name(told: dict[str, Any]) -> dict[str, Any]:
    """Bare IDs may stay: the proof accuses none, whatever cleaning takes out of columns named after tweets."""
    return {**told, "lang": "en"}


OBJECTS = st.recursive(
    st.dictionaries(KEYS, PLAIN, max_size=4).map(more_than_a_name),
    lambda inner: st.dictionaries(KEYS, st.one_of(PLAIN, inner, st.lists(inner, max_size=3)), max_size=5).map(
        more_than_a_name
    ),
    max_leaves=12,
)


def twice(told: Any) -> str:
    """JSON in which the keys of the outermost object stand twice, the first time with what the others have."""
    if not isinstance(told, dict) or not told:
        return json.dumps(told)
    values = list(told.values())
    pairs = [*zip(told, values[1:] + values[:1], strict=True), *told.items()]
    return "{" + ", ".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in pairs) + "}"


SPELLED: list[Callable[[Any], str]] = [
    *(json.dumps, repr, twice),
    lambda told: json.dumps(json.dumps(told)),
    lambda told: "\ufeff" + json.dumps(told),
    lambda told: "\n".join(map(json.dumps, told if isinstance(told, list) else [told])),
    lambda told: json.dumps({"id": 5, "text": "…", "raw": json.dumps(told)}),
]
WRITTEN = st.builds(
    lambda told, spelled, cut: spelled(told)[: cut or None],
    st.one_of(OBJECTS, st.lists(OBJECTS, max_size=3)),
    st.sampled_from(SPELLED),
    st.sampled_from([0, 0, 0, 40, 90]),
)
COLUMN = st.sampled_from(["quoted_tweet", "retweeted_status", "referenced_tweets", "includes"])


@settings(max_examples=25, deadline=None)
@given(texts=st.lists(WRITTEN, min_size=1, max_size=12), column=COLUMN)
@example(texts=[json.dumps([{"author_id": AUTHOR_GONE, "text": "…"}])], column="referenced_tweets")
def test_what_was_cleaned_verifies_and_what_was_not_does_not(
    tmp_path_factory: pytest.TempPathFactory, flag: Flag, texts: list[str], column: str
) -> None:
    """Of any texts, what the cleaning leaves the proof accepts; and of what it took out, it finds some if it stays."""
    folder = tmp_path_factory.mktemp("texts")
    (folder / "corpus").mkdir()
    rows = pa.table({"id": [OWN + at for at in range(len(texts))], "author_id": [7] * len(texts), column: texts})
    pq.write_table(rows, folder / "corpus" / "a.parquet")
    results = flag("deleted", [GONE]), flag("suspended", [AUTHOR_GONE], "users")
    made = cf.plan(folder / "corpus", *results)
    cf.clean(made, folder / "clean")
    assert cf.verify(folder / "clean", *results, source=folder / "corpus").verified
    blind = cf.plan(folder / "corpus", *results, columns=Columns("id", "author_id", embedded=()))
    cf.clean(blind, folder / "blind")
    if made.cells_nulled or made.rows_dropped:
        with pytest.raises(VerificationError, match=rf"of JSON in column '{column}'.*embedded=\['{column}'"):
            cf.verify(folder / "blind", *results)
    else:
        assert cf.verify(folder / "blind", *results).verified
