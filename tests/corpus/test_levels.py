"""A file is compressed again as it was, or as it was told; and whatever stands in it, the search for its level ends."""

from __future__ import annotations

import io
import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compliance_frames import sample
from compliance_frames.corpus.columns import Columns
from compliance_frames.corpus.erase import Erasures
from compliance_frames.corpus.levels import zstd_level
from compliance_frames.corpus.rewrite import rewrite

NOTHING = Erasures()


def by_pyarrow(table: pa.Table, path: Path, level: int) -> None:
    pq.write_table(table, path, compression="zstd", compression_level=level)


def by_pyarrow_v2(table: pa.Table, path: Path, level: int) -> None:
    pq.write_table(table, path, compression="zstd", compression_level=level, data_page_version="2.0")


def by_polars(table: pa.Table, path: Path, level: int) -> None:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    frame.write_parquet(path, compression="zstd", compression_level=level)


def by_duckdb(table: pa.Table, path: Path, level: int) -> None:
    with duckdb.connect() as connection:
        connection.register("tweets", table)
        connection.execute(f"COPY tweets TO '{path}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL {level})")


@pytest.fixture(scope="module")
def tweets() -> pa.Table:
    return sample.tweets(2000)


@pytest.mark.parametrize("level", [1, 3, 9])
@pytest.mark.parametrize("write", [by_pyarrow, by_pyarrow_v2, by_polars, by_duckdb])
def test_the_level_of_every_writer_is_found_and_kept(
    write: Callable[[pa.Table, Path, int], None], level: int, tweets: pa.Table, tmp_path: Path
) -> None:
    """No file says at which level it was written; the copy is written at that level all the same."""
    source, target = tmp_path / "source.parquet", tmp_path / "target.parquet"
    write(tweets, source, level)
    assert rewrite(source, target, Columns("id"), NOTHING).notes == ()
    assert level_of(target) == level_of(source) == level


@pytest.mark.parametrize("level", [1, 3, 5])
def test_pages_of_which_every_level_makes_the_same_tell_nothing(level: int, tmp_path: Path) -> None:
    """Indices into dictionaries of IDs, which nothing compresses, are no reason to take the first level for the one."""
    distinct = np.arange(20_000)
    table = pa.table({name: distinct + at for at, name in enumerate("abcd")})
    table = table.append_column("text", pa.array([f"to tell {number**2 % 977:x} of {number}" for number in distinct]))
    by_pyarrow(table, tmp_path / "a.parquet", level)
    assert level_of(tmp_path / "a.parquet") == level


@pytest.mark.parametrize("write", [by_pyarrow, by_polars, by_duckdb])
def test_a_level_that_is_expected_is_believed_only_where_it_is_the_one(
    write: Callable[[pa.Table, Path, int], None], tweets: pa.Table, tmp_path: Path
) -> None:
    """Files of one dataset may differ: what another file had is held against pages before it is taken for granted."""
    for level in (1, 2, 3, 4, 6):
        write(tweets, tmp_path / f"{level}.parquet", level)
        expected = [each for each in (None, *range(1, 9)) if level_of(tmp_path / f"{level}.parquet", each) != level]
        assert expected == []


def test_levels_may_change_from_file_to_file(tweets: pa.Table, tmp_path: Path) -> None:
    """A copy has the level of its own source, whichever files were written before."""
    for number, level in enumerate((3, 3, 1, 3, 5, 4, 3)):
        source, target = tmp_path / f"source-{number}.parquet", tmp_path / f"target-{number}.parquet"
        by_pyarrow(tweets, source, level)
        rewrite(source, target, Columns("id"), NOTHING)
        assert level_of(target) == level


