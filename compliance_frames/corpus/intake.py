"""The rows of raw files looked at before they are taken in: each must name its tweet, and all in the same way."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from compliance_frames.corpus.columns import Columns, column_at, find_columns
from compliance_frames.corpus.ecosystems import TEXTS
from compliance_frames.corpus.paths import Names, holds_ids
from compliance_frames.errors import IdError, PlanError, RawFileError
from compliance_frames.ids.naming import AUTHORS
from compliance_frames.ids.parse import Roundness, parse_ids
from compliance_frames.ids.sets import unique
from compliance_frames.raw.days import Days, days_of
from compliance_frames.raw.jsonl import NO_ID
from compliance_frames.raw.kinds import Kind, joined, schema_of
from compliance_frames.raw.rows import Rows

_HANDLES: Final = ("username", "screen_name")
_ROLES: Final = ("id", "author_id")
_LISTS: Final = ("geo", "references", "embedded")


@dataclass
class Counts:
    """What became of a file's records so far."""

    records: int = 0
    rows: int = 0
    rejected: int = 0
    blank: int = 0
    pages: int = 0
    paged: int = 0


@dataclass
class FileIntake:
    """One file's rows on their way into the dataset.

    Attributes:
        path: of the file.
        id_column: where the IDs are, if somebody told.
        counts: of its records.
        kind: of its rows, all of them.
    """

    path: Path
    id_column: str | None = None
    counts: Counts = field(default_factory=Counts)
    kind: Kind = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._roundness = Roundness()
        self._seen: tuple[Kind, Columns] | None = None
        self._worst: tuple[int, str] | None = None

    def columns(self, kind: Kind) -> Columns:
        """Where rows of a kind hold what.

        Raises:
            RawFileError: nobody can tell where their IDs are, or they are users.
        """
        if self._seen is None or self._seen[0] is not kind:
            assert isinstance(kind, dict)
            if not any(name in kind for name in TEXTS) and any(name in kind for name in _HANDLES) and _is_user(kind):
                raise RawFileError(
                    f"{self.path} holds users, not tweets. Leave it out: their IDs are asked with the tweets that they "
                    "wrote.",
                    path=self.path,
                )
            try:
                found = find_columns(schema_of(kind), id_column=self.id_column)
            except PlanError as error:
                raise RawFileError(f"{self.path}: {error}", path=self.path) from error
            self._seen = kind, found
        return self._seen[1]

    def taken(self, rows: Rows) -> Days | None:
        """The day of each row that can be taken; the others are put with the rejected ones.

        Raises:
            RawFileError: the file went through a spreadsheet, or is none of tweets.
        """
        days = self._days(rows) if rows.table.num_rows else None
        counts, before = self.counts, self.counts.rows
        counts.records += rows.records
        counts.blank += rows.blank
        counts.pages += rows.pages
        counts.paged += rows.paged
        counts.rejected += len(rows.rejected)
        counts.rows += rows.table.num_rows
        for each in rows.rejected:
            if each.reason != NO_ID and self._worst is None:
                self._worst = each.line, each.reason
        if not before:
            self._must_be_tweets()
        if days is not None:
            self.kind = joined(self.kind, rows.kind)
        return days

    def end(self) -> None:
        """Refuse a file whose IDs cannot be genuine, now that all were seen."""
        if self._roundness.is_damage:
            raise RawFileError(
                f"{self.path}: the tweets' IDs are round numbers, all of them: a spreadsheet, a float column or "
                "JavaScript took their last digits. Go back to the source and keep its IDs as text.",
                path=self.path,
            )

    def _must_be_tweets(self) -> None:
        counts = self.counts
        if counts.rows or self._worst is None or not counts.rejected:
            return
        line, reason = self._worst
        raise RawFileError(
            f"{self.path}, line {line:,}: {reason}. None of its first {counts.records:,} records is a tweet: is this "
            "the right file? Leave it out, or mend it.",
            path=self.path,
            line=line,
        )

    def _days(self, rows: Rows) -> Days:
        found = self.columns(rows.kind)
        column = column_at(rows.table, found.id)
        reasons: dict[int, str] = {}
        try:
            ids = parse_ids(column, column=found.id)
        except IdError as error:
            ids, reasons = self._one_by_one(rows, column, found.id, error)
        if ids.null_count:
            wrong = np.asarray(ids.is_null())
            rows.reject(wrong, lambda row: reasons.get(row, NO_ID))
            ids = ids.drop_null()
        self._must_have_one_author(rows, found)
        self._roundness.look_at(unique(np.asarray(ids)))
        told = None if found.created_at is None else column_at(rows.table, found.created_at)
        return days_of(told, ids)

    def _must_have_one_author(self, rows: Rows, found: Columns) -> None:
        """Refuse lines of two tools in one file: of the one, nobody would find the authors."""
        if found.author_id is None:
            return
        missing = column_at(rows.table, found.author_id).is_null()
        if not pc.any(missing).as_py():
            return
        names = Names(rows.table.schema)
        for path in filter(None, map(names.find, AUTHORS)):
            if path != found.author_id and holds_ids(names.type(path)):
                elsewhere = pc.and_(missing, column_at(rows.table, path).is_valid())
                row = pc.index(elsewhere, True).as_py()
                if row >= 0:
                    line = rows.line_of(row)
                    raise RawFileError(
                        f"{self.path}, line {line:,}: its author is in {path!r}, and those of other lines in "
                        f"{found.author_id!r}: in one dataset, nobody would find both. Put each kind of line into a "
                        "file of its own, and ingest each into a dataset of its own.",
                        path=self.path,
                        line=line,
                    )

    def _one_by_one(self, rows: Rows, column: Any, name: str, error: IdError) -> tuple[pa.Int64Array, dict[int, str]]:
        """The IDs of a column of which some are none; and why, by their rows."""
        if pt.is_floating(column.type):
            raise self._rounded(rows, 0, error)
        ids: list[int | None] = []
        reasons = {}
        for row, value in enumerate(column.to_pylist()):
            try:
                ids.append(parse_ids(pa.array([value], column.type), column=name)[0].as_py())
            except IdError as wrong:
                if "rounded" in str(wrong):
                    raise self._rounded(rows, row, wrong) from wrong
                ids.append(None)
                reasons[row] = str(wrong).replace(", row 0", "").rstrip(".")
        return pa.array(ids, pa.int64()), reasons

    def _rounded(self, rows: Rows, row: int, error: IdError) -> RawFileError:
        line = rows.line_of(row)
        said = str(error).replace(", row 0", "")
        return RawFileError(f"{self.path}, line {line:,}: {said}", path=self.path, line=line)


