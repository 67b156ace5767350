"""What a footer says of a column chunk must make sense before Arrow is asked for it: some of it would end the process.

Arrow decodes the bounds of a column chunk, and counts its histograms, where no error can come back from: bounds that
are shorter than their type, or a histogram of other levels, are ``abort()``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Final, cast

from compliance_frames.corpus.footer import Chunk, File, Footer, Group, Meta, Origin, leaf_types
from compliance_frames.corpus.thrift import LIST, Shape, Struct, parsed
from compliance_frames.corpus.wellformed import Column, Form
from compliance_frames.errors import FooterError

_TAIL: Final = 8
_STATISTICS, _SIZES = 12, 16  # of ColumnMetaData
_BOUNDS: Final = (1, 2, 5, 6)  # of Statistics: as older writers put them, and as newer ones do
_REPETITION_LEVELS, _DEFINITION_LEVELS = 2, 3  # of SizeStatistics
_REPEATED, _OPTIONAL = 2, 1
#: Bytes of a value of each physical type; None where a value may have any number of them.
_WIDTH: Final = (1, 4, 8, 12, 4, 8, None)
_FIXED: Final = 7

_GROUP: Final[Shape] = {Group.CHUNKS: {Chunk.META: {_STATISTICS: {}, _SIZES: {}}}}
#: Of a footer that is larger, row groups are opened one after the other: all at once they would take much memory.
_LARGE: Final = 1 << 20

#: The forms of footers that were met last: a dataset of a hundred thousand files has a handful of schemas.
_known: tuple[Form, ...] = ()
_REMEMBERED: Final = 32
#: Footers with a schema that are met before its form is asked for: making its expressions takes as long as reading 9.
_WORTH: Final = 3
#: Columns of a schema whose form is still told: the expressions are as long as that.
_WIDEST: Final = 1000


def must_be_sound(origin: Origin) -> None:
    """Refuse a footer about which Arrow must not be asked.

    Raises:
        FooterError: what it says of a column chunk contradicts its schema.

    >>> import pyarrow as pa, pyarrow.parquet as pq
    >>> from compliance_frames.corpus.footer import InMemory
    >>> sink = pa.BufferOutputStream()
    >>> pq.write_table(pa.table({"id": [1]}), sink)
    >>> must_be_sound(InMemory(sink.getvalue()))
    """
    global _known
    tail = origin.read(max(origin.size - _TAIL, 0), origin.size)
    start = origin.size - _TAIL - int.from_bytes(tail[:4], "little")
    content = bytes(origin.read(max(start, 0), origin.size - _TAIL))
    form = next((form for form in _known if form.is_of(content)), None)
    if form is not None:
        form.met += 1
        if form.met > _WORTH and form.fits(content):
            return
    file, leaves = _read_through(Footer(origin, Struct(), start), content)
    if form is None and len(leaves) <= _WIDEST:
        _known = (*_forms(file, leaves), *_known[: _REMEMBERED - 1])  # another thread's may be lost: no harm


def _read_through(footer: Footer, content: bytes) -> tuple[Struct, list[_Leaf]]:
    """Look into each field that matters, whatever a footer looks like."""
    groups: Shape = {} if len(content) > _LARGE else {File.GROUPS: _GROUP}
    file, _ = parsed(content, {File.SCHEMA: {}, **groups})
    leaves = [_Leaf(kinds) for kinds in leaf_types(dataclasses.replace(footer, file=file))]
    for group in file.structs(File.GROUPS) if groups else _one_by_one(file):
        chunks = group.structs(Group.CHUNKS)
        if len(chunks) != len(leaves):
            raise FooterError(
                f"a row group has {len(chunks)} column chunks, where its schema has {len(leaves)} columns"
            )
        for chunk, leaf in zip(chunks, leaves, strict=True):
            leaf.must_fit(chunk)
    return file, leaves


def _forms(file: Struct, leaves: Sequence[_Leaf]) -> Iterator[Form]:
    """How footers with the schema of one look, where that can be told."""
    columns = [leaf.column for leaf in leaves]
    known = [column for column in columns if column is not None]
    if tuple(file.fields)[:2] == (File.VERSION, File.SCHEMA) and len(known) == len(columns):
        yield Form(file.copied(File.VERSION, File.SCHEMA).encoded()[:-1], known)


def _one_by_one(file: Struct) -> Iterator[Struct]:
    """The row groups of a footer in which they were not opened."""
    count, at = _head(file, File.GROUPS)
    for _ in range(count):
        group, at = parsed(cast("bytes", file.fields[File.GROUPS].value), _GROUP, at)
        yield group


class _Leaf:
    """What follows for column chunks from a column's place in the schema."""

    def __init__(self, types: tuple[object, ...]) -> None:
        *way, kind, length = types
        self._kind = kind
        steps = [step for step in way if isinstance(step, tuple)]
        self._path, repetitions = [step[0] for step in steps], [step[1] for step in steps]
        self._levels = {
            _REPETITION_LEVELS: 1 + repetitions.count(_REPEATED),
            _DEFINITION_LEVELS: 1 + repetitions.count(_REPEATED) + repetitions.count(_OPTIONAL),
        }
        known = isinstance(kind, int) and 0 <= kind < _FIXED
        told = length if kind == _FIXED and isinstance(length, int) else None
        self._width = _WIDTH[kind] if known and isinstance(kind, int) else told

    @property
    def column(self) -> Column | None:
        """The same in a few words; None where the schema leaves something unsaid."""
        if not isinstance(self._kind, int) or not 0 <= self._kind <= _FIXED or None in self._path:
            return None
        levels = (self._levels[_REPETITION_LEVELS], self._levels[_DEFINITION_LEVELS])
        return Column(tuple(self._path), self._kind, self._width, *levels)

    def must_fit(self, chunk: Struct) -> None:
        meta = chunk.struct(Chunk.META)
        if meta is None or meta.integer(Meta.TYPE) != self._kind:
            return  # of another type, or described elsewhere: said where it matters, in better words
        statistics, sizes = meta.struct(_STATISTICS), meta.struct(_SIZES)
        if statistics is not None and self._width is not None:
            for number in _BOUNDS:
                bound = statistics.binary(number)
                if bound is not None and len(bound) != self._width:
                    raise FooterError(f"the bounds of a column chunk have {len(bound)} bytes, not {self._width}")
        for number, levels in self._levels.items() if sizes is not None else ():
            counted = 0 if sizes is None else _head(sizes, number)[0]
            if counted not in (0, levels):
                raise FooterError(f"a histogram of a column chunk has {counted} levels, not {levels}")


def _head(described: Struct, number: int) -> tuple[int, int]:
    """How many elements a list has that was not opened, and where the first one begins; none where there is none."""
    field = described.fields.get(number)
    if field is None:
        return 0, 0
    if field.kind != LIST or not isinstance(field.value, bytes):
        raise FooterError(f"field {number} of a footer is no list")
    size, at = field.value[0] >> 4, 1
    if size < 15:
        return size, at
    size = shift = 0
    while True:
        byte = field.value[at]
        size, shift, at = size | (byte & 0x7F) << shift, shift + 7, at + 1
        if byte < 0x80:
            return size, at
