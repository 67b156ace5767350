"""Prove that a cleaned dataset holds nothing that had to go, by code that shares nothing with the cleaning."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from compliance_frames.corpus.manifest import Manifest, manifest_path
from compliance_frames.errors import VerificationError
from compliance_frames.progress import ProgressCallback, silent
from compliance_frames.proof import inventory, statement
from compliance_frames.proof.advice import ways_out
from compliance_frames.proof.erased import Answers, Erased, erased_by, read_answers
from compliance_frames.proof.evidence import Evidence
from compliance_frames.proof.findings import number
from compliance_frames.proof.group import Sought
from compliance_frames.proof.proof import Check as Check
from compliance_frames.proof.proof import Proof as Proof
from compliance_frames.proof.rescan import Found, rescan
from compliance_frames.proof.sampling import Sample
from compliance_frames.proof.search import Likely, Needles
from compliance_frames.proof.short import ShortIds
from compliance_frames.proof.source import source_problems, tweets_of_authors
from compliance_frames.proof.survey import Survey
from compliance_frames.proof.until import UNLOOKED, until, with_tweets

#: Of a dataset that is not clean at all, nobody reads every problem.
MOST_PROBLEMS: Final = 100


class _Problems:
    """The first problems, and how many there are."""

    def __init__(self) -> None:
        self.first: list[str] = []
        self.count = 0

    def __call__(self, sentence: str) -> None:
        self.count += 1
        if len(self.first) < MOST_PROBLEMS:
            self.first.append(sentence)

    def all_of(self, sentences: Iterable[str]) -> None:
        """Take every sentence."""
        for sentence in sentences:
            self(sentence)

    def settle(self, destination: Path) -> None:
        """Raise what was found, if anything was."""
        if not self.count:
            return
        more = self.count - len(self.first)
        told = (*self.first, f"and {more:,} more") if more else tuple(self.first)
        some = "" if self.count == 1 else f" (the first of {self.count:,} problems)"
        raise VerificationError(
            f"{destination} is not what was promised: {self.first[0]}{some}. Publish nothing of it; "
            f"{ways_out(self.first)}",
            problems=told,
        )


def verify(
    destination: str | os.PathLike[str],
    *results: Any,
    source: str | os.PathLike[str] | None = None,
    ledger: Any = None,
    manifest: str | os.PathLike[str] | None = None,
    sample: float | None = None,
    seed: int = 0,
    progress: ProgressCallback = silent,
) -> Proof:
    """Look into every file of a cleaned dataset for what had to go.

    The dataset is read again, with every nested column, and each ID in it is held against the results: in rows, in
    the tweets they repeat or hold, in dictionary pages, statistics, metadata and file names. Files are counted and
    hashed against the manifest. Of what ``clean`` did, only the manifest is believed.

    Args:
        destination: the cleaned dataset.
        results: tables as ``check``, ``read_results`` and ``read_events`` return them; they may be newer than those
            that were applied. Of a user with ``up_to``, the tweets of the dataset up to that ID are concerned.
        source: the dataset it was made from. Its files are held against the manifest too, and tweets of authors who
            had to go are known by it, where others repeat them.
        ledger: path of a ledger (or the ledger itself): it tells what was asked; its results count, and those that are
            given beside it.
        manifest: where the manifest lies, if not beside the dataset.
        sample: look into this part of the row groups only (``0.1``: one in ten), and say so. Files are hashed, and
            their names and footers looked at, all the same.
        seed: of the choice of row groups.
        progress: told after each file.

    Returns:
        What was checked, and what was not.

    Raises:
        VerificationError: something was found (``.problems`` holds a sentence for each thing, up to a hundred), there
            is no manifest, or there is nothing to verify against.

    >>> import tempfile, pyarrow as pa, pyarrow.parquet as pq
    >>> import compliance_frames as cf
    >>> flagged = pa.table({"type": ["tweets"], "id": [2], "action": ["delete"], "reason": ["deleted"]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "corpus").mkdir()
    ...     pq.write_table(pa.table({"id": ["1", "2"], "text": ["a", "b"]}), f"{folder}/corpus/part-0.parquet")
    ...     _ = cf.clean(cf.plan(f"{folder}/corpus", flagged), f"{folder}/clean")
    ...     proof = verify(f"{folder}/clean", flagged)
    >>> proof.verified, proof.files, proof.rows
    (True, 1, 1)
    """
    chosen = None if sample is None else Sample(sample, seed)
    root = Path(os.path.abspath(destination))  # noqa: PTH100 - resolve() would follow a link to another's manifest
    told = Manifest.read(Path(manifest) if manifest is not None else manifest_path(root))
    if not root.is_dir():
        raise VerificationError(f"there is no dataset at {destination}", problems=(f"{destination} is missing",))
    answers = read_answers(results, ledger)
    last = until(answers, told.policy)
    erased = with_tweets(erased_by(answers, told.policy), last, told, _datasets(root, source) if last else ())
    problems, original = _Problems(), None if source is None else Path(source)
    survey = _survey(root, told, answers, erased, original, problems, sample=chosen, progress=progress)
    survey.unlooked.update([UNLOOKED] if last else [])
    counted = _judged(rescan(survey.batches(), survey.sought.erased), survey, told, problems)
    problems.settle(root)
    proof = _proof(root, told, answers, erased, counted, survey, chosen, with_source=source is not None)
    return replace(proof, evidence=Evidence.of(told, answers, erased, ledger))


def _datasets(root: Path, source: str | os.PathLike[str] | None) -> tuple[Path, ...]:
    return (root,) if source is None else (root, Path(source))


def _survey(
    root: Path,
    manifest: Manifest,
    answers: Answers,
    erased: Erased,
    source: Path | None,
    problems: _Problems,
    *,
    sample: Sample | None,
    progress: ProgressCallback,
) -> Survey:
    """The walk that is to be made, once it was told what can be seen without it."""
    _inventory(root, manifest, problems)
    gone = erased if source is None else _gone_by_source(source, manifest, erased, problems)
    must_erase = len(erased) > 0 or any(record.rows_dropped for record in manifest.files)
    asked = answers.asked.get("tweets") if answers.asked else None
    needles, scrubbed = Needles.of(gone), Needles(np.concatenate([gone.scrub_tweets, gone.scrub_authors]))
    short, bare = ShortIds(gone.drop_tweets, gone.drop_authors), ShortIds(gone.scrub_tweets, gone.scrub_authors)
    sought = Sought(gone, needles, Likely.of(gone), asked, must_erase, scrubbed, short, bare)
    same = None if problems.count else source
    return Survey(root, manifest, sought=sought, sample=sample, source=same, problems=problems, progress=progress)


def _gone_by_source(source: Path, manifest: Manifest, erased: Erased, problems: _Problems) -> Erased:
    """What must be gone, and the tweets that only the source tells of, if it is still the same."""
    found = list(source_problems(source, manifest))
    problems.all_of(found)
    return erased if found else erased.with_dropped(tweets_of_authors(source, manifest, erased))


def _inventory(root: Path, manifest: Manifest, problems: _Problems) -> None:
    problems.all_of(inventory.record_problems(manifest))
    problems.all_of(inventory.strays(root, manifest))


def _judged(found: list[Found], survey: Survey, manifest: Manifest, problems: _Problems) -> Counter[str]:
    """Tell what was found where it must not be, and count what may be there."""
    counted = survey.counted.copy()
    for each in found:
        problem = survey.problem(each)
        if problem is not None:
            problems(problem)
        spot = survey.spots[each.spot]
        if spot.unsaid and each.treatment == "drop":
            counted["unsaid"] += each.looked_at
            survey.unsaid.add(spot.column)
        elif spot.role == "mention" and each.treatment == "drop":
            counted["mentioned"] += each.looked_at
    counted["unasked"] = survey.unasked.total()
    for file, rows in sorted(survey.unasked.items()) if manifest.unchecked != "keep" else ():
        problems(f"{file}: {number(rows, 'row')} of tweets that were never asked about, which the plan did not keep")
    return counted


def _proof(
    root: Path,
    manifest: Manifest,
    answers: Answers,
    erased: Erased,
    counted: Counter[str],
    survey: Survey,
    sample: Sample | None,
    *,
    with_source: bool,
) -> Proof:
    places = bool(len(erased.scrub_tweets) or len(erased.scrub_authors))
    if sample is not None:
        sample = sample.looked_into(counted["groups looked into"], counted["groups"])
    return Proof(
        destination=root,
        files=len(manifest.files),
        rows=counted["rows"],
        asked={kind: len(ids) for kind, ids in answers.asked.items()} or None,
        flagged=answers.flagged,
        job_ids=answers.job_ids,
        verified_at=datetime.now(UTC).replace(microsecond=0),
        checks=tuple(statement.checks(manifest, counted, answers, erased, with_source=with_source)),
        not_checked=tuple(
            statement.not_checked(manifest, survey, counted, answers, sample, places=places, with_source=with_source)
        ),
        statement=statement.statement(root, answers, erased, sample, raw=bool(counted["raw files"])),
        sample=sample,
    )
