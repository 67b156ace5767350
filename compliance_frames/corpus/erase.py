"""Take what was flagged out of a table, and say exactly how much that was."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from numpy.typing import NDArray

from compliance_frames.corpus.arrays import Mask, edited, elements_kept, kept, nulled, words
from compliance_frames.corpus.columns import (
    Columns,
    author_in,
    column_at,
    field_at,
    geo_in,
    id_in,
    is_list,
    is_retweet,
    is_text,
    steps_to,
)
from compliance_frames.corpus.erasures import Erasures as Erasures
from compliance_frames.corpus.flat import Beside, beside_content, beside_reference
from compliance_frames.corpus.kinds import Cells, Kinds, digest_of, kinds_of
from compliance_frames.corpus.paths import wrapper_of
from compliance_frames.corpus.texts import is_read, judged
from compliance_frames.errors import PlanError, UncheckedIdsError
from compliance_frames.ids.parse import parse_ids
from compliance_frames.ids.slices import IdSet, is_in


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
    drop, scrub = _member(ids, erasures.drop_tweets), _member(ids, erasures.scrub_tweets)
    by_author = np.zeros(len(table), bool)
    if columns.author_id is not None and (len(erasures.drop_authors) or len(erasures.scrub_authors)):
        authors = ids_at(table, columns.author_id, first_row=first_row)
        by_author = _member(authors, erasures.drop_authors)
        drop |= by_author
        scrub |= _member(authors, erasures.scrub_authors)
    dropped = {"dropped_by_author": int(by_author.sum()), "dropped_own": int((drop & ~by_author).sum())}
    for path in columns.references:
        drop |= _retweets(table, path, columns, erasures)
    embedded = {path: _embedded(table, path, erasures) for path in columns.embedded}
    for path in columns.embedded:
        if is_read(table.schema, path):
            repeats, cells = judged(column_at(table, path), path, ids, erasures)
            drop |= repeats
            embedded[path] = (np.maximum(embedded[path][0], cells), embedded[path][1])
    for path, (gone, _) in embedded.items():
        if is_retweet(path) and pt.is_struct(_type_at(table.schema, path)):
            drop |= gone > 0
    asked = erasures.asked_tweets
    unchecked = np.zeros(len(table), bool) if asked is None else ~_member(ids, asked) & ~drop
    dropped["dropped_retweets"] = int(drop.sum()) - sum(dropped.values())
    if erasures.unchecked == "drop":
        drop = drop | unchecked
        dropped["dropped_unchecked"] = int(unchecked.sum())
    for path, (gone, _) in embedded.items():
        if gone[~drop].any():
            _must_lose_tweets(table.schema, path)
    lost = {path: Cells.of(table.schema, path, *some) for path, some in embedded.items() if np.any(some)}
    both = {path: gone + bare for path, (gone, bare) in embedded.items()}
    return Masks(drop, scrub & ~drop, unchecked, both, dropped, lost)


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
            f"{rows:,} row{'s' * (rows != 1)} must lose their place (scrub_geo), and no column of places was found; "
            'name them with geo=["…"], or say that there are none with geo=[] (command line: --geo COLUMN)'
        )
    some = (_valid(column_at(places, path)) for path in columns.geo)
    placed = reduce(np.logical_or, some, np.zeros(len(found.scrub), bool))
    scrub = found.scrub & placed
    for path in columns.geo if scrub.any() else ():
        _must_be_nullable(places.schema, path)
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


def erase_from(held: list[pa.Table], columns: Columns, erasures: Erasures) -> tuple[pa.Table, Counts]:
    """What :func:`erase` does with a table that nobody else needs: each column is freed when what stays is copied.

    Args:
        held: the table and nothing else; it is taken out of the list.
        columns: as for ``erase``.
        erasures: as for ``erase``.

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
    schema, left = table.schema, table.columns[::-1]
    del table
    staying: list[Any] = []
    while left:
        staying.append(kept(left.pop(), ~found.drop) if counts.rows_dropped else left.pop())
    made = pa.Table.from_arrays(staying, schema=schema)
    if counts.rows_scrubbed:
        made = without_places(made, columns, found.scrub[~found.drop])
    for path, cells in found.embedded.items():
        if cells[~found.drop].any():
            made = without_embedded(made, path, erasures, where=cells[~found.drop] > 0)
    return made, counts


def without_places(table: pa.Table, columns: Columns, where: Mask) -> pa.Table:
    """The table with every column of places nulled in some rows.

    >>> without_places(pa.table({"geo": ["Oslo"]}), Columns("id", geo=("geo",)), np.array([True])).to_pydict()
    {'geo': [None]}
    """
    for path in columns.geo or ():
        steps = steps_to(table.schema, path)
        assert steps is not None
        table = _with_column(table, steps[0], nulled(table.column(steps[0]), steps[1:], where))
    return table


