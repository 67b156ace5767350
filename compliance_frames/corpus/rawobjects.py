"""What an object of raw JSON says of places and of other tweets, by the names of its keys."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import pyarrow as pa

from compliance_frames.corpus.ecosystems import QUOTES, REFERENCE_LISTS, RETWEETS, is_place
from compliance_frames.corpus.flat import Beside, quoted, repeated
from compliance_frames.ids.naming import plain
from compliance_frames.raw.records import Object, bare, is_empty, keys_of
from compliance_frames.raw.units import sound

_EMBEDDED: Final = re.compile(
    r"((twitter_)?quoted|retweeted)_?(tweet|status)|tweets?|data|status(es)?|results", re.IGNORECASE
)
_REFERENCES: Final = frozenset(map(plain, REFERENCE_LISTS))
_RETWEETS: Final = frozenset(map(plain, RETWEETS))
_USERS: Final = ("users", "in_reply_to_user")


@dataclass(frozen=True)
class Others:
    """What keys of a tweet say of places and of other tweets.

    Attributes:
        places: those of places.
        repeated: other tweets that it repeats, told in keys of its own.
        quoted: those that it quotes.
    """

    places: tuple[str, ...]
    repeated: tuple[Beside, ...]
    quoted: tuple[Beside, ...]


def others_of(told: Object) -> Others:
    """What the keys of an object say of others.

    >>> others_of({"id": 7, "geo": None, "retweeted_id": 8}).repeated[0].id
    'retweeted_id'
    """
    return _others(tuple(told), keys_of(told).wrapper)


@lru_cache(maxsize=4096)
def _others(names: tuple[str, ...], wrapper: str) -> Others:
    schema = pa.schema([(name, pa.string()) for name in names if sound(name) == name])
    places = tuple(name for name in names if is_place(bare(name, wrapper)))
    return Others(places, tuple(repeated(schema, wrapper)), tuple(quoted(schema)))


def placed(told: Object) -> list[str]:
    """The keys of an object under which a place stands.

    >>> placed({"geo": {"place_id": "x"}, "coordinates": None, "lang": "en"})
    ['geo']
    """
    located = ["location"] if isinstance(told.get("location"), dict) else []
    return [name for name in (*others_of(told).places, *located) if not is_empty(told[name])]


def is_other_tweet(name: str, told: Object, *, beside_id: bool) -> bool:
    """Whether an object inside of a tweet holds another tweet, and not merely names one.

    Args:
        name: of the key that it stands under, or of the list's.
        told: the object.
        beside_id: whether it stands beside the ID of a tweet.
    """
    keys = keys_of(told)
    if not keys.ids or keys.person or is_reference(name, told):
        return False
    if name == "object":
        return beside_id and "objectType" in told
    return keys.whole or name in RETWEETS or name in QUOTES or _EMBEDDED.fullmatch(name) is not None


def is_original(name: str) -> bool:
    """Whether a key of a tweet is that of the tweet which it repeats, whole.

    >>> is_original("retweetedStatus"), is_original("quoted_status")
    (True, False)
    """
    return plain(name) in _RETWEETS


def is_reference(name: str, told: Object) -> bool:
    """Whether an object says how a tweet stands to another.

    >>> is_reference("referenced_tweets", {"type": "quoted", "id": "7"})
    True
    """
    return is_reference_list(name) and not keys_of(told).whole


def is_reference_list(name: str) -> bool:
    """Whether a key is that of a list which says how a tweet stands to others.

    >>> is_reference_list("referencedTweets")
    True
    """
    return plain(name) in _REFERENCES


def is_profile(name: str, told: Object) -> bool:
    """Whether an object under some key, or in its list, is a user of whom more is told than who it is.

    >>> is_profile("users", {"id": "7", "username": "x"}), is_profile("mentions", {"id": "7", "username": "x"})
    (True, False)
    """
    keys = keys_of(told)
    return keys.profile or (keys.person and name in _USERS)
