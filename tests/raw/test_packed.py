"""Raw files come as the bytes that were packed, or not at all."""

from __future__ import annotations

import bz2
import gzip
import io
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance_frames.errors import RawFileError
from compliance_frames.raw import packed
from compliance_frames.raw.packed import Lines, lines, opened

Pack = Callable[[bytes], bytes]


def zstd(content: bytes) -> bytes:
    """A whole frame, as streams write them."""
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return bytes(sink.getvalue())


PACKS = {"gzip": gzip.compress, "bz2": bz2.compress, "zstd": zstd}
each_packing = pytest.mark.parametrize(("packing", "pack"), PACKS.items(), ids=PACKS)


def content_of(path: Path, size: int = 100) -> bytes:
    with opened(path) as stream:
        return b"".join(iter(lambda: stream.read(size), b""))


@each_packing
def test_every_member_is_unpacked(tmp_path: Path, packing: str, pack: Pack) -> None:
    """A file that was written in pieces is read to its end, whatever its name says."""
    pieces = [b"line %d\n" % number * 50 for number in range(300)]
    path = tmp_path / "tweets.jsonl"
    path.write_bytes(b"".join(map(pack, pieces)))
    with opened(path) as stream:
        assert stream.packing == packing
    assert content_of(path) == b"".join(pieces)


@each_packing
@pytest.mark.parametrize("cut", [1, 9, 400])
def test_a_file_that_was_cut_off_is_refused_by_its_line(tmp_path: Path, packing: str, pack: Pack, cut: int) -> None:
    """What is missing is never taken for the end."""
    path = tmp_path / "tweets.jsonl.packed"
    path.write_bytes(pack(b"one\n") + pack(os.urandom(1_000))[:-cut])
    with pytest.raises(RawFileError, match=f"its {packing} data is cut off after .* in line [0-9]+. Fetch") as caught:
        content_of(path, 10)
    assert caught.value.path == path
    assert caught.value.line >= 1


@each_packing
def test_a_damaged_file_is_refused(tmp_path: Path, packing: str, pack: Pack) -> None:
    """One bit that turned over is noticed: gzip, bzip2 and zstd's descriptors say so."""
    path = tmp_path / "tweets.jsonl"
    whole = bytearray(pack(b"one\n" * 2_000) + pack(b"two\n"))
    whole[len(pack(b"one\n" * 2_000)) + 1] ^= 0x10  # the second member's magic number
    path.write_bytes(whole)
    with pytest.raises(RawFileError, match="is damaged after"):
        content_of(path)


def test_a_wrong_checksum_of_gzip_is_noticed(tmp_path: Path) -> None:
    whole = bytearray(gzip.compress(b"one\n" * 100))
    whole[-6] ^= 1
    (tmp_path / "a.gz").write_bytes(whole)
    with pytest.raises(RawFileError, match="damaged"):
        content_of(tmp_path / "a.gz")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl.gz", b'{"id": 20}\n', "take .gz off its name"),
        ("a.jsonl", '{"id": 20}\n'.encode("utf-16"), "UTF-16"),
        ("a.jsonl", '{"id": 20}\n'.encode("utf-16-le"), "UTF-16"),
        ("a.jsonl.gz", gzip.compress('{"id": 20}\n'.encode("utf-16")), "UTF-16"),
        ("a.csv", b"PK\x03\x04....", "zip archive"),
        ("a.parquet", b"PAR1....", "Parquet already"),
        ("a.jsonl.xz", b"\xfd7zXZ\0....", "unxz"),
    ],
)
def test_what_has_no_lines_is_refused_with_a_way_out(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RawFileError, match=said) as caught:
        opened(tmp_path / name)
    assert name in str(caught.value)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RawFileError, match="there is no such file"):
        opened(tmp_path / "nothing.jsonl")
    with pytest.raises(RawFileError, match="there is no such file"):
        opened(tmp_path)


def test_an_empty_file_has_no_lines(tmp_path: Path) -> None:
    """Nothing is packed in it, whatever it is called."""
    (tmp_path / "a.jsonl.gz").write_bytes(b"")
    with opened(tmp_path / "a.jsonl.gz") as stream:
        assert list(lines(stream)) == []


def test_a_bomb_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What unpacks to hundreds of times its size holds no tweets."""
    monkeypatch.setattr(packed, "_FREE", 1 << 16)
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"{}" + b" " * (1 << 25), 9))
    with pytest.raises(RawFileError, match="unpacks to more than"):
        content_of(tmp_path / "a.gz", 1 << 22)


def test_a_stream_knows_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"one\ntwo\nthree")
    with opened(path) as stream:
        assert (stream.offset, stream.line) == (0, 1)
        stream.read(5)
        assert (stream.offset, stream.line, stream.packed_offset) == (5, 2, 13)


@given(
    content=st.lists(st.sampled_from([b"a", b"\r\n", b"\n", b"\xef\xbb\xbf", b"long" * 5])).map(b"".join),
    block=st.integers(1, 30),
    longest=st.integers(1, 30),
)
def test_lines_are_the_content_to_the_byte(content: bytes, block: int, longest: int) -> None:
    """Whatever the block: the lines, their numbers and their places are those of the file; long ones are not held."""
    expected = content.splitlines(keepends=True) if b"\r" not in content else _split(content)
    number, offset, found = 1, 0, []
    for piece in lines(io.BytesIO(content), block=block, longest=longest):
        assert (piece.first, piece.offset) == (number, offset)
        inside = _split(piece.content) if not piece.too_long else [None]
        assert len(inside) == piece.count
        found += inside
        number += piece.count
        offset += len(piece.content) + piece.too_long
    assert offset == len(content)
    assert found == [line if len(line) <= longest else None for line in expected]


def _split(content: bytes) -> list[bytes]:
    whole = [line + b"\n" for line in content.split(b"\n")]
    return [*whole[:-1], *([whole[-1][:-1]] if whole[-1] != b"\n" else [])]


def test_a_piece_is_about_a_block(tmp_path: Path) -> None:
    """Memory is bounded by the block and the longest line."""
    content = b"x" * 99 + b"\n"
    pieces = list(lines(io.BytesIO(content * 1_000), block=1_000))
    assert max(len(piece.content) for piece in pieces) <= 1_100
    assert pieces[1] == Lines(content * 10, 11, 1_000, 10)


@pytest.mark.parametrize("packing", [None, "gzip", "bz2", "zstd"])
def test_what_is_packed_is_unpacked_again(tmp_path: Path, packing: packed.Packing | None) -> None:
    """A copy is packed like its source, is nobody else's to read, and tells nothing of when it was made."""
    content = b"line\r\n" * 1_000
    for name in ("a", "b"):
        with packed.packed(tmp_path / name, packing) as file:
            file.write(content)
        with opened(tmp_path / name) as stream:
            assert stream.packing == packing
            assert stream.read(1 << 20) == content
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
