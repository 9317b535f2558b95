"""The command line against the whole system: a saga, all laws, and laws that somebody breaks behind its back."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
import requests

from cli import here
from cli.commands import saga
from client import gateway
from client.laws import LAWS, MONEY
from testbed.running_system import ROOT, RunningSystem, eventually, running_system

Typed = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    with running_system(tmp_path_factory.mktemp("airline"), "--window", "1h") as running:
        yield running


@pytest.fixture
def typed(system: RunningSystem) -> Typed:
    """Types a command as in a terminal."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"AIRLINE_URL": system.gateway}
        command = [sys.executable, "-m", "cli", *words]
        return subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=110
        )

    return run


def said(done: subprocess.CompletedProcess[str], code: int = 0) -> Any:
    """The JSON of a command that ended with that code."""
    assert done.returncode == code, done.stderr + done.stdout
    return json.loads(done.stdout)


def change(system: RunningSystem, database: str, statement: str, *values: object) -> None:
    """Changes data behind the back of their service."""
    with closing(sqlite3.connect(system.data / database, timeout=30)) as connection, connection:
        assert connection.execute(statement, values).rowcount == 1


def shift_books(system: RunningSystem, reservation: str, by: int) -> None:
    """Changes the seats that remain of flight 1002, and what the provider took for the reservation."""
    seats = "UPDATE flights SET remaining_seats_count = remaining_seats_count + ? WHERE id = 1002"
    change(system, "flight-seats.db", seats, by)
    change(system, "provider.db", "UPDATE ledger SET amount = amount + ? WHERE key = ?", by, reservation)


