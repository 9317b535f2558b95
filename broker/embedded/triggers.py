"""Brokers and Triggers read from Knative manifests, with every default applied.

Differences to a cluster: all Brokers are served here, whatever their class annotation says; a `ref` names a Service
of the command line, its namespace is not looked at; filters are read once, at start.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from broker.embedded.filters import Filter, compile_filter, only_type
from broker.embedded.retry_policy import BROKER_DEFAULT, RetryPolicy, read_retry_policy
from broker.embedded.yaml_documents import NotYamlError, yaml_documents

ORDER_ANNOTATION = "kafka.eventing.knative.dev/delivery.order"


class TriggerError(ValueError):
    """A Broker or Trigger cannot be served; the message names the object and the reason."""


@dataclass(frozen=True)
class Broker:
    namespace: str
    name: str

    @property
    def path(self) -> str:
        return f"/{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Trigger:
    """only_type: see filters; subscriber: URL on this machine; subscriber_there: on a cluster, for dead letters."""

    namespace: str
    name: str
    broker: str
    accepts: Filter
    only_type: str | None
    subscriber: str
    subscriber_there: str
    retry_policy: RetryPolicy
    ordered: bool

    @cached_property  # each delivery asks for it, and for those below
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"

    @cached_property
    def head(self) -> bytes:
        """The header lines of its deliveries that are the same for all events."""
        return f"Prefer: reply\r\nKn-Namespace: {self.namespace}\r\n".encode("ascii")

    @cached_property
    def subscriber_name(self) -> str:
        """Of a Service, else its host: what people call it in traces and metrics."""
        return _first_label(urlsplit(self.subscriber_there).hostname or "")

    @cached_property
    def broker_path(self) -> str:
        return f"/{self.namespace}/{self.broker}"


@dataclass(frozen=True)
class Manifests:
    brokers: tuple[Broker, ...]
    triggers: tuple[Trigger, ...]


def read_manifests(paths: Iterable[Path], services: Mapping[str, str]) -> Manifests:
    """All Brokers and Triggers in the files and folders; services: name -> URL. Raises TriggerError."""
    documents = [document for path in paths for document in _documents(path)]
    brokers = {}
    for document in documents:
        if document.get("kind") == "Broker":
            broker = Broker(*_identity(document))
            brokers[broker.path] = (broker, (document.get("spec") or {}).get("delivery"))
    if not brokers:
        raise TriggerError("the manifests hold no Broker")
    triggers = {}
    for document in documents:
        if document.get("kind") == "Trigger":
            trigger = _trigger(document, {path: delivery for path, (_, delivery) in brokers.items()}, services)
            triggers[trigger.key] = trigger
    return Manifests(tuple(broker for broker, _ in brokers.values()), tuple(triggers.values()))


def _documents(path: Path) -> Iterator[dict[str, Any]]:
    files = sorted(each for each in path.rglob("*") if each.suffix in {".yaml", ".yml"}) if path.is_dir() else [path]
    for file in files:
        try:
            documents = yaml_documents(file)
        except NotYamlError as error:
            raise TriggerError(str(error)) from error
        except (OSError, ValueError) as error:
            raise TriggerError(f"{file}: {error}") from error
        for document in documents:
            if isinstance(document, dict):
                yield from document["items"] if document.get("kind") == "List" else [document]


def _identity(document: Mapping[str, Any]) -> tuple[str, str]:
    metadata = document["metadata"]
    return metadata.get("namespace", "default"), metadata["name"]


def _trigger(document: Mapping[str, Any], brokers: Mapping[str, Any], services: Mapping[str, str]) -> Trigger:
    namespace, name = _identity(document)
    spec = document["spec"]
    broker_path = f"/{namespace}/{spec['broker']}"
    if broker_path not in brokers:
        raise TriggerError(f"Trigger {namespace}/{name}: its Broker {broker_path} is not among the manifests")
    delivery = spec.get("delivery")  # replaces the Broker's as a whole
    if delivery is None:
        delivery = BROKER_DEFAULT if brokers[broker_path] is None else brokers[broker_path]
    try:
        return Trigger(
            namespace=namespace,
            name=name,
            broker=spec["broker"],
            accepts=compile_filter(spec),
            only_type=only_type(spec),
            subscriber=_destination(spec["subscriber"], services),
            subscriber_there=_on_a_cluster(spec["subscriber"], namespace),
            retry_policy=_retry_policy(delivery, services),
            ordered=_is_ordered(document["metadata"].get("annotations") or {}),
        )
    except ValueError as error:
        raise TriggerError(f"Trigger {namespace}/{name}: {error}") from error


def _is_ordered(annotations: Mapping[str, str]) -> bool:
    order = annotations.get(ORDER_ANNOTATION, "unordered").lower()
    if order not in {"ordered", "unordered"}:
        raise TriggerError(f"{ORDER_ANNOTATION} is ordered or unordered, not {order!r}")
    return order == "ordered"


def _retry_policy(delivery: Mapping[str, Any], services: Mapping[str, str]) -> RetryPolicy:
    sink = delivery.get("deadLetterSink")
    return read_retry_policy(delivery, None if sink is None else _destination(sink, services))


def _destination(destination: Mapping[str, Any], services: Mapping[str, str]) -> str:
    uri = destination.get("uri")
    if "ref" not in destination:
        if not uri or urlsplit(uri).scheme != "http":
            raise TriggerError(f"a destination without ref needs an absolute http:// uri, not {uri!r}")
        return str(uri)
    name = destination["ref"].get("name")
    if destination["ref"].get("kind") != "Service":
        raise TriggerError(f"only Services can be subscribers and sinks here, not {destination['ref'].get('kind')}")
    if name not in services:
        raise TriggerError(f"no address for Service {name}: give --service {name}=URL")
    return urljoin(services[name], uri) if uri else services[name]


def _on_a_cluster(destination: Mapping[str, Any], namespace: str) -> str:
    """The address that Knative resolves: a port of this machine would not identify it, and changes at each start."""
    uri = str(destination.get("uri") or "")
    if "ref" not in destination:
        return uri
    reference = destination["ref"]
    return urljoin(f"http://{reference['name']}.{reference.get('namespace', namespace)}.svc.cluster.local", uri)


def _first_label(host: str) -> str:
    """An address of numbers is not a name, and stays whole."""
    return host if host.replace(".", "").isdecimal() else host.partition(".")[0]
