"""The ledger remembers, lets one write and all read, and says what is wrong with it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compliance_frames.errors import LedgerError, LedgerLockedError
from compliance_frames.jobs.chunk import ChunkRow
from compliance_frames.jobs.ledger import Ledger
from compliance_frames.jobs.states import FINAL, FOLLOWS, NEXT
from compliance_frames.schemas import JOBS, RESULTS

NOW = datetime.now(UTC).replace(microsecond=0)


def results(ids: list[int], type: str = "tweets", at: datetime = NOW) -> pa.Table:
    rows = [
        {"type": type, "id": i, "action": "delete", "reason": "deleted", "created_at": None, "redacted_at": None}
        | {"job_id": 7, "checked_at": at}
        for i in ids
    ]
    plain = pa.schema([f.with_type(pa.string()) if pa.types.is_dictionary(f.type) else f for f in RESULTS])
    return pa.Table.from_pylist(rows, plain).cast(RESULTS)


def finish(ledger: Ledger, chunk: ChunkRow, flagged: list[int], at: datetime = NOW) -> ChunkRow:
    for state in ("creating", "created", "uploading", "uploaded", "processing", "downloading"):
        chunk = ledger.advance(chunk, state)  # type: ignore[arg-type]
    return ledger.finish(chunk, results(flagged, chunk.type, at), at)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "corpus.ledger") as opened:
        yield opened


def test_every_state_has_successors_and_words() -> None:
    """The state machine is closed, and each of its states can be explained to a person."""
    assert set(FOLLOWS) == set(NEXT)
    assert set().union(*FOLLOWS.values()) <= set(FOLLOWS)
    assert {"done", "failed", "split"} == FINAL


def test_planned_ids_come_back_as_they_went_in(ledger: Ledger) -> None:
    """Chunks cover the IDs of a batch, and are found again by another handle."""
    assert ledger.add("tweets", pa.array(range(10, 20)), chunk_size=4) == 3
    chunks = ledger.chunks()
    assert [ledger.ids_of(chunk).to_pylist() for chunk in chunks] == [[10, 11, 12, 13], [14, 15, 16, 17], [18, 19]]
    again = Ledger.read(ledger.path)
    assert again.chunks() == chunks
    assert again.pending("tweets").to_pylist() == list(range(10, 20))
    assert again.pending("users").to_pylist() == []
    assert again.jobs().schema == JOBS
    assert again.name == ledger.name


def test_a_batch_may_come_in_parts_and_be_looked_at_in_part(ledger: Ledger) -> None:
    """Chunks are filled across the parts, and a range of IDs is found in whatever chunks it lies."""
    assert ledger.add("tweets", iter([pa.array([1, 2, 3]), pa.array([5]), pa.array([7, 9])]), chunk_size=4) == 2
    assert ledger.add("tweets", iter([pa.array([], pa.int64())]), chunk_size=4) == 0
    finish(ledger, ledger.chunk(1), [2])
    assert [ledger.ids_of(chunk).to_pylist() for chunk in ledger.chunks()] == [[1, 2, 3, 5], [7, 9]]
    assert ledger.asked("tweets", between=(2, 5)).to_pylist() == [2, 3, 5]
    assert ledger.asked("tweets", between=(6, 9)).to_pylist() == []
    assert ledger.pending("tweets", between=(9, 2**63 - 1)).to_pylist() == [9]


def test_a_state_only_follows_where_it_may(ledger: Ledger) -> None:
    """Nothing is uploaded before its job is written down."""
    ledger.add("tweets", pa.array([1]), chunk_size=1)
    with pytest.raises(LedgerError, match="uploading does not follow"):
        ledger.advance(ledger.chunk(1), "uploading")


def test_answers_make_ids_asked_and_results_found(ledger: Ledger) -> None:
    """An ID is asked when its chunk is done, not before."""
    ledger.add("tweets", pa.array([1, 2, 3, 4]), chunk_size=2)
    finish(ledger, ledger.chunk(1), [2])
    assert ledger.asked("tweets").to_pylist() == [1, 2]
    assert ledger.results().column("id").to_pylist() == [2]
    assert ledger.results("users").num_rows == 0
    assert ledger.results().schema.equals(RESULTS)
    assert [chunk.id for chunk in ledger.unfinished()] == [2]


def test_the_newest_answer_holds(ledger: Ledger) -> None:
    """What was flagged once and is clear later is flagged no more; what was not asked again stays."""
    ledger.add("tweets", pa.array([1, 2, 3]), chunk_size=5)
    finish(ledger, ledger.chunk(1), [1, 2], NOW - timedelta(days=9))
    ledger.add("tweets", pa.array([2, 3]), chunk_size=5)
    finish(ledger, ledger.chunk(2), [3])
    assert ledger.results().column("id").to_pylist() == [1, 3]
    assert ledger.asked("tweets").to_pylist() == [1, 2, 3]
    assert ledger.asked("tweets", since=NOW - timedelta(days=7)).to_pylist() == [2, 3]


@given(st.lists(st.tuples(st.sets(st.integers(0, 40), min_size=1), st.sets(st.integers(0, 40))), max_size=5))
@settings(max_examples=25)
def test_answers_may_be_gone_through_some_at_a_time(questions: list[tuple[set[int], set[int]]]) -> None:
    """However often IDs were asked in whatever chunks: the newest answers, each once, and all that was asked."""
    newest: dict[int, int] = {}
    last: dict[int, int] = {}
    once: set[int] = set()
    with tempfile.TemporaryDirectory() as folder, Ledger.open(Path(folder, "a.ledger")) as book:
        for number, (asked, flagged) in enumerate(questions):
            book.add("tweets", pa.array(sorted(asked)), chunk_size=7)
            for chunk in book.unfinished():
                found = [id for id in book.ids_of(chunk).to_pylist() if id in flagged]
                finish(book, chunk, found, NOW + timedelta(days=number))
            newest |= {id: number if id in flagged else -1 for id in asked}
            last |= dict.fromkeys(asked, number)
            once |= asked & flagged
        rows = [row for part in book.result_batches("tweets") for row in part.to_pylist()]
        told = {row["id"]: (row["checked_at"] - NOW).days for row in rows}
        assert len(told) == len(rows)
        assert told == {id: number for id, number in newest.items() if number >= 0}
        assert {id for part in book.asked_parts("tweets") for id in part.tolist()} == set(newest)
        back = {row["id"]: row for row in book.came_back().to_pylist()}
        assert back.keys() == {id for id in once if newest[id] < 0}
        assert {id: (row["cleared_at"] - NOW).days for id, row in back.items()} == {id: last[id] for id in back}
        assert all(row["flagged_at"] < row["cleared_at"] for row in back.values())
        assert list(book.result_batches("users")) == list(book.asked_parts("users")) == []


def test_ids_are_read_only_where_some_were_asked_again(ledger: Ledger) -> None:
    """The answer of one question is small; its IDs, which may be a thousand times as many, are left on the disk."""
    ledger.add("tweets", pa.array([1, 2, 3]), chunk_size=2)
    for number in (1, 2):
        finish(ledger, ledger.chunk(number), [number])
    for path in (ledger.path / "chunks").iterdir():
        path.unlink()
    assert ledger.results().column("id").to_pylist() == [1, 2]


def test_what_failed_alone_has_failed_until_a_later_answer(ledger: Ledger) -> None:
    """An answer of an earlier batch, or of the same one, does not take its place."""
    for asked in ([1, 2], [1], [2], [1, 3]):
        ledger.add("tweets", pa.array(asked), chunk_size=5)
    finish(ledger, ledger.chunk(1), [1, 2])
    for number in (2, 3):
        chunk = ledger.advance(ledger.advance(ledger.advance(ledger.chunk(number), "creating"), "created"), "uploading")
        ledger.advance(chunk, "failed", error="no")
    assert ledger.failed_ids("tweets").to_pylist() == [1, 2]
    finish(ledger, ledger.chunk(4), [3])
    assert ledger.failed_ids("tweets").to_pylist() == [2]
    assert ledger.failed_ids("users").to_pylist() == []


def test_both_types_are_kept_apart(ledger: Ledger) -> None:
    """A tweet and a user may have the same ID."""
    ledger.add("tweets", pa.array([1, 2]), chunk_size=5)
    ledger.add("users", pa.array([1, 2]), chunk_size=5)
    finish(ledger, ledger.chunk(2), [2])
    finish(ledger, ledger.chunk(1), [1])
    assert ledger.results().select(["type", "id"]).to_pylist() == [
        {"type": "tweets", "id": 1},
        {"type": "users", "id": 2},
    ]


def test_a_chunk_is_halved_whole_or_not_at_all(ledger: Ledger) -> None:
    """The halves hold its IDs; the whole is not asked any more, and does not count as failed."""
    ledger.add("tweets", pa.array([1, 2, 3]), chunk_size=5)
    chunk = ledger.advance(ledger.advance(ledger.advance(ledger.chunk(1), "creating"), "created"), "uploading")
    ledger.halve(chunk, "no")
    assert [(c.state, c.ids) for c in ledger.chunks()] == [("split", 3), ("planned", 1), ("planned", 2)]
    assert ledger.pending("tweets").to_pylist() == [1, 2, 3]
    assert ledger.failed_ids("tweets").to_pylist() == []


def test_only_its_owner_can_read_it_whatever_the_umask(tmp_path: Path) -> None:
    """Directories are 0700 and files 0600."""
    before = os.umask(0)
    try:
        with Ledger.open(tmp_path / "open.ledger") as ledger:
            ledger.add("tweets", pa.array([1]), chunk_size=1)
            finish(ledger, ledger.chunk(1), [1])
            paths = [ledger.path, *ledger.path.rglob("*")]
            modes = {path: stat.S_IMODE(path.stat().st_mode) for path in paths}
    finally:
        os.umask(before)
    assert {path.name: oct(mode) for path, mode in modes.items() if mode != (0o700 if path.is_dir() else 0o600)} == {}
    assert len(modes) >= 8


def test_one_writes_and_all_read(ledger: Ledger) -> None:
    """A second writer is told who is at work; a reader sees the latest state at once."""
    with pytest.raises(LedgerLockedError, match=f"in use by another run .process {os.getpid()} since"):
        Ledger.open(ledger.path)
    ledger.add("tweets", pa.array([1]), chunk_size=1)
    assert len(Ledger.read(ledger.path).chunks()) == 1
    with pytest.raises(LedgerError, match="opened for reading"):
        Ledger.read(ledger.path).add("tweets", pa.array([1]), chunk_size=1)


def test_a_writer_that_was_killed_holds_no_lock(tmp_path: Path) -> None:
    """The lock ends with its process, and what was written is there."""
    code = (
        "import os, sys, pyarrow as pa; from compliance_frames.jobs.ledger import Ledger\n"
        "ledger = Ledger.open(sys.argv[1]); ledger.add('tweets', pa.array([1, 2]), chunk_size=1)\n"
        "os.kill(os.getpid(), 9)"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.ledger")], check=False)
    assert ended.returncode == -9
    with Ledger.open(tmp_path / "a.ledger") as ledger:
        assert len(ledger.chunks()) == 2


def test_a_closed_ledger_says_so(ledger: Ledger) -> None:
    """Using a ledger after it was closed is an error of its own."""
    ledger.close()
    with pytest.raises(LedgerError, match="closed"):
        ledger.chunks()


def test_what_is_no_ledger_is_left_alone(tmp_path: Path) -> None:
    """A file, or a directory with anything else in it, is refused; a missing one is named."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "corpus.parquet").write_text("x")
    for name in ("file", "folder"):
        with pytest.raises(LedgerError, match="is no ledger"):
            Ledger.open(tmp_path / name)
    with pytest.raises(LedgerError, match=r"no ledger at .*missing"):
        Ledger.read(tmp_path / "missing")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["corpus.parquet", "file", "folder"]


