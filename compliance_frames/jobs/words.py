"""Results put together: in order, with dictionaries of the words in use, so that equal answers are equal tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from compliance_frames.schemas import RESULTS


def in_one(parts: Iterable[pa.Table]) -> pa.Table:
    """Parts of results as one table, sorted by type and ID.

    >>> in_one([]).num_rows
    0
    """
    table = with_sorted_words(pa.concat_tables([RESULTS.empty_table(), *parts]))
    ids, is_users = table.column("id").to_numpy(), pc.equal(table.column("type"), "users").to_numpy()
    later = (is_users[1:] > is_users[:-1]) | ((is_users[1:] == is_users[:-1]) & (ids[1:] >= ids[:-1]))
    return table if later.all() else table.take(pa.array(np.lexsort((ids, is_users))))


def with_sorted_words(table: pa.Table) -> pa.Table:
    """The same table; how it was put together can no longer be seen in its dictionaries.

    >>> words = pa.array(["b", "c", "a"]).dictionary_encode().take(pa.array([0, 2]))
    >>> with_sorted_words(pa.table({"reason": words})).column("reason").chunk(0).dictionary.to_pylist()
    ['a', 'b']
    """
    table = table.unify_dictionaries().combine_chunks()
    columns = [_sorted(column.chunk(0)) if _has_words(column) else column for column in table.columns]
    return pa.Table.from_arrays(columns, schema=table.schema)


def _has_words(column: pa.ChunkedArray[Any]) -> bool:
    return bool(pt.is_dictionary(column.type)) and column.num_chunks > 0


def _sorted(words: Any) -> Any:
    """A dictionary array whose dictionary is sorted, and lists nothing that stands in no row."""
    used = words.indices.unique().drop_null()
    order = used.take(pc.array_sort_indices(words.dictionary.take(used)))
    codes = pc.index_in(words.indices, order).cast(words.type.index_type)
    return pa.DictionaryArray.from_arrays(codes, words.dictionary.take(order), ordered=words.type.ordered)
