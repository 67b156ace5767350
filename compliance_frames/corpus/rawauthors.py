"""Which tweets some authors wrote, as a raw file tells: others repeat them by their IDs alone, there and elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from compliance_frames.corpus.columns import Columns
from compliance_frames.corpus.rawform import RawForm
from compliance_frames.corpus.told import Told
from compliance_frames.ids.sets import IdArray
from compliance_frames.ids.slices import IdSet, is_in
from compliance_frames.raw.forms import units_of
from compliance_frames.raw.packed import opened
from compliance_frames.raw.records import authors_of, dug, keys_of, number, numbers, numbers_in, records_in
from compliance_frames.raw.sieve import sift
from compliance_frames.raw.units import blocks, to_sift


def authorship(path: Path, form: RawForm, columns: Columns, authors: IdSet) -> Iterator[tuple[IdArray, IdArray]]:
    """The tweets in a raw file that some authors wrote, and the author of each; in parts, unsorted."""
    with opened(path) as stream:
        names: list[str] = []
        for block in blocks(units_of(form.kind, form.delimiter, stream)):
            sifted = sift(to_sift(block), [authors])
            names = names or next((unit.value for unit in block if unit.value), [])
            found: list[tuple[int, int]] = []
            for at in sifted.lines.tolist() if form.kind != "csv" or columns.author_id in names else ():
                value = block[at].value
                flagged = sifted.flagged[0]
                if at in sifted.odd:
                    numbers = np.array(sorted(numbers_in(value)), np.int64)
                    flagged |= frozenset(numbers[is_in(numbers, authors)].tolist())
                if form.kind == "csv":
                    found += _tweet_of_record(dict(zip(names, value or (), strict=False)), columns, flagged)
                else:
                    found += _tweets_in(value, form.said, flagged)
            if found:
                tweets, whose = np.array(found, np.int64).T
                yield tweets, whose


def _tweet_of_record(record: dict[str, str], columns: Columns, authors: Collection[int]) -> Iterator[tuple[int, int]]:
    own, author = number(record.get(columns.id)), number(record.get(columns.author_id or ""))
    if own is not None and author is not None and author in authors:
        yield own, author


def _tweets_in(value: Any, said: Told, authors: Collection[int]) -> Iterator[tuple[int, int]]:
    """Every tweet by some authors, wherever it lies in a value; those of records also where somebody told the keys."""
    if said.named:
        own, author = (said.id_column, said.author_column) if said.columns is None else (
            said.columns.id, said.columns.author_id
        )  # fmt: skip
        for _, record in records_in(value) if own and author else ():
            tweet, whose = (number(dug(record, path or "")[1]) for path in (own, author))
            if tweet is not None and whose is not None and whose in authors:
                yield tweet, whose
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, list):
            waiting.extend(each)
        elif isinstance(each, dict):
            waiting.extend(each.values())
            keys = keys_of(each)
            if keys.ids and not keys.person:
                tweets = numbers(each, keys.ids)
                yield from ((tweet, by) for by in authors_of(each) & frozenset(authors) for tweet in tweets)
