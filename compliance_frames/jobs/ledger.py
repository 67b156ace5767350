"""The memory of a corpus's jobs: which IDs were asked, where each chunk stands, and what was answered.

A ledger is a directory (0700) that holds ``ledger.sqlite``, the IDs of each chunk and the results of each as Parquet,
and the sessions of uploads under way. It holds no token and no signed URL. One process writes; any number read.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import astuple
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from compliance_frames.durable import make_parents, make_private_directory, sync_directory
from compliance_frames.errors import LedgerError
from compliance_frames.ids.chunks import describe, split
from compliance_frames.ids.sets import IdArray, is_in, unique, without
from compliance_frames.jobs.chunk import ChunkRow, chunk_of, now, stored
from compliance_frames.jobs.database import DATABASE, check_version, damage_told, is_ledger, opened, reading
from compliance_frames.jobs.files import Files, trouble_told
from compliance_frames.jobs.returned import came_back
from compliance_frames.jobs.states import FINAL, FOLLOWS, State
from compliance_frames.jobs.words import in_one, with_sorted_words
from compliance_frames.lock import Lock, OnWait, holder
from compliance_frames.schemas import CAME_BACK, JOBS, JobType


class Ledger:
    """The ledger of one corpus.

    ``Ledger.open`` locks it for writing; ``Ledger.read`` reads it, also while another process is at work.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()) / "corpus.ledger"
    >>> with Ledger.open(folder) as ledger:
    ...     ledger.add("tweets", pa.array([20, 21, 22]), chunk_size=2)
    2
    >>> Ledger.read(folder).jobs().select(["type", "state", "ids"]).to_pylist()
    [{'type': 'tweets', 'state': 'planned', 'ids': 2}, {'type': 'tweets', 'state': 'planned', 'ids': 1}]
    """

    def __init__(self, path: Path, database: sqlite3.Connection | None, lock: Lock | None) -> None:
        self.path = path
        self._files = Files(path)
        self._database = database
        self._lock = lock
        self._turn = threading.RLock()

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, wait: OnWait | None = None) -> Self:
        """Open a ledger for writing, and make it where there is none.

        What a process left that was killed in the middle of something is taken up, or swept away.

        Args:
            path: the directory.
            wait: called with who is writing to it, until they end; None refuses at once.

        Raises:
            LedgerLockedError: another process is writing to it.
            LedgerError: the path holds something else, a newer version, or a damaged ledger; or there is no room.
        """
        folder = Path(path)
        with trouble_told(folder):
            _make(folder)
            lock = Lock(lock_path(folder), f"The ledger {folder}", wait=wait)
            ledger = cls(folder, None, lock)
            try:
                ledger._files.make()
                ledger._database = opened(folder / DATABASE)
                ledger._files.sweep((chunk.id, chunk.state, chunk.attempts) for chunk in ledger.chunks())
            except BaseException:
                ledger.close()
                raise
        return ledger

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """Open a ledger for reading; never blocks, and is never blocked.

        Raises:
            LedgerError: there is none, or it cannot be read.
        """
        folder = Path(path)
        if not is_ledger(folder):
            raise LedgerError(f"There is no ledger at {folder}. Make one with check(…, ledger={str(folder)!r}).")
        ledger = cls(folder, None, None)
        with ledger._connection() as database:
            check_version(database, folder)
        return ledger

    def __repr__(self) -> str:
        return f"Ledger({str(self.path)!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Give the ledger back for others to write."""
        if self._database is not None:
            self._database.close()
            self._database = None
        if self._lock is not None:
            self._lock.release()

    # What it knows.

    def at_work(self) -> str | None:
        """Who is writing to the ledger now (process and since when), or None."""
        return holder(lock_path(self.path))

    def chunks(self, type: JobType | None = None) -> list[ChunkRow]:
        """All chunks in the order in which they are worked on."""
        rows = self._select("SELECT * FROM chunks WHERE ? IS NULL OR type = ? ORDER BY id", type, type)
        return [chunk_of(row) for row in rows]

    def unfinished(self, type: JobType | None = None) -> list[ChunkRow]:
        """The chunks that still wait for an answer: those that have a job first."""
        rows = [chunk for chunk in self.chunks(type) if chunk.state not in FINAL]
        return sorted(rows, key=lambda chunk: (chunk.state == "planned", chunk.id))

    def chunk(self, id: int) -> ChunkRow:
        """One chunk as it stands now."""
        return chunk_of(self._select("SELECT * FROM chunks WHERE id = ?", id)[0])

    def jobs(self) -> pa.Table:
        """Every chunk as a row of a table (:data:`compliance_frames.schemas.JOBS`)."""
        rows = [
            {field.name: chunk.id if field.name == "chunk" else getattr(chunk, field.name) for field in JOBS}
            for chunk in self.chunks()
        ]
        plain = pa.schema([f.with_type(pa.string()) if pa.types.is_dictionary(f.type) else f for f in JOBS])
        return pa.Table.from_pylist(rows, plain).cast(JOBS)

    def asked(
        self, type: JobType, *, since: datetime | None = None, between: tuple[int, int] | None = None
    ) -> pa.Int64Array:
        """The IDs that have an answer, sorted and unique.

        Args:
            type: of the IDs.
            since: only answers that hold as of this time or a later one; None takes all.
            between: only IDs from the first of these to the second; None takes all.
        """
        done = [chunk for chunk in self.chunks(type) if chunk.state == "done"]
        fresh = [
            chunk for chunk in done if since is None or (chunk.checked_at is not None and chunk.checked_at >= since)
        ]
        return self._union(fresh, between)

    def pending(self, type: JobType, *, between: tuple[int, int] | None = None) -> pa.Int64Array:
        """The IDs that wait for an answer, sorted and unique; all, or those from one to another."""
        return self._union(self.unfinished(type), between)

    def failed_ids(self, type: JobType) -> pa.Int64Array:
        """The IDs that the service could not answer for, alone in a job, and that have no later answer."""
        chunks = self.chunks(type)
        oldest = min((chunk.batch for chunk in chunks if chunk.state == "failed"), default=None)
        failed, later = np.empty(0, np.int64), np.empty(0, np.int64)
        batches = {chunk.batch for chunk in chunks if oldest is not None and chunk.batch >= oldest}
        for batch in sorted(batches, reverse=True):
            lost, done = ([c for c in chunks if c.batch == batch and c.state == state] for state in ("failed", "done"))
            failed = unique(failed, without(self._union(lost).to_numpy(), later))
            later = unique(later, self._union(done).to_numpy())
        return pa.array(failed)

    def asked_parts(self, type: JobType) -> Iterator[IdArray]:
        """The IDs that have an answer, some of them at a time, so that all of them need not be in memory.

        Those of each question are sorted; an ID that was asked twice comes twice.
        """
        for chunks in self._done_batches(type):
            for chunk in chunks:
                yield from self._files.parts_of_ids(chunk.id)

    def results(self, type: JobType | None = None) -> pa.Table:
        """The flagged IDs as a table (:data:`compliance_frames.schemas.RESULTS`), sorted by type and ID.

        For each ID its newest answer holds: one that was flagged once and is clear now is no row.
        """
        return in_one(self.result_batches(type))

    def result_batches(self, type: JobType | None = None) -> Iterator[pa.Table]:
        """The same rows as of :meth:`results`, some of them at a time, so that all of them need not be in memory.

        Those of each question are sorted; the newest question comes first.
        """
        kinds: list[JobType] = ["tweets", "users"] if type is None else [type]
        for kind in kinds:
            later: list[ChunkRow] = []
            for chunks in self._done_batches(kind):
                for chunk in chunks:
                    yield from self._not_asked_again(chunk, later)
                later += chunks

    def came_back(self, type: JobType | None = None) -> pa.Table:
        """The IDs that were flagged once and are clear in their newest answer, as a table (``schemas.CAME_BACK``).

        One that was flagged, clear and is flagged again is none. The originals decide: a cleaned copy that is made from
        them has such tweets again; a copy that was cleaned before cannot get them back.
        """
        kinds: list[JobType] = ["tweets", "users"] if type is None else [type]
        parts = [part for kind in kinds for part in came_back(list(self._done_batches(kind)), self._files)]
        return with_sorted_words(pa.concat_tables(parts)) if parts else CAME_BACK.empty_table()

    @property
    def spill_folder(self) -> Path:
        """On whose disk IDs of this ledger are put down that are too many for the memory.

        It is that of ``TMPDIR`` where that is set. Or else the ledger's own, which holds as much already; directories
        for temporary files are often in memory themselves.
        """
        told = os.environ.get("TMPDIR")
        if told or not os.access(self.path, os.W_OK):
            return Path(told or tempfile.gettempdir())
        return self.path

    def ids_of(self, chunk: ChunkRow) -> pa.Int64Array:
        """The IDs of a chunk, sorted."""
        return self._files.ids(chunk.id)

    def digest_key(self, *, make: bool) -> bytes | None:
        """A random key that never leaves the ledger: with it, a digest of IDs tells nothing to those without it.

        Args:
            make: make it where there is none yet, also in a ledger that was opened for reading.

        Raises:
            LedgerError: it cannot be read or written.
        """
        return self._files.digest_key(make=make)

    def session_file(self, chunk: ChunkRow) -> Path:
        """Where the resumable upload of a chunk's present job keeps its session."""
        return self._files.session(chunk.id, chunk.attempts)

    def download_file(self, chunk: ChunkRow) -> Path:
        """Where a chunk's results are downloaded to before they are read."""
        return self._files.download(chunk.id)

    # What it is told.

    def add(self, type: JobType, ids: pa.Int64Array | Iterable[pa.Int64Array], *, chunk_size: int) -> int:
        """Plan sorted unique IDs as chunks of a new batch; how many chunks there are.

        The IDs are on the disk before the ledger speaks of them, and all of a batch are planned or none. They may come
        in parts, in their order, and are then never in memory all at once.
        """
        parts = [ids] if isinstance(ids, pa.Array) else ids
        with self._turn, trouble_told(self.path):
            batch = 1 + int(self._select("SELECT coalesce(max(batch), 0) FROM chunks")[0][0])
            return self._insert(type, batch, split(parts, chunk_size))

    def advance(self, chunk: ChunkRow, state: State, **fields: Any) -> ChunkRow:
        """Write a chunk's next state down, durably; the chunk as it stands then.

        The audit events ``compliance_frames.advance`` and ``.advanced`` (chunk, state) are raised before and after.

        Raises:
            LedgerError: the state does not follow the present one.
        """
        if state not in FOLLOWS[chunk.state]:
            raise LedgerError(f"Chunk {chunk.id} is {chunk.state}; {state} does not follow.")
        values = {"state": state, "changed_at": now(), **fields}
        names = ", ".join(f"{name} = ?" for name in values)
        sys.audit("compliance_frames.advance", chunk.id, state)
        with self._turn, self._writing() as database:
            database.execute(f"UPDATE chunks SET {names} WHERE id = ?", (*map(stored, values.values()), chunk.id))  # noqa: S608
        sys.audit("compliance_frames.advanced", chunk.id, state)
        if chunk.state == "uploading":  # a session is a credential
            self.session_file(chunk).unlink(missing_ok=True)
        return self.chunk(chunk.id)

    def finish(self, chunk: ChunkRow, results: pa.Table, checked_at: datetime) -> ChunkRow:
        """Keep a chunk's results, then write down that it is done."""
        with trouble_told(self.path):
            self._files.write_results(chunk.id, results)
        self.download_file(chunk).unlink(missing_ok=True)
        return self.advance(
            chunk, "done", flagged=pc.count_distinct(results.column("id")).as_py(), checked_at=checked_at, error=None
        )

    def halve(self, chunk: ChunkRow, error: str) -> None:
        """Put two chunks of half the size in a chunk's place."""
        ids = self.ids_of(chunk)
        middle = len(ids) // 2
        with self._turn, trouble_told(self.path):
            self._insert(chunk.type, chunk.batch, [ids.slice(0, middle), ids.slice(middle)], instead_of=(chunk, error))

    # How.

    def _insert(
        self, type: JobType, batch: int, parts: Iterable[pa.Int64Array], instead_of: tuple[ChunkRow, str] | None = None
    ) -> int:
        first = 1 + int(self._select("SELECT coalesce(max(id), 0) FROM chunks")[0][0])
        rows = []
        for id, part in enumerate(parts, start=first):
            self._files.write_ids(id, part)
            about = describe(part)
            tried = 0 if instead_of is None else 1  # a half of what failed twice is not asked twice before it is halved
            rows.append((id, batch, type, *astuple(about), tried, now(), now()))
        with self._writing() as database:
            database.executemany(
                "INSERT INTO chunks (state, id, batch, type, ids, first_id, last_id, bytes, sha256, failures,"
                " created_at, changed_at)"
                " VALUES ('planned', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
            if instead_of is not None:
                chunk, error = instead_of
                database.execute(
                    "UPDATE chunks SET state = 'split', error = ?, changed_at = ? WHERE id = ?",
                    (error, now(), chunk.id),
                )
        return len(rows)

    @property
    def name(self) -> str:
        """A short name that no other ledger has; it begins the names of this one's jobs."""
        return str(self._select("SELECT name FROM ledger")[0][0])

    def _done_batches(self, type: JobType) -> Iterator[list[ChunkRow]]:
        """The chunks that are done of each batch, the newest batch first, the smallest IDs first."""
        done = [chunk for chunk in self.chunks(type) if chunk.state == "done"]
        for batch in sorted({chunk.batch for chunk in done}, reverse=True):
            yield sorted((chunk for chunk in done if chunk.batch == batch), key=lambda chunk: chunk.first_id)

    def _not_asked_again(self, chunk: ChunkRow, later: list[ChunkRow]) -> Iterator[pa.Table]:
        """The results of a chunk, without the IDs that later ones have asked again."""
        again = [each for each in later if each.first_id <= chunk.last_id and each.last_id >= chunk.first_id]
        for table in self._files.parts_of_results(chunk.id):
            ids = unique(table.column("id").to_numpy())
            found = unique(*(self._files.among(each.id, ids) for each in again))
            yield table.filter(pa.array(~is_in(table.column("id").to_numpy(), found))) if len(found) else table

    def _union(self, chunks: list[ChunkRow], between: tuple[int, int] | None = None) -> pa.Int64Array:
        first, last = between or (0, 2**63 - 1)
        arrays = []
        for chunk in chunks:
            if chunk.first_id <= last and chunk.last_id >= first:
                ids = self.ids_of(chunk).to_numpy()
                arrays.append(ids[np.searchsorted(ids, first) : np.searchsorted(ids, last, side="right")])
        return pa.array(unique(*arrays))

    def _select(self, statement: str, *values: Any) -> list[sqlite3.Row]:
        with self._turn, self._connection() as database:
            return database.execute(statement, values).fetchall()

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """The writer's connection, or one of this reader's own for as long as it takes."""
        if self._lock is None:
            with reading(self.path) as database:
                yield database
            return
        if self._database is None:
            raise LedgerError(f"The ledger {self.path} is closed.")
        with damage_told(self.path):
            yield self._database

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, on the disk when it ends."""
        if self._lock is None:
            raise LedgerError(f"The ledger {self.path} was opened for reading.")
        with self._connection() as database, database:
            yield database


def lock_path(folder: Path) -> Path:
    """The file whose lock the writer of a ledger holds."""
    return folder / "lock"


def _is_begun(folder: Path) -> bool:
    """Whether a directory is empty, or what a process left that was killed before it had made the database."""
    begun = {"lock", "chunks", "results", "sessions"}
    return folder.is_dir() and {path.name for path in folder.iterdir()} <= begun


def _make(folder: Path) -> None:
    """Make a ledger's directory, where there is nothing yet or what a killed process began.

    Raises:
        LedgerError: something else is there.
    """
    if folder.exists() and not is_ledger(folder) and not _is_begun(folder):
        raise LedgerError(f"{folder} exists and is no ledger. Name a new directory, or the ledger you mean.")
    make_parents(folder)
    is_new = not folder.exists()
    make_private_directory(folder)
    if is_new:
        sync_directory(folder.parent)
