"""Signed URLs after the fashion of the storage's V4 signatures: made, and truly checked.

The signature covers the method, the path, the query, and the signed headers with their values; it is an HMAC, where the
real service signs with RSA. Clients cannot tell: they only carry it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

ALGORITHM = "GOOG4-HMAC-SHA256"
_ACCOUNT = "emulator@compliance-frames.invalid"
_STAMP = "%Y%m%dT%H%M%SZ"
_NEEDED = ("X-Goog-Algorithm", "X-Goog-Credential", "X-Goog-Date", "X-Goog-Expires", "X-Goog-SignedHeaders")
Query = Sequence[tuple[str, str]]


class StorageProblem(Exception):
    """What the storage answers when it refuses, in its own XML.

    Attributes:
        status: the HTTP status.
        code: the word that clients match.
        details: a sentence more, or nothing.
    """

    def __init__(self, status: int, code: str, message: str, details: str = "") -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.details = status, code, message, details


def sign(
    key: bytes, origin: str, method: str, path: str, headers: Mapping[str, str], made: datetime, lasting: timedelta
) -> str:
    """A URL that permits one method on one path for a time.

    Args:
        key: the secret that signs.
        origin: scheme, host and port.
        method: the HTTP method.
        path: the object's path.
        headers: what the request must carry besides ``host``, names in lower case.
        made: from when it counts (UTC, whole seconds).
        lasting: for how long.
    """
    signed = {**headers, "host": origin.partition("://")[2]}
    query = [
        ("X-Goog-Algorithm", ALGORITHM),
        ("X-Goog-Credential", f"{_ACCOUNT}/{_scope(made)}"),
        ("X-Goog-Date", made.strftime(_STAMP)),
        ("X-Goog-Expires", str(int(lasting.total_seconds()))),
        ("X-Goog-SignedHeaders", ";".join(sorted(signed))),
    ]
    signature = _signature(key, method, path, query, signed, made)
    return f"{origin}{path}?{_encoded([*query, ('X-Goog-Signature', signature)])}"


def check(key: bytes, method: str, path: str, query: Query, headers: Mapping[str, str], now: datetime) -> None:
    """Let a request pass, or refuse it as the storage does.

    Args:
        key: the secret that signed.
        method: the request's method.
        path: its path.
        query: its query, decoded.
        headers: its headers, names in lower case.
        now: the time (UTC).

    Raises:
        StorageProblem: the URL is not signed, a signed header is missing, another ``x-goog-`` header is there, the
            time is over, or the signature is for another request.
    """
    given = dict(query)
    if len(given) != len(query) or any(name not in given for name in (*_NEEDED, "X-Goog-Signature")):
        raise StorageProblem(403, "AccessDenied", "Access denied.", "Anonymous caller does not have access.")
    made, lasting = _times(given)
    names = given["X-Goog-SignedHeaders"].split(";")
    _check_headers(names, headers)
    if now >= made + lasting:
        raise StorageProblem(
            400,
            "ExpiredToken",
            "Invalid argument.",
            f"The provided token has expired. Request signature expired at: {(made + lasting).isoformat()}",
        )
    bare = [(name, value) for name, value in query if name != "X-Goog-Signature"]
    right = _signature(key, method, path, bare, {name: headers[name] for name in names}, made)
    if not hmac.compare_digest(right.encode(), given["X-Goog-Signature"].encode()):
        raise StorageProblem(
            403,
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. "
            "Check your Google secret key and signing method.",
        )


def _times(given: Mapping[str, str]) -> tuple[datetime, timedelta]:
    try:
        made = datetime.strptime(given["X-Goog-Date"], _STAMP).replace(tzinfo=UTC)
        return made, timedelta(seconds=int(given["X-Goog-Expires"]))
    except (ValueError, OverflowError):
        raise StorageProblem(
            400, "InvalidArgument", "Invalid argument.", "A date or a duration is malformed."
        ) from None


def _check_headers(names: Sequence[str], headers: Mapping[str, str]) -> None:
    if "authorization" in headers:
        raise StorageProblem(400, "InvalidArgument", "Invalid argument.", "Only one way to authenticate is allowed.")
    for name in names:
        if name not in headers:
            raise _malformed(f"Header was included in signedheaders, but not in the request: {name}")
    for name in headers:
        if name.startswith("x-goog-") and name not in names:
            raise _malformed(f"Header was in the request, but not included in signedheaders: {name}")


def _malformed(details: str) -> StorageProblem:
    return StorageProblem(400, "MalformedSecurityHeader", "Your request has a malformed header.", details)


def _signature(key: bytes, method: str, path: str, query: Query, headers: Mapping[str, str], made: datetime) -> str:
    lines = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in sorted(headers))
    request = "\n".join(
        [method, quote(path), _encoded(sorted(query)), lines, ";".join(sorted(headers)), "UNSIGNED-PAYLOAD"]
    )
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = "\n".join([ALGORITHM, made.strftime(_STAMP), _scope(made), digest])
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _scope(made: datetime) -> str:
    return f"{made:%Y%m%d}/auto/storage/goog4_request"


def _encoded(query: Query) -> str:
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in query)
