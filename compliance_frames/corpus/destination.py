"""Where a cleaned dataset may be written, and what to say when it cannot be."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from compliance_frames.errors import DestinationError

_FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NOREPLACE: Final = 1
_EXCHANGE: Final = 2
_AT_FDCWD: Final = -100


def resolved(destination: str | os.PathLike[str], source: Path | None) -> Path:
    """The destination's own path, links on the way to it followed, where it does not overlap with the source.

    Args:
        destination: a directory that may exist or not; a link there counts as existing.
        source: the dataset's directory; None for a dataset of a single file, which may lie beside its copy.

    Raises:
        DestinationError: it lies inside the source, the source lies inside it, or it has no name.

    >>> resolved("/tmp/corpus/clean", Path("/tmp/corpus"))
    Traceback (most recent call last):
    compliance_frames.errors.DestinationError: the destination /tmp/corpus/clean lies inside the source /tmp/corpus: ...
    """
    with explained(Path(destination)), _spelled(destination):
        given = Path(destination).expanduser().absolute()
        path = given.resolve() if given.name in {"", ".."} else given.parent.resolve() / given.name
        if source is not None:
            _apart(path, source)
            _apart(path.resolve(), source)
    if not path.name:
        raise DestinationError(f"{path} cannot be a destination: name a directory that does not exist yet")
    return path


@contextmanager
def _spelled(destination: str | os.PathLike[str]) -> Iterator[None]:
    """Refuse what is no path at all: a loop of links, a user's home that nobody has, a NUL."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        raise DestinationError(f"the destination {destination!s} is no path to a directory: {error}") from error


def _apart(path: Path, source: Path) -> None:
    if _holds(source, path):
        raise DestinationError(
            f"the destination {path} lies inside the source {source}: the next run would take the copy for "
            "data; choose a directory outside of it"
        )
    if _holds(path, source):
        raise DestinationError(f"the source {source} lies inside the destination {path}: choose another destination")


def _holds(outer: Path, inner: Path) -> bool:
    """Whether one path is, or lies below, another: by name and by identity, which sees through mounts and case."""
    if inner.is_relative_to(outer):
        return True
    ways = (inner, *inner.parents)
    return outer.exists() and any(way.exists() and way.samefile(outer) for way in ways)


@contextmanager
def explained(destination: Path) -> Iterator[None]:
    """Turn what the operating system refuses into a sentence about the destination.

    >>> with explained(Path("/proc/clean")):
    ...     raise PermissionError(errno.EACCES, "Permission denied")
    Traceback (most recent call last):
    compliance_frames.errors.DestinationError: the destination /proc/clean cannot be written: Permission denied; ...
    """
    try:
        yield
    except OSError as error:
        raise DestinationError(refusal(destination, error)) from error


def refusal(destination: Path, error: OSError) -> str:
    """What to tell when writing failed."""
    reason = os.strerror(error.errno) if error.errno else str(error)  # Arrow wraps the system's words in its own
    if error.errno in _FULL:
        return (
            f"there is no room for the destination {destination}: {reason}; what is done is kept beside it, so "
            "make room and run the same again to go on from there"
        )
    return (
        f"the destination {destination} cannot be written: {reason}; choose a directory that you may write to, "
        "whose parent is a directory"
    )


def moved(directory: Path, destination: Path) -> None:
    """Rename a directory to where nothing may be, in one step.

    Raises:
        FileExistsError: something is there, be it an empty directory.
        OSError: the rename failed otherwise.
    """
    if not _moved_by_kernel(directory, destination):
        # Elsewhere than on Linux: `rename` itself refuses a full directory, and this an empty one.
        if os.path.lexists(destination):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(destination))
        directory.rename(destination)


def _moved_by_kernel(directory: Path, destination: Path) -> bool:
    """``renameat2(RENAME_NOREPLACE)``: what appeared since it was last looked for is not replaced either."""
    return _renamed(directory, destination, _NOREPLACE)


def exchanged(directory: Path, other: Path) -> None:
    """Have two directories change places, in one step: at no moment is either name without one.

    Raises:
        DestinationError: this system or file system cannot do that.
        OSError: it failed otherwise.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> (folder / "old").mkdir(), (folder / "new" / "inside").mkdir(parents=True)
    (None, None)
    >>> exchanged(folder / "new", folder / "old")
    >>> (folder / "old" / "inside").is_dir()
    True
    """
    try:
        done = _renamed(directory, other, _EXCHANGE)
    except OSError as error:
        if error.errno in {errno.EBUSY, errno.EXDEV}:
            raise _mounted(other) from error
        raise
    if not done:
        raise DestinationError(
            f"the file system of {other} cannot exchange two directories in one step, so that a cleaned copy cannot be "
            "brought up to date there: take the old copy away, together with its manifest, and clean anew"
        )


def _mounted(destination: Path) -> DestinationError:
    return DestinationError(
        f"something is mounted at the destination {destination}, so that it cannot change places with another: "
        "clean to a directory below it"
    )


def must_exchange(folder: Path, destination: Path) -> None:
    """See that directories can change places here, before a long run ends with an error.

    Raises:
        DestinationError: they cannot.
    """
    if destination.is_mount():
        raise _mounted(destination)
    with ExitStack() as stack:
        pair = [Path(stack.enter_context(TemporaryDirectory(prefix="try-", dir=folder))) for _ in range(2)]
        try:
            exchanged(*pair)
        except DestinationError as error:
            raise DestinationError(str(error).replace(str(pair[1]), str(destination))) from None


def _renamed(directory: Path, destination: Path, flags: int) -> bool:
    """Whether the kernel did a rename of this kind; false where it, or this file system, has no such call."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    if call(_AT_FDCWD, os.fsencode(directory), _AT_FDCWD, os.fsencode(destination), flags) == 0:
        return True
    number = ctypes.get_errno()
    if number in {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP}:
        return False
    raise OSError(number, os.strerror(number), str(destination))
