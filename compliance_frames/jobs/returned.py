"""Content that came back: IDs that were flagged once, and are clear in the newest answer.

People restore their accounts, and take protection off again. A cleaned copy that is made from the originals has such
tweets again; a copy that was cleaned once cannot get them back.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from compliance_frames.ids.sets import IdArray, is_in, unique
from compliance_frames.jobs.chunk import ChunkRow
from compliance_frames.jobs.files import Files
from compliance_frames.schemas import CAME_BACK


def came_back(batches: list[list[ChunkRow]], files: Files) -> Iterator[pa.Table]:
    """The IDs of some questions that came back, some at a time (:data:`compliance_frames.schemas.CAME_BACK`).

    Args:
        batches: the chunks that are done of each question of one type, the newest question first.
        files: where their IDs and results lie.
    """
    later: list[ChunkRow] = []
    for chunks in batches:
        for chunk in chunks:
            near = [each for each in later if each.first_id <= chunk.last_id and each.last_id >= chunk.first_id]
            still = unique(*(_flagged(each, files) for each in near))
            for table in files.parts_of_results(chunk.id) if near else ():
                yield from _cleared(table, near, still, files)
        later += chunks


def _cleared(table: pa.Table, later: list[ChunkRow], still: IdArray, files: Files) -> Iterator[pa.Table]:
    """Rows of a table of results that were asked about later, and not flagged then; newer chunks come first."""
    ids = table.column("id").to_numpy()
    among = unique(ids)
    again = unique(*(files.among(chunk.id, among) for chunk in later))
    if not len(again):
        return
    rows = table.filter(pa.array(is_in(ids, again) & ~is_in(ids, still)))
    if rows.num_rows:
        columns = [rows.column(name) for name in ("type", "id", "reason", "checked_at")]
        times = pa.array(_times(rows.column("id").to_numpy(), later, files), CAME_BACK.field("cleared_at").type)
        yield pa.Table.from_arrays([*columns, times], names=CAME_BACK.names).cast(CAME_BACK)


def _times(ids: IdArray, later: list[ChunkRow], files: Files) -> list[Any]:
    """As of when the newest answer for each of some IDs holds."""
    newest, among = np.empty(len(ids), object), unique(ids)
    for chunk in reversed(later):
        newest[is_in(ids, files.among(chunk.id, among))] = chunk.checked_at
    return list(newest)


def _flagged(chunk: ChunkRow, files: Files) -> IdArray:
    return unique(*(table.column("id").to_numpy() for table in files.parts_of_results(chunk.id)))
