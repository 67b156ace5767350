"""How a raw file is to be read, and where in its records the IDs and places are: seen in the first of them, or told."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from compliance_frames.corpus.columns import Columns
from compliance_frames.corpus.ecosystems import REFERENCE_LISTS
from compliance_frames.corpus.rawobjects import placed
from compliance_frames.corpus.texts import tell_of_tweets
from compliance_frames.corpus.told import Told
from compliance_frames.ids.parse import looks_hashed
from compliance_frames.raw.forms import seen_in, units_of
from compliance_frames.raw.packed import opened
from compliance_frames.raw.records import keys_of, must_be_clear, tweet_in
from compliance_frames.raw.units import Unit, sound
from compliance_frames.schemas import BadLines, RawKind


@dataclass(frozen=True)
class RawForm:
    """How a raw file is read.

    Attributes:
        kind: a value of JSON in each line; values wherever they end, and elements of lists; or records of a table.
        delimiter: what stands between the fields of a table.
        users: whether it is a table of users.
        bare: whether it holds nothing but tweets' IDs: whose they are is known by other files, if at all.
        bad_lines: what becomes of lines that cannot be read.
        said: what was told of its columns, or keys.
    """

    kind: RawKind
    delimiter: str = ""
    users: bool = False
    bare: bool = False
    bad_lines: BadLines = "error"
    said: Told = field(default_factory=Told)

    def to_dict(self) -> dict[str, Any]:
        """The same, as JSON has it."""
        return json.loads(json.dumps(dataclasses.asdict(self)))  # type: ignore[no-any-return]


def understood(path: Path, said: Told, bad_lines: BadLines) -> tuple[RawForm, Columns] | None:
    """How a file is to be read, and where its tweets' IDs are; None where no tweets are seen in it.

    Raises:
        PlanError: there are tweets, and it is not clear which key or column is their ID.
        RawFileError: the file cannot be read.
    """
    seen = seen_in(path, said.id_column if said.columns is None else said.columns.id)
    if seen is None:
        return None
    form = RawForm(seen.kind, seen.delimiter, seen.users, seen.bare, bad_lines, said)
    found = _table_columns(seen.records, said) if seen.kind == "csv" else _columns_of(seen.records, said)
    if seen.users:
        found = dataclasses.replace(found, author_id=found.id if seen.kind == "csv" else found.author_id or found.id)
    return form, found


def has_column(path: Path, form: RawForm, column: str) -> bool:
    """Whether a file has a column, or a key somewhere in its JSON, of that name; it is read as far as to the first.

    Raises:
        RawFileError: the file cannot be read.
    """
    keys = {column, column.rpartition(".")[2]}
    spelled = {json.dumps(key, ensure_ascii=each)[1:] for key in keys for each in (True, False)}
    with opened(path) as stream:
        units = units_of(form.kind, form.delimiter, stream)
        if form.kind == "csv":
            return column in map(sound, next(iter(units), Unit("", 1)).value or ())
        return any(key in unit.text for unit in units for key in spelled)


def _columns_of(records: Sequence[dict[str, Any]], said: Told) -> Columns:
    """Where IDs and places are in some records, as a manifest has it."""
    if said.columns is not None:
        return said.columns
    path, author, places = said.id_column, said.author_column, dict[str, None]()
    for record in records:
        inside, tweet = tweet_in(record)
        keys = keys_of(tweet)
        must_be_clear(keys) if said.id_column is None else None
        above = "".join(f"{step}." for step in inside)
        path = path or (f"{above}{keys.ids[0]}" if keys.ids else None)
        people = [name for name in ("user", "author", "actor") if isinstance(tweet.get(name), dict)]
        nested = next((f"{name}.{key}" for name in people for key in ("id_str", "id") if key in tweet[name]), None)
        found = keys.authors[0] if keys.authors else nested
        author = author or (f"{above}{found}" if found else None)
        places |= dict.fromkeys(f"{above}{name}" for name in placed(tweet))
    geo = tuple(said.geo) if said.geo is not None else tuple(places)
    known = geo if geo or said.geo is not None else None
    return Columns(path or "id", author, geo=known, references=REFERENCE_LISTS)


def _table_columns(rows: Sequence[dict[str, str]], said: Told) -> Columns:
    """The columns of a table: by their names, and text with other tweets in it by its first values."""
    rows = [{sound(name): sound(value) for name, value in row.items()} for row in rows]
    names = list(rows[0])
    found = said.find(pa.schema([(name, pa.string()) for name in names]))
    values = {name: [row[name] for row in rows] for name in names}
    author = found.author_id
    if author is not None and not said.says_author and any(looks_hashed(text.strip()) for text in values[author]):
        found = dataclasses.replace(found, author_id=None)
    if not said.says("embedded"):
        known = {found.id, author, found.created_at, *(found.geo or ()), *found.references, *found.embedded}
        more = [
            name
            for name in names
            if name not in known and name not in ("text", "full_text") and tell_of_tweets(pa.array(values[name]))
        ]
        found = dataclasses.replace(found, embedded=(*found.embedded, *more))
    return found
