"""Rows of many days in any order as a dataset with a directory for each day, in bounded memory.

What comes is kept until it is much. Then the days that have enough for a row group of their own are written. Where
what is left is still much, because the rows belong to very many days, it is put aside sorted by day, and taken up at
the end, a span of days after the other: so no day is left with a thousand small row groups.
"""

from __future__ import annotations

import os
from collections import OrderedDict, defaultdict
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from compliance_frames.durable import begin_to_sync
from compliance_frames.progress import awaited
from compliance_frames.raw.days import Days, name_of
from compliance_frames.raw.kinds import Inexact, Kind, conformed, joined, schema_of, with_text

#: Bytes of rows in memory, as Arrow counts them, above which some are written.
BUDGET: Final = 192 << 20
#: Bytes of rows of one day that make a row group worth to be written.
ENOUGH: Final = 4 << 20
_AHEAD: Final = 4 << 20  # bytes of rows in a row group of what is put aside
_LARGEST: Final = 512 << 20  # bytes of rows in a file
_OPEN: Final = 12
_FEW: Final = 16  # days in a block that are told apart at once
_WRITING: Final = 2  # row groups that are written at a time
_DAY: Final = "\0day"  # a column of what is put aside, and of no tweet


@dataclass
class _Part:
    """A file of the dataset, and the kind that its rows had when it was written."""

    path: Path
    day: int
    kind: Kind
    rows: int = 0


@dataclass(frozen=True)
class _Aside:
    """A row group of what was put aside."""

    path: Path
    group: int
    first: int
    last: int


