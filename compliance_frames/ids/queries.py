"""Lazy frames and relations are queries, which fail when they are run: said in one sentence, as an error of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from compliance_frames.errors import IdError

_LIBRARIES = {"polars", "duckdb", "_duckdb"}


@contextmanager
def running(source: Any) -> Iterator[None]:
    """Run somebody's query.

    Raises:
        IdError: it fails.

    >>> import polars as pl
    >>> broken = pl.LazyFrame({"id": [20]}).select("no")
    >>> with running(broken):
    ...     _ = broken.collect()
    Traceback (most recent call last):
    compliance_frames.errors.IdError: The LazyFrame cannot be read: unable to find column "no"; valid columns: ["id"]
    """
    try:
        yield
    except Exception as error:
        known = isinstance(error, OSError | pa.ArrowException)
        if not known and type(error).__module__.partition(".")[0] not in _LIBRARIES:
            raise
        said = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise IdError(f"The {type(source).__name__} cannot be read: {said[:300]}") from error
