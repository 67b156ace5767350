"""Carry out a plan: the destination holds the whole cleaned dataset afterwards, or nothing at all."""

from __future__ import annotations

import os
import queue
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pyarrow as pa

import compliance_frames
from compliance_frames.corpus.clean_report import CleanReport
from compliance_frames.corpus.columns import Columns
from compliance_frames.corpus.dataset import Listing, SourceFile, list_files
from compliance_frames.corpus.destination import explained, moved, must_exchange, resolved
from compliance_frames.corpus.lineage import must_be_earlier
from compliance_frames.corpus.manifest import ColumnPaths, FileRecord, Manifest, manifest_path
from compliance_frames.corpus.plan import FilePlan, Plan
from compliance_frames.corpus.stage import EVENT, Stage, files_below, lock_path, stage_path
from compliance_frames.corpus.task import Task, forget_erasures, hold_erasures, must_be_as_it_was, perform, stale
from compliance_frames.corpus.update import is_pending, publish_over, settle, taken_over
from compliance_frames.durable import sync_directory
from compliance_frames.errors import (
    ComplianceFramesError,
    DestinationError,
    IdError,
    PlanError,
    StaleDatasetError,
    VerificationError,
)
from compliance_frames.lock import OnWait, holder
from compliance_frames.progress import GLANCE, Progress, ProgressCallback, silent

#: Tasks that are handed to an executor before the first of them is done.
_WINDOW: Final = 1000


def clean(
    plan: Plan,
    destination: str | os.PathLike[str],
    *,
    executor: Executor | None = None,
    workers: int | None = None,
    zstd_level: int | None = None,
    update: bool = False,
    wait: bool = False,
    progress: ProgressCallback = silent,
) -> CleanReport:
    """Write a cleaned copy of a dataset: all of it, or nothing.

    The copy grows out of sight beside the destination, and is renamed into its place when every file of it is
    there, agrees with the plan, and is safe on disk. A run that was killed is taken up where it stopped when the
    same call is made again; a destination that this plan has made already is left as it is. The source is only
    read. A manifest (``clean.manifest.json`` for ``clean/``) says what was read and written.

    Args:
        plan: made by ``plan``.
        destination: a directory outside of the dataset that does not exist yet, or (with ``update``) an earlier copy.
            Missing parents are made.
        executor: runs the work; threads of this process when None. Workers of others must see the same paths.
        workers: how many threads, where no executor is given; as many as there are processors when None.
        zstd_level: the level for columns that are compressed with zstd, where files are rewritten: 1 takes two thirds
            of the time of 3, and a tenth more room. The level of each source file, as far as it can be told, when
            None. What an interrupted run did at another level is done again; a file that is taken over
            keeps the level that it has.
        update: bring an earlier cleaned copy of this dataset up to date, where there is one: files that are what they
            were, and lose what they lost, are taken over, by the digests of both; all others are made anew. Old and new
            change places in one step, so that the destination is always whole; what the old one held is then removed.
            A copy that somebody changed, or that was made of another dataset, is refused.
        wait: wait for another run with this destination to end, instead of refusing.
        progress: told after each file, in rows and in files.

    Raises:
        DestinationError: the destination exists, overlaps with the source, is not permitted, or has no room.
        StaleDatasetError: the dataset was changed since the plan was made.
        LedgerLockedError: another run is writing this destination.
        PlanError: a file cannot be read, or what was erased is not what was planned.

    >>> import tempfile, pyarrow as pa, pyarrow.parquet as pq
    >>> from compliance_frames.corpus.plan import plan
    >>> flagged = pa.table({"type": ["tweets"], "id": [2], "action": ["delete"], "reason": ["deleted"]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     corpus = Path(folder, "corpus")
    ...     corpus.mkdir()
    ...     pq.write_table(pa.table({"id": ["1", "2"], "text": ["a", "b"]}), corpus / "part-0.parquet")
    ...     report = clean(plan(corpus, flagged), Path(folder, "clean"))
    ...     pq.read_table(Path(folder, "clean", "part-0.parquet")).to_pydict(), report.rows_dropped
    ({'id': ['1'], 'text': ['a']}, 1)
    """
    if workers is not None and (executor is not None or workers < 1):
        raise PlanError("workers= counts threads, from 1 up; an executor= brings its own")
    lowest, highest = pa.Codec.minimum_compression_level("zstd"), pa.Codec.maximum_compression_level("zstd")
    if zstd_level is not None and not lowest <= zstd_level <= highest:
        raise PlanError(f"zstd_level={zstd_level}: zstd knows the levels {lowest:,} to {highest}")
    target = resolved(destination, None if plan.single_file else plan.root)
    done = _glimpsed(plan, target, update)
    if done is not None and not stage_path(target).exists():
        return CleanReport.of(done, target)
    planned = plan.staged_as if zstd_level is None else f"{plan.staged_as} zstd {zstd_level}"  # files of one level only
    with Stage(target, planned, wait=_teller(target, progress) if wait else None) as stage:
        settle(stage.base, target)
        done, old = _there(plan, target, update)  # once more: the lock's last holder may have made it
        if done is not None:
            stage.clear()
            return CleanReport.of(done, target)
        try:
            if old is not None:
                with explained(target):
                    must_exchange(stage.base, target)
            manifest, taken = _staged(plan, stage, target, old, executor, workers, zstd_level, progress)
            _commit(plan, stage, target, manifest, old)
        except (PlanError, IdError):  # this plan can never be carried out: nobody will go on from here
            with suppress(DestinationError):
                stage.clear()
            raise
        return replace(CleanReport.of(manifest, target), files_taken_over=taken)


