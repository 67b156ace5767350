"""A service, a corpus, and processes that are ended at a moment of one's choice."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from compliance_frames import sample
from compliance_frames.emulator import Emulator
from compliance_frames.emulator.faults import Faults

#: System calls that change what is on a disk.
CALLS = (
    *("write", "pwrite64", "fsync", "fdatasync", "rename", "renameat2", "unlink", "unlinkat", "ftruncate", "mkdir"),
    "copy_file_range",
)

#: A run that counts its named points, and is ended at one of them.
PROGRAM = """
import os, signal, sys
at, seen = int(os.environ["KILL_AT"]), 0

def watch(event, args):
    global seen
    if event.startswith("compliance_frames."):
        seen += 1
        if seen == at:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(watch)
from compliance_frames.cli import main
code = main(sys.argv[1:])
if "COUNT" in os.environ:
    with open(os.environ["COUNT"], "w") as file:
        file.write(str(seen))
sys.exit(code)
"""


def strace() -> str:
    """Where strace is.

    A machine without it, or one on which it may not trace, skips what needs it.
    """
    path = shutil.which("strace")
    if path is None:
        pytest.skip("strace is not installed (Debian package strace)")
    probe = subprocess.run([path, "-f", "-qq", "-o", os.devnull, "true"], capture_output=True, text=True, check=False)
    if probe.returncode:
        pytest.skip(f"strace may not trace here: {probe.stderr.strip()[:200]}")
    return path


class Runs:
    """Runs of the command line in processes of their own."""

    def __init__(self, folder: Path, service: Emulator) -> None:
        self.folder, self.service = folder, service

    def __call__(
        self, *args: object, at: tuple[str, int] = ("", 0), log: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command, and end it: where ``at`` names a system call, before one of its threads does that for the
        nth time; else at the nth named point.
        """
        call, number = at
        command = [sys.executable, "-c", PROGRAM, *map(str, args)]
        if call:
            inject = f"inject={call}:signal=SIGKILL:when={number}"
            command = [strace(), "-f", "-qq", "-o", os.devnull, "-e", f"trace={call}", "-e", inject, *command]
        elif log:
            command = [strace(), "-f", "-y", "-o", str(log), "-e", f"trace={','.join(CALLS)}", *command]
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment(0 if call else number),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def refused(self, call: str, number: int, *args: object) -> int:
        """Run a command whose nth system call of a kind, and all that follow, find the disk full; its exit code."""
        inject = f"inject={call}:error=ENOSPC:when={number}+"
        tracer = [strace(), "-f", "-qq", "-o", os.devnull, "-e", f"trace={call}", "-e", inject]
        done = subprocess.run(
            [*tracer, sys.executable, "-c", PROGRAM, *map(str, args)],
            cwd=self.folder, env=self.environment(0), capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        if done.returncode:
            assert "un again" in done.stderr, done.stderr
        return done.returncode

    def points(self, *args: object) -> int:
        """How many named points a whole run of a command has."""
        done = self(*args)
        assert done.returncode == 0, done.stderr
        return int((self.folder / "count").read_text())

    def calls(self, *args: object) -> dict[str, int]:
        """The most times that one thread of a whole run does each thing to the disk."""
        log = self.folder / "strace.log"
        done = self(*args, log=log)
        assert done.returncode == 0, done.stderr
        counts: Counter[tuple[str, str]] = Counter()
        for line in log.read_text(errors="replace").splitlines():
            match = re.match(r"(\d+) +([a-z0-9]+)\(", line)
            if match:
                counts[match[1], match[2]] += 1
        log.unlink()
        return {call: max((n for (_, c), n in counts.items() if c == call), default=0) for call in CALLS}

    def start(self, *args: object) -> subprocess.Popen[str]:
        """Begin a run of a command."""
        return subprocess.Popen(
            [sys.executable, "-m", "compliance_frames", *map(str, args)],
            cwd=self.folder, env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def environment(self, named: int = 0) -> dict[str, str]:
        """What a command finds in its environment."""
        return os.environ | {
            "KILL_AT": str(named),
            "COUNT": str(self.folder / "count"),
            "X_BEARER_TOKEN": self.service.bearer_token,
            "COMPLIANCE_FRAMES_BASE_URL": self.service.base_url,
        }


def was_killed(run: subprocess.CompletedProcess[str]) -> bool:
    """Whether a run was ended by SIGKILL. Under strace its death is strace's own."""
    return run.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)


def files_below(folder: Path) -> dict[str, str]:
    """Every file below a folder, by its path, and what is in it."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(name="strace")
def _strace() -> str:
    return strace()


@pytest.fixture(name="files_below")
def _files_below() -> Callable[[Path], dict[str, str]]:
    return files_below


@pytest.fixture(name="was_killed")
def _was_killed() -> Callable[[Any], bool]:
    return was_killed


@pytest.fixture
def service() -> Iterator[Emulator]:
    """A service that answers at once and grants every request."""
    with Emulator(seed=1, rate_limit=1_000_000, faults=Faults()) as served:
        yield served


@pytest.fixture
def runs(tmp_path: Path, service: Emulator) -> Runs:
    """Runs in a folder of their own."""
    return Runs(tmp_path, service)


@pytest.fixture
def make_runs() -> Callable[[Path, Emulator], Runs]:
    """Runs in folders of one's choice."""
    return Runs


@pytest.fixture(scope="session")
def asked_table() -> pa.Table:
    """1,500 tweets of 700 authors."""
    ids = np.unique(np.random.default_rng(5).integers(1_500_000_000_000_000_000, 1_600_000_000_000_000_000, 1500))
    return pa.table({"id": ids, "author_id": np.resize(ids[:700] - 7, len(ids))})


@pytest.fixture(scope="session")
def corpus_of_faults(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of 3,000 tweets in a few files; tests only read it."""
    return sample.corpus(tmp_path_factory.mktemp("faults") / "corpus", rows=3000, seed=3, days=4)


@pytest.fixture
def time_flies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every wait with a limit ends five hundred times sooner."""
    wait = threading.Event.wait

    def hasty(event: threading.Event, timeout: float | None = None) -> bool:
        return wait(event, None if timeout is None else timeout / 500)

    monkeypatch.setattr(threading.Event, "wait", hasty)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test of kill points asks for so many numbers between 0 and 1."""
    if "when" in metafunc.fixturenames:
        share = metafunc.function.share
        count = max(round(metafunc.config.getoption("kill_points") * share), 1)
        metafunc.parametrize("when", [round((n + 0.5) / count, 4) for n in range(count)])
