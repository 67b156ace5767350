"""Other tweets that stand in text, as JSON or as Python shows its objects: which cells hold what has to go.

A column of such text is read where a plan would read nothing: no statistics tell what is in it. So its cells are
sieved first, all at once: only of those that look like an object, and in which digits spell a flagged ID, is the text
parsed.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from numpy.typing import NDArray

from compliance_frames.corpus.arrays import Mask, words
from compliance_frames.corpus.ecosystems import QUOTES, REFERENCE_LISTS, RETWEETS, TEXTS, WRAPPERS, is_place
from compliance_frames.corpus.erasures import Erasures
from compliance_frames.corpus.flat import beside_content
from compliance_frames.corpus.paths import is_text, type_at
from compliance_frames.ids.slices import IdSet, bounds, is_in

#: The functions that no stub lists yet.
_compute: Any = pc

#: A row repeats what has to go, and goes with it; or its text holds some of it, and is nulled.
Verdict = Literal["repeats", "holds"]

#: Columns that by their names hold other tweets.
NAMED: Final = frozenset({*REFERENCE_LISTS, *RETWEETS, *QUOTES, "includes"} - {"object"})

_TWEET_KEYS: Final = ("id", "id_str", "tweet_id", "tweet_id_str", "status_id", "status_id_str")
_AUTHOR_KEYS: Final = ("author_id", "author_id_str", "user_id", "user_id_str", "from_user_id")
_PEOPLE: Final = ("user", "author", "actor")
_REFERENCE_KINDS: Final = ("retweeted", "quoted", "replied_to")
_HOLDS_TWEETS: Final = re.compile(
    r"((twitter_)?quoted|retweeted)_?(tweet|status)|tweets?|data|status(es)?", re.IGNORECASE
)
_ID: Final = re.compile(r"\s*(?:tag:search\.twitter\.com,2005:|id:twitter\.com:|x)?0*([0-9]{1,19})\s*", re.ASCII)

_MOST_DIGITS: Final = 19
#: How texts begin that may hold objects; as Arrow searches for them.
_OBJECT: Final = r"^[ \t\r\n]*(?:[\[{]|[A-Za-z_]+\()"
_TELLING: Final = re.compile(r"[ \t\r\n]*(\{\s*[\"']|\[\s*\{|\[?\w*(Tweet|Status)\w*\()")
_LABEL: Final = "|".join((*_TWEET_KEYS, *_AUTHOR_KEYS))
_LABELLED: Final = re.compile(
    rf"(?<!\w)(?:{_LABEL})\\?[\"']?\s*[:=]\s*\\?[\"']?(?:tag:search\.twitter\.com,2005:)?0*([1-9][0-9]*)", re.ASCII
)
_PLACED: Final = re.compile(r"(?<!\w)(?:geo|place|coordinates)\\?[\"']?\s*[:=]\s*(?!null|None|nan)", re.ASCII)
#: What Python would warn of, reading a text as one of its own.
_ODD_ESCAPE: Final = re.compile(r"\\[^\\'\"abfnrtvxuUN0-7\n]")
#: Longer texts, or deeper ones, are not read as Python's: its parser takes a hundred times their size.
_MOST_PARSED: Final = 1 << 20


def is_read(schema: pa.Schema, path: str) -> bool:
    """Whether a column of embedded tweets is one of text that is to be looked into.

    A flat column is not whose name says that it goes with another tweet's ID, unless it holds whole tweets by its name.

    >>> schema = pa.schema({"quoted_id": pa.int64(), "quoted_text": pa.string(), "quoted_status": pa.string()})
    >>> [is_read(schema, path) for path in schema.names]
    [False, False, True]
    """
    if not holds_text(type_at(schema, path)):
        return False
    return path.rpartition(".")[2] in NAMED or beside_content(schema, path) is None


def holds_text(kind: Any) -> bool:
    """Whether a type is text, or bytes that may be.

    >>> holds_text(pa.string()), holds_text(pa.binary()), holds_text(pa.int64())
    (True, True, False)
    """
    bare = kind.value_type if pt.is_dictionary(kind) else kind
    return is_text(kind) or bool(pt.is_binary(bare) or pt.is_large_binary(bare) or pt.is_binary_view(bare))


def tell_of_tweets(values: Any) -> bool:
    """Whether some of these texts are objects in which a tweet may be, by the names of what they hold.

    >>> tell_of_tweets(pa.array(["hello", '{"id": 7, "text": "…"}'])), tell_of_tweets(pa.array(["[live] id: 7"]))
    (True, False)
    >>> tell_of_tweets(pa.array(['{"mentions": [{"username": "somebody", "id": "7"}]}']))
    False
    """
    texts = (text for text in _plain(values).to_pylist() if text)
    return any(_TELLING.match(text) and _LABELLED.search(text) and _tells(text) for text in texts)


def _tells(text: str) -> bool:
    told = _parsed(text)
    return told is None or any(_may_be_tweet(way, fields) for way, fields in _objects(told))


def _may_be_tweet(way: Sequence[str], fields: dict[str, Any]) -> bool:
    """Whether an object is judged by the IDs in it, where it has any."""
    here = way[-1] if way else ""
    if _is_reference(here, fields):
        return True
    named = not way or bool(set(TEXTS) & fields.keys()) or _HOLDS_TWEETS.fullmatch(here) is not None
    return named and bool({*_TWEET_KEYS, *_AUTHOR_KEYS, *_PEOPLE} & fields.keys())


def judged(values: Any, path: str, own: Any, erasures: Erasures) -> tuple[Mask, NDArray[np.int64]]:
    """For each row whether its text says that it repeats a tweet which goes, and how many cells are to be nulled.

    Args:
        values: a column of text.
        path: of the column; its name says what the outermost object is.
        own: the ID of each row's own tweet, null where there is none.
        erasures: what has to go.

    >>> values = pa.chunked_array([['{"id": 7, "text": "…"}', '{"in_reply_to_status_id": 7}', None]])
    >>> goes, cells = judged(values, "quoted_status", pa.array([1, 2, 3]), Erasures(drop_tweets=np.array([7])))
    >>> goes.tolist(), cells.tolist()
    ([False, False, False], [1, 0, 0])
    """
    repeats, cells = np.zeros(len(values), bool), np.zeros(len(values), np.int64)
    texts = _plain(values)
    for row, flagged in _suspects(texts, erasures):
        verdict = _verdict(texts[row].as_py(), path, own[row].as_py(), flagged)
        repeats[row] = verdict == "repeats"
        cells[row] = verdict is not None
    return repeats, cells


def tweets_in(values: Any) -> Iterator[tuple[set[int], set[int], tuple[str, ...], str | None]]:
    """The tweets that a column of text names: their IDs, their authors', the way to them, and how a reference is meant.

    >>> list(tweets_in(pa.array(['{"id": 7, "user": {"id": 1}, "text": "…"}', '[{"type": "quoted", "id": "8"}]'])))
    [({7}, {1}, (), None), ({8}, set(), (), 'quoted')]
    """
    for text in _plain(values).to_pylist():
        told = _parsed(text) if text and _TELLING.match(text) else None
        for way, fields in _objects(told):
            if _may_be_tweet(way, fields):
                ids, authors = (_fit(some) for some in (_ids_of(fields), _authors_of(fields)))
                says = fields.get("type") if _is_reference(way[-1] if way else "", fields) else None
                yield ids, authors, way, says if says in _REFERENCE_KINDS else None


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


def _verdict(text: str, path: str, own: int | None, flagged: _Flagged) -> Verdict | None:
    name = path.rpartition(".")[2]
    told = _parsed(text)
    if told is None:
        return _of_words(text, name, flagged)
    found: Verdict | None = None
    placed = _has_places(told)
    for way, fields in _objects(told):
        here = way[-1] if way else name
        gone, whole = _is_gone(fields, flagged), bool(set(TEXTS) & fields.keys())
        if _is_reference(here, fields):
            repeated = gone and fields.get("type") == "retweeted"
            if repeated and _is_said_of_row(way, REFERENCE_LISTS, told, path, own):
                return "repeats"
            found = "holds" if repeated or (gone and whole) else found
        elif not way or whole or _HOLDS_TWEETS.fullmatch(here):
            if gone and _is_said_of_row(way, RETWEETS, told, path, own):
                return "repeats"
            bare = _is_to_scrub(fields, flagged) and (placed or any(map(_is_placed, fields.items())))
            found = "holds" if gone or bare else found
    return found


def _parsed(text: str) -> Any:
    """What a text holds as JSON has it or as Python writes it; None where it is neither."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    if len(text) > _MOST_PARSED or _ODD_ESCAPE.search(text):
        return None
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return None


