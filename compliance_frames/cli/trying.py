"""The commands that need no account: ``demo`` and ``emulate``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING

import rich_click as click

from compliance_frames.cli import options, tables
from compliance_frames.console import Display

if TYPE_CHECKING:
    from compliance_frames.emulator import Fates
    from compliance_frames.emulator.faults import Faults


@click.command()
@click.option(
    "--dir",
    "folder",
    type=options.PATH,
    default="compliance-frames-demo",
    show_default=True,
    metavar="DIR",
    help="Where everything is written; a new folder, or an empty one.",
)
@click.option(
    "--rows", type=click.IntRange(min=100), default=200_000, show_default=True, metavar="N", help="Tweets to make up."
)
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Another seed, other tweets.")
@options.output
def demo(folder: Path, rows: int, seed: int, display: Display) -> None:
    """See all of it on a made corpus, against the embedded emulator: no token, no network.

    Each step is printed with the Python call that it stands for.

    \b
    Example:
      compliance-frames demo
      compliance-frames demo --rows 1000000 --dir /tmp/large-demo
    """
    from compliance_frames.demo import Demo

    result = Demo(folder, rows=rows, seed=seed, display=display).run()
    display.answer({"command": "demo", **result})


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8040,
    show_default=True,
    metavar="N",
    help="Port on 127.0.0.1; 0 takes any that is free.",
)
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Another seed, other fates.")
@click.option(
    "--processing",
    type=options.Duration(),
    default="2s",
    show_default=True,
    metavar="DURATION",
    help="How long a job takes.",
)
@click.option(
    "--latency",
    type=options.Duration(),
    default="0s",
    show_default=True,
    metavar="DURATION",
    help="How long the network takes for a request and its answer.",
)
@click.option(
    "--fates",
    type=options.PATH,
    metavar="FILE",
    help="Table of IDs and their reasons (columns id, reason): Parquet, CSV or JSONL. All other IDs are clear.",
)
@click.option(
    "--fault",
    "troubles",
    multiple=True,
    metavar="FAULT",
    help="Something that goes wrong: PLACE:KIND, see --list-faults. Repeatable.",
)
@click.option(
    "--storm",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help="Let this share of all requests and jobs meet something that goes wrong, by --seed.",
)
@click.option("--list-faults", is_flag=True, help="Show what can go wrong and where, and end.")
@options.output
def emulate(
    port: int,
    seed: int,
    processing: timedelta,
    latency: timedelta,
    fates: Path | None,
    troubles: tuple[str, ...],
    storm: float | None,
    list_faults: bool,
    display: Display,
) -> None:
    """Serve an emulator of the compliance service on this computer, until Ctrl-C.

    With --json, the first line is {"base_url": …, "bearer_token": …}.

    \b
    Example:
      compliance-frames emulate --port 0 --json
      compliance-frames emulate --fates fates.csv
      compliance-frames emulate --fault create:lost_answer
      compliance-frames emulate --fault 'part:reset*3+1,bytes=65536'
      compliance-frames emulate --storm 0.3 --seed 7
    """
    from compliance_frames.demo import emulator, needing_the_emulator

    with needing_the_emulator():
        from compliance_frames.emulator.faults import KINDS
    if list_faults:
        display.show(tables.faults_shown(KINDS))
        display.answer({"command": "emulate", "faults": KINDS})
        return
    settings = {"port": port, "seed": seed, "processing": processing, "latency": latency}
    settings |= {"fates": None if fates is None else _fates(fates), "faults": _faults(troubles, storm, seed)}
    with suppress(KeyboardInterrupt), emulator(**settings) as served:  # also one that comes before it waits for it
        where = {"base_url": served.base_url, "bearer_token": served.bearer_token}
        display.answer(where)
        if not display.as_json:
            sys.stdout.write(f"export COMPLIANCE_FRAMES_BASE_URL={where['base_url']}\n")
            sys.stdout.write(f"export X_BEARER_TOKEN={where['bearer_token']}\n")
            sys.stdout.flush()
        display.say("serving until Ctrl-C; set the two variables in another terminal and use any command", style="dim")
        served.serve_forever()


def _faults(told: Sequence[str], storm: float | None, seed: int) -> Faults:
    """What goes wrong, as the options tell it.

    Raises:
        click.UsageError: a fault is written otherwise, or there is no such fault.
    """
    from compliance_frames.emulator.faults import Fault, Faults, Storm
    from compliance_frames.errors import ComplianceFramesError

    try:
        sure = [Fault.parse(text) for text in told]
    except ComplianceFramesError as error:
        told_wrong = str(error).rstrip(".")
        raise click.UsageError(f"--fault: {told_wrong}; --list-faults shows them all.") from None
    return Faults(sure, storm=None if storm is None else Storm(seed, share=storm))


def _fates(path: Path) -> Fates:
    """The fates of a table in a file.

    Raises:
        click.UsageError: the file's name has no known format.
        IdError: the table has no columns of IDs and reasons.
    """
    import polars as pl

    readers: dict[str, Callable[[IO[bytes]], pl.DataFrame]] = {
        ".parquet": pl.read_parquet,
        ".csv": lambda file: pl.read_csv(file, schema_overrides={"id": pl.String}),
        ".jsonl": pl.read_ndjson,
        ".ndjson": pl.read_ndjson,
    }
    if path.suffix not in readers:
        raise click.UsageError(f"--fates {path} has no known format: end its name with {', '.join(readers)}.")
    from compliance_frames.emulator import Fates
    from compliance_frames.errors import IdError

    try:
        with path.open("rb") as file:
            frame = readers[path.suffix](file)
    except pl.exceptions.PolarsError as error:
        raise IdError(f"{path} cannot be read as {path.suffix[1:]}: is it whole, and what its name says?") from error
    if not {"id", "reason"} <= set(frame.columns):
        raise IdError(f"{path} needs the columns id and reason; it has {', '.join(frame.columns)}", column="id")
    return Fates.from_table(frame.to_arrow())
