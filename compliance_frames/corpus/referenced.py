"""Which other tweets and users the rows of a corpus name: they are asked about, too, as their content may lie in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pt

from compliance_frames.corpus.arrays import words
from compliance_frames.corpus.columns import Columns, author_in, id_in, is_retweet, top_level
from compliance_frames.corpus.dataset import BySchema, list_files, opened
from compliance_frames.corpus.ecosystems import QUOTED, QUOTED_BARELY, QUOTES, REPLIED, TEXTS
from compliance_frames.corpus.flat import beside_reference
from compliance_frames.corpus.leaves import leaves_below
from compliance_frames.corpus.originals import originals_in
from compliance_frames.corpus.paths import Names, column_at, holds_ids, is_list, is_text, wrapper_of
from compliance_frames.corpus.references import beside, kind_of, named
from compliance_frames.corpus.sampled import Samples, texts_with_tweets
from compliance_frames.corpus.texts import is_read, tweets_in
from compliance_frames.corpus.told import Told
from compliance_frames.corpus.within import bare_type, head_of, values_within
from compliance_frames.errors import PlanError
from compliance_frames.ids.naming import plain
from compliance_frames.ids.parse import parse_ids
from compliance_frames.ids.sets import IdArray, unique
from compliance_frames.schemas import JobType

#: How a row stands to the tweet that it names; ``embedded``: it holds it whole, in another way than these. What
#: is named without a word of how the row stands to it is told as ``referenced``.
Kind = Literal["retweeted", "quoted", "replied_to", "embedded"]
_TYPES: Final[tuple[JobType, ...]] = ("tweets", "users")
#: IDs of one type and kind, in no order.
Named = tuple[JobType, str, IdArray]

#: What is found by names alone.
_BY_NAME: Final = (*QUOTED, *QUOTED_BARELY, *REPLIED)
#: What an account has and a tweet has not.
_ACCOUNT: Final = {"username", "screen_name"}
_ROWS: Final = 1 << 16
_PARQUET: Final = {".parquet", ".parq", ".pq"}
#: What is an ID, as the tools of the field write it; the rest are words that say that there is none.
_AN_ID: Final = (
    r"^\s*(?:(?:tag|object):search\.(?:twitter|x)\.com,2005:|id:(?:twitter|x)\.com:|x)?"
    r"0*(?:[0-9]{1,18}|[1-8][0-9]{18})\s*$"
)


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
        found += _by_name(schema, wrapper_of(schema, columns.id))
    first: dict[tuple[str, str, Any], Spot] = {}
    for spot in found:
        first.setdefault((spot.type, spot.paths[0], spot.only), spot)
    return tuple(first.values())


def referenced(source: Any, said: Told, types: Iterable[JobType]) -> Iterator[Named]:
    """The other tweets and users that the rows of a source name, in parts.

    A dataset or a Parquet file is read file by file, only the columns of such IDs; a frame a piece at a time. Streams
    that can be read once only, and sources that have but one column, name nothing here.

    >>> table = pa.table({"id": ["1"], "referenced_tweets": [[{"type": "quoted", "id": "7"}]]})
    >>> list(referenced(table, Told(), ["tweets"]))
    [('tweets', 'quoted', array([7]))]
    """
    wanted = frozenset(types)
    if isinstance(source, str | Path):
        yield from _of_dataset(Path(source), said, wanted)
        return
    frame = _Frame.of(source, said)
    sought = () if frame is None else _sought(frame.schema, _columns(frame.schema, said), said, wanted)
    if frame is not None and sought:
        for table in frame.tables(_heads(frame.schema, sought)):
            yield from _named(table, sought)


def _of_dataset(path: Path, said: Told, types: frozenset[JobType]) -> Iterator[Named]:
    if not path.is_dir() and path.suffix.lower() not in _PARQUET:
        return
    try:
        listing = list_files(path)
    except PlanError as error:
        raise PlanError(f"{error} (or ask about the rows alone: references=False, --no-references)") from error
    found = BySchema(lambda file: _columns(file.schema_arrow, said))
    look = BySchema(lambda file, columns: _sought(file.schema_arrow, columns, said, types))
    samples, texts = Samples(), dict[Columns, dict[str, None]]()
    for source in listing.files:
        if source.parquet:
            with opened(listing.root, source) as file:
                columns = found(file)
                if columns is not None and not said.says("embedded"):
                    more = texts.setdefault(columns, {})
                    if samples.wants(columns):
                        more.update(dict.fromkeys(texts_with_tweets(file, columns)))
                    columns = replace(columns, embedded=(*columns.embedded, *more)) if more else columns
                sought = look(file, columns)
                if sought:
                    for batch in file.iter_batches(_ROWS, columns=_leaves(file, sought), use_threads=False):
                        yield from _named(pa.Table.from_batches([batch]), sought)


def _columns(schema: pa.Schema, said: Told) -> Columns | None:
    """The columns of a table of tweets; None where it is none, and nobody said which they are."""
    try:
        return said.find(schema)
    except PlanError:
        if said.named:
            raise
        return None


def _sought(schema: pa.Schema, columns: Columns | None, said: Told, types: frozenset[JobType]) -> tuple[Spot, ...]:
    if columns is None:
        return ()
    return tuple(spot for spot in spots(schema, columns, said) if spot.type in types)


def _leaves(file: pq.ParquetFile, sought: tuple[Spot, ...]) -> list[str]:
    """The leaf columns to read, or whole ones where leaves cannot be told apart."""
    found = leaves_below(file, [path for spot in sought for path in spot.paths])
    return _heads(file.schema_arrow, sought) if found is None else [stored for _, stored in found]


def _heads(schema: pa.Schema, sought: tuple[Spot, ...]) -> list[str]:
    """The top-level columns that must be read."""
    heads = {head_of(schema, path) for spot in sought for path in (spot.column, *(spot.only or ())[:1])}
    return [schema.names[at] for at in sorted(heads)]


# Where they stand.


def _in_references(schema: pa.Schema, columns: Columns) -> Iterator[Spot]:
    for path in columns.references:
        other = beside_reference(schema, path, wrapper_of(schema, columns.id))
        if other is None:
            yield from (Spot(type, None, path, shaped=True) for type in _TYPES)
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
            yield from _in_structs(_kind_of(path), path, kind, _verb_of(names, path))
            inner = Columns("", references=originals_in(path.rpartition(".")[2], kind).references)
            fields = _in_references(pa.schema(list(kind)), inner)
            yield from (Spot(each.type, "embedded", path, fields=each) for each in fields)
        elif is_read(schema, path):
            yield from (Spot(type, None, path) for type in _TYPES)
        if path.endswith("includes.tweets"):
            users: Any = names.find(f"{path.removesuffix('tweets')}users")
            inside: Any = None if users is None else names.type(users)
            if inside is not None and is_list(inside) and pt.is_struct(inside.value_type) and id_in(inside.value_type):
                yield Spot("users", "embedded", users, id_in(inside.value_type))


def _kind_of(path: str) -> Kind:
    return "retweeted" if is_retweet(path) else "quoted" if path.rpartition(".")[2] in QUOTES else "embedded"


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


def _by_name(schema: pa.Schema, inside: str) -> Iterator[Spot]:
    """Quoted tweets and those replied to, where no more of them is there than an ID."""
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


# What stands there.


def _named(table: pa.Table, sought: tuple[Spot, ...]) -> Iterator[Named]:
    for spot in sought:
        if spot.fields is not None:
            yield from _in_fields(table, spot.column, spot.fields)
        elif spot.shaped:
            yield from _in_shapes(table, spot)
        elif spot.only is not None:
            says = words(column_at(table, spot.only[0]))
            values: Any = column_at(table, spot.column)
            yield from _in_values(spot, values.filter(pc.equal(says, pa.scalar(spot.only[1]))))
        else:
            for piece, _ in values_within(table, spot.column):
                yield from _in_values(spot, piece)


def _in_fields(table: pa.Table, path: str, spot: Spot) -> Iterator[Named]:
    """What tweets inside of rows repeat, or may: what they do no more than name stays there, whatever becomes of it."""
    for values, _ in values_within(table, path):
        tweets = pa.Table.from_arrays(values.flatten(), schema=pa.schema(list(values.type)))
        found = _named(tweets, (spot,))
        yield from ((type, "embedded", ids) for type, kind, ids in found if kind in ("retweeted", "referenced"))


def _in_values(spot: Spot, values: Any) -> Iterator[Named]:
    if spot.kind is None:
        yield from _in_text(spot, values)
    elif spot.inside is None:
        yield from _parts(spot.type, spot.kind, values)
    else:
        yield from _parts(spot.type, spot.kind, column_at(pa.table({"it": values}), f"it.{spot.inside}"))


def _in_shapes(table: pa.Table, spot: Spot) -> Iterator[Named]:
    """What references name, whatever their shape; and how rows stand to each, where they say so."""
    values: Any = column_at(table, spot.column)
    kinds: Any = None if spot.only is None else column_at(table, spot.only[0])
    whose = spot.type == "users"
    shape = pt.is_nested(values.type) and kinds is None
    found = named(values) if shape else beside(values, kinds, authors=whose)
    for each in found:
        if each.authors != whose:
            continue
        if each.kinds is None:
            yield from _parts(spot.type, "referenced", each.ids)
            continue
        says = words(each.kinds.cast(pa.string()) if pt.is_null(each.kinds.type) else each.kinds)
        for said in says.unique().to_pylist():
            same = says.is_null() if said is None else pc.equal(says, pa.scalar(said))
            kind = None if said is None else kind_of(said)
            yield from _parts(spot.type, kind or "referenced", each.ids.filter(same))


def _in_text(spot: Spot, values: Any) -> Iterator[Named]:
    found: dict[str, set[int]] = {}
    for tweets, users, way, says in tweets_in(values):
        kind = says or _kind_of(way[-1] if way else spot.column)
        found.setdefault(kind, set()).update(tweets if spot.type == "tweets" else users)
    for kind, ids in found.items():
        yield from _parts(spot.type, kind, pa.array(sorted(ids), pa.int64()))


def _parts(type: JobType, kind: str, values: Any) -> Iterator[Named]:
    ids = _ids(values)
    if len(ids):
        yield type, kind, ids


def _ids(values: Any) -> IdArray:
    """The IDs among some values. What is none is left alone: nothing of the row itself depends on it."""
    if is_text(values.type):
        texts = words(values)
        values = texts.filter(pc.match_substring_regex(texts, _AN_ID))
    elif pt.is_integer(values.type):
        values = values.filter(pc.and_(pc.greater(values, 0), pc.less_equal(values, 2**63 - 1)))
    elif not holds_ids(values.type):
        return np.empty(0, np.int64)
    ids: Any = parse_ids(values).drop_null().to_numpy(zero_copy_only=False)
    ids = unique(ids)
    return np.asarray(ids[ids > 0])


# Frames.


@dataclass(frozen=True)
class _Frame:
    """A frame of any library that can be read more than once: its schema, and its columns a piece at a time."""

    schema: pa.Schema
    tables: Any

    @classmethod
    def of(cls, source: Any, said: Told) -> _Frame | None:
        """The frame that something is, or None where it is none, or can be read once only."""
        if hasattr(source, "to_native"):  # narwhals
            return cls.of(source.to_native(), said)
        library, name = type(source).__module__.partition(".")[0], type(source).__name__
        if isinstance(source, pl.LazyFrame):
            return cls(_polars_schema(source.collect_schema()), lambda names: _collected(source, names))
        if isinstance(source, pl.DataFrame):
            return cls(_polars_schema(source.schema), lambda names: _collected(source.lazy(), names))
        if isinstance(source, pa.Table | pa.RecordBatch):
            whole = source if isinstance(source, pa.Table) else pa.Table.from_batches([source])
            return cls(whole.schema, lambda names: _batches(whole.select(names)))
        if hasattr(source, "scanner"):  # a pyarrow dataset
            return cls(source.schema, lambda names: map(_table, source.scanner(columns=names).to_reader()))
        if library == "pandas" and name == "DataFrame":
            return cls._of_pandas(source, said)
        if hasattr(source, "project") and hasattr(source, "limit"):  # a DuckDB relation
            schema = pa.RecordBatchReader.from_stream(source.limit(0)).schema
            return cls(schema, lambda names: map(_table, pa.RecordBatchReader.from_stream(_projected(source, names))))
        return None

    @classmethod
    def _of_pandas(cls, frame: Any, said: Told) -> _Frame:
        found = {}
        names = [name for name in frame.columns[~frame.columns.duplicated(keep=False)] if isinstance(name, str)]
        known = {plain(head.partition(".")[0]) for flat in _BY_NAME for head in (flat.id, *flat.authors)}
        for name in top_level(names, [*said.named, *(name for name in names if plain(name) in known)]):
            try:
                found[name] = pa.array(frame[name], from_pandas=True)
            except pa.ArrowException:  # mixed values: what a plan needs of it, it asks for itself
                continue
        return cls(pa.table(found).schema, lambda names: _batches(pa.table({name: found[name] for name in names})))


def _polars_schema(schema: pl.Schema) -> pa.Schema:
    wide = [name for name, kind in schema.items() if kind in (pl.Int128, pl.UInt128)]
    return schema.to_frame().with_columns(pl.col(wide).cast(pl.String)).to_arrow().schema


def _collected(source: pl.LazyFrame, names: list[str]) -> Iterator[pa.Table]:
    for frame in source.select(names).collect_batches(maintain_order=False):
        yield from _batches(frame.with_columns(pl.col(pl.Int128, pl.UInt128).cast(pl.String)).to_arrow())


def _projected(relation: Any, names: list[str]) -> Any:
    return relation.project(", ".join('"' + name.replace('"', '""') + '"' for name in names))


def _batches(table: pa.Table) -> Iterator[pa.Table]:
    return (table.slice(start, _ROWS) for start in range(0, table.num_rows, _ROWS))


def _table(batch: pa.RecordBatch) -> pa.Table:
    return pa.Table.from_batches([batch])
