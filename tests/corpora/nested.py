"""JSON as X's own interfaces, Gnip, snscrape and twscrape write it, one object a line."""

from __future__ import annotations

from typing import Any

from tests.corpora.tweets import Place, Tweet

Row = dict[str, Any]


def v2(tweet: Tweet) -> Row:
    """X API v2, each tweet by itself; others are named by their IDs."""
    other = tweet.other
    return {
        "edit_history_tweet_ids": [str(tweet.id)],
        "id": str(tweet.id),
        "author_id": str(tweet.author),
        "created_at": tweet.iso(),
        "text": tweet.text,
        "lang": tweet.lang,
        "conversation_id": str(other.id if other and tweet.kind == "replied_to" else tweet.id),
        "in_reply_to_user_id": str(other.author) if other and tweet.kind == "replied_to" else None,
        "referenced_tweets": [{"type": tweet.kind, "id": str(other.id)}] if other else None,
        "geo": _v2_geo(tweet.place),
        "public_metrics": {"retweet_count": 0, "reply_count": 0, "like_count": 1, "quote_count": 0},
        "possibly_sensitive": False,
        "reply_settings": "everyone",
    }


def flattened(tweet: Tweet) -> Row:
    """``twarc2 flatten``: each tweet with its author, and with the whole of the tweets that it refers to."""
    row = v2(tweet)
    if tweet.other is not None:
        whole = {name: value for name, value in v2(tweet.other).items() if name != "referenced_tweets"}
        row["referenced_tweets"] = [{"type": tweet.kind, **whole, "author": _v2_user(tweet.other)}]
    row["author"] = _v2_user(tweet)
    row["__twarc"] = {"url": "https://api.twitter.com/2/tweets/search/all", "version": "2.13.0"}
    return row


def v1(tweet: Tweet, *, depth: int = 0) -> Row:
    """X API v1.1: retweeted and quoted tweets stand whole inside of others, each ID as a number and as text."""
    reply = tweet.of("replied_to")
    quoted, retweeted = tweet.of("quoted"), tweet.of("retweeted")
    row: Row = {
        "created_at": tweet.iso("%a %b %d %H:%M:%S +0000 %Y"),
        "id": tweet.id,
        "id_str": str(tweet.id),
        "text": tweet.text,
        "truncated": False,
        "in_reply_to_status_id": reply.id if reply else None,
        "in_reply_to_status_id_str": str(reply.id) if reply else None,
        "in_reply_to_user_id": reply.author if reply else None,
        "in_reply_to_user_id_str": str(reply.author) if reply else None,
        "in_reply_to_screen_name": reply.screen_name if reply else None,
        "user": {
            "id": tweet.author,
            "id_str": str(tweet.author),
            "name": tweet.screen_name,
            "screen_name": tweet.screen_name,
            "location": "somewhere",
            "verified": False,
            "followers_count": 3,
        },
        "geo": _v1_point(tweet.place, "geo"),
        "coordinates": _v1_point(tweet.place, "coordinates"),
        "place": _v1_place(tweet.place),
        "contributors": None,
        "is_quote_status": quoted is not None,
        "quoted_status_id": quoted.id if quoted else None,
        "quoted_status_id_str": str(quoted.id) if quoted else None,
        "retweet_count": 0,
        "favorite_count": 1,
        "favorited": False,
        "retweeted": False,
        "lang": tweet.lang,
    }
    if depth == 0:
        row["retweeted_status"] = v1(retweeted, depth=1) if retweeted else None
        row["quoted_status"] = v1(quoted, depth=1) if quoted else None
    return row


def gnip(tweet: Tweet, *, depth: int = 0) -> Row:
    """Gnip's activities: IDs inside of addresses; what is shared, or posted, is the ``object``."""
    retweeted, quoted = tweet.of("retweeted"), tweet.of("quoted")
    note = {
        "objectType": "note",
        "id": f"object:search.twitter.com,2005:{tweet.id}",
        "summary": tweet.text,
        "postedTime": tweet.iso(),
    }
    point = tweet.place.point if tweet.place else None
    row: Row = {
        "id": f"tag:search.twitter.com,2005:{tweet.id}",
        "objectType": "activity",
        "verb": "share" if retweeted else "post",
        "postedTime": tweet.iso(),
        "actor": {
            "objectType": "person",
            "id": f"id:twitter.com:{tweet.author}",
            "displayName": tweet.screen_name,
            "preferredUsername": tweet.screen_name,
            "location": {"objectType": "place", "displayName": "somewhere"},
        },
        "link": f"http://twitter.com/{tweet.screen_name}/statuses/{tweet.id}",
        "body": tweet.text,
        "object": gnip(retweeted, depth=1) if retweeted and depth == 0 else note,
        "favoritesCount": 1,
        "location": None
        if tweet.place is None
        else {"objectType": "place", "displayName": tweet.place.name, "twitter_country_code": "XX"},
        "geo": None if point is None else {"type": "Point", "coordinates": [point[1], point[0]]},
        "twitter_lang": tweet.lang,
        "retweetCount": 0,
    }
    if depth == 0:
        row["twitter_quoted_status"] = gnip(quoted, depth=1) if quoted else None
    return row


