"""A command with an Idempotency-Key is carried out once, whatever is sent how often."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection
from werkzeug.test import TestResponse

import reservations
from airline import commands
from tests.integration.conftest import Clock
from tests.integration.hosting import Airline
from tests.integration.recording_broker import RecordingBroker
from tests.integration.vocabulary import assert_refused, body_of, href, place

KEY = {"Idempotency-Key": "8e03978e"}
WISH = {"customerId": 1, "flightId": 1, "seatQty": 3, "reserveDate": "2026-03-01"}
FLIGHT = {"flightCode": "ACE890", "takeoffDate": "2025-12-25", "cost": 1, "remainingSeatsCount": 5}


def reserve(airline: Airline, wish: dict[str, Any] | None = None, key: str = "8e03978e") -> TestResponse:
    headers = {"Idempotency-Key": key}
    return airline.function("reserve").post("/reservations", json=wish or WISH, headers=headers)


def claims(airline: Airline, folder: str = "reserve") -> list[tuple[str, int | None]]:
    return airline.rows(folder, "SELECT key, status FROM commands")


def the_first_request_is_still_in_flight(airline: Airline, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claims the key and dies before the effect, as a killed process does: its claim stays."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(commands, "_keep", killed)
        dying.setattr(commands, "_mine", lambda statement, *_: statement.where(commands.COMMANDS.c.key.is_(None)))
        with pytest.raises(KeyboardInterrupt):
            reserve(airline)
    assert claims(airline) == [(KEY["Idempotency-Key"], None)]


def test_the_same_request_gets_the_same_answer_and_one_reservation(airline: Airline) -> None:
    first, again = reserve(airline), reserve(airline)

    assert (again.status_code, again.data) == (201, first.data)
    assert dict(again.headers) == dict(first.headers)
    assert again.headers["Location"] == href(body_of(first), "self")
    assert airline.rows("reserve", "SELECT COUNT(*) FROM reservations") == [(1,)]


def test_the_same_request_is_one_event(airline: Airline, broker: RecordingBroker) -> None:
    reserve(airline)
    reserve(airline)

    assert broker.heard() == ["ReservationPlaced"]
    assert airline.rows("reserve", "SELECT COUNT(*) FROM outbox") == [(0,)]


def test_the_first_answer_is_kept_though_the_reservation_went_on(airline: Airline) -> None:
    first = reserve(airline)
    airline.function("reserve").delete(href(body_of(first), "self"))

    assert body_of(reserve(airline))["status"] == "PENDING"


def test_another_request_under_the_same_key_is_refused(airline: Airline, broker: RecordingBroker) -> None:
    first = reserve(airline)
    before = airline.contents("reserve")

    assert_refused(reserve(airline, WISH | {"seatQty": 4}), 422)
    assert_refused(airline.function("reserve").delete(href(body_of(first), "self"), headers=KEY), 422)
    assert airline.contents("reserve") == before
    assert broker.heard() == ["ReservationPlaced"]


def test_another_key_is_another_reservation(airline: Airline) -> None:
    assert body_of(reserve(airline))["reservationId"] != body_of(reserve(airline, key="another"))["reservationId"]


def test_no_key_is_another_reservation_each_time(airline: Airline) -> None:
    assert place(airline)["reservationId"] != place(airline)["reservationId"]


def test_while_the_first_is_in_flight_the_second_is_told_so(
    airline: Airline, held_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    the_first_request_is_still_in_flight(airline, monkeypatch)
    held_clock.passes(commands.LEASE - timedelta(milliseconds=1))
    before = airline.contents("reserve")

    assert_refused(reserve(airline), 409)
    assert_refused(reserve(airline, WISH | {"seatQty": 4}), 422)
    assert airline.contents("reserve") == before


def test_the_claim_of_a_crashed_command_is_free_after_its_lease(
    airline: Airline, held_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    the_first_request_is_still_in_flight(airline, monkeypatch)
    held_clock.passes(commands.LEASE)

    assert reserve(airline).status_code == 201
    assert claims(airline) == [(KEY["Idempotency-Key"], 201)]


def test_a_command_that_another_has_taken_over_leaves_nothing_behind(
    airline: Airline, monkeypatch: pytest.MonkeyPatch
) -> None:
    placing = reservations.place

    def slowly(identity: str, wanted: dict[str, Any], transaction: Connection) -> Any:
        transaction.execute(commands.COMMANDS.update().values(claim="somebody else's"))
        return placing(identity, wanted, transaction)

    monkeypatch.setattr(reservations, "place", slowly)

    assert_refused(reserve(airline), 409)
    assert airline.rows("reserve", "SELECT * FROM reservations") == []
    assert airline.rows("reserve", "SELECT * FROM outbox") == []


def test_a_refused_command_leaves_no_claim(airline: Airline) -> None:
    assert_refused(reserve(airline, WISH | {"seatQty": 0}), 422, "seatQty")
    assert_refused(airline.function("reserve").delete("/reservations/000000000000", headers=KEY), 404)

    assert claims(airline) == []
    assert reserve(airline).status_code == 201


def test_a_command_that_failed_leaves_no_claim(airline: Airline, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a defect")

    with monkeypatch.context() as defect:
        defect.setattr(reservations, "place", broken)
        assert_refused(reserve(airline), 500)

    assert claims(airline) == []
    assert reserve(airline).status_code == 201


def test_a_broker_that_is_away_does_not_make_the_command_fail(airline_without_broker: Airline) -> None:
    first, again = reserve(airline_without_broker), reserve(airline_without_broker)

    assert (first.status_code, again.data) == (201, first.data)
    assert airline_without_broker.rows("reserve", "SELECT COUNT(*) FROM outbox") == [(1,)]


def test_canceling_with_a_key_answers_the_same_again(airline: Airline, broker: RecordingBroker) -> None:
    reserve, here = airline.function("reserve"), href(place(airline), "self")

    answers = [reserve.patch(here, json={"status": "CANCELED"}, headers=KEY) for _ in range(2)]
    deletions = [reserve.delete(here, headers={"Idempotency-Key": "another"}) for _ in range(2)]

    assert answers[0].data == answers[1].data
    assert [(answer.status_code, answer.data) for answer in deletions] == [(204, b"")] * 2
    assert set(broker.heard()) == {"ReservationPlaced", "ReservationCanceled"}


def test_adding_a_flight_with_a_key_adds_one(airline: Airline) -> None:
    flights = airline.function("flight-seats")

    first, again = (flights.post("/flights", json=FLIGHT, headers=KEY) for _ in range(2))

    assert (again.data, again.headers["Location"]) == (first.data, first.headers["Location"])
    assert airline.rows("flight-seats", "SELECT COUNT(*) FROM flights WHERE flight_code = 'ACE890'") == [(1,)]


def test_removing_a_flight_with_a_key_answers_the_same_again(airline: Airline) -> None:
    flights = airline.function("flight-seats")

    assert [flights.delete("/flights/1005", headers=KEY).status_code for _ in range(2)] == [204, 204]
    assert_refused(flights.delete("/flights/1005"), 404)


@pytest.mark.parametrize("key", ["", "x" * 256, "é", "tab\there"])
def test_a_key_must_be_short_and_printable(airline: Airline, key: str) -> None:
    before = airline.contents("reserve")

    assert_refused(reserve(airline, key=key), 422, "Idempotency-Key")
    assert airline.contents("reserve") == before


def test_the_id_made_from_a_key_cannot_be_had_by_a_command_from_outside(airline: Airline) -> None:
    mine = body_of(reserve(airline))["reservationId"]
    command: dict[str, object] = {"specversion": "1.0", "id": KEY["Idempotency-Key"], "source": "Idempotency-Key"}
    command |= {"type": "ReservationRequested", "data": WISH}

    theirs = airline.function("reserve-commands").post("/events", json=command)

    assert theirs.status_code == 202
    assert body_of(theirs)["reservationId"] != mine
