"""What waits for the disk shares a transaction; each piece of work ends as it would alone."""

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Connection, MetaData, String, Table, event, select

from choreography import connections, store, together
from choreography.errors import Invalid, TryAgain
from choreography.together import Work
from testbed.running_system import eventually

METADATA = MetaData()
HEARD = Table("heard", METADATA, Column("id", String(20), primary_key=True))
SAGA: ContextVar[str] = ContextVar("saga")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A database of its own, for eight threads."""
    from choreography.settings import settings  # noqa: PLC0415

    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/heard.db")
    monkeypatch.setenv("THREADS", "8")
    settings.cache_clear()
    engine = connections.engine_of_migrations(settings().database_url)
    METADATA.create_all(engine)
    yield engine
    connections.give_back()
    engine.dispose()
    connections.engine.cache_clear()
    settings.cache_clear()


class Deliveries:
    """Deliveries that come while one holds the disk; they are let go together."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._go = threading.Event()
        begun = threading.Event()

        def first(transaction: Connection) -> None:
            begun.set()
            assert self._go.wait(60)
            keep("first", transaction)

        self._futures = [pool.submit(store.commit, first)]
        assert begun.wait(60)

    def come(self, *works: Work) -> list[Future[Any]]:
        """Returns when all of them wait."""
        futures = [self._pool.submit(store.commit, work) for work in works]
        self._futures += futures
        eventually(lambda: waiting() == len(works), "all of them wait")
        return futures

    def go(self) -> list[BaseException | None]:
        """What became of each, the first one included."""
        self._go.set()
        return [future.exception(60) for future in self._futures]


@pytest.fixture
def deliveries(file: Any) -> Iterator[Deliveries]:
    with ThreadPoolExecutor(8) as pool:
        yield Deliveries(pool)


def waiting() -> int:
    """How many wait for the turn."""
    return len(store._writers[store.database()].waiting)


def keep(name: str, transaction: Connection) -> None:
    store.insert_if_absent(transaction, HEARD, id=name)


def hear(name: str) -> Work:
    return lambda transaction: keep(name, transaction)


def kept() -> set[str]:
    with store.reading() as connection:
        return set(connection.execute(select(HEARD.c.id)).scalars())


def commits(engine: Any) -> list[int]:
    """Grows by one with each commit."""
    seen: list[int] = []
    event.listen(engine, "commit", lambda _: seen.append(1))
    return seen


def test_events_that_wait_for_the_disk_are_committed_by_one_transaction(file: Any, deliveries: Deliveries) -> None:
    seen = commits(file)
    deliveries.come(*(hear(f"R{number}") for number in range(6)))

    assert deliveries.go() == [None] * 7
    assert kept() == {"first", *(f"R{number}" for number in range(6))}
    assert len(seen) <= 2  # of the first one, and of all that waited


def test_one_event_that_cannot_be_kept_is_refused_and_those_beside_it_are_kept_once(deliveries: Deliveries) -> None:
    def refuse(transaction: Connection) -> None:
        keep("half done", transaction)
        raise Invalid("no such reservation")

    deliveries.come(hear("before"), refuse, hear("after"))

    ended = deliveries.go()
    assert [type(error) for error in ended] == [type(None), type(None), Invalid, type(None)]
    assert kept() == {"first", "before", "after"}


def test_what_each_of_them_found_out_is_its_own(deliveries: Deliveries) -> None:
    def seats(number: int) -> Work:
        return lambda _: number

    answers = deliveries.come(*(seats(number) for number in range(5)))
    deliveries.go()

    assert [answer.result(60) for answer in answers] == [0, 1, 2, 3, 4]


def test_what_is_to_be_tried_again_later_keeps_nobody_beside_it_waiting(deliveries: Deliveries) -> None:
    def too_early(_: Connection) -> None:
        raise TryAgain("nobody has placed it yet")

    deliveries.come(too_early, hear("other"))

    assert [type(error) for error in deliveries.go()] == [type(None), TryAgain, type(None)]
    assert kept() == {"first", "other"}


def test_while_the_database_is_away_each_event_is_asked_for_again_and_nobody_waits_twice(
    deliveries: Deliveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def away(work: object, _: object) -> None:
        asked.append(work)
        deliveries.come(hear("late"))
        raise TryAgain("The database is out of reach.")

    deliveries.come(hear("one"), hear("other"))
    monkeypatch.setattr(store, "_commit", away)

    assert [type(error) for error in deliveries.go()] == [type(None), TryAgain, TryAgain, TryAgain]
    assert len(asked) == 1


def test_nobody_waits_for_ever_for_somebody_whose_disk_is_frozen(
    deliveries: Deliveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "PATIENCE", 0.05)

    with pytest.raises(TryAgain):
        store.commit(hear("impatient"))

    assert waiting() == 0
    assert deliveries.go() == [None]
    assert kept() == {"first"}


def test_a_thread_that_is_to_end_lets_nobody_wait_for_it(deliveries: Deliveries) -> None:
    def end(_: Connection) -> None:
        raise SystemExit(1)

    deliveries.come(hear("one"), end)

    assert [type(error) for error in deliveries.go()] == [type(None), SystemExit, SystemExit]
    assert kept() == {"first"}


def test_what_is_logged_names_the_saga_of_its_own_event_whichever_thread_does_it(deliveries: Deliveries) -> None:
    said: list[str] = []

    def about(saga: str) -> Work:
        SAGA.set(saga)
        return lambda _: said.append(SAGA.get())

    with ThreadPoolExecutor(2) as callers:
        sagas = [callers.submit(lambda saga: store.commit(about(saga)), saga) for saga in ("A", "B")]
        eventually(lambda: waiting() == 2, "both wait")
        deliveries.go()
        assert [each.exception(60) for each in sagas] == [None, None]
    assert sorted(said) == ["A", "B"]


def test_a_file_that_somebody_keeps_locked_is_waited_for_once_by_all_that_wait(file: Any) -> None:
    run: list[str] = []
    store.commit(lambda transaction: transaction.exec_driver_sql("PRAGMA busy_timeout = 50"))
    with closing(sqlite3.connect(file.url.database)) as other, ThreadPoolExecutor(8) as pool:
        other.execute("BEGIN IMMEDIATE")
        with store._writers[file].lock:  # none of them has looked who else waits yet
            works = [pool.submit(store.commit, lambda _, name=name: run.append(name)) for name in "ABCD"]
        assert [type(work.exception(60)) for work in works] == [TryAgain] * 4
    assert run == [], "nobody's work is to blame, so nobody's is tried alone"
    connections.give_back()
