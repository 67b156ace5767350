"""Bytes go over whole, whoever copies them and however far the kernel comes; and an error tells whose it is."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from compliance_frames.corpus.copying import copy_bytes, copy_whole
from compliance_frames.corpus.footer import Extent, OnDisk
from compliance_frames.errors import FooterError

CONTENT = os.urandom(3 << 20)
COPY: Any = getattr(os, "copy_file_range", None)


def _refuses(*_: Any, **__: Any) -> int:
    raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))


def _stops(reading: int, writing: int, count: int, offset_src: int) -> int:
    """The kernel comes to the first 5,000 bytes in small steps, and no further."""
    return int(COPY(reading, writing, min(count, 1000), offset_src=offset_src)) if offset_src < 5000 else 0


def _breaks_off(reading: int, writing: int, count: int, offset_src: int) -> int:
    return _stops(reading, writing, count, offset_src) or _refuses()


@pytest.mark.skipif(COPY is None, reason="no such call here")
@pytest.mark.parametrize("kernel", [COPY, _refuses, _stops, _breaks_off, None])
@pytest.mark.parametrize("extent", [Extent(0, len(CONTENT)), Extent(7, 2_000_000), Extent(9, 9)])
def test_all_bytes_arrive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel: Callable[..., int] | None, extent: Extent
) -> None:
    """What was written before stays, and what the kernel does not copy is read and written."""
    monkeypatch.setattr(os, "copy_file_range", kernel)
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(CONTENT)
    with source.open("rb") as reading, target.open("xb", buffering=0) as writing:
        writing.write(b"before")
        copy_bytes(OnDisk(reading, source), extent, writing.fileno())
        writing.write(b"after")
    assert target.read_bytes() == b"before" + CONTENT[slice(*extent)] + b"after"


def test_a_file_that_ends_too_early_is_an_error(tmp_path: Path) -> None:
    """Never fewer bytes, and never others."""
    source = tmp_path / "source"
    source.write_bytes(b"short")
    with (
        source.open("rb") as reading,
        (tmp_path / "target").open("xb", buffering=0) as writing,
        pytest.raises(FooterError, match="has none from"),
    ):
        copy_bytes(OnDisk(reading, source), Extent(2, 9), writing.fileno())


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that cannot be read")
def test_an_error_in_reading_names_the_file(tmp_path: Path) -> None:
    """So that nobody looks for the fault at the destination."""
    source = Path("/proc/self/mem")
    with source.open("rb") as reading, (tmp_path / "target").open("xb", buffering=0) as writing:
        with pytest.raises(OSError, match="mem") as caught:
            copy_bytes(OnDisk(reading, source), Extent(0, 9), writing.fileno())
        assert caught.value.filename == str(source)


def _shares(writing: int, request: int, reading: int) -> int:
    """What a file system does that can share blocks."""
    os.pwrite(writing, os.pread(reading, len(CONTENT), 0), 0)
    return 0


@pytest.mark.parametrize("kernel", [fcntl.ioctl, _shares], ids=["this one", "sharing blocks"])
@pytest.mark.parametrize("size", [0, 1, 512 << 10, len(CONTENT)])
def test_a_whole_file_goes_over_with_its_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel: Callable[..., int], size: int
) -> None:
    """The digest is that of what was read, which is what was written."""
    monkeypatch.setattr(fcntl, "ioctl", kernel)
    (tmp_path / "source").write_bytes(CONTENT[:size])
    digest = copy_whole(tmp_path / "source", tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == CONTENT[:size]
    assert digest == hashlib.sha256(CONTENT[:size]).hexdigest()


def test_nothing_is_copied_over_another_file(tmp_path: Path) -> None:
    """Whatever has the name keeps it."""
    for name in ("source", "target"):
        (tmp_path / name).write_bytes(name.encode())
    with pytest.raises(FileExistsError):
        copy_whole(tmp_path / "source", tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == b"target"


def test_a_file_that_is_cut_short_meanwhile_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shorter copy is no copy."""
    (tmp_path / "source").write_bytes(b"short")
    monkeypatch.setattr(os, "fstat", lambda _: SimpleNamespace(st_size=9))
    with pytest.raises(FooterError, match="4 bytes too early"):
        copy_whole(tmp_path / "source", tmp_path / "target")


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that cannot be read")
def test_an_error_in_reading_a_whole_file_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that nobody looks for the fault at the destination."""
    monkeypatch.setattr(os, "fstat", lambda _: SimpleNamespace(st_size=9))
    with pytest.raises(OSError, match="mem") as caught:
        copy_whole(Path("/proc/self/mem"), tmp_path / "target")
    assert caught.value.filename == "/proc/self/mem"
