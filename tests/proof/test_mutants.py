"""Residue is planted in every place where bytes can outlast a row: each plant is caught, and nobody else is accused."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import json
import lzma
import pickle
import sqlite3
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb
import fastparquet
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compliance_frames.corpus.clean import clean
from compliance_frames.corpus.manifest import Manifest, manifest_path
from compliance_frames.corpus.plan import plan
from compliance_frames.errors import VerificationError
from compliance_frames.proof.bloom import bloom_span
from compliance_frames.proof.footer import Footer, read_footer
from compliance_frames.proof.verify import verify
from compliance_frames.schemas import RESULTS

#: Made-up IDs, of the length that today's have.
FIRST = 1212161512043446272
GONE, AUTHOR_GONE = FIRST + 77, FIRST + 88
FILE = "date=2024-05-01/part-0.parquet"
WORDS = "the very words that somebody wished to have forgotten"


def flagged(reason: str, ids: list[int], type: str = "tweets") -> pa.Table:
    told = {"type": type, "action": "delete", "reason": reason, "created_at": None, "redacted_at": None}
    when = datetime(2024, 5, 9, 12, tzinfo=UTC)
    return pa.Table.from_pylist([{**told, "id": id, "job_id": 7, "checked_at": when} for id in ids], schema=RESULTS)


ANSWERS = (flagged("deleted", [GONE]), flagged("suspended", [AUTHOR_GONE], "users"))


def tweets(rows: int = 40, **more: Any) -> pa.Table:
    """Tweets of nobody who is gone."""
    return pa.table(
        {
            "id": [str(FIRST + 1000 + number) for number in range(rows)],
            "author_id": [str(FIRST + 5000 + number % 7) for number in range(rows)],
            "text": [f"some words {number}" for number in range(rows)],
            "conversation_id": [FIRST + 1000 + number for number in range(rows)],
            "lang": [["en", "de", "no"][number % 3] for number in range(rows)],
            **more,
        }
    )


class Dataset:
    """A cleaned dataset of one file, into which things are planted; its manifest vouches for each of them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / "clean"
        source = folder / "corpus"
        (source / FILE).parent.mkdir(parents=True)
        gone = tweets(2, id=[str(GONE), str(FIRST + 900)], author_id=["5", str(AUTHOR_GONE)], text=[WORDS, "x"])
        pq.write_table(pa.concat_tables([tweets(), gone]), source / FILE)
        clean(plan(source, *ANSWERS), self.path)

    @property
    def file(self) -> Path:
        return self.path / FILE

    def put(self, table: pa.Table, **options: Any) -> None:
        pq.write_table(table, self.file, **options)
        self.vouch()

    def bytes(self, data: bytes) -> None:
        self.file.write_bytes(data)
        self.vouch()

    def vouch(self, name: str = FILE, new_name: str | None = None, **fields: Any) -> None:
        """Let the manifest say that a file belongs there as it is."""
        path = manifest_path(self.path)
        manifest = Manifest.read(path)
        file = self.path / (new_name or name)
        data = file.read_bytes()
        found: dict[str, Any] = {"path": new_name or name, "bytes": len(data), "sha256": sha256(data).hexdigest()}
        if name == FILE:
            rows = pq.ParquetFile(file).metadata.num_rows
            found |= {"decision": "rewrite", "rows_in": rows, "rows_kept": rows, "rows_dropped": 0}
        files = tuple(replace(each, **found, **fields) if each.path == name else each for each in manifest.files)
        replace(manifest, files=files).write(path)

    def beside(self, name: str, data: bytes) -> None:
        """Another file, which the manifest takes for one of the source's."""
        (self.path / name).write_bytes(data)
        digest = sha256(data).hexdigest()
        path = manifest_path(self.path)
        manifest = Manifest.read(path)
        fields: dict[str, Any] = {"source_bytes": len(data), "source_sha256": digest}
        fields |= {"bytes": len(data), "sha256": digest, "rows_in": None, "rows_kept": None, "rows_dropped": 0}
        record = replace(manifest.files[0], path=name, decision="copy", columns=None, **fields)
        replace(manifest, files=(*manifest.files, record)).write(path)

    def footer(self) -> Footer:
        with self.file.open("rb") as stream:
            return read_footer(stream)

    def footer_replaced(self, *pairs: tuple[bytes, bytes]) -> None:
        """Change bytes of the footer alone, for others of the same length."""
        data, span = self.file.read_bytes(), self.footer().span
        raw = data[span.start : span.end]
        for old, new in pairs:
            assert len(old) == len(new)
            assert old in raw
            raw = raw.replace(old, new)
        self.bytes(data[: span.start] + raw + data[span.end :])

    def footer_with(self, inserted: bytes) -> None:
        """Put a field behind the last one of the footer."""
        data, span = self.file.read_bytes(), self.footer().span
        raw = data[span.start : span.end - 1] + inserted + b"\0"
        self.bytes(data[: span.start] + raw + struct.pack("<I", len(raw)) + b"PAR1")


