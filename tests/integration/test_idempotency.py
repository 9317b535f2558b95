"""A command with an Idempotency-Key is carried out once, whatever is sent how often."""

import fcntl
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection
from werkzeug.test import TestResponse

import reservations
from choreography import connections, idempotency, store
from testbed.hosting import HostedAirline, url_of
from testbed.recording_broker import RecordingBroker
from testbed.vocabulary import assert_refused, body_of, href, place, tick
from tests.integration.conftest import Clock

KEY = {"Idempotency-Key": "8e03978e"}
WISH = {"customerId": 1, "flightId": 1, "seatQty": 3, "reserveDate": "2026-03-01"}
FLIGHT = {"flightCode": "ACE890", "takeoffDate": "2025-12-25", "cost": 1, "remainingSeatsCount": 5}


def reserve(airline: HostedAirline, wish: dict[str, Any] | None = None, key: str = "8e03978e") -> TestResponse:
    headers = {"Idempotency-Key": key}
    return airline.function("reserve").post("/reservations", json=wish or WISH, headers=headers)


def claims(airline: HostedAirline, folder: str = "reserve") -> list[tuple[str, int | None]]:
    return airline.rows(folder, "SELECT key, status FROM commands")


def test_the_same_request_gets_the_same_answer_and_one_reservation(airline: HostedAirline) -> None:
    first, again = reserve(airline), reserve(airline)

    assert (again.status_code, again.data) == (201, first.data)
    assert dict(again.headers) == {**first.headers, "Idempotent-Replayed": "true"}
    assert again.headers["Location"] == href(body_of(first), "self")
    assert airline.rows("reserve", "SELECT COUNT(*) FROM reservations") == [(1,)]


def test_the_same_request_is_one_event(airline: HostedAirline, broker: RecordingBroker) -> None:
    reserve(airline)
    reserve(airline)

    assert broker.heard() == ["ReservationPlaced"]
    assert airline.rows("reserve", "SELECT COUNT(*) FROM outbox") == [(0,)]


def test_the_first_answer_is_kept_though_the_reservation_went_on(airline: HostedAirline) -> None:
    first = reserve(airline)
    airline.function("reserve").delete(href(body_of(first), "self"))

    assert body_of(reserve(airline))["status"] == "PENDING"


def test_another_request_under_the_same_key_is_refused(airline: HostedAirline, broker: RecordingBroker) -> None:
    first = reserve(airline)
    before = airline.contents("reserve")

    assert_refused(reserve(airline, WISH | {"seatQty": 4}), 422)
    assert_refused(airline.function("reserve").delete(href(body_of(first), "self"), headers=KEY), 422)
    assert airline.contents("reserve") == before
    assert broker.heard() == ["ReservationPlaced"]


def test_another_key_is_another_reservation(airline: HostedAirline) -> None:
    assert body_of(reserve(airline))["reservationId"] != body_of(reserve(airline, key="another"))["reservationId"]


def test_no_key_is_another_reservation_each_time(airline: HostedAirline) -> None:
    assert place(airline)["reservationId"] != place(airline)["reservationId"]