def snscrape(tweet: Tweet, *, depth: int = 0) -> Row:
    """``snscrape --jsonl twitter-search``: numbers for IDs, other tweets whole."""
    reply = tweet.of("replied_to")
    point = tweet.place.point if tweet.place else None
    row: Row = {
        "_type": "snscrape.modules.twitter.Tweet",
        "url": f"https://twitter.com/{tweet.screen_name}/status/{tweet.id}",
        "date": tweet.iso("%Y-%m-%dT%H:%M:%S+00:00"),
        "rawContent": tweet.text,
        "renderedContent": tweet.text,
        "id": tweet.id,
        "user": {
            "_type": "snscrape.modules.twitter.User",
            "username": tweet.screen_name,
            "id": tweet.author,
            "displayname": tweet.screen_name,
            "rawDescription": "",
            "location": "somewhere",
        },
        "replyCount": 0,
        "retweetCount": 0,
        "likeCount": 1,
        "quoteCount": 0,
        "conversationId": reply.id if reply else tweet.id,
        "lang": tweet.lang,
        "inReplyToTweetId": reply.id if reply else None,
        "coordinates": None
        if point is None
        else {"_type": "snscrape.modules.twitter.Coordinates", "longitude": point[0], "latitude": point[1]},
        "place": None if tweet.place is None else _scraped_place(tweet.place),
    }
    if depth == 0:
        others = {"retweetedTweet": tweet.of("retweeted"), "quotedTweet": tweet.of("quoted")}
        row |= {name: snscrape(other, depth=1) if other else None for name, other in others.items()}
    return row


def twscrape(tweet: Tweet, *, depth: int = 0) -> Row:
    """twscrape: snscrape's names, and each ID as text too."""
    row = snscrape(tweet, depth=1)
    user = {"id": tweet.author, "id_str": str(tweet.author), "username": tweet.screen_name, "location": "somewhere"}
    reply = tweet.of("replied_to")
    made = {
        "id": tweet.id,
        "id_str": str(tweet.id),
        "url": f"https://x.com/{tweet.screen_name}/status/{tweet.id}",
        "date": tweet.iso("%Y-%m-%d %H:%M:%S+00:00"),
        "user": user,
        "lang": tweet.lang,
        "rawContent": tweet.text,
        "conversationId": row["conversationId"],
        "conversationIdStr": str(row["conversationId"]),
        "place": row["place"],
        "coordinates": row["coordinates"],
        "inReplyToTweetId": reply.id if reply else None,
        "inReplyToTweetIdStr": str(reply.id) if reply else None,
        "_type": "snscrape.modules.twitter.Tweet",
    }
    if depth == 0:
        others = {"retweetedTweet": tweet.of("retweeted"), "quotedTweet": tweet.of("quoted")}
        made |= {name: twscrape(other, depth=1) if other else None for name, other in others.items()}
    return made


def _v2_geo(place: Place | None) -> Row | None:
    if place is None:
        return None
    point = None if place.point is None else {"type": "Point", "coordinates": list(place.point)}
    return {"place_id": place.id, "coordinates": point}


def _v2_user(tweet: Tweet) -> Row:
    return {"id": str(tweet.author), "username": tweet.screen_name, "location": "somewhere", "verified": False}


def _v1_point(place: Place | None, name: str) -> Row | None:
    if place is None or place.point is None:
        return None
    return {"type": "Point", "coordinates": list(place.point if name == "coordinates" else reversed(place.point))}


def _v1_place(place: Place | None) -> Row | None:
    if place is None:
        return None
    return {
        "id": place.id,
        "url": f"https://api.twitter.com/1.1/geo/id/{place.id}.json",
        "place_type": "city",
        "name": place.name,
        "full_name": f"{place.name}, Nowhere",
        "country_code": "XX",
        "country": "Nowhere",
    }


def _scraped_place(place: Place) -> Row:
    return {
        "_type": "snscrape.modules.twitter.Place",
        "id": place.id,
        "fullName": f"{place.name}, Nowhere",
        "name": place.name,
        "type": "city",
        "country": "Nowhere",
        "countryCode": "XX",
    }
