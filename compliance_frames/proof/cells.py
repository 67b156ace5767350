"""Every ID of a table, nested ones too, each with the row it stands in, what it stands for and the places beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from numpy.typing import NDArray

from compliance_frames.proof.references import (
    Stand,
    is_silent,
    looks,
    looks_repeated,
    pair,
    pairs_among,
    says_so,
    stands,
)
from compliance_frames.proof.roles import Layout, Path, Role, holds_ids, is_place

#: Columns of places that are told apart in one number: a bit for each.
_MOST_PLACES: Final = 62


@dataclass(frozen=True, eq=False)
class Ids:
    """IDs that stand for the same thing in one column.

    Attributes:
        path: of the column.
        role: what they stand for.
        primary: whether this is the column of the rows' own tweet IDs, that the manifest names.
        values: the IDs, as they are stored; null where there is none.
        rows: the row of each.
        places: for each, a bit for each column of places (:func:`place_columns`) that has a value beside it.
        unsaid: whether these stand among the mentions already, and it is not known whether their rows repeat them.
    """

    path: Path
    role: Role
    primary: bool
    values: Any
    rows: NDArray[np.int64]
    places: NDArray[np.int64]
    unsaid: bool = False


@dataclass(frozen=True, eq=False)
class _Here:
    """Where in a table one is: what each value belongs to, and which of these tweets look like retweets."""

    rows: NDArray[np.int64]
    places: NDArray[np.int64]
    look: NDArray[np.bool_]
    embedded: Path | None = None
    account: Path | None = None


def ids_in(batch: pa.RecordBatch, layout: Layout, first_row: int = 0) -> Iterator[Ids]:
    """Every ID in a batch.

    Args:
        batch: of some file.
        layout: of the same file.
        first_row: where the batch begins in it.

    >>> batch = pa.record_batch({"id": ["7"], "geo": ["Oslo"], "in_reply_to_user_id": ["9"]})
    >>> from compliance_frames.corpus.manifest import ColumnPaths
    >>> [(".".join(ids.path), ids.role, ids.places.tolist()) for ids in ids_in(batch, Layout(ColumnPaths("id")))]
    [('id', 'tweet', [1]), ('in_reply_to_user_id', 'mention', [1])]
    """
    rows = np.arange(first_row, first_row + batch.num_rows, dtype=np.int64)
    beside = _beside(batch, layout)
    here = _Here(rows, _placed(batch, place_columns(batch.schema, layout)), by_look(batch, layout))
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        yield from _ids(column, (name,), here, layout)
    yield from _flat(batch, here, layout)
    for name, how in pairs_among(beside):
        path = path_of(batch.schema, name) or (name,)
        yield from _standing(pair(beside[name], beside.get(how or "")), path, here, mentioned=False)


def by_look(batch: pa.RecordBatch, layout: Layout) -> NDArray[np.bool_]:
    """Which rows look like retweets, in files that do not say it of the tweets that they name."""
    columns = look_columns(batch.schema, layout)
    beside = _beside(batch, layout) if columns else {}
    return looks_repeated({name: beside[name] for name in columns if name in beside}, batch.num_rows)


def look_columns(schema: pa.Schema, layout: Layout) -> list[str]:
    """The columns that tell retweets by what they look like, where a file does not say it of the tweets it names.

    >>> from compliance_frames.corpus.manifest import ColumnPaths
    >>> schema = pa.schema({"id": pa.int64(), "text": pa.string(), "referenced_tweet_id": pa.int64()})
    >>> look_columns(schema, Layout(ColumnPaths("id")))
    ['text']
    """
    around = {".".join(path): kind for path, kind in _around(schema, layout.inside)}
    if any(how is None for _, how in pairs_among(around)):
        return looks(around)
    silent = (layout.names_others(path) and is_silent(kind) for path, kind in _around(schema, layout.inside))
    return looks(around) if any(silent) else []


def place_columns(schema: pa.Schema, layout: Layout) -> tuple[Path, ...]:
    """The columns of places of a file: those of its manifest first, then others that look like some.

    Of a struct that the manifest names in part, the other parts are others. Where it was told that there are no
    places, nothing looks like one.
    """
    told = layout.columns.geo
    if told == ():
        return ()
    known = tuple(path for each in told or () if (path := path_of(schema, each)) is not None)
    above = [path for path, _ in _around(schema, layout.inside)]
    other = [part for path in above if is_place(path[-1]) for part in _uncovered(schema, path, known)]
    return (*known, *other)[:_MOST_PLACES]


def stored_columns(schema: pa.Schema, layout: Layout) -> list[tuple[Path, Role | None]]:
    """The columns that a Parquet file stores, in its order, and what all of their IDs stand for.

    None where they are no IDs, and where what they stand for differs from row to row.

    >>> from compliance_frames.corpus.manifest import ColumnPaths
    >>> stored_columns(pa.schema({"id": pa.int64(), "user": pa.struct({"id": pa.int64()})}), Layout(ColumnPaths("id")))
    [(('id',), 'tweet'), (('user', 'id'), 'author')]
    """
    return [(path, role if holds_ids(kind) else None) for path, role, kind in _all_stored(schema, layout)]


def unreadable_ids(schema: pa.Schema, layout: Layout) -> list[tuple[Path, Any]]:
    """The columns of which none of the IDs can be looked up, by their type: numbers with a point have lost digits.

    Only those that by their names hold IDs of rows, of tweets that rows repeat or of tweets inside of them.

    >>> from compliance_frames.corpus.manifest import ColumnPaths
    >>> unreadable_ids(pa.schema({"id": pa.int64(), "user_id": pa.float64()}), Layout(ColumnPaths("id")))
    [(('user_id',), DataType(double))]
    """
    return [
        (path, kind)
        for path, role, kind in _all_stored(schema, layout)
        if role not in (None, "mention") and not holds_ids(kind) and not pt.is_null(kind)
    ]


@dataclass(frozen=True)
class _Belongs:
    """What a stored column belongs to; ``differs``: what its IDs stand for is not the same in all rows."""

    embedded: Path | None = None
    account: Path | None = None
    differs: bool = False


def _all_stored(schema: pa.Schema, layout: Layout) -> Iterator[tuple[Path, Role | None, Any]]:
    for field in schema:
        yield from _stored(field.type, (field.name,), _Belongs(), layout)


def _stored(kind: Any, path: Path, here: _Belongs, layout: Layout) -> Iterator[tuple[Path, Role | None, Any]]:
    if pt.is_nested(kind) and layout.names_others(path):
        here = replace(here, differs=True)
    if isinstance(kind, pa.BaseExtensionType):
        yield from _stored(kind.storage_type, path, here, layout)
    elif pt.is_struct(kind):
        here = replace(here, embedded=path) if layout.is_embedded(path, kind) else here
        here = replace(here, account=path) if layout.is_account(path, kind) else here
        for child in kind:
            yield from _stored(child.type, (*path, child.name), here, layout)
    elif pt.is_map(kind):
        yield from _stored(kind.key_type, (*path, "key"), here, layout)
        yield from _stored(kind.item_type, (*path, "value"), here, layout)
    elif _is_list(kind):
        yield from _stored(kind.value_type, path, here, layout)
    else:
        yield path, None if here.differs else layout.role(path, here.embedded, here.account), kind


def looks_placed(schema: pa.Schema, layout: Layout) -> tuple[str, ...]:
    """Columns that look like places where it was told that there are none: they are kept, and counted as such."""
    if layout.columns.geo != ():
        return ()
    return tuple(".".join(path) for path, _ in _around(schema, layout.inside) if is_place(path[-1]))


def _around(schema: pa.Schema, inside: Path) -> Iterator[tuple[Path, Any]]:
    """The columns beside the row's tweet ID, and those at the top."""
    for field in schema:
        yield (field.name,), field.type
    for depth in range(1, len(inside) + 1):
        within = _type_at(schema, inside[:depth])
        for child in within if within is not None and pt.is_struct(within) else ():
            yield (*inside[:depth], child.name), child.type


