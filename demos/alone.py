"""One reservation while all functions sleep: when each of them was woken, and when it ended."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from client import waiting
from demos import charts, customers
from demos.errors import DemoFailed
from demos.running_airline import RunningAirline
from demos.watching import Watch
from terminal import tables
from terminal.console import plain

PAUSE = 0.05
"""Seconds between two looks at the reservation."""
WIDTH = 50


@dataclass(frozen=True)
class Woken:
    """A function that started: seconds after the first of them, and when it was ready."""

    function: str
    began: float
    ready: float


@dataclass(frozen=True)
class Alone:
    """Seconds from the POST to its answer and to SUCCEED, and who was woken, in the order of their starts."""

    answered_in: float
    ended_in: float
    woken: tuple[Woken, ...]

    @property
    def cold_start(self) -> float | None:
        """The median of their starts."""
        return median(one.ready - one.began for one in self.woken) if self.woken else None


def reserve(running: RunningAirline, watch: Watch, flight: int) -> Alone:
    """Places one reservation and waits for its end. Raises Broken without one, DemoFailed unless SUCCEED."""
    airline, asleep = running.connect(), watch.now
    before = {one.name for one in watch.instances()}
    placed = customers.place(airline, flight, 1)
    status = waiting.outcome(airline, placed.reservation, customers.ENDS_WITHIN, PAUSE)["status"]
    ended_in = time.monotonic() - placed.sent
    if status != "SUCCEED":
        raise DemoFailed(f"{placed.reservation} is {status}, though there are seats")
    customers.steps(airline, placed.reservation)  # the dashboard has heard everything: who is needed has been woken
    seen = watch.now
    watch.until(lambda sample: sample.at > seen, "another look at the instances", 60)
    fresh = [one for one in watch.instances(asleep) if one.name not in before]
    known = [(one.function, one.began, one.started_in) for one in fresh]
    first = min((began for _, began, _ in known if began is not None), default=0.0)
    woken = [
        Woken(name, round(began - first, 3), round(began - first + took, 3))
        for name, began, took in known
        if began is not None and took is not None
    ]
    return Alone(placed.answered_in, ended_in, tuple(sorted(woken, key=lambda one: one.began)))


def as_text(ways: Mapping[str, Alone]) -> str:
    """For people: how long it took in each of these ways, and a picture of who woke when."""
    rows = [
        (name, charts.seconds(one.answered_in), charts.seconds(one.ended_in), charts.seconds(one.cold_start))
        for name, one in ways.items()
    ]
    table = tables.table(("", "POST to answer", "POST to its end", "one start (median)"), rows)
    pictures = [f"{name}; seconds after the first start\n{picture(one)}" for name, one in ways.items() if one.woken]
    return "\n\n".join([plain(table), *pictures])


def figures(one: Alone) -> dict[str, Any]:
    """For machines; times are seconds."""
    return {
        "postToAnswer": round(one.answered_in, 3),
        "postToEnd": round(one.ended_in, 3),
        "woken": [asdict(each) for each in one.woken],
    }


def picture(one: Alone) -> str:
    """A line for each function, from its start to its readiness."""
    length = max(each.ready for each in one.woken) or 1
    names = max(len(each.function) for each in one.woken)
    lines = []
    for each in one.woken:
        begin, end = (round(moment / length * WIDTH) for moment in (each.began, each.ready))
        bar = ("." * begin + "+" * max(1, end - begin)).ljust(WIDTH + 1)
        lines.append(f"{each.function:{names}}  {bar}  {each.began:.2f} to {each.ready:.2f} s")
    return "\n".join(lines)
