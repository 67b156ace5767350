"""What must never be seen: bearer tokens and signed URLs, wrapped so that printers and loggers get nothing."""

from __future__ import annotations

import hmac
import logging
import re
from typing import Any, NoReturn

from compliance_frames.service.addresses import origin_of


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
        """The host it points at, without the port; empty where it is no plain URL."""
        origin = origin_of(self._value)
        return origin[1] if origin else ""

    def __repr__(self) -> str:
        return f"SignedUrl('{self.host}…')"

    __str__ = __repr__


#: Queries of signed URLs of every kind, and single parameters of such queries where they stand alone.
_SIGNED = re.compile(
    r"\?[^\s\"'>]*(?:X-Goog-|X-Amz-|upload_id|Signature=)[^\s\"'>]*"
    r"|\b(?:X-Goog-Signature|X-Amz-Signature|upload_id)=[^\s\"'>&]+",
    re.IGNORECASE,
)
#: The storage repeats the ID of a session, which is all that its URI keeps secret, in a header of its own.
_UPLOAD = re.compile(r"(x-guploader-uploadid\b['\":, ]+b?['\"]?)[\w-]+", re.IGNORECASE | re.ASCII)
_BEARER = re.compile(r"(Bearer\s+)[\x21-\x7e]+", re.IGNORECASE)
_LOGGERS = (
    "httpx",
    *(f"httpcore{part}" for part in ("", ".connection", ".http11", ".http2", ".proxy", ".socks")),
)


def redacted(text: str) -> str:
    """A text without the queries of signed URLs and without bearer tokens.

    >>> redacted("PUT https://storage.googleapis.com/b/o?X-Goog-Signature=00ff done")
    'PUT https://storage.googleapis.com/b/o?… done'
    """
    return _BEARER.sub(r"\1…", _UPLOAD.sub(r"\1…", _SIGNED.sub(_cut, text)))


def _cut(found: re.Match[str]) -> str:
    """A query is cut whole; of a parameter that stands alone its name stays."""
    return "?…" if found.group().startswith("?") else f"{found.group().partition('=')[0]}=…"


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
