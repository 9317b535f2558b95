"""Reservations: every rule about them is here.

    PENDING -> SUCCEED -> CANCELED
    PENDING -> CANCELED

The status belongs to this service and only moves forward; the SQL of each move guards it. A reservation row is the
memory of its saga and is never deleted: a repeat finds it and says the same event again.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    Date,
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

from airline import clock, ids, store
from airline.columns import Instant
from airline.commands import COMMANDS
from airline.errors import NotFound, TryAgain
from airline.events import (
    CancellationRequested,
    Paid,
    PaymentFailed,
    ReservationCanceled,
    ReservationConfirmed,
    ReservationPlaced,
    ReservationRequested,
    SeatsSoldOut,
)
from airline.outbox import OUTBOX
from airline.settings import settings

SOURCE = "/airline/reserve"
EXPIRED = "expired"
CANCELED_BY_CUSTOMER = "canceled by customer"
LONGEST_REASON = 200

metadata = MetaData()
RESERVATIONS = Table(
    "reservations",
    metadata,
    Column("id", String(12), primary_key=True),
    Column("customer_id", Integer, nullable=False, index=True),
    Column("flight_id", Integer, nullable=False),
    Column("seat_qty", Integer, nullable=False),
    Column("reserve_date", Date, nullable=False),
    Column("payment_method", String(20), nullable=False),
    Column("status", String(8), nullable=False),
    Column("reason", String(LONGEST_REASON)),
    Column("created_at", Instant, nullable=False, index=True),
    Column("expires_at", Instant, nullable=False),
    Index("ix_reservations_to_expire", "status", "expires_at"),
    CheckConstraint("status IN ('PENDING', 'SUCCEED', 'CANCELED')", name="a_known_status"),
)
COMMANDS.to_metadata(metadata)
OUTBOX.to_metadata(metadata)

_RESERVATION = select(RESERVATIONS).where(RESERVATIONS.c.id == bindparam("reservation"))
_CONFIRM = (
    update(RESERVATIONS)
    .where(RESERVATIONS.c.id == bindparam("reservation"), RESERVATIONS.c.status == "PENDING")
    .values(status="SUCCEED")
)
_CANCEL = (
    update(RESERVATIONS)
    .where(RESERVATIONS.c.id == bindparam("reservation"), RESERVATIONS.c.status != "CANCELED")
    .values(status="CANCELED", reason=bindparam("why"))
)
_EXPIRE = _CANCEL.where(RESERVATIONS.c.status == "PENDING")


def place_reservation(requested: ReservationRequested, transaction: Connection) -> ReservationPlaced | None:
    """A request from outside becomes a PENDING reservation, once; nothing is said of one canceled since."""
    wanted = {
        "customer_id": requested.customer_id,
        "flight_id": requested.flight_id,
        "seat_qty": requested.seat_qty,
        "reserve_date": requested.reserve_date,
        "payment_method": requested.payment_method,
    }
    row = place(requested.reservation_id, wanted, transaction)
    return None if row.status == "CANCELED" else placed(row)


def confirm_reservation(paid: Paid, transaction: Connection) -> ReservationConfirmed | None:
    """Seats are held and paid: SUCCEED. If it was canceled meanwhile, the cancel refunds; nothing is said."""
    transaction.execute(_CONFIRM, {"reservation": paid.reservation_id})
    row = _moved(paid.reservation_id, transaction)
    if row.status == "CANCELED":
        return None
    return ReservationConfirmed(
        reservation_id=row.id, customer_id=row.customer_id, flight_id=row.flight_id, seat_qty=row.seat_qty
    )


def cancel_reservation(
    cause: SeatsSoldOut | PaymentFailed | CancellationRequested, transaction: Connection
) -> ReservationCanceled:
    """No seats, no money, or the customer's wish: CANCELED, with the reason the customer reads."""
    return cancel(cause.reservation_id, _reason(cause), transaction)


def cancel(reservation_id: str, reason: str, transaction: Connection) -> ReservationCanceled:
    """Cancels at any moment, any number of times; the first reason stays. Raises NotFound and TryAgain."""
    transaction.execute(_CANCEL, {"reservation": reservation_id, "why": reason[:LONGEST_REASON]})
    row = _moved(reservation_id, transaction)
    return ReservationCanceled(
        reservation_id=row.id,
        customer_id=row.customer_id,
        flight_id=row.flight_id,
        seat_qty=row.seat_qty,
        reason=row.reason,
    )


def expire(reservation_id: str, transaction: Connection) -> ReservationCanceled | None:
    """Cancels what is still PENDING; a Paid may have confirmed it since it was listed."""
    if transaction.execute(_EXPIRE, {"reservation": reservation_id, "why": EXPIRED}).rowcount == 0:
        return None
    return cancel(reservation_id, EXPIRED, transaction)


def place(identity: str, wanted: Mapping[str, Any], transaction: Connection) -> Row[Any]:
    """The reservation of that id: made PENDING with the columns `wanted`, or as it is if it was made before."""
    now = clock.now()
    store.insert_if_absent(
        transaction,
        RESERVATIONS,
        id=identity,
        status="PENDING",
        created_at=now,
        expires_at=now + settings().reservation_expires_after,
        **wanted,
    )
    return find(identity, transaction)


def placed(row: Row[Any]) -> ReservationPlaced:
    """What is said of a reservation that was placed."""
    return ReservationPlaced(
        reservation_id=row.id,
        customer_id=row.customer_id,
        flight_id=row.flight_id,
        seat_qty=row.seat_qty,
        reserve_date=row.reserve_date,
        payment_method=row.payment_method,
        expires_at=row.expires_at,
    )


def find(identity: str, connection: Connection) -> Row[Any]:
    """The reservation of that id. Raises NotFound."""
    row = connection.execute(_RESERVATION, {"reservation": identity}).one_or_none()
    if row is None:
        raise NotFound(f"There is no reservation {identity}.")
    return row


def expired(connection: Connection, limit: int) -> Sequence[str]:
    """Ids of reservations that are PENDING past their time, oldest first."""
    overdue = (RESERVATIONS.c.status == "PENDING", RESERVATIONS.c.expires_at < clock.now())
    query = select(RESERVATIONS.c.id).where(*overdue).order_by(RESERVATIONS.c.expires_at).limit(limit)
    return connection.execute(query).scalars().all()


def promised_id(source: str, event_id: str) -> str:
    """The id of the reservation that a command event asks for: the same before and after it is placed."""
    return ids.derived_reservation_id(settings().reservation_id_secret, source, event_id)


def _moved(identity: str, transaction: Connection) -> Row[Any]:
    row = find(identity, transaction)
    if row.status == "PENDING":
        # the move found nothing, and the very next statement sees what another transaction has placed in between
        raise TryAgain(f"Reservation {identity} was placed at this very moment; try again.")
    return row


def _reason(cause: SeatsSoldOut | PaymentFailed | CancellationRequested) -> str:
    if isinstance(cause, SeatsSoldOut) and cause.remaining_seats_count:
        return f"{cause.reason}: {cause.remaining_seats_count} remain"
    return cause.reason
