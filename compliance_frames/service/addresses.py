"""Which addresses may be spoken to: a rule on the letters of a URL, before a library takes it apart in its own way."""

from __future__ import annotations

import ipaddress
import os
import re
from typing import Final
from urllib.parse import urlsplit

from compliance_frames.errors import ComplianceFramesError

DEFAULT_BASE_URL: Final = "https://api.x.com"
BASE_URL_VARIABLE: Final = "COMPLIANCE_FRAMES_BASE_URL"

#: The real storage's host.
HOSTS: Final = frozenset({"storage.googleapis.com"})

#: Two libraries that read one URL differently are how a check is got around. What they could differ about is not
#: taken: white space, backslashes, letters beyond ASCII, a user before the host, a percent sign in it.
_PLAIN: Final = re.compile(
    r"(?P<origin>https?://(?:[a-z0-9]+(?:[-.][a-z0-9-]+)*|\[[0-9a-f:]+\])(?::[0-9]{1,5})?)"
    r"(?:/[A-Za-z0-9._~:/@!$&'()*+,;=%-]*)?(?:\?[A-Za-z0-9._~:/?@!$&'()*+,;=%-]*)?",
    re.IGNORECASE | re.ASCII,
)
_NUMERIC: Final = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)(?:\.(?:0x[0-9a-f]*|[0-9]+))*", re.IGNORECASE)
_LONGEST: Final = 16_384
_USUAL: Final = {"https": 443, "http": 80}

#: Scheme, host and port.
Origin = tuple[str, str, int]


def origin_of(url: str) -> Origin | None:
    """Where a URL leads to; None for what is no plain URL.

    >>> origin_of("https://storage.googleapis.com/bucket/object?X-Goog-Date=1")
    ('https', 'storage.googleapis.com', 443)
    >>> origin_of("https://storage.googleapis.com@elsewhere.example/"), origin_of("https://a.example\\\\@b.example/")
    (None, None)
    """
    match = _PLAIN.fullmatch(url) if len(url) <= _LONGEST else None
    if match is None:
        return None
    parts = urlsplit(match["origin"].lower())
    try:
        port = _USUAL[parts.scheme] if parts.port is None else parts.port
    except ValueError:  # beyond 65535
        return None
    return parts.scheme, parts.hostname or "", port


def is_storage(url: str, emulator: Origin | None) -> bool:
    """Whether a URL leads to the storage: to an emulator's own origin where there is one, else to the real one.

    >>> is_storage("https://storage.googleapis.com/b/o", None), is_storage("https://api.x.com/b/o", None)
    (True, False)
    """
    origin = origin_of(url)
    if origin is None or emulator is not None:
        return origin is not None and origin == emulator
    scheme, host, port = origin
    return scheme == "https" and host in HOSTS and port == _USUAL["https"]


def base_url_from(value: str | None) -> str:
    """The service's address: as passed, or from ``COMPLIANCE_FRAMES_BASE_URL``, or the real one.

    Raises:
        ComplianceFramesError: it is neither ``https`` nor plain ``http`` on a literal loopback address, so that
            the token would cross a network in the open; or it is an address of a private network.

    >>> base_url_from("http://127.0.0.1:8000/")
    'http://127.0.0.1:8000'
    """
    url = (value or os.environ.get(BASE_URL_VARIABLE) or DEFAULT_BASE_URL).rstrip("/")
    origin = origin_of(url)
    if origin is None or "?" in url:
        raise ComplianceFramesError(f"{_shown(url)} is not the address of a service ({BASE_URL_VARIABLE}).")
    if origin[0] != "https" and not is_loopback(url):
        raise ComplianceFramesError(
            f"{url!r} is refused: the token would cross the network in the open. Use https, or http on 127.0.0.1."
        )
    if not _is_public(origin[1]):
        raise ComplianceFramesError(
            f"{url!r} is refused: no compliance service is reached by such an IP address. Use its name, or 127.0.0.1."
        )
    return url


def is_loopback(url: str) -> bool:
    """Whether a URL is plain ``http`` on a literal loopback address: an emulator on this machine.

    >>> is_loopback("http://127.0.0.1:8000"), is_loopback("http://localhost:8000")
    (True, False)
    """
    origin = origin_of(url)
    return origin is not None and origin[0] == "http" and _is_loopback(origin[1])


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_public(host: str) -> bool:
    """Whether a host is a name, this computer, or a public address written as one writes it.

    >>> [_is_public(host) for host in ("api.x.com", "127.0.0.1", "10.0.0.1", "169.254.169.254", "2130706433", "0x7f.1")]
    [True, True, False, False, False, False]
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return _NUMERIC.fullmatch(host) is None  # an octal, hexadecimal or short form of an IP address
    if address.is_loopback:
        return True
    # What is reserved may be another address in disguise: 64:ff9b::a9fe:a9fe and ::10.0.0.1 lead where IPv4 does.
    odd = address.is_reserved or address.is_multicast or getattr(address, "sixtofour", None) is not None
    return address.is_global and not odd


def _shown(url: str) -> str:
    """A URL without what may be a password or a signature."""
    return repr(url.partition("?")[0].rpartition("@")[2][:200])
