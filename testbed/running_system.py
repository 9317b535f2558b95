"""The whole system as a test sees it: `python -m laptop run` in its own folder, on free ports."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil
import requests

ROOT = Path(__file__).resolve().parent.parent
Found = TypeVar("Found")


def laptop_arguments(name: str) -> list[str]:
    """What a variable of the Makefile adds to `python -m laptop run`: APART, for instance."""
    found = re.search(rf"^{name} := ((?:.*\\\n)*.*)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert found, f"the Makefile has no {name}"
    return shlex.split(found[1].replace("\\\n", " "))


def eventually(look: Callable[[], Found], what: str, within: float = 20.0, pause: float = 0.02) -> Found:
    """The first true answer of `look`, asked every `pause` seconds; fails the test after `within` seconds."""
    deadline = time.monotonic() + within
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {within} s: {what}"
        time.sleep(pause)
    return found


@dataclass(frozen=True)
class RunningSystem:
    """A system that runs; addresses come from its state.json."""

    process: subprocess.Popen[bytes]
    data: Path
    terminal: Path

    @property
    def state(self) -> dict[str, Any]:
        """What state.json says now."""
        state: dict[str, Any] = json.loads((self.data / "state.json").read_text("utf-8"))
        return state

    @property
    def gateway(self) -> str:
        """Base URL of the gateway."""
        return str(self.state["gateway"])

    @property
    def broker(self) -> str:
        """Ingress URL of the broker."""
        return str(self.state["broker"])

    def url(self, service: str) -> str:
        """Base URL of a Service."""
        return str(self.state["services"][service]["url"])

    def service(self, name: str) -> dict[str, Any]:
        """state, pid, starts, coldStarts, triggers of a Service."""
        service: dict[str, Any] = self.state["services"][name]
        return service

    def await_state(self, service: str, state: str, within: float = 20.0) -> None:
        """Waits until a Service is asleep, awake, ..."""
        eventually(lambda: self.service(service)["state"] == state, f"{service} is {state}", within)

    def process_of(self, service: str) -> int:
        """The process of a Service that was just called: it answers before state.json knows of it."""

        def found() -> int:
            now = self.service(service)
            return int(now["pid"]) if now["state"] == "awake" and psutil.pid_exists(now["pid"]) else 0

        return eventually(found, f"{service} is awake")

    def end_fork_server(self) -> None:
        """The next function takes as long as the first one of a wave, so that somebody can see it wake."""
        if pid := self.state["forkServerPid"]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            eventually(lambda: self.state["forkServerPid"] != pid, "the fork server is gone")

    def put_to_sleep(self, service: str, within: float = 90.0) -> None:
        """Ends a function as the runtime does after a quiet window, once its calls are finished."""
        ended: set[int] = set()

        def is_asleep() -> bool:
            now = self.service(service)
            if now["state"] == "awake" and now["pid"] not in ended:
                ended.add(now["pid"])
                with suppress(ProcessLookupError):
                    os.kill(now["pid"], signal.SIGTERM)
            return bool(now["state"] == "asleep")

        eventually(is_asleep, f"{service} is asleep", within)

    def on_their_way(self) -> int:
        """Deliveries that the broker has to make, now or later."""
        triggers = requests.get(self.state["brokerStatus"], timeout=30).json()["triggers"].values()
        return sum(int(one["backlog"] + one["inFlight"]) for one in triggers)

    def said(self) -> str:
        """What the terminal shows so far."""
        return self.terminal.read_text("utf-8")

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        """Sends a signal and returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout=20)


def between_ticks(system: RunningSystem, look: Callable[[], Found]) -> Found:
    """What `look` finds while no schedule wakes anybody; it looks again where one has."""
    while True:
        ticked = _housekeeping(system)
        found = look()
        if _housekeeping(system) == ticked:
            return found


def _housekeeping(system: RunningSystem) -> dict[str, Any]:
    services = system.state["services"].items()
    return {name: (one["state"], one["starts"]) for name, one in services if name.endswith("-housekeeping")}


def start_system(data: Path, *arguments: str, project: Path = ROOT) -> RunningSystem:
    """Starts a system without waiting for it, from this checkout or a copy of it."""
    data.mkdir(parents=True, exist_ok=True)
    terminal = data / "terminal.txt"
    command = [sys.executable, "-m", "laptop", "run", "--data", str(data), "--free-ports", *arguments]
    with terminal.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=project, stdout=output, stderr=output, env={**os.environ, "PYTHONUNBUFFERED": "1"}
        )
    return RunningSystem(process, data, terminal)


@contextmanager
def running_system(data: Path, *arguments: str, project: Path = ROOT) -> Iterator[RunningSystem]:
    """Starts a system, waits until it is open, and ends it. `arguments` go to `python -m laptop run`."""
    system = start_system(data, *arguments, project=project)
    try:
        eventually(lambda: "Stop:" in system.said() or system.process.poll() is not None, "the system is up", 60)
        assert system.process.poll() is None, system.said()
        yield system
    finally:
        system.end()
