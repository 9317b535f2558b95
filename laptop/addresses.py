"""Who listens where on this machine."""

from dataclasses import dataclass
from socket import socket
from urllib.parse import urljoin

from laptop.errors import ManifestError, PortTaken
from laptop.manifests import Sink, System
from laptop.options import BROKER_PORT, Options
from laptop.sockets import listen, url_of

BROKER, BOARD = "broker", "board"


@dataclass(frozen=True)
class Addresses:
    """The held sockets by name: every Service, the broker, and with a gateway the feed of the board."""

    listeners: dict[str, socket]

    @property
    def services(self) -> dict[str, str]:
        """The URL of every Service."""
        return {name: url_of(held) for name, held in self.listeners.items() if name not in {BROKER, BOARD}}

    @property
    def broker(self) -> str | None:
        """The broker's base URL, None without a Broker."""
        return url_of(self.listeners[BROKER]) if BROKER in self.listeners else None

    @property
    def board(self) -> str | None:
        """The base URL of the board's feed, None without a gateway, through which it is reached."""
        return url_of(self.listeners[BOARD]) if BOARD in self.listeners else None

    def port(self, name: str) -> int:
        """The port of a Service, of the broker, or of the board."""
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


def take_addresses(system: System, options: Options) -> Addresses:
    """Binds everything, or nothing. Raises PortTaken, which names all that cannot be had, and ManifestError."""
    wanted = _wanted(system, options)
    addresses = Addresses({})
    refused: list[tuple[str, int, OSError]] = []
    # Fixed ports first, so that no free one happens to take them.
    for name, port in sorted(wanted.items(), key=lambda entry: entry[1] == 0):
        try:
            addresses.listeners[name] = listen(port)
        except OSError as error:
            refused.append((name, port, error))
    if refused:
        addresses.close()
        raise _port_taken(refused)
    return addresses


def _wanted(system: System, options: Options) -> dict[str, int]:
    """The port of everything that listens, 0 for a free one. Raises ManifestError."""
    named: dict[str, int | None] = {function.name: function.port for function in system.functions}
    if system.gateway:
        named[system.gateway.name] = system.gateway.port
        named[BOARD] = None
    if system.brokers:
        named[BROKER] = BROKER_PORT
    if unknown := sorted(options.ports.keys() - named.keys()):
        raise ManifestError(f"--port names {', '.join(unknown)}; there are: {', '.join(sorted(named))}")
    wanted = {name: options.port(name, port) for name, port in named.items()}
    owners: dict[int, str] = {}
    for name, port in wanted.items():
        if port and owners.setdefault(port, name) != name:
            raise ManifestError(f"{owners[port]} and {name} both want port {port}; move one: --port {name}=PORT")
    return wanted


def _port_taken(refused: list[tuple[str, int, OSError]]) -> PortTaken:
    ports = ", ".join(f"port {port}, wanted by {name} ({error.strerror})" for name, port, error in refused)
    moved = " ".join(f"--port {name}=PORT" for name, _, _ in refused)
    return PortTaken(
        f"cannot be had: {ports}. End what uses them (another make run?), or choose others: {moved}, "
        'or any free ones: --free-ports; with make as in make run ARGS="--free-ports"'
    )
