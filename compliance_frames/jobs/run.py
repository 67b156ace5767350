"""Ask the service about IDs, by jobs that outlive the process: ``check``, and its halves ``submit`` and ``collect``."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import pyarrow as pa

from compliance_frames.errors import IdError
from compliance_frames.ids.intake import Ids, joined, read_ids
from compliance_frames.ids.runs import is_among
from compliance_frames.ids.sets import IdArray, without
from compliance_frames.ids.sources import author_column_of
from compliance_frames.jobs.database import is_ledger
from compliance_frames.jobs.lane import WITH_THE_SERVICE, Lane
from compliance_frames.jobs.ledger import Ledger, lock_path
from compliance_frames.jobs.patience import Patience, Stopped
from compliance_frames.jobs.states import FINAL, State
from compliance_frames.jobs.words import in_one
from compliance_frames.lock import must_be_free
from compliance_frames.progress import GLANCE, Progress, ProgressCallback, silent
from compliance_frames.raw.ids import raw_ids
from compliance_frames.schemas import JobType
from compliance_frames.service.addresses import base_url_from
from compliance_frames.service.api import ComplianceApi
from compliance_frames.service.retry import Wait
from compliance_frames.service.secret import Secret
from compliance_frames.service.storage import Storage
from compliance_frames.service.tokens import token_from

#: What to ask about: the tweets, their authors, or both in one go.
CheckType = Literal["tweets", "users", "both"]

#: About 100 MB of IDs: the fixed cost of a job is many minutes, so few large ones.
CHUNK_SIZE = 5_000_000
_POLL = timedelta(seconds=5)
_SLICE = 4_000_000


@dataclass(frozen=True)
class Submission:
    """What was handed to the service, or planned for it.

    Attributes:
        ledger: where the jobs are remembered.
        ids: how many IDs the source has, by type: those of its rows, and those that its rows name.
        new: how many of them were planned now.
        answered: how many already have an answer.
        pending: how many were waiting for one before.
        nulls: how many rows have no ID.
        duplicates: how many rows repeat an ID.
        chunks: how many chunks were planned now.
        own: how many of the IDs are those of rows, by type.
        referenced: how many IDs of other tweets, or of their authors, rows name, by type and kind (``"retweeted"``,
            ``"quoted"``, ``"replied_to"``, ``"embedded"``). One that is of several kinds counts for each of them.
        referenced_only: how many of these are asked only because of it, by type and kind: they are no row's own, and
            were not counted for a kind before.
    """

    ledger: Path
    ids: dict[JobType, int]
    new: dict[JobType, int]
    answered: dict[JobType, int]
    pending: dict[JobType, int]
    nulls: dict[JobType, int]
    duplicates: dict[JobType, int]
    chunks: int
    own: dict[JobType, int] = field(default_factory=dict)
    referenced: dict[JobType, dict[str, int]] = field(default_factory=dict)
    referenced_only: dict[JobType, dict[str, int]] = field(default_factory=dict)


#: IDs that rows name beside their own: of what type, how the row stands to them, and some of them.
Named = tuple[JobType, str, IdArray]


def check(
    source: Any,
    type: CheckType = "tweets",
    *,
    id_column: str | None = None,
    author_column: str | None = None,
    columns: Naming | None = None,
    others: Iterable[Named] = (),
    ledger: str | os.PathLike[str],
    chunk_size: int = CHUNK_SIZE,
    max_age: timedelta | None = None,
    allow_damaged: bool = False,
    timeout: timedelta | None = None,
    poll: timedelta = _POLL,
    wait: bool = False,
    bearer_token: str | Secret | None = None,
    base_url: str | None = None,
    planned: Callable[[Submission], None] | None = None,
    progress: ProgressCallback = silent,
) -> pa.Table:
    """Ask what became of Tweet or user IDs, and wait for the answer.

    Call it again with the same ledger after anything: it goes on where it stopped, and asks nothing twice.

    Args:
        source: whatever holds IDs; see :func:`compliance_frames.ids.intake.read_ids`.
        type: what the IDs are; ``"both"`` asks about tweets and their authors, side by side.
        id_column: the column of IDs (of the tweets, for ``"both"``); left out, it is found by its name.
        author_column: the column of authors, for ``"both"``; left out, it is found by its name.
        columns: both of them, as ``cf.Columns(id=…, author_id=…)``.
        others: IDs that the source's rows name beside their own, to be asked about as well, in parts.
        ledger: a directory that remembers what was asked; made where there is none.
        chunk_size: IDs per job. The fixed cost of a job is minutes, so few large ones.
        max_age: ask again what was answered longer ago; None never does.
        allow_damaged: take IDs that look as if they had gone through floating point.
        timeout: how long to wait; None waits for as long as it takes.
        poll: the first pause between two looks at a job; it grows to a minute.
        wait: wait for another run with this ledger to end, instead of refusing.
        bearer_token: the app-only token; left out, it comes from ``X_BEARER_TOKEN`` or the system's keyring.
        base_url: the service's address; left out, from ``COMPLIANCE_FRAMES_BASE_URL``, else the real one.
        planned: told what there is to ask, before it is asked.
        progress: told of uploads, waits and downloads.

    Returns:
        One row per flagged ID of the source (:data:`compliance_frames.schemas.RESULTS`), sorted by type and ID; of one
        that was flagged for several reasons, one for each.
        An ID that is no row was clear when it was asked, unless ``Ledger.failed_ids`` has it.

    Raises:
        IdError: the source holds what is no ID, or nothing at all.
        AuthError: there is no token, or the service refuses it.
        LedgerLockedError: another process works with this ledger; said at once, before IDs are read.
        JobTimeoutError: the time is over; call again.
        ComplianceFramesError: anything else that ended it; the ledger keeps what was reached.

    >>> import tempfile
    >>> from compliance_frames.emulator import Emulator
    >>> with Emulator() as service, tempfile.TemporaryDirectory() as folder:
    ...     results = check(
    ...         range(2_000_000_000_000_000_000, 2_000_000_000_000_001_000), ledger=f"{folder}/my.ledger",
    ...         poll=timedelta(milliseconds=20), bearer_token=service.bearer_token, base_url=service.base_url)
    >>> results.column_names[:4], 300 < results.num_rows < 600
    (['type', 'id', 'action', 'reason'], True)
    """
    _refuse_early(ledger, chunk_size, wait)
    told = _told(type, id_column, author_column, columns)
    questions = _questions(source, type, *told, others, allow_damaged, _beside(Path(ledger)))
    since = _since(max_age)
    with _Session(ledger, bearer_token, base_url, poll, timeout, wait, progress) as session:
        submission = _plan(session, questions, chunk_size, since)
        if planned is not None:
            planned(submission)
        session.work(tuple(questions), FINAL)
        if since is not None and any(submission.pending.values()):  # jobs of long ago, answered now: too old again
            _plan(session, questions, chunk_size, since.replace(microsecond=0))  # jobs are dated to the second
            session.work(tuple(questions), FINAL)
        return _of_source(session.ledger, questions)


def submit(
    source: Any,
    type: CheckType = "tweets",
    *,
    id_column: str | None = None,
    author_column: str | None = None,
    columns: Naming | None = None,
    others: Iterable[Named] = (),
    ledger: str | os.PathLike[str],
    chunk_size: int = CHUNK_SIZE,
    max_age: timedelta | None = None,
    allow_damaged: bool = False,
    timeout: timedelta | None = None,
    poll: timedelta = _POLL,
    wait: bool = False,
    bearer_token: str | Secret | None = None,
    base_url: str | None = None,
    progress: ProgressCallback = silent,
) -> Submission:
    """Hand IDs to the service and return while it works: the first half of :func:`check`, with its arguments.

    The first chunk of each type is uploaded; further ones follow in :func:`collect`, as the service takes one job
    per type at a time.

    Returns:
        What was submitted.
    """
    _refuse_early(ledger, chunk_size, wait)
    told = _told(type, id_column, author_column, columns)
    questions = _questions(source, type, *told, others, allow_damaged, _beside(Path(ledger)))
    with _Session(ledger, bearer_token, base_url, poll, timeout, wait, progress) as session:
        submission = _plan(session, questions, chunk_size, _since(max_age))
        session.work(tuple(questions), WITH_THE_SERVICE)
    return submission


def collect(
    ledger: str | os.PathLike[str],
    *,
    type: JobType | None = None,
    timeout: timedelta | None = None,
    poll: timedelta = _POLL,
    wait: bool = False,
    bearer_token: str | Secret | None = None,
    base_url: str | None = None,
    progress: ProgressCallback = silent,
) -> pa.Table:
    """Wait for everything that a ledger has under way: the second half of :func:`check`.

    Args:
        ledger: the ledger that :func:`submit` was given.
        type: only the jobs of this type; None takes both, side by side.
        timeout, poll, wait, bearer_token, base_url, progress: as for :func:`check`.

    Returns:
        All results of the ledger, as :func:`check` returns them.

    Raises:
        LedgerError: there is no such ledger.
    """
    Ledger.read(ledger)
    kinds: tuple[JobType, ...] = get_args(JobType) if type is None else (type,)
    with _Session(ledger, bearer_token, base_url, poll, timeout, wait, progress) as session:
        session.work(kinds, FINAL)
        return session.ledger.results(type)


class _Session:
    """A ledger open for writing; the service is called only where something is left to do."""

    def __init__(
        self,
        ledger: str | os.PathLike[str],
        bearer_token: str | Secret | None,
        base_url: str | None,
        poll: timedelta,
        timeout: timedelta | None,
        wait: bool,
        progress: ProgressCallback,
    ) -> None:
        self._path, self._progress, self._wait = Path(ledger), progress, wait
        self._base_url = base_url_from(base_url)
        self._token = bearer_token
        deadline = None if timeout is None else time.monotonic() + timeout.total_seconds()
        self._patience = Patience(poll, deadline)

    def __enter__(self) -> _Session:
        if not is_ledger(self._path):  # nothing is made for someone who has no token yet
            self._token = token_from(self._token)
        self.ledger = Ledger.open(self._path, wait=self._say_whose if self._wait else None)
        return self

    def _say_whose(self, holder: str) -> None:
        note = f"waiting for another run with this ledger to end ({holder})"
        self._progress(Progress("wait", "ledger", 0, None, "jobs", note))
        self._patience.look()

    def __exit__(self, *_: object) -> None:
        self.ledger.close()

    def work(self, types: tuple[JobType, ...], until: frozenset[State]) -> None:
        """Work on the chunks of these types, side by side, until all have reached such a state."""
        busy = [type for type in types if any(c.state not in until for c in self.ledger.unfinished(type))]
        if not busy:
            return
        with ExitStack() as stack:
            api = stack.enter_context(
                ComplianceApi(
                    self._token, base_url=self._base_url, sleep=self._patience.sleep, on_wait=self._waiting("service")
                )
            )
            storage = stack.enter_context(
                Storage(base_url=self._base_url, sleep=self._patience.sleep, on_wait=self._waiting("storage"))
            )
            self._patience.wakes = (api.wake, storage.wake)
            lanes = [Lane(self.ledger, type, api, storage, self._patience, self._progress) for type in busy]
            if len(lanes) == 1:
                lanes[0].run(until=until)
            else:
                self._side_by_side(lanes, until)

    def _side_by_side(self, lanes: list[Lane], until: frozenset[State]) -> None:
        """Each lane in its thread; where one fails, the others end at their next step, and its error is told."""
        with ThreadPoolExecutor(len(lanes), thread_name_prefix="compliance-frames") as pool:
            try:  # from the first thread on: an interrupt that does not stop them waits for their end
                running = [pool.submit(self._stopping_others, lane, until) for lane in lanes]
                while wait(running, timeout=GLANCE).not_done:
                    pass
            except BaseException:
                self._patience.end()
                raise
        errors = [future.exception() for future in running]
        told = [error for error in errors if error is not None and not isinstance(error, Stopped)]
        if told:
            raise told[0]

    def _stopping_others(self, lane: Lane, until: frozenset[State]) -> None:
        try:
            lane.run(until=until)
        except BaseException:
            self._patience.end()
            raise

    def _waiting(self, who: str) -> Callable[[Wait], None]:
        def tell(pause: Wait) -> None:
            self._progress(Progress("wait", who, 0, None, "jobs", str(pause)))

        return tell


class Naming(Protocol):
    """Something that names the columns of tweets and authors: ``cf.Columns``."""

    @property
    def id(self) -> str:
        """The column of tweet IDs."""

    @property
    def author_id(self) -> str | None:
        """The column of their authors' IDs."""


