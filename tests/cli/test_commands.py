"""Every command does its step, says what it did, and ends with the right exit code when it cannot."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import compliance_frames as cf
from compliance_frames.emulator import Emulator, Fates
from compliance_frames.emulator.faults import Fault

QUICK = ["--poll", "0.02s"]


@pytest.fixture
def corpus(made: Path, tmp_path: Path) -> Path:
    """A copy of the corpus in the test's own folder, named as a person would."""
    shutil.copytree(made, tmp_path / "corpus")
    return Path("corpus")


@pytest.fixture
def asked(run: Any, online: Emulator, corpus: Path) -> Path:
    """A ledger that has answers for the corpus."""
    assert run("check", corpus, "--ledger", "l", *QUICK).code == 0
    return Path("l")


def rows_of(dataset: Path) -> pl.DataFrame:
    return pl.concat([pl.read_parquet(path, glob=False) for path in sorted(dataset.rglob("*.parquet"))])


def test_check_asks_about_tweets_and_their_authors(run: Any, online: Emulator, corpus: Path) -> None:
    """Of a dataset with authors both are asked, by columns that were found; the ledger is there afterwards."""
    ran = run("check", corpus, "--ledger", "l", "--json", *QUICK)
    assert ran.code == 0
    told = ran.json
    frame = rows_of(corpus)
    assert told["type"] == "both"
    assert told["columns"] == {"tweets": "id", "users": "author_id"}
    assert told["asked"] == {"tweets": frame["id"].n_unique(), "users": frame["author_id"].n_unique()}
    assert told["flagged"] == sum(sum(reasons.values()) for reasons in told["reasons"].values()) > 0
    assert Path("l").is_dir()
    assert "flagged" in ran.err  # people still see the table


def test_check_writes_its_results_where_told(run: Any, online: Emulator, corpus: Path) -> None:
    """Each format holds every flagged ID, whole."""
    for name in ("flagged.csv", "flagged.parquet", "flagged.jsonl"):
        assert run("check", corpus, "--type", "tweets", "--ledger", "l", "-o", name, *QUICK).code == 0
    frames = [
        pl.read_csv("flagged.csv")["id"],
        pl.read_parquet("flagged.parquet")["id"],
        pl.read_ndjson("flagged.jsonl")["id"],
    ]
    assert len(frames[0]) > 0
    assert frames[0].to_list() == frames[1].to_list() == frames[2].to_list()
    assert set(frames[0].to_list()) <= set(rows_of(corpus)["id"].cast(pl.Int64).to_list())


def test_check_takes_a_text_file_of_users(run: Any, online: Emulator, tmp_path: Path) -> None:
    """One ID a line, asked as users."""
    Path("ids.txt").write_text("\n".join(str(2_000_000_000 + n) for n in range(300)) + "\n")
    ran = run("check", "ids.txt", "--type", "users", "--ledger", "l", "--json", *QUICK)
    assert ran.code == 0
    assert ran.json["asked"] == {"users": 300}
    assert set(ran.json["reasons"]) == {"users"}


def test_a_second_check_asks_nothing_again(run: Any, online: Emulator, asked: Path, corpus: Path) -> None:
    """What the ledger knows costs no job."""
    jobs = len(online.jobs)
    assert run("check", corpus, "--ledger", asked, *QUICK).code == 0
    assert len(online.jobs) == jobs
    assert run("check", corpus, "--ledger", asked, "--max-age", "0s", *QUICK).code == 0
    assert len(online.jobs) > jobs


def test_plan_shows_each_file_and_writes_nothing(run: Any, asked: Path, corpus: Path, tmp_path: Path) -> None:
    """Rows in = kept + dropped, per file and in all."""
    before = sorted(path for path in tmp_path.rglob("*") if "l" not in path.parts)
    ran = run("plan", corpus, "--ledger", asked, "--json")
    told = ran.json
    assert ran.code == 0
    assert told["rows_in"] == told["rows_kept"] + told["rows_dropped"] == 2000
    assert sum(file["rows_dropped"] for file in told["files"]) == told["rows_dropped"] > 0
    assert told["files_copied"] + told["files_spliced"] + told["files_rewritten"] == len(told["files"])
    shown = run("plan", corpus, "--ledger", asked)
    for file in told["files"]:
        assert file["path"] in shown.out
    assert "all files" in shown.out
    assert sorted(path for path in tmp_path.rglob("*") if "l" not in path.parts) == before


