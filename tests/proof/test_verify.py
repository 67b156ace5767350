"""A cleaned dataset is proven, and whatever is planted in one is found and named."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from dataclasses import replace as with_fields
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compliance_frames import sample
from compliance_frames.corpus.clean import clean
from compliance_frames.corpus.manifest import Manifest, manifest_path
from compliance_frames.corpus.plan import plan
from compliance_frames.errors import VerificationError
from compliance_frames.progress import Progress
from compliance_frames.proof.bloom import bloom_span
from compliance_frames.proof.footer import Span, read_footer
from compliance_frames.proof.verify import MOST_PROBLEMS, Proof, verify
from compliance_frames.schemas import CAME_BACK, RESULTS

#: Made-up IDs, of the length that today's have.
FIRST = 1212161512043446272
GONE, PLACED, KEPT = FIRST + 1, FIRST + 2, FIRST + 3
AUTHOR_GONE, AUTHOR_KEPT = FIRST + 900, FIRST + 901
FILE = "date=2024-05-01/part-0.parquet"
OTHER = "date=2024-05-02/part-0.parquet"


def flagged(reason: str, ids: Iterable[int], type: str = "tweets", *, job: int = 7) -> pa.Table:
    """A table of results in the package's own schema."""
    told = {"type": type, "action": "delete", "reason": reason, "created_at": None, "redacted_at": None}
    when = datetime(2024, 5, 9, 12, tzinfo=UTC)
    rows = [{**told, "id": int(id), "job_id": job, "checked_at": when} for id in ids]
    return pa.Table.from_pylist(rows, schema=RESULTS)


#: What the service said of the corpus below.
ANSWERS = (
    flagged("deleted", [GONE]),
    flagged("scrub_geo", [PLACED]),
    flagged("suspended", [AUTHOR_GONE], "users"),
)


def row(id: int, author: int = AUTHOR_KEPT, **fields: Any) -> dict[str, Any]:
    """A tweet as the corpus stores it."""
    plain: dict[str, Any] = {
        "id": str(id),
        "author_id": str(author),
        "text": f"words of {id % 1000}",
        "in_reply_to_user_id": None,
        "referenced_tweets": [],
        "geo": None,
        "quoted_status": None,
    }
    return {**plain, **fields}


def quoted(id: int, author: int = AUTHOR_KEPT) -> dict[str, Any]:
    """An embedded tweet."""
    return {"id": str(id), "author_id": str(author), "text": "what was said"}


SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("author_id", pa.string()),
        ("text", pa.string()),
        ("in_reply_to_user_id", pa.string()),
        ("referenced_tweets", pa.list_(pa.struct([("type", pa.string()), ("id", pa.string())]))),
        ("geo", pa.struct([("place_id", pa.string())])),
        ("quoted_status", pa.struct([("id", pa.string()), ("author_id", pa.string()), ("text", pa.string())])),
    ]
)
#: Of the other day: each row is kept.
CLEAN_ROWS = [
    row(KEPT + 10, in_reply_to_user_id=str(AUTHOR_GONE)),
    row(KEPT + 11, geo={"place_id": "here"}, referenced_tweets=[{"type": "replied_to", "id": str(GONE)}]),
    row(KEPT + 12, quoted_status=quoted(KEPT)),
]
ROWS = [
    row(GONE),
    row(PLACED, geo={"place_id": "there"}),
    row(KEPT),
    row(KEPT + 1, AUTHOR_GONE),
    row(KEPT + 2, referenced_tweets=[{"type": "retweeted", "id": str(GONE)}]),
    row(KEPT + 3, quoted_status=quoted(GONE)),
]


@dataclass(frozen=True)
class Cleaned:
    """A corpus and its cleaned copy."""

    source: Path
    path: Path

    def verify(self, *results: pa.Table, **told: Any) -> Proof:
        """A proof, by the answers above or by others."""
        return verify(self.path, *(results or ANSWERS), **told)

    def problems(self, *results: pa.Table, **told: Any) -> tuple[str, ...]:
        """What stands in the way of a proof."""
        with pytest.raises(VerificationError) as caught:
            self.verify(*results, **told)
        return caught.value.problems

    def rows(self, name: str = FILE) -> list[dict[str, Any]]:
        """The rows of a cleaned file."""
        return pq.ParquetFile(self.path / name).read().to_pylist()

    def write(self, table: pa.Table, name: str = FILE, *, vouch: bool = True, **options: Any) -> None:
        """Put another file in the place of one; ``vouch``: let the manifest say that it belongs there."""
        with pa.OSFile(str(self.path / name), "wb") as target:
            pq.write_table(table, target, **options)
        if vouch:
            self.vouch(name, rows=table.num_rows)

    def put(self, rows: list[dict[str, Any]], name: str = FILE, **options: Any) -> None:
        """The same with rows of the schema above."""
        self.write(pa.Table.from_pylist(rows, schema=SCHEMA), name, **options)

    def vouch(self, name: str = FILE, *, rows: int, new_name: str | None = None, **fields: Any) -> None:
        """Make the manifest agree with a file, so that only what is inside of it can give it away."""
        path = manifest_path(self.path)
        manifest = Manifest.read(path)
        data = (self.path / (new_name or name)).read_bytes()
        found = {
            "path": new_name or name,
            "decision": "rewrite",
            "bytes": len(data),
            "sha256": sha256(data).hexdigest(),
            "rows_in": rows,
            "rows_kept": rows,
            "rows_dropped": 0,
            **fields,
        }
        files = tuple(with_fields(file, **found) if file.path == name else file for file in manifest.files)
        with_fields(manifest, files=files).write(path)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Cleaned]:
    """``make({"a.parquet": table}, *results)``: a corpus of these files, cleaned."""

    def made(files: dict[str, Any], *results: pa.Table, geo: list[str] | None = None, **options: Any) -> Cleaned:
        source = tmp_path / "corpus"
        for name, content in files.items():
            path = source / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                path.write_bytes(content)
            else:
                with pa.OSFile(str(path), "wb") as target:
                    pq.write_table(content, target, **options)
        clean(plan(source, *(results or ANSWERS), geo=geo), tmp_path / "clean")
        return Cleaned(source, tmp_path / "clean")

    return made


