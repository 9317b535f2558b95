"""Long lists: a page goes on behind the last row of the page before it, and rows are counted up to a bound."""

import base64
import json
from http import HTTPStatus
from typing import Any

import pytest

import reserve_totals
from choreography import paging
from testbed.hosting import Function, HostedAirline
from testbed.vocabulary import body_of, event, href, place
from tests.integration.test_bad_input import COLLECTIONS

FLIGHT = {"flightCode": "ACE890", "takeoffDate": "2027-12-25", "cost": 1000, "remainingSeatsCount": 9}
HEARD = (
    ("decrease-seats", "ReservationPlaced"),
    ("charge-payment", "RemainingSeatsDecreased"),
    ("refund-payment", "ReservationCanceled"),
    ("project-dashboard", "ReservationPlaced"),
)


@pytest.fixture
def reserve(airline: HostedAirline) -> Function:
    return airline.function("reserve")


def placed(airline: HostedAirline, count: int) -> list[str]:
    return [place(airline, customerId=1 + number % 2)["reservationId"] for number in range(count)]


def ids(page: dict[str, Any]) -> list[str]:
    return [shown["reservationId"] for shown in page["_embedded"]["reservations"]]


def cursor(*values: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def test_a_reservation_placed_before_the_next_page_is_read_repeats_none(
    airline: HostedAirline, reserve: Function
) -> None:
    older = placed(airline, 4)
    first = body_of(reserve.get("/reservations?size=2&sort=createdAt,desc"))
    placed(airline, 3)

    second = body_of(reserve.get(href(first, "next")))

    assert sorted(ids(first) + ids(second)) == sorted(older)
    assert second["page"]["number"] == 1


def read_on(function: Function, path: str, order: str, size: int = 1) -> list[Any]:
    """All items of a list, page by page."""
    page = body_of(function.get(f"{path}?size={size}&sort={order}"))
    items: list[Any] = next(iter(page["_embedded"].values()))
    while "next" in page["_links"]:
        page = body_of(function.get(href(page, "next")))
        items += next(iter(page["_embedded"].values()))
    return items


@pytest.mark.parametrize(("path", "service"), COLLECTIONS.items())
def test_every_list_is_read_to_its_end_in_every_order(airline: HostedAirline, path: str, service: str) -> None:
    busy(airline)
    function = airline.function(service)
    whole = next(iter(body_of(function.get(path))["_embedded"].values()))
    orders = function.get(f"{path}?sort=nothing").get_json()["detail"].removeprefix("sort must be one of ")

    assert len(whole) > 1
    for order in orders.split(", optionally")[0].split(", "):
        for direction in ("asc", "desc"):
            items = read_on(function, path, f"{order},{direction}")
            assert sorted(map(str, items)) == sorted(map(str, whole)), (order, direction)


def busy(airline: HostedAirline) -> None:
    """Something is in every list, more than once."""
    airline.function("flight-seats").post("/flights", json=FLIGHT)
    airline.function("flight-seats").post("/flights", json=FLIGHT)
    for number in (1, 2):
        made = place(airline, customerId=number)
        about = {"reservationId": made["reservationId"], "customerId": number}
        for service, type_ in HEARD:
            assert airline.function(service).hear(event(type_, **about)).status_code < HTTPStatus.BAD_REQUEST
        lost = event("Paid", amount=-1, **about)
        assert airline.function("dead-letters").hear(lost).status_code == HTTPStatus.NO_CONTENT


@pytest.mark.parametrize("order", ["createdAt", "createdAt,desc", "customerId", "customerId,desc", "reserveDate", "id"])
def test_every_reservation_comes_once_though_many_are_equal_in_that_order(
    airline: HostedAirline, reserve: Function, order: str
) -> None:
    all_of_them = placed(airline, 5)

    seen = read_on(reserve, "/reservations", order, size=2)

    assert sorted(shown["reservationId"] for shown in seen) == sorted(all_of_them)


def test_the_pages_of_a_filtered_list_stay_filtered(airline: HostedAirline, reserve: Function) -> None:
    placed(airline, 6)

    first = body_of(reserve.get("/reservations?size=2&customerId=1"))
    second = body_of(reserve.get(href(first, "next")))

    assert [shown["customerId"] for shown in second["_embedded"]["reservations"]] == [1]
    assert "next" not in second["_links"]


@pytest.fixture
def five(airline: HostedAirline, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Reservations; no more than three of them are counted, and more than are looked at are under way."""
    monkeypatch.setattr(paging, "MOST_COUNTED", 3)
    monkeypatch.setattr(reserve_totals, "MOST_LOOKED_AT", 3)
    return placed(airline, 5)


@pytest.mark.usefixtures("five")
def test_a_list_longer_than_the_bound_says_that_it_has_at_least_so_many(reserve: Function) -> None:
    page = body_of(reserve.get("/reservations?size=2"))

    assert page["page"] == {"size": 2, "totalElements": 3, "totalPages": 2, "number": 0, "totalIsLeast": True}
    assert set(page["_links"]) == {"self", "first", "next"}
    last = body_of(reserve.get(href(body_of(reserve.get(href(page, "next"))), "next")))
    assert (len(ids(last)), "next" in last["_links"]) == (1, False)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_a_list_longer_than_the_bound_is_read_to_its_end_by_pages_of_any_size(
    reserve: Function, five: list[str], size: int
) -> None:
    seen = read_on(reserve, "/reservations", "id", size)

    assert sorted(shown["reservationId"] for shown in seen) == sorted(five)


@pytest.mark.usefixtures("five")
def test_a_page_that_another_one_follows_is_never_the_last_one(reserve: Function) -> None:
    page = body_of(reserve.get("/reservations?size=3"))

    assert page["page"] == {"size": 3, "totalElements": 3, "totalPages": 2, "number": 0, "totalIsLeast": True}


@pytest.mark.parametrize(("asked", "total"), [("", 5), ("&status=PENDING", 3), ("&status=CANCELED", 2)])
def test_all_reservations_and_those_of_a_status_are_counted_exactly_however_many_they_are(
    airline: HostedAirline, reserve: Function, monkeypatch: pytest.MonkeyPatch, asked: str, total: int
) -> None:
    monkeypatch.setattr(paging, "MOST_COUNTED", 3)
    for canceled in placed(airline, 5)[:2]:
        assert reserve.delete(f"/reservations/{canceled}").status_code == HTTPStatus.NO_CONTENT

    page = body_of(reserve.get(f"/reservations?size=1{asked}"))

    assert page["page"] == {"size": 1, "totalElements": total, "totalPages": total, "number": 0}
    assert ("last" in page["_links"]) == (total <= 3), "a far page is found by going through all before it"
    of_a_flight = body_of(reserve.get(f"/reservations?size=1{asked}&flightId=1"))["page"]
    assert (of_a_flight["totalElements"], "totalIsLeast" in of_a_flight) == (min(total, 3), total > 3)


@pytest.mark.parametrize(
    ("order", "after"),
    [
        ("id", "x"),
        ("id", "ab.cd"),
        ("id", cursor()),
        ("id", cursor(1)),
        ("id", cursor(0, "7Q2M9XW4TBCK")),
        ("id", cursor("1", "7Q2M9XW4TBCK")),
        ("id", cursor(1, None)),
        ("id", cursor(1, 7)),
        ("id", cursor(1, "\0")),
        ("id", cursor(1, "\ud800")),
        ("id", cursor(1, "7Q2M9XW4TBCK", 2)),
        ("id", cursor(2**70, "7Q2M9XW4TBCK")),
        ("id", cursor(1, ["7Q2M9XW4TBCK"])),
        ("customerId", cursor(1, 2**70, "7Q2M9XW4TBCK")),
        ("customerId", cursor(1, True, "7Q2M9XW4TBCK")),
        ("createdAt", cursor(1, "yesterday", "7Q2M9XW4TBCK")),
        ("createdAt", cursor(1, "2026-01-01T00:00:00", "7Q2M9XW4TBCK")),
        ("createdAt", cursor(1, "0001-01-01T00:00:00+23:59", "7Q2M9XW4TBCK")),
        ("createdAt", cursor(1, 5, "7Q2M9XW4TBCK")),
        ("reserveDate", cursor(1, "2026-02-31", "7Q2M9XW4TBCK")),
        ("id", base64.urlsafe_b64encode(b"[" * 1400).decode()),
    ],
)
def test_a_cursor_that_no_link_had_is_refused_with_the_reason(reserve: Function, order: str, after: str) -> None:
    refused = reserve.get(f"/reservations?sort={order}&after={after}")

    assert refused.status_code == 422
    assert refused.content_type == "application/problem+json"
    assert [error["field"] for error in body_of(refused)["errors"]] == ["after"]
