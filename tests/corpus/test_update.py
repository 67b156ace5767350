"""A cleaned copy is brought up to date: what did not change stays the file that it is, and old and new never mix."""

from __future__ import annotations

import ctypes
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import compliance_frames as cf
from compliance_frames.corpus import destination as system
from compliance_frames.corpus.manifest import Manifest, manifest_path
from compliance_frames.corpus.stage import Stage, stage_path
from compliance_frames.errors import DestinationError, LedgerLockedError, VerificationError

QUOTES = pa.struct({"id": pa.int64(), "text": pa.string()})
INCLUDES = pa.struct({"tweets": pa.list_(QUOTES)})


def write(path: Path, ids: range, **more: Any) -> None:
    """A file of tweets, each with a place, and with a quote if told."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({"id": list(ids), "text": [f"words {i}" for i in ids], "geo": [f"town {i}" for i in ids], **more})
    pq.write_table(table, path, row_group_size=5)


def results(*flagged: tuple[int, str]) -> pa.Table:
    return pa.table(
        {
            "type": ["tweets"] * len(flagged),
            "id": pa.array([id for id, _ in flagged], pa.int64()),
            "action": ["delete"] * len(flagged),
            "reason": pa.array([reason for _, reason in flagged], pa.string()),
        }
    )


def quoted(ids: list[int]) -> Any:
    return pa.array([{"id": i, "text": f"quoted {i}"} for i in ids], QUOTES)


#: What the service said in the first week, and in the second: 12 came back, 14 and 42 went, 23 is no place any more.
FIRST = results((12, "deleted"), (22, "scrub_geo"), (32, "deleted"), (900, "deleted"), (62, "deleted"))
SECOND = results(
    (14, "deleted"), (22, "scrub_geo"), (32, "deleted"), (901, "deleted"), (42, "deleted"), (62, "deleted")
)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """The corpus of the first week."""
    folder = tmp_path / "corpus"
    for name, first in (("other", 10), ("places", 20), ("same", 30), ("clear", 40), ("gone", 50), ("grown", 60)):
        write(folder / f"week=1/{name}.parquet", range(first, first + 10))
    write(folder / "week=1/quotes.parquet", range(70, 75), quoted_status=quoted([900, 901, 902, 903, 904]))
    lists = pa.array([{"tweets": [{"id": 900, "text": "a"}, {"id": 901, "text": "b"}]}] * 5, INCLUDES)
    write(folder / "week=1/lists.parquet", range(75, 80), includes=lists)  # as many go, and not the same
    write(folder / "week=1/untouched.parquet", range(80, 90))
    (folder / "README.txt").write_text("about it")
    (folder / "notes.txt").write_text("of the first week")
    return folder


def grow(corpus: Path) -> None:
    """A week goes by."""
    write(corpus / "week=2/new.parquet", range(90, 100))
    write(corpus / "week=1/grown.parquet", range(60, 70 + 5))
    (corpus / "week=1/gone.parquet").unlink()
    (corpus / "notes.txt").write_text("of the second week")


TAKEN = {"README.txt", "week=1/places.parquet", "week=1/same.parquet", "week=1/untouched.parquet"}
MADE = {
    "notes.txt",
    "week=1/other.parquet",
    "week=1/clear.parquet",
    "week=1/grown.parquet",
    "week=1/quotes.parquet",
    "week=1/lists.parquet",
}
NEW = {"week=2/new.parquet"}


def content(dataset: Path) -> dict[str, bytes]:
    return {path.relative_to(dataset).as_posix(): path.read_bytes() for path in dataset.rglob("*") if path.is_file()}


def numbers(dataset: Path) -> dict[str, int]:
    return {path.relative_to(dataset).as_posix(): path.stat().st_ino for path in dataset.rglob("*") if path.is_file()}


def test_what_did_not_change_stays_and_the_rest_is_made_anew(corpus: Path, tmp_path: Path) -> None:
    """The copy is what cleaning from the beginning would make, byte by byte; of it, only what is new was written."""
    target = tmp_path / "clean"
    first = cf.clean(cf.plan(corpus, FIRST), target, update=True)
    assert first.files_taken_over == 0
    before = numbers(target)
    grow(corpus)
    plan = cf.plan(corpus, SECOND)
    report = cf.clean(plan, target, update=True)
    cf.clean(plan, tmp_path / "afresh")
    assert content(target) == content(tmp_path / "afresh")
    assert report.files_taken_over == len(TAKEN)
    after = numbers(target)
    assert after.keys() == TAKEN | MADE | NEW
    assert {path for path, number in after.items() if before.get(path) == number} == TAKEN
    assert {path.stat().st_nlink for path in target.rglob("*.parquet")} == {1}
    assert {path.name for path in tmp_path.iterdir()} == {
        *("corpus", "clean", "clean.manifest.json", "afresh", "afresh.manifest.json")
    }
    records = [Manifest.read(manifest_path(tmp_path / name)).files for name in ("clean", "afresh")]
    assert records[0] == records[1]
    assert cf.verify(target, SECOND, source=corpus).verified
    assert (report.rows_in, report.rows_dropped) == (plan.rows_in, plan.rows_dropped)
    assert cf.clean(plan, target, update=True).rows_kept == report.rows_kept  # nothing is left to do


def test_a_release_that_may_know_better_makes_anew_what_lost_something(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a copy of another release only bare copies are taken over: their bytes are the source's."""
    with monkeypatch.context() as patched:
        patched.setattr(cf, "__version__", "0.0.9")
        cf.clean(cf.plan(corpus, FIRST), tmp_path / "clean")
    plan = cf.plan(corpus, SECOND)
    assert cf.clean(plan, tmp_path / "clean", update=True).files_taken_over == 4  # gone, untouched, and two texts


