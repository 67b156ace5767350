"""JSON that is not one object a line as if it were: lists of any length, objects over several lines, one by one.

Nothing is held but the element that is read. Each becomes a line of its own, and keeps the number of the line in the
file that it begins in.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from compliance_frames.errors import RawFileError
from compliance_frames.raw.objects import Unreadable, strict_text
from compliance_frames.raw.packed import LONGEST, Unpacked

_SPACE: Final = re.compile(r"[ \t\r\n﻿]*")
_BLOCK: Final = 1 << 20
_DECODER: Final = json.JSONDecoder()


@dataclass(frozen=True)
class Element:
    """One value of a file.

    Attributes:
        line: the line that it begins in.
        text: as it stands in the file.
        value: what it says, or why it says nothing.
    """

    line: int
    text: str
    value: Any | Unreadable

    @property
    def content(self) -> bytes:
        """Its bytes in the file."""
        return self.text.encode()


def elements(stream: Unpacked) -> Iterator[Element]:
    """The elements of each list at the top of a file, and the values beside.

    Raises:
        RawFileError: it is not JSON from some line on.
    """
    reader = _Reader(stream)
    while (sign := reader.next_sign()) is not None:
        if sign != "[":
            yield reader.value()
            continue
        reader.skip()
        while (sign := reader.next_sign()) != "]":
            if sign is None:
                raise reader.broken("a list is not closed")
            yield reader.value()
            sign = reader.next_sign()
            if sign == ",":
                reader.skip()
                if reader.next_sign() == "]":
                    raise reader.broken("a comma stands before the end of a list")
            elif sign != "]":
                raise reader.broken("a comma is missing in a list" if sign else "a list is not closed")
        reader.skip()


class _Reader:
    """A window on a stream of text, moved on by one value at a time."""

    def __init__(self, stream: Unpacked) -> None:
        self._stream = stream
        self._text, self._at, self._line, self._counted = "", 0, 1, 0
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._ended = False

    def next_sign(self) -> str | None:
        """The next character that is no space; None at the end."""
        while True:
            self._at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]  # matches anything
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return None

    def skip(self) -> None:
        """Go on by one character."""
        self._at += 1

    def value(self) -> Element:
        """The next value, whole."""
        tried = 0
        while True:
            left = len(self._text) - self._at
            if left >= 2 * tried or self._ended:
                tried = left
                try:
                    _, end = _DECODER.raw_decode(self._text, self._at)
                except RecursionError:
                    raise self.broken("a value is nested too deeply") from None
                except ValueError as error:
                    if self._ended:
                        raise self.broken(getattr(error, "msg", str(error).splitlines()[0])) from None
                else:
                    if end < len(self._text) or self._ended:  # a number may go on
                        return self._element(end)
            if left > LONGEST:
                raise self.broken("a value is longer than any tweet, or not closed")
            self._more()

    def broken(self, what: str) -> RawFileError:
        """What to say where the file cannot be read any further."""
        path, line = self._stream.path, self._line_at(self._at)
        return RawFileError(
            f"{path} is not JSON from line {line:,} on: {what}. Was it cut off, or is it something else? "
            "Mend it there, or fetch it again.",
            path=path,
            line=line,
        )

    def _element(self, end: int) -> Element:
        text, line = self._text[self._at : end], self._line_at(self._at)
        self._at = end
        try:
            return Element(line, text, strict_text(text))
        except Unreadable as error:
            return Element(line, text, error)

    def _line_at(self, at: int) -> int:
        self._line += self._text.count("\n", self._counted, at)
        self._counted = at
        return self._line

    def _more(self) -> bool:
        if self._ended:
            return False
        self._line_at(self._at)
        content = self._stream.read(_BLOCK)
        self._ended = not content
        try:
            text = self._decoder.decode(content, final=self._ended)
        except UnicodeDecodeError:
            raise self.broken("what follows is not UTF-8") from None
        self._text, self._at, self._counted = self._text[self._at :] + text, 0, 0
        return True
