"""A corpus, an emulator of the service, and a way to run commands as a person does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from compliance_frames.cli import main

if TYPE_CHECKING:
    from compliance_frames.emulator import Emulator


@dataclass(frozen=True)
class Ran:
    """What a command did: its exit code, and what it wrote where."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object on stdout."""
        (line,) = self.out.splitlines()
        told: dict[str, Any] = json.loads(line)
        return told

    @property
    def error(self) -> str:
        """The one sentence of an error."""
        (line,) = [line for line in self.err.splitlines() if line.startswith("error: ")]
        return line.removeprefix("error: ")


Run = Callable[..., Ran]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run a command in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COMPLIANCE_FRAMES_DEBUG", raising=False)

    def run(*args: object) -> Ran:
        capsys.readouterr()
        code = main([str(arg) for arg in args])
        return Ran(code, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def service() -> Iterator[Emulator]:
    """An emulator that answers at once and grants every request."""
    from compliance_frames.emulator import Emulator

    with Emulator(seed=1, processing=timedelta(0), rate_limit=1_000_000) as served:
        yield served


@pytest.fixture
def online(service: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """The environment of somebody who may use the service."""
    monkeypatch.setenv("X_BEARER_TOKEN", service.bearer_token)
    monkeypatch.setenv("COMPLIANCE_FRAMES_BASE_URL", service.base_url)
    return service


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of 2,000 tweets in a few files; tests only read it."""
    from compliance_frames import sample

    return sample.corpus(tmp_path_factory.mktemp("made") / "corpus", rows=2000, seed=3, days=5)
