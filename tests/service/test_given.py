"""Results that people have already: each file is understood and said by one table, or refused by its name."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compliance_frames.corpus.frames import apply
from compliance_frames.corpus.policy import Policy
from compliance_frames.errors import IdError, ResultsError
from compliance_frames.schemas import RESULTS, TREATMENTS
from compliance_frames.service.events import read_events
from compliance_frames.service.given import read_results
from compliance_frames.service.results import parse
from compliance_frames.service.settled import settled

WHEN = datetime(2024, 5, 1, 12, tzinfo=UTC)
TWEET = '{"id":"1500000000000000001","action":"delete","created_at":"2022-03-05T08:12:39.022Z","reason":"suspended"}'
USER = (
    '{"id":"829985394590629888","action":"delete","created_at":"2017-02-10T09:28:33+00:00",'
    '"redacted_at":"2021-06-15T07:32:10+00:00","reason":"deleted"}'
)


def written(folder: Path, **files: str | bytes) -> Path:
    for name, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        (folder / name.replace("__", ".")).write_bytes(data)
    return folder


def table(*rows: tuple[str, int, str], job: int | None = 7) -> pa.Table:
    """Results as ``check`` gives them."""
    return pa.Table.from_pylist(
        [
            {
                "type": type,
                "id": id,
                "action": "delete",
                "reason": reason,
                "created_at": datetime(2022, 3, 5, 8, 12, 39, 22000, tzinfo=UTC),
                "redacted_at": None,
                "job_id": job,
                "checked_at": WHEN,
            }
            for type, id, reason in rows
        ],
        schema=RESULTS,
    )


OURS = table(("tweets", 1500000000000000001, "suspended"), ("tweets", 1500000000000000002, "scrub_geo"))


@pytest.mark.parametrize("type", ["tweets", "users"])
def test_recorded_results_are_those_of_a_download(shared: Path, type: Any) -> None:
    """A real file says the same by hand as by a job, and of which type it is shows by itself."""
    path = shared / "recorded" / f"download_{type}.body"
    found = read_results(path, checked_at=WHEN)
    expected = parse(path, type=type, job_id=1, checked_at=WHEN)
    assert found.schema.equals(RESULTS)
    assert found.drop_columns("job_id").equals(expected.drop_columns("job_id"))
    assert found.column("job_id").null_count == found.num_rows


def test_paths_patterns_and_folders_lead_to_the_same_rows(tmp_path: Path) -> None:
    """Plain or packed, one by one or all at once; a file named twice counts once."""
    folder = written(
        tmp_path,
        a__jsonl=TWEET,
        b__jsonl__gz=gzip.compress(USER.encode()),
        c__json="\n\n",
        **{"__hidden": "no results"},
    )
    assert (folder / ".hidden").exists()
    ways: list[tuple[Any, ...]] = [
        (folder,),
        (str(folder / "*.js*"),),
        (folder / "a.jsonl", str(folder / "b.jsonl.gz")),
        (folder, folder / "a.jsonl", str(folder / "**")),
    ]
    for way in ways:
        found = read_results(*way)
        assert found.column("type").to_pylist() == ["tweets", "users"], way
        assert found.column("id").to_pylist() == [1500000000000000001, 829985394590629888]


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": lambda data: bytes(pa.Codec("zstd").compress(data)),
    "bz2": bz2.compress,
}


@pytest.mark.parametrize("packing", PACKED)
def test_what_results_and_events_are_packed_with_does_not_matter(tmp_path: Path, packing: str) -> None:
    """One after the other in a file, too, as tools append them; by the first bytes, whatever the name."""
    pack = PACKED[packing]
    event = '{"data":{"delete":{"tweet":{"id":"1"},"event_at":"2024-05-01T00:00:00Z"}}}'
    csv = "type,id,action,reason\ntweets,20,delete,deleted\n"
    folder = written(tmp_path, a__jsonl=pack(f"{TWEET}\n".encode()) + pack(USER.replace("+00:00", ".000Z").encode()))
    assert read_results(folder / "a.jsonl").column("id").to_pylist() == [829985394590629888, 1500000000000000001]
    written(tmp_path, a__csv=pack(csv.encode()), events=pack(event.encode()))
    assert read_results(folder / "a.csv").column("id").to_pylist() == [20]
    assert read_events(folder / "events").column("id").to_pylist() == [1]


def test_when_it_was_checked_is_told_or_the_files_own_time(tmp_path: Path) -> None:
    """A file that was written last year answers as of last year."""
    path = written(tmp_path, a__jsonl=TWEET) / "a.jsonl"
    os.utime(path, (1_600_000_000, 1_600_000_000.5))
    assert read_results(path).column("checked_at").to_pylist() == [datetime.fromtimestamp(1_600_000_000, UTC)]
    assert read_results(path, checked_at=WHEN).column("checked_at").to_pylist() == [WHEN]
    with pytest.raises(ResultsError, match="no time zone"):
        read_results(path, checked_at=WHEN.replace(tzinfo=None))


def test_a_type_is_found_or_asked_for(tmp_path: Path) -> None:
    """Spelling tells tweets from users; where nothing tells, or both do, nobody guesses."""
    bare = '{"id":"20","action":"delete","reason":"deleted"}'
    folder = written(
        tmp_path, bare__jsonl=bare, both__jsonl=f"{TWEET}\n{USER}", named__jsonl=bare[:-1] + ',"type": "users"}'
    )
    with pytest.raises(ResultsError, match=r"bare\.jsonl.* does not tell .*type=\"tweets\""):
        read_results(folder / "bare.jsonl")
    with pytest.raises(ResultsError, match=r"both\.jsonl.* lines of tweets and of users"):
        read_results(folder / "both.jsonl")
    assert read_results(folder / "bare.jsonl", type="users").column("type").to_pylist() == ["users"]
    assert read_results(folder / "named.jsonl").column("type").to_pylist() == ["users"]
    with pytest.raises(ResultsError, match="choose one of tweets, users"):
        read_results(folder / "bare.jsonl", type="likes")  # type: ignore[arg-type]


def test_a_spelling_is_seen_wherever_blocks_end(tmp_path: Path) -> None:
    """The one line that tells the type may lie across the border of what is read at once."""
    bare = '{"id":"20","action":"delete","reason":"deleted"}\n'
    body = bare * (((1 << 22) - 200) // len(bare))
    for cut in (TWEET.index("created_at") + 5, TWEET.index("022Z")):
        padding = " " * ((1 << 22) - len(body) - 1 - cut)
        path = written(tmp_path, a__jsonl=f"{body}{padding}\n{TWEET}") / "a.jsonl"
        assert read_results(path).column("type").to_pylist() == ["tweets"] * 2


WRITERS: dict[str, Callable[[pa.Table, Path], None]] = {
    "pandas.csv": lambda ours, path: ours.to_pandas().to_csv(path, index=False),
    "pandas_indexed.csv": lambda ours, path: ours.to_pandas().to_csv(path),
    "polars.csv": lambda ours, path: pl.DataFrame(ours).write_csv(path),
    "polars_tab.csv": lambda ours, path: pl.DataFrame(ours).write_csv(path, separator="\t"),
    "duckdb.csv": lambda ours, path: duckdb.from_arrow(ours).write_csv(str(path)),
    "packed.csv.gz": lambda ours, path: ours.to_pandas().to_csv(path, index=False),
    "spreadsheet.csv": lambda ours, path: ours.to_pandas().to_csv(path, index=False, sep=";", encoding="utf-8-sig"),
    "arrow.parquet": lambda ours, path: pq.write_table(ours, path),
    "pandas.parquet": lambda ours, path: ours.to_pandas().to_parquet(path),
    "polars.parquet": lambda ours, path: pl.DataFrame(ours).write_parquet(path),
    "duckdb.parquet": lambda ours, path: duckdb.from_arrow(ours).write_parquet(str(path)),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_what_people_wrote_from_results_comes_back_as_it_was(writer: str, tmp_path: Path) -> None:
    """pandas, polars and DuckDB each spell a table otherwise: every value of it is the same again."""
    WRITERS[writer](OURS, tmp_path / writer)
    assert read_results(tmp_path / writer).equals(OURS.unify_dictionaries())
    WRITERS[writer](OURS.drop_columns(["type", "job_id", "checked_at"]), tmp_path / writer)
    bare = read_results(tmp_path / writer, type="tweets", checked_at=WHEN)
    assert bare.drop_columns("job_id").equals(OURS.drop_columns("job_id"))


def test_what_r_wrote_is_read(tmp_path: Path) -> None:
    """A data frame of academictwitteR's, with row names, NA, and the service's own spelling of times."""
    rows = '"1","1160164553482756096","delete","2019-08-10T12:22:39.022Z","suspended",NA\n'
    path = written(tmp_path, a__csv=f'"","id","action","created_at","reason","redacted_at"\n{rows}') / "a.csv"
    (row,) = read_results(path).to_pylist()
    assert (row["type"], row["id"], row["reason"]) == ("tweets", 1160164553482756096, "suspended")
    assert (row["created_at"].microsecond, row["redacted_at"]) == (22000, None)


def test_an_empty_table_is_all_clear(tmp_path: Path) -> None:
    """Nothing but a header, no row, no byte: no ID was flagged."""
    WRITERS["polars.csv"](OURS.slice(0, 0), tmp_path / "a.csv")
    WRITERS["arrow.parquet"](OURS.slice(0, 0), tmp_path / "b.parquet")
    (tmp_path / "c.jsonl").touch()
    assert read_results(tmp_path).equals(RESULTS.empty_table())


HEADER = "type,id,action,reason,created_at\n"
BAD: dict[str, tuple[str | bytes, str]] = {
    "a.csv": (f"{HEADER}tweets,1.5E+18,delete,deleted,\n", "rounded number"),
    "b.csv": (
        f"{HEADER}tweets,20,delete,deleted,\nposts,21,delete,deleted,\n",
        "'type', row 2 is not 'tweets' or 'users'",
    ),
    "c.csv": (f"{HEADER}tweets,,delete,deleted,\n", "'id', row 1 is empty"),
    "d.csv": (f"{HEADER}tweets,20,delete,,\n", "'reason', row 1 is empty"),
    "e.csv": (f"{HEADER}tweets,20,delete,gone away,\n", "'reason', row 1 is not a plain word"),
    "f.csv": (f"{HEADER}tweets,20,delete,deleted,2022-03-05 08:12:39\n", "not a time with its zone"),
    "g.csv": (f"{HEADER}tweets,20,delete,deleted,2022-02-30T08:12:39Z\n", "that there is not"),
    "h.csv": (f"{HEADER}tweets,20,delete\n", "not CSV throughout"),
    "i.csv": ("id,text\n20,hello\n", "no column action, reason"),
    "j.csv": ("id,action,reason\n20,delete,deleted\n", "does not tell whether"),
    "k.csv": ("id,action,reason,id\n20,delete,deleted,21\n", "one name"),
    "l.jsonl": (f"{TWEET}\n{TWEET[:-9]}", "Line 2 .* was cut off"),
    "m.jsonl": ("[1]", "not a JSON object"),
    "n.jsonl.gz": (gzip.compress(TWEET.encode() * 100)[:-9], "not whole"),
    "o.jsonl.zst": (b"\x28\xb5\x2f\xfd" + bytes(9), "packed with zstd, and is not whole"),
    "o.jsonl.bz2": (bz2.compress(TWEET.encode() * 100)[:-9], "packed with bz2, and is not whole"),
    "cut.jsonl.zst": (
        bytes(pa.Codec("zstd").compress(TWEET.encode() * 100))[:-9],
        "packed with zstd, and is not whole",
    ),
    "o.jsonl.xz": (lzma.compress(TWEET.encode()), "packed with xz; unpack it, or pack it with gzip, zstd or bzip2"),
    "p.parquet": (b"PAR1" + bytes(40), "cannot be read as Parquet"),
    "q.jsonl": (b"\x00\x01\x02", "Line 1"),
    "r.csv": (b'"type","id"\xff\n', "no column"),
}


@pytest.mark.parametrize(("name", "content", "words"), [(name, *bad) for name, bad in BAD.items()], ids=BAD)
def test_what_is_not_results_is_refused_by_its_name(
    name: str, content: str | bytes, words: str, tmp_path: Path
) -> None:
    """File and row are named, and what the file holds of people is not."""
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises((ResultsError, IdError), match=words) as caught:
        read_results(path)
    assert str(caught.value).startswith(str(path))
    assert "1500000000000000001" not in str(caught.value)


def test_damaged_columns_of_parquet_are_refused(tmp_path: Path) -> None:
    """IDs that are numbers with a point, times without a zone, numbers for words."""
    changes: dict[str, tuple[Any, type[Exception], str]] = {
        "id": (pa.array([1.5e18, 2.0]), IdError, "floating-point"),
        "created_at": (pa.array([1, 2], pa.timestamp("ms")), ResultsError, "times without a zone"),
        "reason": (pa.array([1, 2]), ResultsError, "no words"),
    }
    for name, (values, kind, words) in changes.items():
        at = OURS.schema.get_field_index(name)
        pq.write_table(OURS.set_column(at, name, values), tmp_path / "a.parquet")
        with pytest.raises(kind, match=words):
            read_results(tmp_path / "a.parquet")


COUNTRIES = "withheld_in_countries"
ODD: list[tuple[str, Any, str]] = [
    (COUNTRIES, pa.array([7, None]), "holds int64: write it as lists of countries"),
    (COUNTRIES, pa.array([[["DE"]], None]), "holds list<.*: write it as lists of countries"),
    (COUNTRIES, pa.array([{"DE": 1}, None]), "holds struct<.*: write it as lists of countries"),
    (COUNTRIES, pa.array([["DE"], ["DE", "Germany"]]), "row 2 names a country by other than two"),
    (COUNTRIES, pa.array([["DE", None], None]), "row 1 names a country by other than two"),
    ("redacted_at", pa.array([0, 2**62], pa.timestamp("ms", "UTC")), "row 2 is in no year from 1 to 9999"),
    ("checked_at", pa.array([-(2**62), 0], pa.timestamp("us", "UTC")), "row 1 is in no year from 1 to 9999"),
    ("created_at", pa.array([None, "9999-12-31T23:59:59-12:00"]), "holds a day or an hour that there is not"),
]


@pytest.mark.parametrize(("name", "values", "words"), ODD, ids=range(len(ODD)))
def test_values_that_no_result_can_have_are_refused(tmp_path: Path, name: str, values: Any, words: str) -> None:
    """By file, column and row, where the type lets them be looked at."""
    odd = OURS.drop_columns([each for each in OURS.column_names if each == name])
    pq.write_table(odd.append_column(name, values), tmp_path / "a.parquet")
    with pytest.raises(ResultsError, match=rf"a\.parquet: column '{name}'.*{words}"):
        read_results(tmp_path / "a.parquet")


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.large_string()),
        pa.large_list(pa.string_view()),
        pa.list_view(pa.string()),
        pa.list_(pa.string(), 2),
        pa.list_(pa.dictionary(pa.int32(), pa.string())),
    ],
    ids=str,
)
def test_countries_are_read_from_lists_of_any_kind(tmp_path: Path, kind: Any) -> None:
    """What polars, DuckDB and others make of a list of strings."""
    withheld = table(("tweets", 20, "withheld"), ("tweets", 21, "withheld"))
    pq.write_table(
        withheld.append_column("withheld_in_countries", pa.array([["DE", "TR"], None], kind)), tmp_path / "a.parquet"
    )
    found = read_results(tmp_path / "a.parquet")
    found.validate(full=True)
    assert found["withheld_in_countries"].to_pylist() == [["DE", "TR"], None]


def test_a_time_of_answers_beyond_the_calendar_is_refused(tmp_path: Path) -> None:
    """Told with a zone that leads out of it: there is no such time in UTC."""
    event = '{"data":{"delete":{"tweet":{"id":"1"},"event_at":"2024-05-01T00:00:00Z"}}}'
    folder = written(tmp_path, results__jsonl=TWEET, events__jsonl=event)
    for told in (
        datetime.max.replace(tzinfo=timezone(-timedelta(hours=1))),
        datetime.min.replace(tzinfo=timezone(timedelta(hours=1))),
    ):
        for read, name in ((read_results, "results"), (read_events, "events")):
            with pytest.raises(ResultsError, match="checked_at is no time in UTC from year 1 to 9999"):
                read(folder / f"{name}.jsonl", checked_at=told)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A pattern without a match is no all-clear."""
    for source in (tmp_path / "no.jsonl", str(tmp_path / "*.jsonl")):
        with pytest.raises(ResultsError, match="there is no file"):
            read_results(source)
    with pytest.raises(ResultsError, match="no file in the folder"):
        read_results(tmp_path)
    with pytest.raises(ResultsError, match="no file was named"):
        read_results()


