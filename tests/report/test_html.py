"""The page says what was done, in words and counts that are true, and nothing that comes from outside can act in it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from compliance_frames.corpus.manifest import ColumnPaths, FileRecord, Manifest, manifest_path
from compliance_frames.errors import DestinationError, VerificationError
from compliance_frames.report import charts, html
from compliance_frames.report.html import Asked, page, report, report_path
from compliance_frames.schemas import KINDS, RESULTS, TREATMENTS

NOW = datetime(2024, 6, 1, 12, 30, tzinfo=UTC)
PROOF = {
    "statement": "as of job 7, asked at 2024-06-01, for the 12 IDs asked, no file under clean contains any of them",
    "checks": [{"name": "rows", "what": "anti-join", "counted": 1234}],
}


def record(path: str, rows: int = 10, dropped: int = 0, scrubbed: int = 0, **more: Any) -> FileRecord:
    decision = "rewrite" if dropped or scrubbed else "copy"
    counts = {"rows_in": rows, "rows_kept": rows - dropped, "rows_dropped": dropped, "rows_scrubbed": scrubbed}
    return FileRecord(path, decision, 0, 100, "ab" * 32, 90, "cd" * 32, **counts, **more)


def manifest(*records: FileRecord, **more: Any) -> Manifest:
    usual: dict[str, Any] = {
        "tool_version": "0.1.0",
        "written_at": NOW,
        "source": "corpus",
        "plan_digest": "2c26",
        "policy": TREATMENTS,
        "unchecked": "error",
        "job_ids": (7,),
        "checked_at": (NOW, NOW),
        "columns": (ColumnPaths("id"),),
        "files": records,
    }
    return Manifest(**(usual | more))


def results(*rows: tuple[str, int, str]) -> pa.Table:
    """Flagged IDs as (type, id, reason)."""
    full = [
        {"type": kind, "id": id, "action": "delete", "reason": reason, "job_id": 7, "checked_at": NOW}
        for kind, id, reason in rows
    ]
    plain = pa.schema([(f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type) for f in RESULTS])
    return pa.Table.from_pylist(full, schema=plain).cast(RESULTS)


CERTIFICATE: dict[str, Any] = {
    "statement": "As of job 7, for the 12 IDs asked, no Parquet file under clean contains any of them.",
    "asked_at": ["2024-06-01T12:30:00+00:00", "2024-06-02T12:30:00+00:00"],
    "cleaned_at": "2024-06-03T12:30:00+00:00",
    "verified_at": "2024-06-04T12:30:00+00:00",
    "counts": {"files": 2, "rows": 17, "bytes": 180, "flagged": 2},
    "key_id": "ab" * 16,
    "ids": [
        {"name": "asked_tweets", "count": 12, "digest": "12" * 32},
        {"name": "dropped_users", "count": 0, "digest": "34" * 32},
    ],
    "checks": [{"name": "rows", "what": "anti-join", "counted": 1234}],
    "not_checked": ["backups"],
    "cleaned_with": "0.1.0",
    "verified_with": {"compliance-frames": "0.2.0", "duckdb": "2.0"},
    "manifest_sha256": "56" * 32,
    "digest": "78" * 32,
}
SIGNATURE = {"algorithm": "Ed25519", "public_key": "AAAA", "value": "AAAA"}


class Elements(HTMLParser):
    """Every tag and text of a page; fails on tags that are not closed in order."""

    VOID = frozenset({"meta", "br", "!doctype"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, Mapping[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.texts.append(data)


def read(text: str) -> str:
    """The page as it is read: without tags."""
    return " ".join(" ".join(Elements(text).texts).split())


def everything() -> str:
    return page(
        manifest(record("date=2024-05-01/a.parquet", dropped=3), record("date=2024-05-02/a.parquet", scrubbed=1)),
        asked=Asked.counted([results(("tweets", 1, "deleted"), ("users", 2, "suspended"))], {"tweets": 20, "users": 5}),
        proof=PROOF,
        name="clean",
    )


def test_the_page_is_whole_and_fetches_nothing() -> None:
    """One file: no script, no link, no image, no address to fetch from, and a policy that forbids them all."""
    elements = Elements(everything())
    assert not {"script", "link", "img", "iframe", "object", "image", "use"} & {tag for tag, _ in elements.tags}
    for _, attributes in elements.tags:
        assert not {"src", "href", "xlink:href", "action"} & set(attributes)
        assert not [name for name in attributes if name.startswith("on")]
    policy = next(a["content"] for tag, a in elements.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "url(" not in everything()
    assert "@import" not in everything()


def test_nothing_from_outside_becomes_markup() -> None:
    """Names, notes, reasons, statements and problems are shown as they are spelled."""
    evil = "<script>alert(1)</script>\"'&"
    made = manifest(
        record(f"date=2024-05-01/{evil}.parquet", dropped=3, notes=(evil,)),
        source=evil,
        tool_version=evil,
        plan_digest=evil,
        policy={evil: "drop"},
    )
    proof = {"statement": evil, "checks": [{"name": evil, "what": evil, "counted": evil}]}
    asked = Asked.counted([results(("tweets", 1, evil))], {"tweets": 1})
    for text in (
        page(made, asked=asked, proof=proof, name=evil),
        page(made, asked=asked, problems=[evil], name=evil),
    ):
        assert "<script" not in text
        assert evil in read(text)


def test_counts_are_those_of_the_manifest() -> None:
    """Rows in = kept + dropped, by the sums over all files."""
    text = read(everything())
    assert "rows read 20" in text
    assert "rows kept 17" in text
    assert "rows dropped 3 15.00%" in text
    assert "places nulled 1" in text
    assert "files 2 0 copied, 2 rewritten" in text


def test_flagged_ids_are_counted_by_reason_and_type() -> None:
    """Each reason has its row, each type its column, and the sums and the IDs asked stand below."""
    text = read(everything())
    assert "deleted 1 0" in text
    assert "suspended 0 1" in text
    assert "reasons in all 1 1" in text
    assert "IDs asked 20 5" in text


def test_reasons_of_one_id_are_not_summed_up_to_ids() -> None:
    """One tweet of two reasons is in the row of each; what the sum counts is called what it is."""
    asked = Asked.counted([results(("tweets", 1, "deleted"), ("tweets", 1, "bounced"))], {"tweets": 1})
    text = read(page(manifest(record("a.parquet", dropped=1)), asked=asked, name="clean"))
    assert "reasons in all 2" in text


def test_the_page_says_what_was_proven_and_no_more() -> None:
    """The proof's own statement is quoted; the page itself calls nothing compliant."""
    text = read(everything())
    assert PROOF["statement"] in text
    assert "rows anti-join 1,234" in text
    assert "compliant" not in text.lower()
    assert "know nothing of content that is withheld" in text


