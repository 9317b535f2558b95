"""Processes of a supervisor that was killed, found by the locks they hold: see laptop/process.py."""

import fcntl
import os
import signal
import time
from pathlib import Path


def end_leftovers(run: Path, grace: float = 5.0) -> list[str]:
    """Ends processes of an earlier supervisor that was killed; returns their names."""
    asked: dict[Path, int] = {}
    deadline = time.monotonic() + grace
    while (held := _held(run)) and time.monotonic() < deadline:
        for path, pid in held.items():
            if pid and path not in asked:
                asked[path] = pid
                _signal_group(pid, signal.SIGTERM)
        time.sleep(0.02)
    for pid in filter(None, _held(run).values()):
        _signal_group(pid, signal.SIGKILL)
    return sorted(path.stem for path in asked)


def _held(run: Path) -> dict[Path, int]:
    """The locks that are held, with the process group; 0 for one that was started this moment."""
    found = {path: _holder(path) for path in run.glob("*.pid")}
    return {path: pid for path, pid in found.items() if pid is not None}


def _holder(path: Path) -> int | None:
    """The process group that holds this file's lock, 0 before it has written down its id, None if nobody does."""
    with path.open("r+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(file.read() or 0)
        return None


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return  # it ended meanwhile
