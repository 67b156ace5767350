"""The service's own work: an uploaded list of IDs becomes a result file, in columns and block by block."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import IO, Literal

import numpy as np
import polars as pl
import pyarrow as pa

from compliance_frames.emulator.fates import Fates, Ids, created_ms, hashed
from compliance_frames.schemas import JobType

Action = Literal["delete", "scrub_geo"]

#: How many components the real service composes a result file from.
COMPONENTS = 20

_BLOCK = 1 << 24
_SLICE = 1 << 18
_NEWLINE = 10
# The two endpoints spell time differently.
_SPELLING = {"tweets": "%Y-%m-%dT%H:%M:%S%.3fZ", "users": "%Y-%m-%dT%H:%M:%S+00:00"}


class BadUpload(Exception):
    """An upload is not a list of IDs; the job fails with these words."""


def read_ids(path: Path) -> Ids:
    """The IDs of an upload: one a line, nothing else.

    Raises:
        BadUpload: a line is no ID, or there is none at all.
    """
    parts, line = [], 1
    with path.open("rb") as file:
        for block in _blocks(file):
            parts.append(_parsed(block, line))
            line += len(parts[-1])
    if not parts:
        raise BadUpload("The uploaded file holds no IDs.")
    return np.concatenate(parts)


def write_results(
    ids: Ids,
    path: Path,
    *,
    fates: Fates,
    type: JobType,
    now: datetime,
    scrub_action: Action = "delete",
    copies: int = 1,
) -> None:
    """Write what became of the IDs as the service does: flagged IDs only, in an order of its own.

    Args:
        ids: what was asked.
        path: the file to write; empty where every ID is clear.
        fates: what became of each.
        type: what they were asked as.
        now: the time of the answer.
        scrub_action: the ``action`` of rows whose reason is ``scrub_geo``; sources disagree on it.
        copies: how often each result stands in the file.
    """
    flagged = fates.flagged(ids, type, now)
    order = np.argsort(hashed(flagged["id"].to_numpy(), 0, "order"), kind="stable")
    rows = np.tile(order, copies)
    parts = np.array_split(rows, COMPONENTS) if len(rows) > COMPONENTS * _SLICE else [rows]
    with path.open("wb") as file:
        for number, part in enumerate(parts):
            for at in range(0, len(part), _SLICE):
                lines = _lines(flagged[part[at : at + _SLICE]], type, scrub_action)
                # Recorded files hold an empty line after the second row, whatever it is for.
                blank = 2 if at == 0 and number % 5 == 0 else 0
                _write(lines.head(blank), file)
                if blank and len(lines) > blank:
                    file.write(b"\n")
                _write(lines.slice(blank), file)


def cut_last_line(path: Path) -> None:
    """Take the last bytes of the last line away, so that it is no JSON any more."""
    with path.open("r+b") as file:
        size = file.seek(0, 2)
        if size > 4:
            file.truncate(size - 4)
        else:
            file.write(b'{"id":')


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    """A file in pieces of whole lines."""
    rest = b""
    while piece := file.read(_BLOCK):
        whole, newline, tail = piece.rpartition(b"\n")
        if newline:
            yield rest + whole + newline
            rest = tail
        else:
            rest += piece
    if rest:
        yield rest


def _parsed(block: bytes, first_line: int) -> Ids:
    """A block of whole lines as numbers, without a loop: the digits lie end to end, the newlines say where to cut."""
    text = np.frombuffer(block if block.endswith(b"\n") else block + b"\n", np.uint8)
    is_end = text == _NEWLINE
    ends = np.flatnonzero(is_end)
    lengths = np.diff(ends, prepend=-1) - 1
    odd = ~is_end & ((text < ord("0")) | (text > ord("9")))
    wrong = np.flatnonzero((lengths < 1) | (lengths > 19))
    lines = [*np.searchsorted(ends, np.flatnonzero(odd)[:1]), *wrong[:1]]
    if lines:
        raise _bad(first_line + int(min(lines)))
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    texts = pa.StringArray.from_buffers(len(lengths), pa.py_buffer(offsets), pa.py_buffer(text[~is_end]))
    try:
        numbers: Ids = texts.cast(pa.int64()).to_numpy()
    except pa.ArrowInvalid:
        too_large = np.flatnonzero(texts.cast(pa.uint64()).to_numpy() > np.uint64(2**63 - 1))
        raise _bad(first_line + int(too_large[0])) from None
    return numbers


def _bad(line: int) -> BadUpload:
    return BadUpload(f"Line {line} of the uploaded file is not an ID.")


def _lines(flagged: pl.DataFrame, type: JobType, scrub_action: Action) -> pl.Series:
    spelling = _SPELLING[type]
    created = pl.Series("created_at", created_ms(flagged["id"].to_numpy(), type))
    redacted = pl.concat_str(
        pl.lit(',"redacted_at":"'), pl.col("redacted_at").cast(pl.Datetime("ms")).dt.to_string(spelling), pl.lit('"')
    )
    action = pl.when(pl.col("reason") == "scrub_geo").then(pl.lit(scrub_action)).otherwise(pl.lit("delete"))
    line = pl.concat_str(
        pl.lit('{"id":"'),
        pl.col("id").cast(pl.String),
        pl.lit('","action":"'),
        action,
        pl.lit('","created_at":"'),
        pl.col("created_at").cast(pl.Datetime("ms")).dt.to_string(spelling),
        pl.lit('"'),
        redacted.fill_null(""),
        pl.lit(',"reason":"'),
        pl.col("reason"),
        pl.lit('"}'),
    )
    return flagged.with_columns(created).select(line=line)["line"]


def _write(lines: pl.Series, file: IO[bytes]) -> None:
    if len(lines):
        lines.to_frame().write_csv(file, include_header=False, quote_style="never")
