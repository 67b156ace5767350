"""Where a cleaned dataset grows out of sight: a locked directory beside its destination, with a journal.

::

    .clean.compliance-frames/       0700, for ``clean/``
        lock                        held by the one run that works here
        <plan>/                     one directory for each plan; those of other plans are swept
            journal.jsonl           a line for each file that is done
            erasures/               what workers in other processes read
            parts/                  files under way
            data/                   files that are done; renamed to the destination when all are
        next-<number>               a manifest, while a dataset takes the place of an older one (update.py)

A killed run leaves all this behind. The next run with the same plan goes on from what the journal vouches for, once
each file's size and SHA-256 have been seen to agree with it. A worker that outlives its run can do no harm: it
renames its file into a directory of its own plan, where the same file belongs, or where no directory is any more.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any, Final

import compliance_frames
from compliance_frames.corpus.destination import explained
from compliance_frames.corpus.erasures import Erasures
from compliance_frames.corpus.manifest import FileRecord
from compliance_frames.durable import make_parents, sync_directory, sync_file
from compliance_frames.errors import DestinationError
from compliance_frames.lock import Lock, OnWait
from compliance_frames.progress import awaited

#: The audit event that is raised with the name of each step that was reached.
EVENT: Final = "compliance_frames.stage"

#: How the manifest is called that waits beside the plans' directories for its dataset to be in its place.
NEXT: Final = "next-"

#: Of the journal; one of another version is not understood, and swept.
_VERSION: Final = 1

#: Seconds in which files may get done that a power cut costs: so often the journal is made to outlive one. Each time
#: the disk has to bring everything that it was given before, which the files under way wait for.
_LOST_AT_MOST: Final = 0.25

#: Waits for the disk that go on side by side.
_SYNCED_AT_ONCE: Final = 8


def stage_path(destination: Path) -> Path:
    """Where the copy grows that becomes a destination.

    >>> stage_path(Path("out/clean")).as_posix()
    'out/.clean.compliance-frames'
    """
    return destination.with_name(f".{destination.name}.compliance-frames")


def lock_path(destination: Path) -> Path:
    """The file whose lock the one run holds that writes a destination."""
    return stage_path(destination) / "lock"


class Stage:
    """The staging directory of one plan and one destination, locked while it is entered.

    Attributes:
        base: of everything that belongs to the destination.
        root: of everything that belongs to the plan.
        data: where finished files go.
        parts: where files grow; it is emptied on entering.
        erasures: where erasures are written for workers.
        journal: the records of the files that were finished, by path.
    """

    def __init__(self, destination: Path, plan_digest: str, *, wait: OnWait | None = None) -> None:
        self._destination, self._wait = destination, wait
        self._base = self.base = stage_path(destination)
        told = f"{plan_digest} {_VERSION} {compliance_frames.__version__}"  # what another release staged is not ours
        self.root = self._base / hashlib.sha256(told.encode()).hexdigest()[:32]
        self.data, self.parts, self.erasures = (self.root / name for name in ("data", "parts", "erasures"))
        self.journal: dict[str, FileRecord] = {}
        self._lock: Lock | None = None
        self._log, self._synced, self._pending = -1, 0.0, False

    def __enter__(self) -> Stage:
        with explained(self._destination):
            self._lock = self._locked()
            try:
                self._sweep()
            except BaseException:
                self._lock.release()
                raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if self._log >= 0:
                self._close(failed=kind is not None)
            if not self.root.exists():
                self._remove()
        finally:
            if self._lock is not None:
                self._lock.release()

    def _close(self, *, failed: bool) -> None:
        """Close the journal; where nothing is in it that another run could use, take all away."""
        if self.journal and self._pending:
            with suppress(OSError):
                os.fsync(self._log)
        os.close(self._log)
        if not self.journal:
            with suppress(*[DestinationError] if failed else []):  # what failed first tells more
                self.clear()

    def open(self) -> None:
        """Make the directories, and read what an earlier run with the same plan left."""
        with explained(self._destination):
            for directory in (self.root, self.data, self.parts):
                directory.mkdir(exist_ok=True)
            path = self.root / "journal.jsonl"
            self._log = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            records, end = _read_journal(path.read_bytes())
            os.ftruncate(self._log, end)  # half a line, of a run that was killed while it wrote it
            self.journal = {record.path: record for record in records}
            sync_directory(self.root)
        self._synced = monotonic()
        sys.audit(EVENT, "opened")

    def vouch(self, records: Iterable[FileRecord]) -> None:
        """Write down which files are done, for a run that comes after this one was killed.

        A power cut may cost what was written in the last moment. Such files are made once more: none is ever trusted
        for being here, but for agreeing with its line.
        """
        sys.audit(EVENT, "staged")
        done = list(records)
        with explained(self._destination):
            lines = b"".join(json.dumps(vars(each), separators=(",", ":")).encode() + b"\n" for each in done)
            end = os.fstat(self._log).st_size
            try:
                if os.write(self._log, lines) < len(lines):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                self._pending = True
                self._keep()
            except OSError:
                os.ftruncate(self._log, end)  # half a line would hide all that come after it
                raise
        self.journal.update({each.path: each for each in done})
        sys.audit(EVENT, "vouched")

    def keep(self) -> None:
        """Make what was vouched for outlive a power cut, unless that was done a moment ago."""
        with explained(self._destination):
            self._keep()

    def _keep(self) -> None:
        if self._pending and monotonic() - self._synced > _LOST_AT_MOST:
            os.fsync(self._log)
            self._synced, self._pending = monotonic(), False

    def settle(self, modes: dict[str, int]) -> None:
        """Give directories their modes, and make all that is staged outlive a power cut.

        Args:
            modes: of directories, by their paths below ``data``; the owner may always write.
        """
        found: list[Path] = []
        for folder, _, names in os.walk(self.data, topdown=False):
            mode = modes.get(Path(folder).relative_to(self.data).as_posix())
            if mode is not None:
                Path(folder).chmod(mode | 0o700)
            found += [*(Path(folder, name) for name in names), Path(folder)]
        _sync_all(found)
        sys.audit(EVENT, "settled")

    def clear(self) -> None:
        """Forget everything that is staged: it is in its place now, or will never be, or a new copy replaced it.

        Raises:
            DestinationError: some of it stays.
        """
        self.journal = {}
        _remove_all(self.root)
        sys.audit(EVENT, "cleared")

    def write_erasures(self, erasures: Erasures) -> None:
        """Write what is to be erased for workers to read; always anew, as a power cut may have left half of it."""
        with explained(self._destination):
            shutil.rmtree(self.erasures, ignore_errors=True)
            erasures.write(self.erasures)

    def _locked(self) -> Lock:
        """The lock. Its file and its directory may be taken away, at any moment, by the run that held it."""
        while True:
            make_parents(self._base)
            with suppress(FileExistsError):  # it was there, and is perhaps no more
                self._base.mkdir(mode=0o700)
            with suppress(FileNotFoundError):
                _must_be_ours(self._base)
                lock = Lock(lock_path(self._destination), f"The destination {self._destination}", wait=self._wait)
                if lock.is_current:
                    return lock
                lock.release()

    def _sweep(self) -> None:
        """Take away what other plans left, and files that were under way."""
        for entry in self._base.iterdir():
            if entry.name not in {"lock", self.root.name} and not entry.name.startswith(NEXT):
                _remove_all(entry)
        if self.parts.exists():
            shutil.rmtree(self.parts)

    def _remove(self) -> None:
        (self._base / "lock").unlink(missing_ok=True)
        with suppress(OSError):  # a run that comes next has made its own lock already
            self._base.rmdir()


def files_below(directory: Path) -> dict[str, int]:
    """Every file below a directory, by its relative path, and its size; of what is neither file nor directory, -1."""
    found = {}
    for folder, folders, names in os.walk(directory):
        links = [name for name in folders if Path(folder, name).is_symlink()]
        for path in (Path(folder, name) for name in (*names, *links)):
            state = path.lstat()
            found[path.relative_to(directory).as_posix()] = state.st_size if stat.S_ISREG(state.st_mode) else -1
    return found


def _sync_all(paths: Sequence[Path]) -> None:
    """Wait until files and directories are on the disk: for several at a time, which a disk takes in one go."""
    with ThreadPoolExecutor(_SYNCED_AT_ONCE, "compliance-frames-sync") as threads:
        shares = [threads.submit(_sync_each, paths[first::_SYNCED_AT_ONCE]) for first in range(_SYNCED_AT_ONCE)]
        for share in shares:
            awaited(share)


def _sync_each(paths: Iterable[Path]) -> None:
    for path in paths:
        _sync(path)


def _sync(path: Path) -> None:
    """Wait until a path is on the disk. A file that cannot get there is given up: what is read of it is memory."""
    state = path.stat()
    if stat.S_ISDIR(state.st_mode):
        sync_directory(path)
        return
    if not state.st_mode & stat.S_IRUSR:  # nobody can open it: the worker has done it
        return
    try:
        sync_file(path)
    except OSError:
        path.unlink()
        raise


def _must_be_ours(base: Path) -> None:
    state = base.lstat()
    if base.is_symlink() or state.st_uid != os.geteuid():
        raise DestinationError(f"{base} belongs to somebody else: take it away, or choose another destination")


def _remove_all(entry: Path) -> None:
    """Remove what is at a path, also where somebody took the right to write from its directories.

    Raises:
        DestinationError: some of it stays.
    """
    try:
        if entry.is_dir() and not entry.is_symlink():
            with suppress(OSError):
                shutil.rmtree(entry)
            if entry.exists():
                _open_up(entry)
                shutil.rmtree(entry)
        else:
            entry.unlink(missing_ok=True)
    except OSError as error:
        raise DestinationError(
            f"{entry} cannot be removed: {error.strerror} ({error.filename}); it may hold what had to go, of a copy "
            "that was replaced or of a run that was killed: take it away, then run again"
        ) from error


def _open_up(folder: Path) -> None:
    """Take back the right to read and write a directory and all below, as far as it is ours."""
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        with suppress(OSError):
            here.chmod(0o700)
            with os.scandir(here) as entries:
                waiting += [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]


def _read_journal(content: bytes) -> tuple[list[FileRecord], int]:
    """The records of a journal up to the first line that is damaged, and where that line begins."""
    records, end = [], 0
    for line in content.splitlines(keepends=True):
        record = _record(line)
        if record is None:
            break
        records.append(record)
        end += len(line)
    return records, end


def _record(line: bytes) -> FileRecord | None:
    if not line.endswith(b"\n"):
        return None
    try:
        told: Any = json.loads(line)
        return FileRecord(**{**told, "notes": tuple(told["notes"])})
    except (ValueError, TypeError, KeyError):
        return None
