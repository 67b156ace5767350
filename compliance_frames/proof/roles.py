"""What an ID in a cleaned dataset stands for, by where it stands: written anew, not shared with the cleaning."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import pyarrow.types as pt

from compliance_frames.corpus.manifest import ColumnPaths
from compliance_frames.proof.references import is_pair

#: ``tweet`` and ``author``: of the row itself. ``retweet``: of the tweet that the row repeats. ``embedded tweet`` and
#: ``embedded author``: of another tweet that the row holds whole. ``embedded retweet``: of one that this other repeats.
#: ``account``: of somebody whose account the row holds. ``mention``: of anything else, and kept by policy.
Role = Literal[
    "tweet", "author", "retweet", "embedded tweet", "embedded author", "embedded retweet", "account", "mention"
]
#: Whom an ID names.
Whose = Literal["tweet", "author"]
#: The way to a column: names, from the outermost on. Lists have no name of their own.
Path = tuple[str, ...]

#: Names as :func:`_bare` spells them.
_TWEET: Final = {"id", "idstr", "tweetid", "tweetidstr", "statusid", "statusidstr"}
_BARE: Final = {"id", "idstr"}
_AUTHOR: Final = {
    *("authorid", "authoridstr", "userid", "useridstr", "useridstring", "fromuserid", "fromuseridstr"),
}
_USER: Final = {"user", "author", "actor"}
_WRAPPERS: Final = {"data", "tweet", "status"}
_EMBEDDED: Final = re.compile(r"(retweeted|quoted|twitter_quoted)_?(status|tweet)", re.IGNORECASE)
_REFERENCES: Final = re.compile(r"referenced_?tweets?", re.IGNORECASE)
_WORDS: Final = {"text", "fulltext", "rawcontent", "content", "body"}
_RETWEET: Final = re.compile(
    r"retweet(ed)?(_status|_tweet)?_id(_str)?|retweet_tweetid|referenced_?tweets?[._]retweeted([._]id)?"
)
#: The same of fields of another tweet, as :func:`_bare` spells them.
_RETWEET_INSIDE: Final = re.compile(
    r"retweet(ed)?(status|tweet)?id(str)?|retweettweetid|referencedtweets?\.?retweeted(\.?id)?"
)
#: Flat columns of IDs whose rows stand to the other tweet as another column says, and what it says of a retweet.
_SAYS_HOW: Final = {
    "sourcetweet_id": ("sourcetweet_type", "retweeted"),
    "retweet_or_quote_id": ("tweet_type", "retweet"),
    "object.id": ("verb", "share"),
}
#: Flat columns of authors of tweets that rows repeat, and what the column of that tweet's ID may be called.
_REPEATED_AUTHORS: Final = {
    "retweet_user_id": ("retweet_status_id", "retweet_id"),
    "retweet_userid": ("retweet_tweetid",),
    "retweeted_user_id": (
        *("retweeted_id", "retweeted_tweet_id", "retweeted_status_id", "retweeted_status_id_str"),
        "referenced_tweets.retweeted.id",
    ),
    "retweeted_status.user.id_str": ("retweeted_status.id_str", "retweeted_status.id"),
    "sourcetweet_author_id": ("sourcetweet_id",),
    "retweet_or_quote_user_id": ("retweet_or_quote_id",),
    "object.actor.id": ("object.id",),
}
#: What names of flat columns begin with that hold what a quoted tweet says, and endings of the one with its ID.
_QUOTED: Final = {
    "quoted_status.": ("id_str", "id"),
    "quotedTweet.": ("id",),
    "twitter_quoted_status.": ("id",),
    "sourcetweet_": ("id",),
    "quoted_status_": ("id_str", "id"),
    "quoted_tweet_": ("id",),
    "quoted_": ("status_id_str", "status_id", "tweet_id", "id"),
}
_ID: Final = re.compile(r"(.*[_.])?ids?(_str|_string)?|.*[a-z](Id|ID)s?(Str|_str)?", re.DOTALL)
_PERSON: Final = re.compile(r"user|author|mention|member|follow|contributor", re.IGNORECASE)
#: What an account is called by, and what more is known of one than where somebody is mentioned.
_HANDLE: Final = re.compile(r"(preferred_?)?user_?name|screen_?name", re.IGNORECASE)
_PROFILE: Final = re.compile(
    r"(raw_?)?description|bio|profile_?image_?url(_?https)?|(followers|friends|statuses)_?count",
    re.IGNORECASE,
)
_PLACE_PREFIX: Final = re.compile(r"(geo|coordinates?|places?|bbox|geocoordinates)([._].*)?|(coords|geo)_?coords", re.I)
_PLACE_NAME: Final = {"lat", "latitude", "lon", "lng", "long", "longitude", "coords_coords"}


@dataclass(frozen=True)
class Layout:
    """Where the tweets of a file are, as its manifest says it.

    Attributes:
        columns: of the file.
    """

    columns: ColumnPaths

    @property
    def inside(self) -> Path:
        """The struct that holds the row's tweet, or ``()`` where that is the row itself."""
        return tuple(self.columns.id.split(".")[:-1])

    def role(self, path: Path, embedded: Path | None, account: Path | None = None) -> Role | None:
        """What the IDs of a column stand for; None where it holds none, by its name.

        Args:
            path: of the column.
            embedded: the path of the tweet inside the row that it belongs to, where there is one.
            account: the path of the account of somebody that it belongs to, where there is one.

        >>> Layout(ColumnPaths("id")).role(("user", "id_str"), None)
        'author'
        >>> Layout(ColumnPaths("id")).role(("in_reply_to_user_id",), None)
        'mention'
        """
        if any(is_place(name) for name in path):  # places have IDs of their own
            return None
        if account is not None:
            return "account" if len(path) == len(account) + 1 and _bare(path[-1]) in _BARE else _mention(path)
        if embedded is not None:
            return _embedded_role(path, path[len(embedded) :])
        dotted = ".".join(path)
        if dotted == self.columns.id:
            return "tweet"
        if dotted == self.columns.author_id:
            return "author"
        if dotted in _SAYS_HOW or is_pair(".".join(self._within(path))):
            return "mention"  # whether the row repeats it stands in another column
        if dotted in self.columns.references or _RETWEET.fullmatch(path[-1]):
            return "retweet"
        return _own_role(self._within(path)) or _mention(path)

    def is_embedded(self, path: Path, kind: Any) -> bool:
        """Whether a struct is another tweet: the manifest says so, or its name, or it has both an ID and a text."""
        names = {child.name for child in kind}
        if not set(map(_bare, names)) & _TWEET or path == self.inside:
            return False
        if ".".join(path) in self.columns.embedded or _EMBEDDED.fullmatch(path[-1]):
            return True
        wrapper = len(path) == 1 and path[0] in _WRAPPERS
        return bool(set(map(_bare, names)) & _WORDS) and not wrapper

    def is_account(self, path: Path, kind: Any) -> bool:
        """Whether a struct is the account of somebody but the author of the tweet that it stands beside.

        >>> import pyarrow as pa
        >>> kind = pa.struct({"id": pa.int64(), "username": pa.string()})
        >>> Layout(ColumnPaths("id")).is_account(("includes", "users"), kind)
        True
        """
        return is_account(path[-1], [child.name for child in kind])

    def holds_tweets(self, path: Path) -> bool:
        """Whether a column of text holds tweets: the manifest says that it was looked into, or its name does.

        >>> layout = Layout(ColumnPaths("id", embedded=("raw",)))
        >>> [layout.holds_tweets((name,)) for name in ("raw", "quoted_tweet", "includes", "text")]
        [True, True, True, False]
        """
        called = _EMBEDDED.fullmatch(path[-1]) or _REFERENCES.fullmatch(path[-1]) or path[-1].lower() == "includes"
        return bool(called) or ".".join(path) in self.columns.embedded

    def names_others(self, path: Path) -> bool:
        """Whether a column of lists, structs or maps names other tweets, and may say how the row stands to them.

        >>> [Layout(ColumnPaths("id")).names_others((name,)) for name in ("referencedTweets", "user")]
        [True, False]
        """
        dotted = ".".join(path)
        flat = is_pair(".".join(self._within(path))) or dotted in _SAYS_HOW or _RETWEET.fullmatch(path[-1])
        return bool(_REFERENCES.fullmatch(path[-1])) or (dotted in self.columns.references and not flat)

    def repeated(self, names: Sequence[str]) -> list[tuple[str, Role, str | None, str]]:
        """Flat columns with IDs of tweets that some rows repeat or of their authors; what tells which rows, and how.

        >>> Layout(ColumnPaths("id")).repeated(["sourcetweet_id", "sourcetweet_type"])
        [('sourcetweet_id', 'retweet', 'sourcetweet_type', 'retweeted')]
        """
        return _repeated(names, self.columns.references, "retweet")

    def repeated_inside(self, names: Sequence[str]) -> list[tuple[str, Role, str | None, str]]:
        """The same of the fields of another tweet that a row holds whole: no manifest names these.

        >>> Layout(ColumnPaths("id")).repeated_inside(["id", "retweeted_id", "retweeted_user_id"])
        [('retweeted_user_id', 'embedded author', None, '')]
        """
        return _repeated(names, names, "embedded retweet")

    def quoted(self, names: Sequence[str]) -> list[tuple[str, str]]:
        """Flat columns with what another tweet says, by the manifest, each with the column of that tweet's ID.

        >>> Layout(ColumnPaths("id", embedded=("quoted_text",))).quoted(["id", "quoted_id", "quoted_text"])
        [('quoted_text', 'quoted_id')]
        """
        found = []
        for name in names if self.columns.embedded else ():
            prefix = next((each for each in _QUOTED if name.startswith(each)), None)
            if prefix is not None and name in self.columns.embedded:
                ids = [prefix + end for end in _QUOTED[prefix] if prefix + end in names]
                found += [(name, ids[0])] if ids else []
        return found

    def is_its_place(self, name: str) -> bool:
        """Whether a flat column with content of another tweet says where that was written.

        >>> layout = Layout(ColumnPaths("id"))
        >>> layout.is_its_place("quoted_status.place.name"), layout.is_its_place("quoted_status.user.name")
        (True, False)
        """
        prefix = next((each for each in _QUOTED if name.startswith(each)), "")
        return is_place(name.removeprefix(prefix))

    def _within(self, path: Path) -> Path:
        """The path as seen from the row's tweet."""
        inside = self.inside
        if inside and path[: len(inside)] == inside:
            return path[len(inside) :]
        return path[1:] if len(path) > 1 and path[0] in _WRAPPERS else path


