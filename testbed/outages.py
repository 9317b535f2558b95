"""Parts that are away while a test looks at what becomes of the rest."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from testbed.running_system import eventually


@contextmanager
def out_of_reach(database: Path) -> Iterator[None]:
    """Nobody else can read or write the file; waits up to a minute until nobody has it open.

    A renamed or removed file would be a lie: those who have it open would go on, the others would find a new one.
    """
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        eventually(lambda: _is_ours(connection), f"nobody else has {database.name} open", 60)
        yield


def _is_ours(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError:
        return False
    return True
