"""File names are data: none of them is a pattern, an address, markup, a command to a terminal, or a way out."""

from __future__ import annotations

import ast
import gzip
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jsonschema
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import compliance_frames as cf
from compliance_frames import sample
from compliance_frames.cli import main
from compliance_frames.console import Display
from compliance_frames.corpus.manifest import manifest_path
from compliance_frames.emulator import Emulator
from compliance_frames.errors import IdError, VerificationError
from compliance_frames.ids.intake import read_ids
from compliance_frames.names import inside
from compliance_frames.proof.certificate import certificate_path, schema
from compliance_frames.report.html import report
from compliance_frames.schemas import RESULTS

PACKAGE = Path(cf.__file__).parent
FLAGGED = pa.Table.from_pylist(
    [{"type": "tweets", "id": 2, "action": "delete", "reason": "deleted", "created_at": None, "redacted_at": None,
      "job_id": 1, "checked_at": datetime(2024, 5, 1, tzinfo=UTC)}],
    schema=RESULTS,
)  # fmt: skip


def corpus_of(root: Path, name: bytes) -> Path:
    path = Path(os.fsdecode(os.fsencode(root / "corpus") + b"/" + name))
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        pq.write_table(pa.table({"id": ["1", "2"], "text": ["a", "b"]}), file)
    return root / "corpus"


