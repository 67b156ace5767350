"""Take a text for a certificate only if every value in it is of the kind that a certificate has there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, get_args

from compliance_frames.documents import parsed
from compliance_frames.errors import VerificationError
from compliance_frames.names import inside
from compliance_frames.proof.proof import Check
from compliance_frames.schemas import Treatment, Unchecked

FORMAT: Final = "compliance-frames certificate"
VERSION: Final = 1
#: What a set of IDs may be.
ID_SETS: Final = tuple(f"{how}_{kind}" for how in ("asked", "dropped", "scrubbed") for kind in ("tweets", "users"))
#: What is counted of a dataset.
COUNTS: Final = ("files", "bytes", "rows", "rows_in", "rows_dropped", "rows_scrubbed", "rows_unchecked", "flagged")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_KEY_ID: Final = re.compile(r"[0-9a-f]{32}")
_JOB: Final = re.compile(r"[0-9]+")


@dataclass(frozen=True)
class CertifiedFile:
    """A file of the dataset.

    Attributes:
        path: in it.
        bytes: its size.
        rows: None where it is not Parquet.
        sha256: in hexadecimal.
    """

    path: str
    bytes: int
    rows: int | None
    sha256: str


@dataclass(frozen=True)
class IdDigest:
    """A set of IDs that nobody can guess.

    Attributes:
        name: what they are.
        count: how many.
        digest: by the ledger's key; None where there was no ledger.
    """

    name: str
    count: int
    digest: str | None


def content_of(text: str) -> dict[str, Any]:
    """The JSON object of a text that calls itself a certificate and is of a known version.

    Raises:
        VerificationError: it is not.
    """
    try:
        content = parsed(text)
    except ValueError as error:
        raise VerificationError(f"this is no certificate, or half of one: {str(error)[:300]}") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise VerificationError(f"this is no certificate: its format is not {FORMAT!r}")
    version = content.get("version")
    if type(version) is not int or version < 1:
        raise VerificationError(f"the certificate has no version that makes sense: {repr(version)[:40]}")
    if version != VERSION:
        raise VerificationError(
            f"the certificate is of version {version}, and this release reads version {VERSION}. Nothing is said "
            f"against it: check it with the release of compliance-frames that wrote it ({_writer(content)})"
        )
    return content


def _writer(content: Mapping[str, Any]) -> str:
    wrote = content.get("verified_with")
    return str(wrote.get("compliance-frames", "it does not say"))[:40] if isinstance(wrote, dict) else "it does not say"


def fields_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a certificate, each of the kind that it must be.

    Raises:
        ValueError, TypeError, LookupError, AttributeError: one is not, or is missing.
    """
    asked = content["asked_at"]
    return {
        "statement": _text(content["statement"]),
        "dataset": _text(content["dataset"]),
        "source": _text(content["source"]),
        "manifest_sha256": _sha256(content["manifest_sha256"]),
        "asked_at": None if asked is None else _span(asked),
        "cleaned_at": _moment(content["cleaned_at"]),
        "verified_at": _moment(content["verified_at"]),
        "jobs": tuple(_spelled(_JOB, job) for job in content["jobs"]),
        "policy": {_text(reason): _one_of(Treatment, done) for reason, done in content["policy"].items()},
        "unchecked": _one_of(Unchecked, content["unchecked"]),
        "counts": {name: _count(content["counts"][name]) for name in COUNTS},
        "key_id": None if content["key_id"] is None else _spelled(_KEY_ID, content["key_id"]),
        "ids": tuple(_id_digest(**each) for each in content["ids"]),
        "checks": tuple(_check(**each) for each in content["checks"]),
        "not_checked": tuple(_text(sentence) for sentence in content["not_checked"]),
        "files": tuple(_file(**each) for each in content["files"]),
        "cleaned_with": _text(content["cleaned_with"]),
        "verified_with": _versions(content["verified_with"]),
    }


def _file(path: Any, bytes: Any, rows: Any, sha256: Any) -> CertifiedFile:
    return CertifiedFile(inside(path), _count(bytes), None if rows is None else _count(rows), _sha256(sha256))


def _id_digest(name: Any, count: Any, digest: Any) -> IdDigest:
    return IdDigest(_id_set(name), _count(count), None if digest is None else _sha256(digest))


def _check(name: Any, what: Any, counted: Any) -> Check:
    return Check(_text(name), _text(what), _count(counted))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")
    return value


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} counts nothing")
    return value


def _sha256(value: Any) -> str:
    return _spelled(_SHA256, value)


def _spelled(pattern: re.Pattern[str], value: Any) -> str:
    if not pattern.fullmatch(_text(value)):
        raise ValueError(f"{value!r} is not of the form {pattern.pattern}")
    return str(value)


def _id_set(value: Any) -> str:
    if value not in ID_SETS:
        raise ValueError(f"{value!r} is no set of IDs")
    return str(value)


def _versions(value: Any) -> dict[str, str]:
    found = {name: _text(number) for name, number in value.items()}
    if "compliance-frames" not in found:
        raise ValueError("it does not say which release wrote it")
    return found


def _one_of(choices: Any, value: Any) -> Any:
    if value not in get_args(choices):
        raise ValueError(f"{value!r} is none of {', '.join(get_args(choices))}")
    return value


def _span(value: Any) -> tuple[datetime, datetime]:
    first, last = (_moment(each) for each in value)
    if first > last:
        raise ValueError("its first answer came after its last one")
    return first, last


def _moment(text: Any) -> datetime:
    moment = datetime.fromisoformat(_text(text))
    if moment.tzinfo is None:
        raise ValueError(f"the time {text} has no time zone")
    return moment
