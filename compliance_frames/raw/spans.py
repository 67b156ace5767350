"""JSON text that loses values and keeps every other byte: where each value begins and ends, and the text without some.

Nothing is written anew: the order of keys, the spelling of numbers and escapes, and spaces between them stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
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
    wanted = _Cuts()
    for way, instead in [*((way, True) for way in nulled), *((way, False) for way in removed)]:
        at = wanted
        for step in way[:-1]:
            at = at.below.setdefault(step, _Cuts())
        (at.nulled if instead else at.removed).update(way[-1:])
    made, done = [], 0
    for start, end, put in _cuts(text, _past_space(text, 0), wanted) if wanted != _Cuts() else ():
        made += [text[done:start], put]
        done = end
    return "".join([*made, text[done:]])


@dataclass
class _Cuts:
    """What goes of an object or a list: members that become null, elements that are taken out; and below others."""

    nulled: set[str | int] = field(default_factory=set)
    removed: set[str | int] = field(default_factory=set)
    below: dict[str | int, _Cuts] = field(default_factory=dict)


def _cuts(text: str, start: int, wanted: _Cuts) -> Iterator[tuple[int, int, str]]:
    """What to cut, in its order, and what to put there: each member of an object or a list is looked at once."""
    every = list(_members(text, start))
    last = {name: number for number, (name, _, _) in enumerate(every)}  # of a key that stands twice, that one counts
    kept_before = False
    for number, (name, begin, end) in enumerate(every):
        if name in wanted.removed:
            if kept_before:
                yield every[number - 1][2], end, ""
            else:
                yield begin, every[number + 1][1] if number + 1 < len(every) else end, ""
            continue
        kept_before = True
        if last[name] != number:
            continue
        if name in wanted.nulled:
            yield begin, end, "null"
        elif name in wanted.below:
            yield from _cuts(text, begin, wanted.below[name])


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
