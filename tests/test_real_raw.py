"""Real tweets from their raw JSON: cleaned as they lie there, and taken in and cleaned. A plain loop says the same."""

from __future__ import annotations

import gzip
import json
import shutil
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from compliance_frames.cli import main
from compliance_frames.corpus.manifest import Manifest, manifest_path
from compliance_frames.emulator import Emulator, Fates

#: More scrubbing than the default has, as few of these tweets hold a place.
SHARES: Any = {
    "tweets": {"suspended": 0.1, "deleted": 0.05, "protected": 0.02, "scrub_geo": 0.3},
    "users": {"suspended": 0.05, "deleted": 0.02, "scrub_geo": 0.1},
}
TWEETS, INCLUDED = "tweets.jsonl.gz", "included_tweets.jsonl.gz"
Record = dict[str, Any]


@dataclass
class Ran:
    """Raw files, and the cleaned copies of them and of the Parquet dataset that they were taken into.

    Tweets that were included with others were taken in too; they do not lie among the raw files that were cleaned.
    """

    source: Path
    raw: Path
    clean: Path
    corpus: Path
    clean_corpus: Path
    fates: Fates


@pytest.fixture(scope="module")
def ran(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("real")
    source, names = shared / "real_tweets", ("raw", "clean", "corpus", "clean_corpus")
    found = Ran(source, *(folder / name for name in names), fates=Fates(seed=11, shares=SHARES))
    found.raw.mkdir()
    for path in source.glob("*.jsonl.gz"):
        if path.name != INCLUDED:
            shutil.copyfile(path, found.raw / path.name)
    with pytest.MonkeyPatch.context() as settings, Emulator(fates=found.fates, processing=timedelta(0)) as service:
        settings.setenv("X_BEARER_TOKEN", service.bearer_token)
        settings.setenv("COMPLIANCE_FRAMES_BASE_URL", service.base_url)
        for command in (
            ["run", found.raw, found.clean, "--poll", "0.02s"],
            ["ingest", source / TWEETS, source / INCLUDED, found.corpus],
            ["run", found.corpus, found.clean_corpus, "--poll", "0.02s"],
        ):
            assert main(list(map(str, command))) == 0
    return found


def lines_of(path: Path) -> list[bytes]:
    return gzip.decompress(path.read_bytes()).splitlines(keepends=True)


class Plainly:
    """What has to become of tweets: one decision after the other, in dictionaries."""

    def __init__(self, fates: Fates, tweets: list[Record], users: list[Record] = ()) -> None:  # type: ignore[assignment]
        named = {each["id"] for tweet in tweets for each in self.references(tweet)}
        ids = sorted({tweet["id"] for tweet in tweets} | named)
        authors = sorted({tweet["author_id"] for tweet in tweets} | {user["id"] for user in users})
        self.tweets = dict(zip(ids, fates.of(list(map(int, ids)), "tweets").to_pylist(), strict=True))
        self.users = dict(zip(authors, fates.of(list(map(int, authors)), "users").to_pylist(), strict=True))
        self.gone = {id for id, reason in self.tweets.items() if self.drops(reason)}
        self.gone |= {tweet["id"] for tweet in tweets if self.drops(self.users[tweet["author_id"]])}

    @staticmethod
    def drops(reason: str | None) -> bool:
        return reason not in (None, "scrub_geo")

    @staticmethod
    def references(tweet: Record) -> list[Record]:
        return tweet.get("referenced_tweets") or []  # an empty one is {} here

    def goes(self, tweet: Record) -> bool:
        repeated = {each["id"] for each in self.references(tweet) if each["type"] == "retweeted"}
        return bool(({tweet["id"]} | repeated) & self.gone)

    def scrubs(self, tweet: Record) -> bool:
        return bool(tweet.get("geo")) and "scrub_geo" in (self.tweets[tweet["id"]], self.users[tweet["author_id"]])


@pytest.fixture(scope="module")
def plainly(ran: Ran) -> Plainly:
    tweets, users = ([json.loads(line) for line in lines_of(ran.raw / name)] for name in (TWEETS, "users.jsonl.gz"))
    return Plainly(ran.fates, tweets, users)


def test_raw_lines_stay_byte_for_byte(ran: Ran, plainly: Plainly) -> None:
    """Lines go, lose their place, or stay as they are; retweets go with tweets of which there is no line, too."""
    lines = lines_of(ran.raw / TWEETS)
    there = {json.loads(line)["id"] for line in lines}
    expected, scrubbed, elsewhere = [], 0, 0
    for line in lines:
        tweet = json.loads(line)
        if plainly.goes(tweet):
            repeated = {each["id"] for each in plainly.references(tweet) if each["type"] == "retweeted"}
            elsewhere += tweet["id"] not in plainly.gone and not repeated & plainly.gone & there
            continue
        if plainly.scrubs(tweet):
            place = json.dumps(tweet["geo"], separators=(",", ":"), ensure_ascii=False).encode()
            assert line.count(b'"geo":' + place) == 1
            line, scrubbed = line.replace(b'"geo":' + place, b'"geo":null'), scrubbed + 1
        expected.append(line)
    assert lines_of(ran.clean / TWEETS) == expected
    assert 100 < len(expected) < len(lines)
    assert scrubbed > 0 < elsewhere


def test_users_and_places_lie_beside_them(ran: Ran, plainly: Plainly) -> None:
    """Profiles of those who went go, others stay to the byte; a file that holds no tweets is copied."""
    users = lines_of(ran.raw / "users.jsonl.gz")
    staying = [line for line in users if not plainly.drops(plainly.users[json.loads(line)["id"]])]
    assert lines_of(ran.clean / "users.jsonl.gz") == staying
    assert 0 < len(staying) < len(users)
    places = "included_places.jsonl.gz"
    assert (ran.clean / places).read_bytes() == (ran.raw / places).read_bytes()


def test_every_raw_line_is_accounted_for(ran: Ran) -> None:
    """What came in stayed or went, by the manifest and in the files; the runs proved both copies."""
    manifest = Manifest.read(manifest_path(ran.clean))
    counted = {record.path: (record.rows_in, record.rows_kept, record.rows_dropped) for record in manifest.files}
    for name in (TWEETS, "users.jsonl.gz"):
        before, after = len(lines_of(ran.raw / name)), len(lines_of(ran.clean / name))
        assert counted.pop(name) == (before, after, before - after)
    assert counted == {"included_places.jsonl.gz": (None, None, 0)}


def plain(value: Any) -> Any:
    """A value without what is empty: raw JSON leaves it out, or writes {} in its place."""
    if isinstance(value, dict):
        found = {name: plain(each) for name, each in value.items()}
        return {name: each for name, each in found.items() if each not in (None, {}, [])}
    return [plain(each) for each in value] if isinstance(value, list) else value


def test_rows_that_were_taken_in_agree_with_a_plain_loop(ran: Ran) -> None:
    """Raw JSON to Parquet to its cleaned copy: the same rows with the same values as of the lines themselves."""
    tweets = [json.loads(line) for name in (TWEETS, INCLUDED) for line in lines_of(ran.source / name)]
    plainly = Plainly(ran.fates, tweets)
    expected = []
    for tweet in tweets:
        if not plainly.goes(tweet):
            expected.append(plain({**tweet, "geo": {}} if plainly.scrubs(tweet) else tweet))

    def rows(folder: Path) -> list[Record]:
        paths = sorted(folder.rglob("*.parquet"))
        found = [(path, plain(row)) for path in paths for row in pq.ParquetFile(path).read().to_pylist()]
        assert all(path.parent.name == f"date={row['created_at'][:10]}" for path, row in found)
        return [row for _, row in found]

    def sorted_lines(records: list[Record]) -> list[str]:
        return sorted(json.dumps(record, sort_keys=True) for record in records)

    assert sorted_lines(rows(ran.corpus)) == sorted_lines(list(map(plain, tweets)))
    assert sorted_lines(rows(ran.clean_corpus)) == sorted_lines(expected)
    assert len(expected) < len(tweets)
