"""File names are data: none of them is a pattern, an address, markup, a command to a terminal, or a way out."""

from __future__ import annotations

import ast
import os
import re
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import compliance_frames as cf
from compliance_frames.console import Display
from compliance_frames.errors import PlanError
from compliance_frames.report.html import report
from compliance_frames.schemas import RESULTS

PACKAGE = Path(cf.__file__).parent
FLAGGED = pa.Table.from_pylist(
    [{"type": "tweets", "id": 2, "action": "delete", "reason": "deleted", "created_at": None, "redacted_at": None,
      "job_id": 1, "checked_at": datetime(2024, 5, 1, tzinfo=UTC)}],
    schema=RESULTS,
)  # fmt: skip


def corpus_of(root: Path, name: bytes) -> Path:
    path = Path(os.fsdecode(os.fsencode(root / "corpus") + b"/" + name))
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        pq.write_table(pa.table({"id": ["1", "2"], "text": ["a", "b"]}), file)
    return root / "corpus"


@pytest.mark.parametrize(
    "name",
    [
        b"a[1].parquet",
        b"*.parquet",
        b"a?{b}.parquet",
        b'it\'s "quoted"; DROP TABLE cells.parquet',
        b"new\nline.parquet",
        b"esc\x1b[31m.parquet",
        b"date=..%2f..%2fetc/p.parquet",
        b"date=%00/p.parquet",
        b"--help.parquet",
        b"~root.parquet",
        b"s3:/x.parquet",
        b"<script>alert(1)<.parquet",
    ],
)
def test_any_name_goes_through_plan_clean_verify_and_report(
    name: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The copy has the same name, everything is where it belongs, and no terminal or page is taken over."""
    corpus = corpus_of(tmp_path, name)
    plan = cf.plan(corpus, FLAGGED)
    cf.clean(plan, tmp_path / "clean")
    proof = cf.verify(tmp_path / "clean", FLAGGED, source=corpus)
    page = report(tmp_path / "clean", FLAGGED, proof=proof.to_dict()).read_text()
    kept = Path(os.fsdecode(os.fsencode(tmp_path / "clean") + b"/" + name))
    with kept.open("rb") as file:
        assert pq.read_metadata(file).num_rows == 1
    assert {each.name for each in tmp_path.iterdir()} == {
        "corpus", "clean", "clean.manifest.json", "clean.report.html"
    }  # fmt: skip
    assert "<script" not in page
    Display().show(str(plan))
    assert "\x1b[31m" not in capsys.readouterr().out


def test_a_name_that_is_no_text_is_refused_by_its_bytes(tmp_path: Path) -> None:
    """A manifest could not name it: one sentence says which it is, and nothing is written."""
    with pytest.raises(PlanError, match=r"caf\\udce9.*not UTF-8: rename it"):
        cf.plan(corpus_of(tmp_path, b"caf\xe9.parquet"), FLAGGED)
    assert [each.name for each in tmp_path.iterdir()] == ["corpus"]


#: Where a statement is put together: of names that stand in the code, never of what comes from outside.
KNOWN = {
    ("jobs/ledger.py", "f'UPDATE chunks SET {names} WHERE id = ?'"),
    ("proof/rescan.py", "f'CREATE TABLE {name} AS FROM given'"),
}


def test_no_statement_is_made_of_values() -> None:
    """What is executed as SQL is written in the code; values are bound. The exceptions are known by their text."""
    made = set()
    for module in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
                continue
            if node.func.attr in {"execute", "executemany", "sql", "query"} and not isinstance(
                node.args[0], ast.Constant | ast.Name
            ):
                made.add((module.relative_to(PACKAGE).as_posix(), ast.unparse(node.args[0])))
    assert made == KNOWN


def test_every_duckdb_is_locked_down() -> None:
    """Each connection is made with a configuration that forbids files, extensions and changes of itself."""
    from compliance_frames.proof import rescan

    calls: list[tuple[str, str]] = []
    for module in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("duckdb."):
                calls.append((module.name, ast.unparse(node)))
    assert {name for name, _ in calls} == {"rescan.py", "kept.py"}
    locked = re.compile(r"duckdb\.connect\(':memory:', config=(LOCKED_DOWN|\{\*\*LOCKED_DOWN, 'threads': '1'\})\)")
    assert all(locked.fullmatch(call) for _, call in calls)
    import duckdb

    with duckdb.connect(":memory:", config=rescan.LOCKED_DOWN) as connection:
        for statement in (
            "FROM read_csv('/etc/passwd')",
            "FROM '/etc/passwd'",
            "COPY (SELECT 1) TO '/tmp/x.csv'",
            "ATTACH '/tmp/x.db'",
            "INSTALL httpfs",
            "LOAD httpfs",
            "SET enable_external_access = true",
        ):
            with pytest.raises(duckdb.Error):
                connection.execute(statement)