@pytest.fixture
def cleaned(make: Callable[..., Cleaned]) -> Cleaned:
    """The corpus above, cleaned by the answers above."""
    return make(
        {
            FILE: pa.Table.from_pylist(ROWS, schema=SCHEMA),
            OTHER: pa.Table.from_pylist(CLEAN_ROWS, schema=SCHEMA),
            "README.md": b"about",
        }
    )


Make = Callable[..., Cleaned]


def bloom_of(path: Path) -> tuple[Span, int]:
    """Where the one Bloom filter of a file lies."""
    with path.open("rb") as file:
        footer = read_footer(file)
        (chunk,) = [chunk for chunk in footer.groups[0].chunks if chunk.bloom]
        return bloom_span(file, footer, chunk)


# What is clean is proven.


def test_a_clean_dataset_is_proven(cleaned: Cleaned) -> None:
    """The proof counts what it looked at, and what it leaves where it is by policy."""
    proof = cleaned.verify(source=cleaned.source)
    counted = {check.name: check.counted for check in proof.checks}
    assert (proof.verified, proof.files, proof.rows, proof.flagged, proof.job_ids) == (True, 3, 6, 3, (7,))
    assert (counted["tweets"], counted["authors"], counted["rows"], counted["files"]) == (6, 6, 6, 3)
    assert (counted["embedded"], counted["mentions"], counted["strays"], counted["source"]) == (2, 2, 0, 3)
    (mentions,) = [check.what for check in proof.checks if check.name == "mentions"]
    assert "2 of them name what had to go" in mentions
    assert counted["dictionaries"] > 10


def test_an_id_that_was_flagged_for_several_reasons_is_one_id(cleaned: Cleaned) -> None:
    """A statement counts IDs, not reasons, nor how often somebody told of one; a user is no tweet of that number."""
    more = (flagged("bounced", [GONE]), flagged("deleted", [GONE]), flagged("deleted", [GONE], "users"))
    proof = cleaned.verify(*ANSWERS, *more)
    assert proof.flagged == 4
    assert "for the 4 IDs flagged" in proof.statement


def test_a_proof_says_what_it_claims_and_nothing_more(cleaned: Cleaned) -> None:
    """Its statement names job, time and numbers; it never calls anything compliant, and says what was not checked."""
    proof = cleaned.verify()
    assert proof.statement.startswith("As of job 7, asked at 2024-05-09 12:00 UTC, for the 3 IDs flagged, no ")
    assert "1 tweet or 1 author that had to go" in proof.statement
    left = " ".join(proof.not_checked)
    assert "what 1 file that is not Parquet says by anything but IDs" in left
    assert "the source" in left
    for shown in (str(proof), proof._repr_html_(), json.dumps(proof.to_dict())):
        assert "compliant" not in shown
        assert "no Parquet file under" in shown
        assert str(GONE) not in shown


def test_a_proof_goes_into_json_and_keeps_its_numbers(cleaned: Cleaned) -> None:
    """A certificate can be written and read without losing a digit."""
    told = json.loads(json.dumps(cleaned.verify().to_dict()))
    assert (told["verified"], told["job_ids"], told["rows"]) == (True, ["7"], 6)
    assert {"name", "what", "counted"} == set(told["checks"][0])


@pytest.mark.parametrize("seed", range(4))
def test_no_clean_corpus_is_accused(seed: int, tmp_path: Path) -> None:
    """Made corpora, cleaned by random answers with other settings of Parquet, are proven."""
    rng = np.random.default_rng(seed)
    source = sample.corpus(tmp_path / "corpus", rows=600, seed=seed, days=4)
    tables = {path: pq.ParquetFile(path).read() for path in source.rglob("*.parquet")}
    options: dict[str, Any] = [{}, {"row_group_size": 50}, {"version": "1.0"}, {"data_page_version": "2.0"}][seed]
    for path, table in tables.items():
        pq.write_table(table, path, compression=["snappy", "gzip", "lz4", "none"][seed], **options)
    whole = pa.concat_tables(tables.values())
    ids = rng.permutation(np.array(whole.column("id").to_pylist(), np.int64))
    authors = rng.permutation(np.unique(np.array(whole.column("author_id").to_pylist(), np.int64)))
    answers = (
        flagged("deleted", ids[:60]),
        flagged("scrub_geo", ids[50:200]),
        flagged("suspended", authors[:5], "users"),
        flagged("scrub_geo", authors[4:9], "users"),
    )
    clean(plan(source, *answers), tmp_path / "clean")
    proof = verify(tmp_path / "clean", *answers, source=source)
    assert 300 < proof.rows < 540


