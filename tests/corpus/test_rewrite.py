"""A rewritten file is the source without what was flagged, and in nothing else another file."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import hypothesis.strategies as st
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings

from compliance_frames.corpus.columns import Columns
from compliance_frames.corpus.erase import Erasures
from compliance_frames.corpus.footer import File, Group
from compliance_frames.corpus.rewrite import PIECE_BYTES, Rewritten, rewrite
from compliance_frames.corpus.thrift import Struct
from compliance_frames.errors import PlanError

EditFooter = Callable[[Path, Callable[[Struct], None]], Path]
IDS = Columns("id", geo=("geo",))
_short = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
_moment = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1))

#: Types that all three readers know, with their values.
KINDS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "int": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "small": (pa.uint32(), st.integers(0, 2**32 - 1)),
    "float": (pa.float64(), st.floats(allow_nan=False)),
    "bool": (pa.bool_(), st.booleans()),
    "text": (pa.string(), _short),
    "large": (pa.large_string(), _short),
    "binary": (pa.binary(), st.binary(max_size=5)),
    "words": (pa.dictionary(pa.int32(), pa.string()), st.sampled_from(["en", "de", "", "größe"])),
    "price": (pa.decimal128(9, 2), st.decimals(-9999, 9999, places=2)),
    "mass": (pa.decimal128(30, 4), st.decimals(-(10**20), 10**20, places=4)),
    "ms": (pa.timestamp("ms", "UTC"), _moment.map(lambda at: at.replace(microsecond=0, tzinfo=UTC))),
    "us": (pa.timestamp("us"), _moment),
    "ns": (pa.timestamp("ns"), _moment),
    "day": (pa.date32(), st.dates(date(1970, 1, 1), date(2200, 1, 1))),
    "clock": (pa.time64("us"), st.times()),
    "list": (pa.list_(pa.int64()), st.lists(st.integers(0, 9) | st.none(), max_size=3)),
    "tree": (
        pa.struct([("a", pa.list_(pa.struct([("b", pa.string())]))), ("c", pa.float32())]),
        st.fixed_dictionaries(
            {"a": st.lists(st.fixed_dictionaries({"b": _short | st.none()}), max_size=2) | st.none(), "c": st.just(0.5)}
        ),
    ),
    "map": (
        pa.map_(pa.string(), pa.int64()),
        st.dictionaries(st.sampled_from("xyz"), st.integers(0, 9)).map(lambda found: list(found.items())),
    ),
}


@st.composite
def files(draw: st.DrawFn) -> tuple[pa.Table, dict[str, Any]]:
    """A table with IDs 0, 1, 2, …, and how it is written."""
    rows = draw(st.integers(0, 25))
    names = draw(st.lists(st.sampled_from(sorted(KINDS)), unique=True, max_size=5))
    arrays = {"id": pa.array(range(rows), pa.int64())}
    for name in names:
        kind, values = KINDS[name]
        arrays[name] = pa.array(draw(st.lists(values | st.none(), min_size=rows, max_size=rows)), kind)
    table = pa.table(arrays).replace_schema_metadata(draw(st.sampled_from([None, {"made": "by hand"}])))
    codecs = st.sampled_from(["none", "snappy", "zstd", "gzip", "brotli", "lz4"])
    return table, {
        "compression": {path: draw(codecs) for path in leaves_of(table)},
        "use_dictionary": [path for path in leaves_of(table) if draw(st.booleans())],
        "data_page_version": draw(st.sampled_from(["1.0", "2.0"])),
        "write_page_index": draw(st.booleans()),
        "write_page_checksum": draw(st.booleans()),
        "write_statistics": draw(st.sampled_from([True, False, ["id"]])),
        "row_group_size": draw(st.integers(1, 30)),
        "store_schema": draw(st.booleans()),
        "version": draw(st.sampled_from(["2.4", "2.6"])) if "ns" not in names else "2.6",
        "sorting_columns": draw(st.sampled_from([None, [pq.SortingColumn(0, descending=True)]])),
    }


def leaves_of(table: pa.Table) -> list[str]:
    sink = pa.BufferOutputStream()
    pq.write_table(table.slice(0, 0), sink)
    schema = pq.ParquetFile(pa.BufferReader(sink.getvalue())).schema
    return [schema.column(at).path for at in range(len(schema.names))]


def dropping(*ids: int) -> Erasures:
    return Erasures(drop_tweets=np.array(sorted(ids), dtype=np.int64))


def written(table: pa.Table, path: Path, **options: Any) -> Path:
    pq.write_table(table, path, **options)
    return path


def rewritten(source: Path, erasures: Erasures, columns: Columns = IDS, **options: Any) -> tuple[Path, Rewritten]:
    target = source.with_name(f"clean-{source.name}")
    target.unlink(missing_ok=True)
    return target, rewrite(source, target, columns, erasures, **options)


def facts(path: Path) -> Iterator[dict[str, Any]]:
    """For each row group and column, what a writer chose and a reader can see."""
    metadata = pq.read_metadata(path)
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        for at in range(row_group.num_columns):
            chunk = row_group.column(at)
            yield {
                "path": chunk.path_in_schema,
                "codec": chunk.compression,
                "dictionary": chunk.has_dictionary_page,
                "statistics": chunk.is_stats_set,
                "index": (chunk.has_offset_index, chunk.has_column_index),
                "bloom": chunk.bloom_filter_offset is not None,
                "order": row_group.sorting_columns,
                "delta": sorted(each for each in chunk.encodings if each.startswith(("DELTA", "BYTE_STREAM"))),
            }


def tree_of(path: Path) -> str:
    """The Parquet schema with its types and field IDs, but for the name of its root, and a word that says nothing."""
    return str(pq.ParquetFile(path).schema).split("\n", 2)[2].replace(" (Int(bitWidth=64, isSigned=true))", "")


def pages_of(path: Path) -> tuple[int, bool]:
    """The type of the first data page (0: version 1, 3: version 2), and whether it carries a checksum."""
    at = pq.read_metadata(path).row_group(0).column(0).data_page_offset
    header = path.read_bytes()[at : at + 64]
    values, place = [], 0
    for _ in range(3):  # three Thrift i32 fields: 0x15, then a zigzag varint
        assert header[place] == 0x15
        place += 1
        start = place
        while header[place] & 0x80:
            place += 1
        place += 1
        values.append(header[start])
    return values[0] >> 1, header[place] == 0x15


def key_values(path: Path) -> dict[bytes, bytes]:
    return {key: value for key, value in (pq.read_metadata(path).metadata or {}).items() if key != b"ARROW:schema"}


def groups_of(path: Path) -> list[int]:
    metadata = pq.read_metadata(path)
    return [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]


def in_polars(path: Path) -> pl.DataFrame:
    with path.open("rb") as stream:
        return pl.read_parquet(stream)


def in_duckdb(path: Path) -> list[tuple[Any, ...]]:
    table = pa.table(duckdb.sql(f"from read_parquet('{path}')"))
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from([0, 1, 5_000, 5_000, 5_000, None]), min_size=20, max_size=40),
    st.sets(st.integers(0, 40), max_size=6),
    st.sets(st.integers(0, 40), max_size=6),
    st.sampled_from([pa.string(), pa.large_string(), pa.binary(), pa.string_view()]),
    st.fixed_dictionaries(
        {
            "use_dictionary": st.booleans(),
            "row_group_size": st.sampled_from([15, 1000]),
            "data_page_version": st.sampled_from(["1.0", "2.0"]),
            "write_page_index": st.booleans(),
        }
    ),
)
def test_long_texts_lose_the_rows_that_go_and_no_other(
    tmp_path: Path, times: list[int | None], gone: set[int], scrubbed: set[int], kind: pa.DataType, options: Any
) -> None:
    """Long texts are written from where they lie, beside those that go: of these not a byte comes along."""
    texts = [None if many is None else f"<{number:04}>" * many for number, many in enumerate(times)]
    table = pa.table({"id": range(len(texts)), "text": pa.array(texts).cast(kind), "geo": pa.array(texts).cast(kind)})
    source = written(table, tmp_path / "source.parquet", compression="none", **options)
    target, _ = rewritten(source, Erasures(drop_tweets=np.array(sorted(gone)), scrub_tweets=np.array(sorted(scrubbed))))
    rows = [row for row in table.to_pylist() if row["id"] not in gone]
    assert pq.read_table(target).to_pylist() == [{**row, "geo": None} if row["id"] in scrubbed else row for row in rows]
    assert not [number for number in gone if f"<{number:04}>".encode() in target.read_bytes()]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files(), st.sets(st.integers(0, 25)), st.sampled_from([PIECE_BYTES, 200, 0]))
def test_a_rewritten_file_is_its_source_without_the_dropped_rows(
    tmp_path: Path, made: tuple[pa.Table, dict[str, Any]], gone: set[int], piece_bytes: int
) -> None:
    """Same schema, same order, same values, for three readers; the writer's choices stay, group by group."""
    table, options = made
    source = written(table, tmp_path / "source.parquet", **options)
    target, done = rewritten(source, dropping(*gone), piece_bytes=piece_bytes)
    stays = np.array([number not in gone for number in range(len(table))], dtype=bool)

    assert done.counts.rows_in == len(table)
    assert done.counts.rows_kept == stays.sum() == pq.read_metadata(target).num_rows
    assert pq.ParquetFile(target).schema_arrow.equals(pq.ParquetFile(source).schema_arrow, check_metadata=True)
    assert tree_of(target) == tree_of(source)
    assert key_values(target) == key_values(source)
    assert (b"ARROW:schema" in (pq.read_metadata(target).metadata or {})) == options["store_schema"]
    kept = pq.ParquetFile(source).read().to_pylist()
    assert pq.ParquetFile(target).read().to_pylist() == [row for row, stay in zip(kept, stays, strict=True) if stay]
    assert in_polars(target).equals(in_polars(source).filter(pl.Series(stays, dtype=pl.Boolean)))
    rows = zip(in_duckdb(source), stays, strict=True)
    assert in_duckdb(target) == [row for row, stay in rows if stay]

    size = options["row_group_size"]
    sizes = [int(stays[at : at + size].sum()) for at in range(0, len(table), size)]
    assert groups_of(target) == [count for count in sizes if count]
    leaf_count = len(leaves_of(table))
    before = list(facts(source))
    groups = [before[at : at + leaf_count] for at in range(0, len(before), leaf_count)]
    wanted = [fact for group, count in zip(groups, sizes, strict=False) if count for fact in group]
    assert [unlike_nulls(fact) for fact in facts(target)] == [unlike_nulls(fact) for fact in wanted]
    if stays.any():
        assert pages_of(target) == pages_of(source)


