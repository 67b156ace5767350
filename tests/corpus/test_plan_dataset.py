"""A dataset is its files, whatever they are called, and nothing that only looks like them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compliance_frames.corpus.plan import plan
from compliance_frames.errors import PlanError, StaleDatasetError
from compliance_frames.progress import Progress

Flag = Callable[..., pa.Table]
Write = Callable[..., Path]
TWEETS = pa.table({"id": [1, 2]})

ODD_NAMES = [
    "a[1].parquet",
    "a*.parquet",
    "a?b.parquet",
    'it\'s "so".parquet',
    "two\nlines.parquet",
    "ünï.parquet",
    " .parquet",
]


@pytest.mark.parametrize("name", [*ODD_NAMES, "lang={en}/a b.parquet", "s3:/x.parquet", "%20.parquet"])
def test_any_file_name_is_taken_as_it_is(write: Write, flag: Flag, name: str) -> None:
    """Patterns, quotes, spaces and line ends in names mean nothing; exactly that file is read."""
    root = write({name: TWEETS, "a1.parquet": pa.table({"id": [5]})})
    made = plan(root, flag("deleted", [2]))
    assert {file.path: file.rows_dropped for file in made.files} == {name: 1, "a1.parquet": 0}


def test_files_come_in_one_order(write: Write, flag: Flag) -> None:
    """Paths are sorted as text, however the file system lists them."""
    made = plan(
        write({"b/a.parquet": TWEETS, "a.parquet": TWEETS, "b.parquet": TWEETS, "a/z.parquet": TWEETS}),
        flag("deleted", []),
    )
    assert [file.path for file in made.files] == ["a.parquet", "a/z.parquet", "b.parquet", "b/a.parquet"]


def test_hidden_and_temporary_files_are_not_taken(write: Write, flag: Flag) -> None:
    """Markers and leftovers are listed as ignored, hidden directories whole; partitions are no such thing."""
    root = write(
        {
            "date=2024-01-01/a.parquet": TWEETS,
            "_SUCCESS": b"",
            "_metadata": b"PAR1",
            ".cache/b.parquet": TWEETS,
            "c.parquet.tmp": b"half",
            "d.part": b"half",
            "date=2024-01-01/.crc": b"",
        }
    )
    made = plan(root, flag("deleted", []))
    assert [file.path for file in made.files] == ["date=2024-01-01/a.parquet"]
    assert made.ignored == (".cache/", "_SUCCESS", "_metadata", "c.parquet.tmp", "d.part", "date=2024-01-01/.crc")
    assert "_SUCCESS" in str(made)


def test_parquet_without_a_telling_name_is_looked_into(write: Write, flag: Flag) -> None:
    """A file that begins as Parquet does is Parquet: taken for something else it would go over uncleaned."""
    made = plan(write({"000000_0": TWEETS}), flag("deleted", [1]))
    assert made.files[0].decision == "rewrite"


def test_a_single_file_is_a_dataset(write: Write, flag: Flag) -> None:
    """Its root is the directory it lies in, and its neighbours are none of the plan's business."""
    root = write({"a.parquet": TWEETS, "b.parquet": TWEETS})
    made = plan(str(root / "a.parquet"), flag("deleted", [1]))
    assert made.root == root
    assert made.single_file
    assert [file.path for file in made.files] == ["a.parquet"]
    assert not plan(root, flag("deleted", [1])).single_file


def test_a_missing_path_is_named(tmp_path: Path, flag: Flag) -> None:
    """A typo in the path ends the plan with the path."""
    with pytest.raises(PlanError, match=r"there is no dataset at .*missing"):
        plan(tmp_path / "missing", flag("deleted", [1]))