def _teller(destination: Path, progress: ProgressCallback) -> OnWait:
    def tell(holder: str) -> None:
        note = f"waiting for another run with this destination to end ({holder})"
        progress(Progress("wait", destination.name, 0, None, "files", note))

    return tell


def _glimpsed(plan: Plan, destination: Path, update: bool) -> Manifest | None:
    """The manifest of a destination that this plan has made already, as far as that shows without the lock.

    Raises:
        DestinationError: something else is there, and no other run is just about to replace it.
    """
    if is_pending(stage_path(destination)):
        return None
    try:
        return _there(plan, destination, update)[0]
    except DestinationError:
        if holder(lock_path(destination)) is not None:  # who gets the lock sees what comes of it
            return None
    return _there(plan, destination, update)[0]  # or else that run may have ended meanwhile


def _there(plan: Plan, destination: Path, update: bool) -> tuple[Manifest | None, Manifest | None]:
    """The manifest of a destination that this very plan has made already, and of one that is to be brought up to date.

    Raises:
        DestinationError: something else is there.
    """
    path = manifest_path(destination)
    if not os.path.lexists(destination):
        _must_not_hide(path)
        return None, None
    try:
        manifest = Manifest.read(path)
    except VerificationError as error:
        raise DestinationError(
            f"the destination {destination} exists, and nothing is ever overwritten: take it away, or choose another"
        ) from error
    as_new = not update or (manifest.job_ids, manifest.checked_at) == (plan.job_ids, plan.checked_at)
    is_done = manifest.plan_digest == plan.digest and as_new
    if not is_done and not update:
        raise DestinationError(
            f"the destination {destination} exists: it was made on {manifest.written_at:%Y-%m-%d %H:%M %Z} by "
            "another plan; bring it up to date with update=True (command line: --update), take it away together with "
            "its manifest, or choose another destination"
        )
    if not is_done:
        must_be_earlier(_listing(plan), manifest, destination, single_file=plan.single_file)
    _must_be_unchanged(manifest, destination)
    return (manifest, None) if is_done else (None, manifest)


def _listing(plan: Plan) -> Listing:
    """The files of a dataset as they were when the plan was made."""
    files = (SourceFile(file.path, *file.stamp, file.rows is not None and file.raw is None) for file in plan.files)
    return Listing(plan.root, tuple(files), plan.ignored)


def _must_be_unchanged(manifest: Manifest, destination: Path) -> None:
    if files_below(destination) != {file.path: file.bytes for file in manifest.files}:
        raise DestinationError(
            f"the destination {destination} was made by this tool, and was changed since: its files are not those "
            "of its manifest; take both away, then run again"
        )


