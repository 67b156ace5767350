"""Claim: ten million IDs go through one job, from frame to Arrow table, in minutes and within a few gigabytes.

    python benchmarks/jobs.py --ids 10_000_000 --json jobs.json

The emulator runs in a process of its own, so that its memory is told apart from the client's. What is measured is
all that happens on this computer; the real service takes as long as it takes.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np


def measure(count: int) -> dict[str, Any]:
    """Check made IDs against an emulator, and compare the answer with the rule that it answers by."""
    import compliance_frames as cf
    from compliance_frames.emulator import Fates

    rng = np.random.default_rng(0)
    ids = np.unique(rng.integers(1_200_000_000_000_000_000, 1_700_000_000_000_000_000, count))
    with tempfile.TemporaryDirectory() as folder, _emulator() as (process, told):
        started = time.perf_counter()
        results = cf.check(
            ids, ledger=Path(folder) / "ledger", chunk_size=count, poll=timedelta(milliseconds=500), **told
        )
        seconds = time.perf_counter() - started
        emulator_mb = _peak_mb(process.pid)
    reasons = Fates(0).of(ids, "tweets")
    assert results.num_rows == len(ids) - reasons.null_count
    assert set(results.column("job_id").to_pylist()[:1000]) == {results.column("job_id")[0].as_py()}
    return {
        "ids": len(ids),
        "flagged": results.num_rows,
        "seconds": round(seconds, 1),
        "client_peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "emulator_peak_mb": emulator_mb,
        "cores": os.cpu_count(),
    }


class _emulator:
    def __enter__(self) -> tuple[subprocess.Popen[str], dict[str, str]]:
        command = [sys.executable, "-m", "compliance_frames", "emulate", "--port", "0", "--processing", "0s", "--json"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        return self.process, json.loads(self.process.stdout.readline())

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(30)


def _peak_mb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return 0
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ids", type=int, default=10_000_000)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    figures = measure(given.ids)
    print("\n".join(f"{name:>18}  {value:,}" for name, value in figures.items()))
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
