"""A dictionary that lists more than its rows have is found, whoever wrote it, and goes with no copy."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compliance_frames.corpus.clean import clean
from compliance_frames.corpus.columns import Columns
from compliance_frames.corpus.dictionaries import unused_words
from compliance_frames.corpus.erase import Erasures
from compliance_frames.corpus.plan import plan
from compliance_frames.corpus.rewrite import rewrite
from compliance_frames.proof.verify import verify

Flag = Callable[..., pa.Table]
CANARY = "CANARY-of-text-that-nobody-may-find"
ROWS = 300


def found_in(path: Path) -> set[str]:
    with pq.ParquetFile(path) as file:
        return set(unused_words(path, file))


def test_words_that_only_other_files_use_are_found_and_rewriting_takes_them_out(tmp_path: Path) -> None:
    """Partitioned writers list all categories in every file: one without any erased row is not clean for that."""
    words = pa.array([CANARY, "open"]).dictionary_encode()
    nested = pa.ListArray.from_arrays(pa.array([0, 1, 2]), words)
    table = pa.table({"id": [1, 2], "words": words, "nested": nested, "plain": ["a", "b"]})
    source, target, tight = (tmp_path / f"{name}.parquet" for name in ("other", "target", "tight"))
    pq.write_table(table.slice(1), source, compression="none")
    assert CANARY.encode() in source.read_bytes()
    assert found_in(source) == {"words", "nested"}
    assert rewrite(source, target, Columns("id"), Erasures()).counts.rows_dropped == 0
    assert CANARY.encode() not in target.read_bytes()
    pq.write_table(table.select(["id", "words", "plain"]), tight)
    assert found_in(tight) == set()


def tweets() -> pd.DataFrame:
    """Rows of which every third has a text that no other has; the texts are categories, and so are the authors."""
    words = [CANARY, "here", "there"]
    frame = pd.DataFrame({"id": range(ROWS), "text": pd.Categorical(words * (ROWS // 3), categories=words)})
    return frame.assign(author_id=pd.Categorical([7, 8, 9] * (ROWS // 3), categories=[7, 8, 9]), plain="as it is")


def by_fastparquet(frame: pd.DataFrame, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is not yet at home with pandas 3
        import fastparquet

        fastparquet.write(str(path), frame.reset_index(drop=True), compression=None)


def by_pyarrow_without_its_schema(frame: pd.DataFrame, path: Path) -> None:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    nested = pa.ListArray.from_arrays(pa.array(range(len(frame) + 1)), table.column("text").combine_chunks())
    table = table.append_column("nested", pa.StructArray.from_arrays([nested], ["texts"]))
    pq.write_table(table, path, compression="none", store_schema=False)


def by_duckdb(frame: pd.DataFrame, path: Path) -> None:
    with duckdb.connect() as connection:
        connection.register("frame", frame.astype({"text": str, "author_id": int}))
        connection.execute(f"CREATE TYPE words AS ENUM ('{CANARY}', 'here', 'there')")
        connection.execute("CREATE TABLE tweets AS SELECT * REPLACE (text::words AS text) FROM frame")
        connection.execute(f"COPY (SELECT *, [text] AS nested FROM tweets) TO '{path}' (COMPRESSION uncompressed)")


WRITERS = [
    (by_fastparquet, {"text", "author_id"}),
    (by_pyarrow_without_its_schema, {"text", "nested.texts.list.element"}),
    (by_duckdb, {"text", "nested.list.element"}),
]


@pytest.mark.parametrize(("write", "listed"), WRITERS)
def test_categories_are_found_where_no_schema_tells_of_them(
    tmp_path: Path, write: Callable[[pd.DataFrame, Path], None], listed: set[str], flag: Flag
) -> None:
    """A file none of whose rows is flagged is not copied with the text of those that are; the proof agrees."""
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    frame, gone = tweets(), list(range(0, ROWS, 3))
    write(frame[frame["id"].isin(gone)], corpus / "gone.parquet")
    write(frame[~frame["id"].isin(gone)], corpus / "stays.parquet")
    assert found_in(corpus / "stays.parquet") == listed
    if write is not by_duckdb:  # which writes an empty text in place of each that no row has, today
        assert CANARY.encode() in (corpus / "stays.parquet").read_bytes()

    made = plan(corpus, flag("deleted", gone))
    assert [file.decision for file in made.files] == ["rewrite", "rewrite"]
    clean(made, tmp_path / "clean")
    assert CANARY.encode() not in (tmp_path / "clean" / "stays.parquet").read_bytes()
    before, after = (pq.read_table(folder / "stays.parquet") for folder in (corpus, tmp_path / "clean"))
    assert after.equals(before)
    verify(tmp_path / "clean", flag("deleted", gone), source=corpus)


@pytest.mark.parametrize("write", [write for write, _ in WRITERS])
def test_dictionaries_of_nothing_but_their_rows_are_copied(
    tmp_path: Path, write: Callable[[pd.DataFrame, Path], None]
) -> None:
    """Where every category stands in a row, nothing is in the way of a copy, but numbers that fastparquet codes."""
    write(tweets(), tmp_path / "source.parquet")
    assert found_in(tmp_path / "source.parquet") <= {"author_id"}


def test_a_text_that_outgrew_its_dictionary_is_no_list(tmp_path: Path) -> None:
    """Writers give up a dictionary that becomes too large; what stands beside it are values of rows."""
    source = tmp_path / "source.parquet"
    table = pa.table({"id": range(3000), "text": [f"text-{row:040}" for row in range(3000)]})
    pq.write_table(table, source, dictionary_pagesize_limit=1000, data_page_size=1000, store_schema=False)
    assert len(pq.read_metadata(source).row_group(0).column(1).encodings) == 3
    assert found_in(source) == set()
    pl.DataFrame({"id": [1], "text": ["here"]}).write_parquet(source)
    assert found_in(source) == set()