def test_bytes_that_differ_at_the_same_size_are_seen(corpus: Path, tmp_path: Path) -> None:
    """Neither a source nor a copy is believed by its size: both are hashed."""
    target = tmp_path / "clean"
    cf.clean(cf.plan(corpus, FIRST), target)
    source, copy = corpus / "README.txt", target / "week=1/untouched.parquet"
    source.write_text("About it")
    damaged = bytearray(copy.read_bytes())
    damaged[100] ^= 1
    copy.write_bytes(damaged)
    cf.clean(cf.plan(corpus, SECOND), target, update=True)
    assert (target / "README.txt").read_text() == "About it"
    assert copy.read_bytes() == (corpus / "week=1/untouched.parquet").read_bytes()


def test_only_our_own_copy_of_this_dataset_is_replaced(corpus: Path, tmp_path: Path) -> None:
    """Without update=, after a change of the copy, of another dataset, or by way of a link: refused, nothing lost."""
    target = tmp_path / "clean"
    cf.clean(cf.plan(corpus, FIRST), target)
    plan, was = cf.plan(corpus, SECOND), content(target)
    with pytest.raises(DestinationError, match="--update"):
        cf.clean(plan, target)
    (target / "mine.txt").write_text("do not lose this")
    with pytest.raises(DestinationError, match="changed since"):
        cf.clean(plan, target, update=True)
    (target / "mine.txt").unlink()
    (target / "mine").symlink_to(tmp_path)
    with pytest.raises(DestinationError, match="changed since"):
        cf.clean(plan, target, update=True)
    (target / "mine").unlink()
    (target / "README.txt").rename(tmp_path / "moved")
    (target / "README.txt").symlink_to("../moved")  # which is as long as what it leads to
    with pytest.raises(DestinationError, match="changed since"):
        cf.clean(plan, target, update=True)
    (tmp_path / "moved").replace(target / "README.txt")
    other = tmp_path / "other"
    write(other / "a.parquet", range(10))
    with pytest.raises(DestinationError, match="made from 'corpus', not from 'other'"):
        cf.clean(cf.plan(other, SECOND), target, update=True)
    (tmp_path / "elsewhere").mkdir()
    shutil.move(other, tmp_path / "elsewhere/corpus")
    with pytest.raises(DestinationError, match="no file of tweets that"):
        cf.clean(cf.plan(tmp_path / "elsewhere/corpus", SECOND), target, update=True)
    target.rename(tmp_path / "real")
    target.symlink_to("real")
    with pytest.raises(DestinationError, match="is a link"):
        cf.clean(plan, target, update=True)
    assert content(tmp_path / "real") == was


def test_the_copy_of_another_dataset_with_the_same_names_is_not_replaced(corpus: Path, tmp_path: Path) -> None:
    """What both have in common without tweets says nothing; what to do is said, and helps, where all was changed."""
    target, elsewhere = tmp_path / "clean", tmp_path / "elsewhere/corpus"
    write(corpus / "week=1/empty.parquet", range(0))
    cf.clean(cf.plan(corpus, FIRST), target)
    was = content(target)
    for path in corpus.rglob("*.parquet"):
        ids = [id + 1000 for id in pq.read_table(path)["id"].to_pylist()]
        write(elsewhere / path.relative_to(corpus), range(ids[0], ids[-1] + 1) if ids else range(0))
    shutil.copy(corpus / "README.txt", elsewhere)
    plan = cf.plan(elsewhere, SECOND)
    with pytest.raises(DestinationError, match=r"as it was, or with most of its tweets: .* take it away together with"):
        cf.clean(plan, target, update=True)
    assert content(target) == was
    shutil.copy(corpus / "week=1/other.parquet", elsewhere / "week=1/gone.parquet")  # under another name
    with pytest.raises(DestinationError, match="no file of tweets that"):
        cf.clean(cf.plan(elsewhere, SECOND), target, update=True)
    shutil.rmtree(target)
    manifest_path(target).unlink()
    assert cf.clean(plan_again := cf.plan(elsewhere, SECOND), target, update=True).rows_in == plan_again.rows_in


