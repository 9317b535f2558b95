"""What the broker counts, as Prometheus reads it (`GET /metrics`, text format). Counters begin at 0 at each start.

An event type is a label, and strangers choose types: of more than MOST_TYPES the rest is counted as one, `other`.
"""

import time
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import Metric

    from broker.embedded.subscription import Subscription

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0)
"""Seconds; 20 is what a delivery may take."""
MOST_TYPES = 100
OTHER = "other"
_GAUGES = {
    "backlog": ("broker_trigger_backlog", "Events that wait for this Trigger or are under way."),
    "inFlight": (
        "broker_trigger_in_flight",
        "Events that are under way to its subscriber, or wait for a retry.",
    ),
    "kept": ("broker_trigger_kept", "Events that neither the subscriber nor the dead-letter sink took."),
}
_COUNTERS = {
    "delivered": ("broker_trigger_delivered", "Events that the subscriber took."),
    "retries": ("broker_trigger_retries", "Attempts that failed and were followed by another one."),
    "deadLettered": ("broker_trigger_dead_lettered", "Events that the dead-letter sink took."),
}


@dataclass
class Durations:
    """How long attempts took: how many within each of BOUNDS and beyond, and the sum in seconds."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    sum: float = 0.0

    def add(self, seconds: float) -> None:
        """One more."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.sum += seconds


@dataclass
class Types:
    """How many events of each type were accepted."""

    counts: dict[str, int] = field(default_factory=dict)

    def add(self, type_: str) -> None:
        """One more."""
        name = type_ if type_ in self.counts or len(self.counts) < MOST_TYPES else OTHER
        self.counts[name] = self.counts.get(name, 0) + 1


def exposition(
    subscriptions: Iterable["Subscription"], oldest: Mapping[int, float], types: Types, stored: int
) -> bytes:
    """The text. `oldest`: by Trigger id, when the oldest event that it waits for came, seconds since 1970."""
    from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415 - only where somebody asks

    made = list(_families(list(subscriptions), oldest, types, stored))

    class Made:
        def collect(self) -> Iterable["Metric"]:
            return made

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Made())
    return generate_latest(registry)


def _families(
    subscriptions: list["Subscription"], oldest: Mapping[int, float], types: Types, stored: int
) -> Iterable["Metric"]:
    from prometheus_client.core import CounterMetricFamily as Counter  # noqa: PLC0415 - as above
    from prometheus_client.core import GaugeMetricFamily as Gauge  # noqa: PLC0415 - as above
    from prometheus_client.core import HistogramMetricFamily as Histogram  # noqa: PLC0415 - as above

    labels, now = ("trigger", "subscriber"), time.time()
    yield Gauge("broker_events_stored", "Events in the log, those that are over included.", stored)
    accepted = Counter("broker_events_accepted", "Events that the broker took, replies included.", labels=("type",))
    for type_, count in types.counts.items():
        accepted.add_metric((type_,), count)
    yield accepted
    figures = [(each.labels, each.figures()) for each in subscriptions]
    for name, (metric, about) in (_GAUGES | _COUNTERS).items():
        family = (Gauge if name in _GAUGES else Counter)(metric, about, labels=labels)
        for label, found in figures:
            family.add_metric(label, found[name])
        yield family
    age = Gauge("broker_trigger_backlog_age_seconds", "How long the oldest event has waited; 0: none.", labels=labels)
    took = Histogram("broker_attempt_seconds", "How long calls of the subscriber took, failed ones too.", labels=labels)
    for each in subscriptions:
        age.add_metric(each.labels, max(0.0, now - oldest.get(each.trigger_id, now)))
        bounds = [*map(str, BOUNDS), "+Inf"]
        counts = accumulate(each.durations.counts)
        took.add_metric(each.labels, list(zip(bounds, counts, strict=True)), each.durations.sum)
    yield from (age, took)
