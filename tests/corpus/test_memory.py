"""Heavy work has an allocator that gives memory back; whoever chose another one, and all that follows, keeps theirs."""

from __future__ import annotations

import threading
from contextlib import suppress

import pyarrow as pa
import pytest

from compliance_frames.corpus.memory import frugal_memory

pytestmark = pytest.mark.skipif("jemalloc" not in pa.supported_memory_backends(), reason="Arrow was built without it")


def backend() -> str:
    return pa.default_memory_pool().backend_name


@pytest.fixture(autouse=True)
def usual(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has chosen an allocator."""
    monkeypatch.delenv("ARROW_DEFAULT_MEMORY_POOL", raising=False)
    if backend() != "mimalloc":
        pytest.skip("another allocator is usual here")


def test_the_last_to_leave_gives_the_allocator_back() -> None:
    """In whatever order threads come and go, and when one of them fails."""
    leave = threading.Event()
    entered = threading.Event()

    def stay() -> None:
        with frugal_memory():
            entered.set()
            leave.wait(10)

    with suppress(KeyError), frugal_memory():
        thread = threading.Thread(target=stay)
        thread.start()
        entered.wait(10)
        raise KeyError
    assert backend() == "jemalloc"
    leave.set()
    thread.join()
    assert backend() == "mimalloc"


def test_an_allocator_that_was_chosen_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be it by Arrow's own variable or by a call."""
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        with frugal_memory():
            assert backend() == "system"
    finally:
        pa.set_memory_pool(pa.mimalloc_memory_pool())
    monkeypatch.setenv("ARROW_DEFAULT_MEMORY_POOL", "mimalloc")
    with frugal_memory():
        assert backend() == "mimalloc"
