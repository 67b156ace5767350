"""What was flagged is gone from the table: its rows, its places, its tweets inside others' rows, and its bytes."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compliance_frames.corpus.arrays import kept_to_write, taken
from compliance_frames.corpus.columns import Columns, find_columns
from compliance_frames.corpus.erase import Counts, Erasures, erase, masks
from compliance_frames.corpus.policy import Policy
from compliance_frames.errors import IdError, PlanError, PolicyError, UncheckedIdsError

Flag = Callable[..., pa.Table]
SECRET = "a secret longer than what a view holds inline"


def ids(*values: int) -> Any:
    return np.array(values, dtype=np.int64)


def bytes_of(table: pa.Table) -> bytes:
    """Every byte that a table's buffers hold, reachable or not."""
    found = []

    def dig(array: Any) -> None:
        found.extend(buffer.to_pybytes() for buffer in array.buffers() if buffer is not None)
        if pa.types.is_dictionary(array.type):
            dig(array.dictionary)
        if pa.types.is_struct(array.type):
            for at in range(array.type.num_fields):
                dig(array.field(at))
        if pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
            dig(array.values)

    for column in table.columns:
        for chunk in column.chunks:
            dig(chunk)
    return b"".join(found)


LAYOUTS = {
    "string": pa.string(),
    "large_string": pa.large_string(),
    "string_view": pa.string_view(),
    "dictionary": pa.dictionary(pa.int8(), pa.string()),
    "ordered": pa.dictionary(pa.int32(), pa.large_string(), ordered=True),
}


