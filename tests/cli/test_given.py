"""Results that people have already, on the command line: no service is asked, and nothing is claimed of who was."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import Run


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Three tweets of three people, one of them with a place."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    tweets = pa.table(
        {
            "id": ["1500000000000000001", "1500000000000000002", "1500000000000000003"],
            "author_id": ["11", "12", "13"],
            "text": ["a", "b", "c"],
            "place": ["here", "there", None],
        }
    )
    pq.write_table(tweets, folder / "part-0.parquet")
    return folder


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    """What the service said of them, in files as twarc leaves them."""
    folder = tmp_path / "results"
    folder.mkdir()
    when = "2022-03-05T08:12:39"
    tweet = {"id": "1500000000000000001", "action": "delete", "created_at": f"{when}.022Z", "reason": "scrub_geo"}
    user = {"id": "12", "action": "delete", "created_at": f"{when}+00:00", "reason": "suspended"}
    (folder / "tweets.jsonl").write_text(json.dumps(tweet))
    (folder / "users.jsonl").write_text(json.dumps(user))
    return folder


def test_a_run_by_files_asks_nobody_and_is_proven(run: Run, corpus: Path, lines: Path, tmp_path: Path) -> None:
    """Without a token and a service, what files say is applied, verified, certified and reported."""
    done = run("run", corpus, "clean", "--results", lines / "*.jsonl", "--json")
    assert done.code == 0, done.err
    told = done.json
    assert (told["rows_kept"], told["rows_dropped"], told["flagged"], told["asked"]) == (2, 1, 2, {})
    assert told["ledger"] is None
    assert not (tmp_path / "clean.ledger").exists()
    assert pq.read_table(tmp_path / "clean").column("place").to_pylist() == [None, None]
    certificate = json.loads((tmp_path / "clean.certificate.json").read_text())
    assert "the results given" in json.dumps(certificate)
    assert (tmp_path / "clean.report.html").exists()


def test_an_id_that_was_flagged_for_several_reasons_is_counted_once(run: Run, corpus: Path, lines: Path) -> None:
    """What is called IDs is not the number of reasons; each reason has its own count."""
    user = (lines / "users.jsonl").read_text()
    (lines / "users.jsonl").write_text(user + "\n" + user.replace("suspended", "protected"))
    done = run("run", corpus, "clean", "--results", lines / "*.jsonl", "--json")
    assert done.code == 0, done.err
    assert done.json["flagged"] == 2
    assert done.json["proof"]["flagged"] == 2
    assert done.json["reasons"]["users"] == {"suspended": 1, "protected": 1}
    assert "2 IDs flagged" in done.err


def test_steps_take_the_same_files(run: Run, corpus: Path, lines: Path, tmp_path: Path) -> None:
    """Plan, clean and verify each go by files; the next command that is told is the one to run."""
    words = ["--results", str(lines / "tweets.jsonl"), "--results", str(lines / "users.jsonl")]
    assert run("plan", corpus, *words, "--json").json["rows_dropped"] == 1
    cleaned = run("clean", corpus, "clean", *words)
    assert cleaned.code == 0
    assert " ".join(["compliance-frames verify clean", *words]) in " ".join(cleaned.err.split())
    assert run("verify", "clean", *words).code == 0
    assert run("report", "clean", *words).code == 0
    (lines / "more.jsonl").write_text('{"id":"13","action":"delete","reason":"deleted"}')
    assert run("verify", "clean", "--results", lines / "more.jsonl", "--results-type", "users").code == 3
    assert run("clean", corpus, "other", "--results", lines).code == 1


def test_a_stream_that_was_recorded_is_applied(run: Run, corpus: Path, tmp_path: Path) -> None:
    """Events count as results do; what they say of places up to a tweet is kept to, and proven."""
    when = '"event_at":"2024-05-01T00:00:00Z"'
    scrub = '{"data":{"scrub_geo":{"user":{"id":"%d"},"up_to_tweet_id":"1500000000000000001",' + when + "}}}"
    lines = [scrub % 11, scrub % 12, '{"data":{"user_suspend":{"user":{"id":"13"},' + when + "}}}"]
    modified = '{"data":{"user_profile_modification":{"user":{"id":"13"},' + when + "}}}"
    (tmp_path / "stream.jsonl").write_text("\n".join([*lines, modified]))
    refused = run("run", corpus, "clean", "--events", "stream.jsonl")
    assert refused.code == 1
    assert "--ignore user_profile_modification" in refused.error
    words = ["--events", "stream.jsonl", "--ignore", "user_profile_modification"]
    done = run("run", corpus, "clean", *words, "--json")
    assert done.code == 0, done.err
    kept = pq.read_table(tmp_path / "clean")
    assert kept.column("place").to_pylist() == [None, "there"]
    assert run("verify", "clean", *words, "--source", corpus).code == 0
    pq.write_table(kept.set_column(3, "place", pa.array(["here", "there"])), tmp_path / "clean" / "part-0.parquet")
    done = run("verify", "clean", *words)
    assert done.code == 3
    assert "place" in done.err
    assert run("plan", corpus, "--results", "stream.jsonl", "--ignore", "limit").code == 2


def test_nothing_to_go_by_is_a_usage_error(run: Run, corpus: Path, lines: Path) -> None:
    """Neither ledger nor files; or what only a ledger can settle."""
    for command in (["plan", corpus], ["clean", corpus, "clean"], ["report", "clean"]):
        done = run(*command)
        assert done.code == 2
        assert "--ledger DIR" in done.err
        assert "--results FILE" in done.err
        assert "--events FILE" in done.err
    done = run("plan", corpus, "--results", lines, "--unchecked", "error")
    assert done.code == 5
    assert "only a ledger knows" in done.error


def test_files_stand_beside_a_ledger(run: Run, corpus: Path, lines: Path) -> None:
    """What files say counts with what a ledger holds; rows that were never asked about are still unchecked."""
    from compliance_frames.jobs.ledger import Ledger

    Ledger.open("corpus.ledger").close()
    done = run("plan", corpus, "--ledger", "corpus.ledger", "--results", lines)
    assert done.code == 5
    assert "never asked about" in done.error
    kept = run("plan", corpus, "--ledger", "corpus.ledger", "--results", lines, "--unchecked", "keep", "--json")
    assert (kept.json["rows_dropped"], kept.json["rows_unchecked"]) == (1, 2)
