"""Say what erased IDs in the texts and numbers of a column are: of a tweet that lies in JSON there, or only named."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from numpy.typing import NDArray

from compliance_frames.proof.erased import Erased, IdArray
from compliance_frames.proof.references import looks_so, says
from compliance_frames.proof.rescan import ids_of
from compliance_frames.proof.roles import is_account, is_place
from compliance_frames.proof.search import Needles

#: What a JSON object in a text holds of what had to go; ``unsaid``: it may be that its row repeats it.
Held = Literal["embedded tweet", "embedded author", "account", "retweet", "unsaid"]

#: Keys in small letters, without what joins their words.
_TWEETS: Final = {"id", "idstr", "tweetid", "tweetidstr", "statusid", "statusidstr"}
_AUTHORS: Final = {"authorid", "authoridstr", "userid", "useridstr", "fromuserid"}
_OF_PEOPLE: Final = ("embedded author", "account")
_PEOPLE: Final = {"user", "author", "actor"}
_TEXTS: Final = {"text", "fulltext", "rawcontent", "content", "body"}
_FLAG: Final = "isretweet"
_JOINTS: Final = str.maketrans("", "", "_- ")
_EMBEDDED: Final = re.compile(
    r"((retweeted|quoted|twitter_quoted)_?(status|tweet)|tweets?|data|status(es)?)", re.IGNORECASE
)
#: Keys that name other tweets, those that name one that is repeated, and those of which another key says it.
_REFERENCES: Final = re.compile(r"referencedtweets?")
_REPEATED: Final = re.compile(r"retweet(ed)?(status|tweet)?id(str)?|referencedtweetsretweeted(id)?")
_PAIRED: Final = re.compile(r"(referencedtweets?)id(s?)")
#: An object that has nothing else names a tweet, and holds none.
_ONLY_NAMES: Final = _TWEETS | _AUTHORS | {"type"}
#: How JSON begins that was cut off, and what Python shows of its objects.
_BROKEN: Final = re.compile(r"[\ufeff\s]*\"?(\{\s*\\*[\"'}]|\[\s*[\[{]|\[?\w*(Tweet|Status)\w*\()")
_NAMED: Final = re.compile(
    r"(?<!\w)((tweet|status|author|rest|(from_?)?user)_?)?id(_?str)?\\*[\"']?\s*[:=]\s*\\*[\"']?"
    r"(?:tag:search\.twitter\.com,2005:)?(?P<id>[0-9]+)",
    re.ASCII | re.IGNORECASE,
)
#: What a string begins with that may be JSON in its turn, and how often one is taken out of another.
_INNER: Final = re.compile(r"[\ufeff\s]*[\[{\"]")
_MOST_WRAPPED: Final = 3
_PLACED: Final = re.compile(r"(?<!\w)(?:geo|place|coordinates)\\*[\"']?\s*[:=]\s*(?!null|None|nan)", re.ASCII)
#: Escapes at which Python would warn, and the longest text that its parser is given.
_UNUSUAL: Final = re.compile(r"\\[^\\'\"abfnrtvxuUN0-7\n]")
_LONGEST: Final = 1 << 20
#: How tweepy prints what a tweet refers to (it forgets the end), and how its other tweets begin and end.
_REFERENCE: Final = re.compile(r"<\w*Tweet id=(\d+) type=(\w+)>?", re.ASCII)
_BEGUN: Final = re.compile(r"<\w*Tweet id=(\d+) text=", re.ASCII)
_ENDED: Final = re.compile(r"([\"'])>")


def ids_inside(values: Any, needles: Needles) -> tuple[IdArray, NDArray[np.int64]]:
    """The erased IDs that stand in values, as numbers or somewhere in their text, and the value that each stands in.

    >>> ids_inside(pa.array(["x", "see 1212161512043446272"]), Needles(np.array([1212161512043446272])))
    (array([1212161512043446272]), array([1]))
    """
    if pt.is_dictionary(values.type):
        values = values.dictionary.take(values.indices)
    nothing = (np.empty(0, np.int64), np.empty(0, np.int64))
    if pt.is_integer(values.type):
        numbers = np.asarray(pc.fill_null(values, 0)).astype(np.int64)
        at = np.flatnonzero(np.isin(numbers, needles.among(numbers)))
        return numbers[at], at
    if pt.is_decimal(values.type):
        return ids_inside(values.cast(pa.string()), needles)
    if not is_text(values.type) or not len(values):
        return nothing
    text, ends = joined(values)
    found, places = needles.where(text)
    return found, np.searchsorted(ends, places, side="right")


def joined(values: Any) -> tuple[Any, NDArray[np.int64]]:
    """Texts one after the other in one buffer, a line for each; and where each of them ends.

    >>> text, ends = joined(pa.array(["ab", None, "c"]))
    >>> bytes(text), ends.tolist()
    (b'ab\\n\\nc', [3, 4, 6])
    """
    text = pc.fill_null(_text(values), "")
    ends = np.cumsum(np.asarray(pc.binary_length(text)).astype(np.int64) + 1)
    whole = pa.ListArray.from_arrays(pa.array([0, len(text)], pa.int32()), text)
    return pc.binary_join(whole, pa.scalar("\n", pa.large_string()))[0].as_buffer(), ends


def whole_ids(values: Any, needles: Needles) -> IdArray | None:
    """The erased IDs among values each of which is an ID and nothing else; None where some value is something else.

    >>> needles = Needles(np.array([1212161512043446272]))
    >>> whole_ids(pa.array(["1212161512043446272", None, "7"]), needles)
    array([1212161512043446272])
    >>> whole_ids(pa.array(["1212161512043446272", "and more"]), needles) is None
    True
    """
    kind = values.type.value_type if pt.is_dictionary(values.type) else values.type
    if not (is_text(kind) or pt.is_integer(kind)):
        return None
    ids = ids_of(values)
    return needles.among(np.asarray(ids.drop_null())) if ids.null_count == values.null_count else None


def may_be_json(text: str) -> bool:
    """Whether a text begins as what :func:`held_in_json` reads.

    >>> may_be_json('"{}"'), may_be_json("Tweet(id=8)"), may_be_json("see 8")
    (True, True, False)
    """
    return _INNER.match(text) is not None or _BROKEN.match(text) is not None


def held_in_json(text: str, erased: Erased, name: str = "", *, look: bool = False) -> Held | None:
    """What a text holds whole of what had to go, where it is JSON; None where it holds nothing, or only names it.

    Objects as Python writes them count as JSON, and so does JSON in strings of JSON. Where a text begins as one and is
    none, or was cut off, it holds whatever stands after the name of an ID.

    Args:
        text: a value of a column.
        erased: what had to go.
        name: of the column.
        look: whether the row looks like a retweet.

    >>> gone = Erased(drop_tweets=np.array([8]))
    >>> held_in_json('{"quoted_status": {"id": 8, "text": "…"}}', gone)
    'embedded tweet'
    >>> held_in_json('{"text": "…", "in_reply_to_status_id": 8}', gone), held_in_json("see 8", gone)
    (None, None)
    >>> held_in_json('[{"id": 8}]', gone, "referenced_tweets")
    'unsaid'
    """
    told = _read(text) if _INNER.match(text) else None
    if told is None:
        return _held_in_pieces(text, erased)
    tweets, authors = erased.drop_tweets, erased.drop_authors
    found: Held | None = next(filter(None, (_held_in_pieces(each, erased) for each in _broken(told))), None)
    if found is not None:
        return found
    for role, value in _roles(told, _bare(name), root=True, look=look):
        number = _number(value)
        if number is not None and _has(authors if role in _OF_PEOPLE else tweets, number):
            if role != "unsaid":
                return role
            found = role
    return found


def placed_in_json(text: str, erased: Erased, name: str = "") -> bool:
    """Whether a text holds, as JSON, a tweet with a place that had to lose it.

    >>> bare = Erased(scrub_tweets=np.array([8]))
    >>> placed_in_json('{"id": 8, "place": "Oslo"}', bare), placed_in_json('{"id": 8, "place": null}', bare)
    (True, False)
    """
    told = _read(text) if _INNER.match(text) else None
    if told is None:
        return _placed_in_pieces(text, erased)
    beside = any(_is_there(value) for key, value in _pairs(told) if key == "includes" for value in _within(value))
    for fields in _tweets_in(told, _bare(name), root=True):
        ids, authors = (
            any(number is not None and _has(sought, number) for number in map(_number, values))
            for sought, values in (
                (erased.scrub_tweets, [value for role, value in _of_tweet(fields) if role not in _OF_PEOPLE]),
                (erased.scrub_authors, [value for role, value in _of_tweet(fields) if role in _OF_PEOPLE]),
            )
        )
        if (ids or authors) and (beside or any(is_place(key) and _is_there(value) for key, value in fields.pairs)):
            return True
    return False


def _placed_in_pieces(text: str, erased: Erased) -> bool:
    if not (_BROKEN.match(text) and _PLACED.search(text)):
        return False
    numbers = [_number(found["id"]) for found in _NAMED.finditer(text)]
    return any(
        number is not None and (_has(erased.scrub_tweets, number) or _has(erased.scrub_authors, number))
        for number in numbers
    )


def _pairs(told: Any, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Every key in what was read, with its value."""
    for each in _flat(told) if depth < 60 else ():
        for key, value in each.pairs if isinstance(each, _Fields) else ():
            yield key, value
            yield from _pairs(value, depth + 1)


