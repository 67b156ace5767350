"""Claim: the upload body of ten million IDs is made at least 1.7 times as fast as DuckDB makes it.

    python benchmarks/ids.py --ids 10_000_000 --rounds 7 --json ids.json

The IDs come as a column of an Arrow table, in no order, every eleventh of them a repeat; what is measured is from there
to a file with one ID a line, sorted, each once. Case ``strings`` has the column as text. polars sorts and drops what is
equal to its neighbour, which is its fastest way.
"""

from __future__ import annotations

import hashlib
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import rounds


def compliance_frames(clock: rounds.Clock, path: str) -> Any:
    from compliance_frames.ids.chunks import body
    from compliance_frames.ids.intake import read_ids

    table = _table(path)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "body"
        with clock:
            target.write_bytes(body(read_ids(table).values))
        return _agreement(target)


def polars(clock: rounds.Clock, path: str) -> Any:
    import polars as pl

    table = _table(path)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "body"
        with clock:
            ids = pl.from_arrow(table)["id"].cast(pl.Int64).sort()
            ids.filter(ids.ne_missing(ids.shift())).to_frame().write_csv(target, include_header=False)
        return _agreement(target)


def duckdb(clock: rounds.Clock, path: str) -> Any:
    import duckdb

    table = _table(path)
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as session:
        target = Path(folder) / "body"
        session.register("given", table)
        with clock:
            ids = "SELECT DISTINCT id::BIGINT AS id FROM given ORDER BY id"
            session.execute(f"COPY ({ids}) TO '{target}' (FORMAT csv, HEADER false)")
        return _agreement(target)


def pandas(clock: rounds.Clock, path: str) -> Any:
    import pandas as pd

    frame = _table(path).to_pandas()
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "body"
        with clock:
            ids = pd.Series(frame["id"].astype("int64").unique()).sort_values()
            ids.to_csv(target, index=False, header=False)
        return _agreement(target)


CONTENDERS = {"compliance_frames": compliance_frames, "polars": polars, "duckdb": duckdb, "pandas": pandas}


def _table(path: str) -> Any:
    import pyarrow.parquet as pq

    return pq.read_table(path)


def _agreement(body: Path) -> dict[str, Any]:
    with body.open("rb") as file:
        return {"bytes": body.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def make(path: Path, *, count: int, is_text: bool) -> None:
    """A Parquet file with so many IDs in no order, and a tenth more that repeat some."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(0)
    ids = rng.integers(30_000_000_000_000_000, 1_800_000_000_000_000_000, count)
    column = pa.array(rng.permutation(np.concatenate([ids, ids[: count // 10]])))
    pq.write_table(pa.table({"id": column.cast(pa.string()) if is_text else column}), path)


def main() -> None:
    parser = rounds.options(__doc__)
    parser.add_argument("--ids", type=int, default=10_000_000)
    parser.add_argument("--case", choices=["integers", "strings", "both"], default="both")
    given = parser.parse_args()
    cases = {}
    for kind in ["integers", "strings"] if given.case == "both" else [given.case]:
        make_it = partial(make, count=given.ids, is_text=kind == "strings")
        path = rounds.cached(f"ids-{kind}-{given.ids}.parquet", make_it)
        cases[f"{given.ids:,} IDs as {kind}"] = ([str(path)], given.ids, "IDs")
    rounds.main(given, CONTENDERS, cases)


if __name__ == "__main__":
    main()
