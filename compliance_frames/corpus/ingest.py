"""Make a Parquet dataset of the raw files that people collected tweets in: all of it, or nothing.

The one schema widens as files are read, so that they are read once. Beside the dataset lie the records that are no
tweets, ``corpus.rejected.jsonl`` for ``corpus/``, one object a line with ``file``, ``line``, ``reason`` and
``content`` (``content_base64`` where it is no UTF-8; neither where it is too long to be held).
"""

from __future__ import annotations

import difflib
import glob
import json
import os
import secrets
import stat
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import IO, Any, Final

from compliance_frames.corpus.dataset import Stamp, stamp_of
from compliance_frames.corpus.destination import explained, moved, resolved
from compliance_frames.corpus.ingest_report import IngestedFile, IngestReport
from compliance_frames.corpus.intake import FileIntake, must_agree
from compliance_frames.corpus.stage import Stage
from compliance_frames.durable import open_private, sync_directory, sync_file
from compliance_frames.errors import DestinationError, RawFileError
from compliance_frames.lock import OnWait
from compliance_frames.progress import Progress, ProgressCallback, silent
from compliance_frames.raw.kinds import Items, Kind
from compliance_frames.raw.packed import SUFFIXES, Unpacked
from compliance_frames.raw.partitions import Partitions
from compliance_frames.raw.reading import Form, Reader, companions
from compliance_frames.raw.rows import Rejected

#: Names of files that hold tweets, in a directory; packed or not.
_RAW: Final = {".jsonl", ".ndjson", ".json", ".csv", ".tsv"}
#: What stands before the day in the names of directories: the first that no column is called.
_KEYS: Final = ("date", "utc_date", "tweet_date", "partition_date")
_MOST_NOTES: Final = 12


def ingest(
    raw: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    destination: str | os.PathLike[str],
    *,
    id_column: str | None = None,
    workers: int | None = None,
    wait: bool = False,
    progress: ProgressCallback = silent,
) -> IngestReport:
    """Make a Parquet dataset of raw JSON and CSV, with a directory for each UTC day on which tweets were written.

    Takes what twarc, twarc-csv, academictwitteR, rtweet, DMI-TCAT, snscrape, X itself and many others write: objects
    one a line, lists, answers of the service (``data``, ``includes``, ``meta``), CSV; plain, or packed with gzip, zstd
    or bzip2. IDs stay exact. Files that disagree get one schema that all of them fit in: a column is as wide as it
    must be, and text where nothing else is. In CSV every column is text, as the file has it.

    Answers of the service become rows as ``twarc2 flatten`` makes them: each tweet of ``data`` with its author, its
    place, its media, and the tweets that it refers to whole inside of ``referenced_tweets``, where ``plan`` finds and
    erases them; included tweets that no other refers to become rows. Profiles of users who are only mentioned are left
    out, as nobody could erase them there.

    Nothing is lost on the way: what cannot be a row stands in a file beside the dataset (``corpus.rejected.jsonl`` for
    ``corpus/``), with its file, its line and the reason. It holds what people wrote: mend it, or delete it. A run that
    was stopped leaves no dataset, and begins anew.

    Args:
        raw: a pattern (``"raw/*.jsonl.gz"``), a file, a directory, or several of these. The files are only read.
        destination: a directory that does not exist yet.
        id_column: the column of tweet IDs, where it cannot be told by its name.
        workers: how many threads read; as many as there are processors when None.
        wait: wait for another run with this destination to end, instead of refusing.
        progress: told in bytes of the raw files.

    Raises:
        RawFileError: a file cannot be read, is damaged, went through a spreadsheet, or holds no tweets; or files hold
            tweets so differently that no dataset could hold both.
        DestinationError: the destination exists, lies inside a directory of raw files, or cannot be written.

    >>> import tempfile, pyarrow.parquet as pq
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "a.jsonl").write_text('{"id": 1212161512043446272, "text": "a"}\\n{"id": "20"\\n')
    >>> report = ingest(folder / "a.jsonl", folder / "corpus")
    >>> report.rows, report.files[0].rejected, [str(p.relative_to(folder)) for p in folder.rglob("*.parquet")]
    (1, 1, ['corpus/date=2020-01-01/part-0.parquet'])
    """
    if workers is not None and workers < 1:
        raise RawFileError("workers= counts threads, from 1 up")
    given = [raw] if isinstance(raw, str | os.PathLike) else list(raw)
    paths = raw_files(given)
    target = _target(given, destination)
    waiting = _teller(target, progress) if wait else None
    with Stage(target, secrets.token_hex(8), wait=waiting) as stage:
        _must_be_new(target)
        stage.open()
        with explained(target):
            run = _Run(paths, target, stage, id_column, progress)
            try:
                run.read(workers or os.cpu_count() or 1)
                return run.publish()
            finally:
                run.abandon()


