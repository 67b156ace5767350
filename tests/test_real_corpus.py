"""The main job on real tweets: string IDs, nested geo, retweets. Kept rows are the source's, value for value."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compliance_frames.cli import main
from compliance_frames.emulator import Emulator, Fates

#: More scrubbing than the default has, as few of these tweets hold a place.
SHARES = {
    "tweets": {"suspended": 0.1, "deleted": 0.05, "protected": 0.02, "scrub_geo": 0.3},
    "users": {"suspended": 0.05, "deleted": 0.02, "scrub_geo": 0.1},
}


@contextmanager
def service(fates: Fates, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    with Emulator(fates=fates, processing=timedelta(0)) as emulator:
        monkeypatch.setenv("X_BEARER_TOKEN", emulator.bearer_token)
        monkeypatch.setenv("COMPLIANCE_FRAMES_BASE_URL", emulator.base_url)
        yield emulator


@pytest.fixture(scope="module")
def cleaned(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Fates]:
    """The real corpus, its cleaned copy, and what became of everyone."""
    source = shared / "real_tweets" / "corpus"
    target = tmp_path_factory.mktemp("real") / "clean"
    fates = Fates(seed=11, shares=SHARES)  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as monkeypatch, service(fates, monkeypatch):
        assert main(["run", str(source), str(target), "--poll", "0.02s"]) == 0
    return source, target, fates


def rows_of(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Every file's rows as plain Python values."""
    return {str(p.relative_to(folder)): pq.ParquetFile(p).read().to_pylist() for p in sorted(folder.rglob("*.parquet"))}


def reasons(fates: Fates, ids: set[str], type: Any) -> dict[str, str | None]:
    told = sorted(ids)
    return dict(zip(told, fates.of([int(i) for i in told], type).to_pylist(), strict=True))


def test_kept_rows_agree_with_a_plain_loop(cleaned: tuple[Path, Path, Fates]) -> None:
    """A loop over rows, one decision after the other, keeps the same rows with the same values in the same order."""
    source, target, fates = cleaned
    before = rows_of(source)
    rows = [row for file in before.values() for row in file]
    named = {reference["id"] for row in rows for reference in row["referenced_tweets"] or []}
    tweets = reasons(fates, {row["id"] for row in rows} | named, "tweets")
    authors = reasons(fates, {row["author_id"] for row in rows}, "users")

    def is_dropped(reason: str | None) -> bool:
        return reason not in (None, "scrub_geo")

    gone = {row["id"] for row in rows if is_dropped(tweets[row["id"]]) or is_dropped(authors[row["author_id"]])}
    elsewhere = {id for id in named - {row["id"] for row in rows} if is_dropped(tweets[id])}
    gone |= elsewhere  # of which the corpus has no row, and some retweets
    expected: dict[str, list[dict[str, Any]]] = {}
    scrubbed = 0
    for name, file in before.items():
        kept = []
        for row in file:
            retweeted = {ref["id"] for ref in row["referenced_tweets"] or [] if ref["type"] == "retweeted"}
            if row["id"] in gone or retweeted & gone:
                continue
            if "scrub_geo" in (tweets[row["id"]], authors[row["author_id"]]) and row["geo"] is not None:
                row = {**row, "geo": None}
                scrubbed += 1
            kept.append(row)
        expected[name] = kept
    assert rows_of(target) == expected
    assert scrubbed > 0
    for some in (gone - elsewhere, elsewhere):
        assert any(
            not ({row["id"]} & gone)
            and {r["id"] for r in row["referenced_tweets"] or [] if r["type"] == "retweeted"} & some
            for row in rows
        ), "some row goes only because it is a retweet"


def test_kept_rows_agree_with_duckdb(cleaned: tuple[Path, Path, Fates]) -> None:
    """One SQL query over the source gives the cleaned copy, by EXCEPT ALL in both directions."""
    source, target, fates = cleaned
    db = duckdb.connect()
    db.read_parquet(f"{source}/*/*.parquet").create_view("source")
    db.read_parquet(f"{target}/*/*.parquet").create_view("clean")
    db.execute("CREATE TABLE named AS SELECT DISTINCT unnest(referenced_tweets).id AS id FROM source")
    for type, asked in (
        ("tweets", "SELECT id FROM source UNION FROM named"),
        ("users", "SELECT author_id FROM source"),
    ):
        ids = [row[0] for row in db.execute(f"SELECT DISTINCT * FROM ({asked})").fetchall()]
        told = pa.table({"id": ids, "reason": fates.of([int(i) for i in ids], type).cast(pa.string())})  # type: ignore[arg-type]
        db.register(type, told)
    db.execute("""
        CREATE TABLE gone AS SELECT s.id FROM source s JOIN tweets t USING (id) JOIN users u ON u.id = s.author_id
        WHERE (t.reason IS NOT NULL AND t.reason <> 'scrub_geo') OR (u.reason IS NOT NULL AND u.reason <> 'scrub_geo')
        UNION SELECT id FROM named JOIN tweets t USING (id) WHERE t.reason <> 'scrub_geo'
    """)
    db.execute("""
        CREATE TABLE expected AS SELECT s.* REPLACE (
            CASE WHEN t.reason = 'scrub_geo' OR u.reason = 'scrub_geo' THEN NULL ELSE geo END AS geo)
        FROM source s JOIN tweets t USING (id) JOIN users u ON u.id = s.author_id
        WHERE s.id NOT IN (SELECT id FROM gone) AND NOT EXISTS (
            SELECT 1 FROM (SELECT unnest(s.referenced_tweets) AS r)
            WHERE r.type = 'retweeted' AND r.id IN (SELECT id FROM gone))
    """)
    total, kept = db.execute("SELECT (SELECT count(*) FROM source), (SELECT count(*) FROM clean)").fetchall()[0]
    assert 0 < kept < total
    for left, right in (("clean", "expected"), ("expected", "clean")):
        assert db.execute(f"SELECT count(*) FROM (FROM {left} EXCEPT ALL FROM {right})").fetchall() == [(0,)]


def test_files_schemas_and_partitions_stay(cleaned: tuple[Path, Path, Fates]) -> None:
    """The copy has the same files with the same Arrow schemas, and the usual tools open it."""
    source, target, _ = cleaned
    names = {str(path.relative_to(source)) for path in source.rglob("*.parquet")}
    assert {str(path.relative_to(target)) for path in target.rglob("*")} >= names
    for name in names:
        assert pq.read_schema(target / name).equals(pq.read_schema(source / name), check_metadata=True)
    rows = sum(len(file) for file in rows_of(target).values())
    assert pl.scan_parquet(target).select(pl.len()).collect().item() == rows
    assert len(pd.read_parquet(target)) == rows


def test_the_source_is_not_touched(cleaned: tuple[Path, Path, Fates], shared: Path) -> None:
    """Every row of the source is still there."""
    source, _, _ = cleaned
    assert sum(len(file) for file in rows_of(source).values()) == 5568
