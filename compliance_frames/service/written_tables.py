"""Tables of results that somebody wrote to CSV or Parquet, held to the rules of results again.

A table may have been through pandas, R or a spreadsheet since ``check`` gave it: IDs can have lost digits, times their
zone, words their meaning. Each column is read as what it must be, or the table is refused with the first bad row.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from compliance_frames.errors import ResultsError
from compliance_frames.ids.parse import parse_ids
from compliance_frames.schemas import BOUNDED, JobType
from compliance_frames.service.bounded import MOST_UNPACKED
from compliance_frames.service.lines import YEAR_1, YEAR_10000

_NEEDED: Final = ("id", "action", "reason")
_LONGEST_HEADER: Final = 1 << 16
_NOTHING: Final = ["", "NA", "N/A", "NULL", "null", "None", "NaN", "nan", "NaT", "<NA>"]
_WORD: Final = "^[A-Za-z][A-Za-z0-9_]{0,63}$"
#: As pandas, polars, DuckDB, R and the service write a moment; without a zone it is none.
_MOMENT: Final = r"^[0-9]{4}-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?"
_ZONED: Final = rf"{_MOMENT}(Z|[+-][0-9]{{2}}(:?[0-9]{{2}})?)$"
#: How the service spells when a tweet was made, and when an account was.
_SPELLINGS: Final[dict[JobType, str]] = {"tweets": r"^[^.]*\.[0-9]{1,3}Z$", "users": r"^[^.]*\+00:00$"}
#: Fewer bytes than this no ID takes, whatever the encoding.
_MOST_ROWS_A_BYTE: Final = 50

_TIME: Final = BOUNDED.field("created_at").type


def table_of_csv(stream: BinaryIO, *, type: JobType | None, checked_at: datetime) -> pa.Table:
    """A table of results from CSV with a header, by comma, semicolon or tab.

    Args:
        stream: the file.
        type: what the IDs are, where there is no such column.
        checked_at: when the answers were given, where there is no such column.

    Raises:
        ResultsError: it is no such table.
        IdError: its IDs are none.

    >>> import io
    >>> from datetime import UTC
    >>> text = b"id;action;reason\\n20;delete;deleted\\n"
    >>> table_of_csv(io.BytesIO(text), type="tweets", checked_at=datetime(2026, 1, 1, tzinfo=UTC)).num_rows
    1
    """
    header = stream.readline(_LONGEST_HEADER).decode("utf-8-sig", "replace").rstrip("\r\n")
    delimiter = next((each for each in ",;\t" if "id" in _fields(header, each)), ",")
    names = _fields(header, delimiter)
    _must_be_results(names)
    try:
        table = pa_csv.read_csv(
            stream,
            read_options=pa_csv.ReadOptions(column_names=names, use_threads=False),
            parse_options=pa_csv.ParseOptions(delimiter=delimiter),
            convert_options=pa_csv.ConvertOptions(
                include_columns=[name for name in BOUNDED.names if name in names and name != "withheld_in_countries"],
                column_types=dict.fromkeys(names, pa.string()),
                null_values=_NOTHING,
                strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid as error:
        if "Empty CSV" not in str(error):
            raise ResultsError(f"the file is not CSV throughout: {str(error).splitlines()[0]}") from None
        table = pa.table({name: pa.array([], pa.string()) for name in names if name in BOUNDED.names})
    return _read(table, type, checked_at)


def table_of_parquet(path: Path, *, type: JobType | None, checked_at: datetime) -> pa.Table:
    """A table of results from Parquet.

    Raises:
        ResultsError: it is no such table, cannot be read, or would be far larger than its file.
        IdError: its IDs are none.
    """
    try:
        with pa.OSFile(os.fsencode(path), "rb") as stream, pq.ParquetFile(stream, pre_buffer=False) as file:
            _must_be_results(file.schema_arrow.names)
            _must_be_bounded(file.metadata, path.stat().st_size)
            names = [name for name in BOUNDED.names if name in file.schema_arrow.names]
            table = file.read(columns=names, use_threads=False)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ResultsError(f"the file cannot be read as Parquet: {str(error).splitlines()[0]}") from None
    return _read(table, type, checked_at)


def _fields(header: str, delimiter: str) -> list[str]:
    return next(csv.reader([header], delimiter=delimiter), [])


def _must_be_results(names: list[str]) -> None:
    missing = [name for name in _NEEDED if name not in names]
    if missing:
        raise ResultsError(
            f"this is no table of results: it has no column {', '.join(missing)} "
            f"(it has {', '.join(repr(name[:40]) for name in names[:8])}{', …' * (len(names) > 8)})"
        )
    if len(set(names)) < len(names):
        raise ResultsError("this is no table of results: two of its columns have one name")


def _must_be_bounded(metadata: Any, size: int) -> None:
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    bytes_ = sum(group.total_byte_size for group in groups)
    if metadata.num_rows > _MOST_ROWS_A_BYTE * size or bytes_ > MOST_UNPACKED * max(size, 1 << 16):
        raise ResultsError("the file unpacks to more than any table of results would; it is refused")


def _read(table: pa.Table, type: JobType | None, checked_at: datetime) -> pa.Table:
    """Each column as what it must be; what is not there is null, or was told."""
    found = {name: table.column(name) for name in table.column_names}
    columns = {
        "type": _types(found, type, table.num_rows),
        "id": _complete(parse_ids(found["id"], column="id"), "id"),
        "action": _words(found["action"], "action"),
        "reason": _words(found["reason"], "reason"),
    }
    readers: dict[str, Callable[[Any, str], Any]] = {
        "created_at": _times,
        "redacted_at": _times,
        "job_id": _numbers,
        "checked_at": _times,
        "up_to": _numbers,
        "withheld_in_countries": _countries,
    }
    for name, reader in readers.items():
        kind = BOUNDED.field(name).type
        columns[name] = reader(found[name], name) if name in found else pa.nulls(table.num_rows, kind)
    columns["checked_at"] = pc.fill_null(columns["checked_at"], pa.scalar(checked_at, _TIME))
    return pa.table({name: columns[name] for name in BOUNDED.names}).cast(BOUNDED)


def _types(found: dict[str, Any], told: JobType | None, rows: int) -> Any:
    if "type" not in found:
        return pa.repeat(told or _type_spelled(found.get("created_at"), rows), rows)
    words = _words(found["type"], "type")
    allowed = [told] if told else list(_SPELLINGS)
    wrong = pc.invert(pc.is_in(words, pa.array(allowed)))
    _refuse(wrong, "type", f"is not {' or '.join(repr(each) for each in allowed)}")
    return words


def _type_spelled(created_at: Any, rows: int) -> JobType:
    """The type that the service's own spelling of times tells, where nobody has changed it."""
    if not rows:
        return "tweets"  # of nothing
    if created_at is not None and pa.types.is_string(created_at.type) and created_at.null_count < rows:
        for kind, spelling in _SPELLINGS.items():
            if pc.all(pc.match_substring_regex(created_at, spelling)).as_py():
                return kind
    raise ResultsError(
        "the table does not tell whether its IDs are of tweets or of users: it has no column 'type'. "
        'Tell it with type="tweets" or type="users"'
    )


