"""Reservations: every rule about them is here.

    PENDING -> SUCCEED -> CANCELED
    PENDING -> CANCELED

The status belongs to this service and only moves forward; the SQL of each move guards it. A reservation row is the
memory of its saga and is never deleted: a repeat finds it and says the same event again.

It is also the memory of what is owed: `owed_since` its last move, until the dashboard has heard that seats and money
are where they belong (SagasSettled). Until then housekeeping says again, at `owed_at`, what leads there (owed.py).
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    Select,
    String,
    Table,
    and_,
    bindparam,
    case,
    select,
    tuple_,
    update,
)

import before_placement
import reserve_tally
from airline import ids
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
from airline.settings import settings
from before_placement import ACCEPTED, EARLY_CANCELS, LONGEST_REASON
from choreography import clock, fields, prepared, store
from choreography.actions import ACTIONS
from choreography.columns import Instant, indexes
from choreography.errors import Invalid, NotFound, TryAgain
from choreography.keys import KEYS
from choreography.origins import ORIGINS
from choreography.outbox import OUTBOX
from reserve_tally import TALLY

SOURCE = "/airline/reserve"
LONGEST_NAME = 255
CANCELED_BY_CUSTOMER = "canceled by customer"
BATCH = 500
"""Rows in one page of housekeeping."""

Listed = Row[Any, Any, Any, Any]
"""Id, the time that a page is sorted by, as `at`, and since when and until when it is owed."""

SORTED = ("customer_id", "flight_id", "seat_qty", "reserve_date", "status", "created_at")
"""What a list is sorted by, also where it is narrowed to one status."""

metadata = MetaData()
RESERVATIONS = Table(
    "reservations",
    metadata,
    Column("id", String(12), primary_key=True),
    Column("customer_id", Integer, nullable=False),
    Column("flight_id", Integer, nullable=False),
    Column("seat_qty", Integer, nullable=False),
    Column("reserve_date", Date, nullable=False),
    Column("payment_method", String(20), nullable=False),
    Column("status", String(8), nullable=False),
    Column("reason", String(LONGEST_REASON)),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("requested_source", String(LONGEST_NAME)),  # of the command event that asked for it; null: no event did
    Column("requested_id", String(LONGEST_NAME)),
    Column("owed_since", Instant),  # both null: settled
    Column("owed_at", Instant, index=True),
    Column("counted_as", String(8)),  # of one that is owed something: reserve_tally.py
    Index("ix_reservations_to_expire", "status", "expires_at"),
    *indexes("reservations", *((one, "id") for one in SORTED if one != "flight_id")),
    # all that the reservations of a flight are chosen and sorted by: they lie all over the table, and here side by side
    Index(
        "ix_reservations_of_a_flight", "flight_id", "id", *(one for one in SORTED if one != "flight_id"), "owed_since"
    ),
    *indexes("reservations", *(("status", one, "id") for one in SORTED if one != "status")),
    *indexes("reservations", ("owed_since", "id"), ("status", "owed_since", "id")),
    CheckConstraint("status IN ('PENDING', 'SUCCEED', 'CANCELED')", name="a_known_status"),
)
ACTIONS.to_metadata(metadata)
KEYS.to_metadata(metadata)
ACCEPTED.to_metadata(metadata)
EARLY_CANCELS.to_metadata(metadata)
ORIGINS.to_metadata(metadata)
OUTBOX.to_metadata(metadata)
TALLY.to_metadata(metadata)

_RESERVATION = select(RESERVATIONS).where(RESERVATIONS.c.id == bindparam("reservation"))
_LOCKED = _RESERVATION.with_for_update()
_CONFIRM = (
    update(RESERVATIONS)
    .where(RESERVATIONS.c.id == bindparam("reservation"), RESERVATIONS.c.status == "PENDING")
    .values(status="SUCCEED", owed_since=bindparam("now"), owed_at=bindparam("later"))
)
_COUNTED_AS = RESERVATIONS.c.counted_as
_CANCEL = (
    update(RESERVATIONS)
    .where(RESERVATIONS.c.id == bindparam("reservation"), RESERVATIONS.c.status != "CANCELED")
    .ordered_values(
        # first, as MySQL goes on with the new values of what is before
        ("counted_as", case((RESERVATIONS.c.owed_since.is_(None), RESERVATIONS.c.status), else_=_COUNTED_AS)),
        ("status", "CANCELED"),
        ("reason", bindparam("why")),
        ("owed_since", bindparam("now")),
        ("owed_at", bindparam("later")),
    )
)
_PUT_OFF = (
    update(RESERVATIONS)
    .where(RESERVATIONS.c.id == bindparam("reservation"), RESERVATIONS.c.owed_at.is_not(None))
    .values(owed_at=bindparam("later"))
)
_EXPIRE = _CANCEL.where(RESERVATIONS.c.status == "PENDING")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedByEvent(ReservationRequested):
    """The command with the source and id of the event that it came as."""

    source: str
    event_id: str


def place_reservation(
    requested: ReservationRequested, transaction: Connection
) -> Sequence[ReservationPlaced | ReservationCanceled]:
    """A request from outside becomes a PENDING reservation, once; no event for one canceled since.

    One whose cancel came before it is placed and canceled at once. Raises Invalid for a reservation that was asked for
    before with other values.
    """
    unwanted = before_placement.take_cancel(requested.reservation_id, transaction)
    row = place(requested.reservation_id, wanted(requested), transaction, requested)
    if row.status == "CANCELED":
        return ()
    return (placed(row),) if unwanted is None else (placed(row), cancel(row.id, unwanted, transaction))


def wanted(requested: ReservationRequested) -> dict[str, Any]:
    """The columns that a request from outside asks for; one that it leaves open is not among them."""
    columns = {
        "customer_id": requested.customer_id,
        "flight_id": requested.flight_id,
        "seat_qty": requested.seat_qty,
        "reserve_date": requested.reserve_date,
        "payment_method": requested.payment_method,
    }
    return {name: value for name, value in columns.items() if value is not None}


def confirm_reservation(paid: Paid, transaction: Connection) -> ReservationConfirmed | ReservationCanceled:
    """Seats are held and paid: SUCCEED. If it was canceled meanwhile, that is repeated, as it leads to the refund.

    Raises Invalid for a reservation that was never placed.
    """
    _expect_placed(paid.reservation_id, transaction)
    prepared.changed(transaction, _CONFIRM, {"reservation": paid.reservation_id, **_owed_from_now()})
    row = _moved(paid.reservation_id, transaction)
    return canceled(row) if row.status == "CANCELED" else confirmed(row)


def cancel_reservation(
    cause: SeatsSoldOut | PaymentFailed | CancellationRequested, transaction: Connection
) -> ReservationCanceled | None:
    """No seats, no money, or the customer's wish: CANCELED, with the reason the customer reads.

    A cancel that comes before its reservation is remembered, without an event yet. Raises Invalid if seats or money
    were refused to a reservation that was never placed.
    """
    if isinstance(cause, CancellationRequested):
        return _cancel_or_remember(cause, transaction)
    _expect_placed(cause.reservation_id, transaction)
    return cancel(cause.reservation_id, _reason(cause), transaction)


def cancel(reservation_id: str, reason: str, transaction: Connection) -> ReservationCanceled:
    """Cancels at any moment, any number of times; the first reason stays. Raises NotFound and TryAgain."""
    move = {"reservation": reservation_id, "why": reason[:LONGEST_REASON], **_owed_from_now()}
    prepared.changed(transaction, _CANCEL, move)
    return canceled(_moved(reservation_id, transaction))


def expire(reservation_id: str, transaction: Connection) -> ReservationCanceled | None:
    """Cancels what is still PENDING; a Paid may have confirmed it since it was listed."""
    if transaction.execute(_EXPIRE, {"reservation": reservation_id, "why": EXPIRED, **_owed_from_now()}).rowcount == 0:
        return None
    return cancel(reservation_id, EXPIRED, transaction)


def place(
    identity: str, asked: Mapping[str, Any], transaction: Connection, requested: ReservationRequested | None = None
) -> Row[Any]:
    """The reservation of that id: made PENDING with the columns `asked`, or as it is if it was made before.

    Without `reserve_date` it is today. Raises Invalid where it was made before with other values.
    """
    now = clock.now()
    first = store.insert_if_absent(
        transaction,
        RESERVATIONS,
        id=identity,
        status="PENDING",
        created_at=now,
        expires_at=now + settings().reservation_expires_after,
        owed_since=now,
        owed_at=now + settings().owed_after,
        **{"reserve_date": clock.today(), **asked, **_requested_by(requested)},
    )
    row = find(identity, transaction)
    if not first:
        expect_same(asked, dict(row._mapping))
    return row


def _requested_by(requested: ReservationRequested | None) -> dict[str, str]:
    if not isinstance(requested, RequestedByEvent):
        return {}
    return {"requested_source": _kept_name(requested.source), "requested_id": _kept_name(requested.event_id)}


def _kept_name(name: str) -> str:
    """Cut to what is kept: it is for people, the id of the reservation is made of the whole. Two stay two."""
    if len(name) <= LONGEST_NAME:
        return name
    mark = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()
    return f"{name[: LONGEST_NAME - len(mark) - 1]}~{mark}"


def expect_same(asked: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    """A repeat asks for what the first one did. Raises Invalid, naming what is another but not how it was.

    How it was is for the first one to know, who need not be the one who asks.
    """
    other = [fields.camel(name) for name, value in asked.items() if before.get(name) != value]
    if other:
        sentence = f"This was asked for before, with another {', '.join(other)}; ask under a new id or key."
        raise Invalid(sentence, dict.fromkeys(other, "was another the first time"))


def placed(row: Row[Any]) -> ReservationPlaced:
    """The event of a reservation that was placed."""
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
    """The event of a reservation that is SUCCEED."""
    return ReservationConfirmed(
        reservation_id=row.id, customer_id=row.customer_id, flight_id=row.flight_id, seat_qty=row.seat_qty
    )


def canceled(row: Row[Any]) -> ReservationCanceled:
    """The event of a reservation that is CANCELED."""
    return ReservationCanceled(
        reservation_id=row.id,
        customer_id=row.customer_id,
        flight_id=row.flight_id,
        seat_qty=row.seat_qty,
        reason=row.reason,
    )


def settle_reservations(settled: SagasSettled, transaction: Connection) -> None:
    """Nothing is owed to those in the reported state; one canceled since is owed its compensation.

    One that had to be repeated shows that what was away is back: then all that wait to be repeated are due.
    """
    theirs = RESERVATIONS.c.id.in_(settled.reservation_ids), RESERVATIONS.c.status == settled.status
    rows = transaction.execute(select(RESERVATIONS).where(*theirs).order_by(RESERVATIONS.c.id).with_for_update()).all()
    said_again = any(map(was_put_off, rows))
    reserve_tally.settle(rows, settled.status, transaction)
    transaction.execute(update(RESERVATIONS).where(*theirs).values(owed_since=None, owed_at=None))
    if said_again:
        now = clock.now()
        transaction.execute(update(RESERVATIONS).where(_put_off_beyond(now)).values(owed_at=now))


def find(identity: str, connection: Connection, query: Select[Any] = _RESERVATION) -> Row[Any]:
    """The reservation of that id. Raises NotFound."""
    row = prepared.row(connection, query, {"reservation": identity})
    if row is None:
        raise unknown(identity)
    return row


def unknown(identity: str) -> NotFound:
    """The error for a reservation that is not there, or not the caller's."""
    return NotFound(f"There is no reservation {identity}.")


