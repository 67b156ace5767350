"""A dataset and its documents, by somebody who wants ``verify`` to end badly: it says what is wrong, and ends."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import lzma
import os
import random
import resource
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import compliance_frames as cf
from compliance_frames.corpus.footer import InMemory, read_footer, sealed
from compliance_frames.corpus.manifest import FileRecord, Manifest, _digest, manifest_path
from compliance_frames.errors import VerificationError
from compliance_frames.proof.canonical import canonical
from compliance_frames.proof.certificate import Certificate, certificate_path, manifest_digest
from compliance_frames.proof.footer import Chunk, Span
from compliance_frames.proof.pages import PageError, pages
from compliance_frames.proof.reading import CertifiedFile
from tests.safety.test_hostile_parquet import LIES, MEMORY, damaged, good, meta_of

IDS = [str(10**18 + number * 7) for number in range(60)]

#: Verifies each dataset that it is told on stdin, by its manifest and by its certificate, and says how that ended.
#: A library that aborts ends this process, and what it said last is the dataset that did it.
PROGRAM = """
import sys, time
import pyarrow as pa
import compliance_frames as cf
from compliance_frames.errors import VerificationError
from compliance_frames.proof.certificate import Certificate, certificate_path
flagged = pa.table({
    "type": ["tweets", "tweets", "users"], "id": [10**18 + 21, 10**18 + 280, 10**17 + 2], "action": ["delete"] * 3,
    "reason": ["deleted", "scrub_geo", "deleted"],
})
for line in sys.stdin:
    dataset, _, source = line.strip().partition(" ")
    print(dataset, end=" ", flush=True)
    began, ends = time.process_time(), []
    for check in (
        lambda: cf.verify(dataset, flagged),
        lambda: source and cf.verify(dataset, flagged, source=source),
        lambda: Certificate.read(certificate_path(dataset)).check(dataset),
    ):
        try:
            check()
            ends.append("verified")
        except VerificationError as error:
            ends.append("refused")
            assert all(len(problem) < 2000 for problem in error.problems), error
    print(*ends if time.process_time() - began < 20 else ["slow"], flush=True)
