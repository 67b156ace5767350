"""One thread beside a lane: while the service works, the last answer is fetched and the next body is made."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

from compliance_frames.jobs.chunk import ChunkRow
from compliance_frames.progress import awaited


class Beside:
    """What is done beside a lane: at most one answer and one body at a time, so that memory stays bounded.

    >>> with Beside(fetch=print, prepare=lambda chunk: b"1") as beside:
    ...     beside.is_fetching(1), beside.prepared(1)
    (False, None)
    """

    def __init__(self, *, fetch: Callable[[ChunkRow], Any], prepare: Callable[[ChunkRow], bytes]) -> None:
        self._fetch, self._prepare = fetch, prepare
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="compliance-frames-beside")
        self._answer: tuple[int, Future[Any]] | None = None
        self._body: tuple[int, Future[bytes]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def is_fetching(self, chunk: int) -> bool:
        """Whether the answer of a chunk is being fetched, or was and nobody has looked yet."""
        return self._answer is not None and self._answer[0] == chunk

    def fetch(self, chunk: ChunkRow) -> None:
        """Fetch the answer of a chunk, after the one that is under way."""
        self.settle()
        self._answer = chunk.id, self._pool.submit(self._fetch, chunk)

    def look(self) -> None:
        """Raise what ended the fetching of an answer, if it ended so."""
        if self._answer is not None and self._answer[1].done():
            self.settle()

    def settle(self) -> bool:
        """Wait until no answer is being fetched; whether one was. Raises what ended it."""
        if self._answer is None:
            return False
        (_, future), self._answer = self._answer, None
        awaited(future)
        return True

    def prepare(self, chunk: ChunkRow) -> None:
        """Make the body of a chunk that comes next; of another one it is forgotten."""
        if self._body is None or self._body[0] != chunk.id:
            self._body = chunk.id, self._pool.submit(self._prepare, chunk)

    def prepared(self, chunk: int) -> bytes | None:
        """The body of a chunk, handed out once; None where it is not the one that was made."""
        if self._body is None or self._body[0] != chunk:
            return None
        (_, future), self._body = self._body, None
        return awaited(future)
