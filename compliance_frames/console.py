"""What people see of a command: progress and remarks on stderr, its answer on stdout, each once."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import IO, Any, Final

from rich import box
from rich.console import Console, RenderableType
from rich.filesize import decimal
from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Column, Table
from rich.text import Text

from compliance_frames.progress import Progress, ProgressCallback, Stage

#: What a step does, as the beginning of its line.
_DOING: Final[dict[Stage, str]] = {
    "read": "reading",
    "upload": "sending",
    "wait": "waiting",
    "download": "fetching",
    "plan": "planning",
    "clean": "cleaning",
    "verify": "verifying",
}
#: A terminal holds few lines: of a hundred tasks under way, the last ones to speak are shown.
_MOST_LINES: Final = 8
#: Where no terminal says how wide it is, tables are as wide as a path and a sentence need.
_WIDE: Final = 120


class Display:
    """Two streams with one purpose each: stdout for what the command answers, stderr for everything else.

    With ``--json`` the answer is one JSON object, and the tables for people move to stderr.

    Args:
        as_json: whether stdout belongs to a program.

    >>> display = Display(as_json=True)
    >>> display.answer({"rows_kept": 3})
    {"rows_kept": 3}
    """

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self.err = _console(sys.stderr)
        self.out = self.err if as_json else _console(sys.stdout)

    def say(self, remark: str, *, style: str = "") -> None:
        """Print a remark, on stderr: a hint, a warning, what comes next."""
        self.err.print(Text(plain(remark), style=style), soft_wrap=True)

    def show(self, *answers: RenderableType) -> None:
        """Print tables and sentences that are the answer, for people."""
        for answer in answers:
            text = Text(plain(answer)) if isinstance(answer, str) else answer  # brackets in it are no markup
            self.out.print(text, soft_wrap=isinstance(text, Text))

    def answer(self, result: Mapping[str, Any]) -> None:
        """Print the answer for programs, when one was asked for: a JSON object on a line of its own."""
        if self.as_json:
            sys.stdout.write(json.dumps(result, default=jsonable) + "\n")
            sys.stdout.flush()

    def error(self, sentence: str, *, kind: str = "error", more: Sequence[str] = ()) -> None:
        """Print what went wrong in one sentence, and on further lines what belongs to it."""
        self.err.print(Text.assemble((f"{kind}: ", "bold red"), plain(sentence)), soft_wrap=True)
        for line in more:
            self.err.print(Text(f"  {plain(line)}"), soft_wrap=True)

    @contextlib.contextmanager
    def progress(self) -> Iterator[ProgressCallback]:
        """Give a callback that draws what it is told; where stderr is no terminal it only says what is waited for.

        >>> with Display().progress() as told:
        ...     told(Progress("read", "corpus", 1, 2, "files"))
        """
        if not _draws(self.err):
            yield _Remarks(self.say).told
            return
        bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            _Amount(Column(no_wrap=True)),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[note]}", style="dim", markup=False, table_column=_ENDS),
            console=self.err,
            transient=True,
        )
        with bars:
            yield _Lines(bars).told


class _Remarks:
    """What is waited for, as lines of a log: said again only when it is something else, not a longer wait."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._said: dict[str, str] = {}
        self._lock = threading.Lock()

    def told(self, report: Progress) -> None:
        """Say a report. A log that fails must not end the work that it tells of."""
        kind = _NUMBER.sub("", report.note)
        with contextlib.suppress(Exception), self._lock:
            if report.stage == "wait" and report.note and self._said.get(report.task) != kind:
                self._said[report.task] = kind
                self._say(f"waiting {report.task}: {report.note}")


_NUMBER: Final = re.compile(r"[0-9]+ (s|min)\b")

#: A note that is too long for its line ends in dots.
_ENDS: Final = Column(no_wrap=True, overflow="ellipsis")


