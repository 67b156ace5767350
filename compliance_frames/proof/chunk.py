"""Look at column chunks as they lie in the file: at their pages, their page indexes, the statistics of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Final

import numpy as np

from compliance_frames.proof.erased import IdArray
from compliance_frames.proof.footer import Bounds, Chunk, Span
from compliance_frames.proof.idpages import IdPages
from compliance_frames.proof.pages import Page, PageError, pages
from compliance_frames.proof.search import Needles, Search
from compliance_frames.proof.short import ShortIds
from compliance_frames.proof.thrift import ThriftError, parsed

PLAIN: Final = 0
_DICTIONARY_ENCODINGS: Final = (2, 8)
_DELTA_BYTE_ARRAY: Final = 7
_DATA: Final = (0, 3)
_TEXTS: Final = "BYTE_ARRAY"


@dataclass(eq=False)
class ChunkFacts:
    """What the pages of a column chunk hold, beside the values that a reader gives.

    Attributes:
        chunk: as the footer has it.
        dictionary: its dictionary page, or None.
        encodings: of its data pages.
        values: how many its data pages say they have.
        hits: erased IDs that stand somewhere in its pages or their headers.
        bounds: all statistics about it: the chunk's, the pages', the column index's.
        named: whether a key of an object in its pages names an erased ID of few digits.
        sought: bounds of text that stand in no PLAIN page, as far as was looked.
        searched: bytes of pages.
        problems: what is wrong by itself.
        ids: the IDs of all of its rows, where they could be read from its pages.
    """

    chunk: Chunk
    dictionary: Page | None = None
    encodings: set[int] = field(default_factory=set)
    values: int = 0
    hits: IdArray = field(default_factory=lambda: np.empty(0, np.int64))
    named: bool = False
    bounds: list[Bounds] = field(default_factory=list)
    sought: set[bytes] = field(default_factory=set)
    searched: int = 0
    problems: list[str] = field(default_factory=list)
    ids: IdPages | None = None

    @property
    def plain(self) -> bool:
        """Whether its values lie in its pages one after the other, as they are."""
        return self.dictionary is None and self.encodings <= {PLAIN}

    @property
    def shared(self) -> bool:
        """Whether a value is stored without what it shares with the one before: its digits are not all seen."""
        return _DELTA_BYTE_ARRAY in self.encodings

    @property
    def indexed(self) -> bool:
        """Whether all values are entries of its dictionary."""
        return self.dictionary is not None and self.encodings <= set(_DICTIONARY_ENCODINGS)


def look_at_chunks(
    file: BinaryIO, chunks: Sequence[Chunk], needles: Needles, short: ShortIds, ids: Sequence[IdPages | None]
) -> list[ChunkFacts]:
    """Read every page of some column chunks, and their page indexes.

    Args:
        file: the open file.
        chunks: as its footer has them.
        needles: what is looked for.
        short: what is looked for in text, under keys.
        ids: for each chunk what takes pages of IDs, and understands them or not; None where it holds others.
    """
    search = Search(needles)
    found = [
        _look_at_chunk(file, chunk, _Looked(search, number, short, taking))
        for number, (chunk, taking) in enumerate(zip(chunks, ids, strict=True))
    ]
    for number, facts in enumerate(found):
        facts.hits = search.found(of=number)
    return found


@dataclass(frozen=True)
class _Looked:
    """What looks for IDs in the pages of one chunk."""

    search: Search
    number: int
    short: ShortIds
    ids: IdPages | None

    def take(self, page: Page) -> None:
        """Look at every byte of a page, at digits of IDs as the numbers that they are."""
        self.search.add(page.raw_header, of=self.number)
        taken = None if self.ids is None else self.ids.take(page)
        if taken is None:
            self.search.add(page.data, of=self.number)
            return
        numbers, others = taken
        whole = len(others) == len(page.data)
        self.search.add_numbers(numbers, of=self.number)
        self.search.add(others if whole else bytes(others), of=self.number)  # a part would keep all of it in memory

    def rows(self, count: int) -> IdPages | None:
        """The IDs of so many rows, if they are known."""
        return self.ids if self.ids is not None and self.ids.whole and len(self.ids.rows()) == count else None


def _look_at_chunk(file: BinaryIO, chunk: Chunk, looked: _Looked) -> ChunkFacts:
    facts = ChunkFacts(chunk, bounds=list(chunk.bounds))
    starts: list[int] = []
    try:
        facts.bounds += _column_index(file, chunk)
        facts.sought = {value for each in facts.bounds for value in each if chunk.physical == _TEXTS}
        for page in pages(file, chunk):
            looked.take(page)
            facts.searched += len(page.data)
            facts.named = facts.named or (chunk.physical == _TEXTS and looked.short.named_in(page.data))
            _take(facts, page, starts)
            del page  # the next one takes its place in memory
        _offset_index(file, chunk, starts, facts)
    except PageError as error:
        facts.problems.append(f"a page of {{column}} cannot be read ({error})")
    if facts.values != chunk.values and not facts.problems:
        facts.problems.append(
            f"the pages of {{column}} have {facts.values:,} values, and {chunk.values:,} by the footer"
        )
    facts.ids = looked.rows(facts.values)
    return facts


def _take(facts: ChunkFacts, page: Page, starts: list[int]) -> None:
    header = page.header
    if header.kind in _DATA:
        starts.append(page.start)
        facts.encodings.add(-1 if header.encoding is None else header.encoding)
        facts.values += header.values or 0
        new = [each for each in header.bounds if each not in facts.bounds]
        facts.bounds += new
        facts.sought |= {value for each in new for value in each if facts.chunk.physical == _TEXTS}
        if header.encoding == PLAIN:
            facts.sought = {value for value in facts.sought if not _stands_in(value, page)}
    elif header.kind == 2 and facts.dictionary is None and not starts:
        facts.dictionary = page
    else:
        raise PageError(f"a page of kind {header.kind} stands where none may be")


def _stands_in(value: bytes, page: Page) -> bool:
    """Whether a value of text is one of a page: a long one may have been cut, and its last letter made larger.

    A page that says of itself that it ends before the value, or begins after it, is not looked into.
    """
    if any((each.low or b"") > value or (each.high is not None and each.high < value) for each in page.header.bounds):
        return False
    return page.holds(value[:-4] if len(value) > 15 else len(value).to_bytes(4, "little") + value)


def _column_index(file: BinaryIO, chunk: Chunk) -> list[Bounds]:
    told = _index(file, chunk.column_index)
    empty, lows, highs = (told.get(at, []) for at in (1, 2, 3))
    if not len(empty) == len(lows) == len(highs):
        raise PageError("its column index has bounds for some pages only")
    return [Bounds(low, high) for none, low, high in zip(empty, lows, highs, strict=True) if none != 1]


def _offset_index(file: BinaryIO, chunk: Chunk, starts: list[int], facts: ChunkFacts) -> None:
    if chunk.offset_index is None:
        return
    places = [place.get(1) for place in _index(file, chunk.offset_index).get(1, [])]
    if places != starts:
        facts.problems.append("the offset index of {column} names other pages than there are")


def _index(file: BinaryIO, span: Span | None) -> dict[int, list]:  # type: ignore[type-arg]
    if span is None:
        return {}
    file.seek(span.start)
    data = file.read(span.end - span.start)
    try:
        told, end = parsed(data)
    except ThriftError as error:
        raise PageError(f"a page index cannot be read: {error}") from error
    if end != len(data):
        raise PageError("after a page index there are bytes that are no part of it")
    return {at: value for at, value in told.items() if isinstance(value, list)}
