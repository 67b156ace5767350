"""What can outlast a row in its file: in dictionaries, statistics, Bloom filters, metadata, names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, BinaryIO, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from compliance_frames.proof.pages import dictionary_page
from compliance_frames.proof.roles import Whose, id_in_name

#: Shorter numbers in names and metadata are sizes and dates far more often than IDs. Tweets since 2010 have 11 digits.
_DIGITS: Final = re.compile(r"(?<!\d)\d{11,19}(?!\d)")
_ENUM: Final = b"_PL_ENUM_VALUES"


def entries_of(file: BinaryIO, chunk: Any, width: int) -> pa.Array[Any] | None:
    """The dictionary of a column chunk, as it lies in the file; None where it has none.

    Args:
        file: the open file.
        chunk: its metadata, as pyarrow has them.
        width: bytes of each value of a column of fixed length.

    Raises:
        PageError: it cannot be read.
    """
    first = chunk.data_page_offset
    if chunk.dictionary_page_offset:  # some writers leave it out, and begin with the dictionary nevertheless
        first = min(first, chunk.dictionary_page_offset)
    return dictionary_page(
        file,
        first,
        chunk.total_compressed_size,
        codec=chunk.compression,
        physical=chunk.physical_type,
        width=width,
    )


def unused_entries(entries: Any, leaf: Any) -> int:
    """How many entries of a dictionary no row has.

    Text, bytes and plain numbers are held against the very values of the rows; of dates, times and decimals, which
    Arrow holds otherwise than Parquet does, the numbers of different values are compared.

    Args:
        entries: of the dictionary page.
        leaf: the column chunk's values, decoded.

    >>> unused_entries(pa.array([b"here", b"erased"], pa.large_binary()), pa.array(["here", None]))
    1
    """
    present = leaf.drop_null()
    stored = entries.unique()
    if _is_text(present.type) and pt.is_large_binary(stored.type):
        return int(np.sum(~np.asarray(pc.is_in(stored, value_set=_bytes(present).unique()))))
    numbers = pt.is_integer(present.type) and pt.is_integer(stored.type)
    if numbers or (pt.is_floating(present.type) and present.type == stored.type):
        kept, listed = np.asarray(present), np.asarray(entries)
        if not numbers:  # bit by bit: what is not a number equals nothing, and 0.0 equals -0.0
            kind = f"i{listed.dtype.itemsize}"
            kept, listed = kept.view(kind), listed.view(kind)
        return int(np.sum(~np.isin(np.unique(listed), kept.astype(listed.dtype))))
    if not len(present):  # of a column without a type, nothing can be counted
        return len(stored)
    return max(0, len(stored) - int(pc.count_distinct(present).as_py()))


def bounds_of(chunk: Any) -> pa.Array[Any]:
    """The smallest and the largest value of a column chunk by its statistics, as text; empty where there are none."""
    told = chunk.statistics if chunk.is_stats_set else None
    if told is None or not told.has_min_max:
        return pa.array([], pa.large_string())
    both = (told.min, told.max)
    return pa.array(
        [each.decode(errors="replace") if isinstance(each, bytes) else str(each) for each in both], pa.large_string()
    )


def numbers_in_metadata(schema: pa.Schema, footer: dict[bytes, bytes] | None) -> pa.Array[Any]:
    """The numbers that can be IDs in the key-value metadata of a file and of its columns.

    >>> numbers_in_metadata(pa.schema([]), {b"exported": b"1212161512043446272, 2020-01-01"}).to_pylist()
    ['1212161512043446272']
    """
    told = [*(footer or {}).items(), *(item for field in schema for item in _metadata_of(field))]
    text = "\n".join(part.decode(errors="replace") for item in told for part in item)
    return pa.array(sorted(set(_DIGITS.findall(text))), pa.large_string())


def numbers_in_name(path: str) -> Iterator[tuple[Whose, str]]:
    """The numbers that can be IDs in a file's name and those of its directories, and whom each would name.

    >>> sorted(numbers_in_name("author_id=12/1212161512043446272.parquet"))
    [('author', '12'), ('author', '1212161512043446272'), ('tweet', '1212161512043446272')]
    """
    for part in PurePosixPath(path).parts:
        key, _, value = part.partition("=")
        named = id_in_name(key) if value.isdecimal() else None
        if named is not None:
            yield named, value
            continue
        for number in _DIGITS.findall(part):
            yield "tweet", number
            yield "author", number


def listed_categories(schema: pa.Schema) -> tuple[str, ...]:
    """The columns whose metadata list all categories of a polars Enum, whether a row has them or not.

    >>> listed_categories(pa.schema([pa.field("lang", pa.string(), metadata={"_PL_ENUM_VALUES2": "2;en"})]))
    ('lang',)
    """
    return tuple(field.name for field in schema if any(key.startswith(_ENUM) for key, _ in _metadata_of(field)))


def _metadata_of(field: Any) -> Iterator[tuple[bytes, bytes]]:
    yield from (field.metadata or {}).items()
    kind = field.type
    for at in range(kind.num_fields):
        yield from _metadata_of(kind.field(at))


def _is_text(kind: Any) -> bool:
    text = pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind)
    return bool(text or pt.is_binary(kind) or pt.is_large_binary(kind) or pt.is_binary_view(kind))


def _bytes(values: Any) -> Any:
    if pt.is_string_view(values.type):
        values = values.cast(pa.large_string())
    return values.cast(pa.large_binary())
