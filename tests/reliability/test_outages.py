"""What the whole system does while one of its parts is away, and that everything ends once it is back."""

import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import requests

from testbed.airline_under_test import AirlineUnderTest
from testbed.outages import out_of_reach
from testbed.running_system import ROOT, eventually
from tests.reliability.restartable_laptop import RestartableLaptop, hurried_manifests

SAMPLE_FLIGHT = 1001  # 180 seats
AWAY = "The database is out of reach, or too busy or full; try again."
Start = Callable[..., tuple[RestartableLaptop, AirlineUnderTest]]


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Start]:
    """Starts the system with housekeeping every other second."""
    laptops: list[RestartableLaptop] = []

    def start(*arguments: str) -> tuple[RestartableLaptop, AirlineUnderTest]:
        base = hurried_manifests(tmp_path / "manifests", "*/2 * * * * *", {})
        manifests = ("--manifests", str(base), "--manifests", str(ROOT / "broker" / "kafka"))
        laptops.append(RestartableLaptop(tmp_path, (*manifests, *arguments)))
        laptops[0].start()
        return laptops[0], AirlineUnderTest(laptops[0].system.gateway)

    yield start
    for laptop in laptops:
        laptop.end()


@contextmanager
def stopped(laptop: RestartableLaptop, name: str) -> Iterator[None]:
    """The process neither works nor ends; the laptop sees nothing to start again."""
    pid = laptop.pid(name)
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def read_only(laptop: RestartableLaptop, database: str) -> Iterator[None]:
    """A transaction that does not end: other writers wait."""
    with closing(sqlite3.connect(laptop.data / f"{database}.db", timeout=60, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def unsent(laptop: RestartableLaptop) -> int:
    return int(laptop.query("reserve", "SELECT count(*) FROM outbox")[0][0])


def test_reservations_are_taken_while_the_broker_is_away_and_housekeeping_sends_what_waited(started: Start) -> None:
    laptop, airline = started()
    with stopped(laptop, "broker"), ThreadPoolExecutor(3) as pool:
        placed = list(pool.map(lambda _: airline.place_reservation(SAMPLE_FLIGHT, 1), range(3)))
        assert unsent(laptop) == 3
        assert {airline.reservation(identity)["status"] for identity in placed} == {"PENDING"}
    assert {airline.outcome(identity)["status"] for identity in placed} == {"SUCCEED"}
    eventually(lambda: unsent(laptop) == 0, "the outbox is empty")
    assert airline.get(f"/flights/{SAMPLE_FLIGHT}")["remainingSeatsCount"] == 177


def test_a_database_that_is_away_is_answered_with_503_and_its_events_are_delivered_once_it_is_back(
    started: Start,
) -> None:
    laptop, airline = started()
    with out_of_reach(laptop.data / "flight-seats.db"):
        placed = airline.place_reservation(SAMPLE_FLIGHT, 3)
        refused = requests.get(f"{airline.gateway}/flights", timeout=60)
        assert (refused.status_code, refused.json()["detail"]) == (503, AWAY)
        eventually(lambda: "refused" in (laptop.data / "logs" / "decrease-seats.log").read_text(), "it was tried", 30)
        assert airline.reservation(placed)["status"] == "PENDING"
    assert airline.outcome(placed, within=60)["status"] == "SUCCEED"
    assert airline.get(f"/flights/{SAMPLE_FLIGHT}")["remainingSeatsCount"] == 177
    assert airline.dead_letters() == []


def test_a_broker_without_room_refuses_and_nothing_is_lost_that_was_acknowledged(started: Start) -> None:
    laptop, airline = started("--broker-bytes", "400000")
    flight = airline.add_flight(seats=2000)
    placed, asked = [], []
    with read_only(laptop, "dashboard-projector"):  # hears every event: none of them can be forgotten
        for _ in range(300):
            placed.append(airline.place_reservation(flight, 1))
            answer = airline.say("ReservationRequested", {"customerId": 2, "flightId": flight, "seatQty": 1})
            assert answer.status_code == 202, answer.text
            asked.append(answer.json()["reservationId"])
            if unsent(laptop) > 2:
                break
        # deliveries that end make a little room again
        assert unsent(laptop) > 0, "the outbox keeps what the broker does not take"
    for identity in placed + asked:
        assert airline.outcome(identity, within=90)["status"] == "SUCCEED"
    eventually(lambda: unsent(laptop) == 0, "the outbox is empty")
    assert airline.get(f"/flights/{flight}")["remainingSeatsCount"] == 2000 - len(placed + asked)
    eventually(lambda: airline.customer(2)["confirmedCount"] == len(asked), "the dashboard has heard of all", 60)
