"""What was found in a dataset of whatever tool: which column is what, how sure that is, and why."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, Final, Literal

import pyarrow as pa
import pyarrow.types as pt

from compliance_frames.corpus import show
from compliance_frames.corpus.accounts import is_account
from compliance_frames.corpus.columns import Columns, hashed_authors, rounded_references, text_columns
from compliance_frames.corpus.dataset import list_files, opened
from compliance_frames.corpus.ecosystems import ECOSYSTEMS, PLACE, REPEATED
from compliance_frames.corpus.flat import beside_content, beside_reference
from compliance_frames.corpus.mounts import mounted
from compliance_frames.corpus.paths import Names, field_at, is_text, type_at, wrapper_of
from compliance_frames.corpus.rawschema import raw_schema
from compliance_frames.corpus.references import says_how
from compliance_frames.corpus.texts import holds_text
from compliance_frames.corpus.told import Sight, Told, told
from compliance_frames.corpus.within import bare_type
from compliance_frames.errors import PlanError
from compliance_frames.ids.naming import plain

Role = Literal["id", "author_id", "created_at", "geo", "references", "embedded"]
#: ``told``: somebody said so. ``certain``: a tool that is known calls it so. ``likely``: by its name or what it holds.
#: ``not used``: it was noticed, and cannot be used or is to be left alone.
Sure = Literal["told", "certain", "likely", "not used"]

_ROLES: Final[tuple[Role, ...]] = ("id", "author_id", "created_at", "geo", "references", "embedded")
#: Names that say enough by themselves.
_SPEAKING: Final = {
    *("id_str", "tweet_id", "tweet_id_str", "status_id", "status_id_str", "author_id", "user.id_str", "user.id"),
    *("author.id", "actor.id", "from_user_id", "created_at", "parsed_created_at"),
}
_SCHEMA: Final = pa.schema(dict.fromkeys(("role", "column", "sure", "why"), pa.string())).insert(
    0, pa.field("files", pa.int64())
)


@dataclass(frozen=True)
class Finding:
    """A column, and what it is taken for.

    Attributes:
        role: what it is.
        column: its path.
        sure: how sure that is.
        why: in words.
    """

    role: Role
    column: str
    sure: Sure
    why: str


@dataclass(frozen=True)
class Layout:
    """Columns that some files of a dataset have.

    Attributes:
        files: how many; 1 for a frame.
        example: the path of one of them.
        ecosystem: the tool or format that calls columns so, or None where none is known.
        columns: the ones to look at.
        findings: each of them, and others that were noticed.
    """

    files: int
    example: str
    ecosystem: str | None
    columns: Columns
    findings: tuple[Finding, ...]


@dataclass(frozen=True, repr=False)
class FoundColumns:
    """What :func:`columns` found. It shows itself as text, and as a table in a notebook.

    Attributes:
        source: what was looked at.
        layouts: one for all files that agree; the one that most of them have comes first.
    """

    source: str
    layouts: tuple[Layout, ...]

    @property
    def columns(self) -> Columns:
        """The columns of all files, to be changed and told: ``dataclasses.replace(found.columns, geo=("lat",))``.

        Raises:
            PlanError: they differ from file to file.
        """
        every = {layout.columns for layout in self.layouts}
        if len(every) > 1:
            raise PlanError(
                f"the files of {self.source} have different columns: see .layouts. Planning finds those of each file "
                "by itself; to tell them, write columns=cf.Columns(id=…)"
            )
        return self.layouts[0].columns

    def to_arrow(self) -> pa.Table:
        """One row for each column: how many files have it so, what it is, how sure that is, and why."""
        rows = [{"files": layout.files, **vars(found)} for layout in self.layouts for found in layout.findings]
        return pa.Table.from_pylist(rows, schema=_SCHEMA)

    def __str__(self) -> str:
        return "\n\n".join(part for title, rows in self._tables() for part in (title, show.grid(rows)))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        parts = (f"<p><b>{escape(title)}</b></p>{show.html_table(rows)}" for title, rows in self._tables())
        return f"<div>{''.join(parts)}</div>"

    def _tables(self) -> Iterator[tuple[str, Sequence[show.Row]]]:
        for layout in self.layouts:
            some = "" if len(self.layouts) == 1 else f", {layout.files:,} file{'s' * (layout.files != 1)}"
            some += f" like {show.printable(layout.example)}" if some else ""
            kind = f": {layout.ecosystem}" if layout.ecosystem else ""
            head = ("role", "column", "sure", "why")
            rows = [(f.role, show.printable(f.column), f.sure, f.why) for f in layout.findings]
            yield f"Columns of {show.printable(self.source)}{some}{kind}", [head, *rows]


def columns(
    dataset: Any,
    *,
    columns: Columns | None = None,
    id_column: str | None = None,
    author_column: str | None = None,
    geo: Sequence[str] | None = None,
) -> FoundColumns:
    """Find tweet IDs, author IDs, times, places, references and embedded tweets in whatever a tool wrote.

    This is what ``plan`` finds by itself; look at it before, and tell it what is wrong. Only schemas and statistics
    are read: text that holds tweets under a name that does not say so, which ``plan`` finds by some of its values, is
    not shown.

    Args:
        dataset: a directory of Parquet files or of raw JSON and CSV, one such file, or a frame.
        columns, id_column, author_column, geo: what is known already, as for ``plan``.

    Raises:
        PlanError: there is no column of tweet IDs, or more than one that could be it; or a told column is not there.

    >>> print(columns(pa.table({"tweet_id": ["1"], "author_id": ["2"], "lat": [59.9], "h3": ["8a"]})))
    Columns of the Table
    <BLANKLINE>
    role       column     sure     why
    id         tweet_id   certain  called as tweet IDs are
    author_id  author_id  certain  called as author IDs are
    geo        lat        certain  a place, by its name
    geo        h3         likely   computed from a place, by its name: nulled with the others; geo=[…] settles it
    """
    said = told(columns, id_column, author_column, geo)
    if not isinstance(dataset, str | os.PathLike):
        schema = mounted(dataset).columns([]).schema
        layout = _layout(schema, said.find(schema), said)
        said.must_be_somewhere([schema])
        return FoundColumns(f"the {type(dataset).__name__}", (layout,))
    listing, every, schemas = list_files(dataset), dict[Any, Layout](), list[pa.Schema]()
    for source in listing.files:
        if source.parquet:
            with opened(listing.root, source) as file:
                sight = Sight.of(file, said)
                found, why = sight.within(file)
                layout = _layout(sight.schema, found, said, sight, why)
            schema = sight.schema
        else:
            keys = raw_schema(listing.root / source.path, said.id_column if said.columns is None else said.columns.id)
            if keys is None:
                continue
            schema, found = keys, said.find(keys)
            layout = _layout(schema, found, said)
        schemas.append(schema)
        known = every.get(layout.findings)
        every[layout.findings] = Layout(
            (known.files if known else 0) + 1,
            known.example if known else source.path,
            layout.ecosystem,
            found,
            layout.findings,
        )
    if not schemas:
        raise PlanError(f"{dataset} holds no Parquet file, and no tweets are seen in its files of JSON or CSV")
    said.must_be_somewhere(schemas)
    return FoundColumns(str(Path(dataset)), tuple(sorted(every.values(), key=lambda layout: -layout.files)))


def _layout(
    schema: pa.Schema, found: Columns, said: Told, sight: Sight | None = None, unusable: str | None = None
) -> Layout:
    names = Names(schema)
    ecosystem = next((each.name for each in ECOSYSTEMS if all(map(names.find, each.marks))), None)
    findings = [*_used(schema, found, said, ecosystem), *_not_used(schema, found)]
    column = None if sight is None else sight.columns.author_id or sight.pointed
    if column is not None and unusable is not None:
        findings.append(Finding("author_id", column, "not used", unusable))
    findings.sort(key=lambda finding: (_ROLES.index(finding.role), finding.sure == "not used"))
    return Layout(1, "", ecosystem, found, tuple(findings))


def _used(schema: pa.Schema, found: Columns, said: Told, ecosystem: str | None) -> Iterator[Finding]:
    inside = wrapper_of(schema, found.id)
    for role in _ROLES:
        value = getattr(found, role)
        for path in (value,) if isinstance(value, str) else value or ():
            if _is_told(said, role):
                yield Finding(role, path, "told", "told")
            elif role == "geo":
                yield Finding(role, path, *_of_place(path))
            elif role == "references":
                yield Finding(role, path, *_of_reference(schema, path, inside))
            elif role == "embedded":
                yield Finding(role, path, *_of_embedded(schema, path))
            else:
                yield Finding(role, path, *_of_name(schema, role, path, inside, ecosystem))


def _is_told(said: Told, role: Role) -> bool:
    if said.columns is not None:
        return said.columns.says(role)
    return {"id": said.id_column, "author_id": said.author_column, "geo": said.geo}.get(role) is not None


def _of_name(schema: pa.Schema, role: Role, path: str, inside: str, ecosystem: str | None) -> tuple[Sure, str]:
    what = {"id": "tweet IDs", "author_id": "author IDs", "created_at": "times"}[role]
    bare = path.removeprefix(f"{inside}.") if inside else path
    if role == "id" and pt.is_floating(type_at(schema, path)):
        return "not used", "holds floating-point numbers, which cannot hold an ID: read the source again as strings"
    if ecosystem is not None:
        return "certain", f"what {ecosystem} calls its {what}"
    if plain(bare) in {plain(name) for name in _SPEAKING}:
        return "certain", f"called as {what} are"
    return "likely", f"called as {what} often are; say another if it is not"


def _of_place(path: str) -> tuple[Sure, str]:
    name = path.rpartition(".")[2]
    if PLACE.fullmatch(path) or PLACE.fullmatch(name) or name == "location" or "places" in path:
        return "certain", "a place, by its name"
    return "likely", "computed from a place, by its name: nulled with the others; geo=[…] settles it"


def _of_reference(schema: pa.Schema, path: str, inside: str) -> tuple[Sure, str]:
    kind = type_at(schema, path)
    other = beside_reference(schema, path, inside)
    if other is None and says_how(kind):
        return "certain", "other tweets and how the row stands to them"
    if other is None or other.open:
        return "likely", (
            "other tweets, and not how the row stands to them: a row goes with one where its text begins with 'RT @' "
            "or is_retweet says so"
        )
    by_author = "" if other.author is None else f", and its author's in {other.author!r}"
    if other.kind is not None:
        return "certain", f"ID of the tweet that a row repeats{by_author}, where {other.kind!r} says {other.says!r}"
    if any(each.kind and plain(each.id) == plain(path) for each in REPEATED):
        return "likely", "ID of a tweet that a row repeats or quotes, and no column says which: the row goes with it"
    return "certain", f"ID of the tweet that a row repeats{by_author}"


def _of_embedded(schema: pa.Schema, path: str) -> tuple[Sure, str]:
    kind: Any = bare_type(schema, path)
    if pt.is_struct(kind):
        account = is_account(path.rpartition(".")[2], kind)
        return "certain", "accounts of others" if account else "other tweets, whole"
    other = beside_content(schema, path)
    if other is None and holds_text(kind):
        return "likely", "text that may hold other tweets as JSON: looked into where a flagged ID stands in it"
    return "certain", f"what the tweet in {other.id!r} says" if other is not None else "told"


def _not_used(schema: pa.Schema, found: Columns) -> Iterator[Finding]:
    for path in hashed_authors(schema):
        if path != found.author_id:
            why = "hashes of author IDs, by its name: the service knows original IDs only"
            yield Finding("author_id", path, "not used", why)
    inside = wrapper_of(schema, found.id)
    for path in rounded_references(schema, inside):
        why = "floating-point numbers, which cannot hold an ID: retweets are not found by them; read it as strings"
        yield Finding("references", path, "not used", why)
    for path in text_columns(schema):
        if path not in found.embedded:
            yield Finding("embedded", path, "not used", "text, which by its name holds tweets, and was not told")
    profile = field_at(schema, "location")
    if profile is not None and is_text(profile.type) and "location" not in (found.geo or ()):
        yield Finding("geo", "location", "not used", "what authors wrote into their profiles; geo=[…] takes it, too")
