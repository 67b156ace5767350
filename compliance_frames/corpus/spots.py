"""Where a schema names other tweets and users: in references, in tweets that rows hold whole, in flat columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import pyarrow as pa
import pyarrow.types as pt

from compliance_frames.corpus.columns import Columns, author_in, id_in, is_retweet
from compliance_frames.corpus.ecosystems import QUOTED, QUOTED_BARELY, QUOTES, REPLIED, TEXTS
from compliance_frames.corpus.flat import beside_reference
from compliance_frames.corpus.originals import originals_in
from compliance_frames.corpus.paths import Names, holds_ids, is_list, wrapper_of
from compliance_frames.corpus.texts import is_read
from compliance_frames.corpus.told import Told
from compliance_frames.corpus.within import bare_type
from compliance_frames.schemas import JobType

#: How a row stands to the tweet that it names; ``embedded``: it holds it whole, in another way than these. What
#: is named without a word of how the row stands to it is told as ``referenced``.
Kind = Literal["retweeted", "quoted", "replied_to", "embedded"]

#: What is found by names alone.
_BY_NAME: Final = (*QUOTED, *QUOTED_BARELY, *REPLIED)
#: These names.
NAMES: Final = tuple(name for flat in _BY_NAME for name in (flat.id, flat.kind, *flat.authors) if name)
#: What an account has and a tweet has not.
_ACCOUNT: Final = {"username", "screen_name"}


@dataclass(frozen=True)
class Spot:
    """Where other tweets' or users' IDs stand.

    Attributes:
        type: what they are IDs of.
        kind: how rows stand to them; None where a list, or text, says so for each of them.
        column: path of the column of IDs, or of structs, or lists of structs, that have one; or of text to look into.
        inside: path of the ID in these structs.
        only: another column, and what it says in rows that stand to them so; None where all do.
        shaped: whether the column names tweets in one of the shapes of references, and ``only`` how rows stand to each.
        fields: where in these structs, tweets themselves, other tweets are named that they repeat.
    """

    type: JobType
    kind: Kind | None
    column: str
    inside: str | None = None
    only: tuple[str, str] | None = None
    shaped: bool = False
    fields: Spot | None = None

    @property
    def paths(self) -> tuple[str, ...]:
        """Everything that must be read, lists adding no name."""
        if self.fields is not None:
            return tuple(f"{self.column}.{path}" for path in self.fields.paths)
        beside = () if self.only is None else self.only[:1]
        if self.inside is None:
            return (self.column, *beside)
        return (f"{self.column}.{self.inside}", *beside)


def spots(schema: pa.Schema, columns: Columns, said: Told | None = None) -> tuple[Spot, ...]:
    """Where a schema names other tweets and users.

    >>> schema = pa.schema({"id": pa.int64(), "in_reply_to_user_id": pa.int64(), "quoted_id": pa.string()})
    >>> [(spot.type, spot.kind, spot.column) for spot in spots(schema, Columns("id"))]
    [('tweets', 'quoted', 'quoted_id'), ('users', 'replied_to', 'in_reply_to_user_id')]
    """
    found = [*_in_references(schema, columns), *_in_embedded(schema, columns)]
    if said is None or not said.says_references or columns.references:
        found += by_name(schema, wrapper_of(schema, columns.id))
    first: dict[tuple[str, str, Any], Spot] = {}
    for spot in found:
        first.setdefault((spot.type, spot.paths[0], spot.only), spot)
    return tuple(first.values())


def kind_of_path(path: str) -> Kind:
    """How a row stands to a tweet that it holds, by the name of the column.

    >>> kind_of_path("retweeted_status"), kind_of_path("quoted_status"), kind_of_path("raw")
    ('retweeted', 'quoted', 'embedded')
    """
    return "retweeted" if is_retweet(path) else "quoted" if path.rpartition(".")[2] in QUOTES else "embedded"


def _in_references(schema: pa.Schema, columns: Columns) -> Iterator[Spot]:
    for path in columns.references:
        other = beside_reference(schema, path, wrapper_of(schema, columns.id))
        if other is None:
            yield from (Spot(type, None, path, shaped=True) for type in get_args(JobType))
            continue
        only = None if other.kind is None else (other.kind, other.says)
        kind: Kind | None = None if other.open else "retweeted"
        yield Spot("tweets", kind, other.id, only=only, shaped=other.open)
        if other.author is not None:
            yield Spot("users", kind, other.author, only=only, shaped=other.open)


def _in_embedded(schema: pa.Schema, columns: Columns) -> Iterator[Spot]:
    names = Names(schema)
    for path in [path for path in columns.embedded if path not in columns.references]:
        kind = bare_type(schema, path)
        if pt.is_struct(kind):
            yield from _in_structs(kind_of_path(path), path, kind, _verb_of(names, path))
            inner = Columns("", references=originals_in(path.rpartition(".")[2], kind).references)
            fields = _in_references(pa.schema(list(kind)), inner)
            yield from (Spot(each.type, "embedded", path, fields=each) for each in fields)
        elif is_read(schema, path):
            yield from (Spot(type, None, path) for type in get_args(JobType))
        if path.endswith("includes.tweets"):
            users: Any = names.find(f"{path.removesuffix('tweets')}users")
            inside: Any = None if users is None else names.type(users)
            if inside is not None and is_list(inside) and pt.is_struct(inside.value_type) and id_in(inside.value_type):
                yield Spot("users", "embedded", users, id_in(inside.value_type))


def _verb_of(names: Names, path: str) -> tuple[str, str] | None:
    """What says of an activity whether its object is a tweet that it shares, or the activity's own."""
    above, _, name = path.rpartition(".")
    verb = names.find(f"{above}.verb" if above else "verb") if name == "object" else None
    return None if verb is None else (verb, "share")


def _in_structs(kind: Kind, path: str, struct: Any, only: tuple[str, str] | None = None) -> Iterator[Spot]:
    called = {child.name for child in struct}
    account = bool(called & _ACCOUNT) and not called & set(TEXTS)
    whose = id_in(struct) if account else author_in(struct)
    types: tuple[tuple[JobType, str | None], ...] = (("tweets", None if account else id_in(struct)), ("users", whose))
    for type, inside in types:
        if inside is not None:
            yield Spot(type, kind, path, inside, only)


def by_name(schema: pa.Schema, inside: str) -> Iterator[Spot]:
    """Quoted tweets and those replied to, where no more of them is there than an ID.

    >>> [(spot.kind, spot.column) for spot in by_name(pa.schema({"id": pa.int64(), "to_tweetid": pa.int64()}), "")]
    [('replied_to', 'to_tweetid')]
    """
    names = Names(schema)
    for flat in _BY_NAME:
        kind: Kind = "replied_to" if flat in REPLIED else "quoted"
        for type, paths in _FLAT:
            for name in paths(flat):
                for above in (f"{inside}.", "") if inside else ("",):
                    path = names.find(f"{above}{name}") if name else None
                    says = names.find(f"{above}{flat.kind}") if flat.kind else None
                    if path and holds_ids(names.type(path)) and (says or not flat.kind):
                        yield Spot(type, kind, path, only=(says, flat.says) if says else None)


_FLAT: Final[tuple[tuple[JobType, Any], ...]] = (
    ("tweets", lambda flat: (flat.id,)),
    ("users", lambda flat: flat.authors),
)
