"""From everything asleep: the functions that a reservation needs start while the first of them is still starting."""

from collections.abc import Iterator
from datetime import datetime

import pytest

from airline import saga
from testbed.airline_under_test import AirlineUnderTest
from testbed.running_system import RunningSystem, eventually, running_system

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
