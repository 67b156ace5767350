"""A polars frame changed so that nothing of what went stays in it, and its types are what they were.

A frame that polars filters goes on holding the text of all rows, and gives it to whoever pickles the frame or writes
it as Arrow: so columns that can hold text are copied. An ``Enum`` lists its words in its type: those that only erased
rows had come out of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from compliance_frames.corpus.arrays import Mask, kept
from compliance_frames.ids.queries import running
from compliance_frames.ids.sources import polars_to_arrow

if TYPE_CHECKING:
    from compliance_frames.corpus.mounts import Change


class PolarsFrame:
    """A polars ``DataFrame``."""

    def __init__(self, frame: Any) -> None:
        self.frame = frame

    def columns(self, told: Sequence[str]) -> pa.Table:  # noqa: ARG002
        """All of them."""
        return polars_to_arrow(self.frame)

    def with_columns(self, added: pa.Table) -> Any:
        """The frame with these columns at its end."""
        return self.frame.drop(added.schema.names, strict=False).hstack(_to_polars(added))

    def erased(self, changes: Mapping[str, Change], keep: Mask) -> Any:
        """The rows that stay."""
        if not changes and keep.all():
            return self.frame
        return type(self.frame)([self._erased(before, changes.get(before.name), keep) for before in self.frame])

    def _erased(self, before: Any, change: Change | None, keep: Mask) -> Any:
        if change is None and keep.all():
            return before
        if change is None and not _may_hold_text(before.dtype):
            return before.filter(keep)
        column = kept(_plain(before) if change is None else change[0], keep)
        after = _to_polars(pa.Table.from_arrays([column], names=[before.name])).to_series()
        return _cast(after, _retyped(before.dtype, lambda kind: kind, before, after))


def with_open_words(frame: Any) -> Any:
    """A lazy frame whose types list no words: each ``Enum`` becomes ``Categorical``, of the same values.

    What a type lists must be known before the rows are, and so before it is known which words have to go.
    """
    import polars as pl

    with running(frame):
        schema = frame.collect_schema()
    opened = {name: _retyped(kind, lambda _: pl.Categorical()) for name, kind in schema.items()}
    changed = [_opened(pl.col(name), kind) for name, kind in opened.items() if kind != schema[name]]
    return frame.with_columns(changed) if changed else frame


def _opened(column: Any, kind: Any) -> Any:
    """A column cast to a type without lists of words; no cast leads into an array of them."""
    import polars as pl

    if isinstance(kind, pl.Array):
        return column.arr.to_list().cast(pl.List(kind.inner)).list.to_array(kind.size)
    return column.cast(kind)


def _retyped(kind: Any, enum: Callable[[Any], Any], before: Any = None, after: Any = None) -> Any:
    """A type in which every ``Enum`` is another one: without the words that went, where values tell, or as is said."""
    import polars as pl

    if isinstance(kind, pl.Enum):
        return enum(kind) if before is None else _without_lost(kind, before, after)
    if isinstance(kind, pl.List | pl.Array):
        inside = _retyped(kind.inner, enum, *(None if each is None else each.explode() for each in (before, after)))
        if inside == kind.inner:
            return kind
        return pl.List(inside) if isinstance(kind, pl.List) else pl.Array(inside, kind.size)
    if isinstance(kind, pl.Struct):
        return pl.Struct(
            {
                field.name: _retyped(
                    field.dtype,
                    enum,
                    *(None if each is None else each.struct.field(field.name) for each in (before, after)),
                )
                for field in kind.fields
            }
        )
    return kind


def _without_lost(kind: Any, before: Any, after: Any) -> Any:
    """An ``Enum`` without the words that rows had and have no more; those never used stay."""
    import polars as pl

    used, still = (set(each.cast(pl.String).drop_nulls().unique().to_list()) for each in (before, after))
    return pl.Enum([word for word in kind.categories.to_list() if word not in used - still])


def _cast(series: Any, kind: Any) -> Any:
    import polars as pl

    try:
        return series.cast(kind)
    except pl.exceptions.InvalidOperationError:  # no cast leads into an array of words
        return pl.Series(series.name, series.to_list(), dtype=kind)


def _plain(series: Any) -> Any:
    """A column as Arrow had them before there were views: what can be selected from in every place."""
    import polars as pl

    return pa.chunked_array([series.to_arrow(compat_level=pl.CompatLevel.oldest())])


def _may_hold_text(kind: Any) -> bool:
    return not (kind.is_numeric() or kind.is_temporal() or str(kind) in {"Boolean", "Null", "Object"})


def _to_polars(table: pa.Table) -> Any:
    import polars as pl

    return pl.from_arrow(table)