def _uncovered(schema: pa.Schema, path: Path, known: tuple[Path, ...]) -> Iterator[Path]:
    """The parts of a column that no known path leads to."""
    if any(path[: len(each)] == each for each in known):
        return
    if any(each[: len(path)] == path for each in known):
        for child in _type_at(schema, path):
            yield from _uncovered(schema, (*path, child.name), known)
        return
    yield path


def path_of(schema: pa.Schema, dotted: str) -> Path | None:
    """The way to a column that a manifest names: a literal name first, then down through structs.

    >>> path_of(pa.schema({"quoted.text": pa.string()}), "quoted.text")
    ('quoted.text',)
    """
    if dotted in schema.names:
        return (dotted,)
    names = dotted.split(".")
    for cut in range(1, len(names)):
        path = (".".join(names[:cut]), *names[cut:])
        if _type_at(schema, path) is not None:
            return path
    return None


def _type_at(schema: pa.Schema, path: Path) -> Any:
    at = schema.names.index(path[0]) if path[0] in schema.names else -1
    kind: Any = schema.field(at).type if at >= 0 else None
    for name in path[1:]:
        at = kind.get_field_index(name) if kind is not None and pt.is_struct(kind) else -1
        kind = kind.field(at).type if at >= 0 else None
    return kind


