"""Claim: a plan takes no more memory for a hundred million results than for a few.

    python benchmarks/erasures.py --results 5_000_000 50_000_000 --rounds 3 --json erasures.json

A ledger was asked about twice as many tweets as it has results, and has flagged users besides, a tenth as many. What is
planned is a small corpus of 200,000 rows: tweets of twenty days, by authors from everywhere. ``in memory`` is the same
call with the results as a table and all IDs in arrays. ``peak MB`` is the figure to look at: it counts the libraries
themselves, some 100 MB. ``--only ours`` leaves out what takes 20 GB of memory for a hundred million results.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import rounds

_FIRST, _APART = 1_200_000_000_000_000_000, 2_000_000
_PIECE, _CHUNK = 1_000_000, 5_000_000
_FILES, _ROWS = 20, 10_000
_WHEN = datetime(2024, 5, 1, tzinfo=UTC)


def ours(clock: rounds.Clock, ledger: str, corpus: str) -> str:
    from compliance_frames.corpus.plan import plan

    with clock:
        made = plan(corpus, ledger=ledger)
    return made.digest


def in_memory(clock: rounds.Clock, ledger: str, corpus: str) -> str:
    from compliance_frames.corpus.plan import plan
    from compliance_frames.jobs.ledger import Ledger

    with Ledger.read(ledger) as book, clock:
        made = plan(corpus, book.results(), ledger=book, held=2**62)
    return made.digest


CONTENDERS = {"ours": ours, "in memory": in_memory}


def _ids(count: int, seed: int) -> Iterator[pa.Int64Array]:
    """Sorted IDs in parts."""
    rng, last = np.random.default_rng(seed), _FIRST
    for start in range(0, count, _PIECE):
        ids = last + np.cumsum(rng.integers(1, 2 * _APART, min(_PIECE, count - start)))
        last = ids[-1]
        yield pa.array(ids)


def make_ledger(path: Path, *, results: int) -> None:
    """A ledger with so many results of tweets, every second one that was asked about, and of a tenth as many users."""
    from compliance_frames.jobs.ledger import Ledger

    with Ledger.open(path) as book:
        book.add("tweets", _ids(2 * results, 0), chunk_size=_CHUNK)
        book.add("users", _ids(results // 5, 1), chunk_size=_CHUNK)
        for chunk in book.unfinished():
            found = _results(chunk.type, book.ids_of(chunk).to_numpy()[::2])
            for state in ("creating", "created", "uploading", "uploaded", "processing", "downloading"):
                chunk = book.advance(chunk, state)
            book.finish(chunk, found, _WHEN)


def _results(kind: str, ids: Any) -> pa.Table:
    from compliance_frames.schemas import RESULTS

    def words(*choice: str) -> pa.DictionaryArray:
        return pa.DictionaryArray.from_arrays(pa.array(ids // 7 % len(choice), pa.int32()), list(choice))

    when = pa.array([_WHEN], RESULTS.field("checked_at").type).take(pa.array(np.zeros(len(ids), np.int8)))
    columns = [words(kind), ids, words("delete"), words("deleted", "suspended", "scrub_geo"), when, when, ids % 9, when]
    return pa.table(columns, names=RESULTS.names).cast(RESULTS)


def make_corpus(path: Path, *, ledger: Path) -> None:
    """Twenty days of tweets that the ledger was asked about, by flagged and by other authors."""
    from compliance_frames.jobs.ledger import Ledger

    rng = np.random.default_rng(2)
    with Ledger.read(ledger) as book:
        chunks = book.chunks("tweets")
        users = np.concatenate([book.ids_of(chunk).to_numpy()[::5] for chunk in book.chunks("users")])
        for number in range(_FILES):
            known = book.ids_of(chunks[number * len(chunks) // _FILES]).to_numpy()
            begin = (number * len(known) // _FILES) // _ROWS * _ROWS
            ids = known[begin : begin + _ROWS]
            authors = rng.choice(users, len(ids)) + rng.integers(0, 2, len(ids))
            folder = path / f"date=2024-05-{number + 1:02}"
            folder.mkdir(parents=True)
            geo = pa.array([f"place {id % 50}" for id in ids.tolist()])
            table = pa.table({"id": ids.astype(str), "author_id": authors, "geo": geo})
            pq.write_table(table, folder / "part-0.parquet")


def main() -> None:
    parser = rounds.options(__doc__)
    parser.add_argument("--results", nargs="+", type=int, default=[5_000_000, 50_000_000])
    given = parser.parse_args()
    cases = {}
    for results in given.results:
        ledger = rounds.cached(f"ledger-{results}", partial(make_ledger, results=results))
        corpus = rounds.cached(f"ledger-{results}-corpus", partial(make_corpus, ledger=ledger))
        cases[f"{results:,} results"] = ([str(ledger), str(corpus)], results, "results")
    rounds.main(given, CONTENDERS, cases)


if __name__ == "__main__":
    main()
