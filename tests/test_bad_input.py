"""Every mistake that people make ends with one clear sentence, its exit code, and nothing half-written."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compliance_frames import sample
from compliance_frames.cli import main
from compliance_frames.emulator import Emulator, Fates
from compliance_frames.emulator.faults import Fault, Faults


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, and what it wrote on each stream."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The one line that says what is wrong."""
        (line,) = [line for line in self.err.splitlines() if line.startswith("error: ")]
        return line


class Desk:
    """A user's folder with a corpus in it, and a way to run commands there."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self._capsys, self._monkeypatch = folder, capsys, monkeypatch
        self.corpus = sample.corpus(folder / "corpus", rows=600, seed=4, days=3)
        self._stack = ExitStack()
        monkeypatch.chdir(folder)

    def serve(self, *faults: Fault, **settings: Any) -> Emulator:
        """Start the service, with what goes wrong there, and tell the environment of it."""
        settings = {"seed": 1, "processing": timedelta(0), "rate_limit": 100_000} | settings
        service = self._stack.enter_context(Emulator(faults=Faults(faults), **settings))
        self._monkeypatch.setenv("X_BEARER_TOKEN", service.bearer_token)
        self._monkeypatch.setenv("COMPLIANCE_FRAMES_BASE_URL", service.base_url)
        return service

    def run(self, *args: object) -> Ended:
        self._capsys.readouterr()
        code = main([str(arg) for arg in args])
        return Ended(code, *self._capsys.readouterr())

    def check(self, source: object = "corpus", *args: object) -> Ended:
        return self.run("check", source, "--ledger", "a.ledger", "--poll", "0.02s", *args)

    def files(self) -> set[str]:
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob("*")}

    def close(self) -> None:
        self._stack.close()


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    made = Desk(tmp_path, capsys, monkeypatch)
    yield made
    made.close()


def ends(ended: Ended, code: int, *words: str) -> None:
    """One sentence with these words, this exit code, and no traceback."""
    assert ended.code == code, ended
    for word in words:
        assert word in ended.sentence
    assert "Traceback" not in ended.err + ended.out
    assert ended.sentence.count("\n") == 0
    assert len(ended.sentence) < 600


# The service refuses, or fails.


def test_no_token(desk: Desk) -> None:
    """Without a token nothing is begun, not even a ledger."""
    before = desk.files()
    ends(desk.check(), 4, "no bearer token", "X_BEARER_TOKEN")
    assert desk.files() == before


def test_wrong_token(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A 401 names the variable that holds the token, and not the token."""
    desk.serve()
    monkeypatch.setenv("X_BEARER_TOKEN", "wrong-but-secret")
    ended = desk.check()
    ends(ended, 4, "does not accept the bearer token", "401", "X_BEARER_TOKEN")
    assert "wrong-but-secret" not in ended.err + ended.out


def test_no_access(desk: Desk) -> None:
    """A 403 says what the app behind the token lacks."""
    desk.serve(Fault("api", "forbidden", times=None))
    ends(desk.check(), 4, "403", "needs access to the batch compliance endpoints")


def test_a_rate_limit_that_never_clears(desk: Desk) -> None:
    """A storm of 429s ends with the time at which to come back; the next run goes on."""
    service = desk.serve(Fault("create", "rate_limited", times=5), rate_window=timedelta(seconds=1))
    ends(desk.check("corpus", "--type", "tweets"), 4, "rate limit", "Run again later")
    assert desk.check("corpus", "--type", "tweets").code == 0
    assert len(service.jobs) == 1


def test_an_upload_url_that_ran_out_every_time(desk: Desk) -> None:
    """Expired uploads get new jobs, until it is plain that this leads nowhere."""
    desk.serve(Fault("upload", "expired", times=None), upload_window=timedelta(seconds=1))
    ends(desk.check("corpus", "--type", "tweets"), 1, "6 jobs in a row", "ran out", "run again")


def test_an_upload_url_that_ran_out_once(desk: Desk) -> None:
    """An expired upload costs a job, and no word."""
    service = desk.serve(Fault("upload", "expired"), upload_window=timedelta(seconds=3))
    assert desk.check("corpus", "--type", "tweets").code == 0
    assert {job.status for job in service.jobs} == {"expired", "complete"}


