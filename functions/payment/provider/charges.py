"""What a payment service may ask of the provider, by one idempotency key a payment: to charge, and to undo it."""

import time
from dataclasses import dataclass

from provider import ledger

DECLINED = "declined by the provider"
SLOW_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the provider answered: the money was taken, or it was not, and why."""

    accepted: bool
    reason: str | None = None


def charge(key: str, amount: int, method: str) -> Receipt:
    """Takes `amount` once for `key`, or declines once; asked again, gives the first answer."""
    if method == "slow" and ledger.charged(key) is None:
        time.sleep(SLOW_SECONDS)
    accepted = ledger.enter(key, "charge", method != "decline", amount)
    return Receipt(accepted, None if accepted else DECLINED)


def undo(key: str, amount: int) -> bool:
    """Gives back once what was taken for `key`; if nothing was, declines a charge of `amount` that may still come.

    Returns whether money went back; asked again, the first answer. A charge and its undoing exclude each other by the
    one entry (key, charge) of the ledger, as a real provider's cancel of a payment intent does.
    """
    taken = ledger.enter(key, "charge", False, amount)
    if taken:
        ledger.enter(key, "refund", True, amount)
    return taken
