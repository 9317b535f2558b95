"""Metrics by OTLP (OpenTelemetry SDK): how long things took, and the figures of figures.py. Loaded only if asked for.

They are exported every minute (OTEL_METRIC_EXPORT_INTERVAL) and at the end of a process, which a function that falls
asleep reaches.
"""

import functools
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import Histogram, Meter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from choreography.settings import settings

if TYPE_CHECKING:
    from choreography.figures import Figure

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0)
"""Seconds; 20 is what a delivery may take."""


@functools.cache
def meters() -> MeterProvider:
    """What measures in this process."""
    resource = Resource.create({"service.name": settings().service})
    return MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())], resource)


def took(name: str, seconds: float, labels: Mapping[str, str]) -> None:
    """Something took that long; the metric is named in the words of Prometheus (`function_call_seconds`)."""
    _histogram(name).record(seconds, {"function": settings().service, **labels})


def tell(found: Iterable["Figure"]) -> None:
    """Sets a gauge to each of the figures, and exports them at once: the next tick may be of another process."""
    for figure in found:
        _meter().create_gauge(figure.name, description=figure.about).set(figure.value, dict(figure.labels))
    meters().force_flush()


def _meter() -> Meter:
    return meters().get_meter("choreography")


@functools.cache
def _histogram(name: str) -> Histogram:
    return _meter().create_histogram(name, explicit_bucket_boundaries_advisory=BOUNDS)
