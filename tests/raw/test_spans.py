"""JSON text loses values, and every other byte stays: a loop over the parsed values says the same."""

from __future__ import annotations

import io
import json
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from compliance_frames.raw.spans import Way, without
from compliance_frames.raw.units import Writer, json_values

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner, max_size=4),
    max_leaves=24,
)


def ways_in(value: Any, above: Way = ()) -> list[Way]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [way for name, each in items for way in ((*above, name), *ways_in(each, (*above, name)))]


def plainly(value: Any, nulled: set[Way], removed: set[Way], above: Way = ()) -> Any:
    if above in nulled:
        return None
    if isinstance(value, dict):
        return {name: plainly(each, nulled, removed, (*above, name)) for name, each in value.items()}
    if isinstance(value, list):
        some = ((at, each) for at, each in enumerate(value) if (*above, at) not in removed)
        return [plainly(each, nulled, removed, (*above, at)) for at, each in some]
    return value


@given(VALUES, st.data())
def test_what_is_left_is_what_a_loop_leaves(value: Any, data: st.DataObject) -> None:
    """Of whatever value, spelled tightly or with spaces: all that is cut is taken from the text, in its order."""
    ways = ways_in(value)
    nulled = set(data.draw(st.lists(st.sampled_from(ways), max_size=4))) if ways else set()
    in_lists = [way for way in ways if isinstance(way[-1], int)]
    removed = set(data.draw(st.lists(st.sampled_from(in_lists), max_size=4))) if in_lists else set()
    text = json.dumps(value, indent=data.draw(st.sampled_from([None, 1])))
    left = without(text, nulled, removed)
    assert json.loads(left) == plainly(value, nulled, removed)
    parts = iter(text)
    assert all(sign in parts for sign in re.sub("null", "", left))


def test_lists_with_nothing_in_them_may_be_many() -> None:
    """Their brackets go over in pieces, whatever stands among them."""
    content = b"[] [ ]\n" * 40_000 + b"[7,\n8]" + b"[]" * 40_000
    sink = io.BytesIO()
    writer = Writer(sink)
    units = list(json_values(io.BytesIO(content)))
    for unit in units:
        writer.put(unit, None if unit.value == 7 else unit.text)
    assert sink.getvalue() == content.replace(b"7,\n", b"")
    assert max(len(unit.before) for unit in units) < 70_000