def _within(includes: Any) -> Iterator[Any]:
    """The places that an answer of the service brings beside its tweets."""
    for each in _flat(includes):
        yield from each.all("places") if isinstance(each, _Fields) else ()


def _is_there(value: Any) -> bool:
    """Whether a value says anything."""
    return any(each.pairs if isinstance(each, _Fields) else each != "" for each in _flat(value))


def _tweets_in(told: Any, name: str, *, root: bool = False, depth: int = 0) -> Iterator[_Fields]:
    """The objects that are tweets, and neither accounts nor names of others."""
    for fields in _flat(told) if depth < 60 else ():
        if isinstance(fields, _Fields):
            inner, fields = fields.pairs, fields.unfolded()
            whole = bool(_TEXTS & fields.keys)
            named = _REFERENCES.fullmatch(name) or any(says(word) is not None for word in fields.all("type"))
            tweet = whole or (not named and (root or _EMBEDDED.fullmatch(name)))
            if tweet and not is_account(name, fields.keys):
                yield fields
            for key, value in inner:
                yield from _tweets_in(value, key, depth=depth + 1)


class _Fields:
    """An object: its keys as they are compared, each with its value, those that stand twice too."""

    def __init__(self, pairs: list[tuple[Any, Any]]) -> None:
        self.pairs = [(_bare(str(key)), value) for key, value in pairs]
        self.keys = {key for key, _ in self.pairs}

    def all(self, *keys: str) -> list[Any]:
        """What stands under some keys, in lists and in JSON in strings, too."""
        return [each for key, value in self.pairs if key in keys for each in _flat(value)]

    def unfolded(self) -> _Fields:
        """What X's pages are told of a tweet or a user, whose fields stand one level below its ID; else the object."""
        ids, legacy = self.all("restid"), [each for each in self.all("legacy") if isinstance(each, _Fields)]
        if not (ids and legacy):
            return self
        within = (pair for each in legacy for pair in each.pairs)
        return _Fields([*self.pairs, *within, *(("id", each) for each in ids)])


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_Fields)


