"""The test payment provider: somebody else's company, with its own durable ledger, apart from payment's tables.

It keeps what a real one keeps: at most one charge and one refund per idempotency key, whatever is asked how often.
How it answers is chosen per reservation by `paymentMethod`: accept, decline, or slow (accepts after a while).
"""

from provider.charges import DECLINED, SLOW_SECONDS, Receipt, charge, undo
from provider.ledger import LEDGER, metadata, statement

__all__ = ["DECLINED", "LEDGER", "SLOW_SECONDS", "Receipt", "charge", "metadata", "statement", "undo"]
