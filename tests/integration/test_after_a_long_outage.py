"""After a long outage the repeats are rare, but the first that helps brings all the others soon."""

import json
from datetime import timedelta
from typing import Any

import pytest

from choreography.wire import CLOUD_EVENT_JSON
from testbed.hosting import HostedAirline
from testbed.recording_broker import RecordingBroker
from testbed.vocabulary import body_of, event, place, tick
from tests.integration.conftest import Clock

WISH = {"customerId": 7, "flightId": 1, "seatQty": 3}
A_TICK = timedelta(minutes=5)


def keep_house(airline: HostedAirline) -> None:
    assert airline.function("reserve-housekeeping").hear(tick()).status_code == 204


def command(airline: HostedAirline, number: int) -> str:
    """The id that is promised to a command; only the broker gets it."""
    said = {"specversion": "1.0", "id": f"order-{number}", "source": "/agency", "type": "ReservationRequested"}
    sent = json.dumps(said | {"data": WISH})
    answer = airline.function("reserve-commands").post("/events", data=sent, headers={"Content-Type": CLOUD_EVENT_JSON})
    return str(body_of(answer)["reservationId"])


def said_at_the_next_tick(
    airline: HostedAirline, broker: RecordingBroker, clock: Clock, type_: str
) -> list[dict[str, Any]]:
    """The events of that type, in their order."""
    broker.accepted.clear()
    clock.passes(A_TICK)
    keep_house(airline)
    return [said for said in broker.accepted if said["type"] == type_]


def about(said: list[dict[str, Any]]) -> set[str]:
    return {str(each["data"]["reservationId"]) for each in said}


@pytest.fixture
def weekend(airline: HostedAirline, held_clock: Clock) -> Any:
    """Lets a weekend pass in which nobody hears the repeats."""

    def passes() -> None:
        for _ in range(60):
            held_clock.passes(timedelta(hours=1, minutes=1))
            keep_house(airline)

    return passes


def settle(airline: HostedAirline, status: str, *reservations: str) -> None:
    report = event("SagasSettled", status=status, reservationIds=list(reservations))
    assert airline.function("settle-reservations").hear(report).status_code == 204


def test_each_tick_tries_one_of_those_that_wait_longest_and_no_more(
    airline: HostedAirline, broker: RecordingBroker, held_clock: Clock, weekend: Any
) -> None:
    owed = {place(airline)["reservationId"] for _ in range(3)}
    weekend()

    tried = [said_at_the_next_tick(airline, broker, held_clock, "ReservationCanceled") for _ in range(3)]

    assert [len(each) for each in tried] == [1, 1, 1]
    assert set().union(*map(about, tried)) == owed


def test_as_soon_as_one_repeated_reservation_is_settled_all_others_are_repeated_at_the_next_tick(
    airline: HostedAirline, broker: RecordingBroker, held_clock: Clock, weekend: Any
) -> None:
    owed = {place(airline)["reservationId"] for _ in range(4)}
    weekend()
    settled = about(said_at_the_next_tick(airline, broker, held_clock, "ReservationCanceled"))

    settle(airline, "CANCELED", *settled)

    assert about(said_at_the_next_tick(airline, broker, held_clock, "ReservationCanceled")) == owed - settled


def test_one_that_is_settled_at_once_says_nothing_of_those_that_wait(
    airline: HostedAirline, broker: RecordingBroker, held_clock: Clock, weekend: Any
) -> None:
    for _ in range(3):
        place(airline)
    weekend()
    fresh = confirmed(airline, held_clock)

    settle(airline, "SUCCEED", fresh)

    assert len(about(said_at_the_next_tick(airline, broker, held_clock, "ReservationCanceled"))) == 1


def test_as_soon_as_one_repeated_command_is_done_all_others_are_repeated_at_the_next_tick(
    airline: HostedAirline, broker: RecordingBroker, held_clock: Clock, weekend: Any
) -> None:
    promised = {command(airline, number) for number in range(4)}
    weekend()
    (tried,) = said_at_the_next_tick(airline, broker, held_clock, "ReservationRequested")

    airline.function("place-reservation").hear(tried)

    waiting = promised - about([tried])
    assert about(said_at_the_next_tick(airline, broker, held_clock, "ReservationRequested")) == waiting


def test_an_accepted_command_shows_as_owed_until_it_is_placed(
    airline: HostedAirline, broker: RecordingBroker, held_clock: Clock
) -> None:
    def owed() -> tuple[int, str | None]:
        shown = body_of(airline.function("reserve").get("/outbox"))
        return shown["commands"], shown["oldestCommand"]

    assert owed() == (0, None)
    command(airline, 1)
    held_clock.passes(A_TICK)
    command(airline, 2)
    assert owed() == (2, "2026-03-01T12:00:00.000Z")
    assert [said["type"] for said in broker.accepted] == ["ReservationRequested"] * 2

    airline.function("place-reservation").hear(broker.accepted[0])
    assert owed() == (1, "2026-03-01T12:05:00.000Z")
    airline.function("place-reservation").hear(broker.accepted[1])
    assert owed() == (0, None)


def test_nothing_is_repeated_that_a_dashboard_which_has_fallen_behind_has_yet_to_hear(
    airline: HostedAirline, broker: RecordingBroker, held_clock: Clock
) -> None:
    placed = due(airline, held_clock, 4, reported=1)

    for _ in range(2):  # the one that it has passed over, and the next ones only when it has passed over them as well
        assert about(said_at_the_next_tick(airline, broker, held_clock, "ReservationConfirmed")) == {placed[0]}
        settle(airline, "SUCCEED", placed[2])


def test_when_the_dashboard_reports_nothing_more_the_rest_is_repeated(
    airline: HostedAirline, broker: RecordingBroker, held_clock: Clock
) -> None:
    placed = due(airline, held_clock, 3, reported=0)
    said_at_the_next_tick(airline, broker, held_clock, "ReservationConfirmed")

    assert about(said_at_the_next_tick(airline, broker, held_clock, "ReservationConfirmed")) == set(placed[1:])


def due(airline: HostedAirline, clock: Clock, how_many: int, *, reported: int) -> list[str]:
    """Reservations that have succeeded and are due to be repeated, but for that one, which the dashboard reports."""
    placed = [confirmed(airline, clock) for _ in range(how_many)]
    clock.passes(2 * A_TICK)
    settle(airline, "SUCCEED", placed[reported])
    return placed


def confirmed(airline: HostedAirline, clock: Clock) -> str:
    """A reservation that has succeeded, a second after the one before it."""
    clock.passes(timedelta(seconds=1))
    identity = str(place(airline)["reservationId"])
    airline.function("confirm-reservation").hear(event("Paid", reservationId=identity))
    return identity
