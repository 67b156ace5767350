"""A destination is there whole or not at all, whatever happens on the way; the source is only read."""

from __future__ import annotations

import errno
import gc
import hashlib
import json
import multiprocessing
import os
import pickle
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compliance_frames.corpus import stage
from compliance_frames.corpus.clean import clean
from compliance_frames.corpus.clean_report import CleanReport
from compliance_frames.corpus.kinds import Kinds
from compliance_frames.corpus.manifest import Manifest, manifest_path
from compliance_frames.corpus.plan import Plan, plan
from compliance_frames.corpus.stage import stage_path
from compliance_frames.errors import (
    ComplianceFramesError,
    DestinationError,
    LedgerLockedError,
    PlanError,
    StaleDatasetError,
)
from compliance_frames.progress import Progress

FIRST = 1_700_000_000_000_000_000
Flag = Callable[..., pa.Table]


def tweets(start: int, rows: int = 20) -> pa.Table:
    ids = range(FIRST + start, FIRST + start + rows)
    return pa.table(
        {
            "id": [str(id) for id in ids],
            "text": [f"TEXT-OF-{id}" for id in ids],
            "geo": pa.array([{"place_id": f"PLACE-OF-{id}"} for id in ids]),
        }
    )


def a_corpus(root: Path) -> Path:
    """Four days of twenty tweets each, and what else lies about in a dataset."""
    for day in range(4):
        folder = root / f"date=2024-05-0{day + 1}"
        folder.mkdir(parents=True)
        pq.write_table(tweets(20 * day), folder / "part-0.parquet", row_group_size=10, compression="none")
    (root / "README.md").write_text("how it was collected")
    (root / "_SUCCESS").write_text("")
    (root / ".hidden").write_text("")
    return root


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return a_corpus(tmp_path / "corpus")


@pytest.fixture
def made(corpus: Path, flag: Flag) -> Plan:
    """Drop two rows of the first day and one of the second, scrub one of the third, leave the fourth alone."""
    return plan(
        corpus, flag("deleted", [FIRST, FIRST + 3, FIRST + 25]), flag("scrub_geo", [FIRST + 45], action="scrub_geo")
    )


def snapshot(root: Path) -> dict[str, tuple[str, int, int]]:
    """Every file below a directory: its digest, mode and time of change."""
    return {
        path.relative_to(root).as_posix(): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mode,
            path.stat().st_mtime_ns,
        )
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def leftovers(folder: Path) -> list[str]:
    """What lies beside the corpus and was not there before."""
    return sorted(path.name for path in folder.iterdir() if path.name != "corpus")


def ids_in(root: Path) -> list[int]:
    return sorted(int(id) for path in root.rglob("*.parquet") for id in pq.read_table(path)["id"].to_pylist())


EVERYTHING = [FIRST + number for number in range(80) if number not in (0, 3, 25)]


def test_the_copy_holds_everything_but_what_was_flagged(made: Plan, corpus: Path, tmp_path: Path) -> None:
    """Rows go, places go, untouched files are the same bytes; the source is as it was; nothing else is left."""
    before = snapshot(corpus)
    report = clean(made, tmp_path / "clean")
    assert snapshot(corpus) == before
    assert ids_in(tmp_path / "clean") == EVERYTHING
    assert leftovers(tmp_path) == ["clean", "clean.manifest.json"]
    after = snapshot(tmp_path / "clean")
    assert sorted(after) == ["README.md", *(f"date=2024-05-0{day}/part-0.parquet" for day in (1, 2, 3, 4))]
    for copied in ("README.md", "date=2024-05-04/part-0.parquet"):
        assert after[copied] == before[copied]
    third = (tmp_path / "clean/date=2024-05-03/part-0.parquet").read_bytes()
    assert f"PLACE-OF-{FIRST + 45}".encode() not in third
    assert f"TEXT-OF-{FIRST + 45}".encode() in third
    assert report == CleanReport(
        destination=tmp_path / "clean",
        rows_in=80,
        rows_kept=77,
        rows_dropped=3,
        rows_scrubbed=1,
        rows_unchecked=0,
        files_copied=1,
        files_spliced=0,
        files_rewritten=3,
        files_other=1,
        bytes_in=sum((corpus / path).stat().st_size for path in after),
        bytes_out=sum((tmp_path / "clean" / path).stat().st_size for path in after),
        notes=(
            "1 file that is not Parquet went over as it is",
            "2 hidden or temporary entries of the source were not taken",
        ),
        kinds=vars(Kinds(dropped_own=3)),
    )


def test_what_was_erased_is_in_no_byte_of_the_destination(made: Plan, tmp_path: Path) -> None:
    """Neither an ID nor a text nor a place that went is found in any file, the manifest among them."""
    clean(made, tmp_path / "clean")
    everything = b"".join(path.read_bytes() for path in (tmp_path / "clean").rglob("*") if path.is_file())
    everything += manifest_path(tmp_path / "clean").read_bytes()
    for number in (0, 3, 25):
        assert str(FIRST + number).encode() not in everything
    assert str(FIRST + 1).encode() in everything


def test_readers_of_datasets_read_it(made: Plan, tmp_path: Path) -> None:
    """The directory is a dataset for polars, DuckDB and Arrow as its source was, partitions and all."""
    clean(made, tmp_path / "clean")
    (tmp_path / "clean/README.md").unlink()
    assert pl.read_parquet(tmp_path / "clean", hive_partitioning=True).height == 77
    counted = duckdb.sql(f"select count(*), count(distinct date) from read_parquet('{tmp_path}/clean/**/*.parquet')")
    assert counted.fetchall() == [(77, 4)]
    assert pq.read_table(tmp_path / "clean").num_rows == 77


