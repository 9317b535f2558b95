"""The test payment provider: somebody else's company, with its own durable ledger, apart from payment's tables.

It keeps what a real one keeps: at most one charge and one refund per idempotency key, whatever is asked how often.
How it answers is chosen per reservation by `paymentMethod`: accept, decline, or slow (accepts after a while).
"""

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass

from sqlalchemy import BigInteger, Boolean, Column, Connection, Engine, MetaData, String, Table, select

from airline.settings import settings
from choreography import clock, store
from choreography.columns import Instant

DECLINED = "declined by the provider"
SLOW_SECONDS = 3.0

metadata = MetaData()
LEDGER = Table(
    "ledger",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("kind", String(6), primary_key=True),
    Column("accepted", Boolean, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("at", Instant, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the provider answered: the money was taken, or it was not, and why."""

    accepted: bool
    reason: str | None = None


def charge(key: str, amount: int, method: str) -> Receipt:
    """Takes `amount` once for `key`, or declines once; asked again, gives the first answer."""
    if method == "slow" and _answer(key) is None:
        time.sleep(SLOW_SECONDS)
    accepted = _enter(key, "charge", method != "decline", amount)
    return Receipt(accepted, None if accepted else DECLINED)


def undo(key: str, amount: int) -> bool:
    """Gives back once what was taken for `key`; if nothing was, declines a charge of `amount` that may still come.

    Returns whether money went back; asked again, the first answer. A charge and its undoing exclude each other by the
    one entry (key, charge) of the ledger, as a real provider's cancel of a payment intent does.
    """
    taken = _enter(key, "charge", False, amount)
    if taken:
        _enter(key, "refund", True, amount)
    return taken


def statement() -> AbstractContextManager[Connection]:
    """A look at the ledger, as a provider's statement of account gives it."""
    return store.reading(_ledger())


def _answer(key: str) -> bool | None:
    query = select(LEDGER.c.accepted).where(LEDGER.c.key == key, LEDGER.c.kind == "charge")
    with statement() as connection:
        return connection.execute(query).scalar_one_or_none()


def _enter(key: str, kind: str, accepted: bool, amount: int) -> bool:
    row = {"key": key, "kind": kind, "accepted": accepted, "amount": amount, "at": clock.now()}
    # of two that ask at once, the first is entered and both are told what stands in the ledger
    first = store.commit(lambda transaction: store.insert_if_absent(transaction, LEDGER, **row), _ledger())
    return accepted if first else bool(_answer(key))


def _ledger() -> Engine:
    return store.engine(settings().provider_database_url)
