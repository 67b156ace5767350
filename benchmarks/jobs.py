"""Claim: many jobs one after the other take at most 5 % longer than the service itself needs for them.

    python benchmarks/jobs.py --chunks 8 --ids 1_000_000 --processing 5m --latency 0.5s --faster 10 --rounds 3

The service's part is known: the time that it works on each job, and three times the latency for each (to create it,
to upload, to see that it is complete). Everything else is ours: making bodies and uploading them, looking too late,
downloading, parsing, writing. ``--faster`` shortens all times of the service, its rate limit's window among them, and
the pauses between our looks: but not what this computer has to do, which weighs so many times more than in truth. The
emulator runs in a process of its own, so that its memory is told apart from the client's.

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

#: The window of the real service's rate limit, and the first pause between two looks at a job.
WINDOW, POLL = timedelta(minutes=15), timedelta(seconds=5)


def measure(chunks: int, count: int, processing: timedelta, latency: timedelta, faster: float) -> dict[str, Any]:
    """Check made IDs against an emulator, and compare the answer with the rule that it answers by."""
    import compliance_frames as cf
    from compliance_frames.emulator import Fates

    rng = np.random.default_rng(0)
    ids = 1_200_000_000_000_000_000 + rng.permutation(chunks * count) * 4097
    with tempfile.TemporaryDirectory() as folder, _emulator(processing, latency, WINDOW / faster) as (process, told):
        started = time.perf_counter()
        results = cf.check(ids, ledger=Path(folder) / "ledger", chunk_size=count, poll=POLL / faster, **told)
        seconds = time.perf_counter() - started
        emulator_mb = _peak_mb(process.pid)
    assert results.num_rows == len(ids) - Fates(0).of(ids, "tweets").null_count
    assert len(set(results.column("job_id").unique().to_pylist())) == chunks
    return {"seconds": seconds, "client_peak_mb": _peak_mb(os.getpid()), "emulator_peak_mb": emulator_mb}


#: Serves until its standard input ends.
_SERVE = """
import json, sys
from datetime import timedelta
from compliance_frames.emulator import Emulator
processing, latency, window = (timedelta(seconds=float(told)) for told in sys.argv[1:])
with Emulator(processing=processing, latency=latency, rate_window=window) as service:
    print(json.dumps({"base_url": service.base_url, "bearer_token": service.bearer_token}), flush=True)
    sys.stdin.read()
"""


class _emulator:
    def __init__(self, *times: timedelta) -> None:
        self.times = [str(each.total_seconds()) for each in times]

    def __enter__(self) -> tuple[subprocess.Popen[str], dict[str, str]]:
        command = [sys.executable, "-c", _SERVE, *self.times]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        return self.process, json.loads(self.process.stdout.readline())

    def __exit__(self, *_: object) -> None:
        self.process.communicate(timeout=60)


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
    parser.add_argument("--processing", default="5m")
    parser.add_argument("--latency", default="0.5s")
    parser.add_argument("--faster", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    processing, latency = (duration(told) / given.faster for told in (given.processing, given.latency))
    ideal = given.chunks * (processing + 3 * latency).total_seconds()
    rounds = [measure(given.chunks, given.ids, processing, latency, given.faster) for _ in range(given.rounds)]
    seconds = [each["seconds"] for each in rounds]
    median = statistics.median(seconds)
    said = f"{given.processing} each, {given.latency} away, {given.faster:g}× faster"
    print(f"{given.chunks} jobs of {given.ids:,} IDs, {said}")
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
