"""Each ecosystem with a made corpus: its raw form as the tool writes it, and Parquet as people make of that."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import polars as pl

from tests.corpora import flat, nested
from tests.corpora.tweets import Tweet


def is_among(key: str, keys: tuple[str, ...]) -> bool:
    """Whether a key is one of some; those that end in a dot begin keys."""
    return any(key == each or (each.endswith(".") and key.startswith(each)) for each in keys)


@dataclass(frozen=True)
class Ecosystem:
    """A way to write tweets down.

    Attributes:
        name: of the tool or the format.
        row: a tweet as an object of JSON, or a line of a table.
        form: of the raw file.
        reader: how people make Parquet of it.
        geo: keys of the places of a row, and of a tweet inside of one.
        embedded: keys under which other tweets stand whole.
        quote: keys of a flat table that hold what a quoted tweet says; those that end in a dot begin such keys.
        bare: keys that begin so and hold IDs, which stay.
        knows_originals: whether a retweet tells the ID of what it repeats.
        knows_authors: whether authors have their own IDs.
    """

    name: str
    row: Callable[[Tweet], dict[str, Any]]
    form: Literal["jsonl", "csv"]
    reader: Literal["pandas", "polars", "json_normalize"]
    geo: tuple[str, ...] = ()
    embedded: tuple[str, ...] = ()
    quote: tuple[str, ...] = ()
    bare: tuple[str, ...] = ()
    knows_originals: bool = True
    knows_authors: bool = True

    def says_where(self, key: str) -> bool:
        """Whether a key is one of places."""
        return is_among(key, self.geo)

    def write_raw(self, path: Path, tweets: list[Tweet]) -> Path:
        """Write the tweets as the tool does."""
        rows = [self.row(tweet) for tweet in tweets]
        with path.open("w", encoding="utf-8", newline="") as file:
            if self.form == "jsonl":
                file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            else:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
        return path

    def write_parquet(self, raw: Path, path: Path) -> Path:
        """Make Parquet of a raw file with a line of the library that people use for it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        if self.form == "jsonl" and self.reader == "polars":
            pl.read_ndjson(raw, infer_schema_length=None).write_parquet(path, row_group_size=97)
        elif self.form == "jsonl" and self.reader == "json_normalize":
            objects = [json.loads(line) for line in raw.read_text("utf-8").splitlines()]
            pd.json_normalize(objects).to_parquet(path, row_group_size=97)
        elif self.form == "jsonl":
            objects = [json.loads(line) for line in raw.read_text("utf-8").splitlines()]
            pd.DataFrame(objects).to_parquet(path, row_group_size=97)
        elif self.reader == "polars":
            pl.read_csv(raw, infer_schema_length=None).write_parquet(path, row_group_size=97)
        else:
            pd.read_csv(raw, dtype=str).to_parquet(path, row_group_size=97)
        return path


def _as_text(
    row: Callable[[Tweet], dict[str, Any]], spelled: Callable[[Any], str]
) -> Callable[[Tweet], dict[str, Any]]:
    """Rows with objects as text, as they come to stand in a CSV; with their author's ID beside, if the tool has it."""

    def made(tweet: Tweet) -> dict[str, Any]:
        told = {key: spelled(value) if isinstance(value, dict | list) else value for key, value in row(tweet).items()}
        return told | ({"user_id": str(tweet.author)} if "id_str" in told else {})

    return made


ECOSYSTEMS = (
    Ecosystem("v2", nested.v2, "jsonl", "polars", geo=("geo",)),
    Ecosystem(
        "v2 wrapped and flattened",
        lambda tweet: {"data": nested.v2(tweet)},
        "jsonl",
        "json_normalize",
        geo=("data.geo", "data.geo."),
    ),
    Ecosystem("twarc2 flatten", nested.flattened, "jsonl", "polars", geo=("geo",), embedded=("referenced_tweets",)),
    Ecosystem(
        "v1.1",
        nested.v1,
        "jsonl",
        "pandas",
        geo=("geo", "coordinates", "place"),
        embedded=("retweeted_status", "quoted_status"),
    ),
    Ecosystem(
        "v1.1 flattened",
        nested.v1,
        "jsonl",
        "json_normalize",
        geo=("geo", "geo.", "coordinates", "coordinates.", "place", "place."),
        quote=("quoted_status.",),
        bare=("quoted_status.id", "quoted_status.id_str", "quoted_status.user.id", "quoted_status.user.id_str"),
    ),
    Ecosystem(
        "Gnip",
        nested.gnip,
        "jsonl",
        "polars",
        geo=("geo", "location"),
        embedded=("object", "twitter_quoted_status"),
    ),
    *(
        Ecosystem(
            name,
            row,
            "jsonl",
            "polars",
            geo=("place", "coordinates"),
            embedded=("retweetedTweet", "quotedTweet"),
        )
        for name, row in (("snscrape", nested.snscrape), ("twscrape", nested.twscrape))
    ),
    Ecosystem(
        "twarc-csv",
        flat.twarc_csv,
        "csv",
        "pandas",
        geo=tuple(
            f"geo.{name}"
            for name in (
                *("coordinates.coordinates", "coordinates.type", "country", "country_code", "full_name"),
                *("geo.bbox", "geo.type", "id", "name", "place_id", "place_type"),
            )
        ),
    ),
    Ecosystem("twarc 1 csv", flat.twarc1_csv, "csv", "polars", geo=("coordinates", "place")),
    Ecosystem(
        "academictwitteR",
        flat.academictwitter,
        "csv",
        "pandas",
        quote=("sourcetweet_text", "sourcetweet_lang"),
    ),
    Ecosystem(
        "rtweet",
        flat.rtweet,
        "csv",
        "pandas",
        geo=(
            *("place_url", "place_name", "place_full_name", "place_type", "country", "country_code"),
            *("geo_coords", "coords_coords", "bbox_coords"),
        ),
        quote=("quoted_text", "quoted_created_at", "quoted_favorite_count", "quoted_screen_name", "quoted_location"),
    ),
    Ecosystem(
        "gazouilloire",
        flat.gazouilloire,
        "csv",
        "polars",
        geo=("lat", "lng", "place_country_code", "place_name", "place_type", "place_coordinates"),
    ),
    Ecosystem("DMI-TCAT", flat.tcat, "csv", "polars", geo=("lat", "lng"), knows_originals=False),
    Ecosystem(
        "X information operations",
        flat.information_operations,
        "csv",
        "pandas",
        geo=("latitude", "longitude"),
        knows_authors=False,
    ),
)

#: Rows whose other tweets are text: nobody can tell the tool by the columns that are left.
AS_TEXT = tuple(
    Ecosystem(
        f"{name} csv, others in {spelling}",
        _as_text(row, spelled),
        "csv",
        reader,
        geo=("place", "coordinates", "geo"),
        embedded=("retweetedTweet", "quotedTweet") if name != "v1.1" else ("retweeted_status", "quoted_status"),
        knows_authors=name != "snscrape",
    )
    for name, row, spelling, spelled, reader in (
        ("snscrape", nested.snscrape, "Python", repr, "pandas"),
        ("twscrape", nested.twscrape, "JSON", json.dumps, "polars"),
        ("v1.1", nested.v1, "JSON", json.dumps, "pandas"),
    )
)
