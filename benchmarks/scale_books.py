"""Databases as so many ended reservations leave them, filled in bulk: for benchmarks, by whatever number.

60 of 100 are SUCCEED, the others were canceled after that. A customer has 20 of them, a flight 500, a day 25 flights,
however many there are; all laws of `airline reconcile` hold. Indexes are made after the rows. Each database is filled
by a process.
"""

import os
import random
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import URL, Connection, Table, create_engine, insert

import counts
import flights
import letters
import payments
import projected
import projection
import provider
import reservations
import reserve_tally
from choreography import connections, migrations
from testbed.policies import FUNCTIONS

OF_CUSTOMER, OF_FLIGHT, OF_DAY = 20, 500, 25
LEAST_FLIGHTS, CAPACITY = 50, 9000
LEAST_LETTERS = 200
DAYS, LETTER_DAYS = 20, 6
BATCH = 10_000
PAGES_IN_MEMORY = -400_000
"""Of SQLite while it fills, in KiB."""
UNDONE = ("ReservationCanceled", "RemainingSeatsIncreased", "PaymentRefunded")
STEPS = ("ReservationPlaced", "RemainingSeatsDecreased", "Paid", "ReservationConfirmed")
LETTER_STATUSES = ("OPEN", "REPLAYED", "DISCARDED", "SETTLED")
COLUMNS_OF_EVENTS = (
    *("id", "reservation_id", "type", "source", "said_at", "data"),
    *("customer_id", "reserve_date", "paid_amount", "refunded_amount"),
)
Row = tuple[Any, ...]
Rows = Callable[[int], Iterable[Row]]


class Ended(NamedTuple):
    """What is known of a reservation that ended; `at` as databases write it, in UTC."""

    number: int
    identity: str
    customer: int
    flight: int
    seats: int
    amount: int
    at: str
    succeeds: bool


@dataclass(frozen=True)
class Filled:
    """The rows of a table, for so many reservations."""

    table: Table
    columns: Sequence[str]
    rows: Rows