def test_real_tweets_are_proven_and_what_was_kept_is_found(shared: Path, tmp_path: Path) -> None:
    """Real tweets, cleaned, are proven; by answers that were not applied each of their rows is found."""
    corpus = shared / "real_tweets" / "corpus"
    if not corpus.is_dir():
        pytest.skip(f"no real tweets at {corpus}")
    rows = [row for path in corpus.rglob("*.parquet") for row in pq.ParquetFile(path).read(["id", "geo"]).to_pylist()]
    ids = [int(each["id"]) for each in rows]
    placed = [int(each["id"]) for each in rows if each["geo"]]
    answers = (flagged("deleted", ids[::5]), flagged("scrub_geo", placed))
    clean(plan(corpus, *answers), tmp_path / "clean")
    assert verify(tmp_path / "clean", *answers, source=corpus).rows > 0
    with pytest.raises(VerificationError) as caught:
        verify(tmp_path / "clean", *answers, flagged("deleted", ids[1:2]))
    assert any("1 row that had to go (column 'id'" in problem for problem in caught.value.problems)


def test_each_file_is_told_to_whoever_watches(cleaned: Cleaned) -> None:
    """Progress counts files up to their number."""
    told: list[Progress] = []
    cleaned.verify(progress=told.append)
    assert [(each.stage, each.done, each.total, each.unit) for each in told] == [
        ("verify", number, 3, "files") for number in (1, 2, 3)
    ]


# What is planted is found.

ROWS_PLANTED = {
    "a tweet": (row(GONE), "1 row that had to go (column 'id', the first is row 3)"),
    "an author": (row(KEPT + 20, AUTHOR_GONE), "1 row by an author who had to go (column 'author_id'"),
    "a retweet": (
        row(KEPT + 20, referenced_tweets=[{"type": "quoted", "id": "5"}, {"type": "retweeted", "id": str(GONE)}]),
        "1 row that repeats a tweet that had to go (column 'referenced_tweets.id', the first is row 3)",
    ),
    "an embedded tweet": (
        row(KEPT + 20, quoted_status=quoted(GONE)),
        "1 row that holds a tweet that had to go (column 'quoted_status.id'",
    ),
    "an embedded author": (
        row(KEPT + 20, quoted_status=quoted(5, AUTHOR_GONE)),
        "1 row that holds a tweet of an author who had to go (column 'quoted_status.author_id'",
    ),
    "a place": (row(PLACED, geo={"place_id": None}), "1 row whose place had to go has one in 'geo' (by column 'id'"),
}


@pytest.mark.parametrize("what", ROWS_PLANTED)
def test_a_row_that_had_to_go_is_found(what: str, cleaned: Cleaned) -> None:
    """Whatever a row has that had to go, it is found by its column and its row, also where the manifest vouches."""
    planted, problem = ROWS_PLANTED[what]
    cleaned.put([*cleaned.rows(), planted])
    found = cleaned.problems()
    assert any(problem in each for each in found), found
    assert all(each.startswith(FILE) for each in found)
    assert not any(str(GONE) in each for each in found)


def test_a_row_in_a_late_row_group_is_counted_from_the_file_s_beginning(cleaned: Cleaned) -> None:
    """The row number that a problem names is that of the file."""
    cleaned.put([*cleaned.rows(), row(KEPT + 20), row(GONE)], row_group_size=1)
    assert any("the first is row 4" in each for each in cleaned.problems())


@pytest.mark.parametrize("beside", [{}, {"lang": "no"}, {"author_id": str(AUTHOR_KEPT), "lang": "no"}], ids=len)
@pytest.mark.parametrize("dictionary", [True, False])
def test_a_row_far_behind_in_a_row_group_is_counted_too(
    beside: dict[str, str], dictionary: bool, cleaned: Cleaned
) -> None:
    """More rows than are looked at together are still counted in their order, by whatever their columns are read."""
    ids = [None, *(str(KEPT + 2000 + number) for number in range(70_000)), str(GONE)]
    columns = {name: pa.repeat(value, len(ids)) for name, value in beside.items()}
    cleaned.write(pa.table({"id": ids, **columns}), use_dictionary=dictionary, write_statistics=False)
    found = cleaned.problems()
    assert found == (f"{FILE}: 1 row that had to go (column 'id', the first is row 70,001)",)


def test_columns_whose_names_begin_alike_are_told_apart(cleaned: Cleaned) -> None:
    """A flat column named like a part of another one is neither taken for it nor lost."""
    ids = [str(KEPT + number) for number in range(3)]
    table = pa.table({"id": ids, "user.id": [*ids[:2], str(AUTHOR_GONE)], "user": ["a", "b", "c"], "lang": ["no"] * 3})
    cleaned.write(table, write_statistics=False)
    found = cleaned.problems()
    assert found == (f"{FILE}: 1 row by an author who had to go (column 'user.id', the first is row 2)",)


@pytest.mark.parametrize(
    "kind",
    [pa.int64(), pa.uint64(), pa.large_string(), pa.string_view(), pa.binary(), pa.dictionary(pa.int32(), pa.string())],
)
def test_an_id_of_any_type_is_found(kind: Any, cleaned: Cleaned) -> None:
    """IDs are found as numbers, text, bytes and categories."""
    ids: Any = pa.array([KEPT, GONE] if pa.types.is_integer(kind) else [str(KEPT), str(GONE)])
    ids = ids.dictionary_encode() if pa.types.is_dictionary(kind) else ids.cast(kind)
    cleaned.write(pa.table({"id": ids}))
    assert any("1 row that had to go" in each for each in cleaned.problems())


@pytest.mark.parametrize("text", [f" {GONE} ", f"\u00a0{GONE}", f"0{GONE}"])
def test_an_id_with_something_around_it_is_found(text: str, cleaned: Cleaned) -> None:
    """Spaces and zeros do not hide an ID."""
    cleaned.put([{**row(KEPT), "id": text}])
    assert any("1 row that had to go" in each for each in cleaned.problems())


