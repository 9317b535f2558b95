"""The spans that the embedded broker makes of events, deliveries, attempts and waits."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from broker.embedded.engine import Engine, Retention
from broker.embedded.event import Event
from broker.embedded.event_log import Log
from broker.embedded.http_post import NoAnswerError, Response
from broker.embedded.traces import Traces, from_environment, place_of
from broker.embedded.triggers import read_manifests

TRACE = "0af7651916cd43dd8448eb211c80319c"
SAID = f"00-{TRACE}-1111111111111111-01"
SENT = f"00-{TRACE}-2222222222222222-01"


class Kept(SpanExporter):
    """What was exported."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.spans.extend(spans)
        return SpanExportResult.SUCCESS


class Subscriber:
    """Answers each call with the next of its answers, and keeps the traceparent of each."""

    def __init__(self, *answers: Response | None) -> None:
        self.answers = list(answers)
        self.heard: list[str] = []

    async def post(self, _: str, head: bytes, __: bytes, ___: float) -> Response:
        lines = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self.heard.append(lines.get("traceparent", ""))
        answer = self.answers.pop(0) if self.answers else TAKEN
        if answer is None:
            raise NoAnswerError("no connection")
        return answer


TAKEN = Response(204, (), b"")
BUSY = Response(503, (), b"busy")
REFUSED = Response(422, (), b"no")


def reply(type_: str) -> Response:
    event = {"specversion": "1.0", "id": "r", "source": "/s", "type": type_, "traceparent": SAID, "data": {}}
    return Response(200, (("content-type", "application/cloudevents+json"),), json.dumps(event).encode())


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    delivery = {"retry": 2, "backoffPolicy": "linear", "backoffDelay": "PT0.01S"}
    sink = {"deadLetterSink": {"uri": "http://127.0.0.1:9/letters"}}
    ref = {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "lend-book"}
    broker = {"kind": "Broker", "metadata": {"namespace": "a", "name": "b"}}
    spec = {"broker": "b", "subscriber": {"ref": ref}, "delivery": delivery | sink}
    spec["filter"] = {"attributes": {"type": "BookWanted"}}
    trigger = {"kind": "Trigger", "metadata": {"namespace": "a", "name": "lend-book-on-book-wanted"}, "spec": spec}
    file = tmp_path / "triggers.json"
    file.write_text("\n---\n".join(map(json.dumps, (broker, trigger))))
    return file


def delivered(manifests: Path, subscriber: Subscriber, traceparent: str = SAID, sent: str = SENT) -> list[ReadableSpan]:
    """The spans of one event, from its acceptance to the end of its delivery."""
    kept = Kept()
    attributes = {"specversion": "1.0", "id": "1", "source": "/s", "type": "BookWanted", "traceparent": traceparent}
    if not traceparent:
        del attributes["traceparent"]

    async def run() -> None:
        read = read_manifests([manifests], {"lend-book": "http://127.0.0.1:9"})
        log = Log(manifests.with_name("broker.db"), 1)
        engine = Engine(read, log, subscriber.post, Retention(), Traces(kept))
        engine.start()
        await engine.publish("/a/b", Event(attributes, b"{}"), sent)
        async with asyncio.timeout(20):
            while any(figures["backlog"] for figures in engine.status()["triggers"].values()):
                await asyncio.sleep(0.005)
        await engine.stop()
        log.close()

    asyncio.run(run())
    return kept.spans


def ids(span: ReadableSpan) -> tuple[str, str, str]:
    """Trace, own id, parent's id ("" for none)."""
    assert span.context is not None
    parent = f"{span.parent.span_id:016x}" if span.parent else ""
    return f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}", parent


def names(spans: Sequence[ReadableSpan]) -> list[str]:
    return [span.name for span in sorted(spans, key=lambda span: (span.start_time or 0, -(span.end_time or 0)))]


