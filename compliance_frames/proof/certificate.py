"""A certificate of erasure: what was verified, in one file that can be held against the dataset years later.

It holds counts, times, digests and the sentences of a proof; no tweet, no user, and no ID but those of the compliance
jobs and those that stand in names of files. Of the IDs that were asked and that had to go it holds digests, so that
whoever has the ledger can see that they are the same. A plain digest of a few IDs could be guessed by trying IDs, also
with a salt that stands beside it: so each is made with a random key (HMAC-SHA-256) that never leaves the ledger, where
the IDs themselves stand. When the ledger is destroyed, nobody can tell any more which IDs they were. Without a ledger
there is no such key, and only counts are given.

``certificate.schema.json``, beside this module, documents every field.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from importlib.metadata import version as version_of
from importlib.resources import files as resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import compliance_frames
from compliance_frames.corpus.manifest import Manifest
from compliance_frames.documents import read_document
from compliance_frames.durable import write_private_once
from compliance_frames.errors import ComplianceFramesError, DestinationError, VerificationError
from compliance_frames.names import leads_into
from compliance_frames.proof.canonical import canonical
from compliance_frames.proof.evidence import Evidence, key_id
from compliance_frames.proof.proof import Check, Proof
from compliance_frames.proof.reading import FORMAT, VERSION, CertifiedFile, IdDigest, content_of, fields_of
from compliance_frames.proof.signature import PublicKey, Signature, SigningKey
from compliance_frames.schemas import Treatment, Unchecked

if TYPE_CHECKING:
    from compliance_frames.progress import ProgressCallback
    from compliance_frames.proof.recheck import Recheck

#: A damaged certificate is not repeated in the sentence about it.
_MOST_SAID: Final = 300
_READS_WITH: Final = ("pyarrow", "duckdb", "numpy")


@dataclass(frozen=True)
class Certificate:
    """What was verified of a dataset, and when.

    Attributes:
        statement: what was found, in one sentence.
        dataset: the name of the dataset, without the way to it.
        source: the name of the dataset that it was made from.
        manifest_sha256: SHA-256 of the dataset's manifest.
        asked_at: the first and the last answer that counted, or None where nothing was flagged.
        cleaned_at: when the dataset was written.
        verified_at: when it was verified.
        jobs: the compliance jobs that the answers came from.
        policy: what had to become of rows, by reason.
        unchecked: what had to become of rows whose ID was never asked.
        counts: of files, bytes and rows, and of IDs flagged.
        key_id: names the key that the digests of IDs are made with; None where there was no ledger.
        ids: the IDs asked and erased, as digests.
        checks: what was checked and found in order.
        not_checked: what was not; one sentence each.
        files: every file, by its path.
        cleaned_with: the version of this package that wrote the dataset.
        verified_with: the versions of the software that verified it.
        signature: of whoever vouches for it, or None.
        version: of this format.
    """

    statement: str
    dataset: str
    source: str
    manifest_sha256: str
    asked_at: tuple[datetime, datetime] | None
    cleaned_at: datetime
    verified_at: datetime
    jobs: tuple[str, ...]
    policy: Mapping[str, Treatment]
    unchecked: Unchecked
    counts: Mapping[str, int]
    key_id: str | None
    ids: tuple[IdDigest, ...]
    checks: tuple[Check, ...]
    not_checked: tuple[str, ...]
    files: tuple[CertifiedFile, ...] = field(repr=False)
    cleaned_with: str
    verified_with: Mapping[str, str]
    signature: Signature | None = None
    version: int = VERSION

    @classmethod
    def of(cls, proof: Proof) -> Certificate:
        """The certificate of a proof; it makes the ledger's key to digests of IDs, where there is none yet.

        Raises:
            ComplianceFramesError: the proof was not made by ``verify``, or the ledger cannot be written.
        """
        evidence = proof.evidence
        if evidence is None:
            raise ComplianceFramesError("only a proof that verify(…) has made can be certified: call it again")
        manifest, key = evidence.manifest, evidence.key(make=True)
        said = _without_the_way(proof)
        return cls(
            statement=said(proof.statement),
            dataset=proof.destination.name,
            source=manifest.source,
            manifest_sha256=manifest_digest(manifest),
            asked_at=evidence.asked_at,
            cleaned_at=manifest.written_at,
            verified_at=proof.verified_at,
            jobs=tuple(map(str, proof.job_ids)),
            policy=dict(sorted(manifest.policy.items())),
            unchecked=manifest.unchecked,
            counts=_counts(proof, manifest),
            key_id=None if key is None else key_id(key),
            ids=id_digests(evidence, key),
            checks=tuple(replace(check, what=said(check.what)) for check in proof.checks),
            not_checked=tuple(map(said, proof.not_checked)),
            files=tuple(CertifiedFile(r.path, r.bytes, r.rows_kept, r.sha256) for r in manifest.files),
            cleaned_with=manifest.tool_version,
            verified_with=_versions(),
        )

    @property
    def content(self) -> bytes:
        """What a signature is made over: all of it but the signature, as canonical JSON (RFC 8785)."""
        return canonical(_content(self))

    @property
    def digest(self) -> str:
        """SHA-256 of the content, in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()

    def signed(self, key: SigningKey) -> Certificate:
        """The same, signed."""
        return replace(self, signature=key.sign(self.content))

    def check(
        self,
        destination: str | os.PathLike[str],
        *,
        public_key: PublicKey | str | os.PathLike[str] | None = None,
        proof: Proof | None = None,
        progress: ProgressCallback | None = None,
    ) -> Recheck:
        """Hold a dataset against its certificate; neither ledger nor results are needed.

        Args:
            destination: the dataset, wherever it lies now.
            public_key: the key that you trust, or the PEM file that it stands in.
            proof: of a verification just made: were the IDs the same?
            progress: told after each file.

        Returns:
            What agrees, and who signed.

        Raises:
            VerificationError: something does not agree (``.problems`` holds a sentence for each thing).
            ComplianceFramesError: the certificate is signed and the extra ``sign`` is not installed.
        """
        from compliance_frames.proof.recheck import recheck

        return recheck(self, destination, public_key=public_key, proof=proof, progress=progress)

    def to_dict(self) -> dict[str, Any]:
        """The certificate as JSON has it."""
        signed = {} if self.signature is None else {"signature": self.signature.to_dict()}
        return {**_content(self), "digest": self.digest, **signed}

    def to_json(self) -> str:
        """The certificate as text."""
        return json.dumps(self.to_dict(), indent=1) + "\n"

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write it, whole or not at all, for the owner's eyes only (mode 0600), and never over another.

        Raises:
            DestinationError: there is something at the path already.
            OSError: there is no room, or no permission.
        """
        try:
            write_private_once(Path(path), self.to_json().encode())
        except FileExistsError:
            raise DestinationError(f"{path} exists, and a certificate is never written over: name another") from None

    @classmethod
    def from_json(cls, text: str) -> Certificate:
        """The certificate that a text holds.

        Raises:
            VerificationError: it is none, was changed after it was written, or is of another version.
        """
        content = content_of(text)
        said, signature = content.pop("digest", None), content.pop("signature", None)
        try:
            vouching = None if signature is None else Signature.from_dict(signature)
            found = cls(**fields_of(content), signature=vouching)
            _agrees_with_itself(found, content)
            digest = found.digest
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise VerificationError(
                f"the certificate does not hold what it must ({str(error)[:_MOST_SAID]}): it was damaged or changed"
            ) from None
        if said != digest:
            raise VerificationError(
                "the certificate was changed after it was written: its digest does not agree with it"
            )
        return found

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Certificate:
        """Read a certificate.

        Raises:
            VerificationError: there is none, it cannot be read, it was changed, or it is of another version.
        """
        try:
            return cls.from_json(read_document(Path(path)))
        except FileNotFoundError:
            raise problem(f"there is no certificate {path}") from None
        except (OSError, ValueError) as error:
            raise problem(f"the certificate {path} cannot be read: {error}") from error
        except VerificationError as error:
            raise problem(f"{path}: {error}") from error


def certify(
    proof: Proof, path: str | os.PathLike[str], *, sign_key: SigningKey | str | os.PathLike[str] | None = None
) -> Certificate:
    """Write the certificate of a proof; see :meth:`Proof.certify`."""
    if leads_into(path, proof.destination):
        raise DestinationError(f"the certificate {path} would lie inside the dataset that it is of: write it elsewhere")
    key = sign_key if sign_key is None or isinstance(sign_key, SigningKey) else SigningKey.read(sign_key)
    made = Certificate.of(proof)
    made = made if key is None else made.signed(key)
    made.write(path)
    return made


def certificate_path(destination: str | os.PathLike[str]) -> Path:
    """Where the certificate of a dataset lies, if nobody says otherwise: beside it.

    >>> certificate_path("out/clean/").as_posix()
    'out/clean.certificate.json'
    """
    dataset = Path(destination)
    if dataset.name in {"", ".."}:
        dataset = dataset.resolve()
    return dataset.with_name(f"{dataset.name}.certificate.json")


def schema() -> dict[str, Any]:
    """The JSON Schema of certificates, which documents each field.

    >>> schema()["title"]
    'Certificate of erasure'
    """
    text = resources("compliance_frames.proof").joinpath("certificate.schema.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def id_digests(evidence: Evidence, key: bytes | None) -> tuple[IdDigest, ...]:
    """The sets of IDs behind a proof, as digests by a key; without one, how many they are."""
    return tuple(IdDigest(each.name, each.count, None if key is None else each.sealed(key)) for each in evidence.sets)


def problem(sentence: str) -> VerificationError:
    """An error that is one problem."""
    return VerificationError(sentence, problems=(sentence,))


def manifest_digest(manifest: Manifest) -> str:
    """SHA-256 of a manifest as it is written: by it a certificate knows the dataset that it is of."""
    return hashlib.sha256(manifest.to_json().encode()).hexdigest()


def _without_the_way(proof: Proof) -> Callable[[str], str]:
    """Sentences of a proof that name the dataset, and not where on somebody's disk it lies."""
    return lambda sentence: sentence.replace(f"under {proof.destination}", f"under {proof.destination.name}")


