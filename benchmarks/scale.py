"""What a call costs with many reservations behind it, against the same call with 1,000: ratios of one run.

    python -m benchmarks.scale [--reservations 1000000] [--on sqlite|postgresql] [--only TEXT] [--keep FOLDER]

Fills the databases of all services with reservations that ended (scale_books.py) and makes in this process each call
that the functions declare (scale_calls.py), in turns with few and with many behind it. The median of the CPU time
counts, of this process and of the database server for it: neighbours disturb it least. What is above the goal is
measured again, longer. With METRICS_FOLDER set, as a laptop has it, so that ticks tell their figures. PYTHONPATH has to
name the folders of functions/.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import URL
from werkzeug.test import Client

from benchmarks import scale_books
from benchmarks.scale_calls import Books, Call, calls
from benchmarks.table import machine
from testbed import database_servers
from testbed.hosting import HostedAirline, isolated
from testbed.recording_broker import recording_broker

FEW, GOAL = 1000, 1.3
TURNS, TIMES = 3, 5
"""How often each of the two has its turn, and how many calls are timed in one."""
LONGER = 3
"""So many times as long is measured again."""
OF_POSTGRESQL = (
    *("shared_buffers=1GB", "maintenance_work_mem=512MB", "max_wal_size=8GB", "autovacuum=off"),
    "max_parallel_workers_per_gather=0",  # whose CPU would be missing
)


Databases = Callable[[str], tuple[Mapping[str, URL], bool]]
"""The databases of an airline, by a name for all of them, and whether an earlier run has filled them."""


@dataclass(frozen=True)
class Cost:
    """Milliseconds of CPU of a call with few and with many reservations."""

    group: str
    name: str
    few: float
    many: float

    @property
    def ratio(self) -> float:
        """What the goal is about."""
        return self.many / self.few


def measured(asked: Sequence[Call], few: Books, many: Books) -> Iterator[Cost]:
    """The cost of each call."""
    for call in asked:
        cost = _cost(call, few, many, TURNS)
        yield cost if cost.ratio <= GOAL else _cost(call, few, many, LONGER * TURNS)


def _cost(call: Call, few: Books, many: Books, turns: int) -> Cost:
    with_few: list[float] = []
    with_many: list[float] = []
    for _ in range(turns):
        with_few += _turn(call, few)
        with_many += _turn(call, many)
    return Cost(call.group, call.name, 1000 * median(with_few), 1000 * median(with_many))


def _turn(call: Call, books: Books) -> list[float]:
    requests = [call.request(books) for _ in range(TIMES + 1)]  # the first finds the environment of another function
    function = books.airline.function(call.service)
    function.put_on()
    client, took = Client(function.app), []
    for sent in requests:
        started = books.cpu()
        answer = client.open(sent.path, method=sent.method, **sent.more)
        took.append(books.cpu() - started)
        if not 200 <= answer.status_code < 300:
            raise RuntimeError(f"{call.name}: {answer.status} {answer.text}")
    return took[1:]


@contextmanager
def filled(kind: str, count: int, sink: str, databases: Databases, cpu: Callable[[], float]) -> Iterator[Books]:
    """The airline on its databases, once they are filled."""
    urls, there = databases("few" if count == FEW else f"many_{count}")
    if not there:
        started = time.perf_counter()
        scale_books.fill(urls, count)
        sys.stderr.write(f"{kind}: {count:,} reservations written in {time.perf_counter() - started:.0f} s\n")
    with tempfile.TemporaryDirectory() as folder:
        told = {"METRICS_FOLDER": folder, "EVENT_HISTORY_DAYS": "365"}
        where = {name: url.render_as_string(hide_password=False) for name, url in urls.items()}
        with closing(HostedAirline(Path(folder), Path(folder), sink, told, where)) as airline:
            yield Books(airline, urls, cpu)


def _databases(kind: str, kept: Path | None, entered: ExitStack) -> tuple[Databases, Callable[[], float]]:
    """How the databases of an airline are made, and the CPU seconds of a call so far."""
    if kind == "postgresql":
        server = database_servers.postgresql(*OF_POSTGRESQL, kept=kept and kept.resolve() / "postgresql")
        entered.callback(server.stop if kept else server.remove)
        server.start()

        def made(books: str) -> tuple[Mapping[str, URL], bool]:
            names = {name: f"{books}_{name.replace('-', '_')}" for name in scale_books.DATABASES}
            there = {name: server.has(of) for name, of in names.items()}
            urls = {name: server.address(of) if there[name] else server.database(of) for name, of in names.items()}
            return urls, all(there.values())

        return made, lambda: time.process_time() + sum(map(_on_cpu, server.clients()))
    folder = kept or Path(entered.enter_context(tempfile.TemporaryDirectory()))

    def in_a_folder(books: str) -> tuple[Mapping[str, URL], bool]:
        (folder / books).mkdir(parents=True, exist_ok=True)
        urls = scale_books.databases_in(folder / books)
        return urls, all(Path(str(url.database)).exists() for url in urls.values())

    return in_a_folder, time.process_time


def _on_cpu(pid: int) -> float:
    """Seconds of the first thread of a process, the only one that a client of PostgreSQL has there (proc(5))."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def run(kind: str, count: int, kept: Path | None, only: str, show: Callable[[Cost], None]) -> list[Cost]:
    """Fills both, and measures all calls whose names have that text; each is shown as soon as it is known."""
    found = []
    with ExitStack() as entered:
        databases, cpu = _databases(kind, kept, entered)
        entered.enter_context(isolated())
        sink = entered.enter_context(recording_broker()).url
        few, many = (entered.enter_context(filled(kind, number, sink, databases, cpu)) for number in (FEW, count))
        for cost in measured([call for call in calls() if only in call.name], few, many):
            show(cost)
            found.append(cost)
    return found


