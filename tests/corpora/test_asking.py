"""Whatever a tool calls its columns, the service is asked about the right IDs, and its answers reach the rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import compliance_frames as cf
from compliance_frames.cli.asking import question_of
from compliance_frames.emulator import Emulator
from tests.corpora.ecosystems import ECOSYSTEMS, Ecosystem
from tests.corpora.tweets import made

TWEETS = made(80, seed=5)
CHOSEN = {"v1.1", "Gnip", "rtweet", "gazouilloire"}


@pytest.fixture(scope="module")
def service() -> Iterator[dict[str, Any]]:
    with Emulator(processing=timedelta(0)) as emulator:
        yield {
            "bearer_token": emulator.bearer_token,
            "base_url": emulator.base_url,
            "poll": timedelta(milliseconds=20),
        }


@pytest.mark.parametrize("ecosystem", [e for e in ECOSYSTEMS if e.name in CHOSEN], ids=lambda each: each.name)
def test_tweets_and_authors_are_asked_without_an_option(
    tmp_path: Path, ecosystem: Ecosystem, service: dict[str, Any]
) -> None:
    """Of every tweet and every author, once; a plan by the ledger leaves nothing unchecked, and the proof holds."""
    corpus = tmp_path / "corpus"
    ecosystem.write_parquet(ecosystem.write_raw(tmp_path / f"raw.{ecosystem.form}", TWEETS), corpus / "part-0.parquet")
    cf.check(corpus, "both", ledger=tmp_path / "ledger", **service)
    book = cf.Ledger.read(tmp_path / "ledger")
    assert set(book.asked("tweets").tolist()) == {tweet.id for tweet in TWEETS}
    assert set(book.asked("users").tolist()) == {tweet.author for tweet in TWEETS}
    plan = cf.plan(corpus, ledger=tmp_path / "ledger")
    assert plan.rows_unchecked == 0
    assert cf.clean(plan, tmp_path / "clean").rows_dropped == plan.rows_dropped > 0
    assert cf.verify(tmp_path / "clean", ledger=tmp_path / "ledger", source=corpus).verified


@pytest.mark.parametrize("ecosystem", ECOSYSTEMS, ids=lambda each: each.name)
def test_the_command_line_chooses_the_same_columns(tmp_path: Path, ecosystem: Ecosystem) -> None:
    """``run`` asks about authors wherever there are some that can be asked about."""
    raw = ecosystem.write_raw(tmp_path / f"raw.{ecosystem.form}", TWEETS)
    ecosystem.write_parquet(raw, tmp_path / "corpus" / "a.parquet")
    question, found = question_of(tmp_path / "corpus", None, None, None), cf.columns(tmp_path / "corpus").columns
    assert question.type == ("both" if ecosystem.knows_authors else "tweets")
    assert (question.id_column, question.author_column) == (found.id, found.author_id)


def test_columns_can_be_told_to_check(tmp_path: Path, service: dict[str, Any]) -> None:
    """The same value that tells a plan tells what to ask about."""
    table = pa.table({"no": [20, 21], "who": [12, 13]})
    told = cf.Columns("no", author_id="who")
    cf.check(table, "users", columns=told, ledger=tmp_path / "ledger", **service)
    cf.check(table, "tweets", columns=told, ledger=tmp_path / "ledger", **service)
    book = cf.Ledger.read(tmp_path / "ledger")
    assert (book.asked("users").tolist(), book.asked("tweets").tolist()) == ([12, 13], [20, 21])
    with pytest.raises(cf.ComplianceFramesError, match="leave out id_column="):
        cf.check(table, "tweets", columns=told, id_column="no", ledger=tmp_path / "ledger", **service)
