"""Each service in memory: its tables, and a way to run one of its rules in a transaction of its own.

`tests/databases` runs the same tests on its own `database`.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, MetaData, StaticPool, create_engine, select

import flights
import payments
import projection
import provider
import reservations
from airline import settings
from choreography import clock, store
from choreography.settings import settings as kit_settings
from testbed.sample_events import NOON

Database = Callable[[MetaData], Engine]
"""Where a service keeps its tables, which are there and empty."""
_free: defaultdict[MetaData, list[Engine]] = defaultdict(list)
"""The engines that no test uses now. To make tables and compile statements takes longer than most tests."""


class Service:
    """A service's database, and its rules."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def run(self, rule: Callable[..., Any], *arguments: Any) -> Any:
        """What the rule says, after its transaction was committed."""
        return store.commit(lambda transaction: rule(*arguments, transaction), self.engine)

    def rows(self, table: Any) -> list[Any]:
        """All rows of one table."""
        with self.engine.connect() as connection:
            return list(connection.execute(select(table)))


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("RESERVATION_ID_SECRET", "a secret of the tests")
    for cached in (settings.settings, kit_settings):
        cached.cache_clear()
    yield
    for cached in (settings.settings, kit_settings):
        cached.cache_clear()


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """It is always noon."""
    monkeypatch.setattr(clock, "now", lambda: NOON)
    return NOON


def in_memory(*metadata: MetaData) -> Engine:
    """A database with these tables, empty each time after `dispose`."""
    empty = sqlite3.connect(":memory:", check_same_thread=False)
    for tables in metadata:
        tables.create_all(create_engine("sqlite://", poolclass=StaticPool, creator=lambda: empty))

    def copied() -> sqlite3.Connection:
        connection = sqlite3.connect(":memory:", check_same_thread=False, isolation_level="IMMEDIATE")
        empty.backup(connection)
        return connection

    return create_engine("sqlite://", poolclass=StaticPool, creator=copied)


@pytest.fixture
def database() -> Iterator[Database]:
    """In memory."""
    used: list[tuple[MetaData, Engine]] = []

    def made(metadata: MetaData) -> Engine:
        free = _free[metadata]
        engine = free.pop() if free else in_memory(metadata)
        used.append((metadata, engine))
        return engine.execution_options()  # the listeners of a test end with it

    yield made
    for metadata, engine in used:
        engine.dispose()
        _free[metadata].append(engine)


@pytest.fixture
def reserve_service(database: Database) -> Service:
    """The reserve service."""
    return Service(database(reservations.metadata))


@pytest.fixture
def seats(database: Database) -> Service:
    """The flight-seats service, with flight 1: five seats at 200."""
    service = Service(database(flights.metadata))
    service.run(lambda tx: tx.execute(flights.NUMBERS.insert().values(latest=0)))
    values = {"flight_code": "ACE890", "takeoff_date": date(2025, 12, 25), "cost": 200, "remaining_seats_count": 5}
    service.run(flights.add_flight, values)
    return service


@pytest.fixture
def provider_service(database: Database, monkeypatch: pytest.MonkeyPatch) -> Service:
    """The provider, with its ledger."""
    service = Service(database(provider.metadata))
    monkeypatch.setattr("provider.ledger._database", lambda: service.engine)
    return service


@pytest.fixture
def payment_service(database: Database, provider_service: Service) -> Service:
    """The payment service."""
    return Service(database(payments.metadata))


@pytest.fixture
def dashboard_service(database: Database) -> Service:
    """The dashboard."""
    return Service(database(projection.metadata))
