"""What an object of JSON says of a tweet, by the names of its keys: its ID, its author, its places, other tweets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import pyarrow as pa

from compliance_frames.corpus.ecosystems import QUOTES, REFERENCE_LISTS, RETWEETS, TEXTS, TIMES, WRAPPERS, is_place
from compliance_frames.corpus.flat import Beside, quoted, repeated
from compliance_frames.errors import PlanError
from compliance_frames.ids.naming import AUTHORS, TWEETS, plain, rivals
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
_EMBEDDED: Final = re.compile(
    r"((twitter_)?quoted|retweeted)_?(tweet|status)|tweets?|data|status(es)?|results", re.IGNORECASE
)
_NAMES: Final = ("username", "screen_name", "screenname", "preferredusername")
#: A user of whom more is said than a name.
_PROFILE: Final = (
    *("description", "rawdescription", "publicmetrics", "followerscount", "profileimageurl", "createdat", "created"),
    *("displayname", "pinnedtweetid", "protected", "verified", "profileimageurlhttps"),
)
_ID: Final = re.compile(
    r"\s*(?:(?:tag|object):search\.(?:twitter|x)\.com,2005:|id:(?:twitter|x)\.com:|x)?0*([0-9]{1,19})\s*", re.ASCII
)
_ROUNDED: Final = re.compile(r"\s*[0-9]+[.,]?[0-9]*([eE][+]?[0-9]+)?\s*")
_LARGEST: Final = 2**63 - 1
_TWEETS: Final = tuple(map(plain, TWEETS))
_AUTHORS: Final = frozenset(map(plain, AUTHORS))
_TEXTS: Final = frozenset(TEXTS)
_MARKS: Final = frozenset(map(plain, (*TIMES, *TEXTS, "tweet_text", "rawContent")))


@dataclass(frozen=True)
class Keys:
    """What the keys of an object say.

    Attributes:
        names: the keys.
        ids: those of the tweet's ID, the likeliest first.
        rivals: those each of which could be the one, where that is not clear.
        authors: those of its author's ID.
        places: those of places.
        whole: whether one of them is of a text.
        profile: whether they are those of a user, with more than a name.
        person: whether they are those of a user.
        marked: whether one of them is of a text or a time.
        repeated: other tweets that it repeats, told in keys of its own.
        quoted: those that it quotes.
    """

    names: frozenset[str]
    ids: tuple[str, ...]
    rivals: tuple[str, ...]
    authors: tuple[str, ...]
    places: tuple[str, ...]
    whole: bool
    profile: bool
    person: bool
    marked: bool
    repeated: tuple[Beside, ...]
    quoted: tuple[Beside, ...]


def keys_of(told: Object) -> Keys:
    """What the keys of an object say.

    >>> keys_of({"id": 7, "user.id": 8, "geo": None}).ids
    ('id',)
    """
    return _keys(tuple(told))


@lru_cache(maxsize=4096)
def _keys(names: tuple[str, ...]) -> Keys:
    wrapper, ids = next(((each, found) for each in WRAPPERS if (found := _ids(names, each))), ("", ()))
    spelt = {plain(_bare(name, wrapper)): name for name in names}
    schema = pa.schema([(name, pa.string()) for name in names])
    person = any(name in spelt for name in _NAMES) and not _TEXTS & set(names)
    return Keys(
        names=frozenset(names),
        ids=ids,
        rivals=tuple(rivals([_bare(name, wrapper) for name in ids])),
        authors=tuple(name for each, name in spelt.items() if each in _AUTHORS),
        places=tuple(name for name in names if is_place(_bare(name, wrapper))),
        whole=bool(_TEXTS & set(names)),
        profile=person and any(name in spelt for name in _PROFILE),
        person=person and not any(name in spelt for name in _AUTHORS),
        marked=any(name in spelt for name in _MARKS),
        repeated=tuple(repeated(schema, wrapper)),
        quoted=tuple(quoted(schema)),
    )


def _ids(names: tuple[str, ...], wrapper: str) -> tuple[str, ...]:
    """The keys of IDs among those that begin with a wrapper's name."""
    inside = [name for name in names if not wrapper or name.startswith(f"{wrapper}.")]
    spelt = {plain(_bare(name, wrapper)): name for name in inside}
    return tuple(spelt[name] for name in _TWEETS if name in spelt)


def _bare(name: str, wrapper: str) -> str:
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


def authors_of(told: Object) -> set[int]:
    """The IDs of who wrote a tweet.

    >>> authors_of({"id": 7, "user": {"id_str": "8"}, "user_id": 8})
    {8}
    """
    people = [told[name] for name in _PEOPLE if isinstance(told.get(name), dict)]
    inside = {number(person.get(name)) for person in people for name in ("id", "id_str")} - {None}
    return numbers(told, keys_of(told).authors) | {each for each in inside if each is not None}


def placed(told: Object) -> list[str]:
    """The keys of an object under which a place stands.

    >>> placed({"geo": {"place_id": "x"}, "coordinates": None, "lang": "en"})
    ['geo']
    """
    located = ["location"] if isinstance(told.get("location"), dict) else []
    return [name for name in (*keys_of(told).places, *located) if not is_empty(told[name])]


def is_empty(value: Any) -> bool:
    """Whether a value holds nothing.

    >>> is_empty({}), is_empty(0)
    (True, False)
    """
    return value is None or value in ({}, [], "")


def is_other_tweet(name: str, told: Object, *, beside_id: bool) -> bool:
    """Whether an object inside of a tweet holds another tweet, and not merely names one.

    Args:
        name: of the key that it stands under, or of the list's.
        told: the object.
        beside_id: whether it stands beside the ID of a tweet.
    """
    keys = keys_of(told)
    if not keys.ids or keys.person or is_reference(name, told):
        return False
    if name == "object":
        return beside_id and "objectType" in told
    return keys.whole or name in RETWEETS or name in QUOTES or _EMBEDDED.fullmatch(name) is not None


def is_reference(name: str, told: Object) -> bool:
    """Whether an object says how a tweet stands to another.

    >>> is_reference("referenced_tweets", {"type": "quoted", "id": "7"})
    True
    """
    return is_reference_list(name) and not keys_of(told).whole


def is_reference_list(name: str) -> bool:
    """Whether a key is that of a list which says how a tweet stands to others.

    >>> is_reference_list("referencedTweets")
    True
    """
    return plain(name) in _REFERENCES


def is_profile(name: str, told: Object) -> bool:
    """Whether an object under some key, or in its list, is a user of whom more is told than who it is.

    >>> is_profile("users", {"id": "7", "username": "x"}), is_profile("mentions", {"id": "7", "username": "x"})
    (True, False)
    """
    keys = keys_of(told)
    return keys.profile or (keys.person and name in _USERS)


_USERS: Final = ("users", "in_reply_to_user")
_REFERENCES: Final = frozenset(map(plain, REFERENCE_LISTS))


def references_in(tweet: Object) -> Iterator[Object]:
    """What says how a tweet stands to others: elements of its lists of references, whole tweets among them."""
    for name, value in tweet.items():
        if plain(name) in _REFERENCES and isinstance(value, list):
            yield from (each for each in value if isinstance(each, dict))


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
