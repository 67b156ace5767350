"""One writer at a time: a lock that the system takes back when its holder dies, whatever that one forked before."""

from __future__ import annotations

import fcntl
import os
import time
import weakref
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from compliance_frames.errors import LedgerLockedError
from compliance_frames.progress import GLANCE

#: Told who holds a lock, again and again while it is waited for; what it raises ends the waiting.
OnWait = Callable[[str], None]

#: Seconds until a lock counts as held: who only looks whether it is held has it for a moment too.
_A_MOMENT: Final = 0.2
_TICK: Final = 0.02


class Lock:
    """An exclusive lock on a file, held until it is released or the process ends.

    Args:
        path: the file; made where there is none.
        what: what it stands for, in messages.
        wait: called with who holds the lock, as long as it is waited for; None refuses at once.

    Raises:
        LedgerLockedError: another process (or another handle of this one) holds it; says which and since when.
        OSError: there is a link at its path, or no permission.
    """

    def __init__(self, path: Path, what: str, *, wait: OnWait | None = None) -> None:
        self._path = path
        self._handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
        _open.add(self)
        try:
            self._take(what, wait)
            self._sign()
        except BaseException:  # also of a disk that is full: a lock that nobody can release outlives its error
            self.release()
            raise

    def _take(self, what: str, wait: OnWait | None) -> None:
        if _taken(self._handle, _A_MOMENT):
            return
        if wait is None:
            raise _refusal(what, _written(self._handle))
        while not _taken(self._handle, 0):
            wait(_written(self._handle))
            time.sleep(GLANCE)

    def _sign(self) -> None:
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, f"process {os.getpid()} since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC".encode(), 0)

    @property
    def is_current(self) -> bool:
        """Whether the lock's file is still at its path, and not one that a holder before us took away."""
        try:
            return os.path.samestat(os.fstat(self._handle), self._path.stat())
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Give the lock back; its file stays, as removing it could let two processes hold one lock each."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


#: Every lock of this process that was not given back.
_open: Final[weakref.WeakSet[Lock]] = weakref.WeakSet()


def _let_go() -> None:
    """Have no part in the locks of the process that this one was forked from: they would outlive it."""
    for lock in list(_open):
        lock.release()


os.register_at_fork(after_in_child=_let_go)


def holder(path: Path) -> str | None:
    """Who holds the lock on a file, in words; None where nobody does.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "lock"
    >>> holder(path), Lock(path, "it") and None
    (None, None)
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        return None if _taken(handle, 0, shared=True) else _written(handle)
    finally:
        os.close(handle)


def must_be_free(path: Path, what: str) -> None:
    """Refuse early, before work that would be in vain.

    Raises:
        LedgerLockedError: somebody holds the lock.
    """
    who = holder(path)
    if who is not None:
        raise _refusal(what, who)


def _refusal(what: str, who: str) -> LedgerLockedError:
    return LedgerLockedError(
        f"{what} is in use by another run ({who}). Wait for it to end (wait=True, or --wait), or end it."
    )


def _taken(handle: int, patience: float, *, shared: bool = False) -> bool:
    """Take the lock of an open file, trying for some seconds."""
    ends = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= ends:
                return False
            time.sleep(_TICK)
        else:
            return True


def _written(handle: int) -> str:
    return os.pread(handle, 200, 0).decode("utf-8", "replace").strip() or "not known which"