def _must_not_hide(path: Path) -> None:
    """A file where the manifest will be written must be one of ours, of a dataset that was taken away."""
    if os.path.lexists(path):
        try:
            Manifest.read(path)
        except VerificationError as error:
            raise DestinationError(f"{path} is in the way, and is no manifest that can be replaced: {error}") from error


def _staged(
    plan: Plan,
    stage: Stage,
    destination: Path,
    old: Manifest | None,
    executor: Executor | None,
    workers: int | None,
    level: int | None,
    progress: ProgressCallback,
) -> tuple[Manifest, int]:
    """Bring every file into the staging directory; say what is there, and how many were taken over from an old copy."""
    _must_be_as_planned(plan)
    stage.open()
    if executor is None:
        hold_erasures(stage.erasures, plan.erasures)
    else:
        stage.write_erasures(plan.erasures)
    columns = list(dict.fromkeys(file.columns for file in plan.files if file.columns is not None))
    records: dict[str, FileRecord] = {}
    rows = 0

    def finish(done: Sequence[FileRecord]) -> None:
        nonlocal rows
        fresh = [record for record in done if stage.journal.get(record.path) != record]
        if fresh:
            stage.vouch(fresh)
        name = plan.root.name
        for record in done:
            records[record.path] = record
            rows += record.rows_in or 0
            progress(Progress("clean", name, rows, plan.rows_in, "rows", record.path))
            progress(Progress("clean", f"{name}: files", len(records), len(plan.files), "files", record.path))

    try:
        taken = 0 if old is None else taken_over(plan, stage, destination, old, columns, finish)
        left = [file for file in plan.files if file.path not in records]
        tasks = _tasks(plan, left, columns, stage, destination, level, durable=executor is not None)
        if executor is not None:
            _perform_all(tasks, executor, finish, stage.keep)
        else:
            with ThreadPoolExecutor(workers or os.cpu_count() or 1, "compliance-frames") as threads:
                _perform_all(tasks, threads, finish, stage.keep)
    except BrokenExecutor as error:
        raise ComplianceFramesError(
            f"a worker died, perhaps for want of memory; {len(stage.journal):,} of {len(plan.files):,} files are "
            "done and kept: run the same again to go on from there, with fewer workers"
        ) from error
    finally:
        forget_erasures(stage.erasures)
    return _manifest(plan, columns, [records[file.path] for file in plan.files]), taken


def _tasks(
    plan: Plan,
    files: Sequence[FilePlan],
    columns: list[Columns],
    stage: Stage,
    destination: Path,
    level: int | None,
    *,
    durable: bool,
) -> Iterable[Task]:
    """A task for each file; those that take long come first, so that no worker is left alone with one at the end."""
    for file in sorted(files, key=lambda file: 0 if file.decision == "copy" else -file.bytes):
        yield Task(
            file=file,
            columns=None if file.columns is None else columns.index(file.columns),
            source=plan.root,
            data=stage.data,
            parts=stage.parts,
            erasures=stage.erasures,
            destination=destination,
            vouched=stage.journal.get(file.path),
            level=level,
            durable=durable,  # a worker elsewhere may write by way of a memory that we cannot reach
        )


def _perform_all(
    tasks: Iterable[Task],
    executor: Executor,
    finish: Callable[[Sequence[FileRecord]], None],
    idle: Callable[[], None],
) -> None:
    """Run tasks, some of them at a time. When one fails no other is begun, and those under way are waited for."""
    waiting: set[Future[FileRecord]] = set()
    done: queue.SimpleQueue[Future[FileRecord]] = queue.SimpleQueue()
    ready: list[FileRecord] = []

    def settle() -> None:
        """Take what is done by now, at least one, and write it down at once: a killed run goes on from there."""
        futures: list[Future[FileRecord]] = []
        while not futures:
            try:
                futures.append(done.get(timeout=GLANCE))
            except queue.Empty:
                idle()
        while not done.empty():
            futures.append(done.get())
        waiting.difference_update(futures)
        failed = [future for future in futures if future.cancelled() or future.exception() is not None]
        ready.extend(future.result() for future in futures if future not in failed)
        finish(ready)
        ready.clear()
        for future in failed:
            future.result()

    try:
        for task in tasks:
            future = executor.submit(perform, task)
            waiting.add(future)
            future.add_done_callback(done.put)
            while len(waiting) >= _WINDOW:
                settle()
        while waiting:
            settle()
    except BaseException:
        _give_up(waiting, ready, finish)
        raise