@pytest.mark.parametrize("name", ["id_str", "tweet_id", "user_id", "author_id_str"])
def test_columns_that_the_manifest_does_not_name_are_looked_into(name: str, cleaned: Cleaned) -> None:
    """A second column of tweets or authors is found by its name."""
    value = GONE if name in ("id_str", "tweet_id") else AUTHOR_GONE
    cleaned.write(pa.table({"id": [str(KEPT)], name: [str(value)]}))
    assert any(f"(column {name!r}" in each for each in cleaned.problems())


def test_a_nested_author_is_looked_into(cleaned: Cleaned) -> None:
    """``user.id`` names an author too."""
    cleaned.write(pa.table({"id": [str(KEPT)], "user": [{"type": "User", "id": AUTHOR_GONE}]}))
    assert any("(column 'user.id'" in each for each in cleaned.problems())


def test_embedded_tweets_in_lists_are_looked_into(cleaned: Cleaned) -> None:
    """Tweets in a list belong to the row that the list is in."""
    cleaned.write(
        pa.table({"id": [str(KEPT)] * 2, "includes": [{"tweets": []}, {"tweets": [quoted(5), quoted(GONE)]}]})
    )
    assert any("(column 'includes.tweets.id', the first is row 1)" in each for each in cleaned.problems())


def test_ids_in_maps_are_looked_into(cleaned: Cleaned) -> None:
    """A map of tweets is a list of pairs."""
    kind = pa.map_(pa.string(), pa.struct([("id", pa.string()), ("text", pa.string())]))
    held = pa.array([[("a", {"id": str(GONE), "text": "x"})]], kind)
    cleaned.write(pa.table({"id": [str(KEPT)], "held": held}))
    assert any("holds a tweet that had to go" in each for each in cleaned.problems())


def test_a_place_of_an_embedded_tweet_is_found(cleaned: Cleaned) -> None:
    """A tweet inside of a row has to lose its place too."""
    cleaned.write(pa.table({"id": [str(KEPT)], "quoted_status": [{**quoted(PLACED), "place": "there"}]}))
    assert any("whose place had to go has one" in each for each in cleaned.problems())


def test_a_place_by_its_author_is_found(cleaned: Cleaned) -> None:
    """An author's results reach the places of all of their tweets."""
    cleaned.put([row(KEPT, AUTHOR_KEPT, geo={"place_id": "there"})])
    found = cleaned.problems(*ANSWERS, flagged("scrub_geo", [AUTHOR_KEPT], "users"))
    assert any("has one in 'geo' (by column 'author_id'" in each for each in found)


@pytest.mark.parametrize("name", ["place_full_name", "latitude", "coordinates", "Geo"])
def test_a_column_that_looks_like_a_place_is_one(name: str, cleaned: Cleaned) -> None:
    """A place in a column that cleaning did not know is found by its name."""
    cleaned.write(pa.table({"id": [str(PLACED), str(KEPT)], name: ["there", "here"]}))
    assert [each for each in cleaned.problems() if f"1 row whose place had to go has one in {name!r}" in each]


def test_places_are_left_where_it_was_told_that_there_are_none(make: Make) -> None:
    """``geo=[]`` is believed, and stands among what was not checked."""
    table = pa.table({"id": [str(PLACED)], "author_id": ["5"], "place": ["not one"]})
    proof = make({FILE: table}, geo=[]).verify()
    assert any("told that there are none: 'place'" in each for each in proof.not_checked)


def test_other_places_of_a_struct_that_was_told_in_part_are_found(make: Make) -> None:
    """Where only ``geo.city`` was told, what stands beside it is a place too."""
    table = pa.table({"id": [str(PLACED)], "author_id": ["5"], "geo": [{"city": "there", "point": "exactly"}]})
    assert any("in 'geo.point'" in each for each in make({FILE: table}, geo=["geo.city"]).problems())


def test_repeats_of_tweets_are_known_by_the_source(make: Make) -> None:
    """The tweets of an author who had to go are known where the source is given."""
    retweet = row(KEPT, referenced_tweets=[{"type": "retweeted", "id": str(KEPT + 1)}])
    cleaned = make({FILE: pa.Table.from_pylist([row(KEPT + 1, AUTHOR_GONE), retweet, row(KEPT + 2)], schema=SCHEMA)})
    cleaned.put([retweet, row(KEPT + 2)])
    cleaned.vouch(FILE, rows=2, rows_in=3, rows_dropped=1)
    assert cleaned.verify().verified
    found = cleaned.problems(source=cleaned.source)
    assert any("repeats a tweet that had to go" in each for each in found)


def test_a_single_file_is_proven_against_its_source(tmp_path: Path) -> None:
    """Where the source was one file, so is what it is held against."""
    source = tmp_path / "tweets.parquet"
    pq.write_table(pa.Table.from_pylist(ROWS, schema=SCHEMA), source)
    clean(plan(source, *ANSWERS), tmp_path / "clean")
    assert verify(tmp_path / "clean", *ANSWERS, source=source).rows == 3


def test_newer_answers_are_held_against_what_older_ones_left(cleaned: Cleaned) -> None:
    """The results given need not be those that were applied."""
    assert cleaned.problems(flagged("deleted", [KEPT]))


# What outlasts rows is found.


