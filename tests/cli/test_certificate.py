"""``--certificate`` writes a certificate where there is none, checks one that is there, and says which it did."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from compliance_frames.cli import main

if TYPE_CHECKING:
    from compliance_frames.emulator import Emulator


def make_keys(folder: Path, name: str) -> tuple[Path, Path]:
    """A private and a public key in PEM files."""
    key = Ed25519PrivateKey.generate()
    private, public = folder / f"{name}.pem", folder / f"{name}.pub.pem"
    private.touch(0o600)
    private.write_bytes(key.private_bytes(ser.Encoding.PEM, ser.PrivateFormat.PKCS8, ser.NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(ser.Encoding.PEM, ser.PublicFormat.SubjectPublicKeyInfo))
    return private, public


@dataclass(frozen=True)
class Whole:
    """What ``run`` has made once, signed: a folder to copy from."""

    folder: Path


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory, made: Path, service: Emulator) -> Whole:
    """A corpus, cleaned and certified by ``run``, and what it needed."""
    folder = tmp_path_factory.mktemp("whole")
    shutil.copytree(made, folder / "corpus")
    make_keys(folder, "mine")
    make_keys(folder, "other")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("X_BEARER_TOKEN", service.bearer_token)
        patch.setenv("COMPLIANCE_FRAMES_BASE_URL", service.base_url)
        assert main(["run", "corpus", "clean", "--poll", "0.02s", "--sign-key", "mine.pem"]) == 0
    return Whole(folder)


@pytest.fixture
def certified(whole: Whole, tmp_path: Path) -> Path:
    """A copy of it in the test's own folder; the certificate."""
    shutil.copytree(whole.folder, tmp_path, dirs_exist_ok=True)
    return Path("clean.certificate.json")


def test_run_writes_a_signed_certificate_beside_its_report(run: Any, certified: Path) -> None:
    """It is checked years later with nothing but the dataset, itself, and a public key."""
    for left in ("clean.ledger", "corpus"):
        shutil.rmtree(left)
    Path("clean.manifest.json").unlink()
    ran = run("verify", "clean", "--certificate", certified, "--public-key", "mine.pub.pem", "--json")
    assert ran.code == 0
    assert (ran.json["verified"], ran.json["certificate_written"], ran.json["ledger"]) == (True, False, None)
    assert ran.json["signature"].startswith("signed by the key given")
    untrusting = run("verify", "clean", "--certificate", certified)
    assert untrusting.code == 0
    assert "the certificate holds" in untrusting.out
    assert "not checked against a key that you trust" in " ".join(untrusting.out.split())


def test_the_page_shows_the_certificate(run: Any, certified: Path) -> None:
    """Statement, digests and signature are those of the file; a page made again has them too."""
    told = json.loads(certified.read_text())
    first = Path("clean.report.html").read_text()
    assert run("report", "clean", "--ledger", "clean.ledger").code == 0
    for page in (first, Path("clean.report.html").read_text()):
        for shown in (told["statement"], told["digest"], told["ids"][0]["digest"], "Ed25519"):
            assert shown in page


def test_the_same_run_again_checks_the_certificate_and_writes_none(run: Any, certified: Path, online: Emulator) -> None:
    """A certificate is of the moment at which it was made; a later run holds the dataset against it."""
    before = certified.read_bytes()
    again = ["run", "corpus", "clean", "--poll", "0.02s"]
    ran = run(*again, "--sign-key", "mine.pem")
    assert ran.code == 0
    assert "is there already and is not written again: it is checked" in " ".join(ran.err.split())
    assert certified.read_bytes() == before
    assert run(*again, "--sign-key", "other.pem", "--json").code == 3
    (Path("clean") / "README.md").write_text("a file more")
    assert run(*again).code != 0
    assert certified.read_bytes() == before


def test_with_a_ledger_the_dataset_is_verified_anew_as_well(run: Any, certified: Path) -> None:
    """Both are told, and whether the IDs are the same."""
    ran = run("verify", "clean", "--ledger", "clean.ledger", "--certificate", certified, "--json")
    assert ran.code == 0
    assert ran.json["rows"] == ran.json["recheck"]["rows"] > 0
    assert ran.json["checks"]
    assert ran.json["recheck"]["ids"] == "those that were asked and that had to go are the very ones of the certificate"


def test_a_certificate_is_written_where_there_is_none_and_said_to_be(run: Any, certified: Path) -> None:
    """Writing and checking cannot be taken for one another."""
    ran = run("verify", "clean", "--ledger", "clean.ledger", "--certificate", "second.json", "--sign-key", "mine.pem")
    assert ran.code == 0
    assert "certificate written to second.json: signed by the key" in ran.out
    assert Path("second.json").stat().st_mode & 0o777 == 0o600
    checked = run("verify", "clean", "--certificate", "second.json")
    assert "certificate written" not in checked.out
    assert "the certificate holds" in checked.out
    third = run("verify", "clean", "--ledger", "clean.ledger", "--certificate", "third.json", "--json").json
    assert (third["certificate"], third["certificate_written"]) == ("third.json", True)


