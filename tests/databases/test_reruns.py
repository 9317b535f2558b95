"""Deadlocks and serialization failures are rerun inside; a caller that loses every time is asked to try again."""

import itertools
import threading
from collections.abc import Callable

import pytest
from sqlalchemy import Connection, Engine, select, update

import flights
from choreography import store
from choreography.errors import TryAgain
from testbed.database_servers import Server
from tests.databases.in_parallel import PATIENCE, at_once
from tests.databases.test_seats_sold_in_parallel import on_sale, remaining
from tests.databases.test_values import HOLD, ON_A_SERVER
from tests.unit.conftest import Database

FAILURES = {
    "postgresql": ("40P01", "40001"),
    "mariadb": ("SQLSTATE '40001' SET MYSQL_ERRNO = 1213", "SQLSTATE 'HY000' SET MYSQL_ERRNO = 1020"),
}
EACH_FAILURE = pytest.mark.parametrize("which", [0, 1], ids=["deadlock", "serialization or lock wait"])


def fail(server: Server, which: int, transaction: Connection) -> None:
    """The database itself says that the transaction lost."""
    failure = FAILURES[server.name][which]
    raising = f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{failure}'; END $$"
    transaction.exec_driver_sql(raising if server.name == "postgresql" else f"SIGNAL {failure}")


@ON_A_SERVER
@EACH_FAILURE
def test_a_transaction_that_loses_is_run_again_and_leaves_one_effect(
    server: Server, database: Database, which: int
) -> None:
    engine = database(flights.metadata)
    runs = itertools.count(1)

    def work(transaction: Connection) -> int:
        run = next(runs)
        assert store.insert_if_absent(transaction, flights.HOLDS, **HOLD)
        if run < store.ATTEMPTS:
            fail(server, which, transaction)
        return run

    assert store.commit(work, engine) == store.ATTEMPTS
    with store.reading(engine) as connection:
        assert len(connection.execute(select(flights.HOLDS)).all()) == 1


@ON_A_SERVER
@EACH_FAILURE
def test_a_transaction_that_loses_each_time_says_try_again_and_leaves_nothing(
    server: Server, database: Database, which: int
) -> None:
    engine = database(flights.metadata)
    runs = itertools.count()

    def work(transaction: Connection) -> None:
        next(runs)
        store.insert_if_absent(transaction, flights.HOLDS, **HOLD)
        fail(server, which, transaction)

    with pytest.raises(TryAgain):
        store.commit(work, engine)
    assert next(runs) == store.ATTEMPTS
    with store.reading(engine) as connection:
        assert connection.execute(select(flights.HOLDS)).all() == []


@ON_A_SERVER
def test_of_two_that_deadlock_one_is_run_again(server: Server, database: Database) -> None:
    engine = on_sale(database(flights.metadata), [10, 10])
    runs, both_hold_one = itertools.count(), threading.Barrier(2)

    def crossing(first: int, second: int) -> Callable[[], None]:
        own_runs = itertools.count()

        def work(transaction: Connection) -> None:
            next(runs)
            take_one(first, transaction)
            if next(own_runs) == 0:
                both_hold_one.wait(PATIENCE)
            take_one(second, transaction)

        return lambda: store.commit(work, engine)

    at_once([crossing(1, 2), crossing(2, 1)])
    assert next(runs) == 3
    assert remaining(engine) == [8, 8]


@ON_A_SERVER
def test_who_reads_and_then_writes_is_run_again_where_the_database_watches(server: Server, database: Database) -> None:
    engine = on_sale(database(flights.metadata), [1])
    watchful: Engine = engine.execution_options(isolation_level="SERIALIZABLE")
    both_have_read = threading.Barrier(2)

    def naive() -> bool:
        own_runs = itertools.count()

        def work(transaction: Connection) -> bool:
            left = transaction.execute(select(flights.FLIGHTS.c.remaining_seats_count)).scalar_one()
            if next(own_runs) == 0:
                both_have_read.wait(PATIENCE)
            transaction.execute(update(flights.FLIGHTS).values(remaining_seats_count=max(left - 1, 0)))
            return bool(left)

        return store.commit(work, watchful)

    assert sorted(at_once([naive, naive])) == [False, True]
    assert remaining(engine) == [0]


def take_one(flight: int, transaction: Connection) -> None:
    less = {"remaining_seats_count": flights.FLIGHTS.c.remaining_seats_count - 1}
    transaction.execute(update(flights.FLIGHTS).where(flights.FLIGHTS.c.id == flight).values(less))