@pytest.mark.parametrize("word", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("nest", ["flat", "struct", "list", "list of structs"])
def test_no_buffer_keeps_a_dropped_text(word: pa.DataType, nest: str) -> None:
    """Dropping a row takes its text out of every buffer and dictionary, in any layout, however deep."""
    kind, wrap = {
        "flat": (word, lambda text: text),
        "struct": (pa.struct([("t", word)]), lambda text: {"t": text}),
        "list": (pa.list_(word), lambda text: [text]),
        "list of structs": (pa.large_list(pa.struct([("t", word)])), lambda text: [{"t": text}]),
    }[nest]
    table = pa.table({"id": [1, 2, 3], "content": pa.array([wrap("one"), wrap(SECRET), wrap("three")], kind)})
    made, _ = erase(table, Columns("id"), Erasures(drop_tweets=ids(2)))
    assert SECRET.encode() in bytes_of(table)
    assert SECRET.encode() not in bytes_of(made)
    assert made.schema == table.schema
    assert made.column("content").to_pylist() == [wrap("one"), wrap("three")]


@pytest.mark.parametrize("word", LAYOUTS.values(), ids=LAYOUTS)
def test_no_buffer_keeps_a_nulled_place(word: pa.DataType) -> None:
    """Nulling a place, flat or inside a struct, leaves nothing of it behind."""
    geo = pa.struct([("name", word), ("id", pa.int64())])
    table = pa.table(
        {
            "id": [1, 2],
            "place": pa.array([SECRET, "Oslo"], word),
            "geo": pa.array([{"name": SECRET, "id": 5}, {"name": "Oslo", "id": 6}], geo),
        }
    )
    for told in ([*table.schema.names[1:]], ["place", "geo.name"]):
        made, counts = erase(table, find_columns(table.schema, geo=told), Erasures(scrub_tweets=ids(1)))
        assert SECRET.encode() not in bytes_of(made)
        assert counts == Counts(rows_in=2, rows_kept=2, rows_scrubbed=1)
        assert made.slice(1).to_pylist() == table.slice(1).to_pylist()
    assert made.column("geo").to_pylist()[0] == {"name": None, "id": 5}


def test_what_is_gone_from_the_table_is_gone_from_its_parquet_file(tmp_path: Path) -> None:
    """A file written from the cleaned table holds none of the text, in data, dictionaries or statistics."""
    quotes = pa.array([{"id": 7, "text": SECRET}, {"id": 8, "text": "kept"}, None])
    table = pa.table(
        {"id": [1, 2, 3], "text": ["x", "y", SECRET], "geo": [SECRET, "Oslo", None], "quoted_status": quotes}
    )
    made, _ = erase(
        table, find_columns(table.schema), Erasures(drop_tweets=ids(3, 7), scrub_tweets=ids(1), drop_authors=ids())
    )
    pq.write_table(made, tmp_path / "clean.parquet", compression="none", store_schema=False)
    written = (tmp_path / "clean.parquet").read_bytes()
    assert SECRET.encode() not in written
    assert b"kept" in written


def test_a_table_without_hits_comes_back_as_it_is() -> None:
    """Nothing to erase: the very same table, not a copy."""
    table = pa.table({"id": [1, 2], "geo": [None, "Oslo"]})
    made, counts = erase(table, find_columns(table.schema), Erasures(drop_tweets=ids(9), scrub_tweets=ids(1)))
    assert made is table
    assert counts == Counts(rows_in=2, rows_kept=2)


def test_a_row_without_a_place_is_not_scrubbed() -> None:
    """``rows_scrubbed`` counts rows that had something to null, in any of the columns of places."""
    table = pa.table({"id": [1, 2, 3], "geo": [None, "Oslo", None], "place": [None, None, "Bergen"]})
    _, counts = erase(table, find_columns(table.schema), Erasures(scrub_tweets=ids(1, 2, 3)))
    assert counts.rows_scrubbed == 2


def test_a_row_that_goes_is_counted_once() -> None:
    """A row both dropped and flagged for its place is dropped, not scrubbed."""
    table = pa.table({"id": [1, 2], "author_id": [10, 20], "geo": ["Oslo", "Rome"]})
    found = masks(table, find_columns(table.schema), Erasures(scrub_tweets=ids(1, 2), drop_authors=ids(10)))
    assert found.counts == Counts(rows_in=2, rows_kept=1, rows_dropped=1, rows_scrubbed=1)


def test_a_row_without_an_id_matches_nothing() -> None:
    """A null is no ID, not even that which fills its slot in a buffer."""
    table = pa.table({"id": pa.array([None, 0], pa.int64()), "author_id": pa.nulls(2, pa.string())})
    made, _ = erase(table, find_columns(table.schema), Erasures(drop_tweets=ids(0), drop_authors=ids(0)))
    assert made.column("id").to_pylist() == [None]


def test_authors_lose_all_their_rows_or_all_their_places() -> None:
    """Results of users act on every row of the author, nested or not."""
    user = [{"id_str": "10"}, {"id_str": "20"}, {"id_str": "10"}, None]
    table = pa.table({"id": [1, 2, 3, 4], "user": user, "geo": ["a", "b", "c", "d"]})
    columns = find_columns(table.schema)
    assert erase(table, columns, Erasures(drop_authors=ids(10)))[0].column("id").to_pylist() == [2, 4]
    scrubbed, counts = erase(table, columns, Erasures(scrub_authors=ids(10)))
    assert scrubbed.column("geo").to_pylist() == [None, "b", None, "d"]
    assert counts.rows_scrubbed == 2


def test_only_retweets_of_a_dropped_tweet_go_with_it() -> None:
    """A quote and a reply have words of their own, and keep the bare ID of what they answer."""
    references = [[{"type": kind, "id": "7"}] for kind in ("retweeted", "quoted", "replied_to")]
    table = pa.table({"id": [1, 2, 3, 4], "referenced_tweets": [*references, None]})
    made, counts = erase(table, find_columns(table.schema), Erasures(drop_tweets=ids(7)))
    assert made.column("id").to_pylist() == [2, 3, 4]
    assert made.column("referenced_tweets").to_pylist() == [*references[1:], None]
    assert counts.cells_nulled == 0


def test_a_flat_id_of_the_original_drops_the_retweet() -> None:
    """Flat tables keep the original's ID in a column of its own."""
    table = pa.table({"id": [1, 2], "retweeted_status_id": ["7", None]})
    assert erase(table, find_columns(table.schema), Erasures(drop_tweets=ids(7)))[0].column("id").to_pylist() == [2]


def test_a_retweet_goes_when_the_author_of_the_original_does() -> None:
    """The original's author stands inside the embedded retweet: the row repeats that person's words."""
    original = pa.array([{"id": 7, "text": "words", "user": {"id": 70}}, {"id": 8, "text": "more", "user": {"id": 80}}])
    table = pa.table({"id": [1, 2], "user_id": [1, 1], "retweeted_status": original})
    made, _ = erase(table, find_columns(table.schema), Erasures(drop_authors=ids(70)))
    assert made.column("id").to_pylist() == [2]


def test_embedded_tweets_inside_embedded_tweets_are_taken_out() -> None:
    """A retweet of a quote holds a third tweet; only that one goes."""
    inner = {"id": 7, "text": SECRET}
    table = pa.table({"id": [1], "retweeted_status": [{"id": 5, "text": "outer", "quoted_status": inner}]})
    made, counts = erase(table, find_columns(table.schema), Erasures(drop_tweets=ids(7)))
    assert made.to_pylist()[0]["retweeted_status"] == {"id": 5, "text": "outer", "quoted_status": None}
    assert counts == Counts(rows_in=1, rows_kept=1, cells_nulled=1)
    assert SECRET.encode() not in bytes_of(made)


@pytest.mark.parametrize("many", [pa.list_, pa.large_list, pa.list_view, pa.large_list_view])
def test_included_tweets_leave_the_list(many: Any) -> None:
    """An element goes whole; the others keep their order, a null list stays null, an emptied one is empty."""
    kind = pa.struct([("tweets", many(pa.struct([("id", pa.string()), ("text", pa.string())])))])
    lists = [[{"id": "7", "text": SECRET}, {"id": "8", "text": "b"}], None, [{"id": "7", "text": SECRET}]]
    table = pa.table({"id": [1, 2, 3], "includes": pa.array([{"tweets": tweets} for tweets in lists], kind)})
    made, counts = erase(table, find_columns(table.schema), Erasures(drop_tweets=ids(7)))
    left = [{"tweets": [{"id": "8", "text": "b"}]}, {"tweets": None}, {"tweets": []}]
    assert made.column("includes").to_pylist() == left
    assert counts.cells_nulled == 2
    assert made.schema == table.schema


def test_a_list_of_a_fixed_size_cannot_lose_an_element() -> None:
    """Where the schema leaves no way to take an embedded tweet out, that is said, and not passed over."""
    kind = pa.list_(pa.struct([("id", pa.int64()), ("text", pa.string())]), 1)
    table = pa.table({"id": [1], "quotes": pa.array([[{"id": 7, "text": "x"}]], kind)})
    with pytest.raises(PlanError, match=r"'quotes'.*fixed"):
        erase(table, find_columns(table.schema), Erasures(drop_tweets=ids(7)))


def test_a_place_in_a_list_of_a_fixed_size_is_nulled() -> None:
    """A pair of coordinates is one value, which goes whole."""
    table = pa.table({"id": [1, 2], "coordinates": pa.array([[1.0, 2.0], [3.0, 4.0]], pa.list_(pa.float64(), 2))})
    made, _ = erase(table, find_columns(table.schema), Erasures(scrub_tweets=ids(1)))
    assert made.column("coordinates").to_pylist() == [None, [3.0, 4.0]]


@pytest.mark.parametrize("column", ["geo", "quoted_status"])
def test_a_column_that_must_not_be_null_is_named(column: str) -> None:
    """A place or an embedded tweet declared as never null cannot go without breaking the schema."""
    quote = pa.struct([("id", pa.int64()), ("text", pa.string())])
    fields = [
        pa.field("id", pa.int64()),
        pa.field("geo", pa.string(), nullable=column != "geo"),
        pa.field("quoted_status", quote, nullable=column != "quoted_status"),
    ]
    row = {"id": 1, "geo": "Oslo", "quoted_status": {"id": 7, "text": "x"}}
    table = pa.Table.from_pylist([row], schema=pa.schema(fields))
    erasures = Erasures(scrub_tweets=ids(1)) if column == "geo" else Erasures(drop_tweets=ids(7))
    with pytest.raises(PlanError, match=f"'{column}' is declared as never null"):
        erase(table, find_columns(table.schema), erasures)


def test_a_place_to_go_without_a_known_column_is_refused() -> None:
    """Nobody can say that there is no place but the user: ``geo=[]``."""
    table = pa.table({"id": [1], "where": ["Oslo"]})
    with pytest.raises(PlanError, match=r'1 row must lose.*geo=\["…"\].*geo=\[\]'):
        erase(table, find_columns(table.schema), Erasures(scrub_tweets=ids(1)))
    made, counts = erase(table, find_columns(table.schema, geo=[]), Erasures(scrub_tweets=ids(1)))
    assert made is table
    assert not counts.touched


def test_unchecked_rows_are_counted_kept_dropped_or_refused() -> None:
    """A row is unchecked when nobody asked about its tweet, or it has no ID, and no result drops it anyway."""
    table = pa.table({"id": pa.array([1, 2, 3, None])})
    known: dict[str, Any] = {"drop_tweets": ids(3), "asked_tweets": ids(1)}
    kept = erase(table, Columns("id"), Erasures(**known, unchecked="keep"))
    assert kept[1] == Counts(rows_in=4, rows_kept=3, rows_dropped=1, rows_unchecked=2)
    dropped = erase(table, Columns("id"), Erasures(**known, unchecked="drop"))
    assert dropped[0].column("id").to_pylist() == [1]
    assert dropped[1] == Counts(rows_in=4, rows_kept=1, rows_dropped=3, rows_unchecked=2)
    with pytest.raises(UncheckedIdsError, match=r"2 rows hold a tweet ID that was never asked.*check\("):
        erase(table, Columns("id"), Erasures(**known, unchecked="error"))


def test_without_a_ledger_nothing_is_unchecked() -> None:
    """Silence about an ID says nothing where nobody knows what was asked."""
    assert masks(pa.table({"id": [1]}), Columns("id"), Erasures()).counts.rows_unchecked == 0


def test_ids_that_are_none_are_refused_by_name() -> None:
    """A float has lost digits, a word never had any: erasing by them would miss."""
    for bad in ([1.5], ["seven"]):
        with pytest.raises(IdError, match="id") as caught:
            erase(pa.table({"id": bad}), Columns("id"), Erasures(drop_tweets=ids(7)))
        assert caught.value.column == "id"


ODD = {
    "decimal": pa.array([1, 2, None], pa.decimal128(5, 2)),
    "map": pa.array([[("k", "v")], [], None], pa.map_(pa.string(), pa.dictionary(pa.int8(), pa.string()))),
    "fixed-size list": pa.array([["a"], ["b"], None], pa.list_(pa.string_view(), 1)),
    "list view": pa.array([[1], [2], None], pa.list_view(pa.int64())),
    "list view of views": pa.array([["a"], ["b" * 30], None], pa.list_view(pa.string_view())),
    "binary view": pa.array([b"a", b"b" * 30, None], pa.binary_view()),
    "extension": pa.ExtensionArray.from_storage(
        pa.json_(pa.string_view()), pa.array(["1", "2", None], pa.string_view())
    ),
    "runs": pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int16()), pa.array(["a", "b"])),
    "null": pa.nulls(3),
    "time": pa.array([1, 2, None], pa.timestamp("ns", tz="Europe/Oslo")),
    "duration": pa.array([1, 2, None], pa.duration("ns")),
    "extension in a struct": pa.StructArray.from_arrays(
        [pa.ExtensionArray.from_storage(pa.json_(pa.string_view()), pa.array(["1", "2", None], pa.string_view()))],
        names=["e"],
    ),
}


