"""A receiver of OpenTelemetry over HTTP (OTLP 1.x, binary protobuf), and what a test asks about what came."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from testbed.listening import Quiet, listening

LAST = "handle ReservationConfirmed"
"""What the dashboard does with the last event of a saga that succeeds."""
ROAD = {
    "gateway": {"POST"},
    "reserve": {"POST", "send ReservationPlaced"},
    "decrease-seats": {"handle ReservationPlaced"},
    "charge-payment": {"handle RemainingSeatsDecreased", "ask outside: charge"},
    "confirm-reservation": {"handle Paid"},
    "project-dashboard": {"handle ReservationPlaced", LAST},
}
"""Some spans of each service on the road to success."""


@dataclass(frozen=True)
class Span:
    """One span as it came; ids in hexadecimal, `parent` empty for a root, `links` the traces it points to."""

    trace: str
    id: str
    parent: str
    service: str
    name: str
    start: float
    end: float
    failed: bool
    links: tuple[tuple[str, str], ...]
    attributes: dict[str, Any]

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.end - self.start


@dataclass
class TelemetryReceiver:
    """`url` is for OTEL_EXPORTER_OTLP_ENDPOINT."""

    url: str = ""
    spans: list[Span] = field(default_factory=list)
    metrics: dict[str, list[Any]] = field(default_factory=dict)
    """By name, the data points as they came."""

    def hear(self, path: str, body: bytes) -> int:
        """The status for one request."""
        if path == "/v1/traces":
            self.spans.extend(_spans(ExportTraceServiceRequest.FromString(body)))
            return 200
        if path == "/v1/metrics":
            for name, points in _points(ExportMetricsServiceRequest.FromString(body)):
                self.metrics.setdefault(name, []).extend(points)
            return 200
        return 404

    def trace_of(self, name: str, **attributes: str) -> list[Span]:
        """All spans of the one trace that has spans of this name with these attributes; empty while there is none."""
        came = list(self.spans)
        found = {span.trace for span in came if span.name == name and attributes.items() <= span.attributes.items()}
        assert len(found) <= 1, f"{name} {attributes} is in {len(found)} traces"
        return [span for span in came if span.trace in found]


def roots(trace: list[Span]) -> list[Span]:
    """The spans whose parent is not in the trace: one, where it is one connected tree."""
    known = {span.id for span in trace}
    return [span for span in trace if span.parent not in known]


@contextmanager
def telemetry_receiver(address: str = "127.0.0.1") -> Iterator[TelemetryReceiver]:
    """Runs one on a free port of that address."""

    class Collector(Quiet, BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers["Content-Encoding"] == "gzip":
                body = gzip.decompress(body)
            self.send_response(receiver.hear(self.path, body))
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

    receiver = TelemetryReceiver()
    with listening(Collector, address) as url:
        receiver.url = url
        yield receiver


def _spans(request: ExportTraceServiceRequest) -> Iterator[Span]:
    for resource in request.resource_spans:
        service = _values(resource.resource.attributes).get("service.name", "")
        for span in (span for scope in resource.scope_spans for span in scope.spans):
            yield Span(
                trace=span.trace_id.hex(),
                id=span.span_id.hex(),
                parent=span.parent_span_id.hex(),
                service=service,
                name=span.name,
                start=span.start_time_unix_nano / 1e9,
                end=span.end_time_unix_nano / 1e9,
                failed=span.status.code == 2,
                links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
                attributes=_values(span.attributes),
            )


def _points(request: ExportMetricsServiceRequest) -> Iterator[tuple[str, list[Any]]]:
    for resource in request.resource_metrics:
        for metric in (metric for scope in resource.scope_metrics for metric in scope.metrics):
            kind = metric.WhichOneof("data")
            assert kind is not None
            yield metric.name, list(getattr(metric, kind).data_points)


def _values(attributes: Any) -> dict[str, Any]:
    found = ((each.key, each.value, each.value.WhichOneof("value")) for each in attributes)
    return {key: getattr(value, kind) for key, value, kind in found if kind}
