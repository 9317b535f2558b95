"""Reservations: every rule about them is here.

    PENDING -> SUCCEED -> CANCELED
    PENDING -> CANCELED

The status belongs to this service and only moves forward; the SQL of each move guards it. A reservation row is the
memory of its saga and is never deleted: a repeat finds it and says the same event again.

It is also the memory of what is owed: `owed_since` its last move, until the dashboard has heard that seats and money
are where they belong (SagasSettled). Until then housekeeping says again, at `owed_at`, what leads there (owed.py).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    ColumnElement,
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
    tuple_,
    update,
)

from airline import clock, ids, store
from airline.columns import Instant
from airline.commands import COMMANDS
from airline.errors import NotFound, TryAgain
from airline.events import (
    EXPIRED,
    CancellationRequested,
    Paid,
    PaymentFailed,
    ReservationCanceled,
    ReservationConfirmed,
    ReservationPlaced,
    ReservationRequested,
    SagasSettled,
    SeatsSoldOut,
)
from airline.outbox import OUTBOX
from airline.settings import settings

SOURCE = "/airline/reserve"
CANCELED_BY_CUSTOMER = "canceled by customer"
LONGEST_REASON = 200
BATCH = 500
"""Rows in one page of housekeeping."""

Listed = Row[str, datetime]
"""Id, and the time that a page is sorted by, as `at`."""

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
    Column("owed_since", Instant),  # both null: settled
    Column("owed_at", Instant, index=True),
    Index("ix_reservations_to_expire", "status", "expires_at"),
    CheckConstraint("status IN ('PENDING', 'SUCCEED', 'CANCELED')", name="a_known_status"),
)
COMMANDS.to_metadata(metadata)
OUTBOX.to_metadata(metadata)

_RESERVATION = select(RESERVATIONS).where(RESERVATIONS.c.id == bindparam("reservation"))
_CONFIRM = (
    update(RESERVATIONS)
    .where(RESERVATIONS.c.id == bindparam("reservation"), RESERVATIONS.c.status == "PENDING")
    .values(status="SUCCEED", owed_since=bindparam("now"), owed_at=bindparam("later"))
)
_CANCEL = (
    update(RESERVATIONS)
    .where(RESERVATIONS.c.id == bindparam("reservation"), RESERVATIONS.c.status != "CANCELED")
    .values(status="CANCELED", reason=bindparam("why"), owed_since=bindparam("now"), owed_at=bindparam("later"))
)
_PUT_OFF = (
    update(RESERVATIONS)
    .where(RESERVATIONS.c.id == bindparam("reservation"), RESERVATIONS.c.owed_at.is_not(None))
    .values(owed_at=bindparam("later"))
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


def confirm_reservation(paid: Paid, transaction: Connection) -> ReservationConfirmed | ReservationCanceled:
    """Seats are held and paid: SUCCEED. If it was canceled meanwhile, that is said again, as it leads to the refund."""
    transaction.execute(_CONFIRM, {"reservation": paid.reservation_id, **_owed_from_now()})
    row = _moved(paid.reservation_id, transaction)
    return canceled(row) if row.status == "CANCELED" else confirmed(row)


def cancel_reservation(
    cause: SeatsSoldOut | PaymentFailed | CancellationRequested, transaction: Connection
) -> ReservationCanceled:
    """No seats, no money, or the customer's wish: CANCELED, with the reason the customer reads."""
    return cancel(cause.reservation_id, _reason(cause), transaction)


def cancel(reservation_id: str, reason: str, transaction: Connection) -> ReservationCanceled:
    """Cancels at any moment, any number of times; the first reason stays. Raises NotFound and TryAgain."""
    move = {"reservation": reservation_id, "why": reason[:LONGEST_REASON], **_owed_from_now()}
    transaction.execute(_CANCEL, move)
    return canceled(_moved(reservation_id, transaction))


def expire(reservation_id: str, transaction: Connection) -> ReservationCanceled | None:
    """Cancels what is still PENDING; a Paid may have confirmed it since it was listed."""
    if transaction.execute(_EXPIRE, {"reservation": reservation_id, "why": EXPIRED, **_owed_from_now()}).rowcount == 0:
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
        owed_since=now,
        owed_at=now + settings().owed_after,
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


def confirmed(row: Row[Any]) -> ReservationConfirmed:
    """What is said of a reservation that is SUCCEED."""
    return ReservationConfirmed(
        reservation_id=row.id, customer_id=row.customer_id, flight_id=row.flight_id, seat_qty=row.seat_qty
    )


def canceled(row: Row[Any]) -> ReservationCanceled:
    """What is said of a reservation that is CANCELED."""
    return ReservationCanceled(
        reservation_id=row.id,
        customer_id=row.customer_id,
        flight_id=row.flight_id,
        seat_qty=row.seat_qty,
        reason=row.reason,
    )


def settle_reservations(settled: SagasSettled, transaction: Connection) -> None:
    """Nothing is owed to those that are as it was said; one canceled since is owed its compensation."""
    theirs = RESERVATIONS.c.id.in_(settled.reservation_ids), RESERVATIONS.c.status == settled.status
    transaction.execute(update(RESERVATIONS).where(*theirs).values(owed_since=None, owed_at=None))


def find(identity: str, connection: Connection) -> Row[Any]:
    """The reservation of that id. Raises NotFound."""
    row = connection.execute(_RESERVATION, {"reservation": identity}).one_or_none()
    if row is None:
        raise NotFound(f"There is no reservation {identity}.")
    return row


def expired(after: Listed | None, connection: Connection) -> Sequence[Listed]:
    """A page of those that are PENDING past their time, oldest first."""
    return _page(RESERVATIONS.c.expires_at, after, connection, RESERVATIONS.c.status == "PENDING")


def due(after: Listed | None, connection: Connection) -> Sequence[Listed]:
    """A page of those that are owed something and of which it is time to speak, oldest first."""
    return _page(RESERVATIONS.c.owed_at, after, connection)


def put_off(identity: str, until: datetime, transaction: Connection) -> None:
    """The next time to speak of what is owed."""
    transaction.execute(_PUT_OFF, {"reservation": identity, "later": until})


def promised_id(source: str, event_id: str) -> str:
    """The id of the reservation that a command event asks for: the same before and after it is placed."""
    return ids.derived_reservation_id(settings().reservation_id_secret, source, event_id)


def _page(
    time: Column[Any], after: Listed | None, connection: Connection, *which: ColumnElement[bool]
) -> Sequence[Listed]:
    query = select(RESERVATIONS.c.id, time.label("at")).where(time < clock.now(), *which)
    if after is not None:
        query = query.where(tuple_(time, RESERVATIONS.c.id) > (after.at, after.id))
    return connection.execute(query.order_by(time, RESERVATIONS.c.id).limit(BATCH)).all()


def _owed_from_now() -> dict[str, datetime]:
    now = clock.now()
    return {"now": now, "later": now + settings().owed_after}


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
