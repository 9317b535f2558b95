"""Migrations and models agree on every database, and the way back is there."""

import itertools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import URL, CheckConstraint, Column, Connection, Engine, Integer, MetaData, inspect

import flights
from airline import migrations, store
from tests.databases.conftest import FOLDERS, FUNCTIONS
from tests.databases.servers import Files, Server

EVERY_FOLDER = pytest.mark.parametrize(("metadata", "folder"), FOLDERS.items(), ids=[x.name for x in FOLDERS.values()])
NUMBERS = itertools.count()


@pytest.fixture
def url(server: Files | Server) -> URL:
    """A database with nothing in it."""
    return server.database(f"empty_{next(NUMBERS)}")


@pytest.fixture
def engine(url: URL) -> Iterator[Engine]:
    made = store.engine(url)
    yield made
    made.dispose()


def differences(engine: Engine, metadata: MetaData) -> list[Any]:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        return list(compare_metadata(context, metadata))


@EVERY_FOLDER
def test_migrations_make_what_the_models_say(url: URL, engine: Engine, metadata: MetaData, folder: Path) -> None:
    migrations.upgrade(folder, url)
    assert differences(engine, metadata) == []


@EVERY_FOLDER
def test_migrations_make_the_keys_and_the_checks(url: URL, engine: Engine, metadata: MetaData, folder: Path) -> None:
    migrations.upgrade(folder, url)
    made = inspect(engine)
    for table in metadata.sorted_tables:
        assert made.get_pk_constraint(table.name)["constrained_columns"] == list(table.primary_key.columns.keys())
        wanted = {check.name for check in table.constraints if isinstance(check, CheckConstraint)}
        assert {check["name"] for check in made.get_check_constraints(table.name)} == wanted


@EVERY_FOLDER
def test_the_way_back_leaves_nothing_and_can_be_gone_again(
    url: URL, engine: Engine, metadata: MetaData, folder: Path
) -> None:
    def go_back(transaction: Connection) -> None:
        command.downgrade(migrations.config(folder, transaction), "base")

    migrations.upgrade(folder, url)
    store.commit(go_back, engine)
    assert inspect(engine).get_table_names() == ["alembic_version"]
    migrations.upgrade(folder, url)
    assert differences(engine, metadata) == []


def test_a_column_that_no_migration_makes_is_noticed(url: URL, engine: Engine) -> None:
    migrations.upgrade(FUNCTIONS / "flight-seats", url)
    newer = MetaData()
    for table in flights.metadata.sorted_tables:
        table.to_metadata(newer)
    newer.tables["flights"].append_column(Column("gate", Integer))
    assert [(what, column.name) for what, _, _, column in differences(engine, newer)] == [("add_column", "gate")]


def test_an_upgrade_that_is_repeated_or_run_twice_at_once_does_no_harm(url: URL, engine: Engine) -> None:
    program = [sys.executable, "-m", "airline.migrations", str(FUNCTIONS / "flight-seats")]
    told = url.render_as_string(hide_password=False)
    running = [subprocess.Popen([*program, told], cwd=FUNCTIONS.parent) for _ in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert differences(engine, flights.metadata) == []
