"""Asking survives: nothing is asked twice, nothing is lost, and no slot is left taken."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from compliance_frames.emulator import Fates
from compliance_frames.emulator.faults import Fault
from compliance_frames.errors import (
    AuthError,
    IdError,
    JobFailedError,
    JobTimeoutError,
    LedgerError,
    LedgerLockedError,
    ResultsError,
)
from compliance_frames.ids.intake import read_ids
from compliance_frames.jobs import run
from compliance_frames.jobs.ledger import Ledger
from compliance_frames.jobs.run import collect, submit
from compliance_frames.jobs.states import FINAL
from compliance_frames.progress import Progress
from compliance_frames.schemas import RESULTS
from compliance_frames.service.api import ComplianceApi
from compliance_frames.service.storage import Storage

Serve = Callable[..., Any]
STATES = ["creating", "created", "uploading", "uploaded", "processing", "downloading", "done"]


def expected(ids: Any, type: Any = "tweets", seed: int = 1) -> dict[int, str]:
    """What the emulator knows of the IDs, without asking it over the wire."""
    reasons = Fates(seed).of(ids, type).to_pylist()
    return {int(i): reason for i, reason in zip(ids, reasons, strict=True) if reason is not None}


def answer(results: pa.Table) -> dict[int, str]:
    return dict(zip(results.column("id").to_pylist(), results.column("reason").to_pylist(), strict=True))


def test_the_answer_is_the_truth_sorted_and_of_the_schema(serve: Serve, ids: Any) -> None:
    """Every flagged ID is a row once, with its reason; no other is."""
    desk = serve()
    results = desk.check(pl.DataFrame({"id": [str(i) for i in ids], "text": "x"}))
    assert answer(results) == expected(ids)
    assert results.schema.equals(RESULTS)
    assert results.column("id").to_pylist() == sorted(answer(results))
    assert set(results.column("type").to_pylist()) == {"tweets"}
    job = desk.service.jobs[0]
    assert set(results.column("job_id").to_pylist()) == {job.id}
    assert set(results.column("checked_at").to_pylist()) == {job.created_at}


def test_a_second_look_asks_nothing_and_needs_no_token(serve: Serve, ids: Any) -> None:
    """What was answered is in the ledger; the service is not even called."""
    desk = serve()
    first = desk.check(ids)
    asked = len(desk.service.requests)
    assert desk.check(ids, bearer_token=None).equals(first)
    assert desk.check(ids[:100], bearer_token=None).num_rows == len(expected(ids[:100]))
    assert len(desk.service.requests) == asked


def test_ids_that_lie_on_the_disk_are_asked_like_others(
    serve: Serve, ids: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A corpus larger than the memory is planned and answered slice by slice, and nothing of it is asked twice."""
    monkeypatch.setattr(run, "_SLICE", 170)
    monkeypatch.setattr(run, "read_ids", partial(read_ids, held=100))
    desk = serve()
    source = pa.chunked_array(
        [pa.array(part) for part in np.array_split(np.random.default_rng(0).permutation(ids), 40)]
    )
    assert answer(desk.check(source, chunk_size=1300)) == expected(ids)
    chunks = Ledger.read(desk.ledger).chunks()
    assert [chunk.ids for chunk in chunks] == [1300, 1300, 400]
    assert [chunk.first_id for chunk in chunks] == ids[[0, 1300, 2600]].tolist()
    more = np.union1d(ids[::3], ids[:50] + 1)
    submitted = submit(more, chunk_size=1300, **desk.options())
    assert (submitted.new["tweets"], submitted.answered["tweets"]) == (50, 1000)
    assert answer(desk.check(more)) == expected(more)


def test_only_new_ids_are_asked(serve: Serve, ids: Any) -> None:
    """A corpus that grew costs what it grew by; the answer covers all of it."""
    desk = serve()
    desk.check(ids[:2000])
    assert answer(desk.check(ids)) == expected(ids)
    uploaded = [np.loadtxt(path, dtype=np.int64) for path in desk.service.uploads.values()]
    assert sorted(np.concatenate(uploaded).tolist()) == ids.tolist()


