"""Rules of reserve: the status moves forward only, and a repeat says the same again."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

import before_placement
import reservations
from airline import settings
from airline.events import (
    CancellationRequested,
    Paid,
    PaymentFailed,
    ReservationCanceled,
    ReservationConfirmed,
    ReservationPlaced,
    ReservationRequested,
    SeatsSoldOut,
)
from choreography import clock, fields
from choreography.errors import Invalid
from testbed.sample_events import NOON
from tests.unit.conftest import Service

REQUESTED = ReservationRequested(
    reservation_id="R1",
    customer_id=7,
    flight_id=1,
    seat_qty=3,
    reserve_date=date(2024, 11, 21),
    payment_method="accept",
)
PLACED = ReservationPlaced(
    reservation_id="R1",
    customer_id=7,
    flight_id=1,
    seat_qty=3,
    reserve_date=date(2024, 11, 21),
    payment_method="accept",
    expires_at=NOON + timedelta(minutes=15),
)
PAID = Paid(payment_id=1, reservation_id="R1", customer_id=7, amount=600)
SOLD_OUT = SeatsSoldOut(
    reservation_id="R1", flight_id=1, seat_qty=3, remaining_seats_count=2, reason="not enough seats left"
)
FAILED = PaymentFailed(payment_id=1, reservation_id="R1", customer_id=7, amount=600, reason="declined")
UNWANTED = CancellationRequested(reservation_id="R1", reason="changed my mind")
OTHERS: list[dict[str, Any]] = [
    {"customer_id": 8},
    {"flight_id": 2},
    {"seat_qty": 2},
    {"reserve_date": date(2024, 11, 22)},
    {"payment_method": "slow"},
]


@pytest.fixture
def requested(reserve_service: Service, noon: Any) -> Service:
    reserve_service.run(reservations.place_reservation, REQUESTED)
    return reserve_service


def status(reserve_service: Service) -> tuple[str, str | None]:
    row = reserve_service.rows(reservations.RESERVATIONS)[0]
    return row.status, row.reason


def test_a_request_becomes_a_pending_reservation_with_a_visible_expiry(reserve_service: Service, noon: Any) -> None:
    (said,) = reserve_service.run(reservations.place_reservation, REQUESTED)
    assert said == PLACED
    assert status(reserve_service) == ("PENDING", None)


def test_a_repeated_request_is_the_same_reservation(requested: Service) -> None:
    (again,) = requested.run(reservations.place_reservation, REQUESTED)
    assert again.expires_at == NOON + timedelta(minutes=15)
    assert len(requested.rows(reservations.RESERVATIONS)) == 1


def test_a_paid_reservation_succeeds_and_says_so_as_often_as_asked(requested: Service) -> None:
    confirmed = ReservationConfirmed(reservation_id="R1", customer_id=7, flight_id=1, seat_qty=3)
    assert requested.run(reservations.confirm_reservation, PAID) == confirmed
    assert requested.run(reservations.confirm_reservation, PAID) == confirmed
    assert status(requested) == ("SUCCEED", None)


@pytest.mark.parametrize(
    ("cause", "reason"),
    [(SOLD_OUT, "not enough seats left: 2 remain"), (FAILED, "declined"), (UNWANTED, "changed my mind")],
    ids=["no seats", "no money", "no wish"],
)
def test_a_canceled_reservation_says_why(requested: Service, cause: Any, reason: str) -> None:
    said = requested.run(reservations.cancel_reservation, cause)
    assert said == ReservationCanceled(reservation_id="R1", customer_id=7, flight_id=1, seat_qty=3, reason=reason)
    assert status(requested) == ("CANCELED", reason)


def test_two_cancels_are_one_and_the_first_reason_stays(requested: Service) -> None:
    first = requested.run(reservations.cancel_reservation, UNWANTED)
    assert requested.run(reservations.cancel_reservation, SOLD_OUT) == first


def test_a_confirmed_reservation_can_be_canceled(requested: Service) -> None:
    requested.run(reservations.confirm_reservation, PAID)
    requested.run(reservations.cancel_reservation, UNWANTED)
    assert status(requested) == ("CANCELED", "changed my mind")


def test_a_payment_that_crosses_the_cancel_does_not_revive_the_reservation(requested: Service) -> None:
    requested.run(reservations.cancel_reservation, UNWANTED)
    canceled = requested.run(reservations.cancel_reservation, UNWANTED)
    assert requested.run(reservations.confirm_reservation, PAID) == canceled, "it leads to the refund"
    assert status(requested) == ("CANCELED", "changed my mind")


def test_a_request_replayed_after_the_end_says_nothing(requested: Service) -> None:
    requested.run(reservations.cancel_reservation, UNWANTED)
    assert requested.run(reservations.place_reservation, REQUESTED) == ()


@pytest.mark.parametrize("other", OTHERS, ids=lambda other: next(iter(other)))
def test_another_request_under_the_same_id_is_refused_and_changes_nothing(
    requested: Service, other: dict[str, Any]
) -> None:
    before = requested.rows(reservations.RESERVATIONS)
    with pytest.raises(Invalid) as refusal:
        requested.run(reservations.place_reservation, replace(REQUESTED, **other))
    assert refusal.value.fields.keys() == {fields.camel(name) for name in other}
    assert requested.rows(reservations.RESERVATIONS) == before


def test_a_request_that_leaves_the_day_open_is_the_same_on_another_day(
    reserve_service: Service, noon: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    whenever = replace(REQUESTED, reserve_date=None)
    (first,) = reserve_service.run(reservations.place_reservation, whenever)
    monkeypatch.setattr(clock, "now", lambda: NOON + timedelta(days=1))
    assert first.reserve_date == NOON.date()
    assert reserve_service.run(reservations.place_reservation, whenever) == (first,)


@pytest.mark.parametrize("of_ours", [PAID, SOLD_OUT, FAILED], ids=lambda said: type(said).__name__)
def test_an_event_about_a_reservation_that_was_never_placed_is_refused_for_good(
    reserve_service: Service, of_ours: Any
) -> None:
    rule = reservations.confirm_reservation if of_ours is PAID else reservations.cancel_reservation
    with pytest.raises(Invalid, match="Reservation R1 was never placed"):
        reserve_service.run(rule, of_ours)
    assert reserve_service.rows(before_placement.EARLY_CANCELS) == []


def test_a_cancel_that_comes_before_its_reservation_cancels_it_when_it_is_placed(
    reserve_service: Service, noon: Any
) -> None:
    assert reserve_service.run(reservations.cancel_reservation, UNWANTED) is None
    assert reserve_service.run(reservations.cancel_reservation, replace(UNWANTED, reason="again")) is None

    said = reserve_service.run(reservations.place_reservation, REQUESTED)

    assert said == (
        PLACED,
        ReservationCanceled(reservation_id="R1", customer_id=7, flight_id=1, seat_qty=3, reason="changed my mind"),
    )
    assert status(reserve_service) == ("CANCELED", "changed my mind")
    assert reserve_service.rows(before_placement.EARLY_CANCELS) == []
    assert reserve_service.run(reservations.place_reservation, REQUESTED) == ()


def test_a_cancel_leaves_nothing_behind_where_its_reservation_is_placed(requested: Service) -> None:
    requested.run(reservations.cancel_reservation, UNWANTED)
    assert requested.rows(before_placement.EARLY_CANCELS) == []


def test_only_what_is_pending_past_its_time_expires(
    requested: Service, noon: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overdue_after(minutes: int) -> list[str]:
        monkeypatch.setattr(clock, "now", lambda: NOON + timedelta(minutes=minutes))
        return [row.id for row in requested.run(reservations.expired, None)]

    assert overdue_after(15) == []
    assert overdue_after(16) == ["R1"]
    requested.run(reservations.confirm_reservation, PAID)
    assert overdue_after(16) == []


def test_a_promised_id_is_the_same_each_time_and_differs_by_source_and_by_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    promised = reservations.promised_id("/agency/7", "order-1")
    assert reservations.promised_id("/agency/7", "order-1") == promised
    assert reservations.promised_id("/agency/8", "order-1") != promised
    monkeypatch.setenv("RESERVATION_ID_SECRET", "another")
    settings.settings.cache_clear()
    assert reservations.promised_id("/agency/7", "order-1") != promised
