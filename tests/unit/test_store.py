"""Transactions: one effect, whoever else tries, and a clear answer when the database is away."""

import gc
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import Connection, Engine, make_url, select
from sqlalchemy.dialects import mysql
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.schema import CreateTable

import flights
import letters
from airline.events import RemainingSeatsDecreased
from choreography import connections, store
from choreography.errors import TryAgain
from testbed.running_system import ROOT
from testbed.sample_events import placed


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file without a flight."""
    file = tmp_path_factory.mktemp("empty") / "flights.db"
    made = connections.engine_of_migrations(make_url(f"sqlite:///{file}"))
    flights.metadata.create_all(made)
    made.dispose()
    connections.engine.cache_clear()
    return file


@pytest.fixture
def engine(empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """A file of flights, with connections for sixteen threads."""
    monkeypatch.setenv("THREADS", "16")
    shutil.copy(empty, tmp_path)
    made = connections.engine(make_url(f"sqlite:///{tmp_path}/flights.db"))
    yield made
    made.dispose()
    connections.engine.cache_clear()


def with_flight(engine: Engine, seats: int) -> None:
    def work(transaction: Connection) -> None:
        flight = {"id": 1, "flight_code": "X", "takeoff_date": date(2027, 1, 1), "cost": 1, "capacity": seats}
        transaction.execute(flights.FLIGHTS.insert().values(remaining_seats_count=seats, **flight))

    store.commit(work, engine)


def test_parallel_buyers_never_get_more_seats_than_there_are(engine: Engine) -> None:
    with_flight(engine, seats=20)

    def buy(number: int) -> Any:
        return store.commit(lambda tx: flights.decrease_remaining_seats(placed(f"R{number}", seats=1), tx), engine)

    with ThreadPoolExecutor(16) as buyers:
        said = list(buyers.map(buy, range(60)))
    assert sum(isinstance(word, RemainingSeatsDecreased) for word in said) == 20


def test_one_reservation_delivered_to_many_at_once_takes_its_seats_once(engine: Engine) -> None:
    with_flight(engine, seats=20)

    def deliver(_: int) -> Any:
        return store.commit(lambda tx: flights.decrease_remaining_seats(placed(seats=3), tx), engine)

    with ThreadPoolExecutor(16) as workers:
        said = list(workers.map(deliver, range(32)))
    assert len(set(said)) == 1
    with store.reading(engine) as connection:
        assert connection.execute(select(flights.FLIGHTS.c.remaining_seats_count)).scalar_one() == 17


def test_whatever_is_raised_rolls_back(engine: Engine) -> None:
    def work(transaction: Connection) -> None:
        store.insert_if_absent(transaction, flights.HOLDS, reservation_id="R1", flight_id=1, seat_qty=1, status="HELD")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.commit(work, engine)
    with store.reading(engine) as connection:
        assert connection.execute(select(flights.HOLDS)).all() == []


def driver_of(engine: Engine) -> object:
    return store.commit(lambda transaction: transaction.connection.driver_connection, engine)


def test_a_writer_of_flights_keeps_its_connection_until_something_goes_wrong_with_it(engine: Engine) -> None:
    first = driver_of(engine)
    assert driver_of(engine) is first
    with ThreadPoolExecutor(1) as another:
        assert another.submit(driver_of, engine).result() is first
    with pytest.raises(ZeroDivisionError):
        store.commit(lambda _: 1 / 0, engine)
    assert engine not in connections._kept
    connections.give_back()


def test_a_writer_of_many_files_keeps_a_connection_to_the_latest_only(engine: Engine, tmp_path: Path) -> None:
    others = [connections.engine_of_migrations(make_url(f"sqlite:///{tmp_path}/{number}.db")) for number in range(3)]
    for each in (engine, *others):
        driver_of(each)
    assert set(connections._kept) == {others[1], others[2]}
    connections.give_back()
    for each in others:
        each.dispose()


def of_sqlite(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(f"SQLite {code}")
    error.sqlite_errorcode = code
    return error


def of_postgresql(sqlstate: str | None) -> Exception:
    error = Exception(f"PostgreSQL {sqlstate}")
    error.sqlstate = sqlstate  # type: ignore[attr-defined]
    return error


def test_a_violated_key_runs_the_transaction_again(engine: Engine) -> None:
    runs = iter([IntegrityError("", {}, sqlite3.IntegrityError()), None])

    def work(_: Connection) -> str:
        if error := next(runs):
            raise error
        return "done"

    assert store.commit(work, engine) == "done"


@pytest.mark.parametrize(
    "error",
    [
        *(OperationalError("", {}, of_sqlite(code)) for code in (5, 6, 8, 10, 13, 14, 10 | 8 << 8)),
        *(
            OperationalError("", {}, of_postgresql(state))
            for state in ("08006", "53300", "53100", "57P01", "57014", "55P03")
        ),
        *(
            OperationalError("", {}, Exception(number, ""))
            for number in (1040, 1053, 1114, 1205, 1213, 2003, 2006, 2013, 3024)
        ),
        OperationalError(None, None, of_postgresql(None)),
        OperationalError("", {}, of_postgresql(None), connection_invalidated=True),
    ],
    ids=lambda error: str(error.orig),
)
def test_a_database_that_cannot_do_it_now_says_try_again(engine: Engine, error: OperationalError) -> None:
    def work(_: Connection) -> None:
        raise error

    with pytest.raises(TryAgain):
        store.commit(work, engine)


def file_of(engine: Engine) -> Path:
    assert engine.url.database
    return Path(engine.url.database)


@pytest.mark.parametrize("fate", ["deleted", "replaced"])
def test_a_file_that_was_deleted_or_replaced_takes_nothing_more_until_it_is_back(
    engine: Engine, empty: Path, tmp_path: Path, fate: str
) -> None:
    with_flight(engine, seats=5)
    file, shelf = file_of(engine), tmp_path / "shelf"
    file.rename(shelf)
    if fate == "replaced":
        shutil.copy(empty, file)

    with pytest.raises(TryAgain, match=f"its file was {fate}"):
        with_flight(engine, seats=9)
    with pytest.raises(TryAgain, match=f"its file was {fate}"), store.reading(engine):
        pass
    assert file.exists() == (fate == "replaced")

    shelf.rename(file)
    with store.reading(engine) as connection:
        assert connection.execute(select(flights.FLIGHTS.c.capacity)).scalars().all() == [5]


def test_a_file_that_is_missing_is_not_made_by_who_reads_or_writes_it(engine: Engine) -> None:
    file_of(engine).unlink()
    with pytest.raises(TryAgain):
        with_flight(engine, seats=5)
    with pytest.raises(TryAgain), store.reading(engine):
        pass
    assert not file_of(engine).exists()


@pytest.mark.parametrize("content", [b"", b"no database at all" * 400], ids=["emptied", "overwritten"])
def test_a_file_that_somebody_has_emptied_or_overwritten_is_an_outage(engine: Engine, content: bytes) -> None:
    file_of(engine).write_bytes(content)
    with pytest.raises(TryAgain):
        with_flight(engine, seats=5)
    with pytest.raises(TryAgain), store.reading(engine) as connection:
        connection.execute(select(flights.FLIGHTS)).all()


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("", {}, of_sqlite(1)),
        *(OperationalError("", {}, of_postgresql(state)) for state in ("54000", "54001", "54023", None)),
        *(OperationalError("", {}, Exception(number, "")) for number in (1054, 1390, 1436)),
    ],
    ids=lambda error: str(error.orig),
)
def test_a_statement_that_no_database_takes_is_a_defect_and_not_an_outage(
    engine: Engine, error: OperationalError
) -> None:
    def work(_: Connection) -> None:
        raise error

    with pytest.raises(OperationalError):
        store.commit(work, engine)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT id FROM flights ORDER BY " + ",".join(["id"] * 3000),
        "SELECT 1 WHERE " + " OR ".join(["1 = 1"] * 3000),
        "SELECT no_such_column FROM flights",
    ],
    ids=["too many terms", "too deep a tree", "a column that is not there"],
)
def test_sqlite_itself_distinguishes_such_a_statement_from_an_outage(engine: Engine, statement: str) -> None:
    with pytest.raises(OperationalError), store.reading(engine) as connection:
        connection.exec_driver_sql(statement)


def test_a_reader_waits_for_no_writer(engine: Engine) -> None:
    with_flight(engine, seats=5)
    writing, read = threading.Event(), threading.Event()

    def work(transaction: Connection) -> bool:
        transaction.execute(flights.FLIGHTS.update().values(cost=9))
        writing.set()
        return read.wait(10)

    with ThreadPoolExecutor(1) as writer:
        written = writer.submit(store.commit, work, engine)
        assert writing.wait(10)
        with store.reading(engine) as connection:
            assert connection.execute(select(flights.FLIGHTS.c.cost)).scalar_one() == 1
        read.set()
        assert written.result()


def test_a_thread_that_has_sold_seats_leaves_no_file_open(engine: Engine) -> None:
    with_flight(engine, seats=1)

    for _ in range(20):
        seller = threading.Thread(
            target=store.commit, args=(lambda transaction: transaction.execute(select(1)), engine)
        )
        seller.start()
        seller.join()
    del seller
    gc.collect()

    opened = [file.path for file in psutil.Process().open_files()]
    assert opened.count(f"{engine.url.database}-writer") == 1


def test_no_dialect_is_loaded_before_it_is_known_which_one_is_used() -> None:
    program = (
        "import sys, choreography.columns; print([name for name in sys.modules if 'sqlalchemy.dialects.' in name])"
    )
    loaded = subprocess.check_output([sys.executable, "-c", program], env=os.environ | {"PYTHONPATH": "."}, cwd=ROOT)
    assert loaded.strip() == b"[]"


def test_mysql_keeps_milliseconds_and_letters_of_any_length() -> None:
    made = str(CreateTable(letters.LETTERS).compile(dialect=mysql.dialect()))
    assert "last_at DATETIME(3) NOT NULL" in made
    assert "data MEDIUMTEXT NOT NULL" in made
