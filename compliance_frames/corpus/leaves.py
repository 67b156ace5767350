"""The columns of a Parquet file that hold IDs: read them alone, or not at all where statistics rule a hit out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pt

from compliance_frames.corpus.accounts import is_account, marks
from compliance_frames.corpus.columns import Columns, field_at, geo_in, ids_inside
from compliance_frames.corpus.erasures import Erasures
from compliance_frames.corpus.flat import Beside, beside_content, beside_reference
from compliance_frames.corpus.originals import originals_in
from compliance_frames.corpus.paths import type_at, wrapper_of
from compliance_frames.corpus.references import looks, reference_leaves, says_how
from compliance_frames.corpus.stored import stored_schema
from compliance_frames.corpus.texts import is_read, names_others
from compliance_frames.corpus.within import bare_type, leaf_paths
from compliance_frames.errors import PlanError
from compliance_frames.ids.slices import IdSet, any_between, bounds

#: What some tools write before the digits. What lies between two texts that begin so begins so, too.
_PREFIXES = ("tag:search.twitter.com,2005:", "object:search.twitter.com,2005:", "id:twitter.com:", "x")
#: Digits of the largest ID.
_LONGEST = 19
_LARGEST = 2**63 - 1


@dataclass(frozen=True)
class Leaves:
    """What of one Parquet file has to be read to decide about its rows.

    Attributes:
        ids: Parquet paths of the leaf columns with IDs (and what stands beside them in lists).
        authors: of these, the leaves of the row's own ID and author.
        places: Parquet paths of the columns of places.
        placed: of these, as few as tell whether a row has a place: one leaf of a struct knows whether that is there.
        probes: leaf positions, each with its physical type and the sorted IDs that would make its row a hit; None
            where the leaves of the file cannot be told apart, and every row group has to be read.
    """

    ids: tuple[str, ...]
    authors: tuple[str, ...]
    places: tuple[str, ...]
    placed: tuple[str, ...]
    probes: tuple[tuple[int, str, IdSet], ...] | None

    def may_be_hit(self, group: Any, erasures: Erasures) -> bool:
        """Whether a row group could hold anything to erase, as far as its statistics say."""
        if erasures.asked_tweets is not None or self.probes is None:
            return True
        return any(may_hold(_statistics(group.column(leaf), kind), ids) for leaf, kind, ids in self.probes)


def find_leaves(file: pq.ParquetFile, columns: Columns, erasures: Erasures) -> Leaves:
    """Find the leaves of a file that decide about its rows under these erasures."""
    paths = leaf_paths(file.schema_arrow)
    stored = [column.path for column in stored_schema(file.metadata)]
    wanted = list(_wanted(file.schema_arrow, columns, erasures))
    own = [columns.id, *([columns.author_id] if columns.author_id else [])]
    if len(paths) != len(stored):  # a schema in the footer that does not fit the columns: take them whole
        heads = _heads(file.schema_arrow, [path for path, _ in wanted])
        geo = _heads(file.schema_arrow, columns.geo or ())
        return Leaves(heads, _heads(file.schema_arrow, own), geo, geo, None)
    return Leaves(
        ids=tuple(dict.fromkeys(s for path, _ in wanted for s in _under(path, paths, stored))),
        authors=tuple(dict.fromkeys(s for path in own for s in _under(path, paths, stored))),
        places=tuple(dict.fromkeys(s for path in columns.geo or () for s in _under(path, paths, stored))),
        placed=tuple(dict.fromkeys(s for path in columns.geo or () for s in _telling(file, path, paths, stored))),
        probes=tuple(
            (at, stored_schema(file.metadata).column(at).physical_type, ids)
            for path, sets in wanted
            for at, leaf in enumerate(paths)
            if leaf == path
            for ids in sets
        ),
    )


def leaves_below(file: pq.ParquetFile, paths: Iterable[str]) -> tuple[tuple[int, str], ...] | None:
    """The leaf columns at some paths or below them: their positions, and their Parquet paths.

    None where that cannot be said: the footer's schema does not fit the columns, or a path stands there twice.

    >>> import io
    >>> sink = io.BytesIO()
    >>> pq.write_table(pa.table({"id": [1], "geo": [{"place": "Oslo", "at": [59.9, 10.7]}]}), sink)
    >>> leaves_below(pq.ParquetFile(sink), ["geo"])
    ((1, 'geo.place'), (2, 'geo.at.list.element'))
    """
    leaves = leaf_paths(file.schema_arrow)
    stored = [column.path for column in stored_schema(file.metadata)]
    if len(leaves) != len(stored) or len(set(stored)) < len(stored):
        return None
    told = tuple(paths)
    inside = tuple(f"{path}." for path in told)
    found = (at for at, leaf in enumerate(leaves) if leaf in told or leaf.startswith(inside))
    return tuple((at, stored[at]) for at in found)


def may_hold(statistics: Any, ids: IdSet) -> bool:
    """Whether a column chunk with these statistics could hold one of the sorted IDs; true where they do not say.

    Text is ordered by its letters: ``"9"`` comes after ``"10"``. So the bounds of a column of text are, for each
    number of digits, bounds of numbers; that is exact also where lengths differ, and where the shortest and the
    longest value have the same length but those between them have not.
    """
    if not len(ids):
        return False
    smallest, largest = bounds(ids)
    ranges = _ranges(statistics, range(len(str(smallest)), len(str(largest)) + 1))
    return ranges is None or any(any_between(ids, low, high) for low, high in ranges)


def _statistics(chunk: Any, kind: str) -> Any:
    """Those of a column chunk. Of one of another type than its column's, asking for them would end the process."""
    if chunk.physical_type != kind:
        raise PlanError(f"its column chunks of {chunk.path_in_schema!r} are {chunk.physical_type}, not {kind}")
    return chunk.statistics


