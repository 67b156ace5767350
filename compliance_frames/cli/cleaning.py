"""The commands that speak with the corpus: ``plan`` and ``clean``, and ``run``, which is all of it."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from compliance_frames.cli import options, tables
from compliance_frames.cli.asking import Asking, ask, asked_of, question_of
from compliance_frames.cli.given import Given, given
from compliance_frames.cli.naming import Naming
from compliance_frames.cli.naming import columns as columns_named
from compliance_frames.cli.proving import prove_and_report, signing_key
from compliance_frames.console import Display, counted, heading
from compliance_frames.names import leads_into

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

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
        unchecked: Unchecked | None,
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
    given: Given,
    treating: Treating,
    named: Naming,
) -> Plan:
    from compliance_frames.corpus.plan import plan as make_plan

    given.must_be_some()
    results = given.tables
    with display.progress() as told:
        return make_plan(
            corpus,
            *results,
            ledger=given.ledger,
            policy=treating.policy,
            unchecked=treating.unchecked,
            **named.told(corpus, treating.geo),
            others=treating.others,
            bad_lines=treating.bad_lines,
            rewrite=treating.rewrite,
            progress=told,
        )


def _carry_out(
    display: Display, made: Plan, dest: Path, *, workers: int | None, zstd_level: int | None, update: bool, wait: bool
) -> CleanReport:
    from compliance_frames.corpus.clean import clean as carry_out

    with display.progress() as told:
        return carry_out(made, dest, workers=workers, zstd_level=zstd_level, update=update, wait=wait, progress=told)


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
        "cells_nulled": made.cells_nulled,
        "kinds": vars(made.kinds),
        "came_back": tables.returned(made.came_back),
        "files_copied": files["copy"],
        "files_spliced": files["splice"],
        "files_rewritten": files["rewrite"],
    }


@click.command()
@click.argument("corpus", type=options.PATH)
@columns_named
@given("Ledger that the results are taken from.")
@options.treating
@options.output
def plan(corpus: Path, naming: Naming, given: Given, display: Display, **treating: Any) -> None:
    """Show what cleaning CORPUS would do, file by file. Nothing is written.

    \b
    Example:
      compliance-frames plan corpus/ --ledger corpus.ledger
      compliance-frames plan corpus/ --ledger corpus.ledger --geo place_id
      compliance-frames plan corpus/ --results 'results/*.jsonl'
    """
    told = Treating(**treating)
    made = _make_plan(display, corpus, given, told, naming)
    display.show(*tables.plan_shown(made))
    tables.say_returned(display, made.came_back)
    display.answer(
        {
            "command": "plan",
            "corpus": str(corpus),
            **given.to_dict(),
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
@columns_named
@given("Ledger that the results are taken from.")
@options.treating
@options.writing
@options.wait
@options.output
def clean(
    corpus: Path,
    dest: Path,
    naming: Naming,
    given: Given,
    workers: int | None,
    zstd_level: int | None,
    update: bool,
    wait: bool,
    display: Display,
    **treating: Any,
) -> None:
    """Write a cleaned copy of CORPUS to DEST: whole, or not at all. CORPUS is never written.

    The manifest, with the digest of each file before and after, lies beside it: DEST.manifest.json.

    \b
    Example:
      compliance-frames clean corpus/ clean/ --ledger corpus.ledger
      compliance-frames clean corpus/ clean/ --ledger corpus.ledger --update
    """
    told = Treating(**treating)
    _must_be_free(dest, wait)
    made = _make_plan(display, corpus, given, told, naming)
    done = _carry_out(display, made, dest, workers=workers, zstd_level=zstd_level, update=update, wait=wait)
    display.show(str(done))
    next_call = shlex.join(["compliance-frames", "verify", str(dest), *given.words()])
    display.say(f"next: {next_call}", style="dim")
    display.answer({"command": "clean", "corpus": str(corpus), **given.to_dict(), **done.to_dict()})


@click.command()
@click.argument("corpus", type=options.PATH)
@click.argument("dest", type=options.PATH)
@given("Where answers are kept. [dim](default: DEST.ledger; none with --results)[/]")
@columns_named
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
    given: Given,
    naming: Naming,
    treat: Sequence[tuple[str, str]],
    geo: Sequence[str],
    no_geo: bool,
    unchecked: Unchecked | None,
    others: Others,
    rewrite: Sequence[str],
    bad_lines: BadLines,
    workers: int | None,
    zstd_level: int | None,
    update: bool,
    wait: bool,
    output: Path | None,
    sign_key: Path | None,
    display: Display,
    **asking: Any,
) -> None:
    """All of it: check CORPUS, plan, clean to DEST, verify, certify, report.

    Beside DEST stand DEST.manifest.json, DEST.certificate.json and DEST.report.html afterwards.
    Stopped at any point, the same command goes on where it stopped. Next week, --max-age 7d --update asks again what is
    older or new, and brings DEST up to date; the certificate of before stays beside it, under the date of its dataset.

    With --results or --events, nobody is asked: what these files say is applied, beside what a --ledger holds already.

    \b
    Example:
      compliance-frames run corpus/ clean/
      compliance-frames run corpus/ clean/ --results 'results/*.jsonl'
      compliance-frames run corpus/ clean/ --max-age 7d --update
    """
    treating = Treating(treat, geo, no_geo, unchecked, others, rewrite, bad_lines)
    if given.in_files:
        given.must_be_some()
    else:
        given = replace(given, ledger=given.ledger or _beside(dest, ".ledger"))
    certificate = _beside(dest, ".certificate.json")
    _refuse_early(corpus, dest, certificate, update=update)
    key = signing_key(sign_key)
    _must_be_free(dest, wait)
    for path, option in ((given.ledger, "--ledger"), (output, "--output")):
        options.keep_apart(path, option, corpus, dest)
    results, counts = _results_of(display, corpus, given, naming, Asking(wait=wait, **asking))
    flagged = tables.ids_in(results)
    display.show(heading(f"{counted(flagged, 'ID')} flagged"), tables.results_table(results))
    made = _make_plan(display, corpus, given, treating, naming)
    done = _carry_out(display, made, dest, workers=workers, zstd_level=zstd_level, update=update, wait=wait)
    display.show(str(done))
    tables.say_returned(display, made.came_back)
    if update:
        _put_aside(display, dest, certificate)
    proof, page = prove_and_report(
        display, dest, given, source=corpus, output=output, certificate=certificate, certify=True, key=key
    )
    display.show(str(proof), f"report written to {page}, certificate to {certificate}")
    display.answer(
        {
            "command": "run",
            "corpus": str(corpus),
            **given.to_dict(),
            "asked": {} if given.ledger is None else asked_of(given.ledger),
            **counts,
            "flagged": flagged,
            "reasons": tables.by_type(results),
            "came_back": tables.returned(made.came_back),
            **done.to_dict(),
            "verified": True,
            "proof": proof.to_dict(),
            "report": str(page),
            "certificate": str(certificate),
        }
    )


def _results_of(
    display: Display, corpus: Path, given: Given, naming: Naming, asking: Asking
) -> tuple[pa.Table, dict[str, Any]]:
    """What is known, from files, where there are some, or by asking; and how many IDs were asked about."""
    if given.in_files or given.ledger is None:
        import pyarrow as pa

        return pa.concat_tables(given.tables, promote_options="default"), {}
    question = question_of(corpus, None, naming.id_column, naming.author_column)
    answer = ask(display, corpus, question, given.ledger, asking, naming)
    return answer.results, answer.counts


def _put_aside(display: Display, dest: Path, certificate: Path) -> None:
    """Give the certificate of what lay at the destination before another name: it says nothing of what lies there."""
    from compliance_frames.corpus.manifest import Manifest, manifest_path
    from compliance_frames.proof.certificate import Certificate, manifest_digest

    if not certificate.exists():
        return
    old = Certificate.read(certificate)
    if old.manifest_sha256 == manifest_digest(Manifest.read(manifest_path(dest))):
        return
    for more in ("", f".{old.digest[:8]}"):
        when = f"{old.cleaned_at:%Y-%m-%dT%H%M%SZ}{more}"
        aside = certificate.with_name(f"{certificate.name.removesuffix('.json')}.{when}.json")
        if not aside.exists():
            certificate.rename(aside)
            display.say(f"the certificate of before is {aside} now")
            return


def _beside(dest: Path, suffix: str) -> Path:
    """A path beside the destination, as it was written: ``clean/`` gives ``clean.ledger``."""
    return dest.with_name(f"{dest.name}{suffix}") if dest.name not in {"", ".."} else _beside(dest.resolve(), suffix)


def _refuse_early(corpus: Path, dest: Path, certificate: Path, *, update: bool) -> None:
    """What ``clean`` would refuse in the end is better refused before an hour of waiting for answers."""
    from compliance_frames.corpus.manifest import manifest_path
    from compliance_frames.corpus.update import must_be_of
    from compliance_frames.errors import DestinationError

    if leads_into(corpus, dest) or leads_into(dest, corpus):
        raise DestinationError(f"{dest} and {corpus} lie one in the other: give a destination outside of the corpus")
    if os.path.lexists(dest) and not manifest_path(dest).exists():
        raise DestinationError(f"{dest} exists and was not written by this tool: give another destination")
    if update:
        must_be_of(corpus, dest)
    if certificate.exists() and not dest.exists():
        raise DestinationError(
            f"{certificate} certifies a dataset that lay at {dest} once, and a certificate is never written over: "
            "move it away, or give another destination"
        )