def test_old_answers_are_asked_again_and_the_newest_holds(serve: Serve, ids: Any, tmp_path: Path) -> None:
    """With max_age what was answered long ago is asked again; what came back is no longer flagged."""
    desk = serve(fates=Fates.from_table(pa.table({"id": ids[:2], "reason": ["suspended", "deleted"]})))
    assert set(answer(desk.check(ids))) == set(ids[:2].tolist())
    later = serve(fates=Fates.from_table(pa.table({"id": ids[1:3], "reason": ["deleted", "protected"]})))
    later.ledger = desk.ledger
    assert set(answer(later.check(ids, max_age=timedelta(days=7)))) == set(ids[:2].tolist())
    again = later.check(ids, max_age=timedelta(0))
    assert set(answer(again)) == set(ids[1:3].tolist())


def test_many_chunks_one_job_at_a_time(serve: Serve, ids: Any) -> None:
    """Chunks follow one another in the one slot; together they are the whole."""
    desk = serve()
    assert answer(desk.check(ids, chunk_size=700)) == expected(ids)
    assert len(desk.service.jobs) == 5
    assert desk.service.most_live["tweets"] == 1
    assert Ledger.read(desk.ledger).jobs().column("state").to_pylist() == ["done"] * 5


def test_tweets_and_authors_are_asked_side_by_side(serve: Serve, ids: Any) -> None:
    """Both slots are used at once, and both answers are in one table."""
    desk = serve(processing=timedelta(seconds=3))
    table = pd.DataFrame({"id": ids[:1500], "author_id": ids[1500:]})
    results = desk.check(table, "both")
    for type, of_type in (("tweets", ids[:1500]), ("users", ids[1500:])):
        rows = results.filter(pa.compute.equal(results.column("type"), type))
        assert answer(rows) == expected(of_type, type)
    tweets, users = sorted(desk.service.jobs, key=lambda job: job.type)
    assert (tweets.type, users.type) == ("tweets", "users")
    assert abs(tweets.created_at - users.created_at) < timedelta(seconds=3), "one after the other"
    assert results.column("type").to_pylist() == sorted(results.column("type").to_pylist())


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("event", ["advance", "advanced"])
def test_a_run_goes_on_from_every_state(serve: Serve, ids: Any, interrupted_at: Any, event: str, state: str) -> None:
    """Stopped right before or right after any state is written down, the next run ends as if nothing had been."""
    desk = serve()
    with interrupted_at(event, state):
        desk.check(ids, chunk_size=2000)
    assert answer(desk.check(ids, chunk_size=2000)) == expected(ids)
    service = desk.service
    assert service.most_live["tweets"] == 1
    assert len(service.jobs) == 2, "no job was made in vain"
    assert {job.status for job in service.jobs} == {"complete"}
    puts = [request.path for request in service.requests if request.method == "PUT"]
    # Only where the end came between the upload and the note of it may the same bytes go up again.
    assert len(puts) == 2 or (event, state, len(puts)) == ("advance", "uploaded", 3)


@pytest.mark.parametrize("state", ["creating", "created", "uploading", "processing", "downloading"])
def test_a_killed_process_loses_nothing(serve: Serve, ids: Any, state: str) -> None:
    """SIGKILL right after the state is on the disk: the next process goes on."""
    desk = serve()
    code = (
        "import os, sys, compliance_frames as cf\n"
        "from datetime import timedelta\n"
        "def hook(event, args):\n"
        f" if event == 'compliance_frames.advanced' and args[1] == {state!r}: os.kill(os.getpid(), 9)\n"
        "sys.addaudithook(hook)\n"
        f"cf.check({ids.tolist()!r}, ledger=sys.argv[1], poll=timedelta(milliseconds=20), base_url=sys.argv[2],"
        " bearer_token=sys.stdin.read())"
    )
    killed = subprocess.run(
        [sys.executable, "-c", code, desk.ledger, desk.service.base_url],
        input=desk.service.bearer_token, text=True, check=False, capture_output=True,
    )  # fmt: skip
    assert killed.returncode == -9, killed.stderr
    assert answer(desk.check(ids)) == expected(ids)
    assert len(desk.service.jobs) == 1


