"""What a raw file is, by its first records: how it is cut into pieces, and whether tweets or users are in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from compliance_frames.raw.names import delimiter_in
from compliance_frames.raw.packed import BOM, opened
from compliance_frames.raw.records import Object, dug, keys_of, looks_like_tweet, records_in
from compliance_frames.raw.units import Unit, csv_records, first_of, json_lines, json_values
from compliance_frames.schemas import RawKind

_DELIMITERS: Final = (",", ";", "\t", "|")
#: Pieces that are looked at, and lines that are tried.
_SOME: Final = 256
_TRIED: Final = 20
_HEAD: Final = 1 << 20
#: What answers of the service hold that have no tweets of their own.
_BESIDE: Final = frozenset({"includes", "users"})


@dataclass(frozen=True)
class Seen:
    """How a raw file is cut, and what was seen of it.

    Attributes:
        kind: how it is read.
        delimiter: what stands between the fields of a table; an empty text where it is none.
        users: whether there are users in it, and no tweets.
        bare: whether there is nothing in it but IDs of tweets.
        records: its first tweets or users; of a table, an object for each row, and one with empty texts at least.
    """

    kind: RawKind
    delimiter: str
    users: bool
    bare: bool
    records: tuple[Object, ...]


def seen_in(path: Path, told: str | None = None) -> Seen | None:
    """What a file is by its name and its first records; None where no tweets and no users are seen in it.

    Args:
        path: of the file; its name ends as those of raw files do.
        told: the way to the tweets' IDs; what it leads to is one. None where that is to be seen by the names of keys.

    Raises:
        RawFileError: it cannot be read.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "tweets.csv")
    >>> _ = path.write_text("id;text\\n7;hello\\n")
    >>> seen_in(path)
    Seen(kind='csv', delimiter=';', users=False, bare=False, records=({'id': '7', 'text': 'hello'},))
    """
    named = delimiter_in(path.name)
    return _seen_in_table(path, told, named) if named else _seen_in_json(path, told)


def units_of(kind: RawKind, delimiter: str, stream: Any) -> Iterator[Unit]:
    """The pieces of a file.

    >>> import io
    >>> [unit.value for unit in units_of("json", "", io.BytesIO(b"[7, 8]"))]
    [7, 8, None]
    """
    if kind == "csv":
        return csv_records(stream, delimiter)
    return json_lines(stream) if kind == "json lines" else json_values(stream)


def _is_tweet(record: Any, told: str | None) -> bool:
    if told is not None:
        return isinstance(record, dict) and dug(record, told)[0] is not None
    return looks_like_tweet(record)


def _seen_in_json(path: Path, told: str | None) -> Seen | None:
    kind = _json_kind(path)
    if kind is None:
        return None
    with opened(path) as stream:
        some = first_of(units_of(kind, "", stream), _SOME)
    every = [record for unit in some for _, record in records_in(unit.value)]
    there = tuple(record for record in every if _is_tweet(record, told))
    if not there and not any(isinstance(unit.value, dict) and unit.value.keys() & _BESIDE for unit in some):
        return None
    users = told is None and all(keys_of(record).person for record in there)
    return Seen(kind, "", users, bool(there) and all(map(_is_bare, there)), there)


def _json_kind(path: Path) -> RawKind | None:
    """Whether a file's values of JSON are one in each line; None where it is no JSON."""
    with opened(path) as stream:
        head = stream.read(_HEAD).removeprefix(BOM).lstrip()
    if head[:1] == b"[":
        return "json"
    lines = head.split(b"\n")[:_TRIED] if head[:1] == b"{" else []
    for line in lines:
        if line.startswith(b"{") and len(line.strip()) > 1:
            try:
                json.loads(line)
            except (ValueError, RecursionError):
                continue
            return "json lines"
    return "json" if lines else None


def _seen_in_table(path: Path, told: str | None, named: str) -> Seen | None:
    for delimiter in dict.fromkeys((named, *_DELIMITERS)):
        with opened(path) as stream:
            some = [unit.value for unit in first_of(units_of("csv", delimiter, stream), _SOME)]
        names = some[0] if some else []
        if len(set(names)) == len(names) and _is_tweet(dict.fromkeys(names, ""), told):
            rows = [dict(zip(names, fields, strict=True)) for fields in some[1:] if len(fields) == len(names)]
            users = told is None and keys_of(dict.fromkeys(names)).person
            there = tuple(rows) or (dict.fromkeys(names, ""),)
            return Seen("csv", delimiter, users, _is_bare(there[0]), there)
    return None


def _is_bare(record: Object) -> bool:
    keys = keys_of(record)
    return keys.names <= set(keys.ids)
