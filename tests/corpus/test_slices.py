"""Results that are more than the memory holds clean a dataset as others do, and are read where they are wanted."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compliance_frames.corpus.clean import clean
from compliance_frames.corpus.columns import Columns
from compliance_frames.corpus.erase import Erasures, erase
from compliance_frames.corpus.manifest import Manifest, manifest_path
from compliance_frames.corpus.plan import Plan, plan
from compliance_frames.corpus.stage import stage_path
from compliance_frames.errors import IdError, PlanError
from compliance_frames.ids.slices import SlicedIds
from compliance_frames.jobs.chunk import ChunkRow
from compliance_frames.jobs.ledger import Ledger
from compliance_frames.schemas import RESULTS

Flag = Callable[..., pa.Table]
ROWS, DAYS = 400, 4
FIRST = 10**18


def day_of(number: int) -> pa.Table:
    ids = np.arange(FIRST + number * 10**6, FIRST + number * 10**6 + 7 * ROWS, 7)
    retweets = [[{"type": "retweeted", "id": str(id - 10**6)}] if id % 5 == 0 else None for id in ids.tolist()]
    return pa.table(
        {
            "id": ids.astype(str),
            "author_id": ids % 101,
            "text": [f"text {id}" for id in ids.tolist()],
            "geo": [f"place {id}" if id % 3 else None for id in ids.tolist()],
            "referenced_tweets": pa.array(retweets, pa.list_(pa.struct([("type", pa.string()), ("id", pa.string())]))),
        }
    )


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    for number in range(DAYS):
        folder = tmp_path / "corpus" / f"date=2024-05-0{number + 1}"
        folder.mkdir(parents=True)
        pq.write_table(day_of(number), folder / "part-0.parquet", row_group_size=100)
    return tmp_path / "corpus"


def finish(ledger: Ledger, chunk: ChunkRow, results: pa.Table) -> None:
    for state in ("creating", "created", "uploading", "uploaded", "processing", "downloading"):
        chunk = ledger.advance(chunk, state)  # type: ignore[arg-type]
    ledger.finish(chunk, results, datetime(2024, 5, 1, tzinfo=UTC))


def answered(ledger: Ledger, type: str, ids: np.ndarray[Any, Any], flagged: Callable[[Any], pa.Table]) -> None:
    """Ask about IDs in three chunks, and have them answered."""
    ledger.add(type, pa.array(ids), chunk_size=len(ids) // 3 + 1)  # type: ignore[arg-type]
    for chunk in ledger.unfinished():
        finish(ledger, chunk, flagged(ledger.ids_of(chunk).to_numpy()))


@pytest.fixture
def ledger(tmp_path: Path, corpus: Path, flag: Flag) -> Path:
    """Every tweet was asked about twice: of the second half of the days the second time says something else."""
    path = tmp_path / "corpus.ledger"
    tweets = np.concatenate([day_of(number)["id"].to_numpy().astype(np.int64) for number in range(DAYS)])

    def some(ids: Any, deleted: int, scrubbed: int) -> pa.Table:
        gone = ids % 13 == deleted
        bare = ~gone & (ids % 11 == scrubbed)
        hidden = ~gone & ~bare & (ids % 17 == 3)
        parts = {"deleted": ids[gone], "scrub_geo": ids[bare], "protected": ids[hidden]}
        return pa.concat_tables([flag(reason, some, job=len(reason)) for reason, some in parts.items()])

    with Ledger.open(path) as book:
        answered(book, "tweets", tweets, lambda ids: some(ids, 1, 2))
        answered(book, "users", np.arange(101), lambda ids: flag("suspended", ids[ids % 50 == 7], "users"))
        answered(book, "tweets", tweets[len(tweets) // 2 :], lambda ids: some(ids, 4, 5))
    return path


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.parquet"))
    }


def processes() -> Executor:
    return ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))


def sliced(made: Plan) -> list[str]:
    return [name for name, value in vars(made.erasures).items() if isinstance(value, SlicedIds)]


def test_the_same_files_are_made_wherever_the_ids_lie(corpus: Path, ledger: Path, tmp_path: Path) -> None:
    """Held in memory, on the disk, given by hand: one plan, one digest, the same bytes, also by other processes."""
    memory, disk = plan(corpus, ledger=ledger), plan(corpus, ledger=ledger, held=20)
    with Ledger.read(ledger) as book:
        by_hand = plan(corpus, book.results(), ledger=book)
    assert sliced(memory) == []
    assert sliced(disk) == ["drop_tweets", "scrub_tweets", "asked_tweets"]
    assert memory.rows_dropped > 100
    assert memory.rows_scrubbed > 50
    assert disk.digest == memory.digest == by_hand.digest
    assert (disk.files, disk.flagged, disk.job_ids) == (memory.files, memory.flagged, memory.job_ids)
    assert (by_hand.flagged, by_hand.job_ids, by_hand.checked_at) == (disk.flagged, disk.job_ids, disk.checked_at)
    clean(memory, tmp_path / "memory")
    clean(disk, tmp_path / "threads")
    with processes() as executor:
        clean(disk, tmp_path / "processes", executor=executor)
    assert digests(tmp_path / "memory") == digests(tmp_path / "threads") == digests(tmp_path / "processes")
    assert digests(tmp_path / "memory") != digests(corpus)


def test_nothing_is_left_behind(corpus: Path, ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the ledger's disk nor that of TMPDIR holds anything more than before, while there is a plan and after."""
    before = sorted(path for path in ledger.rglob("*") if not path.name.startswith("ledger.sqlite"))
    (tmp_path / "temporary").mkdir()
    for told in (None, str(tmp_path / "temporary")):
        if told is not None:
            monkeypatch.setenv("TMPDIR", told)
        made = plan(corpus, ledger=ledger, held=20)
        assert sliced(made)
        clean(made, tmp_path / f"clean-{told is None}")
    with processes() as executor:
        clean(made, tmp_path / "clean", executor=executor)
    assert sorted(path for path in ledger.rglob("*") if not path.name.startswith("ledger.sqlite")) == before
    assert list((tmp_path / "temporary").iterdir()) == []
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_where_ids_are_put_down_can_be_told(
    corpus: Path, ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``TMPDIR`` comes first; a directory that takes nothing is named, with what to do."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "nowhere"))
    assert plan(corpus, ledger=ledger).rows_dropped
    with pytest.raises(IdError, match=r"cannot be put down in .*nowhere.*run again"):
        plan(corpus, ledger=ledger, held=20)


class OneByOne(Executor):
    """Runs each task when it is handed over, after showing the erasures that it will read."""

    def __init__(self, look: Callable[[Path], None]) -> None:
        self._look = look

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self._look(args[0].erasures)
        done: Future[Any] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except Exception as error:
            done.set_exception(error)
        return done


def test_workers_read_private_slices(corpus: Path, ledger: Path, tmp_path: Path) -> None:
    """What workers read is sorted Parquet, 0600 in 0700 whatever the umask, and no large set is read whole."""
    modes: dict[str, int] = {}

    def look(erasures: Path) -> None:
        modes.update({path.name: stat.S_IMODE(path.stat().st_mode) for path in (erasures, *erasures.iterdir())})
        ids = pq.read_table(erasures / "drop_tweets.parquet")["id"].to_numpy()
        assert (np.diff(ids) > 0).all()
        read = Erasures.read(erasures)
        assert isinstance(read.drop_tweets, SlicedIds)
        assert isinstance(read.drop_authors, np.ndarray)

    before = os.umask(0)
    try:
        clean(plan(corpus, ledger=ledger, held=20), tmp_path / "clean", executor=OneByOne(look))
    finally:
        os.umask(before)
    assert modes.pop("erasures") == 0o700
    assert set(modes.values()) == {0o600}
    assert len(modes) == 6


def test_a_file_loads_only_its_slices(tmp_path: Path) -> None:
    """Of erasures in many slices a day's rows look into those of the day."""
    drop = np.arange(FIRST, FIRST + 4 * 10**6, 100)
    Erasures(drop_tweets=drop).write(tmp_path / "erasures", size=1000)
    told = (tmp_path / "erasures" / "erasures.json").read_text().replace('"whole": true', '"whole": false')
    (tmp_path / "erasures" / "erasures.json").write_text(told)
    erasures = Erasures.read(tmp_path / "erasures")
    assert isinstance(erasures.drop_tweets, SlicedIds)
    for number in range(DAYS):
        _, counts = erase(day_of(number), Columns("id"), erasures)
        assert counts == erase(day_of(number), Columns("id"), Erasures(drop_tweets=drop))[1]
        assert counts.rows_dropped > 2
        assert erasures.drop_tweets.looked_into == {10 * day for day in range(number + 1)}


@pytest.mark.parametrize("moved", [("first", 100), ("first", -100), ("last", 1)])
def test_bounds_that_are_not_the_slices_own_are_refused(tmp_path: Path, moved: tuple[str, int]) -> None:
    """By other bounds an ID would be looked for where it is not, and its row would stay."""
    Erasures(drop_tweets=np.arange(FIRST, FIRST + 10**4, 100)).write(tmp_path / "erasures", size=10)
    path = tmp_path / "erasures" / "erasures.json"
    told = json.loads(path.read_text())
    about = told["sets"]["drop_tweets"]
    about["whole"] = False
    path.write_text(json.dumps(told))
    assert isinstance(Erasures.read(tmp_path / "erasures").drop_tweets, SlicedIds)
    if moved[0] == "last":
        about["last"] += moved[1]
    else:
        about["slices"][3][0] += moved[1]
    path.write_text(json.dumps(told))
    with pytest.raises(PlanError, match="its slices begin or end with other IDs than was noted"):
        Erasures.read(tmp_path / "erasures")


def test_a_slice_that_is_damaged_ends_the_run_with_its_name(corpus: Path, ledger: Path, tmp_path: Path) -> None:
    """A worker that finds other IDs than were written there says where; the same call again writes them anew."""
    made = plan(corpus, ledger=ledger, held=20)

    def damage(erasures: Path) -> None:
        path = erasures / "drop_tweets.parquet"
        content = bytearray(path.read_bytes())
        content[200] ^= 1
        path.write_bytes(content)

    with pytest.raises(PlanError, match=r"drop_tweets\.parquet are not those that were written there.*run the same"):
        clean(made, tmp_path / "clean", executor=OneByOne(damage))
    assert not (tmp_path / "clean").exists()
    clean(made, tmp_path / "clean", executor=OneByOne(lambda erasures: None))
    assert Manifest.read(manifest_path(tmp_path / "clean")).plan_digest == made.digest
    assert not stage_path(tmp_path / "clean").exists()


GROWTH = """
import sys
from pathlib import Path
import numpy as np
from compliance_frames.corpus.plan import plan
from compliance_frames.jobs.ledger import Ledger
def mark(field):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(field)) / 1024
corpus, small, large, how = sys.argv[1:]
plan(corpus, ledger=small, unchecked="keep")
Path("/proc/self/clear_refs").write_text("5")
before = mark("VmRSS")
with Ledger.read(large) as ledger:
    results = [ledger.results()] if how == "memory" else []
    made = plan(corpus, *results, ledger=ledger, unchecked="keep", held=100_000)
assert [each.ids for each in made.flagged] == [1_500_000]
print(mark("VmHWM") - before)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is measured by /proc")
def test_results_larger_than_the_memory_take_little_of_it(corpus: Path, ledger: Path, tmp_path: Path) -> None:
    """A million and a half results, given by a ledger, take less than half of the memory that they take by hand."""
    ids = np.arange(10**17, 10**17 + 3_000_000 * 977, 977)
    with Ledger.open(tmp_path / "large.ledger") as book:
        book.add("tweets", pa.array(ids), chunk_size=1_000_000)
        for chunk in book.unfinished():
            some = book.ids_of(chunk).to_numpy()[::2]
            first = pa.array(np.zeros(len(some), np.int32))
            words = [pa.DictionaryArray.from_arrays(first, [word]) for word in ("tweets", "delete", "deleted")]
            when = pa.array(np.full(len(some), 1_700_000_000_000)).cast(pa.timestamp("ms", "UTC"))
            columns = [words[0], some, *words[1:], when, when, np.full(len(some), 7), when]
            finish(book, chunk, pa.table(columns, names=RESULTS.names).cast(RESULTS))
    growth = {
        how: float(subprocess.check_output([sys.executable, "-c", GROWTH, corpus, ledger, book.path, how]))
        for how in ("disk", "memory")
    }
    assert 2 * growth["disk"] < growth["memory"], growth
