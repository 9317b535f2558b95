"""A payment provider in a process of its own, as `make run PROVIDER=apart` starts it."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from testbed.airline_under_test import AirlineUnderTest
from testbed.running_system import ROOT, RunningSystem, laptop_arguments, running_system


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    with running_system(tmp_path_factory.mktemp("apart") / "run", *laptop_arguments("APART")) as running:
        yield running


def test_a_provider_that_is_somebody_else_is_paid_and_refunds_and_all_laws_hold_by_its_own_ledger(
    system: RunningSystem,
) -> None:
    airline = AirlineUnderTest(system.gateway, patience=100)  # five starts, one after the other
    flight = airline.add_flight(seats=10)
    kept, canceled = airline.place_reservation(flight, 2), airline.place_reservation(flight, 1)
    assert airline.outcome(kept)["status"] == airline.outcome(canceled)["status"] == "SUCCEED"
    airline.cancel(canceled)
    airline.eventually_refunded(canceled)

    assert airline.money_with_the_provider(kept) == 400_000
    assert airline.money_with_the_provider(canceled) == 0
    command = [sys.executable, "-m", "cli", "--url", system.gateway, "reconcile"]
    verdict = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=90)
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr
    asked = (system.data / "logs" / "payment-provider.log").read_text("utf-8")
    assert "POST /charges" in asked
    assert "POST /refunds" in asked
