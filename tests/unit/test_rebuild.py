"""The projection can be made from the history again, whatever happened to its rows, while events arrive."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, insert, update

import history_pruning
import projection
import rebuild
from airline.events import Paid, PaymentNotTaken, PaymentRefunded, RemainingSeatsIncreased, SagaEvent, SeatsNotHeld
from projection import RESERVATIONS
from rebuild import Comparison
from testbed.sample_events import NOON, canceled, decreased, placed
from tests.unit.conftest import Service
from tests.unit.test_projection import CONFIRMED, hear

PAID = Paid(payment_id=1, reservation_id="R1", customer_id=7, amount=600)
RETURNED = RemainingSeatsIncreased(reservation_id="R1", flight_id=1, seat_qty=3, remaining_seats_count=5)
REFUNDED = PaymentRefunded(payment_id=1, reservation_id="R1", customer_id=7, amount=600, reason="changed my mind")
NOT_HELD = SeatsNotHeld(reservation_id="R1", flight_id=1)
NOT_TAKEN = PaymentNotTaken(reservation_id="R1", customer_id=7)
WHOLE = (placed(), decreased(), PAID, CONFIRMED, canceled(), RETURNED, REFUNDED)

CORRUPT: list[dict[str, Any]] = [
    {"customer_id": 8},
    {"customer_id": None},
    {"reserve_date": date(1999, 12, 31)},
    {"paid_amount": 599},
    {"refunded_amount": None},
    {"canceled_at": None},
    {"canceled_at": NOON - timedelta(days=1)},
    *({flag: False} for flag in ("placed", "seats_held", "seats_returned", "paid", "refunded", "confirmed")),
]


def compared(dashboard_service: Service) -> Comparison:
    found: Comparison = dashboard_service.run(rebuild.compare)
    return found


def corrupt(dashboard_service: Service, **values: Any) -> None:
    dashboard_service.run(lambda tx: tx.execute(update(RESERVATIONS).values(values)))


def rows(dashboard_service: Service) -> list[Any]:
    return sorted(map(tuple, dashboard_service.rows(RESERVATIONS)))


def test_a_live_projection_is_what_its_history_says(dashboard_service: Service) -> None:
    for part in range(len(WHOLE) + 1):
        hear(dashboard_service, *WHOLE[:part])
        assert compared(dashboard_service) == Comparison(part, min(part, 1), 0, [])


@pytest.mark.parametrize("wrong", CORRUPT, ids=str)
def test_a_corrupt_row_is_found_and_made_as_it_was(dashboard_service: Service, wrong: dict[str, Any]) -> None:
    hear(dashboard_service, *WHOLE)
    right = rows(dashboard_service)
    corrupt(dashboard_service, **wrong)

    assert compared(dashboard_service).differing == ["R1"]
    assert dashboard_service.run(rebuild.repair, "R1")

    assert rows(dashboard_service) == right
    assert compared(dashboard_service).differing == []


@pytest.mark.parametrize("flag", ["seats_held", "seats_returned", "paid", "refunded", "confirmed", "seats_not_held"])
def test_a_phantom_flag_is_taken_away(dashboard_service: Service, flag: str) -> None:
    hear(dashboard_service, placed())
    right = rows(dashboard_service)
    corrupt(dashboard_service, **{flag: True, "canceled_at": NOON})

    assert compared(dashboard_service).differing == ["R1"]
    dashboard_service.run(rebuild.repair, "R1")

    assert rows(dashboard_service) == right


def test_missing_rows_are_made(dashboard_service: Service) -> None:
    hear(dashboard_service, *WHOLE, placed("R2"))
    right = rows(dashboard_service)
    dashboard_service.run(lambda tx: tx.execute(delete(RESERVATIONS)))

    assert compared(dashboard_service).differing == ["R1", "R2"]
    for identity in ("R1", "R2"):
        dashboard_service.run(rebuild.repair, identity)

    assert rows(dashboard_service) == right


def test_only_what_differs_is_named(dashboard_service: Service) -> None:
    hear(dashboard_service, *WHOLE, placed("R2"), placed("R3"))
    dashboard_service.run(lambda tx: tx.execute(delete(RESERVATIONS).where(RESERVATIONS.c.reservation_id == "R2")))

    assert compared(dashboard_service) == Comparison(9, 3, 0, ["R2"])


@pytest.mark.parametrize("late", [canceled(), PAID, CONFIRMED])
def test_an_event_that_comes_between_compare_and_repair_is_not_lost(dashboard_service: Service, late: Any) -> None:
    hear(dashboard_service, placed(), decreased())
    corrupt(dashboard_service, paid=True, placed=False)
    differing = compared(dashboard_service).differing

    hear(dashboard_service, late)
    for identity in differing:
        dashboard_service.run(rebuild.repair, identity)

    assert compared(dashboard_service) == Comparison(3, 1, 0, [])


def test_an_event_that_comes_after_the_repair_is_not_lost(dashboard_service: Service) -> None:
    hear(dashboard_service, placed())
    corrupt(dashboard_service, placed=False)
    dashboard_service.run(rebuild.repair, "R1")

    hear(dashboard_service, *WHOLE[1:])

    assert compared(dashboard_service) == Comparison(7, 1, 0, [])


def test_a_row_without_any_event_is_left_alone_and_counted(dashboard_service: Service) -> None:
    row = {"reservation_id": "OLD", "customer_id": 9, "placed": True, "confirmed": True}
    dashboard_service.run(lambda tx: tx.execute(insert(RESERVATIONS).values(row)))
    right = rows(dashboard_service)

    assert compared(dashboard_service) == Comparison(0, 0, 1, [])
    assert not dashboard_service.run(rebuild.repair, "OLD")

    assert rows(dashboard_service) == right


def prune(dashboard_service: Service, before: datetime) -> int:
    pruned: int = dashboard_service.run(history_pruning.prune_some, before)
    return pruned


@pytest.mark.parametrize(
    ("ended", "story"),
    [
        (True, WHOLE),
        (True, (placed(), decreased(), PAID, CONFIRMED)),
        (True, (placed(), canceled(), NOT_HELD, NOT_TAKEN)),
        (False, (placed(), canceled(), NOT_HELD)),
        (False, (placed(),)),
        (False, (placed(), decreased(), PAID)),
        (False, (placed(), decreased(), canceled())),
        (False, (placed(), decreased(), PAID, canceled(), RETURNED)),
    ],
)
def test_only_what_ended_is_pruned_and_its_row_stays(
    dashboard_service: Service, noon: datetime, ended: bool, story: tuple[Any, ...]
) -> None:
    hear(dashboard_service, *story)
    before = dashboard_service.run(lambda tx: list(tx.execute(projection.customers())))

    assert prune(dashboard_service, noon) == 0
    assert prune(dashboard_service, noon + timedelta(seconds=1)) == ended

    assert len(dashboard_service.rows(projection.EVENTS)) == (0 if ended else len(story))
    assert dashboard_service.run(lambda tx: list(tx.execute(projection.customers()))) == before
    assert compared(dashboard_service).without_history == ended
    assert compared(dashboard_service).differing == []


def test_what_comes_to_a_pruned_reservation_is_merged_and_makes_nothing_worse(
    dashboard_service: Service, monkeypatch: pytest.MonkeyPatch, noon: datetime
) -> None:
    hear(dashboard_service, placed(), decreased(), PAID, CONFIRMED)
    prune(dashboard_service, noon + timedelta(seconds=1))

    hear(dashboard_service, canceled())

    assert compared(dashboard_service) == Comparison(1, 1, 1, [])
    assert not dashboard_service.run(rebuild.repair, "R1")
    (row,) = dashboard_service.rows(RESERVATIONS)
    assert (row.placed, row.seats_held, row.paid, row.confirmed, row.canceled_at) == (True, True, True, True, noon)
    assert dashboard_service.run(lambda tx: projection.uncompensated(noon + timedelta(days=1), tx)) == ["R1"]


def test_a_history_that_goes_on_is_kept_whole(dashboard_service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    moment = NOON
    monkeypatch.setattr("choreography.clock.now", lambda: moment)
    hear(dashboard_service, placed(), decreased(), PAID, CONFIRMED)
    moment = NOON + timedelta(days=1)
    hear(dashboard_service, canceled(), RETURNED, REFUNDED)

    assert prune(dashboard_service, NOON + timedelta(hours=1)) == 0
    assert prune(dashboard_service, NOON + timedelta(days=2)) == 1


def ended(name: str) -> tuple[SagaEvent, ...]:
    answers = replace(NOT_HELD, reservation_id=name), replace(NOT_TAKEN, reservation_id=name)
    return (placed(name), canceled(name), *answers)


def test_history_is_pruned_in_batches(
    dashboard_service: Service, noon: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_pruning, "_OLD", history_pruning._OLD.limit(2))
    hear(dashboard_service, *(event for name in ("R1", "R2", "R3") for event in ended(name)))

    assert [prune(dashboard_service, noon + timedelta(seconds=1)) for _ in range(3)] == [2, 1, 0]
