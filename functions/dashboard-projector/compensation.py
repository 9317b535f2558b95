"""What time shows: reservations that were canceled and whose seats or money have not come back."""

from datetime import timedelta

import projection
from airline import clock, store
from airline.logs import about, log

OVERDUE = timedelta(minutes=10)
"""Longer than all retries of a Trigger take (about seven minutes)."""


def keep_house() -> None:
    """Logs a warning for each one; the dead letters tell why."""
    with store.reading() as connection:
        owed = projection.uncompensated(clock.now() - OVERDUE, connection)
    for reservation_id in owed:
        with about(reservationId=reservation_id):
            log.warning("canceled but not yet compensated")
    log.info("housekeeping", extra={"fields": {"uncompensated": len(owed)}})
