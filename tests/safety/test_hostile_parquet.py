"""Parquet files that somebody damaged on purpose: an error that names the file, and no crash, no hang."""

from __future__ import annotations

import io
import random
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compliance_frames.corpus.footer import Chunk, File, Group, InMemory, read_footer, sealed
from compliance_frames.corpus.plan import plan
from compliance_frames.corpus.soundness import must_be_sound
from compliance_frames.corpus.thrift import BINARY, LIST, Field, Struct, parsed
from compliance_frames.errors import FooterError, PlanError

#: Plans, cleans and verifies each corpus that it is told on stdin, and says how that ended.
#: A library that aborts ends this process, and what it said last is the corpus that did it.
PROGRAM = """
import sys, time
from pathlib import Path
import pyarrow as pa
import compliance_frames as cf
flagged = pa.table({
    "type": ["tweets", "tweets", "users"], "id": [10**18 + 21, 10**18 + 280, 10**17 + 2], "action": ["delete"] * 3,
    "reason": ["deleted", "scrub_geo", "deleted"],
})
for line in sys.stdin:
    corpus = Path(line.strip())
    print(corpus.name, end=" ", flush=True)
    began, ended = time.process_time(), "verified"
    try:
        made = cf.plan(corpus, flagged)
        cf.clean(made, f"{corpus}.clean", workers=1)
        cf.verify(f"{corpus}.clean", flagged, source=corpus)
    except cf.ComplianceFramesError as error:
        ended = type(error).__name__
    print(ended if time.process_time() - began < 20 else "slow", flush=True)
"""
MEMORY = 4 * 2**30


def good() -> bytes:
    """Two row groups with IDs as text and as numbers, a dictionary, structs, lists, floats and booleans."""
    ids = [str(10**18 + number * 7) for number in range(60)]
    table = pa.table(
        {
            "id": ids,
            "author_id": pa.array([10**17 + number % 9 for number in range(60)]),
            "text": pa.array([f"text {number}" for number in range(60)]).dictionary_encode(),
            "geo": [{"place": "Oslo"}] * 60,
            "score": [1.5] * 60,
            "verified": [True, False] * 30,
            "quoted": [[{"type": "quoted", "id": ids[0]}]] * 60,
        }
    )
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=30, write_page_index=True, compression="zstd")
    return sink.getvalue()


def damaged(content: bytes, chance: random.Random) -> bytes:
    """A file in which some bytes are others, most of them in the footer."""
    bytes_ = bytearray(content)
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    for _ in range(chance.choice([1, 1, 1, 2, 3, 8])):
        first, end = (footer, len(content) - 8) if chance.random() < 0.75 else (4, len(content))
        at, how = chance.randrange(first, end), chance.random()
        if how < 0.5:
            bytes_[at] = chance.randrange(256)
        elif how < 0.7:
            bytes_[at] ^= 1 << chance.randrange(8)
        elif how < 0.85:
            bytes_[at] = chance.choice([0, 1, 8, 0x18, 0x19, 0x7F, 0x80, 0xFF])
        else:
            for beside in range(at, min(at + chance.randrange(1, 9), len(content))):
                bytes_[beside] = chance.choice([0xFF, 0x80, chance.randrange(256)])
    return bytes(bytes_)


def test_damaged_files_are_errors_or_are_cleaned(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """In a process with little memory, where an abort of a library would be seen; ``--fuzz`` says how many."""
    content, told = good(), []
    for seed in range(request.config.getoption("--fuzz")):
        corpus = tmp_path / f"corpus{seed}"
        corpus.mkdir()
        (corpus / "a.parquet").write_bytes(damaged(content, random.Random(seed)))
        told.append(f"{corpus}\n")

    def little_memory() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], input="".join(told), capture_output=True, text=True, check=False,
        timeout=100 + len(told), preexec_fn=little_memory,
    )  # fmt: skip
    ends = dict(line.partition(" ")[::2] for line in ran.stdout.splitlines())
    assert ran.returncode == 0, (list(ends)[-1:], ran.stderr[-2000:])
    assert len(ends) == len(told)
    assert set(ends.values()) <= {"verified", "PlanError", "FooterError", "IdError", "VerificationError"}
    assert {"verified", "PlanError"} <= set(ends.values())


