"""The outbox: an event is written in the transaction of the effect it tells of, and sent right after the commit.

What could not be sent stays, and housekeeping sends it. Sending twice is harmless: consumers know a repeat.
"""

import functools
import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Column, Connection, MetaData, Row, String, Table, Text, bindparam, delete, func, select, tuple_

from airline import clock, store, tokens, wire
from airline.columns import Instant
from airline.errors import BrokerAway, TryAgain
from airline.events import Event
from airline.logs import log, note
from airline.settings import settings

if TYPE_CHECKING:
    from requests import Session

T = TypeVar("T")
Said = Event | wire.CloudEvent
"""A word of the glossary, or a whole event of somebody else that is passed on as it is."""
OUTBOX = Table(
    "outbox",
    MetaData(),
    Column("id", String(64), primary_key=True),
    Column("body", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
)
"""A service that has an outbox declares it with `OUTBOX.to_metadata(...)` beside its own tables."""
OURS = "/airline/"
"""What the sources of our own events begin with: their ids are made by us, and fit."""
TIMEOUT = (3.05, 3.05)
"""Seconds to connect to the broker, and to wait for its 202."""
BATCH = 500

_UNSENT = select(func.count(), func.min(OUTBOX.c.created_at))
_SENT = delete(OUTBOX).where(OUTBOX.c.id == bindparam("sent"))


def commit(
    work: Callable[[Connection], tuple[T, Said | Sequence[Said] | None]],
    source: str,
    cause: wire.Envelope | None = None,
    traceparent: str = "",
) -> T:
    """Runs `work` in one transaction, its events beside the effect; then sends them and returns the rest.

    `work` returns its result, and one event, several in their order, or None. Raises what `work` and `store.commit`
    raise. That an event could not be sent is only logged.
    """

    def attempt(transaction: Connection) -> tuple[T, list[wire.CloudEvent]]:
        result, said = work(transaction)
        events = [
            each if isinstance(each, dict) else wire.say(each, source, cause, traceparent) for each in _each(said)
        ]
        for event in events:
            _add(transaction, event)
        return result, events

    result, events = store.commit(attempt)
    for event in events:
        trace = wire.trace_id(event["traceparent"])
        note(reservationId=event["correlationid"], eventId=event["id"], traceId=trace)
        _send(_row_of(event), wire.pack(event))
    return result


def drain() -> int:
    """Sends what is still there, oldest first; a refused row does not block the others. Returns how many went."""
    sent, rows = 0, _waiting(None)
    while rows:
        for row in rows:
            try:
                sent += _sent_if_accepted(row.id, row.body.encode())
            except BrokerAway as error:
                log.warning("the outbox waits: %s", error)
                return sent
        rows = _waiting(rows[-1])
    return sent


def unsent() -> dict[str, int | str | None]:
    """How many events wait to be sent, and since when the oldest does, as JSON has it."""
    with store.reading() as connection:
        count, oldest = connection.execute(_UNSENT).one()
    return {"unsent": count, "oldest": oldest and clock.text(oldest)}


def _waiting(after: Row[Any] | None) -> Sequence[Row[Any]]:
    place = tuple_(OUTBOX.c.created_at, OUTBOX.c.id)
    query = select(OUTBOX).order_by(OUTBOX.c.created_at, OUTBOX.c.id).limit(BATCH)
    if after is not None:
        query = query.where(place > (after.created_at, after.id))
    with store.reading() as connection:
        return connection.execute(query).all()


def _each(said: Said | Sequence[Said] | None) -> Sequence[Said]:
    if said is None:
        return ()
    return said if isinstance(said, list | tuple) else (said,)


def _add(transaction: Connection, event: wire.CloudEvent) -> None:
    # the same event again is the same row
    body = wire.pack(event).decode()
    store.insert_if_absent(transaction, OUTBOX, id=_row_of(event), body=body, created_at=clock.now())


def _row_of(event: wire.CloudEvent) -> str:
    identity, source = str(event["id"]), str(event["source"])
    if source.startswith(OURS):
        return identity
    # somebody else's id may be longer than the column, or be that of an event of ours
    return hashlib.sha256(f"{len(source)}:{source}{identity}".encode()).hexdigest()


def _send(identity: str, body: bytes) -> None:
    try:
        _sent_if_accepted(identity, body)
    except BrokerAway as error:
        log.warning("stays in the outbox: %s", error, extra={"fields": {"eventId": identity}})


def _sent_if_accepted(identity: str, body: bytes) -> bool:
    try:
        deliver(body)
    except BrokerAway:
        raise
    except TryAgain as error:
        log.error("stays in the outbox: %s", error, extra={"fields": {"eventId": identity}})
        return False
    store.commit(lambda transaction: transaction.execute(_SENT, {"sent": identity}))
    return True


def deliver(body: bytes) -> None:
    """Puts one structured CloudEvent into the broker. Raises BrokerAway, and TryAgain unless the broker says 202."""
    sink = settings().sink
    if sink is None:
        raise BrokerAway("K_SINK is not set: no SinkBinding has told this function where the broker is.")
    import requests  # noqa: PLC0415 - a fifth of a cold start, which functions that never send are spared

    headers = {"Content-Type": wire.CLOUD_EVENT_JSON} | tokens.own()
    try:
        answer = _session().post(sink, data=body, headers=headers, timeout=TIMEOUT, allow_redirects=False)
    except requests.RequestException as error:
        raise BrokerAway(f"The broker is out of reach ({type(error).__name__}).") from error
    if answer.status_code != requests.codes.accepted:
        raise TryAgain(f"The broker answered {answer.status_code}.")


@functools.cache
def _session() -> "Session":
    import requests  # noqa: PLC0415 - as above

    session = requests.Session()
    session.trust_env = False  # no proxy lies between a function and its broker, and looking for one costs time
    return session