def _text(values: Any) -> Any:
    """Text of any layout as plain strings; None where it is none."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        values = pa.chunked_array([chunk.dictionary_decode() for chunk in values.chunks], kind.value_type)
    if pa.types.is_null(values.type) or re.fullmatch("(large_)?string(_view)?", str(values.type)):
        return values.cast(pa.string())
    return None


def _words(values: Any, name: str) -> Any:
    words = _text(values)
    if words is None:
        raise ResultsError(f"column {name!r} holds {values.type}, and no words")
    words = _complete(words, name)
    _refuse(pc.invert(pc.match_substring_regex(words, _WORD)), name, "is not a plain word")
    return words


def _numbers(values: Any, name: str) -> Any:
    if values.null_count == len(values):  # of whatever type: pandas makes floats of nothing but nulls
        return pa.nulls(len(values), pa.int64())
    return parse_ids(values, column=name)


def _times(values: Any, name: str) -> Any:
    if values.null_count == len(values):
        return pa.nulls(len(values), _TIME)
    if pa.types.is_timestamp(values.type) and values.type.tz is not None:
        return _in_calendar(values.cast(_TIME, safe=False), name)
    text = _text(values)
    if text is None:
        kind = "times without a zone" if pa.types.is_timestamp(values.type) else str(values.type)
        raise ResultsError(f"column {name!r} holds {kind}: write it as times in UTC")
    _refuse(pc.invert(pc.match_substring_regex(text, _ZONED)), name, "is not a time with its zone")
    try:
        return text.cast(pa.timestamp("ns", tz="UTC")).cast(_TIME, safe=False)
    except pa.ArrowInvalid:
        raise ResultsError(f"column {name!r} holds a day or an hour that there is not") from None


def _in_calendar(times: Any, name: str) -> Any:
    moments = times.cast(pa.int64())
    wrong = pc.or_(pc.less(moments, YEAR_1), pc.greater_equal(moments, YEAR_10000))
    _refuse(wrong, name, "is in no year from 1 to 9999")
    return times


def _countries(values: Any, name: str) -> Any:
    """Lists of countries, whatever lists and text they are."""
    kind = BOUNDED.field(name).type
    if values.null_count == len(values):
        return pa.nulls(len(values), kind)
    is_list = re.match("(large_|fixed_size_)?list(_view)?<", str(values.type))
    if is_list is None or _text(pa.chunked_array([], values.type.value_type)) is None:
        raise ResultsError(f"column {name!r} holds {values.type}: write it as lists of countries, by their two letters")
    lists = pa.array(values.to_pylist(), kind)
    named = pc.match_substring_regex(lists.flatten(), "^[A-Za-z]{2}$").fill_null(False)
    rows = pc.list_parent_indices(lists).filter(pc.invert(named))
    wrong = pc.is_in(pa.array(range(len(lists))), value_set=rows.cast(pa.int64()))
    _refuse(wrong, name, "names a country by other than two letters")
    return lists


def _complete(values: Any, name: str) -> Any:
    _refuse(pc.is_null(values), name, "is empty")
    return values


def _refuse(wrong: Any, name: str, what: str) -> None:
    """Refuse a table for the first value that is wrong; rows count from 1, the header aside, as people count."""
    row = pc.index(wrong, pa.scalar(True)).as_py()
    if row >= 0:
        raise ResultsError(f"column {name!r}, row {row + 1:,} {what}; nothing of the file is used", line=row + 2)
