"""How the history is limited; rebuild.py says what that costs.

Housekeeping removes the events of reservations that ended and had no event for EVENT_HISTORY_DAYS, all
events of a reservation at once. Its projected row stays, so customers keep their counts for ever; it is marked as
pruned, because from then on its history could no longer make that row, even if a late event comes to it again.
"""

import functools
from datetime import datetime

from sqlalchemy import Connection, and_, bindparam, delete, exists, or_, select, update

from airline.settings import settings
from choreography import clock, store
from projection import EVENTS, OWED, RESERVATIONS

BATCH = 500
"""Reservations in one transaction: other writers wait no longer than for one batch."""

_LATER = EVENTS.alias()
_ENDED = or_(
    RESERVATIONS.c.canceled_at.is_(None) & RESERVATIONS.c.confirmed, RESERVATIONS.c.canceled_at.is_not(None) & ~OWED
)
_OLDEST = (
    select(EVENTS.c.reservation_id)
    .join(RESERVATIONS, RESERVATIONS.c.reservation_id == EVENTS.c.reservation_id)
    .where(EVENTS.c.said_at < bindparam("before"), _ENDED)
    .where(
        ~exists().where(
            and_(_LATER.c.reservation_id == EVENTS.c.reservation_id, _LATER.c.said_at >= bindparam("before"))
        )
    )
    .order_by(EVENTS.c.said_at)  # along the index of that column: what is not old is not looked at
    .limit(8 * BATCH)  # a saga has four to seven events
    .subquery()
)
_OLD = select(_OLDEST.c.reservation_id).distinct().limit(BATCH)


def prune(until: float) -> int:
    """Removes what is too old, in batches, until that moment. Returns the number of reservations."""
    kept = settings().event_history
    if kept is None:
        return 0
    return store.in_batches(functools.partial(prune_some, clock.now() - kept), until)


def prune_some(before: datetime, transaction: Connection) -> int:
    """Removes one batch of events from before that moment. Returns the number of reservations."""
    old = transaction.execute(_OLD, {"before": before}).scalars().all()
    if old:
        marking = update(RESERVATIONS).where(RESERVATIONS.c.reservation_id.in_(old)).values(pruned=True)
        transaction.execute(marking)
        # not what came since it was looked for
        transaction.execute(delete(EVENTS).where(EVENTS.c.reservation_id.in_(old), EVENTS.c.said_at < before))
    return len(old)