def _counts(proof: Proof, manifest: Manifest) -> dict[str, int]:
    def total(name: str) -> int:
        return sum(getattr(record, name) or 0 for record in manifest.files)

    return {
        "files": len(manifest.files),
        "bytes": total("bytes"),
        "rows": total("rows_kept"),
        **{name: total(name) for name in ("rows_in", "rows_dropped", "rows_scrubbed", "rows_unchecked")},
        "flagged": proof.flagged,
    }


def _versions() -> dict[str, str]:
    libraries = {name: version_of(name) for name in _READS_WITH}
    return {"compliance-frames": compliance_frames.__version__, "python": platform.python_version(), **libraries}


def _content(certificate: Certificate) -> dict[str, Any]:
    """A certificate as JSON has it, without digest and signature."""
    asked = certificate.asked_at
    return {
        "format": FORMAT,
        "version": certificate.version,
        "statement": certificate.statement,
        "dataset": certificate.dataset,
        "source": certificate.source,
        "manifest_sha256": certificate.manifest_sha256,
        "asked_at": None if asked is None else [moment.isoformat() for moment in asked],
        "cleaned_at": certificate.cleaned_at.isoformat(),
        "verified_at": certificate.verified_at.isoformat(),
        "jobs": list(certificate.jobs),
        "policy": dict(certificate.policy),
        "unchecked": certificate.unchecked,
        "counts": dict(certificate.counts),
        "key_id": certificate.key_id,
        "ids": [dict(vars(each)) for each in certificate.ids],
        "checks": [dict(vars(check)) for check in certificate.checks],
        "not_checked": list(certificate.not_checked),
        "cleaned_with": certificate.cleaned_with,
        "verified_with": dict(certificate.verified_with),
        "files": [dict(vars(file)) for file in certificate.files],
    }


def _agrees_with_itself(certificate: Certificate, content: dict[str, Any]) -> None:
    """What a reader relies on without asking.

    Raises:
        ValueError: there is something that nobody knows of, or the counts are not those of the files.
    """
    if _content(certificate) != content:
        unknown = sorted(set(content) - set(_content(certificate)))
        raise ValueError(f"{', '.join(map(repr, unknown)) or 'a value'} is not written as a certificate has it")
    counts, files = certificate.counts, certificate.files
    if len({file.path for file in files}) != len(files):
        raise ValueError("a file stands twice in it")
    sums = {
        "files": len(files),
        "bytes": sum(file.bytes for file in files),
        "rows": sum(file.rows or 0 for file in files),
        "rows_in": counts["rows"] + counts["rows_dropped"],
    }
    for name, total in sums.items():
        if counts[name] != total:
            raise ValueError(f"its count of {name.replace('_', ' ')} is {counts[name]:,}, and its parts give {total:,}")
