"""What a whole reservation costs on this machine, warm: python -m benchmarks.whole_saga

Runs the system of `make run` in a folder of its own, places reservations from a few clients, and waits until all of
them are SUCCEED. CPU is that of all processes; the unit is one call of a functions-framework hello world. Two of those
are measured: called without a pause, and called as often as the functions of the saga were, with the cold caches that
pauses bring (on a small machine that alone doubles a call).
"""

import argparse
import json
import sqlite3
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import requests

from benchmarks.measure import PLAIN, cpu_seconds, function, load, paced, request
from testbed.running_system import RunningSystem, eventually, running_system

GOAL, NEXT_GOAL, CALLS = 4.0, 2.0, 7


def main() -> None:
    """Prints CPU a saga and its shares, sagas a second, and the time from POST to SUCCEED."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sagas", type=int, default=1000)
    parser.add_argument("--clients", type=int, default=4)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running_system(Path(folder), "--window", "1h") as system:
        flight = add_flight(system)
        place_all(system, flight, 100, asked.clients)
        hot = hello_world()
        before = cpu_by_process(system)
        start = time.perf_counter()
        posted = place_all(system, flight, asked.sagas, asked.clients)
        seconds = time.perf_counter() - start
        after = cpu_by_process(system)
        cold = hello_world(rate=asked.sagas / seconds)
        latencies = times_to_succeed(Path(folder), posted)
    report({name: (after[name] - before.get(name, 0)) / asked.sagas for name in after}, hot, cold)
    print(f"{asked.sagas / seconds:.0f} sagas/s with {asked.clients} clients; POST to SUCCEED", end=" ")
    print(", ".join(f"p{p} {latencies[int(len(latencies) * p / 100)] * 1e3:.0f} ms" for p in (50, 99)))


def hello_world(rate: float | None = None) -> float:
    """CPU seconds of one call of a functions-framework hello world with one thread."""
    with function(PLAIN, "hello", 1) as (process, port):
        load(process, port, [request(b"")] * 200)
        if rate:
            return paced(process, port, [request(b"")] * 500, rate)
        return load(process, port, [request(b"")] * 3000).cpu


def add_flight(system: RunningSystem) -> int:
    """A flight that does not sell out."""
    flight = {"flightCode": "A380", "takeoffDate": "2027-01-01", "cost": 100, "remainingSeatsCount": 1_000_000}
    return int(requests.post(f"{system.gateway}/flights", json=flight, timeout=30).json()["flightId"])


def place_all(system: RunningSystem, flight: int, sagas: int, clients: int) -> Mapping[str, float]:
    """Places this many reservations; returns when all of them have ended. By id, the time of each POST."""
    gateway = system.gateway  # which reads a file
    with ThreadPoolExecutor(clients) as pool:
        posted = dict(pool.map(lambda number: place(gateway, flight, number), range(sagas)))
    eventually(lambda: succeeded(system.data, posted) == len(posted), "all sagas ended", within=300)
    return posted


def place(gateway: str, flight: int, number: int) -> tuple[str, float]:
    """One reservation through the gateway, by a connection of its own: as the driver of the peers sends them.

    It shares the machine with the system, and by `requests` a POST is twice as much work for it.
    """
    wish = {"customerId": number % 100 + 1, "flightId": flight, "seatQty": 1}
    now = time.time()
    with closing(HTTPConnection(urlsplit(gateway).netloc, timeout=60)) as connection:
        connection.request("POST", "/reservations", json.dumps(wish), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        body = answer.read()
    assert answer.status == HTTPStatus.CREATED, body
    return str(json.loads(body)["reservationId"]), now


def succeeded(data: Path, posted: Mapping[str, float]) -> int:
    """How many of these reservations the dashboard knows as confirmed; read from its file, to disturb nobody."""
    return len(confirmations(data).keys() & posted.keys())


def confirmations(data: Path) -> dict[str, float]:
    """By reservation, the time of ReservationConfirmed."""
    query = "SELECT reservation_id, said_at FROM events WHERE type = 'ReservationConfirmed'"
    with sqlite3.connect(f"file:{data}/dashboard-projector.db?mode=ro", uri=True) as database:
        rows = database.execute(query).fetchall()
    return {row[0]: datetime.fromisoformat(row[1]).replace(tzinfo=UTC).timestamp() for row in rows}


def times_to_succeed(data: Path, posted: Mapping[str, float]) -> list[float]:
    """Seconds from POST to ReservationConfirmed, sorted."""
    confirmed = confirmations(data)
    return sorted(confirmed[identity] - sent for identity, sent in posted.items())


def cpu_by_process(system: RunningSystem) -> dict[str, float]:
    """CPU seconds so far, by name of the process."""
    state = system.state
    pids = {"laptop": state["pid"], "broker": state["brokerPid"], "gateway": state["gatewayPid"]}
    pids |= {name: service["pid"] for name, service in state["services"].items() if service["pid"]}
    return {
        name: cpu_seconds(psutil.Process(pid)) if name != "laptop" else sum(psutil.Process(pid).cpu_times()[:2])
        for name, pid in pids.items()
    }


def report(cpu: Mapping[str, float], hot: float, cold: float) -> None:
    """The table of shares, and the ratios to seven hello worlds."""
    total = sum(cpu.values())
    for name, seconds in sorted(cpu.items(), key=lambda item: -item[1]):
        if seconds > 0:
            print(f"{name:24} {seconds * 1e6:6.0f} us a saga  {seconds / total:4.0%}")
    print(f"{'all':24} {total * 1e6:6.0f} us a saga (goal <= {GOAL} of {CALLS} hello worlds, next goal {NEXT_GOAL})")
    for kind, hello in (("without a pause", hot), ("as often as in the saga", cold)):
        print(f"hello world {kind}: {hello * 1e6:.0f} us, ratio {total / hello / CALLS:.2f}")


if __name__ == "__main__":
    main()
