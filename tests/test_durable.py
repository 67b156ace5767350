"""Private files are private from their first byte, and whole or not there."""

from __future__ import annotations

import errno
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from compliance_frames.durable import (
    make_parents,
    make_private_directory,
    open_private,
    write_private,
    write_private_once,
)
from compliance_frames.lock import Lock


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@contextmanager
def no_room() -> Iterator[None]:
    """No file of this process may grow."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


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


def test_a_file_without_room_leaves_nothing_behind(tmp_path: Path) -> None:
    """Half a file takes room from the next try, and may hold half a secret."""
    write_private(tmp_path / "a", b"old")
    with no_room(), pytest.raises(OSError) as caught:
        write_private(tmp_path / "a", b"new")
    assert caught.value.errno == errno.EFBIG
    assert (tmp_path / "a").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_lock_that_cannot_be_signed_is_given_back(tmp_path: Path) -> None:
    """A notebook that ran out of room can go on once there is some."""
    with no_room(), pytest.raises(OSError) as caught:
        Lock(tmp_path / "lock", "it")
    assert caught.value.errno == errno.EFBIG, "with its traceback, and all that this keeps alive, still at hand"
    Lock(tmp_path / "lock", "it").release()


def test_a_lock_ends_with_its_holder_whatever_that_forked(tmp_path: Path) -> None:
    """Workers of a killed run live on for a while; they must not keep the next run out."""
    code = (
        "import os, sys; from pathlib import Path; from compliance_frames.lock import Lock\n"
        "lock = Lock(Path(sys.argv[1]), 'it')\n"
        "if os.fork():\n    os.kill(os.getpid(), 9)\n"
        "print('here', flush=True)\nsys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as killed:
        assert killed.stdout
        assert killed.stdout.readline() == "here\n"
        assert killed.wait(timeout=10) == -9
        Lock(tmp_path / "lock", "it").release()


def test_missing_parents_are_made_durably(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each new name is synced in the directory that it stands in."""
    synced, fsync = [], os.fsync

    def noting(handle: int) -> None:
        synced.append(Path(f"/proc/self/fd/{handle}").readlink())
        fsync(handle)

    monkeypatch.setattr(os, "fsync", noting)
    make_parents(tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b").is_dir()
    assert set(synced) == {tmp_path / "a", tmp_path}
    synced.clear()
    make_parents(tmp_path / "a" / "b" / "c")
    assert synced == []


@pytest.mark.parametrize("umask", [0, 0o777])
def test_a_file_that_is_written_once_is_private_and_takes_no_place(tmp_path: Path, umask: int) -> None:
    """0600 and whole; whatever has the name keeps it, also a link to nowhere."""
    before = os.umask(umask)
    try:
        write_private_once(tmp_path / "new", b"first")
    finally:
        os.umask(before)
    assert mode(tmp_path / "new") == 0o600
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("new", "link"):
        with pytest.raises(FileExistsError):
            write_private_once(tmp_path / name, b"second")
    assert (tmp_path / "new").read_bytes() == b"first"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "new"]


def test_where_there_are_no_hard_links_a_file_is_written_once_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some file systems have none."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    write_private_once(tmp_path / "new", b"first")
    assert (tmp_path / "new").read_bytes() == b"first"
    assert mode(tmp_path / "new") == 0o600
    with pytest.raises(FileExistsError):
        write_private_once(tmp_path / "new", b"second")
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_of_a_file_that_is_written_once_nothing_is_left_without_room(tmp_path: Path) -> None:
    """Neither the file nor a piece of it."""
    with no_room(), pytest.raises(OSError, match="too large"):
        write_private_once(tmp_path / "new", b"first")
    assert not list(tmp_path.iterdir())
