"""The commands that go through whole tables, with many reservations behind them: time, and the most memory.

    PYTHONPATH=$(printf '%s:' functions/*/) python -m benchmarks.whole_tables [--reservations 1000000]

Fills the databases of all services as `benchmarks.scale` does, runs the system of `make run` on them, and calls the
commands of an operator. Memory (RSS) is that of the command, and of all functions together beyond what they had before
it.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks import scale_books
from testbed.running_system import ROOT, RunningSystem, running_system

FLIGHTS, GOAL_SECONDS = 20_000, 300
COMMANDS = {
    "reconcile": ("reconcile",),
    "rebuild": ("rebuild",),
    "import": ("flights", "import", "flights.csv"),
    "replay": ("dead-letters", "replay", "--all"),
}


@dataclass
class Memory:
    """The most that a command, and the system beside it, had at a time; looked at until `over`."""

    command: psutil.Process
    system: psutil.Process
    most: int = 0
    most_of_system: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        """Looks again and again."""
        while not self.over.wait(0.2):
            self.most = max(self.most, resident([self.command]))
            self.most_of_system = max(self.most_of_system, resident(self.system.children(recursive=True)))


def resident(processes: Sequence[psutil.Process]) -> int:
    """Bytes of all of them that still run."""
    found = 0
    for process in processes:
        with suppress(psutil.Error):
            found += process.memory_info().rss
    return found


def main() -> None:
    """Prints a line for each command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reservations", type=int, default=1_000_000)
    parser.add_argument("--only", choices=COMMANDS, nargs="+", default=list(COMMANDS))
    parser.add_argument("--keep", type=Path, help="Where the filled files stay, for the next run of as many.")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = asked.keep or Path(folder)
        fill(data, asked.reservations)
        with running_system(data, "--window", "1h") as system:
            for name in asked.only:
                measure(system, name, asked.reservations)


def fill(data: Path, reservations: int) -> None:
    """The databases of all services, unless they are there."""
    urls = scale_books.databases_in(data)
    if not all(Path(str(url.database)).exists() for url in urls.values()):
        started = time.perf_counter()
        data.mkdir(parents=True, exist_ok=True)
        scale_books.fill(urls, reservations)
        print(f"{reservations:,} reservations written in {time.perf_counter() - started:.0f} s", flush=True)


def measure(system: RunningSystem, name: str, reservations: int) -> None:
    """One command, whose output is shown where it fails."""
    (system.data / "flights.csv").write_text(flights(FLIGHTS), "utf-8")
    command = [sys.executable, "-m", "cli", *COMMANDS[name], "--url", system.gateway]
    before = resident(psutil.Process(system.process.pid).children(recursive=True))
    started = time.perf_counter()
    with subprocess.Popen(
        command,
        cwd=system.data,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        memory = Memory(psutil.Process(process.pid), psutil.Process(system.process.pid))
        watching = threading.Thread(target=memory.watch)
        watching.start()
        said = process.communicate()[0].decode()
        memory.over.set()
        watching.join()
    seconds = time.perf_counter() - started
    figures = f"{seconds:.0f} s (goal <= {GOAL_SECONDS}), the command at most {memory.most / 1e6:.0f} MB"
    grown = (memory.most_of_system - before) / 1e6
    print(f"{name}, {reservations:,} reservations: {figures}, the system {grown:+.0f} MB; exit {process.returncode}")
    print("  " + said.strip().splitlines()[-1] if said.strip() else "", flush=True)


def flights(count: int) -> str:
    """A file of flights that nobody has."""
    rows = (f"NEW{number},2027-06-{number % 28 + 1:02},100000,300" for number in range(count))
    return "\n".join(["flightCode,takeoffDate,cost,remainingSeatsCount", *rows, ""])


if __name__ == "__main__":
    main()
