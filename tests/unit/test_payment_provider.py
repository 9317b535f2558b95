"""A payment provider that is somebody else: whatever becomes of a call, nobody is charged twice or refunded twice."""

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from threading import Event
from typing import Any

import pytest

import hints
import payments
import provider
from airline.events import PaymentFailed
from airline.settings import settings
from choreography import clock, outbox, store
from choreography.errors import Invalid, Malformed, NotFound, TryAgain, Unauthenticated
from provider import calls, ledger_api, signatures, webhooks
from testbed.listening import Quiet, listening
from testbed.payment_provider import (
    Fault,
    FaultyProvider,
    answers,
    fails_after,
    fails_before,
    lost_after,
    lost_before,
    served,
)
from testbed.sample_events import NOON, canceled, decreased
from tests.unit.conftest import Service
from tests.unit.test_payments import NOT_TAKEN, PAID, REFUNDED, charge, money, refund

SECRET = "a secret of the webhooks"


@pytest.fixture(scope="module")
def server() -> Iterator[FaultyProvider]:
    with served(ledger_api.app) as running:
        yield running


@pytest.fixture
def elsewhere(server: FaultyProvider, provider_service: Service, monkeypatch: pytest.MonkeyPatch) -> FaultyProvider:
    """The provider is at the other end of a wire."""
    server.faults, server.asked, server.keys = [], [], []
    monkeypatch.setenv("PAYMENT_PROVIDER_URL", server.url)
    monkeypatch.setenv("PAYMENT_PROVIDER_KEY", "a key of the tests")
    monkeypatch.setenv("PAYMENT_WEBHOOK_SECRET", SECRET)
    settings.cache_clear()
    calls._pool.cache_clear()
    return server


def entries(provider_service: Service) -> list[tuple[str, str, bool]]:
    return sorted((row.key, row.kind, row.accepted) for row in provider_service.rows(provider.LEDGER))


def test_money_is_taken_and_given_back_over_http_as_in_one_process(
    payment_service: Service, provider_service: Service, elsewhere: FaultyProvider
) -> None:
    assert charge(payment_service, decreased()) == PAID
    assert charge(payment_service, decreased()) == PAID
    assert money(provider_service) == 600
    assert refund(payment_service, canceled()) == REFUNDED
    assert refund(payment_service, canceled()) == REFUNDED
    assert entries(provider_service) == [("R1", "charge", True), ("R1", "refund", True)]
    assert elsewhere.paths_of("POST") == ["/charges", "/refunds"]
    assert set(elsewhere.keys) == {"R1"}


def test_a_decline_is_an_answer_and_no_error(
    payment_service: Service, provider_service: Service, elsewhere: FaultyProvider
) -> None:
    said = charge(payment_service, decreased(method="decline"))
    assert isinstance(said, PaymentFailed)
    assert said.reason == provider.DECLINED
    assert refund(payment_service, canceled()) == NOT_TAKEN
    assert money(provider_service) == 0


@pytest.mark.parametrize("fault", [lost_after, fails_after, answers(200, b"<html>"), answers(200, b'{"key": "R2"}')])
def test_who_got_no_clear_answer_asks_for_the_status_before_anything_else(
    payment_service: Service, provider_service: Service, elsewhere: FaultyProvider, fault: Fault
) -> None:
    elsewhere.faults = [fault]
    done = fault in (lost_after, fails_after)
    if done:
        assert charge(payment_service, decreased()) == PAID
    else:
        with pytest.raises(TryAgain):
            charge(payment_service, decreased())
    assert elsewhere.asked == ["POST /charges", "GET /charges/R1"]
    assert money(provider_service) == (600 if done else 0)


@pytest.mark.parametrize("fault", [lost_before, fails_before, answers(429), answers(401), answers(302)])
def test_a_provider_that_did_nothing_is_asked_again_by_the_redelivery_which_asks_for_the_status_first(
    payment_service: Service, provider_service: Service, elsewhere: FaultyProvider, fault: Fault
) -> None:
    elsewhere.faults = [fault]
    with pytest.raises(TryAgain):
        charge(payment_service, decreased())
    assert money(provider_service) == 0
    del elsewhere.asked[:]
    assert charge(payment_service, decreased()) == PAID
    assert elsewhere.asked == ["GET /charges/R1", "POST /charges"]
    assert money(provider_service) == 600


