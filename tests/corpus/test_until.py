"""Places that go up to a tweet: of each user's tweets those up to that ID lose theirs, and no others."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import compliance_frames as cf
from compliance_frames.corpus.until import Until
from compliance_frames.errors import PlanError, VerificationError
from compliance_frames.schemas import BOUNDED

FIRST = 1_500_000_000_000_000_000


def bounded(*users: tuple[int, int | None], reason: str = "scrub_geo") -> pa.Table:
    """Results that users took their places back, each up to a tweet or altogether."""
    rows = [
        {
            "type": "users",
            "id": user,
            "action": "scrub_geo",
            "reason": reason,
            "checked_at": datetime(2024, 5, 1, tzinfo=UTC),
            "up_to": None if last is None else FIRST + last,
        }
        for user, last in users
    ]
    return pa.Table.from_pylist(rows, schema=BOUNDED)


def author_of(tweet: int) -> int:
    return 11 + tweet % 3


def tweet(number: int, **more: Any) -> dict[str, Any]:
    return {"id": str(FIRST + number), "user": {"id": author_of(number)}, "place": f"town {number}", **more}


def corpus_of(numbers: list[int]) -> list[dict[str, Any]]:
    """Tweets, every other of which quotes one that may have no row of its own."""
    return [tweet(n, quoted_status=tweet(n + 50) if n % 2 else None) for n in numbers]


QUOTED = pa.struct([("id", pa.string()), ("user", pa.struct([("id", pa.int64())])), ("place", pa.string())])
SCHEMA = pa.schema([*QUOTED, pa.field("quoted_status", QUOTED)])


def plainly(rows: list[dict[str, Any]], users: list[tuple[int, int | None]]) -> list[dict[str, Any]]:
    """What has to come of rows, one by one."""

    def scrubbed(each: dict[str, Any] | None) -> dict[str, Any] | None:
        if each is None:
            return None
        number, whose = int(each["id"]) - FIRST, each["user"]["id"]
        goes = any(whose == user and (last is None or number <= last) for user, last in users)
        inner = {"quoted_status": scrubbed(each["quoted_status"])} if "quoted_status" in each else {}
        return {**each, "place": None if goes else each["place"], **inner}

    return [scrubbed(row) or {} for row in rows]


USERS = st.lists(st.tuples(st.integers(11, 13), st.none() | st.integers(0, 110)), max_size=4)
NUMBERS = st.lists(st.integers(0, 40), unique=True, min_size=1, max_size=12)


@given(NUMBERS, USERS)
@settings(max_examples=12)
def test_a_dataset_loses_the_places_that_a_plain_loop_finds(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[int], users: list[tuple[int, int | None]]
) -> None:
    """Rows and quoted tweets, in files of their own; the copy is proven by the same results."""
    folder = tmp_path_factory.mktemp("until")
    rows, results = corpus_of(sorted(numbers)), bounded(*users)
    (folder / "corpus").mkdir()
    for at, part in enumerate((rows[::2], rows[1::2])):
        pq.write_table(pa.Table.from_pylist(part, schema=SCHEMA), folder / "corpus" / f"{at}.parquet")
    cf.clean(cf.plan(folder / "corpus", results), folder / "clean")
    cf.verify(folder / "clean", results, source=folder / "corpus")
    found = [row for at in (0, 1) for row in pq.read_table(folder / "clean" / f"{at}.parquet").to_pylist()]
    assert found == plainly([*rows[::2], *rows[1::2]], users)
    assert cf.apply(pa.Table.from_pylist(rows, schema=SCHEMA), results).to_pylist() == plainly(rows, users)


@given(NUMBERS, USERS)
@settings(max_examples=25)
def test_a_frame_is_matched_up_to_the_tweet(numbers: list[int], users: list[tuple[int, int | None]]) -> None:
    """``match`` shows a result beside the rows that it is about, and beside no others."""
    rows = corpus_of(numbers)
    frame = pa.table({"id": [row["id"] for row in rows], "author_id": [row["user"]["id"] for row in rows]})
    made = cf.match(frame, bounded(*users)).column("compliance_reason").to_pylist()
    assert made == [None if row["place"] else "scrub_geo" for row in plainly(rows, users)]


def test_an_unbounded_result_of_the_same_user_is_the_stricter(tmp_path: Path) -> None:
    """Whoever took all places back has none, whatever else he took back before."""
    frame = pa.Table.from_pylist(corpus_of([3, 6, 9]), schema=SCHEMA)
    for results in ([bounded((11, 3), (11, None))], [bounded((11, None)), bounded((11, 3))]):
        assert cf.apply(frame, *results).column("place").null_count == 3
        assert cf.match(frame, *results).column("compliance_reason").null_count == 0


@given(
    st.lists(
        st.tuples(st.sampled_from(["suspended", "withheld", "scrub_geo"]), st.none() | st.integers(0, 9)), max_size=5
    )
)
def test_a_frame_is_matched_by_the_strictest_that_reaches_a_tweet(said: list[tuple[str, int | None]]) -> None:
    """One that is stricter, and for earlier tweets only, hides no other."""
    frame = pa.table({"id": [FIRST + n for n in range(10)], "author_id": [7] * 10})
    tables = [bounded((7, last), reason=reason) for reason, last in said]
    expected = [
        min(
            (reason for reason, last in said if last is None or n <= last),
            key=["suspended", "withheld", "scrub_geo"].index,
            default=None,
        )
        for n in range(10)
    ]
    assert cf.match(frame, *tables).column("compliance_reason").to_pylist() == expected


def test_a_policy_that_drops_drops_up_to_the_tweet(tmp_path: Path) -> None:
    """The bound holds for whatever becomes of the rows."""
    (tmp_path / "corpus").mkdir()
    pq.write_table(pa.Table.from_pylist(corpus_of([2, 3, 6, 9]), schema=SCHEMA), tmp_path / "corpus" / "a.parquet")
    results, policy = bounded((11, 6)), cf.Policy.default().treat(scrub_geo="drop")
    report = cf.clean(cf.plan(tmp_path / "corpus", results, policy=policy), tmp_path / "clean")
    assert report.rows_dropped == 2
    kept = [str(FIRST + n) for n in (2, 9)]
    assert pq.read_table(tmp_path / "clean").column("id").to_pylist() == kept
    cf.verify(tmp_path / "clean", results)
    with pytest.raises(VerificationError):
        cf.verify(tmp_path / "clean", bounded((11, 9)))
    keeping = cf.Policy.default().treat(scrub_geo="keep")
    assert cf.plan(tmp_path / "corpus", results, policy=keeping).rows_scrubbed == 0


def test_the_proof_finds_a_place_that_stayed(tmp_path: Path) -> None:
    """A newer event reaches further than what was cleaned: the copy is no longer what was promised."""
    (tmp_path / "corpus").mkdir()
    pq.write_table(pa.Table.from_pylist(corpus_of([3, 6, 9]), schema=SCHEMA), tmp_path / "corpus" / "a.parquet")
    cf.clean(cf.plan(tmp_path / "corpus", bounded((11, 5))), tmp_path / "clean")
    proof = cf.verify(tmp_path / "clean", bounded((11, 5)))
    assert any("up to some tweet" in each for each in proof.not_checked)
    with pytest.raises(VerificationError, match="place"):
        cf.verify(tmp_path / "clean", bounded((11, 6)))


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"PAR1" + bytes(60) + b"PAR1"])
def test_a_damaged_copy_is_a_problem_of_its_own(damage: bytes, tmp_path: Path) -> None:
    """What cannot be asked whose its tweets are is told by what is wrong with it."""
    (tmp_path / "corpus").mkdir()
    for name in ("a.parquet", "b.parquet"):
        pq.write_table(pa.Table.from_pylist(corpus_of([3, 6]), schema=SCHEMA), tmp_path / "corpus" / name)
    cf.clean(cf.plan(tmp_path / "corpus", bounded((11, 5))), tmp_path / "clean")
    (tmp_path / "clean" / "a.parquet").write_bytes(damage)
    with pytest.raises(VerificationError) as caught:
        cf.verify(tmp_path / "clean", bounded((11, 5)))
    assert all(each.startswith("a.parquet") for each in caught.value.problems)


@pytest.mark.parametrize("spell", [json.dumps, repr])
def test_quoted_tweets_in_text_and_in_flat_tables_are_reached(spell: Callable[[Any], str], tmp_path: Path) -> None:
    """A quote in a cell of text is nulled up to the tweet; so are places of quotes in flat tables."""
    quotes = [{"id": FIRST + n, "text": "x", "user": {"id": 12}, "place": {"name": "Oslo"}} for n in (5, 7)]
    table = pa.table({"id": [FIRST, FIRST + 1], "user_id": [9, 9], "quoted_status": [spell(each) for each in quotes]})
    made = cf.apply(table, bounded((12, 6)), geo=[])
    assert made.column("quoted_status").to_pylist() == [None, spell(quotes[1])]
    flat = pa.table(
        {
            "id": [FIRST, FIRST + 1],
            "user_id": [9, 9],
            "quoted_id": [FIRST + 5, FIRST + 7],
            "quoted_user_id": [12, 12],
            "quoted_text": ["a", "b"],
            "quoted_place": ["Oslo", "Bergen"],
        }
    )
    made = cf.apply(flat, bounded((12, 6)), geo=[])
    assert made.column("quoted_place").to_pylist() == [None, "Bergen"]
    assert made.column("quoted_text").to_pylist() == ["a", "b"]


def test_a_quote_known_by_its_id_alone_is_reached_through_the_row_of_the_quoted(tmp_path: Path) -> None:
    """Who wrote the quoted tweet shows in its own row, in another file: small files are not waved through."""
    (tmp_path / "corpus").mkdir()
    own = pa.table({"id": [FIRST + 5], "user_id": [12], "quoted_id": pa.array([None], pa.int64())})
    own = own.append_column("quoted_text", pa.array([None], pa.string()))
    own = own.append_column("quoted_place", pa.array([None], pa.string()))
    other = pa.table(
        {"id": [FIRST], "user_id": [9], "quoted_id": [FIRST + 5], "quoted_text": ["a"], "quoted_place": ["Oslo"]}
    )
    pq.write_table(other, tmp_path / "corpus" / "a.parquet")
    pq.write_table(own, tmp_path / "corpus" / "b.parquet")
    cf.clean(cf.plan(tmp_path / "corpus", bounded((12, 5)), geo=[]), tmp_path / "clean")
    assert pq.read_table(tmp_path / "clean" / "a.parquet").column("quoted_place").to_pylist() == [None]


def test_what_cannot_be_reached_is_said(tmp_path: Path) -> None:
    """No column of authors, no column of places, a bound beside a tweet."""
    (tmp_path / "corpus").mkdir()
    pq.write_table(pa.table({"id": [FIRST], "place": ["Oslo"]}), tmp_path / "corpus" / "a.parquet")
    for verb in (
        lambda: cf.plan(tmp_path / "corpus", bounded((11, 5))),
        lambda: cf.apply(pl.DataFrame({"id": [FIRST]}), bounded((11, 5))),
    ):
        with pytest.raises(PlanError, match="author_column="):
            verb()
    bare = pa.table({"id": [FIRST], "user_id": [11], "text": ["a"]})
    with pytest.raises(PlanError, match=r"geo=\["):
        cf.apply(bare, bounded((11, 5)))
    assert cf.apply(bare, bounded((12, 5))).num_rows == 1
    at = BOUNDED.get_field_index("type")
    wrong = bounded((11, 5))
    wrong = wrong.set_column(at, BOUNDED.field(at), pa.array(["tweets"]).cast(BOUNDED.field(at).type))
    with pytest.raises(PlanError, match="up_to is for users"):
        cf.plan(tmp_path / "corpus", wrong)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), max_size=8), st.integers(0, 5), st.integers(0, 4))
def test_a_bound_is_the_last_of_all(pairs: list[tuple[int, int]], number: int, whose: int) -> None:
    """Several bounds of one user come to the largest."""
    parts = [(np.array([a], np.int64), np.array([b], np.int64)) for a, b in pairs]
    (covered,) = Until.of(parts).covers(pa.array([number]), pa.array([whose]))
    assert covered == any(a == whose and number <= b for a, b in pairs)


def as_raw(kind: str, rows: list[dict[str, Any]]) -> str:
    """Rows as lines, as an indented list, or as a table without what they quote."""
    if kind == "csv":
        lines = [f"{row['id']},{row['user']['id']},{row['place'] or ''}" for row in rows]
        return "\n".join(["id,user_id,place", *lines, ""])
    return "".join(json.dumps(row) + "\n" for row in rows) if kind == "jsonl" else json.dumps(rows, indent=1)


@given(NUMBERS, USERS, st.sampled_from(["jsonl", "json", "csv"]))
@settings(max_examples=10)
def test_raw_files_lose_the_places_that_a_plain_loop_finds(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[int], users: list[tuple[int, int | None]], kind: str
) -> None:
    """Records and quoted tweets, in files of their own; the copy is proven by the same results."""
    folder = tmp_path_factory.mktemp("until")
    rows, results = corpus_of(sorted(numbers)), bounded(*users)
    (folder / "raw").mkdir()
    for at, part in enumerate((rows[::2], rows[1::2] or rows[:1])):
        (folder / "raw" / f"{at}.{kind}").write_text(as_raw(kind, part))
    cf.clean(cf.plan(folder / "raw", results), folder / "clean")
    assert cf.verify(folder / "clean", results, source=folder / "raw").verified
    for at, part in enumerate((rows[::2], rows[1::2] or rows[:1])):
        left = plainly(part, users)
        if kind == "csv":
            assert (folder / "clean" / f"{at}.csv").read_text() == as_raw("csv", left)
        else:
            text = (folder / "clean" / f"{at}.{kind}").read_text()
            assert (json.loads(text) if kind == "json" else list(map(json.loads, text.splitlines()))) == left


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv"])
def test_the_proof_finds_a_place_that_stayed_in_a_raw_file(tmp_path: Path, kind: str) -> None:
    """A newer event reaches further than what was cleaned; a policy that drops, drops up to the tweet."""
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / f"a.{kind}").write_text(as_raw(kind, corpus_of([2, 3, 6, 9])))
    cf.clean(cf.plan(tmp_path / "raw", bounded((11, 5))), tmp_path / "clean")
    assert cf.verify(tmp_path / "clean", bounded((11, 5))).verified
    with pytest.raises(VerificationError, match="place"):
        cf.verify(tmp_path / "clean", bounded((11, 6)))
    dropping = cf.Policy.default().treat(scrub_geo="drop")
    report = cf.clean(cf.plan(tmp_path / "raw", bounded((11, 6)), policy=dropping), tmp_path / "dropped")
    assert report.rows_dropped == 2
    assert cf.verify(tmp_path / "dropped", bounded((11, 6)), source=tmp_path / "raw").verified
    with pytest.raises(VerificationError):
        cf.verify(tmp_path / "dropped", bounded((11, 9)))
