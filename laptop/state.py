"""The data folder: state.json for tests and tools, the lock that allows one run, the secrets, mounted folders."""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from laptop.environment import SecretKey
from laptop.errors import AlreadyRunning


@contextmanager
def only_run(data: Path) -> Iterator[None]:
    """Holds the data folder. Raises AlreadyRunning. A killed supervisor lets go of it by dying."""
    data.mkdir(parents=True, exist_ok=True)
    with (data / "lock").open("a", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            pid = (read_state(data) or {}).get("pid", "?")
            raise AlreadyRunning(
                f"{data} is in use by a run that is alive (process {pid}): end it with Ctrl-C there, "
                "or choose another folder with --data"
            ) from error
        yield


def is_running(data: Path) -> bool:
    """Whether a run holds the data folder."""
    try:
        with (data / "lock").open("r", encoding="ascii") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def write_state(data: Path, state: Mapping[str, Any]) -> None:
    """Replaces state.json as a whole: a reader never sees half of it."""
    _replace(data / "state.json", state)


def read_state(data: Path) -> dict[str, Any] | None:
    """The last state, or None if nothing has run here."""
    path = data / "state.json"
    return json.loads(path.read_text("utf-8")) if path.exists() else None


def kept_secret(data: Path, key: SecretKey) -> str:
    """The laptop's value for a key of a Secret: random, made once, readable for the owner only."""
    path = data / "secrets.json"
    known: dict[str, str] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    name = f"{key.secret}/{key.key}"
    if name not in known:
        known[name] = secrets.token_urlsafe(32)
        _replace(path, known)
    return known[name]


def kept_folder(data: Path, variable: str) -> str:
    """The laptop's folder for what a cluster mounts: PROMOTIONS_FOLDER is promotions/, there for people to write to."""
    path = data / variable.removesuffix("_FOLDER").lower().replace("_", "-")
    path.mkdir(exist_ok=True)
    return str(path)


def _replace(path: Path, content: Mapping[str, Any]) -> None:
    new = path.with_name(path.name + ".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
    new.replace(path)