@pytest.mark.parametrize("column", ODD.values(), ids=ODD)
def test_columns_of_any_type_come_through(column: Any) -> None:
    """A column that compliance has nothing to do with keeps its type and the values of the rows that stay."""
    table = pa.table({"id": [1, 2, 3], "other": column})
    made, _ = erase(table, Columns("id"), Erasures(drop_tweets=ids(2)))
    made.validate(full=True)
    assert made.schema == table.schema
    values = column.to_pylist()
    assert made.column("other").to_pylist() == [values[0], values[2]]
    assert taken(column, pa.array([None, 0])).to_pylist() == [None, values[0]]


def test_slices_and_chunks_are_cut_where_they_are() -> None:
    """A table of several chunks, each a slice of more, loses the right rows."""
    whole = pa.table(
        {"id": list(range(10)), "text": pa.array([[str(n)] for n in range(10)], pa.list_(pa.string_view()))}
    )
    table = pa.concat_tables([whole.slice(1, 3), whole.slice(6, 3)])
    made, _ = erase(table, Columns("id"), Erasures(drop_tweets=ids(2, 7)))
    assert made.to_pydict() == {"id": [1, 3, 6, 8], "text": [["1"], ["3"], ["6"], ["8"]]}


def test_long_text_is_not_copied_where_it_is_written_at_once() -> None:
    """It may lie where it lay then, unless most of what lies there goes, or it is of other kinds."""
    long, keep = "long" * 20_000, np.array([True, False, True])
    column = pa.chunked_array([[long, SECRET, long]])
    made = kept_to_write(column, keep)
    assert made.to_pylist() == [long, long]
    assert {chunk.buffers()[2].address for chunk in made.chunks} == {column.chunk(0).buffers()[2].address}
    others = [["a", SECRET, "b"], ["a", SECRET * 2_000, long], [[long], [SECRET], [long]]]
    for other in (*map(pa.array, others), pa.array(column.to_pylist(), pa.string_view())):
        made = kept_to_write(pa.chunked_array([other]), keep)
        assert made.to_pylist() == [other[0].as_py(), other[2].as_py()]
        assert SECRET.encode() not in bytes_of(pa.table([made], ["text"]))
    assert kept_to_write(column, ~(keep | True)).to_pylist() == []


