"""From `make run` to the end of the first saga, and what the sleeping system costs: python -m benchmarks.at_rest

Everything must be installed (`make run` once). Memory is that of all processes, as RSS and as PSS, which counts a page
that several share once; CPU is taken between two ticks of housekeeping.
"""

import argparse
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.measure import ROOT, cpu_seconds
from testbed.airline_under_test import AirlineUnderTest
from testbed.running_system import RunningSystem, eventually

GOAL_SECONDS, GOAL_MEGABYTES, GOAL_CPU = 5.0, 150, 0.02
TICK = 300  # seconds between two ticks of housekeeping


def main() -> None:
    """Prints seconds, megabytes and percent of a core."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="how long to watch it sleep")
    watched = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        system = make_run(Path(folder))
        try:
            eventually(lambda: "Stop:" in system.said(), "the gateway is there", 60)
            airline = AirlineUnderTest(system.gateway)
            airline.outcome(airline.place_reservation(flight=1001, seats=1))
            print(
                f"make run to the end of the first saga {time.perf_counter() - start:.1f} s (goal <= {GOAL_SECONDS} s)"
            )
            watch_asleep(system, watched)
        finally:
            os.kill(system.state["pid"], signal.SIGINT)  # Ctrl-C reaches whom make has started, a signal does not
            system.process.wait(timeout=20)


def make_run(folder: Path) -> RunningSystem:
    """Starts `make run` as a person would, on free ports and with its data in `folder`."""
    command = ["make", "--silent", "run", f"ARGS=--free-ports --data {folder}"]
    terminal = folder / "terminal.txt"
    with terminal.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)
    return RunningSystem(process, folder, terminal)


def watch_asleep(system: RunningSystem, seconds: int) -> None:
    """Waits until every function sleeps and no tick is near, then looks."""
    eventually(lambda: all_asleep(system) and time.time() % TICK < TICK - seconds - 10, "everything sleeps", TICK)
    processes = [psutil.Process(system.state[name]) for name in ("pid", "brokerPid", "gatewayPid")]
    before = sum(map(cpu_seconds, processes))
    time.sleep(seconds)
    cpu = (sum(map(cpu_seconds, processes)) - before) / seconds
    assert all_asleep(system), "somebody was woken; again, please"
    memory = [process.memory_full_info() for process in processes]
    rss, pss = (sum(getattr(each, kind) for each in memory) / 1e6 for kind in ("rss", "pss"))
    print(f"asleep: RSS {rss:.0f} MB, PSS {pss:.0f} MB (goal <= {GOAL_MEGABYTES} MB),", end=" ")
    print(f"CPU {cpu:.2%} of a core (goal <= {GOAL_CPU:.0%})")


def all_asleep(system: RunningSystem) -> bool:
    """Whether no function has a process."""
    return all(service["state"] == "asleep" for service in system.state["services"].values())


if __name__ == "__main__":
    main()
