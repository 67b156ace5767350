"""Made tweets as plain objects, for each ecosystem to write in its own way: true Snowflakes, nobody's words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any

from compliance_frames import sample


@dataclass(frozen=True)
class Place:
    """Where a tweet was written; ``point`` is longitude and latitude, as GeoJSON has them."""

    id: str
    point: tuple[float, float] | None

    @property
    def name(self) -> str:
        return f"Town {self.id[:4]}"


@dataclass(frozen=True)
class Tweet:
    """One tweet; ``kind`` says how it stands to ``other``: retweeted, quoted, replied_to, or an empty text."""

    id: int
    author: int
    text: str
    lang: str
    time: datetime
    kind: str
    other: Tweet | None
    place: Place | None

    @property
    def screen_name(self) -> str:
        return f"account_{self.author % 10_000}"

    def of(self, kind: str) -> Tweet | None:
        """The other tweet, where this one stands to it like that."""
        return self.other if self.kind == kind else None

    def iso(self, form: str = "%Y-%m-%dT%H:%M:%S.000Z") -> str:
        return self.time.strftime(form)


def made(rows: int, seed: int) -> list[Tweet]:
    """Tweets in the order of their IDs; those that others refer to are among them, before these, and no retweets."""
    rng, found, originals = Random(seed), list[Tweet](), list[Tweet]()
    for row in sample.tweets(rows, seed=seed, days=3).to_pylist():
        kind = row["referenced_tweets"][0]["type"] if row["referenced_tweets"] else ""
        other = rng.choice(originals) if kind else None
        tweet = Tweet(
            id=int(row["id"]),
            author=int(row["author_id"]),
            text=other.text if other and kind == "retweeted" else row["text"],
            lang=row["lang"],
            time=row["created_at"].astimezone(UTC).replace(microsecond=0),
            kind=kind,
            other=other,
            place=_place(row["geo"], int(row["id"])),
        )
        found.append(tweet)
        originals += [tweet] if kind != "retweeted" else []
    return found


def _place(geo: dict[str, Any] | None, id: int) -> Place | None:
    """The place of a tweet; more of them than the sample has, so that quoted tweets have some, too."""
    if geo is None:
        return None if id % 7 else Place(f"{id % 0xFFFF:016x}", (id % 180 + 0.5, id % 60 + 0.25))
    point = geo["coordinates"]
    return Place(geo["place_id"], None if point is None else (point["coordinates"][0], point["coordinates"][1]))
