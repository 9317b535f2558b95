"""Databases: one per service, written in short transactions at READ COMMITTED.

SQLite (a laptop) allows one writer at a time and lets the others poll, up to 100 ms at a time. Our processes take turns
by a file lock, which they look at more often; the lock of a killed process is released by the kernel. The threads of
one process take turns as well, and commit for each other (together.py).

connections.py has the engines and their time limits, database_errors.py what their errors mean.
"""

import fcntl
import functools
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    Insert,
    Row,
    Select,
    Table,
    UniqueConstraint,
    Update,
    delete,
    false,
    func,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError, IntegrityError

from choreography import connections, database_errors, prepared, sqlite_file, together, tracing
from choreography.connections import Writing
from choreography.database_errors import TRANSLATED
from choreography.errors import TryAgain
from choreography.settings import settings

T = TypeVar("T")
ATTEMPTS = 5
TURN_SECONDS, LOOK_EVERY = 8.0, 0.002
"""How long a writer of a SQLite file waits for its turn, and how often it looks."""
PRESENT = 2**63 - 1
"""What MySQL returns for a row that was there already; never an id that it generates."""

_locks: dict[str, int] = {}
_writers: defaultdict[Engine, together.Group] = defaultdict(together.Group)


def database() -> Engine:
    """The engine of this service's own database (DATABASE_URL)."""
    return connections.at(settings().database_url)


class _WritersTurn:
    """One process at a time that writes to a SQLite file. Entering raises TimeoutError."""

    def __init__(self, engine: Engine) -> None:
        self._lock = _lock_of(str(engine.url.database)) if sqlite_file.is_file(engine.url) else None

    def __enter__(self) -> None:
        if self._lock is not None:
            _take(self._lock, time.monotonic() + TURN_SECONDS)

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            fcntl.flock(self._lock, fcntl.LOCK_UN)


def _take(lock: int, deadline: float) -> None:
    # flock cannot wait for a time, and its holder may be frozen
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TimeoutError(f"another writer has held the file for {TURN_SECONDS:.0f} s") from None
            time.sleep(LOOK_EVERY)


def _lock_of(database: str) -> int:
    # for all threads of the process, which have taken their turn when they come here
    if database not in _locks:
        _locks[database] = os.open(f"{database}-writer", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    return _locks[database]


def ready() -> None:
    """What a readiness probe asks for: the database answers. Raises TryAgain where it does not."""
    with reading() as connection:
        connection.execute(text("SELECT 1"))


@contextmanager
def reading(source: Engine | None = None) -> Iterator[Connection]:
    """A connection for queries, which wait for no writer. On SQLite all of them see one state of the database."""
    with tracing.inside("database: read"), TRANSLATED, connections.connect(source or database()) as connection:
        if connection.dialect.name == "sqlite":
            prepared.begin(connection, "BEGIN")
        yield connection


def commit(work: Callable[[Connection], T], target: Engine | None = None) -> T:
    """Runs `work` in one transaction and commits it; whatever it raises rolls back.

    A violated key, a deadlock or a serialization failure runs it again: by then the other one is visible. On SQLite it
    may run in the transaction of another thread, and again where somebody else's work fails.
    Raises TryAgain when that did not help or the database is out of reach, Invalid when a value does not fit,
    IntegrityError when a rule of the database stays violated.
    """
    engine = target or database()
    with tracing.inside("database: transaction"):
        if sqlite_file.is_file(engine.url):
            return _writers[engine].commit(work, lambda all_: _commit(all_, engine))
        # commits on a server wait for its disk together, and rows locked for several events could deadlock
        return _commit(work, engine)


def _commit(work: Callable[[Connection], T], target: Engine) -> T:
    for attempt in range(ATTEMPTS):
        if attempt:
            tracing.note({"db.reruns": attempt})
        try:
            with (
                TRANSLATED,
                _WritersTurn(target),
                Writing(target) as transaction,
                transaction.begin(),
            ):
                if sqlite_file.is_file(target.url):
                    prepared.begin(transaction, "BEGIN IMMEDIATE")  # or the first write would seem to have failed
                return work(transaction)
        except DBAPIError as error:
            if not database_errors.rerun_helps(error):
                raise
            latest = error
    if isinstance(latest, IntegrityError):
        raise latest
    raise TryAgain("The database is too busy; try again.") from latest


@functools.cache
def _if_absent(table: Table, dialect: str) -> Insert:
    # a dialect is up to a tenth of the imports of a cold start: import only the one in use
    if dialect == "sqlite":
        from sqlalchemy.dialects import sqlite  # noqa: PLC0415

        return sqlite.insert(table).inline().on_conflict_do_nothing()
    key = _key(table)
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415

        # not DO NOTHING, which locks nothing; and psycopg forgets the count with its cursor, that is at once
        either = postgresql.insert(table).inline()
        locking = either.on_conflict_do_update(index_elements=key, set_={key[0]: key[0]}, where=false())
        return locking.execution_options(preserve_rowcount=True)
    from sqlalchemy.dialects import mysql  # noqa: PLC0415

    # not IGNORE, which cuts what does not fit
    unchanged = func.if_(func.last_insert_id(PRESENT), key[0], key[0])
    return mysql.insert(table).inline().on_duplicate_key_update({key[0].name: unchanged})


def _key(table: Table) -> list[Column[Any]]:
    """What a row is known by: the primary key, unless that is only a number and something else is unique."""
    unique = (constraint for constraint in table.constraints if isinstance(constraint, UniqueConstraint))
    return list(next(unique, table.primary_key).columns)


def insert_if_absent(transaction: Connection, table: Table, **row: Any) -> bool:
    """Inserts the row unless its key is there; waits for another transaction that is inserting or changing it.

    Returns whether the row is new. This distinguishes a first delivery from a repeat. Either way the row is locked
    for us until the end, so that what is read of it next cannot change before it is acted upon.
    """
    dialect = transaction.dialect.name
    statement = _if_absent(table, dialect)
    if dialect in connections.MYSQL:  # it counts the row that was there as well
        return bool(transaction.execute(statement, row).lastrowid != PRESENT)
    return prepared.changed(transaction, statement, row) == 1


def remove_some(transaction: Connection, table: Table, most: int, *old: ColumnElement[bool]) -> int:
    """Removes rows that meet all of `old`, at most `most` at once, so that others wait for no long transaction.

    Returns how many. The table has a primary key of one column.
    """
    (key,) = table.primary_key.columns
    keys = transaction.execute(select(key).where(*old).limit(most)).scalars().all()
    if keys:
        transaction.execute(delete(table).where(key.in_(keys), *old))
    return len(keys)


def in_batches(work: Callable[[Connection], int], until: float, full: int = 1) -> int:
    """Commits `work` again and again, until that moment of the monotonic clock or until it has done fewer than `full`.

    Returns how many it has done in all.
    """
    done = 0
    while True:
        some = commit(work)
        done += some
        if some < full or time.monotonic() >= until:
            return done


def updated(transaction: Connection, statement: Update, values: Mapping[str, Any], row: Select[Any]) -> Row[Any] | None:
    """The one row after an update, None where the update found none; one statement where the database can.

    `row` finds the same row by the same values (MySQL has no UPDATE ... RETURNING).
    """
    if transaction.dialect.update_returning:
        return prepared.row(transaction, _returning(statement), values)
    changed = transaction.execute(statement, values).rowcount
    return transaction.execute(row, values).one() if changed else None


@functools.cache
def _returning(statement: Update) -> Any:
    return statement.returning(*statement.table.c)
