"""Compliance streams that people recorded: what holds after all events, as a table of results.

An event tells what happened, a result what has to be done: ``user_protect`` and a later ``user_unprotect`` come to
nothing. What takes back and what is taken back are put in the order of their times, whatever file they lie in.
"""

from __future__ import annotations

import os
from array import array
from collections import Counter
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import pyarrow as pa

from compliance_frames.errors import ResultsError
from compliance_frames.schemas import BOUNDED, TREATMENTS
from compliance_frames.service.event_lines import KINDS, Event, event_in
from compliance_frames.service.kept_files import changed_at, files_of, in_utc, named, opened
from compliance_frames.service.results import one_per_reason

#: A line may be a tweet among events, with another one in it.
_LONGEST: Final = 1 << 20
_MOST_SHOWN: Final = 8
#: A time, or a last tweet, that is not told: before every other.
_NEVER: Final = -(2**63)
_UNIX: Final = datetime(1970, 1, 1, tzinfo=UTC)

_NAMES: Final = list(KINDS)
_GROUPS: Final = list(dict.fromkeys((kind.type, kind.reason) for kind in KINDS.values()))
_GROUP_OF: Final = np.array([_GROUPS.index((kind.type, kind.reason)) for kind in KINDS.values()])
_ERASES: Final = np.array([kind.erases for kind in KINDS.values()])


def read_events(
    *sources: str | os.PathLike[str], ignore: Collection[str] = (), checked_at: datetime | None = None
) -> pa.Table:
    r"""Read recorded compliance streams, of API v2 or v1.1: what holds after all that happened.

    ==========================================================  ==============  ===========================
    event                                                       reason          is taken back by
    ==========================================================  ==============  ===========================
    ``delete``                                                  ``deleted``     nothing
    ``drop``                                                    ``dropped``     ``undrop``
    ``user_delete``, ``user_protect``, ``user_suspend``         ``deactivated``, ``user_undelete``, …
                                                                ``protected``,
                                                                ``suspended``
    ``scrub_geo``                                               ``scrub_geo``   nothing; tweets up to ``up_to``
    ``withheld``, ``status_withheld``, ``user_withheld``        ``withheld``    nothing
    ``tweet_edit``, of the versions before the last             ``edited``      nothing
    ==========================================================  ==============  ===========================

    Of two events of one moment, one of which takes the other back, the one that erases counts. No policy knows
    ``withheld`` and ``edited`` of itself: what is withheld in one country is shown in another, and what was edited was
    said once. ``plan`` asks for a line that settles them.

    Args:
        sources: paths, patterns (``"stream/*.jsonl.gz"``) or folders, of which every file that is not hidden is read:
            JSON lines, plain or packed with gzip, zstd or bzip2.
        ignore: names of events to pass over: those that no result can express (``user_profile_modification``,
            ``favorite_delete``, ``limit``; ``tweet`` for tweets among the events). Any that stands in the files and is
            neither known nor named here is an error, so that nothing is passed over in silence.
        checked_at: as of when all of this holds; the time of the last event when None.

    Returns:
        A table of schema :data:`compliance_frames.schemas.BOUNDED`: one row for each type, ID and reason that holds,
        sorted. ``action`` is the event's name, ``redacted_at`` its time. A user's ``scrub_geo`` is for his tweets up
        to the ID in ``up_to``, the largest of such events, which ``plan``, ``apply``, ``match`` and ``verify`` heed.
        What was asked about is not in it: a stream tells of everybody, as long as it was recorded, and of nobody else.

    Raises:
        ResultsError: a file is not there, a line is no event, or is one that nobody decided about.

    >>> import tempfile
    >>> protect = '{"data": {"user_protect": {"user": {"id": "7"}, "event_at": "2024-05-01T12:00:00.000Z"}}}'
    >>> delete = '{"data": {"delete": {"tweet": {"id": "20", "author_id": "8"}, "event_at": "2024-05-02T12:00:00Z"}}}'
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "stream.jsonl").write_text(f"{protect}\n{delete}\n")
    ...     table = read_events(f"{folder}/stream.jsonl")
    >>> table.select(["type", "id", "action", "reason"]).to_pylist()[1]
    {'type': 'users', 'id': 7, 'action': 'user_protect', 'reason': 'protected'}
    """
    _must_be_fit(ignore)
    told = None if checked_at is None else in_utc(checked_at)
    state, others = _State(), _Others(ignore)
    paths = files_of(sources)
    for path in paths:
        with opened(path) as stream:
            for number, event in _events(stream, path):
                if event.kind in KINDS and event.kind not in ignore:
                    state.take(event)
                else:
                    others.take(event, path, number)
    others.settle()
    return state.table(told, otherwise=max(map(changed_at, paths)))


def _must_be_fit(ignore: Collection[str]) -> None:
    if isinstance(ignore, str):
        raise ResultsError(f"ignore={ignore!r} is one name; give a list of them: ignore=[{ignore!r}]")
    for name in ignore:
        if name in KINDS and KINDS[name].reason in TREATMENTS:
            raise ResultsError(
                f"ignore={name!r} would pass over what people chose. What becomes of it is for the policy: "
                f'Policy.default().treat({KINDS[name].reason}="keep")'
            )