def test_the_manifest_says_what_was_done_and_nothing_of_the_machine(made: Plan, corpus: Path, tmp_path: Path) -> None:
    """Sizes and digests are those of the files; it names no directory, no ID and no text; only the owner reads it."""
    clean(made, tmp_path / "clean")
    path = manifest_path(tmp_path / "clean")
    manifest = Manifest.read(path)
    assert path.stat().st_mode & 0o777 == 0o600
    for record in manifest.files:
        source, copy = corpus / record.path, tmp_path / "clean" / record.path
        assert record.source_sha256 == hashlib.sha256(source.read_bytes()).hexdigest()
        assert record.sha256 == hashlib.sha256(copy.read_bytes()).hexdigest()
        assert (record.source_bytes, record.bytes) == (source.stat().st_size, copy.stat().st_size)
    assert [record.rows_dropped for record in manifest.files] == [0, 2, 1, 0, 0]
    assert [record.rows_scrubbed for record in manifest.files] == [0, 0, 0, 1, 0]
    assert manifest.files[0].rows_in is None
    assert manifest.columns_of(manifest.files[1]).geo == ("geo",)
    assert (manifest.source, manifest.plan_digest, manifest.job_ids) == ("corpus", made.digest, (1,))
    assert manifest.policy["deleted"] == "drop"
    assert manifest.ignored == (".hidden", "_SUCCESS")
    assert str(tmp_path) not in path.read_text()
    assert str(FIRST)[:12] not in path.read_text()


def test_modes_stay_and_copies_keep_their_time(corpus: Path, tmp_path: Path, flag: Flag) -> None:
    """Who may read a file may read its copy, and nobody else."""
    (corpus / "date=2024-05-01/part-0.parquet").chmod(0o640)
    (corpus / "README.md").chmod(0o444)
    (corpus / "date=2024-05-02").chmod(0o750)
    clean(plan(corpus, flag("deleted", [FIRST])), tmp_path / "clean")
    modes = {
        path: stat.S_IMODE((tmp_path / "clean" / path).stat().st_mode)
        for path in ("date=2024-05-01/part-0.parquet", "README.md", "date=2024-05-02", ".")
    }
    assert modes == {
        "date=2024-05-01/part-0.parquet": 0o640,
        "README.md": 0o444,
        "date=2024-05-02": 0o750,
        ".": stat.S_IMODE(corpus.stat().st_mode),
    }
    assert (tmp_path / "clean/README.md").stat().st_mtime_ns == (corpus / "README.md").stat().st_mtime_ns


def test_a_dataset_of_one_file_becomes_a_directory_with_it(corpus: Path, tmp_path: Path, flag: Flag) -> None:
    """What lies beside the file is left out, and the copy may lie beside it."""
    one = corpus / "date=2024-05-01/part-0.parquet"
    report = clean(plan(one, flag("deleted", [FIRST])), one.parent / "clean")
    assert (report.files_rewritten, report.files_copied, report.files_other) == (1, 0, 0)
    assert pq.read_table(one.parent / "clean/part-0.parquet").num_rows == 19
    assert Manifest.read(manifest_path(one.parent / "clean")).source == "part-0.parquet"


# Executors


def threads() -> Executor:
    return ThreadPoolExecutor(3)


def processes() -> Executor:
    return ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))


