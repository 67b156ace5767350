"""Measurements that can be believed: contenders back to back in shuffled rounds, each time in a fresh process.

A benchmark script hands its contenders to :func:`main`. A contender is a function at the top of the script; it gets a
clock and the arguments of the case, does the measured part inside of ``with clock:``, and gives back what all
contenders must agree on::

    def polars(clock, path):
        import polars as pl

        with clock:
            frame = pl.read_ndjson(path)
        return agreement(frame)

The first contender is the one that the others are compared with. Wall time and peak memory are those of the measured
part; the memory of processes that a contender starts is added to its own.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Contender = Callable[..., Any]

_LIBRARIES = ("compliance-frames", "polars", "pyarrow", "duckdb", "pandas", "numpy")
_STATUS = Path("/proc/self/status")


class Clock:
    """Wall time and peak memory of a ``with`` block.

    Attributes:
        seconds: how long it took.
        cpu_seconds: how long processors worked on it, with those of processes that it started and that have ended.
        peak_mb: the most resident memory at any moment, of the process and all that it started, in MiB.
    """

    def __enter__(self) -> Clock:
        if _STATUS.exists():
            Path("/proc/self/clear_refs").write_text("5")  # the highest mark from here on, not that of the preparation
        self._most, self._done = 0, threading.Event()
        self._watch = threading.Thread(target=self._watch_children, daemon=True)
        self._watch.start()
        self._cpu = _cpu_seconds()
        self._started = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._started
        self.cpu_seconds = _cpu_seconds() - self._cpu
        self._done.set()
        self._watch.join()
        self.peak_mb = round(max(_peak_of_self(), self._most) / 1024, 1)

    def _watch_children(self) -> None:
        while not self._done.wait(0.05):
            if below := _descendants(os.getpid()):
                self._most = max(self._most, sum(_kilobytes(pid, "VmRSS") for pid in [os.getpid(), *below]))


def _cpu_seconds() -> float:
    return sum(os.times()[:4])


def _peak_of_self() -> int:
    # getrusage() is the fallback only: on Linux its figure survives exec(), and so may be that of the parent.
    return _kilobytes(os.getpid(), "VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _kilobytes(pid: int, field: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{field}:")), 0)


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for path in Path("/proc").glob(f"{pid}/task/*/children"):
        try:
            found += [int(child) for child in path.read_text().split()]
        except OSError:
            continue
    return found + [below for child in found for below in _descendants(child)]


def agreement(frame: Any) -> dict[str, Any]:
    """What two frames have in common when their rows are the same in any order: how many, and the sum of their hashes.

    Args:
        frame: a polars DataFrame or an Arrow table; cast it before to the types that all contenders can give.
    """
    import polars as pl

    rows = pl.DataFrame(frame)
    total = sum(int(part.hash_rows(1).to_numpy().sum()) for part in rows.iter_slices(1_000_000))
    return {"rows": rows.height, "columns": rows.columns, "hash": f"{total % 2**64:016x}"}


def cached(name: str, make: Callable[[Path], None]) -> Path:
    """A file or directory of made data, outside of the repository; made where it is not there yet.

    Args:
        name: what distinguishes it: kind, size and seed.
        make: is given the path to make it at.
    """
    folder = Path(os.environ.get("COMPLIANCE_FRAMES_BENCH", Path(tempfile.gettempdir()) / "compliance-frames-bench"))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    if not path.exists():
        part = folder / f"{name}.{os.getpid()}.part"
        make(part)
        part.rename(path)
    return path


def measured(contender: Contender, arguments: Sequence[Any], *, timeout: float = 3600) -> dict[str, Any]:
    """Run a contender once, in a fresh process: ``seconds``, ``cpu_seconds``, ``peak_mb`` and its ``answer``.

    The one that is called ``ours`` has the allocator that our command line chooses, which must be told before Arrow is
    loaded; all others have what they have of their own accord.
    """
    command = [sys.executable, __file__, contender.__code__.co_filename, contender.__name__, json.dumps(arguments)]
    chosen = {"ARROW_DEFAULT_MEMORY_POOL": "jemalloc"} if contender.__name__ == "ours" else {}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=timeout, env=chosen | os.environ)
    if done.returncode:
        raise SystemExit(f"{contender.__name__} ended with {done.returncode}; its words stand above.")
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def paired(
    contenders: Mapping[str, Contender], arguments: Sequence[Any], *, rounds: int, seed: int = 0
) -> list[dict[str, Any]]:
    """Measure each contender once a round, in an order that is shuffled anew; a warm-up round is not counted.

    Raises:
        AssertionError: two contenders, or two runs of one, do not agree.
    """
    order, shuffle = list(contenders), random.Random(seed)
    measurements, agreed = [], None
    for number in range(rounds + 1):
        shuffle.shuffle(order)
        for name in order:
            figures = measured(contenders[name], arguments)
            agreed = agreed or (name, figures["answer"])
            assert figures["answer"] == agreed[1], f"{name} and {agreed[0]} differ: {figures['answer']}, {agreed[1]}"
            print(f"  round {number}: {name} {figures['seconds']:.3f} s", end="\033[K\r", file=sys.stderr)
            if number:
                measurements.append({"round": number, "contender": name, "load": os.getloadavg()[0], **figures})
    print(end="\033[K", file=sys.stderr)
    return measurements


def summary(measurements: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Medians with ranges, and how many times longer each contender takes than the first one.

    ``ratio`` is that of the medians, ``paired_ratio`` the median of the ratios within each round.
    """
    names = list(dict.fromkeys(figures["contender"] for figures in measurements))
    seconds = {name: _of(measurements, name, "seconds") for name in names}
    return [
        {
            "contender": name,
            "seconds": statistics.median(seconds[name]),
            "seconds_range": [min(seconds[name]), max(seconds[name])],
            "cpu_seconds": statistics.median(_of(measurements, name, "cpu_seconds")),
            "peak_mb": statistics.median(_of(measurements, name, "peak_mb")),
            "peak_mb_range": [min(_of(measurements, name, "peak_mb")), max(_of(measurements, name, "peak_mb"))],
            "ratio": statistics.median(seconds[name]) / statistics.median(seconds[names[0]]),
            "paired_ratio": statistics.median(a / b for a, b in zip(seconds[name], seconds[names[0]], strict=True)),
        }
        for name in names
    ]


