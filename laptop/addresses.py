"""Who listens where on this machine."""

from dataclasses import dataclass
from socket import socket
from urllib.parse import urljoin

from laptop.errors import ManifestError
from laptop.manifests import Sink, System
from laptop.settings import BROKER_PORT, Settings
from laptop.sockets import listen, url_of

BROKER = "broker"


@dataclass(frozen=True)
class Addresses:
    """The held sockets by name: every Service, and the broker."""

    listeners: dict[str, socket]

    @property
    def services(self) -> dict[str, str]:
        """The URL of every Service."""
        return {name: url_of(held) for name, held in self.listeners.items() if name != BROKER}

    @property
    def broker(self) -> str | None:
        """The broker's base URL, None without a Broker."""
        return url_of(self.listeners[BROKER]) if BROKER in self.listeners else None

    def port(self, name: str) -> int:
        """The port of a Service or of the broker."""
        port: int = self.listeners[name].getsockname()[1]
        return port

    def of_service(self, name: str) -> str:
        """The URL of a Service that a manifest names. Raises ManifestError."""
        if name not in self.services:
            raise ManifestError(f"a manifest names the Service {name}, which no manifest describes")
        return self.services[name]

    def of_sink(self, sink: Sink) -> str:
        """Service and Broker by name with the path in `uri` appended, or the absolute URI. Raises ManifestError."""
        if not sink.kind:
            return sink.uri
        if sink.kind == "Service":
            base = self.of_service(sink.name)
        elif sink.kind == "Broker" and self.broker:
            base = f"{self.broker}/{sink.namespace}/{sink.name}"
        else:
            raise ManifestError(f"a sink names {sink.kind} {sink.name}, which no manifest describes")
        return urljoin(base, sink.uri) if sink.uri else base

    def close(self) -> None:
        """Lets go of all sockets."""
        for held in self.listeners.values():
            held.close()


def take_addresses(system: System, settings: Settings) -> Addresses:
    """Binds everything, or nothing. Raises PortTaken."""
    wanted: dict[str, int | None] = {function.name: function.port for function in system.functions}
    if system.gateway:
        wanted[system.gateway.name] = system.gateway.port
    if system.brokers:
        wanted[BROKER] = BROKER_PORT
    unknown = sorted(settings.ports.keys() - wanted.keys())
    if unknown:
        raise ManifestError(f"--port names {', '.join(unknown)}, which no manifest describes")
    addresses = Addresses({})
    try:
        # Fixed ports first, so that no free one happens to take them.
        for name, port in sorted(wanted.items(), key=lambda entry: settings.port(*entry) == 0):
            addresses.listeners[name] = listen(name, settings.port(name, port))
    except BaseException:
        addresses.close()
        raise
    return addresses
