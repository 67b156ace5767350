"""While the service works on a chunk, the last answer is fetched and the next body is made; nothing is lost by it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from compliance_frames.emulator.faults import Fault
from compliance_frames.errors import ChecksumError
from compliance_frames.jobs.ledger import Ledger
from compliance_frames.jobs.patience import next_look


def moment(desk: Any, method: str, status: int, ends: str, *, nth: int = 0) -> int:
    """When the nth request of a kind was answered: its place among all."""
    found = [
        at
        for at, request in enumerate(desk.service.requests)
        if (request.method, request.status) == (method, status) and ends in request.path
    ]
    return found[nth]


def test_the_next_job_is_under_way_before_the_last_answer_is_there(serve: Any, ids: Any) -> None:
    """A download that takes its time does not keep the slot empty."""
    desk = serve(Fault("download", "stall", bytes=10, lasting=timedelta(seconds=1.5)))
    results = desk.check(ids, chunk_size=1500)
    assert len(set(results.column("job_id").to_pylist())) == 2
    # The first download breaks off after its stall, goes on, and ends only then.
    assert moment(desk, "PUT", 200, "/submission/", nth=1) < moment(desk, "GET", 206, "/delivery/")
    assert desk.service.most_live["tweets"] == 1


def test_what_ends_the_fetching_ends_the_run_and_the_next_one_goes_on(serve: Any, ids: Any) -> None:
    """An error beside is an error of the run, also while the service works on the next chunk for long."""
    desk = serve(Fault("download", "wrong_crc32c", times=3), processing=timedelta(seconds=1))
    with pytest.raises(ChecksumError):
        desk.check(ids, chunk_size=1000)
    assert "done" not in {chunk.state for chunk in Ledger.read(desk.ledger).chunks()[:1]}
    desk.check(ids, chunk_size=1000)
    assert [chunk.state for chunk in Ledger.read(desk.ledger).chunks()] == ["done"] * 3
    assert len(desk.service.jobs) == 3


def test_an_answer_that_ran_out_beside_is_asked_for_again(serve: Any, ids: Any) -> None:
    """The chunk comes back to the slot, behind the one that is there."""
    desk = serve(Fault("download", "expired"))
    results = desk.check(ids, chunk_size=1500)
    assert len(desk.service.jobs) == 3
    assert len(set(results.column("job_id").to_pylist())) == 2
    assert desk.service.most_live["tweets"] == 1


@pytest.mark.parametrize("minutes", [4, 22, 60])
@pytest.mark.parametrize("known", [None, 0.5, 1.0, 1.01, 2.0])
def test_looks_come_soon_enough_and_seldom_enough(minutes: int, known: float | None) -> None:
    """What a look comes too late is a twelfth at most, or a minute; two lanes stay far below the rate limit."""
    lasts, waited, looks = minutes * 60.0, 0.0, [0.0]
    while waited < lasts:
        waited += next_look(waited, None if known is None else lasts * known, 5.0)
        looks.append(waited)
    assert waited - lasts <= (5.0 if known in (1.0, 1.01) else min(lasts / 12, 60.0))
    busiest = max(sum(at <= other < at + 900 for other in looks) for at in looks)
    assert 2 * busiest <= 150
