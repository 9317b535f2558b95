"""The spans of functions: under whoever called, around what they wait for, and before the events that they say."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

import pytest

from choreography import clock, serving, spans, wire
from testbed.hosting import HostedAirline
from testbed.project import ROOT
from testbed.recording_broker import RecordingBroker
from testbed.telemetry_receiver import Span, TelemetryReceiver, roots, telemetry_receiver
from testbed.vocabulary import CLOUD_EVENT, RESERVATION, event, place

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = f"00-{TRACE}-1111111111111111-01"
Exported = Callable[[], list[Span]]


@pytest.fixture
def exported(airline: HostedAirline, monkeypatch: pytest.MonkeyPatch) -> Iterator[Exported]:
    """What the functions have exported so far."""
    with telemetry_receiver() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
        spans.tracers.cache_clear()
        spans._woken.clear()
        yield lambda: _flushed(receiver)
        spans.tracers().shutdown()
        spans.tracers.cache_clear()


def _flushed(receiver: TelemetryReceiver) -> list[Span]:
    assert spans.tracers().force_flush()
    return receiver.spans


def named(found: list[Span], name: str) -> Span:
    """The only span of that name."""
    (span,) = [span for span in found if span.name == name]
    return span


def test_a_policy_is_a_span_under_its_delivery_and_the_event_that_it_says_is_under_the_policy(
    airline: HostedAirline, exported: Exported
) -> None:
    answer = airline.function("decrease-seats").post(
        "/",
        json=event("ReservationPlaced"),
        headers={"Content-Type": CLOUD_EVENT["Content-Type"], "traceparent": CALLER},
    )

    found = exported()
    handled = named(found, "handle ReservationPlaced")
    assert (handled.trace, handled.parent) == (TRACE, "1111111111111111")
    assert handled.attributes["reservationId"] == RESERVATION
    assert [span.name for span in found if span.parent == handled.id] == ["database: transaction"]
    assert answer.json is not None
    assert answer.json["traceparent"] == f"00-{TRACE}-{handled.id}-01"


def test_without_a_trace_of_the_delivery_a_policy_is_under_whoever_said_the_event(
    airline: HostedAirline, exported: Exported
) -> None:
    heard = event("ReservationPlaced")

    airline.function("decrease-seats").hear(heard)

    assert named(exported(), "handle ReservationPlaced").parent == heard["traceparent"].split("-")[2]


def test_a_platform_that_traces_apart_from_the_event_is_linked(airline: HostedAirline, exported: Exported) -> None:
    other = f"00-{'b' * 32}-{'c' * 16}-01"

    headers = {"Content-Type": CLOUD_EVENT["Content-Type"], "traceparent": other}
    airline.function("decrease-seats").post("/", json=event("ReservationPlaced"), headers=headers)

    handled = named(exported(), "handle ReservationPlaced")
    assert (handled.trace, handled.links) == (TRACE, (("b" * 32, "c" * 16),))


def test_what_the_caller_does_not_sample_is_not_exported_and_neither_is_what_follows_from_it(
    airline: HostedAirline, exported: Exported
) -> None:
    heard = event("ReservationPlaced") | {"traceparent": f"00-{TRACE}-2222222222222222-00"}

    answer = airline.function("decrease-seats").hear(heard)

    assert exported() == []
    assert answer.json is not None
    assert answer.json["traceparent"].endswith("-00")


def test_a_command_its_wait_in_the_outbox_and_its_way_into_the_broker_are_one_tree(
    airline: HostedAirline, broker: RecordingBroker, exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spans, "NOTABLE_WAIT", 0.0)
    broker.refuses_all = 503
    made = place(airline)
    broker.refuses_all = None
    monkeypatch.setattr(clock, "now", lambda: datetime.now(UTC) + timedelta(minutes=1))
    airline.function("reserve-housekeeping").hear(tick())

    trace = next(span.trace for span in exported() if span.attributes.get("reservationId") == made["reservationId"])
    tree = [span for span in exported() if span.trace == trace]
    (root,) = roots(tree)
    assert (root.name, root.attributes["http.route"], root.attributes["http.response.status_code"]) == (
        "POST",
        "/reservations",
        201,
    )
    sent = sorted(span.failed for span in tree if span.name == "send ReservationPlaced")
    assert (sent[0], sent[-1]) == (False, True)
    assert any(span.name == "wait in the outbox: ReservationPlaced" for span in tree)
    assert broker.accepted[-1]["traceparent"].split("-")[1:3] == [trace, root.id]


def tick() -> dict[str, object]:
    """An event of a PingSource."""
    return {"specversion": "1.0", "id": "t", "source": "/ping", "type": "dev.knative.sources.ping", "data": {}}


def of_the_saga(airline: HostedAirline, broker: RecordingBroker, exported: Exported, reservation: str) -> list[Span]:
    """The spans of the trace of a saga, once all of its events are in it."""
    events_ = [event for event in broker.accepted if event.get("correlationid") == reservation]
    (trace,) = {wire.trace_id(event["traceparent"]) for event in events_}
    return [span for span in exported() if span.trace == trace]


def test_a_customers_cancel_belongs_to_the_trace_of_the_reservation_and_is_linked_with_its_request(
    airline: HostedAirline, broker: RecordingBroker, exported: Exported
) -> None:
    made = place(airline)["reservationId"]

    airline.function("reserve").patch(
        f"/reservations/{made}", json={"status": "CANCELED"}, headers={"traceparent": CALLER}
    )

    tree = of_the_saga(airline, broker, exported, made)
    (root,) = roots(tree)
    assert root.attributes["http.route"] == "/reservations"
    said, request = named(tree, "say ReservationCanceled"), named(exported(), "PATCH")
    assert (said.parent, said.links) == (root.id, ((TRACE, request.id),))
    assert (said.trace, said.id) in {link for span in exported() if span.trace == TRACE for link in span.links}


def test_a_command_to_cancel_belongs_to_the_trace_of_the_command_to_reserve(
    airline: HostedAirline, broker: RecordingBroker, exported: Exported
) -> None:
    wish = {"customerId": 7, "flightId": 1001, "seatQty": 1}
    asked = command("ReservationRequested", wish)
    made = airline.function("reserve-commands").post("/events", json=asked, headers=CLOUD_EVENT).json
    assert made is not None
    airline.function("place-reservation").hear(broker.accepted[-1])
    unwanted = command("CancellationRequested", {"reservationId": made["reservationId"]})
    airline.function("reserve-commands").post("/events", json=unwanted, headers=CLOUD_EVENT)
    airline.function("cancel-reservation").hear(broker.accepted[-1])

    tree = of_the_saga(airline, broker, exported, made["reservationId"])
    assert [root.attributes["http.route"] for root in roots(tree)] == ["/events"]
    heard = {"handle ReservationRequested", "handle CancellationRequested", "say CancellationRequested"}
    assert heard <= {span.name for span in tree}


def command(type_: str, data: Mapping[str, object]) -> dict[str, object]:
    """A command from outside."""
    return {"specversion": "1.0", "id": type_, "source": "/agency", "type": type_, "data": data}


def test_what_expires_and_what_is_owed_is_said_in_the_trace_of_its_reservation(
    airline: HostedAirline, broker: RecordingBroker, exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [place(airline)["reservationId"] for _ in range(2)]
    for minutes in (11, 16):  # owed after ten, expired after fifteen
        then = datetime.now(UTC) + timedelta(minutes=minutes)
        monkeypatch.setattr(clock, "now", lambda then=then: then)
        airline.function("reserve-housekeeping").hear(tick())

    for reservation in made:
        heard = [event["type"] for event in broker.accepted if event.get("correlationid") == reservation]
        assert heard == ["ReservationPlaced", "ReservationPlaced", "ReservationCanceled"]
        tree = of_the_saga(airline, broker, exported, reservation)
        (root,) = roots(tree)
        said = named(tree, "say ReservationCanceled")
        ticks = [span for span in exported() if span.name.startswith("handle dev.knative.sources.ping")]
        assert (root.name, said.parent) == ("POST", root.id)
        assert said.links[0] in {(span.trace, span.id) for span in ticks}


def test_a_payment_that_is_finished_by_housekeeping_is_said_in_the_trace_of_its_reservation(
    airline: HostedAirline, broker: RecordingBroker, exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    decreased = event("RemainingSeatsDecreased")
    with pytest.MonkeyPatch.context() as killed:
        killed.setattr("payments._move", lambda *_: 1 / 0)
        assert airline.function("charge-payment").hear(decreased).status_code == 500
    monkeypatch.setattr(clock, "now", lambda: datetime.now(UTC) + timedelta(minutes=3))
    airline.function("payment-housekeeping").hear(tick())

    (paid,) = broker.accepted
    assert (paid["type"], wire.trace_id(paid["traceparent"])) == ("Paid", TRACE)
    said = named(exported(), "say Paid")
    assert (said.trace, said.parent) == (TRACE, decreased["traceparent"].split("-")[2])


def test_a_dead_letter_that_is_replayed_is_sent_in_the_trace_of_its_reservation(
    airline: HostedAirline, broker: RecordingBroker, exported: Exported
) -> None:
    airline.function("dead-letters").post("/", json=event("Paid"), headers=CLOUD_EVENT)
    airline.function("dead-letters").post("/dead-letters/replay", json={})

    assert wire.trace_id(broker.accepted[-1]["traceparent"]) == TRACE
    assert named(exported(), "send Paid").trace == TRACE


def test_where_a_trace_began_is_forgotten_after_a_month_and_never_kept_where_nothing_is_traced(
    airline: HostedAirline, exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    place(airline)
    assert len(airline.rows("reserve", "SELECT * FROM origins")) == 1
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    place(airline)
    assert len(airline.rows("reserve", "SELECT * FROM origins")) == 1

    monkeypatch.setattr(clock, "now", lambda: datetime.now(UTC) + timedelta(days=31))
    airline.function("reserve-housekeeping").hear(tick())
    assert airline.rows("reserve", "SELECT * FROM origins") == []


def test_asking_the_provider_is_a_span_between_the_two_transactions(airline: HostedAirline, exported: Exported) -> None:
    airline.function("charge-payment").hear(event("RemainingSeatsDecreased"))

    handled = named(exported(), "handle RemainingSeatsDecreased")
    parts = sorted((span for span in exported() if span.parent == handled.id), key=lambda span: span.start)
    assert [span.name for span in parts] == [
        "database: transaction",
        "ask outside: charge",
        "database: transaction",
    ]


def test_a_refused_event_is_a_failed_span_that_says_why(airline: HostedAirline, exported: Exported) -> None:
    airline.function("confirm-reservation").hear(event("Paid", amount=-1))

    assert named(exported(), "handle Paid").failed


def test_a_wake_is_a_span_before_the_call_that_it_was_for_and_is_linked_by_those_that_waited_as_well(
    airline: HostedAirline, exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    monkeypatch.setattr(serving.process, "woken_at", now - 0.7)
    monkeypatch.setattr(serving.process, "ready", now)
    other = event("ReservationPlaced") | {"traceparent": f"00-{'d' * 32}-{'e' * 16}-01"}

    airline.function("decrease-seats").hear(event("ReservationPlaced"))
    airline.function("decrease-seats").hear(other)

    wake = named(exported(), "wake decrease-seats")
    first, second = sorted(
        (span for span in exported() if span.name == "handle ReservationPlaced"), key=lambda span: span.start
    )
    assert (wake.parent, round(wake.seconds, 1)) == (first.parent, 0.7)
    assert (first.links, second.links) == ((), ((wake.trace, wake.id),))
    assert first.attributes["faas.coldstart"]


def test_nothing_is_traced_and_nothing_of_it_imported_unless_an_endpoint_is_named() -> None:
    code = (
        "import sys, choreography.policy, choreography.web, choreography.tracing as t;"
        "w = t.hearing('Paid', {}, '', None); assert w.__enter__() is None;"
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={}, check=False).returncode == 0


def test_an_event_that_is_said_where_nothing_is_traced_goes_on_with_the_trace_of_its_cause() -> None:
    heard = wire.read({"Content-Type": wire.CLOUD_EVENT_JSON}, wire.pack(event("ReservationPlaced")))

    assert wire.trace_id(wire.next_traceparent(heard.traceparent)) == TRACE
