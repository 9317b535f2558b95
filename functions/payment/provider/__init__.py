"""The payment provider: somebody else's company, asked by one idempotency key a payment, the id of its reservation.

Which one, the settings say:

    PAYMENT_PROVIDER_URL unset       the test provider in this process (charges.py); its ledger is a database of its own
    PAYMENT_PROVIDER=contract        one behind the HTTP contract of ledger.openapi.json (over_http.py)
    PAYMENT_PROVIDER=stripe          one with the API of Stripe (stripe_shaped.py)

Each of these modules has the four functions here. The test provider answers as `paymentMethod` says: accept, decline,
or slow (accepts after a while); ledger_api.py is the same provider as a server of its own.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from airline.settings import settings
from provider import charges
from provider.charges import SLOW_SECONDS
from provider.ledger import LEDGER, metadata, statement
from provider.receipts import DECLINED, GIVEN_BACK, Receipt

__all__ = [
    "DECLINED",
    "GIVEN_BACK",
    "LEDGER",
    "SLOW_SECONDS",
    "Receipt",
    "charge",
    "look",
    "metadata",
    "statement",
    "subject",
    "undo",
]


class Provider(Protocol):
    """What a module here does for the others. All of it may be asked again: each effect happens once for a key."""

    def charge(self, key: str, amount: int, method: str, again: bool) -> Receipt | None: ...

    def undo(self, key: str, amount: int) -> bool | None: ...

    def look(self, key: str, amount: int) -> Receipt | None: ...

    def subject(self, hint: Mapping[str, Any]) -> str | None: ...


def charge(key: str, amount: int, method: str, again: bool = False) -> Receipt | None:
    """Takes `amount` once for `key`. `again`: it may have been asked before, so the outcome is asked for first.

    None: the provider has not decided yet. Raises TryAgain where nobody knows, Invalid where it refuses the request.
    """
    return _chosen().charge(key, amount, method, again)


def undo(key: str, amount: int) -> bool | None:
    """Gives back once what was taken for `key`, all of it; where nothing was, closes the key to a charge still to come.

    Whether money went back; None: the provider is still at it. Raises as `charge` does.
    """
    return _chosen().undo(key, amount)


def look(key: str, amount: int) -> Receipt | None:
    """What became of the charge of a key; None where it was never asked for or is not decided. Raises TryAgain."""
    return _chosen().look(key, amount)


def subject(hint: Mapping[str, Any]) -> str | None:
    """The key that a webhook of the provider is about; None where it is about nothing of ours."""
    return _chosen().subject(hint)


def _chosen() -> Provider:
    if settings().payment_provider_url is None:
        return charges
    if settings().payment_provider == "stripe":
        from provider import stripe_shaped  # noqa: PLC0415 - an HTTP client, which the test provider does not need

        return stripe_shaped
    from provider import over_http  # noqa: PLC0415 - as above

    return over_http
