"""Frames with columns that nobody expects: each is taken for what it is, or refused in one sentence of ours."""

from __future__ import annotations

import decimal
from collections.abc import Callable
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as pads
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import compliance_frames as cf
from compliance_frames.corpus.referenced import referenced
from compliance_frames.corpus.told import Told
from compliance_frames.ids.intake import read_ids
from tests.corpus.conftest import Flag

VIEWS = pa.array(["7", "9"], pa.string_view())
#: Two values each, of types that columns of IDs, of tweets and of places do not have, or seldom.
ODD: dict[str, Any] = {
    "dictionary of views": pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int32()), VIEWS),
    "dictionary of nothing": pa.DictionaryArray.from_arrays(pa.array([None, None], pa.int8()), pa.nulls(0)),
    "dictionary of numbers": pa.array([7, -1]).dictionary_encode(),
    "dictionary of bytes": pa.array([b"7", b"\xff"]).dictionary_encode(),
    "views": VIEWS,
    "bytes": pa.array([b"7", b"\xff"]),
    "nothing": pa.nulls(2),
    "uint64": pa.array([7, 2**63], pa.uint64()),
    "float16": pa.array([7.0, None], pa.float16()),
    "decimal": pa.array([decimal.Decimal(7), decimal.Decimal(10) ** 30], pa.decimal128(38, 0)),
    "decimal with a point": pa.array([decimal.Decimal("7.5"), None]),
    "duration": pa.array([7, None], pa.duration("ns")),
    "time": pa.array([7, None], pa.time64("us")),
    "zoned": pa.array([7, None], pa.timestamp("ms", "Europe/Berlin")),
    "runs": pa.RunEndEncodedArray.from_arrays(pa.array([2], pa.int32()), pa.array(["7"])),
    "list of nothing": pa.array([[None], None], pa.list_(pa.null())),
    "list of views": pa.array([["7"], None], pa.list_view(pa.string())),
    "list of structs": pa.array([[{"type": "quoted", "id": 2**63}], None], pa.list_(pa.struct({"id": pa.uint64()}))),
    "struct": pa.array([{"id": 7, "text": "…"}, None]),
    "struct of a name twice": pa.StructArray.from_arrays([pa.array([7, 8]), pa.array(["a", "b"])], names=["id", "id"]),
    "struct of nothing": pa.array([{}, None], pa.struct([])),
    "map": pa.array([[("quoted", "7")], None], pa.map_(pa.string(), pa.string())),
    "union": pa.UnionArray.from_sparse(pa.array([0, 1], pa.int8()), [pa.array([7, 8]), pa.array(["a", "b"])]),
    "uuid": pa.array([bytes(16), None], pa.binary(16)).cast(pa.uuid()),
    "json": pa.ExtensionArray.from_storage(pa.json_(), pa.array(['{"id": 7, "text": "…"}', None])),
}
MAKERS: dict[str, Callable[[pa.Table], Any]] = {
    "pyarrow": lambda table: table,
    "polars": pl.from_arrow,
    "lazy": lambda table: pl.from_arrow(table).lazy(),  # type: ignore[union-attr]
    "pandas": lambda table: _whole(table).to_pandas(),
    "pandas of Arrow types": lambda table: table.to_pandas(types_mapper=pd.ArrowDtype),
    "DuckDB": lambda table: duckdb.connect().from_arrow(table),
    "dataset": pads.dataset,
    "reader": lambda table: table.to_reader(),
}


def _whole(table: pa.Table) -> pa.Table:
    """A table with a chunk in each column: pandas is made of list views without any by ending the process."""
    return table if table.num_rows else table.schema.empty_table()


#: What the libraries themselves refuse to make.
UNMADE: Any = (pa.ArrowException, pl.exceptions.PolarsError, pl.exceptions.PanicException, duckdb.Error, TypeError)
ROLES = [
    "id",
    "author_id",
    "retweeted_status",
    "referenced_tweets",
    "retweeted_status_id",
    "quoted_status",
    "geo",
    "raw",
]


@pytest.fixture(scope="module")
def results(flag: Flag) -> pa.Table:
    return pa.concat_tables([flag("deleted", [7]), flag("scrub_geo", [8]), flag("suspended", [9], "users")])


def uses(results: pa.Table, role: str) -> dict[str, Callable[[Any], Any]]:
    """Everything that takes a frame."""
    told = cf.Columns("id", "author_id", references=[role], embedded=[role], geo=[])
    return {
        "IDs": read_ids,
        "named": lambda frame: list(referenced(frame, Told(), ("tweets", "users"))),
        "match": lambda frame: cf.match(frame, results),
        "apply": lambda frame: cf.apply(frame, results, geo=["geo"]),
        "apply what was told": lambda frame: cf.apply(frame, results, columns=told),
        "columns": cf.columns,
    }


