"""A database that is there but does not answer: callers are asked to try again, before the broker gives up on them.

Frozen (SIGSTOP), or behind a network that takes connections and answers nothing. Nothing here waits for a time: each of
these calls would never come back if nobody gave up.
"""

import fcntl
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import URL, Connection, Engine, create_engine, text

import flights
from choreography import connections, store
from choreography.errors import TryAgain
from testbed.database_servers import Files, Server
from tests.databases.test_away import engine, holds, probe
from tests.databases.test_values import HOLD, ON_A_SERVER, added
from tests.unit.conftest import Database

__all__ = ["engine"]

DELIVERY_TIMEOUT = 20
"""Seconds after which the broker gives up (knative/base, `timeout` of each Trigger)."""


@contextmanager
def in_time() -> Iterator[None]:
    start = time.monotonic()
    yield
    assert time.monotonic() - start < DELIVERY_TIMEOUT


@ON_A_SERVER
def test_a_frozen_database_says_try_again_within_the_delivery_timeout(server: Server, engine: Engine) -> None:
    assert added(engine, flights.HOLDS, **HOLD)
    with server.frozen():
        with in_time(), pytest.raises(TryAgain):
            added(engine, flights.HOLDS, **HOLD)
        with in_time():
            assert probe() == 503
    assert not added(engine, flights.HOLDS, **HOLD)
    assert probe() == 204


@ON_A_SERVER
def test_a_database_that_freezes_in_the_middle_leaves_no_half_done_effect(server: Server, engine: Engine) -> None:
    def work(transaction: Connection) -> None:
        store.insert_if_absent(transaction, flights.HOLDS, **HOLD)
        server.signal(signal.SIGSTOP)
        store.insert_if_absent(transaction, flights.HOLDS, **HOLD | {"reservation_id": "R2"})

    try:
        with in_time(), pytest.raises(TryAgain):
            store.commit(work, engine)
    finally:
        server.signal(signal.SIGCONT)
    assert holds(engine) == []


@ON_A_SERVER
def test_a_database_that_freezes_at_the_commit_says_try_again(server: Server, engine: Engine) -> None:
    def work(transaction: Connection) -> None:
        store.insert_if_absent(transaction, flights.HOLDS, **HOLD)
        server.signal(signal.SIGSTOP)

    try:
        with in_time(), pytest.raises(TryAgain):
            store.commit(work, engine)
    finally:
        server.signal(signal.SIGCONT)


@pytest.mark.parametrize("driver", ["postgresql+psycopg", "mysql+pymysql"])
def test_a_database_behind_a_network_that_drops_everything_says_try_again(driver: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hole:
        away = connections.engine(URL.create(driver, "airline", "x", "127.0.0.1", hole.getsockname()[1], "seats"))
        with in_time(), pytest.raises(TryAgain):
            store.commit(lambda _: None, away)
        away.dispose()


@ON_A_SERVER
def test_a_row_that_somebody_keeps_locked_is_not_waited_for_longer_than_the_broker_waits(
    server: Server, engine: Engine
) -> None:
    assert added(engine, flights.HOLDS, **HOLD)
    other = create_engine(engine.url)
    with other.begin() as holding:
        holding.execute(text("SELECT * FROM holds FOR UPDATE"))
        with in_time(), pytest.raises(TryAgain):
            added(engine, flights.HOLDS, **HOLD)
    other.dispose()
    assert not added(engine, flights.HOLDS, **HOLD)


def test_a_writer_of_a_file_that_is_frozen_is_not_waited_for_longer_than_the_broker_waits(
    server: Files | Server, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    if server.name != "sqlite":
        pytest.skip("a server has no turns")
    monkeypatch.setattr(store, "TURN_SECONDS", 0.2)
    made = database(flights.metadata)

    other = os.open(f"{made.url.database}-writer", os.O_RDWR | os.O_CREAT, 0o600)  # as another process does
    fcntl.flock(other, fcntl.LOCK_EX)
    with in_time(), pytest.raises(TryAgain):
        added(made, flights.HOLDS, **HOLD)
    os.close(other)
    assert added(made, flights.HOLDS, **HOLD)
