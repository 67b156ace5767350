"""Accounts of users who have to go leave the rows of others: from lists of accounts, and from wherever one is whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import compliance_frames as cf
from compliance_frames.errors import VerificationError

Flag = Callable[..., pa.Table]
Write = Callable[..., Path]

OWN, GONE, STAYS = 1300000000000000001, 77, 78


def account(id: int, **more: Any) -> dict[str, Any]:
    return {"id": str(id), "username": f"name{id}", **more}


#: A column, what lies in it in one row, and what is left of that.
HELD: dict[str, tuple[str, Any, Any]] = {
    "beside the tweets of an answer": (
        "includes",
        {"users": [account(GONE), account(STAYS)], "tweets": [{"id": "5", "text": "x", "author_id": str(STAYS)}]},
        {"users": [account(STAYS)], "tweets": [{"id": "5", "text": "x", "author_id": str(STAYS)}]},
    ),
    "whom a tweet answers": (
        "in_reply_to_user",
        account(GONE, description="who I am", public_metrics={"followers_count": 3}),
        None,
    ),
    "whom a tweet mentions, whole": (
        "entities",
        {"mentions": [{"start": 1, "user": 7, "account": account(GONE, followers_count=3)}]},
        {"mentions": [{"start": 1, "user": 7, "account": None}]},
    ),
    "within a tweet that stays": (
        "quoted_status",
        {"id": "5", "text": "x", "user": account(STAYS, followers_count=1), "contributor": account(GONE, bio="me")},
        {"id": "5", "text": "x", "user": account(STAYS, followers_count=1), "contributor": None},
    ),
    "a name in a text": (
        "entities",
        {"user_mentions": [{"id": str(GONE), "screen_name": "x", "indices": [0, 2]}]},
        {"user_mentions": [{"id": str(GONE), "screen_name": "x", "indices": [0, 2]}]},
    ),
}


@pytest.mark.parametrize("case", HELD)
def test_an_account_goes_and_a_mention_stays(write: Write, flag: Flag, case: str) -> None:
    """An object that tells of a user goes with the user; one that only names them is kept by policy."""
    column, before, after = HELD[case]
    rows = pa.table({"id": [OWN, OWN + 1], "author_id": [str(STAYS), str(GONE)], column: pa.array([before, None])})
    root = write({"a.parquet": rows})
    results = flag("suspended", [GONE], "users")
    report = cf.clean(cf.plan(root, results), root.with_name("clean"))
    assert pq.ParquetFile(report.destination / "a.parquet").read()[column].to_pylist() == [after]
    assert cf.verify(report.destination, results, source=root).verified
    if before != after:
        kept = cf.clean(cf.plan(root, flag("suspended", [5], "users")), root.with_name("kept"))
        with pytest.raises(VerificationError) as caught:
            cf.verify(kept.destination, results)
        assert any("1 row that holds the account of a user who had to go" in each for each in caught.value.problems)


def test_a_tweet_with_its_author_s_name_is_a_tweet(write: Write, flag: Flag) -> None:
    """What has words is judged by the tweet's ID, whoever's name stands in it."""
    flat = {"id": str(GONE), "text": "x", "username": "y", "description": "z"}
    root = write({"a.parquet": pa.table({"id": [OWN], "shown": [flat]})})
    report = cf.clean(cf.plan(root, flag("deleted", [GONE])), root.with_name("clean"))
    assert pq.ParquetFile(report.destination / "a.parquet").read()["shown"].to_pylist() == [None]


def test_authors_in_camel_case_are_authors(write: Write, flag: Flag) -> None:
    """``userId`` inside an embedded tweet is its author's: the tweet goes, and the proof does not call it a mention."""
    quoted = [{"tweetId": 5, "userId": GONE, "fullText": "x"}, {"tweetId": 6, "userId": STAYS, "fullText": "y"}]
    root = write({"a.parquet": pa.table({"id": [OWN, OWN + 1], "author_id": [STAYS] * 2, "quotedTweet": quoted})})
    results = flag("suspended", [GONE], "users")
    report = cf.clean(cf.plan(root, results), root.with_name("clean"))
    assert pq.ParquetFile(report.destination / "a.parquet").read()["quotedTweet"].to_pylist() == [None, quoted[1]]
    kept = cf.clean(cf.plan(root, flag("suspended", [5], "users")), root.with_name("kept"))
    with pytest.raises(VerificationError, match="holds a tweet of an author who had to go"):
        cf.verify(kept.destination, results)


def test_columns_says_what_accounts_are(write: Write) -> None:
    """Whoever looks beforehand sees that they are found."""
    root = write({"a.parquet": pa.table({"id": [OWN], "includes": [{"users": [account(GONE)]}]})})
    assert "includes.users  certain  accounts of others" in str(cf.columns(root))
