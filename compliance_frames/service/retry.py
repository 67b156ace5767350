"""How long to wait before the next try, and when to stop: decisions only; whoever asks does the sleeping."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

#: Answers after which the same request may succeed. None stands for no answer at all.
TRANSIENT = frozenset({None, 408, 429, 500, 502, 503, 504})

#: A rate-limit window lasts 15 minutes; one second more lets both clocks turn over.
_LONGEST_RESET = 901.0
_FIRST, _LONGEST = 0.5, 60.0
_UNTOLD_RESET = 60.0


@dataclass(frozen=True, slots=True)
class Wait:
    """A pause before the next try.

    Attributes:
        pause: how long.
        why: what it waits for, in words for a person.
    """

    pause: timedelta
    why: str

    def __str__(self) -> str:
        return f"waiting {self.pause.total_seconds():.0f} s for {self.why}"


@dataclass(frozen=True, slots=True)
class Budget:
    """How many tries in a row may bring nothing before it is given up.

    Attributes:
        tries: for failures of the network and the server.
        limits: for the rate limit, whose reset the server announces.
    """

    tries: int = 12
    limits: int = 4


def decide(
    failures: int, status: int | None, headers: Mapping[str, str], budget: Budget, now: datetime | None = None
) -> Wait | None:
    """What to do after a failure: wait, or give up (None).

    Args:
        failures: how many tries in a row brought nothing, this one counted. A try that moved bytes begins anew.
        status: the answer's status, or None where no answer came.
        headers: the answer's headers.
        budget: how many failures in a row are borne.
        now: this machine's clock, for answers without a ``Date``.

    >>> decide(1, 503, {}, Budget()).pause.total_seconds()
    0.5
    >>> decide(1, 404, {}, Budget()) is None
    True
    """
    if status not in TRANSIENT:
        return None
    if status == 429:
        return Wait(until_reset(headers, now, failures), "the rate limit") if failures <= budget.limits else None
    if failures > budget.tries:
        return None
    why = "the service to answer" if status is None else f"the service to recover (HTTP {status})"
    return Wait(timedelta(seconds=min(_FIRST * 2 ** (failures - 1), _LONGEST)), why)


@dataclass
class Tries:
    """The tries in a row that brought nothing; those that met the rate limit are counted by themselves.

    >>> tries = Tries(Budget(tries=1))
    >>> tries.failed(503, {}).pause.total_seconds(), tries.failed(503, {})
    (0.5, None)
    >>> tries.failed(429, {}).why
    'the rate limit'
    """

    budget: Budget
    failures: int = 0
    limits: int = 0

    def failed(self, status: int | None, headers: Mapping[str, str]) -> Wait | None:
        """Count a failure: how long to wait before the next try, or None to give up."""
        if status == 429:
            self.limits += 1
        else:
            self.failures += 1
        return decide(self.limits if status == 429 else self.failures, status, headers, self.budget)

    def advanced(self) -> None:
        """Something was reached: patience begins anew."""
        self.failures = self.limits = 0


def until_reset(headers: Mapping[str, str], now: datetime | None = None, failures: int = 1) -> timedelta:
    """How long until the rate limit resets, by the server's own clock, so that a wrong local one does no harm.

    Args:
        headers: of the 429; ``x-rate-limit-reset`` in Unix seconds and ``Date``, either of which can be missing.
        now: the local time, used where ``Date`` is missing.
        failures: how many of these answers came in a row.

    Returns:
        More than 0 and at most 901 seconds. Where the answer names no reset, a minute that doubles with every
        failure: four of them outlast a window.

    >>> until_reset({"x-rate-limit-reset": "1637097848", "date": "Tue, 16 Nov 2021 21:20:48 UTC"}).total_seconds()
    200.0
    """
    reset = reset_at(headers)
    if reset is None:
        return timedelta(seconds=min(_UNTOLD_RESET * 2 ** (failures - 1), _LONGEST_RESET))
    seconds = (reset - (date_of(headers) or now or datetime.now(UTC))).total_seconds()
    return timedelta(seconds=min(max(seconds, 1.0), _LONGEST_RESET))


def reset_at(headers: Mapping[str, str]) -> datetime | None:
    """When the server says that its rate limit resets, or None where it does not say."""
    try:
        return datetime.fromtimestamp(int(headers["x-rate-limit-reset"]), UTC)
    except (KeyError, ValueError, OverflowError, OSError):
        return None


def date_of(headers: Mapping[str, str]) -> datetime | None:
    """When the server answered, by its own clock, or None where it does not say."""
    # Recorded answers of the service end their Date in "UTC" where the standard says "GMT".
    try:
        date = parsedate_to_datetime(headers["date"].replace("UTC", "GMT"))
    except (KeyError, ValueError, TypeError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
