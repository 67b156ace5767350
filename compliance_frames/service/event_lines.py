"""One line of a compliance stream, as API v2 or v1.1 write it, understood to the letter or refused.

``{"data": {"user_protect": {"user": {"id": "7"}, "event_at": "2024-05-01T12:00:00.000Z"}}}`` (v2) and
``{"user_protect": {"id": 7, "timestamp_ms": "1714564800000"}}`` (v1.1) say the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from compliance_frames.schemas import JobType
from compliance_frames.service.lines import LARGEST_ID, YEAR_1, YEAR_10000, Float, object_in


class Kind(NamedTuple):
    """What events of one name say.

    Attributes:
        type: whose ID it is.
        reason: what results say of it.
        erases: whether something has to go from now on; else that it need not go any more.
        reversible: whether another event can take it back: then it matters when each happened.
    """

    type: JobType
    reason: str
    erases: bool = True
    reversible: bool = False


#: Every event of which results can tell. A user's ``delete`` can be taken back within 30 days: batch results call an
#: account that is so ``deactivated``.
KINDS: Final[Mapping[str, Kind]] = {
    "delete": Kind("tweets", "deleted"),
    "drop": Kind("tweets", "dropped", reversible=True),
    "undrop": Kind("tweets", "dropped", erases=False, reversible=True),
    "withheld": Kind("tweets", "withheld"),
    "tweet_withheld": Kind("tweets", "withheld"),
    "status_withheld": Kind("tweets", "withheld"),
    "tweet_edit": Kind("tweets", "edited"),
    "scrub_geo": Kind("users", "scrub_geo"),
    "user_delete": Kind("users", "deactivated", reversible=True),
    "user_undelete": Kind("users", "deactivated", erases=False, reversible=True),
    "user_protect": Kind("users", "protected", reversible=True),
    "user_unprotect": Kind("users", "protected", erases=False, reversible=True),
    "user_suspend": Kind("users", "suspended", reversible=True),
    "user_unsuspend": Kind("users", "suspended", erases=False, reversible=True),
    "user_withheld": Kind("users", "withheld"),
}

_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_ID: Final = re.compile(r"[0-9]{1,19}", re.ASCII)
_COUNTRY: Final = re.compile(r"[A-Za-z]{2}", re.ASCII)
_MOMENT: Final = re.compile(
    r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-][0-9]{2}:?[0-9]{2})",
    re.ASCII,
)
_MILLISECONDS: Final = re.compile(r"[0-9]{1,15}", re.ASCII)
_TIMES: Final = ("event_at", "timestamp_ms", "timestampMs")
_UNIX: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_COUNTRIES: Final = 300


class Event(NamedTuple):
    """What a line says.

    Attributes:
        kind: the event's name; one that is not in :data:`KINDS` has no IDs here.
        ids: of tweets or users, as the kind has it.
        at: when it happened, in milliseconds since 1970, or None where the line does not say so.
        up_to: the last tweet that loses its place.
        countries: where something is withheld.
    """

    kind: str
    ids: tuple[int, ...] = ()
    at: int | None = None
    up_to: int | None = None
    countries: tuple[str, ...] = ()


def event_in(text: str) -> Event:
    """The event that a line tells of.

    Raises:
        ValueError: it is none, or not a whole one; what the line is or has instead, in words.

    >>> event_in('{"delete": {"status": {"id": 600, "id_str": "608", "user_id": 3}, "timestamp_ms": "1432228155593"}}')
    Event(kind='delete', ids=(608,), at=1432228155593, up_to=None, countries=())
    >>> event_in('{"data": {"user_profile_modification": {"user": {"id": "7"}}}}').ids
    ()
    """
    name, body = _named(object_in(text))
    kind = KINDS.get(name)
    if kind is None:
        return Event(name)
    if not isinstance(body, dict):
        raise ValueError(f"has a {name} event without content")
    at = _time(body)
    if at is None and kind.reversible:
        raise ValueError(f"has a {name} event without a time: whether it was taken back cannot be known")
    up_to = _number(body, "up_to_tweet_id", "up_to_status_id") if kind.reason == "scrub_geo" else None
    countries = _countries(body) if kind.reason == "withheld" else ()
    return Event(name, _ids(name, kind, body), at, up_to, countries)


def _named(told: dict[str, Any]) -> tuple[str, Any]:
    """The event's name and what is told of it; API v2 wraps both, and a tweet among events has no name."""
    if set(told) == {"data"} and isinstance(told["data"], dict):
        told = told["data"]
    if {"text", "full_text"} & told.keys() and {"id", "id_str"} & told.keys():
        return "tweet", told
    if {"id", "action", "reason"} <= told.keys():
        raise ValueError("is a result, and no event: results are for read_results (--results)")
    if len(told) != 1:
        raise ValueError("is no event: an object with one key, the event's name, is wanted")
    ((name, body),) = told.items()
    if not _WORD.fullmatch(name):
        raise ValueError("is no event: its name is not a plain word")
    if name == "delete" and isinstance(body, dict) and "favorite" in body:
        return "favorite_delete", body
    return name, body


