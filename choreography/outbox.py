"""The outbox: an event is written in the transaction of its effect, and sent right after the commit.

What could not be sent stays; `relay` sends it as soon as the broker is back, and housekeeping whatever is left then.
Sending twice is harmless: consumers know a repeat. Nothing here can change the answer of a command that is committed.
"""

import atexit
import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from sqlalchemy import Connection, Engine

from choreography import backlog, clock, events, ingress, origins, store, tracing, wire
from choreography.backlog import COUNT_AND_OLDEST, Rounds
from choreography.errors import BrokerAway, EventRefused, TryAgain
from choreography.events import Event, Glossary
from choreography.logs import log, note
from choreography.relay import Relay
from choreography.sent import Sent
from choreography.settings import settings

T = TypeVar("T")
Said = Event | Sequence[Event] | None
"""One event, several in their order, or none."""
OUTBOX = backlog.OUTBOX
"""A service that has an outbox declares it with `OUTBOX.to_metadata(...)` next to its own tables."""
TIMEOUT = (0.5, 1.0)
"""Seconds that a request may take to connect to the broker, and then to get its 202."""
PATIENT = (2.0, 5.0)
"""The same where no request waits: a broker in memory answers only after its deliveries, which wake functions."""
LEFT_BEHIND = timedelta(seconds=5)
"""What is older than this was not left by a request that is still at work."""

_relays: dict[tuple[Engine, str], Relay] = {}
_making = threading.Lock()


def commit(
    work: Callable[[Connection], tuple[T, Said]],
    source: str,
    cause: wire.Envelope | None = None,
    traceparent: str = "",
) -> T:
    """Runs `work` in one transaction that also stores its events; then sends them and returns the rest.

    `work` returns its result and its events. Raises what `work` and `store.commit` raise, and nothing after
    the commit: what goes wrong then is logged.
    """

    def attempt(transaction: Connection) -> tuple[T, list[_Written]]:
        result, said = work(transaction)
        under = traceparent or (cause.traceparent if cause else "")
        return result, [_written(transaction, event, source, cause, under) for event in _each(said)]

    with _sent.at_work():
        result, rows = _sent.commit(attempt)
        _send_all(rows)
    return result


def announce(work: Callable[[Connection], Said], source: str, cause: wire.Envelope | None = None) -> None:
    """As `commit`, for work that has no result apart from its events."""
    commit(lambda transaction: (None, work(transaction)), source, cause)


def pass_on(work: Callable[[Connection], wire.CloudEvent], sagas: Glossary) -> None:
    """As `announce`, for the whole event of somebody else, which is sent as it is. Log lines name its saga."""

    def attempt(transaction: Connection) -> _Written:
        event = work(transaction)
        return _write(transaction, _foreign_row(event), event, sagas.about(event["correlationid"]))

    with _sent.at_work():
        _send_all([_sent.commit(attempt)])


def drain(until: float | None = None) -> int:
    """Sends what is still there, oldest first while something goes, then from anywhere. Returns how many went.

    Ends early at `until` (of time.monotonic), and where the broker is away: then the relay goes on.
    """
    there, sink = store.database(), settings().sink
    sent, failed = 0, False
    for batch in backlog.batches(there, _put(sink)):
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


def look_behind() -> None:
    """Sends what an earlier process has left behind: for a function of HTTP, which may answer without sending anything.

    It costs a query until nothing of that kind is left, and then nothing. What goes wrong is logged.
    """
    if (sink := settings().sink) is None:
        return
    try:
        there = store.database()
        _look_once(_relay(there, sink), there)
    except Exception as error:  # whatever it is: the answer is made
        log.warning("did not look for what waits in the outbox: %s", error, exc_info=True)


def is_away() -> bool:
    """Whether the broker took nothing when this process last sent something: then nobody should try it for now."""
    with _making:
        return any(relay.is_open for relay in _relays.values())


def deliver(body: bytes, timeout: tuple[float, float] = PATIENT) -> None:
    """Puts one CloudEvent, as `wire.pack` wrote it, into the broker.

    `timeout`: seconds to connect, and to wait for its 202.
    Raises BrokerAway without an answer, EventRefused for an event that it will never take, else TryAgain.
    """
    ingress.deliver(settings().sink, body, timeout)


def _put(sink: str | None) -> Callable[[bytes], None]:
    return lambda body: _deliver_waiting(sink, body, PATIENT)


def _deliver_waiting(sink: str | None, body: bytes, timeout: tuple[float, float]) -> None:
    tracing.waited(body)
    ingress.deliver(sink, body, timeout)


@dataclass(frozen=True)
class _Written:
    """An event in the outbox: the id of its row, its body, and what the log says about it."""

    row: str
    body: bytes
    about: dict[str, str]


_sent = Sent()


def _each(said: Said) -> Sequence[Event]:
    return said if isinstance(said, list | tuple) else (said,) if said is not None else ()


def _written(
    transaction: Connection, said: Event, source: str, cause: wire.Envelope | None, traceparent: str
) -> _Written:
    saga = events.saga_of(said)
    event = wire.say(said, source, cause, origins.of(saga, transaction, traceparent) or traceparent)
    return _write(transaction, event["id"], event, said.glossary.about(saga))


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
        raise BrokerAway(ingress.NO_SINK)
    relay = _relay(there, sink)
    with relay.turn(identity) as ours:
        problem = _refusal(body) if ours else None
        if problem is None and ours:
            _sent.add(identity)
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
        tracing.waited(body)
        deliver(body, TIMEOUT)
    except TryAgain as error:
        return error
    return None


def _look_once(relay: Relay, there: Engine) -> None:
    """A process that ended while the broker was away, and fell asleep, has left its events behind."""
    if relay.has_looked:
        return
    with store.reading(there) as connection:
        _, oldest = connection.execute(COUNT_AND_OLDEST).one()
    is_behind = oldest is not None and oldest < clock.now() - LEFT_BEHIND
    # of what is younger nobody knows yet: a process that was started again at once looks again
    relay.has_looked = is_behind or oldest is None or relay.age > 2 * LEFT_BEHIND.total_seconds()
    if is_behind:
        relay.want()


def _relay(there: Engine, sink: str) -> Relay:
    """One in a process: there is one outbox and one broker."""
    with _making:
        relay = _relays.get((there, sink))
        if relay is None:
            relay = _relays[there, sink] = Relay(Rounds(there, _put(sink), _sent.rows), max(1, settings().threads - 1))
            atexit.register(relay.end)
        return relay
