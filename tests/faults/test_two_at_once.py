"""Two runs at once on one ledger, or on one destination: the second is refused at once, or waits for its turn."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ASK = [
    "check",
    "ids.parquet",
    "--type",
    "tweets",
    "--id-column",
    "id",
    "--ledger",
    "a.ledger",
    "--json",
    "--poll",
    "0.02s",
]
CLEAN = ["clean", "corpus", "clean", "--ledger", "a.ledger", "--json"]

#: Runs a command that stops for a line on its standard input once it has come to a named point.
HELD = """
import sys
from compliance_frames.cli import main
event, told = sys.argv[1], False

def watch(name, args):
    global told
    if name == event and not told:
        told = True
        print("held", flush=True)
        sys.stdin.readline()

sys.addaudithook(watch)
sys.exit(main(sys.argv[2:]))
"""


@contextmanager
def held(runs: Any, event: str, *command: object) -> Iterator[subprocess.Popen[str]]:
    """A run that is in the middle of its work, and goes on when it is told to."""
    process = subprocess.Popen(
        [sys.executable, "-c", HELD, event, *map(str, command)],
        cwd=runs.folder, env=runs.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        assert process.stdout
        try:
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def refused_by(process: subprocess.Popen[str], run: subprocess.CompletedProcess[str], what: str) -> None:
    assert run.returncode == 1, run.stderr
    error = json.loads(run.stdout)["error"]
    assert error["type"] == "LedgerLockedError"
    assert what in error["message"]
    assert f"process {process.pid} since" in error["message"], "who it is that works there"
    assert "--wait" in error["message"], "what to do"


@pytest.fixture
def asked(runs: Any, asked_table: pa.Table, corpus_of_faults: Path) -> Any:
    """A folder with IDs to ask about, and with a corpus that was asked about."""
    pq.write_table(asked_table, runs.folder / "ids.parquet")
    shutil.copytree(corpus_of_faults, runs.folder / "corpus")
    return runs


def answers(runs: Any) -> None:
    """Ask about the corpus, so that it can be cleaned."""
    done = runs("check", "corpus", "--ledger", "a.ledger", "--poll", "0.02s")
    assert done.returncode == 0, done.stderr


def test_a_second_run_on_a_ledger_is_refused_and_the_first_goes_on(asked: Any) -> None:
    """Exit code 1 and who it is that works there; nothing of the first run is disturbed."""
    with held(asked, "compliance_frames.advanced", *ASK) as first:
        refused_by(first, asked(*ASK), "The ledger a.ledger is in use")
        shown = json.loads(asked("jobs", "--ledger", "a.ledger", "--json").stdout)
        assert shown["at_work"].startswith(f"process {first.pid} since")
        assert [job["state"] for job in shown["jobs"]] == ["creating"]
        out, errors = first.communicate("go on\n", timeout=60)
    assert first.returncode == 0, errors
    assert json.loads(out)["asked"] == {"tweets": 1500}
    assert len(asked.service.jobs) == 1


def test_a_second_run_on_a_destination_is_refused_and_the_first_goes_on(asked: Any, files_below: Any) -> None:
    """The same, for two cleanings."""
    answers(asked)
    with held(asked, "compliance_frames.stage", *CLEAN) as first:
        refused_by(first, asked(*CLEAN), "The destination clean is in use")
        _, errors = first.communicate("go on\n", timeout=60)
    assert first.returncode == 0, errors
    assert {path.name for path in asked.folder.iterdir() if path.name.startswith(".clean")} == set()


@pytest.mark.parametrize(("event", "command", "what"), [("advanced", ASK, "ledger"), ("stage", CLEAN, "destination")])
def test_a_second_run_that_waits_has_its_turn(asked: Any, event: str, command: list[str], what: str) -> None:
    """With --wait it says for whom it waits; when the first is done there is nothing left to do, and it ends well."""
    if command is CLEAN:
        answers(asked)
    with held(asked, f"compliance_frames.{event}", *command) as first:
        second = asked.start(*command, "--wait")
        assert second.stderr
        said = next(line for line in second.stderr if "waiting" in line)
        assert f"for another run with this {what} to end (process {first.pid} since" in said
        _, errors = first.communicate("go on\n", timeout=60)
        assert first.returncode == 0, errors
        out, errors = second.communicate(timeout=60)
    assert second.returncode == 0, errors
    assert json.loads(out)["command"] == command[0]
    assert len(asked.service.jobs) <= 2
    assert asked.service.most_live["tweets"] == 1
