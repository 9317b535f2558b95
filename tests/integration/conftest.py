"""The airline in one process: every function through functions-framework, SQLite files, a broker that records."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from choreography import clock
from testbed.hosting import HostedAirline, isolated, migrate_all
from testbed.recording_broker import RecordingBroker, nobody_listens, recording_broker


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of migrated databases."""
    folder = tmp_path_factory.mktemp("migrated")
    with isolated():
        migrate_all(folder)
    return folder


@pytest.fixture
def airline_without_broker(tmp_path: Path, migrated: Path) -> Iterator[HostedAirline]:
    """The airline while its broker refuses connections."""
    with isolated(), nobody_listens() as sink:
        airline = HostedAirline(tmp_path, migrated, sink)
        yield airline
        airline.close()


@pytest.fixture
def broker() -> Iterator[RecordingBroker]:
    """A broker that answers 202 until a test changes that."""
    with recording_broker() as broker:
        yield broker


@pytest.fixture
def airline(airline_without_broker: HostedAirline, broker: RecordingBroker) -> HostedAirline:
    """The airline with its broker."""
    airline_without_broker.sink = broker.url
    return airline_without_broker


class Clock:
    """A clock that a test holds."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def passes(self, time: timedelta) -> None:
        """Lets time pass."""
        self.moment += time


@pytest.fixture
def held_clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Stops the time of all functions."""
    held = Clock()
    monkeypatch.setattr(clock, "now", held.now)
    return held
