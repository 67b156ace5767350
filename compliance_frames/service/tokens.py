"""Where the bearer token comes from: the environment, a file descriptor, the system's keyring; never a command line."""

from __future__ import annotations

import os
import re
from typing import Final

from compliance_frames.errors import AuthError
from compliance_frames.service.secret import Secret

TOKEN_VARIABLE: Final = "X_BEARER_TOKEN"  # noqa: S105 - the variable's name, not its value
#: What the token is called in the system's keyring: ``keyring set compliance-frames bearer-token``.
KEYRING: Final = ("compliance-frames", "bearer-token")

_LONGEST: Final = 8192
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")


def token_from(value: str | Secret | None) -> Secret:
    """The bearer token that was passed, or the one in ``X_BEARER_TOKEN``, or the one in the system's keyring.

    Raises:
        AuthError: there is none, or it holds what no token holds (spaces, line breaks, quotes).

    >>> token_from("AAAA")
    Secret('…')
    """
    if isinstance(value, Secret):
        return _checked(value, "that was given")
    given = Secret((os.environ.get(TOKEN_VARIABLE, "") if value is None else value).strip())
    where = f"in {TOKEN_VARIABLE}"
    if value is None and not given.reveal():
        given, where = _kept(), "in the keyring"
    if not given.reveal():
        raise AuthError(
            f"There is no bearer token. Put your app-only bearer token into the environment variable {TOKEN_VARIABLE}, "
            f"hand it over with --token-fd, or keep it in the keyring: keyring set {' '.join(KEYRING)}."
        )
    return _checked(given, where)


def token_from_descriptor(descriptor: int) -> Secret:
    """The bearer token that stands in an open file, as a shell opens it: ``--token-fd 3 3< token``.

    It is read to its end, and closed: no child process has it.

    Raises:
        AuthError: there is no such file, or what stands in it is no token.

    >>> reading, writing = os.pipe()
    >>> os.write(writing, b"AAAA"), os.close(writing)
    (4, None)
    >>> token_from_descriptor(reading)
    Secret('…')
    """
    try:
        with open(descriptor, "rb") as file:
            content = Secret(file.read(_LONGEST + 1).decode("ascii", "replace").strip())
    except (OSError, ValueError, OverflowError):
        raise AuthError(
            f"File descriptor {descriptor} cannot be read. Open it as you run the command: --token-fd 3 3< FILE"
        ) from None
    if not content.reveal():
        raise AuthError(f"File descriptor {descriptor} holds no bearer token: it is empty.")
    return _checked(content, f"from file descriptor {descriptor}")


def _kept() -> Secret:
    """The token in the system's keyring; empty where there is none, or no keyring."""
    try:
        import keyring
    except ImportError:  # the extra is not installed
        return Secret("")
    try:
        return Secret((keyring.get_password(*KEYRING) or "").strip())
    except Exception:  # each kind of keyring has its own ways to be locked, absent or broken
        return Secret("")


def _checked(token: Secret, where: str) -> Secret:
    if not _looks_right(token):
        raise AuthError(f"The bearer token {where} holds quotes, spaces or line breaks, as no token does.")
    return token


def _looks_right(token: Secret) -> bool:
    text = token.reveal()
    return len(text) <= _LONGEST and _TOKEN.fullmatch(text) is not None and text[0] not in "\"'"
