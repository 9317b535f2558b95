"""The dashboard's projection: what every event says, merged per reservation, and the events themselves.

Order and repetition do not matter. An event is kept once, by its id; what it says of a reservation is written as a
fact (a date, a flag that is only ever set), so any order of the same events makes the same row. What that row counts
for its customer is kept beside it, in the same transaction (counts.py).

The events are the history: what a saga's timeline shows, and what a row can be made from again (rebuild.py). Those of
reservations that ended are pruned when they are older than EVENT_HISTORY_DAYS (history_pruning.py); the row stays.
"""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, Update, and_, bindparam, case, or_, select, update

import counts
import dashboard_tally
from airline import events, saga
from airline.events import AIRLINE, OF_SAGAS, Event, SagaEvent
from choreography import clock, fields, prepared, store, wire
from choreography.wire import Envelope
from projected import CUSTOMERS, EVENTS, LONGEST_CAUSE, RESERVATIONS, metadata

__all__ = ["CUSTOMERS", "EVENTS", "RESERVATIONS", "metadata"]

LONGEST_DATA = 16_384
"""Characters of an event's data; MySQL's TEXT takes four times as much."""
MOST_EXAMPLES = 100
_strictly = json.JSONEncoder(allow_nan=False).encode
_ENDS = tuple(saga.ENDS.values())


@dataclass(frozen=True, slots=True)
class Fact:
    """What an event says about its reservation: a flag to set, and by column the fields of its data to copy."""

    flag: str
    copied: Mapping[str, str] = field(default_factory=dict)


CANCELED = saga.ENDS["CANCELED"].__name__
FACTS: dict[type[Event], Fact] = {
    events.ReservationPlaced: Fact("placed", {"customer_id": "customer_id", "reserve_date": "reserve_date"}),
    events.RemainingSeatsDecreased: Fact("seats_held"),
    events.Paid: Fact("paid", {"paid_amount": "amount"}),
    events.ReservationConfirmed: Fact("confirmed"),
    events.RemainingSeatsIncreased: Fact("seats_returned"),
    events.SeatsNotHeld: Fact("seats_not_held"),
    # all of it goes back, so it says as well what had been paid: Paid may have been given up on its way here
    events.PaymentRefunded: Fact("refunded", {"refunded_amount": "amount", "paid_amount": "amount"}),
    events.PaymentNotTaken: Fact("payment_not_taken"),
}
"""Of the events that say more than when: an event of a saga that is not here is only kept."""


def heard(event: type[Event]) -> ColumnElement[bool]:
    """Of a reservation: that event was heard. Raises KeyError for one without a flag."""
    flag: ColumnElement[bool] = RESERVATIONS.c[FACTS[event].flag]
    return flag


OWED = ~and_(*(or_(*map(heard, policy.says)) for policy in saga.COMPENSATION))
"""Of a canceled reservation: both compensations have not answered yet, that it came back or that nothing was held."""


def project(envelope: Envelope, transaction: Connection) -> None:
    """Merges one event of a saga; what is not in the glossary, or only a command, is not kept."""
    if envelope.type not in OF_SAGAS or not envelope.source.startswith(AIRLINE.sources):
        return
    event = wire.event_of(envelope, OF_SAGAS[envelope.type])
    said_at = _said_at(envelope)
    fact = FACTS.get(type(event))
    copied = {column: getattr(event, name) for column, name in fact.copied.items()} if fact else {}
    kept = store.insert_if_absent(
        transaction,
        EVENTS,
        id=envelope.id,
        reservation_id=event.reservation_id,
        type=envelope.type,
        source=envelope.source,
        causation_id=_cause(envelope),
        said_at=said_at,
        data=_data(envelope, event),
        **copied,
    )
    if kept:
        _merge(event, copied | _facts(event, said_at), transaction)
    elif isinstance(event, _ENDS):
        _set({"reported": False}, event, transaction)  # it is repeated as long as the report was not heard


def _facts(event: SagaEvent, said_at: datetime) -> dict[str, Any]:
    if isinstance(event, events.ReservationCanceled):
        return {"canceled_at": said_at, "reported": False}
    fact = FACTS.get(type(event))
    return {fact.flag: True} if fact else {}


