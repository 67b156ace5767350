"""What can outlast a row in the words of a file: in its metadata, and in its name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, Final

import pyarrow as pa

from compliance_frames.proof.roles import Whose, id_in_name

#: Shorter numbers in names and metadata are sizes and dates far more often than IDs. Tweets since 2010 have 11 digits.
_DIGITS: Final = re.compile(r"(?<!\d)\d{11,19}(?!\d)")
_ENUM: Final = b"_PL_ENUM_VALUES"


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
