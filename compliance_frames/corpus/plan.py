"""What cleaning a dataset would do to each of its files, decided before anything is written."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, Final, get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from compliance_frames.corpus.answers import Answers
from compliance_frames.corpus.authors import tweets_of_dropped_authors, tweets_until
from compliance_frames.corpus.columns import Columns, text_columns
from compliance_frames.corpus.dataset import BySchema, Listing, SourceFile, list_files, opened
from compliance_frames.corpus.dictionaries import WordLists, unused_words
from compliance_frames.corpus.erase import Counts, Masks, hits, located, unchecked_message
from compliance_frames.corpus.erasures import Erasures
from compliance_frames.corpus.kinds import Erased
from compliance_frames.corpus.leaves import Leaves, find_leaves
from compliance_frames.corpus.others import must_name_none
from compliance_frames.corpus.outside import Outside, in_metadata, in_name, must_not_name
from compliance_frames.corpus.planned import CameBack, counted_by_reason
from compliance_frames.corpus.planned import Decision as Decision
from compliance_frames.corpus.planned import FilePlan as FilePlan
from compliance_frames.corpus.planned import Flagged as Flagged
from compliance_frames.corpus.planned import Marked as Marked
from compliance_frames.corpus.planned import Plan as Plan
from compliance_frames.corpus.policy import Policy
from compliance_frames.corpus.rawplan import RawFiles
from compliance_frames.corpus.sampled import Samples
from compliance_frames.corpus.splice import splicing
from compliance_frames.corpus.threads import in_order
from compliance_frames.corpus.told import Sight, Told, told
from compliance_frames.errors import PlanError, UncheckedIdsError
from compliance_frames.ids.slices import HELD, IdSet, Spill
from compliance_frames.progress import Progress, ProgressCallback, silent
from compliance_frames.schemas import BadLines, Others, Unchecked

#: Bytes from which on a file is worth a thread.
_HEAVY: Final = 1 << 20

#: Rows that are remembered between planning a file and splicing it, and of all files together: 4 bytes each.
_MOST_MARKED: Final = 100_000
_ALL_MARKED: Final = 2_000_000

#: What a file holds that tells all of its columns with dictionaries.
_ARROW_SCHEMA: Final = b"ARROW:schema"
#: Why a file is rewritten none of whose rows is flagged: others' words may stand in it, erased ones among them.
_STALE = "its dictionaries list values that no row has"
#: Why another one is.
_TOLD = "rewritten as told"


def plan(
    dataset: str | os.PathLike[str],
    *results: Any,
    policy: Policy | None = None,
    ledger: Any = None,
    unchecked: Unchecked | None = None,
    id_column: str | None = None,
    author_column: str | None = None,
    geo: Sequence[str] | None = None,
    columns: Columns | None = None,
    others: Others = "copy",
    bad_lines: BadLines = "error",
    rewrite: Collection[str] = (),
    held: int = HELD,
    progress: ProgressCallback = silent,
) -> Plan:
    """Decide what cleaning a dataset takes, file by file. Nothing is written.

    A row goes when its tweet or its author was flagged, when it retweets a tweet that goes, or (on request) when
    nobody asked about it; its places go for ``scrub_geo``; tweets that go are taken out of the rows that embed
    them. Row groups that cannot hold a flagged ID, by their statistics, are not read; of the others only the
    columns of IDs are, one row group at a time. A file that loses little is spliced rather than rewritten, where it
    has nothing that only a rewrite can deal with.

    Args:
        dataset: a directory of Parquet files and of raw JSON or CSV, packed or not; or one such file. Of raw files
            every line that loses nothing keeps its bytes.
        results: tables as ``check``, ``read_results`` and ``read_events`` return them; anything with an Arrow stream.
            Of a user with ``up_to``, the tweets up to that ID are concerned and no others.
        policy: what each reason does; :meth:`Policy.default` when None.
        ledger: path of a ledger (or the ledger itself). It tells which tweets were asked about; its results count, and
            those that are given beside it.
        unchecked: what happens to rows whose tweet was never asked about, or that have no ID: ``"error"`` (the
            default when a ledger is given), ``"keep"`` or ``"drop"``. Without a ledger nobody knows which these are.
            That nobody asked about a tweet that a row repeats or quotes makes no row unchecked: ``check`` counts these.
        id_column: path of the tweet IDs (``"id"``, ``"tweet.id_str"``); found when None.
        author_column: path of the author IDs; found when None.
        geo: paths of the columns that hold places; found when None; ``[]`` says that there are none.
        columns: all of these at once, and where other tweets are: ``Columns(id=…, geo=[…], references=[…],
            embedded=[…])``. What it leaves out is found by name, text that holds tweets also by some of its values.
        others: what becomes of files that are neither Parquet nor raw tweets: ``"copy"`` takes them over as they are,
            and refuses one that names what has to go; ``"leave"`` leaves all of them out.
        bad_lines: what becomes of lines of raw files that are not JSON, or hold no tweet's ID: ``"error"`` refuses and
            names the first; ``"keep"`` keeps those in which nothing stands that has to go; ``"drop"`` leaves them out.
        rewrite: paths of files that are to be made anew even if nothing in them is flagged: statistics and Bloom
            filters of a file that somebody filtered carelessly may tell of rows that it has no more.
        held: how many IDs of each kind are held in memory, of those that a ledger tells. More of them lie on its disk,
            or on that of ``TMPDIR`` where that is set, in files without a name that end with the plan.
        progress: told after each file.

    Raises:
        PlanError: the dataset, a file of it or a column is not usable; the message names it.
        PolicyError: a reason has no treatment.
        UncheckedIdsError: rows were never asked about, and ``unchecked`` is ``"error"``.
        IdError: an ID column holds something else; or IDs are more than ``held``, and there is no room for them.

    >>> import tempfile
    >>> flagged = pa.table({"type": ["tweets"], "id": [2], "action": ["delete"], "reason": ["deleted"]})
    >>> with tempfile.TemporaryDirectory() as corpus:
    ...     pq.write_table(pa.table({"id": ["1", "2"], "text": ["a", "b"]}), f"{corpus}/part-0.parquet")
    ...     made = plan(corpus, flagged)
    >>> made.rows_in, made.rows_dropped, made.files[0].decision
    (2, 1, 'rewrite')
    """
    chosen = policy or Policy.default()
    said = told(columns, id_column, author_column, geo)
    if others not in get_args(Others):
        raise PlanError(f"others={others!r}: choose one of {', '.join(get_args(Others))}")
    if bad_lines not in get_args(BadLines):
        raise PlanError(f"bad_lines={bad_lines!r}: choose one of {', '.join(get_args(BadLines))}")
    with _answering(results, ledger, unchecked, held) as given:
        every = list_files(dataset)
        raw = RawFiles.of(every, said, others, bad_lines)
        listing, left = _taken(every, others, raw)
        _must_be_there(listing, rewrite)
        asked = given.asked_tweets()  # before the answers, which may grow meanwhile: none is taken for a silence
        answers = given.answers(chosen)
        back = given.came_back()
        erasures = Erasures(**answers.sets(), asked_tweets=asked, unchecked=given.unchecked)
    drop, scrub = answers.until("drop"), answers.until("scrub_geo")
    reach = erasures.with_authors(drop=drop.authors, scrub=scrub.authors, spill=given.spill)
    found = _find_all(listing, said, raw, reach, settled=not (len(drop) or len(scrub)))
    _require_authors(replace(found, columns={**found.columns, **raw.columns_with_authors}), reach)
    for until, more in ((drop, Erasures.with_dropped), (scrub, Erasures.with_scrubbed)):
        parts = chain(tweets_until(listing, found.columns, until), raw.tweets_until(until))
        erasures = more(erasures, parts, given.spill)
    named = tweets_of_dropped_authors(listing, found.columns, erasures, named_elsewhere=bool(raw.forms))
    erasures = erasures.with_dropped(chain(named, raw.tweets_of(erasures)), given.spill)
    must_not_name(found.outside, erasures)
    files = tuple(_planned(listing, found, raw, erasures, frozenset(rewrite), progress))
    raw.must_be_readable()
    _require_checked(files, erasures)
    return Plan(
        root=listing.root,
        files=files,
        policy=chosen,
        erasures=erasures,
        ignored=listing.ignored,
        job_ids=tuple(sorted(answers.job_ids)),
        checked_at=answers.checked_at,
        flagged=answers.flagged(),
        single_file=Path(dataset).is_file(),
        unread=found.unread,
        left=left,
        came_back=back,
    )


def as_results(result: Any) -> pa.Table:
    """A table of results from whatever holds one and exports an Arrow stream.

    >>> as_results(pa.table({"id": [1]})).num_rows
    1
    """
    if isinstance(result, pa.Table):
        return result
    if hasattr(result, "__arrow_c_stream__"):
        return pa.table(result)
    hint = "; read files with read_results(…)" if isinstance(result, str | os.PathLike) else ""
    raise PlanError(f"results are tables, as check(…) returns them, not {type(result).__name__}{hint}")


@dataclass(frozen=True)
class _Told:
    """Where results come from, and the tweets asked about.

    Attributes:
        tables: of results; of a ledger's, no ID comes twice.
        ledger: knows what was asked; None where there is none.
        unchecked: what happens to rows that were not asked about.
        spill: where IDs go that are too many.
        once: whether no ID comes twice.
    """

    tables: Iterable[pa.Table]
    ledger: Any
    unchecked: Unchecked
    spill: Spill
    once: bool

    def answers(self, policy: Policy) -> Answers:
        answers = Answers(policy, self.spill, once=self.once)
        for table in self.tables:
            answers.take(table)
        return answers

    def came_back(self) -> tuple[CameBack, ...]:
        return () if self.ledger is None else counted_by_reason(self.ledger.came_back())

    def asked_tweets(self) -> IdSet | None:
        return None if self.ledger is None else self.spill.keep(self.ledger.asked_parts("tweets"))


@contextmanager
def _answering(results: tuple[Any, ...], ledger: Any, unchecked: Unchecked | None, held: int) -> Iterator[_Told]:
    """The results: tables given by hand, or those of a ledger, a piece at a time."""
    if ledger is None:
        if not results:
            raise PlanError("nothing to plan with: give results, as check(…) returns them, or ledger=…")
        if unchecked in ("error", "drop"):
            raise PlanError(f"unchecked={unchecked!r} needs ledger=…: only a ledger knows what was asked")
        yield _Told([as_results(result) for result in results], None, unchecked or "keep", Spill(), once=False)
    elif isinstance(ledger, str | os.PathLike):
        from compliance_frames.jobs.ledger import Ledger

        with closing(Ledger.read(Path(ledger))) as opened, _answering(results, opened, unchecked, held) as given:
            yield given
    else:
        tables = chain([as_results(result) for result in results], ledger.result_batches())
        yield _Told(tables, ledger, unchecked or "error", Spill(ledger.spill_folder, held), once=not results)


def _taken(listing: Listing, others: Others, raw: RawFiles) -> tuple[Listing, tuple[str, ...]]:
    """The files that will be in the cleaned copy, and the paths of those that are left out of it."""
    if others == "copy":
        return listing, ()
    tweets = tuple(file for file in listing.files if file.parquet or file.path in raw.forms)
    return replace(listing, files=tweets), tuple(file.path for file in listing.files if file not in tweets)


def _must_be_there(listing: Listing, rewrite: Collection[str]) -> None:
    if isinstance(rewrite, str):
        raise PlanError(f"rewrite={rewrite!r} is one path; give a list of files: rewrite=[{rewrite!r}]")
    for path in sorted(set(rewrite) - {file.path for file in listing.files if file.parquet}):
        raise PlanError(f"there is no Parquet file {path!r} (told by rewrite): paths are relative to {listing.root}")


@dataclass(frozen=True)
class _Found:
    """The columns of each Parquet file.

    Attributes:
        columns: each found in the file's own schema.
        unread: columns of text that by their names hold tweets, and that are not to be looked into.
        unusable: why a file's column of authors is of no use, where it has one that is not.
        outside: numbers in names and in metadata, which may be IDs.
        clear: the plans of files that were seen to hold nothing to erase, without reading much: none is opened twice.
    """

    columns: dict[str, Columns]
    unread: tuple[str, ...]
    unusable: dict[str, str]
    outside: list[Outside]
    clear: dict[str, FilePlan]


def _find_all(listing: Listing, said: Told, raw: RawFiles, erasures: Erasures, *, settled: bool) -> _Found:
    """The columns of every file; ``settled`` says that what is to be erased is known by ID already."""
    found, unusable, clear, samples = {}, {}, {}, Samples()
    kinds = BySchema(lambda file: _Kind(Sight.of(file, said)))
    every: dict[int, pa.Schema] = {}
    drops = bool(len(erasures.drop_tweets) or len(erasures.drop_authors))
    outside: list[Outside] = []
    for source in listing.files:
        outside += in_name(source.path) if drops else ()
        if source.parquet:
            with opened(listing.root, source) as file:
                kind = kinds(file)
                here = kind.sight
                found[source.path], why = here.within(file)
                if drops:
                    here.must_know_references(file)
                    outside += in_metadata(source.path, file.metadata.metadata)
                if settled and not len(erasures.drop_authors):  # or there are more tweets to come
                    layout = kind.layout(file, found[source.path], erasures)
                    if source.bytes < _HEAVY or layout.tells_words(file):
                        made = _clear(listing.root, source, file, found[source.path], erasures, layout)
                        clear.update({source.path: made} if made else {})
                if erasures.erase_anything and not said.says("embedded") and samples.wants(found[source.path]):
                    samples.look(file, found[source.path])
            if why is not None:
                unusable[source.path] = f"column {(here.columns.author_id or here.pointed)!r} {why}"
            every[id(here)] = here.schema
    schemas = list(every.values())
    if schemas or raw.forms:
        said.must_be_somewhere(schemas, raw.has_column)
    whole = {path: samples.beside(columns) for path, columns in found.items()}
    read = {path for columns in set(whole.values()) for path in columns.embedded}
    unread = {name for schema in schemas for name in text_columns(schema)} - read
    clear = {path: made for path, made in clear.items() if whole[path] == found[path]}
    return _Found(whole, tuple(sorted(unread)), unusable, outside, clear)


def _planned(
    listing: Listing,
    found: _Found,
    raw: RawFiles,
    erasures: Erasures,
    anew: frozenset[str],
    progress: ProgressCallback,
) -> Iterator[FilePlan]:
    layout = BySchema(lambda file, columns: _Layout.of(file, columns, erasures))

    def look(source: SourceFile) -> FilePlan:
        if source.path in found.clear and source.path not in anew:
            return found.clear[source.path]
        if source.parquet:
            made = _plan_file(listing.root, source, found.columns[source.path], erasures, layout)
            return replace(made, decision="rewrite", why=f"{made.why}; {_TOLD}") if source.path in anew else made
        if source.path in raw.forms:
            return raw.planned(source, erasures)
        must_name_none(listing.root / source.path, source.path, (erasures.drop_tweets, erasures.drop_authors))
        why = "not Parquet: goes over as it is; verifying searches its bytes for IDs"
        return FilePlan(source.path, "copy", *source.stamp, None, why=why)

    plans = in_order(look, listing.files, heavy=lambda source: source.bytes >= _HEAVY)
    left = _ALL_MARKED
    for number, made in enumerate(plans, start=1):
        left -= _weight(made.marked)
        yield made if left >= 0 else replace(made, marked=None)
        progress(Progress("plan", listing.root.name, number, len(listing.files), "files", made.path))


@dataclass(frozen=True)
class _Layout:
    """What of some files is to be looked at."""

    leaves: Leaves
    lists: WordLists

    @classmethod
    def of(cls, file: pq.ParquetFile, columns: Columns, erasures: Erasures) -> _Layout:
        return cls(find_leaves(file, columns, erasures), WordLists.of(file.schema_arrow))

    def tells_words(self, file: pq.ParquetFile) -> bool:
        """Whether it tells which dictionaries of a file list values that no row has, and none has to be read."""
        return not self.lists.beside and _ARROW_SCHEMA in (file.metadata.metadata or {})


class _Kind:
    """What is known of the files with one schema while their columns are looked for."""

    def __init__(self, sight: Sight) -> None:
        self.sight = sight
        self._layouts: dict[str | None, _Layout] = {}

    def layout(self, file: pq.ParquetFile, columns: Columns, erasures: Erasures) -> _Layout:
        """That of these columns, which differ from the schema's in the column of authors at most."""
        found = self._layouts.get(columns.author_id)
        if found is None:
            found = self._layouts[columns.author_id] = _Layout.of(file, columns, erasures)
        return found