def test_a_certificate_that_is_not_there_is_no_success(run: Any, certified: Path) -> None:
    """Exit code 3 for an auditor whose certificate is missing, and nothing is written in its place."""
    ran = run("verify", "clean", "--certificate", "clean.certificat.json")
    assert ran.code == 3
    assert "there is no certificate clean.certificat.json to check; with --ledger DIR, one is written" in ran.error
    assert not Path("clean.certificat.json").exists()


def test_what_fails_to_verify_is_not_certified(run: Any, certified: Path) -> None:
    """No certificate of a dataset in which something was found."""
    (Path("clean") / "more.txt").touch()
    assert run("verify", "clean", "--ledger", "clean.ledger", "--certificate", "second.json").code == 3
    assert not Path("second.json").exists()


@pytest.mark.parametrize("tampering", ["file", "more", "less", "renamed", "field", "signature", "stripped"])
def test_every_tampering_is_exit_code_3_and_a_sentence(tampering: str, run: Any, certified: Path) -> None:
    """In the dataset or in the certificate: nothing passes, and no traceback is shown."""
    one = min(Path("clean").rglob("*.parquet"))
    told = json.loads(certified.read_text())
    if tampering == "file":
        one.write_bytes(one.read_bytes()[:100] + b"?" + one.read_bytes()[101:])
    elif tampering == "more":
        one.with_name("more.parquet").write_bytes(one.read_bytes())
    elif tampering == "less":
        one.unlink()
    elif tampering == "renamed":
        one.rename(one.with_name("part-9.parquet"))
    elif tampering == "field":
        certified.write_text(json.dumps({**told, "cleaned_at": "2020-01-01T00:00:00+00:00"}))
    elif tampering == "signature":
        value = told["signature"]["value"]
        told["signature"]["value"] = ("A" if value[0] != "A" else "B") + value[1:]
        certified.write_text(json.dumps(told))
    else:
        del told["signature"]
        certified.write_text(json.dumps(told))
    ran = run("verify", "clean", "--certificate", certified, "--public-key", "mine.pub.pem", "--json")
    assert ran.code == 3
    assert ran.json["error"]["problems"]
    assert ran.error
    assert "Traceback" not in ran.err


def test_another_key_than_the_trusted_one_is_told(run: Any, certified: Path) -> None:
    """Both fingerprints are named."""
    ran = run("verify", "clean", "--certificate", certified, "--public-key", "other.pub.pem")
    assert ran.code == 3
    assert ran.error.count("fingerprint") == 1
    assert "another key than the one given" in ran.error


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--certificate", "clean.certificate.json", "--source", "corpus"], "give --ledger DIR too"),
        (
            ["--certificate", "clean.certificate.json", "--ledger", "clean.ledger", "--sign-key", "mine.pem"],
            "exists, and is not written over",
        ),
        (["--certificate", "new.json", "--ledger", "clean.ledger", "--sign-key", "mine.pub.pem"], "read by others"),
        (["--certificate", "clean.certificate.json", "--public-key", "mine.pem"], "no public key in a PEM file"),
        (["--certificate", "clean.certificate.json", "--public-key", "nowhere.pem"], "nowhere.pem cannot be read"),
    ],
)
def test_options_that_make_no_sense_together_are_told_before_any_work(
    args: list[str], said: str, run: Any, certified: Path
) -> None:
    """Exit code 2, and what would be right."""
    ran = run("verify", "clean", *args)
    assert ran.code == 2
    assert said in ran.error
    assert not Path("new.json").exists()


def test_run_refuses_early_where_a_certificate_of_another_dataset_lies(
    run: Any, certified: Path, online: Emulator
) -> None:
    """It is evidence of what lay there once; nothing is asked, and it stays."""
    shutil.rmtree("clean")
    jobs = len(online.jobs)
    ran = run("run", "corpus", "clean", "--max-age", "0s", "--poll", "0.02s")
    assert ran.code == 2
    assert "never written over" in ran.error
    assert certified.exists()
    assert len(online.jobs) == jobs


def test_no_secret_and_nobody_stands_in_a_certificate(run: Any, certified: Path, service: Emulator) -> None:
    """No token, no key, no ID of the corpus, of tweets or of authors."""
    import polars as pl

    text = certified.read_text() + Path("clean.report.html").read_text()
    assert service.bearer_token not in text
    assert not [line for line in Path("mine.pem").read_text().splitlines() if line in text and "KEY" not in line]
    frame = pl.concat([pl.read_parquet(path, glob=False) for path in Path("corpus").rglob("*.parquet")])
    ids = {*frame["id"].to_list(), *frame["author_id"].to_list()}
    assert len(ids) > 2000
    found = {word for id in map(str, ids) if (word := id) in text}
    assert not found
