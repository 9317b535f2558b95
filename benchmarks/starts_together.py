"""What waking ahead can reach at best on a cluster: python -m benchmarks.starts_together [--rounds 3]

In each round everything sleeps three times, and then one function of a saga is called, all of them at the same moment,
or one reservation is placed. Nobody can wake the functions of a saga sooner than all at once, so no saga ends before
the second of these. The CPU is of this whole machine, less what it takes when nothing happens: of the node, where it
runs there.

The airline in AIRLINE_NAMESPACE (airline) of KUBECONFIG; to be run where the names of Services resolve.
"""

import argparse
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median

import psutil
import requests

from demos import alone, cluster, customers
from demos.instances import Sample
from demos.kubectl import Namespace
from demos.running_airline import RunningAirline
from demos.watching import Watch

NAMESPACE = os.environ.get("AIRLINE_NAMESPACE", "airline")
SAGA = ("reserve", "decrease-seats", "charge-payment", "confirm-reservation", "project-dashboard")
"""Whom a reservation wakes that succeeds; the last one hears every event."""
GOAL = 2.0
QUIET = 5.0
"""Seconds in which nothing happens, to see what the cluster itself takes."""
SLEEP_WITHIN = 300.0


@dataclass(frozen=True)
class Start:
    """Seconds until everybody had answered, and the seconds of CPU that it took."""

    seconds: float
    cpu: float


def main() -> None:
    """Prints the medians of the three, and what one cold start makes of the other two."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    running = cluster.opened(Namespace(NAMESPACE))
    flight = customers.add_flight(running.connect(), rounds)
    ways: dict[str, Callable[[Watch], float]] = {
        "one function": lambda _: called(SAGA[:1]),
        f"{len(SAGA)} functions at once": lambda _: called(SAGA),
        "one reservation": lambda watch: alone.reserve(running, watch, flight).ended_in,
    }
    taken: dict[str, list[Start]] = {name: [] for name in ways}
    with running.watch() as watch:
        for _ in range(rounds):
            for name, way in ways.items():
                taken[name].append(from_zero(running, watch, way))
    one = median(start.seconds for start in taken["one function"])
    for name, starts in taken.items():
        whole, cpu = median(start.seconds for start in starts), median(start.cpu for start in starts)
        print(f"{name:24} {whole:5.2f} s = {whole / one:.2f} cold starts, {cpu:.2f} s of CPU", end="; ")
        print(", ".join(f"{start.seconds:.2f} s" for start in starts))
    print(f"goal for one reservation: <= {GOAL} cold starts; this machine has {psutil.cpu_count()} cores")


def called(names: Sequence[str]) -> float:
    """Seconds until each of them has answered a GET that changes nothing."""
    begun = time.monotonic()
    with ThreadPoolExecutor(len(names)) as callers:
        for answer in callers.map(lambda name: requests.get(address(name), timeout=60), names):
            assert answer.status_code < 500, answer.text
    return time.monotonic() - begun


def address(name: str) -> str:
    """Of a Service inside the cluster."""
    return f"http://{name}.{NAMESPACE}.svc.cluster.local/healthz"


def from_zero(running: RunningAirline, watch: Watch, way: Callable[[Watch], float]) -> Start:
    """One of the ways, when all instances are gone."""
    watch.until(lambda sample: not _left(sample, running), "no pod is left", SLEEP_WITHIN)
    began = busy()
    time.sleep(QUIET)
    idle = (busy() - began) / QUIET
    began = busy()
    seconds = way(watch)
    return Start(seconds, busy() - began - idle * seconds)


def busy() -> float:
    """Seconds of CPU that this machine has spent since it started."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq + times.steal)


def _left(sample: Sample, running: RunningAirline) -> set[str]:
    return {one.function for one in sample.instances} & running.sleepers


if __name__ == "__main__":
    main()
