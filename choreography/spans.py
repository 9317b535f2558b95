"""The spans of a function, made by the OpenTelemetry SDK; only `tracing.py` imports this, and only where it is asked.

All of it is set as OpenTelemetry has it: OTEL_EXPORTER_OTLP_ENDPOINT (OTLP over HTTP), OTEL_TRACES_SAMPLER,
OTEL_BSP_SCHEDULE_DELAY, OTEL_RESOURCE_ATTRIBUTES and so on. What is exported at the end of a process is what it had not
exported yet: a process that is killed loses the spans of its last seconds.
"""

import functools
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from http import HTTPStatus

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from choreography import serving
from choreography.settings import measured, settings, traced

NOTABLE_WAIT = 0.05
"""Seconds in the outbox that are a span of their own; less is the way from the commit to the broker."""
WOKEN_FOR = 5.0
"""Seconds after it became ready within which a process counts as woken by what it is asked."""
_W3C = TraceContextTextMapPropagator()
_present_call: ContextVar[SpanContext] = ContextVar("present_call", default=trace.INVALID_SPAN_CONTEXT)
"""The call that is being answered, and not the transaction in it: an event may be sent long after that."""
_caller: ContextVar[SpanContext] = ContextVar("caller", default=trace.INVALID_SPAN_CONTEXT)
"""Who made that call."""
_woken: list[SpanContext] = []
"""The span of this process's start, once it is made."""


@functools.cache
def tracers() -> TracerProvider:
    """What makes the spans of this process and exports them, at the latest when the process ends."""
    made = TracerProvider(resource=Resource.create({"service.name": settings().service}))
    if traced():  # or only durations are wanted
        made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return made


def _tracer() -> Tracer:
    return tracers().get_tracer("choreography")


@contextmanager
def hearing(type_: str, about: Mapping[str, str], traceparent: str, of_call: str) -> Iterator[Span]:
    """See tracing.py. The parent is the delivery, if its caller has traced it, else whoever said the event.

    A caller that traces apart from the event, as a platform may, is linked.
    """
    said, called = _remote(traceparent), _remote(of_call)
    same = called.is_valid and (not said.is_valid or called.trace_id == said.trace_id)
    links = [Link(called)] if called.is_valid and not same else []
    with _call(f"handle {type_}", SpanKind.CONSUMER, called if same else said, links, about) as span:
        yield span


@contextmanager
def answering(method: str, path: str, traceparent: str) -> Iterator[Span]:
    """See tracing.py."""
    about = {"http.request.method": method, "url.path": path}
    with _call(method, SpanKind.SERVER, _remote(traceparent), [], about) as span:
        yield span


@contextmanager
def inside(name: str) -> Iterator[Span]:
    """See tracing.py. Outside of any call it is nothing: housekeeping of a process is not a trace."""
    if not trace.get_current_span().get_span_context().is_valid:
        yield trace.INVALID_SPAN
        return
    with _took("function_part_seconds", part=name), _tracer().start_as_current_span(name) as span:
        yield span


@contextmanager
def _took(metric: str, **labels: str) -> Iterator[None]:
    began = time.monotonic()
    try:
        yield
    finally:
        _measure(metric, time.monotonic() - began, **labels)


def _measure(metric: str, seconds: float, **labels: str) -> None:
    if measured():
        from choreography import measures  # noqa: PLC0415 - not where only traces are wanted

        measures.took(metric, seconds, labels)


def waited(body: bytes) -> None:
    """See tracing.py. A wait that is worth it is a span of its own, before each time that it is sent."""
    event, now = json.loads(body), time.time()
    since = datetime.fromisoformat(event["time"]).timestamp() if event.get("time") else now
    _measure("function_outbox_wait_seconds", max(0.0, now - since), type=event["type"])
    if now - since > NOTABLE_WAIT:
        name, parent = f"wait in the outbox: {event['type']}", _context(_remote(event.get("traceparent", "")))
        waited = _tracer().start_span(name, parent, start_time=_nanoseconds(since))
        waited.end(_nanoseconds(now))


