"""Each service in memory: its tables, and a way to run one of its rules in a transaction of its own."""

from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import Any

import flights
import payments
import projection
import provider
import pytest
import reservations
from sqlalchemy import Engine, MetaData, StaticPool, create_engine, select

from airline import clock, settings, store
from tests.unit.sayings import NOON


class Service:
    """A service's database in memory."""

    def __init__(self, metadata: MetaData) -> None:
        self.engine: Engine = create_engine(
            "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False, "isolation_level": "IMMEDIATE"}
        )
        metadata.create_all(self.engine)

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
    settings.settings.cache_clear()
    yield
    settings.settings.cache_clear()


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """The clock stands at noon."""
    monkeypatch.setattr(clock, "now", lambda: NOON)
    return NOON


@pytest.fixture
def desk() -> Service:
    """The reserve service."""
    return Service(reservations.metadata)


@pytest.fixture
def seats() -> Service:
    """The flight-seats service, with flight 1: five seats at 200."""
    service = Service(flights.metadata)
    service.run(lambda tx: tx.execute(flights.NUMBERS.insert().values(latest=0)))
    values = {"flight_code": "ACE890", "takeoff_date": date(2025, 12, 25), "cost": 200, "remaining_seats_count": 5}
    service.run(flights.add_flight, values)
    return service


@pytest.fixture
def bank(monkeypatch: pytest.MonkeyPatch) -> Service:
    """The provider, with its ledger."""
    service = Service(provider.metadata)
    monkeypatch.setattr(provider, "_ledger", lambda: service.engine)
    return service


@pytest.fixture
def till(bank: Service) -> Service:
    """The payment service."""
    return Service(payments.metadata)


@pytest.fixture
def board() -> Service:
    """The dashboard."""
    return Service(projection.metadata)
