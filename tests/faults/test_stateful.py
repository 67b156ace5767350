"""Whatever happens in whatever order, the ledger and the service agree, and the truth comes out in the end."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from compliance_frames.emulator import Emulator, Fates
from compliance_frames.emulator.faults import KINDS, Fault, Faults
from compliance_frames.errors import ComplianceFramesError, LedgerError
from compliance_frames.jobs import lane
from compliance_frames.jobs.ledger import Ledger
from compliance_frames.jobs.run import check, collect, submit

IDS = 1_400_000_000_000_000_000 + np.arange(600, dtype=np.int64) * 4097
#: Bodies of more than this go up in a resumable session here: 150 IDs do, 40 do not.
RESUMABLE_FROM = 2000
HASTE = 500
FATES = Fates(1)
#: After these the service has all of a chunk's IDs, and the ledger says so.
UPLOADED = {"uploaded", "processing", "downloading", "done"}

#: Runs checks, each in a process of its own that is ended at one of its named points; forked, as starting takes long.
RUNNER = f"""
import json, os, signal, sys, threading
from datetime import timedelta
import numpy as np
from compliance_frames.errors import ComplianceFramesError
from compliance_frames.jobs import lane
from compliance_frames.jobs.run import check

lane.RESUMABLE_FROM = {RESUMABLE_FROM}
wait = threading.Event.wait
threading.Event.wait = lambda event, timeout=None: wait(event, None if timeout is None else timeout / {HASTE})

def run(ids, at, options):
    seen = 0

    def watch(event, args):
        nonlocal seen
        if event.startswith("compliance_frames."):
            seen += 1
            if seen == at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    try:
        check(np.array(ids), poll=timedelta(seconds=1), **options)
    except ComplianceFramesError:
        pass

for line in sys.stdin:
    told = json.loads(line)
    child = os.fork()
    if not child:
        try:
            run(told["ids"], told["at"], told["options"])
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Runner:
    """Processes that are ended in the middle of a check."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", RUNNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, ids: Any, at: int, options: dict[str, Any]) -> int:
        """Check IDs up to a named point, in a process of its own; how that ended."""
        assert self._process.stdin
        assert self._process.stdout
        told = {"ids": ids.tolist(), "at": at, "options": {**options, "ledger": str(options["ledger"])}}
        self._process.stdin.write(json.dumps(told) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        """No more runs."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(10)
        if self._process.stdout:
            self._process.stdout.close()


@contextmanager
def hastened() -> Iterator[None]:
    """Every wait of this process is short, and small bodies go up in parts."""
    wait, size = threading.Event.wait, lane.RESUMABLE_FROM

    def hasty(event: threading.Event, timeout: float | None = None) -> bool:
        return wait(event, None if timeout is None else timeout / HASTE)

    threading.Event.wait, lane.RESUMABLE_FROM = hasty, RESUMABLE_FROM  # type: ignore[method-assign]
    try:
        yield
    finally:
        threading.Event.wait, lane.RESUMABLE_FROM = wait, size  # type: ignore[method-assign]


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    running = Runner()
    yield running
    running.close()


PLACES = sorted({(place, kind) for place, kinds in KINDS.items() for kind in kinds if place != "api"})


