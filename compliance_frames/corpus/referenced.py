"""Which other tweets and users the rows of a corpus name: they are asked about, too, as their content may lie in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pt

from compliance_frames.corpus.arrays import words
from compliance_frames.corpus.columns import Columns
from compliance_frames.corpus.dataset import BySchema, Listing, SourceFile, list_files, opened
from compliance_frames.corpus.leaves import leaves_below
from compliance_frames.corpus.paths import column_at, holds_ids, is_text
from compliance_frames.corpus.pieces import ROWS, Pieces
from compliance_frames.corpus.references import beside, kind_of, named
from compliance_frames.corpus.sampled import ROWS as LOOKED_AT
from compliance_frames.corpus.sampled import Samples, unknown_texts, with_tweets
from compliance_frames.corpus.spots import NAMES, Spot, kind_of_path, spots
from compliance_frames.corpus.texts import tweets_in
from compliance_frames.corpus.told import Told
from compliance_frames.corpus.within import heads_of, values_within
from compliance_frames.errors import PlanError
from compliance_frames.ids.parse import parse_ids
from compliance_frames.ids.sets import IdArray, unique
from compliance_frames.schemas import JobType

#: IDs of one type and kind, in no order.
Named = tuple[JobType, str, IdArray]

_LARGEST: Final = 2**63 - 1
_PARQUET: Final = {".parquet", ".parq", ".pq"}
#: What is an ID, as the tools of the field write it; the rest are words that say that there is none.
_AN_ID: Final = (
    r"^\s*(?:(?:tag|object):search\.(?:twitter|x)\.com,2005:|id:(?:twitter|x)\.com:|x)?"
    r"0*(?:[0-9]{1,18}|[1-8][0-9]{18})\s*$"
)


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
    frame = Pieces.of(source, [*said.named, *NAMES])
    columns = None if frame is None else _columns(frame.schema, said)
    if frame is None or columns is None:
        return
    sought = _sought(frame.schema, _with_texts(frame, columns, said), said, wanted)
    for table in frame.tables(_heads(frame.schema, sought)) if sought else ():
        yield from _named(table, sought)


def _with_texts(frame: Pieces, columns: Columns, said: Told) -> Columns:
    """The columns of a frame, and its text that holds tweets though no name says so, as a file's would be found."""
    texts = [] if said.says("embedded") else unknown_texts(frame.schema, columns)
    rows = frame.first(heads_of(frame.schema, texts), LOOKED_AT) if texts else None
    found = () if rows is None else with_tweets(rows, texts)
    return replace(columns, embedded=(*columns.embedded, *found)) if found else columns


def named_in_table(table: pa.Table, columns: Columns, said: Told, types: frozenset[JobType]) -> Iterator[Named]:
    """The same of a table that is in memory, whose columns are known.

    >>> table = pa.table({"id": ["1"], "quoted_status_id": ["7"]})
    >>> list(named_in_table(table, Columns("id"), Told(), frozenset({"tweets"})))
    [('tweets', 'quoted', array([7]))]
    """
    yield from _named(table, _sought(table.schema, columns, said, types))


def _of_dataset(path: Path, said: Told, types: frozenset[JobType]) -> Iterator[Named]:
    if not path.is_dir() and path.suffix.lower() not in _PARQUET:
        return
    try:
        listing = list_files(path)
    except PlanError as error:
        raise PlanError(f"{error} (or ask about the rows alone: references=False, --no-references)") from error
    dataset = _Dataset(listing, said, types)
    for source in listing.files:
        if source.parquet:
            yield from dataset.named_in(source)


class _Dataset:
    """The files of a dataset, one after the other; what text of one of them holds, that of all files like it may."""

    def __init__(self, listing: Listing, said: Told, types: frozenset[JobType]) -> None:
        self._root, self._said = listing.root, said
        self._columns = BySchema(lambda file: _columns(file.schema_arrow, said))
        self._sought = BySchema(lambda file, columns: _sought(file.schema_arrow, columns, said, types))
        self._samples = Samples()
        self._read: defaultdict[Columns, list[SourceFile]] = defaultdict(list)

    def named_in(self, source: SourceFile) -> Iterator[Named]:
        """What the rows of a file name; and those of files before it, in text that only this one shows to be read."""
        with opened(self._root, source) as file:
            columns = self._columns(file)
            if columns is None:
                return
            known = self._samples.beside(columns)
            if not self._said.says("embedded") and self._samples.wants(columns):
                self._samples.look(file, columns)
            whole = self._samples.beside(columns)
            yield from _in_file(file, self._sought(file, whole))
        for before in self._read[columns] if whole != known else ():
            with opened(self._root, before) as file:
                sought = set(self._sought(file, whole)) - set(self._sought(file, known))
                yield from _in_file(file, tuple(sought))
        self._read[columns].append(source)


def _in_file(file: pq.ParquetFile, sought: tuple[Spot, ...]) -> Iterator[Named]:
    if sought:
        for batch in file.iter_batches(ROWS, columns=_leaves(file, sought), use_threads=False):
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
    return heads_of(schema, [path for spot in sought for path in (spot.column, *(spot.only or ())[:1])])


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
        kind = says or kind_of_path(way[-1] if way else spot.column)
        found.setdefault(kind, set()).update(tweets if spot.type == "tweets" else users)
    for kind, ids in found.items():
        yield from _parts(spot.type, kind, pa.array(sorted(ids), pa.int64()))


def _parts(type: JobType, kind: str, values: Any) -> Iterator[Named]:
    ids = _ids(values)
    if len(ids):
        yield type, kind, ids


def _ids(values: Any) -> IdArray:
    """The IDs among some values. What is none is left alone: nothing of the row itself depends on it."""
    if pt.is_dictionary(values.type) and not is_text(values.type):
        values = values.cast(values.type.value_type)
    if not holds_ids(values.type):
        return np.empty(0, np.int64)
    if pt.is_integer(values.type):
        values = values.filter(pc.greater(values, pa.scalar(0, values.type)))
        if pt.is_uint64(values.type):
            values = values.filter(pc.less_equal(values, pa.scalar(_LARGEST, pa.uint64())))
    else:
        texts = words(values)
        values = texts.filter(pc.match_substring_regex(texts, _AN_ID))
    ids: Any = parse_ids(values).drop_null().to_numpy(zero_copy_only=False)
    ids = unique(ids)
    return np.asarray(ids[ids > 0])
