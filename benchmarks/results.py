"""Claim: a result file is read strictly, sorted and made unique, sooner than polars or DuckDB read it leniently.

    python benchmarks/results.py --lines 2_000_000 --rounds 7 --json results.json

Lines are as the service writes them: 17 to 19 digits, five reasons, every second with a second time, in no order.
The contenders make of the file a table with IDs as integers and times as timestamps, in the order of the file; they let
pass what must not pass (repeated keys, numbers where text belongs, lines cut off in part). They work on all cores, the
strict parser on one. Case ``users`` has the times of users' results.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import rounds


def compliance_frames(clock: rounds.Clock, path: str) -> Any:
    from compliance_frames.service.results import parse

    with clock:
        table = parse(Path(path), type="tweets", job_id=1, checked_at=datetime(2026, 1, 1, tzinfo=UTC))
    return _agreement(table.drop_columns(["type", "job_id", "checked_at"]))


def polars(clock: rounds.Clock, path: str) -> Any:
    import polars as pl

    texts = dict.fromkeys(("id", "action", "created_at", "redacted_at", "reason"), pl.String)
    fraction = "" if "users" in path else "%.3f"
    spelling = f"%Y-%m-%dT%H:%M:%S{fraction}%#z"
    with clock:
        frame = pl.read_ndjson(path, schema=texts).with_columns(
            pl.col("id").cast(pl.Int64),
            pl.col("created_at", "redacted_at").str.to_datetime(spelling, time_unit="ms", time_zone="UTC"),
        )
    return _agreement(frame)


def duckdb(clock: rounds.Clock, path: str) -> Any:
    import duckdb

    columns = "{id: 'BIGINT', action: 'VARCHAR', created_at: 'TIMESTAMP', redacted_at: 'TIMESTAMP', reason: 'VARCHAR'}"
    with clock:
        table = duckdb.sql(
            f"FROM read_json('{path}', format = 'newline_delimited', columns = {columns})"
        ).to_arrow_table()
    return _agreement(table)


CONTENDERS = {"compliance_frames": compliance_frames, "polars read_ndjson": polars, "duckdb read_json": duckdb}


def _agreement(frame: Any) -> dict[str, Any]:
    import polars as pl

    words, times = pl.col("action", "reason").cast(pl.String), pl.col("created_at", "redacted_at").cast(pl.Int64)
    plain = pl.DataFrame(frame).with_columns(pl.col("created_at", "redacted_at").dt.cast_time_unit("ms"))
    return rounds.agreement(plain.select("id", words, times))


def make(path: Path, *, lines: int, type: str) -> None:
    """A result file of so many lines, no two about one ID."""
    import numpy as np
    import polars as pl

    rng = np.random.default_rng(0)
    ids = np.unique(rng.integers(30_000_000_000_000_000, 1_800_000_000_000_000_000, lines + lines // 100))
    ids = rng.permutation(ids)[:lines]
    created = (ids >> 22) + 1_288_834_974_657
    reasons = ["deleted", "suspended", "protected", "deactivated", "scrub_geo"]
    frame = pl.DataFrame(
        {
            "id": ids,
            "reason": rng.choice(reasons, lines, p=[0.4, 0.3, 0.15, 0.1, 0.05]),
            "created_at": created,
            "redacted_at": created + rng.integers(0, 100_000_000_000, lines),
            "is_redacted": rng.random(lines) < 0.5,
        }
    )
    spelling = "%Y-%m-%dT%H:%M:%S+00:00" if type == "users" else "%Y-%m-%dT%H:%M:%S%.3fZ"
    when = {name: pl.col(name).cast(pl.Datetime("ms")).dt.to_string(spelling) for name in ("created_at", "redacted_at")}
    line = pl.concat_str(
        pl.lit('{"id":"'),
        pl.col("id").cast(pl.String),
        pl.lit('","action":"delete","created_at":"'),
        when["created_at"],
        pl.when("is_redacted")
        .then(pl.concat_str(pl.lit('","redacted_at":"'), when["redacted_at"]))
        .otherwise(pl.lit("")),
        pl.lit('","reason":"'),
        pl.col("reason"),
        pl.lit('"}\n'),
    )
    with path.open("wb") as file:
        for part in frame.iter_slices(500_000):
            file.write("".join(part.select(line).to_series().to_list()).encode())


def main() -> None:
    parser = rounds.options(__doc__)
    parser.add_argument("--lines", type=int, default=2_000_000)
    parser.add_argument("--case", choices=["tweets", "users", "both"], default="tweets")
    given = parser.parse_args()
    cases = {}
    for type in ["tweets", "users"] if given.case == "both" else [given.case]:
        path = rounds.cached(f"results-{type}-{given.lines}.jsonl", partial(make, lines=given.lines, type=type))
        cases[f"{given.lines:,} lines of {type}"] = ([str(path)], given.lines, "lines")
    rounds.main(given, CONTENDERS, cases)


if __name__ == "__main__":
    main()
