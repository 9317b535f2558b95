"""What time does to reservations: nothing stays PENDING for ever, nothing owed is forgotten, nothing stays unsent."""

import owed
import reservations
from airline import housekeeping, outbox


def keep_house() -> None:
    """Cancels what is PENDING past its time, by the normal road; says again what is owed; sends what is unsent."""
    housekeeping.keep(expired=_expire_overdue, said_again=owed.say_again, sent=outbox.drain)


def _expire_overdue(until: float) -> int:
    overdue = housekeeping.pages(reservations.expired)
    return housekeeping.each((row.id for row in overdue), _expire, until)


def _expire(identity: str) -> None:
    outbox.commit(lambda transaction: (None, reservations.expire(identity, transaction)), reservations.SOURCE)
