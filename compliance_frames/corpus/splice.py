"""Take what was flagged out of a Parquet file by making only that anew which has to change, and copying the rest.

Where only cells go (places, tweets of others), the column chunks that hold them are made anew and those beside them
are copied, byte by byte; where rows go, the row group is; a row group that nobody touches is copied whole. What is
copied keeps everything that its writer gave it: pages, page indexes, Bloom filters, fields that nobody here knows.

A chunk is as good as a whole file that is copied: its dictionary, its statistics and its filter are its own, and tell
of its own rows, which all stay. That is so unless a dictionary lists more than its rows have
(:func:`~compliance_frames.corpus.dictionaries.unused_words`), and then :func:`splicing` says no.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from compliance_frames.corpus.assembly import Assembly, Part
from compliance_frames.corpus.bounds import without_bounds
from compliance_frames.corpus.columns import Columns
from compliance_frames.corpus.dataset import BySchema
from compliance_frames.corpus.dictionaries import WordLists, unused_words
from compliance_frames.corpus.embedded import without_embedded
from compliance_frames.corpus.encoding import Encoding, encoding_of
from compliance_frames.corpus.erase import (
    Counts,
    Erasures,
    Masks,
    erase,
    hits,
    located,
    unchecked_message,
    without_places,
)
from compliance_frames.corpus.footer import (
    Chunk,
    Footer,
    Group,
    InMemory,
    Meta,
    OnDisk,
    leaf_types,
    must_have_known_codecs,
    path_of,
    places,
    read_footer,
    schema_of,
)
from compliance_frames.corpus.leaves import Leaves, find_leaves, leaves_below
from compliance_frames.corpus.planned import Marked
from compliance_frames.corpus.rewrite import WHOLE_BYTES, Rewritten, compacted
from compliance_frames.corpus.stored import stored_schema
from compliance_frames.corpus.thrift import Struct
from compliance_frames.errors import FooterError, StaleDatasetError, UncheckedIdsError

#: A file is spliced where no more than this part of its bytes, uncompressed, is made anew …
_WORTH: Final = 0.75
#: … and at least this many, as they are stored, are copied: editing a footer takes as long as encoding some rows.
_LEAST_COPIED: Final = 256 << 10
#: To see whether columns can be made anew, without finding out how the source was compressed.
_ANY_LEVEL: Final = 1
#: Where Arrow keeps its own schema among a file's key-value metadata.
_ARROW_SCHEMA: Final = b"ARROW:schema"
#: Options of a writer that change nothing about the types of what it writes.
_WITHOUT_TYPES: Final = {"compression_level", "bloom_filter_options"}
_CHANGED: Final = "its rows are not those that were planned for: plan again, then clean; nothing was published"
#: Kinds of files that are remembered at a time.
_REMEMBERED: Final = 256
#: Parts of a column chunk that it may have or not.
_KINDS: Final = (Meta.DICTIONARY, Meta.STATISTICS, Meta.BLOOM)
_INDEXES: Final = (Chunk.COLUMN_INDEX, Chunk.OFFSET_INDEX)
#: Integers of the usual width are said to be that by some writers, and by others not.
_PLAIN_INTEGER: Final = re.compile(r"^Int\(bitWidth=(32|64), isSigned=true\)$")


@dataclass(frozen=True)
class Splicing:
    """Whether a file is to be spliced.

    Attributes:
        made: column chunks that are made anew.
        of: column chunks of the file.
        reason: why it cannot be done, in words; empty where it can, and does not pay; None where it is to be done.
    """

    made: int
    of: int
    reason: str | None = None


@dataclass(frozen=True)
class Spliced(Rewritten):
    """What became of one file.

    Attributes:
        shared: bytes from its beginning on that are the source's own.
    """

    shared: int = 0


def splicing(
    source: Path,
    file: pq.ParquetFile,
    columns: Columns,
    touched: Mapping[int, Counts],
    lists: WordLists | None = None,
) -> Splicing:
    """Decide whether a file is to be spliced: whether that can be done, and pays.

    Args:
        source: a Parquet file.
        file: the same, open.
        columns: where it has its places and tweets of others.
        touched: what is to go from each row group that loses something.
        lists: the columns of its schema that may list values which no row has, where they are known already.
    """
    groups, leaves = file.metadata.num_row_groups, file.metadata.num_columns
    cells = _cells(file, columns)
    if cells is None:
        return Splicing(0, groups * leaves, "its schema does not tell its columns apart")
    anew = {at: cells.of(counts, range(leaves)) for at, counts in touched.items()}
    found = Splicing(sum(map(len, anew.values())), groups * leaves)
    if not _pays(file.metadata, touched, anew):
        return dataclasses.replace(found, reason="")
    try:
        reason = _unspliceable(source, file, columns, {at: chunks for at, chunks in anew.items() if chunks}, lists)
    except FooterError as error:
        reason = str(error)
    except pa.ArrowException:
        reason = "its columns cannot be encoded as they are"
    return dataclasses.replace(found, reason=reason)


def splice(
    source: Path,
    target: Path,
    columns: Columns,
    erasures: Erasures,
    *,
    level: int | None = None,
    marked: Mapping[int, Marked] | None = None,
) -> Spliced:
    """Write a Parquet file again without what was flagged, where most of it is copied byte by byte.

    What comes out holds the same as :func:`~compliance_frames.corpus.rewrite.rewrite` gives: the same rows in the
    same row groups, the same schema and metadata. It may only be asked for where :func:`splicing` says so.

    Args:
        source: a Parquet file; it is only read.
        target: the file to write; it must not exist.
        columns: where the source has its IDs and places.
        erasures: what to take out.
        level: the zstd level of what is made anew; the source's, as far as it can be told, when None.
        marked: what was seen of its row groups; all that are not among them lose nothing. Its IDs are read when None.

    Raises:
        StaleDatasetError: the file is not the one that was looked at.
        FooterError: it turns out that the file can only be rewritten; the target is half a file then.
        PlanError: a place has to go and its column must not be null, or no column of places is known.
        FileExistsError: the target exists.
        OSError: there is no room, or no permission.

    >>> import tempfile, numpy as np
    >>> folder = Path(tempfile.mkdtemp())
    >>> pq.write_table(pa.table({"id": [1, 2], "geo": ["Oslo", "Rome"]}), folder / "source.parquet")
    >>> erasures = Erasures(scrub_tweets=np.array([2]))
    >>> splice(folder / "source.parquet", folder / "target.parquet", Columns("id", geo=("geo",)), erasures).notes
    ()
    >>> pq.read_table(folder / "target.parquet").to_pydict()
    {'id': [1, 2], 'geo': ['Oslo', None]}
    """
    with source.open("rb") as stream, target.open("xb", buffering=0) as sink:
        return _Splice(source, stream, columns, erasures, level, marked).write(sink.fileno())


@dataclass(frozen=True)
class _Cells:
    """The leaf columns of cells that can go while their rows stay, by position, with their Parquet paths."""

    places: tuple[tuple[int, str], ...]
    embedded: tuple[tuple[int, str], ...]

    def of(self, counts: Counts, leaves: Collection[int]) -> Collection[int]:
        """The positions of the column chunks that are made anew in a row group with these counts."""
        if counts.rows_dropped:
            return leaves if counts.rows_kept else ()
        lost = [(counts.rows_scrubbed, self.places), (counts.cells_nulled, self.embedded)]
        return {at for number, found in lost if number for at, _ in found}


class _Splice:
    """One file that is taken apart and put together."""

    def __init__(
        self,
        path: Path,
        stream: BinaryIO,
        columns: Columns,
        erasures: Erasures,
        level: int | None,
        marked: Mapping[int, Marked] | None,
    ) -> None:
        self.path, self.columns, self.erasures, self.level = path, columns, erasures, level
        self.origin = OnDisk(stream, path)
        self.footer = read_footer(self.origin, schema=False)
        self.places = places(self.footer)
        self.file = pq.ParquetFile(stream, pre_buffer=False, page_checksum_verification=True)
        cells = _cells(self.file, columns)
        if cells is None:
            raise FooterError("its schema does not tell its columns apart")
        self.cells, self.marked = cells, marked
        self.moulds: dict[frozenset[int], _Mould] = {}
        self.notes: dict[str, None] = {}

    def write(self, handle: int) -> Spliced:
        """Write all row groups, and the footer, to an empty file."""
        assembly, counts = Assembly(handle, self.origin), Counts()
        for at in range(self.file.num_row_groups):
            counts += self._group(assembly, at, first_row=counts.rows_in)
        assembly.finish(self.footer.file)
        return Spliced(counts, tuple(self.notes), assembly.shared)

    def _group(self, assembly: Assembly, at: int, *, first_row: int) -> Counts:
        group = self.footer.groups[at]
        counts, found, held = self._seen(at, first_row) if self.marked is None else self._known(at)
        if counts.rows_unchecked and self.erasures.unchecked == "error":
            raise UncheckedIdsError(unchecked_message(counts.rows_unchecked, files=None))
        if not counts.rows_kept:
            return counts
        parts = {leaf: Part(self.origin, chunk, self.places[at][leaf])
                 for leaf, chunk in enumerate(group.structs(Group.CHUNKS))}  # fmt: skip
        if not counts.touched:
            assembly.add(group, list(parts.values()))
            return counts
        if counts.rows_dropped:
            table, counts = erase(self.file.read_row_group(at, use_threads=False), self.columns, self.erasures)
            anew = self._mould(parts, table).cast(table)
        else:
            table = self._without_cells(at, found, held)
            anew = self._mould(self.cells.of(counts, ()), table).cast(table)
        assembly.add(self._described(at, counts.rows_kept), [anew.get(leaf, part) for leaf, part in parts.items()])
        return counts

    @cached_property
    def leaves(self) -> Leaves:
        """The columns with IDs."""
        return find_leaves(self.file, self.columns, self.erasures)

    def _seen(self, at: int, first_row: int) -> tuple[Counts, Masks, pa.Table | None]:
        """What happens to each row of a row group, and the columns of places if they had to be read."""
        facts = self.file.metadata.row_group(at)
        if not self.leaves.may_be_hit(facts, self.erasures):
            return Counts(facts.num_rows, facts.num_rows), _none(0), None
        found = hits(self._read(at, self.leaves.ids), self.columns, self.erasures, first_row=first_row)
        if not found.scrub.any():
            return found.counts, found, None
        held = self._read(at, self.leaves.places) if self.leaves.places else pa.table({})
        found = located(found, held, self.columns)
        return found.counts, found, held

    def _known(self, at: int) -> tuple[Counts, Masks, pa.Table | None]:
        """The same, as it was seen before."""
        rows, known = self.file.metadata.row_group(at).num_rows, (self.marked or {}).get(at)
        if known is None:
            return Counts(rows, rows), _none(0), None
        if known.counts.rows_dropped or not known.counts.rows_scrubbed:
            return known.counts, _none(0), None
        found, held = _none(rows), self._read(at, [path for _, path in self.cells.places])
        if known.counts.rows_in != rows or known.scrub[-1] >= rows:
            raise StaleDatasetError(_CHANGED)
        found.scrub[known.scrub] = True
        if located(found, held, self.columns).counts.rows_scrubbed != len(known.scrub):
            raise StaleDatasetError(_CHANGED)
        return known.counts, found, held

    def _read(self, at: int, paths: Sequence[str]) -> pa.Table:
        return self.file.read_row_group(at, columns=list(paths), use_threads=False)

    def _without_cells(self, at: int, found: Masks, held: pa.Table | None) -> pa.Table:
        """The columns of a row group that lose cells, without them; ``held`` are those of places, if they are read."""
        anew = self.cells.of(found.counts, ())
        paths = [path for leaf, path in (*self.cells.places, *self.cells.embedded) if leaf in anew]
        table = held if held is not None and not found.counts.cells_nulled else self._read(at, paths)
        if found.scrub.any():
            table = without_places(table, self.columns, found.scrub)
        for path, cells in found.embedded.items():
            if cells.any():
                table = without_embedded(table, path, self.erasures, self.columns.embedded, where=cells > 0)
        return compacted(table)

    def _described(self, at: int, rows: int) -> Struct:
        """``RowGroup`` of a row group that lost something: fields that nobody knows may tell what, and go."""
        group = self.footer.groups[at].copied(*range(Group.CHUNKS, Group.ORDINAL + 1))
        group.put(Group.ROWS, rows)
        lose = dict((*self.cells.places, *self.cells.embedded))
        for each in self.file.metadata.row_group(at).sorting_columns:
            if each.column_index in lose:
                group.drop(Group.SORTING)
                path = lose[each.column_index]
                self.notes[f"no sort order is claimed: {path!r} is among the columns that lose values"] = None
        return group

    def _mould(self, anew: Collection[int], table: pa.Table) -> _Mould:
        """What makes these columns, of which a table is one; the same for all row groups."""
        mould = self.moulds.get(frozenset(anew))
        if mould is None:
            mould = self.moulds[frozenset(anew)] = _Mould(
                self.path, self.file, self.footer, self.columns, anew, table.schema, self.level
            )
            self.notes.update(dict.fromkeys(mould.encoding.notes))
        return mould


def _none(rows: int) -> Masks:
    """Of so many rows, nothing goes."""
    return Masks(np.zeros(rows, bool), np.zeros(rows, bool), np.zeros(rows, bool), {})


class _Mould:
    """Makes column chunks of some columns of a file as its own are.

    Args:
        source: path of the file.
        file: the same, open.
        footer: of it.
        columns: where it has its places and tweets of others.
        anew: positions of the leaf columns to make.
        schema: of a table of these columns.
        level: the zstd level; the source's when None.

    Raises:
        FooterError: those that can be made are of other types, or lie at other levels.
    """

    def __init__(
        self,
        source: Path,
        file: pq.ParquetFile,
        footer: Footer,
        columns: Columns,
        anew: Collection[int],
        schema: pa.Schema,
        level: int | None,
    ) -> None:
        own = _types(file, footer)
        stored = stored_schema(file.metadata)
        self._positions = {stored.column(at).path: at for at in anew}
        if any(stored.column(at).physical_type == "INT96" for at in anew):
            raise FooterError("its timestamps are of the old kind (INT96)")  # whose unit is one for a whole file
        self.encoding = encoding_of(source, columns, only=self._positions, level=level, footer=footer)
        found = _types_made(_Making(dataclasses.replace(self.encoding, schema=schema, key_values={})))
        if any(found.get(path) != own[path] for path in self._positions):
            raise FooterError("its columns are stored as other types, or nested otherwise, than they can be written")

    def cast(self, table: pa.Table) -> dict[int, Part]:
        """The column chunks of a table, by the positions that they have in the file."""
        footer = read_footer(self._written(table), schema=False)
        (group,), (places_,) = footer.groups, places(footer)
        named = {_path(chunk): Part(footer.origin, chunk, place)
                 for chunk, place in zip(group.structs(Group.CHUNKS), places_, strict=True)}  # fmt: skip
        return {at: named[path] for path, at in self._positions.items()}

    def _written(self, table: pa.Table) -> InMemory:
        return _written(dataclasses.replace(self.encoding, schema=table.schema, key_values={}), table)


def _written(encoding: Encoding, table: pa.Table) -> InMemory:
    sink = pa.BufferOutputStream()
    with encoding.writer(sink) as writer:
        if table.num_rows:
            writer.write_table(table, row_group_size=table.num_rows)
    return InMemory(memoryview(sink.getvalue()))


class _Making:
    """An encoding, equal to those that store a table as the same types: levels and Bloom filters make no difference."""

    def __init__(self, encoding: Encoding) -> None:
        options = {key: value for key, value in encoding.options.items() if key not in _WITHOUT_TYPES}
        self.encoding, self._key = encoding, (str(encoding.schema), repr(options))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Making) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


@lru_cache(maxsize=64)
def _types_made(making: _Making) -> Mapping[str, tuple[object, ...]]:
    """The types that columns are stored as, seen on a file without a row; the same for most files of a dataset."""
    made = _written(making.encoding, making.encoding.schema.empty_table())
    return _types(pq.ParquetFile(pa.BufferReader(made.content)), read_footer(made, schema=False))


@BySchema
def _cells(file: pq.ParquetFile, columns: Columns) -> _Cells | None:
    found, embedded = leaves_below(file, columns.geo or ()), leaves_below(file, columns.embedded)
    return None if found is None or embedded is None else _Cells(found, embedded)


def _pays(metadata: pq.FileMetaData, touched: Mapping[int, Counts], anew: Mapping[int, Collection[int]]) -> bool:
    """Whether so little is made anew that editing the footer is less work than making all of it."""
    every = copied = made = 0
    for at in range(metadata.num_row_groups):
        group = metadata.row_group(at)
        if at in touched and not touched[at].rows_kept:
            continue
        for leaf in range(group.num_columns):
            chunk, changes = group.column(leaf), leaf in anew.get(at, ())
            every += chunk.total_uncompressed_size
            made += chunk.total_uncompressed_size * changes
            copied += chunk.total_compressed_size * (not changes)
    return made <= _WORTH * every and copied >= _LEAST_COPIED


def _unspliceable(
    source: Path,
    file: pq.ParquetFile,
    columns: Columns,
    anew: Mapping[int, Collection[int]],
    lists: WordLists | None,
) -> str | None:
    """What of a file only a rewrite can deal with, in words."""
    for at, chunks in anew.items():
        group = file.metadata.row_group(at)
        if sum(group.column(leaf).total_uncompressed_size for leaf in chunks) > WHOLE_BYTES:
            return "a row group is too large to be held at once"
    said: Mapping[bytes, bytes] = file.metadata.metadata or {}
    if without_bounds(said) is not said:
        return "its GeoParquet metadata tells the bounds of all places"
    with source.open("rb") as stream:
        footer = read_footer(OnDisk(stream, source), schema=False)
        places(footer)
        must_have_known_codecs(footer)
    for each in {frozenset(chunks) for chunks in anew.values()}:
        alike = (schema_of(footer), said.get(_ARROW_SCHEMA), columns, each, _said(footer, each))
        if alike not in _seen_to_fit:
            paths = [stored_schema(file.metadata).column(at).path for at in each]
            whole = len(paths) == file.metadata.num_columns
            empty = file.read_row_groups([], columns=None if whole else paths)
            _Mould(source, file, footer, columns, each, empty.schema, level=_ANY_LEVEL)
            _remember(alike)
    if words := unused_words(source, file, lists):
        return f"a dictionary of {words[0]!r} lists values that no row has"
    return None


#: What files looked like whose columns could be made anew. To see that of each file of a dataset takes longer than all
#: the rest of planning it; where one is taken for others wrongly, splicing it says so, and it is rewritten.
_seen_to_fit: set[tuple[object, ...]] = set()


def _remember(alike: tuple[object, ...]) -> None:
    if len(_seen_to_fit) >= _REMEMBERED:
        _seen_to_fit.clear()
    _seen_to_fit.add(alike)


def _said(footer: Footer, leaves: Collection[int]) -> frozenset[tuple[object, ...]]:
    """How a footer says that some columns were written, over all row groups."""
    found = set()
    for group in footer.groups:
        chunks = group.structs(Group.CHUNKS)
        for leaf in leaves:
            meta = chunks[leaf].struct(Chunk.META) or Struct()
            written = tuple(meta.raw(each) for each in (Meta.TYPE, Meta.CODEC, Meta.ENCODINGS))
            beside = (each in chunks[leaf] for each in _INDEXES)
            found.add((leaf, *written, *(each in meta for each in _KINDS), *beside))
    return frozenset(found)


def _types(file: pq.ParquetFile, footer: Footer) -> Mapping[str, tuple[object, ...]]:
    """All that decides how the pages of each column are read and what they mean, by Parquet path."""
    schema = schema_of(footer)
    found = _types_known.get(schema)
    if found is None:
        found = _types_of(file, footer)
        if schema is not None:
            if len(_types_known) >= _REMEMBERED:
                _types_known.clear()
            _types_known[schema] = found
    return found


_types_known: dict[bytes | None, Mapping[str, tuple[object, ...]]] = {}


def _types_of(file: pq.ParquetFile, footer: Footer) -> Mapping[str, tuple[object, ...]]:
    found, schema = {}, stored_schema(file.metadata)
    for at, stored in enumerate(leaf_types(footer)):
        column = schema.column(at)
        found[column.path] = (*stored, _PLAIN_INTEGER.sub("None", str(column.logical_type)))
    return found


def _path(chunk: Struct) -> str:
    return ".".join(name.decode() for name in path_of(chunk))
