"""CSV as tables of text: every value as it stands in the file, and each record by the line that it begins in.

A record may go over several lines, where quotes say so. Values stay text, so that no reader's guess takes a digit from
an ID; those that are not there are null.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from compliance_frames.errors import RawFileError
from compliance_frames.ids.naming import TWEETS, plain
from compliance_frames.raw.kinds import Kind, schema_of
from compliance_frames.raw.packed import BOM, LONGEST, Lines
from compliance_frames.raw.rows import Rejected, Rows

#: What separates values, the likeliest first.
DELIMITERS: Final = (",", "\t", ";", "|")
_QUOTE, _END = ord('"'), ord("\n")
#: What R and Python write in columns of IDs where there is none; no ID is called so.
_NOTHING: Final = pa.array(["", "NA", "N/A", "NULL", "null", "None", "NaN", "nan", "<NA>"])
_KNOWN: Final = frozenset(plain(name) for name in TWEETS)
_IDS: Final = ("id", "idstr", "ids")


@dataclass(frozen=True)
class Header:
    """The names of a CSV file's columns, and how its records are written."""

    names: tuple[str, ...]
    delimiter: str

    @property
    def kind(self) -> Kind:
        """Of its rows: text under each name."""
        return dict.fromkeys(self.names, "text")


def header_of(path: Path, first: bytes) -> Header:
    """What the first record of a file says.

    Raises:
        RawFileError: it is no header, or names something twice.

    >>> header_of(Path("a.csv"), b'"id";"text"')
    Header(names=('id', 'text'), delimiter=';')
    """
    try:
        text = first.removeprefix(BOM).decode()
    except UnicodeDecodeError:
        raise RawFileError(
            f"{path}: the first line is not UTF-8: save the file as UTF-8 (a spreadsheet calls it 'CSV UTF-8').",
            path=path,
            line=1,
        ) from None
    every = {each: next(csv.reader(io.StringIO(text, newline=""), delimiter=each), []) for each in DELIMITERS}
    delimiter = max(DELIMITERS, key=lambda each: (_has_ids(every[each]), len(every[each]), -DELIMITERS.index(each)))
    names = every[delimiter]
    names = [name.strip() or f"column_{at}" for at, name in enumerate(names, start=1)]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise RawFileError(
            f"{path}: the header names {twice[0]!r} twice. Rename one of these columns in its first line.",
            path=path,
            line=1,
        )
    if any(name.isdigit() and len(name) > 5 for name in names):
        raise RawFileError(
            f"{path}: the first line is no header: it holds {_digits_in(names)!r}, an ID perhaps. Put a line with the "
            "columns' names before it.",
            path=path,
            line=1,
        )
    return Header(tuple(names), delimiter)


def _has_ids(names: list[str]) -> bool:
    return any(plain(name.strip()) in _KNOWN for name in names)


def _digits_in(names: list[str]) -> str:
    return next(name for name in names if name.isdigit())


@dataclass(frozen=True)
class Records:
    """Whole records of a CSV file.

    Attributes:
        lines: their bytes.
        starts: where each begins in them.
        numbers: the line that each begins in.
        closed: whether every quote in them that is opened is closed, as it seems.
    """

    lines: Lines
    starts: np.ndarray[Any, np.dtype[np.int64]]
    numbers: np.ndarray[Any, np.dtype[np.int64]]
    closed: bool = True

    def content(self, record: int) -> bytes:
        """The bytes of one of them."""
        ends = [*self.starts[1:].tolist(), len(self.lines.content)]
        return self.lines.content[int(self.starts[record]) : ends[record]]

    def after_the_first(self) -> Records:
        """The others."""
        at = int(self.starts[1]) if len(self.starts) > 1 else len(self.lines.content)
        number = int(self.numbers[1]) if len(self.starts) > 1 else self.lines.first + self.lines.count
        count = self.lines.count - (number - self.lines.first)
        rest = Lines(self.lines.content[at:], number, self.lines.offset + at, count)
        return Records(rest, self.starts[1:] - at, self.numbers[1:], self.closed)


def records(pieces: Iterator[Lines], path: Path) -> Iterator[Records]:
    """Whole records out of whole lines: a line that ends within quotes goes on in the next.

    Raises:
        RawFileError: quotes are opened and never closed, as far as anybody would read.
    """
    held: Lines | None = None
    for piece in pieces:
        if piece.too_long:
            raise _unclosed(path, piece.first)
        if held is not None:
            piece = Lines(held.content + piece.content, held.first, held.offset, held.count + piece.count)
        found, held = _split(piece)
        if found is not None:
            yield found
        if held is not None and len(held.content) > LONGEST:
            raise _unclosed(path, held.first)
    if held is not None:  # perhaps a quote that belongs to a text: whoever reads value by value knows
        start = np.zeros(1, np.int64)
        yield Records(held, start, start + held.first, closed=False)


def _unclosed(path: Path, line: int) -> RawFileError:
    return RawFileError(
        f"{path}: a quote in the record of line {line:,} is never closed. Close it there, or double it if it belongs "
        "to the text.",
        path=path,
        line=line,
    )


