"""Users of whom no more than the tweets up to one of them are concerned: which tweets these are, as a dataset tells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from compliance_frames.corpus.manifest import Manifest
from compliance_frames.errors import ComplianceFramesError, VerificationError
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
    >>> found = until(Answers((table,), {}, (), None), {"scrub_geo": "scrub_geo"})
    >>> found["scrub_geo"].to_pylist()
    [{'id': 9, 'up_to': 200}]
    """
    found: dict[Treatment, list[pa.Table]] = {}
    for table in answers.results:
        if "up_to" not in table.column_names:
            continue
        some = table.filter(pc.is_valid(table.column("up_to")))
        if set(pc.unique(some.column("type")).to_pylist()) - {"users"}:
            raise VerificationError("results name a last tweet (up_to) beside a tweet; it is for users")
        reasons = some.column("reason").cast(pa.string())
        for reason in pc.unique(reasons).to_pylist():
            pairs = some.filter(pc.equal(reasons, reason)).select(["id", "up_to"])
            found.setdefault(treatment_of(policy, reason), []).append(pairs.cast(_PAIRS))
    return {treatment: pa.concat_tables(tables) for treatment, tables in found.items() if treatment != "keep"}


_UNREADABLE: Final = (
    pa.ArrowException, ComplianceFramesError, OSError, ValueError, NotImplementedError, MemoryError,
    LookupError, TypeError, AttributeError, ArithmeticError,
)  # fmt: skip
_PAIRS: Final = pa.schema([("id", pa.int64()), ("up_to", pa.int64())])


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
            with path.open("rb") as file:
                read_footer(file)  # what makes no sense in it could end the process
            yield from authorship(root, manifest, record)
        except _UNREADABLE:
            continue
