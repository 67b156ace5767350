"""The command that makes a corpus of raw files: ``ingest``."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import rich_click as click

from compliance_frames.cli import options
from compliance_frames.console import Display


@click.command()
@click.argument("raw", nargs=-1, required=True, metavar="RAW...")
@click.argument("dest", type=options.PATH)
@click.option("--id-column", metavar="COLUMN", help="The column of tweet IDs, where its name does not tell.")
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help="Threads. [dim](default: as processors)[/]")
@options.wait
@options.output
def ingest(
    raw: Sequence[str], dest: Path, id_column: str | None, workers: int | None, wait: bool, display: Display
) -> None:
    """Make a Parquet dataset DEST of raw JSON and CSV files: whole, or not at all. RAW is never written.

    RAW are patterns, files or directories; plain, gzip, zstd or bzip2. Records that are no tweets lie beside DEST
    afterwards, with line numbers and reasons: DEST.rejected.jsonl.

    \b
    Example:
      compliance-frames ingest raw/*.jsonl.gz corpus/
      compliance-frames run corpus/ clean/
    """
    from compliance_frames.corpus.ingest import ingest as take_in

    with display.progress() as told:
        report = take_in(raw, dest, id_column=id_column, workers=workers, wait=wait, progress=told)
    display.show(str(report))
    display.say(f"next: {shlex.join(['compliance-frames', 'run', str(dest), f'{dest}-clean'])}", style="dim")
    display.answer({"command": "ingest", **report.to_dict()})