def test_a_raw_file_that_grew_is_the_one_that_it_was(tmp_path: Path) -> None:
    """Lines are added at the end of a dataset of one file; one that begins otherwise is another."""
    source, target = tmp_path / "tweets.jsonl", tmp_path / "clean"
    source.write_text('{"id": 12, "text": "a"}\n{"id": 13, "text": "b"}\n')
    cf.clean(cf.plan(source, FIRST), target)
    with source.open("a") as file:
        file.write('{"id": 14, "text": "c"}\n{"id": 15, "text": "d"}\n')
    assert cf.clean(cf.plan(source, SECOND), target, update=True).rows_kept == 3
    source.write_text(source.read_text().replace("12", "16"))
    with pytest.raises(DestinationError, match="no file of tweets that"):
        cf.clean(cf.plan(source, FIRST), target, update=True)


def test_a_file_that_was_written_anew_is_known_by_its_tweets(tmp_path: Path) -> None:
    """A dataset of one Parquet file is another file every week; one that has few of its tweets is another dataset."""
    source, target = tmp_path / "tweets.parquet", tmp_path / "clean"
    write(source, range(10, 20))
    cf.clean(cf.plan(source, FIRST), target)
    write(source, range(12, 40))
    assert cf.clean(cf.plan(source, SECOND), target, update=True).rows_kept == 26
    write(source, range(29, 60))  # which has 11 of 26
    was = content(target)
    with pytest.raises(DestinationError, match="no file of tweets that"):
        cf.clean(cf.plan(source, FIRST), target, update=True)
    assert content(target) == was


def test_what_is_taken_over_is_counted_by_the_reasons_of_today(tmp_path: Path) -> None:
    """The same row goes, last week by its own tweet and this week by its author, and stands so in all reports."""
    corpus, target = tmp_path / "corpus", tmp_path / "clean"
    write(corpus / "a.parquet", range(10, 20), author_id=list(range(100, 110)))
    cf.clean(cf.plan(corpus, results((12, "deleted"))), target)
    plan = cf.plan(corpus, results((102, "suspended")).set_column(0, "type", [["users"]]))
    report = cf.clean(plan, target, update=True)
    assert report.files_taken_over == 1
    assert {name: number for name, number in report.kinds.items() if number} == {"dropped_by_author": 1}
    cf.clean(plan, tmp_path / "afresh")
    files = [Manifest.read(manifest_path(tmp_path / name)).files for name in ("clean", "afresh")]
    assert files[0] == files[1]


def test_who_may_read_the_source_may_read_what_is_taken_over(corpus: Path, tmp_path: Path) -> None:
    """And nobody else: a file that was closed since last week is closed in the copy, too."""
    target, name = tmp_path / "clean", "week=1/untouched.parquet"
    cf.clean(cf.plan(corpus, FIRST), target)
    number = (target / name).stat().st_ino
    (corpus / name).chmod(0o600)
    cf.clean(cf.plan(corpus, SECOND), target, update=True)
    assert ((target / name).stat().st_mode & 0o777, (target / name).stat().st_ino) == (0o600, number)


