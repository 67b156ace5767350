"""What the tools call their columns that people collect tweets with: names as data."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from compliance_frames.ids.naming import TEXTS as TEXTS
from compliance_frames.ids.naming import TIMES as TIMES
from compliance_frames.ids.naming import WRAPPERS as WRAPPERS

#: Lists of ``{type, id}``, or whatever shape somebody gave them.
REFERENCE_LISTS: Final = ("referenced_tweets", "referenced_tweet")
#: Structs with the tweet that a row repeats; a row is nothing without it. Gnip's ``object`` is one where it is shared.
RETWEETS: Final = ("retweeted_status", "retweeted_tweet", "retweetedTweet", "object")
QUOTES: Final = ("quoted_status", "quoted_tweet", "quotedTweet", "twitter_quoted_status")
#: Columns that say of each row whether it is a retweet. Not ``retweeted``: that is of the account that collected.
FLAGS: Final = ("is_retweet",)

#: Columns in which the tools themselves put where a tweet was written.
PLACE: Final = re.compile(
    r"(geo|coordinates?|places?|bbox|geocoordinates)([._].*)?|(coords|geo|bbox)_?coords|lat|lon|lng|long|latitude|longitude",
    re.IGNORECASE | re.DOTALL,
)
#: Columns that people compute from those: cells of a grid, the country, a point under another name.
DERIVED: Final = re.compile(
    r"((tweet|status|centroid|point)[._]?)?"
    r"(lat(itude)?[._]?(lon|lng|long|longitude)|lat|lon|lng|latitude|longitude|geohash|h3|s2|s2_?cell|quadkey|plus_?code|country|geometry|geom|wkt|wkb)"
    r"([._]?(id|index|cell|code|name|iso|res|level|r?\d+))*"
    r"|tweet[._](geo|coordinates?|coords|places?|bbox)([._].*)?",
    re.IGNORECASE,
)
#: Names of columns in which somebody put digests of author IDs.
HASHED: Final = re.compile(
    r".*(author|user|actor).*(hash|sha\d|md5|anon|pseudo).*|(hash|anon|pseudo).*(author|user).*", re.IGNORECASE
)


def is_place(name: str) -> bool:
    """Whether a column says where a tweet was written, or was computed from that, by its name.

    >>> is_place("place_full_name"), is_place("h3_index"), is_place("user_location")
    (True, True, False)
    """
    return bool(PLACE.fullmatch(name) or DERIVED.fullmatch(name))


@dataclass(frozen=True)
class Flat:
    """How a flat table tells of another tweet: with its ID in one column, and what else there is in others.

    Attributes:
        id: the column with the other tweet's ID.
        authors: names of the column with the other tweet's author; the first that is there counts.
        kind: the column that says how the row stands to the other tweet, if it can do so in several ways.
        says: what stands in ``kind`` where it stands so.
        prefix: what names of columns begin with that hold the other tweet's content; none where there is none.
        open: whether the row may stand to it in any way, a reply's too, where no column says in which.
    """

    id: str
    authors: tuple[str, ...] = ()
    kind: str = ""
    says: str = ""
    prefix: str = ""
    open: bool = False


#: The tweet whose words a row repeats. The row goes with it.
REPEATED: Final = (
    Flat("retweeted_status_id_str", ("retweeted_status_user_id_str", "retweeted_status_user_id", "retweeted_user_id")),
    Flat("retweeted_status_id", ("retweeted_status_user_id", "retweeted_user_id")),
    Flat("retweet_status_id", ("retweet_user_id",)),  # rtweet
    Flat("retweeted_tweet_id", ("retweeted_user_id",)),
    Flat("retweet_id", ("retweet_user_id",)),
    Flat("retweeted_id", ("retweeted_user_id",)),  # gazouilloire
    Flat("retweet_tweetid", ("retweet_userid",)),  # X's information operations
    Flat("referenced_tweets.retweeted.id", ("retweeted_user_id",)),  # twarc-csv
    Flat("referenced_tweets.retweeted", ("retweeted_user_id",)),
    Flat("referenced_tweets_retweeted_id", ("retweeted_user_id",)),
    Flat("referenced_tweets_retweeted", ("retweeted_user_id",)),
    Flat("sourcetweet_id", ("sourcetweet_author_id",), "sourcetweet_type", "retweeted"),  # academictwitteR
    Flat("retweet_or_quote_id", ("retweet_or_quote_user_id",), "tweet_type", "retweet"),  # twarc 1
    Flat("retweeted_status.id_str", ("retweeted_status.user.id_str", "retweeted_status.user.id")),
    Flat("retweeted_status.id", ("retweeted_status.user.id_str", "retweeted_status.user.id")),
    Flat("retweetedTweet.id", ("retweetedTweet.user.id",)),
    Flat("object.id", ("object.actor.id",), "verb", "share"),  # activities, flattened
    *(  # {type, id}, taken apart: one of each in a row, or lists side by side
        Flat(f"{name}id{s}", (f"{name}author_id{s}",), f"{name}type{s}", "retweeted", open=True)
        for name in ("referenced_tweet_", "referenced_tweets_", "referenced_tweet.", "referenced_tweets.")
        for s in ("", "s")
    ),
)
#: A tweet that a row quotes. The row stays; what it holds of the other tweet goes.
QUOTED: Final = (
    Flat("quoted_status_id_str", ("quoted_user_id_str", "quoted_user_id"), prefix="quoted_"),
    Flat("quoted_status_id_str", ("quoted_status_user_id_str", "quoted_status_user_id"), prefix="quoted_status_"),
    Flat("quoted_status_id", ("quoted_status_user_id", "quoted_user_id"), prefix="quoted_status_"),
    Flat("quoted_tweet_id", ("quoted_tweet_author_id", "quoted_user_id"), prefix="quoted_tweet_"),
    Flat("quoted_status_id", ("quoted_user_id",), prefix="quoted_"),  # rtweet
    Flat("quoted_tweet_id", ("quoted_user_id",), prefix="quoted_"),
    Flat("quoted_id", ("quoted_user_id",), prefix="quoted_"),
    Flat("sourcetweet_id", ("sourcetweet_author_id",), "sourcetweet_type", "quoted", "sourcetweet_"),
    Flat("quoted_status.id_str", ("quoted_status.user.id_str", "quoted_status.user.id"), prefix="quoted_status."),
    Flat("quoted_status.id", ("quoted_status.user.id_str", "quoted_status.user.id"), prefix="quoted_status."),
    Flat("quotedTweet.id", ("quotedTweet.user.id",), prefix="quotedTweet."),
    Flat("twitter_quoted_status.id", ("twitter_quoted_status.actor.id",), prefix="twitter_quoted_status."),
)


#: The tweet that a row replies to, and whose it is. Nothing of it is in the row.
REPLIED: Final = (
    Flat("in_reply_to_status_id_str", ("in_reply_to_user_id_str", "in_reply_to_user_id")),
    Flat("in_reply_to_status_id", ("in_reply_to_user_id_str", "in_reply_to_user_id")),
    Flat("in_reply_to_tweet_id", ("in_reply_to_user_id",)),
    Flat("referenced_tweets.replied_to.id", ("in_reply_to_user_id",)),  # twarc-csv
    Flat("reply_to_status_id", ("reply_to_user_id",)),  # rtweet
    Flat("to_tweetid", ("to_userid",)),  # gazouilloire
    Flat("in_reply_to_tweetid", ("in_reply_to_userid",)),  # X's information operations
    Flat("in_reply_to_status_id", ("to_user_id",)),  # DMI-TCAT
    Flat("inReplyToTweetId", ("inReplyToUser.id_str", "inReplyToUser.id")),  # snscrape, twscrape
    Flat("inReplyToTweetIdStr", ("inReplyToUser.id_str", "inReplyToUser.id")),
)
#: The tweet that a row quotes, where nothing but its ID tells of it.
QUOTED_BARELY: Final = (
    Flat("referenced_tweets.quoted.id", ("quoted_user_id",)),  # twarc-csv
    Flat("quoted_tweet_tweetid", ("quoted_tweet_userid",)),  # X's information operations
    Flat("quoted_status_id_str", ("quoted_user_id_str", "quoted_user_id")),
    Flat("quote_id", ("quote_author_id",)),
)


@dataclass(frozen=True)
class Ecosystem:
    """A tool, or a format of X's own, and the columns by which a table of it is known.

    Attributes:
        name: as its users call it.
        marks: all of these are there.
    """

    name: str
    marks: tuple[str, ...]


#: The more telling ones first: a table can have the marks of several.
ECOSYSTEMS: Final = (
    Ecosystem("Gnip activities", ("verb", "actor.id", "postedTime")),
    Ecosystem("X information operations", ("tweetid", "userid", "tweet_time")),
    Ecosystem("twarc-csv", ("author_id", "referenced_tweets.retweeted.id")),
    Ecosystem("twarc 1 CSV", ("parsed_created_at", "tweet_type", "user_id")),
    Ecosystem("gazouilloire", ("timestamp_utc", "to_tweetid", "user_id")),
    Ecosystem("DMI-TCAT", ("from_user_id", "from_user_name")),
    Ecosystem("academictwitteR", ("tweet_id", "author_id", "user_username")),
    Ecosystem("rtweet", ("status_id", "user_id", "screen_name")),
    Ecosystem("twscrape", ("id_str", "rawContent", "user.id")),
    Ecosystem("snscrape", ("renderedContent", "user.id")),
    Ecosystem("X API v1.1", ("id_str", "user.id_str")),
    Ecosystem("X API v1.1", ("id", "user.id")),
    Ecosystem("X API v2", ("id", "author_id")),
    Ecosystem("X API v2", ("data.id", "data.author_id")),
)