def _repeated(names: Sequence[str], references: Collection[str], role: Role) -> list[tuple[str, Role, str | None, str]]:
    found: list[tuple[str, Role, str | None, str]] = []
    for id, (how, says) in _SAYS_HOW.items():
        if id in names and (how in names or id in references):
            found.append((id, role, how if how in names else None, says))
    for author, called in _REPEATED_AUTHORS.items():
        id = next((each for each in called if each in references), "")
        told: tuple[str | None, str] = _SAYS_HOW.get(id, (None, ""))
        if author in names and id and (told[0] is None or told[0] in names):
            found.append((author, "embedded author", *told))
    return found


def is_account(name: str, keys: Iterable[str]) -> bool:
    """Whether what is called so, and has these fields, is the account of somebody but the author beside whom it stands.

    >>> is_account("users", ["id", "username"]), is_account("mentions", ["id", "username"])
    (True, False)
    """
    known = list(keys)
    bare = {each.lower().replace("_", "") for each in known}
    if name.lower() in _USER or _EMBEDDED.fullmatch(name) or _REFERENCES.fullmatch(name) or bare & _WORDS:
        return False
    if not (bare & {"id", "idstr"} and any(map(_HANDLE.fullmatch, known))):
        return False
    return name.lower() == "users" or any(map(_PROFILE.fullmatch, known))


