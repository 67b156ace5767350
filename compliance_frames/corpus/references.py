"""What a row says of the tweets that it names: which they are, and whether it repeats them, in whatever shape.

Tools write the same few facts as lists of ``{type, id}``, as lists without a type, as structs or maps whose keys are
the types, as two lists side by side. A type is compared by its words, however they are spelt.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from numpy.typing import NDArray

from compliance_frames.corpus.arrays import Mask, words
from compliance_frames.corpus.ecosystems import FLAGS, TEXTS
from compliance_frames.corpus.paths import Names, column_at, field_at, holds_ids, is_list, is_text
from compliance_frames.ids.naming import AUTHORS, plain

#: What a row is called that repeats another tweet, and one that has words of its own; as :func:`plain` spells it.
_REPEATS: Final = frozenset({"retweeted", "retweet", "retweetedtweet", "retweetedstatus", "rt", "share"})
_OTHERS: Final = frozenset(
    {"quoted", "quote", "quotedtweet", "quotedstatus", "repliedto", "replied", "reply", "replyto", "inreplyto"}
)
#: How the text of a retweet begins, as the service writes it.
BEGINS: Final = "RT @"
_IDS: Final = ("id_str", "id", "tweet_id_str", "tweet_id", "status_id_str", "status_id", "ids", "tweet_ids")
_TYPES: Final = ("type", "types")

#: What a leaf column of references holds.
Part = Literal["tweet", "author", "kind"]


@dataclass(frozen=True, eq=False)
class Named:
    """Tweets that rows name.

    Attributes:
        ids: an array of IDs, as they are stored; of tweets, or of authors.
        rows: the row of each.
        kinds: what the row says of each; None where it has no word for it.
        authors: whether these are authors of the tweets.
        path: of the flat column that they stand in; None where it is that which was looked at.
    """

    ids: Any
    rows: NDArray[np.int64]
    kinds: Any = None
    authors: bool = False
    path: str | None = None


def word_of(kind: str) -> Literal["repeats", "says itself"] | None:
    """What a word says of a row that stands so to another tweet; None where nobody knows the word.

    >>> word_of("Retweeted"), word_of("replied_to"), word_of("id")
    ('repeats', 'says itself', None)
    """
    bare = plain(kind.strip())
    return "repeats" if bare in _REPEATS else "says itself" if bare in _OTHERS else None


def kind_of(kind: str) -> Literal["retweeted", "quoted", "replied_to"] | None:
    """The service's own word for what a word says; None where nobody knows it.

    >>> kind_of("Quote"), kind_of("in_reply_to"), kind_of("RT"), kind_of("id")
    ('quoted', 'replied_to', 'retweeted', None)
    """
    said = word_of(kind)
    if said is None:
        return None
    return "retweeted" if said == "repeats" else "quoted" if plain(kind.strip()).startswith("quote") else "replied_to"


def repeats(kinds: Any, says: Sequence[str] = ()) -> Mask:
    """Which words say that a row repeats a tweet; other ones that do can be told.

    >>> repeats(pa.array(["Retweeted", "quoted", "RETWEET", None])).tolist()
    [True, False, True, False]
    """
    known = _REPEATS | set(map(plain, says))
    text = words(kinds.cast(pa.string()) if pt.is_null(kinds.type) else kinds)
    saying = pa.array([word for word in text.unique().to_pylist() if word and plain(word) in known], pa.string())
    found: Mask = pc.is_in(text, saying).to_numpy(zero_copy_only=False)
    return found


def names_tweets(kind: Any) -> bool:
    """Whether a column of this type can name tweets in some of the shapes that are known.

    >>> names_tweets(pa.list_(pa.struct({"id": pa.string()}))), names_tweets(pa.list_(pa.struct({"x": pa.string()})))
    (True, False)
    >>> names_tweets(pa.struct({"quoted": pa.struct({"id": pa.int64()})})), names_tweets(pa.string())
    (True, False)
    """
    return pt.is_nested(kind) and any(part == "tweet" for _, part in reference_leaves(kind, ""))


def names_rounded(kind: Any) -> bool:
    """Whether a column names tweets by numbers with a point, which have lost their digits.

    >>> names_rounded(pa.list_(pa.struct({"type": pa.string(), "id": pa.float64()}))), names_rounded(pa.string())
    (True, False)
    """
    if names_tweets(kind) or not pt.is_nested(kind):
        return False
    fields = [kind.field(at) for at in range(kind.num_fields)]
    ids = set(map(plain, _IDS)) if pt.is_struct(kind) else {plain(field.name) for field in fields}
    return any(
        names_rounded(field.type) or (pt.is_floating(field.type) and plain(field.name) in ids) for field in fields
    )


def says_how(kind: Any) -> bool:
    """Whether a column of this type says how a row stands to the tweets that it names.

    >>> says_how(pa.list_(pa.struct({"type": pa.string(), "id": pa.string()}))), says_how(pa.list_(pa.int64()))
    (True, False)
    """
    if is_list(kind):
        return says_how(kind.value_type)
    if pt.is_struct(kind):
        return _child(kind, _TYPES) is not None or _child(kind, _IDS) is None
    return bool(pt.is_map(kind))


def reference_leaves(kind: Any, path: str) -> Iterator[tuple[str, Part]]:
    """The leaf columns of a column that names tweets, and what they hold; lists add no name to a path.

    >>> list(reference_leaves(pa.list_(pa.struct({"type": pa.string(), "id": pa.string()})), "refs"))
    [('refs.type', 'kind'), ('refs.id', 'tweet')]
    """
    if is_list(kind):
        yield from reference_leaves(kind.value_type, path)
    elif pt.is_map(kind):
        yield f"{path}.key", "kind"
        yield from reference_leaves(kind.item_type, f"{path}.value")
    elif pt.is_struct(kind):
        yield from _leaves_of_struct(kind, path)
    elif holds_ids(kind):
        yield path, "tweet"


def named(column: Any) -> Iterator[Named]:
    """The tweets that a column names, and their authors.

    >>> found, = named(pa.chunked_array([[{"retweeted": {"id": 7}}, None]]))
    >>> found.ids.to_pylist(), found.rows.tolist(), found.kinds.to_pylist()
    ([7, None], [0, 1], ['retweeted', 'retweeted'])
    """
    first = 0
    for chunk in column.chunks:
        yield from _named(chunk, np.arange(first, first + len(chunk)), None)
        first += len(chunk)


def beside(
    ids: pa.ChunkedArray[Any], kinds: pa.ChunkedArray[Any] | None, *, authors: bool = False, path: str | None = None
) -> Iterator[Named]:
    """The tweets that a flat column names, one in each row or a list of them, with what another one says of each.

    >>> [each.kinds.to_pylist() for each in beside(pa.chunked_array([[[7, 8]]]), pa.chunked_array([[["a", "b"]]]))]
    [['a', 'b']]
    """
    if not ids.num_chunks:
        return
    whole: Any = _one(ids)
    said: Any = None if kinds is None else _one(kinds)
    rows = np.arange(len(whole))
    if is_list(whole.type):
        parents = np.asarray(pc.list_parent_indices(whole))
        said = None if said is None else _of_elements(said, whole, parents)
        whole, rows = whole.flatten(), rows[parents]
    yield Named(whole, rows, said, authors, path)


def retweets_by_look(table: pa.Table, inside: str) -> Mask:
    """Which rows are retweets by what they look like, where nothing says how they stand to the tweets they name.

    >>> retweets_by_look(pa.table({"text": ["RT @somebody: words", "words"]}), "").tolist()
    [True, False]
    """
    found = np.zeros(len(table), bool)
    for path in looks(table.schema, inside):
        values: Any = column_at(table, path)
        if pt.is_boolean(values.type):
            found |= values.fill_null(False).to_numpy(zero_copy_only=False)
        elif path.rpartition(".")[2] in TEXTS:
            found |= _true(pc.starts_with(pc.utf8_ltrim_whitespace(words(values)), BEGINS))
        else:
            found |= _true(pc.is_in(pc.utf8_lower(words(values)), pa.array(["true", "1", "t"])))
    return found


def looks(schema: pa.Schema, inside: str) -> list[str]:
    """The columns by which a row looks like a retweet: what it says, and those that say so of it.

    >>> looks(pa.schema({"id": pa.int64(), "text": pa.string(), "isRetweet": pa.bool_()}), "")
    ['text', 'isRetweet']
    """
    names = Names(schema)
    found = []
    for name in (*TEXTS, *FLAGS):
        path = (inside and names.find(f"{inside}.{name}")) or names.find(name)
        field = field_at(schema, path) if path else None
        if path and field is not None and (is_text(field.type) or (name in FLAGS and pt.is_boolean(field.type))):
            found.append(path)
    return found


def _leaves_of_struct(kind: Any, path: str) -> Iterator[tuple[str, Part]]:
    id = _child(kind, _IDS)
    if id is None:
        for child in _keyed(kind):
            yield from reference_leaves(child.type, f"{path}.{child.name}")
        return
    how = _child(kind, _TYPES)
    if how is not None:
        yield f"{path}.{how}", "kind"
    yield f"{path}.{id}", "tweet"
    for name in _authors(kind):
        yield f"{path}.{name}", "author"


def _named(values: Any, rows: NDArray[np.int64], kinds: Any) -> Iterator[Named]:
    kind = values.type
    if pt.is_map(kind):
        pairs = values.cast(pa.list_(pa.struct([("key", kind.key_type), ("value", kind.item_type)])))
        inner, parents = pairs.flatten(), np.asarray(pc.list_parent_indices(pairs))
        yield from _named(pc.struct_field(inner, [1]), rows[parents], pc.struct_field(inner, [0]))
    elif is_list(kind):
        parents = np.asarray(pc.list_parent_indices(values))
        yield from _named(values.flatten(), rows[parents], None if kinds is None else kinds.take(pa.array(parents)))
    elif pt.is_struct(kind):
        yield from _named_in_struct(values, rows, kinds)
    elif holds_ids(kind):
        yield Named(values, rows, kinds)


def _named_in_struct(values: Any, rows: NDArray[np.int64], kinds: Any) -> Iterator[Named]:
    kind = values.type
    id, how = _child(kind, _IDS), _child(kind, _TYPES)
    if id is None:
        for child in _keyed(kind):
            key = pa.repeat(pa.scalar(child.name), len(values))
            yield from _named(_field(values, child.name), rows, key)
        return
    said = kinds if how is None else _field(values, how)
    ids = _field(values, id)
    if is_list(ids.type):  # lists side by side
        yield from _moved(beside(pa.chunked_array([ids]), None if said is None else pa.chunked_array([said])), rows)
        return
    yield Named(ids, rows, said)
    for name in _authors(kind):
        yield Named(column_at(pa.table({"tweet": values}), f"tweet.{name}").combine_chunks(), rows, said, authors=True)


def _moved(found: Iterator[Named], rows: NDArray[np.int64]) -> Iterator[Named]:
    yield from (Named(each.ids, rows[each.rows], each.kinds, each.authors) for each in found)


def _of_elements(kinds: Any, ids: Any, parents: NDArray[np.int64]) -> Any:
    """What is said of each element of lists of IDs: by lists of the same lengths, or by one word for all of them."""
    if not is_list(kinds.type):
        return kinds.take(pa.array(parents))
    said, flat = np.asarray(pc.list_parent_indices(kinds)), words(kinds.flatten())
    counts, spoken = (np.bincount(each, minlength=len(ids)) for each in (parents, said))
    before, begins = (np.cumsum(each) - each for each in (counts, spoken))
    alike = (counts == spoken)[parents]
    places = np.where(alike, begins[parents] + np.arange(len(parents)) - before[parents], 0)
    beside = flat.take(pa.array(places, mask=~alike))
    # Of lists of other lengths nobody knows which word is of which tweet: any of them counts for all of its row.
    repeating = np.bincount(said[repeats(flat)], minlength=len(ids))[parents] > 0
    return pc.if_else(pa.array(~alike & repeating), pa.scalar("retweeted"), beside)


def _child(kind: Any, names: Sequence[str]) -> str | None:
    """The first child of a struct that is called so and can hold IDs or words, or lists of them."""
    spelt = {plain(child.name): child for child in reversed(_children(kind))}
    for name in names:
        child = spelt.get(plain(name))
        if child is not None and holds_ids(child.type.value_type if is_list(child.type) else child.type):
            return str(child.name)
    return None


def _authors(kind: Any) -> list[str]:
    path = Names(pa.schema(list(kind))).first(AUTHORS, ids=True)
    return [] if path is None else [path]


def _keyed(kind: Any) -> list[pa.Field[Any]]:
    """The children of a struct that are called as a row can stand to a tweet."""
    return [child for child in _children(kind) if plain(child.name) in _REPEATS | _OTHERS]


def _children(kind: Any) -> list[pa.Field[Any]]:
    """The children of a struct whose names stand once: the others cannot be told apart."""
    return [child for child in kind if kind.get_field_index(child.name) >= 0]


def _field(values: Any, name: str) -> Any:
    return pc.struct_field(values, [values.type.get_field_index(name)])


def _one(column: pa.ChunkedArray[Any]) -> Any:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def _true(values: Any) -> Mask:
    mask: Mask = values.fill_null(False).to_numpy(zero_copy_only=False)
    return mask.astype(bool)
