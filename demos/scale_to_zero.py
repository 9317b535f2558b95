"""All functions asleep: one reservation, then a burst of them, everything answered and right, and asleep again.

The burst is larger than the flight: those who come too late must be refused, and no seat may be sold twice. Afterwards
a few reservations one after the other show what the same steps take when the functions are awake.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from client.gateway import Airline
from demos import alone, charts, checks, customers
from demos.alone import Alone
from demos.charts import spread
from demos.customers import Ended, Placed, Step
from demos.definition import DEFINITION
from demos.instances import Instance, Sample
from demos.running_airline import RunningAirline
from terminal import tables
from terminal.console import plain

SLEEP_WITHIN: float = DEFINITION["sleepWithin"]
"""Seconds: the windows of two functions in a row, and housekeeping wakes its own every five minutes."""
WARM: int = DEFINITION["oneByOne"]
"""Reservations one after the other, for comparison."""


@dataclass(frozen=True)
class Burst:
    """How many customers come at once, and how many seats there are for them."""

    customers: int = DEFINITION["customers"]
    seats: int = DEFINITION["seats"]


@dataclass(frozen=True)
class Sagas:
    """Reservations of one kind, and each step of their sagas."""

    placed: list[Placed]
    ended: list[Ended]
    steps: list[Step]


@dataclass(frozen=True)
class Result:
    """How it went. `instances`: those that the calls woke; `asleep_after`: seconds since the last call."""

    burst: Burst
    alone: Alone
    cold: Sagas
    warm: Sagas
    statuses: Counter[str]
    laws: list[str]
    samples: list[Sample]
    instances: list[Instance]
    asleep_after: float


def run(running: RunningAirline, burst: Burst, say: Callable[[str], None]) -> Result:
    """Raises DemoFailed, or an error of the command line, where the airline does not do what it should."""
    airline = running.connect()
    with running.watch() as watch:
        flight, spare = customers.add_flight(airline, burst.seats), customers.add_flight(airline, WARM + 1)
        letters = checks.open_letters(airline)
        say("Waiting until all functions are asleep ...")
        watch.until_asleep(running.sleepers, SLEEP_WITHIN)
        say("Asleep. One customer wants a seat ...")
        single = alone.reserve(running, watch, spare)
        say(f"It is SUCCEED after {single.ended_in:.2f} s. Waiting until all functions are asleep ...")
        began = watch.until_asleep(running.sleepers, SLEEP_WITHIN).at
        say(f"Asleep. {burst.customers} customers want a seat at the same moment, there are {burst.seats} ...")
        cold = _burst(running, airline, flight, burst.customers)
        warm = _one_by_one(airline, spare)
        placed, sold = [one.reservation for one in cold.placed], min(burst.seats, burst.customers)
        statuses = checks.check_flight(airline, flight, burst.seats, placed, sold)
        laws = checks.check_laws(airline)
        checks.check_letters(airline, letters)
        called = watch.now
        say("All have ended, all laws hold. Waiting until all functions are asleep again ...")
        asleep_after = watch.until_asleep(running.sleepers, SLEEP_WITHIN).at - called
    samples = [Sample(sample.at - began, sample.instances) for sample in watch.samples if sample.at >= began]
    leaving = {one.name for one in samples[0].instances}
    woken = [one for one in watch.instances(began) if one.name not in leaving]
    return Result(burst, single, cold, warm, statuses, laws, samples, woken, asleep_after)


def one_alone(running: RunningAirline) -> Alone:
    """One reservation from everything asleep, and nothing else. Raises as `run` does."""
    flight = customers.add_flight(running.connect(), 1)
    with running.watch() as watch:
        watch.until_asleep(running.sleepers, SLEEP_WITHIN)
        return alone.reserve(running, watch, flight)


def as_text(result: Result) -> str:
    """For people."""
    shown = sorted(charts.functions_seen(result.samples))
    return "\n\n".join(
        [
            alone.as_text({"one reservation, functions asleep": result.alone}),
            charts.chart(result.samples, shown),
            _answers({"burst, functions asleep": result.cold, "one by one, awake": result.warm}),
            _steps_table(result),
            _starts_table(result.instances),
            f"Of {result.burst.customers} reservations {_listed(result.statuses)}: none lost, none doubled. "
            f"All {len(result.laws)} laws hold, no dead letter.\n"
            f"All functions were asleep again {result.asleep_after:.0f} s after the last call.",
        ]
    )


def figures(result: Result) -> dict[str, Any]:
    """For machines; times are seconds."""
    return {
        "customers": result.burst.customers,
        "seats": result.burst.seats,
        "alone": alone.figures(result.alone),
        "ended": dict(result.statuses),
        "laws": result.laws,
        "asleepAfter": round(result.asleep_after, 1),
        "burst": _times(result.cold),
        "oneByOne": _times(result.warm),
        "starts": {function: spread(times) for function, times in _starts(result.instances).items()},
        "samples": [asdict(sample) for sample in result.samples],
    }


def _burst(running: RunningAirline, airline: Airline, flight: int, size: int) -> Sagas:
    placed = customers.burst(running, flight, size)
    ended = customers.await_ends(airline, flight, placed)
    return Sagas(placed, ended, _steps(airline, ended))


def _one_by_one(airline: Airline, flight: int) -> Sagas:
    placed, ended = [], []
    for customer in range(1, WARM + 1):
        placed.append(customers.place(airline, flight, customer))
        ended += customers.await_ends(airline, flight, placed[-1:])
    return Sagas(placed, ended, _steps(airline, ended))


def _steps(airline: Airline, ended: Iterable[Ended]) -> list[Step]:
    return [step for one in ended for step in customers.steps(airline, one.reservation)]


def _answers(kinds: dict[str, Sagas]) -> str:
    headings = ("reservations", "", "POST to answer", "slowest", "POST to its end", "slowest")
    rows = []
    for name, kind in kinds.items():
        times = _times(kind)
        answer, end = times["postToAnswer"], times["postToEnd"]
        pairs = (answer["median"], answer["greatest"], end["median"], end["greatest"])
        rows.append((name, len(kind.placed), *map(charts.seconds, pairs)))
    return plain(tables.table(headings, rows))


def _steps_table(result: Result) -> str:
    cold, warm = _by_step(result.cold.steps), _by_step(result.warm.steps)
    rows = [
        (function, event, len(times), *map(charts.seconds, (spread(times)["median"], max(times))),
         charts.seconds(spread(warm.get((function, event), [])).get("median")))
        for (function, event), times in cold.items()
    ]  # fmt: skip
    return plain(tables.table(("function", "said", "", "after its cause", "slowest", "awake (median)"), rows))


def _starts_table(instances: Sequence[Instance]) -> str:
    rows = [
        (function, len(times), *(charts.seconds(spread(times).get(name)) for name in ("least", "median", "greatest")))
        for function, times in _starts(instances).items()
    ]
    return plain(tables.table(("function", "starts", "fastest", "median", "slowest"), rows))


def _times(kind: Sagas) -> dict[str, Any]:
    return {
        "postToAnswer": spread([one.answered_in for one in kind.placed]),
        "postToEnd": spread([one.ended_in for one in kind.ended]),
        "steps": {event: spread(times) for (_, event), times in _by_step(kind.steps).items()},
    }


def _by_step(steps: Iterable[Step]) -> dict[tuple[str, str], list[float]]:
    taken: dict[tuple[str, str], list[float]] = defaultdict(list)
    for step in steps:
        if step.after is not None:
            taken[step.function, step.event].append(step.after)
    return taken


def _starts(instances: Iterable[Instance]) -> dict[str, list[float]]:
    taken: dict[str, list[float]] = defaultdict(list)
    for instance in sorted(instances, key=lambda one: one.function):
        if instance.started_in is not None:
            taken[instance.function].append(instance.started_in)
    return taken


def _listed(statuses: Counter[str]) -> str:
    return ", ".join(f"{count} {status}" for status, count in sorted(statuses.items(), reverse=True))
