"""What lines have in common that differ in nothing but the digits of their ID and their times.

A shape is learned from one line that the strict parser has read: where the digits stand, and what everything else is.
The strict parser also vouches for those places: with other digits put there, it must read just these. A line that has
the shape, byte for byte outside of the digits and digits inside, can then mean nothing else.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from compliance_frames.errors import ResultsError
from compliance_frames.service.lines import TIME, Row, strict

Bytes = np.ndarray[Any, np.dtype[np.uint8]]

#: Longer lines are read one by one; none of the service's is half as long. A length has nine bits.
LONGEST = 511
#: The largest digits that can stand in a time; years after 2999 are read one by one.
_LARGEST = b"2999-19-39T29:59:59.999"

_ID = re.compile(rb'"id"[ \t]*:[ \t]*("?)([0-9]{1,19})[",} \t]')
_TIMES = {name: re.compile(rf'"{name}"[ \t]*:[ \t]*"({TIME})"'.encode()) for name in ("created_at", "redacted_at")}
_ZONE = re.compile(r"(Z|\+00:00)$")
_OTHER_IDS = ("1234567890123456789", "2345678901234567891")
_OTHER_TIMES = ("2013-12-30T21:43:58.769", "2014-11-29T19:38:47.658")


@dataclass(frozen=True, slots=True)
class Shape:
    """Where the digits of a line stand, and what every other byte of it is.

    Attributes:
        length: of the line, in bytes.
        id: where the ID's digits stand.
        is_bare: whether the ID is a JSON number, which has no leading zero.
        created_at, redacted_at: where these times stand, or None where the line has none.
        action, reason: the words of every line of this shape.
        expected: each character of the line, ``0`` for a digit; zeros behind it.
        limits: by how much a byte may lie above the expected one: not at all, or as the largest digit does;
            behind the line by any.
    """

    length: int
    id: slice
    is_bare: bool
    created_at: slice | None
    redacted_at: slice | None
    action: str
    reason: str
    expected: Bytes
    limits: Bytes


def learn(line: bytes) -> Shape | None:
    r"""The shape of a line; None where it is not to be read by columns.

    >>> shape = learn(b'{"id":"20","action":"delete","reason":"deleted"}')
    >>> shape.id, shape.created_at
    (slice(7, 9, None), None)
    >>> learn(b'{"id":"2\\u0030","action":"delete","reason":"deleted"}') is None
    True
    """
    found = _ID.search(line)
    if found is None or len(line) > LONGEST or sys.byteorder != "little":
        return None
    places = {"id": slice(*found.span(2))}
    for name, pattern in _TIMES.items():
        if at := pattern.search(line):
            places[name] = slice(*at.span(1))
    row = _vouched(line, places)
    if row is None or any((name in places) != (getattr(row, name) is not None) for name in _TIMES):
        return None
    return Shape(
        length=len(line),
        id=places["id"],
        is_bare=not found[1],
        created_at=places.get("created_at"),
        redacted_at=places.get("redacted_at"),
        action=row.action,
        reason=row.reason,
        **_template(line, places),
    )


def _vouched(line: bytes, places: dict[str, slice]) -> Row | None:
    """What a line says, if other digits in these places mean just these other digits."""
    try:
        row = strict(line, 0)
        for id, time in zip(_OTHER_IDS, _OTHER_TIMES, strict=True):
            texts = {name: _like(line[place].decode(), id if name == "id" else time) for name, place in places.items()}
            if row is None or strict(_with(line, places, texts), 0) != _saying(row, texts):
                return None
    except ResultsError:
        return None
    return row


def _like(text: str, other: str) -> str:
    """Another ID or time, as long as this one is and with its zone."""
    zone = _ZONE.search(text)
    length = zone.start() if zone else len(text)
    return other[:length] + text[length:]


def _with(line: bytes, places: dict[str, slice], texts: dict[str, str]) -> bytes:
    changed = bytearray(line)
    for name, place in places.items():
        changed[place] = texts[name].encode()
    return bytes(changed)


def _saying(row: Row, texts: dict[str, str]) -> Row:
    times = {name: datetime.fromisoformat(text) for name, text in texts.items() if name != "id"}
    return Row(**{**row._asdict(), **times, "id": int(texts["id"])})


def _template(line: bytes, places: dict[str, slice]) -> dict[str, Bytes]:
    expected = np.zeros(width_of(len(line)), np.uint8)
    expected[: len(line)] = np.frombuffer(line, np.uint8)
    limits = np.zeros(len(expected), np.uint8)
    limits[len(line) :] = 255
    for name, place in places.items():
        # The zone of a time is no part of what may differ: +00:00 is UTC, +02:00 is not.
        largest = np.frombuffer(b"9" * 19 if name == "id" else _LARGEST, np.uint8)[: place.stop - place.start]
        inside = expected[place][: len(largest)]
        is_digit = (inside >= ord("0")) & (inside <= ord("9")) & (largest >= ord("0"))
        is_digit &= np.logical_and.accumulate(inside != ord("+"))
        limits[place][: len(largest)][is_digit] = largest[is_digit] - ord("0")
        inside[is_digit] = ord("0")
    return {"expected": expected, "limits": limits}


def width_of(length: int) -> int:
    """Whole words that hold a line, and one more to read beyond a time's end."""
    return 8 * (length // 8 + 2)
