"""A plan says what cleaning will do to every file, exactly, and writes nothing."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compliance_frames.corpus.columns import Columns
from compliance_frames.corpus.erase import Counts, erase
from compliance_frames.corpus.plan import Plan, plan
from compliance_frames.corpus.policy import Policy
from compliance_frames.errors import IdError, PlanError, PolicyError, UncheckedIdsError
from compliance_frames.progress import Progress
from compliance_frames.schemas import CAME_BACK, FILES

Flag = Callable[..., pa.Table]
Write = Callable[..., Path]


class KnownLedger:
    """What a plan wants of a ledger: its results, and the tweets that were asked."""

    def __init__(self, results: pa.Table, asked: list[int]) -> None:
        self.answered, self.ids = results, asked

    spill_folder = None

    def result_batches(self) -> Iterator[pa.Table]:
        yield self.answered

    def came_back(self) -> pa.Table:
        return CAME_BACK.empty_table()

    def asked_parts(self, type: str) -> Iterator[Any]:
        yield self.asked(type).to_numpy()

    def asked(self, type: str) -> pa.Array:
        return pa.array(self.ids if type == "tweets" else [], pa.int64())


def tweets(*ids: int, **columns: Any) -> pa.Table:
    return pa.table({"id": [str(id) for id in ids], "author_id": [str(id * 10) for id in ids], **columns})


def test_files_are_copied_or_rewritten_for_a_reason(write: Write, flag: Flag) -> None:
    """A file is rewritten when something in it has to go; each file's plan says why, and counts it."""
    root = write(
        {
            "date=2024-01-01/a.parquet": tweets(1, 2, 3, geo=["Oslo", None, "Bergen"]),
            "date=2024-01-02/a.parquet": tweets(4, 5, 6, geo=["Oslo", None, "Bergen"]),
            "date=2024-01-03/a.parquet": tweets(7, 8, 9, geo=["Oslo", None, "Bergen"]),
            "README.md": b"about",
        }
    )
    made = plan(root, flag("deleted", [2, 4]), flag("scrub_geo", [3, 4, 5, 9]))
    assert [(file.path, file.decision, file.why) for file in made.files] == [
        ("README.md", "copy", "not Parquet: goes over as it is; verifying searches its bytes for IDs"),
        ("date=2024-01-01/a.parquet", "rewrite", "1 row dropped, 1 place nulled"),
        ("date=2024-01-02/a.parquet", "rewrite", "1 row dropped"),
        ("date=2024-01-03/a.parquet", "rewrite", "1 place nulled"),
    ]
    assert made.counts == Counts(rows_in=9, rows_kept=7, rows_dropped=2, rows_scrubbed=2)
    assert (made.rows_in, made.rows_kept, made.rows_dropped, made.rows_scrubbed) == (9, 7, 2, 2)
    assert made.files[0].rows is None
    assert made.files[0].columns is None


def test_a_file_whose_flagged_rows_hold_no_place_is_copied(write: Write, flag: Flag) -> None:
    """Nothing to null is nothing to do."""
    root = write({"a.parquet": tweets(1, 2, geo=["Oslo", None])})
    made = plan(root, flag("scrub_geo", [2]))
    assert (made.files[0].decision, made.files[0].why) == ("copy", "nothing to erase among its IDs")


def test_row_groups_out_of_reach_are_not_read(write: Write, flag: Flag) -> None:
    """Statistics decide first: a damaged page in a row group that cannot be hit does not even show."""
    root = write({"a.parquet": tweets(100, 101, 200, 201)}, row_group_size=2, use_dictionary=False, compression="none")
    path = root / "a.parquet"
    with pq.ParquetFile(path) as file:
        start = file.metadata.row_group(1).column(0).data_page_offset
    content = bytearray(path.read_bytes())
    content[start : start + 20] = b"\xff" * 20
    path.write_bytes(content)
    made = plan(root, flag("deleted", [100, 150, 999]))
    assert made.rows_dropped == 1
    with pytest.raises(PlanError, match=r"a\.parquet cannot be read as Parquet"):
        plan(root, flag("deleted", [200]))