"""
FLAGGED = pa.table(
    {
        "type": ["tweets", "tweets", "users"],
        "id": [10**18 + 21, 10**18 + 280, 10**17 + 2],
        "action": ["delete"] * 3,
        "reason": ["deleted", "scrub_geo", "deleted"],
    }
)


def little_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def others() -> dict[str, bytes]:
    """Files that are not Parquet, of each kind that is looked into."""
    table = pa.table(
        {
            "id": IDS,
            "text": pa.array(IDS).dictionary_encode(),
            "quoted": [[{"type": "quoted", "id": IDS[0]}]] * 60,
            "view": pa.array(IDS, pa.string_view()),
        }
    )
    found, text = {}, "\n".join(IDS).encode()
    for name, opened in {"a.arrow": pa.ipc.new_file, "b.arrows": pa.ipc.new_stream}.items():
        sink = io.BytesIO()
        with opened(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=30)
        found[name] = sink.getvalue()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.txt", text)
    packed = pa.BufferOutputStream()
    with pa.CompressedOutputStream(packed, "zstd") as stream:
        stream.write(text)
    return found | {
        "c.gz": gzip.compress(text, mtime=0),
        "d.bz2": bz2.compress(text),
        "e.xz": lzma.compress(text),
        "f.zip": archive.getvalue(),
        "g.zst": packed.getvalue().to_pybytes(),
    }


def scratched(content: bytes, chance: random.Random) -> bytes:
    """Bytes of which some are others, none of the first that say what they are."""
    bytes_ = bytearray(content)
    for _ in range(chance.choice([1, 2, 3, 8])):
        bytes_[chance.randrange(6, len(bytes_))] = chance.choice([0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)])
    return bytes(bytes_)


@dataclass(frozen=True)
class Forger:
    """Somebody who may write a dataset, its manifest and its certificate, and makes them agree."""

    folder: Path

    def cleaned(self) -> tuple[Path, Path]:
        """A corpus, and its copy that is in order."""
        corpus, clean = self.folder / "corpus", self.folder / "clean"
        corpus.mkdir()
        (corpus / "a.parquet").write_bytes(good())
        cf.clean(cf.plan(corpus, FLAGGED), clean)
        cf.verify(clean, FLAGGED).certify(certificate_path(clean))
        return corpus, clean

    def forge(self, name: str, contents: dict[str, bytes]) -> Path:
        """A dataset of these files, of which ``a.parquet`` is said to be the cleaned one."""
        dataset, clean = self.folder / name, self.folder / "clean"
        manifest, certificate = Manifest.read(manifest_path(clean)), Certificate.read(certificate_path(clean))
        dataset.mkdir()
        records = []
        for path, content in contents.items():
            (dataset / path).write_bytes(content)
            digest = hashlib.sha256(content).hexdigest()
            records.append(
                replace(manifest.files[0], sha256=digest, bytes=len(content))
                if path == "a.parquet"
                else FileRecord(path, "copy", None, len(content), digest, len(content), digest, None, None)
            )
        files = tuple(CertifiedFile(each.path, each.bytes, each.rows_kept, each.sha256) for each in records)
        counts = {**certificate.counts, "files": len(files), "bytes": sum(each.bytes for each in records)}
        forged = replace(manifest, files=tuple(records))
        forged.write(manifest_path(dataset))
        sha256 = manifest_digest(forged)
        replace(certificate, files=files, counts=counts, manifest_sha256=sha256).write(certificate_path(dataset))
        return dataset


def ends_of(datasets: list[Path], source: Path | str = "") -> dict[str, str]:
    """How verifying each of them ends, in a process with little memory."""

    def little_memory() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

    told = "".join(f"{dataset} {source}\n" for dataset in datasets)
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], input=told, capture_output=True, text=True, check=False,
        timeout=100 + len(datasets), preexec_fn=little_memory,
    )  # fmt: skip
    ends = dict(line.partition(" ")[::2] for line in ran.stdout.splitlines())
    assert ran.returncode == 0, (list(ends)[-1:], ran.stderr[-2000:])
    return {Path(dataset).name: end for dataset, end in ends.items()}


def test_damaged_outputs_are_problems(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Files that somebody damaged on purpose, Parquet and others: no abort, no hang; ``--fuzz`` says how many."""
    forger = Forger(tmp_path)
    corpus, clean = forger.cleaned()
    content, beside, forged = (clean / "a.parquet").read_bytes(), others(), []
    for seed in range(request.config.getoption("--fuzz") // 2):
        chance = random.Random(seed)
        scratches = {name: scratched(other, chance) for name, other in beside.items()}
        forged.append(forger.forge(f"clean{seed}", {"a.parquet": damaged(content, chance), **scratches}))
    ends = ends_of(forged, corpus)
    assert len(ends) == len(forged)
    assert {end for each in ends.values() for end in each.split()} == {"verified", "refused"}


def test_lies_in_a_footer_do_not_reach_arrow(tmp_path: Path) -> None:
    """Bounds and histograms of other lengths than their types have, as would end the process where Arrow is asked."""
    forger = Forger(tmp_path)
    _, clean = forger.cleaned()
    content, forged = (clean / "a.parquet").read_bytes(), []
    for number, (column, lie) in enumerate(LIES):
        footer = read_footer(InMemory(content))
        lie(meta_of(footer.file, column))
        forged.append(forger.forge(f"lie{number}", {"a.parquet": content[: footer.start] + sealed(footer.file)}))
    assert len(ends_of(forged)) == len(LIES)


def test_an_offset_that_leads_out_of_its_buffer_is_not_followed(tmp_path: Path) -> None:
    """In Arrow's own format, whose reader believes offsets: the file is said not to have been looked into."""
    forger = Forger(tmp_path)
    _, clean = forger.cleaned()
    lists = pa.array([[1] * 0x777, [2] * 0x777], pa.list_(pa.int32()))
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, pa.schema([("a", lists.type)])) as writer:
        writer.write_table(pa.table({"a": lists}))
    honest = b"".join(offset.to_bytes(4, "little") for offset in (0, 0x777, 0xEEE))
    lying = b"".join(offset.to_bytes(4, "little") for offset in (0x7FFF0000, 0x7FFF0777, 0x7FFF0EEE))
    assert sink.getvalue().count(honest) == 1
    contents = {"a.parquet": (clean / "a.parquet").read_bytes(), "b.arrow": sink.getvalue().replace(honest, lying)}
    assert set(ends_of([forger.forge("lying", contents)])) == {"lying"}


