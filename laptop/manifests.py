"""What the manifests say, as values: the only list of functions that the laptop has."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from broker.embedded.durations import go_seconds
from laptop.container_environment import Value, environment_of
from laptop.documents import Documents, read_documents
from laptop.errors import ManifestError
from laptop.yaml_text import Manifest

SERVING, EVENTING, SOURCES = "serving.knative.dev/", "eventing.knative.dev/", "sources.knative.dev/"
STABLE_WINDOW = 60.0  # seconds; Knative: config-autoscaler, stable-window


@dataclass(frozen=True)
class Sink:
    """Where events go: a Service or a Broker by name, or an absolute URI."""

    kind: str = ""
    name: str = ""
    namespace: str = ""
    uri: str = ""


@dataclass(frozen=True)
class Function:
    """A Knative Service whose container has FUNCTION_TARGET."""

    name: str
    namespace: str
    folder: str
    target: str
    threads: int
    environment: Mapping[str, Value]
    port: int | None
    min_scale: int
    window: float  # seconds without a new connection until it sleeps
    sink: Sink | None = None
    overrides: str = ""  # K_CE_OVERRIDES: JSON, or empty when there are none
    triggers: tuple[str, ...] = ()
    share: float | None = None
    """Cores that its container requests, or None: on a busy node Kubernetes gives them out in this proportion."""


@dataclass(frozen=True)
class Gateway:
    """The Knative Service that is not a function: Caddy."""

    name: str
    environment: Mapping[str, Value]
    port: int | None


@dataclass(frozen=True)
class Ping:
    """A PingSource. `data` is the body of its events."""

    name: str
    namespace: str
    schedule: str
    timezone: str
    data: bytes
    content_type: str
    sink: Sink
    extensions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class System:
    """Everything that one run starts."""

    functions: tuple[Function, ...]
    gateway: Gateway | None
    pings: tuple[Ping, ...]
    brokers: tuple[str, ...]  # "namespace/name"
    eventing: tuple[Manifest, ...] = ()  # the Brokers and Triggers as they are, for the broker


def read_system(paths: list[Path]) -> System:
    """Reads the manifests of one run. Raises ManifestError."""
    documents = read_documents(paths)
    services = list(documents.of_kind("Service", SERVING))
    functions = tuple(_function(service, documents) for service in services if _target(service))
    if not functions:
        raise ManifestError(f"no Knative Service with FUNCTION_TARGET in {', '.join(map(str, paths))}")
    return System(
        functions=functions,
        gateway=next((_gateway(service, documents) for service in services if _is_gateway(service)), None),
        pings=tuple(_ping(source) for source in documents.of_kind("PingSource", SOURCES)),
        brokers=tuple(_path(broker) for broker in documents.of_kind("Broker", EVENTING)),
        eventing=tuple(found for kind in ("Broker", "Trigger") for found in documents.of_kind(kind, EVENTING)),
    )


def with_settings(system: System, settings: Mapping[str, str]) -> System:
    """The system with other values for some settings. Raises ManifestError for one that no function has.

    The gateway gets all of them, as it is configured by its environment alone.
    """
    known = set().union(*(function.environment for function in system.functions))
    if unknown := ", ".join(sorted(settings.keys() - known)):
        raise ManifestError(f"the manifests give no function a setting {unknown}")

    def environment(function: Function) -> dict[str, Value]:
        return {name: settings.get(name, value) for name, value in function.environment.items()}

    functions = tuple(replace(function, environment=environment(function)) for function in system.functions)
    gateway = system.gateway and replace(system.gateway, environment={**system.gateway.environment, **settings})
    return replace(system, functions=functions, gateway=gateway)


def seconds(duration: str) -> float:
    """'6s', '1m30s', '250ms' (Go's notation) in seconds. Raises ManifestError."""
    try:
        return go_seconds(duration)
    except ValueError as error:
        raise ManifestError(str(error)) from error


def _function(service: Manifest, documents: Documents) -> Function:
    name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
    template = service["spec"]["template"]
    scaling = template.get("metadata", {}).get("annotations", {})
    environment = environment_of(_container(service), documents, name)
    binding = _binding(name, documents)
    return Function(
        name=name,
        namespace=namespace,
        folder=_folder(service),
        target=_target(service),
        threads=_threads(name, template["spec"].get("containerConcurrency"), environment.get("THREADS")),
        environment=environment,
        port=_port(service),
        min_scale=int(scaling.get("autoscaling.knative.dev/min-scale", "0")),
        window=_window(scaling),
        sink=_sink(binding["spec"]["sink"], binding["metadata"]["namespace"]) if binding else None,
        overrides=_overrides(binding) if binding else "",
        triggers=tuple(_triggers(name, documents)),
        share=_share(_container(service), name),
    )


def _gateway(service: Manifest, documents: Documents) -> Gateway:
    name = service["metadata"]["name"]
    return Gateway(name, environment_of(_container(service), documents, name), _port(service))


def _ping(source: Manifest) -> Ping:
    name, namespace, spec = source["metadata"]["name"], source["metadata"]["namespace"], source["spec"]
    if "dataBase64" in spec:
        raise ManifestError(f"PingSource {name}: dataBase64 is not supported on a laptop, use data")
    return Ping(
        name=name,
        namespace=namespace,
        schedule=spec["schedule"],
        timezone=spec.get("timezone") or "UTC",
        data=spec.get("data", "").encode(),
        content_type=spec.get("contentType") or "application/json",
        sink=_sink(spec["sink"], namespace),
        extensions=spec.get("ceOverrides", {}).get("extensions", {}),
    )


def _sink(destination: Manifest, namespace: str) -> Sink:
    ref = destination.get("ref")
    uri = destination.get("uri", "")
    if not ref:
        return Sink(uri=uri)
    return Sink(ref["kind"], ref["name"], ref.get("namespace") or namespace, uri)


def _binding(service: str, documents: Documents) -> Manifest | None:
    def is_subject(binding: Manifest) -> bool:
        subject = binding["spec"]["subject"]
        return bool(subject["kind"] == "Service" and subject.get("name") == service)

    return next(filter(is_subject, documents.of_kind("SinkBinding", SOURCES)), None)


def _overrides(binding: Manifest) -> str:
    extensions = binding["spec"].get("ceOverrides", {}).get("extensions")
    return json.dumps({"extensions": extensions}) if extensions else ""


def _triggers(service: str, documents: Documents) -> Iterator[str]:
    for trigger in documents.of_kind("Trigger", EVENTING):
        if trigger["spec"]["subscriber"].get("ref", {}).get("name") == service:
            yield _path(trigger)


def _threads(service: str, concurrency: int | None, threads: Value | None) -> int:
    """Knative admits `containerConcurrency` calls at once and a function has THREADS: they must agree."""
    if not concurrency or str(concurrency) != str(threads):
        raise ManifestError(
            f"Service {service}: containerConcurrency is {concurrency} and THREADS is {threads}; "
            "both must be set, and the same"
        )
    return concurrency


def _share(container: Manifest, service: str) -> float | None:
    """`200m` or `0.2`, a quantity of Kubernetes, in cores."""
    requested = container.get("resources", {}).get("requests", {}).get("cpu")
    if requested is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(m?)", str(requested), re.ASCII)
    if not found or not float(found[1]):
        raise ManifestError(f"Service {service}: its container requests cpu {requested}; write 200m or 0.2")
    return float(found[1]) / (1000 if found[2] else 1)


def _window(scaling: Manifest) -> float:
    window = scaling.get("autoscaling.knative.dev/window")
    kept = scaling.get("autoscaling.knative.dev/scale-to-zero-pod-retention-period", "0s")
    return max(seconds(window) if window else STABLE_WINDOW, seconds(kept))


def _container(service: Manifest) -> Manifest:
    container: Manifest = service["spec"]["template"]["spec"]["containers"][0]
    return container


def _target(service: Manifest) -> str:
    entries = _container(service).get("env", [])
    return next((entry.get("value", "") for entry in entries if entry["name"] == "FUNCTION_TARGET"), "")


def _folder(service: Manifest) -> str:
    """The last path segment of the image, without tag and digest, names the source folder."""
    last = str(_container(service)["image"]).rsplit("/", maxsplit=1)[-1]
    return re.split("[:@]", last)[0]


def _is_gateway(service: Manifest) -> bool:
    return not _target(service) and _folder(service) == "gateway"


def _port(service: Manifest) -> int | None:
    port = service["metadata"].get("annotations", {}).get("laptop/port")
    return int(port) if port else None


def _path(resource: Manifest) -> str:
    return f"{resource['metadata']['namespace']}/{resource['metadata']['name']}"
