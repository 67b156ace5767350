"""What a proof keeps so that a certificate can be made of it: the manifest, and digests in the place of IDs."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from compliance_frames.corpus.manifest import Manifest
from compliance_frames.proof.erased import Answers, Erased, IdArray

_ABOUT_A_KEY: Final = b"compliance-frames: the name of a digest key"
_ABOUT_IDS: Final = b"compliance-frames: a set of IDs"


@dataclass(frozen=True)
class IdSet:
    """A set of IDs without the IDs.

    Attributes:
        name: what they are: ``"asked_tweets"``, ``"dropped_users"``.
        count: how many.
        sha256: of the sorted IDs, 8 bytes each, the least one first. It stays in memory: of a set of one or two IDs
            it could be guessed.
    """

    name: str
    count: int
    sha256: bytes = field(repr=False)

    @classmethod
    def of(cls, name: str, ids: IdArray) -> IdSet:
        """The set of sorted, unique IDs.

        >>> IdSet.of("asked_tweets", np.array([20, 21]))
        IdSet(name='asked_tweets', count=2)
        """
        return cls(name, len(ids), hashlib.sha256(np.ascontiguousarray(ids, "<i8").data).digest())

    def sealed(self, key: bytes) -> str:
        """A digest that only somebody with the key can compute, or hold a guess against."""
        message = b"\0".join((_ABOUT_IDS, self.name.encode(), str(self.count).encode(), self.sha256))
        return hmac.digest(key, message, "sha256").hex()


@dataclass(frozen=True, eq=False)
class Evidence:
    """What stands behind a proof.

    Attributes:
        manifest: of the dataset.
        asked_at: the first and the last answer, or None where nothing was flagged.
        sets: what was asked, where a ledger told, and what had to go.
        ledger: where the key to digests of IDs is kept; None where no ledger was given.
    """

    manifest: Manifest
    asked_at: tuple[datetime, datetime] | None
    sets: tuple[IdSet, ...]
    ledger: Path | None

    @classmethod
    def of(cls, manifest: Manifest, answers: Answers, erased: Erased, ledger: Any) -> Evidence:
        """From what a verification has read; ``ledger`` is one, or the path of one, or None."""
        path = getattr(ledger, "path", ledger)
        sets = tuple(IdSet.of(name, ids) for name, ids in _sets(answers, erased))
        kept = Path(path) if isinstance(path, str | os.PathLike) else None
        return cls(manifest, answers.span, sets, kept)

    def key(self, *, make: bool) -> bytes | None:
        """The ledger's key, made where there is none if so told; None where there is none, or no ledger.

        Raises:
            LedgerError: it cannot be read or written.
        """
        if self.ledger is None:
            return None
        from compliance_frames.jobs.ledger import Ledger

        with closing(Ledger.read(self.ledger)) as ledger:
            return ledger.digest_key(make=make)


def key_id(key: bytes) -> str:
    """A name for a key that gives nothing of it away.

    >>> len(key_id(bytes(32)))
    32
    """
    return hmac.digest(key, _ABOUT_A_KEY, "sha256")[:16].hex()


def _sets(answers: Answers, erased: Erased) -> Iterator[tuple[str, IdArray]]:
    for kind, ids in answers.asked.items():
        yield f"asked_{kind}", ids
    yield "dropped_tweets", erased.drop_tweets
    yield "dropped_users", erased.drop_authors
    yield "scrubbed_tweets", erased.scrub_tweets
    yield "scrubbed_users", erased.scrub_authors
