"""Flights and the holds on their seats: every rule about seats is here.

The hold of a reservation is this service's memory of it. It is one row, made or moved by the first delivery and
never deleted:

    (none) -> HELD -> RELEASED       seats taken, then given back
    (none) -> REFUSED                there were none
    (none) -> CANCELED               canceled before it was heard of; the late request then does nothing

Locks are taken in one order, hold then flight, so two events about one reservation never wait for each other.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    Date,
    Integer,
    MetaData,
    Row,
    Select,
    String,
    Table,
    Text,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)

from airline.events import (
    RemainingSeatsDecreased,
    RemainingSeatsIncreased,
    ReservationCanceled,
    ReservationPlaced,
    SeatsNotHeld,
    SeatsSoldOut,
)
from airline.settings import settings
from choreography import clock, fields, prepared, store
from choreography.actions import ACTIONS
from choreography.columns import indexes
from choreography.errors import Conflict, Invalid, NotFound
from choreography.keys import KEYS

SOURCE = "/airline/flight-seats"

metadata = MetaData()
FLIGHTS = Table(
    "flights",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("flight_code", String(20), nullable=False),
    Column("takeoff_date", Date, nullable=False),
    Column("cost", BigInteger, nullable=False),
    Column("capacity", Integer, nullable=False),
    Column("remaining_seats_count", Integer, nullable=False),
    *indexes(
        "flights",
        *((one, "id") for one in ("flight_code", "takeoff_date", "cost", "remaining_seats_count", "capacity")),
    ),
    CheckConstraint("remaining_seats_count >= 0", name="never_oversold"),
    CheckConstraint("remaining_seats_count <= capacity", name="never_more_seats_than_built"),
)
HOLDS = Table(
    "holds",
    metadata,
    Column("reservation_id", String(12), primary_key=True),
    Column("flight_id", Integer, nullable=False),
    Column("seat_qty", Integer, nullable=False),
    Column("status", String(8), nullable=False),
    Column("amount", BigInteger),  # of the whole party; null unless seats were held
    Column("said", Text),  # the data of the event of its last change, to repeat it
    *indexes("holds", *((one, "reservation_id") for one in ("seat_qty", "status", "amount"))),
    # all that is listed of the holds of a flight: they lie all over the table, and here side by side
    *indexes("holds", ("flight_id", "reservation_id", "seat_qty", "status", "amount")),
    *indexes("holds", *(("status", one, "reservation_id") for one in ("flight_id", "seat_qty", "amount"))),
    CheckConstraint("seat_qty > 0", name="a_party_has_somebody"),
    sqlite_with_rowid=False,
)
NUMBERS = Table("flight_numbers", metadata, Column("latest", Integer, primary_key=True, autoincrement=False))
ACTIONS.to_metadata(metadata)
KEYS.to_metadata(metadata)

SOLD_OUT = "not enough seats left"
UNKNOWN_FLIGHT = "unknown flight"
DEPARTED = "flight has departed"

_TAKE = (
    update(FLIGHTS)
    .where(
        FLIGHTS.c.id == bindparam("flight"),
        FLIGHTS.c.remaining_seats_count >= bindparam("seats"),
        FLIGHTS.c.takeoff_date >= bindparam("earliest"),
    )
    .values(remaining_seats_count=FLIGHTS.c.remaining_seats_count - bindparam("seats"))
)
_GIVE_BACK = (
    update(FLIGHTS)
    .where(FLIGHTS.c.id == bindparam("flight"))
    .values(remaining_seats_count=FLIGHTS.c.remaining_seats_count + bindparam("seats"))
)
_FLIGHT = select(FLIGHTS).where(FLIGHTS.c.id == bindparam("flight"))
_HOLD = select(HOLDS).where(HOLDS.c.reservation_id == bindparam("reservation"))
_MOVE = (
    update(HOLDS)
    .where(HOLDS.c.reservation_id == bindparam("reservation"), HOLDS.c.status == bindparam("before"))
    .values(status=bindparam("after"))
)
_REMEMBER = (
    update(HOLDS)
    .where(HOLDS.c.reservation_id == bindparam("reservation"))
    .values(
        status=bindparam("after"),
        said=bindparam("words"),
        amount=func.coalesce(bindparam("price", type_=BigInteger), HOLDS.c.amount),
    )
)


def decrease_remaining_seats(
    placed: ReservationPlaced, transaction: Connection
) -> RemainingSeatsDecreased | SeatsSoldOut | None:
    """Takes seats for the whole party or none; a repeat says the same event again, unless undone since."""
    seats = placed.seat_qty
    first = store.insert_if_absent(
        transaction,
        HOLDS,
        reservation_id=placed.reservation_id,
        flight_id=placed.flight_id,
        seat_qty=seats,
        status="HELD",
    )
    if not first:
        return _said_before(placed.reservation_id, transaction)
    wanted = {"flight": placed.flight_id, "seats": seats, "earliest": _earliest_takeoff()}
    flight = store.updated(transaction, _TAKE, wanted, _FLIGHT)
    said = _held(placed, flight) if flight else _refused(placed, transaction)
    _remember(placed.reservation_id, "HELD" if flight else "REFUSED", said, transaction)
    return said


def restore_seats(canceled: ReservationCanceled, transaction: Connection) -> RemainingSeatsIncreased | SeatsNotHeld:
    """Gives back what was really held, once; remembers a cancel that came before its reservation. Always answers."""
    identity = canceled.reservation_id
    tombstone = {"flight_id": canceled.flight_id, "seat_qty": canceled.seat_qty, "status": "CANCELED"}
    if store.insert_if_absent(transaction, HOLDS, reservation_id=identity, **tombstone):
        return SeatsNotHeld(reservation_id=identity, flight_id=canceled.flight_id)
    released = {"reservation": identity, "before": "HELD", "after": "RELEASED"}
    if prepared.changed(transaction, _MOVE, released) == 0:
        return _released_before(identity, transaction)
    hold = prepared.one(transaction, _HOLD, {"reservation": identity})
    said = _given_back(hold, transaction)
    _remember(identity, "RELEASED", said, transaction)
    return said


def add_flight(values: Mapping[str, Any], transaction: Connection) -> Row[Any]:
    """A new flight with the next free number; its capacity is what remains at first."""
    (flight,) = add_flights([values], transaction)
    return flight


def add_flights(flights: Sequence[Mapping[str, Any]], transaction: Connection) -> Sequence[Row[Any]]:
    """The same for several, in their order."""
    numbers = _next_numbers(len(flights), transaction)
    rows = [
        {**values, "id": number, "capacity": values["remaining_seats_count"]}
        for number, values in zip(numbers, flights, strict=True)
    ]
    transaction.execute(insert(FLIGHTS), rows)
    added = select(FLIGHTS).where(FLIGHTS.c.id.between(numbers[0], numbers[-1])).order_by(FLIGHTS.c.id)
    mine = {*numbers}
    return [flight for flight in transaction.execute(added) if flight.id in mine]


def find_flight(number: int, connection: Connection, query: Select[Any] = _FLIGHT) -> Row[Any]:
    """The flight of that number. Raises NotFound."""
    flight = connection.execute(query, {"flight": number}).one_or_none()
    if flight is None:
        raise NotFound(f"There is no flight {number}.")
    return flight


def locked_flight(number: int, transaction: Connection) -> Row[Any]:
    """The same, locked until the end of the transaction. Raises NotFound."""
    return find_flight(number, transaction, _FLIGHT.with_for_update())


def change_flight(number: int, values: Mapping[str, Any], transaction: Connection) -> Row[Any]:
    """Changes a flight; holds stay as they are, so a new capacity changes what remains by as much, and the reverse.

    Raises NotFound, Conflict where more seats are held than there would be, Invalid where both numbers disagree.
    """
    flight = locked_flight(number, transaction)
    changes = dict(values) | _seats(flight, values)
    if changes:
        transaction.execute(update(FLIGHTS).where(FLIGHTS.c.id == number).values(changes))
    return find_flight(number, transaction)


def _seats(flight: Row[Any], values: Mapping[str, Any]) -> dict[str, int]:
    held = flight.capacity - flight.remaining_seats_count
    if "capacity" in values:
        remaining = values["capacity"] - held
        if values.get("remaining_seats_count", remaining) != remaining:
            wrong = f"must be the capacity without the {held} seats that are held"
            raise Invalid("Capacity and remaining seats disagree; send one of them.", {"remainingSeatsCount": wrong})
        if remaining < 0:
            raise Conflict(f"{held} seats of flight {flight.id} are held; it cannot have fewer.")
        return {"remaining_seats_count": remaining}
    if "remaining_seats_count" in values:
        return {"capacity": values["remaining_seats_count"] + held}
    return {}


def remove_flight(number: int, transaction: Connection) -> None:
    """Removes a flight on which nobody holds seats, so all of them remain. Raises NotFound and Conflict."""
    nobody_aboard = FLIGHTS.c.remaining_seats_count == FLIGHTS.c.capacity
    if transaction.execute(delete(FLIGHTS).where(FLIGHTS.c.id == number, nobody_aboard)).rowcount == 0:
        flight = find_flight(number, transaction)
        held = flight.capacity - flight.remaining_seats_count
        raise Conflict(f"{held} seats of flight {number} are held; cancel those reservations first.")


def _given_back(hold: Row[Any], transaction: Connection) -> RemainingSeatsIncreased:
    seats = {"flight": hold.flight_id, "seats": hold.seat_qty}
    flight = store.updated(transaction, _GIVE_BACK, seats, _FLIGHT)
    return RemainingSeatsIncreased(
        reservation_id=hold.reservation_id,
        flight_id=hold.flight_id,
        seat_qty=hold.seat_qty,
        remaining_seats_count=flight.remaining_seats_count if flight else 0,
    )


def _held(placed: ReservationPlaced, flight: Row[Any]) -> RemainingSeatsDecreased:
    return RemainingSeatsDecreased(
        reservation_id=placed.reservation_id,
        customer_id=placed.customer_id,
        flight_id=placed.flight_id,
        flight_code=flight.flight_code,
        takeoff_date=flight.takeoff_date,
        seat_qty=placed.seat_qty,
        cost=flight.cost,
        amount=flight.cost * placed.seat_qty,
        remaining_seats_count=flight.remaining_seats_count,
        payment_method=placed.payment_method,
        expires_at=placed.expires_at,
    )


def _refused(placed: ReservationPlaced, transaction: Connection) -> SeatsSoldOut:
    flight = transaction.execute(_FLIGHT, {"flight": placed.flight_id}).one_or_none()
    return SeatsSoldOut(
        reservation_id=placed.reservation_id,
        flight_id=placed.flight_id,
        seat_qty=placed.seat_qty,
        remaining_seats_count=flight.remaining_seats_count if flight else 0,
        reason=_why_not(flight),
    )


def _why_not(flight: Row[Any] | None) -> str:
    if flight is None:
        return UNKNOWN_FLIGHT
    return DEPARTED if flight.takeoff_date < _earliest_takeoff() else SOLD_OUT


def _earliest_takeoff() -> date:
    return clock.today() if settings().refuse_departed_flights else date.min


def _said_before(reservation_id: str, transaction: Connection) -> RemainingSeatsDecreased | SeatsSoldOut | None:
    hold = prepared.one(transaction, _HOLD, {"reservation": reservation_id})
    if hold.status == "HELD":
        return fields.into(RemainingSeatsDecreased, json.loads(hold.said))
    return fields.into(SeatsSoldOut, json.loads(hold.said)) if hold.status == "REFUSED" else None


def _released_before(reservation_id: str, transaction: Connection) -> RemainingSeatsIncreased | SeatsNotHeld:
    hold = prepared.one(transaction, _HOLD, {"reservation": reservation_id})
    if hold.status == "RELEASED":
        return fields.into(RemainingSeatsIncreased, json.loads(hold.said))
    return SeatsNotHeld(reservation_id=reservation_id, flight_id=hold.flight_id)


def _remember(
    reservation_id: str,
    status: str,
    said: RemainingSeatsDecreased | SeatsSoldOut | RemainingSeatsIncreased,
    transaction: Connection,
) -> None:
    price = said.amount if isinstance(said, RemainingSeatsDecreased) else None
    move = {"reservation": reservation_id, "after": status, "price": price, "words": json.dumps(fields.as_json(said))}
    prepared.changed(transaction, _REMEMBER, move)


def _next_numbers(count: int, transaction: Connection) -> list[int]:
    """So many free numbers, ascending."""
    free: list[int] = []
    while missing := count - len(free):
        transaction.execute(update(NUMBERS).values(latest=NUMBERS.c.latest + missing))
        latest: int = transaction.execute(select(NUMBERS.c.latest)).scalar_one()
        first = latest - missing + 1
        taken = {*transaction.execute(select(FLIGHTS.c.id).where(FLIGHTS.c.id.between(first, latest))).scalars()}
        free += [number for number in range(first, latest + 1) if number not in taken]
    return free
