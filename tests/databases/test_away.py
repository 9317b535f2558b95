"""A database that is away, and comes back: callers are asked to try again, and no function restarts."""

import signal

import pytest
from flask import Request
from sqlalchemy import Connection, Engine, select
from werkzeug.test import EnvironBuilder

import flights
from choreography import policy, store
from choreography.errors import TryAgain
from testbed.database_servers import Server
from tests.databases.test_values import HOLD, ON_A_SERVER, added
from tests.unit.conftest import Database

OWN_CONNECTION = {"postgresql": "SELECT pg_backend_pid()", "mariadb": "SELECT CONNECTION_ID()"}
KILL = {"postgresql": "SELECT pg_terminate_backend({})", "mariadb": "KILL {}"}


@pytest.fixture
def engine(database: Database, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """The database of this process."""
    made = database(flights.metadata)
    monkeypatch.setattr(store, "database", lambda: made)
    return made


def probe() -> int:
    """What the readiness probe hears."""
    request = Request(EnvironBuilder("/healthz").get_environ())
    return policy.reply(request, flights.decrease_remaining_seats, flights.SOURCE).status_code


def holds(engine: Engine) -> list[str]:
    with store.reading(engine) as connection:
        return list(connection.execute(select(flights.HOLDS.c.reservation_id)).scalars())


def kill_connection(server: Server, connection: Connection) -> None:
    own = connection.exec_driver_sql(OWN_CONNECTION[server.name]).scalar_one()
    server.administer(KILL[server.name].format(own))


@ON_A_SERVER
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["stopped", "killed"])
def test_a_database_that_went_away_says_try_again_and_is_used_again_once_it_is_back(
    server: Server, engine: Engine, how: signal.Signals
) -> None:
    assert added(engine, flights.HOLDS, **HOLD)
    with server.away(how):
        with pytest.raises(TryAgain):
            added(engine, flights.HOLDS, **HOLD)
        with pytest.raises(TryAgain):
            holds(engine)
        assert probe() == 503
    assert not added(engine, flights.HOLDS, **HOLD)
    assert added(engine, flights.HOLDS, **HOLD | {"reservation_id": "R2"})
    assert holds(engine) == ["R1", "R2"]
    assert probe() == 204


@ON_A_SERVER
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["stopped", "killed"])
def test_a_database_that_goes_away_in_the_middle_leaves_no_half_done_effect(
    server: Server, engine: Engine, how: signal.Signals
) -> None:
    def work(transaction: Connection) -> None:
        store.insert_if_absent(transaction, flights.HOLDS, **HOLD)
        server.stop(how)
        store.insert_if_absent(transaction, flights.HOLDS, **HOLD | {"reservation_id": "R2"})

    try:
        with pytest.raises(TryAgain):
            store.commit(work, engine)
    finally:
        server.start()
    assert holds(engine) == []


@ON_A_SERVER
def test_a_database_that_goes_away_at_the_commit_says_try_again(server: Server, engine: Engine) -> None:
    def work(transaction: Connection) -> None:
        store.insert_if_absent(transaction, flights.HOLDS, **HOLD)
        kill_connection(server, transaction)

    with pytest.raises(TryAgain):
        store.commit(work, engine)
    assert holds(engine) == []


@ON_A_SERVER
def test_connections_that_died_while_nobody_used_them_are_not_noticed(server: Server, engine: Engine) -> None:
    with engine.connect() as connection:
        own = connection.exec_driver_sql(OWN_CONNECTION[server.name]).scalar_one()
    server.administer(KILL[server.name].format(own))
    assert added(engine, flights.HOLDS, **HOLD)


@ON_A_SERVER
def test_a_connection_that_is_closed_under_a_transaction_says_try_again(server: Server, engine: Engine) -> None:
    def work(transaction: Connection) -> None:
        store.insert_if_absent(transaction, flights.HOLDS, **HOLD)
        closed = transaction.connection.dbapi_connection
        assert closed
        closed.close()
        store.insert_if_absent(transaction, flights.HOLDS, **HOLD)

    with pytest.raises(TryAgain):
        store.commit(work, engine)
    assert holds(engine) == []
