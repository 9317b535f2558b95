"""What time does to payments: whatever was left between asking the provider and recording is finished."""

import functools

from sqlalchemy import Row

import payment_figures
import payments
from airline.events import AIRLINE
from choreography import figures, housekeeping, outbox, store


def keep_house() -> None:
    """Asks the provider again by key, records, says it; then sends what the outbox still holds."""
    housekeeping.keep(finished=_finish_unfinished, sent=outbox.drain, told=lambda _: figures.tell(payment_figures.look))


def _finish_unfinished(until: float) -> int:
    left = housekeeping.pages(payments.unfinished)
    return housekeeping.each((row.reservation_id for row in left), _finish, until, AIRLINE.about)


def _finish(reservation_id: str) -> None:
    payment = store.commit(functools.partial(payments.take_up, reservation_id))
    if payment.status == "CHARGING":
        _finish_charge(payment)
    elif payment.status == "REFUNDING":
        _finish_undo(payment)


def _finish_charge(payment: Row[tuple[object, ...]]) -> None:
    receipt = payments.charge(payment)
    outbox.announce(lambda tx: payments.record_charge(payment, receipt, tx), payments.SOURCE)


def _finish_undo(payment: Row[tuple[object, ...]]) -> None:
    went_back = payments.refund(payment)
    outbox.announce(lambda tx: payments.record_undo(payment, went_back, tx), payments.SOURCE)
