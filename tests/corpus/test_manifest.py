"""The manifest says what was done, says nothing it must not, and is refused when it was damaged."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from compliance_frames.corpus.manifest import ColumnPaths, FileRecord, Manifest, manifest_path
from compliance_frames.errors import VerificationError

MOMENT = datetime(2024, 5, 1, 12, tzinfo=UTC)


def a_record(**changes: object) -> FileRecord:
    plain = FileRecord(
        path="date=2024-05-01/größe 1.parquet",
        decision="rewrite",
        columns=0,
        source_bytes=100,
        source_sha256="ab" * 32,
        bytes=80,
        sha256="cd" * 32,
        rows_in=10,
        rows_kept=7,
        rows_dropped=3,
        rows_scrubbed=2,
        notes=("the zstd level is not known",),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def a_manifest(**changes: object) -> Manifest:
    plain = Manifest(
        tool_version="0.1.0",
        written_at=MOMENT,
        source="corpus",
        plan_digest="2c26b46b",
        policy={"deleted": "drop", "scrub_geo": "scrub_geo"},
        unchecked="keep",
        job_ids=(1423091032104865800,),
        checked_at=(MOMENT, MOMENT),
        columns=(ColumnPaths("id", "author_id", geo=("geo",), references=("referenced_tweets",)),),
        files=(a_record(),),
        ignored=(".DS_Store",),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "manifest",
    [
        a_manifest(),
        a_manifest(checked_at=None, job_ids=(), ignored=(), files=(), columns=()),
        a_manifest(files=(a_record(columns=None, rows_in=None, rows_kept=None, rows_dropped=0, decision="copy"),)),
        a_manifest(columns=(ColumnPaths("id", geo=()),)),
    ],
    ids=["full", "empty", "not parquet", "told that there is no geo"],
)
def test_what_is_written_is_read_back_equal(manifest: Manifest, tmp_path: Path) -> None:
    """A manifest survives the way to disk and back, with every type in place."""
    manifest.write(tmp_path / "clean.manifest.json")
    assert Manifest.read(tmp_path / "clean.manifest.json") == manifest
    assert Manifest.from_json(manifest.to_json()).to_json() == manifest.to_json()


def test_only_the_owner_may_read_it_and_no_part_of_it_stays_behind(tmp_path: Path) -> None:
    """The file is 0600 whatever stood there before, and it is alone in its directory."""
    target = tmp_path / "clean.manifest.json"
    target.write_text("older")
    target.chmod(0o666)
    (tmp_path / ".clean.manifest.json.part").write_text("a killed run's")
    a_manifest().write(target)
    assert target.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [target]


def test_it_lies_beside_the_dataset() -> None:
    """Inside the dataset it would be in the way of every reader of the directory."""
    assert manifest_path(Path("out/clean")) == Path("out/clean.manifest.json")
    assert manifest_path("clean/") == Path("clean.manifest.json")
    assert manifest_path(".") == Path.cwd().with_name(f"{Path.cwd().name}.manifest.json")


def test_long_ids_of_jobs_are_text() -> None:
    """A reader that knows only floats would round them."""
    assert json.loads(a_manifest().to_json())["job_ids"] == ["1423091032104865800"]


def edited(**changes: object) -> str:
    """A manifest edited by hand, its digest left as it was."""
    return json.dumps(json.loads(a_manifest().to_json()) | changes)


def resealed(**changes: object) -> str:
    """A manifest edited by somebody who computes the digest anew."""
    from compliance_frames.corpus.manifest import _digest

    content = {key: value for key, value in (json.loads(a_manifest().to_json()) | changes).items() if key != "digest"}
    return json.dumps({**content, "digest": _digest(content)})


FILE = json.loads(a_manifest().to_json())["files"][0]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "no manifest, or half of one"),
        (a_manifest().to_json()[:-40], "no manifest, or half of one"),
        ("[1, 2]", "no manifest"),
        ('{"format": "something else"}', "no manifest"),
        (edited(version=99), "upgrade compliance-frames"),
        (edited(version="1"), "no version that makes sense"),
        (edited(version=0), "no version that makes sense"),
        (edited(source="other"), "changed after it was written"),
        (edited(digest=None), "changed after it was written"),
        (resealed(surprise=1), "does not hold what it must"),
        (resealed(policy={"deleted": "burn"}), "'burn' is none of drop"),
        (resealed(written_at="2024-05-01"), "no time zone"),
        (resealed(checked_at=["2024-05-01T00:00:00+00:00"]), "does not hold what it must"),
        (resealed(files=[FILE | {"path": "../../etc/passwd"}]), "leads out of the dataset"),
        (resealed(files=[FILE | {"path": "/etc/passwd"}]), "leads out of the dataset"),
        (resealed(files=[FILE | {"rows_kept": 8}]), "do not add up"),
        (resealed(files=[FILE | {"kinds": {"quotes_nulled": "many"}}]), "counts nothing"),
        (resealed(files=[FILE | {"erased": "not a digest"}]), "no SHA-256"),
        (resealed(files=[FILE | {"columns": 1}]), "names columns that are not there"),
        (resealed(files=[FILE | {"decision": "guess"}]), "'guess' is none of copy"),
        (resealed(files=[{"path": "a"}]), "does not hold what it must"),
    ],
)
def test_a_damaged_or_newer_manifest_is_refused_with_its_reason(text: str, complaint: str, tmp_path: Path) -> None:
    """Nothing is read from a manifest that cannot be wholly understood; the message names the file and the fault."""
    path = tmp_path / "clean.manifest.json"
    path.write_text(text)
    with pytest.raises(VerificationError, match=complaint) as caught:
        Manifest.read(path)
    assert str(path) in str(caught.value)
    assert caught.value.problems == (str(caught.value),)


def test_a_missing_manifest_and_one_that_is_no_text_are_told_apart(tmp_path: Path) -> None:
    """Each has its own sentence."""
    with pytest.raises(VerificationError, match="there is no manifest"):
        Manifest.read(tmp_path / "none.manifest.json")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(VerificationError, match="cannot be read"):
        Manifest.read(tmp_path / "binary")


def test_a_file_that_nobody_looked_into_has_no_columns() -> None:
    """Asking for them is a mistake of the caller."""
    with pytest.raises(ValueError, match="not Parquet"):
        a_manifest().columns_of(a_record(columns=None))
