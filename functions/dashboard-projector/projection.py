"""The dashboard's projection: what every event says, merged per reservation, and the events themselves.

Order and repetition do not matter. An event is kept once, by its id; what it says of a reservation is written as a
fact (a date, a flag that is only ever set), so any order of the same events makes the same row. Customers are a query
over these rows: a counter could be doubled, a count of rows cannot.

The events are the history: what a saga's timeline shows, and what a row can be made from again (rebuild.py). Those of
reservations that ended are pruned when they are older than EVENT_HISTORY_DAYS (history_pruning.py); the row stays.
"""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Date,
    Index,
    Integer,
    MetaData,
    Row,
    Select,
    String,
    Table,
    Text,
    Update,
    and_,
    bindparam,
    case,
    cast,
    false,
    func,
    or_,
    select,
    update,
)

from airline import events, saga
from airline.events import AIRLINE, OF_SAGAS, Event, SagaEvent
from choreography import clock, fields, prepared, store, wire
from choreography.actions import ACTIONS
from choreography.columns import Instant
from choreography.wire import Envelope

LONGEST_CAUSE = 255
LONGEST_DATA = 16_384
"""Characters of an event's data; MySQL's TEXT takes four times as much."""
MOST_EXAMPLES = 100
_ENDS = tuple(saga.ENDS.values())

metadata = MetaData()
EVENTS = Table(
    "events",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("reservation_id", String(12), nullable=False, index=True),
    Column("type", String(40), nullable=False),
    Column("source", String(255), nullable=False),
    Column("causation_id", String(LONGEST_CAUSE)),
    Column("said_at", Instant, nullable=False, index=True),
    Column("customer_id", Integer),  # what reservations copy of it, so that rows can be rebuilt in SQL
    Column("reserve_date", Date),
    Column("paid_amount", BigInteger),
    Column("refunded_amount", BigInteger),
    Column("data", Text, nullable=False),
)
RESERVATIONS = Table(
    "reservations",
    metadata,
    Column("reservation_id", String(12), primary_key=True),
    Column("customer_id", Integer, index=True),
    Column("reserve_date", Date),
    Column("paid_amount", BigInteger),  # null with `paid`: its history was pruned before amounts were kept
    Column("refunded_amount", BigInteger),
    Column("placed", Boolean, nullable=False, default=False),
    Column("seats_held", Boolean, nullable=False, default=False),
    Column("seats_returned", Boolean, nullable=False, default=False),
    Column("paid", Boolean, nullable=False, default=False),
    Column("refunded", Boolean, nullable=False, default=False),
    Column("seats_not_held", Boolean, nullable=False, server_default=false()),
    Column("payment_not_taken", Boolean, nullable=False, server_default=false()),
    Column("confirmed", Boolean, nullable=False, default=False),
    Column("canceled_at", Instant),
    Column("pruned", Boolean, nullable=False, default=False),  # events are missing from its history
    Column("reported", Boolean, nullable=False, server_default=false()),  # its present end, as settled
    Index("ix_reservations_unreported", "reported", "reservation_id"),  # in the order of its pages
)
ACTIONS.to_metadata(metadata)


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
        return
    if not _set(facts, event, transaction) and not store.insert_if_absent(transaction, RESERVATIONS, **row):
        _set(facts, event, transaction)


def _set(facts: Mapping[str, Any], event: SagaEvent, transaction: Connection) -> bool:
    return prepared.changed(transaction, _setting(tuple(facts)), {**facts, "of": event.reservation_id}) == 1


@functools.cache
def _setting(names: tuple[str, ...]) -> Update:
    chosen: dict[str, Any] = {name: bindparam(name) for name in names}
    return update(RESERVATIONS).where(RESERVATIONS.c.reservation_id == bindparam("of")).values(chosen)


def customers() -> Select[Any]:
    """One row per customer: how many reservations were placed, confirmed, canceled; the latest date of one; the money.

    An amount is null where that of one reservation is not known.
    """
    canceled = RESERVATIONS.c.canceled_at.is_not(None)
    return (
        select(
            RESERVATIONS.c.customer_id.label("customer_id"),
            func.count().label("flight_count"),
            func.max(RESERVATIONS.c.reserve_date).label("recent_reserve_date"),
            func.sum(case((and_(RESERVATIONS.c.confirmed, ~canceled), 1), else_=0)).label("confirmed_count"),
            func.sum(case((canceled, 1), else_=0)).label("canceled_count"),
            _sum(RESERVATIONS.c.paid, RESERVATIONS.c.paid_amount).label("spent"),
            _sum(RESERVATIONS.c.refunded, RESERVATIONS.c.refunded_amount).label("refunded"),
        )
        .where(RESERVATIONS.c.placed)
        .group_by(RESERVATIONS.c.customer_id)
    )


def _sum(there: ColumnElement[bool], amount: ColumnElement[int]) -> ColumnElement[int | None]:
    unknown = func.sum(case((and_(there, amount.is_(None)), 1), else_=0))
    return case((unknown == 0, cast(func.coalesce(func.sum(amount), 0), BigInteger)), else_=None)


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
        whole = json.dumps({**envelope.data, **known}, allow_nan=False)
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
