"""The rows that wait in an outbox, and how they are sent: in batches, by several threads, and none is always the last.

`put` gives one event to the broker, and raises what `outbox.deliver` raises.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, Engine, MetaData, Row, String, Table, Text, delete, func, select, tuple_

from choreography import clock, parallel, store
from choreography.columns import Instant, indexes
from choreography.errors import BrokerAway, EventRefused, TryAgain
from choreography.logs import log
from choreography.relay import Relay, Round

Put = Callable[[bytes], None]
Place = tuple[datetime, str]
"""The position of a row in the outbox: its created_at and its id."""
OUTBOX = Table(
    "outbox",
    MetaData(),
    Column("id", String(64), primary_key=True),
    Column("body", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    *indexes("outbox", ("created_at", "id")),
)
"""Functions know it as `outbox.OUTBOX`."""
BATCH = 30
"""Rows that are sent before they are deleted together, and that two processes may both send at worst."""
SENDERS = 6
"""Threads that send a batch once the broker has taken its first event: one alone would wait for each 202."""
BATCH_SECONDS = 1.0
"""Seconds until a batch ends, however slow the broker is: what was sent is not to be sent again."""
FAILURES = 3
"""Events in a row that the broker does not take, each for itself, until it counts as away."""
YOUNG = timedelta(seconds=1)
"""A row of this age is its request's business, unless that has left it to the thread or the broker is away."""

_ORDER = (OUTBOX.c.created_at, OUTBOX.c.id)
COUNT_AND_OLDEST = select(func.count(), func.min(OUTBOX.c.created_at))
"""How many rows wait, and since when the oldest does."""


@dataclass
class Batch:
    """Some rows that several threads send at once. Each thread takes the next row."""

    rows: Sequence[Row[Any]]
    put: Put
    relay: Relay | None
    end: float = field(default_factory=lambda: time.monotonic() + BATCH_SECONDS)
    tried: int = 0
    sent: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """Those that the broker refuses for ever, or that cannot be read."""
    failed: bool = False
    away: bool = False
    crossed: bool = False
    """Whether another process has sent some of them as well."""
    _failures: int = 0
    _one_by_one: threading.Lock = field(default_factory=threading.Lock)

    @property
    def place(self) -> Place | None:
        """Of the last row that was tried."""
        last = self.rows[self.tried - 1] if self.tried else None
        return last and (last.created_at, last.id)

    def send(self) -> None:
        """What each of the threads does."""
        while self.send_next():
            pass

    def send_next(self) -> bool:
        """Sends one more row. Returns whether there was one."""
        row = self._next()
        if row is not None:
            problem = self._problem(row)
            with self._one_by_one:
                self._note(row, problem)
        return row is not None

    def _next(self) -> Row[Any] | None:
        with self._one_by_one:
            late = self.tried > 0 and (time.monotonic() > self.end or (self.relay is not None and self.relay.ending))
            if self.away or late or self.tried == len(self.rows):
                return None
            self.tried += 1
            return self.rows[self.tried - 1]

    def _problem(self, row: Row[Any]) -> Exception | None:
        try:
            self.put(row.body.encode())
        except Exception as error:  # a row that cannot be read holds up none of those behind it
            return error
        return None

    def _note(self, row: Row[Any], problem: Exception | None) -> None:
        fields = {"fields": {"eventId": row.id}}
        if isinstance(problem, TryAgain) and not isinstance(problem, EventRefused):
            log.debug("stays in the outbox: %s", problem, extra=fields)
            self.failed = True
            self._failures += 1
            self.away = self.away or isinstance(problem, BrokerAway) or self._failures == FAILURES
            return
        self._failures = 0
        if problem is None:
            self.sent.append(row.id)
            if self.relay:
                self.relay.accepted(row.id)
            return
        self.refused.append(row.id)
        trace = None if isinstance(problem, EventRefused) else problem
        log.error("stays in the outbox: %s", problem, extra=fields, exc_info=trace)


