"""No token and no signature is seen anywhere: not in a log at DEBUG, a repr, an error, or any file."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from compliance_frames.emulator import Emulator
from compliance_frames.emulator.faults import Fault, Faults

TOKEN = "canary-token-0123456789"
SECRETS = re.compile(rf"{TOKEN}|X-Goog-Signature|x-goog-signature|upload_id=[A-Za-z0-9]")

#: What a user's notebook does, with every logger wide open, and every object and error printed.
PROGRAM = """
import logging, sys, traceback
from datetime import timedelta
from pathlib import Path
from rich.traceback import Traceback
from rich.console import Console

def shown(error):  # as the most talkative of tracebacks show it: with the local variables of every frame
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    print("".join(told.format()), file=sys.stderr)
    told = Traceback.from_exception(type(error), error, error.__traceback__, show_locals=True, locals_max_string=None)
    Console(stderr=True, width=400).print(told)

def stopping(report):
    if report.stage == "upload":
        raise KeyboardInterrupt  # in the middle of a request

logging.basicConfig(level=logging.DEBUG, filename=sys.argv[1], force=True)
import compliance_frames as cf
from compliance_frames import sample
from compliance_frames.service.api import ComplianceApi
from compliance_frames.service.storage import Storage
from compliance_frames.jobs import lane
lane.RESUMABLE_FROM = int(sys.argv[2])

corpus = sample.corpus("corpus", rows=400, days=2)
fast = timedelta(milliseconds=20)
for _ in range(8):
    try:
        results = cf.check(corpus, "both", id_column="id", ledger="a.ledger", poll=fast, progress=print)
        break
    except BaseException as error:
        shown(error)
        print(repr(error), error.args, vars(error))
try:
    cf.check([5], ledger="b.ledger", poll=fast, progress=stopping)
except KeyboardInterrupt as error:
    shown(error)
plan = cf.plan(corpus, ledger="a.ledger")
report = cf.clean(plan, "clean")
proof = cf.verify("clean", ledger="a.ledger")
print(repr(plan), str(plan), plan._repr_html_(), repr(report), report._repr_html_(), repr(proof), proof._repr_html_())
with ComplianceApi() as api, Storage(base_url=api.base_url) as storage:
    jobs = api.jobs("tweets")
    print(repr(api), vars(api), repr(storage), jobs, [repr(job.upload_url) for job in jobs], f"{jobs[0].download_url}")
    try:
        storage.download(jobs[0].upload_url, Path("nowhere"))
    except Exception as error:
        shown(error)
        print(repr(error), repr(error.__context__), repr(error.__cause__))
    for held in (*vars(api).values(), *vars(storage).values()):
        print(repr(held), str(held))
print(len(results))
"""


@pytest.mark.parametrize("resumable_from", [1, 10**9], ids=["resumable", "plain"])
def test_no_token_and_no_signature_is_ever_seen(tmp_path: Path, resumable_from: int) -> None:
    """A run full of faults, with all logs at DEBUG, leaves no secret on any stream or in any file."""
    faults = Faults(
        [
            Fault("create", "lost_answer"),
            Fault("get", "unavailable"),
            Fault("get", "unauthorized", after=1),
            Fault("upload", "wrong_crc32c"),
            Fault("upload", "lost_answer", after=1),
            Fault("session", "server_error"),
            Fault("part", "lost_answer"),
            Fault("download", "truncated"),
            Fault("download", "wrong_crc32c", after=1),
            Fault("download", "lost_answer", after=2),
        ]
    )
    log = tmp_path / "debug.log"
    with Emulator(bearer_token=TOKEN, seed=1, processing=timedelta(0), faults=faults, data_dir=None) as service:
        environment = os.environ | {"X_BEARER_TOKEN": TOKEN, "COMPLIANCE_FRAMES_BASE_URL": service.base_url}
        ran = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(log), str(resumable_from)],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=100,
        )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert "Traceback" in ran.stderr
    assert "locals" in ran.stderr
    assert "KeyboardInterrupt" in ran.stderr
    seen = {"stdout": ran.stdout, "stderr": ran.stderr}
    left = {path for path in tmp_path.rglob("*") if path.is_file()}
    sessions = {path for path in left if path.parent == tmp_path / "b.ledger" / "sessions"}  # of the interrupted upload
    assert len(sessions) == (resumable_from == 1)
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in sessions)
    seen |= {str(path.relative_to(tmp_path)): path.read_bytes().decode("latin-1") for path in left - sessions}
    assert {where: found.group() for where, text in seen.items() if (found := SECRETS.search(text))} == {}
    written = log.read_text()
    assert "httpcore" in written
    assert "HTTP Request" in written
    assert "/storage/" in written or "storage" in written
    assert "?…" in written, "the log shows that URLs were there, and were cut"


def test_the_canary_would_sing() -> None:
    """The pattern that looks for secrets finds them."""
    assert SECRETS.search("PUT http://127.0.0.1:1/storage/b/o?X-Goog-Algorithm=a&X-Goog-Signature=00ff")
    assert SECRETS.search(f"Authorization: Bearer {TOKEN}")
    assert SECRETS.search("Location: http://127.0.0.1:1/o?upload_id=AB12")
