"""What people see comes out as it was meant, on the stream where it belongs."""

from __future__ import annotations

import io
import json
import sys
import threading

import pytest
from rich.console import Console
from rich.progress import Progress as Bars
from rich.progress import TextColumn

from compliance_frames.console import Display, _Lines, amount, counted, plain, table
from compliance_frames.progress import Progress


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def drawn(*reports: Progress) -> tuple[Bars, _Lines]:
    bars = Bars(TextColumn("{task.description}"), console=Console(file=io.StringIO()))
    lines = _Lines(bars)
    for report in reports:
        lines.told(report)
    return bars, lines


def report(task: str = "chunk 1", done: int = 0, total: int | None = 10, **more: str) -> Progress:
    return Progress("upload", task, done, total, "bytes", **more)


def test_remarks_go_to_stderr_and_answers_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    """A pipe gets the answer and nothing else."""
    display = Display()
    display.say("a remark")
    display.show("the answer")
    display.answer({"not": "for people"})
    seen = capsys.readouterr()
    assert (seen.out, seen.err) == ("the answer\n", "a remark\n")


def test_with_json_stdout_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    """A program reads stdout as it is; people's tables move to stderr."""
    display = Display(as_json=True)
    display.show(table(["reason"], [["deleted"]]))
    display.answer({"rows": 3})
    seen = capsys.readouterr()
    assert json.loads(seen.out) == {"rows": 3}
    assert "deleted" in seen.err


def test_brackets_are_text_and_not_markup(capsys: pytest.CaptureFixture[str]) -> None:
    """A file named ``a[red].parquet`` is shown by that name, in remarks, errors and tables."""
    display = Display()
    display.say("a[red].parquet")
    display.error("a[red].parquet", more=["b[/]"])
    display.show(table(["f[i]le"], [["a[red].parquet"]]))
    seen = capsys.readouterr()
    assert seen.err.count("a[red].parquet") == 2
    assert "b[/]" in seen.err
    display.show("c[bold]")
    assert "a[red].parquet" in seen.out
    assert capsys.readouterr().out == "c[bold]\n"


def test_a_file_name_cannot_drive_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Escape sequences and lone surrogates are spelled out wherever a name is printed."""
    display = Display()
    display.error("\x1b[2Jgone \udcff", more=["\x9b31m"])
    display.show(table(["file"], [["\x1b]0;title\x07"]]))
    seen = capsys.readouterr()
    assert not {"\x1b", "\x9b", "\x07"} & set(seen.err + seen.out)
    assert r"\x1b[2Jgone \udcff" in seen.err
    assert plain("tab\tand\nline, déjà 推") == "tab\tand\nline, déjà 推"


def test_long_paths_are_not_cut(capsys: pytest.CaptureFixture[str]) -> None:
    """A path can be copied from the output, whatever its length."""
    path = "/".join(["corpus"] * 60)
    Display().error(f"no file {path}")
    assert path in capsys.readouterr().err


def test_no_bars_where_stderr_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log file gets no bars, not even when colours are forced."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    with Display().progress() as told:
        told(report(done=5))
    assert capsys.readouterr().err == ""


def test_bars_are_drawn_on_a_terminal_and_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person sees the step, the amount and the note while it runs, and a clean screen afterwards."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "140")
    with Display().progress() as told:
        told(Progress("upload", "chunk 1 of 2", 1_000_000, 4_000_000, "bytes"))
        told(Progress("wait", "job 7", 0, None, "jobs", note="in_progress, 3 min"))
    seen = terminal.getvalue()
    assert "sending chunk 1 of 2" in seen
    assert "1.0 MB of 4.0 MB" in seen
    assert "in_progress, 3 min" in seen
    assert seen.rstrip().endswith("\x1b[2K")  # the last thing done is to erase a line


def test_one_task_keeps_one_line() -> None:
    """Reports of the same task move its line; another task gets another."""
    bars, _ = drawn(report(done=1), report(done=4), report("chunk 2", 1))
    assert [(task.description, task.completed) for task in bars.tasks] == [
        ("sending chunk 1", 4),
        ("sending chunk 2", 1),
    ]


def test_a_finished_task_gives_its_line_back() -> None:
    """Bars of a thousand files do not pile up."""
    bars, _ = drawn(report(done=1), report(done=10), report("chunk 2", 10))
    assert not bars.tasks


def test_a_terminal_is_not_flooded() -> None:
    """Of many tasks at once the last to speak are shown."""
    bars, _ = drawn(*(report(f"chunk {n}", 1) for n in range(30)), report("chunk 25", 2))
    assert len(bars.tasks) == 8
    assert {"sending chunk 29", "sending chunk 25"} <= {task.description for task in bars.tasks}


def test_a_display_that_fails_does_not_end_the_work() -> None:
    """Progress is told from inside of transfers: whatever it is told, it raises nothing."""
    _, lines = drawn()
    lines.told(Progress("nonsense", "x", 1, 2, "rows"))  # type: ignore[arg-type]


def test_progress_may_be_told_from_many_threads() -> None:
    """Two job slots and several workers speak at once; each ends with a line of its own."""
    bars, lines = drawn()

    def work(name: str) -> None:
        for done in range(50):
            lines.told(report(name, done, 100))

    threads = [threading.Thread(target=work, args=(f"chunk {n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted((task.description, task.completed) for task in bars.tasks) == [
        (f"sending chunk {n}", 49) for n in range(4)
    ]


def test_amounts_are_in_their_unit() -> None:
    """Bytes are shortened, rows and files are counted, a single job is left to its note."""
    assert amount(0, 20, "files") == "0 of 20 files"
    assert amount(1_500_000, None, "bytes") == "1.5 MB"
    assert amount(0, 1, "jobs") == ""
    assert amount(1, 3, "jobs") == "1 of 3 jobs"


def test_one_thing_is_not_called_many() -> None:
    """A count and its noun agree."""
    assert [counted(n, "row") for n in (0, 1, 1000)] == ["0 rows", "1 row", "1,000 rows"]
