"""What happened to one reservation, as examples in the contracts: three seats of flight 1, for customer 7."""

from datetime import UTC, date, datetime
from typing import Any

from choreography import events, fields

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
VALUES: dict[str, Any] = {
    "reservationId": "7K3M9QXW2TBN",
    "reservationIds": ["7K3M9QXW2TBN", "9P2R4TVWXYZ0"],
    "customerId": 7,
    "flightId": 1,
    "paymentId": 1,
    "seatQty": 3,
    "remainingSeatsCount": 2,
    "flightCode": "ACE890",
    "takeoffDate": fields.plain(date(2026, 12, 25)),
    "reserveDate": fields.plain(date(2026, 5, 1)),
    "expiresAt": fields.plain(NOON.replace(minute=15)),
    "paymentMethod": "accept",
    "cost": 200_000,
    "amount": 600_000,
    "reason": "canceled by the customer",
    "status": "CANCELED",
    "expectedBy": "reserve",
    "expectedAt": fields.plain(NOON),
}
SPECIAL = {"SeatsSoldOut": {"reason": "not enough seats left"}, "PaymentFailed": {"reason": "the card was declined"}}


def data(word: type[events.Event]) -> dict[str, Any]:
    """The data of an event of that type."""
    own = VALUES | SPECIAL.get(word.__name__, {})
    return {name: own[name] for name in fields.spec(word)}  # type: ignore[arg-type] # as in events.py
