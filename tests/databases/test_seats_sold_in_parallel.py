"""More buyers than seats, all at once, each on a connection of its own: every seat is sold, and none of them twice."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, ExceptionContext, event, func, select, update

import flights
from airline.events import RemainingSeatsDecreased, SeatsSoldOut
from choreography import store
from testbed.database_servers import Server
from testbed.sample_events import canceled, placed
from tests.databases.in_parallel import PATIENCE, at_once, ruled
from tests.databases.test_values import ON_A_SERVER
from tests.unit.conftest import Database

BUYERS = 60


def on_sale(engine: Engine, capacities: list[int]) -> Engine:
    """Flights from 1 on, with this many seats."""

    def work(transaction: Connection) -> None:
        for number, seats in enumerate(capacities, 1):
            flight = {"id": number, "flight_code": "X", "takeoff_date": date(2027, 1, 1), "cost": 1, "capacity": seats}
            transaction.execute(flights.FLIGHTS.insert().values(remaining_seats_count=seats, **flight))

    store.commit(work, engine)
    return engine


def buyer(engine: Engine, number: int, seats: int = 1, flight: int = 1) -> Callable[[], Any]:
    return ruled(engine, flights.decrease_remaining_seats, placed(f"R{number}", seats=seats, flight=flight))


def remaining(engine: Engine) -> list[int]:
    with store.reading(engine) as connection:
        query = select(flights.FLIGHTS.c.remaining_seats_count).order_by(flights.FLIGHTS.c.id)
        return list(connection.execute(query).scalars())


def held(engine: Engine) -> dict[int, int]:
    """Seats held, by flight."""
    holds = flights.HOLDS.c
    query = select(holds.flight_id, func.sum(holds.seat_qty)).where(holds.status == "HELD").group_by(holds.flight_id)
    with store.reading(engine) as connection:
        return {flight: int(seats) for flight, seats in connection.execute(query)}


@contextmanager
def errors_of(engine: Engine) -> Iterator[list[BaseException | None]]:
    """What the database refused, deadlocks included, although a rerun would hide it."""
    refused: list[BaseException | None] = []

    def note(context: ExceptionContext) -> None:
        refused.append(context.original_exception)

    event.listen(engine, "handle_error", note)
    try:
        yield refused
    finally:
        event.remove(engine, "handle_error", note)


@pytest.mark.parametrize("capacities", [[20], [4] * 5], ids=["one hot flight", "spread over five"])
def test_every_seat_is_sold_once_and_the_others_are_refused(database: Database, capacities: list[int]) -> None:
    engine = on_sale(database(flights.metadata), capacities)
    said = at_once([buyer(engine, number, flight=1 + number % len(capacities)) for number in range(BUYERS)])
    assert Counter(map(type, said)) == {RemainingSeatsDecreased: 20, SeatsSoldOut: BUYERS - 20}
    assert remaining(engine) == [0] * len(capacities)
    assert held(engine) == dict(enumerate(capacities, 1))


def test_each_who_got_a_seat_heard_another_number_of_remaining_ones(database: Database) -> None:
    engine = on_sale(database(flights.metadata), [20])
    said = at_once([buyer(engine, number) for number in range(20)])
    assert sorted(word.remaining_seats_count for word in said) == list(range(20))


def test_parties_of_all_sizes_never_get_more_seats_than_there_are(database: Database) -> None:
    engine = on_sale(database(flights.metadata), [50])
    at_once([buyer(engine, number, seats=1 + number % 7) for number in range(BUYERS)])
    assert remaining(engine) == [50 - held(engine)[1]]


def test_one_reservation_delivered_to_many_at_once_takes_its_seats_once(database: Database) -> None:
    engine = on_sale(database(flights.metadata), [20])
    said = at_once([buyer(engine, 1, seats=3)] * 32)
    assert len(set(said)) == 1
    assert remaining(engine) == [17]


def test_one_cancel_delivered_to_many_at_once_gives_back_once(database: Database) -> None:
    engine = on_sale(database(flights.metadata), [20])
    at_once([buyer(engine, number, seats=3) for number in range(2)])
    with errors_of(engine) as refused:
        said = at_once([ruled(engine, flights.restore_seats, canceled("R1"))] * 32)
    assert len(set(said)) == 1
    assert remaining(engine) == [17]
    assert refused == []


def test_a_cancel_that_races_its_own_decrease_leaves_nothing_held(database: Database) -> None:
    engine = on_sale(database(flights.metadata), [20])
    for number in range(25):
        cancel = ruled(engine, flights.restore_seats, canceled(f"R{number}"))
        at_once([buyer(engine, number, seats=3), cancel, buyer(engine, number, seats=3), cancel])
    assert remaining(engine) == [20]
    assert held(engine) == {}


def test_decreases_and_cancels_mixed_lock_in_one_order_and_never_deadlock(database: Database) -> None:
    engine = on_sale(database(flights.metadata), [10, 10])
    calls = [
        each
        for number in range(12)
        for each in [buyer(engine, number, flight=1 + number % 2)] * 6
        + [ruled(engine, flights.restore_seats, canceled(f"R{number}", flight=1 + number % 2))] * 6
    ]
    random.Random(4).shuffle(calls)
    with errors_of(engine) as refused:
        at_once(calls)
    assert refused == []
    assert (remaining(engine), held(engine)) == ([10, 10], {})


def sold_naively(engine: Engine, both_have_read: threading.Barrier) -> Callable[[], bool]:
    """How not to sell a seat: read, think, write."""

    def work(transaction: Connection) -> bool:
        left: int = transaction.execute(select(flights.FLIGHTS.c.remaining_seats_count)).scalar_one()
        both_have_read.wait(PATIENCE)
        if left > 0:
            transaction.execute(update(flights.FLIGHTS).values(remaining_seats_count=left - 1))
        return left > 0

    return lambda: store.commit(work, engine)


@ON_A_SERVER
def test_these_databases_would_sell_the_last_seat_twice_to_who_reads_and_then_writes(
    server: Server, database: Database
) -> None:
    engine = on_sale(database(flights.metadata), [1])
    sold = at_once([sold_naively(engine, threading.Barrier(2))] * 2)
    assert sold == [True, True]
    assert remaining(engine) == [0]


def test_the_same_two_buy_one_seat_by_the_rule(database: Database) -> None:
    engine = on_sale(database(flights.metadata), [1])
    said = at_once([buyer(engine, 1), buyer(engine, 2)])
    assert Counter(map(type, said)) == {RemainingSeatsDecreased: 1, SeatsSoldOut: 1}
