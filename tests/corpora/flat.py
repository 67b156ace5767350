"""CSV as twarc, twarc-csv, academictwitteR, rtweet, gazouilloire, DMI-TCAT and X's archives write it."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from typing import Any

from tests.corpora.tweets import Tweet

Row = dict[str, Any]
_SPACED = "%Y-%m-%d %H:%M:%S"


def twarc_csv(tweet: Tweet) -> Row:
    """``twarc2 csv``: a retweet's text is the original's."""
    references = {kind: tweet.of(kind) for kind in ("replied_to", "retweeted", "quoted")}
    reply, retweeted, quoted = references.values()
    place, point = tweet.place, tweet.place.point if tweet.place else None
    return {
        "id": tweet.id,
        "conversation_id": reply.id if reply else tweet.id,
        **{f"referenced_tweets.{kind}.id": other.id if other else None for kind, other in references.items()},
        "author_id": tweet.author,
        "in_reply_to_user_id": reply.author if reply else None,
        "in_reply_to_username": reply.screen_name if reply else None,
        "retweeted_user_id": retweeted.author if retweeted else None,
        "retweeted_username": retweeted.screen_name if retweeted else None,
        "quoted_user_id": quoted.author if quoted else None,
        "quoted_username": quoted.screen_name if quoted else None,
        "created_at": tweet.iso(),
        "text": (retweeted or tweet).text.replace("\n", "\\n"),
        "lang": tweet.lang,
        "source": "Web App",
        "public_metrics.retweet_count": 0,
        "public_metrics.like_count": 1,
        "reply_settings": "everyone",
        "edit_history_tweet_ids": f'["{tweet.id}"]',
        "possibly_sensitive": False,
        "author.id": tweet.author,
        "author.created_at": "2015-01-01T00:00:00.000Z",
        "author.username": tweet.screen_name,
        "author.location": "somewhere",
        "geo.coordinates.coordinates": None if point is None else str(list(point)),
        "geo.coordinates.type": None if point is None else "Point",
        "geo.country": place and "Nowhere",
        "geo.country_code": place and "XX",
        "geo.full_name": place and f"{place.name}, Nowhere",
        "geo.geo.bbox": place and "[1.0, 2.0, 3.0, 4.0]",
        "geo.geo.type": place and "Feature",
        "geo.id": place and place.id,
        "geo.name": place and place.name,
        "geo.place_id": place and place.id,
        "geo.place_type": place and "city",
        "__twarc.version": "2.13.0",
    }


def twarc1_csv(tweet: Tweet) -> Row:
    """``json2csv.py`` of twarc 1: one column for the ID of the tweet that is retweeted or quoted."""
    reply, other = tweet.of("replied_to"), tweet.of("retweeted") or tweet.of("quoted")
    point = tweet.place.point if tweet.place else None
    kinds = {"": "original", "retweeted": "retweet", "quoted": "quote", "replied_to": "reply"}
    return {
        "id": tweet.id,
        "tweet_url": f"https://twitter.com/{tweet.screen_name}/status/{tweet.id}",
        "created_at": tweet.iso("%a %b %d %H:%M:%S +0000 %Y"),
        "parsed_created_at": tweet.iso("%Y-%m-%d %H:%M:%S+00:00"),
        "user_screen_name": tweet.screen_name,
        "text": tweet.text,
        "tweet_type": kinds[tweet.kind],
        "coordinates": None if point is None else f"{point[0]:f} {point[1]:f}",
        "hashtags": None,
        "favorite_count": 1,
        "in_reply_to_screen_name": reply.screen_name if reply else None,
        "in_reply_to_status_id": reply.id if reply else None,
        "in_reply_to_user_id": reply.author if reply else None,
        "lang": tweet.lang,
        "place": tweet.place and f"{tweet.place.name}, Nowhere",
        "possibly_sensitive": False,
        "retweet_count": 0,
        "retweet_or_quote_id": other.id if other else None,
        "retweet_or_quote_screen_name": other.screen_name if other else None,
        "retweet_or_quote_user_id": other.author if other else None,
        "source": "Web App",
        "user_id": tweet.author,
        "user_created_at": "Thu Jan 01 00:00:00 +0000 2015",
        "user_location": "somewhere",
        "user_name": tweet.screen_name,
        "user_verified": False,
    }


def academictwitter(tweet: Tweet) -> Row:
    """``bind_tweets(output_format = "tidy")``: a retweeted or quoted tweet's words beside the own; no places."""
    source, reply = tweet.of("retweeted") or tweet.of("quoted"), tweet.of("replied_to")
    return {
        "tweet_id": tweet.id,
        "user_username": tweet.screen_name,
        "text": tweet.text,
        "possibly_sensitive": False,
        "lang": tweet.lang,
        "created_at": tweet.iso(),
        "source": "Web App",
        "author_id": tweet.author,
        "conversation_id": reply.id if reply else tweet.id,
        "in_reply_to_user_id": reply.author if reply else None,
        "user_location": "somewhere",
        "user_name": tweet.screen_name,
        "user_pinned_tweet_id": None,
        "retweet_count": 0,
        "like_count": 1,
        "quote_count": 0,
        "user_tweet_count": 10,
        "sourcetweet_type": tweet.kind if source else None,
        "sourcetweet_id": source.id if source else None,
        "sourcetweet_text": source.text if source else None,
        "sourcetweet_lang": source.lang if source else None,
        "sourcetweet_author_id": source.author if source else None,
    }


