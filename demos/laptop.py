"""The airline on this machine: the one that runs, or one that is started for the demo and ended with it."""

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import requests

from client import waiting
from client.gateway import open_session
from demos.errors import DemoFailed
from demos.instances import Instance, State
from demos.running_airline import RunningAirline
from laptop.data_folder import is_running, read_state
from laptop.systems import data_of

ROOT = Path(__file__).resolve().parent.parent
DATA = data_of()
PAUSE = 0.25
STARTED_WITHIN = 60.0
GRACE = 60.0
"""Seconds until a laptop that was asked to end is killed: its functions finish their calls first."""

STATES: dict[str, State] = {"starting": "starting", "awake": "ready", "stopping": "leaving"}
"""What laptop/lifecycle.py calls them, but for `asleep`."""


@contextmanager
def opened(data: Path, window: str | None = None) -> Iterator[RunningAirline]:
    """The laptop that runs on `data`; without one, a new one (`started`)."""
    if is_running(data):
        yield _running(data)
        return
    with started(window) as new:
        yield new


@contextmanager
def started(window: str | None = None, *settings: str) -> Iterator[RunningAirline]:
    """A new laptop in a folder that is removed afterwards, on free ports.

    `window` shortens its stable window, `settings` ("NAME=VALUE") are those of functions. Raises DemoFailed.
    """
    options = [*(["--window", window] if window else []), *(word for one in settings for word in ("--set", one))]
    with tempfile.TemporaryDirectory(prefix="airline-demo-") as folder, _started(Path(folder), options):
        yield _running(Path(folder))


def instances(state: dict[str, Any]) -> list[Instance]:
    """The processes in state.json; each start of a function is a separate instance."""
    return [
        Instance(
            name,
            f"{name}-{service['starts']}",
            STATES[service["state"]],
            service["coldStarts"][-1] if service["state"] != "starting" and service["coldStarts"] else None,
            _began(service) if service["state"] != "starting" else None,
        )
        for name, service in state["services"].items()
        if service["state"] in STATES
    ]


def _began(service: dict[str, Any]) -> float | None:
    wakings = service.get("wakings")
    return datetime.fromisoformat(wakings[-1]["at"]).timestamp() if wakings else None


def _running(data: Path) -> RunningAirline:
    state = _state(data)
    # the gateway is not a function: it stays awake, and is not among the services
    sleepers = frozenset(state["services"])
    return RunningAirline(
        f"laptop, data in {data}", state["gateway"], None, sleepers, lambda: instances(_state(data)), PAUSE
    )


def _state(data: Path) -> dict[str, Any]:
    state = read_state(data)
    if state is None:
        raise DemoFailed(f"{data} has no state.json")
    return state


@contextmanager
def _started(data: Path, options: Sequence[str]) -> Iterator[None]:
    command = [sys.executable, "-m", "laptop", "run", "--data", str(data), "--free-ports"]
    terminal = data / "terminal.txt"
    with terminal.open("wb") as output:
        process = subprocess.Popen([*command, *options], cwd=ROOT, stdout=output, stderr=output)
    try:
        waiting.until(lambda: process.poll() is not None or _is_open(data), "the laptop is open", STARTED_WITHIN)
        if process.poll() is not None:
            raise DemoFailed(f"the laptop did not start: {terminal.read_text('utf-8')[-2000:]}")
        yield
    finally:
        _end(process)


def _is_open(data: Path) -> bool:
    try:
        state = read_state(data) or {}
        gateway = str(state.get("gateway") or "")
        return bool(gateway) and open_session(gateway).get(f"{gateway}/healthz", timeout=5).ok
    except requests.RequestException:
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(timeout=GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
