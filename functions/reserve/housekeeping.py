"""What time does to reservations: nothing stays PENDING for ever, nothing owed is forgotten, nothing stays unsent."""

import accepted_commands
import owed
import reservations
import reserve_figures
from airline.events import AIRLINE
from choreography import figures, housekeeping, idempotency, origins, outbox


def keep_house() -> None:
    """Cancels what is PENDING past its time, by the normal road; says again what is owed and what was accepted but not
    done; sends what is unsent; forgets commands that are done, old keys, and where old traces began.
    """
    housekeeping.keep(
        expired=_expire_overdue,
        said_again=owed.say_again,
        commands=accepted_commands.say_again,
        sent=outbox.drain,
        forgotten=accepted_commands.forget,
        keys=idempotency.prune,
        origins=origins.prune,
        figures=lambda _: figures.tell(reserve_figures.look),
    )


def _expire_overdue(until: float) -> int:
    overdue = housekeeping.pages(reservations.expired)
    return housekeeping.each((row.id for row in overdue), _expire, until, AIRLINE.about)


def _expire(identity: str) -> None:
    outbox.announce(lambda transaction: reservations.expire(identity, transaction), reservations.SOURCE)
