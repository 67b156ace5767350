"""Hold the rows of a cleaned file against those of its source: the same, in the same order, but for those that went."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from compliance_frames.corpus.manifest import FileRecord, Manifest
from compliance_frames.proof.cells import leaves, path_of, place_columns
from compliance_frames.proof.findings import Findings, number
from compliance_frames.proof.footer import Chunk, FooterError, read_footer
from compliance_frames.proof.pages import PageError, pages
from compliance_frames.proof.rescan import LOCKED_DOWN
from compliance_frames.proof.roles import Layout
from compliance_frames.proof.texts import is_text

_ROWS: Final = 1 << 16
#: Texts of rows that went, of each file, and how long one is at least: shorter ones stand in others by chance.
_MOST_TEXTS: Final = 32
_SHORTEST: Final = 24
_TEXTS: Final = ("text", "full_text", "rawContent", "content")


def look_at_kept_rows(source: Path, cleaned: Path, record: FileRecord, manifest: Manifest) -> Findings:
    """Compare a file that was written anew with its source, row by row, by their digests.

    Places and tweets inside of rows are left aside, as they may have become null.
    """
    findings = Findings()
    try:
        names = _unchanging(source, Layout(manifest.columns_of(record)))
        before, after = (_digests(path, names) for path in (source, cleaned))
        kept = np.isin(before, after)
        texts = _texts(source, names, kept)
    except (pa.ArrowException, duckdb.Error, OSError, ValueError, KeyError) as error:
        findings.unlooked.add(f"whether the rows of {record.path!r} are the source's ({type(error).__name__})")
        return findings
    if not np.array_equal(before[kept], after):
        findings.problems.append(f"{record.path}: its rows are not those of the source, in their order, without some")
    findings.counted["kept"] = len(after)
    findings.counted["erased texts"] = len(texts)
    found = _found(cleaned, texts)
    if found:
        findings.problems.append(f"{record.path}: {number(found, 'text')} of rows that went, in pages of text")
    return findings


def _unchanging(path: Path, layout: Layout) -> list[str]:
    """The columns that cleaning leaves as they are."""
    with path.open("rb") as file, pq.ParquetFile(file, pre_buffer=False) as parquet:
        schema = parquet.schema_arrow
    if len(set(schema.names)) < len(schema.names):
        raise ValueError("a name stands twice")
    changing = {place[0] for place in place_columns(schema, layout)}
    told = (*(layout.columns.geo or ()), *layout.columns.embedded)
    changing |= {(path_of(schema, name) or name.split("."))[0] for name in told}
    return [field.name for field in schema if field.name not in changing and not _holds_tweets(field, layout)]


def _holds_tweets(field: Any, layout: Layout) -> bool:
    """Whether there is another tweet somewhere in a column, or anything that looks like one."""
    kind = field.type
    if pa.types.is_struct(kind) and layout.is_embedded((field.name,), kind):
        return True
    return any(_holds_tweets(kind.field(at), layout) for at in range(kind.num_fields))


def _digests(path: Path, names: list[str]) -> NDArray[np.uint64]:
    """A digest of each row, in order; how values are stored makes no difference."""
    with path.open("rb") as file, pq.ParquetFile(file, pre_buffer=False) as parquet:
        schema = pa.schema([(f"c{at}", _plain(parquet.schema_arrow.field(name).type)) for at, name in enumerate(names)])
        batches = (
            pa.record_batch([batch[name].cast(schema.field(at).type) for at, name in enumerate(names)], schema=schema)
            for batch in parquet.iter_batches(_ROWS, columns=names)
        )
        with duckdb.connect(":memory:", config={**LOCKED_DOWN, "threads": "1"}) as connection:
            connection.register("stored", pa.RecordBatchReader.from_batches(schema, batches))
            return np.asarray(connection.execute("SELECT hash(stored) AS digest FROM stored").fetchnumpy()["digest"])


def _plain(kind: Any) -> Any:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _texts(path: Path, names: list[str], kept: NDArray[np.bool_]) -> list[bytes]:
    """Some texts of the rows that went, none of which stands in a row that stayed, in any of its columns."""
    column = next((name for name in names if name in _TEXTS), None)
    if column is None or kept.all():
        return []
    gone: dict[bytes, None] = {}
    for batch in _some(path, ~kept, [column]):
        long = pc.filter(batch[column], pc.greater_equal(pc.binary_length(batch[column]), _SHORTEST))
        gone |= dict.fromkeys(_bytes(long[:_MOST_TEXTS]).to_pylist())
        if len(gone) >= _MOST_TEXTS:
            break
    for batch in _some(path, kept, None) if gone else ():
        for leaf in (leaf for each in batch.columns for leaf in leaves(each) if is_text(leaf.type)):
            wanted = pa.array(list(gone), pa.large_binary())
            stayed = wanted.filter(pc.is_in(wanted, value_set=_bytes(leaf).drop_null()))
            for text in stayed.to_pylist():
                del gone[text]
    return list(gone)[:_MOST_TEXTS]


def _some(path: Path, which: NDArray[np.bool_], names: list[str] | None) -> Iterator[pa.RecordBatch]:
    """Some of the rows of a file."""
    with path.open("rb") as file, pq.ParquetFile(file, pre_buffer=False) as parquet:
        row = 0
        for batch in parquet.iter_batches(_ROWS, columns=names):
            yield batch.filter(pa.array(which[row : row + batch.num_rows]))
            row += batch.num_rows


def _bytes(values: Any) -> Any:
    if pa.types.is_dictionary(values.type):
        values = values.dictionary.take(values.indices)
    return values.cast(pa.large_string() if pa.types.is_string_view(values.type) else values.type).cast(
        pa.large_binary()
    )


def _found(path: Path, texts: list[bytes]) -> int:
    """How many texts stand in pages of a file, whatever column they are in, alone or within others."""
    if not texts:
        return 0
    found: set[bytes] = set()
    with path.open("rb") as file:
        try:
            for chunk in _text_chunks(file):
                for page in pages(file, chunk):
                    found |= {text for text in texts if page.holds(len(text).to_bytes(4, "little") + text)}
        except (FooterError, PageError):
            return len(found)  # told where pages are looked at
    return len(found)


def _text_chunks(file: Any) -> Iterator[Chunk]:
    for group in read_footer(file).groups:
        yield from (chunk for chunk in group.chunks if chunk.physical == "BYTE_ARRAY")
