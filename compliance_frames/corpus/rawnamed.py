"""What a tweet in raw JSON says, in whatever shape, of the tweets that it names: which, and how it stands to each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from compliance_frames.corpus.ecosystems import FLAGS, TEXTS
from compliance_frames.corpus.flat import Beside
from compliance_frames.corpus.objects import parsed
from compliance_frames.corpus.rawobjects import is_reference_list, others_of
from compliance_frames.corpus.references import BEGINS, kind_of, word_of
from compliance_frames.ids.naming import plain
from compliance_frames.raw.records import Object, authors_of, is_empty, keys_of, number, numbers

_TYPES: Final = frozenset({"type", "types"})
_FLAGS: Final = frozenset(map(plain, FLAGS))


@dataclass(frozen=True, slots=True)
class Named:
    """A tweet that another one names.

    Attributes:
        tweets: its ID; several numbers where keys disagree.
        authors: who wrote it, where that is told.
        kind: the service's word for how the other stands to it; None where nobody says, or nobody knows the word.
        repeated: whether the other repeats it; by its look, where nobody says.
    """

    tweets: frozenset[int]
    authors: frozenset[int]
    kind: str | None
    repeated: bool


def named_by(tweet: Object) -> Iterator[Named]:
    """The tweets that a tweet names in its lists of references, and those that it repeats by flat keys.

    >>> tweet = {"id": 7, "text": "", "referenced_tweets": [{"type": "quoted", "id": "8"}], "retweeted_id": 9}
    >>> [(set(each.tweets), each.kind, each.repeated) for each in named_by(tweet)]
    [({8}, 'quoted', False), ({9}, 'retweeted', True)]
    """
    lists = [value for name, value in tweet.items() if value and is_reference_list(name)]
    flat = others_of(tweet).repeated
    if lists or flat:
        look = looks_repeated(tweet)
        for value in lists:
            yield from _named(value, None, look)
        for other in flat:
            yield from _flat(tweet, other, look)


def named_at(tweet: Object, path: str, value: Any) -> Iterator[Named]:
    """The tweets that are named where somebody told: a single ID is of one that is repeated, if no other key says how.

    >>> [each.repeated for each in named_at({"id": 7, "of": 8}, "of", 8)]
    [True]
    """
    look = looks_repeated(tweet)
    known = next((other for other in others_of(tweet).repeated if other.id == path), None)
    if known is not None:
        yield from _flat(tweet, known, look)
    else:
        yield from _named(value, None if isinstance(value, dict | list) else "retweeted", look)


def looks_repeated(tweet: Object) -> bool:
    """Whether a tweet looks like a retweet, by what it says or by what is said of it.

    >>> looks_repeated({"text": "RT @somebody: words"}), looks_repeated({"text": "words", "isRetweet": "true"})
    (True, True)
    """
    texts = (tweet.get(name) for name in TEXTS)
    if any(isinstance(text, str) and text.lstrip().startswith(BEGINS) for text in texts):
        return True
    flags = (value for name, value in tweet.items() if plain(name) in _FLAGS)
    return any(str(flag).lower() in ("true", "1", "t") for flag in flags)


def _named(value: Any, says: Any, look: bool) -> Iterator[Named]:
    """What names tweets in a value; ``says`` is what stands around it of how."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        value = parsed(value)
    if isinstance(value, list):
        for each in value:
            yield from _named(each, says, look)
    elif (found := number(value)) is not None:
        yield _stands({found}, set(), says, look)
    elif isinstance(value, dict):
        yield from _in_object(value, says, look)


def _in_object(told: Object, says: Any, look: bool) -> Iterator[Named]:
    ids = keys_of(told).ids
    if not ids:
        for key, inner in told.items():
            if word_of(key) is not None:
                yield from _named(inner, key, look)
        return
    says = next((told[name] for name in told if plain(name) in _TYPES), says)
    for name in ids:
        if isinstance(told[name], list):
            yield from (_stands({id}, set(), said, look) for id, said in _side_by_side(told[name], says))
    yield _stands(numbers(told, ids), authors_of(told), says, look)


def _flat(tweet: Object, other: Beside, look: bool) -> Iterator[Named]:
    says = None if other.kind is None else tweet[other.kind]
    if other.kind is None and not other.open:
        says = "retweeted"
    yield from (_stands({id}, set(), said, look) for id, said in _side_by_side(tweet[other.id], says))
    if other.author is not None:
        yield from (_stands(set(), {id}, said, look) for id, said in _side_by_side(tweet[other.author], says))


def _side_by_side(ids: Any, says: Any) -> Iterator[tuple[int, Any]]:
    """IDs, and what is said of each: by lists of the same length, or else by all words for each of them."""
    ids, says = (
        parsed(each) if isinstance(each, str) and each.lstrip().startswith("[") else each for each in (ids, says)
    )
    every = ids if isinstance(ids, list) else [ids]
    alike = isinstance(says, list) and isinstance(ids, list) and len(says) == len(ids)
    for id, said in zip(every, says if alike else [says] * len(every), strict=True):
        found = number(id)
        if found is not None:
            yield found, said


def _stands(tweets: set[int], authors: set[int], says: Any, look: bool) -> Named:
    words = [word for word in (says if isinstance(says, list) else [says]) if not is_empty(word)]
    kinds = [kind for word in words if (kind := kind_of(str(word))) is not None]
    repeated = "retweeted" in kinds if words else look
    kind = "retweeted" if "retweeted" in kinds else next(iter(kinds), None)
    return Named(frozenset(tweets), frozenset(authors), kind, repeated)