def _clear(
    root: Path,
    source: SourceFile,
    file: pq.ParquetFile,
    columns: Columns,
    erasures: Erasures,
    layout: _Layout,
) -> FilePlan | None:
    """The plan of a file that can be copied, by its statistics; None where more has to be known."""
    groups = [file.metadata.row_group(number) for number in range(file.num_row_groups)]
    if any(group.num_rows and layout.leaves.may_be_hit(group, erasures) for group in groups):
        return None
    if erasures.erase_anything and unused_words(root / source.path, file, layout.lists):
        return None
    rows = file.metadata.num_rows
    return FilePlan(source.path, "copy", *source.stamp, rows, why=_why(Counts(rows, rows), 0), columns=columns)


def _plan_file(
    root: Path, source: SourceFile, columns: Columns, erasures: Erasures, layout_of: Callable[..., _Layout]
) -> FilePlan:
    with opened(root, source) as file:
        layout = layout_of(file, columns)
        counts, marked, touched, erased = Counts(), dict[int, Marked | None](), {}, Erased()
        for number, here, seen in _row_groups(file, layout.leaves, columns, erasures):
            counts += here
            if seen is not None:
                marked[number] = _marked(here, seen)
            if here.touched:
                touched[number] = here
                erased.take(number, seen.digest if seen is not None else None)
        why = _why(counts, len(marked))
        if touched:
            decision, why = _decided(root / source.path, file, columns, touched, layout, why)
        elif erasures.erase_anything and unused_words(root / source.path, file, layout.lists):
            decision, why = "rewrite", _STALE
        else:
            decision = "copy"
    return FilePlan(
        path=source.path,
        decision=decision,
        bytes=source.bytes,
        mtime_ns=source.mtime_ns,
        ctime_ns=source.ctime_ns,
        rows=counts.rows_in,
        rows_dropped=counts.rows_dropped,
        rows_scrubbed=counts.rows_scrubbed,
        rows_unchecked=counts.rows_unchecked,
        cells_nulled=counts.cells_nulled,
        kinds=counts.kinds,
        erased=erased.digest,
        why=why,
        columns=columns,
        marked=_all_marked(marked) if decision == "splice" else None,
    )


