"""Several events in one transaction: who waits for the disk is taken along by whoever commits next.

SQLite has one writer at a time, and each commit waits for the disk, which can take longer than all the rest. Where
several threads have something to write at the same time, the first one commits for all that wait.
"""

import threading
from collections.abc import Callable
from contextvars import Context, copy_context
from dataclasses import dataclass, field

from sqlalchemy import Connection

from choreography import store
from choreography.errors import TryAgain

Work = Callable[[Connection], object]


@dataclass(eq=False)
class _Waiting:
    """What one thread wants to be committed, and what became of it."""

    work: Work
    context: Context = field(default_factory=copy_context)  # its log lines name its own saga, in whichever thread
    done: bool = False
    error: BaseException | None = None


@dataclass
class _Group:
    """turn: held by who commits. waiting: what the next one takes along."""

    turn: threading.Lock = field(default_factory=threading.Lock)
    lock: threading.Lock = field(default_factory=threading.Lock)
    waiting: list[_Waiting] = field(default_factory=list)

    def commit(self, work: Work) -> None:
        own = _Waiting(work)
        with self.lock:
            self.waiting.append(own)
        with self.turn:
            if not own.done:
                _commit(self._taken())
        if own.error is not None:
            raise own.error

    def _taken(self) -> list[_Waiting]:
        with self.lock:
            taken, self.waiting = self.waiting, []
        return taken


_group = _Group()


def commit(work: Work) -> None:
    """As `store.commit`, of work whose result nobody needs; on SQLite it shares a transaction with what else waits.

    It may run more than once, as with `store.commit`. What fails alone does not keep the others from being committed.
    """
    if store.database().dialect.name == "sqlite":
        _group.commit(work)
    else:  # a server's own commits wait for the disk together, and rows locked for several events could deadlock
        store.commit(work)


def _commit(all_: list[_Waiting]) -> None:
    try:
        store.commit(lambda transaction: [each.context.run(each.work, transaction) for each in all_])
    except TryAgain as error:  # the database is away or busy: it is for each of them, and nobody waits once more
        _end(all_, error)
    except Exception as error:
        if len(all_) > 1:  # one of them is to blame
            for each in all_:
                _commit([each])
        else:
            _end(all_, error)
    except BaseException as error:  # this thread is to end, and nobody may wait for it
        _end(all_, error)
        raise
    else:
        _end(all_, None)


def _end(all_: list[_Waiting], error: BaseException | None) -> None:
    for each in all_:
        each.done, each.error = True, error