Plant = Callable[[Dataset], None]
PLANTS: dict[str, tuple[Plant, str]] = {}


def plant(said: str) -> Callable[[Plant], Plant]:
    """Register a plant by the name of its function, and what the problem says that gives it away."""

    def registered(function: Plant) -> Plant:
        PLANTS[function.__name__] = (function, said)
        return function

    return registered


def with_value(column: str, value: Any, **options: Any) -> Plant:
    """A plant of one value in the last row of a column."""

    def planted(into: Dataset) -> None:
        table = tweets()
        values = [*table[column].to_pylist()[:-1], value]
        into.put(table.set_column(table.column_names.index(column), column, pa.array(values)), **options)

    return planted


ROWS = {
    "plain page": {"use_dictionary": False},
    "dictionary page": {},
    "page of version 2": {"data_page_version": "2.0", "use_dictionary": False},
    "zstd page": {"compression": "zstd", "use_dictionary": False},
    "brotli page": {"compression": "brotli", "use_dictionary": False},
    "delta page": {"column_encoding": {"id": "DELTA_BYTE_ARRAY"}, "use_dictionary": False},
    "delta length page": {"column_encoding": {"id": "DELTA_LENGTH_BYTE_ARRAY"}, "use_dictionary": False},
    "small row groups": {"row_group_size": 7},
}
for name, options in ROWS.items():
    PLANTS[f"an ID in a row, {name}"] = (with_value("id", str(GONE), **options), "1 row that had to go (column 'id'")
    PLANTS[f"an author in a row, {name}"] = (
        with_value("author_id", str(AUTHOR_GONE), **options),
        "1 row by an author who had to go (column 'author_id'",
    )


@plant("a dictionary of 'text' lists 1 value that no row has")
def text_in_a_dictionary_page(into: Dataset) -> None:
    words = pa.array([WORDS, *tweets()["text"].to_pylist()]).dictionary_encode().slice(1)
    into.put(tweets(text=words), compression="zstd")


@plant("1 ID of what had to go in the pages of 'lang', where no row has it")
def an_id_in_the_dictionary_of_another_column(into: Dataset) -> None:
    into.put(tweets(lang=pa.array([str(GONE), *["en"] * 40]).dictionary_encode().slice(1)))


@plant("a dictionary of 'author_id' lists 1 value that no row has")
def an_author_in_a_dictionary_page(into: Dataset) -> None:
    authors = pa.array([str(AUTHOR_GONE), *["5"] * 40]).dictionary_encode().slice(1)
    into.put(tweets(author_id=authors))


def in_no_row(column: str, kept: Any, erased: Any, stored: bytes) -> Plant:
    """A plant of an entry of a dictionary that the file's only other row has not any more."""

    def planted(into: Dataset) -> None:
        into.put(tweets(2, **{column: [kept, erased]}), compression="none", write_statistics=False)
        chunk = next(each for each in into.footer().groups[0].chunks if each.path == (column,))
        data = bytearray(into.file.read_bytes())
        bits = data.index(b"\x03", data.index(stored, chunk.span.start) + len(stored))
        last = max(at for at in range(bits, chunk.span.end) if data[at] == 0b10)  # the indices 0 and 1, of one bit each
        data[last] = 0
        into.bytes(bytes(data))

    return planted


PLANTS["a number in a dictionary page"] = (
    in_no_row("conversation_id", FIRST, GONE, struct.pack("<q", GONE)),
    "a dictionary of 'conversation_id' lists 1 value that no row has",
)
PLANTS["an ID in a dictionary page"] = (
    in_no_row("author_id", str(FIRST), str(AUTHOR_GONE), str(AUTHOR_GONE).encode()),
    "a dictionary of 'author_id' lists 1 value that no row has",
)
PLANTS["an ID that is no erased one in a dictionary page"] = (
    in_no_row("in_reply_to_status_id", str(FIRST), str(FIRST + 1), str(FIRST + 1).encode()),
    "a dictionary of 'in_reply_to_status_id' lists 1 value that no row has",
)
PLANTS["a mentioned ID in a dictionary page"] = (
    in_no_row("in_reply_to_status_id", str(FIRST), str(GONE), str(GONE).encode()),
    "1 ID of what had to go in the pages of 'in_reply_to_status_id', where no row has it",
)