def unlike_nulls(fact: dict[str, Any]) -> dict[str, Any]:
    """Bounds of a column index are left out where a page holds nothing but nulls, which rows decide, not a writer."""
    return {**fact, "index": fact["index"][0]}


CANARY = "CANARY-{}-of-text-that-nobody-may-find"


def a_corpus(rows: int = 60) -> pa.Table:
    """Each row has its own words in every kind of column that could keep them."""
    words = [CANARY.format(number) for number in range(rows)]
    return pa.table(
        {
            "id": [str(1_700_000_000_000_000_000 + number) for number in range(rows)],
            "text": words,
            "words": pa.array(words).dictionary_encode(),
            "nested": pa.array([[{"w": word}] for word in words], pa.list_(pa.struct([("w", pa.string())]))),
            "listed": pa.array([[word] for word in words], pa.list_(pa.dictionary(pa.int32(), pa.string()))),
            "inside": pa.StructArray.from_arrays([pa.array(words).dictionary_encode()], ["w"]),
            "geo": pa.array([{"place": f"PLACE-{number}-OF-LIFE"} for number in range(rows)]),
        }
    )


@pytest.mark.parametrize("whole_bytes", [1 << 28, 1200], ids=["whole groups", "groups in pieces"])
@pytest.mark.parametrize("index", [True, False], ids=["page index", "no page index"])
def test_no_byte_of_erased_rows_is_left(tmp_path: Path, index: bool, whole_bytes: int) -> None:
    """Without compression, neither an erased text, ID nor place is among the file's bytes; all others are."""
    table = a_corpus()
    source = written(
        table, tmp_path / "source.parquet", compression="none", row_group_size=20, write_page_index=index,
        bloom_filter_options={"id": True},
    )  # fmt: skip
    first = 1_700_000_000_000_000_000
    gone, scrubbed = [0, 7, 39], [1, 40]  # the second group of rows loses 39 alone, the last only a place
    erasures = Erasures(
        drop_tweets=np.array([first + number for number in gone]),
        scrub_tweets=np.array([first + number for number in scrubbed]),
    )
    target, done = rewritten(source, erasures, whole_bytes=whole_bytes)
    content = target.read_bytes()
    assert (done.counts.rows_dropped, done.counts.rows_scrubbed) == (3, 2)
    for number in range(60):
        erased = number in gone
        assert (CANARY.format(number).encode() in content) != erased, number
        assert (str(first + number).encode() in content) != erased, number
        assert (f"PLACE-{number}-OF-LIFE".encode() in content) != (erased or number in scrubbed), number


