"""Choose the row groups that a proof by sample looks into: by a seed, so that anybody can choose the same again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from compliance_frames.errors import VerificationError


@dataclass(frozen=True)
class Sample:
    """Which part of the row groups was looked into.

    Attributes:
        fraction: the chance of each row group to be chosen.
        seed: of the choice.
        groups: how many were looked into.
        of: how many there are.
    """

    fraction: float
    seed: int
    groups: int = 0
    of: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.fraction <= 1:
            raise VerificationError(
                f"a sample is more than nothing and not more than all: 0.1 for a tenth, not {self.fraction!r}"
            )

    def takes(self, path: str, group: int) -> bool:
        """Whether a row group of a file is chosen; the answer depends on nothing but these and the seed.

        >>> everything = Sample(1.0, seed=0)
        >>> everything.takes("a.parquet", 0)
        True
        >>> sum(Sample(0.1, seed=0).takes("a.parquet", group) for group in range(1000))
        101
        """
        digest = hashlib.sha256(f"{self.seed}:{group}:{path}".encode("utf-8", "surrogateescape")).digest()
        return int.from_bytes(digest[:8], "big") < self.fraction * 2**64

    def looked_into(self, groups: int, of: int) -> Sample:
        """The same, and what came of it.

        Raises:
            VerificationError: it took nothing, and proves nothing.
        """
        if of and not groups:
            raise VerificationError(
                f"a sample of {self.fraction:.4g} by seed {self.seed} takes none of {of:,} row groups, and would prove "
                "nothing: look into a larger part"
            )
        return replace(self, groups=groups, of=of)

    def __str__(self) -> str:
        chosen = f"chosen with a chance of {self.fraction:.4g} by seed {self.seed}"
        return f"{self.groups:,} of {self.of:,} row groups, {chosen}"
