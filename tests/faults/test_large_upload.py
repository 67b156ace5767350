"""A large upload that is killed goes on at the byte that the storage has kept."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from compliance_frames.emulator import Emulator, Fates

#: Enough for an upload in parts: 8.6 MB.
IDS = 1_500_000_000_000_000_000 + np.arange(430_000, dtype=np.int64) * 4097
KEPT = 2**20
CHECK = ["check", "ids.parquet", "--type", "tweets", "--ledger", "a.ledger", "--poll", "0.1s", "--json"]


def parts_of(service: Emulator) -> int:
    """How many parts the storage has kept a piece of."""
    return sum(request.method == "PUT" and request.status == 308 for request in service.requests)


def sessions_of(service: Emulator) -> int:
    return sum(request.method == "POST" and request.status == 201 for request in service.requests)


def test_an_upload_killed_between_two_parts_goes_on(tmp_path: Path, make_runs: Callable[..., Any]) -> None:
    """In the same session, at the byte that was kept: what was sent before is not sent again."""
    fates = Fates(1, shares={"tweets": {"deleted": 0.01}})
    with Emulator(fates=fates, persist_less=KEPT, latency=timedelta(milliseconds=100)) as service:
        runs = make_runs(tmp_path, service)
        pq.write_table(pa.table({"id": IDS}), tmp_path / "ids.parquet")
        with runs.start(*CHECK) as first:
            while parts_of(service) < 4:
                assert first.poll() is None, first.stderr
                time.sleep(0.01)
            first.kill()
        before = parts_of(service)
        again = runs(*CHECK)
        assert again.returncode == 0, again.stderr
        assert sessions_of(service) == 1
        assert len(service.jobs) == 1
        # Nine pieces of 1 MiB make the whole; the second run asks once what is there, and needs the rest.
        assert parts_of(service) - before <= 1 + 9 - 4
    assert json.loads(again.stdout)["flagged"] == len(IDS) - fates.of(IDS, "tweets").null_count
    assert list((tmp_path / "a.ledger" / "sessions").iterdir()) == []
