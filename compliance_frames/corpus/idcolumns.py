"""The IDs in a table's columns, and which of them stand in a set."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from compliance_frames.corpus.arrays import Mask, words
from compliance_frames.corpus.paths import column_at, is_text
from compliance_frames.ids.parse import parse_ids
from compliance_frames.ids.slices import IdSet, is_in

#: What stands in text where no ID is.
_NO_ID: Final = ["", "na", "nan", "none", "null", "<na>", "absent"]


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


def ids_if_any(column: Any, path: str, *, hashes: bool = False) -> Any:
    """The IDs in a column that most rows have none in; some tools write a word in their place, or hash some.

    >>> ids_if_any(pa.array(["7", "NaN", " "]), "retweeted_id").to_pylist()
    [7, None, None]
    """
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


def member(values: Any, ids: IdSet) -> Mask:
    """Which values stand in a set of IDs; a null does not.

    >>> member(pa.array([7, 8, None]), np.array([8])).tolist()
    [False, True, False]
    """
    if not len(ids):
        return np.zeros(len(values), bool)
    return is_in(values.fill_null(0).to_numpy(zero_copy_only=False), ids) & valid(values)


def valid(values: Any) -> Mask:
    """Which values are not null.

    >>> valid(pa.array([7, None])).tolist()
    [True, False]
    """
    mask: Mask = values.is_valid().to_numpy(zero_copy_only=False)
    return mask.astype(bool)