def ended(count: int) -> Iterator[Ended]:
    """The reservations, oldest first; the same at each call."""
    chance, customers, used = random.Random(1), max(1, count // OF_CUSTOMER), max(1, count // OF_FLIGHT)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)  # the same for all tables
    start, step = today - timedelta(days=DAYS), timedelta(days=DAYS) / count
    for number in range(count):
        flight, seats = 1 + number % used, 1 + number % 3
        yield Ended(
            number=number,
            identity=identity_of(number),
            customer=1 + int(chance.random() * customers),
            flight=flight,
            seats=seats,
            amount=seats * cost_of(flight),
            at=(start + number * step).isoformat(" ", "microseconds"),
            succeeds=chance.random() < 0.6,
        )


def identity_of(number: int) -> str:
    """The id of a reservation: in no order, as ids are."""
    return f"{number * 0x9E3779B97F4A7C15 % 2**48:012X}"


def cost_of(flight: int) -> int:
    """What one seat costs."""
    return 100 * (1 + flight % 90)


def flights_of(count: int) -> int:
    """How many flights there are: more than a page, so that a list of a few is not compared with a list of many."""
    return max(LEAST_FLIGHTS, count // OF_FLIGHT)


def _reservations(count: int) -> Iterator[Row]:
    for one in ended(count):
        status, reason = ("SUCCEED", None) if one.succeeds else ("CANCELED", "canceled by customer")
        ids = one.identity, one.customer, one.flight, one.seats
        yield *ids, one.at[:10], "accept", status, reason, one.at, one.at


def _tally(count: int) -> Iterator[Row]:
    for status, succeeds in (("SUCCEED", True), ("CANCELED", False)):
        seats = [one.seats for one in ended(count) if one.succeeds is succeeds]
        yield status, len(seats), sum(seats)


def _sums(count: int) -> Iterator[Row]:
    back = [one.amount for one in ended(count) if not one.succeeds]
    yield "taken", sum(one.amount for one in ended(count))
    yield "refunded", sum(back)
    yield "customer", len(back)


def _flights(count: int) -> Iterator[Row]:
    used = max(1, count // OF_FLIGHT)
    held = [0] * (used + 1)
    for one in ended(count):
        held[one.flight] += one.seats if one.succeeds else 0
    day = (datetime.now(UTC) + timedelta(days=400)).date()
    days = flights_of(count) // OF_DAY
    for flight in range(1, flights_of(count) + 1):
        seats = CAPACITY + flight  # or the few flights nobody is on would be equal in an order in which the many differ
        left = seats - held[flight] if flight <= used else seats
        yield flight, f"ACE{flight:04}", str(day + timedelta(days=flight % days)), cost_of(flight), seats, left


def _numbers(count: int) -> Iterator[Row]:
    yield (flights_of(count),)


def _holds(count: int) -> Iterator[Row]:
    for one in ended(count):
        yield one.identity, one.flight, one.seats, "HELD" if one.succeeds else "RELEASED", one.amount


def _payments(count: int) -> Iterator[Row]:
    for one in ended(count):
        status = "PAID" if one.succeeds else "REFUNDED"
        yield one.number + 1, one.identity, one.customer, one.amount, "accept", status, one.at


def _ledger(count: int) -> Iterator[Row]:
    for one in ended(count):
        for kind in ("charge",) if one.succeeds else ("charge", "refund"):
            yield one.identity, kind, True, one.amount, one.at


def _projected(count: int) -> Iterator[Row]:
    for one in ended(count):
        back = not one.succeeds
        money = one.amount, one.amount if back else None
        flags = True, True, back, True, back, True, one.at if back else None, True, False
        yield one.identity, one.customer, one.at[:10], *money, *flags


def _events(count: int) -> Iterator[Row]:
    for one in ended(count):
        for place, type_ in enumerate(STEPS if one.succeeds else (*STEPS, *UNDONE)):
            copied = (one.customer, one.at[:10]) if type_ == "ReservationPlaced" else (None, None)
            paid = one.amount if type_ in ("Paid", "PaymentRefunded") else None
            data = f'{{"reservationId": "{one.identity}", "seatQty": {one.seats}}}'
            said = f"{one.identity}-0000-4000-8000-{place:08}", one.identity, type_, "/airline/filled", one.at, data
            yield *said, *copied, paid, one.amount if type_ == "PaymentRefunded" else None


def _letters(count: int) -> Iterator[Row]:
    number, now = max(LEAST_LETTERS, count // 10), datetime.now(UTC).replace(tzinfo=None)
    for place, one in enumerate(islice(ended(max(count, number)), number)):
        at = (now - timedelta(days=LETTER_DAYS) * place / number).isoformat(" ", "microseconds")
        status, type_ = LETTER_STATUSES[place % 4], STEPS[place // 4 % 4]
        names = f"{place:032x}", f"event-{place}", type_, "/airline/filled", one.identity, "charge-payment"
        decided = None if status == "OPEN" else at
        event = f'{{"specversion": "1.0", "id": "event-{place}", "type": "{type_}", "source": "/airline/filled"}}'
        yield *names, "http://charge-payment", status, decided, 503, "away", 1 + place % 5, at, at, event, "{}", False


def _settled(count: int) -> Iterator[Row]:
    now = datetime.now(UTC).replace(tzinfo=None)
    at = (now - timedelta(days=LETTER_DAYS)).isoformat(" ", "microseconds")
    for one in islice(ended(count), count * LETTER_DAYS // DAYS):
        yield one.identity, "SUCCEED" if one.succeeds else "CANCELED", at


def _answers(count: int) -> Iterator[Row]:
    at = datetime.now(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
    for one in islice(ended(count), count // DAYS):
        yield f"key-{one.number}", "0" * 64, "-", at, 200, "{}", "{}", f"/reservations/{one.identity}"


def _actions(count: int) -> Iterator[Row]:
    number = max(LEAST_LETTERS, count // 100)
    for place, one in enumerate(islice(ended(max(count, number)), number)):
        yield f"{place:032x}", one.at, f"operator-{place % 5}", "PATCH", f"/flights/{one.flight}", None, 200, ""


_ANSWERS = ("key", "fingerprint", "claim", "claimed_at", "status", "headers", "body", "resource")
_ACTIONS = ("id", "at", "actor", "method", "path", "body", "status", "trace_id")


def _of(tables: Any, **more: Rows) -> list[Filled]:
    """What several services have in tables of the kit."""
    columns = {"commands": _ANSWERS, "actions": _ACTIONS}
    return [Filled(tables[name], columns[name], rows) for name, rows in more.items()]


DATABASES: dict[str, list[Filled]] = {
    "dashboard-projector": [
        Filled(projection.EVENTS, COLUMNS_OF_EVENTS, _events),
        Filled(
            projection.RESERVATIONS,
            (
                *("reservation_id", "customer_id", "reserve_date", "paid_amount", "refunded_amount"),
                *("placed", "seats_held", "seats_returned", "paid", "refunded", "confirmed", "canceled_at", "reported"),
                *("pruned",),
            ),
            _projected,
        ),
        Filled(projected.TALLY, ("name", "number"), _sums),
        *_of(projection.metadata.tables, actions=_actions),
    ],
    "reserve": [
        Filled(
            reservations.RESERVATIONS,
            (
                *("id", "customer_id", "flight_id", "seat_qty", "reserve_date", "payment_method", "status", "reason"),
                *("created_at", "expires_at"),
            ),
            _reservations,
        ),
        Filled(reserve_tally.TALLY, ("status", "reservations", "seats"), _tally),
        *_of(reservations.metadata.tables, commands=_answers, actions=_actions),
    ],
    "flight-seats": [
        Filled(flights.HOLDS, ("reservation_id", "flight_id", "seat_qty", "status", "amount"), _holds),
        Filled(
            flights.FLIGHTS,
            (*("id", "flight_code", "takeoff_date", "cost", "capacity", "remaining_seats_count"),),
            _flights,
        ),
        Filled(flights.NUMBERS, ("latest",), _numbers),
        *_of(flights.metadata.tables, commands=_answers, actions=_actions),
    ],
    "payment": [
        Filled(
            payments.PAYMENTS,
            (*("id", "reservation_id", "customer_id", "amount", "payment_method", "status", "moved_at"),),
            _payments,
        ),
    ],
    "provider": [Filled(provider.LEDGER, ("key", "kind", "accepted", "amount", "at"), _ledger)],
    "dead-letters": [
        Filled(letters.SETTLED_SAGAS, ("reservation_id", "status", "settled_at"), _settled),
        Filled(
            letters.LETTERS,
            (
                *("id", "event_id", "type", "source", "reservation_id", "function", "destination", "status"),
                *("decided_at", "code", "reason", "times", "first_at", "last_at", "attributes", "data", "in_base64"),
            ),
            _letters,
        ),
        *_of(letters.metadata.tables, actions=_actions),
    ],
}
"""By name, the longest first."""


def fill(urls: Mapping[str, URL], count: int) -> None:
    """Migrates and fills the databases, as many at once as there are cores."""
    with ProcessPoolExecutor(os.cpu_count()) as processes:
        for done in [processes.submit(_fill, name, urls[name], count) for name in DATABASES]:
            done.result()


def _fill(name: str, url: URL, count: int) -> None:
    (folder,) = {path.parent for path in FUNCTIONS.rglob("migrations") if path.parent.name == name}
    migrations.upgrade(folder, url)
    connections.engine(url).dispose()
    (_into_sqlite if url.get_backend_name() == "sqlite" else _into_postgresql)(DATABASES[name], url, count)
    if name == "dashboard-projector":
        engine = create_engine(url)
        with engine.begin() as connection:
            _count_customers(connection)
        engine.dispose()


def _count_customers(connection: Connection) -> None:
    columns = list(projection.CUSTOMERS.c.keys())
    connection.execute(insert(projection.CUSTOMERS).from_select(columns, counts.counted()))


def _into_sqlite(tables: Sequence[Filled], url: URL, count: int) -> None:
    connection = sqlite3.connect(str(url.database), isolation_level=None)
    for pragma in ("journal_mode=OFF", "synchronous=OFF", f"cache_size={PAGES_IN_MEMORY}", "temp_store=MEMORY"):
        connection.execute(f"PRAGMA {pragma}")
    for one in tables:
        named = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name = ?"
        indexes = connection.execute(named, [one.table.name]).fetchall()
        connection.execute("BEGIN")
        for index, _ in indexes:
            connection.execute(f"DROP INDEX {index}")
        connection.execute(f"DELETE FROM {one.table.name}")  # the sample flights
        places = ", ".join("?" * len(one.columns))
        columns = ", ".join(one.columns)
        connection.executemany(f"INSERT INTO {one.table.name} ({columns}) VALUES ({places})", one.rows(count))
        for _, made in indexes:
            connection.execute(made)
        connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()


def _into_postgresql(tables: Sequence[Filled], url: URL, count: int) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        for one in tables:
            # what a constraint needs stays
            named = (
                "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = %s AND indexname NOT IN "
                "(SELECT conname FROM pg_constraint)"
            )
            indexes = driver.execute(named, [one.table.name]).fetchall()
            for index, _ in indexes:
                driver.execute(f"DROP INDEX {index}")
            driver.execute(f"TRUNCATE {one.table.name}")
            with driver.cursor().copy(f"COPY {one.table.name} ({', '.join(one.columns)}) FROM STDIN") as copied:
                for row in one.rows(count):
                    copied.write_row(row)
            for _, made in indexes:
                driver.execute(made)
            _count_on(driver, one.table)
            driver.execute(f"VACUUM ANALYZE {one.table.name}")  # as autovacuum would, some minutes later
    engine.dispose()


def _count_on(driver: Any, table: Table) -> None:
    """The next row gets a number that none of these has: they were written with numbers of their own."""
    for column in table.primary_key:
        (counter,) = driver.execute("SELECT pg_get_serial_sequence(%s, %s)", [table.name, column.name]).fetchone()
        if counter:
            driver.execute(f"SELECT setval(%s, (SELECT max({column.name}) FROM {table.name}))", [counter])


def databases_in(folder: Path) -> dict[str, URL]:
    """A SQLite file for each."""
    return {name: URL.create("sqlite", database=str(folder / f"{name}.db")) for name in DATABASES}
