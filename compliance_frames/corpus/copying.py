"""Copy bytes from one file to another, by the kernel where it can; errors in reading name the file that was read."""

from __future__ import annotations

import fcntl
import hashlib
import os
from io import RawIOBase
from pathlib import Path
from typing import Final

from compliance_frames.corpus.footer import Extent, OnDisk, Origin
from compliance_frames.durable import begin_to_sync
from compliance_frames.errors import FooterError

#: Bytes that are read and written at once where the kernel cannot copy; they are still near when they are hashed …
_STRETCH: Final = 1 << 20
#: … and that it is asked to copy at once.
_LONG_STRETCH: Final = 1 << 30
#: Linux' request that a file share the blocks of another.
_CLONE: Final = 0x40049409


def copy_whole(source: Path, target: Path) -> str:
    """Copy a file to a new one that is on its way to the disk then; SHA-256 of what went over.

    Where the file system cannot share blocks, each stretch is hashed between reading and writing it: whoever copies
    first and hashes then reads everything twice.

    Raises:
        FooterError: it became shorter meanwhile.
        FileExistsError: the target exists.
        OSError: the source cannot be read (then it has the path), or there is no room.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> (folder / "a").write_bytes(b"tweets")
    6
    >>> copy_whole(folder / "a", folder / "b")[:8], (folder / "b").read_bytes()
    ('5f036a2b', b'tweets')
    """
    with source.open("rb", buffering=0) as reading, target.open("x+b", buffering=0) as writing:
        size = os.fstat(reading.fileno()).st_size
        shared = _cloned(reading.fileno(), writing.fileno())
        digest, stretch = hashlib.sha256(), memoryview(bytearray(min(size, _STRETCH)))
        left = size
        while left:
            got = _read_into(stretch[:left], writing if shared else reading, source)
            if not got:
                raise FooterError(f"a file of {size:,} bytes ends {left:,} bytes too early")
            if not shared:
                write_all(writing.fileno(), stretch[:got])
            digest.update(stretch[:got])
            left -= got
        begin_to_sync(writing.fileno())
        return digest.hexdigest()


def _cloned(reading: int, writing: int) -> bool:
    """Whether an empty file now shares all blocks of another one."""
    try:
        fcntl.ioctl(writing, _CLONE, reading)
    except OSError:  # not on this file system, or not between these
        return False
    return True


def _read_into(stretch: memoryview, stream: RawIOBase, source: Path) -> int:
    try:
        return stream.readinto(stretch) or 0
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(source)) from error


def copy_bytes(origin: Origin, extent: Extent, handle: int) -> None:
    """Write some bytes of a file to another one, where that one's handle stands.

    Raises:
        FooterError: there are not so many.
        OSError: they cannot be read (then it has the path), or there is no room.

    >>> import tempfile
    >>> from compliance_frames.corpus.footer import InMemory
    >>> with tempfile.TemporaryFile(buffering=0) as target:
    ...     copy_bytes(InMemory(b"0123456789"), Extent(2, 5), target.fileno())
    ...     target.seek(0), target.read()
    (0, b'234')
    """
    at = _copied_by_kernel(origin.handle, handle, extent) if isinstance(origin, OnDisk) else extent.start
    for start in range(at, extent.end, _STRETCH):
        write_all(handle, origin.read(start, min(start + _STRETCH, extent.end)))


def write_all(handle: int, data: bytes | memoryview) -> None:
    """Write bytes, however many calls that takes."""
    left = memoryview(data)
    while left:
        left = left[os.write(handle, left) :]


def _copied_by_kernel(reading: int, writing: int, extent: Extent) -> int:
    """Let the kernel copy, which shares blocks where the file system can; up to where it came."""
    call, at = getattr(os, "copy_file_range", None), extent.start
    while call is not None and at < extent.end:
        try:
            done = call(reading, writing, min(extent.end - at, _LONG_STRETCH), offset_src=at)
        except OSError:  # not between these file systems; damage and a full disk say so again when we do it ourselves
            break
        if not done:
            break
        at += done
    return at
