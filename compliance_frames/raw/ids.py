"""The IDs of raw files, for whoever asks about them: of every record that is a tweet, or of those who wrote them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from compliance_frames.ids.files import batches_of_path
from compliance_frames.ids.sources import author_column_of
from compliance_frames.raw.forms import Seen, seen_in, units_of
from compliance_frames.raw.names import delimiter_in, may_be_raw
from compliance_frames.raw.packed import opened
from compliance_frames.raw.records import Object, authors_of, dug, keys_of, number, numbers, records_in, tweet_in

_AUTHORS: Final = "author_id"
_PARQUET: Final = (".parquet", ".parq", ".pq")
_MANY: Final = 1 << 16


class RawIds:
    """A dataset with raw files as a source of IDs: a column is read for each of its two names.

    Attributes:
        columns: the name that tweets are asked for by, and the one for their authors, if any are seen.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = Path(folder, "a.jsonl").write_text('{"id": 7, "text": "", "user": {"id": 8}}')
    >>> source = raw_ids(folder)
    >>> [ids.to_pylist() for _, ids in source.pieces(None)], [ids.to_pylist() for _, ids in source.pieces("author_id")]
    ([[7]], [[8]])
    """

    def __init__(self, path: Path, raw: list[Path], others: list[Path]) -> None:
        self._path, self._raw, self._others = path, raw, others
        some = any(True for each in raw for _, ids in _of_file(each, _AUTHORS) if ids.null_count < len(ids))
        self.columns = ("id", _AUTHORS) if some or any(map(author_column_of, others)) else ("id",)

    def __str__(self) -> str:
        return str(self._path)

    def pieces(self, told: str | None) -> Iterator[tuple[str | None, pa.Int64Array]]:
        """The IDs of one column of all files, in parts.

        Args:
            told: ``"author_id"`` for those of authors, however they are called; another name, or the way to one, for
                what stands there; None for those of tweets.
        """
        for path in self._raw:
            yield from _of_file(path, told)
        for path in self._others:
            column = (author_column_of(path) or told) if told == _AUTHORS else told
            yield from batches_of_path(path, column)


def raw_ids(source: Any) -> Any:
    """A source of IDs for a path to raw tweets, or to a directory that holds some; anything else as it is.

    >>> raw_ids([7, 8])
    [7, 8]
    """
    if not isinstance(source, str | Path):
        return source
    path = Path(source)
    raw = [each for each in _files(path) if may_be_raw(each.name) and seen_in(each) is not None]
    if not raw or (path.is_file() and delimiter_in(path.name)):  # of one table, its column is read
        return source
    return RawIds(path, raw, [each for each in _files(path) if each.name.lower().endswith(_PARQUET)])


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    for folder, folders, names in os.walk(path) if path.is_dir() else ():
        folders[:] = sorted(name for name in folders if not name.startswith((".", "_")))
        yield from (Path(folder, name) for name in sorted(names) if not name.startswith((".", "_")))


def _of_file(path: Path, told: str | None) -> Iterator[tuple[str | None, pa.Int64Array]]:
    seen = seen_in(path)
    found: list[int | None] = []
    for record in _records(path, seen) if seen is not None else ():
        found += _ids(record, told)
        if len(found) >= _MANY:
            yield told, pa.array(found, pa.int64())
            found = []
    yield told, pa.array(found, pa.int64())


def _records(path: Path, seen: Seen) -> Iterator[Object]:
    with opened(path) as stream:
        names: list[str] = []
        for unit in units_of(seen.kind, seen.delimiter, stream):
            if seen.kind != "csv":
                yield from (record for _, record in records_in(unit.value) if isinstance(record, dict))
            elif names and unit.value and unit.value != names:
                yield dict(zip(names, unit.value, strict=False))
            else:
                names = names or unit.value or []


def _ids(record: Object, told: str | None) -> Sequence[int | None]:
    """The IDs of one record: at least one of a tweet, or None where it has none."""
    if told is not None and (told != _AUTHORS or told in record):
        return [number(dug(record, told)[1])]
    tweet = tweet_in(record)[1]
    keys = keys_of(tweet)
    own = next((found for name in keys.ids if (found := number(tweet[name])) is not None), None)
    if told is None:
        return [] if keys.person else [own]
    return sorted(numbers(tweet, keys.ids) if keys.person else authors_of(tweet) | authors_of(record))
