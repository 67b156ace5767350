"""Claim: cleaning does only the work that must be done, and so is ahead of what one would write by hand.

    python benchmarks/clean.py --rows 4_000_000 --case uniform1 --rounds 7 --json clean.json

Every contender takes the answers of the service and a dataset of tweets, partitioned by date, to a cleaned copy with
the same codec at the same level; all of them write the same rows, or the run ends. Ours does more than the others:
it decides, counts, digests every file, makes it all outlive a power cut, and publishes it in one step. The limits are
``cp -r``, which promises nothing, and ``cp -r`` followed by ``sync``, which promises as much as ours.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rounds
from corpora import CASES, LEVEL, ROW_GROUP, corpus, flagged

PLACE = "geo"


def ours(clock: rounds.Clock, source: str, results: str, target: str) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    import compliance_frames as cf

    answers = pq.read_table(results, read_dictionary=["type", "action", "reason"])  # as check() returns them
    cf.plan, cf.clean  # noqa: B018 (nobody's imports are measured)
    pa.array([0])  # at its first array, pyarrow imports pandas
    return _measured(clock, target, lambda: cf.clean(cf.plan(source, answers), target))


def polars(clock: rounds.Clock, source: str, results: str, target: str) -> Any:
    """One query over the whole corpus, one file a partition."""
    import polars as pl

    drop, scrub = _by_reason(results)
    options: Any = {"compression": "zstd", "compression_level": LEVEL, "row_group_size": ROW_GROUP}

    def run() -> None:
        rows = pl.scan_parquet(f"{source}/**/*.parquet", hive_partitioning=True)
        parts = pl.PartitionBy(target, key="date", include_key=False, approximate_bytes_per_file=None)
        _polars_query(pl, rows, drop, scrub).sink_parquet(parts, mkdir=True, **options)

    return _measured(clock, target, run)


def polars_per_file(clock: rounds.Clock, source: str, results: str, target: str) -> Any:
    """One query a file, which keeps the files' names."""
    import polars as pl

    drop, scrub = _by_reason(results)
    options: Any = {"compression": "zstd", "compression_level": LEVEL, "row_group_size": ROW_GROUP}

    def run() -> None:
        for path, copy in _pairs(source, target):
            rows = pl.scan_parquet(path, hive_partitioning=False)
            _polars_query(pl, rows, drop, scrub).sink_parquet(copy, **options)

    return _measured(clock, target, run)


def _polars_query(pl: Any, rows: Any, drop: Any, scrub: Any) -> Any:
    if len(drop):
        rows = rows.join(pl.LazyFrame({"id": pl.Series(drop)}), on="id", how="anti", maintain_order="left")
    if len(scrub):
        hit = pl.col("id").is_in(pl.Series(scrub).implode())
        rows = rows.with_columns(pl.when(~hit).then(pl.col(PLACE)).alias(PLACE))
    return rows


def duckdb(clock: rounds.Clock, source: str, results: str, target: str) -> Any:
    """One ``COPY`` of the whole corpus."""
    drop, scrub = _by_reason(results)
    partitioned = f"{_DUCKDB_OPTIONS}, PARTITION_BY (date)"

    def run() -> None:
        connection = _duckdb(drop, scrub)
        rows = f"read_parquet('{source}/*/*.parquet', hive_partitioning=true)"
        connection.execute(f"COPY ({_duckdb_query(rows, drop, scrub)}) TO '{target}' ({partitioned})")

    return _measured(clock, target, run)


def duckdb_per_file(clock: rounds.Clock, source: str, results: str, target: str) -> Any:
    """One ``COPY`` a file."""
    drop, scrub = _by_reason(results)

    def run() -> None:
        connection = _duckdb(drop, scrub)
        for path, copy in _pairs(source, target):
            rows = f"read_parquet('{path}', hive_partitioning=false)"
            connection.execute(f"COPY ({_duckdb_query(rows, drop, scrub)}) TO '{copy}' ({_DUCKDB_OPTIONS})")

    return _measured(clock, target, run)


_DUCKDB_OPTIONS = f"FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL {LEVEL}, ROW_GROUP_SIZE {ROW_GROUP}"


def _duckdb(drop: Any, scrub: Any) -> Any:
    import duckdb
    import pyarrow as pa

    connection = duckdb.connect()
    for name, ids in (("dropped", drop), ("scrubbed", scrub)):
        frame = pa.table({"id": ids})
        connection.register("given", frame)
        connection.execute(f"CREATE TABLE {name} AS SELECT id FROM given")
        connection.unregister("given")
    return connection


def _duckdb_query(rows: str, drop: Any, scrub: Any) -> str:
    query = f"FROM {rows} AS rows"
    if len(drop):
        query += " ANTI JOIN dropped USING (id)"
    if not len(scrub):
        return query
    return (
        f"SELECT rows.* REPLACE (CASE WHEN scrubbed.id IS NULL THEN rows.{PLACE} END AS {PLACE}) "
        f"FROM ({query}) AS rows LEFT JOIN scrubbed USING (id)"
    )


