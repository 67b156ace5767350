"""Take rows, nulls and list elements out of Arrow data so that nothing of them stays behind in a buffer.

Filtering is not enough: a filtered dictionary still lists the values that no row has any more, and the types of
views and runs know no selection at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Edit = Callable[[Any], Any]

#: Bytes from which on it takes longer to copy them than to write them as an array of their own …
_STRETCH: Final = 16 << 10
#: … and what part of a column is to stay, so that little is held which nobody needs.
_MOSTLY: Final = 0.875

#: The functions that no stub lists yet.
_arrow: Any = pa
_compute: Any = pc


def kept(column: pa.ChunkedArray[Any], keep: Mask) -> pa.ChunkedArray[Any]:
    """The rows where ``keep`` is true, copied out of buffers that hold the others.

    >>> words = pa.chunked_array([pa.array(["secret", "open"]).dictionary_encode()])
    >>> kept(words, np.array([False, True])).chunk(0).dictionary.to_pylist()
    ['open']
    """
    plain = _is_plain(column.type)
    chunks = [
        chunk.filter(pa.array(part)) if plain else taken(chunk, pa.array(np.flatnonzero(part)))
        for chunk, part in _by_chunk(column, keep)
    ]
    return pa.chunked_array(chunks, type=column.type)


def kept_to_write(column: pa.ChunkedArray[Any], keep: Mask) -> pa.ChunkedArray[Any]:
    """The same rows, for whoever writes at once what he sees, and nothing else: long text is left where it lies.

    That is not worth the while where little is between two rows that go, or where they are most of it.

    >>> words = pa.chunked_array([["long" * 10_000, "secret", "open"]])
    >>> [len(chunk) for chunk in kept_to_write(words, np.array([True, False, True])).chunks]
    [1, 1]
    """
    gone = np.flatnonzero(~keep)
    if not _is_text(column.type) or column.nbytes < _STRETCH * (1 + len(gone)):
        return kept(column, keep)
    chunks, start = [], 0
    for chunk in column.chunks:
        inside = gone[np.searchsorted(gone, start) : np.searchsorted(gone, start + len(chunk))] - start
        borders = np.concatenate([[-1], inside, [len(chunk)]])
        begins, lengths = borders[:-1] + 1, np.diff(borders) - 1
        chunks += [chunk.slice(at, rows) for at, rows in zip(begins.tolist(), lengths.tolist(), strict=True) if rows]
        start += len(chunk)
    made = pa.chunked_array(chunks, type=column.type)
    return made if made.nbytes > _MOSTLY * column.nbytes else kept(column, keep)


def nulled(column: pa.ChunkedArray[Any], steps: tuple[int, ...], where: Mask) -> pa.ChunkedArray[Any]:
    """The column with the child at ``steps`` (struct positions; ``()`` is the column itself) nulled in some rows.

    >>> nulled(pa.chunked_array([[{"a": 1, "b": 2}]]), (1,), np.array([True])).to_pylist()
    [{'a': 1, 'b': None}]
    """
    chunks = [
        edited(chunk, steps, partial(_nulled, where=part)) if part.any() else chunk
        for chunk, part in _by_chunk(column, where)
    ]
    return pa.chunked_array(chunks, type=column.type)


def edited(array: Any, steps: tuple[int, ...], edit: Edit) -> Any:
    """A struct array with one child, however deep, put through ``edit``; everything around it stays as it is."""
    if not steps:
        return edit(array)
    children = [array.field(at) for at in range(array.type.num_fields)]
    children[steps[0]] = edited(children[steps[0]], steps[1:], edit)
    return pa.StructArray.from_arrays(children, mask=array.is_null(), type=array.type)


def elements_kept(array: Any, keep: Mask, values: Any = None) -> Any:
    """A list array without the elements where ``keep`` is false; null lists stay null, emptied ones are empty.

    Args:
        array: of any list type but that of a fixed size.
        keep: one for each element of ``array.flatten()``.
        values: the elements to use in place of ``array.flatten()``.

    >>> elements_kept(pa.array([[1, 2], None, [3]]), np.array([True, False, False])).to_pylist()
    [[1], None, []]
    """
    values = array.flatten() if values is None else values
    parents = pc.list_parent_indices(array).to_numpy(zero_copy_only=False)
    sizes = np.bincount(parents[keep], minlength=len(array))
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    values = values if keep.all() else taken(values, pa.array(np.flatnonzero(keep)))
    width = np.int64 if pt.is_large_list(array.type) or pt.is_large_list_view(array.type) else np.int32
    make: Any = type(array).from_arrays
    if pt.is_list(array.type) or pt.is_large_list(array.type):
        return make(pa.array(offsets.astype(width)), values, type=array.type, mask=array.is_null())
    places, lengths = pa.array(offsets[:-1].astype(width)), pa.array(sizes.astype(width))
    return make(places, lengths, values, type=array.type, mask=array.is_null())


def taken(array: Any, rows: Any) -> Any:
    """The values at ``rows`` (a null row gives a null), in fresh buffers that hold no other value.

    >>> taken(pa.array(["a", "b"], pa.string_view()), pa.array([1, None])).to_pylist()
    ['b', None]
    """
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, taken(array.storage, rows))
    if pt.is_dictionary(kind):
        return _taken_words(array, rows)
    if pt.is_run_end_encoded(kind):
        return _compute.run_end_encode(taken(_compute.run_end_decode(array), rows), run_end_type=kind.run_end_type)
    plain = _plain(kind)
    if plain == kind:
        return array.take(rows)
    if pt.is_struct(kind):
        return _taken_structs(array, rows)
    if pt.is_list(kind) or pt.is_large_list(kind):
        return _taken_lists(array, rows)
    return _taken_one_by_one(array, rows) if plain is None else array.cast(plain).take(rows).cast(kind)


def words(values: Any) -> Any:
    """Text of any layout, a dictionary of views among them, as plain strings.

    >>> words(pa.array(["a", None, "a"]).dictionary_encode()).to_pylist()
    ['a', None, 'a']
    """
    if isinstance(values, pa.ChunkedArray):
        return pa.chunked_array([words(chunk) for chunk in values.chunks], type=pa.string())
    if pt.is_dictionary(values.type):
        return words(values.dictionary).take(values.indices)
    return values.cast(pa.string())


def _nulled(array: Any, where: Mask) -> Any:
    return taken(array, pa.array(np.arange(len(array)), mask=where))


def _by_chunk(column: pa.ChunkedArray[Any], mask: Mask) -> Iterator[tuple[Any, Mask]]:
    start = 0
    for chunk in column.chunks:
        yield chunk, mask[start : start + len(chunk)]
        start += len(chunk)


def _taken_words(array: Any, rows: Any) -> Any:
    """Dictionary-encoded values with a dictionary of the words still in use, in the order they had."""
    places = array.indices.take(rows)
    # Hidden below a null struct, an index may point nowhere: builders write 0 there, with no word yet to point to.
    places = pc.if_else(pc.less(places.cast(pa.int64()), len(array.dictionary)), places, None)
    used = places.unique().drop_null().sort()
    compact = pc.index_in(places, value_set=used).cast(array.type.index_type)
    words = taken(array.dictionary, used)
    return pa.DictionaryArray.from_arrays(compact, words, ordered=array.type.ordered)


def _taken_structs(array: Any, rows: Any) -> Any:
    """Structs child by child. What lies hidden below a null struct need not even be valid: it becomes null too."""
    here = pc.if_else(array.is_valid().take(rows), rows, None)
    children = [taken(array.field(at), here) for at in range(array.type.num_fields)]
    return pa.StructArray.from_arrays(children, mask=here.is_null(), type=array.type)


def _taken_lists(array: Any, rows: Any) -> Any:
    """Lists by way of lists of positions, which can be selected from whatever the elements are."""
    make: Any = type(array).from_arrays
    everywhere = pa.array(np.arange(len(array.values)))
    offsets = pa.array(array.offsets.to_numpy())  # of a slice: no mask goes with them as they are
    places = make(offsets, everywhere, mask=array.is_null()).take(rows)
    return make(places.offsets, taken(array.values, places.values), type=array.type, mask=places.is_null())


def _taken_one_by_one(array: Any, rows: Any) -> Any:
    """For what can neither be selected from nor cast: a list view of views, a union of dictionaries."""
    values = array.to_pylist()
    return pa.array([None if row is None else values[row] for row in rows.to_pylist()], type=array.type)


def _is_text(kind: Any) -> bool:
    return any(is_it(kind) for is_it in (pt.is_string, pt.is_large_string, pt.is_binary, pt.is_large_binary))


def _is_plain(kind: Any) -> bool:
    """Whether a filter of Arrow's own, which is faster than a selection by positions, leaves nothing behind."""
    if pt.is_struct(kind) or pt.is_list(kind) or pt.is_large_list(kind):
        return all(_is_plain(field.type) for field in _fields(kind))
    flat = not pt.is_nested(kind) and not pt.is_run_end_encoded(kind) and not isinstance(kind, pa.BaseExtensionType)
    return flat and _plain(kind) == kind


