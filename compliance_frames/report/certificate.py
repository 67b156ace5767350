"""The section of a page that shows a certificate to those who will never open the file."""

from __future__ import annotations

import hashlib
from base64 import b64decode
from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any, Final

from compliance_frames.report import elements

_SETS: Final = {
    "asked_tweets": "tweets asked about",
    "asked_users": "users asked about",
    "dropped_tweets": "tweets that had to go",
    "dropped_users": "users whose tweets had to go",
    "scrubbed_tweets": "tweets that had to lose their places",
    "scrubbed_users": "users whose tweets had to lose their places",
}
_COUNTS: Final = {"files": "files", "rows": "rows", "bytes": "bytes", "flagged": "IDs flagged"}
_HOLD_AGAINST: Final = (
    "The certificate is a file of its own. Years from now, without ledger or results, this says whether the dataset "
    "is still the one that was verified, file by file:"
)


def section(certificate: Mapping[str, Any]) -> str:
    """What a certificate says, in tables.

    Args:
        certificate: as its ``to_dict()`` gives it.
    """
    parts = [
        "<h2>Certificate</h2>",
        f"<blockquote>{escape(str(certificate['statement']))}</blockquote>",
        _facts(certificate),
        "<h3>What was looked at</h3>",
        elements.checks(certificate["checks"]),
        "<h3>What was not looked at</h3>",
        elements.items(map(str, certificate["not_checked"])),
        "<h3>Which IDs, without the IDs</h3>",
        _ids(certificate["ids"], certificate["key_id"]),
        f"<p>{_HOLD_AGAINST}</p><pre>compliance-frames verify DATASET --certificate CERTIFICATE</pre>",
    ]
    return f'<section class="certificate">{"".join(parts)}</section>'


def _facts(certificate: Mapping[str, Any]) -> str:
    """When, how much, by whom."""
    counts, asked = certificate["counts"], certificate["asked_at"]
    facts: list[tuple[str, str]] = [
        ("Answers of", _span(asked) if asked else "no ID was flagged"),
        ("Cleaned", f"{_when(certificate['cleaned_at'])}, by compliance_frames {escape(certificate['cleaned_with'])}"),
        ("Verified", f"{_when(certificate['verified_at'])}, by {_software(certificate['verified_with'])}"),
        ("Holds", ", ".join(f"{counts[name]:,} {what}" for name, what in _COUNTS.items())),
        ("Digest", f"<code>{escape(certificate['digest'])}</code>"),
        ("Manifest", f"<code>{escape(certificate['manifest_sha256'])}</code>"),
        ("Signature", _signature(certificate.get("signature"))),
    ]
    return f'<dl class="facts">{"".join(f"<dt>{name}</dt><dd>{told}</dd>" for name, told in facts)}</dl>'


def _ids(sets: Sequence[Mapping[str, Any]], key: str | None) -> str:
    rows = [[_SETS.get(each["name"], each["name"]), each["count"], each["digest"]] for each in sets]
    said = (
        "No digests: there was no ledger to keep their key, and without one a few IDs could be guessed"
        if key is None
        else "HMAC-SHA-256 by a key that stays in the ledger: only who has it can compute them, or try a guess"
    )
    return elements.table(said, ["IDs", "#Count", "~Digest"], rows)


def _signature(signature: Mapping[str, str] | None) -> str:
    if signature is None:
        return "none: whoever could change the files could change the certificate with them"
    fingerprint = hashlib.sha256(b64decode(signature["public_key"])).hexdigest()
    return f"{escape(signature['algorithm'])}, by the key with the fingerprint <code>{fingerprint}</code>"


def _software(versions: Mapping[str, str]) -> str:
    return escape(", ".join(f"{name} {version}" for name, version in versions.items()))


def _when(text: str) -> str:
    return elements.when(datetime.fromisoformat(text))


def _span(asked: Sequence[str]) -> str:
    first, last = (datetime.fromisoformat(text) for text in asked)
    return elements.when(first) + elements.until((first, last))
