"""Payments: every rule about money is here, except the provider's own (provider/).

The payment of a reservation is this service's memory of it, one row that is never deleted:

    (none) -> CHARGING -> PAID -> REFUNDING -> REFUNDED
                       -> FAILED                    declined; no money was taken
                       -> REFUNDING -> REFUNDED     canceled, or expired, before the outcome was known
                                    -> FAILED       the same, and it turned out that no money was taken
    (none) -> CANCELED                              canceled before it was heard of; never charged

Asking the provider is three steps: commit the intent, ask outside any transaction with a key made from the
reservation, record the answer. A process that dies in between gets the event again, asks with the same key, and gets
the same answer: nobody is charged twice and everybody is refunded once. A provider that has not decided leaves the row
as it is, and nothing is said: its webhook (hints.py) or housekeeping asks again.

A cancel that finds a charge of unknown outcome is committed as REFUNDING, so it is never forgotten. To undo is one
question to the provider by the same key: it gives back what it took, or declines whatever charge may still come.

Nobody is charged past `expires_at`: only a recorded PAID says Paid, so a reservation whose charge is still CHARGING by
then is not SUCCEED, and what may have been taken is undone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
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
    func,
    or_,
    select,
    text,
    tuple_,
    update,
)

import provider
from airline.events import (
    EXPIRED,
    Paid,
    PaymentFailed,
    PaymentNotTaken,
    PaymentRefunded,
    RemainingSeatsDecreased,
    ReservationCanceled,
)
from choreography import clock, prepared, store
from choreography.columns import Instant, indexes
from choreography.origins import ORIGINS
from choreography.outbox import OUTBOX
from provider import Receipt

SOURCE = "/airline/payment"
LONGEST_REASON = 200
BATCH = 500
"""Rows in one page of housekeeping."""
UNFINISHED = ("CHARGING", "REFUNDING")
UNFINISHED_AFTER = timedelta(minutes=2)
"""A row of these statuses that is older has no delivery at work on it any more."""

Listed = Row[str, datetime, int]
"""Reservation, when it moved, and number of an unfinished payment."""


@dataclass(frozen=True, slots=True)
class Intent:
    """A charge to be asked for. `again`: it may have been asked for before, by whoever left its row behind."""

    payment: Row[Any]
    again: bool

    @property
    def reservation_id(self) -> str:
        """The key by which the provider is asked."""
        return str(self.payment.reservation_id)


SHOWN = "status <> 'CANCELED'"
"""SQL: what is a payment, and not only a cancel that was remembered. Indexes have no other rows, where they can."""

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
    Column("expires_at", Instant),  # of its reservation; null where it was never heard of, or an earlier release did
    Index("ix_payments_unfinished", "status", "moved_at"),
    *indexes(
        "payments",
        *(("id",), ("reservation_id", "id"), ("customer_id", "id"), ("amount", "id"), ("status", "id")),
        sqlite_where=text(SHOWN),  # the migration says so for PostgreSQL too; here, it would be imported at each start
    ),
)
ORIGINS.to_metadata(metadata)
OUTBOX.to_metadata(metadata)

_PAYMENT = select(PAYMENTS).where(PAYMENTS.c.reservation_id == bindparam("reservation"))
_MOVE = (
    update(PAYMENTS)
    .where(PAYMENTS.c.reservation_id == bindparam("reservation"), PAYMENTS.c.status == bindparam("before"))
    .values(
        status=bindparam("after"),
        moved_at=bindparam("now"),
        reason=func.coalesce(bindparam("why", type_=String), PAYMENTS.c.reason),
    )
)
_UNDO = (
    update(PAYMENTS)
    .where(PAYMENTS.c.reservation_id == bindparam("reservation"), PAYMENTS.c.status.in_(("CHARGING", "PAID")))
    .values(status="REFUNDING", moved_at=bindparam("now"), reason=bindparam("why"))
)
_LAPSE = _UNDO.where(
    PAYMENTS.c.status == "CHARGING", or_(PAYMENTS.c.expires_at.is_(None), PAYMENTS.c.expires_at <= bindparam("now"))
)
_TAKE = update(PAYMENTS).where(PAYMENTS.c.reservation_id == bindparam("reservation")).values(moved_at=bindparam("now"))


def begin_charge(decreased: RemainingSeatsDecreased, transaction: Connection) -> Intent | None:
    """Commits the intent to charge; None where a cancel is remembered, the money went back, or the time is over.

    Past its expiry nothing new is charged: the reservation will be canceled.
    """
    is_new = False
    if decreased.expires_at > clock.now():
        is_new = store.insert_if_absent(
            transaction,
            PAYMENTS,
            reservation_id=decreased.reservation_id,
            customer_id=decreased.customer_id,
            amount=decreased.amount,
            payment_method=decreased.payment_method,
            status="CHARGING",
            moved_at=clock.now(),
            expires_at=decreased.expires_at,
        )
    else:
        _lapse(decreased.reservation_id, transaction)  # and housekeeping undoes it
    payment = prepared.row(transaction, _PAYMENT, {"reservation": decreased.reservation_id})
    known = payment and payment.status in ("CHARGING", "PAID", "FAILED")
    return Intent(payment, again=not is_new) if payment and known else None


def charge(intent: Intent) -> Receipt | None:
    """Asks the provider, outside any transaction; the same reservation gets the same answer.

    None: it is known, or the provider has not decided; then its webhook or housekeeping finishes this.
    """
    payment = intent.payment
    if payment.status != "CHARGING":
        return None
    return provider.charge(intent.reservation_id, payment.amount, payment.payment_method, intent.again)


def look(payment: Row[Any]) -> Receipt | None:
    """What the provider decided about a charge; None where it knows of none, or is still at it."""
    return provider.look(payment.reservation_id, payment.amount)


def record_charge(intent: Intent, receipt: Receipt | None, transaction: Connection) -> Paid | PaymentFailed | None:
    """Stores the provider's answer, once, and says it; a repeat says it again, unless undone since."""
    if receipt:
        after = "PAID" if receipt.accepted else "FAILED"
        _move(intent.reservation_id, "CHARGING", after, transaction, receipt.reason)
    row = find(intent.reservation_id, transaction)
    if row.status == "PAID":
        return Paid(
            payment_id=row.id, reservation_id=row.reservation_id, customer_id=row.customer_id, amount=row.amount
        )
    return _failed(row) if row.status == "FAILED" else None