def test_a_sidecar_that_names_what_goes_is_refused_or_left_out(run: Any, asked: Path, corpus: Path) -> None:
    """Exit code 5 with the file's name; --others leave settles it, --rewrite makes a file anew."""
    rows_of(corpus).select("id").write_csv(corpus / "ids.txt")
    ran = run("run", corpus, "clean", "--ledger", asked, *QUICK)
    assert ran.code == 5
    assert "ids.txt" in ran.err
    assert "--others leave" in ran.err
    path = sorted(each.relative_to(corpus).as_posix() for each in corpus.rglob("*.parquet"))[0]
    told = run("plan", corpus, "--ledger", asked, "--json", "--others", "leave", "--rewrite", path).json
    assert told["left"] == ["ids.txt"]
    assert told["files"][0]["decision"] == "rewrite"
    assert run("run", corpus, "clean", "--ledger", asked, "--others", "leave", *QUICK).code == 0
    assert not (Path("clean") / "ids.txt").exists()


def test_treatments_on_the_command_line_decide(run: Any, asked: Path, corpus: Path) -> None:
    """--treat keeps what would have been dropped."""
    usual = run("plan", corpus, "--ledger", asked, "--json").json
    reasons = ["deleted", "deactivated", "suspended", "protected", "bounced"]
    treat = [word for reason in reasons for word in ("--treat", f"{reason}=keep")]
    kept = run("plan", corpus, "--ledger", asked, "--json", *treat).json
    assert usual["rows_dropped"] > 0
    assert kept["rows_dropped"] == 0


def test_the_steps_make_what_run_makes(run: Any, asked: Path, corpus: Path) -> None:
    """check, plan, clean, verify and report one by one give the dataset that run gives."""
    cleaned = run("clean", corpus, "clean", "--ledger", asked, "--json")
    assert cleaned.code == 0
    assert cleaned.json["rows_in"] == cleaned.json["rows_kept"] + cleaned.json["rows_dropped"] == 2000
    verified = run("verify", "clean", "--ledger", asked, "--certificate", "proof.json", "--source", corpus, "--json")
    assert verified.code == 0
    assert verified.json["verified"] is True
    assert verified.json["certificate_written"] is True
    certified = json.loads(Path("proof.json").read_text())["statement"]
    assert certified == verified.json["statement"].replace(verified.json["destination"], "clean")
    reported = run("report", "clean", "--ledger", asked, "--json")
    assert reported.code == 0
    assert verified.json["statement"].split(",")[0][:20] in Path("clean.report.html").read_text()
    ran = run("run", corpus, "clean2", "--ledger", asked, "--json", *QUICK)
    assert ran.code == 0
    assert ran.json["verified"] is True
    assert rows_of(Path("clean2")).equals(rows_of(Path("clean")))


def test_a_told_zstd_level_is_used_and_said(run: Any, asked: Path, corpus: Path) -> None:
    """Nobody's files are compressed otherwise in silence."""
    quick = run("clean", corpus, "clean", "--ledger", asked, "--zstd-level", "9", "--json")
    assert quick.code == 0
    assert any("at level 9, as told" in note for note in quick.json["notes"])


def test_run_keeps_its_ledger_and_its_page_beside_the_destination(run: Any, online: Emulator, corpus: Path) -> None:
    """Two arguments are enough; a second run finds everything done, and asks nothing."""
    first = run("run", corpus, "out/clean/", "--json", *QUICK)
    assert first.code == 0
    assert first.json["ledger"] == "out/clean.ledger"
    assert {path.name for path in Path("out").iterdir()} == {
        "clean",
        "clean.certificate.json",
        "clean.ledger",
        "clean.manifest.json",
        "clean.report.html",
    }
    assert first.json["rows_kept"] == rows_of(Path("out/clean")).height < 2000
    jobs = len(online.jobs)
    second = run("run", corpus, "out/clean/", "--json", *QUICK)
    assert second.code == 0
    assert second.json["rows_kept"] == first.json["rows_kept"]
    assert len(online.jobs) == jobs


