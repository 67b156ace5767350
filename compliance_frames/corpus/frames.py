"""Results applied to a frame in memory: what happened to each row, or the frame without what was flagged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from compliance_frames.corpus.answers import Answers
from compliance_frames.corpus.arrays import words
from compliance_frames.corpus.authors import tweets_by, tweets_in
from compliance_frames.corpus.columns import Columns, find_columns
from compliance_frames.corpus.embedded import without_embedded
from compliance_frames.corpus.erase import Masks, masks, without_places
from compliance_frames.corpus.erasures import Erasures
from compliance_frames.corpus.idcolumns import ids_at
from compliance_frames.corpus.mounts import Change, is_lazy, mounted, unwrapped
from compliance_frames.corpus.plan import as_results
from compliance_frames.corpus.polars_frames import with_open_words
from compliance_frames.corpus.policy import Policy
from compliance_frames.corpus.sampled import beside_texts
from compliance_frames.corpus.told import told
from compliance_frames.corpus.within import head_of
from compliance_frames.errors import PlanError
from compliance_frames.ids.intake import parse_ids
from compliance_frames.ids.queries import running
from compliance_frames.ids.sets import IdArray
from compliance_frames.schemas import TREATMENTS

#: The columns that :func:`match` adds.
MATCHED = pa.schema(dict.fromkeys(("compliance_type", "compliance_action", "compliance_reason"), pa.string())).append(
    pa.field("compliance_redacted_at", pa.timestamp("ms", tz="UTC"))
)


def match(frame: Any, *results: Any, id_column: str | None = None, author_column: str | None = None) -> Any:
    """A frame with what the service said about each row: a left join on tweet ID and author ID, order kept.

    Adds the columns ``compliance_type``, ``compliance_action``, ``compliance_reason`` and
    ``compliance_redacted_at``, null in rows that were not flagged; columns of these names are replaced. Of two
    results for one row (its tweet and its author, or two jobs) it shows the strictest: ``scrub_geo`` comes last. A
    result for a user's tweets up to one (``up_to``) is shown beside these. What a row retweets or embeds is not looked
    at; :func:`apply` does that.

    Args:
        frame: pandas (whose index may hold the IDs), polars (eager or lazy), pyarrow (table, record batch or reader),
            a DuckDB relation, or one of these in narwhals: the same comes back, pandas with its index, a relation on
            its connection. Of anything else with an Arrow stream, a ``pyarrow.Table``.
        results: tables as ``check`` returns them.
        id_column: path of the tweet IDs; found when None.
        author_column: path of the author IDs, used for results of users; found when None.

    Raises:
        PlanError: this is no frame, or a column is not there.
        IdError: an ID column holds something else.

    >>> flagged = pa.table({"type": ["tweets"], "id": [2], "action": ["delete"], "reason": ["deleted"]})
    >>> match(pa.table({"id": ["1", "2"]}), flagged).column("compliance_reason").to_pylist()
    [None, 'deleted']
    """
    answers = _Answers(results)
    native, wrap = unwrapped(frame)

    def matched(whole: Any) -> Any:
        mount = mounted(whole)
        small = mount.columns([path for path in (id_column, author_column) if path])
        columns = find_columns(small.schema, id_column=id_column, author_column=author_column, geo=[])
        return mount.with_columns(answers.of(small, columns))

    return wrap(_lazily(native, matched) if is_lazy(native) else matched(native))


def apply(
    frame: Any,
    *results: Any,
    policy: Policy | None = None,
    id_column: str | None = None,
    author_column: str | None = None,
    geo: Sequence[str] | None = None,
    columns: Columns | None = None,
) -> Any:
    """A frame without what was flagged: what ``plan`` and ``clean`` do to a dataset, in memory.

    Rows keep their order, columns their types. Nothing of what went stays in the frame, wherever it is written to:
    neither in buffers, nor in lists of words. Words that only dropped rows had are gone from pandas' categories and the
    levels of its index, from a polars ``Enum``, from DuckDB's ``ENUM``; words that no row ever had stay. In pandas,
    rows keep their labels, and a number that must be null becomes NaN, as pandas has it.

    Args:
        frame: as :func:`match` takes it, and the same comes back. A lazy frame is read whole when it is collected: a
            retweet can repeat a row from anywhere. Its type must be known before: an ``Enum`` in it becomes
            ``Categorical``, of the same values.
        results: tables as ``check`` returns them.
        policy: what each reason does; :meth:`Policy.default` when None.
        id_column: path of the tweet IDs; found when None.
        author_column: path of the author IDs; found when None.
        geo: paths of the columns that hold places; found when None; ``[]`` says that there are none.
        columns: all of these at once, and where other tweets are. Text that holds them as JSON is found by its name, or
            by the first rows; else it is told: ``Columns(id=…, embedded=["raw"])``.

    Raises:
        PlanError: this is no frame, or a column is not there.
        PolicyError: a reason has no treatment.
        IdError: an ID column holds something else.

    >>> flagged = pa.table({"type": ["tweets"], "id": [2], "action": ["delete"], "reason": ["deleted"]})
    >>> apply(pa.table({"id": ["1", "2"], "text": ["a", "b"]}), flagged).to_pylist()
    [{'id': '1', 'text': 'a'}]
    """
    answers = Answers(policy or Policy.default())
    for result in results:
        answers.take(as_results(result))
    erasures = Erasures.of(answers)
    drop, scrub = answers.until("drop"), answers.until("scrub_geo")
    said = told(columns, id_column, author_column, geo)
    native, wrap = unwrapped(frame)

    def applied(whole: Any) -> Any:
        mount = mounted(whole)
        small = mount.columns(said.named)
        there = find_columns(
            small.schema, id_column=id_column, author_column=author_column, geo=geo, columns=said.columns
        )
        there = there if said.says("embedded") else beside_texts(there, small)
        _require_author(there, sum(map(len, (erasures.drop_authors, erasures.scrub_authors, drop, scrub))))
        more = erasures.with_dropped([tweets_in(small, there, drop)])
        more = more.with_scrubbed([tweets_in(small, there, scrub)])
        more = more.with_dropped([tweets_by(small, there, erasures.drop_authors)])
        found = masks(small, there, more)
        return mount.erased(_changes(small, there, more, found), ~found.drop)

    return wrap(_lazily(with_open_words(native), applied) if is_lazy(native) else applied(native))


class _Answers:
    """Results, ready to be looked up by tweet ID and by author ID; the strictest of each ID comes first."""

    def __init__(self, results: Sequence[Any]) -> None:
        named = [_named(as_results(result)) for result in results]
        table = pa.concat_tables([_NAMED.empty_table(), *named])
        mildness = _mildness(table.column("compliance_reason"))
        up_to = table.column("up_to").fill_null(_ALL).to_numpy()
        order = np.lexsort((-up_to, mildness))
        self.table = table.take(order)
        self.mildness, self.up_to = mildness[order], up_to[order]

    def of(self, small: pa.Table, columns: Columns) -> pa.Table:
        """The columns to add to a frame of these rows."""
        row = self._first(self._of_type("tweets"), small, columns.id)
        users = self._of_type("users")
        _require_author(columns, len(users))
        if len(users) and columns.author_id is not None:
            tweets = ids_at(small, columns.id).fill_null(_ALL).to_numpy(zero_copy_only=False)
            for mildness in np.unique(self.mildness[users]):  # the strictest may reach less far than a milder one
                user = self._first(users[self.mildness[users] == mildness], small, columns.author_id)
                row = self._strictest(row, np.where(tweets <= self.up_to[user], user, -1))
        rows: Any = pa.array(row, mask=row < 0)
        return self.table.select(MATCHED.names).take(rows)

    def _of_type(self, job_type: str) -> IdArray:
        types = self.table.column("compliance_type")
        return np.flatnonzero(pc.equal(types, pa.scalar(job_type)).to_numpy())

    def _first(self, mine: IdArray, small: pa.Table, path: str) -> IdArray:
        """For each row of the frame the first of some results that is of its ID, or -1."""
        ids, first = np.unique(self.table.column("id").to_numpy()[mine], return_index=True)
        asked = ids_at(small, path)
        if not len(ids):
            return np.full(len(asked), -1)
        values = asked.fill_null(-1).to_numpy(zero_copy_only=False)
        at = np.minimum(np.searchsorted(ids, values), len(ids) - 1)
        return np.where(ids[at] == values, mine[first[at]], -1)

    def _strictest(self, tweets: IdArray, users: IdArray) -> IdArray:
        """Of two results for each row the one that asks for more; the tweet's own where they ask for the same."""
        instead = (users >= 0) & ((tweets < 0) | (self.mildness[tweets] > self.mildness[users]))
        return np.where(instead, users, tweets)


