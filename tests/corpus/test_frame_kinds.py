"""Frames of every library: the user's type, order, index and columns come back, and nothing of what was erased."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import narwhals as nw
import narwhals.stable.v1 as nw_v1
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance_frames.corpus.frames import apply, match
from compliance_frames.errors import IdError, PlanError

Flag = Callable[..., pa.Table]

#: What stands in one row only, and must be nowhere once the row went; longer than what views of text hold themselves.
SECRET = "words of somebody who left, and who would not want them kept"
OPEN = "words of somebody who stayed, which nobody has to take away"
BIG = 1_500_000_000_000_000_000

TABLE = pa.table(
    {
        "text": [OPEN, SECRET, OPEN, None],
        "id": pa.array([BIG + 3, BIG + 1, None, BIG + 3]),
        "n": pa.array([1, 2, 3, 4], pa.uint8()),
        "author_id": pa.array(["30", "10", None, "30"]),
        "word": pa.array([OPEN, SECRET, OPEN, OPEN]).dictionary_encode(),
        "inner": [{"a": [OPEN]}, {"a": [SECRET]}, None, {"a": []}],
    }
).replace_schema_metadata({"made": "by hand"})


@pytest.fixture(scope="module")
def connection() -> Iterator[Any]:
    """A DuckDB that is nobody's default."""
    with duckdb.connect() as opened:
        yield opened


NULLABLE = {pa.int64(): pd.Int64Dtype(), pa.uint8(): pd.UInt8Dtype(), pa.string(): pd.StringDtype()}

KINDS: dict[str, Callable[[pa.Table, Any], Any]] = {
    "pyarrow": lambda table, _: table,
    "record batch": lambda table, _: pa.RecordBatch.from_arrays(
        [pa.concat_arrays([pa.array([], column.type), *column.chunks]) for column in table.columns], schema=table.schema
    ),
    "reader": lambda table, _: table.to_reader(),
    "polars": lambda table, _: pl.DataFrame(table),
    "lazy": lambda table, _: pl.LazyFrame(table),
    "pandas": lambda table, _: table.to_pandas(integer_object_nulls=True),
    "pandas, nullable": lambda table, _: table.to_pandas(types_mapper=NULLABLE.get),
    "pandas of arrow": lambda table, _: table.to_pandas(types_mapper=pd.ArrowDtype),
    "duckdb": lambda table, connection: connection.from_arrow(table),
    "narwhals": lambda table, _: nw.from_native(pl.DataFrame(table)),
    "narwhals, lazy": lambda table, _: nw_v1.from_native(pl.LazyFrame(table)),
}


def rows(frame: Any) -> list[dict[str, Any]]:
    """A frame's rows as Python values."""
    if type(frame).__module__.startswith("narwhals"):
        frame = frame.to_native()
    if isinstance(frame, pl.LazyFrame):
        frame = frame.collect()
    if isinstance(frame, pd.DataFrame):
        return pa.Table.from_pandas(frame, preserve_index=False).to_pylist()
    return frame.read_all().to_pylist() if isinstance(frame, pa.RecordBatchReader) else pa.table(frame).to_pylist()


def holds(frame: Any, secret: str = SECRET) -> bool:
    """Whether anything of a frame, as it is stored or sent, holds a text."""
    if type(frame).__module__.startswith("narwhals"):
        frame = frame.to_native()
    if isinstance(frame, pl.LazyFrame):
        frame = frame.collect()
    if isinstance(frame, duckdb.DuckDBPyRelation):
        assert secret not in str(frame.types)
        frame = pa.table(frame)
    if isinstance(frame, pa.RecordBatchReader):
        frame = frame.read_all()
    found = secret.encode() in pickle.dumps(frame)
    if isinstance(frame, pl.DataFrame):
        sink = io.BytesIO()
        frame.write_ipc(sink)
        found |= secret.encode() in sink.getvalue()
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_of_frame_comes_back_with_its_columns_in_order(flag: Flag, connection: Any, kind: str) -> None:
    """Rows and columns keep their order, and nothing but what was asked for is different."""
    results = [flag("deleted", [BIG + 1]), flag("protected", [30], "users")]
    frame = KINDS[kind](TABLE, connection)
    made = match(frame, *results)
    assert type(made) is type(frame)
    matched = rows(made)
    assert list(matched[0])[: len(TABLE.schema)] == TABLE.schema.names
    assert [row["compliance_reason"] for row in matched] == ["protected", "deleted", None, "protected"]
    plain = [{name: row[name] for name in TABLE.schema.names} for row in matched]
    assert plain == rows(KINDS[kind](TABLE, connection))
    made = apply(KINDS[kind](TABLE, connection), results[0])
    assert type(made) is type(frame)
    assert rows(made) == [row for row in plain if row["text"] != SECRET]


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_of_a_row_that_went_stays_in_the_frame(flag: Flag, connection: Any, kind: str) -> None:
    """Neither in buffers that others share, nor in lists of words: not even where a frame is written as it is."""
    frame = KINDS[kind](TABLE, connection)
    made = apply(frame, flag("deleted", [BIG + 1]))
    assert not holds(made), kind
    assert holds(KINDS[kind](TABLE, connection))


