"""Other tweets inside of rows: how many of them go from each, and the columns without them.

One goes that was flagged, and one that repeats another which goes: its words are that one's.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt
from numpy.typing import NDArray

from compliance_frames.corpus.arrays import Mask, nulled
from compliance_frames.corpus.columns import column_at, geo_in, ids_inside, is_list, steps_to
from compliance_frames.corpus.erasures import Erasures
from compliance_frames.corpus.flat import beside_content
from compliance_frames.corpus.idcolumns import ids_at, member, valid
from compliance_frames.corpus.originals import Originals, originals_in
from compliance_frames.corpus.references import retweets_by_look
from compliance_frames.corpus.repeating import name_one_of, repeat_what_goes
from compliance_frames.corpus.texts import is_read, judged, names_others
from compliance_frames.corpus.within import (
    bare_type,
    edited_within,
    field_within,
    head_of,
    lists_on_the_way,
    values_within,
)
from compliance_frames.errors import PlanError
from compliance_frames.ids.slices import IdSet


def embedded_to_erase(
    table: pa.Table, path: str, erasures: Erasures, known: Sequence[str] = ()
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each row: how many embedded tweets go, and how many stay that have a place that goes.

    Args:
        table: of the rows.
        path: of the embedded tweets.
        erasures: what goes.
        known: all columns of embedded tweets: text in one may say what that one repeats.

    Raises:
        PlanError: the column was told, and nobody knows whose words it holds.

    >>> quotes = pa.table({"quoted_status": [{"id": 7, "text": "hello"}, {"id": 8, "text": "world"}]})
    >>> embedded_to_erase(quotes, "quoted_status", Erasures(drop_tweets=np.array([7])))[0].tolist()
    [1, 0]
    """
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
        where = name_one_of(table, other, erasures.drop_tweets, erasures.drop_authors)
        if path in other.places:
            where |= name_one_of(table, other, erasures.scrub_tweets, erasures.scrub_authors)
        return (where & valid(column_at(table, path))).astype(np.int64), nothing
    gone, bare = nothing.copy(), nothing.copy()
    for values, rows in values_within(table, path):
        going, placed = _tweets_to_erase(values, erasures, path, known)
        gone += np.bincount(rows[going], minlength=len(table))
        bare += np.bincount(rows[placed], minlength=len(table))
    return gone, bare


def text_to_erase(
    table: pa.Table, path: str, own: Any, erasures: Erasures, look: Mask | None
) -> tuple[Mask, NDArray[np.int64]]:
    """What text says, in each row or in lists: which rows repeat what goes, and how many texts go from each.

    Args:
        table: of the rows.
        path: of the text.
        own: the ID of each row's own tweet.
        erasures: what goes.
        look: which rows look like retweets, where the column may not say how its row stands to others.

    >>> quotes = pa.table({"quoted_status": ['{"id": 7, "text": "hello"}']})
    >>> text_to_erase(quotes, "quoted_status", pa.array([1]), Erasures(drop_tweets=np.array([7])), None)
    (array([False]), array([1]))
    """
    if not lists_on_the_way(table.schema, path):
        return judged(column_at(table, path), path, own, erasures, look)
    repeated, cells = np.zeros(len(table), bool), np.zeros(len(table), np.int64)
    for values, rows in values_within(table, path):
        told, gone = judged(values, path, own.take(pa.array(rows)), erasures, None if look is None else look[rows])
        repeated[rows[told]] = True
        cells += np.bincount(rows[gone > 0], minlength=len(table))
    return repeated, cells


def without_embedded(
    table: pa.Table, path: str, erasures: Erasures, known: Sequence[str] = (), *, where: Mask | None = None
) -> pa.Table:
    """The table with the embedded tweets at ``path`` taken out that are to be dropped, and places of those to scrub.

    Of a flat column the tweet's ID lies in another one: there, ``where`` says in which rows it is to be nulled.
    ``known`` is as for :func:`embedded_to_erase`.

    Raises:
        PlanError: a place inside of an embedded tweet is to be nulled where the schema allows no null.

    >>> quotes = pa.table({"quoted_status": [{"id": 7, "text": "hello"}, {"id": 8, "text": "world"}]})
    >>> without_embedded(quotes, "quoted_status", Erasures(drop_tweets=np.array([7]))).to_pylist()
    [{'quoted_status': None}, {'quoted_status': {'id': 8, 'text': 'world'}}]
    """
    text, at = not pt.is_struct(bare_type(table.schema, path)), head_of(table.schema, path)
    if text and where is not None and not _is_looked_into_one_by_one(table.schema, path):
        steps = steps_to(table.schema, path)
        assert steps is not None
        return with_column(table, at, nulled(table.column(at), steps[1:], where))

    def edit(values: Any) -> tuple[Any, Mask]:
        if text:
            gone = judged(values, path, pa.nulls(len(values), pa.int64()), erasures)[1] > 0
            return nulled(pa.chunked_array([values]), (), gone).chunk(0), ~gone
        gone, placed = _tweets_to_erase(values, erasures, path, known)
        for place in geo_in(values.type) if placed.any() else ():
            below = steps_to(pa.schema(list(values.type)), place)
            assert below is not None
            must_be_nullable(pa.schema(list(values.type)), place, inside=f"{path}.")
            values = nulled(pa.chunked_array([values]), below, placed & ~gone).chunk(0)
        return nulled(pa.chunked_array([values]), (), gone).chunk(0), ~gone

    return with_column(table, at, edited_within(table.column(at), table.schema, path, edit))


