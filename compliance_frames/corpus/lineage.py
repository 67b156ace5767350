"""Whether a cleaned copy was made from an earlier state of a dataset, which names do not tell.

Many datasets have the same name, and so have the files in them. Bringing a copy up to date replaces it: done with
another dataset's copy, that would be lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import numpy as np

from compliance_frames.corpus.dataset import Listing, SourceFile, listed, opened
from compliance_frames.corpus.idcolumns import ids_at
from compliance_frames.corpus.manifest import FileRecord, Manifest, manifest_path
from compliance_frames.corpus.task import begins
from compliance_frames.errors import DestinationError, IdError, PlanError
from compliance_frames.ids.sets import IdArray

#: Files of a dataset of which all changed that are looked into, the smallest first.
_LOOKED_INTO: Final = 8
#: A file is taken for a later state of another where it has more than this part of its tweets.
_MOST: Final = 0.5
#: … of so many that are looked for.
_ENOUGH: Final = 1_000_000

_Pair = tuple[SourceFile, FileRecord]


def must_be_earlier(listing: Listing, old: Manifest, destination: Path, *, single_file: bool) -> None:
    """Refuse to bring a copy up to date that was made of another dataset.

    One file with tweets at least must be, byte for byte, what the copy was made from, or a raw one that has grown, or
    have most of the tweets that its copy has.

    Raises:
        DestinationError: naming what does not fit.
    """
    source = listing.files[0].path if single_file else listing.root.name
    if old.source != source:
        raise DestinationError(
            f"the destination {destination} was made from {old.source!r}, not from {source!r}: choose another"
        )
    must_be_no_link(destination)
    files = {file.path: file for file in listing.files}
    pairs = [(files[record.path], record) for record in old.files if record.rows_in and record.path in files]
    pairs.sort(key=lambda pair: pair[1].source_bytes)
    if not _is_as_it_was(listing.root, pairs) and not _has_the_tweets(listing.root, destination, pairs, old):
        raise DestinationError(
            f"no file of tweets that the destination {destination} was made from is in {listing.root} as it was, or "
            "with most of its tweets: it seems to be the copy of another dataset; choose another destination. If it is "
            f"of this one, take it away together with its manifest ({manifest_path(destination)}), then run again"
        )


def must_be_no_link(destination: Path) -> None:
    """Refuse a link in the place of a copy: it would be replaced itself, and not what it leads to.

    Raises:
        DestinationError: it is one.
    """
    if destination.is_symlink():
        raise DestinationError(f"the destination {destination} is a link: give the directory that it leads to")


def _is_as_it_was(root: Path, pairs: Iterable[_Pair]) -> bool:
    """Whether one of the files begins as the one that a copy was made from, and is not longer unless it is raw."""
    for file, record in pairs:
        grown = file.bytes > record.source_bytes
        if file.bytes < record.source_bytes or (grown and record.raw is None):
            continue
        with suppress(OSError):  # who cleans it says what is wrong with it
            with (root / file.path).open("rb", buffering=0) as stream:
                digest = begins(stream, record.source_bytes).hexdigest()
            if digest == record.source_sha256:
                return True
    return False


def _has_the_tweets(root: Path, destination: Path, pairs: Iterable[_Pair], old: Manifest) -> bool:
    """Whether one of the Parquet files has most of the tweets of its copy, as one that was written anew has."""
    both = [
        (file, record)
        for file, record in pairs
        if file.parquet and record.columns is not None and record.raw is None and record.rows_kept
    ]
    for file, record in both[:_LOOKED_INTO]:
        with suppress(OSError, PlanError, IdError):  # who cleans it says what is wrong with it
            path = old.columns_of(record).id
            copied = _first_ids(destination, listed(destination, record.path), path)
            if _share(copied, root, file, path) > _MOST:
                return True
    return False


def _share(wanted: IdArray, root: Path, source: SourceFile, path: str) -> float:
    """Which part of some IDs a file has."""
    found = np.zeros(len(wanted), bool)
    for ids in _ids(root, source, path):
        found |= np.isin(wanted, ids)
    return float(found.mean()) if len(wanted) else 0.0


def _first_ids(root: Path, source: SourceFile, path: str) -> IdArray:
    """The IDs that a file begins with."""
    found: list[IdArray] = []
    for ids in _ids(root, source, path):
        found.append(ids)
        if sum(map(len, found)) >= _ENOUGH:
            break
    return np.unique(np.concatenate(found))


def _ids(root: Path, source: SourceFile, path: str) -> Iterator[IdArray]:
    with opened(root, source) as file:
        for at in range(file.num_row_groups):
            yield ids_at(file.read_row_group(at, columns=[path]), path).drop_null().to_numpy()
