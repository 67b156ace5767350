"""Again next week: what is young enough is not asked again, coverage is exact for a corpus that changed."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import compliance_frames as cf
from compliance_frames.emulator import Emulator, Fates
from compliance_frames.errors import UncheckedIdsError

WEEK = timedelta(days=7)


class Desk:
    """A user with a corpus and a ledger; what the service says changes from week to week."""

    def __init__(self, folder: Path) -> None:
        self.corpus, self.ledger, self.folder = folder / "corpus", folder / "corpus.ledger", folder

    def write(self, name: str, *rows: tuple[int, int, int | None]) -> None:
        """A file of tweets: ID, author, and the tweet that is repeated."""
        self.corpus.mkdir(exist_ok=True)
        ids, authors, originals = zip(*rows, strict=True)
        table = {"id": ids, "author_id": authors, "retweeted_id": pa.array(originals, pa.int64())}
        pq.write_table(pa.table(table), self.corpus / name)

    def check(self, flagged: dict[int, str], **more: Any) -> tuple[cf.Submission, pa.Table]:
        told: list[cf.Submission] = []
        fates = Fates.from_table(pa.table({"id": list(flagged), "reason": list(flagged.values())}))
        with Emulator(processing=timedelta(0), fates=fates) as service:
            results = cf.check(
                self.corpus, "both", ledger=self.ledger, planned=told.append, poll=timedelta(milliseconds=20),
                bearer_token=service.bearer_token, base_url=service.base_url, **more,
            )  # fmt: skip
        return told[0], results

    def let_days_pass(self, days: int) -> None:
        """All answers become so much older."""
        with sqlite3.connect(self.ledger / "ledger.sqlite") as database:
            database.execute("UPDATE chunks SET checked_at = checked_at - ?", (days * 86_400_000,))

    def plan(self, **more: Any) -> cf.Plan:
        return cf.plan(self.corpus, ledger=self.ledger, **more)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    desk.write("a.parquet", (100, 1, None), (101, 2, 50), (102, 3, None))
    desk.write("b.parquet", (110, 1, None), (111, 4, None))
    return desk


def test_only_what_is_new_or_older_is_asked(desk: Desk) -> None:
    """The second run within the week asks what was added, referenced tweets among it; one after it asks everything."""
    assert desk.check({100: "deleted"}, max_age=WEEK)[0].new == {"tweets": 6, "users": 4}
    desk.let_days_pass(5)
    desk.write("c.parquet", (120, 5, 51), (121, 1, 50))
    submission, _ = desk.check({}, max_age=WEEK)
    assert submission.new == {"tweets": 3, "users": 1}
    assert submission.answered == {"tweets": 6, "users": 4}
    assert cf.Ledger.read(desk.ledger).results().column("id").to_pylist() == [100]
    desk.let_days_pass(5)  # those of the first run are ten days old now
    submission, results = desk.check({102: "deleted"}, max_age=WEEK)
    assert submission.new == {"tweets": 6, "users": 4}
    assert results.column("id").to_pylist() == [102]
    assert [(each.type, each.reason, each.ids) for each in desk.plan().came_back] == [("tweets", "deleted", 1)]


def test_coverage_is_exact_for_a_corpus_that_changed(desk: Desk) -> None:
    """New files and new rows are unchecked until they are asked about; files that vanished are nothing."""
    desk.check({})
    desk.write("a.parquet", (100, 1, None), (101, 2, 50), (102, 3, None), (103, 3, None))
    desk.write("c.parquet", (120, 5, 51), (100, 1, None))
    (desk.corpus / "b.parquet").unlink()
    with pytest.raises(UncheckedIdsError, match="2 rows in 2 files"):
        desk.plan()
    assert [file.rows_unchecked for file in desk.plan(unchecked="keep").files] == [1, 1]
    desk.check({})
    assert desk.plan().rows_unchecked == 0


def test_nobody_is_unchecked_for_want_of_an_answer_about_another(desk: Desk) -> None:
    """Unchecked is said of a row's own tweet; what is known of the tweet that it repeats is acted upon all the same."""
    desk.check({}, references=False)
    desk.write("c.parquet", (120, 1, 100), (121, 1, 101))
    desk.check({50: "deleted", 100: "deleted"}, references=False, max_age=timedelta(0))
    plan = desk.plan()
    assert (plan.rows_unchecked, plan.rows_dropped) == (0, 2)  # 100, and 120 that repeats it; nobody asked about 50
    desk.check({50: "deleted", 100: "deleted"}, max_age=timedelta(0))
    assert desk.plan().rows_dropped == 3
    assert desk.plan().kinds.dropped_retweets == 2


def test_week_after_week_the_copy_is_what_the_newest_answers_make_of_the_originals(desk: Desk) -> None:
    """What came back is in the copy again; a copy that was cleaned before does not have it."""
    for flagged in ({100: "deleted", 111: "deleted"}, {111: "deleted"}, {4: "suspended", 110: "deleted"}):
        _, results = desk.check(flagged, max_age=timedelta(0))
        cf.clean(desk.plan(), desk.folder / "clean", update=True)
        ids = {id for file in (desk.folder / "clean").iterdir() for id in pq.read_table(file)["id"].to_pylist()}
        gone = set(flagged) | ({111} if 4 in flagged else set())
        assert ids == {100, 101, 102, 110, 111} - gone
        assert cf.verify(desk.folder / "clean", ledger=desk.ledger, source=desk.corpus).verified
        assert results.num_rows == len(flagged)
    assert cf.plan(desk.folder / "clean", ledger=desk.ledger).rows_in == 3