def _row_groups(
    file: pq.ParquetFile, leaves: Leaves, columns: Columns, erasures: Erasures
) -> Iterator[tuple[int, Counts, Masks | None]]:
    """What happens to each row group, and to each of its rows where it had to be read."""
    first_row = 0
    for number in range(file.num_row_groups):
        group = file.metadata.row_group(number)
        if group.num_rows and leaves.may_be_hit(group, erasures):
            found = _masks(file, number, leaves, columns, erasures, first_row=first_row)
            yield number, found.counts, found
        else:
            yield number, Counts(rows_in=group.num_rows, rows_kept=group.num_rows), None
        first_row += group.num_rows


def _masks(
    file: pq.ParquetFile, group: int, leaves: Leaves, columns: Columns, erasures: Erasures, *, first_row: int
) -> Masks:
    """What happens to one row group; its places are read only where some have to go."""
    found = hits(_read(file, group, leaves.ids), columns, erasures, first_row=first_row)
    if found.scrub.any():
        places = _read(file, group, leaves.placed) if leaves.placed else pa.table({})
        found = located(found, places, columns)
    return found


def _marked(counts: Counts, found: Masks) -> Marked | None:
    """What is to be known of a row group to splice it without its IDs; None where that is not enough."""
    if counts.cells_nulled or (counts.rows_scrubbed > _MOST_MARKED and not counts.rows_dropped):
        return None
    scrubbed = found.scrub if not counts.rows_dropped else np.zeros(0, bool)
    return Marked(counts, np.flatnonzero(scrubbed).astype(np.int32))


