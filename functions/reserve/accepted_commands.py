"""Commands from outside are stored before they are accepted, and repeated until they have taken effect.

So a delivery that the broker gives up on is not the end of a command. Its row has `owed_at`, the time to say it again,
until the reservation is placed, or canceled. Afterwards it stays as long as an Idempotency-Key does, to tell a repeat
from another command under the same source and id; of a reservation, its own row tells that for ever.
"""

import functools
import json
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Table,
    and_,
    func,
    not_,
    or_,
    outerjoin,
    select,
    tuple_,
    update,
)

import owed
import reservations
from airline.events import AIRLINE, CancellationRequested, Command
from airline.settings import settings
from before_placement import ACCEPTED, EARLY_CANCEL_KEPT, EARLY_CANCELS
from choreography import access, clock, fields, housekeeping, outbox, store
from choreography.errors import Invalid, NotFound
from choreography.wire import CloudEvent
from reservations import RESERVATIONS

BATCH = 500
"""Rows in one transaction: other writers wait no longer than for one batch."""

Listed = Row[Any, Any, Any]
"""Of what is due: `owed_at`, `key` and `reservation_id`."""

_FIRST = select(ACCEPTED.c.body)
_LISTED = select(ACCEPTED.c.owed_at, ACCEPTED.c.key, ACCEPTED.c.reservation_id)
_DONE = or_(
    ACCEPTED.c.key == ACCEPTED.c.reservation_id,  # what it was promised is there
    RESERVATIONS.c.status == "CANCELED",
)
_THEIRS = RESERVATIONS.c.id == ACCEPTED.c.reservation_id
# of these housekeeping has not noted yet what is done, so it is left out here
_OWED = (
    select(func.count(), func.min(ACCEPTED.c.accepted_at))
    .select_from(outerjoin(ACCEPTED, RESERVATIONS, _THEIRS))
    .where(ACCEPTED.c.owed_at.is_not(None), or_(RESERVATIONS.c.id.is_(None), not_(_DONE)))
)


def remember(event: CloudEvent, command: Command, transaction: Connection) -> CloudEvent:
    """Accepts the command of an event; returns the event to send: this one, or that of the first time.

    `event` has what the command leaves open. Raises NotFound for the cancel of a reservation that was neither placed
    nor promised, or is not theirs who ask, Invalid for another command under the same source and id.
    """
    if isinstance(command, CancellationRequested):
        _expect_promised(command.reservation_id, transaction)
    key, now = reservations.promised_id(event["source"], event["id"]), clock.now()
    row = {"reservation_id": command.reservation_id, "body": json.dumps(event), "accepted_at": now}
    row["owed_at"] = now + settings().owed_after
    if not store.insert_if_absent(transaction, ACCEPTED, key=key, **row):
        first: CloudEvent = json.loads(transaction.execute(_FIRST.where(ACCEPTED.c.key == key)).scalar_one())
        _expect_same(command, first)
        if "id" in first:
            return first
        # it was only heard until now: from here on it is owed
        transaction.execute(update(ACCEPTED).where(ACCEPTED.c.key == key).values(row))
    if not isinstance(command, CancellationRequested) and reservations.is_placed(key, transaction):
        reservations.expect_same(reservations.wanted(command), dict(reservations.find(key, transaction)._mapping))
    return event


def heard(source: str, event_id: str, command: Command, transaction: Connection) -> None:
    """Remembers a command that may have come straight from the broker, to which nothing is owed but a dead letter.

    Raises Invalid for another command under the same source and id.
    """
    key = reservations.promised_id(source, event_id)
    body = json.dumps({"type": type(command).__name__, "data": fields.as_json(command)})
    row = {"reservation_id": command.reservation_id, "body": body, "accepted_at": clock.now()}
    if not store.insert_if_absent(transaction, ACCEPTED, key=key, **row):
        _expect_same(command, json.loads(transaction.execute(_FIRST.where(ACCEPTED.c.key == key)).scalar_one()))


def say_again(until: float) -> int:
    """Says again what is due and has no effect yet, until that moment of the monotonic clock. Returns how many went.

    Where none is due, it tries one of those that were put off: its effect shows at the next tick that what was away is
    back, and then all of them are due.
    """
    store.in_batches(_note_effects, until, BATCH)
    return housekeeping.each(_due_or_one(), _say, until, lambda row: AIRLINE.about(row.reservation_id))