_NAMED = MATCHED.append(pa.field("id", pa.int64())).append(pa.field("up_to", pa.int64()))
#: The last tweet of those who have none: all of theirs are concerned.
_ALL: Final = 2**63 - 1


def _mildness(reasons: Any) -> IdArray:
    """0 where a reason drops rows, 2 where it asks for less, and 1 where no policy knows it of itself."""
    mildness = [0 if treatment == "drop" else 2 for treatment in TREATMENTS.values()]
    known = pc.index_in(reasons, value_set=pa.array(list(TREATMENTS))).fill_null(len(mildness))
    return np.asarray(np.array([*mildness, 1], np.int64)[known.to_numpy()])


def _named(table: pa.Table) -> pa.Table:
    """A table of results under the names that a frame gets."""
    missing = [name for name in ("type", "id", "action", "reason") if name not in table.schema.names]
    if missing:
        raise PlanError(f"this is not a table of results: it has no column {', '.join(missing)}")
    columns: list[Any] = [words(table.column(name)) for name in ("type", "action", "reason")]
    times = MATCHED.field("compliance_redacted_at").type
    known = "redacted_at" in table.schema.names
    columns += [table.column("redacted_at").cast(times) if known else pa.nulls(len(table), times)]
    ids = [
        parse_ids(table.column(name), column=name) if name in table.schema.names else pa.nulls(len(table), pa.int64())
        for name in ("id", "up_to")
    ]
    return pa.Table.from_arrays([*columns, *ids], schema=_NAMED)