def _events(stream: BinaryIO, path: Path) -> Iterator[tuple[int, Event]]:
    number = 0
    while line := stream.readline(_LONGEST + 1):
        number += 1
        try:
            if len(line) > _LONGEST:
                raise ValueError("is longer than any event")
            if line.strip():
                yield number, event_in(line.decode())
        except UnicodeDecodeError:
            raise _bad(path, number, "is not UTF-8") from None
        except ValueError as error:
            raise _bad(path, number, str(error)) from None


def _bad(path: Path, number: int, what: str) -> ResultsError:
    return ResultsError(f"{named(path)}: line {number} {what}. Nothing of the file is used.", line=number)


class _State:
    """What events say, in columns, until all have come."""

    def __init__(self) -> None:
        self._kinds, self._ids, self._times, self._reach = array("b"), array("q"), array("q"), array("q")
        self._countries: dict[tuple[int, int], set[str]] = {}

    def take(self, event: Event) -> None:
        """Take an event in."""
        kind = _NAMES.index(event.kind)
        for id in event.ids:
            self._kinds.append(kind)
            self._ids.append(id)
            self._times.append(_NEVER if event.at is None else event.at)
            self._reach.append(_NEVER if event.up_to is None else event.up_to)
            if event.countries:
                self._countries.setdefault((int(_GROUP_OF[kind]), id), set()).update(event.countries)

    def table(self, checked_at: datetime | None, *, otherwise: datetime) -> pa.Table:
        """What holds after all of them.

        Args:
            checked_at: as of when, if it was told.
            otherwise: as of when, if no event tells its time.
        """
        kinds = np.frombuffer(self._kinds, np.int8) if self._kinds else np.empty(0, np.int8)
        ids, times, reach = (
            np.frombuffer(column, np.int64) if column else np.empty(0, np.int64)
            for column in (self._ids, self._times, self._reach)
        )
        when = checked_at or (_UNIX + timedelta(milliseconds=int(times.max())) if _known(times).any() else otherwise)
        order = np.lexsort((_ERASES[kinds], times, ids, _GROUP_OF[kinds]))  # what erases is the last of a moment
        kinds, ids, times, reach = kinds[order], ids[order], times[order], reach[order]
        groups = _GROUP_OF[kinds]
        first = np.ones(len(ids), bool)
        first[1:] = (ids[1:] != ids[:-1]) | (groups[1:] != groups[:-1])
        starts = np.flatnonzero(first)
        reach = np.maximum.reduceat(reach, starts) if len(starts) else reach
        last = np.append(starts[1:], len(ids)) - 1 if len(starts) else starts
        holds = _ERASES[kinds[last]]
        return self._rows(kinds[last][holds], ids[last][holds], times[last][holds], reach[holds], when)

    def _rows(self, kinds: Any, ids: Any, times: Any, reach: Any, when: datetime) -> pa.Table:
        groups = _GROUP_OF[kinds].tolist()
        countries = [
            sorted(told) if (told := self._countries.get(key)) else None
            for key in zip(groups, ids.tolist(), strict=True)
        ]
        nothing = pa.nulls(len(ids))
        columns: dict[str, Any] = {
            "type": pa.array([_GROUPS[group][0] for group in groups], pa.string()),
            "id": pa.array(ids),
            "action": pa.array([_NAMES[kind] for kind in kinds.tolist()], pa.string()),
            "reason": pa.array([_GROUPS[group][1] for group in groups], pa.string()),
            "created_at": nothing,
            "redacted_at": pa.array(times, mask=~_known(times)),
            "job_id": nothing,
            "checked_at": pa.repeat(pa.scalar(when, BOUNDED.field("checked_at").type), len(ids)),
            "up_to": pa.array(reach, mask=~_known(reach)),
            "withheld_in_countries": pa.array(countries, BOUNDED.field("withheld_in_countries").type),
        }
        arrays = [columns[field.name].cast(field.type) for field in BOUNDED]
        return one_per_reason([pa.Table.from_arrays(arrays, schema=BOUNDED)], schema=BOUNDED)


def _known(values: Any) -> Any:
    return values != _NEVER


class _Others:
    """Events of which results cannot tell: counted, and refused but for those that are to be ignored."""

    def __init__(self, ignore: Collection[str]) -> None:
        self._ignore = frozenset(ignore)
        self._counts: Counter[str] = Counter()
        self._first: dict[str, tuple[Path, int]] = {}

    def take(self, event: Event, path: Path, number: int) -> None:
        """Count an event."""
        if event.kind in self._ignore:
            return
        name = event.kind if event.kind in self._first or len(self._first) < _MOST_SHOWN else "others"
        self._counts[name] += 1
        self._first.setdefault(name, (path, number))

    def settle(self) -> None:
        """Refuse all events if there were any of these.

        Raises:
            ResultsError: there were; how many of each, and where the first of them stands.
        """
        if not self._counts:
            return
        told = ", ".join(
            f"{count:,} {name!r} (first in {named(self._first[name][0])}, line {self._first[name][1]})"
            for name, count in self._counts.items()
        )
        names = ", ".join(repr(name) for name in self._counts)
        first = next(iter(self._first.values()))
        raise ResultsError(
            f"events of which results cannot tell: {told}. Nothing is used. See to them yourself, then pass over them "
            f"with ignore=[{names}] (command line: --ignore {next(iter(self._counts))})",
            line=first[1],
        )
