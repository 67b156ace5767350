"""The two towers meet: what the service is asked about a corpus is found in its columns, then asked by its jobs.

Below, the tower of jobs knows no dataset, and that of datasets no service.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any, get_args

from compliance_frames.jobs import run
from compliance_frames.jobs.run import CHUNK_SIZE, CheckType, Named, Submission
from compliance_frames.progress import ProgressCallback, silent
from compliance_frames.schemas import JobType

if TYPE_CHECKING:
    import pyarrow as pa

    from compliance_frames.corpus.columns import Columns
    from compliance_frames.service.secret import Secret

_POLL = timedelta(seconds=5)


def check(
    source: Any,
    type: CheckType = "tweets",
    *,
    id_column: str | None = None,
    author_column: str | None = None,
    columns: Columns | None = None,
    references: bool = True,
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

    Call it again with the same ledger after anything: it goes on where it stopped, and asks nothing twice. Next week,
    ``max_age=timedelta(days=7)`` asks again what was answered longer ago, and what is new.

    Of a dataset, its raw files too, or a frame it asks about the tweets and users, too, that rows name: those that a
    row retweets, quotes or replies to, those that it holds whole, and their authors. A retweet holds the words of the
    original. Text that holds tweets as JSON is found by its name, or by a look at the first rows of the frame, or of
    some of the files.

    Args:
        source: whatever holds IDs: a frame, a list, an array, a path to Parquet, CSV, JSON lines or text, or to a
            directory of Parquet files and of raw ones; see :func:`compliance_frames.ids.intake.read_ids`.
        type: what the IDs are; ``"both"`` asks about tweets and their authors, side by side.
        id_column: the column of IDs (of the tweets, for ``"both"``); left out, it is found by its name.
        author_column: the column of authors, for ``"both"``; left out, it is found by its name.
        columns: both of them, and where rows name others: ``cf.Columns(id=…, author_id=…, references=[…],
            embedded=[…])``.
        references: ask about what rows name, too. That cannot be seen in a stream, which can be read once only, nor in
            text with one ID a line.
        ledger: a directory that remembers what was asked; made where there is none.
        chunk_size: IDs per job. The fixed cost of a job is minutes, so few large ones.
        max_age: ask again what was answered longer ago; None never does.
        allow_damaged: take IDs that look as if they had gone through floating point.
        timeout: how long to wait; None waits for as long as it takes.
        poll: the first pause between two looks at a job; it grows to a minute.
        wait: wait for another run with this ledger to end, instead of refusing.
        bearer_token: the app-only token; left out, it comes from ``X_BEARER_TOKEN`` or the system's keyring.
        base_url: the service's address; left out, from ``COMPLIANCE_FRAMES_BASE_URL``, else the real one.
        planned: told what there is to ask, how many IDs of each kind and how many of them are new, before it is asked.
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
    >>> import pyarrow as pa
    >>> from compliance_frames.emulator import Emulator
    >>> table = pa.table({"id": [20, 21], "referenced_tweets": [[{"type": "quoted", "id": "7"}], []]})
    >>> with Emulator() as service, tempfile.TemporaryDirectory() as folder:
    ...     results = check(
    ...         table, ledger=f"{folder}/my.ledger", planned=lambda told: print(told.ids, told.referenced),
    ...         poll=timedelta(milliseconds=20), bearer_token=service.bearer_token, base_url=service.base_url)
    {'tweets': 3} {'tweets': {'quoted': 1}}
    """
    return run.check(
        source,
        type,
        id_column=id_column,
        author_column=author_column,
        columns=columns,
        others=_others(source, type, id_column, author_column, columns) if references else (),
        ledger=ledger,
        chunk_size=chunk_size,
        max_age=max_age,
        allow_damaged=allow_damaged,
        timeout=timeout,
        poll=poll,
        wait=wait,
        bearer_token=bearer_token,
        base_url=base_url,
        planned=planned,
        progress=progress,
    )


def submit(
    source: Any,
    type: CheckType = "tweets",
    *,
    id_column: str | None = None,
    author_column: str | None = None,
    columns: Columns | None = None,
    references: bool = True,
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

    The first chunk of each type is uploaded; further ones follow in ``collect``, as the service takes one job per type
    at a time.

    Returns:
        What was submitted.
    """
    return run.submit(
        source,
        type,
        id_column=id_column,
        author_column=author_column,
        columns=columns,
        others=_others(source, type, id_column, author_column, columns) if references else (),
        ledger=ledger,
        chunk_size=chunk_size,
        max_age=max_age,
        allow_damaged=allow_damaged,
        timeout=timeout,
        poll=poll,
        wait=wait,
        bearer_token=bearer_token,
        base_url=base_url,
        progress=progress,
    )


def _others(
    source: Any, type: CheckType, id_column: str | None, author_column: str | None, columns: Columns | None
) -> Iterable[Named]:
    """What rows of a source name; it is looked for when it is asked for, after the rows' own IDs."""
    from compliance_frames.corpus.rawreferenced import referenced_in_raw
    from compliance_frames.corpus.referenced import referenced
    from compliance_frames.corpus.told import Told

    types: tuple[JobType, ...] = get_args(JobType) if type == "both" else (type,)
    if columns is not None:
        told = Told(columns=columns)
    elif type == "users":  # what was told is the column of users, and there may be no tweets beside it
        told = Told()
    else:
        told = Told(id_column, author_column)
    return chain(referenced(source, told, types), referenced_in_raw(source, told, types))
