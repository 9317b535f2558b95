"""More instances of an HTTP function by CPU, and fewer again: the HorizontalPodAutoscaler that Knative makes.

The load is that of the original: `siege -c20 -t40S`. Instances go again when the window of the function has passed.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from demos import charts, load
from demos.cluster import OF_A_SERVICE
from demos.errors import DemoFailed
from demos.instances import Sample
from demos.kubectl import SERVICE, Namespace
from demos.load import Availability, Load, Target
from demos.running_airline import RunningAirline
from terminal import tables
from terminal.console import plain

FUNCTION, PATH = "flight-seats", "/flights"
RISE_WITHIN = 90.0
"""Seconds after the load: what was measured comes late, and the window of the function has to be over the target."""
QUIET_WITHIN = 600.0
"""Seconds until one instance is left: five minutes if no window is set, and what Kubernetes takes in addition."""


@dataclass(frozen=True)
class Reading:
    """What the autoscalers of the revisions that have the traffic say together: `cpu` is percent of the request, the
    greatest of them; `desired` how many instances they want; `least` how many there are without load."""

    at: float
    replicas: int
    desired: int
    cpu: int | None
    least: int = 1

    @property
    def at_rest(self) -> bool:
        """One instance of each revision, and no more are wanted."""
        return self.replicas == self.desired == self.least


@dataclass(frozen=True)
class Result:
    """How it went; times are seconds since the load began."""

    load: Load
    target: int
    availability: Availability
    readings: list[Reading]
    samples: list[Sample]

    @property
    def least(self) -> int:
        """Instances without load: one for each revision that has a part of the traffic."""
        return self.readings[-1].least

    @property
    def most(self) -> int:
        """The most instances there were."""
        return max(reading.replicas for reading in self.readings)


def run(running: RunningAirline, namespace: Namespace, wanted: Load, say: Callable[[str], None]) -> Result:
    """Raises DemoFailed without such an autoscaler, and if the instances do not become more, and one again."""
    with running.watch() as watch, ThreadPoolExecutor(1) as threads:
        say(f"Waiting until {FUNCTION} is at rest ...")
        _follow(namespace, lambda reading: reading.at_rest)
        began = watch.now
        say(f"{wanted.clients} clients ask for {PATH}, {wanted.seconds} s long ...")
        under_load = threads.submit(load.run, Target(running.url + PATH, running.host), wanted)
        readings = _follow(namespace, lambda _: under_load.done())
        availability = under_load.result()
        say(f"{availability}. Waiting for more instances, and until they are gone again ...")
        if all(reading.desired == reading.least for reading in readings):
            readings += _follow(namespace, lambda now: now.desired > now.least, readings[-1].at, RISE_WITHIN)
        readings += _follow(namespace, lambda reading: reading.at_rest, readings[-1].at)
    samples = [Sample(sample.at - began, sample.instances) for sample in watch.samples if sample.at >= began]
    result = Result(wanted, _target(namespace), availability, readings, samples)
    if result.most == result.least:
        raise DemoFailed(f"{FUNCTION} got no more instances than without load:\n{table(readings)}")
    return result


def as_text(result: Result) -> str:
    """For people."""
    return "\n\n".join(
        [
            charts.chart(result.samples, [FUNCTION]),
            table(result.readings),
            f"{result.availability}.\n"
            f"{FUNCTION} went from {result.least} to {result.most} instances and back; its target is "
            f"{result.target} % cpu.",
        ]
    )


def figures(result: Result) -> dict[str, Any]:
    """For machines; times are seconds."""
    return {
        "function": FUNCTION,
        "targetPercent": result.target,
        "load": asdict(result.load) | asdict(result.availability),
        "mostReplicas": result.most,
        "readings": [asdict(reading) for reading in result.readings],
    }


def table(readings: list[Reading]) -> str:
    headings = ("seconds", "instances", "wanted", "greatest cpu until the next")
    return plain(tables.table(headings, _changes(readings)))


def _changes(readings: list[Reading]) -> Iterator[tuple[object, ...]]:
    """A row for each time the numbers changed."""
    stretch: list[Reading] = []
    for reading in readings:
        if stretch and (reading.replicas, reading.desired) != (stretch[0].replicas, stretch[0].desired):
            yield _stretch(stretch)
            stretch = []
        stretch.append(reading)
    yield _stretch(stretch)


def _stretch(readings: list[Reading]) -> tuple[object, ...]:
    known = [reading.cpu for reading in readings if reading.cpu is not None]
    first = readings[0]
    return round(first.at), first.replicas, first.desired, f"{max(known)} %" if known else None


def _follow(
    namespace: Namespace, until: Callable[[Reading], bool], after: float = 0.0, within: float = QUIET_WITHIN
) -> list[Reading]:
    """The autoscaler's status until then, once a second. Raises DemoFailed after `within` seconds."""
    began = time.monotonic()
    readings: list[Reading] = []
    while not (readings and until(readings[-1])):
        at = time.monotonic() - began
        if at > within:
            raise DemoFailed(f"{FUNCTION} is not where it should be after {at:.0f} s:\n{table(readings)}")
        readings.append(read(autoscalers(namespace), after + at))
        time.sleep(1)
    return readings


def read(of_revisions: list[dict[str, Any]], at: float) -> Reading:
    """What several HorizontalPodAutoscalers say together; a new one has no status yet."""
    said = [one.get("status", {}) for one in of_revisions]
    metrics = [metric for status in said for metric in status.get("currentMetrics") or [] if "resource" in metric]
    cpu = [metric["resource"]["current"].get("averageUtilization") for metric in metrics]
    replicas, desired = (sum(status.get(f"{kind}Replicas", 0) for status in said) for kind in ("current", "desired"))
    return Reading(at, replicas, desired, max((one for one in cpu if one is not None), default=None), len(of_revisions))


def autoscalers(namespace: Namespace) -> list[dict[str, Any]]:
    """Of the revisions that have the traffic. Every other one keeps its own as well, and after a rollback the newest
    revision is one of those. Raises DemoFailed."""
    serving = revisions(namespace.get(SERVICE, FUNCTION))
    every = {one["metadata"]["name"]: one for one in namespace.items("hpa", "-l", f"{OF_A_SERVICE}={FUNCTION}")}
    if missing := [name for name in serving if name not in every]:
        raise DemoFailed(
            f"no HorizontalPodAutoscaler for {', '.join(missing)} in {namespace.name}: the overlay needs components/hpa"
        )
    return [every[name] for name in serving]


def revisions(service: dict[str, Any]) -> list[str]:
    """Those to which Serving sends calls now. Raises DemoFailed where there is none."""
    traffic = service.get("status", {}).get("traffic", [])
    serving = sorted({target["revisionName"] for target in traffic if target.get("percent")})
    if not serving:
        raise DemoFailed(f"no revision of {FUNCTION} has traffic: it is not Ready")
    return serving


def _target(namespace: Namespace) -> int:
    (metric,) = autoscalers(namespace)[0]["spec"]["metrics"]
    return int(metric["resource"]["target"]["averageUtilization"])
