"""Other tweets that stand in text, as JSON or as Python shows its objects: which cells hold what has to go.

A column of such text is read where a plan would read nothing: no statistics tell what is in it. So its cells are
sieved first, all at once: only of those that look like an object, and in which digits spell a flagged ID, is the text
parsed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from numpy.typing import NDArray

from compliance_frames.corpus.accounts import holds_account
from compliance_frames.corpus.arrays import Mask, words
from compliance_frames.corpus.ecosystems import (
    FLAGS,
    QUOTES,
    REFERENCE_LISTS,
    REPEATED,
    RETWEETS,
    TEXTS,
    WRAPPERS,
    is_place,
)
from compliance_frames.corpus.erasures import Erasures
from compliance_frames.corpus.flat import beside_content
from compliance_frames.corpus.objects import all_of, each_in, objects, parsed, unparsed
from compliance_frames.corpus.paths import is_text
from compliance_frames.corpus.references import BEGINS, kind_of, word_of
from compliance_frames.corpus.within import bare_type
from compliance_frames.ids.naming import plain
from compliance_frames.ids.slices import IdSet, bounds, is_in

#: The functions that no stub lists yet.
_compute: Any = pc

#: A row repeats what has to go, and goes with it; or its text holds some of it, and is nulled.
Verdict = Literal["repeats", "holds"]

#: Columns that by their names hold other tweets.
NAMED: Final = frozenset(map(plain, {*REFERENCE_LISTS, *RETWEETS, *QUOTES, "includes"} - {"object"}))

#: Keys as :func:`~compliance_frames.ids.naming.plain` spells them.
_TWEET_KEYS: Final = frozenset({"id", "idstr", "tweetid", "tweetidstr", "statusid", "statusidstr"})
_AUTHOR_KEYS: Final = frozenset({"authorid", "authoridstr", "userid", "useridstr", "fromuserid"})
_PEOPLE: Final = frozenset({"user", "author", "actor"})
_TEXT_KEYS: Final = frozenset(map(plain, TEXTS))
_RETWEET_KEYS: Final = frozenset(map(plain, RETWEETS))
_REFERENCE_KEYS: Final = frozenset(map(plain, REFERENCE_LISTS))
_REPEATED_KEYS: Final = frozenset(plain(each.id) for each in REPEATED if not each.kind and "." not in each.id)
_PAIRED_KEYS: Final = {plain(each.id): plain(each.kind) for each in REPEATED if each.open}
_HOLDS_TWEETS: Final = re.compile(
    r"((twitter_)?quoted|retweeted)_?(tweet|status)|tweets?|data|status(es)?", re.IGNORECASE
)
_ID: Final = re.compile(r"\s*(?:tag:search\.twitter\.com,2005:|id:twitter\.com:|x)?0*([0-9]{1,19})\s*", re.ASCII)

_MOST_DIGITS: Final = 19
#: Whole numbers below it have lost no digits where a tool gave them a point.
_EXACT: Final = 2**53
#: How texts begin that may hold objects; as Arrow searches for them.
_OBJECT: Final = r"^[\x{FEFF}\x1e \t\r\n]*(?:[\[{\"]|[A-Za-z_]+\()"
_TELLING: Final = re.compile(r"[\ufeff\x1e \t\r\n]*(?:\\*\"){0,3}(\{\s*\\*[\"']|\[\s*\{|\[?\w*(Tweet|Status)\w*\()")
_BEGINS: Final = re.compile(r"[\ufeff\x1e \t\r\n]*(?:(?:\\*\"){0,3}\s*[\[{]|\w*(?:Tweet|Status)\w*\()")
_LABEL: Final = "(?:(?:tweet|status|author|rest|(?:from_?)?user)_?)?id(?:_?str)?"
_LABELLED: Final = re.compile(
    rf"(?<!\w){_LABEL}\\*[\"']?\s*[:=]\s*\\*[\"']?(?:tag:search\.twitter\.com,2005:)?0*([1-9][0-9]*)",
    re.ASCII | re.IGNORECASE,
)
_PLACED: Final = re.compile(r"(?<!\w)(?:geo|place|coordinates)\\*[\"']?\s*[:=]\s*(?!null|None|nan)", re.ASCII)


def is_read(schema: pa.Schema, path: str) -> bool:
    """Whether a column of embedded tweets is one of text that is to be looked into.

    A flat column is not whose name says that it goes with another tweet's ID, unless it holds whole tweets by its name.

    >>> schema = pa.schema({"quoted_id": pa.int64(), "quoted_text": pa.string(), "quoted_status": pa.string()})
    >>> [is_read(schema, path) for path in schema.names]
    [False, False, True]
    """
    if not holds_text(bare_type(schema, path)):
        return False
    return plain(path.rpartition(".")[2]) in NAMED or beside_content(schema, path) is None


def names_others(path: str) -> bool:
    """Whether a column of text by its name says of its row how that stands to other tweets, and to which.

    >>> names_others("data.referencedTweets"), names_others("quoted_status")
    (True, False)
    """
    return plain(path.rpartition(".")[2]) in _REFERENCE_KEYS


def is_beside(path: str) -> bool:
    """Whether a column stands beside the row's own tweet, by its path: then what it says is said of that one.

    >>> is_beside("data.referenced_tweets"), is_beside("quoted_status.referenced_tweets")
    (True, False)
    """
    return path.rpartition(".")[0] in WRAPPERS


def holds_text(kind: Any) -> bool:
    """Whether a type is text, or bytes that may be.

    >>> holds_text(pa.string()), holds_text(pa.binary()), holds_text(pa.int64())
    (True, True, False)
    """
    kind = kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind  # as DuckDB's JSON
    bare = kind.value_type if pt.is_dictionary(kind) else kind
    return is_text(kind) or bool(pt.is_binary(bare) or pt.is_large_binary(bare) or pt.is_binary_view(bare))


def begins_as_object(text: str) -> bool:
    """Whether a text may be objects as JSON, in strings of it too, or as Python shows them.

    >>> [begins_as_object(text) for text in ('{"id": 7}', '"{\\\\"id\\\\": 7}"', "Tweet(id=7)", '"so {it} goes"')]
    [True, True, True, False]
    """
    return _BEGINS.match(text) is not None


def tell_of_tweets(values: Any) -> bool:
    """Whether some of these texts are objects in which a tweet may be, by the names of what they hold.

    >>> tell_of_tweets(pa.array(["hello", '{"id": 7, "text": "…"}'])), tell_of_tweets(pa.array(["[live] id: 7"]))
    (True, False)
    >>> import json
    >>> tell_of_tweets(pa.array([json.dumps(json.dumps('{"id": 7, "text": "…"}'))]))
    True
    >>> tell_of_tweets(pa.array(['{"mentions": [{"username": "somebody", "id": "7"}]}']))
    False
    """
    texts = (text for text in _plain(values).to_pylist() if text)
    return any(_TELLING.match(text) and _LABELLED.search(text) and _tells(text) for text in texts)


def _tells(text: str) -> bool:
    told = parsed(text)
    return told is None or any(_may_be_tweet(way, fields) for way, fields in objects(told))


def _may_be_tweet(way: Sequence[str], fields: dict[str, Any]) -> bool:
    """Whether an object is judged by the IDs in it, where it has any."""
    here = way[-1] if way else ""
    if plain(here) in _REFERENCE_KEYS or _is_reference(fields):
        return True
    named = (
        not way
        or _is_whole(fields)
        or holds_account(here, map(str, fields))
        or _HOLDS_TWEETS.fullmatch(here) is not None
    )
    return named and bool((_TWEET_KEYS | _AUTHOR_KEYS | _PEOPLE) & set(map(plain, fields)))


def judged(
    values: Any, path: str, own: Any, erasures: Erasures, look: Mask | None = None
) -> tuple[Mask, NDArray[np.int64]]:
    """For each row whether its text says that it repeats a tweet which goes, and how many cells are to be nulled.

    Args:
        values: a column of text.
        path: of the column; its name says what the outermost object is.
        own: the ID of each row's own tweet, null where there is none.
        erasures: what has to go.
        look: which rows look like retweets, where the column names tweets and may not say how its row stands to them.

    >>> values = pa.chunked_array([['{"id": 7, "text": "…"}', '{"in_reply_to_status_id": 7}', None]])
    >>> goes, cells = judged(values, "quoted_status", pa.array([1, 2, 3]), Erasures(drop_tweets=np.array([7])))
    >>> goes.tolist(), cells.tolist()
    ([False, False, False], [1, 0, 0])
    """
    repeats, cells = np.zeros(len(values), bool), np.zeros(len(values), np.int64)
    texts = _plain(values)
    for row, flagged in _suspects(texts, erasures):
        verdict = _verdict(texts[row].as_py(), path, own[row].as_py(), flagged, look is not None and bool(look[row]))
        repeats[row] = verdict == "repeats"
        cells[row] = verdict is not None
    return repeats, cells


def authorship(values: Any, authors: IdSet) -> tuple[list[int], list[int]]:
    """Tweets in a column of text, and their authors, where these are among some.

    >>> authorship(pa.chunked_array([['{"id": 7, "author_id": "9"}', '{"id": 8, "author_id": "10"}']]), np.array([9]))
    ([7], [9])
    """
    texts, found = _plain(values), []
    for row, flagged in _suspects(texts, Erasures(drop_authors=authors)):
        for _, fields in objects(parsed(texts[row].as_py())):
            whose = _authors_of(fields) & flagged.drop_authors
            found += [(tweet, author) for tweet in _ids_of(fields) for author in whose]
    return [tweet or 0 for tweet, _ in found], [author or 0 for _, author in found]


def tweets_in(values: Any) -> Iterator[tuple[set[int], set[int], tuple[str, ...], str | None]]:
    """The tweets that a column of text names: their IDs, their authors', the way to them, and how a reference is meant.

    >>> list(tweets_in(pa.array(['{"id": 7, "user": {"id": 1}, "text": "…"}', '[{"type": "quoted", "id": "8"}]'])))
    [({7}, {1}, (), None), ({8}, set(), (), 'quoted')]
    """
    for text in _plain(values).to_pylist():
        told = parsed(text) if text and _TELLING.match(text) else None
        for way, fields in objects(told):
            if _may_be_tweet(way, fields):
                ids, authors = (_fit(some) for some in (_ids_of(fields), _authors_of(fields)))
                says = all_of(fields, "type") if _is_reference(fields) else []
                yield ids, authors, way, next((kind for each in says if (kind := kind_of(str(each)))), None)


def _fit(ids: set[int | None]) -> set[int]:
    return {each for each in ids if each and 0 < each < 1 << 63}


@dataclass
class _Flagged:
    """The flagged IDs that digits in one text spell."""

    drop_tweets: set[int]
    drop_authors: set[int]
    scrub_tweets: set[int]
    scrub_authors: set[int]


def _plain(values: Any) -> Any:
    """A column's text in one array of strings; bytes that are no text are read as far as they are."""
    if isinstance(values, pa.ChunkedArray):
        chunks: list[Any] = [_plain(chunk) for chunk in values.chunks]
        return pa.concat_arrays(chunks) if chunks else pa.array([], pa.large_string())
    if isinstance(values, pa.ExtensionArray):
        return _plain(values.storage)
    if is_text(values.type):
        return words(values).cast(pa.large_string())
    if pt.is_dictionary(values.type):
        values = values.dictionary.take(values.indices)
    try:
        return values.cast(pa.large_binary()).cast(pa.large_string())
    except pa.ArrowInvalid:
        read = [None if each is None else each.decode(errors="replace") for each in values.to_pylist()]
        return pa.array(read, pa.large_string())


