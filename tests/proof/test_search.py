"""Erased IDs are found in any bytes, in every way that they can stand there, and nothing else is taken for one."""

from __future__ import annotations

import random
import re
import struct
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from compliance_frames.proof.bloom import hashes_of
from compliance_frames.proof.search import _BLOCK, Likely, Needles, Search

FIRST = 1212161512043446272
IDS = np.array([12345678901, 20_000_000_000, FIRST, FIRST + 77, 2 * FIRST - 5, 9_223_372_036_854_775_807])
NEEDLES = Needles(IDS)


def slowly(data: bytes) -> set[int]:
    """The same search, written for eyes: a run of up to nineteen digits is a number, every eight bytes are one."""
    runs = {int(run) for run in re.findall(rb"\d+", data) if 11 <= len(run) <= 19}
    words = {struct.unpack_from("<q", data, at)[0] for at in range(len(data) - 7)}
    return (runs | words) & set(IDS.tolist())


@pytest.mark.parametrize("needles", [NEEDLES, Needles(np.array([FIRST + 77, FIRST + 90]))])
def test_a_block_of_nothing_but_ids_hides_none(needles: Needles) -> None:
    """Where digits stand everywhere, each number counts, in more than is looked at in one go and across its seams."""
    values = np.arange(2 * FIRST, 2 * FIRST + 60_000)
    values[[0, 31_337, -1]] = FIRST + 77
    text = ",".join(map(str, values.tolist())).encode()
    assert len(text) > 2 * _BLOCK
    for data in (text, values.astype("<i8").tobytes()):
        assert needles.in_bytes(data).tolist() == [FIRST + 77]
    found, starts = needles.where(text)
    assert (found.tolist(), starts.tolist()) == ([FIRST + 77] * 3, [0, 31_337 * 20, 59_999 * 20])


def test_threads_that_search_at_once_find_each_its_own() -> None:
    """What one makes of its bytes is not what another looks at."""
    pieces = [b"x" * 1000 * at + b"%d" % (FIRST + 77 * (at % 2)) + b"x" * 100_000 for at in range(40)]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(NEEDLES.in_bytes, pieces))
    assert [each.tolist() for each in found] == [[FIRST + 77 * (at % 2)] for at in range(40)]


@pytest.mark.parametrize("seed", range(30))
def test_a_search_finds_what_a_slow_one_finds(seed: int) -> None:
    """Text, noise, lists of numbers and numbers of eight bytes, mixed as chance has it."""
    chance = random.Random(seed)
    pieces = [
        lambda: chance.randbytes(chance.randrange(40)),
        lambda: "".join(chance.choices("abc 12345,\n", k=chance.randrange(90))).encode(),
        lambda: str(chance.choice(IDS.tolist()) + chance.choice([0, 0, 1, -1])).encode(),
        lambda: b"," + str(chance.randrange(10**18, 2 * 10**18)).encode() + b",",
        lambda: struct.pack("<Q", chance.choice(IDS.tolist()) + chance.choice([0, 1])),
    ]
    data = b"|".join(chance.choice(pieces)() for _ in range(chance.choice([0, 1, 5, 200])))
    assert set(NEEDLES.in_bytes(data).tolist()) == slowly(data)


@pytest.mark.parametrize("at", [0, 1, 7, 23, _BLOCK - 19, _BLOCK - 1, _BLOCK, 2 * _BLOCK - 7])
def test_an_id_is_found_wherever_it_begins(at: int) -> None:
    """Beginnings, ends and the seams between pieces that are looked at in one go hide nothing."""
    for needle in (b"%d" % (FIRST + 77), struct.pack("<q", FIRST + 77)):
        assert NEEDLES.in_bytes(b"x" * at + needle).tolist() == [FIRST + 77]
        assert NEEDLES.in_bytes(b"x" * at + needle + b"x" * 50).tolist() == [FIRST + 77]


