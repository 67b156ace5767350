"""A result file in blocks of whole lines, and which lines of a block are alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from compliance_frames.service.columns import Columns, Digits, Integers, fitting
from compliance_frames.service.shapes import LONGEST, Bytes, Shape, learn

#: How much room must follow the last line of a block, so that whole words can be read there.
PADDING = LONGEST + 24

#: What is read of a block stays in a processor's cache; smaller ones would have too few lines of a shape.
_BLOCK = 1 << 22
#: So much at a time is searched for line ends.
_WINDOW = 1 << 18
#: Fewer lines are read sooner one by one than their shape is learned.
_WORTH_LEARNING = 8
#: So many shapes of one kind are tried; a file with more is not of the service's making.
_AT_MOST = 16
#: What tells endings apart: the upper halves of letters, which all digits have in common ...
_UPPER = np.uint64(0xF0F0F0F0F0F0F0F0)
#: ... spread over the upper bits.
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines, the last one with or without a newline.

    Attributes:
        buffer: the lines, and at least :data:`PADDING` bytes more, whatever they are.
        size: the length of the lines.
    """

    buffer: bytearray
    size: int


@dataclass(frozen=True, slots=True)
class Others:
    """Lines of a block that are to be read one by one: by their number in the block from 0 on, each with its bytes.

    Attributes:
        count: how many lines the block has, with those that are understood.
    """

    block: Block
    count: int
    numbers: Integers
    starts: Integers
    lengths: Integers

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        buffer = memoryview(self.block.buffer)
        for number, start, length in zip(self.numbers, self.starts, self.lengths, strict=True):
            yield int(number), bytes(buffer[start : start + length])

    def __len__(self) -> int:
        return len(self.numbers)


def blocks_of(stream: BinaryIO) -> Iterator[Block | None]:
    """Whole lines, each block until the next is asked for; None for a line longer than a block, the last word."""
    buffer, rest = bytearray(_BLOCK + PADDING), b""  # one for all: fresh memory costs more than what is done in it
    while True:
        buffer[: len(rest)] = rest
        size = len(rest) + _filled(memoryview(buffer)[len(rest) : _BLOCK], stream)
        end = buffer.rfind(b"\n", 0, size) + 1 if size == _BLOCK else size
        yield Block(buffer, end) if end or not size else None
        if size < _BLOCK or not end:
            return
        rest = bytes(memoryview(buffer)[end:size])


def _filled(room: memoryview, stream: BinaryIO) -> int:
    """Fill as much room as there are bytes; how much that is."""
    at = 0
    while at < len(room) and (fresh := stream.readinto(room[at:])):  # type: ignore[attr-defined]
        at += fresh
    return at


class Shapes:
    """The shapes that lines of a file were found to have, by kind."""

    def __init__(self) -> None:
        self._known: defaultdict[int, list[Shape]] = defaultdict(list)

    def by_columns(self, block: Block) -> tuple[Columns, Others]:
        """What lines of known shapes say, and the other lines."""
        raw = np.frombuffer(block.buffer, np.uint8)
        starts, lengths = _lines_of(raw[: block.size])
        digits, others = Digits(len(starts)), [np.flatnonzero(lengths > LONGEST)]
        for kind, lines in _by_kind(raw, starts, lengths):
            others.append(self._left(kind, raw, starts, lines, digits))
        columns, bad = digits.read()
        odd = np.sort(np.concatenate([*others, bad]))
        return columns, Others(block, len(starts), odd, starts[odd], lengths[odd])

    def _left(self, kind: int, raw: Bytes, starts: Integers, lines: Integers, digits: Digits) -> Integers:
        """The lines of a kind that have no shape known or to be learned; the digits of the others are taken."""
        shapes = self._known[kind]
        for number in range(_AT_MOST):
            if number == len(shapes):
                shape = _learned(raw, starts[lines], kind & LONGEST)
                if shape is None:
                    break
                shapes.append(shape)
            said, fits = fitting(shapes[number], raw, starts[lines])
            if fits is None:
                digits.add(shapes[number], said, lines)
                return lines[:0]
            if len(said):
                digits.add(shapes[number], said, lines[fits])
                lines = lines[~fits]
        return lines


def _lines_of(raw: Bytes) -> tuple[Integers, Integers]:
    """Where lines begin, and how long they are."""
    parts = [np.flatnonzero(raw[at : at + _WINDOW] == ord("\n")) + at for at in range(0, len(raw), _WINDOW)]
    if len(raw) and raw[-1] != ord("\n"):
        parts.append(np.array([len(raw)]))
    ends = np.concatenate([np.empty(0, np.int64), *parts])
    starts = np.zeros_like(ends)
    starts[1:] = ends[:-1] + 1
    return starts, ends - starts


def _learned(raw: Bytes, starts: Integers, length: int) -> Shape | None:
    """The shape of one of many lines; a strange one among them does not spoil it."""
    if len(starts) < _WORTH_LEARNING:
        return None
    samples = (raw[starts[at] :][:length].tobytes() for at in (0, len(starts) // 2, len(starts) - 1))
    return next((shape for line in samples if (shape := learn(line))), None)


def _by_kind(raw: Bytes, starts: Integers, lengths: Integers) -> Iterator[tuple[int, Integers]]:
    """The lines of each length and, mostly, each ending; empty ones say nothing, and too long ones are left out.

    The lower nine bits of a kind are the length.
    """
    kinds = np.where(lengths > LONGEST, 0, lengths).astype(np.uint16)
    words = np.ndarray((len(raw) - 7,), np.uint64, raw, strides=(1,))
    endings = words[np.maximum(starts + lengths - 8, 0)]
    endings &= _UPPER
    endings *= _SPREAD
    endings >>= np.uint64(57)
    kinds |= (endings.astype(np.uint16) << np.uint16(9)) * (kinds > 0)
    order = np.argsort(kinds, kind="stable")
    counts = np.bincount(kinds)
    stops = np.cumsum(counts)
    for kind in np.flatnonzero(counts):
        if kind:
            yield int(kind), order[stops[kind] - counts[kind] : stops[kind]]
