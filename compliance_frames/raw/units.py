"""What a raw file is cut into, to be kept or dropped piece by piece: lines, elements of a list, records of a table.

The pieces of a file, and what stands before each, are its whole text: whoever writes them all writes its bytes again.
"""

from __future__ import annotations

import codecs
import csv
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import StringIO
from itertools import islice
from json.decoder import JSONDecodeError, JSONDecoder
from pathlib import Path
from typing import IO, Any, Final

from compliance_frames.errors import RawFileError
from compliance_frames.raw.packed import LONGEST, lines

#: Pieces that are looked at together, and characters of them.
_MANY: Final = 4096
_MUCH: Final = 1 << 22
#: Characters that are read at first of a value whose end nobody knows.
_READ: Final = 1 << 16
#: Pieces of which the first are looked for that hold something.
_TRIED: Final = 1 << 14
_BOM: Final = "\ufeff"
_SPACE: Final = re.compile(r"[ \t\r\n]*")
_DECODER: Final = JSONDecoder()


@dataclass(slots=True)
class Unit:
    """One piece of a file.

    Attributes:
        text: of the piece; of a line and of a record, with its end.
        line: where it begins, counted from 1.
        before: what stands before it.
        opens: whether ``before`` stays whatever becomes of the piece. Or else it parts the piece from the one before,
            and stays where both do.
        value: what it holds: a value of JSON, or the fields of a record; None where it holds nothing.
        problem: why it cannot be read, if so.
    """

    text: str
    line: int
    before: str = ""
    opens: bool = True
    value: Any = None
    problem: str = ""


@dataclass(slots=True)
class Writer:
    """Writes the pieces of a file that stay, with what has to stand between them.

    >>> import io
    >>> sink = io.BytesIO()
    >>> writer = Writer(sink)
    >>> for unit in json_values(io.BytesIO(b"[1, 2,  3 ]")):
    ...     writer.put(unit, None if unit.value == 1 else unit.text)
    >>> sink.getvalue()
    b'[2,  3 ]'
    """

    file: IO[bytes]
    _some: bool = field(default=False)

    def put(self, unit: Unit, text: str | None) -> None:
        """Write a piece, or another text in its place; None where it goes."""
        self._some = self._some and not unit.opens
        before = unit.before if unit.opens or (self._some and text is not None) else ""
        self._some = self._some or text is not None
        self.file.write(encoded(before + (text or "")))


def encoded(text: str) -> bytes:
    """The bytes that a text was read from, those that are no UTF-8 among them."""
    return text.encode("utf-8", "surrogateescape")


def decoded(content: bytes) -> str:
    r"""Bytes as text; each of those that are no UTF-8 can be told from all others.

    >>> encoded(decoded(b"caf\xe9")) == b"caf\xe9"
    True
    """
    return content.decode("utf-8", "surrogateescape")