def _send(rows: Sequence[Row[Any]], put: Put, there: Engine, relay: Relay | None = None) -> Batch:
    batch = Batch(rows, put, relay)
    try:
        while not batch.sent and batch.send_next():  # one thread alone finds out whether the broker is there
            pass
        parallel.work(batch.send, min(SENDERS, len(rows) - batch.tried))
    finally:
        batch.crossed = remove(batch.sent, there) < len(batch.sent)
    return batch


def batches(there: Engine, put: Put) -> Iterator[Batch]:
    """Oldest first, until nothing of a batch goes: many stuck events at the front must not be all that is tried."""
    place = None
    while rows := _waiting(there, place):
        batch = _send(rows, put, there)
        yield batch
        if not batch.sent:
            yield from _once_around(there, put)
            return
        place = batch.place


def _once_around(there: Engine, put: Put) -> Iterator[Batch]:
    start = _anywhere(there)
    place, end = start, None
    while True:
        rows = _waiting(there, place, end)
        if rows:
            batch = _send(rows, put, there)
            yield batch
            place = batch.place
        elif end is None and start is not None:
            place, end = None, start
        else:
            return


def remove(sent: Sequence[str], there: Engine) -> int:
    if not sent:
        return 0
    gone = delete(OUTBOX).where(OUTBOX.c.id.in_(sent))
    return store.commit(lambda transaction: transaction.execute(gone).rowcount, there)


def _waiting(there: Engine, after: Place | None, up_to: Place | None = None) -> Sequence[Row[Any]]:
    query = select(OUTBOX).order_by(*_ORDER).limit(BATCH)
    if after is not None:
        query = query.where(tuple_(*_ORDER) > after)
    if up_to is not None:
        query = query.where(tuple_(*_ORDER) <= up_to)
    with store.reading(there) as connection:
        return connection.execute(query).all()


def _anywhere(there: Engine) -> Place | None:
    """The place of one of the rows, each as likely as the others, however many came at the same time."""
    with store.reading(there) as connection:
        count, _ = connection.execute(COUNT_AND_OLDEST).one()
        one = select(*_ORDER).order_by(*_ORDER).offset(random.randrange(count or 1)).limit(1)  # noqa: S311 - no secret
        found = connection.execute(one).one_or_none()
    return found and (found.created_at, found.id)


@dataclass
class Rounds:
    """The outbox as a ring: each round goes on where the last one stopped, so no row can hold up the others.

    It starts anywhere, and goes on anywhere when it meets another: several processes that find the broker back at the
    same moment rarely send the same rows.
    """

    there: Engine
    put: Put
    sent: Callable[[], set[str]] = set
    """The rows that requests have sent and not yet removed."""
    place: Place | None = None
    started: bool = False
    refused: set[str] = field(default_factory=set)

    def __call__(self, relay: Relay) -> Round:
        if not self.started:
            self.place, self.started = _anywhere(self.there), True
        sent, left, turned = 0, False, False
        while not relay.ending:
            rows = _waiting(self.there, self.place)
            if not rows and (turned or self.place is None):
                break
            if not rows:
                self.place, turned = None, True
                continue
            ready = self._ready(rows, relay)
            batch = _send(ready, self.put, self.there, relay)
            self.refused.update(batch.refused)
            self.place = batch.place or (rows[-1].created_at, rows[-1].id)
            sent, left = sent + len(batch.sent), left or batch.failed or batch.crossed
            if batch.away:
                relay.is_open = True
                return Round(sent, waiting=True)
            if batch.crossed:  # or both would go on side by side, and send every row twice
                self.place = _anywhere(self.there)
            relay.tell("the broker is there: what the outbox holds is being sent")
        self.started = left
        return Round(sent, left)

    def _ready(self, rows: Sequence[Row[Any]], relay: Relay) -> list[Row[Any]]:
        """Without what was refused, and what its request is sending or has sent."""
        sending, youngest = relay.sending() | self.sent(), clock.now() - YOUNG
        return [
            row
            for row in rows
            if row.id not in self.refused
            and row.id not in sending
            and (relay.is_open or row.id in relay.handed_over or row.created_at <= youngest)
        ]