@plant("1 ID of what had to go in the pages of 'in_reply_to_status_id', where no row has it")
def an_id_in_the_bytes_of_indices(into: Dataset) -> None:
    """Eight entries of a dictionary of 256 are named, one after the other, by the eight bytes of an ID."""
    told = [str(FIRST + 2000 + number) for number in [*range(256), *struct.pack("<q", GONE)]]
    into.put(tweets(len(told), in_reply_to_status_id=told), compression="none")


@plant("its schema lists all categories of 'lang'")
def categories_of_an_enum(into: Dataset) -> None:
    field = pa.field("lang", pa.string(), metadata={"_PL_ENUM_VALUES2": f"2;en{len(WORDS)};{WORDS}"})
    table = tweets(lang=["en"] * 40)
    into.put(table.cast(table.schema.set(table.schema.get_field_index("lang"), field)))


@plant("column 'author_id' is of type double, of which no ID can be looked up")
def authors_that_lost_digits(into: Dataset) -> None:
    into.put(tweets(author_id=[float(AUTHOR_GONE)] * 40))


@plant("column 'author_id' is of type fixed_size_binary[19], of which no ID can be looked up")
def authors_of_fixed_length(into: Dataset) -> None:
    into.put(tweets(author_id=pa.array([str(AUTHOR_GONE).encode()] * 40, pa.binary(19))))


@plant("the statistics of 'text' have 1 value that no row has")
def text_in_statistics(into: Dataset) -> None:
    into.put(tweets(text=["aaaa", *["bbbb"] * 38, "zzzz"]))
    into.footer_replaced((b"zzzz", b"that"))


@plant("the statistics of 'text' have 1 value that no row has")
def text_in_statistics_of_a_plain_column(into: Dataset) -> None:
    into.put(tweets(text=["aaaa", *["bbbb"] * 38, "zzzz"]), use_dictionary=False)
    into.footer_replaced((b"zzzz", b"that"))


@plant("1 ID of what had to go in the statistics of 'id'")
def an_id_in_statistics(into: Dataset) -> None:
    into.put(tweets())
    into.footer_replaced((str(FIRST + 1000).encode(), str(GONE).encode()))


@plant("the statistics of 'author_id' have 1 value that no row has")
def another_id_in_statistics(into: Dataset) -> None:
    into.put(tweets())
    into.footer_replaced((str(FIRST + 5000).encode(), str(FIRST - 10**9).encode()))


def in_statistics(kind: Any, here: bytes, erased: bytes, value: Any, **options: Any) -> Plant:
    """A plant of a value in the footer's statistics of a column of some type, in the place of the one that is there."""

    def planted(into: Dataset) -> None:
        into.put(tweets(more=pa.array([value] * 40, kind)), **options)
        into.footer_replaced((here, erased))

    return planted


_LONG, _INT, _POINT = struct.Struct("<q").pack, struct.Struct("<i").pack, struct.Struct("<d").pack
OTHER_STATISTICS: dict[str, Plant] = {
    "a time": in_statistics(pa.timestamp("ms"), _LONG(1_704_067_200_001), _LONG(7), 1_704_067_200_001),
    "a date": in_statistics(pa.date32(), _INT(1_900_123), _INT(19_800), 1_900_123),
    "a latitude": in_statistics(pa.float64(), _POINT(59.914), _POINT(48.137), 59.914),
    "a decimal": in_statistics(pa.decimal128(19), FIRST.to_bytes(9, "big"), GONE.to_bytes(9, "big"), Decimal(FIRST)),
    "a short decimal": in_statistics(
        pa.decimal128(18), _LONG(10**17 + 1), _LONG(10**17), Decimal(10**17 + 1), store_decimal_as_integer=True
    ),
}
for name, planting in OTHER_STATISTICS.items():
    PLANTS[f"{name} in statistics"] = (planting, "the statistics of 'more' have 1 value that no row has")


