"""What time does to reservations: nothing stays PENDING for ever, nothing said stays unsent."""

from collections.abc import Sequence

from sqlalchemy import Connection

import reservations
from airline import outbox, store
from airline.events import ReservationCanceled
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
    def work(transaction: Connection) -> tuple[None, ReservationCanceled | None]:
        # a Paid may have confirmed it since it was listed
        confirmed = reservations.find(identity, transaction).status == "SUCCEED"
        return None, None if confirmed else reservations.cancel(identity, reservations.EXPIRED, transaction)

    outbox.commit(work, reservations.SOURCE)
