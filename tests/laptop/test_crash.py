"""A function that crashes: retried, and in the end found in the dead letters with its reason."""

import json
import shutil
import sqlite3
from pathlib import Path

import requests

from testbed.airline_under_test import AirlineUnderTest
from testbed.running_system import ROOT, RunningSystem, eventually, running_system


def impatient_manifests(folder: Path) -> Path:
    """The manifests of the product, but with two quick retries: ten would take seven minutes."""
    shutil.copytree(ROOT / "knative" / "base", folder)
    for file in folder.glob("*.yaml"):
        text = file.read_text("utf-8")
        file.write_text(text.replace("retry: 10", "retry: 2").replace("PT0.2S", "PT0.05S"), "utf-8")
    return folder


def spoil_the_hold(system: RunningSystem, reservation: str) -> None:
    """The stored event of the hold is not JSON any more: a defect that no handler expects."""
    with sqlite3.connect(system.data / "flight-seats.db") as database:
        database.execute("UPDATE holds SET said = '{' WHERE reservation_id = ?", (reservation,))


def test_a_function_that_crashes_is_retried_and_its_event_is_kept_with_the_reason(tmp_path: Path) -> None:
    manifests = impatient_manifests(tmp_path / "base")
    arguments = ("--manifests", str(manifests), "--manifests", str(ROOT / "broker" / "kafka"))
    with running_system(tmp_path / "data", *arguments) as system:
        airline = AirlineUnderTest(system.gateway)
        reservation = airline.place_reservation(airline.add_flight(seats=5), 1)
        airline.outcome(reservation)
        # it hears events in any order: the first that it knows need not be the first of the saga
        [placed] = eventually(
            lambda: [one for one in airline.events(reservation) if one["type"] == "ReservationPlaced"],
            "the dashboard has heard of it",
        )
        spoil_the_hold(system, reservation)

        event = {"specversion": "1.0", "datacontenttype": "application/json"}
        event |= {name: placed[name] for name in ("id", "type", "source", "data")}
        headers = {"Content-Type": "application/cloudevents+json"}
        requests.post(system.broker, data=json.dumps(event), headers=headers, timeout=30).raise_for_status()

        letter = eventually(lambda: airline.dead_letters(reservationId=reservation), "the letter is there")[0]
        assert (letter["code"], letter["reason"]) == (500, "This function failed with JSONDecodeError.")
        triggers = requests.get(system.state["brokerStatus"], timeout=30).json()["triggers"]
        assert triggers["airline/decrease-seats-on-reservation-placed"]["retries"] == 2
        assert airline.reservation(reservation)["status"] == "SUCCEED"
