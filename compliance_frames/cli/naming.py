"""Which column holds what: told by options that commands share, and shown by ``columns``."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import rich_click as click

from compliance_frames.cli import options
from compliance_frames.console import Display, heading, table

if TYPE_CHECKING:
    from compliance_frames.corpus.columns import Columns
    from compliance_frames.corpus.told import Told


@dataclass(frozen=True)
class Naming:
    """The columns that were named on the command line.

    Attributes:
        id_column: of tweet IDs, or None.
        author_column: of authors' IDs, or None.
        reference: with the ID of the tweet that a row repeats.
        embedded: with other tweets.
    """

    id_column: str | None = None
    author_column: str | None = None
    reference: tuple[str, ...] = ()
    embedded: tuple[str, ...] = ()

    def told(self, dataset: Path, geo: Sequence[str] | None = None) -> dict[str, Any]:
        """What is told of a dataset's columns, as arguments of ``plan`` and ``columns``.

        >>> Naming("no").told(Path("corpus"), geo=["lat"])
        {'id_column': 'no', 'author_column': None, 'geo': ['lat']}
        """
        if not (self.reference or self.embedded):
            return {"id_column": self.id_column, "author_column": self.author_column, "geo": geo}
        return {"columns": self.columns(dataset, geo)}

    def columns(self, dataset: Path, geo: Sequence[str] | None = None) -> Columns:
        """All of them in one value; what was not named is left to be found, but for the column of IDs."""
        from compliance_frames.corpus.columns import Columns
        from compliance_frames.corpus.told import Told

        lists = {"references": self.reference, "embedded": self.embedded}
        named: dict[str, Any] = {name: paths for name, paths in lists.items() if paths}
        identity = self.id_column or first_columns(dataset, Told(author_column=self.author_column))[0].id
        places = None if geo is None else tuple(geo)
        return Columns(id=identity, author_id=self.author_column, geo=places, **named)


def first_columns(source: Path, said: Told) -> tuple[Columns, str | None]:
    """The columns of a dataset's first file of tweets, and why its authors are of no use, if they are not."""
    from compliance_frames.corpus.dataset import list_files, opened
    from compliance_frames.corpus.rawplan import RawFiles
    from compliance_frames.corpus.told import Sight

    listing = list_files(source)
    first = next((file for file in listing.files if file.parquet), None)
    if first is None:
        return next(iter(RawFiles.of(listing, said, "leave", "keep").columns.values())), None
    with opened(listing.root, first) as file:
        sight = Sight.of(file, said)
        found, why = sight.within(file)
        return found, why and f"column {(sight.columns.author_id or sight.pointed)!r} {why}"


_OPTIONS: Final = options.together(
    click.option("--id-column", metavar="COLUMN", help="Column of the tweet IDs. [dim](found by its name)[/]"),
    click.option("--author-column", metavar="COLUMN", help="Column of the authors' IDs. [dim](found by its name)[/]"),
    click.option(
        "--reference",
        multiple=True,
        metavar="COLUMN",
        help="Column with the ID of the tweet that a row repeats. Repeatable. [dim](found by its name)[/]",
    ),
    click.option(
        "--embedded",
        multiple=True,
        metavar="COLUMN",
        help="Column with other tweets, whole or as text. Repeatable. [dim](found by its name)[/]",
    ),
)


def columns(command: Any, /) -> Any:
    """The options that name columns; the command gets them as one value, ``naming``."""

    @functools.wraps(command)
    def with_naming(
        *args: Any,
        id_column: str | None,
        author_column: str | None,
        reference: tuple[str, ...],
        embedded: tuple[str, ...],
        **more: Any,
    ) -> Any:
        return command(*args, naming=Naming(id_column, author_column, reference, embedded), **more)

    return _OPTIONS(with_naming)


@click.command("columns")
@click.argument("dataset", type=options.PATH)
@columns
@click.option("--geo", multiple=True, metavar="COLUMN", help="Column that holds a place. Repeatable.")
@click.option("--no-geo", is_flag=True, help="Say that no column holds a place.")
@options.output
def show_columns(dataset: Path, naming: Naming, geo: Sequence[str], no_geo: bool, display: Display) -> None:
    """Show which columns of DATASET hold IDs, authors, places and other tweets; how sure that is, and why.

    Only schemas and statistics are read. What is wrong can be told to every command by the same options.

    \b
    Example:
      compliance-frames columns corpus/
      compliance-frames columns corpus/ --id-column tweet_no --reference original_no
    """
    from compliance_frames.corpus.found import columns as find

    found = find(dataset, **naming.told(dataset, options.geo_of(geo, no_geo)))
    for layout in found.layouts:
        kind = f": {layout.ecosystem}" if layout.ecosystem else ""
        files = "" if len(found.layouts) == 1 else f", {layout.files:,} like {layout.example}"
        rows = [(each.role, each.column, each.sure, each.why) for each in layout.findings]
        display.show(heading(f"columns of {dataset}{files}{kind}"), table(["role", "column", "sure", "why"], rows))
    display.answer(
        {
            "command": "columns",
            "dataset": str(dataset),
            "layouts": [
                {
                    "files": layout.files,
                    "example": layout.example,
                    "ecosystem": layout.ecosystem,
                    "columns": asdict(layout.columns),
                    "findings": [asdict(each) for each in layout.findings],
                }
                for layout in found.layouts
            ],
        }
    )
