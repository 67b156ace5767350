"""Other tweets in flat tables: which columns beside an ID tell whose it is, how the row stands to it, what it says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.types as pt

from compliance_frames.corpus.ecosystems import QUOTED, REPEATED, TEXTS, Flat, is_place
from compliance_frames.corpus.paths import Names, field_at, holds_ids, is_list, type_at
from compliance_frames.corpus.references import names_tweets
from compliance_frames.ids.naming import plain


@dataclass(frozen=True)
class Beside:
    """Another tweet of a row, by the paths of the columns that tell of it.

    Attributes:
        id: its ID.
        author: its author's ID, or None.
        kind: says how the row stands to it, or None where there is but one way.
        says: what ``kind`` says where the row stands to it so.
        content: columns that hold what it says.
        places: those of them that hold where it was written.
        open: whether rows may stand to it in any way, where no column says in which.
    """

    id: str
    author: str | None = None
    kind: str | None = None
    says: str = ""
    content: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    open: bool = False


def repeated(schema: pa.Schema, inside: str) -> Iterator[Beside]:
    """The tweets that rows of a flat table repeat; ``inside`` is the struct that holds the row's tweet, or ``""``.

    >>> found = list(repeated(pa.schema({"sourcetweet_id": pa.string(), "sourcetweet_type": pa.string()}), ""))
    >>> [(each.id, each.kind, each.says) for each in found]
    [('sourcetweet_id', 'sourcetweet_type', 'retweeted')]
    """
    names = Names(schema)
    for flat in REPEATED:
        found = _found(names, flat, inside)
        if found is not None:
            yield found


def quoted(schema: pa.Schema) -> Iterator[Beside]:
    """The tweets that rows of a flat table quote, where it holds more of them than an ID.

    >>> [each.content for each in quoted(pa.schema({"quoted_id": pa.string(), "quoted_text": pa.string()}))]
    [('quoted_text',)]
    """
    names, taken = Names(schema), set[str]()
    for flat in QUOTED:
        found = _found(names, flat, "")
        content = () if found is None else _content(schema, flat, found)
        if found is not None and content and not taken & set(content):
            taken |= set(content)
            places = tuple(name for name in content if is_place(name.removeprefix(flat.prefix)))
            yield Beside(found.id, found.author, content=content, places=places)  # however the row stands to it


def beside_reference(schema: pa.Schema, path: str, inside: str) -> Beside | None:
    """What tells of the tweet whose ID stands at ``path`` and which rows repeat; None where that column says it all.

    >>> beside_reference(pa.schema({"retweeted_id": pa.string(), "retweeted_user_id": pa.string()}), "retweeted_id", "")
    Beside(id='retweeted_id', author='retweeted_user_id', kind=None, says='', content=(), places=(), open=False)
    """
    known = next((each for each in repeated(schema, inside) if each.id == path), None)
    return Beside(path) if known is None and not names_tweets(type_at(schema, path)) else known


def beside_content(schema: pa.Schema, path: str) -> Beside | None:
    """What tells of the tweet whose content stands in the flat column ``path``; None where nothing does.

    >>> schema = pa.schema({"quoted_id": pa.string(), "quoted_text": pa.string()})
    >>> beside_content(schema, "quoted_text").id, beside_content(schema, "quoted_id")
    ('quoted_id', None)
    """
    return next((each for each in quoted(schema) if path in each.content), None)


def _found(names: Names, flat: Flat, inside: str) -> Beside | None:
    for above in (f"{inside}.", "") if inside else ("",):
        path = names.find(f"{above}{flat.id}")
        if path is not None and _holds_ids(names.type(path)) and is_flat(names.schema, path, inside):
            there = (names.find(f"{above}{name}") for name in flat.authors)
            author = next((each for each in there if each is not None and _holds_ids(names.type(each))), None)
            kind = names.find(f"{above}{flat.kind}") if flat.kind else None
            return Beside(path, author, kind, flat.says, open=flat.open and kind is None)
    return None


def _holds_ids(kind: Any) -> bool:
    """Whether a column can hold an ID in each row, or a list of them."""
    return holds_ids(kind.value_type if is_list(kind) else kind)


def is_flat(schema: pa.Schema, path: str, inside: str) -> bool:
    """Whether a column stands at the top or beside the tweet's own: a way through structs leads into another tweet.

    >>> is_flat(pa.schema({"quoted": pa.struct({"id": pa.int64()})}), "quoted.id", "")
    False
    """
    return schema.get_field_index(path) >= 0 or "." not in (path.removeprefix(f"{inside}.") if inside else path)


def _content(schema: pa.Schema, flat: Flat, found: Beside) -> tuple[str, ...]:
    """The columns that begin as the other tweet's do, but for IDs; none where no words are among them."""
    bare = {found.id, found.author, found.kind}
    begins = [name for name in schema.names if name.startswith(flat.prefix) and schema.names.count(name) == 1]
    words = {f"{flat.prefix}{text}" for text in TEXTS}
    if not words & set(begins):
        return ()
    ids = {plain(name) for other in QUOTED for name in (other.id, *other.authors)}
    return tuple(name for name in begins if name not in bare and plain(name) not in ids and _is_cell(schema, name))


def _is_cell(schema: pa.Schema, name: str) -> bool:
    field = field_at(schema, name)
    if field is None:
        return False
    kind = field.type
    return not pt.is_struct(kind) and not (is_list(kind) and pt.is_struct(kind.value_type))
