"""What somebody said of a dataset's columns, held against its files: they differ, and each lacks something else."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from compliance_frames.corpus.columns import Columns, find_columns, rounded_authors, rounded_references
from compliance_frames.corpus.paths import column_at, field_at, is_text, type_at, wrapper_of
from compliance_frames.corpus.stored import stored_schema
from compliance_frames.corpus.within import field_within
from compliance_frames.errors import PlanError
from compliance_frames.ids.parse import looks_hashed

#: Rows to look at where a file has no statistics.
_SOME = 1024
_LISTS = ("geo", "references", "embedded")


@dataclass(frozen=True)
class Told:
    """Which columns the caller named.

    Attributes:
        id_column: path of the tweet IDs, or None.
        author_column: path of the author IDs, or None.
        geo: paths of places; ``[]`` where there are none; None where nobody said.
        columns: all of these at once, in place of the others.
    """

    id_column: str | None = None
    author_column: str | None = None
    geo: Sequence[str] | None = None
    columns: Columns | None = None

    def find(self, schema: pa.Schema) -> Columns:
        """The columns of one file. Of told ones it may lack some, as files of other years do; but not its IDs.

        >>> Told(geo=["lat", "place"]).find(pa.schema({"id": pa.int64(), "lat": pa.float64()})).geo
        ('lat',)
        """
        if self.columns is None:
            geo = self.geo
            if geo is not None and not isinstance(geo, str):
                here = [path for path in geo if field_at(schema, path) is not None]
                geo = here if here or not geo else None
            found = find_columns(schema, id_column=self.id_column, author_column=self.author_column, geo=geo)
            return dataclasses.replace(found, geo=None) if self.geo and geo is None else found
        said: dict[str, Any] = {name: getattr(self.columns, name) for name in _LISTS if self.columns.says(name)}
        there: dict[str, Any] = {
            name: tuple(path for path in paths if _is_in(schema, path, name)) for name, paths in said.items()
        }
        found = find_columns(schema, columns=dataclasses.replace(self.columns, **there))
        return dataclasses.replace(found, geo=None) if said.get("geo") and not there["geo"] else found

    def must_be_somewhere(self, schemas: Sequence[pa.Schema], elsewhere: Callable[[str], bool] | None = None) -> None:
        """Raise where a told column of a list is in no file at all; ``elsewhere`` looks for it where no schema is."""
        said = {"geo": self.geo or ()} if self.columns is None else {n: getattr(self.columns, n) or () for n in _LISTS}
        for name, paths in said.items():
            missing = [path for path in paths if not any(_is_in(schema, path, name) for schema in schemas)]
            missing = [path for path in missing if elsewhere is None or not elsewhere(path)]
            if missing:
                names = sorted({name for schema in schemas for name in schema.names})
                there = f"; there are {', '.join(names)}" if names else ""
                raise PlanError(f"no file has the column {min(missing)!r} (told by {name}){there}")

    @property
    def named(self) -> list[str]:
        """Every path that was named.

        >>> Told(columns=Columns("no", geo=("lat",))).named
        ['no', 'lat']
        """
        told = self.columns
        if told is None:
            found = [self.id_column, self.author_column, *(self.geo or ())]
        else:
            found = [told.id, told.author_id, told.created_at, *(told.geo or ()), *told.references, *told.embedded]
        return [path for path in found if path]

    def says(self, name: str) -> bool:
        """Whether the columns of one of the lists were named, or that there are none.

        >>> Told(columns=Columns("id", embedded=[])).says("embedded"), Told().says("embedded")
        (True, False)
        """
        return self.columns is not None and self.columns.says(name)

    @property
    def says_author(self) -> bool:
        """Whether the column of authors was named."""
        return self.author_column is not None or (self.columns is not None and self.columns.author_id is not None)

    @property
    def says_references(self) -> bool:
        """Whether the columns of references were named, or that there are none."""
        return self.columns is not None and self.columns.says("references")


def told(columns: Any, id_column: str | None, author_column: str | None, geo: Sequence[str] | None) -> Told:
    """What was said, in one value; ``columns`` may be what :func:`~compliance_frames.columns` found.

    Raises:
        PlanError: the same was said twice, or it is not :class:`Columns`.

    >>> told(Columns("id"), None, None, None).columns.id
    'id'
    """
    if columns is None:
        return Told(id_column, author_column, geo)
    if (id_column, author_column, geo) != (None, None, None):
        raise PlanError("columns= tells all of them: leave out id_column=, author_column= and geo=")
    if not isinstance(columns, Columns):
        raise PlanError(
            f"columns= takes cf.Columns(id=…, author_id=…, geo=[…], references=[…], embedded=[…]), "
            f"not {type(columns).__name__}"
        )
    return Told(columns=columns)


@dataclass(frozen=True, eq=False)
class Sight:
    """What the schema of some files tells of their columns; a look into each file tells the rest.

    Attributes:
        columns: found in the schema, or told.
        schema: the schema.
        authors: position of the leaf column with authors' IDs, where it is text that nobody vouched for.
        rounded: columns of IDs of retweeted tweets that are floats, with their positions.
        pointed: the column called as authors' IDs are, where it is of floats, and no other one is there.
    """

    columns: Columns
    schema: pa.Schema
    authors: int | None
    rounded: tuple[tuple[str, int | None], ...]
    pointed: str | None = None

    @classmethod
    def of(cls, file: pq.ParquetFile, said: Told) -> Sight:
        """What a file's schema tells."""
        schema = file.schema_arrow
        columns = said.find(schema)
        inside = wrapper_of(schema, columns.id)
        author = columns.author_id
        text = author is not None and not said.says_author and is_text(type_at(schema, author))
        rounded = () if said.says_references else rounded_references(schema, inside)
        return cls(
            columns,
            schema,
            _leaf(file, author) if author is not None and text else None,
            tuple((path, _leaf(file, path)) for path in rounded),
            rounded_authors(schema, inside) if author is None else None,
        )

    def within(self, file: pq.ParquetFile) -> tuple[Columns, str | None]:
        """A file's columns, but for one of authors that holds digests in place of IDs; and what is wrong with it."""
        path = self.columns.author_id
        if self.pointed is not None:
            return self.columns, (
                "holds floating-point numbers, which cannot hold an ID: digits are lost above 2^53; read the source "
                "again with this column as strings"
            )
        if path is None or self.authors is None:
            return self.columns, None
        texts = (str(value).strip() for value in _bounds(file, path, self.authors))
        digest = next((text for text in texts if looks_hashed(text)), None)
        if digest is None:
            return self.columns, None
        return dataclasses.replace(self.columns, author_id=None), (
            f"holds hashes of author IDs ({digest[:16]}…): the service knows original IDs only, so that nothing can "
            "be asked or erased by them"
        )

    def must_know_references(self, file: pq.ParquetFile) -> None:
        """Refuse a file whose IDs of retweeted tweets were rounded: its retweets of what is dropped would stay.

        Raises:
            PlanError: there is such a column, and it has values.
        """
        for path, at in self.rounded:
            if _has_values(file, at):
                raise PlanError(
                    f"column {path!r} holds floating-point numbers: IDs lost their last digits above 2^53, and rows "
                    "that retweet what has to go cannot be found by them. Read the source again with this column as "
                    "strings, or say that it is to be left alone: "
                    f"columns=cf.Columns(id={self.columns.id!r}, references=[])"
                )


