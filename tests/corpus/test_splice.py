"""A spliced file is the source without what was flagged; what need not change has the very bytes of the source."""

from __future__ import annotations

import importlib
import io
import os
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Literal

import duckdb
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, assume, given, settings

from compliance_frames.corpus.clean import clean
from compliance_frames.corpus.columns import Columns
from compliance_frames.corpus.erase import Counts, Erasures
from compliance_frames.corpus.footer import Chunk, File, Group, InMemory, Meta, Place, places, read_footer
from compliance_frames.corpus.leaves import find_leaves
from compliance_frames.corpus.manifest import Manifest, manifest_path
from compliance_frames.corpus.plan import Marked, plan
from compliance_frames.corpus.rewrite import rewrite
from compliance_frames.corpus.splice import Spliced, splice, splicing
from compliance_frames.corpus.thrift import BINARY, I64, Field, Struct, Structs, parsed
from compliance_frames.errors import FooterError, PlanError, StaleDatasetError, UncheckedIdsError
from compliance_frames.proof.verify import verify

Flag = Callable[..., pa.Table]
EditFooter = Callable[[Path, Callable[[Struct], None]], Path]
COLUMNS = Columns("id", author_id="author_id", geo=("geo", "place.name", "where"), embedded=("quoted_status", "tweets"))
_short = st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=6)
_moment = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1))
_tweet = pa.struct([("id", pa.int64()), ("text", pa.string()), ("geo", pa.struct([("at", pa.list_(pa.float64()))]))])
_tweets = st.fixed_dictionaries(
    {"id": st.integers(0, 9), "text": _short, "geo": st.sampled_from([None, {"at": None}, {"at": [1.5, 2.5]}])}
)

#: Types of columns that nothing is taken from by itself.
KINDS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "number": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "small": (pa.uint16(), st.integers(0, 2**16 - 1)),
    "float": (pa.float32(), st.floats(allow_nan=False, width=32)),
    "bool": (pa.bool_(), st.booleans()),
    "text": (pa.string(), _short),
    "large": (pa.large_string(), _short),
    "view": (pa.string_view(), _short),
    "binary": (pa.binary(), st.binary(max_size=5)),
    "fixed": (pa.binary(3), st.binary(min_size=3, max_size=3)),
    "words": (pa.dictionary(pa.int32(), pa.string()), st.sampled_from(["en", "de", "", "größe"])),
    "cents": (pa.decimal128(9, 2), st.decimals(-9999, 9999, places=2)),
    "mass": (pa.decimal128(30, 4), st.decimals(-(10**20), 10**20, places=4)),
    "wide": (pa.decimal256(50, 1), st.decimals(-(10**20), 10**20, places=1)),
    "s": (pa.timestamp("s"), _moment.map(lambda at: at.replace(microsecond=0))),
    "ms": (pa.timestamp("ms", "UTC"), _moment.map(lambda at: at.replace(microsecond=0, tzinfo=UTC))),
    "us": (pa.timestamp("us"), _moment),
    "ns": (pa.timestamp("ns", "Europe/Oslo"), _moment.map(lambda at: at.replace(tzinfo=UTC))),
    "day": (pa.date32(), st.dates(date(1970, 1, 1), date(2200, 1, 1))),
    "clock": (pa.time64("us"), st.times()),
    "hour": (pa.time32("ms"), st.times().map(lambda at: time(at.hour, at.minute))),
    "span": (pa.duration("us"), st.timedeltas(timedelta(-9), timedelta(9))),
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

#: Columns of places, of which a part of the last is none.
PLACES: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "geo": (
        pa.struct([("place", pa.string()), ("at", pa.list_(pa.float64()))]),
        st.fixed_dictionaries({"place": _short | st.none(), "at": st.sampled_from([None, [], [59.9, 10.7]])}),
    ),
    "place": (
        pa.struct([("name", pa.string()), ("kind", pa.string())]),
        st.fixed_dictionaries({"name": st.sampled_from(["Oslo", "Rome", None]), "kind": st.just("city")}),
    ),
    "where": (pa.dictionary(pa.int32(), pa.string()), st.sampled_from(["Oslo", "Rome", ""])),
    "quoted_status": (_tweet, _tweets),
    "tweets": (pa.list_(_tweet), st.lists(_tweets, max_size=3)),
}


NESTED = ("list", "tree", "map")