@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_without_rows_stays_one(flag: Flag, connection: Any, kind: str) -> None:
    """No rows before, or none after: the columns are there."""
    empty = TABLE.slice(0, 0)
    whole = pa.table({**{name: TABLE.column(name) for name in TABLE.schema.names}, "id": [BIG] * 4})
    frame = KINDS[kind](empty, connection)
    made = apply(frame, flag("deleted", [1]))
    assert type(made) is type(frame)
    assert rows(made) == []
    assert rows(match(KINDS[kind](empty, connection), flag("deleted", [1]))) == []
    frame = KINDS[kind](whole, connection)
    gone = apply(frame, flag("deleted", [BIG]))
    assert type(gone) is type(frame)
    assert rows(gone) == []


@pytest.mark.parametrize("kind", ["polars", "lazy"])
def test_polars_enums_shed_the_words_that_went(flag: Flag, kind: str) -> None:
    """Of a frame the type is an Enum of the words that stay; a lazy one cannot know them, and lists none."""
    listed = pl.Enum(["never", SECRET, OPEN])
    frame = pl.DataFrame(
        {"id": [1, 2]},
    ).with_columns(
        pl.Series("word", [SECRET, OPEN], dtype=listed),
        pl.Series("words", [[SECRET], [OPEN]], dtype=pl.List(listed)),
        pl.Series("pair", [[SECRET, OPEN], [OPEN, OPEN]], dtype=pl.Array(listed, 2)),
        pl.Series("inner", [{"w": SECRET}, {"w": OPEN}], dtype=pl.Struct({"w": listed})),
        pl.Series("free", [SECRET, OPEN], dtype=pl.Categorical),
    )
    made = apply(frame if kind == "polars" else frame.lazy(), flag("deleted", [1]))
    made = made.lazy().collect()
    kept = pl.Enum(["never", OPEN]) if kind == "polars" else pl.Categorical()
    assert made.schema == {
        "id": pl.Int64(),
        "word": kept,
        "words": pl.List(kept),
        "pair": pl.Array(kept, 2),
        "inner": pl.Struct({"w": kept}),
        "free": pl.Categorical(),
    }
    assert made.row(0) == (2, OPEN, [OPEN], [OPEN, OPEN], {"w": OPEN}, OPEN)
    assert not holds(made)
    assert match(frame, flag("deleted", [1])).schema["word"] == listed


def test_a_lazy_enum_can_still_be_compared(flag: Flag) -> None:
    """What stands behind the call works on the types that the call tells."""
    frame = pl.LazyFrame({"id": [1, 2], "lang": pl.Series(["en", "de"], dtype=pl.Enum(["en", "de"]))})
    made = apply(frame, flag("deleted", [1]))
    assert made.collect_schema()["lang"] == pl.Categorical()
    assert made.filter(pl.col("lang") == "de").collect().to_dict(as_series=False) == {"id": [2], "lang": ["de"]}


def test_arrow_tables_keep_their_metadata_but_for_lists_of_words(flag: Flag) -> None:
    """What a schema says stays, and polars' list of an Enum's words goes."""
    field = pa.field("word", pa.string(), metadata={"_PL_ENUM_VALUES2": f"2;{SECRET}", "mine": "yes"})
    table = pa.table(
        [[1, 2], [SECRET, OPEN]], schema=pa.schema([pa.field("id", pa.int64()), field], {"made": "by hand"})
    )
    made = apply(table, flag("deleted", [1]))
    assert made.schema.metadata == {b"made": b"by hand"}
    assert made.schema.field("word").metadata == {b"mine": b"yes"}
    assert not holds(made)
    assert match(table, flag("deleted", [1])).schema.metadata == {b"made": b"by hand"}


