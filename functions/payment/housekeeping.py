"""What time does to payments: whatever was left between asking the provider and recording is finished."""

import functools

import finishing
import payment_figures
import payments
from airline.events import AIRLINE
from choreography import figures, housekeeping, origins, outbox, store


def keep_house() -> None:
    """Asks the provider again by key, records, says it; sends what the outbox still holds; forgets where old traces
    began.
    """
    housekeeping.keep(
        finished=_finish_unfinished,
        sent=outbox.drain,
        origins=origins.prune,
        figures=lambda _: figures.tell(payment_figures.look),
    )


def _finish_unfinished(until: float) -> int:
    left = housekeeping.pages(payments.unfinished)
    return housekeeping.each((row.reservation_id for row in left), _finish, until, AIRLINE.about)


def _finish(reservation_id: str) -> None:
    finishing.finish(store.commit(functools.partial(payments.take_up, reservation_id)))
