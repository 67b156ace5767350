"""The commit record of a cleaned dataset: what was read, what was written, and by which rules.

It lies *beside* the dataset (``clean.manifest.json`` for ``clean/``), because readers of a dataset directory stumble
over foreign files inside it. It holds counts, sizes, digests and relative file names: no tweet or user ID, no text, and
no path of the machine that wrote it. The file is one JSON object::

    {
      "format": "compliance-frames manifest",
      "version": 1,                          a reader refuses a version that is newer than itself
      "digest": "9f86…",                     SHA-256 of all the rest, so that damage is seen
      "tool_version": "0.1.0",
      "written_at": "2024-05-01T12:00:00+00:00",
      "source": "corpus",                    the dataset's name, not its path
      "plan_digest": "2c26…",                what was planned; the same plan gives the same dataset
      "policy": {"deleted": "drop", …},
      "unchecked": "keep",                   what became of rows whose ID was never asked
      "job_ids": ["1423091…"],               JSON numbers lose digits in some readers
      "checked_at": ["…", "…"] or null,      the oldest and the newest answer used
      "columns": [{"id": "id", "author_id": "author_id", "geo": ["geo"], …}],
      "files": [{"path": "date=2024-05-01/part-0.parquet", "columns": 0, "sha256": "…", "raw": null, …}],
      "ignored": [".DS_Store"]               hidden and temporary files, and those left out, which were not taken
    }

A byte of a name that is no UTF-8 stands in it as the escape of a lone surrogate, as Python has it (``\\udc80`` to
``\\udcff``): ``caf\\udce9.parquet`` is a name of twelve bytes. So each is there exactly, in one spelling only.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, get_args

from compliance_frames.documents import parsed, read_document
from compliance_frames.durable import sync_directory
from compliance_frames.errors import VerificationError
from compliance_frames.names import inside
from compliance_frames.schemas import RawKind, Treatment, Unchecked

FORMAT: Final = "compliance-frames manifest"
VERSION: Final = 1
#: A damaged manifest is not repeated in the sentence about it.
_MOST_SAID: Final = 300

Decision = Literal["copy", "splice", "rewrite"]
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_JOB: Final = re.compile(r"[0-9]{1,20}")
_COUNTS: Final = ("source_bytes", "bytes", "rows_dropped", "rows_scrubbed", "rows_unchecked")
_COUNTS_OF_PARQUET: Final = ("columns", "rows_in", "rows_kept")


@dataclass(frozen=True)
class ColumnPaths:
    """The columns that were looked at in some of the files, each named by its path (``"user.id_str"``).

    Attributes:
        id: the tweet's ID.
        author_id: its author's ID, or None where there is no such column.
        created_at: when it was written, or None.
        geo: the columns with places; None where none was found, ``()`` where it was told that there are none.
        references: lists of ``{type, id}``, and flat columns with the ID of the tweet that a row repeats.
        embedded: structs, or lists of structs, that hold other tweets whole.
    """

    id: str
    author_id: str | None = None
    created_at: str | None = None
    geo: tuple[str, ...] | None = None
    references: tuple[str, ...] = ()
    embedded: tuple[str, ...] = ()


@dataclass(frozen=True)
class FileRecord:
    """One file of the dataset, as it was and as it is.

    Attributes:
        path: relative to the dataset, with ``/`` between its parts.
        decision: ``"copy"``: the same bytes; ``"splice"``: the bytes of the column chunks and row groups that lost
            nothing, and the others made anew; ``"rewrite"``: decoded, erased, encoded as the source was.
        columns: which entry of :attr:`Manifest.columns` says where its IDs are; None where it is neither.
        source_bytes: size of the source file.
        source_sha256: SHA-256 of the source file, in hexadecimal.
        bytes: size of the cleaned file.
        sha256: SHA-256 of the cleaned file, in hexadecimal.
        rows_in: rows of the source, or records of a raw file; None where it is neither Parquet nor raw tweets.
        rows_kept: rows of the cleaned file; ``rows_in == rows_kept + rows_dropped``. None where it is not Parquet.
        rows_dropped: rows that are gone.
        rows_scrubbed: rows kept with their places nulled.
        rows_unchecked: rows whose ID was never asked; 0 where nobody knows what was asked.
        notes: one sentence for each thing that could not be kept as it was in the source.
        kinds: why rows went, and what was taken out of others: names and numbers; nothing where nobody counted. Those
            that begin with ``dropped_`` add up to ``rows_dropped``.
        erased: a digest of which rows lost what, by their numbers; None where that cannot be said.
        raw: how it is read, where it holds raw tweets: rows are its records then; None for Parquet and other files.
        delimiter: what stands between the fields of a raw table, or None.
    """

    path: str
    decision: Decision
    columns: int | None
    source_bytes: int
    source_sha256: str
    bytes: int
    sha256: str
    rows_in: int | None
    rows_kept: int | None
    rows_dropped: int = 0
    rows_scrubbed: int = 0
    rows_unchecked: int = 0
    notes: tuple[str, ...] = ()
    kinds: Mapping[str, int] = field(default_factory=dict, hash=False)
    erased: str | None = None
    raw: RawKind | None = None
    delimiter: str | None = None


@dataclass(frozen=True)
class Manifest:
    """What a cleaned dataset is made of, and from what.

    Attributes:
        tool_version: of the package that wrote it.
        written_at: when, with its time zone.
        source: the name of the source dataset, without the way to it.
        plan_digest: digest of the plan that was carried out.
        policy: reason to treatment.
        unchecked: what became of rows whose ID was never asked.
        job_ids: the compliance jobs whose results were applied.
        checked_at: the oldest and the newest answer applied, or None where there was none.
        columns: each distinct set of columns that some file was read by.
        files: every file of the dataset, in the order of their paths.
        ignored: files of the source that were not taken: hidden and temporary ones, and those that were left out.
        version: of this format.

    >>> record = FileRecord("a.parquet", "copy", 0, 9, "ab" * 32, 9, "ab" * 32, rows_in=1, rows_kept=1)
    >>> manifest = Manifest(
    ...     tool_version="0.1.0", written_at=datetime.fromisoformat("2024-05-01T12:00:00+00:00"), source="corpus",
    ...     plan_digest="2c26", policy={"deleted": "drop"}, unchecked="keep", job_ids=(7,), checked_at=None,
    ...     columns=(ColumnPaths("id"),), files=(record,))
    >>> Manifest.from_json(manifest.to_json()) == manifest
    True
    >>> manifest.columns_of(record).id
    'id'
    """

    tool_version: str
    written_at: datetime
    source: str
    plan_digest: str
    policy: Mapping[str, Treatment]
    unchecked: Unchecked
    job_ids: tuple[int, ...]
    checked_at: tuple[datetime, datetime] | None
    columns: tuple[ColumnPaths, ...]
    files: tuple[FileRecord, ...]
    ignored: tuple[str, ...] = ()
    version: int = field(default=VERSION)

    def columns_of(self, record: FileRecord) -> ColumnPaths:
        """The columns that a Parquet file of the dataset was read by.

        Raises:
            ValueError: the file is not Parquet, so nobody looked into it.
        """
        if record.columns is None:
            raise ValueError(f"{record.path} is not Parquet: it has no columns")
        return self.columns[record.columns]

    def to_json(self) -> str:
        """The manifest as text, the same for equal manifests."""
        content = _content(self)
        return json.dumps({**content, "digest": _digest(content)}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """The manifest that a text holds.

        Raises:
            VerificationError: it is no manifest, was damaged, or is of a newer version.
        """
        content = _checked(text)
        try:
            return _manifest(content)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            said = str(error)[:_MOST_SAID]
            raise VerificationError(f"the manifest does not hold what it must ({said}): it was damaged") from error

    def write(self, path: Path) -> None:
        """Write the manifest, whole or not at all, for the owner's eyes only (mode 0600).

        Raises:
            OSError: there is no room, or no permission.
        """
        part = path.with_name(f".{path.name}.part")
        try:
            part.unlink(missing_ok=True)  # a killed run's: its mode may be anything
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                file.write(self.to_json())
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        sync_directory(path.parent)

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Read a manifest.

        Raises:
            VerificationError: there is none, it cannot be read, it was damaged, or it is of a newer version.
        """
        try:
            return cls.from_json(read_document(path))
        except FileNotFoundError:
            raise _problem(
                f"there is no manifest {path}: the dataset beside it was not finished by this tool"
            ) from None
        except (OSError, ValueError) as error:
            raise _problem(f"the manifest {path} cannot be read: {error}") from error
        except VerificationError as error:
            raise _problem(f"{path}: {error}") from error


