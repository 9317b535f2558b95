"""Payments: every rule about money is here, except the provider's own.

The payment of a reservation is this service's memory of it, one row that is never deleted:

    (none) -> CHARGING -> PAID -> REFUNDING -> REFUNDED
                       -> FAILED                    declined; no money was taken
    (none) -> CANCELED                              canceled before it was heard of; never charged

Asking the provider is three steps: commit the intent, ask outside any transaction with a key made from the
reservation, record the answer. Whoever dies in between is redelivered, asks again by the same key, and gets the same
answer: nobody is charged twice and everybody is refunded once.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    bindparam,
    select,
    update,
)

import provider
from airline import clock, store
from airline.columns import Instant
from airline.errors import TryAgain
from airline.events import Paid, PaymentFailed, PaymentRefunded, RemainingSeatsDecreased, ReservationCanceled
from airline.outbox import OUTBOX
from provider import Receipt

SOURCE = "/airline/payment"
LONGEST_REASON = 200
UNFINISHED_AFTER = timedelta(minutes=2)
"""A CHARGING or REFUNDING row older than this has no delivery at work on it any more."""

metadata = MetaData()
PAYMENTS = Table(
    "payments",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("reservation_id", String(12), nullable=False, unique=True),
    Column("customer_id", Integer, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("payment_method", String(20)),
    Column("status", String(9), nullable=False),
    Column("reason", String(LONGEST_REASON)),
    Column("moved_at", Instant, nullable=False),
    Index("ix_payments_unfinished", "status", "moved_at"),
)
OUTBOX.to_metadata(metadata)

_PAYMENT = select(PAYMENTS).where(PAYMENTS.c.reservation_id == bindparam("reservation"))
_MOVE = (
    update(PAYMENTS)
    .where(PAYMENTS.c.reservation_id == bindparam("reservation"), PAYMENTS.c.status == bindparam("before"))
    .values(status=bindparam("after"), moved_at=bindparam("now"))
)
_EXPLAIN = update(PAYMENTS).where(PAYMENTS.c.reservation_id == bindparam("reservation")).values(reason=bindparam("why"))


def begin_charge(decreased: RemainingSeatsDecreased, transaction: Connection) -> Row[Any] | None:
    """Commits the intent to charge; None where a cancel is remembered or the money went back already."""
    store.insert_if_absent(
        transaction,
        PAYMENTS,
        reservation_id=decreased.reservation_id,
        customer_id=decreased.customer_id,
        amount=decreased.amount,
        payment_method=decreased.payment_method,
        status="CHARGING",
        moved_at=clock.now(),
    )
    payment = find(decreased.reservation_id, transaction)
    return payment if payment.status in ("CHARGING", "PAID", "FAILED") else None


def charge(payment: Row[Any]) -> Receipt:
    """Asks the provider, outside any transaction; the same reservation gets the same answer."""
    return provider.charge(payment.reservation_id, payment.amount, payment.payment_method)


def record_charge(payment: Row[Any], receipt: Receipt, transaction: Connection) -> Paid | PaymentFailed | None:
    """Stores the provider's answer, once, and says it; a repeat says it again, unless undone since."""
    if _move(payment.reservation_id, "CHARGING", "PAID" if receipt.accepted else "FAILED", transaction):
        _explain(payment.reservation_id, receipt.reason, transaction)
    row = find(payment.reservation_id, transaction)
    if row.status == "PAID":
        return Paid(
            payment_id=row.id, reservation_id=row.reservation_id, customer_id=row.customer_id, amount=row.amount
        )
    return _failed(row) if row.status == "FAILED" else None


def begin_refund(canceled: ReservationCanceled, transaction: Connection) -> Row[Any] | None:
    """Commits the intent to refund what was taken; remembers a cancel that came before its charge.

    Raises TryAgain while a charge is under way: only its answer tells whether there is money to give back.
    """
    identity = canceled.reservation_id
    tombstone = {"customer_id": canceled.customer_id, "amount": 0, "status": "CANCELED", "moved_at": clock.now()}
    if store.insert_if_absent(transaction, PAYMENTS, reservation_id=identity, **tombstone):
        return None
    if _move(identity, "PAID", "REFUNDING", transaction):
        _explain(identity, canceled.reason, transaction)
    payment = find(identity, transaction)
    if payment.status == "CHARGING":
        raise TryAgain(f"Reservation {identity} is being charged; the refund waits for the outcome.")
    return payment if payment.status in ("REFUNDING", "REFUNDED") else None


def refund(payment: Row[Any]) -> None:
    """Asks the provider to give the money back, outside any transaction; again is the same as once."""
    provider.refund(payment.reservation_id)


def record_refund(payment: Row[Any], _: None, transaction: Connection) -> PaymentRefunded:
    """Stores that the money went back, and says it; a repeat says it again."""
    _move(payment.reservation_id, "REFUNDING", "REFUNDED", transaction)
    row = find(payment.reservation_id, transaction)
    return PaymentRefunded(
        payment_id=row.id,
        reservation_id=row.reservation_id,
        customer_id=row.customer_id,
        amount=row.amount,
        reason=row.reason,
    )


def find(reservation_id: str, connection: Connection) -> Row[Any]:
    """The payment of a reservation that has one."""
    return connection.execute(_PAYMENT, {"reservation": reservation_id}).one()


def unfinished(connection: Connection, limit: int) -> Sequence[Row[Any]]:
    """Payments that were left between asking the provider and recording, oldest first."""
    left = (PAYMENTS.c.status.in_(("CHARGING", "REFUNDING")), PAYMENTS.c.moved_at < clock.now() - UNFINISHED_AFTER)
    return connection.execute(select(PAYMENTS).where(*left).order_by(PAYMENTS.c.moved_at).limit(limit)).all()


def _move(reservation_id: str, before: str, after: str, transaction: Connection) -> bool:
    move = {"reservation": reservation_id, "before": before, "after": after, "now": clock.now()}
    return transaction.execute(_MOVE, move).rowcount == 1


def _explain(reservation_id: str, why: str | None, transaction: Connection) -> None:
    if why:
        transaction.execute(_EXPLAIN, {"reservation": reservation_id, "why": why[:LONGEST_REASON]})


def _failed(row: Row[Any]) -> PaymentFailed:
    return PaymentFailed(
        payment_id=row.id,
        reservation_id=row.reservation_id,
        customer_id=row.customer_id,
        amount=row.amount,
        reason=row.reason,
    )
