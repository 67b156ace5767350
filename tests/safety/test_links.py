"""Symbolic links lead to other places: nothing is read, written or certified through one that somebody put there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import compliance_frames as cf
from compliance_frames.cli import main
from compliance_frames.corpus.manifest import manifest_path
from compliance_frames.durable import write_private, write_private_once
from compliance_frames.errors import ComplianceFramesError, DestinationError, PlanError, VerificationError
from compliance_frames.proof.certificate import certificate_path
from compliance_frames.report.html import report

FLAGGED = pa.table({"type": ["tweets"], "id": [2], "action": ["delete"], "reason": ["deleted"]})


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Two days of two tweets."""
    for day in (1, 2):
        path = tmp_path / f"corpus/date=2024-05-0{day}/part-0.parquet"
        path.parent.mkdir(parents=True)
        pq.write_table(pa.table({"id": [str(day), str(day + 10)], "text": ["a", "b"]}), path)
    return tmp_path / "corpus"


def there(folder: Path) -> dict[str, bytes | str | None]:
    """Everything below a directory: what files hold, and where links lead."""
    return {
        path.relative_to(folder).as_posix(): str(path.readlink())
        if path.is_symlink()
        else path.read_bytes()
        if path.is_file()
        else None
        for path in sorted(folder.rglob("*"))
    }


@pytest.mark.parametrize("target", ["loop.parquet", ".", "..", "../outside.parquet", "/dev/zero", "date=2024-05-01"])
def test_a_link_in_the_source_is_not_followed(target: str, corpus: Path, tmp_path: Path) -> None:
    """Loops, ways up and out, devices: the link is named, and nothing is written."""
    (tmp_path / "outside.parquet").write_bytes((corpus / "date=2024-05-01/part-0.parquet").read_bytes())
    (corpus / "loop.parquet").symlink_to(target)
    with pytest.raises(PlanError, match=r"loop\.parquet is a symbolic link"):
        cf.plan(corpus, FLAGGED)
    assert {path.name for path in tmp_path.iterdir()} == {"corpus", "outside.parquet"}


def test_a_directory_that_became_a_link_since_the_plan_is_not_followed(corpus: Path, tmp_path: Path) -> None:
    """Though the files behind it are the very same."""
    made = cf.plan(corpus, FLAGGED)
    (corpus / "date=2024-05-01").rename(tmp_path / "moved")
    (corpus / "date=2024-05-01").symlink_to(tmp_path / "moved")
    with pytest.raises(PlanError, match="date=2024-05-01"):
        cf.clean(made, tmp_path / "clean")
    assert not (tmp_path / "clean").exists()


@pytest.mark.parametrize("way", ["corpus/out", "inside/out", "corpus/date=2024-05-01/out", "."])
def test_an_output_inside_its_input_or_around_it_is_refused(way: str, corpus: Path, tmp_path: Path) -> None:
    """By name, or by a link to a directory within."""
    (tmp_path / "inside").symlink_to(corpus / "date=2024-05-02")
    before = there(tmp_path)
    with pytest.raises(DestinationError, match=r"lies inside"):
        cf.clean(cf.plan(corpus, FLAGGED), tmp_path / way)
    assert there(tmp_path) == before


@pytest.mark.parametrize("path", ["loop", "loop/clean", "a\0b", "corpus/\0"])
@pytest.mark.parametrize("act", ["plan", "clean", "verify", "check", "ledger", "report", "certificate"])
def test_a_path_that_is_none_is_an_error_of_ours(act: str, path: str, corpus: Path, tmp_path: Path) -> None:
    """A loop of links and a NUL, wherever a path may be given."""
    (tmp_path / "loop").symlink_to("loop")
    odd, made = tmp_path / path, cf.plan(corpus, FLAGGED)
    acts: dict[str, Callable[[], object]] = {
        "plan": lambda: cf.plan(odd, FLAGGED),
        "clean": lambda: cf.clean(made, odd),
        "verify": lambda: cf.verify(odd, FLAGGED),
        "check": lambda: cf.check(odd, ledger=tmp_path / "ledger", bearer_token="t", base_url="http://127.0.0.1:9"),
        "ledger": lambda: cf.plan(corpus, ledger=odd),
        "report": lambda: report(odd, FLAGGED),
        "certificate": lambda: cf.Certificate.read(odd),
    }
    with pytest.raises(ComplianceFramesError):
        acts[act]()


