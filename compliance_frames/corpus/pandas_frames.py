"""A pandas frame changed so that nothing of what went stays in it, and its index and types are what they were.

pandas itself is never imported: a frame is asked for what it can do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from compliance_frames.corpus.arrays import Mask, kept
from compliance_frames.corpus.columns import top_level
from compliance_frames.errors import PlanError

if TYPE_CHECKING:
    from compliance_frames.corpus.mounts import Change


class PandasFrame:
    """A pandas ``DataFrame``; what its index is called counts as a column to look into."""

    def __init__(self, frame: Any) -> None:
        self.frame = frame

    def columns(self, told: Sequence[str]) -> pa.Table:
        """Columns of known names, and those of objects (where structs live) if Arrow can read them."""
        here = self.frame.columns[~self.frame.columns.duplicated(keep=False)]
        series = {name: self.frame[name] for name in here if isinstance(name, str)}
        levels = {name: at for at, name in enumerate(self.frame.index.names) if isinstance(name, str)}
        series |= {
            name: self.frame.index.get_level_values(at).to_series()
            for name, at in levels.items()
            if name not in series and list(self.frame.index.names).count(name) == 1
        }
        known = set(top_level(list(series), told))
        found = {}
        for name, values in series.items():
            if name in known or values.dtype.kind == "O" or hasattr(values.dtype, "pyarrow_dtype"):
                try:
                    found[name] = pa.array(values, from_pandas=True)
                except (pa.ArrowException, OverflowError, UnicodeError) as error:
                    if name in known:
                        said = str(error).partition("\n")[0]
                        raise PlanError(f"column {name!r} mixes values that no one type can hold ({said})") from error
        return pa.table(found)

    def with_columns(self, added: pa.Table) -> Any:
        """The frame with these columns at its end."""
        frame = self.frame.drop(columns=added.schema.names, errors="ignore")
        plain = added.to_pandas()
        return frame.assign(**{name: plain[name].array for name in added.schema.names})

    def erased(self, changes: Mapping[str, Change], keep: Mask) -> Any:
        """The rows that stay, under their labels."""
        frame = self.frame.copy(deep=False)
        if not changes and keep.all():
            return frame
        for name, (column, where) in changes.items():
            if name not in frame.columns:
                raise PlanError(
                    f"{name!r} is in the frame's index, where nothing can be nulled: use reset_index() first"
                )
            frame[name] = _with_values(frame[name], column, where)
        changed, frame = frame, _without_arrow(frame)[keep].copy()
        if hasattr(self.frame.index.dtype, "pyarrow_dtype"):
            frame.index = _kept_index(self.frame.index, keep)
        for at, (_, before) in enumerate(self.frame.items()):
            if str(before.dtype) == "category":
                frame.isetitem(at, _without_lost_categories(frame.iloc[:, at], before))
            elif hasattr(before.dtype, "pyarrow_dtype"):
                frame.isetitem(at, _copied(changed.iloc[:, at], keep, frame.index))
        frame.index = _without_lost_labels(frame.index, self.frame.index)
        return frame


def _with_values(series: Any, column: pa.ChunkedArray[Any], where: Mask) -> Any:
    """The series with the changed values in the changed rows alone, so that the others keep what they are."""
    if hasattr(series.dtype, "pyarrow_dtype"):
        return type(series)(type(series.array)(column.cast(series.dtype.pyarrow_dtype)), index=series.index)
    if str(series.dtype) != "object":
        return series.mask(where)  # flat values, which can only have become null
    values = series.to_numpy(dtype=object, copy=True)
    rows = np.flatnonzero(where)
    for row, value in zip(rows.tolist(), column.take(rows).to_pylist(), strict=True):
        values[row] = value
    return type(series)(values, index=series.index, dtype=object)


def _without_arrow(frame: Any) -> Any:
    """A frame whose columns that Arrow holds are blank: of some types of Arrow's, pandas can select no rows."""
    bare = frame.copy(deep=False)
    if hasattr(frame.index.dtype, "pyarrow_dtype"):
        bare.index = range(len(bare))
    for at, kind in enumerate(frame.dtypes):
        if hasattr(kind, "pyarrow_dtype"):
            bare.isetitem(at, False)
    return bare


def _copied(series: Any, keep: Mask, index: Any) -> Any:
    return type(series)(_kept_values(series.array, keep), index=index)


def _kept_index(index: Any, keep: Mask) -> Any:
    return type(index)(_kept_values(index.array, keep), name=index.name)


def _kept_values(array: Any, keep: Mask) -> Any:
    """The rows that stay of values that Arrow holds: what pandas selects keeps the words of dictionaries."""
    values = array.__arrow_array__()
    values = values if isinstance(values, pa.ChunkedArray) else pa.chunked_array([values])
    return type(array)(kept(values, keep))


def _without_lost_categories(after: Any, before: Any) -> Any:
    """A category that no row has any more would still name what was erased; those never used stay."""
    gone = _lost(after.cat, before.cat)
    return after.cat.remove_categories(gone) if gone else after


def _without_lost_labels(after: Any, before: Any) -> Any:
    """An index whose levels and categories name no rows that went."""
    if hasattr(after, "remove_unused_levels"):
        after = after.remove_unused_levels()
        for at, level in enumerate(after.levels):
            if str(level.dtype) == "category":
                after = after.set_levels(level.remove_unused_categories(), level=at)
        return after
    gone = _lost(after, before) if str(after.dtype) == "category" else []
    return after.remove_categories(gone) if gone else after


def _lost(after: Any, before: Any) -> list[Any]:
    used, still = (_used(each) for each in (before, after))
    return list(used - still)


def _used(values: Any) -> set[Any]:
    bare = values.remove_unused_categories()
    return set(getattr(bare, "cat", bare).categories)
