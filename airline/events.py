"""The glossary: every event of this airline, one frozen dataclass each.

The class name is the CloudEvents `type`; a field `seat_qty` travels as `seatQty` in the event's JSON data.
Events are past tense and happen at most once per reservation, except SagasSettled, which is about many, and
SagaExpected, which is about none yet; the two commands at the end are requests from outside and may be refused.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar, get_args
from uuid import UUID

from airline.values import Count, Ended, Money, Number, ReservationId, ReservationIds, Seats
from choreography import events
from choreography.events import Glossary

AIRLINE = Glossary(
    sources="/airline/",
    saga="reservation_id",
    subjects="reservations",
    namespace=UUID("6f1d3a52-0c3b-5d0e-9a44-2f1c8a7b9e10"),
    schemas="tag:airline.example,2026:events/",
    ahead="SagaExpected",
)
EXPIRED = "expired"
"""The reason of a reservation that is ended because its `expires_at` has passed, whichever service ends it."""


class Event(events.Event):
    """Every event of this airline."""

    __slots__ = ()
    glossary: ClassVar[Glossary] = AIRLINE
    beside: ClassVar[tuple[str, type["Event"]] | None] = None
    """Of an event that no step of the saga waits for: the policy that says it, and the event that this policy hears."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationPlaced(Event):
    """A reservation is PENDING: seats and payment are wanted until `expires_at`."""

    reservation_id: ReservationId
    customer_id: Number
    flight_id: Number
    seat_qty: Seats
    reserve_date: date
    payment_method: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RemainingSeatsDecreased(Event):
    """The whole party has seats. `cost` is one seat, `amount` all of them."""

    reservation_id: ReservationId
    customer_id: Number
    flight_id: Number
    flight_code: str
    takeoff_date: date
    seat_qty: Seats
    cost: Money
    amount: Money
    remaining_seats_count: Count
    payment_method: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatsSoldOut(Event):
    """No seats for this party: all or nothing. `remaining_seats_count` is what is left for smaller ones."""

    reservation_id: ReservationId
    flight_id: Number
    seat_qty: Seats
    remaining_seats_count: Count
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid(Event):
    """The provider took the money."""

    payment_id: Number
    reservation_id: ReservationId
    customer_id: Number
    amount: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentFailed(Event):
    """The provider declined; no money was taken."""

    payment_id: Number
    reservation_id: ReservationId
    customer_id: Number
    amount: Money
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationConfirmed(Event):
    """The reservation is SUCCEED: seats are held and paid."""

    reservation_id: ReservationId
    customer_id: Number
    flight_id: Number
    seat_qty: Seats


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationCanceled(Event):
    """The reservation is CANCELED, for a reason that the customer can read. Compensation starts here."""

    reservation_id: ReservationId
    customer_id: Number
    flight_id: Number
    seat_qty: Seats
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RemainingSeatsIncreased(Event):
    """The seats of a canceled reservation are back. Only if they had been held."""

    reservation_id: ReservationId
    flight_id: Number
    seat_qty: Seats
    remaining_seats_count: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatsNotHeld(Event):
    """A canceled reservation holds no seats, and never will: there were none, or it was canceled before."""

    reservation_id: ReservationId
    flight_id: Number


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRefunded(Event):
    """The money of a canceled reservation went back. Only if it had been taken."""

    payment_id: Number
    reservation_id: ReservationId
    customer_id: Number
    amount: Money
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentNotTaken(Event):
    """No money was taken for a canceled reservation, and none will be."""

    reservation_id: ReservationId
    customer_id: Number


@dataclass(frozen=True, slots=True, kw_only=True)
class SagasSettled(Event):
    """These reservations ended that way and nothing is owed: seats and money are where they belong.

    A SUCCEED one may be canceled afterwards, so this says nothing of a reservation that has another status by now.
    """

    batch: ClassVar[tuple[str, ...]] = ("status", "reservation_ids")

    status: Ended
    reservation_ids: ReservationIds


@dataclass(frozen=True, slots=True, kw_only=True)
class SagaExpected(Event):
    """A reservation is about to be placed. It only wakes the functions that will be needed then: they do nothing else.

    It is not stored, and losing or doubling it changes nothing.
    """

    batch: ClassVar[tuple[str, ...]] = ("expected_by", "expected_at")

    expected_by: str
    expected_at: datetime


def saga_expected(by: str, at: datetime) -> SagaExpected:
    """What a Service that begins sagas says; see choreography/ahead.py."""
    return SagaExpected(expected_by=by, expected_at=at)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationRequested(Event):
    """Command: somebody outside asks for seats. `reservation_id` was promised by reserve-commands.

    Without `reserve_date` it is the day on which the command is accepted.
    """

    reservation_id: ReservationId
    customer_id: Number
    flight_id: Number
    seat_qty: Seats
    reserve_date: date | None
    payment_method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancellationRequested(Event):
    """Command: somebody outside asks to cancel."""

    reservation_id: ReservationId
    reason: str


SagaEvent = (
    ReservationPlaced
    | RemainingSeatsDecreased
    | SeatsSoldOut
    | Paid
    | PaymentFailed
    | ReservationConfirmed
    | ReservationCanceled
    | RemainingSeatsIncreased
    | SeatsNotHeld
    | PaymentRefunded
    | PaymentNotTaken
)
Command = ReservationRequested | CancellationRequested

BY_TYPE: dict[str, type[Event]] = {
    event.__name__: event for event in get_args(SagaEvent | Command | SagasSettled | SagaExpected)
}
OF_SAGAS: dict[str, type[SagaEvent]] = {event.__name__: event for event in get_args(SagaEvent)}