def test_where_directories_cannot_change_places_nothing_is_begun(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system without that is told of at once, and the old copy stays."""
    target = tmp_path / "clean"
    cf.clean(cf.plan(corpus, FIRST), target)
    was = content(target)
    monkeypatch.setattr(system, "_EXCHANGE", 1 << 20)  # a flag that no kernel knows
    with pytest.raises(DestinationError, match="clean anew"):
        cf.clean(cf.plan(corpus, SECOND), target, update=True)
    assert content(target) == was
    assert not stage_path(target).exists()


def test_a_link_that_takes_the_place_of_the_copy_meanwhile_is_not_replaced(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old copy would lie where the link leads to, and nobody would remove it."""
    target, real, plan = tmp_path / "clean", tmp_path / "real", cf.plan(corpus, SECOND)
    cf.clean(cf.plan(corpus, FIRST), target)
    was = content(target)

    def swap(*event: object) -> None:
        if event[1:] == ("settled",):
            target.rename(real)
            target.symlink_to("real")

    with monkeypatch.context() as patch:
        patch.setattr(sys, "audit", swap)
        with pytest.raises(DestinationError, match="is a link"):
            cf.clean(plan, target, update=True)
    assert content(real) == was
    target.unlink()
    real.rename(target)
    assert cf.clean(plan, target, update=True).rows_in == plan.rows_in
    assert not stage_path(target).exists()


def test_a_copy_that_another_run_replaces_just_now_is_not_taken_for_one_that_was_changed(
    corpus: Path, tmp_path: Path
) -> None:
    """Its old manifest had been read, and then its new files were looked at; nobody is told to take it away."""
    target, plans = tmp_path / "clean", [cf.plan(corpus, SECOND), cf.plan(corpus, results((14, "deleted")))]
    cf.clean(cf.plan(corpus, FIRST), target)
    others: list[Callable[[], object]] = []

    def meet(event: str, args: tuple[object, ...]) -> None:
        if others and event == "os.scandir" and args == (str(target),):
            others.pop()()

    sys.addaudithook(meet)
    others.append(lambda: cf.clean(plans[0], target, update=True))
    assert cf.clean(plans[1], target, update=True).rows_in == plans[1].rows_in
    with Stage(target, "another run's"):
        others.append(lambda: (target / "README.txt").write_text("being replaced"))
        with pytest.raises(LedgerLockedError, match="in use by another run"):
            cf.clean(plans[0], target, update=True)


def with_mounted(target: Path, work: Callable[[], object]) -> None:
    """Work in a thread of whose own it is that a directory is mounted on itself."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x20000):  # CLONE_NEWNS
        pytest.skip("nothing may be mounted here")
    for source, place, flags in ((b"none", b"/", 0x44000), (bytes(target), bytes(target), 0x1000)):  # private; bind
        assert libc.mount(source, place, None, flags, None) == 0, os.strerror(ctypes.get_errno())
    work()


def test_a_copy_in_whose_place_something_is_mounted_is_told_of(corpus: Path, tmp_path: Path) -> None:
    """The kernel moves no such directory."""
    target, plan = tmp_path / "clean", cf.plan(corpus, SECOND)
    cf.clean(cf.plan(corpus, FIRST), target)
    was = content(target)
    with ThreadPoolExecutor(1) as thread:
        update = functools.partial(cf.clean, plan, target, update=True)
        with pytest.raises(DestinationError, match="something is mounted at"):
            thread.submit(with_mounted, target, update).result()
    assert content(target) == was
    assert cf.clean(plan, target, update=True).rows_in == plan.rows_in


DYING = """
import os, sys
import pyarrow.parquet as pq
import compliance_frames as cf
step = sys.argv[4]
def watch(event, args):
    if event == "compliance_frames.stage" and args[0] == step:
        os._exit(9)
plan = cf.plan(sys.argv[1], pq.read_table(sys.argv[2]))
sys.addaudithook(watch)
cf.clean(plan, sys.argv[3], update=True)
"""


@pytest.mark.parametrize("step", ["vouched", "written", "exchanged", "published"])
def test_a_run_killed_at_any_step_leaves_old_or_new_and_the_next_goes_on(
    corpus: Path, tmp_path: Path, step: str
) -> None:
    """The destination is whole at every moment; the next run ends the change, also one with other answers."""
    target, third = tmp_path / "clean", results((14, "deleted"), (35, "deleted"))
    cf.clean(cf.plan(corpus, FIRST), target)
    old = content(target)
    grow(corpus)
    cf.clean(cf.plan(corpus, SECOND), tmp_path / "second")
    pq.write_table(SECOND, tmp_path / "results")
    died = subprocess.run([sys.executable, "-c", DYING, corpus, tmp_path / "results", target, step], check=False)
    assert died.returncode == 9
    assert content(target) == (old if step in {"vouched", "written"} else content(tmp_path / "second"))
    cf.clean(cf.plan(corpus, SECOND), target, update=True)
    assert content(target) == content(tmp_path / "second")
    assert cf.verify(target, SECOND, source=corpus).verified
    cf.clean(cf.plan(corpus, third), target, update=True)
    cf.clean(cf.plan(corpus, third), tmp_path / "third")
    assert content(target) == content(tmp_path / "third")
    assert not stage_path(target).exists()


def test_another_run_s_answers_end_what_a_killed_one_began(corpus: Path, tmp_path: Path) -> None:
    """After a death between the change of places and the manifest, a run with newer answers knows what is there."""
    target, third = tmp_path / "clean", results((14, "deleted"), (35, "deleted"))
    cf.clean(cf.plan(corpus, FIRST), target)
    pq.write_table(SECOND, tmp_path / "results")
    command = [sys.executable, "-c", DYING, corpus, tmp_path / "results", target, "exchanged"]
    assert subprocess.run(command, check=False).returncode == 9
    assert Manifest.read(manifest_path(target)).plan_digest != cf.plan(corpus, SECOND).digest
    report = cf.clean(cf.plan(corpus, third), target, update=True)
    assert report.files_taken_over > 0
    cf.clean(cf.plan(corpus, third), tmp_path / "third")
    assert content(target) == content(tmp_path / "third")
    assert cf.verify(target, third, source=corpus).verified


# What the old copy held goes, whoever may write where

NOBODY = 65534


@contextmanager
def nobody() -> Iterator[None]:
    """Be somebody to whom something is forbidden, if we are root."""
    if os.geteuid() != 0:
        yield
        return
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


class Somebody:
    """A user who is not root, with a directory, a corpus and a cleaned copy."""

    def __init__(self, folder: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.corpus, self.clean = folder, folder / "corpus", folder / "clean"
        self.monkeypatch = monkeypatch
        shutil.move(corpus, self.corpus)
        folder.chmod(0o755)
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
        self.updates(FIRST)

    def updates(self, results: pa.Table) -> cf.CleanReport:
        """Bring the copy up to date."""
        plan = cf.plan(self.corpus, results)
        with nobody():
            return cf.clean(plan, self.clean, update=True, workers=1)

    def stops(self, results: pa.Table, step: str) -> None:
        """Bring the copy up to date as far as a step."""

        def stop(*event: object) -> None:
            if event == ("compliance_frames.stage", step):
                raise KeyboardInterrupt

        with self.monkeypatch.context() as patch:
            patch.setattr(sys, "audit", stop)
            with pytest.raises(KeyboardInterrupt):
                self.updates(results)

    def left(self) -> set[str]:
        """The names in the directory."""
        return {path.name for path in self.folder.iterdir()}


@pytest.fixture
def somebody(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Somebody]:
    with tempfile.TemporaryDirectory() as folder:  # into which others may look, unlike into pytest's own
        yield Somebody(Path(folder), corpus, monkeypatch)


@pytest.mark.parametrize("mode", [0o555, 0o000])
@pytest.mark.parametrize("later", [SECOND, results((14, "deleted"))])
def test_directories_that_nobody_may_write_in_go_with_the_old_copy(
    somebody: Somebody, mode: int, later: pa.Table
) -> None:
    """Also where the run was stopped that had to remove them, and where the next one has other answers."""
    somebody.stops(SECOND, "published")
    (old,) = stage_path(somebody.clean).glob("*/data/week=1")
    old.chmod(mode)
    somebody.updates(later)
    assert somebody.left() == {"corpus", "clean", "clean.manifest.json"}
    assert cf.verify(somebody.clean, later, source=somebody.corpus).verified


def test_a_copy_that_its_owner_made_read_only_is_brought_up_to_date(somebody: Somebody) -> None:
    """The kernel moves no directory in which its mover may not write."""
    for folder in (somebody.clean / "week=1", somebody.clean):
        folder.chmod(0o555)
    somebody.updates(SECOND)
    assert somebody.left() == {"corpus", "clean", "clean.manifest.json"}


def test_what_a_stopped_run_took_over_counts_as_taken_over(somebody: Somebody) -> None:
    """A report is about the copy, however many runs it took."""
    somebody.stops(SECOND, "vouched")
    assert somebody.updates(SECOND).files_taken_over == len(TAKEN) + 3  # gone, grown and notes are as they were


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make what somebody else may not remove")
def test_a_run_that_cannot_remove_the_old_copy_says_so_until_it_is_gone(somebody: Somebody) -> None:
    """Never that all is well while erased bytes lie there."""
    (somebody.clean / "week=1/theirs/inner").mkdir(parents=True)
    for later in (SECOND, SECOND, results((14, "deleted"))):
        with pytest.raises(DestinationError, match=rf"{stage_path(somebody.clean)}/\w+ cannot be removed: Perm.*inner"):
            somebody.updates(later)
        with pytest.raises(
            VerificationError, match=r"\.clean\.compliance-frames.* was left by.*; run the same clean again"
        ):
            cf.verify(somebody.clean, SECOND)
    (theirs,) = stage_path(somebody.clean).glob("*/data/week=1/theirs")
    shutil.rmtree(theirs)
    somebody.updates(SECOND)
    assert somebody.left() == {"corpus", "clean", "clean.manifest.json"}
