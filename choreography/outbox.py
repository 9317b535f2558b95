"""The outbox: an event is written in the transaction of the effect it tells of, and sent right after the commit.

What could not be sent stays; `relay` sends it as soon as the broker is back, and housekeeping whatever is left then.
Sending twice is harmless: consumers know a repeat. Nothing here can change the answer of a command that is committed.
"""

import atexit
import functools
import hashlib
import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import (
    URL,
    Column,
    Connection,
    Engine,
    MetaData,
    Row,
    String,
    Table,
    Text,
    delete,
    func,
    select,
    tuple_,
)

from choreography import clock, events, fields, parallel, store, tokens, wire
from choreography.columns import Instant
from choreography.contract import Shown
from choreography.errors import BrokerAway, EventRefused, TryAgain
from choreography.events import Event, Glossary
from choreography.logs import log, note
from choreography.relay import Relay, Round
from choreography.settings import settings

if TYPE_CHECKING:
    from requests import Session

T = TypeVar("T")
Said = Event | Sequence[Event] | None
"""One event, several in their order, or none."""
Place = tuple[datetime, str]
"""The position of a row in the outbox: its created_at and its id."""
OUTBOX = Table(
    "outbox",
    MetaData(),
    Column("id", String(64), primary_key=True),
    Column("body", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
)
"""A service that has an outbox declares it with `OUTBOX.to_metadata(...)` beside its own tables."""
TIMEOUT = (0.5, 1.0)
"""Seconds that a request connects to the broker, and waits for its 202."""
PATIENT = (2.0, 5.0)
"""The same where no request waits: a broker in memory answers only after its deliveries, which wake functions."""
BATCH = 30
"""Rows that are sent before they are deleted together, and that two processes may both send at worst."""
SENDERS = 6
"""Threads that send a batch once the broker has taken its first event: one alone would wait for each 202."""
BATCH_SECONDS = 1.0
"""After which a batch ends, however slow the broker is: what was sent is not to be sent again."""
FAILURES = 3
"""Events in a row that the broker fails to take, each for itself, until it is taken to be away."""
YOUNG = timedelta(seconds=1)
"""A row of this age is its request's business, unless that has left it to the thread or the broker is away."""
LEFT_BEHIND = timedelta(seconds=5)
"""What is older than this was not left by a request that is still at work."""
OF_THE_EVENT = {400, 413, 415, 422, 431}
"""What a broker answers to an event that it will never take. All the rest (404, 429, 5xx) is about the broker."""

_NO_SINK = "K_SINK is not set: this function has no SinkBinding that gives it the broker's address."
_relays: dict[tuple[URL, str], Relay] = {}
_making = threading.Lock()
_ORDER = (OUTBOX.c.created_at, OUTBOX.c.id)
_UNSENT = select(func.count(), func.min(OUTBOX.c.created_at))


def commit(
    work: Callable[[Connection], tuple[T, Said]],
    source: str,
    cause: wire.Envelope | None = None,
    traceparent: str = "",
) -> T:
    """Runs `work` in one transaction, its events beside the effect; then sends them and returns the rest.

    `work` returns its result, and what is to be said. Raises what `work` and `store.commit` raise, and nothing after
    the commit: what goes wrong then is logged.
    """

    def attempt(transaction: Connection) -> tuple[T, list[_Written]]:
        result, said = work(transaction)
        return result, [
            _written(transaction, event, wire.say(event, source, cause, traceparent)) for event in _each(said)
        ]

    result, rows = store.commit(attempt)
    _send_all(rows)
    return result


def announce(work: Callable[[Connection], Said], source: str, cause: wire.Envelope | None = None) -> None:
    """As `commit`, for work of which there is nothing to know but what it says."""
    commit(lambda transaction: (None, work(transaction)), source, cause)


def pass_on(work: Callable[[Connection], wire.CloudEvent], sagas: Glossary) -> None:
    """As `announce`, for the whole event of somebody else, which is sent as it is. Log lines name its saga."""

    def attempt(transaction: Connection) -> _Written:
        event = work(transaction)
        return _write(transaction, _foreign_row(event), event, sagas.about(event["correlationid"]))

    _send_all([store.commit(attempt)])


def drain(until: float | None = None) -> int:
    """Sends what is still there, oldest first while something goes, then from anywhere. Returns how many went.

    Ends early at `until` (of time.monotonic), and where the broker is away: then the relay goes on.
    """
    there, sink = store.database(), settings().sink
    sent, failed = 0, False
    for batch in _batches(there, sink):
        sent, failed = sent + len(batch.sent), failed or batch.failed
        if batch.away or (until is not None and time.monotonic() > until):
            break
    if failed:
        log.warning("the outbox waits: the broker does not take everything", extra={"fields": {"sent": sent}})
        if sink is not None:
            relay = _relay(there, sink)
            relay.is_open = relay.is_open or not sent
            relay.want()
    return sent


UNSENT = {
    "unsent": Shown(fields.integer(0)),
    "oldest": Shown(fields.instant, about="Since when the oldest of them waits.", nullable=True),
}
"""What `unsent` answers, for the contract of a route that shows it."""


def unsent() -> dict[str, int | str | None]:
    """How many events wait to be sent, and since when the oldest does, as JSON has it."""
    with store.reading() as connection:
        count, oldest = connection.execute(_UNSENT).one()
    return {"unsent": count, "oldest": oldest and clock.text(oldest)}


def deliver(body: bytes, timeout: tuple[float, float] = PATIENT) -> None:
    """Puts one CloudEvent, as `wire.pack` wrote it, into the broker.

    `timeout`: seconds to connect, and to wait for its 202.
    Raises BrokerAway without an answer, EventRefused for an event that it will never take, else TryAgain.
    """
    _deliver(settings().sink, body, timeout)


def _deliver(sink: str | None, body: bytes, timeout: tuple[float, float]) -> None:
    if sink is None:
        raise BrokerAway(_NO_SINK)
    import requests  # noqa: PLC0415 - a fifth of a cold start, which functions that never send are spared

    headers, content = wire.message(json.loads(body))
    try:
        answer = _session().post(
            sink, data=content, headers=headers | tokens.own(), timeout=timeout, allow_redirects=False
        )
    except requests.exceptions.InvalidHeader as error:  # it has sent nothing
        raise EventRefused("An attribute of this event has a name that no header can have.") from error
    except requests.RequestException as error:
        raise BrokerAway(f"The broker is out of reach ({type(error).__name__}).") from error
    if answer.status_code in OF_THE_EVENT:
        raise EventRefused(f"The broker answered {answer.status_code}.")
    if answer.status_code != requests.codes.accepted:
        raise TryAgain(f"The broker answered {answer.status_code}.")


@dataclass(frozen=True)
class _Written:
    """An event in the outbox: the id of its row, its body, and what the log says of it."""

    row: str
    body: bytes
    about: dict[str, str]


def _each(said: Said) -> Sequence[Event]:
    return said if isinstance(said, list | tuple) else (said,) if said is not None else ()


def _written(transaction: Connection, said: Event, event: wire.CloudEvent) -> _Written:
    return _write(transaction, event["id"], event, said.glossary.about(events.saga_of(said)))


def _write(transaction: Connection, row: str, event: wire.CloudEvent, about: dict[str, str]) -> _Written:
    about = {**about, "eventId": event["id"], "traceId": wire.trace_id(event["traceparent"])}
    written = _Written(row, wire.pack(event), about)
    # the same event again is the same row
    store.insert_if_absent(transaction, OUTBOX, id=written.row, body=written.body.decode(), created_at=clock.now())
    return written


def _foreign_row(event: wire.CloudEvent) -> str:
    # its id may be longer than the column, or be that of an event of ours
    identity, source = str(event["id"]), str(event["source"])
    return hashlib.sha256(f"{len(source)}:{source}{identity}".encode()).hexdigest()


def _send_all(rows: Sequence[_Written]) -> None:
    for row in rows:
        _send(row)


def _send(written: _Written) -> None:
    try:
        note(**written.about)
        _send_at_once(written.row, written.body)
    except Exception as error:  # whatever it is: the effect is committed, and so is the event
        log.warning("stays in the outbox: %s", error, extra={"fields": written.about}, exc_info=True)


def _send_at_once(identity: str, body: bytes) -> None:
    there, sink = store.database(), settings().sink
    if sink is None:
        raise BrokerAway(_NO_SINK)
    relay = _relay(there, sink)
    with relay.turn(identity) as ours:
        problem = _refusal(body) if ours else None
        if problem is None and ours:
            _remove([identity], there)
    if not ours:
        return
    if problem is None:
        relay.accepted(identity)
        _look_once(relay, there)
        return
    log.warning("stays in the outbox: %s", problem, extra={"fields": {"eventId": identity}})
    if not isinstance(problem, EventRefused):
        relay.failed(identity)


def _refusal(body: bytes) -> TryAgain | None:
    try:
        deliver(body, TIMEOUT)
    except TryAgain as error:
        return error
    return None


def _look_once(relay: Relay, there: Engine) -> None:
    """A process that ended while the broker was away, and fell asleep, has left its events behind."""
    if relay.has_looked:
        return
    relay.has_looked = True
    with store.reading(there) as connection:
        _, oldest = connection.execute(_UNSENT).one()
    if oldest is not None and oldest < clock.now() - LEFT_BEHIND:
        relay.want()


@dataclass
class _Batch:
    """Some rows on their way, sent by several threads at once, each of which takes the next one."""

    rows: Sequence[Row[Any]]
    sink: str | None
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
            _deliver(self.sink, row.body.encode(), PATIENT)
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


def _send_batch(rows: Sequence[Row[Any]], sink: str | None, there: Engine, relay: Relay | None = None) -> _Batch:
    batch = _Batch(rows, sink, relay)
    try:
        while not batch.sent and batch.send_next():  # one thread alone finds out whether the broker is there
            pass
        parallel.work(batch.send, min(SENDERS, len(rows) - batch.tried))
    finally:
        batch.crossed = _remove(batch.sent, there) < len(batch.sent)
    return batch


def _batches(there: Engine, sink: str | None) -> Iterator[_Batch]:
    """Oldest first, until a batch of which nothing goes: many of those at the front must not be all that is tried."""
    place = None
    while rows := _waiting(there, place):
        batch = _send_batch(rows, sink, there)
        yield batch
        if not batch.sent:
            yield from _once_around(there, sink)
            return
        place = batch.place


def _once_around(there: Engine, sink: str | None) -> Iterator[_Batch]:
    start = _anywhere(there)
    place, end = start, None
    while True:
        rows = _waiting(there, place, end)
        if rows:
            batch = _send_batch(rows, sink, there)
            yield batch
            place = batch.place
        elif end is None and start is not None:
            place, end = None, start
        else:
            return


def _remove(sent: Sequence[str], there: Engine) -> int:
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
        count, _ = connection.execute(_UNSENT).one()
        one = select(*_ORDER).order_by(*_ORDER).offset(random.randrange(count or 1)).limit(1)  # noqa: S311 - no secret
        found = connection.execute(one).one_or_none()
    return found and (found.created_at, found.id)


@dataclass
class _Rounds:
    """The outbox as a ring: each round goes on where the last one stopped, so no row can hold up the others.

    It starts anywhere, and goes on anywhere when it meets another: several processes that find the broker back at the
    same moment rarely send the same rows.
    """

    there: Engine
    sink: str
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
            batch = _send_batch(ready, self.sink, self.there, relay)
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
        """Without what was refused, and what its request is sending."""
        sending, youngest = relay.sending(), clock.now() - YOUNG
        return [
            row
            for row in rows
            if row.id not in self.refused
            and row.id not in sending
            and (relay.is_open or row.id in relay.handed_over or row.created_at <= youngest)
        ]


def _relay(there: Engine, sink: str) -> Relay:
    """One in a process: there is one outbox and one broker."""
    with _making:
        if (there.url, sink) not in _relays:
            _relays[there.url, sink] = Relay(_Rounds(there, sink), max(1, settings().threads - 1))
            atexit.register(_relays[there.url, sink].end)
        return _relays[there.url, sink]


@functools.cache
def _session() -> "Session":
    import requests  # noqa: PLC0415 - as above
    from requests.adapters import HTTPAdapter  # noqa: PLC0415 - as above

    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=SENDERS + settings().threads))
    session.trust_env = False  # no proxy lies between a function and its broker, and looking for one costs time
    return session