def _split(piece: Lines) -> tuple[Records | None, Lines | None]:
    """The records that end in a piece, and the lines of one that does not."""
    bytes_ = np.frombuffer(piece.content, np.uint8)
    ends = np.flatnonzero(bytes_ == _END)
    if not len(ends) or ends[-1] != len(bytes_) - 1:  # the file's last line
        ends = np.append(ends, len(bytes_) - 1)
    quotes = np.flatnonzero(bytes_ == _QUOTE)
    closed = np.searchsorted(quotes, ends, side="right") % 2 == 0
    at = np.flatnonzero(closed)
    if not len(at):
        return None, piece
    stops = ends[at] + 1
    starts = np.concatenate([[0], stops[:-1]])
    numbers = piece.first + np.concatenate([[0], at[:-1] + 1])
    end, count = int(stops[-1]), int(at[-1]) + 1
    whole = Lines(piece.content[:end], piece.first, piece.offset, count)
    rest = piece.content[end:]
    left = Lines(rest, piece.first + count, piece.offset + end, piece.count - count) if rest else None
    return Records(whole, starts.astype(np.int64), numbers.astype(np.int64)), left


def rows_of_records(found: Records, header: Header, path: Path) -> Rows:
    """The rows of some records; those with more or fewer values than there are columns are none.

    Raises:
        RawFileError: quotes are opened and never closed.
    """
    kept = _not_blank(found)
    blank = len(found.starts) - len(kept)
    table, wrong = _read(found.lines.content, header, len(kept)) if found.closed else (None, {})
    if table is None:
        return _one_by_one(found, kept, header, blank, path)
    rejected = [
        Rejected(int(found.numbers[kept[at]]), reason, found.content(int(kept[at]))) for at, reason in wrong.items()
    ]
    left = np.delete(kept, list(wrong))
    return Rows(
        _without_nothing(table),
        header.kind,
        lambda row: int(found.numbers[left[row]]),
        lambda row: found.content(int(left[row])),
        records=len(found.starts),
        blank=blank,
        rejected=rejected,
    )


def _not_blank(found: Records) -> np.ndarray[Any, np.dtype[np.int64]]:
    lengths = np.diff(np.append(found.starts, len(found.lines.content)))
    short = np.flatnonzero(lengths <= 2).tolist()
    blank = [at for at in short if not found.content(at).strip(b"\r\n")]
    return np.delete(np.arange(len(found.starts)), blank)


def _read(content: bytes, header: Header, count: int) -> tuple[pa.Table | None, dict[int, str]]:
    """The rows as Arrow reads them, and why others are none, by their places; no table where it counts otherwise."""
    wrong: dict[int, str] = {}

    def note(row: Any) -> str:
        wrong[row.number - 1] = f"it has {row.actual_columns} values, and the header names {row.expected_columns}"
        return "skip"

    try:
        table = pa_csv.read_csv(
            pa.BufferReader(content),
            read_options=pa_csv.ReadOptions(
                use_threads=False, column_names=list(header.names), block_size=len(content) + 1
            ),
            parse_options=pa_csv.ParseOptions(
                delimiter=header.delimiter, newlines_in_values=True, invalid_row_handler=note
            ),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(header.names, pa.string()),
                strings_can_be_null=True,
                null_values=[""],
                quoted_strings_can_be_null=False,
            ),
        )
    except (pa.ArrowException, UnicodeDecodeError):
        return None, {}
    return (table, wrong) if table.num_rows + len(wrong) == count else (None, {})


def _one_by_one(found: Records, kept: Any, header: Header, blank: int, path: Path) -> Rows:
    """The rows of records by Python's reader, which takes a quote within a value for what it is: some are several."""
    rows: list[list[str | None]] = []
    numbers: list[int] = []
    contents: list[bytes] = []
    rejected = []
    for at in kept.tolist():
        content, number = found.content(at), int(found.numbers[at])
        try:
            every = _values(content, header, number)
        except (ValueError, csv.Error) as error:
            if "end of data" in str(error):
                raise _unclosed(path, number) from error
            rejected.append(Rejected(number, _why(error), content))
            continue
        for line, values in every:
            if len(values) == len(header.names):
                rows.append(values)
                numbers.append(line)
                contents.append(content)
            else:
                reason = f"it has {len(values)} values, and the header names {len(header.names)}"
                rejected.append(Rejected(line, reason, content))
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(header.names)
    return Rows(
        _without_nothing(pa.table([pa.array(each, pa.string()) for each in columns], schema=schema_of(header.kind))),
        header.kind,
        numbers.__getitem__,
        contents.__getitem__,
        records=len(rows) + len(rejected) + blank,
        blank=blank,
        rejected=rejected,
    )


def _values(content: bytes, header: Header, first: int) -> list[tuple[int, list[str | None]]]:
    reader = csv.reader(io.StringIO(content.decode(), newline=""), delimiter=header.delimiter, strict=True)
    found, line = [], first
    for values in reader:
        found.append((line, [value or None for value in values]))
        line = first + reader.line_num
    return found


def _why(error: Exception) -> str:
    return f"byte {error.start + 1} is no UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)


def _without_nothing(table: pa.Table) -> pa.Table:
    """The table with nulls in columns of IDs where R or Python wrote that there is none."""
    for at, name in enumerate(table.schema.names):
        if plain(name).rpartition(".")[2].endswith(_IDS):
            column = table.column(at)
            nothing = pc.is_in(column, _NOTHING)
            if pc.any(nothing).as_py():
                table = table.set_column(at, name, pc.if_else(nothing, pa.scalar(None, pa.string()), column))
    return table