def test_a_page_that_unpacks_beyond_measure_is_a_problem(tmp_path: Path) -> None:
    """A few kilobytes that say they are a gigabyte, and are: nothing of it is unpacked."""
    codec = pa.Codec("zstd")
    packed = codec.compress(bytes(1 << 28), asbytes=True)
    header = page_header_of(plain=1 << 28, stored=len(packed))
    span = Span(0, len(header) + len(packed))
    chunk = Chunk(("id",), "BYTE_ARRAY", 0, "ZSTD", 1, span)
    with pytest.raises(PageError, match="says that it unpacks to 268,435,456"):
        next(pages(io.BytesIO(header + packed), chunk))


def page_header_of(*, plain: int, stored: int) -> bytes:
    """Of a data page of one value, in the PLAIN encoding."""

    def number(value: int) -> bytes:
        found, rest = bytearray(), value << 1
        while rest > 127:
            found.append(rest & 127 | 128)
            rest >>= 7
        return bytes([*found, rest])

    sizes = b"".join(b"\x15" + number(each) for each in (0, plain, stored))
    return sizes + bytes([0x2C, 0x15, 2, 0x15, 0, 0x15, 6, 0x15, 6, 0, 0])


#: No JSON that every reader takes alike, or none at all.
NO_DOCUMENTS = [
    "[" * 100_000 + "]" * 100_000, '{"a":' * 100_000, "1" * 100_000, "[1e999]", "NaN", '"\\ud800"', "\0", "[]",
    '{"format": "compliance-frames manifest", "format": "compliance-frames certificate"}',
]  # fmt: skip
ODD = [
    None,
    True,
    -1,
    2**60,
    "",
    "\0",
    "\ud800",
    "../a",
    "x" * 5000,
    [],
    [None],
    ["\udcc3\udca9"],
    {},
    {"a": {"b": []}},
]


def ways(content: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each value of a document, that of lists and objects too."""
    for step in content if isinstance(content, dict) else range(len(content)) if isinstance(content, list) else ():
        yield (*above, step)
        yield from ways(content[step], (*above, step))


@pytest.mark.parametrize("read", [Manifest.read, Certificate.read])
def test_a_document_that_is_odd_is_refused_in_one_sentence(read: Callable[[Path], Any], tmp_path: Path) -> None:
    """Each value in turn is replaced by each odd one, and the digest made to agree: refused, or taken as it stands."""
    _, clean = Forger(tmp_path).cleaned()
    path, seal = (
        (manifest_path(clean), _digest)
        if read == Manifest.read
        else (certificate_path(clean), lambda content: hashlib.sha256(canonical(content)).hexdigest())
    )
    content, ends = json.loads(path.read_text()), Counter[str]()
    del content["digest"]
    for way in ways(content):
        for odd in ODD:
            changed = json.loads(json.dumps(content))
            *above, last = way
            reduce(lambda inner, step: inner[step], above, changed)[last] = odd
            with suppress(ValueError):  # a number that the canonical form has no bytes for
                changed["digest"] = seal(changed)
            (tmp_path / "odd.json").write_text(json.dumps(changed))
            try:
                taken = read(tmp_path / "odd.json")
            except VerificationError as error:
                ends["refused" if len(str(error)) < 1000 else "refused at length"] += 1
            else:
                assert json.loads(taken.to_json()) == changed, way
                ends["taken"] += 1
    assert set(ends) == {"refused", "taken"}
    assert ends["refused"] > 5 * ends["taken"]


@pytest.mark.parametrize("text", NO_DOCUMENTS, ids=range(len(NO_DOCUMENTS)))
@pytest.mark.parametrize("read", [Manifest.read, Certificate.read])
def test_what_readers_take_in_two_ways_is_no_document(read: Callable[[Path], Any], text: str, tmp_path: Path) -> None:
    """Nested without end, numbers without end, a name that stands twice."""
    (tmp_path / "odd.json").write_text(text)
    with pytest.raises(VerificationError, match=r"this is no (manifest|certificate)") as caught:
        read(tmp_path / "odd.json")
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("read", [Manifest.read, Certificate.read])
def test_what_is_no_file_is_no_document(read: Callable[[Path], Any], tmp_path: Path) -> None:
    """A pipe that nobody writes to is not waited for; a device without end is not read."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(VerificationError, match="cannot be read"):
            read(path)
