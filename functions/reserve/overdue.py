"""What time does to reservations: nothing stays PENDING for ever, nothing said stays unsent."""

from collections.abc import Sequence

import reservations
from airline import outbox, store
from airline.logs import log

BATCH = 500


def keep_house() -> None:
    """Cancels what is PENDING past its time, by the normal road, and sends what the outbox still holds."""
    canceled = 0
    while identities := _overdue():
        for identity in identities:
            _expire(identity)
        canceled += len(identities)
    log.info("housekeeping", extra={"fields": {"expired": canceled, "sent": outbox.drain()}})


def _overdue() -> Sequence[str]:
    with store.reading() as connection:
        return reservations.expired(connection, BATCH)


def _expire(identity: str) -> None:
    outbox.commit(lambda transaction: (None, reservations.expire(identity, transaction)), reservations.SOURCE)
