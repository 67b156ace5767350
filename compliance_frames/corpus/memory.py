"""Which of Arrow's allocators the heavy work uses: one that gives back soon what was freed.

Arrow's usual one, mimalloc, keeps about as much as is in use, and giving that back by hand costs time. With jemalloc,
where Arrow was built with it, splicing takes up to a fifth less memory, rewriting a tenth, and neither takes longer.
Arrow goes on using its own choice here and there within itself: only a whole process can leave it altogether.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pyarrow as pa

_USUAL: Final = "mimalloc"
_FRUGAL: Final = "jemalloc"
#: Milliseconds after which the allocator gives back what was freed: a second of its own accord, which is a file's time.
_DECAY: Final = 100
#: By this variable, a user has chosen an allocator.
_CHOSEN: Final = "ARROW_DEFAULT_MEMORY_POOL"

_lock = threading.Lock()
_inside = 0
_before: pa.MemoryPool | None = None


@contextmanager
def frugal_memory() -> Iterator[None]:
    """Have Arrow allocate with little left over, in whatever thread, until the last that asked for it is done.

    An allocator that somebody has chosen stays. What was allocated is freed by whichever allocated it.

    >>> before = pa.default_memory_pool().backend_name
    >>> with frugal_memory():
    ...     rows = pa.array([1, 2])
    >>> pa.default_memory_pool().backend_name == before, rows.to_pylist()
    (True, [1, 2])
    """
    global _inside, _before
    with _lock:
        _inside += 1
        if _inside == 1 and _is_usual():
            _before = pa.default_memory_pool()
            pa.jemalloc_set_decay_ms(_DECAY)
            pa.set_memory_pool(pa.jemalloc_memory_pool())
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside and _before is not None:
                pa.set_memory_pool(_before)
                _before = None


def _is_usual() -> bool:
    """Whether nobody has chosen an allocator, and there is another one to choose."""
    chosen = os.environ.get(_CHOSEN) or pa.default_memory_pool().backend_name != _USUAL
    return not chosen and _FRUGAL in pa.supported_memory_backends()
