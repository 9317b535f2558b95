"""The figures of reservations for Prometheus, at each tick."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Column, ColumnElement, Connection, func, select

import reserve_totals
from choreography import figures
from choreography.figures import Figure
from reservations import RESERVATIONS
from reserve_totals import OWED, STATUSES


def look(connection: Connection) -> Iterable[Figure]:
    """Reservations and their seats by status, what is under way and for how long, what is owed, what is unsent."""
    by_status = reserve_totals.by_status(connection)
    for status in STATUSES:
        number, _ = by_status[status]
        yield Figure("airline_reservations", "Reservations by their status.", number, {"status": status})
    _, sold = by_status["SUCCEED"]
    yield Figure("airline_seats_sold", "Seats of reservations that succeeded.", float(sold))
    yield from _under_way(connection)
    yield from figures.of_outbox("reserve", connection)


def _under_way(connection: Connection) -> Iterable[Figure]:
    pending = _count_and_oldest(RESERVATIONS.c.created_at, RESERVATIONS.c.status == "PENDING", connection)
    owed = _count_and_oldest(RESERVATIONS.c.owed_since, OWED, connection)
    yield Figure("airline_sagas_in_flight", "Reservations that are PENDING.", pending[0])
    yield Figure("airline_saga_oldest_seconds", "How long the oldest of them is.", pending[1])
    yield Figure("airline_owed", "Reservations that were not reported as settled yet.", owed[0])
    yield Figure("airline_owed_oldest_seconds", "Since when the oldest of them is.", owed[1])


def _count_and_oldest(since: Column[datetime], which: ColumnElement[bool], connection: Connection) -> tuple[int, float]:
    number, oldest = connection.execute(select(func.count(), func.min(since)).where(which)).one()
    return number, figures.age(oldest)
