"""Payments, customerInfos and the history of a reservation: what follows from events, over HTTP."""

from datetime import timedelta
from typing import Any

import pytest

from testbed.hosting import HostedAirline
from testbed.vocabulary import RESERVATION, assert_refused, body_of, event, href
from tests.integration.conftest import Clock

COLLECTIONS = [
    ("payment", "/payments", "payments"),
    ("payment", "/ledger", "entries"),
    ("flight-seats", "/holds", "holds"),
    ("flight-seats", "/promotions", "promotions"),
    ("dashboard", "/customerInfos", "customerInfos"),
]


@pytest.mark.parametrize(("service", "path", "name"), COLLECTIONS)
def test_a_collection_without_events_is_an_empty_list(
    airline: HostedAirline, service: str, path: str, name: str
) -> None:
    page = body_of(airline.function(service).get(path))

    assert page["_embedded"] == {name: []}
    assert page["page"]["totalElements"] == 0


def test_a_customer_has_counts_and_the_latest_date(airline: HostedAirline) -> None:
    project = airline.function("project-dashboard")
    for identity, date in [("000000000001", "2026-05-05"), ("000000000002", "2026-01-01")]:
        project.hear(event("ReservationPlaced", reservationId=identity, reserveDate=date))
    project.hear(event("ReservationConfirmed", reservationId="000000000001"))
    project.hear(event("ReservationCanceled", reservationId="000000000002"))

    dashboard = airline.function("dashboard")

    (customer,) = body_of(dashboard.get("/customerInfos"))["_embedded"]["customerInfos"]
    assert customer == {
        "customerId": 7,
        "flightCount": 2,
        "recentReserveDate": "2026-05-05",
        "confirmedCount": 1,
        "canceledCount": 1,
        "spent": 0,
        "refunded": 0,
        "_links": {
            "self": {"href": "http://localhost/customerInfos/7"},
            "customerInfo": {"href": "http://localhost/customerInfos/7"},
        },
    }
    assert body_of(dashboard.get(href(customer, "self"))) == customer


@pytest.mark.parametrize(
    ("sort", "customers"),
    [
        ("flightCount,desc", [8, 9, 7]),
        ("recentReserveDate", [8, 7, 9]),
        ("confirmedCount,desc", [9, 7, 8]),
        ("canceledCount", [7, 9, 8]),
        ("canceledCount,desc", [8, 9, 7]),
        ("id,desc", [9, 8, 7]),
    ],
)
def test_customers_are_sorted_by_any_of_their_counts(airline: HostedAirline, sort: str, customers: list[int]) -> None:
    project = airline.function("project-dashboard")
    for customer, date, ends in [
        (7, "2026-05-05", ["Confirmed"]),
        (8, "2026-01-01", ["Canceled", "Canceled", "Canceled"]),
        (9, "2026-09-09", ["Confirmed", "Confirmed"]),
    ]:
        for number, end in enumerate(ends):
            saga: dict[str, Any] = {"reservationId": f"0000000000{customer}{number}", "customerId": customer}
            project.hear(event("ReservationPlaced", reserveDate=date, **saga))
            project.hear(event(f"Reservation{end}", **saga))

    page = body_of(airline.function("dashboard").get(f"/customerInfos?sort={sort}"))

    assert [found["customerId"] for found in page["_embedded"]["customerInfos"]] == customers


def test_the_story_of_a_reservation_names_the_cause_of_each_event(airline: HostedAirline) -> None:
    placed, confirmed = event("ReservationPlaced"), event("ReservationConfirmed") | {"causationid": "the payment"}
    for heard in (placed, confirmed, placed):
        airline.function("project-dashboard").hear(heard)

    story = body_of(airline.function("dashboard").get(f"/reservations/{RESERVATION}/events"))

    assert story["reservationId"] == RESERVATION
    assert href(story, "self") == f"http://localhost/reservations/{RESERVATION}/events"
    assert href(story, "deadLetters") == f"http://localhost/dead-letters?reservationId={RESERVATION}"
    assert story["waitsFor"] == []
    assert {(one["type"], one["causationId"]) for one in story["_embedded"]["events"]} == {
        ("ReservationPlaced", None),
        ("ReservationConfirmed", "the payment"),
    }
    assert placed["data"] in [one["data"] for one in story["_embedded"]["events"]]


