"""Hold a Bloom filter against the values that are there: a bit that none of them sets is of somebody who is gone.

Parquet's filters are split into blocks of 256 bits; a value sets eight bits of one block, told by its xxHash64. The
filter of given values can be made again, bit by bit.
"""

from __future__ import annotations

from typing import Any, BinaryIO, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from compliance_frames.proof.footer import Chunk, Footer, Span
from compliance_frames.proof.thrift import ThriftError, parsed

_Words = NDArray[np.uint64]
_HEADER_BYTES: Final = 256
_LARGEST: Final = 128 << 20
_BLOCK: Final = 32
_SALTS: Final = np.array(
    [0x47B6137B, 0x44974D91, 0x8824AD5B, 0xA2B7289D, 0x705495C7, 0x2DF1424B, 0x9EFC4947, 0x5C6BFB31], np.uint32
)
_P1, _P2, _P3, _P4, _P5 = (
    np.uint64(prime)
    for prime in (
        0x9E3779B185EBCA87,
        0xC2B2AE3D27D4EB4F,
        0x165667B19E3779F9,
        0x85EBCA77C2B2AE63,
        0x27D4EB2F165667C5,
    )
)


class BloomError(ValueError):
    """Bytes that are no Bloom filter, or one of a kind that is not known."""


def bloom_span(file: BinaryIO, footer: Footer, chunk: Chunk) -> tuple[Span, int]:
    """Where the Bloom filter of a column chunk lies, and where in it the bits begin.

    Raises:
        BloomError: it is none that can be read.
    """
    start, told = chunk.bloom or (0, None)
    file.seek(start)
    head = file.read(min(_HEADER_BYTES, footer.span.start - start))
    try:
        header, length = parsed(head)
    except ThriftError as error:
        raise BloomError(f"its header cannot be read ({error})") from error
    size = header.get(1)
    kinds = [list(header.get(field) or {}) for field in (2, 3, 4)]
    if not isinstance(size, int) or not 0 < size <= _LARGEST or size % _BLOCK or kinds != [[1], [1], [1]]:
        raise BloomError("it is of a kind that is not known")
    end = start + length + size
    if end > footer.span.start or (told is not None and told != length + size):
        raise BloomError("it is longer or shorter than the footer says")
    return Span(start, end), start + length


def foreign_bits(bits: bytes, hashes: _Words) -> int:
    """How many bits of a filter no value sets.

    >>> foreign_bits(bytes(32), hashes_of([b"1"])), foreign_bits(bytes(31) + b"\\xff", hashes_of([]))
    (0, 8)
    """
    words = np.frombuffer(bits, "<u4").reshape(-1, 8)
    made = np.zeros_like(words)
    block = (hashes >> np.uint64(32)) * np.uint64(len(words)) >> np.uint64(32)
    keys = hashes.astype(np.uint32)  # its lower half
    for at, salt in enumerate(_SALTS):
        np.bitwise_or.at(made[:, at], block.astype(np.int64), np.uint32(1) << (keys * salt >> np.uint32(27)))
    return int(np.bitwise_count(words & ~made).sum())


def hashes_of(values: Any) -> _Words:
    """The xxHash64 of values of bytes.

    Args:
        values: an Arrow array of bytes or text without null, a NumPy array of numbers, or a list of bytes.

    >>> [hex(each) for each in hashes_of([b"", b"a"])]
    ['0xef46db3751d8e999', '0xd24ec4f1a98c6e5b']
    """
    if isinstance(values, np.ndarray):
        return _hashes(np.ascontiguousarray(values).view(np.uint8).reshape(len(values), values.dtype.itemsize))
    array = pa.array(values, pa.large_binary()) if isinstance(values, list) else values.cast(pa.large_binary())
    _, offsets, data = array.buffers()
    places = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    whole = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
    lengths = np.diff(places)
    found = np.empty(len(array), np.uint64)
    for length in np.unique(lengths):
        same = lengths == length
        found[same] = _hashes(whole[places[:-1][same][:, None] + np.arange(length)])
    return found


def _hashes(rows: NDArray[np.uint8]) -> _Words:
    """The xxHash64, of seed 0, of rows of bytes."""
    count, length = rows.shape
    eights = np.ascontiguousarray(rows[:, : length // 8 * 8]).view("<u8").reshape(count, length // 8)
    stripes = length // 32 * 4
    with np.errstate(over="ignore"):
        total = _striped(eights[:, :stripes]) if stripes else np.full(count, _P5)
        total = total + np.uint64(length)
        for at in range(stripes, length // 8):
            total = _rotated(total ^ _round(np.uint64(0), eights[:, at]), 27) * _P1 + _P4
        at = length // 8 * 8
        if length - at >= 4:
            four = np.ascontiguousarray(rows[:, at : at + 4]).view("<u4")[:, 0].astype(np.uint64)
            total = _rotated(total ^ four * _P1, 23) * _P2 + _P3
            at += 4
        for last in range(at, length):
            total = _rotated(total ^ rows[:, last].astype(np.uint64) * _P5, 11) * _P1
        total = (total ^ total >> np.uint64(33)) * _P2
        total = (total ^ total >> np.uint64(29)) * _P3
    return np.asarray(total ^ total >> np.uint64(32), np.uint64)


def _striped(eights: _Words) -> _Words:
    lanes = [np.full(len(eights), seed) for seed in (_P1 + _P2, _P2, np.uint64(0), np.uint64(0) - _P1)]
    for at in range(eights.shape[1]):
        lanes[at % 4] = _round(lanes[at % 4], eights[:, at])
    total = sum((_rotated(lane, by) for lane, by in zip(lanes, (1, 7, 12, 18), strict=True)), np.uint64(0))
    for lane in lanes:
        total = (total ^ _round(np.uint64(0), lane)) * _P1 + _P4
    return np.asarray(total, np.uint64)


def _round(lane: Any, word: _Words) -> _Words:
    return np.asarray(_rotated(lane + word * _P2, 31) * _P1, np.uint64)


def _rotated(words: Any, by: int) -> Any:
    return words << np.uint64(by) | words >> np.uint64(64 - by)