def locked(identity: str, transaction: Connection) -> Row[Any]:
    """The same, locked until the end of the transaction. Raises NotFound."""
    return find(identity, transaction, _LOCKED)


def expired(after: Listed | None, connection: Connection) -> Sequence[Listed]:
    """A page of those that are PENDING past their time, oldest first."""
    return _page(RESERVATIONS.c.expires_at, after, connection, RESERVATIONS.c.status == "PENDING")


def due(after: Listed | None, connection: Connection) -> Sequence[Listed]:
    """A page of those that are owed something that is due, oldest first."""
    return _page(RESERVATIONS.c.owed_at, after, connection)


def put_off_longest(connection: Connection) -> Sequence[str]:
    """The one that is due next of those that were repeated already, if any."""
    query = select(RESERVATIONS.c.id).where(_put_off_beyond(clock.now())).order_by(RESERVATIONS.c.owed_at).limit(1)
    return connection.execute(query).scalars().all()


def put_off(identity: str, until: datetime, transaction: Connection) -> None:
    """The next time to repeat what is owed."""
    transaction.execute(_PUT_OFF, {"reservation": identity, "later": until})


def promised_id(source: str, event_id: str) -> str:
    """The id of the reservation that a command asks for: the same before it is placed and after. Raises Invalid."""
    try:
        return ids.derived_reservation_id(settings().reservation_id_secret, source, event_id)
    except UnicodeEncodeError as error:  # half a surrogate pair
        raise Invalid("The source and the id of a command must be text.") from error


