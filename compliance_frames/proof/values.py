"""What the rows of one column chunk have, gathered batch by batch, to hold against what lies beside them."""

from __future__ import annotations

from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from numpy.typing import NDArray

from compliance_frames.proof.bloom import hashes_of
from compliance_frames.proof.chunk import ChunkFacts
from compliance_frames.proof.footer import Bounds
from compliance_frames.proof.idpages import IdPages
from compliance_frames.proof.pages import dictionary_values
from compliance_frames.proof.texts import is_text

_NUMBERS: Final = {"INT32": "<i4", "INT64": "<i8", "FLOAT": "<i4", "DOUBLE": "<i8"}
_POINTED: Final = {"FLOAT": "<f4", "DOUBLE": "<f8"}


class LeafValues:
    """The different values of a column chunk.

    Args:
        facts: of the same chunk.
        compare: whether what lies beside the rows has to be held against them.
    """

    def __init__(self, facts: ChunkFacts, *, compare: bool) -> None:
        self.facts = facts
        self._compare = compare
        self._parts: list[Any] = []
        self._entries: Any = None
        self._used: np.ndarray[Any, Any] | None = None
        self._kind: Any = None
        self._distinct: Any = None

    def add(self, leaf: Any) -> None:
        """Take the values of one more batch."""
        if not self._compare:
            return
        if not pt.is_dictionary(leaf.type):
            leaf = _bitwise(leaf.drop_null())
            self._kind = leaf.type
            self._parts.append(_once(leaf))
        elif self._is_the_page(leaf.dictionary):
            used = leaf.indices.drop_null().to_numpy(zero_copy_only=False)
            if self._used is None:
                self._entries, self._used = leaf.dictionary, np.zeros(len(leaf.dictionary), np.bool_)
            self._used[used] = True
            self._kind = leaf.dictionary.type
        else:
            self._kind = leaf.dictionary.type
            self._parts.append(leaf.dictionary.take(leaf.indices.drop_null().unique()))

    def _is_the_page(self, dictionary: Any) -> bool:
        """Whether a dictionary that a reader gives is the page as it lies there, entry by entry."""
        facts = self.facts
        same = facts.indexed and facts.dictionary is not None and facts.dictionary.header.values == len(dictionary)
        return same and (self._entries is None or len(self._entries) == len(dictionary))

    def distinct(self) -> Any:
        """Every value that some row has, once; asked for when all batches were taken."""
        if self._distinct is None:
            self._distinct = self._joined()
        return self._distinct

    def _joined(self) -> Any:
        parts = list(self._parts)
        if self._used is not None:
            parts.append(self._entries if self._used.all() else self._entries.filter(pa.array(self._used)))
        if not parts:
            return pa.array([], self._kind or pa.null())
        return pa.chunked_array(parts).unique() if len(parts) > 1 else parts[0]

    def unused(self) -> int:
        """How many entries of the dictionary page no row has.

        Raises:
            PageError: it cannot be read.
        """
        if self.facts.dictionary is None or not self._compare:
            return 0
        if self._used is not None and not self._parts:
            return int(np.sum(~self._used))
        return unused_entries(dictionary_values(self.facts.dictionary, self.facts.chunk), self.distinct())

    def entries(self) -> Any:
        """The entries of the dictionary page."""
        if self._used is not None:
            return self._entries
        assert self.facts.dictionary is not None
        return dictionary_values(self.facts.dictionary, self.facts.chunk)

    def foreign_bounds(self) -> int:
        """How many statistics are no value of any row, nor the beginning of one."""
        if not self._compare or not self.facts.bounds:
            return 0
        have = self.distinct()
        if is_text(have.type):
            have = _bytes(have)
            told = {value for each in self.facts.bounds for value in each}
            bare = pa.array(sorted(told), pa.large_binary())
            left = told.difference(have.filter(pc.is_in(have, value_set=bare)).to_pylist())
            return sum(not _begins(value, have) for value in left)
        if pt.is_decimal(have.type):
            return self._foreign_decimals(have)
        stored = self._numbers()
        if stored is None:
            return 0
        sized = {value for each in self.facts.bounds for value in each if len(value) == stored.dtype.itemsize}
        bounds = np.frombuffer(b"".join(sorted(sized)), stored.dtype)
        if self.facts.chunk.physical in _POINTED:  # as numbers: 0.0 and -0.0 are one, and what is none is no value
            pointed = _POINTED[self.facts.chunk.physical]
            bounds, stored = bounds.view(pointed), stored.view(pointed)
            bounds = bounds[~np.isnan(bounds)]
        return _foreign(bounds, stored) + self._odd(stored.itemsize)

    def _foreign_decimals(self, have: Any) -> int:
        """The same of decimals, whose bytes stand the other way round in statistics, without those that say nothing."""
        width = have.type.bit_width // 8
        order: Literal["little", "big"] = "little" if self.facts.chunk.physical in _NUMBERS else "big"
        told = {int.from_bytes(value, order, signed=True) for each in self.facts.bounds for value in each if value}
        fits = [number for number in told if -(1 << 8 * width - 1) <= number < 1 << 8 * width - 1]
        stored = np.frombuffer(have.buffers()[1], f"S{width}")[have.offset : have.offset + len(have)]
        bounds = np.array([number.to_bytes(width, "little", signed=True) for number in fits], f"S{width}")
        return int(np.sum(~np.isin(bounds, stored))) + len(told) - len(fits)

    def _numbers(self) -> Any:
        """The different values as the numbers that are stored; None where that is not known of their type."""
        have, physical = self.distinct(), self.facts.chunk.physical
        timed = (pt.is_timestamp(have.type) and have.type.unit != "s") or pt.is_date32(have.type)
        if physical not in _NUMBERS or not (pt.is_integer(have.type) or timed):
            return None
        dtype = np.dtype(_NUMBERS[physical])
        if timed:
            have = have.view(pa.int64() if pt.is_timestamp(have.type) else pa.int32())
        return np.asarray(have).astype(dtype)

    def _odd(self, size: int) -> int:
        """Bounds of numbers that are not as long as numbers are; an empty one is none."""
        return sum(len(value) not in (0, size) for each in self.facts.bounds for value in each)

    def hashes(self) -> Any:
        """The hashes of the different values as a Bloom filter has them; None where that is not known of their type."""
        have, physical = self.distinct(), self.facts.chunk.physical
        if is_text(have.type) and physical in ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"):
            return hashes_of(_bytes(have))
        stored = self._numbers()
        return None if stored is None else hashes_of(stored)

    def bound_texts(self) -> pa.Array[Any]:
        """The statistics as IDs could be spelled in them."""
        return bound_texts(self.facts.bounds, self.facts.chunk.physical)