@plant("the statistics of 'conversation_id' have 1 value that no row has")
def a_number_in_statistics(into: Dataset) -> None:
    into.put(tweets())
    into.footer_replaced((struct.pack("<q", FIRST + 1000), struct.pack("<q", GONE)))


@plant("1 ID of what had to go in the statistics of 'id'")
def an_id_in_a_page_index(into: Dataset) -> None:
    into.put(tweets(), write_page_index=True)
    data = into.file.read_bytes()
    span = into.footer().groups[0].chunks[0].column_index
    assert span is not None
    part = data[span.start : span.end].replace(str(FIRST + 1000).encode(), str(GONE).encode())
    into.bytes(data[: span.start] + part + data[span.end :])


@plant("the statistics of 'text' have 1 value that no row has")
def text_in_a_page_index(into: Dataset) -> None:
    into.put(tweets(text=["aaaa", *["bbbb"] * 38, "zzzz"]), write_page_index=True)
    data = into.file.read_bytes()
    span = next(each for each in into.footer().groups[0].chunks if each.path == ("text",)).column_index
    assert span is not None
    part = data[span.start : span.end].replace(b"zzzz", b"that")
    into.bytes(data[: span.start] + part + data[span.end :])


@plant("1 ID of what had to go in its key-value metadata")
def an_id_in_key_value_metadata(into: Dataset) -> None:
    into.put(tweets().replace_schema_metadata({"exported": f"without {GONE}"}))


@plant("1 ID of what had to go in its key-value metadata, in base64")
def an_id_in_base64_of_metadata(into: Dataset) -> None:
    into.put(tweets().replace_schema_metadata({"exported": base64.b64encode(f"without {GONE}".encode())}))


@plant("1 ID of what had to go in its footer, in no field that is known")
def an_id_in_an_unknown_field_of_the_footer(into: Dataset) -> None:
    into.footer_with(b"\x08\xfe\xff\x03" + bytes([19]) + str(GONE).encode())  # field 32767, bytes


@plant("1 ID of what had to go in its footer, in no field that is known")
def a_number_in_an_unknown_field_of_the_footer(into: Dataset) -> None:
    into.footer_with(b"\x08\xfe\xff\x03" + bytes([8]) + struct.pack("<q", GONE))


@plant("1 ID of what had to go in its footer, in no field that is known")
def an_id_in_the_name_of_a_column(into: Dataset) -> None:
    into.put(tweets().append_column(f"copy of {GONE}", pa.array([1] * 40)))


@plant("1 row that holds a tweet that had to go (column 'includes.tweets.id', the first is row 39)")
def an_id_in_a_nested_list(into: Dataset) -> None:
    held = [{"tweets": [{"id": "5", "text": "x"}]}] * 39 + [{"tweets": [{"id": str(GONE), "text": "x"}]}]
    into.put(tweets(includes=held))


@plant("40 rows that holds a tweet that had to go (column 'quoted_status.tweet_id'")
def a_quoted_tweet_whose_id_has_another_name(into: Dataset) -> None:
    into.put(tweets(quoted_status=[{"tweet_id": str(GONE), "full_text": WORDS}] * 40))


@plant("1 row that repeats a tweet that had to go (column 'referenced_tweets.id'")
def a_retweet_in_a_nested_list(into: Dataset) -> None:
    held = [[{"type": "quoted", "id": "5"}]] * 39 + [[{"type": "retweeted", "id": str(GONE)}]]
    into.put(tweets(referenced_tweets=held))


def json_of(**told: Any) -> list[str]:
    return [json.dumps({"id": "5", "text": "…"})] * 39 + [json.dumps(told)]


@plant("1 text of JSON in column 'raw' hold a tweet that had to go")
def a_tweet_in_json(into: Dataset) -> None:
    into.put(tweets(raw=json_of(id=str(GONE), text=WORDS)))


@plant("1 text of JSON in column 'raw' hold a tweet that had to go")
def a_tweet_in_json_whose_digits_are_shared(into: Dataset) -> None:
    told = [json.dumps({"id": str(GONE - 1), "text": "x"})] * 39 + [json.dumps({"id": str(GONE), "text": "x"})]
    options = {"use_dictionary": False, "column_encoding": {"raw": "DELTA_BYTE_ARRAY"}, "write_statistics": False}
    into.put(tweets(raw=told), **options)


