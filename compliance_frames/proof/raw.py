"""Look into a raw file of a cleaned dataset: every ID of every record, and whatever else its bytes name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from compliance_frames.corpus.manifest import ColumnPaths, FileRecord
from compliance_frames.proof.cells import ids_in, place_columns
from compliance_frames.proof.cells import looks_placed as columns_placed
from compliance_frames.proof.erased import Erased, IdArray
from compliance_frames.proof.findings import Cells, Findings, Spot, number
from compliance_frames.proof.group import Sought
from compliance_frames.proof.rawnamed import looks_like_retweet
from compliance_frames.proof.rawpieces import Piece, batches, is_ambiguous, pieces
from compliance_frames.proof.rawvalues import (
    Stands,
    authored_in,
    looks_placed,
    own_in,
    records_of,
    repeats_of,
    stands_in,
)
from compliance_frames.proof.rawvalues import number as id_of
from compliance_frames.proof.references import is_pair
from compliance_frames.proof.rescan import ids_of, pairs
from compliance_frames.proof.roles import Layout, Role, Whose, whose
from compliance_frames.proof.texts import held_in_json, may_be_json

_HELD: Final = {
    "embedded tweet": "hold a tweet that had to go",
    "embedded author": "hold a tweet of an author who had to go",
    "account": "hold the account of an author who had to go",
    "retweet": "repeat a tweet that had to go",
}


def look_at_raw(path: Path, record: FileRecord, columns: ColumnPaths, sought: Sought) -> Findings:
    """Hold every record of a raw file against what must be gone.

    Args:
        path: of the file.
        record: what the manifest says of it.
        columns: where its IDs are, by the manifest.
        sought: what is looked for.
    """
    looked = _Raw(record, columns, sought)
    try:
        for batch in batches(pieces(path, record)):
            looked.at(batch)
    except (OSError, EOFError, ValueError, RecursionError, pa.ArrowException) as error:
        said = str(error).partition("\n")[0][:200]
        looked.tell(f"it cannot be read as {record.raw} ({type(error).__name__}: {said})")
        return looked.findings
    if looked.records != record.rows_kept:
        looked.tell(f"it has {number(looked.records, 'record')}, and {record.rows_kept:,} by the manifest")
    looked.findings.counted.update({"raw files": 1, "rows": looked.records})
    return looked.findings


def records_counted(
    found: Iterator[tuple[Piece, bool]], record: FileRecord, columns: ColumnPaths, told: list[int]
) -> Iterator[tuple[Piece, bool]]:
    """The same pieces; how many records they are stands in a list once they came to their end.

    Args:
        found: pieces, and whether something stands in each that had to go: then it is none where readers differ in it.
        record: what the manifest says of the file.
        columns: where its IDs are.
        told: the list.
    """
    count, header = 0, None
    for piece, suspect in found:
        if suspect and is_ambiguous(piece, record):
            pass
        elif record.raw != "csv":
            count += len(records_of(piece.value, columns))
        elif header is None:
            header = piece.value or []
        else:
            count += is_record(piece.value, header, columns)
        yield piece, suspect
    told.append(count)


def is_record(fields: list[str] | None, header: list[str], columns: ColumnPaths) -> bool:
    """Whether the fields of a table are a record with an ID, and not its header once more.

    >>> is_record(["7", "x"], ["id", "text"], ColumnPaths("id")), is_record(["x"], ["id", "text"], ColumnPaths("id"))
    (True, False)
    """
    if fields is None or fields == header or len(fields) != len(header) or columns.id not in header:
        return False
    return id_of(fields[header.index(columns.id)]) is not None


def authorship(path: Path, record: FileRecord, columns: ColumnPaths) -> Iterator[pa.RecordBatch]:
    """The tweets of a raw file and who wrote them, for :func:`~compliance_frames.proof.rescan.authored`."""
    header: list[str] = []
    for batch in batches(pieces(path, record)):
        both: list[tuple[int, int]] = []
        for piece in batch:
            if record.raw == "csv":
                header = header or piece.value or []
                told = dict(zip(header, piece.value or (), strict=False))
                own, author = id_of(told.get(columns.id)), id_of(told.get(columns.author_id or ""))
                both += [(own, author)] if own is not None and author is not None else []
            else:
                both += _written(piece.value, columns)
        yield pairs(pa.array([own for own, _ in both], pa.int64()), pa.array([by for _, by in both], pa.int64()))


def _written(value: Any, columns: ColumnPaths) -> list[tuple[int, int]]:
    found = list(authored_in(value))
    for record in records_of(value, columns):
        told = list(own_in(record, 0, columns))
        tweets = {each.id for each in told if each.role == "tweet"}
        authors = {each.id for each in told if each.role == "author"}
        found += [(own, author) for own in tweets for author in authors]
    return found


class _Raw:
    """What was seen of one file so far."""

    def __init__(self, record: FileRecord, columns: ColumnPaths, sought: Sought) -> None:
        self._record, self._columns, self._sought = record, columns, sought
        self._sift = Sift(sought.erased)
        self._header: list[str] | None = None
        self._found: dict[tuple[Spot, Whose], list[tuple[int, int, int]]] = {}
        self.findings = Findings()
        self.records = 0

    def tell(self, sentence: str) -> None:
        """A problem of the file."""
        self.findings.problems.append(f"{self._record.path}: {sentence}")

    def at(self, batch: Sequence[Piece]) -> None:
        """Look at some more of it."""
        hits = self._sift.hits(batch)
        if self._record.raw == "csv":
            self._rows(batch, hits)
        else:
            self._values(batch, hits)
        for piece in (piece for piece, hit in zip(batch, hits, strict=True) if hit):
            self._texts(piece)
            unread = piece.value is None or is_ambiguous(piece, self._record)
            if unread and len(self._sought.needles.in_bytes(_bytes(piece.text))):
                self.tell("an ID of what had to go stands in a line that cannot be read")
        for (spot, named), cells in self._found.items():
            ids, rows, places = zip(*cells, strict=True)
            found = Cells(spot, named, pa.array(ids, pa.int64()), np.array(rows), np.array(places))
            self.findings.cells.append(found)
        self._found = {}

    def _values(self, batch: Sequence[Piece], hits: Sequence[bool]) -> None:
        asked: list[int] = []
        for piece, hit in zip(batch, hits, strict=True):
            records = records_of(piece.value, self._columns)
            if self._sought.asked is not None:
                asked += [each for each in map(self._asked, records) if each is not None]
            if hit:
                self._cells(piece.value)
            self.findings.counted["tweet"] += len(records)
            self.records += len(records)
        self._unasked(np.array(asked, np.int64))

    def _asked(self, record: dict[str, Any]) -> int | None:
        return next((each.id for each in own_in(record, 0, self._columns) if each.own), None)

    def _unasked(self, ids: IdArray) -> None:
        if self._sought.asked is not None:
            self.findings.unasked[self._record.path] += int(np.sum(~np.isin(ids, self._sought.asked)))

    def _cells(self, value: Any) -> None:
        self.findings.unplaced |= looks_placed(value, self._columns)
        told = list(stands_in(value, self._columns))
        for each in told:
            if each.role != "tweet" and not each.unsaid:
                self.findings.counted[each.role] += 1
            self._add(each, self.records + max(each.record, 0))
        named = sorted(numbers_in(value) - {each.id for each in told if not each.unsaid})
        self.findings.counted["mention"] += len(named)
        spot = Spot(self._record.path, None, "", "mention")
        for path in (("id",), ("user_id",)) if named else ():  # nobody knows whom a bare number names
            cells = self._found.setdefault((spot, whose("mention", path)), [])
            cells += [(each, self.records, 0) for each in named]

    def _add(self, each: Stands, row: int) -> None:
        """One more ID to look up; those of one spot are told of together."""
        spot = Spot(self._record.path, None, each.column, each.role, each.places, each.own, each.unsaid)
        cells = self._found.setdefault((spot, whose(each.role, (each.column,))), [])
        cells.append((each.id, row, (1 << len(each.places)) - 1))

    def _rows(self, batch: Sequence[Piece], hits: Sequence[bool]) -> None:
        rows, suspects = [], []
        for piece, hit in zip(batch, hits, strict=True):
            if self._header is None:
                self._header = piece.value or []
            elif is_record(piece.value, self._header, self._columns):
                rows.append(piece.value)
                suspects += [len(rows) - 1] * hit
        for own in self._own_table(rows):
            self._batch(own, suspects)
        for at in suspects:
            self._repeated(dict(zip(self._header or [], rows[at], strict=True)), self.records + at)
        self.records += len(rows)

    def _repeated(self, fields: dict[str, Any], row: int) -> None:
        """What a record repeats, by all that its fields say: those beside each other, lists and JSON in them."""
        for each in repeats_of(fields, 0):
            if not (each.unsaid and is_pair(each.column)):  # or it was told of already
                self._add(each, row)

    def _own_table(self, rows: list[list[str]]) -> Iterator[pa.RecordBatch]:
        if rows and self._header:
            by_name = zip(self._header, zip(*rows, strict=True), strict=True)
            columns = [pa.array([_sound(text) for text in texts], pa.string()) for _, texts in by_name]
            yield pa.record_batch(columns, names=[_sound(name) or "" for name in self._header])

    def _batch(self, batch: pa.RecordBatch, suspects: list[int]) -> None:
        layout = Layout(self._columns)
        users = self._columns.id == self._columns.author_id
        if self._sought.asked is not None and not users:
            own = batch.column(batch.schema.get_field_index(self._columns.id))
            self._unasked(np.asarray(pc.fill_null(ids_of(own), -1)))
        self.findings.counted["tweet"] += batch.num_rows
        self.findings.unplaced |= set(columns_placed(batch.schema, layout))
        chosen = batch.take(pa.array(suspects, pa.int64()))
        places = tuple(".".join(path) for path in place_columns(batch.schema, layout))
        for ids in ids_in(chosen, layout):
            role: Role = "author" if users and ids.role == "tweet" else ids.role
            rows = np.array(suspects, np.int64)[ids.rows] + self.records
            spot = Spot(
                self._record.path, None, ".".join(ids.path), role, places if role in ("tweet", "author") else ()
            )
            self.findings.cells.append(Cells(spot, whose(role, ids.path), ids_of(ids.values), rows, ids.places))
            self.findings.counted[role] += len(ids.values) * (role != "tweet")

    def _texts(self, piece: Piece) -> None:
        """Texts with other tweets in them as JSON."""
        values = piece.value if isinstance(piece.value, list) and self._record.raw == "csv" else None
        named = list(zip(self._header or [], values, strict=False) if values is not None else texts_in(piece.value))
        look = values is not None and looks_like_retweet(dict(named))
        for name, text in named:
            if isinstance(text, str) and may_be_json(text):
                what = held_in_json(text, self._sought.erased, name.rpartition(".")[2], look=look)
                if what == "unsaid":
                    self.findings.counted["unsaid"] += 1
                    self.findings.unsaid.add(name)
                elif what is not None:
                    self.tell(f"a text of JSON in {name!r} seems to {_HELD[what]}")


class Sift:
    """Tells pieces in which something may stand that had to go, or to lose its place.

    >>> sift = Sift(Erased(np.array([8])))
    >>> sift.hits([Piece('{"id": 8}', None), Piece("7", None), Piece("0.8e1", 8.0, odd=True)])
    [True, False, True]
    """

    def __init__(self, erased: Erased) -> None:
        sets = (erased.drop_tweets, erased.drop_authors, erased.scrub_tweets, erased.scrub_authors)
        self._ids = np.unique(np.concatenate(sets))
        fewest = len(str(self._ids[0])) if len(self._ids) else 20
        self._digits = re.compile(f"[0-9]{{{fewest},}}")

    def hits(self, batch: Sequence[Piece]) -> list[bool]:
        """For each piece whether it may."""
        bare = ([run.lstrip("0") for run in self._digits.findall(piece.text)] for piece in batch)
        found = [[int(run or "0") for run in runs if len(run) < 40] for runs in bare]
        flat = np.array([min(each, 2**63 - 1) for some in found for each in some], np.int64)
        among = np.isin(flat, self._ids)
        ends = np.cumsum([len(some) for some in found])
        starts = ends - [len(some) for some in found]
        return [
            piece.odd or bool(among[start:end].any()) for piece, start, end in zip(batch, starts, ends, strict=True)
        ]


def numbers_in(value: Any) -> set[int]:
    """Every ID in a value, whatever it stands for.

    >>> sorted(numbers_in({"id": 7, "list": ["8", "x"]}))
    [7, 8]
    """
    if isinstance(value, dict):
        return {each for inner in value.values() for each in numbers_in(inner)}
    if isinstance(value, list):
        return {each for inner in value for each in numbers_in(inner)}
    found = id_of(value)
    return set() if found is None else {found}


def texts_in(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a value, with the name of the key that it stands under.

    >>> list(texts_in({"id": 7, "user": {"name": "x"}}))
    [('name', 'x')]
    """
    if isinstance(value, dict):
        for key, each in value.items():
            yield from texts_in(each, key)
    elif isinstance(value, list):
        for each in value:
            yield from texts_in(each, name)
    elif isinstance(value, str):
        yield name, value


def _sound(text: str) -> str | None:
    """A field as Arrow takes it; bytes that are no UTF-8 are told by marks."""
    return _bytes(text).decode("utf-8", "replace") or None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
