"""Events that wait for project-dashboard, which takes one at a time, or four that share a commit:

    python -m benchmarks.waiting_events

ReservationPlaced of different reservations, SQLite with synchronous FULL, from clients that have always one more to
send, as after an outage. The disk decides: its own wait for a write is printed beside it.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path
from statistics import median

import psutil
from sqlalchemy import make_url

from benchmarks.measure import ROOT, Load, function, load, repeated
from benchmarks.warm_call import placed
from choreography import migrations

FOLDER = ROOT / "functions" / "dashboard-projector"
CLIENTS = 8
WARM_UP = 50


def main() -> None:
    """Prints events a second and CPU for each number of calls at once (THREADS), and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, nargs=2, default=[1, 4])
    parser.add_argument("--events", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    few, many = asked.threads
    with (
        tempfile.TemporaryDirectory() as folder,
        function(FOLDER, "project_dashboard", few, DATABASE_URL=migrated(folder, "few")) as first,
        function(FOLDER, "project_dashboard", many, DATABASE_URL=migrated(folder, "many")) as second,
    ):
        for each in (first, second):
            heard(*each, WARM_UP)
        costs: dict[int, list[float]] = {few: [], many: []}
        rates = repeated(
            asked.rounds,
            lambda: rate(*first, asked.events, costs[few]),
            lambda: rate(*second, asked.events, costs[many]),
        )
        disk = median(write_through(Path(folder)) for _ in range(20))
    for threads, events in zip(asked.threads, rates, strict=True):
        print(f"{threads} at once: {events:.0f} events a second, {median(costs[threads]) * 1e6:.0f} us of CPU each")
    print(f"{many} ÷ {few} at once: {rates[1] / rates[0]:.2f}; the disk takes {disk * 1e3:.1f} ms for a write")


def migrated(folder: str, name: str) -> str:
    """The URL of a database of its own."""
    url = f"sqlite:///{folder}/{name}.db"
    migrations.upgrade(FOLDER, make_url(url))
    return url


def heard(process: psutil.Process, port: int, events: int) -> Load:
    """That many events, each of another reservation."""
    return load(process, port, [placed() for _ in range(events)], CLIENTS)


def rate(process: psutil.Process, port: int, events: int, costs: list[float]) -> float:
    """Events a second; what one of them costs is added to `costs`."""
    start = time.perf_counter()
    costs.append(heard(process, port, events).cpu)
    return events / (time.perf_counter() - start)


def write_through(folder: Path) -> float:
    """Seconds until a page is on the disk."""
    with (folder / "page").open("ab") as file:
        file.write(b"x" * 4096)
        file.flush()
        start = time.perf_counter()
        os.fdatasync(file.fileno())
        return time.perf_counter() - start


if __name__ == "__main__":
    main()
