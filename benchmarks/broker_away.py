"""What customers notice of a broker that is away: python -m benchmarks.broker_away

Runs the system of `make run` in a folder of its own and places reservations at a steady rate, each sent at its moment
whether or not those before it were answered: first while all is well, then while the broker is frozen (SIGSTOP) or
killed again and again (--how killed). Printed: what was refused, the p99 of POST and its ratio to that before, both in
one run, and how long after the broker's return the last reservation had ended, by its status, and when the dashboard
had counted it. What that took of the machine is printed too: where others use it as well, seconds alone say little.
Every POST waits for a flush of the disk, so how long the slowest of the disk's own flushes took is printed beside it;
TMPDIR=/dev/shm leaves the disk out.
"""

import argparse
import os
import signal
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import local
from typing import NamedTuple

import psutil
import requests

from benchmarks.whole_saga import add_flight, confirmations
from testbed.running_system import RunningSystem, eventually, running_system

CLIENTS = 64
GOAL_RATIO, GOAL_SECONDS = 1.5, 15
_thread = local()


class Answer(NamedTuple):
    """Of one POST: the reservation, or what was wrong; when it was sent (time.time()), and how long it took."""

    identity: str
    sent: float
    seconds: float
    wrong: str


@dataclass(frozen=True)
class Answers:
    """Of one phase: by reservation when it was sent, seconds of every POST, sorted, and what was not 201."""

    placed: Mapping[str, float]
    seconds: list[float]
    refused: list[str]

    def percentile(self, percent: float) -> float:
        """The time within which that percentage of the POSTs was answered."""
        return self.seconds[min(len(self.seconds) - 1, int(len(self.seconds) * percent / 100))]


@dataclass(frozen=True)
class CatchingUp:
    """From the broker's return to the end of the last reservation, and until the dashboard has counted it.

    `cpu` is in seconds, of all processes, until then.
    """

    ended: float
    seconds: float
    cpu: float
    deliveries: int
    load: float

    def cost(self, sagas: int) -> str:
        """A line: the cost of a saga, the share of the machine, and the repeated events."""
        had = f"{self.cpu / self.seconds:.1f} of {os.cpu_count()} cores were had, load average {self.load:.0f}"
        repeats = max(0, self.deliveries - sagas)
        return f"{self.cpu / sagas * 1e3:.1f} ms of CPU a saga; {had}; {repeats} of ReservationPlaced were repeats"


