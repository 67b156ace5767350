"""The UTC day on which a tweet was written: from what its row says, or offline from its ID."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from compliance_frames.ids.snowflake import times

#: Where nobody knows the day: of IDs before November 2010, in files that hold no time.
UNKNOWN: Final = -(2**31)
Days = np.ndarray[Any, np.dtype[np.int32]]

_ISO_UTC: Final = r"^[0-9]{4}-[01][0-9]-[0-3][0-9]([T ][0-2][0-9]:[0-5][0-9](:[0-5][0-9](\.[0-9]+)?)?(Z|[+-]00:?00)?)?$"
_V1: Final = r"^[A-Z][a-z]{2} [A-Z][a-z]{2} [0-9]{2} [0-9:]{8} \+0000 [0-9]{4}$"
_OTHERS: Final = ("%a %b %d %H:%M:%S %z %Y", "%b %d %Y", "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M")
_EPOCH: Final = date(1970, 1, 1)
_SECONDS: Final = 86_400
#: Times in seconds are below it until the year 5138; in milliseconds above it since 1973.
_BETWEEN: Final = 100_000_000_000


def days_of(times_told: Any | None, ids: pa.Int64Array) -> Days:
    """The day of each row, as days since 1970.

    Args:
        times_told: what the rows say of when they were written: text of any tool, seconds or milliseconds, timestamps.
        ids: of the rows; asked where a row says nothing that makes sense.

    >>> days_of(pa.array(["2020-01-01T23:59:59.000Z", None]), pa.array([20, 1212161512043446272])).tolist()
    [18262, 18262]
    """
    told = pa.nulls(len(ids), pa.int32()) if times_told is None else _told(times_told)
    if told.null_count:
        told = pc.coalesce(told, times(ids).cast(pa.date32()).cast(pa.int32()))
    return np.asarray(told.fill_null(UNKNOWN))


def name_of(day: int) -> str:
    """A day as it stands in the name of a directory, as Hive, Spark, DuckDB and polars read it.

    >>> name_of(18262), name_of(UNKNOWN)
    ('2020-01-01', '__HIVE_DEFAULT_PARTITION__')
    """
    return "__HIVE_DEFAULT_PARTITION__" if day == UNKNOWN else str(_EPOCH + timedelta(days=day))


def _told(column: Any) -> Any:
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pt.is_timestamp(array.type):
        return array.cast(pa.timestamp("s", array.type.tz), safe=False).cast(pa.date32()).cast(pa.int32())
    if pt.is_integer(array.type):
        return _of_numbers(array)
    if not pt.is_string(array.type):
        return pa.nulls(len(array), pa.int32())
    days = _by_day(array, _ISO_UTC, pc.utf8_slice_codeunits(array, 0, 10))
    if days.null_count > array.null_count:
        day = pc.binary_join_element_wise(
            pc.utf8_slice_codeunits(array, 4, 10), pc.utf8_slice_codeunits(array, 26, 30), " "
        )
        days = pc.coalesce(days, _by_day(array, _V1, day))
    if days.null_count > array.null_count:
        others = pc.if_else(days.is_null(), array, pa.scalar(None, pa.string()))
        days = pc.coalesce(days, _of_each(others))
    return days


def _by_day(array: Any, form: str, day: Any) -> Any:
    """The days of texts of a form, of which some characters tell the day; null for others."""
    fits = pc.fill_null(pc.match_substring_regex(array, form), False)
    return _of_each(pc.if_else(fits, day, pa.scalar(None, pa.string())))


def _of_each(texts: Any) -> Any:
    """The days of texts, each read once."""
    every = texts.dictionary_encode()
    days = [None if text is None else _day(text) for text in every.dictionary.to_pylist()]
    return pa.array(days, pa.int32()).take(every.indices)


def _of_numbers(array: Any) -> Any:
    numbers = array.cast(pa.int64())
    wide = pc.greater(numbers, _BETWEEN)
    seconds = pc.if_else(wide, pc.divide(numbers, 1000), numbers)
    sensible = pc.and_(pc.greater(seconds, 1_100_000_000), pc.less(seconds, 10_000_000_000))  # since 2004
    return pc.if_else(sensible, pc.divide(seconds, _SECONDS), pa.scalar(None, pa.int64())).cast(pa.int32())


def _day(text: str) -> int | None:
    moment = _moment(text.strip())
    return None if moment is None else (moment.astimezone(UTC).date() - _EPOCH).days


def _moment(text: str) -> datetime | None:
    if text.isdigit() and 10 <= len(text) <= 13:
        return datetime.fromtimestamp(int(text) / (1000 if len(text) > 11 else 1), UTC)
    for read in (datetime.fromisoformat, *map(_reader_of, _OTHERS), parsedate_to_datetime):
        try:
            moment = read(text)
        except (ValueError, TypeError, OverflowError):
            continue
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None


def _reader_of(form: str) -> Callable[[str], datetime]:
    return lambda text: datetime.strptime(text, form)
