"""Which columns of a dataset hold IDs, authors, places and other people's tweets: found by name, or told.

A column is named by its *path*: the literal name of a top-level column (``"geo"``, also ``"geo.place_id"`` where
a flattened table has such a name), or else the way down through structs (``"user.id_str"``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.types as pt

from compliance_frames.corpus.accounts import is_account
from compliance_frames.corpus.ecosystems import (
    FLAGS,
    HASHED,
    QUOTED,
    QUOTES,
    REFERENCE_LISTS,
    REPEATED,
    RETWEETS,
    TEXTS,
    TIMES,
    WRAPPERS,
)
from compliance_frames.corpus.ecosystems import is_place as is_place
from compliance_frames.corpus.flat import is_flat, quoted, repeated
from compliance_frames.corpus.paths import Names, wrapper_of
from compliance_frames.corpus.paths import column_at as column_at
from compliance_frames.corpus.paths import field_at as field_at
from compliance_frames.corpus.paths import hint as _hint
from compliance_frames.corpus.paths import holds_ids as holds_ids
from compliance_frames.corpus.paths import is_list as is_list
from compliance_frames.corpus.paths import is_text as is_text
from compliance_frames.corpus.paths import steps_to as steps_to
from compliance_frames.corpus.references import names_rounded, names_tweets
from compliance_frames.corpus.within import field_within
from compliance_frames.errors import PlanError
from compliance_frames.ids.naming import AUTHORS, TWEETS, plain, rivals


class _Unsaid(tuple[str, ...]):
    """No columns, because nobody said anything of them: ``[]`` in its place says that there are none."""

    __slots__ = ()


_UNSAID = _Unsaid()
#: What the ID of a tweet that lies in a struct is called.
_IDS_INSIDE = ("id_str", "id", "tweet_id_str", "tweet_id", "status_id_str", "status_id")


@dataclass(frozen=True)
class Columns:
    """The columns of one file or frame that compliance looks at, each named by its path.

    Given to ``plan(…, columns=…)`` they tell it what is where; what is left out is found by name.

    Attributes:
        id: the tweet's ID.
        author_id: its author's ID, or None where there is no such column.
        created_at: when it was written, or None; shown, not used to decide.
        geo: the columns that say where it was written. ``()``: told that there are none; None: none was found.
        references: lists of ``{type, id}`` in whatever shape, and flat columns with the ID of the tweet that a row
            retweets.
        embedded: structs, or lists of structs, that hold other tweets whole, or accounts of others; text that holds
            them as JSON; of flat tables the columns that hold what another tweet says. A path leads through lists,
            which add no name to it (``"items.tweet"``), and to the ``value`` of a map.
    """

    id: str
    author_id: str | None = None
    created_at: str | None = None
    geo: tuple[str, ...] | None = None
    references: tuple[str, ...] = _UNSAID
    embedded: tuple[str, ...] = _UNSAID

    def __post_init__(self) -> None:
        for name in ("geo", "references", "embedded"):
            paths = getattr(self, name)
            if isinstance(paths, str):
                raise PlanError(f"{name}={paths!r} is one name; give a list of columns: {name}=[{paths!r}]")
            if paths is not None and not isinstance(paths, tuple):
                object.__setattr__(self, name, tuple(paths))

    def says(self, name: str) -> bool:
        """Whether anybody said which columns these are, or that there are none.

        >>> Columns("id").says("references"), Columns("id", references=()).says("references")
        (False, True)
        """
        value = getattr(self, name)
        return value is not None and not isinstance(value, _Unsaid)


def find_columns(
    schema: pa.Schema,
    *,
    id_column: str | None = None,
    author_column: str | None = None,
    geo: Sequence[str] | None = None,
    columns: Columns | None = None,
) -> Columns:
    """Find the columns that compliance looks at, or take those that were told.

    Args:
        schema: of a file or a frame.
        id_column: path of the tweet IDs; found by its name when None.
        author_column: path of the author IDs; found by its name when None.
        geo: paths of the columns that hold places; found by their names when None, ``[]`` says there are none.
        columns: all of these at once, and others.

    Raises:
        PlanError: there is no column of tweet IDs, or more than one that could be it; or a told column is not there.

    >>> find_columns(pa.schema({"id": pa.int64(), "geo": pa.string(), "user": pa.struct({"id_str": pa.string()})}))
    Columns(id='id', author_id='user.id_str', created_at=None, geo=('geo',), references=(), embedded=())
    """
    if isinstance(geo, str):
        raise PlanError(f"geo={geo!r} is one name; give a list of columns: geo=[{geo!r}]")
    told = _Telling(schema, id_column, author_column, geo, columns)
    names = Names(schema)
    identity = told.path("id") or _find_id(names)
    inside = wrapper_of(schema, identity)
    return Columns(
        id=identity,
        author_id=told.path("author_id") or names.first(_under(inside, AUTHORS), ids=True),
        created_at=told.path("created_at", ids=False) or names.first(_under(inside, TIMES)),
        geo=told.paths("geo", lambda: _find_geo(schema, inside)),
        references=told.paths("references", lambda: tuple(find_references(names, inside))) or (),
        embedded=told.paths("embedded", lambda: tuple(_find_embedded(schema, inside))) or (),
    )


class _Telling:
    """What was told of the columns of a schema; each must be there."""

    def __init__(
        self,
        schema: pa.Schema,
        id_column: str | None,
        author_column: str | None,
        geo: Sequence[str] | None,
        columns: Columns | None,
    ) -> None:
        if columns is not None and (id_column, author_column, geo) != (None, None, None):
            raise PlanError("columns= tells all of them: leave out id_column=, author_column= and geo=")
        self._schema, self._columns = schema, columns
        self._one = {"id": id_column, "author_id": author_column}
        self._geo = geo
        self._option = {"id": "id_column", "author_id": "author_column"} if columns is None else {}

    def path(self, name: str, *, ids: bool = True) -> str | None:
        told: str | None = self._one.get(name) if self._columns is None else getattr(self._columns, name)
        return None if told is None else _told(self._schema, told, self._option.get(name, name), ids=ids)

    def paths(self, name: str, find: Callable[[], tuple[str, ...] | None]) -> tuple[str, ...] | None:
        if self._columns is None:
            told = self._geo if name == "geo" else None
        else:
            told = getattr(self._columns, name) if self._columns.says(name) else None
        if told is None:
            return find()
        find_field = field_within if name == "embedded" else field_at
        return tuple(_told(self._schema, path, name, find_field, ids=False) for path in dict.fromkeys(told))


def find_references(names: Names, inside: str) -> Iterator[str]:
    """The paths of columns that name tweets which rows may repeat; ``inside`` is the struct with the rows' own.

    >>> list(find_references(Names(pa.schema({"id": pa.int64(), "retweeted_id": pa.int64()})), ""))
    ['retweeted_id']
    """
    for path in dict.fromkeys(filter(None, map(names.find, _under(inside, REFERENCE_LISTS)))):
        if names_tweets(names.type(path)):
            yield path
    yield from dict.fromkeys(each.id for each in repeated(names.schema, inside))


def id_in(kind: Any) -> str | None:
    """The path of the ID inside a struct that holds a tweet.

    >>> id_in(pa.struct({"id": pa.int64(), "id_str": pa.string()}))
    'id_str'
    """
    return Names(pa.schema(list(kind))).first(_IDS_INSIDE, ids=True)


def author_in(kind: Any) -> str | None:
    """The path of the author's ID inside a struct that holds a tweet.

    >>> author_in(pa.struct({"id": pa.int64(), "user": pa.struct({"id_str": pa.string()})}))
    'user.id_str'
    """
    return Names(pa.schema(list(kind))).first(AUTHORS, ids=True)


def ids_inside(path: str, kind: Any) -> tuple[str | None, str | None]:
    """The paths of a tweet's ID and of its author's inside a struct at a path; an account has no tweet's.

    >>> ids_inside("quoted_status", pa.struct({"id": pa.int64(), "author_id": pa.int64(), "text": pa.string()}))
    ('id', 'author_id')
    >>> ids_inside("includes.users", pa.struct({"id": pa.int64(), "username": pa.string()}))
    (None, 'id')
    """
    if is_account(path.rpartition(".")[2], kind):
        return None, id_in(kind)
    return id_in(kind), author_in(kind)


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
    return name in RETWEETS and ".".join(outside) in WRAPPERS


def text_columns(schema: pa.Schema) -> list[str]:
    """Columns of text whose names say that other tweets are in them, as JSON perhaps.

    >>> text_columns(pa.schema({"id": pa.int64(), "quoted_status": pa.string()}))
    ['quoted_status']
    """
    known = set(map(plain, {*REFERENCE_LISTS, *RETWEETS, *QUOTES, "includes"} - {"object"}))
    return [
        field.name
        for field in schema
        if plain(field.name) in known
        and holds_ids(field.type)
        and not _is_bare(field.type)
        and schema.names.count(field.name) == 1
    ]


def top_level(names: Sequence[str], told: Iterable[str]) -> list[str]:
    """Of a frame's columns, those that :func:`find_columns` could have to do with: the others need not be converted.

    >>> top_level(["id", "text", "geo.place_id", "user"], told=["text"])
    ['id', 'text', 'geo.place_id', 'user']
    >>> top_level(["id", "lang"], told=[])
    ['id']
    """
    flat = [part for each in (*REPEATED, *QUOTED) for part in (each.id, each.kind, *each.authors)]
    known = {*TWEETS, *AUTHORS, *TIMES, *REFERENCE_LISTS, *WRAPPERS, *RETWEETS, *QUOTES, *flat, "includes", *told}
    open_to_any = {plain(each.id) for each in REPEATED if each.open} | set(map(plain, REFERENCE_LISTS))
    if open_to_any & set(map(plain, names)):  # then a row's text may be all that says how it stands to them
        known |= {*TEXTS, *FLAGS}
    heads = {plain(path[:end]) for path in known for end in _ends(path)}
    begins = tuple({each.prefix for each in QUOTED if each.prefix})
    flattened = tuple(f"{wrapper}." for wrapper in WRAPPERS if wrapper)
    return [
        name
        for name in names
        if plain(name) in heads
        or name in told
        or name == "location"
        or is_place(name)
        or name.startswith((*begins, *flattened))
    ]


def hashed_authors(schema: pa.Schema) -> list[str]:
    """Columns that by their names hold digests of author IDs, which the service does not know.

    >>> hashed_authors(pa.schema({"id": pa.int64(), "author_id_hash": pa.string()}))
    ['author_id_hash']
    """
    return [field.name for field in schema if HASHED.fullmatch(field.name)]


def rounded_authors(schema: pa.Schema, inside: str) -> str | None:
    """The column that is called as authors' IDs are and holds floats: they name other people, or nobody.

    >>> rounded_authors(pa.schema({"id": pa.int64(), "author_id": pa.float64()}), "")
    'author_id'
    """
    names = Names(schema)
    path = names.first(_under(inside, AUTHORS))
    return path if path is not None and pt.is_floating(names.type(path)) else None


def rounded_references(schema: pa.Schema, inside: str) -> list[str]:
    """Columns of IDs of retweeted tweets that went through floating point: they hold other tweets' IDs, or nobody's.

    >>> rounded_references(pa.schema({"id": pa.int64(), "retweeted_id": pa.float64()}), "")
    ['retweeted_id']
    """
    if any(repeated(schema, inside)):  # beside numbers that were rounded stands the text of them
        return []
    names = Names(schema)
    paths = dict.fromkeys(names.find(name) for name in _under(inside, [each.id for each in REPEATED]))
    flat = [path for path in paths if path is not None and is_flat(schema, path, inside)]
    lists = [path for path in map(names.find, _under(inside, REFERENCE_LISTS)) if path is not None]
    return [
        *(path for path in flat if pt.is_floating(names.type(path))),
        *(path for path in dict.fromkeys(lists) if names_rounded(names.type(path))),
    ]


def _is_bare(kind: pa.DataType) -> bool:
    return bool(pt.is_integer(kind) or pt.is_decimal(kind) or pt.is_null(kind))


def _ends(path: str) -> Iterator[int]:
    yield from (at for at, letter in enumerate(path) if letter == ".")
    yield len(path)


def _under(inside: str, names: Iterable[str]) -> tuple[str, ...]:
    """Names where the tweet itself is: beside its ID first, then at the top."""
    return (*(f"{inside}.{name}" for name in names), *names) if inside else tuple(names)


def _told(
    schema: pa.Schema, path: str, option: str, find_field: Callable[..., Any] = field_at, *, ids: bool = True
) -> str:
    field = find_field(schema, path)
    if field is None:
        raise PlanError(f"there is no column {path!r} (told by {option}){_hint(schema, path)}")
    if ids and not (holds_ids(field.type) or pt.is_floating(field.type)):  # floats: refused with their reason later
        raise PlanError(f"column {path!r} (told by {option}) is {field.type}: IDs are integers or text")
    return path


def _find_id(names: Names) -> str:
    for wrapper in WRAPPERS:
        usual = _under(wrapper, TWEETS)[: len(TWEETS)]
        there = [path for name in usual if (path := names.find(name)) is not None and holds_ids(names.type(path))]
        several = rivals([path.removeprefix(f"{wrapper}.") for path in there])
        if len(several) > 1:
            raise PlanError(
                f"{' and '.join(map(repr, several))} could each be the column of tweet IDs: "
                f"say which it is, with id_column={several[-1]!r} (command line: --id-column {several[-1]})"
            )
        if there:
            return there[0]
    for name in TWEETS:
        path = names.find(name)
        if path is not None and pt.is_floating(names.type(path)):
            return path  # whoever reads it says why floats cannot be IDs
    there_are = ", ".join(
        f"{field.name} ({field.type})" if field.name in TWEETS else field.name for field in names.schema
    )
    raise PlanError(
        f"no column of tweet IDs: looked for integers or text called {', '.join(TWEETS)} among "
        f"{there_are or 'no columns'}; say which it is with id_column="
    )


def _find_geo(schema: pa.Schema, inside: str) -> tuple[str, ...] | None:
    """Beside the tweet's ID and at the top, whatever is called like a place; in ``includes``, the places."""
    around = [(f"{inside}.", _struct_at(schema, inside))] if inside else []
    found = [name for name in schema.names if inside and is_place(name.removeprefix(f"{inside}."))]
    for before, fields in (*around, ("", schema)):
        found += [f"{before}{field.name}" for field in fields if is_place(field.name) or _is_located(field)]
        includes = f"{before}includes.places"
        found += [includes] if field_at(schema, includes) is not None else []
    flat = [name for name in schema.names if name.startswith("includes.places.")]
    return tuple(path for path in dict.fromkeys([*found, *flat]) if schema.names.count(path) < 2) or None


