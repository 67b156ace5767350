"""Say of the tweets that rows name which they repeat: by the word that stands with each, or by how the row begins."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from numpy.typing import NDArray

#: Words for a row that repeats a tweet, and for one that says something itself.
_REPEATS: Final = re.compile(r"\s*(re[ _-]?tweet(ed)?([ _-]?(tweet|status))?|rt|share)\s*", re.IGNORECASE)
_SAYS_ITSELF: Final = re.compile(
    r"\s*(quot(ed?|ing)([ _-]?(tweet|status))?|repl(y|ied)([ _-]?to)?|in[ _-]?reply[ _-]?to)\s*",
    re.IGNORECASE,
)
_ID: Final = re.compile(r"((tweet|status)_?)?ids?(_?str)?", re.IGNORECASE)
_TYPE: Final = re.compile(r"types?", re.IGNORECASE)
_AUTHOR: Final = re.compile(r"(author|user)_?id(_?str)?", re.IGNORECASE)
_PERSON: Final = {"user", "author"}
_TEXTS: Final = {"text", "full_text", "rawContent", "content", "body"}
_FLAG: Final = re.compile(r"is_?retweet", re.IGNORECASE)
#: Columns of IDs, beside which another may say how the row stands to each.
_PAIR: Final = re.compile(r"(?P<before>referenced_?tweets?[._]?)id(?P<s>s?)", re.IGNORECASE)
_RETWEET: Final = "RT @"


@dataclass(frozen=True, eq=False)
class Stand:
    """Tweets that rows name, or their authors.

    Attributes:
        path: of the column, below the one that was given.
        values: the IDs, as they are stored.
        at: which value of the column given each belongs to.
        words: what stands with each; None where no column has any.
        author: whether these are authors.
    """

    path: tuple[str, ...]
    values: Any
    at: NDArray[np.int64]
    words: Any
    author: bool = False

    def repeated(self) -> NDArray[np.bool_]:
        """Which of them are repeated, by their words."""
        return _matching(self.words, _REPEATS, len(self.values))

    def unsaid(self) -> NDArray[np.bool_]:
        """Of which nothing is said, or something that nobody knows."""
        return ~(self.repeated() | _matching(self.words, _SAYS_ITSELF, len(self.values)))


def says(word: Any) -> bool | None:
    """Whether a word says that a row repeats a tweet; None where it is none that anybody knows.

    >>> says("RETWEET"), says("replied_to"), says("boosted")
    (True, False, None)
    """
    if not isinstance(word, str):
        return None
    return True if _REPEATS.fullmatch(word) else False if _SAYS_ITSELF.fullmatch(word) else None


def looks_so(text: Any) -> bool:
    """Whether a text begins as those of retweets do.

    >>> looks_so("RT @somebody: words"), looks_so(None)
    (True, False)
    """
    return isinstance(text, str) and text.lstrip().startswith(_RETWEET)


def says_so(words: Any, says: str) -> NDArray[np.bool_]:
    """Which words say the same as another, however they are spelt.

    >>> says_so(pa.array(["Retweeted", "quoted", None]), "retweet").tolist()
    [True, False, False]
    """
    told = _REPEATS if _REPEATS.fullmatch(says) else re.compile(re.escape(says), re.IGNORECASE)
    return _matching(words, told, len(words))


def stands(values: Any) -> Iterator[Stand]:
    """Every tweet that the values of a column name, whatever the shape.

    >>> found, = stands(pa.array([[{"type": "RETWEETED", "id": 7}], None]))
    >>> found.path, found.values.to_pylist(), found.at.tolist(), found.repeated().tolist()
    (('id',), [7], [0], [True])
    """
    yield from _stands(values, (), np.arange(len(values)), None)


def pair(ids: Any, words: Any) -> Stand:
    """The tweets of a column of IDs, or of lists of them, with what another column says of each.

    >>> pair(pa.array([[7, 8]]), pa.array([["quoted", "retweeted"]])).repeated().tolist()
    [False, True]
    """
    at = np.arange(len(ids))
    if not _is_list(ids.type):
        return Stand((), ids, at, words)
    at = np.asarray(pc.list_parent_indices(ids))
    if words is not None and _is_list(words.type):
        words = _aligned(words, at)
    elif words is not None:
        words = words.take(pa.array(at))
    return Stand((), ids.flatten(), at, words)


def _aligned(words: Any, at: NDArray[np.int64]) -> Any:
    """For each of some elements the word beside it; of lists of other lengths, a word that says that it repeats."""
    if np.array_equal(np.asarray(pc.list_parent_indices(words)), at):
        return words.flatten()
    by_row = words.to_pylist()
    sizes = np.bincount(at, minlength=len(by_row)).tolist()
    found: list[str | None] = []
    for size, said in zip(sizes, by_row, strict=True):
        if len(said or ()) == size:
            found += said or ()
        else:
            found += [next((word for word in said or () if says(word)), None)] * size
    return pa.array(found, pa.string())


def pairs_among(names: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    """Columns of IDs of other tweets by their names, each with the one that says how rows stand to them.

    >>> list(pairs_among({"referenced_tweet_id": 0, "referenced_tweet_type": 0, "data.referenced_tweet_ids": 0}))
    [('referenced_tweet_id', 'referenced_tweet_type'), ('data.referenced_tweet_ids', None)]
    """
    for name in names:
        for above in ("", f"{name.partition('.')[0]}."):
            found = _PAIR.fullmatch(name.removeprefix(above)) if name.startswith(above) else None
            if found is not None:
                wanted = f"{above}{found['before']}type{found['s']}".lower()
                yield name, next((each for each in names if each.lower() == wanted), None)
                break


def is_pair(name: str) -> bool:
    """Whether a column of IDs may have one beside it that says how the row stands to them.

    >>> is_pair("referenced_tweet_ids"), is_pair("referenced_tweets.id"), is_pair("retweeted_id")
    (True, True, False)
    """
    return _PAIR.fullmatch(name) is not None


def is_silent(kind: Any) -> bool:
    """Whether a column of this type names tweets, and does not say how its row stands to them.

    >>> is_silent(pa.list_(pa.struct({"id": pa.int64()}))), is_silent(pa.map_(pa.string(), pa.int64()))
    (True, False)
    """
    empty = pa.array([], kind)
    return any(each.words is None for each in stands(empty))


def looks(names: Mapping[str, Any]) -> list[str]:
    """Of some columns those by which a row looks like a retweet, or not."""
    ends = ((name, name.rpartition(".")[2]) for name in names)
    return [name for name, end in ends if end in _TEXTS or _FLAG.fullmatch(end)]


def looks_repeated(columns: Mapping[str, Any], rows: int) -> NDArray[np.bool_]:
    """Which rows look like retweets, by what their text begins with or by what is said of them.

    >>> looks_repeated({"text": pa.array(["RT @a: b", "c"]), "is_retweet": pa.array([None, True])}, 2).tolist()
    [True, True]
    """
    found = np.zeros(rows, bool)
    for name in looks(columns):
        values = _decoded(columns[name])
        if pt.is_boolean(values.type):
            found |= np.asarray(pc.fill_null(values, False))
        elif _is_text(values.type):
            text = values.cast(options=pc.CastOptions(pa.large_string(), allow_invalid_utf8=True))
            if _FLAG.fullmatch(name.rpartition(".")[2]):
                found |= np.asarray(
                    pc.fill_null(pc.is_in(text, pa.array(["true", "True", "TRUE", "1"], text.type)), False)
                )
            else:
                begins = pc.starts_with(pc.ascii_ltrim_whitespace(text), _RETWEET)
                found |= np.asarray(pc.fill_null(begins, False))
    return found


def _stands(values: Any, path: tuple[str, ...], at: NDArray[np.int64], words: Any) -> Iterator[Stand]:
    kind = values.type
    if pt.is_map(kind):
        entry = pa.struct([pa.field("key", kind.key_type), pa.field("value", kind.item_type)])
        entries = values.cast(pa.list_(entry))
        keys, items = entries.flatten().flatten()
        yield from _stands(items, (*path, "value"), at[np.asarray(pc.list_parent_indices(entries))], keys)
    elif _is_list(kind):
        parents = np.asarray(pc.list_parent_indices(values))
        words = None if words is None else words.take(pa.array(parents))
        yield from _stands(values.flatten(), path, at[parents], words)
    elif pt.is_struct(kind):
        yield from _of_struct(dict(zip(kind.names, values.flatten(), strict=True)), path, at, words)
    elif _is_text(kind) or pt.is_integer(kind):
        yield Stand(path, values, at, words)


def _of_struct(children: dict[str, Any], path: tuple[str, ...], at: NDArray[np.int64], words: Any) -> Iterator[Stand]:
    ids = [name for name in children if _ID.fullmatch(name)]
    said = next((child for name, child in children.items() if _TYPE.fullmatch(name)), words)
    for name, child in children.items():
        if name in ids:
            found = pair(child, said)
            yield Stand((*path, name), found.values, at[found.at], found.words)
        elif ids and _AUTHOR.fullmatch(name) and not pt.is_nested(child.type):
            yield Stand((*path, name), child, at, said, author=True)
        elif ids and name in _PERSON and pt.is_struct(child.type):
            inner = zip(child.type.names, child.flatten(), strict=True)
            yield from (
                Stand((*path, name, end), each, at, said, author=True) for end, each in inner if end in {"id", "id_str"}
            )
        elif not ids and (_REPEATS.fullmatch(name) or _SAYS_ITSELF.fullmatch(name)):
            yield from _stands(child, (*path, name), at, pa.repeat(pa.scalar(name), len(child)))


def _matching(words: Any, pattern: re.Pattern[str], count: int) -> NDArray[np.bool_]:
    """Which of some words fit a pattern; they are few, and stand there often."""
    if words is None:
        return np.zeros(count, bool)
    text = _decoded(words)
    fitting = [word for word in pc.unique(text).to_pylist() if isinstance(word, str) and pattern.fullmatch(word)]
    return np.asarray(pc.is_in(text, pa.array(fitting, text.type)))


def _is_list(kind: Any) -> bool:
    views = pt.is_list_view(kind) or pt.is_large_list_view(kind)
    return bool(pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind) or views)


def _is_text(kind: Any) -> bool:
    kind = kind.value_type if pt.is_dictionary(kind) else kind
    raw = pt.is_binary(kind) or pt.is_large_binary(kind)
    return bool(pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind) or raw)


def _decoded(values: Any) -> Any:
    if pt.is_dictionary(values.type):
        values = values.dictionary.take(values.indices)
    return values.cast(pa.string()) if pt.is_string_view(values.type) else values
