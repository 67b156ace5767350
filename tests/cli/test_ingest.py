"""Raw files on the command line: a table for people, an object for programs, an exit code for scripts."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Run

ID = 1_212_161_512_043_446_272


def raw(folder: Path) -> None:
    (folder / "raw").mkdir()
    for name in "ab":
        lines = [json.dumps({"id": str(ID + number), "text": name}) for number in range(3)]
        (folder / "raw" / f"{name}.jsonl").write_text("\n".join([*lines, "{", ""]))


def test_files_become_a_dataset(run: Run, tmp_path: Path) -> None:
    """Several files, a dataset, and what comes next; programs read the same counts."""
    raw(tmp_path)
    shown = run("ingest", "raw/a.jsonl", "raw/b.jsonl", "corpus")
    assert shown.code == 0
    assert "6 rows of 1 day" in shown.out
    assert "corpus.rejected.jsonl" in shown.out
    assert "next: compliance-frames run corpus" in shown.err
    told = run("ingest", "raw/*.jsonl", "again", "--json").json
    assert (told["command"], told["rows"], [file["rejected"] for file in told["files"]]) == ("ingest", 6, [1, 1])


def test_each_failure_has_its_exit_code(run: Run, tmp_path: Path) -> None:
    """5: the files are not usable; 2: the destination cannot be written."""
    raw(tmp_path)
    assert run("ingest", "raw/*.csv", "corpus").code == 5
    (tmp_path / "raw" / "c.jsonl").write_text('{"id": 1.5}')
    refused = run("ingest", "raw", "corpus", "--json")
    assert (refused.code, refused.json["error"]["type"]) == (5, "RawFileError")
    assert "c.jsonl, line 1" in refused.error
    assert run("ingest", "raw/a.jsonl", "raw").code == 2