def test_a_certificate_is_shown_with_all_that_it_says() -> None:
    """Statement, times, counts, checks, what was not looked at, and digests; the checks stand there once."""
    text = read(page(manifest(record("a")), proof=PROOF, certificate=CERTIFICATE, name="clean"))
    assert CERTIFICATE["statement"] in text
    assert "Answers of 2024-06-01 12:30 UTC to 2024-06-02 12:30 UTC" in text
    assert "Verified 2024-06-04 12:30 UTC , by compliance-frames 0.2.0, duckdb 2.0" in text
    assert "Holds 2 files, 17 rows, 180 bytes, 2 IDs flagged" in text
    assert f"tweets asked about 12 {'12' * 32}" in text
    assert f"users whose tweets had to go 0 {'34' * 32}" in text
    assert text.count("rows anti-join 1,234") == 1
    assert "What was not looked at backups" in text
    assert f"Digest {'78' * 32} Manifest {'56' * 32}" in text
    assert "compliance-frames verify DATASET --certificate CERTIFICATE" in text


def test_who_signed_is_shown_and_that_nobody_did() -> None:
    """The fingerprint is the one that verify tells; without a ledger there are no digests, and why is said."""
    signed = read(page(manifest(), certificate={**CERTIFICATE, "signature": SIGNATURE}, name="clean"))
    assert f"Ed25519, by the key with the fingerprint {sha256(bytes(3)).hexdigest()}" in signed
    bare = {**CERTIFICATE, "key_id": None, "asked_at": None, "ids": [{"name": "new", "count": 3, "digest": None}]}
    text = read(page(manifest(), certificate=bare, name="clean"))
    assert "Signature none: whoever could change the files" in text
    assert "No digests: there was no ledger" in text
    assert "new 3 –" in text
    assert "Answers of no ID was flagged" in text


def test_nothing_from_a_certificate_becomes_markup() -> None:
    """It is a file from somewhere, and perhaps not one of ours."""
    evil = "<script>alert(1)</script>\"'&"
    told = {
        **CERTIFICATE,
        **dict.fromkeys(("statement", "cleaned_with", "manifest_sha256", "digest"), evil),
        "checks": [{"name": evil, "what": evil, "counted": evil}],
        "not_checked": [evil],
        "verified_with": {evil: evil},
        "ids": [{"name": evil, "count": evil, "digest": evil}],
        "signature": {**SIGNATURE, "algorithm": evil},
    }
    text = page(manifest(), proof=PROOF, certificate=told, name="clean")
    assert "<script" not in text
    assert read(text).count(evil) == 14