def rejected_path(destination: str | os.PathLike[str]) -> Path:
    """Where the records of raw files lie that could not be rows of a dataset: beside it.

    >>> rejected_path("out/corpus/").as_posix()
    'out/corpus.rejected.jsonl'
    """
    dataset = Path(destination)
    return dataset.with_name(f"{dataset.name}.rejected.jsonl")


def raw_files(given: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """The files that patterns, directories and paths name, each once, in the order of their names.

    Raises:
        RawFileError: one of them names nothing.

    >>> raw_files(["nowhere/*.jsonl"])
    Traceback (most recent call last):
    compliance_frames.errors.RawFileError: no file matches 'nowhere/*.jsonl': there is no directory 'nowhere'
    """
    found = [path for each in given for path in _files_of(os.fspath(each))]
    if not found:
        raise RawFileError("no raw files were named: give a pattern ('raw/*.jsonl.gz'), a file, or a directory")
    return list(dict.fromkeys(found))


def _files_of(given: str) -> list[Path]:
    path = Path(given).expanduser()
    if path.is_dir():
        inside = sorted(each for each in path.rglob("*") if _is_raw(each) and each.is_file())
        if not inside:
            raise RawFileError(f"the directory {given!r} holds no file of JSON or CSV ({', '.join(sorted(_RAW))})")
        return inside
    if os.path.lexists(path):
        return [path]
    matched = sorted(Path(each) for each in glob.glob(str(path), recursive=True))  # noqa: PTH207  # takes absolute patterns
    files = [each for each in matched if each.is_file()]
    if not files:
        raise RawFileError(f"no file matches {given!r}: {_instead(path)}", path=path)
    return files


def _is_raw(path: Path) -> bool:
    ends = [end.lower() for end in path.suffixes if end.lower() not in SUFFIXES]
    return bool(ends) and ends[-1] in _RAW and not path.name.startswith((".", "_"))


def _instead(path: Path) -> str:
    """What is there in the place of files that are not."""
    folder = path.parent
    if glob.has_magic(str(folder)):
        return "look at the pattern's directories"
    if not folder.is_dir():
        return f"there is no directory {str(folder)!r}"
    names = sorted(each.name for each in folder.iterdir() if each.is_file())
    close = difflib.get_close_matches(path.name, names, n=1, cutoff=0.4) or names[:1]
    return f"in {str(folder)!r} there is {close[0]!r}, for example" if close else f"{str(folder)!r} holds no file"


def _target(given: Iterable[str | os.PathLike[str]], destination: str | os.PathLike[str]) -> Path:
    target = resolved(destination, None)
    for each in given:
        source = Path(each).expanduser()
        if source.is_dir():
            resolved(destination, source.resolve())
    return target


def _must_be_new(target: Path) -> None:
    for path, what in ((target, "the destination"), (rejected_path(target), "the side file")):
        if os.path.lexists(path):
            raise DestinationError(
                f"{what} {path} exists, and nothing is ever overwritten: take it away, or choose another destination"
            )


def _teller(destination: Path, progress: ProgressCallback) -> OnWait:
    def tell(holder: str) -> None:
        note = f"waiting for another run with this destination to end ({holder})"
        progress(Progress("wait", destination.name, 0, None, "files", note))

    return tell


class _Run:
    """One reading of raw files, from the first byte to the dataset in its place."""

    def __init__(
        self, paths: list[Path], target: Path, stage: Stage, id_column: str | None, progress: ProgressCallback
    ) -> None:
        self._paths, self._target, self._stage, self._id_column = paths, target, stage, id_column
        self._progress, self._done = progress, 0
        self._stamps = {path: _stamp(path) for path in paths}
        self._sizes = {path: stamp[0] for path, stamp in self._stamps.items()}
        self._files: list[tuple[FileIntake, Form, str | None]] = []
        self._partitions = Partitions(stage.data, stage.parts)
        self._rejected = stage.root / "rejected.jsonl"
        self._companions = companions(paths)

    def read(self, workers: int) -> None:
        """Bring every row into the staging directory."""
        with ThreadPoolExecutor(workers, "compliance-frames") as threads, open_private(self._rejected) as rejected:
            reader = Reader(threads, id_column=self._id_column, ahead=workers + 1)
            for path in self._paths:
                self._read_file(path, reader, rejected)
                self._done += self._sizes[path]

    def abandon(self) -> None:
        """Let go of what is under way, if anything is."""
        self._partitions.abandon()

    def _read_file(self, path: Path, reader: Reader, rejected: IO[bytes]) -> None:
        seen: list[tuple[Form, str | None]] = [("nothing", None)]

        def note(stream: Unpacked, form: Form) -> None:
            seen[0] = form, stream.packing
            done = self._done + min(stream.packed_offset, self._sizes[path])
            self._progress(Progress("read", self._target.name, done, sum(self._sizes.values()), "bytes", path.name))

        intake = FileIntake(path, self._id_column)
        if path not in self._companions:
            with closing(reader.rows(path, note)) as every:
                for rows in every:
                    days = intake.taken(rows)
                    rejected.writelines(map(_line_of, _each(path, rows.rejected)))
                    if days is not None:
                        self._partitions.add(rows.table, rows.kind, days)
            intake.end()
        self._files.append((intake, *seen[0]))
        if _stamp(path) != self._stamps[path]:
            raise RawFileError(
                f"{path} was changed while it was read: wait until it is whole, then run again", path=path
            )

    def publish(self) -> IngestReport:
        """Put the dataset in its place, with the side file beside it."""
        files = [intake for intake, _, _ in self._files]
        if not any(intake.counts.rows for intake in files):
            raise RawFileError(f"there is no tweet in {_named(self._paths)}: nothing was written")
        must_agree(files, self._partitions.kind)
        key = next(
            key for key in _KEYS if not isinstance(self._partitions.kind, dict) or key not in self._partitions.kind
        )
        parts = self._partitions.finish(key)
        report = self._report(parts)
        self._stage.settle({".": 0o700})
        side = rejected_path(self._target)
        _must_be_new(self._target)
        if report.rejected is not None:
            sync_file(self._rejected)
            moved(self._rejected, side)
        try:
            moved(self._stage.data, self._target)
        except BaseException as error:
            if report.rejected is not None:
                side.unlink()
            if isinstance(error, FileExistsError):
                raise DestinationError(
                    f"the destination {self._target} appeared meanwhile: nothing was written"
                ) from error
            raise
        sync_directory(self._target.parent)
        return report

    def _report(self, parts: dict[str, int]) -> IngestReport:
        files = tuple(
            IngestedFile(str(intake.path), form, packing, self._sizes[intake.path], **vars(intake.counts))
            for intake, form, packing in self._files
        )
        kind = self._partitions.kind
        assert isinstance(kind, dict)
        rows = sum(parts.values())
        if rows != sum(file.rows for file in files):
            raise AssertionError(f"{rows} rows were written of {sum(file.rows for file in files)}")
        return IngestReport(
            destination=self._target,
            rows=rows,
            days=len({path.partition("/")[0] for path in parts}),
            files=files,
            parquet_files=len(parts),
            columns=len(kind),
            bytes_out=sum((self._stage.data / path).stat().st_size for path in parts),
            rejected=rejected_path(self._target) if any(file.rejected for file in files) else None,
            notes=tuple(self._notes(kind)),
        )

    def _notes(self, kind: Kind) -> Iterator[str]:
        disagreeing = Counter(path for intake, _, _ in self._files for path in _became_text(intake.kind, kind, ""))
        for column, files in list(disagreeing.items())[:_MOST_NOTES]:
            yield f"{column!r} is text, as files disagree on what it holds ({files:,} had something else)"
        for path, data in self._companions.items():
            yield f"{path.name} was read together with {data.name}"
        nothing = [
            intake.path.name
            for intake, form, _ in self._files
            if form == "nothing" and intake.path not in self._companions
        ]
        if nothing:
            yield f"files without any content: {', '.join(nothing[:3])}" + ("…" if len(nothing) > 3 else "")


def _stamp(path: Path) -> Stamp:
    """What a file is known by while nobody writes it; of a pipe, which is written while it is read, nothing."""
    try:
        state = path.stat()
        return stamp_of(state) if stat.S_ISREG(state.st_mode) else (0, 0, 0)
    except OSError as error:
        raise RawFileError(f"{path} cannot be read: {error.strerror}", path=path) from error


def _named(paths: list[Path]) -> str:
    return str(paths[0]) if len(paths) == 1 else f"any of the {len(paths):,} files"


def _each(path: Path, rejected: list[Rejected]) -> Iterator[dict[str, Any]]:
    for each in rejected:
        told: dict[str, Any] = {"file": os.fsencode(path).decode("utf-8", "backslashreplace"), "line": each.line}
        told["reason"] = each.reason
        if each.content is not None:
            content = each.content.removesuffix(b"\n").removesuffix(b"\r")
            try:
                told["content"] = content.decode()
            except UnicodeDecodeError:
                told["content_base64"] = b64encode(content).decode()
        yield told


def _line_of(told: dict[str, Any]) -> bytes:
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _became_text(own: Kind, every: Kind, path: str) -> Iterator[str]:
    """Places that are text in all files together, and something else in one."""
    if isinstance(own, Items) and isinstance(every, Items):
        yield from _became_text(own.kind, every.kind, path)
    elif isinstance(own, dict) and isinstance(every, dict):
        for name, kind in own.items():
            yield from _became_text(kind, every[name], f"{path}.{name}" if path else name)
    elif every == "text" and own not in ("text", "null", "nothing"):
        yield path
