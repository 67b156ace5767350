"""Result files into Arrow tables: every line understood, or the whole file refused with the line's number.

A file is read in blocks, however large it is. Lines of a shape that many have are taken apart by columns
(:mod:`compliance_frames.service.shapes`), all others one by one (:mod:`compliance_frames.service.lines`). Both ways
give the same rows.
"""

from __future__ import annotations

import io
import os
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from mmap import mmap
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from compliance_frames.progress import awaited
from compliance_frames.schemas import RESULTS, TREATMENTS, JobType
from compliance_frames.service.blocks import Block, Shapes, blocks_of
from compliance_frames.service.columns import NEVER, Columns, Integers
from compliance_frames.service.lines import Row, refuse, strict

_WORKERS = min(os.cpu_count() or 1, 4)
_UNIX = datetime(1970, 1, 1, tzinfo=UTC)
_TIME = pa.timestamp("ms", tz="UTC")
_ROWS = pa.schema([field for field in RESULTS if field.name not in ("type", "job_id", "checked_at")])


def parse(source: bytes | Path, *, type: JobType, job_id: int, checked_at: datetime) -> pa.Table:
    r"""Parse a job's result file.

    Args:
        source: the file, or what it holds: one JSON object a line; empty lines may stand between; no line at all is
            all clear. Of a file only a few blocks are in memory at a time.
        type: what the job's IDs were.
        job_id: the job's ID.
        checked_at: when the answer was given (UTC).

    Returns:
        A table of schema :data:`compliance_frames.schemas.RESULTS`: one row per flagged ID, sorted by ID; of
        several results for one ID the strictest.

    Raises:
        ResultsError: any line is not what the service writes; the first such is named, and nothing of the file is
            used.

    >>> line = b'{"id":"20","action":"delete","created_at":"2006-03-21T20:50:14.000Z","reason":"deleted"}\n'
    >>> table = parse(line, type="tweets", job_id=1, checked_at=datetime(2026, 1, 1, tzinfo=UTC))
    >>> table.select(["id", "reason"]).to_pylist()
    [{'id': 20, 'reason': 'deleted'}]
    """
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as stream:
        rows = _one_per_id(pa.Table.from_batches(_batches(stream), _ROWS))
    constants = {"job_id": pa.scalar(job_id, pa.int64()), "checked_at": pa.scalar(checked_at, _TIME)}
    columns = {name: pa.repeat(value, rows.num_rows) for name, value in constants.items()}
    columns["type"] = _coded([(type, rows.num_rows)])
    return pa.Table.from_arrays(
        [columns[name] if name in columns else rows.column(name) for name in RESULTS.names], schema=RESULTS
    )


def strictest(tables: Iterable[pa.Table]) -> pa.Table:
    """Many tables of results as one: one row per type and ID, the strictest (to drop before to scrub), sorted.

    >>> strictest([]).num_rows
    0
    """
    parts = [table.cast(RESULTS) for table in tables]
    return _one_per_id(pa.concat_tables(parts)) if parts else RESULTS.empty_table()


def _one_per_id(table: pa.Table) -> pa.Table:
    """The strictest row of each type and ID, in their order; words in the order in which they occur."""
    table = table.unify_dictionaries().combine_chunks()
    table = table.take(pa.array(_strictest_first(table)))
    columns = [
        _by_occurrence(column) if pa.types.is_dictionary(column.type) else column
        for column in (column.combine_chunks() for column in table.columns)
    ]
    return pa.Table.from_arrays(columns, schema=table.schema)


def _strictest_first(table: pa.Table) -> Integers:
    """Where the rows stand that are kept, sorted."""
    ids = table.column("id").to_numpy()
    types = np.zeros(len(ids), bool)
    if "type" in table.column_names:
        types = pc.equal(table.column("type"), "users").to_numpy()
    order = np.lexsort((ids, types)) if types.any() else np.argsort(ids)
    repeats = np.zeros(len(ids) + 1, bool)  # whether a row has the type and ID of the row before
    repeats[1:-1] = (ids[order[1:]] == ids[order[:-1]]) & (types[order[1:]] == types[order[:-1]])
    is_first, is_alone = ~repeats[:-1], ~(repeats[:-1] | repeats[1:])
    if not is_alone.all():
        order[is_first & ~is_alone] = _strictest_of(table, order[~is_alone])
    return order[is_first]


