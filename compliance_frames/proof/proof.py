"""What a verification found: a value that says what was checked, and what was not."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from compliance_frames.proof.certificate import Certificate
    from compliance_frames.proof.evidence import Evidence
    from compliance_frames.proof.signature import SigningKey

from compliance_frames.names import shown
from compliance_frames.proof.sampling import Sample


@dataclass(frozen=True)
class Check:
    """One thing that was checked and found in order.

    Attributes:
        name: of the check, in a word or two.
        what: what holds now that it was done.
        counted: how many rows, IDs, files or pages it looked at.
    """

    name: str
    what: str
    counted: int


@dataclass(frozen=True)
class Proof:
    """A cleaned dataset was looked into, and nothing was found that had to go.

    Attributes:
        destination: the dataset.
        files: how many it holds.
        rows: of all its Parquet files, and records of raw ones.
        asked: how many IDs the service was asked about, by type; None where no ledger told.
        flagged: how many IDs it flagged.
        job_ids: the jobs that the answers came from.
        verified_at: when this was done (UTC).
        checks: what was checked.
        not_checked: what was not; one sentence each.
        statement: what was found, in one sentence.
        verified: true: whoever holds a proof was not told of a problem.
        evidence: what a certificate is made of.
        sample: the part of the row groups that was looked into; None for all of them.
    """

    destination: Path
    files: int
    rows: int
    asked: dict[str, int] | None
    flagged: int
    job_ids: tuple[int, ...]
    verified_at: datetime
    checks: tuple[Check, ...]
    not_checked: tuple[str, ...]
    statement: str
    verified: Literal[True] = True
    sample: Sample | None = None
    evidence: Evidence | None = field(default=None, repr=False, compare=False)

    def certify(
        self, path: str | os.PathLike[str], *, sign_key: SigningKey | str | os.PathLike[str] | None = None
    ) -> Certificate:
        """Write down what was verified, for those who ask years later; ``Certificate.read(path).check(…)`` is for them.

        Args:
            path: of the certificate, mode 0600. One that is there already is never written over.
            sign_key: your own Ed25519 key, or the PEM file that it stands in; needs the extra ``sign``.

        Raises:
            DestinationError: there is something at the path, or it lies inside of the dataset.
            ComplianceFramesError: the key cannot be used, or the proof was not made by ``verify``.
        """
        from compliance_frames.proof.certificate import certify

        return certify(self, path, sign_key=sign_key)

    def to_dict(self) -> dict[str, Any]:
        """The proof as JSON has it; job IDs as text, as numbers of their size lose digits in some readers."""
        return {
            **{each.name: getattr(self, each.name) for each in fields(self) if each.name != "evidence"},
            "destination": str(self.destination),
            "job_ids": [str(job) for job in self.job_ids],
            "verified_at": self.verified_at.isoformat(),
            "sample": None if self.sample is None else asdict(self.sample),
            "checks": [asdict(check) for check in self.checks],
            "not_checked": list(self.not_checked),
        }

    def __str__(self) -> str:
        width = max(len(check.name) for check in self.checks)
        digits = max(len(f"{check.counted:,}") for check in self.checks)
        checked = [f"  {check.name:<{width}}  {check.counted:>{digits},}  {check.what}" for check in self.checks]
        left = [f"  not checked: {sentence}" for sentence in self.not_checked]
        return shown("\n".join([f"verified: {self.destination}", self.statement, *checked, *left]))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{escape(check.name)}</th><td style='text-align:right'>{check.counted:,}"
            f"</td><td style='text-align:left'>{escape(check.what)}</td></tr>"
            for check in self.checks
        )
        left = "".join(f"<li>not checked: {escape(sentence)}</li>" for sentence in self.not_checked)
        return (
            f"<table><caption>verified: {escape(shown(str(self.destination)))}</caption>{rows}</table>"
            f"<p>{escape(shown(self.statement))}</p><ul>{left}</ul>"
        )
