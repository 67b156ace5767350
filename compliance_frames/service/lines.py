"""One line of a result file, understood to the letter or refused with its number.

JSON libraries let pass what must not pass here: repeated keys, IDs that went through floating point, NaN.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any, NamedTuple, NoReturn

from compliance_frames.errors import ResultsError

#: How the service writes a time: always UTC, with or without a fraction.
TIME = r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,3})?(?:Z|\+00:00)"
LARGEST_ID = 2**63 - 1
#: In milliseconds since 1970: before the first and from the second on there are no dates.
YEAR_1, YEAR_10000 = -62_135_596_800_000, 253_402_300_800_000

_ID = re.compile(r"[0-9]{1,19}")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_LONGEST = 1 << 16


class Row(NamedTuple):
    """What a line says."""

    id: int
    action: str
    reason: str
    created_at: datetime | None
    redacted_at: datetime | None


def strict(line: bytes, number: int) -> Row | None:
    """One line; None where it is blank.

    Raises:
        ResultsError: it is not what the service writes; its number is named, and nothing of what it holds.

    >>> strict(b'{"id":"20","action":"delete","reason":"deleted"}', 1)
    Row(id=20, action='delete', reason='deleted', created_at=None, redacted_at=None)
    """
    if b"\0" in line:
        refuse(number, "holds a NUL byte")
    try:
        text = line.decode()
    except UnicodeDecodeError:
        refuse(number, "is not UTF-8")
    if not text.strip():
        return None
    value = _object(text, number)
    return Row(
        _id(value.get("id"), number),
        _word(value, "action", number),
        _word(value, "reason", number),
        _time(value, "created_at", number),
        _time(value, "redacted_at", number),
    )


def refuse(number: int, what: str) -> NoReturn:
    """Refuse a whole file for one of its lines."""
    raise ResultsError(f"Line {number} of the result file {what}. Nothing of the file is used.", line=number) from None


class Float(str):
    """A number with a point or an exponent, as it was written: no ID, and never one."""


class _Repeated(Exception):
    """A key that stands twice in one object."""


def object_in(text: str) -> dict[str, Any]:
    """The one JSON object that a line is, with no key twice and no number changed.

    Raises:
        ValueError: it is none; what the line is instead, in words.

    >>> object_in('{"id": 1}')
    {'id': 1}
    >>> object_in('{"id": 1, "id": 2}')
    Traceback (most recent call last):
    ValueError: repeats the key 'id'
    """
    try:
        value = json.loads(text, object_pairs_hook=_unrepeated, parse_constant=_no_number, parse_float=Float)
    except _Repeated as error:
        raise ValueError(f"repeats the key {error.args[0]!r}") from None
    except (ValueError, RecursionError):
        raise ValueError("is not JSON, or was cut off") from None
    if not isinstance(value, dict):
        raise ValueError("is not a JSON object")
    return value


def _object(text: str, number: int) -> dict[str, Any]:
    if len(text) > _LONGEST:
        refuse(number, "is longer than any result")
    try:
        return object_in(text)
    except ValueError as error:
        refuse(number, str(error))


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for key, item in pairs:
        if key in value:
            raise _Repeated(key[:40])
        value[key] = item
    return value


def _no_number(text: str) -> NoReturn:
    raise ValueError(text)


def _id(value: Any, number: int) -> int:
    if isinstance(value, bool | Float) or not isinstance(value, int | str):
        refuse(number, "has no ID, or one that is neither an integer nor a string of digits")
    if not _ID.fullmatch(str(value)) or int(value) > LARGEST_ID:
        refuse(number, "has an ID that is not 1 to 19 digits, or above 2^63-1")
    return int(value)


def _word(value: dict[str, Any], key: str, number: int) -> str:
    word = value.get(key)
    if not isinstance(word, str) or isinstance(word, Float) or not _WORD.fullmatch(word):
        refuse(number, f"has no {key}, or one that is not a plain word")
    return word


def _time(value: dict[str, Any], key: str, number: int) -> datetime | None:
    text = value.get(key)
    if text is None:
        return None
    try:
        if not isinstance(text, str) or not re.fullmatch(TIME, text):
            raise ValueError(text)
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        refuse(number, f"has a {key} that is not a time in UTC")
