"""Look at a file as a whole: its digest, its name, its footer, and the bytes in it that nothing claims."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from compliance_frames.corpus.manifest import FileRecord
from compliance_frames.proof import residue
from compliance_frames.proof.bloom import BloomError, bloom_span
from compliance_frames.proof.cells import looks_placed, unreadable_ids
from compliance_frames.proof.erased import IdArray
from compliance_frames.proof.findings import Cells, Findings, Spot, number
from compliance_frames.proof.footer import Footer, Span
from compliance_frames.proof.group import OpenedFile, Sought
from compliance_frames.proof.inventory import file_problem
from compliance_frames.proof.rescan import ids_of
from compliance_frames.proof.roles import Whose

_BOTH: tuple[Whose, ...] = ("tweet", "author")
#: Of bytes that nothing claims, so many are read at once.
_PIECE = 1 << 20


def look_at_file(path: Path, record: FileRecord) -> Findings:
    """Hold a file's bytes and its name against what the manifest says and what must be gone."""
    findings = Findings(cells=list(name_cells(record.path)))
    findings.counted["names"] = len(findings.cells)
    problem = file_problem(path, record.path, size=record.bytes, sha256=record.sha256, whose="cleaned")
    findings.problems += [problem] if problem else []
    return findings


def name_cells(path: str) -> Iterator[Cells]:
    """The numbers in the name of a file or directory, and in those above it."""
    for each, told in residue.numbers_in_name(path):
        yield Cells(Spot(path, "its name"), each, ids_of(pa.array([told], pa.large_string())))


def look_at_footer(file: BinaryIO, opened: OpenedFile, sought: Sought) -> Findings:
    """Look for what had to go in the footer of a Parquet file, and between its pages."""
    footer, schema, name = opened.footer, opened.schema, opened.record.path
    findings = Findings(unplaced=set(looks_placed(schema, opened.layout)))
    _unreadable(opened, findings)
    findings.counted["parquet"], findings.counted["rows"] = 1, footer.rows
    if sought.must_erase:
        findings.problems += [
            f"{name}: its schema lists all categories of {column!r}, erased ones perhaps among them"
            for column in residue.listed_categories(schema)
        ]
    numbers = residue.numbers_in_metadata(schema, dict(footer.key_values))
    findings.counted["metadata"] = len(numbers)
    findings.cells += [Cells(Spot(name, "its key-value metadata"), each, ids_of(numbers)) for each in _BOTH if numbers]
    findings.problems += [f"{name}: {problem}" for problem in _footer_problems(footer, sought)]
    packed = np.setdiff1d(_packed(footer, sought), np.asarray(ids_of(numbers)))
    if len(packed):
        findings.problems.append(
            f"{name}: {number(len(packed), 'ID')} of what had to go in its key-value metadata, in base64"
        )
    if sought.must_erase:
        _unclaimed(file, opened, sought, findings)
    if footer.rows != opened.record.rows_kept:
        kept = opened.record.rows_kept or 0
        findings.problems.append(f"{name}: it holds {footer.rows:,} rows, and {kept:,} by the manifest")
    return findings


def _unreadable(opened: OpenedFile, findings: Findings) -> None:
    """Columns whose IDs nobody can look up: of the rows' own, nothing would be proven."""
    columns, name = opened.layout.columns, opened.record.path
    for path, kind in unreadable_ids(opened.schema, opened.layout):
        column = ".".join(path)
        if column in (columns.id, columns.author_id):
            findings.problems.append(f"{name}: column {column!r} is of type {kind}, of which no ID can be looked up")
        else:
            findings.unlooked.add(
                f"column {column!r} of {name!r}: it is of type {kind}, of which no ID can be looked up"
            )


def _footer_problems(footer: Footer, sought: Sought) -> Iterator[str]:
    """IDs in the footer's bytes that stand in no field that is looked into by itself."""
    needles = sought.needles
    hits = needles.in_bytes(footer.raw)
    if not len(hits):
        return
    fields: list[bytes] = [text for pair in footer.key_values for text in pair]
    fields += [value for group in footer.groups for chunk in group.chunks for each in chunk.bounds for value in each]
    hits = np.setdiff1d(hits, needles.in_bytes(b"\n".join(fields)))
    if len(hits):
        yield f"{number(len(hits), 'ID')} of what had to go in its footer, in no field that is known"


def _packed(footer: Footer, sought: Sought) -> IdArray:
    """IDs in values of metadata that are base64, as Arrow's schema is."""
    found = [sought.needles.ids[:0]]
    for _, value in footer.key_values:
        try:
            found.append(sought.needles.in_bytes(base64.b64decode(value, validate=True)))
        except ValueError:
            continue
    return np.unique(np.concatenate(found))


def _unclaimed(file: BinaryIO, opened: OpenedFile, sought: Sought, findings: Findings) -> None:
    """Bytes that are no part of a page, an index, a Bloom filter or the footer."""
    name, made = opened.record.path, opened.record.decision != "copy"
    for span in gaps(file, opened.footer):
        filled, hits = _filled(file, span, sought)
        where = f"{span.end - span.start:,} bytes from byte {span.start:,} on"
        if hits:
            findings.problems.append(
                f"{name}: {number(hits, 'ID')} of what had to go in {where}, which no column claims"
            )
        elif filled and made:
            findings.problems.append(
                f"{name}: {where} are no part of any column: what was erased may stand there still"
            )
        elif filled:
            findings.unlooked.add(f"bytes that no column claims, in {name!r}, which was copied: only for IDs")


def gaps(file: BinaryIO, footer: Footer) -> Iterator[Span]:
    """The spans between the beginning of a file and its end that nothing in its footer claims."""
    claimed = [span for group in footer.groups for chunk in group.chunks for span in _spans(file, footer, chunk)]
    at = 4
    for span in sorted([*claimed, footer.span], key=lambda span: span.start):
        if span.start > at:
            yield Span(at, span.start)
        at = max(at, span.end)


def _spans(file: BinaryIO, footer: Footer, chunk: Any) -> Iterator[Span]:
    yield chunk.span
    yield from (span for span in (chunk.column_index, chunk.offset_index) if span is not None)
    if chunk.bloom is not None:
        try:
            yield bloom_span(file, footer, chunk)[0]
        except BloomError:  # told where filters are looked into
            yield Span(chunk.bloom[0], chunk.bloom[0] + (chunk.bloom[1] or 0))


def _filled(file: BinaryIO, span: Span, sought: Sought) -> tuple[bool, int]:
    """Whether there is anything but zeros in a span, and how many IDs of what had to go."""
    filled, found, tail = False, [sought.needles.ids[:0]], b""
    for at in range(span.start, span.end, _PIECE):
        file.seek(at)
        piece = tail + file.read(min(_PIECE, span.end - at))
        filled = filled or any(piece)
        found.append(sought.needles.in_bytes(piece, foreign=True))
        tail = piece[-40:]
    return filled, len(np.unique(np.concatenate(found)))