def test_statistics_rule_whole_files_out(write: Write, flag: Flag) -> None:
    """The reason of a copied file tells whether it had to be read."""
    root = write({"a.parquet": tweets(100, 101), "b.parquet": tweets(200, 202)})
    made = plan(root, flag("deleted", [201]))
    assert [file.why for file in made.files] == [
        "its statistics rule out every flagged ID",
        "nothing to erase among its IDs",
    ]


def test_authors_are_found_wherever_they_wrote(write: Write, flag: Flag) -> None:
    """The statistics of tweet IDs let no file be skipped when an author was flagged."""
    root = write({f"{name}.parquet": tweets(*ids) for name, ids in {"a": (1, 2), "b": (3, 4), "c": (5, 6)}.items()})
    made = plan(root, flag("suspended", [20, 50], "users"))
    assert [file.rows_dropped for file in made.files] == [1, 0, 1]


def test_retweets_of_a_dropped_authors_tweet_go_from_every_file(write: Write, flag: Flag) -> None:
    """A retweet names its original by ID alone: that the author of the original was flagged shows in another file."""
    references = pa.list_(pa.struct([("type", pa.string()), ("id", pa.string())]))
    root = write(
        {
            "a.parquet": tweets(9, referenced_tweets=pa.array([[{"type": "retweeted", "id": "2"}]], references)),
            "b.parquet": tweets(1, 2, referenced_tweets=pa.nulls(2, references)),
        }
    )
    made = plan(root, flag("deactivated", [20], "users"))
    assert [file.rows_dropped for file in made.files] == [1, 1]
    assert made.erasures.drop_tweets.tolist() == [2]


def test_the_plan_counts_what_erase_will_count(write: Write, flag: Flag) -> None:
    """Row group by row group and from ID columns alone, the plan foresees exactly what cleaning does."""
    quote = pa.struct([("id", pa.int64()), ("text", pa.string()), ("author_id", pa.int64()), ("geo", pa.string())])
    number = np.arange(1, 41)
    table = pa.table(
        {
            "id": number,
            "author_id": number % 7,
            "geo": [None if n % 3 else "Oslo" for n in number],
            "quoted_status": pa.array(
                [
                    {"id": n + 1, "text": "x", "author_id": n % 5, "geo": "Rome"} if n % 2 else None
                    for n in number.tolist()
                ],
                quote,
            ),
            "includes": pa.array(
                [{"tweets": [{"id": n, "text": "x", "author_id": 1, "geo": None}] * (n % 3)} for n in number.tolist()],
                pa.struct([("tweets", pa.list_(quote))]),
            ),
        }
    )
    root = write({"a.parquet": table, "b.parquet": table.slice(20)}, row_group_size=7)
    results = [flag("deleted", [3, 8, 30]), flag("scrub_geo", [6, 10, 21]), flag("scrub_geo", [4], "users")]
    made = plan(root, *results, flag("bounced", [5], "users"))
    for file in made.files:
        assert file.columns is not None
        with pq.ParquetFile(root / file.path) as source:
            _, counts = erase(source.read(), file.columns, made.erasures)
        assert counts == file.counts
    assert made.counts.cells_nulled > 0
    assert made.counts.rows_scrubbed > 0


def test_each_file_has_its_own_columns(write: Write, flag: Flag) -> None:
    """Files of different years spell their IDs differently; each is looked at by itself."""
    old = pa.table({"id_str": ["1"], "user": [{"id": 10}], "coordinates": ["here"]})
    root = write({"old.parquet": old, "new.parquet": tweets(2, geo=["there"])})
    made = plan(root, flag("scrub_geo", [1, 2]))
    assert [file.columns.id for file in made.files if file.columns] == ["id", "id_str"]
    assert made.rows_scrubbed == 2


