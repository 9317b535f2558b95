"""What the broker has taken leaves the outbox with the next transaction of this process, without one of its own."""

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy import Connection, bindparam, delete

from choreography import prepared, store
from choreography.backlog import OUTBOX
from choreography.logs import log

T = TypeVar("T")
MOST_REMOVED = 50
"""Rows that a request removes beside its own effect."""

_REMOVE = delete(OUTBOX).where(OUTBOX.c.id == bindparam("row"))


@dataclass
class Sent:
    """Rows whose events the broker has taken, to be removed by the next transaction of this process.

    While another request is at work there will be one, or that request removes them when it is the last. So a row
    costs a transaction of its own only where requests come one at a time. Where the process dies with some of them,
    they are sent again, which is harmless.
    """

    _waiting: list[str] = field(default_factory=list)
    _leaving: set[str] = field(default_factory=set)
    """Those that a transaction is about to remove."""
    _at_work: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, row: str) -> None:
        with self._lock:
            self._waiting.append(row)

    def rows(self) -> set[str]:
        with self._lock:
            return {*self._waiting, *self._leaving}

    @contextmanager
    def removed(self, most: int) -> Iterator[list[str]]:
        """Some of them, for the caller to remove; where that fails, they wait for somebody else."""
        with self._lock:
            rows, self._waiting = self._waiting[:most], self._waiting[most:]
            self._leaving.update(rows)
        try:
            yield rows
        except BaseException:
            with self._lock:
                self._waiting += rows
            raise
        finally:
            with self._lock:
                self._leaving.difference_update(rows)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """A request that writes, and then sends. The last one to leave removes what is left."""
        with self._lock:
            self._at_work += 1
        try:
            yield
        finally:
            with self._lock:
                self._at_work -= 1
                is_last = not self._at_work
            if is_last:
                self._remove()

    def commit(self, work: Callable[[Connection], T]) -> T:
        """As `store.commit`, with the removal of what other requests have sent."""
        with self.removed(MOST_REMOVED) as gone:

            def attempt(transaction: Connection) -> T:
                _delete(gone, transaction)  # first: `work` may say the same event again
                return work(transaction)

            return store.commit(attempt)

    def _remove(self) -> None:
        try:
            with self.removed(sys.maxsize) as gone:
                if gone:
                    _remove_now(gone)
        except Exception:  # they are removed, or sent again, later
            log.warning("what was sent stays in the outbox for now", exc_info=True)


def _remove_now(rows: Sequence[str]) -> None:
    store.commit(lambda transaction: _delete(rows, transaction))


def _delete(rows: Sequence[str], transaction: Connection) -> None:
    for row in rows:
        prepared.changed(transaction, _REMOVE, {"row": row})
