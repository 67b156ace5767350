"""Dictionaries that list more than their rows have: a copy of such a file may name what was erased elsewhere.

Writers put all categories of a column into every file and every row group, whichever of them stand there: Arrow does
for dictionary-encoded columns, DuckDB for enums, fastparquet for categories. Where a file holds Arrow's own schema,
that tells which columns these are; where it does not, they look like any text, and all dictionaries are looked into.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pt

from compliance_frames.corpus.columns import is_list
from compliance_frames.corpus.enums import without_enums
from compliance_frames.corpus.stored import stored_schema

_ARROW_SCHEMA: Final = b"ARROW:schema"
#: A writer without Arrow's schema that makes each dictionary from the very rows that it writes.
_FROM_ITS_ROWS: Final = "parquet-mr"
#: The writer that has dictionaries of numbers as well, and only for categories.
_OF_NUMBERS: Final = "fastparquet"


@dataclass(frozen=True)
class WordLists:
    """The columns of a schema that may list values which no row has.

    Attributes:
        anywhere: those with dictionaries further down, and those with categories in their metadata.
        beside: dictionary-encoded ones, whose lists can be held against their rows.
    """

    anywhere: tuple[str, ...]
    beside: tuple[str, ...]

    @classmethod
    def of(cls, schema: pa.Schema) -> WordLists:
        """Those of a schema."""
        anywhere = tuple(name for field in schema for name in _listed(field))
        return cls(anywhere, tuple(field.name for field in schema if pt.is_dictionary(field.type)))


def unused_words(source: Path, file: pq.ParquetFile, lists: WordLists | None = None) -> tuple[str, ...]:
    """The columns of a file whose dictionaries list values that no row of theirs has.

    Such a file, though none of its rows is flagged, may name what was erased elsewhere: a copy of it is not clean,
    and :func:`~compliance_frames.corpus.rewrite.rewrite` is.

    Args:
        source: path of the file.
        file: the same, open.
        lists: those of its schema, where they are known already.

    >>> import tempfile
    >>> source, words = Path(tempfile.mkdtemp(), "a"), pa.array(["erased elsewhere", "here"]).dictionary_encode()
    >>> pq.write_table(pa.table({"id": [2], "words": words[1:]}), source)
    >>> unused_words(source, pq.ParquetFile(source))
    ('words',)
    """
    if _ARROW_SCHEMA in (file.metadata.metadata or {}):
        lists = lists or WordLists.of(file.schema_arrow)
        spare = (name for name in lists.beside if any(map(_has_spare_words, _chunks(file, name))))
        return tuple(dict.fromkeys((*lists.anywhere, *spare)))
    made_by = file.metadata.created_by or ""
    return () if made_by.startswith(_FROM_ITS_ROWS) else tuple(dict.fromkeys(_hidden(source, file, made_by)))


def has_words(kind: Any) -> bool:
    """Whether a type is, or holds, one of dictionaries.

    >>> has_words(pa.list_(pa.dictionary(pa.int8(), pa.string()))), has_words(pa.string())
    (True, False)
    """
    if isinstance(kind, pa.BaseExtensionType):
        return has_words(kind.storage_type)
    return pt.is_dictionary(kind) or any(has_words(kind.field(at).type) for at in range(kind.num_fields))


def _listed(field: pa.Field[Any]) -> list[str]:
    """A column that holds dictionaries further down may list anything, and one with categories in its metadata."""
    nested = has_words(field.type) and not pt.is_dictionary(field.type)
    return [field.name] if nested or without_enums(pa.schema([field]))[1] else []


def _chunks(file: pq.ParquetFile, name: str) -> Iterator[Any]:
    for group in range(file.num_row_groups):
        yield from file.read_row_group(group, [name], use_threads=False).column(0).chunks


def _has_spare_words(chunk: Any) -> bool:
    return len(chunk.indices.drop_null().unique()) < len(chunk.dictionary)


def _hidden(source: Path, file: pq.ParquetFile, made_by: str) -> Iterator[str]:
    """The columns with spare values where no schema tells of dictionaries: read as such, they show what they list."""
    schema = stored_schema(file.metadata)
    coded = [
        (number, schema.column(at).path, schema.column(at).physical_type)
        for number in range(file.num_row_groups)
        for group in [file.metadata.row_group(number)]
        for at in range(group.num_columns)
        if group.num_rows and any("DICTIONARY" in encoding for encoding in group.column(at).encodings)
    ]
    text = {path: None for _, path, kind in coded if kind == "BYTE_ARRAY"}
    if made_by.startswith(_OF_NUMBERS):
        yield from (path for _, path, _ in coded if path not in text)
    with source.open("rb") as stream, pq.ParquetFile(stream, read_dictionary=list(text), pre_buffer=False) as again:
        for number, path, kind in coded:
            if kind == "BYTE_ARRAY":
                for column in again.read_row_group(number, [path], use_threads=False).columns:
                    if any(map(_has_spare_words, (below for chunk in column.chunks for below in _coded(chunk)))):
                        yield path


def _coded(array: Any) -> Iterator[Any]:
    """The dictionary-encoded values in an array, however deep; of a slice or below a null, those in sight."""
    if pt.is_dictionary(array.type):
        yield array
    elif pt.is_struct(array.type):
        for child in array.flatten():
            yield from _coded(child)
    elif pt.is_map(array.type):
        yield from _coded(array.keys)
        yield from _coded(array.items)
    elif is_list(array.type):
        yield from _coded(array.flatten())