@plant("1 text of JSON in column 'raw' hold a tweet that had to go")
def a_quoted_tweet_in_json_of_a_plain_column(into: Dataset) -> None:
    into.put(tweets(raw=json_of(id=5, quoted_status={"id": GONE, "text": WORDS})), use_dictionary=False)


@plant("1 text of JSON in column 'raw.json' hold a tweet of an author who had to go")
def an_author_in_json_of_a_nested_column(into: Dataset) -> None:
    told = json_of(data=[{"id": 5, "user": {"id": AUTHOR_GONE}}])
    into.put(tweets(raw=[{"json": each} for each in told]))


@plant("1 text of JSON in column 'raw' repeat a tweet that had to go")
def a_retweet_in_json(into: Dataset) -> None:
    into.put(tweets(raw=json_of(id=5, referenced_tweets=[{"type": "retweeted", "id": str(GONE)}])))


@plant("1 text of JSON in column 'in_reply_to_status_id' hold a tweet that had to go")
def a_tweet_in_json_where_its_id_is_a_mention_elsewhere(into: Dataset) -> None:
    told = [*[str(GONE)] * 39, json.dumps({"id": str(GONE), "text": WORDS})]
    into.put(tweets(in_reply_to_status_id=told))


@plant("1 ID of what had to go in the pages of 'in_reply_to_status_id', where no row has it")
def an_id_in_the_dictionary_of_mentions_of_others(into: Dataset) -> None:
    told = pa.array([str(GONE), *["5"] * 40]).dictionary_encode().slice(1)
    into.put(tweets(in_reply_to_status_id=told))


@plant("1 ID of what had to go in its name")
def an_id_in_a_file_name(into: Dataset) -> None:
    name = f"date=2024-05-01/{GONE}.parquet"
    into.file.rename(into.path / name)
    into.vouch(new_name=name)


def _renamed(into: Dataset, folder: str) -> None:
    (into.path / folder).mkdir()
    into.file.rename(into.path / folder / "part-0.parquet")
    into.file.parent.rmdir()
    into.vouch(new_name=f"{folder}/part-0.parquet")


@plant("1 ID of what had to go in its name")
def an_author_in_the_name_of_a_partition(into: Dataset) -> None:
    _renamed(into, f"author_id={AUTHOR_GONE}")


@plant("1 ID of what had to go in its name")
def an_id_in_the_name_of_a_directory_without_files(into: Dataset) -> None:
    (into.path / f"tweet={GONE}").mkdir()


@plant("is a hidden or temporary file that the manifest does not know")
def a_temporary_file(into: Dataset) -> None:
    (into.path / "date=2024-05-01/.part-0.parquet.tmp").write_bytes(b"x")


@plant("was left by a run that did not end")
def a_staged_leftover(into: Dataset) -> None:
    (into.folder / ".clean.compliance-frames").mkdir()


@plant("is a symbolic link")
def a_symbolic_link(into: Dataset) -> None:
    (into.path / "old.parquet").symlink_to(into.folder / "corpus" / FILE)


CSV = f"id,text\n{GONE},{WORDS}\n".encode()
SIDE = "1 ID of what had to go in its bytes"


def _zip(data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tweets.csv", data)
    return file.getvalue()


def _ipc(codec: str | None, kind: Any, *, stream: bool = False) -> bytes:
    values = pa.array([str(FIRST + 5), str(GONE), str(FIRST + 6)] * 9)
    ids: Any = values.dictionary_encode() if pa.types.is_dictionary(kind) else values.cast(kind)
    file = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression=codec)
    new = pa.ipc.new_stream if stream else pa.ipc.new_file
    with new(file, pa.schema([("user", pa.struct([("id", ids.type)]))]), options=options) as writer:
        writer.write(pa.record_batch({"user": pa.StructArray.from_arrays([ids], ["id"])}))
    return file.getvalue()


def _sqlite(folder: Path) -> bytes:
    path = folder / "side.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE tweets (id INTEGER, text TEXT)")
        database.execute("INSERT INTO tweets VALUES (?, ?)", (GONE, WORDS))
    database.close()
    return path.read_bytes()


