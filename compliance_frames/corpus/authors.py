"""Which tweets go, or lose their places, because of their author, where others may name them by their IDs alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt

from compliance_frames.corpus.columns import Columns, author_in, column_at, id_in
from compliance_frames.corpus.dataset import Listing, SourceFile, opened
from compliance_frames.corpus.erasures import Erasures
from compliance_frames.corpus.flat import beside_content
from compliance_frames.corpus.idcolumns import ids_at, ids_if_any, member
from compliance_frames.corpus.leaves import find_leaves
from compliance_frames.corpus.texts import authorship, is_read
from compliance_frames.corpus.until import Until
from compliance_frames.corpus.within import bare_type, values_within
from compliance_frames.ids.sets import IdArray
from compliance_frames.ids.slices import IdSet


def tweets_of_dropped_authors(
    listing: Listing, columns: Mapping[str, Columns], erasures: Erasures, *, named_elsewhere: bool = False
) -> Iterator[IdArray]:
    """The tweets that go because of their author, where other rows might repeat or embed them; in parts, unsorted.

    A retweet names the tweet it repeats by its ID alone: that the ID's author was flagged shows only where the original
    lies, or a copy of it inside of a row, in any file. ``named_elsewhere`` says that files name tweets that are none
    of these.
    """
    looked_for = named_elsewhere or any(found.references or found.embedded for found in columns.values())
    for source in listing.files if looked_for and len(erasures.drop_authors) else ():
        found = columns[source.path] if source.parquet else None
        if found is not None and (found.author_id is not None or found.embedded):
            yield from _by_dropped_authors(listing.root, source, columns[source.path], erasures)


def tweets_until(listing: Listing, columns: Mapping[str, Columns], until: Until) -> Iterator[IdArray]:
    """The tweets that users wrote up to their last one that is concerned, in parts, unsorted.

    A result knows these by their author and a bound; what is to be done is decided for each tweet by its ID.
    """
    only = Erasures(drop_authors=until.authors)
    for source in listing.files if len(until) else ():
        if source.parquet:
            with opened(listing.root, source) as file:
                found = columns[source.path]
                leaves = find_leaves(file, found, only)
                for number in range(file.num_row_groups):
                    group = file.metadata.row_group(number)
                    if group.num_rows and leaves.may_be_hit(group, only):
                        yield tweets_in(file.read_row_group(number, columns=list(leaves.ids)), found, until)


def tweets_in(table: pa.Table, columns: Columns, until: Until) -> IdArray:
    """The tweets in a table, in rows and inside of them, that users wrote up to their last one that is concerned.

    >>> until = Until(np.array([9]), np.array([2]))
    >>> tweets_in(pa.table({"id": [1, 2, 3], "user_id": ["9", "9", "9"]}), Columns("id", author_id="user_id"), until)
    array([1, 2])
    """
    found = [np.empty(0, np.int64)]
    for tweets, authors in _authorship(table, columns, until.authors) if len(until) else ():
        found.append(tweets.filter(pa.array(until.covers(tweets, authors))).to_numpy(zero_copy_only=False))
    return np.concatenate(found)


def tweets_by(table: pa.Table, columns: Columns, authors: IdSet) -> IdArray:
    """The tweets in a table, in rows and inside of them, that some authors wrote; unsorted.

    >>> table = pa.table({"id": [1, 2], "user_id": [9, 8], "quoted_status": [{"id": 3, "user_id": 8}, None]})
    >>> tweets_by(table, Columns("id", author_id="user_id", embedded=("quoted_status",)), np.array([8]))
    array([2, 3])
    """
    found = [np.empty(0, np.int64)]
    for tweets, whose in _authorship(table, columns, authors):
        mine = pa.array(member(whose, authors))
        found.append(tweets.filter(mine).drop_null().to_numpy(zero_copy_only=False))
    return np.concatenate(found)


def _authorship(table: pa.Table, columns: Columns, some: IdSet) -> Iterator[tuple[Any, Any]]:
    """Tweets and their authors, of every place in a table that tells of both; of text, those of some authors."""
    if columns.author_id is not None:
        yield ids_at(table, columns.id), ids_at(table, columns.author_id)
    for path in columns.embedded:
        kind = bare_type(table.schema, path)
        if is_read(table.schema, path):
            for values, _ in values_within(table, path):
                tweets, authors = authorship(values, some)
                yield pa.array(tweets, pa.int64()), pa.array(authors, pa.int64())
        elif pt.is_struct(kind):
            yield from _inside(table, path, id_in(kind), author_in(kind))
        elif (other := beside_content(table.schema, path)) is not None and other.author is not None:
            ids, whose = column_at(table, other.id), column_at(table, other.author)
            yield ids_if_any(ids, other.id), ids_if_any(whose, other.author, hashes=True)


def _inside(table: pa.Table, path: str, id_name: str | None, author_name: str | None) -> Iterator[tuple[Any, Any]]:
    if id_name is not None and author_name is not None:
        for values, _ in values_within(table, path):
            inside = pa.table({"tweet": values})
            yield ids_at(inside, f"tweet.{id_name}"), ids_at(inside, f"tweet.{author_name}")


def _by_dropped_authors(root: Path, source: SourceFile, columns: Columns, erasures: Erasures) -> Iterator[IdArray]:
    only = Erasures(drop_authors=erasures.drop_authors)
    bare = Columns(id=columns.id, author_id=columns.author_id, embedded=columns.embedded)
    with opened(root, source) as file:
        leaves = find_leaves(file, bare, only)
        for number in range(file.num_row_groups):
            if leaves.may_be_hit(file.metadata.row_group(number), only):
                table = file.read_row_group(number, columns=list(leaves.ids))
                yield tweets_by(table, bare, erasures.drop_authors)