def test_results_and_events_are_told_apart(tmp_path: Path) -> None:
    """Who takes one reader for the other is told which is which."""
    event = '{"data":{"delete":{"tweet":{"id":"1"},"event_at":"2024-05-01T00:00:00Z"}}}'
    folder = written(tmp_path, results__jsonl=TWEET, events__jsonl=event)
    with pytest.raises(ResultsError, match="for read_events"):
        read_results(folder / "events.jsonl")
    with pytest.raises(ResultsError, match="for read_results"):
        read_events(folder / "results.jsonl")
    with pytest.raises(ResultsError, match=r"read_results\(\*paths\)"):
        read_results([folder / "results.jsonl"])  # type: ignore[arg-type]


@pytest.mark.parametrize("packing", PACKED)
def test_a_packed_file_without_end_is_refused(tmp_path: Path, packing: str) -> None:
    """A small file that unpacks to gigabytes takes neither the memory nor the day."""
    path = written(tmp_path, a__jsonl=PACKED[packing](b"\n" * (1 << 26))) / "a.jsonl"
    with pytest.raises(ResultsError, match="times its size"):
        read_results(path)


def test_a_table_of_far_more_rows_than_bytes_is_refused(tmp_path: Path) -> None:
    """Parquet can say of one value that it is there a thousand million times."""
    many = 1_000_000
    codes = pa.DictionaryArray.from_arrays(pa.array([0] * many, pa.int32()), pa.array(["deleted"]))
    same = pa.DictionaryArray.from_arrays(pa.array([0] * many, pa.int32()), pa.array([20], pa.int64()))
    pq.write_table(pa.table({"id": same, "action": codes, "reason": codes}), tmp_path / "a.parquet")
    with pytest.raises(ResultsError, match="more than any table"):
        read_results(tmp_path / "a.parquet", type="tweets")