def rtweet(tweet: Tweet) -> Row:
    """``rtweet::write_as_csv``: an ``x`` before each ID, other tweets' columns beside the row's own."""
    reply, quoted, retweeted = (tweet.of(kind) for kind in ("replied_to", "quoted", "retweeted"))
    place, point = tweet.place, tweet.place.point if tweet.place else None
    return {
        "user_id": f"x{tweet.author}",
        "status_id": f"x{tweet.id}",
        "created_at": tweet.iso(_SPACED),
        "screen_name": tweet.screen_name,
        "text": tweet.text,
        "source": "Web App",
        "display_text_width": len(tweet.text),
        "reply_to_status_id": f"x{reply.id}" if reply else None,
        "reply_to_user_id": f"x{reply.author}" if reply else None,
        "is_quote": quoted is not None,
        "is_retweet": retweeted is not None,
        "favorite_count": 1,
        "retweet_count": 0,
        "lang": tweet.lang,
        **_rtweet_other("quoted", quoted),
        **_rtweet_other("retweet", retweeted),
        "place_url": place and f"https://api.twitter.com/1.1/geo/id/{place.id}.json",
        "place_name": place and place.name,
        "place_full_name": place and f"{place.name}, Nowhere",
        "place_type": place and "city",
        "country": place and "Nowhere",
        "country_code": place and "XX",
        "geo_coords": None if point is None else f"{point[1]} {point[0]}",
        "coords_coords": None if point is None else f"{point[0]} {point[1]}",
        "bbox_coords": place and "1 2 3 4",
        "status_url": f"https://twitter.com/{tweet.screen_name}/status/{tweet.id}",
        "name": tweet.screen_name,
        "location": "somewhere",
        "description": "",
    }


def _rtweet_other(prefix: str, other: Tweet | None) -> Row:
    return {
        f"{prefix}_status_id": other and f"x{other.id}",
        f"{prefix}_text": other and other.text,
        f"{prefix}_created_at": other and other.iso(_SPACED),
        f"{prefix}_favorite_count": other and 1,
        f"{prefix}_user_id": other and f"x{other.author}",
        f"{prefix}_screen_name": other and other.screen_name,
        f"{prefix}_location": other and "somewhere",
    }


