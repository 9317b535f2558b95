"""Two transactions at once, as READ COMMITTED allows it, over connections that can only take turns."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, event


@dataclass
class Crossing:
    """Something of another process, to come before the next but `left` statements."""

    other: Callable[[], object]
    left: int
    changes: int = 0


class Crossings:
    """Lets something else commit in the middle of a transaction.

    A transaction that has changed no row and asked `store.insert_if_absent` for none holds no lock, so whatever
    another one commits between two of its statements is seen by the second. All connections to a database in memory
    are the same one, and here that is of use: a session without changes loses nothing by a commit of the other.
    `met` counts the times that it happened.
    """

    def __init__(self, engines: Sequence[Engine]) -> None:
        self.met = 0
        self._armed: Crossing | None = None
        for engine in engines:
            event.listen(engine, "begin", self._begins)
            event.listen(engine, "before_cursor_execute", self._executes)

    @contextmanager
    def before(self, statement: int, other: Callable[[], object]) -> Iterator[None]:
        """`other` comes before that statement (from 0) of a transaction in here, if it holds no lock by then."""
        self._armed = Crossing(other, statement)
        try:
            yield
        finally:
            self._armed = None

    def _begins(self, connection: Connection) -> None:
        if self._armed:
            self._armed.changes = _changes(connection)

    def _executes(self, connection: Connection, _: Any, statement: str, *__: Any) -> None:
        crossing = self._armed
        if crossing is None or _changes(connection) != crossing.changes:
            return
        if not crossing.left:
            self._armed = None
            self.met += 1
            crossing.other()
        elif statement.startswith("INSERT"):
            self._armed = None
        else:
            crossing.left -= 1


def _changes(connection: Connection) -> int:
    changes: int = connection.connection.driver_connection.total_changes  # type: ignore[union-attr]
    return changes