def test_a_process_that_dies_after_the_provider_did_it_makes_no_second_charge(
    payment_service: Service, provider_service: Service, elsewhere: FaultyProvider
) -> None:
    payments.charge(payment_service.run(payments.begin_charge, decreased()))
    del elsewhere.asked[:]
    assert charge(payment_service, decreased()) == PAID
    assert elsewhere.asked == ["GET /charges/R1"]
    assert money(provider_service) == 600


def test_who_cannot_even_ask_for_the_status_knows_nothing_and_charges_nothing(
    payment_service: Service, provider_service: Service, elsewhere: FaultyProvider
) -> None:
    elsewhere.faults = [lost_after, fails_before, fails_before]
    for _ in range(2):
        with pytest.raises(TryAgain):
            charge(payment_service, decreased())
    assert elsewhere.paths_of("POST") == ["/charges"]
    assert charge(payment_service, decreased()) == PAID
    assert money(provider_service) == 600


@pytest.mark.parametrize("fault", [lost_before, lost_after, fails_before, fails_after])
def test_a_refund_whose_answer_is_lost_happens_once(
    payment_service: Service, provider_service: Service, elsewhere: FaultyProvider, fault: Fault
) -> None:
    charge(payment_service, decreased())
    elsewhere.faults = [fault]
    if fault in (lost_after, fails_after):
        assert refund(payment_service, canceled()) == REFUNDED
    else:
        with pytest.raises(TryAgain):
            refund(payment_service, canceled())
    assert refund(payment_service, canceled()) == REFUNDED
    assert entries(provider_service) == [("R1", "charge", True), ("R1", "refund", True)]


def test_a_cancel_that_crosses_a_charge_which_never_arrived_closes_the_key(
    payment_service: Service, provider_service: Service, elsewhere: FaultyProvider
) -> None:
    elsewhere.faults = [lost_before]
    intent = payment_service.run(payments.begin_charge, decreased())
    with pytest.raises(TryAgain):
        payments.charge(intent)
    assert refund(payment_service, canceled()) == NOT_TAKEN
    assert payments.charge(intent) == provider.Receipt(accepted=False, reason=provider.DECLINED)
    assert money(provider_service) == 0


def test_a_request_that_the_provider_will_never_take_is_a_dead_letter_with_its_reason(
    payment_service: Service, provider_service: Service, elsewhere: FaultyProvider
) -> None:
    elsewhere.faults = [answers(422, json.dumps({"detail": "amount must be smaller"}).encode())]
    with pytest.raises(Invalid, match="refuses this with 422: amount must be smaller"):
        charge(payment_service, decreased())


def test_a_provider_that_has_not_decided_leaves_the_charge_open_and_says_nothing(
    payment_service: Service, provider_service: Service, elsewhere: FaultyProvider
) -> None:
    elsewhere.faults = [answers(200, json.dumps({"key": "R1", "status": "PENDING", "amount": 600}).encode())]
    assert charge(payment_service, decreased()) is None
    assert payment_service.rows(payments.PAYMENTS)[0].status == "CHARGING"
    assert charge(payment_service, decreased()) == PAID


def test_a_refund_that_the_provider_is_still_at_says_nothing_until_it_is_back(
    payment_service: Service, provider_service: Service, elsewhere: FaultyProvider
) -> None:
    charge(payment_service, decreased())
    elsewhere.faults = [answers(200, json.dumps({"key": "R1", "status": "PENDING", "amount": 600}).encode())]
    assert refund(payment_service, canceled()) is None
    assert payment_service.rows(payments.PAYMENTS)[0].status == "REFUNDING"
    assert refund(payment_service, canceled()) == REFUNDED