@pytest.mark.parametrize(
    ("place", "words", "jobs"), [("upload", "does not hold", 11), ("download", "not what is stored", 1)]
)
def test_a_wrong_checksum(desk: Desk, place: Any, words: str, jobs: int) -> None:
    """What does not have its checksum is not used: a download is fetched again, an upload needs a new job."""
    service = desk.serve(Fault(place, "wrong_crc32c", times=10))
    ends(desk.check("corpus", "--type", "tweets"), 1, words, "un again")
    assert not list((desk.folder / "a.ledger" / "results").iterdir())
    for _ in range(10):
        ended = desk.check("corpus", "--type", "tweets")
    assert ended.code == 0
    assert len(service.jobs) == jobs


def test_a_corrupt_result_line(desk: Desk) -> None:
    """A result file with a bad line is refused whole, with the line's number."""
    desk.serve(Fault("job", "corrupt_line", times=None))
    ends(desk.check("corpus", "--type", "tweets"), 1, "Line ", "of the result file")
    assert not list((desk.folder / "a.ledger" / "results").glob("*.parquet"))


# The IDs are none.


def write_ids(folder: Path, name: str, ids: Any, column: str = "tweet_id") -> Path:
    pq.write_table(pa.table({column: ids, "text": ["x"] * len(ids)}), folder / name)
    return folder / name


def damaged() -> list[int]:
    ids = np.random.default_rng(0).integers(2**60, 2**61, 200)
    return [int(float(i)) for i in ids]


SOURCES: dict[str, tuple[Callable[[Path], Path], tuple[str, ...], tuple[str, ...]]] = {
    "floats": (lambda f: write_ids(f, "a.parquet", [1.0, 2.0]), (), ("floating-point", "2^53", "as strings")),
    "damaged": (lambda f: write_ids(f, "a.parquet", damaged()), (), ("damaged", "as strings", "allow")),
    "empty": (lambda f: write_ids(f, "a.parquet", pa.array([], pa.int64())), (), ("nothing to ask", "no rows")),
    "no ID at all": (lambda f: write_ids(f, "a.parquet", pa.array([None], pa.int64())), (), ("no ID in any",)),
    "missing column": (
        lambda f: write_ids(f, "a.parquet", [20]),
        ("--id-column", "tweets_id"),
        ("tweets_id", "id you mean 'tweet_id'"),
    ),
    "not digits": (lambda f: write_ids(f, "a.parquet", ["20", "x"]), (), ("row 1", "'x'", "not a string of digits")),
    "spreadsheet": (
        lambda f: Path(shutil.copy(csv(f), f / "b.csv")),
        ("--id-column", "id"),
        ("row 0", "'1.23457E+18'", "spreadsheet"),
    ),
    "no such file": (lambda f: f / "missing.csv", (), ("missing.csv",)),
    "not Parquet": (lambda f: text(f / "a.parquet"), (), ("a.parquet", "cannot be read")),
}


def csv(folder: Path) -> Path:
    pd.DataFrame({"id": ["1.23457E+18"], "b": [1]}).to_csv(folder / "a.csv", index=False)
    return folder / "a.csv"


def text(path: Path) -> Path:
    path.write_text("this is not Parquet")
    return path


@pytest.mark.parametrize(("make", "args", "words"), SOURCES.values(), ids=SOURCES)
def test_what_holds_no_ids(desk: Desk, make: Any, args: tuple[str, ...], words: tuple[str, ...]) -> None:
    """A source that cannot be asked about is refused before a ledger is made or a job created."""
    service = desk.serve()
    source = make(desk.folder)
    before = desk.files()
    ends(desk.check(source, *args), 5, *words)
    assert desk.files() == before
    assert service.jobs == []


# The destination, the corpus and the policy.


@pytest.fixture
def checked(desk: Desk) -> Desk:
    """A corpus whose tweets and authors were asked about."""
    desk.serve()
    assert desk.check().code == 0
    return desk


