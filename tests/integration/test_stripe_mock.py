"""The adapter's requests and what it reads of the answers, against stripe-mock, which is made of Stripe's OpenAPI.

It checks parameters and answers in the right shape, but it has no memory: how the calls play together is checked by
tests/unit/test_stripe_shaped.py. It is a Go program: `go install github.com/stripe/stripe-mock@latest`.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from airline.settings import settings
from choreography.errors import Invalid
from provider import calls, stripe_shaped
from provider.receipts import DECLINED, Receipt
from testbed.ports import free_port
from testbed.running_system import eventually

MISSING = "stripe-mock is not installed: go install github.com/stripe/stripe-mock@latest"
TEST_KEY = "sk_test_123"
RECEIPTS = (Receipt(accepted=True), Receipt(accepted=False, reason=DECLINED))


def program() -> str | None:
    """stripe-mock on the path, or where Go puts programs."""
    folder = Path(os.environ.get("GOPATH", Path.home() / "go")) / "bin"
    return shutil.which("stripe-mock") or shutil.which("stripe-mock", path=str(folder))


@pytest.fixture(scope="module")
def mock() -> Iterator[str]:
    if (found := program()) is None:
        pytest.skip(MISSING)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    running = subprocess.Popen([found, "-http-addr", f"127.0.0.1:{port}"], stdout=subprocess.DEVNULL)
    try:
        eventually(lambda: _answers(url), "stripe-mock answers", 60)
        yield url
    finally:
        running.terminate()
        running.wait()


def _answers(url: str) -> bool:
    try:
        urllib3.request("GET", url, retries=False, timeout=1)
    except urllib3.exceptions.HTTPError:
        return False
    return True


@pytest.fixture
def until(mock: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[float]:
    monkeypatch.setenv("PAYMENT_PROVIDER_URL", mock)
    monkeypatch.setenv("PAYMENT_PROVIDER", "stripe")
    monkeypatch.setenv("PAYMENT_PROVIDER_KEY", TEST_KEY)
    settings.cache_clear()
    calls._pool.cache_clear()
    yield calls.deadline()
    settings.cache_clear()


def test_an_intent_is_made_found_read_confirmed_and_canceled_in_the_shapes_of_stripe(until: float) -> None:
    made = stripe_shaped._intent("R1", 600, until, again=False)
    assert (made["object"], made["amount"], made["currency"]) == ("payment_intent", 600, "krw")
    assert isinstance(made["metadata"], dict)
    assert isinstance(stripe_shaped._search("R1", until), str)
    read = stripe_shaped._read(made["id"], until)
    assert {"status", "amount_received", "latest_charge", "last_payment_error"} <= read.keys()
    stripe_shaped._confirm(made, "R1", "accept", until)
    assert stripe_shaped._cancel(made, "R1", until)["object"] == "payment_intent"


def test_refunds_are_listed_and_made_in_the_shapes_of_stripe(until: float) -> None:
    intent: dict[str, Any] = {"id": "pi_1", "amount_received": 10**9}
    assert stripe_shaped._refund(intent, "R1", until) in (True, None)


def test_all_calls_of_a_charge_and_of_its_undoing_are_understood_by_both_sides(until: float) -> None:
    state = stripe_shaped._read("pi_1", until)["status"]
    assert state in (*stripe_shaped.UNTOUCHED, "processing", "succeeded", "canceled")
    assert stripe_shaped.charge("R1", 600, "accept", again=True) in (None, *RECEIPTS)
    assert stripe_shaped.undo("R1", 600) in (None, True, False)


def test_a_parameter_that_stripe_does_not_know_would_be_noticed(until: float) -> None:
    answer = stripe_shaped._post("/v1/payment_intents", {"amount": "much", "currency": "krw"}, "R1", until)
    with pytest.raises(Invalid):
        stripe_shaped._object(answer, "payment_intent")
