"""In a storm of everything that can go wrong, the answer is the one of a calm day."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from compliance_frames.emulator import Emulator, Fates
from compliance_frames.emulator.faults import KINDS, Faults, Storm
from compliance_frames.errors import ComplianceFramesError
from compliance_frames.jobs.ledger import Ledger
from compliance_frames.jobs.run import check

#: Enough for an upload in parts.
LARGE = 430_000
COLUMNS = ["type", "id", "action", "reason", "created_at", "redacted_at"]


def until_done(source: Any, *, most: int, **options: Any) -> tuple[pa.Table, Counter[str]]:
    """Run again and again, as a user would; the results, and the errors on the way there."""
    ended: Counter[str] = Counter()
    while ended.total() < most:
        try:
            return check(source, **options), ended
        except ComplianceFramesError as error:
            ended[type(error).__name__] += 1
    raise AssertionError(f"not done after {most} runs: {ended}")


@pytest.mark.timeout(240)
def test_ten_chunks_in_a_storm_of_every_fault_have_the_calm_answer(tmp_path: Path, time_flies: None) -> None:
    """Nine in ten kinds of trouble are mended by themselves, the rest by running again."""
    ids = 1_500_000_000_000_000_000 + np.arange(5 * LARGE + 5000, dtype=np.int64) * 4097
    faults = Faults(storm=Storm(seed=3, share=0.55, lasting=timedelta(seconds=0.05)))
    with Emulator(seed=1, rate_limit=1_000_000, rate_window=timedelta(seconds=5), faults=faults) as service:
        options = {
            "ledger": tmp_path / "a.ledger",
            "poll": timedelta(milliseconds=500),
            "bearer_token": service.bearer_token,
            "base_url": service.base_url,
        }
        _, ended = until_done(ids[: 5 * LARGE], most=60, chunk_size=LARGE, **options)
        whole, more = until_done(ids, most=60, chunk_size=1000, **options)
        assert service.most_live == {"tweets": 1, "users": 0}
        met = set(faults.met)
    with Emulator(seed=1, rate_limit=1_000_000) as service:
        options |= {"ledger": tmp_path / "calm.ledger", "poll": timedelta(milliseconds=20)}
        options |= {"bearer_token": service.bearer_token, "base_url": service.base_url}
        calm = check(ids, chunk_size=LARGE, **options)
    assert whole.select(COLUMNS).equals(calm.select(COLUMNS))
    assert calm.num_rows == sum(reason is not None for reason in Fates(1).of(ids, "tweets").to_pylist())
    ledger = Ledger.read(tmp_path / "a.ledger")
    assert ledger.asked("tweets").equals(pa.array(ids))
    assert [path.name for path in (tmp_path / "a.ledger" / "sessions").iterdir()] == []
    print(ended + more, sorted({(p, k) for p, of in KINDS.items() if p != "api" for k in of} - met), len(met))
    transfers = {(place, kind) for place in ("upload", "session", "part", "download") for kind in KINDS[place]}
    assert not transfers - met, "the storm passed before everything had its turn"
    assert {kind for place, kind in met} == {kind for of in KINDS.values() for kind in of}
