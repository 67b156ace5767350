"""Raw files of whichever tool are cleaned as they lie there, line by line, and a plain loop says the same."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import compliance_frames as cf
from tests.corpora.ecosystems import AS_TEXT, ECOSYSTEMS, Ecosystem
from tests.corpora.test_ecosystems import ROWS, Fates, by_loop
from tests.corpora.tweets import Tweet, made

#: Each ecosystem packed in one of the ways that there are.
PACKINGS: dict[str, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    "": (bytes, bytes),
    ".gz": (gzip.compress, gzip.decompress),
    ".zst": (
        lambda content: pa.compress(content, "zstd", asbytes=True),
        lambda content: pa.CompressedInputStream(pa.BufferReader(content), "zstd").read(),
    ),
    ".bz2": (bz2.compress, bz2.decompress),
}


@pytest.fixture(scope="module")
def tweets() -> list[Tweet]:
    return made(ROWS, seed=7)


def records_in(content: bytes, form: str) -> list[dict[str, Any]]:
    """The rows of a raw file, nothing that is empty told apart."""
    if form == "jsonl":
        return [json.loads(line) for line in content.splitlines()]
    return [dict(row) for row in csv.DictReader(io.StringIO(content.decode(), newline=""))]


def plain(rows: list[dict[str, Any]], form: str) -> list[dict[str, Any]]:
    return rows if form == "jsonl" else [{key: value or "" for key, value in row.items()} for row in rows]


RAW = [each for each in (*ECOSYSTEMS, *AS_TEXT) if each.reader != "json_normalize"]  # which are nested when raw


@pytest.mark.parametrize("ecosystem", RAW, ids=lambda each: each.name)
def test_raw_files_of_any_tool_are_cleaned_without_an_option(
    tmp_path: Path, tweets: list[Tweet], ecosystem: Ecosystem
) -> None:
    """Raw file, plan, clean, verify: what is left is what a loop leaves; lines that lose nothing keep their bytes."""
    suffix = list(PACKINGS)[len(ecosystem.name) % len(PACKINGS)]
    pack, unpack = PACKINGS[suffix]
    raw = tmp_path / "raw" / f"tweets.{ecosystem.form}{suffix}"
    raw.parent.mkdir()
    written = ecosystem.write_raw(tmp_path / "plain", tweets).read_bytes()
    raw.write_bytes(pack(written))
    fates = Fates(tweets, authors=ecosystem.knows_authors, geo=bool(ecosystem.geo))
    results = fates.results()

    report = cf.clean(cf.plan(tmp_path / "raw", *results), tmp_path / "clean")

    assert cf.verify(tmp_path / "clean", *results, source=tmp_path / "raw").verified
    cleaned = unpack((tmp_path / "clean" / raw.name).read_bytes())
    before, after = records_in(written, ecosystem.form), records_in(cleaned, ecosystem.form)
    assert after == plain(by_loop(ecosystem, tweets, before, fates), ecosystem.form)
    assert report.rows_in == ROWS == report.rows_dropped + len(after)
    assert_lines_kept(written, cleaned, report.rows_scrubbed)


def assert_lines_kept(written: bytes, cleaned: bytes, scrubbed: int) -> None:
    known = set(written.splitlines(keepends=True))
    changed = [line for line in cleaned.splitlines(keepends=True) if line not in known]
    assert len(changed) < ROWS / 2
    assert scrubbed <= len(changed)