def _strictest_of(table: pa.Table, rows: Integers) -> Integers:
    """Of rows whose IDs all have several: the strictest of each ID, sorted."""
    few = table.take(pa.array(rows))
    words = [name for name in few.column_names if pa.types.is_dictionary(few.schema.field(name).type)]
    few = few.cast(pa.schema([f.with_type(pa.string()) if f.name in words else f for f in few.schema]))
    mild = pa.array([reason for reason, treatment in TREATMENTS.items() if treatment != "drop"])
    few = few.append_column("_mild", pc.is_in(few.column("reason"), mild).cast(pa.int8()))
    few = few.append_column("_row", pa.array(rows))
    # The last keys only make the choice between equally strict results the same every time.
    keys = ("type", "id", "_mild", "reason", "action", "redacted_at", "created_at", "checked_at", "job_id")
    known = [(key, "ascending") for key in keys if key in few.column_names]
    few = few.take(pc.sort_indices(few, sort_keys=known))
    ids, types = few.column("id").to_numpy(), np.zeros(len(rows), bool)
    if "type" in few.column_names:
        types = pc.equal(few.column("type"), "users").to_numpy()
    is_first = np.ones(len(rows), bool)
    is_first[1:] = (ids[1:] != ids[:-1]) | (types[1:] != types[:-1])
    return np.asarray(few.column("_row").to_numpy()[is_first])


def _by_occurrence(column: pa.DictionaryArray) -> pa.DictionaryArray:
    codes = column.indices.dictionary_encode()
    words = column.dictionary.take(codes.dictionary)
    return pa.DictionaryArray.from_arrays(codes.indices, words).cast(column.type)


def _batches(stream: BinaryIO) -> Iterator[pa.RecordBatch]:
    """The rows of a file, some blocks being read at the same time; the first bad line is the one that is told."""
    waiting: deque[tuple[Future[pa.RecordBatch], Block | None]] = deque()
    spare: list[bytearray | mmap] = []  # fresh memory costs more than what is done in it
    shapes = Shapes()

    def first() -> pa.RecordBatch:
        batch, block = awaited(waiting[0][0]), waiting.popleft()[1]
        if block is not None:
            spare.append(block.buffer)
        return batch

    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="compliance-frames") as pool:
        for line, block in blocks_of(stream, spare):
            waiting.append((pool.submit(_rows, block, line, shapes), block))
            if len(waiting) > _WORKERS:
                yield first()
        while waiting:
            yield first()


def _rows(block: Block | None, first_line: int, shapes: Shapes) -> pa.RecordBatch:
    """The rows of a block of whole lines, in no order."""
    if block is None:
        refuse(first_line, "is longer than any result")
    quick, others = shapes.by_columns(block)
    rows = [row for at, line in others if (row := strict(line, first_line + at)) is not None]
    return _batch([*quick, *_columns(rows)])


def _columns(rows: list[Row]) -> Iterator[Columns]:
    alike: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        alike[row.action, row.reason].append(row)
    for words, same in alike.items():
        ids = np.array([row.id for row in same], np.int64)
        created, redacted = ([_ms(time) for time in times] for times in list(zip(*same, strict=True))[3:])
        yield Columns(ids, np.array(created, np.int64), np.array(redacted, np.int64), *words)


def _ms(time: datetime | None) -> int:
    return NEVER if time is None else (time - _UNIX) // timedelta(milliseconds=1)


def _batch(parts: list[Columns]) -> pa.RecordBatch:
    columns = {
        "id": _joined([part.ids for part in parts]),
        "action": _coded([(part.action, len(part.ids)) for part in parts]),
        "reason": _coded([(part.reason, len(part.ids)) for part in parts]),
        "created_at": _joined([part.created_at for part in parts]).view("datetime64[ms]"),
        "redacted_at": _joined([part.redacted_at for part in parts]).view("datetime64[ms]"),
    }
    return pa.RecordBatch.from_arrays([pa.array(columns[f.name]).cast(f.type) for f in _ROWS], schema=_ROWS)


def _joined(parts: list[Integers]) -> Integers:
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def _coded(words: list[tuple[str, int]]) -> pa.DictionaryArray:
    """Each word as often as it is said."""
    codes = {word: code for code, word in enumerate(dict.fromkeys(word for word, _ in words))}
    each = np.array([codes[word] for word, _ in words], np.int32)
    indices = np.repeat(each, [count for _, count in words])
    return pa.DictionaryArray.from_arrays(pa.array(indices, pa.int32()), pa.array(list(codes), pa.string()))
