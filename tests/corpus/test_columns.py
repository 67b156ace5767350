"""Columns are found by their names, or taken as told."""

from __future__ import annotations

import pyarrow as pa
import pytest

from compliance_frames.corpus.columns import column_at, find_columns
from compliance_frames.errors import PlanError

USER = pa.struct({"id": pa.int64(), "id_str": pa.string()})
TWEET = pa.struct({"id_str": pa.string(), "text": pa.string(), "user": USER})
REFERENCES = pa.list_(pa.struct({"type": pa.string(), "id": pa.string()}))


def test_the_columns_of_the_second_api_are_found() -> None:
    """A v2 tweet: IDs at the top, references in a list, the place in a struct, other tweets under ``includes``."""
    schema = pa.schema(
        {
            "id": pa.string(),
            "author_id": pa.string(),
            "created_at": pa.timestamp("ms"),
            "referenced_tweets": REFERENCES,
            "geo": pa.struct({"place_id": pa.string()}),
            "includes": pa.struct(
                {
                    "tweets": pa.list_(pa.struct({"id": pa.string(), "text": pa.string()})),
                    "places": pa.list_(pa.struct({"id": pa.string(), "full_name": pa.string()})),
                }
            ),
        }
    )
    found = find_columns(schema)
    assert (found.id, found.author_id, found.created_at) == ("id", "author_id", "created_at")
    assert found.geo == ("geo", "includes.places")
    assert found.references == ("referenced_tweets",)
    assert found.embedded == ("includes.tweets",)


def test_the_columns_of_the_first_api_are_found() -> None:
    """A v1.1 tweet: the text spelling of each ID before the number, embedded tweets inside embedded tweets too."""
    retweeted = pa.struct([*TWEET, pa.field("quoted_status", TWEET)])
    schema = pa.schema(
        {
            "id": pa.int64(),
            "id_str": pa.string(),
            "user": USER,
            "coordinates": pa.struct({"coordinates": pa.list_(pa.float64())}),
            "place": pa.string(),
            "retweeted_status": retweeted,
            "quoted_status": TWEET,
        }
    )
    found = find_columns(schema)
    assert (found.id, found.author_id) == ("id_str", "user.id_str")
    assert found.geo == ("coordinates", "place")
    assert found.embedded == ("retweeted_status", "retweeted_status.quoted_status", "quoted_status")
    assert found.references == ()


@pytest.mark.parametrize("name", ["geo.place_id", "geo_place_id", "place.full_name", "latitude", "coordinates"])
def test_flat_columns_of_places_are_found(name: str) -> None:
    """A flattened table spells the way to a place in the column's name."""
    assert find_columns(pa.schema({"id": pa.int64(), name: pa.string()})).geo == (name,)


def test_none_found_and_told_that_there_are_none_differ() -> None:
    """``geo=None`` that found nothing is an open question; ``geo=[]`` is an answer."""
    schema = pa.schema({"id": pa.int64()})
    assert find_columns(schema).geo is None
    assert find_columns(schema, geo=[]).geo == ()


def test_a_tweet_wrapped_in_a_struct_is_no_embedded_tweet() -> None:
    """The row's own tweet may lie in ``data``: its columns are found beside its ID."""
    data = pa.struct({"id": pa.string(), "text": pa.string(), "author_id": pa.string(), "geo": pa.string()})
    found = find_columns(pa.schema({"data": data, "fetched": pa.string()}))
    assert (found.id, found.author_id, found.geo) == ("data.id", "data.author_id", ("data.geo",))
    assert found.embedded == ()


def test_hydrated_references_are_embedded_tweets_too() -> None:
    """References that carry the text of the tweet they name hold other people's words."""
    full = pa.list_(pa.struct({"type": pa.string(), "id": pa.string(), "text": pa.string()}))
    found = find_columns(pa.schema({"id": pa.string(), "referenced_tweets": full}))
    assert found.references == found.embedded == ("referenced_tweets",)


def test_an_embedded_tweet_under_any_name_is_found_by_what_it_holds() -> None:
    """A struct with an ID and a text is a tweet, whatever it is called."""
    assert find_columns(pa.schema({"id": pa.string(), "parent": TWEET})).embedded == ("parent",)


def test_a_flat_id_of_the_retweeted_tweet_is_a_reference() -> None:
    """A flat table keeps the original's ID in a column of its own; so does one with dots in its names."""
    schema = pa.schema({"id": pa.int64(), "retweeted_status_id": pa.int64(), "retweeted_status.id_str": pa.string()})
    assert find_columns(schema).references == ("retweeted_status_id", "retweeted_status.id_str")


def test_the_literal_name_comes_before_the_way_through_structs() -> None:
    """A column that is really called ``user.id`` is taken before the child of a struct ``user``."""
    table = pa.table({"id": [1], "user.id": [10], "user": [{"id": 20}]})
    assert column_at(table, "user.id").to_pylist() == [10]


def test_null_structs_on_the_way_give_null() -> None:
    """A value inside a struct that is null does not exist, whatever its buffer holds."""
    hidden = pa.StructArray.from_arrays([pa.array([5, 6])], names=["id"], mask=pa.array([False, True]))
    assert column_at(pa.table({"user": hidden}), "user.id").to_pylist() == [5, None]


@pytest.mark.parametrize(
    "kind",
    [
        *(pa.int64(), pa.uint64(), pa.string(), pa.large_string(), pa.string_view(), pa.null(), pa.decimal128(38, 0)),
        *(pa.dictionary(pa.int8(), pa.string()), pa.dictionary(pa.int32(), pa.int64())),
    ],
    ids=str,
)
def test_every_type_that_ids_have_is_taken(kind: pa.DataType) -> None:
    """Integers, text of any layout, and dictionaries of both can be IDs."""
    assert find_columns(pa.schema({"id": kind})).id == "id"


def test_a_float_id_gives_way_to_its_text() -> None:
    """An ``id`` that went through floats is not taken where another column has the digits."""
    assert find_columns(pa.schema({"id": pa.float64(), "tweet_id": pa.string()})).id == "tweet_id"


@pytest.mark.parametrize("option", ["id_column", "author_column", "geo"])
def test_a_misspelt_column_is_answered_with_the_right_one(option: str) -> None:
    """A told column that is not there ends the plan, with the name that was meant."""
    schema = pa.schema({"id": pa.int64(), "user": pa.struct({"screen_name_id": pa.int64()})})
    told = ["user.screen_name_ids"] if option == "geo" else "user.screen_name_ids"
    with pytest.raises(PlanError, match=rf"told by {option}.*did you mean 'user\.screen_name_id'"):
        find_columns(schema, **{option: told})  # type: ignore[arg-type]


def test_no_id_column_at_all_says_what_was_looked_for() -> None:
    """Without tweet IDs nothing can be decided: the message lists what is there and names the option."""
    with pytest.raises(PlanError, match=r"called id_str, id.*among id \(binary\), followers; .*id_column="):
        find_columns(pa.schema({"id": pa.binary(), "followers": pa.int64()}))


def test_a_told_column_of_structs_is_refused() -> None:
    """A struct cannot be an ID."""
    with pytest.raises(PlanError, match="IDs are integers or text"):
        find_columns(pa.schema({"id": USER}), id_column="id")


def test_one_name_in_place_of_a_list_is_refused() -> None:
    """``geo="geo"`` would be taken letter by letter."""
    with pytest.raises(PlanError, match=r"geo=\['geo'\]"):
        find_columns(pa.schema({"id": pa.int64(), "geo": pa.string()}), geo="geo")