def test_a_payment_is_read_by_number_and_by_reservation(airline: HostedAirline) -> None:
    airline.function("charge-payment").hear(event("RemainingSeatsDecreased"))
    payment = airline.function("payment")

    (listed,) = body_of(payment.get(f"/payments?reservationId={RESERVATION}"))["_embedded"]["payments"]

    assert (listed["status"], listed["amount"], listed["reason"]) == ("PAID", 2_940_000, None)
    assert body_of(payment.get(href(listed, "payment"))) == listed
    assert body_of(payment.get("/payments?reservationId=ANOTHER"))["page"]["totalElements"] == 0


def test_a_cancel_that_came_before_its_charge_is_not_a_payment(airline: HostedAirline) -> None:
    airline.function("refund-payment").hear(event("ReservationCanceled"))
    payment = airline.function("payment")

    assert body_of(payment.get("/payments"))["page"]["totalElements"] == 0
    assert_refused(payment.get("/payments/1"), 404)


def test_a_saga_shows_what_it_waits_for_and_how_long_each_step_took(airline: HostedAirline, held_clock: Clock) -> None:
    placed = event("ReservationPlaced")
    held = event("RemainingSeatsDecreased") | {"causationid": placed["id"], "time": "2026-03-01T12:00:01.500Z"}
    for heard in (held, placed):
        airline.function("project-dashboard").hear(heard)
    held_clock.passes(timedelta(minutes=1))

    story = body_of(airline.function("dashboard").get(f"/reservations/{RESERVATION}/events"))

    assert [(one["type"], one["after"]) for one in story["_embedded"]["events"]] == [
        ("ReservationPlaced", None),
        ("RemainingSeatsDecreased", 1.5),
    ]
    assert story["waitsFor"] == [{"function": "charge-payment", "for": 58.5}]


def test_the_providers_ledger_has_each_charge_and_refund_once(airline: HostedAirline) -> None:
    for _ in range(2):
        airline.function("charge-payment").hear(event("RemainingSeatsDecreased"))
        airline.function("refund-payment").hear(event("ReservationCanceled"))
    declined = event("RemainingSeatsDecreased", reservationId="000000000001", paymentMethod="decline")
    airline.function("charge-payment").hear(declined)
    payment = airline.function("payment")

    at_the_gateway = {"X-Forwarded-Host": "air.example"}
    entries = body_of(payment.get("/ledger?sort=kind", headers=at_the_gateway))["_embedded"]["entries"]

    assert [(entry["key"], entry["kind"], entry["accepted"], entry["amount"]) for entry in entries] == [
        ("000000000001", "charge", False, 2_940_000),
        (RESERVATION, "charge", True, 2_940_000),
        (RESERVATION, "refund", True, 2_940_000),
    ]
    assert href(entries[1], "reservation") == f"http://air.example/reservations/{RESERVATION}"
    assert body_of(payment.get(f"/ledger?key={RESERVATION}"))["page"]["totalElements"] == 2


@pytest.mark.parametrize(
    ("service", "path"),
    [
        ("payment", "/payments/1"),
        ("payment", "/payments/2147483648"),
        ("dashboard", "/customerInfos/1"),
        ("dashboard", "/customerInfos/99999999999999999999"),
        ("dashboard", "/reservations/000000000000/events"),
        ("dead-letters", "/dead-letters/none"),
    ],
)
def test_what_was_never_heard_of_is_not_found(airline: HostedAirline, service: str, path: str) -> None:
    assert_refused(airline.function(service).get(path), 404)
