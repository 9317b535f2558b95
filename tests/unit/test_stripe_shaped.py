"""With an API as Stripe's, too, a payment is taken once and given back once, whatever crosses, fails or is lost."""

from typing import Any

import pytest

import payments
import provider
from airline.events import PaymentFailed
from airline.settings import settings
from choreography.errors import Invalid, TryAgain
from provider import calls, stripe_shaped
from testbed.payment_provider import Fault, FaultyProvider, fails_after, fails_before, lost_after, lost_before, served
from testbed.sample_events import canceled, decreased
from testbed.stripe_double import StripeDouble
from tests.unit.conftest import Service
from tests.unit.test_payments import NOT_TAKEN, PAID, REFUNDED, charge, refund

FAULTS = [lost_before, lost_after, fails_before, fails_after]


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Any:
    double = StripeDouble()
    with served(double) as server:
        for name, value in {"URL": server.url, "KEY": "sk_test_of_nobody"}.items():
            monkeypatch.setenv(f"PAYMENT_PROVIDER_{name}", value)
        monkeypatch.setenv("PAYMENT_PROVIDER", "stripe")
        settings.cache_clear()
        calls._pool.cache_clear()
        yield server, double


@pytest.fixture
def server(wire: tuple[FaultyProvider, StripeDouble]) -> FaultyProvider:
    return wire[0]


@pytest.fixture
def stripe(wire: tuple[FaultyProvider, StripeDouble]) -> StripeDouble:
    return wire[1]


def states(stripe: StripeDouble) -> list[str]:
    return [intent["status"] for intent in stripe.intents.values()]


def test_a_reservation_is_one_payment_intent_confirmed_once_and_refunded_as_a_whole(
    payment_service: Service, stripe: StripeDouble
) -> None:
    assert charge(payment_service, decreased()) == PAID
    assert charge(payment_service, decreased()) == PAID
    assert stripe.kept == 600
    assert refund(payment_service, canceled()) == REFUNDED
    assert refund(payment_service, canceled()) == REFUNDED
    assert stripe.kept == 0
    assert (len(stripe.intents), len(stripe.refunds)) == (1, 1)


def test_a_card_that_is_declined_says_why_and_its_intent_is_closed_by_a_cancel(
    payment_service: Service, stripe: StripeDouble
) -> None:
    said = charge(payment_service, decreased(method="decline"))
    assert isinstance(said, PaymentFailed)
    assert said.reason == f"{provider.DECLINED}: generic_decline"
    assert provider.charge("R1", 600, "decline", again=True) == provider.Receipt(accepted=False, reason=said.reason)
    assert refund(payment_service, canceled()) == NOT_TAKEN
    assert stripe.kept == 0


@pytest.mark.parametrize("searches", [True, False], ids=["the search has caught up", "the search lags"])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("step", [0, 1], ids=["making the intent", "confirming it"])
def test_a_charge_whose_answer_is_lost_is_taken_once_by_whoever_asks_again(
    payment_service: Service, wire: tuple[FaultyProvider, StripeDouble], step: int, fault: Fault, searches: bool
) -> None:
    server, stripe = wire
    stripe.searches = searches
    server.faults = [*[None] * step, fault]
    with pytest.raises(TryAgain):
        charge(payment_service, decreased())
    assert charge(payment_service, decreased()) == PAID
    assert (stripe.kept, len(stripe.intents)) == (600, 1)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("step", range(4))
def test_a_refund_that_is_broken_off_anywhere_goes_back_once(
    payment_service: Service, server: FaultyProvider, stripe: StripeDouble, step: int, fault: Fault
) -> None:
    charge(payment_service, decreased())
    server.faults = [*[None] * step, fault]
    with pytest.raises(TryAgain):
        refund(payment_service, canceled())
    assert refund(payment_service, canceled()) == REFUNDED
    assert (stripe.kept, len(stripe.refunds)) == (0, 1)


def test_a_refund_long_afterwards_finds_the_intent_though_its_key_is_forgotten(
    payment_service: Service, stripe: StripeDouble
) -> None:
    charge(payment_service, decreased())
    stripe.remembers = False
    assert refund(payment_service, canceled()) == REFUNDED
    assert (stripe.kept, len(stripe.intents)) == (0, 1)


def test_a_cancel_that_crosses_a_charge_leaves_nothing_to_confirm(
    payment_service: Service, stripe: StripeDouble
) -> None:
    intent = payment_service.run(payments.begin_charge, decreased())
    assert refund(payment_service, canceled()) == NOT_TAKEN
    assert payments.charge(intent) == provider.Receipt(accepted=False, reason=provider.DECLINED)
    assert states(stripe) == ["canceled"]


