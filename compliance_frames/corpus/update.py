"""Clean again onto a cleaned copy: what did not change is taken over, the rest is made anew, and both change at once.

A copy is brought up to date by making the whole of it once more, out of sight. A file that is as it was, of which the
same goes as went before, becomes a second name of the one that is there; then the old directory and the new one change
places in one step of the kernel's. Whoever reads the dataset finds the old one, or the new one. The manifest follows;
where a run dies between the two, the next one sees by the directory's own number which of the two is there. What the
old directory holds must go, and goes: files of two names keep the one in the new one.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

import compliance_frames
from compliance_frames.corpus.columns import Columns
from compliance_frames.corpus.dataset import list_files
from compliance_frames.corpus.destination import exchanged, explained
from compliance_frames.corpus.lineage import must_be_earlier, must_be_no_link
from compliance_frames.corpus.manifest import ColumnPaths, FileRecord, Manifest, manifest_path
from compliance_frames.corpus.planned import FilePlan, Plan
from compliance_frames.corpus.stage import EVENT, NEXT, Stage, stage_path
from compliance_frames.corpus.task import must_be_fresh, said_of
from compliance_frames.corpus.threads import in_order
from compliance_frames.durable import publish, sync_directory
from compliance_frames.errors import DestinationError, VerificationError

#: Bytes from which on hashing a file is worth a thread.
_HEAVY: Final = 1 << 20
#: Files that are written down as done at once: each writing waits for the disk.
_TOLD_AT_ONCE: Final = 256


def must_be_of(dataset: Path, destination: Path) -> None:
    """Refuse to bring the copy of another dataset up to date, where there is one, before any answers are there.

    Raises:
        DestinationError: naming what does not fit.
        PlanError: the dataset cannot be listed.
    """
    with suppress(VerificationError):  # no manifest, or none that makes sense: who cleans says so
        old = Manifest.read(manifest_path(destination))
        if os.path.lexists(destination) and not is_pending(stage_path(destination)):
            must_be_earlier(list_files(dataset), old, destination, single_file=not dataset.is_dir())


def taken_over(
    plan: Plan,
    stage: Stage,
    destination: Path,
    old: Manifest,
    columns: list[Columns],
    finish: Callable[[Sequence[FileRecord]], None],
) -> int:
    """Give files of the old copy that need no work a name in the new one; ``finish`` is told of them.

    The source must be what the old copy was made from, byte by byte, and the old file what its manifest says.

    Returns:
        How many there are, with those that a run took over which was stopped.
    """
    records = {record.path: record for record in old.files}
    same = [
        (file, record)
        for file in plan.files
        if (record := records.get(file.path)) is not None and needs_no_work(file, record, old)
    ]
    before = {file.path: stage.journal[file.path] for file, _ in same if file.path in stage.journal}
    same = [pair for pair in same if pair[0].path not in before]
    taken = sum(record.sha256 == records[path].sha256 for path, record in before.items())

    def look(pair: tuple[FilePlan, FileRecord]) -> FileRecord | None:
        return _taken(plan, stage, destination, *pair)

    done: list[FileRecord] = []
    for (file, _), record in zip(same, in_order(look, same, heavy=lambda pair: pair[0].bytes >= _HEAVY), strict=True):
        if record is not None:
            at = None if file.columns is None else columns.index(file.columns)
            done.append(replace(record, columns=at, **said_of(file, file.counts)))  # for reasons of today
            taken += 1
        if len(done) == _TOLD_AT_ONCE:
            finish(done)
            done = []
    finish(done)
    return taken


def needs_no_work(file: FilePlan, record: FileRecord, old: Manifest) -> bool:
    """Whether a file would become again what it has become, if it is what it was.

    Of one that is copied nothing goes. Of another the same rows must go, by the same columns, and by the same release:
    a later one may know better.
    """
    if file.bytes != record.source_bytes or (file.rows is None) != (record.rows_in is None):
        return False
    if file.decision == "copy" or record.decision == "copy":
        return file.decision == record.decision and record.sha256 == record.source_sha256
    known = old.tool_version == compliance_frames.__version__ and bool(file.erased) and file.erased == record.erased
    alike = file.columns is not None and ColumnPaths(**asdict(file.columns)) == old.columns_of(record)
    return known and alike and file.counts.rows_kept == record.rows_kept


def _taken(plan: Plan, stage: Stage, destination: Path, file: FilePlan, record: FileRecord) -> FileRecord | None:
    """The record of a file that has its name in the staging directory now; None where it must be made anew."""
    source, there, target = plan.root / file.path, destination / file.path, stage.data / file.path
    must_be_fresh(plan.root, file)
    try:
        if _sha256(source) != record.source_sha256 or _sha256(there) != record.sha256:
            return None
    except OSError:  # whoever makes it anew says what is wrong with the source
        return None
    must_be_fresh(plan.root, file)
    with explained(destination):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)  # a killed run's
        try:
            os.link(there, target, follow_symlinks=False)
        except OSError:  # a file system without second names
            shutil.copy2(there, target, follow_symlinks=False)
        mode = stat.S_IMODE(source.stat().st_mode) & 0o777
        if stat.S_IMODE(target.stat().st_mode) != mode:  # who may read the source has changed
            target.chmod(mode)
    return record


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


# The change of places.


def publish_over(stage: Stage, destination: Path, manifest: Manifest) -> None:
    """Put what is staged in the place of the old copy, in one step, and its manifest in the place of the old one.

    The old copy is in the staging directory then, whence it has to go.

    The manifest of what comes is on the disk before, beside the staging directory, under the number of the directory
    that it belongs to.
    """
    must_be_no_link(destination)  # any more: it would change places itself
    waiting = stage.base / f"{NEXT}{stage.data.stat().st_ino}"
    manifest.write(waiting)
    sys.audit(EVENT, "written")
    try:
        mode = destination.stat().st_mode
        if not mode & stat.S_IWUSR:  # which cannot be moved
            destination.chmod(mode | stat.S_IRWXU)
        exchanged(stage.data, destination)
    except (OSError, DestinationError):
        waiting.unlink()
        raise
    sync_directory(destination.parent)
    sync_directory(stage.root)
    sys.audit(EVENT, "exchanged")
    publish(waiting, manifest_path(destination))
    sys.audit(EVENT, "published")


def is_pending(base: Path) -> bool:
    """Whether a run died in the middle of a change of places."""
    return any(_waiting(base))


def settle(base: Path, destination: Path) -> None:
    """End a change of places that a killed run began: the manifest of the dataset that is there is put beside it."""
    for waiting in _waiting(base):
        with explained(destination):
            number = int(waiting.name.removeprefix(NEXT))
            if destination.is_dir() and destination.stat().st_ino == number:
                publish(waiting, manifest_path(destination))
            else:
                waiting.unlink()


def _waiting(base: Path) -> Iterator[Path]:
    with suppress(OSError):  # nothing there, or nothing that we may look at: whoever locks it says so
        yield from (path for path in base.iterdir() if path.name.startswith(NEXT))