class IdValues(LeafValues):
    """The same of a chunk whose IDs are known already, from its pages; it has no Bloom filter.

    Args:
        facts: of the chunk.
        ids: of all of its rows.
        compare: whether what lies beside the rows has to be held against them.
    """

    def __init__(self, facts: ChunkFacts, ids: IdPages, *, compare: bool) -> None:
        super().__init__(facts, compare=compare)
        self._ids = ids

    def add(self, leaf: Any) -> None:
        """Nothing is to be taken of a batch: it is made of what is known."""

    def _joined(self) -> Any:
        numbers = self._ids.rows()
        return _once(pa.array(numbers[numbers >= 0])).cast(pa.large_string())

    def unused(self) -> int:
        """How many entries of the dictionary page no row has."""
        return self._ids.unused() if self._compare else 0

    def entries(self) -> Any:
        """The entries of the dictionary page."""
        return pa.array(self._ids.entries)

    def foreign_bounds(self) -> int:
        """How many statistics are no value of any row, nor the beginning of one."""
        numbers = self._ids.rows()
        told = {value for each in self.facts.bounds for value in each}
        known = (value.isdigit() and value[:1] != b"0" and len(value) < 20 and int(value) in numbers for value in told)
        return 0 if all(known) else super().foreign_bounds()


