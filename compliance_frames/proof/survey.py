"""Walk through the files of a cleaned dataset once: say what is wrong by itself, give out every ID to look up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from compliance_frames.corpus.manifest import FileRecord, Manifest
from compliance_frames.progress import Progress, ProgressCallback
from compliance_frames.proof.findings import Findings, Spot, number
from compliance_frames.proof.footer import read_footer
from compliance_frames.proof.group import GroupLook, OpenedFile, Sought, bounds_cells
from compliance_frames.proof.inventory import other_directories
from compliance_frames.proof.kept import look_at_kept_rows
from compliance_frames.proof.others import look_at_other
from compliance_frames.proof.raw import look_at_raw
from compliance_frames.proof.rawkept import look_at_kept_pieces
from compliance_frames.proof.rescan import Found, cells
from compliance_frames.proof.roles import Layout
from compliance_frames.proof.sampling import Sample
from compliance_frames.proof.threads import in_order
from compliance_frames.proof.whole import look_at_file, look_at_footer, name_cells

#: What a role is called where an ID of it was found.
_CALLED: Final[dict[str, str]] = {
    "tweet": "{n} that had to go",
    "author": "{n} by an author who had to go",
    "retweet": "{n} that repeats a tweet that had to go",
    "embedded tweet": "{n} that holds a tweet that had to go",
    "embedded retweet": "{n} that holds a retweet of a tweet that had to go",
    "account": "{n} that holds the account of a user who had to go",
    "embedded author": "{n} that holds a tweet of an author who had to go",
}
#: What stands in the way of reading a file, and is told as a problem of it: a number where a list should be, too.
_UNREADABLE: Final = (
    pa.ArrowException, OSError, ValueError, NotImplementedError, MemoryError,
    LookupError, TypeError, AttributeError, ArithmeticError,
)  # fmt: skip
_Task = Callable[[], Findings]


class Survey:
    """One walk through the files that a manifest names.

    Attributes:
        sought: what is looked for.
        counted: how much of each kind was looked at; complete once :meth:`batches` came to its end.
        spots: what the numbers in :meth:`batches` stand for.
        unplaced: columns that look like places, where it was told that there are none.
        mentioned: columns in which something is named that had to go, kept by policy.
        unlooked: what could not be looked into, a sentence for each.
        unsaid: columns that name what had to go, and do not say whether the row repeats it.
        unasked: for each file, how many rows were never asked about, where it is known what was.

    Args:
        root: the dataset.
        manifest: of it.
        sought: what is looked for.
        sample: which row groups to look into; None for all.
        source: the dataset that this one was made from, where that is known and as it was.
        problems: told of each problem.
        progress: told after each file.
    """

    def __init__(
        self,
        root: Path,
        manifest: Manifest,
        *,
        sought: Sought,
        sample: Sample | None,
        source: Path | None,
        problems: Callable[[str], None],
        progress: ProgressCallback,
    ) -> None:
        self.root, self.manifest = root, manifest
        self.counted: Counter[str] = Counter()
        self.spots: list[Spot] = []
        self.unplaced: set[str] = set()
        self.mentioned: set[str] = set()
        self.unlooked: set[str] = set()
        self.unsaid: set[str] = set()
        self.unasked: Counter[str] = Counter()
        self._numbers: dict[Spot, int] = {}
        self.sought, self._sample, self._source = sought, sample, source
        self._tell, self._progress = problems, progress

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Every ID of every file, for :func:`~compliance_frames.proof.rescan.rescan`."""
        done = 0
        for findings in in_order(self._tasks()):
            for sentence in findings.problems:
                self._tell(sentence)
            self.counted += findings.counted
            self.unplaced |= findings.unplaced
            self.mentioned |= findings.mentioned
            self.unlooked |= findings.unlooked
            self.unsaid |= findings.unsaid
            self.unasked += findings.unasked
            for each in findings.cells:
                yield cells(self._spot(each.spot), each.whose, each.ids, rows=each.rows, places=each.places)
            if findings.done is not None:
                done += 1
                total = len(self.manifest.files)
                self._progress(Progress("verify", self.root.name, done, total, "files", findings.done))

    def problem(self, found: Found) -> str | None:
        """The sentence for IDs that were found where they must not be; None where they may be there."""
        spot = self.spots[found.spot]
        if found.treatment == "drop" and spot.role != "mention":
            if spot.where is not None:
                return f"{spot.file}: {number(found.looked_at, 'ID')} of what had to go in {spot.where}"
            what = _CALLED[spot.role].format(n=number(found.looked_at, "row"))
            return f"{spot.file}: {what} (column {spot.column!r}, the first is row {found.first_row:,})"
        if found.treatment == "scrub_geo" and found.placed and spot.role != "mention":
            held = [name for bit, name in enumerate(spot.places) if found.places >> bit & 1]
            columns = ", ".join(map(repr, held)) or "a place"
            rows = f"{number(found.placed, 'row')} whose place had to go {'has' if found.placed == 1 else 'have'}"
            where = f"by column {spot.column!r}, the first is row {found.first_placed:,}"
            return f"{spot.file}: {rows} one in {columns} ({where})"
        return None

    def _tasks(self) -> Iterator[_Task]:
        """What is to be done, file by file; each is opened when its turn comes."""
        for directory in other_directories(self.root, self.manifest):
            yield partial(Findings, cells=list(name_cells(directory)))
        for record in self.manifest.files:
            path = self.root / record.path
            yield partial(look_at_file, path, record)
            if path.is_file() and not path.is_symlink():
                yield from self._file(path, record)
                if self._source is not None and record.decision != "copy" and record.columns is not None:
                    original = self._source if self._source.is_file() else self._source / record.path
                    yield self._kept(original, path, record)
            yield partial(Findings, done=record.path)

    def _file(self, path: Path, record: FileRecord) -> Iterator[_Task]:
        if record.columns is None:
            yield partial(look_at_other, path, record, self.sought.needles)
            return
        if record.raw is not None:
            yield partial(look_at_raw, path, record, self.manifest.columns_of(record), self.sought)
            return
        try:
            opened = self._opened(path, record)
        except _UNREADABLE as error:
            yield partial(Findings, [_unreadable(record, error)])
            return
        yield partial(_with_file, path, opened, lambda file, opened: look_at_footer(file, opened, self.sought))
        for group in range(len(opened.footer.groups)):
            self.counted["groups"] += 1
            if self._sample is not None and not self._sample.takes(record.path, group):
                yield partial(Findings, cells=list(bounds_cells(opened, group)))
                continue
            self.counted["groups looked into"] += 1
            yield partial(_with_file, path, opened, partial(self._group, group=group))

    def _kept(self, original: Path, path: Path, record: FileRecord) -> _Task:
        if record.raw is not None:
            return partial(look_at_kept_pieces, original, path, record, self.manifest, self.sought.erased)
        return partial(look_at_kept_rows, original, path, record, self.manifest)

    def _group(self, file: BinaryIO, opened: OpenedFile, *, group: int) -> Findings:
        return GroupLook(file, opened, group, self.sought).look()

    def _opened(self, path: Path, record: FileRecord) -> OpenedFile:
        with path.open("rb") as file:
            footer = read_footer(file)
            file.seek(0)
            with pq.ParquetFile(file, pre_buffer=False) as parquet:
                layout = Layout(self.manifest.columns_of(record))
                return OpenedFile(record, layout, footer, parquet.metadata, parquet.schema_arrow)

    def _spot(self, spot: Spot) -> int:
        told = self._numbers.setdefault(spot, len(self.spots))
        if told == len(self.spots):
            self.spots.append(spot)
        return told


def _with_file(path: Path, opened: OpenedFile, look: Callable[[BinaryIO, OpenedFile], Any]) -> Findings:
    try:
        with path.open("rb") as file:
            found: Findings = look(file, opened)
            return found
    except _UNREADABLE as error:
        return Findings([_unreadable(opened.record, error)])


def _unreadable(record: FileRecord, error: Exception) -> str:
    said = str(error).partition("\n")[0]
    return f"{record.path}: it cannot be read as Parquet ({type(error).__name__}: {said})"
