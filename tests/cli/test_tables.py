"""Tables hold what there is, and say what they leave out."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from compliance_frames.cli import tables
from compliance_frames.console import Display
from compliance_frames.corpus.erasures import Erasures
from compliance_frames.corpus.plan import FilePlan, Plan
from compliance_frames.corpus.policy import Policy


def results(*rows: tuple[str, int, str]) -> pa.Table:
    kinds, ids, reasons = zip(*rows, strict=True) if rows else ((), (), ())
    words = pa.dictionary(pa.int32(), pa.string())
    return pa.table(
        {"type": pa.array(kinds, words), "id": pa.array(ids, pa.int64()), "reason": pa.array(reasons, words)}
    )


def plan_of(*files: FilePlan) -> Plan:
    return Plan(Path("corpus"), files, Policy.default(), Erasures.from_results([], Policy.default()))


def test_reasons_are_counted_by_type_the_most_frequent_first() -> None:
    """What happened most is read first."""
    flagged = results(("tweets", 1, "bounced"), ("tweets", 2, "deleted"), ("tweets", 3, "deleted"), ("users", 4, "x"))
    assert tables.by_type(flagged) == {"tweets": {"deleted": 2, "bounced": 1}, "users": {"x": 1}}
    assert list(tables.by_type(flagged)["tweets"]) == ["deleted", "bounced"]
    assert tables.by_type(results()) == {}


def test_a_large_plan_is_shown_by_what_changes(capsys: pytest.CaptureFixture[str]) -> None:
    """Of a thousand files the touched ones are shown, all are summed up, and the title says so."""
    copies = [FilePlan(f"copied-{n}.parquet", "copy", 10, 0, 0, 100) for n in range(1000)]
    touched = [FilePlan(f"touched-{n}.parquet", "rewrite", 10, 0, 0, 100, rows_dropped=2) for n in range(3)]
    Display().show(*tables.plan_shown(plan_of(*copies, *touched)))
    shown = capsys.readouterr().out
    assert "3 of 1,003 files" in shown
    assert "touched-2.parquet" in shown
    assert "copied" not in shown
    assert "100,300" in shown


def test_a_plan_of_many_changes_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    """The rest is for --json."""
    Display().show(*tables.plan_shown(plan_of(*(FilePlan(f"f{n:03}", "rewrite", 1, 0, 0, 1) for n in range(100)))))
    shown = capsys.readouterr().out
    assert "40 of 100 files" in shown
    assert "f039" in shown
    assert "f040" not in shown


def test_results_are_written_in_the_format_of_the_name(tmp_path: Path) -> None:
    """IDs come back whole from each."""
    flagged = results(("tweets", 1_234_567_890_123_456_789, "deleted"))
    for name, read in (("a.parquet", pl.read_parquet), ("a.csv", pl.read_csv), ("a.jsonl", pl.read_ndjson)):
        tables.writer(tmp_path / name)(flagged)
        assert read(tmp_path / name)["id"].to_list() == [1_234_567_890_123_456_789]


def test_jobs_are_shown_without_columns_that_nobody_fills(capsys: pytest.CaptureFixture[str]) -> None:
    """An ID has no thousands, a time no fraction, and an empty list is a title."""
    made = datetime(2024, 5, 1, 12, 30, 1, 999, tzinfo=UTC)
    rows = [{"chunk": 0, "ids": 5_000_000, "job_id": "1423091", "created_at": made, "error": None}]
    Display().show(*tables.jobs_shown(rows, "of l"))
    shown = capsys.readouterr().out
    assert "5,000,000" in shown
    assert "1423091" in shown
    assert "2024-05-01 12:30:01 " in shown
    assert "error" not in shown
    Display().show(*tables.jobs_shown([], "of l"))
    assert "0 jobs of l" in capsys.readouterr().out
