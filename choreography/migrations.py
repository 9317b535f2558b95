"""Brings the database of a function folder up to date: `python -m choreography.migrations FOLDER URL [FOLDER URL ...]`.

DATABASE_USER, DATABASE_PASSWORD and DATABASE_CA, where set, are put into each URL; before the first two go those of the
folder, such as LOAN_DESK_DATABASE_PASSWORD, as each database has a role of its own. A database that is not up yet is
waited for.
Each folder keeps its Alembic revisions in `migrations/`; the environment they run in is `choreography/migration/`.
Not imported by any function: Alembic has no place in a cold start.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import URL, Connection, make_url

from choreography import connections, logs, store
from choreography.errors import TryAgain
from choreography.logs import log
from choreography.settings import signed_in

ENVIRONMENT = Path(__file__).with_name("migration")
EXACT = {"mariadb": "utf8mb4_nopad_bin", "mysql": "utf8mb4_0900_bin"}
"""Collations in which texts are equal only if they are the same, as they are in SQLite and PostgreSQL."""
PATIENCE = 60
"""Seconds that an upgrade waits for another one, and for a database that is not up yet."""
PAUSE = 0.5
"""Seconds until such a database is tried again."""


def upgrade(folder: Path, url: URL) -> None:
    """Runs the revisions that the database has not seen, in one transaction where the database can.

    Raises TryAgain when another upgrade of the same database takes too long.
    """

    def work(transaction: Connection) -> None:
        with _alone(transaction):
            command.upgrade(config(folder, transaction), "head")

    store.commit(work, connections.engine_of_migrations(url))
    connections.give_back()  # this thread writes no more, and who copies a SQLite file wants all of it in the file


def upgrade_when_up(folder: Path, url: URL, patience: float = PATIENCE) -> None:
    """`upgrade`, again and again while the database is out of reach. Raises TryAgain after `patience` seconds."""
    deadline = time.monotonic() + patience
    while True:
        try:
            return upgrade(folder, url)
        except TryAgain:
            if time.monotonic() > deadline:
                raise
            time.sleep(PAUSE)


def owner(folder: Path) -> str:
    """LOAN_DESK_ for loan-desk: what the names of its user and password begin with."""
    return f"{folder.name.replace('-', '_').upper()}_"


@contextmanager
def _alone(transaction: Connection) -> Iterator[None]:
    """Of two upgrades at once the second waits, and then finds nothing to do."""
    if transaction.dialect.name in connections.MYSQL:
        with _mysql_alone(transaction):
            yield
    elif transaction.dialect.name == "postgresql":
        transaction.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('choreography.migrations'))")
        yield
    else:  # SQLite has one writer at a time
        yield


@contextmanager
def _mysql_alone(transaction: Connection) -> Iterator[None]:
    if not transaction.exec_driver_sql(f"SELECT GET_LOCK(DATABASE(), {PATIENCE})").scalar():
        raise TryAgain("Another upgrade of this database is under way.")
    try:
        # by default ids are equal there that differ in case, accents or trailing blanks; new tables take it from here
        server = "mariadb" if getattr(transaction.dialect, "is_mariadb", False) else "mysql"
        transaction.exec_driver_sql(f"ALTER DATABASE CHARACTER SET utf8mb4 COLLATE {EXACT[server]}")
        yield
        transaction.exec_driver_sql("COMMIT")  # the others must see it before they get the lock
    finally:
        transaction.exec_driver_sql("SELECT RELEASE_LOCK(DATABASE())")


def config(folder: Path, connection: object) -> Config:
    """Alembic's configuration for one function folder, instead of an alembic.ini."""
    made = Config(attributes={"connection": connection})
    # a colon, which no folder has that Python looks for packages in; a name may have any other character
    made.set_main_option("path_separator", "os")
    made.set_main_option("script_location", _literally(ENVIRONMENT))
    made.set_main_option("version_locations", _literally(folder / "migrations"))
    return made


def _literally(path: Path) -> str:
    """Alembic's options are those of an INI file, where a % begins a reference."""
    return str(path).replace("%", "%%")


if __name__ == "__main__":
    logs.configure()
    arguments = iter(sys.argv[1:])
    for folder in arguments:
        upgrade_when_up(Path(folder), signed_in(make_url(next(arguments)), whose=owner(Path(folder))))
        log.info("%s is up to date", folder)
