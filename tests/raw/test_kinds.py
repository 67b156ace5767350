"""One schema that all values fit in, and no value another for it."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compliance_frames.raw.jsonl import Shape, names_a_tweet, patches_of, rows_of_lines
from compliance_frames.raw.kinds import (
    MOST_NAMES,
    Inexact,
    Items,
    Kind,
    conformed,
    fitted,
    joined,
    schema_of,
    widened,
    with_text,
)
from compliance_frames.raw.packed import Lines

NAMES = st.sampled_from(["a", "b", "c"])
SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=3)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=6
)
ROWS = st.dictionaries(NAMES, VALUES, min_size=1, max_size=3)


def same(found: Any, value: Any, kind: Kind) -> bool:
    """Whether what a table holds is what was written, by the few ways in which a kind may show it."""
    if value is None:
        return found is None
    if kind == "text" or kind == {}:
        return bool(
            found == (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":")))
        )
    if isinstance(kind, Items):
        return len(found) == len(value) and all(same(a, b, kind.kind) for a, b in zip(found, value or [], strict=True))
    if isinstance(kind, dict):
        told = value or {}
        return (
            all(same(found[name], told.get(name), each) for name, each in kind.items()) and told.keys() <= kind.keys()
        )
    return bool(found == value and isinstance(found, bool) is isinstance(value, bool))


@settings(max_examples=150, deadline=None)
@given(rows=st.lists(ROWS, min_size=1, max_size=5))
def test_every_value_is_held_exactly(rows: list[dict[str, Any]]) -> None:
    """Any rows have one kind, and their table holds each value as it was written, be it as text."""
    kind: Kind = {}
    for row in rows:
        kind = widened(kind, row)
    while True:
        try:
            table = pa.Table.from_pylist([fitted(row, kind) for row in rows], schema=schema_of(kind))
            break
        except Inexact as error:
            kind = with_text(kind, error.path)
    assert all(same(found, row, kind) for found, row in zip(table.to_pylist(), rows, strict=True))


@settings(max_examples=150, deadline=None)
@given(first=st.lists(ROWS, min_size=1, max_size=3), then=st.lists(ROWS, min_size=1, max_size=3))
def test_a_table_widens_without_loss(first: list[dict[str, Any]], then: list[dict[str, Any]]) -> None:
    """A table that was made before others came is brought to the kind of all, value for value, nulls apart."""
    shapes = [Shape(id_column="a"), Shape(id_column="a")]
    tables = []
    for rows, shape in zip((first, then), shapes, strict=True):
        content = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
        tables.append(rows_of_lines(Lines(content, 1, 0, len(rows)), shape).table)
    kind = joined(shapes[0].kind, shapes[1].kind)
    while True:
        try:
            both = pa.concat_tables([conformed(table, kind) for table in tables])
            break
        except Inexact as error:
            kind = with_text(kind, error.path)
    both.validate(full=True)
    for found, row in zip(both.to_pylist(), [*first, *then], strict=True):
        assert all(texts(found[name]) >= leaves(row.get(name)) for name in found)


def leaves(value: Any) -> set[str]:
    """What a value says, whatever holds it; numbers by what they are worth."""
    if isinstance(value, dict):
        return {leaf for item in value.values() for leaf in leaves(item)}
    if isinstance(value, list):
        return {leaf for item in value for leaf in leaves(item)}
    return set() if value is None else {spelt(value)}


def texts(value: Any) -> set[str]:
    """What a cell says, and what the JSON in it says where it is text."""
    found, more = set[str](), leaves(value)
    while more - found:
        found |= more
        more = set()
        for text in found:
            with suppress(ValueError):
                more |= leaves(json.loads(text))
    return found


def spelt(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return (
        repr(float(value))
        if isinstance(value, float) or (isinstance(value, int) and abs(value) < 2**53)
        else str(value)
    )


@pytest.mark.parametrize(
    ("a", "b", "both"),
    [
        ("null", "int", "int"),
        ("int", "text", "text"),
        ("bool", "int", "text"),
        ({}, Items("int"), Items("int")),
        ({"a": "int"}, Items("nothing"), {"a": "int"}),
        ({"a": "int"}, Items("null"), "text"),
        ("nothing", "null", "null"),
        ({"a": "int"}, Items("int"), "text"),
        (Items("int"), "int", "text"),
        ({"a": "int"}, {"b": "text"}, {"a": "int", "b": "text"}),
    ],
)
def test_kinds_join_the_same_way_round(a: Kind, b: Kind, both: Kind) -> None:
    assert joined(a, b) == joined(b, a) == both


def test_an_object_that_is_a_map_stays_text() -> None:
    """Thousands of names are data: columns for each would be of no use to anybody."""
    assert widened({}, {"by_id": {str(n): n for n in range(MOST_NAMES + 1)}}) == {"by_id": "text"}


def test_what_is_nested_without_end_is_text() -> None:
    value: Any = 1
    for _ in range(200):
        value = [value]
    assert "text" in str(widened({}, {"deep": value}))


def test_patches_change_no_text() -> None:
    """Names that stand for objects elsewhere, or hold a quote, are left to the careful way."""
    assert patches_of({"a": Items("int"), "b": {"a": {"x": "int"}}}) == ()
    assert patches_of({"a": Items("int"), 'x"a': "int"}) == ()
    rows = [{"id": "1", "t": '"t":{} \\"a\\":{}', "a": ["x"]}, {"id": "2", "t": '{"a":{}}', "a": {}}] * 200
    content = b"".join(json.dumps(row, separators=(",", ":")).encode() + b"\n" for row in rows)
    shape = Shape()
    first = rows_of_lines(Lines(content, 1, 0, len(rows)), shape)
    fast = shape.fast()
    assert fast is not None
    read = fast.table(content)
    assert read is not None, "the second block is taken at once"
    expected = [{**row, "a": row["a"] or []} for row in rows]
    assert first.table.to_pylist() == read[0].to_pylist() == expected


def test_what_is_no_tweet_is_told_by_its_names() -> None:
    assert names_a_tweet({"data.id": "1"})
    assert not names_a_tweet({"delete": {"status": {"id": 1}}})
    assert not names_a_tweet({"id": None, "data": 5})
