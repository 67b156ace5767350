"""Which rows repeat a tweet that goes, by what their columns say of others: lists of references, IDs beside their own.

A tweet inside of a row is asked the same, its fields being the columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from compliance_frames.corpus.arrays import Mask
from compliance_frames.corpus.erasures import Erasures
from compliance_frames.corpus.flat import Beside, beside_reference
from compliance_frames.corpus.idcolumns import ids_if_any, member
from compliance_frames.corpus.paths import column_at, field_at
from compliance_frames.corpus.references import Named, beside, named, repeats, retweets_by_look, says_how
from compliance_frames.ids.slices import IdSet


def repeat_what_goes(table: pa.Table, path: str, inside: str, erasures: Erasures, *, above: str = "") -> Mask:
    """Rows that repeat a tweet which is dropped, by their list of references or a flat ID of the original.

    Args:
        table: of the rows.
        path: of the column that names others.
        inside: the struct that holds the rows' own tweets, or an empty text.
        erasures: what goes.
        above: what an error writes before the path.

    >>> table = pa.table({"retweeted_id": ["7", None]})
    >>> repeat_what_goes(table, "retweeted_id", "", Erasures(drop_tweets=np.array([7]))).tolist()
    [True, False]
    """
    other = beside_reference(table.schema, path, inside)
    column = column_at(table, path)
    found, says = (named(column), ()) if other is None else (_beside(table, other, above), (other.says,))
    rows = _rows_naming(found, len(table), erasures.drop_tweets, erasures.drop_authors, f"{above}{path}", says)
    unsaid = not says_how(column.type) if other is None else other.open
    return rows & retweets_by_look(table, inside) if unsaid and rows.any() else rows


def name_one_of(table: pa.Table, other: Beside, tweets: IdSet, authors: IdSet) -> Mask:
    """Rows of a flat table whose other tweet, or its author, is among some, and that stand to it as is said.

    >>> name_one_of(pa.table({"quoted_id": [7, 8]}), Beside("quoted_id"), np.array([8]), np.array([])).tolist()
    [False, True]
    """
    return _rows_naming(_beside(table, other), len(table), tweets, authors, other.id, (other.says,))


def _beside(table: pa.Table, other: Beside, above: str = "") -> Iterator[Named]:
    kinds = None if other.kind is None else column_at(table, other.kind)
    yield from beside(column_at(table, other.id), kinds)
    if other.author is not None and field_at(table.schema, other.author) is not None:
        yield from beside(column_at(table, other.author), kinds, authors=True, path=f"{above}{other.author}")


def _rows_naming(
    found: Iterable[Named], count: int, tweets: IdSet, authors: IdSet, path: str, says: Sequence[str]
) -> Mask:
    """Rows that name one of some tweets or their authors and, where they say how they stand to it, repeat it."""
    rows = np.zeros(count, bool)
    for each in found:
        ids = authors if each.authors else tweets
        if len(ids):
            which = member(ids_if_any(each.ids, each.path or path, hashes=each.authors), ids)
            if each.kinds is not None and which.any():
                which &= repeats(each.kinds, says)
            rows[each.rows[which]] = True
    return rows
