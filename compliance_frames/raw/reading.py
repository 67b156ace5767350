"""Any raw file as rows, piece by piece: while one is taken in, the next ones are unpacked and read.

What a file is, is told by its content: objects one a line, JSON otherwise, or CSV. A file's lines are first tried in
the shapes that the files before it had.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, TypeVar

import pyarrow as pa

from compliance_frames.errors import RawFileError
from compliance_frames.progress import awaited
from compliance_frames.raw.delimited import header_of, records, rows_of_records
from compliance_frames.raw.documents import elements
from compliance_frames.raw.jsonl import Shape, no_rows, rows_as_read, rows_of_lines, rows_of_values
from compliance_frames.raw.objects import Unreadable, strict
from compliance_frames.raw.packed import BOM, LONGEST, SUFFIXES, Lines, Unpacked, lines, opened
from compliance_frames.raw.rows import Rows

Form = Literal["JSON lines", "JSON", "CSV", "nothing"]

_BLOCK: Final = 1 << 22
_LOOKED_AT: Final = 20  # lines, to tell what a file is
_MOST_SHAPES: Final = 8
_CSV: Final = {".csv", ".tsv", ".txt", ".tab"}
#: academictwitteR writes tweets into the one, and what the answer included for them into the other.
_DATA, _USERS = re.compile(r"data_(.*\.json.*)"), re.compile(r"users_(.*\.json.*)")
_Item = TypeVar("_Item")
#: The line that a value begins in, its bytes, and what it says.
_Value: TypeAlias = tuple[int, bytes, Any]


class Reader:
    """Reads raw files one after the other, each in threads of its own.

    Args:
        threads: read blocks of lines.
        id_column: where the IDs are, if somebody told.
    """

    def __init__(self, threads: Executor, *, id_column: str | None = None, ahead: int = 3) -> None:
        self._threads, self._id_column, self._ahead = threads, id_column, ahead
        self._shapes: list[Shape] = []

    def rows(self, path: Path, note: Callable[[Unpacked, Form], None]) -> Generator[Rows, None, None]:
        """The rows of a file.

        Args:
            path: of the file.
            note: told, before each piece, of the stream and of what the file is.

        Raises:
            RawFileError: it cannot be read, or is nothing that holds tweets.
        """
        with opened(path) as stream:
            form = form_of(path, stream.peek())
            note(stream, form)
            for rows in self._pieces(path, stream, form):
                note(stream, form)
                yield rows

    def _pieces(self, path: Path, stream: Unpacked, form: Form) -> Iterator[Rows]:
        if form == "JSON lines":
            yield from self._of_lines(stream)
        elif form == "JSON":
            yield from self._of_values(path, stream)
        elif form == "CSV":
            yield from _of_records(path, stream)

    def _of_lines(self, stream: Unpacked) -> Iterator[Rows]:
        """Blocks of lines, some of them tried at a time; those that need to be looked into, in their order."""
        with closing(taken_ahead(lines(stream, block=_BLOCK, longest=LONGEST), self._ahead)) as pieces:
            first = next(pieces, None)
            if first is None:
                return
            shape, read = self._shape_for(first)
            if read is not None:
                yield rows_as_read(first, read[0], read[1], shape.kind)
            trying: deque[tuple[Lines, Shape, Future[Any] | None]] = deque()
            for piece in pieces if read is not None else chain([first], pieces):
                fast = shape.fast()
                tried = None if fast is None or piece.too_long else self._threads.submit(fast.table, _text(piece))
                trying.append((piece, replace(shape), tried))
                if len(trying) > self._ahead:
                    yield _settled(*trying.popleft(), shape)
            while trying:
                yield _settled(*trying.popleft(), shape)

    def _shape_for(self, piece: Lines) -> tuple[Shape, tuple[pa.Table, int] | None]:
        """The shape of a file whose lines look like this block, and its rows; a new one, and none, where none does."""
        for known in reversed(self._shapes):
            fast = known.fast()
            read = None if fast is None or piece.too_long else fast.table(_text(piece))
            if read is not None:
                return self._kept(known), read
        return self._kept(Shape(id_column=self._id_column)), None

    def _kept(self, shape: Shape) -> Shape:
        self._shapes = [*(each for each in self._shapes if each is not shape), shape][-_MOST_SHAPES:]
        return shape

    def _of_values(self, path: Path, stream: Unpacked) -> Iterator[Rows]:
        shape = self._kept(Shape(id_column=self._id_column))
        every = ((each.line, each.content, each.value) for each in elements(stream))
        includes = _beside(path)
        for some in _blocks_of(every) if includes is None else [_as_page(every, includes)]:
            yield rows_of_values(some, shape)


def _blocks_of(values: Iterable[_Value]) -> Iterator[list[_Value]]:
    some: list[_Value] = []
    size = 0
    for value in values:
        some.append(value)
        size += len(value[1])
        if size >= _BLOCK:
            yield some
            some, size = [], 0
    if some:
        yield some


def _as_page(values: Iterable[_Value], includes: dict[str, Any]) -> list[_Value]:
    """Tweets and what was included for them as the one answer that they were; and what is no tweet."""
    every = list(values)
    tweets = [value for value in every if isinstance(value[2], dict)]
    content = b"[" + b",".join(value[1] for value in tweets) + b"]"
    page = (1, content, {"data": [value[2] for value in tweets], "includes": includes})
    return [page, *(value for value in every if not isinstance(value[2], dict))]


def _settled(piece: Lines, tried: Shape, future: Future[Any] | None, shape: Shape) -> Rows:
    if piece.too_long:
        return no_rows(piece.first, f"it has {piece.too_long:,} bytes: no tweet is so long")
    read = None if future is None else awaited(future)
    if read is None and shape.kind != tried.kind:  # widened since, by a block before this one
        tried = replace(shape)
        fast = tried.fast()
        read = None if fast is None else fast.table(_text(piece))
    return rows_of_lines(piece, shape) if read is None else rows_as_read(piece, read[0], read[1], tried.kind)


def _text(piece: Lines) -> bytes:
    return piece.content.removeprefix(BOM) if piece.first == 1 else piece.content


def _of_records(path: Path, stream: Unpacked) -> Iterator[Rows]:
    header = None
    with closing(taken_ahead(records(lines(stream, block=_BLOCK), path), 2)) as every:
        for found in every:
            if header is None:
                header = header_of(path, found.content(0))
                found = found.after_the_first()
            yield rows_of_records(found, header, path)


def taken_ahead(items: Iterator[_Item], count: int) -> Generator[_Item, None, None]:
    """What an iterator gives, the next ``count`` of it made in a thread meanwhile.

    >>> list(taken_ahead(iter("abc"), 2))
    ['a', 'b', 'c']
    """
    with ThreadPoolExecutor(1, "compliance-frames-ahead") as thread:
        waiting = deque(thread.submit(next, items, None) for _ in range(count))
        try:
            while (item := awaited(waiting.popleft())) is not None:
                waiting.append(thread.submit(next, items, None))
                yield item
        finally:
            for future in waiting:
                future.cancel()


def form_of(path: Path, begins: bytes) -> Form:
    """What a file is, by how its content begins.

    Raises:
        RawFileError: neither JSON nor CSV.

    >>> form_of(Path("a"), b'{"id": 20}'), form_of(Path("a"), b'[{"id": 20}]'), form_of(Path("a.csv"), b"id,text")
    ('JSON lines', 'JSON', 'CSV')
    """
    text = begins.removeprefix(BOM).lstrip()
    if not text:
        return "nothing"
    if text.startswith(b"["):
        return "JSON"
    some = [line for line in text.split(b"\n", _LOOKED_AT)[:_LOOKED_AT] if line.strip()]
    if any(map(_is_object, some)) or (text.startswith(b"{") and len(text.split(b"\n", 1)) == 1 and not _goes_on(text)):
        return "JSON lines"
    if text.startswith(b"{"):
        return "JSON"
    kind = next((end.lower() for end in reversed(path.suffixes) if end.lower() not in SUFFIXES), "")
    first = some[0]
    if kind in _CSV or (kind not in {".jsonl", ".ndjson", ".json"} and any(sign in first for sign in b",\t;")):
        return "CSV"
    raise RawFileError(
        f"{path} is neither JSON nor CSV: its first line begins with {first[:20].decode('utf-8', 'replace')!r}. Name "
        "files that hold tweets, one object a line, or a list, or CSV with a header.",
        path=path,
        line=1,
    )


def _is_object(line: bytes) -> bool:
    try:
        return line.lstrip().startswith(b"{") and isinstance(strict(line), dict)
    except Unreadable:
        return False


def _goes_on(text: bytes) -> bool:
    """Whether a line holds several objects side by side."""
    try:
        json.JSONDecoder().raw_decode(text.decode("utf-8", "replace"))
    except ValueError:
        return False
    return True


def companions(paths: Iterable[Path]) -> dict[Path, Path]:
    """Of academictwitteR's files, those that hold what was included for another: each with that other one.

    >>> companions([Path("data_1.json"), Path("users_1.json"), Path("users_2.json")])
    {PosixPath('users_1.json'): PosixPath('data_1.json')}
    """
    known = set(paths)
    found = {}
    for path in paths:
        match = _USERS.fullmatch(path.name)
        data = path.with_name(f"data_{match[1]}") if match else None
        if data in known:
            found[path] = data
    return found


def _beside(path: Path) -> dict[str, Any] | None:
    """What academictwitteR wrote of an answer beside its tweets."""
    match = _DATA.fullmatch(path.name)
    users = path.with_name(f"users_{match[1]}") if match else None
    if users is None or not users.is_file():
        return None
    with opened(users) as stream:
        found: dict[str, Any] = {}
        for each in elements(stream):
            if isinstance(each.value, dict):
                found |= {name: item for name, item in each.value.items() if isinstance(item, list)}
    return found or None