def _bare(key: str) -> str:
    return key.lower().translate(_JOINTS)


def _read(text: str) -> Any:
    """The objects in a text: one or several, one after the other; None where there is something else, too."""
    text = text.strip("\ufeff \t\r\n\x1e")
    found, at = [], 0
    try:
        while at < len(text):
            told, at = _DECODER.raw_decode(text, at)
            found.append(told)
            while at < len(text) and (text[at].isspace() or text[at] in ",\x1e"):
                at += 1
        return found
    except (ValueError, RecursionError):
        if len(text) > _LONGEST or _UNUSUAL.search(text):
            return None
    try:
        return [_as_fields(ast.literal_eval(_unprinted(text)))]
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None


def _unprinted(text: str) -> str:
    """A text with the tweets that tweepy prints as Python writes objects."""
    text, printed = _BEGUN.subn(r"{'id': '\1', 'text': ", _REFERENCE.sub(r"{'id': '\1', 'type': '\2'}", text))
    return _ENDED.sub(r"\1}", text) if printed else text


def _as_fields(told: Any) -> Any:
    if isinstance(told, dict):
        return _Fields([(key, _as_fields(value)) for key, value in told.items()])
    return list(map(_as_fields, told)) if isinstance(told, list | tuple | set) else told


def _flat(value: Any, wrapped: int = 0) -> Iterator[Any]:
    """A value, those in its lists, and those in the JSON that it may be a string of."""
    if isinstance(value, list):
        for each in value:
            yield from _flat(each, wrapped)
    elif isinstance(value, str) and wrapped < _MOST_WRAPPED and _INNER.match(value):
        inner = _read(value)
        yield from (value,) if inner is None else _flat(inner, wrapped + 1)
    elif value is not None:
        yield value


def _broken(told: Any, depth: int = 0) -> Iterator[str]:
    """Strings within JSON that begin as JSON does, and are none."""
    for each in _flat(told) if depth < 60 else ():
        if isinstance(each, _Fields):
            for _, value in each.pairs:
                yield from _broken(value, depth + 1)
        elif isinstance(each, str) and _BROKEN.match(each):
            yield each