@pytest.mark.parametrize("kind", ["lost_answer", "server_error", "unavailable"])
def test_a_job_whose_answer_was_lost_is_adopted(serve: Serve, ids: Any, kind: str) -> None:
    """There is never a second job where the first may exist."""
    desk = serve(Fault("create", kind))
    assert answer(desk.check(ids)) == expected(ids)
    assert len(desk.service.jobs) == 1


def test_an_interrupted_creation_is_found_by_its_name(serve: Serve, ids: Any, interrupted_at: Any) -> None:
    """The process dies after the service made the job and before its ID was written: the name finds it."""
    desk = serve()
    with interrupted_at("advance", "created"):
        desk.check(ids)
    assert Ledger.read(desk.ledger).jobs().column("job_id").to_pylist() == [None]
    desk.check(ids)
    assert len(desk.service.jobs) == 1
    assert Ledger.read(desk.ledger).jobs().column("job_id").to_pylist() == [desk.service.jobs[0].id]


def test_somebody_elses_job_is_waited_for(serve: Serve, ids: Any) -> None:
    """While the slot is taken the run says by whom and for how long, and goes on when it is free."""
    desk = serve()
    foreign = desk.service.occupy("tweets", name="their-job", age=timedelta(minutes=3))
    said: list[Progress] = []

    def listen(progress: Progress) -> None:
        said.append(progress)
        if "their-job" in progress.note and len([p for p in said if "their-job" in p.note]) == 3:
            desk.service.advance(timedelta(minutes=15))

    assert answer(desk.check(ids, progress=listen)) == expected(ids)
    notes = [p.note for p in said if "their-job" in p.note]
    assert str(foreign.id) in notes[0]
    assert "3 min old" in notes[0]
    assert f"expires at {foreign.upload_expires_at:%H:%M:%S}" in notes[0]


def test_waiting_for_the_slot_costs_one_look_for_each_try(serve: Serve, ids: Any) -> None:
    """The rate limit is shared with whoever else uses the token."""
    desk = serve()
    desk.service.occupy("tweets")
    waits: list[Progress] = []

    def listen(progress: Progress) -> None:
        if progress.task == "tweets slot":
            waits.append(progress)
            if len(waits) == 4:
                desk.service.advance(timedelta(minutes=16))

    desk.check(ids, progress=listen)
    calls = Counter(request.method for request in desk.service.requests if request.path.endswith("/jobs"))
    assert calls["POST"] == 5
    assert calls["GET"] == 4


def test_a_job_that_outstays_its_time_is_told_as_such(serve: Serve, ids: Any) -> None:
    """A session was opened for it in time, and nobody goes on with it."""
    desk = serve()
    options = {"base_url": desk.service.base_url}
    with ComplianceApi(desk.service.bearer_token, **options) as api, Storage(**options) as storage:
        job = api.create("tweets", name="theirs", resumable=True)
        assert job.upload_url
        start = {"Content-Type": "text/plain", "Content-Length": "0", "x-goog-resumable": "start"}
        assert storage.begin(job.upload_url, start)[0].status == 201
    desk.service.advance(timedelta(minutes=20))
    said: list[str] = []

    def listen(progress: Progress) -> None:
        said.append(progress.note)
        if "theirs" in progress.note:
            desk.service.advance(timedelta(days=8))

    assert answer(desk.check(ids, progress=listen)) == expected(ids)
    assert next(note for note in said if "theirs" in note).partition(" at ")[0] == (
        f"the slot is held by job {job.id} (theirs, 20 min old); nobody uploaded to it yet, the service was to end it"
    )


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_wrong_clock_does_no_harm(hours: int, serve: Serve, ids: Any) -> None:
    """What the service said is compared with what its own clock says, not with this machine's."""
    desk = serve(Fault("get", "unknown_status"))
    desk.service.advance(timedelta(hours=hours))
    assert answer(desk.check(ids, timeout=timedelta(seconds=10))) == expected(ids)
    assert len(desk.service.jobs) == 1


