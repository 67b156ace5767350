"""A DuckDB relation changed: its rows as Arrow has them, as a relation of the same connection and of the same types."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from compliance_frames.corpus.arrays import Mask, words
from compliance_frames.errors import PlanError
from compliance_frames.ids.queries import running

if TYPE_CHECKING:
    from compliance_frames.corpus.mounts import ArrowTable, Change


class Relation:
    """A relation, whose query runs once: what comes back holds the rows that it gave."""

    def __init__(self, relation: Any) -> None:
        self.relation = relation
        names = [name.lower() for name in relation.columns]  # as DuckDB compares them
        twice = next((name for name in relation.columns if names.count(name.lower()) > 1), None)
        if twice is not None:
            raise PlanError(f"several columns of the relation are called {twice!r}: rename all but one of them")
        with running(relation):
            self._whole = _table(pa.table(relation))

    def columns(self, told: Sequence[str]) -> pa.Table:  # noqa: ARG002
        """All of them."""
        return self._whole.table

    def with_columns(self, added: pa.Table) -> Any:
        """A relation with these columns at its end."""
        return self._back(self._whole.widened(added), {}, added.schema.names)

    def erased(self, changes: Mapping[str, Change], keep: Mask) -> Any:
        """A relation of the rows that stay."""
        if not changes and keep.all():
            return self.relation
        table = self._whole.shrunk(changes, keep)
        lost = {name: _lost(self._whole.table.column(name), table.column(name)) for name in self._enums()}
        return self._back(table, lost)

    def _enums(self) -> list[str]:
        named = zip(self.relation.columns, self.relation.types, strict=True)
        return [name for name, kind in named if "ENUM(" in str(kind)]

    def _back(self, table: pa.Table, lost: Mapping[str, set[str] | None], new: Sequence[str] = ()) -> Any:
        """A relation of a table, on the connection of the one that was given.

        Args:
            table: the rows.
            lost: of columns whose type lists words, those that have to go from it; None where they lie deeper.
            new: columns that were not there before, or were of other types.
        """
        made = self._taken(table)
        types = zip(self.relation.columns, self.relation.types, strict=True)
        kinds = {name: kind for name, kind in types if name not in new}
        named = zip(made.columns, made.types, strict=True)
        return made.select(*[_column(name, kind, kinds.get(name), lost) for name, kind in named])

    def _taken(self, arrow_rows: pa.Table) -> Any:  # noqa: ARG002 - DuckDB finds it by the name that it has here
        """A table as a relation. Only a query of the given one runs on its connection."""
        try:
            return self.relation.query("compliance_frames_rows", "SELECT * FROM arrow_rows")
        except _library().Error as error:
            raise PlanError(
                "the relation's connection takes no tables from Python (python_enable_replacements=false): "
                f"give relation.to_arrow_table() ({str(error).splitlines()[0]})"
            ) from error


def _table(table: pa.Table) -> ArrowTable:
    from compliance_frames.corpus.mounts import ArrowTable

    return ArrowTable(table)


def _column(name: str, kind: Any, before: Any, lost: Mapping[str, set[str] | None]) -> Any:
    """A column as it is selected: of the type that it had, as far as that type names nothing that went."""
    column = _library().ColumnExpression(name)
    if before is None or before == kind:
        return column
    if name in lost:
        before = _without(before, lost[name])
    return (column if before is None else column.cast(before)).alias(name)


def _without(kind: Any, gone: set[str] | None) -> Any:
    """A type that lists words without some of them; None, for text, where none is left or the list lies deeper."""
    stay = [] if gone is None else [word for word in kind.children[0][1] if word not in gone]
    listed = ", ".join("'" + word.replace("'", "''") + "'" for word in stay)
    return _library().sqltype(f"ENUM({listed})") if stay else None


def _library() -> Any:
    """DuckDB, which is there where a relation is."""
    return sys.modules["duckdb"]


def _lost(before: Any, after: Any) -> set[str] | None:
    """The words that rows had and have no more; None where the column does not hold words itself."""
    if not pa.types.is_dictionary(before.type):
        return None
    used, still = (set(pc.unique(words(each)).drop_null().to_pylist()) for each in (before, after))
    return used - still
