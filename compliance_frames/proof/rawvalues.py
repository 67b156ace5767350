"""Say what each ID in raw JSON stands for, by where it stands: written anew, not shared with the cleaning."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

from compliance_frames.corpus.manifest import ColumnPaths
from compliance_frames.ids.naming import TWEETS, plain
from compliance_frames.proof.rawnamed import repeated_by
from compliance_frames.proof.roles import Layout, Role, is_place

_TWEET: Final = tuple(map(plain, TWEETS))
_AUTHOR: Final = re.compile(r"(author|user|from_?user|external_author|actor)_?id(_?str(ing)?)?", re.IGNORECASE)
_PEOPLE: Final = ("user", "author", "actor")
_TEXTS: Final = {"text", "full_text", "rawContent", "content", "body"}
_LISTS: Final = ("data", "statuses", "tweets", "results")
_WRAPPERS: Final = ("data", "tweet", "status")
_OTHERS: Final = re.compile(
    r"((retweeted|quoted|twitter_quoted)_?(status|tweet)|tweets?|data|status(es)?|results)", re.IGNORECASE
)
_REFERENCES: Final = re.compile(r"referenced_?tweets?", re.IGNORECASE)
_PERSON: Final = {"username", "screen_name", "preferredUsername", "screenname"}
_ID: Final = re.compile(
    r"\s*(?:(?:tag|object):search\.(?:twitter|x)\.com,2005:|id:(?:twitter|x)\.com:|x)?0*([0-9]{1,40})\s*", re.ASCII
)


@dataclass(frozen=True)
class Stands:
    """An ID, and what it stands for.

    Attributes:
        role: see :data:`~compliance_frames.proof.roles.Role`.
        id: the ID.
        column: the way to it.
        record: the number of the record that it stands in; -1 beside all of them.
        places: what stands beside it that is a place.
        own: whether it is the record's own tweet's.
        unsaid: whether it is not known if the record repeats what this names.
    """

    role: Role
    id: int
    column: str
    record: int
    places: tuple[str, ...] = ()
    own: bool = False
    unsaid: bool = False


def records_of(value: Any, columns: ColumnPaths) -> list[dict[str, Any]]:
    """The records in a value: of an answer of the service, those in its lists.

    >>> columns = ColumnPaths("id")
    >>> records_of({"data": [{"id": "7"}], "meta": {}}, columns), records_of({"limit": {"track": 7}}, columns)
    ([{'id': '7'}], [])
    """
    if isinstance(value, list):
        return [each for each in value if isinstance(each, dict)]
    if not isinstance(value, dict):
        return []
    if own_id(value) is None and number(_dug(value, columns.id)) is None:
        lists = [name for name in _LISTS if isinstance(value.get(name), list)]
        if lists:
            return [each for name in lists for each in value[name] if isinstance(each, dict)]
        if not any(isinstance(value.get(name), dict) and own_id(value[name]) is not None for name in _WRAPPERS):
            return []
    return [value]


def own_id(told: dict[str, Any]) -> int | None:
    """The ID of the tweet, or the user, that an object is; None where it has none.

    >>> own_id({"id": 7.0, "id_str": "8"}), own_id({"name": "x"})
    (8, None)
    """
    named = sorted((key for key in told if _names_tweet(key)), key=lambda key: _TWEET.index(plain(key)))
    return next((found for key in named if (found := number(told[key])) is not None), None)


@lru_cache(maxsize=1 << 16)
def _names_tweet(key: str) -> bool:
    return plain(key) in _TWEET


def number(value: Any) -> int | None:
    """A value as an ID.

    >>> number("x8"), number(8.5), number("id:twitter.com:8")
    (8, None, 8)
    """
    if isinstance(value, dict) and list(value) == ["$numberLong"]:
        value = value["$numberLong"]
    if isinstance(value, str):
        told = _ID.fullmatch(value)
        value = int(told[1]) if told else None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63 else None


def stands_in(value: Any, columns: ColumnPaths) -> Iterator[Stands]:
    """Every ID in a value that stands for more than a mention.

    >>> columns = ColumnPaths("id")
    >>> [(each.role, each.id) for each in stands_in({"id": 7, "user": {"id": 8}, "in_reply_to_status_id": 9}, columns)]
    [('tweet', 7), ('author', 8)]
    """
    told: set[tuple[Role, int, int]] = set()  # most tools write an ID twice, as a number and as text
    for each in _every(value, columns):
        if (each.role, each.id, each.record) not in told:
            told.add((each.role, each.id, each.record))
            yield each


def authored_in(value: Any) -> Iterator[tuple[int, int]]:
    """Every tweet that lies in a value, inside of others too, with whoever is said beside it to have written it.

    >>> list(authored_in({"id": 7, "quoted_status": {"id": 8, "text": "…", "user": {"id": 9}}}))
    [(8, 9)]
    """
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            tweet = None if _is_person(each) else own_id(each)
            yield from ((tweet, author) for _, author in _written(each) if tweet is not None)
        waiting.extend(each.values() if isinstance(each, dict) else each if isinstance(each, list) else ())


def looks_placed(value: Any, columns: ColumnPaths) -> set[str]:
    """Keys that look like places, and hold something, where it was told that there are none: they are kept.

    >>> told, found = {"id": 7, "geo": {"place_id": "x"}, "place": None}, ColumnPaths("id")
    >>> looks_placed(told, replace(found, geo=())), looks_placed(told, found)
    ({'geo'}, set())
    """
    if columns.geo != ():
        return set()
    return {name for each in stands_in(value, replace(columns, geo=None)) for name in each.places}


def _every(value: Any, columns: ColumnPaths) -> Iterator[Stands]:
    seen: set[int] = set()
    for at, record in enumerate(records_of(value, columns)):
        seen.add(id(record))
        yield from _of_record(record, at, columns)
    if id(value) not in seen:
        yield from _inside(value, "", -1, seen, columns, top=True)


def own_in(record: dict[str, Any], at: int, columns: ColumnPaths) -> Iterator[Stands]:
    """The IDs of a record's own tweet and of whoever wrote it.

    >>> sorted({(each.role, each.id) for each in own_in({"id": 7, "user": {"id": 8}}, 0, ColumnPaths("id"))})
    [('author', 8), ('tweet', 7)]
    """
    tweet = _tweet_in(record)
    places = _places(tweet, columns)
    if tweet is not record:
        places += _places(record, columns)
        includes = record.get("includes")
        if columns.geo != () and isinstance(includes, dict) and includes.get("places"):
            places += ("includes.places",)
    person = _is_person(tweet)
    named = None if person else number(_dug(record, columns.id))
    if named is not None:
        yield Stands("tweet", named, columns.id, at, places, own=True)
    author = number(_dug(record, columns.author_id))
    if author is not None and not person:
        yield Stands("author", author, columns.author_id or "", at, places)
    for key, each in tweet.items():
        found = number(each)
        if found is not None and _names_tweet(key):
            yield Stands("author" if person else "tweet", found, key, at, places, own=not person and named is None)
        elif found is not None and _AUTHOR.fullmatch(key):
            yield Stands("author", found, key, at, places)
    yield from (Stands("author", found, name, at, places) for name, found in _authors(tweet))


def _tweet_in(record: dict[str, Any]) -> dict[str, Any]:
    if own_id(record) is None:
        return next((record[name] for name in _WRAPPERS if isinstance(record.get(name), dict)), record)
    return record


def _of_record(record: dict[str, Any], at: int, columns: ColumnPaths) -> Iterator[Stands]:
    yield from own_in(record, at, columns)
    tweet = _tweet_in(record)
    yield from _quoted(tweet, at)
    for each in [tweet] if tweet is record else [tweet, record]:
        yield from repeats_of(each, at)
    seen = {id(tweet), id(record)}
    for told in [tweet] if tweet is record else [tweet, record]:
        for key, each in told.items():
            if id(each) not in seen:
                yield from _inside(each, key, at, seen, columns, top=told is tweet)


def _dug(record: Any, path: str | None) -> Any:
    if not isinstance(record, dict) or path is None:
        return None
    if path in record:
        return record[path]
    head, _, rest = path.partition(".")
    return _dug(record.get(head), rest) if rest else None


def _quoted(tweet: dict[str, Any], at: int) -> Iterator[Stands]:
    """Tweets of which keys beside their ID hold what they say."""
    texts = tuple(name for name in tweet if name.rpartition("_")[2].rpartition(".")[2] in _TEXTS and tweet[name])
    quoted = {name for _, name in Layout(ColumnPaths("id", embedded=texts)).quoted(list(tweet))} if texts else set()
    repeated = {each.id for each in repeats_of(tweet, at)} if quoted else set()
    for key in tweet:
        found = number(tweet[key]) if key in quoted and not _names_tweet(key) else None
        if found is not None and found not in repeated:
            yield Stands("embedded tweet", found, key, at)


def repeats_of(tweet: dict[str, Any], at: int) -> Iterator[Stands]:
    """The tweets that one repeats, and their authors; and those of which nobody knows whether it does.

    >>> [(each.role, each.id) for each in repeats_of({"id": 7, "retweeted_id": "8"}, 0)]
    [('retweet', 8)]
    """
    for each in repeated_by(tweet):
        found = number(each.value)
        if found is not None and each.known:
            yield Stands("embedded author" if each.author else "retweet", found, each.key, at)
        elif found is not None:
            yield Stands("mention", found, each.key, at, unsaid=True)


def _authors(tweet: dict[str, Any]) -> Iterator[tuple[str, int]]:
    for name in _PEOPLE:
        person = tweet.get(name)
        for key in ("id", "id_str") if isinstance(person, dict) else ():
            found = number(person.get(key)) if isinstance(person, dict) else None
            if found is not None:
                yield f"{name}.{key}", found


def _inside(
    value: Any, name: str, at: int, seen: set[int], columns: ColumnPaths, *, top: bool = False
) -> Iterator[Stands]:
    """The IDs of tweets and users that lie inside of something; ``seen`` are those that are told of elsewhere."""
    if isinstance(value, list):
        for each in value:
            if id(each) not in seen:
                yield from _inside(each, name, at, seen, columns, top=top)
        return
    if not isinstance(value, dict):
        return
    told = own_id(value)
    whole = bool(_TEXTS & value.keys())
    if told is not None and _REFERENCES.fullmatch(name):
        if whole:
            yield Stands("embedded tweet", told, f"{name}.id", at)
            yield from (Stands("embedded author", found, f"{name}.{key}", at) for key, found in _written(value))
            yield from repeats_of(value, at)
    elif told is not None and not _is_person(value) and _is_tweet(value, name, top):
        places = _places(value, ColumnPaths("id", geo=() if columns.geo == () else None))
        ids = {number(value[key]) for key in value if _names_tweet(key)} - {None}
        yield from (Stands("embedded tweet", found, f"{name}.id", at, places) for found in ids if found is not None)
        yield from (Stands("embedded author", found, f"{name}.{key}", at, places) for key, found in _written(value))
        yield from repeats_of(value, at)
    elif told is not None and _is_person(value) and name in {"users", "in_reply_to_user"}:
        yield Stands("embedded author", told, f"{name}.id", at)
    for key, each in value.items():
        if id(each) not in seen:
            yield from _inside(each, key, at, seen, columns, top=False)


def _is_tweet(value: dict[str, Any], name: str, top: bool) -> bool:
    if name == "object":
        return top and "objectType" in value
    return bool(_TEXTS & value.keys()) or _OTHERS.fullmatch(name) is not None


def _written(value: dict[str, Any]) -> Iterator[tuple[str, int]]:
    for key, each in value.items():
        found = number(each) if _AUTHOR.fullmatch(key) else None
        if found is not None:
            yield key, found
    yield from _authors(value)


def _is_person(value: dict[str, Any]) -> bool:
    return bool(_PERSON & value.keys()) and not _TEXTS & value.keys() and not any(map(_AUTHOR.fullmatch, value))


def _places(value: dict[str, Any], columns: ColumnPaths) -> tuple[str, ...]:
    if columns.geo == ():
        return ()
    told = tuple(path for path in columns.geo or () if _dug(value, path) not in (None, {}, [], ""))
    named = tuple(key for key in value if is_place(key) or (key == "location" and isinstance(value[key], dict)))
    return tuple(dict.fromkeys((*told, *(key for key in named if value[key] not in (None, {}, [], "")))))
