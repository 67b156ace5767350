"""Hold what lies in a directory against what a manifest says lies there: files, sizes, digests, and nothing else."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from compliance_frames.corpus.manifest import FileRecord, Manifest

_PIECE: Final = 1 << 19


def strays(destination: Path, manifest: Manifest) -> Iterator[str]:
    """What lies in a dataset, or was left beside it, and does not belong there: a sentence for each."""
    known = {record.path for record in manifest.files}
    for path, state in entries_below(destination):
        if stat.S_ISDIR(state.st_mode):
            continue
        if stat.S_ISLNK(state.st_mode):
            yield f"{path} is a symbolic link: what it points to may be the source, and was not looked into"
        elif not stat.S_ISREG(state.st_mode):
            yield f"{path} is neither a file nor a directory"
        elif path not in known:
            what = "a hidden or temporary file" if _is_temporary(Path(path).name) else "a file"
            yield f"{path} is {what} that the manifest does not know"
    for left in (f".{destination.name}.compliance-frames", f".{destination.name}.manifest.json.part"):
        if os.path.lexists(destination.with_name(left)):
            yield f"{left}, beside the dataset, was left by a run that did not end: it may hold what was erased"


def other_directories(destination: Path, manifest: Manifest) -> Iterator[str]:
    """Directories in which no file of the manifest lies: only their names can say anything."""
    known = {parent.as_posix() for record in manifest.files for parent in PurePosixPath(record.path).parents}
    for path, state in entries_below(destination):
        if stat.S_ISDIR(state.st_mode) and path not in known:
            yield path


def entries_below(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Everything below a directory with its state, links not followed, by its relative path."""
    waiting = [root]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                yield Path(entry.path).relative_to(root).as_posix(), entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(Path(entry.path))


def file_problem(path: Path, name: str, *, size: int, sha256: str, whose: str) -> str | None:
    """What is wrong with a file, if anything: it is not there, of another size, or of other bytes.

    Args:
        path: of the file.
        name: what to call it.
        size: in bytes, as the manifest has it.
        sha256: in hexadecimal, as the manifest has it.
        whose: what the manifest calls it: ``"cleaned"`` or ``"source"``.
    """
    try:
        state = path.lstat()
        if not stat.S_ISREG(state.st_mode):
            return None if whose == "cleaned" else f"{name}: the source is no file any more"  # a stray is told once
        if state.st_size != size:
            return f"{name}: the {whose} file has {state.st_size:,} bytes, and {size:,} by the manifest"
        found = _sha256(path)
    except FileNotFoundError:
        return f"{name}: the {whose} file is missing"
    except OSError as error:
        return f"{name}: the {whose} file cannot be read ({error.strerror})"
    return None if found == sha256 else f"{name}: the {whose} file was changed, its SHA-256 is not the manifest's"


def _sha256(path: Path) -> str:
    """The digest of a file, read in pieces so large that other threads are seldom waited for."""
    digest, room = hashlib.sha256(), memoryview(bytearray(_PIECE))
    with path.open("rb", buffering=0) as file:
        while size := file.readinto(room):
            digest.update(room[:size])
    return digest.hexdigest()


def record_problems(manifest: Manifest) -> Iterator[str]:
    """Where a manifest contradicts itself: counts that are not conserved, copies that are none."""
    seen: set[str] = set()
    for record in manifest.files:
        if record.path in seen:
            yield f"{record.path} stands twice in the manifest"
        seen.add(record.path)
        if record.rows_in is not None and record.rows_in != (record.rows_kept or 0) + record.rows_dropped:
            yield f"{record.path}: by the manifest its rows were not conserved"
        if record.decision == "copy" and not is_same(record):
            yield f"{record.path}: a copy by the manifest, and not of the source's bytes"


def is_same(record: FileRecord) -> bool:
    """Whether a cleaned file has the very bytes of its source, by the manifest."""
    return record.sha256 == record.source_sha256 and record.bytes == record.source_bytes


def _is_temporary(name: str) -> bool:
    return name.startswith((".", "_")) or name.endswith((".tmp", ".part"))
