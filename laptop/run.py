"""What one run holds in its hands, and how it is written down."""

import asyncio
import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from laptop.addresses import BROKER, Addresses
from laptop.databases import Databases
from laptop.forking import Forks
from laptop.lifecycle import STURDY, Lifecycle, backoff
from laptop.logs import Log, say
from laptop.manifests import System
from laptop.options import Options
from laptop.process import Children
from laptop.programs import fork_server_program
from laptop.runtime import RuntimeFolder
from laptop.sources import Sources
from laptop.state import write_state

STATE_DELAY = 0.01  # seconds; changes that come together are written together
STATE_AGAIN = 2.0  # seconds until a state that could not be written is tried again


@dataclass
class Run:
    """The options, what they led to, and what is alive."""

    options: Options
    system: System
    addresses: Addresses
    children: Children
    runtime: RuntimeFolder
    lifecycles: dict[str, Lifecycle] = field(default_factory=dict)
    residents: dict[str, int] = field(default_factory=dict)  # broker and gateway: process ids
    falls: dict[str, asyncio.Future[str]] = field(default_factory=dict)  # why the first of these ended unexpectedly
    logs: dict[str, Log] = field(default_factory=dict)
    gates: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    forks: Forks = field(init=False)
    sources: Sources = field(init=False)
    databases: Databases = field(init=False)
    state_due: bool = False
    state_lost: bool = False

    def __post_init__(self) -> None:
        server = fork_server_program(self.options) if self.options.fork else None
        self.forks = Forks(self.children, server, self.changed)
        self.sources = Sources((self.options.functions, *self.options.code))
        self.databases = Databases(self.options.data)

    def spawn(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Starts work that lasts as long as the run. After a failure, which is reported, it starts again."""
        self.tasks.add(asyncio.create_task(_again_and_again(name, work)))

    def log(self, name: str) -> Log:
        """The log of a service."""
        if name not in self.logs:
            self.logs[name] = Log(name, self.options.logs / f"{name}.log")
        return self.logs[name]

    def changed(self) -> None:
        """Has state.json written soon."""
        if not self.state_due:
            self.state_due = True
            asyncio.get_running_loop().call_later(STATE_DELAY, self.write)

    def write(self) -> None:
        """Writes state.json, or tries again later: a full disk must not end anything."""
        self.state_due = False
        try:
            write_state(self.options.data, self.state())
            self.state_lost = False
        except OSError as error:
            if not self.state_lost:
                say("laptop", f"state.json in {self.options.data} cannot be written ({error.strerror}); trying again")
            self.state_lost = self.state_due = True
            asyncio.get_running_loop().call_later(STATE_AGAIN, self.write)

    def state(self) -> dict[str, Any]:
        """The content of state.json."""
        services, broker, gateway = self.addresses.services, self.addresses.broker, self.system.gateway
        return {
            "pid": os.getpid(),
            "gateway": services[gateway.name] if gateway else None,
            "gatewayPid": self.residents.get(gateway.name) if gateway else None,
            "broker": f"{broker}/{self.system.brokers[0]}" if broker else None,
            "brokerStatus": f"{broker}/-/status" if broker else None,
            "brokerPid": self.residents.get(BROKER),
            "forkServerPid": self.forks.pid,
            "services": {name: _written(lifecycle) for name, lifecycle in self.lifecycles.items()},
        }


async def _again_and_again(name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    failures = 0
    while True:
        began = asyncio.get_running_loop().time()
        try:
            return await work()
        except Exception as error:  # whatever it is, the other functions have no part in it
            failures = failures + 1 if asyncio.get_running_loop().time() - began < STURDY else 1
            say(name, f"failed ({type(error).__name__}: {error}); it is begun again, everything else goes on")
        await asyncio.sleep(backoff(failures))


def _written(lifecycle: Lifecycle) -> dict[str, Any]:
    return {
        "url": lifecycle.url,
        "folder": lifecycle.folder,
        "state": lifecycle.state,
        "since": datetime.fromtimestamp(lifecycle.since, UTC).isoformat(timespec="milliseconds"),
        "pid": lifecycle.pid,
        "starts": lifecycle.starts,
        "crashes": lifecycle.crashes,
        "coldStarts": list(lifecycle.cold_starts),
        "wakings": [
            {"at": datetime.fromtimestamp(at, UTC).isoformat(), "seconds": took} for at, took in lifecycle.wakings
        ],
        "triggers": list(lifecycle.triggers),
    }
