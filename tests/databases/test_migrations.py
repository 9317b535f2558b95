"""Migrations and models agree on every database, and the way back is there."""

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import (
    URL,
    CheckConstraint,
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    TableClause,
    column,
    insert,
    inspect,
    make_url,
    select,
)
from sqlalchemy import table as table_clause

import counts
import flights
import projection
import provider
from choreography import connections, migrations, store
from choreography.columns import Instant
from choreography.errors import TryAgain
from choreography.settings import signed_in
from testbed.database_servers import Files, Server
from testbed.sample_events import NOON
from tests.databases.conftest import FOLDERS, FUNCTIONS

EVERY_FOLDER = pytest.mark.parametrize(("metadata", "folder"), FOLDERS.items(), ids=[x.name for x in FOLDERS.values()])
NUMBERS = itertools.count()


@pytest.fixture
def url(server: Files | Server) -> URL:
    """A database with nothing in it."""
    return server.database(f"empty_{next(NUMBERS)}")


@pytest.fixture
def engine(url: URL) -> Iterator[Engine]:
    made = connections.engine_of_migrations(url)
    yield made
    made.dispose()


def differences(engine: Engine, metadata: MetaData) -> list[Any]:
    with engine.connect() as connection:
        opts = {"compare_type": True, "compare_server_default": another_default}
        return list(compare_metadata(MigrationContext.configure(connection, opts=opts), metadata))


def another_default(*compared: Any) -> bool | None:
    """Whether two defaults differ, None for Alembic to say: MariaDB shows the default `false` of a column as 0."""
    *_, found, _, rendered = compared
    return False if (found, rendered) == ("0", "false") else None


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


def test_a_ledger_that_was_made_before_it_had_migrations_keeps_its_entries(url: URL, engine: Engine) -> None:
    store.commit(provider.metadata.create_all, engine)
    with engine.begin() as connection:
        connection.execute(provider.LEDGER.insert().values(key="1", kind="charge", accepted=True, amount=9, at=NOON))
    migrations.upgrade(FOLDERS[provider.metadata], url)
    with engine.connect() as connection:
        assert connection.execute(select(provider.LEDGER.c.amount)).scalars().all() == [9]


def test_what_was_paid_before_amounts_were_kept_is_known_from_the_events(url: URL, engine: Engine) -> None:
    folder = FOLDERS[projection.metadata]

    def begin(transaction: Connection) -> None:
        command.upgrade(migrations.config(folder, transaction), "dashboard_0003")
        flags = dict.fromkeys(("placed", "seats_held", "seats_returned", "refunded", "confirmed", "pruned"), False)
        row = flags | {"reservation_id": "R1", "paid": True}
        event = {"id": "1", "reservation_id": "R1", "type": "Paid", "source": "/airline/payment", "said_at": NOON}
        for name, values in (("reservations", row), ("events", event | {"data": '{"amount": 600}'})):
            transaction.execute(insert(table_of(name, *values)).values(values))

    store.commit(begin, engine)
    migrations.upgrade(folder, url)

    with engine.connect() as connection:
        for made in (projection.EVENTS, projection.RESERVATIONS):
            assert connection.execute(select(made.c.paid_amount, made.c.refunded_amount)).all() == [(600, None)]


def test_customers_are_counted_from_the_reservations_that_were_there_before_counts_were_kept(
    url: URL, engine: Engine
) -> None:
    folder = FOLDERS[projection.metadata]
    flags = dict.fromkeys(("seats_held", "seats_returned", "refunded", "pruned"), False)
    known = {"customer_id": 7, "reserve_date": NOON.date(), "placed": True}
    rows: list[dict[str, Any]] = [
        {**known, "reservation_id": "R1", "paid": True, "paid_amount": 600, "confirmed": True, "canceled_at": None},
        {**known, "reservation_id": "R2", "paid": True, "paid_amount": None, "confirmed": True, "canceled_at": NOON},
        {**known, "reservation_id": "R3", "paid": False, "paid_amount": None, "confirmed": False, "canceled_at": NOON},
        {"reservation_id": "R4", "customer_id": None, "reserve_date": None, "placed": False, "paid": True}
        | {"paid_amount": 1, "confirmed": False, "canceled_at": None},
    ]

    def begin(transaction: Connection) -> None:
        command.upgrade(migrations.config(folder, transaction), "dashboard_0004")
        for row in rows:
            transaction.execute(insert(table_of("reservations", *row, *flags)).values(row | flags))

    store.commit(begin, engine)
    migrations.upgrade(folder, url)

    with engine.connect() as connection:
        (row,) = connection.execute(select(projection.CUSTOMERS))
        assert tuple(row) == (7, 3, NOON.date(), 1, 2, 600, 1, 0, 0)
        assert counts.differing(0, None, connection) == []


def table_of(name: str, *columns: str) -> TableClause:
    """A table as an earlier release knew it."""
    types = {"said_at": Instant(), "canceled_at": Instant()}
    return table_clause(name, *(column(one, types.get(one)) for one in columns))


@pytest.mark.parametrize("server", ["postgresql"], indirect=True, scope="session")
def test_an_upgrade_waits_for_a_database_that_comes_later(server: Server) -> None:
    program = [sys.executable, "-m", "choreography.migrations", str(FUNCTIONS / "flight-seats")]
    with server.away():
        url = server.address("comes_later").render_as_string(hide_password=False)
        waiting = subprocess.Popen(
            [*program, url],
            cwd=FUNCTIONS.parent,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "LOG_LEVEL": "INFO"},
        )
        assert waiting.stdout
        assert "out of reach" in waiting.stdout.readline()
    server.database("comes_later")
    said, _ = waiting.communicate(timeout=60)
    assert waiting.returncode == 0
    assert "flight-seats is up to date" in said.splitlines()[-1]


@pytest.mark.parametrize("server", ["postgresql"], indirect=True, scope="session")
def test_an_upgrade_does_not_wait_for_ever(server: Server) -> None:
    with pytest.raises(TryAgain):
        migrations.upgrade_when_up(FUNCTIONS / "flight-seats", server.address("never_there"), patience=0)


def test_an_upgrade_signs_in_as_the_functions_do() -> None:
    url = make_url("postgresql+psycopg://nobody@here/reserve")
    signed = signed_in(url, {"DATABASE_USER": "airline", "DATABASE_PASSWORD": "s:cret/"})
    assert (signed.username, signed.password, signed.host) == ("airline", "s:cret/", "here")
    assert signed_in(make_url("sqlite:///file.db"), {"DATABASE_USER": "airline"}).username is None


def test_an_upgrade_that_is_repeated_or_run_twice_at_once_does_no_harm(url: URL, engine: Engine) -> None:
    program = [sys.executable, "-m", "choreography.migrations", str(FUNCTIONS / "flight-seats")]
    address = url.render_as_string(hide_password=False)
    running = [subprocess.Popen([*program, address], cwd=FUNCTIONS.parent) for _ in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert differences(engine, flights.metadata) == []
