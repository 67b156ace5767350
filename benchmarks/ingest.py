"""Claim: raw tweets become a partitioned dataset strictly, at 0.8 of DuckDB's speed or more, in less than 1 GB.

    python benchmarks/ingest.py --gigabytes 5 --rounds 3 --json ingest.json

The file holds objects of X's API v2, one a line, in the order of their time, packed with gzip in many members. DuckDB's
`read_json` guesses the schema from its first 20,480 rows and takes what a line says twice or otherwise as it comes; its
`COPY … PARTITION_BY` packs with snappy, ours with zstd. Both work on all cores. Takes disk for the file once, and for
what is made of it once more and a half.
"""

from __future__ import annotations

import gzip
import json
import random
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import rounds

_UNIT = 200_000  # rows of a month; members repeat them
_EPOCH = 1_288_834_974_657
_START = int(datetime(2021, 1, 1, tzinfo=UTC).timestamp() * 1000)


def ours(clock: rounds.Clock, path: str) -> Any:
    from compliance_frames import ingest

    with tempfile.TemporaryDirectory(dir=Path(path).parent) as folder:
        with clock:
            ingest(path, Path(folder, "out"))
        return _agreement(Path(folder, "out"))


def duckdb(clock: rounds.Clock, path: str) -> Any:
    import duckdb

    with tempfile.TemporaryDirectory(dir=Path(path).parent) as folder:
        with clock:
            duckdb.execute(
                "COPY (SELECT *, CAST(created_at AS DATE) AS date FROM read_json(?, format = 'newline_delimited')) "
                f"TO '{folder}/out' (FORMAT parquet, PARTITION_BY (date))",
                [path],
            )
        return _agreement(Path(folder, "out"))


CONTENDERS = {"compliance_frames": ours, "duckdb": duckdb}


def _agreement(dataset: Path) -> dict[str, Any]:
    """Rows, and the sum of their hashes, one file after the other; nested columns by what is in them."""
    import polars as pl

    metrics = ("retweet_count", "reply_count", "like_count", "quote_count", "impression_count")
    point = pl.col("geo").struct.field("coordinates").struct.field("coordinates")
    when = pl.col("created_at").cast(pl.String).str.replace("T", " ").str.replace("Z", "").str.slice(0, 19)
    referenced = pl.element().struct.field("type") + pl.element().struct.field("id").cast(pl.String)
    columns = [
        *(pl.col(name).cast(pl.String) for name in ("id", "author_id", "conversation_id", "in_reply_to_user_id")),
        *(pl.col(name) for name in ("text", "lang", "source", "possibly_sensitive")),
        *(pl.col("public_metrics").struct.field(name).cast(pl.Int64) for name in metrics),
        when,
        pl.col("referenced_tweets").list.eval(referenced).list.join(" "),
        pl.col("entities").struct.field("hashtags").list.eval(pl.element().struct.field("tag")).list.join(" "),
        pl.col("geo").struct.field("place_id"),
        point.list.first().alias("longitude"),
        point.list.last().alias("latitude"),
    ]
    rows = total = 0
    days: dict[str, int] = {}
    for path in sorted(dataset.rglob("*.parquet")):
        for part in pl.read_parquet(path, hive_partitioning=False).iter_slices(200_000):
            told = rounds.agreement(part.select(columns))
            rows, total = rows + told["rows"], total + int(told["hash"], 16)
            days[path.parent.name] = days.get(path.parent.name, 0) + told["rows"]
    return {"rows": rows, "hash": f"{total % 2**64:016x}", "days": len(days), "largest": max(days.values())}


def _tweets(rng: random.Random, rows: int) -> Iterator[dict[str, Any]]:
    words = [f"w{number}" * (1 + number % 3) for number in range(5_000)]
    for number in range(rows):
        ms = _START + 27 * 86_400_000 * number // rows + rng.randrange(600_000)
        yield _tweet(rng, words, ms)


