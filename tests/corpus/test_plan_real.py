"""Plans of real tweets: text IDs, nested places, retweets, one file a day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compliance_frames.corpus.erase import erase
from compliance_frames.corpus.frames import apply
from compliance_frames.corpus.plan import plan

Flag = Callable[..., pa.Table]


@pytest.fixture(scope="module")
def corpus(shared: Path) -> Path:
    """The dataset of real tweets, read in place."""
    folder = shared / "real_tweets" / "corpus"
    if not folder.is_dir():
        pytest.skip(f"no real tweets at {folder}")
    return folder


@pytest.fixture(scope="module")
def rows(corpus: Path) -> list[dict[str, Any]]:
    """Every tweet of it, as dictionaries."""
    paths = sorted(corpus.rglob("*.parquet"))
    columns = ["id", "author_id", "referenced_tweets", "geo"]
    return [row for path in paths for row in pq.ParquetFile(path).read(columns=columns).to_pylist()]


def originals(row: dict[str, Any]) -> set[int]:
    return {int(each["id"]) for each in row["referenced_tweets"] or [] if each["type"] == "retweeted"}


def test_a_plan_of_real_tweets_drops_what_a_loop_drops(corpus: Path, rows: list[dict[str, Any]], flag: Flag) -> None:
    """Tweets, authors, retweets of both and places, counted by the plainest program, are what the plan counts."""
    retweeted = Counter(original for row in rows for original in originals(row))
    tweets = {int(row["id"]) for row in rows[::50]} | {original for original, _ in retweeted.most_common(5)}
    authors = {int(author) for author, _ in Counter(row["author_id"] for row in rows[500:]).most_common(20)}
    places = {int(row["id"]) for row in rows if row["geo"]} - tweets
    assert places
    gone = tweets | {int(row["id"]) for row in rows if int(row["author_id"]) in authors}
    dropped = [row for row in rows if int(row["id"]) in gone or originals(row) & gone]
    scrubbed = [row for row in rows if row["geo"] and int(row["id"]) in places and row not in dropped]

    made = plan(corpus, flag("deleted", tweets), flag("scrub_geo", places), flag("suspended", authors, "users"))

    assert made.rows_in == len(rows)
    assert made.rows_dropped == len(dropped) > len(tweets & {int(row["id"]) for row in rows})
    assert made.rows_scrubbed == len(scrubbed) > 0


def test_cleaning_real_tweets_leaves_nothing_to_clean(corpus: Path, rows: list[dict[str, Any]], flag: Flag) -> None:
    """What erase takes from each file is what the plan said, and a second look finds nothing more."""
    results = [
        flag("deleted", [int(row["id"]) for row in rows[::7]]),
        flag("scrub_geo", [int(row["id"]) for row in rows[1::7]]),
    ]
    made = plan(corpus, *results)
    for file in made.files:
        table = pq.ParquetFile(corpus / file.path).read()
        assert file.columns is not None
        clean, counts = erase(table, file.columns, made.erasures)
        assert counts == file.counts
        assert clean.schema.equals(table.schema, check_metadata=True)
        assert not erase(clean, file.columns, made.erasures)[1].touched
        assert apply(table, *results).equals(clean)


def test_a_flagged_id_of_one_day_reads_few_files(corpus: Path, rows: list[dict[str, Any]], flag: Flag) -> None:
    """Files of days that cannot hold the ID are ruled out by their statistics alone, text IDs or not."""
    made = plan(corpus, flag("deleted", [int(rows[0]["id"])]))
    assert made.rows_dropped >= 1
    assert sum(file.why.startswith("its statistics") for file in made.files) > len(made.files) / 2
