"""A footer that lies is an error that names the file, at the latest when it is cleaned; nothing is published."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compliance_frames.corpus.clean import clean
from compliance_frames.corpus.footer import Chunk, Element, File, Group, Meta
from compliance_frames.corpus.plan import plan
from compliance_frames.corpus.thrift import BINARY, Field, Struct
from compliance_frames.errors import PlanError

Flag = Callable[..., pa.Table]
Edit = Callable[[Struct], object]
EditFooter = Callable[[Path, Edit], Path]
CODEC, TYPE, NOWHERE = Meta.CODEC, Meta.TYPE, 1 << 40


def meta_of(file: Struct, at: int) -> Struct:
    meta = file.structs(File.GROUPS)[0].structs(Group.CHUNKS)[at].struct(Chunk.META)
    assert meta is not None
    return meta


def _renamed(file: Struct) -> None:
    file.structs(File.SCHEMA)[2].fields[Element.NAME] = Field(BINARY, b"\x04\xff\xfe\xfd\xfc")


LIES: list[tuple[str, Edit]] = [
    ("compressed with the unknown codec 34", lambda file: meta_of(file, 1).put(CODEC, 34)),
    ("compressed with the unknown codec -1", lambda file: meta_of(file, 1).put(CODEC, -1)),
    ("column chunks of 'id' are UNKNOWN, not INT64", lambda file: meta_of(file, 0).put(TYPE, 99)),
    ("column chunks of 'text' are INT32, not BYTE_ARRAY", lambda file: meta_of(file, 1).put(TYPE, 1)),
    ("column chunks of 'text' lie outside of the file", lambda file: meta_of(file, 1).put(Meta.DATA, NOWHERE)),
    ("column chunks of 'text' lie outside of the file", lambda file: meta_of(file, 1).put(Meta.DATA, -5)),
    ("column chunks of 'text' lie outside of the file", lambda file: meta_of(file, 1).put(Meta.STORED_BYTES, -5)),
    ("what is to be text is not UTF-8", _renamed),
]


@pytest.mark.parametrize(("said", "lie"), LIES)
def test_a_footer_that_lies_is_refused_by_the_name_of_its_file(
    tmp_path: Path, flag: Flag, edit_footer: EditFooter, said: str, lie: Edit
) -> None:
    """Arrow ends the whole process when it is asked about some of these: it is not asked."""
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    source = corpus / "part-0.parquet"
    pq.write_table(pa.table({"id": [1, 2], "text": ["a", "b"]}), source, compression="zstd")
    edit_footer(source, lie)
    with pytest.raises(PlanError, match=said) as caught:
        clean(plan(corpus, flag("deleted", [2])), tmp_path / "clean")
    assert str(caught.value).startswith("part-0.parquet")
    assert [each.name for each in tmp_path.iterdir()] == ["corpus"]