def test_jobs_are_listed_from_the_ledger_and_from_the_service(run: Any, asked: Path, online: Emulator) -> None:
    """The ledger needs no token; the service's list shows no URL, for each is a credential."""
    of_ledger = run("jobs", "--ledger", asked, "--json")
    assert {job["state"] for job in of_ledger.json["jobs"]} == {"done"}
    of_service = run("jobs", "--json", "--type", "tweets")
    known = {job["id"] for job in of_service.json["jobs"]}
    assert all(isinstance(id, str) for id in known)  # as numbers they would be rounded by many a reader
    assert {job["job_id"] for job in of_ledger.json["jobs"] if job["type"] == "tweets"} <= known
    shown = run("jobs")
    assert "complete" in shown.out
    assert "http" not in of_service.out + of_ledger.out + shown.out


def test_listing_the_services_jobs_says_what_it_waits_for(run: Any, online: Emulator) -> None:
    """A minute without a word looks like a program that hangs."""
    online.faults.add(Fault("list", "unavailable"))
    listed = run("jobs", "--type", "tweets")
    assert listed.code == 0
    assert "for the service to recover (HTTP 503)" in listed.err


def test_no_command_prints_the_token(run: Any, online: Emulator, corpus: Path) -> None:
    """Not in its answer, not in its remarks, not in what it leaves on disk."""
    token = online.bearer_token
    outputs = [run("run", corpus, "clean", "--json", "--debug", *QUICK), run("jobs")]
    assert not [ran for ran in outputs if token in ran.out + ran.err or "upload_id" in ran.out + ran.err]
    for path in Path().rglob("*"):
        assert not path.is_file() or token.encode() not in path.read_bytes()


def test_without_a_token_the_service_is_not_asked(run: Any, corpus: Path) -> None:
    """Exit code 4, and the sentence says how to set one."""
    ran = run("check", corpus, "--ledger", "l", "--json")
    assert ran.code == 4
    assert "X_BEARER_TOKEN" in ran.error
    assert ran.json["error"]["type"] == "AuthError"


