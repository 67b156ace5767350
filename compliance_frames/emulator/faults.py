"""What goes wrong, where and how often: data that a test gives to the emulator."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from compliance_frames.errors import ComplianceFramesError

#: Where a fault can sit: the three calls of the API (``api``: any of them), the plain upload, the opening of a
#: resumable session, one of its parts (or a status query), the download, and the job's own work.
Place = Literal["api", "create", "get", "list", "upload", "session", "part", "download", "job"]

_ANSWERS: Final = {
    "server_error": "500",
    "unavailable": "503",
    "lost_answer": "everything is done, and the connection closes without an answer",
}
_API: Final = _ANSWERS | {
    "rate_limited": "429 with rate-limit headers",
    "rate_limited_bare": "429 without them, in the older words",
    "unauthorized": "401",
    "forbidden": "403 client-not-enrolled",
}
_STATUS: Final = {"unknown_status": "a job's status is one that nobody has heard of"}
_EXPIRED: Final = {"expired": "the signed URL has run out"}
_HASH: Final = {"wrong_crc32c": "the answer names a checksum that is not the object's"}

#: What can go wrong at each place.
KINDS: Final[dict[Place, dict[str, str]]] = {
    "api": _API | _STATUS,
    "create": _API,
    "get": _API | _STATUS,
    "list": _API | _STATUS,
    "upload": _ANSWERS | _EXPIRED | _HASH,
    "session": _ANSWERS | _EXPIRED,
    "part": _ANSWERS
    | _HASH
    | {
        "persist_less": "half of the part is kept, in whole units of 256 KiB",
        "gone": "410: the session is not known any more",
    },
    "download": _ANSWERS | _EXPIRED | _HASH | {"truncated": "the body breaks off after half of it"},
    "job": {
        "failed": "the job ends as failed",
        "corrupt_line": "the last line of the result file is cut short",
        "repeated": "every result stands twice in the file",
    },
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        place: where.
        kind: what; :data:`KINDS` lists and explains what is possible where.
        times: how often in a row; None for always.
        after: how many requests (or jobs) at this place go well before.

    Raises:
        ComplianceFramesError: there is no such place, no such kind there, or a number makes no sense.

    >>> Fault("create", "lost_answer")
    Fault(place='create', kind='lost_answer', times=1, after=0)
    """

    place: Place
    kind: str
    times: int | None = 1
    after: int = 0

    def __post_init__(self) -> None:
        if self.place not in KINDS:
            raise ComplianceFramesError(f"No fault sits at {self.place!r}; the places are {', '.join(KINDS)}.")
        if self.kind not in KINDS[self.place]:
            known = ", ".join(KINDS[self.place])
            raise ComplianceFramesError(f"{self.kind!r} cannot go wrong at {self.place!r}; there are {known}.")
        if self.after < 0 or (self.times is not None and self.times < 1):
            raise ComplianceFramesError(f"A fault happens at least once, after 0 or more: {self}.")


class Faults:
    """Faults, and how much of each is left. Several at one place happen one after the other.

    >>> faults = Faults([Fault("get", "unavailable", times=2), Fault("get", "lost_answer")])
    >>> [faults.next("get") for _ in range(4)]
    ['unavailable', 'unavailable', 'lost_answer', None]
    """

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._faults = tuple(faults)
        self._seen = [0] * len(self._faults)
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Faults({list(self._faults)!r})"

    def add(self, *faults: Fault) -> None:
        """Let more go wrong from now on."""
        with self._lock:
            self._faults += faults
            self._seen += [0] * len(faults)

    def next(self, *places: Place) -> str | None:
        """The kind of fault that meets the next request at any of these places, or None."""
        with self._lock:
            for index, fault in enumerate(self._faults):
                if fault.place not in places or self._is_spent(index):
                    continue
                self._seen[index] += 1
                if self._seen[index] > fault.after:
                    return fault.kind
            return None

    def _is_spent(self, index: int) -> bool:
        fault = self._faults[index]
        return fault.times is not None and self._seen[index] >= fault.after + fault.times
