"""A result file in blocks of whole lines, and which lines of a block are alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from compliance_frames.service.columns import Bytes, Columns, Integers, take, words_at
from compliance_frames.service.shapes import LONGEST, Shape, Words, learn

#: How much room must follow the last line of a block, so that whole words can be read there.
PADDING = LONGEST + 24

_BLOCK = 1 << 24
#: So much at a time is searched for line ends, and so many lines are read: what is computed of them stays in a
#: processor's cache.
_WINDOW = 1 << 20
_BATCH = 1 << 15
#: Fewer lines are read sooner one by one than their shape is learned.
_WORTH_LEARNING = 8
#: So many shapes of one length are tried; a file with more is not of the service's making.
_AT_MOST = 16


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines, the last one with or without a newline.

    Attributes:
        buffer: the lines, and at least :data:`PADDING` bytes more, whatever they are.
        size: the length of the lines.
    """

    buffer: bytearray
    size: int


def blocks_of(stream: BinaryIO, spare: list[bytearray]) -> Iterator[tuple[int, Block | None]]:
    """Whole lines and the number of their first; None for a line that is longer than a block."""
    line, rest = 1, b""
    while True:
        buffer = spare.pop() if spare else bytearray(_BLOCK + PADDING)
        buffer[: len(rest)] = rest
        size = len(rest) + _filled(memoryview(buffer)[len(rest) : _BLOCK], stream)
        end = buffer.rfind(b"\n", 0, size) + 1 if size == _BLOCK else size
        yield line, Block(buffer, end) if end or not size else None
        if size < _BLOCK or not end:
            return
        line += buffer.count(b"\n", 0, end)
        rest = bytes(memoryview(buffer)[end:size])


def _filled(room: memoryview, stream: BinaryIO) -> int:
    """Fill as much room as there are bytes; how much that is."""
    at = 0
    while at < len(room) and (fresh := stream.readinto(room[at:])):  # type: ignore[attr-defined]
        at += fresh
    return at


class Shapes:
    """The shapes that lines of a file were found to have, by length; threads may share it."""

    def __init__(self) -> None:
        self._known: defaultdict[int, list[Shape]] = defaultdict(list)

    def by_columns(self, block: Block) -> tuple[list[Columns], list[tuple[int, bytes]]]:
        """What lines of known shapes say, and the other lines, each with its number in the block from 0 on."""
        raw = np.frombuffer(block.buffer, np.uint8)
        starts, lengths = _lines_of(raw[: block.size])
        columns: list[Columns] = []
        others = [np.flatnonzero(lengths > LONGEST)]
        for length, lines in _by_length(lengths):
            for at in range(0, len(lines), _BATCH):
                said, left = self._read(raw, starts, lines[at : at + _BATCH], length)
                columns += said
                others.append(left)
        odd = np.sort(np.concatenate(others)).tolist()
        return columns, [(line, raw[starts[line] :][: lengths[line]].tobytes()) for line in odd]

    def _read(self, raw: Bytes, starts: Integers, lines: Integers, length: int) -> tuple[list[Columns], Integers]:
        """What lines of one length say, and which have none of the shapes that are known or can be learned here."""
        said: list[Columns] = []
        shapes = self._known[length]
        words = words_at(raw, starts[lines], length)
        for number in range(_AT_MOST):
            if number == len(shapes):
                shape = _learned(words, length)
                if shape is None:
                    break
                shapes.append(shape)
            fits, columns = take(shapes[number], words)
            if not fits.any():
                continue
            said.append(columns)
            if fits.all():
                return said, lines[:0]
            lines, words = lines[~fits], words[~fits]
        return said, lines


def _lines_of(raw: Bytes) -> tuple[Integers, Integers]:
    """Where lines begin, and how long they are."""
    parts = [np.flatnonzero(raw[at : at + _WINDOW] == ord("\n")) + at for at in range(0, len(raw), _WINDOW)]
    if len(raw) and raw[-1] != ord("\n"):
        parts.append(np.array([len(raw)]))
    ends = np.concatenate(parts) if parts else np.empty(0, np.int64)
    starts = np.zeros_like(ends)
    starts[1:] = ends[:-1] + 1
    return starts, ends - starts


def _learned(lines: Words, length: int) -> Shape | None:
    """The shape of one of many lines; a strange one among them does not spoil it."""
    if len(lines) < _WORTH_LEARNING:
        return None
    samples = (lines[at].tobytes()[:length] for at in (0, len(lines) // 2, len(lines) - 1))
    return next((shape for line in samples if (shape := learn(line))), None)


def _by_length(lengths: Integers) -> Iterator[tuple[int, Integers]]:
    """The lines of each length; empty ones say nothing, and those that are too long are left out."""
    short = np.where(lengths > LONGEST, 0, lengths).astype(np.uint16)
    order = np.argsort(short, kind="stable")
    counts = np.bincount(short)
    stops = np.cumsum(counts)
    for length in np.flatnonzero(counts):
        if length:
            yield int(length), order[stops[length] - counts[length] : stops[length]]