def test_money_that_the_provider_gave_back_by_itself_confirms_no_reservation(
    payment_service: Service, provider_service: Service, elsewhere: FaultyProvider
) -> None:
    intent = payment_service.run(payments.begin_charge, decreased())
    payments.charge(intent)
    provider.undo("R1", 600)
    said = payment_service.run(payments.record_charge, intent, provider.look("R1", 600))
    assert isinstance(said, PaymentFailed)
    assert said.reason == provider.GIVEN_BACK


@pytest.mark.parametrize("amount", [599, 601, 0])
def test_a_part_of_a_charge_is_never_refunded(
    provider_service: Service, elsewhere: FaultyProvider, amount: int
) -> None:
    provider.charge("R1", 600, "accept")
    with pytest.raises(Invalid, match="must be 600, all of the charge of this key"):
        provider.undo("R1", amount)
    assert money(provider_service) == 600


def test_a_key_is_one_charge_of_one_amount(provider_service: Service, elsewhere: FaultyProvider) -> None:
    provider.charge("R1", 600, "accept")
    with pytest.raises(Invalid, match="must be 600"):
        provider.charge("R1", 900, "accept")
    assert money(provider_service) == 600


def test_who_does_not_know_the_key_of_the_provider_moves_no_money(
    provider_service: Service, elsewhere: FaultyProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "_authorization", lambda: {"Authorization": "Bearer guessed"})
    with pytest.raises(TryAgain, match="answered 401"):
        provider.charge("R1", 600, "accept")
    assert provider_service.rows(provider.LEDGER) == []


