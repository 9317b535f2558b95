"""An outage of one function that outlasts the retries, and the replay that makes up for it."""

from typing import Any

from demos import checks
from demos.kubectl import Namespace, is_ready
from testbed.airline_under_test import AirlineUnderTest
from tests.cluster.installation import Installation

TRIGGER = "decrease-seats-on-reservation-placed"
NOBODY = {"subscriber": {"ref": None, "uri": "http://127.0.0.1:1/"}, "delivery": {"retry": 0}}


def change(namespace: Namespace, airline: AirlineUnderTest, spec: dict[str, Any]) -> None:
    """Changes the Trigger; returns when it is Ready so."""
    namespace.patch("trigger", TRIGGER, {"spec": spec})
    airline.eventually(lambda: is_ready(namespace.get("trigger", TRIGGER)), f"{TRIGGER} is Ready")


def test_a_reservation_that_met_an_outage_succeeds_after_its_dead_letter_is_replayed(
    installation: Installation, airline: AirlineUnderTest
) -> None:
    namespace, flight = installation.namespace, airline.add_flight(seats=5)
    before = namespace.get("trigger", TRIGGER)["spec"]
    change(namespace, airline, NOBODY)
    try:
        reservation = airline.place_reservation(flight, 2)
        letters = airline.eventually(
            lambda: airline.dead_letters(reservationId=reservation, status="OPEN"), "the broker has given up"
        )
        assert [letter["type"] for letter in letters] == ["ReservationPlaced"]
        assert airline.reservation(reservation)["status"] == "PENDING"
    finally:
        change(namespace, airline, before | {"subscriber": before["subscriber"] | {"uri": None}})

    def replayed_and_ended() -> bool:
        """A data plane that learns of the Trigger a moment later makes it a dead letter again: replayed again."""
        for letter in airline.dead_letters(reservationId=reservation, status="OPEN"):
            airline.ask("POST", f"/dead-letters/{letter['id']}/replay").raise_for_status()
        return bool(airline.reservation(reservation)["status"] == "SUCCEED")

    airline.eventually(replayed_and_ended, "the replayed reservation succeeds")
    airline.eventually_remaining(flight, 3)
    assert airline.dead_letters(reservationId=reservation, status="OPEN") == []
    checks.check_laws(installation.running.connect())
