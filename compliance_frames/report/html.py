"""One page that says what was done to a dataset, for those who did not do it.

The page is one file: it fetches nothing, runs nothing, and holds counts only, no tweet, no user, no ID but those of
the compliance jobs and those in the names of files.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from compliance_frames.corpus.manifest import Decision, FileRecord, Manifest, manifest_path
from compliance_frames.durable import write_private
from compliance_frames.errors import DestinationError
from compliance_frames.names import leads_into
from compliance_frames.report import charts, elements
from compliance_frames.report.certificate import section
from compliance_frames.schemas import KINDS

if TYPE_CHECKING:
    from typing import Self

#: More files than this are a listing for programs: the manifest has them all.
MOST_FILES: Final = 1000
#: More dates than this are counted by the month.
MOST_DATES: Final = 92

_DATE: Final = re.compile(r"(?<!\d)(\d{4})-(\d\d)-(\d\d)(?!\d)")
_YEAR_MONTH: Final = re.compile(r"(?:^|/)year=(\d{4})/month=(\d{1,2})(?:/day=(\d{1,2}))?/")
_FETCHES_NOTHING: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_TREATED: Final = {"drop": "rows dropped", "scrub_geo": "places nulled, rows kept", "keep": "rows kept as they were"}
_CLAIMS_NO_MORE: Final = (
    "The service's answers are as old as the date that stands beside them: accounts and tweets change every day. "
    "Batch results know nothing of content that is withheld in some countries. IDs that were never asked are "
    "counted as unchecked above. Whether a dataset meets a contract or a law is for people to say, not for this page."
)


@dataclass(frozen=True)
class Asked:
    """What the service was asked, and what it said.

    Attributes:
        flagged: how many IDs were flagged, by (reason, type); one that has several reasons counts for each.
        ids: how many IDs were answered, by type; empty where no ledger says.
        span: when the oldest and the newest answer came; None where there is none.
    """

    flagged: Mapping[tuple[str, str], int] = field(default_factory=dict)
    ids: Mapping[str, int] = field(default_factory=dict)
    span: tuple[datetime, datetime] | None = None

    @classmethod
    def of(cls, *results: pa.Table, ledger: str | os.PathLike[str] | None = None) -> Self | None:
        """From tables of results, from a ledger, or from both; None where there is neither."""
        if ledger is None:
            return cls.counted(results) if results else None
        from compliance_frames.jobs.ledger import Ledger

        book = Ledger.read(Path(ledger))
        ids = {"tweets": len(book.asked("tweets")), "users": len(book.asked("users"))}
        return cls.counted(results or book.result_batches(), ids)

    @classmethod
    def counted(cls, results: Iterable[pa.Table], ids: Mapping[str, int] | None = None) -> Self:
        """From tables of results, which are gone through one at a time."""
        flagged: Counter[tuple[str, str]] = Counter()
        times: list[datetime] = []
        for table in results:
            frame = cast("pl.DataFrame", pl.from_arrow(table.select(["reason", "type"])))
            flagged.update(
                {(reason, kind): n for reason, kind, n in frame.group_by("reason", "type").len().iter_rows()}
            )
            times += pc.unique(table.column("checked_at")).drop_null().to_pylist() if _is_dated(table) else ()
            times = [min(times), max(times)] if times else []
        return cls(flagged, ids or {}, (times[0], times[1]) if times else None)


def _is_dated(table: pa.Table) -> bool:
    return "checked_at" in table.column_names


def report(
    destination: str | os.PathLike[str],
    *results: pa.Table,
    ledger: str | os.PathLike[str] | None = None,
    proof: Mapping[str, Any] | None = None,
    certificate: Mapping[str, Any] | None = None,
    problems: Sequence[str] = (),
    output: str | os.PathLike[str] | None = None,
) -> Path:
    """Write the page of a cleaned dataset, whole or not at all, for the owner's eyes only (mode 0600).

    After ``check``, ``clean`` and ``verify`` this gives ``clean.report.html``::

        proof = cf.verify("clean/", ledger="corpus.ledger")
        report("clean/", ledger="corpus.ledger", proof=proof.to_dict())

    Args:
        destination: the cleaned dataset, whose manifest lies beside it.
        results: tables of :func:`~compliance_frames.jobs.run.check`; the ledger's when none are given.
        ledger: where the results came from; it also knows how many IDs were asked.
        proof: what :func:`~compliance_frames.proof.verify.verify` found, as its ``to_dict()`` gives it.
        certificate: that of the dataset, as its ``to_dict()`` gives it.
        problems: what it found wrong, instead of a proof.
        output: where to write; ``<destination>.report.html`` when None.

    Returns:
        The path of the page.

    Raises:
        VerificationError: there is no manifest, or it was damaged.
        DestinationError: the page would lie inside the dataset that it describes.
    """
    target = report_path(destination) if output is None else Path(output)
    if leads_into(target, destination):
        raise DestinationError(f"the report {target} would lie inside the dataset {destination}; write it elsewhere")
    manifest = Manifest.read(manifest_path(destination))
    asked = Asked.of(*results, ledger=ledger)
    name = Path(os.path.realpath(destination)).name
    text = page(manifest, asked=asked, proof=proof, certificate=certificate, problems=problems, name=name)
    write_private(target, text.encode("utf-8", "backslashreplace"))
    return target


def report_path(destination: str | os.PathLike[str]) -> Path:
    """Where the page of a dataset lies: beside it.

    >>> report_path("out/clean/").as_posix()
    'out/clean.report.html'
    """
    manifest = manifest_path(destination)
    return manifest.with_name(f"{manifest.name.removesuffix('.manifest.json')}.report.html")


def page(
    manifest: Manifest,
    *,
    name: str,
    asked: Asked | None = None,
    proof: Mapping[str, Any] | None = None,
    certificate: Mapping[str, Any] | None = None,
    problems: Sequence[str] = (),
) -> str:
    """The page as text. Everything that comes from outside is escaped.

    >>> from datetime import UTC
    >>> manifest = Manifest(
    ...     tool_version="0.1.0", written_at=datetime(2024, 5, 1, tzinfo=UTC), source="corpus", plan_digest="2c26",
    ...     policy={"deleted": "drop"}, unchecked="keep", job_ids=(), checked_at=None, columns=(), files=())
    >>> page(manifest, name="<clean>").splitlines()[6]
    '<title>Compliance report: &lt;clean&gt;</title>'
    """
    parts = [
        f"<h1>Compliance report: {escape(name)}</h1>",
        f'<p class="soft">A cleaned copy of <b>{escape(manifest.source)}</b>, '
        f"written {elements.when(manifest.written_at)}.</p>",
        _totals(manifest.files),
        _proof(proof, problems, name, with_checks=certificate is None),
        section(certificate) if certificate is not None and not problems else "",
        _answers(manifest, asked),
        _policy(manifest),
        _kinds(manifest.files, proof),
        _dates(manifest.files),
        _files(manifest.files),
        _left(manifest),
        f"<h2>What this page does not say</h2><p>{_CLAIMS_NO_MORE}</p>",
        _colophon(manifest),
    ]
    head = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_FETCHES_NOTHING}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Compliance report: {escape(name)}</title>\n"
        f"<style>{files('compliance_frames.report').joinpath('page.css').read_text('utf-8')}</style>\n</head>\n"
    )
    return f"{head}<body>\n{chr(10).join(part for part in parts if part)}\n</body>\n</html>\n"


def _totals(records: Sequence[FileRecord]) -> str:
    rows_in = sum(record.rows_in or 0 for record in records)
    decisions = Counter(record.decision for record in records)
    tiles: list[tuple[str, int, str]] = [
        ("rows read", rows_in, ""),
        ("rows kept", sum(record.rows_kept or 0 for record in records), ""),
        ("rows dropped", (dropped := sum(record.rows_dropped for record in records)), _share(dropped, rows_in)),
        ("places nulled", sum(record.rows_scrubbed for record in records), "in rows that were kept"),
        ("rows unchecked", sum(record.rows_unchecked for record in records), "whose ID was never asked"),
        ("files", len(records), _decided(decisions)),
    ]
    drawn = (f"<div><dt>{what}</dt><dd>{count:,}<small>{more}</small></dd></div>" for what, count, more in tiles)
    return f'<dl class="tiles">{"".join(drawn)}</dl>'


def _kinds(records: Sequence[FileRecord], proof: Mapping[str, Any] | None) -> str:
    """Why rows went, what was taken out of others, and what stays by policy; the sums are those of the tiles."""
    sums: Counter[str] = Counter()
    for record in records:
        sums.update(record.kinds)
    rows = [[words, sums[name]] for name, words in KINDS.items() if sums[name]]
    if not rows:
        return ""
    dropped = sum(count for name, count in sums.items() if name.startswith("dropped_"))
    nulled = sum(count for name, count in sums.items() if not name.startswith("dropped_"))
    foot = [["rows dropped in all", dropped], ["taken out of rows that stay", nulled]]
    foot.append(["rows that stay without their place", sum(record.rows_scrubbed for record in records)])
    named = [check["counted"] for check in (proof or {}).get("checks", ()) if check["name"] == "mentions"]
    foot += [["bare IDs of others, which stay by policy", count] for count in named]
    return "<h2>What went, and why</h2>" + elements.table("", ["What", "#Count"], rows, foot)


def _decided(decisions: Counter[Decision]) -> str:
    spliced = f"{decisions['splice']:,} spliced, " if decisions["splice"] else ""
    return f"{decisions['copy']:,} copied, {spliced}{decisions['rewrite']:,} rewritten"


def _proof(proof: Mapping[str, Any] | None, problems: Sequence[str], name: str, *, with_checks: bool) -> str:
    if problems:
        found = "".join(f"<li>{escape(problem)}</li>" for problem in problems)
        return f'<div class="proof bad"><strong>Verification failed</strong><ul>{found}</ul></div>'
    if proof is None:
        return '<div class="proof"><strong>Not verified</strong>Nobody looked into the files for this page.</div>'
    statement = str(proof["statement"])
    if "destination" in proof:  # where it lies on somebody's disk is nobody else's business
        statement = statement.replace(f"under {proof['destination']}", f"under {name}")
    stated = f'<div class="proof good"><strong>Verified</strong>{escape(statement)}</div>'
    return stated + ("<h2>What was looked at</h2>" + elements.checks(proof.get("checks", ())) if with_checks else "")


def _answers(manifest: Manifest, asked: Asked | None) -> str:
    title = "<h2>What the service answered</h2>"
    if asked is None:
        return f"{title}<p>No results were at hand for this page; the manifest names the jobs they came from.</p>"
    flagged = asked.flagged
    types = sorted({kind for _, kind in flagged} | set(asked.ids))
    reasons = sorted({reason for reason, _ in flagged}, key=lambda r: -sum(flagged.get((r, t), 0) for t in types))
    rows = [[reason, *(flagged.get((reason, kind), 0) for kind in types)] for reason in reasons]
    totals = ["reasons in all", *(sum(flagged.get((reason, kind), 0) for reason in reasons) for kind in types)]
    foot = [totals, *([["IDs asked", *(asked.ids.get(kind, 0) for kind in types)]] if asked.ids else [])]
    picture = _picture(flagged, types, charts.across, "Flagged IDs by reason", f"{len(reasons)} reasons")
    span = manifest.checked_at or asked.span
    when = f"<p>Answers of {elements.when(span[0])}{elements.until(span)}.</p>" if span else ""
    return (
        title + when + picture + elements.table("Flagged IDs", ["Reason", *(f"#{kind}" for kind in types)], rows, foot)
    )


def _policy(manifest: Manifest) -> str:
    rows = [[reason, _TREATED[treatment]] for reason, treatment in sorted(manifest.policy.items())]
    rows.append(
        [
            "(never asked)",
            {"error": "there were to be none", "keep": "rows kept", "drop": "rows dropped"}[manifest.unchecked],
        ]
    )
    return "<h2>What became of flagged rows</h2>" + elements.table("", ["Reason", "Treatment"], rows)


def date_in(path: str) -> str | None:
    """The date that a file's path holds, or its month, or None.

    >>> date_in("date=2024-05-01/part-0.parquet"), date_in("year=2024/month=5/part-0.parquet"), date_in("a.parquet")
    ('2024-05-01', '2024-05', None)
    """
    found = _DATE.search(path) or _YEAR_MONTH.search(path)
    return None if found is None else "-".join(f"{int(part):02}" for part in found.groups() if part)


def _dates(records: Sequence[FileRecord]) -> str:
    """Rows by the date in their file's path, where paths have one."""
    dated = [(date, record) for record in records if (date := date_in(record.path))]
    dates = {date for date, _ in dated}
    by_month = len(dates) > MOST_DATES or any(len(date) == len("2024-05") for date in dates)
    counts: dict[str, Counter[str]] = {}
    for date, record in dated:
        count = counts.setdefault(date[: len("2024-05")] if by_month else date, Counter())
        count.update(
            {"in": record.rows_in or 0, "kept": record.rows_kept or 0, "dropped": record.rows_dropped,
             "scrubbed": record.rows_scrubbed}
        )  # fmt: skip
    if not any(count["dropped"] or count["scrubbed"] for count in counts.values()):
        return ""
    kinds = {"dropped": "dropped", "scrubbed": "places nulled"}
    series = {(date, said): count[kind] for date, count in counts.items() for kind, said in kinds.items()}
    period = "month" if by_month else "date"
    picture = _picture(series, list(kinds.values()), charts.along, f"Rows touched by {period}", "the table has all")
    rows = [
        [date, *(count[kind] for kind in ("in", "kept", "dropped", "scrubbed"))]
        for date, count in sorted(counts.items())
    ]
    head = [period.capitalize(), "#Rows read", "#Kept", "#Dropped", "#Places nulled"]
    table = elements.folded(
        f"Rows by {period}", elements.table("The date is the one in the files' paths", head, rows), len(rows)
    )
    return f"<h2>Rows by {period}</h2>{picture}{table}"