def _of(measurements: list[dict[str, Any]], name: str, field: str) -> list[float]:
    return [figures[field] for figures in measurements if figures["contender"] == name]


def table(rows: list[dict[str, Any]], work: float, unit: str) -> str:
    """A summary for people.

    Args:
        rows: from :func:`summary`.
        work: how much is done in one run.
        unit: of what.
    """
    head = f"{'':<22}{'seconds':>9}  {'range':<17}{'CPU s':>7}{f'{unit}/s':>14}{'peak MB':>9}{'ratio':>8}"
    lines = [
        f"{row['contender']:<22}{row['seconds']:>9.3f}  {'–'.join(f'{s:.3f}' for s in row['seconds_range']):<17}"
        f"{row['cpu_seconds']:>7.2f}"
        f"{work / row['seconds']:>14,.0f}{row['peak_mb']:>9,.0f}{row['ratio']:>7.2f}×"
        for row in rows
    ]
    return "\n".join([head, *lines])


def machine() -> dict[str, Any]:
    """What the figures were measured on and with."""
    cpu = Path("/proc/cpuinfo")
    models = [line for line in cpu.read_text().splitlines() if "model name" in line] if cpu.exists() else []
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "cpu": models[0].partition(":")[2].strip() if models else platform.processor(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in _LIBRARIES},
    }


def options(claim: str | None) -> argparse.ArgumentParser:
    """A parser with what every benchmark can be told."""
    parser = argparse.ArgumentParser(description=claim, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="counted rounds after one to warm up")
    parser.add_argument("--only", nargs="+", metavar="CONTENDER", help="leave the other contenders out")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write every measurement there")
    return parser


def main(
    given: argparse.Namespace,
    contenders: Mapping[str, Contender],
    cases: Mapping[str, tuple[Sequence[Any], float, str]],
) -> None:
    """Run the cases, print a table of each, and write it all down where ``--json`` says.

    Args:
        given: what :func:`options` has read.
        contenders: by name; the first is the one that the others are compared with.
        cases: by name: the contenders' arguments, how much is done in a run, and the unit of that.
    """
    chosen = {name: contenders[name] for name in contenders if not given.only or name in given.only}
    about = {name: str(value) for name, value in vars(given).items() if name != "json"}
    written = {"machine": machine(), "options": about, "cases": {}}
    for case, (arguments, work, unit) in cases.items():
        measurements = paired(chosen, arguments, rounds=given.rounds)
        measurements.sort(key=lambda figures: (list(chosen).index(figures["contender"]), figures["round"]))
        print(f"{case}, median of {given.rounds} rounds\n{table(summary(measurements), work, unit)}\n")
        written["cases"][case] = {"summary": summary(measurements), "measurements": measurements}
    if given.json:
        given.json.write_text(json.dumps(written, indent=2) + "\n")


def _run_one(script: str, name: str, arguments: str) -> None:
    """The child's side of :func:`measured`."""
    sys.path.insert(0, str(Path(script).parent))
    spec = importlib.util.spec_from_file_location("contenders", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["contenders"] = module
    spec.loader.exec_module(module)
    clock = Clock()
    answer = getattr(module, name)(clock, *json.loads(arguments))
    measured = {name: getattr(clock, name) for name in ("seconds", "cpu_seconds", "peak_mb")}
    print(json.dumps({**measured, "answer": answer}))


if __name__ == "__main__":
    _run_one(*sys.argv[1:])
