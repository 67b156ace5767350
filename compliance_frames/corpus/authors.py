"""Which tweets go because of their author, where others may name them by their IDs alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa

from compliance_frames.corpus.columns import Columns
from compliance_frames.corpus.dataset import Listing, SourceFile, opened
from compliance_frames.corpus.erase import hits, ids_at
from compliance_frames.corpus.erasures import Erasures
from compliance_frames.corpus.leaves import find_leaves
from compliance_frames.ids.sets import IdArray


def tweets_of_dropped_authors(
    listing: Listing, columns: Mapping[str, Columns], erasures: Erasures, *, named_elsewhere: bool = False
) -> Iterator[IdArray]:
    """The tweets that go because of their author, where other rows might repeat or embed them; in parts, unsorted.

    A retweet names the tweet it repeats by its ID alone: that the ID's author was flagged shows only in the row
    of the original, which can lie in any file. ``named_elsewhere`` says that files name tweets that are none of these.
    """
    looked_for = named_elsewhere or any(found.references or found.embedded for found in columns.values())
    for source in listing.files if looked_for and len(erasures.drop_authors) else ():
        if source.parquet and columns[source.path].author_id is not None:
            yield from _by_dropped_authors(listing.root, source, columns[source.path], erasures)


def _by_dropped_authors(root: Path, source: SourceFile, columns: Columns, erasures: Erasures) -> Iterator[IdArray]:
    only = Erasures(drop_authors=erasures.drop_authors)
    bare = Columns(id=columns.id, author_id=columns.author_id)
    with opened(root, source) as file:
        leaves = find_leaves(file, bare, only)
        for number in range(file.num_row_groups):
            if leaves.may_be_hit(file.metadata.row_group(number), only):
                table = file.read_row_group(number, columns=list(leaves.ids))
                gone = hits(table, bare, only).drop
                ids = ids_at(table, columns.id).filter(pa.array(gone))
                yield ids.drop_null().to_numpy(zero_copy_only=False)
