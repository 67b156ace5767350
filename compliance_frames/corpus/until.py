"""Users of whom results concern no more than the tweets up to one of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from compliance_frames.corpus.arrays import Mask
from compliance_frames.ids.sets import IdArray


def _none() -> IdArray:
    return np.empty(0, np.int64)


@dataclass(frozen=True, eq=False)
class Until:
    """Users, and for each of them the last tweet that is concerned.

    Attributes:
        authors: the users, sorted, each once.
        tweets: the last tweet of each.

    >>> until = Until.of([(np.array([9, 8, 9]), np.array([100, 50, 200]))])
    >>> until.authors.tolist(), until.tweets.tolist()
    ([8, 9], [50, 200])
    """

    authors: IdArray = field(default_factory=_none, repr=False)
    tweets: IdArray = field(default_factory=_none, repr=False)

    def __len__(self) -> int:
        return len(self.authors)

    @classmethod
    def of(cls, parts: Iterable[tuple[IdArray, IdArray]]) -> Until:
        """From users and tweets that belong together; of several tweets of a user the last counts."""
        pairs = [(_none(), _none()), *parts]
        authors, tweets = (np.concatenate(columns) for columns in zip(*pairs, strict=True))
        order = np.lexsort((tweets, authors))
        authors, tweets = authors[order], tweets[order]
        is_last = np.append(authors[1:] != authors[:-1], True) if len(authors) else np.empty(0, bool)
        return cls(authors[is_last], tweets[is_last])

    def covers(self, tweets: Any, authors: Any) -> Mask:
        """Which tweets of which authors are concerned; one without an ID, or whose author has none, is not.

        Args:
            tweets: Arrow's int64.
            authors: of these tweets.

        >>> import pyarrow as pa
        >>> until = Until(np.array([9]), np.array([200]))
        >>> until.covers(pa.array([100, 300, 100, None]), pa.array([9, 9, 8, 9])).tolist()
        [True, False, False, False]
        """
        if not len(self):
            return np.zeros(len(tweets), bool)
        known = np.asarray(tweets.is_valid()) & np.asarray(authors.is_valid())
        ids, whose = (values.fill_null(-1).to_numpy(zero_copy_only=False) for values in (tweets, authors))
        at = np.minimum(np.searchsorted(self.authors, whose), len(self) - 1)
        covered: Mask = known & (self.authors[at] == whose) & (ids <= self.tweets[at])
        return covered
