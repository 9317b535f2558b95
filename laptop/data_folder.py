"""Who holds a data folder: the lock that allows one run, and the last state. Needs the standard library only."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from laptop.errors import AlreadyRunning, LaptopError

PATIENCE = 10.0  # seconds until the guard of a killed run has ended what was left
_PAUSE = 0.05


@contextmanager
def only_run(data: Path) -> Iterator[TextIO]:
    """Holds the data folder, with this process's id in the lock file, and gives that file. A killed process lets go of
    it by dying.

    Raises AlreadyRunning, and LaptopError where the folder cannot be written to.
    """
    try:
        data.mkdir(parents=True, exist_ok=True)
        file = (data / "lock").open("a+", encoding="ascii")
    except OSError as error:
        raise LaptopError(
            f"{data} cannot be written to ({error.strerror or error}): choose another folder with --data"
        ) from error
    with file:
        _take(file, data)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield file


def holds(lock: TextIO, data: Path) -> bool:
    """Whether the folder is still the one that `only_run` has locked: nobody has deleted or moved it."""
    try:
        return os.path.samestat(os.fstat(lock.fileno()), (data / "lock").stat())
    except OSError:
        return False


def is_running(data: Path) -> bool:
    """Whether a run holds the data folder."""
    try:
        with open(data / "lock", encoding="ascii", opener=_without_waiting) as file:
            return not _try(file, fcntl.LOCK_SH)
    except (FileNotFoundError, NotADirectoryError):
        return False


def read_state(data: Path) -> dict[str, Any] | None:
    """The last state, or None if nothing has run here or a crash of the machine left no whole state."""
    try:
        with open(data / "state.json", encoding="utf-8", opener=_without_waiting) as file:
            found = json.load(file)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _without_waiting(path: str, flags: int) -> int:
    """For the writer of a named pipe that is in the place of a file."""
    return os.open(path, flags | os.O_NONBLOCK)


def _take(file: TextIO, data: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not _try(file, fcntl.LOCK_EX):
        file.seek(0)
        holder = file.read()
        if time.monotonic() > deadline or _is_alive(holder):
            raise AlreadyRunning(
                f"{data} is in use by a run that is alive (process {holder or '?'}): end it with Ctrl-C there, "
                "or choose another folder with --data"
            )
        time.sleep(_PAUSE)


def _try(file: TextIO, how: int) -> bool:
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_alive(pid: str) -> bool:
    """Of a run that was killed, its guard may still hold the lock while it ends what was left."""
    try:
        os.kill(int(pid or 0) or os.getpid(), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
