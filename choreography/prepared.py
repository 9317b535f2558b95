"""Statements that run in every call, compiled once, and given to SQLite's driver without SQLAlchemy in between.

SQLAlchemy takes eight times as long as SQLite for an UPDATE of one row, most of it to find the compiled statement and
to wrap its result. What is run is the same Core statement, with the same types on the way in and out, and what it
raises is the same; so rules are written once for all databases. Other databases are asked through SQLAlchemy as ever:
there the way to the server takes longer than all of this.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import Connection, Delete, Dialect, Insert, Row, Select, Update
from sqlalchemy.engine.result import result_tuple
from sqlalchemy.exc import DBAPIError, NoResultFound
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.schema import ScalarElementColumnDefault

if TYPE_CHECKING:
    import sqlite3

Statement = Delete | Insert | Select[Any] | Update
Values = Mapping[str, Any]
_Convert = Callable[[Any], Any]


def begin(connection: Connection, how: Literal["BEGIN", "BEGIN IMMEDIATE"]) -> None:
    """Begins a transaction of SQLite: IMMEDIATE takes the lock for a writer, and waits for those who hold it.

    Raises what `Connection.execute` does.
    """
    driver: sqlite3.Connection = connection.connection.dbapi_connection  # type: ignore[assignment]
    _run(driver, how, (), connection.dialect)


def row(connection: Connection, statement: Statement, values: Values) -> Row[Any] | None:
    """The first row that a SELECT, or an UPDATE with RETURNING, finds; None where there is none.

    Raises what `Connection.execute` raises, and KeyError where a value is missing.
    """
    prepared = _prepare(statement, connection.dialect) if _directly(connection) else None
    if prepared is None:
        return connection.execute(statement, values).first()
    found = prepared.run(connection, values).fetchall()
    return prepared.row(found[0]) if found else None


def one(connection: Connection, statement: Statement, values: Values) -> Row[Any]:
    """As `row`, of what is there for certain. Raises NoResultFound where it is not."""
    found = row(connection, statement, values)
    if found is None:
        raise NoResultFound("A row that must be there was not found.")
    return found


def changed(connection: Connection, statement: Statement, values: Values) -> int:
    """How many rows an INSERT, UPDATE or DELETE without RETURNING has changed. Raises as `row` does."""
    columns = tuple(values) if isinstance(statement, Insert) else None
    prepared = _prepare(statement, connection.dialect, columns) if _directly(connection) else None
    if prepared is None:
        return int(connection.execute(statement, values).rowcount)
    return prepared.run(connection, values).rowcount


def _directly(connection: Connection) -> bool:
    # whoever listens to statements is to hear of all of them; `dispatch` itself takes nine calls to say so
    return connection.dialect.name == "sqlite" and not (connection._has_events or connection.engine._has_events)


class _Prepared:
    """A statement as text, how the driver wants its values, and how its rows are read."""

    def __init__(self, compiled: SQLCompiler, dialect: Dialect) -> None:
        self._sql = compiled.string
        self._dialect = dialect
        self._places = [_place(name, compiled, dialect) for name in compiled.positiontup or ()]
        read = [entry.type.dialect_impl(dialect).result_processor(dialect, None) for entry in compiled._result_columns]
        self._read = [(place, convert) for place, convert in enumerate(read) if convert]
        found = compiled._result_columns  # of each: its name, its type, and by what else it can be asked for
        self._as_row = result_tuple([entry.keyname for entry in found], [entry.objects for entry in found])

    def run(self, connection: Connection, values: Values) -> "sqlite3.Cursor":
        driver: sqlite3.Connection = connection.connection.dbapi_connection  # type: ignore[assignment]
        parameters = [
            fixed if name is None else convert(values[name]) if convert else values[name]
            for name, convert, fixed in self._places
        ]
        return _run(driver, self._sql, parameters, self._dialect)

    def row(self, found: tuple[Any, ...]) -> Row[Any]:
        values = list(found)
        for place, convert in self._read:
            values[place] = convert(values[place])
        return self._as_row(values)


def _run(driver: "sqlite3.Connection", sql: str, parameters: Sequence[Any], dialect: Dialect) -> "sqlite3.Cursor":
    try:
        return driver.execute(sql, parameters)
    except driver.Error as error:
        wrapped = DBAPIError.instance(sql, tuple(parameters), error, driver.Error, dialect=dialect)
        raise wrapped from error


@functools.lru_cache(maxsize=512)
def _prepare(statement: Statement, dialect: Dialect, columns: tuple[str, ...] | None = None) -> _Prepared | None:
    """None for a statement whose text depends on its values, as that of an IN does."""
    compiled = statement.compile(dialect=dialect, column_keys=columns)
    return None if compiled.post_compile_params else _Prepared(compiled, dialect)


def _place(name: str, compiled: SQLCompiler, dialect: Dialect) -> tuple[str | None, _Convert | None, Any]:
    """The name of the value that comes here, and its conversion; no name for one that is always the same, converted."""
    bound = compiled.binds[name]
    convert = bound.type.dialect_impl(dialect).bind_processor(dialect)
    defaults = {column.key: column.default for column in compiled.insert_prefetch}
    if name not in defaults and bound.required:
        return name, convert, None
    fixed = _constant(name, defaults[name]) if name in defaults else bound.effective_value
    return None, None, convert(fixed) if convert else fixed


def _constant(name: str, default: object) -> object:
    if not isinstance(default, ScalarElementColumnDefault):
        raise TypeError(f"The default of {name} is not a constant: give the value.")
    return default.arg