def _ids(name: str, kind: Kind, body: dict[str, Any]) -> tuple[int, ...]:
    inner = [body[key] for key in ("tweet", "status", "user") if isinstance(body.get(key), dict)]
    if len(inner) > 1:
        raise ValueError(f"has a {name} event of several things at once")
    holder = inner[0] if inner else body
    if name == "tweet_edit":
        return _superseded(holder, body)
    if kind.reason == "scrub_geo" and not inner:
        return (_number(holder, "user_id"),)
    return (_number(holder, "id"),)


def _superseded(holder: dict[str, Any], body: dict[str, Any]) -> tuple[int, ...]:
    """The versions of a tweet before its last: their words are no longer what somebody says."""
    versions = body.get("edit_tweet_ids")
    if not isinstance(versions, list) or not versions:
        raise ValueError("has a tweet_edit event without the versions of the tweet")
    every = {_number({"id": each}, "id") for each in versions}
    every |= {_number(holder, "id"), _number(body, "initial_tweet_id")}
    return tuple(sorted(every)[:-1])


def _number(holder: dict[str, Any], *names: str) -> int:
    """An ID. Where text stands beside a number, the text is right: some writers round the number."""
    for name in names:
        for key in (f"{name}_str", name):
            value = holder.get(key)
            if value is None:
                continue
            whole = isinstance(value, int | str) and not isinstance(value, bool | Float)
            if not whole or not _ID.fullmatch(str(value)) or not 0 < int(value) <= LARGEST_ID:
                raise ValueError(f"has {_article(key)} that is no ID of 1 to 19 digits above 0")
            return int(value)
    raise ValueError(f"has no {' or '.join(names)}")


def _article(key: str) -> str:
    return f"an {key}" if key[0] in "aeiou" and not key.startswith("user") else f"a {key}"


def _countries(body: dict[str, Any]) -> tuple[str, ...]:
    told = body.get("withheld_in_countries")
    if not isinstance(told, list) or not 0 < len(told) <= _MOST_COUNTRIES:
        raise ValueError("does not say in which countries it is withheld")
    if not all(isinstance(each, str) and _COUNTRY.fullmatch(each) for each in told):
        raise ValueError("names a country by other than two letters")
    return tuple(sorted({each.upper() for each in told}))


def _time(body: dict[str, Any]) -> int | None:
    told = [body[key] for key in _TIMES if body.get(key) is not None]
    if not told:
        return None
    text = str(told[0])
    if isinstance(told[0], int | str) and not isinstance(told[0], bool | Float):
        if _MILLISECONDS.fullmatch(text) and int(text) < YEAR_10000:
            return int(text)
        if _MOMENT.fullmatch(text):
            return _milliseconds(text)
    raise ValueError("has a time that is none")


def _milliseconds(text: str) -> int:
    try:
        moment = (datetime.fromisoformat(text) - _UNIX) // timedelta(milliseconds=1)
        if YEAR_1 <= moment < YEAR_10000:  # the zone of one in the first or last hours can lead out of the calendar
            return moment
    except (ValueError, OverflowError):
        pass  # a day that there is not
    raise ValueError(f"has a time that is none, or no year from 1 to 9999: {text!r}")
