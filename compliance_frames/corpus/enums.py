"""Polars writes all categories of an Enum into a file's schema, erased values among them: here they come out."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.types as pt

#: The keys of field metadata under which polars lists an Enum's categories begin so.
_CATEGORIES = b"_PL_ENUM_VALUES"

_arrow: Any = pa


def without_enums(schema: pa.Schema) -> tuple[pa.Schema, list[str]]:
    """The schema without lists of categories, and a sentence for each column that had one.

    Without its list, polars reads such a column as Categorical, of the same values.

    >>> listed = pa.field("lang", pa.string(), metadata={"_PL_ENUM_VALUES2": "2;en2;de"})
    >>> schema, notes = without_enums(pa.schema([listed]))
    >>> schema.field("lang").metadata, notes
    (None, ["polars reads 'lang' as Categorical, not Enum: the list of an Enum's categories holds erased values"])
    """
    plain = [_without(field) for field in schema]
    changed = [
        field.name for field, other in zip(schema, plain, strict=True) if not field.equals(other, check_metadata=True)
    ]
    notes = [
        f"polars reads {name!r} as Categorical, not Enum: the list of an Enum's categories holds erased values"
        for name in changed
    ]
    metadata: Any = schema.metadata
    return (pa.schema(plain, metadata=metadata) if changed else schema), notes


def _without(field: pa.Field[Any]) -> pa.Field[Any]:
    told = field.metadata or {}
    said: dict[Any, Any] = {key: value for key, value in told.items() if not key.startswith(_CATEGORIES)}
    if len(said) < len(told):
        field = field.with_metadata(said) if said else field.remove_metadata()
    kind = _type_without(field.type)
    return field if kind is field.type else field.with_type(kind)


def _type_without(kind: Any) -> Any:
    """The same type with its children's metadata freed of categories; the very same object where there are none."""
    if pt.is_map(kind):
        inside, make = [kind.key_field, kind.item_field], _map_of(kind)
    elif pt.is_struct(kind):
        inside, make = list(kind), lambda *fields: pa.struct(fields)
    elif pt.is_list(kind):
        inside, make = [kind.value_field], pa.list_
    elif pt.is_large_list(kind):
        inside, make = [kind.value_field], pa.large_list
    elif pt.is_fixed_size_list(kind):
        inside, make = [kind.value_field], lambda field: _arrow.list_(field, kind.list_size)
    else:
        return kind
    plain = [_without(field) for field in inside]
    same = all(before is after for before, after in zip(inside, plain, strict=True))
    return kind if same else make(*plain)


def _map_of(kind: Any) -> Any:
    return lambda key, item: _arrow.map_(key, item, keys_sorted=kind.keys_sorted)
