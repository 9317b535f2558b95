"""Databases: one per service, made at first use, written in short transactions at READ COMMITTED.

SQLite (a laptop) allows one writer at a time and lets the others poll, up to 100 ms at a time. Ours take turns by a
file lock, which they look at more often; the lock of a killed process is released by the kernel.

Nothing waits for ever, or a broker gives up on us first (`timeout: PT20S` of the Triggers): neither for a connection,
nor for a lock, nor for a server that is frozen, or behind a network that drops everything. A call that finds its
database so has its TryAgain after CONNECT_SECONDS and ANSWER_SECONDS at most.
"""

import atexit
import fcntl
import functools
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import (
    URL,
    Column,
    ColumnElement,
    Connection,
    Dialect,
    Engine,
    Insert,
    NullPool,
    Row,
    Select,
    Table,
    UniqueConstraint,
    Update,
    create_engine,
    delete,
    event,
    false,
    func,
    select,
    text,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry

from choreography import prepared, tracing
from choreography.errors import Invalid, TryAgain
from choreography.logs import log
from choreography.settings import settings

T = TypeVar("T")
ATTEMPTS = 5
CONNECT_SECONDS = 5
"""How long a connection may take, and how long a call waits for one of the pool."""
LOCK_SECONDS = 5
"""How long a statement waits for what another transaction has locked."""
STATEMENT_SECONDS = 7
"""What PostgreSQL itself lets a statement take."""
ANSWER_SECONDS = 8
"""How long the answer to one statement is waited for here; then the server is taken to be frozen or cut off."""
IDLE_SECONDS = 30
"""After which PostgreSQL ends a transaction of ours that says nothing: its process may be frozen, and holds locks."""
TURN_SECONDS, LOOK_EVERY = 8.0, 0.002
"""How long a writer of a SQLite file waits for its turn, and how often it looks."""
RERUN_SQLSTATES = {"40001", "40P01"}
"""serialization_failure and deadlock_detected, in MySQL one and the same."""
RERUN_ERRNOS = {1020, 1213}
"""MySQL and MariaDB: record has changed since last read, deadlock."""
LOCKED_SQLSTATE, LOCKED_ERRNO = "55P03", 1205
"""lock_not_available in PostgreSQL, lock wait timeout in MySQL and MariaDB."""
SLOW_SQLSTATE = "57014"
"""query_canceled, here by statement_timeout."""
PASSING_SQLITE_CODES = {5, 6, 7, 8, 9, 10, 13, 14, 15}
"""Busy, locked, no memory, read-only, interrupted, input or output, full, cannot open, lock protocol (sqlite3.h)."""
PASSING_SQLSTATES = {"08", "28", "53", "55", "57", "58"}
"""Classes of PostgreSQL: connection, sign-in, resources, not now, intervention, system. Not 54: beyond its limits."""
PASSING_ERRNOS = (
    {1021, 1030, 1037, 1038, 1040, 1041, 1044, 1045, 1053, 1077, 1114, 1129, 1130, 1135, 1152, 1158, 1159, 1160, 1161}
    | {1184, 1203, 1205, 1226, 1290, 1317, 1836, 1927, 1969, 3024, 4031}
    | set(range(2000, 2062))
)
"""MySQL and MariaDB: disk, memory, connections, sign-in, shutdown, network, locks, read-only, time; of the client."""
CHECK_ERRNOS = {3819, 4025}
"""A violated CHECK in MySQL and in MariaDB, which their driver takes for trouble with the server."""
MOST_KEPT = 2
"""Connections that a thread keeps; each to another SQLite file."""
MYSQL = ("mysql", "mariadb")
PRESENT = 2**63 - 1
"""What MySQL returns for a row that was there already; never an id that it generates."""

_threads = threading.local()
_at: dict[int, tuple[URL, Engine]] = {}


def database() -> Engine:
    """The engine of this service's own database (DATABASE_URL)."""
    return at(settings().database_url)


def at(url: URL) -> Engine:
    """As `engine`, for a URL of the settings: these are the same objects for ever, and to compare URLs takes long."""
    known = _at.get(id(url))
    if known is None or known[0] is not url:
        known = _at[id(url)] = url, engine(url)
    return known[1]


@functools.cache
def engine(url: URL) -> Engine:
    """One engine per URL and process. Its pool is closed when the process ends, as it does on SIGTERM."""
    made = _sqlite(url) if url.get_backend_name() == "sqlite" else _server(url)
    atexit.register(made.dispose)
    atexit.register(give_back)  # which comes before it, as the last one that is registered is called first
    return made


def engine_of_migrations(url: URL) -> Engine:
    """Without limits on statements and locks, as an ALTER TABLE takes what it takes; it keeps no connection."""
    if url.get_backend_name() == "sqlite":
        return engine(url)
    arguments = {"connect_timeout": CONNECT_SECONDS}
    return create_engine(url, connect_args=arguments, isolation_level="READ COMMITTED", poolclass=NullPool)


def _server(url: URL) -> Engine:
    mysql = url.get_backend_name() in MYSQL
    made = create_engine(
        url,
        connect_args=_mysql_limits() if mysql else _postgresql_limits(url),
        isolation_level="READ COMMITTED",
        pool_size=settings().threads + 1,  # the relay's thread sends what the outbox holds
        max_overflow=0,
        pool_timeout=CONNECT_SECONDS,
        pool_pre_ping=True,
    )
    if not mysql:
        event.listen(made, "do_connect", _connect_impatiently)
    return made


def _mysql_limits() -> dict[str, Any]:
    return {
        "connect_timeout": CONNECT_SECONDS,
        "read_timeout": ANSWER_SECONDS,
        "write_timeout": ANSWER_SECONDS,
        "init_command": f"SET SESSION innodb_lock_wait_timeout = {LOCK_SECONDS}, lock_wait_timeout = {LOCK_SECONDS}",
        "sql_mode": "TRADITIONAL",  # whatever the server says: what does not fit is refused, not cut
    }


def _postgresql_limits(url: URL) -> dict[str, Any]:
    seconds = {
        "statement_timeout": STATEMENT_SECONDS,
        "lock_timeout": LOCK_SECONDS,
        "idle_in_transaction_session_timeout": IDLE_SECONDS,
    }
    limits = [f"-c {name}={each * 1000}" for name, each in seconds.items()]
    return {
        "connect_timeout": CONNECT_SECONDS,
        "tcp_user_timeout": ANSWER_SECONDS * 1000,
        "keepalives_idle": ANSWER_SECONDS,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "options": " ".join([str(url.query.get("options", "")), *limits]).strip(),
    }


def _connect_impatiently(
    _: Dialect, __: ConnectionPoolEntry, arguments: list[Any], named: dict[str, Any]
) -> DBAPIConnection:
    from choreography import impatience  # noqa: PLC0415 - a driver, which a laptop does not need

    connection: Any = impatience.Connection.connect(*arguments, **named)
    return connection  # type: ignore[no-any-return]


def _sqlite(url: URL) -> Engine:
    # in this mode sqlite3 itself says BEGIN IMMEDIATE before the first statement that writes
    arguments = {"isolation_level": "IMMEDIATE"}
    if not url.database:
        return create_engine(url, connect_args=arguments)
    made = create_engine(
        url,
        connect_args=arguments,
        pool_size=2 * (settings().threads + 1),  # as above; each thread keeps one, and may read by another
        max_overflow=0,
        pool_timeout=CONNECT_SECONDS,
    )
    event.listen(made, "connect", _prepare_sqlite)
    return made


def _prepare_sqlite(connection: Any, _: ConnectionPoolEntry) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={ANSWER_SECONDS * 1000}"):
        connection.execute(f"PRAGMA {pragma}")


class _WritersTurn:
    """One writer of a SQLite file at a time, across threads and processes. To enter raises TimeoutError."""

    def __init__(self, engine: Engine) -> None:
        file = engine.dialect.name == "sqlite" and engine.url.database
        self._lock = _lock_of_this_thread(file) if file else None

    def __enter__(self) -> None:
        if self._lock is not None:
            _take(self._lock, time.monotonic() + TURN_SECONDS)

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            fcntl.flock(self._lock, fcntl.LOCK_UN)


class _Writing:
    """The connection of a writer. That to a SQLite file stays with its thread, until something goes wrong with it.

    To take one from the pool for each call and to give it back is a twentieth of a call. Those to a server are taken
    anew: between two calls it may have gone away, and the pool finds out.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._kept: dict[Engine, Connection] | None = None
        if engine.dialect.name == "sqlite" and engine.url.database:
            self._kept = vars(_threads).setdefault("connections", {})

    def __enter__(self) -> Connection:
        kept = self._kept and self._kept.get(self._engine)
        self._connection = kept or self._engine.connect()
        return self._connection

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        if self._kept is None:
            self._connection.close()
        elif error is None:
            self._keep(self._kept)
        else:
            self._kept.pop(self._engine, None)
            self._connection.close()

    def _keep(self, kept: dict[Engine, Connection]) -> None:
        if self._engine not in kept:
            if len(kept) == MOST_KEPT:  # a process has few databases, but the tests have many
                give_back()
            kept[self._engine] = self._connection


def give_back() -> None:
    """Gives the connections that this thread keeps back to their pools."""
    connections: dict[Engine, Connection] = vars(_threads).get("connections", {})
    for connection in connections.values():
        connection.close()
    connections.clear()


def _take(lock: int, deadline: float) -> None:
    # flock cannot wait for a time, and its holder may be frozen
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TimeoutError(f"another writer has held the file for {TURN_SECONDS:.0f} s") from None
            time.sleep(LOOK_EVERY)


def _lock_of_this_thread(database: str) -> int:
    # a lock belongs to an open file, so each thread opens its own
    locks = vars(_threads).setdefault("locks", {})
    if database not in locks:
        opened = os.open(f"{database}-writer", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        # the relay's thread comes and goes, once for every slow send
        weakref.finalize(threading.current_thread(), os.close, opened).atexit = False
        locks[database] = opened
    descriptor: int = locks[database]
    return descriptor


def ready() -> None:
    """What a readiness probe asks for: the database answers. Raises TryAgain where it does not."""
    with reading() as connection:
        connection.execute(text("SELECT 1"))


@contextmanager
def reading(source: Engine | None = None) -> Iterator[Connection]:
    """A connection for queries, which wait for no writer. On SQLite all of them see one state of the database."""
    with tracing.inside("database: read"), _REACHABLE, (source or database()).connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")
        yield connection


def commit(work: Callable[[Connection], T], target: Engine | None = None) -> T:
    """Runs `work` in one transaction and commits it; whatever it raises rolls back.

    A violated key, a deadlock or a serialization failure runs it again: by then the other one is visible.
    Raises TryAgain when that did not help or the database is out of reach, Invalid when a value does not fit,
    IntegrityError when a rule of the database stays violated.
    """
    with tracing.inside("database: transaction"):
        return _commit(work, target or database())


def _commit(work: Callable[[Connection], T], target: Engine) -> T:
    for attempt in range(ATTEMPTS):
        if attempt:
            tracing.note({"db.reruns": attempt})
        try:
            with _REACHABLE, _WritersTurn(target), _Writing(target) as transaction, transaction.begin():
                return work(transaction)
        except DBAPIError as error:
            if not _rerun_helps(error):
                raise
            latest = error
    if isinstance(latest, IntegrityError):
        raise latest
    raise TryAgain("The database is too busy; try again.") from latest


def _rerun_helps(error: DBAPIError) -> bool:
    return (
        isinstance(error, IntegrityError)
        or getattr(error.orig, "sqlstate", None) in RERUN_SQLSTATES
        or _first_argument(error) in RERUN_ERRNOS
    )


def lock_timed_out(error: DBAPIError) -> bool:
    """Whether a statement has waited for LOCK_SECONDS for what another transaction has locked."""
    return getattr(error.orig, "sqlstate", None) == LOCKED_SQLSTATE or _first_argument(error) == LOCKED_ERRNO


def _passes(error: DBAPIError) -> bool:
    """Whether the database is away, busy, full or shutting down, so that the same statement can succeed later.

    Drivers give the same class to statements that no database of this kind will ever take.
    """
    if error.connection_invalidated or not isinstance(error, OperationalError):
        return error.connection_invalidated
    code, state, number = (
        getattr(error.orig, "sqlite_errorcode", None),
        getattr(error.orig, "sqlstate", None),
        _first_argument(error),
    )
    if code is not None:
        return code & 0xFF in PASSING_SQLITE_CODES
    if state is not None:
        return state[:2] in PASSING_SQLSTATES
    if isinstance(number, int):
        return number in PASSING_ERRNOS
    return error.statement is None  # no connection: psycopg has no number for that


def _first_argument(error: DBAPIError) -> object:
    """The error number, in MySQL's driver."""
    return error.orig.args[0] if error.orig and error.orig.args else None


class _Reachable:
    """Says what a database has raised in the words of choreography/errors.py."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is not None and (told := _told(error)) is not None:
            raise told from error


_REACHABLE = _Reachable()


def _told(error: BaseException) -> Exception | None:
    """The error to raise instead, if any."""
    if isinstance(error, (PoolTimeout, OSError)):
        return TryAgain("The database is too busy or its folder is away; try again.")
    if isinstance(error, (DataError, UnicodeEncodeError)):  # the latter of half a surrogate pair, by every driver
        return Invalid("A value is longer or larger than the database can keep, or no text.")
    return _told_by_database(error) if isinstance(error, DBAPIError) else None


def _told_by_database(error: DBAPIError) -> Exception | None:
    if _first_argument(error) in CHECK_ERRNOS:
        return IntegrityError(error.statement, error.params, error.orig or error)
    if lock_timed_out(error):
        return TryAgain("Somebody else is at work on the same; try again.")
    if getattr(error.orig, "sqlstate", None) == SLOW_SQLSTATE:
        return TryAgain(f"The database did not manage this within {STATEMENT_SECONDS} s; try again.")
    if _rerun_helps(error) or not _passes(error):
        return None
    log.warning("the database is out of reach, too busy or full: %s", error.orig)
    return TryAgain("The database is out of reach, or too busy or full; try again.")


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
    if dialect in MYSQL:  # it counts the row that was there as well
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