def test_a_dictionary_that_was_filtered_and_not_compacted_is_found(cleaned: Cleaned) -> None:
    """Text of an erased row in a dictionary page is found, whatever column it is in."""
    words = pa.array(["words of an erased row", "a", "b"]).dictionary_encode()
    cleaned.write(pa.table({"id": [str(KEPT), str(KEPT + 1)], "text": words.slice(1)}))
    assert cleaned.problems() == (
        f"{FILE}: a dictionary of 'text' lists 1 value that no row has: what was erased may stand there still",
    )


def test_an_erased_id_in_a_dictionary_is_found_as_such(cleaned: Cleaned) -> None:
    """A dictionary of IDs names who is gone."""
    authors = pa.array([str(AUTHOR_GONE), "5"]).dictionary_encode()
    cleaned.write(pa.table({"id": [str(KEPT)], "author_id": authors.slice(1)}))
    assert any("1 ID of what had to go in a dictionary of 'author_id'" in each for each in cleaned.problems())


@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "brotli", "zstd", "lz4"])
def test_dictionaries_are_read_through_every_compression(compression: str, cleaned: Cleaned) -> None:
    """No codec hides a dictionary, nested ones neither."""
    words = pa.array(["erased", "a", "b"]).dictionary_encode().slice(1)
    cleaned.write(
        pa.table({"id": [str(KEPT)] * 2, "user": pa.StructArray.from_arrays([words], ["name"])}),
        compression=compression,
    )
    assert any("a dictionary of 'user.name'" in each for each in cleaned.problems())


def test_a_partition_of_a_pandas_categorical_keeps_nobody(make: Make) -> None:
    """Files that list categories of other files are proven once they were cleaned."""
    author = pd.Categorical([str(AUTHOR_GONE), "5"])
    frame = pa.Table.from_pandas(pd.DataFrame({"id": [str(KEPT), str(KEPT + 1)], "author_id": author}))
    assert make({FILE: frame.slice(0, 1), OTHER: frame.slice(1, 1)}).verify().rows == 1


def test_dictionaries_are_not_compared_where_nothing_had_to_go(make: Make) -> None:
    """A copy of what nobody flagged keeps its dictionaries."""
    words = pa.array(["elsewhere", "a"]).dictionary_encode().slice(1)
    cleaned = make({FILE: pa.table({"id": [str(KEPT)], "text": words})}, flagged("deleted", []))
    assert cleaned.verify(flagged("deleted", [])).verified


@pytest.mark.parametrize("values", [[1.0, float("nan"), -0.0, 0.0] * 9, [1, -2, 3] * 9, [True, False] * 9])
def test_numbers_in_dictionaries_are_no_text_of_anybody(values: list[Any], cleaned: Cleaned) -> None:
    """Numbers of every kind are compared as they are stored, and nobody is accused of them."""
    types = {
        float: [pa.float32(), pa.float64()],
        int: [pa.int8(), pa.int64(), pa.decimal128(20, 2)],
        bool: [pa.bool_()],
    }
    columns = {str(kind): pa.array(values, kind) for kind in types[type(values[0])]}
    cleaned.write(pa.table({"id": [str(KEPT)] * len(values), **columns}))
    assert cleaned.verify().verified


def test_dates_and_times_in_dictionaries_are_no_text_of_anybody(cleaned: Cleaned) -> None:
    """Times that Arrow and Parquet hold in other units are compared by how many there are."""
    times = pa.array([0, 1, 1, None], pa.timestamp("s", "UTC"))
    days = pa.array([0, 1, 1, None], pa.date32())
    table = pa.table({"id": [str(KEPT)] * 4, "s": times, "ms": times.cast(pa.timestamp("ms", "UTC")), "day": days})
    cleaned.write(table)
    assert cleaned.verify().verified
    cleaned.write(table, use_deprecated_int96_timestamps=True)
    assert cleaned.verify().verified


def test_an_id_in_key_value_metadata_is_found(cleaned: Cleaned) -> None:
    """Metadata of a file and of a column are read."""
    table = pa.table({"id": [str(KEPT)]})
    cleaned.write(table.replace_schema_metadata({"exported": f"without {GONE}, at last"}))
    assert any("1 ID of what had to go in its key-value metadata" in each for each in cleaned.problems())
    field = pa.field("id", pa.string(), metadata={"first": str(AUTHOR_GONE)})
    cleaned.write(table.cast(pa.schema([field])))
    assert any("1 ID of what had to go in its key-value metadata" in each for each in cleaned.problems())


@pytest.mark.parametrize("name", [f"tweets_{GONE}.parquet", f"author_id={AUTHOR_GONE}/a.parquet"])
def test_an_id_in_a_name_is_found(name: str, cleaned: Cleaned) -> None:
    """Names of files and of partitions hold no erased ID."""
    (cleaned.path / name).parent.mkdir(exist_ok=True)
    (cleaned.path / FILE).rename(cleaned.path / name)
    cleaned.vouch(FILE, new_name=name, rows=3)
    assert cleaned.problems() == (f"{name}: 1 ID of what had to go in its name",)


def test_a_partition_of_short_ids_is_read_by_its_key(make: Make) -> None:
    """User 12 is an ID where the partition's key says so, and a number elsewhere."""
    table = pa.table({"id": [str(KEPT)], "author_id": ["5"]})
    cleaned = make({"user_id=12/a.parquet": table, "part=12/b.12.parquet": table})
    assert cleaned.problems(flagged("deleted", [12], "users")) == (
        "user_id=12/a.parquet: 1 ID of what had to go in its name",
    )


