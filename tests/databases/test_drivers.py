"""A cold start on SQLite does not import the drivers of the other databases, nor Alembic."""

import subprocess
import sys

import pytest
from sqlalchemy import select

import payments
from choreography import connections, migrations, store
from testbed.database_servers import Server
from testbed.sample_events import NOON
from tests.databases.conftest import FOLDERS, FUNCTIONS
from tests.databases.test_values import PAYMENT, added

IMPORTED = """
import sys
import flights, letters, payments, projection, reservations
from sqlalchemy import make_url
from choreography import connections
connections.engine(make_url({!r}))
print(*sorted({{"alembic", "psycopg", "pymysql"}} & set(sys.modules)))
"""


@pytest.mark.parametrize(
    ("url", "imported"),
    [("sqlite://", ""), ("postgresql+psycopg://u@h/d", "psycopg"), ("mysql+pymysql://u@h/d", "pymysql")],
    ids=["sqlite", "postgresql", "mysql"],
)
def test_a_driver_is_imported_only_where_the_url_asks_for_it(url: str, imported: str) -> None:
    program = [sys.executable, "-c", IMPORTED.format(url)]
    paths = ":".join(map(str, [FUNCTIONS.parent, *FOLDERS.values()]))
    assert subprocess.check_output(program, env={"PYTHONPATH": paths}, text=True).strip() == imported


@pytest.mark.parametrize("server", ["mariadb"], indirect=True, scope="session")
def test_a_mariadb_may_be_called_by_its_own_name(server: Server) -> None:
    url = server.database("by_its_own_name").set(drivername="mariadb+pymysql")
    migrations.upgrade(FUNCTIONS / "payment", url)
    engine = connections.engine(url)
    assert [added(engine, payments.PAYMENTS, **PAYMENT | {"amount": n}) for n in (1, 2)] == [True, False]
    with store.reading(engine) as connection:
        assert connection.execute(select(payments.PAYMENTS.c.moved_at)).scalars().all() == [NOON]
    engine.dispose()