def test_a_service_that_creates_no_jobs_for_minutes_is_waited_for(serve: Serve, ids: Any) -> None:
    """An outage of one call is borne as long as one of the others."""
    desk = serve(Fault("create", "unavailable", times=9))
    said: list[str] = []
    assert answer(desk.check(ids, progress=lambda progress: said.append(progress.note))) == expected(ids)
    assert any("did not create" in note for note in said)


def test_a_chunk_whose_upload_url_ran_out_gets_a_new_job(serve: Serve, ids: Any, interrupted_at: Any) -> None:
    """A laptop that slept past the window costs one job, not the chunk."""
    desk = serve()
    with interrupted_at("advanced", "uploading"):
        desk.check(ids)
    desk.service.advance(timedelta(minutes=16))
    assert answer(desk.check(ids)) == expected(ids)
    assert sorted(job.status for job in desk.service.jobs) == ["complete", "expired"]


def test_results_that_are_gone_are_asked_for_again(serve: Serve, ids: Any, interrupted_at: Any) -> None:
    """After seven days the download is gone; the chunk gets a new job."""
    desk = serve()
    with interrupted_at("advanced", "downloading"):
        desk.check(ids)
    desk.service.advance(timedelta(days=8))
    assert answer(desk.check(ids)) == expected(ids)
    assert len(desk.service.jobs) == 2


def test_a_job_that_failed_is_tried_once_more(serve: Serve, ids: Any) -> None:
    """One failure costs one job."""
    desk = serve(Fault("job", "failed"))
    assert answer(desk.check(ids)) == expected(ids)
    assert [job.status for job in desk.service.jobs] == ["failed", "complete"]


def test_a_chunk_that_fails_twice_is_asked_in_halves(serve: Serve, ids: Any) -> None:
    """After two failures the halves are asked; the answer is whole."""
    desk = serve(Fault("job", "failed", times=2))
    assert answer(desk.check(ids)) == expected(ids)
    states = Ledger.read(desk.ledger).jobs().column("state").to_pylist()
    assert states == ["split", "done", "done"]
    assert Ledger.read(desk.ledger).failed_ids("tweets").to_pylist() == []


def test_what_fails_alone_is_reported_and_the_rest_is_used(serve: Serve, ids: Any) -> None:
    """A single ID that the service cannot answer for is kept apart, and asked again by nobody."""
    desk = serve(Fault("job", "failed", times=2))
    assert desk.check(ids[:1]).num_rows == 0
    assert Ledger.read(desk.ledger).failed_ids("tweets").to_pylist() == ids[:1].tolist()
    assert Ledger.read(desk.ledger).asked("tweets").to_pylist() == []


def test_six_failures_in_a_row_end_the_run_with_the_services_words(serve: Serve, ids: Any) -> None:
    """Then it is not the IDs; and the next run goes on, with what was answered kept."""
    desk = serve(Fault("job", "failed", times=6, after=1))
    with pytest.raises(JobFailedError, match="6 jobs in a row") as caught:
        desk.check(ids, chunk_size=1500)
    failed = [job for job in desk.service.jobs if job.status == "failed"]
    assert caught.value.job == failed[-1].id
    assert failed[-1].error
    assert failed[-1].error in str(caught.value)
    assert answer(desk.check(ids, chunk_size=1500)) == expected(ids)


def test_a_success_between_failures_begins_the_count_anew(serve: Serve, ids: Any) -> None:
    """Seven failures with an answer among them are the fault of IDs; the run goes on to the end."""
    desk = serve(Fault("job", "failed", times=4), Fault("job", "failed", times=3, after=1))
    assert answer(desk.check(ids)) == expected(ids)
    assert [job.status for job in desk.service.jobs].count("failed") == 7


