"""Whichever tool wrote raw files, they become a dataset, and then a cleaned one, without an option."""

from __future__ import annotations

import bz2
import csv
import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import compliance_frames as cf
from compliance_frames.ids.parse import parse_values
from tests.corpora.ecosystems import AS_TEXT, ECOSYSTEMS, Ecosystem
from tests.corpora.test_ecosystems import Fates, by_loop
from tests.corpora.tweets import Tweet, made

ROWS = 150
PACKS: list[tuple[str, Callable[[bytes], bytes]]] = [("", bytes), (".gz", gzip.compress), (".bz2", bz2.compress)]
#: Answers are unwrapped on the way; what is flattened by pandas alone is not another raw form.
RAW = [
    replace(each, geo=("geo",)) if each.name == "v2 wrapped and flattened" else each
    for each in (*ECOSYSTEMS, *AS_TEXT)
    if each.name != "v1.1 flattened"
]


@pytest.fixture(scope="module")
def tweets() -> list[Tweet]:
    return made(ROWS, seed=7)


def written(ecosystem: Ecosystem, tweets: list[Tweet], folder: Path) -> list[dict[str, Any]]:
    """Raw files, packed in several ways; and the rows that they hold, as a plain loop reads them."""
    folder.mkdir()
    rows: list[dict[str, Any]] = []
    for at, (end, pack) in enumerate(PACKS):
        path = ecosystem.write_raw(folder / f"{at}.{ecosystem.form}", tweets[at :: len(PACKS)])
        rows += by_plain_loop(path)
        content = path.read_bytes()
        path.unlink()
        path.with_name(path.name + end).write_bytes(pack(content))
    return rows


def by_plain_loop(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8", newline="") as file:
        if path.suffix == ".csv":
            return list(csv.DictReader(file))
        every = [json.loads(line) for line in file]
    return [row.get("data", row) for row in every]


def rows_of(folder: Path) -> list[dict[str, Any]]:
    return [row for path in sorted(folder.rglob("*.parquet")) for row in pq.ParquetFile(path).read().to_pylist()]


def bare(value: Any) -> Any:
    """A value without what is nothing: JSON leaves names out where a table has nulls."""
    if isinstance(value, dict):
        return {name: found for name, item in value.items() if (found := bare(item)) not in (None, "", {})}
    return [bare(item) for item in value] if isinstance(value, list) else value


def at(row: dict[str, Any], path: str) -> int:
    """The ID that stands at a path."""
    value: Any = row if path not in row else {path: row[path]}
    for name in [path] if path in row else path.split("."):
        value = value[name]
    return int(parse_values([value])[0].as_py())


@pytest.mark.parametrize("ecosystem", RAW, ids=lambda each: each.name)
def test_raw_files_of_any_tool_become_a_verified_cleaned_dataset(
    tmp_path: Path, tweets: list[Tweet], ecosystem: Ecosystem
) -> None:
    """Raw, ingest, plan, clean, verify: each row is the raw one, value for value, and what is left is by a loop."""
    raw = written(ecosystem, tweets, tmp_path / "raw")
    report = cf.ingest(tmp_path / "raw", tmp_path / "corpus")
    assert (report.rows, report.rejected, len(report.files)) == (ROWS, None, len(PACKS))

    path = cf.columns(tmp_path / "corpus").columns.id
    before = {at(row, path): row for row in rows_of(tmp_path / "corpus")}
    assert {id: bare(row) for id, row in before.items()} == {at(row, path): bare(row) for row in raw}
    for tweet in tweets:
        day = f"date={tweet.time:%Y-%m-%d}" if "date" not in raw[0] else f"utc_date={tweet.time:%Y-%m-%d}"
        assert (tmp_path / "corpus" / day).is_dir()

    fates = Fates(tweets, authors=ecosystem.knows_authors, geo=bool(ecosystem.geo))
    results = fates.results()
    cf.clean(cf.plan(tmp_path / "corpus", *results), tmp_path / "clean")
    assert cf.verify(tmp_path / "clean", *results, source=tmp_path / "corpus").verified
    expected = by_loop(ecosystem, tweets, [before[tweet.id] for tweet in tweets], fates)
    left = {at(row, path): row for row in rows_of(tmp_path / "clean")}
    assert left == {at(row, path): row for row in expected}
    assert len(left) < ROWS
