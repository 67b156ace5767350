"""``erase`` against the plainest program that could do the same: one row after the other, as dictionaries."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from compliance_frames.corpus.columns import find_columns
from compliance_frames.corpus.erase import Counts, Erasures, erase

Row = dict[str, Any]

#: Few IDs, so that they meet; some beyond what a float can hold.
IDS = [1, 2**53 + 1, 2**53 + 2, 1_700_000_000_000_000_001]
ids = st.sampled_from(IDS)
maybe_ids = st.sampled_from([None, *IDS, *IDS])
texts = st.sampled_from(["", "a", "a tweet longer than a view holds inline", "ÿ\n"])
id_types = st.sampled_from(
    [
        *(pa.int64(), pa.uint64(), pa.string(), pa.large_string(), pa.string_view()),
        *(pa.dictionary(pa.int8(), pa.string()), pa.dictionary(pa.uint32(), pa.large_string())),
    ]
)
word_types = st.sampled_from(
    [pa.string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string()), pa.dictionary(pa.int8(), pa.string(), True)]
)
places = st.none() | st.fixed_dictionaries({"place_id": st.none() | texts, "coords": st.none() | st.just([1.5, 2.5])})
references = st.none() | st.lists(
    st.fixed_dictionaries({"type": st.sampled_from(["retweeted", "quoted"]), "id": maybe_ids}), max_size=2
)
tweet = {"id": maybe_ids, "author_id": maybe_ids, "text": texts, "geo": places}
tweets = st.fixed_dictionaries(
    {
        **tweet,
        "referenced_tweets": references,
        "retweeted_id": st.none() | ids,
        "retweeted_status": st.none() | st.fixed_dictionaries(tweet),
    }
)
rows = st.fixed_dictionaries(
    {
        "id": maybe_ids,
        "author_id": maybe_ids,
        "text": st.none() | texts,
        "geo": places,
        "referenced_tweets": references,
        "quoted_status": st.none() | tweets,
        "retweeted_status": st.none() | tweets,
        "includes": st.none() | st.fixed_dictionaries({"tweets": st.none() | st.lists(tweets, max_size=3)}),
        "labels": st.none() | st.lists(st.tuples(texts, texts), max_size=2),
    }
)
flagged = st.frozensets(ids, max_size=3)


def schema_of(id_type: pa.DataType, word: pa.DataType, many: Any) -> pa.Schema:
    geo = pa.struct([pa.field("place_id", word, metadata={"kept": "yes"}), ("coords", pa.list_(pa.float64()))])
    bare = [("id", id_type), ("author_id", pa.int64()), pa.field("text", word, nullable=False), ("geo", geo)]
    references = many(pa.struct([("type", word), ("id", id_type)]))
    others = [("referenced_tweets", references), ("retweeted_id", pa.int64()), ("retweeted_status", pa.struct(bare))]
    tweet = pa.struct([*bare, *others])
    return pa.schema(
        [
            pa.field("id", id_type, metadata={"what": "tweet"}),
            ("author_id", pa.string()),
            ("text", word),
            ("geo", geo),
            ("referenced_tweets", references),
            ("quoted_status", tweet),
            ("retweeted_status", tweet),
            ("includes", pa.struct([("tweets", many(tweet))])),
            ("labels", pa.map_(pa.string(), pa.string())),
        ],
        metadata={"made": "by hand"},
    )


def spelled(value: Any, kind: Any) -> Any:
    """The same value as a column of this type holds it: IDs as numbers or as text."""
    if value is None:
        return None
    if pa.types.is_struct(kind):
        return {field.name: spelled(value[field.name], field.type) for field in kind}
    if pa.types.is_map(kind):
        return value
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return [spelled(each, kind.value_type) for each in value]
    word = kind.value_type if pa.types.is_dictionary(kind) else kind
    return str(value) if isinstance(value, int) and not pa.types.is_integer(word) else value


def is_sound(table: pa.Table) -> bool:
    """pyarrow itself builds null structs over empty dictionaries that its own validation refuses."""
    try:
        table.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


class Reference:
    """Takes rows one by one, counts, and loops wherever it likes."""

    def __init__(self, sets: dict[str, frozenset[int]], asked: frozenset[int] | None, unchecked: str) -> None:
        self.drop, self.placeless = sets["drop_tweets"], sets["scrub_tweets"] - sets["drop_tweets"]
        self.gone, self.shy = sets["drop_authors"], sets["scrub_authors"] - sets["drop_authors"]
        self.asked, self.unchecked = asked, unchecked
        self.counts = Counts()

    def is_dropped(self, tweet: Row | None) -> bool:
        return tweet is not None and (tweet["id"] in self.drop or tweet["author_id"] in self.gone)

    def is_scrubbed(self, tweet: Row) -> bool:
        return tweet["geo"] is not None and (tweet["id"] in self.placeless or tweet["author_id"] in self.shy)

    def repeats(self, tweet: Row) -> bool:
        named = [each["id"] for each in tweet["referenced_tweets"] or [] if each["type"] == "retweeted"]
        return not self.drop.isdisjoint([*named, tweet.get("retweeted_id")]) or self.is_dropped(
            tweet["retweeted_status"]
        )

    def bare(self, tweet: Row) -> tuple[Row | None, int]:
        if self.is_dropped(tweet):
            return None, 1
        return (tweet | {"geo": None}, 1) if self.is_scrubbed(tweet) else (tweet, 0)

    def embedded(self, tweet: Row) -> tuple[Row | None, int]:
        """What is left of a tweet inside of a row, and of the one inside of that."""
        inner, cells = (None, 0) if tweet["retweeted_status"] is None else self.bare(tweet["retweeted_status"])
        if self.repeats(tweet):
            return None, cells + 1
        made, more = self.bare(tweet)
        return made and made | {"retweeted_status": inner}, cells + more

    def take(self, row: Row) -> Row | None:
        original = row["retweeted_status"]
        dropped = self.is_dropped(row) or self.repeats(row) or (original is not None and self.repeats(original))
        unchecked = self.asked is not None and row["id"] not in self.asked and not dropped
        self.counts += Counts(rows_in=1, rows_unchecked=int(unchecked))
        if dropped or (unchecked and self.unchecked == "drop"):
            self.counts += Counts(rows_dropped=1)
            return None
        self.counts += Counts(rows_kept=1)
        made = dict(row)
        if self.is_scrubbed(row):
            made["geo"] = None
            self.counts += Counts(rows_scrubbed=1)
        for name in ("quoted_status", "retweeted_status"):
            if row[name] is not None:
                made[name], cells = self.embedded(row[name])
                self.counts += Counts(cells_nulled=cells)
        if row["includes"] is not None and row["includes"]["tweets"] is not None:
            found = [self.embedded(tweet) for tweet in row["includes"]["tweets"]]
            made["includes"] = {"tweets": [tweet for tweet, _ in found if tweet is not None]}
            self.counts += Counts(cells_nulled=sum(cells for _, cells in found))
        return made


@settings(max_examples=80, deadline=None)
@given(
    st.lists(rows, max_size=6),
    st.integers(1, 6),
    id_types,
    word_types,
    st.sampled_from([pa.list_, pa.large_list]),
    st.fixed_dictionaries(dict.fromkeys(("drop_tweets", "scrub_tweets", "drop_authors", "scrub_authors"), flagged)),
    st.none() | st.frozensets(ids),
    st.sampled_from(["keep", "drop"]),
)
def test_erase_does_what_a_loop_over_rows_does(
    rows: list[Row],
    chunk: int,
    id_type: pa.DataType,
    word: pa.DataType,
    many: Any,
    sets: dict[str, frozenset[int]],
    asked: frozenset[int] | None,
    unchecked: Any,
) -> None:
    """For any table, types, chunks and results: the same rows, cells, schema and counts as the plain program."""
    schema = schema_of(id_type, word, many)
    stored = [spelled(row, pa.struct(list(schema))) for row in rows]
    parts = [pa.Table.from_pylist(stored[at : at + chunk], schema=schema) for at in range(0, len(rows), chunk)]
    table = pa.concat_tables([schema.empty_table(), *parts])
    known = {name: np.array(sorted(ids), dtype=np.int64) for name, ids in sets.items()}
    known["scrub_tweets"] = np.setdiff1d(known["scrub_tweets"], known["drop_tweets"])
    known["scrub_authors"] = np.setdiff1d(known["scrub_authors"], known["drop_authors"])
    heard = None if asked is None else np.array(sorted(asked), dtype=np.int64)
    erasures = Erasures(**known, asked_tweets=heard, unchecked=unchecked)

    made, counts = erase(table, find_columns(schema), erasures)

    reference = Reference(sets, asked, unchecked)
    expected = [row for row in map(reference.take, rows) if row is not None]
    assert counts == reference.counts
    if is_sound(table):
        made.validate(full=True)
    assert made.schema.equals(schema, check_metadata=True)
    assert made.to_pylist() == [spelled(row, pa.struct(list(schema))) for row in expected]
    assert erase(made, find_columns(schema), erasures)[1].touched is False  # nothing is left to erase
