"""What a worker does for one file of a plan: a small value that travels, and the function that carries it out."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from io import RawIOBase
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from compliance_frames.corpus.copying import copy_whole
from compliance_frames.corpus.dataset import Stamp, stamp_of
from compliance_frames.corpus.destination import refusal
from compliance_frames.corpus.erase import Counts, Erasures
from compliance_frames.corpus.manifest import FileRecord
from compliance_frames.corpus.plan import Decision, FilePlan
from compliance_frames.corpus.rawfiles import clean_raw
from compliance_frames.corpus.rewrite import rewrite
from compliance_frames.corpus.splice import splice
from compliance_frames.durable import begin_to_sync
from compliance_frames.errors import DestinationError, FooterError, IdError, PlanError, RawFileError, StaleDatasetError

#: Bytes that are read at once.
_STRETCH: Final = 256 << 10


@dataclass(frozen=True)
class Task:
    """One file to bring into the staging directory.

    Attributes:
        file: what was planned for it.
        columns: which entry of the manifest's columns are the file's; None where it is not Parquet.
        source: the dataset's directory.
        data: the directory that the file goes to when it is done.
        parts: the directory that it grows in.
        erasures: the directory with what is to be erased; each other process reads it once.
        destination: for messages.
        vouched: what a journal says of the file, where an earlier run has done it.
        level: the zstd level to write at, in place of the source's.
        durable: whether the worker itself waits until the file is on the disk, because nobody else can make it so.
    """

    file: FilePlan
    columns: int | None
    source: Path
    data: Path
    parts: Path
    erasures: Path
    destination: Path
    vouched: FileRecord | None = None
    level: int | None = None
    durable: bool = True


def perform(task: Task) -> FileRecord:
    """Copy, splice or rewrite one file; done twice, it does the same.

    Raises:
        StaleDatasetError: the source is not what it was when the plan was made.
        PlanError: the source cannot be read, or what was erased is not what was planned.
        DestinationError: there is no room, or no permission.
    """
    source, part = task.source / task.file.path, task.parts / f"{uuid.uuid4().hex}.part"
    must_be_fresh(task.source, task.file)
    if task.vouched is not None and _is_there(task):
        return task.vouched
    try:
        with _explained(task):
            made = _made(task, source, part)
            must_be_fresh(task.source, task.file)
            record = _recorded(task, source, part, made)
            _put(source, part, task)
            return record
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def must_be_fresh(root: Path, file: FilePlan) -> None:
    """Refuse a source that was changed since the plan was made.

    Raises:
        StaleDatasetError: its size or one of its times is another, or it is gone.
    """
    try:
        state = (root / file.path).lstat()
    except OSError as error:
        raise stale(file.path, f"cannot be found any more ({error.strerror})") from error
    if not stat.S_ISREG(state.st_mode):
        raise stale(file.path, "was changed")
    must_be_as_it_was(file.path, stamp_of(state), file.stamp)


def hold_erasures(directory: Path, erasures: Erasures) -> None:
    """Have the threads of this process take these erasures for those of a directory, where none need be written."""
    _held[directory] = erasures


def forget_erasures(directory: Path) -> None:
    """Free the erasures that this process holds for a directory."""
    _held.pop(directory, None)
    _read_erasures.cache_clear()


def must_be_as_it_was(path: str, now: Stamp, then: Stamp) -> None:
    """Refuse a file that is known by something else than before.

    Raises:
        StaleDatasetError: saying what may have happened to it.
    """
    if now[:2] != then[:2]:
        raise stale(path, "was changed")
    if now != then:  # by a link to it, by other rights; or it is another file that was given the same date
        raise stale(path, "was touched, and may hold something else at the same size and date,")


def stale(path: str, what: str) -> StaleDatasetError:
    """What to raise of a file to which something happened."""
    return StaleDatasetError(f"{path} {what} since the plan was made: plan again, then clean; nothing was published")


def _is_there(task: Task) -> bool:
    """Whether a file that the journal vouches for is in the staging directory as the journal says."""
    target, said = task.data / task.file.path, task.vouched
    try:
        return said is not None and target.stat().st_size == said.bytes and _sha256(target) == said.sha256
    except OSError:
        return False


@dataclass(frozen=True)
class _Made:
    """What became of a file.

    Attributes:
        decision: what was done.
        counts: of what was erased.
        shared: bytes from its beginning on that are the source's own; of a copy, all.
        notes: what could not be kept.
        sha256: of a copy.
    """

    decision: Decision
    counts: Counts
    notes: tuple[str, ...] = ()
    shared: int = 0
    sha256: str | None = None


def _made(task: Task, source: Path, part: Path) -> _Made:
    """Write the part."""
    file = task.file
    if file.decision == "copy" or file.columns is None:
        return _Made("copy", file.counts, shared=file.bytes, sha256=copy_whole(source, part))
    erasures, decision = _erasures(task.erasures), file.decision
    if file.raw is not None:
        return _Made("rewrite", *clean_raw(source, part, file.raw, file.columns, erasures))
    notes: tuple[str, ...] = ()
    if decision == "splice":
        try:
            done = splice(source, part, file.columns, erasures, level=task.level, marked=file.marked)
            return _Made(decision, done.counts, done.notes, done.shared)
        except FooterError as error:  # seen only now, in pages and indexes, which a plan does not read
            part.unlink()
            notes = (f"it was to be spliced, and had to be rewritten: {error}",)
    made = rewrite(source, part, file.columns, erasures, level=task.level)
    return _Made("rewrite", made.counts, (*made.notes, *notes))


def _recorded(task: Task, source: Path, part: Path, made: _Made) -> FileRecord:
    file, counts = task.file, made.counts
    source_sha256, sha256 = _digests(source, part, made)
    record = FileRecord(
        path=file.path,
        decision=made.decision,
        columns=task.columns,
        source_bytes=file.bytes,
        source_sha256=source_sha256,
        bytes=part.stat().st_size,
        sha256=sha256,
        notes=made.notes,
        **said_of(file, counts),
    )
    _must_be_conserved(file, counts, part, record)
    return record


def said_of(file: FilePlan, counts: Counts) -> dict[str, Any]:
    """What a manifest says of the rows of a file, by what goes of it."""
    tweets = file.rows is not None
    return {
        "rows_in": counts.rows_in if tweets else None,
        "rows_kept": counts.rows_kept if tweets else None,
        "rows_dropped": counts.rows_dropped,
        "rows_scrubbed": counts.rows_scrubbed,
        "rows_unchecked": counts.rows_unchecked,
        "kinds": counts.kinds.told(counts.rows_dropped),
        "erased": file.erased,
        "raw": None if file.raw is None else file.raw.kind,
        "delimiter": file.raw.delimiter if file.raw and file.raw.kind == "csv" else None,
    }


def _must_be_conserved(file: FilePlan, counts: Counts, part: Path, record: FileRecord) -> None:
    """What was erased is what was planned, and what was written is what stayed."""
    if file.decision == "copy" and record.bytes != file.bytes:
        raise stale(file.path, f"gave {record.bytes:,} bytes instead of {file.bytes:,}: it was changed")
    if counts != file.counts or counts.kinds != file.kinds:
        raise PlanError(
            f"{file.path}: cleaning it gave {_said(counts)}, and the plan says {_said(file.counts)}; nothing was "
            "published. Plan again; if this comes back, it is a bug worth reporting"
        )
    anew = (
        file.raw is None and file.rows is not None and record.decision != "copy"
    )  # a copy has as many bytes, the same ones
    if anew and (found := _rows(part)) != counts.rows_kept:
        raise PlanError(
            f"{file.path}: {counts.rows_kept:,} rows were to stay, and {found:,} were written; nothing was "
            "published. This is a bug worth reporting"
        )


def _said(counts: Counts) -> str:
    return (
        f"{counts.rows_in:,} rows, of which {counts.rows_dropped:,} dropped, {counts.rows_scrubbed:,} scrubbed, "
        f"{counts.rows_unchecked:,} unchecked, and {counts.cells_nulled:,} embedded tweets taken out"
    )


def _rows(path: Path) -> int:
    with path.open("rb") as stream:
        return int(pq.read_metadata(stream).num_rows)


def _put(source: Path, part: Path, task: Task) -> None:
    """Move a finished part to its place, with the source's mode, on its way to the disk or there already."""
    state, target = source.stat(), task.data / task.file.path
    handle = os.open(part, os.O_RDONLY)  # before the mode, which may forbid it
    try:
        os.fchmod(handle, stat.S_IMODE(state.st_mode) & 0o777)
        if task.file.decision == "copy":
            os.utime(part, ns=(state.st_atime_ns, state.st_mtime_ns))
        if task.durable or not state.st_mode & stat.S_IRUSR:  # which nobody can open any more to do it later
            os.fsync(handle)
    finally:
        os.close(handle)
    target.parent.mkdir(parents=True, exist_ok=True)
    part.replace(target)