def _is_user(kind: dict[str, Kind]) -> bool:
    try:
        return find_columns(schema_of(kind)).author_id is None
    except PlanError:
        return False


def must_agree(files: list[FileIntake], kind: Kind) -> Columns:
    """The columns of the whole dataset, which must be those of every file of it.

    Raises:
        RawFileError: one file has its IDs, its authors or other people's tweets where others have something else.
    """
    schema = schema_of(kind)
    told = files[0].id_column if files else None
    try:
        every = find_columns(schema, id_column=told)
    except PlanError as error:
        raise RawFileError(
            f"these files hold tweets in different ways, and together nobody could tell their columns: {error}. Ingest "
            "each kind into a dataset of its own."
        ) from error
    for file in files:
        if not file.counts.rows:
            continue
        own = find_columns(schema_of(file.kind), id_column=told)
        for role in _ROLES:
            mine, all_ = getattr(own, role), getattr(every, role)
            if mine is not None and mine != all_:
                raise _apart(file.path, f"{mine!r}", f"{all_!r}", _WORDS[role])
        for role in _LISTS:
            missing = set(getattr(own, role) or ()) - set(getattr(every, role) or ())
            if missing:
                raise _apart(file.path, f"{min(missing)!r}", "something else", _WORDS[role])
    return every


_WORDS: Final = {
    "id": "tweets' IDs",
    "author_id": "authors' IDs",
    "geo": "places",
    "references": "references to other tweets",
    "embedded": "other people's tweets",
}


def _apart(path: Path, mine: str, others: str, what: str) -> RawFileError:
    return RawFileError(
        f"{path} holds its {what} in {mine}, and the other files in {others}: in one dataset, nobody would find both. "
        "Ingest each kind of file into a dataset of its own.",
        path=path,
    )
