"""Plan and clean raw files: lines of JSON, lists of it and tables of CSV, of which every byte stays that may stay."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from compliance_frames.corpus.columns import Columns
from compliance_frames.corpus.erase import Counts, masks
from compliance_frames.corpus.erasures import Erasures
from compliance_frames.corpus.flat import beside_reference
from compliance_frames.corpus.judging import UnreadableError, look, own_ids, repeats_gone
from compliance_frames.corpus.kinds import Kinds
from compliance_frames.corpus.rawform import RawForm
from compliance_frames.corpus.rawverdicts import Flagged, Why
from compliance_frames.errors import IdError, PlanError
from compliance_frames.ids.parse import looks_hashed
from compliance_frames.ids.sets import IdArray
from compliance_frames.ids.slices import IdSet, is_in
from compliance_frames.raw.fields import emptied, quoted_soundly
from compliance_frames.raw.forms import units_of
from compliance_frames.raw.packed import opened, packed
from compliance_frames.raw.records import is_deep, is_rounded, number, numbers_in
from compliance_frames.raw.sieve import Sifted, sift
from compliance_frames.raw.spans import without
from compliance_frames.raw.units import Unit, Writer, blocks, sound, to_sift
from compliance_frames.schemas import BadLines

#: What is counted of a record that stays, and of one that goes because nobody asked about it.
_KEPT: Final = Counts(1, 1)
_UNCHECKED: Final = Counts(1, 0, 1, rows_unchecked=1, kinds=Kinds(dropped_unchecked=1))
_SETS: Final = ("drop_tweets", "drop_authors", "scrub_tweets", "scrub_authors")


@dataclass(frozen=True)
class Bad:
    """Lines of a file that cannot be read.

    Attributes:
        count: how many.
        line: the first, counted from 1; 0 where there is none.
        why: what is wrong with it.
    """

    count: int = 0
    line: int = 0
    why: str = ""


@dataclass
class Pass:
    """One reading of a raw file, which says of each of its pieces what becomes of it.

    Attributes:
        path: of the file.
        form: how it is read.
        columns: where IDs are in a table.
        erasures: what is to be erased.
        counts: of the records that were read so far.
        bad: the lines that could not be read so far.
        changed: how many pieces go or change, bad lines among them.
    """

    path: Path
    form: RawForm
    columns: Columns
    erasures: Erasures
    counts: Counts = field(default_factory=Counts)
    bad: Bad = field(default_factory=Bad)
    changed: int = 0

    def pieces(self) -> Iterator[tuple[Unit, str | None]]:
        """Every piece of the file, with what is left of it: None where it goes."""
        judge: _Table | _Objects = _Table(self) if self.form.kind == "csv" else _Objects(self)
        sets = [getattr(self.erasures, name) for name in _SETS]
        with opened(self.path) as stream:
            for block in blocks(units_of(self.form.kind, self.form.delimiter, stream)):
                for unit, text in zip(block, judge.texts(block, sift(to_sift(block), sets)), strict=True):
                    self.changed += text != unit.text
                    yield unit, text

    def unreadable(self, unit: Unit, *, suspect: bool) -> str | None:
        """Count a piece that cannot be read; what is left of it."""
        first = self.bad if self.bad.count else Bad(0, unit.line, unit.problem)
        self.bad = dataclasses.replace(first, count=first.count + 1)
        if self.form.bad_lines == "keep" and suspect:
            raise PlanError(
                f"line {unit.line:,} {unit.problem}, was to be kept, and names a tweet or an author that has to go: "
                'mend it, or drop what cannot be read with bad_lines="drop" (command line: --bad-lines drop)'
            )
        return None if self.form.bad_lines == "drop" else unit.text

    def unasked(self, ids: IdArray) -> Any:
        """Which tweets nobody asked about; users, who have -1, are none."""
        asked = self.erasures.asked_tweets
        if asked is None:
            return np.zeros(len(ids), bool)
        return ~is_in(ids, asked) & (ids >= 0)


class _Objects:
    """Judges pieces of JSON."""

    def __init__(self, reading: Pass) -> None:
        self._reading, self._said = reading, reading.form.said

    def texts(self, block: Sequence[Unit], sifted: Sifted) -> Iterator[str | None]:
        """What is left of each piece."""
        reading = self._reading
        suspects = frozenset(sifted.lines.tolist())
        ids = [self._ids(unit, at in suspects) for at, unit in enumerate(block)]
        unasked = self._unasked(ids)
        flagged = Flagged(*sifted.flagged)
        drop = reading.erasures.unchecked == "drop"
        kept = unchecked = 0
        for at, unit in enumerate(block):
            here = unasked.get(at, frozenset())
            if unit.problem:
                yield reading.unreadable(unit, suspect=at in suspects)
            elif unit.value is None or not (at in suspects or (here and drop)):
                kept += len(ids[at])
                unchecked += len(here)
                yield unit.text
            else:
                known = _all_flagged(unit.value, flagged, reading.erasures) if at in sifted.odd else flagged
                yield self._judged(unit, known, here, drop)
        reading.counts += Counts(kept, kept, rows_unchecked=unchecked)

    def _unasked(self, ids: Sequence[Sequence[int]]) -> dict[int, frozenset[int]]:
        """The pieces with tweets that nobody asked about, and which of their records these are."""
        if self._reading.erasures.asked_tweets is None:
            return {}
        of_piece = np.repeat(np.arange(len(ids)), [len(some) for some in ids])
        flat = np.array([each for some in ids for each in some], np.int64)
        number = np.concatenate([np.arange(len(some)) for some in ids]) if len(flat) else flat
        found: dict[int, set[int]] = {}
        for at in np.flatnonzero(self._reading.unasked(flat)).tolist():
            found.setdefault(int(of_piece[at]), set()).add(int(number[at]))
        return {at: frozenset(some) for at, some in found.items()}

    def _ids(self, unit: Unit, suspect: bool) -> list[int]:
        if unit.value is None:
            return []
        try:
            if suspect and is_deep(unit.value):
                raise UnreadableError("is nested too deeply")
            if suspect:
                json.loads(unit.text, object_pairs_hook=_no_key_twice)
            return own_ids(unit.value, self._said)
        except UnreadableError as error:
            unit.problem = str(error)
            return []

    def _judged(self, unit: Unit, flagged: Flagged, unasked: Collection[int], drop: bool) -> str | None:
        found = look(unit.value, self._said, flagged, unasked, drop_unasked=drop)
        self._reading.counts += found.counts
        if any(row.drop and not row.way for row in found.rows):
            return None
        if found.nulled or found.removed:
            return without(unit.text, found.nulled, found.removed)
        return unit.text


def _all_flagged(value: Any, flagged: Flagged, erasures: Erasures) -> Flagged:
    """What is flagged of all numbers in a value, however they are spelled."""
    numbers = np.array(sorted(numbers_in(value)), np.int64)
    more = {}
    for name in _SETS:
        ids: IdSet = getattr(erasures, name)
        hits = numbers[is_in(numbers, ids)].tolist() if len(ids) and len(numbers) else []
        more[name] = getattr(flagged, name) | frozenset(hits)
    return Flagged(**more)


def _no_key_twice(pairs: list[tuple[str, Any]]) -> None:
    twice = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
    if twice:
        raise UnreadableError(f"has the key {twice[0]!r} twice in one object: readers differ in which one counts")


class _Table:
    """Judges records of CSV."""

    def __init__(self, reading: Pass) -> None:
        self._reading, self._columns = reading, reading.columns
        self._names: list[str] | None = None
        self._at: dict[str, int] = {}
        self._references: tuple[str, ...] = ()
        only = {name: getattr(reading.erasures, name) for name in _SETS}
        self._erasures = Erasures(**only)

    def texts(self, block: Sequence[Unit], sifted: Sifted) -> Iterator[str | None]:
        """What is left of each piece."""
        reading = self._reading
        suspects = frozenset(sifted.lines.tolist())
        ids = np.array([self._id(unit, at in suspects) for at, unit in enumerate(block)], np.int64)
        rows = ids > -2
        unasked = reading.unasked(ids)
        left = self._left([unit for at, unit in enumerate(block) if at in suspects and rows[at]], sifted)
        for at, unit in enumerate(block):
            if unit.problem:
                yield reading.unreadable(unit, suspect=at in suspects)
            elif not rows[at]:
                yield unit.text
            else:
                text, counts = next(left) if at in suspects else (unit.text, _KEPT)
                if unasked[at] and text is not None:
                    counts += Counts(rows_unchecked=1)
                    if reading.erasures.unchecked == "drop":
                        text, counts = None, _UNCHECKED
                reading.counts += counts
                yield text

    def _id(self, unit: Unit, suspect: bool) -> int:
        """The tweet ID of a record; -1 of a user, -2 where it is none."""
        fields = unit.value
        if fields is None:
            return -2
        if self._names is None:
            self._begin(fields)
        if fields == self._names:
            return -2
        assert self._names is not None
        if len(fields) != len(self._names):
            unit.problem = f"has {len(fields):,} fields, and the header has {len(self._names):,}"
            return -2
        if suspect and '"' in unit.text and not quoted_soundly(unit.text, self._reading.form.delimiter):
            unit.problem = "has quotes that make no sense, so that other records may lie in it"
            return -2
        self._must_know_references(unit)
        own = fields[self._at[self._columns.id]]
        found = number(own)
        if found is None:
            rounded = ": a spreadsheet or a float column took its last digits" if is_rounded(own) else ""
            what = f"has {own[:40]!r} where its tweet ID is to be{rounded}" if own.strip() else "has no tweet ID"
            unit.problem = what
            return -2
        return -1 if self._reading.form.users else found

    def _begin(self, names: list[str]) -> None:
        self._names = names
        self._at = {sound(name): at for at, name in enumerate(names)}
        schema = pa.schema([(name, pa.string()) for name in self._at])
        beside = (beside_reference(schema, path, "") for path in self._columns.references)
        self._references = tuple(other.id for other in beside if other is not None)

    def _must_know_references(self, unit: Unit) -> None:
        for name in self._references:
            value = unit.value[self._at[name]]
            if value and not value.isdigit() and "." in value and is_rounded(value) and float(value) > 2**53:
                raise PlanError(
                    f"line {unit.line:,}: {value[:40]!r} in column {name!r} is a rounded number: rows that retweet "
                    "what has to go cannot be found by it. Export the source again with this column as strings, or "
                    f"say that it is to be left alone: columns=cf.Columns(id={self._columns.id!r}, references=[])"
                )

    def _left(self, units: Sequence[Unit], sifted: Sifted) -> Iterator[tuple[str | None, Counts]]:
        """What is left of some records, none of which is a header, and what of each is counted."""
        if not units:
            return
        assert self._names is not None
        columns, said = self._columns, self._reading.form.said
        flagged = Flagged(*sifted.flagged)
        if sifted.odd:
            flagged = _all_flagged([unit.value for unit in units], flagged, self._reading.erasures)
        table = pa.table({name: self._column(at, name, units) for name, at in self._at.items()})
        try:
            found = masks(table, self._without_lists(table), self._erasures)
        except IdError as error:
            line = units[error.row].line if error.row is not None else 0
            raise IdError(f"line {line:,}: {error}", column=error.column, row=error.row, value=error.value) from error
        for at, unit in enumerate(units):
            if found.drop[at] or repeats_gone(dict(zip(self._at, unit.value, strict=True)), said, flagged):
                yield None, Counts(1, 0, 1, kinds=Kinds(**{self._why(unit, flagged): 1}))
                continue
            which = {self._at[path] for path, cells in found.embedded.items() if cells[at]}
            cells = Counter("places" if each.bare[at] else each.kind for each in found.cells.values() if each.some(at))
            counts = Counts(1, 1, rows_scrubbed=int(found.scrub[at]), cells_nulled=len(which), kinds=Kinds.of(cells))
            if found.scrub[at]:
                which |= {self._at[path] for path in columns.geo or ()}
            yield emptied(unit.text, self._reading.form.delimiter, which) if which else unit.text, counts

    def _why(self, unit: Unit, flagged: Flagged) -> Why:
        """Why a record goes that does."""
        told = (self._columns.id, self._columns.author_id)
        own, author = (number(unit.value[self._at[path]]) if path in self._at else None for path in told)
        if author in flagged.drop_authors:
            return "dropped_by_author"
        return "dropped_own" if own in flagged.drop_tweets else "dropped_retweets"

    def _without_lists(self, table: pa.Table) -> Columns:
        """The columns without those of references that hold lists as text: whoever reads objects knows these."""
        listed = {
            name
            for name in self._references
            if any(text and text[:1] == "[" for text in table.column(name).to_pylist())
        }
        references = tuple(path for path in self._columns.references if path not in listed)
        return dataclasses.replace(self._columns, references=references) if listed else self._columns

    def _column(self, at: int, name: str, units: Sequence[Unit]) -> Any:
        values = [unit.value[at] or None for unit in units]
        if name == self._columns.author_id:
            values = [None if value and looks_hashed(value.strip()) else value for value in values]
        return pa.array([value and sound(value) for value in values], pa.string())


def clean_raw(
    source: Path, part: Path, form: RawForm, columns: Columns, erasures: Erasures
) -> tuple[Counts, tuple[str, ...]]:
    """Write what is left of a raw file, packed as it was; what was erased, and what could not be kept as it was."""
    reading = Pass(source, form, columns, erasures)
    with opened(source) as stream:
        packing = stream.packing
    with packed(part, packing) as file:
        writer = Writer(file)
        for unit, text in reading.pieces():
            writer.put(unit, text)
    bad = reading.bad.count if form.bad_lines == "drop" else 0
    notes = (f"{bad:,} line{'s' * (bad != 1)} that could not be read left out, as told",) if bad else ()
    return reading.counts, notes


def read_through(path: Path, form: RawForm, columns: Columns, erasures: Erasures) -> Pass:
    """One reading of a raw file to its end, which counts what would become of it."""
    reading = Pass(path, form, columns, erasures)
    for _ in reading.pieces():
        pass
    return reading


def must_be_readable(bad: dict[str, Bad], bad_lines: BadLines) -> None:
    """Refuse files with lines that cannot be read, where nobody said what becomes of those.

    >>> must_be_readable({"a.jsonl": Bad(2, 7, "is not JSON")}, "error")
    Traceback (most recent call last):
    compliance_frames.errors.PlanError: a.jsonl, line 7 is not JSON (2 lines in 1 file cannot be read): mend or ...
    """
    wrong = {name: each for name, each in bad.items() if each.count}
    if not wrong or bad_lines != "error":
        return
    name, first = next(iter(wrong.items()))
    count = sum(each.count for each in wrong.values())
    raise PlanError(
        f"{name}, line {first.line:,} {first.why} ({count:,} line{'s' * (count != 1)} in {len(wrong):,} "
        f"file{'s' * (len(wrong) != 1)} cannot be read): mend or fetch what is damaged, or say what becomes of such "
        'lines with bad_lines="keep" or bad_lines="drop" (command line: --bad-lines keep)'
    )