def line(cost: Cost) -> str:
    """A row of the table."""
    met = "" if cost.ratio <= GOAL else "   ABOVE"
    return f"{cost.name:90} {cost.few:8.2f} ms {cost.many:8.2f} ms  x {cost.ratio:5.2f}{met}\n"


def summary(found: Sequence[Cost]) -> Iterator[str]:
    """Of each group, how many calls there are, how many meet the goal, and the worst of them."""
    for group in dict.fromkeys(one.group for one in found):
        costs = [one for one in found if one.group == group]
        worst = max(costs, key=lambda one: one.ratio)
        met = sum(one.ratio <= GOAL for one in costs)
        figures = f"{len(costs)} | {met} | {median(one.ratio for one in costs):.2f}"
        yield f"| {group} | {figures} | {worst.name}: {worst.few:.1f}; {worst.many:.1f} ms, x {worst.ratio:.1f} |\n"


def main() -> None:
    """Prints the table and its summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reservations", type=int, default=1_000_000)
    parser.add_argument("--on", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--only", default="", help="Calls whose names have this text.")
    parser.add_argument("--keep", type=Path, help="Where the databases stay, for the next run of as many.")
    parser.add_argument("--result", type=Path)
    asked = parser.parse_args()
    load = os.getloadavg()
    found = run(asked.on, asked.reservations, asked.keep, asked.only, lambda cost: _say(line(cost)))
    _say(f"\n| calls | how many | at most x {GOAL} | median | the worst |\n|---|---|---|---|---|\n", *summary(found))
    if asked.result:
        costs: list[dict[str, Any]] = [vars(one) | {"ratio": one.ratio} for one in found]
        told = {
            "asked": {"reservations": asked.reservations, "on": asked.on, "only": asked.only},
            "against": FEW,
            "goal": GOAL,
            "load before": load,
            "machine": machine(),
            "costs": costs,
        }
        asked.result.write_text(json.dumps(told, indent=1) + "\n")


def _say(*lines: str) -> None:
    sys.stdout.write("".join(lines))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
