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
from compliance_frames.proof.rescan import ids_of
from compliance_frames.proof.search import Needles

#: What a JSON object in a text holds of what had to go.
Held = Literal["embedded tweet", "embedded author", "retweet"]

_TWEETS: Final = {"id", "id_str", "tweet_id", "tweet_id_str", "status_id", "status_id_str"}
_AUTHORS: Final = {"author_id", "author_id_str", "user_id", "user_id_str", "from_user_id"}
_PEOPLE: Final = {"user", "author", "actor"}
_TEXTS: Final = {"text", "full_text", "rawContent", "content", "body"}
_EMBEDDED: Final = re.compile(
    r"((retweeted|quoted|twitter_quoted)_?(status|tweet)|tweets?|data|status(es)?)", re.IGNORECASE
)
_REFERENCES: Final = re.compile(r"referenced_?tweets?", re.IGNORECASE)
#: An object that has nothing else names a tweet, and holds none.
_ONLY_NAMES: Final = _TWEETS | _AUTHORS | {"type"}
#: How a tweet may stand to another, where one is only named.
_STANDS: Final = {"retweeted", "quoted", "replied_to"}
#: How JSON begins that was cut off, and what Python shows of its objects.
_BROKEN: Final = re.compile(r"[ \t\r\n]*(\{\s*[\"'}]|\[\s*[\[{]|\[?\w*(Tweet|Status)\w*\()")
_NAMED: Final = re.compile(
    r"(?<!\w)(?P<key>(?:id|tweet_id|status_id|author_id|user_id)(?:_str)?|from_user_id)[\"']?\s*[:=]\s*[\"']?(?P<id>[0-9]+)",
    re.ASCII,
)
#: Escapes at which Python would warn, and the longest text that its parser is given.
_UNUSUAL: Final = re.compile(r"\\[^\\'\"abfnrtvxuUN0-7\n]")
_LONGEST: Final = 1 << 20


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
    text = pc.fill_null(_text(values), "")
    ends = np.cumsum(np.asarray(pc.binary_length(text)).astype(np.int64) + 1)
    whole = pa.ListArray.from_arrays(pa.array([0, len(text)], pa.int32()), text)
    joined = pc.binary_join(whole, pa.scalar("\n", pa.large_string()))
    found, places = needles.where(joined[0].as_buffer())
    return found, np.searchsorted(ends, places, side="right")


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


def held_in_json(text: str, erased: Erased, name: str = "") -> Held | None:
    """What a text holds whole of what had to go, where it is JSON; None where it holds nothing, or only names it.

    Objects as Python writes them count as JSON. Where a text begins as one and is none, or was cut off, it holds
    whatever stands after the name of an ID.

    Args:
        text: a value of a column.
        erased: what had to go.
        name: of the column.

    >>> gone = Erased(drop_tweets=np.array([8]))
    >>> held_in_json('{"quoted_status": {"id": 8, "text": "…"}}', gone)
    'embedded tweet'
    >>> held_in_json('{"text": "…", "in_reply_to_status_id": 8}', gone), held_in_json("see 8", gone)
    (None, None)
    """
    told = _read(text) if text.lstrip()[:1] in ("{", "[") else None
    if told is None:
        return _held_in_pieces(text, erased)
    tweets, authors = erased.drop_tweets, erased.drop_authors
    for role, value in _roles(told, name, root=True):
        number = _number(value)
        if number is not None and _has(authors if role == "embedded author" else tweets, number):
            return role
    return None


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        if len(text) > _LONGEST or _UNUSUAL.search(text):
            return None
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None


def _held_in_pieces(text: str, erased: Erased) -> Held | None:
    for found in _NAMED.finditer(text) if _BROKEN.match(text) else ():
        number = _number(found["id"])
        if number is not None and _has(erased.drop_tweets, number):
            return "embedded tweet"
        if number is not None and _has(erased.drop_authors, number):
            return "embedded author"
    return None


def _roles(told: Any, name: str, *, root: bool = False, depth: int = 0) -> Iterator[tuple[Held, Any]]:
    if depth > 60:
        return
    if isinstance(told, list | tuple):
        for each in told:
            yield from _roles(each, name, root=root, depth=depth + 1)
    if not isinstance(told, dict):
        return
    whole = bool(_TEXTS & told.keys())
    stands = told.get("type")
    if _REFERENCES.fullmatch(name) or (isinstance(stands, str) and stands in _STANDS and not whole):
        if stands == "retweeted":
            yield from (("retweet" if role == "embedded tweet" else role, value) for role, value in _of_tweet(told))
        elif whole:
            yield from _of_tweet(told)
    elif not told.keys() <= _ONLY_NAMES and (root or whole or _EMBEDDED.fullmatch(name)):
        yield from _of_tweet(told)
    for key, value in told.items():
        yield from _roles(value, str(key), depth=depth + 1)


def _of_tweet(told: dict[str, Any]) -> Iterator[tuple[Held, Any]]:
    """The IDs of a tweet and of its author."""
    for key, value in told.items():
        if key in _TWEETS:
            yield "embedded tweet", value
        elif key in _AUTHORS:
            yield "embedded author", value
        elif key in _PEOPLE and isinstance(value, dict):
            yield from (("embedded author", value.get(name)) for name in ("id", "id_str"))


def _number(value: Any) -> int | None:
    if isinstance(value, str):
        bare = value.strip().removeprefix("tag:search.twitter.com,2005:").removeprefix("id:twitter.com:")
        value = int(bare) if bare.isdecimal() and len(bare) < 40 else None
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
