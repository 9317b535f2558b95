"""A saga that is over is reported by the dashboard, and from then on reserve owes it nothing."""

from typing import Any

import pytest

from testbed.hosting import HostedAirline
from testbed.recording_broker import RecordingBroker
from testbed.vocabulary import body_of, event, href, place, tick

SUCCEEDED = ("ReservationPlaced", "RemainingSeatsDecreased", "Paid", "ReservationConfirmed")
CANCELED = ("ReservationPlaced", "ReservationCanceled", "SeatsNotHeld", "PaymentNotTaken")


def ended(airline: HostedAirline, end: str) -> dict[str, Any]:
    """A reservation that ended this way, with all of its events on the dashboard."""
    reservation = place(airline)
    identity = reservation["reservationId"]
    if end == "SUCCEED":
        airline.function("confirm-reservation").hear(event("Paid", reservationId=identity))
    else:
        airline.function("reserve").delete(href(reservation, "self"))
    for word in SUCCEEDED if end == "SUCCEED" else CANCELED:
        airline.function("project-dashboard").hear(event(word, reservationId=identity))
    return reservation


def owed_since(airline: HostedAirline, reservation: dict[str, Any]) -> str | None:
    found: str | None = body_of(airline.function("reserve").get(href(reservation, "self")))["owedSince"]
    return found


def reports(airline: HostedAirline, broker: RecordingBroker) -> list[dict[str, Any]]:
    """What a tick of the dashboard's housekeeping reports."""
    broker.accepted.clear()
    assert airline.function("dashboard-housekeeping").hear(tick()).status_code == 204
    return list(broker.accepted)


@pytest.mark.parametrize("end", ["SUCCEED", "CANCELED"])
def test_a_reservation_is_owed_until_its_saga_was_reported_as_settled(
    airline: HostedAirline, broker: RecordingBroker, end: str
) -> None:
    reservation = ended(airline, end)
    assert owed_since(airline, reservation)

    (report,) = reports(airline, broker)
    assert report["data"] == {"status": end, "reservationIds": [reservation["reservationId"]]}
    assert airline.function("settle-reservations").hear(report).status_code == 204

    assert owed_since(airline, reservation) is None
    assert reports(airline, broker) == []


def test_a_report_that_the_broker_did_not_take_is_made_at_the_next_tick(
    airline: HostedAirline, broker: RecordingBroker
) -> None:
    ended(airline, "SUCCEED")
    broker.refusals["SagasSettled"] = 503
    assert reports(airline, broker) == []

    broker.refusals.clear()
    assert [report["type"] for report in reports(airline, broker)] == ["SagasSettled"]
