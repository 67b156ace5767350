"""A disk that is full costs nothing but the wait for room."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compliance_frames import sample
from compliance_frames.corpus.clean import clean
from compliance_frames.corpus.plan import plan
from compliance_frames.errors import DestinationError, LedgerError
from compliance_frames.jobs.ledger import Ledger

Below = Callable[[Path], dict[str, str]]
CHECK = ["check", "ids.parquet", "--type", "tweets", "--id-column", "id", "--ledger"]


@contextmanager
def mounted(disk: Path, options: str) -> Iterator[Path]:
    """A disk in memory, where the system allows one to be mounted."""
    disk.mkdir()
    mount = shutil.which("mount") or "false"
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", options, "tmpfs", str(disk)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()[:200]}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MB."""
    with mounted(tmp_path / "disk", "size=8m,mode=700") as disk:
        yield disk


def fill(disk: Path, leaving: int) -> Path:
    """Take all the room of a disk but so many bytes."""
    state = os.statvfs(disk)
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(max(state.f_bavail * state.f_frsize - leaving, 0)))
    return ballast


def words_of(run: subprocess.CompletedProcess[str]) -> str:
    """The one sentence of an error."""
    assert "Traceback" not in run.stderr, run.stderr
    (line,) = [line for line in run.stderr.splitlines() if line.startswith("error: ")]
    return line


@pytest.mark.parametrize("leaving", [0, 40_000, 120_000, 400_000])
def test_a_ledger_without_room_says_so_and_goes_on(leaving: int, small_disk: Path, runs: Any) -> None:
    """Wherever the room ends: a sentence, nothing lost, and the next run asks nothing twice."""
    ids = pa.array(range(1_500_000_000_000_000_000, 1_500_000_000_000_000_000 + 40_000 * 4097, 4097))
    pq.write_table(pa.table({"id": ids}), runs.folder / "ids.parquet")
    ballast = fill(small_disk, leaving)
    ledger = small_disk / "a.ledger"
    full = runs(*CHECK, ledger, "--poll", "0.02s")
    assert full.returncode == 1, full.stderr
    assert "cannot be" in words_of(full)
    assert "un again" in words_of(full)
    asked = len(runs.service.jobs)
    ballast.unlink()
    again = runs(*CHECK, ledger, "--poll", "0.02s")
    assert again.returncode == 0, again.stderr
    assert Ledger.read(ledger).asked("tweets").equals(ids)
    assert len(runs.service.jobs) == 1 >= asked
    assert not [path for path in ledger.rglob("*") if path.suffix in {".part", ".jsonl", ".etag"}]


