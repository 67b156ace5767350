"""The files of a ledger beside its database: the IDs of each chunk, its results, and what is under way."""

from __future__ import annotations

import io
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from compliance_frames.durable import make_private_directory, sync_directory, write_private, write_private_once
from compliance_frames.errors import LedgerError
from compliance_frames.ids.sets import IdArray, is_in
from compliance_frames.schemas import RESULTS

_FOLDERS: Final = ("chunks", "results", "sessions")
_KEY_BYTES: Final = 32

#: Results that are in memory at a time, where they are gone through: some 15 MB of them.
_PIECE: Final = 1 << 18


class Files:
    """Where the files of a ledger lie. Each is there whole or not at all, and only its owner can read it.

    Args:
        folder: the ledger.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def make(self) -> None:
        """Make the directories, where they are not there yet."""
        new = [name for name in _FOLDERS if not (self._folder / name).is_dir()]
        for name in _FOLDERS:
            make_private_directory(self._folder / name)
        if new:
            sync_directory(self._folder)

    def session(self, chunk: int, attempt: int) -> Path:
        """Where the resumable upload of a chunk's present job keeps its session."""
        return self._folder / "sessions" / f"{chunk}-{attempt}.json"

    def download(self, chunk: int) -> Path:
        """Where a chunk's results are downloaded to before they are read."""
        return self._folder / "results" / f"{chunk}.jsonl"

    def ids(self, chunk: int) -> pa.Int64Array:
        """The IDs of a chunk, sorted.

        Raises:
            LedgerError: they cannot be read.
        """
        with self._told(f"the IDs of chunk {chunk} cannot be read"), _opened(self._ids(chunk)) as file:
            ids = file.read().column("id").combine_chunks()
        return ids.chunk(0) if isinstance(ids, pa.ChunkedArray) else ids

    def results(self, chunk: int) -> pa.Table:
        """The results of a chunk.

        Raises:
            LedgerError: they cannot be read.
        """
        with self._told(f"the results of chunk {chunk} are missing"), _opened(self._results(chunk)) as file:
            return file.read().cast(RESULTS)

    def digest_key(self, *, make: bool) -> bytes | None:
        """The key to digests of IDs; made at random where there is none, if so told.

        Raises:
            LedgerError: it cannot be read, or is not whole.
        """
        path = self._folder / "digest.key"
        with self._told("the key of its digests cannot be read"):
            if make and not path.exists():
                with suppress(FileExistsError):  # another process was quicker: its key is as good
                    write_private_once(path, secrets.token_bytes(_KEY_BYTES))
            key = path.read_bytes() if path.exists() else None
        if key is not None and len(key) != _KEY_BYTES:
            raise LedgerError(f"The ledger {self._folder} is damaged: the key of its digests is not whole.")
        return key

    def parts_of_ids(self, chunk: int) -> Iterator[IdArray]:
        """The IDs of a chunk, sorted, some of them at a time.

        Raises:
            LedgerError: they cannot be read.
        """
        with self._told(f"the IDs of chunk {chunk} cannot be read"), _opened(self._ids(chunk)) as file:
            for batch in file.iter_batches(_PIECE, use_threads=False):
                yield np.asarray(batch.column(0).to_numpy())

    def among(self, chunk: int, ids: IdArray) -> IdArray:
        """Those of some sorted IDs that a chunk holds; of its own it reads no more than where they could lie.

        Raises:
            LedgerError: they cannot be read.
        """
        found = [np.empty(0, np.int64)]
        with self._told(f"the IDs of chunk {chunk} cannot be read"), _opened(self._ids(chunk)) as file:
            for number in range(file.num_row_groups):
                known = file.metadata.row_group(number).column(0).statistics
                near = ids[np.searchsorted(ids, known.min) : np.searchsorted(ids, known.max, side="right")]
                if len(near):
                    found.append(near[is_in(near, _ids(file, number))])
        return np.concatenate(found)

    def parts_of_results(self, chunk: int) -> Iterator[pa.Table]:
        """The results of a chunk, some of them at a time.

        Raises:
            LedgerError: they cannot be read.
        """
        with self._told(f"the results of chunk {chunk} are missing"), _opened(self._results(chunk)) as file:
            for batch in file.iter_batches(_PIECE, use_threads=False):
                yield pa.Table.from_batches([batch]).cast(RESULTS)

    def write_ids(self, chunk: int, ids: pa.Int64Array) -> None:
        """Keep the IDs of a chunk."""
        _write_parquet(self._ids(chunk), pa.table({"id": ids}))

    def write_results(self, chunk: int, results: pa.Table) -> None:
        """Keep the results of a chunk."""
        _write_parquet(self._results(chunk), results)

    def sweep(self, known: Iterable[tuple[int, str, int]]) -> None:
        """Take away what a process left that ended in the middle of something.

        Args:
            known: number, state and attempts of every chunk.
        """
        wanted: set[Path] = set()
        for chunk, state, attempt in known:
            wanted.add(self._ids(chunk))
            if state == "done":
                wanted.add(self._results(chunk))
            elif state == "uploading":
                wanted.add(self.session(chunk, attempt))
            elif state == "downloading":
                wanted |= {self.download(chunk).with_suffix(suffix) for suffix in (".jsonl.part", ".jsonl.etag")}
        for name in _FOLDERS:
            for path in (self._folder / name).iterdir():
                if path not in wanted:
                    path.unlink()

    def _ids(self, chunk: int) -> Path:
        return self._folder / "chunks" / f"{chunk}.parquet"

    def _results(self, chunk: int) -> Path:
        return self._folder / "results" / f"{chunk}.parquet"

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except (OSError, pa.ArrowException) as error:
            raise LedgerError(f"The ledger {self._folder} is damaged: {what}.") from error


@contextmanager
def trouble_told(folder: Path) -> Iterator[None]:
    """Say of a disk that is full, or of a file that may not be written, what it means for the ledger.

    >>> with trouble_told(Path("my.ledger")):
    ...     raise OSError(28, "No space left on device")
    Traceback (most recent call last):
    compliance_frames.errors.LedgerError: The ledger my.ledger cannot be written: No space left on device. ...
    """
    try:
        yield
    except OSError as error:
        raise LedgerError(
            f"The ledger {folder} cannot be written: {error.strerror or error}. Make room there or give permission, "
            "then run again: what was reached is kept, and it goes on."
        ) from error


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    with pa.OSFile(os.fsencode(path), "rb") as handle:
        yield pq.ParquetFile(handle, pre_buffer=False)  # which would read more of it than is wanted now


def _ids(file: pq.ParquetFile, group: int) -> IdArray:
    return np.asarray(file.read_row_group(group, columns=["id"], use_threads=False).column("id").to_numpy())


def _write_parquet(path: Path, table: pa.Table) -> None:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    write_private(path, buffer.getvalue())