def _objects(told: Any) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Every object in what was parsed, the outermost first, with the keys that lead there; lists have none."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), told)]
    while waiting:
        way, value = waiting.pop()
        if isinstance(value, dict):
            yield way, value
            waiting.extend(((*way, str(key)), each) for key, each in value.items())
        elif isinstance(value, list | tuple | set):
            waiting.extend((way, each) for each in value)


def _is_reference(name: str, fields: dict[str, Any]) -> bool:
    """Whether an object says how a tweet stands to another."""
    called = name.lower() in {"referenced_tweet", "referenced_tweets", "referencedtweet", "referencedtweets"}
    return called or (fields.get("type") in _REFERENCE_KINDS and not set(TEXTS) & fields.keys())


def _is_said_of_row(way: Sequence[str], kinds: Sequence[str], told: Any, path: str, own: int | None) -> bool:
    """Whether an object says what the row's own tweet repeats: the column is called so, or it lies right below it."""
    above, _, name = path.rpartition(".")
    if not way:
        return name in kinds and above in WRAPPERS
    *outside, here = way
    if here not in kinds or own is None or not all(step in WRAPPERS for step in outside):
        return False
    return any(own in _ids_of(fields) for at, fields in _objects(told) if list(at) == outside)


def _ids_of(fields: dict[str, Any]) -> set[int | None]:
    return {_number(fields[key]) for key in _TWEET_KEYS if key in fields} - {None}


