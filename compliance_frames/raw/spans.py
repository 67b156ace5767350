"""JSON text that loses values and keeps every other byte: where each value begins and ends, and the text without some.

Nothing is written anew: the order of keys, the spelling of numbers and escapes, and spaces between them stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from json import JSONDecoder
from typing import Final

#: The way to a value: keys of objects, and positions in lists.
Way = tuple[str | int, ...]

_DECODER: Final = JSONDecoder()
_SPACE: Final = " \t\r\n"


def without(text: str, nulled: Iterable[Way], removed: Iterable[Way]) -> str:
    """A JSON text with some values replaced by ``null``, and elements of lists taken out.

    Args:
        text: one JSON value, with spaces around it perhaps.
        nulled: ways to the values that become null.
        removed: ways to elements of lists.

    >>> without('{"id": 7, "geo" :{"a":1e3}, "l": [1, 2,3]}', [("geo",)], [("l", 0), ("l", 2)])
    '{"id": 7, "geo" :null, "l": [2]}'
    """
    gone: dict[Way, set[int]] = {}
    for way in removed:
        last = way[-1]
        assert isinstance(last, int)
        gone.setdefault(way[:-1], set()).add(last)
    cuts = [(*_span(text, way), "null") for way in nulled]
    for above, which in gone.items():
        cuts += _taken_out(text, above, which)
    made, at = [], 0
    for start, end, instead in sorted(cuts):
        if start >= at:  # or else it lies in something that is gone already
            made += [text[at:start], instead]
            at = end
    return "".join([*made, text[at:]])


def _taken_out(text: str, way: Way, which: set[int]) -> Iterator[tuple[int, int, str]]:
    """What to cut for a list to lack some elements: each with the comma beside it."""
    start, _ = _span(text, way)
    spans = [(begin, end) for _, begin, end in _members(text, start)]
    kept_before = False
    for at, (begin, end) in enumerate(spans):
        if at not in which:
            kept_before = True
        elif kept_before:
            yield spans[at - 1][1], end, ""
        else:
            yield begin, spans[at + 1][0] if at + 1 < len(spans) else end, ""


def _span(text: str, way: Way) -> tuple[int, int]:
    """Where the value at a way begins and ends; of a key that stands twice, the last one counts."""
    start = _past_space(text, 0)
    span = (start, 0)
    for step in way:
        span = [(begin, end) for name, begin, end in _members(text, start) if name == step][-1]
        start = span[0]
    return span if way else (start, _DECODER.raw_decode(text, start)[1])


def _members(text: str, at: int) -> Iterator[tuple[str | int, int, int]]:
    """The members of an object, or the elements of a list, that begins somewhere: name, beginning, end."""
    named, number = text[at] == "{", 0
    at = _past_space(text, at + 1)
    while text[at] not in "]}":
        name: str | int = number
        if named:
            name, at = _DECODER.raw_decode(text, at)
            at = _past_space(text, _past_space(text, at) + 1)
        _, end = _DECODER.raw_decode(text, at)
        yield name, at, end
        number += 1
        at = _past_space(text, end)
        if text[at] == ",":
            at = _past_space(text, at + 1)


def _past_space(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at