def without_embedded(table: pa.Table, path: str, erasures: Erasures, *, where: Mask | None = None) -> pa.Table:
    """The table with the embedded tweets at ``path`` taken out that are to be dropped, and places of those to scrub.

    Of a flat column the tweet's ID lies in another one: there, ``where`` says in which rows it is to be nulled.

    Raises:
        PlanError: a place inside of an embedded tweet is to be nulled where the schema allows no null.

    >>> quotes = pa.table({"quoted_status": [{"id": 7, "text": "hello"}, {"id": 8, "text": "world"}]})
    >>> without_embedded(quotes, "quoted_status", Erasures(drop_tweets=np.array([7]))).to_pylist()
    [{'quoted_status': None}, {'quoted_status': {'id': 8, 'text': 'world'}}]
    """
    steps = steps_to(table.schema, path)
    assert steps is not None
    if where is not None and not _holds_tweets(_type_at(table.schema, path)):
        return _with_column(table, steps[0], nulled(table.column(steps[0]), steps[1:], where))

    def edit(leaf: Any) -> Any:
        values = leaf.flatten() if is_list(leaf.type) else leaf
        gone, placed = _tweets_to_erase(values, erasures, path)
        for place in geo_in(values.type) if placed.any() else ():
            below = steps_to(pa.schema(list(values.type)), place)
            assert below is not None
            _must_be_nullable(pa.schema(list(values.type)), place, inside=f"{path}.")
            values = nulled(pa.chunked_array([values]), below, placed & ~gone).chunk(0)
        if is_list(leaf.type):
            return elements_kept(leaf, ~gone, values)
        return nulled(pa.chunked_array([values]), (), gone).chunk(0)

    column = table.column(steps[0])
    chunks = [edited(chunk, steps[1:], edit) for chunk in column.chunks]
    return _with_column(table, steps[0], pa.chunked_array(chunks, type=column.type))


def ids_at(table: pa.Table, path: str, *, column: str | None = None, first_row: int = 0) -> Any:
    """The IDs in a column, as int64, nulls kept; ``column`` is the name that an error tells, if not the path.

    Raises:
        IdError: the column holds something else.

    >>> ids_at(pa.table({"user": [{"id_str": "7"}]}), "user.id_str").to_pylist()
    [7]
    """
    values: Any = column_at(table, path)
    if pt.is_dictionary(values.type) and pt.is_string_view(values.type.value_type):
        values = words(values)  # no cast leads out of a dictionary of views
    return parse_ids(values, column=column or path, first_row=first_row)


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


def _bools(values: Any) -> Mask:
    mask: Mask = values.fill_null(False).to_numpy(zero_copy_only=False)
    return mask.astype(bool)


def _valid(values: Any) -> Mask:
    return _bools(values.is_valid())


def _member(values: Any, ids: IdSet) -> Mask:
    """Which values stand in a set of IDs; a null does not."""
    if not len(ids):
        return np.zeros(len(values), bool)
    return is_in(values.fill_null(0).to_numpy(zero_copy_only=False), ids) & _valid(values)


def _retweets(table: pa.Table, path: str, columns: Columns, erasures: Erasures) -> Mask:
    """Rows that repeat a tweet which is dropped, by their list of references or a flat ID of the original."""
    column = column_at(table, path)
    if is_list(column.type):
        return _rows(column, lambda values: _is_dropped_original(values, erasures, path)) > 0
    other = beside_reference(table.schema, path, wrapper_of(table.schema, columns.id))
    return _names_one_of(table, other, erasures.drop_tweets, erasures.drop_authors)


def _names_one_of(table: pa.Table, other: Beside, tweets: IdSet, authors: IdSet) -> Mask:
    """Rows of a flat table whose other tweet, or its author, is among some, and that stand to it as is said."""
    found = np.zeros(len(table), bool)
    if len(tweets):
        found |= _member(_ids_if_any(table, other.id), tweets)
    if other.author is not None and len(authors):
        found |= _member(_ids_if_any(table, other.author, hashes=True), authors)
    if other.kind is None or not found.any():
        return found
    return found & _bools(pc.equal(words(column_at(table, other.kind)), pa.scalar(other.says)))


def _ids_if_any(table: pa.Table, path: str, *, hashes: bool = False) -> Any:
    """The IDs in a column that most rows have none in; some tools write a word in their place, or hash some."""
    column: Any = column_at(table, path)
    if is_text(column.type):
        column = words(column)
        bare = pc.utf8_trim_whitespace(column)
        none = pc.is_in(pc.utf8_lower(bare), pa.array(_NO_ID))
        if hashes:
            none = pc.or_kleene(none, pc.invert(pc.match_substring_regex(bare, "[0-9]{1,19}$")))
        column = pc.if_else(none, pa.scalar(None, pa.string()), column)
    return parse_ids(column, column=path)