def is_placed(identity: str, connection: Connection) -> bool:
    """Whether there is a reservation of that id."""
    return customer_of(identity, connection) is not None


def customer_of(identity: str, connection: Connection) -> int | None:
    """Whose reservation it is; None where there is none of that id."""
    row = prepared.row(connection, _RESERVATION, {"reservation": identity})
    return None if row is None else row.customer_id


def _expect_placed(identity: str, transaction: Connection) -> None:
    # events about its seats or money follow from ours, which follow our commit: no retry can help
    if not is_placed(identity, transaction):
        raise Invalid(f"Reservation {identity} was never placed.")


def _cancel_or_remember(unwanted: CancellationRequested, transaction: Connection) -> ReservationCanceled | None:
    identity = unwanted.reservation_id
    if not is_placed(identity, transaction):
        before_placement.remember_cancel(identity, unwanted.reason, transaction)
        if not is_placed(identity, transaction):
            return None
        before_placement.forget_cancel(identity, transaction)  # it was placed while we waited
    return cancel(identity, unwanted.reason, transaction)


def _page(
    time: Column[Any], after: Listed | None, connection: Connection, *which: ColumnElement[bool]
) -> Sequence[Listed]:
    columns = RESERVATIONS.c.id, time.label("at"), RESERVATIONS.c.owed_since, RESERVATIONS.c.owed_at
    query = select(*columns).where(time < clock.now(), *which)
    if after is not None:
        query = query.where(tuple_(time, RESERVATIONS.c.id) > (after.at, after.id))
    return connection.execute(query.order_by(time, RESERVATIONS.c.id).limit(BATCH)).all()


def was_put_off(row: Row[Any] | Listed) -> bool:
    """Whether what is owed was said again already."""
    return row.owed_at is not None and row.owed_at > row.owed_since + settings().owed_after


def _put_off_beyond(now: datetime) -> ColumnElement[bool]:
    return and_(RESERVATIONS.c.owed_at > now, RESERVATIONS.c.owed_since <= now - settings().owed_after)


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
