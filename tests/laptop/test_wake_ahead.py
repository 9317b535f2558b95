"""From everything asleep: the functions that a reservation needs start while the first of them is still starting."""

import re
from collections.abc import Iterator
from datetime import datetime

import pytest
import requests

from airline import saga
from testbed.airline_under_test import AirlineUnderTest
from testbed.running_system import RunningSystem, between_ticks, eventually, running_system

NEEDED = saga.needed_after("reserve")


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    with running_system(tmp_path_factory.mktemp("ahead"), "--window", "4s") as running:
        yield running


def wakings(system: RunningSystem) -> dict[str, list[datetime]]:
    """By function, when it was started, as the runtime has written it down."""
    services = system.state["services"]
    return {
        name: [datetime.fromisoformat(one["at"]) for one in service["wakings"]] for name, service in services.items()
    }


@pytest.mark.timeout(200)
def test_one_reservation_wakes_everybody_it_needs_before_the_seats_are_held(system: RunningSystem) -> None:
    airline = AirlineUnderTest(system.gateway, patience=100)
    flight = airline.add_flight(seats=5)
    for name in system.state["services"]:
        system.await_state(name, "asleep", within=60)
    before = wakings(system)

    reservation = airline.place_reservation(flight, 1)

    assert airline.outcome(reservation)["status"] == "SUCCEED"
    eventually(lambda: len(airline.events(reservation)) == len(saga.SUCCESS), "the dashboard has heard of it", 100)
    held = next(one for one in airline.events(reservation) if one["type"] == "RemainingSeatsDecreased")
    after = wakings(system)
    first = {name: after[name][len(before[name])] for name in NEEDED}
    assert max(first.values()) < datetime.fromisoformat(held["time"])
    assert {one["type"] for one in airline.events(reservation)} == {word.__name__ for word in saga.SUCCESS}
    assert airline.dead_letters() == []


@pytest.mark.timeout(200)
def test_the_terminal_says_in_a_line_each_when_a_function_wakes_and_sleeps_below_where_to_click(
    system: RunningSystem,
) -> None:
    requests.get(f"{system.gateway}/customerInfos", timeout=60).raise_for_status()
    system.await_state("dashboard", "awake")
    system.await_state("dashboard", "asleep", within=60)

    said = [line.strip() for line in system.said().splitlines()]
    (click,) = (number for number, line in enumerate(said) if line.startswith("Click:"))
    assert said[click].split() == ["Click:", system.gateway]
    assert not [line for line in said[click:] if line.startswith(("Type:", "See:", "Stop:"))]
    lines = [line for line in said[click:] if line.startswith("dashboard ")]
    woke = [line for line in lines if re.fullmatch(r"dashboard +woke in \d+\.\d\d s", line)]
    assert len(woke) == system.service("dashboard")["starts"]
    assert re.fullmatch("dashboard +asleep again", lines[-1])


def test_looking_at_a_reservation_wakes_nobody_but_who_is_asked(system: RunningSystem) -> None:
    def woken_by_it() -> set[str]:
        for name in system.state["services"]:
            system.await_state(name, "asleep", within=60)
        before = wakings(system)
        requests.get(f"{system.gateway}/reservations/NOBODY", timeout=60)
        system.await_state("reserve", "awake")
        system.await_state("reserve", "asleep", within=60)
        return {name for name, moments in wakings(system).items() if len(moments) > len(before[name])}

    assert between_ticks(system, woken_by_it) == {"reserve"}