def is_place(name: str) -> bool:
    """Whether a column says where a tweet was written, by its name.

    >>> is_place("place_full_name"), is_place("Latitude"), is_place("location")
    (True, True, False)
    """
    return bool(_PLACE_PREFIX.fullmatch(name)) or name.lower() in _PLACE_NAME


def whose(role: Role, path: Path) -> Whose:
    """Whom the IDs of a column name.

    >>> whose("mention", ("in_reply_to_user_id",)), whose("mention", ("conversation_id",))
    ('author', 'tweet')
    """
    if role == "mention":
        return "author" if _PERSON.search(".".join(path)) else "tweet"
    return "author" if role.endswith(("author", "account")) else "tweet"


def holds_ids(kind: Any) -> bool:
    """Whether values of a type can be IDs: whole numbers, text, or bytes of text.

    >>> import pyarrow as pa
    >>> holds_ids(pa.dictionary(pa.int32(), pa.string())), holds_ids(pa.bool_())
    (True, False)
    """
    kind = kind.value_type if pt.is_dictionary(kind) else kind
    text = pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind)
    raw = pt.is_binary(kind) or pt.is_large_binary(kind) or pt.is_binary_view(kind)
    return bool(text or raw or pt.is_integer(kind) or (pt.is_decimal(kind) and kind.scale == 0))


def id_in_name(key: str) -> Whose | None:
    """Whom the values of a partition key name, where they are IDs.

    >>> id_in_name("author_id"), id_in_name("date")
    ('author', None)
    """
    own = _own_role((key,))
    role: Role | None = own or _mention((key,))
    return None if role is None else whose(role, (key,))


def _own_role(path: Path) -> Literal["tweet", "author"] | None:
    """The role of a column within the tweet that it belongs to."""
    names = tuple(map(_bare, path))
    if len(names) == 1 and names[0] in _TWEET | _AUTHOR:
        return "tweet" if names[0] in _TWEET else "author"
    if len(names) == 2 and names[0] in _USER and names[1] in _BARE:
        return "author"
    if path in {("user.id",), ("user.id_str",)}:
        return "author"
    return None


def _embedded_role(path: Path, within: Path) -> Role | None:
    """The role of a column within another tweet that a row holds whole."""
    own = _own_role(within)
    if own is not None:
        return "embedded tweet" if own == "tweet" else "embedded author"
    repeated = len(within) == 1 and _RETWEET_INSIDE.fullmatch(_bare(within[0])) is not None
    return "embedded retweet" if repeated else _mention(path)


def _bare(name: str) -> str:
    """A name as it is compared: ``userId`` is ``user_id``."""
    return name.lower().replace("_", "")


def _mention(path: Path) -> Literal["mention"] | None:
    return "mention" if _ID.fullmatch(path[-1]) else None
