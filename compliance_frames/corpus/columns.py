"""Which columns of a dataset hold IDs, authors, places and other people's tweets: found by name, or told.

A column is named by its *path*: the literal name of a top-level column (``"geo"``, also ``"geo.place_id"`` where
a flattened table has such a name), or else the way down through structs (``"user.id_str"``).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from compliance_frames.errors import PlanError

#: A tweet may be wrapped whole in a struct of one of these names, as the service's answers are.
_WRAPPERS = ("", "data", "tweet", "status")
#: Text before numbers: where both are there, it is the number that a reader may have rounded (IDs above 2^53).
_ID_NAMES = ("id_str", "id", "tweet_id", "tweet_id_str", "status_id", "status_id_str")
_AUTHOR_NAMES = (
    *("author_id", "user.id_str", "user.id", "author.id", "user_id_str", "user_id", "author_id_str"),
    *("user_id_string", "from_user_id_str", "from_user_id"),
)
_TIME_NAMES = ("created_at",)
_GEO_NAMES = (
    *("geo", "coordinates", "place", "place_id", "place_full_name", "place_name", "place_type", "place_url"),
    *("latitude", "longitude", "lat", "lon", "lng", "long", "bbox_coords", "geo_coords", "coords_coords"),
    "includes.places",
)
_GEO_PREFIXES = ("geo.", "geo_", "coordinates.", "coordinates_", "place.", "place_", "includes.places.")
_REFERENCE_LISTS = ("referenced_tweets",)
#: Flat columns with the ID of the tweet that a row repeats word for word.
_RETWEET_IDS = (
    *("retweeted_status_id_str", "retweeted_status_id", "retweet_status_id", "retweeted_tweet_id", "retweet_id"),
    *("retweeted_status.id_str", "retweeted_status.id", "referenced_tweets.retweeted.id"),
)
_RETWEETS = ("retweeted_status", "retweeted_tweet", "retweetedTweet")
_QUOTES = ("quoted_status", "quoted_tweet", "quotedTweet")
_TEXTS = ("text", "full_text", "rawContent", "content")


@dataclass(frozen=True)
class Columns:
    """The columns of one file or frame that compliance looks at, each named by its path.

    Attributes:
        id: the tweet's ID.
        author_id: its author's ID, or None where there is no such column.
        created_at: when it was written, or None; shown, not used to decide.
        geo: the columns that say where it was written. ``()``: told that there are none; None: none was found.
        references: lists of ``{type, id}``, and flat columns with the ID of the tweet that a row retweets.
        embedded: structs, or lists of structs, that hold other tweets whole.
    """

    id: str
    author_id: str | None = None
    created_at: str | None = None
    geo: tuple[str, ...] | None = None
    references: tuple[str, ...] = ()
    embedded: tuple[str, ...] = ()


def find_columns(
    schema: pa.Schema,
    *,
    id_column: str | None = None,
    author_column: str | None = None,
    geo: Sequence[str] | None = None,
) -> Columns:
    """Find the columns that compliance looks at, or take those that were told.

    Args:
        schema: of a file or a frame.
        id_column: path of the tweet IDs; found by its name when None.
        author_column: path of the author IDs; found by its name when None.
        geo: paths of the columns that hold places; found by their names when None, ``[]`` says there are none.

    Raises:
        PlanError: there is no column of tweet IDs, or a told column is not there.

    >>> find_columns(pa.schema({"id": pa.int64(), "geo": pa.string(), "user": pa.struct({"id_str": pa.string()})}))
    Columns(id='id', author_id='user.id_str', created_at=None, geo=('geo',), references=(), embedded=())
    """
    if isinstance(geo, str):
        raise PlanError(f"geo={geo!r} is one name; give a list of columns: geo=[{geo!r}]")
    identity = _told(schema, id_column, "id_column") if id_column is not None else _find_id(schema)
    inside = identity.rpartition(".")[0] if schema.get_field_index(identity) < 0 else ""
    author = (
        _told(schema, author_column, "author_column")
        if author_column is not None
        else _first(schema, _under(inside, _AUTHOR_NAMES), ids=True)
    )
    told_geo = None if geo is None else tuple(_told(schema, path, "geo", ids=False) for path in dict.fromkeys(geo))
    return Columns(
        id=identity,
        author_id=author,
        created_at=_first(schema, _under(inside, _TIME_NAMES)),
        geo=_find_geo(schema, inside) if told_geo is None else told_geo,
        references=tuple(_find_references(schema, inside)),
        embedded=tuple(_find_embedded(schema, inside)),
    )


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
        raise PlanError(f"there is no column {path!r}{_hint(table.schema, path)}")
    column: pa.ChunkedArray[Any] = table.column(steps[0])
    return pc.struct_field(column, list(steps[1:])) if steps[1:] else column


def holds_ids(kind: Any) -> bool:
    """Whether a column of this type can be one of IDs: integers, text, dictionaries of them, or nothing at all.

    >>> holds_ids(pa.large_string()), holds_ids(pa.float64())
    (True, False)
    """
    kind = kind.value_type if pt.is_dictionary(kind) else kind
    text = pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind)
    whole = pt.is_integer(kind) or (pt.is_decimal(kind) and kind.scale == 0)
    return bool(whole or text or pt.is_null(kind))


def is_list(kind: pa.DataType) -> bool:
    """Whether a type is a list of any kind: with offsets, with views, or of a fixed size.

    >>> is_list(pa.list_(pa.int8())), is_list(pa.string())
    (True, False)
    """
    views = pt.is_list_view(kind) or pt.is_large_list_view(kind)
    return bool(pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind) or views)


def id_in(kind: Any) -> str | None:
    """The path of the ID inside a struct that holds a tweet.

    >>> id_in(pa.struct({"id": pa.int64(), "id_str": pa.string()}))
    'id_str'
    """
    return _first(pa.schema(list(kind)), ("id_str", "id"), ids=True)


def author_in(kind: Any) -> str | None:
    """The path of the author's ID inside a struct that holds a tweet.

    >>> author_in(pa.struct({"id": pa.int64(), "user": pa.struct({"id_str": pa.string()})}))
    'user.id_str'
    """
    return _first(pa.schema(list(kind)), _AUTHOR_NAMES, ids=True)


def geo_in(kind: Any) -> tuple[str, ...]:
    """The paths of the places inside a struct that holds a tweet.

    >>> geo_in(pa.struct({"id": pa.int64(), "place": pa.string()}))
    ('place',)
    """
    return _find_geo(pa.schema(list(kind)), "") or ()


def is_retweet(path: str) -> bool:
    """Whether an embedded tweet is the one that its row repeats: a row is nothing without it.

    >>> is_retweet("retweeted_status"), is_retweet("quoted_status.retweeted_status")
    (True, False)
    """
    *outside, name = path.split(".")
    return name in _RETWEETS and ".".join(outside) in _WRAPPERS


def unread_columns(schema: pa.Schema) -> list[str]:
    """Columns of text whose names say that other tweets are in them, as JSON perhaps: nobody looks into these.

    >>> unread_columns(pa.schema({"id": pa.int64(), "quoted_status": pa.string()}))
    ['quoted_status']
    """
    known = {*_REFERENCE_LISTS, *_RETWEETS, *_QUOTES, "includes"}
    return [
        field.name for field in schema if field.name in known and holds_ids(field.type) and not _is_bare(field.type)
    ]


def top_level(names: Iterable[str], told: Iterable[str]) -> list[str]:
    """Of a frame's columns, those that :func:`find_columns` could have to do with: the others need not be converted.

    >>> top_level(["id", "text", "geo.place_id", "user"], told=["text"])
    ['id', 'text', 'geo.place_id', 'user']
    >>> top_level(["id", "lang"], told=[])
    ['id']
    """
    known = {*_ID_NAMES, *_AUTHOR_NAMES, *_TIME_NAMES, *_GEO_NAMES, *_REFERENCE_LISTS, *_RETWEET_IDS, *_WRAPPERS}
    known |= {*_RETWEETS, *_QUOTES, "includes", *told}
    heads = {path[:end] for path in known for end in _ends(path)}
    return [name for name in names if name in heads or name.startswith(_GEO_PREFIXES)]


def _is_bare(kind: pa.DataType) -> bool:
    return bool(pt.is_integer(kind) or pt.is_decimal(kind) or pt.is_null(kind))


def _ends(path: str) -> Iterator[int]:
    yield from (at for at, letter in enumerate(path) if letter == ".")
    yield len(path)


def _down(kind: pa.DataType, names: list[str]) -> tuple[int, ...] | None:
    if not names:
        return ()
    at = kind.get_field_index(names[0]) if pt.is_struct(kind) else -1
    rest = _down(kind.field(at).type, names[1:]) if at >= 0 else None
    return None if rest is None else (at, *rest)


def _under(inside: str, names: Iterable[str]) -> tuple[str, ...]:
    """Names where the tweet itself is: beside its ID first, then at the top."""
    return (*(f"{inside}.{name}" for name in names), *names) if inside else tuple(names)


def _first(schema: pa.Schema, paths: Iterable[str], *, ids: bool = False) -> str | None:
    for path in paths:
        field = field_at(schema, path)
        if field is not None and (not ids or holds_ids(field.type)):
            return path
    return None


def _told(schema: pa.Schema, path: str, option: str, *, ids: bool = True) -> str:
    field = field_at(schema, path)
    if field is None:
        raise PlanError(f"there is no column {path!r} (told by {option}){_hint(schema, path)}")
    if ids and not (holds_ids(field.type) or pt.is_floating(field.type)):  # floats: refused with their reason later
        raise PlanError(f"column {path!r} (told by {option}) is {field.type}: IDs are integers or text")
    return path


def _find_id(schema: pa.Schema) -> str:
    for wrapper in _WRAPPERS:
        found = _first(schema, _under(wrapper, _ID_NAMES)[: len(_ID_NAMES)], ids=True)
        if found is not None:
            return found
    for name in _ID_NAMES:
        field = field_at(schema, name)
        if field is not None and pt.is_floating(field.type):
            return name  # whoever reads it says why floats cannot be IDs
    there = ", ".join(f"{field.name} ({field.type})" if field.name in _ID_NAMES else field.name for field in schema)
    raise PlanError(
        f"no column of tweet IDs: looked for integers or text called {', '.join(_ID_NAMES)} among "
        f"{there or 'no columns'}; say which it is with id_column="
    )


def _find_geo(schema: pa.Schema, inside: str) -> tuple[str, ...] | None:
    named = [path for path in dict.fromkeys(_under(inside, _GEO_NAMES)) if field_at(schema, path) is not None]
    flat = [name for name in schema.names if name.startswith(_GEO_PREFIXES)]
    found = tuple(dict.fromkeys([*named, *flat]))
    return tuple(path for path in found if schema.names.count(path) < 2) or None


def _find_references(schema: pa.Schema, inside: str) -> Iterator[str]:
    for path in dict.fromkeys(_under(inside, _REFERENCE_LISTS)):
        field = field_at(schema, path)
        if field is not None and is_list(field.type) and pt.is_struct(field.type.value_type):
            names = {child.name for child in field.type.value_type}
            if {"type"} <= names and id_in(field.type.value_type):
                yield path
    for path in dict.fromkeys(_under(inside, _RETWEET_IDS)):
        field = field_at(schema, path)
        literal = "." not in path.removeprefix(f"{inside}.") or schema.get_field_index(path) >= 0
        if field is not None and holds_ids(field.type) and literal:  # the others lead into an embedded tweet
            yield path


def _find_embedded(schema: pa.Schema, inside: str) -> Iterator[str]:
    for field in schema:
        if schema.names.count(field.name) == 1:
            yield from _embedded_in(field, "", inside)


def _embedded_in(field: pa.Field[Any], above: str, inside: str) -> Iterator[str]:
    """Every tweet inside a column, those inside of others after them; not the tweet that the row itself is."""
    path = f"{above}.{field.name}" if above else field.name
    kind = field.type
    if pt.is_struct(kind):
        if path != inside and _is_tweet(field.name, kind):
            yield path
        for child in kind:
            yield from _embedded_in(child, path, inside)
    elif is_list(kind) and pt.is_struct(kind.value_type) and _is_tweet(field.name, kind.value_type):
        yield path


def _is_tweet(name: str, kind: Any) -> bool:
    """By its name, or because it has both an ID and a text."""
    texts = {child.name for child in kind} & set(_TEXTS)
    return bool(id_in(kind) and (texts or name in _RETWEETS or name in _QUOTES))


def _hint(schema: pa.Schema, path: str) -> str:
    known = list(_paths(schema))
    close = difflib.get_close_matches(path, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(map(repr, known[:20]))}"


def _paths(fields: Iterable[pa.Field[Any]], above: str = "") -> Iterator[str]:
    for field in fields:
        yield f"{above}{field.name}"
        if pt.is_struct(field.type):
            yield from _paths(field.type, f"{above}{field.name}.")