def bound_texts(bounds: list[Bounds], physical: str) -> pa.Array[Any]:
    """Statistics as text: numbers in digits, bytes as they are; each once.

    >>> bound_texts([Bounds(b"7", b"9"), Bounds(b"7", b"9")], "BYTE_ARRAY").to_pylist()
    ['7', '9']
    >>> bound_texts([Bounds((5).to_bytes(8, "little"), None)], "INT64").to_pylist()
    ['5']
    """
    values = dict.fromkeys(value for each in bounds for value in each)
    if physical in ("INT32", "INT64"):
        size = np.dtype(_NUMBERS[physical]).itemsize
        numbers = [str(int.from_bytes(each, "little", signed=True)) for each in values if len(each) == size]
        return pa.array(numbers, pa.large_string())
    return pa.array([each.decode(errors="replace") for each in values], pa.large_string())


def unused_entries(entries: Any, present: Any) -> int:
    """How many entries of a dictionary no row has.

    Text, bytes and plain numbers are held against the very values of the rows; of dates, times and decimals, which
    Arrow holds otherwise than Parquet does, the numbers of different values are compared.

    Args:
        entries: of the dictionary page.
        present: values that rows have.

    >>> unused_entries(pa.array([b"here", b"erased"], pa.large_binary()), pa.array(["here", None]))
    1
    """
    present, entries = _bitwise(present.drop_null()), _once(_bitwise(entries))
    if not len(entries):
        return 0
    if is_text(present.type) and pt.is_large_binary(entries.type):
        return int(np.sum(~np.asarray(pc.is_in(entries, value_set=_bytes(present)))))
    if pt.is_integer(present.type) and pt.is_integer(entries.type):
        listed = np.asarray(entries)
        same = np.sort(np.asarray(present).astype(listed.dtype))
        return len(listed) - _common(listed, same)
    if not len(present):  # of a column without a type, nothing can be counted
        return len(entries)
    return max(0, len(entries) - len(_once(present)))


def _common(some: NDArray[Any], values: NDArray[Any]) -> int:
    """How many of some different numbers are among others; both are sorted."""
    if not len(values) or np.array_equal(some, values):
        return len(values)
    return int(np.sum(values[np.minimum(np.searchsorted(values, some), len(values) - 1)] == some))


def _foreign(few: NDArray[Any], values: NDArray[Any]) -> int:
    """How many of a few numbers are not among many, which are not sorted for it."""
    return int(np.sum(~np.isin(few, values[np.isin(values, few)])))


def _once(values: Any) -> Any:
    """Each value once. Numbers come sorted: that takes an eighth of the time that their hashes take."""
    kind = values.type
    if not (pt.is_integer(kind) or pt.is_temporal(kind)) or kind.bit_width not in (32, 64):
        return values.unique()
    whole = pa.int64() if kind.bit_width == 64 else pa.int32()
    numbers = np.sort(np.asarray(values.view(whole) if pt.is_temporal(kind) else values))
    return pa.array(numbers[np.append(True, numbers[1:] != numbers[:-1])[: len(numbers)]]).view(kind)


def _begins(value: bytes, values: Any) -> bool:
    """Whether some value begins like a bound that may have been cut, its last letter made larger."""
    stem = value[:-4] if len(value) > 15 else value[:-1]
    if not stem:
        return not len(value)
    return bool(pc.any(pc.starts_with(values, pattern=stem)).as_py())


def _bitwise(values: Any) -> Any:
    """Numbers with a point as the bits they are: what is not a number equals nothing, and 0.0 equals -0.0."""
    kinds = {pa.float16(): pa.int16(), pa.float32(): pa.int32(), pa.float64(): pa.int64()}
    return values.view(kinds[values.type]) if values.type in kinds else values


def _bytes(values: Any) -> Any:
    if pt.is_string_view(values.type):
        values = values.cast(pa.large_string())
    return values.cast(pa.large_binary())
