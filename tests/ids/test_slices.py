"""A set of IDs on the disk answers as an array would, reads little to do so, and is believed only as it was written."""

from __future__ import annotations

import os
import pickle
import stat
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance_frames.errors import PlanError
from compliance_frames.ids.runs import Collector
from compliance_frames.ids.slice_files import open_slices, write_slices
from compliance_frames.ids.slices import (
    IdSet,
    SlicedIds,
    Spill,
    any_between,
    bounds,
    digest,
    is_in,
    slices,
)

IDS = st.lists(st.integers(0, 2**63 - 1) | st.integers(0, 3000), max_size=60)
ON_DISK = Spill(Path(tempfile.gettempdir()), held=0)


def on_disk(ids: set[int] | list[int], size: int) -> IdSet:
    """A set in slices of so many; there is none without IDs."""
    made = ON_DISK.keep([np.array(sorted(ids), np.int64)])
    return SlicedIds.over(made._store, size) if isinstance(made, SlicedIds) else made


def as_list(ids: IdSet) -> list[int]:
    return [id for part in slices(ids) for id in part.tolist()]


def written(ids: IdSet, folder: Path, size: int = 1 << 20) -> tuple[Path, dict[str, Any]]:
    path = folder / "ids.parquet"
    return path, write_slices(ids, path, size)


@given(IDS, IDS, st.integers(1, 70), st.integers(1, 70))
def test_on_the_disk_they_answer_as_an_array_does(held: list[int], asked: list[int], size: int, other: int) -> None:
    """Members, ranges, bounds and digest are the same in memory, in slices of any size, and in a Parquet file."""
    array = np.unique(np.array(held, np.int64))
    values = np.array([*asked, *held[::2], *(id + 1 for id in held if id < 2**63 - 1)], np.int64)
    with tempfile.TemporaryDirectory() as folder:
        sliced = on_disk(held, size)
        path, told = written(sliced, Path(folder), other)
        for ids in (sliced, open_slices(path, told), open_slices(path, told, whole=True)):
            assert is_in(values, ids).tolist() == np.isin(values, array).tolist()
            assert (as_list(ids), len(ids), digest(ids)) == (array.tolist(), len(array), digest(array))
            assert not len(array) or bounds(ids) == (array[0], array[-1])
            for low, high in zip(values.tolist(), values[::-1].tolist(), strict=True):
                assert any_between(ids, low, high) == bool(((array >= low) & (array <= high)).any())


@given(IDS, IDS, st.booleans(), st.booleans())
def test_sets_are_joined_and_parted_wherever_they_lie(
    left: list[int], right: list[int], left_on_disk: bool, right_on_disk: bool
) -> None:
    """Union and difference hold what Python's sets hold."""
    one, two = (
        on_disk(ids, 7) if where else np.unique(np.array(ids, np.int64))
        for ids, where in ((left, left_on_disk), (right, right_on_disk))
    )
    assert as_list(ON_DISK.union(one, two)) == sorted({*left, *right})
    assert as_list(ON_DISK.without(one, two)) == sorted({*left} - {*right})


def test_blocks_are_found_in_slices_of_the_true_size(tmp_path: Path) -> None:
    """Slices of many blocks, values close together, far apart and at every edge: nothing is missed, nothing made up."""
    rng = np.random.default_rng(0)
    array = np.unique(rng.integers(0, 2**62, 50_000))
    sliced = on_disk(array.tolist(), 16_384)
    path, told = written(sliced, tmp_path, 8192)
    edges = array[[0, 511, 512, 513, 8191, 8192, 16_383, 16_384, -1]]
    close = array[20_000:20_700]
    for values in (edges, edges + 1, close, rng.permutation(array), rng.integers(0, 2**62, 2000), array[::601]):
        for ids in (sliced, open_slices(path, told)):
            assert is_in(values, ids).tolist() == np.isin(values, array).tolist()


def test_a_lookup_reads_only_the_slices_that_its_values_fall_in(tmp_path: Path) -> None:
    """What lies in other slices may even be damaged: it is not looked at."""
    path, told = written(np.arange(0, 100_000, 10), tmp_path, 1000)
    content = bytearray(path.read_bytes())
    at = content.index(np.int64(50_010).tobytes())  # in the sixth slice
    content[at] ^= 1
    path.write_bytes(content)
    ids = open_slices(path, told)
    assert isinstance(ids, SlicedIds)
    assert is_in(np.array([30, 31, 99_990, 10]), ids).tolist() == [True, False, True, True]
    assert ids.looked_into == {0, 9}
    assert any_between(ids, 20_001, 20_010)
    assert ids.looked_into == {0, 2, 9}
    with pytest.raises(PlanError, match=r"ids\.parquet are not those .*slice 6 of 10 is another; run the same again"):
        is_in(np.array([50_500]), ids)
    with pytest.raises(PlanError, match="slice 6 of 10"):
        open_slices(path, told, whole=True)