def _files(records: Sequence[FileRecord]) -> str:
    touched = sorted(records, key=lambda record: record.decision == "copy")  # stable: by path within
    rows = [
        [record.path, record.decision, record.rows_in, record.rows_dropped, record.rows_scrubbed, record.bytes]
        for record in touched[:MOST_FILES]
    ]
    head = ["~File", "Decision", "#Rows read", "#Dropped", "#Places nulled", "#Bytes"]
    more = (
        f"<p>{len(records) - MOST_FILES:,} more files stand in the manifest.</p>" if len(records) > MOST_FILES else ""
    )
    table = elements.table(
        "Copied files have the bytes of their source; digests of both stand in the manifest", head, rows
    )
    return f"<h2>Files</h2>{elements.folded(f'{len(records):,} files', table, len(rows))}{more}"


def _left(manifest: Manifest) -> str:
    """What is not as it was in the source."""
    notes = Counter(note for record in manifest.files for note in record.notes)
    said = [f"{note} <span class='soft'>({count:,} files)</span>" for note, count in
            ((escape(note), count) for note, count in notes.most_common(50))]  # fmt: skip
    if manifest.ignored:
        said.append(f"Hidden and temporary files were not taken: {len(manifest.ignored):,}.")
    listed = "".join(f"<li>{sentence}</li>" for sentence in said)
    return f"<h2>What is not as it was</h2><ul>{listed}</ul>" if said else ""


def _colophon(manifest: Manifest) -> str:
    jobs = ", ".join(map(str, manifest.job_ids[:200])) or "none"
    return (
        f"<footer>compliance_frames {escape(manifest.tool_version)} · plan <code>{escape(manifest.plan_digest)}</code>"
        f"<br>Compliance jobs: {jobs}</footer>"
    )


def _picture(
    counts: Mapping[tuple[str, str], int], series: Sequence[str], draw: Any, title: str, described: str
) -> str:
    if not any(counts.values()):
        return ""
    if not charts.available():
        return '<p class="soft">No picture: the extra <code>compliance-frames[report]</code> is not installed.</p>'
    label = escape(f"{title}: {described}")
    below = f"<figcaption>{escape(title)}</figcaption>"
    return f'<figure role="img" aria-label="{label}">{draw(counts, series)}{below}</figure>'


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.2%}" if whole else ""
