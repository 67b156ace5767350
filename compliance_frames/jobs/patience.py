"""How long a run waits, and what ends its waits early."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from compliance_frames.errors import JobTimeoutError

_LONGEST_PAUSE = timedelta(seconds=60)
_GROWTH = 1.5


class Stopped(Exception):
    """The other lane failed, or the user interrupted: what stands in the ledger is where the next run goes on."""


@dataclass
class Patience:
    """How long to wait for the service, and what ends the waiting early.

    Attributes:
        poll: the first pause between two looks at a job; it grows to a minute.
        deadline: when to give up, by the monotonic clock; None waits for as long as it takes.
        stop: set from outside to end every wait.
    """

    poll: timedelta
    deadline: float | None = None
    stop: threading.Event = field(default_factory=threading.Event)

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

    def pauses(self) -> Callable[[], float]:
        """Pauses in seconds that grow from one call to the next: a minute at most, a fair share of the rate limit."""
        pause = self.poll

        def following() -> float:
            nonlocal pause
            now, pause = pause, min(pause * _GROWTH, max(_LONGEST_PAUSE, self.poll))
            return now.total_seconds()

        return following