def test_a_wrong_token_is_the_services_to_refuse(
    run: Any, online: Emulator, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 4, in one sentence that does not repeat it."""
    monkeypatch.setenv("X_BEARER_TOKEN", "wr0ng-token")
    ran = run("check", corpus, "--ledger", "l", *QUICK)
    assert ran.code == 4
    assert ran.error
    assert "wr0ng-token" not in ran.err + ran.out
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("command", ["check", "plan", "run"])
def test_a_missing_column_is_answered_with_the_one_that_was_meant(
    command: str, run: Any, asked: Path, corpus: Path
) -> None:
    """Exit code 5 and "did you mean", before anything is asked or written."""
    args = {"check": [corpus], "plan": [corpus], "run": [corpus, "clean"]}[command]
    ran = run(command, *args, "--ledger", asked, "--author-column", "autor_id")
    assert ran.code == 5
    assert "did you mean 'author_id'" in ran.error
    assert not Path("clean").exists()


def test_a_corpus_that_is_not_there_is_exit_code_5(run: Any, online: Emulator, asked: Path) -> None:
    """The path is named."""
    for args in (
        ["plan", "nowhere", "--ledger", asked],
        ["check", "nowhere", "--ledger", "l"],
        ["run", "nowhere", "clean"],
        ["check", "nowhere.parquet", "--ledger", "l"],
    ):
        ran = run(*args)
        assert ran.code == 5, args
        assert "nowhere" in ran.error


def test_a_damaged_file_is_exit_code_5(run: Any, online: Emulator, corpus: Path) -> None:
    """Half a Parquet file is named, not guessed at."""
    path = min(corpus.rglob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-20])
    ran = run("run", corpus, "clean")
    assert ran.code == 5
    assert path.name in ran.error


def test_rounded_ids_are_exit_code_5(run: Any, online: Emulator) -> None:
    """A column of floats has lost digits; nothing is asked."""
    pq.write_table(pa.table({"id": [1.0e18, 1.1e18]}), "floats.parquet")
    ran = run("check", "floats.parquet", "--ledger", "l")
    assert ran.code == 5
    assert "float" in ran.error or "double" in ran.error


def test_a_destination_that_exists_is_refused_before_anything_is_asked(
    run: Any, online: Emulator, corpus: Path
) -> None:
    """Exit code 2 at once, not after an hour of waiting; what is there stays."""
    Path("clean").mkdir()
    Path("clean/mine.txt").write_text("mine")
    jobs = len(online.jobs)
    for args in (["run", corpus, "clean"], ["run", corpus, corpus / "inside"], ["run", corpus, "."]):
        ran = run(*args)
        assert ran.code == 2, args
    assert len(online.jobs) == jobs
    assert Path("clean/mine.txt").read_text() == "mine"


def test_nothing_is_written_into_a_dataset(run: Any, online: Emulator, corpus: Path) -> None:
    """A ledger, results, a page or a certificate inside a dataset would be taken for data: exit code 2 at once."""
    jobs = len(online.jobs)
    for args in (
        ["check", corpus, "--ledger", corpus / "ledger"],
        ["check", corpus, "--ledger", "l", "-o", corpus / "flagged.parquet"],
        ["run", corpus, "clean", "--ledger", "clean/ledger"],
        ["run", corpus, "clean", "--ledger", corpus],
        ["run", corpus, "clean", "-o", "clean/report.html"],
        ["verify", corpus, "--ledger", "l", "--certificate", corpus / "proof.json"],
    ):
        ran = run(*args)
        assert ran.code == 2, args
        assert "outside" in ran.error
    assert len(online.jobs) == jobs
    assert sorted(path.name for path in Path().iterdir()) == ["corpus"]


def test_clean_refuses_a_destination_that_exists(run: Any, asked: Path, corpus: Path) -> None:
    """Nothing is overwritten."""
    Path("clean").mkdir()
    ran = run("clean", corpus, "clean", "--ledger", asked)
    assert ran.code == 2
    assert "clean" in ran.error


def test_rows_that_were_never_asked_stop_the_plan(run: Any, online: Emulator, corpus: Path) -> None:
    """Exit code 5; --unchecked settles it."""
    frame = rows_of(corpus).head(100)
    frame.write_parquet("part.parquet")
    assert run("check", "part.parquet", "--ledger", "l", *QUICK).code == 0
    ran = run("plan", corpus, "--ledger", "l")
    assert ran.code == 5
    told = run("plan", corpus, "--ledger", "l", "--unchecked", "keep", "--json").json
    assert told["rows_unchecked"] > 0
    dropped = run("plan", corpus, "--ledger", "l", "--unchecked", "drop", "--json").json
    assert dropped["rows_dropped"] > told["rows_dropped"]


def test_a_tampered_copy_fails_verification(run: Any, asked: Path, corpus: Path) -> None:
    """Exit code 3, one line for each problem, and a page that says so."""
    assert run("clean", corpus, "clean", "--ledger", asked).code == 0
    rewritten = next(
        file["path"] for file in json.loads(Path("clean.manifest.json").read_text())["files"] if file["rows_dropped"]
    )
    target = Path("clean") / rewritten
    target.chmod(target.stat().st_mode | stat.S_IWUSR)
    shutil.copyfile(corpus / rewritten, target)
    ran = run("verify", "clean", "--ledger", asked, "--json")
    assert ran.code == 3
    assert ran.json["error"]["problems"]
    assert any(rewritten in problem for problem in ran.json["error"]["problems"])
    assert run("report", "clean", "--ledger", asked).code == 3
    page = Path("clean.report.html").read_text()
    assert "Verification failed" in page
    assert "proof good" not in page


def test_a_ledger_that_is_not_there_is_an_error_and_not_made(run: Any, corpus: Path) -> None:
    """Reading commands make no ledger by a slip of the finger."""
    for args in (["jobs"], ["plan", corpus], ["clean", corpus, "clean"]):
        ran = run(*args, "--ledger", "ledgr")
        assert ran.code == 1, args
        assert "ledgr" in ran.error
        assert not Path("ledgr").exists()


def test_the_demo_shows_all_of_it(run: Any, tmp_path: Path) -> None:
    """Its counts add up, it ends verified, and everything lies where it says."""
    ran = run("demo", "--rows", "3000", "--json")
    assert ran.code == 0
    told = ran.json
    assert told["rows_in"] == told["rows_kept"] + told["rows_dropped"] == 3000
    assert told["verified"] is True
    assert told["rows_scrubbed"] > 0
    assert told["rows_dropped"] > 0
    assert rows_of(Path(told["paths"]["clean"])).height == told["rows_kept"]
    assert {path.name for path in (tmp_path / "compliance-frames-demo").iterdir()} == {
        "corpus",
        "corpus.ledger",
        "clean",
        "clean.certificate.json",
        "clean.manifest.json",
        "report.html",
    }
    for call in ("cf.check(", "cf.plan(", "cf.clean(", "cf.verify(", "proof.certify(", "compliance-frames report"):
        assert call in ran.err


def test_the_demo_needs_no_account_and_uses_none(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real token in the environment stays there: the demo speaks with its own emulator only."""
    monkeypatch.setenv("X_BEARER_TOKEN", "r3al-token")
    monkeypatch.setenv("COMPLIANCE_FRAMES_BASE_URL", "https://203.0.113.1")
    ran = run("demo", "--rows", "200")
    assert ran.code == 0
    assert "r3al-token" not in ran.out + ran.err


def test_the_demo_overwrites_nothing(run: Any) -> None:
    """A folder with something in it is refused, and left as it was; an empty one is taken."""
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("mine")
    ran = run("demo", "--dir", "mine")
    assert ran.code == 2
    assert "--dir" in ran.error
    assert [path.name for path in Path("mine").iterdir()] == ["notes.txt"]
    assert run("demo", "--dir", "mine/notes.txt").code == 2


def test_the_demo_without_the_emulators_libraries_says_what_to_install() -> None:
    """One sentence with the command to run."""
    code = (
        "import sys; sys.modules['starlette'] = None; sys.modules['uvicorn'] = None\n"
        "from compliance_frames.cli import main; sys.exit(main(['emulate', '--port', '0']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'compliance-frames[emulator]'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_emulate_serves_until_it_is_stopped(end: signal.Signals, tmp_path: Path) -> None:
    """The first line says where and with which token; Ctrl-C ends it in peace."""
    (tmp_path / "fates.csv").write_text("id,reason\n1234567890123456789,deleted\n")
    command = [sys.executable, "-m", "compliance_frames", "emulate", "--port", "0", "--json", "--fates", "fates.csv"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment
    ) as child:
        assert child.stdout
        assert child.stderr
        where = json.loads(child.stdout.readline())
        assert set(where) == {"base_url", "bearer_token"}
        request = urllib.request.Request(
            f"{where['base_url']}/2/compliance/jobs?type=tweets",
            headers={"Authorization": f"Bearer {where['bearer_token']}"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200
        child.send_signal(end)
        errors = child.stderr.read()
    assert child.returncode in ({0} if end == signal.SIGINT else {0, -signal.SIGTERM})
    assert "Traceback" not in errors


def test_emulate_lets_go_wrong_what_it_is_told(tmp_path: Path) -> None:
    """Whoever writes a client of their own can try it against every fault."""
    command = [sys.executable, "-m", "compliance_frames", "emulate", "--port", "0", "--json"]
    command += ["--fault", "list:unavailable*2", "--fault", "list:rate_limited"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as child:
        assert child.stdout
        where = json.loads(child.stdout.readline())
        headers = {"Authorization": f"Bearer {where['bearer_token']}"}
        request = urllib.request.Request(f"{where['base_url']}/2/compliance/jobs?type=tweets", headers=headers)
        statuses = []
        for _ in range(4):
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    statuses.append(answer.status)
            except urllib.error.HTTPError as error:
                statuses.append(error.code)
        child.send_signal(signal.SIGINT)
    assert statuses == [503, 503, 429, 200]


def test_an_interrupted_run_says_how_to_go_on(tmp_path: Path, made: Path) -> None:
    """Ctrl-C while waiting ends with 130 and one sentence; the same command finishes the work, asking nothing twice."""
    shutil.copytree(made, tmp_path / "corpus")
    with Emulator(seed=1, processing=timedelta(seconds=2), rate_limit=1_000_000) as service:
        environment = {
            **os.environ,
            "X_BEARER_TOKEN": service.bearer_token,
            "COMPLIANCE_FRAMES_BASE_URL": service.base_url,
        }
        command = [sys.executable, "-m", "compliance_frames", "run", "corpus", "clean", "--json", "--poll", "0.1s"]

        def start() -> subprocess.Popen[str]:
            return subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment
            )

        with start() as child:
            while not [job for job in service.jobs if job.status == "in_progress"]:
                assert child.poll() is None
                time.sleep(0.02)
            child.send_signal(signal.SIGINT)
            out, errors = child.communicate(timeout=60)
        assert child.returncode == 130, errors
        assert "goes on where it stopped" in errors
        assert "Traceback" not in errors
        assert json.loads(out)["error"]["type"] == "KeyboardInterrupt"
        with start() as child:
            out, errors = child.communicate(timeout=60)
        assert child.returncode == 0, errors
        assert json.loads(out)["verified"] is True
        assert len(service.jobs) == 2


def retweets_in(file: Path) -> list[int]:
    frame = pl.read_parquet(file, glob=False)
    kinds = frame["referenced_tweets"].list.first().struct.field("type")
    return frame.filter(kinds == "retweeted")["id"].cast(pl.Int64).to_list()


def test_the_copy_of_another_dataset_is_seen_before_anybody_is_asked(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not after an hour of waiting for answers; here there is nobody who could give any."""
    monkeypatch.delenv("X_BEARER_TOKEN", raising=False)
    flagged = pa.table({"type": ["tweets"], "id": [21], "action": ["delete"], "reason": ["deleted"]})
    for folder, first in (("a", 20), ("b", 40)):
        (tmp_path / folder / "corpus").mkdir(parents=True)
        pq.write_table(pa.table({"id": range(first, first + 9)}), f"{folder}/corpus/part-0.parquet")
    cf.clean(cf.plan("a/corpus", flagged), "clean")
    ran = run("run", "b/corpus", "clean", "--update")
    assert ran.code == 2
    assert "seems to be the copy of another dataset" in ran.error
    assert rows_of(Path("clean")).height == 8


def test_run_again_next_week_brings_the_copy_up_to_date(
    run: Any, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One command asks again, takes over what did not change, proves and certifies; what came back is told."""
    files = sorted(corpus.rglob("*.parquet"))
    ids, later = retweets_in(files[0]), retweets_in(files[-1])  # which nobody retweets: one file each loses them
    kept = files[-1].read_bytes()
    files[-1].unlink()
    command = ["run", corpus, "clean", "--update", "--max-age", "0s", "--json", *QUICK]

    def week(*reasons: tuple[int, str]) -> Any:
        table = pa.table({"id": [id for id, _ in reasons], "reason": [reason for _, reason in reasons]})
        with Emulator(processing=timedelta(0), rate_limit=1_000_000, fates=Fates.from_table(table)) as service:
            monkeypatch.setenv("X_BEARER_TOKEN", service.bearer_token)
            monkeypatch.setenv("COMPLIANCE_FRAMES_BASE_URL", service.base_url)
            ran = run(*command)
        assert ran.code == 0, ran.err
        return ran

    first = week((ids[0], "deleted"), (ids[1], "protected")).json
    assert (first["files_taken_over"], first["came_back"]) == (0, {})
    files[-1].write_bytes(kept)
    second = week((ids[1], "protected"), (later[0], "deleted"))
    assert second.json["came_back"] == {"tweets": {"deleted": 1}}
    assert "Flagged before, and clear now: 1 tweet (deleted)" in second.err
    assert 0 < second.json["files_taken_over"] < len(files)
    assert second.json["new"]["tweets"] == second.json["ids"]["tweets"] > first["ids"]["tweets"]
    known = set(rows_of(Path("clean"))["id"].cast(pl.Int64).to_list())
    assert ids[0] in known
    assert not {ids[1], later[0]} & known
    (aside,) = Path().glob("clean.certificate.*.json")
    assert run("verify", "clean", "--certificate", "clean.certificate.json").code == 0
    assert run("verify", "clean", "--certificate", aside).code == 3
    told = week((ids[1], "protected"), (later[0], "deleted")).json  # nothing changed but the age of the answers
    assert told["files_taken_over"] == len(files)
    assert len(list(Path().glob("clean.certificate.*.json"))) == 2
