"""A reservation against sleeping functions, each woken by its own event or all ahead: python -m benchmarks.wake_ahead

Two airlines of `make run` take turns, one with WAKE_AHEAD "0". In each round everything sleeps, one POST comes, and the
time until the reservation is SUCCEED is read from reserve's database, which wakes nobody. The unit is one cold start:
the time of that POST itself where nobody is woken ahead. Pictures show when each function started and was ready.

The first function of a wave pays for the imports of all (laptop/forkserver.py). With --no-fork each pays for its own,
as in containers on two cores.
"""

import argparse
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median

import requests

from benchmarks.whole_saga import add_flight
from testbed.running_system import RunningSystem, eventually, running_system

GOAL = 1.7
WINDOW = "3s"
WIDTH = 60


@dataclass(frozen=True)
class Round:
    """One reservation from everything asleep; seconds since its POST. `wakings`: start and readiness of functions."""

    answered: float
    succeeded: float
    wakings: Mapping[str, tuple[float, float]]


def main() -> None:
    """Prints the medians of both ways, their ratio to one cold start, and a picture of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--no-fork", action="store_true")
    asked = parser.parse_args()
    rounds, options = asked.rounds, ["--no-fork"] if asked.no_fork else []
    with ExitStack() as opened:
        systems = [opened.enter_context(airline(*setting, *options)) for setting in (("--set", "WAKE_AHEAD=0"), ())]
        flights = [add_flight(system) for system in systems]
        results = list(zip(*(tuple(map(one_round, systems, flights)) for _ in range(rounds)), strict=True))
    alone = median(one.answered for one in results[0])
    print(f"one cold start, POST to answer: {alone:.2f} s")
    for name, taken in zip(("when needed", "ahead"), results, strict=True):
        whole = median(one.succeeded for one in taken)
        print(f"woken {name}: POST to answer {median(one.answered for one in taken):.2f} s,", end=" ")
        print(f"to SUCCEED {whole:.2f} s = {whole / alone:.2f} cold starts (goal ahead <= {GOAL})")
        print(picture(sorted(taken, key=lambda one: one.succeeded)[len(taken) // 2]))


@contextmanager
def airline(*options: str) -> Iterator[RunningSystem]:
    """The system of `make run` whose functions soon fall asleep."""
    with tempfile.TemporaryDirectory() as folder, running_system(Path(folder), "--window", WINDOW, *options) as system:
        yield system


def one_round(system: RunningSystem, flight: int) -> Round:
    """Waits until everything sleeps, then reserves a seat."""
    eventually(lambda: asleep(system), "everything sleeps", within=60, pause=0.2)
    wish = {"customerId": 1, "flightId": flight, "seatQty": 1}
    began, at = time.monotonic(), time.time()
    answer = requests.post(f"{system.gateway}/reservations", json=wish, timeout=60)
    answered = time.monotonic() - began
    answer.raise_for_status()
    identity = str(answer.json()["reservationId"])
    eventually(lambda: status(system.data, identity) == "SUCCEED", "it succeeds", within=60, pause=0.005)
    succeeded = time.monotonic() - began
    eventually(lambda: asleep(system), "everything sleeps", within=60, pause=0.2)
    return Round(answered, succeeded, wakings(system, at))


def asleep(system: RunningSystem) -> bool:
    """Whether no function has a process, and nothing is there to fork one from."""
    state = system.state
    return state["forkServerPid"] is None and all(each["state"] == "asleep" for each in state["services"].values())


def status(data: Path, identity: str) -> str:
    """Of a reservation, from the file of its database."""
    with closing(sqlite3.connect(f"file:{data}/reserve.db?mode=ro", uri=True)) as database:
        (found,) = database.execute("SELECT status FROM reservations WHERE id = ?", (identity,)).fetchone()
    return str(found)


def wakings(system: RunningSystem, at: float) -> dict[str, tuple[float, float]]:
    """By function, when it was started after that moment and when it was ready, in the order of the starts."""
    found = {}
    for name, service in system.state["services"].items():
        for waking in service["wakings"]:
            start = datetime.fromisoformat(waking["at"]).timestamp() - at
            if start >= 0 and name not in found:
                found[name] = (start, start + waking["seconds"])
    return dict(sorted(found.items(), key=lambda item: item[1]))


def picture(one: Round) -> str:
    """A line for each function: where it starts, and where it is ready."""
    length = max([one.succeeded, *(ready for _, ready in one.wakings.values())])
    names = max(map(len, one.wakings), default=0)
    return "\n".join([*_bars(one.wakings, length, names), _marks(one, length, names)])


def _bars(wakings: Mapping[str, tuple[float, float]], length: float, names: int) -> Sequence[str]:
    def column(seconds: float) -> int:
        return round(seconds / length * WIDTH)

    lines = []
    for name, (start, ready) in wakings.items():
        bar = "#" * max(1, column(ready) - column(start))
        lines.append(f"  {name:{names}}  {'.' * column(start)}{bar}  {start:.2f}-{ready:.2f} s")
    return lines


def _marks(one: Round, length: float, names: int) -> str:
    line = [" "] * (WIDTH + 1)
    line[round(one.answered / length * WIDTH)] = "A"
    line[round(one.succeeded / length * WIDTH)] = "S"
    return f"  {'':{names}}  {''.join(line)}  A: answered, S: SUCCEED"


if __name__ == "__main__":
    main()
