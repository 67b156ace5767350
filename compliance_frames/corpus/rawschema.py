"""The keys of raw records as a schema, so that what is known of columns can be asked of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

from compliance_frames.raw.forms import seen_in
from compliance_frames.raw.names import may_be_raw
from compliance_frames.raw.units import sound


def raw_schema(path: Path, told: str | None = None) -> pa.Schema | None:
    """The keys of a raw file's first records; None where it holds none.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "tweets.jsonl")
    >>> _ = path.write_text('{"id": 7, "text": "", "user": {"id": 8}}')
    >>> raw_schema(path).names, raw_schema(path).field("user").type
    (['id', 'text', 'user'], StructType(struct<id: string>))
    """
    seen = seen_in(path, told) if may_be_raw(path.name) else None
    return None if seen is None or not seen.records else pa.schema(list(_kind(seen.records)))


def _kind(values: Iterable[Any]) -> Any:
    """The type of all values of one key: objects and lists of them as such, anything else as text."""
    there = [value for value in values if value is not None and value not in ({}, [])]
    if there and all(isinstance(value, dict) for value in there):
        names = dict.fromkeys(name for value in there for name in value)
        return pa.struct([(sound(name), _kind([value.get(name) for value in there])) for name in names])
    if there and all(isinstance(value, list) for value in there):
        return pa.list_(_kind([each for value in there for each in value]))
    return pa.string()