@contextmanager
def sending(event: Mapping[str, object]) -> Iterator[Mapping[str, str]]:
    """See tracing.py. Whoever has it sent now, long after it was said, is linked."""
    said, now = _remote(str(event.get("traceparent", ""))), trace.get_current_span().get_span_context()
    parent = _context(said)
    type_ = str(event["type"])
    links = [Link(now)] if now.is_valid and now.trace_id != said.trace_id else []
    sent = _tracer().start_as_current_span(f"send {type_}", parent, SpanKind.PRODUCER, _of(event), links)
    with _took("function_send_seconds", type=type_), sent:
        headers: dict[str, str] = {}
        _W3C.inject(headers)
        yield headers


def note(attributes: Mapping[str, str | int]) -> None:
    """See tracing.py."""
    span = trace.get_current_span()
    span.set_attributes({name: value for name, value in attributes.items() if value != ""})
    if int(attributes.get("http.response.status_code", 0)) >= HTTPStatus.INTERNAL_SERVER_ERROR:
        span.set_status(StatusCode.ERROR)


def saying(type_: str, traceparent: str) -> str:
    """See tracing.py. An event that belongs to a trace other than that of the present work gets a span there.

    The two are linked, so that each leads to the other.
    """
    cause, now = _remote(traceparent), _present_call.get()
    if now.is_valid and (not cause.is_valid or cause.trace_id == now.trace_id):
        return _written(now)
    links = [Link(now)] if now.is_valid else []
    said = _tracer().start_span(f"say {type_}", _context(cause), SpanKind.PRODUCER, links=links)
    said.end()
    trace.get_current_span().add_link(said.get_span_context())
    return _written(said.get_span_context())


def origin(cause: str) -> str:
    """See tracing.py."""
    said, call = _remote(cause), _present_call.get()
    if said.is_valid and said.trace_id != call.trace_id:
        return _written(said)
    caller = _caller.get()
    return _written(caller if caller.is_valid else call) if call.is_valid else ""


def current() -> str:
    """See tracing.py."""
    now = trace.get_current_span().get_span_context()
    return _written(now) if now.is_valid else ""


@contextmanager
def _call(
    name: str, kind: SpanKind, caller: SpanContext, links: list[Link], about: Mapping[str, str]
) -> Iterator[Span]:
    parent = _context(caller)
    known = [value for value in about.items() if value[1]]
    woken = _wake(parent)
    if woken and _woken[0].trace_id != caller.trace_id:  # it was started by another trace, and this one waited as well
        links = [*links, Link(_woken[0])]
    span_of_call = _tracer().start_as_current_span(name, parent, kind, dict(known), links)
    with _took("function_call_seconds", call=name), span_of_call as span:
        if woken:
            span.set_attribute("faas.coldstart", True)
        present, under = _present_call.set(span.get_span_context()), _caller.set(caller)
        try:
            yield span
        finally:
            _present_call.reset(present)
            _caller.reset(under)


def _wake(parent: Context) -> bool:
    """Whether this process was just woken. Its start is a span beside the first call, which it was for."""
    ready = serving.process.ready
    if ready is None or time.time() - ready > WOKEN_FOR:
        return False
    if not _woken:
        name = f"wake {settings().service}"
        woken = _tracer().start_span(name, parent, start_time=_nanoseconds(serving.process.woken_at))
        woken.end(_nanoseconds(ready))
        _measure("function_cold_start_seconds", ready - serving.process.woken_at)
        _woken.append(woken.get_span_context())
    return True


def _of(event: Mapping[str, object]) -> dict[str, str]:
    """Attributes as OpenTelemetry names them (semantic conventions of CloudEvents)."""
    return {f"cloudevents.event_{name}": str(event[name]) for name in ("id", "source", "type")}


def _remote(traceparent: str) -> SpanContext:
    found = _W3C.extract({"traceparent": traceparent}, Context()) if traceparent else Context()
    return trace.get_current_span(found).get_span_context()


def _context(parent: SpanContext) -> Context:
    return trace.set_span_in_context(NonRecordingSpan(parent), Context()) if parent.is_valid else Context()


def _written(span: SpanContext) -> str:
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}"


def _nanoseconds(moment: float) -> int:
    return int(moment * 1_000_000_000)