def _all_marked(marked: Mapping[int, Marked | None]) -> dict[int, Marked] | None:
    known = {number: each for number, each in marked.items() if each is not None}
    return known if len(known) == len(marked) and _weight(known) <= _MOST_MARKED else None


def _weight(marked: Mapping[int, Marked] | None) -> int:
    """How many rows take as much memory as this; a row group takes as much as a hundred by itself."""
    return sum(100 + len(each.scrub) for each in (marked or {}).values())


def _read(file: pq.ParquetFile, group: int, paths: Sequence[str]) -> pa.Table:
    return file.read_row_group(group, columns=list(paths), use_threads=False)  # files are read side by side already


def _decided(
    path: Path, file: pq.ParquetFile, columns: Columns, touched: Mapping[int, Counts], layout: _Layout, why: str
) -> tuple[Decision, str]:
    """What to do with a file, by what its row groups lose, and why; ``why`` begins with what its rows tell."""
    found = splicing(path, file, columns, touched, layout.lists)
    if found.reason is None:
        return "splice", f"{why}; {found.made:,} of {found.of:,} column chunks made anew, the others copied"
    return "rewrite", f"{why}; not spliced: {found.reason}" if found.reason else why


def _why(counts: Counts, groups_read: int) -> str:
    told = [
        (counts.rows_dropped, "row", "dropped"),
        (counts.rows_scrubbed, "place", "nulled"),
        (counts.cells_nulled, "embedded tweet", "taken out"),
    ]
    done = [f"{number:,} {what}{'s' * (number != 1)} {verb}" for number, what, verb in told if number]
    if done:
        return ", ".join(done)
    return "nothing to erase among its IDs" if groups_read else "its statistics rule out every flagged ID"


def _require_authors(found: _Found, erasures: Erasures) -> None:
    """Users results reach a row by its author; where there is no such column they would silently do nothing."""
    for path, columns in found.columns.items() if len(erasures.drop_authors) or len(erasures.scrub_authors) else ():
        if columns.author_id is None:
            why = found.unusable.get(path, "no column of author IDs was found")
            raise PlanError(f"{path}: users were flagged, and {why}; name the one with their IDs with author_column=")


def _require_checked(files: Sequence[FilePlan], erasures: Erasures) -> None:
    rows = sum(file.rows_unchecked for file in files)
    if rows and erasures.unchecked == "error":
        raise UncheckedIdsError(unchecked_message(rows, files=sum(file.rows_unchecked > 0 for file in files)))