@pytest.mark.parametrize(
    "command",
    ["check loop --ledger l", "plan loop --ledger l", "plan corpus --ledger loop", "clean corpus loop --ledger l",
     "clean loop out --ledger l", "run loop out", "run corpus loop", "run corpus loop/out", "verify loop --ledger l",
     "verify out --certificate loop", "report loop --ledger l", "report out --ledger loop", "jobs --ledger loop"],
)  # fmt: skip
def test_a_loop_of_links_on_the_command_line_is_no_surprise(
    command: str, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence, the exit code of its kind, and nothing written through it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("X_BEARER_TOKEN", "token")
    monkeypatch.setenv("COMPLIANCE_FRAMES_BASE_URL", "http://127.0.0.1:9")
    (tmp_path / "loop").symlink_to("loop")
    assert main(command.split()) != 0
    told = capsys.readouterr().err
    assert "unexpected" not in told
    assert "error: " in told


def test_what_is_written_beside_a_dataset_follows_no_link(corpus: Path, tmp_path: Path) -> None:
    """In a directory where others may write: what they put there is replaced, and where it leads is left alone."""
    clean, precious = tmp_path / "clean", tmp_path / "precious"
    precious.write_text("precious")
    page = tmp_path / "clean.report.html"
    for path in (manifest_path(clean), page):
        for name in (f"{path.name}.part", f".{path.name}.part"):
            path.with_name(name).symlink_to(precious)
    page.symlink_to(precious)
    cf.clean(cf.plan(corpus, FLAGGED), clean)
    report(clean)
    for path in (manifest_path(clean), page):
        assert not path.is_symlink()
    certificate_path(clean).symlink_to(tmp_path / "nowhere")
    with pytest.raises(DestinationError, match="never written over"):
        cf.verify(clean, FLAGGED).certify(certificate_path(clean))
    assert precious.read_text() == "precious"
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("write", [write_private, write_private_once])
def test_a_private_file_is_private_whatever_lay_beside_it(write: Callable[[Path, bytes], None], tmp_path: Path) -> None:
    """A link in the place of its beginnings, or a file for all to read, gets nothing of it."""
    (tmp_path / "theirs").write_text("theirs")
    (tmp_path / "a.part").symlink_to(tmp_path / "theirs")
    write(tmp_path / "a", b"ours")
    (tmp_path / "b.part").write_text("")
    (tmp_path / "b.part").chmod(0o666)
    with (tmp_path / "b.part").open("rb") as held:
        write(tmp_path / "b", b"ours")
        assert held.read() == b""
    assert (tmp_path / "theirs").read_text() == "theirs"
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in "ab"] == [0o600, 0o600]


def test_a_cleaned_dataset_that_became_a_link_is_not_that_dataset(corpus: Path, tmp_path: Path) -> None:
    """Its files may be; a directory in it that is a link now is told, and where it leads is not looked into."""
    clean = tmp_path / "clean"
    cf.clean(cf.plan(corpus, FLAGGED), clean)
    certificate = cf.verify(clean, FLAGGED).certify(certificate_path(clean))
    (clean / "date=2024-05-01").rename(tmp_path / "moved")
    (clean / "date=2024-05-01").symlink_to(tmp_path / "moved")
    (clean / "loop").symlink_to("loop")
    for check in (lambda: cf.verify(clean, FLAGGED), lambda: certificate.check(clean)):
        with pytest.raises(VerificationError) as caught:
            check()
        assert any("date=2024-05-01 " in problem for problem in caught.value.problems)
        assert any(problem.startswith("loop ") for problem in caught.value.problems)