def _suspects(texts: Any, erasures: Erasures) -> Iterator[tuple[int, _Flagged]]:
    """The rows whose text may be an object and in which a flagged ID stands."""
    sets = (erasures.drop_tweets, erasures.drop_authors, erasures.scrub_tweets, erasures.scrub_authors)
    fewest = min((len(str(bounds(ids)[0])) for ids in sets if len(ids)), default=0)
    if not fewest:
        return
    shaped = pc.match_substring_regex(texts, _OBJECT).fill_null(False).to_numpy(zero_copy_only=False)
    rows = np.flatnonzero(shaped)
    runs: Any = _compute.split_pattern_regex(texts.take(pa.array(rows)), "[^0-9]+")
    digits = pc.utf8_ltrim(runs.flatten(), "0")
    lengths = np.asarray(pc.binary_length(digits))
    long = np.flatnonzero((lengths >= fewest) & (lengths <= _MOST_DIGITS))
    digits = digits.take(pa.array(long))
    fits = _compute.less_equal(_compute.utf8_lpad(digits, _MOST_DIGITS, "0"), str(2**63 - 1))
    long, digits = long[fits.to_numpy(zero_copy_only=False)], digits.filter(fits)
    of_run = pc.list_parent_indices(runs).to_numpy(zero_copy_only=False)[long]
    numbers = digits.cast(pa.int64()).to_numpy(zero_copy_only=False)
    among = [_among(numbers, ids) for ids in sets]
    found: dict[int, _Flagged] = {}
    for at in np.flatnonzero(np.logical_or.reduce(among)).tolist():
        flagged = found.setdefault(int(rows[int(of_run[at])]), _Flagged(set(), set(), set(), set()))
        for mask, some in zip(among, vars(flagged).values(), strict=True):
            if mask[at]:
                some.add(int(numbers[at]))
    yield from sorted(found.items(), key=lambda each: each[0])


