"""Take what was flagged out of a table, and say exactly how much that was."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt
from numpy.typing import NDArray

from compliance_frames.corpus.arrays import Mask, kept, kept_to_write, nulled
from compliance_frames.corpus.columns import Columns, column_at, is_retweet, steps_to
from compliance_frames.corpus.embedded import (
    embedded_to_erase,
    must_be_nullable,
    must_lose_tweets,
    text_to_erase,
    with_column,
    without_embedded,
)
from compliance_frames.corpus.erasures import Erasures as Erasures
from compliance_frames.corpus.idcolumns import ids_at, member, valid
from compliance_frames.corpus.kinds import Cells, Kinds, digest_of, kinds_of
from compliance_frames.corpus.paths import wrapper_of
from compliance_frames.corpus.references import retweets_by_look
from compliance_frames.corpus.repeating import repeat_what_goes
from compliance_frames.corpus.texts import is_beside, is_read, names_others
from compliance_frames.corpus.within import bare_type, lists_on_the_way
from compliance_frames.errors import PlanError, UncheckedIdsError


@dataclass(frozen=True)
class Counts:
    """How many rows came, stayed, went and changed; counts add up with ``+``.

    Attributes:
        rows_in: rows before.
        rows_kept: rows after; ``rows_in = rows_kept + rows_dropped``.
        rows_dropped: rows taken out, those taken out for being unchecked among them.
        rows_scrubbed: kept rows that had a place to null. A row that has none already is not touched, not counted.
        rows_unchecked: rows of tweets that were never asked, or without an ID, which no result drops anyway.
        cells_nulled: tweets of others that were taken out of kept rows, and places of those that had one; of a flat
            table, each of its columns that held something of another tweet.
        kinds: the same by why rows went, and what the cells held.
    """

    rows_in: int = 0
    rows_kept: int = 0
    rows_dropped: int = 0
    rows_scrubbed: int = 0
    rows_unchecked: int = 0
    cells_nulled: int = 0
    kinds: Kinds = field(default=Kinds(), compare=False)

    def __add__(self, other: Counts) -> Counts:
        mine, theirs = vars(self), vars(other)
        return Counts(**{name: number + theirs[name] for name, number in mine.items()})

    @property
    def touched(self) -> bool:
        """Whether anything at all has to change."""
        return bool(self.rows_dropped or self.rows_scrubbed or self.cells_nulled)


@dataclass(frozen=True, eq=False)
class Masks:
    """What happens to each row of a table; one entry for each row.

    Attributes:
        drop: the row goes.
        scrub: the row stays, and has a place that goes.
        unchecked: nobody asked about the row's tweet, and no result drops it.
        embedded: path of embedded tweets to how many cells of it go in each row.
        dropped: how many rows go for which reason, as :class:`Kinds` calls them.
        cells: the same as ``embedded``, by what is in them.
    """

    drop: Mask
    scrub: Mask
    unchecked: Mask
    embedded: dict[str, NDArray[np.int64]]
    dropped: dict[str, int] = field(default_factory=dict)
    cells: dict[str, Cells] = field(default_factory=dict)

    @property
    def digest(self) -> bytes | None:
        """A digest of what goes: see :func:`~compliance_frames.corpus.kinds.digest_of`."""
        return digest_of(self.drop, self.scrub, self.cells)

    @property
    def counts(self) -> Counts:
        """The sums of it all; embedded tweets in rows that go are not counted."""
        dropped = int(self.drop.sum())
        cells = sum(int(cells[~self.drop].sum()) for cells in self.embedded.values())
        return Counts(
            rows_in=len(self.drop),
            rows_kept=len(self.drop) - dropped,
            rows_dropped=dropped,
            rows_scrubbed=int(self.scrub.sum()),
            rows_unchecked=int(self.unchecked.sum()),
            cells_nulled=cells,
            kinds=kinds_of(self.dropped, self.drop, self.cells),
        )


def masks(table: pa.Table, columns: Columns, erasures: Erasures, *, places: pa.Table | None = None) -> Masks:
    """Decide for each row of a table.

    Args:
        table: holds at least the ID columns of ``columns`` and, unless ``places`` does, those of places.
        columns: what :func:`~compliance_frames.corpus.columns.find_columns` found in the whole schema.
        erasures: what to erase.
        places: the columns of places of the same rows, where ``table`` does not hold them.

    Raises:
        IdError: an ID column holds something else.
        PlanError: a place has to go and no column of places is known, or the schema leaves no way to erase.

    >>> table = pa.table({"id": [1, 2], "geo": ["Berlin", "Oslo"]})
    >>> masks(table, Columns("id", geo=("geo",)), Erasures(drop_tweets=np.array([2]))).drop
    array([False,  True])
    """
    found = hits(table, columns, erasures)
    return located(found, places if places is not None else table, columns) if found.scrub.any() else found


def hits(table: pa.Table, columns: Columns, erasures: Erasures, *, first_row: int = 0) -> Masks:
    """Decide for each row by its IDs alone: ``scrub`` may hold rows that have no place to null.

    ``first_row`` is where the table begins in its file, for the row number of an ``IdError``.

    >>> hits(pa.table({"id": [1, 2]}), Columns("id"), Erasures(scrub_tweets=np.array([2]))).scrub
    array([False,  True])
    """
    ids = ids_at(table, columns.id, first_row=first_row)
    drop, scrub = member(ids, erasures.drop_tweets), member(ids, erasures.scrub_tweets)
    by_author = np.zeros(len(table), bool)
    if columns.author_id is not None and (len(erasures.drop_authors) or len(erasures.scrub_authors)):
        authors = ids_at(table, columns.author_id, first_row=first_row)
        by_author = member(authors, erasures.drop_authors)
        drop |= by_author
        scrub |= member(authors, erasures.scrub_authors)
    dropped = {"dropped_by_author": int(by_author.sum()), "dropped_own": int((drop & ~by_author).sum())}
    for path in columns.references:
        drop |= repeat_what_goes(table, path, wrapper_of(table.schema, columns.id), erasures)
    repeated, embedded = _others(table, columns, ids, erasures)
    drop |= repeated
    asked = erasures.asked_tweets
    unchecked = np.zeros(len(table), bool) if asked is None else ~member(ids, asked) & ~drop
    dropped["dropped_retweets"] = int(drop.sum()) - sum(dropped.values())
    if erasures.unchecked == "drop":
        drop = drop | unchecked
        dropped["dropped_unchecked"] = int(unchecked.sum())
    for path, (gone, _) in embedded.items():
        if gone[~drop].any():
            must_lose_tweets(table.schema, path)
    lost = {path: Cells.of(table.schema, path, *some) for path, some in embedded.items() if np.any(some)}
    both = {path: gone + bare for path, (gone, bare) in embedded.items()}
    return Masks(drop, scrub & ~drop, unchecked, both, dropped, lost)


def _others(
    table: pa.Table, columns: Columns, ids: Any, erasures: Erasures
) -> tuple[Mask, dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]]]:
    """Rows that repeat an embedded tweet which goes; what goes of each embedded column, the outermost ones first.

    Whether a tweet goes with one inside of it can be seen as long as that one is there.
    """
    repeated, inside = np.zeros(len(table), bool), wrapper_of(table.schema, columns.id)
    paths = sorted(columns.embedded, key=len)
    embedded = {path: embedded_to_erase(table, path, erasures, paths) for path in paths}
    for path in paths:
        if is_read(table.schema, path):
            look = retweets_by_look(table, inside) if names_others(path) and is_beside(path) else None
            repeats, cells = text_to_erase(table, path, ids, erasures, look)
            repeated |= repeats
            embedded[path] = (np.maximum(embedded[path][0], cells), embedded[path][1])
    for path, (gone, _) in embedded.items():
        one = is_retweet(path) and not lists_on_the_way(table.schema, path)
        if one and pt.is_struct(bare_type(table.schema, path)):
            repeated |= gone > 0
    return repeated, embedded


def located(found: Masks, places: pa.Table, columns: Columns) -> Masks:
    """The same decisions, with rows to scrub only where there is a place to null.

    Raises:
        PlanError: no column of places is known.

    >>> found = Masks(np.array([False]), np.array([True]), np.array([False]), {})
    >>> located(found, pa.table({"geo": pa.nulls(1)}), Columns("id", geo=("geo",))).scrub
    array([False])
    """
    if columns.geo is None:
        rows = int(found.scrub.sum())
        raise PlanError(
            f"{rows:,} row{'s must lose their' if rows != 1 else ' must lose its'} place (scrub_geo), and no column of "
            'places was found; name them with geo=["…"] (--geo COLUMN), or say with geo=[] (--no-geo) that no file has '
            "any: then all keep theirs"
        )
    some = (valid(column_at(places, path)) for path in columns.geo)
    placed = reduce(np.logical_or, some, np.zeros(len(found.scrub), bool))
    scrub = found.scrub & placed
    for path in columns.geo if scrub.any() else ():
        must_be_nullable(places.schema, path)
    return dataclasses.replace(found, scrub=scrub)


def erase(table: pa.Table, columns: Columns, erasures: Erasures) -> tuple[pa.Table, Counts]:
    """A table without what was flagged: rows dropped, places nulled, tweets of others inside rows taken out.

    Order, schema, nullability and metadata stay. An embedded tweet in a struct becomes null; one in a list is
    taken out of the list. Dictionaries are reduced to the values still in use, so that nothing that was erased
    stays in a buffer of a column that changed. A table with nothing to erase comes back as it is.

    Raises:
        IdError: an ID column holds something else.
        PlanError: a place has to go and no column of places is known, or the column must not be null.
        UncheckedIdsError: a row was never asked, and ``erasures.unchecked`` is ``"error"``.

    >>> table = pa.table({"id": [1, 2], "geo": ["Berlin", "Oslo"]})
    >>> clean, counts = erase(table, Columns("id", geo=("geo",)), Erasures(scrub_tweets=np.array([2])))
    >>> clean.to_pydict(), counts.rows_scrubbed
    ({'id': [1, 2], 'geo': ['Berlin', None]}, 1)
    """
    return erase_from([table], columns, erasures)


def erase_from(
    held: list[pa.Table], columns: Columns, erasures: Erasures, *, to_write: bool = False
) -> tuple[pa.Table, Counts]:
    """What :func:`erase` does with a table that nobody else needs: each column is freed when what stays is copied.

    Args:
        held: the table and nothing else; it is taken out of the list.
        columns: as for ``erase``.
        erasures: as for ``erase``.
        to_write: whether all that happens to the table is that it is written: then long text that stays may lie where
            it lay, with what goes in the same buffer.

    >>> held = [pa.table({"id": [1, 2]})]
    >>> erase_from(held, Columns("id"), Erasures(drop_tweets=np.array([2])))[0].to_pydict(), held
    ({'id': [1]}, [])
    """
    table = held.pop()
    found = masks(table, columns, erasures)
    counts = found.counts
    if erasures.unchecked == "error" and counts.rows_unchecked:
        raise UncheckedIdsError(unchecked_message(counts.rows_unchecked, files=None))
    if not counts.touched:
        return table, counts
    schema, left, stay = table.schema, table.columns[::-1], kept_to_write if to_write else kept
    del table
    staying: list[Any] = []
    while left:
        staying.append(stay(left.pop(), ~found.drop) if counts.rows_dropped else left.pop())
    made = pa.Table.from_arrays(staying, schema=schema)
    if counts.rows_scrubbed:
        made = without_places(made, columns, found.scrub[~found.drop])
    for path, cells in found.embedded.items():
        if cells[~found.drop].any():
            made = without_embedded(made, path, erasures, columns.embedded, where=cells[~found.drop] > 0)
    return made, counts


def without_places(table: pa.Table, columns: Columns, where: Mask) -> pa.Table:
    """The table with every column of places nulled in some rows.

    >>> without_places(pa.table({"geo": ["Oslo"]}), Columns("id", geo=("geo",)), np.array([True])).to_pydict()
    {'geo': [None]}
    """
    for path in columns.geo or ():
        steps = steps_to(table.schema, path)
        assert steps is not None
        table = with_column(table, steps[0], nulled(table.column(steps[0]), steps[1:], where))
    return table


def unchecked_message(rows: int, *, files: int | None) -> str:
    """How many rows were never asked, and the calls that settle it.

    >>> unchecked_message(1, files=2)[:44]
    '1 row in 2 files holds a tweet ID that was n'
    """
    where = "" if files is None else f" in {files:,} file{'s' * (files != 1)}"
    return (
        f"{rows:,} row{'s' * (rows != 1)}{where} {'holds' if rows == 1 else 'hold'} a tweet ID that was never asked "
        'about, or none: ask with check(…, "tweets", ledger=…), or settle it with unchecked="keep" or '
        'unchecked="drop" (command line: --unchecked keep)'
    )