def test_digits_without_anything_between_them_are_told_apart() -> None:
    """Some encodings put values one after the other."""
    values = [FIRST + 5, FIRST + 77, FIRST + 6]
    assert NEEDLES.in_bytes("".join(map(str, values)).encode()).tolist() == [FIRST + 77]
    found, starts = NEEDLES.where("".join(map(str, values)).encode())
    assert (found.tolist(), starts.tolist()) == ([FIRST + 77], [19])


def test_numbers_that_begin_with_their_highest_byte_are_found_in_foreign_formats() -> None:
    """SQLite writes them so; Parquet and Arrow do not."""
    data = b"x" + struct.pack(">q", FIRST) + b"x"
    assert (NEEDLES.in_bytes(data).tolist(), NEEDLES.in_bytes(data, foreign=True).tolist()) == ([], [FIRST])


def test_short_ids_are_not_looked_for_in_bytes() -> None:
    """User 12 is in every page."""
    assert len(Needles(np.array([12, 9_999_999_999]))) == 0
    assert Needles(np.array([12])).in_bytes(b"12 " * 99).tolist() == []


def test_pieces_are_searched_each_by_itself() -> None:
    """No ID is made of the end of one piece and the beginning of another."""
    search, number = Search(NEEDLES), b"%d" % FIRST
    for piece in (number[:9], number[9:], b"a" * 200_000, number):
        search.add(piece)
    assert search.found().tolist() == [FIRST]
    apart = Search(NEEDLES)
    for piece in (number[:9], number[9:]):
        apart.add(piece)
    assert apart.found().tolist() == []


def test_what_is_searched_together_is_told_apart() -> None:
    """What stands in a piece of one thing is found in that one alone, and in none if two only make it together."""
    number = b"%d" % FIRST
    search = Search(NEEDLES)
    for of, piece in enumerate((b"x", number, number[:9], number[9:], b"", b"y" + number, bytes(200_000) + number)):
        search.add(piece, of=of)
        search.add(b"z", of=0)
    search.add_numbers(NEEDLES.ids[:1], of=4)
    found = [search.found(of=of).tolist() for of in range(8)]
    assert found == [[], [FIRST], [], [], NEEDLES.ids[:1].tolist(), [FIRST], [FIRST], []]


def test_nothing_that_is_an_id_is_left_aside() -> None:
    """The quick look may take too many, never too few."""
    values = np.arange(FIRST, FIRST + 100_000)
    mask = Likely(values[::100]).mask(values)
    assert mask[::100].all()
    assert mask.sum() < 20_000


@pytest.mark.parametrize(
    ("value", "digest"),
    [
        (b"abc", 0x44BC2CF5AD770999),
        (b"Nobody inspects the spammish repetition", 0xFBCEA83C8A378BF1),
        (b"0123456789abcdef" * 4, None),
    ],
)
def test_hashes_are_those_that_parquet_means(value: bytes, digest: int | None) -> None:
    """Hashes of known values are the published ones; longer values differ by any byte."""
    assert digest is None or int(hashes_of([value])[0]) == digest
    assert len(set(hashes_of([value, value[:-1] + b"?", b"?" + value[1:]]).tolist())) == 3


@pytest.mark.parametrize("digits", [*range(11, 24), 38, 57])
def test_a_run_of_digits_is_found_in_text_wherever_it_stands(digits: int) -> None:
    """Where few places have digits only these are looked at: at each distance from eight bytes, up to both ends."""
    chance = random.Random(digits)
    for before in range(19):
        for after in (0, 1, 3, 7, 9000):
            number = int("".join(chance.choices("123456789", k=digits)))
            needle = number if digits <= 19 and number < 2**63 else int(str(number)[-19:]) % 10**18 + 10**18
            run = str(number)[:-19] + str(needle) if needle != number else str(number)
            data = b"x" * before + b"9:1?" * 2 + b"-" + run.encode() + b"x" * after
            found = Needles(np.array([needle, needle + 1])).in_bytes(data)
            assert found.tolist() == [needle], (before, after)