def test_words_that_no_row_uses_go_from_untouched_row_groups_too(tmp_path: Path) -> None:
    """A dictionary that all row groups share lists, in a group without any erased row, the words of erased ones."""
    words = pa.DictionaryArray.from_arrays(pa.array([0, 1, 1, 1], pa.int8()), pa.array([CANARY, "open"]))
    source = written(
        pa.table({"id": [1, 2, 3, 4], "words": words}), tmp_path / "s.parquet", compression="none", row_group_size=2
    )
    assert source.read_bytes().count(CANARY.encode()) > 1
    target, _ = rewritten(source, dropping(1))
    assert CANARY.encode() not in target.read_bytes()
    assert groups_of(target) == [1, 2]
    assert pq.ParquetFile(target).schema_arrow.field("words").type == words.type


def test_a_large_row_group_is_read_in_pieces_and_written_as_one(tmp_path: Path) -> None:
    """Pieces bound the memory; a reader does not see them, and dictionaries stay dictionaries."""
    table = a_corpus(200)
    source = written(table, tmp_path / "source.parquet", row_group_size=100)
    size = pq.read_metadata(source).row_group(0).total_byte_size
    target, done = rewritten(source, dropping(1_700_000_000_000_000_003), whole_bytes=size - 1)
    assert groups_of(target) == [99, 100]
    assert pq.read_table(target).to_pylist() == [row for row in table.to_pylist() if not row["id"].endswith("003")]
    assert done.notes == ()