def test_a_destination_without_room_says_so_and_goes_on(small_disk: Path, runs: Any, files_below: Below) -> None:
    """No destination, what was staged is kept, and with room again the next run ends as on a large disk."""
    sample.corpus(runs.folder / "corpus", rows=40_000, seed=3, days=4)
    asked = runs("check", "corpus", "--ledger", "a.ledger", "--poll", "0.02s")
    assert asked.returncode == 0, asked.stderr
    calm = runs("clean", "corpus", "calm", "--ledger", "a.ledger")
    assert calm.returncode == 0, calm.stderr
    size = sum(path.stat().st_size for path in (runs.folder / "calm").rglob("*.parquet"))
    ballast = fill(small_disk, size * 8 // 10 + 16 * 4096)  # three files of four, and the pages of small ones
    full = runs("clean", "corpus", small_disk / "clean", "--ledger", "a.ledger", "--workers", 1)
    assert full.returncode == 2, full.stderr
    assert "no room" in words_of(full)
    assert "run the same again" in words_of(full)
    assert {path.name for path in small_disk.iterdir()} == {"ballast", ".clean.compliance-frames"}
    ballast.unlink()
    again = runs("clean", "corpus", small_disk / "clean", "--ledger", "a.ledger")
    assert again.returncode == 0, again.stderr
    assert files_below(small_disk / "clean") == files_below(runs.folder / "calm")
    assert {path.name for path in small_disk.iterdir()} == {"clean", "clean.manifest.json"}


@pytest.mark.parametrize("leaving", [100_000, 700_000, 1_000_000])
def test_a_splice_without_room_says_so_and_goes_on(leaving: int, small_disk: Path, tmp_path: Path) -> None:
    """Wherever the room ends while column chunks are copied: nothing is published, and the next run does it all."""
    (tmp_path / "corpus").mkdir()
    rows = 8000
    table = pa.table({"id": range(rows), "text": [f"{row:0125}" for row in range(rows)], "geo": ["Oslo"] * rows})
    pq.write_table(table, tmp_path / "corpus" / "a.parquet", compression="none", use_dictionary=["geo"])
    place = {"type": ["tweets"], "id": [7], "action": ["scrub_geo"], "reason": ["scrub_geo"]}
    made = plan(tmp_path / "corpus", pa.table(place))
    assert made.files[0].decision == "splice"
    ballast = fill(small_disk, leaving)
    with pytest.raises(DestinationError, match="no room"):
        clean(made, small_disk / "clean")
    assert not (small_disk / "clean").exists()
    ballast.unlink()
    assert clean(made, small_disk / "clean").files_spliced == 1
    assert pq.read_table(small_disk / "clean" / "a.parquet")["geo"].null_count == 1
    assert {path.name for path in small_disk.iterdir()} == {"clean", "clean.manifest.json"}


@pytest.mark.parametrize("call", ["fsync", "fdatasync", "pwrite64"])
def test_a_disk_that_fills_up_in_the_middle_is_told(call: str, runs: Any, strace: str, asked_table: pa.Table) -> None:
    """The system refuses from some moment on, whichever that is: a sentence, and the next run ends well."""
    pq.write_table(asked_table, runs.folder / "ids.parquet")
    command = [*CHECK, "a.ledger", "--poll", "0.02s"]
    ended = {runs.refused(call, number, *command) for number in (2, 5, 9, 14)}
    again = runs(*command)
    assert again.returncode == 0, again.stderr
    assert Ledger.read(runs.folder / "a.ledger").asked("tweets").equals(asked_table.column("id").combine_chunks())
    assert max(runs.service.most_live.values()) == 1
    assert 1 in ended, "no moment was met"


def test_a_read_only_destination_is_told(tmp_path: Path, runs: Any) -> None:
    """A file system that nobody may write to: one sentence, exit code 2."""
    sample.corpus(runs.folder / "corpus", rows=600, seed=3, days=2)
    assert runs("check", "corpus", "--ledger", "a.ledger", "--poll", "0.02s").returncode == 0
    with mounted(tmp_path / "disk", "ro,size=1m") as disk:
        refused = runs("clean", "corpus", disk / "clean", "--ledger", "a.ledger")
    assert refused.returncode == 2, refused.stderr
    assert "Read-only file system" in words_of(refused)


@pytest.mark.parametrize("ends", ["", "os.kill(os.getpid(), 9)"])
def test_a_ledger_on_a_read_only_disk_is_read(ends: str, tmp_path: Path, runs: Any) -> None:
    """An archive, or a disk that was remounted: also of a run that was killed. Writing to it is refused in words."""
    code = (
        "import os, sys, pyarrow as pa; from compliance_frames.jobs.ledger import Ledger\n"
        f"with Ledger.open(sys.argv[1]) as ledger: ledger.add('tweets', pa.array([1, 2]), chunk_size=1); {ends}"
    )
    with mounted(tmp_path / "disk", "size=1m") as disk:
        subprocess.run([sys.executable, "-c", code, str(disk / "a.ledger")], check=False)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        shown = runs("jobs", "--ledger", disk / "a.ledger", "--json")
        assert shown.returncode == 0, shown.stderr
        assert [job["state"] for job in json.loads(shown.stdout)["jobs"]] == ["planned", "planned"]
        with pytest.raises(LedgerError, match="Read-only file system"):
            Ledger.open(disk / "a.ledger")


def test_a_destination_on_another_file_system_is_as_good(runs: Any, files_below: Below) -> None:
    """The copy grows beside its destination, so that its rename never crosses file systems."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == runs.folder.stat().st_dev:
        pytest.skip("there is no second file system at /dev/shm")
    sample.corpus(runs.folder / "corpus", rows=3000, seed=3, days=3)
    assert runs("check", "corpus", "--ledger", "a.ledger", "--poll", "0.02s").returncode == 0
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        for destination in (Path(folder, "clean"), runs.folder / "clean"):
            done = runs("clean", "corpus", destination, "--ledger", "a.ledger")
            assert done.returncode == 0, done.stderr
        assert files_below(Path(folder, "clean")) == files_below(runs.folder / "clean")
        assert {path.name for path in Path(folder).iterdir()} == {"clean", "clean.manifest.json"}
