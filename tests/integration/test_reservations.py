"""The resource reservations over HTTP."""

import pytest

from testbed.hosting import HostedAirline
from testbed.recording_broker import RecordingBroker
from testbed.vocabulary import assert_refused, body_of, event, href, place


def test_a_reservation_is_made_pending_and_has_an_address(airline: HostedAirline) -> None:
    reserve = airline.function("reserve")

    answer = reserve.post("/reservations", json={"customerId": 1, "flightId": 2, "seatQty": 3})

    reservation = body_of(answer)
    assert (answer.status_code, answer.content_type) == (201, "application/hal+json")
    assert answer.headers["Location"] == href(reservation, "self") == href(reservation, "reservation")
    assert reservation["status"] == "PENDING"
    assert body_of(reserve.get(answer.headers["Location"])) == reservation


def test_numbers_in_strings_come_back_as_numbers(airline: HostedAirline) -> None:
    reservation = place(airline, customerId="1", flightId="2", seatQty="3")

    assert {name: reservation[name] for name in ("customerId", "flightId", "seatQty")} == {
        "customerId": 1,
        "flightId": 2,
        "seatQty": 3,
    }


@pytest.mark.parametrize("date", ["2024-11-21", "2024-11-21T00:00:00.000+00:00", "2024-11-21T23:59:59Z"])
def test_a_date_is_read_in_both_forms_and_answered_plainly(airline: HostedAirline, date: str) -> None:
    assert place(airline, reserveDate=date)["reserveDate"] == "2024-11-21"


def test_the_status_is_not_the_clients_to_choose(airline: HostedAirline) -> None:
    assert place(airline, status="SUCCEED", reason="because", reservationId="MINE")["status"] == "PENDING"


def test_the_broker_hears_what_was_placed(airline: HostedAirline, broker: RecordingBroker) -> None:
    reservation = place(airline)

    (said,) = broker.accepted
    assert said["type"] == "ReservationPlaced"
    assert said["source"] == "/airline/reserve"
    assert said["subject"] == f"reservations/{reservation['reservationId']}"
    assert said["data"]["expiresAt"] == reservation["expiresAt"]


def test_no_reservations_are_an_empty_list(airline: HostedAirline) -> None:
    answer = airline.function("reserve").get("/reservations")

    assert answer.content_type == "application/hal+json"
    assert body_of(answer) == {
        "_embedded": {"reservations": []},
        "_links": {"self": {"href": "http://localhost/reservations"}},
        "page": {"size": 20, "totalElements": 0, "totalPages": 0, "number": 0},
    }


@pytest.mark.parametrize(
    ("query", "relations"),
    [
        ("page=0&size=1", {"self", "first", "next", "last"}),
        ("page=1&size=1", {"self", "first", "prev", "next", "last"}),
        ("page=2&size=1", {"self", "first", "prev", "last"}),
        ("size=3", {"self"}),
    ],
)
def test_a_page_links_to_its_neighbours(airline: HostedAirline, query: str, relations: set[str]) -> None:
    for customer in (1, 2, 3):
        place(airline, customerId=customer)

    assert set(body_of(airline.function("reserve").get(f"/reservations?{query}"))["_links"]) == relations


def test_following_next_shows_every_reservation_once_in_the_order_asked_for(airline: HostedAirline) -> None:
    for seats, customer in [(2, 1), (1, 1), (2, 2), (1, 2)]:
        place(airline, seatQty=seats, customerId=customer)
    reserve = airline.function("reserve")

    page = body_of(reserve.get("/reservations?size=1&sort=seatQty,desc&sort=customerId"))
    seen = page["_embedded"]["reservations"]
    while "next" in page["_links"]:
        page = body_of(reserve.get(href(page, "next")))
        seen += page["_embedded"]["reservations"]

    assert [(shown["seatQty"], shown["customerId"]) for shown in seen] == [(2, 1), (2, 2), (1, 1), (1, 2)]


def test_a_customer_sees_only_their_reservations(airline: HostedAirline) -> None:
    mine = place(airline, customerId=1)
    place(airline, customerId=2)

    listed = body_of(airline.function("reserve").get("/reservations?customerId=1"))

    assert [shown["reservationId"] for shown in listed["_embedded"]["reservations"]] == [mine["reservationId"]]
    assert listed["page"]["totalElements"] == 1


@pytest.mark.parametrize(
    ("query", "found"),
    [("flightId=1002", 1), ("status=PENDING", 2), ("status=CANCELED", 1), ("status=PENDING&flightId=1001", 1)],
)
def test_reservations_are_found_by_flight_and_status(airline: HostedAirline, query: str, found: int) -> None:
    place(airline, flightId=1001)
    place(airline, flightId=1002)
    airline.function("reserve").delete(href(place(airline, flightId=1001), "self"))

    listed = body_of(airline.function("reserve").get(f"/reservations?{query}"))

    assert listed["page"]["totalElements"] == found