REASONS = ["deleted", "protected", "scrub_geo", "withheld", "aaa"]
TOLD = st.tuples(
    st.sampled_from(["tweets", "users"]),
    st.integers(1, 3),
    st.sampled_from(REASONS),
    st.sampled_from([None, None, 5, 9]),
)
#: What somebody may make of the reasons: each of them counts for nothing in some policy, and for much in another.
POLICIES = [
    Policy.default().treat(withheld="keep", aaa="scrub_geo"),
    Policy.default().treat(protected="keep", withheld="drop", aaa="keep"),
    Policy.default().treat(deleted="keep", withheld="keep", aaa="drop"),
    Policy.default().treat(deleted="scrub_geo", protected="scrub_geo", withheld="drop", aaa="drop"),
]


def bounded(*rows: tuple[str, int, str, int | None]) -> pa.Table:
    """Results, some of them for no more than a user's tweets up to one."""
    up_to = [last if type == "users" else None for type, _, _, last in rows]
    return table(*(row[:3] for row in rows)).append_column("up_to", pa.array(up_to, pa.int64()))


def asked_for(results: pa.Table, policy: Policy) -> dict[tuple[str, int, int], str]:
    """What results ask for, row by row: of each tweet, and of each user's tweets by their IDs."""
    found: dict[tuple[str, int, int], set[str]] = {}
    for row in results.to_pylist():
        treatment = policy.treatment(row["type"], row["action"], row["reason"])
        for tweet in range(1, 12) if row["type"] == "users" else [row["id"]]:
            if row.get("up_to") is None or tweet <= row["up_to"]:
                found.setdefault((row["type"], row["id"], tweet), set()).add(treatment)
    return {key: min(said, key=["drop", "scrub_geo", "keep"].index) for key, said in found.items()}