def test_categories_of_an_enum_in_a_schema_are_found(cleaned: Cleaned) -> None:
    """Polars lists all categories of an Enum in a column's metadata, erased ones among them."""
    field = pa.field("lang", pa.string(), metadata={"_PL_ENUM_VALUES2": "2;en6;erased"})
    cleaned.write(pa.table({"id": [str(KEPT)], "lang": ["en"]}).cast(pa.schema([("id", pa.string()), field])))
    assert cleaned.problems() == (f"{FILE}: its schema lists all categories of 'lang', erased ones perhaps among them",)


@pytest.mark.parametrize("column", ["id", "text"])
def test_a_bloom_filter_that_answers_for_others_is_found(column: str, cleaned: Cleaned) -> None:
    """A Bloom filter is made again from the rows; one that has more bits holds somebody who is gone."""
    options = {"bloom_filter_options": {column: {"ndv": 10, "fpp": 0.01}}}
    cleaned.put(CLEAN_ROWS, **options)
    (check,) = [check for check in cleaned.verify().checks if check.name == "Bloom filters"]
    assert check.counted == 1
    clean, (span, bits) = (cleaned.path / FILE).read_bytes(), bloom_of(cleaned.path / FILE)
    cleaned.put([*CLEAN_ROWS, row(GONE)], **options)
    _, (other, at) = (cleaned.path / FILE).read_bytes(), bloom_of(cleaned.path / FILE)
    planted = (cleaned.path / FILE).read_bytes()[at : other.end]
    (cleaned.path / FILE).write_bytes(clean[:bits] + planted + clean[span.end :])
    cleaned.vouch(FILE, rows=3)
    (problem,) = cleaned.problems()
    assert f"{FILE}: a Bloom filter of {column!r} has " in problem


# Files are those of the manifest, and no others.


def test_a_changed_byte_is_found(cleaned: Cleaned) -> None:
    """Whatever a file holds, its digest is that of the manifest."""
    path = cleaned.path / "README.md"
    path.write_bytes(b"About")
    assert cleaned.problems() == ("README.md: the cleaned file was changed, its SHA-256 is not the manifest's",)
    path.write_bytes(b"longer than before")
    assert cleaned.problems() == ("README.md: the cleaned file has 18 bytes, and 5 by the manifest",)


def test_a_missing_file_is_found(cleaned: Cleaned) -> None:
    """A file that is gone is missed."""
    (cleaned.path / FILE).unlink()
    assert cleaned.problems() == (f"{FILE}: the cleaned file is missing",)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("date=2024-05-01/part-1.parquet", "a file that the manifest does not know"),
        (".hidden", "a hidden or temporary file"),
        ("date=2024-05-01/part-0.parquet.tmp", "a hidden or temporary file"),
        ("upload.part", "a hidden or temporary file"),
    ],
)
def test_a_stray_file_is_found(name: str, what: str, cleaned: Cleaned) -> None:
    """Nothing lies in a dataset that was not written into it."""
    (cleaned.path / name).write_bytes(b"")
    (problem,) = cleaned.problems()
    assert problem.startswith(f"{name} is {what}")


@pytest.mark.parametrize("name", [".clean.compliance-frames", ".clean.manifest.json.part"])
def test_leftovers_beside_a_dataset_are_found(name: str, cleaned: Cleaned) -> None:
    """What a killed run left may hold what was erased."""
    cleaned.path.with_name(name).mkdir()
    (problem,) = cleaned.problems()
    assert problem.startswith(f"{name}, beside the dataset")


def test_links_are_found(cleaned: Cleaned) -> None:
    """A link to a file with the right bytes is a link, and a link to a directory is not followed."""
    outside = cleaned.path.with_name("outside.parquet")
    (cleaned.path / FILE).rename(outside)
    (cleaned.path / FILE).symlink_to(outside)
    (cleaned.path / "more").symlink_to(cleaned.source)
    assert [each.partition(":")[0] for each in cleaned.problems()] == [
        "more is a symbolic link",
        f"{FILE} is a symbolic link",
    ]


def test_what_is_no_file_is_found(cleaned: Cleaned) -> None:
    """A pipe is never opened, and is not waited for."""
    os.mkfifo(cleaned.path / "pipe")
    assert cleaned.problems() == ("pipe is neither a file nor a directory",)


def test_other_rows_than_the_manifest_says_are_found(cleaned: Cleaned) -> None:
    """A file has as many rows as the manifest says, even where its digest is right."""
    cleaned.put([*cleaned.rows(), row(KEPT + 30)])
    cleaned.vouch(FILE, rows=3)
    assert cleaned.problems() == (f"{FILE}: it holds 4 rows, and 3 by the manifest",)


def test_a_source_that_is_another_is_found(cleaned: Cleaned) -> None:
    """With the source given, it is held against the manifest too."""
    (cleaned.source / "README.md").write_bytes(b"ABOUT")
    (cleaned.source / OTHER).unlink()
    assert cleaned.verify().verified
    assert cleaned.problems(source=cleaned.source) == (
        "README.md: the source file was changed, its SHA-256 is not the manifest's",
        f"{OTHER}: the source file is missing",
    )


def test_a_source_of_other_rows_than_the_manifest_says_is_found(cleaned: Cleaned) -> None:
    """Rows that came in are counted in the source, not believed."""
    cleaned.vouch(FILE, rows=3, rows_in=5, rows_dropped=2)
    assert cleaned.problems(source=cleaned.source) == (f"{FILE}: the source file has 6 rows, and 5 by the manifest",)


def test_of_two_answers_the_strictest_counts(cleaned: Cleaned) -> None:
    """A tweet that had to go, and to lose its place, is told once, as one that had to go."""
    cleaned.put([row(GONE, geo={"place_id": "there"})])
    found = [each for each in cleaned.problems(*ANSWERS, flagged("scrub_geo", [GONE])) if "column 'id'" in each]
    assert found == [f"{FILE}: 1 row that had to go (column 'id', the first is row 0)"]