class Inline(Executor):
    """The least that an executor can be: it works at once, in the calling thread."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


@pytest.mark.parametrize("make", [threads, processes, Inline])
def test_any_executor_makes_the_same_dataset(make: Callable[[], Executor], made: Plan, tmp_path: Path) -> None:
    """Threads, spawned processes, and one that is hardly any executor give the same bytes and the same counts."""
    wanted = clean(made, tmp_path / "by threads of our own")
    with make() as executor:
        report = clean(made, tmp_path / "clean", executor=executor)
        assert executor.submit(int, "7").result() == 7, "an executor that was lent is not shut down"
    assert replace(report, destination=wanted.destination) == wanted
    digests = [
        {path: digest for path, (digest, _, _) in snapshot(wanted.destination).items()},
        {path: digest for path, (digest, _, _) in snapshot(tmp_path / "clean").items()},
    ]
    assert digests[0] == digests[1]


@pytest.mark.parametrize("make", [threads, processes])
def test_an_error_of_a_worker_reaches_the_caller_as_it_is(
    make: Callable[[], Executor], corpus: Path, flag: Flag
) -> None:
    """Also from another process, with its own type and words; nothing is left of the run."""
    damaged = corpus / "date=2024-05-02/part-0.parquet"
    content, text = bytearray(damaged.read_bytes()), pq.read_metadata(damaged).row_group(0).column(1)
    content[text.data_page_offset : text.data_page_offset + 100] = bytes(100)  # which a plan does not read
    damaged.write_bytes(content)
    made = plan(corpus, flag("deleted", [FIRST + 25]))
    with make() as executor, pytest.raises(PlanError, match=r"date=2024-05-02/part-0.parquet cannot be read"):
        clean(made, corpus.parent / "clean", executor=executor)
    assert leftovers(corpus.parent) == []


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Mortal(ProcessPoolExecutor):
    """Processes of which one dies once two tasks are done."""

    def __init__(self) -> None:
        super().__init__(2, mp_context=multiprocessing.get_context("spawn"))
        self.given: list[Future[Any]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if len(self.given) == 2:
            for future in self.given:
                future.result()
            assert super().submit(die).exception() is not None
        self.given.append(super().submit(fn, *args, **kwargs))
        return self.given[-1]


def test_a_worker_that_dies_is_told_and_the_next_run_goes_on(made: Plan, tmp_path: Path) -> None:
    """A killed process, perhaps for want of memory, does not cost what others have done."""
    with Mortal() as executor, pytest.raises(ComplianceFramesError, match=r"a worker died.*; 2 of 5 files are done"):
        clean(made, tmp_path / "clean", executor=executor)
    assert not (tmp_path / "clean").exists()
    assert clean(made, tmp_path / "clean").rows_kept == 77


def test_files_that_are_done_are_forgotten_without_a_garbage_collection(
    corpus: Path, tmp_path: Path, flag: Flag
) -> None:
    """A collector that counts objects waits for thousands of files, each with kilobytes of footer it cannot see."""
    for number in range(8):
        table = tweets(20 * number).append_column("raw", pa.array([f"{number:020000}"] * 20))
        pq.write_table(table, corpus / f"wide-{number}.parquet", use_dictionary=False, compression="none")
    drop, scrub = range(FIRST, FIRST + 40), range(FIRST + 40, FIRST + 160, 10)

    def known() -> int:
        return sum(isinstance(each, pq.FileMetaData) for each in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        before = known()
        planned = plan(corpus, flag("deleted", drop), flag("scrub_geo", scrub, action="scrub_geo"))
        assert {file.decision for file in planned.files} == {"copy", "rewrite", "splice"}
        clean(planned, tmp_path / "clean")
        del planned
        assert known() - before <= 4  # one of each schema is remembered
    finally:
        gc.enable()


def test_another_zstd_level_is_used_where_it_is_asked_for_and_noted(corpus: Path, tmp_path: Path, flag: Flag) -> None:
    """Files that are rewritten take the level that was told; those that are copied stay as they are."""
    for path in corpus.rglob("*.parquet"):
        pq.write_table(pq.ParquetFile(path).read(), path, compression="zstd", compression_level=3)
    made = plan(corpus, flag("deleted", [FIRST]))
    usual, fast = clean(made, tmp_path / "usual"), clean(made, tmp_path / "fast", zstd_level=-5)
    assert usual.files_rewritten == fast.files_rewritten == 1
    assert not any("ZSTD" in note for note in usual.notes)
    assert any("ZSTD is used at level -5, as told" in note for note in fast.notes)
    assert ids_in(tmp_path / "fast") == ids_in(tmp_path / "usual")


def test_a_zstd_level_that_there_is_not_is_refused(made: Plan, tmp_path: Path) -> None:
    """Nothing is begun with it."""
    with pytest.raises(PlanError, match=r"zstd knows the levels .* to 22"):
        clean(made, tmp_path / "clean", zstd_level=23)
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("workers", [0, -1])
def test_nonsense_about_workers_is_refused(workers: int, made: Plan, tmp_path: Path) -> None:
    """Before anything is written."""
    with pytest.raises(PlanError, match="from 1 up"):
        clean(made, tmp_path / "clean", workers=workers)
    with threads() as executor, pytest.raises(PlanError, match="brings its own"):
        clean(made, tmp_path / "clean", workers=2, executor=executor)


def test_progress_counts_rows_and_files_to_their_ends(made: Plan, tmp_path: Path) -> None:
    """A display can draw one line for each, and sees both become full."""
    told: list[Progress] = []
    clean(made, tmp_path / "clean", progress=told.append)
    rows = [each for each in told if each.unit == "rows"]
    files = [each for each in told if each.unit == "files"]
    assert {each.stage for each in told} == {"clean"}
    assert [each.done for each in files] == [1, 2, 3, 4, 5]
    assert (rows[-1].done, rows[-1].total, files[-1].total) == (80, 80, 5)
    assert len({each.task for each in rows}) == len({each.task for each in files}) == 1


# Again


def test_the_same_call_again_gives_the_same_report_and_writes_nothing(made: Plan, tmp_path: Path) -> None:
    """A destination that this plan has made is done."""
    first = clean(made, tmp_path / "clean")
    before = snapshot(tmp_path)
    assert clean(made, tmp_path / "clean") == first
    assert snapshot(tmp_path) == before


def test_leftovers_of_a_run_that_was_killed_after_its_rename_are_swept(made: Plan, tmp_path: Path) -> None:
    """The destination is done; what the killed run could not take away any more goes now."""
    first = clean(made, tmp_path / "clean")
    stage = stage_path(tmp_path / "clean")
    (stage / "0123" / "erasures").mkdir(parents=True)
    (stage / "lock").touch()
    stage.chmod(0o700)
    assert clean(made, tmp_path / "clean") == first
    assert not stage.exists()


KILLED = """
import os, signal, sys
import pyarrow as pa
from compliance_frames.corpus.clean import clean
from compliance_frames.corpus.plan import plan

corpus, destination, last = sys.argv[1], sys.argv[2], int(sys.argv[3])
flagged = pa.table({"type": ["tweets"] * 3, "id": [int(id) for id in sys.argv[4:]],
                    "action": ["delete"] * 3, "reason": ["deleted"] * 3})
made = plan(corpus, flagged)
seen = 0

def watch(event, args):
    global seen
    if event == "open" or event.startswith(("os.", "shutil.", "fcntl.", "ctypes.dlsym")):
        seen += 1
        if seen == last:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(watch)
