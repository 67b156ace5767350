"""The ID column of a file or a dataset directory, in pieces; text formats are read so that no ID becomes a float."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from compliance_frames.errors import IdError
from compliance_frames.ids.naming import id_column_of, take
from compliance_frames.ids.parse import parse_ids, parse_values

_Pieces = Iterator[tuple[str | None, Any]]

_PACKED = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}
_PARQUET = {".parquet", ".pq"}
_CSV = {".csv": ",", ".tsv": "\t"}
_JSONL = {".jsonl", ".ndjson"}
_TEXT = {".txt", ".ids", ""}
_BATCH = 100_000


def batches_of_path(path: Path, told: str | None) -> _Pieces:
    """The pieces of the ID column of a file, or of every Parquet file under a directory.

    Raises:
        IdError: there is no such path, its format is not one of those read, or it cannot be read.
    """
    if path.is_dir():
        return _of_directory(path, told)
    if not path.exists():
        raise IdError(f"There is no file or directory {str(path)!r}.")
    suffixes = [suffix.lower() for suffix in path.suffixes]
    kind = next((suffix for suffix in reversed(suffixes) if suffix not in _PACKED), "")
    if kind in _PARQUET:
        return _checked(path, _of_parquet(path, told))
    if kind in _CSV:
        return _checked(path, _of_csv(path, told, _CSV[kind]))
    if kind in _JSONL:
        return _checked(path, _of_jsonl(path, told))
    if kind in _TEXT:
        return _checked(path, _of_text(path, told))
    raise IdError(
        f"{path} is none of the formats read here: .parquet, .csv, .tsv, .jsonl, .ndjson, .txt "
        "(the text ones also with .gz, .bz2 or .zst)."
    )


def _checked(path: Path, pieces: _Pieces) -> _Pieces:
    """The pieces as IDs, with the file's name put before what is wrong with it; rows count from the file's first."""
    row = 0
    try:
        for name, values in pieces:
            parse = parse_values if isinstance(values, list) else parse_ids
            ids = parse(values, column=name, first_row=row)
            row += len(ids)
            yield name, ids
    except IdError as error:
        raise IdError(f"{path}: {error}", column=error.column, row=error.row, value=error.value) from None
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError) as error:
        raise IdError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error


def parquet_schema(path: Path) -> pa.Schema | None:
    """The schema of a Parquet file, or of the first one of a directory; None where there is none to be read.

    >>> parquet_schema(Path("nowhere.csv"))
    """
    files = _parquet_in(path) if path.is_dir() else [path] if path.suffix.lower() in _PARQUET else []
    try:
        return _schema(files[0]) if files else None
    except (pa.ArrowException, OSError):  # whoever reads it says so
        return None


def _schema(path: Path) -> pa.Schema:
    with pa.OSFile(os.fsencode(path), "rb") as stream:
        return pq.read_schema(stream)


def _unpacked(path: Path) -> Any:
    """The content of a file as a stream of Arrow's, which unpacks it by the end of its name."""
    return pa.input_stream(pa.OSFile(os.fsencode(path), "rb"), compression=_PACKED.get(path.suffix.lower()))


def _parquet_in(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in _PARQUET
        and path.is_file()
        and not any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)
    )


def _of_directory(folder: Path, told: str | None) -> _Pieces:
    files = _parquet_in(folder)
    if not files:
        raise IdError(f"There is no Parquet file under {str(folder)!r}.")
    for path in files:
        yield from _checked(path, _of_parquet(path, told))


def _of_parquet(path: Path, told: str | None) -> _Pieces:
    with pa.OSFile(os.fsencode(path), "rb") as stream, pq.ParquetFile(stream) as file:
        name, top = id_column_of(file.schema_arrow.names, told)
        for batch in file.iter_batches(columns=[name if name != top else top], use_threads=False):
            yield name, take(batch, name)


def _of_csv(path: Path, told: str | None, delimiter: str) -> _Pieces:
    parsing = pa_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    with _unpacked(path) as stream, pa_csv.open_csv(stream, parse_options=parsing) as reader:
        names = reader.schema.names
    if told is None and len(names) == 1 and names[0].strip().isdigit():  # no header: the first line is an ID
        yield from _of_text(path, None)
        return
    name, _ = id_column_of(names, told)
    if name not in names:
        raise IdError(f"There is no column {name!r}.", column=name)
    converting = pa_csv.ConvertOptions(
        include_columns=[name], column_types={name: pa.string()}, strings_can_be_null=True, null_values=_NOTHING
    )
    with (
        _unpacked(path) as stream,
        pa_csv.open_csv(stream, parse_options=parsing, convert_options=converting) as reader,
    ):
        for batch in reader:
            yield name, batch.column(0)


_NOTHING = ["", "NA", "N/A", "NULL", "null", "None", "NaN", "nan", "<NA>"]


def _of_text(path: Path, told: str | None) -> _Pieces:
    with _unpacked(path) as stream:
        for block in _blocks(stream):
            lines = _bare_lines(block)
            if lines is None:
                lines = pa.array([line.strip() or None for line in _split(block)], pa.string())
            yield told, lines


def _bare_lines(block: bytes) -> pa.StringArray | None:
    """Lines that hold digits and nothing else; None where any is empty or holds something else."""
    text = block.replace(b"\r\n", b"\n").removesuffix(b"\n")
    if not text or text.translate(None, b"0123456789\n") or b"\n\n" in text or text[:1] == b"\n":
        return None
    return pc.split_pattern(pa.array([text.decode()]), "\n").flatten()


def _of_jsonl(path: Path, told: str | None) -> _Pieces:
    """One object a line; integers are kept whole, and a number with a point or an exponent stays one."""
    with _unpacked(path) as stream:
        numbered = ((number, line) for number, line in enumerate(_lines(stream), start=1) if line.strip())
        name: str | None = None
        while batch := list(islice(numbered, _BATCH)):
            objects = [_object(line, number) for number, line in batch]
            if name is None:
                name, _ = id_column_of(list(dict.fromkeys(key for object in objects for key in object)), told)
            yield name, [_dig(object, name) for object in objects]


def _lines(stream: Any) -> Iterator[str]:
    return (line for block in _blocks(stream) for line in _split(block))


def _split(block: bytes) -> Iterator[str]:
    return (line.decode("utf-8-sig") for line in block.removesuffix(b"\n").split(b"\n"))


def _blocks(stream: Any) -> Iterator[bytes]:
    """A stream in blocks of whole lines; the last one may lack its newline."""
    rest = b""
    while block := stream.read(1 << 22):
        end = block.rfind(b"\n") + 1
        if end:
            yield rest + block[:end]
        rest = block[end:] if end else rest + block
    if rest:
        yield rest


def _object(line: str, number: int) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise IdError(f"line {number} is not JSON: {error}.", row=number - 1) from None
    if not isinstance(value, dict):
        raise IdError(f"line {number} is not a JSON object.", row=number - 1)
    return value


def _dig(object: dict[str, Any], path: str) -> Any:
    value: Any = object
    if path in object:
        return object[path]
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value