def pyarrow_dataset(clock: rounds.Clock, source: str, results: str, target: str) -> Any:
    """One scan of the whole corpus, written as a partitioned dataset."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.dataset as ds

    drop, scrub = _by_reason(results)

    def run() -> None:
        date = ds.partitioning(pa.schema([("date", pa.string())]), flavor="hive")
        rows = ds.dataset(source, partitioning=date)
        columns = {name: pc.field(name) for name in rows.schema.names}
        if len(scrub):
            null = pa.scalar(None, rows.schema.field(PLACE).type)
            columns[PLACE] = pc.if_else(pc.field("id").isin(scrub), null, pc.field(PLACE))
        scanner = rows.scanner(columns=columns, filter=~pc.field("id").isin(drop) if len(drop) else None)
        options = ds.ParquetFileFormat().make_write_options(compression="zstd", compression_level=LEVEL)
        ds.write_dataset(
            scanner, target, format="parquet", partitioning=date, file_options=options, max_rows_per_group=ROW_GROUP
        )

    return _measured(clock, target, run)


def pandas_per_file(clock: rounds.Clock, source: str, results: str, target: str) -> Any:
    """Read, filter and write each file."""
    import pandas as pd

    drop, scrub = (set(ids.to_pylist()) for ids in _by_reason(results))

    def run() -> None:
        for path, copy in _pairs(source, target):
            frame = pd.read_parquet(path, dtype_backend="pyarrow", partitioning=None)
            if drop:
                frame = frame[~frame["id"].isin(drop)]
            if scrub:
                frame[PLACE] = frame[PLACE].mask(frame["id"].isin(scrub), None)
            frame.to_parquet(copy, compression="zstd", compression_level=LEVEL, row_group_size=ROW_GROUP, index=False)

    return _measured(clock, target, run)


def copied(clock: rounds.Clock, source: str, results: str, target: str) -> Any:
    """``cp -r``: the bytes lie in memory yet when it ends."""
    return _limit(clock, source, results, target, f"cp -r '{source}' '{target}'")


def copied_and_synced(clock: rounds.Clock, source: str, results: str, target: str) -> Any:
    """``cp -r``, and waiting until the bytes are on the disk."""
    return _limit(clock, source, results, target, f"cp -r '{source}' '{target}' && sync")


CONTENDERS: dict[str, rounds.Contender] = {
    "ours": ours,
    "polars": polars,
    "polars per file": polars_per_file,
    "DuckDB": duckdb,
    "DuckDB per file": duckdb_per_file,
    "pyarrow.dataset": pyarrow_dataset,
    "pandas per file": pandas_per_file,
    "cp -r": copied,
    "cp -r && sync": copied_and_synced,
}


def _measured(clock: rounds.Clock, target: str, run: Callable[[], Any]) -> Any:
    """Run from a quiet disk to a directory that is not there yet; what the rows are that came out of it."""
    _forget(target)
    os.sync()
    with clock:
        run()
    answer = _rows(f"read_parquet('{target}/**/*.parquet', hive_partitioning=false)")
    _forget(target)
    return answer


def _limit(clock: rounds.Clock, source: str, results: str, target: str, command: str) -> Any:
    """A limit erases nothing. For its answer stands what all the others must come to, by a query over the source."""
    _forget(target)
    os.sync()
    with clock:
        subprocess.run(["/bin/sh", "-c", command], check=True)
    _forget(target)
    drop, scrub = _by_reason(results)
    rows = f"read_parquet('{source}/**/*.parquet', hive_partitioning=false)"
    return _rows(f"({_duckdb_query(rows, drop, scrub)})", _duckdb(drop, scrub))


def _forget(target: str) -> None:
    shutil.rmtree(target, ignore_errors=True)
    Path(f"{target}.manifest.json").unlink(missing_ok=True)


def _rows(rows: str, connection: Any = None) -> dict[str, Any]:
    """How many rows there are, and the sum of their hashes: the same for the same rows in any order of files."""
    import duckdb

    connection = connection or duckdb.connect()
    names = [row[0] for row in connection.execute(f"DESCRIBE FROM {rows}").fetchall()]
    said = ", ".join(f'hash("{name}")' for name in sorted(names))
    count, total = connection.execute(f"SELECT count(*), sum(hash({said})) FROM {rows}").fetchall()[0]
    return {"rows": count, "hash": str(total), "columns": sorted(names)}


def _by_reason(results: str) -> tuple[Any, Any]:
    """The IDs to drop and those to scrub, as the text that the corpus has."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(results)
    scrub = pc.equal(table.column("reason").cast(pa.string()), "scrub_geo")
    ids = table.column("id").cast(pa.string()).combine_chunks()
    return ids.filter(pc.invert(scrub)), ids.filter(scrub)


def _pairs(source: str, target: str) -> list[tuple[str, str]]:
    """Each file of the corpus, and where its copy goes."""
    found = []
    for path in sorted(Path(source).rglob("*.parquet")):
        copy = Path(target) / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        found.append((str(path), str(copy)))
    return found


def main() -> None:
    parser = rounds.options(__doc__)
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--case", nargs="+", choices=list(CASES), default=list(CASES))
    given: argparse.Namespace = parser.parse_args()
    source = corpus(given.rows)
    target = source.with_name(f"{source.name}-cleaned")
    cases = {
        f"{case}, {given.rows:,} rows": ([str(source), str(flagged(source, case)), str(target)], given.rows, "rows")
        for case in given.case
    }
    rounds.main(given, CONTENDERS, cases)


if __name__ == "__main__":
    main()