def _held_in_pieces(text: str, erased: Erased) -> Held | None:
    for found in _NAMED.finditer(text) if _BROKEN.match(text) else ():
        number = _number(found["id"])
        if number is not None and _has(erased.drop_tweets, number):
            return "embedded tweet"
        if number is not None and _has(erased.drop_authors, number):
            return "embedded author"
    return None


def _roles(
    told: Any, name: str, *, root: bool = False, look: bool = False, depth: int = 0
) -> Iterator[tuple[Held, Any]]:
    """What IDs stand for, wherever they are; ``look``: whether what they lie in looks like a retweet."""
    if depth > 60:
        return
    named = bool(_REFERENCES.fullmatch(name))
    if named:
        yield from _of_references(told, None, look)
    for fields in _flat(told):
        if not isinstance(fields, _Fields):
            continue
        inner, fields = fields.pairs, fields.unfolded()
        whole = bool(_TEXTS & fields.keys)
        account = is_account(name, fields.keys)
        if account:
            yield from (("account", value) for value in fields.all("id", "idstr"))
        stands = [says(word) for word in fields.all("type")]
        if named or (not whole and any(each is not None for each in stands)):
            if whole:
                yield from _of_tweet(fields)
            elif not named:
                yield from _of_references(fields, None, look=False)
        elif account:
            pass
        elif not fields.keys <= _ONLY_NAMES and (root or whole or _EMBEDDED.fullmatch(name)):
            yield from _of_tweet(fields)
        likely = any(map(looks_so, fields.all(*_TEXTS))) or any(
            str(each).lower() == "true" for each in fields.all(_FLAG)
        )
        for key, value in fields.pairs:
            pair = _PAIRED.fullmatch(key)
            if _REPEATED.fullmatch(key):
                yield from _of_references(value, True, look=likely)
            elif pair is not None:
                words = [says(word) for word in fields.all(f"{pair[1]}type{pair[2]}")]
                yield from _of_references(value, True in words if words else None, look=likely)
        for key, value in inner:
            yield from _roles(value, key, look=likely, depth=depth + 1)


def _of_references(told: Any, repeated: bool | None, look: bool) -> Iterator[tuple[Held, Any]]:
    """The IDs of tweets that are named, and of their authors, where these are repeated or may be."""
    for each in _flat(told):
        if isinstance(each, _Fields) and _TWEETS & each.keys:
            words = [says(word) for word in each.all("type")]
            so = True if True in words else False if words else repeated
            yield from _repeated(_of_tweet(each), so, look)
        elif isinstance(each, _Fields):
            for key, value in each.pairs:
                if says(key) is not None:
                    yield from _of_references(value, says(key), look)
        else:
            yield from _repeated(iter([("embedded tweet", each)]), repeated, look)


def _repeated(ids: Iterator[tuple[Held, Any]], so: bool | None, look: bool) -> Iterator[tuple[Held, Any]]:
    for role, value in ids if so is not False else ():
        if so or look:
            yield "retweet" if role == "embedded tweet" else role, value
        elif role == "embedded tweet":
            yield "unsaid", value


def _of_tweet(told: _Fields) -> Iterator[tuple[Held, Any]]:
    """The IDs of a tweet and of its author."""
    yield from (("embedded tweet", value) for value in told.all(*_TWEETS))
    yield from (("embedded author", value) for value in told.all(*_AUTHORS))
    for person in told.all(*_PEOPLE):
        if isinstance(person, _Fields):
            yield from (("embedded author", value) for value in person.all("id", "idstr"))


def _number(value: Any) -> int | None:
    if isinstance(value, str):
        bare = value.strip().removeprefix("tag:search.twitter.com,2005:").removeprefix("id:twitter.com:")
        value = int(bare) if bare.isdecimal() and len(bare) < 40 else None
    elif isinstance(value, float) and value.is_integer() and value < 2**53:  # larger ones have lost digits
        value = int(value)
    return value if isinstance(value, int) and 0 <= value < 2**63 else None


def _has(ids: IdArray, number: int) -> bool:
    at = int(np.searchsorted(ids, number))
    return at < len(ids) and int(ids[at]) == number


def is_text(kind: Any) -> bool:
    """Whether values of a type are text, or bytes that may be."""
    text = pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind)
    raw = pt.is_binary(kind) or pt.is_large_binary(kind) or pt.is_binary_view(kind)
    return bool(text or raw or (pt.is_fixed_size_binary(kind) and not pt.is_decimal(kind)))


def _text(values: Any) -> Any:
    if pt.is_fixed_size_binary(values.type):
        values = values.cast(pa.large_binary())
    return values.cast(options=pc.CastOptions(pa.large_string(), allow_invalid_utf8=True))
