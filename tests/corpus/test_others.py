"""Files that are not Parquet: a plan sees beforehand what verifying would find in their copies."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import compliance_frames as cf
from compliance_frames.corpus import others
from compliance_frames.corpus.manifest import Manifest, manifest_path
from compliance_frames.corpus.others import first_named
from compliance_frames.errors import PlanError, VerificationError
from compliance_frames.proof.bloom import bloom_span
from compliance_frames.proof.footer import read_footer

Flag = Callable[..., pa.Table]
Write = Callable[..., Path]

GONE, AUTHOR_GONE = 1212161512043446272, 1212161512043440001
TWEETS = pa.table({"id": [GONE, 1300000000000000001], "author_id": [7, 8]})
LINES = "id,text\n5,hello\n" + f"{GONE},world\n"


def zipped(content: bytes) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("readme.txt", "nothing")
        archive.writestr("tweets.csv", content)
    return sink.getvalue()


def by_arrow(codec: str) -> Callable[[bytes], bytes]:
    return lambda content: pa.compress(content, codec, asbytes=True)


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "txt": lambda content: content,
    "txt.gz": gzip.compress,
    "txt.bz2": bz2.compress,
    "txt.xz": lzma.compress,
    "txt.zst": by_arrow("zstd"),
    "zip": zipped,
    "txt.gz.gz": lambda content: gzip.compress(gzip.compress(content)),
}


@pytest.mark.parametrize("ending", PACKED)
def test_a_file_that_names_what_goes_stops_the_plan(write: Write, flag: Flag, ending: str) -> None:
    """The file, the line and the ways out are told, packed or not; without anything to erase nobody looks."""
    root = write({"a.parquet": TWEETS, f"more/tweets.{ending}": PACKED[ending](LINES.encode())})
    unpacked = ", unpacked" if ending != "txt" else ""
    with pytest.raises(PlanError) as caught:
        cf.plan(root, flag("deleted", [GONE]))
    assert f"more/tweets.{ending} is not Parquet" in str(caught.value)
    assert f"(line 3{unpacked})" in str(caught.value)
    assert 'others="leave"' in str(caught.value)
    assert cf.plan(root, flag("deleted", [1300000000000000001])).rows_dropped == 1


def test_numbers_of_eight_bytes_and_authors_are_seen(write: Write, flag: Flag) -> None:
    """A NumPy file or a database holds IDs in no digits; the byte is told."""
    sink = io.BytesIO()
    np.save(sink, np.array([5, AUTHOR_GONE]))
    content = sink.getvalue()
    root = write({"a.parquet": TWEETS, "ids.npy": content})
    at = content.index(AUTHOR_GONE.to_bytes(8, "little"))
    with pytest.raises(PlanError, match=rf"ids.npy .*\(byte {at:,}\)"):
        cf.plan(root, flag("suspended", [AUTHOR_GONE], "users"))


def test_an_id_across_two_pieces_is_seen_and_its_line_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever a file is cut for reading, the same is found as in one look."""
    monkeypatch.setattr(others, "_PIECE", 64)
    path = tmp_path / "tweets.csv"
    for before in range(80):
        path.write_text("x\n" * before + f"{GONE}\n")
        found = first_named(path, [np.array([GONE])])
        assert found is not None
        assert found.where == f"line {before + 1}"


@pytest.mark.parametrize("content", [b"\x1f\x8b broken", b"PK\x03\x04 broken", b"", b"id\n7\n12121615120434462720\n"])
def test_what_cannot_be_unpacked_or_names_others_goes_over(write: Write, flag: Flag, content: bytes) -> None:
    """The plan does not refuse what it cannot read: verifying says what it did not look into."""
    root = write({"a.parquet": TWEETS, "other": content})
    report = cf.clean(cf.plan(root, flag("deleted", [GONE])), root.with_name("clean"))
    assert (report.files_other, report.destination.joinpath("other").read_bytes()) == (1, content)


