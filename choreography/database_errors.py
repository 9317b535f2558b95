"""What a database raises, in the words of choreography/errors.py: whether trying again can help.

Drivers use one class for a server that is away and for a statement that no server will ever take. Only the codes
distinguish them.
"""

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from choreography.connections import STATEMENT_SECONDS
from choreography.errors import Invalid, TryAgain
from choreography.logs import log

RERUN_SQLSTATES = {"40001", "40P01"}
"""serialization_failure and deadlock_detected, in MySQL one and the same."""
RERUN_ERRNOS = {1020, 1213}
"""MySQL and MariaDB: record has changed since last read, deadlock."""
LOCKED_SQLSTATE, LOCKED_ERRNO = "55P03", 1205
"""lock_not_available in PostgreSQL, lock wait timeout in MySQL and MariaDB."""
SLOW_SQLSTATE = "57014"
"""query_canceled, here by statement_timeout."""
PASSING_SQLITE_CODES = {5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 26}
"""Busy, locked, no memory, read-only, interrupted, input or output, damaged, full, cannot open, lock protocol, not a
database (sqlite3.h). What is damaged is a matter for a person, who may put a copy back: see sqlite_file.py."""
NO_TABLE_SQLITE, NO_TABLE_SQLSTATE, NO_TABLE_ERRNO = "no such table", "42P01", 1146
"""A table that no migration has made yet, or of a database that somebody has emptied. SQLite has no code for it."""
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


def rerun_helps(error: DBAPIError) -> bool:
    """Whether the same transaction can succeed when it runs again, because another one has ended by then."""
    return (
        isinstance(error, IntegrityError)
        or getattr(error.orig, "sqlstate", None) in RERUN_SQLSTATES
        or _first_argument(error) in RERUN_ERRNOS
    )


def lock_timed_out(error: DBAPIError) -> bool:
    """Whether a statement has waited for LOCK_SECONDS for what another transaction has locked."""
    return getattr(error.orig, "sqlstate", None) == LOCKED_SQLSTATE or _first_argument(error) == LOCKED_ERRNO


def _passes(error: DBAPIError) -> bool:
    """Whether the database is away, busy, full or shutting down, so that the same statement can succeed later."""
    code, state, number = (
        getattr(error.orig, "sqlite_errorcode", None),
        getattr(error.orig, "sqlstate", None),
        _first_argument(error),
    )
    if code is not None:  # of a damaged file the driver says the same as of a mistake in the program
        return code & 0xFF in PASSING_SQLITE_CODES
    if error.connection_invalidated or not isinstance(error, OperationalError):
        return error.connection_invalidated
    if state is not None:
        return state[:2] in PASSING_SQLSTATES
    if isinstance(number, int):
        return number in PASSING_ERRNOS
    return error.statement is None  # no connection: psycopg has no number for that


def _lacks_a_table(error: DBAPIError) -> bool:
    return (
        str(error.orig).startswith(NO_TABLE_SQLITE)
        or getattr(error.orig, "sqlstate", None) == NO_TABLE_SQLSTATE
        or _first_argument(error) == NO_TABLE_ERRNO
    )


def _first_argument(error: DBAPIError) -> object:
    """The error number, in MySQL's driver."""
    return error.orig.args[0] if error.orig and error.orig.args else None


class _Translated:
    """Raises TryAgain or Invalid in place of what a database raises inside."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is not None and (translated := _translation(error)) is not None:
            raise translated from error


TRANSLATED = _Translated()


def _translation(error: BaseException) -> Exception | None:
    """The error to raise instead, if any."""
    if isinstance(error, (PoolTimeout, OSError)):
        return TryAgain("The database is too busy, or its folder is missing; try again.")
    if isinstance(error, (DataError, UnicodeEncodeError)):  # the latter of half a surrogate pair, by every driver
        return Invalid("A value is too long or too large for the database, or is not valid text.")
    return _translated_code(error) if isinstance(error, DBAPIError) else None


def _translated_code(error: DBAPIError) -> Exception | None:
    if _first_argument(error) in CHECK_ERRNOS:
        return IntegrityError(error.statement, error.params, error.orig or error)
    if lock_timed_out(error):
        return TryAgain("Another request is changing the same rows; try again.")
    if getattr(error.orig, "sqlstate", None) == SLOW_SQLSTATE:
        return TryAgain(f"The database did not finish this within {STATEMENT_SECONDS} s; try again.")
    if _lacks_a_table(error):
        log.warning("the database was not brought up to date, or was emptied: %s", error.orig)
        return TryAgain("The database is not up to date; try again.")
    if rerun_helps(error) or not _passes(error):
        return None
    log.warning("the database is out of reach, too busy, full or damaged: %s", error.orig)
    return TryAgain("The database is out of reach, or too busy or full; try again.")