def taken_or_refused(use: Callable[[Any], Any], frame: Any) -> None:
    try:
        made = use(frame)
        _ = made.collect() if isinstance(made, pl.LazyFrame) else made
    except cf.ComplianceFramesError as error:
        assert len(str(error)) < 700  # noqa: PT017


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(sorted(ODD)), st.sampled_from(ROLES), st.sampled_from(sorted(MAKERS)), st.sampled_from([0, 2]))
@example("dictionary of views", "id", "pyarrow", 0)
@example("union", "id", "pandas of Arrow types", 0)
def test_a_column_of_any_type_in_any_place_is_taken_or_refused(
    results: pa.Table, odd: str, role: str, maker: str, rows: int
) -> None:
    """In a frame of any library, with rows and without."""
    table = pa.table({"id": [7, 8], "author_id": [9, 10], "geo": ["x", None]} | {role: ODD[odd]}).slice(0, rows)
    table = table if rows else pa.Table.from_batches([], table.schema)
    for use in uses(results, role).values():
        try:
            frame = MAKERS[maker](table)
        except UNMADE:
            return
        taken_or_refused(use, frame)


TWICE = pa.table([pa.array([7, 8]), pa.array([9, 10]), VIEWS, VIEWS], names=["id", "author_id", "raw", "raw"])
FRAMES: dict[str, Callable[[], Any]] = {
    "no column": lambda: pa.table({}),
    "structs of one name": lambda: pa.table(
        [pa.array([7]), *[pa.array([{"id": 9}])] * 2], names=["id", "user", "user"]
    ),
    "one name in a dataset": lambda: pads.dataset(TWICE),
    "one name in a relation": lambda: duckdb.sql("select 7 as id, 9 as author_id, 'a' as raw, 1 as raw"),
    "a name of DuckDB's in two cases": lambda: duckdb.sql("select 7 as id, 9 as author_id, 'a' as raw, 1 as RAW"),
    "columns that match adds": lambda: duckdb.sql("select 7 as id, 9 as author_id, 1 as compliance_type"),
    "a query that fails": lambda: duckdb.sql("select cast(x as bigint) as id, 9 as author_id from (values ('x')) t(x)"),
    "a file that is not there": lambda: pl.scan_parquet("nowhere.parquet"),
    "a column that is not there": lambda: pl.LazyFrame({"id": [7]}).select("no"),
    "half a character": lambda: pd.DataFrame({"id": [7, 8], "author_id": [9, 10], "raw": objects("\ud800", "b")}),
    "half a character for an ID": lambda: pd.DataFrame({"id": objects("\ud800", "7")}),
    "numbers that are too large": lambda: pd.DataFrame({"id": objects(2**70, 7), "user": objects([2**70], {})}),
    "an index of views": lambda: pd.DataFrame({"author_id": [9, 10]}, index=pd.Index(arrow_text("7", "8"), name="id")),
    "wide integers": lambda: pl.DataFrame({"id": [7, 8], "author_id": [9, 10]}, schema_overrides={"id": pl.Int128}),
    "wide integers in lists": lambda: pl.DataFrame(
        {"id": [7], "raw": [[7]]}, schema={"id": int, "raw": pl.List(pl.Int128)}
    ),
    "wide decimals": lambda: pl.from_arrow(pa.table({"id": pa.array([], pa.decimal256(60, 0))})),
    "an array of structs": lambda: np.array([(7, 9)], dtype=[("id", "i8"), ("author_id", "i8")]),
}


def objects(*values: Any) -> Any:
    return pd.Series(list(values), dtype=object)


def arrow_text(*values: str) -> Any:
    return pd.array(list(values), dtype=pd.ArrowDtype(pa.string_view()))  # type: ignore[call-overload]


@pytest.mark.parametrize("odd", FRAMES)
def test_a_frame_of_any_shape_is_taken_or_refused(results: pa.Table, odd: str) -> None:
    """Names that stand twice, queries that fail, text that is none, integers that are too wide."""
    for use in uses(results, "raw").values():
        taken_or_refused(use, FRAMES[odd]())


def test_what_is_odd_but_sound_is_used(results: pa.Table) -> None:
    """Dictionaries of views are IDs, columns of the names that are added are replaced, an index of views loses rows."""
    table = pa.table({"id": ODD["dictionary of views"], "author_id": [1, 1]})
    assert read_ids(table).values.to_pylist() == [7, 9]
    assert cf.apply(table, results, geo=[])["id"].to_pylist() == ["9"]
    matched = cf.match(FRAMES["columns that match adds"](), results)
    assert matched.to_arrow_table().column("compliance_type").to_pylist() == ["tweets"]
    twice = pa.table(
        [pa.array([7]), pa.array([9]), *[pa.array([1])] * 2], names=["id", "author_id", *["compliance_type"] * 2]
    )
    assert cf.match(twice, results).column("compliance_type").to_pylist() == ["tweets"]
    assert cf.apply(FRAMES["an index of views"](), results, geo=[]).index.tolist() == ["8"]
    assert cf.apply(FRAMES["wide integers"](), results, geo=[])["id"].to_list() == [8]
    for broken in ("a query that fails", "a file that is not there", "a column that is not there"):
        with pytest.raises(cf.ComplianceFramesError, match="cannot be read"):
            read_ids(FRAMES[broken]())