def test_a_destination_that_exists(checked: Desk) -> None:
    """Nothing is ever written over; what stands there stays as it is."""
    (checked.folder / "clean").mkdir()
    (checked.folder / "clean" / "precious").write_text("x")
    before = checked.files()
    ends(checked.run("clean", "corpus", "clean", "--ledger", "a.ledger"), 2, "clean", "exist")
    ends(checked.run("run", "corpus", "clean", "--ledger", "a.ledger"), 2, "clean", "exist")
    assert checked.files() == before


@pytest.mark.parametrize("destination", ["corpus/clean", "corpus/date=2023-03-01", "corpus", "."])
def test_a_destination_inside_the_source_or_around_it(checked: Desk, destination: str) -> None:
    """A cleaned copy never mixes with what it is a copy of."""
    before = checked.files()
    ends(checked.run("clean", "corpus", destination, "--ledger", "a.ledger"), 2)
    assert checked.files() == before


def test_no_permission() -> None:
    """A folder in which nothing may be made is told as such, by a user who may not."""
    if os.geteuid() != 0:
        pytest.skip("only the superuser can become somebody who may write nowhere, and clean up after them")
    folder = Path(tempfile.mkdtemp())
    try:
        ended = _clean_as_nobody(folder)
        assert ended.returncode == 2, ended.stderr
        (line,) = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
        assert "ermission" in line
        assert "Traceback" not in ended.stderr
        assert sorted(path.name for path in (folder / "closed").iterdir()) == []
    finally:
        shutil.rmtree(folder)


def _clean_as_nobody(folder: Path) -> subprocess.CompletedProcess[str]:
    nobody = 65534
    folder.chmod(0o755)
    sample.corpus(folder / "corpus", rows=100, days=1)
    (folder / "closed").mkdir(mode=0o755)
    code = (
        "import os, sys\n"
        "from compliance_frames.cli import main\n"
        "import compliance_frames.corpus.clean, compliance_frames.corpus.plan, compliance_frames.jobs.ledger\n"
        "import pyarrow as pa\n"
        f"os.setgid({nobody}); os.setuid({nobody})\n"
        "from compliance_frames.jobs.ledger import Ledger\n"
        "Ledger.open(sys.argv[3]).close()\n"
        "sys.exit(main(['clean', sys.argv[1], sys.argv[2], '--ledger', sys.argv[3], '--unchecked', 'keep']))"
    )
    ledger = folder / "ledgers"
    ledger.mkdir()
    ledger.chmod(stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO)
    command = [sys.executable, "-c", code, folder / "corpus", folder / "closed" / "clean", ledger / "a.ledger"]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder)


def test_an_unknown_reason(desk: Desk) -> None:
    """A reason that nobody decided on is never guessed about; the error holds the way out, and it works."""
    ids = pq.read_table(desk.corpus, columns=["id"]).column("id").to_pylist()
    table = pa.table({"id": ids[:5], "reason": ["newly_invented"] * 5, "type": ["tweets"] * 5})
    desk.serve(fates=Fates.from_table(table))
    assert desk.check().code == 0
    before = desk.files()
    ends(desk.run("plan", "corpus", "--ledger", "a.ledger"), 5, "newly_invented", "--treat newly_invented=drop")
    ends(desk.run("clean", "corpus", "clean", "--ledger", "a.ledger"), 5, "newly_invented")
    assert desk.files() == before
    done = desk.run("clean", "corpus", "clean", "--ledger", "a.ledger", "--treat", "newly_invented=drop", "--json")
    assert done.code == 0
    assert json.loads(done.out)["rows_dropped"] >= 5


def test_ids_that_were_never_asked(desk: Desk) -> None:
    """Silence is never mistaken for consent: rows that nobody asked about stop the plan, with the way out."""
    desk.serve()
    assert desk.check("corpus/date=2023-03-01/part-0.parquet").code == 0
    ends(desk.run("plan", "corpus", "--ledger", "a.ledger"), 5, "never asked")


def test_the_error_is_there_for_programs_too(desk: Desk) -> None:
    """With --json the answer on stdout is one object that names the error's class."""
    ended = desk.check("corpus", "--json")
    told = json.loads(ended.out)
    assert told["error"]["type"] == "AuthError"
    assert told["error"]["exit_code"] == ended.code == 4