INDEXES: dict[str, pd.Index[Any]] = {
    "range": pd.RangeIndex(10, 14),
    "text": pd.Index(["p", SECRET, "p", "q"], name="label"),
    "times": pd.date_range("2024-01-01", periods=4, tz="UTC"),
    "categories": pd.CategoricalIndex(["p", SECRET, "p", "q"], categories=["never", SECRET, "p", "q"]),
    "levels": pd.MultiIndex.from_tuples([("a", 1), (SECRET, 2), ("a", 2), ("b", 1)], names=["who", None]),
    "levels of categories": pd.MultiIndex.from_arrays([pd.Categorical(["a", SECRET, "a", "b"]), [1, 2, 3, 4]]),
    "intervals": pd.interval_range(0, 4),
}


@pytest.mark.parametrize("name", INDEXES)
@pytest.mark.parametrize("kind", ["pandas", "pandas, nullable", "pandas of arrow"])
def test_pandas_keeps_an_index_of_any_kind(flag: Flag, connection: Any, kind: str, name: str) -> None:
    """Labels stay with their rows, and name nobody who went."""
    frame = KINDS[kind](TABLE, connection).set_axis(INDEXES[name], axis=0)
    frame.attrs["source"] = "here"
    made = apply(frame, flag("deleted", [BIG + 1]))
    keep = np.array([True, False, True, True])
    assert made.index.tolist() == frame.index[keep].tolist()
    assert made.index.names == frame.index.names
    assert type(made.index) is type(frame.index[keep])
    assert made.attrs == {"source": "here"}
    assert [str(kind) for kind in made.dtypes] == [str(kind) for kind in frame.dtypes]
    assert not holds(made)
    matched = match(frame, flag("deleted", [BIG + 1]))
    pd.testing.assert_frame_equal(matched[list(frame.columns)], frame)


@pytest.mark.parametrize("levels", [["id"], ["author_id", "id"]])
def test_ids_in_an_index_are_found_there(flag: Flag, levels: list[str]) -> None:
    """Who indexed a frame by its tweets, or by authors and tweets, need not take them out again."""
    frame = pd.DataFrame({"id": ["1", "2"], "author_id": [10, 20], "text": ["a", "b"]}).set_index(levels)
    made = apply(
        frame, flag("deleted", [2]), flag("suspended", [30], "users") if len(levels) > 1 else flag("deleted", [])
    )
    assert made["text"].tolist() == ["a"]
    assert made.index.names == levels
    assert match(frame, flag("deleted", [2]))["compliance_reason"].isna().tolist() == [True, False]
    placed = frame.assign(place=["x", "y"]).set_index("place", append=True)
    with pytest.raises(PlanError, match="reset_index"):
        apply(placed, flag("scrub_geo", [2]))


IDS: dict[str, Callable[[list[int]], Any]] = {
    "object of text": lambda ids: pd.Series([str(id) for id in ids], dtype=object),
    "object of numbers": lambda ids: pd.Series(ids, dtype=object),
    "str": lambda ids: pd.Series([str(id) for id in ids], dtype="str"),
    "string": lambda ids: pd.Series([str(id) for id in ids], dtype="string"),
    "Int64": lambda ids: pd.Series(ids, dtype="Int64"),
    "uint64": lambda ids: pd.Series(ids, dtype="uint64"),
    "category of text": lambda ids: pd.Series([str(id) for id in ids], dtype="category"),
    "category of numbers": lambda ids: pd.Series(ids, dtype="category"),
    "int64 of arrow": lambda ids: pd.Series(ids, dtype="int64[pyarrow]"),
    "string of arrow": lambda ids: pd.Series([str(id) for id in ids], dtype="string[pyarrow]"),
    "polars Int64": lambda ids: pl.Series("id", ids),
    "polars String": lambda ids: pl.Series("id", [str(id) for id in ids]),
    "polars Categorical": lambda ids: pl.Series("id", [str(id) for id in ids], dtype=pl.Categorical),
    "polars Enum": lambda ids: pl.Series(
        "id", [str(id) for id in ids], dtype=pl.Enum(list(dict.fromkeys(map(str, ids))))
    ),
    "polars UInt64": lambda ids: pl.Series("id", ids, dtype=pl.UInt64),
}


@pytest.mark.parametrize("kind", IDS)
def test_ids_of_every_type_are_exact(flag: Flag, kind: str) -> None:
    """Numbers above 2^53 that differ in their last digit are different tweets, however a column holds them."""
    ids = IDS[kind]([BIG + 1, BIG + 2, BIG + 1, BIG + 3])
    frame = pd.DataFrame({"id": ids}) if isinstance(ids, pd.Series) else pl.DataFrame([ids])
    made = match(frame, flag("deleted", [BIG + 1]))
    assert [row["compliance_reason"] for row in rows(made)] == ["deleted", None, "deleted", None]
    left = apply(frame, flag("deleted", [BIG + 1]))
    assert [int(row["id"]) for row in rows(left)] == [BIG + 2, BIG + 3]