def _authors_of(fields: dict[str, Any]) -> set[int | None]:
    people = [fields[key] for key in _PEOPLE if isinstance(fields.get(key), dict)]
    inside = {_number(person.get(key)) for person in people for key in ("id", "id_str")}
    return (inside | {_number(fields[key]) for key in _AUTHOR_KEYS if key in fields}) - {None}


def _is_gone(fields: dict[str, Any], flagged: _Flagged) -> bool:
    return bool(_ids_of(fields) & flagged.drop_tweets or _authors_of(fields) & flagged.drop_authors)


def _is_to_scrub(fields: dict[str, Any], flagged: _Flagged) -> bool:
    return bool(_ids_of(fields) & flagged.scrub_tweets or _authors_of(fields) & flagged.scrub_authors)


def _is_placed(item: tuple[Any, Any]) -> bool:
    key, value = item
    return is_place(str(key)) and value not in (None, {}, [], "")


def _has_places(told: Any) -> bool:
    """Whether an answer of the service brings places beside its tweets."""
    includes = told.get("includes") if isinstance(told, dict) else None
    return isinstance(includes, dict) and bool(includes.get("places"))


def _number(value: Any) -> int | None:
    if isinstance(value, str):
        spelled = _ID.fullmatch(value)
        return int(spelled[1]) if spelled else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _of_words(text: str, name: str, flagged: _Flagged) -> Verdict | None:
    """Of a text that cannot be parsed (cut off, or objects as Python shows them): what stands after names of IDs."""
    told = [int(each) for each in _LABELLED.findall(text) if len(each) <= 19]
    gone, bare = flagged.drop_tweets | flagged.drop_authors, flagged.scrub_tweets | flagged.scrub_authors
    if gone & set(told):
        return "repeats" if name in RETWEETS and told[0] in gone else "holds"
    return "holds" if bare & set(told) and _PLACED.search(text) else None
