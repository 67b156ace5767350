"""Decide what becomes of a value of raw JSON: which of its tweets go, and what of those that stay.

A value is one tweet, wrapped perhaps, or an answer of the service with a list of them. Nothing is written here: the
ways to what goes are told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any, Final

import pyarrow as pa

from compliance_frames.corpus import rawobjects
from compliance_frames.corpus.columns import Columns
from compliance_frames.corpus.ecosystems import QUOTES, TEXTS
from compliance_frames.corpus.flat import Beside
from compliance_frames.corpus.kinds import CellKind
from compliance_frames.corpus.objects import parsed
from compliance_frames.corpus.rawnamed import named_at, named_by
from compliance_frames.corpus.rawverdicts import Flagged, Look, Row, Why
from compliance_frames.corpus.texts import begins_as_object, judged
from compliance_frames.corpus.told import Told
from compliance_frames.raw.records import (
    Object,
    authors_of,
    dug,
    is_empty,
    is_rounded,
    keys_of,
    must_be_clear,
    number,
    numbers,
    records_in,
    tweet_in,
)
from compliance_frames.raw.spans import Way
from compliance_frames.raw.units import sound

#: What an answer brings beside its tweets: in which of its lists, under which key its name stands there, and where in
#: a tweet those names are that belong to it.
_BELONGINGS: Final = (
    ("media", "media_key", ("attachments", "media_keys")),
    ("polls", "id", ("attachments", "poll_ids")),
    ("places", "id", ("geo", "place_id")),
)


class UnreadableError(ValueError):
    """Something is no tweet, and nothing else that is known; why, in words."""


def own_ids(value: Any, said: Told) -> list[int]:
    """The IDs of the records in a value: of tweets, -1 for a user.

    Raises:
        UnreadableError: one has none, or it cannot be read.
        PlanError: a record has several keys that could be the one.

    >>> own_ids({"data": [{"id": "7", "text": ""}, {"id": "8", "username": "somebody"}]}, Told())
    [7, -1]
    """
    return [_own_id(record, said) for _, record in records_in(value)]


def _own_id(record: Any, said: Told) -> int:
    if not isinstance(record, dict):
        raise UnreadableError("is no object")
    told = _told_id(said)
    if told is not None:
        values = [dug(record, told)[1]]
    else:
        tweet = tweet_in(record)[1]
        keys = keys_of(tweet)
        must_be_clear(keys)
        values = [tweet[name] for name in keys.ids]
        if keys.person and values:
            return -1
    for value in values:
        found = number(value)
        if found is not None and not isinstance(value, float):
            return found
    spelled = next((value for value in values if value is not None), None)
    if spelled is None:
        raise UnreadableError("has no tweet ID")
    rounded = ": a spreadsheet or a float column took its last digits" if is_rounded(spelled) else ""
    raise UnreadableError(f"has {str(spelled)[:40]!r} where its tweet ID is to be{rounded}")


def _told_id(said: Told) -> str | None:
    return said.id_column if said.columns is None else said.columns.id


def _told_author(said: Told) -> str | None:
    return said.author_column if said.columns is None else said.columns.author_id


def look(
    value: Any, said: Told, flagged: Flagged, unasked: Collection[int] = (), *, drop_unasked: bool = False
) -> Look:
    """What becomes of a value.

    Args:
        value: of which every record has an ID.
        said: what was told of its keys.
        flagged: the flagged IDs that may stand in it.
        unasked: the numbers of records that nobody asked about.
        drop_unasked: whether these go.

    >>> found = look({"id": 7, "geo": {"place_id": "x"}}, Told(), Flagged(scrub_tweets=frozenset({7})))
    >>> found.rows, found.nulled
    ([Row(way=(), drop=False, unchecked=False, scrub=True, why=None, cells=Counter())], [('geo',)])
    """
    found = Look()
    records = records_in(value)
    for at, (way, record) in enumerate(records):
        one = _Record(record, way, said, flagged)
        row = one.row()
        row.unchecked = at in unasked and not row.drop
        if row.unchecked and drop_unasked:
            row.drop, row.why, row.cells = True, "dropped_unchecked", Counter()
            row.scrub = False
        found.rows.append(row)
        if row.drop:
            found.removed += [way] if way else []
        else:
            found.nulled += one.nulled
            found.removed += one.removed
    if isinstance(value, dict) and not (len(records) == 1 and not records[0][0]):
        _beside(value, records, found, said, flagged)
    return found


def repeats_gone(record: Object, said: Told, flagged: Flagged) -> bool:
    """Whether a record repeats a tweet that has to go, by what it says of the tweets that it names.

    >>> repeats_gone({"id": 7, "text": "", "retweeted_id": "8"}, Told(), Flagged(drop_tweets=frozenset({8})))
    True
    """
    inside, tweet = tweet_in(record)
    if said.says_references:
        above = "".join(f"{step}." for step in inside)
        told = (said.columns or Columns("")).references
        found = (named_at(tweet, path.removeprefix(above), dug(record, path)[1]) for path in told)
        return any(map(flagged.repeated, found))
    some = [tweet] if tweet is record else [tweet, record]
    return any(flagged.repeated(named_by(each)) for each in some)


class _Record:
    """One record: the tweet in it, and what lies in that."""

    def __init__(self, record: Object, way: Way, said: Told, flagged: Flagged) -> None:
        self.record, self.way, self.said, self.flagged = record, way, said, flagged
        inside, self.tweet = tweet_in(record)
        self.inside = (*way, *inside)
        self.nulled: list[Way] = []
        self.removed: list[Way] = []
        self.cells: Counter[CellKind] = Counter()
        self._repeats = False

    def row(self) -> Row:
        """What becomes of it."""
        row = Row(self.way)
        row.why = self._gone() or ("dropped_retweets" if repeats_gone(self.record, self.said, self.flagged) else None)
        if row.why is None:
            self._walk(self.record, self.way, "")
            row.why = "dropped_retweets" if self._repeats else None
        row.drop = row.why is not None
        if row.drop:
            return row
        places = self._places() if self._is_bare() else []
        row.scrub = bool(places)
        self.nulled += places
        self._quotes_flat()
        row.cells = self.cells
        return row

    def _gone(self) -> Why | None:
        """Why it goes by itself; None where it does not."""
        ids = self._ids()
        if (ids if keys_of(self.tweet).person else self._authors()) & self.flagged.drop_authors:
            return "dropped_by_author"
        return "dropped_own" if ids & self.flagged.drop_tweets else None

    def _is_bare(self) -> bool:
        return bool(self._ids() & self.flagged.scrub_tweets or self._authors() & self.flagged.scrub_authors)

    def _ids(self) -> set[int]:
        path = _told_id(self.said)
        if path is None:
            return numbers(self.tweet, keys_of(self.tweet).ids)
        found = number(dug(self.record, path)[1])
        return set() if found is None else {found}

    def _authors(self) -> set[int]:
        path = _told_author(self.said)
        if path is None:
            return authors_of(self.tweet) | (authors_of(self.record) if self.tweet is not self.record else set())
        found = number(dug(self.record, path)[1])
        return set() if found is None else {found}

    def _places(self) -> list[Way]:
        told = self.said.geo if self.said.columns is None else self.said.columns.geo
        if told is not None and (self.said.columns is None or self.said.columns.says("geo")):
            ways = [(way, value) for way, value in (dug(self.record, path) for path in told) if way is not None]
            return [(*self.way, *way) for way, value in ways if not is_empty(value)]
        found: list[Way] = [(*self.inside, name) for name in rawobjects.placed(self.tweet)]
        if self.tweet is not self.record:
            found += [(*self.way, name) for name in rawobjects.placed(self.record)]
        includes = self.record.get("includes")
        if isinstance(includes, dict) and not is_empty(includes.get("places")):
            found.append((*self.way, "includes", "places"))
        return found

    def _names(self, other: Beside, *, scrub: bool) -> bool:
        """Whether the other tweet that is told of in keys of the tweet has to go, or loses its places."""
        tweets = self.flagged.scrub_tweets if scrub else self.flagged.drop_tweets
        authors = self.flagged.scrub_authors if scrub else self.flagged.drop_authors
        named = number(self.tweet.get(other.id)) in tweets
        return named or (other.author is not None and number(self.tweet.get(other.author)) in authors)

    def _quotes_flat(self) -> None:
        """Null what keys of the tweet hold of one that it quotes, and that has to go."""
        for other in () if self.said.says("embedded") else rawobjects.others_of(self.tweet).quoted:
            which: tuple[str, ...] = ()
            if self._names(other, scrub=False):
                which = other.content
            elif self._names(other, scrub=True):
                which = other.places
            cells = [name for name in which if not isinstance(self.tweet[name], dict) and self.tweet[name] is not None]
            self.nulled += [(*self.inside, name) for name in cells]
            self.cells.update("places" if name in other.places else "quotes" for name in cells)

    def _walk(self, value: Any, way: Way, name: str, *, of_tweet: bool = False) -> None:
        """Look at everything inside of a value; ``name`` is the key that it stands under, or its list."""
        if isinstance(value, dict):
            beside_id = way == self.inside or of_tweet
            for key, each in value.items():
                self._visit(each, (*way, key), key, beside_id)
        elif isinstance(value, list):
            for at, each in enumerate(value):
                self._visit(each, (*way, at), name, False)

    def _visit(self, value: Any, way: Way, name: str, beside_id: bool) -> None:
        if isinstance(value, str):
            self._text(value, way, name)
        if not isinstance(value, dict | list) or way == self.inside:
            self._walk(value, way, name)
            return
        if isinstance(value, list):
            self._walk(value, way, name)
            return
        other = self._is_other(value, way, name, beside_id)
        if other and self._is_other_gone(value):
            if self._is_row_s_original(way):
                self._repeats = True
            self._take(way, "quotes" if name in QUOTES else "embedded")
            return
        if rawobjects.is_profile(name, value) and numbers(value, keys_of(value).ids) & (self.flagged.drop_authors):
            self._take(way, "accounts")
            return
        if other and self.flagged.bare(value, keys_of(value).ids):
            places = rawobjects.placed(value)
            self.nulled += [(*way, place) for place in places]
            self.cells["places"] += bool(places)
        self._walk(value, way, name, of_tweet=other)

    def _is_other(self, value: Object, way: Way, name: str, beside_id: bool) -> bool:
        if self.said.says("embedded"):
            told = (self.said.columns or Columns("")).embedded
            return ".".join(str(step) for step in way[len(self.way) :] if isinstance(step, str)) in told
        return rawobjects.is_other_tweet(name, value, beside_id=beside_id)

    def _is_other_gone(self, value: Object) -> bool:
        """Whether another tweet has to go: it was flagged, or it repeats one that was."""
        waiting = [value]
        while waiting:
            each = waiting.pop()
            if self.flagged.gone(each, keys_of(each).ids) or self.flagged.repeated(named_by(each)):
                return True
            for name, original in each.items():
                told = parsed(original) if isinstance(original, str) and rawobjects.is_original(name) else original
                if isinstance(told, dict) and rawobjects.is_original(name):
                    waiting += [told] if rawobjects.is_other_tweet(name, told, beside_id=True) else []
        return False

    def _is_row_s_original(self, way: Way) -> bool:
        return way[:-1] in (self.inside, self.way) and isinstance(way[-1], str) and rawobjects.is_original(way[-1])

    def _take(self, way: Way, kind: CellKind) -> None:
        (self.removed if isinstance(way[-1], int) else self.nulled).append(way)
        self.cells[kind] += 1

    def _text(self, value: str, way: Way, name: str) -> None:
        """Look into a text that holds another tweet as JSON."""
        if name in TEXTS or not begins_as_object(value):
            return
        path = ".".join(str(step) for step in way[len(self.inside) :])
        ids = self._ids()
        own = pa.array([min(ids) if ids else None], pa.int64())
        repeats, cells = judged(pa.chunked_array([[sound(value)]]), path, own, self.flagged.erasures)
        self._repeats = self._repeats or bool(repeats[0])
        if cells[0]:
            self._take(way, "quotes" if name in QUOTES else "embedded")


def _beside(value: Object, records: list[tuple[Way, Object]], found: Look, said: Told, flagged: Flagged) -> None:
    """What an answer holds beside its tweets: other tweets, users, and what belonged to those that went."""
    rest = {name: each for name, each in value.items() if not any(way[:1] == (name,) for way, _ in records)}
    beside = _Record(rest, (), said, flagged)
    beside.inside, beside.tweet = ("",), {}
    beside._walk(rest, (), "")
    found.nulled += beside.nulled
    found.removed += beside.removed
    found.cells = beside.cells
    includes = value.get("includes")
    if isinstance(includes, dict):
        found.removed += _orphans(includes, list(_stances(value, records, found)))


def _stances(value: Object, records: list[tuple[Way, Object]], found: Look) -> Iterator[tuple[Object, bool, bool]]:
    """Every tweet of an answer, whether it goes, and whether it loses its places."""
    for (_, record), row in zip(records, found.rows, strict=True):
        yield record, row.drop, row.drop or row.scrub
    others = value["includes"].get("tweets")
    for at, other in enumerate(others if isinstance(others, list) else ()):
        way: Way = ("includes", "tweets", at)
        if isinstance(other, dict):
            bare = any(each[: len(way)] == way for each in found.nulled)
            yield other, way in found.removed, way in found.removed or bare


def _orphans(includes: Object, stances: list[tuple[Object, bool, bool]]) -> Iterator[Way]:
    """What belonged to tweets that went, or to those that lost their places, and to none that stays."""
    for kind, named, (above, below) in _BELONGINGS:
        gone, left = set[str](), set[str]()
        for tweet, goes, bare in stances:
            outer = tweet.get(above)
            names = outer.get(below) if isinstance(outer, dict) else None
            told = {str(name) for name in (names if isinstance(names, list) else [names])}
            (gone if goes or (kind == "places" and bare) else left).update(told)
        listed = includes.get(kind)
        for at, each in enumerate(listed if isinstance(listed, list) else ()):
            if isinstance(each, dict) and str(each.get(named)) in gone - left:
                yield "includes", kind, at
