"""Copy bytes from one file to another, by the kernel where it can; errors in reading name the file that was read."""

from __future__ import annotations

import os
from typing import Final

from compliance_frames.corpus.footer import Extent, OnDisk, Origin

#: Bytes that are read and written at once where the kernel cannot copy …
_STRETCH: Final = 1 << 20
#: … and that it is asked to copy at once.
_LONG_STRETCH: Final = 1 << 30


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


def write_all(handle: int, data: bytes) -> None:
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
