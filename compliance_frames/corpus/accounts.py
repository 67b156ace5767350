"""Which structs and objects hold the account of somebody, beside tweets: they go with the users that have to go."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from compliance_frames.corpus.ecosystems import QUOTES, REFERENCE_LISTS, RETWEETS, TEXTS
from compliance_frames.ids.naming import plain

#: What an account calls itself, and what else is known of one. A mention in a text has no more than a name.
_HANDLES: Final = frozenset({"username", "screenname", "preferredusername"})
_PROFILE: Final = frozenset(
    {
        *("description", "rawdescription", "bio", "profileimageurl", "profileimageurlhttps"),
        *("followerscount", "friendscount", "statusescount"),
    }
)
#: Lists of nothing but accounts, as the service's answers bring them.
_LISTS: Final = frozenset({"users"})
#: Accounts of those who wrote the tweet beside which they stand go with it; and what is called a tweet is one.
_NEVER: Final = frozenset({"user", "author", "actor", *map(plain, (*RETWEETS, *QUOTES, *REFERENCE_LISTS))})
_WORDS: Final = frozenset(map(plain, TEXTS))
_IDS: Final = frozenset({"id", "idstr"})


def holds_account(name: str, keys: Iterable[str]) -> bool:
    """Whether something that is called so, and has such fields, is the account of somebody but the tweet's author.

    >>> holds_account("users", ["id", "username"]), holds_account("mentions", ["id", "username", "start"])
    (True, False)
    >>> holds_account("in_reply_to_user", ["id", "username", "description"]), holds_account("user", ["id", "username"])
    (True, False)
    """
    spelt = set(map(plain, keys))
    called = plain(name)
    if called in _NEVER or spelt & _WORDS or not (spelt & _IDS and spelt & _HANDLES):
        return False
    return called in _LISTS or bool(spelt & _PROFILE)


def is_account(name: str, kind: Any) -> bool:
    """The same of a struct's type.

    >>> import pyarrow as pa
    >>> is_account("users", pa.struct({"id": pa.string(), "username": pa.string()}))
    True
    """
    return holds_account(name, [child.name for child in kind])


def marks(kind: Any) -> list[str]:
    """The fields of an account by which it is known as one, beside its ID: as few as there must be.

    >>> import pyarrow as pa
    >>> marks(pa.struct({"id": pa.string(), "name": pa.string(), "username": pa.string(), "bio": pa.string()}))
    ['username', 'bio']
    """
    found = (next((child.name for child in kind if plain(child.name) in known), None) for known in (_HANDLES, _PROFILE))
    return [name for name in found if name is not None]
