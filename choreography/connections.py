"""Connections to databases: one engine for each URL, and the connection that is kept for writers of a SQLite file.

Nothing waits for ever, as a broker gives up on a call (`timeout: PT20S` of the Triggers): neither for a connection, nor
for a lock, nor for a server that is frozen or behind a network that drops everything. A call that meets such a database
raises TryAgain after CONNECT_SECONDS and ANSWER_SECONDS at most.
"""

import atexit
import functools
import threading
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import URL, Connection, Dialect, Engine, NullPool, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from choreography import sqlite_file
from choreography.settings import settings
from choreography.sqlite_file import SameFile

CONNECT_SECONDS = 5
"""How long a connection may take, and how long a call waits for one of the pool."""
LOCK_SECONDS = 5
"""How long a statement waits for what another transaction has locked."""
STATEMENT_SECONDS = 7
"""What PostgreSQL itself lets a statement take."""
ANSWER_SECONDS = 8
"""How long the answer to one statement is waited for here; then the server is taken to be frozen or cut off."""
IDLE_SECONDS = 30
"""Seconds until PostgreSQL ends a transaction of ours that is silent: its process may be frozen, and holds locks."""
MAPPED = 256 * 1024 * 1024
"""Bytes of a SQLite file that are read as memory; only what is read takes any."""
MOST_KEPT = 2
"""Connections that a process keeps for its writers; each to another SQLite file."""
MYSQL = ("mysql", "mariadb")

_kept: dict[Engine, Connection] = {}
_keeping = threading.Lock()
_at: dict[int, tuple[URL, Engine]] = {}
_files: WeakKeyDictionary[Engine, SameFile] = WeakKeyDictionary()


def at(url: URL) -> Engine:
    """As `engine`, for a URL of the settings: these are the same objects for ever, and comparing URLs takes long."""
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
    """Without limits on statements and locks, as an ALTER TABLE takes what it takes; it keeps no connection.

    A SQLite file that is missing is made, as nowhere else. Raises TryAgain where it cannot be made.
    """
    if url.get_backend_name() == "sqlite":
        if url.database:
            sqlite_file.make(url.database)
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
    # a transaction of store.py is begun there; of others, sqlite3 itself says so before the first statement that writes
    arguments = {"isolation_level": "IMMEDIATE"}
    if not url.database:
        return create_engine(url, connect_args=arguments)
    made = create_engine(
        url,
        connect_args=arguments,
        pool_size=2 * (settings().threads + 1),  # as above; each thread may write by one, and read by another
        max_overflow=0,
        pool_timeout=CONNECT_SECONDS,
    )
    event.listen(made, "do_connect", sqlite_file.open_what_is_there)
    event.listen(made, "connect", _prepare_sqlite)
    _files[made] = SameFile(url.database)
    return made


def connect(engine: Engine) -> Connection:
    """A connection of the pool. Raises TryAgain where a SQLite file is no longer the one that it was."""
    check(engine)
    return engine.connect()


def check(engine: Engine) -> None:
    """Raises TryAgain where a SQLite file was deleted or replaced since this process has known it."""
    if file := _files.get(engine):
        file.check()


def _prepare_sqlite(connection: Any, _: ConnectionPoolEntry) -> None:
    # what is mapped is read without a copy of each page, which counts where rows are all over a large file
    mapped = f"mmap_size={MAPPED}"
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={ANSWER_SECONDS * 1000}", mapped):
        connection.execute(f"PRAGMA {pragma}")


class Writing:
    """The connection of a writer. That to a SQLite file is kept for the next one, until something goes wrong with it.

    To take one from the pool for each call and to give it back is a twentieth of a call. And SQLite has in memory what
    a connection has read, until another one writes: so all threads of a process write by the same one, in turns
    (store.py). Those to a server are taken from the pool each time: between two calls one may have gone away, and the
    pool finds out.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._is_kept = sqlite_file.is_file(engine.url)

    def __enter__(self) -> Connection:
        check(self._engine)
        kept = _kept.pop(self._engine, None) if self._is_kept else None
        self._connection = kept or self._engine.connect()
        return self._connection

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        if self._is_kept and error is None:
            with _keeping:
                if len(_kept) == MOST_KEPT:  # a process has few databases, but the tests have many
                    give_back()
                _kept[self._engine] = self._connection
        else:
            self._connection.close()


def give_back() -> None:
    """Gives the connections that are kept for writers back to their pools."""
    while _kept:
        with suppress(KeyError):  # another thread took it
            _kept.popitem()[1].close()