class _Lines:
    """One line for each task under way; the line goes when its task is done."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._lines: dict[tuple[str, str], TaskID] = {}
        self._lock = threading.Lock()

    def told(self, report: Progress) -> None:
        """Draw a report. A display that fails must not end the work that it shows."""
        with contextlib.suppress(Exception), self._lock:
            self._draw(report)

    def _draw(self, report: Progress) -> None:
        key = (report.stage, report.task)
        line = self._lines.pop(key, None)
        if report.total is not None and report.done >= report.total:
            if line is not None:
                self._bars.remove_task(line)
            return
        if line is None:
            line = self._begin(report)
        self._lines[key] = line  # last in the order: the first is the one that was silent for longest
        self._bars.update(line, completed=report.done, total=report.total, note=plain(report.note))

    def _begin(self, report: Progress) -> TaskID:
        while len(self._lines) >= _MOST_LINES:
            self._bars.remove_task(self._lines.pop(next(iter(self._lines))))
        words = plain(f"{_DOING[report.stage]} {report.task}")
        return self._bars.add_task(words, total=report.total, unit=report.unit, note="")


class _Amount(ProgressColumn):
    """How much is done, in its unit: ``3.1 MB of 96.0 MB``, ``12 of 40 files``."""

    def render(self, task: Task) -> Text:
        """The amount of one task."""
        return Text(amount(int(task.completed), None if task.total is None else int(task.total), task.fields["unit"]))


def amount(done: int, total: int | None, unit: str) -> str:
    """An amount in words.

    >>> amount(3_100_000, 96_000_000, "bytes"), amount(1200, 4000, "rows"), amount(7, None, "files")
    ('3.1 MB of 96.0 MB', '1,200 of 4,000 rows', '7 files')
    """
    if unit == "bytes":
        return decimal(done) if total is None else f"{decimal(done)} of {decimal(total)}"
    if unit == "jobs" and total in (None, 0, 1):
        return ""  # one job is under way or it is not: its note says more
    return f"{done:,} {unit}" if total is None else f"{done:,} of {total:,} {unit}"


def size(count: int) -> str:
    """A number of bytes for people.

    >>> size(96_000_000)
    '96.0 MB'
    """
    return decimal(count)


def counted(count: int, one: str, many: str | None = None) -> str:
    """A number with its noun.

    >>> counted(1, "file"), counted(2000, "file"), counted(0, "ID is", "IDs are")
    ('1 file', '2,000 files', '0 IDs are')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def jsonable(value: object) -> str:
    """What JSON has no type for, as text: times as ISO 8601 has them, paths and the rest as they are printed.

    >>> jsonable(date(2024, 5, 1))
    '2024-05-01'
    """
    return value.isoformat() if isinstance(value, date) else str(value)


def plain(text: str) -> str:
    """A text that a terminal can only print: a file's name must not move the cursor or recolour the screen.

    >>> plain("a\\x1b[31mb\\nc")
    'a\\\\x1b[31mb\\nc'
    """
    return "".join(letter if letter.isprintable() or letter in "\n\t" else _spelled(letter) for letter in text)


def heading(text: str) -> Text:
    """What stands above a table, on a line of its own.

    >>> heading("12 jobs").plain
    '12 jobs'
    """
    return Text(plain(text), style="bold")


def table(columns: Iterable[str | tuple[str, str]], rows: Iterable[Sequence[object]]) -> Table:
    """A table for people; numbers stand to the right with their thousands apart, None is a dash.

    Args:
        columns: names, or pairs of a name and ``"right"``.
        rows: as many values as there are columns.

    >>> table(["reason", ("IDs", "right")], [["deleted", 1200]]).row_count
    1
    """
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        name, justify = column if isinstance(column, tuple) else (column, "left")
        if justify == "right":
            drawn.add_column(name, justify="right", no_wrap=True)
        else:
            drawn.add_column(name, overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(_cell(value)) for value in row))
    return drawn


def _cell(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else plain(str(value))


def _spelled(letter: str) -> str:
    return letter.encode("unicode_escape", "backslashreplace").decode("ascii")


def _console(stream: IO[str]) -> Console:
    """A console that writes to a stream as it is now, and colours nothing on its own guess."""
    width = None if _is_terminal(stream) or "COLUMNS" in os.environ else _WIDE
    return Console(file=stream, highlight=False, width=width)


def _draws(console: Console) -> bool:
    """Bars need a terminal that can move its cursor, whatever FORCE_COLOR says."""
    return _is_terminal(console.file) and not console.is_dumb_terminal


def _is_terminal(stream: IO[str]) -> bool:
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False
