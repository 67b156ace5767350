"""Walk through the files of a cleaned dataset once: say what is wrong by itself, give out every ID to look up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from compliance_frames.corpus.manifest import FileRecord, Manifest
from compliance_frames.progress import Progress, ProgressCallback
from compliance_frames.proof import residue
from compliance_frames.proof.cells import Ids, ids_in, leaves, looks_placed, place_columns, stored_columns
from compliance_frames.proof.inventory import is_same
from compliance_frames.proof.pages import PageError
from compliance_frames.proof.rescan import Found, cells
from compliance_frames.proof.roles import Layout, Role, Whose, whose
from compliance_frames.proof.roles import Path as ColumnPath

_MAGIC: Final = b"PAR1"
#: How Bloom filters came into a file, by what was decided for it.
_BLOOMS: Final = {"copy": "copied", "splice": "spliced", "rewrite": "rewritten"}
#: What a role is called where an ID of it was found.
_CALLED: Final[dict[str, str]] = {
    "tweet": "{n} that had to go",
    "author": "{n} by an author who had to go",
    "retweet": "{n} that repeats a tweet that had to go",
    "embedded tweet": "{n} that holds a tweet that had to go",
    "embedded author": "{n} that holds a tweet of an author who had to go",
}


@dataclass(frozen=True)
class Spot:
    """A place where IDs were found.

    Attributes:
        file: the file's path.
        where: the place in it, in words; None for the rows themselves.
        column: the column, or an empty text.
        role: what the IDs stand for.
        places: the columns of places of the file, by the bits of :attr:`Ids.places`.
        own: whether these are rows' own tweet IDs.
    """

    file: str
    where: str | None
    column: str = ""
    role: Role = "tweet"
    places: tuple[str, ...] = ()
    own: bool = False


class Survey:
    """One walk through the Parquet files that a manifest names.

    Attributes:
        problems: what is wrong by itself; complete once :meth:`batches` came to its end.
        counted: how much of each kind was looked at.
        spots: what the numbers in :meth:`batches` stand for.

    Args:
        root: the dataset.
        manifest: of it.
        must_erase: whether there is anything that had to go.
        problems: told of each problem.
        progress: told after each file.
    """

    def __init__(
        self,
        root: Path,
        manifest: Manifest,
        *,
        must_erase: bool,
        problems: Callable[[str], None],
        progress: ProgressCallback,
    ) -> None:
        self.root, self.manifest = root, manifest
        self.must_erase = must_erase
        self.counted: Counter[str] = Counter()
        self.spots: list[Spot] = []
        self.unplaced: set[str] = set()
        self._numbers: dict[Spot, int] = {}
        self._tell = problems
        self._progress = progress

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Every ID of every file, for :func:`~compliance_frames.proof.rescan.rescan`."""
        total = len(self.manifest.files)
        for done, record in enumerate(self.manifest.files, start=1):
            yield from self._names(record)
            path = self.root / record.path
            if path.is_file() and not path.is_symlink():
                try:
                    with path.open("rb") as file:
                        yield from self._file(file, record)
                except (pa.ArrowException, OSError, ValueError) as error:
                    said = str(error).partition("\n")[0]
                    self._tell(f"{record.path}: it cannot be read as Parquet ({type(error).__name__}: {said})")
            self._progress(Progress("verify", self.root.name, done, total, "files", record.path))

    def problem(self, found: Found) -> str | None:
        """The sentence for IDs that were found where they must not be; None where they may be there."""
        spot = self.spots[found.spot]
        if found.treatment == "drop" and spot.role != "mention":
            if spot.where is not None:
                return f"{spot.file}: {_number(found.looked_at, 'ID')} of what had to go in {spot.where}"
            what = _CALLED[spot.role].format(n=_number(found.looked_at, "row"))
            return f"{spot.file}: {what} (column {spot.column!r}, the first is row {found.first_row:,})"
        if found.treatment == "scrub_geo" and found.placed and spot.role != "mention":
            held = [name for bit, name in enumerate(spot.places) if found.places >> bit & 1]
            columns = ", ".join(map(repr, held)) or "a place"
            rows = f"{_number(found.placed, 'row')} whose place had to go {'has' if found.placed == 1 else 'have'}"
            where = f"by column {spot.column!r}, the first is row {found.first_placed:,}"
            return f"{spot.file}: {rows} one in {columns} ({where})"
        return None

    def _file(self, file: BinaryIO, record: FileRecord) -> Iterator[pa.RecordBatch]:
        if record.columns is None:
            if file.read(4) == _MAGIC:
                self._tell(f"{record.path}: it is Parquet, and was not looked into when the dataset was cleaned")
            return
        with pq.ParquetFile(file, pre_buffer=False, page_checksum_verification=True) as parquet:
            layout = Layout(self.manifest.columns_of(record))
            schema, metadata = parquet.schema_arrow, parquet.metadata
            self._schema(record, schema, layout)
            yield from self._metadata(record, schema, metadata.metadata)
            columns = stored_columns(schema, layout)
            rows = 0
            for group in range(metadata.num_row_groups):
                table = parquet.read_row_group(group)
                yield from self._rows(record, table, layout, rows)
                yield from self._chunks(file, record, parquet, group, table, columns)
                rows += table.num_rows
            self._count_rows(record, rows, metadata.num_rows)

    def _schema(self, record: FileRecord, schema: pa.Schema, layout: Layout) -> None:
        self.unplaced |= set(looks_placed(schema, layout))
        for name in residue.listed_categories(schema) if self.must_erase else ():
            self._tell(f"{record.path}: its schema lists all categories of {name!r}, erased ones perhaps among them")

    def _count_rows(self, record: FileRecord, rows: int, said: int) -> None:
        self.counted["rows"] += rows
        self.counted["parquet"] += 1
        if not rows == said == record.rows_kept:
            self._tell(f"{record.path}: it holds {rows:,} rows, and {record.rows_kept or 0:,} by the manifest")

    def _rows(self, record: FileRecord, table: pa.Table, layout: Layout, first_row: int) -> Iterator[pa.RecordBatch]:
        places = tuple(".".join(path) for path in place_columns(table.schema, layout))
        for batch in table.to_batches():
            for ids in ids_in(batch, layout, first_row):
                yield self._cells(record, ids, places)
            first_row += batch.num_rows

    def _cells(self, record: FileRecord, ids: Ids, places: tuple[str, ...]) -> pa.RecordBatch:
        own = ids.role in ("tweet", "author")
        spot = Spot(record.path, None, ".".join(ids.path), ids.role, places if own else (), ids.primary)
        self.counted[ids.role] += len(ids.values) - ids.values.null_count
        return cells(
            self._spot(spot),
            whose(ids.role, ids.path),
            ids.values,
            own=ids.primary,
            rows=ids.rows,
            places=ids.places,
        )

    def _chunks(
        self,
        file: BinaryIO,
        record: FileRecord,
        parquet: pq.ParquetFile,
        group: int,
        table: pa.Table,
        columns: list[tuple[ColumnPath, Role | None]],
    ) -> Iterator[pa.RecordBatch]:
        """What each column chunk of a row group holds beside its values."""
        facts: Any = parquet.metadata.row_group(group)
        stored = [leaf for column in table.columns for leaf in _leaves(column)]
        if not len(stored) == len(columns) == facts.num_columns:
            self._tell(f"{record.path}: its columns are not those that its schema says; its dictionaries were not read")
            return
        for at, ((path, role), leaf) in enumerate(zip(columns, stored, strict=True)):
            chunk = facts.column(at)
            self._bloom(record, chunk)
            try:
                entries = residue.entries_of(file, chunk, parquet.schema.column(at).length or 0)
            except PageError as error:
                self._tell(f"{record.path}: the dictionary of {'.'.join(path)!r} cannot be read ({error})")
                entries = None
            if entries is not None:
                self._dictionary(record, path, residue.unused_entries(entries, leaf) if self.must_erase else 0)
            if role is not None and role != "mention":
                yield from self._beside(record, path, role, entries, residue.bounds_of(chunk))

    def _dictionary(self, record: FileRecord, path: ColumnPath, unused: int) -> None:
        self.counted["dictionaries"] += 1
        if unused:
            name = ".".join(path)
            self._tell(
                f"{record.path}: a dictionary of {name!r} lists {_number(unused, 'value')} that no row has: "
                "what was erased may stand there still"
            )

    def _beside(
        self, record: FileRecord, path: ColumnPath, role: Role, entries: Any, bounds: pa.Array[Any]
    ) -> Iterator[pa.RecordBatch]:
        """The IDs that stand in a dictionary and in statistics, beside the rows."""
        name = ".".join(path)
        for what, values in (("a dictionary", entries), ("the statistics", bounds)):
            if values is not None and len(values):
                self.counted[what] += len(values)
                yield cells(self._spot(Spot(record.path, f"{what} of {name!r}", name, role)), whose(role, path), values)

    def _bloom(self, record: FileRecord, chunk: Any) -> None:
        if chunk.bloom_filter_offset is None:
            return
        self.counted[f"blooms {_BLOOMS[record.decision]}"] += 1
        if record.decision == "copy" and not is_same(record):
            self._tell(
                f"{record.path}: a Bloom filter that nobody vouches for: the file is neither source nor rewritten"
            )

    def _metadata(
        self, record: FileRecord, schema: pa.Schema, footer: dict[bytes, bytes] | None
    ) -> Iterator[pa.RecordBatch]:
        numbers = residue.numbers_in_metadata(schema, footer)
        self.counted["metadata"] += len(numbers)
        named: tuple[Whose, ...] = ("tweet", "author")
        for each in named if len(numbers) else ():
            yield cells(self._spot(Spot(record.path, "its key-value metadata")), each, numbers)

    def _names(self, record: FileRecord) -> Iterator[pa.RecordBatch]:
        for each, number in residue.numbers_in_name(record.path):
            self.counted["names"] += 1
            yield cells(self._spot(Spot(record.path, "its name")), each, pa.array([number], pa.large_string()))

    def _spot(self, spot: Spot) -> int:
        number = self._numbers.setdefault(spot, len(self.spots))
        if number == len(self.spots):
            self.spots.append(spot)
        return number


def _leaves(column: pa.ChunkedArray[Any]) -> list[Any]:
    """The stored columns of one of a table, each whole."""
    chunks: list[Any] = column.chunks or [pa.array([], column.type)]
    parts = [list(leaves(chunk)) for chunk in chunks]
    return [pa.concat_arrays([_wide(part) for part in same]) for same in zip(*parts, strict=True)]


def _wide(values: Any) -> Any:
    """Text that may be joined to more than 2 GiB of it."""
    return values.cast(pa.large_string()) if pa.types.is_string(values.type) else values


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"