clean(made, destination, workers=1)
print(seen)
"""
FLAGGED = [FIRST, FIRST + 3, FIRST + 25]


def killed(corpus: Path, destination: Path, at: int) -> subprocess.CompletedProcess[str]:
    """A run in a process of its own, killed before it does something to the file system for the ``at``-th time."""
    told = [str(corpus), str(destination), str(at), *map(str, FLAGGED)]
    return subprocess.run([sys.executable, "-c", KILLED, *told], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many things a run does to the file system."""
    folder = tmp_path_factory.mktemp("counted")
    return int(killed(a_corpus(folder / "corpus"), folder / "clean", 0).stdout)


@pytest.mark.parametrize("late", [0.0, 0.1, 0.25, 0.4, 0.55, 0.7, 0.8, 0.85, 0.9, 0.94, 0.97, 0.99])
def test_a_run_killed_anywhere_leaves_nothing_half_done_and_is_taken_up(
    late: float, steps: int, corpus: Path, tmp_path: Path
) -> None:
    """After ``kill -9`` the destination is whole or absent, and the next run ends as if nothing had happened."""
    run = killed(corpus, tmp_path / "clean", 1 + int(late * steps))
    assert run.returncode == -signal.SIGKILL, run.stderr
    if (tmp_path / "clean").exists():
        assert ids_in(tmp_path / "clean") == EVERYTHING
        assert manifest_path(tmp_path / "clean").exists()
    flagged = pa.table({"type": ["tweets"] * 3, "id": FLAGGED, "action": ["delete"] * 3, "reason": ["deleted"] * 3})
    assert clean(plan(corpus, flagged), tmp_path / "clean").rows_dropped == 3
    assert ids_in(tmp_path / "clean") == EVERYTHING
    assert leftovers(tmp_path) == ["clean", "clean.manifest.json"]


class Stopping(Inline):
    """An executor that is stopped, as by a key, after some tasks."""

    def __init__(self, after: int) -> None:
        self.left = after

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        return super().submit(fn, *args, **kwargs)


def interrupted(made: Plan, destination: Path, after: int = 4) -> Path:
    """A run that was stopped after some files; its staging data."""
    with pytest.raises(KeyboardInterrupt):
        clean(made, destination, executor=Stopping(after))
    assert not destination.exists()
    (data,) = stage_path(destination).glob("*/data")
    return data


def test_a_resumed_run_takes_what_the_journal_vouches_for(made: Plan, tmp_path: Path) -> None:
    """Files that were done are not done again: they are the very same files in the end."""
    data = interrupted(made, tmp_path / "clean")
    kept = {path.relative_to(data): path.stat().st_ino for path in data.rglob("*") if path.is_file()}
    assert len(kept) == 4
    clean(made, tmp_path / "clean")
    assert {path: (tmp_path / "clean" / path).stat().st_ino for path in kept} == kept


