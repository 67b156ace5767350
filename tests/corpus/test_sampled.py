"""Which text is looked into: where bounds say that it holds numbers alone, nothing is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compliance_frames.corpus.columns import Columns
from compliance_frames.corpus.sampled import texts_with_tweets

TWEET = json.dumps({"id": 7, "text": "…"})


def written(path: Path, table: pa.Table, **options: Any) -> pq.ParquetFile:
    pq.write_table(table, path, compression="none", use_dictionary=False, write_page_checksum=True, **options)
    return pq.ParquetFile(path, page_checksum_verification=True)


@pytest.mark.parametrize("numbers", [["10", "9"], [b"10", b"9"], [None, "4"]])
def test_numbers_are_not_read(tmp_path: Path, numbers: list[Any]) -> None:
    """Their page is damaged, and what stands in the column beside them is found all the same."""
    path = tmp_path / "a.parquet"
    file = written(path, pa.table({"id": [1, 2], "thread": numbers, "raw": [None, TWEET]}))
    page, content = file.metadata.row_group(0).column(1), bytearray(path.read_bytes())
    content[page.data_page_offset + page.total_compressed_size - 1] ^= 1
    path.write_bytes(content)
    file = pq.ParquetFile(path, page_checksum_verification=True)
    assert texts_with_tweets(file, Columns("id")) == ("raw",)
    with pytest.raises(OSError, match="CRC"):
        file.read(["thread"])


#: A column with text somewhere in it, and the path of that text.
BELOW: dict[str, tuple[Any, str]] = {
    "a list": ([["words", TWEET]], "raw"),
    "a list of lists": ([[["words"], [TWEET]]], "raw"),
    "a list of structs": ([[{"at": 1, "said": TWEET}]], "raw.said"),
    "the values of a map": (pa.array([[("a", TWEET)]], pa.map_(pa.string(), pa.string())), "raw.value"),
    "lists in a map": (pa.array([[("a", [TWEET])]], pa.map_(pa.string(), pa.list_(pa.string()))), "raw.value"),
    "another tweet": ([{"id": 5, "text": "words", "source": TWEET}], "raw.source"),
    "other tweets": ([[{"id": 5, "text": "words", "source": TWEET}]], "raw.source"),
}


@pytest.mark.parametrize("where", BELOW)
def test_text_is_looked_at_wherever_it_stands(tmp_path: Path, where: str) -> None:
    """Below lists and maps, and in other tweets; not what these are known to hold."""
    values, path = BELOW[where]
    file = written(tmp_path / "a.parquet", pa.table({"id": [1], "raw": values, "known": values}))
    known = Columns("id", embedded=("raw", path.replace("raw", "known")))
    assert texts_with_tweets(file, known) == (() if path == "raw" else (path,))
    assert texts_with_tweets(file, Columns("id", references=("known",))) == (path,)


def test_the_keys_of_a_map_are_not_looked_at(tmp_path: Path) -> None:
    """None could be taken out of it."""
    raw = pa.array([[(TWEET, "words")]], pa.map_(pa.string(), pa.string()))
    assert texts_with_tweets(written(tmp_path / "a.parquet", pa.table({"id": [1], "raw": raw})), Columns("id")) == ()


@pytest.mark.parametrize("beside", ["10", "", "~", None])
@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("statistics", [True, False])
def test_what_is_no_number_is_read(tmp_path: Path, beside: str | None, size: int, statistics: bool) -> None:
    """Also where it begins with numbers, where nobody says what it holds, and in the row group that comes next."""
    table = pa.table({"id": [1, 2], "raw": [beside, TWEET]})
    file = written(tmp_path / "a.parquet", table, row_group_size=size, write_statistics=statistics)
    assert texts_with_tweets(file, Columns("id")) == ("raw",)
