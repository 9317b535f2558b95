"""Instances of decrease-seats on one flight of PostgreSQL, beside pgbench: python -m benchmarks.hot_flight

A server of its own with fsync. Each instance has one thread and one client that does not wait; pgbench has as many
clients, and its transaction is the UPDATE of decrease-seats and its COMMIT. First all want the same flight, whose row
they wait for; then a hundred flights. Instances and pgbench take turns within each round, and the medians are printed.

Where a flush takes less than a call computes, the cores are the limit and not the row: --flush MS has each commit wait
as long as that for the disk, as on a volume of a cloud. --plain measures as well what any function can reach: one of
functions-framework that parses the event and commits that UPDATE, without hold, event or anything else.
"""

import argparse
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from sqlalchemy import URL, Engine, create_engine, text

from benchmarks.measure import PLAIN, ROOT, call, function
from benchmarks.plain.main import TAKE_SEAT
from benchmarks.warm_call import placed
from choreography import migrations
from testbed.database_servers import Server, postgresql

FOLDER = ROOT / "functions" / "flight-seats"
FLIGHTS = 100
GOAL = 0.5
Function = tuple[Path, str, bytes]
"""Its folder, its target, and what is in an answer that took seats."""
SCRIPT = f"""\\set flight random(1, {{flights}})
BEGIN;
{TAKE_SEAT};
COMMIT;
"""


def main() -> None:
    """Prints, for each number of instances, transactions a second of both and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--flush", type=float, default=0, metavar="MS", help="what each commit waits in addition")
    parser.add_argument("--plain", action="store_true", help="beside a function that does the least")
    asked = parser.parse_args()
    functions = {"decrease-seats": (FOLDER, "decrease_seats", b"RemainingSeatsDecreased")}
    if asked.plain:
        functions["plain"] = (PLAIN, "take_seat", b" 204 ")
    with server(asked.flush) as database:
        url = with_large_flights(database)
        print(
            f"{'':10} {'instances':>9} {'function':>14} {'calls':>9} {'pgbench':>9}  ratio (goal: one flight >= {GOAL})"
        )
        for flights, name in ((1, "one flight"), (FLIGHTS, "spread")):
            for instances in asked.instances:
                for title, of in functions.items():
                    ours, theirs = compare(database, url, of, flights, instances, asked=asked)
                    rates = f"{ours:7.0f}/s {theirs:7.0f}/s  {ours / theirs:.2f}"
                    print(f"{name:10} {instances:9} {title:>14} {rates}", flush=True)


@contextmanager
def server(flush: float) -> Iterator[Server]:
    """A PostgreSQL that waits for the disk at each commit, and that many milliseconds more; removed afterwards."""
    started = postgresql("fsync=on", f"commit_delay={round(flush * 1e3)}", "commit_siblings=0")
    try:
        started.start()
        yield started
    finally:
        started.remove()


def with_large_flights(database: Server) -> URL:
    """A database with flights that do not sell out."""
    url = database.database("flights")
    migrations.upgrade(FOLDER, url)
    engine: Engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM flights"))
        connection.execute(
            text(
                "INSERT INTO flights (id, flight_code, takeoff_date, cost, capacity, remaining_seats_count)"
                " SELECT id, 'A380', '2099-01-01', 100, 100000000, 100000000 FROM generate_series(1, :flights) AS id"
            ),
            {"flights": FLIGHTS},
        )
    engine.dispose()
    return url


def compare(  # noqa: PLR0913 - what is compared, where, and how
    database: Server, url: URL, of: Function, flights: int, instances: int, *, asked: argparse.Namespace
) -> tuple[float, float]:
    """The median of each, in transactions a second."""
    folder, target, answer = of
    with ExitStack() as opened:
        address = url.render_as_string(hide_password=False)
        ports = [opened.enter_context(function(folder, target, 1, DATABASE_URL=address))[1] for _ in range(instances)]
        ours, theirs = [], []
        decrease(ports, answer, flights, 1)
        for _ in range(asked.rounds):
            ours.append(decrease(ports, answer, flights, asked.seconds))
            theirs.append(pgbench(database, url, flights, instances, asked.seconds))
    return median(ours), median(theirs)


def decrease(ports: Sequence[int], expected: bytes, flights: int, seconds: float) -> float:
    """Calls a second of one client for each instance. What is expected must be in every answer: seats were taken."""
    until = time.monotonic() + seconds

    def one_client(port: int) -> int:
        calls = 0
        while time.monotonic() < until:
            answer = call(port, placed(1 + calls % flights))
            assert expected in answer, answer[:500]
            calls += 1
        return calls

    with ThreadPoolExecutor(len(ports)) as pool:
        return sum(pool.map(one_client, ports)) / seconds


def pgbench(database: Server, url: URL, flights: int, clients: int, seconds: float) -> float:
    """Transactions a second, without the time to connect."""
    script = database.folder / "script.sql"
    script.write_text(SCRIPT.format(flights=flights), "utf-8")
    how = [f"--file={script}", f"--time={max(1, round(seconds))}", f"--client={clients}", "--no-vacuum"]
    where = ["--host", str(url.query["host"]), "--username", str(url.username), str(url.database)]
    command = [str(database.programs / "pgbench"), *how, *where]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"tps = ([0-9.]+)", done.stdout)
    assert found, done.stdout
    return float(found[1])


if __name__ == "__main__":
    main()
