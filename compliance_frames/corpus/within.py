"""Columns below lists and maps: found by a path to which lists add no name, read with the row of each value, edited.

A map is a list of ``key`` and ``value``, as Parquet stores it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from numpy.typing import NDArray

from compliance_frames.corpus.arrays import Mask, elements_kept
from compliance_frames.corpus.paths import is_list

#: Takes values; gives those that stay in their place, and which of them stay where they are elements of a list.
Edit = Callable[[Any], tuple[Any, Mask]]


def field_within(schema: pa.Schema, path: str) -> pa.Field[Any] | None:
    """The field that a path names, below lists and maps too; None where there is none.

    >>> field_within(pa.schema({"items": pa.list_(pa.struct({"tweet": pa.string()}))}), "items.tweet")
    pyarrow.Field<tweet: string>
    """
    found = _way(schema, path)
    return None if found is None else found[1][-1]


def lists_on_the_way(schema: pa.Schema, path: str) -> list[Any]:
    """The types of the lists and maps that a path leads through, or that stand at its end.

    >>> lists_on_the_way(pa.schema({"items": pa.list_(pa.struct({"tweet": pa.string()}))}), "items.tweet")
    [ListType(list<item: struct<tweet: string>>)]
    """
    found = _way(schema, path)
    assert found is not None
    return [each for field in found[1] for each in _listed(field.type)]


def values_within(table: pa.Table, path: str) -> Iterator[tuple[Any, NDArray[np.int64]]]:
    """The values at a path, in pieces, each with the row it belongs to; of lists at its end, their elements.

    >>> found, = values_within(pa.table({"items": [[{"a": 1}, {"a": 2}], None, [{"a": 3}]]}), "items.a")
    >>> found[0].to_pylist(), found[1].tolist()
    ([1, 2, 3], [0, 0, 2])
    """
    names = _names(table.schema, path)
    first = 0
    chunks: list[Any] = table.column(names[0]).chunks
    for chunk in chunks:
        yield _values(chunk, names[1:], np.arange(first, first + len(chunk)))
        first += len(chunk)


def edited_within(column: Any, schema: pa.Schema, path: str, edit: Edit) -> Any:
    """A top-level column with the values at a path put through an edit; everything around them stays as it is.

    >>> table = pa.table({"items": [[{"a": 1}, {"a": 2}], None]})
    >>> def blank(values):
    ...     return pa.nulls(len(values), values.type), np.ones(len(values), bool)
    >>> edited_within(table["items"], table.schema, "items.a", blank).to_pylist()
    [[{'a': None}, {'a': None}], None]
    """
    names = _names(schema, path)
    chunks = [_edited(chunk, names[1:], edit) for chunk in column.chunks]
    return pa.chunked_array(chunks, type=column.type)


def _way(schema: pa.Schema, path: str) -> tuple[list[str], list[pa.Field[Any]]] | None:
    """The names that lead down a path, and the field that each of them names."""
    steps = path.split(".")
    for cut in range(1, len(steps) + 1):
        at = schema.get_field_index(".".join(steps[:cut]))
        fields = _down(schema.field(at), steps[cut:]) if at >= 0 else None
        if fields is not None:
            return [".".join(steps[:cut]), *steps[cut:]], fields
    return None


def _names(schema: pa.Schema, path: str) -> list[str]:
    found = _way(schema, path)
    assert found is not None, path
    return found[0]


def _down(field: pa.Field[Any], names: list[str]) -> list[pa.Field[Any]] | None:
    kind: Any = _bare(field.type)
    if not names:
        return [field]
    if pt.is_map(kind):
        child = {"key": kind.key_field, "value": kind.item_field}.get(names[0])
    else:
        at = kind.get_field_index(names[0]) if pt.is_struct(kind) else -1
        child = kind.field(at) if at >= 0 else None
    rest = None if child is None else _down(child, names[1:])
    return None if rest is None else [field, *rest]


def _bare(kind: Any) -> Any:
    """What lists hold, at last."""
    while is_list(kind):
        kind = kind.value_type
    return kind


def _listed(kind: Any) -> Iterator[Any]:
    while is_list(kind):
        yield kind
        kind = kind.value_type
    if pt.is_map(kind):
        yield kind


def _values(values: Any, names: list[str], rows: NDArray[np.int64]) -> tuple[Any, NDArray[np.int64]]:
    kind = values.type
    if pt.is_map(kind) and names:
        return _values(_pairs(values), names, rows)
    if is_list(kind):
        return _values(values.flatten(), names, rows[np.asarray(pc.list_parent_indices(values))])
    if not names:
        return values, rows
    return _values(pc.struct_field(values, [kind.get_field_index(names[0])]), names[1:], rows)


def _edited(values: Any, names: list[str], edit: Edit) -> Any:
    kind = values.type
    if pt.is_map(kind) and names:
        return _as_map(_edited(_pairs(values), names, edit), kind)
    if is_list(kind):
        if names or is_list(kind.value_type):
            return _with_elements(values, _edited(values.flatten(), names, edit))
        return elements_kept(values, *reversed(edit(values.flatten())))
    if not names:
        return edit(values)[0]
    children = [values.field(at) for at in range(kind.num_fields)]
    at = kind.get_field_index(names[0])
    inside: Any = pc.struct_field(values, [at])  # what lies below a null may be anything
    children[at] = _edited(inside, names[1:], edit)
    return pa.StructArray.from_arrays(children, mask=values.is_null(), type=kind)


def _with_elements(values: Any, elements: Any) -> Any:
    return elements_kept(values, np.ones(len(elements), bool), elements)


def _pairs(values: Any) -> Any:
    kind = values.type
    pair = pa.struct([kind.key_field.with_name("key"), kind.item_field.with_name("value")])
    return values.cast(pa.list_(pair))


def _as_map(pairs: Any, kind: Any) -> Any:
    keys, items = (pairs.values.field(at) for at in range(2))
    offsets = pc.if_else(pairs.is_valid(), pairs.offsets[:-1], None) if pairs.null_count else pairs.offsets[:-1]
    ends: Any = pa.concat_arrays([offsets, pairs.offsets[-1:]])
    return pa.MapArray.from_arrays(ends, keys, items, type=kind)


def leaf_paths(schema: pa.Schema) -> list[str]:
    """The path of each leaf column, in the order in which Parquet stores them; lists add no name.

    >>> leaf_paths(pa.schema({"id": pa.int64(), "items": pa.list_(pa.struct({"a": pa.list_(pa.int8())}))}))
    ['id', 'items.a']
    """
    return [path for field in schema for path in _leaves_of(field.type, field.name)]


def _leaves_of(kind: Any, path: str) -> Iterator[str]:
    if isinstance(kind, pa.BaseExtensionType):
        yield from _leaves_of(kind.storage_type, path)
    elif pt.is_struct(kind):
        for child in kind:
            yield from _leaves_of(child.type, f"{path}.{child.name}")
    elif pt.is_map(kind):
        yield from _leaves_of(kind.key_type, f"{path}.key")
        yield from _leaves_of(kind.item_type, f"{path}.value")
    elif is_list(kind):
        yield from _leaves_of(kind.value_type, path)
    else:
        yield path


def head_of(schema: pa.Schema, path: str) -> int:
    """The position of the top-level column that a path leads into.

    >>> head_of(pa.schema({"id": pa.int64(), "items": pa.list_(pa.struct({"a": pa.int8()}))}), "items.a")
    1
    """
    return int(schema.get_field_index(_names(schema, path)[0]))


def heads_of(schema: pa.Schema, paths: Iterable[str]) -> list[str]:
    """The top-level columns that some paths lead into, each once, in their order.

    >>> heads_of(pa.schema({"id": pa.int64(), "user": pa.struct({"a": pa.int8(), "b": pa.int8()})}), ["user.b", "id"])
    ['id', 'user']
    """
    return [schema.names[at] for at in sorted({head_of(schema, path) for path in paths})]


def bare_type(schema: pa.Schema, path: str) -> Any:
    """The type of the values at a path, without the lists that they may stand in.

    >>> bare_type(pa.schema({"a": pa.list_(pa.int8())}), "a")
    DataType(int8)
    """
    field = field_within(schema, path)
    assert field is not None, path
    return _bare(field.type)