def _digests(source: Path, part: Path, made: _Made) -> tuple[str, str]:
    """SHA-256 of a source and of what became of it. What both begin with is read once, from the latter."""
    if made.sha256 is not None:
        return made.sha256, made.sha256
    with part.open("rb", buffering=0) as stream:
        begin_to_sync(stream.fileno())  # the disk works while we read once more what was just written
        shared = begins(stream, made.shared)
        sha256 = hashlib.file_digest(stream, shared.copy).hexdigest()
    with source.open("rb", buffering=0) as stream:
        stream.seek(made.shared)
        return hashlib.file_digest(stream, shared.copy).hexdigest(), sha256


def begins(stream: RawIOBase, count: int) -> hashlib._Hash:
    """SHA-256 of the bytes that come next, so many at most."""
    digest, stretch = hashlib.sha256(), memoryview(bytearray(_STRETCH))
    while count and (got := stream.readinto(stretch[:count])):
        digest.update(stretch[:got])
        count -= got
    return digest


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


_held: dict[Path, Erasures] = {}
_reading = threading.Lock()


def _erasures(directory: Path) -> Erasures:
    """What is to be erased: held already, or read once in each process, whichever thread comes first."""
    held = _held.get(directory)
    if held is not None:
        return held
    with _reading:
        return _read_erasures(directory)


