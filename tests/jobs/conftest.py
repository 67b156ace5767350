"""The service on loopback, and a hand that stops a run at a named point."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from compliance_frames.emulator import Emulator
from compliance_frames.emulator.faults import Fault, Faults
from compliance_frames.jobs.run import check

IDS = np.unique(np.random.default_rng(5).integers(1_500_000_000_000_000_000, 1_600_000_000_000_000_000, 3000))

#: What the next audit event that matters is met with; an audit hook cannot be taken away again.
_watching: list[Callable[[str, tuple[Any, ...]], None]] = []


def _hook(event: str, args: tuple[Any, ...]) -> None:
    for watch in _watching:
        watch(event, args)


sys.addaudithook(_hook)


@contextmanager
def interrupted_at(event: str, state: str) -> Iterator[None]:
    """Ctrl-C at the first moment when a chunk's state is about to be, or just was, written down."""

    def watch(name: str, args: tuple[Any, ...]) -> None:
        if name == f"compliance_frames.{event}" and args[1] == state:
            _watching.clear()
            raise KeyboardInterrupt

    _watching.append(watch)
    try:
        with pytest.raises(KeyboardInterrupt):
            yield
    finally:
        _watching.clear()


@pytest.fixture(name="interrupted_at")
def _interrupted_at() -> Callable[[str, str], Any]:
    return interrupted_at


@pytest.fixture
def ids() -> Any:
    """3,000 IDs, sorted."""
    return IDS


class Desk:
    """A user with a ledger and a token."""

    def __init__(self, folder: Path, service: Emulator) -> None:
        self.ledger, self.service = folder / "a.ledger", service

    def options(self, **more: Any) -> dict[str, Any]:
        return {
            "ledger": self.ledger,
            "poll": timedelta(milliseconds=20),
            "bearer_token": self.service.bearer_token,
            "base_url": self.service.base_url,
        } | more

    def check(self, source: Any = IDS, type: Any = "tweets", **more: Any) -> pa.Table:
        return check(source, type, **self.options(**more))

    def posts(self) -> int:
        return sum(
            request.method == "POST" and request.path == "/2/compliance/jobs" for request in self.service.requests
        )


Serve = Callable[..., Desk]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start services, each with what goes wrong there."""
    running: list[Emulator] = []

    def start(*faults: Fault, **settings: Any) -> Desk:
        emulator = Emulator(faults=Faults(faults), **({"seed": 1, "rate_limit": 100_000} | settings))
        emulator.start()
        running.append(emulator)
        return Desk(tmp_path / f"desk{len(running)}", emulator)

    tmp_path.chmod(0o700)
    for number in range(1, 4):
        (tmp_path / f"desk{number}").mkdir()
    yield start
    for emulator in running:
        emulator.stop()