@pytest.mark.parametrize("how", ["gone", "cut", "garbage", "another", "longer"])
def test_a_file_that_is_not_what_was_written_is_refused(how: str, tmp_path: Path) -> None:
    """Lost, half written, overwritten or exchanged: one sentence says which file and what to do."""
    path, told = written(np.arange(0, 100_000, 10), tmp_path, 1000)
    if how == "gone":
        path.unlink()
    elif how in ("cut", "garbage"):
        path.write_bytes(path.read_bytes()[:-50] if how == "cut" else b"garbage" * 100)
    else:
        write_slices(np.arange(10_000 if how == "another" else 10_001), path, 1000)
    with pytest.raises(PlanError, match=r"ids\.parquet are not those that were written there: .*; run the same again"):
        is_in(np.array([55_550]), open_slices(path, told))


def test_any_reader_reads_the_file_and_nobody_else_may(tmp_path: Path) -> None:
    """It is Parquet, sorted, in row groups of the slices' size; its mode is 0600 whatever the umask."""
    before = os.umask(0)
    try:
        path, _ = written(np.arange(0, 5000, 2), tmp_path, 1000)
    finally:
        os.umask(before)
    assert pl.read_parquet(path)["id"].to_list() == list(range(0, 5000, 2))
    groups = pq.read_metadata(path)
    assert [groups.row_group(at).num_rows for at in range(groups.num_row_groups)] == [1000, 1000, 500]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_threads_share_a_set(tmp_path: Path) -> None:
    """Lookups at the same time disturb each other in nothing."""
    array = np.arange(0, 400_000, 3)
    path, told = written(array, tmp_path, 4096)
    ids = open_slices(path, told)
    rng = np.random.default_rng(0)
    questions = [rng.integers(0, 400_000, 5000) for _ in range(40)]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda values: is_in(values, ids), questions))
    assert all((answer == (values % 3 == 0)).all() for answer, values in zip(answers, questions, strict=True))


def test_small_sets_are_arrays_and_large_ones_leave_nothing_to_see(tmp_path: Path) -> None:
    """What is on the disk has no name there; how many IDs that takes is told."""
    spill = Spill(tmp_path, held=100)
    assert isinstance(spill.keep([np.arange(99)]), np.ndarray)
    large = spill.keep([np.arange(50), np.arange(100)])
    assert isinstance(large, SlicedIds)
    assert (len(large), list(tmp_path.iterdir())) == (100, [])
    with pytest.raises(TypeError, match="make the plan there"):
        pickle.dumps(large)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="what has no name is seen by /proc")
def test_ids_that_come_in_their_order_are_not_merged(tmp_path: Path) -> None:
    """They are one run, on the disk once: not a second time while runs become one."""
    collected = Collector(tmp_path, held=10)
    for start in range(0, 100, 7):
        collected.add(np.arange(start, start + 7))
    used = sum(handle.stat().st_size for handle in Path("/proc/self/fd").iterdir() if _lies_in(tmp_path, handle))
    ids = collected.sorted()
    assert (len(ids), used <= 8 * 105) == (105, True)
    assert [id for part in ids.slices(9) for id in part.to_pylist()] == list(range(105))


def _lies_in(folder: Path, handle: Path) -> bool:
    try:
        return handle.readlink().is_relative_to(folder)
    except OSError:
        return False


GROWTH = """
import sys, tempfile
from pathlib import Path
import numpy as np
from compliance_frames.ids.slices import Spill
def mark(field):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(field)) / 1024
spill = Spill(Path(sys.argv[1]), held=200_000)
spill.keep([np.arange(400_000)]).is_in(np.arange(10))
Path("/proc/self/clear_refs").write_text("5")
before = mark("VmRSS")
ids = spill.keep(np.arange(start, 8_000_000 * 977, 4 * 977) for start in (0, 977, 2 * 977))
ids = spill.union(ids, spill.keep([np.arange(3 * 977, 8_000_000 * 977, 4 * 977)]))
assert len(ids) == 8_000_000
for seed in range(3):
    values = np.random.default_rng(seed).integers(0, 8_000_000 * 977, 20_000)
    assert (ids.is_in(values) == (values % 977 == 0)).all()
print(mark("VmHWM") - before)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is measured by /proc")
def test_a_set_larger_than_the_memory_takes_little_of_it(tmp_path: Path) -> None:
    """Eight million IDs are collected, joined and looked into in less than the 64 MB that an array of them takes."""
    growth = float(subprocess.check_output([sys.executable, "-c", GROWTH, str(tmp_path)]))
    assert growth < 60
    assert list(tmp_path.iterdir()) == []
