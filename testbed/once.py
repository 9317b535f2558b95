"""What is dear to make and the same for all workers of one run of the tests: the first that wants it makes it."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

FOLDER = "FOLDER_OF_THIS_RUN"
"""The variable by which all workers know the folder that they share; tests/conftest.py makes and removes it."""


def once(name: str, make: Callable[[], str]) -> str:
    """The text of that name, given by `make` to the first worker that asks; the others wait for it meanwhile."""
    file = Path(os.environ[FOLDER]) / name
    with file.with_name(f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            file.write_text(make(), "utf-8")
    return file.read_text("utf-8")
