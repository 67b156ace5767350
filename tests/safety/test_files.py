"""Who else has an account on the computer reads none of it; who opens a table in a spreadsheet runs none of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

import compliance_frames as cf
from compliance_frames.cli.tables import writer
from compliance_frames.emulator import Emulator


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("no_umask")
def test_a_ledger_and_what_is_written_of_it_are_the_owners_alone(tmp_path: Path) -> None:
    """Files 0600, directories 0700, whatever the umask: database, chunks, results, the table that was asked for."""
    with Emulator(seed=1, processing=timedelta(0)) as service:
        results = cf.check(
            range(2 * 10**18, 2 * 10**18 + 500), ledger=tmp_path / "a.ledger", poll=timedelta(milliseconds=20),
            bearer_token=service.bearer_token, base_url=service.base_url,
        )  # fmt: skip
    for name in ("a.parquet", "a.csv", "a.jsonl"):
        (tmp_path / name).touch()  # it was there before, for all to read
        writer(tmp_path / name)(results)
    seen = {path: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert {mode for path, mode in seen.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in seen.items() if path.is_file()} == {0o600}
    assert len(seen) > 8


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r"])
def test_a_text_that_a_spreadsheet_would_run_is_only_text(first: str, tmp_path: Path) -> None:
    """In CSV alone: the other formats are read by programs, and keep what the service said."""
    told = f'{first}HYPERLINK("https://evil.example")'
    results = pa.table({"id": [1, 2], "reason": pa.array([told, "deleted"]).dictionary_encode()})
    writer(tmp_path / "a.csv")(results)
    writer(tmp_path / "a.parquet")(results)
    assert pl.read_csv(tmp_path / "a.csv")["reason"].to_list() == [f"'{told}", "deleted"]
    assert pl.read_parquet(tmp_path / "a.parquet")["reason"].cast(pl.String).to_list() == [told, "deleted"]
