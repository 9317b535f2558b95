"""The spans of the broker (OpenTelemetry), made afterwards from what it knows of each event anyway.

    accept TYPE                     under the span that sent it; a reply under the attempt that it answered
      deliver TYPE to SUBSCRIBER    until it ended, with all that it waited for
        attempt 1                   its traceparent goes with the call, so the subscriber's spans are under it
        wait until attempt 2
        attempt 2
        dead letter, attempt 1

The ids of `accept` and `deliver` are made from the event's place in the log: after a restart the rest of a delivery is
part of the same tree. The event's own `traceparent` is never changed, as CloudEvents asks (extension "distributed
tracing"). An event without one begins a trace here.

Only a broker whose environment names an endpoint (`from_environment`) imports the SDK; any other has no Traces.
"""

import hashlib
import os
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from broker.embedded.log_records import Appended, Attempt, StoredEvent

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import SpanContext

_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})", re.ASCII)
_SAMPLED = 1


@dataclass(frozen=True, slots=True)
class Place:
    """A span that others can be under (W3C Trace Context, section 3.2)."""

    trace: int
    span: int
    sampled: bool

    def __str__(self) -> str:
        return f"00-{self.trace:032x}-{self.span:016x}-{self.sampled:02x}"

    def under(self, *identity: str) -> "Place":
        """A place for one of its children: by its identity always the same, without one a new one."""
        if not identity:
            return Place(self.trace, secrets.randbits(64) or 1, self.sampled)
        return Place(self.trace, _number(8, f"{self.trace}", f"{self.span}", *identity), self.sampled)


def place_of(traceparent: str) -> Place | None:
    """The place that a traceparent names; None if it is not a valid one."""
    match = _TRACEPARENT.fullmatch(traceparent)
    return Place(int(match[1], 16), int(match[2], 16), bool(int(match[3], 16) & _SAMPLED)) if match else None


class Traces:
    """Makes the spans and gives them to an exporter, which sends them in batches from a thread of its own."""

    def __init__(self, exporter: "SpanExporter") -> None:
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - only where traces are wanted
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - as above

        self._provider = TracerProvider()  # reads OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER, ...
        self._processor = BatchSpanProcessor(exporter)

    def accepted(self, appended: Appended) -> None:
        """An event is on disk."""
        stored, caller = appended.stored, place_of(appended.origin.sent_under)
        said = place_of(stored.event.attributes.get("traceparent", ""))
        parent = caller if caller and (said is None or caller.trace == said.trace) else said
        name, time_taken = f"accept {stored.event.attributes['type']}", (appended.came_at, time.time())
        self.export(name, self.of_event(stored), parent, time_taken, _about(stored), link=caller)

    def of_event(self, stored: StoredEvent) -> Place:
        """The span that the deliveries of an event are under."""
        attributes, number = stored.event.attributes, str(stored.offset)
        said = place_of(attributes.get("traceparent", ""))
        if said is not None:
            return said.under("accept", number)
        trace = _number(16, attributes["source"], attributes["id"], number)
        return Place(trace, _number(8, str(trace), number), self._samples(trace))

    def delivery(self, stored: StoredEvent, trigger: str, subscriber: str) -> "DeliveryTrace":
        """The spans of one delivery."""
        return DeliveryTrace(self, stored, trigger, subscriber)

    def close(self) -> None:
        """Exports what is left."""
        self._processor.shutdown()  # type: ignore[no-untyped-call]

    def _samples(self, trace: int) -> bool:
        decision = self._provider.sampler.should_sample(None, trace, "accept").decision
        return bool(decision.is_sampled())  # type: ignore[no-untyped-call]

    def export(  # noqa: PLR0913 - what a span is
        self,
        name: str,
        place: Place,
        parent: Place | None,
        taken: tuple[float, float],
        attributes: Mapping[str, str | int],
        *,
        failure: str | None = None,
        link: Place | None = None,
    ) -> None:
        """One span, unless its trace is not sampled. `taken`: from when to when, seconds since 1970."""
        if not place.sampled:
            return
        from opentelemetry.sdk.trace import ReadableSpan  # noqa: PLC0415 - loaded already
        from opentelemetry.trace import Link, Status, StatusCode  # noqa: PLC0415 - as above

        linked = [Link(_context(link))] if link is not None and link.trace != place.trace else []
        self._processor.on_end(
            ReadableSpan(
                name,
                _context(place),
                _context(parent) if parent else None,
                self._provider.resource,
                attributes,
                links=linked,
                status=Status(StatusCode.ERROR, failure) if failure else Status(),
                start_time=int(taken[0] * 1e9),
                end_time=int(taken[1] * 1e9),
            )
        )


