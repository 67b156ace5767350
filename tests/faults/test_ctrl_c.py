"""Ctrl-C at a moment of one's choice ends a run cleanly, and the next one goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compliance_frames import sample
from compliance_frames.corpus.manifest import manifest_path
from compliance_frames.emulator import Fault


def test_a_rename_that_is_interrupted_leaves_a_dataset_with_its_manifest(runs: Any, strace: str) -> None:
    """The interrupt comes when the dataset is in its place already, and its manifest must stay with it."""
    sample.corpus(runs.folder / "corpus", rows=600, seed=3, days=2)
    assert runs("check", "corpus", "--ledger", "a.ledger", "--poll", "0.02s").returncode == 0
    command = ["clean", "corpus", "clean", "--ledger", "a.ledger"]
    tracer = [strace, "-f", "-qq", "-o", os.devnull, "-e", "trace=renameat2", "-e", "inject=renameat2:signal=SIGINT"]
    stopped = subprocess.run(
        [*tracer, sys.executable, "-m", "compliance_frames", *command],
        cwd=runs.folder, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert stopped.returncode == 130, stopped.stderr
    assert "goes on where it stopped" in stopped.stderr
    assert (runs.folder / "clean").is_dir()
    assert manifest_path(Path(runs.folder, "clean")).exists()
    again = runs(*command)
    assert again.returncode == 0, again.stderr
    assert not list(runs.folder.glob(".clean*")), "the next run sweeps what the interrupt left"


@pytest.mark.parametrize(("type", "place"), [("tweets", "get"), ("both", "get"), ("both", "download")])
def test_a_line_on_which_nothing_moves_is_let_go(type: str, place: Any, runs: Any, asked_table: pa.Table) -> None:
    """No thread is waited for that waits for an answer; what was reached is kept."""
    pq.write_table(asked_table, runs.folder / "ids.parquet")
    command = ["check", "ids.parquet", "--type", type, "--ledger", "a.ledger", "--poll", "0.02s", "--chunk-size", 500]
    silence = Fault(place, "stall", times=None, lasting=timedelta(minutes=2))
    runs.service.faults.add(silence)
    with runs.start(*command) as child:
        while runs.service.faults.met[place, "stall"] < (2 if type == "both" else 1):
            assert child.poll() is None
            time.sleep(0.02)
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=15)  # a time-out of the connection comes after 30 s
    assert child.returncode == 130, errors
    assert "goes on where it stopped" in errors
    assert "Traceback" not in errors
    runs.service.faults.clear()
    again = runs(*command)
    assert again.returncode == 0, again.stderr
