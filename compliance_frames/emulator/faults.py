"""What goes wrong, where and how often: data that a test gives to the emulator."""

from __future__ import annotations

import random
import re
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal, cast

from compliance_frames.errors import ComplianceFramesError

#: Where a fault can sit: the three calls of the API (``api``: any of them), the plain upload, the opening of a
#: resumable session, one of its parts (or a status query), the download, and the job's own work.
Place = Literal["api", "create", "get", "list", "upload", "session", "part", "download", "job"]

#: A request with this header meets the fault that it names: ``KIND[,bytes=N][,lasting=SECONDS]``. With ``job:KIND``
#: it is the next upload to be worked on that meets it.
HEADER: Final = "x-compliance-frames-fault"

_ANSWERS: Final = {
    "server_error": "500",
    "unavailable": "503",
    "lost_answer": "everything is done, and the connection closes without an answer",
    "reset": "the connection is reset after so many bytes of the body; of an API call, before anything is done",
    "stall": "as reset, but first nothing moves for a while",
}
_API: Final = _ANSWERS | {
    "rate_limited": "429 with rate-limit headers",
    "rate_limited_bare": "429 without them, in the older words",
    "unauthorized": "401",
    "forbidden": "403 client-not-enrolled",
    "slow_clock": "the answer's clock is an hour behind",
}
_READ: Final = _API | {
    "unknown_status": "a job's status is one that nobody has heard of",
    "unknown_fields": "there are fields that nobody has heard of",
}
_STORAGE: Final = _ANSWERS | {"rate_limited": "429, which the storage sends without headers"}
_EXPIRED: Final = {"expired": "the signed URL has run out"}
_HASH: Final = {"wrong_crc32c": "the answer names a checksum that is not the object's"}

#: What can go wrong at each place.
KINDS: Final[dict[Place, dict[str, str]]] = {
    "api": _READ,
    "create": _API
    | {
        "foreign_job": "somebody else's job takes the slot first, and holds it for a while",
        "unknown_fields": _READ["unknown_fields"],
    },
    "get": _READ,
    "list": _READ,
    "upload": _STORAGE | _EXPIRED | _HASH,
    "session": _STORAGE | _EXPIRED,
    "part": _STORAGE
    | _HASH
    | {
        "persist_less": "half of the part is kept, in whole units of 256 KiB",
        "no_range": "all that was kept is lost, and the answer names no range",
        "gone": "410: the session is not known any more",
        "not_found": "404: the session is not known any more",
    },
    "download": _STORAGE
    | _EXPIRED
    | _HASH
    | {
        "truncated": "the body breaks off after half of it",
        "gzip": "the object is stored, and comes, packed by gzip",
    },
    "job": {
        "failed": "the job ends as failed",
        "expired": "the job ends as expired, though its upload came",
        "corrupt_line": "the last line of the result file is cut short",
        "repeated": "every result stands twice in the file",
    },
}

