"""Which tweets one in raw JSON repeats, by whatever it says of those that it names: written anew for the proof."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from compliance_frames.proof.references import looks_so, pairs_among, says

_TEXTS: Final = ("text", "full_text", "rawContent", "content", "body")
#: Keys in small letters, without what joins their words.
_JOINTS: Final = str.maketrans("", "", "_- .")
_WRAPPER: Final = re.compile(r"(data|tweet|status)\.")
_LISTS: Final = re.compile(r"referencedtweets?")
_ORIGINAL: Final = re.compile(r"retweet(ed)?(status|tweet)?id(str)?|referencedtweetsretweeted(id)?")
_ITS_AUTHOR: Final = re.compile(r"retweet(ed)?(status|tweet)?userid(str)?")
#: Keys of IDs whose tweet is repeated as another key says, and the key of its author.
_SAYS_HOW: Final = {
    "sourcetweetid": ("sourcetweettype", "sourcetweetauthorid"),
    "retweetorquoteid": ("tweettype", "retweetorquoteuserid"),
    "objectid": ("verb", "objectactorid"),
}
_TYPE: Final = re.compile(r"types?")
_ID: Final = re.compile(r"((tweet|status|post)?ids?(str)?|idtweet|twitterid)")
_AUTHOR: Final = re.compile(r"(author|user|fromuser|actor|externalauthor)id(str(ing)?)?")
_PEOPLE: Final = ("user", "author", "actor")
_FLAG: Final = "isretweet"


@dataclass(frozen=True)
class Repeated:
    """An ID of a tweet that is repeated, or of its author.

    Attributes:
        value: the ID, as it stands there.
        author: whether it is the author's.
        key: that it stands under.
        known: False where nobody says how the one tweet stands to the other, and it does not look like a retweet.
    """

    value: Any
    author: bool
    key: str
    known: bool = True


def repeated_by(tweet: dict[str, Any]) -> Iterator[Repeated]:
    """The tweets that one repeats, or may repeat.

    >>> [each.value for each in repeated_by({"retweetedId": 7, "referenced_tweets": {"Retweet": {"id": 8}}})]
    [8, 7]
    """
    bare = {_bare(key): key for key in reversed(tweet)}
    look = looks_like_retweet(tweet)
    for key, value in tweet.items():
        if value and _LISTS.fullmatch(_bare(key)):
            yield from _named(value, None, look, key)
    originals = [key for each, key in bare.items() if _ORIGINAL.fullmatch(each)]
    yield from (Repeated(each, False, key) for key in originals for each in _flat(tweet[key]))
    for each, key in bare.items() if originals else ():
        if _ITS_AUTHOR.fullmatch(each):
            yield from (Repeated(value, True, key) for value in _flat(tweet[key]))
    for each, (how, author) in _SAYS_HOW.items():
        told = tweet[bare[how]] if how in bare else "retweeted"
        for name in (each, author) if each in bare else ():
            if name in bare:
                yield from _side_by_side(tweet[bare[name]], told, look, bare[name], author=name == author)
    for name, how_key in pairs_among(tweet):
        told = tweet[how_key] if how_key else None
        yield from _side_by_side(tweet[name], told, look, name)
        writer = bare.get(_bare(name).replace("id", "authorid"))
        if writer is not None:
            yield from _side_by_side(tweet[writer], told, look, writer, author=True)


def looks_like_retweet(tweet: dict[str, Any]) -> bool:
    """Whether a tweet looks like a retweet.

    >>> looks_like_retweet({"text": " RT @somebody: words"}), looks_like_retweet({"text": "words", "is_retweet": "0"})
    (True, False)
    """
    if any(looks_so(tweet.get(name)) for name in _TEXTS):
        return True
    return any(str(value).lower() in ("true", "1", "t") for key, value in tweet.items() if _bare(key) == _FLAG)


@lru_cache(maxsize=1 << 14)
def _bare(key: str) -> str:
    begins = _WRAPPER.match(key)
    return key[begins.end() if begins else 0 :].lower().translate(_JOINTS)


def _read(value: Any) -> Any:
    """A value, or what is in it where it is a text of JSON."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _flat(value: Any) -> list[Any]:
    value = _read(value)
    return value if isinstance(value, list) else [value]


def _named(value: Any, words: Any, look: bool, key: str) -> Iterator[Repeated]:
    for each in _flat(value):
        if isinstance(each, list):
            yield from _named(each, words, look, key)
        elif not isinstance(each, dict) or list(each) == ["$numberLong"]:
            yield from _stands(each, words, look, key)
        elif any(_ID.fullmatch(_bare(name)) for name in each):
            yield from _of_object(each, words, look, key)
        else:
            for name, inner in each.items():
                if says(name) is not None:
                    yield from _named(inner, name, look, f"{key}.{name}")


def _of_object(told: dict[str, Any], words: Any, look: bool, key: str) -> Iterator[Repeated]:
    words = next((each for name, each in told.items() if _TYPE.fullmatch(_bare(name))), words)
    for name, each in told.items():
        if _ID.fullmatch(_bare(name)):
            yield from _side_by_side(each, words, look, f"{key}.{name}")
        elif _AUTHOR.fullmatch(_bare(name)):
            yield from _stands(each, words, look, f"{key}.{name}", author=True)
        elif name in _PEOPLE and isinstance(each, dict):
            for end in ("id", "id_str"):
                yield from _stands(each.get(end), words, look, f"{key}.{name}.{end}", author=True)


def _side_by_side(ids: Any, words: Any, look: bool, key: str, *, author: bool = False) -> Iterator[Repeated]:
    """IDs with the word beside each; of lists of other lengths, all words for each of them."""
    every, words = _flat(ids), _read(words)
    alike = isinstance(_read(ids), list) and isinstance(words, list) and len(words) == len(every)
    for each, said in zip(every, words if alike else [words] * len(every), strict=True):
        yield from _stands(each, said, look, key, author=author)


def _stands(value: Any, words: Any, look: bool, key: str, *, author: bool = False) -> Iterator[Repeated]:
    told = [word for word in (words if isinstance(words, list) else [words]) if word not in (None, "", [], {})]
    stands = [says(word) for word in told]
    if (True in stands) if told else look:
        yield Repeated(value, author, key)
    elif not author and False not in stands:
        yield Repeated(value, author, key, known=False)
