"""Which files may hold raw tweets, by their names alone."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Final

from compliance_frames.raw.packed import SUFFIXES

#: How names end, what the file is packed with left aside; for tables, what stands between their fields.
_ENDINGS: Final = {
    **dict.fromkeys((".jsonl", ".ndjson", ".json", ".jl"), ""),
    **{".csv": ",", ".tsv": "\t"},
}


def may_be_raw(name: str) -> bool:
    """Whether a file may hold raw tweets.

    >>> may_be_raw("2021/tweets.jsonl.gz"), may_be_raw("README.md")
    (True, False)
    """
    return _ending(name) in _ENDINGS


def delimiter_in(name: str) -> str:
    """What stands between the fields of a table; an empty text where a file is none.

    >>> delimiter_in("tweets.tsv.zst"), delimiter_in("tweets.json")
    ('\\t', '')
    """
    return _ENDINGS[_ending(name)]


def _ending(name: str) -> str:
    path = PurePosixPath(name.lower())
    return PurePosixPath(path.stem).suffix if path.suffix in SUFFIXES else path.suffix
