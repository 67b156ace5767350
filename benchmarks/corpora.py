"""Made corpora to measure with: seeded, written once, kept outside of the repository.

A corpus is a dataset of tweets as API v2 delivers them, with texts of about 280 characters, partitioned by their UTC
date: files of about 130,000 rows in row groups of 50,000, compressed with zstd. The words are nobody's, and compress
about as well as tweets do.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import date, timedelta
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rounds import cached

from compliance_frames import sample
from compliance_frames.schemas import RESULTS

LEVEL = 3
ROW_GROUP = 50_000
_START = date(2023, 3, 1)
_DAY_ROWS, _LEAST_DAYS = 133_334, 30

#: A corpus made otherwise is another one.
_MADE = "v1"


def corpus(rows: int) -> Path:
    """The corpus of so many rows: ``date=YYYY-MM-DD/part-0.parquet``."""
    days = max(_LEAST_DAYS, round(rows / _DAY_ROWS))
    ends = [rows * (day + 1) // days for day in range(days)]
    counts = [end - start for start, end in zip([0, *ends], ends, strict=False)]

    def make(folder: Path) -> None:
        with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
            list(pool.map(_write_day, [folder] * days, range(days), counts))

    return cached(f"tweets-{_MADE}-{rows}", make)


def flagged(corpus: Path, case: str) -> Path:
    """The answers of the service for one case, as a Parquet file: IDs are int64, as ``check`` returns them."""

    def make(path: Path) -> None:
        pq.write_table(_results(CASES[case](_days(corpus), np.random.default_rng(1))), path)

    return cached(f"{corpus.name}-{case}.parquet", make)


def _write_day(folder: Path, day: int, rows: int) -> None:
    """One day's tweets. What others wrote is not referred to: every contender is to decide by the ID alone."""
    when = _START + timedelta(days=day)
    made = sample.tweets(rows, seed=day, start=when, days=1).drop_columns(["referenced_tweets"])
    made = made.set_column(made.schema.get_field_index("text"), "text", _texts(rows, np.random.default_rng(day)))
    part = folder / f"date={when}"
    part.mkdir(parents=True)
    pq.write_table(made, part / "part-0.parquet", compression="zstd", compression_level=LEVEL, row_group_size=ROW_GROUP)


def _texts(rows: int, rng: np.random.Generator) -> Any:
    """Texts of 240 to 320 letters, each of them a stretch of one long tape of words."""
    tape = _tape()
    letters = np.frombuffer(tape, np.uint8)
    lengths = rng.integers(240, 321, rows).astype(np.int32)
    starts = rng.integers(0, len(tape) - 400, rows).astype(np.int32)
    views = np.zeros((rows, 4), np.int32)  # of a string view: length, first four letters, buffer, offset
    views[:, 0], views[:, 3] = lengths, starts
    views[:, 1] = np.stack([letters[starts + at] for at in range(4)], axis=1).copy().view(np.int32)[:, 0]
    buffers: Any = [None, pa.py_buffer(views), pa.py_buffer(tape)]
    return pa.Array.from_buffers(pa.string_view(), rows, buffers).cast(pa.string())


@lru_cache(maxsize=1)
def _tape() -> bytes:
    """Words as often as words are, and here and there a link that nothing can compress."""
    rng = np.random.default_rng(0)
    common = np.frombuffer(b"etaoinshrdlucmfwypvbgk", np.uint8)
    sizes = np.clip(rng.normal(5.5, 2.2, 30_000), 2, 12).astype(int)
    words = [common[(rng.beta(1, 2, size) * len(common)).astype(int)].tobytes() for size in sizes.tolist()]
    chosen = np.minimum(rng.zipf(1.08, 3_000_000) - 1, len(words) - 1)
    chosen = np.where(rng.random(len(chosen)) < 0.35, rng.integers(0, len(words), len(chosen)), chosen)
    told = [words[at] for at in chosen.tolist()]
    signs = np.frombuffer((string.ascii_letters + string.digits).encode(), np.uint8)
    links = signs[rng.integers(0, len(signs), (len(told) // 50, 10))]
    for at, link in enumerate(links):
        told[50 * at] = b"https://t.co/" + link.tobytes()
    return b" ".join(told)


Days = list[pa.Table]
Chosen = dict[str, list[np.ndarray[Any, Any]]]


def _days(corpus: Path) -> Days:
    """For each file the IDs of its tweets, and which of them have a place."""
    found = []
    for path in sorted(corpus.rglob("*.parquet")):
        table = pq.ParquetFile(path).read(columns=["id", "geo"])
        ids, placed = table.column("id").cast(pa.int64()), table.column("geo").is_valid()
        found.append(pa.table({"id": ids, "placed": placed}))
    return found


def _share(ids: np.ndarray[Any, Any], share: float, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    return rng.choice(ids, round(len(ids) * share), replace=False)


def _all(day: pa.Table) -> np.ndarray[Any, Any]:
    return day.column("id").to_numpy()


def _placed(day: pa.Table) -> np.ndarray[Any, Any]:
    return day.filter(day.column("placed")).column("id").to_numpy()


def _uniform(days: Days, rng: np.random.Generator) -> Chosen:
    return {"deleted": [_share(_all(day), 0.01, rng) for day in days]}


def _clustered(days: Days, rng: np.random.Generator) -> Chosen:
    return {"deleted": [_share(_all(day), 0.1, rng) for day in days[5::10]]}


def _scrub(days: Days, rng: np.random.Generator) -> Chosen:
    return {"scrub_geo": [_share(_placed(day), 1 / 3, rng) for day in days]}


def _none(days: Days, rng: np.random.Generator) -> Chosen:
    year = 365 * 86_400_000 << 22  # of IDs
    return {"deleted": [_share(_all(day), 0.01, rng) - year for day in days]}


def _mixed(days: Days, rng: np.random.Generator) -> Chosen:
    return {
        "deleted": [_share(_all(day), 0.01, rng) for day in days[0::3]],
        "scrub_geo": [_share(_placed(day), 1 / 3, rng) for day in days[1::3]],
    }


#: What was flagged, for each reason.
CASES: dict[str, Callable[[Days, np.random.Generator], Chosen]] = {
    "uniform1": _uniform,
    "clustered10": _clustered,
    "scrub1": _scrub,
    "none": _none,
    "mixed": _mixed,
}


def _results(chosen: Chosen) -> pa.Table:
    tables = []
    for reason, ids in chosen.items():
        values = np.sort(np.concatenate(ids))
        said = {"type": "tweets", "action": "delete", "reason": reason, "job_id": 1}
        columns = [
            pa.array(values) if field.name == "id" else pa.repeat(pa.scalar(said.get(field.name)), len(values))
            for field in RESULTS
        ]
        tables.append(pa.table(dict(zip(RESULTS.names, columns, strict=True))))
    return pa.concat_tables(tables, promote_options="permissive").sort_by("id")