def _among(numbers: NDArray[np.int64], ids: IdSet) -> Mask:
    return is_in(numbers, ids) if len(ids) else np.zeros(len(numbers), bool)


def _verdict(text: str, path: str, own: int | None, flagged: _Flagged, look: bool) -> Verdict | None:
    name = path.rpartition(".")[2]
    told = parsed(text)
    if told is None:
        return _of_words(text, name, flagged)
    found: Verdict | None = None
    placed = _has_places(told)
    for way, fields, repeated in _references(told, name, look):
        gone = _is_gone(fields, flagged)
        if gone and repeated and _is_said_of_row(way, _REFERENCE_KEYS, told, path, own):
            return "repeats"
        bare = _is_whole(fields) and _is_to_scrub(fields, flagged)
        bare = bare and (placed or any(map(_is_placed, fields.items())))
        found = "holds" if bare or (gone and (repeated or _is_whole(fields))) else found
    for way, fields in objects(told):
        here = way[-1] if way else name
        if _is_reference(fields) or (plain(here) in _REFERENCE_KEYS and not _is_whole(fields)):
            continue
        if holds_account(here, map(str, fields)):
            someone = {_number(value) for value in all_of(fields, "id", "idstr")}
            found = "holds" if someone & flagged.drop_authors else found
        elif not way or _is_whole(fields) or _HOLDS_TWEETS.fullmatch(here):
            gone = _is_gone(fields, flagged)
            if gone and _is_said_of_row(way, _RETWEET_KEYS, told, path, own):
                return "repeats"
            bare = _is_to_scrub(fields, flagged) and (placed or any(map(_is_placed, fields.items())))
            found = "holds" if gone or bare else found
    pieces = (each for each in unparsed(told) if _TELLING.match(each))
    return "holds" if any(_of_words(each, "", flagged) for each in pieces) else found