def test_told_places_may_be_missing_from_some_files_but_not_from_all(write: Write, flag: Flag) -> None:
    """``geo=`` names the places of the whole dataset; a name that no file has is a typo."""
    root = write({"a.parquet": tweets(1, where=["Oslo"]), "b.parquet": tweets(2, spot=["Rome"])})
    assert plan(root, flag("scrub_geo", [1, 2]), geo=["where", "spot"]).rows_scrubbed == 2
    with pytest.raises(PlanError, match=r"no file has the column 'wheer' \(told by geo\); there are .*spot, where"):
        plan(root, flag("scrub_geo", [1, 2]), geo=["where", "wheer"])
    with pytest.raises(PlanError, match=r"b\.parquet: 1 row must lose"):
        plan(root, flag("scrub_geo", [1, 2]), geo=["where"])


def test_a_place_to_go_without_a_column_of_places_asks_for_it(write: Write, flag: Flag) -> None:
    """``scrub_geo`` where no place is known names the file, and both answers to the question."""
    root = write({"a.parquet": tweets(1)})
    with pytest.raises(PlanError, match=r'a\.parquet: 1 row must lose .*geo=\["…"\].*geo=\[\]'):
        plan(root, flag("scrub_geo", [1]))
    assert plan(root, flag("scrub_geo", [1]), geo=[]).files[0].decision == "copy"
    assert plan(root, flag("scrub_geo", [7])).files[0].decision == "copy"


def test_a_place_that_must_not_be_null_is_refused_when_planned(write: Write, flag: Flag) -> None:
    """What cannot be erased is known before anything is written."""
    schema = pa.schema([("id", pa.int64()), pa.field("geo", pa.string(), nullable=False)])
    root = write({"a.parquet": pa.table({"id": [1], "geo": ["Oslo"]}).cast(schema)})
    with pytest.raises(PlanError, match=r"a\.parquet: column 'geo' is declared as never null"):
        plan(root, flag("scrub_geo", [1]))


def test_flagged_users_need_a_column_of_authors(write: Write, flag: Flag) -> None:
    """Users results on a file without authors would silently do nothing."""
    root = write({"a.parquet": pa.table({"id": [1]})})
    with pytest.raises(PlanError, match=r"a\.parquet: users were flagged.*author_column="):
        plan(root, flag("suspended", [1], "users"))
    assert plan(root, flag("deleted", [1])).rows_dropped == 1


def test_unchecked_rows_end_the_plan_with_the_calls_that_settle_it(write: Write, flag: Flag) -> None:
    """With a ledger, rows nobody asked about are an error until somebody decides."""
    root = write({"a.parquet": tweets(1, 2), "b.parquet": tweets(3, 4), "c.parquet": tweets(5)})
    ledger = KnownLedger(flag("deleted", [1, 4]), [1, 3, 4])
    with pytest.raises(UncheckedIdsError, match=r'2 rows in 2 files hold.*check\(.*unchecked="keep".*--unchecked keep'):
        plan(root, ledger=ledger)
    kept = plan(root, ledger=ledger, unchecked="keep")
    assert (kept.rows_dropped, kept.rows_unchecked) == (2, 2)
    dropped = plan(root, ledger=ledger, unchecked="drop")
    assert (dropped.rows_dropped, dropped.rows_unchecked, dropped.rows_kept) == (4, 2, 1)
    assert [row["rows_unchecked"] for row in kept.to_arrow().to_pylist()] == [1, 0, 1]


def test_results_that_are_given_do_not_hide_those_of_a_ledger(write: Write, flag: Flag) -> None:
    """What was asked and flagged after the table was made is not taken for clear."""
    root = write({"a.parquet": tweets(1, 2, 3)})
    ledger = KnownLedger(flag("deleted", [1, 2]), [1, 2, 3])
    made = plan(root, flag("deleted", [1]), flag("suspended", [3]), ledger=ledger)
    assert (made.rows_dropped, made.rows_unchecked) == (3, 0)


def test_without_a_ledger_unchecked_is_not_known(write: Write, flag: Flag) -> None:
    """Nobody can error about or drop what nobody knows; the table says null, not zero."""
    root = write({"a.parquet": tweets(1)})
    made = plan(root, flag("deleted", [9]), unchecked="keep")
    assert made.to_arrow().column("rows_unchecked").to_pylist() == [None]
    for word in ("error", "drop"):
        with pytest.raises(PlanError, match=f"unchecked='{word}' needs ledger="):
            plan(root, flag("deleted", [9]), unchecked=word)  # type: ignore[arg-type]