def _merge(event: SagaEvent, facts: Mapping[str, Any], transaction: Connection) -> None:
    if not facts:
        return
    row = {"reservation_id": event.reservation_id, **facts}
    # most often it is placed first, and anything else comes to a row that is there
    if isinstance(event, events.ReservationPlaced) and store.insert_if_absent(transaction, RESERVATIONS, **row):
        counts.change(None, facts, transaction)
        return
    if counts.concern(facts):
        _merge_and_count(row, facts, event, transaction)
    elif not _set(facts, event, transaction) and not store.insert_if_absent(transaction, RESERVATIONS, **row):
        _set(facts, event, transaction)


def _merge_and_count(
    row: Mapping[str, Any], facts: Mapping[str, Any], event: SagaEvent, transaction: Connection
) -> None:
    before = counts.locked(event.reservation_id, transaction)
    if before is None and store.insert_if_absent(transaction, RESERVATIONS, **row):
        return  # it is not placed yet, so it counts for nobody
    before = before or counts.locked(event.reservation_id, transaction) or {}
    _set(facts, event, transaction)
    counts.change(before, {**before, **facts}, transaction)


def _set(facts: Mapping[str, Any], event: SagaEvent, transaction: Connection) -> bool:
    return prepared.changed(transaction, _setting(tuple(facts)), {**facts, "of": event.reservation_id}) == 1


@functools.cache
def _setting(names: tuple[str, ...]) -> Update:
    chosen: list[tuple[str, Any]] = [(name, bindparam(name)) for name in names]
    if "reported" in names:  # first, as MySQL goes on with the new values of what is before
        chosen.insert(0, ("counted_as", dashboard_tally.COUNTED_AS))
    return update(RESERVATIONS).where(RESERVATIONS.c.reservation_id == bindparam("of")).ordered_values(*chosen)


def customers() -> Select[Any]:
    """One row per customer: how many reservations were placed, confirmed, canceled; the latest date of one; the money.

    An amount is null where that of one reservation is not known.
    """
    row = CUSTOMERS.c
    return select(
        row.customer_id,
        row.flight_count,
        row.recent_reserve_date,
        row.confirmed_count,
        row.canceled_count,
        case((row.paid_unknown == 0, row.paid_amount), else_=None).label("spent"),
        case((row.refunded_unknown == 0, row.refunded_amount), else_=None).label("refunded"),
    )


def history(reservation_id: str, connection: Connection) -> list[Row[Any]]:
    """The events of one reservation, oldest first."""
    query = select(EVENTS).where(EVENTS.c.reservation_id == reservation_id).order_by(EVENTS.c.said_at, EVENTS.c.id)
    return list(connection.execute(query))


def customer_of(reservation_id: str, connection: Connection) -> int | None:
    """Whose reservation it is; None while that has not been heard."""
    query = select(RESERVATIONS.c.customer_id).where(RESERVATIONS.c.reservation_id == reservation_id)
    return connection.execute(query).scalar_one_or_none()


def uncompensated(before: datetime, connection: Connection) -> list[str]:
    """Reservations canceled before that moment to which compensation has not answered, the oldest MOST_EXAMPLES."""
    # what was reported is not owed; there is an index of the others, which are few
    owed = (~RESERVATIONS.c.reported, RESERVATIONS.c.canceled_at < before, OWED)
    query = select(RESERVATIONS.c.reservation_id).where(*owed)
    return list(connection.execute(query.order_by(RESERVATIONS.c.canceled_at).limit(MOST_EXAMPLES)).scalars())


def _data(envelope: Envelope, event: SagaEvent) -> str:
    """What an event says, with the fields that only a later version knows, which may rebuild rows from them.

    Without these if they are too long, or are not JSON (NaN).
    """
    known = fields.as_json(event)
    try:
        whole = _strictly({**envelope.data, **known})
    except ValueError:
        return json.dumps(known)
    return whole if len(whole) <= LONGEST_DATA else json.dumps(known)


def _cause(envelope: Envelope) -> str | None:
    # the id of a stranger's command, which a broker's ingress lets be anything: what it caused must not be lost
    cause = envelope.attributes.get("causationid")
    fits = isinstance(cause, str) and len(cause) <= LONGEST_CAUSE and cause.isprintable()
    return cause if fits else None


def _said_at(envelope: Envelope) -> datetime:
    try:
        return fields.instant(envelope.attributes.get("time"))
    except ValueError:
        return clock.now()  # `time` is optional in CloudEvents