class DeliveryTrace:
    """The spans of one delivery. `began`: when its first attempt in this run did, seconds since 1970."""

    def __init__(self, traces: Traces, stored: StoredEvent, trigger: str, subscriber: str) -> None:
        self._traces = traces
        self._stored = stored
        self._subscriber = subscriber
        self._about = _about(stored) | {"trigger": trigger}
        self._accepted = traces.of_event(stored)
        self._place = self._accepted.under("deliver", trigger)
        self._attempt = self._place
        self._began: float | None = None

    def head(self) -> bytes:
        """The header line for the next attempt."""
        self._attempt = self._place.under()
        return f"traceparent: {self._attempt}\r\n".encode("ascii")

    @property
    def latest(self) -> str:
        """The traceparent of the last attempt, whose answer may be an event."""
        return str(self._attempt)

    def attempted(self, attempt: Attempt) -> None:
        """An attempt has ended, and maybe a wait begins."""
        self._began = self._began or attempt.began_at
        name = f"{'dead letter, ' if attempt.to_sink else ''}attempt {attempt.number}"
        taken = attempt.began_at, attempt.ended_at
        self._traces.export(name, self._attempt, self._place, taken, self._about, failure=attempt.failure)
        if attempt.next_at is not None:
            name, taken = f"wait until attempt {attempt.number + 1}", (attempt.ended_at, attempt.next_at)
            self._traces.export(name, self._place.under(), self._place, taken, self._about)

    def ended(self, at: float, failure: str | None) -> None:
        """The delivery has ended, and its end is on disk."""
        name = f"deliver {self._stored.event.attributes['type']} to {self._subscriber}"
        taken = self._began or at, at
        self._traces.export(name, self._place, self._accepted, taken, self._about, failure=failure)


def from_environment(env: Mapping[str, str] = os.environ) -> Traces | None:
    """The Traces of this process, None unless OTEL_EXPORTER_OTLP_ENDPOINT (or that of traces) says where to send them.

    Sampling, batches and all the rest are set by OpenTelemetry's own variables.
    """
    endpoint = env.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or env.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    if not endpoint or env.get("OTEL_SDK_DISABLED", "").lower() == "true" or env.get("OTEL_TRACES_EXPORTER") == "none":
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - as above

    return Traces(OTLPSpanExporter())


def _about(stored: StoredEvent) -> dict[str, str | int]:
    """Attributes as OpenTelemetry names them (semantic conventions of CloudEvents), and the place in the log."""
    event = stored.event.attributes
    named = {f"cloudevents.event_{name}": event[name] for name in ("id", "source", "type")}
    correlation = {"correlationid": event["correlationid"]} if "correlationid" in event else {}
    return {**named, **correlation, "offset": stored.offset}


def _context(place: Place) -> "SpanContext":
    from opentelemetry.trace import SpanContext, TraceFlags  # noqa: PLC0415 - loaded already

    return SpanContext(place.trace, place.span, is_remote=False, trace_flags=TraceFlags(place.sampled))


def _number(size: int, *identity: str) -> int:
    return int.from_bytes(hashlib.sha256("\0".join(identity).encode("utf-8", "surrogatepass")).digest()[:size]) or 1
