"""The made corpus is true to its shape, and the same every time."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compliance_frames import sample
from compliance_frames.errors import DestinationError
from compliance_frames.ids import snowflake
from compliance_frames.ids.intake import read_ids


@pytest.fixture(scope="module")
def made() -> pa.Table:
    return sample.tweets(20_000, seed=3)


def test_ids_are_unique_sorted_and_say_when_they_were_made(made: pa.Table) -> None:
    """The time in an ID is ``created_at``, to the millisecond; intake takes the IDs without complaint."""
    ids = read_ids(made, id_column="id")
    assert (len(ids), ids.duplicates) == (20_000, 0)
    assert made.column("id").cast(pa.int64()).combine_chunks() == ids.values
    assert snowflake.times(ids.values) == made.column("created_at").combine_chunks()


def test_authors_have_a_long_tail_and_take_part_in_both_ages_of_ids(made: pa.Table) -> None:
    """Some accounts write a lot; some are older than Snowflakes, some are not."""
    authors = pl.from_arrow(made.select(["author_id"])).group_by("author_id").len()
    assert authors["len"].max() > 20 * authors["len"].median()
    numbers = np.array(authors["author_id"].to_list(), np.int64)
    assert 0.3 < (numbers < snowflake.FIRST).mean() < 0.7
    assert read_ids(made, id_column="author_id").nulls == 0


def test_references_point_at_earlier_tweets_and_never_at_a_retweet(made: pa.Table) -> None:
    """A retweet holds its original's text; a reply names its original's author."""
    frame = pl.from_arrow(made)
    refs = frame.explode("referenced_tweets").drop_nulls("referenced_tweets").unnest("referenced_tweets", separator=".")
    joined = refs.join(frame, left_on="referenced_tweets.id", right_on="id", how="left", suffix="_of_original")
    assert joined.height == refs.height > 8_000
    assert joined["text_of_original"].null_count() == 0
    assert (joined["created_at_of_original"] < joined["created_at"]).all()
    assert joined.filter(
        pl.col("referenced_tweets").list.eval(pl.element().struct["type"] == "retweeted").list.any()
    ).is_empty()
    retweets = joined.filter(pl.col("referenced_tweets.type") == "retweeted")
    assert all(text.endswith(original) for text, original in retweets.select("text", "text_of_original").rows())
    replies = joined.filter(pl.col("referenced_tweets.type") == "replied_to")
    assert (replies["in_reply_to_user_id"] == replies["author_id_of_original"]).all()
    assert set(joined["referenced_tweets.type"]) == {"retweeted", "replied_to", "quoted"}


def test_some_tweets_have_a_place_and_some_of_these_a_point(made: pa.Table) -> None:
    """About 3 % have geo; coordinates are longitude and latitude."""
    geo = pl.from_arrow(made).drop_nulls("geo").unnest("geo")
    assert 0.02 < geo.height / made.num_rows < 0.04
    assert geo["place_id"].null_count() == 0
    points = geo.drop_nulls("coordinates").unnest("coordinates")
    assert 0 < points.height < geo.height
    assert points["coordinates"].list.len().eq(2).all()
    assert points["coordinates"].list.get(0).abs().max() <= 180
    assert points["coordinates"].list.get(1).abs().max() <= 90


def test_words_are_of_several_scripts_and_awkward(made: pa.Table) -> None:
    """Line breaks, quotation marks and emoji are in it, as they are in real corpora."""
    texts = "".join(made.column("text").to_pylist())
    assert all(mark in texts for mark in ("\n", '"', "今日は", "مرة", "आज", "ö", "😀"))
    assert len(set(made.column("lang").to_pylist())) == 5


def test_the_same_seed_gives_the_same_corpus(tmp_path: Path) -> None:
    """Two corpora of one seed are the same to the byte; another seed gives another."""
    files = {
        name: [
            file.read_bytes() for file in sorted(sample.corpus(tmp_path / name, rows=300, seed=seed).rglob("*.parquet"))
        ]
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    }
    assert files["a"] == files["b"]
    assert files["a"] != files["c"]


def test_partitions_are_days_in_utc(tmp_path: Path) -> None:
    """Every file holds exactly its day, and DuckDB and polars open the folder."""
    folder = sample.corpus(tmp_path / "corpus", rows=3_000, seed=5, start=date(2024, 2, 28), days=3)
    assert [part.name for part in sorted(folder.iterdir())] == ["date=2024-02-28", "date=2024-02-29", "date=2024-03-01"]
    wrong = duckdb.execute(
        "SELECT count(*), count(*) FILTER (date <> (created_at AT TIME ZONE 'UTC')::date) FROM read_parquet(?)",
        [f"{folder}/**/*.parquet"],
    ).fetchall()
    assert wrong == [(3_000, 0)]
    assert pl.scan_parquet(folder).select(pl.len()).collect().item() == 3_000
    metadata = pq.ParquetFile(folder / "date=2024-02-28" / "part-0.parquet").metadata
    assert metadata.row_group(0).column(0).compression == "ZSTD"


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A folder with anything in it is refused; an empty one is taken."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DestinationError, match="not empty"):
        sample.corpus(tmp_path / "full", rows=10)
    assert sample.corpus(tmp_path / "empty", rows=10).exists()
    with pytest.raises(DestinationError, match="cannot be written"):
        sample.corpus(tmp_path / "full" / "a" / "b", rows=10)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty", "full"]


@pytest.mark.parametrize("options", [{"rows": 0}, {"rows": 1, "days": 0}])
def test_an_empty_corpus_is_refused(options: dict[str, int]) -> None:
    """A corpus has rows and days."""
    with pytest.raises(ValueError, match="at least 1"):
        sample.tweets(**options)


def test_one_row_is_a_corpus() -> None:
    """The smallest table has an original tweet and no reference."""
    assert sample.tweets(1).column("referenced_tweets").to_pylist() == [None]