def _placed(struct: Any, paths: tuple[Path, ...]) -> NDArray[np.int64]:
    """For each row of a batch, or element of a struct array, the bits of the places that have a value."""
    bits = np.zeros(len(struct) if isinstance(struct, pa.Array) else struct.num_rows, np.int64)
    for number, path in enumerate(paths):
        for column in _columns_at(struct, path):
            bits |= np.asarray(pc.is_valid(column)).astype(np.int64) << number
    return bits


def _columns_at(struct: Any, path: Path) -> list[Any]:
    """The columns of a path: more than one where a name stands twice."""
    names = struct.type.names if isinstance(struct, pa.Array) else struct.schema.names
    parts = struct.flatten() if isinstance(struct, pa.Array) else struct.columns
    found = [part for name, part in zip(names, parts, strict=True) if name == path[0]]
    return found if len(path) == 1 else [deep for part in found for deep in _columns_at(part, path[1:])]


def _ids(values: Any, path: Path, here: _Here, layout: Layout) -> Iterator[Ids]:
    kind = values.type
    if pt.is_nested(kind) and layout.names_others(path):
        for stand in stands(values):
            yield from _standing(stand, path, here)
        yield from _whole(values, path, here, layout)
    elif isinstance(kind, pa.BaseExtensionType):
        yield from _ids(values.storage, path, here, layout)
    elif pt.is_struct(kind):
        yield from _ids_of_struct(values, path, here, layout)
    elif pt.is_map(kind):
        yield from _ids(_listed(values), path, here, layout)
    elif _is_list(kind):
        yield from _ids(values.flatten(), path, _below(values, here), layout)
    elif holds_ids(kind):
        role = layout.role(path, here.embedded, here.account)
        if role is not None:
            primary = ".".join(path) == layout.columns.id and here.embedded is None
            repeated = role in ("retweet", "embedded retweet")
            places = np.zeros_like(here.places) if repeated else here.places  # those beside it are another tweet's
            yield Ids(path, role, primary, values, here.rows, places)


def _ids_of_struct(values: Any, path: Path, here: _Here, layout: Layout) -> Iterator[Ids]:
    children = dict(zip(values.type.names, values.flatten(), strict=True))
    if layout.is_embedded(path, values.type):
        own = tuple((name,) for name in values.type.names if is_place(name))
        look = _look_inside(children, path, len(values), layout)
        here = replace(here, embedded=path, places=_placed(values, own), look=look)
        yield from _repeated_inside(children, path, here, layout)
    if layout.is_account(path, values.type):
        here = replace(here, account=path, places=np.zeros_like(here.places))
    for name, child in children.items():
        yield from _ids(child, (*path, name), here, layout)


def _look_inside(children: dict[str, Any], path: Path, count: int, layout: Layout) -> NDArray[np.bool_]:
    """Which tweets inside of rows look like retweets, where they do not say it of the tweets that they name."""
    nested = ((name, child.type) for name, child in children.items() if pt.is_nested(child.type))
    silent = any(layout.names_others((*path, name)) and is_silent(kind) for name, kind in nested)
    if silent or any(how is None for _, how in pairs_among(children)):
        return looks_repeated(children, count)
    return np.zeros(count, bool)


def _repeated_inside(children: dict[str, Any], path: Path, here: _Here, layout: Layout) -> Iterator[Ids]:
    """IDs in another tweet that a row holds, beside which a field says how that one stands to theirs."""
    for name, role, how, says in layout.repeated_inside(list(children)):
        if holds_ids(children[name].type):
            which = np.ones(len(here.rows), bool) if how is None else says_so(children[how], says)
            yield from _chosen(children[name], (*path, name), role, which, here)
    for name, how in pairs_among(children):
        yield from _standing(pair(children[name], children.get(how or "")), (*path, name), here, mentioned=False)


def _standing(stand: Stand, path: Path, here: _Here, *, mentioned: bool = True) -> Iterator[Ids]:
    """IDs of other tweets by how the row stands to them: one that it repeats must not be gone."""
    rows = here.rows[stand.at]
    repeated = stand.repeated() if stand.words is not None else here.look[stand.at]
    named: Role = "retweet" if here.embedded is None else "embedded retweet"
    exact: Role = "embedded author" if stand.author else named
    chosen: list[tuple[Role, NDArray[np.bool_], bool]] = [(exact, repeated, False)]
    chosen += [("mention", ~repeated, False)] if mentioned else []
    chosen += [] if stand.author else [("mention", stand.unsaid() & ~repeated, True)]
    for role, which, unsaid in chosen:
        if which.any():
            nowhere = np.zeros(int(which.sum()), np.int64)
            values = stand.values.filter(pa.array(which))
            yield Ids((*path, *stand.path), role, False, values, rows[which], nowhere, unsaid)


