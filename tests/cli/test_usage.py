"""The command line explains itself, refuses what it cannot understand, and keeps secrets out of sight."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from compliance_frames.cli import commands, main
from compliance_frames.cli.failing import failure_of
from compliance_frames.errors import (
    AuthError,
    ComplianceFramesError,
    IdError,
    LedgerError,
    PlanError,
    VerificationError,
)

COMMANDS = ["check", "clean", "columns", "demo", "emulate", "ingest", "jobs", "plan", "report", "run", "verify"]


def test_the_commands_are_these() -> None:
    """Each step has a command, and nothing else has."""
    assert sorted(commands.commands) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_explained_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """--help tells what a command does, shows it in use, and explains every option."""
    assert main([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert "Example:" in text
    assert f"compliance-frames {command}" in text
    assert "--json" in text
    for parameter in commands.commands[command].params:
        assert getattr(parameter, "help", "") or parameter.param_type_name == "argument" or parameter.hidden  # type: ignore[attr-defined]


def test_help_is_quick_because_it_loads_nothing_heavy() -> None:
    """No library of data or HTTP is loaded to print a help page."""
    code = (
        "import sys; from compliance_frames.cli import main; main(['run', '--help'])\n"
        "heavy = {'pyarrow', 'polars', 'duckdb', 'httpx', 'numpy', 'altair', 'starlette'} & set(sys.modules)\n"
        "print(sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_no_command_prints_the_help_and_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever types the name alone is shown what there is."""
    assert main([]) == 2
    shown = "".join(capsys.readouterr())
    assert all(command in shown for command in COMMANDS)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["chek", "x"], "Did you mean 'check'?"),
        (["check"], "Missing argument 'SOURCE'"),
        (["check", "x"], "Missing option '--ledger'"),
        (["check", "x", "--ledger", "l", "--type", "tweet"], "'tweets', 'users', 'both'"),
        (["check", "x", "--ledger", "l", "--max-age", "a week"], "7d, 36h, 90m"),
        (["check", "x", "--ledger", "l", "--chunk-size", "0"], "--chunk-size"),
        (["check", "x", "--ledger", "l", "-o", "flagged.xlsx"], ".parquet, .csv"),
        (["check", "x", "--ledger", "l", "--id-colum", "a"], "--id-column"),
        (["plan", "x", "--ledger", "l", "--treat", "protected"], "REASON=TREATMENT"),
        (["plan", "x", "--ledger", "l", "--treat", "a=keep", "--treat", "a=drop"], "both a=keep and a=drop"),
        (["plan", "x", "--ledger", "l", "--geo", "place", "--no-geo"], "one of them"),
        (["plan", "x", "--ledger", "l", "--unchecked", "ignore"], "'error', 'keep', 'drop'"),
        (["clean", "x", "--ledger", "l"], "Missing argument 'DEST'"),
        (["clean", "x", "y", "--ledger", "l", "--workers", "0"], "--workers"),
        (["clean", "x", "y", "--ledger", "l", "--zstd-level", "23"], "--zstd-level"),
        (["run", "x"], "Missing argument 'DEST'"),
        (["verify", "x"], "give --ledger DIR to verify by its results, or --certificate FILE"),
        (["verify", "x", "--ledger", "l", "--sign-key", "k"], "give --certificate FILE too"),
        (["verify", "x", "--ledger", "l", "--public-key", "k"], "checks a certificate that is there"),
        (
            ["verify", "x", "--ledger", "l", "--certificate", "c", "--sign-key", "k.pem"],
            "k.pem cannot be read",
        ),
        (["demo", "--rows", "3"], "--rows"),
        (["emulate", "--port", "99999"], "--port"),
        (["emulate", "--fates", "fates.docx"], ".parquet, .csv"),
        (["emulate", "--fault", "moon:reset"], "the places are api, create"),
        (["emulate", "--fault", "part:moon"], "no_range, gone, not_found"),
        (["emulate", "--storm", "2"], "--storm"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_usage_errors_are_one_sentence_and_exit_with_2(
    args: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is wrong, what would be right, and where it is explained; nothing is written."""
    monkeypatch.chdir(tmp_path)
    assert main(args) == 2
    seen = capsys.readouterr()
    (line,) = seen.err.splitlines()
    assert line.startswith("error: ")
    assert said in line
    assert line.endswith("--help")
    assert seen.out == ""
    assert not list(tmp_path.iterdir())


def test_a_usage_error_is_json_too_when_json_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """A program learns of every error in the same way."""
    assert main(["plan", "--json"]) == 2
    told = json.loads(capsys.readouterr().out)["error"]
    assert told["type"] == "UsageError"
    assert told["exit_code"] == 2
    assert "Missing" in told["message"]


@pytest.mark.parametrize("args", [["--token", "s3cret"], ["--token=s3cret"], ["--bearer-token=s3cret"]])
def test_a_token_on_the_command_line_is_refused_and_not_repeated(
    args: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Others can read a command line; the answer says where a token belongs."""
    assert main(["check", "x", "--ledger", "l", *args]) == 2
    seen = capsys.readouterr()
    assert "X_BEARER_TOKEN" in seen.err
    assert "s3cret" not in seen.err + seen.out


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (AuthError("no token"), 4),
        (IdError("float"), 5),
        (PlanError("no column"), 5),
        (VerificationError("found", problems=["a"]), 3),
        (LedgerError("newer"), 1),
        (ComplianceFramesError("other"), 1),
        (KeyboardInterrupt(), 130),
        (OSError(28, "No space left on device", "clean/a.parquet"), 1),
        (RuntimeError("a tweet's text"), 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_each_kind_of_error_has_its_exit_code(error: BaseException, code: int) -> None:
    """A shell script can tell them apart."""
    assert failure_of(error).code == code


def test_an_unexpected_error_does_not_repeat_what_it_says() -> None:
    """Libraries put values into their messages: a tweet's text must not end in a log."""
    failure = failure_of(RuntimeError("a tweet's text"))
    assert "tweet" not in failure.sentence
    assert "--debug" in failure.sentence
    assert "RuntimeError" in failure.sentence


def test_a_system_error_names_its_file() -> None:
    """A full disk is no bug: the sentence says what and where."""
    assert (
        failure_of(OSError(28, "No space left on device", "a.parquet")).sentence == "a.parquet: No space left on device"
    )


@pytest.mark.parametrize("switch", ["flag", "environment"])
def test_a_traceback_is_shown_when_asked_for(
    switch: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """--debug, or COMPLIANCE_FRAMES_DEBUG, shows where an error came from; nothing else does."""
    args = ["plan", str(tmp_path / "nothing"), "--ledger", str(tmp_path / "none")]
    assert main(args) in {1, 5}
    assert "Traceback" not in capsys.readouterr().err
    if switch == "flag":
        args.append("--debug")
    else:
        monkeypatch.setenv("COMPLIANCE_FRAMES_DEBUG", "1")
    main(args)
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_a_reader_that_leaves_ends_the_command_quietly() -> None:
    """``compliance-frames … | head -1`` prints no complaint."""
    code = "import sys; from compliance_frames.cli import main; sys.exit(main(['run', '--help']))"
    shell = f'sleep 0.1; exec {sys.executable} -c "{code}"'
    with subprocess.Popen(["sh", "-c", shell], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout
        assert child.stderr
        child.stdout.close()
        assert child.stderr.read() == ""
    assert child.returncode in {0, 1}


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_every_terminal_can_print_it(encoding: str) -> None:
    """A terminal without dashes and arrows shows something else for them, and no error."""
    for args, code in ((["check", "café→", "--ledger", "l", "--type", "x"], 2), (["emulate", "--help"], 0)):
        done = subprocess.run(
            [sys.executable, "-m", "compliance_frames", *args],
            capture_output=True,
            check=False,
            env={"PYTHONIOENCODING": encoding, "PATH": "/usr/bin:/bin"},
        )
        assert (done.returncode, b"Traceback" in done.stderr) == (code, False)


def test_the_module_runs_as_the_command_does() -> None:
    """``python -m compliance_frames`` works where no script is on the path."""
    done = subprocess.run(
        [sys.executable, "-m", "compliance_frames", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("compliance-frames, version ")
