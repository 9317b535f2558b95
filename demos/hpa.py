"""More instances of an HTTP function by CPU, and fewer again: the HorizontalPodAutoscaler that Knative makes.

The load is that of the original: `siege -c20 -t40S`. Instances go again when the window of the function has passed.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from demos import drawing, load
from demos.cluster import OF_A_SERVICE
from demos.errors import DemoFailed
from demos.instances import Sample
from demos.kubectl import Namespace
from demos.load import Availability, Load, Target
from demos.place import Place

FUNCTION, PATH = "flight-seats", "/flights"
RISE_WITHIN = 90.0
"""Seconds after the load: what was measured comes late, and the window of the function has to be over the target."""
QUIET_WITHIN = 600.0
"""Seconds until one instance is left: five minutes where no window is set, and what Kubernetes takes besides."""


@dataclass(frozen=True)
class Reading:
    """What the autoscaler says: `cpu` is percent of the request, `desired` how many instances it wants."""

    at: float
    replicas: int
    desired: int
    cpu: int | None


@dataclass(frozen=True)
class Course:
    """How it went; times are seconds since the load began."""

    load: Load
    target: int
    availability: Availability
    readings: list[Reading]
    samples: list[Sample]

    @property
    def most(self) -> int:
        """The most instances there were."""
        return max(reading.replicas for reading in self.readings)


def run(place: Place, namespace: Namespace, wanted: Load, say: Callable[[str], None]) -> Course:
    """Raises DemoFailed without such an autoscaler, and if the instances do not become more, and one again."""
    with place.watch() as watch, ThreadPoolExecutor(1) as threads:
        say(f"Waiting until one instance of {FUNCTION} is there ...")
        _follow(namespace, lambda reading: reading.replicas == reading.desired == 1)
        began = watch.now
        say(f"{wanted.clients} clients ask for {PATH}, {wanted.seconds} s long ...")
        under_load = threads.submit(load.run, Target(place.url + PATH, place.host), wanted)
        readings = _follow(namespace, lambda _: under_load.done())
        availability = under_load.result()
        say(f"{availability}. Waiting for more instances, and until one is left ...")
        if all(reading.desired == 1 for reading in readings):
            readings += _follow(namespace, lambda reading: reading.desired > 1, readings[-1].at, RISE_WITHIN)
        readings += _follow(namespace, lambda reading: reading.replicas == reading.desired == 1, readings[-1].at)
    samples = [Sample(sample.at - began, sample.instances) for sample in watch.samples if sample.at >= began]
    course = Course(wanted, _target(namespace), availability, readings, samples)
    if course.most == 1:
        raise DemoFailed(f"{FUNCTION} stayed at one instance: {table(readings)}")
    return course


def told(course: Course) -> str:
    """For people."""
    return "\n\n".join(
        [
            drawing.chart(course.samples, [FUNCTION]),
            table(course.readings),
            f"{course.availability}.\n"
            f"{FUNCTION} went from 1 instance to {course.most} and back to 1; its target is {course.target} % cpu.",
        ]
    )


def figures(course: Course) -> dict[str, Any]:
    """For machines; times are seconds."""
    return {
        "function": FUNCTION,
        "targetPercent": course.target,
        "load": asdict(course.load) | asdict(course.availability),
        "mostReplicas": course.most,
        "readings": [asdict(reading) for reading in course.readings],
    }


def table(readings: list[Reading]) -> str:
    headings = ("seconds", "instances", "wanted", "greatest cpu until the next")
    return drawing.table(headings, _changes(readings))


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
    """What the autoscaler said until then, once a second. Raises DemoFailed after `within` seconds."""
    began = time.monotonic()
    readings: list[Reading] = []
    while not (readings and until(readings[-1])):
        at = time.monotonic() - began
        if at > within:
            raise DemoFailed(f"{FUNCTION} is not where it should be after {at:.0f} s:\n{table(readings)}")
        readings.append(read(_autoscaler(namespace), after + at))
        time.sleep(1)
    return readings


def read(autoscaler: dict[str, Any], at: float) -> Reading:
    """The status of a HorizontalPodAutoscaler; a new one has none yet."""
    status = autoscaler.get("status", {})
    used = [metric["resource"]["current"] for metric in status.get("currentMetrics") or [] if "resource" in metric]
    cpu = next((current.get("averageUtilization") for current in used), None)
    return Reading(at, status.get("currentReplicas", 0), status.get("desiredReplicas", 0), cpu)


def _autoscaler(namespace: Namespace) -> dict[str, Any]:
    """Of the newest revision: an older one keeps its own as long as it can be routed to."""
    found = namespace.items("hpa", "-l", f"{OF_A_SERVICE}={FUNCTION}")
    if not found:
        raise DemoFailed(
            f"no HorizontalPodAutoscaler for {FUNCTION} in {namespace.name}: its overlay needs components/hpa"
        )
    newest: dict[str, Any] = max(found, key=lambda one: one["metadata"]["creationTimestamp"])
    return newest


def _target(namespace: Namespace) -> int:
    (metric,) = _autoscaler(namespace)["spec"]["metrics"]
    return int(metric["resource"]["target"]["averageUtilization"])
