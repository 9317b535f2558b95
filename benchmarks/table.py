"""What a saga costs here, and beside what a team would use instead: make bench

Runs the system of `make run` in a folder of its own, and where PEERS names the folder of the same saga on DBOS and on
Restate with its driver, these as well, one after the other in each round, and this project by that driver. Prints a
table with the median of the rounds and writes it, with the machine and every round, to benchmarks/results/.

That driver ends a saga where the reservation does, asks the system for their number, and waits 1.5 s until it reads the
CPU; here a saga ends when the dashboard knows, and its file says so. A single one ends when reserve has written its
end, which is looked for as that driver looks for the end on Restate: in the file, every 2 ms.

CPU is that of all processes, the gateway and the laptop's runtime included; a saga goes through the gateway, has a
timeline and dead letters, and each step is a call of another process, which is not so with the peers.
"""

import argparse
import json
import os
import platform
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from benchmarks.whole_saga import add_flight, place, place_all, times_to_succeed
from testbed.running_system import ROOT, RunningSystem, eventually, running_system

RESULTS = Path(__file__).parent / "results"
OURS, PEERS = "this project", ("restate", "dbos")
BY_THEIR_DRIVER = "the same, by the peers' driver"
SINGLE = 20
WARM_UP = 200
GOALS = {
    "cpu_ms": ("CPU ms a saga", {"restate": 0.55, "dbos": 0.5}, "at most"),
    "sagas_a_second": ("sagas a second", {"restate": 1.8}, "at least"),
    "single_ms": ("single warm saga, ms", {"restate": 1.0}, "at most"),
}
MOST_MEMORY = 300
Figures = dict[str, Any]


def main() -> None:
    """Prints the table, and the path of the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sagas", type=int, default=1200)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    rounds = [one_round(asked.sagas, asked.clients) for _ in range(asked.rounds)]
    medians = {name: middle([each[name] for each in rounds]) for name in rounds[0]}
    for line in report(medians):
        print(line)
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{datetime.now(UTC):%Y-%m-%d-%H%M}.json"
    result = {"machine": machine(), "asked": vars(asked), "medians": medians, "rounds": rounds}
    file.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    print(f"written to {file}")


def one_round(sagas: int, clients: int) -> dict[str, Figures]:
    """Everybody once, so that a slow minute hits all of them."""
    found = {OURS: ours(sagas, clients)}
    if folder := os.environ.get("PEERS"):
        found[BY_THEIR_DRIVER] = peer(Path(folder), "ours", sagas, clients, str(ROOT))
        found |= {name: peer(Path(folder), name, sagas, clients) for name in PEERS}
    return found


def ours(sagas: int, clients: int) -> Figures:
    """CPU by process, sagas a second up to the last end, a single warm saga, and the memory with all awake."""
    with tempfile.TemporaryDirectory() as folder, running_system(Path(folder), "--window", "1h") as system:
        flight = add_flight(system)
        place_all(system, flight, WARM_UP, clients)
        single = median(one_alone(system, flight, number) for number in range(SINGLE))
        before, start = cpu_of_all(system), time.perf_counter()
        posted = place_all(system, flight, sagas, clients)
        seconds = time.perf_counter() - start
        after = cpu_of_all(system)
        took = times_to_succeed(system.data, posted)
        memory = memory_of_all(system)
    shares = {name: round((after[name] - before[name]) / sagas * 1e3, 2) for name in after.keys() & before.keys()}
    return {
        "cpu_ms": round(sum(shares.values()), 2),
        "sagas_a_second": round(sagas / seconds, 1),
        "single_ms": round(single * 1e3, 1),
        "p99_ms": round(took[int(len(took) * 0.99)] * 1e3),
        "pss_mb": round(sum(memory.values()) / 1e6),
        "pss_mb_by_process": {name: round(size / 1e6, 1) for name, size in memory.items()},
        "cpu_ms_by_process": {name: ms for name, ms in sorted(shares.items(), key=lambda item: -item[1]) if ms},
    }


def one_alone(system: RunningSystem, flight: int, number: int) -> float:
    """Seconds from POST until its end can be read in a file, as the peers' driver does with Restate."""
    start = time.perf_counter()
    identity, _ = place(system.gateway, flight, number)
    eventually(lambda: has_ended(system.data, identity), "the saga ended", within=30, pause=0.002)
    return time.perf_counter() - start


def has_ended(data: Path, reservation: str) -> bool:
    """Whether reserve has written the end of this saga; read from its file."""
    query = "SELECT status != 'PENDING' FROM reservations WHERE id = ?"
    with closing(sqlite3.connect(f"file:{data}/reserve.db?mode=ro", uri=True)) as database:
        return bool(database.execute(query, (reservation,)).fetchone()[0])