@pytest.mark.parametrize(
    "name",
    [
        b"a[1].parquet",
        b"*.parquet",
        b"a?{b}.parquet",
        b'it\'s "quoted"; DROP TABLE cells.parquet',
        b"new\nline.parquet",
        b"esc\x1b[31m.parquet",
        b"date=..%2f..%2fetc/p.parquet",
        b"date=%00/p.parquet",
        b"--help.parquet",
        b"~root.parquet",
        b"s3:/x.parquet",
        b"<script>alert(1)<.parquet",
        b"caf\xe9.parquet",
        b"lang=fran\xe7ais/\xff\xfe \xed\xb3\xa9.parquet",
    ],
)
def test_any_name_goes_through_plan_clean_verify_and_report(
    name: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The copy has the same name, everything is where it belongs, and no terminal or page is taken over."""
    corpus = corpus_of(tmp_path, name)
    plan = cf.plan(corpus, FLAGGED)
    cf.clean(plan, tmp_path / "clean")
    proof = cf.verify(tmp_path / "clean", FLAGGED, source=corpus)
    page = report(tmp_path / "clean", FLAGGED, proof=proof.to_dict()).read_text()
    kept = Path(os.fsdecode(os.fsencode(tmp_path / "clean") + b"/" + name))
    with kept.open("rb") as file:
        assert pq.read_metadata(file).num_rows == 1
    assert {each.name for each in tmp_path.iterdir()} == {
        "corpus", "clean", "clean.manifest.json", "clean.report.html"
    }  # fmt: skip
    assert "<script" not in page
    Display().show(str(plan))
    assert "\x1b[31m" not in capsys.readouterr().out


#: Where a statement is put together: of names that stand in the code, never of what comes from outside.
KNOWN = {
    ("jobs/ledger.py", "f'UPDATE chunks SET {names} WHERE id = ?'"),
    ("proof/rescan.py", "f'CREATE TABLE {name} AS FROM given'"),
}


def test_no_statement_is_made_of_values() -> None:
    """What is executed as SQL is written in the code; values are bound. The exceptions are known by their text."""
    made = set()
    for module in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
                continue
            if node.func.attr in {"execute", "executemany", "sql", "query"} and not isinstance(
                node.args[0], ast.Constant | ast.Name
            ):
                made.add((module.relative_to(PACKAGE).as_posix(), ast.unparse(node.args[0])))
    assert made == KNOWN


def test_every_duckdb_is_locked_down() -> None:
    """Each connection is made with a configuration that forbids files, extensions and changes of itself."""
    from compliance_frames.proof import rescan

    calls: list[tuple[str, str]] = []
    for module in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("duckdb."):
                calls.append((module.name, ast.unparse(node)))
    assert sorted(calls) == [
        ("kept.py", "duckdb.connect(':memory:', config={**LOCKED_DOWN, 'threads': '1'})"),
        *[("rescan.py", "duckdb.connect(':memory:', config=LOCKED_DOWN)")] * 3,
    ]
    import duckdb

    with duckdb.connect(":memory:", config=rescan.LOCKED_DOWN) as connection:
        for statement in (
            "FROM read_csv('/etc/passwd')",
            "FROM '/etc/passwd'",
            "COPY (SELECT 1) TO '/tmp/x.csv'",
            "ATTACH '/tmp/x.db'",
            "INSTALL httpfs",
            "LOAD httpfs",
            "SET enable_external_access = true",
        ):
            with pytest.raises(duckdb.Error):
                connection.execute(statement)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """An emulator that the command line finds."""
    with Emulator(seed=1, processing=timedelta(0)) as running:
        monkeypatch.setenv("X_BEARER_TOKEN", running.bearer_token)
        monkeypatch.setenv("COMPLIANCE_FRAMES_BASE_URL", running.base_url)
        yield running


@pytest.mark.usefixtures("service")
def test_a_whole_run_among_names_that_are_not_utf_8(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Directories, files, ledger and certificate: each is named exactly in what programs read, and gives no trouble."""
    home = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    corpus, clean, name = home / "corpus\udcff", home / "clean\udcfe", "lang=fran\udce7ais/\udc80.parquet"
    sample.corpus(corpus, rows=400, days=1)
    (corpus / name).parent.mkdir()
    next(corpus.glob("date=*/*.parquet")).rename(corpus / name)
    (corpus / "le\udce9s-moi.txt").write_text("about")
    assert main(["run", str(corpus), str(clean), "--poll", "1s", "--json"]) == 0
    ran = capfd.readouterr()
    told = json.loads(ran.out.splitlines()[-1])
    assert told["destination"] == str(clean)
    assert "caf\\udce9" in ran.err
    files = {file["path"] for file in json.loads(manifest_path(clean).read_text())["files"]}
    assert files == {name, "le\udce9s-moi.txt"}
    certificate = certificate_path(clean)
    content = json.loads(certificate.read_text())
    jsonschema.validate(content, schema())
    assert (content["dataset"], content["source"]) == (clean.name, corpus.name)
    assert {file["path"] for file in content["files"]} == files
    page = next(path for path in home.iterdir() if path.name.endswith(".html")).read_text(encoding="utf-8")
    assert "lang=fran\\udce7ais/\\udc80.parquet" in page
    ledger = str(next(path for path in home.iterdir() if path.name.endswith(".ledger")))
    for command in (
        ["check", str(corpus), "--ledger", ledger],
        ["plan", str(corpus), "--ledger", ledger],
        ["verify", str(clean), "--certificate", str(certificate)],
        ["verify", str(clean), "--ledger", ledger, "--source", str(corpus)],
        ["report", str(clean), "--ledger", ledger],
    ):
        assert main([*command, "--json"]) == 0, command
        json.loads(capfd.readouterr().out.splitlines()[-1])
    (clean / name).rename(clean / "other\udcea.parquet")
    assert main(["verify", str(clean), "--certificate", str(certificate), "--json"]) == 3
    problems = json.loads(capfd.readouterr().out.splitlines()[-1])["error"]["problems"]
    assert problems == [f"{name} was renamed to other\udcea.parquet"]


def test_an_object_of_such_names_can_be_printed_and_tabled(tmp_path: Path) -> None:
    """Python's own ``print`` ends with an error at a lone surrogate, and Arrow holds none."""
    corpus = corpus_of(tmp_path, b"fran\xe7ais/caf\xe9.parquet")
    clean = tmp_path / "clean\udcfe"
    plan = cf.plan(corpus, FLAGGED)
    assert plan.to_arrow()["path"].to_pylist() == ["fran\\udce7ais/caf\\udce9.parquet"]
    done, proof = cf.clean(plan, clean), cf.verify(clean, FLAGGED, source=corpus)
    held = proof.certify(tmp_path / "c.json").check(clean)
    for each in (plan, done, proof, held):
        assert f"{each}{each!r}{each._repr_html_()}".encode()
    (clean / "more\udcff").write_text("")
    with pytest.raises(VerificationError) as caught:
        cf.verify(clean, FLAGGED)
    assert f"{caught.value}{caught.value.problems}".encode()


@pytest.mark.parametrize("name", ["caf\udce9.txt", "caf\udce9.csv", "caf\udce9.jsonl", "caf\udce9.txt.gz"])
def test_ids_are_read_from_a_file_of_any_name(name: str, tmp_path: Path) -> None:
    """Text, CSV and JSONL, packed or not; the error about a bad one names it, and can be printed."""
    content = {"csv": b"id,x\n7,1\n", "jsonl": b'{"id": "7"}\n'}.get(name.rpartition(".")[2], b"7\n")
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    assert read_ids(path).values.to_pylist() == [7]
    path.write_bytes(gzip.compress(b"7.5\n") if name.endswith("gz") else content.replace(b"7", b"7.5"))
    with pytest.raises(IdError, match=r"caf\\udce9"):
        read_ids(path)


@pytest.mark.parametrize(
    "path",
    [
        "../a",
        "/a",
        "a/../../b",
        "",
        ".",
        "a\0b",
        "a//b",
        "./a",
        "a/",
        "caf\udcc3\udca9.parquet",
        "\ud800",
        5,
        None,
        ["a"],
    ],
)
def test_a_path_in_a_document_is_one_that_a_listing_gives(path: object) -> None:
    """Not out of the dataset, and no second spelling of a file, which would hide it from whoever searches for it."""
    with pytest.raises(ValueError, match="path"):
        inside(path)