@lru_cache(maxsize=1)
def _read_erasures(directory: Path) -> Erasures:
    return Erasures.read(directory)


@contextmanager
def _explained(task: Task) -> Iterator[None]:
    """Say of an error whose fault it is: the source's, which may have changed meanwhile, or the destination's."""
    name = task.file.path
    try:
        yield
    except OSError as error:
        must_be_fresh(task.source, task.file)
        if error.errno is None:  # Arrow's way to say that a file makes no sense
            raise PlanError(f"{name} cannot be read as Parquet: {error}") from error
        if error.filename == str(task.source / name):
            raise PlanError(f"{name} cannot be read: {error.strerror}") from error
        raise DestinationError(refusal(task.destination, error)) from error
    except RawFileError:
        must_be_fresh(task.source, task.file)
        raise
    except IdError as error:
        raise IdError(f"{name}: {error}", column=error.column, row=error.row, value=error.value) from error
    except PlanError as error:
        if str(error).startswith(name):
            raise
        must_be_fresh(task.source, task.file)
        raise type(error)(f"{name}: {error}") from error
    except UnicodeDecodeError as error:
        must_be_fresh(task.source, task.file)
        raise PlanError(f"{name} cannot be read as Parquet: what is to be text is not UTF-8 ({error})") from error
    except pa.ArrowException as error:
        must_be_fresh(task.source, task.file)
        raise PlanError(f"{name} cannot be read and written again as Parquet: {error}") from error