@st.composite
def files(draw: st.DrawFn, *, flat: bool = False) -> tuple[pa.Table, Columns, dict[str, Any]]:
    """A table with IDs 0, 1, 2, …, the columns to look at in it, and how it is written."""
    rows = draw(st.integers(1, 25))
    kinds = sorted(KINDS.keys() - NESTED) if flat else sorted(KINDS)
    names = draw(st.lists(st.sampled_from(kinds), unique=True, max_size=5))
    losing = ["where"] if flat else sorted(PLACES)
    names += draw(st.lists(st.sampled_from(losing), unique=True, min_size=1, max_size=3))
    arrays = {"id": pa.array(range(rows), pa.int64()), "author_id": pa.array([row // 4 for row in range(rows)])}
    for name in draw(st.permutations(names)):
        kind, values = (KINDS | PLACES)[name]
        arrays[name] = pa.array(draw(st.lists(values | st.none(), min_size=rows, max_size=rows)), kind)
    table = pa.table(arrays).replace_schema_metadata(draw(st.sampled_from([None, {"made": "by hand"}])))
    columns = Columns(
        "id",
        author_id="author_id",
        geo=tuple(path for path in COLUMNS.geo or () if path.partition(".")[0] in names),
        embedded=tuple(path for path in COLUMNS.embedded if path in names),
    )
    codecs = st.sampled_from(["none", "snappy", "zstd", "gzip", "brotli", "lz4"][flat:])
    leaves = leaves_of(table)
    return (
        table,
        columns,
        {
            "compression": {path: draw(codecs) for path in leaves},
            "use_dictionary": [path for path in leaves if draw(st.booleans())],
            "data_page_version": draw(st.sampled_from(["1.0", "2.0"])),
            "data_page_size": draw(st.sampled_from([64, 1 << 20])),
            "write_batch_size": draw(st.sampled_from([2, 1024])),
            "write_page_index": draw(st.booleans()),
            "write_page_checksum": draw(st.booleans()),
            "write_statistics": draw(st.sampled_from([True, False, ["id"]])),
            "bloom_filter_options": {path: {"ndv": 9, "fpp": 0.1} for path in leaves if draw(st.integers(0, 4)) == 0}
            or None,
            "row_group_size": draw(st.integers(1, 30)),
            "store_schema": draw(st.sampled_from([True, True, False])),
            "sorting_columns": draw(st.sampled_from([None, [pq.SortingColumn(0)]])),
        },
    )


def leaves_of(table: pa.Table) -> list[str]:
    sink = pa.BufferOutputStream()
    pq.write_table(table.slice(0, 0), sink)
    schema = pq.ParquetFile(pa.BufferReader(sink.getvalue())).schema
    return [schema.column(at).path for at in range(len(schema.names)) if schema.column(at).physical_type != "BOOLEAN"]


def some(*ids: int) -> Any:
    return np.array(sorted(ids), dtype=np.int64)


def spliced(source: Path, erasures: Erasures, columns: Columns = COLUMNS) -> tuple[Path, Spliced]:
    target = source.with_name(f"spliced-{source.name}")
    target.unlink(missing_ok=True)
    return target, splice(source, target, columns, erasures)


planning: Any = importlib.import_module("compliance_frames.corpus.plan")


def marked_in(source: Path, erasures: Erasures, columns: Columns) -> dict[int, Marked] | None:
    """What a plan remembers of a file's rows."""
    file = pq.ParquetFile(source)
    groups = planning._row_groups(file, find_leaves(file, columns, erasures), columns, erasures)
    marked = {at: planning._marked(counts, seen) for at, counts, seen in groups if seen is not None}
    found: dict[int, Marked] | None = planning._all_marked(marked)
    return found


def without(rows: list[dict[str, Any]], columns: Columns, erasures: Erasures) -> list[dict[str, Any]]:
    """What a loop over rows makes of them."""
    drop, bare = (set(ids.tolist()) for ids in (erasures.drop_tweets, erasures.scrub_tweets))
    kept = [row for row in rows if row["id"] not in drop and row["author_id"] not in erasures.drop_authors]
    for row in kept:
        for path in columns.geo if columns.geo and row["id"] in bare else ():
            head, _, name = path.partition(".")
            if not name:
                row[head] = None
            elif row[head] is not None:
                row[head][name] = None
        for path in columns.embedded:
            tweets = row[path] if isinstance(row[path], list) else [row[path]]
            stay = [tweet and tweet | {"geo": None if tweet["id"] in bare else tweet["geo"]} for tweet in tweets
                    if not (tweet and tweet["id"] in drop)]  # fmt: skip
            row[path] = stay if isinstance(row[path], list) else next(iter(stay), None)
    return kept


def polars_rows(path: Path) -> Any:
    return pl.read_parquet(io.BytesIO(path.read_bytes())).to_dicts()


def duckdb_rows(path: Path) -> Any:
    with duckdb.connect() as connection:
        return connection.execute("FROM read_parquet($1)", [str(path)]).fetchall()


def fastparquet_rows(path: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is not yet at home with pandas 3
        import fastparquet

        return fastparquet.ParquetFile(io.BytesIO(path.read_bytes())).to_pandas()


def reads(reader: Callable[[Path], Any], path: Path) -> bool:
    """Whether a reader knows all the types of a file; of one that it does not know it is not asked about a copy."""
    try:
        reader(path)
    except Exception:
        return False
    return True


def rows_of_groups(path: Path) -> list[int]:
    metadata = pq.read_metadata(path)
    return [metadata.row_group(at).num_rows for at in range(metadata.num_row_groups)]


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(files(), st.data())
def test_splice_rewrite_and_a_loop_over_rows_agree(
    tmp_path_factory: pytest.TempPathFactory, file: tuple[pa.Table, Columns, dict[str, Any]], data: st.DataObject
) -> None:
    """Whatever the schema, the encoding and the erasures: equal rows, schemas and row groups, for all four readers."""
    table, columns, options = file
    folder = tmp_path_factory.mktemp("files")
    source, made_anew = folder / "source.parquet", folder / "rewritten.parquet"
    pq.write_table(table, source, **options)
    assume(reads(pq.read_table, source))  # it does not read all that it writes, where pages are tiny
    ids, few = st.sets(st.integers(0, 24), max_size=3), st.sets(st.integers(0, 6), max_size=1)
    erasures = Erasures(*(some(*data.draw(each)) for each in (ids, few, ids)))
    done = rewrite(source, made_anew, columns, erasures)
    target, found = spliced(source, erasures, columns)
    assert found.counts == done.counts
    assert target.read_bytes()[: found.shared] == source.read_bytes()[: found.shared]
    again, marked = folder / "again.parquet", marked_in(source, erasures, columns)
    assert splice(source, again, columns, erasures, marked=marked).counts == done.counts
    assert again.read_bytes() == target.read_bytes()

    before, one, other = (pq.ParquetFile(path) for path in (source, made_anew, target))
    assert other.schema_arrow.equals(before.schema_arrow, check_metadata=True)
    assert other.schema_arrow.equals(one.schema_arrow, check_metadata=True)
    assert rows_of_groups(target) == rows_of_groups(made_anew)
    assert other.read().to_pylist() == without(before.read().to_pylist(), columns, erasures)
    assert other.read().to_pylist() == one.read().to_pylist()
    for reader in (polars_rows, duckdb_rows):
        if reads(reader, source):
            assert reader(target) == reader(made_anew)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(files(flat=True), st.data())
def test_fastparquet_reads_it_too(
    tmp_path_factory: pytest.TempPathFactory, file: tuple[pa.Table, Columns, dict[str, Any]], data: st.DataObject
) -> None:
    """It is asked about flat tables, compressed, that it reads when pyarrow writes them, the result among them.

    Of nested columns it loses track where they have several pages, of plain ones where a dictionary has no byte.
    """
    table, columns, options = file
    source, plain = (tmp_path_factory.mktemp("files") / name for name in ("source.parquet", "plain.parquet"))
    pq.write_table(table, source, **options)
    gone, bare = (some(*data.draw(st.sets(st.integers(0, 24), max_size=3))) for _ in range(2))
    erasures = Erasures(drop_tweets=gone, scrub_tweets=bare)
    rows = without(table.to_pylist(), columns, erasures)
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), plain, **options)
    assume(rows and reads(fastparquet_rows, source) and reads(fastparquet_rows, plain))
    target, _ = spliced(source, erasures, columns)
    expected = fastparquet_rows(source)
    expected.loc[expected["id"].isin(bare), "where"] = None
    expected = expected[~expected["id"].isin(gone)].reset_index(drop=True)
    found = fastparquet_rows(target)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, check_categorical=False)


def tweets(rows: int = 40) -> pa.Table:
    """Tweets whose places, texts and quotes all name the tweet that they are of."""
    return pa.table(
        {
            "id": pa.array(range(rows)),
            "text": [f"text-{row:04}" for row in range(rows)],
            "geo": [{"place": f"place-{row:04}", "at": [row + 0.5, 2.0]} for row in range(rows)],
            "lang": pa.array([["en", "de"][row % 2] for row in range(rows)]).dictionary_encode(),
            "quoted_status": [{"id": 1000 + row, "text": f"quote-{row:04}"} for row in range(rows)],
        }
    )


TWEETS = Columns("id", geo=("geo",), embedded=("quoted_status",))
LEAVES = ("id", "text", "geo.place", "geo.at.list.element", "lang", "quoted_status.id", "quoted_status.text")
FULL: dict[str, Any] = {
    "compression": "none",
    "row_group_size": 10,
    "write_page_index": True,
    "bloom_filter_options": {path: {"ndv": 10, "fpp": 0.01} for path in ("id", "geo.place", "quoted_status.text")},
    "sorting_columns": [pq.SortingColumn(0)],
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Four row groups of ten tweets, with everything that a writer can put beside pages."""
    path = tmp_path / "source.parquet"
    pq.write_table(tweets(), path, data_page_size=64, write_batch_size=4, **FULL)
    return path


def parts_of(path: Path) -> Iterator[tuple[Struct, Place, bytes]]:
    """``ColumnChunk`` of each column chunk, where it lies, and its bytes."""
    origin = InMemory(path.read_bytes())
    footer = read_footer(origin)
    for group, found in zip(footer.groups, places(footer), strict=True):
        for chunk, place in zip(group.structs(Group.CHUNKS), found, strict=True):
            yield chunk, place, origin.read(*place.pages)


def same_chunks(source: Path, target: Path) -> list[tuple[int, str]]:
    """Row groups and columns whose pages and Bloom filters are byte for byte those of the source."""
    groups = len(rows_of_groups(source))
    assert len(rows_of_groups(target)) == groups
    both = zip(parts_of(source), parts_of(target), strict=True)
    return [
        (at // len(LEAVES), LEAVES[at % len(LEAVES)])
        for at, ((_, one, pages), (_, other, found)) in enumerate(both)
        if pages == found and blooms_of(source, one) == blooms_of(target, other)
    ]


def blooms_of(path: Path, place: Place) -> bytes | None:
    return path.read_bytes()[slice(*place.bloom)] if place.bloom is not None else None


def test_only_what_must_change_is_made_anew(source: Path) -> None:
    """A row that goes costs its row group; a place its columns there; a tweet of others its own; the rest is copied."""
    target, done = spliced(source, Erasures(drop_tweets=some(5, 1025), scrub_tweets=some(15)), TWEETS)
    assert done.counts == Counts(rows_in=40, rows_kept=39, rows_dropped=1, rows_scrubbed=1, cells_nulled=1)
    everything = {(group, leaf) for group in range(4) for leaf in LEAVES}
    anew = {(0, leaf) for leaf in LEAVES} | {(1, leaf) for leaf in LEAVES[2:4]} | {(2, leaf) for leaf in LEAVES[5:]}
    assert set(same_chunks(source, target)) == everything - anew
    assert rows_of_groups(target) == [9, 10, 10, 10]


@pytest.mark.parametrize("at", [5, 15, 25])
def test_it_is_known_how_far_a_file_is_its_source(source: Path, at: int) -> None:
    """Up to the first column chunk that is made anew, so that these bytes need be digested only once."""
    pq.write_table(tweets(), source, row_group_size=10)
    target, done = spliced(source, Erasures(scrub_tweets=some(at)), TWEETS)
    starts = [place.pages.start for _, place, _ in parts_of(source)]
    assert done.shared == starts[at // 10 * len(LEAVES) + LEAVES.index("geo.place")]
    assert target.read_bytes()[: done.shared] == source.read_bytes()[: done.shared]


def test_nothing_that_went_is_in_any_byte(source: Path) -> None:
    """Not in pages or dictionaries, not in statistics, not in page indexes; and what stays is."""
    target, _ = spliced(source, Erasures(drop_tweets=some(5, 1025), scrub_tweets=some(10, 19)), TWEETS)
    content = target.read_bytes()
    for word in ("text-0005", "place-0005", "quote-0005", "quote-0025", "place-0010", "place-0019"):
        assert word.encode() in source.read_bytes()
        assert word.encode() not in content
    for word in ("text-0010", "text-0025", "place-0011", "place-0025", "quote-0024"):
        assert word.encode() in content
    bounds = pq.read_metadata(target).row_group(1).column(2).statistics
    assert (bounds.min, bounds.max, bounds.null_count) == ("place-0011", "place-0018", 2)


def test_no_byte_belongs_to_nothing(source: Path) -> None:
    """From the first magic bytes to the footer every byte is a page, a filter or an index of a column chunk."""
    content = source.read_bytes()
    footer = read_footer(InMemory(content))
    source.write_bytes(content[: footer.start] + b"what an earlier writer left behind" + content[footer.start :])
    target, _ = spliced(source, Erasures(drop_tweets=some(5), scrub_tweets=some(15)), TWEETS)
    found = sorted(extent for _, place, _ in parts_of(target) for extent in place.extents())
    assert [4, *(each.end for each in found)] == [
        *(each.start for each in found),
        read_footer(InMemory(target.read_bytes())).start,
    ]
    assert b"left behind" not in target.read_bytes()


def test_page_indexes_tell_where_pages_are(source: Path) -> None:
    """Each place in each offset index is where a page begins; together with the dictionary they are the chunk."""
    target, _ = spliced(source, Erasures(drop_tweets=some(5), scrub_tweets=some(15)), TWEETS)
    content = target.read_bytes()
    pages = 0
    for _, place, _ in parts_of(target):
        assert place.offset_index is not None
        assert place.column_index is not None
        at = place.pages.start
        starts = {}
        while at < place.pages.end:
            header, end = parsed(content, {}, at)
            starts[at] = header.integer(1)
            at = end + (header.integer(3) or 0)
        index, _ = parsed(content, {1: {}}, place.offset_index.start)
        data_page = 0
        told = [location.integer(1) for location in index.structs(1)]
        assert told == [start for start, kind in starts.items() if kind == data_page]
        pages += len(told)
    assert pages > 4 * len(LEAVES)


def test_what_lies_beside_pages_goes_with_them(source: Path) -> None:
    """Row groups that lose nothing keep their filters, indexes, statistics, sort order and what is said of sizes."""
    target, done = spliced(source, Erasures(scrub_tweets=some(15)), TWEETS)
    before, after = pq.read_metadata(source), pq.read_metadata(target)
    assert done.notes == ()
    for at in range(4):
        one, other = before.row_group(at), after.row_group(at)
        assert other.sorting_columns == one.sorting_columns
        assert (other.total_byte_size == one.total_byte_size) == (at != 1)
        for leaf in range(len(LEAVES)):
            old, new = one.column(leaf), other.column(leaf)
            assert new.is_stats_set
            assert (new.bloom_filter_offset is None) == (old.bloom_filter_offset is None)
            assert (new.has_offset_index, new.has_column_index) == (True, True)
            if (at, leaf) not in ((1, 2), (1, 3)):
                assert new.statistics == old.statistics
                assert new.encodings == old.encodings
        assert other.total_byte_size == sum(other.column(leaf).total_uncompressed_size for leaf in range(len(LEAVES)))


def test_bloom_filters_are_found_where_they_lie_now(source: Path) -> None:
    """A reader that asks a filter finds every value that is there."""
    target, _ = spliced(source, Erasures(drop_tweets=some(5), scrub_tweets=some(15)), TWEETS)
    asked = "SELECT id FROM read_parquet($1) WHERE id = $2"
    with duckdb.connect() as connection:
        found = [connection.execute(asked, [str(target), row]).fetchall() for row in range(40)]
        told = connection.execute(
            "SELECT bloom_filter_excludes FROM parquet_bloom_probe($1, 'id', 15)", [str(target)]
        ).fetchall()
    assert found == [[(row,)] if row != 5 else [] for row in range(40)]
    assert told == [(True,), (False,), (True,), (True,)]


def test_row_groups_that_lose_all_rows_are_left_out(source: Path, edit_footer: EditFooter) -> None:
    """So are they when a file is rewritten; those after them move up, in number too."""

    def numbered(file: Struct) -> None:
        for at, group in enumerate(file.structs(File.GROUPS)):
            group.put(Group.ORDINAL, at, 4)

    edit_footer(source, numbered)
    target, done = spliced(source, Erasures(drop_tweets=some(*range(10))), TWEETS)
    assert rows_of_groups(target) == [10, 10, 10]
    assert done.counts.rows_kept == 30
    footer = read_footer(InMemory(target.read_bytes()))
    assert [group.integer(Group.ORDINAL) for group in footer.groups] == [0, 1, 2]
    assert footer.file.integer(File.ROWS) == 30
    firsts = [group.structs(Group.CHUNKS)[0] for group in footer.groups]
    assert [group.integer(Group.OFFSET) for group in footer.groups] == [
        min(at for at in (meta.integer(Meta.DATA), meta.integer(Meta.DICTIONARY)) if at)
        for meta in (chunk.struct(Chunk.META) for chunk in firsts)
        if meta is not None
    ]
    nothing, _ = spliced(source, Erasures(drop_tweets=some(*range(40))), TWEETS)
    assert pq.read_table(nothing).schema.equals(tweets().schema)
    assert pq.read_metadata(nothing).num_row_groups == 0


def test_empty_row_groups_are_left_out(tmp_path: Path) -> None:
    """As a rewrite leaves them out, wherever they stand."""
    source = tmp_path / "source.parquet"
    with pq.ParquetWriter(source, tweets().schema) as writer:
        for start, rows in ((0, 0), (0, 10), (10, 0), (10, 10), (20, 0)):
            writer.write_table(tweets().slice(start, rows))
    assert rows_of_groups(source) == [0, 10, 0, 10, 0]
    target, done = spliced(source, Erasures(scrub_tweets=some(15)), TWEETS)
    assert (rows_of_groups(target), done.counts.rows_in) == ([10, 10], 20)
    assert pq.read_table(target)["geo"].null_count == 1


UNKNOWN = Field(BINARY, b"\x0cwhat is this", long=b"\xf4\x03")  # field 250, in the long form


def test_fields_that_nobody_knows_survive_byte_for_byte(source: Path, edit_footer: EditFooter) -> None:
    """Those of the file, the schema, and of all that is copied; of what lost something, they may tell what it was."""

    def edit(file: Struct) -> None:
        groups = file.structs(File.GROUPS)
        chunks = [chunk for group in groups for chunk in group.structs(Group.CHUNKS)]
        metas = [meta for chunk in chunks if (meta := chunk.struct(Chunk.META)) is not None]
        for each in (file, *file.structs(File.SCHEMA), *groups, *chunks, *metas):
            each.fields[250] = UNKNOWN

    edit_footer(source, edit)
    target, _ = spliced(source, Erasures(scrub_tweets=some(15)), TWEETS)
    footer = read_footer(InMemory(target.read_bytes()))
    assert UNKNOWN.value in footer.file.encoded()
    assert [250 in element for element in (footer.file, *footer.file.structs(File.SCHEMA))] == [True] * (1 + 12)
    for at, group in enumerate(footer.groups):
        assert (250 in group) == (at != 1)
        for leaf, chunk in enumerate(group.structs(Group.CHUNKS)):
            meta = chunk.struct(Chunk.META)
            assert meta is not None
            assert (250 in chunk) == (250 in meta) == ((at, leaf) not in ((1, 2), (1, 3)))
            raw = UNKNOWN.value if 250 in meta else None
            assert raw is None or (meta.fields[250].value, meta.fields[250].long) == (raw, UNKNOWN.long)
    assert pq.read_table(target).num_rows == 40


def test_what_others_say_of_columns_stays_with_them(source: Path, edit_footer: EditFooter) -> None:
    """Key-value metadata of the file and of copied chunks stay; that of a chunk that is made anew goes with it."""

    def edit(file: Struct) -> None:
        for group in file.structs(File.GROUPS):
            for chunk in group.structs(Group.CHUNKS):
                meta = chunk.struct(Chunk.META)
                assert meta is not None
                said, _ = parsed(b"\x18\x03who\x18\x04them\x00")
                meta.put(Meta.KEY_VALUES, Structs([said]))
                meta.fields = dict(sorted(meta.fields.items()))

    edit_footer(source, edit)
    pq.read_metadata(source)
    target, _ = spliced(source, Erasures(scrub_tweets=some(15)), TWEETS)
    assert pq.read_metadata(target).metadata == pq.read_metadata(source).metadata
    assert [Meta.KEY_VALUES in (chunk.struct(Chunk.META) or ()) for chunk, _, _ in parts_of(target)] == [
        (at, leaf) not in ((1, 2), (1, 3)) for at in range(4) for leaf in range(len(LEAVES))
    ]


def test_a_sort_order_by_places_is_claimed_no_more(tmp_path: Path) -> None:
    """Of row groups that lose places; the others keep it."""
    source = tmp_path / "source.parquet"
    pq.write_table(tweets(), source, **{**FULL, "sorting_columns": [pq.SortingColumn(2)]})
    target, done = spliced(source, Erasures(scrub_tweets=some(15)), TWEETS)
    metadata = pq.read_metadata(target)
    assert [bool(metadata.row_group(at).sorting_columns) for at in range(4)] == [True, False, True, True]
    assert done.notes == ("no sort order is claimed: 'geo.place' is among the columns that lose values",)


@pytest.mark.parametrize("codec", ["zstd", "snappy", "gzip"])
@pytest.mark.parametrize("writer", ["polars", "DuckDB", "fastparquet", "pyarrow 1.0"])
def test_files_of_other_writers_are_spliced(tmp_path: Path, writer: str, codec: str) -> None:
    """What they write is copied as it is, and the columns of places are made as theirs are."""
    source, columns = tmp_path / "source.parquet", Columns("id", geo=("place",))
    table = tweets().drop_columns(["geo", "quoted_status", "lang"])
    table = table.append_column("place", [[f"place-{row:04}" if row % 3 else None for row in range(40)]])
    if writer == "polars":
        pl.DataFrame(table).write_parquet(source, compression=codec, row_group_size=10)  # type: ignore[arg-type]
    elif writer == "DuckDB":
        with duckdb.connect() as connection:
            connection.register("tweets", table)
            connection.execute(f"COPY tweets TO '{source}' (FORMAT parquet, CODEC '{codec}', ROW_GROUP_SIZE 2048)")
    elif writer == "fastparquet":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import fastparquet

            fastparquet.write(str(source), table.to_pandas(), compression=codec.upper(), row_group_offsets=10)
    else:
        pq.write_table(table, source, version="1.0", compression=codec, row_group_size=10)
    erasures = Erasures(drop_tweets=some(35), scrub_tweets=some(4, 15))
    target, done = spliced(source, erasures, columns)
    rewritten = tmp_path / "rewritten.parquet"
    assert rewrite(source, rewritten, columns, erasures).counts == done.counts
    for reader in (pq.read_table, polars_rows, duckdb_rows):
        assert reader(target) == reader(rewritten)
    assert pq.read_schema(target).equals(pq.read_schema(source), check_metadata=True)
    if writer != "DuckDB":  # which makes one row group, and it loses a row
        assert [pages for _, _, pages in parts_of(source)][:2] == [pages for _, _, pages in parts_of(target)][:2]


def reason_of(source: Path, touched: dict[int, Counts], columns: Columns = TWEETS) -> str | None:
    with pq.ParquetFile(source) as file:
        return splicing(source, file, columns, touched).reason


ONE_PLACE = {1: Counts(10, 10, 0, 1)}


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A file of which enough is copied for a splice to pay."""
    path = tmp_path / "large.parquet"
    pq.write_table(tweets(16_000), path, **{**FULL, "row_group_size": 4000})
    return path


def test_a_file_is_spliced_where_that_pays(source: Path, large: Path) -> None:
    """Not where little is copied, and not where most is made anew."""
    few, lost = Counts(4000, 4000, 0, 1), Counts(4000, 3999, 1)
    assert reason_of(source, ONE_PLACE) == ""
    assert reason_of(large, {1: few}) is None
    assert reason_of(large, {1: lost, 2: lost, 3: few}) is None
    assert reason_of(large, dict.fromkeys(range(4), lost)) == ""
    with pq.ParquetFile(large) as file:
        found = splicing(large, file, TWEETS, {0: lost, 1: few, 2: Counts(4000, 0, 4000)})
    assert (found.made, found.of) == (7 + 2, 4 * 7)


def test_a_file_that_cannot_be_spliced_says_why(large: Path, edit_footer: EditFooter) -> None:
    """The reason is found before anything is written, and a splice that is tried all the same does no harm."""
    edit_footer(large, lambda file: file.put(32767, 1, I64))
    assert reason_of(large, ONE_PLACE) == "its footer has an extension, which may say the same once more"
    with pytest.raises(FooterError, match="has an extension"):
        spliced(large, Erasures(scrub_tweets=some(15)), TWEETS)


def test_bounds_of_all_places_are_not_copied(tmp_path: Path) -> None:
    """GeoParquet keeps them in the footer, which a splice takes over as it is."""
    source, told = tmp_path / "source.parquet", '{"columns": {"geo": {"bbox": [0, 0, 1, 1]}}}'
    pq.write_table(tweets(16_000).replace_schema_metadata({"geo": told}), source, **{**FULL, "row_group_size": 4000})
    assert reason_of(source, {1: Counts(4000, 4000, 0, 1)}) == "its GeoParquet metadata tells the bounds of all places"


def test_types_that_cannot_be_written_again_are_rewritten(tmp_path: Path) -> None:
    """A file without Arrow's schema whose columns come back as other types, and timestamps of the old kind."""
    source, rows = tmp_path / "source.parquet", 30_000
    at = pa.array([datetime(2024, 1, 1)] * rows, pa.timestamp("ns"))
    table = tweets(rows).drop_columns(["lang"]).append_column("at", at)
    pq.write_table(table, source, compression="none", row_group_size=rows // 3, use_deprecated_int96_timestamps=True)
    lost = {0: Counts(rows // 3, rows // 3 - 1, 1)}
    assert reason_of(source, lost) == "its timestamps are of the old kind (INT96)"
    assert reason_of(source, {0: Counts(rows // 3, rows // 3, 0, 1)}) is None


def test_a_dictionary_with_words_that_no_row_has_is_not_copied(tmp_path: Path) -> None:
    """They may be what was erased elsewhere; a splice would keep them, so there is none."""
    source, rows = tmp_path / "source.parquet", 16_000
    table = tweets(rows + 1)
    words = pa.array(["erased elsewhere"] + ["here"] * rows).dictionary_encode()
    table = table.set_column(3, "lang", words).slice(1)
    pq.write_table(table, source, compression="none", row_group_size=4000)
    assert reason_of(source, ONE_PLACE) == "a dictionary of 'lang' lists values that no row has"


UNCHECKED: tuple[Literal["keep", "drop"], ...] = ("keep", "drop")


def flagged(root: Path, large: Path) -> Path:
    root.mkdir()
    large.rename(root / "part-0.parquet")
    return root


def test_plan_clean_and_proof_know_what_a_splice_is(tmp_path: Path, large: Path, flag: Flag) -> None:
    """A plan says that it will be done and why, a report that it was, the manifest of what; and it is verified."""
    corpus = flagged(tmp_path / "corpus", large)
    results = [flag("deleted", [7]), flag("scrub_geo", [5000], action="scrub_geo")]
    made = plan(corpus, *results)
    (file,) = made.files
    what = "1 row dropped, 1 place nulled; 9 of 28 column chunks made anew, the others copied"
    assert (file.decision, file.why) == ("splice", what)
    assert [line.split()[:2] for line in str(made).splitlines() if line.startswith("splice")] == [["splice", "1"]]
    assert made.to_arrow()["decision"].to_pylist() == ["splice"]
    report = clean(made, tmp_path / "clean")
    assert (report.files_copied, report.files_spliced, report.files_rewritten) == (0, 1, 0)
    assert "0 copied, 1 spliced, 0 rewritten" in str(report)
    assert Manifest.read(manifest_path(tmp_path / "clean")).files[0].decision == "splice"
    proof = verify(tmp_path / "clean", *results, source=corpus)
    blooms = next(check for check in proof.checks if check.name == "Bloom filters")
    assert blooms.counted == 12


def test_damage_that_a_plan_cannot_see_leads_to_a_rewrite(
    tmp_path: Path, large: Path, flag: Flag, edit_footer: EditFooter
) -> None:
    """Page indexes are looked into when a file is cleaned: one of other pages is not copied, and that is said."""

    def swap(file: Struct) -> None:
        one, other = (group.structs(Group.CHUNKS)[0] for group in file.structs(File.GROUPS)[:2])
        before, after = (chunk.integer(Chunk.OFFSET_INDEX) or 0 for chunk in (one, other))
        one.put(Chunk.OFFSET_INDEX, after)
        other.put(Chunk.OFFSET_INDEX, before)

    edit_footer(large, swap)
    corpus = flagged(tmp_path / "corpus", large)
    made = plan(corpus, flag("scrub_geo", [5000], action="scrub_geo"))
    assert made.files[0].decision == "splice"
    report = clean(made, tmp_path / "clean")
    assert (report.files_spliced, report.files_rewritten) == (0, 1)
    assert any("it was to be spliced, and had to be rewritten: its offset index" in note for note in report.notes)
    assert pq.read_table(tmp_path / "clean" / "part-0.parquet")["geo"].null_count == 1


def test_rows_that_nobody_asked_about_are_treated_as_ever(source: Path, tmp_path: Path) -> None:
    """They are dropped, kept or an error, as told, and counted."""
    asked = some(*range(35))
    with pytest.raises(UncheckedIdsError, match="5 rows"):
        spliced(source, Erasures(asked_tweets=asked, unchecked="error"), TWEETS)
    for number, unchecked in enumerate(UNCHECKED):
        erasures = Erasures(scrub_tweets=some(1), asked_tweets=asked, unchecked=unchecked)
        rewritten = tmp_path / f"{number}.parquet"
        target, done = spliced(source, erasures, TWEETS)
        assert done.counts == rewrite(source, rewritten, TWEETS, erasures).counts
        assert (done.counts.rows_unchecked, pq.read_table(target)) == (5, pq.read_table(rewritten))


def test_a_place_that_must_not_be_null_is_refused_as_ever(tmp_path: Path) -> None:
    """A splice raises what a rewrite raises."""
    source = tmp_path / "source.parquet"
    schema = pa.schema([pa.field("id", pa.int64()), pa.field("geo", pa.string(), nullable=False)])
    pq.write_table(pa.table({"id": [1], "geo": ["Oslo"]}, schema=schema), source)
    with pytest.raises(PlanError, match="declared as never null"):
        spliced(source, Erasures(scrub_tweets=some(1)), Columns("id", geo=("geo",)))
    with pytest.raises(PlanError, match="no column of places was found"):
        spliced(source, Erasures(scrub_tweets=some(1)), Columns("id"))


def test_ids_are_not_read_again(tmp_path: Path, large: Path, flag: Flag, edit_footer: EditFooter) -> None:
    """Those of a file whose rows a plan remembers may even have become unreadable; too many are not remembered."""
    corpus = flagged(tmp_path / "corpus", large)
    results = flag("scrub_geo", [1, 5000, 5002], action="scrub_geo")
    (file,) = plan(corpus, results).files
    assert file.marked is not None
    assert {at: each.scrub.tolist() for at, each in file.marked.items()} == {0: [1], 1: [1000, 1002]}
    erasures, source = Erasures(scrub_tweets=some(1, 5000, 5002)), corpus / file.path
    columns = file.columns
    assert columns is not None
    wanted, _ = spliced(source, erasures, columns)
    told = splice(source, tmp_path / "told", columns, Erasures(scrub_tweets=some(8)), marked=file.marked)
    assert (tmp_path / "told").read_bytes() == wanted.read_bytes()
    assert told.counts.rows_scrubbed == 3


def test_rows_that_were_marked_in_another_file_are_not_used(tmp_path: Path, large: Path, flag: Flag) -> None:
    """It had the same size and date, and as many rows with a place; the flagged one is another now."""
    corpus = flagged(tmp_path / "corpus", large)
    made = plan(corpus, flag("scrub_geo", [15], action="scrub_geo"))
    assert made.files[0].marked is not None
    source = corpus / made.files[0].path
    state, rows = source.stat(), [*range(15), 18, 16, 17, 15, *range(19, 16_000)]
    pq.write_table(tweets(16_000).take(rows), source, **{**FULL, "row_group_size": 4000})
    os.utime(source, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert source.stat().st_size == state.st_size
    with pytest.raises(StaleDatasetError, match=r"part-0\.parquet was touched, and may hold something else"):
        clean(made, tmp_path / "clean")


@pytest.mark.parametrize("rows", [9, 8, 3])
def test_rows_that_are_not_those_of_the_plan_are_noticed(tmp_path: Path, rows: int) -> None:
    """Another file lies in its place, of the same size and date: it has other rows, or no place where one was."""
    table = tweets(rows)
    table = table.set_column(2, "geo", pa.nulls(rows, table.schema.field("geo").type))
    pq.write_table(table, tmp_path / "source.parquet")
    marked = {0: Marked(Counts(9, 9, 0, 1), np.array([4], np.int32))}
    with pytest.raises(StaleDatasetError, match="not those that were planned for"):
        splice(tmp_path / "source.parquet", tmp_path / "a", TWEETS, Erasures(scrub_tweets=some(4)), marked=marked)


def test_a_plan_remembers_no_more_than_it_may(
    tmp_path: Path, large: Path, flag: Flag, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of files that come after too many others, IDs are read again, and what comes out is the same."""
    corpus, results = flagged(tmp_path / "corpus", large), flag("scrub_geo", [5000], action="scrub_geo")
    clean(plan(corpus, results), tmp_path / "one")
    for name in ("_MOST_MARKED", "_ALL_MARKED"):
        with monkeypatch.context() as patch:
            patch.setattr(planning, name, 50)
            made = plan(corpus, results)
        assert made.files[0].marked is None
        assert made.digest == plan(corpus, results).digest
        clean(made, tmp_path / name)
        assert (tmp_path / name / "part-0.parquet").read_bytes() == (tmp_path / "one/part-0.parquet").read_bytes()
