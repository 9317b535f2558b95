"""Books in which every law holds, and the moment at which they are judged."""

from datetime import UTC, datetime
from typing import Any

from client.laws import Books, Moment

NOW = Moment(datetime(2026, 3, 1, 12, tzinfo=UTC))
LONG_AGO = "2026-03-01T11:00:00.000Z"
JUST_NOW = "2026-03-01T11:59:50.000Z"


def flight(number: int = 1, capacity: int = 10, remaining: int = 7, cost: int = 100) -> dict[str, Any]:
    return {"flightId": number, "capacity": capacity, "remainingSeatsCount": remaining, "cost": cost}


def hold(reservation: str = "GOOD", status: str = "HELD", seats: int = 3, number: int = 1) -> dict[str, Any]:
    return {
        "reservationId": reservation,
        "flightId": number,
        "seatQty": seats,
        "status": status,
        "amount": seats * 100,
    }


def reservation(identity: str = "GOOD", status: str = "SUCCEED", made: str = LONG_AGO) -> dict[str, Any]:
    return {
        "reservationId": identity,
        "customerId": 7,
        "flightId": 1,
        "seatQty": 3,
        "reserveDate": "2026-03-01",
        "status": status,
        "reason": None,
        "createdAt": made,
        "owedSince": None,
        "requestedBy": {"source": "/agency/7", "id": f"order {identity}"},
        "expiresAt": "2026-03-01T11:15:00.000Z",
    }


def entry(key: str = "GOOD", kind: str = "charge", accepted: bool = True, amount: int = 300) -> dict[str, Any]:
    return {"key": key, "kind": kind, "accepted": accepted, "amount": amount, "at": LONG_AGO}


def payment(reservation: str = "GOOD", status: str = "PAID", amount: int = 300) -> dict[str, Any]:
    return {"reservationId": reservation, "customerId": 7, "status": status, "amount": amount}


def customer(placed: int = 2, confirmed: int = 1, canceled: int = 1) -> dict[str, Any]:
    return {
        "customerId": 7,
        "flightCount": placed,
        "confirmedCount": confirmed,
        "canceledCount": canceled,
        "recentReserveDate": "2026-03-01",
    }


def sound() -> dict[str, Any]:
    """One SUCCEED reservation of three seats, one that was paid and canceled."""
    return {
        "flights": [flight()],
        "holds": [hold()],
        "reservations": [reservation(), reservation("BACK", "CANCELED")],
        "payments": [payment(), payment("BACK", "REFUNDED")],
        "ledger": [entry(), entry("BACK"), entry("BACK", "refund")],
        "customers": [customer()],
        "outboxes": {"reserve": {"unsent": 0, "oldest": None}, "payment": {"unsent": 0, "oldest": None}},
    }


def books(**other: Any) -> Books:
    """Sound books with some lists replaced."""
    return Books(**(sound() | other))
