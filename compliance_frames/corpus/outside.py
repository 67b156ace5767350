"""IDs outside of rows, in names and metadata of files: cleaning keeps both, so a plan says beforehand which have to go.

Who learns it from the proof has waited for a whole copy of the dataset, which cannot be published.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Final, Literal

import numpy as np

from compliance_frames.corpus.erasures import Erasures
from compliance_frames.errors import PlanError
from compliance_frames.ids.slices import IdSet, is_in

Whose = Literal["tweet", "user"]

#: Shorter numbers are sizes and dates far more often than IDs, which have had eleven digits since 2010.
_DIGITS: Final = re.compile(r"(?<!\d)[0-9]{11,19}(?!\d)")
_LARGEST: Final = 2**63 - 1
#: Keys of partitions whose values are IDs, of whatever length, and those whose values are IDs of users.
_KEY: Final = re.compile(r"(.*[_.\-])?ids?([_\-]?(str|string))?|.*[a-z](Id|ID)(_?[sS]tr)?")
_PERSON: Final = re.compile(r"user|author|actor|member|contributor", re.IGNORECASE)


@dataclass(frozen=True)
class Outside:
    """A number outside of rows that may be an ID.

    Attributes:
        file: the path of the file.
        where: the part of its path, or the key of its metadata, that holds it.
        number: it.
        named: whether it stands in the file's path.
        whose: whom it names, where that is said; else it may be either.
    """

    file: str
    where: str
    number: int
    named: bool
    whose: Whose | None = None


def in_name(path: str) -> Iterator[Outside]:
    """The numbers in a file's name and in those of the directories above it.

    >>> [(each.where, each.number, each.whose) for each in in_name("author_id=12/1212161512043446272.parquet")]
    [('author_id=12', 12, 'user'), ('1212161512043446272.parquet', 1212161512043446272, None)]
    """
    for part in PurePosixPath(path).parts:
        key, _, value = part.partition("=")
        if _KEY.fullmatch(key) and value.isascii() and value.isdecimal() and len(value) < 20:
            yield Outside(path, part, int(value), True, "user" if _PERSON.search(key) else "tweet")
        else:
            yield from (Outside(path, part, int(each), True) for each in _DIGITS.findall(part))


def in_metadata(path: str, metadata: Mapping[bytes, bytes] | None) -> Iterator[Outside]:
    """The numbers in the key-value metadata of a Parquet file, and in what lies in it in base64, as Arrow's schema.

    >>> [each.where for each in in_metadata("a.parquet", {b"exported": b"without 1212161512043446272"})]
    ['exported']
    """
    for key, value in (metadata or {}).items():
        said = key.decode(errors="replace")
        yield from (Outside(path, said, number, False) for number in _numbers(key) + _numbers(value))


def must_not_name(found: list[Outside], erasures: Erasures) -> None:
    """Refuse a dataset whose names or metadata hold what has to go: they would be the copy's, too.

    Raises:
        PlanError: they do; with the way out.
    """
    for ids, whose in ((erasures.drop_tweets, "tweet"), (erasures.drop_authors, "user")):
        some = [each for each in found if each.whose in (None, whose) and each.number <= _LARGEST]
        first = _first_of(some, ids)
        if first is not None and first.named:
            raise PlanError(
                f"{first.file}: the part {first.where!r} of its name is the ID of a {whose} that has to go, or holds "
                "it, and cleaning keeps names: rename it in the source, or take it out where nothing of it is to stay "
                "(with a partition, readers take its value from there); then plan again"
            )
        if first is not None:
            raise PlanError(
                f"{first.file}: its metadata name a {whose} that has to go, under the key {first.where!r}, and "
                "cleaning keeps metadata: write the file again without, e.g. pyarrow.parquet.write_table("
                "table.replace_schema_metadata(None), …) (metadata of single fields: table.cast to a schema without); "
                "then plan again"
            )


def _first_of(found: list[Outside], ids: IdSet) -> Outside | None:
    if not (found and len(ids)):
        return None
    hits = np.flatnonzero(is_in(np.array([each.number for each in found], np.int64), ids))
    return found[int(hits[0])] if len(hits) else None


@lru_cache(maxsize=256)
def _numbers(value: bytes) -> tuple[int, ...]:
    """Those that may be IDs in some bytes; files of one writer have most of their metadata in common."""
    try:
        unpacked = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        unpacked = b""
    text = "\n".join(each.decode(errors="replace") for each in (value, unpacked))
    return tuple(dict.fromkeys(map(int, _DIGITS.findall(text))))
