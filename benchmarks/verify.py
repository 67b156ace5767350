"""Question: how many times as long as reading a cleaned dataset once does it take to prove it? The aim is three.

    python benchmarks/verify.py --rows 4_000_000 --rounds 7 --json verify.json

``verify`` re-reads every file for erased IDs, in rows, all pages, statistics, indexes, Bloom filters and metadata, and
hashes it against the manifest. Beside it DuckDB reads every column to its last leaf and makes nothing of them but one
number; and it does the least that one would do by hand, a join of the tweet IDs with the results.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any

import rounds
from corpora import corpus, flagged


def ours(clock: rounds.Clock, cleaned: str, results: str) -> Any:
    import pyarrow.parquet as pq

    import compliance_frames as cf

    answers = pq.read_table(results)
    cf.verify  # noqa: B018 (nobody's imports are measured)
    with clock:
        proof = cf.verify(cleaned, answers)
    assert proof.verified
    return {"rows": proof.rows, "found": 0}


def duckdb_reads_all(clock: rounds.Clock, cleaned: str, results: str) -> Any:  # noqa: ARG001
    import duckdb

    rows = _rows(cleaned)
    names = [row[0] for row in duckdb.sql(f"DESCRIBE FROM {rows}").fetchall()]
    said = ", ".join(f'hash("{name}")' for name in names)
    with clock:
        ((count, _),) = duckdb.sql(f"SELECT count(*), bit_xor(hash({said})) FROM {rows}").fetchall()
    return {"rows": count, "found": 0}


def duckdb_joins_ids(clock: rounds.Clock, cleaned: str, results: str) -> Any:
    import duckdb

    rows = _rows(cleaned)
    with clock:
        ((count, found),) = duckdb.sql(
            f"SELECT count(*), count(flagged.id) FROM {rows} AS rows "
            f"LEFT JOIN (SELECT id::VARCHAR AS id FROM read_parquet('{results}')) AS flagged USING (id)"
        ).fetchall()
    return {"rows": count, "found": found}


CONTENDERS: dict[str, rounds.Contender] = {
    "ours": ours,
    "DuckDB reads all": duckdb_reads_all,
    "DuckDB joins IDs": duckdb_joins_ids,
}


def _rows(cleaned: str) -> str:
    return f"read_parquet('{cleaned}/**/*.parquet', hive_partitioning=false)"


def _cleaned(source: Path, results: Path) -> Path:
    """The cleaned copy to verify, made anew: by whatever version stands here."""
    import pyarrow.parquet as pq

    import compliance_frames as cf

    target = source.with_name(f"{source.name}-verified")
    shutil.rmtree(target, ignore_errors=True)
    target.with_name(f"{target.name}.manifest.json").unlink(missing_ok=True)
    cf.clean(cf.plan(source, pq.read_table(results)), target)
    return target


def main() -> None:
    parser = rounds.options(__doc__)
    parser.add_argument("--rows", type=int, default=4_000_000)
    given: argparse.Namespace = parser.parse_args()
    source = corpus(given.rows)
    results = flagged(source, "uniform1")
    cleaned = _cleaned(source, results)
    cases = {f"{given.rows:,} rows": ([str(cleaned), str(results)], given.rows, "rows")}
    rounds.main(given, CONTENDERS, cases)


if __name__ == "__main__":
    main()
