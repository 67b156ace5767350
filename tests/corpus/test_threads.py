"""Many items are worked on side by side, and nobody can tell but by the clock."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from compliance_frames.corpus.threads import in_order


@pytest.mark.parametrize("every", [1, 2, 1000])
def test_results_come_in_the_order_of_their_items(every: int) -> None:
    """Whichever items are heavy, each result comes in its item's turn."""
    found = in_order(lambda number: number * number, range(100), heavy=lambda number: number % every == 0)
    assert list(found) == [number * number for number in range(100)]


def test_heavy_items_leave_the_caller_and_light_ones_do_not() -> None:
    """A heavy item is a thread's work; a light one is the caller's own."""
    caller = threading.current_thread().name
    found = list(in_order(lambda _: threading.current_thread().name, "abc", heavy=lambda item: item != "b"))
    assert [name == caller for name in found] == [False, True, False]


def test_an_error_comes_in_its_items_turn_and_ends_the_work() -> None:
    """What came before the error is given; little of what comes after it is begun, and nothing runs on."""
    taken, before = [], set(threading.enumerate())

    def items() -> Iterator[int]:
        for number in range(100_000):
            taken.append(number)
            yield number

    found = in_order(lambda number: 1 / (number - 3), items(), heavy=lambda _: True)
    assert [next(found) for _ in range(3)] == [-1 / 3, -1 / 2, -1]
    with pytest.raises(ZeroDivisionError):
        next(found)
    assert len(taken) < 10_000
    assert set(threading.enumerate()) <= before
