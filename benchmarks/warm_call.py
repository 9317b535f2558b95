"""CPU of a warm decrease-seats call, against one that only parses a CloudEvent: python -m benchmarks.warm_call

SQLite with synchronous FULL, one call at a time; then the latencies at 16 clients.
"""

import argparse
import json
import sqlite3
import tempfile
from itertools import count

from sqlalchemy import make_url

from benchmarks.measure import PLAIN, ROOT, function, load, repeated, request
from choreography import migrations

FOLDER = ROOT / "functions" / "flight-seats"
GOAL_CPU, GOAL_P99 = 2.4, 0.060
_numbers = count()


def placed(flight: int = 1) -> bytes:
    """A ReservationPlaced, as the broker delivers it."""
    identity = f"{next(_numbers):012d}"
    data = {"reservationId": identity, "customerId": 7, "flightId": flight, "seatQty": 1, "reserveDate": "2024-11-21"}
    data |= {"paymentMethod": "accept", "expiresAt": "2026-12-01T00:00:00.000Z"}
    attributes = {"specversion": "1.0", "id": f"event-{identity}", "source": "/airline/reserve"}
    attributes |= {"type": "ReservationPlaced", "correlationid": identity, "partitionkey": identity}
    attributes |= {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    headers = {f"ce-{name}": value for name, value in attributes.items()}
    return request(json.dumps(data).encode(), headers | {"content-type": "application/json", "prefer": "reply"})


def with_large_flight(folder: str) -> str:
    """The URL of a database whose flight 1 does not sell out."""
    migrations.upgrade(FOLDER, make_url(f"sqlite:///{folder}/flights.db"))
    with sqlite3.connect(f"{folder}/flights.db") as database:
        database.execute("INSERT INTO flights VALUES (1, 'A380', '2027-01-01', 100, 1000000, 1000000)")
    return f"sqlite:///{folder}/flights.db"


def main() -> None:
    """Prints the ratio for each number of threads."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--calls", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=7)
    asked = parser.parse_args()
    print(f"goals: CPU ratio <= {GOAL_CPU}, p99 at 16 clients <= {GOAL_P99 * 1000:.0f} ms")
    for threads in asked.threads:
        compare(threads, asked.calls, asked.rounds)


def compare(threads: int, calls: int, rounds: int) -> None:
    """Both functions run side by side and are measured in turns."""
    with (
        tempfile.TemporaryDirectory() as folder,
        function(PLAIN, "parse", threads) as (plain, plain_port),
        function(FOLDER, "decrease_seats", threads, DATABASE_URL=with_large_flight(folder)) as (ours, our_port),
    ):
        load(plain, plain_port, [placed() for _ in range(200)])
        load(ours, our_port, [placed() for _ in range(200)])
        parse, decrease = repeated(
            rounds,
            lambda: load(plain, plain_port, [placed() for _ in range(calls)]).cpu,
            lambda: load(ours, our_port, [placed() for _ in range(calls)]).cpu,
        )
        sixteen = load(ours, our_port, [placed() for _ in range(5 * calls)], clients=16)
    print(
        f"{threads} threads: parse {parse * 1e6:.0f} us, decrease-seats {decrease * 1e6:.0f} us,"
        f" ratio {decrease / parse:.2f}; 16 clients p50 {sixteen.percentile(50) * 1e3:.1f} ms,"
        f" p99 {sixteen.percentile(99) * 1e3:.1f} ms"
    )


if __name__ == "__main__":
    main()