@pytest.mark.parametrize(("before", "found"), [("2099-01-01T00:00:00Z", 1), ("2000-01-01T00:00:00Z", 0)])
def test_what_has_been_under_way_for_long_is_found(airline: HostedAirline, before: str, found: int) -> None:
    place(airline)

    page = body_of(airline.function("reserve").get(f"/reservations?owedBefore={before}"))

    assert page["page"]["totalElements"] == found


def test_behind_the_gateway_links_lead_to_the_gateway(airline: HostedAirline) -> None:
    reserve = airline.function("reserve")
    gateway = {"X-Forwarded-Host": "airline.example:8088", "X-Forwarded-Proto": "https"}

    answer = reserve.post("/reservations", json={"customerId": 1, "flightId": 2, "seatQty": 3}, headers=gateway)
    page = body_of(reserve.get("/reservations?size=1&page=1", headers=gateway))

    assert answer.headers["Location"].startswith("https://airline.example:8088/reservations/")
    assert all(link["href"].startswith("https://airline.example:8088/") for link in page["_links"].values())


def test_canceling_by_patch_answers_the_canceled_reservation(airline: HostedAirline, broker: RecordingBroker) -> None:
    place(airline)
    here = href(place(airline, seatQty=4), "self")

    answer = airline.function("reserve").patch(here, json={"status": "CANCELED", "reason": "ill"})

    reservation = body_of(answer)
    assert answer.status_code == 200
    assert (reservation["status"], reservation["reason"]) == ("CANCELED", "ill")
    assert broker.accepted[-1]["data"]["reason"] == "ill"


def test_links_to_other_functions_are_given_where_the_gateway_leads_to_them(airline: HostedAirline) -> None:
    here = href(place(airline, seatQty=4), "self")
    reserve = airline.function("reserve")
    reserve.delete(here)

    alone = body_of(reserve.get(here))
    behind = body_of(reserve.get(here, headers={"X-Forwarded-Host": "airline.example", "X-Forwarded-Proto": "https"}))

    assert set(alone["_links"]) == {"self", "reservation"}
    assert href(behind, "events") == f"https://airline.example/reservations/{alone['reservationId']}/events"
    assert href(behind, "alternatives") == "https://airline.example/flights?minSeats=4&sort=takeoffDate"


def test_canceling_by_delete_answers_nothing_and_the_reservation_can_still_be_read(airline: HostedAirline) -> None:
    reserve, here = airline.function("reserve"), href(place(airline), "self")

    answer = reserve.delete(here)

    assert (answer.status_code, answer.data) == (204, b"")
    canceled = body_of(reserve.get(here))
    assert (canceled["status"], canceled["reason"]) == ("CANCELED", "canceled by customer")


def test_canceling_again_changes_nothing_and_says_the_same_event(
    airline: HostedAirline, broker: RecordingBroker
) -> None:
    reserve, here = airline.function("reserve"), href(place(airline), "self")

    first = body_of(reserve.patch(here, json={"status": "CANCELED", "reason": "ill"}))
    again = body_of(reserve.patch(here, json={"status": "CANCELED", "reason": "changed my mind"}))

    assert again == first
    said, said_again = (one for one in broker.accepted if one["type"] == "ReservationCanceled")
    assert (said_again["id"], said_again["data"]) == (said["id"], said["data"])


@pytest.mark.parametrize("status", ["SUCCEED", "PENDING", "canceled", "", None, 1])
def test_a_client_can_set_no_status_but_canceled(airline: HostedAirline, status: object) -> None:
    reserve, here = airline.function("reserve"), href(place(airline), "self")

    assert_refused(reserve.patch(here, json={"status": status}), 422, "status")
    assert body_of(reserve.get(here))["status"] == "PENDING"


def test_what_the_saga_decided_is_read_over_http(airline: HostedAirline) -> None:
    reservation = place(airline)
    paid = event("Paid", reservationId=reservation["reservationId"])

    assert airline.function("confirm-reservation").hear(paid).status_code == 200

    assert body_of(airline.function("reserve").get(href(reservation, "self")))["status"] == "SUCCEED"


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
@pytest.mark.parametrize("identity", ["000000000000", "1", "%F0%9F%9B%AB", "x" * 2000])
def test_an_unknown_reservation_is_not_found(airline: HostedAirline, method: str, identity: str) -> None:
    wish = {"json": {"status": "CANCELED"}} if method == "PATCH" else {}

    assert_refused(airline.function("reserve").open(method, f"/reservations/{identity}", **wish), 404)