def test_an_unknown_status_is_waited_out(serve: Serve, ids: Any) -> None:
    """A status that nobody has heard of is not the end of a job."""
    desk = serve(Fault("get", "unknown_status", times=3, after=2))
    assert answer(desk.check(ids)) == expected(ids)


def test_patience_ends_and_the_next_run_goes_on(serve: Serve, ids: Any) -> None:
    """A timeout ends the waiting, not the job."""
    desk = serve(processing=timedelta(hours=1))
    with pytest.raises(JobTimeoutError, match="Run again"):
        desk.check(ids, timeout=timedelta(milliseconds=400))
    desk.service.advance(timedelta(hours=2))
    assert answer(desk.check(ids)) == expected(ids)
    assert len(desk.service.jobs) == 1


def test_corrupt_results_are_not_used(serve: Serve, ids: Any) -> None:
    """The chunk is asked anew; where that is no better the run ends with the line's number, and the next one asks."""
    desk = serve(Fault("job", "corrupt_line"))
    assert answer(desk.check(ids)) == expected(ids)
    assert len(desk.service.jobs) == 2
    desk = serve(Fault("job", "corrupt_line", times=2))
    with pytest.raises(ResultsError, match="Line") as caught:
        desk.check(ids)
    assert caught.value.line
    assert Ledger.read(desk.ledger).asked("tweets").to_pylist() == []
    assert Ledger.read(desk.ledger).chunks()[0].state == "planned"
    assert list((desk.ledger / "results").iterdir()) == []
    assert answer(desk.check(ids)) == expected(ids)


def test_a_large_body_goes_up_in_parts(serve: Serve) -> None:
    """From 8 MiB on the upload is resumable, goes on after lost answers, and leaves no session behind."""
    many = np.arange(440_000) * 4097 + 1_500_000_000_000_000_000
    desk = serve(Fault("session", "server_error"), Fault("part", "lost_answer"), Fault("part", "persist_less", after=1))
    assert answer(desk.check(many)) == expected(many)
    assert [job.resumable for job in desk.service.jobs] == [True]
    assert list((desk.ledger / "sessions").iterdir()) == []


def test_a_session_that_is_lost_when_the_window_is_over_costs_one_job(serve: Serve) -> None:
    """A laptop that slept in the middle of an upload: its job ends with its window, and the next one is made."""
    many = np.arange(440_000) * 4097 + 1_500_000_000_000_000_000
    desk = serve(Fault("part", "gone", after=1))

    def listen(progress: Progress) -> None:
        if progress.stage == "upload" and progress.done and len(desk.service.jobs) == 1:
            desk.service.advance(timedelta(minutes=16))

    assert answer(desk.check(many, progress=listen, timeout=timedelta(seconds=20))) == expected(many)
    assert [job.status for job in desk.service.jobs] == ["expired", "complete"]


def test_submit_hands_over_and_collect_fetches(serve: Serve, ids: Any) -> None:
    """Between the two the notebook may be closed: the first chunk is with the service."""
    desk = serve(processing=timedelta(milliseconds=200))
    options = desk.options()
    source = pa.table({"id": [None, *ids.tolist(), int(ids[0])]})
    told = submit(source, chunk_size=2000, **options)
    assert (told.chunks, told.new, told.nulls, told.duplicates) == (2, {"tweets": 3000}, {"tweets": 1}, {"tweets": 1})
    assert [job.status for job in desk.service.jobs] == ["in_progress"]
    again = submit(source, **options)
    assert (again.chunks, again.pending) == (0, {"tweets": 3000})
    assert answer(collect(**options)) == expected(ids)
    assert len(desk.service.jobs) == 2
    assert submit(source, **options).answered == {"tweets": 3000}


