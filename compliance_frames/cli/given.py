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
    """

    ledger: Path | None = None
    results: tuple[str, ...] = ()
    results_type: JobType | None = None

    @property
    def in_files(self) -> bool:
        """Whether there are results in files."""
        return bool(self.results)

    def must_be_some(self) -> None:
        """See that there is something to go by.

        Raises:
            click.UsageError: there is not.
        """
        if self.ledger is None and not self.in_files:
            raise click.UsageError("give --ledger DIR, where jobs left their results, or --results FILE.")

    @functools.cached_property
    def tables(self) -> list[pa.Table]:
        """The results in files, read once: what is applied is what is proven.

        Raises:
            ResultsError: one is not what it should be.
        """
        from compliance_frames.service.given import read_results

        return [read_results(*self.results, type=self.results_type)] if self.results else []

    def words(self) -> list[str]:
        """The words that tell another command the same."""
        told = ["--ledger", str(self.ledger)] if self.ledger is not None else []
        told += [word for path in self.results for word in ("--results", path)]
        return [*told, *(["--results-type", self.results_type] if self.results_type else [])]

    def to_dict(self) -> dict[str, Any]:
        """As ``--json`` tells it."""
        ledger = None if self.ledger is None else str(self.ledger)
        return {"ledger": ledger, **({"results": list(self.results)} if self.results else {})}


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
    )

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def told(
            *args: Any, ledger: Path | None, results: tuple[str, ...], results_type: JobType | None, **others: Any
        ) -> Any:
            return command(*args, given=Given(ledger, results, results_type), **others)

        return asked(told)

    return decorate
