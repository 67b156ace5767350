"""A raw record that repeats what goes, goes with it, whatever the shape that says so; and so do tweets in others."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

import compliance_frames as cf
from tests.corpora.retweets import OTHER_TABLES, OTHERS, REPEATING, TABLES, Shape

Flag = Callable[..., pa.Table]
Write = Callable[..., Path]

GONE, AUTHOR = 1212161512043446272, 1400000000000000001


def lines(tweets: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(tweet).encode() + b"\n" for tweet in tweets)


def tweets_of(shapes: dict[str, Shape]) -> list[dict[str, Any]]:
    return [{"id": str(at), "text": "words", **shape(str(GONE))} for at, shape in enumerate(shapes.values(), 100)]


def left(write: Write, files: dict[str, bytes], *results: pa.Table, **options: Any) -> dict[str, bytes]:
    """What is left of some files, which verify."""
    root = write(dict(files))
    report = cf.clean(cf.plan(root, *results, **options), root.with_name("clean"))
    assert cf.verify(report.destination, *results, source=root).verified
    return {name: (report.destination / name).read_bytes() for name in files}


def test_records_go_with_the_tweet_that_they_repeat(write: Write, flag: Flag) -> None:
    """Lists, objects, flat keys, text, words for it or the look of it: none stays; quotes and replies do."""
    staying = lines(tweets_of(OTHERS))
    found = left(write, {"a.jsonl": lines(tweets_of(REPEATING)) + staying}, flag("deleted", [GONE]))
    assert found["a.jsonl"] == staying


def test_tweets_inside_of_others_go_with_what_they_repeat(write: Write, flag: Flag) -> None:
    """Quoted ones, and those that an answer includes; those that quote or reply stay where they are."""
    first = {"id": "5", "text": "words"}
    quoting = [{**first, "quoted_status": tweet} for tweet in (*tweets_of(REPEATING), *tweets_of(OTHERS))]
    page = {"data": [first], "includes": {"tweets": [*tweets_of(REPEATING), *tweets_of(OTHERS)]}}
    found = left(write, {"a.jsonl": lines(quoting), "b.jsonl": lines([page])}, flag("deleted", [GONE]))
    quoted = [json.loads(line)["quoted_status"] for line in found["a.jsonl"].splitlines()]
    assert quoted == [None] * len(REPEATING) + tweets_of(OTHERS)
    assert json.loads(found["b.jsonl"])["includes"]["tweets"] == tweets_of(OTHERS)


def test_records_of_tables_go_with_the_tweet_that_they_repeat(write: Write, flag: Flag) -> None:
    """Each shape in a table of its own, whose other records stay."""
    going = {f"{at}-goes.csv": shape(str(GONE)) for at, shape in enumerate(TABLES.values())}
    staying = {f"{at}-stays.csv": shape(str(GONE)) for at, shape in enumerate(OTHER_TABLES.values())}

    def table(cells: dict[str, Any], *, whole: bool) -> bytes:
        names = list(dict.fromkeys(("id", "author_id", "text", *cells)))
        sink = io.StringIO(newline="")
        writer = csv.DictWriter(sink, names, restval="")
        writer.writeheader()
        writer.writerow({"id": "6", "text": "words"})
        writer.writerows([{"id": "7", "text": "words", **cells}] if whole else [])
        writer.writerow({"id": "8", "text": "words"})
        return sink.getvalue().encode()

    files = {name: table(cells, whole=True) for name, cells in (going | staying).items()}
    found = left(write, files, flag("deleted", [GONE]))
    assert {name: found[name] for name in staying} == {name: files[name] for name in staying}
    assert {name: found[name] for name in going} == {name: table(cells, whole=False) for name, cells in going.items()}


def test_a_retweet_goes_with_the_author_of_what_it_repeats(write: Write, flag: Flag) -> None:
    """Where only the author of the original is told, beside its ID or in it."""
    shapes = [
        {"retweeted_id": "9", "retweeted_user_id": str(AUTHOR)},
        {"sourcetweet_id": "9", "sourcetweet_type": "retweeted", "sourcetweet_author_id": str(AUTHOR)},
        {"referenced_tweets": [{"type": "retweeted", "id": "9", "author_id": str(AUTHOR)}]},
        {"referenced_tweets": [{"type": "retweeted", "id": "9", "user": {"id": AUTHOR}}]},
    ]
    tweets = [{"id": str(at), "author_id": "5", "text": "words", **each} for at, each in enumerate(shapes, 100)]
    quoting = {"id": "4", "author_id": "5", "text": "words", "quoted_status": tweets[0]}
    found = left(write, {"a.jsonl": lines([*tweets, quoting])}, flag("suspended", [AUTHOR], "users"))
    assert [json.loads(line) for line in found["a.jsonl"].splitlines()] == [{**quoting, "quoted_status": None}]


def test_references_can_be_told(write: Write, flag: Flag) -> None:
    """An ID under a name of one's own is of what is repeated, unless another key says how."""
    told = [
        {"id": "5", "text": "", "of": str(GONE)},
        {"id": "6", "text": "", "sourcetweet_id": str(GONE), "sourcetweet_type": "quoted"},
    ]
    columns = cf.Columns("id", references=["of", "sourcetweet_id"])
    found = left(write, {"a.jsonl": lines(told)}, flag("deleted", [GONE]), columns=columns)
    assert found["a.jsonl"] == lines(told[1:])
