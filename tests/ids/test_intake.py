"""Whatever holds IDs is read alike; what is no ID is refused with its place."""

from __future__ import annotations

import bz2
import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance_frames.errors import IdError
from compliance_frames.ids.intake import Ids, parse_ids, read_ids
from compliance_frames.ids.sources import author_column_of

BASE = 1212161512043446272
#: Five rows: unsorted, one repeated, one null.
TEXTS = [str(BASE + 7), str(BASE + 3), None, str(BASE + 7), "20"]
NUMBERS = [None if text is None else int(text) for text in TEXTS]
SORTED = [20, BASE + 3, BASE + 7]
WORDS = ["a", "b", "c", "d", "e"]


def frame(ids: Any) -> pa.Table:
    return pa.table({"text": WORDS, "id": ids})


SOURCES: dict[str, Callable[[], Any]] = {
    "polars frame": lambda: pl.DataFrame({"text": WORDS, "id": NUMBERS}),
    "polars frame of strings": lambda: pl.DataFrame({"text": WORDS, "id": TEXTS}),
    "polars categorical": lambda: pl.DataFrame({"id": TEXTS}, schema={"id": pl.Categorical}),
    "polars Int128": lambda: pl.DataFrame({"text": WORDS, "id": NUMBERS}, schema_overrides={"id": pl.Int128}),
    "polars Int128 series": lambda: pl.Series("id", NUMBERS, dtype=pl.Int128),
    "polars UInt64 lazy": lambda: pl.LazyFrame({"text": WORDS, "id": NUMBERS}, schema_overrides={"id": pl.UInt64}),
    "pandas with a number for a name": lambda: pd.DataFrame({0: TEXTS}),
    "arrow run-end encoded": lambda: frame(pc.run_end_encode(pa.array(NUMBERS))),
    "duckdb hugeint": lambda: duckdb.from_arrow(frame(NUMBERS)).select("text, id::HUGEINT AS id"),
    "polars lazy": lambda: pl.LazyFrame({"text": WORDS, "id": TEXTS}),
    "polars series": lambda: pl.Series("id", NUMBERS),
    "pandas strings": lambda: pd.DataFrame({"text": WORDS, "id": TEXTS}),
    "pandas Int64": lambda: pd.DataFrame({"text": WORDS, "id": pd.array(NUMBERS, "Int64")}),
    "pandas mixed objects": lambda: pd.DataFrame(
        {"id": pd.Series([*TEXTS[:2], None, int(TEXTS[3]), 20], dtype=object)}
    ),
    "pandas series": lambda: pd.Series(TEXTS, name="id"),
    "pandas category": lambda: pd.DataFrame({"id": pd.Categorical(TEXTS)}),
    "arrow table": lambda: frame(NUMBERS),
    "arrow batch": lambda: frame(TEXTS).to_batches()[0],
    "arrow uint64": lambda: frame(pa.array(NUMBERS, pa.uint64())),
    "arrow dictionary": lambda: frame(pa.array(TEXTS).dictionary_encode()),
    "arrow string_view": lambda: frame(pa.array(TEXTS).cast(pa.string_view())),
    "arrow large_string": lambda: frame(pa.array(TEXTS).cast(pa.large_string())),
    "arrow decimal": lambda: frame(pa.array(NUMBERS).cast(pa.decimal128(20, 0))),
    "arrow array": lambda: pa.array(NUMBERS),
    "arrow chunked": lambda: pa.chunked_array([NUMBERS[:2], NUMBERS[2:]]),
    "arrow chunked dictionary": lambda: pa.chunked_array([pa.array(TEXTS).dictionary_encode()]),
    "arrow reader": lambda: pa.RecordBatchReader.from_batches(frame(TEXTS).schema, frame(TEXTS).to_batches(2)),
    "arrow dataset": lambda: pads.dataset(frame(TEXTS)),
    "duckdb relation": lambda: duckdb.from_arrow(frame(TEXTS)),
    "narwhals": lambda: nw.from_native(frame(TEXTS)),
    "list of integers": lambda: NUMBERS,
    "list of strings": lambda: TEXTS,
    "list of both": lambda: [*TEXTS[:3], *NUMBERS[3:]],
    "tuple": lambda: tuple(NUMBERS),
    "iterator": lambda: iter(TEXTS),
    "numpy": lambda: np.array([BASE + 7, BASE + 3, BASE + 7, 20]),
    "numpy objects": lambda: np.array(TEXTS, dtype=object),
    "spaces around": lambda: [f" {TEXTS[0]}\t", TEXTS[1], TEXTS[3], " 20"],
}


@pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES)
def test_every_kind_of_frame_gives_the_same_ids(make: Callable[[], Any]) -> None:
    """The same five rows come out as the same three IDs, sorted, from whatever holds them."""
    assert read_ids(make()).values.to_pylist() == SORTED


def write_jsonl(path: Path) -> Path:
    path.write_text("".join(json.dumps({"text": "a\nb", "id": i}) + "\n" for i in [*TEXTS[:3], *NUMBERS[3:]]) + "\n")
    return path


def write_csv(path: Path) -> Path:
    path.write_text("text,id\n" + "".join(f'"a\nb, c",{text or ""}\n' for text in TEXTS))
    return path


def packed(path: Path, pack: Callable[[bytes], bytes], suffix: str) -> Path:
    target = path.with_name(path.name + suffix)
    target.write_bytes(pack(path.read_bytes()))
    path.unlink()
    return target


def write_parquet(path: Path) -> Path:
    pq.write_table(frame(TEXTS), path, row_group_size=2)
    return path


def write_text(path: Path) -> Path:
    path.write_text("\r\n".join(text or "" for text in TEXTS))
    return path


def write_dataset(folder: Path) -> Path:
    for day, rows in (("date=1", slice(0, 2)), ("date=2", slice(2, 5))):
        (folder / day).mkdir(parents=True)
        pq.write_table(frame(TEXTS).slice(rows.start, rows.stop - rows.start), folder / day / "part[1]*.parquet")
    (folder / "_metadata").write_text("not a part")
    (folder / ".hidden.parquet").write_text("not a part")
    return folder


FILES: dict[str, Callable[[Path], Path]] = {
    "ids.parquet": write_parquet,
    "with [1] *.parquet": write_parquet,
    "ids.csv": write_csv,
    "ids.jsonl": write_jsonl,
    "ids.ndjson": write_jsonl,
    "ids.txt": write_text,
    "corpus": write_dataset,
    "ids.csv.gz": lambda path: packed(write_csv(path.with_suffix("")), gzip.compress, ".gz"),
    "ids.jsonl.bz2": lambda path: packed(write_jsonl(path.with_suffix("")), bz2.compress, ".bz2"),
    "ids.txt.gz": lambda path: packed(write_text(path.with_suffix("")), gzip.compress, ".gz"),
}


@pytest.mark.parametrize(("name", "write"), FILES.items(), ids=FILES)
@pytest.mark.parametrize("kind", [str, Path])
def test_every_kind_of_file_gives_the_same_ids(tmp_path: Path, name: str, write: Any, kind: Any) -> None:
    """Parquet, CSV, JSON lines and text, packed or not, and a dataset directory are read like frames."""
    ids = read_ids(kind(write(tmp_path / name)))
    assert (ids.values.to_pylist(), ids.rows, ids.nulls, ids.duplicates) == (SORTED, 5, 1, 1)


def test_a_csv_without_a_header_loses_no_id(tmp_path: Path) -> None:
    """A bare list of IDs that is called .csv keeps its first line."""
    path = tmp_path / "ids.csv"
    path.write_text("22\n21\n")
    assert read_ids(path).values.to_pylist() == [21, 22]


@pytest.mark.parametrize(
    ("end", "odd"), [("\n", ""), ("\n", "  21"), ("\n", "\ufeff22"), ("\n", "x"), ("\r\n", ""), ("\r\n", "23")]
)
def test_lines_of_a_long_text_are_all_read_whatever_is_among_them(tmp_path: Path, end: str, odd: str) -> None:
    """A file of several blocks gives each of its lines; one that is odd is read, counted or refused with its row."""
    lines = [str(BASE + 7919 * number) for number in range(220_000)]
    (tmp_path / "a.txt").write_text(end.join([*lines[:210_000], odd, *lines[210_000:]]))
    if odd == "x":
        with pytest.raises(IdError, match="row 210000: 'x'"):
            read_ids(tmp_path / "a.txt")
    else:
        ids = read_ids(tmp_path / "a.txt")
        assert (ids.rows, ids.nulls, ids.duplicates) == (220_001, not odd, 0)
        assert ids.values.to_pylist() == sorted([*map(int, lines), *([int(odd.strip("\ufeff "))] if odd else [])])


