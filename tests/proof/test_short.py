"""IDs of few digits are found in text where a key says that they are IDs, and nothing else is taken for one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import compliance_frames as cf
from compliance_frames.errors import VerificationError
from compliance_frames.proof.short import ShortIds
from tests.corpora.test_references import flagged

#: Of a tweet and of a user of the first years.
TWEET, AUTHOR = 20, 12
OWN = 1300000000000000001
WORDS = "just setting up"

GONE = {
    "a tweet": {"id": TWEET, "text": WORDS},
    "as text": {"id_str": str(TWEET), "text": WORDS},
    "in a tweet": {"id": 5, "text": "words", "quoted_status": {"id": TWEET, "text": WORDS}},
    "a retweet": {"id": 5, "text": WORDS, "retweeted_status_id": TWEET},
    "of an author": {"tweetId": 5, "text": WORDS, "user": {"id": AUTHOR}},
    "of an author, by a key": {"id": 5, "text": WORDS, "author_id": str(AUTHOR)},
    "an address": {"id": f"tag:search.twitter.com,2005:{TWEET}", "body": WORDS},
}
#: What names nobody who had to go, or does no more than name them.
KEPT = [
    {"id": 5, "text": f"see {TWEET}", "retweet_count": TWEET, "in_reply_to_status_id": TWEET, "to_user_id": AUTHOR},
    {"id": 120, "text": "words", "user": {"id": 200}},
    {"id": int(f"{TWEET}{TWEET}"), "text": "words", "entities": {"user_mentions": [{"id": AUTHOR}]}},
]
ENCODINGS: dict[str, dict[str, Any]] = {
    "plain": {"use_dictionary": False},
    "dictionary": {},
    "delta": {"use_dictionary": False, "column_encoding": {"raw": "DELTA_BYTE_ARRAY"}},
    "packed": {"use_dictionary": False, "compression": "zstd", "data_page_version": "2.0"},
}


def users(*ids: int) -> pa.Table:
    table = flagged(*ids)
    return table.set_column(
        table.schema.get_field_index("type"), "type", pa.array(["users"] * len(ids)).cast(table["type"].type)
    )


def copied(folder: Path, table: pa.Table, **options: Any) -> Path:
    """A copy of a corpus from which nothing had to go when it was made."""
    (folder / "corpus").mkdir()
    pq.write_table(table, folder / "corpus" / "a.parquet", **options)
    cf.clean(cf.plan(folder / "corpus", flagged(7), columns=cf.Columns("id", embedded=[])), folder / "clean")
    return folder / "clean"


def rows(values: list[Any], **columns: Any) -> pa.Table:
    return pa.table({"id": range(OWN, OWN + len(values)), "raw": values, **columns})


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_id_under_a_key_is_found_in_every_page(tmp_path: Path, encoding: str) -> None:
    """Also in a column of nothing but text, none of which would have to be decoded; each text counts once."""
    texts = [None, *map(json.dumps, [*KEPT, *GONE.values()]), repr(GONE["a tweet"]), "words"]
    destination = copied(tmp_path, rows(texts), **ENCODINGS[encoding])
    with pytest.raises(VerificationError) as caught:
        cf.verify(destination, flagged(TWEET), users(AUTHOR))
    counts = {problem.partition(" JSON in column 'raw' ")[2][:30]: problem for problem in caught.value.problems}
    assert {said: problem.split()[1] for said, problem in counts.items()} == {
        "hold a tweet that had to go": "5",
        "repeat a tweet that had to go": "1",
        "hold a tweet of an author who ": "2",
    }


def test_an_id_under_a_key_is_found_below_lists_and_maps(tmp_path: Path) -> None:
    """In whatever a text stands."""
    text = json.dumps(GONE["a tweet"])
    below = {
        "listed": [["words", text]],
        "structs": [[{"said": text}]],
        "mapped": pa.array([[("a", text)]], pa.map_(pa.string(), pa.string())),
        "quoted_status": [{"id": 5, "text": "words", "raw": text}],
    }
    with pytest.raises(VerificationError) as caught:
        cf.verify(copied(tmp_path, rows([None], **below)), flagged(TWEET))
    paths = [problem.split("'")[1] for problem in caught.value.problems if "1 text of JSON" in problem]
    assert sorted(paths) == ["listed", "mapped.value", "quoted_status.raw", "structs.said"]


def test_numbers_that_are_no_ids_of_theirs_are_left_alone(tmp_path: Path) -> None:
    """Counts, longer IDs, mentions, and whatever stands in words."""
    texts = [*map(json.dumps, KEPT), f"id: {TWEET}", f"{{id: {TWEET}}}", f'"id": {TWEET}', str(TWEET)]
    assert cf.verify(copied(tmp_path, rows(texts)), flagged(TWEET), users(AUTHOR)).verified


def test_places_beside_ids_of_few_digits_are_found(tmp_path: Path) -> None:
    """In text that by its name holds tweets."""
    bare = flagged(TWEET)
    bare = bare.set_column(
        bare.schema.get_field_index("reason"), "reason", pa.array(["scrub_geo"]).cast(bare["reason"].type)
    )
    quoted = [json.dumps({**GONE["a tweet"], "geo": place}) for place in ({"place_id": "here"}, None)]
    destination = copied(tmp_path, rows([None, None], quoted_status=quoted, geo=[None, None]))
    with pytest.raises(VerificationError, match="1 text of JSON in column 'quoted_status' hold a place"):
        cf.verify(destination, bare)


#: The same rule, for one text after the other.
RULE = re.compile(
    r"(?:id(?:[_ -]?str)?\\*[\"'][ \t\r\n]*|2005|\.com):[ \t\r\n\"'\\\[]*0*([1-9][0-9]{0,9})(?![0-9])", re.IGNORECASE
)
NAMES = st.sampled_from([*("id", "ID", "userId", "id_str", "id-str", "idstr", "rid_ str", "str", "2005", ".com"), ""])
SIGNS = st.text("\":\\[ \n'", max_size=3)
NUMBERS = st.sampled_from(["20", "0012", "5", "20.", "1212161512043446272", "ü"])
WRITTEN = st.tuples(NAMES, SIGNS, st.sampled_from(['":', "':", '\\":', ":", '" : ', ""]), SIGNS, NUMBERS).map("".join)


@settings(max_examples=300, deadline=None)
@given(st.lists(WRITTEN, max_size=4).map(",".join))
def test_text_is_read_as_a_pattern_would(text: str) -> None:
    """Whatever stands around a number, those count that follow a key whose name ends in ``id``, or an address."""
    expected = not {"20", "12"}.isdisjoint(RULE.findall(text))
    assert ShortIds(np.array([20, 12])).named_in(f"{{{text}".encode()) is expected


def test_no_id_is_lost_between_two_looks() -> None:
    """Long texts are looked at piece by piece."""
    named = b'{"user_id_str": "00020"}'
    for before in range(2**20 - 30, 2**20 + 5):
        assert ShortIds(np.array([20])).named_in(b" " * before + named), before
