"""What a laptop measures, as Prometheus reads it: who is awake, what the broker counts, what functions left behind.

Functions that sleep cannot be asked: those that have figures to tell write them into files (the folder `metrics` of the
data folder, text format), as for the textfile collector of Prometheus' node_exporter. Nothing here wakes anybody.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families

from laptop.data_folder import read_state

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
FOLDER = "metrics"
_AWAKE = ("awake", "stopping")


def exposition(data: Path, of_broker: bytes) -> bytes:
    """The text of everything: `of_broker` is what the broker answers to the same question."""
    state = read_state(data) or {"services": {}}
    left = sorted((data / FOLDER).glob("*.prom"))
    own = _text([*_families(state["services"]), _written_at(left)])
    return b"".join([own, of_broker, _merged(left)])


def _text(made: list[Metric]) -> bytes:
    registry = CollectorRegistry(auto_describe=False)

    class Made:
        def collect(self) -> Iterable[Metric]:
            return made

    registry.register(Made())
    return generate_latest(registry)


def _families(services: Mapping[str, Any]) -> Iterable[Metric]:
    labels = ("function",)
    awake = GaugeMetricFamily("laptop_function_awake", "1 while it has a process that answers.", labels=labels)
    starts = CounterMetricFamily("laptop_function_starts", "Processes that were started for it.", labels=labels)
    crashes = CounterMetricFamily(
        "laptop_function_crashes", "Processes that ended by themselves or did not become ready.", labels=labels
    )
    cold = GaugeMetricFamily(
        "laptop_function_last_cold_start_seconds", "From the call that woke it until it was ready.", labels=labels
    )
    for name, service in services.items():
        awake.add_metric((name,), service["state"] in _AWAKE)
        starts.add_metric((name,), service["starts"])
        crashes.add_metric((name,), service["crashes"])
        if service["coldStarts"]:
            cold.add_metric((name,), service["coldStarts"][-1])
    yield from (awake, starts, crashes, cold)


def _written_at(left: list[Path]) -> Metric:
    about = "When a function last left its figures behind."
    family = GaugeMetricFamily("laptop_figures_timestamp_seconds", about, labels=("function",))
    for path in left:
        family.add_metric((path.stem,), path.stat().st_mtime)
    return family


def _merged(left: list[Path]) -> bytes:
    """The files as one text: each metric once, as the format asks, whichever functions have it."""
    families: dict[str, Metric] = {}
    for path in left:
        for family in text_string_to_metric_families(path.read_text("utf-8")):
            known = families.setdefault(family.name, family)
            if known is not family:
                known.samples.extend(family.samples)
    return _text(list(families.values()))