#: What stands in text where no ID is.
_NO_ID = ["", "na", "nan", "none", "null", "<na>", "absent"]


def _is_dropped_original(values: Any, erasures: Erasures, path: str) -> Mask:
    kinds = words(values.field("type"))
    return _bools(pc.equal(kinds, pa.scalar("retweeted"))) & _flagged(
        values, erasures.drop_tweets, erasures.drop_authors, path
    )


def _embedded(table: pa.Table, path: str, erasures: Erasures) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each row: how many embedded tweets go, and how many stay that have a place that goes."""
    column = column_at(table, path)
    if not _holds_tweets(column.type):
        other = beside_content(table.schema, path)
        if other is None and is_read(table.schema, path):
            return np.zeros(len(table), np.int64), np.zeros(len(table), np.int64)
        if other is None:
            raise PlanError(
                f"column {path!r} (told by embedded) is neither a struct with a tweet nor text, nor called like the "
                "content of one beside its ID (quoted_text beside quoted_status_id): whose words it holds cannot be "
                "known"
            )
        where = _names_one_of(table, other, erasures.drop_tweets, erasures.drop_authors)
        if path in other.places:
            where |= _names_one_of(table, other, erasures.scrub_tweets, erasures.scrub_authors)
        return (where & _valid(column)).astype(np.int64), np.zeros(len(table), np.int64)
    gone = _rows(column, lambda values: _tweets_to_erase(values, erasures, path)[0])
    return gone, _rows(column, lambda values: _tweets_to_erase(values, erasures, path)[1])


def _tweets_to_erase(values: Any, erasures: Erasures, path: str) -> tuple[Mask, Mask]:
    """Of structs that hold tweets: which go, and which stay and have a place that goes."""
    gone = _flagged(values, erasures.drop_tweets, erasures.drop_authors, path)
    bare = _flagged(values, erasures.scrub_tweets, erasures.scrub_authors, path) & ~gone
    if not bare.any():
        return gone, bare
    whole = pa.table({"tweet": values})
    some = (_valid(column_at(whole, f"tweet.{place}")) for place in geo_in(values.type))
    return gone, bare & reduce(np.logical_or, some, np.zeros(len(values), bool))


def _flagged(values: Any, tweets: IdSet, authors: IdSet, path: str) -> Mask:
    """Which structs hold a tweet whose ID or author is among these."""
    inside = pa.table({"tweet": values})
    found = np.zeros(len(values), bool)
    for name, ids in ((id_in(values.type), tweets), (author_in(values.type), authors)):
        if name is not None and len(ids):
            found |= _member(ids_at(inside, f"tweet.{name}", column=f"{path}.{name}"), ids)
    return found


def _rows(column: pa.ChunkedArray[Any], flag: Callable[[Any], Mask]) -> NDArray[np.int64]:
    """How many flagged structs each row of a column of structs, or of lists of structs, holds."""
    found = [np.empty(0, np.int64)]
    chunks: list[Any] = column.chunks
    for chunk in chunks:
        if is_list(chunk.type):
            parents = pc.list_parent_indices(chunk).to_numpy(zero_copy_only=False)
            found.append(np.bincount(parents[flag(chunk.flatten())], minlength=len(chunk)))
        else:
            found.append(flag(chunk).astype(np.int64))
    return np.concatenate(found)


def _holds_tweets(kind: Any) -> bool:
    return bool(pt.is_struct(kind.value_type if is_list(kind) else kind))


def _type_at(schema: pa.Schema, path: str) -> Any:
    field = field_at(schema, path)
    assert field is not None
    return field.type


def _must_lose_tweets(schema: pa.Schema, path: str) -> None:
    """Refuse embedded tweets that the schema leaves no way to take out."""
    kind = _type_at(schema, path)
    if pt.is_fixed_size_list(kind) and _holds_tweets(kind):
        raise PlanError(f"column {path!r} has lists of a fixed size, from which no tweet can be taken; use plain lists")
    if not (is_list(kind) and _holds_tweets(kind)):
        _must_be_nullable(schema, path)


def _must_be_nullable(schema: pa.Schema, path: str, *, inside: str = "") -> None:
    field = field_at(schema, path)
    assert field is not None
    if not field.nullable:
        raise PlanError(
            f"column {inside + path!r} is declared as never null, so that nothing in it can be nulled; "
            "write the dataset with a nullable column first"
        )


def _with_column(table: pa.Table, at: int, column: pa.ChunkedArray[Any]) -> pa.Table:
    columns = [column if place == at else other for place, other in enumerate(table.columns)]
    return pa.Table.from_arrays(columns, schema=table.schema)
