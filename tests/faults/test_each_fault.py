"""Each thing that can go wrong, alone: it costs time, or one more call, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from compliance_frames.emulator import Emulator, Fates, Fault, Faults
from compliance_frames.emulator.faults import KINDS
from compliance_frames.errors import AuthError
from compliance_frames.jobs import lane
from compliance_frames.jobs.ledger import Ledger
from compliance_frames.jobs.run import check

#: 320 kB: more than one of the units of which the storage keeps whole ones only.
IDS = 1_500_000_000_000_000_000 + np.arange(16_000, dtype=np.int64) * 4097
FATES = Fates(1, shares={"tweets": {"suspended": 0.1, "deleted": 0.05, "scrub_geo": 0.05}})
COLUMNS = ["type", "id", "action", "reason", "created_at", "redacted_at"]
#: After these the job has nothing to give any more, and the chunk gets another one.
NEW_JOB = {
    ("upload", "expired"), ("upload", "wrong_crc32c"), ("session", "expired"), ("part", "wrong_crc32c"),
    ("download", "expired"), ("job", "failed"), ("job", "expired"), ("job", "corrupt_line"),
}  # fmt: skip


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    """The answer of a day on which nothing goes wrong."""
    with Emulator(fates=FATES) as service:
        return check(
            IDS, ledger=tmp_path_factory.mktemp("calm") / "a.ledger", poll=timedelta(milliseconds=20),
            bearer_token=service.bearer_token, base_url=service.base_url,
        ).select(COLUMNS)  # fmt: skip


@pytest.mark.parametrize(("place", "kind"), [(p, k) for p, kinds in KINDS.items() if p != "api" for k in kinds])
def test_a_fault_costs_time_and_nothing_else(
    place: Any, kind: str, calm: pa.Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, time_flies: None
) -> None:
    """The answer is that of a calm day; a refused token ends a run, and the next one goes on."""
    monkeypatch.setattr(lane, "RESUMABLE_FROM", 0 if place in ("session", "part") else lane.RESUMABLE_FROM)
    fault = Fault(place, kind, bytes=270_000, lasting=timedelta(seconds=0.02))
    before = [Fault("create", "lost_answer")] if place == "list" else []  # or else no jobs would be listed
    faults = Faults([*before, fault])
    with Emulator(fates=FATES, faults=faults, rate_window=timedelta(seconds=5)) as service:
        told: dict[str, Any] = {
            "ledger": tmp_path / "a.ledger", "poll": timedelta(seconds=5),
            "bearer_token": service.bearer_token, "base_url": service.base_url,
        }  # fmt: skip
        if kind in ("unauthorized", "forbidden"):
            with pytest.raises(AuthError):
                check(IDS, **told)
        results = check(IDS, **told)
        assert faults.met[place, kind] == 1
        ours = [job for job in service.jobs if job.name != "somebody-else"]
        assert len(ours) == 1 + ((place, kind) in NEW_JOB)
        assert service.most_live["tweets"] == 1
    assert results.select(COLUMNS).equals(calm)
    assert [chunk.state for chunk in Ledger.read(tmp_path / "a.ledger").chunks()] == ["done"]
    assert {path.name for path in (tmp_path / "a.ledger").rglob("*") if path.is_file()} == {
        "ledger.sqlite", "lock", "1.parquet",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("place", "kind"),
    [("get", "unavailable"), ("get", "server_error"), ("create", "reset"), ("list", "unavailable"), ("upload", "reset"),
     ("part", "unavailable"), ("part", "reset"), ("download", "stall"), ("download", "rate_limited")],
)  # fmt: skip
def test_a_burst_is_borne(
    place: Any, kind: str, calm: pa.Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, time_flies: None
) -> None:
    """Three in a row are no reason to give up."""
    monkeypatch.setattr(lane, "RESUMABLE_FROM", 0 if place == "part" else lane.RESUMABLE_FROM)
    before = [Fault("create", "lost_answer")] if place == "list" else []
    faults = Faults([*before, Fault(place, kind, times=3, bytes=1000, lasting=timedelta(seconds=0.02))])
    with Emulator(fates=FATES, faults=faults, rate_window=timedelta(seconds=5)) as service:
        results = check(
            IDS, ledger=tmp_path / "a.ledger", poll=timedelta(seconds=5),
            bearer_token=service.bearer_token, base_url=service.base_url,
        )  # fmt: skip
        assert faults.met[place, kind] == 3
        assert len(service.jobs) == 1
    assert results.select(COLUMNS).equals(calm)
