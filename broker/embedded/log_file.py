"""The file of the log: its schema in each version, its lock, and how it is opened.

WAL with synchronous FULL: after a commit the change survives a kill and a power cut (macOS: a power cut only as far as
its fsync goes).
"""

import fcntl
import os
import sqlite3
from pathlib import Path
from typing import TextIO

_SCHEMA = (
    """
CREATE TABLE events (
    offset INTEGER PRIMARY KEY, partition INTEGER NOT NULL, stored_at INTEGER NOT NULL,
    attributes TEXT NOT NULL, data BLOB);
CREATE TABLE triggers (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, ordered INTEGER NOT NULL);
CREATE TABLE deliveries (
    trigger_id INTEGER NOT NULL, lane INTEGER NOT NULL, offset INTEGER NOT NULL,
    PRIMARY KEY (trigger_id, lane, offset)) WITHOUT ROWID;
CREATE TABLE kept (
    id INTEGER PRIMARY KEY, trigger_key TEXT NOT NULL, offset INTEGER NOT NULL, kept_at INTEGER NOT NULL,
    reason TEXT NOT NULL, attributes TEXT NOT NULL, data BLOB);
""",
    """
ALTER TABLE events ADD COLUMN correlation TEXT;
ALTER TABLE events ADD COLUMN wanted TEXT NOT NULL DEFAULT '[]';
CREATE INDEX events_by_correlation ON events (correlation) WHERE correlation IS NOT NULL;
CREATE TABLE attempts (
    offset INTEGER NOT NULL, trigger_id INTEGER NOT NULL, to_sink INTEGER NOT NULL, place INTEGER NOT NULL,
    number INTEGER NOT NULL, began_at REAL NOT NULL, ended_at REAL NOT NULL, failure TEXT, next_at REAL, ending TEXT,
    PRIMARY KEY (offset, trigger_id, to_sink, place)) WITHOUT ROWID;
""",
    """
CREATE TABLE kept_once (
    id INTEGER PRIMARY KEY AUTOINCREMENT, trigger_key TEXT NOT NULL, source TEXT NOT NULL, event_id TEXT NOT NULL,
    offset INTEGER NOT NULL, kept_at INTEGER NOT NULL, times INTEGER NOT NULL DEFAULT 1, reason TEXT NOT NULL,
    attributes TEXT NOT NULL, data BLOB, UNIQUE (trigger_key, source, event_id));
INSERT OR REPLACE INTO kept_once (id, trigger_key, source, event_id, offset, kept_at, reason, attributes, data)
    SELECT id, trigger_key, json_extract(attributes, '$.source'), json_extract(attributes, '$.id'), offset, kept_at,
        reason, attributes, data FROM kept ORDER BY id;
DROP TABLE kept;
ALTER TABLE kept_once RENAME TO kept;
""",
)  # what makes each version of the one before it
LARGEST_WAL = 16 * 1024 * 1024
"""Bytes that the write-ahead log keeps once what is in it has reached the file."""


class WrongSchemaError(RuntimeError):
    """The file belongs to another version of this broker, or to another program."""


class LogInUseError(RuntimeError):
    """Another broker works on this file."""


class LogGoneError(RuntimeError):
    """The file was deleted, or another one has taken its name: what is written to it goes with this process."""


def locked(path: Path) -> TextIO:
    """The log counts its offsets in memory, so it must be alone; a killed process leaves no lock behind."""
    file = path.with_name(path.name + ".lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise LogInUseError(f"{path} is used by another broker") from error
    return file


def opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # of a new file; it must come before everything else
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA journal_size_limit = {LARGEST_WAL}")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA busy_timeout = 5000")
    return connection


class SameFile:
    """Notices when a name means a different file than at first, or none."""

    def __init__(self, path: Path) -> None:
        self._path, self._first = str(path), path.stat()  # a Path would put its name together at each look

    def check(self) -> None:
        """Raises LogGoneError."""
        try:
            same = os.path.samestat(os.stat(self._path), self._first)
        except OSError as error:
            raise LogGoneError(f"the broker's database {self._path} is gone ({error.strerror})") from error
        if not same:
            raise LogGoneError(f"the broker's database {self._path} was replaced by another file")


def bring_up_to_date(connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(_SCHEMA):
        raise WrongSchemaError(f"the broker's database has schema {version}, this broker knows {len(_SCHEMA)}")
    if version < len(_SCHEMA):
        missing = "".join(_SCHEMA[version:])
        connection.executescript(f"BEGIN; {missing} PRAGMA user_version = {len(_SCHEMA)}; COMMIT;")
