"""What happens to reservation R1 of customer 7, as events with the usual values."""

from datetime import UTC, date, datetime
from typing import Any, ClassVar, get_origin, get_type_hints

from airline.events import Event, RemainingSeatsDecreased, ReservationCanceled, ReservationPlaced

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
IN_TIME = datetime(2099, 1, 1, tzinfo=UTC)
"""When a reservation expires that is not about expiry."""


def placed(reservation_id: str = "R1", seats: int = 3, flight: int = 1, method: str = "accept") -> ReservationPlaced:
    """A reservation was placed."""
    return ReservationPlaced(
        reservation_id=reservation_id,
        customer_id=7,
        flight_id=flight,
        seat_qty=seats,
        reserve_date=date(2024, 11, 21),
        payment_method=method,
        expires_at=IN_TIME,
    )


def canceled(reservation_id: str = "R1", seats: int = 3, flight: int = 1) -> ReservationCanceled:
    """A reservation was canceled."""
    return ReservationCanceled(
        reservation_id=reservation_id, customer_id=7, flight_id=flight, seat_qty=seats, reason="changed my mind"
    )


def decreased(reservation_id: str = "R1", amount: int = 600, method: str = "accept") -> RemainingSeatsDecreased:
    """Seats are held."""
    return RemainingSeatsDecreased(
        reservation_id=reservation_id,
        customer_id=7,
        flight_id=1,
        flight_code="ACE890",
        takeoff_date=date(2025, 12, 25),
        seat_qty=3,
        cost=amount // 3,
        amount=amount,
        remaining_seats_count=2,
        payment_method=method,
        expires_at=IN_TIME,
    )


def sample(event: type[Event]) -> Event:
    """Some event of a type, about reservation R1."""
    values = {name: _SAMPLES[kind] for name, kind in get_type_hints(event).items() if get_origin(kind) is not ClassVar}
    return event(**values | {"reservation_id": "R1"})


_SAMPLES: dict[Any, Any] = {int: 1, str: "some", date: date(2026, 5, 1), datetime: IN_TIME}
