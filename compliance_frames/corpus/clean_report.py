"""What cleaning did, counted from its manifest and shown to people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from html import escape
from pathlib import Path, PurePosixPath
from typing import Any

from compliance_frames.corpus.dataset import is_ignored
from compliance_frames.corpus.manifest import FileRecord, Manifest
from compliance_frames.names import shown
from compliance_frames.schemas import KINDS


@dataclass(frozen=True)
class CleanReport:
    """What cleaning did.

    Attributes:
        destination: the cleaned dataset.
        rows_in: rows of the source.
        rows_kept: rows of the cleaned dataset.
        rows_dropped: rows that are gone; ``rows_in == rows_kept + rows_dropped``.
        rows_scrubbed: kept rows whose places are gone.
        rows_unchecked: rows of tweets that were never asked about; 0 where nobody knows, because no ledger was given.
        files_copied: files of tweets that had nothing to lose; their bytes are the source's.
        files_spliced: Parquet files that lost something, of which most column chunks are the source's, byte by byte.
        files_rewritten: files that lost something, and were made anew: of raw ones, lines that stayed keep their bytes.
        files_other: files without tweets in them, copied as they are.
        bytes_in: size of the source.
        bytes_out: size of the cleaned dataset.
        notes: what could not be kept as it was, and what was not looked into; one sentence each.
        kinds: why rows went, and what was taken out of others, by name; those that begin with ``dropped_`` add up to
            ``rows_dropped``.
        files_taken_over: of an earlier copy that this run brought up to date, how many files stayed as they were.
    """

    destination: Path
    rows_in: int
    rows_kept: int
    rows_dropped: int
    rows_scrubbed: int
    rows_unchecked: int
    files_copied: int
    files_spliced: int
    files_rewritten: int
    files_other: int
    bytes_in: int
    bytes_out: int
    notes: tuple[str, ...] = ()
    kinds: Mapping[str, int] = field(default_factory=dict)
    files_taken_over: int = 0

    @classmethod
    def of(cls, manifest: Manifest, destination: Path) -> CleanReport:
        """What the manifest of a cleaned dataset tells."""
        files = manifest.files
        parquet = [file for file in files if file.rows_in is not None]
        return cls(
            destination=destination,
            rows_in=sum(file.rows_in or 0 for file in parquet),
            rows_kept=sum(file.rows_kept or 0 for file in parquet),
            rows_dropped=sum(file.rows_dropped for file in parquet),
            rows_scrubbed=sum(file.rows_scrubbed for file in parquet),
            rows_unchecked=sum(file.rows_unchecked for file in parquet),
            files_copied=sum(file.decision == "copy" for file in parquet),
            files_spliced=sum(file.decision == "splice" for file in parquet),
            files_rewritten=sum(file.decision == "rewrite" for file in parquet),
            files_other=len(files) - len(parquet),
            bytes_in=sum(file.source_bytes for file in files),
            bytes_out=sum(file.bytes for file in files),
            notes=tuple(_notes(manifest)),
            kinds=_summed(files),
        )

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON has it."""
        return {**asdict(self), "destination": str(self.destination), "notes": list(self.notes)}

    def __str__(self) -> str:
        width = max(len(name) for name, _ in self._lines())
        lines = [f"  {name:<{width}}  {value}" for name, value in self._lines()]
        told = [f"cleaned copy: {self.destination}", *lines, *(f"  note: {note}" for note in self.notes)]
        return shown("\n".join(told))

    def _repr_html_(self) -> str:
        cells = "".join(
            f"<tr><th style='text-align:left'>{escape(name)}</th><td>{escape(value)}</td></tr>"
            for name, value in self._lines()
        )
        notes = "".join(f"<li>{escape(note)}</li>" for note in self.notes)
        listed = f"<ul>{notes}</ul>" if notes else ""
        return f"<table><caption>cleaned copy: {escape(shown(str(self.destination)))}</caption>{cells}</table>{listed}"

    def _lines(self) -> list[tuple[str, str]]:
        rows = f"{self.rows_in:,} read, {self.rows_kept:,} kept, {self.rows_dropped:,} dropped"
        files = (
            f"{self.files_copied:,} copied, {self.files_spliced:,} spliced, {self.files_rewritten:,} rewritten, "
            f"{self.files_other:,} not Parquet"
        )
        went = ", ".join(f"{self.kinds[name]:,} {words}" for name, words in KINDS.items() if self.kinds.get(name))
        taken = (
            f", {self.files_taken_over:,} of them taken over from the copy of before" if self.files_taken_over else ""
        )
        return [
            ("rows", rows),
            *([("what went", went)] if went else []),
            ("scrubbed", f"{self.rows_scrubbed:,} kept rows without their places"),
            ("unchecked", f"{self.rows_unchecked:,} rows"),
            ("files", files + taken),
            ("bytes", f"{self.bytes_in:,} read, {self.bytes_out:,} written"),
        ]


def _summed(files: Sequence[FileRecord]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for file in files:
        for name, number in file.kinds.items():
            sums[name] = sums.get(name, 0) + number
    return sums


def _notes(manifest: Manifest) -> Iterable[str]:
    """Each note once, with the number of files that it stands for."""
    counted = Counter(note for file in manifest.files for note in file.notes)
    for note, files in sorted(counted.items()):
        yield f"{_files(files)} changed: {note}"
    other = sum(file.rows_in is None for file in manifest.files)
    if other:
        are, they_are = ("is", "it is") if other == 1 else ("are", "they are")
        yield f"{_files(other)} that {are} not Parquet went over as {they_are}"
    hidden = sum(is_ignored(PurePosixPath(path).name) for path in manifest.ignored)
    if hidden:
        yield f"{hidden:,} hidden or temporary entries of the source were not taken"
    left = len(manifest.ignored) - hidden
    if left:
        yield f"{_files(left)} of the source that {'is' if left == 1 else 'are'} not Parquet left out, as told"


def _files(count: int) -> str:
    return f"{count:,} file{'s' * (count != 1)}"
