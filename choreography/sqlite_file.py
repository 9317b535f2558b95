"""The SQLite file of a service: it is there before its functions are, and stays the same file while they run.

SQLite itself makes a file that is missing, and goes on writing to one that was deleted, or replaced by another: all
that it accepts from then on is gone with the process. Here both are an outage, until that same file is back.
"""

import os
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Dialect
from sqlalchemy.pool import ConnectionPoolEntry

from choreography.errors import TryAgain
from choreography.logs import log

Identity = tuple[int, int]
"""Device and inode: they differ between two files that had the same name."""


def is_file(url: URL) -> bool:
    """Whether that is a SQLite file, and neither a server nor a database in memory."""
    return url.get_backend_name() == "sqlite" and bool(url.database)


def make(path: str) -> None:
    """An empty file, which is an empty database, unless there is one. Raises TryAgain where none can be made."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644))
    except OSError as error:
        raise TryAgain(f"{path} cannot be opened ({error.strerror}); try again.") from error


def open_what_is_there(_: Dialect, __: ConnectionPoolEntry, arguments: list[Any], named: dict[str, Any]) -> None:
    """A listener for `do_connect`: a file that is missing cannot be opened, and is not made."""
    arguments[0] = f"file:{quote(os.fsencode(arguments[0]))}?mode=rw"
    named["uri"] = True


class SameFile:
    """Notices when a name means a different file than at first, or none."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._first: Identity | None = None

    def check(self) -> None:
        """Raises TryAgain while the file is another one, or missing."""
        found = _identity(self._path)
        if self._first is None:
            self._first = found
        elif found != self._first:
            what = "deleted" if found is None else "replaced"
            log.warning("%s was %s while this process worked on it: nothing more is written", self._path, what)
            raise TryAgain(f"The database is out of reach: its file was {what}; try again.")


def _identity(path: str) -> Identity | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
