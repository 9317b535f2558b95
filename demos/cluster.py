"""The airline in a namespace of a cluster."""

import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from demos.errors import DemoFailed
from demos.instances import Instance, State
from demos.kubectl import SERVICE, Namespace
from demos.running_airline import RunningAirline

PAUSE = 1.0
OF_A_SERVICE = "serving.knative.dev/service"
ONLOOKER = "board"
"""No part of the airline: whoever watches keeps it awake (knative/components/board)."""
AUTOSCALING = "autoscaling.knative.dev"


def is_given() -> bool:
    """Whether there is a cluster to show something on."""
    return bool(os.environ.get("KUBECONFIG"))


def opened(namespace: Namespace) -> RunningAirline:
    """The airline that runs there. Raises DemoFailed."""
    services = {found["metadata"]["name"]: found for found in namespace.items(SERVICE)}
    if "gateway" not in services:
        raise DemoFailed(f"no airline in namespace {namespace.name}; `make deploy` brings one")
    url, host = address(services["gateway"])
    sleepers = frozenset(name for name, service in services.items() if name != ONLOOKER and may_sleep(service))
    return RunningAirline(f"cluster, namespace {namespace.name}", url, host, sleepers, lambda: look(namespace), PAUSE)


def address(gateway: Mapping[str, Any]) -> tuple[str, str | None]:
    """Base URL and Host header: what Knative says, or AIRLINE_URL, where AIRLINE_HOST is Knative's name for it unless
    it is given. Raises DemoFailed while it has no URL."""
    known = gateway.get("status", {}).get("url")
    if not known:
        raise DemoFailed("the Service gateway has no URL yet: it is not Ready")
    url = os.environ.get("AIRLINE_URL", known)
    name = urlsplit(known).hostname
    return url, os.environ.get("AIRLINE_HOST") or (None if urlsplit(url).hostname == name else name)


def may_sleep(service: Mapping[str, Any]) -> bool:
    """Whether a Service scales to zero: not with a least scale, and never by class hpa."""
    annotations = service["spec"]["template"]["metadata"].get("annotations", {})
    by_kpa = not annotations.get(f"{AUTOSCALING}/class", "kpa").startswith("hpa")
    return by_kpa and annotations.get(f"{AUTOSCALING}/min-scale", "0") == "0"


def look(namespace: Namespace) -> list[Instance]:
    """The pods of all Services, now. Raises DemoFailed."""
    return [instance(pod) for pod in namespace.items("pods", "-l", f"{OF_A_SERVICE},{OF_A_SERVICE}!={ONLOOKER}")]


def instance(pod: Mapping[str, Any]) -> Instance:
    """A pod as an instance; Kubernetes gives times in whole seconds."""
    metadata = pod["metadata"]
    ready = next((one for one in pod["status"].get("conditions", []) if one["type"] == "Ready"), {"status": "False"})
    is_ready = ready["status"] == "True"
    state: State = "leaving" if "deletionTimestamp" in metadata else "ready" if is_ready else "starting"
    created = metadata["creationTimestamp"]
    took = _seconds(created, ready["lastTransitionTime"]) if is_ready else None
    began = datetime.fromisoformat(created).timestamp()
    return Instance(metadata["labels"][OF_A_SERVICE], metadata["name"], state, took, began)


def _seconds(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
