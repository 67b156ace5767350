"""Hold a dataset against its certificate, years later: the same files, nothing more, and who signed for it."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any, Final

from compliance_frames.corpus.manifest import Manifest, manifest_path
from compliance_frames.errors import VerificationError
from compliance_frames.names import shown
from compliance_frames.progress import Progress, ProgressCallback, silent
from compliance_frames.proof.certificate import Certificate, id_digests, problem
from compliance_frames.proof.evidence import key_id
from compliance_frames.proof.footer import MAGIC, read_footer
from compliance_frames.proof.inventory import entries_below
from compliance_frames.proof.proof import Proof
from compliance_frames.proof.reading import CertifiedFile
from compliance_frames.proof.signature import PublicKey

#: Of another dataset altogether, nobody reads every problem.
MOST_PROBLEMS: Final = 100
_UNSIGNED: Final = (
    "not signed: whoever could change the files could have changed the certificate with them, and sealed it again"
)


@dataclass(frozen=True)
class Recheck:
    """A dataset is the one that was certified.

    Attributes:
        destination: where it lies now.
        certificate: what it was held against.
        checked_at: when this was done (UTC).
        signature: who signed the certificate, and whether that is known to be who you trust; a sentence.
        ids: whether a ledger's IDs are those of the certificate; a sentence, or None where no ledger was asked.
        manifest: whether the manifest that lies beside the dataset is the one of the certificate; a sentence.
    """

    destination: Path
    certificate: Certificate
    checked_at: datetime
    signature: str
    ids: str | None = None
    manifest: str = ""

    @property
    def statement(self) -> str:
        """What agrees, and of when that which was certified is; it never says more."""
        counts, until = self.certificate.counts, self.certificate.asked_at
        as_of = "" if until is None else f" What people chose after {_minute(until[1])} was not looked at."
        return (
            f"The {counts['files']:,} files under {self.destination} are those that were certified at "
            f"{_minute(self.certificate.verified_at)}: none is missing, none was added, each has the size, the rows "
            f"and the SHA-256 of the certificate. It says of them: {self.certificate.statement}{as_of}"
        )

    def to_dict(self) -> dict[str, Any]:
        """The outcome as JSON has it."""
        return {
            "destination": str(self.destination),
            "checked_at": self.checked_at.isoformat(),
            "statement": self.statement,
            "signature": self.signature,
            "ids": self.ids,
            "manifest": self.manifest,
            "not_checked": list(self.certificate.not_checked),
            **{name: self.certificate.counts[name] for name in ("files", "bytes", "rows")},
            "certified_at": self.certificate.verified_at.isoformat(),
            "certificate_digest": self.certificate.digest,
        }

    def __str__(self) -> str:
        more = [] if self.ids is None else [f"  IDs: {self.ids}"]
        left = [f"  not checked then: {sentence}" for sentence in self.certificate.not_checked]
        signed = f"  signature: {self.signature}"
        more += [f"  manifest: {self.manifest}"] if self.manifest else []
        return shown("\n".join([f"the certificate holds: {self.destination}", self.statement, signed, *more, *left]))

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


def recheck(
    certificate: Certificate,
    destination: str | os.PathLike[str],
    *,
    public_key: PublicKey | str | os.PathLike[str] | None = None,
    proof: Proof | None = None,
    progress: ProgressCallback | None = None,
) -> Recheck:
    """Hold a dataset against a certificate; see :meth:`Certificate.check`."""
    root = Path(os.path.abspath(destination))  # noqa: PTH100 - as verify has it: a link is not followed to another name
    signed = _signed(certificate, public_key)
    if not root.is_dir():
        raise problem(f"there is no dataset at {destination}")
    problems = list(_problems(certificate, root, progress or silent))
    ids = None if proof is None else _compared(certificate, proof, problems)
    manifest = _manifest(certificate, root, problems)
    if problems:
        some = "" if len(problems) == 1 else f" (the first of {len(problems):,} problems)"
        raise VerificationError(
            f"{destination} is not what was certified at {_minute(certificate.verified_at)}: {problems[0]}{some}",
            problems=problems[:MOST_PROBLEMS],
        )
    return Recheck(root, certificate, datetime.now(UTC).replace(microsecond=0), signed, ids, manifest)


def _signed(certificate: Certificate, trusted: PublicKey | str | os.PathLike[str] | None) -> str:
    """Who signed; what a certificate says is not looked at before this is in order."""
    known = trusted if trusted is None or isinstance(trusted, PublicKey) else PublicKey.read(trusted)
    if certificate.signature is None:
        if known is not None:
            raise problem("the certificate is not signed, and a public key was given to check its signature with")
        return _UNSIGNED
    try:
        certificate.signature.check(certificate.content)
    except VerificationError as error:
        raise problem(f"the certificate is not to be believed: {error}") from None
    found = certificate.signature.public_key
    if known is None:
        return f"signed by the key with the fingerprint {found.fingerprint}, not checked against a key that you trust"
    if found != known:
        raise problem(
            f"the certificate is signed by another key than the one given: its fingerprint is {found.fingerprint}, and "
            f"that of the key given is {known.fingerprint}"
        )
    return f"signed by the key given, with the fingerprint {found.fingerprint}"


def _problems(certificate: Certificate, root: Path, progress: ProgressCallback) -> Iterator[str]:
    """A sentence for each thing that is not as certified."""
    known = {file.path: file for file in certificate.files}
    there = dict(_lying(root))
    missing = {path: file for path, file in known.items() if path not in there}
    for path, mode in there.items():
        found = None if path in known else _renamed(root / path, mode, missing)
        if found is not None:
            del missing[found]
            yield f"{found} was renamed to {path}"
        elif path not in known:
            yield f"{path} was added since, and was not verified"
        elif not stat.S_ISREG(mode):
            yield f"{path} is {_kind(mode)} now, and was a file"
    yield from (f"{path} is missing" for path in missing)
    for number, file in enumerate(known.values(), 1):
        if stat.S_ISREG(there.get(file.path, 0)):
            yield from _changed(root / file.path, file)
        progress(Progress("verify", "files held against the certificate", number, len(known), "files"))


def _lying(root: Path) -> Iterator[tuple[str, int]]:
    """Everything in a dataset but its directories, with its mode."""
    for path, state in entries_below(root):
        if not stat.S_ISDIR(state.st_mode):
            yield path, state.st_mode


def _renamed(path: Path, mode: int, missing: Mapping[str, CertifiedFile]) -> str | None:
    """Which of the missing files a file is, if it is one of them."""
    if not stat.S_ISREG(mode):
        return None
    size = path.stat().st_size
    alike = [file for file in missing.values() if file.bytes == size]
    digest = _sha256(path) if alike else ""
    return next((file.path for file in alike if file.sha256 == digest), None)


def _changed(path: Path, file: CertifiedFile) -> Iterator[str]:
    """What is wrong with a file that is there."""
    try:
        size = path.stat().st_size
        if size != file.bytes:
            yield f"{file.path} has {size:,} bytes, and {file.bytes:,} by the certificate"
        elif _sha256(path) != file.sha256:
            yield f"{file.path} was changed: its SHA-256 is not the certificate's"
        elif file.rows is not None and (rows := _rows(path)) not in (None, file.rows):
            yield f"{file.path} has {rows:,} rows, and {file.rows:,} by the certificate"
    except (OSError, ValueError) as error:
        yield f"{file.path} cannot be read: {error}"


def _rows(path: Path) -> int | None:
    """The rows of a Parquet file; None of a raw one: how it is to be read, the manifest knows, and SHA-256 vouches."""
    with path.open("rb") as file:
        return read_footer(file).rows if file.read(len(MAGIC)) == MAGIC else None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _manifest(certificate: Certificate, root: Path, problems: list[str]) -> str:
    """Whether what lies beside the dataset as its manifest is the certificate's; there need be none."""
    path = manifest_path(root)
    try:
        digest = hashlib.sha256(Manifest.read(path).to_json().encode()).hexdigest()
    except VerificationError as error:
        if not os.path.lexists(path):
            return "not compared: none lies beside the dataset"
        problems.append(f"{path.name}, beside the dataset, cannot be read as its manifest: {error}")
        return "not compared"
    if digest == certificate.manifest_sha256:
        return "that which lies beside the dataset is the certificate's"
    problems.append(
        f"{path.name}, beside the dataset, is another manifest than the certificate's: it was made again since"
    )
    return "another one"


def _compared(certificate: Certificate, proof: Proof, problems: list[str]) -> str:
    """Whether the IDs of a verification just made are those that were certified, as far as it can be told."""
    key = None if proof.evidence is None else proof.evidence.key(make=False)
    if certificate.key_id is None:
        return "not compared: the certificate was made without a ledger, and has no digests of IDs"
    if key is None or proof.evidence is None or key_id(key) != certificate.key_id:
        return "not compared: this is not the ledger that the certificate was made with"
    if set(map(str, proof.job_ids)) != set(certificate.jobs):
        return "not compared: the ledger has answers of other jobs since; the dataset was verified by these too"
    if id_digests(proof.evidence, key) != certificate.ids:
        problems.append("the IDs that the ledger has asked, or that had to go by it, are not those that were certified")
        return "other ones"
    return "those that were asked and that had to go are the very ones of the certificate"


def _kind(mode: int) -> str:
    return "a symbolic link" if stat.S_ISLNK(mode) else "neither a file nor a link"


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M %Z}"
