"""The files of a dataset, in one fixed order, with what tells later whether they changed."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from compliance_frames.corpus.soundness import must_be_sound
from compliance_frames.corpus.stored import stored_schema
from compliance_frames.errors import FooterError, IdError, PlanError, StaleDatasetError
from compliance_frames.raw.names import may_be_raw

_PARQUET_NAMES = (".parquet", ".parq", ".pq")
_MAGIC, _ENCRYPTED = b"PAR1", b"PARE"

#: Schemas that are remembered at a time.
_SCHEMAS: Final = 32

_Found = TypeVar("_Found")

#: What a file is known by while nobody touches it: its size, when it was written, and when anything of it changed.
#: Whoever puts another file in its place can give it the size and the date of the first, but not the last of these.
#: (Its number would tell no more, and is another for each who asks on some network file systems.)
Stamp = tuple[int, int, int]


def stamp_of(state: os.stat_result) -> Stamp:
    """What the system says of a file now; to be compared with what it said before."""
    return state.st_size, state.st_mtime_ns, state.st_ctime_ns


@dataclass(frozen=True)
class SourceFile:
    """One file of a dataset.

    Attributes:
        path: relative to the dataset's root, with forward slashes.
        bytes: its size.
        mtime_ns: when it was last written, in nanoseconds since the epoch.
        ctime_ns: when anything of it last changed, which nobody can set back: its content, name, rights or dates.
        parquet: whether it is Parquet, by its name or by its first bytes.
    """

    path: str
    bytes: int
    mtime_ns: int
    ctime_ns: int
    parquet: bool

    @property
    def stamp(self) -> Stamp:
        """What it was known by when it was listed."""
        return self.bytes, self.mtime_ns, self.ctime_ns


@dataclass(frozen=True)
class Listing:
    """What lies in a dataset.

    Attributes:
        root: the directory that all paths are relative to; for a single file, the one it lies in.
        files: sorted by path.
        ignored: hidden and temporary files and directories (these end with a slash), sorted; they are not taken.
    """

    root: Path
    files: tuple[SourceFile, ...]
    ignored: tuple[str, ...]


def list_files(dataset: str | os.PathLike[str]) -> Listing:
    """List a dataset: a directory, or a single file of Parquet or of raw tweets.

    Raises:
        PlanError: there is no such path, no file of tweets in it by its name, or something that is neither file nor
            directory.
    """
    root = Path(dataset)
    if not root.exists():
        raise PlanError(f"there is no dataset at {root}: give a directory of Parquet files, or one Parquet file")
    root = root.resolve()
    if root.is_dir():
        found, ignored = _listed(root)
    else:
        found, ignored, root = [_source(root, root.name)], [], root.parent
    if not any(file.parquet or may_be_raw(file.path) for file in found):
        raise PlanError(f"{dataset} holds no Parquet file, and no raw JSON or CSV: there is nothing to plan")
    return Listing(root, tuple(sorted(found, key=lambda file: file.path)), tuple(sorted(ignored)))


@contextmanager
def opened(root: Path, source: SourceFile) -> Iterator[pq.ParquetFile]:
    """An open Parquet file about which Arrow may be asked anything; what goes wrong while it is open names the file."""
    try:
        with pa.OSFile(os.fsencode(root / source.path), "rb") as handle:  # bytes: no pattern, no address, and no UTF-8
            _must_be_as_listed(root, source)
            file = pq.ParquetFile(handle)
            _must_be_sound(handle)
            yield file
    except IdError as error:
        told = f"{source.path}: {error}"
        raise IdError(told, column=error.column, row=error.row, value=error.value) from error
    except PlanError as error:
        raise type(error)(f"{source.path}: {error}") from error
    except UnicodeDecodeError as error:
        raise PlanError(
            f"{source.path} cannot be read as Parquet: what is to be text is not UTF-8 ({error})"
        ) from error
    except (pa.ArrowException, OSError) as error:
        said = str(error).partition("\n")[0]
        raise PlanError(f"{source.path} cannot be read as Parquet: {said}; restore it or take it away") from error


def _must_be_as_listed(root: Path, source: SourceFile) -> None:
    if stamp_of((root / source.path).stat()) != source.stamp:
        raise StaleDatasetError("it was written while the dataset was being read: plan again when nobody writes to it")


def _must_be_sound(handle: pa.OSFile) -> None:
    try:
        must_be_sound(_Held(handle))
    except FooterError as error:
        raise PlanError(f"its footer makes no sense: {error}; restore it or take it away") from error


class _Held:
    """The very file that Arrow has open: another one may lie at its path by now."""

    def __init__(self, handle: pa.OSFile) -> None:
        self._handle, self.size = handle, handle.size()

    def read(self, start: int, end: int) -> bytes:
        """Some bytes of it."""
        found: bytes = self._handle.read_at(end - start, start)
        return found


class BySchema(Generic[_Found]):
    """What follows from a file's schema alone, found once for all the files that share it.

    A dataset of a hundred thousand files has a handful of schemas, and to think one through takes longer than to
    open a file. Metadata of the whole file, as pandas writes it, is no part of the schema here; that of fields is.

    >>> import io
    >>> sink = io.BytesIO()
    >>> pq.write_table(pa.table({"id": [1]}), sink)
    >>> names = BySchema(lambda file: file.schema_arrow.names)
    >>> names(pq.ParquetFile(sink)), names(pq.ParquetFile(sink)) is names(pq.ParquetFile(sink))
    (['id'], True)
    """

    def __init__(self, find: Callable[..., _Found]) -> None:
        self._find = find
        self._known: tuple[tuple[pq.ParquetSchema, pa.Schema, tuple[Any, ...], _Found], ...] = ()

    def __call__(self, file: pq.ParquetFile, *told: Any) -> _Found:
        """What was found for the file's schema, and for what else was told about it."""
        stored, schema = stored_schema(file.metadata), file.schema_arrow.remove_metadata()
        for known_stored, known, known_told, found in self._known:
            if known_stored.equals(stored) and known.equals(schema, check_metadata=True) and known_told == told:
                return found
        found = self._find(file, *told)
        remembered = (stored, schema, told, found)
        self._known = (remembered, *self._known[: _SCHEMAS - 1])  # another thread's may be lost: no harm
        return found


