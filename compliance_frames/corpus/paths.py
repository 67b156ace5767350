"""The way to a column: its literal name at the top, or else down through structs (``"user.id_str"``)."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from compliance_frames.corpus.ecosystems import WRAPPERS
from compliance_frames.errors import PlanError
from compliance_frames.ids.naming import plain


class Names:
    """The columns of a schema by their paths, whichever way they are spelt; a name that stands twice is none.

    >>> names = Names(pa.schema({"tweetId": pa.int64(), "user": pa.struct({"id": pa.int64()})}))
    >>> names.find("tweet_id"), names.find("user.id"), names.find("author_id")
    ('tweetId', 'user.id', None)
    """

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema
        self._spelt: dict[str, str] = {}
        for path in paths_of(schema):
            self._spelt.setdefault(plain(path), path)

    def find(self, name: str) -> str | None:
        """The path of a column that is called so."""
        return name if field_at(self.schema, name) is not None else self._spelt.get(plain(name))

    def first(self, names: Iterable[str], *, ids: bool = False) -> str | None:
        """The first of some names that there is a column for; of a type that can hold IDs, on request."""
        for name in names:
            path = self.find(name)
            if path is not None and (not ids or holds_ids(self.type(path))):
                return path
        return None

    def type(self, path: str) -> Any:
        """The type of the column at a path."""
        return type_at(self.schema, path)


def field_at(schema: pa.Schema, path: str) -> pa.Field[Any] | None:
    """The field that a path names, or None where there is none.

    >>> field_at(pa.schema({"user": pa.struct({"id": pa.int64()})}), "user.id")
    pyarrow.Field<id: int64>
    """
    steps = steps_to(schema, path)
    if steps is None:
        return None
    field = schema.field(steps[0])
    for step in steps[1:]:
        field = field.type.field(step)
    return field


def wrapper_of(schema: pa.Schema, path: str) -> str:
    """What stands before a column's own name in the names of those beside it: a struct's path, or an empty text.

    A table that was flattened says so in its names, where what its names begin with is one that tweets are wrapped in.

    >>> wrapper_of(pa.schema({"tweet": pa.struct({"id": pa.int64()})}), "tweet.id")
    'tweet'
    >>> [wrapper_of(pa.schema({name: pa.int64()}), name) for name in ("data.id", "my.id", "id")]
    ['data', '', '']
    """
    before = path.rpartition(".")[0]
    return before if schema.get_field_index(path) < 0 or before in WRAPPERS else ""


def type_at(schema: pa.Schema, path: str) -> Any:
    """The type of the column at a path that is there.

    >>> type_at(pa.schema({"id": pa.int64()}), "id")
    DataType(int64)
    """
    field = field_at(schema, path)
    assert field is not None
    return field.type


def steps_to(schema: pa.Schema, path: str) -> tuple[int, ...] | None:
    """The way to a path's column, as positions: the top-level column first, then struct children.

    >>> steps_to(pa.schema({"text": pa.string(), "user": pa.struct({"id": pa.int64()})}), "user.id")
    (1, 0)
    """
    whole = schema.get_field_index(path)
    if whole >= 0:
        return (whole,)
    names = path.split(".")
    for cut in range(1, len(names)):
        head = schema.get_field_index(".".join(names[:cut]))
        steps = _down(schema.field(head).type, names[cut:]) if head >= 0 else None
        if steps is not None:
            return (head, *steps)
    return None


def column_at(table: pa.Table, path: str) -> pa.ChunkedArray[Any]:
    """A path's values, one for each row: null wherever a struct on the way is null.

    >>> column_at(pa.table({"user": [{"id": 7}, None]}), "user.id").to_pylist()
    [7, None]
    """
    steps = steps_to(table.schema, path)
    if steps is None:
        raise PlanError(f"there is no column {path!r}{hint(table.schema, path)}")
    column: pa.ChunkedArray[Any] = table.column(steps[0])
    return pc.struct_field(column, list(steps[1:])) if steps[1:] else column


def holds_ids(kind: Any) -> bool:
    """Whether a column of this type can be one of IDs: integers, text, dictionaries of them, or nothing at all.

    >>> holds_ids(pa.large_string()), holds_ids(pa.float64())
    (True, False)
    """
    kind = kind.value_type if pt.is_dictionary(kind) else kind
    whole = pt.is_integer(kind) or (pt.is_decimal(kind) and kind.scale == 0)
    return bool(whole or is_text(kind) or pt.is_null(kind))


def is_text(kind: Any) -> bool:
    """Whether a type is text, of any layout, in a dictionary or not.

    >>> is_text(pa.dictionary(pa.int8(), pa.string())), is_text(pa.int64())
    (True, False)
    """
    kind = kind.value_type if pt.is_dictionary(kind) else kind
    return bool(pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind))


def is_list(kind: Any) -> bool:
    """Whether a type is a list of any kind: with offsets, with views, or of a fixed size.

    >>> is_list(pa.list_(pa.int8())), is_list(pa.string())
    (True, False)
    """
    views = pt.is_list_view(kind) or pt.is_large_list_view(kind)
    return bool(pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind) or views)


def paths_of(fields: Iterable[pa.Field[Any]], above: str = "") -> Iterator[str]:
    """Every path of some fields, from the outermost on; a name that stands twice in one place leads nowhere.

    >>> list(paths_of(pa.schema({"user": pa.struct({"id": pa.int64()}), "text": pa.string()})))
    ['user', 'user.id', 'text']
    """
    named = list(fields)
    counts = Counter(field.name for field in named)
    for field in named:
        if counts[field.name] == 1:
            yield f"{above}{field.name}"
            if pt.is_struct(field.type):
                yield from paths_of(field.type, f"{above}{field.name}.")


def hint(schema: pa.Schema, path: str) -> str:
    """The column that was meant, or those that there are: the end of a sentence about one that is not there.

    >>> hint(pa.schema({"tweet_id": pa.int64()}), "tweetid")
    "; did you mean 'tweet_id'?"
    """
    known = list(paths_of(schema))
    close = difflib.get_close_matches(path, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(map(repr, known[:20]))}"


def _down(kind: Any, names: list[str]) -> tuple[int, ...] | None:
    if not names:
        return ()
    at = kind.get_field_index(names[0]) if pt.is_struct(kind) else -1
    rest = _down(kind.field(at).type, names[1:]) if at >= 0 else None
    return None if rest is None else (at, *rest)
