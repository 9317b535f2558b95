"""Several pieces of work in one transaction: whoever waits for the disk is taken along by the next one that commits.

SQLite has one writer at a time, and each commit waits for the disk, which can take longer than all the rest. Where
several threads have something to write to one file at the same time, the first one commits for all that wait; so does
one thread that has taken several calls (meanwhile.py).
"""

import threading
from collections.abc import Callable
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Connection

from choreography import meanwhile
from choreography.errors import TryAgain

PATIENCE = 8.0
"""Seconds that work waits before somebody takes it along: a disk may be frozen, and whoever commits with it."""

T = TypeVar("T")
Work = Callable[[Connection], Any]
InOne = Callable[[Work], object]
"""Runs work in one transaction of its own; it may run it more than once."""


@dataclass(eq=False)
class _Waiting:
    """What one thread wants to be committed, and what became of it."""

    work: Work
    context: Context = field(default_factory=copy_context)  # its log lines name its own saga, in whichever thread
    done: bool = False
    result: Any = None
    error: BaseException | None = None

    def run(self, transaction: Connection) -> None:
        self.error = None
        try:
            self.result = self.context.run(self.work, transaction)
        except BaseException as error:
            self.error = error
            raise

    def end(self, error: BaseException | None) -> None:
        self.error, self.done = error, True


@dataclass
class Group:
    """The writers of one file in this process. turn: held by the one that commits. waiting: what the next takes."""

    turn: threading.Lock = field(default_factory=threading.Lock)
    lock: threading.Lock = field(default_factory=threading.Lock)
    waiting: list[_Waiting] = field(default_factory=list)

    def commit(self, work: Callable[[Connection], T], in_one: InOne) -> T:
        """What `work` returns, once it is committed, alone or with others that wait.

        Raises what it would alone, and TryAgain where nobody has taken it along after PATIENCE.
        """
        own = _Waiting(work)
        with self.lock:
            self.waiting.append(own)
        try:
            meanwhile.take_others(lambda: own.done)
        finally:
            if not own.done:
                self._in_turn(own, in_one)
        if own.error is not None:
            raise own.error
        result: T = own.result
        return result

    def _in_turn(self, own: _Waiting, in_one: InOne) -> None:
        self._take_turn(own)
        try:
            if not own.done:
                with meanwhile.taking_none():
                    self._commit(self._taken(), in_one)
        finally:
            self.turn.release()

    def _take_turn(self, own: _Waiting) -> None:
        if self.turn.acquire(timeout=PATIENCE):
            return
        with self.lock:
            if own in self.waiting:
                self.waiting.remove(own)
                raise TryAgain("The database is too busy; try again.")
        self.turn.acquire()  # it is being committed: whether that goes well is known only then

    def _taken(self) -> list[_Waiting]:
        with self.lock:
            taken, self.waiting = self.waiting, []
        return taken

    def _commit(self, all_: list[_Waiting], in_one: InOne) -> None:
        def run(transaction: Connection) -> None:
            for each in all_:
                each.run(transaction)

        try:
            in_one(run)
        except Exception as error:
            if all(each.error is None for each in all_):  # it is the database: nobody waits for it once more
                _end([*all_, *self._taken()], error)
            elif len(all_) > 1:  # one of them is to blame
                for each in all_:
                    self._commit([each], in_one)
            else:
                _end(all_, error)
        except BaseException as error:  # this thread is to end, and nobody may wait for it
            _end(all_, error)
            raise
        else:
            _end(all_, None)


def _end(all_: list[_Waiting], error: BaseException | None) -> None:
    for each in all_:
        each.end(error)