def test_a_failed_verification_shows_no_certificate() -> None:
    """What does not hold is not repeated as if it did."""
    text = page(manifest(), certificate=CERTIFICATE, problems=["a byte was changed"], name="clean")
    assert CERTIFICATE["statement"] not in text


def test_the_page_does_not_tell_where_a_dataset_lies() -> None:
    """It is for others, whom somebody's folders do not concern."""
    proof = {**PROOF, "statement": "no file under /home/me/clean contains any", "destination": "/home/me/clean"}
    text = page(manifest(), proof=proof, name="clean")
    assert "no file under clean contains any" in text
    assert "/home/me" not in text


def test_a_page_without_a_proof_says_so() -> None:
    """Silence is not a proof."""
    text = page(manifest(record("a.parquet")), name="clean")
    assert "Not verified" in read(text)
    assert "proof good" not in text


def test_what_failed_to_verify_stands_first_and_nothing_calls_it_verified() -> None:
    """Each problem is listed, and no green box stands beside them."""
    text = page(
        manifest(record("a.parquet")), problems=["a.parquet holds 3 erased rows", "b"], proof=PROOF, name="clean"
    )
    assert "a.parquet holds 3 erased rows" in read(text)
    assert "proof good" not in text
    assert PROOF["statement"] not in text


def test_dates_come_from_the_files_paths() -> None:
    """Rows are counted by the date of their partition; files of one date count together."""
    made = manifest(
        record("date=2024-05-01/a.parquet", dropped=3),
        record("date=2024-05-01/b.parquet", dropped=1),
        record("2024-05-02.parquet"),
    )
    text = read(page(made, name="clean"))
    assert "2024-05-01 20 16 4 0" in text
    assert "2024-05-02 10 10 0 0" in text


def test_many_dates_are_counted_by_the_month() -> None:
    """A page for years of dates stays readable."""
    days = [f"date=2024-{month:02}-{day:02}/a.parquet" for month in range(1, 6) for day in range(1, 29)]
    text = read(page(manifest(*(record(path, dropped=1) for path in days)), name="clean"))
    assert "Rows by month" in text
    assert "2024-05 280 252 28 0" in text


def test_partitions_by_year_and_month_are_dates_too() -> None:
    """Where some paths name a month only, all rows are counted by the month."""
    made = manifest(record("year=2024/month=5/a.parquet", dropped=3), record("year=2024/month=05/day=07/a.parquet"))
    assert "2024-05 20 17 3 0" in read(page(made, name="clean"))


@pytest.mark.parametrize("name", ["part-20240501.parquet", "2024-5-1.parquet", "12024-05-01.parquet", "2024-05-017"])
def test_paths_without_dates_make_no_table_of_dates(name: str) -> None:
    """Numbers in a file's name are not taken for a date."""
    assert "Rows by" not in read(page(manifest(record(name, dropped=2)), name="clean"))


def test_a_long_list_of_files_is_cut_and_says_so() -> None:
    """Ten thousand files are for the manifest; those that changed come first."""
    made = manifest(*(record(f"{n:05}.parquet") for n in range(1500)), record("zzz.parquet", dropped=1))
    text = read(page(made, name="clean"))
    assert "501 more files stand in the manifest" in text
    assert "zzz.parquet" in text


def test_files_that_are_no_parquet_have_no_rows() -> None:
    """Nobody looked into them, so the page gives no number."""
    other = FileRecord("README.txt", "copy", None, 5, "a" * 64, 5, "a" * 64, rows_in=None, rows_kept=None)
    assert "README.txt copy – 0 0 5" in read(page(manifest(other), name="clean"))


def test_what_could_not_be_kept_is_listed_once_with_its_files() -> None:
    """A note that holds for a thousand files is one line."""
    note = ("bloom filters were dropped",)
    made = manifest(record("a", dropped=1, notes=note), record("b", dropped=1, notes=note), ignored=(".DS_Store",))
    text = read(page(made, name="clean"))
    assert text.count("bloom filters were dropped") == 1
    assert "bloom filters were dropped (2 files)" in text
    assert "Hidden and temporary files were not taken: 1" in text


