r"""File names, which are bytes to a system, as text that every format, terminal and page can hold.

Python gives the bytes of a name that are no UTF-8 as lone surrogates (``\udc80`` to ``\udcff``). JSON has an escape for
each of these, so that manifests, certificates and ``--json`` carry every name exactly and give it back. Arrow, pages
and terminals can hold none: they show the escapes as text.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import Any


def shown(text: str) -> str:
    r"""A text that can be written as UTF-8: bytes of a name that are none stand in it as escapes.

    >>> print(shown("caf\udce9.parquet"))
    caf\udce9.parquet
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def inside(path: Any) -> str:
    r"""A path that leads to a file within a dataset, in the one spelling that there is of it.

    Raises:
        ValueError: it leads out, is spelt in a way that no listing would give it, or is no path.

    >>> inside("date=2024-05-01/caf\udce9.parquet") == "date=2024-05-01/caf\udce9.parquet"
    True
    >>> inside("../corpus/part-0.parquet")
    Traceback (most recent call last):
    ValueError: the path '../corpus/part-0.parquet' leads out of the dataset
    """
    if not isinstance(path, str):
        raise ValueError(f"{path!r} is no path")
    plain = PurePosixPath(path)
    if not plain.parts or ".." in plain.parts or plain.is_absolute() or "\0" in path:
        raise ValueError(f"the path {path!r} leads out of the dataset")
    if plain.as_posix() != path or not _is_spelt_once(path):
        raise ValueError(f"the path {path!r} is not spelt as a listing of files would spell it")
    return path


def leads_into(path: str | os.PathLike[str], folder: str | os.PathLike[str]) -> bool:
    """Whether a path, links followed, leads to a place within a folder; a loop of links, or a NUL, leads nowhere.

    >>> leads_into("/tmp/clean/a/../report.html", "/tmp/clean"), leads_into("/tmp/clean.report.html", "/tmp/clean")
    (True, False)
    """
    try:
        return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
    except ValueError:  # whoever opens it says so
        return False


def _is_spelt_once(path: str) -> bool:
    """Whether a system's bytes would be given as this very text; two texts for one file would hide it from a search."""
    try:
        return path.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape") == path
    except UnicodeEncodeError:  # surrogates that stand for no byte
        return False