def _ranges(statistics: Any, digits: Iterable[int]) -> list[tuple[int, int]] | None:
    """The numbers of so many digits that a column chunk can hold, as ranges with both ends in; None: no telling."""
    if statistics is None:
        return None
    if not statistics.has_min_max:  # nothing but nulls has no bounds, and no IDs either
        return [] if statistics.has_null_count and not statistics.num_values else None
    try:
        low, high = statistics.min, statistics.max
    except (UnicodeDecodeError, pa.ArrowException):
        return None
    if isinstance(low, int) and isinstance(high, int):
        return [(min(low, _LARGEST), min(high, _LARGEST))] if 0 <= low <= high else None
    low, high = _text(low), _text(high)
    if low is None or high is None:
        return None
    prefix = next((each for each in _PREFIXES if low.startswith(each) and high.startswith(each)), "")
    return text_ranges(_number(low[len(prefix) :]), _number(high[len(prefix) :]), digits)


def text_ranges(
    low: str | None, high: str | None, digits: Iterable[int] = range(1, _LONGEST + 1)
) -> list[tuple[int, int]] | None:
    """For each number of digits, the smallest and the largest number whose text lies between two texts.

    None where the texts are not numbers as one writes them (spaces, leading zeros): then there is no telling.

    >>> text_ranges("98", "99")[:3]
    [(98, 99), (980, 989), (9800, 9899)]
    """
    if low is None or high is None or low[0] == "0" or low > high:
        return None
    ranges = []
    for size in digits:
        first = int(low.ljust(size, "0")) if size >= len(low) else int(low[:size]) + 1
        last = int(high[:size]) if size <= len(high) else int(high.ljust(size, "0")) - 1
        first, last = max(first, 10 ** (size - 1)), min(last, 10**size - 1, _LARGEST)
        if first <= last:
            ranges.append((first, last))
    return ranges


def _text(bound: Any) -> str | None:
    text = bound.decode("ascii", "replace") if isinstance(bound, bytes) else bound
    return text if isinstance(text, str) else None


def _number(text: str) -> str | None:
    return text if text.isascii() and text.isdigit() else None


def _wanted(schema: pa.Schema, columns: Columns, erasures: Erasures) -> Iterator[tuple[str, tuple[IdSet, ...]]]:
    """Each path to read, with the IDs that would be a hit there."""
    tweets = (erasures.drop_tweets, erasures.scrub_tweets)
    authors = (erasures.drop_authors, erasures.scrub_authors)
    yield columns.id, tweets
    if columns.author_id is not None and any(map(len, authors)):
        yield columns.author_id, authors
    for path in columns.references:
        yield from _ids_of_reference(schema, path, wrapper_of(schema, columns.id), tweets[:1], authors[:1])
    for path in columns.embedded:
        kind = _tweet_type(schema, path)
        if kind is None:
            # Of text with objects in it no statistics rule anything out; of nothing but nulls they do.
            yield path, (*tweets, *authors) if is_read(schema, path) else ()
            if names_others(path):
                yield from ((each, ()) for each in looks(schema, wrapper_of(schema, columns.id)))
            other = beside_content(schema, path)
            if other is not None:
                which = 2 if path in other.places else 1
                yield from _ids_beside(other, tweets[:which], authors[:which])
            continue
        yield from _ids_of_tweet(path, kind, tweets, authors)
        yield from ((f"{path}.{place}", ()) for place in geo_in(kind))


