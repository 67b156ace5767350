"""Results of many sources as one table, in which nothing that was asked for is hidden by anything else."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from compliance_frames.schemas import BOUNDED, RESULTS, TREATMENTS
from compliance_frames.service.results import strictest


def settled(tables: Iterable[pa.Table]) -> pa.Table:
    """One row for each type and ID, the strictest; beside it one for each reason that no policy knows yet.

    What such a reason asks for shows when a policy settles it: until then its row neither hides another nor is hidden.

    Returns:
        A table of schema :data:`compliance_frames.schemas.RESULTS`, with a column more where a table has one more.

    >>> settled([]).schema.equals(RESULTS)
    True
    """
    parts = [_whole(table) for table in tables]
    if not parts:
        return RESULTS.empty_table()
    table = pa.concat_tables(parts).unify_dictionaries()
    reasons = table.column("reason").cast(pa.string())
    known = pc.is_in(reasons, pa.array(list(TREATMENTS)))
    if pc.all(known).as_py():
        return without_empty(strictest([table], schema=BOUNDED))
    others = pc.unique(reasons.filter(pc.invert(known))).to_pylist()
    apart = [table.filter(known), *(table.filter(pc.equal(reasons, pa.scalar(reason))) for reason in others)]
    whole = pa.concat_tables([strictest([part], schema=BOUNDED) for part in apart]).unify_dictionaries()
    return without_empty(in_order(whole))


def in_order(table: pa.Table) -> pa.Table:
    """Sorted by type and ID; rows of one ID by reason."""
    words = [name for name in ("type", "reason") if pa.types.is_dictionary(table.schema.field(name).type)]
    plain = table.select(["type", "id", "reason"]).cast(
        pa.schema([field.with_type(pa.string()) if field.name in words else field for field in RESULTS_KEYS])
    )
    order = pc.sort_indices(plain, sort_keys=[(name, "ascending") for name in plain.column_names])
    return table.take(order).combine_chunks()


def without_empty(table: pa.Table) -> pa.Table:
    """Without the columns beyond those of results that say nothing."""
    more = [name for name in BOUNDED.names if name not in RESULTS.names]
    return table.drop_columns([name for name in more if table.column(name).null_count == table.num_rows])


RESULTS_KEYS = pa.schema([RESULTS.field(name) for name in ("type", "id", "reason")])


def _whole(table: pa.Table) -> pa.Table:
    """A table with all columns that results can have."""
    for field in BOUNDED:
        if field.name not in table.column_names:
            table = table.append_column(field, pa.nulls(table.num_rows, field.type))
    return table.select(BOUNDED.names).cast(BOUNDED)
