"""Footers as writers make them are recognised by patterns: to look into each of their fields takes twenty times longer.

What a footer says of column chunks is a row of small fields in the order of their numbers. Regular expressions
say how those of a schema may look when all is well, and whatever looks otherwise is left to those who read field by
field. Only the bounds of texts are walked over: an expression cannot count their bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final, TypeAlias

from compliance_frames.corpus.thrift import BINARY, FALSE, I16, I32, I64, LIST, STRUCT, TRUE, parsed, unsigned, varint
from compliance_frames.errors import FooterError

_INTEGERS: Final = (I16, I32, I64)


@dataclass(frozen=True)
class Column:
    """What decides about the form of a column's chunks.

    Attributes:
        path: the names on the way to it.
        kind: the number of its physical type.
        width: bytes of a value; None where it may have any number of them.
        repetition: how many levels of repetition it has.
        definition: how many levels of definition it has.
    """

    path: tuple[bytes, ...]
    kind: int
    width: int | None
    repetition: int
    definition: int


class Form:
    """How the footers of files with one schema look when they make sense.

    Args:
        schema: the footer up to where its schema ends.
        columns: the leaf columns of it, in their order.

    Attributes:
        met: how many footers with the schema there were before.
    """

    def __init__(self, schema: bytes, columns: Sequence[Column]) -> None:
        self._schema, self._columns, self._end = schema, columns, b""
        self.met = 0

    def is_of(self, footer: bytes) -> bool:
        """Whether a footer has this schema."""
        return footer.startswith(self._schema)

    def fits(self, footer: bytes) -> bool:
        """Whether a footer with this schema makes sense beyond doubt; so do many that do not fit."""
        head = _GROUPS.match(footer, len(self._schema))
        if head is None:
            return False
        at = head.end()
        parts = self._pieces if self.met < _OFTEN else self._parts
        for _ in range(unsigned(head[2]) if head[2] else head[1][0] >> 4):
            at = _group_end(parts, footer, at)
            if not at:
                return False
        return self._ends(footer, at)

    def _ends(self, footer: bytes, at: int) -> bool:
        """Whether what follows does not speak of row groups once more. Most files of a dataset end alike."""
        if self._end and len(footer) - at == len(self._end) and footer.endswith(self._end):
            return True
        try:
            rest, end = parsed(footer, {}, at)
        except FooterError:
            return False
        if end != len(footer) or any(field.long is not None for field in rest.fields.values()):
            return False
        self._end = footer[at:]
        return True

    @cached_property
    def _pieces(self) -> list[_Part]:
        """A row group in the small pieces that its columns share: these expressions are made in a moment."""
        return [(_compiled(pattern), following) for pattern, following in _row_group(self._columns)]

    @cached_property
    def _parts(self) -> list[_Part]:
        """The same in as few expressions as can be, cut where texts have bounds: made slowly, and matched faster."""
        parts, pattern = [], b""
        for piece, following in _row_group(self._columns):
            pattern += piece + re.escape(following)
            if piece == _BOUNDED:
                parts.append(pattern)
                pattern = b""
        return [(re.compile(part, re.DOTALL), b"") for part in (*parts, pattern)]


#: An expression, and the very bytes that have to follow what it matches.
_Part: TypeAlias = tuple[re.Pattern[bytes], bytes]


@lru_cache(maxsize=256)
def _compiled(pattern: bytes) -> re.Pattern[bytes]:
    return re.compile(pattern, re.DOTALL)


def _group_end(parts: Sequence[_Part], footer: bytes, at: int) -> int:
    """Where a row group ends that begins somewhere; 0 where there is doubt about it."""
    for part, following in parts:
        found = part.match(footer, at)
        if found is None:
            return 0
        at = found.end()
        if found.lastindex:  # bounds of texts follow
            at = _bounds_end(footer, at)
        if following:
            if not footer.startswith(following, at):
                return 0
            at += len(following)
    return at


def _row_group(columns: Sequence[Column]) -> Iterator[tuple[bytes, bytes]]:
    """Expressions for a row group, each with the bytes that follow: what differs from column to column is in these."""
    before = rb"\x19" + re.escape(_list_head(len(columns), STRUCT))
    for column in columns:
        path = b"".join(varint(len(name)) + name for name in column.path)
        told = rb"\x26%s\x1c\x15\x%02x\x19%s" % (_NUMBER, column.kind << 1, _list(I32, _SMALL))
        yield before + told, b"\x19" + _list_head(len(column.path), BINARY) + path
        before = b""
        yield _BOUNDED if column.width is None else _bounded(column.width), b""
        yield _BETWEEN, b""
        yield b"(?:%s%s)?" % (_field(STRUCT), _sizes(column)) + _INTEGERS_TO_END * 2, b""
    yield b"(?:%s|%s%s)*\\x00" % (_INTEGER, _field(LIST), _list(STRUCT, _SORTED_BY)), b""


def _bounded(width: int) -> bytes:
    """The metadata of a column, and bounds of so many bytes each."""
    bound = _field(BINARY) + re.escape(varint(width)) + b".{%d}" % width
    return b"(?:%s)*(?:%s(?:%s|%s|%s)*\\x00)?" % (_INTEGER, _field(STRUCT), _INTEGER, _field(TRUE, FALSE), bound)


def _sizes(column: Column) -> bytes:
    """``SizeStatistics``: bytes of values, and histograms of levels that have as many entries as there are levels."""
    repetition, definition = (
        b"(?:\\x06|%s(?:%s){%d})" % (re.escape(_list_head(levels, I64)), _NUMBER, levels)
        for levels in (column.repetition, column.definition)
    )
    both = b"%s(?:\\x19%s)?" % (repetition, definition)
    counted = b"\\x16%s(?:\\x19%s|\\x29%s)?" % (_NUMBER, both, definition)
    return b"(?:%s|\\x29%s|\\x39%s)?\\x00" % (counted, both, definition)


def _field(first: int, last: int | None = None) -> bytes:
    """The byte before a field of these types, whose number stands not far above that of the last one."""
    return b"[%s]" % b"".join(b"\\x%x%x-\\x%x%x" % (step, first, step, last or first) for step in _STEPS)


def _list(kind: int, element: bytes) -> bytes:
    """A list of a few elements."""
    sizes = (b"\\x%x%x(?:%s){%d}" % (size, kind, element, size) for size in range(1, _FEW + 1))
    return b"(?:%s)" % b"|".join(sizes)


def _list_head(size: int, kind: int) -> bytes:
    return bytes([size << 4 | kind]) if size < 15 else bytes([0xF0 | kind]) + varint(size)


def _bounds_end(footer: bytes, at: int) -> int:
    """Where a ``Statistics`` ends of which some fields are texts; past all bytes where there is doubt about it."""
    try:
        while head := footer[at]:
            at, kind = at + 1, head & 15
            if head < 16:
                return len(footer)
            if kind in _INTEGERS:
                while footer[at] & 0x80:
                    at += 1
                at += 1
            elif kind == BINARY:
                size = footer[at]
                at += 1
                if size > 0x7F:
                    size, at = size & 0x7F | footer[at] << 7, at + 1
                    if size > 0x3FFF:
                        return len(footer)
                at += size
            elif kind > FALSE:
                return len(footer)
    except IndexError:
        return len(footer)
    return at + 1


#: Footers with a schema from which on one long expression for it is worth its making, which takes as long as some
#: hundreds of matches of the small ones.
_OFTEN: Final = 500
#: Elements of lists that are looked for: encodings, pages of each kind, columns that rows are sorted by.
_FEW: Final = 4
_STEPS: Final = range(1, 8)
_NUMBER: Final = rb"[\x80-\xff]{0,9}[\x00-\x7f]"
_SMALL: Final = rb"[\x00-\x7f]"
_INTEGER: Final = _field(I16, I64) + _NUMBER
#: The metadata of a column of texts up to where their bounds may begin.
_BOUNDED: Final = b"(?:%s)*(%s(?!(?:%s)?%s))?" % (_INTEGER, _field(STRUCT), _INTEGER, _field(LIST))
_INTEGERS_TO_END: Final = b"(?:%s)*\\x00" % _INTEGER
_PAGES_COUNTED: Final = rb"\x15%s\x15%s\x15%s\x00" % (_SMALL, _SMALL, _NUMBER)
_SORTED_BY: Final = rb"\x15%s[\x11\x12]{2}\x00" % _NUMBER
#: What stands in the metadata of a column chunk between its two kinds of statistics.
_BETWEEN: Final = b"(?:%s|%s%s)*" % (_INTEGER, _field(LIST), _list(STRUCT, _PAGES_COUNTED))
#: How many rows a file has, and the head of the list of its row groups.
_GROUPS: Final = re.compile(
    rb"\x16%s\x19(?:([%s])|\xfc(%s))" % (_NUMBER, b"".join(b"\\x%xc" % size for size in range(15)), _NUMBER), re.DOTALL
)
