"""Private files are private from their first byte, and whole or not there."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from compliance_frames.durable import make_private_directory, open_private, write_private


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0, 0o077, 0o777])
def test_files_and_directories_are_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    """0600 and 0700, also where a looser one was there before."""
    (tmp_path / "loose").touch(mode=0o666)
    (tmp_path / "loose").chmod(0o666)
    before = os.umask(umask)
    try:
        open_private(tmp_path / "loose").close()
        write_private(tmp_path / "new", b"x")
        make_private_directory(tmp_path / "folder")
    finally:
        os.umask(before)
    assert [mode(tmp_path / name) for name in ("loose", "new", "folder")] == [0o600, 0o600, 0o700]


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    """The old content stands until the new one is complete; nothing lies beside it afterwards."""
    write_private(tmp_path / "a", b"old")
    write_private(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
