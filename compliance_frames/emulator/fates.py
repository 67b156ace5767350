"""What became of which ID: a rule that gives the same ID the same fate in every process, or a table that says so.

The rule: SplitMix64 of the ID, keyed by the seed and the job's type, gives a number in [0, 1). The shares of
the reasons lie one behind the other in that interval, in the order in which they stand; past the last one the ID is
clear. Nothing else enters, so a test can know the answer before it asks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from compliance_frames.errors import ComplianceFramesError, IdError
from compliance_frames.ids.parse import parse_ids
from compliance_frames.ids.snowflake import EPOCH_MS, FIRST
from compliance_frames.schemas import JobType

#: The shares that a study of 785,347 tweets found: suspended 25 %, account deleted 8 %, tweet deleted 6 %,
#: protected 3 %, deactivated 0.05 %; and 1 % whose location was taken back. A tweets job reports both kinds of
#: deletion as ``deleted``; a users job knows accounts only.
DEFAULT_SHARES: Final[Mapping[JobType, Mapping[str, float]]] = {
    "tweets": {"suspended": 0.25, "deleted": 0.14, "protected": 0.03, "deactivated": 0.0005, "scrub_geo": 0.01},
    "users": {"suspended": 0.25, "deleted": 0.08, "protected": 0.03, "deactivated": 0.0005, "scrub_geo": 0.01},
}

#: How many rows of a reason say when it happened. Of suspensions none does, in all answers ever recorded.
_DATED: Final = {"suspended": 0.0, "deleted": 0.8}
_DATED_OTHERS: Final = 0.5

_BLOCK = 1 << 20
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_YEAR_MS = 365 * 86_400_000
# Sequential IDs hold no time. They are given one on the line between the first and the last of their kind.
_FIRST_TWEET_MS = 1_142_974_214_000
_LAST_SEQUENTIAL: Final[Mapping[JobType, tuple[int, int]]] = {
    "tweets": (FIRST, EPOCH_MS),
    "users": (4_800_000_000, 1_454_284_800_000),
}

Ids = npt.NDArray[np.int64]
_FLAGGED = {"id": pl.Int64, "reason": pl.String, "redacted_at": pl.Int64}


class Fates:
    """What the service knows of every ID.

    Args:
        seed: another seed, other fates.
        shares: for each type of job, each reason's share of all IDs. A type that is missing is all clear.

    Raises:
        ComplianceFramesError: the shares of a type are not between 0 and 1 in sum, or a reason is no plain word.

    >>> Fates(seed=0).of([1212161592043446272, 1212161587043446272, 20], "tweets").to_pylist()
    ['deleted', 'suspended', None]
    >>> Fates(shares={"tweets": {"deleted": 1.0}}).of([20], "tweets").to_pylist()
    ['deleted']
    """

    def __init__(self, seed: int = 0, shares: Mapping[JobType, Mapping[str, float]] = DEFAULT_SHARES) -> None:
        self.seed = seed
        self.shares = {type: dict(of_type) for type, of_type in shares.items()}
        self._table: pl.DataFrame | None = None
        for type, of_type in self.shares.items():
            _check_shares(type, of_type)

    @classmethod
    def from_table(cls, table: Any) -> Fates:
        """The fates that a table gives; every other ID is clear.

        Args:
            table: anything polars or pyarrow reads as a table, with the columns ``id`` (integers or digit strings)
                and ``reason`` (null: clear), and if need be ``redacted_at`` (timestamps, UTC where no zone is
                told) and ``type`` (``tweets`` or ``users``; left out, or null, a row counts for both). An ID that
                stands twice is answered twice.

        Raises:
            IdError: a column is missing, or a value is no ID.
            ComplianceFramesError: a reason is no plain word.

        >>> fates = Fates.from_table(pa.table({"id": ["20", "21"], "reason": ["deleted", "bounced"]}))
        >>> fates.of([21, 22], "users").to_pylist()
        ['bounced', None]
        """
        fates = cls(shares={})
        fates._table = _told(table)
        return fates

    def of(self, ids: Any, type: JobType) -> pa.DictionaryArray:
        """The reason of each ID, null where it is clear; of several the first that the table gives.

        Args:
            ids: int64 IDs: a NumPy array, a pyarrow array or a list.
            type: what they are asked as.
        """
        values = np.asarray(ids, dtype=np.int64)
        if self._table is not None:
            known = _of_type(self._table, type).unique("id", keep="first", maintain_order=True)
            joined = pl.DataFrame({"id": values}).join(known, on="id", how="left", maintain_order="left")
            return joined["reason"].to_arrow().cast(pa.string()).dictionary_encode()
        codes = self._codes(values, type)
        words = pa.array(list(self.shares.get(type, {})), pa.string())
        return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), words)

    def flagged(self, ids: Ids, type: JobType, now: datetime) -> pl.DataFrame:
        """The rows of a result file: ``id``, ``reason``, and ``redacted_at`` (ms since 1970, or null).

        Args:
            ids: int64 IDs, each answered as often as it stands.
            type: what they are asked as.
            now: the time of the answer: nothing is redacted after it.
        """
        if self._table is not None:
            known = _of_type(self._table, type)
            return pl.DataFrame({"id": ids}).join(known, on="id", how="inner", maintain_order="left")
        blocks = [self._flagged_block(ids[at : at + _BLOCK], type, now) for at in range(0, len(ids), _BLOCK)]
        return pl.concat(blocks) if blocks else pl.DataFrame(schema=_FLAGGED)

    def _codes(self, ids: Ids, type: JobType) -> npt.NDArray[np.int8]:
        """Each ID's place among the reasons of its type; -1 where it is clear."""
        edges = np.cumsum(list(self.shares.get(type, {}).values()))
        codes = np.searchsorted(edges, uniform(ids, self.seed, type), side="right").astype(np.int8)
        codes[codes == len(edges)] = -1
        return codes

    def _flagged_block(self, ids: Ids, type: JobType, now: datetime) -> pl.DataFrame:
        codes = self._codes(ids, type)
        hit = codes >= 0
        hits, reasons = ids[hit], list(self.shares.get(type, {}))
        words = pl.Series("reason", reasons, dtype=pl.String).gather(codes[hit].astype(np.uint32))
        dated = np.array([_DATED.get(reason, _DATED_OTHERS) for reason in reasons] or [0.0])
        has_date = uniform(hits, self.seed, "dated") < dated[codes[hit]]
        created = created_ms(hits, type)
        later = created + (uniform(hits, self.seed, "redacted") * _YEAR_MS).astype(np.int64)
        redacted = np.minimum(later, np.maximum(int(now.timestamp() * 1000), created))
        when = pl.select(pl.when(pl.Series(has_date)).then(pl.Series(redacted)).alias("redacted_at")).to_series()
        return pl.DataFrame({"id": hits, "reason": words, "redacted_at": when})


