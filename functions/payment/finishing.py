"""A payment that was left between asking the provider and recording: it is asked again, recorded, and said."""

from typing import Any

from sqlalchemy import Row

import payments
from choreography import outbox
from payments import Intent
from provider import Receipt


def finish(payment: Row[Any]) -> None:
    """Asks the provider again by the key. Raises TryAgain."""
    if payment.status == "CHARGING":
        intent = Intent(payment, again=True)
        _record(intent, payments.charge(intent))
    else:
        finish_undo(payment)


def finish_if_decided(payment: Row[Any]) -> None:
    """As `finish`, but a charge that the provider does not know is left alone. Raises TryAgain."""
    if payment.status == "CHARGING":
        _record(Intent(payment, again=True), payments.look(payment))
    else:
        finish_undo(payment)


def finish_undo(payment: Row[Any]) -> None:
    """Of a payment that is REFUNDING; any other is left alone. Raises TryAgain."""
    if payment.status == "REFUNDING":
        went_back = payments.refund(payment)
        outbox.announce(lambda tx: payments.record_undo(payment, went_back, tx), payments.SOURCE)


def _record(intent: Intent, receipt: Receipt | None) -> None:
    if receipt is not None:
        outbox.announce(lambda tx: payments.record_charge(intent, receipt, tx), payments.SOURCE)
