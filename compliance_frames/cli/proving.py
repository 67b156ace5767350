"""The commands that prove: ``verify`` and ``report``, and the certificate that comes of them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from compliance_frames.cli import options
from compliance_frames.cli.given import Given, given
from compliance_frames.console import Display

if TYPE_CHECKING:
    from compliance_frames.proof.certificate import Certificate
    from compliance_frames.proof.recheck import Recheck
    from compliance_frames.proof.signature import PublicKey, SigningKey
    from compliance_frames.proof.verify import Proof


def signing_key(path: Path | None) -> SigningKey | None:
    """The key that ``--sign-key`` names; its passphrase comes from the environment, or is asked for at a terminal.

    Raises:
        click.UsageError: it cannot be used, which is better said before any work is done.
    """
    if path is None:
        return None
    from compliance_frames.errors import ComplianceFramesError
    from compliance_frames.proof.signature import SigningKey

    try:
        return SigningKey.read(path, ask=_passphrase if sys.stdin.isatty() else None)
    except ComplianceFramesError as error:
        raise click.UsageError(f"--sign-key: {error}") from None


def _passphrase() -> str:
    return str(click.prompt("Passphrase of the signing key", hide_input=True, err=True))


def _public_key(path: Path | None) -> PublicKey | None:
    if path is None:
        return None
    from compliance_frames.errors import ComplianceFramesError
    from compliance_frames.proof.signature import PublicKey

    try:
        return PublicKey.read(path)
    except ComplianceFramesError as error:
        raise click.UsageError(f"--public-key: {error}") from None


def _prove(
    display: Display, dest: Path, given: Given, source: Path | None = None, sample: float | None = None
) -> Proof:
    from compliance_frames.proof.verify import verify as prove

    results = given.tables
    with display.progress() as told:
        return prove(dest, *results, ledger=given.ledger, source=source, sample=sample, progress=told)


def _recheck(
    display: Display, dest: Path, certificate: Path, key: PublicKey | None = None, proof: Proof | None = None
) -> Recheck:
    from compliance_frames.proof.certificate import Certificate

    held = Certificate.read(certificate)
    with display.progress() as told:
        return held.check(dest, public_key=key, proof=proof, progress=told)


def prove_and_report(
    display: Display,
    dest: Path,
    given: Given,
    *,
    source: Path | None = None,
    output: Path | None = None,
    certificate: Path,
    certify: bool = False,
    key: SigningKey | None = None,
) -> tuple[Proof, Path]:
    """The proof and the page; where the proof fails, the page says so before the error goes on.

    A certificate that is there is held against the dataset; where there is none, one is written if so told.
    """
    from compliance_frames.errors import VerificationError
    from compliance_frames.report.html import report as write_page

    try:
        proof = _prove(display, dest, given, source)
        shown = _certified(display, proof, certificate, certify=certify, key=key)
    except VerificationError as error:
        problems = error.problems or (str(error),)
        page = write_page(dest, *given.tables, ledger=given.ledger, problems=problems, output=output)
        display.say(f"what was found stands in {page}")
        raise
    told: Mapping[str, Any] | None = None if shown is None else shown.to_dict()
    page = write_page(dest, *given.tables, ledger=given.ledger, proof=proof.to_dict(), certificate=told, output=output)
    return proof, page


def _certified(
    display: Display, proof: Proof, path: Path, *, certify: bool, key: SigningKey | None
) -> Certificate | None:
    """The certificate beside a dataset: the one that is there, if it holds, or a new one."""
    if path.exists():
        display.say(f"the certificate {path} is there already and is not written again: it is checked")
        signer = None if key is None else key.public_key
        return _recheck(display, proof.destination, path, signer, proof).certificate
    return proof.certify(path, sign_key=key) if certify else None


@click.command()
@click.argument("dest", type=options.PATH)
@given("Ledger that the results are taken from.")
@click.option(
    "--source", type=options.PATH, metavar="CORPUS", help="Also look in the cleaned copy for text of erased rows."
)
@click.option(
    "--certificate",
    type=options.PATH,
    metavar="FILE",
    help="A certificate that is there is checked, and never written over. Where there is none, one is written.",
)
@click.option(
    "--sample",
    type=options.Fraction(),
    metavar="PART",
    help="Look into a part (10%) of the row groups, and say so.",
)
@options.sign_key
@click.option(
    "--public-key",
    type=options.PATH,
    metavar="FILE",
    help="Key (PEM) that the certificate must be signed with.",
)
@options.output
def verify(
    dest: Path,
    given: Given,
    source: Path | None,
    certificate: Path | None,
    sample: float | None,
    sign_key: Path | None,
    public_key: Path | None,
    display: Display,
) -> None:
    """Prove that DEST holds nothing that had to go, by code that shares nothing with clean.

    With --certificate and no results, only see that DEST is what was certified once: every file, and nothing more.
    With both, DEST is verified anew, by what the ledger or the files say now.

    Exit code 3, and one line for each thing found, when it is not so.

    \b
    Example:
      compliance-frames verify clean/ --ledger corpus.ledger
      compliance-frames verify clean/ --ledger corpus.ledger --certificate c.json
      compliance-frames verify clean/ --certificate c.json
    """
    options.keep_apart(certificate, "--certificate", dest)
    is_there = certificate is not None and certificate.exists()
    with_results = given.ledger is not None or given.in_files
    _must_make_sense(is_there, with_results, certificate, sign_key, public_key)
    for option, value in (("--source", source), ("--sample", sample)) if not with_results else ():
        if value is not None:
            raise click.UsageError(f"{option} is for verifying by the results of a ledger: give --ledger DIR too.")
    key, trusted = signing_key(sign_key), _public_key(public_key)
    proof = _prove(display, dest, given, source, sample) if with_results else None
    told: dict[str, Any] = {"command": "verify", **given.to_dict()}
    if proof is not None:
        display.show(str(proof))
        told |= proof.to_dict()
    if certificate is not None and not is_there and proof is not None:
        made = proof.certify(certificate, sign_key=key)
        display.show(f"certificate written to {certificate}: {_by(made)}")
        told |= {"certificate_digest": made.digest}
    elif certificate is not None:
        held = _recheck(display, dest, certificate, trusted, proof)
        display.show(str(held))
        told |= {"recheck": held.to_dict()} if proof else held.to_dict()
    written = None if certificate is None else {"certificate": str(certificate), "certificate_written": not is_there}
    display.answer({**told, "verified": True, **(written or {"certificate": None})})


def _must_make_sense(
    is_there: bool,
    with_results: bool,
    certificate: Path | None,
    sign_key: Path | None,
    public_key: Path | None,
) -> None:
    """Options that contradict each other are told before any work.

    Raises:
        click.UsageError: some do.
        VerificationError: a certificate was to be checked, and there is none.
    """
    if not with_results and certificate is None:
        raise click.UsageError(
            "give --ledger DIR to verify by its results, or --certificate FILE to check one (or --results FILE)."
        )
    if not with_results and not is_there:
        from compliance_frames.proof.certificate import problem

        raise problem(f"there is no certificate {certificate} to check; with --ledger DIR, one is written")
    if sign_key is not None and (certificate is None or is_there):
        why = f"{certificate} exists, and is not written over" if is_there else "give --certificate FILE too"
        raise click.UsageError(f"--sign-key signs a certificate that is written: {why}.")
    if public_key is not None and not is_there:
        raise click.UsageError("--public-key checks a certificate that is there: name one with --certificate FILE.")


def _by(certificate: Certificate) -> str:
    signature = certificate.signature
    return "not signed" if signature is None else f"signed by the key {signature.public_key.fingerprint}"


@click.command()
@click.argument("dest", type=options.PATH)
@given("Ledger that the results are taken from.")
@options.output_file
@options.output
def report(dest: Path, given: Given, output: Path | None, display: Display) -> None:
    """Verify DEST and write one HTML page of what was done to it, with counts and pictures.

    The page is one file that fetches nothing; it holds no tweet and no user. A certificate that lies beside DEST
    (DEST.certificate.json) is checked, and shown in it.

    \b
    Example:
      compliance-frames report clean/ --ledger corpus.ledger -o report.html
    """
    from compliance_frames.proof.certificate import certificate_path

    given.must_be_some()
    proof, page = prove_and_report(display, dest, given, output=output, certificate=certificate_path(dest))
    display.show(f"report written to {page}")
    display.answer(
        {"command": "report", "destination": str(dest), "report": str(page), "verified": True, "proof": proof.to_dict()}
    )