def _give_up(
    waiting: set[Future[FileRecord]], ready: list[FileRecord], finish: Callable[[Sequence[FileRecord]], None]
) -> None:
    """Wait for what cannot be stopped any more, as it still writes, and write down what got done.

    On a full disk there is room for that only now, when the files that took the last of it are taken away again.
    """
    for future in [future for future in waiting if not future.cancel()]:
        with suppress(Exception):
            ready.append(future.result())
    with suppress(Exception):
        finish(ready)


def _manifest(plan: Plan, columns: list[Columns], records: list[FileRecord]) -> Manifest:
    return Manifest(
        tool_version=compliance_frames.__version__,
        written_at=datetime.now(UTC).replace(microsecond=0),
        source=plan.files[0].path if plan.single_file else plan.root.name,
        plan_digest=plan.digest,
        policy=dict(plan.policy.treatments),
        unchecked=plan.erasures.unchecked,
        job_ids=plan.job_ids,
        checked_at=plan.checked_at,
        columns=tuple(ColumnPaths(**asdict(each)) for each in columns),
        files=tuple(records),
        ignored=tuple(sorted((*plan.ignored, *plan.left))),
    )


def _must_be_as_planned(plan: Plan) -> None:
    """Refuse a dataset in which a file came, went or changed since the plan was made.

    Raises:
        StaleDatasetError: naming the first such file.
    """
    try:
        found = list_files(plan.root / plan.files[0].path if plan.single_file else plan.root).files
    except PlanError as error:
        raise StaleDatasetError(f"the dataset was changed since the plan was made: {error}") from error
    now = {file.path: file.stamp for file in found if file.parquet or file.path not in plan.left}
    then = {file.path: file.stamp for file in plan.files}
    for path in sorted({*now, *then}):
        if path not in then or path not in now:
            raise stale(path, "appeared" if path in now else "was taken away")
        must_be_as_it_was(path, now[path], then[path])


def _commit(plan: Plan, stage: Stage, destination: Path, manifest: Manifest, old: Manifest | None) -> None:
    """Publish what is staged: the manifest first, so that no dataset is ever seen without one, then one rename.

    Where an old copy is to be replaced, the two change places.
    """
    if files_below(stage.data) != {file.path: file.bytes for file in manifest.files}:
        raise PlanError(f"somebody changed {stage.data} while it was written; nothing was published, run again")
    modes = _modes(plan)
    with explained(destination):
        stage.settle(modes)
        _must_be_as_planned(plan)
        if old is not None:
            _must_be_unchanged(old, destination)
            publish_over(stage, destination, manifest)
            stage.clear()
            return
        path = manifest_path(destination)
        if os.path.lexists(destination):  # perhaps with a manifest of its own, which is not to be replaced
            raise _appeared(destination)
        _must_not_hide(path)
        manifest.write(path)
        sys.audit(EVENT, "written")
        try:
            moved(stage.data, destination)
        except BaseException as error:
            if stage.data.exists():  # or else an interrupt came once it was renamed: a dataset without a manifest
                path.unlink(missing_ok=True)
            if isinstance(error, FileExistsError):
                raise _appeared(destination) from error
            raise
        sync_directory(destination.parent)
    sys.audit(EVENT, "published")
    stage.clear()


def _appeared(destination: Path) -> DestinationError:
    return DestinationError(
        f"the destination {destination} appeared while its content was made; take it away, then run again: what is "
        "done is kept"
    )


def _modes(plan: Plan) -> dict[str, int]:
    """The modes of the dataset's directories, by their relative paths."""
    folders = {folder for file in plan.files for folder in Path(file.path).parents}
    wanted = folders - {Path()} if plan.single_file else folders
    try:
        return {folder.as_posix(): (plan.root / folder).stat().st_mode & 0o7777 for folder in wanted}
    except OSError as error:
        raise StaleDatasetError(f"the dataset was changed since the plan was made: {error}") from error
