"""Whoever begins a saga wakes the functions it will need: once in a while, by an event that asks for nothing else."""

import threading
from pathlib import Path
from typing import Any

import pytest

from airline import saga
from airline.events import SagaExpected
from choreography import ahead, outbox
from testbed.hosting import HostedAirline
from testbed.recording_broker import RecordingBroker
from testbed.running_system import eventually
from testbed.vocabulary import CLOUD_EVENT, event, place, tick

WISH = {"customerId": 7, "flightId": 1001, "seatQty": 3}
WOKEN = saga.heard_by(SagaExpected)


@pytest.fixture
def waking(airline: HostedAirline) -> HostedAirline:
    """The airline with the setting of its manifests."""
    airline.settings["WAKE_AHEAD"] = "15"
    return airline


def command(type_: str, **data: object) -> dict[str, Any]:
    return {"specversion": "1.0", "id": f"{type_}-1", "source": "/agency/7", "type": type_, "data": data}


def expected(broker: RecordingBroker) -> list[dict[str, Any]]:
    """What was said ahead until now, as soon as those who say it have ended."""
    eventually(lambda: "ahead" not in {thread.name for thread in threading.enumerate()}, "it is said")
    return [said for said in broker.accepted if said["type"] == "SagaExpected"]


@pytest.mark.parametrize("service", [*WOKEN, "project-dashboard", "dead-letters"])
def test_who_is_woken_answers_with_nothing_and_needs_no_database(
    airline: HostedAirline, broker: RecordingBroker, service: str, tmp_path: Path
) -> None:
    airline.settings["DATABASE_URL"] = f"sqlite:///{tmp_path}/away/nothing.db"
    function = airline.function(service)

    answer = function.hear(event("SagaExpected", source="/airline/reserve"))

    assert (answer.status_code, answer.get_data()) == (204, b"")
    assert broker.accepted == []


def test_a_stranger_wakes_nobody_by_the_same_word(airline: HostedAirline) -> None:
    answer = airline.function("decrease-seats").hear(event("SagaExpected", source="/agency/7"))

    assert answer.status_code == 422


def test_a_policy_that_begins_sagas_says_so_when_it_starts(waking: HostedAirline, broker: RecordingBroker) -> None:
    waking.function("place-reservation")

    (said,) = expected(broker)
    assert said["source"] == "/airline/place-reservation"
    assert said["data"]["expectedBy"] == "place-reservation"
    assert "correlationid" not in said


@pytest.mark.parametrize(
    ("service", "looks", "begins"),
    [
        ("reserve", ["/healthz", "/reservations", "/reservations/NOBODY", "/outbox", "/openapi.json"], "/reservations"),
        ("reserve-commands", ["/healthz", "/openapi.json"], "/events"),
    ],
)
def test_who_only_looks_wakes_nobody_else_and_who_reserves_wakes_the_whole_road(
    waking: HostedAirline, broker: RecordingBroker, service: str, looks: list[str], begins: str
) -> None:
    function = waking.function(service)
    for path in looks:
        function.get(path)
    function.post(begins, json={"customerId": "nobody"})
    assert expected(broker) == []

    wish = command("ReservationRequested", **WISH) if begins == "/events" else WISH
    answer = function.post(begins, json=wish, headers=CLOUD_EVENT if begins == "/events" else {})

    assert answer.status_code in (201, 202)
    (said,) = expected(broker)
    assert said["data"]["expectedBy"] == service


@pytest.mark.parametrize(
    "service", ["reserve-housekeeping", "confirm-reservation", "cancel-reservation", "flight-seats"]
)
def test_nobody_is_woken_by_the_start_of_another_function(
    waking: HostedAirline, broker: RecordingBroker, service: str
) -> None:
    function = waking.function(service)
    if service == "reserve-housekeeping":
        assert function.hear(tick()).status_code == 204

    assert expected(broker) == []


def test_many_reservations_wake_once_and_again_after_a_while(
    waking: HostedAirline, broker: RecordingBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        place(waking)
    assert len(expected(broker)) == 1

    monkeypatch.setattr(ahead._process, "said_at", ahead._process.said_at - 15)  # type: ignore[operator]
    place(waking)
    assert len(expected(broker)) == 2


def test_a_command_wakes_and_a_cancellation_does_not(waking: HostedAirline, broker: RecordingBroker) -> None:
    function = waking.function("reserve-commands")
    expected(broker)

    for type_, data, wakings in (
        ("CancellationRequested", {"reservationId": place(waking)["reservationId"]}, 0),
        ("ReservationRequested", WISH, 1),
    ):
        expected(broker)
        broker.accepted.clear()
        ahead._process.said_at = None
        assert function.post("/events", json=command(type_, **data), headers=CLOUD_EVENT).status_code == 202
        assert len(expected(broker)) == wakings, type_


def test_an_event_straight_from_the_broker_wakes_as_well(waking: HostedAirline, broker: RecordingBroker) -> None:
    function = waking.function("place-reservation")
    expected(broker)
    ahead._process.said_at = None

    assert function.hear(command("ReservationRequested", **WISH)).status_code == 204

    assert len(expected(broker)) == 2


@pytest.mark.parametrize("pause", [None, "0"])
def test_nobody_is_woken_ahead_where_it_is_turned_off(
    airline: HostedAirline, broker: RecordingBroker, pause: str | None
) -> None:
    if pause:
        airline.settings["WAKE_AHEAD"] = pause
    place(airline)

    assert expected(broker) == []
    assert [said["type"] for said in broker.accepted] == ["ReservationPlaced"]


def test_a_reservation_is_answered_while_the_broker_is_away_without_waking_anybody(
    airline_without_broker: HostedAirline, monkeypatch: pytest.MonkeyPatch
) -> None:
    airline_without_broker.settings["WAKE_AHEAD"] = "15"
    for _ in range(2):
        place(airline_without_broker)
    assert outbox.is_away()
    tried: list[object] = []
    monkeypatch.setattr(ahead, "_post", lambda *sent: tried.append(sent))
    ahead._process.said_at = None

    place(airline_without_broker)

    assert tried == []


def test_a_broker_that_refuses_to_wake_is_named_in_the_log(
    waking: HostedAirline, broker: RecordingBroker, capsys: pytest.CaptureFixture[str]
) -> None:
    broker.refuses_all = 503
    waking.function("place-reservation")

    assert expected(broker) == []
    assert "nobody was woken ahead" in capsys.readouterr().out


def test_a_reservation_is_placed_though_no_thread_is_to_be_had(
    waking: HostedAirline, monkeypatch: pytest.MonkeyPatch
) -> None:
    waking.function("reserve")
    ahead._process.said_at = None

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)

    place(waking)