def test_a_level_that_was_told_is_used_and_noted(tweets: pa.Table, tmp_path: Path) -> None:
    """Another level than the source's is never a silent change."""
    source, target, same = (tmp_path / f"{name}.parquet" for name in ("source", "target", "same"))
    by_pyarrow(tweets, source, 6)
    done = rewrite(source, target, Columns("id"), NOTHING, level=1)
    assert done.notes == ("ZSTD is used at level 1, as told; the source's is 6",)
    assert level_of(target) == 1
    assert rewrite(source, same, Columns("id"), NOTHING, level=6).notes == ()


def test_what_no_level_makes_has_no_level() -> None:
    """Pages that are no work of zstd as we know it give no level, rather than the nearest one."""
    text = b"so much to say, and so little of it twice: " * 40
    assert zstd_level(io.BytesIO(stored(text)), [Chunk(len(stored(text)))]) is None


def stored(content: bytes) -> bytes:
    """A zstd frame in which nothing is compressed: a header with a window and no size, and one raw block."""
    return b"\x28\xb5\x2f\xfd\x00\x50" + ((len(content) << 3) | 1).to_bytes(3, "little") + content


class Chunk:
    """Facts about a column chunk that is one page at the beginning of a file."""

    has_dictionary_page, data_page_offset = False, 0

    def __init__(self, size: int) -> None:
        self.total_compressed_size = size


@pytest.mark.parametrize("cut", [1, 4, 5, 6, 8, 9, 50])
def test_damage_ends_the_search_without_a_level(cut: int) -> None:
    """A page that breaks off is for the reader to report; the search for a level does not."""
    frame = stored(b"abc" * 40)
    assert zstd_level(io.BytesIO(frame[:cut]), [Chunk(len(frame))]) is None
    assert zstd_level(io.BytesIO(frame[:cut]), [Chunk(cut)]) is None
    assert zstd_level(io.BytesIO(b"nothing of the kind"), [Chunk(19)]) is None


def test_the_rows_that_stay_are_what_is_compressed(tweets: pa.Table, tmp_path: Path) -> None:
    """A level is all that is taken from the source's pages."""
    source, target = tmp_path / "source.parquet", tmp_path / "target.parquet"
    by_polars(tweets, source, 9)
    gone = np.sort(tweets.column("id").cast(pa.int64()).to_numpy()[::3])
    rewrite(source, target, Columns("id"), Erasures(drop_tweets=gone))
    assert pq.read_metadata(target).num_rows == 1333
    assert level_of(target) == 9


def level_of(path: Path, expected: int | None = None) -> int | None:
    with path.open("rb") as stream:
        group = pq.read_metadata(stream).row_group(0)
        return zstd_level(stream, [group.column(at) for at in range(group.num_columns)], expected=expected)


def test_a_page_that_promises_gigabytes_is_not_unpacked() -> None:
    """Two kilobytes can be half a gigabyte of the same letter; no level is worth that much memory."""
    letters, blocks = 1 << 17, 4000
    repeated = [((letters << 3 | 2 | (at == blocks - 1)).to_bytes(3, "little") + b"a") for at in range(blocks)]
    frame = b"\x28\xb5\x2f\xfd\x00\x38" + b"".join(repeated)
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    assert zstd_level(io.BytesIO(frame), [Chunk(len(frame))]) is None
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (most < 64 << 20, pa.total_allocated_bytes()) == (True, before)


@pytest.mark.parametrize("rows", [400, 1600, 2800])
def test_small_pages_that_another_release_of_zstd_made_have_a_usual_level(rows: int, tmp_path: Path) -> None:
    """Several levels make nearly as much of them; it is one that files have, not the one that comes nearest."""
    digits = random.Random(rows)
    words = [f"{digits.getrandbits(300):x} {'lorem ipsum ' * digits.randrange(4)}" for _ in range(rows)]
    numbers = [str(1212161512043446272 + digits.randrange(10**12)) for _ in range(rows)]
    by_duckdb(pa.table({"id": numbers, "text": words}), tmp_path / "small.parquet", 3)
    assert level_of(tmp_path / "small.parquet") == 3
