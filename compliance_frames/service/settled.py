"""Results of many sources as one table, in which nothing that was asked for is hidden by anything else."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from compliance_frames.schemas import BOUNDED, RESULTS
from compliance_frames.service.results import one_per_reason


def settled(tables: Iterable[pa.Table]) -> pa.Table:
    """One row for each type, ID and reason.

    Returns:
        A table of schema :data:`compliance_frames.schemas.RESULTS`, with a column more where a table has one more.

    >>> settled([]).schema.equals(RESULTS)
    True
    """
    table = one_per_reason(map(_whole, tables), schema=BOUNDED)
    more = [name for name in BOUNDED.names if name not in RESULTS.names]
    return table.drop_columns([name for name in more if table.column(name).null_count == table.num_rows])


def _whole(table: pa.Table) -> pa.Table:
    """A table with all columns that results can have."""
    for field in BOUNDED:
        if field.name not in table.column_names:
            table = table.append_column(field, pa.nulls(table.num_rows, field.type))
    return table.select(BOUNDED.names).cast(BOUNDED)
