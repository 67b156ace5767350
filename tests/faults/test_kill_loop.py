"""Killed anywhere, a run is taken up by the next one, which ends as if nothing had been.

``pytest tests/faults/test_kill_loop.py --kill-points 120`` is the full run.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compliance_frames.emulator import Emulator
from compliance_frames.errors import LedgerError
from compliance_frames.jobs.ledger import Ledger

CHECK = ["check", "ids.parquet", "--type", "both", "--author-column", "author_id", "--chunk-size", 700]
CHECK += ["--ledger", "a.ledger", "--poll", "0.02s", "--json"]
COLUMNS = ["type", "id", "action", "reason", "created_at", "redacted_at"]
#: After these the service has all of a chunk's IDs, and the ledger says so.
UPLOADED = {"uploaded", "processing", "downloading", "done"}

Killed = Callable[[subprocess.CompletedProcess[str]], bool]
Below = Callable[[Path], dict[str, str]]


def share(of: float) -> Callable[[Any], Any]:
    """What part of the kill points a test takes."""

    def mark(test: Any) -> Any:
        test.share = of
        return test

    return mark


class Calm:
    """What an undisturbed run does and leaves, and how many points it has."""

    def __init__(self, runs: Any, *command: object) -> None:
        self.points = runs.points(*command)
        self.files = {path.relative_to(runs.folder).as_posix() for path in runs.folder.rglob("*") if path.is_file()}
        self.met = self.missed = 0

    def count(self, was_killed: bool, at: tuple[str, int], run: subprocess.CompletedProcess[str]) -> None:
        """What comes at once, or in which thread, differs: the nth may not come, and then all must be well."""
        assert was_killed or run.returncode == 0, (at, run.returncode, run.stderr)
        self.met += was_killed
        self.missed += not was_killed

    def measure(self, runs: Any, *command: object) -> None:
        """Count what it does to the disk; the last of many calls are left out: on a busy day there are fewer looks."""
        self.calls = [(call, n) for call, most in runs.calls(*command).items() for n in range(1, most + 1 - most // 5)]


@pytest.fixture(scope="module")
def calm_check(tmp_path_factory: pytest.TempPathFactory, asked_table: pa.Table) -> Any:
    """An undisturbed check, in a folder of its own."""
    from compliance_frames.emulator.faults import Faults

    def once(runs_of: Any) -> tuple[Calm, pa.Table]:
        with Emulator(seed=1, rate_limit=1_000_000, faults=Faults()) as service:
            folder = tmp_path_factory.mktemp("calm")
            pq.write_table(asked_table, folder / "ids.parquet")
            runs = runs_of(folder, service)
            calm = Calm(runs, *CHECK)
            results = Ledger.read(folder / "a.ledger").results().select(COLUMNS)
            shutil.rmtree(folder / "a.ledger")
            if shutil.which("strace"):
                calm.measure(runs, *CHECK)
        return calm, results

    known: list[tuple[Calm, pa.Table]] = []

    def get(runs_of: Any) -> tuple[Calm, pa.Table]:
        if not known:
            known.append(once(runs_of))
        return known[0]

    return get


def uploads_of(service: Emulator) -> Counter[int]:
    """How many whole uploads each job has had."""
    bodies = [request.path for request in service.requests if request.method == "PUT" and request.status == 200]
    return Counter(int(path.split("/")[3]) for path in bodies)


def known_to_be_uploaded(ledger: Path) -> set[int | None]:
    """The jobs whose chunks a ledger knows to be whole at the service; none where it was only just begun."""
    try:
        chunks = Ledger.read(ledger).chunks()
    except LedgerError as error:
        if not re.search("There is no ledger|the run that began to make it was ended", str(error)):
            raise
        return set()
    return {chunk.job_id for chunk in chunks if chunk.state in UPLOADED}


def check_is_taken_up(
    runs: Any, at: tuple[str, int], asked: pa.Table, calm: Calm, results: pa.Table, killed: Killed
) -> None:
    """Kill a check at a point, run it again, and compare all that can be seen with the undisturbed run."""
    pq.write_table(asked, runs.folder / "ids.parquet")
    first = runs(*CHECK, at=at)
    calm.count(killed(first), at, first)
    before = uploads_of(runs.service)
    ledger = runs.folder / "a.ledger"
    uploaded = known_to_be_uploaded(ledger)
    again = runs(*CHECK)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["asked"] == {"tweets": 1500, "users": 700}
    assert Ledger.read(ledger).results().select(COLUMNS).equals(results)
    after = uploads_of(runs.service)
    assert all(after[job] == before[job] for job in uploaded), "uploaded once more after it was known to be whole"
    assert max(runs.service.most_live.values()) == 1
    assert {job.status for job in runs.service.jobs} == {"complete"}, "a job was made in vain"
    assert len(runs.service.jobs) == 4
    files = {path.relative_to(runs.folder).as_posix() for path in runs.folder.rglob("*") if path.is_file()}
    assert files == calm.files, "something was left behind, or is missing"


@share(0.3)
def test_a_check_killed_at_a_change_of_state_is_taken_up(
    when: float, runs: Any, make_runs: Any, asked_table: pa.Table, calm_check: Any, was_killed: Killed
) -> None:
    """Before and after every state that the ledger writes down."""
    calm, results = calm_check(make_runs)
    at = ("", 1 + int(when * calm.points))
    check_is_taken_up(runs, at, asked_table, calm, results, was_killed)


@share(0.3)
def test_a_check_killed_at_a_system_call_is_taken_up(
    when: float, runs: Any, make_runs: Any, asked_table: pa.Table, calm_check: Any, was_killed: Killed, strace: str
) -> None:
    """Before the nth write, sync, rename or removal of any of its threads."""
    calm, results = calm_check(make_runs)
    at = calm.calls[int(when * len(calm.calls))]
    check_is_taken_up(runs, at, asked_table, calm, results, was_killed)


# Cleaning.

CLEAN = ["clean", "corpus", "clean", "--ledger", "a.ledger", "--workers", 2, "--json"]


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory, corpus_of_faults: Path) -> Path:
    """A ledger with the answers for the corpus; tests copy it."""
    from datetime import timedelta

    from compliance_frames.jobs.run import check

    ledger = tmp_path_factory.mktemp("checked") / "a.ledger"
    with Emulator(seed=1, rate_limit=1_000_000) as service:
        check(
            corpus_of_faults, "both", ledger=ledger, poll=timedelta(milliseconds=20),
            bearer_token=service.bearer_token, base_url=service.base_url,
        )  # fmt: skip
    return ledger


def with_answers(folder: Path, corpus: Path, ledger: Path) -> None:
    shutil.copytree(corpus, folder / "corpus")
    shutil.copytree(ledger, folder / "a.ledger")


@pytest.fixture(scope="module")
def calm_clean(tmp_path_factory: pytest.TempPathFactory, corpus_of_faults: Path, checked: Path) -> Any:
    """An undisturbed cleaning, in a folder of its own."""
    known: list[tuple[Calm, dict[str, str]]] = []

    def get(runs_of: Any, below: Below) -> tuple[Calm, dict[str, str]]:
        if not known:
            folder = tmp_path_factory.mktemp("calm")
            with_answers(folder, corpus_of_faults, checked)
            with Emulator() as service:
                runs = runs_of(folder, service)
                calm = Calm(runs, *CLEAN)
                cleaned = below(folder / "clean")
                shutil.rmtree(folder / "clean")
                (folder / "clean.manifest.json").unlink()
                if shutil.which("strace"):
                    calm.measure(runs, *CLEAN)
            known.append((calm, cleaned))
        return known[0]

    return get


def clean_is_taken_up(
    runs: Any, at: tuple[str, int], calm: Calm, cleaned: dict[str, str], killed: Killed, below: Below
) -> None:
    """Kill a cleaning at a point, run it again, and compare all that can be seen with the undisturbed run."""
    source = below(runs.folder / "corpus")
    first = runs(*CLEAN, at=at)
    calm.count(killed(first), at, first)
    if (runs.folder / "clean").exists():
        assert below(runs.folder / "clean") == cleaned, "the destination was there, and not whole"
        assert (runs.folder / "clean.manifest.json").exists()
    again = runs(*CLEAN)
    assert again.returncode == 0, again.stderr
    assert below(runs.folder / "clean") == cleaned
    assert below(runs.folder / "corpus") == source
    files = {path.relative_to(runs.folder).as_posix() for path in runs.folder.rglob("*") if path.is_file()}
    assert files == calm.files, "something was left behind, or is missing"
    assert {path.name for path in runs.folder.iterdir() if path.is_dir()} == {"corpus", "a.ledger", "clean"}


@share(0.15)
def test_a_cleaning_killed_at_a_step_is_taken_up(
    when: float, runs: Any, make_runs: Any, calm_clean: Any, checked: Path, corpus_of_faults: Path,
    was_killed: Killed, files_below: Below,
) -> None:  # fmt: skip
    """After every file that is staged and vouched for, and around the rename that publishes all of them."""
    calm, cleaned = calm_clean(make_runs, files_below)
    with_answers(runs.folder, corpus_of_faults, checked)
    at = ("", 1 + int(when * calm.points))
    clean_is_taken_up(runs, at, calm, cleaned, was_killed, files_below)


@share(0.25)
def test_a_cleaning_killed_at_a_system_call_is_taken_up(
    when: float, runs: Any, make_runs: Any, calm_clean: Any, checked: Path, corpus_of_faults: Path,
    was_killed: Killed, files_below: Below, strace: str,
) -> None:  # fmt: skip
    """Before the nth write, sync, rename or removal of any of its threads."""
    calm, cleaned = calm_clean(make_runs, files_below)
    with_answers(runs.folder, corpus_of_faults, checked)
    at = calm.calls[int(when * len(calm.calls))]
    clean_is_taken_up(runs, at, calm, cleaned, was_killed, files_below)


def test_most_kill_points_were_met(calm_check: Any, calm_clean: Any, make_runs: Any, files_below: Below) -> None:
    """Of the runs that were to be ended, few came to their end because the call never came."""
    for calm, _ in (calm_check(make_runs), calm_clean(make_runs, files_below)):
        assert calm.missed <= calm.met / 2