def _references(told: Any, name: str, look: bool) -> Iterator[tuple[tuple[str, ...], dict[str, Any], bool]]:
    """The tweets that are named: the keys that lead there, what is known of each, and whether it is repeated."""
    if plain(name) in _REFERENCE_KEYS:
        yield from (((), *each) for each in _named(told, None, look))
    for way, fields in objects(told):
        if way and plain(way[-1]) not in _REFERENCE_KEYS and _is_reference(fields):
            yield way, fields, any(map(_says_repeat, all_of(fields, "type")))
        spelt = {plain(key): key for key in fields}
        for key, value in fields.items():
            bare = plain(key)
            if bare in _REFERENCE_KEYS:
                yield from (((*way, key), *each) for each in _named(value, None, _looks(fields)))
            elif bare in _REPEATED_KEYS:
                yield from (((*way, "referenced_tweets"), *each) for each in _named(value, True, True))
            elif bare in _PAIRED_KEYS:
                kinds = list(each_in(fields.get(spelt.get(_PAIRED_KEYS[bare], ""))))
                repeated = any(map(_says_repeat, kinds)) if kinds else None
                yield from (((*way, "referenced_tweets"), *each) for each in _named(value, repeated, _looks(fields)))


def _named(value: Any, repeated: bool | None, look: bool) -> Iterator[tuple[dict[str, Any], bool]]:
    """What names a tweet in a value, in whatever shape, and whether it is repeated; by its look where nothing says."""
    for each in each_in(value):
        if isinstance(each, dict) and _TWEET_KEYS & set(map(plain, each)):
            said = all_of(each, "type")
            yield each, any(map(_says_repeat, said)) if said else look if repeated is None else repeated
        elif isinstance(each, dict):
            for key, inner in each.items():
                if word_of(key) is not None:
                    yield from _named(inner, word_of(key) == "repeats", look)
        elif isinstance(each, str | int):
            yield {"id": each}, look if repeated is None else repeated


