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
SMALL = 1000
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


def everything() -> set[tuple[str, str]]:
    """All that can go wrong; what can go wrong with any call of the API is met at one of the three."""
    return {(place, kind) for place, kinds in KINDS.items() for kind in kinds if place != "api"}


@pytest.mark.timeout(300)
def test_ten_chunks_in_a_storm_of_every_fault_have_the_calm_answer(tmp_path: Path, time_flies: None) -> None:
    """All that can go wrong does, time and again; some is mended by itself, the rest by running again."""
    batches = [5 * [LARGE], 5 * [SMALL], *(6 * [[LARGE], [SMALL]])]
    ids = 1_500_000_000_000_000_000 + np.arange(sum(map(sum, batches)), dtype=np.int64) * 4097
    faults = Faults(storm=Storm(seed=3, share=0.55, lasting=timedelta(seconds=0.05)))
    fates = Fates(1, shares={"tweets": {"suspended": 0.01, "deleted": 0.005, "scrub_geo": 0.005}})
    with Emulator(fates=fates, rate_limit=1_000_000, rate_window=timedelta(seconds=5), faults=faults) as service:
        at = {"bearer_token": service.bearer_token, "base_url": service.base_url}
        options = {"ledger": tmp_path / "a.ledger", "poll": timedelta(milliseconds=500), **at}
        asked, ended = 0, Counter[str]()
        for number, batch in enumerate(batches):
            if number > 1 and everything() <= set(faults.met):
                break  # ten chunks were asked about, and everything had its turn
            asked += sum(batch)
            whole, errors = until_done(ids[:asked], most=60, chunk_size=batch[0], **options)
            ended += errors
        assert service.most_live == {"tweets": 1, "users": 0}
    assert everything() <= set(faults.met), "the storm passed before everything had its turn"
    with Emulator(fates=fates, rate_limit=1_000_000) as service:
        at = {"bearer_token": service.bearer_token, "base_url": service.base_url}
        calm = check(
            ids[:asked], chunk_size=LARGE, ledger=tmp_path / "calm.ledger", poll=timedelta(milliseconds=20), **at
        )
    assert whole.select(COLUMNS).equals(calm.select(COLUMNS))
    assert calm.num_rows == len(ids[:asked]) - fates.of(ids[:asked], "tweets").null_count
    assert Ledger.read(tmp_path / "a.ledger").asked("tweets").equals(pa.array(ids[:asked]))
    assert [path.name for path in (tmp_path / "a.ledger" / "sessions").iterdir()] == []
    assert ended["AuthError"], "a token that is refused ends a run"
    assert set(ended) <= {"AuthError", "JobFailedError", "JobExpiredError"}, "this should have been mended by itself"
