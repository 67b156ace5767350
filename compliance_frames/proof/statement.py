"""The words of a proof: what is claimed of a dataset, what was checked for it, and what was not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from compliance_frames.corpus.manifest import Manifest
from compliance_frames.proof.erased import Answers, Erased
from compliance_frames.proof.proof import Check
from compliance_frames.proof.sampling import Sample
from compliance_frames.proof.survey import Survey


def statement(root: Path, answers: Answers, erased: Erased, sample: Sample | None = None, *, raw: bool = False) -> str:
    """What a proof claims, in one sentence; it never says more than what was looked for.

    ``raw`` says that there are files of raw tweets.
    """
    gone = [(len(erased.drop_tweets), "tweet"), (len(erased.drop_authors), "author")]
    bare = len(erased.scrub_tweets) + len(erased.scrub_authors)
    kind = "Parquet or raw file" if raw else "Parquet file"
    where = f"no {kind} under {root}" if sample is None else f"none of a sample of {sample}, under {root},"
    claim = (
        f"{where} contains a row, a retweet or an embedded copy of the "
        f"{' or '.join(_number(count, what) for count, what in gone)} that had to go, "
        f"or a place of the {_number(bare, 'tweet or author', 'tweets or authors')} that had to lose theirs"
    )
    return f"As of {_jobs(answers.job_ids)}{_when(answers)}, {_asked(answers)}, {claim}."


def checks(
    manifest: Manifest, counted: Counter[str], answers: Answers, erased: Erased, *, with_source: bool
) -> Iterator[Check]:
    """What was checked and found in order, the rows first."""
    yield Check("tweets", "tweet IDs of rows looked up by DuckDB: none had to go", counted["tweet"])
    yield Check("authors", "author IDs of rows looked up: none had to go", counted["author"])
    repeated = counted["retweet"] + counted["embedded retweet"]
    yield Check("retweets", "tweets that rows, or tweets inside of them, repeat: none had to go", repeated)
    embedded = counted["embedded tweet"] + counted["embedded author"] + counted["account"]
    yield Check(
        "embedded",
        "IDs of tweets and accounts inside of rows, and of authors of those tweets: none had to go",
        embedded,
    )
    places = len(erased.scrub_tweets) + len(erased.scrub_authors)
    yield Check("places", "tweets and authors that had to lose their places: every column of places is null", places)
    kept = f"bare IDs of other tweets and users, kept by policy; {counted['mentioned']:,} of them name what had to go"
    yield Check("mentions", kept, counted["mention"])
    yield Check(
        "texts", "texts and numbers of other columns that name what had to go, kept by policy", counted["texts"]
    )
    if answers.asked:
        yield Check("unchecked", "rows of tweets that were never asked about, kept by plan", counted["unasked"])
    yield Check("rows", "each file has the rows of the manifest, and what came in was kept or dropped", counted["rows"])
    yield Check(
        "files", "the files of the manifest are there, and SHA-256 of each is the manifest's", len(manifest.files)
    )
    if with_source:
        same = "rows of files made anew are the source's, in order, places and tweets inside of them aside"
        yield Check("kept rows", same, counted["kept"])
        texts = "texts of rows that went, a few of each file made anew, searched for in its pages: none"
        yield Check("erased texts", texts, counted["erased texts"])
        yield Check("source", "files of the source have the digests and rows of the manifest", len(manifest.files))
    yield Check("strays", "other files, links, or leftovers of a run in the dataset or beside it", 0)
    yield from _residue(counted, len(erased) > 0)


def not_checked(
    manifest: Manifest,
    survey: Survey,
    counted: Counter[str],
    answers: Answers,
    sample: Sample | None,
    *,
    places: bool,
    with_source: bool,
) -> Iterator[str]:
    """What a reader might think was checked, and was not."""
    if sample is not None and sample.groups < sample.of:
        rest = _number(sample.of - sample.groups, "row group")
        yield f"the rows and pages of {rest}: this is a sample of {sample}"
    yield (
        "IDs of less than 11 digits, as many users have, outside of columns of IDs: in texts and in names, unless a "
        "key there says that they are IDs, in metadata, and in files that are not Parquet"
    )
    if survey.unsaid:
        rows, named = counted["unsaid"], ", ".join(map(repr, sorted(survey.unsaid)))
        yield (
            f"whether {_number(rows, 'row')} {'repeats' if rows == 1 else 'repeat'} a tweet that had to go: {named} "
            f"{'names' if len(survey.unsaid) == 1 else 'name'} it, does not say how the row stands to it, and the row "
            "does not look like a retweet"
        )
    yield "what is only named: an ID or a name written in a tweet's text, or a link to it"
    yield (
        "text that is encoded otherwise than as itself, in JSON or as Python writes its objects: digits as escapes, "
        "JSON in more than three strings of JSON, base64 or a picture in a column"
    )
    if places:
        yield (
            "places elsewhere than beside a tweet's ID, and in texts but those of columns that by their names or the "
            "manifest hold tweets as JSON"
        )
    other = sum(record.columns is None for record in manifest.files)
    if other:
        kind = f"{_number(other, 'file')} that {'is' if other == 1 else 'are'} not Parquet"
        yield f"what {kind} {'says' if other == 1 else 'say'} by anything but IDs: only those were looked for"
    if survey.unplaced:
        named = ", ".join(repr(name) for name in sorted(survey.unplaced))
        yield f"columns that look like places, where it was told that there are none: {named}"
    yield from sorted(survey.unlooked)
    if not with_source:
        yield "the source: whether it is unchanged, and retweets of tweets whose author had to go"
    unheard = sorted(set(manifest.job_ids) - set(answers.job_ids))
    if unheard:
        yield f"what {_jobs(tuple(unheard))} said, by which the dataset was cleaned: no answer of theirs was given"
    if not answers.asked:
        yield "whether every tweet was asked about: only a ledger knows"


def _residue(counted: Counter[str], must_erase: bool) -> Iterator[Check]:
    unused = "every entry is the value of some row" if must_erase else "nothing had to go, so entries were not compared"
    yield Check("dictionaries", f"dictionary pages decoded: {unused}", counted["dictionaries"])
    searched = "bytes of pages decompressed and searched for IDs, in digits and in eight bytes: none but those of rows"
    yield Check("pages", searched, counted["bytes"])
    bounds = "smallest and largest values in footers, pages and page indexes: none had to go, and rows have them"
    yield Check("statistics", bounds, counted["statistics"])
    if counted["raw files"]:
        yield Check("raw files", "raw files read again, record by record: none had to go", counted["raw files"])
    if counted["others"]:
        yield Check("other files", "files that are not Parquet, unpacked and searched for IDs: none", counted["others"])
    names = counted["metadata"] + counted["names"]
    yield Check("metadata", "numbers in metadata and in names of files that can be IDs: none had to go", names)
    yield Check("Bloom filters", "Bloom filters made again from the rows: no bit more is set", counted["blooms"])


def _jobs(jobs: tuple[int, ...]) -> str:
    if not jobs:
        return "the results given"
    named = ", ".join(str(job) for job in jobs[:5])
    more = f" and {len(jobs) - 5:,} more" if len(jobs) > 5 else ""
    return f"{'job' if len(jobs) == 1 else 'jobs'} {named}{more}"


def _when(answers: Answers) -> str:
    if answers.span is None:
        return ""
    first, last = (_minute(moment) for moment in answers.span)
    return f", asked at {first}" if first == last else f", asked between {first} and {last}"


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M %Z}"


def _asked(answers: Answers) -> str:
    if not answers.asked:
        return f"for the {_number(answers.flagged, 'ID')} flagged"
    tweets, users = (len(answers.asked.get(kind, ())) for kind in ("tweets", "users"))
    return f"for the {_number(tweets, 'tweet ID')} and {_number(users, 'user ID')} asked about"


def _number(count: int, what: str, many: str = "") -> str:
    return f"{count:,} {what if count == 1 else many or what + 's'}"
