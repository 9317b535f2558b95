"""Brings the database of a function folder up to date: `python -m airline.migrations FOLDER URL [FOLDER URL ...]`.

Each folder keeps its Alembic revisions in `migrations/`; the environment they run in is `airline/migration/`.
Not imported by any function: Alembic has no place in a cold start.
"""

import sys
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import URL, Connection, make_url

from airline import store

ENVIRONMENT = Path(__file__).with_name("migration")
EXACT = {"mariadb": "utf8mb4_nopad_bin", "mysql": "utf8mb4_0900_bin"}
"""Collations in which texts are equal only if they are the same, as they are in SQLite and PostgreSQL."""


def upgrade(folder: Path, url: URL) -> None:
    """Runs the revisions that the database has not seen, in one transaction where the database can."""

    def work(transaction: Connection) -> None:
        if transaction.dialect.name == "sqlite":
            transaction.exec_driver_sql("BEGIN IMMEDIATE")  # sqlite3 would not, as CREATE TABLE writes no rows
        if transaction.dialect.name in store.MYSQL:
            _compare_exactly(transaction)
        command.upgrade(config(folder, transaction), "head")

    store.commit(work, store.engine(url))


def _compare_exactly(connection: Connection) -> None:
    # by default ids are equal there that differ in case, accents or trailing blanks; new tables take it from here
    server = "mariadb" if getattr(connection.dialect, "is_mariadb", False) else "mysql"
    connection.exec_driver_sql(f"ALTER DATABASE CHARACTER SET utf8mb4 COLLATE {EXACT[server]}")


def config(folder: Path, connection: object) -> Config:
    """Alembic's configuration for one function folder; there is no alembic.ini."""
    made = Config(attributes={"connection": connection})
    made.set_main_option("path_separator", "newline")
    made.set_main_option("script_location", str(ENVIRONMENT))
    made.set_main_option("version_locations", str(folder / "migrations"))
    return made


if __name__ == "__main__":
    arguments = iter(sys.argv[1:])
    for folder in arguments:
        upgrade(Path(folder), make_url(next(arguments)))