def gazouilloire(tweet: Tweet) -> Row:
    """``gazou export``: short names of its own."""
    reply, quoted, retweeted = (tweet.of(kind) for kind in ("replied_to", "quoted", "retweeted"))
    place, point = tweet.place, tweet.place.point if tweet.place else None
    return {
        "id": tweet.id,
        "timestamp_utc": int(tweet.time.timestamp()),
        "local_time": tweet.iso("%Y-%m-%dT%H:%M:%S"),
        "user_screen_name": tweet.screen_name,
        "text": tweet.text,
        "possibly_sensitive": 0,
        "retweet_count": 0,
        "like_count": 1,
        "lang": tweet.lang,
        "to_username": reply.screen_name if reply else None,
        "to_userid": reply.author if reply else None,
        "to_tweetid": reply.id if reply else None,
        "source_name": "Web App",
        "user_location": "somewhere",
        "lat": None if point is None else point[1],
        "lng": None if point is None else point[0],
        "user_id": tweet.author,
        "user_name": tweet.screen_name,
        "collected_via": "search",
        "retweeted_id": retweeted.id if retweeted else None,
        "retweeted_user": retweeted.screen_name if retweeted else None,
        "retweeted_user_id": retweeted.author if retweeted else None,
        "retweeted_timestamp_utc": int(retweeted.time.timestamp()) if retweeted else None,
        "quoted_id": quoted.id if quoted else None,
        "quoted_user": quoted.screen_name if quoted else None,
        "quoted_user_id": quoted.author if quoted else None,
        "url": f"https://twitter.com/{tweet.screen_name}/status/{tweet.id}",
        "place_country_code": place and "XX",
        "place_name": place and place.name,
        "place_type": place and "city",
        "place_coordinates": place and "1.0|2.0",
        "mentioned_ids": None,
    }


def tcat(tweet: Tweet) -> Row:
    """DMI-TCAT's full export: what a retweet repeats is told in its text alone; ``location`` is the author's."""
    reply, quoted = tweet.of("replied_to"), tweet.of("quoted")
    point = tweet.place.point if tweet.place else None
    return {
        "id": tweet.id,
        "time": int(tweet.time.timestamp()),
        "created_at": tweet.iso(_SPACED),
        "from_user_name": tweet.screen_name,
        "text": tweet.text,
        "filter_level": "low",
        "possibly_sensitive": 0,
        "truncated": None,
        "retweet_count": 0,
        "favorite_count": 1,
        "lang": tweet.lang,
        "to_user_name": reply.screen_name if reply else None,
        "in_reply_to_status_id": reply.id if reply else None,
        "quoted_status_id": quoted.id if quoted else None,
        "source": "Web App",
        "location": "somewhere",
        "lat": None if point is None else point[1],
        "lng": None if point is None else point[0],
        "from_user_id": tweet.author,
        "from_user_realname": tweet.screen_name,
        "from_user_verified": 0,
    }


def information_operations(tweet: Tweet) -> Row:
    """X's archives of information operations: authors hashed, words in the place of coordinates that are not there."""
    reply, quoted, retweeted = (tweet.of(kind) for kind in ("replied_to", "quoted", "retweeted"))
    point = tweet.place.point if tweet.place else None
    return {
        "tweetid": tweet.id,
        "userid": hashed(tweet.author),
        "user_display_name": hashed(tweet.author),
        "user_screen_name": hashed(tweet.author),
        "user_reported_location": "somewhere",
        "follower_count": 3,
        "account_creation_date": "2015-01-01",
        "tweet_language": tweet.lang,
        "tweet_text": tweet.text,
        "tweet_time": tweet.iso("%Y-%m-%d %H:%M"),
        "tweet_client_name": "Web App",
        "in_reply_to_userid": reply.author if reply else None,
        "in_reply_to_tweetid": reply.id if reply else None,
        "quoted_tweet_tweetid": quoted.id if quoted else None,
        "is_retweet": retweeted is not None,
        "retweet_userid": (hashed(retweeted.author) if retweeted.id % 2 else retweeted.author) if retweeted else None,
        "retweet_tweetid": retweeted.id if retweeted else None,
        "latitude": "absent" if point is None else point[1],
        "longitude": "absent" if point is None else point[0],
        "like_count": 1,
        "hashtags": "[]",
    }


def hashed(author: int) -> str:
    """A digest as X put it in the place of an author's ID."""
    return b64encode(hashlib.sha256(str(author).encode()).digest()).decode()