def test_a_row_group_is_not_held_beside_what_stays_of_it(tmp_path: Path) -> None:
    """Each column is freed when what stays of it is copied: a worker needs room for a row group once, not twice."""
    words = pa.array([f"{number:0100}" for number in range(50_000)])
    table = pa.table({"id": range(len(words)), **{f"words{at}": words for at in range(8)}})
    pq.write_table(table, tmp_path / "source.parquet", use_dictionary=False, compression="zstd")
    code = (
        "import sys, pathlib, numpy, pyarrow; from compliance_frames.corpus import columns, erase, rewrite\n"
        "source = pathlib.Path(sys.argv[1]); gone = erase.Erasures(drop_tweets=numpy.array([7]))\n"
        "rewrite.rewrite(source, source.with_name('target'), columns.Columns('id'), gone)\n"
        "print(pyarrow.default_memory_pool().max_memory())"
    )
    command = [sys.executable, "-c", code, tmp_path / "source.parquet"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert pq.read_metadata(tmp_path / "target").num_row_groups == 1
    assert int(done.stdout) < 1.28 * table.nbytes


def test_a_row_group_in_pieces_keeps_its_dictionary(tmp_path: Path) -> None:
    """A writer that meets a second dictionary in a row group writes the rest plain, many times as large."""
    words = [f"{'long' * 10}{number // 500}" for number in range(2000)]
    table = pa.table({"id": range(2000), "words": pa.array(words).dictionary_encode()})
    source = written(table, tmp_path / "source.parquet", compression="none")
    size = pq.read_metadata(source).row_group(0).total_byte_size
    target, _ = rewritten(source, dropping(1), whole_bytes=size - 1)
    before, after = (pq.read_metadata(path).row_group(0).column(1) for path in (source, target))
    assert after.total_uncompressed_size <= before.total_uncompressed_size
    assert groups_of(target) == [1999]


def test_a_row_group_too_large_to_hold_becomes_several_and_says_so(tmp_path: Path) -> None:
    """Memory is bounded before the number of row groups is kept."""
    source = written(a_corpus(400), tmp_path / "source.parquet")
    target, done = rewritten(source, dropping(), whole_bytes=6_000)
    assert len(groups_of(target)) > 1
    assert sum(groups_of(target)) == 400
    assert done.notes == ("a row group too large to hold at once became several",)


def test_the_size_of_a_row_group_is_that_of_its_columns(tmp_path: Path, edit_footer: EditFooter) -> None:
    """Some writers say of a row group how large it is compressed: memory is bounded all the same."""
    source = written(a_corpus(400), tmp_path / "source.parquet")
    edit_footer(source, lambda file: file.structs(File.GROUPS)[0].put(Group.BYTES, 1))
    target, _ = rewritten(source, dropping(), whole_bytes=6_000)
    assert len(groups_of(target)) > 1


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("old", [True, False])
def test_bounds_of_places_go_with_them(tmp_path: Path, stored: bool, old: bool) -> None:
    """GeoParquet says how far a file's places reach, which may be an erased one; all else that it says stays."""
    points = ["POINT (10.7501 59.9101)", "POINT (1 2)"]
    table = pa.table({"id": [1, 2], "at": [datetime(2024, 1, 1)] * 2, "geo": points})
    told = '{"version": "1.1.0", "columns": {"geo": {"encoding": "WKT", "bbox": [1, 2, 10.7501, 59.9101]}}}'
    source, said = tmp_path / "source.parquet", {"geo": told, "made": "by hand"}
    table = table.replace_schema_metadata(said if stored else None)
    options: Any = {"store_schema": stored, "use_deprecated_int96_timestamps": old, "compression": "none"}
    with pq.ParquetWriter(source, table.schema, **options) as writer:
        writer.write_table(table)
        if not stored:
            writer.add_key_value_metadata(said)
    assert b"10.7501" in source.read_bytes()
    target, done = rewritten(source, dropping(1))
    assert b"10.7501" not in target.read_bytes()
    plain = b'{"version": "1.1.0", "columns": {"geo": {"encoding": "WKT"}}}'
    assert key_values(target) == {b"geo": plain, b"made": b"by hand"}
    assert done.notes == ("GeoParquet's bounds of places are left out: they may be those of an erased one",)


def test_a_file_whose_rows_all_go_keeps_its_schema(tmp_path: Path) -> None:
    """It is read as an empty table by everybody."""
    source = written(a_corpus(), tmp_path / "source.parquet")
    everything = range(1_700_000_000_000_000_000, 1_700_000_000_000_000_060)
    target, done = rewritten(source, dropping(*everything))
    assert done.counts.rows_kept == 0
    assert groups_of(target) == []
    assert pq.ParquetFile(target).schema_arrow.equals(pq.ParquetFile(source).schema_arrow, check_metadata=True)
    assert in_polars(target).schema == in_polars(source).schema
    assert in_duckdb(target) == []


def test_field_ids_metadata_and_nullability_stay(tmp_path: Path) -> None:
    """Table formats find columns by field ID; a column that is never null stays declared so."""
    schema = pa.schema(
        [
            pa.field("id", pa.int64(), nullable=False, metadata={"PARQUET:field_id": "4", "said": "of the tweet"}),
            pa.field("geo", pa.struct([pa.field("p", pa.string(), metadata={"PARQUET:field_id": "9"})])),
        ],
        metadata={"pandas": "{}", "owner": "lab"},
    )
    table = pa.table([pa.array([1, 2]), pa.array([{"p": "a"}, None], schema.field("geo").type)], schema=schema)
    source = written(table, tmp_path / "source.parquet")
    target, _ = rewritten(source, dropping(1))
    assert tree_of(target) == tree_of(source)
    assert "field_id=9" in tree_of(target)
    assert pq.ParquetFile(target).schema_arrow.equals(pq.ParquetFile(source).schema_arrow, check_metadata=True)
    assert key_values(target) == {b"pandas": b"{}", b"owner": b"lab"}


def test_key_values_that_the_schema_does_not_hold_stay(tmp_path: Path) -> None:
    """Polars and others write them into the footer alone."""
    source = tmp_path / "source.parquet"
    pl.DataFrame({"id": [1, 2], "text": ["a", "b"]}).write_parquet(source, metadata={"owner": "lab"})
    target, _ = rewritten(source, dropping(1))
    assert key_values(target) == {b"owner": b"lab"}
    assert pl.read_parquet_metadata(target)["owner"] == "lab"


@pytest.mark.parametrize("stored", ["ns", "us"])
def test_int96_timestamps_stay_int96(tmp_path: Path, stored: str) -> None:
    """Spark's and Impala's old kind of timestamp is written as it was."""
    times = pa.array([1, 1_600_000_000_000_000_000], pa.timestamp("ns")).cast(pa.timestamp(stored), safe=False)
    source = written(
        pa.table({"id": [1, 2], "at": times}), tmp_path / "s.parquet", use_deprecated_int96_timestamps=True,
        store_schema=False,
    )  # fmt: skip
    target, done = rewritten(source, dropping(1))
    assert tree_of(target) == tree_of(source)
    assert "int96" in tree_of(target)
    assert pq.read_table(target).column("at").to_pylist() == pq.read_table(source).column("at").to_pylist()[1:]
    assert done.notes == ()


def test_what_a_file_says_of_int96_timestamps_stays(tmp_path: Path) -> None:
    """Arrow reads them as nanoseconds of no time zone; polars goes by the types that the file says they had."""
    times = pa.array([datetime(2024, 1, 1, tzinfo=UTC)] * 2, pa.timestamp("us", "UTC"))
    table = pa.table({"id": [1, 2], "at": times, "words": pa.array(["a", "b"]).dictionary_encode()})
    table = table.replace_schema_metadata({"made": "by hand"})
    source = written(table, tmp_path / "s.parquet", use_deprecated_int96_timestamps=True)
    target, done = rewritten(source, dropping(1))
    assert done.notes == ()
    assert pl.read_parquet(target).schema["at"] == pl.Datetime("us", "UTC")
    assert pl.read_parquet(target).equals(pl.read_parquet(source)[1:])
    assert pq.read_schema(target).equals(pq.read_schema(source), check_metadata=True)
    assert pq.read_metadata(target).metadata == pq.read_metadata(source).metadata
    assert target.read_bytes().count(b"by hand") == source.read_bytes().count(b"by hand")


def test_int96_timestamps_of_far_years_are_not_bent(tmp_path: Path) -> None:
    """Read as nanoseconds, the year 9999 that stands for never would become 1815."""
    never = [datetime(9999, 12, 31), datetime(1, 1, 1), datetime(2024, 5, 1)]
    table = pa.table({"id": [1, 2, 3], "at": pa.array(never, pa.timestamp("us"))})
    source = written(table, tmp_path / "s.parquet", use_deprecated_int96_timestamps=True, store_schema=False)
    target, done = rewritten(source, dropping(2))
    with pq.ParquetFile(target, coerce_int96_timestamp_unit="us") as file:
        assert file.read().column("at").to_pylist() == [never[0], never[2]]
    assert tree_of(target) == tree_of(source)
    assert "kept to the microsecond" in done.notes[0]


def test_what_duckdb_wrote_stays_what_it_wrote(tmp_path: Path) -> None:
    """Required columns, decimals in integers, no Arrow schema, own key-values."""
    source = tmp_path / "source.parquet"
    duckdb.sql(
        "copy (select i as id, 'text ' || i as text, {'p': [i::double]} as geo, (i / 3)::decimal(9, 2) as d, "
        "timestamptz '2024-05-01 12:00:00+00' as at, time '10:00' as t, 'a'::enum('a', 'b') as e from range(100) r(i)) "
        f"to '{source}' (format parquet, kv_metadata {{owner: 'lab'}}, compression zstd, row_group_size 2048)"
    )
    target, _ = rewritten(source, dropping(3))
    assert tree_of(target) == tree_of(source)
    assert key_values(target) == {b"owner": b"lab"}
    assert in_duckdb(target) == [row for row in in_duckdb(source) if row[0] != 3]
    assert [unlike_nulls(fact) for fact in facts(target)] == [unlike_nulls(fact) for fact in facts(source)]


def test_what_polars_wrote_stays_what_it_wrote(tmp_path: Path) -> None:
    """Views, categories and nested columns come back as the same polars types."""
    source = tmp_path / "source.parquet"
    frame = pl.DataFrame(
        {
            "id": ["1", "2", "3"],
            "lang": pl.Series(["en", "de", None], dtype=pl.Categorical),
            "geo": [{"p": [1.0]}, None, {"p": None}],
            "at": [datetime(2024, 5, 1, tzinfo=UTC)] * 3,
            "price": pl.Series([Decimal("1.10"), None, Decimal("2.20")], dtype=pl.Decimal(20, 2)),
            "t": [time(1), None, time(2)],
        }
    )
    frame.write_parquet(source, row_group_size=2)
    target, _ = rewritten(source, dropping(2))
    assert in_polars(target).equals(frame[[0, 2]])
    assert in_polars(target).schema == frame.schema
    assert tree_of(target) == tree_of(source)


@pytest.mark.parametrize("nest", [lambda e: e, pl.List, lambda e: pl.Struct({"w": e})], ids=["flat", "list", "struct"])
def test_a_polars_enum_loses_its_list_of_words(tmp_path: Path, nest: Any) -> None:
    """The list stands in the schema whatever rows there are; the values come back as Categorical, and it is noted."""
    values = {"flat": ["a", CANARY], "list": [["a"], [CANARY]], "struct": [{"w": "a"}, {"w": CANARY}]}
    kind = nest(pl.Enum(["a", CANARY]))
    name = {pl.Enum: "flat", pl.List: "list", pl.Struct: "struct"}[type(kind)]
    source = tmp_path / "source.parquet"
    frame = pl.DataFrame({"id": [1, 2], "e": pl.Series(values[name], dtype=kind)})
    frame.write_parquet(source, compression="uncompressed")
    target, done = rewritten(source, dropping(2))
    assert CANARY.encode() not in target.read_bytes()
    assert CANARY not in str(pq.ParquetFile(target).schema_arrow.metadata)
    assert "_PL_ENUM" not in str(pq.ParquetFile(target).schema_arrow)
    assert in_polars(target).get_column("e").to_list() == values[name][:1]
    assert done.notes == ("polars reads 'e' as Categorical, not Enum: the list of an Enum's categories holds erased values",)  # noqa: E501  # fmt: skip


def test_encodings_bloom_filters_and_order_stay(tmp_path: Path) -> None:
    """What a careful writer chose for speed is chosen again; Bloom filters know the kept rows only."""
    table = pa.table({"id": range(1000), "f": np.arange(1000.0), "t": [f"t{n}" for n in range(1000)]})
    source = written(
        table, tmp_path / "s.parquet", row_group_size=400, use_dictionary=False, sorting_columns=[pq.SortingColumn(0)],
        column_encoding={"id": "DELTA_BINARY_PACKED", "f": "BYTE_STREAM_SPLIT", "t": "DELTA_BYTE_ARRAY"},
        bloom_filter_options={"id": {"ndv": 400, "fpp": 0.01}},
    )  # fmt: skip
    target, done = rewritten(source, dropping(*range(0, 1000, 7)))
    assert list(facts(target)) == list(facts(source))
    assert done.notes == ()
    sure = [
        number
        for number in range(0, 1000, 7)
        if duckdb.sql(
            f"select bool_and(bloom_filter_excludes) from parquet_bloom_probe('{target}', 'id', {number})"
        ).fetchall()[0][0]
    ]
    assert len(sure) > 130, "a filter that still knew the erased IDs would exclude none of these 143"
    maybe = duckdb.sql(f"select bool_or(not bloom_filter_excludes) from parquet_bloom_probe('{target}', 'id', 1)")
    assert maybe.fetchall() == [(True,)]


def test_a_dictionary_that_was_given_up_is_not_begun_again(tmp_path: Path) -> None:
    """Writers begin one for every column, and give up those of IDs and texts after a megabyte."""
    words = pa.array([f"{number:030}" for number in range(50_000)])
    table = pa.table({"id": range(50_000), "text": words, "lang": ["en", "de"] * 25_000})
    source = written(table, tmp_path / "source.parquet")
    target, done = rewritten(source, dropping(1))
    before, after = (pq.read_metadata(path).row_group(0) for path in (source, target))
    assert [before.column(at).has_dictionary_page for at in range(3)] == [True, True, True]
    assert [after.column(at).has_dictionary_page for at in range(3)] == [True, False, True]
    assert (done.counts.rows_dropped, done.notes) == (1, ())
    assert pq.read_table(target).equals(table.filter(pc.not_equal(table["id"], 1)))


def test_a_sort_order_that_nulls_would_break_is_not_claimed(tmp_path: Path) -> None:
    """A reader that trusts a wrong claim skips rows."""
    table = pa.table({"id": [1, 2, 3], "geo": ["a", "b", "c"]})
    source = written(table, tmp_path / "s.parquet", sorting_columns=[pq.SortingColumn(1)])
    target, done = rewritten(source, Erasures(scrub_tweets=np.array([2])))
    assert pq.read_metadata(target).row_group(0).sorting_columns == ()
    assert done.notes == ("no sort order is claimed: 'geo' is among the columns that lose values",)
    assert pq.read_table(target).column("geo").to_pylist() == ["a", None, "c"]


@pytest.mark.parametrize(("codec", "noted"), [("zstd", False), ("gzip", True), ("brotli", True), ("snappy", False)])
def test_a_level_of_compression_that_nobody_can_know_is_noted(tmp_path: Path, codec: str, noted: bool) -> None:
    """A file names its codecs, not their levels, and only that of zstd is looked for."""
    source = written(pa.table({"id": [1, 2]}), tmp_path / "s.parquet", compression=codec)
    _, done = rewritten(source, dropping(1))
    assert any("default level" in note and codec.upper() in note for note in done.notes) == noted


def test_columns_with_dots_and_doubled_names_stay_apart(tmp_path: Path) -> None:
    """Flattened tables have names that look like paths; some have two columns of one name."""
    table = pa.table(
        [pa.array([1, 2]), pa.array(["Berlin", "Oslo"]), pa.array([1, 2]), pa.array([3, 4])],
        names=["id", "geo.place_id", "n", "n"],
    )
    source = written(table, tmp_path / "s.parquet")
    erasures = Erasures(scrub_tweets=np.array([2]), drop_tweets=np.array([1]))
    target, _ = rewritten(source, erasures, Columns("id", geo=("geo.place_id",)))
    assert [column.to_pylist() for column in pq.ParquetFile(target).read().columns] == [[2], [None], [2], [4]]


def test_a_place_that_must_not_be_null_is_refused(tmp_path: Path) -> None:
    """No file is written against its own schema."""
    schema = pa.schema([("id", pa.int64()), pa.field("geo", pa.string(), nullable=False)])
    source = written(pa.table([[1], ["a"]], schema=schema), tmp_path / "s.parquet")
    with pytest.raises(PlanError, match="never null"):
        rewritten(source, Erasures(scrub_tweets=np.array([1])))


def test_an_existing_file_is_never_written_over(tmp_path: Path) -> None:
    """The target must be new, so that two tasks can never mix in one file."""
    source = written(pa.table({"id": [1]}), tmp_path / "s.parquet")
    with pytest.raises(FileExistsError):
        rewrite(source, source, IDS, dropping(1))
    assert pq.read_table(source).num_rows == 1


def test_a_damaged_page_is_noticed(tmp_path: Path) -> None:
    """Where pages have checksums they are looked at: damage is not copied on under a new checksum."""
    source = written(
        pa.table({"id": range(1000)}), tmp_path / "s.parquet", write_page_checksum=True, compression="none",
        use_dictionary=False,
    )  # fmt: skip
    content = bytearray(source.read_bytes())
    content[2000] ^= 0xFF
    source.write_bytes(content)
    with pytest.raises(OSError, match=r"(?i)crc"):
        rewritten(source, dropping(1))


def test_real_tweets_come_through(shared: Path, tmp_path: Path) -> None:
    """Real tweets, every fifth dropped with its retweets: every other cell is as it was."""
    from compliance_frames.corpus.columns import find_columns

    for source in sorted((shared / "real_tweets" / "corpus").rglob("*.parquet"))[:4]:
        copy = tmp_path / source.name
        copy.write_bytes(source.read_bytes())
        table = pq.ParquetFile(copy).read()
        columns = find_columns(table.schema)
        ids = sorted(int(value) for value in table.column(columns.id).to_pylist())
        gone = ids[::5]
        target, done = rewritten(copy, dropping(*gone), columns)
        kept = [row for row in table.to_pylist() if not repeats(row, gone) and int(row[columns.id]) not in gone]
        before = {name: [row[name] for row in kept] for name in table.schema.names if name not in columns.embedded}
        after = pq.ParquetFile(target).read()
        assert {name: after.column(name).to_pylist() for name in before} == before
        assert done.counts.rows_kept == len(kept)
        assert after.schema.equals(table.schema, check_metadata=True)


def repeats(row: dict[str, Any], gone: list[int]) -> bool:
    """Whether a row retweets one of these tweets."""
    references = row.get("referenced_tweets") or []
    return any(each["type"] == "retweeted" and int(each["id"]) in gone for each in references)
