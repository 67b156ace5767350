"""A raw record that repeats what had to go is found, whatever the shape that says so, and in tweets that it holds."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import compliance_frames as cf
from compliance_frames.corpus.manifest import Manifest, manifest_path
from compliance_frames.errors import VerificationError
from compliance_frames.schemas import RESULTS
from tests.corpora.retweets import OTHER_TABLES, OTHERS, REPEATING, TABLES, Shape

GONE, AUTHOR = 1212161512043446272, 1400000000000000001
WHEN = datetime(2024, 5, 9, 12, tzinfo=UTC)
ANSWERS = [
    pa.Table.from_pylist(
        [{"type": type, "id": id, "action": "delete", "reason": "deleted", "job_id": 7, "checked_at": WHEN}], RESULTS
    )
    for type, id in (("tweets", GONE), ("users", AUTHOR))
]
Record = dict[str, Any]
FIRST: Record = {"id": "5", "author_id": "4", "text": "words"}


def lines(records: list[Record]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def table(records: list[Record]) -> bytes:
    sink = io.StringIO(newline="")
    writer = csv.DictWriter(sink, list(dict.fromkeys(name for record in records for name in record)), restval="")
    writer.writeheader()
    writer.writerows(records)
    return sink.getvalue().encode()


def accused(folder: Path, plants: dict[str, tuple[list[Record], list[Record]]]) -> dict[str, list[str]]:
    """For each file what is said of it, once other records stand in it; the manifest vouches for them."""
    written = {name: table if name.endswith(".csv") else lines for name in plants}
    (folder / "raw").mkdir()
    for name, (before, _) in plants.items():
        (folder / "raw" / name).write_bytes(written[name]([*before, {**before[0], "id": str(GONE)}]))
    cf.clean(cf.plan(folder / "raw", *ANSWERS), folder / "clean")
    manifest = Manifest.read(manifest_path(folder / "clean"))
    records = []
    for record in manifest.files:
        data = written[record.path](plants[record.path][1])
        (folder / "clean" / record.path).write_bytes(data)
        records.append(replace(record, bytes=len(data), sha256=sha256(data).hexdigest()))
    replace(manifest, files=tuple(records)).write(manifest_path(folder / "clean"))
    try:
        cf.verify(folder / "clean", *ANSWERS)
    except VerificationError as error:
        return {name: [each for each in error.problems if each.startswith(f"{name}: ")] for name in plants}
    return {name: [] for name in plants}


def plants_of(
    shapes: dict[str, Shape], ending: str, put: Callable[[Record], Record]
) -> dict[str, tuple[list[Record], list[Record]]]:
    found = {}
    for at, shape in enumerate(shapes.values()):
        cells = {**FIRST, "id": "7", **shape(str(GONE))}
        found[f"{at}.{ending}"] = ([FIRST, {**dict.fromkeys(cells, ""), **FIRST, "id": "7"}], [FIRST, put(cells)])
    return found


def quoting(tweet: Record) -> Record:
    return {**FIRST, "id": "8", "quoted_status": tweet}


@pytest.mark.parametrize("put", [dict, quoting], ids=["itself", "a quote"])
def test_what_repeats_what_had_to_go_is_found(tmp_path: Path, put: Callable[[Record], Record]) -> None:
    """Records, and tweets in them; what only quotes it, or replies to it, accuses nobody."""
    found = accused(tmp_path, plants_of(REPEATING, "jsonl", put))
    named = dict(zip(REPEATING, found.values(), strict=True))
    assert [name for name, told in named.items() if not any("repeat" in each or "hold" in each for each in told)] == []
    (tmp_path / "others").mkdir()
    assert not any(accused(tmp_path / "others", plants_of(OTHERS, "jsonl", put)).values())


def test_what_repeats_what_had_to_go_is_found_in_tables(tmp_path: Path) -> None:
    """The same for records of CSV."""
    found = accused(tmp_path, plants_of(TABLES, "csv", dict))
    named = dict(zip(TABLES, found.values(), strict=True))
    assert [name for name, told in named.items() if not any("repeat" in each or "hold" in each for each in told)] == []
    (tmp_path / "others").mkdir()
    assert not any(accused(tmp_path / "others", plants_of(OTHER_TABLES, "csv", dict)).values())


def test_the_author_of_what_is_repeated_is_found(tmp_path: Path) -> None:
    """Beside the ID of the original, or in what names it."""
    shapes: dict[str, Shape] = {
        "flat": lambda _: {"retweeted_id": "9", "retweeted_user_id": str(AUTHOR)},
        "listed": lambda _: {"referenced_tweets": [{"type": "retweeted", "id": "9", "author_id": str(AUTHOR)}]},
        "beside": lambda _: {
            **{"sourcetweet_id": "9", "sourcetweet_type": "retweeted", "sourcetweet_author_id": str(AUTHOR)}
        },
    }
    found = accused(tmp_path, plants_of(shapes, "jsonl", dict))
    assert all(any("holds a tweet of an author" in each for each in told) for told in found.values())


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_what_says_nothing_is_said_to_be_unknown(tmp_path: Path, ending: str) -> None:
    """A record that names what went, of which nobody knows whether it repeats it: the proof leaves that open."""
    write = table if ending == "csv" else lines
    (tmp_path / "raw").mkdir()
    silent = {**FIRST, "referenced_tweets": json.dumps([{"id": str(GONE)}])}
    (tmp_path / "raw" / f"a.{ending}").write_bytes(write([silent, {**FIRST, "id": str(GONE)}]))
    cf.clean(cf.plan(tmp_path / "raw", *ANSWERS), tmp_path / "clean")
    proof = cf.verify(tmp_path / "clean", *ANSWERS, source=tmp_path / "raw")
    assert any("does not say how the row stands to it" in each for each in proof.not_checked)