def _lazily(frame: Any, change: Callable[[Any], Any]) -> Any:
    """Put a lazy frame through a change when it is collected; whatever is wrong with its columns is said now."""
    with running(frame):
        empty = frame.collect_schema().to_frame()
    shape = change(empty).schema
    return frame.map_batches(
        change, predicate_pushdown=False, projection_pushdown=False, slice_pushdown=False, schema=shape
    )


def _require_author(columns: Columns, users: int) -> None:
    if users and columns.author_id is None:
        raise PlanError("users were flagged, and no column of author IDs was found; name it with author_column=")


def _changes(small: pa.Table, columns: Columns, erasures: Erasures, found: Masks) -> dict[str, Change]:
    """The top-level columns that change, whole, and the rows in which they do."""
    work, rows = small, {}
    if found.scrub.any():
        work = without_places(work, columns, found.scrub)
        for path in columns.geo or ():
            rows[path] = found.scrub
    for path, cells in found.embedded.items():
        if cells.any():
            work = without_embedded(work, path, erasures, columns.embedded, where=cells > 0)
            rows[path] = cells > 0
    changed: dict[str, Change] = {}
    for path, where in rows.items():
        name = small.schema.names[head_of(small.schema, path)]
        before = changed[name][1] if name in changed else np.zeros(len(where), bool)
        changed[name] = (work.column(name), before | where)
    return changed
