"""The shapes in which raw files say that one tweet retweets another, and those that only look so."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

Tweet = dict[str, Any]
#: Makes, for the ID of the tweet that is named, what a tweet says of it.
Shape = Callable[[str], Tweet]

BEGINS = "RT @somebody: words"


def listed(**more: Any) -> Shape:
    return lambda id: {"referenced_tweets": [{**more, "id": id}]}


#: Of tweets of JSON, each of which goes with the one that it names.
REPEATING: dict[str, Shape] = {
    "v2": listed(type="retweeted"),
    "another word": listed(type="Retweet"),
    "a number": lambda id: {"referenced_tweets": [{"type": "retweeted", "id": int(id)}]},
    "camels": lambda id: {"referencedTweets": [{"type": "retweeted", "id": id}]},
    "one of them": lambda id: {"referenced_tweets": {"type": "retweeted", "id": id}},
    "by its kind": lambda id: {"referenced_tweets": {"retweeted": {"id": id}}},
    "an ID by its kind": lambda id: {"referenced_tweets": [{"retweeted": id}]},
    "a list by its kind": lambda id: {"referenced_tweets": {"retweeted": [{"tweet_id": id}]}},
    "no type, by its look": lambda id: {"text": BEGINS, "referenced_tweets": [{"id": id}]},
    "an empty type, by its look": lambda id: {"text": BEGINS, "referenced_tweets": [{"id": id, "type": None}]},
    "an ID, by its look": lambda id: {"full_text": BEGINS, "referenced_tweets": [id]},
    "by a flag": lambda id: {"is_retweet": True, "referenced_tweets": [{"id": id}]},
    "text": lambda id: {"referenced_tweets": json.dumps([{"type": "retweeted", "id": id}])},
    "text, by its look": lambda id: {"text": BEGINS, "referenced_tweets": json.dumps([{"id": id}])},
    "side by side": lambda id: {"referenced_tweet_ids": ["8", id], "referenced_tweet_types": ["quoted", "retweeted"]},
    "lists in one": lambda id: {"referenced_tweets": {"id": ["8", id], "type": ["quoted", "retweeted"]}},
    "v1.1": lambda id: {"retweeted_status": {"id_str": id, "text": "words"}},
    "v1.1, only its ID": lambda id: {"retweeted_status": {"id": int(id)}},
    "v1.1, camels": lambda id: {"retweetedStatus": {"id": id, "text": "words"}},
    "v1.1, text": lambda id: {"retweeted_status": json.dumps({"id": id, "text": "words"})},
    "a retweet of a retweet": lambda id: {
        "retweeted_status": {"id": "8", "text": BEGINS, "retweeted_status": {"id": id, "text": "words"}}
    },
    "a retweet of a retweet, v2": lambda id: {"retweeted_status": {"id": "8", "text": BEGINS, **listed(type="RT")(id)}},
    "flat": lambda id: {"retweeted_id": id},
    "flat, camels": lambda id: {"retweetedId": id},
    "flat, v1.1": lambda id: {"retweeted_status_id": int(id)},
    "flat, v1.1 as text": lambda id: {"retweeted_status_id_str": id},
    "flat, of MongoDB": lambda id: {"retweeted_id": {"$numberLong": id}},
    "flat, of X": lambda id: {"retweet_tweetid": id},
    "flattened": lambda id: {"referenced_tweets.retweeted.id": id},
    "flattened v1.1": lambda id: {"retweeted_status.id_str": id},
    "beside a type": lambda id: {"sourcetweet_id": id, "sourcetweet_type": "retweeted"},
    "beside another word": lambda id: {"sourcetweet_id": id, "sourcetweet_type": "Retweet"},
    "beside nothing, by its look": lambda id: {"text": BEGINS, "sourcetweet_id": id, "sourcetweet_type": ""},
    "a pair": lambda id: {"referenced_tweet_id": id, "referenced_tweet_type": "retweeted"},
    "half a pair, by its look": lambda id: {"text": BEGINS, "referenced_tweet_id": id},
}
#: Of tweets of JSON that stay.
OTHERS: dict[str, Shape] = {
    "a quote": listed(type="quoted"),
    "a quote by its kind": lambda id: {"referenced_tweets": {"quoted": {"id": id}, "retweeted": {"id": "9"}}},
    "no type, and no look of one": listed(),
    "a reply that looks so": lambda id: {"text": BEGINS, "referenced_tweets": [{"id": id, "type": "replied_to"}]},
    "a bare reply that looks so": lambda id: {"text": BEGINS, "in_reply_to_status_id": id},
    "beside another type": lambda id: {"sourcetweet_id": id, "sourcetweet_type": "quoted"},
    "half a pair": lambda id: {"referenced_tweet_id": id},
    "a pair of another type": lambda id: {"text": BEGINS, "referenced_tweet_id": id, "referenced_tweet_type": "quote"},
    "side by side": lambda id: {"referenced_tweet_ids": ["8", id], "referenced_tweet_types": ["retweeted", "quoted"]},
}
#: Those of both that a table can have, and more that only tables have; lists and objects as text.
AS_TEXT = ("v2", "no type, by its look", "side by side", "v1.1")


def in_table(shape: Shape) -> Shape:
    """The same, as a table has it."""

    def made(id: str) -> Tweet:
        cells = shape(id).items()
        return {key: json.dumps(value) if isinstance(value, dict | list) else str(value or "") for key, value in cells}

    return made


TABLES: dict[str, Shape] = {
    name: in_table(shape)
    for name, shape in REPEATING.items()
    if name in AS_TEXT or all(isinstance(value, str) for value in shape("7").values())
}
TABLES |= {
    "as Python writes it": lambda id: {"referenced_tweets": str([{"type": "retweeted", "id": id}])},
    "as tweepy prints it": lambda id: {"referenced_tweets": f"[<ReferencedTweet id={id} type=retweeted]"},
    "an ID alone, by its look": lambda id: {"text": BEGINS, "referenced_tweets": id},
    "a flag": lambda id: {"referenced_tweet_id": id, "is_retweet": "TRUE"},
    "twarc 1": lambda id: {"retweet_or_quote_id": id, "tweet_type": "retweet"},
    "spaces": lambda id: {"retweeted_id": f" {id} "},
    "an activity's ID": lambda id: {"retweeted_id": f"tag:search.twitter.com,2005:{id}"},
}
OTHER_TABLES: dict[str, Shape] = {
    name: in_table(shape) for name, shape in OTHERS.items() if "by its kind" not in name
} | {
    "twarc 1": lambda id: {"retweet_or_quote_id": id, "tweet_type": "quote"},
    "as tweepy prints it": lambda id: {"referenced_tweets": f"[<ReferencedTweet id={id} type=quoted]"},
}