def waiting() -> dict[str, int | str | None]:
    """How many commands were accepted and are not done, and when the first of them was accepted, as JSON has it."""
    with store.reading() as connection:
        count, oldest = connection.execute(_OWED).one()
    return {"commands": count, "oldestCommand": oldest and clock.text(oldest)}


def forget(until: float) -> int:
    """Removes commands whose effect has been there for long, and cancels whose reservation has not come. How many."""
    done = and_(ACCEPTED.c.owed_at.is_(None), ACCEPTED.c.accepted_at < clock.now() - settings().idempotency_life)
    in_vain = EARLY_CANCELS.c.heard_at < clock.now() - EARLY_CANCEL_KEPT
    return _removed(ACCEPTED, done, until) + _removed(EARLY_CANCELS, in_vain, until)


def _removed(table: Table, old: ColumnElement[bool], until: float) -> int:
    return store.in_batches(lambda transaction: store.remove_some(transaction, table, BATCH, old), until, BATCH)


def _due_or_one() -> Iterator[Listed]:
    return housekeeping.or_one(housekeeping.pages(_due), _put_off_longest)


def _put_off_longest(connection: Connection) -> Sequence[Listed]:
    return connection.execute(_LISTED.where(_put_off()).order_by(ACCEPTED.c.owed_at).limit(1)).all()


def _due(after: Listed | None, connection: Connection) -> Sequence[Listed]:
    place = (ACCEPTED.c.owed_at, ACCEPTED.c.key)
    query = _LISTED.where(ACCEPTED.c.owed_at <= clock.now())
    if after is not None:
        query = query.where(tuple_(*place) > (after.owed_at, after.key))
    return connection.execute(query.order_by(*place).limit(BATCH)).all()


def _put_off() -> ColumnElement[bool]:
    now = clock.now()
    return and_(ACCEPTED.c.owed_at > now, ACCEPTED.c.accepted_at <= now - settings().owed_after)


def _say(row: Listed) -> None:
    body = store.commit(functools.partial(_taken, row.key))
    if body is not None:
        outbox.deliver(body.encode())


def _taken(key: str, transaction: Connection) -> str | None:
    row = transaction.execute(select(ACCEPTED).where(ACCEPTED.c.key == key)).one()
    if row.owed_at is None:
        return None
    # before it is sent, so that one that the broker refuses does not hold up the others
    now = clock.now()
    later = now + owed.silence(now - row.accepted_at)
    transaction.execute(update(ACCEPTED).where(ACCEPTED.c.key == key).values(owed_at=later))
    return str(row.body)


def _note_effects(transaction: Connection) -> int:
    now, first_time = clock.now(), settings().owed_after
    said = and_(ACCEPTED.c.owed_at.is_not(None), ACCEPTED.c.accepted_at <= now - first_time)
    query = select(ACCEPTED.c.key, ACCEPTED.c.accepted_at, ACCEPTED.c.owed_at).join(RESERVATIONS, _THEIRS)
    done = transaction.execute(query.where(said, _DONE).limit(BATCH)).all()
    if done:
        theirs = ACCEPTED.c.key.in_([row.key for row in done])
        transaction.execute(update(ACCEPTED).where(theirs).values(owed_at=None))
    if any(row.owed_at > row.accepted_at + first_time for row in done):  # repeated, and then it was done
        transaction.execute(update(ACCEPTED).where(_put_off()).values(owed_at=now))
    return len(done)


def _expect_promised(reservation_id: str, transaction: Connection) -> None:
    customer = reservations.customer_of(reservation_id, transaction)
    if customer is None:
        promised = _FIRST.where(ACCEPTED.c.key == reservation_id, ACCEPTED.c.reservation_id == reservation_id)
        body = transaction.execute(promised).scalar_one_or_none()
        customer = body and json.loads(body)["data"]["customerId"]
    if customer is None or not access.owns(customer):
        raise NotFound(f"There is no reservation {reservation_id}, and none was promised under that id.")


def _expect_same(command: Command, first: CloudEvent) -> None:
    if first["type"] != type(command).__name__:
        raise Invalid(f"The same source and id were used for a {first['type']} before; give this one an id of its own.")
    reservations.expect_same(fields.as_json(command), first["data"])