@pytest.mark.parametrize("lost", [-1.0, 1e9])
def test_what_is_vouched_for_outlives_a_power_cut(
    lost: float, made: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that is older than a moment; and all of it where a run ends before it is done."""
    sync, safe = os.fsync, list[int]()

    def watch(handle: int) -> None:
        sync(handle)
        for path in stage_path(tmp_path / "clean").glob("*/journal.jsonl"):
            if path.stat().st_ino == os.fstat(handle).st_ino:
                safe.append(path.read_bytes().count(b"\n"))

    monkeypatch.setattr(stage, "_LOST_AT_MOST", lost)
    monkeypatch.setattr(os, "fsync", watch)
    interrupted(made, tmp_path / "clean")
    assert safe == [4]


def test_while_a_file_takes_long_those_before_it_are_made_safe(
    made: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits for the next one gives the journal to the disk meanwhile."""
    safe, sync = threading.Event(), os.fsync

    def watch(handle: int) -> None:
        sync(handle)
        for path in stage_path(tmp_path / "clean").glob("*/journal.jsonl"):
            if path.stat().st_ino == os.fstat(handle).st_ino and path.read_bytes().count(b"\n") == len(made.files) - 1:
                safe.set()

    class LastWaits(ThreadPoolExecutor):
        begun = 0

        def submit(self, work: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            self.begun += 1
            if self.begun < len(made.files):
                return super().submit(work, *args, **kwargs)
            return super().submit(lambda: (waited.append(safe.wait(20)), work(*args, **kwargs))[1])

    waited: list[bool] = []
    monkeypatch.setattr(os, "fsync", watch)
    with LastWaits(1) as threads:
        clean(made, tmp_path / "clean", executor=threads)
    assert waited == [True]


def test_a_run_at_another_level_takes_nothing_that_was_staged_at_the_first(
    corpus: Path, tmp_path: Path, flag: Flag
) -> None:
    """All files of a copy are of the level that was told, whatever an interrupted run had done."""
    for path in corpus.rglob("*.parquet"):
        pq.write_table(pq.ParquetFile(path).read(), path, compression="zstd", compression_level=3)
    made = plan(corpus, flag("deleted", [FIRST]))
    clean(made, tmp_path / "wanted", zstd_level=19)
    interrupted(made, tmp_path / "clean")
    report = clean(made, tmp_path / "clean", zstd_level=19)
    assert any("ZSTD is used at level 19, as told" in note for note in report.notes)
    wanted, found = ({path: it[0] for path, it in snapshot(tmp_path / name).items()} for name in ("wanted", "clean"))
    assert found == wanted
    assert not stage_path(tmp_path / "clean").exists()


def harm(data: Path, how: str) -> None:
    victim = data / "date=2024-05-01/part-0.parquet"
    journal = data.parent / "journal.jsonl"
    if how == "a staged file of another content":
        content = bytearray(victim.read_bytes())
        content[50] ^= 0xFF
        victim.write_bytes(content)
    elif how == "a staged file cut short":
        victim.write_bytes(victim.read_bytes()[:100])
    elif how == "a staged file taken away":
        victim.unlink()
    elif how == "half a line in the journal":
        journal.write_bytes(journal.read_bytes()[:-20])
    elif how == "nonsense in the journal":
        lines = journal.read_bytes().splitlines(keepends=True)
        journal.write_bytes(b"".join([lines[0], b'{"path": 1}\n', *lines[1:]]))
    elif how == "no journal":
        journal.unlink()
    elif how == "files under way":
        (data.parent / "parts").mkdir(exist_ok=True)
        (data.parent / "parts/abc.part").write_text("half")
    elif how == "erasures cut short":
        for path in (data.parent / "erasures").iterdir():
            path.write_bytes(path.read_bytes()[:10])


@pytest.mark.parametrize(
    "how",
    [
        "a staged file of another content",
        "a staged file cut short",
        "a staged file taken away",
        "half a line in the journal",
        "nonsense in the journal",
        "no journal",
        "files under way",
        "erasures cut short",
    ],
)
def test_what_was_staged_is_trusted_only_as_far_as_it_agrees_with_the_journal(
    how: str, made: Plan, tmp_path: Path
) -> None:
    """Whatever a crash left, the resumed run gives the same bytes as one that was never stopped."""
    clean(made, tmp_path / "wanted")
    harm(interrupted(made, tmp_path / "clean"), how)
    clean(made, tmp_path / "clean")
    assert {path: it[0] for path, it in snapshot(tmp_path / "clean").items()} == {
        path: it[0] for path, it in snapshot(tmp_path / "wanted").items()
    }
    assert not stage_path(tmp_path / "clean").exists()


def test_a_file_that_does_not_reach_the_disk_is_made_again(
    made: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the disk refused may still be read from memory: a later run does not take it for done."""
    sync, refused = os.fsync, []

    def refuse_one(handle: int) -> None:
        staged = stage_path(tmp_path / "clean").glob("*/data/**/*.parquet")
        this = [path for path in staged if path.stat().st_ino == os.fstat(handle).st_ino]
        if this and not refused:
            refused.extend(this)
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        sync(handle)

    monkeypatch.setattr(os, "fsync", refuse_one)
    with pytest.raises(DestinationError, match="cannot be written"):
        clean(made, tmp_path / "clean")
    assert [path.exists() for path in refused] == [False]
    clean(made, tmp_path / "clean")
    assert ids_in(tmp_path / "clean") == EVERYTHING


@pytest.mark.parametrize("mode", [0o644, 0o044])
def test_every_file_is_on_the_disk_before_the_rename(
    mode: int, corpus: Path, tmp_path: Path, flag: Flag, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files and directories are synced, whoever may read them, and only then is the dataset published."""
    for path in corpus.rglob("*.parquet"):
        path.chmod(mode)
    made = plan(corpus, flag("deleted", [FIRST]))
    sync, synced = os.fsync, set()

    def watch(handle: int) -> None:
        sync(handle)
        synced.add(os.fstat(handle).st_ino)

    def publish(event: str, args: tuple[object, ...]) -> None:
        if event == "compliance_frames.stage" and args == ("settled",):
            (data,) = stage_path(tmp_path / "clean").glob("*/data")
            everything = {path.stat().st_ino for path in [data, *data.rglob("*")]}
            assert everything <= synced
            seen.append(len(everything))

    seen: list[int] = []
    monkeypatch.setattr(os, "fsync", watch)
    sys.addaudithook(lambda event, args: publish(event, args) if watching else None)
    watching = [True]
    clean(made, tmp_path / "clean")
    watching.clear()
    assert seen


def test_a_journal_goes_on_behind_half_a_line(made: Plan, tmp_path: Path) -> None:
    """A run killed while it wrote, and another after it: what both have done is vouched for."""
    data = interrupted(made, tmp_path / "clean", after=2)
    harm(data, "half a line in the journal")
    interrupted(made, tmp_path / "clean", after=4)
    lines = (data.parent / "journal.jsonl").read_text().splitlines()
    assert len({json.loads(line)["path"] for line in lines}) == len(lines) == 4


def test_a_stray_file_in_the_staging_directory_is_never_published(made: Plan, tmp_path: Path) -> None:
    """What no plan put there is noticed before the rename; the run after that begins anew."""
    data = interrupted(made, tmp_path / "clean")
    (data / "stray.parquet").write_text("from nowhere")
    with pytest.raises(PlanError, match="nothing was published"):
        clean(made, tmp_path / "clean")
    assert leftovers(tmp_path) == []
    clean(made, tmp_path / "clean")
    assert not (tmp_path / "clean/stray.parquet").exists()


def test_what_another_plan_staged_is_swept(made: Plan, corpus: Path, tmp_path: Path, flag: Flag) -> None:
    """Files cleaned by other answers never mix with these."""
    interrupted(made, tmp_path / "clean")
    report = clean(plan(corpus, flag("deleted", [FIRST + 79])), tmp_path / "clean")
    assert report.rows_dropped == 1
    assert ids_in(tmp_path / "clean") == [FIRST + number for number in range(79)]
    assert not stage_path(tmp_path / "clean").exists()


# Two at a time


class Meeting(Inline):
    """An executor in whose first task somebody else comes along."""

    def __init__(self, meet: Callable[[], None]) -> None:
        self.meet: Callable[[], None] | None = meet

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        meet, self.meet = self.meet, None
        if meet is not None:
            meet()
        return super().submit(fn, *args, **kwargs)


def test_a_second_run_at_the_same_time_is_refused(made: Plan, tmp_path: Path) -> None:
    """By the same process and by another; the first one does not notice."""
    code = (
        "import pickle, sys; from compliance_frames.corpus.clean import clean; "
        "clean(pickle.loads(sys.stdin.buffer.read()), sys.argv[1])"
    )
    said = []

    def meet() -> None:
        with pytest.raises(LedgerLockedError, match="is in use by another run"):
            clean(made, tmp_path / "clean")
        run = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "clean")],
            input=pickle.dumps(made), capture_output=True, check=False,
        )  # fmt: skip
        said.append(run.stderr.decode())

    assert clean(made, tmp_path / "clean", executor=Meeting(meet)).rows_kept == 77
    assert "is in use by another run" in said[0]