def manifest_path(destination: str | os.PathLike[str]) -> Path:
    """Where the manifest of a cleaned dataset lies: beside it.

    >>> manifest_path("out/clean/").as_posix()
    'out/clean.manifest.json'
    """
    dataset = Path(destination)
    if dataset.name in {"", ".."}:  # "." and "..", whose own name stands elsewhere
        dataset = dataset.resolve()
    return dataset.with_name(f"{dataset.name}.manifest.json")


def _content(manifest: Manifest) -> dict[str, Any]:
    """A manifest as JSON has it, without its digest."""
    content = {key: value for key, value in _fields(manifest).items() if key != "version"}
    seen = manifest.checked_at
    return {
        "format": FORMAT,
        "version": manifest.version,
        **content,
        "written_at": manifest.written_at.isoformat(),
        "policy": dict(sorted(manifest.policy.items())),
        "job_ids": [str(job) for job in manifest.job_ids],
        "checked_at": None if seen is None else [moment.isoformat() for moment in seen],
        "columns": [dict(vars(paths)) for paths in manifest.columns],
        "files": [dict(vars(record)) for record in manifest.files],
    }


def _fields(record: Manifest) -> dict[str, Any]:
    """The fields of a manifest by their names, in their order, none of them copied."""
    return {each.name: getattr(record, each.name) for each in fields(record)}


