"""Look at many parts of a dataset side by side, and hear of them in their order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

from compliance_frames.progress import awaited

_Result = TypeVar("_Result")

#: Tasks of each thread that may be begun before their turn: most are small, and what they bring is too.
_AHEAD: Final = 8


def in_order(tasks: Iterable[Callable[[], _Result]]) -> Iterator[_Result]:
    """The result of each task, in their order; few are begun before their turn, so that memory is bounded.

    >>> list(in_order([lambda: 1, lambda: 2]))
    [1, 2]
    """
    workers = os.cpu_count() or 1
    waiting: deque[Future[_Result]] = deque()
    threads = ThreadPoolExecutor(workers, "compliance-frames-proof")
    try:
        for task in tasks:
            waiting.append(threads.submit(task))
            if len(waiting) > _AHEAD * workers:
                yield awaited(waiting.popleft())
        while waiting:
            yield awaited(waiting.popleft())
    finally:
        threads.shutdown(cancel_futures=True)
