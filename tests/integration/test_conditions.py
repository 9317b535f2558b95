"""Whoever changes a flight means the flight that they read: ETag, If-Match, If-None-Match (RFC 9110, section 13)."""

from typing import Any

import pytest
from werkzeug.test import TestResponse

from testbed.hosting import HostedAirline
from testbed.vocabulary import assert_refused, body_of, event
from tests.integration.test_openapi import something_of_everything

SINGLE = [
    ("reserve", "/reservations/{reservationId}"),
    ("flight-seats", "/flights/{flightId}"),
    ("payment", "/payments/{paymentId}"),
    ("dashboard", "/customerInfos/{customerId}"),
    ("dead-letters", "/dead-letters/{id}"),
]
FLIGHT = "/flights/1001"
OTHER = '"00000000000000000000000000000000"'


def flight(airline: HostedAirline, path: str = FLIGHT) -> TestResponse:
    return airline.function("flight-seats").get(path)


def change(airline: HostedAirline, body: dict[str, Any], **headers: str) -> TestResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return airline.function("flight-seats").patch(FLIGHT, json=body, headers=named)


def seats(airline: HostedAirline) -> tuple[int, int]:
    found = body_of(flight(airline))
    return found["remainingSeatsCount"], found["capacity"]


def a_customer_takes_two(airline: HostedAirline, reservation: str = "7Q2M9XW4TBCK") -> None:
    wish = event("ReservationPlaced", flightId=1001, seatQty=2, reservationId=reservation)
    assert airline.function("decrease-seats").hear(wish).status_code == 200


@pytest.mark.parametrize(("service", "path"), SINGLE)
def test_every_single_resource_has_a_strong_tag_and_is_not_sent_again_to_who_has_it(
    airline: HostedAirline, service: str, path: str
) -> None:
    here, function = path.format(**something_of_everything(airline)), airline.function(service)
    tag = function.get(here).headers["ETag"]

    elsewhere = function.get(here, headers={"X-Forwarded-Host": "airline.example", "X-Forwarded-Proto": "https"})
    assert elsewhere.headers["ETag"] == tag
    assert tag.startswith('"')
    for named in (tag, f"W/{tag}", "*", f"{OTHER}, W/{tag}"):
        unchanged = function.get(here, headers={"If-None-Match": named})
        assert (unchanged.status_code, unchanged.data, unchanged.headers["ETag"]) == (304, b"", tag)
    assert function.get(here, headers={"If-None-Match": OTHER}).status_code == 200
    assert function.get(here, headers={"If-Match": tag}).status_code == 200
    assert_refused(function.get(here, headers={"If-Match": OTHER}), 412)


def test_an_operator_who_has_not_seen_the_latest_sale_does_not_undo_it(airline: HostedAirline) -> None:
    remaining, capacity = seats(airline)
    tag = flight(airline).headers["ETag"]
    a_customer_takes_two(airline)

    assert_refused(change(airline, {"remainingSeatsCount": remaining + 1}, If_Match=tag), 412)

    assert seats(airline) == (remaining - 2, capacity)
    again = flight(airline).headers["ETag"]
    changed = change(airline, {"remainingSeatsCount": remaining - 1}, If_Match=again)
    assert (changed.status_code, changed.headers["ETag"]) == (200, flight(airline).headers["ETag"])
    assert seats(airline) == (remaining - 1, capacity + 1)


@pytest.mark.parametrize("named", ["*", "{tag}", f"{OTHER}, {{tag}}"])
def test_a_change_of_what_is_there_is_made(airline: HostedAirline, named: str) -> None:
    tag = flight(airline).headers["ETag"]

    assert change(airline, {"cost": 1}, If_Match=named.format(tag=tag)).status_code == 200


@pytest.mark.parametrize(
    "condition",
    [
        {"If-Match": OTHER},
        {"If-Match": ""},
        {"If-Match": "W/{tag}"},
        {"If-None-Match": "*"},
        {"If-None-Match": "{tag}"},
        {"If-None-Match": "W/{tag}"},
        {"If-Match": "{tag}", "If-None-Match": "{tag}"},
    ],
)
@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
@pytest.mark.parametrize("what", ["flight", "reservation"])
def test_a_change_under_a_condition_that_does_not_hold_is_refused_and_nothing_happens(
    airline: HostedAirline, what: str, method: str, condition: dict[str, str]
) -> None:
    names = something_of_everything(airline)
    service, path, body = {
        "flight": ("flight-seats", "/flights/1003", {"cost": 1}),
        "reservation": ("reserve", f"/reservations/{names['reservationId']}", {"status": "CANCELED"}),
    }[what]
    function = airline.function(service)
    before, contents = function.get(path), airline.contents(service)
    headers = {name: value.format(tag=before.headers["ETag"]) for name, value in condition.items()}

    refused = function.open(method, path, headers=headers, **({"json": body} if method == "PATCH" else {}))

    assert_refused(refused, 412)
    assert function.get(path).data == before.data
    assert airline.contents(service) == contents


def test_what_is_not_there_is_not_found_whatever_the_condition(airline: HostedAirline) -> None:
    flights, reserve = airline.function("flight-seats"), airline.function("reserve")
    for condition in ({"If-Match": "*"}, {"If-Match": OTHER}, {"If-None-Match": "*"}):
        assert_refused(flights.patch("/flights/7", json={"cost": 1}, headers=condition), 404)
        assert_refused(flights.delete("/flights/7", headers=condition), 404)
        assert_refused(reserve.delete("/reservations/000000000000", headers=condition), 404)


def test_a_refused_condition_leaves_its_key_free(airline: HostedAirline) -> None:
    key = {"Idempotency_Key": "k"}

    assert_refused(change(airline, {"cost": 1}, If_Match=OTHER, **key), 412)
    assert change(airline, {"cost": 1}, If_Match="*", **key).status_code == 200


def test_what_was_made_or_changed_says_its_tag(airline: HostedAirline) -> None:
    wish = {"flightCode": "ACE890", "takeoffDate": "2025-12-25", "cost": 1, "remainingSeatsCount": 5}
    made = airline.function("flight-seats").post("/flights", json=wish)

    assert made.headers["ETag"] == flight(airline, f"/flights/{body_of(made)['flightId']}").headers["ETag"]


def test_a_flight_gets_another_capacity_and_what_remains_follows(airline: HostedAirline) -> None:
    remaining, capacity = seats(airline)
    a_customer_takes_two(airline)

    assert change(airline, {"capacity": str(capacity + 5)}).status_code == 200

    assert seats(airline) == (remaining + 3, capacity + 5)


def test_a_flight_keeps_the_seats_that_are_held(airline: HostedAirline) -> None:
    a_customer_takes_two(airline)
    before = seats(airline)

    assert_refused(change(airline, {"capacity": 1}), 409)
    assert seats(airline) == before
    assert change(airline, {"capacity": 2}).status_code == 200
    assert seats(airline) == (0, 2)


def test_capacity_and_remaining_seats_that_disagree_are_refused(airline: HostedAirline) -> None:
    a_customer_takes_two(airline)

    assert_refused(change(airline, {"capacity": 10, "remainingSeatsCount": 9}), 422, "remainingSeatsCount")
    assert change(airline, {"capacity": 10, "remainingSeatsCount": 8}).status_code == 200
    assert seats(airline) == (8, 10)
