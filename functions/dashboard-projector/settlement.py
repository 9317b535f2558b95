"""Which sagas are over and owe nothing: the dashboard hears everything, so it is the one to know.

A report is cleared only after the broker has taken it. One that is lost behind it is made again: reserve goes on to
repeat the end of the reservation, and a repeated end is reported again (projection.py).
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from sqlalchemy import ColumnElement, Connection, and_, select, update

import dashboard_tally
from airline import saga
from airline.events import SagasSettled
from choreography import housekeeping, outbox, store, wire
from projection import OWED, RESERVATIONS, heard

SOURCE = "/airline/dashboard-projector"
BATCH = 200
"""Reservations in one event."""

SETTLED: dict[str, ColumnElement[bool]] = {
    "SUCCEED": and_(*map(heard, saga.SUCCESS), RESERVATIONS.c.canceled_at.is_(None)),
    "CANCELED": and_(RESERVATIONS.c.placed, RESERVATIONS.c.canceled_at.is_not(None), ~OWED),
}
"""By its end, when everything of a saga has been heard."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Reservations that ended in the same way."""

    status: str
    reservation_ids: tuple[str, ...]


def report(until: float) -> int:
    """Says which sagas are settled, in batches. Returns how many batches."""
    batches = chain.from_iterable(housekeeping.pages(functools.partial(_next, status)) for status in SETTLED)
    return housekeeping.each(batches, _say, until)


def unreported(status: str, after: str, connection: Connection) -> Sequence[str]:
    """Ids behind that one of reservations that ended so and are settled, as many as fit one event."""
    query = select(RESERVATIONS.c.reservation_id).where(~RESERVATIONS.c.reported, SETTLED[status])
    behind = query.where(RESERVATIONS.c.reservation_id > after)
    return connection.execute(behind.order_by(RESERVATIONS.c.reservation_id).limit(BATCH)).scalars().all()


def reported(batch: Batch, transaction: Connection) -> None:
    """Remembers the report, of those that are still as they were: one may have been canceled since."""
    theirs = RESERVATIONS.c.reservation_id.in_(batch.reservation_ids), SETTLED[batch.status]
    dashboard_tally.settle(theirs, batch.status, transaction)
    transaction.execute(update(RESERVATIONS).where(*theirs).values(reported=True))


def _next(status: str, before: Batch | None, connection: Connection) -> Sequence[Batch]:
    found = unreported(status, before.reservation_ids[-1] if before else "", connection)
    return [Batch(status, tuple(found))] if found else []


def _say(batch: Batch) -> None:
    settled = SagasSettled(status=batch.status, reservation_ids=batch.reservation_ids)
    outbox.deliver(wire.pack(wire.say(settled, SOURCE)))
    store.commit(functools.partial(reported, batch))