def begin_refund(canceled: ReservationCanceled, transaction: Connection) -> Row[Any]:
    """Commits the intent to undo what was taken, or may have been; remembers a cancel that came before its charge."""
    identity, now = canceled.reservation_id, clock.now()
    tombstone = {"customer_id": canceled.customer_id, "amount": 0, "status": "CANCELED", "moved_at": now}
    if not store.insert_if_absent(transaction, PAYMENTS, reservation_id=identity, **tombstone):
        why = canceled.reason[:LONGEST_REASON]
        prepared.changed(transaction, _UNDO, {"reservation": identity, "now": now, "why": why})
    return find(identity, transaction)


def refund(payment: Row[Any]) -> bool | None:
    """Asks the provider to undo the charge, outside any transaction; again is the same as once.

    Whether money went back; None: nothing had to be asked, or the provider is still at it.
    """
    return provider.undo(payment.reservation_id, payment.amount) if payment.status == "REFUNDING" else None


def record_refund(
    payment: Row[Any], went_back: bool | None, transaction: Connection
) -> PaymentRefunded | PaymentNotTaken | None:
    """Stores that the money went back, or was never taken, and says it; a repeat says it again."""
    row = _undone(payment, went_back, transaction)
    if row.status == "REFUNDED":
        return _refunded(row)
    if row.status == "REFUNDING":
        return None
    return PaymentNotTaken(reservation_id=row.reservation_id, customer_id=row.customer_id)


def record_undo(
    payment: Row[Any], went_back: bool | None, transaction: Connection
) -> PaymentRefunded | PaymentFailed | None:
    """As `record_refund`, but PaymentFailed ends a reservation that is not canceled yet; others ignore it."""
    row = _undone(payment, went_back, transaction)
    if row.status == "REFUNDING":
        return None
    return _refunded(row) if row.status == "REFUNDED" else _failed(row)


def find(reservation_id: str, connection: Connection) -> Row[Any]:
    """The payment of a reservation that has one."""
    return prepared.one(connection, _PAYMENT, {"reservation": reservation_id})


def unfinished(after: Listed | None, connection: Connection) -> Sequence[Listed]:
    """A page of the payments that were left between asking the provider and recording, oldest first."""
    left = (PAYMENTS.c.status.in_(UNFINISHED), PAYMENTS.c.moved_at < clock.now() - UNFINISHED_AFTER)
    query = select(PAYMENTS.c.reservation_id, PAYMENTS.c.moved_at, PAYMENTS.c.id).where(*left)
    if after is not None:
        query = query.where(tuple_(PAYMENTS.c.moved_at, PAYMENTS.c.id) > (after.moved_at, after.id))
    return connection.execute(query.order_by(PAYMENTS.c.moved_at, PAYMENTS.c.id).limit(BATCH)).all()


def take_up(reservation_id: str, transaction: Connection) -> Row[Any]:
    """An unfinished payment, to be finished: to be undone if its time is over.

    It is the newest of the unfinished from now on, so one that cannot be finished never keeps the others waiting.
    """
    transaction.execute(_TAKE, {"reservation": reservation_id, "now": clock.now()})
    _lapse(reservation_id, transaction)
    return find(reservation_id, transaction)


def _lapse(reservation_id: str, transaction: Connection) -> None:
    transaction.execute(_LAPSE, {"reservation": reservation_id, "now": clock.now(), "why": EXPIRED})


def _move(reservation_id: str, before: str, after: str, transaction: Connection, why: str | None = None) -> None:
    move = {"reservation": reservation_id, "before": before, "after": after, "now": clock.now()}
    prepared.changed(transaction, _MOVE, move | {"why": why and why[:LONGEST_REASON]})


def _undone(payment: Row[Any], went_back: bool | None, transaction: Connection) -> Row[Any]:
    if went_back is not None:
        _move(payment.reservation_id, "REFUNDING", "REFUNDED" if went_back else "FAILED", transaction)
    return find(payment.reservation_id, transaction)


def _refunded(row: Row[Any]) -> PaymentRefunded:
    return PaymentRefunded(
        payment_id=row.id,
        reservation_id=row.reservation_id,
        customer_id=row.customer_id,
        amount=row.amount,
        reason=row.reason,
    )


def _failed(row: Row[Any]) -> PaymentFailed:
    return PaymentFailed(
        payment_id=row.id,
        reservation_id=row.reservation_id,
        customer_id=row.customer_id,
        amount=row.amount,
        reason=row.reason,
    )
