"""Ends what a killed supervisor left: `python -m laptop.guard DATA`. Needs the standard library only.

Its input is a pipe whose other end only the supervisor has, so that it ends with the supervisor, however that ended. A
supervisor that ended in order has said so before. One that did not leaves unknown functions behind; they are
found by their locks, as at the next start.
"""

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from laptop.leftovers import end_leftovers
from laptop.logs import say
from laptop.systems import ROOT

_ALL_IS_WELL = b"."
_PATIENCE = 1.0  # seconds: the kernel closes the pipe of a dead process a moment before or after it drops its lock
_GRACE = 5.0  # seconds for the guard itself


@contextmanager
def guarded(data: Path) -> Iterator[None]:
    """While it lasts, somebody looks whether this process is killed."""
    theirs, ours = os.pipe()
    guard = subprocess.Popen(
        [sys.executable, "-S", "-m", "laptop.guard", str(data)],
        cwd=ROOT,
        env={"PATH": os.defpath, "PYTHONPATH": str(ROOT)},
        stdin=theirs,
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # neither Ctrl-C nor the end of the terminal reaches it
    )
    os.close(theirs)
    try:
        yield
    finally:
        _dismiss(guard, ours)


def _dismiss(guard: subprocess.Popen[bytes], ours: int) -> None:
    try:
        os.write(ours, _ALL_IS_WELL)
    except BrokenPipeError:
        say("laptop", "its guard had ended before")
    os.close(ours)
    try:
        guard.wait(_GRACE)
    except subprocess.TimeoutExpired:
        guard.kill()
        guard.wait()


def main(data: Path) -> None:
    """Waits for the end of the supervisor, and cleans up behind one that was killed."""
    if os.read(sys.stdin.fileno(), 1) == _ALL_IS_WELL:
        return
    with (data / "lock").open("r", encoding="ascii") as lock:
        if not _taken(lock.fileno()):
            return  # the next run is there already, and has cleaned up itself
        if left := end_leftovers(data / "run"):
            say("laptop", f"was killed; ended what it left: {', '.join(left)}")
        (data / "state.json").unlink(missing_ok=True)


def _taken(lock: int) -> bool:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        else:
            return True


if __name__ == "__main__":
    main(Path(sys.argv[1]))
