"""What ``check`` asks about follows from what the source holds and what the user said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compliance_frames.cli.asking import Question, question_of
from compliance_frames.emulator import Emulator
from compliance_frames.errors import PlanError


def dataset(folder: Path, *columns: str) -> Path:
    """A dataset of one row, whose columns hold digits."""
    target = folder / "corpus" / "date=2024-05-01"
    target.mkdir(parents=True)
    pq.write_table(pa.table({column: ["1"] for column in columns}), target / "part-0.parquet")
    return folder / "corpus"


def test_tweets_and_authors_are_asked_where_both_are_found(tmp_path: Path) -> None:
    """Full cover is the default: accounts say what tweets do not."""
    corpus = dataset(tmp_path, "id", "author_id", "text")
    assert question_of(corpus, None, None, None) == Question("both", "id", "author_id")
    assert question_of(corpus, "tweets", None, None) == Question("tweets", "id")
    assert question_of(corpus, "users", None, None) == Question("users", "author_id")


def test_a_dataset_without_authors_is_asked_for_its_tweets(tmp_path: Path) -> None:
    """Unless both were told: then the missing column is named, with the way out."""
    corpus = dataset(tmp_path, "id", "text")
    assert question_of(corpus, None, None, None) == Question("tweets", "id")
    with pytest.raises(PlanError, match="--author-column"):
        question_of(corpus, "both", None, None)


def test_told_columns_are_taken(tmp_path: Path) -> None:
    """Names that nobody would guess work when told."""
    corpus = dataset(tmp_path, "foo", "bar")
    assert question_of(corpus, None, "foo", "bar") == Question("both", "foo", "bar")
    assert question_of(corpus, "users", None, "bar") == Question("users", "bar")
    assert question_of(corpus, "users", "bar", None) == Question("users", "bar")
    with pytest.raises(PlanError, match="did you mean 'foo'"):
        question_of(corpus, None, "fooo", None)


def test_a_table_of_users_is_asked_by_its_only_id(tmp_path: Path) -> None:
    """A source without tweets is no error when users are asked: reading it finds the column."""
    assert question_of(dataset(tmp_path, "username", "joined"), "users", None, None) == Question("users", None)


def test_a_single_column_needs_no_name(tmp_path: Path) -> None:
    """A list of IDs is a list of IDs, whatever it is called."""
    assert question_of(dataset(tmp_path, "whatever"), None, None, None) == Question("tweets", None)


@pytest.mark.parametrize("name", ["ids.txt", "ids.csv", "ids.jsonl.gz", "missing.csv"])
def test_sources_that_tell_their_columns_late_are_tweets_unless_told(name: str) -> None:
    """Text, CSV and JSONL are not opened to guess; told columns and types are passed on."""
    source = Path(name)
    assert question_of(source, None, None, None) == Question("tweets", None)
    assert question_of(source, "users", None, None) == Question("users", None)
    assert question_of(source, None, "id", "author_id") == Question("both", "id", "author_id")


def test_an_unreadable_first_file_is_named(tmp_path: Path) -> None:
    """A damaged dataset is said to be one, before anything is asked."""
    corpus = dataset(tmp_path, "id")
    file = next(corpus.rglob("*.parquet"))
    file.write_bytes(b"PAR1 and then nothing")
    with pytest.raises(PlanError, match=r"date=2024-05-01/part-0\.parquet cannot be read"):
        question_of(corpus, None, None, None)


def test_a_file_with_signs_of_a_pattern_in_its_name_is_one_file(tmp_path: Path) -> None:
    """``a[1].parquet`` is not looked up as ``a1.parquet``."""
    pq.write_table(pa.table({"id": ["1"], "author_id": ["2"]}), tmp_path / "a[1].parquet")
    assert question_of(tmp_path / "a[1].parquet", None, None, None) == Question("both", "id", "author_id")


def test_the_columns_of_a_question_are_told_by_type() -> None:
    """JSON names the column of each type."""
    assert Question("both", "id", "author_id").columns == {"tweets": "id", "users": "author_id"}
    assert Question("users", "user_id").columns == {"users": "user_id"}


def test_columns_shows_what_is_found_and_why(run: Any, tmp_path: Path) -> None:
    """Role, column, how sure and why, for people and for programs; what is told replaces what is found."""
    corpus = dataset(tmp_path, "tweet_id", "author_id", "lat", "original_no")
    shown = run("columns", corpus)
    assert shown.code == 0
    assert [word in shown.out for word in ("tweet_id", "author_id", "lat", "certain")] == [True] * 4
    (layout,) = run("columns", corpus, "--json").json["layouts"]
    assert (layout["columns"]["id"], layout["columns"]["references"]) == ("tweet_id", [])
    (told,) = run("columns", corpus, "--json", "--reference", "original_no", "--no-geo").json["layouts"]
    assert (told["columns"]["references"], told["columns"]["geo"]) == (["original_no"], [])
    assert run("columns", corpus, "--embedded", "nowhere").code == 5


def test_what_rows_name_is_asked_and_counted(run: Any, online: Emulator, tmp_path: Path) -> None:
    """Each kind is counted; --reference tells a column of originals to check and plan, --no-references leaves them."""
    corpus = dataset(tmp_path, "id", "author_id", "original_no", "in_reply_to_user_id")
    pq.write_table(
        pa.table({"id": [1, 2], "author_id": [3, 4], "original_no": ["50", None], "in_reply_to_user_id": [4, 5]}),
        next(corpus.rglob("*.parquet")),
    )
    options = ["--ledger", "l", "--json", "--poll", "0.02s"]
    bare = run("check", corpus, *options, "--no-references").json
    assert (bare["asked"], bare["referenced"]) == ({"tweets": 2, "users": 2}, {"tweets": {}, "users": {}})
    ran = run("check", corpus, *options, "--reference", "original_no")
    assert ran.json["asked"] == {"tweets": 3, "users": 3}
    assert ran.json["referenced"] == {"tweets": {"retweeted": 1}, "users": {"replied_to": 2}}
    assert ran.json["referenced_only"] == {"tweets": {"retweeted": 1}, "users": {"replied_to": 1}}
    assert (ran.json["new"], ran.json["answered"]) == ({"tweets": 1, "users": 1}, {"tweets": 2, "users": 2})
    assert "1 retweeted; 1 in no row" in ran.err
    assert run("plan", corpus, "--ledger", "l", "--reference", "original_no").code == 0
    assert run("check", "ids.txt", "--reference", "original_no", *options).code == 2