def test_an_unknown_reason_ends_the_plan(write: Write, flag: Flag) -> None:
    """Nothing is published by guess, even where no row has the ID; a policy that knows the reason settles it."""
    root = write({"a.parquet": tweets(1)})
    with pytest.raises(PolicyError, match="--treat vanished=drop"):
        plan(root, flag("vanished", [9]))
    assert plan(root, flag("vanished", [1]), policy=Policy.default().treat(vanished="drop")).rows_dropped == 1


def test_nothing_to_plan_with_is_refused(write: Write) -> None:
    """No results and no ledger is a forgotten argument, not a clean corpus; a frame of something else is named."""
    root = write({"a.parquet": tweets(1)})
    with pytest.raises(PlanError, match="give results"):
        plan(root)
    with pytest.raises(PlanError, match="not list"):
        plan(root, [1, 2])


def test_bad_ids_name_file_column_and_value(write: Write, flag: Flag) -> None:
    """An ID column that holds something else is named with its file."""
    root = write({"a.parquet": pa.table({"id": ["1", "1", "1", "y7"]})}, row_group_size=2)
    with pytest.raises(IdError, match=r"a\.parquet: .*id") as caught:
        plan(root, flag("deleted", [1]))
    assert (caught.value.column, caught.value.row) == ("id", 3)


def test_results_may_come_from_any_frame(write: Write, flag: Flag) -> None:
    """Results saved and loaded by another library are results still."""
    import polars as pl

    root = write({"a.parquet": tweets(1, 2)})
    assert plan(root, pl.from_arrow(flag("deleted", [2]))).rows_dropped == 1


def test_a_plan_knows_where_its_results_came_from(write: Write, flag: Flag) -> None:
    """Jobs, times and reasons travel with the plan."""
    root = write({"a.parquet": tweets(1)})
    made = plan(root, flag("deleted", [2, 1], job=8), flag("deleted", [1], job=7), flag("protected", [3], "users"))
    when = datetime(2024, 5, 1, tzinfo=UTC)
    assert made.job_ids == (1, 7, 8)
    assert made.checked_at == (when, when)
    assert [(each.type, each.reason, each.treatment, each.ids) for each in made.flagged] == [
        ("tweets", "deleted", "drop", 2),
        ("users", "protected", "drop", 1),
    ]


def test_a_plan_is_the_same_in_every_process(write: Write, flag: Flag, tmp_path: Path) -> None:
    """Equal files, results and policy give an equal digest, whoever asks; any change gives another."""
    root = write({"b.parquet": tweets(1, 2), "a.parquet": tweets(3)})
    results = flag("deleted", [2])
    made = plan(root, results)
    pq.write_table(results, tmp_path / "results.parquet")
    code = (
        "import sys, pyarrow.parquet as pq; from compliance_frames.corpus.plan import plan;"
        "print(plan(sys.argv[1], pq.ParquetFile(sys.argv[2]).read()).digest)"
    )
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code, root, tmp_path / "results.parquet"],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == made.digest
    assert pickle.loads(pickle.dumps(made)).digest == made.digest
    assert plan(root, results, flag("deleted", [99])).digest != made.digest
    assert plan(root, results, policy=Policy.default().treat(other="keep")).digest != made.digest
    os.utime(root / "a.parquet", ns=(1, 1))
    assert plan(root, results).digest != made.digest


def test_planning_writes_nothing_and_reports_each_file(write: Write, flag: Flag) -> None:
    """The dataset is only read; progress counts its files."""
    root = write({"a.parquet": tweets(1, 2), "b.parquet": tweets(3)})
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in root.parent.rglob("*")}
    told: list[Progress] = []
    plan(root, flag("deleted", [1]), progress=told.append)
    assert before == {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in root.parent.rglob("*")}
    assert [(each.done, each.total, each.unit, each.note) for each in told] == [
        (1, 2, "files", "a.parquet"),
        (2, 2, "files", "b.parquet"),
    ]


