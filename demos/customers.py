"""Whole sagas through the gateway: a burst at one moment, what became of each, what each step took."""

import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from airline import saga
from client import gateway, lists, waiting
from client.gateway import Airline
from demos.definition import DEFINITION
from demos.errors import DemoFailed
from demos.running_airline import RunningAirline

LOOK_EVERY: float = DEFINITION["lookEvery"]
"""Seconds between two looks at reservations that have not ended: how exact the times to the end are."""
ENDS_WITHIN: float = DEFINITION["endsWithin"]
LAST = {event.__name__ for event in saga.ENDS.values()}


@dataclass(frozen=True)
class Placed:
    """A reservation that was answered: when the POST was sent (time.monotonic), and how many seconds it took."""

    reservation: str
    sent: float
    answered_in: float


@dataclass(frozen=True)
class Ended:
    """A reservation that has ended, and how many seconds after its POST that was seen."""

    reservation: str
    status: str
    ended_in: float


@dataclass(frozen=True)
class Step:
    """An event of a saga: who said it, and how many seconds after its cause; None where it has none."""

    event: str
    function: str
    after: float | None


def add_flight(airline: Airline, seats: int, code: str = DEFINITION["flight"]["flightCode"]) -> int:
    """The number of a new flight with this many seats."""
    flight = {**DEFINITION["flight"], "flightCode": code, "remainingSeatsCount": seats}
    return int(gateway.send(airline, "POST", "/flights", flight)["flightId"])


def place(airline: Airline, flight: int, customer: int) -> Placed:
    """One seat for a customer; sent again under the same key where the answer got lost, as a good client does."""
    wish = {"customerId": customer, "flightId": flight, "seatQty": 1}
    sent = time.monotonic()
    made = gateway.send(airline, "POST", "/reservations", wish)
    return Placed(made["reservationId"], sent, time.monotonic() - sent)


def burst(at: RunningAirline, flight: int, size: int) -> list[Placed]:
    """Customers who want one seat each, all at the same moment."""
    line = threading.Barrier(size)

    def customer(number: int) -> Placed:
        airline = at.connect()
        line.wait()
        return place(airline, flight, number)

    with ThreadPoolExecutor(size) as customers:
        return list(customers.map(customer, range(1, size + 1)))


def await_ends(airline: Airline, flight: int, placed: Iterable[Placed]) -> list[Ended]:
    """What became of them; one question about the whole flight at a time. Raises DemoFailed if one does not end."""
    open_ones = {one.reservation: one for one in placed}
    deadline = time.monotonic() + ENDS_WITHIN
    ended: list[Ended] = []
    while open_ones:
        if time.monotonic() > deadline:
            raise DemoFailed(f"{len(open_ones)} reservations have not ended after {ENDS_WITHIN:g} s: {[*open_ones]}")
        time.sleep(LOOK_EVERY)
        found = {item["reservationId"]: item["status"] for item in of_flight(airline, flight)}
        now = time.monotonic()
        ready = [identity for identity in open_ones if found.get(identity) in waiting.ENDED]
        ended += [Ended(identity, found[identity], now - open_ones.pop(identity).sent) for identity in ready]
    return ended


def of_flight(airline: Airline, flight: int) -> list[Mapping[str, Any]]:
    """All reservations of a flight."""
    pages = lists.pages(airline, "/reservations", "reservations", flightId=flight)
    return list({item["reservationId"]: item for page in pages for item in page}.values())


def steps(airline: Airline, reservation: str, within: float = 60) -> list[Step]:
    """The events of a saga, once nothing is waited for any more."""

    def whole() -> Any:
        history = gateway.find(airline, f"/reservations/{gateway.segment(reservation)}/events")
        last = {event["type"] for event in history["_embedded"]["events"]} if history else set()
        return history if last & LAST and not history["waitsFor"] else None

    history = waiting.until(whole, f"the timeline of {reservation} is whole", within)
    events = history["_embedded"]["events"]
    types = {event["id"]: event["type"] for event in events}
    return [
        Step(event["type"], saga.speaker(event["type"], types.get(event["causationId"])), event["after"])
        for event in events
    ]