def listed(root: Path, path: str) -> SourceFile:
    """One file of a directory as it is now.

    Raises:
        PlanError: it is a link, no file, or cannot be read.
        OSError: there is none.
    """
    return _source(root / path, path)


def is_ignored(name: str) -> bool:
    """Whether a file or directory of this name is hidden or temporary, and so no part of the data.

    >>> is_ignored("_SUCCESS"), is_ignored("part-0.parquet.tmp"), is_ignored("date=2024-01-01")
    (True, True, False)
    """
    return name.startswith((".", "_")) or name.endswith((".tmp", ".part"))


def _listed(root: Path) -> tuple[list[SourceFile], list[str]]:
    found, ignored, waiting = [], [], [root]
    above = len(os.path.join(root, ""))  # noqa: PTH118 (with the separator at its end)
    while waiting:
        for entry in _entries(waiting.pop()):
            path = Path(entry.path)
            name = entry.path[above:].replace(os.sep, "/")
            if is_ignored(entry.name):
                ignored.append(f"{name}/" if entry.is_dir(follow_symlinks=False) else name)
            elif entry.is_dir(follow_symlinks=False):
                waiting.append(path)
            else:
                found.append(_source(path, name))
    return found, ignored


def _entries(directory: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            yield from entries
    except OSError as error:
        raise PlanError(f"{directory} cannot be listed: {error.strerror}") from error


def _source(path: Path, name: str) -> SourceFile:
    state = path.lstat()
    if stat.S_ISLNK(state.st_mode):
        raise PlanError(f"{name} is a symbolic link: what it points to may lie outside; put the file itself there")
    if not stat.S_ISREG(state.st_mode):
        raise PlanError(f"{name} is neither a file nor a directory: take it out of the dataset")
    return SourceFile(name, *stamp_of(state), _is_parquet(path, name))


def _is_parquet(path: Path, name: str) -> bool:
    """A file without a telling name is looked into: one taken for something else would go over uncleaned."""
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise PlanError(f"{name} cannot be read: {error.strerror}") from error
    if magic == _ENCRYPTED:
        raise PlanError(f"{name} is an encrypted Parquet file: it cannot be looked into; decrypt the dataset first")
    return magic == _MAGIC or name.lower().endswith(_PARQUET_NAMES)
