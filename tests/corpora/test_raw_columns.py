"""What a raw file's keys are taken for is shown as a dataset's columns are."""

from __future__ import annotations

from pathlib import Path

import pytest

import compliance_frames as cf
from tests.corpora.ecosystems import ECOSYSTEMS, Ecosystem
from tests.corpora.tweets import made

CHOSEN = {"v2", "v1.1", "twarc-csv", "rtweet", "Gnip"}


@pytest.mark.parametrize("ecosystem", [each for each in ECOSYSTEMS if each.name in CHOSEN], ids=lambda each: each.name)
def test_the_same_is_found_in_raw_files_as_in_parquet_of_them(tmp_path: Path, ecosystem: Ecosystem) -> None:
    """IDs, authors, references and embedded tweets have the same names."""
    (tmp_path / "raw").mkdir()
    raw = ecosystem.write_raw(tmp_path / "raw" / f"tweets.{ecosystem.form}", made(200, seed=3))
    ecosystem.write_parquet(raw, tmp_path / "corpus" / "a.parquet")
    here, there = cf.columns(tmp_path / "raw").columns, cf.columns(tmp_path / "corpus").columns
    assert (here.id, here.author_id, here.references) == (there.id, there.author_id, there.references)
    assert set(here.embedded) == set(there.embedded)
    assert set(here.geo or ()) == set(there.geo or ())
