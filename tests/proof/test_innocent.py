"""Corpora of shapes that are rare and right: each is cleaned, and then proven, whatever it says of those who left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compliance_frames.corpus.clean import clean
from compliance_frames.corpus.plan import plan
from compliance_frames.proof.verify import verify
from tests.proof.test_mutants import ANSWERS, AUTHOR_GONE, FIRST, GONE, WORDS, tweets

GONE_ROWS: dict[str, Any] = {
    "id": [str(GONE), str(FIRST + 900)],
    "author_id": ["5", str(AUTHOR_GONE)],
    "text": [WORDS] * 2,
}


def of_json(told: Any) -> Any:
    return pa.array([json.dumps(told)] * 42)


SHAPES = {
    "replies to one who left, as JSON in text": of_json([{"type": "replied_to", "id": str(GONE)}]),
    "a quotation's bare ID, as JSON in text": of_json({"type": "quoted", "id": str(GONE)}),
    "a bare ID and no more, as JSON in text": of_json({"id": GONE, "id_str": str(GONE)}),
    "a quoted tweet whose ID has another name": pa.array([{"tweet_id": str(GONE), "full_text": WORDS}] * 42),
    "a column that has no type": pa.nulls(42),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_rare_shape_is_not_accused(name: str, tmp_path: Path) -> None:
    """What policy keeps, and what holds nothing, is no residue."""
    table = pa.concat_tables([tweets(), tweets(2, **GONE_ROWS)]).append_column("more", SHAPES[name])
    (tmp_path / "corpus").mkdir()
    pq.write_table(table, tmp_path / "corpus" / "part-0.parquet")
    clean(plan(tmp_path / "corpus", *ANSWERS, geo=[]), tmp_path / "clean")
    assert verify(tmp_path / "clean", *ANSWERS, source=tmp_path / "corpus").rows == 40


@pytest.mark.parametrize("dictionaries", [True, False])
def test_a_file_without_rows_is_no_problem(tmp_path: Path, dictionaries: bool) -> None:
    """A day on which nobody wrote has a file too: Arrow says of its pages that they begin nowhere."""
    (tmp_path / "corpus").mkdir()
    whole = pa.table({"id": ["1", "2"], "text": ["a", "b"]})
    pq.write_table(whole, tmp_path / "corpus" / "a.parquet")
    pq.write_table(whole.slice(0, 0), tmp_path / "corpus" / "b.parquet", use_dictionary=dictionaries)
    flagged = pa.table({"type": ["tweets"], "id": [2], "action": ["delete"], "reason": ["deleted"]})
    clean(plan(tmp_path / "corpus", flagged), tmp_path / "clean")
    assert verify(tmp_path / "clean", flagged).rows == 1