def test_damage_and_newer_versions_are_told(ledger: Ledger) -> None:
    """A database that is overwritten, foreign or too new is an error that says so."""
    ledger.close()
    database = ledger.path / "ledger.sqlite"
    shutil.copy(database, database.with_name("copy"))
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    for act in (Ledger.open, Ledger.read):
        with pytest.raises(LedgerError, match="version 99"):
            act(ledger.path)
    database.write_bytes(b"garbage" * 1000)
    for act in (Ledger.open, Ledger.read):
        with pytest.raises(LedgerError, match="damaged"):
            act(ledger.path)
    database.unlink()
    other = sqlite3.connect(database)
    other.execute("CREATE TABLE x (y)")
    other.execute("PRAGMA application_id = 5")
    other.close()
    with pytest.raises(LedgerError, match="no ledger of this package"):
        Ledger.open(ledger.path)


def test_missing_files_are_told(ledger: Ledger) -> None:
    """IDs or results that are gone from the directory are never taken for none."""
    ledger.add("tweets", pa.array([1]), chunk_size=1)
    chunk = finish(ledger, ledger.chunk(1), [1])
    (ledger.path / "results" / "1.parquet").unlink()
    with pytest.raises(LedgerError, match="results of chunk 1"):
        ledger.results()
    (ledger.path / "chunks" / "1.parquet").write_text("x")
    with pytest.raises(LedgerError, match="IDs of chunk 1"):
        ledger.ids_of(chunk)


def test_the_key_to_digests_is_made_once_also_by_many_at_a_time(ledger: Ledger) -> None:
    """Whoever comes first makes it, for readers too; all others have the same, and only the owner can read it."""
    assert Ledger.read(ledger.path).digest_key(make=False) is None
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: Ledger.read(ledger.path).digest_key(make=True), range(32)))
    (key,) = keys
    assert key is not None
    assert len(key) == 32
    assert ledger.digest_key(make=False) == key
    assert stat.S_IMODE((ledger.path / "digest.key").stat().st_mode) == 0o600
    assert not list(ledger.path.glob(".*"))