class Partitions:
    """A dataset under way.

    Args:
        data: the directory that the days' directories are made in.
        aside: an empty directory for what is put aside.

    Attributes:
        kind: of all rows so far.
    """

    def __init__(self, data: Path, aside: Path) -> None:
        self._data, self._aside, self._budget, self._enough = data, aside, BUDGET, ENOUGH
        self.kind: Kind = {}
        self._described: tuple[Kind, pa.Schema] = {}, pa.schema([])
        self._held: dict[int, list[pa.Table]] = defaultdict(list)
        self._bytes: dict[int, int] = defaultdict(int)
        self._writers: OrderedDict[int, tuple[Any, _Part, int]] = OrderedDict()
        self._threads = ThreadPoolExecutor(_WRITING, "compliance-frames-write")
        self._writing: OrderedDict[int, Future[None]] = OrderedDict()
        self._parts: list[_Part] = []
        self._files: dict[int, int] = defaultdict(int)
        self._mixed: list[tuple[pa.Table, Days]] = []
        self._mixed_bytes = 0
        self._put_aside: list[_Aside] = []
        self._days_aside: dict[int, int] = defaultdict(int)

    def add(self, table: pa.Table, kind: Kind, days: Days) -> None:
        """Take rows, each of a day."""
        self.kind = joined(self.kind, kind)
        if len(np.unique(days)) > _FEW:  # each would be a copy of its own
            self._mixed.append((table, days))
            self._mixed_bytes += table.nbytes
        else:
            for day, some in _by_day(table, days):
                self._held[day].append(some)
                self._bytes[day] += some.nbytes
        if self._mixed_bytes > self._budget // 2:
            self._put_mixed_aside()
        if sum(self._bytes.values()) + self._mixed_bytes > self._budget:
            self._make_room()

    def finish(self, key: str) -> dict[str, int]:
        """Write what is left, bring every file to the one schema, and name the days' directories.

        Args:
            key: what stands before the day in their names.

        Returns:
            Each file's path in the dataset, and its rows.
        """
        self._take_up()
        for day in sorted(self._held):
            self._write(day)
        self._close_all()
        self._align()
        return self._named(key)

    def abandon(self) -> None:
        """Let go of files that are open, and of threads."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        for writer, _, _ in self._writers.values():
            with suppress(OSError, pa.ArrowException):  # of a disk that is full
                writer.close()
        self._writers.clear()

    @property
    def _schema(self) -> pa.Schema:
        if self._described[0] is not self.kind:
            self._described = self.kind, schema_of(self.kind)
        return self._described[1]

    def _make_room(self) -> None:
        for day in sorted(self._bytes, key=self._bytes.__getitem__, reverse=True):
            if self._bytes[day] < self._enough or sum(self._bytes.values()) <= self._budget // 3:
                break
            self._write(day)
        if sum(self._bytes.values()) > self._budget // 2:
            for day in sorted(self._held):
                self._mixed += [(table, np.full(table.num_rows, day, np.int32)) for table in self._held[day]]
            self._held.clear()
            self._bytes.clear()
            self._put_mixed_aside()

    def _taken(self, day: int) -> pa.Table:
        """The rows of a day, out of memory."""
        del self._bytes[day]
        return self._conformed(self._held.pop(day))

    def _conformed(self, tables: list[pa.Table]) -> pa.Table:
        while True:
            try:
                fitting = [conformed(table, self.kind, self._schema) for table in tables]
                return pa.concat_tables([self._schema.empty_table(), *fitting])
            except Inexact as error:
                self.kind = with_text(self.kind, error.path)

    def _write(self, day: int) -> None:
        table = self._taken(day)
        self._wait_for(day)
        while len(self._writing) >= _WRITING:
            self._wait_for(next(iter(self._writing)))
        writer, part, size = self._writer(day)
        self._writing[day] = self._threads.submit(writer.write_table, table, row_group_size=max(table.num_rows, 1))
        part.rows += table.num_rows
        size += table.nbytes
        self._writers[day] = writer, part, size
        if size > _LARGEST:
            self._close(day)

    def _writer(self, day: int) -> tuple[Any, _Part, int]:
        """The open file of a day; one that was begun in a narrower kind is closed, and another begun."""
        if day in self._writers:
            self._writers.move_to_end(day)
            if self._writers[day][1].kind is self.kind:
                return self._writers[day]
            self._close(day)
        while len(self._writers) >= _OPEN:
            self._close(next(iter(self._writers)))
        part = _Part(self._new_file(day), day, self.kind)
        self._parts.append(part)
        self._writers[day] = _writer_of(part.path, self._schema), part, 0
        return self._writers[day]

    def _new_file(self, day: int) -> Path:
        folder = self._data / name_of(day)
        folder.mkdir(mode=0o700, exist_ok=True)
        self._files[day] += 1
        return folder / f"part-{self._files[day] - 1}.parquet"

    def _wait_for(self, day: int) -> None:
        """Wait until what was handed over to be written of a day is."""
        under_way = self._writing.pop(day, None)
        if under_way is not None:
            awaited(under_way)

    def _close(self, day: int) -> None:
        self._wait_for(day)
        writer, part, _ = self._writers.pop(day)
        writer.close()
        with part.path.open("rb") as file:
            begin_to_sync(file.fileno())

    def _close_all(self) -> None:
        for day in list(self._writers):
            self._close(day)

    def _put_mixed_aside(self) -> None:
        """Write rows of many days, sorted by day, in small row groups; days that have enough go their own way."""
        mixed, self._mixed, self._mixed_bytes = self._mixed, [], 0
        table, days = self._sorted(mixed)
        mixed.clear()
        of_row = max(1, table.nbytes // max(table.num_rows, 1))
        found, starts = np.unique(days, return_index=True)
        ends = np.append(starts[1:], len(days))
        enough = (ends - starts) * of_row >= self._enough
        for day, start, end in zip(found[enough].tolist(), starts[enough].tolist(), ends[enough].tolist(), strict=True):
            self._held[day].append(table.slice(start, end - start))
            self._bytes[day] += (end - start) * of_row
            self._write(day)
        for day, rows in zip(found[~enough].tolist(), (ends - starts)[~enough].tolist(), strict=True):
            self._days_aside[day] += rows * of_row
        small = ~np.isin(days, found[enough])
        self._write_aside(table.filter(pa.array(small)) if enough.any() else table, days[small], of_row)

    def _write_aside(self, table: pa.Table, days: Days, of_row: int) -> None:
        if not len(days):
            return
        path = self._aside / f"{len(self._put_aside)}.parquet"
        table = table.append_column(pa.field(_DAY, pa.int32()), pa.array(days, pa.int32()))
        size = max(1, _AHEAD // of_row)
        with _writer_of(path, table.schema) as writer:
            writer.write_table(table, row_group_size=size)
        for group, start in enumerate(range(0, len(days), size)):
            last = min(start + size, len(days)) - 1
            self._put_aside.append(_Aside(path, group, int(days[start]), int(days[last])))

    def _sorted(self, some: list[tuple[pa.Table, Days]]) -> tuple[pa.Table, Days]:
        """Rows by their days, those of one in the order in which they came."""
        table = self._conformed([table for table, _ in some]).combine_chunks()
        days = np.concatenate([days for _, days in some])
        order = np.argsort(days, kind="stable")
        return table.take(pa.array(order)), days[order]

    def _take_up(self) -> None:
        """Write the days of which something was put aside, as many at a time as there is room for."""
        if self._mixed:
            self._put_mixed_aside()
        for first, last in self._spans():
            if first == last:  # perhaps more than memory holds
                for table, _ in self._aside_of(first, last):
                    self._held[first].append(table)
                    self._bytes[first] += table.nbytes
                    if self._bytes[first] > self._budget // 4:
                        self._write(first)
            else:
                table, days = self._sorted(list(self._aside_of(first, last)))
                for day, some in _runs(table, days):
                    self._held[day].insert(0, some)
                    self._bytes[day] += some.nbytes
                    self._write(day)

    def _aside_of(self, first: int, last: int) -> Iterator[tuple[pa.Table, Days]]:
        """What was put aside of a span of days."""
        for aside in self._put_aside:
            if aside.first <= last and aside.last >= first:
                with pa.OSFile(os.fsencode(aside.path), "rb") as stream:
                    table = pq.ParquetFile(stream).read_row_group(aside.group, use_threads=False)
                days = table.column(_DAY).to_numpy()
                inside = (days >= first) & (days <= last)
                yield table.drop_columns([_DAY]).filter(pa.array(inside)), days[inside]

    def _spans(self) -> Iterator[tuple[int, int]]:
        first, size, before = None, 0, 0
        for day in sorted(self._days_aside):
            if first is not None and size + self._days_aside[day] > self._budget // 3:
                yield first, before
                first, size = None, 0
            first = day if first is None else first
            size, before = size + self._days_aside[day], day
        if first is not None:
            yield first, before

    def _align(self) -> None:
        """Bring files that were written in a narrower kind to the one that all have."""
        while True:
            try:
                for part in self._parts:
                    if part.kind != self.kind:
                        self._rewrite(part)
                return
            except Inexact as error:
                self.kind = with_text(self.kind, error.path)

    def _rewrite(self, part: _Part) -> None:
        new = self._aside / "aligned.parquet"
        with pa.OSFile(os.fsencode(part.path), "rb") as stream:
            file = pq.ParquetFile(stream)
            with _writer_of(new, self._schema) as writer:
                for group in range(file.num_row_groups):
                    table = conformed(file.read_row_group(group, use_threads=False), self.kind, self._schema)
                    writer.write_table(table, row_group_size=max(table.num_rows, 1))
        new.replace(part.path)
        part.kind = self.kind

    def _named(self, key: str) -> dict[str, int]:
        for day in {part.day for part in self._parts}:
            (self._data / name_of(day)).rename(self._data / f"{key}={name_of(day)}")
        return {f"{key}={name_of(part.day)}/{part.path.name}": part.rows for part in self._parts}


def _writer_of(path: Path, schema: pa.Schema) -> Any:
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600))
    return pq.ParquetWriter(os.fspath(path), schema, compression="zstd", compression_level=1)


def _by_day(table: pa.Table, days: Days) -> Iterator[tuple[int, pa.Table]]:
    """The rows of each day, in their order."""
    if not len(days):
        return
    if days[0] == days[-1] and (days == days[0]).all():
        yield int(days[0]), table
        return
    order = np.argsort(days, kind="stable")
    found = days[order]
    for begin, end in _ends_of(found):
        rows = order[begin:end]
        first = int(rows[0])
        if int(rows[-1]) - first == len(rows) - 1 and 2 * len(rows) > len(days):
            yield int(found[begin]), table.slice(first, len(rows))
        else:
            yield int(found[begin]), table.take(pa.array(rows))  # a copy: a slice would keep the whole block


def _runs(table: pa.Table, days: Days) -> Iterator[tuple[int, pa.Table]]:
    """The rows of each day of a table that is sorted by them."""
    for begin, end in _ends_of(days):
        yield int(days[begin]), table.slice(begin, end - begin)


def _ends_of(days: Days) -> Iterator[tuple[int, int]]:
    """Where each day begins and ends among days that are sorted."""
    starts = np.flatnonzero(np.concatenate([[True], days[1:] != days[:-1]]))
    yield from zip(starts.tolist(), [*starts[1:].tolist(), len(days)], strict=True)