def _is_looked_into_one_by_one(schema: pa.Schema, path: str) -> bool:
    """Whether a column of text has several in a row, each of which goes or stays."""
    return is_read(schema, path) and bool(lists_on_the_way(schema, path))


def must_lose_tweets(schema: pa.Schema, path: str) -> None:
    """Refuse embedded tweets that the schema leaves no way to take out.

    Raises:
        PlanError: they are these.
    """
    if any(map(pt.is_fixed_size_list, lists_on_the_way(schema, path))):
        raise PlanError(f"column {path!r} has lists of a fixed size, from which no tweet can be taken; use plain lists")
    field = field_within(schema, path)
    if field is not None and not is_list(field.type):
        must_be_nullable(schema, path)


def must_be_nullable(schema: pa.Schema, path: str, *, inside: str = "") -> None:
    """Refuse a column in which nothing can be nulled; ``inside`` is what an error writes before its path.

    Raises:
        PlanError: it is one.
    """
    field = field_within(schema, path)
    assert field is not None
    if not field.nullable:
        raise PlanError(
            f"column {inside + path!r} is declared as never null, so that nothing in it can be nulled; "
            "write the dataset with a nullable column first"
        )


def with_column(table: pa.Table, at: int, column: pa.ChunkedArray[Any]) -> pa.Table:
    """The table with another column in a place.

    >>> with_column(pa.table({"a": [1], "b": [2]}), 1, pa.chunked_array([[3]])).to_pydict()
    {'a': [1], 'b': [3]}
    """
    columns = [column if place == at else other for place, other in enumerate(table.columns)]
    return pa.Table.from_arrays(columns, schema=table.schema)


def _tweets_to_erase(values: Any, erasures: Erasures, path: str, known: Sequence[str]) -> tuple[Mask, Mask]:
    """Of structs that hold tweets: which go, and which stay and have a place that goes."""
    gone = _gone(values, erasures, path, known)
    bare = _flagged(values, erasures.scrub_tweets, erasures.scrub_authors, path) & ~gone
    if not bare.any():
        return gone, bare
    whole = pa.table({"tweet": values})
    some = (valid(column_at(whole, f"tweet.{place}")) for place in geo_in(values.type))
    return gone, bare & reduce(np.logical_or, some, np.zeros(len(values), bool))


def _gone(values: Any, erasures: Erasures, path: str, known: Sequence[str]) -> Mask:
    """Which structs hold a tweet that goes: it was flagged, or it repeats one that goes."""
    gone = _flagged(values, erasures.drop_tweets, erasures.drop_authors, path)
    told = originals_in(path.rpartition(".")[2], values.type)
    told = told.with_texts(values.type, [each.removeprefix(f"{path}.") for each in known])
    if told and len(values) and (len(erasures.drop_tweets) or len(erasures.drop_authors)):
        gone |= _repeating(values, told, erasures, path, known)
    return gone


def _repeating(values: Any, told: Originals, erasures: Erasures, path: str, known: Sequence[str]) -> Mask:
    """Which structs hold a tweet that repeats one that goes, by its own fields."""
    tweets = pa.Table.from_arrays(values.flatten(), schema=pa.schema(list(values.type)))
    found = np.zeros(len(values), bool)
    for name in told.references:
        found |= repeat_what_goes(tweets, name, "", erasures, above=f"{path}.")
    for name in told.whole:
        found |= _gone(tweets.column(name).chunk(0), erasures, f"{path}.{name}", known)
    for name in told.texts:
        id = ids_inside(path, values.type)[0]
        own = pa.nulls(len(values), pa.int64()) if id is None else ids_at(tweets, id, column=f"{path}.{id}")
        look = retweets_by_look(tweets, "") if names_others(name) else None
        found |= judged(tweets.column(name), name, own, erasures, look)[0]
    return found


def _flagged(values: Any, tweets: IdSet, authors: IdSet, path: str) -> Mask:
    """Which structs hold a tweet whose ID or author is among these."""
    inside = pa.table({"tweet": values})
    found = np.zeros(len(values), bool)
    for name, ids in zip(ids_inside(path, values.type), (tweets, authors), strict=True):
        if name is not None and len(ids):
            found |= member(ids_at(inside, f"tweet.{name}", column=f"{path}.{name}"), ids)
    return found
