"""Hold a cleaned raw file against its source: the same pieces, byte by byte and in their order, without some.

A piece that names what had to go, or to lose its place, may have lost values; everything else in it is as it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from compliance_frames.corpus.manifest import FileRecord, Manifest
from compliance_frames.proof.erased import Erased
from compliance_frames.proof.findings import Findings
from compliance_frames.proof.raw import Sift, records_counted
from compliance_frames.proof.rawpieces import Piece, batches, pieces

_PARTS: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|\s|[^"\s\[\]{},:]+', re.DOTALL)


def look_at_kept_pieces(
    source: Path, cleaned: Path, record: FileRecord, manifest: Manifest, erased: Erased
) -> Findings:
    """Compare a raw file that lost something with its source, piece by piece."""
    findings = Findings()
    try:
        problem = _compared(source, cleaned, record, manifest, erased)
    except (OSError, EOFError, ValueError, RecursionError, pa.ArrowException) as error:
        findings.unlooked.add(f"whether the lines of {record.path!r} are the source's ({type(error).__name__})")
        return findings
    findings.counted["kept"] = record.rows_kept or 0  # records, not pieces: headers of tables are none
    findings.problems += [f"{record.path}: {problem}"] if problem else []
    return findings


def _compared(source: Path, cleaned: Path, record: FileRecord, manifest: Manifest, erased: Erased) -> str | None:
    rows: list[int] = []
    found = _suspected(pieces(source, record), Sift(erased))
    before = records_counted(found, record, manifest.columns_of(record), rows)
    everything = manifest.unchecked == "drop"
    for number, after in enumerate(pieces(cleaned, record), start=1):
        if not any(_is_left_of(piece, after, suspect or everything, record) for piece, suspect in before):
            return f"piece {number:,} of it is not one of the source's, in their order, or was changed in it"
    for _ in before:  # to the end, where it is known how many records there are
        pass
    if rows != [record.rows_in]:
        return f"the source file has {rows[0]:,} records, and {record.rows_in:,} by the manifest"
    return None


def _suspected(found: Iterator[Piece], sift: Sift) -> Iterator[tuple[Piece, bool]]:
    """Pieces, and whether something in each may have had to go."""
    for batch in batches(found):
        yield from zip(batch, sift.hits(batch), strict=True)


def _is_left_of(before: Piece, after: Piece, suspect: bool, record: FileRecord) -> bool:
    if before.text == after.text:
        return True
    if not suspect or before.value is None or after.value is None:
        return False
    if record.raw == "csv":
        pairs = zip(before.value, after.value, strict=False)
        same = len(before.value) == len(after.value) and all(left in (was, "") for was, left in pairs)
        return same and _is_within(after.text, before.text)
    parts = [part for part in _PARTS.findall(after.text) if part != "null"]
    return is_left(before.value, after.value) and _is_within(parts, _PARTS.findall(before.text))


def is_left(before: Any, after: Any) -> bool:
    """Whether a value is another one without some values: these are null, or no elements of their lists any more.

    >>> is_left({"id": 7, "l": [1, 2]}, {"id": 7, "l": [2]}), is_left({"id": 7}, {"id": 8}), is_left([1], [1, 1])
    (True, False, False)
    """
    if after is None:
        return True
    if isinstance(before, dict) and isinstance(after, dict):
        return list(before) == list(after) and all(is_left(before[key], after[key]) for key in before)
    if isinstance(before, list) and isinstance(after, list):
        left = iter(before)
        return all(any(is_left(was, each) for was in left) for each in after)
    return type(before) is type(after) and bool(before == after)


def _is_within(parts: Any, whole: Any) -> bool:
    """Whether some parts stand in others in the same order."""
    left = iter(whole)
    return all(part in left for part in parts)
