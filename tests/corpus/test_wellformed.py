"""Footers that are recognised at a glance: those of all writers, and none that Arrow must not be asked about."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compliance_frames.corpus import soundness, wellformed
from compliance_frames.corpus.footer import File, Footer, InMemory, leaf_types, read_footer, sealed
from compliance_frames.corpus.thrift import BINARY, Field
from compliance_frames.corpus.wellformed import Form
from compliance_frames.errors import FooterError

ROWS = 40
TABLE = pa.table(
    {
        "id": [str(10**18 + number) for number in range(ROWS)],
        "text": ["word " * (number * 9) for number in range(ROWS)],  # bounds of one byte, and of hundreds
        "likes": pa.array(range(ROWS), pa.int32()),
        "score": [number / 7 for number in range(ROWS)],
        "sure": [None, True] * (ROWS // 2),
        "quotes": [[{"id": number, "tags": ["a", None]}] if number % 3 else None for number in range(ROWS)],
        "key": pa.array([b"1234"] * ROWS, pa.binary(4)),
    }
)


def arrow(**options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(TABLE, sink, **options)
    return sink.getvalue()


def polars() -> bytes:
    sink = io.BytesIO()
    pl.DataFrame(TABLE.drop_columns(["key"])).write_parquet(sink)
    return sink.getvalue()


def duck(path: Path) -> bytes:
    duckdb.from_arrow(TABLE).write_parquet(str(path / "duck.parquet"))
    return (path / "duck.parquet").read_bytes()


WRITERS: dict[str, Callable[[Path], bytes]] = {
    "arrow": lambda _: arrow(),
    "row groups": lambda _: arrow(row_group_size=16, write_page_index=True),
    "sorted": lambda _: arrow(sorting_columns=[pq.SortingColumn(0)], data_page_version="2.0"),
    "no dictionary": lambda _: arrow(use_dictionary=False, bloom_filter_options={"id": {"ndv": ROWS}}),
    "no statistics": lambda _: arrow(write_statistics=False),
    "some statistics": lambda _: arrow(write_statistics=["likes"], use_dictionary=["id"]),
    "polars": lambda _: polars(),
    "duckdb": duck,
}


def footer_of(content: bytes) -> bytes:
    return content[read_footer(InMemory(content)).start : -8]


def form_of(content: bytes) -> Form:
    """The form of a file's schema, by way of what reads it field by field."""
    footer = read_footer(InMemory(content))
    leaves = [soundness._Leaf(kinds) for kinds in leaf_types(footer)]
    (form,) = soundness._forms(footer.file, leaves)
    return form


def fits(form: Form, footer: bytes) -> bool:
    """Whether a footer fits; for a form that was met seldom, and for one that was met often."""
    answers = set()
    for form.met in (0, wellformed._OFTEN):
        answers.add(form.fits(footer))
    (answer,) = answers
    return answer


@pytest.mark.parametrize("writer", WRITERS)
def test_what_writers_write_fits(writer: str, tmp_path: Path) -> None:
    """Otherwise each of a hundred thousand footers would be read field by field."""
    content = WRITERS[writer](tmp_path)
    form = form_of(content)
    assert form.is_of(footer_of(content))
    assert fits(form, footer_of(content))
    soundness.must_be_sound(InMemory(content))


def damaged(footer: bytes, chance: random.Random) -> bytes:
    """A footer in which bytes were changed, left out, put in, or overwritten by others of it."""
    made = bytearray(footer)
    for _ in range(chance.choice([1, 1, 2, 3])):
        at, how = chance.randrange(len(made)), chance.random()
        if how < 0.4:
            made[at] = chance.randrange(256)
        elif how < 0.7:
            made[at] = chance.choice(b"\x00\x01\x15\x16\x18\x19\x1c\x26\x28\x29\x36\x39\x7f\x80\xff")
        elif how < 0.8:
            del made[at]
        elif how < 0.9:
            made.insert(at, chance.randrange(256))
        else:
            start = chance.randrange(len(made))
            made[at : at + 20] = made[start : start + 20]
    return bytes(made)


@pytest.mark.parametrize("writer", ["row groups", "some statistics"])
def test_what_fits_makes_sense_field_by_field(writer: str, tmp_path: Path) -> None:
    """Of damaged footers, those that fit have bounds as long and histograms as large as they have to be."""
    content = WRITERS[writer](tmp_path)
    form, footer, chance, fitting = form_of(content), footer_of(content), random.Random(7), 0
    whole = read_footer(InMemory(content))
    for _ in range(2500):
        made = damaged(footer, chance)
        if made != footer and form.is_of(made) and fits(form, made):
            fitting += 1
            doubt = doubts(whole, made)
            assert not doubt or "is to be" in doubt or "is no list" in doubt  # which Arrow passes over
    assert fitting > 100


def doubts(whole: Footer, made: bytes) -> str:
    try:
        soundness._read_through(whole, made)
    except FooterError as error:
        return str(error)
    return ""


def test_what_follows_may_not_speak_of_row_groups_again() -> None:
    """Arrow would go by what it says, not by what was looked into."""
    content = arrow()
    form, footer = form_of(content), read_footer(InMemory(content))
    groups = footer.file.fields[File.GROUPS]
    again = Field(groups.kind, groups.value, b"\x08")  # the number 4, written in full
    footer.file.fields[99] = again
    assert form.fits(footer_of(content))
    assert not form.fits(sealed(footer.file)[:-8])


def test_metadata_of_a_file_alone_is_no_hindrance() -> None:
    """What follows the row groups differs from file to file, as pandas' metadata does."""
    content = arrow()
    form, footer = form_of(content), read_footer(InMemory(content))
    assert form.fits(footer_of(content))
    footer.file.fields[File.CREATED_BY] = Field(BINARY, b"\x02me")
    assert form.fits(sealed(footer.file)[:-8])
    assert not form.fits(sealed(footer.file)[:-9])
