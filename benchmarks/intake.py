"""Claim: the IDs of a corpus are sorted and made unique in a fifth of the memory that they need, and soon.

    python benchmarks/intake.py --ids 50_000_000 --rounds 7 --json intake.json

The IDs are a column of a dataset of Parquet files, in no order, every eleventh of them a repeat. The contenders leave
sorted unique IDs on the disk; DuckDB is told the same limit, though no less than the 256 MB that it needs, and polars'
streaming engine knows none. ``peak MB`` is the figure to look at: it counts the libraries themselves, some 150 MB.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import rounds

_FILES = 20
_SHARE = 5


def compliance_frames(clock: rounds.Clock, path: str, count: int) -> Any:
    from compliance_frames.ids.intake import read_ids

    with tempfile.TemporaryDirectory() as folder:
        with clock:
            ids = read_ids(path, spill=Path(folder), held=count // _SHARE // 2)
        return _agreement(ids.sorted.slices(1 << 20))


def polars(clock: rounds.Clock, path: str, _: int) -> Any:
    import polars as pl

    with tempfile.TemporaryDirectory() as folder:
        with clock:
            ids = pl.scan_parquet(f"{path}/*.parquet").select("id").sort("id")
            ids.filter(pl.col("id").ne_missing(pl.col("id").shift())).sink_parquet(f"{folder}/ids.parquet")
        return _agreement_of_parquet(f"{folder}/ids.parquet")


def duckdb(clock: rounds.Clock, path: str, count: int) -> Any:
    import duckdb

    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as session:
        session.execute(f"SET memory_limit = '{max(count * 8 // _SHARE, 256 << 20)}B'")
        session.execute("SET preserve_insertion_order = false")
        session.execute(f"SET temp_directory = '{folder}'")
        with clock:
            ids = f"SELECT DISTINCT id FROM read_parquet('{path}/*.parquet') ORDER BY id"
            session.execute(f"COPY ({ids}) TO '{folder}/ids.parquet' (FORMAT parquet)")
        return _agreement_of_parquet(f"{folder}/ids.parquet")


CONTENDERS = {"compliance_frames": compliance_frames, "polars": polars, "duckdb": duckdb}


def _agreement(parts: Iterable[Any]) -> dict[str, Any]:
    digest, count = hashlib.sha256(), 0
    for part in parts:
        digest.update(part.to_numpy().tobytes())
        count += len(part)
    return {"ids": count, "sha256": digest.hexdigest()}


def _agreement_of_parquet(path: str) -> dict[str, Any]:
    import pyarrow.parquet as pq

    return _agreement(batch.column(0) for batch in pq.ParquetFile(path).iter_batches())


def make(folder: Path, *, count: int) -> None:
    """A dataset with so many IDs in no order, and a tenth more that repeat some."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir()
    rng = np.random.default_rng(0)
    ids = rng.integers(30_000_000_000_000_000, 1_800_000_000_000_000_000, count)
    for number, part in enumerate(np.array_split(rng.permutation(np.concatenate([ids, ids[: count // 10]])), _FILES)):
        pq.write_table(pa.table({"id": part}), folder / f"{number:02}.parquet", row_group_size=200_000)


def main() -> None:
    parser = rounds.options(__doc__)
    parser.add_argument("--ids", type=int, default=50_000_000)
    given = parser.parse_args()
    path = rounds.cached(f"intake-{given.ids}", partial(make, count=given.ids))
    cases = {f"{given.ids:,} IDs, {given.ids * 8 // _SHARE >> 20} MB": ([str(path), given.ids], given.ids, "IDs")}
    rounds.main(given, CONTENDERS, cases)


if __name__ == "__main__":
    main()
