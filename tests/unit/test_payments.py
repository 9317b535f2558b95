"""Rules of payment: nobody is charged twice, everybody is refunded once, whatever crosses and whatever dies."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

import payments
import provider
from airline.events import EXPIRED, Paid, PaymentFailed, PaymentNotTaken, PaymentRefunded
from choreography import clock
from testbed.sample_events import NOON, canceled, decreased
from tests.unit.conftest import Service


def charge(payment_service: Service, event: Any) -> Any:
    """All three steps of a charge, as the wrapper takes them."""
    intent = payment_service.run(payments.begin_charge, event)
    return payment_service.run(payments.record_charge, intent, payments.charge(intent)) if intent else None


def refund(payment_service: Service, event: Any) -> Any:
    """All three steps of a refund."""
    intent = payment_service.run(payments.begin_refund, event)
    return payment_service.run(payments.record_refund, intent, payments.refund(intent))


def money(provider_service: Service) -> int:
    """What the provider took and did not give back."""
    entries = provider_service.rows(provider.LEDGER)
    return sum(entry.amount * (1 if entry.kind == "charge" else -1) for entry in entries if entry.accepted)


PAID = Paid(payment_id=1, reservation_id="R1", customer_id=7, amount=600)
NOT_TAKEN = PaymentNotTaken(reservation_id="R1", customer_id=7)
REFUNDED = PaymentRefunded(payment_id=1, reservation_id="R1", customer_id=7, amount=600, reason="changed my mind")


def test_held_seats_are_charged_once_however_often_they_are_heard_of(
    payment_service: Service, provider_service: Service
) -> None:
    assert charge(payment_service, decreased()) == PAID
    assert charge(payment_service, decreased()) == PAID
    assert money(provider_service) == 600


def test_a_declined_payment_takes_no_money_and_says_why(payment_service: Service, provider_service: Service) -> None:
    failed = PaymentFailed(payment_id=1, reservation_id="R1", customer_id=7, amount=600, reason=provider.DECLINED)
    assert charge(payment_service, decreased(method="decline")) == failed
    assert charge(payment_service, decreased(method="decline")) == failed
    assert money(provider_service) == 0


def test_a_slow_provider_is_waited_for_and_only_the_first_time(
    payment_service: Service, provider_service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("provider.charges.time.sleep", waits.append)
    assert charge(payment_service, decreased(method="slow")) == PAID
    assert charge(payment_service, decreased(method="slow")) == PAID
    assert waits == [provider.SLOW_SECONDS]


def test_a_paid_reservation_that_is_canceled_is_refunded_once(
    payment_service: Service, provider_service: Service
) -> None:
    charge(payment_service, decreased())
    assert refund(payment_service, canceled()) == REFUNDED
    assert refund(payment_service, canceled()) == REFUNDED
    assert money(provider_service) == 0


def test_a_declined_payment_is_not_refunded(payment_service: Service, provider_service: Service) -> None:
    charge(payment_service, decreased(method="decline"))
    assert refund(payment_service, canceled()) == NOT_TAKEN
    assert money(provider_service) == 0


def test_a_cancel_before_the_charge_is_remembered_and_nothing_is_charged(
    payment_service: Service, provider_service: Service
) -> None:
    assert refund(payment_service, canceled()) == NOT_TAKEN
    assert charge(payment_service, decreased()) is None
    assert refund(payment_service, canceled()) == NOT_TAKEN
    assert provider_service.rows(provider.LEDGER) == []


def test_a_charge_replayed_after_the_refund_takes_nothing(payment_service: Service, provider_service: Service) -> None:
    charge(payment_service, decreased())
    refund(payment_service, canceled())
    assert charge(payment_service, decreased()) is None
    assert money(provider_service) == 0


def test_a_refund_that_crosses_a_charge_before_the_provider_is_asked_leaves_nothing_to_take(
    payment_service: Service, provider_service: Service
) -> None:
    intent = payment_service.run(payments.begin_charge, decreased())
    assert refund(payment_service, canceled()) == NOT_TAKEN
    receipt = payments.charge(intent)
    assert receipt == provider.Receipt(accepted=False, reason=provider.DECLINED)
    said = payment_service.run(payments.record_charge, intent, receipt)
    assert said == PaymentFailed(payment_id=1, reservation_id="R1", customer_id=7, amount=600, reason="changed my mind")
    assert money(provider_service) == 0


def test_a_refund_that_crosses_a_charge_which_the_provider_took_gives_it_back(
    payment_service: Service, provider_service: Service
) -> None:
    intent = payment_service.run(payments.begin_charge, decreased())
    receipt = payments.charge(intent)
    assert refund(payment_service, canceled()) == REFUNDED
    assert payment_service.run(payments.record_charge, intent, receipt) is None
    assert money(provider_service) == 0


def test_who_dies_before_asking_the_provider_is_redelivered_and_charges_once(
    payment_service: Service, provider_service: Service
) -> None:
    payment_service.run(payments.begin_charge, decreased())
    assert charge(payment_service, decreased()) == PAID
    assert money(provider_service) == 600


def test_who_dies_before_recording_is_redelivered_and_charges_once(
    payment_service: Service, provider_service: Service
) -> None:
    payments.charge(payment_service.run(payments.begin_charge, decreased()))
    assert charge(payment_service, decreased()) == PAID
    assert money(provider_service) == 600


def test_who_dies_in_the_middle_of_a_refund_is_redelivered_and_refunds_once(
    payment_service: Service, provider_service: Service
) -> None:
    charge(payment_service, decreased())
    payments.refund(payment_service.run(payments.begin_refund, canceled()))
    assert charge(payment_service, decreased()) is None
    assert refund(payment_service, canceled()) == REFUNDED
    assert money(provider_service) == 0


def test_two_charges_of_one_reservation_at_once_agree(payment_service: Service, provider_service: Service) -> None:
    one = payment_service.run(payments.begin_charge, decreased())
    other = payment_service.run(payments.begin_charge, decreased())
    receipts = payments.charge(one), payments.charge(other)
    assert payment_service.run(payments.record_charge, other, receipts[1]) == PAID
    assert payment_service.run(payments.record_charge, one, receipts[0]) == PAID
    assert money(provider_service) == 600


def test_a_late_answer_of_the_provider_does_not_undo_a_refund(
    payment_service: Service, provider_service: Service
) -> None:
    intent = payment_service.run(payments.begin_charge, decreased())
    receipt = payments.charge(intent)
    payment_service.run(payments.record_charge, intent, receipt)
    refund(payment_service, canceled())
    assert payment_service.run(payments.record_charge, intent, receipt) is None
    assert money(provider_service) == 0


def test_what_the_provider_undoes_before_it_took_anything_it_never_takes(provider_service: Service) -> None:
    assert provider.undo("R9", 600) is False
    assert provider.charge("R9", 600, "accept") == provider.Receipt(accepted=False, reason=provider.DECLINED)
    assert provider.undo("R9", 600) is False
    assert money(provider_service) == 0


def test_only_what_was_left_alone_for_long_is_unfinished(
    payment_service: Service, noon: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment_service.run(payments.begin_charge, decreased())
    assert payment_service.run(payments.unfinished, None) == []
    monkeypatch.setattr(clock, "now", lambda: NOON + timedelta(minutes=3))
    left = payment_service.run(payments.unfinished, None)
    assert [payment.reservation_id for payment in left] == ["R1"]


def test_what_is_heard_of_past_its_expiry_is_not_charged(payment_service: Service, provider_service: Service) -> None:
    assert charge(payment_service, replace(decreased(), expires_at=NOON)) is None
    assert provider_service.rows(provider.LEDGER) == []
    assert payment_service.rows(payments.PAYMENTS) == []


def test_a_payment_that_was_made_in_time_is_repeated_past_its_expiry(
    payment_service: Service, provider_service: Service
) -> None:
    charge(payment_service, decreased())
    assert charge(payment_service, replace(decreased(), expires_at=NOON)) == PAID


@pytest.mark.parametrize("asked", [False, True], ids=["the provider was not asked", "the provider took the money"])
def test_a_charge_of_unknown_outcome_is_undone_past_its_expiry(
    payment_service: Service, provider_service: Service, monkeypatch: pytest.MonkeyPatch, asked: bool
) -> None:
    heard = replace(decreased(), expires_at=NOON)
    monkeypatch.setattr(clock, "now", lambda: NOON - timedelta(seconds=1))
    intent = payment_service.run(payments.begin_charge, heard)
    if asked:
        payments.charge(intent)
    monkeypatch.setattr(clock, "now", lambda: NOON)
    assert charge(payment_service, heard) is None
    left = payment_service.run(payments.take_up, "R1")
    said = payment_service.run(payments.record_undo, left, payments.refund(left))
    expired: dict[str, Any] = {
        "payment_id": 1,
        "reservation_id": "R1",
        "customer_id": 7,
        "amount": 600,
        "reason": EXPIRED,
    }
    assert said == (PaymentRefunded(**expired) if asked else PaymentFailed(**expired))
    assert money(provider_service) == 0


@pytest.mark.parametrize("expiry", [None, NOON])
def test_who_finishes_a_charge_whose_time_is_over_or_unknown_undoes_it(
    payment_service: Service, provider_service: Service, expiry: datetime | None
) -> None:
    payment_service.run(payments.begin_charge, decreased())
    payment_service.run(lambda tx: tx.execute(update(payments.PAYMENTS).values(expires_at=expiry)))
    assert payment_service.run(payments.take_up, "R1").status == "REFUNDING"


def test_what_is_taken_up_goes_to_the_end_of_the_queue(payment_service: Service, noon: Any) -> None:
    payment_service.run(payments.begin_charge, decreased())
    payment_service.run(lambda tx: tx.execute(update(payments.PAYMENTS).values(moved_at=NOON - timedelta(days=2))))
    assert payment_service.run(payments.take_up, "R1").status == "CHARGING"
    assert payment_service.run(payments.unfinished, None) == []