def _whole(values: Any, path: Path, here: _Here, layout: Layout) -> Iterator[Ids]:
    """What columns that name other tweets hold of them beside their IDs: some have all of each."""
    kind = values.type
    if _is_list(kind):
        yield from _whole(values.flatten(), path, _below(values, here), layout)
    elif pt.is_map(kind):
        yield from _whole(_listed(values), path, here, layout)
    elif pt.is_struct(kind) and layout.is_embedded(path, kind):
        yield from _ids_of_struct(values, path, here, layout)
    elif pt.is_struct(kind):
        for name, child in zip(kind.names, values.flatten(), strict=True):
            yield from _whole(child, (*path, name), here, layout)


def _flat(batch: pa.RecordBatch, here: _Here, layout: Layout) -> Iterator[Ids]:
    """IDs beside which another column says that the row repeats their tweet, or holds what it says."""
    names = batch.schema.names
    others = layout.repeated(names)
    for name, role, how, says in others:
        if holds_ids(batch.schema.field(name).type):
            yield from _chosen(batch.column(name), (name,), role, _so(batch, how, says), here)
    shared = {name: (how, says) for name, role, how, says in others if role == "retweet" and how is not None}
    for content, name in layout.quoted(names):
        column = batch.column(name)
        if holds_ids(column.type) and not pt.is_struct(batch.schema.field(content).type):
            which = np.asarray(batch.column(content).is_valid())
            which = which & ~_so(batch, *shared[name]) if name in shared else which
            yield from _chosen(column, (name,), "embedded tweet", which, here, place=layout.is_its_place(content))


def _beside(batch: pa.RecordBatch, layout: Layout) -> dict[str, Any]:
    """The columns at the top and beside the row's tweet, by their dotted names."""
    around = ((path, _columns_at(batch, path)) for path, _ in _around(batch.schema, layout.inside))
    return {".".join(path): found[0] for path, found in around if len(found) == 1}


def _so(batch: pa.RecordBatch, how: str | None, says: str) -> NDArray[np.bool_]:
    """The rows of which a column says so; all of them where no column does."""
    if how is None:
        return np.ones(batch.num_rows, bool)
    return says_so(batch.column(how), says)


def _chosen(
    values: Any, path: Path, role: Role, which: NDArray[np.bool_], here: _Here, *, place: bool = False
) -> Iterator[Ids]:
    if which.any():
        rows = here.rows[which]
        yield Ids(path, role, False, values.filter(pa.array(which)), rows, np.full_like(rows, int(place)))


def _below(values: Any, here: _Here) -> _Here:
    """What the elements of lists belong to; places beside the list are not beside each of its elements."""
    parents = np.asarray(pc.list_parent_indices(values))
    places = np.zeros(len(parents), np.int64)
    return replace(here, rows=here.rows[parents], places=places, look=here.look[parents])


def _listed(values: Any) -> Any:
    """A map as the list of pairs that it is."""
    kind = values.type
    pair = pa.struct([pa.field("key", kind.key_type), pa.field("value", kind.item_type)])
    return values.cast(pa.list_(pair))


def _is_list(kind: Any) -> bool:
    views = pt.is_list_view(kind) or pt.is_large_list_view(kind)
    return bool(pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind) or views)


def _decoded(values: Any) -> Any:
    if not pt.is_dictionary(values.type):
        return values
    return values.dictionary.take(values.indices)


def leaves(values: Any) -> Iterator[Any]:
    """The columns that a Parquet file stores for an Arrow one, in its order; only values that are really there.

    >>> [leaf.to_pylist() for leaf in leaves(pa.array([{"a": 1, "b": ["x", "y"]}, None]))]
    [[1, None], ['x', 'y']]
    """
    kind = values.type
    if isinstance(kind, pa.BaseExtensionType):
        yield from leaves(values.storage)
    elif pt.is_struct(kind):
        for child in values.flatten():
            yield from leaves(child)
    elif pt.is_map(kind):
        yield from leaves(_listed(values))
    elif _is_list(kind):
        yield from leaves(values.flatten())
    else:
        yield values
