"""One line of JSON understood to the letter, or the reason why it cannot be.

What readers of JSON commonly let pass is a loss: of two values under one name they keep one, and half of a surrogate
pair can be held by no text.
"""

from __future__ import annotations

import json
from typing import Any, Final

#: Tweets lie in tweets three deep. Python goes some hundred values deep.
_DEEPEST: Final = 400


class Unreadable(Exception):
    """A line cannot be taken; says why, without repeating what it holds."""


def strict(line: bytes) -> Any:
    """The value of a line.

    Raises:
        Unreadable: it is not UTF-8, not JSON, names something twice, or is too deep.

    >>> strict(b'{"id": 1212161512043446272}')
    {'id': 1212161512043446272}
    >>> strict(b'{"id": 20, "id": 21}')
    Traceback (most recent call last):
    compliance_frames.raw.objects.Unreadable: the name 'id' stands in it twice
    """
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise Unreadable(f"byte {error.start + 1} is no UTF-8") from None
    return strict_text(text)


def strict_text(text: str) -> Any:
    """The value of a text; see :func:`strict`."""
    try:
        return json.loads(text, object_pairs_hook=_unrepeated)
    except json.JSONDecodeError as error:
        raise Unreadable(f"not JSON: {error.msg} at character {error.pos + 1}") from None
    except RecursionError:
        raise Unreadable("it is nested too deeply") from None
    except ValueError as error:  # whole numbers of thousands of digits
        raise Unreadable(f"not JSON: {str(error).splitlines()[0]}") from None


def must_be_held(value: Any) -> None:
    r"""Refuse what no text can be written of: half of a surrogate pair, and what is nested deeper than Python goes.

    Raises:
        Unreadable: it is such a value.

    >>> must_be_held({"text": "\ud83d"})
    Traceback (most recent call last):
    compliance_frames.raw.objects.Unreadable: it holds half of a surrogate pair, which is no character
    """
    waiting = [value]
    for _ in range(_DEEPEST):
        below: list[Any] = []
        for each in waiting:
            if isinstance(each, str):
                if not (each.isascii() or _encodes(each)):
                    raise Unreadable("it holds half of a surrogate pair, which is no character")
            elif isinstance(each, dict):
                below += [*each, *each.values()]
            elif isinstance(each, list):
                below += each
        if not below:
            return
        waiting = below
    raise Unreadable("it is nested too deeply")


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise Unreadable(f"the name {twice[:40]!r} stands in it twice")
    return value
