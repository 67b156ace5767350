"""Chunks cover every ID once, and their bodies are what the service reads."""

from __future__ import annotations

import hashlib
from itertools import chain

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance_frames.ids.chunks import body, describe, split

ids = st.lists(st.integers(0, 2**63 - 1), min_size=1, unique=True).map(sorted)


def parts_of(values: list[int], size: int) -> list[pa.Int64Array]:
    return [pa.array(values[at : at + size], pa.int64()) for at in range(0, len(values), size)]


@given(ids, st.integers(1, 50), st.integers(1, 50))
def test_every_id_is_in_exactly_one_chunk(values: list[int], size: int, cut: int) -> None:
    """The chunks, one after the other, are the IDs, in whatever parts these come; none but the last is short."""
    chunks = [chunk.to_pylist() for chunk in split(parts_of(values, cut), size)]
    assert list(chain.from_iterable(chunks)) == values
    assert all(len(chunk) == size for chunk in chunks[:-1])
    assert 1 <= len(chunks[-1]) <= size


@given(ids)
def test_a_body_has_one_id_a_line_and_a_final_newline(values: list[int]) -> None:
    """The body is the IDs in decimal, each ended by a newline, and nothing else."""
    assert body(pa.array(values)) == "".join(f"{value}\n" for value in values).encode()


@given(ids)
def test_a_description_is_true_of_the_body(values: list[int]) -> None:
    """Count, range, length and digest are those of the bytes that are sent."""
    chunk = describe(pa.array(values))
    sent = body(pa.array(values))
    assert (chunk.count, chunk.first, chunk.last) == (len(values), values[0], values[-1])
    assert (chunk.bytes, chunk.sha256) == (len(sent), hashlib.sha256(sent).hexdigest())


def test_slices_share_their_memory() -> None:
    """Cutting does not copy: 50 million IDs stay one buffer."""
    whole = pa.array(range(1000))
    assert {chunk.buffers()[1].address for chunk in split([whole], 100)} == {whole.buffers()[1].address}


def test_a_chunk_of_nothing_is_refused() -> None:
    """Neither a size of 0 nor an empty chunk makes a job."""
    with pytest.raises(ValueError, match="chunk size of 0"):
        split([pa.array([1])], 0)
    with pytest.raises(ValueError, match="got none"):
        describe(pa.array([], pa.int64()))
