"""Result files into Arrow tables: every line understood, or the whole file refused with the line's number.

Lines of the shape that the service writes are taken apart by columns. All others go through a JSON parser that
refuses what JSON libraries let pass: repeated keys, IDs that went through floating point, a line cut off. Both
ways give the same rows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from compliance_frames.errors import ResultsError
from compliance_frames.schemas import RESULTS, TREATMENTS, JobType

_TIME_TEXT = r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,3})?(?:Z|\+00:00)"
_WORD_TEXT = r"[A-Za-z][A-Za-z0-9_]{0,63}"
_CANONICAL = (
    r'^\{"id":"(?P<id>[0-9]{1,18})","action":"(?P<action>' + _WORD_TEXT + r')","created_at":"(?P<created_at>'
    f'{_TIME_TEXT})"(?:,"redacted_at":"(?P<redacted_at>{_TIME_TEXT})")?,"reason":"(?P<reason>{_WORD_TEXT})"'
    r"\}\r?$"
)
_ID = re.compile(r"[0-9]{1,19}")
_WORD = re.compile(_WORD_TEXT)
_LARGEST = 2**63 - 1
_LONGEST_LINE = 1 << 16
_BLOCK = 1 << 25

_TIME = pa.timestamp("ms", tz="UTC")
_PARSED = pa.schema(
    [
        ("id", pa.int64()),
        ("action", pa.string()),
        ("reason", pa.string()),
        ("created_at", _TIME),
        ("redacted_at", _TIME),
    ]
)


def parse(data: bytes, *, type: JobType, job_id: int, checked_at: datetime) -> pa.Table:
    r"""Parse a job's result file.

    Args:
        data: the file: one JSON object a line; empty lines may stand between; no line at all is all clear.
        type: what the job's IDs were.
        job_id: the job's ID.
        checked_at: when the answer was given (UTC).

    Returns:
        A table of schema :data:`compliance_frames.schemas.RESULTS`: one row per flagged ID, sorted by ID; of
        several results for one ID the strictest.

    Raises:
        ResultsError: any line is not what the service writes; nothing of the file is used.

    >>> line = b'{"id":"20","action":"delete","created_at":"2006-03-21T20:50:14.000Z","reason":"deleted"}\n'
    >>> table = parse(line, type="tweets", job_id=1, checked_at=datetime(2026, 1, 1, tzinfo=UTC))
    >>> table.select(["id", "reason"]).to_pylist()
    [{'id': 20, 'reason': 'deleted'}]
    """
    at = data.find(b"\0")
    if at >= 0:
        _refuse(data.count(b"\n", 0, at) + 1, "holds a NUL byte")
    rows = pa.Table.from_batches(_batches(data), _PARSED)
    return _finished(rows, type, job_id, checked_at)


def strictest(tables: Iterable[pa.Table]) -> pa.Table:
    """Many tables of results as one: one row per type and ID, the strictest (to drop before to scrub), sorted.

    >>> strictest([]).num_rows
    0
    """
    parts = [table.cast(RESULTS) for table in tables]
    if not parts:
        return RESULTS.empty_table()
    words = ("type", "action", "reason")
    plain = pa.schema([f.with_type(pa.string()) if f.name in words else f for f in RESULTS])
    table = pa.concat_tables([part.cast(plain) for part in parts]).combine_chunks()
    table = table.append_column("_mild", _mildness(table.column("reason")))
    # The last keys only make the choice between equally strict results the same every time.
    keys = ("type", "id", "_mild", "reason", "action", "redacted_at", "checked_at", "job_id")
    table = table.take(pc.sort_indices(table, sort_keys=[(key, "ascending") for key in keys]))
    return table.filter(_first_of_each(table)).select(RESULTS.names).cast(RESULTS).unify_dictionaries().combine_chunks()


def _first_of_each(table: pa.Table) -> pa.Array:
    ids = table.column("id").to_numpy()
    types = pc.index_in(table.column("type"), pa.array(["tweets", "users"])).to_numpy()
    keep = np.ones(len(ids), bool)
    keep[1:] = (ids[1:] != ids[:-1]) | (types[1:] != types[:-1])
    return pa.array(keep)


def _mildness(reasons: Any) -> Any:
    mild = pa.array([reason for reason, treatment in TREATMENTS.items() if treatment != "drop"])
    return pc.is_in(reasons, mild).cast(pa.int8())


def _finished(rows: pa.Table, type: JobType, job_id: int, checked_at: datetime) -> pa.Table:
    count = rows.num_rows
    constants = {
        "type": pa.array([type], pa.string()).take(pa.array(np.zeros(count, np.int64))),
        "job_id": pa.array(np.full(count, job_id, np.int64)),
        "checked_at": pa.array([checked_at], _TIME).take(pa.array(np.zeros(count, np.int64))),
    }
    table = pa.table({name: constants[name] if name in constants else rows.column(name) for name in RESULTS.names})
    return strictest([table.cast(RESULTS)])


def _batches(data: bytes) -> Iterator[pa.RecordBatch]:
    """The file in blocks of whole lines."""
    start, line = 0, 1
    while start < len(data):
        end = len(data)
        if end - start > _BLOCK:
            end = data.rfind(b"\n", start, start + _BLOCK) + 1 or data.find(b"\n", start) + 1 or len(data)
        block = data[start:end]
        yield _block(block, line)
        line += block.count(b"\n")
        start = end


def _block(block: bytes, first_line: int) -> pa.RecordBatch:
    try:
        text = block.decode("utf-8")
    except UnicodeDecodeError as error:
        _refuse(first_line + block.count(b"\n", 0, error.start), "is not UTF-8")
    lines = pc.split_pattern(pa.array([text], pa.large_string()), "\n").flatten()
    parts = pc.extract_regex(lines, _CANONICAL)
    odd = pc.indices_nonzero(pc.is_null(parts)).to_pylist()
    strict = [(at, _line(lines[at].as_py(), first_line + at)) for at in odd]
    strict = [(at, row) for at, row in strict if row is not None]
    try:
        quick = _columns(parts.drop_null())
    except pa.ArrowInvalid:  # a date like 30 February fits the shape and is none: find its line
        for at in range(len(lines)):
            _line(lines[at].as_py(), first_line + at)
        raise
    slow = pa.RecordBatch.from_pylist([row for _, row in strict if row], _PARSED)
    return pa.concat_batches([quick, slow]) if slow.num_rows else quick


def _columns(parts: pa.StructArray) -> pa.RecordBatch:
    texts = {name: pc.struct_field(parts, name) for name in _PARSED.names}
    redacted = texts["redacted_at"]
    texts["redacted_at"] = pc.if_else(pc.equal(redacted, ""), pa.scalar(None, redacted.type), redacted)
    return pa.RecordBatch.from_arrays([texts[field.name].cast(field.type) for field in _PARSED], schema=_PARSED)


def _line(text: str, number: int) -> dict[str, Any] | None:
    """One line, strictly; None where it is blank."""
    if not text.strip():
        return None
    if len(text) > _LONGEST_LINE:
        _refuse(number, "is longer than any result")
    try:
        value = json.loads(text, object_pairs_hook=_unrepeated, parse_constant=_no_number, parse_float=_Float)
    except _Repeated as error:
        _refuse(number, f"repeats the key {error.args[0]!r}")
    except (ValueError, RecursionError):
        _refuse(number, "is not JSON, or was cut off")
    if not isinstance(value, dict):
        _refuse(number, "is not a JSON object")
    return {
        "id": _id(value.get("id"), number),
        "action": _word(value, "action", number),
        "reason": _word(value, "reason", number),
        "created_at": _time(value, "created_at", number),
        "redacted_at": _time(value, "redacted_at", number),
    }


class _Repeated(Exception):
    """A key that stands twice in one object."""


class _Float(str):
    """A number with a point or an exponent, as it was written: no ID, and never one."""


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for key, item in pairs:
        if key in value:
            raise _Repeated(key[:40])
        value[key] = item
    return value


def _no_number(text: str) -> NoReturn:
    raise ValueError(text)


def _id(value: Any, number: int) -> int:
    if isinstance(value, bool | _Float) or not isinstance(value, int | str):
        _refuse(number, "has no ID, or one that is neither an integer nor a string of digits")
    if not _ID.fullmatch(str(value)) or int(value) > _LARGEST:
        _refuse(number, "has an ID that is not 1 to 19 digits, or above 2^63-1")
    return int(value)


def _word(value: dict[str, Any], key: str, number: int) -> str:
    word = value.get(key)
    if not isinstance(word, str) or isinstance(word, _Float) or not _WORD.fullmatch(word):
        _refuse(number, f"has no {key}, or one that is not a plain word")
    return word


def _time(value: dict[str, Any], key: str, number: int) -> datetime | None:
    text = value.get(key)
    if text is None:
        return None
    try:
        if not isinstance(text, str) or not re.fullmatch(_TIME_TEXT, text):
            raise ValueError(text)
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        _refuse(number, f"has a {key} that is not a time in UTC")


def _refuse(line: int, what: str) -> NoReturn:
    raise ResultsError(
        f"Line {line} of the result file {what}. Nothing of the file is used; it will be fetched again.", line=line
    ) from None
