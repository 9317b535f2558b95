"""The figures of functions for Prometheus are read from every database."""

import functools
from datetime import timedelta

import pytest
from sqlalchemy import update

import dashboard_figures
import dashboard_tally
import payment_figures
import rebuild
import reservations
import reserve_figures
import reserve_totals
import settlement
from airline.events import (
    Paid,
    PaymentFailed,
    PaymentRefunded,
    RemainingSeatsIncreased,
    ReservationCanceled,
    SagasSettled,
)
from choreography import clock, figures
from choreography.figures import Figure, Look
from choreography.wire import Envelope
from projected import TALLY
from projection import RESERVATIONS, project
from testbed import sample_events
from testbed.sample_events import decreased, placed
from tests.unit.conftest import Service
from tests.unit.test_projection import envelope, hear
from tests.unit.test_settlement import CONFIRMED, PAID


def figures_of(service: Service, look: Look) -> dict[tuple[str, ...], float]:
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

    found = figures_of(dashboard_service, dashboard_figures.look)
    reasons = {why: found["airline_reservations_canceled", why] for why in dashboard_tally.REASONS}
    assert reasons == {"no-seats": 0, "not-paid": 1, "expired": 1, "customer": 1}
    assert (found["airline_money_taken",], found["airline_money_refunded",]) == (3_000_000_000, 3_000_000_000)
    assert found["airline_uncompensated",] == 0


def reservation_figures(service: Service) -> dict[str, float]:
    found = figures_of(service, reserve_figures.look)
    by_status = {status: found["airline_reservations", status] for status in reserve_figures.STATUSES}
    for status, number in by_status.items():
        assert service.run(functools.partial(reserve_totals.of_list, {"status": status})) == number
    assert service.run(functools.partial(reserve_totals.of_list, {})) == sum(by_status.values())
    return by_status | {"seats": found["airline_seats_sold",]}


def settle(service: Service, status: str) -> None:
    report = SagasSettled(status=status, reservation_ids=("A", "B"))
    service.run(reservations.settle_reservations, report)
    service.run(reservations.settle_reservations, report)  # reports are repeated


def test_reservations_are_counted_once_however_often_they_are_reported(reserve_service: Service) -> None:
    asked = {"customer_id": 7, "flight_id": 1, "seat_qty": 3, "payment_method": "accept"}
    for identity in ("A", "B"):
        reserve_service.run(lambda transaction, identity=identity: reservations.place(identity, asked, transaction))
    assert reservation_figures(reserve_service) == {"PENDING": 2, "SUCCEED": 0, "CANCELED": 0, "seats": 0}

    for number, identity in enumerate(("A", "B")):
        paid = Paid(payment_id=number, reservation_id=identity, customer_id=7, amount=600)
        reserve_service.run(reservations.confirm_reservation, paid)
    for _ in range(2):  # before it is reported, and after that
        assert reservation_figures(reserve_service) == {"PENDING": 0, "SUCCEED": 2, "CANCELED": 0, "seats": 6}
        settle(reserve_service, "SUCCEED")

    reserve_service.run(lambda transaction: reservations.cancel("A", "ill", transaction))
    for _ in range(2):
        assert reservation_figures(reserve_service) == {"PENDING": 0, "SUCCEED": 1, "CANCELED": 1, "seats": 3}
        settle(reserve_service, "SUCCEED")
        settle(reserve_service, "CANCELED")
    assert reservation_figures(reserve_service) == {"PENDING": 0, "SUCCEED": 1, "CANCELED": 1, "seats": 3}


def money_figures(service: Service) -> tuple[float, ...]:
    found = figures_of(service, dashboard_figures.look)
    canceled_by_wish = found["airline_reservations_canceled", "customer"]
    return found["airline_money_taken",], found["airline_money_refunded",], canceled_by_wish


def report(service: Service) -> None:
    for status in settlement.SETTLED:
        for _ in range(2):
            service.run(settlement.reported, settlement.Batch(status, ("R1", "R2")))


def test_money_and_cancels_are_counted_once_however_often_an_end_is_reported(dashboard_service: Service) -> None:
    hear(dashboard_service, placed(), decreased(), PAID, CONFIRMED)
    for _ in range(2):
        assert money_figures(dashboard_service) == (600, 0, 0)
        report(dashboard_service)
    hear(dashboard_service, CONFIRMED)  # it is repeated, so it is to be reported again
    assert money_figures(dashboard_service) == (600, 0, 0)
    report(dashboard_service)

    refunded = PaymentRefunded(payment_id=1, reservation_id="R1", customer_id=7, amount=600, reason="ill")
    back = RemainingSeatsIncreased(reservation_id="R1", flight_id=1, seat_qty=3, remaining_seats_count=5)
    hear(dashboard_service, sample_events.canceled(), refunded, back)
    for _ in range(2):
        assert money_figures(dashboard_service) == (600, 600, 1)
        report(dashboard_service)
    hear(dashboard_service, sample_events.canceled())
    assert money_figures(dashboard_service) == (600, 600, 1)


def test_a_rebuild_counts_a_reservation_as_its_events_have_it(dashboard_service: Service) -> None:
    hear(dashboard_service, placed(), decreased(), PAID, CONFIRMED)
    report(dashboard_service)
    broken = update(RESERVATIONS).values(paid_amount=500)
    dashboard_service.run(lambda transaction: transaction.execute(broken))
    # what had been counted is that of the row
    less = update(TALLY).where(TALLY.c.name == "taken").values(number=500)
    dashboard_service.run(lambda transaction: transaction.execute(less))

    dashboard_service.run(lambda transaction: rebuild.repair("R1", transaction))

    assert money_figures(dashboard_service) == (600, 0, 0)
    report(dashboard_service)
    assert money_figures(dashboard_service) == (600, 0, 0)


def test_reserve_and_payment_tell_nothing_of_an_empty_house(reserve_service: Service, payment_service: Service) -> None:
    assert set(figures_of(reserve_service, reserve_figures.look).values()) == {0}
    assert set(figures_of(payment_service, payment_figures.look).values()) == {0}


def test_an_age_is_never_negative_whatever_a_clock_does(monkeypatch: pytest.MonkeyPatch) -> None:
    now = clock.now()

    assert figures.age(now + timedelta(minutes=1)) == 0
    assert figures.age(None) == 0
