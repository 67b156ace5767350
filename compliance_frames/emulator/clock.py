"""The emulator's own time, so that a test can let a quarter of an hour pass without waiting for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def _now() -> datetime:
    return datetime.now(UTC)


class Clock:
    """The time of day, and how far it was moved on.

    >>> clock = Clock(lambda: datetime(2026, 1, 1, tzinfo=UTC))
    >>> clock.advance(timedelta(minutes=15))
    >>> clock.now().isoformat()
    '2026-01-01T00:15:00+00:00'
    """

    def __init__(self, source: Callable[[], datetime] = _now) -> None:
        self._source = source
        self._ahead = timedelta(0)

    def now(self) -> datetime:
        """The time (UTC)."""
        return self._source() + self._ahead

    def advance(self, by: timedelta) -> None:
        """Let time pass."""
        self._ahead += by
