"""Lines of JSON as tables: by Arrow where it takes a block exactly as it is, else line by line.

Arrow's reader is strict where the schema is given to it: a name that is not in the schema, a name that stands twice, a
number where text belongs each end it with an error. What it would let pass is looked for here: lines that are no
objects, whole numbers in places of fractions, bytes that are no UTF-8.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj
import pyarrow.types as pt

from compliance_frames.ids.naming import TWEETS, plain
from compliance_frames.raw.kinds import EXACT, Inexact, Items, Kind, conformed, fitted, schema_of, widened, with_text
from compliance_frames.raw.objects import Unreadable, must_be_held, strict
from compliance_frames.raw.packed import BOM, Lines
from compliance_frames.raw.pages import is_page, rows_of
from compliance_frames.raw.rows import Rejected, Rows

_NEWLINE, _BRACE = ord("\n"), ord("{")
_PIECES: Final = 8
_SMALL: Final = 64
_WRAPPERS: Final = ("data", "tweet", "status")
_NAMES: Final = frozenset(plain(name) for name in TWEETS)
NO_ID: Final = "it has no ID of a tweet"


@dataclass
class Shape:
    """What lines of a file have looked like so far.

    Attributes:
        kind: of their rows; ``{}`` before the first.
        id_column: where somebody told it; what has no ID need not be told from a tweet by its name then.
        patches: see :func:`patches_of`.
        paged: whether the last lines that were looked at one by one held pages of tweets.
    """

    kind: Kind = field(default_factory=dict)
    id_column: str | None = None
    patches: tuple[tuple[bytes, bytes], ...] = ()
    paged: bool = False

    def fast(self) -> Fast | None:
        """A reader of blocks that look so, too; None before the first, and where no line is a tweet itself."""
        return Fast(schema_of(self.kind), self.patches, self.kind) if self.kind and not self.paged else None


@dataclass(frozen=True)
class Fast:
    """Arrow's reader with a schema: all of a block, or nothing."""

    schema: pa.Schema
    patches: tuple[tuple[bytes, bytes], ...]
    kind: Kind

    def table(self, content: bytes) -> tuple[pa.Table, int] | None:
        """The rows of a block and its blank lines; None where any line must be looked at by itself."""
        blank, lines = 0, _objects_in(content)
        if lines is None:
            content, blank = _dense(content)
            lines = _objects_in(content)
        if not lines:
            return None
        for old, new in self.patches:
            content = content.replace(old, new)
        try:
            table = pj.read_json(
                pa.BufferReader(content),
                read_options=pj.ReadOptions(use_threads=False, block_size=len(content) + 1),
                parse_options=pj.ParseOptions(explicit_schema=self.schema, unexpected_field_behavior="error"),
            )
            table.validate(full=True)
        except (pa.ArrowException, UnicodeDecodeError, OverflowError):
            return None
        if table.num_rows != lines or not all(map(_is_exact, table.columns)):
            return None
        return table, blank


def _objects_in(content: bytes) -> int | None:
    """How many lines there are, where each begins an object; else None: a null in its place would end the process."""
    array = np.frombuffer(content, np.uint8)
    starts = np.flatnonzero(array == _NEWLINE) + 1
    if len(starts) and starts[-1] == len(array):
        starts = starts[:-1]
    if content[:1] != b"{" or not (array[starts] == _BRACE).all():
        return None
    return len(starts) + 1


def _dense(content: bytes) -> tuple[bytes, int]:
    """Lines without those that hold nothing, and how many those are."""
    every = content.removesuffix(b"\n").split(b"\n")
    kept = [line for line in every if line.strip()]
    return b"\n".join(kept), len(every) - len(kept)


def _is_exact(column: pa.ChunkedArray) -> bool:
    """Whether no whole number was made a fraction that it has no place in."""
    if not _has_floats(column.type):
        return True
    return all(map(_is_exact_array, column.chunks))


def _has_floats(type: Any) -> bool:
    if pt.is_struct(type):
        return any(_has_floats(child.type) for child in type)
    return _has_floats(type.value_type) if pt.is_list(type) else bool(pt.is_floating(type))


def _is_exact_array(array: Any) -> bool:
    if pt.is_struct(array.type):
        return all(_is_exact_array(array.field(at)) for at in range(array.type.num_fields))
    if pt.is_list(array.type):
        return _is_exact_array(array.values)
    if not pt.is_floating(array.type):
        return True
    most = pc.max(pc.abs(array)).as_py()
    return most is None or not most >= EXACT


