"""Statistics rule a row group out only where no flagged ID can be in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compliance_frames.corpus.columns import find_columns
from compliance_frames.corpus.erasures import Erasures
from compliance_frames.corpus.leaves import find_leaves, may_hold, text_ranges

numbers = st.integers(0, 10**4) | st.integers(0, 2**63 - 1)


class Bounds:
    """The statistics of one column chunk, as Parquet's reader gives them."""

    def __init__(self, values: list[Any]) -> None:
        self.has_min_max = bool(values)
        self.has_null_count = True
        self.num_values = len(values)
        self.min, self.max = (min(values), max(values)) if values else (None, None)


@settings(max_examples=300, deadline=None)
@given(st.lists(numbers, max_size=6), numbers)
def test_text_statistics_never_hide_an_id(values: list[int], flagged: int) -> None:
    """Whatever the lengths of the IDs in a column of text: one that is there is never ruled out."""
    texts = Bounds([str(value) for value in values])
    if flagged in values:
        assert may_hold(texts, np.array([flagged]))
    elif may_hold(texts, np.array([flagged])):  # and one is let in only if its text lies between the bounds
        assert texts.min <= str(flagged) <= texts.max or texts.min[0] == "0"


@pytest.mark.parametrize(("low", "high", "inside"), [("100", "199", "1000"), ("100000000000000000", "99", "5")])
def test_bounds_of_one_length_do_not_bind_the_values_between(low: str, high: str, inside: str) -> None:
    """Between ``"100"`` and ``"199"`` stands ``"1000"``: equal lengths of the bounds prove nothing."""
    assert may_hold(Bounds([low, inside, high]), np.array([int(inside)]))


@pytest.mark.parametrize(
    "values", [[" 1", "2"], ["01", "2"], ["1 ", "2"], ["", "2"], ["a", "b"], [b"\xff", b"\xff"], [-5, 3], [1.5, 2.5]]
)
def test_bounds_that_are_no_plain_numbers_prove_nothing(values: list[Any]) -> None:
    """Spaces, leading zeros, other words: the row group is read, and its reader decides."""
    assert may_hold(Bounds(values), np.array([999]))


def test_a_chunk_without_statistics_is_read_and_one_without_values_is_not() -> None:
    """No statistics say nothing; only nulls say that there is no ID."""
    silent = Bounds([])
    silent.num_values = 5
    assert may_hold(None, np.array([1]))
    assert may_hold(silent, np.array([1]))
    assert not may_hold(Bounds([]), np.array([1]))
    assert not may_hold(None, np.array([], dtype=np.int64))


def test_numbers_are_bounded_as_numbers() -> None:
    """Both ends count; beyond them nothing does."""
    bounds = Bounds([10, 20])
    assert [may_hold(bounds, np.array([id])) for id in (9, 10, 20, 21)] == [False, True, True, False]
    assert text_ranges("5", "1") is None


def test_only_id_leaves_are_read(tmp_path: Path) -> None:
    """Of nested columns the IDs and what decides about them are read, never the texts beside them."""
    tweet = pa.struct(
        {"text": pa.string(), "id": pa.string(), "user": pa.struct({"name": pa.string(), "id": pa.int64()})}
    )
    schema = pa.schema(
        {
            "labels": pa.map_(pa.string(), pa.string()),
            "text": pa.string(),
            "id": pa.dictionary(pa.int32(), pa.string()),
            "user": pa.struct({"name": pa.string(), "id": pa.int64()}),
            "geo": pa.struct({"place_id": pa.string(), "at": pa.list_(pa.float64())}),
            "referenced_tweets": pa.list_(pa.struct({"type": pa.string(), "id": pa.string()})),
            "quoted_status": tweet,
            "includes": pa.struct({"tweets": pa.large_list(tweet)}),
        }
    )
    pq.write_table(schema.empty_table(), tmp_path / "a.parquet")
    file = pq.ParquetFile(tmp_path / "a.parquet")
    found = find_leaves(file, find_columns(file.schema_arrow), Erasures(drop_authors=np.array([1])))
    assert found.ids == (
        "id",
        "user.id",
        "referenced_tweets.list.element.type",
        "referenced_tweets.list.element.id",
        "quoted_status.id",
        "quoted_status.user.id",
        "includes.tweets.list.element.id",
        "includes.tweets.list.element.user.id",
    )
    assert found.places == ("geo.place_id", "geo.at.list.element")
    assert found.probes is not None
    assert {file.schema.column(at).name for at, *_ in found.probes} == {"id"}
    file.close()