def test_line_breaks_in_a_csv_break_no_row_however_large_it_is(tmp_path: Path) -> None:
    """Tweets hold line breaks, also where the reader goes from one block of the file to the next."""
    ids = [BASE + 7919 * number for number in range(40_000)]
    rows = "".join(f'"{"a" * (number % 97)}\nb, c\n",{id}\n' for number, id in enumerate(ids))
    (tmp_path / "a.csv").write_text("text,id\n" + rows)
    assert read_ids(tmp_path / "a.csv").values.to_pylist() == ids


def test_what_was_left_out_is_counted() -> None:
    """Nulls and repeats are never dropped in silence."""
    ids = read_ids(frame(TEXTS))
    assert (ids.rows, ids.nulls, ids.duplicates, ids.column, len(ids)) == (5, 1, 1, "id", 3)
    assert str(BASE) not in repr(ids)


@given(st.lists(st.integers(0, 2**63 - 1) | st.none(), min_size=1).filter(lambda v: any(i is not None for i in v)))
def test_ids_come_out_sorted_unique_and_all(values: list[int | None]) -> None:
    """Whatever 63-bit numbers go in, as numbers or text, the same set comes out in order."""
    expected = sorted({value for value in values if value is not None})
    read: list[Ids] = [
        read_ids(values, allow_damaged=True),
        read_ids([None if value is None else str(value) for value in values], allow_damaged=True),
    ]
    assert [ids.values.to_pylist() for ids in read] == [expected, expected]


_ID_LIKE = st.from_regex(r"[0-9]{1,18}", fullmatch=True) | st.sampled_from(["0", "0007", str(2**63 - 1), None])
_NO_ID = st.sampled_from(["", "-1", "+1", "0x1F", "1.0", "1e3", "1_0", "٣", str(2**63), "0" * 20, " 7 ", "7\n"])


@given(st.lists(_ID_LIKE, max_size=6), st.lists(_NO_ID, max_size=2), st.lists(_ID_LIKE, max_size=3), st.data())
def test_text_is_an_id_by_one_rule_whatever_stands_around_it(
    before: list[str | None], odd: list[str], after: list[str | None], data: st.DataObject
) -> None:
    """A column of nothing but digits takes a short way, which accepts, gives and refuses what the long one does."""
    texts = [*before, *odd, *after]
    kind = data.draw(st.sampled_from([pa.string(), pa.large_string(), pa.string_view()]))
    column = pa.array(["x", *texts], kind).slice(1)
    bare = [None if text is None else text.strip() for text in texts]
    good = [text is None or (re.fullmatch("[0-9]{1,19}", text) and int(text) < 2**63) for text in bare]
    if all(good):
        assert parse_ids(column).to_pylist() == [None if text is None else int(text) for text in bare]
        return
    with pytest.raises(IdError) as error:
        parse_ids(column)
    assert error.value.row is not None
    assert not good[error.value.row]


def test_a_nested_column_is_named_by_its_path(tmp_path: Path) -> None:
    """``user.id_str`` reaches into structs of frames, of Parquet files and of JSON objects."""
    table = pa.table({"user": [{"id_str": "21", "name": "a"}, {"id_str": "20", "name": "b"}, None]})
    pq.write_table(table, tmp_path / "a.parquet")
    (tmp_path / "a.jsonl").write_text('{"user": {"id_str": "21"}}\n{"user": {"id_str": "20"}}\n{"user": null}\n')
    lines = [tmp_path / "a.parquet", tmp_path / "a.jsonl", table, pl.from_arrow(table), duckdb.from_arrow(table)]
    for source in lines:
        assert read_ids(source, id_column="user.id_str").values.to_pylist() == [20, 21]


def test_lines_of_json_need_not_all_have_an_id(tmp_path: Path) -> None:
    """A line without the key counts as a row without an ID, also where it is the first."""
    (tmp_path / "a.jsonl").write_text('{"x": 1}\n{"id": "20", "x": 2}\n')
    ids = read_ids(tmp_path / "a.jsonl", id_column="id")
    assert (ids.values.to_pylist(), ids.nulls) == ([20], 1)