def rows_of_lines(piece: Lines, shape: Shape) -> Rows:
    """The rows of some lines, looked at one by one where Arrow does not take them; widens the shape by them."""
    content = piece.content.removeprefix(BOM) if piece.first == 1 else piece.content
    found = _Found(shape, piece.first)
    found.take(content)
    return found.rows(piece.count)


def rows_of_values(values: Sequence[tuple[int, bytes, Any]], shape: Shape) -> Rows:
    """The rows of values that stand in a file otherwise than one a line; widens the shape by them.

    Args:
        values: of each the line that it begins in, its bytes, and what it says: :class:`Unreadable` where nothing.
        shape: of the file.
    """
    found = _Found(shape, 1)
    found.take_values(values)
    return found.rows(len(values))


def no_rows(line: int, reason: str) -> Rows:
    """A record that is none."""
    rejected = [Rejected(line, reason, None)]
    return Rows(pa.table({}), {}, lambda row: row, bytes, records=1, rejected=rejected)


def rows_as_read(piece: Lines, table: pa.Table, blank: int, kind: Kind) -> Rows:
    """What Arrow read of some lines."""
    lines = _Lazy(piece)
    return Rows(table, kind, lines.number, lines.content, records=piece.count, blank=blank)


class _Lazy:
    """The lines of a block that hold something, looked for when somebody asks."""

    def __init__(self, piece: Lines) -> None:
        self._piece = piece
        self._found: list[tuple[int, bytes]] = []

    def _lines(self) -> list[tuple[int, bytes]]:
        if not self._found:
            every = enumerate(self._piece.content.split(b"\n"), start=self._piece.first)
            self._found = [(number, line) for number, line in every if line.strip()]
        return self._found

    def number(self, row: int) -> int:
        return self._lines()[row][0]

    def content(self, row: int) -> bytes:
        return self._lines()[row][1]


