"""The commands that speak with the service: ``check`` and ``jobs``."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

import rich_click as click

from compliance_frames.cli import naming, options, tables
from compliance_frames.cli.naming import Naming, first_columns
from compliance_frames.console import Display, counted, heading

if TYPE_CHECKING:
    import pyarrow as pa

    from compliance_frames.corpus.planned import CameBack
    from compliance_frames.jobs.run import CheckType, Submission
    from compliance_frames.raw.ids import RawIds
    from compliance_frames.schemas import JobType
    from compliance_frames.service.secret import Secret

_PARQUET = {".parquet", ".parq", ".pq"}


@dataclass(frozen=True)
class Question:
    """What is asked about, and which columns hold it.

    Attributes:
        type: tweets, users or both.
        id_column: holds what is asked about: tweets, or users where only they are; None where nobody said.
        author_column: holds the authors, where both are asked.
    """

    type: CheckType
    id_column: str | None
    author_column: str | None = None

    @property
    def columns(self) -> dict[str, str | None]:
        """The column of each type."""
        if self.type == "both":
            return {"tweets": self.id_column, "users": self.author_column}
        return {self.type: self.id_column}


@dataclass(frozen=True)
class Asking:
    """How the service is asked; each is an option of ``check``."""

    chunk_size: int
    max_age: timedelta | None
    timeout: timedelta | None
    poll: timedelta
    allow_damaged: bool
    wait: bool
    references: bool = True
    token: Secret | None = None


def question_of(source: Path, type: CheckType | None, id_column: str | None, author_column: str | None) -> Question:
    """Decide what to ask: tweets and, where a dataset has a column of them, authors too.

    Raises:
        PlanError: a told column is not there; both were told, and there are no authors.
    """
    from compliance_frames.raw.ids import RawIds, raw_ids

    raw = raw_ids(source)
    if isinstance(raw, RawIds):
        return _question_of_raw(raw, type, id_column, author_column)
    if not source.is_dir() and source.suffix.lower() not in _PARQUET:  # it tells its columns only when read
        if type == "users":
            return Question("users", author_column or id_column)
        return Question(type or ("both" if author_column else "tweets"), id_column, author_column)
    from compliance_frames.corpus.told import Told
    from compliance_frames.errors import PlanError

    try:
        found, why = first_columns(source, Told(id_column, author_column))
    except PlanError:
        if type == "users":  # no tweets in it: a table of users
            return Question("users", author_column or id_column)
        if author_column or type == "both" or id_column or not _is_one_column(source):
            raise
        return Question(type or "tweets", None)
    if type == "users":
        if why and not (author_column or id_column):
            raise PlanError(why)
        return Question("users", author_column or id_column or found.author_id)
    if type == "tweets" or (type is None and found.author_id is None):
        return Question("tweets", found.id)
    if found.author_id is None:
        why = why or "no column of author IDs was found"
        raise PlanError(f"{why}: name it with --author-column, or ask for --type tweets")
    return Question("both", found.id, found.author_id)


def _question_of_raw(raw: RawIds, type: CheckType | None, id_column: str | None, author_column: str | None) -> Question:
    """Of raw files no column is read, unless one was told: every tweet and every author, however they are called."""
    from compliance_frames.errors import PlanError

    author = author_column or next(iter(raw.columns[1:]), None)
    if type == "users" or not (author or type == "both"):
        return Question(type or "tweets", author_column or id_column or author if type == "users" else id_column)
    if type == "tweets":
        return Question("tweets", id_column)
    if author is None:
        raise PlanError("no authors were found: name their key with --author-column, or ask for --type tweets")
    return Question("both", id_column, author)


def _is_one_column(source: Path) -> bool:
    from compliance_frames.ids.files import parquet_schema

    schema = parquet_schema(source)
    return schema is not None and len(schema.names) == 1


@dataclass(frozen=True)
class Answer:
    """What the service was asked, and what it said.

    Attributes:
        results: of the flagged IDs of the source.
        submission: how many IDs of each kind were asked about.
    """

    results: pa.Table
    submission: Submission

    @property
    def counts(self) -> dict[str, Any]:
        """How many IDs of each kind were found, and asked now, as JSON has it."""
        names = ("ids", "own", "referenced", "referenced_only", "new", "answered", "pending")
        return {name: getattr(self.submission, name) for name in names}


def ask(
    display: Display, source: Path, question: Question, ledger: Path, asking: Asking, naming: Naming | None = None
) -> Answer:
    """Ask the service, or take from the ledger what it has answered already."""
    from compliance_frames.asking import check as check_ids

    _say_question(display, source, question)
    planned: list[Submission] = []

    def say_counts(submission: Submission) -> None:
        planned.append(submission)
        for line in _counts_in_words(submission):
            display.say(line)

    with display.progress() as told:
        results = check_ids(
            source,
            question.type,
            **_columns_told(source, question, naming),
            references=asking.references,
            ledger=ledger,
            chunk_size=asking.chunk_size,
            max_age=asking.max_age,
            allow_damaged=asking.allow_damaged,
            timeout=asking.timeout,
            poll=asking.poll,
            wait=asking.wait,
            bearer_token=asking.token,
            planned=say_counts,
            progress=told,
        )
    return Answer(results, planned[0])


def _columns_told(source: Path, question: Question, naming: Naming | None) -> dict[str, Any]:
    if naming is None or not (naming.reference or naming.embedded):
        return {"id_column": question.id_column, "author_column": question.author_column}
    from compliance_frames.raw.names import may_be_raw

    if not source.is_dir() and source.suffix.lower() not in _PARQUET and not may_be_raw(source.name):
        raise click.UsageError(
            "--reference and --embedded name columns of a dataset: of other files, IDs alone are read."
        )
    return {"columns": naming.columns(source)}


def _counts_in_words(submission: Submission) -> Iterator[str]:
    """How many IDs there are to ask about, and what they are."""
    for type, count in submission.ids.items():
        kinds, pending = submission.referenced[type], submission.pending[type]
        more = f", {pending:,} under way" if pending else ""
        stand = f"{submission.new[type]:,} to ask, {submission.answered[type]:,} answered{more}"
        yield f"{counted(count, 'ID')} of {type}: {stand}"
        if kinds:
            said = ", ".join(f"{found:,} {kind.replace('_', ' ')}" for kind, found in kinds.items())
            only = sum(submission.referenced_only[type].values())
            yield f"  of these {submission.own[type]:,} of rows; named by rows: {said}; {only:,} in no row"


def _say_question(display: Display, source: Path, question: Question) -> None:
    named = " and ".join(f"{kind} ({column})" if column else kind for kind, column in question.columns.items())
    display.say(f"checking {named} of {source}")
    if question.type == "tweets" and source.is_dir():
        display.say(
            "about tweets only: what users did with their accounts is seen as far as it shows on their tweets",
            style="dim",
        )


def asked_of(ledger: Path) -> dict[str, int]:
    """How many IDs of each type a ledger has answers for."""
    from compliance_frames.jobs.ledger import Ledger
    from compliance_frames.schemas import JobType

    book = Ledger.read(ledger)
    counts = {kind: len(book.asked(kind)) for kind in get_args(JobType)}
    return {kind: count for kind, count in counts.items() if count}


def came_back(ledger: Path) -> tuple[CameBack, ...]:
    """How many IDs of a ledger were flagged before, and are clear now."""
    from compliance_frames.corpus.planned import counted_by_reason
    from compliance_frames.jobs.ledger import Ledger

    return counted_by_reason(Ledger.read(ledger).came_back())


@click.command()
@click.argument("source", type=options.PATH)
@click.option(
    "--type",
    type=click.Choice(["tweets", "users", "both"]),
    help="What to ask about. [dim](default: both for a dataset with a column of authors, or else tweets)[/]",
)
@naming.columns
@options.ledger
@options.asking
@options.token
@options.wait
@click.option("-o", "--output", type=options.PATH, metavar="FILE", help="Write the results: .parquet, .csv or .jsonl.")
@options.output
def check(
    source: Path,
    type: CheckType | None,
    naming: Naming,
    ledger: Path,
    output: Path | None,
    display: Display,
    **asking: Any,
) -> None:
    """Ask the service about the IDs of SOURCE and keep its answers in a ledger.

    SOURCE is whatever holds IDs: a dataset directory, a Parquet, CSV or JSONL file, or a text file with one ID a
    line. What the ledger has an answer for is not asked again; a run that was stopped goes on.

    \b
    Example:
      compliance-frames check corpus/ --ledger corpus.ledger
      compliance-frames check ids.txt --type users --ledger users.ledger -o flagged.csv
    """
    for path, option in ((ledger, "--ledger"), (output, "--output")):
        options.keep_apart(path, option, source)
    write = tables.writer(output) if output else None
    question = question_of(source, type, naming.id_column, naming.author_column)
    answer = ask(display, source, question, ledger, Asking(**asking), naming)
    results = answer.results
    if write:
        write(results)
    asked, back = asked_of(ledger), came_back(ledger)
    flagged = tables.ids_in(results)
    display.show(heading(f"{counted(flagged, 'ID')} of {source} flagged"), tables.results_table(results))
    tables.say_returned(display, back)
    display.say(f"next: compliance-frames plan CORPUS --ledger {shlex.quote(str(ledger))}", style="dim")
    display.answer(
        {
            "command": "check",
            "source": str(source),
            "type": question.type,
            "columns": question.columns,
            "ledger": str(ledger),
            "asked": asked,
            **answer.counts,
            "flagged": flagged,
            "reasons": tables.by_type(results),
            "came_back": tables.returned(back),
            "output": None if output is None else str(output),
        }
    )


@click.command()
@click.option("--ledger", type=options.PATH, metavar="DIR", help="Show the jobs of a ledger, without the service.")
@click.option("--type", type=click.Choice(["tweets", "users"]), help="Jobs of one type only.")
@options.token
@options.output
def jobs(ledger: Path | None, type: JobType | None, token: Secret | None, display: Display) -> None:
    """Show the compliance jobs of a ledger, or all that the service knows of for the token.

    \b
    Example:
      compliance-frames jobs --ledger corpus.ledger
      compliance-frames jobs --type tweets
    """
    from compliance_frames.schemas import JobType

    types = [type] if type else list(get_args(JobType))
    if ledger is None:
        told: dict[str, Any] = {"ledger": None, "jobs": _service_jobs(types, token, display)}
    else:
        told = {"ledger": str(ledger), **_ledger_jobs(ledger, types)}
    display.show(*tables.jobs_shown(told["jobs"], "at the service" if ledger is None else f"of {ledger}"))
    if ledger is not None and told["left"]:
        at_work = f"{told['at_work']} is at work on them" if told["at_work"] else "nobody is at work on them"
        left = counted(told["left"], "job is", "jobs are")
        display.say(f"{left} not finished; {at_work}. A run that ends goes on with the command that began it.")
    display.answer({"command": "jobs", **told})


def _ledger_jobs(ledger: Path, types: list[JobType]) -> dict[str, Any]:
    """The jobs of a ledger, each with how long it is as it is and what happens next, and who works on them."""
    from compliance_frames.jobs.ledger import Ledger
    from compliance_frames.jobs.states import FINAL, NEXT

    book = Ledger.read(ledger)
    rows = [row for row in cast("list[dict[str, Any]]", book.jobs().to_pylist()) if row["type"] in types]
    now = datetime.now(UTC)
    jobs = [
        _ids_as_text(row)
        | {"age_seconds": max(int((now - row["changed_at"]).total_seconds()), 0), "next": NEXT[row["state"]]}
        for row in rows
    ]
    return {"at_work": book.at_work(), "left": sum(row["state"] not in FINAL for row in rows), "jobs": jobs}


def _service_jobs(types: list[JobType], token: Secret | None, display: Display) -> list[dict[str, Any]]:
    """The jobs as the service lists them; their URLs are credentials and stay behind."""
    from compliance_frames.service.api import ComplianceApi

    shown = ("id", "type", "status", "name", "created_at", "upload_expires_at", "download_expires_at", "error")
    with ComplianceApi(token, on_wait=lambda wait: display.say(str(wait), style="dim")) as api:
        return [_ids_as_text({key: getattr(job, key) for key in shown}) for type in types for job in api.jobs(type)]


def _ids_as_text(row: dict[str, Any]) -> dict[str, Any]:
    """IDs as strings: many a reader of JSON rounds numbers of that size."""
    ids = {"id", "job_id", "first_id", "last_id"}
    return {key: str(value) if key in ids and value is not None else value for key, value in row.items()}
