"""Where a command takes results from: a ledger, files that people have already, or both."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from compliance_frames.cli import options

if TYPE_CHECKING:
    import pyarrow as pa

    from compliance_frames.schemas import JobType


@dataclass(frozen=True)
class Given:
    """What a command was told of results.

    Attributes:
        ledger: where jobs left them; it alone knows what was asked.
        results: paths, patterns and folders of results in files.
        results_type: what their IDs are, where they do not tell.
        events: paths, patterns and folders of recorded compliance streams.
        ignore: names of events in them to pass over.
    """

    ledger: Path | None = None
    results: tuple[str, ...] = ()
    results_type: JobType | None = None
    events: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()

    @property
    def in_files(self) -> bool:
        """Whether there are results or events in files."""
        return bool(self.results or self.events)

    def must_be_some(self) -> None:
        """See that there is something to go by.

        Raises:
            click.UsageError: there is not.
        """
        if self.ledger is None and not self.in_files:
            raise click.UsageError(
                "give --ledger DIR, where jobs left their results, or --results FILE, or --events FILE."
            )
        if self.ignore and not self.events:
            raise click.UsageError("--ignore names events to pass over: give --events FILE too.")

    @functools.cached_property
    def tables(self) -> list[pa.Table]:
        """The results in files, read once: what is applied is what is proven.

        Raises:
            ResultsError: one is not what it should be.
        """
        from compliance_frames.service.events import read_events
        from compliance_frames.service.given import read_results

        found = [read_results(*self.results, type=self.results_type)] if self.results else []
        return [*found, *([read_events(*self.events, ignore=self.ignore)] if self.events else [])]

    def words(self) -> list[str]:
        """The words that tell another command the same."""
        told = ["--ledger", str(self.ledger)] if self.ledger is not None else []
        told += ["--results-type", self.results_type] if self.results_type else []
        named = (("--results", self.results), ("--events", self.events), ("--ignore", self.ignore))
        return [*told, *(word for option, values in named for value in values for word in (option, value))]

    def to_dict(self) -> dict[str, Any]:
        """As ``--json`` tells it."""
        ledger = None if self.ledger is None else str(self.ledger)
        files = {"results": self.results, "events": self.events}
        return {"ledger": ledger, **{name: list(paths) for name, paths in files.items() if paths}}


def given(ledger: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options of results; the command gets them as ``given``.

    Args:
        ledger: what the help says of ``--ledger``.
    """
    asked = options.together(
        click.option("--ledger", type=options.PATH, metavar="DIR", help=ledger),
        click.option(
            "--results",
            multiple=True,
            metavar="FILE",
            help="Results that you have in a file: X's, twarc's, or a table of your own (JSON lines, CSV, Parquet; "
            "patterns and folders too). Repeatable.",
        ),
        click.option(
            "--results-type",
            type=click.Choice(["tweets", "users"]),
            help="What the IDs in --results are. [dim](found where the file tells)[/]",
        ),
        click.option(
            "--events",
            multiple=True,
            metavar="FILE",
            help="Compliance stream that you recorded (JSON lines of API v2 or v1.1). Repeatable.",
        ),
        click.option(
            "--ignore",
            multiple=True,
            metavar="EVENT",
            help="Name of events in --events to pass over, as user_profile_modification. Repeatable.",
        ),
    )

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def told(
            *args: Any,
            ledger: Path | None,
            results: tuple[str, ...],
            results_type: JobType | None,
            events: tuple[str, ...],
            ignore: tuple[str, ...],
            **others: Any,
        ) -> Any:
            return command(*args, given=Given(ledger, results, results_type, events, ignore), **others)

        return asked(told)

    return decorate
