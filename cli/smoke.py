"""One whole saga against a running airline: reserve, SUCCEED, cancel, seats and money back."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cli import client, waiting
from cli.client import Airline
from cli.errors import Broken

CUSTOMER = 999_999
SEATS = 2
FLIGHT = {"flightCode": "SMOKE", "takeoffDate": "2099-12-31", "cost": 1000, "remainingSeatsCount": SEATS}


@dataclass(frozen=True)
class Step:
    """What was done or waited for, and how many seconds it took."""

    what: str
    seconds: float


@dataclass(frozen=True)
class Course:
    """How it went; `events` as the timeline gives them."""

    reservation: str
    flight: int
    steps: list[Step]
    events: list[dict[str, Any]]


def run(airline: Airline, flight: int | None, within: float) -> Course:
    """The saga on that flight, or on one of its own that is removed afterwards. Raises Broken."""
    steps: list[Step] = []

    def step(what: str, work: Callable[[], Any]) -> Any:
        began = time.monotonic()
        result = work()
        steps.append(Step(what, time.monotonic() - began))
        return result

    on = step("look at the flight", lambda: _flight(airline, flight))
    number = on["flightId"]
    wish = {"customerId": CUSTOMER, "flightId": number, "seatQty": SEATS}
    placed = step("reserve", lambda: client.command(airline, "POST", "/reservations", wish))["reservationId"]
    ended = step("until it ended", lambda: waiting.outcome(airline, placed, within))
    if ended["status"] != "SUCCEED":
        raise Broken(f"Reservation {placed} is {ended['status']}: {ended['reason']}.")
    path = f"/reservations/{placed}"
    step("cancel", lambda: client.command(airline, "PATCH", path, {"status": "CANCELED", "reason": "smoke test"}))
    step("until the money is back", lambda: _refunded(airline, placed, within))
    step("until the seats are back", lambda: _seats_back(airline, placed, number, within))
    if flight is None and client.get(airline, f"/flights/{number}")["remainingSeatsCount"] != SEATS:
        raise Broken(f"{placed} holds no seats any more, but flight {number} does not have them.")
    events = step("until the timeline is whole", lambda: _timeline(airline, placed, within))
    if flight is None:
        step("remove the flight", lambda: client.command(airline, "DELETE", f"/flights/{number}"))
    return Course(placed, number, steps, events)


def _flight(airline: Airline, number: int | None) -> Any:
    if number is None:
        return client.command(airline, "POST", "/flights", FLIGHT)
    return client.get(airline, f"/flights/{number}")


def _refunded(airline: Airline, reservation: str, within: float) -> Any:
    def look() -> bool:
        found, _ = client.some(airline, "/payments", "payments", 1, reservationId=reservation)
        return bool(found) and found[0]["status"] == "REFUNDED"

    return waiting.until(look, f"reservation {reservation} is refunded", within)


def _seats_back(airline: Airline, reservation: str, flight: int, within: float) -> Any:
    """The hold tells: others may take and give back seats of the flight meanwhile."""

    def look() -> bool:
        held = client.pages(airline, "/holds", "holds", status="HELD", flightId=flight)
        return not any(hold["reservationId"] == reservation for page in held for hold in page)

    return waiting.until(look, f"the seats of {reservation} are back", within)


def _timeline(airline: Airline, reservation: str, within: float) -> Any:
    def look() -> Any:
        history = client.find(airline, f"/reservations/{reservation}/events") or {}
        done = {event["type"] for event in history.get("_embedded", {}).get("events", [])}
        whole = {"RemainingSeatsIncreased", "PaymentRefunded"} <= done and not history["waitsFor"]
        return history["_embedded"]["events"] if whole else None

    return waiting.until(look, f"the timeline of {reservation} is whole", within)
