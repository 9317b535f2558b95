"""Data that somebody deletes under the running airline: it says so, and takes nothing that would be lost."""

from pathlib import Path

import psutil

from testbed.airline_under_test import AirlineUnderTest
from testbed.running_system import eventually, running_system

FLIGHT = 1001


def test_what_was_deleted_is_reported_and_nothing_is_taken_that_would_be_lost(tmp_path: Path) -> None:
    data, shelf = tmp_path / "data", tmp_path / "shelf"
    with running_system(data) as system:
        airline = AirlineUnderTest(system.gateway)
        first = airline.place_reservation(FLIGHT, 1)
        assert airline.outcome(first)["status"] == "SUCCEED"

        (data / "reserve.db").rename(shelf)
        wish = {"customerId": 2, "flightId": FLIGHT, "seatQty": 1}
        refused = airline.ask("POST", "/reservations", json=wish)
        assert (refused.status_code, refused.headers["Content-Type"]) == (503, "application/problem+json")
        assert "its file was deleted" in refused.json()["detail"]
        eventually(lambda: f"{data / 'reserve.db'} was deleted: what" in system.said(), "the terminal says so")
        assert not (data / "reserve.db").exists()

        shelf.rename(data / "reserve.db")
        eventually(lambda: f"{data / 'reserve.db'} is back" in system.said(), "it is seen")
        assert airline.reservation(first)["status"] == "SUCCEED"

        # the broker's: what is accepted waits in the outbox, until the file is back
        (data / "broker.db").rename(shelf)
        waiting = airline.place_reservation(FLIGHT, 1)
        shelf.rename(data / "broker.db")
        assert airline.outcome(waiting)["status"] == "SUCCEED"

        processes = psutil.Process(system.process.pid).children(recursive=True)
        data.rename(tmp_path / "moved")
        assert system.process.wait(20) == 1
        assert "was deleted or moved while the system ran" in (tmp_path / "moved" / "terminal.txt").read_text("utf-8")
        psutil.wait_procs(processes, timeout=10)
        assert [process for process in processes if process.is_running()] == []
