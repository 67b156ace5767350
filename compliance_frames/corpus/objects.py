"""Objects that a text holds: as JSON has them, once or several times, in strings of JSON, or as Python writes them.

Readers of JSON differ: some skip a mark of byte order, take the last of two equal keys or the first, go on after the
first object. What any of them would find is given out here.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from typing import Any, Final

from compliance_frames.ids.naming import plain

#: How deep JSON is looked for in the strings of JSON.
_DEEPEST: Final = 3
#: How a string begins in which an object may be.
_INNER: Final = re.compile(r"[\ufeff\s]*[\[{\"]")
#: What may stand between two objects in one text.
_BETWEEN: Final = re.compile(r"[\s,\x1e]*")
#: What Python would warn of, reading a text as one of its own.
_ODD_ESCAPE: Final = re.compile(r"\\[^\\'\"abfnrtvxuUN0-7\n]")
#: Tweets as tweepy prints them: ``<Tweet id=7 text='…'>``, and ``<ReferencedTweet id=7 type=retweeted`` without an end.
_PRINTED: Final = re.compile(
    r"""<\w*Tweet\ id=(?P<id>[0-9]+)(?:\ type=(?P<type>\w+)>?|\ text=(?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")>)""",
    re.VERBOSE | re.ASCII | re.DOTALL,
)
#: Longer texts, or deeper ones, are not read as Python's: its parser takes a hundred times their size.
_MOST_PARSED: Final = 1 << 20


class _Several(tuple[Any, ...]):
    """The values of a key that stands more than once in an object: readers differ in which of them they take."""

    __slots__ = ()


def _with_all(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key not in found:
            found[key] = value
        else:
            before = found[key] if isinstance(found[key], _Several) else (found[key],)
            found[key] = _Several((*before, value))
    return found


_JSON: Final = json.JSONDecoder(object_pairs_hook=_with_all)


def parsed(text: str) -> Any:
    """What a text holds as JSON has it, once or several times, or as Python writes it; None where it is neither.

    >>> parsed('{"id": 7}'), parsed("{'id': 7}"), parsed('{"id": 7}\\n{"id": 8}'), parsed('{"id": 7, "te')
    ({'id': 7}, {'id': 7}, [{'id': 7}, {'id': 8}], None)
    >>> parsed('{"id": 7, "id": 8}')
    {'id': (7, 8)}
    >>> parsed("[<ReferencedTweet id=7 type=retweeted]"), parsed("{'tweets': [<Tweet id=8 text='<3'>]}")
    ([{'id': '7', 'type': 'retweeted'}], {'tweets': [{'id': '8', 'text': '<3'}]})
    """
    text = text.strip("\ufeff\x1e \t\r\n")
    try:
        found, at = _JSON.raw_decode(text)
        if at == len(text):
            return found
        several = [found]
        while at < len(text):
            at = _BETWEEN.match(text, at).end()  # type: ignore[union-attr]
            if at < len(text):
                found, at = _JSON.raw_decode(text, at)
                several.append(found)
        return several
    except (ValueError, RecursionError):
        pass
    if len(text) > _MOST_PARSED or _ODD_ESCAPE.search(text):
        return None
    try:
        return _as_json(ast.literal_eval(_PRINTED.sub(_as_literal, text)))
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return None


def _as_literal(printed: re.Match[str]) -> str:
    told = f"'type': '{printed['type']}'" if printed["type"] else f"'text': {printed['text']}"
    return f"{{'id': '{printed['id']}', {told}}}"


def _as_json(told: Any) -> Any:
    """What Python wrote, with keys that are texts, as those of JSON are."""
    if isinstance(told, dict):
        return {str(key): _as_json(value) for key, value in told.items()}
    return list(map(_as_json, told)) if isinstance(told, list | tuple | set) else told


def objects(told: Any) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Every object in what was parsed, the outermost first, with the keys that lead there; lists have none.

    JSON in a string is looked into as well, to some depth. What X's pages are told of a tweet or a user, its ID in
    ``rest_id`` and all else in ``legacy``, comes as one object, too.

    >>> list(objects({"raw": '{"id": 7}'}))
    [((), {'raw': '{"id": 7}'}), (('raw',), {'id': 7})]
    >>> [fields for _, fields in objects({"rest_id": "7", "legacy": {"full_text": "…"}})][1]
    {'rest_id': '7', 'legacy': {'full_text': '…'}, 'full_text': '…', 'id': '7'}
    """
    waiting: list[tuple[tuple[str, ...], Any, int]] = [((), told, 0)]
    while waiting:
        way, value, depth = waiting.pop()
        while isinstance(value, str) and depth < _DEEPEST and _INNER.match(value):
            value, depth = parsed(value), depth + 1
        if isinstance(value, dict):
            yield way, value
            ids = all_of(value, "restid") if "legacy" in value else []
            told = (each for each in each_in(value.get("legacy")) if ids and isinstance(each, dict))
            named = [("id", id) for id in ids]
            yield from ((way, _with_all([*value.items(), *each.items(), *named])) for each in told)
            waiting.extend(((*way, str(key)), each, depth) for key, each in value.items())
        elif isinstance(value, list | tuple):
            waiting.extend((way, each, depth) for each in value)


def unparsed(told: Any) -> Iterator[str]:
    """The strings in what was parsed that begin as objects do, and are none.

    >>> list(unparsed({"raw": ['{"id": 7, "te', "words"]}))
    ['{"id": 7, "te']
    """
    for _, fields in objects(told):
        for value in fields.values():
            found = value if isinstance(value, list | tuple) else [value]
            yield from (each for each in found if isinstance(each, str) and _INNER.match(each) and parsed(each) is None)


def each_in(value: Any, depth: int = 0) -> Iterator[Any]:
    """A value, or those in its lists and in the JSON that it holds as a string.

    >>> list(each_in([7, ["[8]"], None]))
    [7, 8]
    """
    if isinstance(value, str) and depth < _DEEPEST and _INNER.match(value):
        inner = parsed(value)
        yield from (value,) if inner is None else each_in(inner, depth + 1)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from each_in(each, depth)
    elif value is not None:
        yield value


def all_of(fields: dict[str, Any], *names: str) -> list[Any]:
    """The values of some keys of an object, whichever way it spells them.

    >>> all_of({"tweetId": 7, "text": "…"}, "tweetid")
    [7]
    """
    return [value for key in fields if plain(str(key)) in names for value in each_in(fields[key])]
