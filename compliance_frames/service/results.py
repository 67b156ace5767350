"""Result files into Arrow tables: every line understood, or the whole file refused with the line's number.

A file is read in blocks, however large it is. Lines of a shape that many have are taken apart by columns
(:mod:`compliance_frames.service.shapes`), all others one by one (:mod:`compliance_frames.service.lines`). Both ways
give the same rows.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from compliance_frames.schemas import RESULTS, JobType
from compliance_frames.service.blocks import Shapes, blocks_of
from compliance_frames.service.columns import NEVER, Booleans, Codes, Columns, Integers
from compliance_frames.service.lines import Row, refuse, strict

_UNIX = datetime(1970, 1, 1, tzinfo=UTC)
_TIME = pa.timestamp("ms", tz="UTC")
#: Arrays of so many rows are large enough that NumPy asks for huge pages, which cost far less to touch first.
_MANY = 1 << 19
_ROWS = pa.schema([field for field in RESULTS if field.name not in ("type", "job_id", "checked_at")])


def parse(source: bytes | Path, *, type: JobType, job_id: int, checked_at: datetime) -> pa.Table:
    r"""Parse a job's result file.

    Args:
        source: the file, or what it holds: one JSON object a line; empty lines may stand between; no line at all is
            all clear. Of a file only one block is in memory at a time.
        type: what the job's IDs were.
        job_id: the job's ID.
        checked_at: when the answer was given (UTC).

    Returns:
        A table of schema :data:`compliance_frames.schemas.RESULTS`: one row per flagged ID, sorted by ID; of
        several results for one ID one for each reason.

    Raises:
        ResultsError: any line is not what the service writes; the first such is named, and nothing of the file is
            used.

    >>> line = b'{"id":"20","action":"delete","created_at":"2006-03-21T20:50:14.000Z","reason":"deleted"}\n'
    >>> table = parse(line, type="tweets", job_id=1, checked_at=datetime(2026, 1, 1, tzinfo=UTC))
    >>> table.select(["id", "reason"]).to_pylist()
    [{'id': 20, 'reason': 'deleted'}]
    """
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as stream:
        return answered(read_rows(stream), type=type, job_id=job_id, checked_at=checked_at)


def read_rows(stream: BinaryIO) -> pa.Table:
    """What the lines of a result file say by themselves, without type, job and time of asking: sorted, once by reason.

    Raises:
        ResultsError: any line is not what the service writes.
    """
    return _table(_sorted(_joined([_joined(some) for some in _gathered(_parts(stream))])))


def answered(rows: pa.Table, *, type: JobType, job_id: int | None, checked_at: datetime) -> pa.Table:
    """Rows as :func:`read_rows` gives them, and of which type, by which job and when all of them were answered."""
    checked = (checked_at - _UNIX) // timedelta(milliseconds=1)
    jobs = pa.nulls(rows.num_rows, pa.int64())
    constants = {
        "type": _coded(np.zeros(rows.num_rows, np.int32), (type,)),
        "job_id": jobs if job_id is None else _plain(np.full(rows.num_rows, job_id, np.int64), pa.int64()),
        "checked_at": _plain(np.full(rows.num_rows, checked, np.int64), _TIME),
    }
    columns = {**constants, **dict(zip(rows.column_names, rows.columns, strict=True))}
    return pa.Table.from_arrays([columns[name] for name in RESULTS.names], schema=RESULTS)


def one_per_reason(tables: Iterable[pa.Table], *, schema: pa.Schema = RESULTS) -> pa.Table:
    """Many tables of results as one, sorted: one row for each type, ID and reason, that which reaches farthest.

    Another reason's row is never left out, however strict this one's is: what becomes of each is for a policy to say.

    >>> one_per_reason([]).num_rows
    0
    """
    parts = [table.cast(schema) for table in tables]
    return _once_each(pa.concat_tables(parts)) if parts else schema.empty_table()


def _once_each(table: pa.Table) -> pa.Table:
    """One row of each type, ID and reason, in their order; words in the order in which they occur."""
    table = table.unify_dictionaries().combine_chunks()
    table = table.take(_plain(_order_of_one_each(table), pa.int64()))
    columns = [
        _by_occurrence(column) if pa.types.is_dictionary(column.type) else column
        for column in (column.combine_chunks() for column in table.columns)
    ]
    return pa.Table.from_arrays(columns, schema=table.schema)


def _order_of_one_each(table: pa.Table) -> Integers:
    """Where the rows stand that are kept, sorted."""
    ids, types = _integers(table.column("id")), _types(table)
    order = np.lexsort((ids, types)) if types.any() else np.argsort(ids)
    sorted_ids, sorted_types = ids[order], types[order]
    repeats = np.zeros(len(ids) + 1, bool)  # whether a row has the type and ID of the row before
    repeats[1:-1] = (sorted_ids[1:] == sorted_ids[:-1]) & (sorted_types[1:] == sorted_types[:-1])
    if not repeats.any():
        return order
    is_alone = ~(repeats[:-1] | repeats[1:])
    kept = np.concatenate([order[is_alone], _of_each_reason(table, order[~is_alone])])
    return kept[np.lexsort((ids[kept], types[kept]))]  # reasons of one ID stay in their order


def _of_each_reason(table: pa.Table, rows: Integers) -> Integers:
    """Of rows whose IDs all have several: one for each reason of an ID, sorted."""
    few = table.take(_plain(rows, pa.int64()))
    words = [name for name in few.column_names if pa.types.is_dictionary(few.schema.field(name).type)]
    few = few.cast(pa.schema([f.with_type(pa.string()) if f.name in words else f for f in few.schema]))
    few = few.append_column("_row", _plain(rows, pa.int64()))
    if "up_to" in few.column_names:  # all of a user's tweets are more than those up to one
        few = few.append_column("_reach", pc.negate(pc.fill_null(few.column("up_to"), 2**63 - 1)))
    # The last keys only make the choice between results that ask for the same, the same every time.
    keys = ("type", "id", "reason", "_reach", "action", "redacted_at", "created_at", "checked_at", "job_id")
    known = [(key, "ascending") for key in keys if key in few.column_names]
    few = few.take(pc.sort_indices(few, sort_keys=known))
    ids, types, reasons = _integers(few.column("id")), _types(few), few.column("reason").combine_chunks()
    is_first = np.ones(len(rows), bool)
    others = np.asarray(pc.not_equal(reasons[1:], reasons[:-1]).to_numpy(zero_copy_only=False))
    is_first[1:] = (ids[1:] != ids[:-1]) | (types[1:] != types[:-1]) | others
    return _integers(few.column("_row"))[is_first]


def _types(table: pa.Table) -> Booleans:
    """Which rows are of users."""
    if "type" not in table.column_names:
        return np.zeros(table.num_rows, bool)
    return np.asarray(pc.equal(table.column("type"), "users").to_numpy())


def _by_occurrence(column: pa.DictionaryArray) -> pa.DictionaryArray:
    codes = column.indices.dictionary_encode()
    words = column.dictionary.take(codes.dictionary)
    return pa.DictionaryArray.from_arrays(codes.indices, words).cast(column.type)


def _parts(stream: BinaryIO) -> Iterator[Columns]:
    """The rows of a file, block by block; the first bad line is the one that is told."""
    shapes, first = Shapes(), 1
    for block in blocks_of(stream):
        if block is None:
            refuse(first, "is longer than any result")
        quick, others = shapes.by_columns(block)
        yield quick
        if others:
            yield _columns([row for at, line in others if (row := strict(line, first + at)) is not None])
        first += others.count


def _columns(rows: list[Row]) -> Columns:
    words = {pair: code for code, pair in enumerate(dict.fromkeys((row.action, row.reason) for row in rows))}
    return Columns(
        ids=np.array([row.id for row in rows], np.int64),
        created_at=np.array([_ms(row.created_at) for row in rows], np.int64),
        redacted_at=np.array([_ms(row.redacted_at) for row in rows], np.int64),
        codes=np.array([words[row.action, row.reason] for row in rows], np.int32),
        words=list(words),
    )


def _ms(time: datetime | None) -> int:
    return NEVER if time is None else (time - _UNIX) // timedelta(milliseconds=1)


def _joined(parts: list[Columns]) -> Columns:
    """The rows of all parts, one behind the other."""
    words = {pair: code for code, pair in enumerate(dict.fromkeys(pair for part in parts for pair in part.words))}
    codes = [np.array([words[pair] for pair in part.words], np.int32)[part.codes] for part in parts]
    return Columns(
        ids=np.concatenate([part.ids for part in parts]),
        created_at=np.concatenate([part.created_at for part in parts]),
        redacted_at=np.concatenate([part.redacted_at for part in parts]),
        codes=np.concatenate(codes),
        words=list(words),
    )


def _gathered(parts: Iterable[Columns]) -> Iterator[list[Columns]]:
    """Some parts at a time: few large arrays are kept for long, the memory of the small ones is used again."""
    some: list[Columns] = []
    for part in parts:
        some.append(part)
        if sum(len(part.ids) for part in some) >= _MANY:
            yield some
            some = []
    yield some


def _sorted(rows: Columns) -> Columns:
    """One row of each ID and reason, sorted; words in the order in which they occur."""
    order = _order_of_one_each(_table(rows))
    codes = _plain(rows.codes.take(order), pa.int32()).dictionary_encode()
    return Columns(
        ids=rows.ids.take(order),
        created_at=rows.created_at.take(order),
        redacted_at=rows.redacted_at.take(order),
        codes=np.from_dlpack(codes.indices).view(np.int32),
        words=[rows.words[code] for code in np.from_dlpack(codes.dictionary)],
    )


def _table(rows: Columns) -> pa.Table:
    actions, reasons = zip(*rows.words, strict=True) if rows.words else ((), ())
    columns = {
        "id": _plain(rows.ids, pa.int64()),
        "action": _coded(rows.codes, actions),
        "reason": _coded(rows.codes, reasons),
        "created_at": _plain(rows.created_at, _TIME),
        "redacted_at": _plain(rows.redacted_at, _TIME),
    }
    return pa.Table.from_arrays([columns[name] for name in _ROWS.names], schema=_ROWS)


# pa.array() and to_numpy() import pandas where it is installed, which takes longer than to read a million lines.
def _plain(values: Integers | Codes, type: pa.DataType) -> pa.Array:
    valid = None
    if type == _TIME and not (known := values != NEVER).all():
        valid = pa.py_buffer(np.packbits(known, bitorder="little"))
    return pa.Array.from_buffers(type, len(values), [valid, pa.py_buffer(values)])


def _coded(codes: Codes, words: tuple[str, ...]) -> pa.DictionaryArray:
    """The word of each code; words may repeat."""
    once = {word: code for code, word in enumerate(dict.fromkeys(words))}
    if len(once) < len(words):
        codes = np.array([once[word] for word in words], np.int32).take(codes)
    return pa.DictionaryArray.from_arrays(_plain(codes, pa.int32()), _texts(list(once)))


def _texts(words: list[str]) -> pa.StringArray:
    texts = [word.encode() for word in words]
    ends = np.cumsum([0, *map(len, texts)], dtype=np.int32)
    return pa.StringArray.from_buffers(len(texts), pa.py_buffer(ends), pa.py_buffer(b"".join(texts)))


def _integers(column: pa.ChunkedArray) -> Integers:
    return np.from_dlpack(column.combine_chunks()).view(np.int64)
