"""What functions tell Prometheus at their ticks is read from every database."""

from datetime import timedelta

import pytest

import dashboard_figures
import payment_figures
import reserve_figures
from airline.events import Paid, PaymentFailed, PaymentRefunded, ReservationCanceled
from choreography import clock, figures
from choreography.figures import Figure, Look
from choreography.wire import Envelope
from projection import project
from testbed.sample_events import placed
from tests.unit.conftest import Service
from tests.unit.test_projection import envelope, hear


def told(service: Service, look: Look) -> dict[tuple[str, ...], float]:
    """The figures by name and labels."""
    found: list[Figure] = service.run(lambda connection: list(look(connection)))
    return {(figure.name, *figure.labels.values()): figure.value for figure in found}


def canceled(identity: str, reason: str) -> ReservationCanceled:
    return ReservationCanceled(reservation_id=identity, customer_id=7, flight_id=1, seat_qty=3, reason=reason)


def caused_by(cause: Envelope, effect: Envelope) -> Envelope:
    return Envelope({**effect.attributes, "causationid": cause.id}, effect.data)


def test_the_dashboard_tells_money_and_cancels_by_why(dashboard_service: Service) -> None:
    declined = PaymentFailed(payment_id=1, reservation_id="A", customer_id=7, amount=600, reason="declined")
    hear(dashboard_service, placed("A"), placed("B"), placed("C"), declined)
    hear(dashboard_service, Paid(payment_id=2, reservation_id="B", customer_id=7, amount=3_000_000_000))
    back = PaymentRefunded(payment_id=2, reservation_id="B", customer_id=7, amount=3_000_000_000, reason="ill")
    hear(dashboard_service, canceled("B", 'ill, "reason": said my doctor'), back, canceled("C", "expired"))
    failed = envelope(canceled("A", "declined"))
    dashboard_service.run(lambda transaction: project(caused_by(envelope(declined), failed), transaction))

    found = told(dashboard_service, dashboard_figures.look)
    reasons = {why: found["airline_reservations_canceled", why] for why in dashboard_figures.REASONS}
    assert reasons == {"no-seats": 0, "not-paid": 1, "expired": 1, "customer": 1}
    assert (found["airline_money_taken",], found["airline_money_refunded",]) == (3_000_000_000, 3_000_000_000)
    assert found["airline_uncompensated",] == 0


def test_reserve_and_payment_tell_nothing_of_an_empty_house(reserve_service: Service, payment_service: Service) -> None:
    assert set(told(reserve_service, reserve_figures.look).values()) == {0}
    assert set(told(payment_service, payment_figures.look).values()) == {0}


def test_an_age_is_never_negative_whatever_a_clock_does(monkeypatch: pytest.MonkeyPatch) -> None:
    now = clock.now()

    assert figures.age(now + timedelta(minutes=1)) == 0
    assert figures.age(None) == 0
