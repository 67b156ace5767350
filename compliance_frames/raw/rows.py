"""Rows that came out of a raw file, and what did not: every record is one or the other, or blank."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from compliance_frames.raw.kinds import Kind


@dataclass(frozen=True)
class Rejected:
    """A record that cannot become a row.

    Attributes:
        line: where it begins in its file, from 1.
        reason: why.
        content: its bytes; None where there are too many.
    """

    line: int
    reason: str
    content: bytes | None


@dataclass
class Rows:
    """Some records of a file as a table.

    Attributes:
        table: the rows, in the order of the file.
        kind: of the rows, which the table's schema follows.
        line_of: the line that a row was in, by its place in the table.
        content_of: the bytes of that record.
        records: how many records these are, of whatever kind.
        blank: those that hold nothing.
        pages: those that hold a page of tweets.
        paged: tweets that those hold.
        rejected: what cannot become rows; ``records - pages + paged == rows + blank + len(rejected)``.
    """

    table: pa.Table
    kind: Kind
    line_of: Callable[[int], int]
    content_of: Callable[[int], bytes]
    records: int
    blank: int = 0
    pages: int = 0
    paged: int = 0
    rejected: list[Rejected] = field(default_factory=list)

    def reject(self, wrong: np.ndarray[Any, np.dtype[np.bool_]], reasons: Callable[[int], str]) -> None:
        """Take rows out of the table, each for a reason."""
        for row in np.flatnonzero(wrong).tolist():
            self.rejected.append(Rejected(self.line_of(row), reasons(row), self.content_of(row)))
        left = np.flatnonzero(~wrong)
        line_of, content_of = self.line_of, self.content_of
        self.line_of, self.content_of = lambda row: line_of(int(left[row])), lambda row: content_of(int(left[row]))
        self.table = self.table.filter(pa.array(~wrong))