def main() -> None:
    """Prints the figures of one run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--how", choices=AWAY, default="frozen")
    parser.add_argument("--rate", type=float, default=20, help="POSTs a second")
    parser.add_argument("--seconds", type=float, default=60, help="how long the broker is away")
    parser.add_argument("--before", type=float, default=30, help="how long all is well before")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running_system(Path(folder)) as system:
        flight = add_flight(system)
        posted(system, flight, asked.rate, 5)  # wakes everybody
        with flushes(Path(folder)) as flushed_before:
            before = posted(system, flight, asked.rate, asked.before)
        with AWAY[asked.how](system), flushes(Path(folder)) as flushed_away:
            away = posted(system, flight, asked.rate, asked.seconds)
        eventually(lambda: answers(system), "the broker answers", within=60)
        caught_up = seconds_to_the_end(system, {**before.placed, **away.placed})
    report("all is well", before)
    report(f"broker {asked.how} for {asked.seconds:.0f} s", away)
    print(f"p99 of POST, away / before: {away.percentile(99) / before.percentile(99):.2f} (goal <= {GOAL_RATIO})")
    slowest = [max(flushed) * 1e3 for flushed in (flushed_before, flushed_away)]
    print(f"slowest flush of 4 kB by the disk itself: {slowest[0]:.0f} ms before, {slowest[1]:.0f} ms away")
    print(f"all ended {caught_up.ended:.1f} s after the broker's return (goal <= {GOAL_SECONDS})")
    print(f"the dashboard had counted all of them {caught_up.seconds:.1f} s after it")
    print(caught_up.cost(len(away.placed)))


def posted(system: RunningSystem, flight: int, rate: float, seconds: float) -> Answers:
    """Places reservations at a rate for so long; returns when all are answered."""
    gateway, start = system.gateway, time.perf_counter()

    def place(number: int) -> Answer:
        time.sleep(max(0.0, start + number / rate - time.perf_counter()))
        return post(gateway, flight, number)

    with ThreadPoolExecutor(CLIENTS) as pool:
        done = list(pool.map(place, range(int(rate * seconds))))
    return Answers(
        {one.identity: one.sent for one in done if one.identity},
        sorted(one.seconds for one in done),
        [one.wrong for one in done if one.wrong],
    )


@contextmanager
def flushes(folder: Path) -> Iterator[list[float]]:
    """Seconds that the disk takes to keep 4 kB, twenty times a second meanwhile."""
    taken: list[float] = []
    over = threading.Event()

    def flush() -> None:
        with (folder / "flushed").open("wb") as file:
            while not over.wait(0.05):
                start = time.perf_counter()
                file.write(bytes(4096))
                file.flush()
                os.fsync(file.fileno())
                taken.append(time.perf_counter() - start)

    flushing = threading.Thread(target=flush)
    flushing.start()
    try:
        yield taken
    finally:
        over.set()
        flushing.join()


def post(gateway: str, flight: int, number: int) -> Answer:
    """Places one reservation."""
    if not hasattr(_thread, "session"):
        _thread.session = requests.Session()
    wish = {"customerId": number % 100 + 1, "flightId": flight, "seatQty": 1}
    sent, start = time.time(), time.perf_counter()
    try:
        answer = _thread.session.post(f"{gateway}/reservations", json=wish, timeout=60)
        identity = str(answer.json()["reservationId"]) if answer.status_code == requests.codes.created else ""
        wrong = "" if identity else f"{answer.status_code}: {answer.text[:200]}"
    except requests.RequestException as error:
        identity, wrong = "", repr(error)
    return Answer(identity, sent, time.perf_counter() - start, wrong)


@contextmanager
def frozen(system: RunningSystem) -> Iterator[None]:
    """The broker takes connections and answers none."""
    broker = system.state["brokerPid"]
    os.kill(broker, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(broker, signal.SIGCONT)


@contextmanager
def killed(system: RunningSystem) -> Iterator[None]:
    """The broker is killed, and each time it is started again."""
    over = threading.Event()

    def kill_again() -> None:
        last = None
        while not over.wait(0.02):
            pid = system.state["brokerPid"]
            if pid and pid != last:
                os.kill(pid, signal.SIGKILL)
                last = pid

    killer = threading.Thread(target=kill_again)
    killer.start()
    try:
        yield
    finally:
        over.set()
        killer.join()


AWAY: dict[str, Callable[[RunningSystem], AbstractContextManager[None]]] = {"frozen": frozen, "killed": killed}


def answers(system: RunningSystem) -> bool:
    """Whether the broker is there."""
    try:
        return requests.get(system.state["brokerStatus"], timeout=5).ok
    except requests.RequestException:
        return False


def seconds_to_the_end(system: RunningSystem, placed: Mapping[str, float]) -> CatchingUp:
    """How long it takes until all of them are SUCCEED, and what that costs."""
    start, deliveries, cpu = time.perf_counter(), delivered(system), cpu_by_pid(system)
    before = sum(cpu.values())

    def all_of(them: Callable[[Path], set[str]]) -> bool:
        cpu.update(cpu_by_pid(system))  # one that has ended keeps its last value
        return placed.keys() <= them(system.data)

    eventually(lambda: all_of(with_success), "all ended", within=400, pause=0.2)
    ended = time.perf_counter() - start
    eventually(lambda: all_of(counted), "the dashboard has counted all", within=400, pause=0.2)
    seconds = time.perf_counter() - start
    return CatchingUp(ended, seconds, sum(cpu.values()) - before, delivered(system) - deliveries, os.getloadavg()[0])


def with_success(data: Path) -> set[str]:
    """The reservations that are SUCCEED; read from the file of reserve, to disturb nobody."""
    with sqlite3.connect(f"file:{data}/reserve.db?mode=ro", uri=True) as database:
        return {row[0] for row in database.execute("SELECT id FROM reservations WHERE status = 'SUCCEED'")}


def counted(data: Path) -> set[str]:
    """The reservations that the dashboard knows as confirmed."""
    return set(confirmations(data))


def cpu_by_pid(system: RunningSystem) -> dict[int, float]:
    """CPU seconds of all processes of those that run."""
    found = {}
    for process in psutil.Process(system.state["pid"]).children(recursive=True):
        with suppress(psutil.Error):
            times = process.cpu_times()
            found[process.pid] = times.user + times.system
    return found


def delivered(system: RunningSystem) -> int:
    """How many ReservationPlaced decrease-seats has been given since the broker was started."""
    triggers = requests.get(system.state["brokerStatus"], timeout=20).json()["triggers"]
    return int(next(figures["delivered"] for name, figures in triggers.items() if "decrease-seats" in name))


def report(phase: str, answers: Answers) -> None:
    """One line."""
    p50, p99 = answers.percentile(50) * 1e3, answers.percentile(99) * 1e3
    slowest = answers.seconds[-1] * 1e3
    print(f"{phase}: {len(answers.seconds)} POSTs, {len(answers.refused)} refused, ", end="")
    print(f"p50 {p50:.0f} ms, p99 {p99:.0f} ms, slowest {slowest:.0f} ms")
    for wrong in answers.refused[:5]:
        print(f"  {wrong}")


if __name__ == "__main__":
    main()
