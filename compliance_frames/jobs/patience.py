"""How long a run waits, how many failures it bears, and what ends its waits early."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from compliance_frames.errors import JobError, JobFailedError, JobTimeoutError

_LONGEST_PAUSE = timedelta(seconds=60)
_GROWTH = 1.5
_FAILURES_IN_A_ROW = 6
_SHARE = 12
_NEAR = 0.03


class Stopped(Exception):
    """The other lane failed, or the user interrupted: what stands in the ledger is where the next run goes on."""


@dataclass
class Patience:
    """How long to wait for the service, and what ends the waiting early.

    Attributes:
        poll: the first pause between two looks at a job; it grows to a minute.
        deadline: when to give up, by the monotonic clock; None waits for as long as it takes.
        stop: set by :meth:`end`.
        wakes: called by :meth:`end`, to wake whoever waits for an answer.
    """

    poll: timedelta
    deadline: float | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    wakes: tuple[Callable[[], None], ...] = ()

    def end(self) -> None:
        """End every wait, in every thread."""
        self.stop.set()
        for wake in self.wakes:
            wake()

    def look(self) -> None:
        """End what is under way, if it is to end.

        Raises:
            Stopped: it was ended from outside.
            JobTimeoutError: the deadline has come.
        """
        if self.stop.is_set():
            raise Stopped
        if self.deadline is not None and time.monotonic() >= self.deadline:
            raise JobTimeoutError("The time given is over, and not everything is done. Run again: it goes on.")

    def sleep(self, seconds: float) -> None:
        """Wait; a wait that would pass the deadline ends there.

        Raises:
            Stopped: the wait was ended from outside.
            JobTimeoutError: the deadline has come.
        """
        left = seconds if self.deadline is None else min(seconds, self.deadline - time.monotonic())
        self.stop.wait(max(left, 0))
        self.look()

    def until_next_look(self, waited: float, expected: float | None) -> float:
        """Seconds until the next look at a job that has been waited for; see :func:`next_look`."""
        return next_look(waited, expected, self.poll.total_seconds())

    def pauses(self) -> Callable[[], float]:
        """Pauses in seconds that grow from one call to the next: a minute at most, a fair share of the rate limit."""
        pause = self.poll

        def following() -> float:
            nonlocal pause
            now, pause = pause, min(pause * _GROWTH, max(_LONGEST_PAUSE, self.poll))
            return now.total_seconds()

        return following


class Streak:
    """Jobs in a row that came to nothing: many of them, with no success between, are not the fault of the IDs.

    >>> streak = Streak()
    >>> streak.goes_on(1, "it failed")
    >>> streak.ended()
    """

    def __init__(self) -> None:
        self._length = 0

    def ended(self) -> None:
        """A job came to something."""
        self._length = 0

    def goes_on(self, chunk: int, words: str, *, job: int | None = None, kind: type[JobError] = JobFailedError) -> None:
        """One more came to nothing.

        Raises:
            JobFailedError, JobExpiredError: that was one too many.
        """
        self._length += 1
        if self._length >= _FAILURES_IN_A_ROW:
            raise kind(
                f"{self._length} jobs in a row came to nothing, which points at the service, not at the IDs. The "
                f"last one of chunk {chunk}: {words.rstrip('.')}. What was answered is kept; run again later and it "
                "goes on.",
                job=job,
            )


def next_look(waited: float, expected: float | None, first: float) -> float:
    """Seconds until the next look at a job: what comes too late is a small share of what was waited for anyway.

    Looks are a twelfth of the time waited apart, ``first`` at least and a minute at most: 47 of the 150 that the rate
    limit grants in its first 15 minutes. Where an earlier job tells how long they take, looks are ``first`` apart
    around that time.

    Args:
        waited: seconds since the upload was whole.
        expected: how long the last job took, in seconds, or None.
        first: the first pause.

    >>> next_look(0, None, 5), next_look(300, None, 5), next_look(3600, None, 5)
    (5, 25.0, 60.0)
    >>> next_look(580, 600, 5), next_look(598, 600, 5)
    (5, 5)
    """
    pause = min(max(waited / _SHARE, first), max(_LONGEST_PAUSE.total_seconds(), first))
    if expected is None:
        return pause
    near = expected * _NEAR + first
    if abs(waited - expected) <= near:
        return first
    return min(pause, max(expected - near - waited, first)) if waited < expected else pause