def _told(
    type: CheckType, id_column: str | None, author_column: str | None, columns: Naming | None
) -> tuple[str | None, str | None]:
    """The columns of tweets and of authors, as far as they were told."""
    if columns is None:
        return id_column, author_column
    if id_column is not None or author_column is not None:
        raise IdError("columns= tells both of them: leave out id_column= and author_column=.")
    return (None if type == "users" else columns.id), columns.author_id


def _questions(
    source: Any,
    type: CheckType,
    id_column: str | None,
    author_column: str | None,
    others: Iterable[Named],
    allow_damaged: bool,
    spill: Path,
) -> dict[JobType, Ids]:
    """The IDs to ask about, by type; those that are too many for the memory lie on the disk that the ledger is on."""
    source = raw_ids(source)
    own = {
        kind: read_ids(source, id_column=column, allow_damaged=allow_damaged, spill=spill)
        for kind, column in _columns_to_ask(source, type, id_column, author_column).items()
    }
    return joined(own, others, allow_damaged=allow_damaged, spill=spill)


def _columns_to_ask(
    source: Any, type: CheckType, id_column: str | None, author_column: str | None
) -> dict[JobType, str | None]:
    """The column of each type that is to be asked about; None where reading it finds it."""
    if type not in get_args(CheckType):
        raise IdError(f"type={type!r} is none of {', '.join(map(repr, get_args(CheckType)))}.")
    if type == "tweets":
        return {type: id_column}
    if type == "users":
        return {type: id_column or author_column or author_column_of(source)}
    if isinstance(source, pa.RecordBatchReader | Iterator):
        raise IdError('A stream can be read once only, and type="both" reads two columns: pass a table or a path.')
    return {"tweets": id_column, "users": author_column or author_column_of(source) or "author_id"}


