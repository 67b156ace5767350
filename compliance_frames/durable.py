"""Files that only their owner reads, that are there whole or not at all, and that outlive a power cut."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO


def open_private(path: Path) -> IO[bytes]:
    """Open a file for writing, with mode 0600 whatever the umask, also where it was there before."""
    file = os.fdopen(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb")
    os.fchmod(file.fileno(), 0o600)
    return file


def write_private(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: beside it first, then renamed into place."""
    part = path.with_name(path.name + ".part")
    try:
        with open_private(part) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:  # half of it helps nobody, and takes room from a disk that is full
        part.unlink(missing_ok=True)
        raise
    publish(part, path)


def publish(part: Path, path: Path) -> None:
    """Rename a file that is already on the disk into place, durably."""
    part.replace(path)
    sync_directory(path.parent)


def sync_directory(folder: Path) -> None:
    """Make the names in a directory durable."""
    handle = os.open(folder, os.O_RDONLY)
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
