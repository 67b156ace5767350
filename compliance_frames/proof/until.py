"""Users of whom no more than the tweets up to one of them are concerned: which tweets these are, as a dataset tells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from compliance_frames.corpus.manifest import Manifest
from compliance_frames.errors import ComplianceFramesError
from compliance_frames.proof.erased import Answers, Erased, IdArray, treatment_of
from compliance_frames.proof.footer import read_footer
from compliance_frames.proof.rescan import bounded
from compliance_frames.proof.source import authorship
from compliance_frames.schemas import Treatment

#: What a proof does not know of these users.
UNLOOKED: Final = (
    "places of tweets inside of other rows, whose authors took theirs back up to some tweet, where the tweet has no row"
)


def until(answers: Answers, policy: Mapping[str, Treatment]) -> dict[Treatment, pa.Table]:
    """Users and the last tweet of each that is concerned, for each treatment.

    >>> table = pa.table({"type": ["users"], "id": [9], "reason": ["scrub_geo"], "up_to": [200]})
    >>> from compliance_frames.proof.erased import read_answers
    >>> found = until(read_answers((table,), None), {"scrub_geo": "scrub_geo"})
    >>> found["scrub_geo"].to_pylist()
    [{'id': 9, 'up_to': 200}]
    """
    found: dict[Treatment, list[pa.Table]] = {}
    for reason, pairs in answers.last.items():
        found.setdefault(treatment_of(policy, reason), []).append(pairs)
    return {treatment: pa.concat_tables(tables) for treatment, tables in found.items() if treatment != "keep"}


_UNREADABLE: Final = (
    pa.ArrowException, ComplianceFramesError, OSError, ValueError, NotImplementedError, MemoryError,
    LookupError, TypeError, AttributeError, ArithmeticError,
)  # fmt: skip


def with_tweets(
    erased: Erased, last: Mapping[Treatment, pa.Table], manifest: Manifest, roots: Iterator[Path] | tuple[Path, ...]
) -> Erased:
    """What must be gone, with the tweets in some datasets that are concerned; those of the cleaned one must be none."""
    found: dict[Treatment, list[IdArray]] = {}
    for root in roots:
        for treatment, authors in last.items():
            found.setdefault(treatment, []).append(bounded(_readable(root, manifest), authors))
    drop, scrub = (_joined(found.get(treatment, [])) for treatment in ("drop", "scrub_geo"))
    return erased.with_dropped(drop).with_scrubbed(scrub) if len(drop) or len(scrub) else erased


def _joined(parts: list[IdArray]) -> IdArray:
    return np.concatenate([np.empty(0, np.int64), *parts])


def _readable(root: Path, manifest: Manifest) -> Iterator[Any]:
    """Tweets and their authors, as far as files can be read: whoever looks into each says what is wrong with others."""
    for record in manifest.files:
        path = root if root.is_file() else root / record.path
        if record.columns is None or path.is_symlink():
            continue
        try:
            if record.raw is None:
                with path.open("rb") as file:
                    read_footer(file)  # what makes no sense in it could end the process
            yield from authorship(root, manifest, record)
        except _UNREADABLE:
            continue
