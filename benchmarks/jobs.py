"""Claim: many jobs one after the other take at most 5 % longer than the service itself needs for them.

    python benchmarks/jobs.py --chunks 8 --ids 1_000_000 --processing 30s --latency 0.05s --rounds 3 --json jobs.json

The service's part is known: the time that it works on each job, and three times the latency for each (to create it,
to upload, to see that it is complete). Everything else is ours: making bodies and uploading them, looking too late,
downloading, parsing, writing. Times are a tenth of what the real service takes, or less, and so is ``--poll``, which
is 5 s by default there. The emulator runs in a process of its own, so that its memory is told apart from the client's.
Ten million IDs in one job, as fast as this computer can: ``--chunks 1 --ids 10_000_000 --processing 0s --latency 0s``.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np


def measure(chunks: int, count: int, processing: str, latency: str, poll: timedelta) -> dict[str, Any]:
    """Check made IDs against an emulator, and compare the answer with the rule that it answers by."""
    import compliance_frames as cf
    from compliance_frames.emulator import Fates

    rng = np.random.default_rng(0)
    made = rng.integers(1_200_000_000_000_000_000, 1_700_000_000_000_000_000, chunks * count + 1000)
    ids = rng.permutation(made)[: chunks * count]
    with tempfile.TemporaryDirectory() as folder, _emulator(processing, latency) as (process, told):
        started = time.perf_counter()
        results = cf.check(ids, ledger=Path(folder) / "ledger", chunk_size=count, poll=poll, **told)
        seconds = time.perf_counter() - started
        emulator_mb = _peak_mb(process.pid)
    assert results.num_rows == len(ids) - Fates(0).of(ids, "tweets").null_count
    assert len(set(results.column("job_id").unique().to_pylist())) == chunks
    return {"seconds": seconds, "client_peak_mb": _peak_mb(os.getpid()), "emulator_peak_mb": emulator_mb}


class _emulator:
    def __init__(self, processing: str, latency: str) -> None:
        self.options = ["--processing", processing, "--latency", latency]

    def __enter__(self) -> tuple[subprocess.Popen[str], dict[str, str]]:
        command = [sys.executable, "-m", "compliance_frames", "emulate", "--port", "0", "--json", *self.options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        return self.process, json.loads(self.process.stdout.readline())

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(30)


def _peak_mb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024 if pid == os.getpid() else 0
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) // 1024


def main() -> None:
    from compliance_frames.cli.options import duration

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=8)
    parser.add_argument("--ids", type=int, default=1_000_000, help="in each chunk")
    parser.add_argument("--processing", default="30s")
    parser.add_argument("--latency", default="0.05s")
    parser.add_argument("--poll", default="0.5s")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    ideal = given.chunks * (duration(given.processing) + 3 * duration(given.latency)).total_seconds()
    rounds = [
        measure(given.chunks, given.ids, given.processing, given.latency, duration(given.poll))
        for _ in range(given.rounds)
    ]
    seconds = [each["seconds"] for each in rounds]
    median = statistics.median(seconds)
    print(f"{given.chunks} jobs of {given.ids:,} IDs, {given.processing} each, {given.latency} away")
    print(f"  wall   {median:8.1f} s  ({min(seconds):.1f} to {max(seconds):.1f}, {len(rounds)} rounds)")
    print(f"  ideal  {ideal:8.1f} s")
    if ideal:
        print(f"  ratio  {median / ideal:8.3f}")
    print(f"  peak   {max(each['client_peak_mb'] for each in rounds):8,} MB")
    if given.json:
        figures = {"ideal": ideal, "median": median, "rounds": rounds, "cores": os.cpu_count(), **vars(given)}
        given.json.write_text(json.dumps(figures, indent=2, default=str) + "\n")


if __name__ == "__main__":
    main()
