"""What the dashboard reports as settled: sagas that have ended, with all their events heard."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event

import projection
import settlement
from airline.events import (
    Paid,
    PaymentNotTaken,
    PaymentRefunded,
    RemainingSeatsIncreased,
    ReservationConfirmed,
    SagaEvent,
    SeatsNotHeld,
)
from projection import RESERVATIONS
from testbed.sample_events import NOON, canceled, decreased, placed
from tests.unit.conftest import Service
from tests.unit.test_projection import hear

PAID = Paid(payment_id=1, reservation_id="R1", customer_id=7, amount=600)
CONFIRMED = ReservationConfirmed(reservation_id="R1", customer_id=7, flight_id=1, seat_qty=3)
SUCCEEDED: tuple[SagaEvent, ...] = (placed(), decreased(), PAID, CONFIRMED)
SEATS = (
    RemainingSeatsIncreased(reservation_id="R1", flight_id=1, seat_qty=3, remaining_seats_count=5),
    SeatsNotHeld(reservation_id="R1", flight_id=1),
)
MONEY = (
    PaymentRefunded(payment_id=1, reservation_id="R1", customer_id=7, amount=600, reason="changed my mind"),
    PaymentNotTaken(reservation_id="R1", customer_id=7),
)


def unreported(dashboard_service: Service) -> dict[str, list[str]]:
    """By their end, the reservations to report."""
    found = {status: list(dashboard_service.run(settlement.unreported, status, "")) for status in settlement.SETTLED}
    return {status: identities for status, identities in found.items() if identities}


def report(dashboard_service: Service, status: str) -> None:
    dashboard_service.run(settlement.reported, settlement.Batch(status, ("R1",)))


@pytest.mark.parametrize("missing", range(4))
def test_a_success_is_settled_when_seats_and_money_were_heard_of_too(dashboard_service: Service, missing: int) -> None:
    hear(dashboard_service, *SUCCEEDED[:missing], *SUCCEEDED[missing + 1 :])
    assert unreported(dashboard_service) == {}
    hear(dashboard_service, SUCCEEDED[missing])
    assert unreported(dashboard_service) == {"SUCCEED": ["R1"]}


@pytest.mark.parametrize("seats", SEATS, ids=["returned", "not held"])
@pytest.mark.parametrize("money", MONEY, ids=["refunded", "not taken"])
def test_a_cancel_is_settled_when_both_compensations_have_answered(
    dashboard_service: Service, seats: SagaEvent, money: SagaEvent
) -> None:
    hear(dashboard_service, placed(), canceled(), seats)
    assert unreported(dashboard_service) == {}
    hear(dashboard_service, money)
    assert unreported(dashboard_service) == {"CANCELED": ["R1"]}


def test_a_reservation_whose_placement_was_not_heard_is_not_settled(dashboard_service: Service) -> None:
    hear(dashboard_service, canceled(), *SEATS[1:], *MONEY[1:])
    assert unreported(dashboard_service) == {}
    hear(dashboard_service, placed())
    assert unreported(dashboard_service) == {"CANCELED": ["R1"]}


def test_what_was_reported_is_reported_again_when_its_end_is_repeated_or_another_one(
    dashboard_service: Service,
) -> None:
    hear(dashboard_service, *SUCCEEDED)
    report(dashboard_service, "SUCCEED")
    hear(dashboard_service, placed(), decreased(), PAID)
    assert unreported(dashboard_service) == {}
    hear(dashboard_service, CONFIRMED)
    assert unreported(dashboard_service) == {"SUCCEED": ["R1"]}
    report(dashboard_service, "SUCCEED")
    hear(dashboard_service, canceled(), SEATS[0], MONEY[0])
    assert unreported(dashboard_service) == {"CANCELED": ["R1"]}
    report(dashboard_service, "CANCELED")
    hear(dashboard_service, canceled())
    assert unreported(dashboard_service) == {"CANCELED": ["R1"]}


def test_a_cancel_that_comes_between_the_report_and_its_mark_is_reported_too(dashboard_service: Service) -> None:
    hear(dashboard_service, *SUCCEEDED, canceled(), SEATS[0], MONEY[0])
    report(dashboard_service, "SUCCEED")
    assert [row.reported for row in dashboard_service.rows(RESERVATIONS)] == [False]
    assert unreported(dashboard_service) == {"CANCELED": ["R1"]}


def test_a_batch_is_what_fits_one_event(dashboard_service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settlement, "BATCH", 2)
    for name in ("R1", "R2", "R3"):
        hear(dashboard_service, *(replace(event, reservation_id=name) for event in SUCCEEDED))
    assert list(dashboard_service.run(settlement.unreported, "SUCCEED", "")) == ["R1", "R2"]
    assert list(dashboard_service.run(settlement.unreported, "SUCCEED", "R2")) == ["R3"]


@pytest.mark.parametrize("status", settlement.SETTLED)
def test_a_batch_is_found_without_sorting_all_that_waits_to_be_reported(
    dashboard_service: Service, status: str
) -> None:
    plan = plan_of(dashboard_service, settlement.unreported, status, "R1")
    assert "ix_reservations_unreported (reported=? AND reservation_id>?)" in plan
    assert "TEMP B-TREE" not in plan


def test_what_is_not_compensated_is_looked_for_only_in_what_was_not_reported(dashboard_service: Service) -> None:
    assert "ix_reservations_unreported (reported=?)" in plan_of(dashboard_service, projection.uncompensated, NOON)


def plan_of(dashboard_service: Service, rule: Callable[..., Any], *arguments: Any) -> str:
    """How the database finds what a rule asks for."""
    if dashboard_service.engine.dialect.name != "sqlite":
        pytest.skip("another database plans by what is in its tables")
    asked: list[tuple[str, Any]] = []
    event.listen(
        dashboard_service.engine,
        "before_cursor_execute",
        lambda _c, _u, query, values, *_: asked.append((query, values)),
    )
    dashboard_service.run(rule, *arguments)
    query, values = asked[-1]
    with dashboard_service.engine.connect() as connection:
        return " ".join(row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", values))
