"""What names a dropped tweet outside of rows is said by the plan, before an hour of work, and with the way out."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import compliance_frames as cf
from compliance_frames.corpus.outside import in_metadata, in_name
from compliance_frames.errors import PlanError

Flag = Callable[..., pa.Table]
Write = Callable[..., Path]

GONE, STAYS, SOMEBODY = 1212161512043446272, 1300000000000000001, 4711
TABLE = pa.table({"id": [STAYS], "author_id": [12], "text": ["x"]})


@pytest.mark.parametrize(
    "name",
    [
        f"{GONE}.parquet",
        f"tweet {GONE} and answers.parquet",
        f"id={GONE}/part-0.parquet",
        f"author_id={SOMEBODY}/part-0.parquet",
        f"by/userId={SOMEBODY}/part-0.parquet",
    ],
)
def test_a_name_with_the_id_of_what_goes_stops_the_plan(write: Write, flag: Flag, name: str) -> None:
    """Names are kept, so that the copy could not be published: the plan names the file and what to do."""
    root = write({"a.parquet": TABLE, name: TABLE})
    results = flag("deleted", [GONE]), flag("suspended", [SOMEBODY], "users")
    with pytest.raises(PlanError, match=r"its name is the ID of a (tweet|user).*rename it in the source") as caught:
        cf.plan(root, *results)
    assert str(caught.value).startswith(name)


def test_a_file_that_is_not_parquet_has_a_name_too(write: Write, flag: Flag) -> None:
    """A picture called after a tweet goes over under its name; where it is left out, nothing is wrong with it."""
    root = write({"a.parquet": TABLE, f"{GONE}.jpg": b"\xff\xd8\xff"})
    with pytest.raises(PlanError, match=r"cleaning keeps names"):
        cf.plan(root, flag("deleted", [GONE]))
    assert cf.plan(root, flag("deleted", [GONE]), others="leave").rows_in == 1


@pytest.mark.parametrize(
    "metadata",
    [{"exported": f"without {GONE}"}, {f"tweet {GONE}": "x"}, {"packed": base64.b64encode(f"<{GONE}>".encode())}],
)
def test_metadata_with_the_id_of_what_goes_stop_the_plan(write: Write, flag: Flag, metadata: dict[str, str]) -> None:
    """The key is named, and the line that writes the file without it; which then can be cleaned and proven."""
    root = write({"a.parquet": TABLE.replace_schema_metadata(metadata)})
    with pytest.raises(PlanError, match=r"a.parquet: its metadata name a tweet.*replace_schema_metadata"):
        cf.plan(root, flag("deleted", [GONE]))
    path = root / "a.parquet"
    pq.write_table(pq.ParquetFile(path).read().replace_schema_metadata(None), path)
    report = cf.clean(cf.plan(root, flag("deleted", [GONE])), root.with_name("clean"))
    assert cf.verify(report.destination, flag("deleted", [GONE]), source=root).verified


def test_metadata_of_a_field_count(write: Write, flag: Flag) -> None:
    """What a column's own metadata say is in the footer as well."""
    field = pa.field("id", pa.int64(), metadata={"first": str(GONE)})
    root = write({"a.parquet": pa.table([[STAYS]], schema=pa.schema([field]))})
    with pytest.raises(PlanError, match="its metadata name a tweet"):
        cf.plan(root, flag("deleted", [GONE]))


def test_a_tweet_of_a_dropped_author_counts_as_dropped(write: Write, flag: Flag) -> None:
    """Whose tweets go by their author is known only after the authors were read."""
    root = write({f"{STAYS}.parquet": pa.table({"id": [STAYS], "author_id": [12], "retweeted_id": [5]})})
    with pytest.raises(PlanError, match="its name is the ID of a tweet"):
        cf.plan(root, flag("suspended", [12], "users"))


def test_what_stays_may_be_named(write: Write, flag: Flag) -> None:
    """Dates, sizes and IDs of what stays stop nobody, and where nothing is dropped nothing is looked for."""
    root = write({f"date=2024-05-01/{STAYS}.parquet": TABLE, f"lang={SOMEBODY}/{GONE}.parquet": TABLE})
    results = flag("suspended", [SOMEBODY], "users"), flag("scrub_geo", [GONE])
    assert cf.plan(root, *results, geo=[]).rows_in == 2


def test_numbers_are_found_once_and_told_apart_from_words() -> None:
    """Too short, too long, or within other digits: no IDs."""
    assert list(in_name("part-00001/1234567890.parquet")) == []
    assert list(in_name(f"x{GONE}00")) == []
    assert list(in_metadata("a", {b"k": f"{GONE} {GONE}".encode()})) == list(
        in_metadata("a", {b"k": str(GONE).encode()})
    )
    assert list(in_metadata("a", None)) == []
