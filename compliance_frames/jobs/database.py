"""The SQLite file of a ledger: made whole or not at all, durable at every commit, its damage told in words."""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from compliance_frames.errors import LedgerError

DATABASE = "ledger.sqlite"
_APPLICATION = 0x43464C31  # the first four letters of a file of this kind, in SQLite's header
_VERSION = 1
_SCHEMA = """
CREATE TABLE ledger (name TEXT NOT NULL);
CREATE TABLE chunks (
    id INTEGER PRIMARY KEY,
    batch INTEGER NOT NULL,
    type TEXT NOT NULL,
    state TEXT NOT NULL,
    ids INTEGER NOT NULL,
    first_id INTEGER NOT NULL,
    last_id INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    job_name TEXT,
    job_id INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,
    flagged INTEGER,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    checked_at INTEGER,
    error TEXT
);
"""


def is_ledger(folder: Path) -> bool:
    """Whether a directory holds a ledger."""
    return (folder / DATABASE).is_file()


def opened(path: Path) -> sqlite3.Connection:
    """The writer's connection to a database, made where it is not there yet."""
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    path.chmod(0o600)
    with damage_told(path.parent):
        database = sqlite3.connect(path, check_same_thread=False, timeout=10)
        try:
            database.row_factory = sqlite3.Row
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            if database.execute("PRAGMA application_id").fetchone()[0] == 0:
                _make(database)
            check_version(database, path.parent)
        except BaseException:
            database.close()
            raise
    return database


@contextmanager
def reading(folder: Path) -> Iterator[sqlite3.Connection]:
    """A reader's connection, for as long as it takes; it waits for nobody, and nobody waits for it.

    A process that was killed leaves its last changes beside the database, and whoever opens it next has to bring them
    in: also a reader, who therefore must be able to write where that is permitted.
    """
    with damage_told(folder):
        database = _opened_for_reading(folder / DATABASE)
        try:
            database.row_factory = sqlite3.Row
            yield database
        finally:
            database.close()


def _opened_for_reading(path: Path) -> sqlite3.Connection:
    address = path.absolute().as_uri()
    database = sqlite3.connect(f"{address}?mode=rw", uri=True, timeout=10)
    try:
        database.execute("PRAGMA query_only = ON")
        database.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.OperationalError:  # a disk that is read-only
        database.close()
        # Even a reader makes files beside a database of this kind, unless it is told that nobody changes it.
        still = "" if path.with_name(f"{path.name}-wal").exists() else "&immutable=1"
        return sqlite3.connect(f"{address}?mode=ro{still}", uri=True, timeout=10)
    return database


def _make(database: sqlite3.Connection) -> None:
    # One transaction: a process that dies in the middle leaves an empty file, which the next one makes anew.
    database.executescript(
        f"BEGIN; {_SCHEMA} INSERT INTO ledger VALUES ('{secrets.token_hex(4)}');"  # noqa: S608
        f"PRAGMA application_id = {_APPLICATION}; PRAGMA user_version = {_VERSION}; COMMIT;"
    )


def check_version(database: sqlite3.Connection, folder: Path) -> None:
    """Raise where a database is of something else, or of a version not known yet."""
    application = database.execute("PRAGMA application_id").fetchone()[0]
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if not application and not database.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
        raise LedgerError(f"The ledger {folder} is empty: the run that began to make it was ended. Run that again.")
    if application != _APPLICATION:
        raise LedgerError(f"{folder} is no ledger of this package, or its database is damaged.")
    if version > _VERSION:
        raise LedgerError(f"The ledger {folder} is of version {version}; this package knows {_VERSION}. Upgrade it.")


@contextmanager
def damage_told(folder: Path) -> Iterator[None]:
    """Say what is wrong with a database in terms of the ledger."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise LedgerError(
            f"The ledger {folder} cannot be used: {error}. Is its disk full, or not to be written? What was reached is "
            "kept: mend that and run again."
        ) from error
    except sqlite3.DatabaseError as error:
        raise LedgerError(
            f"The ledger {folder} is damaged ({error}). Put a copy of it back, or begin a new one; "
            "the IDs are asked again then."
        ) from error