SIDECARS: dict[str, Callable[[Path], bytes]] = {
    "tweets.csv": lambda _: CSV,
    "tweets.jsonl": lambda _: json.dumps({"id": GONE}).encode(),
    "tweets.csv.gz": lambda _: gzip.compress(CSV),
    "tweets.csv.bz2": lambda _: bz2.compress(CSV),
    "tweets.csv.xz": lambda _: lzma.compress(CSV),
    "tweets.zip": lambda _: _zip(CSV),
    "tweets.csv.gz in tweets.zip": lambda _: _zip(gzip.compress(CSV)),
    "tweets.csv.zst": lambda _: pa.Codec("zstd").compress(CSV, asbytes=True),
    "tweets.pickle": lambda _: pickle.dumps({"ids": [FIRST, GONE]}),
    "tweets.npy": lambda _: np.array([FIRST, GONE]).tobytes(),
    "tweets.db": _sqlite,
    "tweets.arrow": lambda _: _ipc(None, pa.string()),
    "tweets.lz4.arrow": lambda _: _ipc("lz4", pa.string()),
    "tweets.zstd.arrow": lambda _: _ipc("zstd", pa.int64()),
    "dictionary.zstd.arrow": lambda _: _ipc("zstd", pa.dictionary(pa.int32(), pa.string())),
    "tweets.zstd.arrows": lambda _: _ipc("zstd", pa.string(), stream=True),
}
for name, made in SIDECARS.items():
    PLANTS[f"a sidecar {name}"] = (lambda into, name=name, made=made: into.beside(name, made(into.folder)), SIDE)


def _bloom(into: Dataset, column: str, value: Any) -> None:
    options = {"bloom_filter_options": {column: {"ndv": 40, "fpp": 0.01}}}
    with_value(column, value, **options)(into)
    planted = _bits(into, column)
    into.put(tweets(), **options)
    data = into.file.read_bytes()
    at = data.index(_bits(into, column))
    into.bytes(data[:at] + planted + data[at + len(planted) :])


def _bits(into: Dataset, column: str) -> bytes:
    with into.file.open("rb") as stream:
        footer = read_footer(stream)
        chunk = next(each for each in footer.groups[0].chunks if each.path == (column,))
        span, at = bloom_span(stream, footer, chunk)
        stream.seek(at)
        return stream.read(span.end - at)


@plant("a Bloom filter of 'id' has ")
def an_id_in_a_bloom_filter(into: Dataset) -> None:
    _bloom(into, "id", str(GONE))


@plant("a Bloom filter of 'text' has ")
def words_in_a_bloom_filter(into: Dataset) -> None:
    _bloom(into, "text", WORDS)


@plant("a Bloom filter of 'conversation_id' has ")
def a_number_in_a_bloom_filter(into: Dataset) -> None:
    _bloom(into, "conversation_id", GONE)


def _gap(into: Dataset, filling: bytes) -> None:
    """Bytes between the last page and the footer."""
    data, span = into.file.read_bytes(), into.footer().span
    into.bytes(data[: span.start] + filling + data[span.start :])


@plant("are no part of any column: what was erased may stand there still")
def words_before_the_footer(into: Dataset) -> None:
    _gap(into, WORDS.encode())


@plant("1 ID of what had to go in 19 bytes from byte ")
def an_id_before_the_footer(into: Dataset) -> None:
    _gap(into, str(GONE).encode())


@plant("1 ID of what had to go in 11 bytes from byte ")
def a_number_before_the_footer_of_a_copy(into: Dataset) -> None:
    _gap(into, b"\0" + struct.pack("<q", GONE) + b"\0\1")
    record = next(each for each in Manifest.read(manifest_path(into.path)).files if each.path == FILE)
    into.vouch(source_sha256=record.sha256, source_bytes=record.bytes)
    path = manifest_path(into.path)
    manifest = Manifest.read(path)
    replace(manifest, files=tuple(replace(each, decision="copy") for each in manifest.files)).write(path)


@plant("after its footer there are 53 bytes that are no part of it")
def words_behind_the_footer(into: Dataset) -> None:
    data, span = into.file.read_bytes(), into.footer().span
    raw = data[span.start : span.end] + WORDS.encode()
    into.bytes(data[: span.start] + raw + struct.pack("<I", len(raw)) + b"PAR1")


