"""Structs of Thrift's compact protocol come back as they were, and no bytes whatever do harm."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from compliance_frames.corpus.thrift import CutShort, Shape, Struct, parsed, text_list
from compliance_frames.errors import FooterError, PlanError


def varint(value: int, *, pad: int = 0) -> bytes:
    """A number; ``pad`` more bytes than it needs say nothing, and are allowed."""
    digits = [value & 127]
    while value := value >> 7:
        digits.append(value & 127)
    digits += [0] * pad
    return bytes([*(digit | 128 for digit in digits[:-1]), digits[-1]])


def zigzag(value: int) -> int:
    return value << 1 if value >= 0 else ~(value << 1)


@st.composite
def values(draw: st.DrawFn, depth: int) -> tuple[int, bytes]:
    """The type and the bytes of a value."""
    kinds = [3, 4, 5, 6, 7, 8, 13] + [9, 10, 11, 12] * (depth > 0)
    kind = draw(st.sampled_from(kinds))
    if kind in (4, 5, 6):
        return kind, varint(draw(st.integers(0, 2**40)), pad=draw(st.integers(0, 2)))
    if kind == 8:
        text = draw(st.binary(max_size=20))
        return kind, varint(len(text), pad=draw(st.integers(0, 1))) + text
    if kind == 12:
        return kind, draw(structs(depth - 1))
    if kind in (3, 7, 13):
        size = {3: 1, 7: 8, 13: 16}[kind]
        return kind, draw(st.binary(min_size=size, max_size=size))
    of, count = draw(st.sampled_from([3, 5, 8, 12])), draw(st.integers(0, 17))
    element = {3: st.binary(min_size=1, max_size=1), 5: st.integers(0, 999).map(varint), 8: st.just(b"\2ab"),
               12: structs(0)}[of]  # fmt: skip
    if kind == 11:
        pairs = [draw(st.integers(0, 9).map(varint)) + draw(element) for _ in range(count)]
        return kind, varint(count) + (bytes([5 << 4 | of]) + b"".join(pairs) if count else b"")
    long = count >= 15 or draw(st.booleans())
    head = bytes([0xF0 | of]) + varint(count) if long else bytes([count << 4 | of])
    return kind, head + b"".join(draw(element) for _ in range(count))


@st.composite
def structs(draw: st.DrawFn, depth: int = 3) -> bytes:
    """A struct as some writer may have written it: fields in any order, each in the short or in the long form."""
    numbers = draw(st.lists(st.integers(1, 40), unique=True, max_size=6))
    made, last = b"", 0
    for number in numbers:
        kind, value = draw(st.one_of(values(depth), st.sampled_from([(1, b""), (2, b"")])))
        short = 0 < number - last <= 15 and draw(st.booleans())
        made += bytes([(number - last) << 4 | kind]) if short else bytes([kind]) + varint(zigzag(number))
        made, last = made + value, number
    return made + b"\0"


SHAPES: list[Shape] = [{}, {n: {} for n in range(1, 41)}, {n: {m: {} for m in range(1, 41)} for n in range(1, 41)}]


@settings(max_examples=150, deadline=None)
@given(structs(), st.sampled_from(SHAPES), st.binary(max_size=3))
def test_what_is_not_changed_is_written_back_byte_for_byte(data: bytes, shape: Shape, after: bytes) -> None:
    """However its writer encoded it: long forms, numbers with idle digits, fields out of order, types of any kind."""
    found, end = parsed(data + after, shape)
    assert (found.encoded(), end) == (data, len(data))


@settings(max_examples=100, deadline=None)
@given(structs(), st.integers(1, 40), st.integers(-(2**40), 2**40))
def test_a_change_leaves_all_other_fields_as_they_are(data: bytes, number: int, value: int) -> None:
    """A field that is put or dropped changes none of the others, known or not."""
    found, _ = parsed(data)
    before = {each: field.value for each, field in found.fields.items()}
    if number in found and found.fields[number].kind not in (4, 5, 6):
        found.drop(number)
    found.put(number, value)
    again, end = parsed(found.encoded())
    assert end == len(found.encoded())
    assert again.integer(number) == value
    assert {each: field.value for each, field in again.fields.items() if each != number} == {
        each: raw for each, raw in before.items() if each != number
    }


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=300), structs()), st.sampled_from(SHAPES), st.data())
def test_no_bytes_do_harm(data: bytes, shape: Shape, draw: st.DataObject) -> None:
    """Noise, and structs with a byte changed or cut off, are a struct or a ``FooterError``, at once."""
    if data:
        at = draw.draw(st.integers(0, len(data) - 1))
        data = data[:at] + draw.draw(st.binary(max_size=2)) + data[at + 1 :]
    try:
        found, end = parsed(data, shape)
    except FooterError:
        return
    assert found.encoded() == data[:end]


@settings(max_examples=50, deadline=None)
@given(structs())
def test_half_a_struct_is_cut_short(data: bytes) -> None:
    """Wherever the bytes end too early it is said that they do, so that more of them can be read."""
    for end in range(len(data)):
        with pytest.raises(CutShort):
            parsed(data[:end])


@pytest.mark.parametrize(
    ("data", "shape", "said"),
    [
        (b"\x19\xfc" + varint(2**60) + b"\0" * 9, {1: {}}, "says to have 1,152,921,504,606,846,976 elements"),
        (b"\x19\xf5" + varint(2**60) + b"\0" * 9, {}, "is longer than the footer"),
        (b"\x1b" + varint(2**31) + b"\x55\0", {}, "is longer than the footer"),
        (b"\x18" + varint(2**62) + b"abc", {}, "end too early"),
        (b"\x15" + b"\xff" * 99, {}, "a number in a footer has no end"),
        (b"\x1c" * 1000, {}, "nested more than 32 deep"),
        (b"\x1c" * 1000, {1: {1: {}}}, "nested more than 32 deep"),
        (b"\x19\x19" * 1000 + b"\0" * 9999, {}, "nested more than 32 deep"),
        (b"\x1e\0", {}, "unknown type 14"),
        (b"\x15\2\5\2\2\0", {}, "field 1 stands twice"),
        (b"\x19\xfc" + varint(500_001) + b"\0" * 500_002, {1: {}}, "more than 500,000 fields"),
        (b"", {}, "end too early"),
    ],
    ids=range(12),
)
def test_absurd_structs_are_refused(data: bytes, shape: Shape, said: str) -> None:
    """Sizes are held against what is there, nesting and the number of opened values are bounded."""
    with pytest.raises(PlanError, match=said):
        parsed(data, shape)


def test_lists_grow_and_shrink() -> None:
    """A list of another length gets another head; up to 14 elements stand in its first byte."""
    found, _ = parsed(b"\x19\x1c\x15\2\0\0", {1: {}})
    (only,) = found.structs(1)
    for size in (0, 1, 14, 15, 300):
        found.put(1, [only] * size)
        again, _ = parsed(found.encoded(), {1: {}})
        assert [each.integer(1) for each in again.structs(1)] == [1] * size


def test_fields_are_what_they_are_asked_for() -> None:
    """A field that is not there is None or nothing; one of another type is an error."""
    found, _ = parsed(b"\x15\2\x18\1a\x19\x05\0")
    assert (found.integer(1), found.binary(2), list(found.structs(3))) == (1, b"a", [])
    assert (found.integer(9), found.binary(9), found.struct(9), list(found.structs(9))) == (None, None, None, [])
    for ask, number in ((found.integer, 2), (found.binary, 1), (found.struct, 1), (found.structs, 2)):
        with pytest.raises(FooterError, match="is to be"):
            ask(number)
    with pytest.raises(FooterError, match="is to be an integer"):
        found.put(2, 1)


def test_copies_do_not_change_what_they_are_copies_of() -> None:
    """A copy can have some of the fields; what is put there stays there."""
    found, _ = parsed(b"\x15\2\x15\4\0")
    made = found.copied(1)
    made.put(1, 7)
    assert (made.integer(1), made.integer(2), found.integer(1)) == (7, None, 1)
    assert Struct().encoded() == b"\0"


@pytest.mark.parametrize("raw", [b"\x28\x09a", b"\xf8\xff\xff\xff\x0f", b"\x15\2", b""])
def test_a_list_of_texts_is_held_against_its_bytes(raw: bytes) -> None:
    """A path that ends too early, or holds no texts, is an error."""
    with pytest.raises(FooterError):
        text_list(raw)
