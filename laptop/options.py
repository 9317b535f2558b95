"""What one run is asked to do."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from laptop.jaeger import Jaeger
from laptop.systems import ROOT, read_system

BROKER_PORT = 8086


@dataclass(frozen=True)
class Options:
    """All paths are absolute. `window` overrides the stable window of every Service.

    `disturb` and `broker_bytes` go to the embedded broker as its --disturb and --max-bytes. What has no default is the
    system's own: `of_system`.
    """

    manifests: tuple[Path, ...]
    functions: Path
    code: tuple[Path, ...]
    """What functions import in addition to their own folders."""
    data: Path
    welcome: Path
    """What people can type, a line each; {gateway}, {broker} (the Broker) and {ingress} (its server) are replaced by
    addresses, without http://127.0.0.1."""
    status: str
    """The command that shows who is awake."""
    kept: str
    """Where to find events that nobody took."""
    ports: Mapping[str, int] = field(default_factory=dict)
    free_ports: bool = False
    window: float | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    """Other values for settings that the manifests give to functions."""
    python: str = sys.executable
    fork: bool = True
    """Whether functions are forked from a process that has imported what they share (laptop/forkserver.py)."""
    disturb: str | None = None
    broker_bytes: int | None = None
    telemetry: Mapping[str, str] = field(default_factory=dict)
    """Variables of OpenTelemetry (OTEL_...) that everything gets; without an endpoint among them nothing is traced."""
    jaeger: Jaeger | None = None
    """Runs with the others, and takes their traces; None where they go elsewhere or nowhere."""

    @property
    def run(self) -> Path:
        """Locks of living processes."""
        return self.data / "run"

    @property
    def triggers(self) -> Path:
        """The Brokers and Triggers of the run for the broker, which knows no kustomization."""
        return self.data / "triggers.json"

    @property
    def logs(self) -> Path:
        """One file per service."""
        return self.data / "logs"

    def port(self, name: str, wanted: int | None) -> int:
        """The port of a service: of the command line, else of the manifest, else 0 (a free one)."""
        if name in self.ports:
            return self.ports[name]
        return 0 if self.free_ports or wanted is None else wanted


def of_system(folder: Path = ROOT) -> Options:
    """The system in a folder, as its system.toml says; without a folder, that of this checkout. Raises LaptopError."""
    system = read_system(folder)
    return Options(
        manifests=tuple(folder / path for path in system["manifests"]),
        functions=folder / system["functions"],
        code=(*(folder / path for path in system["code"]), ROOT / "choreography"),
        data=folder / system["data"],
        welcome=folder / system["welcome"],
        status=system["status"],
        kept=system["kept"],
    )


def is_traced(telemetry: Mapping[str, str]) -> bool:
    """Whether the variables of OpenTelemetry name an endpoint for traces."""
    return any(telemetry.get(f"OTEL_EXPORTER_OTLP_{which}ENDPOINT") for which in ("", "TRACES_"))