def test_many_runs_at_once_make_one_dataset(made: Plan, tmp_path: Path) -> None:
    """Whoever comes first makes it; others are refused or find it done. None of them sees half of it."""
    ends: list[str] = []

    def run() -> None:
        try:
            ends.append(str(clean(made, tmp_path / "clean").rows_kept))
        except LedgerLockedError:
            ends.append("refused")

    runs = [threading.Thread(target=run) for _ in range(8)]
    for each in runs:
        each.start()
    for each in runs:
        each.join()
    assert set(ends) <= {"77", "refused"}
    assert "77" in ends
    assert len(ends) == 8
    assert leftovers(tmp_path) == ["clean", "clean.manifest.json"]


def test_a_destination_that_appears_meanwhile_is_not_replaced(made: Plan, tmp_path: Path) -> None:
    """Not even an empty directory; what was staged is used once it is gone."""
    there = tmp_path / "clean"
    with pytest.raises(DestinationError, match="appeared while"):
        clean(made, there, executor=Meeting(there.mkdir))
    assert list(there.iterdir()) == []
    assert not manifest_path(there).exists()
    there.rmdir()
    assert clean(made, there).rows_kept == 77


def test_what_appears_meanwhile_keeps_its_own_manifest(made: Plan, tmp_path: Path) -> None:
    """A dataset that somebody moves there comes with a manifest, and nobody else's may take its place."""
    clean(made, tmp_path / "clean")
    (tmp_path / "aside").mkdir()
    moves = [(path, tmp_path / "aside" / path.name) for path in (tmp_path / "clean", manifest_path(tmp_path / "clean"))]
    for there, aside in moves:
        there.rename(aside)
    written = moves[1][1].read_bytes()

    def back() -> None:
        for there, aside in moves:
            aside.rename(there)

    with pytest.raises(DestinationError, match="appeared while"):
        clean(made, tmp_path / "clean", executor=Meeting(back))
    assert manifest_path(tmp_path / "clean").read_bytes() == written
    assert clean(made, tmp_path / "clean").rows_kept == 77


# Destinations that cannot be


@pytest.mark.parametrize("kind", ["empty directory", "directory", "file", "link", "dangling link"])
def test_whatever_is_at_the_destination_is_left_alone(kind: str, made: Plan, tmp_path: Path) -> None:
    """Nothing is ever overwritten, merged into, or followed."""
    there, elsewhere = tmp_path / "clean", tmp_path / "elsewhere"
    if kind == "file":
        there.write_text("precious")
    elif kind.endswith("link"):
        if kind == "link":
            elsewhere.mkdir()
        there.symlink_to(elsewhere)
    else:
        there.mkdir()
        if kind == "directory":
            (there / "precious").write_text("")
    before = leftovers(tmp_path)
    with pytest.raises(DestinationError, match="exists"):
        clean(made, there)
    assert leftovers(tmp_path) == before
    assert not elsewhere.exists() or list(elsewhere.iterdir()) == []


def test_a_destination_of_another_plan_and_one_that_was_changed_are_told_apart(
    made: Plan, corpus: Path, tmp_path: Path, flag: Flag
) -> None:
    """Each with what to do about it."""
    clean(made, tmp_path / "clean")
    with pytest.raises(DestinationError, match="by another plan"):
        clean(plan(corpus, flag("deleted", [FIRST])), tmp_path / "clean")
    (tmp_path / "clean/date=2024-05-04/part-0.parquet").unlink()
    with pytest.raises(DestinationError, match="was changed since"):
        clean(made, tmp_path / "clean")


def test_a_foreign_file_where_the_manifest_would_be_is_not_replaced(made: Plan, tmp_path: Path) -> None:
    """One of ours, of a dataset that was taken away, is."""
    path = manifest_path(tmp_path / "clean")
    path.write_text('{"precious": true}')
    with pytest.raises(DestinationError, match="in the way"):
        clean(made, tmp_path / "clean")
    assert path.read_text() == '{"precious": true}'
    path.unlink()
    clean(made, tmp_path / "clean").destination.rename(tmp_path / "moved away")
    assert clean(made, tmp_path / "clean").rows_kept == 77


@pytest.mark.parametrize(
    "way",
    ["corpus", "corpus/clean", "corpus/date=2024-05-01", ".", "corpus/../corpus/clean", "link/clean", "link"],
)
def test_source_and_destination_never_overlap(way: str, made: Plan, corpus: Path, tmp_path: Path) -> None:
    """Inside, around, the same, by dots, by links: nothing is written into the source, nor around it."""
    (tmp_path / "link").symlink_to(corpus)
    before = snapshot(corpus)
    with pytest.raises(DestinationError):
        clean(made, tmp_path / way)
    assert snapshot(corpus) == before
    assert leftovers(tmp_path) == ["link"]