@pytest.mark.parametrize("files", [{}, {"a.txt": b"id\n1\n"}, {"a.json": b'{"name": 1}'}, {"_hidden.parquet": b""}])
def test_a_dataset_without_parquet_is_refused(write: Write, flag: Flag, files: dict[str, bytes]) -> None:
    """An empty directory, or one of other files, holds nothing to plan."""
    root = write(files)
    root.mkdir(exist_ok=True)
    with pytest.raises(PlanError, match="holds no Parquet file"):
        plan(root, flag("deleted", [1]))


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not parquet at all", b"PAR1" + b"\x00" * 50 + b"PAR1"])
def test_a_broken_file_is_named(write: Write, flag: Flag, content: bytes) -> None:
    """A file that says it is Parquet and is not ends the plan, by its name."""
    root = write({"good.parquet": TWEETS, "dir/bad.parquet": content})
    with pytest.raises(PlanError, match=r"dir/bad\.parquet cannot be read as Parquet"):
        plan(root, flag("deleted", [1]))


def test_an_encrypted_file_is_refused(write: Write, flag: Flag) -> None:
    """What cannot be looked into cannot be called clean, whatever its name."""
    with pytest.raises(PlanError, match="data is an encrypted Parquet file"):
        plan(write({"a.parquet": TWEETS, "data": b"PARE...."}), flag("deleted", [1]))


def test_a_parquet_file_without_tweets_is_named(write: Write, flag: Flag) -> None:
    """A table of something else beside the tweets is not passed over in silence."""
    root = write({"a.parquet": TWEETS, "places.parquet": pa.table({"place": ["Oslo"]})})
    with pytest.raises(PlanError, match=r"places\.parquet: no column of tweet IDs"):
        plan(root, flag("deleted", [1]))


@pytest.mark.parametrize("target", ["file", "directory", "nowhere"])
def test_symbolic_links_are_refused(write: Write, flag: Flag, tmp_path: Path, target: str) -> None:
    """A link may lead out of the dataset; a hidden one is ignored with the rest of the hidden."""
    root = write({"a.parquet": TWEETS})
    (root / ".link").symlink_to(tmp_path)
    assert plan(root, flag("deleted", [1])).ignored == (".link",)
    (root / "link").symlink_to(
        {"file": root / "a.parquet", "directory": tmp_path, "nowhere": tmp_path / "gone"}[target]
    )
    with pytest.raises(PlanError, match="link is a symbolic link"):
        plan(root, flag("deleted", [1]))


def test_a_pipe_is_refused(write: Write, flag: Flag) -> None:
    """Opening a pipe would wait for ever."""
    root = write({"a.parquet": TWEETS})
    os.mkfifo(root / "pipe")
    with pytest.raises(PlanError, match="pipe is neither a file nor a directory"):
        plan(root, flag("deleted", [1]))


def test_files_without_rows_are_copied(write: Write, flag: Flag) -> None:
    """No rows, nothing to do, also where a ledger wants to know about every row."""
    made = plan(write({"a.parquet": TWEETS.slice(0, 0)}), flag("deleted", [1]))
    assert (made.files[0].decision, made.files[0].rows) == ("copy", 0)


@pytest.mark.parametrize("rows", [1, 300_000])
def test_a_file_without_flagged_ids_is_opened_once(write: Write, flag: Flag, rows: int) -> None:
    """Its statistics say so when its columns are looked for; that it is gone by the end is for ``clean`` to see."""
    root = write({"a.parquet": TWEETS, "b.parquet": pa.table({"id": range(7, 7 + rows)}), "c.parquet": TWEETS})

    def take_away(told: Progress) -> None:
        if told.done == 1:
            (root / "b.parquet").unlink()

    made = plan(root, flag("deleted", [2]), progress=take_away)
    assert [(file.decision, file.rows, file.rows_dropped) for file in made.files][1] == ("copy", rows, 0)


@pytest.mark.parametrize("other", [b"PAR1", None])
def test_a_file_that_is_exchanged_meanwhile_ends_the_plan(write: Write, flag: Flag, other: bytes | None) -> None:
    """It is opened again to read its IDs, and may have no columns of that name any more."""
    root = write({"a.parquet": TWEETS, "c.parquet": TWEETS})

    def exchange(told: Progress) -> None:
        if told.done == 1:
            pq.write_table(pa.table({"tweet_id": ["1"]}), root / "c.parquet")
            if other is not None:
                (root / "c.parquet").write_bytes(other)

    with pytest.raises(StaleDatasetError, match=r"^c\.parquet: it was written while"):
        plan(root, flag("deleted", [2]), progress=exchange)
