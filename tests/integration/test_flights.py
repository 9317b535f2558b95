"""The resource flights over HTTP."""

import pytest

from testbed.hosting import HostedAirline
from testbed.vocabulary import assert_refused, body_of, event, href

ACE890 = {"remainingSeatsCount": "5", "flightCode": "ACE890", "takeoffDate": "2025-12-25", "cost": "200000"}


def test_the_first_flight_has_number_one_and_its_numbers_are_numbers(airline: HostedAirline) -> None:
    answer = airline.function("flight-seats").post("/flights", json=ACE890)

    assert (answer.status_code, answer.content_type) == (201, "application/hal+json")
    assert answer.headers["Location"] == "http://localhost/flights/1"
    assert body_of(answer) == {
        "flightId": 1,
        "flightCode": "ACE890",
        "takeoffDate": "2025-12-25",
        "cost": 200000,
        "remainingSeatsCount": 5,
        "capacity": 5,
        "_links": {"self": {"href": "http://localhost/flights/1"}, "flight": {"href": "http://localhost/flights/1"}},
    }


def test_flights_are_numbered_one_by_one_past_the_samples(airline: HostedAirline) -> None:
    flights = airline.function("flight-seats")

    numbers = [body_of(flights.post("/flights", json=ACE890))["flightId"] for _ in range(3)]

    assert numbers == [1, 2, 3]
    assert body_of(flights.get("/flights/1001"))["flightCode"] == "KE081"


def test_flights_are_listed_by_page_size_and_sort(airline: HostedAirline) -> None:
    page = body_of(airline.function("flight-seats").get("/flights?page=0&size=2&sort=cost"))

    assert [flight["flightId"] for flight in page["_embedded"]["flights"]] == [1003, 1004]
    assert page["page"] == {"size": 2, "totalElements": 5, "totalPages": 3, "number": 0}
    assert href(page, "last") == "http://localhost/flights?page=2&size=2&sort=cost"


def test_flights_with_room_for_a_party_are_found(airline: HostedAirline) -> None:
    page = body_of(airline.function("flight-seats").get("/flights?minSeats=40&sort=takeoffDate,desc"))

    assert [flight["flightId"] for flight in page["_embedded"]["flights"]] == [1003, 1002, 1001]


@pytest.mark.parametrize(
    ("search", "found"),
    [("flightCode=KE081", [1001]), ("takeoffDate=2027-06-01", [1001]), ("flightCode=KE081&takeoffDate=2027-06-02", [])],
)
def test_flights_are_found_by_their_code_and_by_the_day_of_their_takeoff(
    airline: HostedAirline, search: str, found: list[int]
) -> None:
    page = body_of(airline.function("flight-seats").get(f"/flights?{search}"))

    assert [flight["flightId"] for flight in page["_embedded"]["flights"]] == found


def test_changing_one_value_keeps_the_others(airline: HostedAirline) -> None:
    flights = airline.function("flight-seats")
    before = body_of(flights.get("/flights/1001"))

    answer = flights.patch("/flights/1001", json={"cost": "1"})

    assert answer.status_code == 200
    assert body_of(answer) == before | {"cost": 1}


def test_setting_the_remaining_seats_changes_the_capacity_by_as_much(airline: HostedAirline) -> None:
    airline.function("decrease-seats").hear(event("ReservationPlaced", seatQty=3))
    flights = airline.function("flight-seats")

    changed = body_of(flights.patch("/flights/1001", json={"remainingSeatsCount": 10}))

    assert (changed["capacity"], changed["remainingSeatsCount"]) == (13, 10)
    airline.function("restore-seats").hear(event("ReservationCanceled"))
    assert body_of(flights.get("/flights/1001"))["remainingSeatsCount"] == 13


def test_a_flight_without_bookings_can_be_removed(airline: HostedAirline) -> None:
    flights = airline.function("flight-seats")

    assert (answer := flights.delete("/flights/1005")).status_code == 204
    assert answer.data == b""
    assert_refused(flights.get("/flights/1005"), 404)


def test_a_flight_with_seats_held_cannot_be_removed_until_they_are_given_back(airline: HostedAirline) -> None:
    flights = airline.function("flight-seats")
    airline.function("decrease-seats").hear(event("ReservationPlaced"))

    assert_refused(flights.delete("/flights/1001"), 409)
    assert flights.get("/flights/1001").status_code == 200

    airline.function("restore-seats").hear(event("ReservationCanceled"))
    assert flights.delete("/flights/1001").status_code == 204


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
@pytest.mark.parametrize("number", ["9", "0", "-1", "one", "2147483648", "9" * 30])
def test_an_unknown_flight_is_not_found(airline: HostedAirline, method: str, number: str) -> None:
    wish = {"json": {"cost": 1}} if method == "PATCH" else {}

    assert_refused(airline.function("flight-seats").open(method, f"/flights/{number}", **wish), 404)


def test_holds_show_what_each_reservation_has(airline: HostedAirline) -> None:
    decrease, restore = airline.function("decrease-seats"), airline.function("restore-seats")
    for identity, seats in [("000000000001", 2), ("000000000002", 3), ("000000000003", 900)]:
        decrease.hear(event("ReservationPlaced", reservationId=identity, seatQty=seats))
    for identity in ("000000000002", "000000000004"):
        restore.hear(event("ReservationCanceled", reservationId=identity))

    page = body_of(airline.function("flight-seats").get("/holds?sort=id", headers={"X-Forwarded-Host": "air.example"}))

    assert [(hold["reservationId"], hold["status"], hold["amount"]) for hold in page["_embedded"]["holds"]] == [
        ("000000000001", "HELD", 1_960_000),
        ("000000000002", "RELEASED", 2_940_000),
        ("000000000003", "REFUSED", None),
        ("000000000004", "CANCELED", None),
    ]
    assert href(page["_embedded"]["holds"][0], "reservation") == "http://air.example/reservations/000000000001"


@pytest.mark.parametrize(
    ("query", "found"), [("status=HELD", 2), ("flightId=1002", 1), ("status=HELD&flightId=1001", 1), ("flightId=9", 0)]
)
def test_holds_are_found_by_status_and_flight(airline: HostedAirline, query: str, found: int) -> None:
    decrease = airline.function("decrease-seats")
    for identity, flight, seats in [("1", 1001, 1), ("2", 1002, 1), ("3", 1001, 900)]:
        decrease.hear(event("ReservationPlaced", reservationId=identity, flightId=flight, seatQty=seats))

    assert body_of(airline.function("flight-seats").get(f"/holds?{query}"))["page"]["totalElements"] == found