def test_overlap_is_seen_from_inside(made: Plan, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative destination is taken from where we are."""
    monkeypatch.chdir(corpus)
    with pytest.raises(DestinationError, match="lies inside the source"):
        clean(made, "clean")
    with pytest.raises(DestinationError, match="lies inside the destination"):
        clean(made, "..")
    assert clean(made, "../clean").destination == corpus.parent / "clean"


def test_missing_parents_are_made(made: Plan, tmp_path: Path) -> None:
    """As every tool does that writes to a path."""
    assert clean(made, tmp_path / "a/b/clean").destination == tmp_path / "a/b/clean"


def test_a_parent_that_is_no_directory_is_told(made: Plan, corpus: Path, tmp_path: Path) -> None:
    """In one sentence, and without a trace."""
    (tmp_path / "file").write_text("")
    with pytest.raises(DestinationError, match=r"cannot be written: Not a directory|File exists"):
        clean(made, tmp_path / "file/clean")
    with pytest.raises(DestinationError, match="cannot be written"):
        clean(made, "/proc/compliance-frames/clean")


def test_what_is_no_path_is_told(made: Plan, tmp_path: Path) -> None:
    """A loop of links, a home that nobody has, a NUL."""
    (tmp_path / "loop").symlink_to("loop")
    for way in (tmp_path / "loop/clean", "~nobody-of-this-name/clean", str(tmp_path / "a\0b")):
        with pytest.raises(DestinationError):
            clean(made, way)


AS_NOBODY = """
import os, pickle, sys
from compliance_frames.corpus.clean import clean
from compliance_frames.errors import ComplianceFramesError
made = pickle.loads(sys.stdin.buffer.read())
os.setgid(65534); os.setuid(65534)
try:
    clean(made, sys.argv[1], workers=1)
except ComplianceFramesError as error:
    print(type(error).__name__, error, sep=": ")
"""


def as_nobody(made: Plan, destination: Path) -> str:
    for folder in (destination.parent, *destination.parents[1:4]):
        folder.chmod(folder.stat().st_mode | 0o055)
    run = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, str(destination)], input=pickle.dumps(made), capture_output=True, check=False
    )
    assert run.returncode == 0, run.stderr.decode()
    return run.stdout.decode()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody who may not write")
def test_a_directory_that_may_not_be_written_is_told(made: Plan, tmp_path: Path) -> None:
    """Somebody without the right to write there reads one sentence."""
    (tmp_path / "theirs").mkdir(mode=0o755)
    said = as_nobody(made, tmp_path / "theirs/clean")
    assert said.startswith("DestinationError: the destination ")
    assert "cannot be written: Permission denied" in said
    assert leftovers(tmp_path / "theirs") == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody who may not read")
def test_a_source_that_may_not_be_read_any_more_is_told(made: Plan, corpus: Path, tmp_path: Path) -> None:
    """It is the source's fault, so the message does not speak of the destination."""
    (corpus / "date=2024-05-01/part-0.parquet").chmod(0o000)
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    said = as_nobody(made, tmp_path / "open/clean")
    assert "date=2024-05-01/part-0.parquet cannot be read" in said
    assert leftovers(tmp_path / "open") == []


def test_a_staging_directory_of_somebody_else_is_not_used(made: Plan, tmp_path: Path) -> None:
    """In a directory that others may write to, it could have been put there to read what we stage."""
    (tmp_path / "trap").mkdir()
    stage_path(tmp_path / "clean").symlink_to(tmp_path / "trap")
    with pytest.raises(DestinationError, match="belongs to somebody else"):
        clean(made, tmp_path / "clean")
    assert list((tmp_path / "trap").iterdir()) == []


FULL = """
import pickle, resource, sys
made, limit = pickle.loads(sys.stdin.buffer.read())
from compliance_frames.corpus.clean import clean
from compliance_frames.errors import ComplianceFramesError
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    clean(made, sys.argv[1], workers=1)
except ComplianceFramesError as error:
    print(type(error).__name__, error, sep=": ")
"""


@pytest.mark.parametrize("big", ["copied", "rewritten"])
def test_a_full_disk_is_told_and_what_is_done_is_kept(big: str, corpus: Path, tmp_path: Path, flag: Flag) -> None:
    """The system refuses to write more: one sentence, no destination, and the next run goes on."""
    numbers = np.random.default_rng(0).integers(0, 2**62, 200_000)
    ids = pa.array(FIRST + 10_000 + np.arange(200_000)).cast(pa.string())
    pq.write_table(pa.table({"id": ids, "n": numbers}), corpus / "zzz.parquet", compression="none")
    made = plan(corpus, flag("deleted", [FIRST + 10_000 if big == "rewritten" else FIRST]))
    run = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "clean")],
        input=pickle.dumps((made, 1_000_000)), capture_output=True, check=True,
    )  # fmt: skip
    assert run.stdout.decode().startswith("DestinationError: there is no room for the destination"), run
    assert not (tmp_path / "clean").exists()
    journals = stage_path(tmp_path / "clean").glob("*/journal.jsonl")
    done = [journal.read_text().count("\n") for journal in journals]
    assert done == [5] or big == "rewritten"  # which comes first, when little is done yet
    assert clean(made, tmp_path / "clean").rows_in == 200_080


# Sources that change


