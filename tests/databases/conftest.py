"""The services of the unit tests, on real databases: `server` is each of the three in turn."""

import os
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import URL, Engine, MetaData

from choreography import connections, migrations, settings
from testbed import database_servers as servers
from testbed.database_servers import Files, Server
from testbed.policies import FUNCTIONS, tables_of
from testbed.project import all_databases
from tests.databases.absent import NO_MARIADB
from tests.unit.conftest import (
    Database,
    dashboard_service,
    environment,
    noon,
    payment_service,
    provider_service,
    reserve_service,
    seats,
)

__all__ = [
    "FUNCTIONS",
    "dashboard_service",
    "environment",
    "noon",
    "payment_service",
    "provider_service",
    "reserve_service",
    "seats",
]

THREADS = "16"
"""Connections of each database: this many can be used at once."""
FOLDERS = {tables_of(folder): folder for folder in all_databases()}
EMPTY = {"sqlite": "DELETE FROM {}", "postgresql": "TRUNCATE {} RESTART IDENTITY", "mysql": "TRUNCATE {}"}

Make = Callable[[MetaData], Engine]


@pytest.fixture(scope="session", params=["sqlite", "postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> Iterator[Files | Server]:
    """A running one, which ends with its tests."""
    started = _started(request.param)
    yield started
    started.remove()


@pytest.fixture(scope="session")
def databases(server: Files | Server) -> Iterator[Make]:
    """The migrated database of each service, made when it is first asked for."""
    made: dict[MetaData, Engine] = {}

    def migrated(metadata: MetaData) -> Engine:
        if metadata not in made:
            made[metadata] = _migrated(metadata, server.database(f"airline_{len(made)}"))
        return made[metadata]

    yield migrated
    for engine in made.values():
        engine.dispose()


@pytest.fixture
def database(databases: Make) -> Database:
    """Migrated, and emptied of what the test before and the migrations left there."""

    def empty(metadata: MetaData) -> Engine:
        engine = databases(metadata)
        with engine.begin() as connection:
            for table in metadata.sorted_tables:
                connection.exec_driver_sql(EMPTY[engine.dialect.name].format(table.name))
        return engine

    return empty


def _started(name: str) -> Files | Server:
    if name == "sqlite":
        return Files()
    made = servers.postgresql() if name == "postgresql" else servers.mariadb()
    if made is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(NO_MARIADB)
    made.start()
    return made


def _migrated(metadata: MetaData, url: URL) -> Engine:
    engine = engine_of(url)
    migrations.upgrade(FOLDERS[metadata], url)
    return engine


def engine_of(url: URL) -> Engine:
    """The engine that a function would have, with connections for many threads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("THREADS", THREADS)
        settings.settings.cache_clear()
        engine = connections.engine(url)
    settings.settings.cache_clear()
    return engine
