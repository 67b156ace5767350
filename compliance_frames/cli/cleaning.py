"""The commands that speak with the corpus: ``plan`` and ``clean``, and ``run``, which is all of it."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from compliance_frames.cli import options, tables
from compliance_frames.cli.asking import Asking, ask, asked_of, question_of
from compliance_frames.cli.proving import prove_and_report, signing_key
from compliance_frames.console import Display, counted, heading
from compliance_frames.names import leads_into

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compliance_frames.corpus.clean_report import CleanReport
    from compliance_frames.corpus.plan import Plan
    from compliance_frames.schemas import BadLines, Others, Unchecked


class Treating:
    """What becomes of flagged rows: the options that ``plan``, ``clean`` and ``run`` share, checked together."""

    def __init__(
        self,
        treat: Sequence[tuple[str, str]],
        geo: Sequence[str],
        no_geo: bool,
        unchecked: Unchecked,
        others: Others,
        rewrite: Sequence[str],
        bad_lines: BadLines,
    ) -> None:
        self.policy = options.policy_of(treat)
        self.geo = options.geo_of(geo, no_geo)
        self.unchecked = unchecked
        self.others = others
        self.bad_lines = bad_lines
        self.rewrite = rewrite


def _make_plan(
    display: Display,
    corpus: Path,
    ledger: Path,
    treating: Treating,
    *,
    id_column: str | None = None,
    author_column: str | None = None,
) -> Plan:
    from compliance_frames.corpus.plan import plan as make_plan

    with display.progress() as told:
        return make_plan(
            corpus,
            ledger=ledger,
            policy=treating.policy,
            unchecked=treating.unchecked,
            geo=treating.geo,
            id_column=id_column,
            author_column=author_column,
            others=treating.others,
            bad_lines=treating.bad_lines,
            rewrite=treating.rewrite,
            progress=told,
        )


def _carry_out(
    display: Display, made: Plan, dest: Path, workers: int | None, zstd_level: int | None, wait: bool
) -> CleanReport:
    from compliance_frames.corpus.clean import clean as carry_out

    with display.progress() as told:
        return carry_out(made, dest, workers=workers, zstd_level=zstd_level, wait=wait, progress=told)


def _must_be_free(dest: Path, wait: bool) -> None:
    """Another run with this destination is better told of before a large corpus is read."""
    from compliance_frames.corpus.stage import lock_path
    from compliance_frames.lock import must_be_free

    target = Path(os.path.realpath(dest))  # a loop of links is refused where it is written to
    if target.name and not wait:
        must_be_free(lock_path(target), f"The destination {dest}")


def _planned(made: Plan) -> dict[str, Any]:
    files = Counter(file.decision for file in made.files)
    return {
        **tables.counts_of(made),
        "files_copied": files["copy"],
        "files_spliced": files["splice"],
        "files_rewritten": files["rewrite"],
    }


@click.command()
@click.argument("corpus", type=options.PATH)
@options.columns
@options.read_ledger
@options.treating
@options.output
def plan(
    corpus: Path, id_column: str | None, author_column: str | None, ledger: Path, display: Display, **treating: Any
) -> None:
    """Show what cleaning CORPUS would do, file by file. Nothing is written.

    \b
    Example:
      compliance-frames plan corpus/ --ledger corpus.ledger
      compliance-frames plan corpus/ --ledger corpus.ledger --geo place_id
    """
    told = Treating(**treating)
    made = _make_plan(display, corpus, ledger, told, id_column=id_column, author_column=author_column)
    display.show(*tables.plan_shown(made))
    display.answer(
        {
            "command": "plan",
            "corpus": str(corpus),
            "ledger": str(ledger),
            **_planned(made),
            "digest": made.digest,
            "ignored": list(made.ignored),
            "left": list(made.left),
            "files": made.to_arrow().to_pylist(),
        }
    )


@click.command()
@click.argument("corpus", type=options.PATH)
@click.argument("dest", type=options.PATH)
@options.columns
@options.read_ledger
@options.treating
@options.writing
@options.wait
@options.output
def clean(
    corpus: Path,
    dest: Path,
    id_column: str | None,
    author_column: str | None,
    ledger: Path,
    workers: int | None,
    zstd_level: int | None,
    wait: bool,
    display: Display,
    **treating: Any,
) -> None:
    """Write a cleaned copy of CORPUS to DEST: whole, or not at all. CORPUS is never written.

    The manifest, with the digest of each file before and after, lies beside it: DEST.manifest.json.

    \b
    Example:
      compliance-frames clean corpus/ clean/ --ledger corpus.ledger
    """
    told = Treating(**treating)
    _must_be_free(dest, wait)
    made = _make_plan(display, corpus, ledger, told, id_column=id_column, author_column=author_column)
    done = _carry_out(display, made, dest, workers, zstd_level, wait)
    display.show(str(done))
    next_call = shlex.join(["compliance-frames", "verify", str(dest), "--ledger", str(ledger)])
    display.say(f"next: {next_call}", style="dim")
    display.answer({"command": "clean", "corpus": str(corpus), "ledger": str(ledger), **done.to_dict()})


@click.command()
@click.argument("corpus", type=options.PATH)
@click.argument("dest", type=options.PATH)
@click.option(
    "--ledger", type=options.PATH, metavar="DIR", help="Where answers are kept. [dim](default: DEST.ledger)[/]"
)
@options.columns
@options.asking
@options.token
@options.treating
@options.writing
@options.wait
@options.output_file
@options.sign_key
@options.output
def run(
    corpus: Path,
    dest: Path,
    ledger: Path | None,
    id_column: str | None,
    author_column: str | None,
    treat: Sequence[tuple[str, str]],
    geo: Sequence[str],
    no_geo: bool,
    unchecked: Unchecked,
    others: Others,
    rewrite: Sequence[str],
    bad_lines: BadLines,
    workers: int | None,
    zstd_level: int | None,
    wait: bool,
    output: Path | None,
    sign_key: Path | None,
    display: Display,
    **asking: Any,
) -> None:
    """All of it: check CORPUS, plan, clean to DEST, verify, certify, report.

    Beside DEST stand DEST.manifest.json, DEST.certificate.json and DEST.report.html afterwards.
    Stopped at any point, the same command goes on where it stopped.

    \b
    Example:
      compliance-frames run corpus/ clean/
      compliance-frames run corpus/ clean/ --max-age 7d --treat protected=keep
    """
    treating = Treating(treat, geo, no_geo, unchecked, others, rewrite, bad_lines)
    book = ledger or _beside(dest, ".ledger")
    certificate = _beside(dest, ".certificate.json")
    _refuse_early(corpus, dest, certificate)
    key = signing_key(sign_key)
    _must_be_free(dest, wait)
    for path, option in ((book, "--ledger"), (output, "--output")):
        options.keep_apart(path, option, corpus, dest)
    question = question_of(corpus, None, id_column, author_column)
    results = ask(display, corpus, question, book, Asking(wait=wait, **asking))
    display.show(heading(f"{counted(results.num_rows, 'ID')} flagged"), tables.results_table(results))
    made = _make_plan(display, corpus, book, treating, id_column=id_column, author_column=author_column)
    done = _carry_out(display, made, dest, workers, zstd_level, wait)
    display.show(str(done))
    proof, page = prove_and_report(
        display, dest, book, source=corpus, output=output, certificate=certificate, certify=True, key=key
    )
    display.show(str(proof), f"report written to {page}, certificate to {certificate}")
    display.answer(
        {
            "command": "run",
            "corpus": str(corpus),
            "ledger": str(book),
            "asked": asked_of(book),
            "flagged": results.num_rows,
            "reasons": tables.by_type(results),
            **done.to_dict(),
            "verified": True,
            "proof": proof.to_dict(),
            "report": str(page),
            "certificate": str(certificate),
        }
    )


def _beside(dest: Path, suffix: str) -> Path:
    """A path beside the destination, as it was written: ``clean/`` gives ``clean.ledger``."""
    return dest.with_name(f"{dest.name}{suffix}") if dest.name not in {"", ".."} else _beside(dest.resolve(), suffix)


def _refuse_early(corpus: Path, dest: Path, certificate: Path) -> None:
    """What ``clean`` would refuse in the end is better refused before an hour of waiting for answers."""
    from compliance_frames.corpus.manifest import manifest_path
    from compliance_frames.errors import DestinationError

    if leads_into(corpus, dest) or leads_into(dest, corpus):
        raise DestinationError(f"{dest} and {corpus} lie one in the other: give a destination outside of the corpus")
    if os.path.lexists(dest) and not manifest_path(dest).exists():
        raise DestinationError(f"{dest} exists and was not written by this tool: give another destination")
    if certificate.exists() and not dest.exists():
        raise DestinationError(
            f"{certificate} certifies a dataset that lay at {dest} once, and a certificate is never written over: "
            "move it away, or give another destination"
        )