def _digest(content: Mapping[str, Any]) -> str:
    """SHA-256 of the content, however its JSON is laid out."""
    plain = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(plain.encode()).hexdigest()


def _checked(text: str) -> dict[str, Any]:
    """The JSON object of a text that calls itself a manifest, is of a known version, and is undamaged."""
    try:
        content = parsed(text)
    except ValueError as error:
        raise VerificationError(f"this is no manifest, or half of one: {str(error)[:_MOST_SAID]}") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise VerificationError(f"this is no manifest: its format is not {FORMAT!r}")
    version = content.get("version")
    if type(version) is not int or version < 1:
        raise VerificationError(f"the manifest has no version that makes sense: {repr(version)[:40]}")
    if version > VERSION:
        raise VerificationError(
            f"the manifest is of version {version}, and this release reads versions up to {VERSION}; "
            "upgrade compliance-frames to read it"
        )
    said = content.pop("digest", None)
    if said != _digest(content):
        raise VerificationError("the manifest was changed after it was written: its digest does not agree with it")
    return content


def _manifest(content: dict[str, Any]) -> Manifest:
    content = {key: value for key, value in content.items() if key != "format"}
    seen = content["checked_at"]
    manifest = Manifest(
        **{
            **content,
            "written_at": _moment(content["written_at"]),
            "policy": {reason: _one_of(Treatment, value) for reason, value in content["policy"].items()},
            "unchecked": _one_of(Unchecked, content["unchecked"]),
            "job_ids": tuple(_job(job) for job in _list(content["job_ids"])),
            "checked_at": None if seen is None else _span(seen),
            "columns": tuple(_columns(**each) for each in _list(content["columns"])),
            "files": tuple(_file(**each) for each in _list(content["files"])),
            "ignored": _texts(content["ignored"]),
        }
    )
    _texts([manifest.tool_version, manifest.source, manifest.plan_digest])
    for record in manifest.files:
        if record.columns is not None and record.columns >= len(manifest.columns):
            raise ValueError(f"{record.path} names columns that are not there")
    return manifest


def _columns(**told: Any) -> ColumnPaths:
    """What a file was read by; every name a text."""
    geo = told.get("geo")
    lists = {name: _texts(told.get(name, [])) for name in ("references", "embedded")}
    found = ColumnPaths(**{**told, **lists, "geo": None if geo is None else _texts(geo)})
    _texts([found.id, *(name for name in (found.author_id, found.created_at) if name is not None)])
    return found


def _file(**told: Any) -> FileRecord:
    """What a reader relies on without asking: paths stay inside the dataset, counts are numbers and are conserved."""
    record = FileRecord(**{**told, "notes": _texts(told.get("notes", []))})
    inside(record.path)
    _one_of(Decision, record.decision)
    if record.raw is not None:
        _one_of(RawKind, record.raw)
        if record.columns is None or record.rows_in is None or (record.raw == "csv" and record.delimiter is None):
            raise ValueError(f"{record.path} is a raw file of which too little is told")
    if record.delimiter is not None and not (isinstance(record.delimiter, str) and len(record.delimiter) == 1):
        raise ValueError(f"{record.delimiter!r} parts no fields")
    for digest in (record.sha256, record.source_sha256):
        if not (isinstance(digest, str) and _SHA256.fullmatch(digest)):
            raise ValueError(f"{digest!r} is no SHA-256")
    for name in _COUNTS:
        _count(getattr(record, name))
    for name in _COUNTS_OF_PARQUET:
        _count(0 if getattr(record, name) is None else getattr(record, name))
    if record.rows_in is not None and record.rows_in != (record.rows_kept or 0) + record.rows_dropped:
        raise ValueError(f"the rows of {record.path} do not add up")
    for number in record.kinds.values():
        _count(number)
    if record.erased and not _SHA256.fullmatch(record.erased):
        raise ValueError(f"{record.erased!r} is no SHA-256")
    return record


def _texts(values: Any) -> tuple[str, ...]:
    """Values that are all texts, as they are."""
    if not all(isinstance(value, str) for value in _list(values)):
        raise ValueError("what is to be a list of texts is none")
    return tuple(values)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{value!r} is no list")
    return value


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} counts nothing")
    return value


def _job(value: Any) -> int:
    if not (isinstance(value, str) and _JOB.fullmatch(value)):
        raise ValueError(f"{value!r} is no job")
    return int(value)


def _one_of(choices: Any, value: Any) -> Any:
    if value not in get_args(choices):
        raise ValueError(f"{value!r} is none of {', '.join(get_args(choices))}")
    return value


def _span(value: Any) -> tuple[datetime, datetime]:
    first, last = _list(value)
    return _moment(first), _moment(last)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"the time {text} has no time zone")
    return moment


def _problem(sentence: str) -> VerificationError:
    return VerificationError(sentence, problems=(sentence,))
