"""What time does to payments: whatever was left between asking the provider and recording is finished."""

from typing import Any

from sqlalchemy import Row

import payments
from airline import outbox, store
from airline.logs import about, log

BATCH = 500


def keep_house() -> None:
    """Asks the provider again by key, records, says it; then sends what the outbox still holds."""
    with store.reading() as connection:
        left = payments.unfinished(connection, BATCH)
    for payment in left:
        with about(reservationId=payment.reservation_id):
            _finish_charge(payment) if payment.status == "CHARGING" else _finish_refund(payment)
    log.info("housekeeping", extra={"fields": {"finished": len(left), "sent": outbox.drain()}})


def _finish_charge(payment: Row[Any]) -> None:
    receipt = payments.charge(payment)
    outbox.commit(lambda tx: (None, payments.record_charge(payment, receipt, tx)), payments.SOURCE)


def _finish_refund(payment: Row[Any]) -> None:
    payments.refund(payment)
    outbox.commit(lambda tx: (None, payments.record_refund(payment, None, tx)), payments.SOURCE)
