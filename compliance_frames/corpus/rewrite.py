"""Write a Parquet file again without what was flagged, and otherwise as it was."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from compliance_frames.corpus.arrays import kept
from compliance_frames.corpus.columns import Columns
from compliance_frames.corpus.dictionaries import has_words
from compliance_frames.corpus.encoding import encoding_of
from compliance_frames.corpus.erase import Counts, Erasures, erase_from

#: A row group of more than this, uncompressed, whose rows take more than four times as much once they are decoded,
#: becomes several.
WHOLE_BYTES: Final = 256 << 20
#: About so much, uncompressed, is read at a time of a row group of more than eight times as much: of what goes, no
#: more is held beside what stays. Of a smaller one that saves no memory, and takes longer.
PIECE_BYTES: Final = 4 << 20
_PIECES: Final = 8
#: Compressed bytes that are read at a time, of each column chunk.
_STRETCH: Final = 64 << 10


@dataclass(frozen=True)
class Rewritten:
    """What became of one file.

    Attributes:
        counts: rows and cells, as they were erased.
        notes: one sentence for each thing that could not be kept as it was in the source.
    """

    counts: Counts
    notes: tuple[str, ...]


def rewrite(
    source: Path,
    target: Path,
    columns: Columns,
    erasures: Erasures,
    *,
    level: int | None = None,
    whole_bytes: int = WHOLE_BYTES,
    piece_bytes: int = PIECE_BYTES,
) -> Rewritten:
    """Write a Parquet file again without what was flagged, one row group after the other.

    Kept are: the schema with nested types, nullability and metadata; the order of columns and rows; the borders of
    row groups (empty ones are left out); for each column its codec, its encoding, its dictionary and its
    statistics; the zstd level, as far as it can be told; the version of pages, their index and checksums; Bloom
    filters (made anew); the claimed sort order; key-value metadata.

    Args:
        source: a Parquet file; it is only read.
        target: the file to write; it must not exist.
        columns: where the source has its IDs and places.
        erasures: what to take out.
        level: the zstd level to use in place of the source's.
        whole_bytes: a row group larger than this, uncompressed, becomes several where its rows take more than four
            times as much once they are decoded.
        piece_bytes: about so much of a row group, uncompressed, is read at a time.

    Raises:
        PlanError: a place has to go and its column must not be null, or no column of places is known.
        FileExistsError: the target exists.
        OSError: there is no room, or no permission.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> pq.write_table(pa.table({"id": [1, 2, 3]}), folder / "source.parquet", row_group_size=2)
    >>> erasures = Erasures(drop_tweets=np.array([1, 3]))
    >>> rewrite(folder / "source.parquet", folder / "target.parquet", Columns("id"), erasures).counts.rows_dropped
    2
    >>> pq.read_table(folder / "target.parquet").to_pydict()
    {'id': [2]}
    """
    encoding = encoding_of(source, columns, level=level)
    counts, split = Counts(), False
    options: Any = {"pre_buffer": False, "buffer_size": _STRETCH, "page_checksum_verification": True}
    target.touch(exist_ok=False)
    with (  # of Arrow's own, which need no interpreter to read and to write
        pa.OSFile(os.fsencode(source), "rb") as stream,
        pq.ParquetFile(stream, coerce_int96_timestamp_unit=encoding.int96, **options) as file,
        pa.OSFile(os.fsencode(target), "wb") as sink,
        encoding.writer(sink) as writer,
    ):
        for group in range(file.num_row_groups):
            written = 0
            for table, erased in _erased(file, group, columns, erasures, whole_bytes, piece_bytes):
                counts += erased
                written += _write(writer, table)
                del table  # before the next one is read
                _give_back()
            split = split or written > 1
    notes = ("a row group too large to hold at once became several",) if split else ()
    return Rewritten(counts, (*encoding.notes, *notes))


def _erased(
    file: pq.ParquetFile, group: int, columns: Columns, erasures: Erasures, whole_bytes: int, piece_bytes: int
) -> Iterator[tuple[pa.Table, Counts]]:
    """What stays of a row group: one table, or several where that would be too much to hold."""
    waiting: list[pa.Table] = []
    counts, size = Counts(), _size(file, group)
    for piece in _pieces(file, group, size, whole_bytes, piece_bytes):
        held = [piece]
        del piece  # what goes is not held while what stays is written
        table, erased = erase_from(held, columns, erasures, to_write=True)
        waiting.append(table if erased.rows_dropped else compacted(table))
        del table
        counts += erased
        if size > whole_bytes and sum(table.nbytes for table in waiting) > 4 * whole_bytes:
            yield _joined(waiting), counts
            waiting, counts = [], Counts()
    if waiting:
        yield _joined(waiting), counts


def _give_back() -> None:
    """Return what this thread has freed: Arrow's usual allocator keeps it, and so twice as much as is in use.

    The one that the command line chooses gives back in time what nobody takes again, and what is taken again in a
    moment is not to be cleared before.
    """
    pool = pa.default_memory_pool()
    if pool.backend_name != "jemalloc":
        pool.release_unused()


def _size(file: pq.ParquetFile, group: int) -> int:
    """Uncompressed bytes of a row group. What is said of the group itself are compressed ones, by some writers."""
    facts = file.metadata.row_group(group)
    return sum(facts.column(leaf).total_uncompressed_size for leaf in range(facts.num_columns))


def _pieces(file: pq.ParquetFile, group: int, size: int, whole_bytes: int, piece_bytes: int) -> Iterator[pa.Table]:
    """A row group of ``size`` uncompressed bytes, in pieces where it is large."""
    most = min(piece_bytes, whole_bytes // 4)
    if size <= (whole_bytes if _has_words(file.schema_arrow) else min(_PIECES * most, whole_bytes)):
        # In pieces, each would have its own dictionaries.
        yield file.read_row_group(group, use_threads=False)
        return
    rows = max(1, file.metadata.row_group(group).num_rows * most // size)
    for batch in file.iter_batches(batch_size=rows, row_groups=[group], use_threads=False):
        yield pa.Table.from_batches([batch])


def _write(writer: pq.ParquetWriter, table: pa.Table) -> int:
    """Write one row group, unless there is nothing to write; how many that made."""
    if not table.num_rows:
        return 0
    writer.write_table(table, row_group_size=table.num_rows)
    return 1


def _joined(tables: list[pa.Table]) -> pa.Table:
    """One table with one dictionary for each column: a writer gives up a dictionary that changes on the way."""
    whole = tables[0] if len(tables) == 1 else pa.concat_tables(tables)
    several = len(tables) > 1 and _has_words(whole.schema)
    return whole.unify_dictionaries().combine_chunks() if several else whole


def _has_words(schema: pa.Schema) -> bool:
    return any(has_words(field.type) for field in schema)


def compacted(table: pa.Table) -> pa.Table:
    """Dictionaries reduced to the values in use: others, in a row group without any erased row, may be erased ones."""
    everything = np.ones(table.num_rows, dtype=bool)
    found = [kept(column, everything) if has_words(column.type) else column for column in table.columns]
    return pa.Table.from_arrays(found, schema=table.schema)