def _is_located(field: pa.Field[Any]) -> bool:
    """A ``location`` in a struct is the tweet's, as Gnip has it; one in words is its author's, as they wrote it."""
    return field.name == "location" and bool(pt.is_struct(field.type))


def _struct_at(schema: pa.Schema, path: str) -> Iterable[pa.Field[Any]]:
    field = field_at(schema, path)
    return () if field is None or not pt.is_struct(field.type) else list(field.type)


def _find_embedded(schema: pa.Schema, inside: str) -> Iterator[str]:
    for field in schema:
        if schema.names.count(field.name) == 1:
            yield from _embedded_in(field, "", inside)
    beside = [path for each in quoted(schema) for path in each.content]
    yield from beside
    yield from (name for name in text_columns(schema) if name not in beside)


def _embedded_in(field: pa.Field[Any], above: str, inside: str) -> Iterator[str]:
    """Every tweet inside a column, those inside of others after them; not the tweet that the row itself is."""
    path = f"{above}.{field.name}" if above else field.name
    kind = field.type
    if pt.is_struct(kind):
        if path != inside and _is_tweet(field.name, kind) and (field.name != "object" or above == inside):
            yield path
        for child in kind:
            yield from _embedded_in(child, path, inside)
    elif is_list(kind) or pt.is_map(kind):
        yield from _embedded_in_list(kind, field.name, path, inside)


def _embedded_in_list(kind: Any, name: str, path: str, inside: str) -> Iterator[str]:
    """The tweets in the elements of a list or in the values of a map, and those inside of them."""
    if pt.is_map(kind):
        yield from _embedded_in(kind.item_field.with_name("value"), path, inside)
    elif pt.is_struct(kind.value_type):
        if _is_tweet(name, kind.value_type):
            yield path
        for child in kind.value_type:
            yield from _embedded_in(child, path, inside)
    elif is_list(kind.value_type) or pt.is_map(kind.value_type):
        yield from _embedded_in_list(kind.value_type, name, path, inside)


def _is_tweet(name: str, kind: Any) -> bool:
    """By its name, or because it has both an ID and a text; or else it is the account of somebody."""
    if is_account(name, kind) and id_in(kind) is not None:
        return True
    names = {child.name for child in kind}
    if name == "object":
        return "objectType" in names and id_in(kind) is not None
    called = plain(name) in set(map(plain, (*RETWEETS, *QUOTES)))
    return bool(id_in(kind) and (called or set(map(plain, names)) & set(map(plain, TEXTS))))