def _tweet(rng: random.Random, words: list[str], ms: int) -> dict[str, Any]:
    id, kind = (ms - _EPOCH) << 22 | rng.getrandbits(22), rng.random()
    stands = {"start": 3, "end": 26}
    urls = [
        {
            **stands,
            "url": f"https://t.co/{rng.getrandbits(40):x}",
            "expanded_url": f"https://example.org/{rng.getrandbits(64):x}",
        }
    ]
    tags = [{**stands, "tag": rng.choice(words)} for _ in range(rng.randint(1, 3))]
    mentions = [{**stands, "username": rng.choice(words), "id": str(rng.getrandbits(50))}]
    domain = {"id": "65", "name": "Interests and Hobbies Vertical", "description": "A grouping of interests"}
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    tweet: dict[str, Any] = {
        "edit_history_tweet_ids": [str(id)],
        "id": str(id),
        "author_id": str(rng.getrandbits(40)),
        "created_at": f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03}Z",
        "text": " ".join(rng.choices(words, k=rng.randint(5, 35))) + "\n😀é",
        "lang": rng.choice(["en", "de", "ja"]),
        "conversation_id": str(id),
        "entities": {
            name: some
            for name, some in (("urls", urls), ("hashtags", tags), ("mentions", mentions))
            if rng.random() < 0.5
        },
        "public_metrics": {
            "retweet_count": rng.randint(0, 99),
            "reply_count": 0,
            "like_count": rng.randint(0, 999),
            "quote_count": 0,
            "impression_count": rng.randint(0, 9_999),
        },
        "possibly_sensitive": False,
        "reply_settings": "everyone",
        "source": "Web App",
    }
    if kind < 0.5:
        tweet["referenced_tweets"] = [
            {"type": rng.choice(["retweeted", "quoted"]), "id": str(id - rng.getrandbits(40))}
        ]
    if kind < 0.05:
        point = {"type": "Point", "coordinates": [round(rng.uniform(-180, 180), 6), round(rng.uniform(-90, 90), 6)]}
        tweet["geo"] = {"place_id": f"{rng.getrandbits(64):016x}", "coordinates": point}
    if kind < 0.3:
        entity = {"id": str(rng.getrandbits(60)), "name": rng.choice(words)}
        tweet["context_annotations"] = [{"domain": domain, "entity": entity}] * rng.randint(1, 4)
    if kind > 0.9:
        tweet["attachments"] = {"media_keys": [f"3_{rng.getrandbits(60)}"]}
    elif kind > 0.5:
        tweet["in_reply_to_user_id"] = str(rng.getrandbits(40))
    return tweet


def make(path: Path, *, gigabytes: float, months: int) -> None:
    """A packed file of about that size: a month's rows, the other months' alike, each as often as it takes."""
    wanted = int(gigabytes * 1e9)
    rows = min(_UNIT, max(2_000, int(wanted / months / 210)))
    lines = "".join(
        json.dumps(tweet, ensure_ascii=False, separators=(",", ":")) + "\n" for tweet in _tweets(random.Random(0), rows)
    ).encode()
    with path.open("wb") as file:
        for month in range(1, months + 1):
            dated = lines.replace(b'"created_at":"2021-01-', f'"created_at":"2021-{month:02}-'.encode())
            member = gzip.compress(dated, 6, mtime=0)
            while file.tell() < wanted * month // months:
                file.write(member)


def main() -> None:
    parser = rounds.options(__doc__)
    parser.add_argument("--gigabytes", type=float, default=0.1)
    parser.add_argument("--months", type=int, choices=range(1, 13), default=12, help="that the tweets spread over")
    given = parser.parse_args()
    name = f"ingest-{given.gigabytes:g}-{given.months}.jsonl.gz"
    path = rounds.cached(name, partial(make, gigabytes=given.gigabytes, months=given.months))
    megabytes = path.stat().st_size / 1e6
    rounds.main(given, CONTENDERS, {f"{given.gigabytes:g} GB of .jsonl.gz": ([str(path)], megabytes, "MB packed")})


if __name__ == "__main__":
    main()
