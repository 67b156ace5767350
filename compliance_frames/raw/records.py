"""Where tweets are in raw JSON, and whose they are, by the names of keys: alone, wrapped, or in an answer's lists."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from compliance_frames.errors import PlanError
from compliance_frames.ids.naming import AUTHORS, TEXTS, TIMES, TWEETS, WRAPPERS, plain, rivals
from compliance_frames.raw.spans import Way

Object = dict[str, Any]

#: Lists in answers of the service, and in what tools make of them, that hold a tweet in each element.
LISTS: Final = ("data", "statuses", "tweets", "results")
#: What stands beside tweets in such answers, and alone in some.
BESIDE: Final = frozenset(
    {"includes", "meta", "errors", "users", "places", "media", "polls", "__twarc", "matching_rules"}
)
#: What streams tell between tweets.
_NOTICES: Final = frozenset(
    {
        *("delete", "limit", "scrub_geo", "status_withheld", "user_withheld", "disconnect", "warning", "friends"),
        *("friends_str", "event", "control", "for_user", "timestamp_ms", "created_at", "info", "error"),
    }
)
_PEOPLE: Final = ("user", "author", "actor")
_NAMES: Final = ("username", "screenname", "preferredusername")
#: A user of whom more is said than a name.
_PROFILE: Final = (
    *("description", "rawdescription", "publicmetrics", "followerscount", "profileimageurl", "createdat", "created"),
    *("displayname", "pinnedtweetid", "protected", "verified", "profileimageurlhttps"),
)
_ID: Final = re.compile(
    r"\s*(?:(?:tag|object):search\.(?:twitter|x)\.com,2005:|id:(?:twitter|x)\.com:|x)?0*([0-9]{1,19})\s*", re.ASCII
)
_ROUNDED: Final = re.compile(r"\s*[0-9]+[.,]?[0-9]*([eE][+]?[0-9]+)?\s*")
_DEEPEST: Final = 250
_LARGEST: Final = 2**63 - 1
_TWEETS: Final = tuple(map(plain, TWEETS))
_AUTHORS: Final = frozenset(map(plain, AUTHORS))
_TEXTS: Final = frozenset(TEXTS)
_MARKS: Final = frozenset(map(plain, (*TIMES, *TEXTS, "tweet_text")))


@dataclass(frozen=True)
class Keys:
    """What the keys of an object say.

    Attributes:
        names: the keys.
        wrapper: what those of a tweet begin with, in an object that was flattened; or an empty text.
        ids: those of the tweet's ID, the likeliest first.
        rivals: those each of which could be the one, where that is not clear.
        authors: those of its author's ID.
        whole: whether one of them is of a text.
        profile: whether they are those of a user, with more than a name.
        person: whether they are those of a user.
        marked: whether one of them is of a text or a time.
    """

    names: frozenset[str]
    wrapper: str
    ids: tuple[str, ...]
    rivals: tuple[str, ...]
    authors: tuple[str, ...]
    whole: bool
    profile: bool
    person: bool
    marked: bool


def keys_of(told: Object) -> Keys:
    """What the keys of an object say.

    >>> keys_of({"id": 7, "user.id": 8, "geo": None}).ids
    ('id',)
    """
    return _keys(tuple(told))


@lru_cache(maxsize=4096)
def _keys(names: tuple[str, ...]) -> Keys:
    wrapper, ids = next(((each, found) for each in WRAPPERS if (found := _ids(names, each))), ("", ()))
    spelt = {plain(bare(name, wrapper)): name for name in names}
    person = any(name in spelt for name in _NAMES) and not _TEXTS & set(names)
    return Keys(
        names=frozenset(names),
        wrapper=wrapper,
        ids=ids,
        rivals=tuple(rivals([bare(name, wrapper) for name in ids])),
        authors=tuple(name for each, name in spelt.items() if each in _AUTHORS),
        whole=bool(_TEXTS & set(names)),
        profile=person and any(name in spelt for name in _PROFILE),
        person=person and not any(name in spelt for name in _AUTHORS),
        marked=any(name in spelt for name in _MARKS),
    )


def _ids(names: tuple[str, ...], wrapper: str) -> tuple[str, ...]:
    """The keys of IDs among those that begin with a wrapper's name."""
    inside = [name for name in names if not wrapper or name.startswith(f"{wrapper}.")]
    spelt = {plain(bare(name, wrapper)): name for name in inside}
    return tuple(spelt[name] for name in _TWEETS if name in spelt)


def bare(name: str, wrapper: str) -> str:
    """A key without what the tweet's keys begin with.

    >>> bare("data.id", "data"), bare("id", "")
    ('id', 'id')
    """
    return name.removeprefix(f"{wrapper}.") if wrapper else name


def records_in(value: Any) -> list[tuple[Way, Object]]:
    """The objects in a value each of which is a record, and the way to each; none in what streams tell between them.

    >>> records_in({"data": [{"id": 7}], "includes": {}})
    [(('data', 0), {'id': 7})]
    >>> records_in({"id": 7}), records_in({"limit": {"track": 1}})
    ([((), {'id': 7})], [])
    """
    if isinstance(value, list):
        return [((at,), each) for at, each in enumerate(value)]
    if not isinstance(value, dict):
        return [((), value)]
    lists = [name for name in LISTS if isinstance(value.get(name), list) and all_objects(value[name])]
    if lists and not keys_of(value).ids:
        return [((name, at), each) for name in lists for at, each in enumerate(value[name])]
    if value and (value.keys() <= BESIDE or value.keys() <= _NOTICES):
        return []
    return [((), value)]