def uniform(ids: Ids, seed: int, purpose: str) -> npt.NDArray[np.float64]:
    """A number in [0, 1) for each ID: always the same for an ID, a seed and a purpose, else without pattern."""
    return (hashed(ids, seed, purpose) >> np.uint64(11)).astype(np.float64) * np.float64(2.0**-53)


def hashed(ids: Ids, seed: int, purpose: str) -> npt.NDArray[np.uint64]:
    """SplitMix64 of each ID, keyed by seed and purpose."""
    salt = int.from_bytes(purpose.encode()[:8].ljust(8), "little")
    key = _mixed(np.array([seed & (2**64 - 1)], np.uint64) ^ _mixed(np.array([salt], np.uint64)))
    return _mixed(ids.view(np.uint64) ^ key)


def created_ms(ids: Ids, type: JobType) -> Ids:
    """When each tweet or account was made, in ms since 1970: exact for Snowflakes, made up for older IDs."""
    last, last_ms = _LAST_SEQUENTIAL[type]
    share = np.minimum(ids, last) / last
    sequential = _FIRST_TWEET_MS + (share * (last_ms - _FIRST_TWEET_MS)).astype(np.int64)
    return np.where(ids >= FIRST, (ids >> 22) + EPOCH_MS, sequential)


def _mixed(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(30)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed


def _check_shares(type: str, shares: Mapping[str, float]) -> None:
    if type not in ("tweets", "users"):
        raise ComplianceFramesError(f"Shares are told for {type!r}; there are jobs of tweets and of users only.")
    _check_words(shares)
    if any(not 0 <= share <= 1 for share in shares.values()) or sum(shares.values()) > 1 + 1e-9:
        raise ComplianceFramesError(f"The shares of {type} must each lie between 0 and 1, and in sum be at most 1.")


def _check_words(reasons: Any) -> None:
    for reason in reasons:
        if not _WORD.fullmatch(reason):
            raise ComplianceFramesError(f"{reason!r} is no reason: it must be one plain word of at most 64 letters.")


def _told(table: Any) -> pl.DataFrame:
    """A caller's table, checked: columns id, reason, redacted_at, type."""
    frame = pl.DataFrame(table)
    missing = {"id", "reason"} - set(frame.columns)
    if missing:
        raise IdError(f"A table of fates needs the columns id and reason; it lacks {', '.join(sorted(missing))}.")
    ids = parse_ids(frame["id"].to_arrow(), column="id")
    type = frame["type"].cast(pl.String) if "type" in frame.columns else pl.lit(None, pl.String).alias("type")
    told = pl.DataFrame(
        {
            "id": pl.from_arrow(ids),
            "reason": frame["reason"].cast(pl.String),
            "redacted_at": _milliseconds(frame),
        }
    ).with_columns(type)
    told = told.drop_nulls(["id", "reason"])
    _check_words(told["reason"].unique().to_list())
    return told


def _milliseconds(frame: pl.DataFrame) -> pl.Series:
    if "redacted_at" not in frame.columns:
        return pl.Series([None] * frame.height, dtype=pl.Int64)
    column = frame["redacted_at"]
    if column.dtype == pl.String:
        column = column.str.to_datetime(time_zone="UTC", time_unit="ms")
    return column.cast(pl.Datetime("ms")).cast(pl.Int64)


def _of_type(table: pl.DataFrame, type: JobType) -> pl.DataFrame:
    return table.filter(pl.col("type").is_null() | (pl.col("type") == type)).select(list(_FLAGGED))