def test_a_copy_that_is_none_is_found(cleaned: Cleaned) -> None:
    """Where the manifest says that bytes were copied, they are the source's."""
    cleaned.vouch(FILE, rows=3, decision="copy")
    assert f"{FILE}: a copy by the manifest, and not of the source's bytes" in cleaned.problems()


def test_parquet_that_was_not_looked_into_is_found(cleaned: Cleaned) -> None:
    """A file that the manifest takes for something else is told when it is Parquet."""
    cleaned.vouch(FILE, rows=3, columns=None)
    assert any("it is Parquet, and was not looked into" in each for each in cleaned.problems())


@pytest.mark.parametrize("damage", ["cut", "noise", "page"])
def test_damaged_parquet_is_a_problem_and_no_accident(damage: str, cleaned: Cleaned) -> None:
    """A file that cannot be read is told by its name, and the others are looked into all the same."""
    cleaned.put([*cleaned.rows(OTHER), row(GONE)], OTHER)
    data = (cleaned.path / FILE).read_bytes()
    hurt = {"cut": data[:-9], "noise": b"PAR1" + b"\xff" * 99 + b"PAR1", "page": b"PAR1" + b"\xff" * 40 + data[44:]}
    (cleaned.path / FILE).write_bytes(hurt[damage])
    cleaned.vouch(FILE, rows=3)
    found = cleaned.problems()
    assert any(each.startswith(f"{FILE}: ") and "cannot be read" in each for each in found)
    assert any(each.startswith(f"{OTHER}: 1 row that had to go") for each in found)


def test_names_with_patterns_in_them_are_read_as_they_are(make: Make) -> None:
    """Brackets, stars and quotes in a name mean themselves."""
    names = ["a[1].parquet", "a1.parquet", "it's *.parquet", 'say "hi"; DROP TABLE erased.parquet']
    table = pa.Table.from_pylist(ROWS, schema=SCHEMA)
    assert make(dict.fromkeys(names, table)).verify().rows == 3 * len(names)


# What is needed for a proof.


def test_a_missing_manifest_is_named(cleaned: Cleaned) -> None:
    """Without a manifest nobody knows what was written: the error says where it was looked for."""
    manifest_path(cleaned.path).rename(cleaned.path.with_name("elsewhere.json"))
    with pytest.raises(VerificationError, match=r"there is no manifest .*clean\.manifest\.json"):
        cleaned.verify()
    assert cleaned.verify(manifest=cleaned.path.with_name("elsewhere.json")).verified


def test_a_missing_dataset_is_named(cleaned: Cleaned) -> None:
    """A manifest alone proves nothing."""
    cleaned.path.rename(cleaned.path.with_name("moved"))
    with pytest.raises(VerificationError, match="there is no dataset at"):
        cleaned.verify()


def test_nothing_is_verified_against_nothing(cleaned: Cleaned) -> None:
    """Results or a ledger are needed."""
    with pytest.raises(VerificationError, match="nothing to verify against"):
        verify(cleaned.path)


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (pa.table({"id": [1]}), "results are tables"),
        (flagged("deleted", [1]).set_column(0, "type", pa.array(["places"])), "not of"),
        (flagged("deleted", [1]).set_column(0, "type", pa.nulls(1, pa.string())), "not of null"),
        (flagged("withheld", [1]), "does not settle: 'withheld'"),
        (flagged("deleted", [1]).set_column(3, "reason", pa.nulls(1, pa.string())), "does not settle: None"),
    ],
)
def test_what_are_no_results_is_refused(result: pa.Table, said: str, cleaned: Cleaned) -> None:
    """A table of something else, or a reason without a treatment, proves nothing."""
    with pytest.raises(VerificationError, match=said):
        cleaned.verify(result)


def test_problems_are_bounded_and_counted(make: Make) -> None:
    """Of a dataset that is not clean at all the first hundred problems are told, and the number of all."""
    table = pa.table({"id": [str(KEPT)], "author_id": ["5"]})
    cleaned = make({f"{number:03}.parquet": table for number in range(60)})
    found = cleaned.problems(flagged("deleted", [KEPT]))
    assert (len(found), found[-1]) == (MOST_PROBLEMS + 1, "and 20 more")


class KnownLedger:
    """What a proof and a plan want of a ledger: results, the IDs that were asked, and the jobs."""

    spill_folder = None

    def __init__(self, tweets: list[int], results: tuple[pa.Table, ...] = ANSWERS) -> None:
        self.tweets, self.answered = tweets, pa.concat_tables(results)

    def results(self) -> pa.Table:
        return self.answered

    def asked(self, type: str) -> pa.Array:
        return pa.array(self.tweets if type == "tweets" else [AUTHOR_GONE], pa.int64())

    def result_batches(self) -> Iterator[pa.Table]:
        yield self.answered

    def came_back(self) -> pa.Table:
        return CAME_BACK.empty_table()

    def asked_parts(self, type: str) -> Iterator[Any]:
        yield self.asked(type).to_numpy()

    def jobs(self) -> pa.Table:
        return pa.table({"job_id": pa.array([7, 8, None], pa.int64())})


def test_a_ledger_tells_what_was_asked(cleaned: Cleaned) -> None:
    """With a ledger the statement counts the IDs asked about, and rows nobody asked about are counted."""
    asked = [GONE, PLACED, *range(KEPT, KEPT + 12)]
    proof = verify(cleaned.path, ledger=KnownLedger(asked))
    assert proof.asked == {"tweets": 14, "users": 1}
    assert (proof.job_ids, "for the 14 tweet IDs and 1 user ID asked about" in proof.statement) == ((7, 8), True)
    assert [check.counted for check in proof.checks if check.name == "unchecked"] == [1]