def test_smoke_goes_through_a_whole_saga_and_leaves_no_flight_behind(
    typed: Typed, system: RunningSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = said(typed("smoke", "--json"))
    types = {event["type"] for event in result["events"]}
    assert {"ReservationPlaced", "Paid", "ReservationConfirmed", "RemainingSeatsIncreased", "PaymentRefunded"} <= types
    flights = said(typed("flights", "list", "--json"))["flights"]
    assert result["flight"] not in [flight["flightId"] for flight in flights]
    # nobody had called these functions before, and no saga that is expected wakes them ahead
    monkeypatch.setattr(here, "DATA", system.data)
    woken = saga.known(gateway.connect(system.gateway), result["reservation"])["woken"]
    assert {"restore-seats", "refund-payment"} <= {one["function"] for one in woken}


def test_smoke_can_use_a_flight_that_is_there(typed: Typed) -> None:
    assert said(typed("smoke", "--flight", "1001", "--json"))["flight"] == 1001
    assert typed("smoke", "--flight", "4711").returncode == 3


def test_a_reservation_is_placed_awaited_and_shown(typed: Typed) -> None:
    made = said(typed("reserve", "--customer", "3", "--flight", "1001", "--seats", "2", "--wait", "--json"))
    assert made["status"] == "SUCCEED"
    story = said(typed("saga", "show", made["reservationId"], "--follow", "--json"))
    assert [event["type"] for event in story["events"]] == [
        "ReservationPlaced",
        "RemainingSeatsDecreased",
        "Paid",
        "ReservationConfirmed",
    ]
    assert "ReservationConfirmed" in typed("saga", "show", made["reservationId"]).stdout


def test_what_is_refused_by_an_event_has_the_exit_code_of_a_refusal(typed: Typed) -> None:
    made = said(typed("reserve", "--customer", "3", "--flight", "1001", "--payment", "decline", "--wait", "--json"), 3)
    assert made["reason"] == "declined by the provider"


def test_the_same_key_reserves_and_cancels_once(typed: Typed) -> None:
    words = ("reserve", "--customer", "4", "--flight", "1001", "--wait", "--key", "by hand", "--json")
    first, again = said(typed(*words)), said(typed(*words))
    assert first["reservationId"] == again["reservationId"]
    for _ in range(2):
        assert said(typed("cancel", first["reservationId"], "--json"))["status"] == "CANCELED"
    found = said(typed("reservations", "--customer", "4", "--status", "CANCELED", "--json"))
    assert found["total"] == 1


def test_status_reaches_every_service(typed: Typed) -> None:
    surveyed = said(typed("status", "--json"))
    assert all(found["reachable"] for found in surveyed["services"].values())
    assert surveyed["counts"]["flights"] == 5


def test_a_dead_letter_is_found_replayed_and_discarded(typed: Typed, system: RunningSystem) -> None:
    broken: dict[str, object] = {
        "specversion": "1.0",
        "id": "broken",
        "source": "/airline/reserve",
        "type": "ReservationPlaced",
    }
    broken |= {"correlationid": "BROKEN000001", "data": {"reservationId": "BROKEN000001", "seatQty": -10}}
    headers = {"Content-Type": "application/cloudevents+json"}
    assert requests.post(system.broker, json=broken, headers=headers, timeout=30).status_code == 202

    def letters(times: int) -> Any:
        words = ("--reservation", "BROKEN000001", "--function", "decrease-seats", "--status", "OPEN", "--json")
        return [one for one in said(typed("dead-letters", "list", *words))["deadLetters"] if one["times"] == times]

    [found] = eventually(lambda: letters(times=1), "decrease-seats gave up")
    letter = found["id"]
    assert "dead letter OPEN" in typed("saga", "show", "BROKEN000001").stdout
    assert said(typed("dead-letters", "replay", letter, "--json"))["id"] == letter
    eventually(lambda: letters(times=2), "it was given up again")
    assert said(typed("dead-letters", "replay", "--function", "decrease-seats", "--json"))["replayed"] == 1
    eventually(lambda: letters(times=3), "it was given up once more")
    assert said(typed("dead-letters", "discard", letter, "--note", "nobody", "--json"))["status"] == "DISCARDED"
    assert typed("dead-letters", "replay", letter).returncode == 3


def test_all_laws_hold_until_somebody_breaks_them_and_the_dashboard_can_be_rebuilt(
    typed: Typed, system: RunningSystem
) -> None:
    made = said(typed("reserve", "--customer", "5", "--flight", "1002", "--seats", "3", "--wait", "--json"))
    sound = said(typed("reconcile", "--young", "0", "--json"))
    assert sound["holds"]
    assert [*sound["laws"]] == [*LAWS]
    identity = made["reservationId"]
    shift_books(system, identity, by=-1)
    change(system, "dashboard-projector.db", "UPDATE reservations SET confirmed = 0 WHERE reservation_id = ?", identity)
    change(system, "dashboard-projector.db", "UPDATE customers SET confirmed_count = 0 WHERE customer_id = ?", 5)
    verdict = said(typed("reconcile", "--young", "0", "--patience", "1", "--json"), 1)
    broken = {law: found for law, found in verdict["laws"].items() if found}
    subjects = {law: {kind: found[0][kind] for kind in found[0] if kind != "detail"} for law, found in broken.items()}
    subjects.pop(MONEY, None)  # it is judged once nothing is owed any more, which housekeeping says within five minutes
    assert subjects == {
        "capacity = remaining + held seats": {"flight": "1002"},
        "taken - refunded = value of SUCCEED": {"reservation": identity},
        "dashboard = reservations": {"customer": "5"},
        "payments = the provider's ledger": {"reservation": identity},
    }
    assert "BROKEN" in typed("reconcile", "--young", "0", "--patience", "0").stdout
    assert typed("rebuild", "--dry-run").returncode == 1
    assert said(typed("rebuild", "--json"))["repaired"] == 1
    still_broken = [
        law
        for law, found in said(typed("reconcile", "--young", "0", "--patience", "0", "--json"), 1)["laws"].items()
        if found
    ]
    assert "dashboard = reservations" not in still_broken
    shift_books(system, identity, by=1)  # back to what they were
    assert typed("reconcile", "--young", "0", "--patience", "0").returncode == 0
