"""Files that only their owner reads, that are there whole or not at all, and that outlive a power cut."""

from __future__ import annotations

import ctypes
import os
import secrets
from functools import cache
from pathlib import Path
from typing import IO, Any, Final

_WRITE: Final = 2  # of sync_file_range(): begin to write, wait for nothing


def open_private(path: Path) -> IO[bytes]:
    """Open a file for writing, with mode 0600 whatever the umask, also where it was there before."""
    file = os.fdopen(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb")
    os.fchmod(file.fileno(), 0o600)
    return file


def write_private(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: beside it first, then renamed into place."""
    part = path.with_name(path.name + ".part")
    _fill(part, data)
    try:
        publish(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_private_once(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, and never over another.

    Raises:
        FileExistsError: the name is taken; what has it is left as it is.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    _fill(part, data)
    try:
        os.link(part, path, follow_symlinks=False)  # unlike a rename, this takes nobody's place
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    sync_directory(path.parent)


def _fill(part: Path, data: bytes) -> None:
    try:
        part.unlink(missing_ok=True)  # a killed run's; or a link, or a file held open, that somebody else put there
        with os.fdopen(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:  # half of it helps nobody, and takes room from a disk that is full
        part.unlink(missing_ok=True)
        raise


def publish(part: Path, path: Path) -> None:
    """Rename a file that is already on the disk into place, durably."""
    part.replace(path)
    sync_directory(path.parent)


def begin_to_sync(handle: int) -> None:
    """Have the kernel begin to write a file's content to the disk, so that a later ``fsync`` finds little to wait for.

    This promises nothing, and does nothing where the kernel has no such call.
    """
    call = _sync_file_range()
    if call is not None:
        call(handle, 0, 0, _WRITE)


@cache
def _sync_file_range() -> Any:
    call = getattr(ctypes.CDLL(None), "sync_file_range", None)
    if call is not None:
        call.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    return call


def sync_directory(folder: Path) -> None:
    """Make the names in a directory durable."""
    sync_file(folder)


def sync_file(path: Path) -> None:
    """Make a file's content durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_parents(path: Path) -> None:
    """Make the directories above a path that are missing, durably."""
    missing = [folder for folder in path.parents if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        sync_directory(folder.parent)


def make_private_directory(folder: Path) -> None:
    """Make a directory with mode 0700 whatever the umask; its parents must exist."""
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