class _Found:
    """Rows gathered from a block, in their order: tables of pieces that Arrow took, and objects of single lines."""

    def __init__(self, shape: Shape, first: int) -> None:
        self._shape, self._line = shape, first
        self._parts: list[pa.Table | list[dict[str, Any]]] = []
        self._numbers: list[int] = []
        self._contents: list[bytes] = []
        self._blank = self._pages = self._paged = 0
        self._rejected: list[Rejected] = []

    def take(self, content: bytes) -> None:
        """Take lines: those that look like the ones before at once, and others one by one."""
        lines = content.removesuffix(b"\n").split(b"\n")
        if not self._shape.kind:
            self._one_by_one(lines[:_SMALL])
            lines = lines[_SMALL:]
        if len(lines) <= _SMALL or self._shape.paged:
            self._one_by_one(lines)
            return
        size = -(-len(lines) // _PIECES)
        failed = 0
        for at in range(0, len(lines), size):
            some = lines[at : at + size]
            fast = self._shape.fast() if failed < 2 else None
            read = fast.table(b"\n".join(some)) if fast is not None else None
            if read is not None:
                self._as_read(some, read[0], read[1])
            elif failed < 2 and len(some) > _SMALL:
                failed += 1
                self.take(b"\n".join(some))
            else:
                self._one_by_one(some)

    def _as_read(self, lines: list[bytes], table: pa.Table, blank: int) -> None:
        self._parts.append(table)
        self._blank += blank
        for number, line in enumerate(lines, start=self._line):
            if line.strip():
                self._numbers.append(number)
                self._contents.append(line)
        self._line += len(lines)

    def _one_by_one(self, lines: list[bytes]) -> None:
        values = []
        for number, line in enumerate(lines, start=self._line):
            if line.strip():
                values.append((number, line, _value_of(line)))
        self._blank += len(lines) - len(values)
        self._line += len(lines)
        self.take_values(values)

    def take_values(self, values: Sequence[tuple[int, bytes, Any]]) -> None:
        """Take what was read already."""
        objects: list[dict[str, Any]] = []
        pages = self._pages
        for number, content, value in values:
            try:
                objects += self._objects(value, number, content)
            except Unreadable as error:
                self._rejected.append(Rejected(number, str(error), content))
        if objects:
            self._parts.append(objects)
            self._shape.paged = self._pages - pages > len(values) // 2

    def _objects(self, value: Any, number: int, line: bytes) -> list[dict[str, Any]]:
        if isinstance(value, Unreadable):
            raise value
        if not isinstance(value, dict):
            raise Unreadable(f"it is a {_CALLED[type(value)]}, not an object")
        must_be_held(value)
        paged = is_page(value)
        every = list(rows_of(value)) if paged else [value]
        self._pages += paged
        self._paged += len(every) * paged
        named = every if self._shape.id_column is not None else [each for each in every if names_a_tweet(each)]
        self._rejected += [Rejected(number, NO_ID, line)] * (len(every) - len(named))
        kind = self._shape.kind
        for each in named:
            kind = widened(kind, each)
        if not isinstance(kind, dict):
            raise Unreadable("it has more names than any tweet")
        self._shape.kind = kind
        self._numbers += [number] * len(named)
        self._contents += [line] * len(named)
        return named

    def rows(self, records: int) -> Rows:
        """All of it, in the shape that came out of it."""
        table = self._table()
        numbers, contents = self._numbers, self._contents
        self._shape.patches = self._patches()
        return Rows(
            table,
            self._shape.kind,
            numbers.__getitem__,
            contents.__getitem__,
            records=records,
            blank=self._blank,
            pages=self._pages,
            paged=self._paged,
            rejected=self._rejected,
        )

    def _patches(self) -> tuple[tuple[bytes, bytes], ...]:
        """Those that lines were in need of, now or before: each costs a look at every byte."""
        if self._shape.paged:  # which Arrow takes in no way
            return ()
        before = {old for old, _ in self._shape.patches}
        empty = [line for line in set(self._contents) if b"{}" in line]
        return tuple(
            (old, new)
            for old, new in patches_of(self._shape.kind)
            if old in before or any(old in line for line in empty)
        )

    def _table(self) -> pa.Table:
        while True:
            kind = self._shape.kind
            try:
                tables = [
                    conformed(part if isinstance(part, pa.Table) else _table_of(part, kind), kind)
                    for part in self._parts
                ]
            except Inexact as error:
                self._shape.kind = with_text(kind, error.path)
            else:
                return pa.concat_tables([schema_of(kind).empty_table(), *tables])


_CALLED: Final[dict[type, str]] = {
    list: "list",
    str: "text",
    int: "number",
    float: "number",
    bool: "truth value",
    type(None): "null",
}


def _value_of(line: bytes) -> Any:
    try:
        return strict(line)
    except Unreadable as error:
        return error


def _table_of(objects: list[dict[str, Any]], kind: Kind) -> pa.Table:
    """Objects as a table: written once more for Arrow's reader, which is sooner, or else value by value."""
    schema = schema_of(kind)
    if len(objects) > _SMALL:
        lines = [json.dumps(each, ensure_ascii=False, separators=(",", ":")) for each in objects]
        read = Fast(schema, patches_of(kind), kind).table("\n".join(lines).encode())
        if read is not None:
            return read[0]
    fits = [fitted(each, kind) for each in objects]
    return pa.Table.from_pylist(fits, schema=schema)


def names_a_tweet(value: dict[str, Any]) -> bool:
    """Whether an object has something under a name that IDs of tweets go by.

    >>> names_a_tweet({"tweetId": "20"}), names_a_tweet({"limit": {"track": 1}}), names_a_tweet({"tweet": {"id": 20}})
    (True, False, True)
    """
    for name, item in value.items():
        if item is not None and plain(name) in _NAMES:
            return True
    for name in _WRAPPERS:
        inner = value.get(name)
        if isinstance(inner, dict) and names_a_tweet(inner):
            return True
        if any(plain(key.removeprefix(f"{name}.")) in _NAMES for key in value if key.startswith(f"{name}.")):
            return True
    return False


def patches_of(kind: Kind) -> tuple[tuple[bytes, bytes], ...]:
    r"""What to write in the place of empty objects under names that elsewhere hold lists, so that Arrow takes them.

    R writes empty lists as ``{}``. In JSON a quote before a colon ends a name, so that no text is changed by this.

    >>> patches_of({"tags": Items("text")})
    ((b'"tags":{}', b'"tags":[]'), (b'"tags": {}', b'"tags": []'))
    """
    kinds: dict[str, set[str]] = {}
    every = list(_named(kind))
    if any('"' in name for name, _ in every):
        return ()
    for name, each in every:
        form = "list" if isinstance(each, Items) else "object" if each else "none"
        kinds.setdefault(name, set()).add(form if not isinstance(each, str) else "scalar")
    found: list[tuple[bytes, bytes]] = []
    for name, forms in kinds.items():
        written = {"list": b"[]", "none": b'"{}"'}.get(next(iter(forms))) if len(forms) == 1 else None
        if written is not None and re.fullmatch(r"[A-Za-z0-9_.]+", name):
            key = b'"' + name.encode() + b'":'
            found += [(key + b"{}", key + written), (key + b" {}", key + b" " + written)]
    return tuple(found)


def _named(kind: Kind) -> Iterator[tuple[str, Kind]]:
    if isinstance(kind, Items):
        yield from _named(kind.kind)
    elif isinstance(kind, dict):
        for name, each in kind.items():
            yield name, each
            yield from _named(each)