def test_a_cancel_between_making_and_confirming_wins_or_is_refunded(stripe: StripeDouble) -> None:
    until = calls.deadline()
    intent = stripe_shaped._intent("R1", 600, until, again=False)
    assert provider.undo("R1", 600) is False
    assert stripe_shaped._confirm(intent, "R1", "accept", until) == provider.Receipt(False, provider.DECLINED)
    other = stripe_shaped._intent("R2", 600, until, again=False)
    provider.charge("R2", 600, "accept", again=True)
    assert stripe_shaped._cancel(other, "R2", until)["status"] == "succeeded"
    assert provider.undo("R2", 600) is True
    assert stripe.kept == 0


def test_a_charge_that_takes_its_time_is_open_until_it_is_decided(
    payment_service: Service, stripe: StripeDouble
) -> None:
    stripe.confirmed_as = "processing"
    assert charge(payment_service, decreased()) is None
    assert refund(payment_service, canceled()) is None
    (intent,) = stripe.intents.values()
    intent |= {"status": "succeeded", "amount_received": 600}
    assert refund(payment_service, canceled()) == REFUNDED
    assert stripe.kept == 0


def test_a_refund_that_takes_its_time_or_fails_is_not_said_before_it_is_back(
    payment_service: Service, stripe: StripeDouble
) -> None:
    charge(payment_service, decreased())
    stripe.refunded_as = "pending"
    assert refund(payment_service, canceled()) is None
    assert refund(payment_service, canceled()) is None
    assert len(stripe.refunds) == 1
    stripe.refunds[0]["status"] = "failed"
    stripe.refunded_as = "succeeded"
    assert refund(payment_service, canceled()) == REFUNDED
    assert [one["status"] for one in stripe.refunds] == ["failed", "succeeded"]
    assert stripe.kept == 0


def test_a_part_that_somebody_refunded_by_hand_counts_and_the_rest_goes_back(
    payment_service: Service, stripe: StripeDouble
) -> None:
    charge(payment_service, decreased())
    (intent,) = stripe.intents
    stripe.refunds.append({"object": "refund", "amount": 250, "payment_intent": intent, "status": "succeeded"})
    assert refund(payment_service, canceled()) == REFUNDED
    assert [one["amount"] for one in stripe.refunds] == [250, 350]


def test_money_that_was_given_back_by_hand_before_it_was_recorded_confirms_nothing(stripe: StripeDouble) -> None:
    provider.charge("R1", 600, "accept")
    (intent,) = stripe.intents
    stripe.refunds.append({"object": "refund", "amount": 1, "payment_intent": intent, "status": "succeeded"})
    assert provider.look("R1", 600) == provider.Receipt(accepted=False, reason=provider.GIVEN_BACK)


def test_a_payment_method_that_the_provider_does_not_know_is_refused_for_good(stripe: StripeDouble) -> None:
    with pytest.raises(Invalid, match="resource_missing"):
        provider.charge("R1", 600, "cheque")
    assert states(stripe) == ["requires_payment_method"]


def test_to_look_moves_no_money(stripe: StripeDouble) -> None:
    assert provider.look("R1", 600) is None
    assert stripe.kept == 0


@pytest.mark.parametrize(("currency", "smallest"), [("KRW", 600), ("usd", 60_000), ("KWD", 600_000)])
def test_amounts_are_sent_in_the_smallest_unit_of_the_currency(
    stripe: StripeDouble, monkeypatch: pytest.MonkeyPatch, currency: str, smallest: int
) -> None:
    monkeypatch.setenv("PAYMENT_CURRENCY", currency)
    settings.cache_clear()
    provider.charge("R1", 600, "accept")
    assert [(one["amount"], one["currency"]) for one in stripe.intents.values()] == [(smallest, currency.lower())]


@pytest.mark.parametrize(
    ("hint", "key"),
    [
        ({"data": {"object": {"object": "payment_intent", "metadata": {"reservation": "R1"}}}}, "R1"),
        ({"data": {"object": {"metadata": {"reservation": 1}}}}, None),
        ({"data": {"object": {"metadata": {}}}}, None),
        ({"data": {"object": []}}, None),
        ({"data": "object"}, None),
        ({}, None),
    ],
)
def test_a_webhook_names_the_reservation_in_its_metadata_or_nothing(
    stripe: StripeDouble, hint: dict[str, Any], key: str | None
) -> None:
    assert provider.subject(hint) == key