def test_others_can_be_left_out(write: Write, flag: Flag) -> None:
    """None of them is in the copy; the plan, the manifest and the report say so, and the copy verifies."""
    root = write({"a.parquet": TWEETS, "b/tweets.txt": LINES.encode(), "README.md": b"hello", "_SUCCESS": b""})
    made = cf.plan(root, flag("deleted", [GONE]), others="leave")
    assert made.left == ("README.md", "b/tweets.txt")
    assert "Not Parquet, left out as told: README.md, b/tweets.txt." in str(made)
    report = cf.clean(made, root.with_name("clean"))
    assert [path.name for path in report.destination.iterdir()] == ["a.parquet"]
    assert Manifest.read(manifest_path(report.destination)).ignored == ("README.md", "_SUCCESS", "b/tweets.txt")
    assert report.notes == (
        "1 hidden or temporary entries of the source were not taken",
        "2 files of the source that are not Parquet left out, as told",
    )
    assert cf.verify(report.destination, flag("deleted", [GONE]), source=root).verified
    with pytest.raises(PlanError, match="others='drop': choose one of copy, leave"):
        cf.plan(root, flag("deleted", [GONE]), others="drop")  # type: ignore[arg-type]


def with_stale_filter(path: Path) -> None:
    """Give a file the Bloom filter of more rows than it has, as a careless tool leaves it."""
    options: Any = {"bloom_filter_options": {"id": {"ndv": 40, "fpp": 0.01}}}
    pq.write_table(TWEETS, path, **options)
    planted, _ = filter_of(path)
    pq.write_table(TWEETS.slice(1), path, **options)
    bits, at = filter_of(path)
    content = path.read_bytes()
    path.write_bytes(content[:at] + planted + content[at + len(bits) :])


def filter_of(path: Path) -> tuple[bytes, int]:
    with path.open("rb") as file:
        footer = read_footer(file)
        span, at = bloom_span(file, footer, next(c for c in footer.groups[0].chunks if c.path == ("id",)))
        file.seek(at)
        return file.read(span.end - at), at


def test_what_verifying_advises_helps(write: Write, flag: Flag) -> None:
    """A file with a filter of rows that it has no more is copied, accused, rewritten as advised, and clean."""
    root = write({"a.parquet": TWEETS, "b.parquet": TWEETS.slice(1)})
    with_stale_filter(root / "b.parquet")
    results = flag("deleted", [GONE])
    made = cf.plan(root, results)
    assert [file.decision for file in made.files] == ["rewrite", "copy"]
    cf.clean(made, root.with_name("first"))
    with pytest.raises(VerificationError, match=r"Bloom filter.*plan with rewrite=\['b\.parquet'\]"):
        cf.verify(root.with_name("first"), results)
    again = cf.plan(root, results, rewrite=["b.parquet"])
    assert [file.decision for file in again.files] == ["rewrite", "rewrite"]
    assert again.files[1].why.endswith("; rewritten as told")
    cf.clean(again, root.with_name("second"))
    assert cf.verify(root.with_name("second"), results, source=root).verified
    with pytest.raises(PlanError, match="there is no Parquet file 'c' \\(told by rewrite\\)"):
        cf.plan(root, results, rewrite=["c"])


def test_the_advice_names_what_helps(write: Write, flag: Flag) -> None:
    """Sidecars that a newer answer makes dirty: to plan anew as before would not help, and is not advised."""
    root = write({"a.parquet": TWEETS, "tweets.txt": json.dumps({"id": GONE}).encode()})
    cf.clean(cf.plan(root, flag("deleted", [1300000000000000001])), root.with_name("clean"))
    with pytest.raises(VerificationError, match=r'tweets\.txt: 1 ID .* in its bytes.*others="leave"'):
        cf.verify(root.with_name("clean"), flag("deleted", [GONE]))


def test_the_proof_finds_what_is_packed_twice(write: Write, flag: Flag) -> None:
    """What a plan would have refused, verifying finds in the copy."""
    content = gzip.compress(gzip.compress(LINES.encode()))
    root = write({"a.parquet": TWEETS, "tweets.csv.gz.gz": content})
    cf.clean(cf.plan(root, flag("deleted", [1300000000000000001])), root.with_name("clean"))
    with pytest.raises(VerificationError, match="1 ID of what had to go in its bytes"):
        cf.verify(root.with_name("clean"), flag("deleted", [GONE]))
