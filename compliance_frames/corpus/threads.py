"""Do one thing to many items, the heavy ones side by side, and get the results in the order of the items."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, TypeVar

import pyarrow as pa

from compliance_frames.progress import awaited

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

#: Items of each thread that may be begun before their turn: so much is held of results that nobody has asked for yet.
_AHEAD: Final = 4


def in_order(
    work: Callable[[_Item], _Result], items: Iterable[_Item], *, heavy: Callable[[_Item], bool]
) -> Iterator[_Result]:
    """The result for each item, in order; an exception comes where its item's result would.

    Args:
        work: done in threads for heavy items, and by the caller's own for light ones: where it takes microseconds,
            threads that want the interpreter at every turn take twice as long as one.
        items: any number of them; few are taken before their turn.
        heavy: tells which is which.

    >>> list(in_order(str, range(4), heavy=lambda number: number % 2 == 0))
    ['0', '1', '2', '3']
    """
    workers = os.cpu_count() or 1
    waiting: deque[tuple[_Item, Future[_Result] | None]] = deque()
    threads = ThreadPoolExecutor(workers, "compliance-frames")
    try:
        for item in items:
            waiting.append((item, threads.submit(work, item) if heavy(item) else None))
            if len(waiting) >= _AHEAD * workers:
                yield _result(work, *waiting.popleft())
        while waiting:
            yield _result(work, *waiting.popleft())
    finally:
        threads.shutdown(cancel_futures=True)
        pa.default_memory_pool().release_unused()  # what threads that are gone had freed


def _result(work: Callable[[Any], _Result], item: Any, future: Future[_Result] | None) -> _Result:
    return work(item) if future is None else awaited(future)