def test_without_the_drawing_libraries_the_page_has_tables_and_says_so(tmp_path: Path) -> None:
    """The extra is optional: nothing but the pictures is lost."""
    code = (
        "import sys; sys.modules['altair'] = None; sys.modules['vl_convert'] = None\n"
        "import importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name in ('altair', 'vl_convert') else find(name, *a)\n"
        "from compliance_frames.report.html import Asked, page\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from test_html import manifest, record, results\n"
        "text = page(manifest(record('date=2024-05-01/a', dropped=1)), name='x', "
        "asked=Asked.counted([results(('tweets', 1, 'deleted'))]))\n"
        "print('<svg' in text, 'compliance-frames[report]' in text, '<td>deleted</td>' in text)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "True"]


def test_pictures_take_the_colours_of_the_page() -> None:
    """In the dark the ink is light: no colour of text and no ground is fixed in a drawing."""
    drawing = charts.along({("2024-05-01", "dropped"): 3, ("2024-05-02", "scrubbed"): 1}, ["dropped", "scrubbed"])
    assert drawing.startswith("<svg")
    assert "currentColor" in drawing
    assert not re.search(r'fill="(white|black|#000|#fff)', drawing)


def test_every_bar_is_drawn() -> None:
    """A picture shows each of the counts that it was given."""
    drawing = charts.across(
        {("deleted", "tweets"): 30, ("bounced", "tweets"): 1, ("deleted", "users"): 2}, ["tweets", "users"]
    )
    assert drawing.count('aria-roledescription="bar"') == 3
    assert "deleted" in drawing
    assert "bounced" in drawing


def written(tmp_path: Path) -> Path:
    clean = tmp_path / "clean"
    clean.mkdir()
    manifest(record("a.parquet", dropped=1)).write(manifest_path(clean))
    return clean


def test_the_page_lies_beside_the_dataset(tmp_path: Path) -> None:
    """By default nobody has to name it, and the dataset's directory stays a dataset."""
    clean = written(tmp_path)
    assert report(clean, results(("tweets", 1, "deleted"))) == tmp_path / "clean.report.html" == report_path(clean)
    assert "deleted 1" in read((tmp_path / "clean.report.html").read_text())
    assert not list(clean.iterdir())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clean", "clean.manifest.json", "clean.report.html"]


def test_a_page_inside_the_dataset_is_refused(tmp_path: Path) -> None:
    """A foreign file there would break its readers and its proof."""
    clean = written(tmp_path)
    (tmp_path / "link").symlink_to(clean)
    for inside in (clean / "report.html", tmp_path / "link" / "report.html"):
        with pytest.raises(DestinationError, match="inside the dataset"):
            report(clean, output=inside)
    assert not list(clean.iterdir())


def test_a_dataset_without_a_manifest_has_no_page(tmp_path: Path) -> None:
    """What this tool did not finish, it does not describe."""
    with pytest.raises(VerificationError, match="no manifest"):
        report(tmp_path / "clean")
    assert not list(tmp_path.iterdir())


def test_a_page_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the new page cannot be written, the old one stands and no piece is left."""
    clean = written(tmp_path)
    old = report(clean).read_text()
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        report(clean, results(("tweets", 1, "deleted")))
    assert report_path(clean).read_text() == old
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".part")]


def test_no_results_at_all_make_an_empty_table_and_no_picture() -> None:
    """A corpus in which everything is still there has a page too."""
    text = page(manifest(record("date=2024-05-01/a")), asked=Asked.counted([results()], {"tweets": 10}), name="clean")
    assert "reasons in all 0" in read(text)
    assert "<svg" not in text


def test_the_span_of_the_answers_is_told() -> None:
    """Old answers are seen to be old."""
    later = datetime(2024, 6, 3, 8, 0, tzinfo=UTC)
    text = read(page(manifest(record("a"), checked_at=(NOW, later)), asked=Asked.counted([results()]), name="clean"))
    assert "Answers of 2024-06-01 12:30 UTC to 2024-06-03 08:00 UTC" in text
    assert html.MOST_DATES > 31


def test_what_went_is_told_by_kind_and_adds_up() -> None:
    """Each kind in words with its sum over all files, the rows dropped in all, and what stays; or else nothing."""
    kinds = {"dropped_own": 3, "dropped_retweets": 1, "quotes_nulled": 2}
    records = [record("a", dropped=4, kinds=kinds), record("b", dropped=4, scrubbed=5, kinds=kinds), record("c")]
    proof = PROOF | {"checks": [{"name": "mentions", "what": "bare IDs", "counted": 77}]}
    text = page(manifest(*records), name="clean", proof=proof)
    rows = dict(re.findall(r'<tr><td>([^<]*)</td><td class="n">([\d,]+)</td></tr>', text))
    told = {KINDS["dropped_own"]: "6", KINDS["dropped_retweets"]: "2", KINDS["quotes_nulled"]: "4"}
    assert told.items() <= rows.items()
    assert KINDS["dropped_by_author"] not in rows
    assert (rows["rows dropped in all"], rows["taken out of rows that stay"]) == ("8", "4")
    assert (rows["rows that stay without their place"], rows["bare IDs of others, which stay by policy"]) == ("5", "77")
    assert "What went, and why" not in page(manifest(record("c")), name="clean")