@given(st.lists(st.lists(TOLD, max_size=8), max_size=3))
def test_of_many_results_none_hides_what_another_asks_for(drawn: list[list[tuple[str, int, str, int | None]]]) -> None:
    """Whatever becomes of a reason, and however far it reaches: a row stands for others of its own reason alone."""
    found = settled([bounded(*rows) for rows in drawn])
    keys = [(row["type"], row["id"], row["reason"]) for row in found.to_pylist()]
    assert keys == sorted(set(keys)) == sorted({row[:3] for rows in drawn for row in rows})
    together = bounded(*(row for rows in drawn for row in rows))
    for policy in POLICIES:
        assert asked_for(found, policy) == asked_for(together, policy)


def test_a_drop_up_to_some_tweet_hides_no_scrub_of_all(tmp_path: Path) -> None:
    """Both have their effect: the tweets before go, and those after lose their places."""
    pq.write_table(bounded(("users", 7, "suspended", 20)), tmp_path / "a.parquet")
    pq.write_table(table(("users", 7, "scrub_geo")), tmp_path / "b.parquet")
    frame = pa.table({"id": [10, 30], "author_id": [7, 7], "geo": ["x", "y"]})
    assert apply(frame, read_results(tmp_path)).to_pylist() == [{"id": 30, "author_id": 7, "geo": None}]