def test_the_usual_names_are_found() -> None:
    """Where no column is told, the one called as people call it is taken."""
    assert read_ids(pa.table({"x": [1], "tweet_id": [2]})).column == "tweet_id"
    assert read_ids(pa.table({"whatever": [2]})).column == "whatever"


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        (pa.table({"a": [1], "b": [2]}), {}, "Which column holds the IDs.*'a', 'b'"),
        (
            pa.table({"tweet_id": [1], "b": [2]}),
            {"id_column": "tweet_ids"},
            "no column 'tweet_ids'. Did you mean 'tweet_id'",
        ),
        (pl.LazyFrame({"tweet_id": [1], "b": [2]}), {"id_column": "tweetid"}, "Did you mean 'tweet_id'"),
        (pd.DataFrame({"tweet_id": [1], "b": [2]}), {"id_column": "tweetid"}, "Did you mean 'tweet_id'"),
        (pa.table({"user": [{"id": 1}]}), {"id_column": "user.idd"}, "Did you mean user.id"),
        (pa.table({"id": [1.0, None]}), {}, "Column 'id' holds floating-point numbers.*2\\^53.*as strings"),
        (pd.DataFrame({"id": [1, None]}), {}, "floating-point"),
        (np.array([1.0]), {}, "floating-point"),
        ([1, 2.5], {}, "row 1.*floating-point"),
        ([1, True], {}, "row 1.*bool"),
        (pa.array([True]), {}, "type bool"),
        (pa.array([[1]]), {}, "type list"),
        (["20", "y21"], {}, "row 1: 'y21' is not a string of digits"),
        (["20", "0x14"], {}, "row 1: '0x14' is not a string of digits"),
        (pa.array(["20", "21", "0x14"]).slice(1), {}, "row 1: '0x14' is not a string of digits"),
        (["20", "0" * 19 + "5"], {}, "row 1: '0{19}5' has more than 19 digits"),
        (["20", b"21"], {}, "row 1.*bytes"),
        (["20", ""], {}, "row 1: '' is not a string of digits"),
        (["20", "-21"], {}, "row 1: '-21' is negative"),
        ([20, -21], {}, "row 1: '-21' is negative"),
        (pa.array([20, -21]), {}, "row 1: '-21' is negative"),
        (["1" * 20], {}, "more than 19 digits"),
        ([2**63], {}, "larger than 2\\^63-1"),
        (pa.array([2**63], pa.uint64()), {}, "larger than 2\\^63-1"),
        (["1.23457E+18"], {}, "row 0: '1.23457E\\+18' is a rounded number: a spreadsheet"),
        (["1234.0"], {}, "rounded number"),
        ([], {}, "nothing to ask.*no rows"),
        (pl.DataFrame({"id": []}, schema={"id": pl.Int64}), {}, "nothing to ask.*'id'.*no rows"),
        ([None, None], {}, "no ID in any of its 2 rows"),
        (np.zeros((2, 2), int), {}, "one dimension"),
        (pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["id", "id"]), {}, "several columns called 'id'"),
        (pd.DataFrame([[1, 2]], columns=["id", "id"]), {"id_column": "id"}, "several columns called 'id'"),
        (7, {}, "A int holds no IDs"),
        ({"id": [1]}, {}, "A dict holds no IDs"),
        ("no/such/file.csv", {}, "no file or directory 'no/such/file.csv'"),
    ],
)
def test_what_is_no_id_is_refused_with_its_place(source: Any, options: dict[str, Any], message: str) -> None:
    """Each refusal says what is wrong, where, and what to do."""
    with pytest.raises(IdError, match=f"(?s){message}"):
        read_ids(source, **options)