def test_nulls_and_repeats_among_ids_are_rows_like_others(flag: Flag, connection: Any) -> None:
    """A row without an ID is nobody's result; a tweet that stands twice has its result twice."""
    for kind in KINDS:
        made = rows(match(KINDS[kind](TABLE, connection), flag("deleted", [BIG + 3])))
        assert [row["compliance_reason"] for row in made] == ["deleted", None, None, "deleted"], kind


@pytest.mark.parametrize("verb", [match, apply])
def test_ids_that_pandas_made_floats_of_are_refused(flag: Flag, verb: Callable[..., Any]) -> None:
    """Their last digits are gone: another tweet would go in their place."""
    with pytest.raises(IdError, match="floating-point"):
        verb(TABLE.to_pandas(), flag("deleted", [BIG + 1]))


def test_a_relation_stays_on_its_connection_with_its_types(flag: Flag, connection: Any) -> None:
    """Types that Arrow does not know come back; an ENUM lists no word that went; nothing is left behind."""
    connection.execute(
        f"create or replace table t(id bigint, word enum('never', '{SECRET}', 'it''s open'), \"my \"\"key\" uuid, "
        f"large hugeint, raw json, deep enum('{SECRET}', 'b')[])"
    )
    connection.execute(f"insert into t values (1, '{SECRET}', uuid(), 3, '{{}}', ['{SECRET}'])")
    connection.execute("insert into t values (2, 'it''s open', uuid(), 4, '[]', ['b'])")
    relation = connection.table("t")
    matched = match(relation, flag("deleted", [1]))
    assert matched.types[: len(relation.types)] == relation.types
    assert matched.select("compliance_reason").fetchall() == [("deleted",), (None,)]
    made = apply(relation, flag("deleted", [1]))
    assert made.columns == relation.columns
    assert str(made.types[1]) == "ENUM('never', 'it''s open')"
    assert [str(kind) for kind in made.types[2:5]] == ["UUID", "HUGEINT", "JSON"]
    assert made.fetchall() == relation.filter("id = 2").fetchall()
    assert not holds(made)
    assert connection.sql("select count(*) from made join t using (id)").fetchall() == [(1,)]
    connection.execute("create or replace temp view compliance_frames_rows as select 42")
    assert apply(relation, flag("deleted", [1])).fetchall() == made.fetchall()
    assert connection.sql("from compliance_frames_rows").fetchall() == [(42,)]
    connection.execute("drop view compliance_frames_rows")
    assert connection.sql("select count(*) from duckdb_views() where not internal").fetchall() == [(0,)]
    assert apply(relation, flag("deleted", [])) is relation
    every = apply(relation, flag("deleted", [1, 2]))
    assert every.fetchall() == []
    assert "open" not in str(every.types[1])


def test_a_relation_of_a_connection_that_takes_no_tables_is_told(flag: Flag) -> None:
    """Where DuckDB is not let see what Python has, the way out is named."""
    with duckdb.connect(config={"python_enable_replacements": "false"}) as closed:
        relation = closed.sql("select 1 as id")
        with pytest.raises(PlanError, match=r"to_arrow_table\(\)"):
            match(relation, flag("deleted", [1]))
        assert match(relation.to_arrow_table(), flag("deleted", [1])).num_rows == 1


@given(
    st.lists(st.tuples(st.none() | st.integers(0, 4), st.sampled_from("abc") | st.none()), max_size=12),
    st.sets(st.integers(0, 4)),
    st.sampled_from(list(KINDS)),
)
def test_what_stays_is_what_a_plain_loop_keeps(
    flag: Flag, connection: Any, drawn: list[tuple[int | None, str | None]], gone: set[int], kind: str
) -> None:
    """Row by row, for every library: a row goes if its tweet was flagged, and else is what it was."""
    ids = [None if id is None else BIG + id for id, _ in drawn]
    words = pa.array([word for _, word in drawn], pa.string())
    table = pa.table({"id": pa.array(ids, pa.int64()), "w": words, "d": words.dictionary_encode()})
    frame = KINDS[kind](table, connection)
    expected = [row for row in table.to_pylist() if row["id"] is None or row["id"] - BIG not in gone]
    assert rows(apply(frame, flag("deleted", [BIG + id for id in gone]))) == expected
