"""Many flights with one request: each under a key of its own, once, and none hinders another."""

import json
import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest

from choreography.web import LARGEST_BODY
from testbed.hosting import HostedAirline
from testbed.vocabulary import assert_refused, body_of
from tests.integration.conftest import Clock

FLIGHT = {"flightCode": "ACE890", "takeoffDate": "2025-12-25", "cost": "1", "remainingSeatsCount": "5"}


def row(key: str, **other: object) -> dict[str, Any]:
    return {"key": key, **FLIGHT, **other}


def imported(airline: HostedAirline, *rows: object) -> list[dict[str, Any]]:
    answer = airline.function("flight-seats").post("/flights/import", json={"flights": rows})
    assert answer.status_code == 200, answer.text
    answers: list[dict[str, Any]] = body_of(answer)["rows"]
    return answers


def added(airline: HostedAirline) -> list[tuple[Any, ...]]:
    return airline.rows("flight-seats", "SELECT id, flight_code, capacity FROM flights WHERE id < 1001 ORDER BY id")


def test_each_row_is_a_flight_as_if_it_had_been_sent_alone(airline: HostedAirline) -> None:
    alone = airline.function("flight-seats").post("/flights", json=FLIGHT)

    answers = imported(airline, row("a"), row("b", flightCode="ACE891", remainingSeatsCount=7))

    assert [one["key"] for one in answers] == ["a", "b"]
    assert [(one["status"], one["repeated"], one["problem"]) for one in answers] == [(201, False, None)] * 2
    first = body_of(alone)
    here = {"href": "http://localhost/flights/2"}
    assert answers[0]["flight"] == first | {"flightId": 2, "_links": {"self": here, "flight": here}}
    assert added(airline) == [(1, "ACE890", 5), (2, "ACE890", 5), (3, "ACE891", 7)]


def test_rows_that_are_sent_again_in_any_company_add_nothing(airline: HostedAirline) -> None:
    first = imported(airline, row("a"), row("b"))

    again = imported(airline, row("c"), row("b"), row("a"))

    assert [(one["key"], one["repeated"]) for one in again] == [("c", False), ("b", True), ("a", True)]
    assert [one["flight"] for one in again[:0:-1]] == [one["flight"] for one in first]
    assert len(added(airline)) == 3


def test_a_flight_that_was_sent_alone_is_known_to_an_import_and_the_reverse(airline: HostedAirline) -> None:
    flights = airline.function("flight-seats")
    as_clients_write_it = {"data": json.dumps(FLIGHT), "content_type": "application/json"}
    alone = flights.post("/flights", **as_clients_write_it, headers={"Idempotency-Key": "a"})

    answers = imported(airline, row("a"), row("b"))
    again = flights.post("/flights", **as_clients_write_it, headers={"Idempotency-Key": "b"})

    assert (answers[0]["repeated"], answers[0]["flight"]) == (True, body_of(alone))
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
    assert (body_of(again), again.headers["Location"]) == (answers[1]["flight"], "http://localhost/flights/2")
    assert len(added(airline)) == 2


def test_a_bad_row_is_refused_with_the_reason_and_the_others_are_added(airline: HostedAirline) -> None:
    answers = imported(airline, row("a"), row("b", cost="cheap"), {"key": "c"}, row("d", flightCode="x\0"), row("e"))

    assert [one["status"] for one in answers] == [201, 422, 422, 422, 201]
    assert answers[1] == {
        "key": "b",
        "status": 422,
        "repeated": False,
        "flight": None,
        "problem": {
            "type": "about:blank",
            "title": "Unprocessable Entity",
            "status": 422,
            "detail": "cost must be a whole number",
            "errors": [{"field": "cost", "message": "must be a whole number"}],
        },
    }
    assert [number for number, *_ in added(airline)] == [1, 2]


def test_a_row_that_was_refused_can_be_sent_again_once_it_is_mended(airline: HostedAirline) -> None:
    imported(airline, row("a", cost="cheap"))

    assert imported(airline, row("a", cost="1"))[0]["status"] == 201


def test_a_key_that_is_used_for_another_flight_is_refused_and_its_flight_stays(airline: HostedAirline) -> None:
    imported(airline, row("a"))

    answers = imported(airline, row("a", cost="2"), row("b"), row("b"))

    assert [one["status"] for one in answers] == [422, 201, 422]
    assert "another request" in answers[0]["problem"]["detail"]
    assert "An earlier row" in answers[2]["problem"]["detail"]
    assert len(added(airline)) == 2


def test_a_key_that_has_had_its_time_adds_a_flight_again(airline: HostedAirline, held_clock: Clock) -> None:
    airline.settings["IDEMPOTENCY_HOURS"] = "24"
    imported(airline, row("a"))
    held_clock.passes(timedelta(hours=25))

    assert [one["repeated"] for one in imported(airline, row("a"), row("b"))] == [False, False]
    assert len(added(airline)) == 3


def test_a_flight_that_was_removed_is_added_again(airline: HostedAirline) -> None:
    imported(airline, row("a"), row("b"))
    airline.function("flight-seats").delete("/flights/1")

    assert [one["repeated"] for one in imported(airline, row("a"), row("b"))] == [False, True]
    assert [number for number, *_ in added(airline)] == [2, 3]


def test_an_import_leaves_out_the_numbers_that_flights_have(airline: HostedAirline) -> None:
    with closing(sqlite3.connect(airline.database("flight-seats"))) as database, database:
        database.execute("UPDATE flight_numbers SET latest = 999")

    answers = imported(airline, *(row(str(number)) for number in range(4)))

    assert [one["flight"]["flightId"] for one in answers] == [1000, 1006, 1007, 1008]


@pytest.mark.parametrize(
    "flights",
    [None, [], {}, "x", [1], [FLIGHT], [row("")], [row("x" * 256)], [row("좌석")], [row("a\n")], [row("a")] * 501],
)
def test_what_is_no_list_of_rows_with_keys_is_refused_as_a_whole(airline: HostedAirline, flights: object) -> None:
    refused = airline.function("flight-seats").post("/flights/import", json={"flights": flights})

    assert_refused(refused, 422, "flights")
    assert added(airline) == []


def test_an_import_that_is_larger_than_what_is_read_is_refused_as_a_whole(airline: HostedAirline) -> None:
    rows = [row(str(number), flightCode="x" * 200) for number in range(LARGEST_BODY // 200)]
    assert_refused(airline.function("flight-seats").post("/flights/import", json={"flights": rows}), 413)
    assert added(airline) == []
