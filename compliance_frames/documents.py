"""Documents that somebody else may have written: JSON that every reader takes alike, from a file that ends."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any, Final, NoReturn

#: No manifest and no certificate is larger: one of a million files has some 600 MB.
LARGEST: Final = 1 << 30


def read_document(path: Path) -> str:
    """The text of a file that is no pipe, no device and not without end.

    Raises:
        OSError: there is none, it cannot be read, or it is no file.
        ValueError: it is too large, or no UTF-8.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:  # of a pipe, nobody writes
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no file", os.fspath(path))
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise ValueError("no document is of that size")
    return data.decode()


def parsed(text: str) -> Any:
    """What a JSON text says, if every reader takes it alike.

    Raises:
        ValueError: it is no JSON; or a name stands twice in an object, of which some readers take the first and some
            the last; or a number is not whole; or it is nested deeper than anything that is meant.

    >>> parsed('{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ValueError: 'a' stands twice in one object
    """
    try:
        return json.loads(
            text, object_pairs_hook=_once, parse_int=_whole, parse_float=_refused, parse_constant=_refused
        )
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name!r} stands twice in one object")
        found[name] = value
    return found


def _whole(number: str) -> int:
    """A number that every reader holds exactly; digits without end take time without end."""
    if len(number) > len("-9007199254740991"):
        raise ValueError(f"{number[:20]}… is larger than any count")
    return int(number)


def _refused(number: str) -> NoReturn:
    raise ValueError(f"{number[:40]} is no whole number")
