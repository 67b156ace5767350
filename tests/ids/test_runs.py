"""IDs that are more than the memory holds come out as the others do, and leave nothing behind."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compliance_frames.errors import IdError
from compliance_frames.ids import runs
from compliance_frames.ids.intake import read_ids
from compliance_frames.ids.runs import Collector, OnDisk

PIECES = st.lists(st.lists(st.integers(0, 2**63 - 1) | st.integers(0, 30), max_size=40), max_size=12)


@given(PIECES, st.integers(1, 60), st.integers(1, 50))
def test_runs_on_the_disk_are_merged_to_the_sorted_ids(pieces: list[list[int]], held: int, size: int) -> None:
    """Whatever comes in whatever order, it comes out sorted, each once, in slices of the size that is wanted."""
    collected = Collector(Path(tempfile.gettempdir()), held=held)
    for piece in pieces:
        collected.add(np.array(piece, np.int64))
    ids = collected.sorted()
    expected = sorted({id for piece in pieces for id in piece})
    slices = [part.to_pylist() for part in ids.slices(size)]
    assert [id for part in slices for id in part] == expected
    assert len(ids) == len(expected)
    assert all(len(part) == size for part in slices[:-1])
    assert collected.count == sum(map(len, pieces))


def test_nothing_is_seen_of_what_is_put_down(tmp_path: Path) -> None:
    """A process that is killed leaves no IDs behind: they have no name at any time."""
    collected = Collector(tmp_path, held=10)
    for _ in range(5):
        collected.add(np.arange(20))
        assert list(tmp_path.iterdir()) == []
    ids = collected.sorted()
    assert isinstance(ids, OnDisk)
    assert (len(ids), list(tmp_path.iterdir())) == (20, [])


def test_a_source_is_read_alike_on_the_disk_and_in_memory(tmp_path: Path) -> None:
    """The same IDs, counts and refusals."""
    rng = np.random.default_rng(0)
    genuine = rng.integers(10**18, 17 * 10**17, 5000)
    source = pa.chunked_array(
        [pa.array([str(id) for id in genuine[at : at + 900]] + [None]) for at in range(0, 5000, 900)]
    )
    memory, disk = read_ids(source), read_ids(source, spill=tmp_path, held=1000)
    assert isinstance(disk.sorted, OnDisk)
    assert disk.values.equals(memory.values)
    assert (disk.rows, disk.nulls, disk.duplicates) == (memory.rows, memory.nulls, memory.duplicates) == (5006, 6, 0)
    damaged = genuine.astype("float64").astype("int64")
    with pytest.raises(IdError, match="look damaged"):
        read_ids(pa.chunked_array(np.split(damaged, 5)), spill=tmp_path, held=1000)
    with pytest.raises(IdError, match="row 4999: '-1' is negative"):
        read_ids(pa.chunked_array([genuine[:4999], np.array([-1])]), spill=tmp_path, held=1000)


def test_a_disk_that_takes_nothing_is_told_of(tmp_path: Path) -> None:
    """Where IDs cannot be put down, the message says where and what to do."""
    with pytest.raises(IdError, match=r"more than are held in memory.*nowhere.*No such file.*run again"):
        read_ids(pa.chunked_array([[1, 2], [3]]), spill=tmp_path / "nowhere", held=2)
    assert len(read_ids(pa.chunked_array([[1, 2], [3]]), spill=tmp_path / "nowhere", held=4)) == 3


GROWTH = """
import sys
import tempfile
from pathlib import Path
from compliance_frames.ids.intake import read_ids
def mark(field):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(field)) / 1024
read_ids([1])
Path("/proc/self/clear_refs").write_text("5")
before = mark("VmRSS")
corpus = Path(sys.argv[1])
ids = read_ids(corpus, spill=corpus.parent, held=100_000) if sys.argv[2] == "disk" else read_ids(corpus)
assert sum(len(part) for part in ids.sorted.slices(100_000)) == len(ids) == 3_000_000
print(mark("VmHWM") - before)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is measured by /proc")
def test_a_corpus_larger_than_the_memory_is_read_in_little_of_it(tmp_path: Path) -> None:
    """Three million IDs are sorted and made unique in less than half of what they need in memory."""
    (tmp_path / "corpus").mkdir()
    ids = np.random.default_rng(0).permutation(np.arange(10**18, 10**18 + 3_000_000 * 977, 977))
    for number, part in enumerate(np.split(ids, 10)):
        pq.write_table(pa.table({"id": part}), tmp_path / "corpus" / f"{number}.parquet", row_group_size=100_000)
    growth = {
        where: float(subprocess.check_output([sys.executable, "-c", GROWTH, str(tmp_path / "corpus"), where]))
        for where in ("disk", "memory")
    }
    assert 2 * growth["disk"] < growth["memory"], growth


@settings(max_examples=25)
@given(st.lists(st.integers(0, 60)), st.lists(st.integers(0, 60)), st.booleans())
def test_values_are_looked_up_among_ids_wherever_these_are(values: list[int], ids: list[int], on_disk: bool) -> None:
    """As a set would; of the IDs a few at a time are read."""
    sorted_ids = np.array(sorted(set(ids)), np.int64)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "_NEAR", 3)
        among: runs.SortedIds = runs.OnDisk(Path(folder)) if on_disk else runs.InMemory(sorted_ids)
        if isinstance(among, runs.OnDisk):
            among.append(sorted_ids)
        wanted = np.array(sorted(values), np.int64)
        assert runs.is_among(wanted, among).tolist() == [value in set(ids) for value in wanted.tolist()]