def _plain(kind: Any) -> Any:
    """The type to select from in place of one that holds dictionaries or views; None where there is no way there."""
    if pt.is_string_view(kind):
        return pa.large_string()
    if pt.is_binary_view(kind):
        return pa.large_binary()
    if pt.is_dictionary(kind):
        return _plain(kind.value_type)
    if isinstance(kind, pa.BaseExtensionType):
        return kind if _plain(kind.storage_type) == kind.storage_type else None
    if not pt.is_nested(kind):
        return kind
    inner = [field.with_type(_plain(field.type) or field.type) for field in _fields(kind)]
    awkward = any(_plain(field.type) is None for field in _fields(kind))
    if not awkward and inner == _fields(kind):
        return kind
    return None if awkward else _rebuilt(kind, inner)


def _fields(kind: Any) -> list[pa.Field[Any]]:
    if pt.is_map(kind):
        return [kind.key_field, kind.item_field]
    if pt.is_run_end_encoded(kind):
        return [pa.field("values", kind.value_type)]
    return [kind.field(at) for at in range(kind.num_fields)]


def _rebuilt(kind: Any, inner: list[pa.Field[Any]]) -> Any:
    if pt.is_struct(kind):
        return pa.struct(inner)
    if pt.is_map(kind):
        return _arrow.map_(*inner, keys_sorted=kind.keys_sorted)
    if pt.is_list(kind):
        return pa.list_(*inner)
    if pt.is_large_list(kind):
        return pa.large_list(*inner)
    return _arrow.list_(*inner, kind.list_size) if pt.is_fixed_size_list(kind) else None
