"""Whole sagas: events go to whom the Triggers say, replies back into the stream, until nothing is left to say."""

from collections.abc import Callable
from typing import Any

import pytest

from testbed.hosting import HostedAirline
from testbed.project import heard_by, heard_type, triggers
from testbed.recording_broker import RecordingBroker
from testbed.vocabulary import body_of, href, place

FLIGHT = {"remainingSeatsCount": "5", "flightCode": "ACE890", "takeoffDate": "2025-12-25", "cost": "200000"}
Event = dict[str, Any]


def once(events: list[Event]) -> list[Event]:
    return events


def twice_and_backwards(events: list[Event]) -> list[Event]:
    return [*reversed(events), *events]


in_any_order = pytest.mark.parametrize("order", [once, twice_and_backwards])


def tell(airline: HostedAirline, broker: RecordingBroker, order: Callable[[list[Event]], list[Event]]) -> None:
    """Delivers what the broker accepted and the replies; what is answered with 503 or 404 is delivered again."""
    waiting = [(event, service) for event in order(broker.accepted) for service in hearers(event["type"])]
    broker.accepted.clear()
    again = [(event, service) for event, service in waiting if not is_taken(airline, broker, event, service)]
    for event, service in again:
        assert is_taken(airline, broker, event, service), (event, service)
    if broker.accepted:
        tell(airline, broker, order)


def hearers(type_: str) -> list[str]:
    return [heard_by(trigger) for trigger in triggers().values() if heard_type(trigger) in (None, type_)]


def is_taken(airline: HostedAirline, broker: RecordingBroker, event: Event, service: str) -> bool:
    answer = airline.function(service).hear(event)
    if answer.status_code == 200:
        broker.hear(body_of(answer))
    return answer.status_code < 300


def status(airline: HostedAirline, reservation: Event) -> tuple[str, str | None]:
    shown = body_of(airline.function("reserve").get(href(reservation, "self")))
    return shown["status"], shown["reason"]


def seats_left(airline: HostedAirline) -> int:
    return int(body_of(airline.function("flight-seats").get("/flights/1"))["remainingSeatsCount"])


@in_any_order
def test_seats_go_to_who_comes_first_and_the_dashboard_counts_both(
    airline: HostedAirline, broker: RecordingBroker, order: Any
) -> None:
    airline.function("flight-seats").post("/flights", json=FLIGHT)

    first = place(airline, customerId="1", flightId="1", seatQty="3", reserveDate="2024-11-21", status="SUCCEED")
    tell(airline, broker, order)
    second = place(airline, customerId="2", flightId="1", seatQty="3", reserveDate="2024-11-22", status="SUCCEED")
    tell(airline, broker, order)

    assert status(airline, first) == ("SUCCEED", None)
    assert status(airline, second) == ("CANCELED", "not enough seats left: 2 remain")
    assert seats_left(airline) == 2
    customers = body_of(airline.function("dashboard").get("/customerInfos"))["_embedded"]["customerInfos"]
    assert [
        (one["customerId"], one["flightCount"], one["recentReserveDate"], one["confirmedCount"], one["canceledCount"])
        for one in customers
    ] == [(1, 1, "2024-11-21", 1, 0), (2, 1, "2024-11-22", 0, 1)]


@in_any_order
def test_canceling_gives_back_the_seats_and_the_money_once(
    airline: HostedAirline, broker: RecordingBroker, order: Any
) -> None:
    airline.function("flight-seats").post("/flights", json=FLIGHT)
    reservation = place(airline, flightId=1, seatQty=3)
    tell(airline, broker, order)

    airline.function("reserve").delete(href(reservation, "self"))
    tell(airline, broker, order)

    assert status(airline, reservation) == ("CANCELED", "canceled by customer")
    assert seats_left(airline) == 5
    (payment,) = body_of(airline.function("payment").get("/payments"))["_embedded"]["payments"]
    assert (payment["status"], payment["amount"]) == ("REFUNDED", 600_000)


@in_any_order
def test_canceling_before_anybody_heard_takes_neither_seats_nor_money(
    airline: HostedAirline, broker: RecordingBroker, order: Any
) -> None:
    airline.function("flight-seats").post("/flights", json=FLIGHT)
    reservation = place(airline, flightId=1, seatQty=3)
    airline.function("reserve").delete(href(reservation, "self"))

    tell(airline, broker, order)

    assert status(airline, reservation) == ("CANCELED", "canceled by customer")
    assert seats_left(airline) == 5
    payments = body_of(airline.function("payment").get("/payments"))["_embedded"]["payments"]
    assert [payment["status"] for payment in payments] in ([], ["REFUNDED"])


@in_any_order
@pytest.mark.parametrize(
    ("wish", "reason"),
    [({"paymentMethod": "decline"}, "declined by the provider"), ({"flightId": 9}, "unknown flight")],
)
def test_a_customer_who_cannot_fly_learns_why(
    airline: HostedAirline, broker: RecordingBroker, order: Any, wish: Event, reason: str
) -> None:
    airline.function("flight-seats").post("/flights", json=FLIGHT)
    reservation = place(airline, **({"flightId": 1} | wish))

    tell(airline, broker, order)

    assert status(airline, reservation) == ("CANCELED", reason)
    assert seats_left(airline) == 5
