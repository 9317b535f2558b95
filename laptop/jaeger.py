"""Jaeger on this machine, for `--traces` without an endpoint of one's own: it takes traces by OTLP and shows them.

It is the `jaeger` on PATH; or, where Go is installed, made once from its Go module, into this environment. That takes
minutes, and its pages are not part of the module: such a Jaeger answers only its API (/api/traces).
"""

import json
import shutil
import socket
import subprocess
import sysconfig
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from laptop.errors import LaptopError
from laptop.logs import say

MODULE, VERSION = "github.com/jaegertracing/jaeger", "v1.76.0"
UI_PORT, OTLP_PORT = 16686, 4318
"""Its own, which others expect; `--free-ports` takes free ones."""
MOST_TRACES = 20_000
"""In memory: those of the last run are gone."""
_HOW = (
    "--traces needs one of these: OTEL_EXPORTER_OTLP_ENDPOINT, the address of an OTLP receiver of yours; the program "
    "jaeger on PATH (its releases have it, and its image jaegertracing/jaeger); or Go, with which it is made here"
)


@dataclass(frozen=True)
class Jaeger:
    """The program, and where it answers people and takes traces."""

    program: Path
    ui_port: int
    otlp_port: int

    @property
    def ui(self) -> str:
        """Where to look at traces."""
        return f"http://127.0.0.1:{self.ui_port}"

    @property
    def telemetry(self) -> Mapping[str, str]:
        """The variables of OpenTelemetry by which the others find it; it takes no metrics."""
        endpoint = f"http://127.0.0.1:{self.otlp_port}"
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_METRICS_EXPORTER": "none"}

    def configuration(self) -> str:
        """Its configuration file: JSON, which is YAML as well."""
        storage = {"jaeger_storage": {"backends": {"memory": {"memory": {"max_traces": MOST_TRACES}}}}}
        query = {"jaeger_query": {"storage": {"traces": "memory"}, "http": {"endpoint": f"127.0.0.1:{self.ui_port}"}}}
        query["jaeger_query"]["grpc"] = {"endpoint": "127.0.0.1:0"}
        receivers = {"otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{self.otlp_port}"}}}}
        exporters = {"jaeger_storage_exporter": {"trace_storage": "memory"}}
        service = {
            "extensions": ["jaeger_storage", "jaeger_query"],
            "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["jaeger_storage_exporter"]}},
            "telemetry": {"metrics": {"level": "none"}},
        }
        made = {"service": service, "extensions": storage | query, "receivers": receivers, "exporters": exporters}
        return json.dumps(made, indent=1)


def found(*, free_ports: bool) -> Jaeger:
    """The Jaeger of this machine. Raises LaptopError where there is none, and it cannot be made."""
    ports = (_free_port(), _free_port()) if free_ports else (UI_PORT, OTLP_PORT)
    on_path, made = shutil.which("jaeger"), Path(sysconfig.get_path("data")) / "jaeger" / "jaeger"
    if on_path is None and not made.exists():
        _make(made)
    return Jaeger(Path(on_path) if on_path else made, *ports)


def _make(program: Path) -> None:
    if shutil.which("go") is None:
        raise LaptopError(_HOW)
    say("jaeger", f"making it from {MODULE}@{VERSION} with Go, once; this takes some minutes")
    with tempfile.TemporaryDirectory() as folder:
        # not `go install`: its go.mod has replacements, which that refuses
        for command in (
            ["go", "mod", "init", "jaeger"],
            ["go", "get", "-tool", f"{MODULE}/cmd/jaeger@{VERSION}"],
            ["go", "build", "-o", str(program), f"{MODULE}/cmd/jaeger"],
        ):
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            if done.returncode:
                last = (done.stderr.strip().splitlines() or ["no output"])[-1]
                raise LaptopError(f"Jaeger could not be made ({' '.join(command)}: {last}). {_HOW}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
