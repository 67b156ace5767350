"""The raw files of a dataset as a plan sees them: which are understood, and what cleaning each would do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from compliance_frames.corpus.columns import Columns
from compliance_frames.corpus.dataset import Listing, SourceFile
from compliance_frames.corpus.erase import Counts
from compliance_frames.corpus.erasures import Erasures
from compliance_frames.corpus.planned import FilePlan
from compliance_frames.corpus.rawauthors import authorship
from compliance_frames.corpus.rawfiles import Bad, must_be_readable, read_through
from compliance_frames.corpus.rawform import RawForm, has_column, understood
from compliance_frames.corpus.told import Told
from compliance_frames.corpus.until import Until
from compliance_frames.errors import IdError, PlanError, RawFileError
from compliance_frames.ids.sets import IdArray
from compliance_frames.raw.names import may_be_raw
from compliance_frames.schemas import BadLines, Others


@dataclass(frozen=True)
class RawFiles:
    """The files of a dataset that hold raw tweets.

    Attributes:
        listing: of the dataset.
        forms: how each is read, by its path.
        columns: where IDs and places are in each.
        bad: the lines of each that cannot be read, as far as it was planned.
        bad_lines: what becomes of those.
    """

    listing: Listing
    forms: Mapping[str, RawForm]
    columns: Mapping[str, Columns]
    bad_lines: BadLines = "error"
    bad: dict[str, Bad] = field(default_factory=dict)

    @classmethod
    def of(cls, listing: Listing, said: Told, others: Others, bad_lines: BadLines) -> RawFiles:
        """Look into every file that may hold raw tweets, by its name.

        Raises:
            PlanError: there is nothing to plan: no file holds tweets; or it is not clear where a file's IDs are.
            RawFileError: a file cannot be read, and is not to be left out anyway.
        """
        forms, columns = {}, {}
        for source in listing.files:
            if source.parquet or not may_be_raw(source.path):
                continue
            found = _understood(listing, source, said, others, bad_lines)
            if found is not None:
                forms[source.path], columns[source.path] = found
        if not forms and not any(source.parquet for source in listing.files):
            names = ", ".join(source.path for source in listing.files[:5])
            raise PlanError(f"{listing.root} holds no Parquet file, and no tweets are seen in {names}: nothing to plan")
        return cls(listing, forms, columns, bad_lines)

    @property
    def columns_with_authors(self) -> dict[str, Columns]:
        """Those of files in which there is more than tweets' IDs: it has to be known whose that is."""
        return {path: found for path, found in self.columns.items() if not self.forms[path].bare}

    def has_column(self, column: str) -> bool:
        """Whether a column, or key, that was told stands in one of them."""
        return any(has_column(self.listing.root / path, form, column) for path, form in self.forms.items())

    def tweets_of(self, erasures: Erasures) -> Iterator[IdArray]:
        """The tweets that go because of their author, in parts, unsorted."""
        for path, form in self.forms.items() if len(erasures.drop_authors) else ():
            told = authorship(self.listing.root / path, form, self.columns[path], erasures.drop_authors)
            yield from (tweets for tweets, _ in told)

    def tweets_until(self, until: Until) -> Iterator[IdArray]:
        """The tweets that users wrote up to their last one that is concerned, in parts, unsorted."""
        for path, form in self.forms.items() if len(until) else ():
            told = authorship(self.listing.root / path, form, self.columns[path], until.authors)
            for tweets, authors in told:
                yield tweets[until.covers(pa.array(tweets), pa.array(authors))]

    def planned(self, source: SourceFile, erasures: Erasures) -> FilePlan:
        """What cleaning one of them would do."""
        form, columns = self.forms[source.path], self.columns[source.path]
        try:
            reading = read_through(self.listing.root / source.path, form, columns, erasures)
        except IdError as error:
            told = f"{source.path}, {error}"
            raise IdError(told, column=error.column, row=error.row, value=error.value) from error
        except PlanError as error:
            raise type(error)(f"{source.path}, {error}") from error
        self.bad[source.path] = reading.bad
        counts: dict[str, Any] = vars(reading.counts)
        return FilePlan(
            path=source.path,
            decision="rewrite" if reading.changed else "copy",
            bytes=source.bytes,
            mtime_ns=source.mtime_ns,
            ctime_ns=source.ctime_ns,
            rows=counts["rows_in"],
            rows_dropped=counts["rows_dropped"],
            rows_scrubbed=counts["rows_scrubbed"],
            rows_unchecked=counts["rows_unchecked"],
            cells_nulled=counts["cells_nulled"],
            kinds=reading.counts.kinds,
            erased=None if reading.changed else "",
            why=_why(reading.counts, reading.bad, form),
            columns=columns,
            raw=form,
        )

    def must_be_readable(self) -> None:
        """Refuse lines that cannot be read, where nobody said what becomes of them."""
        must_be_readable({path: self.bad[path] for path in sorted(self.bad)}, self.bad_lines)


def _understood(
    listing: Listing, source: SourceFile, said: Told, others: Others, bad_lines: BadLines
) -> tuple[RawForm, Columns] | None:
    try:
        return understood(listing.root / source.path, said, bad_lines)
    except RawFileError:
        if others == "leave":
            return None
        raise
    except PlanError as error:
        raise PlanError(f"{source.path}: {error}") from error


def _why(counts: Counts, bad: Bad, form: RawForm) -> str:
    told = [
        (counts.rows_dropped, "record", "dropped"),
        (counts.rows_scrubbed, "place", "nulled"),
        (counts.cells_nulled, "embedded tweet", "taken out"),
    ]
    done = [f"{number:,} {what}{'s' * (number != 1)} {verb}" for number, what, verb in told if number]
    if bad.count:
        done.append(f"{bad.count:,} line{'s' * (bad.count != 1)} not read, to {form.bad_lines}")
    return f"raw: {', '.join(done)}" if done else "raw: nothing to erase among its IDs"
