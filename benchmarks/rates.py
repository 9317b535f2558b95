"""How many sagas a second there are for how many clients, and how long a saga takes near the highest rate:

    python -m benchmarks.rates [--clients 1 2 4 8 16 32] [--sagas 300] [--seconds 30] [--result FILE]

Runs the system of `make run` in a folder of its own. First each number of clients places reservations that do not wait
for their ends. Then reservations come at 80 % of the highest rate, each at its moment whether or not those before it
have ended, and the time from POST to ReservationConfirmed is taken.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.broker_away import counted, posted
from benchmarks.table import machine
from benchmarks.whole_saga import add_flight, place_all, times_to_succeed
from testbed.running_system import RunningSystem, eventually, running_system

SHARE, GOAL_MS = 0.8, 500
WARM_UP = 200
Figures = dict[str, Any]


def main() -> None:
    """Prints a line for each number of clients, and one for the steady rate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32])
    parser.add_argument("--sagas", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--result", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running_system(Path(folder), "--window", "1h") as system:
        flight = add_flight(system)
        place_all(system, flight, WARM_UP, max(asked.clients))
        crowds = [crowd(system, flight, clients, asked.sagas) for clients in asked.clients]
        steady = at_a_rate(system, flight, SHARE * max(each["sagas_a_second"] for each in crowds), asked.seconds)
    if asked.result:
        told = {"asked": {"rates": asked.sagas}, "machine": machine(), "clients": crowds, "steady": steady}
        asked.result.write_text(json.dumps(told, indent=1) + "\n", "utf-8")


def crowd(system: RunningSystem, flight: int, clients: int, sagas: int) -> Figures:
    """Clients that have always one more to place."""
    start = time.perf_counter()
    placed = place_all(system, flight, sagas, clients)
    rate = sagas / (time.perf_counter() - start)
    found = {"clients": clients, "sagas_a_second": round(rate, 1), **percentiles(times_to_succeed(system.data, placed))}
    print(
        f"{clients} clients: {rate:.1f} sagas a second, p50 {found['p50_ms']} ms, p99 {found['p99_ms']} ms", flush=True
    )
    return found


def at_a_rate(system: RunningSystem, flight: int, rate: float, seconds: float) -> Figures:
    """As many a second, whatever becomes of them."""
    answers = posted(system, flight, rate, seconds)
    eventually(lambda: answers.placed.keys() <= counted(system.data), "all sagas ended", within=300)
    found = {"sagas_a_second": round(rate, 1), **percentiles(times_to_succeed(system.data, answers.placed))}
    print(f"{rate:.1f} a second, which is {SHARE:.0%} of the highest rate: p50 {found['p50_ms']} ms, ", end="")
    print(f"p99 {found['p99_ms']} ms (goal <= {GOAL_MS}), {len(answers.refused)} refused")
    return found


def percentiles(seconds: Sequence[float]) -> Figures:
    """In milliseconds, of times that are sorted."""
    return {f"p{percent}_ms": round(1e3 * seconds[int(len(seconds) * percent / 100)]) for percent in (50, 99)}


if __name__ == "__main__":
    main()
