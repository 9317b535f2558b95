"""An airline whose deliveries are disturbed, as its operators see it: traces, metrics, the log of one reservation."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import requests

from airline import saga
from testbed.airline_under_test import AirlineUnderTest
from testbed.running_system import ROOT, RunningSystem, between_ticks, eventually, running_system
from testbed.telemetry_receiver import LAST, ROAD, Span, TelemetryReceiver, roots, telemetry_receiver

DISTURBED = "seed=7,twice=0.2,late=0.2,lost=0.2,latest=0.3"


@dataclass(frozen=True)
class Seen:
    """A running airline, two of its reservations, and who takes its traces."""

    system: RunningSystem
    airline: AirlineUnderTest
    receiver: TelemetryReceiver
    reservations: tuple[str, str]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """Two reservations have succeeded, one after all functions had to wake for it."""
    folder = tmp_path_factory.mktemp("seen")
    with telemetry_receiver() as receiver, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
        patch.setenv("OTEL_METRICS_EXPORTER", "none")
        with running_system(folder, "--disturb", DISTURBED) as system:
            airline = AirlineUnderTest(system.gateway, patience=60)
            both = airline.place_reservation(1001, 2), airline.place_reservation(1001, 1)
            for reservation in both:
                assert airline.outcome(reservation)["status"] == "SUCCEED"
            yield Seen(system, airline, receiver, both)


def whole_trace(seen: Seen, reservation: str, *last: str) -> list[Span]:
    """The spans of a saga, once those named are there, the last ones by default, and none is missing."""

    def came() -> list[Span]:
        trace = seen.receiver.trace_of("accept ReservationPlaced", correlationid=reservation)
        has_ended = {span.name for span in trace}.issuperset(last or {LAST})
        return trace if has_ended and len(roots(trace)) == 1 else []

    return eventually(came, f"one connected tree of {reservation}", 60)


@pytest.mark.parametrize("which", [0, 1])
def test_a_saga_is_one_tree_from_the_post_to_the_dashboard_however_its_deliveries_are_disturbed(
    seen: Seen, which: int
) -> None:
    trace = whole_trace(seen, seen.reservations[which], LAST, *set().union(*ROAD.values()))

    (root,) = roots(trace)
    assert (root.service, root.name, root.parent) == ("gateway", "POST", "")
    for service, wanted in ROAD.items():
        assert wanted <= {span.name for span in trace if span.service == service}, service
    about = {span.attributes.get("reservationId", seen.reservations[which]) for span in trace}
    assert about == {seen.reservations[which]}


def test_a_saga_that_its_customer_cancels_later_is_one_tree_down_to_the_refund(seen: Seen) -> None:
    reservation = seen.airline.place_reservation(1001, 1)
    assert seen.airline.outcome(reservation)["status"] == "SUCCEED"
    # where the answer that confirmed it was lost, a cancel would come before the repeat, which then says the cancel
    eventually(lambda: len(seen.airline.events(reservation)) == len(saga.SUCCESS), "its confirmation was heard", 60)
    seen.airline.cancel(reservation)
    seen.airline.eventually_refunded(reservation)

    trace = whole_trace(seen, reservation, LAST, "handle PaymentRefunded", "handle RemainingSeatsIncreased")
    said = next(span for span in trace if span.name == "say ReservationCanceled")
    ((request, _),) = said.links
    assert (said.service, said.parent) == ("reserve", roots(trace)[0].id)
    assert request in {span.trace for span in seen.receiver.spans if span.name == "DELETE"}


def test_a_saga_that_expires_while_its_customer_pays_is_one_tree_down_to_its_seats(seen: Seen) -> None:
    reservation = eventually(lambda: expired(seen), "one that expires while it is paid", 60)
    seen.airline.eventually_compensated(reservation)

    trace = whole_trace(seen, reservation, "handle RemainingSeatsIncreased", "ask outside: refund")
    said = next(span for span in trace if span.name == "say ReservationCanceled")
    assert said.service == "reserve-housekeeping"


def expired(seen: Seen) -> str:
    """A reservation that is expired while a slow provider is asked; empty where the provider was faster."""
    reservation = seen.airline.place_reservation(1001, 1, method="slow")
    eventually(lambda: seen.airline.payment(reservation), "it is being charged", 60)
    with sqlite3.connect(seen.system.data / "reserve.db", timeout=30) as reserve:
        reserve.execute("UPDATE reservations SET expires_at = '2026-01-01' WHERE id = ?", (reservation,))
    tick = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/test", "ce-type": "dev.knative.sources.ping"}
    requests.post(seen.system.url("reserve-housekeeping"), headers=tick, timeout=60).raise_for_status()
    return reservation if seen.airline.outcome(reservation).get("reason") == "expired" else ""


def test_what_was_disturbed_shows_as_failed_attempts_and_waits(seen: Seen) -> None:
    traces = [span for each in seen.reservations for span in whole_trace(seen, each)]

    assert any(span.failed and span.name.startswith("attempt") for span in traces)
    assert any(span.name.startswith("wait until attempt") for span in traces)


def test_the_wake_of_a_function_is_a_span_before_the_call_that_it_was_for(seen: Seen) -> None:
    trace = whole_trace(seen, seen.reservations[0])
    (wake,) = [span for span in trace if span.name == "wake reserve"]
    (root,) = roots(trace)

    assert (wake.trace, wake.parent) == (root.trace, root.id)
    assert 0 < wake.seconds < root.seconds
    woken = {span.service for span in seen.receiver.spans if span.name.startswith("wake ")}
    assert set(ROAD) - {"gateway"} <= woken


def starts(system: RunningSystem) -> dict[str, int]:
    """How often each function has started."""
    return {name: service["starts"] for name, service in system.state["services"].items()}


def test_the_gateway_shows_what_broker_and_runtime_count_and_wakes_nobody_for_it(seen: Seen) -> None:
    def looked_at() -> tuple[dict[str, int], requests.Response, dict[str, int]]:
        return starts(seen.system), requests.get(f"{seen.system.gateway}/metrics", timeout=90), starts(seen.system)

    before, answer, after = between_ticks(seen.system, looked_at)

    assert answer.headers["content-type"].startswith("text/plain")
    assert f'laptop_function_starts_total{{function="reserve"}} {before["reserve"]}.0' in answer.text
    assert 'broker_events_accepted_total{type="ReservationPlaced"} ' in answer.text
    assert after == before


def test_the_log_of_one_reservation_has_the_lines_of_all_functions_in_their_order(seen: Seen) -> None:
    logged = (
        "import sys; from pathlib import Path; from cli import here; here.DATA = Path(sys.argv[1]);"
        "from cli.app import main; sys.exit(main(['logs', sys.argv[2], '--json']))"
    )
    command = [sys.executable, "-c", logged, str(seen.system.data), seen.reservations[0]]
    lines = [json.loads(line) for line in subprocess.check_output(command, cwd=ROOT, text=True).splitlines()]

    assert {line["reservationId"] for line in lines} == {seen.reservations[0]}
    assert [line["time"] for line in lines] == sorted(line["time"] for line in lines)
    assert set(ROAD) - {"gateway"} <= {line["service"] for line in lines}
    (trace,) = {span.trace for span in whole_trace(seen, seen.reservations[0])}
    assert trace in {line["traceId"] for line in lines}
