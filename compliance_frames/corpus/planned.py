"""What a plan says: of each file, of the IDs that were flagged, and of the whole dataset."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from compliance_frames.corpus import show
from compliance_frames.corpus.answers import Flagged as Flagged
from compliance_frames.corpus.columns import Columns
from compliance_frames.corpus.dataset import Stamp
from compliance_frames.corpus.erase import Counts
from compliance_frames.corpus.erasures import Erasures
from compliance_frames.corpus.kinds import Kinds
from compliance_frames.corpus.policy import Policy
from compliance_frames.corpus.rawform import RawForm
from compliance_frames.names import shown
from compliance_frames.schemas import FILES

Decision = Literal["copy", "splice", "rewrite"]


@dataclass(frozen=True, eq=False)
class Marked:
    """What was seen of a row group, so that its IDs need not be read again.

    Attributes:
        counts: what happens to its rows.
        scrub: the rows that lose a place, where none is dropped; counted from the beginning of the row group.
    """

    counts: Counts
    scrub: NDArray[np.int32]


@dataclass(frozen=True)
class FilePlan:
    """What will be done to one file, and why.

    Attributes:
        path: relative to the dataset's root, with forward slashes.
        decision: ``"copy"``: its bytes go over as they are. Something in it has to go: ``"splice"``: the column chunks
            and row groups that lose nothing go over as they are; ``"rewrite"``: all of it is made anew.
        bytes: its size when the plan was made.
        mtime_ns: when it had last been written then, in nanoseconds since the epoch.
        ctime_ns: when anything of it had last changed then, which nobody can set back.
        rows: how many it holds, of a raw file its records; None for a file that is neither Parquet nor raw tweets.
        rows_dropped: rows that will go.
        rows_scrubbed: rows that stay and lose a place that they have.
        rows_unchecked: rows of tweets never asked about, which no result drops; 0 where nobody knows (no ledger).
        cells_nulled: tweets of others that will be taken out of rows that stay.
        kinds: these by why rows go, and what is taken out of others.
        erased: a digest of what goes, by the numbers of rows: equal where the same goes of the same file. Empty where
            nothing does; None where that cannot be said.
        why: the reason for the decision, in words.
        columns: where its IDs and places are; None for a file that is neither Parquet nor raw tweets.
        raw: how it is read, where it holds raw tweets: lines that stay keep their bytes; None for other files.
        marked: of a file that is spliced, what was seen of the row groups that were read, by their number; None where
            that would be too much to keep, and its IDs are read again. It follows from all the rest.
    """

    path: str
    decision: Decision
    bytes: int
    mtime_ns: int
    ctime_ns: int
    rows: int | None
    rows_dropped: int = 0
    rows_scrubbed: int = 0
    rows_unchecked: int = 0
    cells_nulled: int = 0
    kinds: Kinds = field(default_factory=Kinds)
    erased: str | None = ""
    why: str = ""
    columns: Columns | None = None
    raw: RawForm | None = None
    marked: Mapping[int, Marked] | None = field(default=None, repr=False, compare=False)

    @property
    def stamp(self) -> Stamp:
        """What it was known by when the plan was made."""
        return self.bytes, self.mtime_ns, self.ctime_ns

    @property
    def counts(self) -> Counts:
        """The same numbers as ``erase`` will count them when the file is cleaned."""
        rows = self.rows or 0
        kept = rows - self.rows_dropped
        cells = self.cells_nulled
        return Counts(rows, kept, self.rows_dropped, self.rows_scrubbed, self.rows_unchecked, cells, self.kinds)


@dataclass(frozen=True)
class CameBack:
    """How many IDs were flagged once for a reason, and are clear in their newest answer."""

    type: str
    reason: str
    ids: int


def counted_by_reason(table: pa.Table) -> tuple[CameBack, ...]:
    """How many IDs of each type and reason came back, of a table of them.

    >>> counted_by_reason(pa.table({"type": ["users"] * 2, "reason": ["suspended"] * 2}))
    (CameBack(type='users', reason='suspended', ids=2),)
    """
    words = {name: table.column(name).cast(pa.string()) for name in ("type", "reason")}
    rows = pa.table(words).group_by(["type", "reason"], use_threads=False).aggregate([([], "count_all")]).to_pylist()
    return tuple(sorted((CameBack(*row.values()) for row in rows), key=lambda each: (each.type, each.reason)))


@dataclass(frozen=True, repr=False)
class Plan:
    """What cleaning a dataset will do; made by :func:`plan`, carried out by ``clean``. Nothing is written yet.

    Attributes:
        root: the directory that all paths are relative to. For a dataset that is one file, the one it lies in:
            what lies beside the file is no part of the plan.
        files: one plan for each file, sorted by path.
        policy: what each reason does.
        erasures: the IDs that this comes down to.
        ignored: hidden and temporary files and directories, which will not be taken over.
        job_ids: the jobs that the results came from, sorted.
        checked_at: when the first and the last of the results were fetched (UTC), or None without results.
        flagged: how many IDs were flagged for each reason.
        single_file: whether the dataset is one file and not a directory.
        unread: columns of text that by their names hold other tweets and are not looked into, because others were told.
        left: files without tweets in them that will not be taken over, because that was asked for.
        came_back: how many IDs of the ledger were flagged before, and are clear now. What rows of theirs the dataset
            has, stay; those of a dataset that was cleaned before are gone, and only the originals have them.
    """

    root: Path
    files: tuple[FilePlan, ...]
    policy: Policy
    erasures: Erasures
    ignored: tuple[str, ...] = ()
    job_ids: tuple[int, ...] = ()
    checked_at: tuple[datetime, datetime] | None = None
    flagged: tuple[Flagged, ...] = ()
    single_file: bool = False
    unread: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    came_back: tuple[CameBack, ...] = ()

    @cached_property
    def counts(self) -> Counts:
        """The sums over all files."""
        return sum((file.counts for file in self.files), Counts())

    @property
    def rows_in(self) -> int:
        """Rows of all Parquet files, and records of raw ones."""
        return self.counts.rows_in

    @property
    def rows_kept(self) -> int:
        """Rows that stay."""
        return self.counts.rows_kept

    @property
    def rows_dropped(self) -> int:
        """Rows that go."""
        return self.counts.rows_dropped

    @property
    def rows_scrubbed(self) -> int:
        """Rows that stay and lose a place that they have."""
        return self.counts.rows_scrubbed

    @property
    def rows_unchecked(self) -> int:
        """Rows of tweets that were never asked about; 0 where nobody knows, because no ledger was given."""
        return self.counts.rows_unchecked

    @property
    def cells_nulled(self) -> int:
        """Tweets of others that will be taken out of rows that stay."""
        return self.counts.cells_nulled

    @property
    def kinds(self) -> Kinds:
        """Rows that go by why they do, and what is taken out of rows that stay by what it is."""
        return self.counts.kinds

    @cached_property
    def digest(self) -> str:
        """SHA-256 over files, erasures and policy: equal for equal plans, in every process, of a moved dataset too."""
        told = {
            "files": [_told(file) for file in self.files],
            "policy": dict(self.policy.treatments),
            "erasures": self.erasures.digest,
        }
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    @property
    def staged_as(self) -> str:
        """The digest, and one of when anything of the files last changed: what is staged is of these very files."""
        changes = hashlib.sha256(json.dumps([file.ctime_ns for file in self.files]).encode())
        return f"{self.digest} {changes.hexdigest()}"

    def to_arrow(self) -> pa.Table:
        """One row per file (``schemas.FILES``); ``rows_unchecked`` is null where nobody knows.

        Bytes of a name that are no UTF-8 stand in it as escapes; ``files`` has the names as they are.
        """
        known = self.erasures.asked_tweets is not None
        rows = [
            {name: getattr(file, name) for name in FILES.names}
            | {
                "path": shown(file.path),
                "rows_unchecked": file.rows_unchecked if known and file.rows is not None else None,
            }
            for file in self.files
        ]
        return pa.Table.from_pylist(rows, schema=FILES)

    def __str__(self) -> str:
        return show.text(self)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return show.html(self)


def _told(file: FilePlan) -> dict[str, object]:
    """What decides about a file, as JSON has it."""
    return {name: value for name, value in vars(file).items() if name not in ("marked", "ctime_ns")} | {
        "columns": file.columns and vars(file.columns),
        "kinds": vars(file.kinds),
        "raw": file.raw and file.raw.to_dict(),
    }