def _ids_of_tweet(
    path: str, kind: Any, tweets: tuple[IdSet, ...], authors: tuple[IdSet, ...]
) -> Iterator[tuple[str, tuple[IdSet, ...]]]:
    for name, sets in zip(ids_inside(path, kind), (tweets, authors), strict=True):
        if name is not None:
            yield f"{path}.{name}", sets
    called = path.rpartition(".")[2]
    if is_account(called, kind):
        yield from ((f"{path}.{name}", ()) for name in marks(kind))  # by which the part that is read is known as one
    elif called == "object":
        yield f"{path}.objectType", ()
    yield from _ids_of_originals(path, kind, tweets[:1], authors[:1])


def _ids_of_originals(
    path: str, kind: Any, tweets: tuple[IdSet, ...], authors: tuple[IdSet, ...]
) -> Iterator[tuple[str, tuple[IdSet, ...]]]:
    """What tells whether a tweet inside of a row repeats one that is flagged."""
    told, schema = originals_in(path.rpartition(".")[2], kind), pa.schema(list(kind))
    for name in told.references:
        yield from ((f"{path}.{each}", sets) for each, sets in _ids_of_reference(schema, name, "", tweets, authors))
    for name in told.whole:
        yield from _ids_of_tweet(f"{path}.{name}", type_at(schema, name), tweets, authors)
    for name in told.texts:
        yield f"{path}.{name}", (*tweets, *authors)
        if names_others(name):
            yield from ((f"{path}.{each}", ()) for each in looks(schema, ""))


def _ids_of_reference(
    schema: pa.Schema, path: str, inside: str, tweets: tuple[IdSet, ...], authors: tuple[IdSet, ...]
) -> Iterator[tuple[str, tuple[IdSet, ...]]]:
    """What tells whether a row repeats a tweet that is flagged: of some shapes, only what the row looks like."""
    kind = type_at(schema, path)
    other = beside_reference(schema, path, inside)
    if other is None:
        yield from (
            (leaf, {"tweet": tweets, "author": authors}.get(part, ())) for leaf, part in reference_leaves(kind, path)
        )
        if pt.is_map(kind):
            yield path, ()  # of a map all or nothing is read
    else:
        yield from _ids_beside(other, tweets, authors)
    if not says_how(kind) if other is None else other.open:
        yield from ((each, ()) for each in looks(schema, inside))


def _ids_beside(
    other: Beside, tweets: tuple[IdSet, ...], authors: tuple[IdSet, ...]
) -> Iterator[tuple[str, tuple[IdSet, ...]]]:
    """What of a flat table tells whether another tweet is flagged."""
    yield other.id, tweets
    if other.author is not None and any(map(len, authors)):
        yield other.author, authors
    if other.kind is not None:
        yield other.kind, ()


def _tweet_type(schema: pa.Schema, path: str) -> Any:
    """The struct that holds an embedded tweet, in a list or not; None for a flat column."""
    kind = bare_type(schema, path)
    return kind if pt.is_struct(kind) else None


def _under(path: str, paths: list[str], stored: list[str]) -> list[str]:
    """The stored leaves at a path or below it."""
    return [s for leaf, s in zip(paths, stored, strict=True) if leaf == path or leaf.startswith(f"{path}.")]


def _telling(file: pq.ParquetFile, path: str, paths: list[str], stored: list[str]) -> list[str]:
    """The stored leaves that tell where the column at a path is null: of a struct, one that lies in no list."""
    field = field_at(file.schema_arrow, path)
    below = _under(path, paths, stored)
    if field is None or not pt.is_struct(field.type):
        return below
    flat = [s for s in below if stored_schema(file.metadata).column(stored.index(s)).max_repetition_level == 0]
    return flat[:1] or below


def _heads(schema: pa.Schema, paths: Iterable[str]) -> tuple[str, ...]:
    """The top-level columns that paths lead into."""
    known = [name for path in paths for name in schema.names if path == name or path.startswith(f"{name}.")]
    return tuple(dict.fromkeys(known))
