"""Results that people have already: files that the service, twarc or they themselves wrote, as one table of results.

The service's own lines are read as strictly as a download. Tables that somebody wrote from results (CSV, Parquet) are
held to the same rules, column by column.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final, cast, get_args

import pyarrow as pa

from compliance_frames.errors import IdError, ResultsError
from compliance_frames.schemas import JobType
from compliance_frames.service.event_lines import KINDS, event_in
from compliance_frames.service.kept_files import Kind, Watched, changed_at, files_of, in_utc, kind_of, named, opened
from compliance_frames.service.results import answered, read_rows
from compliance_frames.service.settled import settled
from compliance_frames.service.written_tables import table_of_csv, table_of_parquet

_LONGEST: Final = 1 << 16

#: What tells a type, each with some bytes that are sooner looked for.
_SPELLINGS: Final[tuple[tuple[JobType, bytes, re.Pattern[bytes]], ...]] = (
    ("tweets", b'Z"', re.compile(rb'"created_at"\s*:\s*"[0-9T:-]{19}\.[0-9]{1,3}Z"')),
    ("users", b'+00:00"', re.compile(rb'"created_at"\s*:\s*"[0-9T:-]{19}\+00:00"')),
    ("tweets", b'"type"', re.compile(rb'"type"\s*:\s*"tweets"')),
    ("users", b'"type"', re.compile(rb'"type"\s*:\s*"users"')),
)


def read_results(
    *sources: str | os.PathLike[str], type: JobType | None = None, checked_at: datetime | None = None
) -> pa.Table:
    r"""Read results from files: what X's download URLs and twarc's ``compliance-job`` gave, or what you wrote yourself.

    Every line is understood, or the file is refused with the line's number and nothing is used. What was *asked* is
    not in such files: an ID that is no row may be clear, or was never asked about. Only a ledger tells these apart.

    Args:
        sources: paths, patterns (``"results/*.jsonl.gz"``) or folders, of which every file that is not hidden is read.
            By what they hold they are JSON lines, CSV, either of them packed with gzip, zstd or bzip2, or Parquet.
        type: what the IDs are. Found when None: by the column ``type`` of a table, or by how the service spells
            ``created_at``: ``…00.000Z`` of tweets, ``…00+00:00`` of users.
        checked_at: when the answers were given, where a file does not say so for each. The time at which it was
            written last when None: that of the download, if nobody copied it since. Told is better: a proof repeats it.

    Returns:
        A table of schema :data:`compliance_frames.schemas.RESULTS`, sorted by type and ID. Of several results for one
        ID there is one row for each reason, so that none hides what another asks for under some policy. ``job_id`` is
        null where a file does not say it. Where one says how far a user's places go, there is a column ``up_to``
        (:func:`read_events`).

    Raises:
        ResultsError: a file is not there, is not what the service or this package writes, or does not tell its type.
        IdError: a table's IDs are no IDs any more (numbers with a point, or what a spreadsheet made of them).

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     line = '{"id":"20","action":"delete","created_at":"2006-03-21T20:50:14.000Z","reason":"deleted"}\n'
    ...     _ = Path(folder, "tweets.jsonl").write_text(line)
    ...     table = read_results(f"{folder}/*.jsonl")
    >>> table.select(["type", "id", "reason", "job_id"]).to_pylist()
    [{'type': 'tweets', 'id': 20, 'reason': 'deleted', 'job_id': None}]
    """
    if type is not None and type not in get_args(JobType):
        raise ResultsError(f"type={type!r}: choose one of {', '.join(get_args(JobType))}")
    said = _Said(type, None if checked_at is None else in_utc(checked_at))
    return settled([_read(path, said) for path in files_of(sources)])


@dataclass(frozen=True)
class _Said:
    """What a caller told of all files."""

    type: JobType | None
    checked_at: datetime | None

    def moment(self, path: Path) -> datetime:
        return changed_at(path) if self.checked_at is None else self.checked_at


def _read(path: Path, said: _Said) -> pa.Table:
    kind: Kind = kind_of(path)
    try:
        if kind == "parquet":
            return table_of_parquet(path, type=said.type, checked_at=said.moment(path))
        with opened(path) as stream:
            if kind == "csv":
                return table_of_csv(stream, type=said.type, checked_at=said.moment(path))
            return _of_lines(stream, path, said)
    except IdError as error:
        raise IdError(f"{named(path)}: {error}", column=error.column, row=error.row, value=error.value) from None
    except ResultsError as error:
        if str(error).startswith(named(path)):
            raise
        hint = " They are events: those are for read_events (--events)." if _holds_events(path) else ""
        raise ResultsError(f"{named(path)}: {error}{hint}", line=error.line) from None


def _holds_events(path: Path) -> bool:
    """Whether a file that holds no results begins with an event of a compliance stream."""
    with opened(path) as stream, suppress(ValueError):
        return event_in(stream.readline(_LONGEST).decode()).kind in KINDS
    return False


def _of_lines(stream: BinaryIO, path: Path, said: _Said) -> pa.Table:
    """The service's lines. Their type shows on the way: a file has them of one job, and a job is of one type."""
    seen: set[JobType] = set()

    def look(some: bytes) -> None:
        for kind, part, spelling in _SPELLINGS:
            if kind not in seen and part in some and spelling.search(some):
                seen.add(kind)

    rows = read_rows(cast("BinaryIO", Watched(stream, look)))
    found = said.type or _type_seen(seen, rows.num_rows)
    return answered(rows, type=found, job_id=None, checked_at=said.moment(path))


def _type_seen(seen: set[JobType], rows: int) -> JobType:
    if len(seen) == 1:
        return seen.pop()
    if not rows:
        return "tweets"  # of nothing
    what = "has lines of tweets and of users" if seen else "does not tell whether its IDs are of tweets or of users"
    raise ResultsError(f'the file {what}: tell it with type="tweets" or type="users"{", each alone" if seen else ""}')