def _beside(ledger: Path) -> Path:
    """The directory that a ledger is in, or would be: nothing is made yet."""
    return next((folder for folder in ledger.absolute().parents if folder.is_dir()), Path())


def _refuse_early(ledger: str | os.PathLike[str], chunk_size: int, wait: bool) -> None:
    """What would be refused in the end is better refused before a large corpus is read.

    Raises:
        IdError: no job can be so small.
        LedgerLockedError: the ledger is in use, and nobody wants to wait.
    """
    if chunk_size < 1:
        raise IdError(f"chunk_size={chunk_size}: a job asks about 1 ID or more. Leave it out for {CHUNK_SIZE:,}.")
    if not wait:
        must_be_free(lock_path(Path(ledger)), f"The ledger {os.fspath(ledger)}")


def _since(max_age: timedelta | None) -> datetime | None:
    """As of when an answer is young enough."""
    try:
        return None if max_age is None else datetime.now(UTC) - max_age
    except OverflowError:  # longer ago than there are dates: any answer is young enough
        return None


def _plan(session: _Session, questions: dict[JobType, Ids], chunk_size: int, since: datetime | None) -> Submission:
    """Plan what was not asked yet; nothing is asked twice."""
    kinds = {type: ids.kinds.items() for type, ids in questions.items()}
    counts: dict[str, dict[JobType, int]] = {
        name: dict.fromkeys(questions, 0) for name in ("new", "answered", "pending")
    }
    chunks = 0
    for type, ids in questions.items():
        count = {name: of_type[type] for name, of_type in counts.items()}
        chunks += session.ledger.add(type, _not_asked(session.ledger, type, ids, since, count), chunk_size=chunk_size)
        for name in counts:
            counts[name][type] = count[name]
    return Submission(
        ledger=session.ledger.path,
        ids={type: len(ids) for type, ids in questions.items()},
        nulls={type: ids.nulls for type, ids in questions.items()},
        duplicates={type: ids.duplicates for type, ids in questions.items()},
        chunks=chunks,
        own={type: ids.own for type, ids in questions.items()},
        referenced={type: {name: kind.found for name, kind in of_type} for type, of_type in kinds.items()},
        referenced_only={type: {name: kind.more for name, kind in of_type} for type, of_type in kinds.items()},
        **counts,
    )


def _not_asked(
    ledger: Ledger, type: JobType, ids: Ids, since: datetime | None, count: dict[str, int]
) -> Iterator[pa.Int64Array]:
    """The IDs that are neither answered nor pending, slice by slice; all are counted on the way."""
    for part in ids.sorted.slices(_SLICE):
        values = part.to_numpy()
        between = int(values[0]), int(values[-1])
        unanswered = without(values, ledger.asked(type, since=since, between=between).to_numpy())
        new = without(unanswered, ledger.pending(type, between=between).to_numpy())
        count["new"] += len(new)
        count["answered"] += len(values) - len(unanswered)
        count["pending"] += len(unanswered) - len(new)
        yield pa.array(new)


def _of_source(ledger: Ledger, questions: dict[JobType, Ids]) -> pa.Table:
    """The results of the IDs that were asked about: a ledger may have many others."""
    return in_one(_parts_of_source(ledger, questions))


def _parts_of_source(ledger: Ledger, questions: dict[JobType, Ids]) -> Iterator[pa.Table]:
    for type, asked in questions.items():
        for part in ledger.result_batches(type):
            keep = is_among(part.column("id").to_numpy(), asked.sorted)
            if keep.any():
                yield part if keep.all() else part.filter(pa.array(keep))
