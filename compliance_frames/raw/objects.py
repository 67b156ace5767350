"""One line of JSON understood to the letter, or the reason why it cannot be.

What readers of JSON commonly let pass is a loss: of two values under one name they keep one, and half of a surrogate
pair can be held by no text.
"""

from __future__ import annotations

import json
from typing import Any


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


def held_by_text(value: Any) -> bool:
    r"""Whether all texts of a value can be written as UTF-8: half of a surrogate pair cannot.

    >>> held_by_text({"text": "\ud83d"}), held_by_text(["a"])
    (False, True)
    """
    if isinstance(value, str):
        return value.isascii() or _encodes(value)
    if isinstance(value, dict):
        return all(map(held_by_text, value)) and all(map(held_by_text, value.values()))
    return all(map(held_by_text, value)) if isinstance(value, list) else True


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
