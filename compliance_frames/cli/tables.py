"""What commands answer, as tables for people and as plain values for programs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, cast

import rich_click as click

from compliance_frames.console import counted, heading, size, table
from compliance_frames.durable import open_private

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa
    from rich.console import RenderableType
    from rich.table import Table

    from compliance_frames.console import Display
    from compliance_frames.corpus.clean_report import CleanReport
    from compliance_frames.corpus.plan import FilePlan, Plan
    from compliance_frames.corpus.planned import CameBack

#: A plan of more files than this is shown by those that change, and then in part.
MOST_FILES = 40
_PLANNED = ("rows", "dropped", "scrubbed", "unchecked", "size")
_COUNTS = ("rows_in", "rows_kept", "rows_dropped", "rows_scrubbed", "rows_unchecked")


def by_type(results: pa.Table) -> dict[str, dict[str, int]]:
    """How many IDs were flagged, by type and reason, the most frequent first.

    >>> import pyarrow as pa
    >>> by_type(pa.table({"type": ["tweets", "tweets"], "reason": ["deleted", "deleted"]}))
    {'tweets': {'deleted': 2}}
    """
    import polars as pl

    frame = cast("pl.DataFrame", pl.from_arrow(results.select(["type", "reason"])))
    counts = frame.cast(pl.String).group_by("type", "reason").len()
    counts = counts.sort("type", "len", "reason", descending=[False, True, False])
    found: dict[str, dict[str, int]] = {}
    for kind, reason, count in counts.iter_rows():
        found.setdefault(kind, {})[reason] = count
    return found


def ids_in(results: pa.Table) -> int:
    """How many IDs were flagged; one may have been for several reasons.

    >>> import pyarrow as pa
    >>> ids_in(pa.table({"type": ["tweets", "tweets"], "id": [7, 7], "reason": ["deleted", "suspended"]}))
    1
    """
    return int(results.group_by(["type", "id"]).aggregate([]).num_rows)


def results_table(results: pa.Table) -> Table:
    """Flagged IDs by reason and type."""
    counts = by_type(results)
    total = {reason: sum(of.get(reason, 0) for of in counts.values()) for of in counts.values() for reason in of}
    rows = [[reason, *(of.get(reason, 0) for of in counts.values())] for reason in sorted(total, key=total.__getitem__)]
    columns: list[str | tuple[str, str]] = ["reason", *((kind, "right") for kind in counts)]
    return table(columns, reversed(rows))


def writer(path: Path) -> Callable[[pa.Table], None]:
    """What writes a table of results in the format that a file's name asks for; overwrites the file.

    Raises:
        click.UsageError: no format goes by that name, which is better said before an hour of waiting.
    """
    import polars as pl

    formats: dict[str, Callable[[pl.DataFrame, IO[bytes]], Any]] = {
        ".parquet": lambda frame, file: frame.write_parquet(file),
        ".csv": lambda frame, file: without_formulas(frame).write_csv(file),
        ".jsonl": lambda frame, file: frame.write_ndjson(file),
        ".ndjson": lambda frame, file: frame.write_ndjson(file),
    }
    if path.suffix not in formats:
        raise click.UsageError(f"--output {path} has no format: end its name with {', '.join(formats)}.")

    def write(results: pa.Table) -> None:
        with open_private(path) as file:
            formats[path.suffix](cast("pl.DataFrame", pl.from_arrow(results)), file)

    return write


def without_formulas(frame: pl.DataFrame) -> pl.DataFrame:
    """A frame in which no text is one that a spreadsheet would run: such a text gets an apostrophe before it.

    >>> import polars as pl
    >>> without_formulas(pl.DataFrame({"reason": ["deleted", "=1+1"]}))["reason"].to_list()
    ['deleted', "'=1+1"]
    """
    import polars as pl
    import polars.selectors as cs

    text = (cs.string() | cs.categorical()).cast(pl.String)
    return frame.with_columns(text.str.replace(r"^([=+\-@\t\r])", "'$1"))


def counts_of(done: Plan | CleanReport) -> dict[str, int]:
    """The row counts of a plan, or of what became of it."""
    return {name: getattr(done, name) for name in _COUNTS}


def returned(came_back: Sequence[CameBack]) -> dict[str, dict[str, int]]:
    """How many IDs came back, by type and reason, as JSON has it."""
    found: dict[str, dict[str, int]] = {}
    for each in came_back:
        found.setdefault(each.type, {})[each.reason] = each.ids
    return found


def say_returned(display: Display, came_back: Sequence[CameBack]) -> None:
    """Tell people what came back, where anything did."""
    if came_back:
        from compliance_frames.corpus.show import returned as in_words

        display.say(in_words(came_back))


def kinds_shown(kinds: Mapping[str, int]) -> Table | None:
    """Why rows go, and what goes of others; None where nothing does.

    >>> kinds_shown({"dropped_own": 0})
    """
    from compliance_frames.schemas import KINDS

    rows = [(words, kinds[name]) for name, words in KINDS.items() if kinds.get(name)]
    return table(["what goes", ("count", "right")], rows) if rows else None


def plan_shown(made: Plan) -> list[RenderableType]:
    """One line for each file: all of a small dataset, of a large one those that change."""
    files = made.files
    if len(files) > MOST_FILES:
        files = tuple(file for file in files if file.decision != "copy")
    shown = files[:MOST_FILES]
    title = f"plan for {made.root}"
    if len(shown) < len(made.files):
        title += f": {len(shown):,} of {len(made.files):,} files, the rest with --json"
    columns: list[str | tuple[str, str]] = ["file", "decision", *((name, "right") for name in _PLANNED)]
    drawn = table(columns, map(_planned, shown))
    drawn.show_footer = True
    for column, total in zip(drawn.columns, ("all files", "", *_total(made.files)), strict=True):
        column.footer = total
    kinds = kinds_shown(vars(made.kinds))
    return [heading(title), drawn, *([kinds] if kinds else [])]


def _planned(file: FilePlan) -> Sequence[object]:
    counts = (file.rows, file.rows_dropped, file.rows_scrubbed, file.rows_unchecked)
    return [file.path, file.decision, *counts, size(file.bytes)]


def _total(files: Sequence[FilePlan]) -> Iterator[str]:
    for name in ("rows", "rows_dropped", "rows_scrubbed", "rows_unchecked"):
        yield f"{sum(getattr(file, name) or 0 for file in files):,}"
    yield size(sum(file.bytes for file in files))


def jobs_shown(rows: Sequence[dict[str, Any]], where: str) -> list[RenderableType]:
    """Jobs as a ledger or the service lists them: the columns that any of them has."""
    title = heading(f"{counted(len(rows), 'job')} {where}")
    if not rows:
        return [title]
    names = [name for name in rows[0] if name not in _FOR_PROGRAMS and any(row[name] is not None for row in rows)]
    numbers = {"chunk", "ids", "flagged", "attempts"}
    columns = [(_heading(name), "right") if name in numbers else _heading(name) for name in names]
    return [title, table(columns, ([_told(name, row[name]) for name in names] for row in rows))]


#: What a person does not look for in a list of jobs; programs find it with --json.
_FOR_PROGRAMS: Final = {"first_id", "last_id", "job_name", "changed_at"}


def _heading(name: str) -> str:
    return {"age_seconds": "for"}.get(name, name.replace("_", " "))


def _told(name: str, value: Any) -> Any:
    if name == "age_seconds":
        return age(value)
    return f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else value


def faults_shown(kinds: Mapping[Any, Mapping[str, str]]) -> Table:
    """What can go wrong in the emulator, by place."""
    rows = [(place if number == 0 else "", kind, words) for place, of in kinds.items()
            for number, (kind, words) in enumerate(of.items())]  # fmt: skip
    return table(["place", "kind", "what goes wrong"], rows)


def age(seconds: int) -> str:
    """How long something is as it is, in the two units that tell it.

    >>> age(42), age(754), age(7500), age(200_000)
    ('42 s', '12 min', '2 h 5 min', '2 d 7 h')
    """
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min" if minutes else f"{seconds} s"
