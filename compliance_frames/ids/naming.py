"""Which column holds the IDs, by the name that was told or by those that people use; nested ones by a path."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from compliance_frames.errors import IdError

#: Names that columns of tweet IDs go by, in the spelling of :func:`plain`, the likeliest first. Text before numbers:
#: where both are there, it is the number that a reader may have rounded (IDs above 2^53).
TWEETS: Final = (
    *("id_str", "id", "tweet_id_str", "tweet_id", "status_id_str", "status_id", "post_id_str", "post_id"),
    *("id_tweet", "twitter_id"),
)
#: Names that columns of their authors' IDs go by.
AUTHORS: Final = (
    *("author_id", "author_id_str", "user.id_str", "user.id", "author.id", "author.id_str", "actor.id"),
    *("user_id_str", "user_id", "user_id_string", "from_user_id_str", "from_user_id", "external_author_id", "actor_id"),
)
#: A tweet may be wrapped whole in a struct of one of these names, as the service's answers are.
WRAPPERS: Final = ("", "data", "tweet", "status")
#: Names that columns of times go by, and of what a tweet says.
TIMES: Final = (
    *("created_at", "parsed_created_at", "timestamp_utc", "tweet_time", "postedTime", "publish_date"),
    *("date", "time", "timestamp"),
)
TEXTS: Final = ("text", "full_text", "rawContent", "content", "body")


def plain(name: str) -> str:
    """A column's name as it is compared with others: people write ``tweet_id``, ``tweetid``, ``tweetId``, ``Tweet ID``.

    >>> plain("Tweet ID"), plain("user.idStr")
    ('tweetid', 'user.idstr')
    """
    hidden = "_" if name.startswith("_") else ""  # MongoDB's _id is no tweet's
    return hidden + name.lower().translate(_PLAIN)


def rivals(names: Sequence[str]) -> list[str]:
    """Columns each of which could be the one of tweet IDs, where that is more than a matter of spelling.

    ``id`` beside ``tweet_id`` may be a row's number; ``id`` beside ``id_str`` is the same ID.

    >>> rivals(["id", "id_str", "text"]), rivals(["id", "tweet_id"])
    (['id_str'], ['id', 'tweet_id'])
    """
    spelt = {plain(name): name for name in reversed(names)}
    same = [[spelt[plain(name)] for name in names_ if plain(name) in spelt] for names_ in _SAME]
    return [found[0] for found in same if found]


#: Names of one thing; of two of these things in one table, nobody knows which is the tweet's ID.
_SAME: Final = (("id_str", "id"), ("tweet_id_str", "tweet_id"), ("status_id_str", "status_id"))
_PLAIN = str.maketrans("", "", "_- ")


def id_column_of(names: Sequence[str], told: str | None) -> tuple[str, str]:
    """The ID column's name, and the top-level column that it lies in.

    Raises:
        IdError: the column that was told is not there, or none was told and none can be chosen.

    >>> id_column_of(["text", "tweet_id"], None), id_column_of(["user"], "user.id_str")
    (('tweet_id', 'tweet_id'), ('user.id_str', 'user'))
    """
    if told is not None:
        if told in names:
            return _only(told, names)
        head = told.partition(".")[0]
        if head in names and head != told:
            return told, head
        close = difflib.get_close_matches(told, names, n=1)
        hint = f"Did you mean {close[0]!r}?" if close else f"There are: {_listed(names)}."
        raise IdError(f"There is no column {told!r}. {hint}", column=told)
    if len(names) == 1:
        return names[0], names[0]
    found = rivals(names)
    if len(found) > 1:
        raise IdError(
            f"Which column holds the tweet IDs? {' and '.join(map(repr, found))} could both be it: "
            f"say id_column={found[-1]!r}, or whichever it is."
        )
    spelt = [plain(name) for name in names]
    for usual in (*TWEETS, *AUTHORS):
        if plain(usual) in spelt:
            return _only(names[spelt.index(plain(usual))], names)
    raise IdError(f"Which column holds the IDs? Say id_column=…; there are: {_listed(names)}.")


def _only(name: str, names: Sequence[str]) -> tuple[str, str]:
    if list(names).count(name) > 1:
        raise IdError(f"There are several columns called {name!r}. Rename all but the one with the IDs.", column=name)
    return name, name


def take(table: Any, path: str) -> Any:
    """A column of a table or batch by its name, or by a dotted path into structs.

    >>> take(pa.table({"user": [{"id_str": "20"}]}), "user.id_str").to_pylist()
    ['20']
    """
    if path in table.schema.names:
        return table.column(path)
    head, *rest = path.split(".")
    column = table.column(head)
    for name in rest:
        type = column.type
        if not pa.types.is_struct(type) or type.get_field_index(name) < 0:
            inside = [type.field(i).name for i in range(type.num_fields)] if pa.types.is_struct(type) else []
            close = difflib.get_close_matches(name, inside, n=1)
            hint = f"Did you mean {path.rpartition('.')[0]}.{close[0]}?" if close else f"{head!r} is of type {type}."
            raise IdError(f"There is no column {path!r}. {hint}", column=path)
        column = pc.struct_field(column, name)
    return column


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:12])
    return shown + (f" and {len(names) - 12} more" if len(names) > 12 else "") if names else "none"