def test_two_columns_of_one_name_come_through() -> None:
    """A name that stands twice is nobody's ID, and both columns stay."""
    table = pa.Table.from_arrays([pa.array([1, 2]), pa.array(["a", "b"]), pa.array(["c", "d"])], names=["id", "x", "x"])
    made, _ = erase(table, find_columns(table.schema), Erasures(drop_tweets=ids(1)))
    assert made.schema.names == ["id", "x", "x"]
    assert [column.to_pylist() for column in made.columns] == [[2], ["b"], ["d"]]


def test_a_table_without_rows_is_erased_to_itself() -> None:
    """No rows, no chunks, no trouble."""
    table = pa.schema(
        {
            "id": pa.string(),
            "includes": pa.struct({"tweets": pa.list_(pa.struct({"id": pa.string(), "text": pa.string()}))}),
        }
    ).empty_table()
    made, counts = erase(table, find_columns(table.schema), Erasures(drop_tweets=ids(1), asked_tweets=ids()))
    assert made is table
    assert counts == Counts()


def test_results_become_erasures_by_reason(flag: Flag) -> None:
    """Tweets and users, dropped and scrubbed, each in its sorted set; the strictest of two results counts."""
    made = Erasures.from_results(
        [
            flag("deleted", [3, 1]),
            flag("scrub_geo", [1, 2]),
            flag("suspended", [10], "users"),
            flag("scrub_geo", [10, 20], "users"),
            flag("protected", [4]),
        ],
        Policy.default().treat(protected="keep"),
    )
    assert made.drop_tweets.tolist() == [1, 3]
    assert made.scrub_tweets.tolist() == [2]
    assert made.drop_authors.tolist() == [10]
    assert made.scrub_authors.tolist() == [20]
    assert made.asked_tweets is None


