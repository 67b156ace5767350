"""Sorted unique IDs to the bodies that are uploaded, one chunk a job.

A chunk is a slice, not a copy; its body is made when it is needed, and the same IDs give the same bytes, so that
a digest written down before an upload still holds after a restart.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import polars as pl
import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Chunk:
    """What a chunk holds, without holding it.

    Attributes:
        count: how many IDs.
        first: the smallest ID.
        last: the largest ID.
        bytes: the length of the upload body.
        sha256: the upload body's SHA-256, in hex.
    """

    count: int
    first: int
    last: int
    bytes: int
    sha256: str


def split(parts: Iterable[pa.Int64Array], size: int) -> Iterator[pa.Int64Array]:
    """Cut sorted IDs that come in parts into chunks of ``size``, the last one of what is left.

    A chunk that lies in one part is a slice of it; no more than a chunk and a part are in memory.

    >>> [len(chunk) for chunk in split([pa.array(range(3)), pa.array(range(3, 10))], 4)]
    [4, 4, 2]
    """
    if size < 1:
        raise ValueError(f"a chunk holds at least 1 ID; got a chunk size of {size}")
    return _split(parts, size)


def _split(parts: Iterable[pa.Int64Array], size: int) -> Iterator[pa.Int64Array]:
    begun: list[pa.Int64Array] = []
    missing = size
    for part in parts:
        start = 0
        while len(part) - start >= missing:
            begun.append(part.slice(start, missing))
            start += missing
            yield begun[0] if len(begun) == 1 else pa.concat_arrays(begun)
            begun, missing = [], size
        if start < len(part):
            begun.append(part.slice(start))
            missing -= len(part) - start
    if begun:
        yield begun[0] if len(begun) == 1 else pa.concat_arrays(begun)


def body(ids: pa.Int64Array) -> bytes:
    r"""The upload body: one ID a line, in decimal, with a final newline.

    >>> body(pa.array([20, 1212161512043446272]))
    b'20\n1212161512043446272\n'
    """
    target = io.BytesIO()
    pl.Series("id", ids).to_frame().write_csv(target, include_header=False)
    return target.getvalue()


def describe(ids: pa.Int64Array, content: bytes | None = None) -> Chunk:
    """Count, range and digest of a chunk of sorted IDs.

    Args:
        ids: sorted IDs, at least one.
        content: their body, where the caller has made it already.

    >>> describe(pa.array([20, 21])).bytes
    6
    """
    if len(ids) == 0:
        raise ValueError("a chunk holds at least 1 ID; got none")
    content = body(ids) if content is None else content
    return Chunk(
        count=len(ids),
        first=ids[0].as_py(),
        last=ids[-1].as_py(),
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )
