"""Take what was flagged out of a table, and say exactly how much that was."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from numpy.typing import NDArray

from compliance_frames.corpus.arrays import Mask, kept, kept_to_write, nulled, words
from compliance_frames.corpus.columns import (
    Columns,
    column_at,
    field_at,
    geo_in,
    ids_inside,
    is_list,
    is_retweet,
    is_text,
    steps_to,
)
from compliance_frames.corpus.erasures import Erasures as Erasures
from compliance_frames.corpus.flat import Beside, beside_content, beside_reference
from compliance_frames.corpus.kinds import Cells, Kinds, digest_of, kinds_of
from compliance_frames.corpus.paths import wrapper_of
from compliance_frames.corpus.references import (
    Named,
    beside,
    named,
    repeats,
    retweets_by_look,
    says_how,
)
from compliance_frames.corpus.texts import is_read, judged, names_others
from compliance_frames.corpus.within import (
    bare_type,
    edited_within,
    field_within,
    head_of,
    is_plain,
    lists_on_the_way,
    values_within,
)
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
            look = retweets_by_look(table, wrapper_of(table.schema, columns.id)) if names_others(path) else None
            repeated, cells = _judged(table, path, ids, erasures, look)
            drop |= repeated
            embedded[path] = (np.maximum(embedded[path][0], cells), embedded[path][1])
    for path, (gone, _) in embedded.items():
        one = is_retweet(path) and not lists_on_the_way(table.schema, path)
        if one and pt.is_struct(bare_type(table.schema, path)):
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
    text, at = not pt.is_struct(bare_type(table.schema, path)), head_of(table.schema, path)
    if text and where is not None and is_plain(table.schema, path):
        steps = steps_to(table.schema, path)
        assert steps is not None
        return _with_column(table, at, nulled(table.column(at), steps[1:], where))

    def edit(values: Any) -> tuple[Any, Mask]:
        if text:
            gone = judged(values, path, pa.nulls(len(values), pa.int64()), erasures)[1] > 0
            return nulled(pa.chunked_array([values]), (), gone).chunk(0), ~gone
        gone, placed = _tweets_to_erase(values, erasures, path)
        for place in geo_in(values.type) if placed.any() else ():
            below = steps_to(pa.schema(list(values.type)), place)
            assert below is not None
            _must_be_nullable(pa.schema(list(values.type)), place, inside=f"{path}.")
            values = nulled(pa.chunked_array([values]), below, placed & ~gone).chunk(0)
        return nulled(pa.chunked_array([values]), (), gone).chunk(0), ~gone

    return _with_column(table, at, edited_within(table.column(at), table.schema, path, edit))


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
    inside = wrapper_of(table.schema, columns.id)
    other = beside_reference(table.schema, path, inside)
    column = column_at(table, path)
    found, says = (named(column), ()) if other is None else (_beside(table, other), (other.says,))
    rows = _rows_naming(found, len(table), erasures.drop_tweets, erasures.drop_authors, path, says)
    unsaid = not says_how(column.type) if other is None else other.open
    return rows & retweets_by_look(table, inside) if unsaid and rows.any() else rows


def _names_one_of(table: pa.Table, other: Beside, tweets: IdSet, authors: IdSet) -> Mask:
    """Rows of a flat table whose other tweet, or its author, is among some, and that stand to it as is said."""
    return _rows_naming(_beside(table, other), len(table), tweets, authors, other.id, (other.says,))


def _beside(table: pa.Table, other: Beside) -> Iterator[Named]:
    kinds = None if other.kind is None else column_at(table, other.kind)
    yield from beside(column_at(table, other.id), kinds)
    if other.author is not None and field_at(table.schema, other.author) is not None:
        yield from beside(column_at(table, other.author), kinds, authors=True, path=other.author)


def _rows_naming(
    found: Iterable[Named], count: int, tweets: IdSet, authors: IdSet, path: str, says: Sequence[str]
) -> Mask:
    """Rows that name one of some tweets or their authors and, where they say how they stand to it, repeat it."""
    rows = np.zeros(count, bool)
    for each in found:
        ids = authors if each.authors else tweets
        if len(ids):
            which = _member(ids_if_any(each.ids, each.path or path, hashes=each.authors), ids)
            if each.kinds is not None and which.any():
                which &= repeats(each.kinds, says)
            rows[each.rows[which]] = True
    return rows


def ids_if_any(column: Any, path: str, *, hashes: bool = False) -> Any:
    """The IDs in a column that most rows have none in; some tools write a word in their place, or hash some."""
    if pt.is_dictionary(column.type) and pt.is_string_view(column.type.value_type):
        column = words(column)
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


def _embedded(table: pa.Table, path: str, erasures: Erasures) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each row: how many embedded tweets go, and how many stay that have a place that goes."""
    nothing = np.zeros(len(table), np.int64)
    if not pt.is_struct(bare_type(table.schema, path)):
        other = beside_content(table.schema, path)
        if other is None and is_read(table.schema, path):
            return nothing, nothing
        if other is None:
            raise PlanError(
                f"column {path!r} (told by embedded) is neither a struct with a tweet nor text, nor called like the "
                "content of one beside its ID (quoted_text beside quoted_status_id): whose words it holds cannot be "
                "known"
            )
        where = _names_one_of(table, other, erasures.drop_tweets, erasures.drop_authors)
        if path in other.places:
            where |= _names_one_of(table, other, erasures.scrub_tweets, erasures.scrub_authors)
        return (where & _valid(column_at(table, path))).astype(np.int64), nothing
    gone, bare = nothing.copy(), nothing.copy()
    for values, rows in values_within(table, path):
        going, placed = _tweets_to_erase(values, erasures, path)
        gone += np.bincount(rows[going], minlength=len(table))
        bare += np.bincount(rows[placed], minlength=len(table))
    return gone, bare


def _judged(
    table: pa.Table, path: str, own: Any, erasures: Erasures, look: Mask | None
) -> tuple[Mask, NDArray[np.int64]]:
    """What text says, in each row or in lists: which rows repeat what goes, and how many texts go from each."""
    if not lists_on_the_way(table.schema, path):
        return judged(column_at(table, path), path, own, erasures, look)
    repeated, cells = np.zeros(len(table), bool), np.zeros(len(table), np.int64)
    for values, rows in values_within(table, path):
        told, gone = judged(values, path, own.take(pa.array(rows)), erasures, None if look is None else look[rows])
        repeated[rows[told]] = True
        cells += np.bincount(rows[gone > 0], minlength=len(table))
    return repeated, np.minimum(cells, 1) if is_plain(table.schema, path) else cells  # a list of texts goes whole


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
    for name, ids in zip(ids_inside(path, values.type), (tweets, authors), strict=True):
        if name is not None and len(ids):
            found |= _member(ids_at(inside, f"tweet.{name}", column=f"{path}.{name}"), ids)
    return found


def _must_lose_tweets(schema: pa.Schema, path: str) -> None:
    """Refuse embedded tweets that the schema leaves no way to take out."""
    if any(map(pt.is_fixed_size_list, lists_on_the_way(schema, path))):
        raise PlanError(f"column {path!r} has lists of a fixed size, from which no tweet can be taken; use plain lists")
    field = field_within(schema, path)
    if field is not None and not is_list(field.type):
        _must_be_nullable(schema, path)


def _must_be_nullable(schema: pa.Schema, path: str, *, inside: str = "") -> None:
    field = field_within(schema, path)
    assert field is not None
    if not field.nullable:
        raise PlanError(
            f"column {inside + path!r} is declared as never null, so that nothing in it can be nulled; "
            "write the dataset with a nullable column first"
        )


def _with_column(table: pa.Table, at: int, column: pa.ChunkedArray[Any]) -> pa.Table:
    columns = [column if place == at else other for place, other in enumerate(table.columns)]
    return pa.Table.from_arrays(columns, schema=table.schema)