def test_an_error_in_one_lane_ends_the_other_and_leaves_no_thread(serve: Serve, ids: Any) -> None:
    """The first error is told; both lanes can be taken up again."""
    desk = serve(Fault("job", "corrupt_line", times=None), processing=timedelta(milliseconds=100))
    with pytest.raises(ResultsError):
        desk.check(pa.table({"id": ids[:50], "author_id": ids[50:100]}), "both")
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("compliance-frames_")]
    states = {chunk.state for chunk in Ledger.read(desk.ledger).chunks()}
    assert not states & (FINAL - {"done"})


def test_two_runs_at_once_are_refused(serve: Serve, ids: Any) -> None:
    """One ledger, one writer."""
    desk = serve()
    with Ledger.open(desk.ledger), pytest.raises(LedgerLockedError, match="in use by another run"):
        desk.check(ids)


def test_waiting_for_another_run_ends_when_the_time_is_over(serve: Serve, ids: Any) -> None:
    """Whoever waits for a ledger is told who has it, and waits no longer than was said."""
    desk = serve()
    said: list[Progress] = []
    with Ledger.open(desk.ledger), pytest.raises(JobTimeoutError, match="Run again"):
        desk.check(ids, wait=True, timeout=timedelta(milliseconds=300), progress=said.append)
    assert {p.note for p in said} == {said[0].note}
    assert "waiting for another run" in said[0].note
    assert desk.check(ids, wait=True).num_rows


def test_a_wrong_token_is_told_and_loses_nothing(serve: Serve, ids: Any) -> None:
    """The chunk stays planned for the run with the right one; without any, no ledger is made."""
    desk = serve()
    with pytest.raises(AuthError):
        desk.check(ids, bearer_token="wrong")
    assert answer(desk.check(ids)) == expected(ids)
    other = serve()
    with pytest.raises(AuthError, match="X_BEARER_TOKEN"):
        other.check(ids, bearer_token=None)
    assert not other.ledger.exists()


def test_no_secret_is_in_the_ledger(serve: Serve, ids: Any, interrupted_at: Any) -> None:
    """Neither the token nor a signed URL is in any file of it, also in the middle of a run."""
    desk = serve()
    with interrupted_at("advanced", "processing"):
        desk.check(ids)
    desk.check(ids)
    token = desk.service.bearer_token.encode()
    for path in desk.ledger.rglob("*"):
        if path.is_file():
            assert not re.search(re.escape(token) + b"|(?i:X-Goog-)|upload_id", path.read_bytes()), path


@pytest.mark.parametrize(
    ("source", "type", "error", "words"),
    [
        ([1.5], "tweets", IdError, "floating-point"),
        ([], "users", IdError, "nothing to ask"),
        ([1], "tweet", IdError, "'tweet' is none of 'tweets', 'users', 'both'"),
        (iter([1]), "both", IdError, "read once only"),
        (pa.table({"id": [1], "author": [2]}), "both", IdError, "no column 'author_id'. Did you mean 'author'"),
    ],
)
def test_bad_sources_make_no_ledger(serve: Serve, source: Any, type: Any, error: Any, words: str) -> None:
    """What cannot be asked is refused before anything is made."""
    desk = serve()
    with pytest.raises(error, match=words):
        desk.check(source, type)
    assert not desk.ledger.exists()
    assert desk.service.requests == []


def test_collecting_from_nothing_says_so(tmp_path: Path) -> None:
    """A mistyped ledger is not made on the way."""
    with pytest.raises(LedgerError, match="no ledger at"):
        collect(tmp_path / "misspelt", bearer_token="t")
    assert list(tmp_path.iterdir()) == []


def test_answers_are_no_fresher_than_their_job(serve: Serve, ids: Any) -> None:
    """``checked_at`` is when the job was made: an ID deleted since then may be missing."""
    desk = serve()
    before = datetime.now(UTC).replace(microsecond=0)
    checked = desk.check(ids).column("checked_at").to_pylist()
    assert all(before <= at <= datetime.now(UTC) for at in checked)
