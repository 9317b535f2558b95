"""Disk that the dashboard's history of events takes: bytes a saga, in SQLite, indexes included.

    PYTHONPATH=functions/dashboard-projector python -m benchmarks.history_size [--sagas 2000]

Half of the sagas succeed (four events), half are canceled after that (seven), in random order.
"""

import argparse
import random
import sqlite3
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from sqlalchemy import create_engine

import projection
from airline import ids
from airline.events import Paid, PaymentRefunded, RemainingSeatsIncreased, ReservationConfirmed, SagaEvent
from choreography import wire
from testbed.sample_events import canceled, decreased, placed

TABLE = (
    "SELECT count(*) FROM events",
    "SELECT sum(pgsize) FROM dbstat WHERE name IN (SELECT name FROM sqlite_schema WHERE tbl_name = 'events')",
)


def sagas(count: int) -> Iterator[SagaEvent]:
    """The events of this many sagas."""
    paid = Paid(payment_id=1, reservation_id="", customer_id=7, amount=600)
    confirmed = ReservationConfirmed(reservation_id="", customer_id=7, flight_id=1, seat_qty=3)
    returned = RemainingSeatsIncreased(reservation_id="", flight_id=1, seat_qty=3, remaining_seats_count=5)
    refunded = PaymentRefunded(payment_id=1, reservation_id="", customer_id=7, amount=600, reason="changed my mind")
    succeeded: tuple[SagaEvent, ...] = (placed(), decreased(), paid, confirmed)
    for number in range(count):
        identity = ids.random_reservation_id()
        for event in (*succeeded, canceled(), returned, refunded) if number % 2 else succeeded:
            yield replace(event, reservation_id=identity)


def tell(file: Path, events: Iterable[SagaEvent]) -> None:
    """Projects the events, a hundred in a transaction."""
    engine = create_engine(f"sqlite:///{file}")
    projection.metadata.create_all(engine)
    with engine.connect() as connection:
        for number, event in enumerate(events):
            said = wire.say(event, "/airline/reserve")
            data = said.pop("data")
            projection.project(wire.Envelope({**said, "causationid": said["id"]}, data), connection)
            if number % 100 == 0:
                connection.commit()
        connection.commit()
    engine.dispose()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sagas", type=int, default=2000)
    count = parser.parse_args().sagas
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "dashboard-projector.db"
        events = list(sagas(count))
        random.shuffle(events)
        tell(file, events)
        with closing(sqlite3.connect(file)) as connection:
            rows, size = (connection.execute(query).fetchone()[0] for query in TABLE)
    sys.stdout.write(f"{rows} events of {count} sagas: {size / rows:.0f} bytes an event, {size / count:.0f} a saga\n")


if __name__ == "__main__":
    main()
