"""What time does to the dashboard: what was not compensated shows, and old history goes."""

from datetime import timedelta

import history
import projection
from airline import clock, store
from airline.logs import about, log

OVERDUE = timedelta(minutes=10)
"""Longer than all retries of a Trigger take (about seven minutes)."""


def keep_house() -> None:
    """Warns of each that is canceled and not compensated (the dead letters tell why); prunes the history."""
    with store.reading() as connection:
        owed = projection.uncompensated(clock.now() - OVERDUE, connection)
    for reservation_id in owed:
        with about(reservationId=reservation_id):
            log.warning("canceled but not yet compensated")
    log.info("housekeeping", extra={"fields": {"uncompensated": len(owed), "pruned": history.prune()}})