def test_an_event_is_accepted_under_whoever_sent_it_and_its_delivery_is_under_that(
    manifests: Path,
) -> None:
    subscriber = Subscriber()
    spans = {span.name: span for span in delivered(manifests, subscriber)}

    accept, deliver, attempt = (
        spans[name] for name in ("accept BookWanted", "deliver BookWanted to lend-book", "attempt 1")
    )
    assert ids(accept)[2] == "2222222222222222"
    assert (ids(deliver)[2], ids(attempt)[2]) == (ids(accept)[1], ids(deliver)[1])
    assert subscriber.heard == [f"00-{TRACE}-{ids(attempt)[1]}-01"]


def test_each_retry_and_each_wait_for_it_is_a_span(manifests: Path) -> None:
    spans = delivered(manifests, Subscriber(BUSY, None))

    assert names(spans) == [
        "accept BookWanted",
        *("deliver BookWanted to lend-book", "attempt 1", "wait until attempt 2", "attempt 2"),
        *("wait until attempt 3", "attempt 3"),
    ]
    failed = [span.status.description for span in spans if not span.status.is_ok and span.status.description]
    assert failed == ["status 503", "no connection"]


def test_a_dead_letter_is_a_span_of_the_delivery_that_was_given_up(manifests: Path) -> None:
    spans = {span.name: span for span in delivered(manifests, Subscriber(REFUSED))}

    letter, delivery = spans["dead letter, attempt 1"], spans["deliver BookWanted to lend-book"]
    assert ids(letter)[2] == ids(delivery)[1]
    assert (letter.status.is_ok or letter.status.description is None, delivery.status.description) == (
        True,
        "status 422",
    )


def test_a_reply_is_accepted_under_the_attempt_that_it_answered(manifests: Path) -> None:
    spans = {span.name: span for span in delivered(manifests, Subscriber(reply("BookLent")))}

    assert ids(spans["accept BookLent"])[2] == ids(spans["attempt 1"])[1]


def test_an_event_without_a_trace_begins_one_and_one_of_another_trace_than_its_call_is_linked(manifests: Path) -> None:
    begun = delivered(manifests, Subscriber(), traceparent="", sent="")
    (accept,) = [span for span in begun if span.name == "accept BookWanted"]
    assert ids(accept)[2] == ""
    assert len({ids(span)[0] for span in begun}) == 1

    other = delivered(manifests, Subscriber(), sent=f"00-{'b' * 32}-{'c' * 16}-01")
    (accept,) = [span for span in other if span.name == "accept BookWanted"]
    assert (ids(accept)[0], ids(accept)[2]) == (TRACE, "1111111111111111")
    assert [f"{link.context.trace_id:032x}" for link in accept.links] == ["b" * 32]


def test_what_is_not_sampled_is_not_exported_and_the_subscriber_knows_it(manifests: Path) -> None:
    subscriber = Subscriber()

    assert delivered(manifests, subscriber, traceparent=SAID[:-1] + "0", sent="") == []
    assert subscriber.heard[0].endswith("-00")


def test_a_restart_goes_on_with_the_same_delivery(tmp_path: Path) -> None:
    log = Log(tmp_path / "broker.db", 1)
    attributes = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "traceparent": SAID}
    log.begin()
    stored = log.append(Event(attributes, None), []).stored
    log.commit()
    log.close()

    first, second = Traces(Kept()), Traces(Kept())
    assert first.of_event(stored).under("deliver", "a/b") == second.of_event(stored).under("deliver", "a/b")
    assert first.of_event(stored).under("deliver", "a/b") != first.of_event(stored).under("deliver", "a/c")


@pytest.mark.parametrize(
    "text", ["", "00-0-0-01", f"00-{'0' * 32}-{'1' * 16}-01", f"ff-{TRACE}-{'1' * 16}-01", "x" * 55]
)
def test_what_is_no_traceparent_is_no_place(text: str) -> None:
    assert place_of(text) is None


@pytest.mark.parametrize(
    "env",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_a_broker_that_is_not_told_where_to_traces_nothing(env: dict[str, str]) -> None:
    assert from_environment(env) is None
