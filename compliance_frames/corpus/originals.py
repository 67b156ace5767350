"""What in a struct that holds a tweet tells which other tweet that one repeats: the fields to look at, by their names.

A retweet has the words of its original: where that goes, it goes, also from inside of a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.types as pt

from compliance_frames.corpus.accounts import is_account
from compliance_frames.corpus.columns import find_references, id_in
from compliance_frames.corpus.ecosystems import REFERENCE_LISTS, RETWEETS
from compliance_frames.corpus.paths import Names
from compliance_frames.corpus.texts import holds_text


@dataclass(frozen=True)
class Originals:
    """Fields of a tweet that tell which one it repeats.

    Attributes:
        references: lists of references, in whatever shape, and IDs beside its own.
        whole: structs that hold the other tweet.
        texts: text that by its name has one of these as JSON.
    """

    references: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()

    def with_texts(self, kind: Any, paths: Iterable[str]) -> Originals:
        """The same, and fields of text that hold tweets, the struct's own perhaps, whatever they are called."""
        fields = {child.name: child.type for child in kind}
        more = [path for path in paths if path in fields and holds_text(fields[path]) and path not in self.texts]
        return replace(self, texts=(*self.texts, *more)) if more else self

    def __bool__(self) -> bool:
        return bool(self.references or self.whole or self.texts)


def originals_in(name: str, kind: Any) -> Originals:
    """The fields that tell which tweet that one repeats which a struct holds, a column's of this name.

    >>> original = pa.struct({"id": pa.int64(), "text": pa.string()})
    >>> quoted = pa.struct({"id": pa.int64(), "retweeted_id": pa.int64(), "retweeted_status": original})
    >>> originals_in("quoted_status", quoted)
    Originals(references=('retweeted_id',), whole=('retweeted_status',), texts=())
    """
    return _originals_in(name, kind)


@lru_cache(maxsize=256)  # each row group asks again
def _originals_in(name: str, kind: Any) -> Originals:
    if is_account(name, kind):
        return Originals()
    names = Names(pa.schema(list(kind)))
    whole = (each for each in _called(names, kind, RETWEETS) if _holds_tweet(each, names.type(each)))
    texts = (each for each in _called(names, kind, (*REFERENCE_LISTS, *RETWEETS)) if holds_text(names.type(each)))
    return Originals(tuple(find_references(names, "")), tuple(whole), tuple(texts))


def _called(names: Names, kind: Any, called: Sequence[str]) -> Iterator[str]:
    """The fields of a struct that are called so."""
    found = dict.fromkeys(filter(None, map(names.find, called)))
    yield from (name for name in found if kind.get_field_index(name) >= 0)


def _holds_tweet(name: str, kind: Any) -> bool:
    """Whether a field that is called as an original is holds one: Gnip's objects say of themselves what they are."""
    if not pt.is_struct(kind) or id_in(kind) is None:
        return False
    return name != "object" or "objectType" in {child.name for child in kind}
