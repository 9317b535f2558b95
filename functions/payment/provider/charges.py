"""The test provider: what it is asked for, by one idempotency key a payment."""

import time
from collections.abc import Mapping
from typing import Any

from provider import ledger
from provider.receipts import DECLINED, Receipt

SLOW_SECONDS = 3.0


def charge(key: str, amount: int, method: str, again: bool = False) -> Receipt:  # noqa: ARG001 - its ledger knows
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


def look(key: str, amount: int) -> Receipt | None:  # noqa: ARG001 - its ledger knows
    """What became of the charge of a key; None where there was none."""
    accepted = ledger.charged(key)
    return None if accepted is None else Receipt(accepted, None if accepted else DECLINED)


def subject(hint: Mapping[str, Any]) -> str | None:  # noqa: ARG001 - in this process there are no webhooks
    """Nothing: who is in this process sends no webhooks."""
    return None
