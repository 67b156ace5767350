"""Ctrl-C at a moment of one's choice ends a run cleanly, and the next one goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from compliance_frames import sample
from compliance_frames.corpus.manifest import manifest_path


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
