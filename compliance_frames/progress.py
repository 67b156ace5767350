"""How far a long step has come, told to whoever wants to draw it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

_Result = TypeVar("_Result")

Stage = Literal["read", "upload", "wait", "download", "plan", "clean", "verify"]
Unit = Literal["rows", "bytes", "files", "jobs"]


@dataclass(frozen=True, slots=True)
class Progress:
    """One report of a step under way.

    Attributes:
        stage: which step it is.
        task: which piece of it, in words a person knows: a chunk, a job, a file. Reports of one task
            carry the same words, so that a display can keep one line for it.
        done: how much is done, in ``unit``.
        total: how much there is, or None where nobody knows.
        unit: what ``done`` and ``total`` count.
        note: what else is worth saying, e.g. a job's state and age.
    """

    stage: Stage
    task: str
    done: int
    total: int | None
    unit: Unit
    note: str = ""


#: Seconds after which a wait looks up. polars' signal handler restarts system calls, so that Ctrl-C cannot end a wait
#: in the main thread that has no time limit.
GLANCE: Final = 0.2


def awaited(future: Future[_Result]) -> _Result:
    """The result of a future, waited for in such a way that Ctrl-C can end the wait; raises what the work raised.

    >>> done: Future[int] = Future()
    >>> done.set_result(1)
    >>> awaited(done)
    1
    """
    while not future.done():
        wait([future], timeout=GLANCE)
    return future.result()


#: Called from any thread, often; it must be quick and must not raise.
ProgressCallback = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """Take a report and say nothing: the default wherever a callback is wanted."""