def test_an_error_carries_column_row_and_value() -> None:
    """A program can read the place of the fault as well as a person can."""
    with pytest.raises(IdError) as caught:
        read_ids(pa.chunked_array([["20"], ["21", "x"]]))
    assert (caught.value.row, caught.value.value) == (2, "x")
    with pytest.raises(IdError) as caught:
        read_ids(pa.table({"id": ["20", "x"]}))
    assert (caught.value.column, caught.value.row, caught.value.value) == ("id", 1, "x")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", '{"id": "1"}\n{"id": \n', "a.jsonl: line 2 is not JSON"),
        ("a.jsonl", '{"id": 1}\n[1]\n', "a.jsonl: line 2 is not a JSON object"),
        ("a.jsonl", '{"id": 1212161512043446272.0}\n', "a.jsonl.*floating-point"),
        ("a.jsonl", '{"id": 1.2e18}\n', "a.jsonl.*floating-point"),
        ("a.csv", "id,b\n1.23457E+18,2\n", "a.csv.*row 0.*spreadsheet"),
        ("a.csv", "idd,b\n1,2\n", "a.csv: Which column"),
        ("a.txt", "20\nabc\n", "a.txt.*row 1: 'abc'"),
        ("a.parquet", "not parquet", "a.parquet cannot be read"),
        ("a.csv.gz", "not gzip", "a.csv.gz cannot be read"),
        ("a.docx", "", "none of the formats"),
        ("a.txt", "", "nothing to ask"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    """What is wrong with a file is said with its name and the line or row."""
    (tmp_path / name).write_text(content)
    with pytest.raises(IdError, match=f"(?s){message}"):
        read_ids(tmp_path / name)


def test_a_directory_without_parquet_says_so(tmp_path: Path) -> None:
    """An empty folder is not an empty corpus."""
    with pytest.raises(IdError, match="no Parquet file under"):
        read_ids(tmp_path)


def real_ids(shared: Path, name: str) -> list[int]:
    with gzip.open(shared / "real_tweets" / name) as lines:
        return [int(json.loads(line)["id"]) for line in lines]


def test_ids_that_went_through_floats_are_refused() -> None:
    """A column of multiples of 256, or of numbers that end in 00, is refused unless it is said to be right."""
    rng = np.random.default_rng(0)
    genuine = rng.integers(BASE, BASE + 2**55, 1000)
    as_floats = genuine.astype("float64").astype("int64")
    as_javascript = np.array([int(f"{int(value):.16e}".split("e")[0].replace(".", "")) * 100 for value in genuine])
    assert len(read_ids(genuine)) == 1000
    for damaged in (as_floats, [str(value) for value in as_floats], as_javascript):
        with pytest.raises(IdError, match=r"damaged.*as strings.*allow_damaged=True"):
            read_ids(damaged)
        assert len(read_ids(damaged, allow_damaged=True)) > 900


@pytest.mark.parametrize("name", ["tweets.jsonl.gz", "users.jsonl.gz", "included_tweets.jsonl.gz"])
def test_genuine_ids_are_never_accused(shared: Path, name: str) -> None:
    """Real tweets and users pass, whole and in every small piece; through floats, the same ones do not."""
    ids = real_ids(shared, name)
    for size in (32, 40, 100, len(ids)):
        for start in range(0, len(ids), size):
            read_ids(ids[start : start + size])
    with pytest.raises(IdError, match="damaged"):
        read_ids([int(float(id)) for id in ids])


def test_real_files_are_read_in_place(shared: Path) -> None:
    """The real corpus gives the same IDs from its Parquet directory and from its JSON lines."""
    folder = shared / "real_tweets"
    parquet = read_ids(folder / "corpus", id_column="id")
    assert parquet.values == read_ids(folder / "tweets.jsonl.gz", id_column="id").values
    authors = read_ids(folder / "corpus", id_column="author_id")
    assert authors.rows == parquet.rows
    assert authors.duplicates > 0


def test_nulls_and_order_are_kept_by_parse_ids() -> None:
    """The strict parser is a plain column function: same length, same order."""
    assert parse_ids(pa.chunked_array([["3", None], ["1"]])).to_pylist() == [3, None, 1]
    assert parse_ids(pa.chunked_array([], pa.string())).to_pylist() == []
    assert parse_ids(pa.nulls(2)).to_pylist() == [None, None]
    assert parse_ids(pa.array([str(2**63 - 1)])).to_pylist() == [2**63 - 1]


@pytest.mark.parametrize(
    "wrapped", [{"data": [{"id": TEXTS[0]}]}, {"data.id": [TEXTS[0]]}], ids=["struct", "flattened"]
)
def test_the_ids_of_wrapped_tweets_are_found(tmp_path: Path, wrapped: dict[str, Any]) -> None:
    """Tweets that lie whole in a column, as the service's answers have them, are asked about without a word."""
    table = pa.table({**wrapped, "read": ["x"]})
    pq.write_table(table, tmp_path / "a.parquet")
    for source in (tmp_path, tmp_path / "a.parquet", table, pl.from_arrow(table)):
        assert read_ids(source).column == "data.id"
    beside = table.append_column("tweet_id", pa.array([5]))
    assert read_ids(beside).column == "tweet_id"


def test_the_authors_of_wrapped_tweets_are_found() -> None:
    """Whose tweets they are stands beside the tweet's ID: nobody's tweets are asked about as if they were users."""
    user = pa.table({"data": [{"id": "1", "user": {"id_str": "2"}}]})
    assert author_column_of(user) == "data.user.id_str"
    assert author_column_of(pa.table({"data.id": ["1"], "data.author_id": ["2"]})) == "data.author_id"
