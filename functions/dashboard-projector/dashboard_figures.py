"""The dashboard's figures for Prometheus, at each tick: it has heard of all services, and counts no repeat."""

from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import Connection, func, select

import dashboard_tally
from choreography import clock
from choreography.figures import Figure
from dashboard_tally import REASONS, REFUNDED, TAKEN
from projection import OWED, RESERVATIONS

OVERDUE = timedelta(minutes=10)
"""Longer than all retries of a Trigger take (about seven minutes)."""


def look(connection: Connection) -> Iterable[Figure]:
    """Cancels by reason, the money that was taken and given back, and compensations that are overdue."""
    sums = dashboard_tally.sums(connection)
    for reason in REASONS:
        about = "Reservations that were canceled, by reason."
        yield Figure("airline_reservations_canceled", about, sums.get(reason, 0), {"reason": reason})
    taken, refunded = sums[TAKEN], sums[REFUNDED]
    yield Figure("airline_money_taken", "Money that was taken, whatever became of it.", float(taken))
    yield Figure("airline_money_refunded", "Money that was given back.", float(refunded))
    late = RESERVATIONS.c.canceled_at < clock.now() - OVERDUE
    number = connection.execute(select(func.count()).where(~RESERVATIONS.c.reported, late, OWED)).scalar_one()
    yield Figure("airline_uncompensated", "Canceled for ten minutes, and seats or money are not answered for.", number)
