"""What a call costs with many reservations behind it, against the same call with 1,000: ratios of one run.

    python -m benchmarks.scale [--reservations 100000] [--result FILE]

Fills SQLite databases with reservations that ended, 60 of 100 as SUCCEED, one customer for 20 of them and one flight
for 500, and makes each call in this process. The median of seven counts. Far pages are reached by `next`. PYTHONPATH
has to name the folders of functions/.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import Connection, Table, create_engine, insert
from werkzeug.test import TestResponse

import counts
import flights
import payments
import projection
import provider
import reservations
from airline import ids
from testbed.hosting import HostedAirline, isolated, migrate_all, url_of
from testbed.vocabulary import body_of, event, href, tick

FEW, TIMES, BATCH = 1000, 7, 5000
LEAST_FLIGHTS = 50
FAR = 20
"""Pages of 1,000 behind the first one."""
SERVICES = {
    "reservations": (
        "reserve",
        (
            "",
            "?customerId=7",
            "?flightId=1",
            "?status=PENDING",
            "?status=SUCCEED",
            "?status=SUCCEED&sort=createdAt,desc",
        ),
    ),
    "flights": ("flight-seats", ("", "?minSeats=5", "?sort=takeoffDate")),
    "holds": ("flight-seats", ("", "?status=HELD", "?flightId=1", "?status=HELD&sort=amount")),
    "payments": ("payment", ("",)),
    "ledger": ("payment", ("",)),
    "customerInfos": ("dashboard", ("", "/7")),
}
SORTS = {
    "reservations": ("customerId", "flightId", "reserveDate", "status", "createdAt", "createdAt,desc"),
    "holds": ("flightId", "status"),
    "payments": ("customerId", "amount", "status"),
    "ledger": ("kind", "at"),
    "customerInfos": ("flightCount,desc", "recentReserveDate,desc"),
}
TICKS = ("reserve-housekeeping", "payment-housekeeping", "dashboard-housekeeping")
Row = dict[str, Any]
Call = Callable[[], TestResponse]


def rows(count: int, seed: int = 1) -> Iterator[tuple[str, str, Table, Row]]:
    """Each row that so many reservations leave, with its database and its table."""
    chance, now = random.Random(seed), datetime.now(UTC)
    for flight in range(1, flights_of(count) + 1):
        row = {"id": flight, "flight_code": "ACE890", "takeoff_date": now.date() + timedelta(days=400), "cost": 1000}
        yield "flight-seats", "flights", flights.FLIGHTS, row | {"capacity": 9000, "remaining_seats_count": 8000}
    for number in range(count):
        identity, at = ids.random_reservation_id(), now - timedelta(seconds=chance.randrange(20 * 86_400))
        customer, flight = 1 + number % max(1, count // 20), 1 + number % flights_of(count)
        succeeds = chance.random() < 0.6
        yield from _rows(identity, at, customer, flight, succeeds)


def flights_of(count: int) -> int:
    """How many flights: more than a page, so that a list of a few is not compared with a list of many."""
    return max(LEAST_FLIGHTS, count // 500)


def _rows(identity: str, at: datetime, customer: int, flight: int, succeeds: bool) -> Iterator[Any]:
    of = {"reservation_id": identity}
    ended, amount = ("SUCCEED" if succeeds else "CANCELED"), 1000
    row = {"id": identity, "customer_id": customer, "flight_id": flight, "seat_qty": 1, "reserve_date": at.date()}
    row |= {"payment_method": "accept", "status": ended, "created_at": at, "expires_at": at + timedelta(minutes=15)}
    yield "reserve", "reservations", reservations.RESERVATIONS, row
    held = {**of, "flight_id": flight, "seat_qty": 1, "status": "HELD" if succeeds else "RELEASED", "amount": amount}
    yield "flight-seats", "holds", flights.HOLDS, held
    paid = {**of, "customer_id": customer, "amount": amount, "payment_method": "accept", "moved_at": at}
    yield "payment", "payments", payments.PAYMENTS, paid | {"status": "PAID" if succeeds else "REFUNDED"}
    for kind in ("charge",) if succeeds else ("charge", "refund"):
        entry = {"key": identity, "kind": kind, "accepted": True, "amount": amount, "at": at}
        yield "provider", "ledger", provider.LEDGER, entry
    flags = {"placed": True, "seats_held": True, "paid": True, "confirmed": succeeds, "reported": True}
    given_back = {"seats_returned": not succeeds, "refunded": not succeeds, "canceled_at": None if succeeds else at}
    known = {"customer_id": customer, "reserve_date": at.date(), "paid_amount": amount}
    known["refunded_amount"] = None if succeeds else amount
    yield "dashboard-projector", "reservations", projection.RESERVATIONS, of | known | flags | given_back
    undone = ("ReservationCanceled", "RemainingSeatsIncreased", "PaymentRefunded")
    for type_ in (
        "ReservationPlaced",
        "RemainingSeatsDecreased",
        "Paid",
        *(("ReservationConfirmed",) if succeeds else undone),
    ):
        said = {**of, "id": f"{identity}{type_}", "type": type_, "source": "/airline/x", "said_at": at, "data": "{}"}
        said |= {"customer_id": customer, "reserve_date": at.date()} if type_ == "ReservationPlaced" else {}
        said |= {"paid_amount": amount} if type_ in ("Paid", "PaymentRefunded") else {}
        said |= {"refunded_amount": amount} if type_ == "PaymentRefunded" else {}
        yield "dashboard-projector", type_, projection.EVENTS, said


def fill(folder: Path, count: int) -> None:
    """Writes the databases, each row as its service would."""
    migrate_all(folder)
    engines = {name: create_engine(url_of(folder / f"{name}.db")) for name in {row[0] for row in rows(1)}}
    connections = {name: engine.connect() for name, engine in engines.items()}
    waiting: dict[tuple[str, str], tuple[Table, list[Row]]] = {}
    for database, name, table, row in rows(count):
        batch = waiting.setdefault((database, name), (table, []))[1]
        batch.append(row)
        if len(batch) == BATCH:
            _write(connections[database], table, batch)
    for (database, _), (table, batch) in waiting.items():
        _write(connections[database], table, batch)
    whose = connections["dashboard-projector"]
    whose.execute(insert(projection.CUSTOMERS).from_select(list(projection.CUSTOMERS.c.keys()), counts.counted()))
    whose.commit()
    for name, connection in connections.items():
        connection.close()
        engines[name].dispose()


def _write(connection: Connection, table: Table, batch: list[Row]) -> None:
    if batch:
        connection.execute(insert(table), batch)
        connection.commit()
        batch.clear()


def calls(airline: HostedAirline) -> Iterator[tuple[str, Call]]:
    """Everything that is measured, by what it is called."""
    for name, (service, questions) in SERVICES.items():
        function = airline.function(service)
        for path in [f"/{name}{one}" for one in questions] + [f"/{name}?sort={one}" for one in SORTS.get(name, ())]:
            yield f"GET {path}", lambda function=function, path=path: function.get(path)  # type: ignore[misc]
        far = _far(lambda path, function=function: function.get(path), f"/{name}?size=1000")  # type: ignore[misc]
        yield f"GET /{name}, far page", lambda function=function, far=far: function.get(far)  # type: ignore[misc]
    for service in TICKS:
        function = airline.function(service)
        yield f"tick of {service}", lambda function=function: function.hear(tick())  # type: ignore[misc]
    numbers = iter(range(10**6))
    for service, type_ in (("decrease-seats", "ReservationPlaced"), ("project-dashboard", "ReservationPlaced")):
        function = airline.function(service)
        yield (
            f"{service} hears {type_}",
            lambda function=function, type_=type_: function.hear(  # type: ignore[misc]
                event(type_, reservationId=f"NEW{next(numbers):09}", flightId=1, seatQty=1)
            ),
        )


def _far(get: Callable[[str], TestResponse], path: str) -> str:
    for _ in range(FAR):
        page = body_of(get(path))
        if "next" not in page["_links"]:
            break
        path = href(page, "next")
    return path.replace("size=1000", "size=20")


def measured(folder: Path, count: int) -> Mapping[str, float]:
    """Milliseconds of each call, with that many reservations."""
    started = time.perf_counter()
    fill(folder, count)
    sys.stderr.write(f"{count} reservations written in {time.perf_counter() - started:.0f} s\n")
    with isolated(), closing(HostedAirline(folder, folder)) as airline:
        return {name: _cost(name, call) for name, call in calls(airline)}


def _cost(name: str, call: Call) -> float:
    took = []
    for _ in range(TIMES):
        started = time.perf_counter()
        answer = call()
        took.append(time.perf_counter() - started)
        if not 200 <= answer.status_code < 300:
            raise RuntimeError(f"{name}: {answer.status} {answer.text}")
    return 1000 * median(took)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reservations", type=int, default=100_000)
    parser.add_argument("--result", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder) / "few", Path(folder) / "many"
        small.mkdir()
        large.mkdir()
        few, many = measured(small, FEW), measured(large, options.reservations)
    for name, cost in many.items():
        sys.stdout.write(f"{name:50} {few[name]:9.1f} ms {cost:9.1f} ms   x {cost / few[name]:.1f}\n")
    if options.result:
        table = {name: {"few": few[name], "many": many[name]} for name in many}
        options.result.write_text(json.dumps({"few": FEW, "many": options.reservations, "ms": table}, indent=1) + "\n")


if __name__ == "__main__":
    main()
