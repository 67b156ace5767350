"""What the README shows is what happens."""

from __future__ import annotations

import contextlib
import io
import re
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import compliance_frames as cf
from compliance_frames import sample
from compliance_frames.emulator import Emulator
from compliance_frames.proof.signature import SigningKey

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_program_prints_the_table_that_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first program runs as it stands, on the corpus of the demo, and prints what the README says."""
    monkeypatch.chdir(tmp_path)
    sample.corpus("corpus", rows=20_000)
    printed = io.StringIO()
    with Emulator(processing=timedelta(0)) as service:
        monkeypatch.setenv("X_BEARER_TOKEN", service.bearer_token)
        monkeypatch.setenv("COMPLIANCE_FRAMES_BASE_URL", service.base_url)
        with contextlib.redirect_stdout(printed):
            exec(compile(blocks("python")[0], "README.md", "exec"), {})
    assert printed.getvalue() == blocks("text")[0]


def test_the_beginning_says_what_it_is_and_how_to_run_it() -> None:
    """The first 40 lines hold both commands and the program."""
    head = "\n".join(README.splitlines()[:40])
    assert "compliance-frames demo" in head
    assert "cf.verify" in head
    assert "pytest" in head
    assert "suspended" in head


def test_every_test_that_is_named_is_there() -> None:
    """Each row of "What it survives" names a test that exists."""
    section = README.partition("## What it survives")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 30
    for row in rows:
        (named,) = re.findall(r"`(tests/[a-z_/]+\.py)::(test_[a-z_]+)`", row)
        code = (Path(__file__).parents[1] / named[0]).read_text(encoding="utf-8")
        assert re.search(rf"^def {named[1]}\(", code, re.MULTILINE), row


def test_a_certificate_is_checked_by_hand_as_its_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without this package: digest, signature and files agree by the few lines that are shown, or one of them fails."""
    page = (Path(__file__).parents[1] / "compliance_frames" / "proof" / "certificate.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert "compliance_frames" not in program
    monkeypatch.chdir(tmp_path)
    sample.corpus("corpus", rows=300, days=2)
    flagged = pa.table({"type": ["tweets"], "id": [1], "action": ["delete"], "reason": ["deleted"]})
    cf.clean(cf.plan("corpus", flagged), "clean")
    key = SigningKey(Ed25519PrivateKey.generate())
    cf.verify("clean", flagged).certify("clean.certificate.json", sign_key=key)
    exec(compile(program, "certificate.md", "exec"), {})
    assert capsys.readouterr().out.split() == ["signed", "by", key.public_key.fingerprint]
    written = Path("clean.certificate.json").read_text()
    Path("clean.certificate.json").write_text(written.replace("corpus", "other"))
    with pytest.raises(AssertionError):
        exec(compile(program, "certificate.md", "exec"), {})