def processes(system: RunningSystem) -> Iterator[tuple[str, psutil.Process]]:
    """Every process with the name of what it belongs to."""
    state = system.state
    roots = {"broker": state["brokerPid"], "gateway": state["gatewayPid"], "fork server": state["forkServerPid"]}
    roots |= {name: service["pid"] for name, service in state["services"].items() if service["pid"]}
    yield "laptop", psutil.Process(state["pid"])
    for name, pid in roots.items():
        if pid is None:
            continue
        with suppress(psutil.NoSuchProcess):  # it has fallen asleep meanwhile
            root = psutil.Process(pid)
            yield from ((name, process) for process in (root, *root.children(recursive=True)))


def cpu_of_all(system: RunningSystem) -> dict[str, float]:
    """CPU seconds so far, by name."""
    found: dict[str, float] = {}
    for name, process in processes(system):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            found[name] = found.get(name, 0.0) + times.user + times.system
    return found


def memory_of_all(system: RunningSystem) -> dict[str, int]:
    """Bytes, by name."""
    found: dict[str, int] = {}
    for name, process in processes(system):
        found[name] = found.get(name, 0) + pss(process)
    return found


def pss(process: psutil.Process) -> int:
    """Bytes of its memory, shared pages in equal parts; where the system does not say, its resident memory."""
    with suppress(psutil.NoSuchProcess):
        memory = process.memory_full_info()
        return int(getattr(memory, "pss", memory.rss))
    return 0


def peer(folder: Path, name: str, sagas: int, clients: int, *project: str) -> Figures:
    """The same figures, as the peers' own driver prints them: one JSON object."""
    home = Path(os.environ.get("HOME_OF_PEERS", Path.home() / ".cache" / "airline-peers"))
    command = [str(home / "v" / "bin" / "python"), "bench.py", name, str(sagas), str(clients), *project]
    said = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
    figures = json.loads(said.strip().splitlines()[-1])
    return {
        "cpu_ms": figures["cpu_ms_per_saga"],
        "sagas_a_second": figures["sagas_per_s"],
        "single_ms": figures["single_ms_p50"],
        "pss_mb": figures["pss_mb"],
    }


def middle(rounds: Sequence[Figures]) -> Figures:
    """The median of each figure."""
    found: Figures = {
        name: median(each[name] for each in rounds) for name, value in rounds[0].items() if is_number(value)
    }
    for figure, shares in rounds[0].items():
        if isinstance(shares, dict):
            names = [name for name in shares if all(name in each[figure] for each in rounds)]
            found[figure] = {name: median(each[figure][name] for each in rounds) for name in names}
    return found


def is_number(value: object) -> bool:
    """Whether a figure has a median."""
    return isinstance(value, int | float)


def report(medians: Mapping[str, Figures]) -> Iterator[str]:
    """The lines of the table, the shares, and each goal with what was reached."""
    yield "| | sagas a second | CPU ms a saga | single warm saga, ms | memory (PSS), MB |"
    yield "|---|---|---|---|---|"
    for name, figures in medians.items():
        row = (figures["sagas_a_second"], figures["cpu_ms"], figures["single_ms"], figures["pss_mb"])
        yield f"| {name} | " + " | ".join(map(str, row)) + " |"
    own = medians[OURS]
    memory = own["pss_mb_by_process"]
    for name, ms in own["cpu_ms_by_process"].items():
        yield f"{name:24} {ms:6.2f} ms a saga  {ms / own['cpu_ms']:4.0%}  {memory.get(name, 0):6.1f} MB"
    yield f"POST to SUCCEED p99: {own['p99_ms']} ms"
    for of in (OURS, BY_THEIR_DRIVER):
        if of in medians:
            yield from _against_the_peers(of, medians)
    met = own["pss_mb"] <= MOST_MEMORY
    yield f"memory, all awake: {own['pss_mb']} MB, goal at most {MOST_MEMORY}: {'met' if met else 'MISSED'}"


def _against_the_peers(of: str, medians: Mapping[str, Figures]) -> Iterator[str]:
    for figure, (title, ratios, bound) in GOALS.items():
        for name, goal in ratios.items():
            if name in medians:
                ratio = medians[of][figure] / medians[name][figure]
                met = ratio <= goal if bound == "at most" else ratio >= goal
                yield f"{of}: {title} {ratio:.2f} of {name}'s, goal {bound} {goal}: {'met' if met else 'MISSED'}"


def machine() -> dict[str, Any]:
    """Where the figures are from; others at work on it show in the load."""
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "system": platform.platform(terse=True),
        "python": sys.version.split()[0],
        "load average": os.getloadavg(),
    }


if __name__ == "__main__":
    main()