def test_a_command_whose_process_is_killed_leaves_nothing_and_the_client_gets_through_at_once(
    airline: HostedAirline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    for step in ("_keep", "_check"):  # after the effect, before its commit
        with monkeypatch.context() as dying:
            dying.setattr(idempotency, step, killed)
            with pytest.raises(KeyboardInterrupt):
                reserve(airline)
        assert claims(airline) == airline.rows("reserve", "SELECT * FROM reservations") == []

    assert reserve(airline).status_code == 201
    assert claims(airline) == [(KEY["Idempotency-Key"], 201)]


def test_a_key_that_an_earlier_release_claimed_and_was_killed_with_is_free(airline: HostedAirline) -> None:
    claimed = {"fingerprint": "f", "claim": "of the dead", "claimed_at": datetime.now(UTC)}
    airline.function("reserve")
    store.commit(
        lambda tx: store.insert_if_absent(tx, idempotency.KEYS, key=KEY["Idempotency-Key"], **claimed),
        connections.engine(url_of(airline.database("reserve"))),
    )

    assert reserve(airline).status_code == 201
    assert reserve(airline).headers["Idempotent-Replayed"] == "true"


def test_a_second_request_waits_for_the_first_one_that_is_at_work(
    airline: HostedAirline, monkeypatch: pytest.MonkeyPatch
) -> None:
    placing, at_work, may_end = reservations.place, threading.Event(), threading.Event()

    def slowly(identity: str, wanted: dict[str, Any], transaction: Connection) -> Any:
        at_work.set()
        assert may_end.wait(20)
        return placing(identity, wanted, transaction)

    monkeypatch.setattr(reservations, "place", slowly)
    function = airline.function("reserve")
    with ThreadPoolExecutor(2) as clients:
        first = clients.submit(function.post, "/reservations", json=WISH, headers=KEY)
        assert at_work.wait(20)
        second = clients.submit(function.post, "/reservations", json=WISH, headers=KEY)
        assert not second.done()
        may_end.set()
        answers = [first.result(20), second.result(20)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].data == answers[1].data


def test_a_caller_that_waits_for_too_long_is_asked_to_try_again(
    airline: HostedAirline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "TURN_SECONDS", 0.05)
    other = os.open(f"{airline.database('reserve')}-writer", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(other, fcntl.LOCK_EX)

    assert_refused(reserve(airline), 503)

    os.close(other)
    assert reserve(airline).status_code == 201


@pytest.mark.parametrize("same", ['"8e03978e"', "8e03978e"])
def test_a_key_in_quotes_is_the_same_key(airline: HostedAirline, same: str) -> None:
    assert reserve(airline, key=same).data == reserve(airline).data
    assert claims(airline) == [("8e03978e", 201)]


def test_two_keys_are_not_a_third_one_unless_they_are_quoted_together(airline: HostedAirline) -> None:
    assert_refused(reserve(airline, key="a,b"), 400)
    assert reserve(airline, key='"a,b"').status_code == 201


def test_a_quoted_key_may_have_quotes_of_its_own(airline: HostedAirline) -> None:
    reserve(airline, key=r'"a \"b\" \\c"')

    assert claims(airline) == [(r'a "b" \c', 201)]


def test_a_key_lives_for_its_time_and_not_longer(airline: HostedAirline, held_clock: Clock) -> None:
    airline.settings["IDEMPOTENCY_HOURS"] = "24"
    first = body_of(reserve(airline))

    held_clock.passes(timedelta(hours=24))
    assert body_of(reserve(airline)) == first

    held_clock.passes(timedelta(milliseconds=1))
    assert body_of(reserve(airline, WISH | {"seatQty": 1}))["reservationId"] != first["reservationId"]
    assert body_of(reserve(airline, WISH | {"seatQty": 1}))["seatQty"] == 1


def test_housekeeping_forgets_the_keys_that_have_had_their_time(
    airline: HostedAirline, held_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "PRUNED_AT_ONCE", 2)
    for number in range(5):
        reserve(airline, key=f"old-{number}")
    held_clock.passes(timedelta(hours=49))
    monkeypatch.setattr(idempotency, "PRUNED_BESIDE", 0)
    reserve(airline, key="young")

    assert airline.function("reserve-housekeeping").hear(tick()).status_code == 204
    assert claims(airline) == [("young", 201)]


def test_a_service_without_housekeeping_forgets_old_keys_when_it_gets_new_ones(
    airline: HostedAirline, held_clock: Clock
) -> None:
    flights = airline.function("flight-seats")
    for number in range(3):
        flights.post("/flights", json=FLIGHT, headers={"Idempotency-Key": f"old-{number}"})
    held_clock.passes(timedelta(hours=49))

    flights.post("/flights", json=FLIGHT, headers=KEY)

    assert claims(airline, "flight-seats") == [(KEY["Idempotency-Key"], 201)]


def test_a_flight_that_is_removed_is_added_again_by_its_key(airline: HostedAirline) -> None:
    flights = airline.function("flight-seats")
    here = href(body_of(flights.post("/flights", json=FLIGHT, headers=KEY)), "self")
    change = {"Idempotency-Key": "change"}
    assert flights.patch(here, json={"cost": 2}, headers=change).status_code == 200
    assert flights.delete(here, headers={"Idempotency-Key": "removal"}).status_code == 204

    again = flights.post("/flights", json=FLIGHT, headers=KEY)

    assert (again.status_code, "Idempotent-Replayed" in again.headers) == (201, False)
    assert flights.get(href(body_of(again), "self")).status_code == 200
    assert_refused(flights.patch(here, json={"cost": 2}, headers=change), 404)
    assert flights.delete(here, headers={"Idempotency-Key": "removal"}).status_code == 204


def test_an_answer_that_could_not_be_sent_leaves_no_reservation(
    airline: HostedAirline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("choreography.hal.base_url", lambda _: "http://a..b c")

    assert_refused(reserve(airline), 400)

    assert airline.rows("reserve", "SELECT * FROM reservations") == claims(airline) == []


def test_a_refused_command_leaves_no_claim(airline: HostedAirline) -> None:
    assert_refused(reserve(airline, WISH | {"seatQty": 0}), 422, "seatQty")
    assert_refused(airline.function("reserve").delete("/reservations/000000000000", headers=KEY), 404)

    assert claims(airline) == []
    assert reserve(airline).status_code == 201


def test_a_command_that_failed_leaves_no_claim(airline: HostedAirline, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a defect")

    with monkeypatch.context() as defect:
        defect.setattr(reservations, "place", broken)
        assert_refused(reserve(airline), 500)

    assert claims(airline) == []
    assert reserve(airline).status_code == 201


def test_a_broker_that_is_away_does_not_make_the_command_fail(airline_without_broker: HostedAirline) -> None:
    first, again = reserve(airline_without_broker), reserve(airline_without_broker)

    assert (first.status_code, again.data) == (201, first.data)
    assert airline_without_broker.rows("reserve", "SELECT COUNT(*) FROM outbox") == [(1,)]


def test_canceling_with_a_key_answers_the_same_again(airline: HostedAirline, broker: RecordingBroker) -> None:
    reserve, here = airline.function("reserve"), href(place(airline), "self")

    answers = [reserve.patch(here, json={"status": "CANCELED"}, headers=KEY) for _ in range(2)]
    deletions = [reserve.delete(here, headers={"Idempotency-Key": "another"}) for _ in range(2)]

    assert answers[0].data == answers[1].data
    assert [(answer.status_code, answer.data) for answer in deletions] == [(204, b"")] * 2
    for answered in (answers, deletions):  # a repeat without a key would be answered the same
        assert ["Idempotent-Replayed" in answer.headers for answer in answered] == [False, True]
    assert set(broker.heard()) == {"ReservationPlaced", "ReservationCanceled"}


def test_adding_a_flight_with_a_key_adds_one(airline: HostedAirline) -> None:
    flights = airline.function("flight-seats")

    first, again = (flights.post("/flights", json=FLIGHT, headers=KEY) for _ in range(2))

    assert (again.data, again.headers["Location"]) == (first.data, first.headers["Location"])
    assert airline.rows("flight-seats", "SELECT COUNT(*) FROM flights WHERE flight_code = 'ACE890'") == [(1,)]


def test_removing_a_flight_with_a_key_answers_the_same_again(airline: HostedAirline) -> None:
    flights = airline.function("flight-seats")

    assert [flights.delete("/flights/1005", headers=KEY).status_code for _ in range(2)] == [204, 204]
    assert_refused(flights.delete("/flights/1005"), 404)


@pytest.mark.parametrize("key", ["", "x" * 256, "é", "tab\there", '""', '"open', '"a"b"', '"' + "x" * 256 + '"'])
def test_a_key_must_be_short_and_printable(airline: HostedAirline, key: str) -> None:
    before = airline.contents("reserve")

    assert_refused(reserve(airline, key=key), 422, "Idempotency-Key")
    assert airline.contents("reserve") == before


@pytest.mark.parametrize("public", ["", "https://airline.example/api"])
def test_a_flight_that_was_removed_is_added_again_under_its_key_wherever_links_begin(
    airline: HostedAirline, public: str
) -> None:
    airline.settings["PUBLIC_URL"] = public
    function = airline.function("flight-seats")
    first = function.post("/flights", json=FLIGHT, headers=KEY)
    function.delete(f"/flights/{body_of(first)['flightId']}")

    again = function.post("/flights", json=FLIGHT, headers=KEY)

    assert "Idempotent-Replayed" not in again.headers
    assert function.get(f"/flights/{body_of(again)['flightId']}").status_code == 200
