"""Times out of IDs, and IDs out of times."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance_frames.ids import snowflake

moments = st.datetimes(min_value=datetime(2010, 11, 5), max_value=datetime(2060, 1, 1)).map(
    lambda when: when.replace(microsecond=when.microsecond // 1000 * 1000, tzinfo=UTC)
)


@given(st.lists(moments, min_size=1))
def test_a_moment_comes_back_from_its_first_id(when: list[datetime]) -> None:
    """Time to ID and back is the identity, to the millisecond."""
    assert snowflake.times(snowflake.first_ids(when)).to_pylist() == when


@given(moments)
def test_one_value_and_a_column_agree(when: datetime) -> None:
    """The scalar functions say what the vectorised ones say."""
    first = snowflake.first_id(when)
    assert snowflake.first_ids([when]).to_pylist() == [first]
    assert snowflake.time(first) == when
    assert snowflake.time(first - 1) == when - timedelta(milliseconds=1)


def test_sequential_ids_hold_no_time() -> None:
    """An ID from before Snowflake gives null, and so does a null."""
    assert snowflake.times([20, None, snowflake.FIRST - 1]).null_count == 3
    assert snowflake.times([snowflake.FIRST]).null_count == 0
    assert snowflake.time(20) is None


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("tz", [None, "UTC", "America/New_York"])
def test_every_unit_and_zone_of_timestamps_is_read(unit: str, tz: str | None) -> None:
    """A timestamp is a moment, whatever its unit or zone; without a zone it is UTC."""
    when = pa.array([1_577_836_800]).cast(pa.timestamp("s", tz=tz)).cast(pa.timestamp(unit, tz=tz))
    assert snowflake.first_ids(when).to_pylist() == [1212161512043446272]


def test_arrays_of_every_kind_are_read() -> None:
    """NumPy arrays, Arrow arrays and chunked arrays, and lists give the same times."""
    ids = [1212161512043446272, 1212161512043446272 + (1 << 22)]
    expected = snowflake.times(ids)
    assert snowflake.times(np.array(ids)) == expected
    assert snowflake.times(pa.array(ids)) == expected
    assert snowflake.times(pa.chunked_array([ids[:1], ids[1:]])) == expected
    assert snowflake.times(pa.chunked_array([], pa.int64())).to_pylist() == []


def test_before_snowflake_a_span_begins_at_zero() -> None:
    """A moment before the first Snowflake has 0 as its first ID, never a made-up one."""
    assert snowflake.first_ids([datetime(2009, 1, 1), None]).to_pylist() == [0, None]
    assert snowflake.first_id(datetime(2009, 1, 1)) == 0


def test_real_tweets_were_made_when_their_ids_say(shared: Path) -> None:
    """For every real tweet the decoded time equals ``created_at``, which has whole seconds."""
    with gzip.open(shared / "real_tweets" / "tweets.jsonl.gz") as lines:
        tweets = [json.loads(line) for line in lines]
    decoded = snowflake.times([int(tweet["id"]) for tweet in tweets]).to_pylist()
    created = [datetime.fromisoformat(tweet["created_at"]) for tweet in tweets]
    assert len(tweets) == 5631
    assert all(abs(a - b) < timedelta(seconds=1) for a, b in zip(decoded, created, strict=True))