class Life(RuleBasedStateMachine):
    """One ledger, one service, and all that befalls them."""

    runner: Runner

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.faults = Faults()
        self.service = Emulator(fates=FATES, rate_limit=1_000_000, rate_window=timedelta(seconds=5), faults=self.faults)
        self.service.start()
        self.count = 40
        self.uploads: dict[int, int] = {}  # of chunks that the ledger knows to be whole at the service

    @property
    def options(self) -> dict[str, Any]:
        return {
            "ledger": self.folder / "a.ledger",
            "bearer_token": self.service.bearer_token,
            "base_url": self.service.base_url,
        }

    @property
    def ids(self) -> Any:
        return IDS[: self.count]

    # What a user does.

    @rule(more=st.integers(1, 150))
    def grow(self, more: int) -> None:
        """The corpus grows."""
        self.count = min(self.count + more, len(IDS))

    @rule(chunk_size=st.sampled_from([40, 150]))
    def run(self, chunk_size: int) -> None:
        """Ask, and wait for the answer, or for the error that ends the run."""
        with suppress(ComplianceFramesError):
            check(self.ids, chunk_size=chunk_size, poll=timedelta(seconds=1), **self.options)

    @rule(chunk_size=st.sampled_from([40, 150]), at=st.integers(1, 60))
    def run_and_die(self, chunk_size: int, at: int) -> None:
        """Ask, and be killed at one of the named points, if there are so many."""
        ended = self.runner.run(self.ids, at, {**self.options, "chunk_size": chunk_size})
        assert ended in (0, -9), "a check raised what is no error of this package"

    @rule()
    def hand_over(self) -> None:
        """Ask, and do not wait."""
        with suppress(ComplianceFramesError):
            submit(self.ids, chunk_size=150, poll=timedelta(seconds=1), **self.options)

    @precondition(lambda self: (self.folder / "a.ledger" / "ledger.sqlite").exists())
    @rule()
    def fetch(self) -> None:
        """Wait for what was asked."""
        with suppress(ComplianceFramesError):
            collect(poll=timedelta(seconds=1), **self.options)

    # What befalls them.

    @rule(fault=st.sampled_from(PLACES), times=st.integers(1, 3), after=st.integers(0, 3), bytes=st.integers(0, 3000))
    def trouble(self, fault: tuple[Any, str], times: int, after: int, bytes: int) -> None:
        """Something will go wrong."""
        self.faults.add(Fault(*fault, times=times, after=after, bytes=bytes, lasting=timedelta(seconds=0.01)))

    @rule(by=st.sampled_from([timedelta(minutes=16), timedelta(days=8)]))
    def time_passes(self, by: timedelta) -> None:
        """Upload windows end; or results are gone as well."""
        self.service.advance(by)

    @rule()
    def somebody_else_comes(self) -> None:
        """A job of somebody else takes the slot, where it is free."""
        with suppress(ComplianceFramesError):
            self.service.occupy("tweets", lasting=timedelta(seconds=0.05))

    # What always holds.

    @invariant()
    def one_job_is_live(self) -> None:
        assert self.service.most_live["tweets"] <= 1

    @invariant()
    def the_ledger_knows_every_job_that_waits_for_ids(self) -> None:
        """No slot is leaked: a job that waits for its upload is the present or the next job of a chunk."""
        waiting = {job.name for job in self.service.jobs if job.status == "created" and job.name != "somebody-else"}
        assert waiting <= {chunk.job_name for chunk in self.chunks()}

    @invariant()
    def what_is_whole_is_not_uploaded_again(self) -> None:
        done = Counter(
            int(r.path.split("/")[3]) for r in self.service.requests if r.method == "PUT" and r.status == 200
        )
        assert all(done[job] == count for job, count in self.uploads.items())
        self.uploads |= {c.job_id: done[c.job_id] for c in self.chunks() if c.job_id and c.state in UPLOADED}

    @invariant()
    def answers_are_true(self) -> None:
        """What the ledger says was asked has the answer that the service has, and nothing else has one."""
        if not self.chunks():
            return
        ledger = Ledger.read(self.folder / "a.ledger")
        asked, results = ledger.asked("tweets"), ledger.results()
        assert results.select(["id", "reason"]).to_pylist() == self.truth(asked)
        both = np.intersect1d(asked.to_numpy(), ledger.pending("tweets").to_numpy())
        assert not len(both), "asked twice"

    @invariant()
    def credentials_go_with_their_uploads(self) -> None:
        sessions = self.folder / "a.ledger" / "sessions"
        if sessions.is_dir():
            uploading = {f"{c.id}-{c.attempts}" for c in self.chunks() if c.state == "uploading"}
            left = {path.name.split(".")[0] for path in sessions.iterdir()}
            # One more can stay of a process that was killed between writing the next state and taking it away.
            assert len(left - uploading) <= 1

    def teardown(self) -> None:
        try:
            self.faults.clear()
            for _ in range(20):
                try:
                    results = check(self.ids, chunk_size=150, poll=timedelta(seconds=1), **self.options)
                except ComplianceFramesError:
                    continue
                break
            else:
                raise AssertionError("no run came to its end")
            ledger = Ledger.read(self.folder / "a.ledger")
            failed = ledger.failed_ids("tweets").to_numpy()
            asked = np.setdiff1d(self.ids, failed)
            assert results.select(["id", "reason"]).to_pylist() == self.truth(pa.array(asked))
            assert {path.name for path in (self.folder / "a.ledger" / "sessions").iterdir()} == set()
            assert not [path for path in (self.folder / "a.ledger").rglob("*") if path.suffix in {".part", ".jsonl"}]
            assert not [job for job in self.service.jobs if job.status == "created"]
        finally:
            self.service.stop()
            shutil.rmtree(self.folder)

    def chunks(self) -> list[Any]:
        """The chunks of the ledger; none where it is not there, or only just begun."""
        try:
            return Ledger.read(self.folder / "a.ledger").chunks()
        except LedgerError as error:
            if not re.search("There is no ledger|the run that began to make it was ended", str(error)):
                raise
            return []

    def truth(self, ids: pa.Int64Array) -> list[dict[str, Any]]:
        """What the service knows of these IDs."""
        reasons = FATES.of(ids, "tweets").to_pylist()
        return [{"id": i, "reason": r} for i, r in zip(ids.to_pylist(), reasons, strict=True) if r is not None]


@pytest.mark.timeout(400)
def test_whatever_happens_in_whatever_order(runner: Runner, pytestconfig: pytest.Config) -> None:
    """Rules of users, of the service and of fate, in any order; see the invariants of ``Life``."""
    Life.runner = runner
    lives = pytestconfig.getoption("kill_points")
    few = settings(
        max_examples=lives,
        stateful_step_count=14,
        derandomize=lives <= 20,  # a full run looks for what nobody has met yet
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    with hastened():
        run_state_machine_as_test(Life, settings=few)