@plant("1 ID of what had to go in the pages of 'text', where no row has it")
def an_id_behind_the_values_of_a_page(into: Dataset) -> None:
    """A page's size covers the planted bytes; a reader stops at the last value."""
    table = tweets(1).select(["id", "author_id", "conversation_id", "lang", "text"])
    into.put(table, compression="none", use_dictionary=False, write_statistics=False)
    footer, data = into.footer(), into.file.read_bytes()
    chunk = footer.groups[0].chunks[-1]
    page = data[chunk.span.start : chunk.span.end]
    body = len(page) - page.index(b"\x02\x00\x00\x00")  # its levels, a length, the only value
    assert page.endswith(b"some words 0")
    old, new = _varint(body), _varint(body + 19)
    head = page[: len(page) - body]
    assert head.count(old) >= 2
    grown = head.replace(b"\x15" + old, b"\x15" + new) + page[len(page) - body :] + str(GONE).encode()
    longer = len(grown) - len(page)
    raw = data[footer.span.start : footer.span.end]
    raw = raw.replace(b"\x16" + _varint(len(page)), b"\x16" + _varint(len(page) + longer))
    into.bytes(data[: chunk.span.start] + grown + raw + struct.pack("<I", len(raw)) + b"PAR1")


def _varint(number: int) -> bytes:
    number, out = number << 1, bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset(tmp_path)


@pytest.mark.parametrize("name", PLANTS)
def test_every_plant_is_caught(name: str, dataset: Dataset) -> None:
    """Wherever something is left, the proof fails, and says in which file and where in it."""
    planted, said = PLANTS[name]
    planted(dataset)
    with pytest.raises(VerificationError) as caught:
        verify(dataset.path, *ANSWERS)
    assert any(said in problem for problem in caught.value.problems), caught.value.problems
    assert not any(str(gone) in problem for problem in caught.value.problems for gone in (GONE, AUTHOR_GONE)) or (
        "name" in name or "column" in name
    )


def test_the_dataset_that_is_planted_in_is_clean(dataset: Dataset) -> None:
    """Without a plant there is a proof: what is caught is what was planted."""
    assert verify(dataset.path, *ANSWERS, source=dataset.folder / "corpus").rows == 40


# Nobody is accused.

CLEAN: dict[str, Callable[[pa.Table, Path], Any]] = {}


def _arrow(**options: Any) -> Callable[[pa.Table, Path], Any]:
    return lambda table, path: pq.write_table(table, path, **options)


def _duck(options: str) -> Callable[[pa.Table, Path], Any]:
    def write(table: pa.Table, path: Path) -> None:
        with duckdb.connect() as connection:
            connection.register("tweets", table)
            connection.execute(f"COPY tweets TO '{path}' (FORMAT parquet{options})")

    return write


def _fast(**options: Any) -> Callable[[pa.Table, Path], Any]:
    def write(table: pa.Table, path: Path) -> None:
        frame = table.select(["id", "author_id", "text", "conversation_id", "lang"]).to_pandas()
        frame = frame.astype(dict.fromkeys(("id", "author_id", "text"), object))
        frame["lang"] = pd.Categorical(frame["lang"].astype(object))
        fastparquet.write(str(path), frame, **options)

    return write


for codec in ("none", "snappy", "gzip", "brotli", "zstd", "lz4"):
    CLEAN[f"pyarrow {codec}"] = _arrow(compression=codec)
    CLEAN[f"pyarrow {codec} plain"] = _arrow(compression=codec, use_dictionary=False, data_page_version="2.0")
for size in (1, 7, 50):
    CLEAN[f"pyarrow groups of {size}"] = _arrow(row_group_size=size, write_page_index=True)
for encoding in ("DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY", "PLAIN"):
    CLEAN[f"pyarrow {encoding}"] = _arrow(use_dictionary=False, column_encoding={"id": encoding, "text": encoding})
for encoding in ("DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT"):
    CLEAN[f"pyarrow {encoding}"] = _arrow(use_dictionary=False, column_encoding={"conversation_id": encoding})
CLEAN |= {
    "pyarrow small pages": _arrow(data_page_size=64, write_batch_size=4, write_page_index=True),
    "pyarrow full dictionaries": _arrow(dictionary_pagesize_limit=200, data_page_size=64, write_batch_size=4),
    "pyarrow checksums": _arrow(write_page_checksum=True),
    "pyarrow version 1": _arrow(version="1.0"),
    "pyarrow int96": _arrow(use_deprecated_int96_timestamps=True),
    "pyarrow no statistics": _arrow(write_statistics=False),
    "pyarrow no schema": _arrow(store_schema=False),
    "pyarrow blooms": _arrow(
        bloom_filter_options={
            name: {"ndv": 200, "fpp": 0.01}
            for name in ("id", "text", "conversation_id", "created_at", "likes", "score")
        }
    ),
}
for codec in ("uncompressed", "snappy", "gzip", "brotli", "zstd", "lz4"):
    CLEAN[f"polars {codec}"] = lambda table, path, codec=codec: pl.from_arrow(table).write_parquet(
        path, compression=codec, statistics="full"
    )
