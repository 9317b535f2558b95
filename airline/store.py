"""Databases: one per service, made at first use, written in short transactions at READ COMMITTED.

SQLite (a laptop) allows one writer at a time and lets the others poll. Ours queue on a file lock instead, which
wakes the next one at once; the lock of a killed process is released by the kernel.
"""

import atexit
import fcntl
import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, Insert, Table, create_engine, event
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry

from airline.errors import TryAgain
from airline.settings import settings

T = TypeVar("T")
ATTEMPTS = 5
RERUN_SQLSTATES = {"40001", "40P01"}
"""serialization_failure and deadlock_detected; MySQL and MariaDB say 1213 and 1205."""
RERUN_ERRNOS = {1205, 1213}


def database() -> Engine:
    """The engine of this service's own database (DATABASE_URL)."""
    return engine(settings().database_url)


@functools.cache
def engine(url: URL) -> Engine:
    """One engine per URL and process. Its pool is closed when the process ends, as it does on SIGTERM."""
    made = _sqlite(url) if url.get_backend_name() == "sqlite" else _server(url)
    atexit.register(made.dispose)
    return made


def _server(url: URL) -> Engine:
    return create_engine(
        url,
        isolation_level="READ COMMITTED",
        pool_size=settings().threads,
        max_overflow=0,
        pool_pre_ping=True,
    )


def _sqlite(url: URL) -> Engine:
    made = create_engine(url, pool_size=settings().threads, max_overflow=0) if url.database else create_engine(url)
    event.listen(made, "connect", _prepare_sqlite)
    event.listen(made, "begin", _begin_immediate)
    return made


def _prepare_sqlite(connection: Any, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # sqlite3 would open its transactions too late, and deferred
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=20000"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN" if connection.get_execution_options().get("reading") else "BEGIN IMMEDIATE")


@contextmanager
def _writers_turn(url: URL) -> Iterator[None]:
    """First come, first served among the writers of one SQLite file, across threads and processes."""
    if url.get_backend_name() != "sqlite" or not url.database:
        yield
        return
    lock = os.open(f"{url.database}-writer", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


@contextmanager
def reading(source: Engine | None = None) -> Iterator[Connection]:
    """A connection for queries: it sees one state of the database and waits for no writer."""
    with _reachable(), (source or database()).connect().execution_options(reading=True) as connection:
        yield connection


def commit(work: Callable[[Connection], T], target: Engine | None = None) -> T:
    """Runs `work` in one transaction and commits it; whatever it raises rolls back.

    A violated key, a deadlock or a serialization failure runs it again: by then the other one is visible.
    Raises TryAgain when that did not help or the database is out of reach.
    """
    target = target or database()
    for _ in range(ATTEMPTS):
        try:
            with _reachable(), _writers_turn(target.url), target.begin() as transaction:
                return work(transaction)
        except DBAPIError as error:
            if not _rerun_helps(error):
                raise
            latest = error
    raise TryAgain("The database is too busy; try again.") from latest


def _rerun_helps(error: DBAPIError) -> bool:
    origin = error.orig
    return (
        isinstance(error, IntegrityError)
        or getattr(origin, "sqlstate", None) in RERUN_SQLSTATES
        or (bool(origin.args) and origin.args[0] in RERUN_ERRNOS if origin else False)
    )


@contextmanager
def _reachable() -> Iterator[None]:
    try:
        yield
    except PoolTimeout as error:
        raise TryAgain("The database is too busy; try again.") from error
    except OperationalError as error:
        if _rerun_helps(error):
            raise
        raise TryAgain("The database is out of reach; try again.") from error


@functools.cache
def _if_absent(table: Table, dialect: str) -> Insert:
    if dialect == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    if dialect == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return mysql.insert(table).prefix_with("IGNORE")


def insert_if_absent(transaction: Connection, table: Table, **row: Any) -> bool:
    """Inserts the row unless its key is there; waits for another transaction that is inserting it.

    Returns whether the row is ours. This is how a first delivery is told from a repeat.
    """
    return transaction.execute(_if_absent(table, transaction.dialect.name), row).rowcount == 1