def test_an_unknown_reason_ends_it(flag: Flag) -> None:
    """Nothing is erased or kept by guess."""
    with pytest.raises(PolicyError, match=r'treat\(vanished="drop"\)'):
        Erasures.from_results([flag("vanished", [1])])


def test_a_table_that_holds_no_results_is_refused() -> None:
    """A corpus handed in place of results is noticed by its columns, a wrong type by its word."""
    with pytest.raises(PlanError, match="not a table of results: it has no column type, action, reason"):
        Erasures.from_results([pa.table({"id": [1]})])
    wrong = pa.table({"type": ["posts"], "id": [1], "action": ["delete"], "reason": ["deleted"]})
    with pytest.raises(PlanError, match="'posts' is neither tweets nor users"):
        Erasures.from_results([wrong])


def test_erasures_survive_the_way_to_a_worker(tmp_path: Path) -> None:
    """Written and read again, or pickled, they are the same, and say so by their digest."""
    made = Erasures(drop_tweets=ids(1, 2), scrub_authors=ids(5), asked_tweets=ids(), unchecked="drop")
    made.write(tmp_path / "erasures")
    assert Erasures.read(tmp_path / "erasures") == made
    assert pickle.loads(pickle.dumps(made)).digest == made.digest
    assert made != Erasures(drop_tweets=ids(1), scrub_authors=ids(2, 5), asked_tweets=ids(), unchecked="drop")
    assert made != Erasures(drop_tweets=ids(1, 2), scrub_authors=ids(5), unchecked="drop")


def test_erasures_that_were_tampered_with_are_not_read(tmp_path: Path) -> None:
    """A lost or exchanged slice would leave rows standing: the digest notices."""
    Erasures(drop_tweets=ids(1, 2)).write(tmp_path)
    pq.write_table(pa.table({"id": ids(1)}), tmp_path / "drop_tweets.parquet")
    with pytest.raises(PlanError, match="not those that were written"):
        Erasures.read(tmp_path)


def test_erasures_do_not_show_ids() -> None:
    """IDs of people's tweets have no place in logs."""
    assert "1234567890" not in repr(Erasures(drop_tweets=ids(1234567890)))


def test_an_unknown_word_for_unchecked_is_refused() -> None:
    """A typo must not become a silent ``keep``."""
    with pytest.raises(PlanError, match="choose one of error, keep, drop"):
        Erasures(unchecked="ignore")  # type: ignore[arg-type]