def _looks(fields: dict[str, Any]) -> bool:
    """Whether an object that holds a tweet looks like a retweet."""
    texts = [value for key in fields if plain(key) in _TEXT_KEYS for value in each_in(fields[key])]
    flags = [value for key in fields if plain(key) in map(plain, FLAGS) for value in each_in(fields[key])]
    begins = any(isinstance(text, str) and text.lstrip().startswith(BEGINS) for text in texts)
    return begins or any(flag is True or str(flag).lower() == "true" for flag in flags)


def _says_repeat(kind: Any) -> bool:
    return isinstance(kind, str) and word_of(kind) == "repeats"


def _is_whole(fields: dict[str, Any]) -> bool:
    return not _TEXT_KEYS.isdisjoint(map(plain, map(str, fields)))


def _is_reference(fields: dict[str, Any]) -> bool:
    """Whether an object says how a tweet stands to another, and holds nothing that this one says."""
    return any(isinstance(kind, str) and word_of(kind) for kind in all_of(fields, "type")) and not _is_whole(fields)


def _is_said_of_row(way: Sequence[str], kinds: Collection[str], told: Any, path: str, own: int | None) -> bool:
    """Whether an object says what the row's own tweet repeats: the column is called so, or it lies right below it."""
    if not way:
        return plain(path.rpartition(".")[2]) in kinds and is_beside(path)
    *outside, here = way
    if plain(here) not in kinds or own is None or not all(step in WRAPPERS for step in outside):
        return False
    return any(own in _ids_of(fields) for at, fields in objects(told) if list(at) == outside)


def _ids_of(fields: dict[str, Any]) -> set[int | None]:
    return set(map(_number, all_of(fields, *_TWEET_KEYS))) - {None}


def _authors_of(fields: dict[str, Any]) -> set[int | None]:
    people = [person for person in all_of(fields, *_PEOPLE) if isinstance(person, dict)]
    inside = {_number(value) for person in people for value in all_of(person, "id", "idstr")}
    return (inside | set(map(_number, all_of(fields, *_AUTHOR_KEYS)))) - {None}


def _is_gone(fields: dict[str, Any], flagged: _Flagged) -> bool:
    return bool(_ids_of(fields) & flagged.drop_tweets or _authors_of(fields) & flagged.drop_authors)


def _is_to_scrub(fields: dict[str, Any], flagged: _Flagged) -> bool:
    return bool(_ids_of(fields) & flagged.scrub_tweets or _authors_of(fields) & flagged.scrub_authors)


def _is_placed(item: tuple[Any, Any]) -> bool:
    key, value = item
    return is_place(str(key)) and value not in (None, {}, [], "")


def _has_places(told: Any) -> bool:
    """Whether an answer of the service brings places beside its tweets."""
    return any("includes" in way[-1:] and bool(fields.get("places")) for way, fields in objects(told))


def _number(value: Any) -> int | None:
    if isinstance(value, str):
        spelled = _ID.fullmatch(value)
        return int(spelled[1]) if spelled else None
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _of_words(text: str, name: str, flagged: _Flagged) -> Verdict | None:
    """Of a text that cannot be parsed (cut off, or objects as Python shows them): what stands after names of IDs."""
    told = [int(each) for each in _LABELLED.findall(text) if len(each) <= 19]
    gone, bare = flagged.drop_tweets | flagged.drop_authors, flagged.scrub_tweets | flagged.scrub_authors
    if gone & set(told):
        return "repeats" if plain(name) in _RETWEET_KEYS and told[0] in gone else "holds"
    return "holds" if bare & set(told) and _PLACED.search(text) else None
