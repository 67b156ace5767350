"""What goes is counted by kind, and the kinds add up to what goes: in plans, in reports, in every tool's corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import compliance_frames as cf
from compliance_frames.corpus.kinds import Kinds
from compliance_frames.corpus.manifest import Manifest, manifest_path
from compliance_frames.schemas import KINDS
from tests.corpora.ecosystems import ECOSYSTEMS, Ecosystem
from tests.corpora.tweets import made

TWEETS = made(120, seed=9)


def results(type: str, *flagged: tuple[int, str]) -> pa.Table:
    return pa.table(
        {
            "type": [type] * len(flagged),
            "id": pa.array([id for id, _ in flagged], pa.int64()),
            "action": ["delete"] * len(flagged),
            "reason": [reason for _, reason in flagged],
        }
    )


QUOTE = pa.struct({"id": pa.int64(), "user": pa.struct({"id": pa.int64()}), "text": pa.string(), "place": pa.string()})


def one_of_each() -> pa.Table:
    def tweet(id: int, author: int = 900, place: str | None = None) -> dict[str, Any]:
        return {"id": id, "user": {"id": author}, "text": "words", "place": place}

    gone, clear, placed = tweet(500), tweet(501), tweet(502, place="Oslo")
    rows = [
        # id, author, the tweet it repeats, the tweet it quotes, others
        (1, 10, None, None, []),  # deleted
        (2, 11, None, None, []),  # its author suspended
        (3, 11, 500, gone, [gone]),  # that, and all else as well: counted once, cells of it never
        (4, 12, 500, None, []),  # repeats what was deleted
        (5, 12, 501, clear, [clear]),  # stays whole
        (6, 12, None, gone, [gone, clear, gone]),  # loses a quote and two others
        (7, 12, None, placed, [placed, tweet(503, author=11)]),  # loses two places of others, and a tweet by its author
        (8, 12, None, None, []),  # scrubbed
    ]
    columns = [list(column) for column in zip(*rows, strict=True)]
    return pa.table(
        {
            "id": columns[0],
            "user": [{"id": author} for author in columns[1]],
            "retweeted_id": pa.array(columns[2], pa.int64()),
            "quoted_status": pa.array(columns[3], QUOTE),
            "includes": [{"tweets": others} for others in columns[4]],
            "place": ["here"] * len(rows),
        },
        schema=pa.schema(
            {
                "id": pa.int64(),
                "user": pa.struct({"id": pa.int64()}),
                "retweeted_id": pa.int64(),
                "quoted_status": QUOTE,
                "includes": pa.struct({"tweets": pa.list_(QUOTE)}),
                "place": pa.string(),
            }
        ),
    )


FLAGGED = (
    results("tweets", (1, "deleted"), (500, "deleted"), (502, "scrub_geo"), (8, "scrub_geo")),
    results("users", (11, "suspended")),
)
EXPECTED = Kinds(
    dropped_own=1, dropped_by_author=2, dropped_retweets=1, quotes_nulled=1, embedded_nulled=3, embedded_places_nulled=2
)


def test_each_kind_is_counted_once_and_where_it_belongs(tmp_path: Path) -> None:
    """By plan, report and manifest alike; people are told in words."""
    (tmp_path / "corpus").mkdir()
    pq.write_table(one_of_each(), tmp_path / "corpus/a.parquet")
    pq.write_table(one_of_each().slice(4, 1), tmp_path / "corpus/b.parquet")
    plan = cf.plan(tmp_path / "corpus", *FLAGGED)
    assert plan.kinds == EXPECTED
    assert (plan.rows_dropped, plan.cells_nulled, plan.rows_scrubbed) == (4, 6, 1)
    assert all(words in str(plan) for name, words in KINDS.items() if getattr(EXPECTED, name))
    assert KINDS["dropped_unchecked"] not in str(plan)
    report = cf.clean(plan, tmp_path / "clean")
    assert report.kinds == vars(EXPECTED)
    assert f"3 {KINDS['embedded_nulled']}" in str(report)
    records = Manifest.read(manifest_path(tmp_path / "clean")).files
    assert [record.kinds for record in records] == [vars(EXPECTED), vars(Kinds())]


def test_rows_that_nobody_asked_about_are_a_kind_of_their_own(tmp_path: Path) -> None:
    """Where they are dropped as told."""
    with cf.Ledger.open(tmp_path / "ledger") as ledger:
        ledger.add("tweets", pa.array([1, 2]), chunk_size=9)
        chunk = ledger.chunk(1)
        for state in ("creating", "created", "uploading", "uploaded", "processing", "downloading"):
            chunk = ledger.advance(chunk, state)  # type: ignore[arg-type]
        ledger.finish(chunk, cf.schemas.RESULTS.empty_table(), chunk.created_at)
    pq.write_table(pa.table({"id": [1, 2, 3, None]}), tmp_path / "a.parquet")
    plan = cf.plan(tmp_path / "a.parquet", ledger=tmp_path / "ledger", unchecked="drop")
    assert plan.kinds == Kinds(dropped_unchecked=2)
    assert plan.rows_dropped == 2


@pytest.mark.parametrize("ecosystem", ECOSYSTEMS, ids=lambda each: each.name)
def test_the_kinds_add_up_in_every_tool_s_corpus(tmp_path: Path, ecosystem: Ecosystem) -> None:
    """Rows that go, and cells of rows that stay, are each of one kind; of some there are some."""
    raw = ecosystem.write_raw(tmp_path / f"raw.{ecosystem.form}", TWEETS)
    ecosystem.write_parquet(raw, tmp_path / "corpus/a.parquet")
    gone = results("tweets", *((tweet.id, "deleted") for tweet in TWEETS[::3]))
    authors = [results("users", *((tweet.author, "suspended") for tweet in TWEETS[5::20]))]
    plan = cf.plan(tmp_path / "corpus", gone, *(authors if ecosystem.knows_authors else ()))
    counts = vars(plan.kinds)
    dropped = {name: count for name, count in counts.items() if name.startswith("dropped_")}
    assert sum(dropped.values()) == plan.rows_dropped
    assert sum(counts.values()) - plan.rows_dropped == plan.cells_nulled
    assert dropped["dropped_own"] > 0
    assert (dropped["dropped_retweets"] > 0) == ecosystem.knows_originals
    assert cf.clean(plan, tmp_path / "clean").kinds == counts
