"""One writer at a time: a lock that the system takes back when its holder dies."""

from __future__ import annotations

import fcntl
import os
from datetime import UTC, datetime
from pathlib import Path

from compliance_frames.errors import LedgerLockedError


class Lock:
    """An exclusive lock on a file, held until it is released or the process ends.

    Raises:
        LedgerLockedError: another process (or another handle of this one) holds it; says which and since when.
    """

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(self._handle, 200, 0).decode("utf-8", "replace").strip()
            os.close(self._handle)
            raise LedgerLockedError(
                f"{path.parent} is in use by another run ({holder or 'not known which'}). "
                "Wait for it to end, or end it."
            ) from None
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, f"process {os.getpid()} since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC".encode(), 0)

    def release(self) -> None:
        """Give the lock back; the file stays, as removing it would let two processes hold one lock each."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
