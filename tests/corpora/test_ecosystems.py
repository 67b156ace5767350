"""Whichever tool wrote a corpus, it is cleaned without a word about its columns, and a plain loop says the same."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import compliance_frames as cf
from compliance_frames.schemas import RESULTS
from tests.corpora.ecosystems import AS_TEXT, ECOSYSTEMS, Ecosystem, is_among
from tests.corpora.tweets import Tweet, made

ROWS = 500


@pytest.fixture(scope="module")
def tweets() -> list[Tweet]:
    return made(ROWS, seed=7)


class Fates:
    """Which tweets and authors of a corpus have to go, or lose their places: some of each kind there is."""

    def __init__(self, tweets: list[Tweet], *, authors: bool, geo: bool) -> None:
        others = {kind: [t.other for t in tweets if t.kind == kind] for kind in ("retweeted", "quoted", "replied_to")}
        plain = [tweet.id for tweet in tweets if not tweet.kind][::40]
        self.tweets = {*plain, *(other.id for some in others.values() for other in some[::5] if other)}
        written = sorted({tweet.author for tweet in tweets}, key=lambda a: [t.author for t in tweets].count(a))
        self.authors = set(written[len(written) // 2 :: 9]) if authors else set()
        self.bare = {t.id for t in tweets if t.place} - self.tweets if geo else set()
        self.bare -= set(sorted(self.bare)[::3])

    def gone(self, tweet: Tweet) -> bool:
        return tweet.id in self.tweets or tweet.author in self.authors

    def results(self) -> list[pa.Table]:
        return [
            _results("tweets", "deleted", self.tweets),
            _results("tweets", "scrub_geo", self.bare),
            *([_results("users", "suspended", self.authors)] if self.authors else []),
        ]


def _results(type: str, reason: str, ids: set[int]) -> pa.Table:
    told = {
        "type": type,
        "action": "delete",
        "reason": reason,
        "job_id": 1,
        "checked_at": datetime(2024, 5, 1, tzinfo=UTC),
    }
    return pa.Table.from_pylist([{**told, "id": id} for id in sorted(ids)], schema=RESULTS)


def by_loop(
    ecosystem: Ecosystem, tweets: list[Tweet], rows: list[dict[str, Any]], fates: Fates
) -> list[dict[str, Any]]:
    """What has to be left of some rows, told by the tweets that they were made of."""
    kept = []
    for tweet, row in zip(tweets, rows, strict=True):
        original = tweet.of("retweeted")
        if fates.gone(tweet) or (original and ecosystem.knows_originals and fates.gone(original)):
            continue
        row = _without_places(ecosystem, row) if tweet.id in fates.bare else dict(row)
        for key in ecosystem.embedded if tweet.other else ():
            row[key] = _other(ecosystem, row[key], tweet.other, fates)
        if tweet.kind == "quoted":
            row = _flat_quote(ecosystem, row, tweet.other, fates)
        kept.append(row)
    return kept


def _flat_quote(ecosystem: Ecosystem, row: dict[str, Any], other: Tweet, fates: Fates) -> dict[str, Any]:
    """A row of a flat table without what the other tweet says, or without its places."""
    mine = {key for key in row if is_among(key, ecosystem.quote) and key not in ecosystem.bare}
    if fates.gone(other):
        return row | dict.fromkeys(mine)
    if other.id not in fates.bare:
        return row
    begins = [start for start in ecosystem.quote if start.endswith(".")]
    return row | dict.fromkeys(key for key in mine for start in begins if ecosystem.says_where(key[len(start) :]))


def _other(ecosystem: Ecosystem, value: Any, other: Tweet, fates: Fates) -> Any:
    if value is None or (isinstance(value, dict) and not _is_of(value, other)):
        return value
    if fates.gone(other):
        return [] if isinstance(value, list) else None
    if other.id not in fates.bare:
        return value
    if isinstance(value, str):  # nobody writes text anew: what holds a place goes whole
        return None
    bare = [_without_places(ecosystem, each) for each in (value if isinstance(value, list) else [value])]
    return bare if isinstance(value, list) else bare[0]


def _is_of(value: dict[str, Any], other: Tweet) -> bool:
    """Whether a struct holds the other tweet: Gnip's ``object`` is the row's own where nothing is shared."""
    return str(value["id"]).endswith(str(other.id))


def _without_places(ecosystem: Ecosystem, row: dict[str, Any]) -> dict[str, Any]:
    return {key: None if ecosystem.says_where(key) else value for key, value in row.items()}


@pytest.mark.parametrize("ecosystem", [*ECOSYSTEMS, *AS_TEXT], ids=lambda each: each.name)
def test_a_corpus_of_any_tool_is_cleaned_without_an_option(
    tmp_path: Path, tweets: list[Tweet], ecosystem: Ecosystem
) -> None:
    """Raw file, Parquet, plan, clean, verify: what is left is, row for row, what a loop over the tweets leaves."""
    source = ecosystem.write_parquet(
        ecosystem.write_raw(tmp_path / f"raw.{ecosystem.form}", tweets), tmp_path / "corpus" / "part-0.parquet"
    )
    fates = Fates(tweets, authors=ecosystem.knows_authors, geo=bool(ecosystem.geo))
    results = fates.results()
    report = cf.clean(cf.plan(tmp_path / "corpus", *results), tmp_path / "clean")
    assert cf.verify(tmp_path / "clean", *results, source=tmp_path / "corpus").verified

    before = pq.ParquetFile(source).read().to_pylist()
    expected = by_loop(ecosystem, tweets, before, fates)
    assert pq.ParquetFile(tmp_path / "clean" / "part-0.parquet").read().to_pylist() == expected
    assert report.rows_dropped == len(before) - len(expected) > len(fates.tweets)