def test_what_is_kept_of_one_reason_goes_for_another(tmp_path: Path) -> None:
    """Of an account that was protected and then suspended, a policy that keeps what is protected keeps nothing."""
    lines = [USER.replace("deleted", reason) for reason in ("protected", "suspended")]
    frame = pa.table({"id": [10], "author_id": [829985394590629888]})
    policy = Policy.default().treat(protected="keep")
    for name, content in (("a.jsonl", lines[:1]), ("b.jsonl", lines[1:]), ("c.jsonl", lines)):
        (tmp_path / name).write_text("\n".join(content))
    for sources in ([tmp_path / "a.jsonl", tmp_path / "b.jsonl"], [tmp_path / "c.jsonl"]):
        assert apply(frame, read_results(*sources), policy=policy, geo=[]).num_rows == 0


@given(st.lists(st.tuples(st.integers(0, 2**63 - 1), st.sampled_from(sorted(TREATMENTS))), max_size=10))
@settings(max_examples=30)
def test_lines_csv_and_parquet_of_the_same_results_say_the_same(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[int, str]]
) -> None:
    """However results were kept, they are the same results."""
    folder = tmp_path_factory.mktemp("same")
    rows = [{"id": str(id), "action": "delete", "reason": reason} for id, reason in drawn]
    (folder / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    frame = pd.DataFrame(rows, columns=["id", "action", "reason"], dtype="str")
    frame.to_csv(folder / "a.csv", index=False)
    frame.to_parquet(folder / "a.parquet")
    first, *others = (
        read_results(folder / name, type="tweets", checked_at=WHEN) for name in ("a.csv", "a.jsonl", "a.parquet")
    )
    assert all(other.equals(first) for other in others)
