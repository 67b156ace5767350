"""What only the source of a dataset can tell: whether it is still the one, and whose the tweets were that went."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from compliance_frames.corpus.manifest import FileRecord, Manifest
from compliance_frames.proof.cells import ids_in
from compliance_frames.proof.erased import Erased, IdArray
from compliance_frames.proof.inventory import file_problem
from compliance_frames.proof.raw import authorship as raw_authorship
from compliance_frames.proof.rescan import authored, pairs
from compliance_frames.proof.roles import Layout


def source_problems(source: Path, manifest: Manifest) -> Iterator[str]:
    """Where the source is not the one that the manifest tells of: a sentence for each file."""
    for record in manifest.files:
        path = _path(source, record)
        problem = file_problem(path, record.path, size=record.source_bytes, sha256=record.source_sha256, whose="source")
        if problem is None and record.rows_in is not None and record.raw is None:
            with path.open("rb") as file:
                rows = pq.ParquetFile(file).metadata.num_rows
            if rows != record.rows_in:
                problem = f"{record.path}: the source file has {rows:,} rows, and {record.rows_in:,} by the manifest"
        if problem is not None:
            yield problem


def tweets_of_authors(source: Path, manifest: Manifest, erased: Erased) -> IdArray:
    """The tweets, in the source, of authors of whom nothing may be left: others may repeat them, by their IDs alone."""
    if not len(erased.drop_authors):
        return np.empty(0, np.int64)
    batches = (batch for record in manifest.files for batch in authorship(source, manifest, record))
    return authored(batches, erased.drop_authors)


def authorship(root: Path, manifest: Manifest, record: FileRecord) -> Iterator[pa.RecordBatch]:
    """The tweets of a file's rows and their authors, as :func:`~compliance_frames.proof.rescan.authored` wants them."""
    path = _path(root, record)
    columns = None if record.columns is None else manifest.columns_of(record)
    if columns is None or columns.author_id is None or not path.is_file():
        return
    if record.raw is not None:
        yield from raw_authorship(path, record, columns)
        return
    with path.open("rb") as stream, pq.ParquetFile(stream, pre_buffer=False) as file:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, columns=[columns.id, columns.author_id])
            for batch in table.to_batches():
                yield from _pairs(batch, Layout(columns))


def _pairs(batch: pa.RecordBatch, layout: Layout) -> Iterator[pa.RecordBatch]:
    found = list(ids_in(batch, layout))
    tweets = [ids for ids in found if ids.primary]
    authors = [ids for ids in found if ids.role == "author"]
    yield from (pairs(tweet.values, author.values) for tweet in tweets for author in authors)


def _path(source: Path, record: FileRecord) -> Path:
    return source if source.is_file() else source / record.path