def shown(write: Write, flag: Flag) -> Plan:
    root = write({"<b>&.parquet": tweets(1, 2, geo=["Oslo", None]), "two\nlines.parquet": tweets(3), "x.csv": b"1"})
    return plan(root, flag("deleted", [2, 3]), flag("scrub_geo", [1]))


def test_a_plan_shows_itself_as_text(write: Write, flag: Flag) -> None:
    """Totals, decisions and reasons in aligned columns; a file's name cannot break a line."""
    lines = str(shown(write, flag)).splitlines()
    assert lines[0].endswith("3 files, 3 rows, " + lines[0].split("rows, ")[1])
    table = [line.split() for line in lines if line.startswith(("rewrite", "copy", "all"))]
    assert [row[-4:] for row in table] == [["3", "2", "1", "–"], ["0", "0", "0", "–"], ["3", "2", "1", "–"]]
    assert "tweets   deleted    drop         2" in lines
    assert any(line.startswith(r"'two\nlines.parquet'") for line in lines)
    assert repr(shown(write, flag)).splitlines() == lines


def test_a_plan_shows_itself_as_html_without_trusting_names(write: Write, flag: Flag) -> None:
    """In a notebook the same tables, with every name escaped and nothing loaded from elsewhere."""
    page = shown(write, flag)._repr_html_()
    assert "&lt;b&gt;&amp;.parquet" in page
    assert "<b>&" not in page
    assert "http" not in page
    assert page.count("<table>") == page.count("</table>") == 4


def test_text_that_holds_tweets_is_looked_into_unless_others_are_told(write: Write, flag: Flag) -> None:
    """Other people's tweets as JSON text count like others; where they are told not to, the plan says so."""
    root = write(
        {"a.parquet": tweets(1, referenced_tweets=['[{"type": "retweeted", "id": "7"}]']), "b.parquet": tweets(2)}
    )
    made = plan(root, flag("deleted", [7]))
    assert (made.rows_dropped, made.unread) == (1, ())
    told = plan(root, flag("deleted", [7]), columns=Columns("id", embedded=()))
    assert (told.rows_dropped, told.unread) == (0, ("referenced_tweets",))
    assert "not looked into for tweets of others: referenced_tweets" in str(told)


def test_a_plan_as_a_table_has_the_agreed_schema(write: Write, flag: Flag) -> None:
    """One row per file, in the order of their paths."""
    table = shown(write, flag).to_arrow()
    assert table.schema.equals(FILES)
    assert table.column("path").to_pylist() == ["<b>&.parquet", "two\nlines.parquet", "x.csv"]
    assert table.column("rows").to_pylist() == [2, 1, None]


def test_a_long_plan_is_cut_short(write: Write, flag: Flag) -> None:
    """A thousand files do not fill the screen; the rest is a number, and where to find it."""
    made = plan(write({f"{n:02}.parquet": tweets(1) for n in range(13)}), flag("deleted", [1]))
    assert "… and 3 more files; plan.to_arrow() has them all." in str(made)
    assert "12.parquet" not in str(made)


def test_a_struct_is_a_place_whatever_it_holds(write: Write, flag: Flag) -> None:
    """One of its leaves is read to see whether it is there; one with nothing but nulls within is, a null is not."""
    inner = pa.struct({"type": pa.string(), "at": pa.list_(pa.float64())})
    places = [None, {"at": None, "within": None}, {"at": [], "within": None}, {"at": None, "within": {"type": None}}]
    outer = pa.struct({"at": pa.list_(pa.float64()), "within": inner})
    for kind in (outer, pa.struct({"at": pa.list_(pa.float64())}), pa.struct({"place": pa.string(), "at": inner})):
        geo = [place and {field.name: place.get(field.name) for field in kind} for place in places]
        table = pa.table({"id": [1, 2, 3, 4], "geo": pa.array(geo, kind)})
        made = plan(write({"a.parquet": table}), flag("scrub_geo", [1, 2, 3, 4]))
        assert made.rows_scrubbed == 3
