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
from tests.unit.conftest import Service
from tests.unit.sayings import NOON, canceled, decreased, placed
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
    {"canceled_at": None},
    {"canceled_at": NOON - timedelta(days=1)},
    *({flag: False} for flag in ("placed", "seats_held", "seats_returned", "paid", "refunded", "confirmed")),
]


def compared(board: Service) -> Comparison:
    found: Comparison = board.run(rebuild.compare)
    return found


def corrupt(board: Service, **values: Any) -> None:
    board.run(lambda tx: tx.execute(update(RESERVATIONS).values(values)))


def rows(board: Service) -> list[Any]:
    return sorted(map(tuple, board.rows(RESERVATIONS)))


def test_a_live_projection_is_what_its_history_says(board: Service) -> None:
    for part in range(len(WHOLE) + 1):
        hear(board, *WHOLE[:part])
        assert compared(board) == Comparison(part, min(part, 1), 0, [])


@pytest.mark.parametrize("wrong", CORRUPT, ids=str)
def test_a_corrupt_row_is_found_and_made_as_it_was(board: Service, wrong: dict[str, Any]) -> None:
    hear(board, *WHOLE)
    right = rows(board)
    corrupt(board, **wrong)

    assert compared(board).differing == ["R1"]
    assert board.run(rebuild.repair, "R1")

    assert rows(board) == right
    assert compared(board).differing == []


@pytest.mark.parametrize("flag", ["seats_held", "seats_returned", "paid", "refunded", "confirmed", "seats_not_held"])
def test_a_phantom_flag_is_taken_away(board: Service, flag: str) -> None:
    hear(board, placed())
    right = rows(board)
    corrupt(board, **{flag: True, "canceled_at": NOON})

    assert compared(board).differing == ["R1"]
    board.run(rebuild.repair, "R1")

    assert rows(board) == right


def test_missing_rows_are_made(board: Service) -> None:
    hear(board, *WHOLE, placed("R2"))
    right = rows(board)
    board.run(lambda tx: tx.execute(delete(RESERVATIONS)))

    assert compared(board).differing == ["R1", "R2"]
    for identity in ("R1", "R2"):
        board.run(rebuild.repair, identity)

    assert rows(board) == right


def test_only_what_differs_is_named(board: Service) -> None:
    hear(board, *WHOLE, placed("R2"), placed("R3"))
    board.run(lambda tx: tx.execute(delete(RESERVATIONS).where(RESERVATIONS.c.reservation_id == "R2")))

    assert compared(board) == Comparison(9, 3, 0, ["R2"])


@pytest.mark.parametrize("late", [canceled(), PAID, CONFIRMED])
def test_an_event_that_comes_between_compare_and_repair_is_not_lost(board: Service, late: Any) -> None:
    hear(board, placed(), decreased())
    corrupt(board, paid=True, placed=False)
    differing = compared(board).differing

    hear(board, late)
    for identity in differing:
        board.run(rebuild.repair, identity)

    assert compared(board) == Comparison(3, 1, 0, [])


def test_an_event_that_comes_after_the_repair_is_not_lost(board: Service) -> None:
    hear(board, placed())
    corrupt(board, placed=False)
    board.run(rebuild.repair, "R1")

    hear(board, *WHOLE[1:])

    assert compared(board) == Comparison(7, 1, 0, [])


def test_a_row_without_any_event_is_left_alone_and_counted(board: Service) -> None:
    row = {"reservation_id": "OLD", "customer_id": 9, "placed": True, "confirmed": True}
    board.run(lambda tx: tx.execute(insert(RESERVATIONS).values(row)))
    right = rows(board)

    assert compared(board) == Comparison(0, 0, 1, [])
    assert not board.run(rebuild.repair, "OLD")

    assert rows(board) == right


def prune(board: Service, before: datetime) -> int:
    pruned: int = board.run(history_pruning.prune_some, before)
    return pruned


@pytest.mark.parametrize(
    ("ended", "told"),
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
    board: Service, noon: datetime, ended: bool, told: tuple[Any, ...]
) -> None:
    hear(board, *told)
    before = board.run(lambda tx: list(tx.execute(projection.customers())))

    assert prune(board, noon) == 0
    assert prune(board, noon + timedelta(seconds=1)) == ended

    assert len(board.rows(projection.EVENTS)) == (0 if ended else len(told))
    assert board.run(lambda tx: list(tx.execute(projection.customers()))) == before
    assert compared(board).without_history == ended
    assert compared(board).differing == []


def test_what_comes_to_a_pruned_reservation_is_merged_and_makes_nothing_worse(
    board: Service, monkeypatch: pytest.MonkeyPatch, noon: datetime
) -> None:
    hear(board, placed(), decreased(), PAID, CONFIRMED)
    prune(board, noon + timedelta(seconds=1))

    hear(board, canceled())

    assert compared(board) == Comparison(1, 1, 1, [])
    assert not board.run(rebuild.repair, "R1")
    (row,) = board.rows(RESERVATIONS)
    assert (row.placed, row.seats_held, row.paid, row.confirmed, row.canceled_at) == (True, True, True, True, noon)
    assert board.run(lambda tx: projection.uncompensated(noon + timedelta(days=1), tx)) == ["R1"]


def test_a_history_that_goes_on_is_kept_whole(board: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    moment = NOON
    monkeypatch.setattr("choreography.clock.now", lambda: moment)
    hear(board, placed(), decreased(), PAID, CONFIRMED)
    moment = NOON + timedelta(days=1)
    hear(board, canceled(), RETURNED, REFUNDED)

    assert prune(board, NOON + timedelta(hours=1)) == 0
    assert prune(board, NOON + timedelta(days=2)) == 1


def ended(name: str) -> tuple[SagaEvent, ...]:
    answers = replace(NOT_HELD, reservation_id=name), replace(NOT_TAKEN, reservation_id=name)
    return (placed(name), canceled(name), *answers)


def test_history_is_pruned_in_batches(board: Service, noon: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_pruning, "_OLD", history_pruning._OLD.limit(2))
    hear(board, *(event for name in ("R1", "R2", "R3") for event in ended(name)))

    assert [prune(board, noon + timedelta(seconds=1)) for _ in range(3)] == [2, 1, 0]
