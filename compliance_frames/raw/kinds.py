"""What kinds of values stand under each name, over files that disagree: the one schema that all of them fit in.

A kind is ``"nothing"`` where nothing was seen, ``"null"`` where nulls were, ``"bool"``, ``"int"``, ``"float"``,
``"text"``, :class:`Items` of a kind, or an object's names with theirs. Kinds only widen: whole numbers beside fractions
become ``"float"``, an empty object (as R writes it) beside lists an empty list, and what cannot be reconciled becomes
text, as JSON has it. An ID that is a number in one file and text in the other is text.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, Union

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

Kind: TypeAlias = Union[str, "Items", "dict[str, Kind]"]
#: Above it a float has no place for each whole number.
EXACT: Final = 2**53
#: An object with more names holds data in them, as maps do: it stays text.
MOST_NAMES: Final = 1_000
#: Tweets lie in tweets three deep, and their coordinates in four lists.
DEEPEST: Final = 24

_LEAST, _MOST = -(2**63), 2**63 - 1
_ARROW: Final = {
    "nothing": pa.string(),
    "null": pa.string(),
    "bool": pa.bool_(),
    "int": pa.int64(),
    "float": pa.float64(),
    "text": pa.string(),
}
_NUMBERS: Final = (("int", "float"), ("float", "int"))
_SCALARS: Final[dict[type, str]] = {str: "text", bool: "bool", int: "int", float: "float"}


@dataclass(frozen=True)
class Items:
    """A list, and what is in it."""

    kind: Kind


class Inexact(Exception):
    """A value does not fit in the kind of its place without loss: that place has to become text.

    Attributes:
        path: the way to it, through names; lists have none.
    """

    def __init__(self, path: tuple[str, ...] = ()) -> None:
        super().__init__(path)
        self.path = path


def joined(a: Kind, b: Kind) -> Kind:
    """The narrowest kind that the values of both fit in.

    >>> joined("int", "float"), joined("int", "text"), joined({}, Items("text"))
    ('float', 'text', Items(kind='text'))
    >>> joined({"id": "int"}, {"id": "text", "geo": {}})
    {'id': 'text', 'geo': {}}
    """
    if a is b or a == b or b == "nothing" or (b == "null" and a != "nothing"):
        return a
    if a in ("nothing", "null"):
        return b
    if isinstance(a, dict) and isinstance(b, dict):
        names = {name: joined(kind, b.get(name, "null")) for name, kind in a.items()}
        names |= {name: kind for name, kind in b.items() if name not in a}
        return names if len(names) <= MOST_NAMES else "text"
    if isinstance(a, Items) and isinstance(b, Items):
        return Items(joined(a.kind, b.kind))
    for one, other in ((a, b), (b, a)):
        if one == {} and isinstance(other, Items):
            return other
        if one == Items("nothing") and isinstance(other, dict):
            return other
    return "float" if (a, b) in _NUMBERS else "text"


def widened(kind: Kind, value: Any, depth: int = 0) -> Kind:
    """A kind that a value fits in, too: the same object where it did before.

    >>> widened({"id": "int"}, {"id": 2**70, "geo": None})
    {'id': 'text', 'geo': 'null'}
    """
    if value is None:
        return "null" if kind == "nothing" else kind
    if kind == "text":
        return kind
    if depth > DEEPEST:
        return "text"
    scalar = _SCALARS.get(type(value))
    if scalar is not None:
        if scalar == "int" and not _LEAST <= value <= _MOST:
            scalar = "text"
        return kind if kind == scalar else joined(kind, scalar)
    if isinstance(value, list):
        within = kind.kind if isinstance(kind, Items) else "nothing"
        for item in value:
            within = widened(within, item, depth + 1)
        return kind if isinstance(kind, Items) and within is kind.kind else joined(kind, Items(within))
    return _widened_by_names(kind, value, depth)


def _widened_by_names(kind: Kind, value: dict[str, Any], depth: int) -> Kind:
    if not isinstance(kind, dict):
        return joined(kind, _widened_by_names({}, value, depth))
    new: dict[str, Kind] = {}
    for name, item in value.items():
        old = kind.get(name)
        found = widened("null" if old is None else old, item, depth + 1)
        if found is not old:
            new[name] = found
    if not new:
        return kind
    names = {**kind, **new}
    return names if len(names) <= MOST_NAMES else "text"


def with_text(kind: Kind, path: tuple[str, ...]) -> Kind:
    """A kind with text in one place.

    >>> with_text({"geo": Items({"at": "float"})}, ("geo", "at"))
    {'geo': Items(kind={'at': 'text'})}
    """
    if not path:
        return "text"
    if isinstance(kind, Items):
        return Items(with_text(kind.kind, path))
    assert isinstance(kind, dict)
    return {**kind, path[0]: with_text(kind[path[0]], path[1:])}


def arrow_type(kind: Kind) -> Any:
    """The type of a column; of objects without a name, and of nothing, text.

    >>> arrow_type({"id": "int", "tags": Items("text")})
    StructType(struct<id: int64, tags: list<element: string>>)
    """
    if isinstance(kind, Items):
        return pa.list_(pa.field("element", arrow_type(kind.kind)))
    if isinstance(kind, dict):
        return pa.struct([(name, arrow_type(each)) for name, each in kind.items()]) if kind else pa.string()
    return _ARROW[kind]


def schema_of(names: Kind) -> pa.Schema:
    """The schema of rows of a kind."""
    assert isinstance(names, dict)
    return pa.schema([(name, arrow_type(kind)) for name, kind in names.items()])


def as_text(value: Any) -> str:
    """A value as text: as it is, or as JSON has it.

    >>> as_text("a"), as_text(20), as_text({"b": [True]})
    ('a', '20', '{"b":[true]}')
    """
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def fitted(value: Any, kind: Kind) -> Any:
    """A value in the form that Arrow takes for its kind, which must be wide enough for it.

    Raises:
        Inexact: it is a whole number too large for a float.

    >>> fitted({"id": 20, "tags": {}}, {"id": "text", "tags": Items("text")})
    {'id': '20', 'tags': []}
    """
    if value is None:
        return None
    if isinstance(kind, dict):
        if not kind:
            return as_text(value)
        here: dict[str, Any] = {}
        for name, item in value.items() if value else ():
            try:
                here[name] = fitted(item, kind[name])
            except Inexact as error:
                raise Inexact((name, *error.path)) from None
        return here
    if isinstance(kind, Items):
        return [fitted(item, kind.kind) for item in value] if value else []
    if kind == "text":
        return as_text(value)
    if kind == "float" and isinstance(value, int) and abs(value) > EXACT:
        raise Inexact
    return value


def conformed(table: pa.Table, kind: Kind, schema: pa.Schema | None = None) -> pa.Table:
    """A table in the schema of a wider kind than that of its rows.

    Args:
        table: the rows.
        kind: what they are to be.
        schema: of that kind, where it is at hand.

    Raises:
        Inexact: a column cannot have that kind without loss.
    """
    assert isinstance(kind, dict)
    schema = schema_of(kind) if schema is None else schema
    if table.schema.equals(schema):
        return table
    columns = []
    for name, each in kind.items():
        at = table.schema.get_field_index(name)
        type = schema.field(name).type
        if at < 0:
            columns.append(pa.nulls(table.num_rows, type))
            continue
        column = table.column(at)
        try:
            columns.append(
                column if column.type == type else pa.chunked_array([_cast(c, each) for c in column.chunks], type)
            )
        except Inexact as error:
            raise Inexact((name, *error.path)) from None
    return pa.table(columns, schema=schema)


def _cast(array: Any, kind: Kind) -> Any:
    type, target = array.type, arrow_type(kind)
    if type == target:
        return array
    if array.null_count == len(array):
        return pa.nulls(len(array), target)
    if pt.is_struct(type) and isinstance(kind, dict) and kind:
        return _cast_names(array, kind, target)
    if pt.is_list(type) and isinstance(kind, Items):
        first, last = array.offsets[0].as_py(), array.offsets[-1].as_py()
        values = _cast(array.values.slice(first, last - first), kind.kind)
        return pa.ListArray.from_arrays(pc.subtract(array.offsets, first), values, target, mask=array.is_null())
    if pt.is_string(type) and not pt.is_string(target):  # was of no kind yet, or of empty objects, as it seemed
        if pc.any(pc.not_equal(array, "{}")).as_py():
            raise Inexact
        return pa.array([None if text is None else fitted({}, kind) for text in array.to_pylist()], target)
    if pt.is_integer(type) and pt.is_floating(target):
        try:
            return array.cast(target)
        except pa.ArrowInvalid:
            raise Inexact from None
    if (pt.is_integer(type) or pt.is_boolean(type)) and pt.is_string(target):
        return array.cast(target)
    return pa.array([None if value is None else fitted(_bare(value), kind) for value in array.to_pylist()], target)


def _cast_names(array: Any, kind: dict[str, Kind], target: Any) -> Any:
    children = []
    for name, each in kind.items():
        at = array.type.get_field_index(name)
        try:
            children.append(_cast(array.field(at), each) if at >= 0 else pa.nulls(len(array), arrow_type(each)))
        except Inexact as error:
            raise Inexact((name, *error.path)) from None
    return pa.StructArray.from_arrays(children, fields=list(target), mask=array.is_null())


def _bare(value: Any) -> Any:
    """A value of Arrow's without the names that it has nothing for: JSON does not tell these apart either."""
    if isinstance(value, dict):
        return {name: _bare(item) for name, item in value.items() if item is not None}
    return [_bare(item) for item in value] if isinstance(value, list) else value