def _is_in(schema: pa.Schema, path: str, name: str) -> bool:
    return (field_within if name == "embedded" else field_at)(schema, path) is not None


def _bounds(file: pq.ParquetFile, path: str, at: int) -> Iterator[Any]:
    """The smallest and the largest value of each row group, where any digest shows: they begin with letters.

    Some values of the first row group where nobody wrote the bounds down.
    """
    for group in range(file.num_row_groups):
        chunk: Any = file.metadata.row_group(group).column(at)
        statistics = chunk.statistics if chunk.physical_type == "BYTE_ARRAY" else None
        if statistics is None or (statistics.num_values and not statistics.has_min_max):
            yield from _some_values(file, path)
            return
        if statistics.has_min_max:
            try:
                yield from (statistics.min, statistics.max)
            except (UnicodeDecodeError, pa.ArrowException):
                return


def _some_values(file: pq.ParquetFile, path: str) -> list[Any]:
    for batch in file.iter_batches(batch_size=_SOME, columns=[path], use_threads=False):
        values: list[Any] = column_at(pa.table(batch), path).drop_null().to_pylist()
        return values
    return []


def _has_values(file: pq.ParquetFile, at: int | None) -> bool:
    if at is None:
        return True
    kind = stored_schema(file.metadata).column(at).physical_type
    chunks: list[Any] = [file.metadata.row_group(group).column(at) for group in range(file.num_row_groups)]
    # Of a chunk of another type than its column's, asking for statistics would end the process.
    found = (chunk.statistics if chunk.physical_type == kind else None for chunk in chunks)
    return any(each is None or each.num_values > 0 for each in found)


def _leaf(file: pq.ParquetFile, path: str) -> int | None:
    stored = [column.path for column in stored_schema(file.metadata)]
    return stored.index(path) if stored.count(path) == 1 else None
