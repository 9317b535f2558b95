"""Charts and figures as plain text, for a terminal and a file alike; tables are those of the room terminal."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from demos.instances import Sample, State

COLUMNS = 80
"""Of a chart, at most, without the names."""
TICK = 10
"""Columns from one number of the axis to the next."""
LEGEND = "digits: instances that are ready;  +  starting;  ~  leaving;  .  asleep"

_SIGNS: tuple[tuple[State, str], ...] = (("starting", "+"), ("leaving", "~"))


def chart(samples: Sequence[Sample], functions: Sequence[str]) -> str:
    """Instances over time: a line for each function, a column for some seconds each, and what a column means."""
    step = _step(samples[-1].at if samples else 0)
    columns: list[list[Sample]] = [[] for _ in range(int(samples[-1].at / step) + 1)] if samples else []
    for sample in samples:
        columns[int(sample.at / step)].append(sample)
    width = max(map(len, (*functions, "seconds")))
    lines = [f"{function.ljust(width)}  {_line(columns, function)}" for function in functions]
    ticks = "".join(f"{number * step:<{TICK}g}" for number in range(0, len(columns), TICK))
    return "\n".join([*lines, f"{'seconds'.ljust(width)}  {ticks}".rstrip(), f"{''.ljust(width)}  {LEGEND}"])


def functions_seen(samples: Iterable[Sample]) -> list[str]:
    """The functions that had an instance, in the order in which they came."""
    return list(dict.fromkeys(found.function for sample in samples for found in sample.instances))


def seconds(value: float | None) -> str:
    """Two decimal places are what a demo can measure."""
    return "" if value is None else f"{value:.2f} s"


def spread(values: Sequence[float]) -> Mapping[str, float]:
    """least, median, greatest of what was measured; nothing where nothing was."""
    if not values:
        return {}
    return {"least": round(min(values), 3), "median": round(median(values), 3), "greatest": round(max(values), 3)}


def _step(length: float) -> float:
    """Seconds a column: the least of 0.5, 1, 2, 5, 10, ... with which the chart fits."""
    step, factors = 0.5, (2.0, 2.0, 2.5)
    turn = 0
    while length / step >= COLUMNS:
        step *= factors[turn % len(factors)]
        turn += 1
    return step


def _line(columns: Sequence[Sequence[Sample]], function: str) -> str:
    drawn, before = "", "."
    for column in columns:
        before = _sign(column, function) if column else before  # nobody looked in these seconds
        drawn += before
    return drawn


def _sign(column: Sequence[Sample], function: str) -> str:
    ready = max(sample.count(function, "ready") for sample in column)
    if ready:
        return str(min(ready, 9))
    for state, sign in _SIGNS:
        if any(sample.count(function, state) for sample in column):
            return sign
    return "."
