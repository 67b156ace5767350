"""Which other tweets and users raw records name or hold: they are asked about, as those that rows of Parquet name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from compliance_frames.corpus import rawobjects
from compliance_frames.corpus.columns import Columns
from compliance_frames.corpus.dataset import list_files
from compliance_frames.corpus.ecosystems import QUOTES, TEXTS
from compliance_frames.corpus.rawform import RawForm, understood
from compliance_frames.corpus.rawnamed import Named as NamedTweet
from compliance_frames.corpus.rawnamed import named_at, named_by
from compliance_frames.corpus.rawobjects import is_reference_list
from compliance_frames.corpus.referenced import Named, named_in_table
from compliance_frames.corpus.spots import by_name
from compliance_frames.corpus.texts import begins_as_object, tweets_in
from compliance_frames.corpus.told import Told
from compliance_frames.errors import PlanError
from compliance_frames.ids.naming import plain
from compliance_frames.ids.sets import unique
from compliance_frames.raw.forms import units_of
from compliance_frames.raw.names import may_be_raw
from compliance_frames.raw.packed import opened
from compliance_frames.raw.records import Object, authors_of, dug, keys_of, number, numbers, records_in, tweet_in
from compliance_frames.raw.units import Unit, blocks, sound
from compliance_frames.schemas import JobType

_QUOTES: Final = frozenset(map(plain, QUOTES))
#: Whoever stands so beside a tweet has written it.
_AUTHORS: Final = frozenset({"user", "author", "actor"})
#: IDs that are held before they are handed on.
_MANY: Final = 1 << 16


def referenced_in_raw(source: Any, said: Told, types: Iterable[JobType]) -> Iterator[Named]:
    """The other tweets and users that the raw files of a source name or hold, in parts; none of what is no path.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "a.jsonl")
    >>> _ = path.write_text('{"id": 7, "text": "", "referenced_tweets": [{"type": "quoted", "id": "8"}]}')
    >>> list(referenced_in_raw(path, Told(), ["tweets"]))
    [('tweets', 'quoted', array([8]))]
    """
    wanted = frozenset(types)
    for path in _raw_files(source):
        try:
            found = understood(path, said, "keep")
        except PlanError:  # nobody knows which are its IDs: whoever reads these says so
            continue
        if found is not None and not found[0].bare:
            form, columns = found
            yield from _of_table(path, form, columns, wanted) if form.kind == "csv" else _of_json(path, form, wanted)


def _raw_files(source: Any) -> Iterator[Path]:
    path = Path(source) if isinstance(source, str | Path) else None
    if path is not None and path.is_dir():
        listing = list_files(path)
        named = (each.path for each in listing.files if not each.parquet and may_be_raw(each.path))
        yield from (listing.root / name for name in named)
    elif path is not None and path.is_file() and may_be_raw(path.name):
        yield path


def _of_table(path: Path, form: RawForm, columns: Columns, types: frozenset[JobType]) -> Iterator[Named]:
    """What a table names, a block of its records at a time, as a table of Parquet would."""
    names: list[str] = []
    with opened(path) as stream:
        for block in blocks(units_of("csv", form.delimiter, stream)):
            names = names or next((unit.value for unit in block if unit.value), [])
            rows = [unit.value for unit in block if unit.value and unit.value != names]
            rows = [row for row in rows if len(row) == len(names)]
            if rows:
                cells = zip(names, zip(*rows, strict=True), strict=True)
                table = pa.table({sound(name): [sound(text) or None for text in texts] for name, texts in cells})
                yield from named_in_table(table, columns, form.said, types)
                yield from _in_rows(names, rows, columns, form.said, types)


def _in_rows(
    names: list[str], rows: list[list[str]], columns: Columns, said: Told, types: frozenset[JobType]
) -> Iterator[Named]:
    """What records of a table say of others in ways that its columns do not: lists as text, other words, its look."""
    told = columns.references if said.says_references else None
    paths = [name for name in names if name in columns.references or (told is None and is_reference_list(name))]
    seen = Seen(types)
    for row in rows:
        record = dict(zip(names, row, strict=True))
        if any(record[path] for path in paths):
            each = (
                named_by(record) if told is None else chain(*(named_at(record, path, record[path]) for path in paths))
            )
            seen.take_all(each)
    yield from seen.parts()


def _of_json(path: Path, form: RawForm, types: frozenset[JobType]) -> Iterator[Named]:
    seen = Seen(types, form.said)
    with opened(path) as stream:
        for block in blocks(units_of(form.kind, "", stream)):
            for unit in block:
                _look(unit, seen)
            if seen.count > _MANY:
                yield from seen.parts()
    yield from seen.parts()


def _look(unit: Unit, seen: Seen) -> None:
    if not isinstance(unit.value, dict | list):
        return
    try:
        records = records_in(unit.value)
        for _, record in records:
            if isinstance(record, dict):
                seen.record(record)
        if not (len(records) == 1 and not records[0][0]):
            seen.beside(unit.value, {id(record) for _, record in records})
    except RecursionError:  # a plan refuses it by its line
        return


@dataclass
class Seen:
    """The IDs that were found so far.

    Attributes:
        types: those that are wanted.
        said: what was told of keys.
        count: how many there are.
    """

    types: frozenset[JobType]
    said: Told = field(default_factory=Told)
    count: int = 0
    _found: dict[tuple[JobType, str], set[int]] = field(default_factory=dict)

    def parts(self) -> Iterator[Named]:
        """What was found, which is forgotten with it."""
        for (type, kind), ids in self._found.items():
            if type in self.types and ids:
                yield type, kind, unique(np.array(sorted(ids - {0}), np.int64))
        self._found, self.count = {}, 0

    def take(self, kind: str, tweets: Iterable[int], authors: Iterable[int] = ()) -> None:
        """One more tweet, and whose it is."""
        for type, ids in (("tweets", tweets), ("users", authors)):
            some = self._found.setdefault((type, kind), set())  # type: ignore[arg-type]
            before = len(some)
            some.update(ids)
            self.count += len(some) - before

    def take_all(self, named: Iterable[NamedTweet]) -> None:
        """Tweets that one names."""
        for each in named:
            self.take(each.kind or "referenced", each.tweets, each.authors)

    def record(self, record: Object) -> None:
        """What one record names or holds."""
        way, tweet = tweet_in(record)
        if not keys_of(tweet).person:
            self._names(record, tweet, ".".join(map(str, way)))
        for told in [tweet] if tweet is record else [tweet, record]:
            for key, each in told.items():
                if each is not tweet:
                    self._inside(each, key, key if told is record else f"{way[0]}.{key}", told)

    def beside(self, value: Any, known: set[int]) -> None:
        """What an answer holds beside its records."""
        for key, each in value.items() if isinstance(value, dict) else ():
            for one in each if isinstance(each, list) else [each]:
                if id(one) not in known:
                    self._inside(one, key, key, {})

    def _names(self, record: Object, tweet: Object, inside: str) -> None:
        if not self.said.says_references:
            self.take_all(named_by(tweet))
            if tweet is not record:
                self.take_all(named_by(record))
        else:
            told = (self.said.columns or Columns("")).references
            for path in told:
                self.take_all(named_at(tweet, path.removeprefix(f"{inside}."), dug(record, path)[1]))
            if not told:
                return
        self._names_flat(tweet)

    def _names_flat(self, tweet: Object) -> None:
        """Those that keys of the tweet say it quotes or replies to."""
        for type, kind, key, only in _flat_keys(tuple(tweet), keys_of(tweet).wrapper):
            found = number(tweet[key])
            if found is not None and (only is None or tweet.get(only[0]) == only[1]):
                self.take(kind, *(([found], ()) if type == "tweets" else ((), [found])))

    def _inside(self, value: Any, name: str, path: str, above: Object) -> None:
        """What lies in a value that stands under a key, or in a list under it."""
        if isinstance(value, list):
            for each in value:
                self._inside(each, name, path, above)
        elif isinstance(value, dict):
            other = self._is_other(value, name, path, above)
            if other:
                kind = _kind_of(name, value)
                self.take(kind, numbers(value, keys_of(value).ids), authors_of(value))
                self.take_all(each for each in named_by(value) if each.repeated)
            elif name not in _AUTHORS and rawobjects.is_profile(name, value):
                self.take("embedded", (), numbers(value, keys_of(value).ids))
            for key, each in value.items():
                if isinstance(each, dict | list | str):
                    self._inside(each, key, f"{path}.{key}", value if other else {})
        elif isinstance(value, str) and name not in TEXTS and begins_as_object(value):
            self._text(value, name)

    def _is_other(self, value: Object, name: str, path: str, above: Object) -> bool:
        if self.said.says("embedded"):
            return path in (self.said.columns or Columns("")).embedded
        if name == "object" and above.get("verb", "share") != "share":  # an activity's own tweet
            return False
        return rawobjects.is_other_tweet(name, value, beside_id=bool(above))

    def _text(self, value: str, name: str) -> None:
        if is_reference_list(name):  # told of by whoever holds it
            return
        for tweets, users, way, says in tweets_in(pa.array([sound(value)])):
            self.take(says or _kind_of(way[-1] if way else name, {}), tweets, users)


def _kind_of(name: str, value: Object) -> str:
    if rawobjects.is_original(name):
        return "retweeted"
    if plain(name) in _QUOTES:
        return "quoted"
    said = next(named_by({"referenced_tweets": value}), None) if is_reference_list(name) else None
    return (said.kind if said is not None else None) or "embedded"


@lru_cache(maxsize=4096)
def _flat_keys(names: tuple[str, ...], wrapper: str) -> tuple[tuple[JobType, str, str, tuple[str, str] | None], ...]:
    """The keys of a tweet that say whom it quotes, or replies to, and what else they say of it."""
    schema = pa.schema([(name, pa.string()) for name in names if sound(name) == name])
    return tuple((spot.type, spot.kind or "referenced", spot.column, spot.only) for spot in by_name(schema, wrapper))
