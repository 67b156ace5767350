"""What reading raw files in did: every record of every file accounted for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any, Final

from compliance_frames.names import shown

_MOST_FILES: Final = 20
_HEAD: Final = ("file", "form", "records", "rows", "rejected", "blank")


@dataclass(frozen=True)
class IngestedFile:
    """What became of one raw file; ``records - pages + paged == rows + rejected + blank``.

    Attributes:
        path: of the file, as it was given.
        form: ``"JSON lines"``, ``"JSON"``, ``"CSV"`` or ``"nothing"``.
        packing: what it is packed with, or None.
        bytes: its size.
        records: how many it holds: lines, elements of a list, records of CSV.
        rows: rows that came out of them.
        rejected: records, and tweets of answers, that stand in the side file, as they cannot be rows.
        blank: records without content.
        pages: records that hold whole answers of the service, with many tweets each.
        paged: tweets that those hold.
    """

    path: str
    form: str
    packing: str | None
    bytes: int
    records: int
    rows: int
    rejected: int
    blank: int
    pages: int
    paged: int


@dataclass(frozen=True)
class IngestReport:
    """What became of raw files. It shows itself as text, and as a table in a notebook.

    Attributes:
        destination: the dataset.
        rows: of the dataset.
        days: how many directories it has, one for each UTC day.
        files: what became of each raw file.
        parquet_files: how many files the dataset has.
        columns: how many columns each has.
        bytes_out: their size.
        rejected: the side file with the records that are no tweets; None where there is none.
        notes: what was not as it should be, one sentence each.
    """

    destination: Path
    rows: int
    days: int
    files: tuple[IngestedFile, ...]
    parquet_files: int
    columns: int
    bytes_out: int
    rejected: Path | None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON has it."""
        rejected = None if self.rejected is None else str(self.rejected)
        told = {**asdict(self), "destination": str(self.destination), "rejected": rejected, "notes": list(self.notes)}
        return {**told, "files": list(told["files"])}

    def __str__(self) -> str:
        rows = list(self._cells())
        widths = [max(len(row[at]) for row in rows) for at in range(len(_HEAD))]
        lines = ["  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
        told = [self._title(), *(line.rstrip() for line in lines), *(f"  note: {note}" for note in self._notes())]
        return shown("\n".join(told))

    def _repr_html_(self) -> str:
        head, *rows = self._cells()
        cells = "".join(f"<th style='text-align:left'>{escape(cell)}</th>" for cell in head)
        body = "".join(f"<tr>{''.join(f'<td>{escape(shown(cell))}</td>' for cell in row)}</tr>" for row in rows)
        notes = "".join(f"<li>{escape(shown(note))}</li>" for note in self._notes())
        table = f"<table><caption>{escape(shown(self._title()))}</caption><tr>{cells}</tr>{body}</table>"
        return table + (f"<ul>{notes}</ul>" if notes else "")

    def _title(self) -> str:
        return (
            f"{self.destination}: {self.rows:,} rows of {_counted(self.days, 'day')} in "
            f"{_counted(self.parquet_files, 'file')}, {_counted(self.columns, 'column')} each"
        )

    def _cells(self) -> Iterator[tuple[str, ...]]:
        yield _HEAD
        for file in self.files[:_MOST_FILES]:
            form = file.form + (f", {file.packing}" if file.packing else "")
            yield (Path(file.path).name, form, *_counts(file))
        left = self.files[_MOST_FILES:]
        if left:
            yield (
                f"and {len(left):,} more",
                "",
                *(f"{sum(getattr(file, name) for file in left):,}" for name in _HEAD[2:]),
            )
        if len(self.files) > 1:
            yield ("all", "", *(f"{sum(getattr(file, name) for file in self.files):,}" for name in _HEAD[2:]))

    def _notes(self) -> Iterator[str]:
        if self.rejected is not None:
            yield f"the records that are no tweets, with the reasons: {self.rejected}"
        pages = sum(file.pages for file in self.files)
        if pages:
            paged = sum(file.paged for file in self.files)
            yield f"{_counted(pages, 'record')} held whole answers, with {paged:,} tweets in them"
        yield from self.notes


def _counts(file: IngestedFile) -> tuple[str, ...]:
    return tuple(f"{getattr(file, name):,}" for name in _HEAD[2:])


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"
