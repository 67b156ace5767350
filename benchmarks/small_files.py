"""Claim: on a dataset of small files a plan takes a few times what opening them takes, and reading their footers.

    python benchmarks/small_files.py --files 100_000 --rounds 7 --json small.json

Each file has a hundred tweets, as a stream that is flushed every few seconds leaves them; one file in ten has a tweet
that was flagged. ``open`` is the limit: pyarrow opens each file, reads its footer and closes it.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import rounds

_ROWS, _DAYS, _DISTINCT = 100, 1000, 200


def ours(clock: rounds.Clock, source: str, flagged: str) -> dict[str, Any]:
    import pyarrow.parquet as pq

    from compliance_frames.corpus.plan import plan

    results = pq.read_table(flagged)
    with clock:
        made = plan(source, results)
    return {"files": len(made.files), "rows": made.rows_in}


def open_each(clock: rounds.Clock, source: str, _: str) -> dict[str, Any]:
    import pyarrow.parquet as pq

    from compliance_frames.corpus.dataset import list_files, opened

    files = rows = 0
    with clock:
        listing = list_files(source)
        for file in listing.files:
            with opened(listing.root, file) as each:
                assert isinstance(each, pq.ParquetFile)
                rows += each.metadata.num_rows
            files += 1
    return {"files": files, "rows": rows}


CONTENDERS = {"open": open_each, "ours": ours}


def make(folder: Path, *, files: int) -> None:
    """So many files, spread over a thousand days: the same two hundred again and again."""
    import pyarrow.parquet as pq

    from compliance_frames import sample

    tweets = sample.tweets(_DISTINCT * _ROWS).drop_columns(["referenced_tweets"])
    for number in range(files):
        day = folder / f"date={number % _DAYS:04d}"
        day.mkdir(parents=True, exist_ok=True)
        part = tweets.slice(number % _DISTINCT * _ROWS, _ROWS)
        pq.write_table(part, day / f"part-{number}.parquet", compression="zstd")


def make_flagged(path: Path) -> None:
    """One tweet of every tenth of the files that are different."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from compliance_frames import sample

    ids = sample.tweets(_DISTINCT * _ROWS).column("id").cast(pa.int64()).to_numpy()[:: 10 * _ROWS]
    told = {
        name: [word] * len(ids) for name, word in {"type": "tweets", "action": "delete", "reason": "deleted"}.items()
    }
    pq.write_table(pa.table({**told, "id": ids}), path)


def main() -> None:
    parser = rounds.options(__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    given = parser.parse_args()
    source = rounds.cached(f"small-{given.files}", partial(make, files=given.files))
    flagged = rounds.cached("small-flagged.parquet", make_flagged)
    rounds.main(given, CONTENDERS, {f"{given.files:,} files": ([str(source), str(flagged)], given.files, "files")})


if __name__ == "__main__":
    main()
