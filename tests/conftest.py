"""What every room's tests may ask for."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes says more of the machine than of the code; and where a change is judged, the examples are
# those that everybody else can see again.
settings.register_profile("project", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("project")


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--kill-points`` says how thorough the kill loop is."""
    parser.addoption(
        "--kill-points",
        type=int,
        default=20,
        metavar="N",
        help="end a run at about so many points, and see the next one go on (a full run: 120)",
    )
    parser.addoption(
        "--fuzz",
        type=int,
        default=60,
        metavar="N",
        help="plan, clean and verify so many damaged Parquet files (a full run: 5000)",
    )


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real exchanges and real tweets, which lies outside the project."""
    folder = Path(os.environ.get("COMPLIANCE_FRAMES_SHARED", Path(__file__).parents[2] / "shared"))
    if not (folder / "recorded").is_dir():
        pytest.skip(f"no recorded exchanges at {folder}; set COMPLIANCE_FRAMES_SHARED to the folder that holds them")
    return folder


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_works() -> None:
    """A shell that starts the tests in the background has them ignore Ctrl-C, and all that they start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def no_ambient_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token or address in the developer's environment, or keyring, never reaches a test."""
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    monkeypatch.delenv("X_BEARER_TOKEN", raising=False)
    monkeypatch.delenv("COMPLIANCE_FRAMES_BASE_URL", raising=False)
