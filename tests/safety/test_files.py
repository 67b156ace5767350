"""Who else has an account on the computer reads none of it; who opens a table in a spreadsheet runs none of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import compliance_frames as cf
from compliance_frames import sample
from compliance_frames.cli import main
from compliance_frames.cli.tables import writer
from compliance_frames.emulator import Emulator


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("no_umask")
def test_a_ledger_and_what_is_written_of_it_are_the_owners_alone(tmp_path: Path) -> None:
    """Files 0600, directories 0700, whatever the umask: database, chunks, results, the table that was asked for."""
    with Emulator(seed=1, processing=timedelta(0)) as service:
        results = cf.check(
            range(2 * 10**18, 2 * 10**18 + 500), ledger=tmp_path / "a.ledger", poll=timedelta(milliseconds=20),
            bearer_token=service.bearer_token, base_url=service.base_url,
        )  # fmt: skip
    for name in ("a.parquet", "a.csv", "a.jsonl"):
        (tmp_path / name).touch()  # it was there before, for all to read
        writer(tmp_path / name)(results)
    seen = {path: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert {mode for path, mode in seen.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in seen.items() if path.is_file()} == {0o600}
    assert len(seen) > 8


@pytest.mark.parametrize("umask", [0, 0o077])
def test_what_a_whole_run_leaves_is_the_owners_alone(
    umask: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the umask: the copy has its source's modes, and all else is 0600 in 0700, also when written anew."""
    corpus, modes = tmp_path / "corpus", {"part-0.parquet": 0o640, "README": 0o444}
    sample.corpus(corpus, rows=300, days=2)
    (corpus / "README").write_text("about")
    for path in corpus.rglob("*"):
        path.chmod(0o750 if path.is_dir() else modes[path.name])
    corpus.chmod(0o755)
    key = tmp_path / "key.pem"
    key.write_bytes(Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    key.chmod(0o600)
    out = tmp_path / "out"
    out.mkdir(0o755)
    (out / "clean.report.html").touch(0o666)
    before = os.umask(umask)
    try:
        with Emulator(seed=1, processing=timedelta(0)) as service:
            monkeypatch.setenv("X_BEARER_TOKEN", service.bearer_token)
            monkeypatch.setenv("COMPLIANCE_FRAMES_BASE_URL", service.base_url)
            assert main(["run", str(corpus), str(out / "clean"), "--poll", "1s", "--sign-key", str(key)]) == 0
            answers = ["--ledger", str(out / "clean.ledger")]
            assert main(["report", str(out / "clean"), *answers, "-o", str(out / "other.html")]) == 0
            assert main(["verify", str(out / "clean"), *answers, "--certificate", str(out / "other.json")]) == 0
    finally:
        os.umask(before)
    seen = {path.relative_to(out): path.stat().st_mode & 0o777 for path in out.rglob("*")}
    copied = {path: mode for path, mode in seen.items() if path.parts[0] == "clean"}
    ours = {path: mode for path, mode in seen.items() if path.parts[0] != "clean"}
    assert copied == {
        Path("clean", path.relative_to(corpus)): path.stat().st_mode & 0o777 for path in (corpus, *corpus.rglob("*"))
    }
    assert {mode for path, mode in ours.items() if (out / path).is_dir()} == {0o700}
    assert {path: mode for path, mode in ours.items() if (out / path).is_file() and mode != 0o600} == {}
    assert {path.name for path in ours if len(path.parts) == 1} == {
        "clean.ledger", "clean.manifest.json", "clean.certificate.json", "clean.report.html",
        "other.html", "other.json",
    }  # fmt: skip


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r"])
def test_a_text_that_a_spreadsheet_would_run_is_only_text(first: str, tmp_path: Path) -> None:
    """In CSV alone: the other formats are read by programs, and keep what the service said."""
    told = f'{first}HYPERLINK("https://evil.example")'
    results = pa.table({"id": [1, 2], "reason": pa.array([told, "deleted"]).dictionary_encode()})
    writer(tmp_path / "a.csv")(results)
    writer(tmp_path / "a.parquet")(results)
    assert pl.read_csv(tmp_path / "a.csv")["reason"].to_list() == [f"'{told}", "deleted"]
    assert pl.read_parquet(tmp_path / "a.parquet")["reason"].cast(pl.String).to_list() == [told, "deleted"]