def change(corpus: Path, how: str) -> None:
    victim = corpus / "date=2024-05-02/part-0.parquet"
    if how == "longer":
        with victim.open("ab") as file:
            file.write(b"x")
    elif how == "touched":
        os.utime(victim, ns=(0, 0))
    elif how == "gone":
        victim.unlink()
    elif how == "new":
        pq.write_table(tweets(500), corpus / "date=2024-05-02/part-1.parquet")
    elif how == "a link now":
        victim.rename(corpus.parent / "moved.parquet")
        victim.symlink_to(corpus.parent / "moved.parquet")
    elif how == "all gone":
        corpus.rename(corpus.parent / "moved")
    elif how in {"written over", "exchanged"}:
        other(victim, exchanged=how == "exchanged")


def other(victim: Path, *, exchanged: bool) -> None:
    """Put the same rows in another order into a file; it has the size and the date that it had."""
    state, table = victim.stat(), pq.read_table(victim)
    target = victim.with_name(".other") if exchanged else victim
    pq.write_table(table.take(list(reversed(range(len(table))))), target, row_group_size=10, compression="none")
    os.utime(target, ns=(state.st_atime_ns, state.st_mtime_ns))
    target.replace(victim)
    assert (victim.stat().st_size, victim.stat().st_mtime_ns) == (state.st_size, state.st_mtime_ns)


CHANGES = ["longer", "touched", "gone", "new", "a link now", "all gone", "written over", "exchanged"]


@pytest.mark.parametrize("how", CHANGES)
def test_a_source_that_changed_since_the_plan_is_refused(how: str, made: Plan, corpus: Path, tmp_path: Path) -> None:
    """Whatever came, went or changed: the plan does not know it."""
    change(corpus, how)
    with pytest.raises(StaleDatasetError):
        clean(made, tmp_path / "clean")
    assert not [name for name in leftovers(tmp_path) if "clean" in name]


class Late(Inline):
    """An executor that does something after its last task."""

    def __init__(self, tasks: int, then: Callable[[], None]) -> None:
        self.left, self.then = tasks, then

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.left -= 1
        future = super().submit(fn, *args, **kwargs)
        if not self.left:
            self.then()
        return future


@pytest.mark.parametrize("how", CHANGES)
@pytest.mark.parametrize("after", [1, 3, 5])
def test_a_source_that_changes_while_it_is_read_is_refused(
    how: str, after: int, made: Plan, corpus: Path, tmp_path: Path
) -> None:
    """Before the file is read, after it was, after all were: nothing of a moving dataset is published."""
    with pytest.raises(StaleDatasetError):
        clean(made, tmp_path / "clean", executor=Late(after, lambda: change(corpus, how)))
    assert not [name for name in leftovers(tmp_path) if "clean" in name]


def test_what_was_staged_of_another_file_of_the_same_size_and_date_is_not_used(
    made: Plan, corpus: Path, tmp_path: Path, flag: Flag
) -> None:
    """An interrupted run left it; meanwhile the source became another, of which as much goes: nothing."""
    interrupted(made, tmp_path / "clean")
    notes = corpus / "README.md"
    state, text = notes.stat(), notes.read_text()
    notes.write_text(text.upper())
    os.utime(notes, ns=(state.st_atime_ns, state.st_mtime_ns))
    again = flag("deleted", [FIRST, FIRST + 3, FIRST + 25]), flag("scrub_geo", [FIRST + 45], action="scrub_geo")
    clean(plan(corpus, *again), tmp_path / "clean")
    assert (tmp_path / "clean/README.md").read_text() == text.upper()


def test_counts_that_are_not_those_of_the_plan_are_refused(made: Plan, tmp_path: Path) -> None:
    """The last line of defence: a plan and a cleaning that disagree publish nothing."""
    wrong = replace(made, files=tuple(replace(file, rows_dropped=file.rows_dropped and 9) for file in made.files))
    with pytest.raises(PlanError, match="the plan says 20 rows, of which 9 dropped"):
        clean(wrong, tmp_path / "clean")
    assert leftovers(tmp_path) == []


# Reports


def test_a_report_shows_itself_and_escapes_what_it_shows(tmp_path: Path, corpus: Path, flag: Flag) -> None:
    """As text, as HTML, as JSON; a directory may have any name."""
    report = clean(plan(corpus, flag("deleted", [FIRST])), tmp_path / "<b>clean</b>")
    assert "80 read, 79 kept, 1 dropped" in str(report)
    assert "note: 1 file that is not Parquet" in str(report)
    assert "&lt;b&gt;clean&lt;/b&gt;" in report._repr_html_()
    assert "<b>" not in report._repr_html_()
    assert json.loads(json.dumps(report.to_dict()))["rows_dropped"] == 1


def test_real_tweets_are_cleaned(shared: Path, tmp_path: Path, flag: Flag) -> None:
    """The real corpus, every seventh tweet gone: counts add up, and no dropped ID is among the IDs left."""
    root = shared / "real_tweets" / "corpus"
    ids = sorted(int(id) for path in root.rglob("*.parquet") for id in pq.ParquetFile(path).read()["id"].to_pylist())
    gone = ids[::7]
    made = plan(root, flag("deleted", gone))
    report = clean(made, tmp_path / "clean")
    assert report.rows_in == len(ids) == report.rows_kept + report.rows_dropped
    assert report.rows_dropped >= len(set(gone))
    left = {
        int(id)
        for path in (tmp_path / "clean").rglob("*.parquet")
        for id in pq.ParquetFile(path).read()["id"].to_pylist()
    }
    assert not left & set(gone)
    assert sorted(path.relative_to(root) for path in root.rglob("*.parquet")) == sorted(
        path.relative_to(tmp_path / "clean") for path in (tmp_path / "clean").rglob("*.parquet")
    )
