"""Answers of X's API v2 as rows: each tweet by itself, with what the answer included for it.

``twarc2`` writes an answer a line: a page of tweets under ``data``, and beside them, each once, the users, places and
tweets that they name. A row is a tweet of ``data`` with its author, its media, its poll and its place put in, and the
tweets that it refers to whole in ``referenced_tweets``, as ``twarc2 flatten`` writes it. There ``plan`` finds them, and
erases them with their authors. Included tweets that no row refers to become rows of their own, so that none is lost.
Of users who wrote none of these tweets (mentioned ones), profiles are left out: in rows of others nobody could erase
them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

Row = dict[str, Any]

#: What stands beside ``data`` in an answer.
_BESIDE: Final = {"includes", "meta", "errors", "matching_rules", "__twarc"}
#: What of it belongs to each tweet.
_OF_EACH: Final = ("matching_rules", "__twarc")


def is_page(value: Row) -> bool:
    """Whether an object is an answer, and not a tweet itself.

    >>> is_page({"data": [{"id": "20"}]}), is_page({"id": "20", "data": "x"}), is_page({"meta": {"result_count": 0}})
    (True, False, True)
    """
    data = value.get("data")
    if isinstance(data, list):
        return all(isinstance(each, dict) for each in data)
    if isinstance(data, dict):
        return value.keys() <= {"data", *_BESIDE}
    return data is None and isinstance(value.get("meta"), dict) and value.keys() <= _BESIDE


def rows_of(page: Row, includes: Row | None = None) -> Iterator[Row]:
    """The tweets of an answer, each with what was included for it; then those that no other refers to.

    Args:
        page: the answer.
        includes: what was included, where it stands elsewhere.

    >>> includes = {"users": [{"id": "12", "username": "a"}], "tweets": [{"id": "19", "author_id": "12"}]}
    >>> tweet = {"id": "20", "author_id": "12", "referenced_tweets": [{"type": "quoted", "id": "19"}]}
    >>> (row,) = rows_of({"data": [tweet], "includes": includes})
    >>> row["author"]["username"], row["referenced_tweets"][0]["author_id"]
    ('a', '12')
    """
    data = page.get("data") or []
    tweets = data if isinstance(data, list) else [data]
    told = includes if includes is not None else page.get("includes")
    included = _Included(told if isinstance(told, dict) else {})
    beside: Row = {name: page[name] for name in _OF_EACH if name in page}
    for tweet in tweets:
        yield {**included.put_into(tweet), **beside}
    known = {tweet.get("id") for tweet in tweets}
    for id, tweet in included.tweets.items():
        if id not in included.placed and id not in known:
            yield {**included.with_own(tweet), **beside}


class _Included:
    """What an answer included, by ID."""

    def __init__(self, includes: Row) -> None:
        self.tweets = _by(includes, "tweets", "id")
        self.placed: set[Any] = set()
        self._users, self._places = _by(includes, "users", "id"), _by(includes, "places", "id")
        self._media, self._polls = _by(includes, "media", "media_key"), _by(includes, "polls", "id")

    def put_into(self, tweet: Row) -> Row:
        """A tweet with all that it names; the tweets that it refers to with what is their own."""
        row = self.with_own(tweet)
        references = row.get("referenced_tweets")
        if isinstance(references, list):
            row["referenced_tweets"] = [self._whole(each) for each in references]
        return row

    def _whole(self, reference: Any) -> Any:
        tweet = self.tweets.get(reference.get("id")) if isinstance(reference, dict) else None
        if tweet is None:
            return reference
        self.placed.add(tweet["id"])
        return {**reference, **self.with_own(tweet)}

    def with_own(self, tweet: Row) -> Row:
        """A tweet with its author, its place, its media and its poll."""
        row = dict(tweet)
        author = self._users.get(row.get("author_id"))
        if author is not None:
            row["author"] = author
        geo, attached = row.get("geo"), row.get("attachments")
        if isinstance(geo, dict) and geo.get("place_id") in self._places:
            row["geo"] = {**self._places[geo["place_id"]], **geo}
        if isinstance(attached, dict):
            row["attachments"] = self._with_attached(attached)
        return row

    def _with_attached(self, attached: Row) -> Row:
        found: Row = dict(attached)
        for keys, name, known in (("media_keys", "media", self._media), ("poll_ids", "polls", self._polls)):
            there = [known[key] for key in _hashable(attached.get(keys)) if key in known]
            if there:
                found[name] = there
        return found


def _by(includes: Row, name: str, key: str) -> dict[Any, Row]:
    every = includes.get(name)
    found = [each for each in every if isinstance(each, dict)] if isinstance(every, list) else []
    return {each[key]: each for each in found if isinstance(each.get(key), str | int)}


def _hashable(keys: Any) -> list[Any]:
    return [key for key in keys if isinstance(key, str | int)] if isinstance(keys, list) else []
