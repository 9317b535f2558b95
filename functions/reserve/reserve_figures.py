"""The figures of reservations for Prometheus, at each tick."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Column, ColumnElement, Connection, func, select

import reserve_tally
from choreography import figures
from choreography.figures import Figure
from reservations import RESERVATIONS
from reserve_totals import OWED

STATUSES = ("PENDING", "SUCCEED", "CANCELED")


def look(connection: Connection) -> Iterable[Figure]:
    """Reservations and their seats by status, what is under way and for how long, what is owed, what is unsent."""
    by_status = _by_status(connection)
    for status in STATUSES:
        number, _ = by_status[status]
        yield Figure("airline_reservations", "Reservations by their status.", number, {"status": status})
    _, sold = by_status["SUCCEED"]
    yield Figure("airline_seats_sold", "Seats of reservations that succeeded.", float(sold))
    yield from _under_way(connection)
    yield from figures.of_outbox("reserve", connection)


def _by_status(connection: Connection) -> dict[str, tuple[int, int]]:
    """Reservations and seats: those that are settled are counted already, so only what is under way is looked at."""
    found = dict.fromkeys(STATUSES, (0, 0)) | reserve_tally.settled(connection)
    of = RESERVATIONS.c
    # by an expression, or SQLite goes through the whole index of status, to have the groups in their order
    now = func.coalesce(of.status, "")
    query = select(now, of.counted_as, func.count(), func.sum(of.seat_qty)).where(OWED)
    for status, counted_as, number, seats in connection.execute(query.group_by(now, of.counted_as)):
        for one, sign in ((status, 1), (counted_as, -1)):
            if one is not None:
                found[one] = found[one][0] + sign * number, found[one][1] + sign * int(seats)
    return found


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