def test_results_that_are_given_do_not_hide_those_of_a_ledger(cleaned: Cleaned) -> None:
    """A proof that names all that a ledger asked looks for all that it flagged."""
    flagged = pa.Table.from_pylist([{**ANSWERS[0].to_pylist()[0], "id": KEPT}], schema=ANSWERS[0].schema)
    ledger = KnownLedger([GONE, KEPT], (*ANSWERS, flagged))
    with pytest.raises(VerificationError, match="1 row that had to go"):
        verify(cleaned.path, *ANSWERS, ledger=ledger)


def test_rows_nobody_asked_about_are_found_where_none_was_to_stay(tmp_path: Path) -> None:
    """Where the plan dropped what was never asked about, a row of it is a problem."""
    source = tmp_path / "corpus"
    source.mkdir()
    pq.write_table(pa.Table.from_pylist([row(KEPT), row(KEPT + 1)], schema=SCHEMA), source / "a.parquet")
    clean(plan(source, ledger=KnownLedger([KEPT]), unchecked="drop"), tmp_path / "clean")
    assert verify(tmp_path / "clean", ledger=KnownLedger([KEPT])).rows == 1
    with pytest.raises(VerificationError, match="1 row of tweets that were never asked about"):
        verify(tmp_path / "clean", ledger=KnownLedger([PLACED]))


# With the source, the rows that stayed are its own.


@pytest.mark.parametrize("change", ["order", "text", "another"])
def test_rows_that_are_not_those_of_the_source_are_found(change: str, cleaned: Cleaned) -> None:
    """Rows in another order, with another word, or instead of others: the count is right, and the rows are not."""
    first, second, third = cleaned.rows()
    changed = {
        "order": [second, first, third],
        "text": [first, {**second, "text": "other words"}, third],
        "another": [first, second, row(KEPT + 30)],
    }
    cleaned.put(changed[change])
    cleaned.vouch(FILE, rows=3, rows_in=6, rows_dropped=3)
    assert cleaned.verify().verified
    assert cleaned.problems(source=cleaned.source) == (
        f"{FILE}: its rows are not those of the source, in their order, without some",
    )


def test_the_text_of_a_row_that_went_is_found_in_another_column(make: Make) -> None:
    """Words of an erased row are known by the source, and searched for in every page of text."""
    words = "the very words that somebody wished to have forgotten"
    cleaned = make({FILE: pa.Table.from_pylist([row(GONE, text=words), row(KEPT), row(KEPT + 1)], schema=SCHEMA)})
    checks = {check.name: check.counted for check in cleaned.verify(source=cleaned.source).checks}
    assert (checks["kept rows"], checks["erased texts"]) == (2, 1)
    cleaned.put([row(KEPT, geo={"place_id": words}), row(KEPT + 1)])
    cleaned.vouch(FILE, rows=2, rows_in=3, rows_dropped=1)
    assert cleaned.problems(source=cleaned.source) == (f"{FILE}: 1 text of rows that went, in pages of text",)


# A sample says that it is one.


def test_a_sample_says_what_it_looked_into(cleaned: Cleaned) -> None:
    """The proof names fraction, seed and row groups, its statement calls itself a sample, and it can be had again."""
    cleaned.put([row(KEPT + each) for each in range(20, 60)], row_group_size=1)
    proof = cleaned.verify(sample=0.25, seed=3)
    assert proof.sample is not None
    assert (proof.sample.fraction, proof.sample.seed, proof.sample.of) == (0.25, 3, 41)
    assert 0 < proof.sample.groups < 41
    assert proof.rows == 43
    assert f"none of a sample of {proof.sample.groups} of 41 row groups" in proof.statement
    assert "by seed 3" in proof.statement
    assert any("this is a sample" in each for each in proof.not_checked)
    assert cleaned.verify(sample=0.25, seed=3).sample == proof.sample
    assert proof.to_dict()["sample"]["groups"] == proof.sample.groups
    assert cleaned.verify().to_dict()["sample"] is None


def test_a_sample_of_all_finds_all_and_one_of_less_still_reads_every_footer(cleaned: Cleaned) -> None:
    """What a sample leaves out are rows and pages: digests, names and footers are looked at in every file."""
    cleaned.put([*(row(KEPT + each) for each in range(20, 60)), row(GONE)], row_group_size=1, write_statistics=False)
    assert any("1 row that had to go" in each for each in cleaned.problems(sample=1.0))
    assert 0 < cleaned.verify(sample=0.05).sample.groups < 10
    cleaned.put([*(row(KEPT + each) for each in range(20, 60)), row(GONE)], row_group_size=1)
    assert any("in the statistics of 'id'" in each for each in cleaned.problems(sample=1e-9))
    (cleaned.path / FILE).write_bytes((cleaned.path / FILE).read_bytes().replace(b"PAR1", b"PAR2", 1))
    assert any("SHA-256" in each for each in cleaned.problems(sample=1e-9))


@pytest.mark.parametrize("sample", [0, -0.1, 1.5])
def test_a_sample_of_nothing_or_of_more_than_all_is_refused(sample: float, cleaned: Cleaned) -> None:
    """A part is more than nothing, and not more than the whole."""
    with pytest.raises(VerificationError, match=r"0\.1 for a tenth"):
        cleaned.verify(sample=sample)