def meta_of(file: Struct, at: int) -> Struct:
    meta = file.structs(File.GROUPS)[0].structs(Group.CHUNKS)[at].struct(Chunk.META)
    assert meta is not None
    return meta


def bound(number: int, value: bytes) -> Callable[[Struct], None]:
    def edit(meta: Struct) -> None:
        statistics, _ = parsed(meta.fields[12].value)  # type: ignore[arg-type]
        statistics.fields[number] = Field(BINARY, bytes([len(value)]) + value)
        meta.fields[12] = Field(meta.fields[12].kind, statistics)

    return edit


def histogram(number: int, levels: int) -> Callable[[Struct], None]:
    def edit(meta: Struct) -> None:
        sizes = Struct()
        sizes.fields[number] = Field(LIST, bytes([levels << 4 | 6]) + bytes(levels))
        meta.fields[16] = Field(12, sizes)

    return edit


#: By the column they are of: id, text, score, whole, sure.
LIES = [
    *((column, bound(number, value)) for number in (1, 2, 5, 6) for column, value in
      [(0, b""), (0, b"1"), (0, b"1" * 9), (2, b"1"), (3, b"12345"), (4, b"")]),
    *((column, histogram(number, levels)) for number in (2, 3) for column in (0, 1) for levels in (3, 14)),
]  # fmt: skip


@pytest.mark.parametrize(("column", "lie"), LIES)
def test_what_would_end_the_process_is_refused_by_name(
    column: int, lie: Callable[[Struct], None], tmp_path: Path
) -> None:
    """Bounds of another length than their type has, histograms of other levels: Arrow is not asked about them."""
    table = pa.table(
        {
            "id": [1, 2],
            "text": ["a", "b"],
            "score": [1.5, 2.5],
            "whole": pa.array([1, 2], pa.int32()),
            "sure": [True, False],
        }
    )
    sink = io.BytesIO()
    pq.write_table(table, sink)
    content = sink.getvalue()
    for _ in range(40):  # so often that it is known by its form
        must_be_sound(InMemory(content))
    footer = read_footer(InMemory(content))
    lie(meta_of(footer.file, column))
    lying = content[: footer.start] + sealed(footer.file)
    with pytest.raises(FooterError, match="column chunk"):
        must_be_sound(InMemory(lying))
    footer.file.fields[File.KEY_VALUES] = Field(BINARY, b"\x80\x80\x80\x01" + bytes(2 << 20))  # a large footer
    with pytest.raises(FooterError, match="column chunk"):
        must_be_sound(InMemory(content[: footer.start] + sealed(footer.file)))
    (tmp_path / "a.parquet").write_bytes(lying)
    flagged = pa.table({"type": ["tweets"], "id": [2], "action": ["delete"], "reason": ["deleted"]})
    with pytest.raises(PlanError, match=r"^a\.parquet: its footer makes no sense"):
        plan(tmp_path, flagged)


@pytest.mark.parametrize(("authors", "lie"), [(["5", "6"], histogram(3, 14)), ([5, 6], bound(5, b"1"))])
def test_authors_are_looked_up_in_sound_files_alone(
    authors: list[object], lie: Callable[[Struct], None], tmp_path: Path
) -> None:
    """Their statistics are asked for long before a file's turn comes to be planned."""
    quotes = [[{"type": "quoted", "id": "3"}]] * 2
    sink = io.BytesIO()
    pq.write_table(pa.table({"id": [1, 2], "author_id": authors, "referenced_tweets": quotes}), sink)
    footer = read_footer(InMemory(sink.getvalue()))
    lie(meta_of(footer.file, 1))
    (tmp_path / "a.parquet").write_bytes(sink.getvalue()[: footer.start] + sealed(footer.file))
    flagged = pa.table({"type": ["users"], "id": [5], "action": ["delete"], "reason": ["deleted"]})
    with pytest.raises(PlanError, match=r"^a\.parquet: its footer makes no sense"):
        plan(tmp_path, flagged)
