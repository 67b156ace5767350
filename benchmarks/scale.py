"""Claim: memory stays flat however large the corpus is, and time grows with it and no faster.

    python benchmarks/scale.py --rows 1_000_000 4_000_000 16_000_000 --rounds 3 --json scale.json

Hits are spread evenly over 1 % of the rows, so that every row group has to be written again. The corpus of 64 million
rows takes 7 GB, as does each copy of it, and its contenders take 10 GB of memory and more; ``--only ours`` leaves them
out.
"""

from __future__ import annotations

import argparse

import rounds
from clean import CONTENDERS
from corpora import CASES, corpus, flagged


def main() -> None:
    parser = rounds.options(__doc__)
    parser.add_argument("--rows", nargs="+", type=int, default=[1_000_000, 4_000_000, 16_000_000])
    parser.add_argument("--case", choices=list(CASES), default="uniform1")
    given: argparse.Namespace = parser.parse_args()
    cases = {}
    for rows in given.rows:
        source = corpus(rows)
        target = source.with_name(f"{source.name}-cleaned")
        arguments = [str(source), str(flagged(source, given.case)), str(target)]
        cases[f"{given.case}, {rows:,} rows"] = (arguments, rows, "rows")
    chosen = {name: CONTENDERS[name] for name in ("ours", "polars", "DuckDB", "cp -r")}
    rounds.main(given, chosen, cases)


if __name__ == "__main__":
    main()
