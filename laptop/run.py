"""What one run holds in its hands, and how it is written down."""

import asyncio
import os
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from laptop.addresses import BROKER, Addresses
from laptop.life import Life
from laptop.logs import Log
from laptop.manifests import System
from laptop.process import Children
from laptop.settings import Settings
from laptop.state import write_state

STATE_DELAY = 0.05  # seconds; changes that come together are written together


@dataclass
class Run:
    """The settings, what they led to, and what is alive."""

    settings: Settings
    system: System
    addresses: Addresses
    children: Children
    sockets: Path  # short-lived Unix sockets; their paths must be short
    lives: dict[str, Life] = field(default_factory=dict)
    residents: dict[str, int] = field(default_factory=dict)  # broker and gateway: process ids
    logs: dict[str, Log] = field(default_factory=dict)
    gates: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    state_due: bool = False

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Starts work that lasts as long as the run; an error in it ends the run."""
        self.tasks.add(asyncio.create_task(work))

    def log(self, name: str) -> Log:
        """The log of a service."""
        if name not in self.logs:
            self.logs[name] = Log(name, self.settings.logs / f"{name}.log")
        return self.logs[name]

    def changed(self) -> None:
        """Has state.json written soon."""
        if not self.state_due:
            self.state_due = True
            asyncio.get_running_loop().call_later(STATE_DELAY, self.write)

    def write(self) -> None:
        """Writes state.json."""
        self.state_due = False
        write_state(self.settings.data, self.state())

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
            "services": {name: _life(life) for name, life in self.lives.items()},
        }


def _life(life: Life) -> dict[str, Any]:
    return {
        "url": life.url,
        "state": life.state,
        "pid": life.pid,
        "starts": life.starts,
        "coldStarts": list(life.cold_starts),
        "wakings": [{"at": datetime.fromtimestamp(at, UTC).isoformat(), "seconds": took} for at, took in life.wakings],
        "triggers": list(life.triggers),
    }
