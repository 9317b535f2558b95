"""The lifecycle of a function: asleep, started by the first connection, awake while connections come, asleep again.

    asleep --connection--> starting --READY--> awake --window without a connection--> stopping --exited--> asleep
                                                 awake --a file of it has changed-----> stopping

The listening socket is open in every state: what arrives while the process is away waits in the backlog, and wakes it.
"""

import asyncio
import signal
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from socket import socket
from typing import Any

from laptop.arrivals import connection_arrives
from laptop.logs import Log, say
from laptop.manifests import Function
from laptop.process import Child
from laptop.readiness import Readiness
from laptop.refusal import refuse_connections

LOOK_AGAIN = 1.0  # seconds between two looks at the socket of an awake function
START_DEADLINE = 60.0
GRACE = 35.0  # seconds to finish calls when put to sleep; the function itself gives up after 30
STURDY = 5.0  # seconds; what lived longer has not "died quickly"
REFUSE_AFTER = 3  # quick deaths in a row until callers are refused instead of kept waiting


@dataclass
class Lifecycle:
    """What is known about one function; written to state.json."""

    url: str
    triggers: tuple[str, ...]
    folder: str
    state: str = "asleep"
    since: float = field(default_factory=time.time)
    """When it came into this state, in seconds since 1970."""
    pid: int | None = None
    starts: int = 0
    cold_starts: deque[float] = field(default_factory=lambda: deque(maxlen=20))
    wakings: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=200))
    """When the last starts began (seconds since 1970) and how many seconds each took until READY."""
    crashes: int = 0
    """How often its process ended without being asked to, or did not become ready."""
    quick_deaths: int = 0
    outdated: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a file that it is made of has changed since its process was started."""


@dataclass(frozen=True)
class Needs:
    """What a lifecycle needs from the supervisor. `launch` starts the process that reports to `notify()`."""

    listener: socket
    launch: Callable[[Path], Awaitable[Child]]
    notify: Callable[[], Path]
    log: Log
    changed: Callable[[], None]
    gates: asyncio.Event  # open once the databases are there


async def run_lifecycle(function: Function, lifecycle: Lifecycle, needs: Needs) -> None:
    """Runs until cancelled."""
    while True:
        if not function.min_scale:
            await connection_arrives(needs.listener)
        await needs.gates.wait()
        began = time.monotonic()
        try:
            child = await _start(lifecycle, needs)
        except OSError as error:  # no memory, no processes, no descriptors, a folder that somebody has removed
            await _cannot_start(function, lifecycle, needs, error)
            continue
        ready = lifecycle.state == "awake"
        if ready:
            await _unless_outdated(lifecycle, _stay_awake(function, needs, child))
            if not child.exited.done():
                _become(lifecycle, needs, "stopping", child.pid)
        await child.end(GRACE)
        _become(lifecycle, needs, "asleep", None)
        if child.crashed or not ready:
            lifecycle.crashes += 1
            needs.changed()
            lived = time.monotonic() - began if ready else 0.0  # however long a slow machine took to fail
            await _recover(function, lifecycle, needs, child, lived)
        else:
            lifecycle.quick_deaths = 0
            say(function.name, "asleep again")


async def _start(lifecycle: Lifecycle, needs: Needs) -> Child:
    """A cold start is measured from the connection noticed (or the wish to be awake) to READY.

    Raises OSError where the machine gives no process.
    """
    began, at = time.monotonic(), time.time()
    notify = needs.notify()
    with Readiness(notify) as ready:
        _become(lifecycle, needs, "starting", None)
        child = await needs.launch(notify)
        lifecycle.starts += 1
        _become(lifecycle, needs, "starting", child.pid)
        waited_for: set[asyncio.Future[None] | asyncio.Future[int]] = {ready, child.exited}
        await asyncio.wait(waited_for, timeout=START_DEADLINE, return_when=asyncio.FIRST_COMPLETED)
        if ready.done():
            lifecycle.cold_starts.append(round(time.monotonic() - began, 4))
            lifecycle.wakings.append((at, lifecycle.cold_starts[-1]))
            say(needs.log.name, f"woke in {lifecycle.cold_starts[-1]:.2f} s")
            _become(lifecycle, needs, "awake", child.pid)
        elif not child.exited.done():
            say(needs.log.name, f"not ready after {START_DEADLINE:.0f} s: ended")
    return child


async def _stay_awake(function: Function, needs: Needs, child: Child) -> None:
    """Until the window has passed without a connection and without a line in the log, or the process has ended."""
    if function.min_scale:
        await asyncio.wait({child.exited})
        return
    pause = min(LOOK_AGAIN, function.window / 5)
    quiet_left = function.window
    while quiet_left > 0 and not child.exited.done():
        if await connection_arrives(needs.listener, unless=child.exited, timeout=quiet_left):
            await asyncio.wait({child.exited}, timeout=pause)
            quiet_left = function.window
        else:
            quiet_left = function.window - needs.log.quiet_for()


async def _recover(function: Function, lifecycle: Lifecycle, needs: Needs, child: Child, lived: float) -> None:
    """Tells what happened; waits before the next start the longer the more often it died quickly."""
    needs.log.show_crash(child.exited.result())
    lifecycle.quick_deaths = lifecycle.quick_deaths + 1 if lived < STURDY else 0
    await _pause(function, lifecycle, needs, partial(_why, child.exited.result(), needs.log))


def _why(status: int, log: Log) -> str:
    """Why a process ended: what it wrote last, or the signal, about which it wrote nothing."""
    return log.last_word() if status >= 0 else f"ended by signal {-status} ({signal.Signals(-status).name})"


async def _unless_outdated(lifecycle: Lifecycle, work: Coroutine[Any, Any, None]) -> bool:
    """Does the work, until it is done or other code must run. Returns whether it is the latter."""
    done, outdated = asyncio.ensure_future(work), asyncio.ensure_future(lifecycle.outdated.wait())
    waited_for: set[asyncio.Future[Any]] = {done, outdated}
    try:
        await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waited_for:
            task.cancel()
        await asyncio.gather(*waited_for, return_exceptions=True)
    if not done.cancelled():
        done.result()  # its error, if it has failed
    return lifecycle.outdated.is_set()


async def _cannot_start(function: Function, lifecycle: Lifecycle, needs: Needs, error: OSError) -> None:
    reason = f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"
    say(function.name, f"could not be started ({reason}); it is tried again, everything else goes on")
    _become(lifecycle, needs, "asleep", None)
    lifecycle.quick_deaths += 1
    await _pause(function, lifecycle, needs, lambda: reason)


async def _pause(function: Function, lifecycle: Lifecycle, needs: Needs, reason: Callable[[], str]) -> None:
    pause = backoff(lifecycle.quick_deaths)
    if lifecycle.quick_deaths >= REFUSE_AFTER:
        refusing = refuse_connections(needs.listener, f"{function.name} does not start: {reason()}", pause)
        mended = await _unless_outdated(lifecycle, refusing)
    else:
        mended = await _unless_outdated(lifecycle, asyncio.sleep(pause))
    if mended:
        lifecycle.quick_deaths = 0


def backoff(quick_deaths: int) -> float:
    """Seconds until the next start: at once after a long life, then 0.25, 0.5, 1, ... 10."""
    return min(10.0, 0.125 * 2**quick_deaths) if quick_deaths else 0.0


def _become(lifecycle: Lifecycle, needs: Needs, state: str, pid: int | None) -> None:
    lifecycle.state, lifecycle.pid, lifecycle.since = state, pid, time.time()
    needs.changed()