def test_a_provider_that_is_away_or_slow_holds_a_policy_no_longer_than_its_trigger_waits(
    provider_service: Service, elsewhere: FaultyProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert calls.ALL_SECONDS < 20
    monkeypatch.setattr(calls, "ALL_SECONDS", 0.0)
    with pytest.raises(TryAgain, match="no time left"):
        provider.charge("R1", 600, "accept")
    assert elsewhere.asked == []


def test_an_answer_without_an_end_is_given_up(
    provider_service: Service, elsewhere: FaultyProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "LARGEST", 1000)
    elsewhere.faults = [answers(200, b" " * 5000)]
    with pytest.raises(TryAgain, match="had no end"):
        provider.charge("R1", 600, "accept")


@pytest.fixture
def heard(payment_service: Service, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is said because of hints; the service's database is that of the process."""
    said: list[Any] = []
    monkeypatch.setattr(store, "database", lambda: payment_service.engine)
    monkeypatch.setattr(outbox, "announce", lambda work, _: said.append(payment_service.run(work)))
    return said


def hint(key: str = "R1", status: str = "ACCEPTED", secret: str = SECRET) -> tuple[bytes, str]:
    """The body of a webhook and its signature."""
    body = json.dumps({"key": key, "status": status}).encode()
    return body, signatures.sign(secret, body)


def test_a_receiver_of_webhooks_whose_answer_has_no_end_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    left = Event()

    class Endless(Quiet, BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(HTTPStatus.OK)
            self.end_headers()
            with suppress(OSError):
                while True:
                    self.wfile.write(b"x" * 65536)
            left.set()

    with listening(Endless) as url:
        monkeypatch.setenv("PAYMENT_WEBHOOK_URL", url)
        monkeypatch.setenv("PAYMENT_WEBHOOK_SECRET", SECRET)
        settings.cache_clear()
        webhooks.send("R1", "ACCEPTED")
        assert left.wait(20)


def left_behind(payment_service: Service) -> None:
    """Asked for, taken, and never recorded."""
    payments.charge(payment_service.run(payments.begin_charge, decreased()))


def test_a_hint_finishes_what_is_open_once_however_often_it_comes(
    payment_service: Service, provider_service: Service, elsewhere: FaultyProvider, heard: list[Any]
) -> None:
    left_behind(payment_service)
    hints.take(*hint())
    hints.take(*hint())
    assert heard == [PAID]
    assert money(provider_service) == 600


@pytest.mark.parametrize("lie", ["DECLINED", "REFUNDED", "ACCEPTED"])
def test_what_a_hint_claims_is_not_believed(
    payment_service: Service, provider_service: Service, elsewhere: FaultyProvider, heard: list[Any], lie: str
) -> None:
    left_behind(payment_service)
    hints.take(*hint(status=lie))
    assert heard == [PAID]


def test_a_hint_about_a_charge_that_the_provider_does_not_know_charges_nobody(
    payment_service: Service, provider_service: Service, elsewhere: FaultyProvider, heard: list[Any]
) -> None:
    payment_service.run(payments.begin_charge, decreased())
    hints.take(*hint())
    assert heard == []
    assert provider_service.rows(provider.LEDGER) == []
    assert payment_service.rows(payments.PAYMENTS)[0].status == "CHARGING"


def test_a_hint_that_comes_late_or_out_of_order_changes_nothing(
    payment_service: Service, provider_service: Service, elsewhere: FaultyProvider, heard: list[Any]
) -> None:
    charge(payment_service, decreased())
    refund(payment_service, canceled())
    for status in ("REFUNDED", "ACCEPTED"):
        hints.take(*hint(status=status))
    hints.take(*hint(key="NOBODYS"))
    assert heard == []
    assert payment_service.rows(payments.PAYMENTS)[0].status == "REFUNDED"


def test_a_hint_about_a_refund_under_way_has_it_recorded(
    payment_service: Service, provider_service: Service, elsewhere: FaultyProvider, heard: list[Any]
) -> None:
    charge(payment_service, decreased())
    payments.refund(payment_service.run(payments.begin_refund, canceled()))
    hints.take(*hint(status="REFUNDED"))
    assert heard == [REFUNDED]


@pytest.mark.parametrize(
    "header",
    [
        "",
        "v1=00",
        "t=0,v1=",
        "t=soon,v1=00",
        "t=1,v1=" + "0" * 64,
        "t=٣,v1=00",
        "t=9" * 40,
        "t=1,v1=é",
        "," * 5000,
    ],
)
def test_a_forged_hint_is_refused(elsewhere: FaultyProvider, heard: list[Any], header: str) -> None:
    with pytest.raises(Unauthenticated):
        hints.take(hint()[0], header)
    assert elsewhere.asked == []


def test_a_hint_of_another_secret_or_with_another_body_is_refused(elsewhere: FaultyProvider, heard: list[Any]) -> None:
    with pytest.raises(Unauthenticated, match="wrong"):
        hints.take(*hint(secret="guessed"))
    with pytest.raises(Unauthenticated, match="wrong"):
        hints.take(hint()[0] + b" ", hint()[1])


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_hint_is_taken_within_minutes_of_its_signing_only(
    elsewhere: FaultyProvider, heard: list[Any], noon: Any, monkeypatch: pytest.MonkeyPatch, minutes: int
) -> None:
    signed = hint()
    monkeypatch.setattr(clock, "now", lambda: NOON + timedelta(minutes=minutes))
    with pytest.raises(Unauthenticated, match="signed more than"):
        hints.take(*signed)


def test_while_a_secret_is_replaced_one_of_two_signatures_is_enough(
    elsewhere: FaultyProvider, heard: list[Any]
) -> None:
    body, signature = hint()
    at, ours = signature.split(",")
    hints.take(body, f"{at},v1={'0' * 64},{ours}")


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"R1"', b"[" * 100_000])
def test_a_signed_hint_that_is_no_json_object_is_refused(
    elsewhere: FaultyProvider, heard: list[Any], body: bytes
) -> None:
    with pytest.raises(Malformed):
        hints.take(body, signatures.sign(SECRET, body))


@pytest.mark.parametrize("missing", ["PAYMENT_PROVIDER_URL", "PAYMENT_WEBHOOK_SECRET"])
def test_no_hints_are_heard_where_nobody_could_send_them(
    elsewhere: FaultyProvider, heard: list[Any], monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.delenv(missing)
    settings.cache_clear()
    with pytest.raises(NotFound):
        hints.take(*hint())
