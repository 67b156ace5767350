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


@pytest.mark.parametrize("beside", ["10", "", "~", None])
@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("statistics", [True, False])
def test_what_is_no_number_is_read(tmp_path: Path, beside: str | None, size: int, statistics: bool) -> None:
    """Also where it begins with numbers, where nobody says what it holds, and in the row group that comes next."""
    table = pa.table({"id": [1, 2], "raw": [beside, TWEET]})
    file = written(tmp_path / "a.parquet", table, row_group_size=size, write_statistics=statistics)
    assert texts_with_tweets(file, Columns("id")) == ("raw",)