def sound(text: str) -> str:
    r"""A text that can be written as UTF-8: half of a pair, as ``"\ud83d"`` alone is, and what was none, become marks.

    >>> sound("caf\udce9"), sound("x")
    ('caf\ufffd', 'x')
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace").replace("\ufffd\ufffd\ufffd", "\ufffd")
    return text


def blocks(units: Iterable[Unit]) -> Iterator[list[Unit]]:
    """Pieces in lists of some thousands, or of some megabytes.

    >>> [len(block) for block in blocks(Unit("", line) for line in range(5000))]
    [4096, 904]
    """
    waiting, held = list[Unit](), 0
    for unit in units:
        waiting.append(unit)
        held += len(unit.text)
        if len(waiting) >= _MANY or held >= _MUCH:
            yield waiting
            waiting, held = [], 0
    if waiting:
        yield waiting


def to_sift(units: Iterable[Unit]) -> bytes:
    r"""Pieces as lines, one for each, of the same digits.

    >>> to_sift([Unit("a\nb", 1), Unit("c\n", 3)])
    b'a b\nc\n'
    """
    lines = (unit.text.rstrip().replace("\n", " ") for unit in units)
    return encoded("".join(f"{line}\n" for line in lines))


def json_lines(stream: IO[bytes]) -> Iterator[Unit]:
    r"""The lines of a file, each with what it holds as JSON.

    >>> import io
    >>> [(unit.value, unit.problem) for unit in json_lines(io.BytesIO(b'{"id": 7}\r\n\n{"id"'))]
    [({'id': 7}, ''), (None, ''), (None, "is not JSON (Expecting ':' delimiter)")]
    """
    for unit in _lines(stream):
        if not unit.text.isspace():
            try:
                unit.value = json.loads(unit.text)
            except JSONDecodeError as error:
                unit.problem = f"is not JSON ({error.msg})"
            except RecursionError:
                unit.problem = "is nested too deeply"
            except ValueError:  # Python takes no number of thousands of digits
                unit.problem = "holds a number of thousands of digits"
        yield unit


def _lines(stream: Any) -> Iterator[Unit]:
    """Lines with their ends; what UTF-8 files of Windows begin with stands before the first."""
    for piece in lines(stream):
        if piece.too_long:
            raise _failure(stream, piece.first, f"has {piece.too_long:,} bytes: no tweet has more than {LONGEST:,}")
        text = decoded(piece.content)
        before = _BOM if piece.first == 1 and text.startswith(_BOM) else ""
        for number, line in enumerate(StringIO(text[len(before) :], newline="\n"), start=piece.first):
            yield Unit(line, number, before)
            before = ""


def csv_records(stream: IO[bytes], delimiter: str) -> Iterator[Unit]:
    r"""The records of a table, each with its fields, as the standard library reads them; the first is the header.

    >>> import io
    >>> [unit.value for unit in csv_records(io.BytesIO(b'id,text\n7,"one\ntwo"\n'), ",")]
    [['id', 'text'], ['7', 'one\ntwo']]
    """
    read: list[Unit] = []
    open_at_end: list[bool] = []

    def feed() -> Iterator[str]:
        for line in _lines(stream):
            read.append(line)
            yield line.text
        open_at_end.append(bool(read))  # a record that wants more lines than there are

    reader = csv.reader(feed(), delimiter=delimiter)
    while True:
        problem, fields = "", None
        try:
            fields = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            problem = f"is no record ({error})"
        if any(open_at_end) and not problem:
            problem = "has a quote that is never closed: nobody knows how many records follow it"
        text = "".join(line.text for line in read)
        yield Unit(text, read[0].line, read[0].before, value=None if problem else fields or None, problem=problem)
        read.clear()


def json_values(stream: IO[bytes]) -> Iterator[Unit]:
    """The values of a file that are not one a line: elements of its lists, and its objects, wherever they end.

    Raises:
        RawFileError: it is not JSON, or a value in it is longer than any tweet.

    >>> import io
    >>> [(unit.before, unit.text) for unit in json_values(io.BytesIO(b'[{"id": 7} , 8]'))]
    [('[', '{"id": 7}'), (' , ', '8'), (']', '')]
    """
    text = _Text(stream)
    inside, before, opens, some = False, text.bom(), True, False
    while True:
        if opens and len(before) > _READ:  # of lists with nothing in them there may be any number
            yield Unit("", text.line, before)
            before = ""
        before += text.space()
        sign = text.peek()
        if not sign:
            break
        if inside and sign == "]":
            inside, opens, before = False, True, before + text.take(1)
        elif inside and some and sign == ",":
            before += text.take(1)
            before += text.space()
            if text.peek() in {"]", ""}:
                raise text.failure("is not JSON (a value must follow the comma)")
            some = False
        elif not inside and sign == "[":
            inside, opens, some, before = True, True, False, before + text.take(1)
        elif inside and some:
            raise text.failure("is not JSON (a comma must follow the value)")
        else:
            line = text.line
            value, spelled = text.value()
            yield Unit(spelled, line, before, opens, value)
            before, opens, some = "", not inside, inside
    if inside:
        raise text.failure("ends in the middle of a list: the file was cut off")
    if before:
        yield Unit("", text.line, before)


class _Text:
    """A stream as text, of which no more is held than the value that is being read."""

    def __init__(self, stream: Any) -> None:
        self._stream, self.line = stream, 1
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._held, self._at, self._ended = "", 0, False

    def failure(self, what: str) -> RawFileError:
        """The error that tells of the place that was reached."""
        return _failure(self._stream, self.line, what)

    def bom(self) -> str:
        """What UTF-8 files of Windows begin with, where this one does."""
        return self.take(1) if self.peek() == _BOM else ""

    def peek(self) -> str:
        """The next character, or nothing at the end."""
        while self._at >= len(self._held) and self._more(_READ):
            pass
        return self._held[self._at : self._at + 1]

    def take(self, count: int) -> str:
        """The next characters."""
        taken = self._held[self._at : self._at + count]
        self._at += count
        self.line += taken.count("\n")
        return taken

    def space(self) -> str:
        """The next characters that are space."""
        found, length = list[str](), 0
        while self.peek() and (end := _SPACE.match(self._held, self._at).end()) > self._at:  # type: ignore[union-attr]
            length += end - self._at
            if length > LONGEST:
                raise self.failure(f"has more than {LONGEST:,} spaces in a row: it is damaged, or no file of tweets")
            found.append(self.take(end - self._at))
        return "".join(found)

    def value(self) -> tuple[Any, str]:
        """The next value, and how it is spelled."""
        size = _READ
        while True:
            try:
                value, end = _DECODER.raw_decode(self._held, self._at)
                if end < len(self._held) or self._ended:
                    return value, self.take(end - self._at)
                problem = ""
            except JSONDecodeError as error:
                problem = f"is not JSON ({error.msg})"
            except RecursionError:
                raise self.failure("is nested too deeply") from None
            except ValueError:
                problem = "holds a number of thousands of digits"
            if len(self._held) - self._at > LONGEST:
                raise self.failure(f"begins a value of more than {LONGEST:,} characters, or is not JSON ({problem})")
            if not self._more(size) and problem:
                raise self.failure(problem)
            size *= 2

    def _more(self, size: int) -> bool:
        """Read on; False at the end."""
        if self._ended:
            return False
        content = self._stream.read(size)
        self._ended = not content
        self._held = self._held[self._at :] + self._decoder.decode(content, self._ended)
        self._at = 0
        return True


def _failure(stream: Any, line: int, what: str) -> RawFileError:
    path = getattr(stream, "path", None)
    where = f"{path}, line {line:,}" if path is not None else f"line {line:,}"
    return RawFileError(f"{where} {what}.", path=None if path is None else Path(path), line=line)


def first_of(units: Iterator[Unit], count: int) -> list[Unit]:
    """The first pieces that hold something, where some do among the first thousands.

    >>> [unit.line for unit in first_of(iter([Unit("", 1), Unit("7", 2, value=7), Unit("8", 3, value=8)]), 1)]
    [2]
    """
    return list(islice((unit for unit in islice(units, _TRIED) if unit.value is not None), count))
