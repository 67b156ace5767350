"""A file none of whose rows is flagged may list, in its dictionaries, what was erased elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from compliance_frames.corpus.clean import clean
from compliance_frames.corpus.plan import plan

Flag = Callable[..., pa.Table]
GONE = "1212161512043446272"


def partitioned(root: Path) -> Path:
    """Two days written as pandas writes them: each file lists the authors of both."""
    frame = pd.DataFrame({"id": ["1", "2"], "author_id": pd.Categorical([GONE, "77"]), "day": ["a", "b"]})
    for day, rows in frame.groupby("day"):
        folder = root / f"date={day}"
        folder.mkdir(parents=True)
        rows.drop(columns="day").to_parquet(folder / "part-0.parquet", index=False)
    return root


def test_a_file_whose_dictionaries_list_more_than_its_rows_is_rewritten(tmp_path: Path, flag: Flag) -> None:
    """A partition of a pandas categorical keeps no author who had to go elsewhere."""
    corpus = partitioned(tmp_path / "corpus")
    assert GONE.encode() in (corpus / "date=b" / "part-0.parquet").read_bytes()
    made = plan(corpus, flag("suspended", [int(GONE)], "users"))
    assert [(file.decision, file.rows_dropped) for file in made.files] == [("rewrite", 1), ("rewrite", 0)]
    assert made.files[1].why == "its dictionaries list values that no row has"
    clean(made, tmp_path / "clean")
    for path in (tmp_path / "clean").rglob("*.parquet"):
        assert GONE.encode() not in path.read_bytes()
    assert pq.ParquetFile(tmp_path / "clean" / "date=b" / "part-0.parquet").read().num_rows == 1


def test_dictionaries_are_left_alone_where_nothing_has_to_go(tmp_path: Path, flag: Flag) -> None:
    """Without any erasure every file is copied, whatever its dictionaries list."""
    made = plan(partitioned(tmp_path / "corpus"), flag("deleted", []))
    assert [file.decision for file in made.files] == ["copy", "copy"]


def test_a_file_whose_dictionaries_list_its_rows_is_copied(tmp_path: Path, flag: Flag) -> None:
    """A category in use is no reason to write a file again."""
    root = tmp_path / "corpus"
    root.mkdir()
    pq.write_table(pa.table({"id": [1, 2], "lang": pa.array(["en", "de"]).dictionary_encode()}), root / "a.parquet")
    (file,) = plan(root, flag("deleted", [9])).files
    assert (file.decision, file.why) == ("copy", "its statistics rule out every flagged ID")


def test_files_that_differ_in_the_metadata_of_a_field_alone_are_told_apart(tmp_path: Path, flag: Flag) -> None:
    """What is known of one schema is taken for that of another file only where they are the same, lists included."""
    root = tmp_path / "corpus"
    root.mkdir()
    listed = pa.field("lang", pa.string(), metadata={"_PL_ENUM_VALUES2": "4;gone2;en"})
    for name, field in (("a", pa.field("lang", pa.string())), ("b", listed), ("c", pa.field("lang", pa.string()))):
        table = pa.table([pa.array([1]), pa.array(["en"])], schema=pa.schema([("id", pa.int64()), field]))
        pq.write_table(table, root / f"{name}.parquet")
    made = plan(root, flag("deleted", [9]))
    assert [file.decision for file in made.files] == ["copy", "rewrite", "copy"]