for size in (3, 64):
    CLEAN[f"polars pages of {size}"] = lambda table, path, size=size: pl.from_arrow(table).write_parquet(
        path, data_page_size=size, row_group_size=50
    )
for codec in ("uncompressed", "snappy", "gzip", "brotli", "zstd", "lz4_raw"):
    CLEAN[f"DuckDB {codec}"] = _duck(f", COMPRESSION {codec}")
CLEAN |= {
    "DuckDB version 2": _duck(", PARQUET_VERSION v2"),
    "DuckDB small groups": _duck(", ROW_GROUP_SIZE 2048, DICTIONARY_SIZE_LIMIT 10"),
    "DuckDB wide blooms": _duck(", BLOOM_FILTER_FALSE_POSITIVE_RATIO 0.5"),
}
for codec in ("UNCOMPRESSED", "SNAPPY", "GZIP", "BROTLI", "ZSTD", "LZ4_RAW"):
    CLEAN[f"fastparquet {codec}"] = _fast(compression=codec)
CLEAN |= {
    "fastparquet groups": _fast(row_group_offsets=50),
    "fastparquet statistics": _fast(stats=True),
}


def corpus_table(seed: int, rows: int = 150) -> pa.Table:
    """Tweets of many types, some of which name those who are gone, as policy lets them."""
    rng = np.random.default_rng(seed)
    ids = FIRST + np.cumsum(rng.integers(1, 10**9, rows))
    words = np.array(["naïve", "ord", "mot", "слово", "言葉", "", "https://t.co/" + "x" * 30])
    return tweets(
        rows,
        id=[str(each) for each in ids],
        author_id=[str(FIRST - 10**9 + each) for each in rng.integers(0, 20, rows)],
        conversation_id=pa.array(np.where(rng.random(rows) < 0.5, ids, ids[0])),
        text=[" ".join(words[rng.integers(0, 7, rng.integers(1, 20))]) for _ in range(rows)],
        created_at=pa.array(rng.integers(1_500_000_000_000, 1_600_000_000_000, rows), pa.timestamp("ms", "UTC")),
        likes=pa.array(rng.integers(0, 5000, rows), pa.int32(), mask=rng.random(rows) < 0.1),
        score=rng.random(rows) * rng.integers(-1, 2, rows),
        sensitive=pa.array(rng.random(rows) < 0.5, mask=rng.random(rows) < 0.3),
        tags=[[str(tag) for tag in words[rng.integers(0, 7, rng.integers(0, 4))]] for _ in range(rows)],
        geo=[{"place_id": "here"} if each < 0.2 else None for each in rng.random(rows)],
        referenced_tweets=[[{"type": "quoted", "id": str(ids[rng.integers(0, rows)])}] for _ in range(rows)],
        raw=[f"see https://twitter.com/x/status/{ids[rng.integers(0, rows)]}" for _ in range(rows)],
    )


@pytest.mark.parametrize("seed", range(len(CLEAN)), ids=list(CLEAN))
def test_no_clean_corpus_is_accused(seed: int, tmp_path: Path) -> None:
    """Whoever wrote a corpus, once it is cleaned it is proven, with its source too."""
    write = list(CLEAN.values())[seed]
    source = tmp_path / "corpus"
    source.mkdir()
    answers = []
    for number in range(2):
        table = corpus_table(2 * seed + number)
        write(table, source / f"part-{number}.parquet")
        ids, authors = (list(map(int, table[name].to_pylist())) for name in ("id", "author_id"))
        answers += [flagged("deleted", sorted(ids[number::9])), flagged("scrub_geo", sorted(ids[1::5]))]
        answers += [flagged("suspended", sorted(set(authors))[:1], "users")] if number else []
    geo = None if "geo" in pq.read_schema(source / "part-0.parquet").names else []
    clean(plan(source, *answers, geo=geo), tmp_path / "clean")
    assert 100 < verify(tmp_path / "clean", *answers, source=source).rows < 300


def test_there_are_fifty_clean_corpora() -> None:
    """As many writers and shapes as were promised."""
    assert len(CLEAN) >= 50
