"""`airline smoke`: one whole saga, reserve, SUCCEED, cancel, seats and money back."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType

from airline import saga
from cli.common_options import Timeout
from cli.invocation import Invocation, answer, note
from client import gateway, lists, waiting
from client.errors import Broken
from client.gateway import Airline
from terminal import tables

CUSTOMER = 999_999
SEATS = 2
FLIGHT = {"flightCode": "SMOKE", "takeoffDate": "2099-12-31", "cost": 1000, "remainingSeatsCount": SEATS}

BACK = {policy.says[0].__name__ for policy in saga.COMPENSATION}
"""The events that say that seats and money have come back."""


@dataclass(frozen=True)
class Step:
    """What was done or waited for, and how many seconds it took."""

    what: str
    seconds: float


@dataclass(frozen=True)
class Result:
    """How it went; `events` as the timeline gives them."""

    reservation: str
    flight: int
    steps: list[Step]
    events: list[dict[str, Any]]


def smoke(
    invocation: Invocation,
    flight: Annotated[int | None, typer.Option(help="Number of a flight; without, one is added and removed.")] = None,
    timeout: Timeout = 60,
) -> None:
    """One whole saga: reserve, SUCCEED, cancel, seats and money back, with the time of each event."""
    if not invocation.as_json:
        note(f"smoke test of {invocation.airline.url}")
    result = _saga(invocation.airline, flight, timeout)
    answer(invocation, asdict(result), lambda: _drawn(result))


def _saga(airline: Airline, flight: int | None, within: float) -> Result:
    """The saga on that flight, or on one of its own that is removed afterwards. Raises Broken."""
    steps: list[Step] = []

    def step(what: str, work: Callable[[], Any]) -> Any:
        began = time.monotonic()
        result = work()
        steps.append(Step(what, time.monotonic() - began))
        return result

    on = step("look at the flight", lambda: _flight(airline, flight))
    number = on["flightId"]
    order = {"customerId": CUSTOMER, "flightId": number, "seatQty": SEATS}
    placed = step("reserve", lambda: gateway.send(airline, "POST", "/reservations", order))["reservationId"]
    ended = step("until it ended", lambda: waiting.outcome(airline, placed, within))
    if ended["status"] != "SUCCEED":
        raise Broken(f"Reservation {placed} is {ended['status']}: {ended['reason']}.")
    path = f"/reservations/{placed}"
    step("cancel", lambda: gateway.send(airline, "PATCH", path, {"status": "CANCELED", "reason": "smoke test"}))
    step("until the money is back", lambda: _refunded(airline, placed, within))
    step("until the seats are back", lambda: _seats_back(airline, placed, number, within))
    if flight is None and gateway.get(airline, f"/flights/{number}")["remainingSeatsCount"] != SEATS:
        raise Broken(f"{placed} holds no seats any more, but flight {number} does not have them.")
    events = step("until the timeline is whole", lambda: _timeline(airline, placed, within))
    if flight is None:
        step("remove the flight", lambda: gateway.send(airline, "DELETE", f"/flights/{number}"))
    return Result(placed, number, steps, events)


def _flight(airline: Airline, number: int | None) -> Any:
    if number is None:
        return gateway.send(airline, "POST", "/flights", FLIGHT)
    return gateway.get(airline, f"/flights/{number}")


def _refunded(airline: Airline, reservation: str, within: float) -> Any:
    def look() -> bool:
        found = lists.some(airline, "/payments", "payments", 1, reservationId=reservation).items
        return bool(found) and found[0]["status"] == "REFUNDED"

    return waiting.until(look, f"reservation {reservation} is refunded", within)


def _seats_back(airline: Airline, reservation: str, flight: int, within: float) -> Any:
    """By the hold, not by the flight: others may take and give back its seats meanwhile."""

    def look() -> bool:
        held = lists.pages(airline, "/holds", "holds", status="HELD", flightId=flight)
        return not any(hold["reservationId"] == reservation for page in held for hold in page)

    return waiting.until(look, f"the seats of {reservation} are back", within)


def _timeline(airline: Airline, reservation: str, within: float) -> Any:
    def look() -> Any:
        history = gateway.find(airline, f"/reservations/{reservation}/events") or {}
        done = {event["type"] for event in history.get("_embedded", {}).get("events", [])}
        whole = done >= BACK and not history["waitsFor"]
        return history["_embedded"]["events"] if whole else None

    return waiting.until(look, f"the timeline of {reservation} is whole", within)


def _drawn(result: Result) -> RenderableType:
    steps = tables.table(["step", "took"], [(step.what, tables.seconds(step.seconds)) for step in result.steps])
    columns = ["event", "said by", "time", "after its cause"]
    rows = [(event["type"], event["source"], event["time"], tables.seconds(event["after"])) for event in result.events]
    title = f"reservation {result.reservation} on flight {result.flight}: everything came back"
    return Group(tables.cell(title), "", steps, "", tables.table(columns, rows))