_TEXT: Final = re.compile(
    r"(?P<place>[a-z]+):(?P<kind>[a-z0-9_]+)(?:\*(?P<times>[0-9]+|always))?(?:\+(?P<after>[0-9]+))?"
    r"(?:,bytes=(?P<bytes>[0-9]+))?(?:,lasting=(?P<lasting>[0-9]+(?:\.[0-9]+)?))?"
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        place: where.
        kind: what; :data:`KINDS` lists and explains what is possible where.
        times: how often in a row; None for always.
        after: how many requests (or jobs) at this place go well before.
        bytes: of ``reset`` and ``stall``: how many bytes of the body pass first.
        lasting: of ``stall`` and ``foreign_job``: for how long.

    Raises:
        ComplianceFramesError: there is no such place, no such kind there, or a number makes no sense.

    >>> Fault("create", "lost_answer")  # doctest: +ELLIPSIS
    Fault(place='create', kind='lost_answer', times=1, after=0, ...)
    """

    place: Place
    kind: str
    times: int | None = 1
    after: int = 0
    bytes: int = 0
    lasting: timedelta = timedelta(seconds=1)

    def __post_init__(self) -> None:
        if self.place not in KINDS:
            raise ComplianceFramesError(f"No fault sits at {self.place!r}; the places are {', '.join(KINDS)}.")
        if self.kind not in KINDS[self.place]:
            known = ", ".join(KINDS[self.place])
            raise ComplianceFramesError(f"{self.kind!r} cannot go wrong at {self.place!r}; there are {known}.")
        if self.after < 0 or (self.times is not None and self.times < 1):
            raise ComplianceFramesError(f"A fault happens at least once, after 0 or more: {self}.")
        if self.bytes < 0 or self.lasting < timedelta(0):
            raise ComplianceFramesError(f"A fault comes after 0 or more bytes, and lasts 0 or more seconds: {self}.")

    @classmethod
    def parse(cls, text: str) -> Fault:
        """A fault as it is written on a command line: ``PLACE:KIND[*TIMES][+AFTER][,bytes=N][,lasting=SECONDS]``.

        Raises:
            ComplianceFramesError: it is written otherwise, or there is no such fault.

        >>> Fault.parse("part:reset*2+1,bytes=4096") == Fault("part", "reset", times=2, after=1, bytes=4096)
        True
        >>> Fault.parse("get:unavailable*always").times is None
        True
        """
        match = _TEXT.fullmatch(text)
        if match is None:
            raise ComplianceFramesError(
                f"{text!r} is no fault: write PLACE:KIND[*TIMES][+AFTER][,bytes=N][,lasting=SECONDS], "
                "as in part:reset*2,bytes=65536; times can be `always`."
            )
        told = match.groupdict()
        return cls(
            place=cast("Place", told["place"]),
            kind=told["kind"],
            times=None if told["times"] == "always" else int(told["times"] or 1),
            after=int(told["after"] or 0),
            bytes=int(told["bytes"] or 0),
            lasting=timedelta(seconds=float(told["lasting"] or 1)),
        )


class Storm:
    """A storm of faults: each request meets one by chance, until every kind has had its turn, and again.

    Args:
        seed: another seed, another storm.
        share: of the requests that meet a fault, between 0 and 1.
        lasting: how long what takes a while takes.

    >>> storm = Storm(seed=1, share=1.0)
    >>> {storm.next("job").kind for _ in range(4)} == set(KINDS["job"])
    True
    """

    def __init__(self, seed: int, *, share: float = 0.3, lasting: timedelta = timedelta(seconds=0.2)) -> None:
        if not 0 <= share <= 1:
            raise ComplianceFramesError(f"share={share}: the share of requests that meet a fault lies between 0 and 1.")
        self._share, self._lasting = share, lasting
        self._chance = {place: random.Random(f"{seed} {place}") for place in KINDS}  # noqa: S311 - no secrets
        self._decks: dict[Place, list[str]] = {place: [] for place in KINDS}

    def next(self, place: Place) -> Fault | None:
        """What meets the next request at a place."""
        chance, deck = self._chance[place], self._decks[place]
        if chance.random() >= self._share:
            return None
        if not deck:
            deck += sorted(KINDS[place])
            chance.shuffle(deck)
        return Fault(place, deck.pop(), bytes=chance.randrange(1 << 22), lasting=self._lasting)


class Faults:
    """Faults, and how much of each is left. Several at one place happen one after the other.

    Args:
        faults: those that are sure to come.
        storm: meets the requests that they leave alone.

    Attributes:
        met: how often each kind was met at each place.

    >>> faults = Faults([Fault("get", "unavailable", times=2), Fault("get", "lost_answer")])
    >>> [fault and fault.kind for fault in (faults.next("get") for _ in range(4))]
    ['unavailable', 'unavailable', 'lost_answer', None]
    >>> faults.met["get", "unavailable"]
    2
    """

    def __init__(self, faults: Iterable[Fault] = (), *, storm: Storm | None = None) -> None:
        self._faults = tuple(faults)
        self._seen = [0] * len(self._faults)
        self._storm = storm
        self._lock = threading.Lock()
        self.met: Counter[tuple[Place, str]] = Counter()

    def __repr__(self) -> str:
        return f"Faults({list(self._faults)!r})"

    def add(self, *faults: Fault) -> None:
        """Let more go wrong from now on."""
        with self._lock:
            self._faults += faults
            self._seen += [0] * len(faults)

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        with self._lock:
            self._faults, self._seen, self._storm = (), [], None

    def next(self, *places: Place, told: str | None = None) -> Fault | None:
        """What meets the next request at any of these places (the most exact one first), or None.

        Args:
            places: where the request goes.
            told: what its header :data:`HEADER` asks for.

        Raises:
            ComplianceFramesError: its header asks for what cannot be.
        """
        if told and told.startswith("job:"):
            self.add(Fault.parse(told))
            told = None
        with self._lock:
            fault = Fault.parse(f"{places[0]}:{told}") if told else self._next(places)
            if fault is not None:
                self.met[places[0], fault.kind] += 1
            return fault

    def _next(self, places: tuple[Place, ...]) -> Fault | None:
        for index, fault in enumerate(self._faults):
            if fault.place not in places or self._is_spent(index):
                continue
            self._seen[index] += 1
            if self._seen[index] > fault.after:
                return fault
        return None if self._storm is None else self._storm.next(places[0])

    def _is_spent(self, index: int) -> bool:
        fault = self._faults[index]
        return fault.times is not None and self._seen[index] >= fault.after + fault.times