def all_objects(values: list[Any]) -> bool:
    """Whether a list holds nothing but objects.

    >>> all_objects([{}]), all_objects([7])
    (True, False)
    """
    return all(isinstance(each, dict) for each in values)


def tweet_in(record: Object) -> tuple[Way, Object]:
    """Where in a record the tweet itself is: at its top, or wrapped.

    >>> tweet_in({"data": {"id": 7}})
    (('data',), {'id': 7})
    """
    if not keys_of(record).ids:
        for wrapper in WRAPPERS[1:]:
            inner = record.get(wrapper)
            if isinstance(inner, dict) and keys_of(inner).ids:
                return (wrapper,), inner
    return (), record


def looks_like_tweet(record: Any) -> bool:
    """Whether an object is a tweet or a user, by more than that it has an ID.

    >>> looks_like_tweet({"id": 7, "text": "hello"}), looks_like_tweet({"id": 7, "name": "settings"})
    (True, False)
    """
    if not isinstance(record, dict):
        return False
    tweet = tweet_in(record)[1]
    keys = keys_of(tweet)
    only_ids = keys.names <= {*keys.ids, *keys.authors}
    return bool(keys.ids) and (only_ids or keys.marked or bool(keys.authors or authors_of(tweet)) or keys.person)


def number(value: Any) -> int | None:
    """A value as an ID, or None where it is none: text with digits, or a number however it is spelled.

    >>> number("tag:search.twitter.com,2005:7"), number(7), number("7a"), number(1.5), number(1e18)
    (7, 7, None, None, 1000000000000000000)
    """
    if isinstance(value, str):
        spelled = _ID.fullmatch(value)
        found = int(spelled[1]) if spelled else None
    elif isinstance(value, dict) and value.keys() == {"$numberLong"}:  # as MongoDB exports it
        return number(value["$numberLong"])
    elif isinstance(value, float):
        found = int(value) if value.is_integer() else None
    else:
        found = value if isinstance(value, int) and not isinstance(value, bool) else None
    return found if found is not None and 0 <= found <= _LARGEST else None


def numbers(told: Object, names: tuple[str, ...]) -> set[int]:
    """The IDs under some keys.

    >>> numbers({"id": 7, "id_str": None}, ("id_str", "id"))
    {7}
    """
    return {found for name in names if (found := number(told[name])) is not None}


def numbers_in(value: Any) -> set[int]:
    """Every ID in a value, however it is spelled, and whatever it stands for.

    >>> sorted(numbers_in({"id": 7, "list": ["x8", 9.0, None]}))
    [7, 8, 9]
    """
    found, waiting = set[int](), [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)
        elif (told := number(each)) is not None:
            found.add(told)
    return found


def authors_of(told: Object) -> set[int]:
    """The IDs of who wrote a tweet.

    >>> authors_of({"id": 7, "user": {"id_str": "8"}, "user_id": 8})
    {8}
    """
    people = [told[name] for name in _PEOPLE if isinstance(told.get(name), dict)]
    inside = {number(person.get(name)) for person in people for name in ("id", "id_str")} - {None}
    return numbers(told, keys_of(told).authors) | {each for each in inside if each is not None}


def is_empty(value: Any) -> bool:
    """Whether a value holds nothing.

    >>> is_empty({}), is_empty(0)
    (True, False)
    """
    return value is None or value in ({}, [], "")


def is_deep(value: Any) -> bool:
    """Whether a value is nested deeper than any tweet, so that whoever looks into it could come to Python's end.

    >>> import json
    >>> is_deep(json.loads("[" * 200 + "]" * 200)), is_deep(json.loads("[" * 300 + "]" * 300))
    (False, True)
    """
    below = [value]
    for _ in range(_DEEPEST):
        below = [
            inner
            for each in below
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not below:
            return False
    return True


def must_be_clear(keys: Keys) -> None:
    """Refuse an object that has the ID under several names, of which only one can be a tweet's.

    >>> must_be_clear(keys_of({"id": 1, "tweet_id": 2}))
    Traceback (most recent call last):
    compliance_frames.errors.PlanError: 'id' and 'tweet_id' could each be the tweet's ID: say which it is, with ...
    """
    if len(keys.rivals) > 1:
        named = " and ".join(map(repr, keys.rivals))
        last = keys.rivals[-1]
        raise PlanError(
            f"{named} could each be the tweet's ID: say which it is, with id_column={last!r} "
            f"(command line: --id-column {last})"
        )


def is_rounded(value: Any) -> bool:
    """Whether something is what is left of an ID that went through floating point.

    >>> is_rounded("1.23457E+18"), is_rounded(1.2e18), is_rounded("hello")
    (True, True, False)
    """
    return isinstance(value, float) or (isinstance(value, str) and _ROUNDED.fullmatch(value) is not None)


def dug(record: Object, path: str) -> tuple[Way | None, Any]:
    """The way to a value that was named, and the value.

    >>> dug({"user": {"id": 7}}, "user.id"), dug({"user.id": 7}, "user.id"), dug({}, "user.id")
    ((('user', 'id'), 7), (('user.id',), 7), (None, None))
    """
    if path in record:
        return (path,), record[path]
    names = path.split(".")
    for cut in range(1, len(names)):
        inner = record.get(".".join(names[:cut]))
        if isinstance(inner, dict):
            way, value = dug(inner, ".".join(names[cut:]))
            if way is not None:
                return (".".join(names[:cut]), *way), value
    return None, None
