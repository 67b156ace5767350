"""What must never be seen: bearer tokens and signed URLs, wrapped so that printers and loggers get nothing."""

from __future__ import annotations

import hmac
import ipaddress
import logging
import os
import re
from typing import Any, NoReturn
from urllib.parse import urlsplit

from compliance_frames.errors import AuthError, ComplianceFramesError

DEFAULT_BASE_URL = "https://api.x.com"
TOKEN_VARIABLE = "X_BEARER_TOKEN"  # noqa: S105 - the variable's name, not its value
BASE_URL_VARIABLE = "COMPLIANCE_FRAMES_BASE_URL"


class Secret:
    """Text that is only shown to those who ask for it by ``reveal()``.

    >>> Secret("AAAA")
    Secret('…')
    >>> f"{Secret('AAAA')}"
    "Secret('…')"
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself."""
        return self._value

    def __repr__(self) -> str:
        return f"{type(self).__name__}('…')"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} is not pickled: it would be written where it can be read")


class SignedUrl(Secret):
    """A URL that is a credential by its query; only its host is shown."""

    __slots__ = ()

    @property
    def host(self) -> str:
        """The host it points at, without the port."""
        return urlsplit(self._value).hostname or ""

    def __repr__(self) -> str:
        return f"SignedUrl('{self.host}…')"

    __str__ = __repr__


def token_from(value: str | Secret | None) -> Secret:
    """The bearer token that was passed, or the one in ``X_BEARER_TOKEN``.

    Raises:
        AuthError: there is none, or it holds what no token holds (spaces, line breaks, quotes).
    """
    if isinstance(value, Secret):
        return value
    text = (value if value is not None else os.environ.get(TOKEN_VARIABLE, "")).strip()
    if not text:
        raise AuthError(
            f"There is no bearer token. Put your app-only bearer token into the environment variable {TOKEN_VARIABLE}."
        )
    if not re.fullmatch(r"[\x21-\x7e]+", text) or text[0] in "\"'":
        raise AuthError(f"The bearer token in {TOKEN_VARIABLE} holds quotes, spaces or line breaks, as no token does.")
    return Secret(text)


def base_url_from(value: str | None) -> str:
    """The service's address: as passed, or from ``COMPLIANCE_FRAMES_BASE_URL``, or the real one.

    Raises:
        ComplianceFramesError: it is neither ``https`` nor plain ``http`` on a literal loopback address, so that
            the token would cross a network in the open.

    >>> base_url_from("http://127.0.0.1:8000/")
    'http://127.0.0.1:8000'
    """
    url = (value or os.environ.get(BASE_URL_VARIABLE) or DEFAULT_BASE_URL).rstrip("/")
    parts = urlsplit(url)
    if not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ComplianceFramesError(f"{url.partition('?')[0]!r} is not the address of a service ({BASE_URL_VARIABLE}).")
    if parts.scheme != "https" and not is_loopback(url):
        raise ComplianceFramesError(
            f"{url!r} is refused: the token would cross the network in the open. Use https, or http on 127.0.0.1."
        )
    return url


def is_loopback(url: str) -> bool:
    """Whether a URL is plain ``http`` on a literal loopback address: an emulator on this machine.

    >>> is_loopback("http://127.0.0.1:8000"), is_loopback("http://localhost:8000")
    (True, False)
    """
    parts = urlsplit(url)
    try:
        return parts.scheme == "http" and ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


_SIGNED = re.compile(r"\?[^\s\"'>]*(?:X-Goog-|upload_id)[^\s\"'>]*", re.IGNORECASE)
_BEARER = re.compile(r"(Bearer\s+)[\x21-\x7e]+", re.IGNORECASE)
_LOGGERS = ("httpx", "httpcore", "httpcore.connection", "httpcore.http11", "httpcore.http2", "httpcore.proxy")


def redacted(text: str) -> str:
    """A text without the queries of signed URLs and without bearer tokens.

    >>> redacted("PUT https://storage.googleapis.com/b/o?X-Goog-Signature=00ff done")
    'PUT https://storage.googleapis.com/b/o?… done'
    """
    return _BEARER.sub(r"\1…", _SIGNED.sub("?…", text))


class _Redacting(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        clean = redacted(message)
        if clean != message:
            record.msg, record.args = clean, ()
        return True


def hide_in_logs() -> None:
    """Keep the HTTP libraries from logging signed URLs, whatever level the user sets; other URLs are left alone."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(present, _Redacting) for present in logger.filters):
            logger.addFilter(_Redacting())
